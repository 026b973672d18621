#include "base/test_rnd.h"
#include "codec/abi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static dmg_arena_t * arena;

static int setup( void ** state ) { arena = dmg_arena_new( 64u<<20 ); return !arena; }
static int teardown( void ** state ) { dmg_arena_free( arena ); return 0; }

/* ---- Types by hand ---- */

static dmg_type_t * prim( dmg_type_kind_t k ) { dmg_type_t * t = DMG_ARENA_NEW( arena, dmg_type_t, 1 ); t->kind = k; assert_true( dmg_type_measure( t ) ); return t; }
static dmg_type_t * sized( dmg_type_kind_t k, uint32_t n ) { dmg_type_t * t = DMG_ARENA_NEW( arena, dmg_type_t, 1 ); t->kind = k; t->n = n; assert_true( dmg_type_measure( t ) ); return t; }
static dmg_type_t * list( dmg_type_t const * e, uint32_t n ) { dmg_type_t * t = DMG_ARENA_NEW( arena, dmg_type_t, 1 ); t->kind = DMG_TYPE_LIST; t->elem = e; t->n = n; assert_true( dmg_type_measure( t ) ); return t; }
static dmg_type_t * option( dmg_type_t const * e ) { dmg_type_t * t = DMG_ARENA_NEW( arena, dmg_type_t, 1 ); t->kind = DMG_TYPE_OPTION; t->elem = e; assert_true( dmg_type_measure( t ) ); return t; }
static dmg_type_t * map( dmg_type_t const * k, dmg_type_t const * v, uint32_t n ) { dmg_type_t * t = DMG_ARENA_NEW( arena, dmg_type_t, 1 ); t->kind = DMG_TYPE_MAP; t->elem = k; t->val = v; t->n = n; assert_true( dmg_type_measure( t ) ); return t; }
static dmg_type_t * strct( char const * name, bool is_open, uint32_t n, dmg_field_t const * f ) {
  dmg_type_t * t = DMG_ARENA_NEW( arena, dmg_type_t, 1 );
  dmg_field_t * copy = DMG_ARENA_NEW( arena, dmg_field_t, n+1 );
  if( n ) memcpy( copy, f, n*sizeof *f );
  *t = (dmg_type_t){ .kind = DMG_TYPE_STRUCT, .name = dmg_span_cstr( name ), .is_open = is_open, .fields = copy, .field_cnt = n };
  assert_true( dmg_type_measure( t ) );
  return t;
}
static dmg_type_t * enm( bool is_open, uint32_t n, dmg_type_t const * payload_of_last ) {
  static char const * const name[] = { "A", "B", "C" };
  dmg_type_t * t = DMG_ARENA_NEW( arena, dmg_type_t, 1 );
  dmg_variant_t * v = DMG_ARENA_NEW( arena, dmg_variant_t, n );
  for( uint32_t i = 0; i<n; i++ ) v[ i ] = (dmg_variant_t){ .name = dmg_span_cstr( name[ i ] ), .tag = i, .type = i+1==n ? payload_of_last : NULL };
  *t = (dmg_type_t){ .kind = DMG_TYPE_ENUM, .name = DMG_SPAN_STR( "E" ), .is_open = is_open, .variants = v, .variant_cnt = n };
  assert_true( dmg_type_measure( t ) );
  return t;
}
#define FIELD( n, t ) { .name = DMG_SPAN_STR( n ), .type = ( t ) }

#define VERDICT( type, want, ... ) do { uint8_t const b_[] = { __VA_ARGS__ }; \
    dmg_bcs_bad_t v_ = dmg_type_validate( ( type ), dmg_span( b_, sizeof b_ ), NULL ); \
    if( v_!=( want ) ) fail_msg( "wanted %s, got %s", dmg_bcs_bad_text( want ), dmg_bcs_bad_text( v_ ) ); } while(0)
#define GOOD( type, ... ) VERDICT( type, DMG_BCS_GOOD, __VA_ARGS__ )

