/* Sync (N9.3, C10.1): no height is believed, only a FINALIZATION that the chain's judge accepts.

     goal ----BACK----> our final block          headers by hash, 512 a question; of each stretch its top is kept
     our final block ----UP----> goal            stretch by stretch from below: headers again (the lowest is still here), bodies of up to 64 blocks
                                                 from many peers, SYNC in height order

   What topic block has brought of these (chainnet_block.c, kept) is taken from there: who hears all is asked for nothing.

   A header is right because its hash is what its child, or the FINALIZATION, says; a body because its hash is what its header says.  So a wrong byte shows at once
   and convicts the one who sent it. */
#include "network/chainnet_int.h"

enum { HEADERS_MS = 10000, BODIES_MS = 15000, EPOCHS_MS = 10000, AGAIN_US = 1000000, REST_US = 2000000 };

static bool is_above( dmg_cert_t const * a, uint32_t epoch, uint64_t view ) { return a->epoch>epoch || ( a->epoch==epoch && a->view>view ); }

/* --- requests --------------------------------------------------------------------------------------------- */

static sync_req_t * req_new( net_t * n, uint8_t proto, int conn, dmg_span_t bytes, uint32_t ms ) {
  sync_req_t * r = NULL;
  for( int i = 0; i<SYNC_REQ_MAX && !r; i++ ) if( !n->sync.reqs[ i ].is_used ) r = &n->sync.reqs[ i ];
  if( !r ) return NULL;
  uint64_t id;
  if( dmg_net_request( n->port, n->conns[ conn ].conn, proto, bytes, ms, &id )!=DMG_OK ) return NULL;
  *r = (sync_req_t){ .is_used = true, .proto = proto, .conn = (int16_t)conn, .id = id };
  n->conns[ conn ].out_cnt[ proto ]++;
  return r;
}

static bool is_asking( net_t const * n, uint8_t proto ) {
  for( int i = 0; i<SYNC_REQ_MAX; i++ ) if( n->sync.reqs[ i ].is_used && n->sync.reqs[ i ].proto==proto ) return true;
  return false;
}

/* Block i of the stretch, from below. */
static uint8_t const * header_at( sync_t const * s, uint32_t i ) { return s->headers+(size_t)( s->header_cnt-1-i )*DMG_SIGNED_HEADER_SZ; }
static uint32_t body_len_at( sync_t const * s, uint32_t i ) { return dmg_load_u32le( header_at( s, i )+238 ); }
static dmg_hash_t body_hash_at( sync_t const * s, uint32_t i ) { return dmg_hash_load( header_at( s, i )+206 ); }
static dmg_hash_t hash_at( sync_t const * s, uint32_t i ) { return dmg_header_bytes_hash( dmg_span( header_at( s, i ), DMG_HEADER_SZ ) ); }

/* C7.3, C2.5: a closing header has no body, an empty body is three zero bytes. */
static bool has_body( sync_t const * s, uint32_t i ) { return header_at( s, i )[ 2 ]!=DMG_BLOCK_CLOSING && body_len_at( s, i )>DMG_BODY_EMPTY_SZ; }

static void slot_clear( sync_t * s, body_slot_t * b ) {
  s->held_sz -= b->charged;
  b->charged = 0;
  b->state   = BODY_NONE;
  dmg_buf_fini( &b->buf );
  b->buf = dmg_buf( DMG_WIRE_BODY_SZ_MAX );
  memset( b->tried, 0, sizeof b->tried );
}

static void req_free( net_t * n, sync_req_t * r ) {
  conn_t * c = &n->conns[ r->conn ];
  DMG_ASSERT( c->out_cnt[ r->proto ] );
  c->out_cnt[ r->proto ]--;
  r->is_used = false;
  if( r->proto!=DMG_CHAINNET_BODIES ) return;
  for( uint32_t k = r->pos; k<r->cnt; k++ ) {
    body_slot_t * b = &n->sync.slots[ r->blocks[ k ]%WINDOW ];
    if( b->state!=BODY_ASKED || b->block!=r->blocks[ k ] ) continue;
    b->state = BODY_NONE;
    n->sync.held_sz -= b->charged;
    b->charged = 0;
  }
}

