/* Liars of full mode: a validator whose process is sound and whose frames are not, and a stranger with a validator's node identity. */
#include "full.h"
#include "liar.h"
#include "node/validator_int.h"

#include <string.h>

static bool is_of( full_world_t * w, uint32_t per_1000 ) { return dmg_rnd_u64( &w->lies )%1000<per_1000; }

static int signer_of( full_world_t const * w, full_node_t const * n ) { return dmg_set_find( &w->light.set, n->key ); }

static void sign( void * ctx, dmg_span_t msg, uint8_t out_raw[ DMG_BLS_SIG_RAW_SZ ] ) {
  full_node_t * n = ctx;
  dmg_bls_sig_t sig;
  bool ok = dmg_bls_sign( n->secret, DMG_BLS_VOTE, msg, &sig );
  DMG_ASSERT( ok );
  dmg_bls_sig_store_raw( &sig, out_raw );
}
static liar_t of( full_world_t * w, full_node_t * n ) { return (liar_t){ .crypto = &dmg_cons_bls, .chain_id = w->chain_id, .ctx = n, .sign = sign }; }

/* ---- Equivocation: what message mode's liar does (net.c), to each peer by itself ---- */

static void tell( full_node_t * n, uint32_t peer, dmg_span_t frame ) {
  uint64_t one[ DMG_CHAINNET_PEER_MAX/64 ] = { 0 };
  one[ peer/64 ] = (uint64_t)1<<( peer%64 );
  full_send( dmg_joint_net( n->joint ), one, frame );
}

static void tell_vote( full_world_t * w, full_node_t * n, uint32_t peer, uint8_t kind, uint32_t epoch, uint64_t view, dmg_hash_t const * hash ) {
  uint8_t frame[ LIAR_VOTE_SZ ];
  int me = signer_of( w, n );
  liar_t l = of( w, n );
  if( me<0 || !view ) return;
  liar_vote( &l, kind, epoch, view, hash, (uint16_t)me, frame );
  w->stats.lies++;
  tell( n, peer, DMG_SPAN( frame ) );
}

/* true: the peer gets this one instead. */
static bool tell_proposal( full_world_t * w, full_node_t * n, uint32_t peer, dmg_span_t frame, uint32_t lie ) {
  static uint8_t out[ DMG_FRAME_SZ_MAX ];
  uint8_t bytes[ DMG_SIGNED_HEADER_SZ ];
  dmg_signed_header_t own, parent = { 0 };
  dmg_header_t h;
  dmg_hash_t hash;
  liar_t l = of( w, n );
  if( dmg_signed_header_decode( dmg_span( frame.p+1, DMG_SIGNED_HEADER_SZ ), &own ).kind ) return false;
  bool has_parent = !dmg_validator_header( dmg_joint_validator( n->joint ), &own.header.parent_hash, bytes ) && !dmg_signed_header_decode( DMG_SPAN( bytes ), &parent ).kind;
  size_t sz = liar_proposal( &l, frame, lie, has_parent ? &parent.header : NULL, out, &h, &hash );
  if( !sz ) return false;
  w->stats.lies++;
  full_trace( "node %u proposes another block of view %lu to peer %u: %02x%02x", n->id, (unsigned long)h.view, peer, hash.b[ 0 ], hash.b[ 1 ] );
  tell( n, peer, dmg_span( out, sz ) );
  if( n->lies&B_LEND ) tell_vote( w, n, peer, DMG_VOTE_NOTARIZE, h.epoch, h.view, &hash );
  return is_of( w, 500 );   /* some see only the other one */
}

