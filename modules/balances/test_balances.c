#include "test_native.h"

#include "balances_host.h"

#define ISSUED 1300000000000000000ull
#define MAX63  ( (uint64_t)INT64_MAX )
#define PRICE  10000u
#define DAY    86400000ull

enum { FREE = DMG_BALANCES_ITEM_FREE, HELD = DMG_BALANCES_ITEM_HELD, HOLD = DMG_BALANCES_ITEM_HOLD, LOCK = DMG_BALANCES_ITEM_LOCK, VESTING = DMG_BALANCES_ITEM_VESTING,
       BUCKET = DMG_BALANCES_ITEM_BUCKET, BURNED = DMG_BALANCES_ITEM_BURNED };
enum { INSUFFICIENT = DMG_BALANCES_FAULT_INSUFFICIENT_BALANCE, OVERFLOW_ = DMG_BALANCES_FAULT_OVERFLOW, NOT_FOUND = DMG_BALANCES_FAULT_NOT_FOUND,
       TOO_EARLY = DMG_BALANCES_FAULT_TOO_EARLY, POOL_SHORT = DMG_BALANCES_FAULT_POOL_SHORT, NOT_AUTHORIZED = DMG_BALANCES_FAULT_NOT_AUTHORIZED };

static uint64_t free_of( char c ) { dm_address_t a = who( c ); return dmn_counter( FREE, &a, 32 ); }
static uint64_t held_of( char c ) { dm_address_t a = who( c ); return dmn_counter( HELD, &a, 32 ); }
static uint64_t free_at( dm_address_t a ) { return dmn_counter( FREE, &a, 32 ); }
static void     give( char c, uint64_t v ) { dm_address_t a = who( c ); dmn_counter_set( FREE, &a, 32, v ); }
static uint64_t burned( uint8_t cause ) { return dmn_counter( BURNED, &cause, 1 ); }

static uint64_t hold_of( char c, uint8_t reason, uint8_t id ) {
  uint8_t key[ 65 ];
  dm_address_t a = who( c );
  memcpy( key, &a, 32 ); key[ 32 ] = reason; memset( key+33, id, 32 );
  return dmn_counter( HOLD, key, 65 );
}

static void lock( char c, uint8_t reason, uint64_t amount, uint64_t until_ms ) {
  uint8_t key[ 33 ], v[ 16 ];
  dm_address_t a = who( c );
  memcpy( key, &a, 32 ); key[ 32 ] = reason;
  dmg_store_u64le( v, amount );
  dmg_store_u64le( v+8, until_ms );
  dmn_value_set( LOCK, key, 33, v, 16 );
}

static int setup( void ** state ) {
  dmn_open( dmg_span( dmg_balances_abi, sizeof dmg_balances_abi ) );
  dmn_env.time_ms       = 1000*DAY;
  dmn_env.height        = 77;
  dmn_env.deposit_price = PRICE;
  as( 'a', DM_ROLE_USE );
  return 0;
}
static int teardown( void ** state ) { dmn_close(); return 0; }

/* ---- Calls ---- */

static dmn_result_t const * transfer( char to, uint64_t amount ) { args(); wr_who( to ); dmg_bcs_wr_u64( &t_w, amount ); dmg_bcs_wr_bytes( &t_w, DMG_SPAN_STR( "memo" ) ); return call( 1 ); }
static dmn_result_t const * transfer_all( char to ) { args(); wr_who( to ); return call( 2 ); }
static void many( uint32_t n ) { args(); dmg_bcs_wr_uleb( &t_w, n ); }
static void pay( char to, uint64_t amount ) { wr_who( to ); dmg_bcs_wr_u64( &t_w, amount ); }
static dmn_result_t const * burn( uint64_t amount ) { args(); dmg_bcs_wr_u64( &t_w, amount ); return call( 4 ); }
static dmn_result_t const * claim( void ) { args(); return call( 5 ); }
static void wr_id( uint8_t id ) { uint8_t h[ 32 ]; memset( h, id, 32 ); dmg_bcs_wr_fixed( &t_w, h, 32 ); }
static void as_module( char actor, uint16_t module ) { as( actor, DM_ROLE_MODULE ); dmn_env.caller = module; }
static dmn_result_t const * hold( uint8_t reason, uint8_t id, uint64_t amount ) { args(); dmg_bcs_wr_u8( &t_w, reason ); wr_id( id ); dmg_bcs_wr_u64( &t_w, amount ); return call( 200 ); }
static dmn_result_t const * release( char c, uint8_t reason, uint8_t id, uint64_t amount ) { args(); wr_who( c ); dmg_bcs_wr_u8( &t_w, reason ); wr_id( id ); dmg_bcs_wr_u64( &t_w, amount ); return call( 201 ); }
static dmn_result_t const * seize( char c, uint8_t reason, uint8_t id, char to, uint64_t amount ) { args(); wr_who( c ); dmg_bcs_wr_u8( &t_w, reason ); wr_id( id ); wr_who( to ); dmg_bcs_wr_u64( &t_w, amount ); return call( 202 ); }
static dmn_result_t const * pool_pay( char to, uint64_t amount ) { args(); wr_who( to ); dmg_bcs_wr_u64( &t_w, amount ); return call( 203 ); }
static dmn_result_t const * burn_from( uint8_t cause, uint64_t amount ) { args(); dmg_bcs_wr_u8( &t_w, cause ); dmg_bcs_wr_u64( &t_w, amount ); return call( 204 ); }

