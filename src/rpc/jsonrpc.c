#include "rpc/jsonrpc.h"
#include "base/assert.h"
#include "base/os.h"
#include "codec/bcs.h"
#include "crypto/bech32.h"
#include "rpc/rpc_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* F3.5, F3.2 */
enum { QUERY_MS = 10000, UNIT_NS = 10000, UNIT_BYTES = 16<<10, LOOP_SLOW_NS = 50000000, LOOP_STUCK_NS = 200000000, LOOP_WINDOW_NS = 1000000000, LAG_C = 2, LAG_B = 4 };

char const * dmg_rpc_code_name( int code ) {
  for( uint32_t i = 0; i<dmg_rpc_code_cnt; i++ ) if( dmg_rpc_code_tab[ i ].code==code ) return dmg_rpc_code_tab[ i ].name;
  return "Internal";
}

static char const * const form_text[] = {
#define FORM_TEXT( name, text ) text,
  DMG_RPC_FORM_TABLE( FORM_TEXT )
};

bool (dmg_rpc_fail)( dmg_rpc_call_t * call, int code, char const * name, char const * fmt, ... ) {
  va_list ap;
  va_start( ap, fmt );
  vsnprintf( call->fail.text, sizeof call->fail.text, fmt, ap );
  va_end( ap );
  /* A cut inside a character would make the whole text no UTF-8. */
  for( size_t n = strlen( call->fail.text ); n+1==sizeof call->fail.text && !dmg_utf8_is_valid( dmg_span( call->fail.text, n ) ); ) {
    do n--; while( n && ( (uint8_t)call->fail.text[ n ]&0xc0 )==0x80 );
    call->fail.text[ n ] = 0;
  }
  call->fail.code = code;
  snprintf( call->fail.name, sizeof call->fail.name, "%s", name && *name ? name : dmg_rpc_code_name( code ) );
  call->fail.data[ 0 ] = 0;
  return false;
}

void dmg_rpc_fail_data( dmg_rpc_call_t * call, char const * fmt, ... ) {
  char more[ sizeof call->fail.data ];
  va_list ap;
  va_start( ap, fmt );
  int n = vsnprintf( more, sizeof more, fmt, ap );
  va_end( ap );
  size_t used = strlen( call->fail.data );
  if( n<=0 || (size_t)n>=sizeof more || used+1+(size_t)n>=sizeof call->fail.data ) return;
  if( used ) call->fail.data[ used++ ] = ',';
  memcpy( call->fail.data+used, more, (size_t)n+1 );
}

bool (dmg_rpc_fail_err)( dmg_rpc_call_t * call, dmg_err_t err, char const * what ) {
  switch( err ) {
  case DMG_ERR_NOT_FOUND:   return dmg_rpc_fail( call, DMG_RPC_NOT_FOUND, NULL, "there is no such %s", what );
  case DMG_ERR_PRUNED: {
    dmg_query_chain_t chain;
    call->query->chain( call->query->ctx, &chain );
    dmg_rpc_fail( call, DMG_RPC_UNAVAILABLE, NULL, "%s: pruned; the oldest height kept is %lu", what, (unsigned long)chain.oldest_height );
    dmg_rpc_fail_data( call, "\"reason\":\"pruned\",\"from\":\"%lu\"", (unsigned long)chain.oldest_height );
    return false;
  }
  case DMG_ERR_AGAIN:       return dmg_rpc_fail( call, DMG_RPC_UNAVAILABLE, NULL, "%s: not ready yet, ask again", what );
  case DMG_ERR_FULL:        dmg_rpc_fail( call, DMG_RPC_UNAVAILABLE, NULL, "%s: overloaded, try again later", what );
                            dmg_rpc_fail_data( call, "\"reason\":\"overloaded\"" ); return false;
  case DMG_ERR_LIMIT:       return dmg_rpc_fail( call, DMG_RPC_LIMIT_EXCEEDED, NULL, "%s: past a limit, ask for less", what );
  case DMG_ERR_INVALID:     return dmg_rpc_fail( call, DMG_RPC_INVALID_INPUT, NULL, "%s: not valid", what );
  case DMG_ERR_UNSUPPORTED: return dmg_rpc_fail( call, DMG_RPC_METHOD_DISABLED, NULL, "%s: not supported by this node", what );
  default:                  return dmg_rpc_fail( call, DMG_RPC_INTERNAL, NULL, "%s: %s", what, dmg_err_text( err ) );
  }
}

bool (dmg_rpc_fail_at)( dmg_rpc_call_t * call, dmg_err_t err, dmg_at_t const * at ) {
  dmg_query_chain_t chain;
  bool is_height = at->kind==DMG_AT_HEIGHT;
  call->query->chain( call->query->ctx, &chain );
  if( err==DMG_ERR_NOT_FOUND && is_height && at->height>chain.head.height )
    return dmg_rpc_fail( call, DMG_RPC_NOT_FOUND, NULL, "there is no block %lu yet: the head is at height %lu", (unsigned long)at->height, (unsigned long)chain.head.height );
  /* F0.4: states go long before blocks do. */
  if( err!=DMG_ERR_PRUNED || ( is_height && at->height<chain.oldest_height ) ) return dmg_rpc_fail_err( call, err, "block" );
  dmg_rpc_fail( call, DMG_RPC_UNAVAILABLE, NULL, "the state after that block is not held any more, only those of the last 128 final blocks at most, and of none before the node's start; the head is at height %lu", (unsigned long)chain.head.height );
  dmg_rpc_fail_data( call, "\"reason\":\"pruned\"" );
  return false;
}

/* Short, and the same inside and outside a JSON string. */
static bool is_plain( dmg_span_t s ) {
  for( size_t i = 0; i<s.sz; i++ ) if( s.p[ i ]<0x20 || s.p[ i ]>=0x7f || s.p[ i ]=='"' || s.p[ i ]=='\\' ) return false;
  return s.sz && s.sz<=40;
}