static void test_values_are_judged_strictly( void ** state ) {
  VERDICT( prim( DMG_TYPE_BOOL ), DMG_BCS_BOOL, 2 );
  GOOD( prim( DMG_TYPE_BOOL ), 1 );
  VERDICT( prim( DMG_TYPE_U16 ), DMG_BCS_SHORT, 1 );
  VERDICT( prim( DMG_TYPE_U16 ), DMG_BCS_TRAILING, 1, 2, 3 );
  GOOD( prim( DMG_TYPE_AMOUNT ), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f );
  VERDICT( prim( DMG_TYPE_AMOUNT ), DMG_BCS_VALUE, 0, 0, 0, 0, 0, 0, 0, 0x80 );
  GOOD( prim( DMG_TYPE_ASSET ), 0 );
  VERDICT( prim( DMG_TYPE_ASSET ), DMG_BCS_VARIANT, 5 );
  VERDICT( prim( DMG_TYPE_ASSET ), DMG_BCS_SHORT, 1, 9 );
  GOOD( sized( DMG_TYPE_BYTES, 2 ), 2, 7, 7 );
  VERDICT( sized( DMG_TYPE_BYTES, 2 ), DMG_BCS_LENGTH, 3, 7, 7, 7 );
  VERDICT( sized( DMG_TYPE_BYTES, 2 ), DMG_BCS_ULEB, 0x81, 0, 7 );
  GOOD( sized( DMG_TYPE_STR, 3 ), 2, 0xc3, 0xbc );
  VERDICT( sized( DMG_TYPE_STR, 3 ), DMG_BCS_UTF8, 1, 0xc3 );
  GOOD( sized( DMG_TYPE_FIXED, 3 ), 1, 2, 3 );
  GOOD( list( prim( DMG_TYPE_U8 ), 2 ), 2, 1, 2 );
  VERDICT( list( prim( DMG_TYPE_U8 ), 2 ), DMG_BCS_LENGTH, 3, 1, 2, 3 );
  GOOD( option( prim( DMG_TYPE_U8 ) ), 0 );
  VERDICT( option( prim( DMG_TYPE_U8 ) ), DMG_BCS_OPTION, 2, 0 );

}

static void test_map_keys_ascend_by_their_bytes( void ** state ) {
  dmg_type_t * m = map( prim( DMG_TYPE_U16 ), prim( DMG_TYPE_BOOL ), 3 );
  GOOD( m, 2, 0, 1, 1, 1, 0, 1 );                              /* 256 before 1: by bytes, not by number */
  VERDICT( m, DMG_BCS_ORDER, 2, 1, 0, 1, 0, 1, 1 );
  VERDICT( m, DMG_BCS_ORDER, 2, 1, 0, 1, 1, 0, 0 );            /* twice */
  VERDICT( m, DMG_BCS_LENGTH, 4, 0 );
}

static void test_enums_closed_and_open( void ** state ) {
  dmg_type_t * closed = enm( false, 3, prim( DMG_TYPE_U16 ) ), * open = enm( true, 3, NULL );
  GOOD( closed, 0 );
  GOOD( closed, 2, 5, 0 );
  VERDICT( closed, DMG_BCS_SHORT, 2, 5 );
  VERDICT( closed, DMG_BCS_VARIANT, 3 );
  GOOD( open, 2 );
  GOOD( open, 0xff, 0xff, 0xff, 0xff, 0x0f );                  /* unknown tags stay opaque */
  VERDICT( open, DMG_BCS_TRAILING, 7, 0 );
}

/* R2.2: later fields in one byte vector, cut after the last that is not default. */
static void test_extensible_structs_have_one_form( void ** state ) {
  dmg_type_t * later = strct( "", false, 2, (dmg_field_t[]){ FIELD( "b", prim( DMG_TYPE_U16 ) ), FIELD( "c", option( prim( DMG_TYPE_U8 ) ) ) } );
  dmg_type_t * t = strct( "S", true, 2, (dmg_field_t[]){ FIELD( "a", prim( DMG_TYPE_U8 ) ), { .name = { 0 }, .type = later } } );
  GOOD( t, 9, 0 );
  GOOD( t, 9, 2, 1, 0 );
  GOOD( t, 9, 4, 0, 0, 1, 5 );
}

static void test_extensible_tails_are_refused_when_not_shortest( void ** state ) {
  dmg_type_t * later = strct( "", false, 2, (dmg_field_t[]){ FIELD( "b", prim( DMG_TYPE_U16 ) ), FIELD( "c", option( prim( DMG_TYPE_U8 ) ) ) } );
  dmg_type_t * t = strct( "S", true, 2, (dmg_field_t[]){ FIELD( "a", prim( DMG_TYPE_U8 ) ), { .name = { 0 }, .type = later } } );
  VERDICT( t, DMG_BCS_SHORT, 9 );
  VERDICT( t, DMG_BCS_VALUE, 9, 2, 0, 0 );                     /* a default: left out */
  VERDICT( t, DMG_BCS_VALUE, 9, 3, 1, 0, 0 );
  VERDICT( t, DMG_BCS_SHORT, 9, 1, 1 );                        /* half a field */
  VERDICT( t, DMG_BCS_OPTION, 9, 3, 0, 0, 2 );
  GOOD( t, 9, 6, 0, 0, 1, 5, 0xaa, 0xbb );                     /* fields of a newer version: kept, opaque */
  dmg_type_t * bare = strct( "S", true, 1, (dmg_field_t[]){ FIELD( "a", prim( DMG_TYPE_U8 ) ) } );
  GOOD( bare, 9, 3, 1, 2, 3 );
  GOOD( bare, 9, 0 );
}

