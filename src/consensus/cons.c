/* _new, step, and a vote's way from decision to the wire. */
#include "consensus/cons_int.h"

/* --- actions ---------------------------------------------------------------------------------------------- */

dmg_cons_action_t * action( cons_t * c, uint8_t kind ) {
  if( !c->out ) return NULL;   /* replay in _new: nothing leaves */
  /* What carries safety or progress always has room; repetition and frames give way. */
  bool is_soft = kind==DMG_CONS_SEND || kind==DMG_CONS_EVIDENCE || kind==DMG_CONS_FETCH || kind==DMG_CONS_ALARM;
  if( c->out->cnt>=( is_soft ? DMG_CONS_ACTION_MAX-OWN_MAX-8 : DMG_CONS_ACTION_MAX ) ) { c->drops++; DMG_ASSERT( is_soft ); return NULL; }
  dmg_cons_action_t * a = &c->out->actions[ c->out->cnt++ ];
  a->kind = kind;
  return a;
}

void alarm_text( cons_t * c, char const * text, uint64_t view, dmg_hash_t const * ours, dmg_hash_t const * theirs ) {
  dmg_cons_action_t * a = action( c, DMG_CONS_ALARM );
  if( !a ) return;
  a->alarm.text   = text;
  a->alarm.view   = view;
  a->alarm.ours   = ours ? *ours : (dmg_hash_t){ 0 };
  a->alarm.theirs = theirs ? *theirs : (dmg_hash_t){ 0 };
}

void observe( cons_t * c, char const * reason ) {
  if( c->is_observer ) return;
  c->is_observer = true;
  c->from_ms     = dmg_max_u64( c->from_ms, c->wall_ms );   /* C6.5: every fall to observe */
  dmg_cons_action_t * a = action( c, DMG_CONS_OBSERVE );
  if( a ) a->observe.reason = reason;
}

/* C6.5: what a lost past signed is older than from_ms: an epoch that began later is free of it. */
void observe_by_time( cons_t * c ) { c->is_observer = c->cfg.is_observer || ( c->from_ms && c->anchor.time_ms<=c->from_ms+2*(uint64_t)c->rec.skew_ms ); }

void raise_from( cons_t * c, uint64_t header_ms ) {
  if( !c->from_ms || header_ms<=c->from_ms ) return;
  c->from_ms = header_ms;
  dmg_cons_action_t * a = action( c, DMG_CONS_RAISE );
  if( a ) a->raise.from_ms = header_ms;
  observe_by_time( c );
}

void record( cons_t * c, uint8_t kind, dmg_span_t payload, dmg_hash_t const * block ) {
  DMG_ASSERT( c->record_cnt<c->records_max && payload.sz<=c->saves_max-c->saves_sz );
  dmg_cons_record_t * r = &c->records[ c->record_cnt++ ];
  uint8_t * p = c->saves+c->saves_sz;
  memcpy( p, payload.p, payload.sz );
  c->saves_sz += payload.sz;
  dmg_hash_t zero = { 0 };
  *r = (dmg_cons_record_t){ .kind = kind, .epoch = c->rec.epoch, .payload = dmg_span( p, payload.sz ), .block = block ? *block : zero };
}

static void record_cert( cons_t * c, dmg_cert_t const * cert ) {
  uint8_t b[ DMG_CERT_SZ ];
  dmg_cert_encode( cert, b );
  record( c, DMG_CONS_REC_CERT, DMG_SPAN( b ), NULL );
}

/* --- votes ------------------------------------------------------------------------------------------------ */

/* C6.4: the safety file knows the newest 64 views voted in; below, the signer refuses, so nothing is decided there. */
static bool is_votable( cons_t const * c, uint64_t view ) {
  uint64_t hi = dmg_max_u64( c->marks[ 0 ], dmg_max_u64( c->marks[ 1 ], c->marks[ 2 ] ) );
  return view>c->v_fin && view+DMG_SAFETY_OPEN_MAX>hi;
}

/* marks_epoch: the file has signed in a later epoch, and in no earlier one again. */
bool can_vote( cons_t const * c ) { return c->me>=0 && c->cfg.marks_epoch<=c->rec.epoch && !c->is_observer && !c->is_waiting && !c->is_done && c->is_started && c->out; }

static own_t * own_new( cons_t * c ) {
  own_t * o = &c->own[ c->next_id%OWN_MAX ];
  return o->state==OWN_FREE ? o : NULL;
}

