/* sub: streams over WebSocket (F5): sub_open, sub_close, sub_list; topics `heads` and `tx`.

     node: on_block, on_tx --> streams of that block or id --> sub_item, or "behind" while the socket is full
     socket has room, or sub_open's answer is out --> those behind are told what is newest

   A stream is a position, not a queue (F5.2): what a full socket misses is looked up again when it has room.
   `heads` skips to the newest and says how many it skipped; `tx` tells the newest status of each id, each change
   while the socket keeps up.

   seq is that of the last item told: of `heads` the height, of `tx` a count from 1.  A cursor is base64url of
   { version u8 = 1, SHA-256 of the topic's name [32], seq u64, height u64, position u32 = 0 }, 53 bytes in 71
   characters, without padding.  `heads` goes on after a cursor: first sub_gap if blocks in between are pruned,
   then the newest head.  `tx` tells all statuses at once, so there a cursor only carries seq on.

   Locking   subs->lock is held while the node is asked and while the socket is written to: what the node
             answers under it is never older than what was told.  The node calls without locks (query.h)
   Bounds    DMG_RPC_SUB_PER_WS_MAX a socket, DMG_RPC_SUB_MAX in all, DMG_RPC_SUB_ID_MAX ids a `tx` stream */
#include "base/assert.h"
#include "base/os.h"
#include "rpc/put.h"
#include "rpc/rpc_int.h"

#include <stdio.h>
#include <stdlib.h>

enum { ITEM_SZ_MAX = 4096, CURSOR_SZ = 53, CURSOR_TEXT_SZ = 71, SOCK_BUCKET_CNT = 1024, ID_BUCKET_BITS = 14 };

typedef enum { TOPIC_HEADS = DMG_RPC_TOPIC__HEADS, TOPIC_TX = DMG_RPC_TOPIC__TX, TOPIC_CNT } topic_t;
static char const * const topic_name[] = { "heads", "tx" };

typedef struct sub  sub_t;
typedef struct sock sock_t;

/* What was told of a transaction; enough to see whether something changed. */
typedef struct { uint8_t state, receipt_status; uint32_t index; uint64_t height; } told_t;

/* One id of a `tx` stream, in the bucket of its id. */
typedef struct watch {
  struct watch * next, ** at;               /* *at is this one */
  sub_t *        sub;
  dmg_hash_t     id;
  told_t         told;
  bool           is_dirty;                  /* to be told when there is room */
} watch_t;

struct sub {
  sub_t *  next;                            /* of its socket */
  sub_t *  next_head, ** at_head;           /* HEADS: of all sockets */
  sock_t * sock;
  uint64_t id, seq;
  uint64_t gap_to;                          /* HEADS: sub_gap up to here comes first; 0: none */
  topic_t  topic;
  bool     is_behind;                       /* has something to tell that was not sent */
  bool     is_final_only;                   /* F5.4 */
  uint32_t watch_cnt;
  watch_t  watch[];
};

struct sock { sock_t * next; uint64_t ws; sub_t * subs; uint32_t cnt; dmg_cost_who_t who; };

typedef struct { dmg_at_block_t at; uint64_t time_ms; uint32_t tx_cnt; } head_t;

struct dmg_rpc_sub {
  pthread_mutex_t lock;
  sock_t *        socks[ SOCK_BUCKET_CNT ];
  sub_t *         heads;
  watch_t *       watches[ 1<<ID_BUCKET_BITS ];
  uint64_t        secret;                   /* odd: clients choose ids, not buckets */
  uint64_t        next_id;
  uint32_t        cnt;
  atomic_uint     behind_cnt;
  bool            is_draining;
  bool            is_owed;                  /* some stream waits because its client is deep in debt */
  head_t          head;                     /* newest known; height 0: none yet */
  uint64_t        event_height;             /* of the last on_block */
  dmg_hash_t      topic_hash[ TOPIC_CNT ];
};

dmg_rpc_sub_t * dmg_rpc_sub_new( void ) {
  dmg_rpc_sub_t * subs = calloc( 1, sizeof *subs );
  if( !subs ) return NULL;
  pthread_mutex_init( &subs->lock, NULL );
  subs->next_id = 1;
  dmg_os_random( &subs->secret, sizeof subs->secret );
  subs->secret |= 1;
  for( topic_t t = 0; t<TOPIC_CNT; t++ ) subs->topic_hash[ t ] = dmg_sha256( dmg_span_cstr( topic_name[ t ] ) );
  return subs;
}

