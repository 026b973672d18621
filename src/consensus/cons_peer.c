/* Links, frames in and out (N8.2), resends within N8.3. */
#include "consensus/cons_int.h"

dmg_peers_t peers_up( cons_t const * c ) { return c->up; }

static bool peers_any( dmg_peers_t const * p ) { return p->w[ 0 ]|p->w[ 1 ]|p->w[ 2 ]|p->w[ 3 ]; }
static dmg_peers_t peers_one( uint16_t peer ) { dmg_peers_t p = { 0 }; p.w[ peer/64 ] |= (uint64_t)1<<( peer%64 ); return p; }

/* N8.3: 64 KiB/s and 200 frames/s a peer for what is sent again; what finds no room is left out this time. */
dmg_peers_t peers_resend( cons_t * c, dmg_peers_t const * peers, size_t sz ) {
  dmg_peers_t out = { 0 };
  for( uint32_t i = 0; i<DMG_CONS_PEER_MAX; i++ ) {
    peer_t * p = &c->peers[ i ];
    if( !dmg_peers_has( peers, i ) || !p->is_up ) continue;
    uint64_t dt = dmg_min_u64( c->now_us-p->fill_us, 2000000u );
    if( dt>=1000 ) {
      p->tokens_b = (uint32_t)dmg_min_u64( 128u<<10, p->tokens_b+dt*65536/1000000 );
      p->tokens_f = (uint32_t)dmg_min_u64( 400, p->tokens_f+dt*200/1000000 );
      p->fill_us  = c->now_us;
    }
    if( p->tokens_b<sz || !p->tokens_f ) continue;
    p->tokens_b -= (uint32_t)sz;
    p->tokens_f--;
    out.w[ i/64 ] |= (uint64_t)1<<( i%64 );
  }
  return out;
}

/* A frame for `peers`, its bytes head then rest.  Without room it is dropped: everything is sent again by some timer. */
void send_frame( cons_t * c, dmg_peers_t const * peers, uint8_t kind, dmg_span_t head, dmg_span_t rest, uint64_t seq ) {
  if( !c->out || !peers_any( peers ) ) return;
  size_t sz = 1+head.sz+rest.sz;
  DMG_ASSERT( sz<=DMG_FRAME_SZ_MAX );
  if( sz>FRAMES_SZ-c->frames_sz ) { c->drops++; return; }
  dmg_cons_action_t * a = action( c, DMG_CONS_SEND );
  if( !a ) return;
  uint8_t * p = c->frames+c->frames_sz;
  p[ 0 ] = kind;
  memcpy( p+1, head.p, head.sz );
  if( rest.sz ) memcpy( p+1+head.sz, rest.p, rest.sz );
  c->frames_sz += sz;
  a->send.peers = *peers;
  a->send.frame = dmg_span( p, sz );
  a->send.seq   = seq;
}

void send_cert( cons_t * c, dmg_peers_t const * peers, dmg_cert_t const * cert ) {
  uint8_t b[ DMG_CERT_SZ ];
  dmg_cert_encode( cert, b );
  send_frame( c, peers, DMG_FRAME_CERT, DMG_SPAN( b ), dmg_span( NULL, 0 ), 0 );
}

/* An own vote whose signature is held: it was saved and signed. */
void send_own( cons_t * c, dmg_peers_t const * peers, view_t const * s, uint8_t kind ) {
  if( c->me<0 || c->is_observer ) return;
  slot_t const * slot = slot_of( c, s, kind, (uint32_t)c->me );
  if( slot->state!=SLOT_GOOD || !dmg_hash_eq( &slot->hash, &s->own_hash[ kind ] ) ) return;
  dmg_vote_t v = { .kind = kind, .epoch = c->rec.epoch, .view = s->view, .hash = slot->hash, .signer = (uint16_t)c->me };
  memcpy( v.sig, slot->sig, sizeof v.sig );
  uint8_t b[ DMG_VOTE_WIRE_SZ ];
  dmg_vote_encode( &v, b );
  send_frame( c, peers, DMG_FRAME_VOTE, DMG_SPAN( b ), dmg_span( NULL, 0 ), 0 );
}

