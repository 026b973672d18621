/* The conformance suite of the key-value trait: one set of tests, run unchanged on every backend. */
#include "storage/kv.h"
#include "base/assert.h"
#include "base/os.h"
#include "base/test_rnd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

typedef struct { bool is_rocks; dmg_kv_t * kv; char dir[ 64 ]; } env_t;

static void reopen( env_t * e ) {
  if( !e->is_rocks ) return;
  dmg_kv_close( e->kv );
  e->kv = NULL;
  dmg_open_why_t why;
  dmg_kv_rocks_cfg_t cfg = { .dir = e->dir, .is_universal = true };
  assert_int_equal( dmg_kv_rocks_open( &cfg, &e->kv, &why ), DMG_OK );
}

static int setup( void ** st, bool is_rocks ) {
  env_t * e = calloc( 1, sizeof *e );
  e->is_rocks = is_rocks;
  if( is_rocks ) {
    snprintf( e->dir, sizeof e->dir, "/tmp/dmg_kv_XXXXXX" );
    assert_non_null( mkdtemp( e->dir ) );
    dmg_open_why_t why;
    dmg_kv_rocks_cfg_t cfg = { .dir = e->dir, .is_universal = true };
    assert_int_equal( dmg_kv_rocks_open( &cfg, &e->kv, &why ), DMG_OK );
  } else {
    assert_int_equal( dmg_kv_mem_open( 1u<<28, &e->kv ), DMG_OK );
  }
  *st = e;
  return 0;
}
static int setup_mem  ( void ** st ) { return setup( st, false ); }
static int setup_rocks( void ** st ) { return setup( st, true ); }
static int teardown( void ** st ) {
  env_t * e = *st;
  dmg_kv_close( e->kv );
  if( e->is_rocks ) {
    char cmd[ 128 ];
    snprintf( cmd, sizeof cmd, "rm -rf '%s'", e->dir );
    if( system( cmd ) ) return -1;
  }
  free( e );
  return 0;
}

#define S( text ) DMG_SPAN_STR( text )
static dmg_kv_op_t put( dmg_kv_cf_t cf, dmg_span_t k, dmg_span_t v ) { return (dmg_kv_op_t){ .cf = cf, .key = k, .value = v }; }
static dmg_kv_op_t del( dmg_kv_cf_t cf, dmg_span_t k )               { return (dmg_kv_op_t){ .cf = cf, .is_delete = true, .key = k }; }

static void assert_value( dmg_kv_t * kv, dmg_kv_cf_t cf, dmg_kv_snap_t * snap, dmg_span_t key, char const * want ) {
  dmg_kv_val_t v;
  dmg_err_t err = dmg_kv_get( kv, cf, snap, key, &v );
  if( !want ) { assert_int_equal( err, DMG_ERR_NOT_FOUND ); return; }
  assert_int_equal( err, DMG_OK );
  assert_true( dmg_span_eq( v.v, dmg_span_cstr( want ) ) );
  dmg_kv_val_release( &v );
}

static void test_get_absent_is_not_found( void ** st ) {
  dmg_kv_t * kv = ( (env_t *)*st )->kv;
  for( int cf=0; cf<DMG_KV_CF_CNT; cf++ ) assert_value( kv, (dmg_kv_cf_t)cf, NULL, S( "x" ), NULL );
}