/* A short picture of a value for messages: its type, and its text when that is short and plain. */
static void picture( dmg_jv_t v, char out[ 64 ] ) {
  static char const * const type[] = { "null", "false", "true", "number", "string", "array", "object" };
  if( dmg_jv_is_absent( v ) ) { snprintf( out, 64, "nothing" ); return; }
  dmg_span_t s = dmg_jv_text( v );
  if( is_plain( s ) ) snprintf( out, 64, "%s %.*s", type[ dmg_jv_type( v ) ], DMG_SPAN_F( s ) );
  else                snprintf( out, 64, "%s", type[ dmg_jv_type( v ) ] );
}

/* A name that a client sent, for messages. */
static void quote( dmg_span_t name, char out[ 64 ] ) {
  if( is_plain( name ) ) snprintf( out, 64, "%.*s", DMG_SPAN_F( name ) );
  else                   snprintf( out, 64, "of that name" );
}

bool (dmg_rpc_fail_value)( dmg_rpc_call_t * call, char const * path, char const * expected, dmg_jv_t got, char const * got_text ) {
  char pic[ 64 ];
  picture( got, pic );
  if( !got_text ) got_text = pic;
  dmg_rpc_fail( call, DMG_RPC_INVALID_PARAMS, NULL, "%s: parameter %s wants %s, got %s", call->method->name, path, expected, got_text );
  /* Path and got may be a client's words: escaped they may not fit, then got is left out, then all. */
  char const * const key[] = { "path", "expected", "got" }, * const value[] = { path, expected, got_text };
  for( int cnt = 3; cnt>=2 && !call->fail.data[ 0 ]; cnt-- ) {
    dmg_buf_t buf = dmg_buf( sizeof call->fail.data-1 );
    dmg_jw_t  w   = dmg_jw( &buf );
    for( int i = 0; i<cnt; i++ ) dmg_jw_kcstr( &w, key[ i ], value[ i ] );
    if( !w.is_full ) { memcpy( call->fail.data, buf.p, buf.sz ); call->fail.data[ buf.sz ] = 0; }
    dmg_buf_fini( &buf );
  }
  return false;
}

static bool fail_form( dmg_rpc_call_t * call, char const * path, char const * expected, dmg_jv_t got ) { return dmg_rpc_fail_value( call, path, expected, got, NULL ); }

bool dmg_rpc_members( dmg_rpc_call_t * call, char const * path, dmg_jv_t object, char const * const * names, uint32_t name_cnt, dmg_jv_t * out ) {
  if( dmg_jv_is_absent( object ) || dmg_jv_type( object )!=DMG_JSON_OBJECT ) return fail_form( call, path, "an object", object );
  for( uint32_t i = 0; i<name_cnt; i++ ) out[ i ] = (dmg_jv_t){ 0 };
  for( dmg_jv_t k = dmg_jv_first( object ); !dmg_jv_is_absent( k ); k = dmg_jv_next( object, k ) ) {
    uint32_t i = 0;
    while( i<name_cnt && !dmg_jv_eq_str( k, names[ i ] ) ) i++;
    if( i<name_cnt ) { out[ i ] = dmg_jv_member( k ); continue; }
    char known[ 160 ] = "", name[ 64 ], at[ 200 ];
    for( uint32_t j = 0; j<name_cnt; j++ ) snprintf( known+strlen( known ), sizeof known-strlen( known ), "%s%s", j ? ", " : "only ", names[ j ] );
    quote( dmg_jv_text( k ), name );
    snprintf( at, sizeof at, "%s.%s", path, name );
    return fail_form( call, at, known, dmg_jv_member( k ) );
  }
  return true;
}

bool (dmg_rpc_fail_param)( dmg_rpc_call_t * call, char const * path, char const * expected ) {
  dmg_jv_t got = { 0 };
  size_t n = strcspn( path, "." );
  for( uint32_t i = 0; i<DMG_RPC_PARAM_MAX && call->method->param[ i ].name; i++ )
    if( strlen( call->method->param[ i ].name )==n && !memcmp( call->method->param[ i ].name, path, n ) && call->arg[ i ].is_set ) got = call->arg[ i ].json;
  return fail_form( call, path, expected, got );
}

void dmg_rpc_put_block( dmg_jw_t * out, char const * key, dmg_at_block_t const * block ) {
  dmg_jw_key( out, key );
  dmg_jw_open( out, '{' );
  dmg_jw_ku64( out, "height", block->height );
  dmg_jw_khash( out, "hash", &block->hash );
  dmg_jw_kbool( out, "isFinal", block->is_final );
  dmg_jw_close( out, '}' );
}
void dmg_rpc_put_at( dmg_jw_t * out, dmg_at_block_t const * at ) { dmg_rpc_put_block( out, "at", at ); }

bool dmg_rpc_account_parse( dmg_rpc_call_t * call, dmg_span_t text, dmg_hash_t * out ) {
  /* CAIP-10: demiurge:<first 32 hex of the chain id>:<address> (F10.8) */
  if( text.sz>9+32+1 && !memcmp( text.p, "demiurge:", 9 ) ) {
    dmg_query_chain_t chain;
    char hex[ 65 ];
    call->query->chain( call->query->ctx, &chain );
    dmg_hex_encode( chain.chain_id.b, 32, hex );
    if( memcmp( text.p+9, hex, 32 ) || text.p[ 41 ]!=':' ) return false;
    text.p  += 42;
    text.sz -= 42;
  }
  char const * why;
  return dmg_address_parse( text, out, &why )==DMG_OK;
}

static bool bind_at( dmg_jv_t v, dmg_at_t * out ) {
  if( dmg_jv_eq_str( v, "head" ) )  { out->kind = DMG_AT_HEAD;  return true; }
  if( dmg_jv_eq_str( v, "final" ) ) { out->kind = DMG_AT_FINAL; return true; }
  if( dmg_jv_type( v )!=DMG_JSON_OBJECT || dmg_jv_cnt( v )!=1 ) return false;
  dmg_jv_t height = dmg_jv_get( v, "height" ), hash = dmg_jv_get( v, "hash" );
  if( !dmg_jv_is_absent( height ) ) { out->kind = DMG_AT_HEIGHT; return dmg_jv_u64( height, &out->height ); }
  if( !dmg_jv_is_absent( hash ) )   { out->kind = DMG_AT_HASH;   return dmg_jv_hash( hash, &out->hash ); }
  return false;
}

