/* A world of several drivers with whole chains in one thread, on a clock and links of its own.  For tests and benches of this folder. */
#ifndef DMG_NODE_TEST_VALIDATOR_UTIL_H
#define DMG_NODE_TEST_VALIDATOR_UTIL_H

#include "node/test_chain_util.h"
#include "node/validator_int.h"
#include "base/log.h"
#include "crypto/kdf.h"

#include <pthread.h>

enum { N_MAX = 5, GENESIS_S = 1764000000 };

typedef enum { TO_FRAME, TO_PUSHED, TO_HEADER, TO_BODY, TO_ASK_HEADER, TO_ASK_BODY, TO_LINK, TO_TXS } parcel_kind_t;
typedef struct { uint64_t at, seq; uint32_t to, from, life; uint8_t kind; dmg_hash_t hash; dmg_buf_t data; } parcel_t;

typedef struct {
  uint32_t            id, life;
  bool                is_up, is_durable;
  char                dir[ 64 ];        /* "": nothing is kept */
  dmg_vfs_t *         vfs;              /* a disk in memory, that can be cut and fail, .. */
  dmg_kv_t *          kv;               /* .. and its store; NULL: the machine's */
  uint8_t             secret[ 32 ], key[ 96 ];
  dmg_chain_t *       chain;
  dmg_validator_t *   v;
  dmg_validator_net_t net;
  uint64_t            wake_us;
  dmg_checkpoint_t    checkpoint;
  dmg_err_t           checkpoint_err;   /* a start that fails with this is what the test wants */
  bool                has_sync;
  uint64_t            sync_height, sync_given;
  dmg_cert_t          sync;
} peer_t;

static struct {
  uint64_t now, seq, rng;
  uint32_t n, hold;                     /* hold: bit i: the test takes node i's turns */
  bool     is_quick;                    /* links take no time and lose nothing */
  bool     is_threaded;                 /* jobs in threads of their own: the clock goes on while they work */
  uint64_t skip_ms;                     /* the wall clocks have leapt */
  uint64_t lag_us;                      /* inline: a job is seen to be done so much later */
  peer_t   p[ N_MAX ];
  parcel_t * parcels;
  size_t   cnt, cap;
  dmg_span_t genesis;
  uint64_t syncs, bodies, fetches, evidences;
  uint64_t told[ 2 ];                   /* proposals for topic block: by who votes for them, by who leads .. */
  uint8_t  told_last[ DMG_SIGNED_HEADER_SZ ];   /* .. the last of these */
  uint64_t pushed[ 64 ];                /* bodies, by view */
} w;

static bool is_first_enough;   /* node 0 of a world made now is a quorum by itself: a long chain is cheap */

static uint64_t rnd( uint64_t n ) { w.rng = w.rng*6364136223846793005u+1442695040888963407u; return ( w.rng>>33 )%n; }
static uint64_t wall( void ) { return (uint64_t)GENESIS_S*1000+w.skip_ms+w.now/1000; }

static void post( uint32_t from, uint32_t to, parcel_kind_t kind, dmg_hash_t const * hash, dmg_span_t data ) {
  if( !w.p[ to ].is_up ) return;
  if( w.cnt==w.cap ) { w.cap = w.cap ? 2*w.cap : 1024; w.parcels = realloc( w.parcels, w.cap*sizeof *w.parcels ); assert_non_null( w.parcels ); }
  parcel_t * p = &w.parcels[ w.cnt++ ];
  uint64_t us = w.is_quick ? 0 : kind==TO_LINK ? 5000 : 1000+rnd( 4000 );   /* an end is heard of before the start behind it */
  *p = (parcel_t){ .at = w.now+us, .seq = w.seq++, .to = to, .from = from, .life = w.p[ to ].life, .kind = kind, .data = dmg_buf( 1u<<24 ) };
  if( hash ) p->hash = *hash;
  assert_int_equal( dmg_buf_append( &p->data, data.p, data.sz ), DMG_OK );
}

/* ---- What a driver wants of the network ---- */

static bool is_off( peer_t const * p ) { return p->vfs && dmg_vfs_mem_is_off( p->vfs ); }

