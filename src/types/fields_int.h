/* fields: remembers which field a sticky BCS reader failed in, for verdicts.

     F( "lane", tx->lane = dmg_bcs_rd_u16( rd ) );     with  dmg_bcs_rd_t * rd;  dmg_field_at_t * at;  in scope */
#ifndef DMG_TYPES_FIELDS_INT_H
#define DMG_TYPES_FIELDS_INT_H

#include "base/verdict.h"
#include "codec/bcs.h"

typedef struct { char const * name; uint32_t idx; } dmg_field_at_t;

#define F( text, read )         F_AT( text, DMG_VERDICT_NO_IDX, read )
#define F_AT( text, i, read ) do {                                              \
    read;                                                                       \
    if( rd->bad && !at->name ) *at = (dmg_field_at_t){ .name = text, .idx = ( i ) }; \
  } while(0)

/* The verdict at the end of the input. */
static inline dmg_verdict_t dmg_fields_end( dmg_bcs_rd_t * rd, dmg_field_at_t const * at ) {
  dmg_bcs_bad_t bad = dmg_bcs_rd_end( rd );
  if( !bad ) return dmg_verdict_good();
  char const * name = at->name ? at->name : "end";
  return dmg_verdict_bad_at( name, at->name ? at->idx : DMG_VERDICT_NO_IDX, dmg_bcs_bad_text( bad ), rd->bad_off );
}

#endif