/* C6.2: the certificates of the bundle of cur that are not logged yet go before any vote. */
static void save_reasons( cons_t * c ) {
  if( c->base_view && !c->is_base_logged ) {
    record_cert( c, &c->base_cert );
    c->is_base_logged = true;
    view_t * s = view_get( c, c->base_view );
    if( s && c->base_cert.kind==DMG_VOTE_NOTARIZE ) s->is_n_logged = true;
  }
  for( uint64_t v = c->base_view+1; v<c->cur; ) {
    held_run_t * h = run_at( c, v );
    if( !h ) break;   /* only ENTER_ON_LONE_Z comes here */
    if( !h->is_logged ) {
      uint8_t b[ DMG_RUN_SZ_MAX ];
      record( c, DMG_CONS_REC_RUN, dmg_span( b, dmg_run_encode( &h->run, b ) ), NULL );
      h->is_logged = true;
    }
    v = dmg_run_last( &h->run )+1;
  }
  if( c->v_fin && !c->is_fin_logged ) {
    uint8_t b[ DMG_CONS_REC_FLOOR_SZ ];
    dmg_store_u64le( b, c->v_fin );
    dmg_store_u64le( b+8, c->fin_height );
    memcpy( b+16, c->fin.hash.b, 32 );
    dmg_cert_encode( &c->fin, b+48 );
    record( c, DMG_CONS_REC_FLOOR, DMG_SPAN( b ), NULL );
    c->is_fin_logged = true;
  }
}

void cast_vote( cons_t * c, view_t * s, uint8_t kind, dmg_hash_t const * hash ) {
  own_t * o = is_votable( c, s->view ) ? own_new( c ) : NULL;
  if( !o ) { c->drops++; return; }   /* the driver is slow: decided again when asked again */
  prop_t * p = NULL;
  if( kind==DMG_VOTE_NOTARIZE || kind==DMG_VOTE_PROPOSE ) {
    p = prop_find( c, s->view, hash );
    DMG_ASSERT( p );
    if( c->saves_props+p->sz>(size_t)PROP_SAVES_MAX*PROP_SZ_MAX ) { c->drops++; return; }
  }
  if( kind!=DMG_VOTE_FINALIZE || !MUTANT( c, FINALIZE_WITHOUT_N ) ) save_reasons( c );
  if( p ) {
    if( kind==DMG_VOTE_PROPOSE || !s->own[ DMG_VOTE_PROPOSE ] ) { record( c, DMG_CONS_REC_PROPOSAL, dmg_span( p->bytes, p->sz ), hash ); c->saves_props += p->sz; }
  }
  if( kind==DMG_VOTE_FINALIZE && !s->is_n_logged && !MUTANT( c, FINALIZE_WITHOUT_N ) ) { record_cert( c, &s->n ); s->is_n_logged = true; }
  uint8_t b[ DMG_CONS_REC_VOTE_SZ ];
  b[ 0 ] = kind;
  dmg_store_u64le( b+1, s->view );
  memcpy( b+9, hash->b, 32 );
  record( c, DMG_CONS_REC_VOTE, DMG_SPAN( b ), NULL );
  s->own[ kind ]      = true;
  s->own_hash[ kind ] = *hash;
  if( kind<3 ) c->marks[ kind ] = dmg_max_u64( c->marks[ kind ], s->view );
  *o = (own_t){ .id = c->next_id++, .seq = c->next_seq, .view = s->view, .hash = *hash, .kind = kind, .state = OWN_SAVING };
}

void cast_nullify( cons_t * c, uint64_t view ) {
  if( !can_vote( c ) || view<=c->v_fin ) return;
  view_t * s = view_touch( c, view );
  /* C4.4: never after an own FINALIZE(v). */
  if( !s || s->own[ DMG_VOTE_NULLIFY ] || ( s->own[ DMG_VOTE_FINALIZE ] && !MUTANT( c, NULLIFY_AFTER_FINALIZE ) ) ) return;
  dmg_hash_t zero = { 0 };
  cast_vote( c, s, DMG_VOTE_NULLIFY, &zero );
}