void send_hello( cons_t * c, dmg_peers_t const * peers ) {
  dmg_hello_t h = { .epoch = c->rec.epoch, .cur = c->cur, .final_view = c->v_fin, .height = c->fin_height };
  uint8_t b[ DMG_HELLO_SZ ];
  dmg_hello_encode( &h, b );
  send_frame( c, peers, DMG_FRAME_HELLO, DMG_SPAN( b ), dmg_span( NULL, 0 ), 0 );
}

/* C2.2, C4.4: base and the runs up to cur, lower views first, each frame self-standing; for a peer in peer_cur from the run that holds it, our base first if above it.
   is_again: within N8.3, and whom there was no room for gets nothing behind it. */
static void bundle( cons_t * c, dmg_peers_t const * to, uint64_t peer_cur, bool is_again ) {
  if( !c->out || c->cur==1 ) return;
  dmg_peers_t left = *to, * peers = &left;
  uint64_t v = c->base_view+1;
  if( peer_cur>v ) v = peer_cur;
  uint8_t * runs = c->scratch;
  uint32_t frames = 0;
  do {
    size_t   sz = 0;
    uint32_t cnt = 0;
    for( ; v<c->cur; cnt++ ) {
      held_run_t * h = run_at( c, v );
      if( !h || sz+DMG_RUN_SZ( h->run.cnt )>DMG_RUNS_SZ_MAX ) { if( !h ) v = c->cur; break; }
      sz += dmg_run_encode( &h->run, runs+sz );
      v = dmg_run_last( &h->run )+1;
    }
    uint8_t head[ DMG_BUNDLE_HEAD_MAX ];
    if( is_again ) left = peers_resend( c, peers, 1+DMG_BUNDLE_HEAD_MAX+sz );
    send_frame( c, peers, DMG_FRAME_BUNDLE, dmg_span( head, dmg_bundle_head( &c->base_cert, cnt, head ) ), dmg_span( runs, sz ), 0 );
  } while( v<c->cur && ++frames<4 && peers_any( peers ) );   /* the rest with the next resend: what came moves the peer on */
}

void send_bundle( cons_t * c, dmg_peers_t const * peers, uint64_t peer_cur, bool is_again ) {
  /* Who said where it is has all below: after a long stall the list is long, and most stand a view or two behind. */
  dmg_peers_t near = { 0 }, far = { 0 };
  uint64_t lo = c->cur;
  for( uint32_t i = 0; i<DMG_CONS_PEER_MAX; i++ ) {
    peer_t const * p = &c->peers[ i ];
    if( !dmg_peers_has( peers, i ) ) continue;
    uint64_t at = p->has_hello && p->hello.epoch==c->rec.epoch ? p->hello.cur : 0;
    if( peer_cur>at ) at = peer_cur;
    bool is_near = at+(uint64_t)2*c->rec.window>=c->cur;
    if( at<c->cur && is_near && at<lo ) lo = at;
    dmg_peers_t * in = is_near ? &near : &far;
    in->w[ i/64 ] |= (uint64_t)1<<( i%64 );
  }
  if( peers_any( &near ) ) bundle( c, &near, lo, is_again );
  if( peers_any( &far ) )  bundle( c, &far, peer_cur, is_again );
}

/* --- in --------------------------------------------------------------------------------------------------- */

void peer_bad( cons_t * c, uint16_t peer ) { c->bad_frames++; c->peers[ peer ].bad++; }

/* C2.6's measure for what costs us a pairing and cannot come from an honest peer: each third closes the link for 10 min, never longer. */
void peer_lied( cons_t * c, uint16_t peer ) {
  peer_t * p = &c->peers[ peer ];
  peer_bad( c, peer );
  if( ++p->lies%SUSPECT_MAX ) return;
  p->closed_until_us = c->now_us+CLOSE_US;
  dmg_cons_action_t * a = action( c, DMG_CONS_CLOSE );
  if( !a ) return;
  a->close.peer   = peer;
  a->close.for_us = CLOSE_US;
}

