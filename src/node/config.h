/* config: the settings of node and client, where each comes from, and what is wrong with them (F1.6).

     flag > DEMIURGE_<SECTION>_<KEY> > file (--config, $DEMIURGE_CONFIG, ~/.config/demiurge/config.toml, /etc/demiurge/demiurge.toml) > default

   One table names every key with its form, default and meaning; a key that is not in it is an error with line
   and nearest known key.

   Memory   values live in the config
   Failure  INVALID with a list of findings, one a line: file:line:column: what, and what would be right */
#ifndef DMG_NODE_CONFIG_H
#define DMG_NODE_CONFIG_H

#include "base/bytes.h"
#include "node/chain.h"
#include "rpc/jsonrpc.h"

typedef enum { DMG_CONFIG_STRING, DMG_CONFIG_UINT, DMG_CONFIG_BOOL, DMG_CONFIG_SIZE } dmg_config_form_t;

/* X( NAME, "path", form, "default", lo, hi, "text" ): lo and hi bound UINT and SIZE; an empty default: none. */
#define DMG_CONFIG_TABLE( X )                                                                                                                \
  X( CLIENT_RPC,      "client.rpc",      DMG_CONFIG_STRING, "http://127.0.0.1:7369/rpc", 0, 0, "the node that commands talk to" )            \
  X( CLIENT_NETWORK,  "client.network",  DMG_CONFIG_STRING, "",           0, 0,      "dev, or demiurge:<32 hex>: commands refuse a node of another chain; empty: any" )  \
  X( RPC_ADDRESS,     "rpc.address",     DMG_CONFIG_STRING, "127.0.0.1",  0, 0,      "where JSON-RPC listens" )                              \
  X( RPC_PORT,        "rpc.port",        DMG_CONFIG_UINT,   "7369",       0, 65535,  "TCP port; 0: any" )                                    \
  X( RPC_THREADS,     "rpc.threads",     DMG_CONFIG_UINT,   "0",          0, 64,     "threads that read and answer requests; 0: one a core" ) \
  X( RPC_SUBMIT,      "rpc.submit_threads", DMG_CONFIG_UINT, "0",         0, 64,     "threads that check submitted transactions; 0: one a core" ) \
  X( RPC_PROXY,       "rpc.behind_proxy", DMG_CONFIG_BOOL,  "false",      0, 0,      "loopback is a proxy, not the operator: its calls are counted" ) \
  X( RPC_UNITS,       "rpc.units_per_second", DMG_CONFIG_UINT, "300",     0, 1000000, "of one client, in 10 us of a core; 0: nobody is counted" ) \
  X( RPC_BURST,       "rpc.units_burst", DMG_CONFIG_UINT,   "3000",       100, 10000000, "units that a client can save up" )                 \
  X( RPC_SHARE,       "rpc.share_percent", DMG_CONFIG_UINT, "80",         1, 100,    "of the cores of RPC, for all counted clients together" ) \
  X( RPC_QUERY_MS,    "rpc.query_ms",    DMG_CONFIG_UINT,   "10000",      100, 600000, "a call ends after" )                                 \
  X( STORAGE_PATH,    "storage.path",    DMG_CONFIG_STRING, "",           0, 0,      "data folder; empty: all in memory" )                   \
  X( STORAGE_FSYNC,   "storage.fsync",   DMG_CONFIG_BOOL,   "true",       0, 0,      "a block is final only once it is on disk" )            \
  X( STORAGE_TREE,    "storage.tree_bytes", DMG_CONFIG_SIZE, "8GiB",      16777216, (uint64_t)1<<42, "memory of the state tree" )            \
  X( NET_LISTEN,      "net.listen",      DMG_CONFIG_STRING, "/ip4/127.0.0.1/tcp/7370", 0, 0, "multiaddresses that a node listens at, by commas; empty: none" ) \
  X( NET_PEERS,       "net.peers",       DMG_CONFIG_STRING, "",           0, 0,      "peers that a node dials, by commas: /ip4/ADDRESS/tcp/PORT/p2p/ID" ) \
  X( NET_EXTERNAL,    "net.external",    DMG_CONFIG_STRING, "",           0, 0,      "where others reach this node, by commas, if not where it listens: /ip4/ADDRESS/tcp/PORT" ) \
  X( NET_PRIVATE,     "net.private",     DMG_CONFIG_BOOL,   "false",      0, 0,      "many nodes of one machine or network: no limits by address; always so on a chain of kind test" ) \
  X( NET_UPLINK,      "net.uplink",      DMG_CONFIG_UINT,   "0",          0, 100000, "Mbit/s that this node's line sends: what others fetch to catch up gets half of it; 0: not limited" ) \
  X( NODE_CHECKPOINT, "node.checkpoint", DMG_CONFIG_STRING, "",           0, 0,      "EPOCH:0x<64 hex>, a block that the chain must hold: wanted of a node whose last block is over 9 days old" ) \
  X( LOG_LEVEL,       "log.level",       DMG_CONFIG_STRING, "info",       0, 0,      "error, warn, info or debug" )                          \
  X( LOG_FORMAT,      "log.format",      DMG_CONFIG_STRING, "auto",       0, 0,      "auto (text on a terminal, else json), text or json" )  \
  X( DEV_BLOCKS,      "dev.blocks",      DMG_CONFIG_STRING, "auto",       0, 0,      "auto, manual, or a pace like 250ms" )

