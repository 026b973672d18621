/* rules: the voting rules C4.1 and C4.3-C4.5 as guards, for one validator and one view.

     safety.c   every history of a few views, a certificate exists once enough votes do      C14.1, C14.2
     heal.c     what each validator holds, crashes, votes lent and withheld                   C14.3
     replay.c   what validators of the simulator did, vote by vote                            C14.4

   All three ask here and nowhere else, so that the rule which was searched is the rule that the core is held against.  Written from the page, not from src/consensus.
   A view has two candidates, A and B; more than two blocks of a view fall into "the one meant" and "another". */
#ifndef DMG_MODEL_RULES_H
#define DMG_MODEL_RULES_H

#include <stdbool.h>
#include <stdint.h>

/* What one validator has signed in a view: NOTARIZE and FINALIZE by candidate. */
enum { OWN_NA = 1, OWN_NB = 2, OWN_Z = 4, OWN_FA = 8, OWN_FB = 16, OWN_N = 3, OWN_F = 24, OWN_BITS = 5 };
typedef uint8_t own_t;
static inline unsigned own_n( own_t o ) { return o&OWN_N; }
static inline unsigned own_f( own_t o ) { return o>>3&3; }
static inline own_t    vote_n( unsigned cand ) { return (own_t)( OWN_NA<<cand ); }
static inline own_t    vote_f( unsigned cand ) { return (own_t)( OWN_FA<<cand ); }

/* Rules left out: what must then go wrong. */
typedef enum { RULES_ALL, RULES_FINALIZE_AFTER_NULLIFY, RULES_NULLIFY_AFTER_FINALIZE, RULES_SKIP_WITHOUT_Z, RULES_TWO_NOTARIZE, RULES_QUORUM_SHORT, RULES_ENTER_ON_LONE_Z, RULES_FINALIZE_WITHOUT_N,
               RULES_MUTANT_CNT } mutant_t;
#define RULES_MUTANTS { "none", "finalize_after_nullify", "nullify_after_finalize", "skip_without_z", "two_notarize", "quorum_short", "enter_on_lone_z", "finalize_without_n" }
/* is_loose: without the clauses on own votes of C4.3 (never against an own FINALIZE) and C4.5 (own NOTARIZE is h or absent): agreement holds all the same, but an honest validator can be framed. */
typedef struct { mutant_t mutant; bool is_loose; } rules_t;

/* C4.3: once a view, never against an own FINALIZE of another block; in cur, or with N(v,h) held; is_just: the parent has its certificate and every view between its Z.
   What else C4.3 asks (body, execution, time, C4.10) only takes histories away. */
static inline bool may_notarize( rules_t r, own_t own, unsigned cand, bool is_cur, bool has_n, bool is_just ) {
  if( !( is_cur || has_n ) || !is_just || own&vote_n( cand ) ) return false;
  if( own_n( own ) && r.mutant!=RULES_TWO_NOTARIZE ) return false;
  return r.is_loose || !( own_f( own )&~( 1u<<cand ) );
}

/* C4.4: what a decision in cur may name: cur, and with it, view by view, the rest of its window.  before: own votes in v-1. */
static inline bool is_nullifiable( uint64_t cur, uint64_t v, uint64_t window, own_t before ) {
  return v==cur || ( v>cur && ( v-1 )/window==( cur-1 )/window && before&( OWN_Z|OWN_F ) );
}

/* C4.4: never after an own FINALIZE of the view. */
static inline bool may_nullify( rules_t r, own_t own, bool is_window ) {
  return is_window && !( own&OWN_Z ) && ( !( own&OWN_F ) || r.mutant==RULES_NULLIFY_AFTER_FINALIZE );
}

/* C4.5: with N(v,h) held, not after an own NULLIFY, own NOTARIZE for h or for none. */
static inline bool may_finalize( rules_t r, own_t own, unsigned cand, bool has_n ) {
  if( !has_n || own&OWN_F ) return false;
  if( own&OWN_Z && r.mutant!=RULES_FINALIZE_AFTER_NULLIFY ) return false;
  return r.is_loose || !own_n( own ) || own&vote_n( cand );
}

/* C9.1: a pair that convicts: E1 two NOTARIZE, E2 NULLIFY and FINALIZE, E3 FINALIZE beside another block's FINALIZE or NOTARIZE.  0: none. */
static inline unsigned slashable( own_t own ) {
  if( own_n( own )==3 ) return 1;
  if( own&OWN_Z && own&OWN_F ) return 2;
  if( own_f( own )==3 || ( own_f( own ) && own_n( own )&~own_f( own ) ) ) return 3;
  return 0;
}

/* C1.1 */
static inline uint64_t quorum_of( uint64_t weight ) { return 2*weight/3+1; }

#endif
