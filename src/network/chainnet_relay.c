/* Frames through others, for pairs of validators without a line (N8.4).

     origin --signs, seq--> relay: the origin's own line? token? signature? target's line? --as it is--> target: seq new? signature? --> FRAME of the origin

   A relay forwards once: only from the origin's own line, only to the target's.  What is forged is the neighbour's fault, as a relay has verified it; what is inside is the
   origin's.  An unauthenticated vote could fill another's slot, which is why the target verifies, too. */
#include "base/num.h"
#include "network/chainnet_int.h"

static bool is_relay( net_t const * n, int i, int target ) {
  member_t const * m = &n->members[ i ];
  return i!=target && i!=n->self && m->is_used && m->is_direct && !is_shut( n, m );
}

/* Two that have a line with us; those that brought its frames stay. */
static void relays_pick( net_t * n, int target ) {
  member_t * m = &n->members[ target ];
  for( unsigned s = 0; s<RELAY_CNT; s++ ) if( m->relays[ s ]>=0 && !is_relay( n, m->relays[ s ], target ) ) m->relays[ s ] = -1;
  for( unsigned s = 0; s<RELAY_CNT; s++ ) {
    if( m->relays[ s ]>=0 ) continue;
    uint32_t start = (uint32_t)( net_rand( n )%DMG_CHAINNET_PEER_MAX );
    for( uint32_t k = 0; k<DMG_CHAINNET_PEER_MAX && m->relays[ s ]<0; k++ ) {
      int i = (int)( ( start+k )%DMG_CHAINNET_PEER_MAX );
      if( is_relay( n, i, target ) && i!=m->relays[ !s ] ) m->relays[ s ] = (int16_t)i;
    }
  }
}

/* An epoch near ours in whose set both stand: ours, the next, the last. */
static set_t const * common_set( net_t * n, int target, unsigned * out_slot ) {
  uint32_t const epochs[] = { n->epoch, n->epoch+1, n->epoch-1 };
  for( unsigned i = 0; i<3; i++ ) {
    set_t const * s = is_epoch_near( n, epochs[ i ] ) ? set_of( n, epochs[ i ] ) : NULL;
    if( !s ) continue;
    *out_slot = (unsigned)( s-n->sets );
    if( n->members[ n->self ].idx[ *out_slot ]>=0 && n->members[ target ].idx[ *out_slot ]>=0 ) return s;
  }
  return NULL;
}

void relay_send( net_t * n, int target, dmg_span_t frame ) {
  unsigned slot = 0;
  set_t const * set = n->self>=0 && frame.sz<=DMG_WIRE_RELAY_INNER_MAX ? common_set( n, target, &slot ) : NULL;
  if( !set ) { n->stat.frames_dropped++; return; }
  member_t * m = &n->members[ target ];
  dmg_wire_relayed_t r = { .epoch = set->epoch, .origin = (uint16_t)n->members[ n->self ].idx[ slot ], .target = (uint16_t)m->idx[ slot ], .seq = ++n->relay_seq, .inner = frame };
  dmg_wire_relayed_sign( &r, &n->cfg.genesis, n->cfg.seed );
  n->relay_buf[ 0 ] = DMG_FRAME_RELAYED;
  dmg_wire_relayed_encode( &r, n->relay_buf+1 );
  memcpy( n->relay_buf+1+DMG_WIRE_RELAYED_SZ, frame.p, frame.sz );
  uint64_t rank;
  uint32_t key;
  frame_rank( frame, &rank, &key );                  /* no key: it would replace another pair's */
  relays_pick( n, target );
  bool is_sent = false;
  for( unsigned s = 0; s<RELAY_CNT; s++ ) if( m->relays[ s ]>=0 )
    is_sent |= dmg_net_notify_send( n->port, n->members[ m->relays[ s ] ].cons_out.id, rank, 0, dmg_span( n->relay_buf, 1+DMG_WIRE_RELAYED_SZ+frame.sz ) )==DMG_OK;
  if( is_sent ) n->stat.frames_out++;
  else          n->stat.frames_dropped++;
}

/* --- in --------------------------------------------------------------------------------------------------- */

/* Below views only: it shall not push away our own votes, and who sent it sends again (C4.9). */
static uint64_t forward_rank( net_t const * n, dmg_span_t inner ) {
  uint64_t rank;
  uint32_t key;
  frame_rank( inner, &rank, &key );
  return rank>=UINT64_MAX-1 ? n->final_view+1 : rank;
}

static bool forward( net_t * n, int from, dmg_wire_relayed_t const * r, int origin, int target, dmg_span_t frame ) {
  member_t * o = &n->members[ origin ], * t = &n->members[ target ];
  if( origin!=from ) { frame_bad( n, &n->members[ from ] ); return false; }   /* once only: a relay is given them by the origin itself */
  if( !t->is_direct || is_shut( n, t ) || !bucket_take( &o->relay_in, n->now_us, 1+r->inner.sz/4096, 10*RELAY_RATE, RELAY_BURST ) ) { n->stat.frames_dropped++; return false; }
  if( !dmg_wire_relayed_verify( r, &n->cfg.genesis, &o->peer ) ) { frame_bad( n, o ); return false; }
  if( dmg_net_notify_send( n->port, t->cons_out.id, forward_rank( n, r->inner ), 0, frame )==DMG_OK ) n->stat.frames_forwarded++;
  else n->stat.frames_dropped++;
  return false;
}

