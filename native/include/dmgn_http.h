/* http: an HTTP/1.1, HTTP/2 and WebSocket server for RPC, and a small
   blocking client for the command line, by hyper and tokio-tungstenite.

      client --> accept, limits, parse --> on_request( req ) ------.
                                                                   | any thread, once
      client <------------------------------- dmgn_http_reply <----'

      client --> on_ws_open -> on_ws_msg* -> on_ws_close     events, in order
      client <-- dmgn_ws_send .. FULL .. on_ws_room          any thread

   Memory    A request belongs to the callee from on_request until its
             dmgn_http_reply, also when the server is gone meanwhile; its
             spans live as long.  Bytes of a WebSocket message live during
             the callback.  All bytes that go in are copied.
   Threads   cfg.threads server threads.  Callbacks run on them, several at
             a time, but for one WebSocket one after the other; they must not
             block.  A blocked callback stalls the connections of its thread.
             Every function may be called from any thread, from a callback
             too, except dmgn_http_free.
   Failure   Bytes from outside never fail the server: a bad request gets its
             status below, or its connection ends.  A panic inside one
             connection ends that connection.
   Bounds    Every limit is an argument of dmgn_http_cfg_t; 0 there means
             "default" as named at the field.  Memory a connection: header
             block + body + unsent answer, or WebSocket message + ws_out_bytes_max.
   Safety    Refused before any callback, answered and closed:
               400  bare LF or NUL in a head, no Host or two (HTTP/1), a name in the
                    request line that is not Host's, Content-Length with
                    Transfer-Encoding, two lengths, obs-fold, malformed
               408  header_ms or body_ms passed      413  body_max
               414  uri_max      431  header_bytes_max, headers_max
               501  Transfer-Encoding other than "chunked"     505 not 1.0, 1.1
               503  conns_max, conns_per_addr_max     504  no reply in reply_ms
             A chunked request is read, then its connection is closed: what
             follows an unknown length on a connection is never parsed as a head.
   Not here  Routing, methods, Origin, tokens, cost, compression, TLS. */
#ifndef DMGN_HTTP_H
#define DMGN_HTTP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dmgn_http dmgn_http_t;
typedef struct dmgn_req  dmgn_req_t;
typedef struct dmgn_tls  dmgn_tls_t;

typedef struct { char const * ptr; size_t sz; } dmgn_http_span_t;   /* ptr NULL: absent */

typedef struct { dmgn_http_span_t name, value; } dmgn_http_hdr_t;

enum {
  DMGN_HTTP_OK      =  0,
  DMGN_HTTP_FULL    = -1,   /* WebSocket: too much unsent; on_ws_room follows */
  DMGN_HTTP_GONE    = -2,   /* the other side or the server is gone, or reply_ms has passed */
  DMGN_HTTP_INVALID = -3,   /* status, header or size no answer may have: 500 was sent instead */
  DMGN_HTTP_TIMEOUT = -4,
  DMGN_HTTP_NET     = -5,   /* client: resolve, connect, read, write */
  DMGN_HTTP_PROTO   = -6,   /* client: the answer breaks the protocol or a limit */
  DMGN_HTTP_URL     = -7    /* client: not a URL this client can use */
};

/* ---- server ---- */

