#include "host_native.h"

#include "crypto/sig.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

int64_t dm_entry( uint32_t kind, uint32_t id, uint32_t in_sz );

typedef struct { uint8_t key[ 128 ]; uint32_t key_n; uint8_t * value; uint32_t value_n; } entry_t;   /* value NULL: absent */
typedef struct { uint8_t key[ 128 ]; uint32_t key_n; uint8_t * old; uint32_t old_n; bool was; } undo_t;

dm_env_t dmn_env;
static dmg_arena_t *     arena;
static dmg_abi_t const * abi;
static entry_t * map;
static uint32_t  map_n, map_cap;
static undo_t *  undo;
static uint32_t  undo_n, undo_cap;
static bool      is_running, is_query;
static jmp_buf   leave;
static char const * trap_why;
static dmn_result_t result;
static uint8_t   fault_data[ 8192 ];
static uint32_t  fault_n;

static void die( char const * what ) { fprintf( stderr, "host_native: %s\n", what ); abort(); }

static _Noreturn void trap( char const * why ) {
  if( !is_running ) die( why );
  trap_why = why;
  longjmp( leave, 1 );
}
_Noreturn void dm_trap( void ) { trap( "the module trapped" ); }

/* ---- The map ---- */

static int cmp( uint8_t const * a, uint32_t an, uint8_t const * b, uint32_t bn ) { return dmg_span_cmp( dmg_span( a, an ), dmg_span( b, bn ) ); }

static uint32_t lower( uint8_t const * key, uint32_t n ) {
  uint32_t lo = 0, hi = map_n;
  while( lo<hi ) { uint32_t mid = ( lo+hi )/2; if( cmp( map[ mid ].key, map[ mid ].key_n, key, n )<0 ) lo = mid+1; else hi = mid; }
  return lo;
}

static entry_t * find( uint8_t const * key, uint32_t n ) {
  uint32_t i = lower( key, n );
  return i<map_n && !cmp( map[ i ].key, map[ i ].key_n, key, n ) ? map+i : NULL;
}

static uint8_t * dup_bytes( void const * p, uint32_t n ) {
  uint8_t * d = malloc( n ? n : 1 );
  if( !d ) die( "out of memory" );
  if( n ) memcpy( d, p, n );
  return d;
}

static void * grown( void * p, size_t sz ) {
  void * q = realloc( p, sz );
  if( !q ) die( "out of memory" );
  return q;
}

static void store( uint8_t const * key, uint32_t key_n, void const * value, uint32_t value_n, bool is_present ) {
  uint32_t i = lower( key, key_n );
  bool has = i<map_n && !cmp( map[ i ].key, map[ i ].key_n, key, key_n );
  if( is_running ) {
    if( undo_n==undo_cap ) { undo_cap = undo_cap ? 2*undo_cap : 64; undo = grown( undo, undo_cap*sizeof *undo ); }
    undo_t * u = &undo[ undo_n++ ];
    memcpy( u->key, key, key_n );
    u->key_n = key_n;
    u->was   = has;
    u->old   = has ? dup_bytes( map[ i ].value, map[ i ].value_n ) : NULL;
    u->old_n = has ? map[ i ].value_n : 0;
  }
  if( !is_present ) {
    if( !has ) return;
    free( map[ i ].value );
    memmove( map+i, map+i+1, ( map_n-i-1 )*sizeof *map );
    map_n--;
    return;
  }
  uint8_t * copy = dup_bytes( value, value_n );
  if( has ) { free( map[ i ].value ); map[ i ].value = copy; map[ i ].value_n = value_n; return; }
  if( map_n==map_cap ) { map_cap = map_cap ? 2*map_cap : 64; map = grown( map, map_cap*sizeof *map ); }
  memmove( map+i+1, map+i, ( map_n-i )*sizeof *map );
  map_n++;
  memset( map+i, 0, sizeof *map );
  memcpy( map[ i ].key, key, key_n );
  map[ i ].key_n   = key_n;
  map[ i ].value   = copy;
  map[ i ].value_n = value_n;
}

static void settle( bool keep ) {
  is_running = false;
  while( undo_n ) {
    undo_t * u = &undo[ --undo_n ];
    if( !keep ) store( u->key, u->key_n, u->old, u->old_n, u->was );
    free( u->old );
  }
}

/* ---- Keys ---- */