static void test_write_spans_columns_and_last_wins( void ** st ) {
  env_t * e = *st;
  dmg_kv_op_t ops[] = { put( DMG_KV_STATE, S( "a" ), S( "1" ) ), put( DMG_KV_META, S( "a" ), S( "2" ) ), put( DMG_KV_STATE, S( "a" ), S( "3" ) ),
    put( DMG_KV_ORD, S( "e" ), S( "" ) ), put( DMG_KV_STATE, S( "gone" ), S( "x" ) ), del( DMG_KV_STATE, S( "gone" ) ), del( DMG_KV_STATE, S( "never" ) ),
    put( DMG_KV_STATE, S( "" ), S( "empty key" ) ) };
  assert_int_equal( dmg_kv_write( e->kv, ops, sizeof ops/sizeof *ops, true ), DMG_OK );
  for( int round=0; round<2; round++ ) {
    assert_value( e->kv, DMG_KV_STATE, NULL, S( "a" ), "3" );
    assert_value( e->kv, DMG_KV_META,  NULL, S( "a" ), "2" );
    assert_value( e->kv, DMG_KV_ORD,   NULL, S( "e" ), "" );
    assert_value( e->kv, DMG_KV_ORD,   NULL, S( "a" ), NULL );
    assert_value( e->kv, DMG_KV_STATE, NULL, S( "gone" ), NULL );
    assert_value( e->kv, DMG_KV_STATE, NULL, S( "" ), "empty key" );
    reopen( e );
  }
}

static void test_stats_tell_what_memory_holds( void ** st ) {
  dmg_kv_t * kv = ( (env_t *)*st )->kv;
  uint8_t * big = calloc( 1, DMG_KV_VALUE_MAX );
  dmg_kv_stats_t before, after;
  dmg_kv_stats( kv, &before );
  dmg_kv_op_t op = put( DMG_KV_STATE, S( "a" ), dmg_span( big, DMG_KV_VALUE_MAX ) );
  assert_int_equal( dmg_kv_write( kv, &op, 1, false ), DMG_OK );
  dmg_kv_stats( kv, &after );
  assert_in_range( after.mem_sz, before.mem_sz+DMG_KV_VALUE_MAX, before.mem_sz+( 8u<<20 ) );
  free( big );
}

static void test_write_over_a_limit_changes_nothing( void ** st ) {
  dmg_kv_t * kv = ( (env_t *)*st )->kv;
  uint8_t * big = calloc( 1, DMG_KV_VALUE_MAX+1 );
  uint8_t key[ DMG_KV_KEY_MAX+1 ] = { 0 };
  dmg_kv_op_t ops[ 2 ] = { put( DMG_KV_STATE, S( "a" ), S( "1" ) ), put( DMG_KV_STATE, S( "b" ), dmg_span( big, DMG_KV_VALUE_MAX+1 ) ) };
  assert_int_equal( dmg_kv_write( kv, ops, 2, false ), DMG_ERR_LIMIT );
  ops[1] = put( DMG_KV_STATE, dmg_span( key, sizeof key ), S( "" ) );
  assert_int_equal( dmg_kv_write( kv, ops, 2, false ), DMG_ERR_LIMIT );
  assert_value( kv, DMG_KV_STATE, NULL, S( "a" ), NULL );
  ops[1] = put( DMG_KV_STATE, dmg_span( key, DMG_KV_KEY_MAX ), dmg_span( big, DMG_KV_VALUE_MAX ) );
  assert_int_equal( dmg_kv_write( kv, ops, 2, false ), DMG_OK );
  dmg_kv_val_t v;
  assert_int_equal( dmg_kv_get( kv, DMG_KV_STATE, NULL, dmg_span( key, DMG_KV_KEY_MAX ), &v ), DMG_OK );
  assert_int_equal( v.v.sz, DMG_KV_VALUE_MAX );
  dmg_kv_val_release( &v );
  assert_int_equal( dmg_kv_get( kv, DMG_KV_STATE, NULL, dmg_span( key, sizeof key ), &v ), DMG_ERR_LIMIT );
  free( big );
}

static void test_pinned_value_survives_overwrite( void ** st ) {
  dmg_kv_t * kv = ( (env_t *)*st )->kv;
  dmg_kv_op_t op = put( DMG_KV_STATE, S( "k" ), S( "old" ) );
  assert_int_equal( dmg_kv_write( kv, &op, 1, false ), DMG_OK );
  dmg_kv_val_t v;
  assert_int_equal( dmg_kv_get( kv, DMG_KV_STATE, NULL, S( "k" ), &v ), DMG_OK );
  op = del( DMG_KV_STATE, S( "k" ) );
  assert_int_equal( dmg_kv_write( kv, &op, 1, false ), DMG_OK );
  assert_true( dmg_span_eq( v.v, S( "old" ) ) );
  dmg_kv_val_release( &v );
  assert_value( kv, DMG_KV_STATE, NULL, S( "k" ), NULL );
}

