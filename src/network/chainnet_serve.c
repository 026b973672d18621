/* What peers ask of us: one answer at a time a slot, chunk by chunk as the port has room (N4.2, N6.1, N9.1). */
#include "network/chainnet_int.h"
#include "base/num.h"

/* What is read for an answer beside what is sent: of a block whose header is asked for, and for anything at all. */
enum { HEADER_READ_SZ = 4096, HEADER_BODY_SZ = 128<<10, CHUNK_SZ = 1024 };

/* An error has no other chunk; one that finds no room ends the question unanswered, which the port makes a reset. */
static void refuse( net_t * n, uint64_t id, uint8_t code, dmg_span_t bytes ) {
  if( dmg_net_reply( n->port, id, code, bytes, true ) ) (void)!dmg_net_cancel( n->port, id );
}

static void refuse_by( net_t * n, uint64_t id, dmg_err_t err ) {
  if( err==DMG_ERR_PRUNED ) {
    dmg_chainnet_head_t head;
    uint8_t b[ 8 ];
    n->chain->head( n->chain->ctx, &head );
    dmg_store_u64le( b, head.first_body );
    refuse( n, id, DMG_WIRE_PRUNED, DMG_SPAN( b ) );
  } else refuse( n, id, err==DMG_ERR_NOT_FOUND ? DMG_WIRE_NOT_HERE : err==DMG_ERR_INVALID ? DMG_WIRE_BAD_REQUEST : DMG_WIRE_SERVER, dmg_span( NULL, 0 ) );
}

static void slow_down( net_t * n, conn_t * c, uint64_t id, uint32_t ms ) {
  uint8_t b[ 4 ];
  dmg_store_u32le( b, ms );
  n->stat.requests_slow++;
  /* N6.1: told twice and not heard. */
  if( c->slow_until_us>n->now_us && ++c->slow_ignored==2 ) {
    c->slow_ignored = 0;
    (void)!dmg_net_score( n->port, &c->peer, -50 );
  }
  c->slow_until_us = n->now_us+(uint64_t)ms*1000;
  refuse( n, id, DMG_WIRE_SLOW_DOWN, DMG_SPAN( b ) );
}

static void due_set( net_t * n, serve_t * s, bool is_due ) {
  n->serve_due_cnt += is_due;
  n->serve_due_cnt -= s->is_due;
  s->is_due = is_due;
}

static void serve_free( net_t * n, serve_t * s ) {
  DMG_ASSERT( s->is_used && n->conns[ s->conn ].serve_cnt );
  n->conns[ s->conn ].serve_cnt--;
  due_set( n, s, false );
  s->is_used = false;
}

/* --- chunks ----------------------------------------------------------------------------------------------- */

/* Into n->chunk the next chunk; *out_is_last; *io_sz grows by what was read for it.  NOT_FOUND and others only for the first. */
static dmg_err_t make_headers( net_t * n, serve_t * s, uint32_t * out_cnt, bool * out_is_last, uint64_t * io_sz ) {
  dmg_buf_clear( &n->chunk );
  uint8_t * p;
  DMG_TRY( dmg_buf_grow( &n->chunk, DMG_WIRE_HEADERS_CHUNK_SZ, &p ) );
  uint32_t cnt = 0;
  dmg_err_t err = DMG_OK;
  dmg_hash_t at = s->cursor;
  while( cnt<DMG_WIRE_HEADERS_CHUNK && cnt<s->left ) {
    uint8_t * h = p+1+(size_t)cnt*DMG_SIGNED_HEADER_SZ;
    err = n->chain->header( n->chain->ctx, &at, h );
    if( err ) break;
    cnt++;
    *io_sz += HEADER_READ_SZ+dmg_min_u64( dmg_load_u32le( h+238 ), HEADER_BODY_SZ );   /* body_len */
    at = dmg_hash_load( h+25 );                    /* parent_hash */
  }
  if( !cnt ) return err;
  bool is_last = err || cnt==s->left;
  uint8_t more[ DMG_SIGNED_HEADER_SZ ];
  if( !is_last && n->chain->header( n->chain->ctx, &at, more )!=DMG_OK ) is_last = true;   /* else a chunk of none would have to end it */
  p[ 0 ] = (uint8_t)cnt;
  n->chunk.sz  = 1+(size_t)cnt*DMG_SIGNED_HEADER_SZ;
  *out_cnt     = cnt;
  *out_is_last = is_last;
  return DMG_OK;
}

