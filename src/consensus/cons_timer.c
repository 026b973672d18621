/* Time-outs (C4.4, C4.8), resends of cur (C4.4), standstill (C4.9), hello. */
#include "consensus/cons_int.h"

uint64_t backoff( uint64_t base_us, uint64_t steps, uint64_t cap_us ) {
  uint64_t t = base_us;
  for( ; steps && t<cap_us; steps-- ) t += t/2;
  return dmg_min_u64( t, cap_us );
}

/* C4.4: a guess of this node; never about itself, off when lag > 8. */
bool is_inactive( cons_t const * c, uint32_t signer ) {
  if( (int32_t)signer==c->me && !MUTANT( c, INACTIVE_SELF ) ) return false;
  if( lag_of( c )>8 || c->me<0 ) return false;
  uint64_t heard = c->keys.weights[ c->me ];
  for( uint32_t i = 0; i<c->keys.n; i++ ) {
    if( (int32_t)i==c->me || c->peer_of[ i ]<0 ) continue;
    bool is_heard = c->now_us-c->peers[ c->peer_of[ i ] ].heard_us<INACTIVE_US;
    if( i==signer && is_heard ) return false;
    if( is_heard ) heard += c->keys.weights[ i ];
  }
  return heard>=c->keys.quorum;
}

/* For v and all later views of the window. */
static void nullify_window( cons_t * c ) {
  c->is_prop_fired = true;
  for( uint64_t v = c->cur, end = window_end( c, c->cur ); v<=end; v++ ) cast_nullify( c, v );
}

/* C4.8: from entering the view, at the lag of now: an F that comes later lowers what is still ahead. */
void timers_deadlines( cons_t * c ) {
  uint64_t lag = lag_of( c ), steps = lag>2 ? lag-2 : 0, cap = (uint64_t)c->rec.cap_ms*1000;
  uint64_t t = (uint64_t)c->rec.pace_ms*1000, d = (uint64_t)c->rec.delta_ms*1000;
  c->prop_at_us  = c->entered_us+backoff( t+d,   steps, cap*2/3 );
  c->notar_at_us = c->entered_us+backoff( t+2*d, steps, cap );
}

void timers_enter( cons_t * c ) {
  bool is_by_null = c->cur!=c->base_view+1;
  c->entered_us     = c->now_us;
  c->is_prop_fired  = c->is_notar_fired = false;
  timers_deadlines( c );
  c->resend_at_us   = c->now_us+RESEND_US;
  if( c->is_waiting || c->is_done ) return;
  (void)view_touch( c, c->cur+c->rec.window );
  uint32_t leader = dmg_schedule_leader( &c->schedule, window_of( c, c->cur ) );
  /* C4.7: the bundle to all on entering by Z, to the new leader on entering a window by N. */
  dmg_peers_t to = { 0 };
  if( is_by_null ) to = peers_up( c );
  else if( ( c->cur-1 )%c->rec.window==0 && (int32_t)leader!=c->me && c->peer_of[ leader ]>=0 && c->peers[ c->peer_of[ leader ] ].is_up ) to.w[ c->peer_of[ leader ]/64 ] |= (uint64_t)1<<( c->peer_of[ leader ]%64 );
  send_bundle( c, &to, 0, false );
  if( is_inactive( c, leader ) ) nullify_window( c );
  judge_view( c, c->cur );
}

/* The highest F, the bundle, N above v_fin (newest 64), own votes in the newest 64 open views unless a certificate sent covers them; hello last, so that who has it has the rest. */
void standstill( cons_t * c, dmg_peers_t const * peers ) {
  if( c->v_fin ) { dmg_peers_t to = peers_resend( c, peers, DMG_CERT_SZ+1 ); send_cert( c, &to, &c->fin ); }
  dmg_peers_t to;
  send_bundle( c, peers, 0, true );
  uint64_t lo = dmg_max_u64( c->v_fin+1, c->ring_hi>N_KEPT ? c->ring_hi-N_KEPT+1 : 1 );
  for( uint64_t v = c->ring_hi; v>=lo; v-- ) {
    view_t * s = view_get( c, v );
    if( !s ) continue;
    if( s->has_n && v!=c->base_view ) { to = peers_resend( c, peers, DMG_CERT_SZ+1 ); send_cert( c, &to, &s->n ); }
    for( uint8_t kind = 0; kind<3; kind++ ) {
      if( kind==DMG_VOTE_NOTARIZE ? s->has_n : kind==DMG_VOTE_NULLIFY && v<c->cur && v>c->base_view && has_null( c, v ) ) continue;   /* covered by what was sent */
      if( !s->own[ kind ] ) continue;
      to = peers_resend( c, peers, DMG_VOTE_WIRE_SZ+1 );
      send_own( c, &to, s, kind );
    }
  }
  send_hello( c, peers );
}

/* C4.9: ±25 % by H of key and attempt, so that peers do not all speak at once. */
static uint64_t standstill_us( cons_t * c ) {
  uint8_t m[ DMG_BLS_KEY_SZ+8 ];
  memcpy( m, c->cfg.key, DMG_BLS_KEY_SZ );
  dmg_store_u64le( m+DMG_BLS_KEY_SZ, c->still_attempt++ );
  dmg_hash_t h = dmg_sha256( DMG_SPAN( m ) );
  return STANDSTILL_US*3/4+dmg_load_u32le( h.b )%( STANDSTILL_US/2 );
}