static void test_transfer_moves_coins_and_says_so( void ** state ) {
  give( 'a', 100 );
  dmn_result_t const * r = transfer( 'b', 30 );
  OK( r );
  assert_int_equal( free_of( 'a' ), 70 );
  assert_int_equal( free_of( 'b' ), 30 );
  assert_int_equal( r->event_cnt, 1 );
  assert_int_equal( r->events[ 0 ].id, DMG_BALANCES_EVENT_TRANSFERRED );
  assert_int_equal( r->events[ 0 ].data_n, 32+32+8+5 );
  assert_int_equal( r->events[ 0 ].data[ 0 ], 'a' );
  assert_int_equal( r->events[ 0 ].data[ 32 ], 'b' );
  assert_int_equal( dmg_load_u64le( r->events[ 0 ].data+64 ), 30 );
  OK( transfer( 'b', 70 ) );
  assert_int_equal( free_of( 'a' ), 0 );
}

static void test_transfer_refuses_nothing_and_too_much( void ** state ) {
  give( 'a', 100 );
  BAD_ARG( transfer( 'b', 0 ), "amount" );
  FAULT_U64( transfer( 'b', 101 ), INSUFFICIENT, 0, 100 );
  FAULT_U64( transfer( 'b', MAX63 ), INSUFFICIENT, 1, MAX63 );
  assert_int_equal( free_of( 'a' ), 100 );
  assert_int_equal( free_of( 'b' ), 0 );
}

/* Never (M2.7): a self-transfer that mints. */
static void test_never_self_transfer_mints( void ** state ) {
  give( 'a', 100 );
  dmn_result_t const * r = transfer( 'a', 100 );
  OK( r );
  assert_int_equal( r->event_cnt, 0 );
  assert_int_equal( free_of( 'a' ), 100 );
  FAULT_U64( transfer( 'a', 101 ), INSUFFICIENT, 0, 100 );
  BAD_ARG( transfer( 'a', 0 ), "amount" );
}

static void test_locks_overlap_and_end_on_time( void ** state ) {
  give( 'a', 100 );
  lock( 'a', 0, 40, dmn_env.time_ms+1 );
  lock( 'a', 3, 90, dmn_env.time_ms+1 );
  lock( 'a', 7, 95, dmn_env.time_ms );            /* over: until is the first moment without it */
  lock( 'b', 0, 99, dmn_env.time_ms+DAY );        /* another's */
  FAULT_U64( transfer( 'b', 11 ), INSUFFICIENT, 0, 10 );
  FAULT_U64( transfer( 'a', 11 ), INSUFFICIENT, 0, 10 );
  FAULT_U64( burn( 11 ), INSUFFICIENT, 0, 10 );
  lock( 'a', 5, 50, dmn_env.time_ms+1 );           /* the largest stands in the middle */
  FAULT_U64( burn( 11 ), INSUFFICIENT, 0, 10 );
  OK( transfer( 'b', 10 ) );
  dmn_env.time_ms += 1;
  OK( transfer( 'b', 90 ) );
  lock( 'a', 0, 200, dmn_env.time_ms+1 );         /* more than there is */
  give( 'a', 100 );
  FAULT_U64( transfer( 'b', 1 ), INSUFFICIENT, 0, 0 );
}

static void test_eight_locks_all_count( void ** state ) {
  give( 'a', 100 );
  for( uint8_t i = 0; i<8; i++ ) lock( 'a', i, 10u*( i+1u ), dmn_env.time_ms+1 );
  FAULT_U64( transfer( 'b', 21 ), INSUFFICIENT, 0, 20 );
  OK( transfer( 'b', 20 ) );
}