static void test_sizes_are_exact_bounds( void ** state ) {
  dmg_type_t * t = list( strct( "P", false, 2, (dmg_field_t[]){ FIELD( "to", prim( DMG_TYPE_ADDRESS ) ), FIELD( "amount", prim( DMG_TYPE_AMOUNT ) ) } ), 200 );
  assert_int_equal( t->sz_min, 1 );
  assert_int_equal( t->sz_max, 2+200*40 );
  assert_int_equal( t->depth, 3 );
  assert_int_equal( sized( DMG_TYPE_BYTES, 127 )->sz_max, 128 );
  assert_int_equal( sized( DMG_TYPE_BYTES, 128 )->sz_max, 130 );
  assert_int_equal( prim( DMG_TYPE_ASSET )->sz_max, 33 );
  assert_int_equal( list( list( list( sized( DMG_TYPE_BYTES, UINT32_MAX ), UINT32_MAX ), UINT32_MAX ), 2 )->sz_max, UINT64_MAX );
  dmg_type_t const * deep = prim( DMG_TYPE_U8 );
  for( int i = 1; i<8; i++ ) deep = option( deep );
  assert_int_equal( deep->depth, 8 );
  dmg_type_t nine = { .kind = DMG_TYPE_OPTION, .elem = deep };
  assert_false( dmg_type_measure( &nine ) );
}

/* ---- Keys ---- */

static dmg_abi_item_t item( uint32_t n, dmg_type_t const * const * keys ) {
  dmg_abi_item_t it = { .kind = DMG_ITEM_MAP, .keys = keys, .key_cnt = n };
  assert_true( dmg_abi_item_measure( &it ) );
  return it;
}

static void test_keys_have_one_form( void ** state ) {
  dmg_type_t const * const keys[] = { sized( DMG_TYPE_STR, 5 ), prim( DMG_TYPE_I16 ), prim( DMG_TYPE_ASSET ), prim( DMG_TYPE_BOOL ) };
  dmg_abi_item_t it = item( 4, keys );
  uint8_t key[ 64 ] = { 2, 'h', 'i', 0x7f, 0xff, 1 };
  uint32_t n = 3+2+33+1;
  dmg_key_field_t f[ DMG_ABI_KEY_MAX ];
  assert_true( dmg_key_split( &it, dmg_span( key, n ), f ) );
  assert_int_equal( f[ 0 ].raw.sz, 2 );
  assert_false( dmg_key_split( &it, dmg_span( key, n-1 ), f ) );
  assert_false( dmg_key_split( &it, dmg_span( key, n+1 ), f ) );
  key[ n-1 ] = 2; assert_false( dmg_key_split( &it, dmg_span( key, n ), f ) ); key[ n-1 ] = 1;
  key[ 5 ] = 5;   assert_false( dmg_key_split( &it, dmg_span( key, n ), f ) );
  key[ 5 ] = 0;   assert_true ( dmg_key_split( &it, dmg_span( key, n ), f ) );
  key[ 6 ] = 1;   assert_false( dmg_key_split( &it, dmg_span( key, n ), f ) );   /* Cgt has no id */
  key[ 6 ] = 0;
  key[ 1 ] = 0xff; assert_false( dmg_key_split( &it, dmg_span( key, n ), f ) ); key[ 1 ] = 'h';
  key[ 0 ] = 6;   assert_false( dmg_key_split( &it, dmg_span( key, n ), f ) ); key[ 0 ] = 2;
  assert_true ( dmg_key_is_prefix( &it, dmg_span( key, 0 ) ) );
  assert_true ( dmg_key_is_prefix( &it, dmg_span( key, 3 ) ) );
  assert_true ( dmg_key_is_prefix( &it, dmg_span( key, 5 ) ) );
  assert_true ( dmg_key_is_prefix( &it, dmg_span( key, n ) ) );
  assert_false( dmg_key_is_prefix( &it, dmg_span( key, 2 ) ) );
  assert_false( dmg_key_is_prefix( &it, dmg_span( key, 4 ) ) );
  assert_false( dmg_key_is_prefix( &it, dmg_span( key, n+1 ) ) );
  uint8_t bcs[ 64 ], again[ 64 ];
  dmg_bcs_wr_t w = dmg_bcs_wr( bcs, sizeof bcs ), k = dmg_bcs_wr( again, sizeof again );
  assert_true( dmg_key_to_bcs( &it, dmg_span( key, n ), &w ) );
  assert_int_equal( dmg_bcs_wr_span( &w ).sz, 3+2+1+1 );       /* Cgt is one byte in BCS */
  assert_int_equal( bcs[ 3 ], 0xff );                          /* -1, little-endian */
  dmg_bcs_rd_t r = dmg_bcs_rd( dmg_bcs_wr_span( &w ) );
  assert_true( dmg_key_from_bcs( &it, &r, &k ) );
  assert_memory_equal( again, key, n );
  k = dmg_bcs_wr( again, n-1 );
  r = dmg_bcs_rd( dmg_bcs_wr_span( &w ) );
  assert_false( dmg_key_from_bcs( &it, &r, &k ) );             /* no room */
}