static void n_send( void * ctx, dmg_peers_t const * peers, dmg_span_t frame ) {
  peer_t * me = ctx;
  assert_false( is_off( me ) );   /* S8.6: nothing leaves behind a write that failed */
  for( uint32_t i = 0; i<w.n; i++ ) if( i!=me->id && dmg_peers_has( peers, i ) ) post( me->id, i, TO_FRAME, NULL, frame );
}
static void n_close( void * ctx, uint16_t peer, uint64_t for_us ) {}
static void n_push( void * ctx, uint32_t epoch, uint64_t view, dmg_hash_t const * body_hash, dmg_span_t body ) {
  peer_t * me = ctx;
  if( view<64 ) w.pushed[ view ]++;
  /* One in four is lost, and all to node 3: they are fetched then. */
  for( uint32_t i = 0; i<w.n; i++ ) if( i!=me->id && ( w.is_quick || ( i!=3 && rnd( 4 ) ) ) ) post( me->id, i, TO_PUSHED, body_hash, body );
}
static void n_fetch( void * ctx, dmg_validator_what_t what, dmg_hash_t const * block, dmg_header_t const * header, dmg_peers_t const * peers ) {
  peer_t * me = ctx;
  w.fetches++;
  for( uint32_t k = 0, at = (uint32_t)rnd( w.n ); k<w.n; k++, at = ( at+1 )%w.n )
    if( at!=me->id && w.p[ at ].is_up ) { post( me->id, at, what==DMG_VALIDATOR_BODY ? TO_ASK_BODY : TO_ASK_HEADER, block, dmg_span( NULL, 0 ) ); return; }
}
static void n_runs( void * ctx, dmg_hash_t const * block, dmg_hash_t const * root, uint32_t first, uint32_t count, dmg_peers_t const * peers ) { fail_msg( "no stall here is that long" ); }
static void n_sync( void * ctx, dmg_cert_t const * fin ) {
  peer_t * me = ctx;
  if( me->has_sync ) return;
  me->has_sync    = true;
  me->sync        = *fin;
  me->sync_given  = me->v->head.height;
  me->sync_height = UINT64_MAX;
}
static void n_synced( void * ctx, uint64_t height, bool is_ok ) {
  peer_t * me = ctx;
  assert_true( is_ok );
  w.syncs++;
  if( height>=me->sync_height ) me->has_sync = false;
}
static void n_final( void * ctx, dmg_header_t const * header, dmg_cert_t const * fin, bool is_first ) {}
static void n_block( void * ctx, dmg_span_t header, bool is_ours ) {
  assert_int_equal( header.sz, DMG_SIGNED_HEADER_SZ );
  w.told[ is_ours ]++;
  if( is_ours ) memcpy( w.told_last, header.p, header.sz );
}
static void n_evidence( void * ctx, dmg_span_t bytes ) { w.evidences++; }
static void n_members( void * ctx, uint32_t epoch, dmg_set_t const * set ) {}
static void n_view( void * ctx, uint32_t epoch, uint64_t cur, uint64_t final_view, uint32_t window ) {}

static void n_txs( void * ctx ) { peer_t * me = ctx; me->wake_us = w.now; }

/* ---- Nodes ---- */

static char why[ 512 ];