static void test_get_many_tells_each( void ** st ) {
  dmg_kv_t * kv = ( (env_t *)*st )->kv;
  dmg_kv_op_t ops[] = { put( DMG_KV_STATE, S( "a" ), S( "1" ) ), put( DMG_KV_STATE, S( "c" ), S( "3" ) ) };
  assert_int_equal( dmg_kv_write( kv, ops, 2, false ), DMG_OK );
  dmg_span_t keys[] = { S( "c" ), S( "b" ), S( "a" ), S( "c" ) };
  dmg_kv_val_t v[ 4 ];
  bool found[ 4 ];
  assert_int_equal( dmg_kv_get_many( kv, DMG_KV_STATE, NULL, keys, 4, v, found ), DMG_OK );
  assert_true( found[0] && !found[1] && found[2] && found[3] );
  assert_true( dmg_span_eq( v[0].v, S( "3" ) ) && dmg_span_eq( v[2].v, S( "1" ) ) && dmg_span_eq( v[3].v, S( "3" ) ) );
  for( int i=0; i<4; i++ ) if( found[ i ] ) dmg_kv_val_release( v+i );
}

static void iterate( dmg_kv_t * kv, dmg_kv_snap_t * snap, dmg_span_t lo, dmg_span_t hi, bool is_reverse, char const * want ) {
  dmg_kv_iter_t * it;
  assert_int_equal( dmg_kv_iter_open( kv, DMG_KV_ORD, snap, lo, hi, is_reverse, &it ), DMG_OK );
  char got[ 256 ] = "";
  dmg_span_t key, value;
  dmg_err_t err;
  while( !( err = dmg_kv_iter_next( it, &key, &value ) ) ) {
    size_t n = strlen( got );
    snprintf( got+n, sizeof got-n, "%.*s ", DMG_SPAN_F( key ) );
    assert_int_equal( value.sz, 0 );
  }
  assert_int_equal( err, DMG_ERR_NOT_FOUND );
  assert_int_equal( dmg_kv_iter_next( it, &key, NULL ), DMG_ERR_NOT_FOUND );
  dmg_kv_iter_close( it );
  assert_string_equal( got, want );
}

static void test_iterate_half_open_both_ways( void ** st ) {
  dmg_kv_t * kv = ( (env_t *)*st )->kv;
  iterate( kv, NULL, S( "" ), S( "" ), false, "" );
  iterate( kv, NULL, S( "" ), S( "" ), true, "" );
  dmg_kv_op_t ops[] = { put( DMG_KV_ORD, S( "b" ), S( "" ) ), put( DMG_KV_ORD, S( "a" ), S( "" ) ), put( DMG_KV_ORD, S( "\xff\xff" ), S( "" ) ),
    put( DMG_KV_ORD, S( "ba" ), S( "" ) ), put( DMG_KV_ORD, S( "d" ), S( "" ) ), put( DMG_KV_STATE, S( "c" ), S( "not here" ) ) };
  assert_int_equal( dmg_kv_write( kv, ops, 6, false ), DMG_OK );
  iterate( kv, NULL, S( "" ),   S( "" ),  false, "a b ba d \xff\xff " );
  iterate( kv, NULL, S( "" ),   S( "" ),  true,  "\xff\xff d ba b a " );
  iterate( kv, NULL, S( "b" ),  S( "d" ), false, "b ba " );
  iterate( kv, NULL, S( "b" ),  S( "d" ), true,  "ba b " );
  iterate( kv, NULL, S( "bb" ), S( "" ),  false, "d \xff\xff " );
  iterate( kv, NULL, S( "" ),   S( "b" ), true,  "a " );
  iterate( kv, NULL, S( "c" ),  S( "cz" ), true, "" );
  iterate( kv, NULL, S( "c" ),  S( "c" ), false, "" );
  iterate( kv, NULL, S( "" ),   S( "a" ), true, "" );
}