typedef struct {
  /* Where to listen.  Both may be set, at least one must. */
  char const * addr;          /* IPv4 or IPv6 address in text, NULL: no TCP */
  uint16_t     port;          /* 0: the kernel chooses, see dmgn_http_port */
  int          unix_fd;       /* a bound, listening Unix socket that the server takes over (and closes), -1: none */
  dmgn_tls_t const * tls;     /* must be NULL in this version */

  uint32_t threads;           /* 1 */

  /* Limits (0 = the value in brackets). */
  uint32_t conns_max;         /* [4096] open connections, all listeners together */
  uint32_t conns_per_addr_max;/* [64] of one IPv4 address or one IPv6 /64; loopback and Unix sockets are not counted */
  uint32_t uri_max;           /* [8192] bytes of the request target */
  uint32_t header_bytes_max;  /* [16384] bytes of the header block without the request line */
  uint32_t headers_max;       /* [100] fields */
  uint32_t body_max;          /* [1048576] bytes */
  uint32_t header_ms;         /* [5000] first byte of a head to its last */
  uint32_t body_ms;           /* [10000] end of the head to the end of the body */
  uint32_t reply_ms;          /* [30000] on_request to dmgn_http_reply */
  uint32_t send_ms;           /* [10000] without progress while we have bytes to send: close */
  uint32_t idle_ms;           /* [60000] between requests; WebSocket: nothing received, pongs count */
  uint32_t drain_ms;          /* [10000] dmgn_http_free: what is still open then is cut */
  uint32_t h2_streams_max;    /* [32] calls in flight on an HTTP/2 connection */
  uint32_t ws_msg_max;        /* [262144] bytes of a message, more closes with 1009 */
  uint32_t ws_fragments_max;  /* [64] frames of a message, more closes with 1008 */
  uint32_t ws_out_bytes_max;  /* [1048576] unsent bytes of one WebSocket, more is FULL */
  uint32_t ws_calls_max;      /* [32] messages held (see on_ws_msg) before reading stops */
  uint32_t ws_ping_ms;        /* [20000] between our pings */
  uint32_t no_http2;          /* 1: speak HTTP/1.1 only */
  char const * thread_name;   /* up to 12 bytes, a number is appended ["dmg-http-"] */
  uint32_t thread_stack_bytes;/* [2 MiB] stack of each server thread: callbacks run on it */
  char const * ws_protocol;   /* WebSocket subprotocol agreed to where a client offers it; NULL: none */

  void * user;                /* first argument of every callback */

  /* A whole request is here.  The callee must call dmgn_http_reply exactly
     once, now or later. */
  void (* on_request)( void * user, dmgn_req_t * req );

  /* A WebSocket handshake.  Return 0 to accept, or the HTTP status to refuse
     with (400..599).  req is valid during the call and must not be replied
     to.  From here on ws may be sent to.  NULL: handshakes go to on_request. */
  int  (* on_ws_open)( void * user, uint64_t ws, dmgn_req_t * req );

  /* A message; text is valid UTF-8.  Return 0 if it is dealt with, 1 if it
     is held as a call in flight until dmgn_ws_done.  While ws_calls_max are
     held the server stops reading from this WebSocket. */
  int  (* on_ws_msg)( void * user, uint64_t ws, int is_text, uint8_t const * bytes, size_t bytes_sz );

  /* After a FULL: at most half of ws_out_bytes_max is unsent now.  May be NULL. */
  void (* on_ws_room)( void * user, uint64_t ws );

  /* The last event of ws, also after dmgn_ws_close; ids are never reused.
     code: the peer's close code, 1006 for none, or ours.  May be NULL. */
  void (* on_ws_close)( void * user, uint64_t ws, int code );

  /* On each server thread before it serves, to pin it.  idx 0..threads-1.  May be NULL. */
  void (* on_thread)( void * user, uint32_t idx );
} dmgn_http_cfg_t;

/* dmgn_http_start: listen and serve.  NULL and a message in err
   (terminated, cut to err_sz) if the address cannot be bound or the
   settings contradict each other; unix_fd is then still the caller's.  cfg
   is copied.  Callbacks may come before this function has returned: one that
   needs the handle must wait until the caller has stored it (a mutex held
   around start does). */
dmgn_http_t * dmgn_http_start( dmgn_http_cfg_t const * cfg, char * err, size_t err_sz );

/* dmgn_http_port: the bound TCP port, 0 without one. */
uint16_t dmgn_http_port( dmgn_http_t const * http );

/* dmgn_http_drain: accept no more, close idle connections, close the others
   after the answer in flight.  WebSockets stay, tell them and close them.
   Returns at once, may be called again. */
void dmgn_http_drain( dmgn_http_t * http );

typedef struct { uint32_t conns, websockets, requests_open; uint64_t requests, refused_conns, refused_requests; } dmgn_http_stat_t;

void dmgn_http_stat( dmgn_http_t const * http, dmgn_http_stat_t * out_stat );

/* dmgn_http_free: drain, close WebSockets with 1001, wait up to drain_ms
   for open requests, cut the rest, join the threads.  No callback runs
   after it returns; requests not yet replied to stay valid.  NULL is fine. */
void dmgn_http_free( dmgn_http_t * http );

/* Parts of a request.  path has the target before '?', query what follows
   it (absent without '?'), both as sent, not decoded. */
dmgn_http_span_t dmgn_req_method( dmgn_req_t const * req );
dmgn_http_span_t dmgn_req_path  ( dmgn_req_t const * req );
dmgn_http_span_t dmgn_req_query ( dmgn_req_t const * req );
dmgn_http_span_t dmgn_req_host  ( dmgn_req_t const * req );   /* Host or :authority, with the port if sent */
dmgn_http_span_t dmgn_req_body  ( dmgn_req_t const * req );