static bool try_start( peer_t * p ) {
  dmg_chain_cfg_t cfg = { .genesis = w.genesis, .modules = modules, .module_cnt = 2, .data_dir = *p->dir ? p->dir : NULL, .cache_dir = cache_dir, .is_several = true, .tree_sz_max = 64<<20,
                          .vfs = p->vfs, .kv = p->kv, .is_durable = p->is_durable, .checkpoint = p->checkpoint };
  memcpy( cfg.validator_secret, p->secret, 32 );
  dmg_vm_signals_restore();
  dmg_err_t err = dmg_chain_open( &cfg, &p->chain, why );
  if( err && is_off( p ) ) { p->chain = NULL; return false; }
  if( err ) fail_msg( "node %u: %s: %s", p->id, dmg_err_name( err ), why );
  p->net = (dmg_validator_net_t){ .ctx = p, .send = n_send, .close = n_close, .push_body = n_push, .block = n_block, .fetch = n_fetch, .fetch_runs = n_runs, .sync_to = n_sync, .synced = n_synced, .final = n_final, .evidence = n_evidence,
                                 .members = n_members, .view = n_view };
  dmg_validator_cfg_t vcfg = { .chain = p->chain, .net = &p->net, .on_txs = n_txs, .on_txs_ctx = p, .is_threaded = w.is_threaded, .lag_us = w.lag_us };
  err = dmg_validator_open( &vcfg, w.now, wall(), &p->v, why );
  if( err && ( is_off( p ) || p->checkpoint_err ) ) { assert_true( is_off( p ) || err==p->checkpoint_err ); dmg_chain_close( p->chain ); p->chain = NULL; return false; }
  if( err ) fail_msg( "node %u: %s: %s", p->id, dmg_err_name( err ), why );
  p->is_up    = true;
  p->has_sync = false;
  p->wake_us  = w.now;
  for( uint32_t i = 0; i<w.n; i++ ) if( i!=p->id && w.p[ i ].is_up ) { post( i, p->id, TO_LINK, NULL, DMG_SPAN( "\1" ) ); post( p->id, i, TO_LINK, NULL, DMG_SPAN( "\1" ) ); }
  return true;
}
static inline void start_node( peer_t * p ) { assert_true( try_start( p ) ); }
static inline void start_all( void ) { for( uint32_t i = 0; i<w.n; i++ ) start_node( &w.p[ i ] ); }

/* A kill: what was not synced is not what a test of a process can show (chain_crash); nothing is said to anybody. */
static void stop_node( peer_t * p ) {
  dmg_validator_close( p->v );
  dmg_chain_close( p->chain );
  p->v     = NULL;
  p->chain = NULL;
  p->is_up = false;
  p->life++;
  for( uint32_t i = 0; i<w.n; i++ ) if( i!=p->id ) post( p->id, i, TO_LINK, NULL, DMG_SPAN( "" ) );
}

static void make_world( uint32_t n, uint64_t seed, uint64_t epoch_blocks ) {
  dmg_dev_member_t members[ N_MAX ];
  memset( &w, 0, sizeof w );
  w.n   = n;
  w.rng = seed;
  printf( "seed %lu\n", (unsigned long)seed );
  for( uint32_t i = 0; i<n; i++ ) {
    peer_t * p = &w.p[ i ];
    uint8_t ikm[ 32 ] = { (uint8_t)( 1+i ), 7 };
    dmg_bls_key_t key;
    p->id = i;
    assert_true( dmg_bls_keygen( DMG_SPAN( ikm ), p->secret ) && dmg_bls_public( p->secret, &key ) );
    dmg_bls_key_store( &key, p->key );
    members[ i ] = (dmg_dev_member_t){ .account = accounts[ i ].address, .bond = ( is_first_enough && !i ? 10000000ull : 1000000ull )*DMG_SPARKS_PER_CGT };
    memcpy( members[ i ].secret, p->secret, 32 );
  }
  dmg_dev_genesis_cfg_t gcfg = { .time_ms = (uint64_t)GENESIS_S*1000, .name = "several", .modules = modules, .module_cnt = 2, .members = members, .member_cnt = n, .epoch_blocks = epoch_blocks };
  assert_int_equal( dmg_dev_genesis( &gcfg, accounts, arena, &w.genesis ), DMG_OK );
}

/* As a tool that makes a genesis does: a key that has signed nothing (C6.5). */
static void init_key( peer_t * p, dmg_vfs_t * vfs ) {
  char path[ 128 ];
  snprintf( path, sizeof path, "%s/safety.bin", p->dir );
  dmg_signer_cfg_t cfg = { .vfs = vfs, .path = path, .chain_id = dmg_genesis_hash( w.genesis ), .is_durable = true };
  memcpy( cfg.secret, p->secret, 32 );
  dmg_signer_host( cfg.host );
  assert_int_equal( dmg_signer_init( &cfg, 0 ), DMG_OK );
}