static void test_moved_iterator_is_as_opened_anew( void ** st ) {
  dmg_kv_t * kv = ( (env_t *)*st )->kv;
  dmg_kv_op_t ops[] = { put( DMG_KV_ORD, S( "a" ), S( "" ) ), put( DMG_KV_ORD, S( "b" ), S( "" ) ), put( DMG_KV_ORD, S( "ba" ), S( "" ) ), put( DMG_KV_ORD, S( "d" ), S( "" ) ) };
  assert_int_equal( dmg_kv_write( kv, ops, 4, false ), DMG_OK );
  dmg_kv_snap_t * snap;
  assert_int_equal( dmg_kv_snap_open( kv, &snap ), DMG_OK );
  dmg_kv_op_t more[] = { del( DMG_KV_ORD, S( "b" ) ), put( DMG_KV_ORD, S( "c" ), S( "" ) ) };
  assert_int_equal( dmg_kv_write( kv, more, 2, false ), DMG_OK );
  uint8_t longest[ DMG_KV_KEY_MAX+2 ];                /* a bound is a key and a byte more */
  memset( longest, 0xff, sizeof longest );
  dmg_span_t end = dmg_span( longest, DMG_KV_KEY_MAX+1 );
  struct { dmg_span_t lo, hi; char const * want, * back; } const to[] = {
    { S( "" ), S( "" ), "a b ba d ", "d ba b a " }, { S( "b" ), S( "d" ), "b ba ", "ba b " }, { S( "b\0" ), end, "ba d ", "d ba " },
    { S( "d" ), S( "" ), "d ", "d " }, { S( "" ), S( "b" ), "a ", "a " }, { S( "c" ), S( "c" ), "", "" }, { S( "" ), end, "a b ba d ", "d ba b a " } };
  for( int is_reverse=0; is_reverse<2; is_reverse++ ) {
    dmg_kv_iter_t * it;
    assert_int_equal( dmg_kv_iter_open( kv, DMG_KV_ORD, snap, S( "a" ), S( "c" ), is_reverse, &it ), DMG_OK );
    for( size_t i=0; i<30; i++ ) {
      size_t t = ( i*5+i/7 )%( sizeof to/sizeof *to );
      dmg_kv_iter_move( it, to[ t ].lo, to[ t ].hi );
      char got[ 64 ] = "";
      dmg_span_t key;
      dmg_err_t err = DMG_OK;
      /* Left in the midst now and then. */
      for( size_t left=i%3 ? 9 : 1; left && !( err = dmg_kv_iter_next( it, &key, NULL ) ); left-- ) {
        size_t n = strlen( got );
        snprintf( got+n, sizeof got-n, "%.*s ", (int)key.sz, (char const *)key.p );
      }
      char const * want = is_reverse ? to[ t ].back : to[ t ].want;
      if( i%3 ) assert_string_equal( got, want );
      else      assert_memory_equal( got, want, strlen( got ) );
      if( i%3 || !*want ) assert_int_equal( err, DMG_ERR_NOT_FOUND );
    }
    dmg_kv_iter_close( it );
  }
  dmg_kv_iter_t * it;
  assert_int_equal( dmg_kv_iter_open( kv, DMG_KV_ORD, snap, DMG_SPAN( longest ), S( "" ), false, &it ), DMG_ERR_LIMIT );
  assert_int_equal( dmg_kv_iter_open( kv, DMG_KV_ORD, snap, S( "" ), DMG_SPAN( longest ), false, &it ), DMG_ERR_LIMIT );
  dmg_kv_snap_close( kv, snap );
}

