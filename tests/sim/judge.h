/* judge: what stored objects say, by the rules' letter and without the core's own code paths; for both modes of the simulator.

     a core's proposal and leaves --> is each skipped view nullified under just_root?   I7
     bytes a validator sent for a block --> within C17's?                               I14

   Threads  one: static buffers */
#ifndef DMG_SIM_JUDGE_H
#define DMG_SIM_JUDGE_H

#include "consensus/just.h"

typedef enum { JUST_HOLDS, JUST_UNKNOWN, JUST_FALSE } just_verdict_t;   /* UNKNOWN: this core does not hold all of the runs */
/* I7 of a block that this core votes for; FALSE: out_why says of which view. */
just_verdict_t judge_just( dmg_keys_t const * keys, dmg_cons_t * core, dmg_header_t const * h, dmg_hash_t const * hash, char out_why[ 128 ] );

/* I14 over a stretch without faults: what cnt validators sent, bodies apart, and how many blocks became final and NULLIFYs were signed meanwhile.  Held to C17.1's bytes of a
   validator and block, between its four sizes in proportion; a lost view costs as a block does, and how many windows of the dead fall into the stretch is the schedule's. */
typedef struct { uint64_t sent, cnt, blocks, nulls; bool may_have_dead; } judge_calm_t;   /* may_have_dead: half as much again */
bool judge_calm( uint32_t n, judge_calm_t const * calm, char out_why[ 128 ] );   /* true: within them, or too short to tell */

#endif
