/* chain_pool: many transactions in one call hear what each would hear alone, in that order (R4.1, R4.2). */
#include "base/test_rnd.h"
#include "node/test_chain_util.h"

enum { SENDERS = 8, TXS = 600 };

typedef struct { dmg_sig_scheme_t scheme; uint8_t secret[ 32 ], key[ 33 ]; size_t key_sz; dmg_hash_t address; bool is_new; uint64_t next; } sender_t;

static dmg_span_t public_key( sender_t * s ) {
  s->key_sz = dmg_sig_key_sz( s->scheme );
  if( s->scheme==DMG_SIG_ED25519 )        dmg_ed25519_public( s->secret, s->key );
  else if( s->scheme==DMG_SIG_SECP256K1 ) assert_true( dmg_secp256k1_public( s->secret, s->key ) );
  else                                    assert_true( dmg_p256_public( s->secret, s->key ) );
  return dmg_span( s->key, s->key_sz );
}

/* 0..3: accounts of the genesis; the rest: keys of three schemes that no block has seen. */
static void make_senders( sender_t s[ SENDERS ] ) {
  for( uint32_t i = 0; i<SENDERS; i++ ) {
    s[ i ] = (sender_t){ .scheme = i<4 ? DMG_SIG_ED25519 : (dmg_sig_scheme_t)( i%3 ), .is_new = i>=4 };
    if( i<4 ) { memcpy( s[ i ].secret, accounts[ i+1 ].secret, 32 ); memcpy( s[ i ].key, accounts[ i+1 ].key, 32 ); s[ i ].key_sz = 32; s[ i ].address = accounts[ i+1 ].address; continue; }
    memset( s[ i ].secret, 0x40+(int)i, 32 );
    dmg_account_init_t init = dmg_account_init_plain( s[ i ].scheme, public_key( &s[ i ] ) );
    s[ i ].address = dmg_address_of( &init );
  }
}

typedef struct { uint64_t nonce, fee_max; uint16_t lane; bool has_init; } opts_t;

static dmg_span_t make_tx( dmg_chain_t * chain, dmg_hash_t const * schema, sender_t * s, opts_t o ) {
  dmg_query_chain_t info;
  dmg_query_t const * q = dmg_chain_query( chain );
  q->chain( q->ctx, &info );
  uint8_t args[ 64 ], sig[ 64 ] = { 0 };
  dmg_hash_t to = { { 5 } };
  dmg_bcs_wr_t w = dmg_bcs_wr( args, sizeof args );
  dmg_bcs_wr_fixed( &w, to.b, 32 );
  dmg_bcs_wr_u64( &w, 1+rnd_below( 1000 ) );
  dmg_bcs_wr_uleb( &w, 0 );
  dmg_tx_call_t call = { .module = DMG_MODULE_BALANCES, .call = 1, .schema = *schema, .args = dmg_bcs_wr_span( &w ) };
  dmg_tx_sig_t  sg   = { .scheme = s->scheme, .key = dmg_span( s->key, s->key_sz ), .sig = dmg_span( sig, 64 ) };
  dmg_account_init_t init = dmg_account_init_plain( s->scheme, dmg_span( s->key, s->key_sz ) );
  dmg_tx_t tx = { .version = 1, .chain = info.chain_id, .sender = s->address, .lane = o.lane, .nonce = o.nonce, .expiry = 300, .gas = 300000, .fee_kind = DMG_FEE_ENERGY_THEN_FEE,
                  .fee_max = o.fee_max, .calls = &call, .call_cnt = 1, .auth = DMG_TX_AUTH_KEYS, .sigs = &sg, .sig_cnt = 1, .init = o.has_init ? &init : NULL };
  dmg_buf_t buf = dmg_buf( DMG_TX_SZ_MAX );
  assert_int_equal( dmg_tx_body_encode( &tx, &buf ), DMG_OK );
  dmg_hash_t id = dmg_tx_id( dmg_buf_span( &buf ) );
  if( s->scheme==DMG_SIG_ED25519 )        dmg_ed25519_sign( s->secret, dmg_hash_span( &id ), sig );
  else if( s->scheme==DMG_SIG_SECP256K1 ) assert_true( dmg_secp256k1_sign( s->secret, dmg_hash_span( &id ), sig ) );
  else                                    assert_true( dmg_p256_sign( s->secret, dmg_hash_span( &id ), sig ) );
  buf.sz = 0;
  assert_int_equal( dmg_tx_encode( &tx, &buf ), DMG_OK );
  dmg_span_t out = dmg_arena_dup( arena, dmg_buf_span( &buf ) );
  dmg_buf_fini( &buf );
  return out;
}

static dmg_hash_t transfer_schema( dmg_chain_t * chain ) {
  dmg_hash_t id;
  dmg_tx_t * tx;
  assert_int_equal( dmg_tx_decode( transfer( chain, &accounts[ 0 ], &accounts[ 1 ].address, 1, 0, &id ), arena, &tx ).kind, DMG_VERDICT_GOOD );
  assert_int_equal( tx->calls[ 0 ].call, 1 );
  return tx->calls[ 0 ].schema;
}

