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
  atomic_ulong         refused_cnt;                    /* requests that never reached a method */
  pthread_mutex_t      lock;                           /* of the two below */
  dmg_rpc_scratch_t *  scratch;
  uint32_t             scratch_cnt;
  dmg_rpc_sub_t *      subs;                           /* with a lock of its own */
  dmg_rpc_ws_t         ws;                             /* under that lock */
};

dmg_rpc_sub_t * dmg_rpc_sub_new ( void );
void            dmg_rpc_sub_free( dmg_rpc_sub_t * subs );
uint32_t        dmg_rpc_sub_cnt ( dmg_rpc_sub_t * subs );

#endif