uint32_t dmg_rpc_sub_cnt( dmg_rpc_sub_t * subs ) {
  pthread_mutex_lock( &subs->lock );
  uint32_t cnt = subs->cnt;
  pthread_mutex_unlock( &subs->lock );
  return cnt;
}

/* --- Tables; all under the lock --- */

static watch_t ** bucket_of( dmg_rpc_sub_t * subs, dmg_hash_t const * id ) {
  return &subs->watches[ dmg_load_u64le( id->b )*subs->secret>>( 64-ID_BUCKET_BITS ) ];
}

static sock_t ** sock_at( dmg_rpc_sub_t * subs, uint64_t ws ) {
  sock_t ** at = &subs->socks[ ws%SOCK_BUCKET_CNT ];
  while( *at && ( *at )->ws!=ws ) at = &( *at )->next;
  return at;
}

static void set_behind( dmg_rpc_sub_t * subs, sub_t * s, bool is_behind ) {
  if( s->is_behind==is_behind ) return;
  s->is_behind = is_behind;
  if( is_behind ) atomic_fetch_add( &subs->behind_cnt, 1 );
  else            atomic_fetch_sub( &subs->behind_cnt, 1 );
}

/* From now on events find it. */
static void link_sub( dmg_rpc_sub_t * subs, sock_t * sock, sub_t * s ) {
  s->sock    = sock;
  s->next    = sock->subs;
  sock->subs = s;
  sock->cnt++;
  subs->cnt++;
  if( s->topic==TOPIC_HEADS ) {
    s->next_head = subs->heads;
    s->at_head   = &subs->heads;
    if( s->next_head ) s->next_head->at_head = &s->next_head;
    subs->heads = s;
  }
  for( uint32_t i = 0; i<s->watch_cnt; i++ ) {
    watch_t * w = &s->watch[ i ];
    w->at   = bucket_of( subs, &w->id );
    w->next = *w->at;
    if( w->next ) w->next->at = &w->next;
    *w->at = w;
  }
}

static void unlink_sub( dmg_rpc_sub_t * subs, sub_t ** at ) {
  sub_t * s = *at;
  *at = s->next;
  s->sock->cnt--;
  subs->cnt--;
  set_behind( subs, s, false );
  if( s->topic==TOPIC_HEADS ) {
    *s->at_head = s->next_head;
    if( s->next_head ) s->next_head->at_head = s->at_head;
  }
  for( uint32_t i = 0; i<s->watch_cnt; i++ ) {
    watch_t * w = &s->watch[ i ];
    *w->at = w->next;
    if( w->next ) w->next->at = w->at;
  }
  free( s );
}

static void drop_sock( dmg_rpc_sub_t * subs, sock_t ** at ) {
  sock_t * sock = *at;
  if( !sock ) return;
  while( sock->subs ) unlink_sub( subs, &sock->subs );
  *at = sock->next;
  free( sock );
}

void dmg_rpc_sub_free( dmg_rpc_sub_t * subs ) {
  if( !subs ) return;
  for( size_t i = 0; i<SOCK_BUCKET_CNT; i++ ) while( subs->socks[ i ] ) drop_sock( subs, &subs->socks[ i ] );
  DMG_ASSERT( !subs->cnt && !subs->heads && !atomic_load( &subs->behind_cnt ) );
  pthread_mutex_destroy( &subs->lock );
  free( subs );
}

/* --- Cursors --- */

static void cursor_text( dmg_rpc_sub_t const * subs, topic_t topic, uint64_t seq, uint64_t height, char out[ CURSOR_TEXT_SZ+1 ] ) {
  static char const digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  uint8_t raw[ CURSOR_SZ+1 ] = { 1 };       /* the last byte pads */
  memcpy( raw+1, subs->topic_hash[ topic ].b, 32 );
  dmg_store_u64le( raw+33, seq );
  dmg_store_u64le( raw+41, height );
  for( size_t i = 0; i<CURSOR_TEXT_SZ; i++ ) {
    uint32_t v = (uint32_t)raw[ i/4*3 ]<<16|(uint32_t)raw[ i/4*3+1 ]<<8|raw[ i/4*3+2 ];
    out[ i ] = digit[ v>>( 18-6*( i%4 ) )&63 ];
  }
  out[ CURSOR_TEXT_SZ ] = 0;
}