static void test_transfer_all_leaves_the_receivers_deposit( void ** state ) {
  uint64_t const deposit = 85*PRICE;
  give( 'a', deposit+7 );
  dmn_result_t const * r = transfer_all( 'b' );
  OK( r );
  assert_int_equal( dmg_load_u64le( r->data ), 7 );
  assert_int_equal( free_of( 'a' ), deposit );
  assert_int_equal( free_of( 'b' ), 7 );
  OK( transfer_all( 'b' ) );                       /* b stands now: nothing to keep back */
  assert_int_equal( free_of( 'a' ), 0 );
  FAULT_U64( transfer_all( 'b' ), INSUFFICIENT, 1, 1 );
  give( 'a', deposit );
  FAULT_U64( transfer_all( 'c' ), INSUFFICIENT, 1, deposit+1 );
  r = transfer_all( 'a' );
  OK( r );
  assert_int_equal( free_of( 'a' ), deposit );
  lock( 'a', 1, deposit-5, dmn_env.time_ms+1 );
  r = transfer_all( 'b' );
  OK( r );
  assert_int_equal( dmg_load_u64le( r->data ), 5 );
  give( 'd', 1 );
  dmn_env.deposit_price = UINT64_MAX;
  give( 'a', 100 );
  FAULT( transfer_all( 'e' ), OVERFLOW_ );
}

static void test_transfer_many_is_all_or_none( void ** state ) {
  give( 'a', 100 );
  many( 0 ); BAD_ARG( call( 3 ), "payments" );
  many( 2 ); pay( 'b', 1 ); pay( 'c', 0 ); BAD_ARG( call( 3 ), "amount" );
  many( 2 ); pay( 'b', MAX63 ); pay( 'c', 1 ); FAULT( call( 3 ), OVERFLOW_ );
  many( 2 ); pay( 'b', 60 ); pay( 'c', 41 ); FAULT_U64( call( 3 ), INSUFFICIENT, 1, 101 );
  many( 2 ); pay( 'b', 60 ); pay( 'a', 41 ); FAULT_U64( call( 3 ), INSUFFICIENT, 0, 100 );
  assert_int_equal( free_of( 'a' ), 100 );
  assert_int_equal( free_of( 'b' ), 0 );
  many( 4 ); pay( 'b', 60 ); pay( 'a', 10 ); pay( 'b', 5 ); pay( 'c', 25 );
  dmn_result_t const * r = call( 3 );
  OK( r );
  assert_int_equal( r->event_cnt, 3 );             /* a payment to oneself changes nothing */
  assert_int_equal( free_of( 'a' ), 10 );
  assert_int_equal( free_of( 'b' ), 65 );
  assert_int_equal( free_of( 'c' ), 25 );
  many( 1 ); pay( 'a', 10 ); OK( call( 3 ) );
  assert_int_equal( free_of( 'a' ), 10 );
  give( 'a', 200 );
  many( 200 );
  for( int i = 0; i<200; i++ ) pay( (char)( 'b'+i%10 ), 1 );
  r = call( 3 );
  OK( r );
  assert_int_equal( r->event_cnt, 200 );
  assert_int_equal( free_of( 'a' ), 0 );
}

static void test_burn_is_for_ever( void ** state ) {
  give( 'a', 10 );
  BAD_ARG( burn( 0 ), "amount" );
  FAULT_U64( burn( 11 ), INSUFFICIENT, 0, 10 );
  OK( burn( 10 ) );
  assert_int_equal( free_of( 'a' ), 0 );
  assert_int_equal( burned( 1 ), 10 );
}

/* ---- Vesting ---- */

typedef struct { uint64_t at_ms; uint16_t bps; } step_t;
static void vest( char c, uint32_t n, uint64_t total, uint64_t claimed, bool linear, step_t const * s, uint32_t cnt ) {
  uint8_t key[ 36 ], v[ 128 ];
  dm_address_t a = who( c );
  memcpy( key, &a, 32 );
  dmg_store_u32be( key+32, n );
  dmg_bcs_wr_t w = dmg_bcs_wr( v, sizeof v );
  dmg_bcs_wr_u64( &w, total ); dmg_bcs_wr_u64( &w, claimed ); dmg_bcs_wr_bool( &w, linear ); dmg_bcs_wr_uleb( &w, cnt );
  for( uint32_t i = 0; i<cnt; i++ ) { dmg_bcs_wr_u64( &w, s[ i ].at_ms ); dmg_bcs_wr_u16( &w, s[ i ].bps ); }
  dmg_span_t b = dmg_bcs_wr_span( &w );
  dmn_value_set( VESTING, key, 36, b.p, (uint32_t)b.sz );
}
static void pool_give( uint64_t v ) { dm_address_t own = dmn_pool( 2, 0 ); dmn_counter_set( FREE, &own, 32, v ); }

