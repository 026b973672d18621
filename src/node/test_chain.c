/* chain: a whole chain of one in this process: transfers become final, proofs hold, cheats work, a data folder
   comes back as it was.  The modules are the real ones, from build/.. (DMG_TEST_MODULES). */
#include "node/test_chain_util.h"
#include "node/chain_int.h"
#include "types/params.h"

#include <pthread.h>
#include <stdatomic.h>

static void test_transfer_becomes_final_and_is_proven( void ** state ) {
  dmg_chain_t * chain = open_chain( NULL, DMG_PACE_AUTO, 1764000000000u );
  dmg_query_t const * q = dmg_chain_query( chain );
  dmg_hash_t id, nobody = { { 7, 7 } };
  uint64_t before = free_of( chain, &accounts[ 0 ].address );
  assert_int_equal( before, 1000000ull*DMG_SPARKS_PER_CGT );
  send( chain, &accounts[ 0 ], &nobody, 5*DMG_SPARKS_PER_CGT, 0, &id );
  dmg_query_tx_status_t s = wait_final( chain, &id );
  assert_int_equal( s.state, DMG_TX_FINAL );
  assert_int_equal( s.receipt_status, DMG_STATUS_OK );
  assert_int_equal( free_of( chain, &nobody ), 5*DMG_SPARKS_PER_CGT );
  /* Amount, fee, and the deposit of a first payment to an address: 85 bytes (R5.8). */
  uint64_t spent = before-free_of( chain, &accounts[ 0 ].address );
  dmg_span_t raw, receipt_raw;
  dmg_receipt_t * receipt;
  assert_int_equal( q->tx( q->ctx, &id, arena, &raw, &receipt_raw, &s ), DMG_OK );
  assert_int_equal( dmg_receipt_decode( receipt_raw, arena, &receipt ).kind, DMG_VERDICT_GOOD );
  assert_int_equal( receipt->held, 850000 );
  assert_int_equal( spent, 5*DMG_SPARKS_PER_CGT+receipt->fee+receipt->tip+receipt->held-receipt->returned );

  /* The state after its block is proven by the next header (S1.4). */
  dmg_query_view_t view;
  dmg_query_proof_t proof;
  dmg_header_t header;
  uint8_t key[ DMG_KEY_MAX ];
  dmg_span_t value, k = dmg_span( key, dmg_key_free( &nobody, key ) );
  assert_int_equal( q->view_open( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HEIGHT, .height = s.height }, &view ), DMG_OK );
  for( int i = 0; i<2000 && q->view_prove( q->ctx, &view, k, arena, &proof ); i++ ) dmg_os_sleep_ns( 1000000 );
  assert_int_equal( q->view_prove( q->ctx, &view, k, arena, &proof ), DMG_OK );
  assert_int_equal( q->view_get( q->ctx, &view, k, arena, &value ), DMG_OK );
  q->view_close( q->ctx, &view );
  assert_int_equal( dmg_header_decode( proof.header, &header ).kind, DMG_VERDICT_GOOD );
  assert_int_equal( header.height, s.height+1 );
  assert_int_equal( dmg_state_proof_check( &header.parent_state_root, k, &value, proof.tree ), DMG_STATE_PROOF_GOOD );
  close_chain( chain );
}

