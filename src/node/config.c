#include "node/config.h"
#include "base/num.h"
#include "base/assert.h"
#include "base/os.h"
#include "node/peer_addr.h"

#include "dmgn_conf.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_SZ_MAX = 1<<20 };

dmg_config_desc_t const dmg_config_desc[ DMG_CONFIG_CNT ] = {
#define CONFIG_DESC( name, path, form, def, lo, hi, text ) { path, form, def, lo, hi, text },
  DMG_CONFIG_TABLE( CONFIG_DESC )
};

/* "1GiB", "512MiB", "4096". */
static bool parse_size( char const * text, uint64_t * out ) {
  static struct { char const * unit; unsigned shift; } const unit[] = { { "", 0 }, { "KiB", 10 }, { "MiB", 20 }, { "GiB", 30 }, { "TiB", 40 } };
  char * end;
  if( !isdigit( (unsigned char)*text ) ) return false;
  unsigned long v = strtoul( text, &end, 10 );
  for( size_t i = 0; i<sizeof unit/sizeof *unit; i++ )
    if( !strcmp( end, unit[ i ].unit ) && v<=UINT64_MAX>>unit[ i ].shift ) { *out = (uint64_t)v<<unit[ i ].shift; return true; }
  return false;
}

dmg_rpc_limits_t dmg_config_rpc_limits( dmg_config_t const * c ) {
  /* A unit is 10 us: a core has 100,000 a second.  0 threads are one a core; more threads than cores share them. */
  uint64_t cores = dmg_os_core_cnt(), threads = dmg_config_uint( c, DMG_CONFIG_RPC_THREADS ), submit = dmg_config_uint( c, DMG_CONFIG_RPC_SUBMIT );
  uint64_t used = dmg_min_u64( cores, ( threads ? threads : cores )+( submit ? submit : cores ) );
  return (dmg_rpc_limits_t){ .query_ms = (uint32_t)dmg_config_uint( c, DMG_CONFIG_RPC_QUERY_MS ),
    .cost = { .rate = (uint32_t)dmg_config_uint( c, DMG_CONFIG_RPC_UNITS ), .burst = (uint32_t)dmg_config_uint( c, DMG_CONFIG_RPC_BURST ),
              .all_rate = used*1000*dmg_config_uint( c, DMG_CONFIG_RPC_SHARE ) } };
}

bool dmg_config_checkpoint( char const * text, dmg_checkpoint_t * out ) {
  char * end;
  *out = (dmg_checkpoint_t){ 0 };
  if( !*text ) return true;
  unsigned long epoch = isdigit( (unsigned char)*text ) ? strtoul( text, &end, 10 ) : ULONG_MAX;
  if( epoch>UINT32_MAX || strncmp( end, ":0x", 3 ) || strlen( end )!=67 || dmg_hex_decode( end+3, 64, out->hash.b, 32 ) ) return false;
  out->epoch  = (uint32_t)epoch;
  out->is_set = true;
  return true;
}

bool dmg_config_pace( char const * text, dmg_pace_t * out ) {
  char * end;
  if( !strcmp( text, "auto" ) )   { *out = (dmg_pace_t){ .kind = DMG_PACE_AUTO };   return true; }
  if( !strcmp( text, "manual" ) ) { *out = (dmg_pace_t){ .kind = DMG_PACE_MANUAL }; return true; }
  if( !isdigit( (unsigned char)*text ) ) return false;
  unsigned long ms = strtoul( text, &end, 10 );
  if( strcmp( end, "ms" ) || ms<10 || ms>60000 ) return false;
  *out = (dmg_pace_t){ .kind = DMG_PACE_MS, .pace_ms = (uint32_t)ms };
  return true;
}

bool dmg_config_network( char const * text ) {
  bool is_id = strlen( text )==41 && !strncmp( text, "demiurge:", 9 ) && strspn( text+9, "0123456789abcdef" )==32;
  return !*text || !strcmp( text, "dev" ) || is_id;
}

