/* sub_log: the topics `blocks`, `events` and `account` (F5).

     on_block --> wake --> pump: whose turn? --> read a block of the log, without the lock --> sub_item .. --> next one's turn
     socket full, or client deep in debt --> that stream waits, at its place, for room or for the next block

   `blocks` and `events` lose nothing within what the node keeps; before that comes sub_gap.  `account` tells the newest.
   A turn is one block, so one who reads years of history holds up nobody. */
#include "base/assert.h"
#include "base/os.h"
#include "rpc/put.h"
#include "rpc/sub_int.h"

#include <stdlib.h>

enum { NOTE_SZ_MAX = 12<<20, EVENTS_PER_UNIT = 200 };

/* ---- Beginning ---- */

static dmg_hash_t filter_hash( char const * topic, uint8_t kind, dmg_hash_t const * id ) {
  uint8_t raw[ 64 ];
  size_t n = strlen( topic )+1;
  memcpy( raw, topic, n );
  raw[ n ] = kind;
  memcpy( raw+n+1, id->b, 32 );
  return dmg_sha256( dmg_span( raw, n+33 ) );
}

bool dmg_sub_log_filter( dmg_rpc_call_t * call, sub_t * s, dmg_jv_t body, dmg_jv_t module, dmg_jv_t account ) {
  static char const * const level[] = { "none", "ids", "full" };
  s->body = DMG_RPC_BODY_LEVEL__IDS;
  if( !dmg_jv_is_absent( body ) ) {
    s->body = 0;
    while( s->body<3 && !dmg_jv_eq_str( body, level[ s->body ] ) ) s->body++;
    if( s->body==3 ) return dmg_rpc_fail_value( call, "filter.body", "none, ids or full", body, NULL );
  }
  if( !dmg_jv_is_absent( account ) ) {
    if( dmg_jv_type( account )!=DMG_JSON_STRING || !dmg_rpc_account_parse( call, dmg_jv_text( account ), &s->account ) ) return dmg_rpc_fail_value( call, "filter.account", "account, dmg1..", account, NULL );
    s->topic_hash = filter_hash( s->topic==TOPIC_EVENTS ? "events" : "account", DMG_TOPIC_ACCOUNT, &s->account );
  }
  if( dmg_jv_is_absent( module ) ) return true;
  uint32_t number;
  dmg_query_view_t view;
  dmg_abi_t const * abi;
  if( dmg_jv_type( module )!=DMG_JSON_STRING && !dmg_jv_u32( module, &number ) ) return dmg_rpc_fail_value( call, "filter.module", "name or number", module, NULL );
  dmg_err_t err = call->query->view_open( call->query->ctx, &(dmg_at_t){ .kind = DMG_AT_HEAD }, &view );
  if( err ) return dmg_rpc_fail_err( call, err, "head" );
  bool is_good = dmg_rpc_module_id( call, &view, module, &s->module, &abi );
  call->query->view_close( call->query->ctx, &view );
  if( !is_good ) return false;
  dmg_hash_t id = dmg_topic_module_id( s->module );
  s->is_by_module = true;
  s->topic_hash   = filter_hash( "events", DMG_TOPIC_MODULE, &id );
  return true;
}

/* How many events the topic of s has had in the state after a block (R4.15). */
static dmg_err_t topic_count( dmg_query_t const * q, dmg_query_view_t const * view, sub_t const * s, dmg_arena_t * arena, uint64_t * out ) {
  uint8_t key[ DMG_KEY_MAX ];
  dmg_span_t v, bcs;
  dmg_mmr_t mmr;
  dmg_hash_t id = s->is_by_module ? dmg_topic_module_id( s->module ) : s->account;
  dmg_err_t err = q->view_get( q->ctx, view, dmg_span( key, dmg_key_topic( s->is_by_module ? DMG_TOPIC_MODULE : DMG_TOPIC_ACCOUNT, &id, key ) ), arena, &v );
  *out = 0;
  if( err==DMG_ERR_NOT_FOUND ) return DMG_OK;
  if( !err ) err = dmg_value_bcs( DMG_ITEM_TOPIC, v, &bcs );
  if( !err ) err = dmg_item_mmr_get( bcs, &mmr );
  if( !err ) *out = mmr.count;
  return err;
}

