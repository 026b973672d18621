/* The vote log: what was synced is there after anything, or the log says that it is not: a crash at every step, a tear at
   every byte, a flipped bit in every byte, a write that was lost or went elsewhere, a failure at every step (C6.3, C12.3). */
#include "storage/wal.h"
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "base/test_rnd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { SEG = 4096, IMAGE_MAX = 64*1024 };

static dmg_wal_cfg_t const cfg = { .dir = "w", .segment_sz = SEG, .secret = 0x123456789abcdef0u };

static dmg_vfs_t * new_vfs( void ) {
  dmg_vfs_t * v;
  assert_int_equal( dmg_vfs_mem( 1u<<26, &v ), DMG_OK );
  dmg_vfs_mem_off_at( v, UINT64_MAX-1 );
  return v;
}

static char const * seg_name( unsigned number ) {
  static char s[ 64 ];
  snprintf( s, sizeof s, "w/%016x.wal", number );
  return s;
}

/* ---- What a validator writes: record i follows from i ---- */

static dmg_hash_t hash_of( uint64_t i ) { return dmg_sha256( dmg_span( &i, 8 ) ); }

static dmg_err_t put( dmg_wal_t * wal, uint64_t i ) {
  dmg_hash_t h = hash_of( i ), zero = { { 0 } };
  static uint8_t big[ 3000 ];
  dmg_cert_t cert = { .kind = DMG_VOTE_NOTARIZE, .epoch = 7, .view = i+1, .hash = h };
  uint8_t bytes[ 1024 ] = { 0 };
  dmg_span_t part[ 2 ] = { DMG_SPAN( bytes ), dmg_span( big, i%3000 ) };
  switch( i%7 ) {
  case 0: cert.kind = DMG_VOTE_FINALIZE; return dmg_wal_append_floor( wal, 7, i/2, i, &h, &cert );
  case 1: return dmg_wal_append_vote( wal, 7, DMG_VOTE_NULLIFY, i+1, &zero );
  case 2:
    dmg_store_u32le( bytes+5, 7 );
    dmg_store_u64le( bytes+9, i+1 );
    part[ 0 ].sz = DMG_WAL_PROPOSAL_MIN;
    memset( big, (int)i, sizeof big );
    return dmg_wal_append( wal, DMG_WAL_PROPOSAL, 7, part, 2 );
  case 3:
    dmg_cert_encode( &cert, bytes );
    part[ 0 ].sz = DMG_CERT_SZ;
    return dmg_wal_append( wal, DMG_WAL_CERT, 7, part, 1 );
  case 4:
    dmg_store_u32le( bytes, 7 );
    dmg_store_u64le( bytes+4, i+1 );
    bytes[ 12 ] = 3;
    part[ 0 ].sz = 61+48;
    return dmg_wal_append( wal, DMG_WAL_NULL_RUN, 7, part, 1 );
  case 5:
    memcpy( bytes, h.b, 32 );
    part[ 0 ].sz = DMG_WAL_EPOCH_MIN+i%9;
    return dmg_wal_append( wal, DMG_WAL_EPOCH, 7, part, 1 );
  default: return dmg_wal_append_vote( wal, 7, DMG_VOTE_NOTARIZE, i+1, &h );
  }
}

/* A record as the format says, made apart from the code under test. */
static size_t model_rec( uint64_t i, uint64_t seq, uint64_t durable, uint8_t * out ) {
  dmg_hash_t h = hash_of( i );
  uint8_t * p = out+32;
  size_t n = 0;
  memset( out, 0, 4096 );
  out[ 28 ] = (uint8_t[]){ 5, 1, 2, 3, 4, 6, 1 }[ i%7 ];
  switch( i%7 ) {
  case 0: n = 157; dmg_store_u64le( p, i/2 ); dmg_store_u64le( p+8, i ); memcpy( p+16, h.b, 32 ); p[ 48 ] = 2; dmg_store_u32le( p+49, 7 ); dmg_store_u64le( p+53, i+1 ); memcpy( p+61, h.b, 32 ); break;
  case 1: n = 41; p[ 0 ] = 1; dmg_store_u64le( p+1, i+1 ); break;
  case 2: n = 520+i%3000; dmg_store_u32le( p+5, 7 ); dmg_store_u64le( p+9, i+1 ); memset( p+520, (int)i, i%3000 ); break;
  case 3: n = 109; dmg_store_u32le( p+1, 7 ); dmg_store_u64le( p+5, i+1 ); memcpy( p+13, h.b, 32 ); break;
  case 4: n = 109; dmg_store_u32le( p, 7 ); dmg_store_u64le( p+4, i+1 ); p[ 12 ] = 3; break;
  case 5: n = 588+i%9; memcpy( p, h.b, 32 ); break;
  default: n = 41; dmg_store_u64le( p+1, i+1 ); memcpy( p+9, h.b, 32 ); break;
  }
  dmg_store_u32le( out, (uint32_t)n );
  dmg_store_u64le( out+8, seq );
  dmg_store_u64le( out+16, durable );
  dmg_store_u32le( out+24, 7 );
  dmg_store_u32le( out+4, dmg_crc32c_portable( 0, dmg_span( out+8, 24+n ) ) );
  return ( 32+n+7 )/8*8;
}