/* Byte order is key order: for numbers with and without sign. */
static void test_key_order_is_number_order( void ** state ) {
  dmg_type_kind_t const kinds[] = { DMG_TYPE_U32, DMG_TYPE_I32, DMG_TYPE_I64, DMG_TYPE_U64 };
  for( size_t i = 0; i<4; i++ ) {
    dmg_type_t const * t = prim( kinds[ i ] );
    for( int n = 0; n<2000; n++ ) {
      uint64_t v[ 2 ];
      uint8_t key[ 2 ][ 16 ];
      dmg_span_t s[ 2 ];
      for( int j = 0; j<2; j++ ) {
        v[ j ] = rnd()>>( rnd()%64 );
        dmg_bcs_rd_t r = dmg_bcs_rd( dmg_span( &v[ j ], t->sz_max ) );
        dmg_bcs_wr_t w = dmg_bcs_wr( key[ j ], 16 );
        assert_true( dmg_key_field_from_bcs( t, &r, &w ) );
        s[ j ] = dmg_bcs_wr_span( &w );
      }
      __int128 a, b;
      switch( kinds[ i ] ) {
      case DMG_TYPE_U32: a = (uint32_t)v[ 0 ]; b = (uint32_t)v[ 1 ]; break;
      case DMG_TYPE_I32: a = (int32_t)v[ 0 ];  b = (int32_t)v[ 1 ];  break;
      case DMG_TYPE_I64: a = (int64_t)v[ 0 ];  b = (int64_t)v[ 1 ];  break;
      default:           a = v[ 0 ];           b = v[ 1 ];           break;
      }
      int want = ( a>b )-( a<b ), have = dmg_span_cmp( s[ 0 ], s[ 1 ] );
      assert_int_equal( ( have>0 )-( have<0 ), want );
    }
  }
}

static void test_keys_take_few_types( void ** state ) {
  assert_false( dmg_key_type_is_ok( sized( DMG_TYPE_BYTES, 4 ) ) );
  assert_false( dmg_key_type_is_ok( sized( DMG_TYPE_STR, 65 ) ) );
  assert_true ( dmg_key_type_is_ok( sized( DMG_TYPE_STR, 64 ) ) );
  assert_false( dmg_key_type_is_ok( option( prim( DMG_TYPE_U8 ) ) ) );
  assert_false( dmg_key_type_is_ok( enm( false, 2, prim( DMG_TYPE_U8 ) ) ) );
  assert_true ( dmg_key_type_is_ok( enm( false, 2, NULL ) ) );
  uint8_t k[ DMG_KEY_MAX ];
  assert_int_equal( dmg_key_full( 0x0102, 0x0304, dmg_span( "x", 1 ), k ), 5 );
  assert_memory_equal( k, "\1\2\3\4x", 5 );
  uint8_t long_key[ 125 ] = { 0 };
  assert_int_equal( dmg_key_full( 1, 1, dmg_span( long_key, 124 ), k ), 128 );
  assert_int_equal( dmg_key_full( 1, 1, dmg_span( long_key, 125 ), k ), 0 );
}