static void lie_to( full_world_t * w, full_node_t * n, uint32_t peer, dmg_span_t frame ) {
  uint32_t m = n->lies, lie = m&( B_WRONG_ROOT|B_DOUBLE|B_FAR|B_SKIP );
  dmg_vote_t v;
  if( m&B_SELECTIVE && is_of( w, 300 ) ) return;
  if( frame.p[ 0 ]==DMG_FRAME_PROPOSAL && lie && is_of( w, 400 ) ) {
    while( dmg_rnd_u64( &w->lies )%2 && lie&( lie-1 ) ) lie &= lie-1;
    if( tell_proposal( w, n, peer, frame, lie&-lie ) ) return;
  }
  if( frame.p[ 0 ]==DMG_FRAME_VOTE && !dmg_vote_decode( dmg_span( frame.p+1, frame.sz-1 ), &v ).kind ) {
    if( m&B_NO_FINALIZE && v.kind==DMG_VOTE_FINALIZE ) return;
    if( m&B_NULLIFY && is_of( w, 500 ) ) tell_vote( w, n, peer, DMG_VOTE_NULLIFY, v.epoch, v.view, &v.hash );
    if( m&B_DOUBLE && is_of( w, 200 ) )  { dmg_hash_t h = v.hash; h.b[ 0 ] ^= 1; tell_vote( w, n, peer, is_of( w, 500 ) ? DMG_VOTE_NOTARIZE : DMG_VOTE_FINALIZE, v.epoch, v.view, &h ); }
    if( m&B_FAR && is_of( w, 200 ) )     tell_vote( w, n, peer, v.kind, v.epoch, v.view+dmg_rnd_u64( &w->lies )%( 1u<<( dmg_rnd_u64( &w->lies )%30 ) ), &v.hash );
    if( m&B_BAD_SIG && is_of( w, 300 ) ) {
      uint8_t f[ LIAR_VOTE_SZ ];
      liar_vote_false( &v, f );
      tell( n, peer, DMG_SPAN( f ) );
      return;
    }
  }
  tell( n, peer, frame );
}

void full_lie( full_world_t * w, full_node_t * n, uint64_t const peers[ DMG_CHAINNET_PEER_MAX/64 ], dmg_span_t frame ) {
  for( uint32_t i = 0; i<DMG_CHAINNET_PEER_MAX; i++ ) if( peers[ i/64 ]>>( i%64 )&1 ) lie_to( w, n, i, frame );
}

/* Votes lent: whatever another just voted, the liar votes too, to whom it likes. */
void full_lend( full_world_t * w, full_node_t * n, dmg_span_t frame ) {
  dmg_vote_t v;
  if( !( n->lies&B_LEND ) || !frame.sz || frame.p[ 0 ]!=DMG_FRAME_VOTE || dmg_vote_decode( dmg_span( frame.p+1, frame.sz-1 ), &v ).kind ) return;
  if( is_of( w, 400 ) ) tell_vote( w, n, (uint32_t)( dmg_rnd_u64( &w->lies )%w->cfg.n ), v.kind, v.epoch, v.view, &v.hash );
}

/* ---- A stolen node identity: it has no key that signs votes, and says what it heard, what its victim said, and nonsense ---- */

enum { POLL_MAX = 16 };

static int node_of( full_world_t const * w, dmg_net_peer_t const * peer ) {
  for( uint32_t i = 0; i<w->node_cnt; i++ ) if( dmg_net_peer_eq( &w->nodes[ i ].peer, peer ) ) return (int)i;
  return -1;
}

void full_thief_begin( full_world_t * w, full_node_t * victim, bool has_dials ) {
  full_thief_t * t = &w->thief;
  dmg_chainnet_setup_t setup;
  if( t->port ) full_thief_end( w );
  dmg_chainnet_setup( &w->chain_id, 0, &setup );
  *t = (full_thief_t){ .victim = victim, .dial_us = w->now };
  t->port = dmg_mem_port_open( w->net, victim->net_key, setup.protos, DMG_CHAINNET_PROTO_CNT );
  dmg_mem_hide( t->port, !has_dials );
}

void full_thief_end( full_world_t * w ) {
  full_thief_t * t = &w->thief;
  dmg_net_free( t->port );
  for( unsigned i = 0; i<FULL_HEARD_MAX; i++ ) free( t->heard[ i ].p );
  *t = (full_thief_t){ 0 };
}

/* A frame that its victim sent, or that somebody sent to it. */
void full_thief_hear( full_world_t * w, dmg_span_t frame ) {
  full_thief_t * t = &w->thief;
  if( !frame.sz || frame.sz>4096 ) return;
  full_heard_t * h = &t->heard[ t->heard_at++%FULL_HEARD_MAX ];
  free( h->p );
  *h = (full_heard_t){ .p = malloc( frame.sz ), .sz = (uint32_t)frame.sz };
  DMG_ASSERT( h->p );
  memcpy( h->p, frame.p, frame.sz );
}

/* A heard vote as its victim's: without its key the signature is nobody's. */
static bool forge( full_world_t * w, full_heard_t const * h, uint8_t out[ LIAR_VOTE_SZ ] ) {
  dmg_vote_t v;
  if( h->p[ 0 ]!=DMG_FRAME_VOTE || dmg_vote_decode( dmg_span( h->p+1, h->sz-1 ), &v ).kind ) return false;
  int victim = signer_of( w, w->thief.victim );
  if( victim<0 ) return false;
  v.signer = (uint16_t)victim;
  if( is_of( w, 200 ) && v.kind!=DMG_VOTE_NULLIFY ) v.hash.b[ 3 ] ^= 1;
  for( unsigned i = 0; i<DMG_BLS_SIG_SZ && !w->cfg.is_real; i++ ) { v.sig[ i ] = (uint8_t)dmg_rnd_u64( &w->lies ); v.sig[ DMG_BLS_SIG_SZ+i ] = v.sig[ i ]^0xff; }
  out[ 0 ] = DMG_FRAME_VOTE;
  dmg_vote_encode( &v, out+1 );
  return true;
}