static void test_claim_pays_steps_when_they_come( void ** state ) {
  uint64_t const t = dmn_env.time_ms;
  FAULT( claim(), NOT_FOUND );
  vest( 'a', 0, 1000, 0, false, (step_t[]){ { t+10, 2500 }, { t+20, 10000 } }, 2 );
  vest( 'a', 1, 99, 0, false, (step_t[]){ { t+15, 10000 } }, 1 );
  pool_give( 2000 );
  FAULT_U64( claim(), TOO_EARLY, 0, t+10 );
  dmn_env.time_ms = t+9;
  FAULT_U64( claim(), TOO_EARLY, 0, t+10 );
  dmn_env.time_ms = t+10;
  dmn_result_t const * r = claim();
  OK( r );
  assert_int_equal( dmg_load_u64le( r->data ), 250 );
  assert_int_equal( free_of( 'a' ), 250 );
  FAULT_U64( claim(), TOO_EARLY, 0, t+15 );
  dmn_env.time_ms = t+20;
  pool_give( 848 );
  FAULT( claim(), POOL_SHORT );
  pool_give( 849 );
  OK( claim() );
  assert_int_equal( free_of( 'a' ), 1099 );
  FAULT( claim(), NOT_FOUND );                     /* nothing is left to come */
}

static void test_claim_linear_is_floored_between_steps( void ** state ) {
  uint64_t const t = dmn_env.time_ms, span = 4*365*DAY;
  vest( 'a', 0, ISSUED, 0, true, (step_t[]){ { t, 0 }, { t+span, 10000 } }, 2 );
  pool_give( ISSUED );
  FAULT_U64( claim(), TOO_EARLY, 0, t+span );
  dmn_env.time_ms = t+1;
  OK( claim() );
  assert_int_equal( free_of( 'a' ), (uint64_t)( (unsigned __int128)ISSUED/span ) );
  dmn_env.time_ms = t+span-1;
  OK( claim() );
  assert_int_equal( free_of( 'a' ), (uint64_t)( (unsigned __int128)ISSUED*( span-1 )/span ) );
  dmn_env.time_ms = t+span;
  OK( claim() );
  assert_int_equal( free_of( 'a' ), ISSUED );
  assert_int_equal( free_at( dmn_pool( 2, 0 ) ), 0 );
}

/* ---- Calls of modules ---- */

static void test_holds_belong_to_their_module( void ** state ) {
  give( 'a', 100 );
  as_module( 'a', 8 );
  BAD_ARG( hold( 8, 1, 1 ), "reason" );
  BAD_ARG( hold( 2, 1, 0 ), "amount" );
  FAULT( hold( 0, 1, 1 ), NOT_AUTHORIZED );        /* storage: native code's */
  FAULT( hold( 3, 1, 1 ), NOT_AUTHORIZED );        /* name: module 3's */
  FAULT_U64( hold( 2, 1, 101 ), INSUFFICIENT, 0, 100 );
  OK( hold( 2, 1, 60 ) );
  OK( hold( 2, 2, 40 ) );
  assert_int_equal( free_of( 'a' ), 0 );
  assert_int_equal( held_of( 'a' ), 100 );
  assert_int_equal( hold_of( 'a', 2, 1 ), 60 );
  as_module( 'z', 3 );
  FAULT( release( 'a', 2, 1, 1 ), NOT_AUTHORIZED );
  FAULT( seize( 'a', 2, 1, 'b', 1 ), NOT_AUTHORIZED );
  as_module( 'z', 8 );
  FAULT_U64( release( 'a', 2, 1, 61 ), INSUFFICIENT, 0, 60 );
  BAD_ARG( release( 'a', 2, 1, 0 ), "amount" );
  BAD_ARG( release( 'a', 9, 1, 1 ), "reason" );
  OK( release( 'a', 2, 1, 10 ) );
  assert_int_equal( free_of( 'a' ), 10 );
  FAULT_U64( seize( 'a', 2, 1, 'b', 51 ), INSUFFICIENT, 0, 50 );
  BAD_ARG( seize( 'a', 2, 1, 'b', 0 ), "amount" );
  dmn_result_t const * r = seize( 'a', 2, 1, 'b', 50 );
  OK( r );
  assert_int_equal( r->events[ 0 ].id, DMG_BALANCES_EVENT_SEIZED );
  assert_int_equal( free_of( 'b' ), 50 );
  assert_int_equal( held_of( 'a' ), 40 );
  assert_int_equal( dmn_counter_sum( HOLD ), 40 );
  dmn_env.caller = 0;
  FAULT( hold( 2, 1, 1 ), NOT_AUTHORIZED );
  FAULT( hold( 0, 1, 1 ), NOT_AUTHORIZED );
}

static void test_locked_coins_are_not_held( void ** state ) {
  give( 'a', 100 );
  lock( 'a', 0, 70, dmn_env.time_ms+1 );
  as_module( 'a', 6 );
  FAULT_U64( hold( 1, 1, 31 ), INSUFFICIENT, 0, 30 );
  OK( hold( 1, 1, 30 ) );
}

