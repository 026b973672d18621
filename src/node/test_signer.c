/* The signer with its file and the vote log, on a disk that crashes and lies: whatever happens, two votes of C9.1's pairs are
   never both released.  Held against a model that remembers every vote that ever left (C6, I4). */
#include "node/signer.h"
#include "node/safety_json.h"
#include "base/log.h"
#include "base/test_rnd.h"
#include "crypto/bls.h"
#include "storage/wal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static dmg_hash_t const chain = { { 1 } }, none;
static dmg_wal_cfg_t const wal_cfg = { .dir = "d/wal", .segment_sz = 4096, .secret = 77777777 };
static uint8_t key[ DMG_BLS_KEY_SZ ];

static dmg_signer_cfg_t cfg_of( dmg_vfs_t * vfs ) {
  dmg_signer_cfg_t cfg = { .vfs = vfs, .path = "d/safety.bin", .chain_id = chain, .secret = { [31] = 5 }, .host = { 3 }, .is_durable = true };
  return cfg;
}

static dmg_vfs_t * new_vfs( void ) {
  dmg_vfs_t * v;
  assert_int_equal( dmg_vfs_mem( 1u<<26, &v ), DMG_OK );
  dmg_vfs_mem_off_at( v, UINT64_MAX-1 );
  return v;
}

/* ---- The model ---- */

enum { RELEASED_MAX = 4096 };
static dmg_safety_vote_t released[ RELEASED_MAX ];
static size_t released_cnt;

static bool is_slashable( dmg_safety_vote_t const * x, dmg_safety_vote_t const * y ) {
  if( x->epoch!=y->epoch || x->view!=y->view ) return false;
  bool differs = !dmg_hash_eq( &x->hash, &y->hash );
  unsigned k = 1u<<x->kind|1u<<y->kind;
  if( x->kind==y->kind ) return x->kind!=DMG_VOTE_NULLIFY && differs;                                       /* E1 E3 E4 */
  return k==( 1u<<DMG_VOTE_NULLIFY|1u<<DMG_VOTE_FINALIZE ) || ( k==( 1u<<DMG_VOTE_NOTARIZE|1u<<DMG_VOTE_FINALIZE ) && differs );   /* E2 E3 */
}

static void release( dmg_safety_vote_t const * v, uint8_t const sig[ DMG_BLS_SIG_SZ ] ) {
  uint8_t msg[ DMG_VOTE_MSG_SZ ];
  for( size_t i = 0; i<released_cnt; i++ )
    if( is_slashable( released+i, v ) ) fail_msg( "kinds %d and %d of epoch %u view %lu", released[ i ].kind, v->kind, v->epoch, (unsigned long)v->view );
  assert_true( released_cnt<RELEASED_MAX );
  released[ released_cnt++ ] = *v;
  if( released_cnt%64 ) return;
  dmg_vote_msg( v->kind, &chain, v->epoch, v->view, &v->hash, msg );
  assert_true( dmg_bls_verify_bytes( dmg_span( key, sizeof key ), DMG_BLS_VOTE, DMG_SPAN( msg ), dmg_span( sig, DMG_BLS_SIG_SZ ) ) );
}

/* ---- A validator's life ---- */

typedef struct { dmg_vfs_t * vfs; dmg_wal_t * wal; dmg_signer_t * signer; dmg_safety_start_t start; } node_t;

static dmg_err_t each( void * ctx, dmg_wal_rec_t const * rec ) {
  node_t * n = ctx;
  if( rec->type==DMG_WAL_FLOOR ) dmg_signer_log_floor( n->signer, rec->epoch, dmg_wal_floor( rec ).view );
  if( rec->type==DMG_WAL_VOTE ) {
    dmg_wal_vote_t v = dmg_wal_vote( rec );
    dmg_signer_log_vote( n->signer, &(dmg_safety_vote_t){ v.kind, rec->epoch, v.view, v.hash } );
  }
  return DMG_OK;
}

/* As a driver starts: log, file, table. */
static dmg_err_t node_open( node_t * n, uint64_t wall_ms ) {
  dmg_signer_cfg_t cfg = cfg_of( n->vfs );
  dmg_err_t err = dmg_wal_open( &wal_cfg, n->vfs, &n->wal, NULL );
  bool is_log_good = err!=DMG_ERR_CORRUPT;
  if( !is_log_good ) {
    DMG_TRY( dmg_wal_set_aside( &wal_cfg, n->vfs ) );
    err = dmg_wal_open( &wal_cfg, n->vfs, &n->wal, NULL );
  }
  if( !err ) err = dmg_signer_open( &cfg, &n->signer, NULL );
  if( err==DMG_ERR_NOT_FOUND ) {
    /* The file is gone: a new one knows nothing of what the old one signed (C6.5). */
    err = dmg_signer_init( &cfg, wall_ms );
    if( !err ) err = dmg_signer_open( &cfg, &n->signer, NULL );
  }
  if( !err && is_log_good ) err = dmg_wal_replay( n->wal, each, n );
  if( err ) return err;
  n->start = dmg_signer_decide( n->signer, is_log_good );
  return dmg_signer_begin( n->signer, n->start, wall_ms );
}

