/* Blocks, the read-only entries, threads beside them, random blocks, the genesis. */
#include "base/test_rnd.h"
#include "runtime/test_exec_modules.h"

#include "types/merkle.h"

/* ---- Blocks ---- */

static void
expect_invalid( chain_t * c, dmg_tx_t * const * txs, size_t cnt ) {
  uint64_t h = c->height;
  dmg_exec_out_t out = chain_block( c, txs, cnt, 0 );
  assert_true( out.is_invalid );
  assert_true( out.why.text[ 0 ]!=0 );
  assert_null( out.writes );
  assert_int_equal( c->height, h );
}
static void edit_chain( dmg_tx_t * t ) { t->chain.b[ 0 ] ^= 1; }

static void
test_block_rules_make_it_invalid( void ** state ) {
  chain_t *  c = *state;
  dmg_tx_t * txs[ 500 ];
  txs[ 0 ] = tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .edit = edit_chain } );
  expect_invalid( c, txs, 1 );
  chain_block( c, NULL, 0, 0 );
  chain_block( c, NULL, 0, 0 );
  txs[ 0 ] = tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .expiry = c->height } );
  expect_invalid( c, txs, 1 );
  txs[ 0 ] = tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .expiry = c->height+1 } );
  assert_int_equal( chain_tx( c, txs[ 0 ] )->status, DMG_STATUS_OK );
  txs[ 0 ] = txs[ 1 ] = tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .nonce = 1 } );
  expect_invalid( c, txs, 2 );
  /* 160M of limits is allowed, one more is not */
  for( unsigned i=0; i<4; i++ ) txs[ i ] = tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .nonce = 1+i, .gas = 40000000, .fee_max = UINT64_MAX } );
  txs[ 4 ] = tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .nonce = 5, .gas = 1, .fee_max = UINT64_MAX } );
  expect_invalid( c, txs, 5 );
  assert_false( chain_block( c, txs, 4, 0 ).is_invalid );
}

static void
test_build_leaves_out_and_equals_execution( void ** state ) {
  chain_t *  c = *state;
  dmg_tx_t * txs[ 8 ] = {
    tx_transfer( c, &alice, &carol.address, 9, (tx_opts_t){ 0 } ),
    tx_transfer( c, &alice, &carol.address, 9, (tx_opts_t){ .nonce = 5 } ),       /* VOID */
    tx_transfer( c, &alice, &carol.address, 2*ALICE_FREE, (tx_opts_t){ .nonce = 1 } ),   /* fails, pays, stays */
    tx_transfer( c, &bob, &carol.address, 9, (tx_opts_t){ .edit = edit_chain } ),
    tx_transfer( c, &bob, &carol.address, 9, (tx_opts_t){ .gas = 1000000000 } ),   /* does not fit */
    tx_transfer( c, &bob, &dave.address, 9, (tx_opts_t){ 0 } ) };
  txs[ 6 ] = txs[ 0 ];                                                            /* twice */
  dmg_view_t *    view = chain_view( c );
  dmg_block_ctx_t ctx  = chain_ctx( c );
  dmg_exec_out_t  a, b;
  assert_int_equal( dmg_runtime_exec_block( c->rt, view, &ctx, txs, 7, DMG_EXEC_BUILD, c->arena, &a ), DMG_OK );
  assert_false( a.is_invalid );
  assert_int_equal( a.tx_cnt, 3 );
  assert_int_equal( a.txs[ 1 ].index, 2 );
  assert_int_equal( a.txs[ 2 ].index, 5 );
  dmg_tx_t * in[ 3 ] = { txs[ 0 ], txs[ 2 ], txs[ 5 ] };
  assert_int_equal( dmg_runtime_exec_block( c->rt, view, &ctx, in, 3, 0, c->arena, &b ), DMG_OK );
  assert_int_equal( a.write_cnt, b.write_cnt );
  for( size_t i=0; i<a.write_cnt; i++ ) {
    assert_true( dmg_span_eq( a.writes[ i ].key, b.writes[ i ].key ) );
    assert_true( dmg_span_eq( a.writes[ i ].value, b.writes[ i ].value ) );
    if( i ) assert_true( dmg_span_cmp( a.writes[ i-1 ].key, a.writes[ i ].key )<0 );
  }
  assert_true( dmg_hash_eq( &a.receipts_root, &b.receipts_root ) );
  dmg_view_close( view );
}