static void test_bad_transactions_are_refused_by_name( void ** state ) {
  dmg_chain_t * chain = open_chain( NULL, DMG_PACE_MANUAL, 1764000000000u );
  dmg_query_t const * q = dmg_chain_query( chain );
  dmg_hash_t id, got, to = { { 9 } };
  dmg_query_tx_status_t s;
  dmg_query_submit_t it;
  dmg_span_t good = transfer( chain, &accounts[ 0 ], &to, 1000, 0, &id );
  uint8_t * bad = dmg_arena_alloc( arena, good.sz+1 );

  memcpy( bad, good.p, good.sz );
  bad[ good.sz-1 ] ^= 1;   /* the signature's last byte */
  assert_int_equal( submit( chain, dmg_span( bad, good.sz ), &it ), DMG_ERR_INVALID );
  assert_string_equal( it.why.name, "signature" );
  /* R4.1a: a bad copy leaves no trace. */
  q->tx_status( q->ctx, &id, &s );
  assert_int_equal( s.state, DMG_TX_UNKNOWN );

  memcpy( bad, good.p, good.sz );
  bad[ 1 ] ^= 1;           /* the chain id */
  assert_int_equal( submit( chain, dmg_span( bad, good.sz ), &it ), DMG_ERR_INVALID );
  assert_string_equal( it.why.name, "chain" );

  bad[ good.sz ] = 0;
  memcpy( bad, good.p, good.sz );
  assert_int_equal( submit( chain, dmg_span( bad, good.sz+1 ), &it ), DMG_ERR_INVALID );
  assert_int_equal( submit( chain, dmg_span( bad, 10 ), &it ), DMG_ERR_INVALID );

  assert_int_equal( submit( chain, transfer( chain, &accounts[ 0 ], &to, 1000, 65, &got ), &it ), DMG_ERR_INVALID );
  assert_string_equal( it.why.name, "nonce" );

  assert_int_equal( submit( chain, good, &it ), DMG_OK );
  assert_int_equal( it.status.state, DMG_TX_POOLED );
  /* Idempotent: a known id answers its status. */
  assert_int_equal( submit( chain, good, &it ), DMG_OK );
  close_chain( chain );
}

static void test_manual_blocks_snapshot_and_revert( void ** state ) {
  dmg_chain_t * chain = open_chain( NULL, DMG_PACE_MANUAL, 1764000000000u );
  dmg_query_t const * q = dmg_chain_query( chain );
  dmg_hash_t id, to = { { 9 } };
  dmg_at_block_t head;
  dmg_query_chain_t info;
  uint32_t snap;
  assert_int_equal( q->dev->mine( q->ctx, 3, 1000, &head ), DMG_OK );
  assert_int_equal( head.height, 3 );
  q->chain( q->ctx, &info );
  assert_int_equal( info.head_ms, 1764000003000u );
  assert_int_equal( info.price, dmg_param_desc[ DMG_PARAM_PRICE_FLOOR ].def );   /* empty blocks leave it there (R5.9) */
  assert_int_equal( q->dev->snapshot( q->ctx, &snap ), DMG_OK );
  send( chain, &accounts[ 1 ], &to, 12345, 0, &id );
  assert_int_equal( q->dev->mine( q->ctx, 1, 0, &head ), DMG_OK );
  /* An empty block follows, so that the state is provable. */
  assert_int_equal( head.height, 5 );
  assert_int_equal( free_of( chain, &to ), 12345 );
  /* At an older block what it was then, whatever is kept of the head. */
  dmg_query_holding_t h;
  assert_int_equal( q->holding( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HEIGHT, .height = 3 }, &to, arena, &h ), DMG_OK );
  assert_true( !h.free && h.at.height==3 );
  assert_int_equal( q->holding( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HEIGHT, .height = 0 }, &accounts[ 1 ].address, arena, &h ), DMG_OK );
  assert_true( h.free && !h.at.height );
  assert_int_equal( q->holding( q->ctx, &(dmg_at_t){ .kind = DMG_AT_FINAL }, &to, arena, &h ), DMG_OK );
  assert_true( h.free==12345 && h.at.height==5 );
  assert_int_equal( q->holding( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HEIGHT, .height = 6 }, &to, arena, &h ), DMG_ERR_NOT_FOUND );
  assert_int_equal( q->holding( q->ctx, &(dmg_at_t){ .kind = DMG_AT_PENDING }, &to, arena, &h ), DMG_ERR_UNSUPPORTED );
  assert_int_equal( q->dev->revert( q->ctx, snap ), DMG_OK );
  q->chain( q->ctx, &info );
  assert_int_equal( info.head.height, 3 );
  assert_int_equal( free_of( chain, &to ), 0 );
  dmg_query_tx_status_t s;
  q->tx_status( q->ctx, &id, &s );
  assert_int_equal( s.state, DMG_TX_UNKNOWN );
  /* The same transaction again, on the same nonce. */
  send( chain, &accounts[ 1 ], &to, 12345, 0, &id );
  assert_int_equal( q->dev->mine( q->ctx, 1, 0, &head ), DMG_OK );
  assert_int_equal( free_of( chain, &to ), 12345 );
  assert_int_equal( q->dev->revert( q->ctx, 63 ), DMG_ERR_NOT_FOUND );
  assert_int_equal( q->dev->set_time( q->ctx, 5 ), DMG_ERR_INVALID );
  close_chain( chain );
}

