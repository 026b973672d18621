#include "test_native.h"

#include "selftest_host.h"

static dmg_arena_t * t_arena;
static dmg_abi_t const * t_abi;

static int setup( void ** state ) {
  dmn_open( dmg_span( dmg_selftest_abi, sizeof dmg_selftest_abi ) );
  t_arena = dmg_arena_new( 16u<<20 );
  assert_int_equal( dmg_abi_decode( dmg_span( dmg_selftest_abi, sizeof dmg_selftest_abi ), t_arena, &t_abi ).kind, DMG_VERDICT_GOOD );
  as( 'a', DM_ROLE_MODULE );
  return 0;
}
static int teardown( void ** state ) { dmn_close(); dmg_arena_free( t_arena ); return 0; }

/* ---- Random values by type: what the accessors must carry ---- */

static void value( dmg_type_t const * t, bool is_full );

static void tail( dmg_type_t const * t, bool is_full ) {
  dmg_type_t const * later = t->field_cnt && !t->fields[ t->field_cnt-1 ].name.sz ? t->fields[ t->field_cnt-1 ].type : NULL;
  static uint8_t b[ 1024 ];
  dmg_bcs_wr_t outer = t_w;
  size_t keep = 0;
  uint32_t cnt = later ? (uint32_t)( rnd()%( later->field_cnt+1 ) ) : 0;
  t_w = dmg_bcs_wr( b, sizeof b );
  for( uint32_t i = 0; i<cnt; i++ ) {
    size_t from = dmg_bcs_wr_span( &t_w ).sz;
    value( later->fields[ i ].type, is_full );
    dmg_span_t s = dmg_bcs_wr_span( &t_w );
    if( !dmg_is_zero( s.p+from, s.sz-from ) ) keep = s.sz;
  }
  if( later && cnt==later->field_cnt && keep==dmg_bcs_wr_span( &t_w ).sz && rnd()%2 )   /* of a newer version */
    for( uint64_t n = rnd()%9; n; n-- ) { dmg_bcs_wr_u8( &t_w, (uint8_t)rnd() ); keep++; }
  t_w = outer;
  dmg_bcs_wr_bytes( &t_w, dmg_span( b, keep ) );
}

static uint32_t some( uint32_t n, bool is_full ) { return is_full ? n : rnd()%3 ? (uint32_t)( rnd()%( n+1 ) ) : 0; }

static void value( dmg_type_t const * t, bool is_full ) {
  uint8_t b[ 512 ];
  for( size_t i = 0; i<sizeof b; i++ ) b[ i ] = (uint8_t)rnd();
  if( rnd()%8==0 ) memset( b, rnd()%2 ? 0 : 0xff, sizeof b );
  switch( t->kind ) {
  case DMG_TYPE_BOOL:   dmg_bcs_wr_bool( &t_w, b[ 0 ]&1 ); break;
  case DMG_TYPE_AMOUNT: b[ 7 ] &= 0x7f; dmg_bcs_wr_fixed( &t_w, b, 8 ); break;
  case DMG_TYPE_ASSET:  b[ 0 ] %= 5; dmg_bcs_wr_fixed( &t_w, b, b[ 0 ] ? 33 : 1 ); break;
  case DMG_TYPE_BYTES:  dmg_bcs_wr_bytes( &t_w, dmg_span( b, some( t->n, is_full ) ) ); break;
  case DMG_TYPE_STR:    for( uint32_t i = 0; i<t->n; i++ ) b[ i ] &= 0x7f; dmg_bcs_wr_bytes( &t_w, dmg_span( b, some( t->n, is_full ) ) ); break;
  case DMG_TYPE_LIST: {
    uint32_t n = some( t->n, is_full );
    dmg_bcs_wr_uleb( &t_w, n );
    for( uint32_t i = 0; i<n; i++ ) value( t->elem, is_full );
    break;
  }
  case DMG_TYPE_MAP: {   /* u16 keys: counting up by bytes */
    uint32_t n = some( t->n, is_full );
    dmg_bcs_wr_uleb( &t_w, n );
    for( uint32_t i = 0; i<n; i++ ) { dmg_bcs_wr_u8( &t_w, (uint8_t)i ); dmg_bcs_wr_u8( &t_w, b[ i%256 ] ); value( t->val, is_full ); }
    break;
  }
  case DMG_TYPE_OPTION: dmg_bcs_wr_bool( &t_w, is_full || rnd()%2 ); if( t_w.p[ -1 ] ) value( t->elem, is_full ); break;
  case DMG_TYPE_STRUCT:
    for( uint32_t i = 0; i<t->field_cnt; i++ ) if( t->fields[ i ].name.sz ) value( t->fields[ i ].type, is_full );
    if( t->is_open ) tail( t, is_full );
    break;
  case DMG_TYPE_ENUM: {
    uint32_t v = (uint32_t)( rnd()%( t->is_open ? 300 : t->variant_cnt ) );
    dmg_bcs_wr_uleb( &t_w, v );
    if( v<t->variant_cnt && t->variants[ v ].type ) value( t->variants[ v ].type, is_full );
    break;
  }
  default:
    dmg_bcs_wr_fixed( &t_w, b, (size_t)t->sz_max );
  }
}