static void test_paths_find_what_an_entry_is_about( void ** state ) {
  dmg_type_t const * const keys[] = { prim( DMG_TYPE_U8 ), prim( DMG_TYPE_ADDRESS ) };
  dmg_abi_item_t it = item( 2, keys );
  dmg_type_t * inner = strct( "I", false, 2, (dmg_field_t[]){ FIELD( "x", prim( DMG_TYPE_U8 ) ), FIELD( "owner", option( prim( DMG_TYPE_ADDRESS ) ) ) } );
  it.value = strct( "V", false, 2, (dmg_field_t[]){ FIELD( "n", prim( DMG_TYPE_U16 ) ), FIELD( "in", option( inner ) ) } );
  uint8_t key[ 33 ] = { 7, 0xaa }, value[ 64 ] = { 1, 2, 1, 9, 1, 0xbb };
  dmg_path_val_t p = dmg_abi_path( &it, DMG_SPAN_STR( "1" ), dmg_span( key, 33 ), dmg_span( NULL, 0 ) );
  assert_int_equal( p.kind, DMG_PATH_KEY );
  assert_int_equal( p.raw.p[ 0 ], 0xaa );
  p = dmg_abi_path( &it, DMG_SPAN_STR( "in.owner" ), dmg_span( key, 33 ), dmg_span( value, 5+32 ) );
  assert_int_equal( p.kind, DMG_PATH_VALUE );
  assert_int_equal( p.raw.sz, 32 );
  assert_int_equal( p.raw.p[ 0 ], 0xbb );
  value[ 4 ] = 0;                                              /* no owner */
  assert_int_equal( dmg_abi_path( &it, DMG_SPAN_STR( "in.owner" ), dmg_span( key, 33 ), dmg_span( value, 5 ) ).kind, DMG_PATH_NONE );
  value[ 2 ] = 0;                                              /* no inner part */
  assert_int_equal( dmg_abi_path( &it, DMG_SPAN_STR( "in.owner" ), dmg_span( key, 33 ), dmg_span( value, 3 ) ).kind, DMG_PATH_NONE );
  assert_int_equal( dmg_abi_path( &it, DMG_SPAN_STR( "cgt" ), dmg_span( key, 33 ), dmg_span( NULL, 0 ) ).kind, DMG_PATH_CGT );
  assert_int_equal( dmg_abi_path( &it, DMG_SPAN_STR( "0" ), dmg_span( key, 32 ), dmg_span( NULL, 0 ) ).kind, DMG_PATH_NONE );
  char const * const bad[] = { "", "2", "01", "owner", "in.y", "n.x", "in..owner", "1000" };
  for( size_t i = 0; i<sizeof bad/sizeof *bad; i++ ) assert_false( dmg_abi_path_is_ok( &it, dmg_span_cstr( bad[ i ] ) ) );
  char const * const good[] = { "0", "1", "cgt", "n", "in", "in.x", "in.owner" };
  for( size_t i = 0; i<sizeof good/sizeof *good; i++ ) assert_true( dmg_abi_path_is_ok( &it, dmg_span_cstr( good[ i ] ) ) );
}

/* ---- The interface ---- */

/* One of everything; a test changes one thing and wants the right refusal. */
typedef struct { dmg_abi_t abi; dmg_abi_item_t items[ 2 ]; dmg_abi_mark_t marks[ 2 ]; dmg_span_t paths[ 2 ]; dmg_abi_fn_t calls[ 2 ], queries[ 1 ], hooks[ 1 ]; dmg_abi_fault_t faults[ 1 ];
                 dmg_abi_event_t events[ 1 ]; uint8_t topics[ 2 ]; dmg_abi_use_t uses[ 1 ]; dmg_span_t used[ 1 ]; dmg_type_t const * keys[ 1 ]; dmg_abi_about_t abouts[ 1 ]; } sample_t;

