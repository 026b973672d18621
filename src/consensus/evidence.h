/* evidence: the pure judge of C9.1: whom do these bytes convict?

     bytes --> decoded (types/agree.h) --> E1..E5 by the record, set and anchor of its epoch --> bitmap of the accused

   The core calls it on what it exports; the runtime lends it to modules as the host function `evidence` (C9.6).  Age, tombstones and doubles within a body
   are the caller's.

   Failure   not proven is a verdict
   Spec      docs/spec/consensus.md C9 */
#ifndef DMG_CONSENSUS_EVIDENCE_H
#define DMG_CONSENSUS_EVIDENCE_H

#include "consensus/just.h"
#include "consensus/schedule.h"

/* An epoch as the judge needs it. */
typedef struct {
  dmg_keys_t const *  keys;
  dmg_schedule_t *    schedule;
  dmg_record_t const * record;
  dmg_hash_t const *  next_root;    /* H of record e+1; NULL: not known, its clause is not decidable */
  dmg_cons_anchor_t   anchor;
} dmg_evidence_epoch_t;

/* BAD: malformed, another epoch, a signature that does not hold, or nothing proven; out_accused untouched then. */
dmg_verdict_t dmg_evidence_judge( dmg_span_t bytes, dmg_evidence_epoch_t * epoch, uint8_t out_accused[ DMG_BITMAP_SZ ] );

#endif