static void node_close( node_t * n ) {
  dmg_signer_close( n->signer );
  dmg_wal_close( n->wal );
  n->signer = NULL;
  n->wal    = NULL;
}

/* One turn as C6.1 wants it: SAVE, SIGN, then they leave.  The core asks for nothing that the file would refuse. */
static dmg_err_t turn( node_t * n, dmg_safety_vote_t const * wish, uint32_t wish_cnt, dmg_safety_epoch_t const * epoch ) {
  dmg_safety_t plan = *dmg_signer_safety( n->signer );
  dmg_safety_vote_t votes[ 8 ];
  dmg_signer_answer_t answers[ 8 ];
  uint32_t cnt = 0;
  bool is_new;
  for( uint32_t i = 0; i<wish_cnt; i++ ) {
    if( !dmg_safety_vote( &plan, wish+i, epoch, &is_new ) ) { votes[ cnt++ ] = wish[ i ]; continue; }
    /* And who asks all the same gets nothing. */
    dmg_safety_t file = *dmg_signer_safety( n->signer );
    if( !dmg_safety_vote( &file, wish+i, epoch, &is_new ) ) continue;
    DMG_TRY( dmg_signer_sign( n->signer, wish+i, 1, epoch, answers ) );
    assert_true( answers[ 0 ].answer && dmg_is_zero( answers[ 0 ].sig, DMG_BLS_SIG_SZ ) );
  }
  for( uint32_t i = 0; i<cnt; i++ ) DMG_TRY( dmg_wal_append_vote( n->wal, votes[ i ].epoch, votes[ i ].kind, votes[ i ].view, &votes[ i ].hash ) );
  DMG_TRY( dmg_wal_sync( n->wal ) );
  uint64_t before = dmg_signer_syncs( n->signer );
  DMG_TRY( dmg_signer_sign( n->signer, votes, cnt, epoch, answers ) );
  assert_true( dmg_signer_syncs( n->signer )<=before+1 );
  for( uint32_t i = 0; i<cnt; i++ ) if( !answers[ i ].answer ) release( votes+i, answers[ i ].sig );
  return DMG_OK;
}

/* ---- A disk that lies: one fault between two lives ---- */

typedef struct { uint8_t p[ 2*DMG_SAFETY_SLOT_SZ ]; size_t sz; } image_t;
static void image_get( dmg_vfs_t * v, char const * path, image_t * out ) {
  dmg_file_t * f;
  out->sz = 0;
  if( dmg_vfs_open( v, path, false, &f ) ) return;
  assert_int_equal( dmg_file_pread( f, out->p, sizeof out->p, 0, &out->sz ), DMG_OK );
  dmg_file_close( f );
}

static void image_put( dmg_vfs_t * v, char const * path, image_t const * in ) {
  dmg_file_t * f;
  assert_int_equal( dmg_vfs_open( v, path, false, &f ), DMG_OK );
  assert_int_equal( dmg_file_truncate( f, 0 ), DMG_OK );
  assert_int_equal( dmg_file_pwrite( f, in->p, in->sz, 0 ), DMG_OK );
  assert_int_equal( dmg_file_sync( f ), DMG_OK );
  dmg_file_close( f );
}

/* The safety file and the log's last segment as they stood before the last turn: what a write that never arrived leaves. */
static image_t file_before, log_before;
static char log_path[ 64 ];

typedef enum { FAULT_NONE, FAULT_FLIP_FILE, FAULT_FLIP_BOTH, FAULT_FILE_WRITE_LOST, FAULT_LOG_WRITE_LOST, FAULT_FLIP_LOG, FAULT_LOSE_LOG, FAULT_LOSE_FILE, FAULT_LOSE_BOTH, FAULT_CNT } fault_t;

static char const * some_segment( dmg_vfs_t * v ) {
  static char path[ 64 ], found[ 64 ];
  dmg_file_t * f;
  *found = 0;
  for( unsigned i = 0; i<64; i++ ) {
    snprintf( path, sizeof path, "d/wal/%016x.wal", i );
    if( dmg_vfs_open( v, path, false, &f ) ) continue;
    dmg_file_close( f );
    if( !*found || rnd()%2 ) memcpy( found, path, sizeof found );
  }
  return found;
}