/* What a step passed: keys that are gone, of the disk's kind only, and only where somebody asks for it. */
static void test_step_tells_what_it_walked( void ** st ) {
  env_t * e = *st;
  for( int is_reverse=0; is_reverse<2; is_reverse++ ) for( int cf=DMG_KV_STATE; cf<=DMG_KV_ORD; cf++ ) {
    dmg_kv_op_t op[ 50 ];
    uint8_t k[ 50 ];
    for( uint8_t i=0; i<50; i++ ) { k[ i ] = i; op[ i ] = put( (dmg_kv_cf_t)cf, dmg_span( k+i, 1 ), S( "" ) ); }
    assert_int_equal( dmg_kv_write( e->kv, op, 50, false ), DMG_OK );
    for( int i=1; i<49; i++ ) op[ i ] = del( (dmg_kv_cf_t)cf, op[ i ].key );
    assert_int_equal( dmg_kv_write( e->kv, op+1, 48, false ), DMG_OK );
    dmg_kv_iter_t * it;
    dmg_span_t key;
    assert_int_equal( dmg_kv_iter_open( e->kv, (dmg_kv_cf_t)cf, NULL, S( "" ), S( "" ), is_reverse, &it ), DMG_OK );
    assert_int_equal( dmg_kv_iter_next( it, &key, NULL ), DMG_OK );
    assert_in_range( it->walked, 0, 2 );
    assert_int_equal( dmg_kv_iter_next( it, &key, NULL ), DMG_OK );
    assert_int_equal( key.p[0], is_reverse ? 0 : 49 );
    if( e->is_rocks && cf==DMG_KV_ORD ) assert_in_range( it->walked, 48, 6*48+4 );   /* versions below the tombstone count, too */
    else                                assert_int_equal( it->walked, 0 );
    assert_int_equal( dmg_kv_iter_next( it, &key, NULL ), DMG_ERR_NOT_FOUND );
    assert_in_range( it->walked, 0, 2 );
    dmg_kv_iter_close( it );
  }
}

static void test_snapshot_and_open_iterator_do_not_move( void ** st ) {
  env_t * e = *st;
  dmg_kv_t * kv = e->kv;
  dmg_kv_op_t ops[] = { put( DMG_KV_ORD, S( "a" ), S( "" ) ), put( DMG_KV_ORD, S( "b" ), S( "" ) ), put( DMG_KV_META, S( "m" ), S( "1" ) ) };
  assert_int_equal( dmg_kv_write( kv, ops, 3, false ), DMG_OK );
  dmg_kv_snap_t * snap;
  dmg_kv_iter_t * it;
  assert_int_equal( dmg_kv_snap_open( kv, &snap ), DMG_OK );
  assert_int_equal( dmg_kv_iter_open( kv, DMG_KV_ORD, NULL, S( "" ), S( "" ), false, &it ), DMG_OK );
  dmg_kv_op_t more[] = { del( DMG_KV_ORD, S( "a" ) ), put( DMG_KV_ORD, S( "aa" ), S( "" ) ), put( DMG_KV_META, S( "m" ), S( "2" ) ) };
  assert_int_equal( dmg_kv_write( kv, more, 3, false ), DMG_OK );
  iterate( kv, snap, S( "" ), S( "" ), false, "a b " );
  iterate( kv, NULL, S( "" ), S( "" ), false, "aa b " );
  assert_value( kv, DMG_KV_META, snap, S( "m" ), "1" );
  assert_value( kv, DMG_KV_META, NULL, S( "m" ), "2" );
  dmg_span_t key;
  assert_int_equal( dmg_kv_iter_next( it, &key, NULL ), DMG_OK );
  assert_true( dmg_span_eq( key, S( "a" ) ) );
  dmg_kv_iter_close( it );
  dmg_err_t err = dmg_kv_restore( kv, snap );
  if( e->is_rocks ) assert_int_equal( err, DMG_ERR_UNSUPPORTED );
  else {
    assert_int_equal( err, DMG_OK );
    iterate( kv, NULL, S( "" ), S( "" ), false, "a b " );
    assert_int_equal( dmg_kv_write( kv, more, 3, false ), DMG_OK );
    iterate( kv, snap, S( "" ), S( "" ), false, "a b " );
  }
  dmg_kv_snap_close( kv, snap );
}