static sample_t * sample( void ) {
  sample_t * s = DMG_ARENA_NEW( arena, sample_t, 1 );
  dmg_type_t * none = strct( "", false, 0, NULL ), * one = strct( "", false, 1, (dmg_field_t[]){ FIELD( "who", prim( DMG_TYPE_ADDRESS ) ) } );
  s->keys[ 0 ]    = prim( DMG_TYPE_ADDRESS );
  s->paths[ 0 ]   = DMG_SPAN_STR( "0" );
  s->paths[ 1 ]   = DMG_SPAN_STR( "cgt" );
  s->marks[ 0 ]   = (dmg_abi_mark_t){ .kind = DMG_MARK_NATIVE };
  s->marks[ 1 ]   = (dmg_abi_mark_t){ .kind = DMG_MARK_HOLDS, .paths = s->paths, .path_cnt = 2 };
  s->items[ 0 ]   = (dmg_abi_item_t){ .id = 1, .name = DMG_SPAN_STR( "free" ), .kind = DMG_ITEM_COUNTER, .keys = s->keys, .key_cnt = 1, .max = 8, .deposit = DMG_DEPOSIT_PAYER, .marks = s->marks, .mark_cnt = 2 };
  s->items[ 1 ]   = (dmg_abi_item_t){ .id = 4, .name = DMG_SPAN_STR( "lock" ), .kind = DMG_ITEM_ORDERED, .keys = s->keys, .key_cnt = 1, .value = prim( DMG_TYPE_U64 ), .max = 8, .deposit = DMG_DEPOSIT_MODULE };
  s->abouts[ 0 ]  = (dmg_abi_about_t){ .path = DMG_SPAN_STR( "who" ), .kind = DMG_ABOUT_GAME };
  s->calls[ 0 ]   = (dmg_abi_fn_t){ .id = 1, .name = DMG_SPAN_STR( "pay" ), .args = one, .ret = prim( DMG_TYPE_U64 ), .auth = 3, .gas = 5, .says = DMG_SPAN_STR( "Pay {who}" ), .abouts = s->abouts, .about_cnt = 1 };
  s->calls[ 1 ]   = (dmg_abi_fn_t){ .id = 200, .name = DMG_SPAN_STR( "hold" ), .args = none, .auth = 8, .flags = DMG_FN_SAFETY };
  s->queries[ 0 ] = (dmg_abi_fn_t){ .id = 1, .name = DMG_SPAN_STR( "get" ), .args = one, .ret = option( prim( DMG_TYPE_HASH ) ) };
  s->hooks[ 0 ]   = (dmg_abi_fn_t){ .id = DMG_HOOK_CHECK, .name = DMG_SPAN_STR( "check" ), .args = none };
  s->faults[ 0 ]  = (dmg_abi_fault_t){ .id = 1, .name = DMG_SPAN_STR( "NotFound" ), .fields = none };
  s->topics[ 0 ]  = 0;
  s->events[ 0 ]  = (dmg_abi_event_t){ .id = 1, .name = DMG_SPAN_STR( "Paid" ), .fields = one, .topics = s->topics, .topic_cnt = 1 };
  s->used[ 0 ]    = DMG_SPAN_STR( "note" );
  s->uses[ 0 ]    = (dmg_abi_use_t){ .name = DMG_SPAN_STR( "system" ), .version = { 1, 2, 3 }, .calls = s->used, .call_cnt = 1 };
  s->abi          = (dmg_abi_t){ .module = 9, .name = DMG_SPAN_STR( "sample" ), .version = { 0, 1, 0 }, .storage_version = 1, .reads_to = 1, .pages = 1, .host = DMG_SPAN_STR( "dm1" ),
                                 .uses = s->uses, .use_cnt = 1, .items = s->items, .item_cnt = 2, .faults = s->faults, .fault_cnt = 1, .calls = s->calls, .call_cnt = 2,
                                 .queries = s->queries, .query_cnt = 1, .events = s->events, .event_cnt = 1, .hooks = s->hooks, .hook_cnt = 1 };
  return s;
}

static dmg_span_t written( dmg_abi_t const * abi ) {
  uint8_t * buf = dmg_arena_alloc( arena, 2*DMG_ABI_SZ_MAX );
  dmg_bcs_wr_t w = dmg_bcs_wr( buf, 2*DMG_ABI_SZ_MAX );
  dmg_abi_write( abi, &w );
  assert_false( w.is_full );
  return dmg_bcs_wr_span( &w );
}

static void refused( sample_t const * s, char const * text ) {
  dmg_abi_t const * out = NULL;
  dmg_verdict_t v = dmg_abi_decode( written( &s->abi ), arena, &out );
  if( v.kind!=DMG_VERDICT_BAD || !strstr( v.text, text ) ) fail_msg( "wanted \"%s\", got kind %d \"%s\"", text, v.kind, v.text );
  assert_null( out );
}

static void test_abi_comes_back_byte_for_byte( void ** state ) {
  sample_t * s = sample();
  dmg_span_t raw = written( &s->abi );
  dmg_abi_t const * abi;
  assert_int_equal( dmg_abi_decode( raw, arena, &abi ).kind, DMG_VERDICT_GOOD );
  assert_true( dmg_span_eq( written( abi ), raw ) );
  assert_int_equal( abi->in_sz, 256+32 );
  assert_int_equal( abi->out_sz, 33 );
  assert_int_equal( abi->items[ 0 ].key_sz_min, 32 );
  assert_true( abi->items[ 0 ].is_native );
  assert_non_null( dmg_abi_call( abi, 200 ) );
  assert_null( dmg_abi_call( abi, 2 ) );
  assert_non_null( dmg_abi_call_named( abi, DMG_SPAN_STR( "pay" ) ) );
  assert_null( dmg_abi_query_named( abi, DMG_SPAN_STR( "pay" ) ) );
  assert_non_null( dmg_abi_item( abi, 4 ) );
  assert_null( dmg_abi_item( abi, 3 ) );
  assert_non_null( dmg_abi_hook( abi, DMG_HOOK_CHECK ) );
  assert_non_null( dmg_abi_event( abi, 1 ) );
  assert_non_null( dmg_abi_fault( abi, 1 ) );
  assert_non_null( dmg_abi_mark( abi->items, DMG_MARK_HOLDS ) );
  assert_null( dmg_abi_mark( abi->items+1, DMG_MARK_HOLDS ) );
  assert_true( dmg_abi_allows( abi->calls, DMG_ROLE_OWNER ) );
  assert_false( dmg_abi_allows( abi->calls, DMG_ROLE_MODULE ) );
  /* Every prefix and one byte more are refused. */
  for( size_t n = 0; n<raw.sz; n++ ) assert_int_equal( dmg_abi_decode( dmg_span( raw.p, n ), arena, &abi ).kind, DMG_VERDICT_BAD );
  uint8_t * more = dmg_arena_alloc( arena, raw.sz+1 );
  memcpy( more, raw.p, raw.sz );
  more[ raw.sz ] = 0;
  assert_int_equal( dmg_abi_decode( dmg_span( more, raw.sz+1 ), arena, &abi ).kind, DMG_VERDICT_BAD );
}