static bool is_ip( char const * text ) {
  uint8_t ip[ 16 ];
  return inet_pton( AF_INET, text, ip )==1 || inet_pton( AF_INET6, text, ip )==1;
}

/* The rest says who connects. */
static bool is_url( char const * text ) {
  char const * scheme_end = strstr( text, "://" );
  return scheme_end && scheme_end!=text && scheme_end[ 3 ];
}

static bool one_of( char const * text, char const * a, char const * b, char const * c, char const * d ) {
  return !strcmp( text, a ) || !strcmp( text, b ) || !strcmp( text, c ) || ( d && !strcmp( text, d ) );
}

/* The first that is wrong of addresses by commas goes to bad, with what would be right and why it is not. */
static void check_addrs( char const * text, dmg_peer_addr_use_t use, uint32_t max, char want[ 128 ], char bad[ 176 ], char why[ DMG_PEER_ADDR_WHY_SZ ] ) {
  dmg_peer_addr_t addr;
  uint32_t cnt = 0;
  for( size_t at = 0, n; text[ at ] && !*want; at += n ) {
    n = strcspn( text+at, DMG_CONFIG_LIST_GAPS );
    if( !n ) { n = 1; continue; }
    snprintf( bad, 176, "%.*s", (int)dmg_min_u64( n, 175 ), text+at );
    if( ++cnt>max ) { snprintf( want, 128, "at most %u addresses", max ); snprintf( why, DMG_PEER_ADDR_WHY_SZ, "it is one more" ); }
    else if( !dmg_peer_addr_read( bad, use, &addr, why ) ) snprintf( want, 128, "%s", dmg_peer_addr_form( use ) );
  }
}

dmg_err_t dmg_config_set( dmg_config_t * config, dmg_config_key_t key, char const * text, char const * origin, dmg_buf_t * out_why ) {
  dmg_config_desc_t const * d = &dmg_config_desc[ key ];
  uint64_t number = 0;
  char want[ 128 ] = "", bad[ 176 ] = "", why[ DMG_PEER_ADDR_WHY_SZ ] = "";
  char * end;
  dmg_pace_t pace;
  dmg_checkpoint_t checkpoint;
  switch( d->form ) {
  case DMG_CONFIG_UINT:
    number = isdigit( (unsigned char)*text ) ? strtoul( text, &end, 10 ) : UINT64_MAX;
    if( number==UINT64_MAX || *end || number<d->lo || number>d->hi ) snprintf( want, sizeof want, "a number from %lu to %lu", (unsigned long)d->lo, (unsigned long)d->hi );
    break;
  case DMG_CONFIG_BOOL:
    number = !strcmp( text, "true" );
    if( !number && strcmp( text, "false" ) ) snprintf( want, sizeof want, "true or false" );
    break;
  case DMG_CONFIG_SIZE:
    if( !parse_size( text, &number ) || number<d->lo || number>d->hi ) snprintf( want, sizeof want, "a size like 1GiB, from %lu MiB to %lu MiB", (unsigned long)( d->lo>>20 ), (unsigned long)( d->hi>>20 ) );
    break;
  case DMG_CONFIG_STRING:
    if( strlen( text )>=DMG_CONFIG_VALUE_MAX ) snprintf( want, sizeof want, "at most %d bytes", DMG_CONFIG_VALUE_MAX-1 );
    if( key==DMG_CONFIG_CLIENT_RPC && !is_url( text ) )                                   snprintf( want, sizeof want, "a URL like %s", d->def );
    if( key==DMG_CONFIG_CLIENT_NETWORK && !dmg_config_network( text ) )                   snprintf( want, sizeof want, "dev, or a chain as demiurge: and 32 hex digits" );
    if( key==DMG_CONFIG_RPC_ADDRESS && !is_ip( text ) )                                   snprintf( want, sizeof want, "an IPv4 or IPv6 address of this machine, as 127.0.0.1, or 0.0.0.0 for all" );
    if( key==DMG_CONFIG_LOG_LEVEL  && !one_of( text, "error", "warn", "info", "debug" ) ) snprintf( want, sizeof want, "error, warn, info or debug" );
    if( key==DMG_CONFIG_LOG_FORMAT && !one_of( text, "auto", "text", "json", NULL ) )     snprintf( want, sizeof want, "auto, text or json" );
    if( key==DMG_CONFIG_DEV_BLOCKS && !dmg_config_pace( text, &pace ) )                   snprintf( want, sizeof want, "auto, manual or a pace from 10ms to 60000ms" );
    if( key==DMG_CONFIG_NODE_CHECKPOINT && !dmg_config_checkpoint( text, &checkpoint ) )  snprintf( want, sizeof want, "EPOCH:0x and the 64 hex digits of a block's hash" );
    if( key==DMG_CONFIG_NET_LISTEN )   check_addrs( text, DMG_PEER_ADDR_LISTEN, DMG_CONFIG_LISTEN_MAX, want, bad, why );
    if( key==DMG_CONFIG_NET_PEERS )    check_addrs( text, DMG_PEER_ADDR_PEER, DMG_CONFIG_PEERS_MAX, want, bad, why );
    if( key==DMG_CONFIG_NET_EXTERNAL ) check_addrs( text, DMG_PEER_ADDR_EXTERNAL, DMG_CONFIG_EXTERNAL_MAX, want, bad, why );
    break;
  }
  if( *want ) {
    if( *why ) (void)!dmg_buf_printf( out_why, "%s: %s wants %s, got \"%s\": %s\n", origin, d->path, want, bad, why );
    else       (void)!dmg_buf_printf( out_why, "%s: %s wants %s, got \"%.80s\"\n", origin, d->path, want, text );
    return DMG_ERR_INVALID;
  }
  snprintf( config->v[ key ].text, sizeof config->v[ key ].text, "%s", text );
  snprintf( config->v[ key ].origin, sizeof config->v[ key ].origin, "%s", origin );
  config->v[ key ].number = number;
  return DMG_OK;
}