static void reqs_cancel( net_t * n ) {
  for( int i = 0; i<SYNC_REQ_MAX; i++ ) {
    sync_req_t * r = &n->sync.reqs[ i ];
    if( !r->is_used ) continue;
    (void)!dmg_net_cancel( n->port, r->id );
    req_free( n, r );
  }
}

/* --- stages ----------------------------------------------------------------------------------------------- */

static void stretch_begin( sync_t * s ) {
  for( unsigned i = 0; i<WINDOW; i++ ) slot_clear( s, &s->slots[ i ] );
  s->given = s->taken = 0;
}

static void rest( net_t * n ) {
  sync_t * s = &n->sync;
  reqs_cancel( n );                                /* what still comes was not asked for by who is asked next */
  stretch_begin( s );
  s->stage      = SYNC_IDLE;
  s->header_cnt = 0;
  s->is_dirty   = true;
}

static void halt( net_t * n, char const * text ) {
  sync_t * s = &n->sync;
  rest( n );
  s->is_stuck = s->is_bad_due = true;
  s->text     = text;
}

static void begin( net_t * n ) {
  sync_t * s = &n->sync;
  dmg_chainnet_head_t head;
  memset( &head, 0, sizeof head );
  n->chain->head( n->chain->ctx, &head );
  if( !s->has_goal || s->is_stuck || !is_above( &s->goal, head.epoch, head.final_view ) || dmg_hash_eq( &s->goal.hash, &head.hash ) ) return;
  s->at           = s->goal;
  s->at_height    = s->goal_height;
  s->low_height   = 0;
  bool is_tip = head.tip_height>head.height;
  s->base         = is_tip ? head.tip_hash : head.hash;
  s->base_height  = is_tip ? head.tip_height : head.height;
  s->height       = s->base_height;
  s->top_height   = 0;
  s->stage        = SYNC_BACK;
  s->skeleton_cnt = 0;
  s->header_cnt   = 0;
  s->expect       = s->at.hash;
  memset( s->tried, 0, sizeof s->tried );
  stretch_begin( s );
}

static void ask_headers( net_t * n ) {
  sync_t * s = &n->sync;
  if( is_asking( n, DMG_CHAINNET_HEADERS ) ) return;
  /* No more than is missing as far as heights tell; closing headers have none of their own, they are asked for again. */
  uint64_t count = s->stage==SYNC_HEADERS ? s->skeleton[ s->skeleton_cnt-1 ].cnt-s->header_cnt : 64;
  if( s->stage==SYNC_BACK ) {
    uint64_t high = s->low_height ? s->low_height-1 : s->at_height;
    if( high ) count = high>s->base_height ? dmg_min_u64( high-s->base_height, HEADERS_MAX-s->header_cnt ) : 1;
  }
  int conn = pick_conn( n, DMG_CHAINNET_HEADERS, NULL, s->tried, s->top_height ? s->top_height : s->base_height+1 );
  if( conn<0 ) {
    memset( s->tried, 0, sizeof s->tried );
    net_wake( n, s->next_us = n->now_us+AGAIN_US );
    return;
  }
  dmg_wire_headers_req_t q = { .hash = s->expect, .count = (uint16_t)count };
  uint8_t b[ DMG_WIRE_HEADERS_REQ_SZ ];
  dmg_wire_headers_req_encode( &q, b );
  bit_set( s->tried, (uint32_t)conn );
  if( !req_new( n, DMG_CHAINNET_HEADERS, conn, DMG_SPAN( b ), HEADERS_MS ) ) net_wake( n, s->next_us = n->now_us+AGAIN_US/10 );
}