static dmg_err_t make_body( net_t * n, serve_t * s, bool * out_is_last, uint64_t * io_sz ) {
  dmg_buf_clear( &n->raw );
  dmg_buf_clear( &n->chunk );
  dmg_err_t err = n->chain->body( n->chain->ctx, &s->mem->bodies.hashes[ s->pos ], &n->raw );
  if( err && err!=DMG_ERR_NOT_FOUND && err!=DMG_ERR_PRUNED ) return err;
  DMG_TRY( dmg_wire_body_encode( err ? dmg_span( NULL, 0 ) : dmg_buf_span( &n->raw ), &n->chunk ) );
  *out_is_last = s->pos+1==s->mem->bodies.cnt;
  *io_sz      += n->raw.sz;
  return DMG_OK;
}

/* N8.7: transactions of a body that was pushed here or by us. */
static dmg_err_t make_bodytx( net_t * n, serve_t * s, bool * out_is_last ) {
  dmg_wire_bodytx_req_t const * r = &s->mem->bodytx;
  kept_t * k = kept_find( n, &r->body_hash );
  dmg_buf_clear( &n->chunk );
  if( !k ) return DMG_ERR_NOT_FOUND;
  if( r->idx[ r->cnt-1 ]>=k->tx_cnt ) return DMG_ERR_INVALID;   /* ascending: the last is the highest */
  place_t at;
  memcpy( &at, k->places.p+(size_t)r->idx[ s->pos ]*sizeof at, sizeof at );
  DMG_TRY( dmg_buf_append( &n->chunk, k->body.p+at.off, at.sz ) );
  *out_is_last = s->pos+1==r->cnt;
  bool is_counted = k->is_own && n->conns[ s->conn ].member>=0;   /* N8.6: what validators lack; a follower's wants are its own */
  if( is_counted ) k->asked_sz += at.sz;
  if( is_counted && *out_is_last ) {               /* what is expected to be missing next time */
    uint32_t links = 0;
    for( int i = 0; i<DMG_CHAINNET_PEER_MAX; i++ ) links += n->members[ i ].is_used && n->members[ i ].is_link;
    n->miss_sz = dmg_max_u64( n->miss_sz, k->asked_sz/( links ? links : 1 ) );
  }
  return DMG_OK;
}

static dmg_err_t make_tx( net_t * n, serve_t * s, bool * out_is_last ) {
  uint8_t * p;
  dmg_buf_clear( &n->chunk );
  DMG_TRY( dmg_buf_grow( &n->chunk, 1, &p ) );
  dmg_err_t err = n->chain->tx( n->chain->ctx, &s->mem->ids.ids[ s->pos ], &n->chunk );
  if( err && err!=DMG_ERR_NOT_FOUND ) return err;
  n->chunk.p[ 0 ] = !err;
  *out_is_last = s->pos+1==s->mem->ids.cnt;
  return DMG_OK;
}