static dmg_abi_item_t const * item_of( uint32_t item, void const * key, uint32_t key_n, uint8_t full[ 128 ], uint32_t * out_n ) {
  dmg_abi_item_t const * it = item<=UINT16_MAX ? dmg_abi_item( abi, (uint16_t)item ) : NULL;
  if( !it ) trap( "an item that is not declared" );
  if( !dmg_key_split( it, dmg_span( key, key_n ), NULL ) ) trap( "a wrong key" );
  *out_n = (uint32_t)dmg_key_full( abi->module, it->id, dmg_span( key, key_n ), full );
  return it;
}

static void must_write( void ) { if( is_query ) trap( "a write in a query" ); }

/* ---- dm1 ---- */

int32_t dm1_get( uint32_t item, dm_ptr_t key, dm_len_t key_n, dm_out_t out, dm_len_t out_n ) {
  uint8_t full[ 128 ];
  uint32_t n;
  if( item_of( item, key, key_n, full, &n )->kind==DMG_ITEM_COUNTER ) trap( "get of a counter" );
  entry_t const * e = find( full, n );
  if( !e ) return DM_E_ABSENT;
  uint32_t cut = e->value_n<out_n ? e->value_n : out_n;
  if( cut ) memcpy( out, e->value, cut );
  return (int32_t)e->value_n;
}

int32_t dm1_put( uint32_t item, dm_ptr_t key, dm_len_t key_n, dm_ptr_t value, dm_len_t value_n ) {
  uint8_t full[ 128 ];
  uint32_t n;
  uint8_t const * v = value;
  must_write();
  dmg_abi_item_t const * it = item_of( item, key, key_n, full, &n );
  if( it->kind==DMG_ITEM_COUNTER ) trap( "put of a counter" );
  if( value_n<1 || value_n-1>it->max || v[ 0 ]!=abi->storage_version ) trap( "a wrong value" );
  if( dmg_type_validate( it->value, dmg_span( v+1, value_n-1 ), NULL ) ) trap( "a value that is not of its type" );
  store( full, n, value, value_n, true );
  return 0;
}

int32_t dm1_del( uint32_t item, dm_ptr_t key, dm_len_t key_n ) {
  uint8_t full[ 128 ];
  uint32_t n;
  must_write();
  if( item_of( item, key, key_n, full, &n )->kind==DMG_ITEM_COUNTER ) trap( "del of a counter" );
  if( !find( full, n ) ) return DM_E_ABSENT;
  store( full, n, NULL, 0, false );
  return 0;
}

int32_t dm1_scan( uint32_t item, dm_ptr_t prefix, dm_len_t prefix_n, dm_ptr_t after, dm_len_t after_n, dm_out_t out, dm_len_t out_n, uint32_t max ) {
  dmg_abi_item_t const * it = item<=UINT16_MAX ? dmg_abi_item( abi, (uint16_t)item ) : NULL;
  if( !it || it->kind!=DMG_ITEM_ORDERED ) trap( "a scan of what is not an ordered item" );
  if( !dmg_key_is_prefix( it, dmg_span( prefix, prefix_n ) ) ) trap( "a wrong prefix" );
  if( after_n && !dmg_key_split( it, dmg_span( after, after_n ), NULL ) ) trap( "a wrong key to scan after" );
  uint8_t pre[ 128 ], from[ 128 ];
  uint32_t pre_n = (uint32_t)dmg_key_full( abi->module, it->id, dmg_span( prefix, prefix_n ), pre );
  uint32_t from_n = after_n ? (uint32_t)dmg_key_full( abi->module, it->id, dmg_span( after, after_n ), from ) : 0;
  if( max>64 ) max = 64;
  if( out_n>8192 ) out_n = 8192;
  uint32_t i = from_n ? lower( from, from_n ) : lower( pre, pre_n ), cnt = 0;
  if( from_n && i<map_n && !cmp( map[ i ].key, map[ i ].key_n, from, from_n ) ) i++;
  uint8_t * p = out, * end = p+out_n;
  for( ; i<map_n && cnt<max; i++, cnt++ ) {
    entry_t const * e = map+i;
    if( e->key_n<pre_n || memcmp( e->key, pre, pre_n ) ) break;
    uint32_t k = e->key_n-4, sz = 1+k+2+e->value_n;
    if( sz>(uint32_t)( end-p ) ) { if( !cnt ) return DM_E_SMALL_BUFFER; break; }
    *p++ = (uint8_t)k;
    memcpy( p, e->key+4, k );
    p += k;
    dmg_store_u16le( p, (uint16_t)e->value_n );
    memcpy( p+2, e->value, e->value_n );
    p += 2+e->value_n;
  }
  return (int32_t)( p-(uint8_t *)out );
}