bool dmg_sub_log_begin( dmg_rpc_call_t * call, sub_t * s, bool has_cursor, uint64_t height, uint32_t position ) {
  dmg_query_t const * q = call->query;
  dmg_query_view_t view;
  if( height==UINT64_MAX ) return dmg_rpc_fail_param( call, "cursor", "a cursor of a chain's height" );
  dmg_err_t err = q->view_open( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HEAD }, &view );
  if( err ) return dmg_rpc_fail_err( call, err, "head" );
  if( s->topic==TOPIC_ACCOUNT )   s->next_height = view.at.height;   /* what it is now comes first */
  else if( s->topic==TOPIC_BLOCKS ) { s->next_height = ( has_cursor ? height : view.at.height )+1; s->seq = s->next_height-1; }
  else if( has_cursor )           { s->next_height = height; s->next_item = position; }
  else {
    s->next_height = view.at.height+1;
    err = topic_count( q, &view, s, call->arena, &s->seq );
    s->seq--;
  }
  q->view_close( q->ctx, &view );
  return err ? dmg_rpc_fail_err( call, err, "topic" ) : true;
}

/* ---- The ring; under the lock ---- */

void dmg_sub_log_link( dmg_rpc_sub_t * subs, sub_t * s ) {
  subs->log_cnt++;
  subs->account_cnt += s->topic==TOPIC_ACCOUNT;
  if( !subs->logs ) { subs->logs = s->next_log = s->prev_log = s; return; }
  s->next_log = subs->logs;
  s->prev_log = subs->logs->prev_log;
  s->prev_log->next_log = s->next_log->prev_log = s;
}

void dmg_sub_log_unlink( dmg_rpc_sub_t * subs, sub_t * s ) {
  subs->log_cnt--;
  subs->account_cnt -= s->topic==TOPIC_ACCOUNT;
  if( s->next_log==s ) { subs->logs = NULL; return; }
  if( subs->logs==s ) subs->logs = s->next_log;
  s->prev_log->next_log = s->next_log;
  s->next_log->prev_log = s->prev_log;
}

static sub_t * next_due( dmg_rpc_sub_t * subs ) {
  sub_t * s = subs->logs;
  for( uint32_t i = 0; i<subs->log_cnt; i++, s = s->next_log ) {
    if( !s->is_ready || s->next_height>subs->log_height ) continue;
    subs->logs = s->next_log;
    return s;
  }
  return NULL;
}

void dmg_sub_log_wake( dmg_rpc_sub_t * subs ) { if( subs->has_pump ) pthread_cond_signal( &subs->wake ); }

void dmg_sub_log_block( dmg_rpc_sub_t * subs, dmg_at_block_t const * at, bool is_back ) {
  if( is_back ) subs->revert_cnt++;
  subs->log_height = at->height;
  sub_t * s = subs->logs;
  for( uint32_t i = 0; is_back && i<subs->log_cnt; i++, s = s->next_log ) {
    if( s->next_height<=at->height ) continue;
    s->next_height = at->height;
    s->next_item   = 0;
    if( s->topic==TOPIC_BLOCKS ) s->seq = at->height-1;
  }
  if( subs->logs ) dmg_sub_log_wake( subs );
}

/* ---- Reading; without the lock ---- */

typedef struct { size_t from, sz; uint64_t seq; uint32_t position; } item_t;   /* from, sz: its JSON in the pump's buffer; position: behind it */

/* A turn: what it is about, and what was read for it. */
typedef struct {
  uint64_t       ws, head, revert_cnt;
  dmg_cost_who_t who;
  dmg_at_block_t at;
  item_t *       items;
  uint32_t       item_cnt, tested;
  uint64_t       gap_to;         /* not 0: pruned up to there, nothing was read */
  dmg_hash_t     told;
  sub_t          of;             /* as it was when the turn began; no pointer of it is followed, its watches are not there */
} turn_t;

typedef struct { dmg_rpc_t * rpc; dmg_arena_t * arena; dmg_buf_t json; } pump_t;

/* What was written from `from` on. */
static void add_item( turn_t * t, dmg_buf_t const * json, size_t from, uint64_t seq, uint32_t position ) { t->items[ t->item_cnt++ ] = (item_t){ from, json->sz-from, seq, position }; }