/* false: no cursor of this topic.  One text a cursor: what it decodes to encodes to it again. */
static bool cursor_parse( dmg_rpc_sub_t const * subs, topic_t topic, dmg_span_t text, uint64_t * out_seq, uint64_t * out_height ) {
  uint8_t raw[ CURSOR_SZ+1 ] = { 0 };
  char again[ CURSOR_TEXT_SZ+1 ];
  if( text.sz!=CURSOR_TEXT_SZ ) return false;
  for( size_t i = 0; i<CURSOR_TEXT_SZ; i++ ) {
    uint8_t c = text.p[ i ];
    uint32_t v = c>='A' && c<='Z' ? c-'A'+0u : c>='a' && c<='z' ? c-'a'+26u : c>='0' && c<='9' ? c-'0'+52u : c=='-' ? 62u : 63u;
    for( size_t bit = 0; bit<6; bit++ ) raw[ ( 6*i+bit )/8 ] |= (uint8_t)( ( v>>( 5-bit )&1 )<<( 7-( 6*i+bit )%8 ) );
  }
  uint64_t seq = dmg_load_u64le( raw+33 ), height = dmg_load_u64le( raw+41 );
  if( topic==TOPIC_HEADS && seq!=height ) return false;
  cursor_text( subs, topic, seq, height, again );
  if( !dmg_span_eq( text, dmg_span( again, CURSOR_TEXT_SZ ) ) ) return false;
  *out_seq    = seq;
  *out_height = height;
  return true;
}

/* --- Telling; all under the lock --- */

typedef struct { uint8_t mem[ ITEM_SZ_MAX ]; dmg_buf_t buf; dmg_jw_t w; } note_t;

static dmg_jw_t * note_begin( note_t * note, char const * method, sub_t const * s ) {
  note->buf = (dmg_buf_t){ .p = note->mem, .cap = sizeof note->mem, .max = sizeof note->mem };
  note->w   = dmg_jw( &note->buf );
  dmg_jw_open( &note->w, '{' );
  dmg_jw_kcstr( &note->w, "jsonrpc", "2.0" );
  dmg_jw_kcstr( &note->w, "method", method );
  dmg_jw_key( &note->w, "params" );
  dmg_jw_open( &note->w, '{' );
  dmg_jw_ku64( &note->w, "subscription", s->id );
  return &note->w;
}

/* false: the socket is full or gone; the stream is then behind. */
static bool note_send( dmg_rpc_t * rpc, note_t * note, sub_t * s, bool is_charged ) {
  dmg_jw_close( &note->w, '}' );
  dmg_jw_close( &note->w, '}' );
  DMG_ASSERT( !note->w.is_full );
  /* Behind before it is tried: room may be announced before a send that was full returns, and dmg_rpc_ws_room looks
     at behind_cnt without the lock. */
  bool was_behind = s->is_behind;
  set_behind( rpc->subs, s, true );
  /* F3.3: an item costs 1 a 4 KiB.  Who cannot pay waits as if its socket were full, until a block comes. */
  if( is_charged && !dmg_rpc_charge_item( rpc, &s->sock->who, (uint32_t)( note->buf.sz+4095 )/4096 ) ) { rpc->subs->is_owed = true; return false; }
  bool is_sent = rpc->ws.send && !rpc->ws.send( rpc->ws.ctx, s->sock->ws, dmg_buf_span( &note->buf ) );
  if( is_sent ) set_behind( rpc->subs, s, was_behind );
  return is_sent;
}

static dmg_jw_t * item_begin( dmg_rpc_t * rpc, note_t * note, sub_t const * s, uint64_t seq, dmg_at_block_t const * at, char const * state ) {
  char cursor[ CURSOR_TEXT_SZ+1 ];
  dmg_jw_t * w = note_begin( note, "sub_item", s );
  cursor_text( rpc->subs, s->topic, seq, at->height, cursor );
  dmg_jw_ku64( w, "seq", seq );
  dmg_jw_kcstr( w, "cursor", cursor );
  dmg_rpc_put_at( w, at );
  dmg_jw_kcstr( w, "state", state );
  return w;
}