int32_t dm1_ctr_get( uint32_t item, dm_ptr_t key, dm_len_t key_n, dm_out_t out ) {
  uint8_t full[ 128 ];
  uint32_t n;
  if( item_of( item, key, key_n, full, &n )->kind!=DMG_ITEM_COUNTER ) trap( "ctr_get of what is not a counter" );
  entry_t const * e = find( full, n );
  uint64_t v = e ? dmg_load_u64le( e->value ) : 0;
  memcpy( out, &v, 8 );
  return 8;
}

int32_t dm1_ctr_add( uint32_t item, dm_ptr_t key, dm_len_t key_n, int64_t delta, uint64_t max ) {
  uint8_t full[ 128 ];
  uint32_t n;
  must_write();
  if( item_of( item, key, key_n, full, &n )->kind!=DMG_ITEM_COUNTER ) trap( "ctr_add of what is not a counter" );
  if( max>(uint64_t)INT64_MAX ) trap( "ctr_add with a bound above 2^63-1" );
  entry_t const * e = find( full, n );
  __int128 v = (__int128)( e ? dmg_load_u64le( e->value ) : 0 )+delta;
  if( v<0 || v>(__int128)max ) return DM_E_BOUND;
  uint64_t u = (uint64_t)v;
  store( full, n, &u, 8, u!=0 );
  return 0;
}

int32_t dm1_emit( uint32_t event, dm_ptr_t data, dm_len_t data_n ) {
  must_write();
  dmg_abi_event_t const * ev = event<=UINT16_MAX ? dmg_abi_event( abi, (uint16_t)event ) : NULL;
  if( !ev || data_n>8192 || dmg_type_validate( ev->fields, dmg_span( data, data_n ), NULL ) ) trap( "an event that is not declared so" );
  if( result.event_cnt==DMN_EVENT_MAX ) return DM_E_LIMIT;
  dmn_event_t * e = &result.events[ result.event_cnt++ ];
  e->id     = (uint16_t)event;
  e->data_n = data_n;
  if( data_n ) memcpy( e->data, data, data_n );
  return 0;
}

/* Other modules are not here: every call and query gets the answer the test has laid ready. */
static int32_t answer_code = DM_E_NO_MODULE;
static uint8_t answer[ 8192 ];
static uint32_t answer_n;

void dmn_answer( int32_t code, void const * data, uint32_t data_n ) {
  if( data_n>sizeof answer ) die( "an answer too large" );
  answer_code = code;
  answer_n    = data_n;
  if( data_n ) memcpy( answer, data, data_n );
}

static int32_t give_answer( void * out, uint32_t out_n ) {
  if( answer_code<0 ) return answer_code;
  if( answer_n>out_n ) return DM_E_SMALL_BUFFER;
  if( answer_n ) memcpy( out, answer, answer_n );
  return (int32_t)answer_n;
}
int32_t dm1_call( uint32_t module, uint32_t id, uint32_t flags, uint64_t seed, dm_ptr_t args, dm_len_t args_n, dm_out_t out, dm_len_t out_n ) { must_write(); return give_answer( out, out_n ); }
int32_t dm1_query( uint32_t module, uint32_t id, uint32_t flags, uint64_t seed, dm_ptr_t args, dm_len_t args_n, dm_out_t out, dm_len_t out_n ) { return give_answer( out, out_n ); }

int32_t dm1_fault( dm_ptr_t data, dm_len_t data_n ) {
  if( data_n>sizeof fault_data ) trap( "a fault of more than 8 KiB" );
  if( data_n ) memcpy( fault_data, data, data_n );
  fault_n = data_n;
  return 0;
}
int32_t dm1_callee_fault( dm_out_t out, dm_len_t out_n ) {
  uint32_t n = answer_code<0 ? answer_n : 0;
  if( n ) memcpy( out, answer, n<out_n ? n : out_n );
  return (int32_t)n;
}
int32_t dm1_log( dm_ptr_t data, dm_len_t data_n ) { return 0; }

int32_t dm1_auth( dm_ptr_t account, uint32_t role ) { return dmn_env.role<=role && role<=DM_ROLE_USE && !memcmp( account, &dmn_env.principal, 32 ); }

dm_address_t dmn_pool( uint16_t module, uint64_t seed ) {
  uint8_t b[ 10 ];
  dm_address_t a;
  dmg_store_u16le( b, module );
  dmg_store_u64le( b+2, seed );
  dmg_hash_t h = dmg_h( DMG_TAG_MODULE, dmg_span( b, 10 ) );
  memcpy( &a, h.b, 32 );
  return a;
}
int32_t dm1_sub_account( uint64_t seed, dm_out_t out ) { dm_address_t a = dmn_pool( abi->module, seed ); memcpy( out, &a, 32 ); return 32; }