typedef struct { uint32_t i, n, step, bad_at; bool is_twice; } feed_t;   /* at bad_at: key 0, or the last one again */
static dmg_err_t feed( void * ctx, dmg_kv_op_t * out ) {
  feed_t * f = ctx;
  static uint8_t key[ 4 ];
  if( f->i==f->n ) return DMG_ERR_NOT_FOUND;
  dmg_store_u32be( key, f->i==f->bad_at ? ( f->is_twice ? ( f->i-1 )*f->step : 0 ) : f->i*f->step );
  *out = ( f->i%5 )==4 ? del( DMG_KV_STATE, DMG_SPAN( key ) ) : put( DMG_KV_STATE, DMG_SPAN( key ), DMG_SPAN( key ) );
  f->i++;
  return DMG_OK;
}

static void test_bulk_apply_is_atomic_and_ordered( void ** st ) {
  env_t * e = *st;
  uint8_t k8[ 4 ] = { 0, 0, 0, 8 }, k6[ 4 ] = { 0, 0, 0, 6 };
  dmg_kv_op_t ops[] = { put( DMG_KV_STATE, DMG_SPAN( k8 ), S( "x" ) ), put( DMG_KV_STATE, DMG_SPAN( k6 ), S( "x" ) ) };
  assert_int_equal( dmg_kv_write( e->kv, ops, 2, false ), DMG_OK );
  feed_t f = { .n = 3000, .step = 2, .bad_at = 2000 };
  assert_int_equal( dmg_kv_bulk_apply( e->kv, DMG_KV_STATE, feed, &f ), DMG_ERR_INVALID );
  assert_value( e->kv, DMG_KV_STATE, NULL, DMG_SPAN( k8 ), "x" );
  f = (feed_t){ .n = 3000, .step = 2, .bad_at = 2000, .is_twice = true };
  assert_int_equal( dmg_kv_bulk_apply( e->kv, DMG_KV_STATE, feed, &f ), DMG_ERR_INVALID );
  assert_value( e->kv, DMG_KV_STATE, NULL, DMG_SPAN( k8 ), "x" );
  f = (feed_t){ .n = 3000, .step = 2, .bad_at = UINT32_MAX };
  assert_int_equal( dmg_kv_bulk_apply( e->kv, DMG_KV_STATE, feed, &f ), DMG_OK );
  for( int round=0; round<2; round++ ) {
    assert_value( e->kv, DMG_KV_STATE, NULL, DMG_SPAN( k8 ), NULL );
    dmg_kv_iter_t * it;
    assert_int_equal( dmg_kv_iter_open( e->kv, DMG_KV_STATE, NULL, S( "" ), S( "" ), false, &it ), DMG_OK );
    uint32_t n = 0;
    dmg_span_t key, value;
    while( !dmg_kv_iter_next( it, &key, &value ) ) { assert_true( dmg_span_eq( key, value ) ); n++; }
    dmg_kv_iter_close( it );
    assert_int_equal( n, 2400 );
    reopen( e );
  }
}

static void test_too_many_handles_are_refused( void ** st ) {
  dmg_kv_t * kv = ( (env_t *)*st )->kv;
  dmg_kv_snap_t * snap[ DMG_KV_SNAPS_MAX+1 ];
  for( int i=0; i<DMG_KV_SNAPS_MAX; i++ ) assert_int_equal( dmg_kv_snap_open( kv, snap+i ), DMG_OK );
  assert_int_equal( dmg_kv_snap_open( kv, snap+DMG_KV_SNAPS_MAX ), DMG_ERR_LIMIT );
  for( int i=0; i<DMG_KV_SNAPS_MAX; i++ ) dmg_kv_snap_close( kv, snap[ i ] );
  static dmg_kv_iter_t * it[ DMG_KV_ITERS_MAX+1 ];
  for( int i=0; i<DMG_KV_ITERS_MAX; i++ ) assert_int_equal( dmg_kv_iter_open( kv, DMG_KV_META, NULL, S( "" ), S( "" ), i&1, it+i ), DMG_OK );
  assert_int_equal( dmg_kv_iter_open( kv, DMG_KV_META, NULL, S( "" ), S( "" ), false, it+DMG_KV_ITERS_MAX ), DMG_ERR_LIMIT );
  for( int i=0; i<DMG_KV_ITERS_MAX; i++ ) dmg_kv_iter_close( it[ i ] );
}