static void test_pool_pay_says_pool_short( void ** state ) {
  give( 'p', 10 );
  as_module( 'p', 11 );
  BAD_ARG( pool_pay( 'b', 0 ), "amount" );
  BAD_ARG( pool_pay( 'p', 1 ), "to" );
  FAULT( pool_pay( 'b', 11 ), POOL_SHORT );
  OK( pool_pay( 'b', 10 ) );
  assert_int_equal( free_of( 'b' ), 10 );
  dmn_env.caller = 0;
  FAULT( pool_pay( 'b', 1 ), NOT_AUTHORIZED );
}

static void test_burn_from_has_causes( void ** state ) {
  give( 'a', 10 );
  as_module( 'a', 3 );
  BAD_ARG( burn_from( 0, 1 ), "cause" );
  BAD_ARG( burn_from( 1, 1 ), "cause" );
  BAD_ARG( burn_from( 8, 1 ), "cause" );
  BAD_ARG( burn_from( 2, 0 ), "amount" );
  FAULT_U64( burn_from( 2, 11 ), INSUFFICIENT, 0, 10 );
  OK( burn_from( 7, 4 ) );
  assert_int_equal( burned( 7 ), 4 );
  dmn_env.caller = 0;
  FAULT( burn_from( 2, 1 ), NOT_AUTHORIZED );
}

/* ---- Genesis ---- */

static uint64_t const bucket_cgt[ 6 ] = { 5200000000ull, 2600000000ull, 1300000000ull, 650000000ull, 1950000000ull, 1300000000ull };   /* M2.3 */

static void wr_buckets( uint64_t more_in_last, bool has_schedule ) {
  dmg_bcs_wr_uleb( &t_w, 6 );
  for( uint8_t i = 0; i<6; i++ ) {
    uint64_t total = bucket_cgt[ i ]*100000000u+( i==5 ? more_in_last : 0 );
    dmg_bcs_wr_u8( &t_w, i );
    dmg_bcs_wr_u64( &t_w, total );
    dmg_bcs_wr_uleb( &t_w, has_schedule ? 2 : 0 );
    if( has_schedule ) { dmg_bcs_wr_u64( &t_w, dmn_env.time_ms ); dmg_bcs_wr_u64( &t_w, 0 ); dmg_bcs_wr_u64( &t_w, dmn_env.time_ms+1000 ); dmg_bcs_wr_u64( &t_w, total ); }
  }
}
static void none( void ) { dmg_bcs_wr_uleb( &t_w, 0 ); }
static void genesis( void ) { as( 0, DM_ROLE_HOOK ); args(); wr_buckets( 0, true ); none(); none(); OK( hook( 1 ) ); }

static void test_genesis_is_13_billion_to_the_spark( void ** state ) {
  as( 0, DM_ROLE_HOOK );
  args(); wr_buckets( (uint64_t)-1, false ); none(); none(); FAULT_U64( hook( 1 ), INSUFFICIENT, 0, ISSUED-1 );
  args(); wr_buckets( 1, false ); none(); none();
  dmn_result_t const * r = hook( 1 );
  FAULT_U64( r, INSUFFICIENT, 0, ISSUED+1 );
  assert_int_equal( dmg_load_u64le( r->data+8 ), ISSUED );
  assert_int_equal( dmn_entry_cnt(), 0 );
  args(); wr_buckets( 0, false ); none(); none(); OK( hook( 1 ) );
  assert_int_equal( dmn_counter_sum( FREE ), ISSUED );
  for( uint8_t i = 0; i<6; i++ ) assert_int_equal( free_at( dmn_pool( 2, 1u+i ) ), bucket_cgt[ i ]*100000000u );
  args(); OK( hook( 7 ) );
}

static void test_genesis_buckets_are_the_six_once( void ** state ) {
  as( 0, DM_ROLE_HOOK );
  args(); none(); none(); none(); BAD_ARG( hook( 1 ), "buckets" );
  args(); dmg_bcs_wr_uleb( &t_w, 1 ); dmg_bcs_wr_u8( &t_w, 0 ); dmg_bcs_wr_u64( &t_w, ISSUED ); none(); none(); none(); BAD_ARG( hook( 1 ), "buckets" );
  args(); dmg_bcs_wr_uleb( &t_w, 6 );
  for( uint8_t i = 0; i<6; i++ ) { dmg_bcs_wr_u8( &t_w, i==3 ? 2 : i ); dmg_bcs_wr_u64( &t_w, 1 ); none(); }
  none(); none(); BAD_ARG( hook( 1 ), "id" );
  args(); dmg_bcs_wr_uleb( &t_w, 6 );
  for( uint8_t i = 0; i<6; i++ ) { dmg_bcs_wr_u8( &t_w, i ); dmg_bcs_wr_u64( &t_w, MAX63 ); none(); }
  none(); none(); FAULT( hook( 1 ), OVERFLOW_ );
  for( int bad = 0; bad<3; bad++ ) {   /* above the total, equal times, falling totals */
    args(); dmg_bcs_wr_uleb( &t_w, 6 );
    for( uint8_t i = 0; i<6; i++ ) {
      dmg_bcs_wr_u8( &t_w, i ); dmg_bcs_wr_u64( &t_w, 10 ); dmg_bcs_wr_uleb( &t_w, 2 );
      dmg_bcs_wr_u64( &t_w, 5 ); dmg_bcs_wr_u64( &t_w, bad==2 ? 9 : 1 );
      dmg_bcs_wr_u64( &t_w, bad==1 ? 5 : 6 ); dmg_bcs_wr_u64( &t_w, bad==0 ? 11 : 8 );
    }
    none(); none(); BAD_ARG( hook( 1 ), "schedule" );
  }
  genesis();
  args(); wr_buckets( 0, false ); none(); none(); BAD_ARG( hook( 1 ), "buckets" );
}