int32_t dm1_verify( uint32_t alg, dm_ptr_t key, dm_len_t key_n, dm_ptr_t msg, dm_len_t msg_n, dm_ptr_t sig, dm_len_t sig_n ) {
  if( alg>=DMG_SIG_SCHEME_CNT ) trap( "an unknown scheme" );
  dmg_sig_t s = { .sig = dmg_span( sig, sig_n ) };
  if( alg==DMG_SIG_WEBAUTHN ) {
    dmg_bcs_rd_t rd = dmg_bcs_rd( s.sig );
    s.auth_data   = dmg_bcs_rd_bytes( &rd, DMG_SIG_AUTH_DATA_MAX );
    s.client_data = dmg_bcs_rd_bytes( &rd, DMG_SIG_CLIENT_DATA_MAX );
    s.sig         = dmg_bcs_rd_fixed( &rd, 64 );
    if( dmg_bcs_rd_end( &rd )!=DMG_BCS_GOOD ) return 0;
  }
  return dmg_sig_verify( (dmg_sig_scheme_t)alg, dmg_span( key, key_n ), dmg_span( msg, msg_n ), &s );
}

static int32_t hash_out( dmg_hash_t h, void * out ) { memcpy( out, h.b, 32 ); return 32; }
int32_t dm1_sha256   ( dm_ptr_t in, dm_len_t in_n, dm_out_t out ) { return hash_out( dmg_sha256( dmg_span( in, in_n ) ), out ); }
int32_t dm1_keccak256( dm_ptr_t in, dm_len_t in_n, dm_out_t out ) { return hash_out( dmg_keccak256( dmg_span( in, in_n ) ), out ); }
int32_t dm1_blake2b  ( dm_ptr_t in, dm_len_t in_n, dm_out_t out ) { return hash_out( dmg_blake2b256( dmg_span( in, in_n ) ), out ); }

/* A made-up beacon: a hash of the height, for the last 4,096 heights. */
int32_t dm1_beacon( uint64_t height, dm_out_t out ) {
  if( height>=dmn_env.height || dmn_env.height-height>4096 ) return DM_E_ABSENT;
  return hash_out( dmg_h( DMG_TAG_RAND_BEACON, dmg_span( &height, 8 ) ), out );
}

/* ---- Runs ---- */

void dmn_open( dmg_span_t raw ) {
  dmn_close();
  arena = dmg_arena_new( 16u<<20 );
  if( !arena ) die( "out of memory" );
  dmg_span_t copy = dmg_arena_dup( arena, raw );
  dmg_verdict_t v = dmg_abi_decode( copy, arena, &abi );
  if( v.kind!=DMG_VERDICT_GOOD ) die( v.text );
  memset( &dmn_env, 0, sizeof dmn_env );
  dmn_env.self = dmn_pool( abi->module, 0 );
  memset( &dmn_env.chain, 0xc4, 32 );
  dmn_answer( DM_E_NO_MODULE, NULL, 0 );
}

void dmn_close( void ) {
  for( uint32_t i = 0; i<map_n; i++ ) free( map[ i ].value );
  free( map );
  free( undo );
  map = NULL; undo = NULL;
  map_n = map_cap = undo_n = undo_cap = 0;
  dmg_arena_free( arena );
  arena = NULL;
  abi   = NULL;
}