static void tell_head( dmg_rpc_t * rpc, sub_t * s ) {
  head_t const * head = &rpc->subs->head;
  if( head->at.height<=s->seq || ( s->is_final_only && !head->at.is_final ) ) return;
  note_t note;
  dmg_jw_t * w = item_begin( rpc, &note, s, head->at.height, &head->at, head->at.is_final ? "final" : "included" );
  if( head->at.height-s->seq>1 ) dmg_jw_ku64( w, "skipped", head->at.height-s->seq-1 );
  dmg_jw_key( w, "item" );
  dmg_jw_open( w, '{' );
  dmg_jw_ku64 ( w, "height", head->at.height );
  dmg_jw_khash( w, "hash", &head->at.hash );
  dmg_jw_ku64 ( w, "timeMs", head->time_ms );
  dmg_jw_knum ( w, "txCount", head->tx_cnt );
  dmg_jw_close( w, '}' );
  if( note_send( rpc, &note, s, true ) ) s->seq = head->at.height;
}

/* F5.3: what is not kept any more, by seq. */
static bool tell_gap( dmg_rpc_t * rpc, sub_t * s ) {
  note_t note;
  dmg_jw_t * w = note_begin( &note, "sub_gap", s );
  dmg_jw_ku64 ( w, "from", s->seq+1 );
  dmg_jw_ku64 ( w, "to", s->gap_to );
  dmg_jw_kcstr( w, "reason", "pruned" );
  if( !note_send( rpc, &note, s, true ) ) return false;
  s->seq    = s->gap_to;
  s->gap_to = 0;
  return true;
}

static void tell_status( dmg_rpc_t * rpc, watch_t * watch, dmg_query_tx_status_t const * status ) {
  sub_t * s = watch->sub;
  told_t now = { .state = (uint8_t)status->state, .receipt_status = status->receipt_status, .index = status->index, .height = status->height };
  watch->is_dirty = false;
  told_t const * told = &watch->told;
  bool is_same = now.height==told->height && now.index==told->index && now.receipt_status==told->receipt_status;
  if( now.state==told->state && ( is_same || now.state==DMG_TX_UNKNOWN ) ) return;
  if( s->is_final_only && now.state==DMG_TX_INCLUDED ) return;   /* F5.4 */
  dmg_query_chain_t chain;
  note_t note;
  rpc->query->chain( rpc->query->ctx, &chain );
  dmg_jw_t * w = item_begin( rpc, &note, s, s->seq+1, &chain.head, dmg_tx_state_name( status->state ) );
  dmg_jw_key( w, "item" );
  dmg_jw_open( w, '{' );
  dmg_jw_khash( w, "id", &watch->id );
  dmg_jw_key( w, "status" );
  dmg_put_status( w, status );
  dmg_jw_close( w, '}' );
  if( !note_send( rpc, &note, s, true ) ) { watch->is_dirty = true; return; }
  watch->told = now;
  s->seq++;
}

static void ask_status( dmg_rpc_t * rpc, watch_t * watch ) {
  dmg_query_tx_status_t status;
  rpc->query->tx_status( rpc->query->ctx, &watch->id, &status );
  tell_status( rpc, watch, &status );
}

static void catch_up( dmg_rpc_t * rpc, sub_t * s ) {
  set_behind( rpc->subs, s, false );
  if( s->topic==TOPIC_HEADS && ( !s->gap_to || tell_gap( rpc, s ) ) ) tell_head( rpc, s );
  for( uint32_t i = 0; i<s->watch_cnt && !s->is_behind; i++ ) if( s->watch[ i ].is_dirty ) ask_status( rpc, &s->watch[ i ] );
}

/* F5.6.  On a full socket it is lost: the cursor of the last item stands for it. */
static void tell_stop( dmg_rpc_t * rpc, sub_t * s, char const * reason ) {
  note_t note;
  char cursor[ CURSOR_TEXT_SZ+1 ];
  dmg_jw_t * w = note_begin( &note, "sub_stop", s );
  dmg_query_chain_t chain;
  rpc->query->chain( rpc->query->ctx, &chain );
  cursor_text( rpc->subs, s->topic, s->seq, s->topic==TOPIC_HEADS ? s->seq : chain.head.height, cursor );
  dmg_jw_kcstr( w, "reason", reason );
  dmg_jw_kcstr( w, "cursor", cursor );
  (void)note_send( rpc, &note, s, false );
}

