/* What is known of gaps against a plain array of cells, and iterators that leap over them: how far they walk is counted by the
   store itself (RocksDB's perf context), never by time. */
#include "storage/gaps_int.h"
#include "base/test_rnd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

/* ---- The table alone ---- */

/* Keys are 00000000, 00000001, ..: cell 2i is key i, cell 2i+1 all bounds behind it and before key i+1. */
enum { KEYS = 40, CELLS = 2*KEYS };
static dmg_bound_t bound_at( unsigned cell ) {
  uint8_t k[ 4 ];
  dmg_store_u32be( k, cell/2 );
  return cell%2 ? dmg_bound_after( DMG_SPAN( k ) ) : dmg_bound_of( DMG_SPAN( k ) );
}
static unsigned cell_of( dmg_bound_t const * b ) {
  assert_true( b->sz==4 || ( b->sz==5 && !b->b[4] ) );
  return 2*dmg_load_u32be( b->b )+( b->sz==5 );
}

static bool leaps( dmg_gaps_t * g, bool is_reverse, dmg_bound_t * lo, dmg_bound_t * hi ) {
  dmg_bound_t a = *lo, b = *hi, stop;
  dmg_gaps_next( g, is_reverse, lo, hi, &stop );
  return !dmg_span_eq( dmg_bound_span( &a ), dmg_bound_span( lo ) ) || !dmg_span_eq( dmg_bound_span( &b ), dmg_bound_span( hi ) );
}
static void assert_known( dmg_gaps_t * g, bool const * is_known ) {
  for( unsigned a=0; a<CELLS; a++ ) for( unsigned b=a; b<=CELLS; b++ ) for( int r=0; r<2; r++ ) {
    unsigned lo = a, hi = b, stop;
    if( r ) {
      while( hi>lo && is_known[ hi-1 ] ) hi--;
      for( stop=hi; stop>lo && !is_known[ stop-1 ]; ) stop--;
    } else {
      while( lo<hi && is_known[ lo ] ) lo++;
      for( stop=lo; stop<hi && !is_known[ stop ]; ) stop++;
    }
    dmg_bound_t x = bound_at( a ), y = bound_at( b ), z;
    dmg_gaps_next( g, r, &x, &y, &z );
    assert_int_equal( cell_of( &x ), lo );
    assert_int_equal( cell_of( &y ), hi );
    assert_int_equal( cell_of( &z ), stop );
  }
}

static void overlay_make( dmg_overlay_t * o, dmg_entry_t * entry, uint8_t key[ KEYS ][ 4 ], int const * op ) {
  *o = (dmg_overlay_t){ .entry = entry };
  for( unsigned i=0; i<KEYS; i++ ) {
    if( !op[ i ] ) continue;
    dmg_store_u32be( key[ i ], i );
    entry[ o->cnt++ ] = (dmg_entry_t){ .key = dmg_span( key[ i ], 4 ), .is_delete = op[ i ]<0 };
  }
}

static void test_random_gaps_equal_cells( void ** st ) {
  seed( 3 );
  for( int run=0; run<12; run++ ) {
    dmg_hash_t block = { { 1 } };
    dmg_gaps_t * g = dmg_gaps_new( &block, 7 );
    bool is_known[ CELLS ] = { 0 };
    for( int s=0; s<14; s++ ) {
      if( rnd()%2 ) {
        unsigned a = (unsigned)( rnd()%CELLS ), b = a+1+(unsigned)( rnd()%( rnd()%3 ? 6 : 30 ) );
        if( b>CELLS ) b = CELLS;
        dmg_bound_t lo = bound_at( a ), hi = bound_at( b );
        dmg_gaps_add( g, dmg_bound_span( &lo ), dmg_bound_span( &hi ) );
        for( ; a<b; a++ ) is_known[ a ] = true;
      } else {
        int op[ KEYS ];
        for( int i=0; i<KEYS; i++ ) op[ i ] = rnd()%6==0 ? 1 : rnd()%3==0 ? -1 : 0;
        dmg_overlay_t o;
        dmg_entry_t entry[ KEYS ];
        uint8_t key[ KEYS ][ 4 ];
        overlay_make( &o, entry, key, op );
        o.block.b[0] = (uint8_t)( s+2 );
        o.height     = 8;
        dmg_gaps_t * child = dmg_gaps_carry( g, &o );
        assert_known( g, is_known );             /* the parent's stays what it was */
        assert_memory_equal( child->block.b, o.block.b, 32 );
        assert_int_equal( child->height, 8 );
        bool was_known[ CELLS ];
        memcpy( was_known, is_known, sizeof is_known );
        for( int i=0; i<KEYS; i++ ) {
          if( op[ i ]>0 ) is_known[ 2*i ] = false;
          /* A delete at the edge of a gap of the parent's makes it wider, elsewhere nothing is learned. */
          if( op[ i ]<0 && ( was_known[ 2*i+1 ] || ( i && was_known[ 2*i-1 ] ) ) ) is_known[ 2*i ] = true;
        }
        dmg_gaps_release( g );
        g = child;
      }
      assert_known( g, is_known );
    }
    dmg_gaps_release( g );
  }
}