/* A validator on a disk in memory. */
__attribute__(( unused )) static void lend_disk( peer_t * p ) {
  assert_int_equal( dmg_vfs_mem( (uint64_t)1<<30, &p->vfs ), DMG_OK );
  assert_int_equal( dmg_kv_mem_open( (uint64_t)1<<30, &p->kv ), DMG_OK );
  dmg_vfs_mem_off_at( p->vfs, UINT64_MAX-1 );
  snprintf( p->dir, sizeof p->dir, "/lent" );
  p->is_durable = true;
  init_key( p, p->vfs );
}
__attribute__(( unused )) static void lend_disks( void ) { for( uint32_t i = 0; i<w.n; i++ ) lend_disk( &w.p[ i ] ); }

static void end_world( void ) {
  for( uint32_t i = 0; i<w.n; i++ ) {
    if( w.p[ i ].is_up ) stop_node( &w.p[ i ] );
    if( w.p[ i ].vfs ) { dmg_vfs_free( w.p[ i ].vfs ); dmg_kv_close( w.p[ i ].kv ); }
  }
  for( size_t i = 0; i<w.cnt; i++ ) dmg_buf_fini( &w.parcels[ i ].data );
  free( w.parcels );
}

static dmg_cons_info_t info_of( peer_t * p ) { dmg_validator_info_t i; dmg_validator_info( p->v, &i ); return i.cons; }
static uint64_t height_of( peer_t * p ) {
  pthread_mutex_lock( &p->chain->lock );
  uint64_t height = p->chain->head.block.height;
  pthread_mutex_unlock( &p->chain->lock );
  return height;
}

/* Two NOTARIZE votes of one view, signed by that node; is_lie: not. */
__attribute__(( unused )) static dmg_span_t pair_of( peer_t const * by, dmg_chain_t const * chain, uint32_t epoch, uint64_t view, bool is_lie, uint8_t out[ DMG_EVIDENCE_SZ_MAX ] ) {
  static dmg_evidence_t e;
  memset( &e, 0, sizeof e );
  uint16_t signer = 0;
  while( memcmp( chain->set.members[ signer ].key, by->key, sizeof by->key ) ) { signer++; assert_true( signer<chain->set.cnt ); }
  for( unsigned k = 0; k<2; k++ ) {
    dmg_side_t * s = k ? &e.b : &e.a;
    uint8_t msg[ DMG_VOTE_MSG_SZ ];
    dmg_bls_sig_t sig;
    s->vote = (dmg_vote_stored_t){ .kind = DMG_VOTE_NOTARIZE, .epoch = epoch, .view = view, .hash = { { (uint8_t)( k+1 ) } }, .signer = signer };
    dmg_vote_msg( DMG_VOTE_NOTARIZE, &chain->chain_id, epoch, is_lie && k ? view+1 : view, &s->vote.hash, msg );
    assert_true( dmg_bls_sign( by->secret, DMG_BLS_VOTE, DMG_SPAN( msg ), &sig ) );
    dmg_bls_sig_store( &sig, s->vote.sig );
  }
  return dmg_span( out, dmg_evidence_encode( &e, out, DMG_EVIDENCE_SZ_MAX ) );
}

/* ---- Time ---- */