static void speak( full_world_t * w, uint64_t stream ) {
  full_thief_t * t = &w->thief;
  full_heard_t const * h = &t->heard[ dmg_rnd_u64( &w->lies )%FULL_HEARD_MAX ];
  uint8_t out[ LIAR_VOTE_SZ ] = { 0 };
  dmg_span_t frame = h->p ? dmg_span( h->p, h->sz ) : dmg_span( out, 1 );
  if( h->p && is_of( w, 500 ) ) { if( forge( w, h, out ) ) frame = DMG_SPAN( out ); }
  else if( is_of( w, 100 ) ) {
    for( size_t i = 1; i<sizeof out; i++ ) out[ i ] = (uint8_t)dmg_rnd_u64( &w->lies );
    out[ 0 ] = (uint8_t)( dmg_rnd_u64( &w->lies )%DMG_FRAME_CNT );
    frame = dmg_span( out, 1+dmg_rnd_u64( &w->lies )%( sizeof out-1 ) );
  }
  w->stats.lies++;
  (void)!dmg_net_notify_send( t->port, stream, dmg_rnd_u64( &w->lies )%64, 0, frame );
}

static void on_event( full_world_t * w, dmg_net_ev_t const * ev ) {
  full_thief_t * t = &w->thief;
  int i = node_of( w, &ev->peer );
  if( i<0 ) return;
  switch( ev->kind ) {
  case DMG_NET_CONN_UP: {
    dmg_wire_hello_t hello = { .genesis = w->chain_id, .epoch = w->light.record.epoch };
    uint8_t b[ DMG_WIRE_HELLO_SZ ];
    dmg_wire_hello_encode( &hello, b );
    t->stream[ i ] = 0;
    t->is_up[ i ]  = false;
    (void)!dmg_net_notify_open( t->port, ev->conn, DMG_CHAINNET_CONS, DMG_SPAN( b ), &t->stream[ i ] );
    break;
  }
  case DMG_NET_NOTIFY_UP:
    if( !ev->code ) (void)!dmg_net_notify_answer( t->port, ev->id, 0 );
    else if( ev->id==t->stream[ i ] ) { t->is_up[ i ] = true; w->stats.thefts++; }
    break;
  case DMG_NET_NOTIFY:      if( ev->proto==DMG_CHAINNET_CONS ) full_thief_hear( w, ev->data ); break;
  case DMG_NET_NOTIFY_DOWN: if( ev->id==t->stream[ i ] ) { t->stream[ i ] = 0; t->is_up[ i ] = false; } break;
  case DMG_NET_REQ:         (void)!dmg_net_reply( t->port, ev->id, 1, dmg_span( NULL, 0 ), true ); break;
  default: break;
  }
}

uint64_t full_thief_due( full_world_t const * w ) { return w->thief.port ? dmg_min_u64( dmg_mem_port_due( w->thief.port ), w->thief.dial_us ) : UINT64_MAX; }

void full_thief_turn( full_world_t * w ) {
  full_thief_t * t = &w->thief;
  dmg_net_ev_t evs[ POLL_MAX ];
  if( !t->port || full_thief_due( w )>w->now ) return;
  for( unsigned urgent = 0; urgent<2; urgent++ ) for( size_t cnt; ( cnt = dmg_net_poll( t->port, urgent, evs, POLL_MAX ) ); )
    for( size_t i = 0; i<cnt; i++ ) { on_event( w, &evs[ i ] ); dmg_net_release( t->port, &evs[ i ] ); }
  if( t->dial_us>w->now ) return;
  t->dial_us = w->now+20000+dmg_rnd_u64( &w->lies )%100000;
  for( uint32_t i = 0; i<w->cfg.n; i++ ) {
    uint32_t conn;
    char const * addr[ 1 ] = { "/mem" };
    if( &w->nodes[ i ]==t->victim ) continue;
    if( t->stream[ i ] && t->is_up[ i ] ) speak( w, t->stream[ i ] );
    else if( is_of( w, 60 ) ) (void)!dmg_net_dial( t->port, &w->nodes[ i ].peer, addr, 1, false, &conn );
  }
}