static void test_after_many_blocks_nothing_is_known( void ** st ) {
  dmg_hash_t block = { { 0 } };
  dmg_gaps_t * g = dmg_gaps_new( &block, 50 );
  dmg_gaps_add( g, DMG_SPAN_STR( "a" ), DMG_SPAN_STR( "b" ) );
  for( uint64_t h=51; h<50+2*DMG_GAPS_BLOCKS_MAX; h++ ) {
    dmg_overlay_t o = { .height = h };
    dmg_gaps_t * child = dmg_gaps_carry( g, &o );
    dmg_gaps_release( g );
    g = child;
    assert_int_equal( g->cnt, h<50+DMG_GAPS_BLOCKS_MAX || h>=60+DMG_GAPS_BLOCKS_MAX );
    if( h==60+DMG_GAPS_BLOCKS_MAX-1 ) dmg_gaps_add( g, DMG_SPAN_STR( "a" ), DMG_SPAN_STR( "b" ) );
  }
  dmg_gaps_release( g );
}

static void test_longest_keys_and_both_ends( void ** st ) {
  uint8_t key[ DMG_KV_KEY_MAX ];
  memset( key, 0xff, sizeof key );
  dmg_bound_t end = { .sz = DMG_KV_KEY_MAX+1 }, none = { 0 };
  memset( end.b, 0xff, sizeof end.b );
  dmg_bound_t after = dmg_bound_after( DMG_SPAN( key ) );
  assert_true( dmg_span_cmp( dmg_bound_span( &after ), dmg_bound_span( &end ) )<0 );
  dmg_hash_t block = { { 0 } };
  dmg_gaps_t * g = dmg_gaps_new( &block, 0 );
  dmg_gaps_add( g, dmg_bound_span( &after ), dmg_bound_span( &end ) );
  dmg_gaps_add( g, dmg_bound_span( &none ), DMG_SPAN( key ) );
  assert_int_equal( g->cnt, 2 );
  dmg_bound_t lo = none, hi = end;
  assert_true( leaps( g, false, &lo, &hi ) );
  assert_true( dmg_span_eq( dmg_bound_span( &lo ), DMG_SPAN( key ) ) );
  assert_true( leaps( g, true, &lo, &hi ) );
  assert_true( dmg_span_eq( dmg_bound_span( &hi ), dmg_bound_span( &after ) ) );
  assert_false( leaps( g, false, &lo, &hi ) );
  assert_false( leaps( g, true, &lo, &hi ) );
  /* The only key goes: nothing is left. */
  dmg_entry_t entry = { .key = DMG_SPAN( key ), .is_delete = true };
  dmg_overlay_t o = { .entry = &entry, .cnt = 1 };
  dmg_gaps_t * child = dmg_gaps_carry( g, &o );
  assert_int_equal( child->cnt, 1 );
  lo = none; hi = end;
  assert_true( leaps( child, false, &lo, &hi ) );
  assert_true( dmg_span_eq( dmg_bound_span( &lo ), dmg_bound_span( &hi ) ) );
  dmg_gaps_release( child );
  dmg_gaps_release( g );
}