static void deliver( parcel_t * q ) {
  peer_t * p = &w.p[ q->to ], * from = &w.p[ q->from ];
  dmg_span_t data = dmg_buf_span( &q->data );
  if( !p->is_up || p->life!=q->life ) return;
  switch( q->kind ) {
  case TO_FRAME:  dmg_validator_frame( p->v, (uint16_t)q->from, data ); break;
  case TO_PUSHED: w.bodies++; dmg_validator_pushed( p->v, &q->hash, data ); break;
  case TO_HEADER: dmg_validator_got( p->v, DMG_VALIDATOR_HEADER, &q->hash, data.sz ? data : dmg_span( NULL, 0 ) ); break;
  case TO_BODY:   dmg_validator_got( p->v, DMG_VALIDATOR_BODY, &q->hash, data.sz ? data : dmg_span( NULL, 0 ) ); break;
  case TO_LINK:   if( data.sz<2 || from->is_up ) dmg_validator_link( p->v, (uint16_t)q->from, data.sz==2, from->key ); break;
  case TO_ASK_HEADER: {
    uint8_t h[ DMG_SIGNED_HEADER_SZ ];
    post( q->to, q->from, TO_HEADER, &q->hash, dmg_validator_header( p->v, &q->hash, h ) ? dmg_span( NULL, 0 ) : DMG_SPAN( h ) );
    break;
  }
  case TO_ASK_BODY: {
    dmg_buf_t b = dmg_buf( 1u<<24 );
    if( dmg_validator_body( p->v, &q->hash, &b ) ) dmg_buf_clear( &b );
    post( q->to, q->from, TO_BODY, &q->hash, dmg_buf_span( &b ) );
    dmg_buf_fini( &b );
    break;
  }
  case TO_TXS: {
    dmg_span_t txs[ 64 ];
    uint32_t cnt = 0;
    for( size_t at = 0; at+4<=data.sz && cnt<64; at += 4+dmg_load_u32le( data.p+at ) ) txs[ cnt++ ] = dmg_span( data.p+at+4, dmg_load_u32le( data.p+at ) );
    (void)!dmg_validator_txs( p->v, txs, cnt );
    break;
  }
  }
  p->wake_us = w.now;
}

/* The next block on the way to what sync_to named, from whoever has it. */
static void sync_step( peer_t * p ) {
  dmg_query_block_t b;
  dmg_signed_header_t sh;
  for( uint32_t i = 0; i<w.n; i++ ) {
    peer_t * o = &w.p[ i ];
    if( o==p || !o->is_up || height_of( o )<=p->sync_given || p->sync_given>=height_of( p )+64 || p->sync_height!=UINT64_MAX ) continue;
    dmg_query_t const * q = dmg_chain_query( o->chain );
    dmg_arena_t * a = dmg_arena_new( 16<<20 );
    assert_int_equal( q->block( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HEIGHT, .height = p->sync_given+1 }, a, &b ), DMG_OK );
    assert_int_equal( dmg_signed_header_decode( b.signed_header, &sh ).kind, DMG_VERDICT_GOOD );
    bool is_last = dmg_hash_eq( &b.at.hash, &p->sync.hash );
    assert_int_equal( dmg_validator_sync( p->v, &sh, &b.at.hash, b.body, is_last ? &p->sync : NULL ), DMG_OK );
    dmg_arena_free( a );
    p->sync_given++;
    if( is_last ) p->sync_height = b.at.height;
    p->wake_us = w.now;
    return;
  }
}

/* A thread's work has no time on this clock: it is looked for each millisecond of it, while the thread has a little real time. */
static void look_for_jobs( peer_t * p ) {
  if( !w.is_threaded || !dmg_jobs_cnt( p->v->jobs ) || p->wake_us<=w.now ) return;
  dmg_os_sleep_ns( 100000 );
  p->wake_us = w.now+1000;
}

static void send_txs( peer_t * p ) {
  dmg_buf_t out = dmg_buf( DMG_CHAIN_OUTBOX_SZ_MAX );
  dmg_validator_take_txs( p->v, &out );
  for( uint32_t i = 0; i<w.n && out.sz; i++ ) if( i!=p->id ) post( p->id, i, TO_TXS, NULL, dmg_buf_span( &out ) );
  dmg_buf_fini( &out );
}

static dmg_err_t turn( peer_t * p ) {
  dmg_err_t err = dmg_validator_turn( p->v, w.now, wall(), &p->wake_us );
  if( p->has_sync && !err ) sync_step( p );
  send_txs( p );
  if( !err ) look_for_jobs( p );
  return err;
}