static void fault( dmg_vfs_t * v, fault_t what ) {
  char const * seg;
  switch( what ) {
  case FAULT_FLIP_FILE: (void)dmg_vfs_mem_flip( v, "d/safety.bin", rnd()%( 16*DMG_SAFETY_SLOT_SZ ) ); break;
  case FAULT_FLIP_BOTH:
    (void)dmg_vfs_mem_flip( v, "d/safety.bin", rnd()%( 8*DMG_SAFETY_SLOT_SZ ) );
    (void)dmg_vfs_mem_flip( v, "d/safety.bin", 8*DMG_SAFETY_SLOT_SZ+rnd()%( 8*DMG_SAFETY_SLOT_SZ ) );
    break;
  case FAULT_FILE_WRITE_LOST: if( file_before.sz ) image_put( v, "d/safety.bin", &file_before ); break;
  case FAULT_LOG_WRITE_LOST:  if( log_before.sz ) image_put( v, log_path, &log_before ); break;
  case FAULT_FLIP_LOG:
    seg = some_segment( v );
    /* Most often among the records, which lie in front. */
    if( *seg ) (void)dmg_vfs_mem_flip( v, seg, rnd()%( rnd()%4 ? 8*1000 : 8*4096 ) );
    break;
  case FAULT_LOSE_LOG:
  case FAULT_LOSE_BOTH:
    while( *( seg = some_segment( v ) ) ) assert_int_equal( dmg_vfs_unlink( v, seg ), DMG_OK );
    assert_int_equal( dmg_vfs_dir_sync( v, "d/wal" ), DMG_OK );
    if( what==FAULT_LOSE_LOG ) break;
    /* fall through */
  case FAULT_LOSE_FILE:
    assert_int_equal( dmg_vfs_unlink( v, "d/safety.bin" ), DMG_OK );
    assert_int_equal( dmg_vfs_dir_sync( v, "d" ), DMG_OK );
    break;
  default: break;
  }
}

static void test_no_sequence_of_crashes_and_faults_gives_a_slashable_pair( void ** state ) {
  uint64_t starts[ 3 ] = { 0 }, sum = 0, back = 0;
  print_message( "seeds 1..70\n" );
  for( uint64_t s = 1; s<=70; s++ ) {
    rnd_state = s;
    released_cnt = 0;
    node_t n = { .vfs = new_vfs() };
    dmg_signer_cfg_t cfg = cfg_of( n.vfs );
    assert_int_equal( dmg_signer_init( &cfg, 0 ), DMG_OK );
    assert_int_equal( dmg_signer_init( &cfg, 0 ), DMG_ERR_EXISTS );
    uint64_t wall_ms = 1000, view = 1;
    uint32_t epoch = 0;
    dmg_safety_epoch_t when = { .anchor_ms = 500, .skew_ms = 100 };
    bool fell = false;
    for( int life = 0; life<10; life++ ) {
      if( rnd()%3 ) dmg_vfs_mem_off_at( n.vfs, dmg_vfs_mem_steps( n.vfs )+rnd()%60 );
      file_before.sz = log_before.sz = 0;
      dmg_err_t err = node_open( &n, wall_ms );
      if( !err ) { starts[ n.start ]++; fell |= n.start==DMG_SAFETY_START_OBSERVE; }
      for( int t = 0; t<8 && !err; t++ ) {
        dmg_safety_vote_t wish[ 8 ];
        uint32_t cnt = 1+(uint32_t)( rnd()%3 );
        wall_ms += 1000;
        if( !( rnd()%20 ) ) { epoch++; view = 1; when.anchor_ms = wall_ms; }
        if( rnd()%2 ) view++;
        for( uint32_t i = 0; i<cnt; i++ ) {
          uint64_t off = rnd()%4;
          wish[ i ] = (dmg_safety_vote_t){ .kind = (dmg_vote_kind_t)( rnd()%4 ), .epoch = epoch, .view = view>off ? view-off : view };
          if( wish[ i ].kind!=DMG_VOTE_NULLIFY ) wish[ i ].hash.b[ 0 ] = (uint8_t)( 1+rnd()%2 );
        }
        size_t before = released_cnt;
        image_get( n.vfs, "d/safety.bin", &file_before );
        for( unsigned i = 0; i<64; i++ ) {
          image_t image;
          char path[ 64 ];
          snprintf( path, sizeof path, "d/wal/%016x.wal", i );
          image_get( n.vfs, path, &image );
          if( image.sz ) { log_before = image; memcpy( log_path, path, sizeof path ); }
        }
        err = turn( &n, wish, cnt, &when );
        back += fell && released_cnt>before;
        if( !err && !( rnd()%6 ) ) {
          dmg_cert_t fin = { .kind = DMG_VOTE_FINALIZE, .epoch = epoch, .view = view };
          err = dmg_wal_append_floor( n.wal, epoch, view>6 ? view-6 : 0, 1, &none, &fin );
          if( !err ) err = dmg_wal_prune( n.wal );
        }
      }
      node_close( &n );
      if( err ) assert_int_equal( err, DMG_ERR_STOPPED );
      dmg_vfs_mem_off_at( n.vfs, UINT64_MAX-1 );
      if( err || rnd()%2 ) dmg_vfs_mem_crash( n.vfs, rnd() );
      /* A life without a crash of the machine may end with a fault of the disk.  A torn write is a fault of its own. */
      else if( !( rnd()%2 ) ) fault( n.vfs, (fault_t)( rnd()%FAULT_CNT ) );
      wall_ms += 50;
    }
    sum += released_cnt;
    dmg_vfs_free( n.vfs );
  }
  print_message( "%lu votes released; starts: vote %lu, file %lu, observe %lu; turns with votes after a fall %lu\n", (unsigned long)sum, (unsigned long)starts[ 0 ], (unsigned long)starts[ 1 ], (unsigned long)starts[ 2 ], (unsigned long)back );
  assert_true( sum>1000 && starts[ 0 ]>100 && starts[ 1 ]>20 && starts[ 2 ]>10 && back>5 );
}