/* The next stretch upward: its headers again; the first one's are still here. */
static void stretch_next( net_t * n ) {
  sync_t * s = &n->sync;
  reqs_cancel( n );
  stretch_begin( s );
  s->header_cnt = 0;
  memset( s->tried, 0, sizeof s->tried );
  if( --s->skeleton_cnt ) {
    s->stage  = SYNC_HEADERS;
    s->expect = s->skeleton[ s->skeleton_cnt-1 ].hash;
    return;
  }
  s->stage = SYNC_IDLE;
  begin( n );                                      /* the goal may have moved on */
  if( s->stage==SYNC_IDLE ) s->is_synced_due = true;
  s->is_dirty = true;
}

/* A header in the place of s->expect; false: not that one. */
static bool take_header( net_t * n, uint8_t const * raw ) {
  sync_t * s = &n->sync;
  dmg_hash_t h = dmg_header_bytes_hash( dmg_span( raw, DMG_HEADER_SZ ) );
  if( !dmg_hash_eq( &h, &s->expect ) ) return false;
  uint64_t height = dmg_load_u64le( raw+17 );
  bool is_closing = raw[ 2 ]==DMG_BLOCK_CLOSING;
  if( s->stage==SYNC_BACK ) {
    uint8_t ours[ DMG_SIGNED_HEADER_SZ ];
    /* A FINALIZATION of what is committed here, for want of a later one: nothing to go to.  One that is not here at its height is told below. */
    dmg_err_t err = !s->top_height && height<=s->base_height ? n->chain->header( n->chain->ctx, &h, ours ) : DMG_ERR_NOT_FOUND;
    if( err!=DMG_ERR_NOT_FOUND ) {
      rest( n );
      s->has_goal = err && err!=DMG_ERR_PRUNED;      /* could not be read: it is tried again */
      return true;
    }
    if( !s->top_height ) s->top_height = height ? height : 1;
    if( !s->header_cnt ) {
      if( s->skeleton_cnt==SKELETON_MAX ) { halt( n, "more blocks behind than one sync can hold" ); return true; }
      s->skeleton[ s->skeleton_cnt++ ] = (stretch_t){ .hash = h };
    }
    s->skeleton[ s->skeleton_cnt-1 ].cnt++;
    s->low_height = height;
  }
  memcpy( s->headers+(size_t)s->header_cnt*DMG_SIGNED_HEADER_SZ, raw, DMG_SIGNED_HEADER_SZ );
  s->header_cnt++;
  s->expect = dmg_hash_load( raw+25 );
  if( s->stage==SYNC_HEADERS ) {
    if( s->header_cnt==s->skeleton[ s->skeleton_cnt-1 ].cnt ) s->stage = SYNC_UP;
    return true;
  }
  if( dmg_hash_eq( &s->expect, &s->base ) ) { s->stage = SYNC_UP; return true; }
  /* Below our own final block without having met it: two final chains (C9.5), or our store is another chain's. */
  if( height<s->base_height || ( height==s->base_height && !is_closing ) || !height ) { halt( n, "the final chain of peers does not contain our final block" ); return true; }
  if( s->header_cnt==HEADERS_MAX ) { s->header_cnt = 0; memset( s->tried, 0, sizeof s->tried ); }
  return true;
}

/* The headers that topic block has brought, from the goal on. */
static void take_told( net_t * n ) {
  sync_t * s = &n->sync;
  uint8_t const * raw;
  while( s->stage==SYNC_BACK && !is_asking( n, DMG_CHAINNET_HEADERS ) && ( raw = block_told( n, &s->expect ) ) && take_header( n, raw ) ) s->is_dirty = true;
}

/* --- bodies ----------------------------------------------------------------------------------------------- */