static bool fail_word( dmg_rpc_call_t * call, dmg_rpc_param_t const * p, dmg_jv_t got ) {
  char text[ 160 ] = "";
  for( uint32_t i = 0; p->words[ i ]; i++ ) snprintf( text+strlen( text ), sizeof text-strlen( text ), "%s%s", !i ? "" : p->words[ i+1 ] ? ", " : " or ", p->words[ i ] );
  return fail_form( call, p->name, text, got );
}

static bool bind_one( dmg_rpc_call_t * call, dmg_rpc_param_t const * p, dmg_jv_t v, dmg_rpc_arg_t * arg ) {
  bool is_good = false;
  uint32_t u32;
  arg->json = v;
  switch( p->form ) {
  case DMG_RPC_FORM_U64:     is_good = dmg_jv_u64( v, &arg->u64 ); break;
  case DMG_RPC_FORM_U32:     is_good = dmg_jv_u32( v, &u32 ); if( is_good ) arg->u64 = u32; break;
  case DMG_RPC_FORM_BOOL:    is_good = dmg_jv_type( v )==DMG_JSON_TRUE || dmg_jv_type( v )==DMG_JSON_FALSE; arg->u64 = dmg_jv_type( v )==DMG_JSON_TRUE; break;
  case DMG_RPC_FORM_HASH:    is_good = dmg_jv_hash( v, &arg->hash ); break;
  case DMG_RPC_FORM_AT:      is_good = bind_at( v, &arg->at ); break;
  case DMG_RPC_FORM_LIST:    is_good = dmg_jv_type( v )==DMG_JSON_ARRAY; break;
  case DMG_RPC_FORM_OBJECT:  is_good = dmg_jv_type( v )==DMG_JSON_OBJECT; break;
  case DMG_RPC_FORM_NAME_ID: is_good = dmg_jv_type( v )==DMG_JSON_STRING || dmg_jv_u32( v, &u32 ); break;
  case DMG_RPC_FORM_STRING:  is_good = dmg_jv_type( v )==DMG_JSON_STRING; arg->bytes = dmg_jv_text( v ); break;
  case DMG_RPC_FORM_ACCOUNT: is_good = dmg_jv_type( v )==DMG_JSON_STRING && dmg_rpc_account_parse( call, dmg_jv_text( v ), &arg->hash ); break;
  case DMG_RPC_FORM_ANY:     is_good = true; break;
  case DMG_RPC_FORM_WORD:
    for( ; p->words[ arg->u64 ] && !is_good; arg->u64 += !is_good ) is_good = dmg_jv_eq_str( v, p->words[ arg->u64 ] );
    if( !is_good ) return fail_word( call, p, v );
    break;
  case DMG_RPC_FORM_HEX: {
    size_t max = dmg_jv_text( v ).sz/2, sz = 0;
    uint8_t * p_out = dmg_arena_alloc( call->arena, max );
    if( !p_out ) return dmg_rpc_fail( call, DMG_RPC_LIMIT_EXCEEDED, NULL, "%s: the request needs more memory than %u MiB", call->method->name, DMG_RPC_ARENA_MAX>>20 );
    is_good    = dmg_jv_hex( v, p_out, max, &sz );
    arg->bytes = dmg_span( p_out, sz );
    break;
  }
  case DMG_RPC_FORM_CNT: DMG_ASSERT( p->form<DMG_RPC_FORM_CNT ); break;
  }
  arg->is_set = is_good;
  return is_good ? true : fail_form( call, p->name, form_text[ p->form ], v );
}

static bool bind_params( dmg_rpc_call_t * call, dmg_jv_t params ) {
  dmg_rpc_param_t const * p = call->method->param;
  uint32_t cnt = 0;
  while( cnt<DMG_RPC_PARAM_MAX && p[ cnt ].name ) cnt++;

  if( !dmg_jv_is_absent( params ) && dmg_jv_type( params )==DMG_JSON_ARRAY ) {
    uint32_t i = 0;
    for( dmg_jv_t v = dmg_jv_first( params ); !dmg_jv_is_absent( v ); v = dmg_jv_next( params, v ), i++ ) {
      if( i>=cnt ) {
        dmg_rpc_fail( call, DMG_RPC_INVALID_PARAMS, NULL, "%s takes at most %u parameters, got %u", call->method->name, cnt, dmg_jv_cnt( params ) );
        dmg_rpc_fail_data( call, "\"path\":\"%u\",\"expected\":\"at most %u\",\"got\":\"%u\"", i, cnt, dmg_jv_cnt( params ) );
        return false;
      }
      /* null stands for an optional parameter that is not given. */
      if( dmg_jv_type( v )==DMG_JSON_NULL && !p[ i ].is_needed ) continue;
      if( !bind_one( call, &p[ i ], v, &call->arg[ i ] ) ) return false;
    }
  } else if( !dmg_jv_is_absent( params ) ) {
    for( dmg_jv_t k = dmg_jv_first( params ); !dmg_jv_is_absent( k ); k = dmg_jv_next( params, k ) ) {
      uint32_t i = 0;
      while( i<cnt && !dmg_jv_eq_str( k, p[ i ].name ) ) i++;
      if( i==cnt ) {
        char name[ 64 ], known[ 160 ] = "";
        quote( dmg_jv_text( k ), name );
        for( uint32_t j = 0; j<cnt; j++ ) snprintf( known+strlen( known ), sizeof known-strlen( known ), "%s%s", j ? ", " : "", p[ j ].name );
        dmg_rpc_fail( call, DMG_RPC_INVALID_PARAMS, NULL, "%s has no parameter %s; it takes: %s", call->method->name, name, cnt ? known : "none" );
        dmg_rpc_fail_data( call, "\"path\":\"%s\",\"expected\":\"one of: %s\"", name, cnt ? known : "none" );
        return false;
      }
      if( !bind_one( call, &p[ i ], dmg_jv_member( k ), &call->arg[ i ] ) ) return false;
    }
  }
  for( uint32_t i = 0; i<cnt; i++ )
    if( p[ i ].is_needed && !call->arg[ i ].is_set ) return fail_form( call, p[ i ].name, form_text[ p[ i ].form ], (dmg_jv_t){ 0 } );
  return true;
}

static uint64_t system_now_ns( void * ctx ) { return dmg_os_mono_ns(); }
static uint64_t system_cpu_ns( void * ctx ) { return dmg_os_thread_cpu_ns(); }