/* A fixed script, a crash at each of its steps; then the other hash is asked for everywhere. */
static void test_a_crash_at_any_step( void ** state ) {
  dmg_safety_epoch_t const when = { .anchor_ms = 1 };
  uint64_t step = 0;
  for( bool is_through = false; !is_through; step++ ) {
    rnd_state    = step;
    released_cnt = 0;
    node_t n = { .vfs = new_vfs() };
    dmg_signer_cfg_t cfg = cfg_of( n.vfs );
    assert_int_equal( dmg_signer_init( &cfg, 0 ), DMG_OK );
    dmg_vfs_mem_off_at( n.vfs, dmg_vfs_mem_steps( n.vfs )+step );
    for( int life = 0; life<2; life++ ) {
      dmg_err_t err = node_open( &n, 1000 );
      if( life ) { assert_int_equal( err, DMG_OK ); assert_int_equal( n.start, DMG_SAFETY_START_VOTE ); }
      for( uint64_t view = 1; view<=4 && !err; view++ ) {
        dmg_safety_vote_t v[ 3 ] = { { DMG_VOTE_PROPOSE, 0, view, { { (uint8_t)( life+1 ) } } }, { DMG_VOTE_NOTARIZE, 0, view, { { (uint8_t)( life+1 ) } } }, { DMG_VOTE_FINALIZE, 0, view, { { (uint8_t)( life+1 ) } } } };
        if( view==3 ) v[ 2 ] = (dmg_safety_vote_t){ DMG_VOTE_NULLIFY, 0, view, none };
        err = turn( &n, v, 3, &when );
      }
      if( !life ) is_through = !err;
      node_close( &n );
      if( !life ) { dmg_vfs_mem_crash( n.vfs, rnd() ); dmg_vfs_mem_off_at( n.vfs, UINT64_MAX-1 ); }
    }
    dmg_vfs_free( n.vfs );
  }
  print_message( "%lu steps\n", (unsigned long)step );
  assert_true( step>20 );
}

static void start_is( node_t * n, dmg_safety_start_t want ) {
  assert_int_equal( node_open( n, 1000 ), DMG_OK );
  assert_int_equal( n->start, want );
}

/* Two faults, a start between them: the start made good what the first one took. */
static void test_a_start_makes_both_slots_whole( void ** state ) {
  dmg_safety_epoch_t const when = { .anchor_ms = 1 };
  for( int slot = 0; slot<2; slot++ ) {
    node_t n = { .vfs = new_vfs() };
    dmg_signer_cfg_t cfg = cfg_of( n.vfs );
    dmg_safety_vote_t v = { DMG_VOTE_NOTARIZE, 0, 1, { { 1 } } };
    released_cnt = 0;
    assert_int_equal( dmg_signer_init( &cfg, 0 ), DMG_OK );
    start_is( &n, DMG_SAFETY_START_VOTE );
    assert_int_equal( turn( &n, &v, 1, &when ), DMG_OK );
    assert_int_equal( released_cnt, 1 );
    node_close( &n );
    fault( n.vfs, FAULT_LOSE_LOG );
    start_is( &n, DMG_SAFETY_START_FILE );
    node_close( &n );
    assert_true( dmg_vfs_mem_flip( n.vfs, "d/safety.bin", (uint64_t)slot*8*DMG_SAFETY_SLOT_SZ+8*200 ) );
    start_is( &n, DMG_SAFETY_START_OBSERVE );
    node_close( &n );
    dmg_vfs_free( n.vfs );
  }
}