static void
test_block_end_writes_values_receipts_and_beacon( void ** state ) {
  chain_t *  c = *state;
  uint8_t    key[ DMG_KEY_MAX ], schema;
  dmg_span_t bcs;
  dmg_tx_t * txs[ 2 ] = { tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ 0 } ), tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .nonce = 1 } ) };
  dmg_exec_out_t out = chain_block( c, txs, 2, 0 );
  dmg_item_block_t block;
  assert_int_equal( dmg_value_parse( chain_get( c, key, dmg_key_block( key ) ), false, &schema, NULL, &bcs ), DMG_OK );
  assert_int_equal( dmg_item_block_get( bcs, &block ), DMG_OK );
  assert_int_equal( block.height, 1 );
  assert_int_equal( block.tx_cnt, 2 );
  assert_int_equal( block.price, 1700000 );                     /* the floor holds it */
  dmg_span_t leaves[ 3 ] = { out.txs[ 0 ].receipt, out.txs[ 1 ].receipt, out.system_receipt };
  dmg_hash_t root = dmg_receipts_root( leaves, 3 );
  assert_true( dmg_hash_eq( &root, &out.receipts_root ) );
  assert_true( dmg_hash_eq( &root, &block.receipts_root ) );
  dmg_receipt_t * sys;
  assert_int_equal( dmg_receipt_decode( out.system_receipt, c->arena, &sys ).kind, DMG_VERDICT_GOOD );
  assert_true( dmg_hash_is_zero( &sys->id ) );
  assert_int_equal( sys->event_cnt, 1 );
  assert_int_equal( dmg_load_u64le( sys->events[ 0 ].data.p ), out.fee_burned );
  /* M1.5: b(0) of the genesis; height 1 has a reveal here */
  dmg_hash_t b0 = dmg_h( DMG_TAG_RAND_BEACON, dmg_hash_span( &c->id ) ), is;
  uint8_t    reveal[ 48 ];
  memset( reveal, 1, 48 );
  dmg_hash_t b1 = dmg_h2( DMG_TAG_RAND_BEACON, dmg_hash_span( &b0 ), DMG_SPAN( reveal ) );
  assert_int_equal( dmg_value_parse( chain_get( c, key, dmg_key_beacon( 1, key ) ), false, &schema, NULL, &bcs ), DMG_OK );
  assert_int_equal( dmg_item_hash_get( bcs, &is ), DMG_OK );
  assert_true( dmg_hash_eq( &is, &b1 ) );
  out = chain_block( c, NULL, 0, 0 );
  assert_true( dmg_hash_eq( &out.beacon, &b1 ) );
  assert_null( out.system_receipt.p );
  assert_true( dmg_hash_is_zero( &out.receipts_root ) );
  /* item 15 holds both blocks' roots */
  dmg_mmr_t mmr, mine;
  assert_int_equal( dmg_value_parse( chain_get( c, key, dmg_key_receipts( key ) ), false, &schema, NULL, &bcs ), DMG_OK );
  assert_int_equal( dmg_item_mmr_get( bcs, &mmr ), DMG_OK );
  dmg_mmr_init( &mine );
  dmg_hash_t l1 = dmg_receipts_log_leaf( 1, &root ), l2 = dmg_receipts_log_leaf( 2, &out.receipts_root );
  dmg_mmr_append( &mine, &l1 );
  dmg_mmr_append( &mine, &l2 );
  dmg_hash_t ra = dmg_mmr_root( &mmr ), rb = dmg_mmr_root( &mine );
  assert_true( dmg_hash_eq( &ra, &rb ) );
}