/* Each snapshot pins the store: as many as are given out must leave the chain what it needs to go on. */
static void test_snapshots_end_before_the_chain_does( void ** state ) {
  dmg_chain_t * chain = open_chain( NULL, DMG_PACE_MANUAL, 1764000000000u );
  dmg_query_t const * q = dmg_chain_query( chain );
  dmg_at_block_t head;
  dmg_err_t err = DMG_OK;
  uint32_t snap = 0, again, cnt = 0;
  for( ; !( err = q->dev->snapshot( q->ctx, &snap ) ); cnt++ ) {
    assert_int_equal( snap, cnt );
    assert_int_equal( q->dev->snapshot( q->ctx, &again ), DMG_OK );   /* the same block: the same snapshot */
    assert_int_equal( again, snap );
    assert_true( cnt<1000 );
    assert_int_equal( q->dev->mine( q->ctx, 1, 0, &head ), DMG_OK );
  }
  assert_int_equal( err, DMG_ERR_LIMIT );
  assert_int_equal( cnt, 16 );
  assert_int_equal( q->dev->mine( q->ctx, 3, 0, &head ), DMG_OK );
  assert_int_equal( head.height, 19 );
  assert_int_equal( q->dev->revert( q->ctx, 7 ), DMG_OK );   /* and those above are gone */
  assert_int_equal( q->dev->mine( q->ctx, 1, 0, &head ), DMG_OK );
  assert_int_equal( head.height, 8 );
  for( cnt = 0; !( err = q->dev->snapshot( q->ctx, &snap ) ) && cnt<1000; cnt++ ) assert_int_equal( q->dev->mine( q->ctx, 1, 0, &head ), DMG_OK );
  assert_int_equal( err, DMG_ERR_LIMIT );
  assert_int_equal( cnt, 8 );
  close_chain( chain );
}

static void test_faucet_and_set_balance( void ** state ) {
  dmg_chain_t * chain = open_chain( NULL, DMG_PACE_AUTO, 1764000000000u );
  dmg_query_t const * q = dmg_chain_query( chain );
  dmg_hash_t id, a = { { 1 } }, b = { { 2 } };
  dmg_query_chain_t info;
  uint32_t snap;
  q->chain( q->ctx, &info );
  assert_false( info.is_supply_broken );
  assert_int_equal( q->dev->snapshot( q->ctx, &snap ), DMG_OK );
  /* F2.5: coins from nowhere are told, until as many are gone or the state is back. */
  assert_int_equal( q->dev->set_balance( q->ctx, &a, 777 ), DMG_OK );
  assert_int_equal( free_of( chain, &a ), 777 );
  q->chain( q->ctx, &info );
  assert_true( info.is_supply_broken );
  assert_int_equal( q->dev->set_balance( q->ctx, &accounts[ 4 ].address, free_of( chain, &accounts[ 4 ].address )-777 ), DMG_OK );
  q->chain( q->ctx, &info );
  assert_false( info.is_supply_broken );
  assert_int_equal( q->dev->set_balance( q->ctx, &a, 0 ), DMG_OK );
  q->chain( q->ctx, &info );
  assert_true( info.is_supply_broken );
  assert_int_equal( q->dev->revert( q->ctx, snap ), DMG_OK );
  q->chain( q->ctx, &info );
  assert_false( info.is_supply_broken );
  assert_int_equal( q->dev->faucet( q->ctx, &b, 42, &id ), DMG_OK );
  dmg_query_tx_status_t s = wait_final( chain, &id );
  assert_int_equal( s.state, DMG_TX_FINAL );
  assert_int_equal( s.receipt_status, DMG_STATUS_OK );
  assert_int_equal( free_of( chain, &b ), 42 );
  close_chain( chain );
}