/* Random writes against a plain sorted array, with snapshots of it. */
enum { KEYS = 600 };
typedef struct { bool is_there; uint32_t value; } cell_t;

static void cell_key( uint32_t i, uint8_t out[ 6 ], size_t * out_sz ) {
  dmg_store_u32be( out, i*2654435761u );
  out[4] = out[5] = (uint8_t)i;
  *out_sz = 3+i%4;                            /* prefixes of others among them; unlike i may collide: see below */
}
static int cell_cmp( void const * a, void const * b ) {
  uint8_t x[ 6 ], y[ 6 ];
  size_t xn, yn;
  cell_key( *(uint32_t const *)a, x, &xn );
  cell_key( *(uint32_t const *)b, y, &yn );
  return dmg_span_cmp( dmg_span( x, xn ), dmg_span( y, yn ) );
}
static void assert_model( dmg_kv_t * kv, dmg_kv_snap_t * snap, cell_t const * cell, uint32_t const * order, uint32_t cnt, bool is_reverse ) {
  dmg_kv_iter_t * it;
  assert_int_equal( dmg_kv_iter_open( kv, DMG_KV_STATE, snap, S( "" ), S( "" ), is_reverse, &it ), DMG_OK );
  for( uint32_t j=0; j<cnt; j++ ) {
    uint32_t i = order[ is_reverse ? cnt-1-j : j ];
    if( !cell[ i ].is_there ) continue;
    uint8_t k[ 6 ];
    size_t kn;
    dmg_span_t key, value;
    cell_key( i, k, &kn );
    assert_int_equal( dmg_kv_iter_next( it, &key, &value ), DMG_OK );
    assert_true( dmg_span_eq( key, dmg_span( k, kn ) ) );
    assert_true( dmg_span_eq( value, dmg_span( &cell[ i ].value, 4 ) ) );
  }
  dmg_span_t key;
  assert_int_equal( dmg_kv_iter_next( it, &key, NULL ), DMG_ERR_NOT_FOUND );
  dmg_kv_iter_close( it );
}

static void test_random_writes_equal_a_model( void ** st ) {
  env_t * e = *st;
  seed( 7 );
  static uint32_t order[ KEYS ];
  static cell_t cell[ KEYS ], frozen[ KEYS ];
  memset( cell, 0, sizeof cell );
  memset( frozen, 0, sizeof frozen );
  uint32_t cnt = 0;
  for( uint32_t i=0; i<KEYS; i++ ) order[ i ] = i;
  qsort( order, KEYS, sizeof *order, cell_cmp );
  for( uint32_t i=0; i<KEYS; i++ ) if( !cnt || cell_cmp( order+cnt-1, order+i ) ) order[ cnt++ ] = order[ i ];
  dmg_kv_snap_t * snap = NULL;
  for( int round=0; round<120; round++ ) {
    dmg_kv_op_t ops[ 64 ];
    uint8_t k[ 64 ][ 6 ];
    uint32_t n = (uint32_t)( rnd()%65 ), v[ 64 ], bias = round<40 ? 1 : round<80 ? 3 : 2;
    for( uint32_t j=0; j<n; j++ ) {
      uint32_t i = order[ rnd()%cnt ];
      size_t kn;
      cell_key( i, k[ j ], &kn );
      v[ j ] = (uint32_t)rnd();
      bool is_put = rnd()%4>=bias;
      ops[ j ] = is_put ? put( DMG_KV_STATE, dmg_span( k[ j ], kn ), dmg_span( v+j, 4 ) ) : del( DMG_KV_STATE, dmg_span( k[ j ], kn ) );
      cell[ i ] = (cell_t){ is_put, v[ j ] };
    }
    assert_int_equal( dmg_kv_write( e->kv, ops, n, false ), DMG_OK );
    if( round%10==0 ) assert_model( e->kv, NULL, cell, order, cnt, round&4 );
    if( snap ) {
      if( round%17==0 ) assert_model( e->kv, snap, frozen, order, cnt, round&1 );
      if( rnd()%12==0 ) { dmg_kv_snap_close( e->kv, snap ); snap = NULL; }
    } else if( rnd()%4==0 ) {
      assert_int_equal( dmg_kv_snap_open( e->kv, &snap ), DMG_OK );
      memcpy( frozen, cell, sizeof cell );
    }
  }
  dmg_kv_snap_close( e->kv, snap );
  reopen( e );
  assert_model( e->kv, NULL, cell, order, cnt, false );
  assert_model( e->kv, NULL, cell, order, cnt, true );
}