/* The bodies that came with it. */
static void take_kept( net_t * n ) {
  sync_t * s = &n->sync;
  for( uint32_t i = s->given; i<s->header_cnt && i<s->taken+WINDOW; i++ ) {
    body_slot_t * b = &s->slots[ i%WINDOW ];
    if( b->state!=BODY_NONE || !has_body( s, i ) ) continue;
    dmg_hash_t h = body_hash_at( s, i );
    kept_t const * k = kept_find( n, &h );
    if( !k || k->body.sz!=body_len_at( s, i ) ) continue;
    if( s->held_sz+k->body.sz>WINDOW_SZ_MAX || dmg_buf_append( &b->buf, k->body.p, k->body.sz ) ) return;
    if( b->block!=i ) { memset( b->tried, 0, sizeof b->tried ); b->block = (uint16_t)i; }
    b->state    = BODY_HELD;
    b->charged  = (uint32_t)k->body.sz;
    s->held_sz += b->charged;
    s->is_dirty = true;
    n->stat.blocks_used++;
  }
}

/* The lowest blocks that nobody was asked for, together what one question may bring, of a peer that did not lack the first of them. */
static bool ask_group( net_t * n ) {
  sync_t * s = &n->sync;
  uint16_t blocks[ GROUP_MAX ];
  uint32_t cnt = 0;
  size_t   sz = 0;
  dmg_wire_bodies_req_t q = { 0 };
  for( uint32_t i = s->given; i<s->header_cnt && i<s->taken+WINDOW && cnt<GROUP_MAX; i++ ) {
    body_slot_t * b = &s->slots[ i%WINDOW ];
    if( b->state!=BODY_NONE || !has_body( s, i ) ) continue;
    dmg_hash_t hash = body_hash_at( s, i );
    uint64_t at = body_pending( n, &hash );
    if( at>n->now_us ) { net_wake( n, at ); break; }
    uint32_t len = body_len_at( s, i );
    if( len>DMG_WIRE_BODY_SZ_MAX ) { halt( n, "a final block's body is larger than this release takes" ); return false; }
    /* What the node has and has not committed yet counts, too.  Where it has nothing, the lowest one always fits: it is what all others wait for. */
    if( ( cnt && sz+len>GROUP_SZ_MAX ) || ( s->held_sz+sz+len>WINDOW_SZ_MAX && ( i!=s->given || s->given!=s->taken ) ) ) break;
    if( b->block!=i ) { memset( b->tried, 0, sizeof b->tried ); b->block = (uint16_t)i; }
    q.hashes[ cnt ] = hash_at( s, i );
    blocks[ cnt++ ] = (uint16_t)i;
    sz += len;
  }
  if( !cnt ) return false;
  body_slot_t * first = &s->slots[ blocks[ 0 ]%WINDOW ];
  int conn = pick_conn( n, DMG_CHAINNET_BODIES, NULL, first->tried, dmg_load_u64le( header_at( s, blocks[ 0 ] )+17 ) );
  if( conn<0 ) {
    /* All are busy: the end of one of them wakes us.  Or nobody is left: those who had nothing are asked anew a second later. */
    bool is_any = false;
    for( int i = 0; i<DMG_CHAINNET_CONN_MAX; i++ ) is_any |= n->conns[ i ].is_used && n->conns[ i ].out_cnt[ DMG_CHAINNET_BODIES ];
    if( is_any ) return false;
    memset( first->tried, 0, sizeof first->tried );
    net_wake( n, s->next_us = n->now_us+AGAIN_US );
    return false;
  }
  uint8_t b[ DMG_WIRE_BODIES_REQ_SZ_MAX ];
  q.cnt = cnt;
  sync_req_t * r = req_new( n, DMG_CHAINNET_BODIES, conn, dmg_span( b, dmg_wire_bodies_req_encode( &q, b ) ), BODIES_MS );
  if( !r ) { net_wake( n, s->next_us = n->now_us+AGAIN_US/10 ); return false; }
  r->cnt = cnt;
  memcpy( r->blocks, blocks, sizeof blocks[ 0 ]*cnt );
  for( uint32_t k = 0; k<cnt; k++ ) {
    body_slot_t * slot = &s->slots[ blocks[ k ]%WINDOW ];
    slot->state   = BODY_ASKED;
    slot->charged = body_len_at( s, blocks[ k ] );
    s->held_sz   += slot->charged;
  }
  return true;
}