/* ---- Reading back ---- */

typedef struct { uint64_t first, next, cnt; bool has_first; } got_t;

/* The records are those of i = first, first+1, .. */
static dmg_err_t each( void * ctx, dmg_wal_rec_t const * rec ) {
  got_t * g = ctx;
  uint8_t want[ 4096 ];
  if( !g->has_first ) {
    /* Which one is it?  By its place in the numbering. */
    g->first = g->next = rec->seq-( cfg.secret>>1 );
    g->has_first = true;
  }
  size_t sz = model_rec( g->next, rec->seq, 0, want );
  assert_int_equal( rec->seq, ( cfg.secret>>1 )+g->next );
  assert_int_equal( rec->type, want[ 28 ] );
  assert_int_equal( rec->epoch, 7 );
  assert_int_equal( rec->payload.sz, dmg_load_u32le( want ) );
  assert_true( sz>=32+rec->payload.sz );
  assert_memory_equal( rec->payload.p, want+32, rec->payload.sz );
  if( rec->type==DMG_WAL_VOTE ) {
    dmg_wal_vote_t v = dmg_wal_vote( rec );
    assert_int_equal( v.view, g->next+1 );
  }
  if( rec->type==DMG_WAL_FLOOR ) {
    dmg_wal_floor_t f = dmg_wal_floor( rec );
    assert_int_equal( f.view, g->next/2 );
    assert_int_equal( f.height, g->next );
    assert_int_equal( f.finalization.view, g->next+1 );
  }
  g->next++;
  g->cnt++;
  return DMG_OK;
}

/* Records [ first, next ) of the log. */
static got_t read_all( dmg_wal_t * wal ) {
  got_t g = { 0 };
  assert_int_equal( dmg_wal_replay( wal, each, &g ), DMG_OK );
  return g;
}

static dmg_err_t open_wal( dmg_vfs_t * v, dmg_wal_t ** out ) {
  dmg_open_why_t why = { "" };
  dmg_err_t err = dmg_wal_open( &cfg, v, out, &why );
  assert_true( !err==!why.text[0] );
  if( err==DMG_ERR_CORRUPT ) assert_non_null( strstr( why.text, "w/0000" ) );   /* it says where */
  return err;
}

/* ---- Whole files ---- */

static size_t image_get( dmg_vfs_t * v, unsigned number, uint8_t * out ) {
  dmg_file_t * f;
  size_t got;
  assert_int_equal( dmg_vfs_open( v, seg_name( number ), false, &f ), DMG_OK );
  assert_int_equal( dmg_file_pread( f, out, IMAGE_MAX, 0, &got ), DMG_OK );
  dmg_file_close( f );
  return got;
}

static void image_put( dmg_vfs_t * v, unsigned number, uint8_t const * p, size_t sz ) {
  dmg_file_t * f;
  dmg_err_t err = dmg_vfs_open( v, seg_name( number ), true, &f );
  if( err ) assert_int_equal( dmg_vfs_open( v, seg_name( number ), false, &f ), DMG_OK );
  assert_int_equal( dmg_file_truncate( f, 0 ), DMG_OK );
  if( sz ) assert_int_equal( dmg_file_pwrite( f, p, sz, 0 ), DMG_OK );
  assert_int_equal( dmg_file_sync( f ), DMG_OK );
  dmg_file_close( f );
}