static void
test_topics_take_known_accounts_once( void ** state ) {
  chain_t *  c = *state;
  uint8_t    key[ DMG_KEY_MAX ], schema;
  dmg_span_t bcs;
  dmg_mmr_t  mmr;
  dmg_receipt_t * r = chain_tx( c, tx_transfer( c, &alice, &alice.address, 0, (tx_opts_t){ 0 } ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  assert_int_equal( dmg_value_parse( chain_get( c, key, dmg_key_topic( 2, &alice.address, key ) ), false, &schema, NULL, &bcs ), DMG_OK );
  assert_int_equal( dmg_item_mmr_get( bcs, &mmr ), DMG_OK );
  assert_int_equal( mmr.count, 2 );                             /* AccountCreated, Transferred once */
  dmg_mmr_t  mine = { 0 };
  dmg_hash_t l0 = dmg_event_leaf( 1, 0, 0, &r->events[ 0 ] ), l1 = dmg_event_leaf( 1, 0, 1, &r->events[ 1 ] );
  dmg_mmr_append( &mine, &l0 );
  dmg_mmr_append( &mine, &l1 );
  dmg_hash_t ra = dmg_mmr_root( &mmr ), rb = dmg_mmr_root( &mine );
  assert_true( dmg_hash_eq( &ra, &rb ) );
  dmg_hash_t mod = dmg_topic_module_id( 2 );
  assert_non_null( chain_get( c, key, dmg_key_topic( 1, &mod, key ) ).p );
  /* 0 sparks to a stranger make no entry of his, so no topic either */
  r = chain_tx( c, tx_transfer( c, &alice, &dave.address, 0, (tx_opts_t){ .nonce = 1 } ) );
  assert_int_equal( r->event_cnt, 1 );
  assert_null( chain_get( c, key, dmg_key_topic( 2, &dave.address, key ) ).p );
}

static void
test_new_topics_can_exhaust_the_limit( void ** state ) {
  chain_t * c = *state;
  uint64_t used = 8000+2000+2*3060+660+2*72+3*8000;
  dmg_receipt_t * r = expect_fail( c, tx_transfer( c, &alice, &carol.address, 5, (tx_opts_t){ .gas = used-1 } ), DMG_STATUS_NO_GAS, 0 );
  assert_int_equal( r->gas_used, used-1 );
  assert_int_equal( chain_free( c, &carol.address ), 0 );
  r = chain_tx( c, tx_transfer( c, &alice, &carol.address, 5, (tx_opts_t){ .nonce = 1, .gas = used } ) );
  assert_int_equal( r->status, DMG_STATUS_OK );
  /* the first block made alice's topic (AccountCreated, TxFailed) and Balances' (FeeTaken) */
  assert_int_equal( r->gas_used, used-2*4000 );
}

static void
test_price_follows_use_and_keeps_the_floor( void ** state ) {
  chain_t *  c = *state;
  dmg_tx_t * txs[ 4 ];
  dmg_exec_out_t out;
  for( unsigned i=0; i<4; i++ ) txs[ i ] = tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .nonce = i, .gas = 40000000, .fee_max = UINT64_MAX } );
  out = chain_block( c, txs, 4, 0 );                            /* billed 4 x 30M: over 2 T, so u = 2 T and p rises by 1/256 */
  assert_int_equal( out.price_next, 1700000+1700000/256 );
  uint64_t p = out.price_next;
  txs[ 0 ] = tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ .nonce = 4 } );
  out = chain_block( c, txs, 1, 0 );
  dmg_i128_t d = (dmg_i128_t)p*( 300000-25200000 )/( (dmg_i128_t)256*25200000 );
  assert_int_equal( out.price_next, dmg_max_u64( 1700000, (uint64_t)( (dmg_i128_t)p+d ) ) );
  assert_int_equal( out.txs[ 0 ].fee, ( out.txs[ 0 ].gas_billed*p+999999 )/1000000 );
  for( unsigned i=0; i<3; i++ ) out = chain_block( c, NULL, 0, 0 );
  assert_int_equal( out.price_next, 1700000 );
}

/* ---- Read-only ---- */

static void
test_query_answers_or_says_why( void ** state ) {
  chain_t *       c = *state;
  dmg_view_t *    view = chain_view( c );
  dmg_block_ctx_t ctx  = chain_ctx( c );
  dmg_answer_t    a;
  assert_int_equal( dmg_runtime_query( c->rt, view, &ctx, 2, 1, dmg_hash_span( &alice.address ), 100000, c->arena, &a ), DMG_OK );
  assert_int_equal( a.kind, DMG_ANSWER_OK );
  assert_int_equal( a.value.sz, 8 );
  assert_int_equal( dmg_load_u64le( a.value.p ), ALICE_FREE );
  assert_int_equal( a.gas_used, 2000+4060 );
  assert_int_equal( dmg_runtime_query( c->rt, view, &ctx, 2, 1, dmg_hash_span( &alice.address ), 6059, c->arena, &a ), DMG_OK );
  assert_int_equal( a.kind, DMG_ANSWER_FAILED );
  assert_int_equal( a.fault, DMG_STATUS_NO_GAS );
  assert_int_equal( dmg_runtime_query( c->rt, view, &ctx, 9, 1, (dmg_span_t){ 0 }, 0, c->arena, &a ), DMG_OK );
  assert_int_equal( a.kind, DMG_ANSWER_NO_MODULE );
  assert_int_equal( dmg_runtime_query( c->rt, view, &ctx, 2, 9, (dmg_span_t){ 0 }, 0, c->arena, &a ), DMG_OK );
  assert_int_equal( a.kind, DMG_ANSWER_NO_QUERY );
  assert_int_equal( dmg_runtime_query( c->rt, view, &ctx, 2, 1, (dmg_span_t){ 0 }, 0, c->arena, &a ), DMG_OK );
  assert_int_equal( a.kind, DMG_ANSWER_ARGS );
  query_fn = g_own;
  assert_int_equal( dmg_runtime_query( c->rt, view, &ctx, M_PROBE, 1, (dmg_span_t){ 0 }, 0, c->arena, &a ), DMG_OK );
  assert_int_equal( a.kind, DMG_ANSWER_FAILED );
  assert_int_equal( a.fault, DMG_STATUS_HOST );
  dmg_view_close( view );
}