static void test_an_observer_signs_nothing_until_a_later_epoch( void ** state ) {
  dmg_safety_epoch_t when = { .anchor_ms = 1, .skew_ms = 10 };
  node_t n = { .vfs = new_vfs() };
  dmg_signer_cfg_t cfg = cfg_of( n.vfs );
  dmg_signer_answer_t a;
  dmg_safety_vote_t v = { DMG_VOTE_NOTARIZE, 0, 1, { { 1 } } };
  assert_int_equal( dmg_signer_init( &cfg, 0 ), DMG_OK );
  fault( n.vfs, FAULT_FLIP_BOTH );
  start_is( &n, DMG_SAFETY_START_OBSERVE );
  assert_int_equal( dmg_signer_sign( n.signer, &v, 1, &when, &a ), DMG_OK );
  assert_int_equal( a.answer, DMG_SAFETY_OBSERVER );
  assert_true( dmg_is_zero( a.sig, sizeof a.sig ) );
  node_close( &n );
  dmg_safety_t both;
  assert_int_equal( dmg_signer_file_read( n.vfs, "d/safety.bin", &both, NULL ), DMG_OK );
  /* It stays one over a restart, whose file is whole again. */
  start_is( &n, DMG_SAFETY_START_VOTE );
  assert_int_equal( dmg_signer_sign( n.signer, &v, 1, &when, &a ), DMG_OK );
  assert_int_equal( a.answer, DMG_SAFETY_OBSERVER );
  v.epoch = 1;
  when.anchor_ms = 1000+2*10;
  assert_int_equal( dmg_signer_sign( n.signer, &v, 1, &when, &a ), DMG_OK );
  assert_int_equal( a.answer, DMG_SAFETY_OBSERVER );
  when.anchor_ms++;
  assert_int_equal( dmg_signer_sign( n.signer, &v, 1, &when, &a ), DMG_OK );
  assert_int_equal( a.answer, DMG_SAFETY_OK );
  node_close( &n );
  dmg_vfs_free( n.vfs );
}

/* What no vote says stands in no log either: a lost slot must not take it back. */
static void test_what_only_the_file_knows_stands_in_both_slots( void ** state ) {
  for( int what = 0; what<3; what++ )
    for( int slot = 0; slot<2; slot++ ) {
      node_t n = { .vfs = new_vfs() };
      dmg_signer_cfg_t cfg = cfg_of( n.vfs );
      assert_int_equal( dmg_signer_init( &cfg, 5 ), DMG_OK );
      start_is( &n, DMG_SAFETY_START_VOTE );
      dmg_safety_export_t x;
      dmg_safety_export( dmg_signer_safety( n.signer ), &x );
      x.marks[ DMG_VOTE_NULLIFY ].view = 9;
      x.from_ms = 2000;
      if( what<2 ) assert_int_equal( what ? dmg_signer_raise_from( n.signer, 2000 ) : dmg_signer_observe( n.signer, 2000 ), DMG_OK );
      dmg_safety_t want = *dmg_signer_safety( n.signer ), got;
      node_close( &n );
      if( what==2 ) assert_int_equal( dmg_signer_file_import( n.vfs, "d/safety.bin", &x, 1, 2000, &want, NULL ), DMG_OK );
      assert_int_equal( dmg_signer_file_read( n.vfs, "d/safety.bin", &got, NULL ), DMG_OK );
      assert_true( dmg_vfs_mem_flip( n.vfs, "d/safety.bin", (uint64_t)slot*8*DMG_SAFETY_SLOT_SZ+8*200 ) );
      assert_int_equal( dmg_signer_open( &cfg, &n.signer, NULL ), DMG_OK );
      got = *dmg_signer_safety( n.signer );
      assert_int_equal( got.from_ms, 2000 );
      assert_int_equal( got.is_observer, want.is_observer );
      assert_int_equal( got.floor, want.floor );
      node_close( &n );
      dmg_vfs_free( n.vfs );
    }
}

/* A file that cannot be looked at is there all the same. */
static dmg_vfs_vt_t const * vt_below;
static dmg_err_t open_new_only( dmg_vfs_t * v, char const * path, bool is_new, dmg_file_t ** out_file ) { return is_new ? vt_below->open( v, path, is_new, out_file ) : DMG_ERR_PERM; }

