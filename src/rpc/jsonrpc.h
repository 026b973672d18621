/* jsonrpc: JSON-RPC 2.0 over bytes, and streams over a WebSocket (F4.1, F5).

     body --> dmg_rpc_handle --> answer bytes, or none (only notifications)
     node --> dmg_rpc_events --> sub_item notifications --> dmg_rpc_ws_t.send

   Threads   every function from any number of threads; for one WebSocket dmg_rpc_handle, _ws_room and
             _ws_gone come one after the other.  ws.send is called with a lock held: it must not call back
   Failure   none: what is wrong becomes a JSON-RPC error
   Bounds    batch DMG_RPC_BATCH_MAX, answer DMG_RPC_ANSWER_MAX, id DMG_RPC_ID_SZ_MAX, memory of one call
             DMG_RPC_ARENA_MAX; JSON by rpc/json.h; subscriptions below
   Not here  HTTP (http_server.h), which methods there are (method.h) */
#ifndef DMG_RPC_JSONRPC_H
#define DMG_RPC_JSONRPC_H

#include "rpc/query.h"

enum {
  DMG_RPC_BATCH_MAX = 100, DMG_RPC_ANSWER_MAX = 8<<20, DMG_RPC_ARENA_MAX = 64<<20, DMG_RPC_ID_SZ_MAX = 128,
  DMG_RPC_SUB_PER_WS_MAX = 64, DMG_RPC_SUB_MAX = 16384, DMG_RPC_SUB_ID_MAX = 100
};

typedef struct dmg_rpc     dmg_rpc_t;
typedef struct dmg_rpc_sub dmg_rpc_sub_t;

/* query is borrowed until free. NULL: out of memory. */
dmg_rpc_t * dmg_rpc_new ( dmg_query_t const * query );
/* Nobody calls any more, the node's events included. */
void        dmg_rpc_free( dmg_rpc_t * rpc );

/* Answers body into out, an empty buffer of any max; DMG_RPC_ANSWER_MAX of it is used at most.  ws: id of the WebSocket it
   came on, 0 for HTTP.  false: nothing is to be sent.  On a WebSocket call dmg_rpc_ws_room once the answer is queued. */
bool dmg_rpc_handle( dmg_rpc_t * rpc, dmg_span_t body, uint64_t ws, dmg_buf_t * out );

/* Requests by method and outcome, and open streams, as Prometheus text. */
dmg_err_t dmg_rpc_metrics( dmg_rpc_t * rpc, dmg_buf_t * out );

/* Streams: set by the server before it serves; never set: there is no WebSocket. */
typedef struct {
  void * ctx;
  int  (*send)( void * ctx, uint64_t ws, dmg_span_t text );   /* 0 queued; 1 full: dmg_rpc_ws_room follows; -1 gone: dmg_rpc_ws_gone follows */
} dmg_rpc_ws_t;
void dmg_rpc_ws_set ( dmg_rpc_t * rpc, dmg_rpc_ws_t const * ws );
/* The socket takes more: after a send that was full, and after each answer was queued.  What its streams have to tell, from
   the first item of a new one on, is sent now. */
void dmg_rpc_ws_room( dmg_rpc_t * rpc, uint64_t ws );
/* The socket is closed; its streams end. */
void dmg_rpc_ws_gone( dmg_rpc_t * rpc, uint64_t ws );
/* F3.8, F5.6: every stream ends with sub_stop {reason: "drain", cursor}; no new ones.  The caller then closes the sockets. */
void dmg_rpc_drain( dmg_rpc_t * rpc );
/* What the node calls when something happened; ctx = rpc. */
dmg_query_events_t dmg_rpc_events( dmg_rpc_t * rpc );

#endif