static void test_abi_is_refused_with_a_reason( void ** state ) {
  sample_t * s;
#define TRY( change, text ) do { s = sample(); change; refused( s, text ); } while(0)
  TRY( s->abi.module = 0, "module id 0" );
  TRY( s->abi.name = DMG_SPAN_STR( "9lives" ), "a name" );
  TRY( s->abi.name = dmg_span( NULL, 0 ), "a name" );
  TRY( s->abi.storage_version = 0, "storage_version" );
  TRY( ( s->abi.storage_version = 2, s->abi.reads_to = 1 ), "reads_to" );
  TRY( s->abi.pages = 0, "memory_pages" );
  TRY( s->abi.pages = 17, "memory_pages" );
  TRY( s->items[ 1 ].id = 1, "ascend" );
  TRY( s->items[ 1 ].name = DMG_SPAN_STR( "free" ), "two items" );
  TRY( s->items[ 1 ].value = NULL, "counter with a value" );
  TRY( s->items[ 0 ].value = prim( DMG_TYPE_U64 ), "counter with a value" );
  TRY( s->items[ 1 ].kind = DMG_ITEM_VALUE, "value item with keys" );
  TRY( s->items[ 1 ].key_cnt = 0, "without keys" );
  TRY( s->keys[ 0 ] = option( prim( DMG_TYPE_U8 ) ), "no key takes" );
  TRY( s->keys[ 0 ] = sized( DMG_TYPE_FIXED, 125 ), "128 bytes" );
  TRY( s->items[ 1 ].max = 9, "max" );
  TRY( s->items[ 0 ].max = 9, "max" );
  TRY( ( s->items[ 1 ].value = sized( DMG_TYPE_BYTES, 20000 ), s->items[ 1 ].max = 20003 ), "16 KiB" );
  TRY( s->items[ 1 ].deposit = DMG_DEPOSIT_NONE, "without deposit" );
  TRY( s->items[ 1 ].deposit = (dmg_deposit_t)3, "unknown deposit" );
  TRY( s->paths[ 0 ] = DMG_SPAN_STR( "1" ), "path" );
  TRY( s->marks[ 1 ].path_cnt = 1, "paths" );
  TRY( s->marks[ 1 ].kind = DMG_MARK_NATIVE, "marks that do not ascend" );
  TRY( s->faults[ 0 ].id = 0, "fault 0" );
  TRY( s->calls[ 1 ].id = 1, "ascend" );
  TRY( s->calls[ 1 ].name = DMG_SPAN_STR( "pay" ), "one name" );
  TRY( s->calls[ 0 ].auth = 0x80, "unknown role" );
  TRY( s->calls[ 0 ].flags = 4, "unknown flag" );
  TRY( s->abouts[ 0 ].kind = (dmg_about_kind_t)5, "about" );
  TRY( s->topics[ 0 ] = 1, "topic" );
  TRY( ( s->topics[ 1 ] = 0, s->events[ 0 ].topic_cnt = 2 ), "twice" );
  TRY( s->hooks[ 0 ].id = 8, "unknown hook" );
  TRY( s->hooks[ 0 ].id = 0, "unknown hook" );
  TRY( s->calls[ 0 ].args = strct( "", false, 1, (dmg_field_t[]){ FIELD( "b", sized( DMG_TYPE_BYTES, DMG_ABI_IO_MAX-DMG_ABI_ENV_SZ-2 ) ) } ), "arguments that can pass" );
  TRY( s->calls[ 0 ].ret = sized( DMG_TYPE_BYTES, DMG_ABI_IO_MAX ), "result that can pass" );
  TRY( s->calls[ 0 ].args = strct( "", false, 2, (dmg_field_t[]){ FIELD( "b", prim( DMG_TYPE_U8 ) ), FIELD( "b", prim( DMG_TYPE_U8 ) ) } ), "two fields" );
  TRY( s->events[ 0 ].fields = strct( "", false, 1, (dmg_field_t[]){ FIELD( "b", sized( DMG_TYPE_BYTES, 8191 ) ) } ), "8 KiB" );
  TRY( s->calls[ 0 ].ret = strct( "S", false, 1, (dmg_field_t[]){ { .name = { 0 }, .type = prim( DMG_TYPE_U8 ) } } ), "a name" );
  TRY( s->calls[ 0 ].ret = strct( "S", true, 1, (dmg_field_t[]){ { .name = { 0 }, .type = prim( DMG_TYPE_U8 ) } } ), "later fields" );
  dmg_type_t * e = enm( false, 2, NULL );
  ( (dmg_variant_t *)(uintptr_t)e->variants )[ 1 ].tag = 0;
  TRY( s->calls[ 0 ].ret = e, "do not ascend" );
  TRY( s->calls[ 0 ].ret = enm( true, 2, prim( DMG_TYPE_U8 ) ), "open enum" );
  /* Nine deep. */
  dmg_type_t const * deep = prim( DMG_TYPE_U8 );
  for( int i = 1; i<8; i++ ) deep = option( deep );
  dmg_type_t * nine = DMG_ARENA_NEW( arena, dmg_type_t, 1 );
  *nine = (dmg_type_t){ .kind = DMG_TYPE_OPTION, .elem = deep };
  (void)dmg_type_measure( nine );
  TRY( s->calls[ 0 ].ret = nine, "8 deep" );
  /* Eight deep is as far as it goes, in arguments too. */
  s = sample();
  s->calls[ 0 ].ret  = deep;
  dmg_type_t * args = DMG_ARENA_NEW( arena, dmg_type_t, 1 );
  *args = *strct( "", false, 1, (dmg_field_t[]){ FIELD( "b", deep->elem ) } );
  s->calls[ 0 ].args = args;
  dmg_abi_t const * out;
  assert_int_equal( dmg_abi_decode( written( &s->abi ), arena, &out ).kind, DMG_VERDICT_GOOD );
}