/* Each seq once; those more than 63 below the highest are too old to tell. */
static bool is_replay( member_t const * o, uint64_t seq ) {
  return seq<=o->relay_seq && ( o->relay_seq-seq>63 || o->relay_seen>>( o->relay_seq-seq )&1 );
}
static void seen( member_t * o, uint64_t seq ) {
  if( seq>o->relay_seq ) {
    uint64_t up = seq-o->relay_seq;
    o->relay_seen = up>63 ? 1 : o->relay_seen<<up|1;
    o->relay_seq  = seq;
  } else o->relay_seen |= (uint64_t)1<<( o->relay_seq-seq );
}

/* Who brought a frame has lines with both of us. */
static void proven( net_t * n, member_t * o, int relay ) {
  if( o->relays[ 0 ]==relay || o->relays[ 1 ]==relay || !is_relay( n, relay, (int)( o-n->members ) ) ) return;
  o->relays[ 1 ] = o->relays[ 0 ];
  o->relays[ 0 ] = (int16_t)relay;
}

bool relay_in( net_t * n, int from, dmg_span_t frame, dmg_chainnet_out_t * out ) {
  member_t * m = &n->members[ from ];
  dmg_wire_relayed_t r;
  if( dmg_wire_relayed_decode( dmg_span( frame.p+1, frame.sz-1 ), &r ).kind ) { frame_bad( n, m ); return false; }
  set_t const * set = is_epoch_near( n, r.epoch ) ? set_of( n, r.epoch ) : NULL;
  if( !set ) { n->stat.frames_dropped++; return false; }
  if( r.origin>=set->cnt || r.target>=set->cnt ) { frame_bad( n, m ); return false; }
  int origin = set->members[ r.origin ], target = set->members[ r.target ];
  if( target!=n->self ) return forward( n, from, &r, origin, target, frame );
  member_t * o = &n->members[ origin ];
  if( origin==n->self ) { frame_bad( n, m ); return false; }
  if( is_shut( n, o ) || is_replay( o, r.seq ) ) { n->stat.frames_dropped++; return false; }   /* the second relay's copy, mostly */
  if( !dmg_wire_relayed_verify( &r, &n->cfg.genesis, &o->peer ) ) { frame_bad( n, m ); return false; }
  seen( o, r.seq );
  switch( frame_judge( n, origin, r.inner ) ) {
    case FRAME_BAD:   frame_bad( n, o ); return false;
    case FRAME_STALE: n->stat.frames_dropped++; return false;
    case FRAME_GOOD:  break;
  }
  proven( n, o, from );
  if( !o->is_direct ) {
    o->via_us = n->now_us;
    /* The node is told of the link before anything of it: this one, a probe, is lost on it. */
    if( !o->is_via && n->now_us>=o->apart_us+RELAY_AFTER_US ) { o->is_via = true; net_wake( n, n->now_us+SILENT_US ); link_judge( n, o ); return false; }
  }
  if( !o->is_link ) { n->stat.frames_dropped++; return false; }
  n->stat.frames_in++;
  out->kind  = DMG_CHAINNET_FRAME;
  out->peer  = (uint16_t)origin;
  out->bytes = r.inner;
  return true;
}

/* --- time ------------------------------------------------------------------------------------------------- */

void relay_end( net_t * n, member_t * m ) {
  m->is_via = false;
  m->relays[ 0 ] = m->relays[ 1 ] = -1;
  link_judge( n, m );
}

/* A hello of the core's form, as the core says nothing to who has no link.  Others each time, until one knows the way. */
static void probe( net_t * n, int target ) {
  dmg_chainnet_head_t head;
  memset( &head, 0, sizeof head );
  n->chain->head( n->chain->ctx, &head );
  uint8_t b[ 1+DMG_HELLO_SZ ] = { DMG_FRAME_HELLO };
  dmg_hello_encode( &(dmg_hello_t){ .epoch = n->epoch, .cur = n->cur, .final_view = n->final_view, .height = head.height }, b+1 );
  n->members[ target ].relays[ 0 ] = n->members[ target ].relays[ 1 ] = -1;
  relay_send( n, target, DMG_SPAN( b ) );
}

void relay_tick( net_t * n ) {
  for( int i = 0; i<DMG_CHAINNET_PEER_MAX && n->self>=0; i++ ) {
    member_t * m = &n->members[ i ];
    if( !m->is_used || !m->peer.sz || m->is_direct || i==n->self || is_shut( n, m ) ) continue;
    if( m->is_via ) {
      /* As of a line (N3.1): silent is who was so until we had read all. */
      if( n->idle_us>m->via_us && n->idle_us-m->via_us>=SILENT_US ) relay_end( n, m );
      else { net_wake( n, dmg_max_u64( m->via_us+SILENT_US, n->now_us+SEC/4 ) ); continue; }
    }
    uint64_t at = dmg_max_u64( m->apart_us+RELAY_AFTER_US, m->probe_us );
    if( at<=n->now_us ) {
      probe( n, i );
      at = m->probe_us = n->now_us+net_jitter( n, SEC );
    }
    net_wake( n, at );
  }
}