/* --- What the server and the node say --- */

void dmg_rpc_ws_set( dmg_rpc_t * rpc, dmg_rpc_ws_t const * ws ) {
  pthread_mutex_lock( &rpc->subs->lock );
  rpc->ws = *ws;
  pthread_mutex_unlock( &rpc->subs->lock );
}

void dmg_rpc_ws_room( dmg_rpc_t * rpc, uint64_t ws ) {
  dmg_rpc_sub_t * subs = rpc->subs;
  /* The usual case after an answer. */
  if( !atomic_load( &subs->behind_cnt ) ) return;
  pthread_mutex_lock( &subs->lock );
  sock_t * sock = *sock_at( subs, ws );
  for( sub_t * s = sock ? sock->subs : NULL; s; s = s->next ) if( s->is_behind ) catch_up( rpc, s );
  pthread_mutex_unlock( &subs->lock );
}

void dmg_rpc_ws_gone( dmg_rpc_t * rpc, uint64_t ws ) {
  dmg_rpc_sub_t * subs = rpc->subs;
  pthread_mutex_lock( &subs->lock );
  drop_sock( subs, sock_at( subs, ws ) );
  pthread_mutex_unlock( &subs->lock );
}

void dmg_rpc_drain( dmg_rpc_t * rpc ) {
  dmg_rpc_sub_t * subs = rpc->subs;
  pthread_mutex_lock( &subs->lock );
  subs->is_draining = true;
  for( size_t i = 0; i<SOCK_BUCKET_CNT; i++ )
    while( subs->socks[ i ] ) {
      sock_t * sock = subs->socks[ i ];
      for( sub_t * s = sock->subs; s; s = s->next ) tell_stop( rpc, s, "drain" );
      drop_sock( subs, &subs->socks[ i ] );
    }
  pthread_mutex_unlock( &subs->lock );
}

static void on_block( void * ctx, dmg_at_block_t const * at, uint64_t time_ms, uint32_t tx_cnt ) {
  dmg_rpc_t *     rpc  = ctx;
  dmg_rpc_sub_t * subs = rpc->subs;
  pthread_mutex_lock( &subs->lock );
  /* Heights rise by one, but after dev_revert: then this block is told again under its height. */
  bool is_back = at->height<=subs->event_height;
  subs->event_height = at->height;
  if( is_back || at->height>=subs->head.at.height ) subs->head = (head_t){ *at, time_ms, tx_cnt };
  for( sub_t * s = subs->heads; s; s = s->next_head ) {
    if( is_back && s->seq>=at->height ) s->seq = at->height-1;
    if( !s->is_behind ) tell_head( rpc, s );
  }
  if( subs->is_owed ) {
    subs->is_owed = false;
    for( size_t i = 0; i<SOCK_BUCKET_CNT; i++ )
      for( sock_t * sock = subs->socks[ i ]; sock; sock = sock->next )
        for( sub_t * s = sock->subs; s; s = s->next ) if( s->is_behind ) catch_up( rpc, s );
  }
  pthread_mutex_unlock( &subs->lock );
}

/* Later states of a transaction's life have a higher rank; retracted and reverted ones come from the node when asked. */
static uint32_t rank( unsigned state ) { return state<=DMG_TX_FINAL ? state : DMG_TX_FINAL; }

static void on_tx( void * ctx, dmg_hash_t const * id, dmg_query_tx_status_t const * status ) {
  dmg_rpc_t * rpc = ctx;
  pthread_mutex_lock( &rpc->subs->lock );
  for( watch_t * w = *bucket_of( rpc->subs, id ); w; w = w->next ) {
    if( !dmg_hash_eq( &w->id, id ) ) continue;
    if( w->sub->is_behind ) w->is_dirty = true;
    /* An event may be older than what sub_open was told by the node. */
    else if( rank( status->state )<rank( w->told.state ) ) ask_status( rpc, w );
    else tell_status( rpc, w, status );
  }
  pthread_mutex_unlock( &rpc->subs->lock );
}

dmg_query_events_t dmg_rpc_events( dmg_rpc_t * rpc ) { return (dmg_query_events_t){ .ctx = rpc, .on_block = on_block, .on_tx = on_tx }; }

/* --- Methods --- */