void try_finalize( cons_t * c, view_t * s ) {
  /* C4.5: N is held, the view is open, no own NULLIFY, own NOTARIZE for it or for none. */
  if( !can_vote( c ) || !s->has_n || s->has_f || s->view<=c->v_fin || s->own[ DMG_VOTE_FINALIZE ] ) return;
  if( s->own[ DMG_VOTE_NULLIFY ] && !MUTANT( c, FINALIZE_AFTER_NULLIFY ) ) return;
  if( s->own[ DMG_VOTE_NOTARIZE ] && !dmg_hash_eq( &s->own_hash[ DMG_VOTE_NOTARIZE ], &s->n.hash ) ) return;
  cast_vote( c, s, DMG_VOTE_FINALIZE, &s->n.hash );
}

uint64_t ask_signature( cons_t * c, uint8_t kind, uint64_t view, dmg_hash_t const * hash ) {
  dmg_cons_action_t * a = action( c, DMG_CONS_SIGN );
  DMG_ASSERT( a );
  uint64_t id = c->next_id;
  /* A reveal has no slot among the votes: it is no vote, and its id is remembered by lead(). */
  if( kind==DMG_CONS_SIGN_REVEAL ) { c->next_id++; }
  a->sign.id    = id;
  a->sign.seq   = c->saved_seq;
  a->sign.kind  = kind;
  a->sign.epoch = c->rec.epoch;
  a->sign.view  = view;
  a->sign.hash  = *hash;
  return id;
}

/* C6.1: SAVE is durable, now the signer may be asked. */
static void sign_saved( cons_t * c ) {
  for( uint32_t i = 0; i<OWN_MAX; i++ ) {
    own_t * o = &c->own[ i ];
    if( o->state!=OWN_SAVING || o->seq>c->saved_seq ) continue;
    o->state = OWN_SIGNING;
    dmg_cons_action_t * a = action( c, DMG_CONS_SIGN );
    a->sign.id    = o->id;
    a->sign.seq   = o->seq;
    a->sign.kind  = o->kind;
    a->sign.epoch = c->rec.epoch;
    a->sign.view  = o->view;
    a->sign.hash  = o->hash;
  }
}

static void on_saved( cons_t * c, uint64_t seq ) {
  DMG_ASSERT( seq<c->next_seq );
  c->saved_seq = dmg_max_u64( c->saved_seq, seq );
  sign_saved( c );
}

static void on_proposed( cons_t * c, own_t const * o, uint8_t const sig[ DMG_BLS_SIG_SZ ] ) {
  view_t * s = view_get( c, o->view );
  prop_t * p = prop_find( c, o->view, &o->hash );
  blk_t  * b = blk_find( c, o->view, &o->hash );
  if( !s || !p || !b ) return;
  memcpy( b->sh.sig, sig, DMG_BLS_SIG_SZ );
  memcpy( p->bytes+DMG_HEADER_SZ, sig, DMG_BLS_SIG_SZ );
  if( o->view<=c->v_fin ) return;
  dmg_peers_t up = peers_up( c );
  send_frame( c, &up, DMG_FRAME_PROPOSAL, dmg_span( p->bytes, p->sz ), dmg_span( NULL, 0 ), o->seq );
}

static void on_signed( cons_t * c, dmg_cons_event_t const * ev ) {
  uint8_t stored[ DMG_BLS_SIG_SZ ];
  dmg_bls_sig_t point;
  bool is_good = !ev->sig.is_refused && c->cfg.crypto->sig_load_raw( ev->sig.sig, &point );
  if( is_good ) c->cfg.crypto->sig_store( &point, stored );
  if( c->reveal_id && ev->sig.id==c->reveal_id ) { c->reveal_id = 0; if( is_good ) on_reveal( c, stored ); return; }
  own_t * slot = &c->own[ ev->sig.id%OWN_MAX ], o = *slot;
  if( o.state!=OWN_SIGNING || o.id!=ev->sig.id ) return;   /* of an epoch that is over */
  slot->state = OWN_FREE;
  if( !is_good ) { observe( c, "the signer refused a vote" ); return; }
  if( o.kind==DMG_VOTE_PROPOSE ) { on_proposed( c, &o, stored ); return; }
  view_t * s = view_get( c, o.view );
  if( !s ) return;
  /* Sent first, then counted: what the own vote completes travels behind it. */
  slot_t * mine = slot_of( c, s, o.kind, (uint32_t)c->me );
  mine->state = SLOT_EMPTY;
  dmg_vote_t v = { .kind = o.kind, .epoch = c->rec.epoch, .view = o.view, .hash = o.hash, .signer = (uint16_t)c->me };
  memcpy( v.sig, ev->sig.sig, sizeof v.sig );
  uint8_t b[ DMG_VOTE_WIRE_SZ ];
  dmg_vote_encode( &v, b );
  dmg_peers_t up = peers_up( c );
  if( o.view>c->v_fin ) send_frame( c, &up, DMG_FRAME_VOTE, DMG_SPAN( b ), dmg_span( NULL, 0 ), o.seq );
  tally_vote( c, s, o.kind, (uint32_t)c->me, &o.hash, ev->sig.sig );
}