static void allocate( char to, uint8_t bucket, uint64_t amount ) { wr_who( to ); dmg_bcs_wr_u8( &t_w, bucket ); dmg_bcs_wr_u64( &t_w, amount ); }
static void wr_vest( char to, uint8_t bucket, uint64_t total, uint32_t steps, step_t const * s ) {
  wr_who( to ); dmg_bcs_wr_u8( &t_w, bucket ); dmg_bcs_wr_u64( &t_w, total ); dmg_bcs_wr_bool( &t_w, false ); dmg_bcs_wr_uleb( &t_w, steps );
  for( uint32_t i = 0; i<steps; i++ ) { dmg_bcs_wr_u64( &t_w, s[ i ].at_ms ); dmg_bcs_wr_u16( &t_w, s[ i ].bps ); }
}

static void test_genesis_pays_out_of_buckets_only( void ** state ) {
  genesis();
  args(); none(); dmg_bcs_wr_uleb( &t_w, 1 ); allocate( 'a', 6, 1 ); none(); BAD_ARG( hook( 1 ), "bucket" );
  args(); none(); dmg_bcs_wr_uleb( &t_w, 1 ); allocate( 'a', 5, 0 ); none(); BAD_ARG( hook( 1 ), "amount" );
  args(); none(); dmg_bcs_wr_uleb( &t_w, 1 ); allocate( 'a', 5, 130000000000000001ull ); none(); FAULT_U64( hook( 1 ), INSUFFICIENT, 0, 130000000000000000ull );
  step_t const good[] = { { 10, 2500 }, { 20, 10000 } };
  args(); none(); none(); dmg_bcs_wr_uleb( &t_w, 1 ); wr_vest( 'b', 4, 100, 0, good ); BAD_ARG( hook( 1 ), "steps" );
  args(); none(); none(); dmg_bcs_wr_uleb( &t_w, 1 ); wr_vest( 'b', 4, 100, 1, good ); BAD_ARG( hook( 1 ), "steps" );
  args(); none(); none(); dmg_bcs_wr_uleb( &t_w, 1 ); wr_vest( 'b', 4, 100, 2, (step_t[]){ { 10, 2500 }, { 10, 10000 } } ); BAD_ARG( hook( 1 ), "steps" );
  args(); none(); none(); dmg_bcs_wr_uleb( &t_w, 1 ); wr_vest( 'b', 4, 100, 2, (step_t[]){ { 10, 10000 }, { 11, 10000 } } ); BAD_ARG( hook( 1 ), "steps" );
  args(); none(); none(); dmg_bcs_wr_uleb( &t_w, 1 ); wr_vest( 'b', 4, 100, 2, (step_t[]){ { 0, 1 }, { ( 1ull<<48 )+1, 10000 } } ); BAD_ARG( hook( 1 ), "steps" );
  args(); none(); none(); dmg_bcs_wr_uleb( &t_w, 1 ); wr_vest( 'b', 4, 0, 2, good ); BAD_ARG( hook( 1 ), "amount" );
  args(); none(); none(); dmg_bcs_wr_uleb( &t_w, 1 ); wr_vest( 'b', 7, 5, 2, good ); BAD_ARG( hook( 1 ), "bucket" );
  args(); none(); dmg_bcs_wr_uleb( &t_w, 2 ); allocate( 'a', 5, 1000 ); allocate( 'c', 2, 7 ); dmg_bcs_wr_uleb( &t_w, 2 ); wr_vest( 'b', 4, 100, 2, good ); wr_vest( 'b', 4, 11, 2, good );
  OK( hook( 1 ) );
  assert_int_equal( free_of( 'a' ), 1000 );
  assert_int_equal( free_at( dmn_pool( 2, 0 ) ), 111 );
  assert_int_equal( dmn_counter_sum( FREE ), ISSUED );
  args(); wr_who( 'b' ); dmg_bcs_wr_u32( &t_w, 1 );
  dmn_result_t const * r = query( 3 );
  OK( r );
  assert_int_equal( r->data[ 0 ], 1 );
  assert_int_equal( dmg_load_u64le( r->data+1 ), 11 );
  for( uint32_t i = 2; i<64; i++ ) { args(); none(); none(); dmg_bcs_wr_uleb( &t_w, 1 ); wr_vest( 'b', 4, 1, 2, good ); OK( hook( 1 ) ); }
  args(); none(); none(); dmg_bcs_wr_uleb( &t_w, 1 ); wr_vest( 'b', 4, 1, 2, good ); FAULT_U64( hook( 1 ), DMG_BALANCES_FAULT_LIMIT_REACHED, 0, 64 );
  args(); OK( hook( 7 ) );
}