static dmg_type_t const * args_of( uint16_t id ) { return dmg_abi_call( t_abi, id )->args; }

/* ---- Tests ---- */

static void test_every_type_comes_back_byte_for_byte( void ** state ) {
  seed_any();
  for( int n = 0; n<300; n++ ) {
    args(); value( args_of( 1 ), n==0 );
    dmg_span_t in = dmg_bcs_wr_span( &t_w );
    dmn_result_t const * r = call( 1 );
    OK( r );
    if( r->data_n!=in.sz || memcmp( r->data, in.p, in.sz ) ) fail_msg( "value %d came back changed", n );
  }
}

static void test_views_are_walked_and_built( void ** state ) {
  seed_any();
  for( int n = 0; n<50; n++ ) {
    args(); value( args_of( 2 ), n==0 );
    dmg_bcs_rd_t rd = dmg_bcs_rd( dmg_bcs_wr_span( &t_w ) );
    uint32_t cnt = dmg_bcs_rd_uleb( &rd );
    dmn_result_t const * r = call( 2 );
    OK( r );
    dmg_bcs_rd_t out = dmg_bcs_rd( dmg_span( r->data, r->data_n ) );
    assert_int_equal( dmg_bcs_rd_uleb( &out ), cnt<400 ? cnt+1 : 400 );
    size_t body = dmg_bcs_rd_left( &out )-( cnt<400 ? 2 : 0 );
    assert_memory_equal( out.p, rd.p, body );
  }
}

static void test_values_go_to_state_and_back( void ** state ) {
  seed_any();
  for( int n = 0; n<100; n++ ) {
    uint32_t before = dmn_entry_cnt();
    args(); value( args_of( 3 ), n==0 );
    dmg_span_t in = dmg_bcs_wr_span( &t_w );
    dmg_bcs_rd_t rd = dmg_bcs_rd( in );
    for( uint32_t i = 0; i<7; i++ ) dmg_type_read( args_of( 3 )->fields[ i ].type, &rd );
    dmn_result_t const * r = call( 3 );
    OK( r );
    assert_int_equal( r->data[ 0 ], 1 );
    assert_int_equal( r->data_n-1, dmg_bcs_rd_left( &rd ) );
    assert_memory_equal( r->data+1, rd.p, r->data_n-1 );
    assert_int_equal( dmn_entry_cnt(), before+1 );
    r = call( 3 );                                  /* the same key: deleted */
    OK( r );
    assert_int_equal( r->data[ 0 ], 0 );
    assert_int_equal( dmn_entry_cnt(), before );
  }
}

static void link_one( char c, int16_t n, char const * name, uint32_t x ) {
  args(); wr_who( c ); dmg_bcs_wr_u16( &t_w, (uint16_t)n ); dmg_bcs_wr_bytes( &t_w, dmg_span_cstr( name ) );
  dmg_bcs_wr_u32( &t_w, x ); dmg_bcs_wr_bytes( &t_w, DMG_SPAN_STR( "longname" ) );
  /* y, z and fields of a newer version: large entries, of which three fill the module's buffer. */
  uint8_t later[ DMG_TAIL_MAX ];
  memset( later, 0xaa, sizeof later );
  memcpy( later, "\1\0\1\5", 4 );
  dmg_bcs_wr_bytes( &t_w, DMG_SPAN( later ) );
  OK( call( 4 ) );
}

