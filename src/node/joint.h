/* joint: one node's agreement and network, joined on a port: no thread, no clock, no socket.

     port --> chainnet --LINK FRAME PUSHED GOT TXS SYNC--> validator --> chain
                ^  `--- head header body handover judge? ---^   |
                `--- send close push_body block fetch sync_to final members view <--'

   node.c drives it in a thread over libp2p, tests/sim many of them in one thread over links of its own:

     do { while( a few times ) dmg_joint_take( j, now ); dmg_joint_turn( j, now, wall, &wake ); wait for the port or wake; } while( .. )

   Memory   the arena of chainnet (chainnet.h), a validator's (validator.h)
   Threads  one at a time, with the stack of vm.h
   Failure  turn returns what ends the node; nothing is voted or sent afterwards
   Spec     docs/spec/consensus.md, docs/spec/network.md N8, N9 */
#ifndef DMG_NODE_JOINT_H
#define DMG_NODE_JOINT_H

#include "network/chainnet.h"
#include "node/validator.h"

typedef struct {
  dmg_chain_t *    chain;          /* as in dmg_validator_cfg_t */
  dmg_net_port_t * port;           /* opened with dmg_chainnet_setup's protocols; not owned, lives longer */
  uint8_t          seed[ 32 ];     /* Ed25519 node identity: the port's */
  uint8_t          secret[ 32 ];   /* dmg_chainnet_cfg_t's */
  bool             is_private;     /* N10.1 */
  bool             is_wait_off;    /* dmg_validator_cfg_t's */
  void          (* on_txs )( void * ctx );
  void *           on_txs_ctx;
  bool             is_threaded;    /* dmg_validator_cfg_t's, with the next two */
  uint64_t         lag_us;
  void          (* on_done )( void * ctx );   /* gets on_txs_ctx */
  void          (* on_reach )( void * ctx, dmg_net_peer_t const * peer, bool is_up, char const * why );   /* gets on_txs_ctx: DMG_CHAINNET_REACH; NULL: nobody */
} dmg_joint_cfg_t;

typedef struct dmg_joint dmg_joint_t;

/* Replays what is stored; nothing is sent before start.  The reason is in out_why. */
DMG_MUST_USE dmg_err_t dmg_joint_open( dmg_joint_cfg_t const * cfg, uint64_t now_us, uint64_t wall_ms, dmg_joint_t ** out, char out_why[512] );
/* Dials who was added (dmg_chainnet_add_peer) and is known. */
DMG_MUST_USE dmg_err_t dmg_joint_start( dmg_joint_t * j, uint64_t now_us );
/* One event of the network is handed on; false: there is none. */
bool dmg_joint_take( dmg_joint_t * j, uint64_t now_us );
/* The validator's turn, then transactions on their way; *out_wake_us: when to call again though no event came. */
DMG_MUST_USE dmg_err_t dmg_joint_turn( dmg_joint_t * j, uint64_t now_us, uint64_t wall_ms, uint64_t * out_wake_us );
/* The port goes on as long as its owner wants it. */
void dmg_joint_close( dmg_joint_t * j );   /* NULL: nothing */

dmg_chainnet_t *  dmg_joint_net      ( dmg_joint_t * j );
dmg_validator_t * dmg_joint_validator( dmg_joint_t * j );

#endif