/* dmgn_req_header: the value of the first field of this name (any case);
   dmgn_req_header_at: field idx of all, fields of one name together, absent
   past the end. */
dmgn_http_span_t dmgn_req_header   ( dmgn_req_t const * req, char const * name, size_t name_sz );
dmgn_http_hdr_t  dmgn_req_header_at( dmgn_req_t const * req, size_t idx );

/* The peer: 16 bytes, IPv4 as ::ffff:a.b.c.d; all zero for a Unix socket. */
void     dmgn_req_peer( dmgn_req_t const * req, uint8_t out_addr[16], uint16_t * out_port );
int      dmgn_req_is_unix( dmgn_req_t const * req );
int      dmgn_req_version( dmgn_req_t const * req );           /* 10, 11, 20 */

/* dmgn_http_reply: answer and end the request; req is invalid afterwards,
   whatever is returned.  status 200..599; Content-Length, Date and
   Connection are the server's.  body may be NULL when body_sz is 0. */
int dmgn_http_reply( dmgn_req_t * req, int status, dmgn_http_hdr_t const * hdrs, size_t hdr_cnt,
                     uint8_t const * body, size_t body_sz );

/* dmgn_ws_send: queue a message.  FULL: nothing was queued, wait for
   on_ws_room (the stream is a cursor, it resumes from there).  A message
   above ws_out_bytes_max is INVALID, as is text that is not UTF-8. */
int dmgn_ws_send( dmgn_http_t * http, uint64_t ws, int is_text, uint8_t const * bytes, size_t bytes_sz );

/* dmgn_ws_done: cnt of the messages held are dealt with. */
int dmgn_ws_done( dmgn_http_t * http, uint64_t ws, uint32_t cnt );

/* dmgn_ws_close: send what is queued, then a close frame with this code
   (1000..4999) and reason (<= 123 bytes, may be NULL).  on_ws_close follows. */
int dmgn_ws_close( dmgn_http_t * http, uint64_t ws, int code, char const * reason );

/* ---- client: blocking, one call at a time per object, never from a server's
   callback; URLs are http://host:port/path, ws://.., http+unix:// and
   ws+unix://<percent-encoded path of the socket>/path; no TLS in this version ---- */

typedef struct {
  int                     status;
  uint8_t const *         body;
  size_t                  body_sz;
  dmgn_http_hdr_t const * hdrs;
  size_t                  hdr_cnt;
  void *                  own;      /* the memory of all of these */
} dmgn_answer_t;

/* dmgn_http_call: one request on a connection of its own, no redirects
   followed.  body_max bounds the answer's body, timeout_ms the whole call.
   OK and out_answer (free it by dmgn_answer_free), whatever its status; or
   a negative code and a message in err. */
int  dmgn_http_call( char const * url, char const * method, dmgn_http_hdr_t const * hdrs, size_t hdr_cnt,
                     uint8_t const * body, size_t body_sz, uint32_t timeout_ms, size_t body_max,
                     dmgn_answer_t * out_answer, char * err, size_t err_sz );
void dmgn_answer_free( dmgn_answer_t * answer );   /* empties it; an empty one is fine */

typedef struct dmgn_wsc dmgn_wsc_t;

/* dmgn_wsc_open: connect and shake hands.  NULL and err otherwise. */
dmgn_wsc_t * dmgn_wsc_open( char const * url, dmgn_http_hdr_t const * hdrs, size_t hdr_cnt, uint32_t timeout_ms,
                            size_t msg_max, char * err, size_t err_sz );

/* dmgn_wsc_send: OK, TIMEOUT (the connection is then unusable), GONE. */
int dmgn_wsc_send( dmgn_wsc_t * wsc, int is_text, uint8_t const * bytes, size_t bytes_sz, uint32_t timeout_ms );

/* dmgn_wsc_recv: the next message, valid until the next call on wsc; pings
   are answered meanwhile.  TIMEOUT: none yet.  GONE: closed. */
int dmgn_wsc_recv( dmgn_wsc_t * wsc, uint32_t timeout_ms, int * out_is_text, uint8_t const ** out_bytes, size_t * out_bytes_sz );

/* dmgn_wsc_close: close handshake for up to timeout_ms, then free.  NULL is fine. */
void dmgn_wsc_close( dmgn_wsc_t * wsc, uint32_t timeout_ms );

#ifdef __cplusplus
}
#endif
#endif