static void
test_check_call_tells_admission( void ** state ) {
  chain_t *        c = *state;
  dmg_view_t *     view = chain_view( c );
  dmg_tx_call_t    call = call_transfer( c, &bob.address, 1 );
  dmg_hash_t       schema = test_schema( 2, 1 ), other = { { 3 } };
  dmg_call_check_t r;
  assert_int_equal( dmg_runtime_check_call( c->rt, view, 2, 1, &schema, call.args, &r ), DMG_OK );
  assert_int_equal( r.reason, DMG_VOID_NONE );
  assert_int_equal( r.gas_line, 1000 );
  assert_int_equal( r.auth, ROLES_USER|ROLES_MODULE );
  assert_int_equal( dmg_runtime_check_call( c->rt, view, 2, 1, &other, call.args, &r ), DMG_OK );
  assert_int_equal( r.reason, DMG_VOID_SCHEMA );
  assert_true( dmg_hash_eq( &r.want, &schema ) );
  assert_int_equal( dmg_runtime_check_call( c->rt, view, 2, 99, &other, call.args, &r ), DMG_OK );
  assert_int_equal( r.reason, DMG_VOID_SCHEMA );
  assert_true( dmg_hash_is_zero( &r.want ) );
  assert_int_equal( dmg_runtime_check_call( c->rt, view, 5, 1, &schema, call.args, &r ), DMG_OK );
  assert_int_equal( r.reason, DMG_VOID_MODULE );
  assert_int_equal( dmg_runtime_check_call( c->rt, view, 2, 1, &schema, DMG_SPAN_STR( "x" ), &r ), DMG_OK );
  assert_int_equal( r.reason, DMG_VOID_ARGS );
  assert_true( r.why.text[ 0 ]!=0 );
  uint16_t ids[ 4 ];
  uint32_t cnt;
  assert_int_equal( dmg_runtime_modules( c->rt, view, ids, 4, &cnt ), DMG_OK );
  assert_int_equal( cnt, 4 );
  assert_int_equal( ids[ 3 ], M_PEER );
  assert_int_equal( dmg_runtime_modules( c->rt, view, ids, 3, &cnt ), DMG_ERR_LIMIT );
  dmg_span_t abi;
  assert_int_equal( dmg_runtime_abi( c->rt, view, M_PROBE, c->arena, &abi ), DMG_OK );
  assert_true( dmg_span_eq( abi, dmg_span( mods[ 2 ].file.p+5, mods[ 2 ].file.sz-5 ) ) );
  assert_int_equal( dmg_runtime_abi( c->rt, view, 77, c->arena, &abi ), DMG_ERR_NOT_FOUND );
  dmg_view_close( view );
}

static void
test_preview_equals_execution( void ** state ) {
  chain_t *       c = *state;
  dmg_tx_t *      t = tx_transfer( c, &alice, &carol.address, 5000, (tx_opts_t){ .tip = 7 } );
  dmg_view_t *    view = chain_view( c );
  dmg_block_ctx_t ctx  = chain_ctx( c );
  dmg_preview_t   p, f;
  assert_int_equal( dmg_runtime_preview( c->rt, view, &ctx, t, NULL, c->txs, &p ), DMG_OK );
  /* without a fee, a nonce or keys: the same use */
  dmg_tx_t * loose = tx_transfer( c, &alice, &carol.address, 5000, (tx_opts_t){ .nonce = 99, .no_init = true, .fee_max = 1, .sign = { &dave } } );
  dmg_preview_opts_t opts = { .is_owner = true, .is_any_nonce = true, .is_free = true };
  assert_int_equal( dmg_runtime_preview( c->rt, view, &ctx, loose, &opts, c->txs, &f ), DMG_OK );
  assert_int_equal( f.tx.status, DMG_STATUS_OK );
  assert_int_equal( f.tx.gas_used, p.tx.gas_used );
  assert_int_equal( dmg_runtime_preview( c->rt, view, &ctx, loose, NULL, c->txs, &f ), DMG_OK );
  assert_int_equal( f.reason, DMG_VOID_ACCOUNT );
  assert_true( f.why.text[ 0 ]!=0 );
  dmg_view_close( view );
  assert_int_equal( p.gas_to_set, p.tx.gas_used+( p.tx.gas_used+4 )/5 );
  assert_int_equal( p.flow_cnt, 2 );
  uint64_t out = 0, in = 0;
  for( size_t i=0; i<2; i++ ) { out += p.flows[ i ].out; in += p.flows[ i ].in; }
  assert_int_equal( in, 5000 );
  dmg_exec_out_t o = chain_block( c, &t, 1, 0 );
  assert_true( dmg_span_eq( o.txs[ 0 ].receipt, p.tx.receipt ) );
  dmg_receipt_t * r;
  assert_int_equal( dmg_receipt_decode( p.tx.receipt, c->arena, &r ).kind, DMG_VERDICT_GOOD );
  assert_int_equal( out, 5000+r->held );
  /* the outcome it names can be demanded */
  dmg_tx_post_t  post = { .kind = DMG_POST_OUTCOME };
  view = chain_view( c );
  ctx  = chain_ctx( c );
  tx_opts_t o2 = { .nonce = 1 };
  assert_int_equal( dmg_runtime_preview( c->rt, view, &ctx, tx_transfer( c, &alice, &carol.address, 3, o2 ), NULL, c->txs, &p ), DMG_OK );
  dmg_view_close( view );
  post.hash   = p.outcome;
  o2.posts    = &post;
  o2.post_cnt = 1;
  assert_int_equal( chain_tx( c, tx_transfer( c, &alice, &carol.address, 3, o2 ) )->status, DMG_STATUS_OK );
  o2.nonce = 2;
  expect_fail( c, tx_transfer( c, &alice, &carol.address, 4, o2 ), DMG_STATUS_POSTCONDITION, 0 );
}

