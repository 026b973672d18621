#include "types/genesis.h"
#include "types/asset.h"
#include "types/fields_int.h"
#include "types/params.h"
#include "base/assert.h"

char const * dmg_genesis_kind_name( unsigned kind ) {
  static char const * const name[ DMG_GENESIS_KIND_CNT ] = { "main", "test", "dev" };
  return kind<DMG_GENESIS_KIND_CNT ? name[ kind ] : "unknown";
}

/* (module, key) as one number that orders like the pair. */
static uint32_t param_rank( dmg_genesis_param_t const * p ) { return (uint32_t)p->module<<16|p->key; }

static void read_head( dmg_bcs_rd_t * rd, dmg_field_at_t * at, dmg_genesis_t * g ) {
  F( "version", g->version = dmg_bcs_rd_u16( rd ) );
  if( !rd->bad && g->version!=DMG_GENESIS_VERSION ) F( "version", dmg_bcs_rd_fail( rd, DMG_BCS_VALUE ) );
  F( "name",    g->name    = dmg_bcs_rd_str( rd, DMG_GENESIS_NAME_MAX ) );
  F( "kind",    g->kind    = dmg_bcs_rd_u8( rd ) );
  if( !rd->bad && g->kind>=DMG_GENESIS_KIND_CNT ) F( "kind", dmg_bcs_rd_fail( rd, DMG_BCS_VALUE ) );
  F( "time_ms", g->time_ms = dmg_bcs_rd_u64( rd ) );
  F( "first",   g->has_first = dmg_bcs_rd_option( rd ) );
  if( g->has_first ) F( "first", dmg_bcs_rd_copy( rd, g->first.b, 32 ) );
  F( "root",    g->has_root = dmg_bcs_rd_option( rd ) );
  if( g->has_root ) F( "root", dmg_bcs_rd_copy( rd, g->root.b, 32 ) );
  F( "instr_version", g->instr_version = dmg_bcs_rd_u16( rd ) );
  F( "host_api",      g->host_api      = dmg_bcs_rd_u16( rd ) );
}

/* Room for a list whose elements take at least elem_min bytes: never more than the input can fill. */
static uint32_t read_cnt( dmg_bcs_rd_t * rd, uint32_t max, size_t elem_min ) {
  uint32_t n = dmg_bcs_rd_len( rd, 0, max );
  if( n>dmg_bcs_rd_left( rd )/elem_min ) { dmg_bcs_rd_fail( rd, DMG_BCS_SHORT ); return 0; }
  return n;
}

static bool read_params( dmg_bcs_rd_t * rd, dmg_field_at_t * at, dmg_arena_t * arena, dmg_genesis_t * g ) {
  F( "params", g->param_cnt = read_cnt( rd, DMG_GENESIS_PARAM_MAX, 5 ) );
  if( !( g->params = DMG_ARENA_NEW( arena, dmg_genesis_param_t, g->param_cnt ) ) ) return false;
  for( uint32_t i = 0; i<g->param_cnt && !rd->bad; i++ ) {
    dmg_genesis_param_t * p = &g->params[ i ];
    F_AT( "params.module", i, p->module = dmg_bcs_rd_u16( rd ) );
    F_AT( "params.key",    i, p->key    = dmg_bcs_rd_u16( rd ) );
    if( i && param_rank( p-1 )>=param_rank( p ) ) F_AT( "params", i, dmg_bcs_rd_fail( rd, DMG_BCS_ORDER ) );
    F_AT( "params.value",  i, p->value  = dmg_bcs_rd_bytes( rd, DMG_PARAM_VALUE_MAX ) );
  }
  return true;
}