static void test_a_data_folder_comes_back_as_it_was( void ** state ) {
  char dir[] = "/tmp/dmg-chain-XXXXXX", cmd[ 64 ];
  assert_non_null( mkdtemp( dir ) );
  dmg_hash_t id, to = { { 9 } };
  dmg_chain_t * chain = open_chain( dir, DMG_PACE_MANUAL, 1764000000000u );
  dmg_query_t const * q = dmg_chain_query( chain );
  dmg_at_block_t head;
  dmg_query_chain_t before, after;
  send( chain, &accounts[ 2 ], &to, 999, 0, &id );
  assert_int_equal( q->dev->mine( q->ctx, 2, 0, &head ), DMG_OK );
  q->chain( q->ctx, &before );
  close_chain( chain );

  chain = open_chain( dir, DMG_PACE_MANUAL, 1764000000000u );
  q = dmg_chain_query( chain );
  q->chain( q->ctx, &after );
  assert_int_equal( after.head.height, before.head.height );
  assert_memory_equal( after.head.hash.b, before.head.hash.b, 32 );
  assert_int_equal( after.price, before.price );
  assert_int_equal( free_of( chain, &to ), 999 );
  dmg_query_tx_status_t s = wait_final( chain, &id );
  assert_int_equal( s.state, DMG_TX_FINAL );
  send( chain, &accounts[ 2 ], &to, 1, 1, &id );
  assert_int_equal( q->dev->mine( q->ctx, 1, 0, &head ), DMG_OK );
  assert_int_equal( free_of( chain, &to ), 1000 );
  /* What a restart would undo is refused. */
  uint32_t snap;
  assert_int_equal( q->dev->snapshot( q->ctx, &snap ), DMG_ERR_UNSUPPORTED );
  assert_int_equal( q->dev->set_balance( q->ctx, &to, 5 ), DMG_ERR_UNSUPPORTED );
  close_chain( chain );

  /* Another chain's genesis is refused, nothing is changed. */
  dmg_dev_genesis_cfg_t gcfg = { .time_ms = 1764000000001u, .name = "dev", .modules = modules, .module_cnt = 2 };
  dmg_chain_cfg_t cfg = { .modules = modules, .module_cnt = 2, .data_dir = dir, .cache_dir = cache_dir, .is_dev = true, .dev_accounts = accounts, .tree_sz_max = 64<<20 };
  uint8_t key[ 96 ];
  char why[ 512 ];
  assert_int_equal( dmg_dev_genesis( &gcfg, accounts, arena, &cfg.genesis ), DMG_OK );
  dmg_dev_validator( cfg.validator_secret, key );
  assert_int_equal( dmg_chain_open( &cfg, &chain, why ), DMG_ERR_CHAIN );
  assert_non_null( strstr( why, "genesis" ) );
  snprintf( cmd, sizeof cmd, "rm -rf %s", dir );
  assert_int_equal( system( cmd ), 0 );
}

/* What rpc does on an event: locks and reads of its own. */
typedef struct { dmg_chain_t * chain; pthread_mutex_t lock; _Atomic bool is_over; _Atomic uint32_t blocks, statuses, reads, wrong; dmg_span_t txs[ 48 ]; dmg_hash_t ids[ 48 ]; } crowd_t;

static bool read_once( crowd_t * c, dmg_hash_t const * who, dmg_arena_t * mem ) {
  dmg_query_t const * q = dmg_chain_query( c->chain );
  dmg_query_view_t view;
  dmg_query_proof_t proof;
  dmg_query_block_t block;
  dmg_query_tx_status_t status;
  dmg_span_t v, raw, receipt;
  uint8_t key[ DMG_KEY_MAX ];
  uint64_t state, next;
  dmg_arena_reset( mem );
  if( q->view_open( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HEAD }, &view ) ) return false;
  bool is_good = !q->view_get( q->ctx, &view, dmg_span( key, dmg_key_free( who, key ) ), mem, &v );
  is_good &= !dmg_counter_parse( v, true, NULL, &state );
  /* What is kept of the head is of the head: a view of the block it names says the same. */
  for( int kind = 0; kind<2; kind++ ) {
    dmg_query_holding_t h = { 0 };
    dmg_query_view_t then = { 0 };
    is_good &= !q->holding( q->ctx, &(dmg_at_t){ .kind = kind ? DMG_AT_HEAD : DMG_AT_HASH, .hash = view.at.hash }, who, mem, &h );
    if( !kind ) is_good &= h.free==state && dmg_hash_eq( &h.at.hash, &view.at.hash );
    is_good &= !q->view_open( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HASH, .hash = h.at.hash }, &then );
    is_good &= !q->view_get( q->ctx, &then, dmg_span( key, dmg_key_free( who, key ) ), mem, &raw ) && !dmg_counter_parse( raw, true, NULL, &next ) && next==h.free;
    q->view_close( q->ctx, &then );
  }
  dmg_err_t err = q->view_prove( q->ctx, &view, dmg_span( key, dmg_key_free( who, key ) ), mem, &proof );
  is_good &= !err || err==DMG_ERR_AGAIN;
  q->view_close( q->ctx, &view );
  /* No block yet is an answer, half a one is not. */
  err = q->block( q->ctx, &(dmg_at_t){ .kind = DMG_AT_FINAL }, mem, &block );
  is_good &= !err || err==DMG_ERR_NOT_FOUND;
  for( uint32_t i = 0; i<48; i += 7 ) {
    q->tx_status( q->ctx, &c->ids[ i ], &status );
    err = q->tx( q->ctx, &c->ids[ i ], mem, &raw, &receipt, &status );
    is_good &= !err || err==DMG_ERR_NOT_FOUND;
  }
  return is_good & !q->nonce( q->ctx, who, 0, &state, &next );
}