static void
test_a_stack_is_previewed_as_a_block_would_run_it( void ** state ) {
  chain_t *       c = *state;
  tx_opts_t       o = { .nonce = 0 };
  dmg_tx_t *      t[ 4 ];
  dmg_preview_t   p[ 4 ];
  /* bob gets what he then passes on; the third would be VOID (its nonce was used), the fourth goes on behind it */
  t[ 0 ] = tx_transfer( c, &alice, &bob.address, 40000000, o );
  o.nonce = 1;
  t[ 1 ] = tx_transfer( c, &alice, &carol.address, 70, o );
  t[ 2 ] = tx_transfer( c, &alice, &carol.address, 80, o );
  o.nonce = 2;
  t[ 3 ] = tx_transfer( c, &alice, &carol.address, 90, o );
  dmg_view_t *    view = chain_view( c );
  dmg_block_ctx_t ctx  = chain_ctx( c );
  assert_int_equal( dmg_runtime_preview_stack( c->rt, view, &ctx, t, 4, NULL, c->txs, p ), DMG_OK );
  dmg_preview_t alone;
  assert_int_equal( dmg_runtime_preview( c->rt, view, &ctx, t[ 3 ], NULL, c->txs, &alone ), DMG_OK );
  assert_int_equal( alone.tx.status, DMG_STATUS_VOID );
  dmg_view_close( view );
  assert_int_equal( p[ 2 ].tx.status, DMG_STATUS_VOID );
  dmg_tx_t * in[ 3 ] = { t[ 0 ], t[ 1 ], t[ 3 ] };
  dmg_preview_t * of[ 3 ] = { &p[ 0 ], &p[ 1 ], &p[ 3 ] };
  dmg_exec_out_t out = chain_block( c, in, 3, 0 );
  for( int i=0; i<3; i++ ) {
    assert_int_equal( of[ i ]->tx.status, DMG_STATUS_OK );
    assert_true( dmg_span_eq( out.txs[ i ].receipt, of[ i ]->tx.receipt ) );
  }
}

/* A reader's transaction arena serves look-ups as well: what an earlier transaction left in the overlay's table must be
   gone before. */
static void
test_readers_look_and_run_by_turns( void ** state ) {
  chain_t *       c    = *state;
  dmg_view_t *    view = chain_view( c );
  dmg_block_ctx_t ctx  = chain_ctx( c );
  dmg_hash_t      schema = test_schema( 2, 1 );
  dmg_tx_t *      t = tx_transfer( c, &alice, &carol.address, 5000, (tx_opts_t){ 0 } );
  dmg_preview_t   first, p;
  assert_int_equal( dmg_runtime_preview( c->rt, view, &ctx, t, NULL, c->txs, &first ), DMG_OK );
  for( unsigned i=0; i<50; i++ ) {
    dmg_call_check_t check;
    dmg_answer_t     a;
    uint16_t         ids[ 8 ];
    uint32_t         cnt;
    uint8_t          args[ 40 ] = { (uint8_t)i };
    assert_int_equal( dmg_runtime_check_call( c->rt, view, 2, 1, &schema, DMG_SPAN( args ), &check ), DMG_OK );
    assert_int_equal( check.reason, DMG_VOID_NONE );
    assert_int_equal( dmg_runtime_query( c->rt, view, &ctx, 2, 1, dmg_hash_span( &bob.address ), 0, c->txs, &a ), DMG_OK );
    assert_int_equal( dmg_load_u64le( a.value.p ), ALICE_FREE );
    assert_int_equal( dmg_runtime_modules( c->rt, view, ids, 8, &cnt ), DMG_OK );
    assert_int_equal( dmg_runtime_preview( c->rt, view, &ctx, t, NULL, c->txs, &p ), DMG_OK );
    assert_true( dmg_span_eq( p.tx.receipt, first.tx.receipt ) );
  }
  dmg_view_close( view );
}

/* ---- Codes and instances ---- */

/* The probe's file under another version number: another code. */
static dmg_span_t
probe_variant( unsigned n ) {
  iface_t f = *ifaces[ 2 ];
  f.abi.version.patch = (uint16_t)( n+1 );
  f.abi.items   = f.items;
  return iface_file( &f, ENTRY_PROBE );
}