static void test_bytes_are_those_of_the_format( void ** state ) {
  dmg_vfs_t * v = new_vfs();
  dmg_wal_t * wal;
  static uint8_t is[ IMAGE_MAX ], want[ IMAGE_MAX ];
  size_t at = 0, durable = 0;
  assert_int_equal( open_wal( v, &wal ), DMG_OK );
  for( uint64_t i = 0; i<11; i++ ) {
    assert_int_equal( put( wal, i ), DMG_OK );
    at += model_rec( i, ( cfg.secret>>1 )+i, durable, want+at );
    if( i%3==1 ) { assert_int_equal( dmg_wal_sync( wal ), DMG_OK ); durable = at; }
  }
  size_t sz = image_get( v, 0, is );
  assert_true( sz>=at );
  assert_memory_equal( is, want, at );
  assert_true( dmg_is_zero( is+at, sz-at ) );
  /* One sync serves all of a turn, and none is needed for nothing. */
  dmg_wal_stats_t s;
  dmg_wal_stats( wal, &s );
  assert_int_equal( s.sync_cnt, 4 );
  assert_int_equal( dmg_wal_sync( wal ), DMG_OK );
  dmg_wal_stats( wal, &s );
  assert_int_equal( s.sync_cnt, 4 );
  dmg_wal_close( wal );
  dmg_vfs_free( v );
}

static void test_many_segments_read_back_and_go_below_the_floor( void ** state ) {
  dmg_vfs_t * v = new_vfs();
  dmg_wal_t * wal;
  dmg_wal_stats_t s;
  assert_int_equal( open_wal( v, &wal ), DMG_OK );
  for( uint64_t i = 0; i<200; i++ ) { assert_int_equal( put( wal, i ), DMG_OK ); if( i%2 ) assert_int_equal( dmg_wal_sync( wal ), DMG_OK ); }
  got_t g = read_all( wal );
  assert_int_equal( g.first, 0 );
  assert_int_equal( g.cnt, 200 );
  dmg_wal_close( wal );
  assert_int_equal( open_wal( v, &wal ), DMG_OK );
  dmg_wal_stats( wal, &s );
  assert_int_equal( s.rec_cnt, 200 );
  assert_int_equal( s.cut_sz, 0 );
  assert_true( s.segment_cnt>5 );
  /* The last floor is record 196, view 98: records up to i = 97 speak of views up to it. */
  assert_int_equal( dmg_wal_prune( wal ), DMG_OK );
  g = read_all( wal );
  assert_true( g.first>60 && g.first<98 );
  assert_int_equal( g.next, 200 );
  /* Whatever speaks of a view above the floor is there, and it goes on from there. */
  assert_int_equal( put( wal, 200 ), DMG_OK );
  assert_int_equal( dmg_wal_sync( wal ), DMG_OK );
  dmg_wal_close( wal );
  assert_int_equal( open_wal( v, &wal ), DMG_OK );
  got_t h = read_all( wal );
  assert_int_equal( h.first, g.first );
  assert_int_equal( h.next, 201 );
  dmg_wal_close( wal );
  dmg_vfs_free( v );
}

static void test_a_floor_that_is_not_synced_prunes_nothing( void ** state ) {
  dmg_vfs_t * v = new_vfs();
  dmg_wal_t * wal;
  dmg_wal_stats_t s;
  dmg_hash_t h = hash_of( 1 );
  dmg_cert_t cert = { .kind = DMG_VOTE_FINALIZE, .epoch = 9 };
  assert_int_equal( open_wal( v, &wal ), DMG_OK );
  for( uint64_t i = 1; i<7*9; i++ ) if( i%7 ) assert_int_equal( put( wal, i ), DMG_OK );
  assert_int_equal( dmg_wal_sync( wal ), DMG_OK );
  dmg_wal_stats( wal, &s );
  uint64_t before = s.segment_cnt;
  assert_true( before>2 );
  /* Epochs order before views: a low view of a later epoch is above all of the earlier. */
  assert_int_equal( dmg_wal_append_floor( wal, 9, 1, 1, &h, &cert ), DMG_OK );
  assert_int_equal( dmg_wal_prune( wal ), DMG_OK );
  dmg_wal_stats( wal, &s );
  assert_int_equal( s.segment_cnt, before );
  assert_int_equal( dmg_wal_sync( wal ), DMG_OK );
  assert_int_equal( dmg_wal_prune( wal ), DMG_OK );
  dmg_wal_stats( wal, &s );
  assert_int_equal( s.segment_cnt, 1 );
  dmg_wal_close( wal );
  dmg_vfs_free( v );
}