/* What new senders own pays for some of what they send, so that balance decides often. */
static void fund( dmg_chain_t * chain, sender_t * s ) {
  dmg_query_t const * q = dmg_chain_query( chain );
  dmg_at_block_t head;
  dmg_hash_t id;
  dmg_hash_t to = { { 5 } };
  send( chain, &accounts[ 0 ], &to, 1, 4, &id );   /* so that no transfer pays for the receiver's entry */
  for( uint32_t i = 4; i<SENDERS; i++ ) send( chain, &accounts[ 0 ], &s[ i ].address, 3000000+i*1000000, i-4, &id );
  assert_int_equal( q->dev->mine( q->ctx, 1, 1000, &head ), DMG_OK );
}

/* One of a stream of good, bad, doubled, replaced and early transactions. */
static dmg_span_t random_tx( dmg_chain_t * chain, dmg_hash_t const * schema, sender_t * all, dmg_span_t const * before, uint32_t before_cnt ) {
  sender_t * s = &all[ rnd_below( SENDERS ) ];
  uint32_t what = rnd_below( 100 );
  dmg_span_t raw;
  if( what<12 && before_cnt ) raw = before[ rnd_below( before_cnt ) ];                                  /* again */
  else {
    opts_t o = { .nonce = s->next, .fee_max = DMG_SPARKS_PER_CGT, .has_init = s->is_new && ( !s->next || rnd_below( 4 )==0 ) };
    if( what<22 && s->next ) { o.nonce = rnd_below( (uint32_t)s->next ); o.fee_max = DMG_SPARKS_PER_CGT*( 1+rnd_below( 3 ) ); }   /* another in its place */
    else if( what<26 ) o.nonce = s->next+rnd_below( 80 );                                               /* a gap, or past the window */
    else if( what<29 ) { o.lane = DMG_TX_LANE_UNORDERED; o.nonce = rnd_below( 1000 ); }
    else if( what<31 ) { o.fee_max = 1; }
    else s->next++;
    raw = make_tx( chain, schema, s, o );
  }
  uint8_t * copy = dmg_arena_alloc( arena, raw.sz+1 );
  memcpy( copy, raw.p, raw.sz );
  switch( rnd_below( 24 ) ) {
  case 0: case 1: case 2: copy[ raw.sz-1-rnd_below( 64 ) ] ^= (uint8_t)( 1u<<rnd_below( 8 ) ); break;         /* the signature */
  case 3: copy[ rnd_below( (uint32_t)raw.sz ) ] ^= (uint8_t)( 1u<<rnd_below( 8 ) ); break;                    /* anywhere */
  case 4: return dmg_span( copy, rnd_below( (uint32_t)raw.sz+1 ) );                                     /* cut */
  default: break;
  }
  return dmg_span( copy, raw.sz );
}

static void test_many_hear_what_each_would_alone( void ** state ) {
  seed_any();
  dmg_chain_t * one = open_chain( NULL, DMG_PACE_MANUAL, 1764000000000u ), * many = open_chain( NULL, DMG_PACE_MANUAL, 1764000000000u );
  dmg_query_t const * q = dmg_chain_query( many );
  static dmg_query_submit_t alone[ TXS ], together[ TXS ];
  static dmg_span_t raws[ TXS ];
  sender_t senders[ SENDERS ];
  make_senders( senders );
  fund( one, senders );
  fund( many, senders );
  dmg_hash_t schema = transfer_schema( one );
  uint32_t ok = 0, signature = 0, fee = 0, account = 0, known = 0;
  for( uint32_t i = 0; i<TXS; i++ ) raws[ i ] = random_tx( one, &schema, senders, raws, i );
  for( uint32_t i = 0, n; i<TXS; i += n ) {
    n = 1+rnd_below( rnd_below( 2 ) ? 20 : 400 );
    if( n>TXS-i ) n = TXS-i;
    for( uint32_t k = i; k<i+n; k++ ) { (void)!submit( one, raws[ k ], &alone[ k ] ); together[ k ] = (dmg_query_submit_t){ .raw = raws[ k ] }; }
    q->tx_submit( q->ctx, &together[ i ], n );
    if( rnd_below( 3 )==0 ) {
      dmg_at_block_t head[ 2 ];
      assert_int_equal( dmg_chain_query( one )->dev->mine( one, 1, 1000, &head[ 0 ] ), DMG_OK );
      assert_int_equal( q->dev->mine( many, 1, 1000, &head[ 1 ] ), DMG_OK );
      /* The order of senders in a block may differ, what became of each transaction may not. */
      for( uint32_t k = 0; k<i+n; k++ ) {
        dmg_query_tx_status_t x, y;
        if( alone[ k ].err ) continue;
        q->tx_status( one, &alone[ k ].id, &x );
        q->tx_status( many, &alone[ k ].id, &y );
        assert_true( x.state==y.state && x.height==y.height && x.receipt_status==y.receipt_status );
      }
    }
  }
  for( uint32_t i = 0; i<TXS; i++ ) {
    dmg_query_submit_t const * a = &alone[ i ], * b = &together[ i ];
    if( a->err!=b->err ) fail_msg( "%u: alone %s (%s), together %s (%s)", i, dmg_err_name( a->err ), a->err ? a->why.text : "", dmg_err_name( b->err ), b->err ? b->why.text : "" );
    if( a->err ) {
      assert_string_equal( a->why.name, b->why.name );
      assert_string_equal( a->why.text, b->why.text );
      signature += !strcmp( a->why.text, "a signature is not valid" );
      fee       += !strcmp( a->why.name, "fee" );
      account   += !strcmp( a->why.name, "account" );
      continue;
    }
    assert_memory_equal( a->id.b, b->id.b, 32 );
    assert_int_equal( a->status.state, b->status.state );
    ok++;
    known += a->status.state==DMG_TX_FINAL;
  }
  print_message( "%u ok, %u of them final already; refused: %u signature, %u fee, %u account\n", ok, known, signature, fee, account );
  assert_true( ok>100 && signature>20 && fee>10 );
  close_chain( one );
  close_chain( many );
}