static void test_init_replaces_no_file_that_does_not_open( void ** state ) {
  node_t n = { .vfs = new_vfs() };
  dmg_signer_cfg_t cfg = cfg_of( n.vfs );
  dmg_safety_t s;
  assert_int_equal( dmg_signer_init( &cfg, 77 ), DMG_OK );
  assert_int_equal( dmg_signer_init( &cfg, 0 ), DMG_ERR_EXISTS );
  vt_below = n.vfs->vt;
  dmg_vfs_vt_t deaf = *vt_below;
  deaf.open = open_new_only;
  n.vfs->vt = &deaf;
  assert_int_equal( dmg_signer_init( &cfg, 0 ), DMG_ERR_PERM );
  n.vfs->vt = vt_below;
  assert_int_equal( dmg_signer_file_read( n.vfs, "d/safety.bin", &s, NULL ), DMG_OK );
  assert_int_equal( s.from_ms, 77 );
  dmg_vfs_free( n.vfs );
}

/* A log of another past of the same key: it cannot be this file's, so it decides nothing. */
static void test_a_log_that_contradicts_the_file_is_not_believed( void ** state ) {
  dmg_safety_epoch_t const when = { .anchor_ms = 1 };
  node_t n = { .vfs = new_vfs() };
  dmg_signer_cfg_t cfg = cfg_of( n.vfs );
  dmg_safety_vote_t v = { DMG_VOTE_NOTARIZE, 0, 1, { { 1 } } };
  dmg_hash_t other = { { 2 } };
  released_cnt = 0;
  assert_int_equal( dmg_signer_init( &cfg, 0 ), DMG_OK );
  start_is( &n, DMG_SAFETY_START_VOTE );
  assert_int_equal( turn( &n, &v, 1, &when ), DMG_OK );
  assert_int_equal( dmg_wal_append_vote( n.wal, 0, DMG_VOTE_FINALIZE, 1, &other ), DMG_OK );
  assert_int_equal( dmg_wal_sync( n.wal ), DMG_OK );
  node_close( &n );
  start_is( &n, DMG_SAFETY_START_FILE );
  node_close( &n );
  assert_true( dmg_vfs_mem_flip( n.vfs, "d/safety.bin", 8*200 ) );
  start_is( &n, DMG_SAFETY_START_OBSERVE );
  node_close( &n );
  dmg_vfs_free( n.vfs );
}

static void test_a_failed_write_is_final( void ** state ) {
  dmg_safety_epoch_t const when = { .anchor_ms = 1 };
  for( uint64_t step = 0; step<2; step++ ) {
    node_t n = { .vfs = new_vfs() };
    dmg_signer_cfg_t cfg = cfg_of( n.vfs );
    dmg_signer_answer_t a[ 2 ];
    dmg_safety_vote_t v = { DMG_VOTE_NOTARIZE, 0, 1, { { 1 } } };
    assert_int_equal( dmg_signer_init( &cfg, 0 ), DMG_OK );
    assert_int_equal( node_open( &n, 1000 ), DMG_OK );
    dmg_vfs_mem_fail_at( n.vfs, dmg_vfs_mem_steps( n.vfs )+step, step ? DMG_ERR_IO : DMG_ERR_FULL );
    assert_int_equal( dmg_signer_sign( n.signer, &v, 1, &when, a ), step ? DMG_ERR_IO : DMG_ERR_FULL );
    assert_int_equal( dmg_signer_sign( n.signer, &v, 1, &when, a ), step ? DMG_ERR_IO : DMG_ERR_FULL );
    assert_int_equal( dmg_signer_observe( n.signer, 5 ), step ? DMG_ERR_IO : DMG_ERR_FULL );
    assert_true( dmg_is_zero( a[ 0 ].sig, sizeof a[ 0 ].sig ) );
    node_close( &n );
    dmg_vfs_free( n.vfs );
  }
}

