/* sub: streams over WebSocket (F5): sub_open, sub_close, sub_list; topics `heads` and `tx`; `blocks`, `events` and `account`
   are told by a thread of their own (sub_log.c).

     node: on_block, on_tx --> streams of that block or id --> sub_item, or "behind" while the socket is full
     socket has room, or sub_open's answer is out --> those behind are told what is newest

   A stream is a position, not a queue (F5.2): what a full socket misses is looked up again when it has room.
   `heads` skips to the newest and says how many it skipped; `tx` tells the newest status of each id, each change
   while the socket keeps up.

   seq is that of the last item told: of `heads` and `blocks` the height, of `tx` and `account` a count from 1, of `events` the
   position in the topic's MMR (R4.15).  A cursor is base64url of { version u8 = 1, SHA-256 of the topic [32], seq u64, height u64,
   position u32 }, 53 bytes in 71 characters, without padding.  The topic hashed is its name; of `events` and `account` name, zero,
   kind u8 and id[32] as in R4.15; position counts events of a block, all of them.  `heads` goes on after a cursor: first sub_gap if blocks in between are pruned,
   then the newest head.  `tx` tells all statuses at once, so there a cursor only carries seq on.

   Locking   subs->lock is held while the node is asked and while the socket is written to: what the node
             answers under it is never older than what was told.  The node calls without locks (query.h)
   Bounds    DMG_RPC_SUB_PER_WS_MAX a socket, DMG_RPC_SUB_MAX in all, DMG_RPC_SUB_ID_MAX ids a `tx` stream */
#include "base/assert.h"
#include "base/os.h"
#include "rpc/put.h"
#include "rpc/sub_int.h"

#include <stdio.h>
#include <stdlib.h>

enum { ITEM_SZ_MAX = 4096 };

static char const * const topic_name[ TOPIC_CNT ] = { [ TOPIC_HEADS ] = "heads", [ TOPIC_TX ] = "tx", [ TOPIC_BLOCKS ] = "blocks", [ TOPIC_EVENTS ] = "events", [ TOPIC_ACCOUNT ] = "account" };

