#include "test_native.h"

#include "crypto/sig.h"
#include "system_host.h"

enum { ACCOUNT = DMG_SYSTEM_ITEM_ACCOUNT, AUTH = DMG_SYSTEM_ITEM_AUTH, LANE = DMG_SYSTEM_ITEM_LANE, MSIG = DMG_SYSTEM_ITEM_MSIG, SEQ = DMG_SYSTEM_ITEM_MSIG_SEQ,
       MODULE = DMG_SYSTEM_ITEM_MODULE, VM = DMG_SYSTEM_ITEM_VM };
enum { NOT_FOUND = DMG_SYSTEM_FAULT_NOT_FOUND, LIMIT = DMG_SYSTEM_FAULT_LIMIT_REACHED, OVERFLOW_ = DMG_SYSTEM_FAULT_OVERFLOW, EXPIRED = DMG_SYSTEM_FAULT_EXPIRED,
       KEY_IN_USE = DMG_SYSTEM_FAULT_KEY_IN_USE, BAD_PROOF = DMG_SYSTEM_FAULT_BAD_PROOF, UNREACHABLE = DMG_SYSTEM_FAULT_THRESHOLD_UNREACHABLE, BROKEN = DMG_SYSTEM_FAULT_BROKEN };
enum { USE = 1, OWNER = 2 };
#define DAY 86400000ull

/* ---- State ---- */

typedef struct { uint8_t kind; uint64_t kill_epoch; uint32_t auth_epoch; uint16_t t_use, t_owner; uint64_t created_ms; } account_t;

static void account_set( char c, account_t const * a ) {
  uint8_t v[ 64 ];
  dm_address_t key = who( c );
  dmg_bcs_wr_t w = dmg_bcs_wr( v, sizeof v );
  dmg_bcs_wr_u8( &w, a->kind ); dmg_bcs_wr_u64( &w, a->kill_epoch ); dmg_bcs_wr_u32( &w, a->auth_epoch ); dmg_bcs_wr_u16( &w, a->t_use ); dmg_bcs_wr_u16( &w, a->t_owner ); dmg_bcs_wr_u64( &w, a->created_ms );
  dmn_value_set( ACCOUNT, &key, 32, v, (uint32_t)dmg_bcs_wr_span( &w ).sz );
}
static account_t account_at( dm_address_t key ) {
  uint8_t v[ 64 ];
  uint32_t n = sizeof v;
  account_t a;
  assert_true( dmn_value( ACCOUNT, &key, 32, v, &n ) );
  dmg_bcs_rd_t r = dmg_bcs_rd( dmg_span( v, n ) );
  a.kind = dmg_bcs_rd_u8( &r ); a.kill_epoch = dmg_bcs_rd_u64( &r ); a.auth_epoch = dmg_bcs_rd_u32( &r ); a.t_use = dmg_bcs_rd_u16( &r ); a.t_owner = dmg_bcs_rd_u16( &r ); a.created_ms = dmg_bcs_rd_u64( &r );
  assert_int_equal( dmg_bcs_rd_end( &r ), DMG_BCS_GOOD );
  return a;
}
static account_t account_of( char c ) { return account_at( who( c ) ); }

typedef struct { uint8_t scheme, key[ 96 ], level; uint16_t weight; uint8_t label[ 32 ]; uint64_t active_from_ms; uint32_t key_n, label_n; } auth_t;