static void test_one_sync_a_turn_and_none_for_what_was_signed( void ** state ) {
  dmg_safety_epoch_t const when = { .anchor_ms = 1 };
  node_t n = { .vfs = new_vfs() };
  dmg_signer_cfg_t cfg = cfg_of( n.vfs );
  dmg_signer_answer_t a[ 3 ], again[ 3 ];
  dmg_safety_vote_t v[ 3 ] = { { DMG_VOTE_PROPOSE, 0, 1, { { 1 } } }, { DMG_VOTE_NOTARIZE, 0, 1, { { 1 } } }, { DMG_VOTE_FINALIZE, 0, 1, { { 1 } } } };
  assert_int_equal( dmg_signer_init( &cfg, 0 ), DMG_OK );
  assert_int_equal( node_open( &n, 1000 ), DMG_OK );
  uint64_t syncs = dmg_signer_syncs( n.signer );
  assert_int_equal( dmg_signer_sign( n.signer, v, 3, &when, a ), DMG_OK );
  assert_int_equal( dmg_signer_syncs( n.signer ), syncs+1 );
  assert_int_equal( dmg_signer_sign( n.signer, v, 3, &when, again ), DMG_OK );
  assert_int_equal( dmg_signer_syncs( n.signer ), syncs+1 );
  assert_memory_equal( a, again, sizeof a );
  /* A refused vote does not spoil those beside it. */
  v[ 1 ].hash.b[ 0 ] = 2;
  v[ 2 ].view = 2;
  assert_int_equal( dmg_signer_sign( n.signer, v, 3, &when, a ), DMG_OK );
  assert_int_equal( a[ 0 ].answer, DMG_SAFETY_OK );
  assert_int_equal( a[ 1 ].answer, DMG_SAFETY_CONFLICT );
  assert_int_equal( a[ 2 ].answer, DMG_SAFETY_OK );
  assert_int_equal( dmg_signer_syncs( n.signer ), syncs+2 );
  node_close( &n );
  dmg_vfs_free( n.vfs );
}

static void test_open_says_whose_file_it_is( void ** state ) {
  node_t n = { .vfs = new_vfs() };
  dmg_signer_cfg_t cfg = cfg_of( n.vfs ), other = cfg;
  dmg_open_why_t why;
  assert_int_equal( dmg_signer_open( &cfg, &n.signer, &why ), DMG_ERR_NOT_FOUND );
  assert_non_null( strstr( why.text, "safety.bin" ) );
  assert_int_equal( dmg_signer_init( &cfg, 0 ), DMG_OK );
  other.chain_id.b[ 5 ] ^= 1;
  assert_int_equal( dmg_signer_open( &other, &n.signer, &why ), DMG_ERR_CHAIN );
  other = cfg;
  other.secret[ 31 ] = 6;
  assert_int_equal( dmg_signer_open( &other, &n.signer, &why ), DMG_ERR_CHAIN );
  assert_non_null( strstr( why.text, "another key" ) );
  /* Another host may go on with it, after listening. */
  other = cfg;
  other.host[ 0 ] = 4;
  assert_int_equal( dmg_signer_open( &other, &n.signer, &why ), DMG_OK );
  assert_true( dmg_signer_is_foreign( n.signer ) );
  assert_int_equal( dmg_signer_decide( n.signer, true ), DMG_SAFETY_START_VOTE );
  assert_int_equal( dmg_signer_begin( n.signer, DMG_SAFETY_START_VOTE, 0 ), DMG_OK );
  dmg_signer_close( n.signer );
  assert_int_equal( dmg_signer_open( &other, &n.signer, &why ), DMG_OK );
  assert_false( dmg_signer_is_foreign( n.signer ) );
  dmg_signer_close( n.signer );
  /* A newer program's. */
  dmg_file_t * f;
  uint8_t slot[ DMG_SAFETY_SLOT_SZ ];
  size_t got;
  assert_int_equal( dmg_vfs_open( n.vfs, cfg.path, false, &f ), DMG_OK );
  assert_int_equal( dmg_file_pread( f, slot, sizeof slot, 0, &got ), DMG_OK );
  slot[ 8 ] = 2;
  dmg_file_close( f );
  assert_int_equal( dmg_vfs_open( n.vfs, cfg.path, false, &f ), DMG_OK );
  assert_int_equal( dmg_file_pwrite( f, slot, sizeof slot, 0 ), DMG_OK );
  dmg_file_close( f );
  assert_int_equal( dmg_signer_open( &cfg, &n.signer, &why ), DMG_OK );   /* its checksum does not hold: torn */
  assert_int_equal( dmg_signer_decide( n.signer, true ), DMG_SAFETY_START_VOTE );
  dmg_signer_close( n.signer );
  dmg_vfs_free( n.vfs );
}

static void test_without_a_file_it_remembers_until_told_to_forget( void ** state ) {
  dmg_safety_epoch_t const when = { .anchor_ms = 1 };
  dmg_signer_cfg_t cfg = cfg_of( NULL );
  dmg_signer_t * s;
  dmg_signer_answer_t a;
  dmg_safety_vote_t v = { DMG_VOTE_NOTARIZE, 0, 1, { { 1 } } };
  assert_int_equal( dmg_signer_open( &cfg, &s, NULL ), DMG_OK );
  assert_int_equal( dmg_signer_sign( s, &v, 1, &when, &a ), DMG_OK );
  v.hash.b[ 0 ] = 2;
  assert_int_equal( dmg_signer_sign( s, &v, 1, &when, &a ), DMG_OK );
  assert_int_equal( a.answer, DMG_SAFETY_CONFLICT );
  dmg_signer_forget( s );
  assert_int_equal( dmg_signer_sign( s, &v, 1, &when, &a ), DMG_OK );
  assert_int_equal( a.answer, DMG_SAFETY_OK );
  assert_int_equal( dmg_signer_syncs( s ), 0 );
  dmg_signer_close( s );
}

