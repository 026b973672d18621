/* dm_int128.c, the 128-bit arithmetic of modules, against the compiler's own. */
#define DM_INT128_TEST 1
#define __multi3  t_multi3
#define __udivti3 t_udivti3
#define __umodti3 t_umodti3
#define __divti3  t_divti3
#define __modti3  t_modti3
#define __ashlti3 t_ashlti3
#define __lshrti3 t_lshrti3
#define __ashrti3 t_ashrti3
#include "dm_int128.c"

#include "test_native.h"

/* No module here: its entry is never called. */
uint8_t dm_in[ 1 ], dm_out[ 1 ];
int64_t dm_entry( uint32_t kind, uint32_t id, uint32_t in_sz );
int64_t dm_entry( uint32_t kind, uint32_t id, uint32_t in_sz ) { dm_trap(); }

static dm_u128_t wide( void ) {
  static uint64_t const edge[] = { 0, 1, 2, 3, 0xffffffff, 0x100000000ull, 0x100000001ull, INT64_MAX, 1ull<<63, ( 1ull<<63 )+1, UINT64_MAX-1, UINT64_MAX };
  uint64_t h[ 2 ];
  for( int i = 0; i<2; i++ ) h[ i ] = rnd()%2 ? edge[ rnd()%( sizeof edge/sizeof *edge ) ] : rnd()>>( rnd()%64 );
  return (dm_u128_t)h[ 0 ]<<64|h[ 1 ];
}

static void same( dm_u128_t a, dm_u128_t b, char const * what, dm_u128_t x, dm_u128_t y ) {
  if( a!=b ) fail_msg( "%s of 0x%016llx%016llx and 0x%016llx%016llx", what, (unsigned long long)( x>>64 ), (unsigned long long)x, (unsigned long long)( y>>64 ), (unsigned long long)y );
}

static void test_operations_equal_the_compilers( void ** state ) {
  seed_any();
  for( int n = 0; n<200000; n++ ) {
    dm_u128_t a = wide(), b = wide();
    int s = (int)( rnd()&127 );
    same( (dm_u128_t)t_multi3( (dm_i128_t)a, (dm_i128_t)b ), a*b, "product", a, b );
    same( (dm_u128_t)t_ashlti3( (dm_i128_t)a, s ), a<<s, "left shift", a, (dm_u128_t)s );
    same( (dm_u128_t)t_lshrti3( (dm_i128_t)a, s ), a>>s, "right shift", a, (dm_u128_t)s );
    same( (dm_u128_t)t_ashrti3( (dm_i128_t)a, s ), (dm_u128_t)( (dm_i128_t)a>>s ), "signed shift", a, (dm_u128_t)s );
    if( !b ) continue;
    same( t_udivti3( a, b ), a/b, "quotient", a, b );
    same( t_umodti3( a, b ), a%b, "remainder", a, b );
    if( b==(dm_u128_t)-1 && a==(dm_u128_t)1<<127 ) continue;   /* does not fit */
    same( (dm_u128_t)t_divti3( (dm_i128_t)a, (dm_i128_t)b ), (dm_u128_t)( (dm_i128_t)a/(dm_i128_t)b ), "signed quotient", a, b );
    same( (dm_u128_t)t_modti3( (dm_i128_t)a, (dm_i128_t)b ), (dm_u128_t)( (dm_i128_t)a%(dm_i128_t)b ), "signed remainder", a, b );
  }
}

int main( void ) {
  struct CMUnitTest const tests[] = { cmocka_unit_test( test_operations_equal_the_compilers ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