void map_peers( cons_t * c ) {
  for( uint32_t i = 0; i<DMG_SET_MAX; i++ ) c->peer_of[ i ] = -1;
  memset( &c->up, 0, sizeof c->up );
  for( uint32_t i = 0; i<DMG_CONS_PEER_MAX; i++ ) {
    peer_t * p = &c->peers[ i ];
    if( !p->is_up ) continue;
    c->up.w[ i/64 ] |= (uint64_t)1<<( i%64 );
    p->idx = (int16_t)dmg_set_find( &c->set, p->key );
    if( p->idx>=0 ) c->peer_of[ p->idx ] = (int16_t)i;
  }
}

void on_link( cons_t * c, dmg_cons_event_t const * ev ) {
  DMG_ASSERT( ev->link.peer<DMG_CONS_PEER_MAX );
  peer_t * p = &c->peers[ ev->link.peer ];
  if( !ev->link.is_up ) {
    p->is_up = p->has_hello = false;
    map_peers( c );
    return;
  }
  if( p->closed_until_us>c->now_us ) return;
  memcpy( p->key, ev->link.key, DMG_BLS_KEY_SZ );
  p->is_up     = true;
  p->heard_us  = c->now_us;
  p->fill_us   = c->now_us;
  p->tokens_b  = 128u<<10;
  p->tokens_f  = 400;
  p->bundle_us = c->now_us;
  map_peers( c );
  dmg_peers_t one = peers_one( ev->link.peer );
  standstill( c, &one );   /* C4.9: at link-up */
}

static void on_hello( cons_t * c, uint16_t peer, dmg_hello_t const * h ) {
  peer_t * p = &c->peers[ peer ];
  p->hello = *h;
  p->has_hello = p->is_heard = true;
  if( h->epoch<c->rec.epoch ) send_handover( c, peer );
  else if( h->epoch>c->rec.epoch && c->now_us>=p->ask_us+RESEND_US ) {
    /* They are an epoch ahead: our hello makes them send the handover. */
    dmg_peers_t one = peers_one( peer );
    p->ask_us = c->now_us;
    send_hello( c, &one );
  }
}

static void on_vote( cons_t * c, uint16_t peer, dmg_vote_t const * v ) {
  peer_t * p = &c->peers[ peer ];
  if( v->epoch<c->rec.epoch ) { send_handover( c, peer ); return; }
  if( v->epoch>c->rec.epoch ) return;
  if( p->idx<0 || v->signer!=p->idx ) { peer_bad( c, peer ); return; }
  if( (int32_t)v->signer==c->me ) {
    /* Our key on a link: another life of ours.  Its votes are not counted; one above our marks is C6.5's alarm. */
    if( !c->is_observer && v->view>c->marks[ v->kind ] && dmg_vote_verify( &c->keys, v ) ) {
      alarm_text( c, "our signature above our marks", v->view, NULL, NULL );
      observe( c, "a vote of ours that we do not know" );
    }
    return;
  }
  if( v->view<c->cur && v->kind!=DMG_VOTE_FINALIZE && c->now_us>=p->bundle_us+RESEND_US ) {
    /* C4.7: to a peer voting below cur, once a second. */
    dmg_peers_t one = peers_one( peer );
    p->bundle_us = c->now_us;
    send_bundle( c, &one, v->view, true );
  }
  if( c->is_done ) return;
  if( v->view<=c->v_fin ) {
    /* C8.2: late votes count for attendance as long as the ring holds the view. */
    view_t * old = view_get( c, v->view );
    if( old ) tally_vote( c, old, v->kind, v->signer, &v->hash, v->sig );
    return;
  }
  if( v->view>window_end( c, c->cur )+(uint64_t)2*c->rec.window ) { c->drops++; return; }   /* C1.3 */
  view_t * s = view_touch( c, v->view );
  if( !s ) return;
  tally_vote( c, s, v->kind, v->signer, &v->hash, v->sig );
}