static dmg_err_t read_block( dmg_rpc_call_t * call, turn_t * t ) {
  dmg_query_block_t b;
  DMG_TRY( call->query->block( call->query->ctx, &(dmg_at_t){ .kind = DMG_AT_HEIGHT, .height = t->of.next_height }, call->arena, &b ) );
  t->at    = b.at;
  t->items = DMG_ARENA_NEW( call->arena, item_t, 1 );
  if( !t->items ) return DMG_ERR_NOMEM;
  if( !dmg_rpc_put_block_answer( call, &b, t->of.body ) ) return DMG_ERR_CORRUPT;
  add_item( t, call->out->buf, 0, t->of.next_height, 0 );
  return DMG_OK;
}

static dmg_err_t read_account( dmg_rpc_call_t * call, turn_t * t ) {
  dmg_query_view_t view;
  DMG_TRY( call->query->view_open( call->query->ctx, &(dmg_at_t){ .kind = DMG_AT_HEAD }, &view ) );
  t->at    = view.at;
  t->items = DMG_ARENA_NEW( call->arena, item_t, 1 );
  dmg_err_t err = t->items ? DMG_OK : DMG_ERR_NOMEM;
  dmg_jw_open( call->out, '{' );
  dmg_rpc_put_at( call->out, &view.at );
  size_t from = call->out->buf->sz;
  if( !err ) err = dmg_rpc_put_account( call, &view, &t->of.account );
  dmg_jw_close( call->out, '}' );
  call->query->view_close( call->query->ctx, &view );
  DMG_TRY( err );
  t->told = dmg_sha256( dmg_span( call->out->buf->p+from, call->out->buf->sz-from ) );
  if( !dmg_hash_eq( &t->told, &t->of.told ) ) add_item( t, call->out->buf, 0, t->of.seq+1, 0 );
  return DMG_OK;
}

/* Does the event name the account in one of its topics?  Not every such event is in the account's topic (R4.15: it must be known to
   the chain); the count in state tells. */
static bool names_account( dmg_rpc_abis_t * abis, dmg_event_t const * e, dmg_hash_t const * account ) {
  dmg_abi_t const * abi = dmg_rpc_abi_of( abis, e->module );
  dmg_abi_event_t const * decl = abi ? dmg_abi_event( abi, e->event ) : NULL;
  if( !decl ) return false;
  dmg_bcs_rd_t rd = dmg_bcs_rd( e->data );
  for( uint32_t i = 0; i<decl->fields->field_cnt; i++ ) {
    uint8_t const * at = rd.p;
    dmg_type_read( decl->fields->fields[ i ].type, &rd );
    if( rd.bad ) return false;
    bool is_topic = false;
    for( uint32_t k = 0; k<decl->topic_cnt; k++ ) is_topic = is_topic || decl->topics[ k ]==i;
    if( is_topic && decl->fields->fields[ i ].type->kind==DMG_TYPE_ADDRESS && !memcmp( at, account->b, 32 ) ) return true;
  }
  return false;
}

typedef struct { uint32_t tx, idx, position; dmg_event_t e; } match_t;

/* The topic's count before and after the block, while their states are held. */
static void counts( dmg_rpc_call_t * call, turn_t const * t, uint64_t out[ 2 ], bool out_has[ 2 ] ) {
  dmg_query_t const * q = call->query;
  for( int i = 0; i<2; i++ ) {
    dmg_query_view_t view;
    out_has[ i ] = false;
    if( q->view_open( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HEIGHT, .height = t->of.next_height-1+(unsigned)i }, &view ) ) continue;
    out_has[ i ] = !topic_count( q, &view, &t->of, call->arena, &out[ i ] );
    q->view_close( q->ctx, &view );
  }
}