/* false: the peer lied. */
static bool take_body( net_t * n, sync_req_t * r, dmg_span_t chunk ) {
  sync_t * s = &n->sync;
  if( r->pos==r->cnt ) return false;
  uint32_t i = r->blocks[ r->pos++ ];
  body_slot_t * b = &s->slots[ i%WINDOW ];
  DMG_ASSERT( b->state==BODY_ASKED && b->block==i );
  bool is_found = false;
  dmg_verdict_t v = dmg_wire_body_decode( chunk, &is_found, &b->buf );
  if( !v.kind && is_found ) {
    dmg_hash_t h = body_hash_at( s, i );
    v = body_judge( n, dmg_buf_span( &b->buf ), &h );
    if( b->buf.sz!=body_len_at( s, i ) ) is_found = false;   /* a final header is not false in this; were it, the window's sums would be */
  }
  if( !v.kind && is_found ) { b->state = BODY_HELD; s->is_dirty = true; return true; }
  b->state    = BODY_NONE;
  s->held_sz -= b->charged;
  b->charged  = 0;
  dmg_buf_fini( &b->buf );
  b->buf = dmg_buf( DMG_WIRE_BODY_SZ_MAX );
  bit_set( b->tried, (uint32_t)r->conn );
  return v.kind!=DMG_VERDICT_BAD;
}

/* --- epochs ----------------------------------------------------------------------------------------------- */

/* C10.1: handovers forward, as soon as anybody says to be in an epoch whose set we do not know. */
static void ask_epochs( net_t * n ) {
  sync_t * s = &n->sync;
  if( !n->cfg.is_follower || s->epochs_us>n->now_us || is_asking( n, DMG_CHAINNET_EPOCHS ) ) return;   /* a validator's core takes them from its links (C7.4) */
  dmg_chainnet_head_t head;
  memset( &head, 0, sizeof head );
  n->chain->head( n->chain->ctx, &head );
  for( int i = 0; i<DMG_CHAINNET_CONN_MAX; i++ ) {
    conn_t * c = &n->conns[ i ];
    if( !c->is_used || c->is_closing || !c->has_status || c->epoch<=head.epoch_known || c->rest_us>n->now_us || c->out_cnt[ DMG_CHAINNET_EPOCHS ] ) continue;
    dmg_wire_epochs_req_t q = { .from = head.epoch_known, .count = DMG_WIRE_EPOCHS_MAX };
    uint8_t b[ DMG_WIRE_EPOCHS_REQ_SZ ];
    dmg_wire_epochs_req_encode( &q, b );
    c->rest_us = n->now_us+REST_US;                /* another one next */
    if( req_new( n, DMG_CHAINNET_EPOCHS, i, DMG_SPAN( b ), EPOCHS_MS ) ) return;
  }
  net_wake( n, s->epochs_us = n->now_us+AGAIN_US );
}

/* --- what peers say --------------------------------------------------------------------------------------- */

void sync_goal( net_t * n, dmg_cert_t const * fin, uint64_t height ) {
  sync_t * s = &n->sync;
  if( s->has_goal && !is_above( fin, s->goal.epoch, s->goal.view ) ) return;
  s->goal        = *fin;
  s->goal_height = height;
  s->has_goal    = true;
  if( n->cfg.is_follower ) dmg_chainnet_set_view( n, fin->epoch, fin->view+1, fin->view, n->window );
  net_wake( n, n->now_us );
}