/* The cases by hand: a later one that needs the one before it, in every order that matters. */
static void test_what_comes_before_in_a_call_counts( void ** state ) {
  dmg_chain_t * chain = open_chain( NULL, DMG_PACE_MANUAL, 1764000000000u );
  dmg_query_t const * q = dmg_chain_query( chain );
  sender_t s[ SENDERS ];
  make_senders( s );
  fund( chain, s );
  dmg_hash_t schema = transfer_schema( chain );
  dmg_query_submit_t it[ 5 ];
  opts_t o = { .fee_max = DMG_SPARKS_PER_CGT };
  /* Keys come with the first; what stands before it is refused. */
  it[ 0 ] = (dmg_query_submit_t){ .raw = make_tx( chain, &schema, &s[ 4 ], (opts_t){ .nonce = 1, .fee_max = o.fee_max } ) };
  it[ 1 ] = (dmg_query_submit_t){ .raw = make_tx( chain, &schema, &s[ 4 ], (opts_t){ .nonce = 0, .fee_max = o.fee_max, .has_init = true } ) };
  it[ 2 ] = (dmg_query_submit_t){ .raw = make_tx( chain, &schema, &s[ 4 ], (opts_t){ .nonce = 2, .fee_max = o.fee_max } ) };
  it[ 3 ] = (dmg_query_submit_t){ .raw = it[ 0 ].raw };
  it[ 4 ] = (dmg_query_submit_t){ .raw = it[ 1 ].raw };
  q->tx_submit( q->ctx, it, 5 );
  assert_int_equal( it[ 0 ].err, DMG_ERR_INVALID );
  assert_string_equal( it[ 0 ].why.name, "account" );
  for( int i = 1; i<5; i++ ) assert_int_equal( it[ i ].err, DMG_OK );
  assert_int_equal( it[ 2 ].status.state, DMG_TX_QUEUED );   /* nonce 1 was not there yet */
  assert_int_equal( it[ 3 ].status.state, DMG_TX_POOLED );
  assert_memory_equal( it[ 4 ].id.b, it[ 1 ].id.b, 32 );
  /* A first one with a bad signature brings nothing. */
  uint8_t * bad = dmg_arena_alloc( arena, 65536 );
  dmg_span_t first = make_tx( chain, &schema, &s[ 5 ], (opts_t){ .nonce = 0, .fee_max = o.fee_max, .has_init = true } );
  memcpy( bad, first.p, first.sz );
  bad[ first.sz-1 ] ^= 1;
  it[ 0 ] = (dmg_query_submit_t){ .raw = dmg_span( bad, first.sz ) };
  it[ 1 ] = (dmg_query_submit_t){ .raw = make_tx( chain, &schema, &s[ 5 ], (opts_t){ .nonce = 1, .fee_max = o.fee_max } ) };
  q->tx_submit( q->ctx, it, 2 );
  assert_string_equal( it[ 0 ].why.name, "signature" );
  assert_string_equal( it[ 1 ].why.name, "account" );
  q->tx_submit( q->ctx, it, 0 );
  close_chain( chain );
}

int main( int argc, char ** argv ) {
  if( argc>1 && !strcmp( argv[ 1 ], DMG_COMPILE_CHILD_VERB ) ) return dmg_compile_child_main( argc, argv );
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_many_hear_what_each_would_alone ),
    cmocka_unit_test( test_what_comes_before_in_a_call_counts ),
  };
  return cmocka_run_group_tests( tests, setup, teardown );
}