static void on_bundle( cons_t * c, uint16_t peer, dmg_bundle_t const * b ) {
  dmg_runs_t at = b->runs;
  dmg_run_t  run;
  bool has_run = dmg_runs_next( &at, &run, NULL );
  uint32_t epoch = b->base.view ? b->base.epoch : has_run ? run.epoch : c->rec.epoch;
  if( epoch<c->rec.epoch ) { send_handover( c, peer ); return; }
  if( epoch>c->rec.epoch ) return;
  if( b->base.view && !take_cert( c, &b->base, false ) ) { peer_lied( c, peer ); return; }
  if( c->rec.epoch!=epoch ) return;
  work_t w = { .kind = WORK_BUNDLE, .peer = peer, .left = b->runs };
  work_add( c, &w );
  advance( c );
}

static void on_want( cons_t * c, uint16_t peer, dmg_want_t const * w ) {
  dmg_peers_t one = peers_one( peer );
  for( uint32_t i = 0; i<w->cnt; i++ ) {
    view_t * s = view_get( c, w->views[ i ] );
    dmg_peers_t to;
    if( s && s->has_n && w->kinds>>DMG_VOTE_NOTARIZE&1 ) { to = peers_resend( c, &one, DMG_CERT_SZ+1 ); send_cert( c, &to, &s->n ); }
    if( s && s->has_f && w->kinds>>DMG_VOTE_FINALIZE&1 ) { to = peers_resend( c, &one, DMG_CERT_SZ+1 ); send_cert( c, &to, &s->f ); }
    held_run_t * h = w->kinds>>DMG_VOTE_NULLIFY&1 ? run_at( c, w->views[ i ] ) : NULL;
    if( h ) {
      uint8_t head[ DMG_BUNDLE_HEAD_MAX ], b[ DMG_RUN_SZ_MAX ];
      size_t sz = dmg_run_encode( &h->run, b );
      dmg_cert_t none = { 0 };
      to = peers_resend( c, &one, sz+DMG_BUNDLE_HEAD_MAX );
      send_frame( c, &to, DMG_FRAME_BUNDLE, dmg_span( head, dmg_bundle_head( &none, 1, head ) ), dmg_span( b, sz ), 0 );
    }
    if( w->kinds>>DMG_VOTE_PROPOSE&1 ) for( unsigned k = 0; k<PROP_CNT; k++ ) {
      prop_t * p = &c->props[ k ];
      if( !p->sz || p->view!=w->views[ i ] ) continue;
      if( dmg_is_zero( p->bytes+DMG_HEADER_SZ, DMG_BLS_SIG_SZ ) ) continue;   /* an own one that is not signed yet */
      to = peers_resend( c, &one, p->sz );
      send_frame( c, &to, DMG_FRAME_PROPOSAL, dmg_span( p->bytes, p->sz ), dmg_span( NULL, 0 ), c->saved_seq );
    }
  }
}

/* The epoch a frame speaks of; UINT32_MAX: of none. */
static uint32_t frame_epoch( dmg_span_t frame ) {
  uint8_t const * p = frame.p;
  switch( p[ 0 ] ) {
    case DMG_FRAME_VOTE:     return frame.sz>=1+5 ? dmg_load_u32le( p+2 ) : UINT32_MAX;
    case DMG_FRAME_CERT:     return frame.sz>=1+5 ? dmg_load_u32le( p+2 ) : UINT32_MAX;
    case DMG_FRAME_PROPOSAL: return frame.sz>=1+9 ? dmg_load_u32le( p+6 ) : UINT32_MAX;
    default:                 return UINT32_MAX;
  }
}

