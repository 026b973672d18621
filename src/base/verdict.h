/* verdict: what a decoder or judge says about outside input; an ordinary value, not an error.

     GOOD    the input is what it claims to be
     BAD     it is not: field, place and reason are named; a property of the bytes alone
     LOCAL   this node could not finish judging (memory); says nothing about the input

   Memory   the texts are static */
#ifndef DMG_BASE_VERDICT_H
#define DMG_BASE_VERDICT_H

#include "base/bytes.h"

typedef enum { DMG_VERDICT_GOOD, DMG_VERDICT_BAD, DMG_VERDICT_LOCAL } dmg_verdict_kind_t;

#define DMG_VERDICT_NO_IDX UINT32_MAX

typedef struct {
  dmg_verdict_kind_t kind;
  dmg_err_t          err;     /* LOCAL: which failure; else DMG_OK */
  char const *       field;   /* BAD: "calls.module"; else "" */
  char const *       text;    /* BAD: "truncated", the middle of a sentence; else "" */
  uint32_t           idx;     /* element of the list that the field's first part names, or NO_IDX */
  size_t             off;     /* BAD: byte offset in the input */
} dmg_verdict_t;

static inline dmg_verdict_t dmg_verdict_good( void ) { return (dmg_verdict_t){ .kind = DMG_VERDICT_GOOD, .field = "", .text = "", .idx = DMG_VERDICT_NO_IDX }; }
static inline dmg_verdict_t dmg_verdict_bad( char const * field, char const * text, size_t off ) {
  return (dmg_verdict_t){ .kind = DMG_VERDICT_BAD, .field = field, .text = text, .idx = DMG_VERDICT_NO_IDX, .off = off };
}
static inline dmg_verdict_t dmg_verdict_bad_at( char const * field, uint32_t idx, char const * text, size_t off ) {
  return (dmg_verdict_t){ .kind = DMG_VERDICT_BAD, .field = field, .text = text, .idx = idx, .off = off };
}
static inline dmg_verdict_t dmg_verdict_local( dmg_err_t err ) {
  return (dmg_verdict_t){ .kind = DMG_VERDICT_LOCAL, .err = err, .field = "", .text = "", .idx = DMG_VERDICT_NO_IDX };
}

/* A sentence for users into out[ cap ], cut to fit, always ended by a zero:
   "calls[3].module: truncated, at byte 117"; "well formed"; "out of memory". */
void dmg_verdict_print( dmg_verdict_t const * verdict, char * out, size_t cap );
#define DMG_VERDICT_TEXT_MAX 200

#endif
