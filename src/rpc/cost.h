/* cost: how much a client may ask for: token buckets in units of 10 us of a server core (F3.3, F3.4).

     call --dmg_cost_take( least it costs )--> granted, or refused with the time to wait
     done --dmg_cost_settle( what it cost beyond )--> the bucket may go into debt, one burst deep

   A client is an IPv4 address or an IPv6 /64.  Unix sockets are free; loopback too, unless a proxy stands before the server.
   Beside its own bucket each call takes from one for all clients together; who is free takes from neither.

   Memory   one table of CLIENT_MAX buckets, made at start
   Threads  every function from any number of threads
   Failure  none; time arrives as an argument
   Bounds   a bucket that is full again is as good as none and makes room.  Where none does, newcomers share one bucket with all others
            of their set: a flood of addresses slows strangers, never a client that is already known
   Spec     docs/spec/interfaces.md F3.3, F3.4 */
#ifndef DMG_RPC_COST_H
#define DMG_RPC_COST_H

#include "base/bytes.h"

enum { DMG_COST_SET_CNT = 2048, DMG_COST_WAY_CNT = 8, DMG_COST_CLIENT_MAX = DMG_COST_SET_CNT*DMG_COST_WAY_CNT };

typedef struct dmg_cost dmg_cost_t;

typedef struct {
  uint32_t rate;       /* units a second of one client; 0: nobody is counted */
  uint32_t burst;      /* units it can save up */
  uint64_t all_rate;   /* units a second of all together; a tenth of a second's worth can be saved up */
} dmg_cost_cfg_t;

typedef struct { uint8_t key[ 16 ]; bool is_free; } dmg_cost_who_t;

/* addr: 16 bytes, IPv4 as ::ffff:a.b.c.d. */
dmg_cost_who_t dmg_cost_who( uint8_t const addr[ 16 ], bool is_unix, bool is_behind_proxy );

typedef enum { DMG_COST_GRANTED, DMG_COST_OF_CLIENT, DMG_COST_OF_ALL } dmg_cost_verdict_t;   /* whose bucket is empty */

/* left: units, 0 in debt; full_s: seconds until it is full again; retry_ms: until what was refused would be granted;
   is_spent: as deep in debt as it gets, so that more would be for nothing. */
typedef struct { uint32_t left, full_s, retry_ms; bool is_spent; } dmg_cost_left_t;

/* NULL: out of memory.  seed: random in the node, so that clients cannot choose their set. */
dmg_cost_t * dmg_cost_new ( dmg_cost_cfg_t const * cfg, uint64_t seed );
void         dmg_cost_free( dmg_cost_t * cost );

/* Takes units from both buckets, or from none. */
dmg_cost_verdict_t dmg_cost_take  ( dmg_cost_t * cost, dmg_cost_who_t const * who, uint64_t now_ns, uint32_t units, dmg_cost_left_t * out_left );
/* Takes what was spent already. */
void               dmg_cost_settle( dmg_cost_t * cost, dmg_cost_who_t const * who, uint64_t now_ns, uint32_t units, dmg_cost_left_t * out_left );

#endif