static void auth_key( dm_address_t a, uint8_t slot, uint8_t out[ 33 ] ) { memcpy( out, &a, 32 ); out[ 32 ] = slot; }
static void auth_set( char c, uint8_t slot, uint8_t fill, uint8_t level, uint16_t weight, uint64_t active_from_ms ) {
  uint8_t v[ 200 ], key[ 33 ], k[ 32 ];
  memset( k, fill, 32 );
  auth_key( who( c ), slot, key );
  dmg_bcs_wr_t w = dmg_bcs_wr( v, sizeof v );
  dmg_bcs_wr_u8( &w, 0 ); dmg_bcs_wr_bytes( &w, dmg_span( k, 32 ) ); dmg_bcs_wr_u8( &w, level ); dmg_bcs_wr_u16( &w, weight ); dmg_bcs_wr_uleb( &w, 0 ); dmg_bcs_wr_u64( &w, active_from_ms );
  dmn_value_set( AUTH, key, 33, v, (uint32_t)dmg_bcs_wr_span( &w ).sz );
}
static bool auth_at( dm_address_t a, uint8_t slot, auth_t * out ) {
  uint8_t v[ 200 ], key[ 33 ];
  uint32_t n = sizeof v;
  auth_key( a, slot, key );
  if( !dmn_value( AUTH, key, 33, v, &n ) ) return false;
  dmg_bcs_rd_t r = dmg_bcs_rd( dmg_span( v, n ) );
  out->scheme = dmg_bcs_rd_u8( &r );
  dmg_span_t k = dmg_bcs_rd_bytes( &r, 96 );
  memcpy( out->key, k.p, k.sz );
  out->key_n = (uint32_t)k.sz;
  out->level = dmg_bcs_rd_u8( &r ); out->weight = dmg_bcs_rd_u16( &r );
  k = dmg_bcs_rd_str( &r, 32 );
  if( k.sz ) memcpy( out->label, k.p, k.sz );
  out->label_n = (uint32_t)k.sz;
  out->active_from_ms = dmg_bcs_rd_u64( &r );
  assert_int_equal( dmg_bcs_rd_end( &r ), DMG_BCS_GOOD );
  return true;
}
static bool auth_of( char c, uint8_t slot, auth_t * out ) { return auth_at( who( c ), slot, out ); }
static uint32_t auth_cnt( char c ) { auth_t a; uint32_t n = 0; for( uint8_t s = 0; s<16; s++ ) n += auth_of( c, s, &a ); return n; }

static int setup( void ** state ) {
  dmn_open( dmg_span( dmg_system_abi, sizeof dmg_system_abi ) );
  dmn_env.time_ms = 1000*DAY;
  dmn_env.height  = 5000;
  as( 'a', DM_ROLE_OWNER );
  account_set( 'a', &(account_t){ .t_use = 1, .t_owner = 1 } );
  auth_set( 'a', 0, 0x11, OWNER, 1, 0 );
  return 0;
}
static int teardown( void ** state ) { dmn_close(); return 0; }

/* ---- Keys with proofs ---- */

typedef struct { uint8_t scheme; uint8_t secret[ 32 ]; uint8_t key[ 96 ]; uint32_t key_n; } pair_t;

static pair_t pair( uint8_t scheme, uint8_t fill ) {
  pair_t p = { .scheme = scheme, .key_n = (uint32_t)dmg_sig_key_sz( scheme ) };
  memset( p.secret, fill, 32 );
  switch( scheme ) {
  case 0: dmg_ed25519_public( p.secret, p.key ); break;
  case 1: assert_true( dmg_secp256k1_public( p.secret, p.key ) ); break;
  default: assert_true( dmg_p256_public( p.secret, p.key ) ); break;
  }
  return p;
}

static dmg_hash_t pop_msg( char c, pair_t const * p ) {
  uint8_t m[ 64+2+96 ];
  dm_address_t a = who( c );
  memcpy( m, &dmn_env.chain, 32 );
  memcpy( m+32, &a, 32 );
  m[ 64 ] = p->scheme;
  m[ 65 ] = (uint8_t)p->key_n;
  memcpy( m+66, p->key, p->key_n );
  return dmg_h( DMG_TAG_AUTH_POP, dmg_span( m, 66+p->key_n ) );
}

static void wr_key( pair_t const * p ) { dmg_bcs_wr_u8( &t_w, p->scheme ); dmg_bcs_wr_bytes( &t_w, dmg_span( p->key, p->key_n ) ); }