/* The floor itself must outlive what it lets go. */
static void test_the_segment_of_the_last_floor_stays( void ** state ) {
  dmg_vfs_t * v = new_vfs();
  dmg_wal_t * wal;
  dmg_wal_stats_t s;
  dmg_hash_t h = hash_of( 1 );
  dmg_cert_t cert = { .kind = DMG_VOTE_FINALIZE, .epoch = 7 };
  assert_int_equal( open_wal( v, &wal ), DMG_OK );
  assert_int_equal( dmg_wal_append_floor( wal, 7, 1000, 1, &h, &cert ), DMG_OK );
  for( uint64_t i = 1; i<70; i++ ) if( i%7 ) assert_int_equal( put( wal, i ), DMG_OK );
  assert_int_equal( dmg_wal_sync( wal ), DMG_OK );
  dmg_wal_stats( wal, &s );
  uint64_t before = s.segment_cnt;
  assert_true( before>2 );
  for( int again = 0; again<2; again++ ) {
    assert_int_equal( dmg_wal_prune( wal ), DMG_OK );
    dmg_wal_stats( wal, &s );
    assert_int_equal( s.segment_cnt, before );
    dmg_wal_close( wal );
    assert_int_equal( open_wal( v, &wal ), DMG_OK );
  }
  dmg_wal_close( wal );
  dmg_vfs_free( v );
}

static dmg_err_t count( void * ctx, dmg_wal_rec_t const * rec ) { ++*(uint64_t *)ctx; return DMG_OK; }

/* 40 votes of 80 bytes; number 31 is torn, 32 begins in a sector of its own.  The tail is cut, 31 is written anew and the
   machine stops: 32 of before must not follow it. */
static void test_what_was_cut_does_not_come_back( void ** state ) {
  static uint8_t image[ IMAGE_MAX ];
  for( uint64_t s = 0; s<40; s++ ) {
    dmg_vfs_t * v = new_vfs();
    dmg_wal_t * wal;
    dmg_hash_t h = hash_of( 9 );
    uint64_t cnt = 0;
    assert_int_equal( open_wal( v, &wal ), DMG_OK );
    for( uint64_t i = 0; i<40; i++ ) assert_int_equal( dmg_wal_append_vote( wal, 7, DMG_VOTE_NOTARIZE, i+1, &h ), DMG_OK );
    dmg_wal_close( wal );
    size_t sz = image_get( v, 0, image );
    image[ 31*80+40 ] ^= 1;
    image_put( v, 0, image, sz );
    assert_int_equal( open_wal( v, &wal ), DMG_OK );
    assert_int_equal( dmg_wal_append_vote( wal, 7, DMG_VOTE_NOTARIZE, 32, &h ), DMG_OK );
    dmg_wal_close( wal );
    dmg_vfs_mem_crash( v, s );
    assert_int_equal( open_wal( v, &wal ), DMG_OK );
    assert_int_equal( dmg_wal_replay( wal, count, &cnt ), DMG_OK );
    assert_true( cnt==31 || cnt==32 );
    dmg_wal_close( wal );
    dmg_vfs_free( v );
  }
}

/* i: how many records were synced for sure. */
static void check_survived( dmg_vfs_t * v, uint64_t synced, uint64_t appended ) {
  dmg_wal_t * wal;
  assert_int_equal( open_wal( v, &wal ), DMG_OK );
  got_t g = read_all( wal );
  assert_true( !synced || g.next>=synced );
  assert_true( g.next<=appended );
  /* It goes on, and what it then says stays. */
  if( !g.cnt ) g.next = 0;
  for( uint64_t i = g.next; i<g.next+5; i++ ) assert_int_equal( put( wal, i ), DMG_OK );
  assert_int_equal( dmg_wal_sync( wal ), DMG_OK );
  dmg_wal_close( wal );
  dmg_vfs_mem_crash( v, rnd() );
  assert_int_equal( open_wal( v, &wal ), DMG_OK );
  got_t h = read_all( wal );
  assert_int_equal( h.next, g.next+5 );
  dmg_wal_close( wal );
}

static void test_a_crash_at_any_step_keeps_what_was_synced( void ** state ) {
  seed( 20261125 );
  for( uint64_t step = 0; ; step++ ) {
    dmg_vfs_t * v = new_vfs();
    dmg_wal_t * wal = NULL;
    uint64_t appended = 0, synced = 0;
    dmg_vfs_mem_off_at( v, step );
    dmg_err_t err = dmg_wal_open( &cfg, v, &wal, NULL );
    for( uint64_t i = 0; i<40 && !err; i++ ) {
      appended = i+1;
      err = put( wal, i );
      if( !err && i%3==2 ) { err = dmg_wal_sync( wal ); if( !err ) synced = i+1; }
      if( !err && i%7==6 ) err = dmg_wal_prune( wal );
    }
    dmg_wal_close( wal );
    dmg_vfs_mem_crash( v, rnd() );
    check_survived( v, synced, appended );
    dmg_vfs_free( v );
    if( !err ) break;
    assert_int_equal( err, DMG_ERR_STOPPED );
  }
}