/* A relative folder in a file is from where the file is: a network's folder that is copied or moved is a network of its own. */
static char const * beside( char const * file, char const * text, char out[ DMG_CONFIG_VALUE_MAX ] ) {
  char const * slash = strrchr( file, '/' );
  if( !*text || *text=='/' || !slash ) return text;
  int sz = slash==file ? 1 : (int)( slash-file );
  if( !strcmp( text, "." ) ) snprintf( out, DMG_CONFIG_VALUE_MAX, "%.*s", sz, file );
  else                       snprintf( out, DMG_CONFIG_VALUE_MAX, "%.*s/%s", slash==file ? 0 : sz, file, text );
  return out;
}

static dmg_err_t read_file( dmg_config_t * config, char const * path, dmg_buf_t * out_why ) {
  dmg_buf_t file;
  dmg_err_t err = dmg_os_file_read( path, FILE_SZ_MAX, &file );
  if( err ) { (void)!dmg_buf_printf( out_why, "%s: %s\n", path, dmg_err_text( err ) ); return DMG_ERR_INVALID; }
  dmgn_conf_t * conf;
  dmgn_conf_err_t bad;
  if( dmgn_conf_parse( file.p, file.sz, &conf, &bad ) ) {
    (void)!dmg_buf_printf( out_why, "%s:%u:%u: not TOML: %s\n", path, bad.line, bad.col, bad.text );
    dmg_buf_fini( &file );
    return DMG_ERR_INVALID;
  }
  snprintf( config->file, sizeof config->file, "%s", path );
  size_t cnt;
  dmgn_conf_item_t const * items = dmgn_conf_items( conf, &cnt );
  for( size_t i = 0; i<cnt; i++ ) {
    dmgn_conf_item_t const * it = &items[ i ];
    size_t key = 0;
    while( key<DMG_CONFIG_CNT && strcmp( dmg_config_desc[ key ].path, it->path ) ) key++;
    if( key<DMG_CONFIG_CNT ) {
      char origin[ DMG_CONFIG_ORIGIN_MAX ], at[ DMG_CONFIG_VALUE_MAX ];
      snprintf( origin, sizeof origin, "%.200s:%u", path, it->line );
      if( it->type==DMGN_CONF_ARRAY || it->type==DMGN_CONF_TABLE ) { (void)!dmg_buf_printf( out_why, "%s:%u:%u: %s is one value, not a list or table\n", path, it->line, it->col, it->path ); err = DMG_ERR_INVALID; }
      else if( dmg_config_set( config, (dmg_config_key_t)key, key==DMG_CONFIG_STORAGE_PATH ? beside( path, it->text, at ) : it->text, origin, out_why ) ) err = DMG_ERR_INVALID;
      continue;
    }
    /* A table is fine if some known key lies in it; what is wrong inside is told there. */
    bool is_section = false;
    char const * nearest = NULL;
    unsigned least = 99;
    for( size_t k = 0; k<DMG_CONFIG_CNT; k++ ) {
      char const * known = dmg_config_desc[ k ].path;
      is_section |= !strncmp( known, it->path, it->path_sz ) && known[ it->path_sz ]=='.';
      unsigned dist = it->path_sz<64 ? dmg_edit_distance( it->path, known ) : 99;
      if( dist<least ) { least = dist; nearest = known; }
    }
    if( it->type==DMGN_CONF_TABLE && is_section ) continue;
    (void)!dmg_buf_printf( out_why, "%s:%u:%u: unknown key %.80s; the nearest known one is %s\n", path, it->line, it->col, it->path, nearest ? nearest : dmg_config_desc[ 0 ].path );
    err = DMG_ERR_INVALID;
  }
  dmgn_conf_free( conf );
  dmg_buf_fini( &file );
  return err;
}