/* More codes than are kept: the ones unused longest go, with their instances, and come back when they are asked for. */
static void
test_codes_unused_longest_make_room( void ** state ) {
  chain_t *  c    = *state;
  module_t   m[ 4 ];
  unsigned   most = 0, before = fake_code_cnt;
  memcpy( m, mods, sizeof( m ) );
  dmg_tx_t * t = tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ 0 } );
  for( unsigned n=0; n<300; n++ ) {
    dmg_genesis_module_t gm[ 4 ];
    m[ 2 ].file = probe_variant( n );
    for( unsigned i=0; i<4; i++ ) {
      gm[ i ] = (dmg_genesis_module_t){ .id = m[ i ].id, .code = dmg_code_hash( m[ i ].file ) };
      if( m[ i ].config.p ) { gm[ i ].config = &m[ i ].config; gm[ i ].config_cnt = 1; }
    }
    dmg_genesis_validator_t v = { .account = c->leader, .bucket = 5 };
    dmg_genesis_t    g = { .version = 1, .name = DMG_SPAN_STR( "variant" ), .kind = DMG_GENESIS_DEV, .time_ms = 1, .instr_version = 1, .host_api = 1, .modules = gm, .module_cnt = 4, .validators = &v,
                           .validator_cnt = 1 };
    files_t          files = { m, 4 };
    dmg_code_files_t code  = { &files, files_get };
    dmg_write_t *    w;
    size_t           cnt;
    dmg_exec_why_t   why;
    dmg_arena_reset( c->arena );
    dmg_err_t err = dmg_runtime_genesis( c->rt, &g, &code, c->arena, &w, &cnt, &why );
    if( err ) fail_msg( "genesis %u: %s %s", n, dmg_err_text( err ), why.text );
    if( fake_code_cnt>most ) most = fake_code_cnt;
    if( n%100!=50 ) continue;
    /* The chain itself goes on; a reader holds instances, too. */
    dmg_view_t *    view = chain_view( c );
    dmg_block_ctx_t ctx  = chain_ctx( c );
    dmg_preview_t   p;
    assert_int_equal( dmg_runtime_preview( c->rt, view, &ctx, t, NULL, c->txs, &p ), DMG_OK );
    assert_int_equal( p.tx.status, DMG_STATUS_OK );
    dmg_view_close( view );
  }
  assert_int_equal( before, 4 );
  assert_int_equal( most, DMG_CODE_CNT_MAX );
  assert_int_equal( chain_tx( c, t )->status, DMG_STATUS_OK );
}

/* R1.8: once a state is prepared, neither a block nor a query nor a preview makes an instance. */
static void
test_instances_are_made_before_anything_runs( void ** state ) {
  chain_t *         c    = *state;
  dmg_runtime_cfg_t cfg  = { .vm = c->vm, .hash_seed = 1 };
  dmg_view_t *      view = chain_view( c );
  dmg_block_ctx_t   ctx  = chain_ctx( c );
  dmg_tx_t *        t    = tx_transfer( c, &alice, &bob.address, 1, (tx_opts_t){ 0 } );
  dmg_runtime_t *   rt;
  dmg_exec_out_t    out;
  dmg_answer_t      a;
  dmg_preview_t     p;
  assert_int_equal( dmg_runtime_open( &cfg, &rt ), DMG_OK );
  assert_int_equal( dmg_runtime_prepare( rt, view ), DMG_OK );
  unsigned made = fake_inst_cnt;
  assert_int_equal( dmg_runtime_exec_block( rt, view, &ctx, &t, 1, 0, c->arena, &out ), DMG_OK );
  assert_int_equal( out.txs[ 0 ].status, DMG_STATUS_OK );
  assert_int_equal( dmg_runtime_query( rt, view, &ctx, 2, 1, dmg_hash_span( &bob.address ), 0, c->txs, &a ), DMG_OK );
  assert_int_equal( a.kind, DMG_ANSWER_OK );
  assert_int_equal( dmg_runtime_preview( rt, view, &ctx, t, NULL, c->txs, &p ), DMG_OK );
  assert_int_equal( fake_inst_cnt, made );
  dmg_runtime_close( rt );
  dmg_view_close( view );
}

/* ---- Threads ---- */

typedef struct { chain_t * c; dmg_view_t * view; dmg_block_ctx_t ctx; dmg_tx_t * tx; unsigned good; } reader_t;
static void *
reader_main( void * arg ) {
  reader_t *    r     = arg;
  dmg_arena_t * arena = dmg_arena_new( 64u<<20 );
  for( unsigned i=0; i<40; i++ ) {
    dmg_answer_t  a;
    dmg_preview_t p;
    dmg_arena_reset( arena );
    if( dmg_runtime_query( r->c->rt, r->view, &r->ctx, 2, 1, dmg_hash_span( &bob.address ), 0, arena, &a ) || a.kind!=DMG_ANSWER_OK || dmg_load_u64le( a.value.p )!=ALICE_FREE ) continue;
    if( dmg_runtime_preview( r->c->rt, r->view, &r->ctx, r->tx, NULL, arena, &p ) || p.tx.status!=DMG_STATUS_OK ) continue;
    r->good++;
  }
  dmg_arena_free( arena );
  return NULL;
}
/* More readers than the runtime lets run at once, beside blocks that change what they read: each keeps its own view. */
static void
test_readers_run_beside_blocks( void ** state ) {
  chain_t * c = *state;
  reader_t  r[ 6 ];
  pthread_t threads[ 6 ];
  dmg_tx_t * tx = tx_transfer( c, &alice, &carol.address, 1, (tx_opts_t){ 0 } );
  for( unsigned i=0; i<6; i++ ) {
    r[ i ] = (reader_t){ .c = c, .view = chain_view( c ), .ctx = chain_ctx( c ), .tx = tx };
    assert_int_equal( pthread_create( &threads[ i ], NULL, reader_main, &r[ i ] ), 0 );
  }
  for( unsigned i=0; i<10; i++ ) assert_int_equal( chain_tx( c, tx_transfer( c, &bob, &alice.address, 5, (tx_opts_t){ .nonce = i } ) )->status, DMG_STATUS_OK );
  for( unsigned i=0; i<6; i++ ) {
    pthread_join( threads[ i ], NULL );
    assert_int_equal( r[ i ].good, 40 );
    dmg_view_close( r[ i ].view );
  }
}

