/* What the compiler calls but does not bring on wasm32: 128-bit products, quotients and shifts, memory
   functions under their plain names.  Only what a module uses stays in it (--gc-sections). */
#include "dm.h"

#undef memcpy
#undef memmove
#undef memset

/* test_int128.c brings its own names along and compares with the native compiler's. */
#if defined( __wasm__ ) || defined( DM_INT128_TEST )

typedef struct { uint64_t lo, hi; } pair_t;
typedef union { dm_u128_t v; pair_t p; } u_t;

dm_i128_t __multi3 ( dm_i128_t a, dm_i128_t b );
dm_u128_t __udivti3( dm_u128_t a, dm_u128_t b );
dm_u128_t __umodti3( dm_u128_t a, dm_u128_t b );
dm_i128_t __divti3 ( dm_i128_t a, dm_i128_t b );
dm_i128_t __modti3 ( dm_i128_t a, dm_i128_t b );
dm_i128_t __ashlti3( dm_i128_t a, int n );
dm_i128_t __lshrti3( dm_i128_t a, int n );
dm_i128_t __ashrti3( dm_i128_t a, int n );
static dm_u128_t make( uint64_t hi, uint64_t lo ) { u_t u; u.p.hi = hi; u.p.lo = lo; return u.v; }
static uint64_t hi_of( dm_u128_t v ) { u_t u; u.v = v; return u.p.hi; }
static uint64_t lo_of( dm_u128_t v ) { u_t u; u.v = v; return u.p.lo; }

/* 64 x 64 -> 128 from four 32-bit products. */
static dm_u128_t mul64( uint64_t a, uint64_t b ) {
  uint64_t al = (uint32_t)a, ah = a>>32, bl = (uint32_t)b, bh = b>>32;
  uint64_t ll = al*bl, lh = al*bh, hl = ah*bl, hh = ah*bh;
  uint64_t mid = ( ll>>32 )+(uint32_t)lh+(uint32_t)hl;
  return make( hh+( lh>>32 )+( hl>>32 )+( mid>>32 ), ( mid<<32 )|(uint32_t)ll );
}

dm_i128_t __multi3( dm_i128_t a, dm_i128_t b ) {
  dm_u128_t x = (dm_u128_t)a, y = (dm_u128_t)b, r = mul64( lo_of( x ), lo_of( y ) );
  return (dm_i128_t)make( hi_of( r )+lo_of( x )*hi_of( y )+hi_of( x )*lo_of( y ), lo_of( r ) );
}

dm_i128_t __ashlti3( dm_i128_t a, int n ) {
  uint64_t hi = hi_of( (dm_u128_t)a ), lo = lo_of( (dm_u128_t)a );
  if( !n ) return a;
  return (dm_i128_t)( n>=64 ? make( lo<<( n-64 ), 0 ) : make( hi<<n | lo>>( 64-n ), lo<<n ) );
}
dm_i128_t __lshrti3( dm_i128_t a, int n ) {
  uint64_t hi = hi_of( (dm_u128_t)a ), lo = lo_of( (dm_u128_t)a );
  if( !n ) return a;
  return (dm_i128_t)( n>=64 ? make( 0, hi>>( n-64 ) ) : make( hi>>n, lo>>n | hi<<( 64-n ) ) );
}
dm_i128_t __ashrti3( dm_i128_t a, int n ) {
  uint64_t lo = lo_of( (dm_u128_t)a );
  int64_t  hi = (int64_t)hi_of( (dm_u128_t)a );
  if( !n ) return a;
  return (dm_i128_t)( n>=64 ? make( (uint64_t)( hi>>63 ), (uint64_t)( hi>>( n-64 ) ) ) : make( (uint64_t)( hi>>n ), lo>>n | (uint64_t)hi<<( 64-n ) ) );
}