static dmg_err_t read_events( dmg_rpc_call_t * call, turn_t * t ) {
  dmg_query_t const * q = call->query;
  dmg_query_view_t view;
  dmg_query_block_t block;
  dmg_span_t * receipts;
  uint32_t receipt_cnt, cnt = 0, cap = 0;
  match_t * match = NULL;
  /* Pruned or not, and its hash: the state is cheaper to ask than the body. */
  dmg_at_t at = { .kind = DMG_AT_HEIGHT, .height = t->of.next_height };
  if( !q->view_open( q->ctx, &at, &view ) ) { t->at = view.at; q->view_close( q->ctx, &view ); }
  else { DMG_TRY( q->block( q->ctx, &at, call->arena, &block ) ); t->at = block.at; }
  DMG_TRY( q->receipts( q->ctx, t->of.next_height, call->arena, &receipts, &receipt_cnt ) );
  DMG_TRY( q->view_open( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HEAD }, &view ) );
  dmg_rpc_abis_t abis = { .call = call, .view = &view };
  dmg_err_t err = DMG_OK;
  for( uint32_t i = 0; i<receipt_cnt && !err; i++ ) {
    dmg_receipt_t * r;
    if( dmg_receipt_decode( receipts[ i ], call->arena, &r ).kind!=DMG_VERDICT_GOOD ) { err = DMG_ERR_CORRUPT; break; }
    for( uint32_t k = 0; k<r->event_cnt && !err; k++ ) {
      dmg_event_t const * e = &r->events[ k ];
      t->tested++;
      if( t->of.is_by_module ? e->module!=t->of.module : !names_account( &abis, e, &t->of.account ) ) continue;
      if( cnt==cap ) {
        match_t * more = DMG_ARENA_NEW( call->arena, match_t, 2*cap+16 );
        if( !more ) { err = DMG_ERR_NOMEM; break; }
        if( cnt ) memcpy( more, match, cnt*sizeof *match );
        match = more;
        cap   = 2*cap+16;
      }
      match[ cnt++ ] = (match_t){ i, k, t->tested, *e };
    }
  }
  uint64_t count[ 2 ];
  bool has[ 2 ];
  if( !err ) {
    counts( call, t, count, has );
    uint32_t skip = 0;
    /* An account that the chain met within this block is in the topic from then on. */
    if( has[ 0 ] && has[ 1 ] && count[ 1 ]>=count[ 0 ] && count[ 1 ]-count[ 0 ]<cnt ) skip = cnt-(uint32_t)( count[ 1 ]-count[ 0 ] );
    uint64_t seq = has[ 0 ] ? count[ 0 ]-1 : t->of.seq;
    t->items = DMG_ARENA_NEW( call->arena, item_t, cnt );
    if( !t->items ) err = DMG_ERR_NOMEM;
    for( uint32_t i = skip; i<cnt && !err; i++ ) {
      bool is_told = match[ i ].position<=t->of.next_item;
      if( has[ 0 ] || !is_told ) seq++;
      if( is_told ) continue;
      size_t from = call->out->buf->sz;
      call->out->needs_comma = false;
      dmg_rpc_put_event( &abis, &match[ i ].e, &(dmg_rpc_event_at_t){ match[ i ].tx, match[ i ].idx } );
      add_item( t, call->out->buf, from, seq, match[ i ].position );
    }
  }
  q->view_close( q->ctx, &view );
  return err;
}

static dmg_err_t read_turn( pump_t * p, turn_t * t ) {
  dmg_rpc_t * rpc = p->rpc;
  dmg_query_chain_t chain;
  dmg_jw_t w;
  dmg_arena_reset( p->arena );
  dmg_buf_clear( &p->json );
  w = dmg_jw( &p->json );
  dmg_rpc_call_t call = { .rpc = rpc, .query = rpc->query, .arena = p->arena, .out = &w, .deadline_ns = UINT64_MAX, .who.is_free = true };
  dmg_err_t err = t->of.topic==TOPIC_BLOCKS ? read_block( &call, t ) : t->of.topic==TOPIC_EVENTS ? read_events( &call, t ) : read_account( &call, t );
  if( t->of.topic!=TOPIC_ACCOUNT && ( err==DMG_ERR_PRUNED || err==DMG_ERR_NOT_FOUND ) ) {
    rpc->query->chain( rpc->query->ctx, &chain );
    if( t->of.next_height<chain.oldest_height ) { t->gap_to = chain.oldest_height-1; t->item_cnt = 0; return DMG_OK; }
  }
  return !err && w.is_full ? DMG_ERR_LIMIT : err;
}

/* ---- Telling; under the lock ---- */

/* false: it waits at its place. */
static bool send( dmg_rpc_t * rpc, sub_t * s, dmg_buf_t const * note, bool is_charged ) {
  dmg_sub_set_behind( rpc->subs, s, true );   /* before it is tried: room may be announced before a full send returns */
  s->is_ready = false;
  if( is_charged && dmg_rpc_is_spent( rpc, &s->sock->who ) ) { rpc->subs->is_owed = true; return false; }
  if( !rpc->ws.send || rpc->ws.send( rpc->ws.ctx, s->sock->ws, dmg_buf_span( note ) ) ) return false;
  dmg_sub_set_behind( rpc->subs, s, false );
  s->is_ready = true;
  if( is_charged ) dmg_rpc_charge_item( rpc, &s->sock->who, (uint32_t)( note->sz+4095 )/4096 );   /* F3.3 */
  return true;
}