static void test_full_forgets_and_goes_on( void ** st ) {
  dmg_hash_t block = { { 0 } };
  for( int is_long=0; is_long<2; is_long++ ) {
    dmg_gaps_t * g = dmg_gaps_new( &block, 0 );
    uint8_t k[ DMG_KV_KEY_MAX ] = { 0 };
    uint32_t cnt_max = 0;
    for( uint32_t i=0; i<3*DMG_GAPS_MAX; i++ ) {
      dmg_store_u32be( k, i );
      dmg_span_t lo = is_long ? DMG_SPAN( k ) : dmg_span( k, 4 );
      dmg_bound_t hi = dmg_bound_after( lo );
      dmg_gaps_add( g, lo, dmg_bound_span( &hi ) );
      dmg_bound_t a = dmg_bound_of( lo ), b = { .sz = 1, .b = { 0xff } };
      assert_true( leaps( g, false, &a, &b ) );
      assert_true( g->cnt<=DMG_GAPS_MAX && g->mem_sz<=DMG_GAPS_MEM_SZ );
      if( g->cnt>cnt_max ) cnt_max = g->cnt;
      /* Carried when full: a gap that is parted once more than there is room for loses its end, no more. */
      if( g->cnt==DMG_GAPS_MAX && i<DMG_GAPS_MAX ) {
        dmg_bound_t none = { 0 }, all = { .sz = 1, .b = { 0xff } };
        dmg_gaps_t * w = dmg_gaps_new( &block, 0 );
        dmg_gaps_add( w, dmg_bound_span( &none ), dmg_bound_span( &all ) );
        static dmg_entry_t entry[ 2*DMG_GAPS_MAX ];
        static uint8_t key[ 2*DMG_GAPS_MAX ][ 4 ];
        for( uint32_t j=0; j<2*DMG_GAPS_MAX; j++ ) { dmg_store_u32be( key[ j ], j ); entry[ j ] = (dmg_entry_t){ .key = dmg_span( key[ j ], 4 ) }; }
        dmg_overlay_t o = { .entry = entry, .cnt = 2*DMG_GAPS_MAX };
        dmg_gaps_t * c = dmg_gaps_carry( w, &o );
        assert_int_equal( c->cnt, DMG_GAPS_MAX );
        for( uint32_t j=0; j<2*DMG_GAPS_MAX; j++ ) {
          a = dmg_bound_of( entry[ j ].key );
          b = all;
          assert_false( leaps( c, false, &a, &b ) );      /* never over a key */
        }
        dmg_gaps_release( c );
        dmg_gaps_release( w );
      }
    }
    if( is_long ) assert_in_range( cnt_max, DMG_GAPS_MEM_SZ/( 2*DMG_KV_KEY_MAX+2 )-1, DMG_GAPS_MAX );
    else          assert_int_equal( cnt_max, DMG_GAPS_MAX );
    dmg_gaps_release( g );
  }
}

/* ---- Iterators over a store with tombstones, and over deleted entries above it ---- */

typedef struct { bool is_rocks; char dir[ 64 ]; dmg_kv_t * kv; dmg_state_t * state; dmg_hash_t head; uint64_t height; } env_t;

/* What the store's iterators walked, counted where they are asked. */
static uint64_t walked, stepped, moved;
static dmg_kv_vt_t vt;
static dmg_kv_vt_t const * vt_of;
static dmg_err_t next_counted( dmg_kv_iter_t * it, dmg_span_t * key, dmg_span_t * value ) {
  dmg_err_t err = vt_of->iter_next( it, key, value );
  walked += it->walked;
  stepped++;
  return err;
}
static void move_counted( dmg_kv_iter_t * it, dmg_span_t lo, dmg_span_t hi ) { moved++; vt_of->iter_move( it, lo, hi ); }

static dmg_write_t * write_list;
enum { MANY = 100000 };

static uint32_t walk_min;
static void state_open( env_t * e ) {
  dmg_open_why_t why;
  dmg_state_cfg_t cfg = { .genesis_hash = { { 7 } }, .secret = 99, .gap_walk_min = walk_min };
  assert_int_equal( dmg_state_open( &cfg, e->kv, &e->state, &why ), DMG_OK );
}
static void kv_open( env_t * e ) {
  dmg_open_why_t why;
  if( e->is_rocks ) {
    dmg_kv_rocks_cfg_t cfg = { .dir = e->dir };
    assert_int_equal( dmg_kv_rocks_open( &cfg, &e->kv, &why ), DMG_OK );
  } else assert_int_equal( dmg_kv_mem_open( 1u<<28, &e->kv ), DMG_OK );
  vt_of = e->kv->vt;
  vt    = *vt_of;
  vt.iter_next = next_counted;
  vt.iter_move = move_counted;
  e->kv->vt    = &vt;
}
static void kv_close( env_t * e ) {
  e->kv->vt = vt_of;
  dmg_kv_close( e->kv );
}
static void env_open( env_t * e, bool is_rocks ) {
  *e = (env_t){ .is_rocks = is_rocks };
  if( is_rocks ) { snprintf( e->dir, sizeof e->dir, "/tmp/dmg_gaps_XXXXXX" ); assert_non_null( mkdtemp( e->dir ) ); }
  kv_open( e );
  state_open( e );
}
static void env_close( env_t * e ) {
  dmg_state_close( e->state );
  kv_close( e );
  if( !e->is_rocks ) return;
  char cmd[ 128 ];
  snprintf( cmd, sizeof cmd, "rm -rf '%s'", e->dir );
  assert_int_equal( system( cmd ), 0 );
}