static void crowd_on_block( void * ctx, dmg_at_block_t const * at, uint64_t time_ms, uint32_t tx_cnt ) {
  crowd_t * c = ctx;
  dmg_query_view_t view;
  pthread_mutex_lock( &c->lock );
  dmg_query_t const * q = dmg_chain_query( c->chain );
  /* After a revert the block may be gone. */
  if( !q->view_open( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HEIGHT, .height = at->height }, &view ) ) q->view_close( q->ctx, &view );
  c->blocks++;
  pthread_mutex_unlock( &c->lock );
}
static void crowd_on_tx( void * ctx, dmg_hash_t const * id, dmg_query_tx_status_t const * status ) {
  crowd_t * c = ctx;
  pthread_mutex_lock( &c->lock );
  c->statuses++;
  pthread_mutex_unlock( &c->lock );
}

static void * crowd_reader( void * ctx ) {
  crowd_t * c = ctx;
  dmg_arena_t * mem = dmg_arena_new( 16<<20 );
  while( !c->is_over ) {
    if( !read_once( c, &accounts[ 1 ].address, mem ) ) c->wrong++;
    c->reads++;
  }
  dmg_arena_free( mem );
  return NULL;
}

static void * crowd_sender( void * ctx ) {
  crowd_t * c = ctx;
  dmg_query_t const * q = dmg_chain_query( c->chain );
  for( uint32_t i = 0; !c->is_over; i = ( i+1 )%48 ) {
    dmg_query_submit_t it = { .raw = c->txs[ i ] };
    /* Refusals are fine: a revert takes nonces back. */
    q->tx_submit( q->ctx, &it, 1 );
  }
  return NULL;
}

/* Readers, a sender, events and cheats at once: nothing hangs, no read sees half a block (and no race, under TSan). */
static void test_readers_senders_and_reverts_at_once( void ** state ) {
  static crowd_t c;
  dmg_query_events_t events = { .ctx = &c, .on_block = crowd_on_block, .on_tx = crowd_on_tx };
  pthread_t reader[ 2 ], sender;
  uint32_t snap;
  dmg_at_block_t head;
  pthread_mutex_init( &c.lock, NULL );
  pthread_mutex_lock( &c.lock );   /* events of the first block wait for c.chain */
  c.chain = open_chain_told( NULL, DMG_PACE_AUTO, 1764000000000u, &events );
  pthread_mutex_unlock( &c.lock );
  dmg_query_t const * q = dmg_chain_query( c.chain );
  for( uint32_t i = 0; i<48; i++ ) c.txs[ i ] = transfer( c.chain, &accounts[ 0 ], &accounts[ 1 ].address, 1+i, i, &c.ids[ i ] );
  assert_int_equal( q->dev->snapshot( q->ctx, &snap ), DMG_OK );
  for( int i = 0; i<2; i++ ) assert_int_equal( pthread_create( &reader[ i ], NULL, crowd_reader, &c ), 0 );
  assert_int_equal( pthread_create( &sender, NULL, crowd_sender, &c ), 0 );
  for( uint32_t round = 0; round<6; round++ ) {
    dmg_os_sleep_ns( 30000000 );
    dmg_hash_t who = { { (uint8_t)( round+1 ), 3 } };
    assert_int_equal( q->dev->set_balance( q->ctx, &who, 100+round ), DMG_OK );
    assert_int_equal( free_of( c.chain, &who ), 100+round );
    assert_int_equal( q->dev->mine( q->ctx, 2, 0, &head ), DMG_OK );
    assert_int_equal( q->dev->revert( q->ctx, snap ), DMG_OK );
    assert_int_equal( free_of( c.chain, &who ), 0 );
  }
  c.is_over = true;
  for( int i = 0; i<2; i++ ) pthread_join( reader[ i ], NULL );
  pthread_join( sender, NULL );
  close_chain( c.chain );
  assert_int_equal( c.wrong, 0 );
  assert_true( c.blocks>6 && c.statuses && c.reads );
}