static void test_abi_bounds_the_work( void ** state ) {
  /* A full arena says nothing about the bytes. */
  dmg_arena_t * small = dmg_arena_new( 700 );
  dmg_abi_t const * abi;
  dmg_verdict_t v = dmg_abi_decode( written( &sample()->abi ), small, &abi );
  assert_int_equal( v.kind, DMG_VERDICT_LOCAL );
  assert_int_equal( v.err, DMG_ERR_NOMEM );
  dmg_arena_free( small );
  static uint8_t zero[ DMG_ABI_SZ_MAX+1 ];
  assert_int_equal( dmg_abi_decode( dmg_span( zero, sizeof zero ), arena, &abi ).kind, DMG_VERDICT_BAD );
  /* A list of empty elements costs nothing: 4 billion of them are not walked. */
  dmg_type_t * t = list( strct( "N", false, 0, NULL ), UINT32_MAX );
  GOOD( t, 0xff, 0xff, 0xff, 0xff, 0x0f );
}

/* Changed bytes: refused, or an interface that comes back byte for byte. */
static void test_abi_survives_noise( void ** state ) {
  dmg_span_t raw = written( &sample()->abi );
  uint8_t * b = malloc( raw.sz );
  uint32_t good = 0;
  dmg_arena_t * own = dmg_arena_new( 4u<<20 );
  for( int n = 0; n<20000; n++ ) {
    memcpy( b, raw.p, raw.sz );
    for( uint64_t k = 1+rnd()%3; k; k-- ) b[ rnd()%raw.sz ] = (uint8_t)( rnd()%4 ? rnd() : rnd()%4 );
    dmg_abi_t const * abi;
    dmg_arena_reset( own );
    if( dmg_abi_decode( dmg_span( b, raw.sz ), own, &abi ).kind!=DMG_VERDICT_GOOD ) continue;
    good++;
    static uint8_t again[ 4096 ];
    dmg_bcs_wr_t w = dmg_bcs_wr( again, sizeof again );
    dmg_abi_write( abi, &w );
    assert_true( dmg_span_eq( dmg_bcs_wr_span( &w ), dmg_span( b, raw.sz ) ) );
  }
  assert_true( good>100 );
  dmg_arena_free( own );
  free( b );
}

int main( void ) {
  seed_any();
#define T( name ) cmocka_unit_test_setup_teardown( name, setup, teardown )
  struct CMUnitTest const tests[] = {
    T( test_abi_is_refused_with_a_reason ), T( test_abi_comes_back_byte_for_byte ), T( test_abi_bounds_the_work ), T( test_abi_survives_noise ), T( test_values_are_judged_strictly ),
    T( test_map_keys_ascend_by_their_bytes ), T( test_enums_closed_and_open ), T( test_extensible_structs_have_one_form ), T( test_extensible_tails_are_refused_when_not_shortest ),
    T( test_sizes_are_exact_bounds ), T( test_keys_have_one_form ), T( test_key_order_is_number_order ), T( test_keys_take_few_types ), T( test_paths_find_what_an_entry_is_about ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