dmg_rpc_t * dmg_rpc_new( dmg_query_t const * query, dmg_rpc_limits_t const * limits ) {
  dmg_rpc_t * rpc = calloc( 1, sizeof *rpc );
  if( !rpc ) return NULL;
  rpc->query = query;
  if( limits ) rpc->limits = *limits;
  if( !rpc->limits.query_ms ) rpc->limits.query_ms = QUERY_MS;
  if( !rpc->limits.now_ns )   rpc->limits.now_ns   = system_now_ns;
  if( !rpc->limits.cpu_ns )   rpc->limits.cpu_ns   = system_cpu_ns;
  rpc->subs  = dmg_rpc_sub_new();
  pthread_mutex_init( &rpc->lock, NULL );
  uint64_t seed;
  dmg_os_random( &seed, sizeof seed );
  bool is_counting = rpc->limits.cost.rate;
  if( is_counting ) rpc->cost = dmg_cost_new( &rpc->limits.cost, seed );
  if( !rpc->subs || ( is_counting && !rpc->cost ) ) { dmg_rpc_free( rpc ); return NULL; }
  return rpc;
}

void dmg_rpc_free( dmg_rpc_t * rpc ) {
  if( !rpc ) return;
  while( rpc->scratch ) {
    dmg_rpc_scratch_t * s = rpc->scratch;
    rpc->scratch = s->next;
    dmg_json_free( s->json );
    dmg_arena_free( s->arena );
    free( s );
  }
  dmg_rpc_sub_free( rpc->subs );
  dmg_cost_free( rpc->cost );
  pthread_mutex_destroy( &rpc->lock );
  free( rpc );
}

static dmg_rpc_scratch_t * scratch_take( dmg_rpc_t * rpc ) {
  pthread_mutex_lock( &rpc->lock );
  dmg_rpc_scratch_t * s = rpc->scratch;
  if( s ) { rpc->scratch = s->next; rpc->scratch_cnt--; }
  pthread_mutex_unlock( &rpc->lock );
  if( s ) return s;
  s = calloc( 1, sizeof *s );
  if( !s ) return NULL;
  s->json  = dmg_json_new();
  s->arena = dmg_arena_new( DMG_RPC_ARENA_MAX );
  if( s->json && s->arena ) return s;
  dmg_json_free( s->json );
  dmg_arena_free( s->arena );
  free( s );
  return NULL;
}

static void scratch_give( dmg_rpc_t * rpc, dmg_rpc_scratch_t * s ) {
  dmg_arena_reset( s->arena );
  pthread_mutex_lock( &rpc->lock );
  bool is_kept = rpc->scratch_cnt<DMG_RPC_SCRATCH_MAX;
  if( is_kept ) { s->next = rpc->scratch; rpc->scratch = s; rpc->scratch_cnt++; }
  pthread_mutex_unlock( &rpc->lock );
  if( is_kept ) return;
  dmg_json_free( s->json );
  dmg_arena_free( s->arena );
  free( s );
}

static bool id_is_good( dmg_jv_t id ) {
  return dmg_jv_type( id )==DMG_JSON_NULL || ( ( dmg_jv_type( id )==DMG_JSON_STRING || dmg_jv_type( id )==DMG_JSON_NUMBER ) && dmg_jv_text( id ).sz<=DMG_RPC_ID_SZ_MAX );
}

static void put_id( dmg_jw_t * w, dmg_jv_t id ) {
  dmg_jw_key( w, "id" );
  if( dmg_jv_is_absent( id ) || !id_is_good( id ) ) dmg_jw_null( w );
  else                                              dmg_jw_value( w, id );
}

static void put_error( dmg_jw_t * w, dmg_jv_t id, dmg_rpc_call_t const * call ) {
  dmg_jw_open( w, '{' );
  dmg_jw_kcstr( w, "jsonrpc", "2.0" );
  put_id( w, id );
  dmg_jw_key( w, "error" );
  dmg_jw_open( w, '{' );
  char code[ 16 ];
  dmg_jw_key( w, "code" );
  dmg_jw_raw( w, dmg_span( code, (size_t)snprintf( code, sizeof code, "%d", call->fail.code ) ) );
  dmg_jw_kcstr( w, "message", call->fail.text );
  dmg_jw_key( w, "data" );
  dmg_jw_open( w, '{' );
  dmg_jw_kcstr( w, "name", call->fail.name );
  if( call->fail.data[ 0 ] ) dmg_jw_raw( w, dmg_span_cstr( call->fail.data ) );
  dmg_jw_close( w, '}' );
  dmg_jw_close( w, '}' );
  dmg_jw_close( w, '}' );
}

/* An error takes at most: text and id all escaped as \u00xx, data, and the frame around them. */
enum { ERROR_SZ_MAX = 6*( 320+160+DMG_RPC_ID_SZ_MAX )+1024+256 };
_Static_assert( DMG_RPC_BATCH_MAX*ERROR_SZ_MAX<DMG_RPC_ANSWER_MAX/8, "a full batch of errors is small" );

/* --- Cost and load --- */

static uint64_t now_ns( dmg_rpc_t const * rpc ) { return rpc->limits.now_ns( rpc->limits.clock_ctx ); }

dmg_cost_cfg_t const * dmg_rpc_cost_cfg( dmg_rpc_t const * rpc ) { return &rpc->limits.cost; }

void dmg_rpc_charge( dmg_rpc_call_t * call, uint64_t units ) { call->extra = units>UINT32_MAX-call->extra ? UINT32_MAX : call->extra+(uint32_t)units; }

bool dmg_rpc_in_time( dmg_rpc_call_t * call ) {
  if( now_ns( call->rpc )<call->deadline_ns ) return true;
  dmg_rpc_fail( call, DMG_RPC_TIMEOUT, NULL, "a call ends after %u ms; ask for less, or for parts", call->rpc->limits.query_ms );
  dmg_rpc_fail_data( call, "\"limitMs\":%u", call->rpc->limits.query_ms );
  return false;
}

bool dmg_rpc_is_spent( dmg_rpc_t * rpc, dmg_cost_who_t const * who ) {
  dmg_cost_left_t left = { 0 };
  if( dmg_rpc_is_counted( rpc, who ) ) dmg_cost_settle( rpc->cost, who, now_ns( rpc ), 0, &left );
  return left.is_spent;
}