/* *io_sz grows by what it cost.  false: the answer has ended, or waits for room. */
static bool serve_chunk( net_t * n, serve_t * s, uint64_t * io_sz ) {
  dmg_err_t err = DMG_OK;
  bool is_last = true;
  uint32_t cnt = 1;
  switch( s->proto ) {
    case DMG_CHAINNET_HEADERS: err = make_headers( n, s, &cnt, &is_last, io_sz ); break;
    case DMG_CHAINNET_BODIES:  err = make_body( n, s, &is_last, io_sz ); break;
    case DMG_CHAINNET_BODYTX:  err = make_bodytx( n, s, &is_last ); break;
    case DMG_CHAINNET_TXREQ:   err = make_tx( n, s, &is_last ); break;
    case DMG_CHAINNET_EPOCHS:
      dmg_buf_clear( &n->chunk );
      err = n->chain->handover( n->chain->ctx, s->epoch, &n->chunk );
      dmg_buf_clear( &n->raw );
      is_last = s->left==1 || n->chain->handover( n->chain->ctx, s->epoch+1, &n->raw )!=DMG_OK;
      break;
    case DMG_CHAINNET_RUNS:
      dmg_buf_clear( &n->chunk );
      err = n->chain->runs( n->chain->ctx, &s->cursor, s->epoch, s->left, &n->chunk );
      break;
    default:
      dmg_buf_clear( &n->chunk );
      err = n->chain->proposal( n->chain->ctx, s->epoch, s->view, &s->cursor, &n->chunk );
  }
  *io_sz += n->chunk.sz+CHUNK_SZ;
  if( err ) {
    refuse_by( n, s->id, err );
    serve_free( n, s );
    return false;
  }
  /* The next block's hash, read before the chunk leaves. */
  dmg_hash_t next = s->cursor;
  if( s->proto==DMG_CHAINNET_HEADERS ) next = dmg_hash_load( n->chunk.p+1+(size_t)( cnt-1 )*DMG_SIGNED_HEADER_SZ+25 );
  err = dmg_net_reply( n->port, s->id, DMG_WIRE_DATA, dmg_buf_span( &n->chunk ), is_last );
  if( err==DMG_ERR_FULL ) return false;              /* ROOM follows */
  if( err ) {
    if( err==DMG_ERR_LIMIT ) refuse( n, s->id, DMG_WIRE_SERVER, dmg_span( NULL, 0 ) );
    serve_free( n, s );
    return false;
  }
  /* What is sent is paid after the fact: the next question waits until it is. */
  bucket_pay( &n->conns[ s->conn ].in_bytes, n->now_us, n->chunk.sz, 10ull*SERVE_CONN_S, 2ull*SERVE_CONN_S );
  s->cursor   = next;
  if( s->left ) s->left -= cnt;
  s->pos++;
  s->epoch++;
  if( is_last ) serve_free( n, s );
  return !is_last;
}

/* Who asks a validator and is none shares what there is for all of those: a mebibyte to read and to pack costs him 33 bytes. */
static bool is_stranger( net_t const * n, conn_t const * c ) { return n->self>=0 && c->member<0; }
static bool has_share( net_t * n, conn_t const * c ) { return !is_stranger( n, c ) || bucket_take( &n->strangers, n->now_us, 1, 10ull*SERVE_STRANGERS_S, SERVE_STRANGERS_S ); }

/* One go, or what there is room for. */
static void serve_pump( net_t * n, serve_t * s ) {
  conn_t const * c = &n->conns[ s->conn ];
  bool goes_on = true, is_shared = is_stranger( n, c );
  uint64_t sz = 0;
  due_set( n, s, false );
  if( has_share( n, c ) ) while( goes_on && sz<SERVE_GO_SZ ) goes_on = serve_chunk( n, s, &sz );
  if( is_shared ) bucket_pay( &n->strangers, n->now_us, sz, 10ull*SERVE_STRANGERS_S, SERVE_STRANGERS_S );
  if( !goes_on ) return;
  due_set( n, s, true );
  net_wake( n, is_shared ? n->strangers.us : n->now_us );
}