/* 128 by 64 bits, high half below the divisor: Knuth's algorithm D in base 2^32. */
static uint64_t div_wide( uint64_t hi, uint64_t lo, uint64_t d, uint64_t * rem ) {
  int s = __builtin_clzll( d );
  d <<= s;
  uint64_t dh = d>>32, dl = (uint32_t)d;
  uint64_t n32 = s ? hi<<s | lo>>( 64-s ) : hi, n10 = lo<<s, n1 = n10>>32, n0 = (uint32_t)n10;
  uint64_t q1 = n32/dh, r = n32-q1*dh;
  while( q1>>32 || q1*dl>( r<<32 | n1 ) ) { q1--; r += dh; if( r>>32 ) break; }
  uint64_t n21 = ( n32<<32 | n1 )-q1*d;
  uint64_t q0 = n21/dh;
  r = n21-q0*dh;
  while( q0>>32 || q0*dl>( r<<32 | n0 ) ) { q0--; r += dh; if( r>>32 ) break; }
  *rem = ( ( n21<<32 | n0 )-q0*d )>>s;
  return q1<<32 | q0;
}

static dm_u128_t div128( dm_u128_t a, dm_u128_t b, dm_u128_t * rem ) {
  uint64_t ah = hi_of( a ), al = lo_of( a ), bh = hi_of( b ), bl = lo_of( b ), r;
  if( !bh ) {
    if( !bl ) dm_trap();
    uint64_t qh = ah/bl, ql = div_wide( ah%bl, al, bl, &r );
    *rem = make( 0, r );
    return make( qh, ql );
  }
  /* A divisor above 64 bits: at most 64 steps of shift and subtract. */
  dm_u128_t q = 0, n = a;
  if( a<b ) { *rem = a; return 0; }
  int shift = __builtin_clzll( bh )-__builtin_clzll( ah );
  dm_u128_t d = (dm_u128_t)__ashlti3( (dm_i128_t)b, shift );
  for( ; shift>=0; shift-- ) {
    q = (dm_u128_t)__ashlti3( (dm_i128_t)q, 1 );
    if( n>=d ) { n -= d; q |= 1; }
    d = (dm_u128_t)__lshrti3( (dm_i128_t)d, 1 );
  }
  *rem = n;
  return q;
}

dm_u128_t __udivti3( dm_u128_t a, dm_u128_t b ) { dm_u128_t r; return div128( a, b, &r ); }
dm_u128_t __umodti3( dm_u128_t a, dm_u128_t b ) { dm_u128_t r; (void)div128( a, b, &r ); return r; }
dm_i128_t __divti3( dm_i128_t a, dm_i128_t b ) {
  dm_u128_t r, q = div128( a<0 ? -(dm_u128_t)a : (dm_u128_t)a, b<0 ? -(dm_u128_t)b : (dm_u128_t)b, &r );
  return ( a<0 )!=( b<0 ) ? (dm_i128_t)-q : (dm_i128_t)q;
}
dm_i128_t __modti3( dm_i128_t a, dm_i128_t b ) {
  dm_u128_t r;
  (void)div128( a<0 ? -(dm_u128_t)a : (dm_u128_t)a, b<0 ? -(dm_u128_t)b : (dm_u128_t)b, &r );
  return a<0 ? (dm_i128_t)-r : (dm_i128_t)r;
}

#endif

#ifdef __wasm__

void * memcpy ( void * d, void const * s, size_t n );
void * memmove( void * d, void const * s, size_t n );
void * memset ( void * d, int c, size_t n );
int    memcmp ( void const * a, void const * b, size_t n );
int    bcmp   ( void const * a, void const * b, size_t n );
size_t strlen ( char const * s );

void * memcpy ( void * d, void const * s, size_t n ) { return __builtin_memcpy( d, s, n ); }
void * memmove( void * d, void const * s, size_t n ) { return __builtin_memmove( d, s, n ); }
void * memset ( void * d, int c, size_t n )          { return __builtin_memset( d, c, n ); }
int memcmp( void const * a, void const * b, size_t n ) {
  uint8_t const volatile * x = a, * y = b;   /* volatile: this loop must not become a call to itself */
  for( size_t i = 0; i<n; i++ ) if( x[ i ]!=y[ i ] ) return x[ i ]<y[ i ] ? -1 : 1;
  return 0;
}
int bcmp( void const * a, void const * b, size_t n ) { return memcmp( a, b, n ); }
size_t strlen( char const * s ) {
  size_t n = 0;
  while( ( (char const volatile *)s )[ n ] ) n++;
  return n;
}

#endif