void dmg_rpc_charge_item( dmg_rpc_t * rpc, dmg_cost_who_t const * who, uint32_t units ) {
  dmg_cost_left_t left;
  if( dmg_rpc_is_counted( rpc, who ) ) dmg_cost_settle( rpc->cost, who, now_ns( rpc ), units, &left );
}

dmg_cost_verdict_t dmg_rpc_admit( dmg_rpc_t * rpc, dmg_rpc_from_t const * from, dmg_rpc_bill_t * bill ) {
  *bill = (dmg_rpc_bill_t){ .units = 1, .is_counted = dmg_rpc_is_counted( rpc, &from->who ) };
  dmg_cost_verdict_t verdict = bill->is_counted ? dmg_cost_take( rpc->cost, &from->who, now_ns( rpc ), 1, &bill->left ) : DMG_COST_GRANTED;
  if( verdict==DMG_COST_GRANTED ) return verdict;
  atomic_fetch_add( &rpc->refused_cnt[ 0 ], 1 );
  bill->units    = 0;
  bill->retry_ms = bill->left.retry_ms;
  return verdict;
}

/* F3.2: a request blocks the other connections of its thread, so how long requests take is how late the loop is. */
static void loop_note( dmg_rpc_t * rpc, uint64_t now, uint64_t took_ns ) {
  atomic_fetch_add_explicit( &rpc->loop_cnt, 1, memory_order_relaxed );
  if( took_ns>LOOP_SLOW_NS )  atomic_fetch_add( &rpc->loop_slow_cnt, 1 );
  if( took_ns>LOOP_STUCK_NS ) atomic_fetch_add( &rpc->loop_stuck_cnt, 1 );
  unsigned long from = atomic_load( &rpc->loop_from_ns );
  if( now<from+LOOP_WINDOW_NS || !atomic_compare_exchange_strong( &rpc->loop_from_ns, &from, now ) ) return;
  unsigned cnt = atomic_exchange( &rpc->loop_cnt, 0 ), slow = atomic_exchange( &rpc->loop_slow_cnt, 0 ), stuck = atomic_exchange( &rpc->loop_stuck_cnt, 0 );
  atomic_store( &rpc->loop_load, stuck>cnt/100 ? 2u : slow>cnt/100 ? 1u : 0u );
}

/* How many classes are refused: 0 none, 1 C, 2 B and C; never A. */
static unsigned load( dmg_rpc_t * rpc, uint64_t now ) {
  uint32_t lag = rpc->query->lag ? rpc->query->lag( rpc->query->ctx ) : 0;
  unsigned by_lag = lag>=LAG_B ? 2 : lag>=LAG_C ? 1 : 0;
  /* What the loop was like is known for one window. */
  unsigned by_loop = now<atomic_load( &rpc->loop_from_ns )+2ull*LOOP_WINDOW_NS ? atomic_load( &rpc->loop_load ) : 0;
  return by_lag>by_loop ? by_lag : by_loop;
}

/* The method's cost, before it runs; the request's first unit is taken already.  false: refused. */
static bool take_cost( dmg_rpc_call_t * call, dmg_rpc_bill_t * bill, uint32_t paid ) {
  dmg_rpc_t * rpc = call->rpc;
  uint64_t now = now_ns( rpc );
  DMG_ASSERT( call->method );
  char class = call->method->class;
  if( (unsigned)( class-'A' )>2u-load( rpc, now ) ) {
    bill->retry_ms = 1000;
    dmg_rpc_fail( call, DMG_RPC_UNAVAILABLE, NULL, "the node is behind; calls of class %c wait (F3.2), try again later", class );
    dmg_rpc_fail_data( call, "\"reason\":\"overloaded\",\"retryAfterMs\":1000" );
  } else {
    uint32_t cost = call->method->cost;
    dmg_cost_verdict_t v = dmg_cost_take( rpc->cost, &call->who, now, cost>paid ? cost-paid : 0, &bill->left );
    if( v==DMG_COST_GRANTED ) return true;
    bill->retry_ms = bill->left.retry_ms;
    if( v==DMG_COST_OF_ALL ) {
      dmg_rpc_fail( call, DMG_RPC_UNAVAILABLE, NULL, "all clients together ask for more than this node serves; try again in %u ms", bill->retry_ms );
      dmg_rpc_fail_data( call, "\"reason\":\"overloaded\",\"cost\":%u,\"retryAfterMs\":%u", cost, bill->retry_ms );
    } else {
      dmg_rpc_fail( call, DMG_RPC_LIMIT_EXCEEDED, NULL, "%s costs %u units, %u are left; %u a second come back, up to %u", call->method->name, cost, bill->left.left, rpc->limits.cost.rate, rpc->limits.cost.burst );
      dmg_rpc_fail_data( call, "\"limit\":%u,\"cost\":%u,\"retryAfterMs\":%u", rpc->limits.cost.burst, cost, bill->retry_ms );
    }
  }
  atomic_fetch_add( &rpc->refused_cnt[ class-'A' ], 1 );
  return false;
}

/* --- Calls --- */

/* Runs the method; its answer, whole, or nothing that stays.  A result may not take the room that errors of the left_cnt requests
   after it, and its own, may need. */
static bool run( dmg_rpc_call_t * call, dmg_jv_t id, uint32_t left_cnt ) {
  dmg_jw_t *  out = call->out;
  dmg_buf_t * buf = out->buf;
  size_t max = buf->max, kept = ( left_cnt+1u )*(size_t)ERROR_SZ_MAX;
  buf->max = max>kept && max-kept>buf->sz ? max-kept : buf->sz;
  dmg_jw_open( out, '{' );
  dmg_jw_raw( out, DMG_SPAN_STR( "\"jsonrpc\":\"2.0\"" ) );
  put_id( out, id );
  dmg_jw_key( out, "result" );
  DMG_ASSERT( call->method );
  bool is_done = call->method->handler( call );
  dmg_jw_close( out, '}' );
  buf->max = max;
  if( is_done && out->is_full ) {
    is_done = dmg_rpc_fail( call, DMG_RPC_LIMIT_EXCEEDED, NULL, "the answer passes %u MiB, ask for less", DMG_RPC_ANSWER_MAX>>20 );
    dmg_rpc_fail_data( call, "\"limit\":%u", DMG_RPC_ANSWER_MAX );
  }
  return is_done;
}

