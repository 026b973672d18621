#include "link.h"
#include "base/num.h"

#include <math.h>

#define MS 1000000u

enum { TARGET_NS = 5*MS, INTERVAL_NS = 100*MS };

static double uniform( link_t * l ) { return (double)( ( dmg_rnd_u64( &l->rng )>>11 )+1 )/9007199254740993.0; }   /* (0, 1) */
static bool   happens( link_t * l, uint32_t ppm ) { return ppm && dmg_rnd_u64( &l->rng )%1000000<ppm; }

void link_init( link_t * l, link_cfg_t const * cfg, uint64_t seed ) { *l = (link_t){ .cfg = *cfg, .rng = seed }; }

static uint64_t control_law( uint64_t t, uint32_t cnt ) { return t+(uint64_t)( INTERVAL_NS/sqrt( (double)cnt ) ); }

/* RFC 8289, 5.3 to 5.6, for the packet that leaves the queue at t after wait. */
static bool codel_drops( link_t * l, uint64_t t, uint64_t wait ) {
  bool may = false;
  if( wait<TARGET_NS ) l->above_ns = 0;
  else if( !l->above_ns ) l->above_ns = t+INTERVAL_NS;
  else may = t>=l->above_ns;
  if( l->is_dropping ) {
    if( !may ) { l->is_dropping = false; return false; }
    if( t<l->drop_next_ns ) return false;
    l->drop_cnt++;
    l->drop_next_ns = control_law( l->drop_next_ns, l->drop_cnt );
    return true;
  }
  if( !may ) return false;
  l->is_dropping = true;
  uint32_t delta = l->drop_cnt-l->drop_cnt_old;
  l->drop_cnt     = delta>1 && t-l->drop_next_ns<16*(uint64_t)INTERVAL_NS ? delta : 1;
  l->drop_next_ns = control_law( t, l->drop_cnt );
  l->drop_cnt_old = l->drop_cnt;
  return true;
}

/* false: dropped; else the last bit is on its way at *out. */
static bool through_queue( link_t * l, uint64_t now, uint32_t sz, uint64_t * out ) {
  *out = now;
  if( !l->cfg.rate_bps ) return true;
  uint64_t start = now>l->free_ns ? now : l->free_ns, wait = start-now;
  if( wait>l->cfg.queue_ns || ( l->cfg.is_codel && codel_drops( l, start, wait ) ) ) { l->stat.queued_out++; return false; }
  *out = l->free_ns = start+(uint64_t)( (double)sz*8e9/(double)l->cfg.rate_bps );
  return true;
}

static uint64_t arrival( link_t * l, uint64_t at ) {
  double delay = (double)l->cfg.delay_ns;
  if( l->cfg.jitter_ns ) {   /* Box-Muller */
    double z = sqrt( -2*log( uniform( l ) ) )*cos( 6.283185307179586*uniform( l ) );
    delay += (double)l->cfg.jitter_ns*( z>4 ? 4 : z<-4 ? -4 : z );
    if( delay<0 ) delay = 0;
  }
  if( happens( l, l->cfg.reorder_ppm ) ) return at+(uint64_t)( delay/2 );
  at += (uint64_t)delay;
  if( at<l->last_ns ) at = l->last_ns;
  l->last_ns = at;
  return at;
}

unsigned link_send( link_t * l, uint64_t now, uint32_t sz, uint64_t out_ns[ 2 ] ) {
  l->stat.sent++;
  l->stat.sent_sz += sz;
  if( l->cfg.is_down )                  { l->stat.cut++;  return 0; }
  if( happens( l, l->cfg.loss_ppm ) )   { l->stat.lost++; return 0; }
  uint64_t at;
  if( !through_queue( l, now, sz, &at ) ) return 0;
  out_ns[ 0 ] = arrival( l, at );
  if( !happens( l, l->cfg.duplicate_ppm ) ) return 1;
  out_ns[ 1 ] = arrival( l, at );
  return 2;
}