dmg_rpc_sub_t * dmg_rpc_sub_new( void ) {
  dmg_rpc_sub_t * subs = calloc( 1, sizeof *subs );
  if( !subs ) return NULL;
  pthread_mutex_init( &subs->lock, NULL );
  subs->next_id = 1;
  dmg_os_random( &subs->secret, sizeof subs->secret );
  subs->secret |= 1;
  pthread_cond_init( &subs->wake, NULL );
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

sock_t ** dmg_sub_sock_at( dmg_rpc_sub_t * subs, uint64_t ws ) {
  sock_t ** at = &subs->socks[ ws%SOCK_BUCKET_CNT ];
  while( *at && ( *at )->ws!=ws ) at = &( *at )->next;
  return at;
}

void dmg_sub_set_behind( dmg_rpc_sub_t * subs, sub_t * s, bool is_behind ) {
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
  if( dmg_sub_is_log( s ) ) dmg_sub_log_link( subs, s );
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
  dmg_sub_set_behind( subs, s, false );
  if( s->topic==TOPIC_HEADS ) {
    *s->at_head = s->next_head;
    if( s->next_head ) s->next_head->at_head = s->at_head;
  }
  if( dmg_sub_is_log( s ) ) dmg_sub_log_unlink( subs, s );
  for( uint32_t i = 0; i<s->watch_cnt; i++ ) {
    watch_t * w = &s->watch[ i ];
    *w->at = w->next;
    if( w->next ) w->next->at = w->at;
  }
  free( s );
}

void dmg_sub_end( dmg_rpc_sub_t * subs, sub_t * s ) {
  sub_t ** at = &s->sock->subs;
  while( *at!=s ) at = &( *at )->next;
  unlink_sub( subs, at );
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
  dmg_sub_log_stop( subs );
  for( size_t i = 0; i<SOCK_BUCKET_CNT; i++ ) while( subs->socks[ i ] ) drop_sock( subs, &subs->socks[ i ] );
  DMG_ASSERT( !subs->cnt && !subs->heads && !atomic_load( &subs->behind_cnt ) );
  pthread_cond_destroy( &subs->wake );
  pthread_mutex_destroy( &subs->lock );
  free( subs );
}

/* --- Cursors --- */

void dmg_sub_cursor( sub_t const * s, uint64_t seq, uint64_t height, uint32_t position, char out[ CURSOR_TEXT_SZ+1 ] ) {
  static char const digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  uint8_t raw[ CURSOR_SZ+1 ] = { 1 };       /* the last byte pads */
  memcpy( raw+1, s->topic_hash.b, 32 );
  dmg_store_u64le( raw+33, seq );
  dmg_store_u64le( raw+41, height );
  dmg_store_u32le( raw+49, position );
  for( size_t i = 0; i<CURSOR_TEXT_SZ; i++ ) {
    uint32_t v = (uint32_t)raw[ i/4*3 ]<<16|(uint32_t)raw[ i/4*3+1 ]<<8|raw[ i/4*3+2 ];
    out[ i ] = digit[ v>>( 18-6*( i%4 ) )&63 ];
  }
  out[ CURSOR_TEXT_SZ ] = 0;
}

/* false: no cursor of this topic.  One text a cursor: what it decodes to encodes to it again. */
static bool cursor_parse( sub_t const * s, dmg_span_t text, uint64_t * out_seq, uint64_t * out_height, uint32_t * out_position ) {
  uint8_t raw[ CURSOR_SZ+1 ] = { 0 };
  char again[ CURSOR_TEXT_SZ+1 ];
  if( text.sz!=CURSOR_TEXT_SZ ) return false;
  for( size_t i = 0; i<CURSOR_TEXT_SZ; i++ ) {
    uint8_t c = text.p[ i ];
    uint32_t v = c>='A' && c<='Z' ? c-'A'+0u : c>='a' && c<='z' ? c-'a'+26u : c>='0' && c<='9' ? c-'0'+52u : c=='-' ? 62u : 63u;
    for( size_t bit = 0; bit<6; bit++ ) raw[ ( 6*i+bit )/8 ] |= (uint8_t)( ( v>>( 5-bit )&1 )<<( 7-( 6*i+bit )%8 ) );
  }
  uint64_t seq = dmg_load_u64le( raw+33 ), height = dmg_load_u64le( raw+41 );
  uint32_t position = dmg_load_u32le( raw+49 );
  if( ( s->topic==TOPIC_HEADS || s->topic==TOPIC_BLOCKS ) && seq!=height ) return false;
  if( position && s->topic!=TOPIC_EVENTS ) return false;
  dmg_sub_cursor( s, seq, height, position, again );
  if( !dmg_span_eq( text, dmg_span( again, CURSOR_TEXT_SZ ) ) ) return false;
  *out_seq      = seq;
  *out_height   = height;
  *out_position = position;
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
  dmg_sub_set_behind( rpc->subs, s, true );
  /* Who cannot pay waits as if its socket were full, until a block comes. */
  if( is_charged && dmg_rpc_is_spent( rpc, &s->sock->who ) ) { rpc->subs->is_owed = true; return false; }
  if( !rpc->ws.send || rpc->ws.send( rpc->ws.ctx, s->sock->ws, dmg_buf_span( &note->buf ) ) ) return false;
  dmg_sub_set_behind( rpc->subs, s, was_behind );
  /* F3.3: an item costs 1 a 4 KiB. */
  if( is_charged ) dmg_rpc_charge_item( rpc, &s->sock->who, (uint32_t)( note->buf.sz+4095 )/4096 );
  return true;
}

static dmg_jw_t * item_begin( dmg_rpc_t * rpc, note_t * note, sub_t const * s, uint64_t seq, dmg_at_block_t const * at, char const * state ) {
  char cursor[ CURSOR_TEXT_SZ+1 ];
  dmg_jw_t * w = note_begin( note, "sub_item", s );
  dmg_sub_cursor( s, seq, at->height, 0, cursor );
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
  dmg_jw_t * w = item_begin( rpc, &note, s, s->seq+1, &chain.final, dmg_tx_state_name( status->state ) );
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
  watch->is_dirty = rpc->query->tx_status( rpc->query->ctx, &watch->id, &status );   /* not read: asked again later */
  if( !watch->is_dirty ) tell_status( rpc, watch, &status );
}

static void catch_up( dmg_rpc_t * rpc, sub_t * s ) {
  dmg_sub_set_behind( rpc->subs, s, false );
  if( dmg_sub_is_log( s ) ) { s->is_ready = true; dmg_sub_log_wake( rpc->subs ); return; }
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
  if( s->topic==TOPIC_EVENTS ) dmg_sub_cursor( s, s->seq, s->next_height, s->next_item, cursor );
  else dmg_sub_cursor( s, s->seq, s->topic==TOPIC_HEADS || s->topic==TOPIC_BLOCKS ? s->seq : chain.final.height, 0, cursor );
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
  sock_t * sock = *dmg_sub_sock_at( subs, ws );
  for( sub_t * s = sock ? sock->subs : NULL; s; s = s->next ) if( s->is_behind ) { s->is_fresh = false; catch_up( rpc, s ); }
  pthread_mutex_unlock( &subs->lock );
}

void dmg_rpc_ws_gone( dmg_rpc_t * rpc, uint64_t ws ) {
  dmg_rpc_sub_t * subs = rpc->subs;
  pthread_mutex_lock( &subs->lock );
  drop_sock( subs, dmg_sub_sock_at( subs, ws ) );
  pthread_mutex_unlock( &subs->lock );
}

void dmg_rpc_drain( dmg_rpc_t * rpc ) {
  dmg_rpc_sub_t * subs = rpc->subs;
  pthread_mutex_lock( &subs->lock );
  subs->is_draining = true;
  dmg_sub_log_wake( subs );
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
  dmg_sub_log_block( subs, at, is_back );
  if( is_back || at->height>=subs->head.at.height ) subs->head = (head_t){ *at, time_ms, tx_cnt };
  for( sub_t * s = subs->heads; s; s = s->next_head ) {
    if( is_back && s->seq>=at->height ) s->seq = at->height-1;
    if( !s->is_behind ) tell_head( rpc, s );
  }
  if( subs->is_owed ) {
    subs->is_owed = false;
    for( size_t i = 0; i<SOCK_BUCKET_CNT; i++ )
      for( sock_t * sock = subs->socks[ i ]; sock; sock = sock->next )
        for( sub_t * s = sock->subs; s; s = s->next ) if( s->is_behind && !s->is_fresh ) catch_up( rpc, s );
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
  static char const * const names[] = { "ids", "body", "module", "account" };
  enum { IDS, BODY, MODULE, ACCOUNT, CNT };
  dmg_jv_t m[ CNT ] = { { 0 } };
  uint32_t cnt = 0;
  static struct { unsigned takes; char const * want; } const of[ TOPIC_CNT ] = {
    [ TOPIC_HEADS ] = { 0, "nothing: heads has no filter" }, [ TOPIC_TX ] = { 1<<IDS, "{ids: [transaction ids]}" }, [ TOPIC_BLOCKS ] = { 1<<BODY, "nothing, or {body: none, ids or full}" },
    [ TOPIC_EVENTS ] = { 1<<MODULE|1<<ACCOUNT, "{module: name or id} or {account: ..}" }, [ TOPIC_ACCOUNT ] = { 1<<ACCOUNT, "{account: ..}" } };
  if( filter->is_set && dmg_jv_cnt( filter->json ) && !of[ topic ].takes ) { dmg_rpc_fail_param( call, "filter", of[ topic ].want ); return NULL; }
  if( filter->is_set && !dmg_rpc_members( call, "filter", filter->json, names, CNT, m ) ) return NULL;
  unsigned has = 0;
  for( unsigned i = 0; i<CNT; i++ ) if( !dmg_jv_is_absent( m[ i ] ) ) has |= 1u<<i;
  bool is_one = has && !( has&( has-1 ) );
  if( has&~of[ topic ].takes || ( !is_one && topic!=TOPIC_HEADS && topic!=TOPIC_BLOCKS ) ) { dmg_rpc_fail_param( call, "filter", of[ topic ].want ); return NULL; }
  if( topic==TOPIC_TX ) {
    if( dmg_jv_type( m[ IDS ] )!=DMG_JSON_ARRAY ) { dmg_rpc_fail_param( call, "filter", of[ topic ].want ); return NULL; }
    cnt = dmg_jv_cnt( m[ IDS ] );
    if( !cnt || cnt>DMG_RPC_SUB_ID_MAX ) { dmg_rpc_fail_param( call, "filter.ids", "1 to 100 transaction ids" ); return NULL; }
  }
  sub_t * s = calloc( 1, sizeof *s+cnt*sizeof *s->watch );
  if( !s ) { dmg_rpc_fail_err( call, DMG_ERR_FULL, "subscription" ); return NULL; }
  s->topic      = topic;
  s->watch_cnt  = cnt;
  s->topic_hash = dmg_sha256( dmg_span_cstr( topic_name[ topic ] ) );
  watch_t * w = s->watch;
  for( dmg_jv_t e = cnt ? dmg_jv_first( m[ IDS ] ) : (dmg_jv_t){ 0 }; !dmg_jv_is_absent( e ); e = dmg_jv_next( m[ IDS ], e ), w++ ) {
    if( !dmg_jv_hash( e, &w->id ) ) { free( s ); dmg_rpc_fail_param( call, "filter.ids", "0x hex of 32 bytes each" ); return NULL; }
    w->sub      = s;
    w->is_dirty = true;
  }
  if( dmg_sub_is_log( s ) && !dmg_sub_log_filter( call, s, m[ BODY ], m[ MODULE ], m[ ACCOUNT ] ) ) { free( s ); return NULL; }
  return s;
}

/* The node's head as an item; at.height 0 if it cannot be had (none yet, or reverted meanwhile). */
static head_t head_now( dmg_rpc_call_t * call ) {
  dmg_query_chain_t chain;
  dmg_query_block_t block;
  dmg_body_t * body;
  call->query->chain( call->query->ctx, &chain );
  if( !chain.final.height || call->query->block( call->query->ctx, &(dmg_at_t){ .kind = DMG_AT_HASH, .hash = chain.final.hash }, call->arena, &block ) ) return (head_t){ 0 };
  if( dmg_body_decode( block.body, call->arena, &body ).kind!=DMG_VERDICT_GOOD ) return (head_t){ 0 };
  return (head_t){ chain.final, chain.final_ms, body->tx_cnt };
}

/* Links s under the lock; the caller must not touch it afterwards: its socket may be gone already. */
static bool start_sub( dmg_rpc_call_t * call, sub_t * s, bool has_cursor, head_t const * now, dmg_query_chain_t * out_chain, uint64_t * out_id ) {
  dmg_rpc_sub_t * subs = call->rpc->subs;
  sock_t ** at = dmg_sub_sock_at( subs, call->ws );
  if( subs->is_draining ) {
    dmg_rpc_fail( call, DMG_RPC_UNAVAILABLE, NULL, "the node is stopping: connect to another one, or later" );
    dmg_rpc_fail_data( call, "\"reason\":\"drain\"" );
    return false;
  }
  if( ( *at && ( *at )->cnt>=DMG_RPC_SUB_PER_WS_MAX ) || subs->cnt>=DMG_RPC_SUB_MAX )
    return dmg_rpc_fail( call, DMG_RPC_LIMIT_EXCEEDED, NULL, "at most %u subscriptions a socket and %u in all", DMG_RPC_SUB_PER_WS_MAX, DMG_RPC_SUB_MAX );
  if( dmg_sub_is_log( s ) && !dmg_sub_log_start( call, s ) ) return false;
  if( !*at ) {
    *at = calloc( 1, sizeof **at );
    if( !*at ) return dmg_rpc_fail_err( call, DMG_ERR_FULL, "subscription" );
    ( *at )->ws  = call->ws;
    ( *at )->who = call->who;
  }
  call->query->chain( call->query->ctx, out_chain );
  if( now->at.height && dmg_hash_eq( &now->at.hash, &out_chain->final.hash ) ) subs->head = *now;
  else if( subs->head.at.height>out_chain->final.height )                     subs->head = (head_t){ 0 };   /* dev_revert */
  if( s->topic==TOPIC_HEADS && !has_cursor ) s->seq = out_chain->final.height;
  if( s->topic==TOPIC_HEADS && out_chain->oldest_height && s->seq<out_chain->oldest_height-1 ) s->gap_to = out_chain->oldest_height-1;
  *out_id = s->id = subs->next_id++;
  link_sub( subs, *at, s );
  s->is_fresh = true;
  dmg_sub_set_behind( subs, s, true );              /* until the answer is out: see dmg_rpc_ws_room */
  return true;
}

bool dmg_rpc_do_sub_open( dmg_rpc_call_t * call ) {
  dmg_rpc_sub_t * subs = call->rpc->subs;
  dmg_rpc_arg_t const * finality = &call->arg[ 2 ], * cursor = &call->arg[ 3 ];
  topic_t topic = (topic_t)call->arg[ 0 ].u64;
  bool is_head = finality->is_set && finality->u64==DMG_RPC_DELIVERY__HEAD;
  uint64_t seq = 0, height = 0, id = 0;
  uint32_t position = 0;
  sub_t * s = make_sub( call, topic, &call->arg[ 1 ] );
  if( !s ) return false;
  bool is_bad_cursor = cursor->is_set && !cursor_parse( s, cursor->bytes, &seq, &height, &position );
  if( is_bad_cursor || !call->ws ) {
    free( s );
    return is_bad_cursor ? dmg_rpc_fail_param( call, "cursor", "a cursor of this topic, as an item or sub_open gave it" ) : dmg_rpc_fail( call, DMG_RPC_INVALID_INPUT, NULL, "streams need a WebSocket: connect to /ws" );
  }
  s->seq           = seq;
  s->is_final_only = !is_head;
  if( dmg_sub_is_log( s ) && !dmg_sub_log_begin( call, s, cursor->is_set, height, position ) ) { free( s ); return false; }
  seq    = s->seq;
  height = dmg_sub_is_log( s ) ? s->next_height-( topic!=TOPIC_EVENTS ) : height;   /* s is the pump's once it is linked */
  dmg_hash_t topic_hash = s->topic_hash;

  head_t now = topic==TOPIC_HEADS && cursor->is_set ? head_now( call ) : (head_t){ 0 };
  dmg_query_chain_t chain;
  pthread_mutex_lock( &subs->lock );
  bool is_good = start_sub( call, s, cursor->is_set, &now, &chain, &id );
  pthread_mutex_unlock( &subs->lock );
  if( !is_good ) { free( s ); return false; }

  char text[ CURSOR_TEXT_SZ+1 ];
  if( !cursor->is_set && topic<=TOPIC_TX )   height = chain.final.height;
  if( !cursor->is_set && topic==TOPIC_HEADS ) seq = height;
  dmg_sub_cursor( &(sub_t){ .topic = topic, .topic_hash = topic_hash }, seq, height, position, text );
  dmg_jw_open( call->out, '{' );
  dmg_jw_ku64 ( call->out, "subscription", id );
  /* The first event of a topic has 0: before it there is none. */
  if( seq==UINT64_MAX ) { dmg_jw_key( call->out, "seq" ); dmg_jw_null( call->out ); }
  else                  dmg_jw_ku64 ( call->out, "seq", seq );
  dmg_jw_kcstr( call->out, "cursor", text );
  dmg_jw_ku64 ( call->out, "retainedFrom", chain.oldest_height );
  dmg_jw_close( call->out, '}' );
  return true;
}

bool dmg_rpc_do_sub_close( dmg_rpc_call_t * call ) {
  dmg_rpc_sub_t * subs = call->rpc->subs;
  bool is_found = false;
  pthread_mutex_lock( &subs->lock );
  sock_t * sock = *dmg_sub_sock_at( subs, call->ws );
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
  sock_t * sock = *dmg_sub_sock_at( subs, call->ws );
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
