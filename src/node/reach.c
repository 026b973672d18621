#include "node/reach.h"

#include <stdio.h>

#define MINUTE ( (uint64_t)60*1000000 )

dmg_reach_peer_t * dmg_reach_find( dmg_reach_t * r, dmg_net_peer_t const * peer ) {
  for( uint32_t i = 0; i<r->cnt; i++ ) if( r->peers[ i ].peer.sz==peer->sz && !memcmp( r->peers[ i ].peer.b, peer->b, peer->sz ) ) return &r->peers[ i ];
  return NULL;
}

dmg_reach_peer_t * dmg_reach_ask( dmg_reach_t * r, dmg_net_peer_t const * peer, char const * addr ) {
  dmg_reach_peer_t * p = dmg_reach_find( r, peer );
  if( !p && r->cnt==DMG_REACH_MAX ) return NULL;
  if( !p ) { p = &r->peers[ r->cnt++ ]; *p = (dmg_reach_peer_t){ .peer = *peer }; }
  p->state = DMG_REACH_ASKED;
  snprintf( p->addr, sizeof p->addr, "%s", addr );
  return p;
}

void dmg_reach_taken( dmg_reach_peer_t * p, bool is_up ) { if( p->state==DMG_REACH_ASKED ) p->state = is_up ? DMG_REACH_WAS_UP : DMG_REACH_DIALLING; }

bool dmg_reach_up( dmg_reach_peer_t * p ) {
  bool is_told = p->told_cnt>0;
  if( p->state!=DMG_REACH_ASKED ) p->state = DMG_REACH_UP;
  p->fail_cnt = p->told_cnt = 0;
  p->why[ 0 ] = '\0';
  return is_told;
}

bool dmg_reach_down( dmg_reach_peer_t * p, char const * why, uint64_t now_us ) {
  if( p->state!=DMG_REACH_ASKED ) p->state = DMG_REACH_DOWN;
  snprintf( p->why, sizeof p->why, "%s", why );
  p->fail_cnt++;
  /* One that comes and goes is told of no more often. */
  if( p->told_us && now_us-p->told_us<( p->told_cnt<2 ? MINUTE : 10*MINUTE ) ) return false;
  p->told_us = now_us ? now_us : 1;
  p->told_cnt++;
  return true;
}