/* --- start ------------------------------------------------------------------------------------------------ */

static uint64_t wait_us( cons_t const * c ) { return dmg_max_u64( 2000000u, (uint64_t)2*c->rec.window*c->rec.pace_ms*1000 ); }

/* What the ring of an epoch starts from: nothing held, view 1. */
void reset_epoch( cons_t * c ) {
  c->cur = 1; c->entered_us = c->now_us;
  c->base_view = 0; c->base_hash = c->anchor.hash; c->base_cert = (dmg_cert_t){ 0 }; c->is_base_logged = true;
  c->v_fin = 0; c->fin = (dmg_cert_t){ 0 }; c->fin_us = c->now_us; c->fin_height = c->anchor.height; c->is_fin_logged = true;
  c->ring_hi = 0;
  for( uint32_t i = 0; i<DMG_CONS_RING; i++ ) c->ring[ i ].view = 0;
  memset( c->extra, 0, sizeof c->extra );
  c->run_cnt = 0;
  for( uint32_t i = 0; i<c->runs_max; i++ ) c->order[ i ] = (uint16_t)i;
  memset( c->seen, 0, sizeof c->seen );
  for( uint32_t i = 0; i<OWN_MAX; i++ ) c->own[ i ].state = OWN_FREE;
  memset( c->marks, 0, sizeof c->marks );
  if( c->cfg.marks_epoch==c->rec.epoch ) memcpy( c->marks, c->cfg.marks, sizeof c->marks );
  for( uint32_t i = 0; i<PROP_CNT; i++ ) c->props[ i ].sz = c->props[ i ].view = 0;
  c->reveal_window = c->reveal_seen = c->reveal_id = c->build_id = c->build_view = 0;
  c->has_reveal = false;
  c->propose_at_us = NEVER;
  memset( c->suspect, 0, sizeof c->suspect );
  memset( c->accused, 0, sizeof c->accused );
  memset( c->fetches, 0, sizeof c->fetches );
  c->is_done = false;
  c->is_run_dropped = c->has_run_alarm = false;
  for( unsigned i = 0; i<WORK_CNT; i++ ) c->works[ i ].kind = WORK_FREE;
  for( unsigned i = 0; i<JUST_CNT; i++ ) c->justs[ i ].view = 0;
  c->still_attempt = 0;
  c->future_at_us = NEVER;
  c->me = dmg_set_find( &c->set, c->cfg.key );
  map_peers( c );
}

/* A header of our own that is no proposal yet: the crash came between its record and that of PROPOSE, so it was never signed, and its view may have another of ours.
   (One that came back to us from others has its signature.) */
static bool is_draft( cons_t const * c, dmg_cons_record_t const * records, uint32_t cnt, uint32_t i ) {
  dmg_proposal_t p;
  if( dmg_proposal_decode( records[ i ].payload, &p ).kind || (int32_t)p.header.header.leader!=c->me || !dmg_is_zero( p.header.sig, sizeof p.header.sig ) ) return false;
  for( uint32_t k = i+1; k<cnt; k++ ) {
    dmg_span_t v = records[ k ].payload;
    if( records[ k ].kind==DMG_CONS_REC_VOTE && v.sz==DMG_CONS_REC_VOTE_SZ && v.p[ 0 ]==DMG_VOTE_PROPOSE && !memcmp( v.p+9, p.hash.b, sizeof p.hash.b ) ) return false;
  }
  return true;
}