typedef struct { dmg_rpc_t * rpc; dmg_rpc_from_t from; uint64_t deadline_ns; dmg_rpc_bill_t * bill; uint32_t paid; } request_t;   /* paid: units taken when it was admitted, for its first call */

static void settle( request_t * r, uint32_t units ) {
  r->bill->units += units;
  if( units && r->bill->is_counted ) dmg_cost_settle( r->rpc->cost, &r->from.who, now_ns( r->rpc ), units, &r->bill->left );
}

/* One request object, looked through and its parameters bound: a handler may run.  Or why not: call.fail.  is_taken: its cost is. */
typedef struct { dmg_rpc_call_t call; dmg_jv_t id; uint32_t method_idx, paid; bool has_id, is_request, is_ready, is_taken; } opened_t;

/* The same with its cost taken, before and after (F3.3): what it charged for, or the CPU time it took if that is more.  Of
   transactions submitted together each costs what it charges for: who shares a batch does not pay by the clock. */
static bool run_counted( request_t * r, opened_t * o, uint32_t left_cnt, bool * out_ran ) {
  dmg_rpc_call_t * call = &o->call;
  dmg_rpc_t * rpc = call->rpc;
  bool is_timed = dmg_rpc_is_counted( rpc, &call->who );
  if( is_timed && !o->is_taken && !take_cost( call, r->bill, o->paid ) ) return false;
  *out_ran = true;
  size_t   from = call->out->buf->sz;
  uint64_t cpu  = is_timed ? rpc->limits.cpu_ns( rpc->limits.clock_ctx ) : 0;
  bool is_done = run( call, o->id, left_cnt );
  uint64_t spent = is_timed ? ( rpc->limits.cpu_ns( rpc->limits.clock_ctx )-cpu )/UNIT_NS : 0, cost = call->method->cost, listed = (uint64_t)cost+call->extra+( call->out->buf->sz-from )/UNIT_BYTES;
  if( spent<listed ) spent = listed;
  if( spent>UINT32_MAX ) spent = UINT32_MAX;
  if( is_timed && spent>cost ) dmg_cost_settle( rpc->cost, &call->who, now_ns( rpc ), (uint32_t)( spent-cost ), &r->bill->left );
  r->bill->units += (uint32_t)spent-o->paid;
  return is_done;
}

/* A call of a body as it came; the members are absent unless value is an object. */
typedef struct { dmg_jv_t value, id, version, method, params; uint32_t other_cnt; } raw_t;

static raw_t raw_of( dmg_jv_t value ) {
  static char const * const names[] = { "id", "jsonrpc", "method", "params" };
  dmg_jv_t m[ 4 ] = { { 0 } };
  raw_t raw = { .value = value };
  if( dmg_jv_type( value )==DMG_JSON_OBJECT ) raw.other_cnt = dmg_jv_members( value, names, 4, m );
  raw.id      = m[ 0 ];
  raw.version = m[ 1 ];
  raw.method  = m[ 2 ];
  raw.params  = m[ 3 ];
  return raw;
}

static void open_one( request_t * r, raw_t const * req, dmg_arena_t * arena, dmg_jw_t * out, opened_t * o ) {
  dmg_rpc_t * rpc = r->rpc;
  dmg_rpc_call_t * call = &o->call;
  memset( call, 0, offsetof( dmg_rpc_call_t, fail.name ) );   /* not the kilobyte behind it, which dmg_rpc_fail writes */
  call->rpc         = rpc;
  call->query       = rpc->query;
  call->arena       = arena;
  call->out         = out;
  call->ws          = r->from.ws;
  call->who         = r->from.who;
  call->deadline_ns = r->deadline_ns;
  call->fail.name[ 0 ] = call->fail.text[ 0 ] = call->fail.data[ 0 ] = 0;
  o->id         = (dmg_jv_t){ 0 };
  o->paid       = r->paid;
  o->method_idx = 0;
  o->has_id     = o->is_request = o->is_ready = o->is_taken = false;
  r->paid       = 0;
  if( dmg_jv_type( req->value )!=DMG_JSON_OBJECT ) {
    dmg_rpc_fail( call, DMG_RPC_INVALID_REQUEST, NULL, "a request is an object with jsonrpc, method and id" );
    return;
  }
  dmg_jv_t id = req->id, version = req->version, name = req->method, params = req->params;
  o->id     = id;
  o->has_id = !dmg_jv_is_absent( id );

  if( dmg_jv_is_absent( version ) || !dmg_jv_eq_str( version, "2.0" ) )
    dmg_rpc_fail( call, DMG_RPC_INVALID_REQUEST, NULL, "jsonrpc must be \"2.0\"" );
  else if( o->has_id && !id_is_good( id ) )
    dmg_rpc_fail( call, DMG_RPC_INVALID_REQUEST, NULL, "id must be a string or number of at most %u bytes, or null", DMG_RPC_ID_SZ_MAX );
  else if( dmg_jv_is_absent( name ) || dmg_jv_type( name )!=DMG_JSON_STRING )
    dmg_rpc_fail( call, DMG_RPC_INVALID_REQUEST, NULL, "method must be a string" );
  else if( !dmg_jv_is_absent( params ) && dmg_jv_type( params )!=DMG_JSON_OBJECT && dmg_jv_type( params )!=DMG_JSON_ARRAY )
    dmg_rpc_fail( call, DMG_RPC_INVALID_REQUEST, NULL, "params must be an object or an array" );
  else if( req->other_cnt )
    dmg_rpc_fail( call, DMG_RPC_INVALID_REQUEST, NULL, "a request has only the members jsonrpc, id, method, params" );
  else o->is_request = true;
  if( !o->is_request ) return;

  dmg_span_t text = dmg_jv_text( name );
  uint32_t lo = 0, hi = DMG_RPC_METHOD_CNT;
  while( lo<hi ) {
    uint32_t mid = ( lo+hi )/2;
    int c = dmg_span_cmp( dmg_span_cstr( dmg_rpc_method_tab[ mid ].name ), text );
    if( !c ) { call->method = &dmg_rpc_method_tab[ mid ]; lo = mid; break; }
    if( c<0 ) lo = mid+1;
    else      hi = mid;
  }
  o->method_idx = lo;
  if( !call->method ) {
    char quoted[ 64 ];
    quote( text, quoted );
    dmg_rpc_fail( call, DMG_RPC_METHOD_NOT_FOUND, NULL, "there is no method %s; rpc.discover lists them", quoted );
  } else if( call->method->is_dev && !rpc->query->dev ) {
    dmg_rpc_fail( call, DMG_RPC_METHOD_DISABLED, NULL, "%s works only on a chain started by `demiurge dev`", call->method->name );
  } else o->is_ready = dmg_rpc_in_time( call ) && bind_params( call, params );
}