static void test_json_of_a_safety_file( void ** state ) {
  dmg_safety_t s;
  dmg_safety_export_t x, back[ DMG_SAFETY_JSON_MAX ];
  dmg_buf_t text = dmg_buf( 16384 );
  dmg_safety_epoch_t const when = { .anchor_ms = 50 };
  uint8_t const host[ DMG_SAFETY_HOST_SZ ] = { 1 };
  char why[ 200 ];
  uint32_t cnt;
  bool is_new;
  dmg_safety_init( &s, &chain, key, host, 7 );
  for( uint64_t view = 1; view<70; view++ ) assert_int_equal( dmg_safety_vote( &s, &(dmg_safety_vote_t){ (dmg_vote_kind_t)( view%2 ), 3, view, { { (uint8_t)( view%2 ? 0 : 9 ) } } }, &when, &is_new ), DMG_SAFETY_OK );
  dmg_safety_observe( &s, UINT64_MAX );
  dmg_safety_export( &s, &x );
  assert_int_equal( dmg_safety_json_print( &x, &text ), DMG_OK );
  assert_int_equal( dmg_safety_json_parse( dmg_buf_span( &text ), back, &cnt, why ), DMG_OK );
  assert_int_equal( cnt, 1 );
  assert_memory_equal( back[ 0 ].marks, x.marks, sizeof x.marks );
  assert_memory_equal( back[ 0 ].key, key, sizeof key );
  assert_memory_equal( back[ 0 ].chain_id.b, chain.b, 32 );
  assert_int_equal( back[ 0 ].epoch, 3 );
  assert_int_equal( back[ 0 ].floor, x.floor );
  assert_true( back[ 0 ].from_ms==UINT64_MAX && back[ 0 ].is_observer );
  /* Each of these changed, or gone, is refused; a mark that is read as less than it says would be signed again. */
  char const * const parts[] = { "demiurge-safety", "\"1\"", "chain_id\":\"0x", "\"key\":\"0x", "\"epoch\":3", "observe", "from_ms\":\"", "floor\":\"", "notarize", "nullify", "finalize", "propose", "view\":\"", "metadata", "data\":[{" };
  for( size_t i = 0; i<sizeof parts/sizeof *parts; i++ ) {
    char bad[ 8192 ];
    size_t n = text.sz, at = 0;
    assert_true( n<sizeof bad-1 );
    memcpy( bad, text.p, n );
    bad[ n ] = 0;
    char * p = strstr( bad, parts[ i ] );
    assert_non_null( p );
    at = (size_t)( p-bad )+strlen( parts[ i ] )-1;
    bad[ at ] = bad[ at ]=='3' ? '-' : '~';
    cnt = 99;
    assert_int_equal( dmg_safety_json_parse( dmg_span( bad, n ), back, &cnt, why ), DMG_ERR_INVALID );
    assert_true( cnt==99 && *why );
  }
  dmg_buf_fini( &text );
}

static int setup( void ** state ) {
  dmg_bls_key_t k;
  uint8_t secret[ 32 ] = { [31] = 5 };
  dmg_log_setup( -1, DMG_LOG_LEVEL_ERROR, DMG_LOG_FORMAT_TEXT );
  if( !dmg_bls_public( secret, &k ) ) return 1;
  dmg_bls_key_store( &k, key );
  return 0;
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_no_sequence_of_crashes_and_faults_gives_a_slashable_pair ),
    cmocka_unit_test( test_a_crash_at_any_step ),
    cmocka_unit_test( test_a_start_makes_both_slots_whole ),
    cmocka_unit_test( test_an_observer_signs_nothing_until_a_later_epoch ),
    cmocka_unit_test( test_a_log_that_contradicts_the_file_is_not_believed ),
    cmocka_unit_test( test_what_only_the_file_knows_stands_in_both_slots ),
    cmocka_unit_test( test_init_replaces_no_file_that_does_not_open ),
    cmocka_unit_test( test_a_failed_write_is_final ),
    cmocka_unit_test( test_one_sync_a_turn_and_none_for_what_was_signed ),
    cmocka_unit_test( test_open_says_whose_file_it_is ),
    cmocka_unit_test( test_json_of_a_safety_file ),
    cmocka_unit_test( test_without_a_file_it_remembers_until_told_to_forget ),
  };
  return cmocka_run_group_tests( tests, setup, NULL );
}