void replay( cons_t * c, dmg_cons_record_t const * records, uint32_t cnt ) {
  dmg_cons_out_t * out = c->out;
  c->out = NULL;
  for( uint32_t i = 0; i<cnt; i++ ) {
    dmg_cons_record_t const * r = &records[ i ];
    if( r->kind==DMG_CONS_REC_EPOCH && r->epoch+1==c->rec.epoch && r->payload.sz<=sizeof c->handover ) {
      /* Members of e serve the handover two epochs on (C7.4). */
      memcpy( c->handover, r->payload.p, r->payload.sz );
      c->handover_sz = r->payload.sz;
    }
    if( r->epoch!=c->rec.epoch ) continue;
    dmg_cert_t cert;
    dmg_run_t  run;
    switch( r->kind ) {
      case DMG_CONS_REC_VOTE: {
        if( r->payload.sz!=DMG_CONS_REC_VOTE_SZ ) break;
        uint8_t  kind = r->payload.p[ 0 ];
        uint64_t view = dmg_load_u64le( r->payload.p+1 );
        view_t * s = view && kind<4 ? view_touch( c, view ) : NULL;
        if( !s ) break;
        s->own[ kind ]      = true;
        s->own_hash[ kind ] = dmg_hash_load( r->payload.p+9 );
        if( kind<3 ) c->marks[ kind ] = dmg_max_u64( c->marks[ kind ], view );
        break;
      }
      case DMG_CONS_REC_PROPOSAL: if( !is_draft( c, records, cnt, i ) ) (void)take_proposal( c, r->payload, true ); break;
      case DMG_CONS_REC_CERT:     if( !dmg_cert_decode( r->payload, &cert ).kind ) (void)take_cert( c, &cert, true ); break;
      case DMG_CONS_REC_RUN:      if( !dmg_run_decode( r->payload, &run ).kind ) { take_run( c, &run, true ); advance( c ); } break;
      case DMG_CONS_REC_FLOOR:
        if( r->payload.sz!=DMG_CONS_REC_FLOOR_SZ || dmg_cert_decode( dmg_span( r->payload.p+48, DMG_CERT_SZ ), &cert ).kind ) break;
        (void)take_cert( c, &cert, true );
        break;
      case DMG_CONS_REC_EPOCH: (void)take_handover( c, r->payload ); break;
      default: break;
    }
  }
  for( uint32_t i = 0; i<c->run_cnt; i++ ) c->runs[ c->order[ i ] ].is_logged = true;
  c->out = out;
}

/* The caller's memory ends with _new. */
static bool keep_later( cons_t * c, dmg_arena_t * arena, dmg_cons_restored_t const * restored ) {
  c->later = DMG_ARENA_NEW( arena, dmg_cons_record_t, restored->cnt+1 );
  if( !c->later ) return false;
  for( uint32_t i = 0; i<restored->cnt; i++ ) {
    dmg_cons_record_t const * r = &restored->records[ i ];
    if( r->epoch!=c->rec.epoch+1 ) continue;
    dmg_cons_record_t * x = &c->later[ c->later_cnt++ ];
    *x = *r;
    x->payload = dmg_arena_dup( arena, r->payload );
    if( !x->payload.p ) return false;
  }
  return true;
}