static void test_check_names_what_is_broken( void ** state ) {
  uint8_t id = 3, raw[ 512 ];
  uint32_t n = sizeof raw;
  as( 0, DM_ROLE_HOOK );
  args(); FAULT( hook( 7 ), DMG_BALANCES_FAULT_BROKEN );
  genesis();
  assert_true( dmn_value( BUCKET, &id, 1, raw, &n ) );
  raw[ 0 ] ^= 1;
  dmn_value_set( BUCKET, &id, 1, raw, n );
  args(); FAULT( hook( 7 ), DMG_BALANCES_FAULT_BROKEN );
  raw[ 0 ] ^= 1;
  dmg_store_u64le( raw+32, 1 );                     /* paid, before anything is released */
  dmn_value_set( BUCKET, &id, 1, raw, n );
  args(); FAULT( hook( 7 ), DMG_BALANCES_FAULT_BROKEN );
  dmn_env.time_ms += 1000;
  args(); OK( hook( 7 ) );
  dm_address_t pool = dmn_pool( 2, 1 );
  dmn_counter_set( FREE, &pool, 32, ISSUED );
  args(); FAULT( hook( 7 ), DMG_BALANCES_FAULT_BROKEN );
  uint8_t cause = 0;
  dmn_counter_set( FREE, &pool, 32, 1 );
  dmn_counter_set( BURNED, &cause, 1, ISSUED );
  args(); FAULT( hook( 7 ), DMG_BALANCES_FAULT_BROKEN );
}

static void test_queries_add_up( void ** state ) {
  genesis();
  args(); none(); dmg_bcs_wr_uleb( &t_w, 1 ); allocate( 'a', 5, 1000 ); none(); OK( hook( 1 ) );
  lock( 'a', 2, 300, dmn_env.time_ms+1 );
  as_module( 'a', 8 );
  OK( hold( 2, 1, 100 ) );
  as( 'a', DM_ROLE_USE );
  OK( burn( 50 ) );
  args(); wr_who( 'a' );
  dmn_result_t const * r = query( 1 );
  OK( r );
  uint64_t const want[ 4 ] = { 850, 100, 300, 550 };
  assert_memory_equal( r->data, want, 32 );
  args(); r = query( 2 );
  OK( r );
  uint64_t const supply[ 3 ] = { ISSUED, 50, 950 };
  assert_memory_equal( r->data, supply, 24 );
  dmn_env.time_ms += 999;
  args(); dmg_bcs_wr_u8( &t_w, 0 ); r = query( 4 );
  OK( r );
  assert_int_equal( dmg_load_u64le( r->data+1+32+16 ), 0 );
  dmn_env.time_ms += 1;
  args(); dmg_bcs_wr_u8( &t_w, 0 ); r = query( 4 );
  OK( r );
  assert_int_equal( r->data[ 0 ], 1 );
  assert_int_equal( dmg_load_u64le( r->data+1+32 ), bucket_cgt[ 0 ]*100000000u );
  assert_int_equal( dmg_load_u64le( r->data+1+32+16 ), bucket_cgt[ 0 ]*100000000u );
  args(); dmg_bcs_wr_u8( &t_w, 9 ); r = query( 4 );
  OK( r );
  assert_int_equal( r->data_n, 1 );
}

/* ---- M17.1: a plain model beside it ---- */

#define PEOPLE 6
typedef struct { uint64_t free[ PEOPLE ], held[ PEOPLE ], hold[ PEOPLE ][ 3 ], burned, lock[ PEOPLE ], until[ PEOPLE ]; } model_t;

static uint64_t can_spend( model_t const * m, int i ) { uint64_t l = dmn_env.time_ms<m->until[ i ] ? m->lock[ i ] : 0; return m->free[ i ]>l ? m->free[ i ]-l : 0; }