/* Runs the handler and writes the answer unless it is a notification. */
static void answer_one( request_t * r, opened_t * o, uint32_t left_cnt ) {
  dmg_rpc_t *      rpc  = r->rpc;
  dmg_rpc_call_t * call = &o->call;
  dmg_jw_t *  out = call->out;
  dmg_buf_t * buf = out->buf;
  size_t      from = buf->sz;
  bool        comma = out->needs_comma, is_done = false, is_run = false;
  if( !call->method ) atomic_fetch_add( &rpc->invalid_cnt, 1 );
  if( o->is_ready ) is_done = run_counted( r, o, left_cnt, &is_run );
  if( !is_run ) settle( r, 1-o->paid );   /* what never reached a method costs one unit too */
  if( !o->is_request ) { put_error( out, o->id, call ); return; }
  if( call->method ) atomic_fetch_add( is_done ? &rpc->ok_cnt[ o->method_idx ] : &rpc->failed_cnt[ o->method_idx ], 1 );
  if( is_done && o->has_id ) return;
  /* Take back what was written: a failed call's part, or a notification's answer. */
  buf->sz          = from;
  out->needs_comma = comma;
  out->is_full     = false;
  if( o->has_id ) put_error( out, o->id, call );
}

static void answer_error( dmg_jw_t * out, int code, char const * text ) {
  dmg_rpc_call_t call = { 0 };
  dmg_rpc_fail( &call, code, NULL, "%s", text );
  put_error( out, (dmg_jv_t){ 0 }, &call );
}

/* ---- Bodies ---- */

/* A body at work: its calls in order, but neighbouring tx_submit wait in a run until they are submitted together. */
typedef struct {
  dmg_rpc_request_t * req;
  request_t           r;
  dmg_rpc_scratch_t * s;            /* NULL: answered already */
  dmg_jw_t            w;
  dmg_jv_t            root, next;   /* next: the call not looked at yet, absent at the end */
  bool                is_batch;
  uint32_t            left, run_cnt;
  opened_t *          run;          /* in the arena */
} reader_t;

static void reader_begin( dmg_rpc_t * rpc, dmg_rpc_request_t * req, reader_t * r ) {
  char why[ 160 ], text[ 192 ];
  DMG_ASSERT( !req->out.sz );
  if( req->out.max>DMG_RPC_ANSWER_MAX ) req->out.max = DMG_RPC_ANSWER_MAX;
  *r = (reader_t){ .req = req, .w = dmg_jw( &req->out ), .s = scratch_take( rpc ) };
  r->r = (request_t){ .rpc = rpc, .from = req->from, .deadline_ns = now_ns( rpc )+(uint64_t)rpc->limits.query_ms*1000000, .bill = &req->bill, .paid = req->bill.units>0 };
  req->bill.is_counted = dmg_rpc_is_counted( rpc, &req->from.who );
  settle( &r->r, (uint32_t)( req->body.sz/UNIT_BYTES ) );   /* reading costs as writing does */
  if( !r->s ) { answer_error( &r->w, DMG_RPC_UNAVAILABLE, "out of memory, try again later" ); return; }
  if( !dmg_json_parse( r->s->json, req->body, &r->root, why ) ) {
    bool is_limit = dmg_json_is_past_limit( r->s->json );
    snprintf( text, sizeof text, is_limit ? "past a limit of JSON: %s" : "not JSON: %s", why );
    atomic_fetch_add( &rpc->invalid_cnt, 1 );
    settle( &r->r, 1-r->r.paid );
    answer_error( &r->w, is_limit ? DMG_RPC_LIMIT_EXCEEDED : DMG_RPC_PARSE, text );
  } else if( dmg_jv_type( r->root )!=DMG_JSON_ARRAY ) {
    r->next = r->root;
    r->left = 1;
  } else if( !dmg_jv_cnt( r->root ) ) {
    atomic_fetch_add( &rpc->invalid_cnt, 1 );
    settle( &r->r, 1-r->r.paid );
    answer_error( &r->w, DMG_RPC_INVALID_REQUEST, "an empty batch" );
  } else if( dmg_jv_cnt( r->root )>DMG_RPC_BATCH_MAX ) {
    atomic_fetch_add( &rpc->invalid_cnt, 1 );
    settle( &r->r, 1-r->r.paid );
    snprintf( text, sizeof text, "a batch has at most %u calls, got %u", DMG_RPC_BATCH_MAX, dmg_jv_cnt( r->root ) );
    answer_error( &r->w, DMG_RPC_LIMIT_EXCEEDED, text );
  } else {
    r->is_batch = true;
    r->next     = dmg_jv_first( r->root );
    r->left     = dmg_jv_cnt( r->root );
    dmg_jw_open( &r->w, '[' );
  }
}

static bool is_submit( raw_t const * call ) { return !dmg_jv_is_absent( call->method ) && dmg_jv_eq_str( call->method, "tx_submit" ); }