static dmg_span_t key_of( uint32_t i ) {
  static uint8_t key[ MANY+2 ][ 8 ];
  dmg_store_u32be( key[ i ], 1 );
  dmg_store_u32be( key[ i ]+4, i );
  return dmg_span( key[ i ], 8 );
}
/* The next block puts or deletes keys from, from+step, .. below to. */
static void block( env_t * e, uint32_t from, uint32_t to, uint32_t step, bool is_delete, bool is_final ) {
  static uint8_t const value[ 2 ] = { 1, 1 };
  size_t n = 0;
  for( uint32_t i=from; i<to; i+=step ) write_list[ n++ ] = (dmg_write_t){ .key = key_of( i ), .value = DMG_SPAN( value ), .is_delete = is_delete };
  dmg_hash_t next = { { 0 } }, root;
  if( !e->height ) {
    next.b[0] = 1;
    assert_int_equal( dmg_state_genesis( e->state, &next, write_list, n, &root ), DMG_OK );
  } else {
    dmg_store_u64le( next.b, e->height+1 );
    assert_int_equal( dmg_state_apply( e->state, &e->head, &next, e->height, write_list, n, NULL, 0 ), DMG_OK );
    if( is_final ) assert_int_equal( dmg_state_finalize( e->state, &next, NULL, 0 ), DMG_OK );
  }
  e->head = next;
  e->height++;
}

/* The first keys of a scan, as numbers; returns how many entries that are gone were walked by the store. */
static uint64_t scan( env_t * e, bool is_reverse, uint32_t want, uint32_t want2 ) {
  dmg_view_t * v;
  dmg_iter_t * it;
  dmg_span_t key;
  uint8_t prefix[ 4 ] = { 0, 0, 0, 1 };
  walked = stepped = moved = 0;
  assert_int_equal( dmg_state_view( e->state, &e->head, &v ), DMG_OK );
  assert_int_equal( dmg_view_iter( v, DMG_SPAN( prefix ), (dmg_span_t){ 0 }, is_reverse, &it ), DMG_OK );
  for( int i=0; i<2; i++ ) {
    uint32_t w = i ? want2 : want;
    assert_int_equal( dmg_iter_next( it, &key, NULL ), w==UINT32_MAX ? DMG_ERR_NOT_FOUND : DMG_OK );
    if( w!=UINT32_MAX ) assert_true( dmg_span_eq( key, key_of( w ) ) );
  }
  dmg_iter_close( it );
  dmg_view_close( v );
  return walked;
}

static void test_second_scan_over_tombstones_takes_few_steps( void ** st ) {
  env_t e;
  env_open( &e, true );
  block( &e, 0, MANY+1, 1, false, true );
  for( uint32_t i=1; i<MANY; i+=MANY/4 ) block( &e, i, i+MANY/4<MANY ? i+MANY/4 : MANY, 1, true, true );   /* all but the first and the last */
  assert_true( scan( &e, false, 0, MANY )>=MANY/2 );   /* they are there, and counted */
  assert_in_range( scan( &e, false, 0, MANY ), 0, 8 );
  assert_in_range( scan( &e, true, MANY, 0 ), 0, 8 );
  /* A key in the midst, and gone again: in the blocks after, and back again what is behind it. */
  block( &e, MANY/2, MANY/2+1, 1, false, true );
  assert_in_range( scan( &e, false, 0, MANY/2 ), 0, 8 );
  assert_in_range( scan( &e, true, MANY, MANY/2 ), 0, 8 );
  block( &e, MANY/2, MANY/2+1, 1, true, true );
  assert_in_range( scan( &e, false, 0, MANY ), 0, 8 );
  assert_in_range( scan( &e, true, MANY, 0 ), 0, 8 );
  /* The edges go, too; blocks in which nobody looks. */
  block( &e, 0, 1, 1, true, true );
  block( &e, MANY, MANY+1, 1, true, true );
  assert_in_range( scan( &e, false, UINT32_MAX, UINT32_MAX ), 0, 8 );
  assert_in_range( scan( &e, true, UINT32_MAX, UINT32_MAX ), 0, 8 );
  block( &e, 7, 8, 1, false, true );
  assert_in_range( scan( &e, true, 7, UINT32_MAX ), 0, 8 );
  env_close( &e );
}

