/* rpc_int: the state of one rpc, shared by its files. */
#ifndef DMG_RPC_RPC_INT_H
#define DMG_RPC_RPC_INT_H

#include "rpc/jsonrpc.h"
#include "rpc/method.h"

#include <pthread.h>
#include <stdatomic.h>

enum { DMG_RPC_SCRATCH_MAX = 64 };

/* What one request needs; kept from request to request. */
typedef struct dmg_rpc_scratch { struct dmg_rpc_scratch * next; dmg_json_t * json; dmg_arena_t * arena; } dmg_rpc_scratch_t;

struct dmg_rpc {
  dmg_query_t const *  query;
  atomic_ulong         ok_cnt[ DMG_RPC_METHOD_CNT ], failed_cnt[ DMG_RPC_METHOD_CNT ];   /* by dmg_rpc_method_tab */
  atomic_ulong         invalid_cnt;                    /* requests that never reached a method */
  atomic_ulong         refused_cnt[ 3 ];               /* calls of class A, B, C refused for cost or load */
  dmg_rpc_limits_t     limits;
  dmg_cost_t *         cost;                           /* NULL: nobody is counted */
  atomic_ulong         loop_from_ns;                   /* F3.2: of the last second, how many requests, and how many took over 50 and 200 ms */
  atomic_uint          loop_cnt, loop_slow_cnt, loop_stuck_cnt;
  atomic_uint          loop_load;                      /* what that says: classes refused, 0 none, 1 C, 2 B too */
  pthread_mutex_t      lock;                           /* of the two below */
  dmg_rpc_scratch_t *  scratch;
  uint32_t             scratch_cnt;
  dmg_rpc_sub_t *      subs;                           /* with a lock of its own */
  dmg_rpc_ws_t         ws;                             /* under that lock */
};

/* Does a client have a bucket? */
static inline bool dmg_rpc_is_counted( dmg_rpc_t const * rpc, dmg_cost_who_t const * who ) { return rpc->cost && !who->is_free; }
/* Is a client as deep in debt as it gets, so that its streams wait? */
bool dmg_rpc_is_spent   ( dmg_rpc_t * rpc, dmg_cost_who_t const * who );
/* Charges what was sent to it. */
void dmg_rpc_charge_item( dmg_rpc_t * rpc, dmg_cost_who_t const * who, uint32_t units );

dmg_rpc_sub_t * dmg_rpc_sub_new ( void );
void            dmg_rpc_sub_free( dmg_rpc_sub_t * subs );
uint32_t        dmg_rpc_sub_cnt ( dmg_rpc_sub_t * subs );

#endif