/* ---- Random ---- */

static uint64_t
g_random( fake_t * f ) {
  for( unsigned i=0; i<6; i++ ) {
    uint8_t  key[ 4 ] = { 0, 0, 0, (uint8_t)( rnd()%4 ) }, v[ 70 ] = { 1 };
    uint32_t k = fake_put( f, FAKE_SCRATCH, key, 4 );
    uint8_t  sz = (uint8_t)( rnd()%60 );
    v[ 1 ] = sz;
    switch( rnd()%6 ) {
    case 0: HOST( f, PUT, 1, k, 4, fake_put( f, FAKE_SCRATCH+8, v, sz+2u ), sz+2u ); break;
    case 1: HOST( f, DEL, 1, k, 4 ); break;
    case 2: HOST( f, CTR_ADD, 2, k, 4, 3, 10 ); break;
    case 3: HOST( f, CTR_ADD, 2, k, 4, (uint64_t)-3, 10 ); break;
    case 4: {
      uint8_t a[ 40 ];
      memcpy( a, ( rnd()%2 ? &carol : &dave )->address.b, 32 );
      dmg_store_u64le( a+32, rnd()%1000 );
      HOST( f, CALL, 2, 1, rnd()%2, 0, fake_put( f, FAKE_SCRATCH+8, a, 40 ), 40, 0, 0 );
      break;
    }
    case 5: if( rnd()%8==0 ) fake_trap( f ); if( rnd()%8==0 ) return fake_fault( 40 ); break;
    }
  }
  return ret_empty( f );
}
/* What a builder leaves in its block must replay, from the same parent, to the same bytes.  g_random draws while it runs, so
   each run starts from the same draw. */
static void
build_equals_replay( chain_t * c, dmg_tx_t * const * txs, size_t cnt ) {
  dmg_view_t *    view = chain_view( c );
  dmg_block_ctx_t ctx  = chain_ctx( c );
  dmg_exec_out_t  a, b;
  dmg_tx_t *      in[ 6 ];
  uint64_t        draw = rnd_state;
  assert_int_equal( dmg_runtime_exec_block( c->rt, view, &ctx, txs, cnt, DMG_EXEC_BUILD, c->arena, &a ), DMG_OK );
  assert_true( a.tx_cnt<=6 );
  for( size_t i=0; i<a.tx_cnt; i++ ) in[ i ] = txs[ a.txs[ i ].index ];
  rnd_state = draw;
  assert_int_equal( dmg_runtime_exec_block( c->rt, view, &ctx, in, a.tx_cnt, 0, c->arena, &b ), DMG_OK );
  rnd_state = draw;
  assert_false( b.is_invalid );
  assert_int_equal( a.tx_cnt, b.tx_cnt );
  for( size_t i=0; i<a.tx_cnt; i++ ) assert_true( dmg_span_eq( a.txs[ i ].receipt, b.txs[ i ].receipt ) );
  assert_int_equal( a.write_cnt, b.write_cnt );
  for( size_t i=0; i<a.write_cnt; i++ ) {
    assert_true( dmg_span_eq( a.writes[ i ].key, b.writes[ i ].key ) );
    assert_true( dmg_span_eq( a.writes[ i ].value, b.writes[ i ].value ) );
  }
  assert_true( dmg_hash_eq( &a.receipts_root, &b.receipts_root ) );
  dmg_view_close( view );
}
static void
test_random_blocks_keep_the_sums( void ** state ) {
  chain_t * c = *state;
  uint64_t  nonces[ 4 ] = { 0 };
  person_t * people[ 4 ] = { &alice, &bob, &carol, &dave };
  seed( 0x1234567 );
  unsigned ok = 0, total = 0;
  for( unsigned b=0; b<60; b++ ) {
    dmg_tx_t * txs[ 6 ];
    person_t * who[ 6 ];
    unsigned   cnt = 1+(unsigned)( rnd()%6 );
    uint64_t   next[ 4 ];
    memcpy( next, nonces, sizeof( next ) );
    for( unsigned i=0; i<cnt; i++ ) {
      unsigned  p = (unsigned)( rnd()%4 );
      tx_opts_t o = { .nonce = next[ p ]++, .tip = rnd()%100, .gas = 60000+rnd()%400000, .fee_max = DMG_SPARKS_PER_CGT };
      who[ i ] = people[ p ];
      if( rnd()%2 ) txs[ i ] = tx_transfer( c, people[ p ], &people[ rnd()%4 ]->address, rnd()%3 ? rnd()%1000000 : rnd()%( 2*ALICE_FREE ), o );
      else txs[ i ] = tx_run( c, people[ p ], g_random, o );
    }
    probe_fn = g_random;
    build_equals_replay( c, txs, cnt );
    dmg_exec_out_t out = chain_block( c, txs, cnt, 0 );          /* checks supply and deposits */
    if( out.is_invalid ) fail_msg( "%s", out.why.text );
    for( unsigned i=0; i<cnt; i++ ) {
      total++;
      ok += out.txs[ i ].status==DMG_STATUS_OK;
      if( out.txs[ i ].status!=DMG_STATUS_VOID ) for( unsigned p=0; p<4; p++ ) if( people[ p ]==who[ i ] ) nonces[ p ]++;
    }
  }
  assert_true( ok>total/4 );
}