static void test_second_scan_over_blocks_not_yet_final_takes_few_steps( void ** st ) {
  for( int is_rocks=0; is_rocks<2; is_rocks++ ) {
    env_t e;
    env_open( &e, is_rocks );
    uint32_t const n = 4000;
    block( &e, 0, n+1, 1, false, true );
    block( &e, 1, n/2, 1, true, false );
    block( &e, n/2, n, 1, true, false );
    scan( &e, false, 0, n );
    assert_in_range( stepped, n, n+2 );                    /* all of the store's keys: there they are not gone */
    scan( &e, false, 0, n );
    assert_in_range( stepped+moved, 0, 6 );
    block( &e, 5, 6, 1, false, false );                    /* a child not yet final either */
    scan( &e, true, n, 5 );
    assert_in_range( stepped+moved, 0, 6 );
    assert_int_equal( dmg_state_finalize( e.state, &e.head, NULL, 0 ), DMG_OK );
    scan( &e, true, n, 5 );
    assert_in_range( stepped+moved, 0, 6 );
    assert_in_range( walked, 0, 8 );
    env_close( &e );
  }
}

/* Files of many tombstones do not wait for others to be compacted with: a state that knows no gaps walks few. */
static void test_tombstones_on_disk_are_soon_compacted( void ** st ) {
  uint32_t const n = 10000;
  env_t e;
  env_open( &e, true );
  for( int i=0; i<2; i++ ) {
    if( i ) block( &e, 1, n, 1, true, true );
    else    block( &e, 0, n+1, 1, false, true );
    dmg_state_close( e.state );
    kv_close( &e );
    kv_open( &e );                                         /* what the log of writes held goes into a file */
    if( !i ) state_open( &e );
  }
  uint64_t least = UINT64_MAX;
  for( int i=0; i<600 && least>8; i++ ) {
    state_open( &e );
    scan( &e, false, 0, n );
    if( walked<least ) least = walked;
    dmg_state_close( e.state );
    if( least>8 ) usleep( 50000 );
  }
  assert_in_range( least, 0, 8 );
  state_open( &e );
  env_close( &e );
}

/* Ranges that go, keys that come into them, blocks that become final late, scans from any place both ways over any block held:
   against whole copies of the set of keys. */
enum { SET = 700, HELD = 12 };
typedef struct { dmg_hash_t hash; bool has[ SET ]; } held_t;

static void assert_scan( env_t * e, held_t const * b ) {
  dmg_view_t * v;
  dmg_iter_t * it;
  assert_int_equal( dmg_state_view( e->state, &b->hash, &v ), DMG_OK );
  bool is_reverse = rnd()%2;
  dmg_span_t prefix = dmg_span( key_of( rnd_below( SET ) ).p, rnd()%2 ? 4 : 7 ), after = rnd()%4 ? key_of( rnd_below( SET ) ) : dmg_span( NULL, 0 );
  assert_int_equal( dmg_view_iter( v, prefix, after, is_reverse, &it ), DMG_OK );
  uint32_t left = 1+rnd_below( 40 );
  for( uint32_t j=0; j<=SET && left; j++ ) {
    uint32_t i = is_reverse ? SET-1-j : j;
    dmg_span_t key;
    if( j==SET ) { assert_int_equal( dmg_iter_next( it, &key, NULL ), DMG_ERR_NOT_FOUND ); break; }
    dmg_span_t k = key_of( i );
    if( !b->has[ i ] || memcmp( k.p, prefix.p, prefix.sz ) || ( after.sz && ( is_reverse ? dmg_span_cmp( k, after )>=0 : dmg_span_cmp( k, after )<=0 ) ) ) continue;
    assert_int_equal( dmg_iter_next( it, &key, NULL ), DMG_OK );
    assert_true( dmg_span_eq( key, k ) );
    left--;
  }
  dmg_iter_close( it );
  dmg_view_close( v );
}