static bool read_modules( dmg_bcs_rd_t * rd, dmg_field_at_t * at, dmg_arena_t * arena, dmg_genesis_t * g ) {
  F( "modules", g->module_cnt = read_cnt( rd, DMG_GENESIS_MODULE_MAX, 35 ) );
  if( !( g->modules = DMG_ARENA_NEW( arena, dmg_genesis_module_t, g->module_cnt ) ) ) return false;
  for( uint32_t i = 0; i<g->module_cnt && !rd->bad; i++ ) {
    dmg_genesis_module_t * m = &g->modules[ i ];
    F_AT( "modules.id", i, m->id = dmg_bcs_rd_u16( rd ) );
    if( i && m[ -1 ].id>=m->id ) F_AT( "modules", i, dmg_bcs_rd_fail( rd, DMG_BCS_ORDER ) );
    F_AT( "modules.code",   i, dmg_bcs_rd_copy( rd, m->code.b, 32 ) );
    F_AT( "modules.config", i, m->config_cnt = read_cnt( rd, DMG_GENESIS_CONFIG_MAX, 1 ) );
    if( !( m->config = DMG_ARENA_NEW( arena, dmg_span_t, m->config_cnt ) ) ) return false;
    for( uint32_t k = 0; k<m->config_cnt; k++ ) F_AT( "modules.config", i, m->config[ k ] = dmg_bcs_rd_bytes( rd, DMG_GENESIS_CONFIG_SZ_MAX ) );
  }
  return true;
}

static bool read_validators( dmg_bcs_rd_t * rd, dmg_field_at_t * at, dmg_arena_t * arena, dmg_genesis_t * g ) {
  F( "validators", g->validator_cnt = read_cnt( rd, DMG_GENESIS_VALIDATOR_MAX, 32+96+48+1+8+1 ) );
  if( !( g->validators = DMG_ARENA_NEW( arena, dmg_genesis_validator_t, g->validator_cnt ) ) ) return false;
  for( uint32_t i = 0; i<g->validator_cnt; i++ ) {
    dmg_genesis_validator_t * v = &g->validators[ i ];
    F_AT( "validators.account", i, dmg_bcs_rd_copy( rd, v->account.b, 32 ) );
    F_AT( "validators.key",     i, dmg_bcs_rd_copy( rd, v->key, sizeof v->key ) );
    F_AT( "validators.pop",     i, dmg_bcs_rd_copy( rd, v->pop, sizeof v->pop ) );
    F_AT( "validators.peer",    i, v->peer   = dmg_bcs_rd_bytes( rd, DMG_GENESIS_PEER_MAX ) );
    F_AT( "validators.bond",    i, v->bond   = dmg_bcs_rd_u64( rd ) );
    F_AT( "validators.bucket",  i, v->bucket = dmg_bcs_rd_u8( rd ) );
  }
  return true;
}

dmg_verdict_t dmg_genesis_decode( dmg_span_t bytes, dmg_arena_t * arena, dmg_genesis_t ** out ) {
  if( bytes.sz>DMG_GENESIS_SZ_MAX ) return dmg_verdict_bad( "size", "more than 67108864 bytes", DMG_GENESIS_SZ_MAX );
  dmg_genesis_t * g = DMG_ARENA_NEW( arena, dmg_genesis_t, 1 );
  if( !g ) return dmg_verdict_local( DMG_ERR_NOMEM );
  dmg_bcs_rd_t r = dmg_bcs_rd( bytes ), * rd = &r;
  dmg_field_at_t  f = { 0 };
  read_head( rd, &f, g );
  if( !read_params( rd, &f, arena, g ) || !read_modules( rd, &f, arena, g ) || !read_validators( rd, &f, arena, g ) )
    return dmg_verdict_local( DMG_ERR_NOMEM );
  dmg_verdict_t v = dmg_fields_end( rd, &f );
  if( !v.kind ) *out = g;
  return v;
}

/* --- encoding ----------------------------------------------------------------------------------------- */