static void visits( char c, bool has_n, int16_t n, uint8_t step, uint32_t cnt, uint32_t const * want ) {
  args(); wr_who( c ); dmg_bcs_wr_bool( &t_w, has_n ); if( has_n ) dmg_bcs_wr_u16( &t_w, (uint16_t)n ); dmg_bcs_wr_u8( &t_w, step );
  dmn_result_t const * r = call( 6 );
  OK( r );
  assert_int_equal( r->data_n, 1+4*cnt );
  for( uint32_t i = 0; i<cnt; i++ ) assert_int_equal( dmg_load_u32le( r->data+1+4*i ), want[ i ] );
}

static void test_scans_go_in_key_order_page_by_page( void ** state ) {
  link_one( 'b', 5, "zz", 99 );
  link_one( 'a', 2, "m", 5 ); link_one( 'a', -3, "b", 2 ); link_one( 'a', -3, "a", 1 ); link_one( 'a', 2, "", 4 ); link_one( 'a', 0, "xx", 3 ); link_one( 'a', 2, "zzzz", 6 );
  link_one( 'c', 1, "q", 98 );
  uint32_t const all[] = { 1, 2, 3, 4, 5, 6 };
  for( uint8_t step = 1; step<9; step++ ) {         /* the buffer holds three entries */
    visits( 'a', false, 0, step, 6, all );
    visits( 'a', true, 2, step, 3, all+3 );
    visits( 'a', true, -3, step, 2, all );
    visits( 'a', true, 7, step, 0, NULL );
    visits( 'b', false, 0, step, 1, (uint32_t[]){ 99 } );
    visits( 'z', false, 0, step, 0, NULL );
  }
  args(); wr_who( 'a' ); dmg_bcs_wr_u16( &t_w, 0 ); dmg_bcs_wr_bytes( &t_w, DMG_SPAN_STR( "xx" ) ); OK( call( 5 ) ); OK( call( 5 ) );
  visits( 'a', false, 0, 2, 5, (uint32_t[]){ 1, 2, 4, 5, 6 } );
}

static dmn_result_t const * add( int64_t key, int64_t delta ) { args(); dmg_bcs_wr_u64( &t_w, (uint64_t)key ); dmg_bcs_wr_u64( &t_w, (uint64_t)delta ); return call( 7 ); }

static void test_counters_have_bounds( void ** state ) {
  OK( add( -1, 600 ) );
  FAULT_U64( add( 1, 401 ), 4, 0, 600 );            /* the second bound: the first add is undone */
  dmn_result_t const * r = add( 1, 400 );
  OK( r );
  assert_int_equal( dmg_load_u64le( r->data ), 400 );
  FAULT( add( 1, -401 ), 5 );
  FAULT( add( 1, INT64_MIN ), 5 );
  OK( add( 1, -400 ) );
  assert_int_equal( dmn_entry_cnt(), 2 );           /* a counter back at 0 is absent */
}

static void test_faults_and_events_carry_their_fields( void ** state ) {
  args(); dmg_bcs_wr_bytes( &t_w, DMG_SPAN_STR( "rain" ) );
  dmn_result_t const * r = call( 8 );
  FAULT( r, 32 );
  uint8_t const want[] = { 4, 'r', 'a', 'i', 'n', 7, 2, 1, 0, 2, 0 };
  assert_int_equal( r->data_n, sizeof want );
  assert_memory_equal( r->data, want, sizeof want );
  args(); dmg_bcs_wr_u128( &t_w, (dmg_u128_t)1<<100 );
  r = call( 9 );
  OK( r );
  assert_int_equal( r->event_cnt, 1 );
  assert_int_equal( r->events[ 0 ].data_n, 32+32+2+3+33+16+1+5+5 );
}

static void test_callee_faults_become_ours_or_not_accepted( void ** state ) {
  struct { int32_t code; uint32_t fault; } const tab[] = {
    { DM_E_PAUSED, 3 }, { DM_E_MIGRATING, 3 }, { DM_E_ROLE, 2 }, { DM_E_NO_PLEDGE, 16 }, { DM_E_NO_MODULE, 15 }, { DM_E_REENTRANT, 15 }, { DM_E_DEPTH, 15 }, { DM_E_LIMIT, 15 },
    { DM_E_FAULT-1, 1 }, { DM_E_FAULT-32, 15 }, { DM_E_FAULT-300, 15 } };
  for( size_t i = 0; i<sizeof tab/sizeof *tab; i++ ) {
    dmn_answer( tab[ i ].code, NULL, 0 );
    args(); wr_who( 'b' ); dmg_bcs_wr_u64( &t_w, 5 );
    FAULT( call( 10 ), tab[ i ].fault );
  }
  uint64_t const have_need[ 2 ] = { 3, 5 };         /* a common fault passes on with its payload */
  dmn_answer( DM_E_FAULT-7, have_need, 16 );
  args(); wr_who( 'b' ); dmg_bcs_wr_u64( &t_w, 5 );
  dmn_result_t const * r = call( 10 );
  FAULT( r, 7 );
  assert_memory_equal( r->data, have_need, 16 );
  uint64_t const sum[ 4 ] = { 77, 1, 2, 3 };
  dmn_answer( 32, sum, 32 );
  args(); wr_who( 'b' );
  r = query( 1 );
  OK( r );
  assert_int_equal( dmg_load_u64le( r->data ), 77 );
}