static void run_ranges( bool is_rocks, int blocks ) {
  static held_t held[ HELD ];
  static uint8_t const value[ 2 ] = { 1, 1 };
  env_t e;
  env_open( &e, is_rocks );
  block( &e, 0, SET, 1, false, true );
  held_t now = { .hash = e.head };
  memset( now.has, true, sizeof now.has );
  uint32_t n = 0, final = 0;                               /* heights above genesis */
  held[0] = now;
  for( int s=0; s<blocks; s++ ) {
    int8_t op[ SET ] = { 0 };
    for( uint32_t t=1+rnd_below( 3 ); t; t-- ) {
      uint32_t a = rnd_below( SET ), cnt = 1+rnd_below( rnd()%3 ? 120 : 3 );
      bool is_put = rnd()%3==0;
      if( is_put && cnt>9 ) cnt = 1+cnt%4;
      for( uint32_t i=a; i<SET && i<a+cnt; i++ ) op[ i ] = is_put ? 1 : -1;
    }
    size_t cnt = 0;
    for( uint32_t i=0; i<SET; i++ ) {
      if( !op[ i ] ) continue;
      write_list[ cnt++ ] = (dmg_write_t){ .key = key_of( i ), .value = DMG_SPAN( value ), .is_delete = op[ i ]<0 };
      now.has[ i ] = op[ i ]>0;
    }
    dmg_hash_t next = { { 9 } };
    dmg_store_u64le( next.b+8, ++n );
    assert_int_equal( dmg_state_apply( e.state, &now.hash, &next, n, write_list, cnt, NULL, 0 ), DMG_OK );
    now.hash = next;
    held[ n%HELD ] = now;
    while( final<n && ( rnd()%3 || n-final>=HELD-1 ) ) assert_int_equal( dmg_state_finalize( e.state, &held[ ++final%HELD ].hash, NULL, 0 ), DMG_OK );
    for( int t=0; t<5; t++ ) {
      uint32_t back = rnd()%2 ? 0 : rnd_below( n<HELD-1 ? n+1 : HELD );
      assert_scan( &e, held+( n-back )%HELD );
    }
  }
  env_close( &e );
}

static void test_random_ranges_equal_whole_copies( void ** st ) {
  for( uint64_t i=1; i<=8; i++ ) {
    seed( i );
    walk_min = i%3 ? 1+rnd_below( 8 ) : 0;
    run_ranges( i%4==0, 160 );
  }
  walk_min = 0;
}

/* A block that is dropped, then applied with other writes: what was known of it must not live on. */
static void test_block_applied_again_has_its_own_gaps( void ** st ) {
  env_t e;
  env_open( &e, false );
  block( &e, 0, 101, 1, false, true );
  env_t at = e;
  block( &e, 1, 100, 1, true, false );
  scan( &e, false, 0, 100 );
  scan( &e, false, 0, 100 );
  assert_in_range( stepped+moved, 0, 6 );
  assert_int_equal( dmg_state_drop( e.state, &e.head ), DMG_OK );
  e = at;
  block( &e, 1, 50, 1, true, false );
  scan( &e, false, 0, 50 );
  env_close( &e );
}

int main( void ) {
  write_list = malloc( ( MANY+2 )*sizeof *write_list );
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_random_gaps_equal_cells ),
    cmocka_unit_test( test_after_many_blocks_nothing_is_known ),
    cmocka_unit_test( test_longest_keys_and_both_ends ),
    cmocka_unit_test( test_full_forgets_and_goes_on ),
    cmocka_unit_test( test_second_scan_over_blocks_not_yet_final_takes_few_steps ),
    cmocka_unit_test( test_second_scan_over_tombstones_takes_few_steps ),
    cmocka_unit_test( test_random_ranges_equal_whole_copies ),
    cmocka_unit_test( test_tombstones_on_disk_are_soon_compacted ),
    cmocka_unit_test( test_block_applied_again_has_its_own_gaps ),
  };
  int bad = cmocka_run_group_tests( tests, NULL, NULL );
  free( write_list );
  return bad;
}