/* One moment: what is due is delivered, who is due takes turns. */
static void moment( void ) {
  uint64_t next = UINT64_MAX;
  for( size_t i = 0; i<w.cnt; i++ ) if( w.parcels[ i ].at<next ) next = w.parcels[ i ].at;
  for( uint32_t i = 0; i<w.n; i++ ) if( w.p[ i ].is_up && w.p[ i ].wake_us<next && !( w.hold>>i&1 ) ) next = w.p[ i ].wake_us;
  assert_true( next!=UINT64_MAX );
  if( next>w.now ) w.now = next;
  for( ;; ) {
    size_t best = w.cnt;
    for( size_t i = 0; i<w.cnt; i++ ) if( w.parcels[ i ].at<=w.now && ( best==w.cnt || w.parcels[ i ].seq<w.parcels[ best ].seq ) ) best = i;
    if( best==w.cnt ) break;
    parcel_t q = w.parcels[ best ];
    w.parcels[ best ] = w.parcels[ --w.cnt ];
    deliver( &q );
    dmg_buf_fini( &q.data );
  }
  for( uint32_t i = 0; i<w.n; i++ ) {
    peer_t * p = &w.p[ i ];
    if( p->is_up && is_off( p ) ) { stop_node( p ); continue; }
    if( !p->is_up || p->wake_us>w.now || w.hold>>i&1 ) continue;
    dmg_err_t err = turn( p );
    if( is_off( p ) ) { assert_int_not_equal( err, DMG_OK ); stop_node( p ); continue; }
    if( err ) fail_msg( "node %u: %s", i, dmg_err_name( err ) );
  }
}

__attribute__(( unused )) static uint64_t lowest( void ) {
  uint64_t h = UINT64_MAX;
  for( uint32_t i = 0; i<w.n; i++ ) if( w.p[ i ].is_up && height_of( &w.p[ i ] )<h ) h = height_of( &w.p[ i ] );
  return h;
}
/* Until all that are up have committed this height; seconds of the clock at most. */
__attribute__(( unused )) static void run_to( uint64_t height, uint64_t seconds ) {
  uint64_t end = w.now+seconds*1000000u;
  while( lowest()<height ) {
    moment();
    if( w.now<=end ) continue;
    for( uint32_t i = 0; i<w.n; i++ ) if( w.p[ i ].is_up ) printf( "node %u: height %lu epoch %u cur %lu base %lu final %lu waiting %d observer %d\n", i, (unsigned long)height_of( &w.p[ i ] ), info_of( &w.p[ i ] ).epoch,
      (unsigned long)info_of( &w.p[ i ] ).cur, (unsigned long)info_of( &w.p[ i ] ).base_view, (unsigned long)info_of( &w.p[ i ] ).final_view, info_of( &w.p[ i ] ).is_waiting, info_of( &w.p[ i ] ).is_observer );
    fail_msg( "height %lu is not reached in %lu s", (unsigned long)height, (unsigned long)seconds );
  }
}
__attribute__(( unused )) static void run_for( uint64_t ms ) { uint64_t end = w.now+ms*1000; while( w.now<end ) moment(); }

__attribute__(( unused )) static void all_agree( void ) {
  uint64_t low = lowest();
  dmg_hash_t first, other;
  for( uint64_t h = 1; h<=low; h++ ) {
    bool has = false;
    for( uint32_t i = 0; i<w.n; i++ ) {
      if( !w.p[ i ].is_up ) continue;
      assert_int_equal( dmg_block_log_hash( w.p[ i ].chain->log, h, has ? &other : &first ), DMG_OK );
      if( has ) assert_memory_equal( first.b, other.b, 32 );
      has = true;
    }
  }
}

/* vm.h: nested runs need a deep stack. */
static int in_deep_thread( void * (* run)( void * ), int argc, char ** argv ) {
  if( argc>1 && !strcmp( argv[ 1 ], DMG_COMPILE_CHILD_VERB ) ) return dmg_compile_child_main( argc, argv );
  dmg_log_setup( 2, getenv( "VERBOSE" ) ? DMG_LOG_LEVEL_DEBUG : DMG_LOG_LEVEL_WARN, DMG_LOG_FORMAT_TEXT );
  pthread_attr_t attr;
  pthread_t t;
  void * result;
  pthread_attr_init( &attr );
  pthread_attr_setstacksize( &attr, DMG_VM_THREAD_STACK_SZ+( 4u<<20 ) );
  if( pthread_create( &t, &attr, run, NULL ) ) return 1;
  pthread_join( t, &result );
  return (int)(intptr_t)result;
}

#endif
