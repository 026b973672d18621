/* test_vectors: reads tests/conformance/vectors/crypto/<name>.txt; for test_*.c only.

   One vector a line, fields parted by one blank, bytes in hex, "-" for none, # comments.  A missing
   or malformed file fails the test.  Tests run in the root of the source tree. */
#ifndef DMG_CRYPTO_TEST_VECTORS_H
#define DMG_CRYPTO_TEST_VECTORS_H

#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

enum { VEC_FIELDS = 8, VEC_BYTES = 2200 };

typedef struct {
  FILE * file;
  size_t line_cnt;                         /* vectors handed out */
  char   line[ 4*VEC_BYTES ];
  char * text[ VEC_FIELDS ];               /* the fields as text */
  uint8_t bytes[ VEC_FIELDS ][ VEC_BYTES ];
} vec_t;

static inline void vec_open( vec_t * v, char const * name ) {
  char path[256];
  snprintf( path, sizeof( path ), "tests/conformance/vectors/crypto/%s.txt", name );
  memset( v, 0, sizeof( *v ) );
  v->file = fopen( path, "r" );
  if( !v->file ) fail_msg( "%s: not found (run from the root of the tree)", path );
}

/* The next line of field_cnt fields; false at the end of the file, which must not be empty. */
static inline bool vec_next( vec_t * v, size_t field_cnt ) {
  assert_true( field_cnt<=VEC_FIELDS );
  do {
    if( !fgets( v->line, sizeof( v->line ), v->file ) ) {
      fclose( v->file );
      assert_true( v->line_cnt>0 );
      return false;
    }
  } while( v->line[0]=='#' );
  char * end = strchr( v->line, '\n' );
  assert_non_null( end );
  *end = 0;
  size_t cnt = 0;
  for( char * at = v->line; at; ) {
    assert_true( cnt<field_cnt );
    v->text[cnt++] = at;
    at = strchr( at, ' ' );
    if( at ) *at++ = 0;
  }
  assert_int_equal( cnt, field_cnt );
  v->line_cnt++;
  return true;
}

/* Field i as bytes. */
static inline dmg_span_t vec_span( vec_t * v, size_t i ) {
  char const * hex = v->text[i];
  size_t sz = strcmp( hex, "-" ) ? strlen( hex )/2 : 0;
  assert_true( sz<=VEC_BYTES );
  if( sz ) assert_int_equal( dmg_hex_decode( hex, strlen( hex ), v->bytes[i], sz ), DMG_OK );
  return dmg_span( v->bytes[i], sz );
}

/* Field i as exactly sz bytes. */
static inline uint8_t const * vec_fixed( vec_t * v, size_t i, size_t sz ) {
  dmg_span_t s = vec_span( v, i );
  assert_int_equal( s.sz, sz );
  return s.p;
}

static inline uint32_t vec_num( vec_t * v, size_t i ) { return (uint32_t)strtoul( v->text[i], NULL, 10 ); }

/* A test's random numbers: xorshift32 from DMG_TEST_SEED, or a constant.  It prints what it runs from. */
static inline uint32_t vec_seed( void ) {
  char const * env  = getenv( "DMG_TEST_SEED" );
  uint32_t     seed = env ? (uint32_t)strtoul( env, NULL, 10 ) : 20251125u;
  if( !seed ) seed = 1;
  printf( "DMG_TEST_SEED=%u\n", seed );
  return seed;
}

static inline uint32_t vec_rnd( uint32_t * s ) {
  *s ^= *s<<13; *s ^= *s>>17; *s ^= *s<<5;
  return *s;
}

static inline void vec_fill( uint32_t * s, void * p, size_t sz ) {
  for( size_t i=0; i<sz; i++ ) ((uint8_t *)p)[i] = (uint8_t)( vec_rnd( s )>>11 );
}

#endif
