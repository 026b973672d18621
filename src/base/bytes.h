/* bytes: spans, a bounded growing buffer, fixed-width loads and stores, hex.

   Memory   a span borrows; a buffer owns heap memory, never past its max
   Failure  dmg_buf_*: DMG_ERR_LIMIT past max, DMG_ERR_NOMEM; the buffer stays as it was */
#ifndef DMG_BASE_BYTES_H
#define DMG_BASE_BYTES_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct { uint8_t const * p; size_t sz; } dmg_span_t;

/* A span over an array or a literal without its final zero. */
#define DMG_SPAN( array )  ( (dmg_span_t){ .p = (uint8_t const *)( array ), .sz = sizeof( array ) } )
#define DMG_SPAN_STR( s )  ( (dmg_span_t){ .p = (uint8_t const *)( s ), .sz = sizeof( s )-1 } )

/* The two arguments of "%.*s". */
#define DMG_SPAN_F( span ) (int)( span ).sz, (char const *)( span ).p

static inline dmg_span_t dmg_span( void const * p, size_t sz ) { return (dmg_span_t){ .p = p, .sz = sz }; }
static inline dmg_span_t dmg_span_cstr( char const * s )       { return (dmg_span_t){ .p = (uint8_t const *)s, .sz = strlen( s ) }; }
static inline bool dmg_span_eq( dmg_span_t a, dmg_span_t b )   { return a.sz==b.sz && ( !a.sz || !memcmp( a.p, b.p, a.sz ) ); }
/* Order of unsigned bytes; a prefix sorts before what it begins. */
static inline int dmg_span_cmp( dmg_span_t a, dmg_span_t b ) {
  size_t n = a.sz<b.sz ? a.sz : b.sz;
  int c = n ? memcmp( a.p, b.p, n ) : 0;
  return c ? c : ( a.sz>b.sz )-( a.sz<b.sz );
}

typedef struct { uint8_t * p; size_t sz, cap, max; } dmg_buf_t;

/* An empty buffer that may grow to max bytes. */
static inline dmg_buf_t  dmg_buf( size_t max ) { return (dmg_buf_t){ .max = max }; }
static inline dmg_span_t dmg_buf_span( dmg_buf_t const * buf ) { return (dmg_span_t){ .p = buf->p, .sz = buf->sz }; }
/* Room for sz more bytes; *out_p points at them, buf->sz already counts them. */
DMG_MUST_USE dmg_err_t dmg_buf_grow  ( dmg_buf_t * buf, size_t sz, uint8_t ** out_p );
DMG_MUST_USE dmg_err_t dmg_buf_append( dmg_buf_t * buf, void const * p, size_t sz );
/* printf into the buffer, without a final zero. */
DMG_MUST_USE __attribute__(( format( printf, 2, 3 ) ))
dmg_err_t dmg_buf_printf( dmg_buf_t * buf, char const * fmt, ... );
static inline void dmg_buf_clear( dmg_buf_t * buf ) { buf->sz = 0; }
void dmg_buf_fini( dmg_buf_t * buf );

static inline uint16_t dmg_load_u16le( uint8_t const * p ) { uint16_t v; memcpy( &v, p, 2 ); return v; }
static inline uint32_t dmg_load_u32le( uint8_t const * p ) { uint32_t v; memcpy( &v, p, 4 ); return v; }
static inline uint64_t dmg_load_u64le( uint8_t const * p ) { uint64_t v; memcpy( &v, p, 8 ); return v; }
static inline void dmg_store_u16le( uint8_t * p, uint16_t v ) { memcpy( p, &v, 2 ); }
static inline void dmg_store_u32le( uint8_t * p, uint32_t v ) { memcpy( p, &v, 4 ); }
static inline void dmg_store_u64le( uint8_t * p, uint64_t v ) { memcpy( p, &v, 8 ); }
static inline uint16_t dmg_load_u16be( uint8_t const * p ) { return __builtin_bswap16( dmg_load_u16le( p ) ); }
static inline uint32_t dmg_load_u32be( uint8_t const * p ) { return __builtin_bswap32( dmg_load_u32le( p ) ); }
static inline uint64_t dmg_load_u64be( uint8_t const * p ) { return __builtin_bswap64( dmg_load_u64le( p ) ); }
static inline void dmg_store_u16be( uint8_t * p, uint16_t v ) { dmg_store_u16le( p, __builtin_bswap16( v ) ); }
static inline void dmg_store_u32be( uint8_t * p, uint32_t v ) { dmg_store_u32le( p, __builtin_bswap32( v ) ); }
static inline void dmg_store_u64be( uint8_t * p, uint64_t v ) { dmg_store_u64le( p, __builtin_bswap64( v ) ); }
_Static_assert( __BYTE_ORDER__==__ORDER_LITTLE_ENDIAN__, "the loads and stores above want a little-endian machine" );

/* Decimal digits of v, at most 20, up to end; returns the first.  No final zero. */
char * dmg_digits( uint64_t v, char * end );
/* Lower-case hex of sz bytes and a final zero into out[ 2 sz + 1 ]. */
void dmg_hex_encode( void const * p, size_t sz, char * out );
/* Exactly 2 out_sz hex digits of either case, without "0x"; DMG_ERR_INVALID otherwise. */
DMG_MUST_USE dmg_err_t dmg_hex_decode( char const * hex, size_t hex_sz, uint8_t * out, size_t out_sz );

/* All bytes zero. */
bool dmg_is_zero( void const * p, size_t sz );

/* Levenshtein distance of two texts, for "did you mean"; UINT_MAX if b is longer than 64 bytes. */
unsigned dmg_edit_distance( char const * a, char const * b );

#endif