/* ---- Genesis ---- */

static void
test_genesis_refuses_what_does_not_fit( void ** state ) {
  chain_t *      c = *state;
  dmg_exec_why_t why;
  dmg_write_t *  writes;
  size_t         cnt;
  uint8_t        cut[ 2+40 ] = { 40 };
  dmg_genesis_module_t gm[ 4 ];
  dmg_span_t     config = mods[ 1 ].config;
  for( unsigned i=0; i<4; i++ ) gm[ i ] = (dmg_genesis_module_t){ .id = mods[ i ].id, .code = dmg_code_hash( mods[ i ].file ) };
  dmg_genesis_validator_t v = { .account = c->leader, .bucket = 5 };
  dmg_genesis_t g = { .version = 1, .name = DMG_SPAN_STR( "x" ), .kind = DMG_GENESIS_DEV, .time_ms = 1, .instr_version = 1, .host_api = 1, .modules = gm, .module_cnt = 4, .validators = &v, .validator_cnt = 1 };
  files_t          files = { mods, 4 };
  dmg_code_files_t code  = { &files, files_get };
  #define REFUSED( part ) do {                                                                                         \
      assert_int_equal( dmg_runtime_genesis( c->rt, &g, &code, c->arena, &writes, &cnt, &why ), DMG_ERR_INVALID );     \
      if( !strstr( why.text, part ) ) fail_msg( "why: %s", why.text ); } while(0)
  REFUSED( "less than" );                                       /* nobody has anything */
  gm[ 1 ].config     = &config;
  gm[ 1 ].config_cnt = 1;
  assert_int_equal( dmg_runtime_genesis( c->rt, &g, &code, c->arena, &writes, &cnt, &why ), DMG_OK );
  config = DMG_SPAN( cut );
  REFUSED( "config part 0" );
  gm[ 1 ].config_cnt = 0;
  gm[ 2 ].config     = &config;
  gm[ 2 ].config_cnt = 1;
  REFUSED( "no hook init" );
  gm[ 2 ].config_cnt = 0;
  g.module_cnt = 3;
  REFUSED( "uses peer" );
  g.module_cnt = 4;
  files.cnt = 3;
  REFUSED( "missing" );
  files.cnt = 4;
  gm[ 3 ].id = 0x0203;
  REFUSED( "says that it is" );
  gm[ 3 ].id = M_PEER;
  g.module_cnt = 1;
  REFUSED( "Balances" );
  g.module_cnt = 4;
  g.host_api = 2;
  REFUSED( "host_api" );
  #undef REFUSED
}

int
main( void ) {
  #define T( name ) cmocka_unit_test_setup_teardown( name, setup, teardown )
  struct CMUnitTest const tests[] = {
    T( test_block_rules_make_it_invalid ), T( test_build_leaves_out_and_equals_execution ), T( test_block_end_writes_values_receipts_and_beacon ),
    T( test_topics_take_known_accounts_once ), T( test_new_topics_can_exhaust_the_limit ), T( test_price_follows_use_and_keeps_the_floor ),
    T( test_query_answers_or_says_why ), T( test_check_call_tells_admission ), T( test_preview_equals_execution ), T( test_a_stack_is_previewed_as_a_block_would_run_it ), T( test_readers_run_beside_blocks ),
    T( test_query_answers_or_says_why ), T( test_check_call_tells_admission ), T( test_preview_equals_execution ), T( test_readers_run_beside_blocks ),
    T( test_readers_look_and_run_by_turns ), T( test_codes_unused_longest_make_room ), T( test_instances_are_made_before_anything_runs ),
    T( test_random_blocks_keep_the_sums ), T( test_genesis_refuses_what_does_not_fit ) };
  return cmocka_run_group_tests( tests, group_setup, group_teardown );
}