/* F2.5: a transaction that arrives while a block is being made asks for a block of its own, not for the next second. */
static void test_no_transaction_waits_for_the_idle_block( void ** state ) {
  dmg_chain_t * chain = open_chain( NULL, DMG_PACE_AUTO, 1764000000000u );
  dmg_hash_t id;
  uint64_t slowest = 0;
  for( uint32_t i = 0; i<40; i++ ) {
    uint64_t began = dmg_os_mono_ns();
    send( chain, &accounts[ 3 ], &accounts[ 1 ].address, 1, i, &id );
    assert_int_equal( wait_final( chain, &id ).state, DMG_TX_FINAL );
    /* Sent into the middle of the empty block that follows, sooner or later. */
    dmg_os_sleep_ns( 100000u*( i%20 ) );
    uint64_t took = dmg_os_mono_ns()-began;
    if( took>slowest ) slowest = took;
  }
  close_chain( chain );
  /* A second is what the mistake costs, each time; a busy machine may cost some of it. */
  assert_true( slowest<900000000u );
}

static void test_manual_time_moves_only_when_told( void ** state ) {
  dmg_chain_t * chain = open_chain( NULL, DMG_PACE_MANUAL, 1764000000000u );
  dmg_query_t const * q = dmg_chain_query( chain );
  dmg_at_block_t head;
  dmg_query_chain_t info;
  assert_int_equal( q->dev->increase_time( q->ctx, 86400000 ), DMG_OK );
  assert_int_equal( q->dev->mine( q->ctx, 1, 1000, &head ), DMG_OK );
  q->chain( q->ctx, &info );
  assert_int_equal( info.head_ms, 1764000000000u+86400000 );
  assert_int_equal( q->dev->mine( q->ctx, 1, 1000, &head ), DMG_OK );
  q->chain( q->ctx, &info );
  assert_int_equal( info.head_ms, 1764000000000u+86400000+1000 );
  close_chain( chain );
}

/* F2.2: the same genesis and calls, the same hashes, the faucet included. */
static void test_a_seeded_manual_chain_repeats_itself( void ** state ) {
  dmg_hash_t head_hash[ 2 ];
  for( int run = 0; run<2; run++ ) {
    dmg_dev_genesis_cfg_t gcfg = { .time_ms = 1764000000000u, .name = "dev", .modules = modules, .module_cnt = 2 };
    dmg_chain_cfg_t cfg = { .modules = modules, .module_cnt = 2, .cache_dir = cache_dir, .pace = { .kind = DMG_PACE_MANUAL }, .is_dev = true, .dev_accounts = accounts, .tree_sz_max = 64<<20, .is_seeded = true };
    uint8_t key[ 96 ];
    char why[ 512 ];
    dmg_chain_t * chain;
    dmg_hash_t id, to = { { 7 } };
    dmg_at_block_t head;
    assert_int_equal( dmg_dev_genesis( &gcfg, accounts, arena, &cfg.genesis ), DMG_OK );
    dmg_dev_validator( cfg.validator_secret, key );
    assert_int_equal( dmg_chain_open( &cfg, &chain, why ), DMG_OK );
    assert_int_equal( dmg_chain_start( chain ), DMG_OK );
    dmg_query_t const * q = dmg_chain_query( chain );
    assert_int_equal( q->dev->faucet( q->ctx, &to, 42, &id ), DMG_OK );
    assert_int_equal( q->dev->faucet( q->ctx, &to, 42, &id ), DMG_OK );
    send( chain, &accounts[ 1 ], &to, 5, 0, &id );
    dmg_os_sleep_ns( 5000000 );   /* the wall clock moves on, the chain's does not */
    assert_int_equal( q->dev->mine( q->ctx, 2, 500, &head ), DMG_OK );
    assert_int_equal( q->dev->set_balance( q->ctx, &to, 9 ), DMG_OK );
    assert_int_equal( q->dev->mine( q->ctx, 1, 500, &head ), DMG_OK );
    assert_int_equal( free_of( chain, &to ), 9 );
    head_hash[ run ] = head.hash;
    close_chain( chain );
  }
  assert_memory_equal( head_hash[ 0 ].b, head_hash[ 1 ].b, 32 );
}

