/* bcs: Binary Canonical Serialization, the byte form of everything on chain.

     reader   dmg_bcs_rd_t over a span        writer   dmg_bcs_wr_t into caller memory
     u8..u128 little-endian; bool 0 or 1; length and variant index ULEB128 (u32, minimal);
     option 0, or 1 and the value; list length and elements; struct its fields in order

   Both are sticky: after the first failure every further call does nothing (reads give zero), so
   a decoder is written straight through and judged once, by dmg_bcs_rd_end.  One encoding a
   value: non-minimal lengths, other bools, trailing bytes are refused.

   Memory   nothing is allocated; spans read point into the input
   Failure  a verdict (dmg_bcs_bad_t), never an error: input is foreign
   Bounds   every length has a maximum given by the caller */
#ifndef DMG_CODEC_BCS_H
#define DMG_CODEC_BCS_H

#include "base/bytes.h"
#include "base/num.h"

typedef enum {
  DMG_BCS_GOOD, DMG_BCS_SHORT, DMG_BCS_TRAILING, DMG_BCS_ULEB, DMG_BCS_BOOL, DMG_BCS_OPTION, DMG_BCS_VARIANT,
  DMG_BCS_LENGTH, DMG_BCS_UTF8, DMG_BCS_ORDER, DMG_BCS_VALUE
} dmg_bcs_bad_t;

/* "truncated", "trailing bytes", ..: the middle of a sentence that names the thing. */
char const * dmg_bcs_bad_text( dmg_bcs_bad_t bad );

typedef struct { uint8_t const * p; uint8_t const * end; uint8_t const * start; dmg_bcs_bad_t bad; size_t bad_off; } dmg_bcs_rd_t;

static inline dmg_bcs_rd_t dmg_bcs_rd( dmg_span_t in ) {
  uint8_t const * p = in.p ? in.p : (uint8_t const *)"";   /* an empty span has p NULL, which takes no offset */
  return (dmg_bcs_rd_t){ .p = p, .end = p+in.sz, .start = p };
}
static inline size_t dmg_bcs_rd_off ( dmg_bcs_rd_t const * rd ) { return (size_t)( rd->p-rd->start ); }
static inline size_t dmg_bcs_rd_left( dmg_bcs_rd_t const * rd ) { return (size_t)( rd->end-rd->p ); }
/* Marks the input bad at the current place, if it is not bad already. */
void dmg_bcs_rd_fail( dmg_bcs_rd_t * rd, dmg_bcs_bad_t bad );
/* The verdict; also TRAILING if bytes are left. */
dmg_bcs_bad_t dmg_bcs_rd_end( dmg_bcs_rd_t * rd );

uint8_t     dmg_bcs_rd_u8    ( dmg_bcs_rd_t * rd );
uint16_t    dmg_bcs_rd_u16   ( dmg_bcs_rd_t * rd );
uint32_t    dmg_bcs_rd_u32   ( dmg_bcs_rd_t * rd );
uint64_t    dmg_bcs_rd_u64   ( dmg_bcs_rd_t * rd );
bool        dmg_bcs_rd_bool  ( dmg_bcs_rd_t * rd );
bool        dmg_bcs_rd_option( dmg_bcs_rd_t * rd );                          /* true: a value follows */
uint32_t    dmg_bcs_rd_uleb  ( dmg_bcs_rd_t * rd );
uint32_t    dmg_bcs_rd_len   ( dmg_bcs_rd_t * rd, uint32_t min, uint32_t max );  /* LENGTH outside */
uint32_t    dmg_bcs_rd_variant( dmg_bcs_rd_t * rd, uint32_t cnt );           /* VARIANT at or above cnt */
dmg_span_t  dmg_bcs_rd_fixed ( dmg_bcs_rd_t * rd, size_t sz );               /* exactly sz bytes, in place; p NULL when bad */
void        dmg_bcs_rd_copy  ( dmg_bcs_rd_t * rd, void * out, size_t sz );   /* exactly sz bytes; zeroed when bad */
dmg_span_t  dmg_bcs_rd_bytes ( dmg_bcs_rd_t * rd, uint32_t max );            /* bytes<max> */
dmg_span_t  dmg_bcs_rd_str   ( dmg_bcs_rd_t * rd, uint32_t max );            /* str<max>, max in bytes; UTF8 if it is none */

typedef struct { uint8_t * p; uint8_t * end; uint8_t * start; bool is_full; } dmg_bcs_wr_t;

static inline dmg_bcs_wr_t dmg_bcs_wr( void * out, size_t cap ) { return (dmg_bcs_wr_t){ .p = out, .end = (uint8_t *)out+cap, .start = out }; }
/* What was written; only meaningful while !is_full. */
static inline dmg_span_t dmg_bcs_wr_span( dmg_bcs_wr_t const * wr ) { return dmg_span( wr->start, (size_t)( wr->p-wr->start ) ); }

void dmg_bcs_wr_u8   ( dmg_bcs_wr_t * wr, uint8_t v );
void dmg_bcs_wr_u16  ( dmg_bcs_wr_t * wr, uint16_t v );
void dmg_bcs_wr_u32  ( dmg_bcs_wr_t * wr, uint32_t v );
void dmg_bcs_wr_u64  ( dmg_bcs_wr_t * wr, uint64_t v );
void dmg_bcs_wr_u128 ( dmg_bcs_wr_t * wr, dmg_u128_t v );
void dmg_bcs_wr_bool ( dmg_bcs_wr_t * wr, bool v );
void dmg_bcs_wr_uleb ( dmg_bcs_wr_t * wr, uint32_t v );                      /* lengths and variant indexes */
void dmg_bcs_wr_fixed( dmg_bcs_wr_t * wr, void const * p, size_t sz );       /* raw */
void dmg_bcs_wr_bytes( dmg_bcs_wr_t * wr, dmg_span_t bytes );                /* length and bytes; str too */

/* Bytes of v in ULEB128: 1..5. */
static inline size_t dmg_bcs_uleb_sz( uint32_t v ) { size_t n = 1; while( v >>= 7 ) n++; return n; }

/* Well-formed UTF-8: no overlong form, surrogate or value above U+10FFFF. */
bool dmg_utf8_is_valid( dmg_span_t text );

#endif
