/* liar: frames that no honest validator sends, signed with a liar's key; for both modes of the simulator.

     a frame of its own --> another vote, another header of the view --> to whom it likes

   What it tells whom is the mode's: net.c, full_liar.c. */
#ifndef DMG_SIM_LIAR_H
#define DMG_SIM_LIAR_H

#include "consensus/cons.h"

enum { B_SELECTIVE = 1, B_BAD_SIG = 2, B_NULLIFY = 4, B_NO_FINALIZE = 8, B_LEND = 16, B_NO_BODY = 32, B_LATE = 64, B_FAR = 128, B_WRONG_ROOT = 256, B_DOUBLE = 512, B_SKIP = 1024 };

typedef struct {
  dmg_cons_crypto_t const * crypto;
  dmg_hash_t                chain_id;
  void *                    ctx;
  void                   (* sign)( void * ctx, dmg_span_t msg, uint8_t out_raw[ DMG_BLS_SIG_RAW_SZ ] );   /* use VOTE */
} liar_t;

#define LIAR_VOTE_SZ ( 1+DMG_VOTE_WIRE_SZ )
void liar_vote( liar_t const * l, uint8_t kind, uint32_t epoch, uint64_t view, dmg_hash_t const * hash, uint16_t signer, uint8_t out[ LIAR_VOTE_SZ ] );
/* The same vote with a false signature, which the simulator's algebra still loads. */
void liar_vote_false( dmg_vote_t const * vote, uint8_t out[ LIAR_VOTE_SZ ] );
/* Another header in place of a proposal frame's, by one of WRONG_ROOT, DOUBLE (a valid one), FAR, SKIP; signed anew, with the frame's runs behind it, out[ frame.sz ].
   SKIP: stands on the parent's parent without a Z for the parent's view; it needs the parent.  Returns the size; 0: no such lie here. */
size_t liar_proposal( liar_t const * l, dmg_span_t frame, uint32_t lie, dmg_header_t const * parent, uint8_t * out, dmg_header_t * out_header, dmg_hash_t * out_hash );

#endif