static bool is_sound( dmg_genesis_t const * g ) {
  if( g->version!=DMG_GENESIS_VERSION || g->kind>=DMG_GENESIS_KIND_CNT || g->name.sz>DMG_GENESIS_NAME_MAX || !dmg_utf8_is_valid( g->name ) ) return false;
  if( g->param_cnt>DMG_GENESIS_PARAM_MAX || g->module_cnt>DMG_GENESIS_MODULE_MAX || g->validator_cnt>DMG_GENESIS_VALIDATOR_MAX ) return false;
  for( uint32_t i = 0; i<g->param_cnt; i++ ) {
    dmg_genesis_param_t const * p = &g->params[ i ];
    if( p->value.sz>DMG_PARAM_VALUE_MAX ) return false;
    if( i && param_rank( p-1 )>=param_rank( p ) ) return false;
  }
  for( uint32_t i = 0; i<g->module_cnt; i++ ) {
    dmg_genesis_module_t const * m = &g->modules[ i ];
    if( ( i && m[ -1 ].id>=m->id ) || m->config_cnt>DMG_GENESIS_CONFIG_MAX ) return false;
    for( uint32_t k = 0; k<m->config_cnt; k++ ) if( m->config[ k ].sz>DMG_GENESIS_CONFIG_SZ_MAX ) return false;
  }
  for( uint32_t i = 0; i<g->validator_cnt; i++ ) if( g->validators[ i ].peer.sz>DMG_GENESIS_PEER_MAX ) return false;
  return true;
}

static void write_genesis( dmg_bcs_wr_t * wr, dmg_genesis_t const * g ) {
  dmg_bcs_wr_u16  ( wr, g->version );
  dmg_bcs_wr_bytes( wr, g->name );
  dmg_bcs_wr_u8   ( wr, g->kind );
  dmg_bcs_wr_u64  ( wr, g->time_ms );
  dmg_bcs_wr_bool ( wr, g->has_first );
  if( g->has_first ) dmg_bcs_wr_fixed( wr, g->first.b, 32 );
  dmg_bcs_wr_bool ( wr, g->has_root );
  if( g->has_root ) dmg_bcs_wr_fixed( wr, g->root.b, 32 );
  dmg_bcs_wr_u16  ( wr, g->instr_version );
  dmg_bcs_wr_u16  ( wr, g->host_api );
  dmg_bcs_wr_uleb ( wr, g->param_cnt );
  for( uint32_t i = 0; i<g->param_cnt; i++ ) {
    dmg_bcs_wr_u16  ( wr, g->params[ i ].module );
    dmg_bcs_wr_u16  ( wr, g->params[ i ].key );
    dmg_bcs_wr_bytes( wr, g->params[ i ].value );
  }
  dmg_bcs_wr_uleb( wr, g->module_cnt );
  for( uint32_t i = 0; i<g->module_cnt; i++ ) {
    dmg_genesis_module_t const * m = &g->modules[ i ];
    dmg_bcs_wr_u16  ( wr, m->id );
    dmg_bcs_wr_fixed( wr, m->code.b, 32 );
    dmg_bcs_wr_uleb ( wr, m->config_cnt );
    for( uint32_t k = 0; k<m->config_cnt; k++ ) dmg_bcs_wr_bytes( wr, m->config[ k ] );
  }
  dmg_bcs_wr_uleb( wr, g->validator_cnt );
  for( uint32_t i = 0; i<g->validator_cnt; i++ ) {
    dmg_genesis_validator_t const * v = &g->validators[ i ];
    dmg_bcs_wr_fixed( wr, v->account.b, 32 );
    dmg_bcs_wr_fixed( wr, v->key, sizeof v->key );
    dmg_bcs_wr_fixed( wr, v->pop, sizeof v->pop );
    dmg_bcs_wr_bytes( wr, v->peer );
    dmg_bcs_wr_u64  ( wr, v->bond );
    dmg_bcs_wr_u8   ( wr, v->bucket );
  }
}