void dmg_chainnet_sync_to( dmg_chainnet_t * n, dmg_cert_t const * fin, uint64_t now_us ) {
  if( now_us>n->now_us ) n->now_us = now_us;
  sync_goal( n, fin, 0 );
}

void sync_status( net_t * n, int conn, dmg_wire_status_t const * st ) {
  sync_t * s = &n->sync;
  if( !n->cfg.is_follower ) return;
  dmg_chainnet_head_t head;
  memset( &head, 0, sizeof head );
  n->chain->head( n->chain->ctx, &head );
  if( st->epoch>head.epoch_known ) net_wake( n, n->now_us );
  if( dmg_cert_is_zero( &st->fin ) || !is_above( &st->fin, head.epoch, head.final_view ) || ( s->has_goal && !is_above( &st->fin, s->goal.epoch, s->goal.view ) ) ) return;
  dmg_verdict_t v = n->chain->judge_final( n->chain->ctx, &st->fin );
  if( v.kind==DMG_VERDICT_BAD ) { conn_false( n, &n->conns[ conn ] ); return; }
  if( !v.kind ) sync_goal( n, &st->fin, st->height );
}

static sync_req_t * req_of( net_t * n, int conn, uint64_t id ) {
  for( int i = 0; i<SYNC_REQ_MAX; i++ ) {
    sync_req_t * r = &n->sync.reqs[ i ];
    if( r->is_used && r->conn==conn && r->id==id ) return r;
  }
  return NULL;
}

bool sync_chunk( net_t * n, int conn, dmg_net_ev_t const * ev ) {
  sync_t * s = &n->sync;
  sync_req_t * r = req_of( n, conn, ev->id );
  if( !r ) return false;
  conn_t * c = &n->conns[ conn ];
  if( ev->code!=DMG_WIRE_DATA ) {
    /* Who has not got it is behind, mostly by less than a block. */
    c->rest_us = n->now_us+( ev->code==DMG_WIRE_NOT_HERE ? SEC/4 : ev->code==DMG_WIRE_SLOW_DOWN ? SEC : REST_US );
    return true;
  }
  bool is_good = true;
  switch( r->proto ) {
    case DMG_CHAINNET_HEADERS: {
      dmg_span_t raw;
      uint32_t cnt = 0;
      is_good = !dmg_wire_headers_decode( ev->data, &raw, &cnt ).kind;
      for( uint32_t i = 0; is_good && i<cnt && ( s->stage==SYNC_BACK || s->stage==SYNC_HEADERS ); i++ ) is_good = take_header( n, raw.p+(size_t)i*DMG_SIGNED_HEADER_SZ );
      if( !is_good ) break;
      s->tried[ conn/64 ] &= ~( (uint64_t)1<<( conn%64 ) );
      if( s->stage==SYNC_UP && r->is_used ) {      /* what still comes of it is not wanted */
        (void)!dmg_net_cancel( n->port, r->id );
        req_free( n, r );
      }
      break;
    }
    case DMG_CHAINNET_BODIES: is_good = take_body( n, r, ev->data ); break;
    default: {
      dmg_verdict_t v = n->chain->take_handover( n->chain->ctx, ev->data );
      is_good = v.kind!=DMG_VERDICT_BAD;
      if( v.kind==DMG_VERDICT_GOOD ) { c->rest_us = 0; s->epochs_us = 0; }
    }
  }
  if( !is_good ) {
    conn_false( n, c );
    if( r->is_used ) {                             /* the rest of it is asked of another now */
      (void)!dmg_net_cancel( n->port, r->id );
      req_free( n, r );
    }
  } else n->sync.is_dirty = true;
  net_wake( n, n->now_us );
  return true;
}

bool sync_end( net_t * n, int conn, dmg_net_ev_t const * ev ) {
  sync_req_t * r = req_of( n, conn, ev->id );
  if( !r ) return false;
  if( ev->code!=DMG_NET_END_OK ) n->conns[ conn ].rest_us = n->now_us+REST_US;
  req_free( n, r );
  net_wake( n, n->now_us );
  return true;
}