static void test_a_failure_at_any_step_is_final( void ** state ) {
  seed( 20261126 );
  for( uint64_t step = 0; ; step++ ) {
    dmg_vfs_t * v = new_vfs();
    dmg_wal_t * wal = NULL;
    uint64_t appended = 0, synced = 0;
    dmg_vfs_mem_fail_at( v, step, step%2 ? DMG_ERR_FULL : DMG_ERR_IO );
    dmg_err_t err = dmg_wal_open( &cfg, v, &wal, NULL );
    bool is_open = !err;
    for( uint64_t i = 0; i<40 && !err; i++ ) {
      appended = i+1;
      err = put( wal, i );
      if( !err && i%3==2 ) { err = dmg_wal_sync( wal ); if( !err ) synced = i+1; }
      if( !err && i%7==6 ) err = dmg_wal_prune( wal );
    }
    if( err && is_open ) {
      /* C6.1: nobody gets to try again. */
      uint64_t steps = dmg_vfs_mem_steps( v );
      assert_int_equal( dmg_wal_sync( wal ), err );
      assert_int_equal( put( wal, appended ), err );
      assert_int_equal( dmg_wal_prune( wal ), err );
      assert_int_equal( dmg_vfs_mem_steps( v ), steps );
    }
    dmg_wal_close( wal );
    dmg_vfs_mem_crash( v, rnd() );
    check_survived( v, synced, appended );
    dmg_vfs_free( v );
    if( !err ) break;
    assert_int_equal( err, step%2 ? DMG_ERR_FULL : DMG_ERR_IO );
  }
}

/* A log of one segment: batches of three records, each synced but the last.  Where each record begins and what is synced. */
typedef struct { uint8_t image[ IMAGE_MAX ]; size_t sz, at[ 12 ], last_synced; } one_t;
enum { REC_CNT = 11 };

static void make_one( one_t * o, bool syncs_last ) {
  dmg_vfs_t * v = new_vfs();
  dmg_wal_t * wal;
  uint8_t rec[ 4096 ];
  assert_int_equal( open_wal( v, &wal ), DMG_OK );
  size_t at = 0, durable = 0;
  for( uint64_t i = 0; i<REC_CNT; i++ ) {
    o->at[ i ] = at;
    at += model_rec( i, 0, 0, rec );
    assert_int_equal( put( wal, i ), DMG_OK );
    if( i%3==2 ) { assert_int_equal( dmg_wal_sync( wal ), DMG_OK ); o->last_synced = durable; durable = at; }
  }
  /* The largest durable of a record: of those after the last sync, if there are any. */
  o->last_synced = durable;
  if( syncs_last ) assert_int_equal( dmg_wal_sync( wal ), DMG_OK );
  o->at[ REC_CNT ] = at;
  dmg_wal_close( wal );
  o->sz = image_get( v, 0, o->image );
  dmg_vfs_free( v );
  assert_true( at<o->sz );
}