static dmg_jw_t begin( dmg_buf_t * note, char const * method, sub_t const * s ) {
  dmg_jw_t w = dmg_jw( note );
  dmg_jw_open( &w, '{' );
  dmg_jw_kcstr( &w, "jsonrpc", "2.0" );
  dmg_jw_kcstr( &w, "method", method );
  dmg_jw_key( &w, "params" );
  dmg_jw_open( &w, '{' );
  dmg_jw_ku64( &w, "subscription", s->id );
  return w;
}
static bool end( dmg_rpc_t * rpc, sub_t * s, dmg_jw_t * w, bool is_charged ) {
  dmg_jw_close( w, '}' );
  dmg_jw_close( w, '}' );
  bool is_sent = !w->is_full && send( rpc, s, w->buf, is_charged );
  dmg_buf_fini( w->buf );
  return is_sent;
}

static bool tell_item( dmg_rpc_t * rpc, sub_t * s, turn_t const * t, item_t const * item, dmg_buf_t const * json ) {
  dmg_buf_t note = dmg_buf( NOTE_SZ_MAX );
  char cursor[ CURSOR_TEXT_SZ+1 ];
  dmg_jw_t w = begin( &note, "sub_item", s );
  dmg_sub_cursor( s, item->seq, t->at.height, item->position, cursor );
  dmg_jw_ku64 ( &w, "seq", item->seq );
  dmg_jw_kcstr( &w, "cursor", cursor );
  dmg_rpc_put_at( &w, &t->at );
  dmg_jw_kcstr( &w, "state", t->at.is_final ? "final" : "included" );
  dmg_jw_key( &w, "item" );
  dmg_jw_raw( &w, dmg_span( json->p+item->from, item->sz ) );
  return end( rpc, s, &w, true );
}

/* F5.3.  Of `blocks` by seq; of `events`, whose seqs in there nobody knows any more, by height. */
static bool tell_gap( dmg_rpc_t * rpc, sub_t * s, uint64_t to ) {
  dmg_buf_t note = dmg_buf( NOTE_SZ_MAX );
  dmg_jw_t w = begin( &note, "sub_gap", s );
  dmg_jw_ku64 ( &w, s->topic==TOPIC_BLOCKS ? "from" : "fromHeight", s->next_height );
  dmg_jw_ku64 ( &w, s->topic==TOPIC_BLOCKS ? "to" : "toHeight", to );
  dmg_jw_kcstr( &w, "reason", "pruned" );
  return end( rpc, s, &w, true );
}

static void deliver( dmg_rpc_t * rpc, turn_t const * t, dmg_buf_t const * json, sub_t * s ) {
  if( t->gap_to ) {
    if( !tell_gap( rpc, s, t->gap_to ) ) return;
    s->next_height = t->gap_to+1;
    s->next_item   = 0;
    if( s->topic==TOPIC_BLOCKS ) s->seq = t->gap_to;
    return;
  }
  for( uint32_t i = 0; i<t->item_cnt; i++ ) {
    if( !tell_item( rpc, s, t, &t->items[ i ], json ) ) return;
    s->seq       = t->items[ i ].seq;
    s->next_item = t->items[ i ].position;
  }
  if( s->topic==TOPIC_ACCOUNT ) s->told = t->told;
  s->next_height = ( s->topic==TOPIC_ACCOUNT ? t->head : t->of.next_height )+1;
  s->next_item   = 0;
}

/* F3.3: 1 per 200 events looked at, and 1 for a block of the past. */
static bool pays_for_reading( dmg_rpc_t * rpc, turn_t const * t, sub_t * s ) {
  uint32_t units = t->tested/EVENTS_PER_UNIT+( t->of.next_height<t->head )+( s->topic==TOPIC_ACCOUNT ? 4u : 0u );
  if( !units ) return true;
  if( !dmg_rpc_is_spent( rpc, &s->sock->who ) ) { dmg_rpc_charge_item( rpc, &s->sock->who, units ); return true; }
  dmg_sub_set_behind( rpc->subs, s, true );
  s->is_ready = false;
  rpc->subs->is_owed = true;
  return false;
}

