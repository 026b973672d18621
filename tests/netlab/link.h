/* link: what one direction between two hosts does to a packet.  Pure: time and seed are arguments, so a test replays it.

     packet at now --> down, loss --> rate and queue (drop-tail or CoDel) --> delay, jitter, order --> 0, 1 or 2 arrivals

   Rate      a packet of sz bytes takes the wire for 8 sz/rate seconds; who waits longer than queue_ns is dropped (drop-tail).
             CoDel (RFC 8289: target 5 ms, interval 100 ms) drops before; a packet's wait is known when it comes, as the queue
             is first in, first out, so the law is applied then, with the time at which it would leave.
   Jitter    a normal distribution of this standard deviation, cut at four of them and at no delay at all
   Order     is kept, unless reorder_ppm takes a packet out of it: that one needs half the delay
   Source    the model of Linux's netem, without its correlations */
#ifndef NETLAB_LINK_H
#define NETLAB_LINK_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  uint64_t delay_ns, jitter_ns;
  uint64_t rate_bps;               /* bits a second; 0: no limit */
  uint64_t queue_ns;
  uint32_t loss_ppm, duplicate_ppm, reorder_ppm;
  bool     is_codel, is_down;
} link_cfg_t;

typedef struct { uint64_t sent, sent_sz, lost, queued_out, cut; } link_stat_t;   /* packets and bytes taken; dropped by loss, by the queue, while down */

typedef struct {
  link_cfg_t  cfg;
  link_stat_t stat;
  uint64_t    rng, free_ns, last_ns;                                   /* the wire is free from, the last arrival */
  uint64_t    above_ns, drop_next_ns;                                  /* CoDel: since when the wait is above target (0: not), when the next drop is due */
  uint32_t    drop_cnt, drop_cnt_old;
  bool        is_dropping;
} link_t;

void link_init( link_t * l, link_cfg_t const * cfg, uint64_t seed );

/* Times at which a packet of sz bytes, sent at now, comes out: none, one, or two if it is doubled.  now never goes back. */
unsigned link_send( link_t * l, uint64_t now, uint32_t sz, uint64_t out_ns[ 2 ] );

#endif
