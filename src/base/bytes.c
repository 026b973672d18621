#include "base/bytes.h"
#include "base/assert.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

dmg_err_t dmg_buf_grow( dmg_buf_t * buf, size_t sz, uint8_t ** out_p ) {
  DMG_ASSERT( buf->sz<=buf->cap && buf->sz<=buf->max );
  if( sz>buf->max-buf->sz ) return DMG_ERR_LIMIT;
  size_t need = buf->sz+sz;
  if( need>buf->cap ) {
    size_t cap = buf->cap ? buf->cap : 512;   /* most answers find room at once */
    while( cap<need ) cap = cap>SIZE_MAX/2 ? need : 2*cap;
    if( cap>buf->max ) cap = buf->max;
    uint8_t * p = realloc( buf->p, cap );
    if( !p ) return DMG_ERR_NOMEM;
    buf->p   = p;
    buf->cap = cap;
  }
  /* sz 0 on an empty buffer hands out NULL: nothing may be written there. */
  *out_p   = buf->p ? buf->p+buf->sz : NULL;
  buf->sz  = need;
  return DMG_OK;
}

dmg_err_t dmg_buf_append( dmg_buf_t * buf, void const * p, size_t sz ) {
  uint8_t * to;
  DMG_TRY( dmg_buf_grow( buf, sz, &to ) );
  if( sz ) memcpy( to, p, sz );
  return DMG_OK;
}

dmg_err_t dmg_buf_printf( dmg_buf_t * buf, char const * fmt, ... ) {
  va_list ap;
  va_start( ap, fmt );
  int n = vsnprintf( NULL, 0, fmt, ap );
  va_end( ap );
  DMG_ASSERT( n>=0 );
  uint8_t * to;
  /* vsnprintf writes a final zero: make room for it, then take it back. */
  DMG_TRY( dmg_buf_grow( buf, (size_t)n+1, &to ) );
  va_start( ap, fmt );
  vsnprintf( (char *)to, (size_t)n+1, fmt, ap );
  va_end( ap );
  buf->sz -= 1;
  return DMG_OK;
}

void dmg_buf_fini( dmg_buf_t * buf ) {
  free( buf->p );
  *buf = (dmg_buf_t){ .max = buf->max };
}

char * dmg_digits( uint64_t v, char * end ) {
  do *--end = (char)( '0'+v%10 ); while( v /= 10 );
  return end;
}

/* The two digits of each byte. */
#define PAIR( hi, lo ) { hi, lo }
#define ROW( hi ) PAIR( hi, '0' ), PAIR( hi, '1' ), PAIR( hi, '2' ), PAIR( hi, '3' ), PAIR( hi, '4' ), PAIR( hi, '5' ), PAIR( hi, '6' ), PAIR( hi, '7' ), \
                  PAIR( hi, '8' ), PAIR( hi, '9' ), PAIR( hi, 'a' ), PAIR( hi, 'b' ), PAIR( hi, 'c' ), PAIR( hi, 'd' ), PAIR( hi, 'e' ), PAIR( hi, 'f' )
static char const hex_pair[ 256 ][ 2 ] = { ROW( '0' ), ROW( '1' ), ROW( '2' ), ROW( '3' ), ROW( '4' ), ROW( '5' ), ROW( '6' ), ROW( '7' ),
                                           ROW( '8' ), ROW( '9' ), ROW( 'a' ), ROW( 'b' ), ROW( 'c' ), ROW( 'd' ), ROW( 'e' ), ROW( 'f' ) };
#undef ROW
#undef PAIR

void dmg_hex_encode( void const * p, size_t sz, char * out ) {
  uint8_t const * b = p;
  for( size_t i = 0; i<sz; i++ ) memcpy( out+2*i, hex_pair[ b[ i ] ], 2 );
  out[ 2*sz ] = 0;
}

/* Value of a digit; 0x80 for what is none. */
#define N16 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80
#define LET 0x80, 10, 11, 12, 13, 14, 15, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80
static uint8_t const hex_value[ 256 ] = { N16, N16, N16, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, LET, N16, LET, N16, N16, N16, N16, N16, N16, N16, N16, N16 };
#undef N16
#undef LET

dmg_err_t dmg_hex_decode( char const * hex, size_t hex_sz, uint8_t * out, size_t out_sz ) {
  uint8_t const * h = (uint8_t const *)hex;
  uint8_t bad = 0;
  if( out_sz>SIZE_MAX/2 || hex_sz!=2*out_sz ) return DMG_ERR_INVALID;
  for( size_t i = 0; i<hex_sz; i++ ) bad |= hex_value[ h[ i ] ];
  if( bad&0x80 ) return DMG_ERR_INVALID;
  for( size_t i = 0; i<out_sz; i++ ) out[ i ] = (uint8_t)( hex_value[ h[ 2*i ] ]<<4 | hex_value[ h[ 2*i+1 ] ] );
  return DMG_OK;
}

bool dmg_is_zero( void const * p, size_t sz ) {
  uint8_t const * b = p;
  uint8_t any = 0;
  for( size_t i = 0; i<sz; i++ ) any |= b[ i ];
  return !any;
}

unsigned dmg_edit_distance( char const * a, char const * b ) {
  unsigned row[ 65 ];
  size_t   n = strlen( b );
  if( n>64 ) return UINT_MAX;
  for( unsigned j=0; j<=n; j++ ) row[ j ] = j;
  for( unsigned i=1; *a; a++, i++ ) {
    unsigned diag = row[ 0 ];
    row[ 0 ] = i;
    for( unsigned j=1; j<=n; j++ ) {
      unsigned best = diag+( *a!=b[ j-1 ] );
      diag = row[ j ];
      if( row[ j ]+1<best )   best = row[ j ]+1;
      if( row[ j-1 ]+1<best ) best = row[ j-1 ]+1;
      row[ j ] = best;
    }
  }
  return row[ n ];
}