/* F5.6: sub_stop is the last word. */
static void end_broken( dmg_rpc_t * rpc, sub_t * s, dmg_err_t err ) {
  dmg_buf_t note = dmg_buf( NOTE_SZ_MAX );
  char cursor[ CURSOR_TEXT_SZ+1 ];
  dmg_jw_t w = begin( &note, "sub_stop", s );
  dmg_sub_cursor( s, s->seq, s->topic==TOPIC_EVENTS ? s->next_height : s->next_height-1, s->next_item, cursor );
  dmg_jw_kcstr( &w, "reason", err==DMG_ERR_LIMIT ? "limit" : "internal" );
  dmg_jw_kcstr( &w, "cursor", cursor );
  (void)end( rpc, s, &w, false );
  dmg_sub_end( rpc->subs, s );
}

/* ---- The pump ---- */

static sub_t * find( dmg_rpc_sub_t * subs, uint64_t ws, uint64_t id ) {
  sock_t * sock = *dmg_sub_sock_at( subs, ws );
  for( sub_t * s = sock ? sock->subs : NULL; s; s = s->next ) if( s->id==id ) return s;
  return NULL;
}

static void turn( pump_t * p, sub_t * s ) {
  dmg_rpc_sub_t * subs = p->rpc->subs;
  turn_t t = { .of = *s, .ws = s->sock->ws, .who = s->sock->who, .head = subs->log_height, .revert_cnt = subs->revert_cnt };
  pthread_mutex_unlock( &subs->lock );
  dmg_err_t err = read_turn( p, &t );
  pthread_mutex_lock( &subs->lock );
  s = find( subs, t.ws, t.of.id );
  /* Closed meanwhile, or what was read is of a chain that dev_revert took back. */
  if( !s || subs->revert_cnt!=t.revert_cnt || subs->is_draining ) return;
  /* No block, no state: dev_revert is under way, its next block tells. */
  if( err==DMG_ERR_NOT_FOUND || err==DMG_ERR_AGAIN ) { dmg_sub_set_behind( subs, s, true ); s->is_ready = false; subs->is_owed = true; return; }
  if( err ) { end_broken( p->rpc, s, err ); return; }
  if( pays_for_reading( p->rpc, &t, s ) ) deliver( p->rpc, &t, &p->json, s );
}

static void * pump_thread( void * arg ) {
  pump_t p = { .rpc = arg, .arena = dmg_arena_new( DMG_RPC_ARENA_MAX ), .json = dmg_buf( NOTE_SZ_MAX ) };
  dmg_rpc_sub_t * subs = p.rpc->subs;
  dmg_os_thread_name( "dmg-rpc-sub" );
  pthread_mutex_lock( &subs->lock );
  while( !subs->is_stopping ) {
    sub_t * s = p.arena ? next_due( subs ) : NULL;
    if( s ) turn( &p, s );
    else    pthread_cond_wait( &subs->wake, &subs->lock );
  }
  pthread_mutex_unlock( &subs->lock );
  dmg_buf_fini( &p.json );
  dmg_arena_free( p.arena );
  return NULL;
}

bool dmg_sub_log_start( dmg_rpc_call_t * call, sub_t * s ) {
  dmg_rpc_sub_t * subs = call->rpc->subs;
  dmg_query_chain_t chain;
  if( subs->log_cnt>=SUB_LOG_MAX || ( s->topic==TOPIC_ACCOUNT && subs->account_cnt>=SUB_ACCOUNT_MAX ) )
    return dmg_rpc_fail( call, DMG_RPC_LIMIT_EXCEEDED, NULL, "at most %u streams of blocks, events and accounts in all, %u of them accounts", SUB_LOG_MAX, SUB_ACCOUNT_MAX );
  if( !subs->has_pump ) {
    if( pthread_create( &subs->pump, NULL, pump_thread, call->rpc ) ) return dmg_rpc_fail_err( call, DMG_ERR_FULL, "subscription" );
    subs->has_pump = true;
  }
  call->query->chain( call->query->ctx, &chain );
  if( chain.final.height>subs->log_height ) subs->log_height = chain.final.height;
  return true;
}

void dmg_sub_log_stop( dmg_rpc_sub_t * subs ) {
  if( !subs->has_pump ) return;
  pthread_mutex_lock( &subs->lock );
  subs->is_stopping = true;
  pthread_cond_signal( &subs->wake );
  pthread_mutex_unlock( &subs->lock );
  pthread_join( subs->pump, NULL );
  subs->has_pump = false;
}