typedef enum {
#define DMG_CONFIG_ENUM( name, path, form, def, lo, hi, text ) DMG_CONFIG_##name,
  DMG_CONFIG_TABLE( DMG_CONFIG_ENUM )
#undef DMG_CONFIG_ENUM
  DMG_CONFIG_CNT
} dmg_config_key_t;

typedef struct { char const * path; dmg_config_form_t form; char const * def; uint64_t lo, hi; char const * text; } dmg_config_desc_t;
extern dmg_config_desc_t const dmg_config_desc[ DMG_CONFIG_CNT ];

enum { DMG_CONFIG_VALUE_MAX = 8192, DMG_CONFIG_ORIGIN_MAX = 256 };

/* Addresses of net.listen, net.peers, net.external; between them any of LIST_GAPS. */
enum { DMG_CONFIG_LISTEN_MAX = 8, DMG_CONFIG_PEERS_MAX = 64, DMG_CONFIG_EXTERNAL_MAX = 4 };
#define DMG_CONFIG_LIST_GAPS ", "

typedef struct {
  struct { char text[ DMG_CONFIG_VALUE_MAX ]; char origin[ DMG_CONFIG_ORIGIN_MAX ]; uint64_t number; } v[ DMG_CONFIG_CNT ];
  char file[ DMG_CONFIG_VALUE_MAX ];      /* the file read, "" if none */
} dmg_config_t;

/* Defaults, then the file (path NULL: the usual places, none of which must exist), then the environment.  INVALID: findings
   are appended to out_why. */
DMG_MUST_USE dmg_err_t dmg_config_load( char const * path, dmg_config_t * out, dmg_buf_t * out_why );
/* A flag's value over all else; origin names the flag.  INVALID: out_why. */
DMG_MUST_USE dmg_err_t dmg_config_set ( dmg_config_t * config, dmg_config_key_t key, char const * text, char const * origin, dmg_buf_t * out_why );

/* What the settings rpc.* say about who may ask how much (F3.4). */
dmg_rpc_limits_t dmg_config_rpc_limits( dmg_config_t const * config );

/* "EPOCH:0x.."; "": not set; false: neither. */
bool dmg_config_checkpoint( char const * text, dmg_checkpoint_t * out );
/* dev, or demiurge: and 32 hex digits; "": any; false: none of these. */
bool dmg_config_network( char const * text );
/* auto, manual, or 10ms to 60000ms; false: none of these. */
bool dmg_config_pace( char const * text, dmg_pace_t * out );

static inline char const * dmg_config_text( dmg_config_t const * c, dmg_config_key_t k ) { return c->v[ k ].text; }
static inline uint64_t     dmg_config_uint( dmg_config_t const * c, dmg_config_key_t k ) { return c->v[ k ].number; }
static inline bool         dmg_config_bool( dmg_config_t const * c, dmg_config_key_t k ) { return c->v[ k ].number; }

#endif