static void test_random_calls_keep_every_spark( void ** state ) {
  static uint64_t const edge[] = { 0, 1, 999, 1000000, ISSUED, MAX63 };
  model_t m = { 0 };
  uint64_t total = 0;
  seed_any();
  for( int i = 0; i<PEOPLE; i++ ) { m.free[ i ] = rnd()%1000000; give( (char)( 'a'+i ), m.free[ i ] ); total += m.free[ i ]; }
  for( int n = 0; n<20000; n++ ) {
    int i = (int)( rnd()%PEOPLE ), k = (int)( rnd()%PEOPLE ), h = (int)( rnd()%3 );
    char ci = (char)( 'a'+i ), ck = (char)( 'a'+k );
    uint64_t amount = rnd()%8 ? rnd()%300000 : edge[ rnd()%6 ], can = can_spend( &m, i );
    bool want;
    dmn_result_t const * r;
    switch( rnd()%8 ) {
    case 0: case 1:
      as( ci, DM_ROLE_USE );
      r = transfer( ck, amount );
      want = amount && amount<=can;
      if( want && i!=k ) { m.free[ i ] -= amount; m.free[ k ] += amount; }
      break;
    case 2: {
      as( ci, DM_ROLE_OWNER );
      r = transfer_all( ck );
      uint64_t dep = i!=k && !m.free[ k ] ? 85*PRICE : 0;
      want = can>dep;
      if( want && i!=k ) { m.free[ i ] -= can-dep; m.free[ k ] += can-dep; }
      break;
    }
    case 3:
      as( ci, DM_ROLE_USE );
      amount %= 50;
      r = burn( amount );
      want = amount && amount<=can;
      if( want ) { m.free[ i ] -= amount; m.burned += amount; }
      break;
    case 4:
      as_module( ci, 8 );
      r = hold( 2, (uint8_t)h, amount );
      want = amount && amount<=can;
      if( want ) { m.free[ i ] -= amount; m.held[ i ] += amount; m.hold[ i ][ h ] += amount; }
      break;
    case 5:
      as_module( ci, 8 );
      r = release( ck, 2, (uint8_t)h, amount );
      want = amount && amount<=m.hold[ k ][ h ];
      if( want ) { m.free[ k ] += amount; m.held[ k ] -= amount; m.hold[ k ][ h ] -= amount; }
      break;
    case 6:
      as_module( 'z', 8 );
      r = seize( ck, 2, (uint8_t)h, ci, amount );
      want = amount && amount<=m.hold[ k ][ h ];
      if( want ) { m.free[ i ] += amount; m.held[ k ] -= amount; m.hold[ k ][ h ] -= amount; }
      break;
    default:
      if( rnd()&1 ) {
        as( ci, DM_ROLE_USE );
        uint64_t x = rnd()%1000+1, y = rnd()%1000+1;
        many( 2 ); pay( ck, x ); pay( (char)( 'a'+( k+1 )%PEOPLE ), y );
        r = call( 3 );
        want = x+y<=can;
        if( want ) { m.free[ i ] -= x+y; m.free[ k ] += x; m.free[ ( k+1 )%PEOPLE ] += y; }
        break;
      }
      m.lock[ i ] = rnd()%500000;
      m.until[ i ] = dmn_env.time_ms+rnd()%50;
      lock( ci, 1, m.lock[ i ], m.until[ i ] );
      dmn_env.time_ms += rnd()%10;
      continue;
    }
    if( ( r->end==DMN_OK )!=want || r->end==DMN_TRAP ) fail_msg( "step %d: end %d fault %u %s", n, r->end, r->fault, r->why );
    for( int p = 0; p<PEOPLE; p++ ) {
      assert_int_equal( free_of( (char)( 'a'+p ) ), m.free[ p ] );
      assert_int_equal( held_of( (char)( 'a'+p ) ), m.held[ p ] );
    }
    assert_int_equal( dmn_counter_sum( FREE )+dmn_counter_sum( HELD )+dmn_counter_sum( BURNED ), total );
    assert_int_equal( dmn_counter_sum( HOLD ), dmn_counter_sum( HELD ) );
  }
}

int main( void ) {
#define T( name ) cmocka_unit_test_setup_teardown( name, setup, teardown )
  struct CMUnitTest const tests[] = {
    T( test_transfer_refuses_nothing_and_too_much ), T( test_transfer_moves_coins_and_says_so ), T( test_never_self_transfer_mints ), T( test_locks_overlap_and_end_on_time ),
    T( test_eight_locks_all_count ), T( test_transfer_all_leaves_the_receivers_deposit ), T( test_transfer_many_is_all_or_none ), T( test_burn_is_for_ever ),
    T( test_claim_pays_steps_when_they_come ), T( test_claim_linear_is_floored_between_steps ), T( test_holds_belong_to_their_module ), T( test_locked_coins_are_not_held ),
    T( test_pool_pay_says_pool_short ), T( test_burn_from_has_causes ), T( test_genesis_is_13_billion_to_the_spark ), T( test_genesis_buckets_are_the_six_once ),
    T( test_genesis_pays_out_of_buckets_only ), T( test_check_names_what_is_broken ), T( test_queries_add_up ), T( test_random_calls_keep_every_spark ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