static void early_keep( cons_t * c, uint16_t peer, dmg_span_t frame ) {
  peer_t * p = &c->peers[ peer ];
  if( p->early_cnt==EARLY_PEER_CNT || frame.sz>EARLY_PEER_SZ-p->early_sz || frame.sz+6>EARLY_SZ-c->early_sz ) { c->drops++; return; }
  uint8_t * at = c->early+c->early_sz;
  dmg_store_u16le( at, peer );
  dmg_store_u32le( at+2, (uint32_t)frame.sz );
  memcpy( at+6, frame.p, frame.sz );
  c->early_sz += 6+frame.sz;
  p->early_sz += (uint32_t)frame.sz;
  p->early_cnt++;
}

void early_replay( cons_t * c ) {
  size_t end = c->early_sz;
  for( size_t at = 0; at<end; ) {
    uint32_t sz = dmg_load_u32le( c->early+at+2 );
    dmg_span_t frame = dmg_span( c->early+at+6, sz );
    if( frame_epoch( frame )==c->rec.epoch ) on_frame( c, dmg_load_u16le( c->early+at ), frame );
    at += 6+sz;
  }
  c->early_sz = 0;
  for( uint32_t i = 0; i<DMG_CONS_PEER_MAX; i++ ) c->peers[ i ].early_sz = c->peers[ i ].early_cnt = 0;
}

void on_frame( cons_t * c, uint16_t peer, dmg_span_t frame ) {
  DMG_ASSERT( peer<DMG_CONS_PEER_MAX );
  peer_t * p = &c->peers[ peer ];
  if( !p->is_up || p->closed_until_us>c->now_us ) return;
  p->heard_us = c->now_us;
  if( !frame.sz || frame.sz>DMG_FRAME_SZ_MAX ) { peer_bad( c, peer ); return; }
  uint32_t epoch = frame_epoch( frame );
  if( epoch==c->rec.epoch+1 ) { early_keep( c, peer, frame ); return; }
  dmg_span_t in = dmg_span( frame.p+1, frame.sz-1 );
  bool is_good = false;
  switch( frame.p[ 0 ] ) {
    case DMG_FRAME_HELLO:    { dmg_hello_t h;  is_good = !dmg_hello_decode( in, &h ).kind;  if( is_good ) on_hello( c, peer, &h ); break; }
    case DMG_FRAME_VOTE:     { dmg_vote_t v;   is_good = !dmg_vote_decode( in, &v ).kind;   if( is_good ) on_vote( c, peer, &v ); break; }
    case DMG_FRAME_CERT: {
      dmg_cert_t cert;
      is_good = !dmg_cert_decode( in, &cert ).kind;
      if( !is_good ) break;
      if( cert.epoch<c->rec.epoch )       send_handover( c, peer );
      else if( cert.epoch==c->rec.epoch && !take_cert( c, &cert, false ) ) peer_lied( c, peer );
      break;
    }
    case DMG_FRAME_PROPOSAL: {
      /* An epoch we are not in is no fault of the sender's. */
      is_good = in.sz>=DMG_SIGNED_HEADER_SZ;
      if( !is_good ) break;
      if( epoch<c->rec.epoch )       send_handover( c, peer );
      else if( epoch==c->rec.epoch ) is_good = take_proposal( c, in, false );
      break;
    }
    case DMG_FRAME_WANT:     { dmg_want_t w;   is_good = !dmg_want_decode( in, &w ).kind;   if( is_good ) on_want( c, peer, &w ); break; }
    case DMG_FRAME_BUNDLE:   { dmg_bundle_t b; is_good = !dmg_bundle_decode( in, &b ).kind; if( is_good ) on_bundle( c, peer, &b ); break; }
    case DMG_FRAME_HANDOVER: is_good = take_handover( c, in ); break;
    case DMG_FRAME_EVIDENCE: is_good = take_evidence( c, peer, in ); break;
    default: break;   /* relayed frames are unpacked below this layer */
  }
  if( !is_good ) peer_bad( c, peer );
}