void sync_conn_down( net_t * n, int conn ) {
  sync_t * s = &n->sync;
  for( int i = 0; i<SYNC_REQ_MAX; i++ ) if( s->reqs[ i ].is_used && s->reqs[ i ].conn==conn ) req_free( n, &s->reqs[ i ] );
  s->tried[ conn/64 ] &= ~( (uint64_t)1<<( conn%64 ) );
  for( unsigned i = 0; i<WINDOW; i++ ) s->slots[ i ].tried[ conn/64 ] &= ~( (uint64_t)1<<( conn%64 ) );
  net_wake( n, n->now_us );
}

/* --- to the node ------------------------------------------------------------------------------------------ */

bool sync_tell( net_t * n, dmg_chainnet_out_t * out ) {
  sync_t * s = &n->sync;
  if( !s->is_dirty ) return false;
  static uint8_t const empty_body[ DMG_BODY_EMPTY_SZ ];
  if( s->is_bad_due ) {
    s->is_bad_due = false;
    out->kind = DMG_CHAINNET_SYNC_BAD;
    out->text = s->text;
    return true;
  }
  if( s->is_synced_due ) {
    s->is_synced_due = false;
    out->kind   = DMG_CHAINNET_SYNCED;
    out->height = s->height;
    return true;
  }
  if( s->stage==SYNC_UP && s->given<s->header_cnt && s->given-s->taken<UNTAKEN_MAX ) {
    uint32_t i = s->given;
    body_slot_t * b = &s->slots[ i%WINDOW ];
    if( !has_body( s, i ) || ( b->state==BODY_HELD && b->block==i ) ) {
      out->kind    = DMG_CHAINNET_SYNC;
      out->height  = dmg_load_u64le( header_at( s, i )+17 );
      out->hash    = hash_at( s, i );
      out->header  = dmg_span( header_at( s, i ), DMG_SIGNED_HEADER_SZ );
      out->bytes   = has_body( s, i ) ? dmg_buf_span( &b->buf ) : dmg_span( empty_body, body_len_at( s, i ) ? sizeof empty_body : 0 );
      out->is_last = s->skeleton_cnt==1 && i+1==s->header_cnt;
      if( out->is_last ) out->fin = s->at;
      s->given++;
      return true;
    }
  }
  s->is_dirty = false;
  return false;
}

void dmg_chainnet_sync_taken( dmg_chainnet_t * n, uint64_t height, bool is_ok ) {
  sync_t * s = &n->sync;
  if( s->stage!=SYNC_UP || s->taken==s->given ) return;
  uint32_t i = s->taken;
  if( dmg_load_u64le( header_at( s, i )+17 )!=height ) return;   /* of a run that ended */
  if( !is_ok ) { halt( n, "a final block cannot be applied here" ); return; }
  slot_clear( s, &s->slots[ i%WINDOW ] );
  s->taken++;
  s->height   = height;
  s->is_dirty = true;
  if( s->taken==s->header_cnt ) stretch_next( n );
  net_wake( n, n->now_us );
}

void sync_tick( net_t * n ) {
  sync_t * s = &n->sync;
  ask_epochs( n );
  if( s->stage==SYNC_IDLE ) begin( n );
  if( s->stage==SYNC_IDLE ) return;
  if( s->next_us>n->now_us ) { net_wake( n, s->next_us ); return; }
  if( s->stage==SYNC_BACK ) take_told( n );
  if( s->stage==SYNC_BACK || s->stage==SYNC_HEADERS ) ask_headers( n );
  if( s->stage!=SYNC_UP ) return;
  take_kept( n );
  while( ask_group( n ) ) {}
}

void sync_fini( net_t * n ) { for( unsigned i = 0; i<WINDOW; i++ ) dmg_buf_fini( &n->sync.slots[ i ].buf ); }
