/* jsonrpc: JSON-RPC 2.0 over bytes, and streams over a WebSocket (F4.1, F5).

     who, body --> dmg_rpc_admit, dmg_rpc_handle --> answer bytes, or none (only notifications), and what it cost
     bodies    --> dmg_rpc_handle_many           --> their answers; what they submit is verified together
     node --> dmg_rpc_events --> sub_item notifications --> dmg_rpc_ws_t.send

   Threads   every function from any number of threads; for one WebSocket dmg_rpc_handle, _ws_room and
             _ws_gone come one after the other.  ws.send is called with a lock held: it must not call back
   Failure   none: what is wrong becomes a JSON-RPC error
   Bounds    batch DMG_RPC_BATCH_MAX, answer DMG_RPC_ANSWER_MAX, id DMG_RPC_ID_SZ_MAX, memory of one call
             DMG_RPC_ARENA_MAX; JSON by rpc/json.h; subscriptions below
   Cost      each call of a client that is counted takes its method's cost before it runs and what it did beyond afterwards
             (F3.3, rpc/cost.h); a stream's items are charged as they are sent, and wait while their client is deep in debt.  When
             blocks or calls lag, counted clients lose class C first, then B (F3.2).  A call ends after query_ms
   Not here  HTTP (http_server.h), which methods there are (method.h) */
#ifndef DMG_RPC_JSONRPC_H
#define DMG_RPC_JSONRPC_H

#include "rpc/cost.h"
#include "rpc/query.h"

enum {
  DMG_RPC_BATCH_MAX = 100, DMG_RPC_ANSWER_MAX = 8<<20, DMG_RPC_ARENA_MAX = 64<<20, DMG_RPC_ID_SZ_MAX = 128,
  DMG_RPC_JOIN_MAX = 64, DMG_RPC_SUB_PER_WS_MAX = 64, DMG_RPC_SUB_MAX = 16384, DMG_RPC_SUB_ID_MAX = 100
};

typedef struct dmg_rpc     dmg_rpc_t;
typedef struct dmg_rpc_sub dmg_rpc_sub_t;

/* All zero: nobody is counted, 10 s a call, the clocks of the system. */
typedef struct {
  dmg_cost_cfg_t cost;
  uint32_t       query_ms;
  void *         clock_ctx;                          /* tests bring a clock of their own */
  uint64_t     (*now_ns)( void * clock_ctx );        /* never goes back */
  uint64_t     (*cpu_ns)( void * clock_ctx );        /* CPU time of the calling thread */
} dmg_rpc_limits_t;

/* query is borrowed until free; limits NULL: all zero. NULL: out of memory. */
dmg_rpc_t * dmg_rpc_new ( dmg_query_t const * query, dmg_rpc_limits_t const * limits );
/* Nobody calls any more, the node's events included. */
void        dmg_rpc_free( dmg_rpc_t * rpc );

/* Who asks; ws: id of the WebSocket it came on, 0 for HTTP. */
typedef struct { uint64_t ws; dmg_cost_who_t who; } dmg_rpc_from_t;

/* units: what the request cost, also of clients that are not counted; the rest only if is_counted.  retry_ms: 0, or something was
   refused until then. */
typedef struct { uint32_t units, retry_ms; bool is_counted; dmg_cost_left_t left; } dmg_rpc_bill_t;

/* Before a request is read: takes the first unit of it.  Not granted: the client, or all together, have none left; bill says until when. */
dmg_cost_verdict_t dmg_rpc_admit( dmg_rpc_t * rpc, dmg_rpc_from_t const * from, dmg_rpc_bill_t * bill );
/* Answers body into out, an empty buffer of any max; DMG_RPC_ANSWER_MAX of it is used at most.  bill: as dmg_rpc_admit left it, or zero.
   false: nothing is to be sent.  On a WebSocket call dmg_rpc_ws_room once the answer is queued. */
bool dmg_rpc_handle( dmg_rpc_t * rpc, dmg_span_t body, dmg_rpc_from_t const * from, dmg_buf_t * out, dmg_rpc_bill_t * bill );
/* Several bodies at once, of different sockets: their transactions are verified together (R4.2), which costs half of one by
   one.  At most DMG_RPC_JOIN_MAX.  Not on a thread that others' reads wait for: how long it takes is not noted (F3.2). */
typedef struct {
  dmg_span_t     body;
  dmg_rpc_from_t from;
  dmg_rpc_bill_t bill;          /* as in dmg_rpc_handle */
  bool           is_overload;   /* nothing runs: every call answers Unavailable, overloaded */
  dmg_buf_t      out;           /* empty, of any max; after it the answer, nothing in it: none is to be sent */
} dmg_rpc_request_t;
void dmg_rpc_handle_many( dmg_rpc_t * rpc, dmg_rpc_request_t * reqs, size_t cnt );
/* The body seems to hold a call that takes milliseconds of CPU: not for a thread that others' reads wait for.  A look at its
   bytes; who writes a name with escapes only slows others down a little. */
bool dmg_rpc_is_slow( dmg_span_t body );
dmg_cost_cfg_t const * dmg_rpc_cost_cfg( dmg_rpc_t const * rpc );

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