/* A stream from the filter, not linked yet; NULL: call failed. */
static sub_t * make_sub( dmg_rpc_call_t * call, topic_t topic, dmg_rpc_arg_t const * filter ) {
  dmg_jv_t ids = { 0 };
  uint32_t cnt = 0;
  if( topic==TOPIC_TX ) {
    if( filter->is_set ) ids = dmg_jv_get( filter->json, "ids" );
    if( dmg_jv_is_absent( ids ) || dmg_jv_type( ids )!=DMG_JSON_ARRAY || dmg_jv_cnt( filter->json )!=1 ) { dmg_rpc_fail_param( call, "filter", "{ids: [transaction ids]}" ); return NULL; }
    cnt = dmg_jv_cnt( ids );
    if( !cnt || cnt>DMG_RPC_SUB_ID_MAX ) { dmg_rpc_fail_param( call, "filter.ids", "1 to 100 transaction ids" ); return NULL; }
  } else if( filter->is_set && dmg_jv_cnt( filter->json ) ) { dmg_rpc_fail_param( call, "filter", "nothing: heads has no filter" ); return NULL; }
  sub_t * s = calloc( 1, sizeof *s+cnt*sizeof *s->watch );
  if( !s ) { dmg_rpc_fail_err( call, DMG_ERR_FULL, "subscription" ); return NULL; }
  s->topic     = topic;
  s->watch_cnt = cnt;
  watch_t * w = s->watch;
  for( dmg_jv_t e = cnt ? dmg_jv_first( ids ) : ids; !dmg_jv_is_absent( e ); e = dmg_jv_next( ids, e ), w++ ) {
    if( !dmg_jv_hash( e, &w->id ) ) { free( s ); dmg_rpc_fail_param( call, "filter.ids", "0x hex of 32 bytes each" ); return NULL; }
    w->sub      = s;
    w->is_dirty = true;
  }
  return s;
}

/* The node's head as an item; at.height 0 if it cannot be had (none yet, or reverted meanwhile). */
static head_t head_now( dmg_rpc_call_t * call ) {
  dmg_query_chain_t chain;
  dmg_query_block_t block;
  dmg_body_t * body;
  call->query->chain( call->query->ctx, &chain );
  if( !chain.head.height || call->query->block( call->query->ctx, &(dmg_at_t){ .kind = DMG_AT_HASH, .hash = chain.head.hash }, call->arena, &block ) ) return (head_t){ 0 };
  if( dmg_body_decode( block.body, call->arena, &body ).kind!=DMG_VERDICT_GOOD ) return (head_t){ 0 };
  return (head_t){ chain.head, chain.head_ms, body->tx_cnt };
}

/* Links s under the lock; the caller must not touch it afterwards: its socket may be gone already. */
static bool start_sub( dmg_rpc_call_t * call, sub_t * s, bool has_cursor, head_t const * now, dmg_query_chain_t * out_chain, uint64_t * out_id ) {
  dmg_rpc_sub_t * subs = call->rpc->subs;
  sock_t ** at = sock_at( subs, call->ws );
  if( subs->is_draining ) {
    dmg_rpc_fail( call, DMG_RPC_UNAVAILABLE, NULL, "the node is stopping: connect to another one, or later" );
    dmg_rpc_fail_data( call, "\"reason\":\"drain\"" );
    return false;
  }
  if( ( *at && ( *at )->cnt>=DMG_RPC_SUB_PER_WS_MAX ) || subs->cnt>=DMG_RPC_SUB_MAX )
    return dmg_rpc_fail( call, DMG_RPC_LIMIT_EXCEEDED, NULL, "at most %u subscriptions a socket and %u in all", DMG_RPC_SUB_PER_WS_MAX, DMG_RPC_SUB_MAX );
  if( !*at ) {
    *at = calloc( 1, sizeof **at );
    if( !*at ) return dmg_rpc_fail_err( call, DMG_ERR_FULL, "subscription" );
    ( *at )->ws  = call->ws;
    ( *at )->who = call->who;
  }
  call->query->chain( call->query->ctx, out_chain );
  if( now->at.height && dmg_hash_eq( &now->at.hash, &out_chain->head.hash ) ) subs->head = *now;
  else if( subs->head.at.height>out_chain->head.height )                     subs->head = (head_t){ 0 };   /* dev_revert */
  if( s->topic==TOPIC_HEADS && !has_cursor ) s->seq = out_chain->head.height;
  if( s->topic==TOPIC_HEADS && out_chain->oldest_height && s->seq<out_chain->oldest_height-1 ) s->gap_to = out_chain->oldest_height-1;
  *out_id = s->id = subs->next_id++;
  link_sub( subs, *at, s );
  set_behind( subs, s, true );              /* until the answer is out: see dmg_rpc_ws_room */
  return true;
}