dmg_err_t dmg_genesis_encode( dmg_genesis_t const * g, dmg_buf_t * buf ) {
  if( !is_sound( g ) ) return DMG_ERR_INVALID;
  size_t cap = 256+(size_t)g->param_cnt*( 5+DMG_PARAM_VALUE_MAX )+(size_t)g->validator_cnt*( 32+96+48+1+DMG_GENESIS_PEER_MAX+9 );
  for( uint32_t i = 0; i<g->module_cnt; i++ ) {
    cap += 40;
    for( uint32_t k = 0; k<g->modules[ i ].config_cnt; k++ ) cap += 3+g->modules[ i ].config[ k ].sz;
  }
  if( cap>DMG_GENESIS_SZ_MAX ) return DMG_ERR_INVALID;
  size_t    before = buf->sz;
  uint8_t * p;
  DMG_TRY( dmg_buf_grow( buf, cap, &p ) );
  dmg_bcs_wr_t wr = dmg_bcs_wr( p, cap );
  write_genesis( &wr, g );
  DMG_ASSERT( !wr.is_full );
  buf->sz = before+(size_t)( wr.p-wr.start );
  return DMG_OK;
}

/* --- sense -------------------------------------------------------------------------------------------- */

static bool has_module( dmg_genesis_t const * g, uint16_t id ) {
  for( uint32_t i = 0; i<g->module_cnt; i++ ) if( g->modules[ i ].id==id ) return true;
  return false;
}

dmg_verdict_t dmg_genesis_check( dmg_genesis_t const * g ) {
  if( !is_sound( g ) )                               return dmg_verdict_bad( "genesis", "a field or list out of bounds or order", 0 );
  if( !g->name.sz )                                  return dmg_verdict_bad( "name", "empty, a chain needs a name", 0 );
  if( !g->time_ms )                                  return dmg_verdict_bad( "time_ms", "0, Unix milliseconds are needed", 0 );
  if( g->has_root && g->kind==DMG_GENESIS_MAIN )     return dmg_verdict_bad( "root", "only dev and test chains may have a root account", 0 );
  if( g->instr_version!=1 )                          return dmg_verdict_bad( "instr_version", "not 1, the only version there is", 0 );
  if( g->host_api!=1 )                               return dmg_verdict_bad( "host_api", "not 1, the only version there is", 0 );
  for( uint32_t i = 0; i<g->param_cnt; i++ ) {
    dmg_param_t param;
    uint64_t    value;
    if( !dmg_param_find( g->params[ i ].module, g->params[ i ].key, &param ) ) return dmg_verdict_bad_at( "params.key", i, "no such parameter", 0 );
    if( !dmg_param_parse( param, g->params[ i ].value, g->kind==DMG_GENESIS_DEV, &value ) ) return dmg_verdict_bad_at( "params.value", i, "not a u64 within the parameter's bounds", 0 );
  }
  if( !has_module( g, 1 ) ) return dmg_verdict_bad( "modules", "System (1) is missing", 0 );
  if( !has_module( g, 2 ) ) return dmg_verdict_bad( "modules", "Balances (2) is missing", 0 );
  if( !g->validator_cnt )   return dmg_verdict_bad( "validators", "none, at least one is needed", 0 );
  for( uint32_t i = 0; i<g->validator_cnt; i++ ) {
    dmg_genesis_validator_t const * v = &g->validators[ i ];
    if( v->bucket>5 )              return dmg_verdict_bad_at( "validators.bucket", i, "no such bucket, 0 to 5 are known", 0 );
    if( v->bond>DMG_SUPPLY_SPARKS ) return dmg_verdict_bad_at( "validators.bond", i, "more than the supply", 0 );
    for( uint32_t k = 0; k<i; k++ ) {
      if( dmg_hash_eq( &g->validators[ k ].account, &v->account ) ) return dmg_verdict_bad_at( "validators.account", i, "an account that occurs twice", 0 );
      if( !memcmp( g->validators[ k ].key, v->key, sizeof v->key ) ) return dmg_verdict_bad_at( "validators.key", i, "a key that occurs twice", 0 );
    }
  }
  return dmg_verdict_good();
}

dmg_hash_t dmg_genesis_hash( dmg_span_t bytes ) { return dmg_h( DMG_TAG_GENESIS, bytes ); }
dmg_hash_t dmg_code_hash( dmg_span_t file )     { return dmg_h( DMG_TAG_CODE, file ); }