/* F2.5: few transactions go into a block at once, many share one. */
static void test_blocks_grow_under_load( void ** state ) {
  assert_int_equal( dmg_chain_hold_ns( 0, false ), 0 );
  assert_int_equal( dmg_chain_hold_ns( 1, false ), 100000 );
  assert_int_equal( dmg_chain_hold_ns( 499, false ), 49900000 );
  assert_int_equal( dmg_chain_hold_ns( 1000, false ), 50000000 );
  assert_int_equal( dmg_chain_hold_ns( 10000, false ), 50000000 );
  assert_int_equal( dmg_chain_hold_ns( UINT32_MAX, false ), 50000000 );
  assert_int_equal( dmg_chain_hold_ns( 10000, true ), 0 );
  /* 300 at once fill more than one block (by gas limits), and none of the blocks waits for the idle second. */
  dmg_chain_t * chain = open_chain( NULL, DMG_PACE_AUTO, 1764000000000u );
  dmg_query_t const * q = dmg_chain_query( chain );
  static dmg_query_submit_t it[ 300 ];
  dmg_hash_t id, to = { { 3 } };
  for( uint32_t i = 0; i<300; i++ ) it[ i ] = (dmg_query_submit_t){ .raw = transfer( chain, &accounts[ i%10 ], &to, 1+i, i/10, &id ) };
  uint64_t began = dmg_os_mono_ns();
  q->tx_submit( q->ctx, it, 300 );
  uint64_t last = 0;
  for( uint32_t i = 0; i<300; i++ ) {
    assert_int_equal( it[ i ].err, DMG_OK );
    dmg_query_tx_status_t s = wait_final( chain, &it[ i ].id );
    assert_int_equal( s.state, DMG_TX_FINAL );
    if( s.height>last ) last = s.height;
  }
  /* The last one's effects become provable as well. */
  dmg_query_chain_t info;
  do q->chain( q->ctx, &info ); while( info.head.height<=last && dmg_os_mono_ns()-began<20000000000u );
  assert_true( info.head.height>last );
  print_message( "300 transactions final and provable after %lu ms, %lu blocks\n", (unsigned long)( ( dmg_os_mono_ns()-began )/1000000 ), (unsigned long)info.head.height );
  assert_true( last<60 );
  close_chain( chain );
}

int main( int argc, char ** argv ) {
  if( argc>1 && !strcmp( argv[ 1 ], DMG_COMPILE_CHILD_VERB ) ) return dmg_compile_child_main( argc, argv );
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_transfer_becomes_final_and_is_proven ),
    cmocka_unit_test( test_bad_transactions_are_refused_by_name ),
    cmocka_unit_test( test_manual_blocks_snapshot_and_revert ),
    cmocka_unit_test( test_snapshots_end_before_the_chain_does ),
    cmocka_unit_test( test_faucet_and_set_balance ),
    cmocka_unit_test( test_a_data_folder_comes_back_as_it_was ),
    cmocka_unit_test( test_manual_time_moves_only_when_told ),
    cmocka_unit_test( test_a_seeded_manual_chain_repeats_itself ),
    cmocka_unit_test( test_no_transaction_waits_for_the_idle_block ),
    cmocka_unit_test( test_blocks_grow_under_load ),
    cmocka_unit_test( test_readers_senders_and_reverts_at_once ),
  };
  return cmocka_run_group_tests( tests, setup, teardown );
}