dmg_cons_t * dmg_cons_new( dmg_arena_t * arena, dmg_cons_cfg_t const * cfg, dmg_cons_restored_t const * restored ) {
  dmg_hash_t set_hash = dmg_set_hash( cfg->set );
  if( cfg->record.version!=DMG_RECORD_VERSION || cfg->record.n!=cfg->set->cnt || cfg->record.weight!=dmg_set_weight( cfg->set ) || !dmg_hash_eq( &set_hash, &cfg->record.set_hash ) ) return NULL;
  cons_t * c = DMG_ARENA_NEW( arena, cons_t, 1 );
  if( !c ) return NULL;
  c->cfg      = *cfg;
  c->rec      = cfg->record;
  c->set      = *cfg->set;
  c->cfg.set  = NULL;
  c->anchor   = cfg->anchor;
  c->runs_max = cfg->runs_max ? cfg->runs_max : DMG_CONS_RUNS_MAX;
  c->prefix_sz = cfg->prefix_sz && cfg->prefix_sz<DMG_RUNS_SZ_MAX ? cfg->prefix_sz : DMG_RUNS_SZ_MAX;
  c->n_max    = cfg->n_max ? cfg->n_max : DMG_SET_MAX;
  if( c->n_max<cfg->set->cnt || c->n_max>DMG_SET_MAX ) return NULL;
  c->ring        = DMG_ARENA_NEW( arena, view_t, DMG_CONS_RING );
  c->runs        = DMG_ARENA_NEW( arena, held_run_t, c->runs_max );
  c->order       = DMG_ARENA_NEW( arena, uint16_t, c->runs_max );
  c->frames      = DMG_ARENA_NEW( arena, uint8_t, FRAMES_SZ );
  c->records_max = c->runs_max+4*OWN_MAX;
  c->records     = DMG_ARENA_NEW( arena, dmg_cons_record_t, c->records_max );
  c->saves_max   = (size_t)c->runs_max*DMG_RUN_SZ_MAX+(size_t)PROP_SAVES_MAX*PROP_SZ_MAX+(size_t)OWN_MAX*512+DMG_HANDOVER_SZ_MAX;
  c->saves       = DMG_ARENA_NEW( arena, uint8_t, c->saves_max );
  c->scratch     = DMG_ARENA_NEW( arena, uint8_t, DMG_RUNS_SZ_MAX+DMG_RUN_SZ_MAX );
  c->draft       = DMG_ARENA_NEW( arena, uint8_t, PROP_SZ_MAX );
  c->early       = DMG_ARENA_NEW( arena, uint8_t, EARLY_SZ );
  if( !c->ring || !c->runs || !c->order || !c->frames || !c->records || !c->saves || !c->scratch || !c->draft || !c->early || c->runs_max>UINT16_MAX ) return NULL;
  for( uint32_t i = 0; i<DMG_CONS_RING; i++ ) if( !( c->ring[ i ].slots = DMG_ARENA_NEW( arena, slot_t, 3*(size_t)c->n_max ) ) ) return NULL;
  for( uint32_t i = 0; i<PROP_CNT; i++ ) if( !( c->props[ i ].bytes = DMG_ARENA_NEW( arena, uint8_t, PROP_SZ_MAX ) ) ) return NULL;
  for( unsigned i = 0; i<WORK_CNT; i++ ) if( !( c->works[ i ].bytes = DMG_ARENA_NEW( arena, uint8_t, DMG_RUNS_SZ_MAX ) ) ) return NULL;
  for( unsigned i = 0; i<JUST_CNT; i++ ) {
    just_t * j = &c->justs[ i ];
    j->bytes  = DMG_ARENA_NEW( arena, uint8_t, (size_t)c->runs_max*DMG_RUN_SZ_MAX );
    j->offs   = DMG_ARENA_NEW( arena, uint32_t, c->runs_max );
    j->levels = DMG_ARENA_NEW( arena, dmg_hash_t, 2*c->runs_max+DMG_MERKLE_PATH_MAX );
    if( !j->bytes || !j->offs || !j->levels ) return NULL;
  }
  if( !dmg_keys_init( &c->keys, cfg->crypto, &cfg->chain_id, c->rec.epoch, &c->set ) ) return NULL;
  dmg_schedule_init( &c->schedule, &c->rec.seed, &c->set );
  for( uint32_t i = 0; i<DMG_CONS_PEER_MAX; i++ ) c->peers[ i ].idx = -1;
  c->from_ms = cfg->from_ms;
  observe_by_time( c );
  c->next_id = 1; c->next_seq = 1;
  c->timer_us = NEVER;
  reset_epoch( c );
  if( restored && !keep_later( c, arena, restored ) ) return NULL;
  if( restored ) replay( c, restored->records, restored->cnt );
  return c;
}

/* C6.3: own votes of the log go to the tally; they need their signatures again, which the safety file allows, unless it went on to the next epoch before
   the crash: asked for the last one's it would refuse, and a refusal means to observe. */
static void resign( cons_t * c ) {
  if( !can_vote( c ) ) return;
  for( uint64_t v = c->ring_hi>=DMG_CONS_RING ? c->ring_hi-DMG_CONS_RING+1 : 1; v<=c->ring_hi; v++ ) {
    view_t * s = view_get( c, v );
    if( !s || !is_votable( c, v ) ) continue;
    for( uint8_t kind = 0; kind<4; kind++ ) {
      if( !s->own[ kind ] || ( kind==DMG_VOTE_PROPOSE && !prop_find( c, v, &s->own_hash[ kind ] ) ) ) continue;
      own_t * o = own_new( c );
      if( !o ) return;
      *o = (own_t){ .id = c->next_id++, .seq = 0, .view = v, .hash = s->own_hash[ kind ], .kind = kind, .state = OWN_SAVING };
    }
  }
  sign_saved( c );
}

