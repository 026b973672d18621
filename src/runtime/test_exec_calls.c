/* What a running module meets: nested calls, limits, scans, its environment. */
#include "runtime/test_exec_modules.h"

#include "types/merkle.h"

/* ---- Nested calls ---- */

static uint64_t peer_writes_and_faults( fake_t * f ) {
  uint32_t k = fake_put( f, FAKE_SCRATCH, "\0\0\0\1", 4 );
  HOST( f, PUT, 1, k, 4, fake_put( f, FAKE_SCRATCH+8, "\1\0", 2 ), 2 );
  HOST( f, EMIT, 1, k, 4 );
  HOST( f, FAULT, fake_put( f, FAKE_SCRATCH+16, "\x2a\0\0\0", 4 ), 4 );
  return fake_fault( 33 );
}
static uint64_t g_calls_faulting_peer( fake_t * f ) {
  HOST( f, EMIT, 2, fake_put( f, FAKE_SCRATCH, "\1\0\0\0", 4 ), 4 );
  int32_t r = HOST( f, CALL, M_PEER, 1, 0, 0, fake_put( f, FAKE_SCRATCH, "", 1 ), 1, FAKE_SCRATCH+64, 100 );
  if( r!=-256-33 ) fake_trap( f );
  if( HOST( f, CALLEE_FAULT, FAKE_SCRATCH, 16 )!=4 || f->mem[ FAKE_SCRATCH ]!=0x2a ) fake_trap( f );
  HOST( f, PUT, 4, 0, 0, fake_put( f, FAKE_SCRATCH, "\1\7\0\0\0", 5 ), 5 );
  return ret_empty( f );
}
static void
test_callees_fault_rolls_back_and_the_caller_goes_on( void ** state ) {
  chain_t * c = *state;
  uint64_t  n = alice_arrives( c );
  uint8_t   key[ 8 ] = { 2, 2, 0, 1, 0, 0, 0, 1 }, own[ 4 ] = { 2, 1, 0, 4 };
  peer_fn = peer_writes_and_faults;
  dmg_receipt_t * r = chain_tx( c, tx_run( c, &alice, g_calls_faulting_peer, (tx_opts_t){ .nonce = n } ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_int_equal( r->event_cnt, 1 );                          /* the callee's is gone */
  assert_int_equal( r->events[ 0 ].module, M_PROBE );
  assert_null( chain_get( c, key, 8 ).p );
  assert_non_null( chain_get( c, own, 4 ).p );
}

static uint64_t peer_traps( fake_t * f ) { fake_trap( f ); }
static uint64_t peer_burns( fake_t * f ) { fake_burn( f, 1000000000 ); return ret_empty( f ); }
static uint64_t g_calls_peer( fake_t * f ) {
  int32_t r = HOST( f, CALL, M_PEER, 1, 0, 0, fake_put( f, FAKE_SCRATCH, "", 1 ), 1, FAKE_SCRATCH+64, 100 );
  if( r<0 ) fake_trap( f );
  return ret_empty( f );
}
static void
test_callees_trap_ends_the_transaction( void ** state ) {
  chain_t * c = *state;
  uint64_t  n = alice_arrives( c );
  peer_fn = peer_traps;
  dmg_receipt_t * r = expect_fail( c, tx_run( c, &alice, g_calls_peer, (tx_opts_t){ .nonce = n++ } ), DMG_STATUS_TRAP, 0 );
  assert_int_equal( r->module, M_PEER );                        /* the innermost */
  peer_fn = peer_burns;
  r = expect_fail( c, tx_run( c, &alice, g_calls_peer, (tx_opts_t){ .nonce = n++, .gas = 200000 } ), DMG_STATUS_NO_GAS, 0 );
  assert_int_equal( r->gas_used, 200000 );
}

/* AS_SELF pays out of the module's own account, AS_ACTOR out of the actor's. */
static uint32_t pay_flags;
static uint64_t pay_seed;
static uint64_t g_pays( fake_t * f ) {
  uint8_t a[ 40 ];
  memcpy( a, carol.address.b, 32 );
  dmg_store_u64le( a+32, 5 );
  int32_t r = HOST( f, CALL, 2, 1, pay_flags, pay_seed, fake_put( f, FAKE_SCRATCH, a, 40 ), 40, 0, 0 );
  return r==0 ? ret_empty( f ) : r==-256-7 ? fake_fault( 40 ) : ( fake_trap( f ), 0 );
}
static void
test_call_as_self_and_as_actor( void ** state ) {
  chain_t *  c = *state;
  uint64_t   n = alice_arrives( c );
  dmg_hash_t self = dmg_module_address( M_PROBE, 0 );
  pay_flags = 1; pay_seed = 0;
  assert_int_equal( chain_tx( c, tx_run( c, &alice, g_pays, (tx_opts_t){ .nonce = n++ } ) )->status, DMG_STATUS_OK );
  assert_int_equal( chain_free( c, &self ), ALICE_FREE-5 );     /* consent: a frame of the module */
  pay_flags = 0;
  assert_int_equal( chain_tx( c, tx_run( c, &alice, g_pays, (tx_opts_t){ .nonce = n++ } ) )->status, DMG_STATUS_OK );
  assert_int_equal( chain_free( c, &carol.address ), 10 );
  pay_flags = 1; pay_seed = 9;                                  /* an empty pool */
  expect_fail( c, tx_run( c, &alice, g_pays, (tx_opts_t){ .nonce = n++ } ), DMG_STATUS_FAULT, 40 );
}

static uint64_t g_locks_as_self( fake_t * f ) {
  int32_t r = HOST( f, CALL, 2, 3, 1, 0, fake_put( f, FAKE_SCRATCH, "\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0", 16 ), 16, 0, 0 );
  return r==DMG_DM_ROLE ? ret_empty( f ) : ( fake_trap( f ), 0 );
}
static uint64_t g_calls_absent( fake_t * f ) {
  int32_t r = HOST( f, CALL, 0x7777, 1, 0, 0, FAKE_SCRATCH, 0, 0, 0 );
  return r==DMG_DM_NO_MODULE ? ret_empty( f ) : ( fake_trap( f ), 0 );
}
static void
test_call_needs_the_role_and_the_module( void ** state ) {
  chain_t * c = *state;
  uint64_t  n = alice_arrives( c );
  assert_int_equal( chain_tx( c, tx_run( c, &alice, g_locks_as_self, (tx_opts_t){ .nonce = n++ } ) )->status, DMG_STATUS_OK );
  assert_int_equal( chain_tx( c, tx_run( c, &alice, g_calls_absent, (tx_opts_t){ .nonce = n++ } ) )->status, DMG_STATUS_OK );
}

/* The module's own account ends at the balance it had, but its record is another. */
static uint64_t g_pays_and_deletes_own( fake_t * f ) {
  uint8_t a[ 40 ];
  memcpy( a, bob.address.b, 32 );
  HOST( f, CTR_GET, 2, fake_put( f, FAKE_SCRATCH, "\0\0\0\1", 4 ), 4, FAKE_SCRATCH+8 );
  dmg_store_u64le( a+32, pay_seed );
  if( HOST( f, CALL, 2, 1, 1, 0, fake_put( f, FAKE_SCRATCH, a, 40 ), 40, 0, 0 ) ) fake_trap( f );
  if( pay_flags ) HOST( f, DEL, 4, 0, 0 );
  return ret_empty( f );
}
static void
test_record_changes_even_if_the_balance_comes_back( void ** state ) {
  chain_t *  c = *state;
  uint64_t   n = alice_arrives( c );
  dmg_hash_t self = dmg_module_address( M_PROBE, 0 );
  assert_int_equal( chain_tx( c, tx_run( c, &alice, g_own, (tx_opts_t){ .nonce = n++ } ) )->held, 490000 );
  pay_flags = 0;
  pay_seed  = chain_free( c, &self );
  assert_int_equal( chain_tx( c, tx_run( c, &alice, g_pays_and_deletes_own, (tx_opts_t){ .nonce = n++ } ) )->status, DMG_STATUS_OK );
  assert_int_equal( chain_free( c, &self ), 0 );
  assert_int_equal( chain_tx( c, tx_transfer( c, &alice, &self, 490000, (tx_opts_t){ .nonce = n++ } ) )->held, 850000 );
  pay_flags = 1;
  pay_seed  = 490000;
  dmg_receipt_t * r = chain_tx( c, tx_run( c, &alice, g_pays_and_deletes_own, (tx_opts_t){ .nonce = n++ } ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_int_equal( r->returned, 850000+490000 );
  assert_int_equal( chain_free( c, &self ), 490000 );
  uint8_t           key[ DMG_KEY_MAX ];
  dmg_deposit_rec_t rec;
  uint64_t          v;
  assert_int_equal( dmg_counter_parse( chain_get( c, key, dmg_key_free( &self, key ) ), true, &rec, &v ), DMG_OK );
  assert_int_equal( rec.amount, 0 );
}

static uint64_t q_reads( fake_t * f ) {
  int32_t n = HOST( f, GET, 4, 0, 0, FAKE_OUT+1, 16 );
  f->mem[ FAKE_OUT ] = n<0 ? 0 : (uint8_t)n;
  return fake_done( 1u+f->mem[ FAKE_OUT ] );
}
static uint64_t peer_queries_probe( fake_t * f ) {
  int32_t n = HOST( f, QUERY, M_PROBE, 1, 0, 0, 0, 0, FAKE_OUT, 100 );
  if( n<0 ) fake_trap( f );
  return fake_done( (uint32_t)n );
}
static uint64_t g_writes_then_peer_queries( fake_t * f ) {
  HOST( f, PUT, 4, 0, 0, fake_put( f, FAKE_SCRATCH, "\1\7\0\0\0", 5 ), 5 );
  int32_t n = HOST( f, CALL, M_PEER, 1, 0, 0, fake_put( f, FAKE_SCRATCH, "", 1 ), 1, FAKE_OUT, 100 );
  if( n!=6 ) fake_trap( f );
  return fake_done( 6 );
}
static void
test_query_enters_a_module_on_the_stack_and_sees_its_writes( void ** state ) {
  chain_t * c = *state;
  uint64_t  n = alice_arrives( c );
  query_fn = q_reads;
  peer_fn  = peer_queries_probe;
  dmg_receipt_t * r = chain_tx( c, tx_run( c, &alice, g_writes_then_peer_queries, (tx_opts_t){ .nonce = n++ } ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_memory_equal( r->results[ 0 ].p, "\5\1\7\0\0\0", 6 );
  query_fn = g_own;
  expect_fail( c, tx_run( c, &alice, g_writes_then_peer_queries, (tx_opts_t){ .nonce = n++ } ), DMG_STATUS_HOST, DMG_HOST_READ_ONLY );
}

static int32_t reentry;
static uint64_t q_asks_peer( fake_t * f ) {
  int32_t n = HOST( f, QUERY, M_PEER, 1, 0, 0, 0, 0, FAKE_OUT, 100 );
  if( n<0 ) fake_trap( f );
  return fake_done( (uint32_t)n );
}
static uint64_t q_asks_probe( fake_t * f ) {
  reentry = HOST( f, QUERY, M_PROBE, 1, 0, 0, 0, 0, FAKE_OUT, 100 );
  return ret_empty( f );
}
static void
test_query_of_a_busy_module_is_reentrant( void ** state ) {
  chain_t *       c = *state;
  dmg_view_t *    view = chain_view( c );
  dmg_block_ctx_t ctx  = chain_ctx( c );
  dmg_answer_t    a;
  query_fn      = q_asks_peer;
  peer_query_fn = q_asks_probe;
  assert_int_equal( dmg_runtime_query( c->rt, view, &ctx, M_PROBE, 1, (dmg_span_t){ 0 }, 0, c->arena, &a ), DMG_OK );
  assert_int_equal( a.kind, DMG_ANSWER_OK );
  assert_int_equal( reentry, DMG_DM_REENTRANT );
  dmg_view_close( view );
}

/* Nine modules in a row, each asking the next: the ninth is one too deep. */
enum { ENTRY_LINK = 7, M_LINK = 0x0300, LINKS = 9 };
static int32_t  deepest;
static uint32_t deepest_id;
static uint64_t
link_entry( fake_t * f, uint32_t kind, uint32_t id, uint32_t in_sz ) {
  fake_burn( f, 10 );
  dmg_frame_t const * frame = f->frame;
  uint32_t            own   = frame->spec.mod->id;
  if( own==M_LINK+LINKS-1 ) return ret_empty( f );
  int32_t n = HOST( f, QUERY, own+1, 1, 0, 0, 0, 0, FAKE_OUT, 100 );
  if( n<0 && !deepest ) { deepest = n; deepest_id = own; }
  return ret_empty( f );
}
static void
test_nesting_stops_at_eight( void ** state ) {
  chain_t *  c = *state;
  module_t   many[ 4+LINKS ];
  dmg_vm_t * engine = c->vm;
  chain_close( c );
  fake_entries[ ENTRY_LINK ] = link_entry;
  memcpy( many, mods, sizeof( mods ) );
  for( unsigned i=0; i<LINKS; i++ ) {
    char * name = dmg_arena_alloc( test_arena, 8 ), * next = dmg_arena_alloc( test_arena, 8 );
    snprintf( name, 8, "link%u", i );
    snprintf( next, 8, "link%u", i+1 );
    iface_t * l = iface_new( (uint16_t)( M_LINK+i ), name );
    iface_query( l, 1, "next", "", 'L' );
    if( i+1<LINKS ) iface_use( l, next, NULL, "next" );
    many[ 4+i ] = (module_t){ .id = (uint16_t)( M_LINK+i ), .file = iface_file( l, ENTRY_LINK ) };
  }
  chain_open_with( c, engine, NULL, many, 4+LINKS, NULL, 0 );
  dmg_view_t *    view = chain_view( c );
  dmg_block_ctx_t ctx  = chain_ctx( c );
  dmg_answer_t    a;
  deepest = 0;
  assert_int_equal( dmg_runtime_query( c->rt, view, &ctx, M_LINK, 1, (dmg_span_t){ 0 }, 0, c->arena, &a ), DMG_OK );
  assert_int_equal( a.kind, DMG_ANSWER_OK );
  assert_int_equal( deepest, DMG_DM_DEPTH );
  assert_int_equal( deepest_id, M_LINK+7 );                     /* the eighth frame asked */
  deepest = 0;
  assert_int_equal( dmg_runtime_query( c->rt, view, &ctx, M_LINK+1, 1, (dmg_span_t){ 0 }, 0, c->arena, &a ), DMG_OK );
  assert_int_equal( deepest, 0 );
  dmg_view_close( view );
}

static uint64_t g_small_buffer( fake_t * f ) {
  int32_t r = HOST( f, CALL, M_PEER, 1, 0, 0, fake_put( f, FAKE_SCRATCH, "", 1 ), 1, FAKE_SCRATCH+64, 1 );
  if( r!=DMG_DM_SMALL_BUFFER ) fake_trap( f );
  return ret_empty( f );
}
static uint64_t peer_big( fake_t * f ) {
  uint32_t k = fake_put( f, FAKE_SCRATCH, "\0\0\0\1", 4 );
  HOST( f, PUT, 1, k, 4, fake_put( f, FAKE_SCRATCH+8, "\1\0", 2 ), 2 );
  memcpy( f->mem+FAKE_OUT, "\1\7", 2 );
  return fake_done( 2 );
}
static void
test_result_larger_than_the_buffer_did_not_happen( void ** state ) {
  chain_t * c = *state;
  uint64_t  n = alice_arrives( c );
  uint8_t   key[ 8 ] = { 2, 2, 0, 1, 0, 0, 0, 1 };
  peer_fn = peer_big;
  assert_int_equal( chain_tx( c, tx_run( c, &alice, g_small_buffer, (tx_opts_t){ .nonce = n++ } ) )->status, DMG_STATUS_OK );
  assert_null( chain_get( c, key, 8 ).p );
}

/* ---- Limits (R1.10) ---- */

static int32_t  first_refusal;
static uint32_t times;
static uint64_t g_many_reads( fake_t * f ) {
  uint32_t k = fake_put( f, FAKE_SCRATCH, "\0\0\0\1", 4 );
  times = 0;
  while( ( first_refusal = HOST( f, CTR_GET, 2, k, 4, FAKE_SCRATCH+8 ) )>=0 ) times++;
  return ret_empty( f );
}
static uint64_t g_many_writes( fake_t * f ) {
  uint32_t k = fake_put( f, FAKE_SCRATCH, "\0\0\0\1", 4 );
  times = 0;
  while( ( first_refusal = HOST( f, CTR_ADD, 2, k, 4, 1, 100000 ) )>=0 ) times++;
  return ret_empty( f );
}
static uint64_t g_many_bytes( fake_t * f ) {
  uint8_t v[ 6003 ] = { 1, 0xf0, 0x2e };                        /* ULEB128 of 6,000 */
  uint32_t k = fake_put( f, FAKE_SCRATCH, "\0\0\0\1", 4 ), p = fake_put( f, FAKE_SCRATCH+8, v, 6003 );
  times = 0;
  while( ( first_refusal = HOST( f, PUT, 1, k, 4, p, 6003 ) )>=0 ) times++;
  return ret_empty( f );
}
static uint64_t g_many_events( fake_t * f ) {
  times = 0;
  while( ( first_refusal = HOST( f, EMIT, 2, FAKE_SCRATCH, 4 ) )>=0 ) times++;
  return ret_empty( f );
}
static uint64_t g_big_events( fake_t * f ) {
  uint8_t v[ 8002 ];
  memcpy( v, alice.address.b, 32 );
  dmg_bcs_wr_t wr = dmg_bcs_wr( v+32, 7970 );
  static uint8_t const zeros[ 7968 ];
  dmg_bcs_wr_bytes( &wr, dmg_span( zeros, 7968 ) );
  fake_put( f, FAKE_SCRATCH, v, 8002 );
  times = 0;
  while( ( first_refusal = HOST( f, EMIT, 1, FAKE_SCRATCH, 8002 ) )>=0 ) times++;
  return ret_empty( f );
}
static void
test_limits_of_a_transaction( void ** state ) {
  chain_t * c = *state;
  uint64_t  n = alice_arrives( c );
  struct { uint64_t (*fn)( fake_t * ); uint32_t times; uint32_t events; } const cases[] = {
    { g_many_reads,  2048, 0 },
    { g_many_writes, 1024, 0 },
    { g_many_bytes,  262144/( 6003+8 ), 0 },
    { g_many_events, 256, 256 },
    { g_big_events,  65536/8002, 8 } };
  for( unsigned i=0; i<5; i++ ) {
    dmg_receipt_t * r = chain_tx( c, tx_run( c, &alice, cases[ i ].fn, (tx_opts_t){ .nonce = n++ } ) );
    if( r->status!=DMG_STATUS_OK ) fail_msg( "case %u: %s %u", i, dmg_status_name( r->status ), r->code );
    assert_int_equal( first_refusal, DMG_DM_LIMIT );
    assert_int_equal( times, cases[ i ].times );
    assert_int_equal( r->event_cnt, cases[ i ].events );
  }
}
static void
test_events_leave_room_for_account_created( void ** state ) {
  chain_t * c = *state;
  dmg_receipt_t * r = chain_tx( c, tx_run( c, &alice, g_many_events, (tx_opts_t){ 0 } ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_int_equal( times, 255 );
  assert_int_equal( r->event_cnt, 256 );
}

/* ---- Scan ---- */

static uint32_t list_op;      /* 0 fill evens, 1 delete 4, add 3, scan */
static uint64_t g_list( fake_t * f ) {
  uint8_t key[ 4 ] = { 0, 1, 0, 0 }, v[ 5 ] = { 1 };
  if( !list_op ) {
    for( uint8_t i=0; i<10; i += 2 ) {
      key[ 3 ] = i; v[ 1 ] = i;
      if( HOST( f, PUT, 3, fake_put( f, FAKE_SCRATCH, key, 4 ), 4, fake_put( f, FAKE_SCRATCH+8, v, 5 ), 5 ) ) fake_trap( f );
    }
    key[ 1 ] = 2;                                               /* under another prefix */
    HOST( f, PUT, 3, fake_put( f, FAKE_SCRATCH, key, 4 ), 4, fake_put( f, FAKE_SCRATCH+8, v, 5 ), 5 );
    return ret_empty( f );
  }
  key[ 3 ] = 4;
  if( HOST( f, DEL, 3, fake_put( f, FAKE_SCRATCH, key, 4 ), 4 ) ) fake_trap( f );
  if( HOST( f, DEL, 3, FAKE_SCRATCH, 4 )!=DMG_DM_ABSENT ) fake_trap( f );
  key[ 3 ] = 3; v[ 1 ] = 33;
  HOST( f, PUT, 3, fake_put( f, FAKE_SCRATCH, key, 4 ), 4, fake_put( f, FAKE_SCRATCH+8, v, 5 ), 5 );
  key[ 3 ] = 6; v[ 1 ] = 66;
  HOST( f, PUT, 3, fake_put( f, FAKE_SCRATCH, key, 4 ), 4, fake_put( f, FAKE_SCRATCH+8, v, 5 ), 5 );
  key[ 3 ] = 0;
  uint32_t p = fake_put( f, FAKE_SCRATCH, key, 4 );
  int32_t  n = HOST( f, SCAN, 3, p, 2, p, 4, FAKE_OUT+1, 1000, 64 );     /* prefix (1), after (1,0) */
  if( n<0 ) fake_trap( f );
  f->mem[ FAKE_OUT ] = (uint8_t)n;
  /* in two steps, by max and by room: the same */
  uint8_t all[ 200 ], two[ 200 ];
  memcpy( all, f->mem+FAKE_OUT+1, (size_t)n );
  uint32_t at = 0;
  for(;;) {
    int32_t m = HOST( f, SCAN, 3, p, 2, p, 4, FAKE_SCRATCH+64, at ? 12 : 1000, 1 );
    if( m<=0 ) break;
    memcpy( two+at, f->mem+FAKE_SCRATCH+64, (size_t)m );
    memcpy( f->mem+p, two+at+1, 4 );
    at += (uint32_t)m;
  }
  if( at!=(uint32_t)n || memcmp( all, two, at ) ) fake_trap( f );
  fake_put( f, p, key, 4 );
  if( HOST( f, SCAN, 3, p, 2, p, 4, FAKE_SCRATCH+64, 11, 9 )!=DMG_DM_SMALL_BUFFER ) fake_trap( f );
  return fake_done( 1+(uint32_t)n );
}
static void
test_scan_merges_own_writes_block_and_state( void ** state ) {
  static uint8_t const want[] = { 4, 0, 1, 0, 2, 5, 0, 1, 2, 0, 0, 0, 4, 0, 1, 0, 3, 5, 0, 1, 33, 0, 0, 0, 4, 0, 1, 0, 6, 5, 0, 1, 66, 0, 0, 0, 4, 0, 1, 0, 8, 5, 0, 1, 8, 0, 0, 0 };
  chain_t * c = *state;
  uint64_t  n = alice_arrives( c );
  list_op = 0;
  assert_int_equal( chain_tx( c, tx_run( c, &alice, g_list, (tx_opts_t){ .nonce = n++ } ) )->status, DMG_STATUS_OK );
  list_op = 1;
  dmg_receipt_t * r = chain_tx( c, tx_run( c, &alice, g_list, (tx_opts_t){ .nonce = n++ } ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_int_equal( r->results[ 0 ].sz, 1+sizeof( want ) );
  assert_memory_equal( r->results[ 0 ].p+1, want, sizeof( want ) );
}

/* ---- Environment ---- */

static uint8_t seen_env[ 256 ];
static uint64_t g_env( fake_t * f ) {
  memcpy( seen_env, fake_env( f ), 256 );
  if( HOST( f, AUTH, fake_put( f, FAKE_SCRATCH, alice.address.b, 32 ), DMG_ROLE_OWNER )!=1 ) fake_trap( f );
  if( HOST( f, AUTH, FAKE_SCRATCH, DMG_ROLE_USE )!=1 ) fake_trap( f );
  if( HOST( f, AUTH, FAKE_SCRATCH, DMG_ROLE_SESSION )!=0 ) fake_trap( f );
  if( HOST( f, AUTH, fake_put( f, FAKE_SCRATCH, bob.address.b, 32 ), DMG_ROLE_USE )!=0 ) fake_trap( f );
  if( HOST( f, SUB_ACCOUNT, 5, FAKE_SCRATCH )!=32 ) fake_trap( f );
  dmg_hash_t want = dmg_module_address( M_PROBE, 5 );
  if( memcmp( f->mem+FAKE_SCRATCH, want.b, 32 ) ) fake_trap( f );
  if( HOST( f, BEACON, 0, FAKE_SCRATCH )!=32 ) fake_trap( f );
  if( HOST( f, BEACON, dmg_load_u64le( seen_env ), FAKE_SCRATCH )!=DMG_DM_ABSENT ) fake_trap( f );      /* this block's own is not past */
  if( HOST( f, BEACON, UINT64_MAX, FAKE_SCRATCH )!=DMG_DM_ABSENT ) fake_trap( f );
  if( HOST( f, SHA256, FAKE_SCRATCH, 0, FAKE_SCRATCH )!=32 || f->mem[ FAKE_SCRATCH ]!=0xe3 ) fake_trap( f );
  if( HOST( f, KECCAK256, FAKE_SCRATCH, 0, FAKE_SCRATCH )!=32 || f->mem[ FAKE_SCRATCH ]!=0xc5 ) fake_trap( f );
  if( HOST( f, BLAKE2B, FAKE_SCRATCH, 0, FAKE_SCRATCH )!=32 || f->mem[ FAKE_SCRATCH ]!=0x0e ) fake_trap( f );
  if( HOST( f, VERIFY, 0, FAKE_SCRATCH, 32, FAKE_SCRATCH, 32, FAKE_SCRATCH, 64 )!=0 ) fake_trap( f );
  HOST( f, LOG, FAKE_SCRATCH, 4 );
  return ret_empty( f );
}
static void
test_environment_is_as_drawn( void ** state ) {
  chain_t *  c = *state;
  dmg_tx_t * t = tx_run( c, &alice, g_env, (tx_opts_t){ 0 } );
  assert_int_equal( chain_tx( c, t )->status, DMG_STATUS_OK );
  dmg_hash_t self = dmg_module_address( M_PROBE, 0 );
  assert_int_equal( dmg_load_u64le( seen_env ), 1 );
  assert_int_equal( dmg_load_u64le( seen_env+8 ), c->time_ms );
  assert_int_equal( seen_env[ 20 ], 0 );
  assert_int_equal( seen_env[ 21 ], DMG_ROLE_OWNER );
  assert_int_equal( dmg_load_u16le( seen_env+22 ), 0 );
  assert_int_equal( dmg_load_u16le( seen_env+24 ), 1 );
  assert_int_equal( dmg_load_u64le( seen_env+32 ), 10000 );
  assert_true( dmg_is_zero( seen_env+40, 24 ) );
  assert_memory_equal( seen_env+64, c->id.b, 32 );
  assert_memory_equal( seen_env+96, self.b, 32 );
  assert_memory_equal( seen_env+128, alice.address.b, 32 );
  assert_memory_equal( seen_env+160, alice.address.b, 32 );
  assert_true( dmg_is_zero( seen_env+192, 32 ) );
  assert_memory_equal( seen_env+224, t->id.b, 32 );
}

static int32_t beacons[ 4 ];
static uint64_t g_beacons( fake_t * f ) {
  uint64_t h = dmg_load_u64le( fake_env( f ) );
  for( unsigned i=0; i<4; i++ ) beacons[ i ] = HOST( f, BEACON, (uint64_t[]){ h, h-1, h-4096, h-4097 }[ i ], FAKE_SCRATCH );
  return ret_empty( f );
}
static void
test_beacon_ring_holds_4096_past_blocks( void ** state ) {
  chain_t * c = *state;
  c->is_checked = false;
  while( c->height<4098 ) chain_block( c, NULL, 0, 0 );
  assert_int_equal( chain_tx( c, tx_run( c, &alice, g_beacons, (tx_opts_t){ 0 } ) )->status, DMG_STATUS_OK );
  assert_int_equal( beacons[ 0 ], DMG_DM_ABSENT );
  assert_int_equal( beacons[ 1 ], 32 );
  assert_int_equal( beacons[ 2 ], 32 );
  assert_int_equal( beacons[ 3 ], DMG_DM_ABSENT );
}

int
main( void ) {
  #define T( name ) cmocka_unit_test_setup_teardown( name, setup, teardown )
  struct CMUnitTest const tests[] = {
    T( test_callees_fault_rolls_back_and_the_caller_goes_on ), T( test_callees_trap_ends_the_transaction ), T( test_call_as_self_and_as_actor ),
    T( test_call_needs_the_role_and_the_module ), T( test_record_changes_even_if_the_balance_comes_back ),
    T( test_query_enters_a_module_on_the_stack_and_sees_its_writes ), T( test_query_of_a_busy_module_is_reentrant ), T( test_nesting_stops_at_eight ),
    T( test_result_larger_than_the_buffer_did_not_happen ), T( test_limits_of_a_transaction ), T( test_events_leave_room_for_account_created ),
    T( test_scan_merges_own_writes_block_and_state ), T( test_environment_is_as_drawn ), T( test_beacon_ring_holds_4096_past_blocks ) };
  return cmocka_run_group_tests( tests, group_setup, group_teardown );
}