/* Answers calls up to the next run of tx_submit, and opens those; how many of them may be submitted. */
static size_t reader_step( dmg_rpc_t * rpc, reader_t * r ) {
  size_t ready_cnt = 0;
  for( ; r->s && !dmg_jv_is_absent( r->next ); r->next = r->is_batch ? dmg_jv_next( r->root, r->next ) : (dmg_jv_t){ 0 } ) {
    raw_t raw = raw_of( r->next );
    bool is_sent = !r->req->is_overload && is_submit( &raw );
    if( is_sent && !r->run ) r->run = dmg_arena_alloc( r->s->arena, r->left*sizeof *r->run );
    if( is_sent && r->run ) {
      opened_t * o = &r->run[ r->run_cnt++ ];
      open_one( &r->r, &raw, r->s->arena, &r->w, o );
      if( o->is_ready && dmg_rpc_is_counted( rpc, &o->call.who ) ) o->is_ready = o->is_taken = take_cost( &o->call, r->r.bill, o->paid );
      ready_cnt += o->is_ready;
      continue;
    }
    if( r->run_cnt ) break;
    opened_t one;
    open_one( &r->r, &raw, r->s->arena, &r->w, &one );
    if( one.is_ready && r->req->is_overload ) one.is_ready = dmg_rpc_fail_err( &one.call, DMG_ERR_FULL, one.call.method->name );
    answer_one( &r->r, &one, --r->left );
    dmg_arena_reset( r->s->arena );
  }
  return ready_cnt;
}

static void reader_end( dmg_rpc_t * rpc, reader_t * r ) {
  dmg_buf_t * out = &r->req->out;
  if( r->is_batch && out->sz==1 ) out->sz = 0;   /* only notifications */
  else if( r->is_batch ) dmg_jw_close( &r->w, ']' );
  if( r->s ) scratch_give( rpc, r->s );
  /* Full is a buffer too small for an error, or no memory: with nothing better to say, the shortest error. */
  if( r->w.is_full ) {
    out->sz = 0;
    if( dmg_buf_printf( out, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":%d,\"message\":\"out of memory\"}}", DMG_RPC_UNAVAILABLE ) ) out->sz = 0;
  }
}

/* The runs of all bodies in one call: R4.2 verifies signatures together. */
static void submit_runs( dmg_rpc_t * rpc, reader_t * readers, size_t cnt, size_t ready_cnt ) {
  /* No memory: each goes on its own. */
  dmg_query_submit_t * items = calloc( ready_cnt+1, sizeof *items );
  size_t n = 0;
  for( size_t i = 0; items && i<cnt; i++ )
    for( uint32_t k = 0; k<readers[ i ].run_cnt; k++ ) {
      opened_t * o = &readers[ i ].run[ k ];
      if( !o->is_ready ) continue;
      items[ n ].raw    = o->call.arg[ 0 ].bytes;
      o->call.submitted = &items[ n++ ];
    }
  if( n ) rpc->query->tx_submit( rpc->query->ctx, items, n );
  for( size_t i = 0; i<cnt; i++ ) {
    reader_t * r = &readers[ i ];
    if( !r->run ) continue;
    for( uint32_t k = 0; k<r->run_cnt; k++ ) answer_one( &r->r, &r->run[ k ], --r->left );
    r->run     = NULL;
    r->run_cnt = 0;
    dmg_arena_reset( r->s->arena );
  }
  free( items );
}

void dmg_rpc_handle_many( dmg_rpc_t * rpc, dmg_rpc_request_t * reqs, size_t cnt ) {
  reader_t r[ DMG_RPC_JOIN_MAX ];
  DMG_ASSERT( cnt<=DMG_RPC_JOIN_MAX );
  for( size_t i = 0; i<cnt; i++ ) reader_begin( rpc, &reqs[ i ], &r[ i ] );
  for( bool is_over = false; !is_over; ) {
    size_t ready_cnt = 0;
    is_over = true;
    for( size_t i = 0; i<cnt; i++ ) {
      ready_cnt += reader_step( rpc, &r[ i ] );
      is_over    = is_over && !r[ i ].run_cnt;
    }
    if( !is_over ) submit_runs( rpc, r, cnt, ready_cnt );
  }
  for( size_t i = 0; i<cnt; i++ ) reader_end( rpc, &r[ i ] );
}

bool dmg_rpc_handle( dmg_rpc_t * rpc, dmg_span_t body, dmg_rpc_from_t const * from, dmg_buf_t * out, dmg_rpc_bill_t * bill ) {
  uint64_t began_ns = now_ns( rpc );
  dmg_rpc_request_t req = { .body = body, .from = *from, .bill = *bill, .out = *out };
  dmg_rpc_handle_many( rpc, &req, 1 );
  *out  = req.out;
  *bill = req.bill;
  uint64_t ended_ns = now_ns( rpc );
  loop_note( rpc, ended_ns, ended_ns-began_ns );
  return out->sz>0;
}

bool dmg_rpc_is_slow( dmg_span_t body ) {
  static char const name[] = "\"tx_submit\"";
  return body.sz && memmem( body.p, body.sz, name, sizeof name-1 );
}

dmg_err_t dmg_rpc_metrics( dmg_rpc_t * rpc, dmg_buf_t * out ) {
  DMG_TRY( dmg_buf_printf( out, "# TYPE demiurge_rpc_requests_total counter\n" ) );
  for( uint32_t i = 0; i<DMG_RPC_METHOD_CNT; i++ ) {
    unsigned long ok = atomic_load( &rpc->ok_cnt[ i ] ), failed = atomic_load( &rpc->failed_cnt[ i ] );
    if( ok )     DMG_TRY( dmg_buf_printf( out, "demiurge_rpc_requests_total{method=\"%s\",code=\"ok\"} %lu\n", dmg_rpc_method_tab[ i ].name, ok ) );
    if( failed ) DMG_TRY( dmg_buf_printf( out, "demiurge_rpc_requests_total{method=\"%s\",code=\"failed\"} %lu\n", dmg_rpc_method_tab[ i ].name, failed ) );
  }
  DMG_TRY( dmg_buf_printf( out, "# TYPE demiurge_rpc_invalid_total counter\ndemiurge_rpc_invalid_total %lu\n# TYPE demiurge_rpc_refused_total counter\n", atomic_load( &rpc->invalid_cnt ) ) );
  for( int i = 0; i<3; i++ ) DMG_TRY( dmg_buf_printf( out, "demiurge_rpc_refused_total{class=\"%c\"} %lu\n", 'A'+i, atomic_load( &rpc->refused_cnt[ i ] ) ) );
  return dmg_buf_printf( out, "# TYPE demiurge_rpc_subscriptions gauge\ndemiurge_rpc_subscriptions %u\n", dmg_rpc_sub_cnt( rpc->subs ) );
}