static void start( cons_t * c ) {
  c->is_started    = true;
  c->entered_us    = c->now_us;
  c->fin_us        = c->now_us;
  c->is_waiting    = true;
  c->wait_until_us = c->cfg.is_wait_off ? c->now_us : c->now_us+wait_us( c );
  c->hello_at_us   = c->now_us;
  c->still_at_us   = c->now_us+STANDSTILL_US;
  for( uint32_t i = 0; i<DMG_CONS_PEER_MAX; i++ ) c->peers[ i ].heard_us = c->now_us;
  if( c->v_fin ) { dmg_cons_action_t * a = action( c, DMG_CONS_COMMIT ); if( a ) a->commit.cert = c->fin; }
  need_base( c );
  try_next_epoch( c );
  for( uint64_t v = dmg_max_u64( c->v_fin, c->ring_hi>=DMG_CONS_RING ? c->ring_hi-DMG_CONS_RING+1 : 1 ); v<=c->ring_hi; v++ ) judge_view( c, v );
}

void begin_votes( cons_t * c ) {
  resign( c );
  timers_enter( c );
  for( uint64_t v = c->ring_hi>=DMG_CONS_RING ? c->ring_hi-DMG_CONS_RING+1 : 1; v<=c->ring_hi; v++ ) {
    view_t * s = view_get( c, v );
    if( s ) try_finalize( c, s );
    if( s ) judge_view( c, v );
  }
}

/* C6.5: no vote until peers weighing >= q with us told hello, their highest F and certificates, at most wait_us. */
static void try_end_wait( cons_t * c ) {
  if( !c->is_waiting ) return;
  if( c->rec.epoch==0 && c->wall_ms<c->anchor.time_ms ) return;   /* nobody enters view 1 of epoch 0 before the genesis time */
  uint64_t w = c->me>=0 ? c->keys.weights[ c->me ] : 0;
  for( uint32_t i = 0; i<c->keys.n; i++ ) if( (int32_t)i!=c->me && c->peer_of[ i ]>=0 && c->peers[ c->peer_of[ i ] ].is_heard ) w += c->keys.weights[ i ];
  if( ( w<c->keys.quorum || c->cfg.is_listening ) && c->now_us<c->wait_until_us ) return;
  if( c->cfg.is_fresh && c->from_ms && c->v_fin ) {
    /* The clock may have been behind when from_ms was set: it rises to the highest F heard, and no vote before that is executed. */
    blk_t const * b = blk_find( c, c->v_fin, &c->fin.hash );
    if( !b || !b->has_root ) return;
    raise_from( c, b->sh.header.time_ms );
  }
  c->is_waiting = false;
  begin_votes( c );
}

/* --- step ------------------------------------------------------------------------------------------------- */

static void on_epoch( cons_t * c, dmg_cons_event_t const * ev ) {
  if( ev->epoch.record->epoch!=c->rec.epoch+1 || c->has_next ) return;
  if( ev->epoch.set->cnt>c->n_max ) { alarm_text( c, "a set larger than this node was configured for", 0, NULL, NULL ); return; }
  c->next_rec = *ev->epoch.record;
  c->next_set = *ev->epoch.set;
  c->has_next = true;
  judge_view( c, c->cur );
  on_final_block( c );
}