/* Opens a log with this image: torn at the record that holds `bad`, or corrupt if that was synced. */
static void check_image( one_t const * o, uint8_t const * image, size_t sz, size_t bad, bool is_harmless ) {
  dmg_vfs_t * v = new_vfs();
  dmg_wal_t * wal;
  image_put( v, 0, image, sz );
  size_t r = 0;
  while( r<REC_CNT && bad>=o->at[ r+1 ] ) r++;
  /* The largest durable among the records that are still good. */
  size_t durable = 0, d = 0;
  for( size_t i = 0; i<REC_CNT; i++ ) {
    bool is_good = i!=r && o->at[ i+1 ]<=sz;
    if( is_good && d>durable ) durable = d;
    if( i%3==2 ) d = o->at[ i+1 ];
  }
  bool is_corrupt = r<REC_CNT && o->at[ r ]<durable;
  dmg_err_t err = open_wal( v, &wal );
  if( is_harmless ) assert_int_equal( err, DMG_OK );
  else              assert_int_equal( err, is_corrupt ? DMG_ERR_CORRUPT : DMG_OK );
  if( !err ) {
    got_t g = read_all( wal );
    assert_int_equal( g.cnt, is_harmless ? REC_CNT : r );
    dmg_wal_close( wal );
    /* What the first open kept, the second keeps. */
    assert_int_equal( open_wal( v, &wal ), DMG_OK );
    dmg_wal_stats_t s;
    dmg_wal_stats( wal, &s );
    assert_int_equal( s.cut_sz, 0 );
    assert_int_equal( s.rec_cnt, g.cnt );
    dmg_wal_close( wal );
  } else {
    /* Nothing was changed, and it can be put aside for a human. */
    static uint8_t is[ IMAGE_MAX ];
    assert_int_equal( image_get( v, 0, is ), sz );
    assert_memory_equal( is, image, sz );
    assert_int_equal( dmg_wal_set_aside( &cfg, v ), DMG_OK );
    assert_int_equal( open_wal( v, &wal ), DMG_OK );
    assert_int_equal( read_all( wal ).cnt, 0 );
    dmg_wal_close( wal );
  }
  dmg_vfs_free( v );
}

static void test_a_file_cut_at_any_byte( void ** state ) {
  static one_t o;
  static uint8_t image[ IMAGE_MAX ];
  make_one( &o, false );
  for( size_t n = 0; n<o.at[ REC_CNT ]; n++ ) {
    /* The end is lost; and the end is zeros, as of a file whose size was written before its bytes. */
    dmg_vfs_t * v = new_vfs();
    dmg_wal_t * wal;
    image_put( v, 0, o.image, n );
    dmg_err_t err = open_wal( v, &wal );
    size_t whole = 0, durable = 0;
    while( whole<REC_CNT && o.at[ whole+1 ]<=n ) whole++;
    for( size_t i = 0, d = 0; i<whole; i++ ) { durable = d; if( i%3==2 ) d = o.at[ i+1 ]; }
    /* The padding of the last record may be missing. */
    bool is_padded = whole<REC_CNT && o.at[ whole+1 ]-n<8 && dmg_is_zero( o.image+n, o.at[ whole+1 ]-n ) && n-o.at[ whole ]>=32 && n-o.at[ whole ]-32>=dmg_load_u32le( o.image+o.at[ whole ] );
    assert_true( durable<=n );
    assert_int_equal( err, DMG_OK );
    assert_int_equal( read_all( wal ).cnt, whole+is_padded );
    dmg_wal_close( wal );
    dmg_vfs_free( v );
    memcpy( image, o.image, n );
    memset( image+n, 0, o.sz-n );
    v = new_vfs();
    image_put( v, 0, image, o.sz );
    assert_int_equal( open_wal( v, &wal ), DMG_OK );
    got_t g = read_all( wal );
    assert_true( g.cnt>=whole && g.cnt<=whole+1 );   /* one more if its lost bytes were zeros */
    dmg_wal_close( wal );
    dmg_vfs_free( v );
  }
}

static void test_a_flipped_bit_in_any_byte( void ** state ) {
  static one_t o;
  static uint8_t image[ IMAGE_MAX ];
  for( int syncs_last = 0; syncs_last<2; syncs_last++ ) {
    make_one( &o, syncs_last );
    for( size_t n = 0; n<o.at[ REC_CNT ]; n++ ) {
      memcpy( image, o.image, o.sz );
      image[ n ] ^= (uint8_t)( 1u<<( n*5%8 ) );
      check_image( &o, image, o.sz, n, false );
    }
  }
  /* Behind the end: no record, so no harm. */
  memcpy( image, o.image, o.sz );
  image[ o.at[ REC_CNT ]+100 ] ^= 4;
  check_image( &o, image, o.sz, o.at[ REC_CNT ]+100, true );
}