static void test_arithmetic_is_checked( void ** state ) {
  static uint64_t const v[] = { 0, 1, 2, 10000, INT64_MAX, (uint64_t)INT64_MAX+1, UINT64_MAX-1, UINT64_MAX };
  for( size_t i = 0; i<8; i++ ) for( size_t k = 0; k<8; k++ ) for( size_t l = 0; l<8; l++ ) {
    args(); dmg_bcs_wr_u64( &t_w, v[ i ] ); dmg_bcs_wr_u64( &t_w, v[ k ] ); dmg_bcs_wr_u64( &t_w, v[ l ] );
    dmn_result_t const * r = call( 11 );
    OK( r );
    dmg_bcs_rd_t rd = dmg_bcs_rd( dmg_span( r->data, r->data_n ) );
    assert_int_equal( dmg_bcs_rd_uleb( &rd ), 4 );
    dmg_u128_t p = (dmg_u128_t)v[ i ]*v[ k ], fl = v[ l ] ? p/v[ l ] : 0, ce = v[ l ] ? fl+( p%v[ l ]!=0 ) : 0;
    struct { bool has; dmg_u128_t v; } const want[ 4 ] = { { (dmg_u128_t)v[ i ]+v[ k ]<=UINT64_MAX, (dmg_u128_t)v[ i ]+v[ k ] }, { v[ i ]>=v[ k ], v[ i ]-v[ k ] },
      { v[ l ] && fl<=UINT64_MAX, fl }, { v[ l ] && ce<=UINT64_MAX, ce } };
    for( int q = 0; q<4; q++ ) {
      bool has = dmg_bcs_rd_option( &rd );
      assert_int_equal( has, want[ q ].has );
      if( has ) assert_int_equal( dmg_bcs_rd_u64( &rd ), (uint64_t)want[ q ].v );
    }
  }
}

static void test_value_item_and_named_hook( void ** state ) {
  args(); dmg_bcs_wr_bool( &t_w, true ); dmg_bcs_wr_u8( &t_w, 5 ); dmg_bcs_wr_uleb( &t_w, 0 );
  dmn_result_t const * r = call( 13 );
  OK( r );
  assert_int_equal( r->data[ 0 ], 0 );
  args(); dmg_bcs_wr_bool( &t_w, false );
  r = call( 13 );
  OK( r );
  assert_int_equal( r->data[ 1 ], 5 );
  assert_int_equal( dmn_entry_cnt(), 0 );
  dmn_env.role = DM_ROLE_HOOK;
  args(); dmg_bcs_wr_u64( &t_w, 100 );
  r = hook( 4 );
  OK( r );
  assert_int_equal( dmg_load_u64le( r->data ), 9+8+100 );
}

static void test_another_storage_version_traps( void ** state ) {
  args(); dmg_bcs_wr_bool( &t_w, true ); dmg_bcs_wr_u8( &t_w, 5 ); dmg_bcs_wr_uleb( &t_w, 0 );
  OK( call( 13 ) );
  dmn_schema_set( 1, NULL, 0, 2 );
  args(); dmg_bcs_wr_bool( &t_w, false );
  assert_int_equal( call( 13 )->end, DMN_TRAP );
}

int main( void ) {
#define T( name ) cmocka_unit_test_setup_teardown( name, setup, teardown )
  struct CMUnitTest const tests[] = {
    T( test_every_type_comes_back_byte_for_byte ), T( test_views_are_walked_and_built ), T( test_values_go_to_state_and_back ), T( test_scans_go_in_key_order_page_by_page ),
    T( test_counters_have_bounds ), T( test_faults_and_events_carry_their_fields ), T( test_callee_faults_become_ours_or_not_accepted ), T( test_arithmetic_is_checked ),
    T( test_value_item_and_named_hook ), T( test_another_storage_version_traps ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