/* ---- Of one backend only ---- */

static void test_memory_full_write_changes_nothing( void ** st ) {
  dmg_kv_t * kv;
  assert_int_equal( dmg_kv_mem_open( 200000, &kv ), DMG_OK );
  uint8_t value[ 1000 ] = { 0 };
  uint32_t n = 0;
  dmg_err_t err;
  do {
    uint8_t k[ 2 ][ 4 ];
    dmg_store_u32be( k[0], n*2654435761u );
    dmg_store_u32be( k[1], n*2654435761u+1 );
    dmg_kv_op_t ops[ 2 ] = { put( DMG_KV_STATE, DMG_SPAN( k[0] ), DMG_SPAN( value ) ), put( DMG_KV_STATE, DMG_SPAN( k[1] ), DMG_SPAN( value ) ) };
    err = dmg_kv_write( kv, ops, 2, false );
    n += err==DMG_OK;
  } while( !err );
  assert_int_equal( err, DMG_ERR_FULL );
  assert_true( n>60 && n<110 );
  dmg_kv_stats_t stats;
  dmg_kv_stats( kv, &stats );
  assert_int_equal( stats.keys[ DMG_KV_STATE ], 2*n );
  dmg_kv_close( kv );
}

#define SUITE( test ) cmocka_unit_test_setup_teardown( test, SETUP, teardown )
#define SUITES                                             \
    SUITE( test_get_absent_is_not_found ),                 \
    SUITE( test_write_spans_columns_and_last_wins ),       \
    SUITE( test_stats_tell_what_memory_holds ),            \
    SUITE( test_write_over_a_limit_changes_nothing ),      \
    SUITE( test_pinned_value_survives_overwrite ),         \
    SUITE( test_get_many_tells_each ),                     \
    SUITE( test_iterate_half_open_both_ways ),             \
    SUITE( test_moved_iterator_is_as_opened_anew ),        \
    SUITE( test_step_tells_what_it_walked ),               \
    SUITE( test_snapshot_and_open_iterator_do_not_move ),  \
    SUITE( test_bulk_apply_is_atomic_and_ordered ),        \
    SUITE( test_too_many_handles_are_refused ),            \
    SUITE( test_random_writes_equal_a_model )

int main( void ) {
  struct CMUnitTest const memory[] = {
#define SETUP setup_mem
    SUITES,
#undef SETUP
    cmocka_unit_test( test_memory_full_write_changes_nothing ),
  };
  struct CMUnitTest const rocks[] = {
#define SETUP setup_rocks
    SUITES,
#undef SETUP
  };
  int bad = cmocka_run_group_tests_name( "memory", memory, NULL, NULL );
  return bad+cmocka_run_group_tests_name( "rocksdb", rocks, NULL, NULL );
}
