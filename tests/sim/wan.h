/* wan: a world whose links are those of AWS regions, and what it measured (C17).

     place[] --> a region a node --> delay, jitter, loss of each frame --> links in order, as streams are
     SIGNED of a proposal ... COMMIT at each node --> finality; SEND --> bytes; NULLIFY --> views lost

   Delay    One way, half of the round trip.  Median and 90th percentile as in the table; between and beyond them Lomax (Pareto II) with shape 3: the 99th
            percentile lies 3.8 times as far above the median as the 90th, the 99.9th 10 times.  jitter_pct scales all of it, 0: always the median.
   Loss     As delay (N13.2), as a stream of QUIC or TCP shows it: a frame lost is sent again a round trip, 4 deviations and 25 ms later (the probe time-out of RFC 9002),
            each further loss doubles that wait; what comes behind on the link waits for it.
   Work     SAVE and SIGN together p50 2 ms, p99 9 ms; building and executing a small block 0.5-2 ms; signatures by price, measured with bench_cons and rounded
            up.  A node that computes does nothing else, and what its step decided leaves after it.
   Clocks   +-10 ms, drift +-50 ppm.  Bandwidth is not modelled: idle blocks need less than 2 Mbit/s. */
#ifndef DMG_WAN_H
#define DMG_WAN_H

#include "sim.h"

enum { R_US_WEST_1, R_US_EAST_1, R_EU_WEST_1, R_AP_NORTHEAST_1, R_EU_NORTH_1, R_AP_SOUTH_1, R_SA_EAST_1, R_EU_CENTRAL_1, R_AP_NORTHEAST_2, R_AP_SOUTHEAST_2,
       R_US_EAST_2, R_US_WEST_2, R_EU_WEST_2, R_EU_WEST_3, WAN_REGIONS };

typedef struct { uint64_t bytes, frames; } traffic_t;
typedef struct wan {
  uint8_t   place[ NODE_MAX ];
  uint32_t  loss_ppm, jitter_pct;
  bool      is_unordered;               /* a frame waits for no other: a stream of its own each */
  uint64_t  from_us;                    /* what is proposed or sent before is not measured */
  uint64_t  last[ NODE_MAX ][ NODE_MAX ];   /* arrival of the link's last frame */
  uint64_t  proposed_at[ VIEW_MAX ];    /* PROPOSE signed; 0: not */
  bool      is_nulled[ VIEW_MAX ];      /* someone signed NULLIFY */
  uint64_t  top;                        /* highest view of the two */
  uint64_t  final_view[ NODE_MAX ], final_at[ NODE_MAX ];
  uint64_t  gap[ NODE_MAX ];            /* longest between two FINALIZATIONs, once gap_from has passed */
  uint64_t  gap_from;
  uint64_t * finality;                  /* us, one a block and node */
  uint32_t  finality_cnt, finality_cap;
  traffic_t sent[ NODE_MAX ], got[ NODE_MAX ];
} wan_t;

extern uint64_t sim_price_ns;           /* of the keyed tags' calls so far, as if they were BLS (fake_crypto.c) */

typedef enum { WORK_SAVE, WORK_SIGN, WORK_BUILD, WORK_EXECUTE } work_t;

void     wan_init ( wan_t * x );        /* zeros but for the dials */
void     wan_fini ( wan_t * x );
void     wan_links( world_t * w );      /* behind world_setup: clocks */
void     wan_send ( world_t * w, node_t * from, node_t * to, dmg_span_t frame );
uint64_t wan_work ( world_t * w, work_t work );
void     wan_proposed( world_t * w, uint64_t view );
void     wan_signed  ( world_t * w, uint8_t kind, uint64_t view );
void     wan_final   ( world_t * w, node_t * n, dmg_cert_t const * cert );
uint64_t wan_delay_us( uint8_t from, uint8_t to, uint32_t pct );   /* one way, median (50) or 90 */

#endif