/* One answer a tick goes on, in turn; strangers' where no other is. */
void serve_tick( net_t * n ) {
  if( !n->serve_due_cnt ) return;
  bool is_served = false;
  for( uint32_t turn = 0, turns = n->strangers.us>n->now_us ? 1 : 2; turn<turns && !is_served; turn++ ) for( uint32_t k = 0; k<SERVE_MAX && !is_served; k++ ) {
    serve_t * s = &n->serves[ n->serve_at ];
    n->serve_at = ( n->serve_at+1 )%SERVE_MAX;
    if( !s->is_due || is_stranger( n, &n->conns[ s->conn ] )!=( turn==1 ) ) continue;
    serve_pump( n, s );
    is_served = true;
  }
  if( n->serve_due_cnt ) net_wake( n, is_served ? n->now_us : n->strangers.us );
}

/* --- questions -------------------------------------------------------------------------------------------- */

typedef struct { uint64_t units, per_10s; } price_t;   /* N6.1: of a question, of what a connection has */

static dmg_verdict_t question_decode( serve_t * s, dmg_span_t bytes, price_t * out ) {
  dmg_verdict_t v;
  switch( s->proto ) {
    case DMG_CHAINNET_HEADERS: {
      dmg_wire_headers_req_t r;
      v = dmg_wire_headers_req_decode( bytes, &r );
      if( v.kind ) break;
      s->cursor = r.hash;
      s->left   = r.count;
      *out      = (price_t){ r.count, 8192 };
      break;
    }
    case DMG_CHAINNET_BODIES:
      v = dmg_wire_bodies_req_decode( bytes, &s->mem->bodies );
      if( !v.kind ) *out = (price_t){ s->mem->bodies.cnt, 1024 };
      break;
    case DMG_CHAINNET_BODYTX:
      v = dmg_wire_bodytx_req_decode( bytes, &s->mem->bodytx );
      if( !v.kind ) *out = (price_t){ s->mem->bodytx.cnt, (uint64_t)10*DMG_WIRE_BODYTX_MAX };
      break;
    case DMG_CHAINNET_TXREQ:
      v = dmg_wire_ids_req_decode( bytes, &s->mem->ids );
      if( !v.kind ) *out = (price_t){ s->mem->ids.cnt, (uint64_t)16*DMG_WIRE_IDS_MAX };
      break;
    case DMG_CHAINNET_PROPOSAL: {
      dmg_wire_proposal_req_t r;
      v = dmg_wire_proposal_req_decode( bytes, &r );
      if( v.kind ) break;
      s->cursor = r.hash;
      s->epoch  = r.epoch;
      s->view   = r.view;
      s->left   = 1;
      *out      = (price_t){ 1, 128 };
      break;
    }
    case DMG_CHAINNET_RUNS: {
      dmg_wire_runs_req_t r;
      v = dmg_wire_runs_req_decode( bytes, &r );
      if( v.kind ) break;
      s->cursor = r.hash;
      s->epoch  = r.first;
      s->left   = r.count;
      *out      = (price_t){ r.count, 4096 };
      break;
    }
    case DMG_CHAINNET_EPOCHS: {
      dmg_wire_epochs_req_t r;
      v = dmg_wire_epochs_req_decode( bytes, &r );
      if( v.kind ) break;
      s->epoch = r.from;
      s->left  = r.count;
      *out     = (price_t){ r.count, 640 };
      break;
    }
    default: v = dmg_verdict_bad( "proto", "not a question", 0 );
  }
  return v;
}