static void resend_cur( cons_t * c ) {
  c->resend_at_us = c->now_us+RESEND_US;
  dmg_peers_t up = peers_up( c );
  view_t * s = view_get( c, c->cur );
  if( s && !c->is_done ) for( uint8_t kind = 0; kind<3; kind++ ) if( s->own[ kind ] ) send_own( c, &up, s, kind );
  for( uint32_t i = 0; i<DMG_CONS_PEER_MAX; i++ ) {
    peer_t * p = &c->peers[ i ];
    if( !p->is_up || !p->has_hello || p->hello.epoch!=c->rec.epoch || p->hello.cur>=c->cur || c->now_us<p->bundle_us+RESEND_US ) continue;
    dmg_peers_t to = { 0 };
    to.w[ i/64 ] |= (uint64_t)1<<( i%64 );
    p->bundle_us = c->now_us;
    send_bundle( c, &to, p->hello.cur, true );
  }
  try_next_epoch( c );   /* the boundary block: fetched again */
  need_base( c );
  judge_view( c, c->base_view );   /* WAIT verdicts, missing parents: asked again */
  judge_view( c, c->cur );
  if( c->is_run_dropped ) {
    /* C11.1: full: drop, want. */
    dmg_want_t w = { .views = { c->cur }, .cnt = 1, .kinds = 1u<<DMG_VOTE_NULLIFY|1u<<DMG_VOTE_NOTARIZE|1u<<DMG_VOTE_FINALIZE };
    uint8_t b[ DMG_WANT_SZ_MAX ];
    send_frame( c, &up, DMG_FRAME_WANT, dmg_span( b, dmg_want_encode( &w, b ) ), dmg_span( NULL, 0 ), 0 );
    c->is_run_dropped = false;
  }
}

void timers_fire( cons_t * c ) {
  uint64_t now = c->now_us;
  if( !c->is_waiting && !c->is_done ) {
    if( !c->is_prop_fired && now>=c->prop_at_us ) {
      c->is_prop_fired = true;
      view_t * s = view_get( c, c->cur );
      if( !s || ( s->blk[ 0 ].stat!=STAT_GOOD && s->blk[ 1 ].stat!=STAT_GOOD ) ) nullify_window( c );
    }
    if( !c->is_notar_fired && now>=c->notar_at_us ) {
      c->is_notar_fired = true;
      cast_nullify( c, c->cur );
      /* The models' versions of these mutants: any open view may be nullified; a view may be left by the clock. */
      if( MUTANT( c, NULLIFY_AFTER_FINALIZE ) ) for( uint64_t v = dmg_max_u64( c->v_fin+1, c->cur>8 ? c->cur-8 : 1 ); v<c->cur; v++ ) cast_nullify( c, v );
      if( MUTANT( c, SKIP_WITHOUT_Z ) ) { c->cur++; timers_enter( c ); }
    }
  }
  if( now>=c->future_at_us ) { c->future_at_us = NEVER; judge_view( c, c->cur ); }
  if( now>=c->resend_at_us ) {
    resend_cur( c );
    /* A vote that found the queue full is decided again. */
    if( c->is_notar_fired && !c->is_waiting ) cast_nullify( c, c->cur );
  }
  if( now>=c->hello_at_us ) {
    dmg_peers_t up = peers_up( c );
    c->hello_at_us = now+RESEND_US;
    send_hello( c, &up );
  }
  if( now>=c->fin_us+STANDSTILL_US && now>=c->still_at_us ) {
    dmg_peers_t up = peers_up( c );
    c->still_at_us = now+standstill_us( c );
    standstill( c, &up );
    if( c->is_done ) for( uint32_t i = 0; i<DMG_CONS_PEER_MAX; i++ ) if( c->peers[ i ].is_up ) send_handover( c, (uint16_t)i );
  }
}

uint64_t timers_next( cons_t const * c ) {
  uint64_t at = dmg_min_u64( c->resend_at_us, c->hello_at_us );
  if( work_waits( c ) ) at = c->now_us+1;   /* the next turn: frames are read between two slices */
  if( c->is_waiting ) {
    if( c->rec.epoch==0 && c->wall_ms<c->anchor.time_ms ) at = dmg_min_u64( at, c->now_us+( c->anchor.time_ms-c->wall_ms )*1000 );
    return dmg_min_u64( at, c->wait_until_us>c->now_us ? c->wait_until_us : NEVER );
  }
  if( !c->is_done && !c->is_prop_fired )  at = dmg_min_u64( at, c->prop_at_us );
  if( !c->is_done && !c->is_notar_fired ) at = dmg_min_u64( at, c->notar_at_us );
  at = dmg_min_u64( at, dmg_max_u64( c->fin_us+STANDSTILL_US, c->still_at_us ) );
  at = dmg_min_u64( at, c->future_at_us );
  return dmg_min_u64( at, c->propose_at_us );
}