bool dmg_rpc_do_sub_open( dmg_rpc_call_t * call ) {
  dmg_rpc_sub_t * subs = call->rpc->subs;
  dmg_rpc_arg_t const * finality = &call->arg[ 2 ], * cursor = &call->arg[ 3 ];
  topic_t topic = (topic_t)call->arg[ 0 ].u64;
  bool is_head = finality->is_set && finality->u64==DMG_RPC_DELIVERY__HEAD;
  uint64_t seq = 0, height = 0, id = 0;
  if( cursor->is_set && !cursor_parse( subs, topic, cursor->bytes, &seq, &height ) ) return dmg_rpc_fail_param( call, "cursor", "a cursor of this topic, as an item or sub_open gave it" );
  if( !call->ws ) return dmg_rpc_fail( call, DMG_RPC_INVALID_INPUT, NULL, "streams need a WebSocket: connect to /ws" );
  sub_t * s = make_sub( call, topic, &call->arg[ 1 ] );
  if( !s ) return false;
  s->seq           = seq;
  s->is_final_only = !is_head;

  head_t now = topic==TOPIC_HEADS && cursor->is_set ? head_now( call ) : (head_t){ 0 };
  dmg_query_chain_t chain;
  pthread_mutex_lock( &subs->lock );
  bool is_good = start_sub( call, s, cursor->is_set, &now, &chain, &id );
  pthread_mutex_unlock( &subs->lock );
  if( !is_good ) { free( s ); return false; }

  char text[ CURSOR_TEXT_SZ+1 ];
  if( !cursor->is_set ) height = chain.head.height;
  if( !cursor->is_set && topic==TOPIC_HEADS ) seq = height;
  cursor_text( subs, topic, seq, height, text );
  dmg_jw_open( call->out, '{' );
  dmg_jw_ku64 ( call->out, "subscription", id );
  dmg_jw_ku64 ( call->out, "seq", seq );
  dmg_jw_kcstr( call->out, "cursor", text );
  dmg_jw_ku64 ( call->out, "retainedFrom", chain.oldest_height );
  dmg_jw_close( call->out, '}' );
  return true;
}

bool dmg_rpc_do_sub_close( dmg_rpc_call_t * call ) {
  dmg_rpc_sub_t * subs = call->rpc->subs;
  bool is_found = false;
  pthread_mutex_lock( &subs->lock );
  sock_t * sock = *sock_at( subs, call->ws );
  for( sub_t ** at = sock ? &sock->subs : NULL; at && *at && !is_found; ) {
    is_found = ( *at )->id==call->arg[ 0 ].u64;
    if( !is_found ) { at = &( *at )->next; continue; }
    tell_stop( call->rpc, *at, "closed" );
    unlink_sub( subs, at );
  }
  pthread_mutex_unlock( &subs->lock );
  if( !is_found ) return dmg_rpc_fail( call, DMG_RPC_NOT_FOUND, NULL, "this socket has no subscription %lu", (unsigned long)call->arg[ 0 ].u64 );
  dmg_jw_bool( call->out, true );
  return true;
}

bool dmg_rpc_do_sub_list( dmg_rpc_call_t * call ) {
  dmg_rpc_sub_t * subs = call->rpc->subs;
  dmg_jw_open( call->out, '{' );
  dmg_jw_key( call->out, "items" );
  dmg_jw_open( call->out, '[' );
  pthread_mutex_lock( &subs->lock );
  sock_t * sock = *sock_at( subs, call->ws );
  for( sub_t * s = sock ? sock->subs : NULL; s; s = s->next ) {
    dmg_jw_open( call->out, '{' );
    dmg_jw_ku64 ( call->out, "subscription", s->id );
    dmg_jw_kcstr( call->out, "topic", topic_name[ s->topic ] );
    dmg_jw_close( call->out, '}' );
  }
  pthread_mutex_unlock( &subs->lock );
  dmg_jw_close( call->out, ']' );
  dmg_jw_close( call->out, '}' );
  return true;
}