void dmg_cons_step( dmg_cons_t * c, dmg_cons_event_t const * ev, dmg_cons_out_t * out ) {
  DMG_ASSERT( ev->now_us>=c->now_us );
  out->cnt      = 0;
  c->out        = out;
  c->frames_sz  = 0;
  c->saves_sz   = c->saves_props = 0;
  c->units      = WORK_UNITS;
  c->record_cnt = 0;
  c->now_us     = ev->now_us;
  c->wall_ms    = ev->wall_ms;
  if( !c->is_started ) start( c );
  switch( ev->kind ) {
    case DMG_CONS_MSG:     on_frame  ( c, ev->msg.peer, ev->msg.frame ); break;
    case DMG_CONS_LINK:    on_link   ( c, ev ); break;
    case DMG_CONS_SAVED:   on_saved  ( c, ev->saved ); break;
    case DMG_CONS_SIGNED:  on_signed ( c, ev ); break;
    case DMG_CONS_VERDICT: on_verdict( c, ev ); break;
    case DMG_CONS_BUILT:   on_built  ( c, ev ); break;
    case DMG_CONS_GOT:     if( !take_proposal( c, ev->got.proposal, false ) ) c->bad_frames++; break;
    case DMG_CONS_GOT_RUNS: on_got_runs( c, ev ); advance( c ); judge_view( c, c->cur ); break;
    case DMG_CONS_EPOCH:   on_epoch  ( c, ev ); break;
    case DMG_CONS_TICK:    work_tick( c ); break;   /* not in others' steps: a frame costs its own measure only */
    case DMG_CONS_WORK:    break;
    default:               DMG_ASSERT( !"an unknown event" );
  }
  try_end_wait( c );
  timers_fire( c );
  lead( c );
  if( c->record_cnt ) {
    dmg_cons_action_t * a = action( c, DMG_CONS_SAVE );
    a->save.seq     = c->next_seq++;
    a->save.records = c->records;
    a->save.cnt     = c->record_cnt;
  }
  uint64_t at = timers_next( c );
  if( at!=c->timer_us ) {
    c->timer_us = at;
    action( c, DMG_CONS_TIMER )->timer.at_us = at;
  }
  c->out = NULL;
}

/* --- for outside ------------------------------------------------------------------------------------------ */

bool dmg_cons_is_notarized( dmg_cons_t const * c, uint64_t view, dmg_hash_t const * hash ) {
  view_t const * s = view_get( c, view );
  return view<=c->v_fin || !s || ( s->has_n && dmg_hash_eq( &s->n.hash, hash ) ) || ( s->has_f && dmg_hash_eq( &s->f.hash, hash ) );
}

uint32_t dmg_cons_leader( dmg_cons_t * c, uint64_t view ) { return dmg_schedule_leader( &c->schedule, window_of( c, view ) ); }

void dmg_cons_info( dmg_cons_t const * c, dmg_cons_info_t * out ) {
  *out = (dmg_cons_info_t){ .epoch = c->rec.epoch, .cur = c->cur, .base_view = c->base_view, .final_view = c->v_fin, .lag = lag_of( c ), .marks = { c->marks[ 0 ], c->marks[ 1 ], c->marks[ 2 ] }, .signer = c->me, .is_observer = c->is_observer,
                            .is_waiting = c->is_waiting, .is_done = c->is_done, .bad_frames = c->bad_frames, .votes_bad = c->votes_bad, .drops = c->drops, .run_cnt = c->run_cnt, .anchor = c->anchor.hash, .base_hash = c->base_hash };
  blk_t const * b = c->base_view ? blk_find( (cons_t *)(uintptr_t)c, c->base_view, &c->base_hash ) : NULL;
  out->has_base_header = !c->base_view || b;
  out->has_base_root   = !c->base_view || ( b && b->has_root );
}

static uint64_t mix( uint64_t h, uint64_t x ) { h = ( h^x )*0x9e3779b97f4a7c15u; return h^( h>>29 ); }

uint64_t dmg_cons_digest( dmg_cons_t const * c ) {
  uint64_t h = mix( c->rec.epoch, c->cur );
  uint64_t const part[] = { c->now_us, c->base_view, dmg_load_u64le( c->base_hash.b ), c->v_fin, dmg_load_u64le( c->fin.hash.b ), c->ring_hi, c->run_cnt, c->next_id, c->next_seq, c->saved_seq,
                            c->entered_us, c->timer_us, c->is_observer, c->is_waiting, c->is_done, c->bad_frames, c->drops, c->votes_bad, c->marks[ 0 ], c->marks[ 1 ], c->marks[ 2 ] };
  for( unsigned i = 0; i<sizeof part/sizeof *part; i++ ) h = mix( h, part[ i ] );
  for( uint64_t v = c->ring_hi>=16 ? c->ring_hi-15 : 1; v<=c->ring_hi; v++ ) {
    view_t const * s = view_get( c, v );
    if( !s ) continue;
    h = mix( h, (uint64_t)( s->has_n|s->has_f<<1|s->own[ 0 ]<<2|s->own[ 1 ]<<3|s->own[ 2 ]<<4|s->own[ 3 ]<<5 ) );
    for( unsigned i = 0; i<2; i++ ) if( s->blk[ i ].is_used ) h = mix( h, dmg_load_u64le( s->blk[ i ].hash.b )^s->blk[ i ].stat^(uint64_t)s->blk[ i ].body<<8 );
  }
  return h;
}
