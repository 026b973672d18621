/* One core under the hand of a test program: what the programs of the core share beside rig.h. */
#ifndef DMG_TEST_RIG_H
#define DMG_TEST_RIG_H

#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static rig_t      r;
static uint8_t    frame[ 65536 ];
static dmg_hash_t next_root;   /* of the record that edit_boundary commits */

static inline uint64_t cur( void ) { return rig_info( &r ).cur; }
static inline uint32_t others( void ) { return 15u&~( 1u<<r.me ); }
static inline uint32_t other( unsigned k ) { for( uint32_t i = 0; ; i++ ) if( i!=r.me && !k-- ) return i; }

static inline void link_all( void ) { for( uint32_t i = 0; i<RIG_N-1; i++ ) rig_link( &r, other( i ), true ); }
static inline void up( uint32_t me, uint64_t last_height ) {
  rig_init( &r, me, last_height );
  link_all();
}
static inline int down( void ** state ) { rig_fini( &r ); return 0; }
#define T( f ) cmocka_unit_test_teardown( f, down )

/* Someone who does not lead views 1 .. to_view. */
static inline uint32_t not_leading( uint64_t to_view ) {
  uint32_t lead = 0, me = 0;
  rig_init( &r, 0, 1000 );
  for( uint64_t v = 1; v<=to_view; v++ ) lead |= 1u<<rig_leader( &r, v );
  rig_fini( &r );
  while( lead>>me&1 ) me++;
  assert_true( me<RIG_N );
  return me;
}

/* By its leader, at a time of its own. */
static inline dmg_hash_t propose( uint64_t view, dmg_cert_t const * parent, uint64_t height, rig_edit_t edit ) {
  dmg_hash_t h;
  size_t sz = rig_proposal( &r, view, parent, height, r.wall_ms+view, NULL, 0, edit, frame, &h );
  rig_frame( &r, rig_leader( &r, view ), DMG_FRAME_PROPOSAL, frame, sz );
  return h;
}
static inline dmg_hash_t propose_1( void ) { return propose( 1, NULL, 1, NULL ); }

/* The others' votes to a notarized view 1. */
static inline void finalize_1( dmg_hash_t const * h ) {
  for( unsigned k = 0; k<2; k++ ) rig_vote( &r, other( k ), DMG_VOTE_NOTARIZE, 1, h );
  assert_int_equal( cur(), 2 );
}

static inline void edit_boundary( dmg_header_t * h ) { h->kind = DMG_BLOCK_BOUNDARY; h->next_epoch_root = next_root; }
static inline void tell_next( dmg_record_t const * next, dmg_set_t const * set ) {
  dmg_cons_event_t ev = { .kind = DMG_CONS_EPOCH, .epoch = { .record = next, .set = set } };
  rig_event( &r, &ev );
}

#endif