static void test_a_write_that_was_lost_or_went_elsewhere( void ** state ) {
  static one_t o;
  static uint8_t image[ IMAGE_MAX ];
  make_one( &o, true );
  for( size_t r = 0; r<REC_CNT; r++ ) {
    size_t sz = o.at[ r+1 ]-o.at[ r ];
    memcpy( image, o.image, o.sz );
    memset( image+o.at[ r ], 0, sz );
    if( r+1<REC_CNT ) check_image( &o, image, o.sz, o.at[ r ], false );
    /* Alone at the start of a log, where nobody knows the number: it calls synced what is behind itself. */
    if( r>=3 ) {
      memset( image, 0, o.sz );
      memcpy( image, o.image+o.at[ r ], sz );
      dmg_vfs_t * v = new_vfs();
      dmg_wal_t * wal;
      image_put( v, 0, image, o.sz );
      assert_int_equal( open_wal( v, &wal ), DMG_ERR_CORRUPT );
      dmg_vfs_free( v );
    }
    /* It stands where another should. */
    for( size_t q = 0; q<REC_CNT; q++ ) {
      if( q==r || o.at[ q ]+sz>o.at[ REC_CNT ] ) continue;
      memcpy( image, o.image, o.sz );
      memset( image+o.at[ r ], 0, sz );
      memcpy( image+o.at[ q ], o.image+o.at[ r ], sz );
      dmg_vfs_t * v = new_vfs();
      dmg_wal_t * wal;
      image_put( v, 0, image, o.sz );
      dmg_err_t err = open_wal( v, &wal );
      /* A record in a wrong place betrays itself, wherever it fell. */
      assert_int_equal( err, DMG_ERR_CORRUPT );
      dmg_vfs_free( v );
    }
  }
}

/* Also behind the last sync, where a bad record alone would be a torn tail. */
static void test_a_record_behind_its_place_is_no_torn_tail( void ** state ) {
  static uint8_t image[ IMAGE_MAX ];
  dmg_vfs_t * v = new_vfs();
  dmg_wal_t * wal;
  dmg_hash_t h = hash_of( 9 );
  assert_int_equal( open_wal( v, &wal ), DMG_OK );
  for( uint64_t i = 0; i<3; i++ ) assert_int_equal( dmg_wal_append_vote( wal, 7, DMG_VOTE_NOTARIZE, i+1, &h ), DMG_OK );
  dmg_wal_close( wal );
  size_t sz = image_get( v, 0, image );
  memcpy( image+160, image+80, 80 );
  memset( image+80, 0, 80 );
  image_put( v, 0, image, sz );
  assert_int_equal( open_wal( v, &wal ), DMG_ERR_CORRUPT );
  dmg_vfs_free( v );
}

/* Records of an older segment: all of them were synced, whatever their `durable` says. */
static void test_damage_in_an_older_segment_is_corruption( void ** state ) {
  static uint8_t image[ IMAGE_MAX ];
  dmg_vfs_t * v = new_vfs();
  dmg_wal_t * wal;
  assert_int_equal( open_wal( v, &wal ), DMG_OK );
  for( uint64_t i = 0; i<40; i++ ) assert_int_equal( put( wal, i ), DMG_OK );
  assert_int_equal( dmg_wal_sync( wal ), DMG_OK );
  dmg_wal_close( wal );
  size_t sz = image_get( v, 0, image ), end = 0;
  while( dmg_load_u32le( image+end ) ) end += ( 32+dmg_load_u32le( image+end )+7u )&~(size_t)7u;
  size_t last = 0;
  for( size_t at = 0; at<end; at += ( 32+dmg_load_u32le( image+at )+7u )&~(size_t)7u ) last = at;
  for( size_t n = last; n<sz; n += n<end ? 1 : 97 ) {
    assert_true( dmg_vfs_mem_flip( v, seg_name( 0 ), 8*n+n%8 ) );
    assert_int_equal( open_wal( v, &wal ), DMG_ERR_CORRUPT );
    assert_true( dmg_vfs_mem_flip( v, seg_name( 0 ), 8*n+n%8 ) );
  }
  /* Its last record is lost with all traces: the next segment does not follow. */
  memset( image+last, 0, sz-last );
  image_put( v, 0, image, sz );
  assert_int_equal( open_wal( v, &wal ), DMG_ERR_CORRUPT );
  image_put( v, 0, image, 0 );
  assert_int_equal( open_wal( v, &wal ), DMG_ERR_CORRUPT );
  /* A whole segment is lost. */
  assert_int_equal( dmg_vfs_unlink( v, seg_name( 1 ) ), DMG_OK );
  assert_int_equal( open_wal( v, &wal ), DMG_ERR_CORRUPT );
  dmg_vfs_free( v );
}