dmn_result_t const * dmn_run( uint32_t kind, uint32_t id, void const * args, uint32_t args_n ) {
  dmg_abi_fn_t const * fn = kind==DM_KIND_CALL ? dmg_abi_call( abi, (uint16_t)id ) : kind==DM_KIND_QUERY ? dmg_abi_query( abi, (uint16_t)id ) : dmg_abi_hook( abi, (uint16_t)id );
  if( !fn ) die( "a function that is not declared" );
  if( dmg_type_validate( fn->args, dmg_span( args, args_n ), NULL ) ) die( "arguments that the node would refuse" );
  if( kind==DM_KIND_CALL && !dmg_abi_allows( fn, (dmg_role_t)dmn_env.role ) ) die( "a role that the node would refuse" );
  /* Bytes after the arguments are rubbish: the module must not read them. */
  memset( dm_in, 0xa5, abi->in_sz );
  memset( dm_out, 0xa5, abi->out_sz );
  dmn_env.kind = (uint8_t)kind;
  memcpy( dm_in, &dmn_env, DM_ENV_SZ );
  if( args_n ) memcpy( dm_in+DM_ENV_SZ, args, args_n );
  result.end       = DMN_TRAP;
  result.event_cnt = 0;
  result.data_n    = 0;
  result.fault     = 0;
  result.why       = "";
  fault_n          = 0;
  is_query         = kind==DM_KIND_QUERY;
  is_running       = true;
  if( !setjmp( leave ) ) {
    uint64_t r = (uint64_t)dm_entry( kind, id, DM_ENV_SZ+args_n );
    uint32_t status = (uint32_t)( r>>32 ), sz = (uint32_t)r;
    if( !status ) {
      if( sz>abi->out_sz ) trap( "a result longer than dm_out" );
      if( fn->ret ? dmg_type_validate( fn->ret, dmg_span( dm_out, sz ), NULL )!=DMG_BCS_GOOD : sz!=0 ) trap( "a result that is not of its type" );
      memcpy( result.data, dm_out, sz );
      result.data_n = sz;
      result.end    = DMN_OK;
    } else {
      dmg_abi_fault_t const * f = status<=UINT16_MAX ? dmg_abi_fault( abi, (uint16_t)status ) : NULL;
      if( !f || sz ) trap( "a fault that is not declared" );
      if( dmg_type_validate( f->fields, dmg_span( fault_data, fault_n ), NULL ) ) trap( "a fault's payload that is not of its type" );
      memcpy( result.data, fault_data, fault_n );
      result.data_n = fault_n;
      result.fault  = status;
      result.end    = DMN_FAULT;
    }
  } else {
    result.why = trap_why;
  }
  if( result.end!=DMN_OK ) result.event_cnt = 0;
  settle( result.end==DMN_OK );
  return &result;
}

/* ---- The state, for tests ---- */

uint64_t dmn_counter( uint32_t item, void const * key, uint32_t key_n ) { uint64_t v; (void)dm1_ctr_get( item, key, key_n, &v ); return v; }

void dmn_counter_set( uint32_t item, void const * key, uint32_t key_n, uint64_t value ) {
  uint8_t full[ 128 ];
  uint32_t n;
  (void)item_of( item, key, key_n, full, &n );
  store( full, n, &value, 8, value!=0 );
}

bool dmn_value( uint32_t item, void const * key, uint32_t key_n, void * out, uint32_t * inout_n ) {
  uint8_t full[ 128 ];
  uint32_t n;
  (void)item_of( item, key, key_n, full, &n );
  entry_t const * e = find( full, n );
  if( !e ) return false;
  if( e->value_n-1>*inout_n ) die( "a buffer too small" );
  memcpy( out, e->value+1, e->value_n-1 );
  *inout_n = e->value_n-1;
  return true;
}

void dmn_value_set( uint32_t item, void const * key, uint32_t key_n, void const * value, uint32_t value_n ) {
  uint8_t raw[ 16385 ];
  if( value_n>=sizeof raw ) die( "a value too large" );
  raw[ 0 ] = abi->storage_version;
  if( value_n ) memcpy( raw+1, value, value_n );
  is_query = false;
  if( dm1_put( item, key, key_n, raw, value_n+1 ) ) die( "put failed" );
}

void dmn_forget( uint32_t item, void const * key, uint32_t key_n ) {
  uint8_t full[ 128 ];
  uint32_t n;
  (void)item_of( item, key, key_n, full, &n );
  store( full, n, NULL, 0, false );
}

void dmn_schema_set( uint32_t item, void const * key, uint32_t key_n, uint8_t schema ) {
  uint8_t full[ 128 ];
  uint32_t n;
  (void)item_of( item, key, key_n, full, &n );
  entry_t * e = find( full, n );
  if( !e ) die( "no such entry" );
  e->value[ 0 ] = schema;
}

uint64_t dmn_counter_sum( uint32_t item ) {
  uint8_t pre[ 4 ];
  uint64_t sum = 0;
  dmg_store_u16be( pre, abi->module );
  dmg_store_u16be( pre+2, (uint16_t)item );
  for( uint32_t i = lower( pre, 4 ); i<map_n && !memcmp( map[ i ].key, pre, 4 ); i++ ) sum += dmg_load_u64le( map[ i ].value );
  return sum;
}

uint32_t dmn_entry_cnt( void ) { return map_n; }

dmg_hash_t dmn_state_hash( void ) {
  dmg_sha256_t s;
  dmg_sha256_init( &s );
  for( uint32_t i = 0; i<map_n; i++ ) {
    uint32_t n[ 2 ] = { map[ i ].key_n, map[ i ].value_n };
    dmg_sha256_update( &s, dmg_span( n, 8 ) );
    dmg_sha256_update( &s, dmg_span( map[ i ].key, map[ i ].key_n ) );
    dmg_sha256_update( &s, dmg_span( map[ i ].value, map[ i ].value_n ) );
  }
  return dmg_sha256_final( &s );
}