/* WebAuthn: the envelope around P-256. */
static size_t webauthn( pair_t const * p, dmg_hash_t const * msg, uint8_t out[ 1400 ] ) {
  static char const abc[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  uint8_t auth_data[ 37 ] = { [ 32 ] = 1 }, sig[ 64 ], over[ 37+32 ];
  char b64[ 44 ] = { 0 }, client[ 200 ];
  for( int i = 0, o = 0; i<32; i += 3 ) {
    uint32_t v = (uint32_t)msg->b[ i ]<<16 | (uint32_t)( i+1<32 ? msg->b[ i+1 ] : 0 )<<8 | ( i+2<32 ? msg->b[ i+2 ] : 0u );
    for( int k = 0; k<4 && o<43; k++ ) b64[ o++ ] = abc[ v>>( 18-6*k )&63 ];
  }
  int n = snprintf( client, sizeof client, "{\"type\":\"webauthn.get\",\"challenge\":\"%s\",\"origin\":\"https://x\"}", b64 );
  dmg_hash_t ch = dmg_sha256( dmg_span( client, (size_t)n ) );
  memcpy( over, auth_data, 37 );
  memcpy( over+37, ch.b, 32 );
  assert_true( dmg_p256_sign( p->secret, dmg_span( over, sizeof over ), sig ) );
  dmg_bcs_wr_t w = dmg_bcs_wr( out, 1400 );
  dmg_bcs_wr_bytes( &w, dmg_span( auth_data, 37 ) );
  dmg_bcs_wr_bytes( &w, dmg_span( client, (size_t)n ) );
  dmg_bcs_wr_fixed( &w, sig, 64 );
  return dmg_bcs_wr_span( &w ).sz;
}

static void wr_proof( char c, pair_t const * p, bool is_good ) {
  uint8_t sig[ 1400 ];
  size_t n = 64;
  dmg_hash_t m = pop_msg( c, p );
  if( !is_good ) m.b[ 0 ] ^= 1;
  switch( p->scheme ) {
  case 0: dmg_ed25519_sign( p->secret, dmg_span( m.b, 32 ), sig ); break;
  case 1: assert_true( dmg_secp256k1_sign( p->secret, dmg_span( m.b, 32 ), sig ) ); break;
  case 2: assert_true( dmg_p256_sign( p->secret, dmg_span( m.b, 32 ), sig ) ); break;
  default: n = webauthn( p, &m, sig ); break;
  }
  dmg_bcs_wr_bytes( &t_w, dmg_span( sig, n ) );
}

static dmn_result_t const * add( pair_t const * p, bool is_good, uint8_t level, uint16_t weight ) {
  args(); wr_key( p ); wr_proof( 'a', p, is_good ); dmg_bcs_wr_u8( &t_w, level ); dmg_bcs_wr_u16( &t_w, weight ); dmg_bcs_wr_bytes( &t_w, DMG_SPAN_STR( "phone" ) );
  return call( 1 );
}
static dmn_result_t const * rotate( uint8_t slot, pair_t const * p, bool is_good ) { args(); dmg_bcs_wr_u8( &t_w, slot ); wr_key( p ); wr_proof( 'a', p, is_good ); return call( 2 ); }
static dmn_result_t const * remove_auth( uint8_t slot ) { args(); dmg_bcs_wr_u8( &t_w, slot ); return call( 3 ); }
static dmn_result_t const * thresholds( uint16_t use, uint16_t owner ) { args(); dmg_bcs_wr_u16( &t_w, use ); dmg_bcs_wr_u16( &t_w, owner ); return call( 4 ); }

static void test_add_auth_takes_all_key_forms( void ** state ) {
  for( uint8_t scheme = 0; scheme<4; scheme++ ) {
    pair_t p = pair( scheme, (uint8_t)( 0x21+scheme ) );
    FAULT( add( &p, false, USE, 3 ), BAD_PROOF );
    dmn_result_t const * r = add( &p, true, USE, (uint16_t)( 3+scheme ) );
    OK( r );
    assert_int_equal( r->data[ 0 ], scheme+1 );
    assert_int_equal( r->event_cnt, 1 );
    auth_t a;
    assert_true( auth_of( 'a', scheme+1, &a ) );
    assert_int_equal( a.scheme, scheme );
    assert_int_equal( a.weight, 3+scheme );
    assert_int_equal( a.label_n, 5 );
    assert_int_equal( a.active_from_ms, dmn_env.time_ms );
    assert_memory_equal( a.key, p.key, p.key_n );
    assert_int_equal( account_of( 'a' ).auth_epoch, scheme+1 );
  }
}

static void test_add_auth_provokes_each_fault( void ** state ) {
  pair_t p = pair( 0, 0x31 ), q = p;
  BAD_ARG( add( &p, true, 0, 1 ), "level" );
  BAD_ARG( add( &p, true, 3, 1 ), "level" );
  BAD_ARG( add( &p, true, USE, 0 ), "weight" );
  q.key_n = 31;
  BAD_ARG( add( &q, true, USE, 1 ), "key" );
  args(); dmg_bcs_wr_u8( &t_w, 5 ); dmg_bcs_wr_bytes( &t_w, dmg_span( p.key, 32 ) ); dmg_bcs_wr_uleb( &t_w, 0 ); dmg_bcs_wr_u8( &t_w, USE ); dmg_bcs_wr_u16( &t_w, 1 ); dmg_bcs_wr_uleb( &t_w, 0 );
  BAD_ARG( call( 1 ), "key" );
  args(); wr_key( &p ); dmg_bcs_wr_uleb( &t_w, 0 ); dmg_bcs_wr_u8( &t_w, USE ); dmg_bcs_wr_u16( &t_w, 1 ); dmg_bcs_wr_uleb( &t_w, 0 );
  FAULT( call( 1 ), BAD_PROOF );                   /* an empty signature */
  OK( add( &p, true, USE, 1 ) );
  FAULT( add( &p, true, OWNER, 1 ), KEY_IN_USE );
  /* A proof for another account, on another chain. */
  pair_t o = pair( 0, 0x32 );
  args(); wr_key( &o ); wr_proof( 'b', &o, true ); dmg_bcs_wr_u8( &t_w, USE ); dmg_bcs_wr_u16( &t_w, 1 ); dmg_bcs_wr_uleb( &t_w, 0 );
  FAULT( call( 1 ), BAD_PROOF );
  args(); wr_key( &o ); wr_proof( 'a', &o, true ); dmg_bcs_wr_u8( &t_w, USE ); dmg_bcs_wr_u16( &t_w, 1 ); dmg_bcs_wr_uleb( &t_w, 0 );
  dmn_env.chain.b[ 5 ] ^= 1;
  FAULT( call( 1 ), BAD_PROOF );
  dmn_env.chain.b[ 5 ] ^= 1;
  for( uint8_t s = 2; s<16; s++ ) auth_set( 'a', s, (uint8_t)( 0x80+s ), USE, 1, 0 );
  FAULT_U64( add( &o, true, USE, 1 ), LIMIT, 0, 16 );
  OK( remove_auth( 7 ) );
  dmn_result_t const * r = add( &o, true, USE, 1 );   /* the lowest free slot */
  OK( r );
  assert_int_equal( r->data[ 0 ], 7 );
  OK( remove_auth( 8 ) );
  account_t a = account_of( 'a' );
  a.auth_epoch = UINT32_MAX;
  account_set( 'a', &a );
  p = pair( 0, 0x33 );
  FAULT( add( &p, true, USE, 1 ), OVERFLOW_ );
  as( 'n', DM_ROLE_OWNER );
  FAULT( add( &p, true, USE, 1 ), NOT_FOUND );
}

static void test_rotate_keeps_level_weight_and_label( void ** state ) {
  pair_t p = pair( 0, 0x41 ), q = pair( 1, 0x42 );
  OK( add( &p, true, OWNER, 9 ) );
  FAULT( rotate( 3, &q, true ), NOT_FOUND );
  FAULT( rotate( 200, &q, true ), NOT_FOUND );
  FAULT( rotate( 1, &q, false ), BAD_PROOF );
  FAULT( rotate( 0, &p, true ), KEY_IN_USE );
  FAULT( rotate( 1, &p, true ), KEY_IN_USE );      /* by itself: nothing would change */
  dmn_env.time_ms += 5;
  OK( rotate( 1, &q, true ) );
  auth_t a;
  assert_true( auth_of( 'a', 1, &a ) );
  assert_int_equal( a.scheme, 1 );
  assert_int_equal( a.level, OWNER );
  assert_int_equal( a.weight, 9 );
  assert_int_equal( a.label_n, 5 );
  assert_int_equal( a.active_from_ms, dmn_env.time_ms );
  assert_memory_equal( a.key, q.key, 33 );
  assert_int_equal( account_of( 'a' ).auth_epoch, 2 );
  q.key_n = 32;
  BAD_ARG( rotate( 1, &q, true ), "key" );
  as( 'n', DM_ROLE_OWNER );
  FAULT( rotate( 1, &q, true ), NOT_FOUND );
}

/* M1.7: thresholds are reachable, always. */
static void test_thresholds_stay_reachable( void ** state ) {
  auth_set( 'a', 1, 0x12, USE, 3, 0 );
  auth_set( 'a', 2, 0x13, OWNER, 2, 0 );           /* use 6, owner 3 */
  BAD_ARG( thresholds( 0, 1 ), "use" );
  BAD_ARG( thresholds( 1, 0 ), "owner" );
  FAULT( thresholds( 7, 3 ), UNREACHABLE );
  FAULT( thresholds( 6, 4 ), UNREACHABLE );
  OK( thresholds( 6, 3 ) );
  account_t a = account_of( 'a' );
  assert_int_equal( a.t_use, 6 );
  assert_int_equal( a.t_owner, 3 );
  assert_int_equal( a.auth_epoch, 1 );
  for( uint8_t s = 0; s<3; s++ ) FAULT( remove_auth( s ), UNREACHABLE );
  FAULT( remove_auth( 3 ), NOT_FOUND );
  FAULT( remove_auth( 16 ), NOT_FOUND );
  OK( thresholds( 3, 3 ) );
  OK( remove_auth( 1 ) );
  assert_int_equal( auth_cnt( 'a' ), 2 );
  OK( thresholds( 1, 2 ) );
  OK( remove_auth( 0 ) );
  FAULT( remove_auth( 2 ), UNREACHABLE );          /* the last one */
  as( 'n', DM_ROLE_OWNER );
  FAULT( remove_auth( 0 ), NOT_FOUND );
  FAULT( thresholds( 1, 1 ), NOT_FOUND );
}

static void test_thresholds_count_in_32_bits( void ** state ) {
  auth_set( 'a', 0, 0x11, OWNER, 65535, 0 );
  auth_set( 'a', 1, 0x12, OWNER, 65535, 0 );
  OK( thresholds( 65535, 65535 ) );
  OK( remove_auth( 1 ) );
  FAULT( remove_auth( 0 ), UNREACHABLE );
}

/* ---- Proposals ---- */

static dmn_result_t const * propose( uint32_t calls, uint32_t args_sz, uint8_t level, uint16_t signers ) {
  static uint8_t const zero[ 4096 ];
  dmn_env.signers = signers;
  args(); dmg_bcs_wr_uleb( &t_w, calls );
  for( uint32_t i = 0; i<calls; i++ ) { dmg_bcs_wr_u16( &t_w, 2 ); dmg_bcs_wr_u16( &t_w, 1 ); dmg_bcs_wr_fixed( &t_w, zero, 32 ); dmg_bcs_wr_bytes( &t_w, dmg_span( zero, args_sz ) ); }
  dmg_bcs_wr_u8( &t_w, level );
  return call( 5 );
}
static dmn_result_t const * approve( uint32_t id, uint16_t signers ) { dmn_env.signers = signers; args(); dmg_bcs_wr_u32( &t_w, id ); return call( 6 ); }
static dmn_result_t const * cancel( uint32_t id ) { args(); dmg_bcs_wr_u32( &t_w, id ); return call( 7 ); }
static bool ready( dmn_result_t const * r ) { OK( r ); return r->data[ 0 ]; }
static uint32_t proposed( dmn_result_t const * r ) { OK( r ); return dmg_load_u32le( r->data ); }

/* 2 of 3 to use, all three to own; slot 2 is for use only. */
static void three_keys( void ) {
  account_set( 'a', &(account_t){ .t_use = 2, .t_owner = 2 } );
  auth_set( 'a', 1, 0x12, OWNER, 1, 0 );
  auth_set( 'a', 2, 0x13, USE, 1, 0 );
  as( 'a', DM_ROLE_USE );
}

static void test_msig_is_ready_at_its_threshold( void ** state ) {
  three_keys();
  uint32_t id = proposed( propose( 1, 10, USE, 1 ) );
  assert_int_equal( id, 0 );
  assert_false( ready( approve( id, 1 ) ) );       /* the same key twice */
  assert_true( ready( approve( id, 4 ) ) );
  id = proposed( propose( 2, 10, OWNER, 1 ) );
  assert_int_equal( id, 1 );
  assert_false( ready( approve( id, 4 ) ) );       /* a use key does not own */
  assert_true( ready( approve( id, 2 ) ) );
  assert_true( ready( approve( id, 2 ) ) );        /* a failed run stays open and may be tried again */
  FAULT( approve( 2, 2 ), NOT_FOUND );
  auth_set( 'a', 2, 0x13, USE, 1, dmn_env.time_ms+1 );   /* not yet active */
  id = proposed( propose( 1, 10, USE, 1 ) );
  assert_false( ready( approve( id, 4 ) ) );
  as( 'n', DM_ROLE_USE );
  FAULT( approve( 0, 1 ), NOT_FOUND );
}

static void test_msig_propose_provokes_each_fault( void ** state ) {
  three_keys();
  BAD_ARG( propose( 0, 0, USE, 1 ), "calls" );
  BAD_ARG( propose( 1, 10, 0, 1 ), "level" );
  BAD_ARG( propose( 1, 10, 3, 1 ), "level" );
  BAD_ARG( propose( 2, 2012, USE, 1 ), "calls" );  /* 1 + 2 x ( 36 + 2 + 2012 ) = 4101 bytes */
  BAD_ARG( propose( 1, 4058, USE, 1 ), "calls" );  /* 4097 */
  OK( propose( 1, 4057, USE, 1 ) );                /* 4096 */
  as( 'n', DM_ROLE_USE );
  FAULT( propose( 1, 10, USE, 1 ), NOT_FOUND );
  as( 'a', DM_ROLE_USE );
  dm_address_t a = who( 'a' );
  dmn_counter_set( SEQ, &a, 32, UINT32_MAX );
  FAULT( propose( 1, 10, USE, 1 ), LIMIT );
}

static void test_msig_has_32_open_and_never_an_id_twice( void ** state ) {
  three_keys();
  for( uint32_t i = 0; i<32; i++ ) assert_int_equal( proposed( propose( 1, 1, USE, 1 ) ), i );
  FAULT_U64( propose( 1, 1, USE, 1 ), LIMIT, 0, 32 );
  OK( cancel( 31 ) );
  FAULT( propose( 1, 1, USE, 1 ), LIMIT );         /* the ring goes by age */
  OK( cancel( 0 ) );
  FAULT( cancel( 0 ), NOT_FOUND );
  assert_int_equal( proposed( propose( 1, 1, USE, 1 ) ), 32 );
  dmn_env.time_ms += 7*DAY-1;
  FAULT( propose( 1, 1, USE, 1 ), LIMIT );
  dmn_env.time_ms += 1;                            /* the old ones are over and make room */
  uint32_t before = dmn_entry_cnt();
  assert_int_equal( proposed( propose( 1, 1, USE, 1 ) ), 33 );
  assert_int_equal( dmn_entry_cnt(), before );
}

static void test_msig_is_void_after_a_change_of_keys_or_a_kill( void ** state ) {
  three_keys();
  uint32_t id = proposed( propose( 1, 1, USE, 1 ) );
  dmn_env.time_ms += 7*DAY-1;
  OK( approve( id, 1 ) );
  dmn_env.time_ms += 1;
  FAULT( approve( id, 4 ), EXPIRED );
  id = proposed( propose( 1, 1, USE, 1 ) );
  account_t a = account_of( 'a' );
  a.kill_epoch++;
  account_set( 'a', &a );
  FAULT( approve( id, 4 ), EXPIRED );
  id = proposed( propose( 1, 1, USE, 1 ) );
  as( 'a', DM_ROLE_OWNER );
  OK( thresholds( 1, 1 ) );
  FAULT( approve( id, 4 ), EXPIRED );
  OK( cancel( id ) );
}

/* ---- Note, closing, queries ---- */

static void test_note_does_nothing( void ** state ) {
  dmg_hash_t before = dmn_state_hash();
  args(); dmg_bcs_wr_bytes( &t_w, dmg_span( before.b, 32 ) );
  dmn_result_t const * r = call( 8 );
  OK( r );
  assert_int_equal( r->event_cnt, 0 );
  dmg_hash_t after = dmn_state_hash();
  assert_true( dmg_hash_eq( &before, &after ) );
}

static void test_closed_account_signs_never_again( void ** state ) {
  auth_set( 'a', 9, 0x19, USE, 3, 0 );
  args(); wr_who( 'a' ); BAD_ARG( call( 9 ), "to" );
  args(); wr_who( 'b' );
  dmn_result_t const * r = call( 9 );
  OK( r );
  assert_int_equal( r->events[ 0 ].id, DMG_SYSTEM_EVENT_ACCOUNT_CLOSED );
  account_t a = account_of( 'a' );
  assert_int_equal( auth_cnt( 'a' ), 0 );
  assert_int_equal( a.kill_epoch, 1 );
  assert_int_equal( a.auth_epoch, 1 );
  assert_int_equal( a.t_use, 65535 );
  assert_int_equal( a.t_owner, 65535 );
  as( 'n', DM_ROLE_OWNER );
  args(); wr_who( 'b' ); FAULT( call( 9 ), NOT_FOUND );
  as( 'a', DM_ROLE_OWNER );
  a.kill_epoch = UINT64_MAX;
  account_set( 'a', &a );
  args(); wr_who( 'b' ); FAULT( call( 9 ), OVERFLOW_ );
}

static void test_queries_show_state( void ** state ) {
  auth_set( 'a', 4, 0x14, USE, 2, 0 );
  args(); wr_who( 'a' );
  dmn_result_t const * r = query( 1 );
  OK( r );
  assert_int_equal( r->data[ 0 ], 1 );
  assert_int_equal( r->data[ 1+25 ], 2 );          /* two authenticators */
  assert_int_equal( r->data[ 1+25+1 ], 0 );        /* slot 0 */
  args(); wr_who( 'n' ); r = query( 1 ); OK( r ); assert_int_equal( r->data_n, 1 );
  args(); wr_who( 'a' ); dmg_bcs_wr_u16( &t_w, 3 ); r = query( 2 ); OK( r ); assert_int_equal( dmg_load_u64le( r->data ), 0 );
  uint8_t key[ 34 ], v[ 8 ] = { 7 };
  dm_address_t a = who( 'a' );
  memcpy( key, &a, 32 ); key[ 32 ] = 0; key[ 33 ] = 3;
  dmn_value_set( LANE, key, 34, v, 8 );
  args(); wr_who( 'a' ); dmg_bcs_wr_u16( &t_w, 3 ); r = query( 2 ); OK( r ); assert_int_equal( dmg_load_u64le( r->data ), 7 );
  uint32_t id = proposed( propose( 3, 100, USE, 5 ) );
  args(); wr_who( 'a' ); dmg_bcs_wr_u32( &t_w, id ); r = query( 3 ); OK( r );
  assert_int_equal( r->data_n, 1+1+3*( 36+1+100 )+2+1+4+8+8 );
  args(); wr_who( 'a' ); dmg_bcs_wr_u32( &t_w, id+1 ); r = query( 3 ); OK( r ); assert_int_equal( r->data_n, 1 );
  args(); dmg_bcs_wr_u64( &t_w, dmn_env.height-1 ); r = query( 4 ); OK( r ); assert_int_equal( r->data_n, 33 );
  args(); dmg_bcs_wr_u64( &t_w, dmn_env.height ); r = query( 4 ); OK( r ); assert_int_equal( r->data_n, 1 );
}

/* ---- Genesis ---- */

static void wr_init_auth( uint8_t scheme, uint8_t fill, uint32_t n, uint8_t level, uint16_t weight ) {
  uint8_t k[ 96 ];
  memset( k, fill, sizeof k );
  dmg_bcs_wr_u8( &t_w, scheme ); dmg_bcs_wr_bytes( &t_w, dmg_span( k, n ) ); dmg_bcs_wr_u8( &t_w, level ); dmg_bcs_wr_u16( &t_w, weight );
}
static void wr_rest( uint16_t use, uint16_t owner, uint64_t salt ) { dmg_bcs_wr_u16( &t_w, use ); dmg_bcs_wr_u16( &t_w, owner ); dmg_bcs_wr_u64( &t_w, salt ); }
static void one( uint32_t auths ) { as( 0, DM_ROLE_HOOK ); args(); dmg_bcs_wr_uleb( &t_w, 1 ); dmg_bcs_wr_uleb( &t_w, auths ); }

static void test_init_makes_accounts_at_their_address( void ** state ) {
  as( 0, DM_ROLE_HOOK );
  args(); dmg_bcs_wr_uleb( &t_w, 2 );
  size_t from = dmg_bcs_wr_span( &t_w ).sz;
  dmg_bcs_wr_uleb( &t_w, 1 ); wr_init_auth( 0, 0x51, 32, OWNER, 1 ); wr_rest( 1, 1, 0 );
  size_t mid = dmg_bcs_wr_span( &t_w ).sz;
  dmg_bcs_wr_uleb( &t_w, 2 ); wr_init_auth( 4, 0x52, 96, OWNER, 5 ); wr_init_auth( 3, 0x53, 33, USE, 2 ); wr_rest( 7, 5, 99 );
  size_t end = dmg_bcs_wr_span( &t_w ).sz;
  dmg_hash_t first = dmg_h( DMG_TAG_ADDR, dmg_span( t_args+from, mid-from ) ), second = dmg_h( DMG_TAG_ADDR, dmg_span( t_args+mid, end-mid ) );
  OK( hook( 1 ) );
  dm_address_t a;
  memcpy( &a, first.b, 32 );
  account_t acc = account_at( a );
  assert_int_equal( acc.created_ms, dmn_env.time_ms );
  assert_int_equal( acc.t_use, 1 );
  memcpy( &a, second.b, 32 );
  acc = account_at( a );
  assert_int_equal( acc.t_use, 7 );
  assert_int_equal( acc.t_owner, 5 );
  auth_t au;
  assert_true( auth_at( a, 1, &au ) );
  assert_int_equal( au.scheme, 3 );
  assert_int_equal( au.weight, 2 );
  assert_int_equal( au.label_n, 0 );
  assert_int_equal( au.active_from_ms, 0 );
  assert_false( auth_at( a, 2, &au ) );
  BAD_ARG( hook( 1 ), "accounts" );                /* twice */
}

static void test_init_refuses_what_activation_would( void ** state ) {
  one( 0 ); wr_rest( 1, 1, 0 ); BAD_ARG( hook( 1 ), "auths" );
  one( 1 ); wr_init_auth( 5, 1, 32, OWNER, 1 ); wr_rest( 1, 1, 0 ); BAD_ARG( hook( 1 ), "key" );
  one( 1 ); wr_init_auth( 0, 1, 33, OWNER, 1 ); wr_rest( 1, 1, 0 ); BAD_ARG( hook( 1 ), "key" );
  one( 1 ); wr_init_auth( 0, 1, 32, 0, 1 ); wr_rest( 1, 1, 0 ); BAD_ARG( hook( 1 ), "level" );
  one( 1 ); wr_init_auth( 0, 1, 32, 3, 1 ); wr_rest( 1, 1, 0 ); BAD_ARG( hook( 1 ), "level" );
  one( 1 ); wr_init_auth( 0, 1, 32, OWNER, 0 ); wr_rest( 1, 1, 0 ); BAD_ARG( hook( 1 ), "weight" );
  one( 2 ); wr_init_auth( 1, 1, 33, OWNER, 1 ); wr_init_auth( 2, 1, 33, USE, 1 ); wr_rest( 1, 1, 0 ); FAULT( hook( 1 ), KEY_IN_USE );
  one( 1 ); wr_init_auth( 0, 1, 32, OWNER, 1 ); wr_rest( 0, 1, 0 ); FAULT( hook( 1 ), UNREACHABLE );
  one( 1 ); wr_init_auth( 0, 1, 32, OWNER, 1 ); wr_rest( 1, 0, 0 ); FAULT( hook( 1 ), UNREACHABLE );
  one( 1 ); wr_init_auth( 0, 1, 32, OWNER, 1 ); wr_rest( 2, 1, 0 ); FAULT( hook( 1 ), UNREACHABLE );
  one( 1 ); wr_init_auth( 0, 1, 32, USE, 1 ); wr_rest( 1, 1, 0 ); FAULT( hook( 1 ), UNREACHABLE );
  as( 0, DM_ROLE_HOOK ); args(); dmg_bcs_wr_uleb( &t_w, 0 ); OK( hook( 1 ) );
}

static void test_check_wants_native_records( void ** state ) {
  uint8_t key[ 2 ] = { 0, 1 }, v[ 256 ];
  as( 0, DM_ROLE_HOOK );
  args(); FAULT( hook( 7 ), BROKEN );
  dmn_value_set( VM, NULL, 0, (uint8_t[ 8 ]){ 1, 0, 1, 0 }, 8 );
  args(); FAULT( hook( 7 ), BROKEN );
  for( uint8_t version = 2; version; version-- ) {
    dmg_bcs_wr_t w = dmg_bcs_wr( v, sizeof v );
    dmg_bcs_wr_bytes( &w, DMG_SPAN_STR( "system" ) );
    for( int i = 0; i<3; i++ ) dmg_bcs_wr_u16( &w, 0 );
    for( int i = 0; i<8; i++ ) dmg_bcs_wr_u64( &w, 0 );
    dmg_bcs_wr_u8( &w, version ); dmg_bcs_wr_u8( &w, 0 ); dmg_bcs_wr_u64( &w, 0 ); dmg_bcs_wr_bool( &w, false ); dmg_bcs_wr_uleb( &w, 0 ); dmg_bcs_wr_u32( &w, 0 );
    dmn_value_set( MODULE, key, 2, v, (uint32_t)dmg_bcs_wr_span( &w ).sz );
    args();
    if( version==1 ) OK( hook( 7 ) ); else FAULT( hook( 7 ), BROKEN );
  }
}

int main( void ) {
#define T( name ) cmocka_unit_test_setup_teardown( name, setup, teardown )
  struct CMUnitTest const tests[] = {
    T( test_add_auth_provokes_each_fault ), T( test_add_auth_takes_all_key_forms ), T( test_rotate_keeps_level_weight_and_label ), T( test_thresholds_stay_reachable ),
    T( test_thresholds_count_in_32_bits ), T( test_msig_propose_provokes_each_fault ), T( test_msig_is_ready_at_its_threshold ), T( test_msig_has_32_open_and_never_an_id_twice ),
    T( test_msig_is_void_after_a_change_of_keys_or_a_kill ), T( test_note_does_nothing ), T( test_closed_account_signs_never_again ), T( test_queries_show_state ),
    T( test_init_makes_accounts_at_their_address ), T( test_init_refuses_what_activation_would ), T( test_check_wants_native_records ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
