/* model: what the three checkers lend each other, and their results. */
#ifndef DMG_MODEL_MODEL_H
#define DMG_MODEL_MODEL_H

#include "rules.h"
#include "store.h"

#define HONEST_MAX 5
#define VIEWS_MAX  4

/* --- safety.c ----------------------------------------------------------------------------------------------- */

/* S: S1-S3 of C4.11 and that a finalized block is on every chain notarized above it.  E: no honest validator holds a slashable pair, and a fork leaves
   certificates that convict (C9.3).  FORK: two finalized blocks that no chain joins, and only that. */
enum { PROP_S = 1, PROP_E = 2, PROP_FORK = 4 };
typedef struct {
  uint32_t honest, views, window;      /* window: views that one NULLIFY decision may span (C4.4); 1: cur only */
  uint8_t  weights[ HONEST_MAX ];      /* of the honest; equal ones adjacent */
  uint32_t byz;                        /* weight that lends every vote; below a third of all, or S and FORK are not promised; below q */
  rules_t  rules;
  unsigned props;
  bool     is_named;                   /* configurations that differ by the names of candidates are searched apart */
  bool     is_apart;                   /* validators of equal weight keep their names: what spin counts */
  bool     is_quiet;
} safety_t;
typedef struct { uint32_t configs; uint64_t states; bool is_violated; uint32_t steps; double seconds; } outcome_t;
outcome_t safety_run( safety_t const * m );   /* prints the shortest path to a violation unless is_quiet */

/* --- heal.c ------------------------------------------------------------------------------------------------- */

outcome_t heal_run( rules_t rules, bool is_quiet );

/* --- replay.c ----------------------------------------------------------------------------------------------- */

/* What a trace showed of the rules: a trace without one of these says nothing about that rule. */
typedef enum { SEEN_NOTARIZE, SEEN_NOTARIZE_LATE, SEEN_NOTARIZE_AFTER_NULLIFY, SEEN_NULLIFY, SEEN_NULLIFY_WINDOW, SEEN_NULLIFY_AFTER_NOTARIZE, SEEN_FINALIZE, SEEN_FINALIZE_ALONE, SEEN_FINALIZE_LATE, SEEN_PROPOSE,
               SEEN_CNT } seen_t;
#define SEEN_NAMES { "NOTARIZE in cur", "by N later", "after own NULLIFY", "NULLIFY of cur", "of its window", "after own NOTARIZE", "FINALIZE", "without own NOTARIZE", "below the base", "PROPOSE" }
typedef struct { uint64_t seeds, blocks, records, votes, certs, kills, seen[ SEEN_CNT ]; bool is_violated; } replay_t;
replay_t replay_run( char const * path, bool is_quiet );

#endif
