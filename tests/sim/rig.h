/* rig: cores under a test's hand.  The test plays the peers, byte by byte, and the driver answers at once: SAVE is durable, SIGN signs, CHECK is valid,
   unless a switch says otherwise. */
#ifndef DMG_RIG_H
#define DMG_RIG_H

#include "sim.h"

#define RIG_N     4
#define RIG_SENDS 4096

typedef struct { uint8_t kind; uint32_t epoch; uint8_t bytes[ 60<<10 ]; size_t sz; dmg_hash_t block; uint64_t seq; } rig_rec_t;
typedef struct { dmg_peers_t peers; uint8_t bytes[ 1600 ]; size_t sz; } rig_send_t;

typedef struct {
  dmg_arena_t *    arena;
  dmg_cons_t *     core;
  dmg_cons_cfg_t   cfg;
  dmg_set_t        set;
  dmg_bls_key_t    secrets[ RIG_N ];
  dmg_cons_out_t * out;
  uint32_t         me;
  uint64_t         now_us, wall_ms, timer_us;
  uint32_t         sent_runs;      /* of those that rig_proposal commits; 0: all */
  bool             no_save, no_sign, no_check, no_build, is_refusing;   /* what the driver leaves undone */
  rig_rec_t *      wal;
  uint32_t         wal_cnt;
  rig_send_t *     sends;
  uint32_t         send_cnt;
  uint64_t         raised_ms;
  uint32_t         leaf_fetches, leaf_first;
  dmg_hash_t       leaf_hash;
  uint32_t         alarms, observes, fetches, commits, evidences, builds, checks, dones, closes;
  dmg_peers_t      fetch_peers;
  dmg_hash_t       fetch_hash, commit_hash, build_parent;
  uint64_t         build_id;
  uint8_t          evidence[ DMG_EVIDENCE_SZ_MAX ];
  size_t           evidence_sz;
  uint64_t         sent_bytes[ RIG_N ];
  dmg_hash_t       last_header;    /* of the last CHECK */
} rig_t;

void rig_init   ( rig_t * r, uint32_t me, uint64_t last_height );
void rig_fini   ( rig_t * r );
void rig_restart( rig_t * r );                                   /* a crash: what was saved is there, the rest is not */
void rig_event  ( rig_t * r, dmg_cons_event_t * ev );
void rig_link   ( rig_t * r, uint32_t peer, bool is_up );
void rig_tick   ( rig_t * r, uint64_t us );                      /* lets us pass, ticking at each deadline */
void rig_frame  ( rig_t * r, uint32_t peer, uint8_t kind, void const * p, size_t sz );
void rig_vote   ( rig_t * r, uint32_t peer, uint8_t kind, uint64_t view, dmg_hash_t const * hash );
dmg_cert_t rig_cert( rig_t const * r, uint8_t kind, uint64_t view, dmg_hash_t const * hash, uint32_t who );   /* signers as a bit mask */
dmg_run_t  rig_run ( rig_t const * r, uint64_t first, uint32_t cnt, uint32_t who );
void rig_send_cert( rig_t * r, uint32_t peer, dmg_cert_t const * cert );
void rig_send_run ( rig_t * r, uint32_t peer, dmg_run_t const * run );
/* A header by its leader on (parent_view, parent hash); edit may change it before it is signed.  Writes the proposal frame's bytes. */
typedef void (*rig_edit_t)( dmg_header_t * h );
size_t rig_proposal( rig_t const * r, uint64_t view, dmg_cert_t const * parent, uint64_t height, uint64_t time_ms, dmg_run_t const * runs, uint32_t run_cnt, rig_edit_t edit, uint8_t * out, dmg_hash_t * out_hash );
/* Own votes of a kind and view that were sent; the hash of the last one. */
uint32_t rig_sent_votes( rig_t const * r, uint8_t kind, uint64_t view, dmg_hash_t * out_hash );
uint32_t rig_sent( rig_t const * r, uint8_t frame_kind );
bool     rig_saved( rig_t const * r, uint8_t rec_kind, uint8_t vote_kind, uint64_t view );
dmg_cons_info_t rig_info( rig_t const * r );
uint32_t rig_leader( rig_t const * r, uint64_t view );
dmg_hash_t rig_root( dmg_hash_t const * parent_root );

#endif