/* Foreign bytes inside a payload look like a record that calls everything synced: only with this log's numbering would it be one. */
static void test_a_payload_cannot_pose_as_a_record( void ** state ) {
  uint64_t const seqs[] = { 2, UINT64_MAX/2, ( cfg.secret>>1 )+1000, ( cfg.secret>>1 )+2 };
  for( int guess = 0; guess<4; guess++ ) {
    bool knows_seq = guess==3;
    dmg_vfs_t * v = new_vfs();
    dmg_wal_t * wal;
    uint8_t bytes[ 1024 ] = { 0 }, rec[ 4096 ];
    dmg_store_u32le( bytes+5, 7 );
    dmg_store_u64le( bytes+9, 5 );
    assert_int_equal( open_wal( v, &wal ), DMG_OK );
    assert_int_equal( put( wal, 0 ), DMG_OK );
    assert_int_equal( dmg_wal_sync( wal ), DMG_OK );
    size_t at = model_rec( 0, 0, 0, rec );
    size_t n = model_rec( 1, seqs[ guess ], at+8, rec );
    memcpy( bytes+528, rec, n );
    dmg_span_t part = DMG_SPAN( bytes );
    assert_int_equal( dmg_wal_append( wal, DMG_WAL_PROPOSAL, 7, &part, 1 ), DMG_OK );
    dmg_wal_close( wal );
    assert_true( dmg_vfs_mem_flip( v, seg_name( 0 ), 8*( at+40 ) ) );   /* the proposal is torn */
    assert_int_equal( open_wal( v, &wal ), knows_seq ? DMG_ERR_CORRUPT : DMG_OK );
    if( !knows_seq ) { assert_int_equal( read_all( wal ).cnt, 1 ); dmg_wal_close( wal ); }
    dmg_vfs_free( v );
  }
}

static void test_bounds( void ** state ) {
  dmg_vfs_t * v = new_vfs();
  dmg_wal_t * wal;
  dmg_wal_cfg_t big = { .dir = "w" };
  static uint8_t bytes[ DMG_WAL_PROPOSAL_MIN ], body[ DMG_WAL_PAYLOAD_MAX ];
  dmg_store_u32le( bytes+5, 7 );
  dmg_store_u64le( bytes+9, 5 );
  dmg_span_t part[ 3 ] = { DMG_SPAN( bytes ), dmg_span( body, sizeof body-sizeof bytes-1 ), dmg_span( body, 1 ) };
  assert_int_equal( dmg_wal_open( &big, v, &wal, NULL ), DMG_OK );
  assert_int_equal( dmg_wal_append( wal, DMG_WAL_PROPOSAL, 7, part, 3 ), DMG_OK );
  part[ 2 ].sz = 2;
  assert_int_equal( dmg_wal_append( wal, DMG_WAL_PROPOSAL, 7, part, 3 ), DMG_ERR_LIMIT );
  part[ 2 ].sz = 1;
  for( int i = 0; i<8; i++ ) { assert_int_equal( dmg_wal_append( wal, DMG_WAL_PROPOSAL, 7, part, 3 ), DMG_OK ); assert_int_equal( dmg_wal_sync( wal ), DMG_OK ); }
  dmg_wal_close( wal );
  assert_int_equal( dmg_wal_open( &big, v, &wal, NULL ), DMG_OK );
  dmg_wal_stats_t s;
  dmg_wal_stats( wal, &s );
  assert_int_equal( s.rec_cnt, 9 );
  assert_int_equal( s.segment_cnt, 3 );
  dmg_wal_close( wal );
  dmg_vfs_free( v );
}

int main( void ) {
  dmg_log_setup( -1, DMG_LOG_LEVEL_ERROR, DMG_LOG_FORMAT_TEXT );
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_bytes_are_those_of_the_format ),
    cmocka_unit_test( test_many_segments_read_back_and_go_below_the_floor ),
    cmocka_unit_test( test_a_floor_that_is_not_synced_prunes_nothing ),
    cmocka_unit_test( test_the_segment_of_the_last_floor_stays ),
    cmocka_unit_test( test_what_was_cut_does_not_come_back ),
    cmocka_unit_test( test_a_crash_at_any_step_keeps_what_was_synced ),
    cmocka_unit_test( test_a_failure_at_any_step_is_final ),
    cmocka_unit_test( test_a_file_cut_at_any_byte ),
    cmocka_unit_test( test_a_flipped_bit_in_any_byte ),
    cmocka_unit_test( test_a_write_that_was_lost_or_went_elsewhere ),
    cmocka_unit_test( test_a_record_behind_its_place_is_no_torn_tail ),
    cmocka_unit_test( test_damage_in_an_older_segment_is_corruption ),
    cmocka_unit_test( test_a_payload_cannot_pose_as_a_record ),
    cmocka_unit_test( test_bounds ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