void serve_req( net_t * n, dmg_net_ev_t const * ev ) {
  conn_t * c = &n->conns[ conn_find( n, ev->conn ) ];
  if( n->is_stopping || c->is_closing ) { refuse( n, ev->id, DMG_WIRE_SERVER, dmg_span( NULL, 0 ) ); return; }
  n->stat.requests_in++;
  if( ev->proto==DMG_CHAINNET_STATUS ) {
    /* Theirs is told with the question (N9.1: the same). */
    dmg_wire_status_t s;
    if( dmg_wire_status_decode( ev->data, &s ).kind ) { n->stat.requests_bad++; refuse( n, ev->id, DMG_WIRE_BAD_REQUEST, dmg_span( NULL, 0 ) ); return; }
    if( !bucket_take( &c->in[ ev->proto ], n->now_us, 3, 10, 15 ) ) { slow_down( n, c, ev->id, 3000 ); return; }   /* 5 in 15 s */
    uint8_t b[ DMG_WIRE_STATUS_SZ ];
    status_own( n, b );
    refuse( n, ev->id, DMG_WIRE_DATA, DMG_SPAN( b ) );
    status_theirs( n, (int)( c-n->conns ), &s );
    return;
  }
  if( ev->proto==DMG_CHAINNET_PEERINFO ) {
    if( ev->data.sz ) { n->stat.requests_bad++; refuse( n, ev->id, DMG_WIRE_BAD_REQUEST, dmg_span( NULL, 0 ) ); return; }
    if( !bucket_take( &c->in[ ev->proto ], n->now_us, 1, 1, 4 ) ) { slow_down( n, c, ev->id, 10000 ); return; }   /* 4 at once, 1 in 10 s */
    peers_serve( n, (int)( c-n->conns ), ev->id );
    return;
  }
  serve_t * s = NULL;
  for( int i = 0; i<SERVE_MAX && !s; i++ ) if( !n->serves[ i ].is_used ) s = &n->serves[ i ];
  /* What a slow reader keeps open is bounded; DMG_CHAINNET_CONN_MAX of them leave room for validators. */
  if( !s || ( c->member<0 && c->serve_cnt>=SERVE_CONN_MAX ) ) { slow_down( n, c, ev->id, 1000 ); return; }
  *s = (serve_t){ .proto = (uint8_t)ev->proto, .conn = (uint16_t)( c-n->conns ), .id = ev->id, .mem = &n->serve_mem[ s-n->serves ] };
  price_t price = { 0 };
  if( question_decode( s, ev->data, &price ).kind ) {
    n->stat.requests_bad++;
    refuse( n, ev->id, DMG_WIRE_BAD_REQUEST, dmg_span( NULL, 0 ) );
    return;
  }
  /* N6.1; and 16 MiB a second of answers, which the last one may exceed by itself. */
  if( !bucket_take( &c->in_bytes, n->now_us, 1, 10ull*SERVE_CONN_S, 2ull*SERVE_CONN_S ) || !bucket_take( &c->in[ ev->proto ], n->now_us, price.units, price.per_10s, price.per_10s ) ) {
    slow_down( n, c, ev->id, 1000 );
    return;
  }
  s->is_used = true;
  c->serve_cnt++;
  if( !is_stranger( n, c ) ) { serve_pump( n, s ); return; }
  /* It takes its place among those who wait: what there is for all of them is not who asks first's, nor is it anybody's fault when it is used up. */
  due_set( n, s, true );
  net_wake( n, dmg_max_u64( n->now_us, n->strangers.us ) );
}

static serve_t * serve_find( net_t * n, uint64_t id ) {
  for( int i = 0; i<SERVE_MAX; i++ ) if( n->serves[ i ].is_used && n->serves[ i ].id==id ) return &n->serves[ i ];
  return NULL;
}

void serve_room( net_t * n, dmg_net_ev_t const * ev ) {
  serve_t * s = serve_find( n, ev->id );
  if( s ) serve_pump( n, s );
}

bool serve_end( net_t * n, dmg_net_ev_t const * ev ) {
  serve_t * s = serve_find( n, ev->id );
  if( s ) serve_free( n, s );
  return s!=NULL;
}

void serve_conn_down( net_t * n, int conn ) {
  for( int i = 0; i<SERVE_MAX; i++ ) if( n->serves[ i ].is_used && n->serves[ i ].conn==conn ) serve_free( n, &n->serves[ i ] );
}