static bool exists( char const * path ) {
  dmg_buf_t file;
  dmg_err_t err = dmg_os_file_read( path, FILE_SZ_MAX, &file );
  if( !err ) dmg_buf_fini( &file );
  return err!=DMG_ERR_NOT_FOUND;
}

dmg_err_t dmg_config_load( char const * path, dmg_config_t * out, dmg_buf_t * out_why ) {
  dmg_err_t err = DMG_OK;
  memset( out, 0, sizeof *out );
  for( size_t k = 0; k<DMG_CONFIG_CNT; k++ ) {
    dmg_err_t def = dmg_config_set( out, (dmg_config_key_t)k, dmg_config_desc[ k ].def, "default", out_why );
    DMG_ASSERT( !def );
  }
  char const * home = getenv( "HOME" ), * named = path ? path : getenv( "DEMIURGE_CONFIG" );
  char own[ 1024 ] = "";
  if( home && *home ) snprintf( own, sizeof own, "%s/.config/demiurge/config.toml", home );
  if( named && *named )                                    err = read_file( out, named, out_why );
  else if( *own && exists( own ) )                         err = read_file( out, own, out_why );
  else if( exists( "/etc/demiurge/demiurge.toml" ) )       err = read_file( out, "/etc/demiurge/demiurge.toml", out_why );

  for( size_t k = 0; k<DMG_CONFIG_CNT; k++ ) {
    char name[ 80 ] = "DEMIURGE_";
    size_t n = strlen( name );
    for( char const * p = dmg_config_desc[ k ].path; *p; p++ ) name[ n++ ] = (char)( *p=='.' ? '_' : toupper( (unsigned char)*p ) );
    name[ n ] = 0;
    char const * v = getenv( name );
    if( v && dmg_config_set( out, (dmg_config_key_t)k, v, name, out_why ) ) err = DMG_ERR_INVALID;
  }
  return err;
}
