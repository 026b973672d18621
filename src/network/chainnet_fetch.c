/* Status of peers, and single objects by hash. */
#include "network/chainnet_int.h"

enum { STATUS_MS = 5000, HEADER_MS = 3000, PROPOSAL_MS = 3000, RUNS_MS = 3000, BODY_MS = 5000, ROUND_US = 500000 };

/* --- status ----------------------------------------------------------------------------------------------- */

void status_own( net_t * n, uint8_t out[ DMG_WIRE_STATUS_SZ ] ) {
  dmg_chainnet_head_t h;
  memset( &h, 0, sizeof h );
  n->chain->head( n->chain->ctx, &h );
  dmg_wire_status_t s = { .genesis = n->cfg.genesis, .fork = n->cfg.fork, .epoch = h.epoch, .final_view = h.final_view, .height = h.height, .hash = h.hash, .fin = h.fin,
                          .roles = h.roles, .first_body = h.first_body, .first_state = h.first_state };
  dmg_wire_status_encode( &s, out );
}

void status_theirs( net_t * n, int conn, dmg_wire_status_t const * s ) {
  conn_t * c = &n->conns[ conn ];
  if( !dmg_hash_eq( &s->genesis, &n->cfg.genesis ) || s->fork!=n->cfg.fork ) { conn_other_chain( n, c ); return; }
  c->has_status = true;
  c->epoch      = s->epoch;
  c->height     = s->height;
  c->final_view = s->final_view;
  c->first_body = s->first_body;
  c->roles      = s->roles;
  peers_status( n, conn );
  sync_status( n, conn, s );
}

static void status_ask( net_t * n, conn_t * c ) {
  uint8_t b[ DMG_WIRE_STATUS_SZ ];
  status_own( n, b );
  c->status_us = n->now_us+net_jitter( n, STATUS_EVERY_US );
  if( dmg_net_request( n->port, c->conn, DMG_CHAINNET_STATUS, DMG_SPAN( b ), STATUS_MS, &c->status_id )!=DMG_OK ) return;
  c->is_asking_status = true;
  c->is_status_told   = false;
}

/* --- whom to ask ------------------------------------------------------------------------------------------ */

int pick_conn( net_t * n, uint8_t proto, uint64_t const * peers, uint64_t const * tried, uint64_t height ) {
  int best = -1;
  unsigned best_rank = 0;
  uint32_t start = (uint32_t)( net_rand( n )%DMG_CHAINNET_CONN_MAX );
  for( uint32_t k = 0; k<DMG_CHAINNET_CONN_MAX; k++ ) {
    uint32_t i = ( start+k )%DMG_CHAINNET_CONN_MAX;
    conn_t * c = &n->conns[ i ];
    if( !c->is_used || c->is_closing || c->out_cnt[ proto ]>=OUT_PER_PROTO || bit_get( tried, i ) || c->rest_us>n->now_us ) continue;
    if( c->member>=0 && n->members[ c->member ].false_until_us>n->now_us ) continue;
    bool is_link = c->member>=0 && n->members[ c->member ].is_direct && n->members[ c->member ].line==(int)i;
    if( !is_link && !c->has_status ) continue;     /* of another chain, perhaps */
    /* A status is up to ten seconds old: who is not known to have the height may have it. */
    unsigned rank = 1+( height && c->has_status && c->height>=height ? 8u : 0 )+( c->out_cnt[ proto ]==0 )+( is_link ? 2u : 0 )+( is_link && peers && bit_get( peers, (uint32_t)c->member ) ? 4u : 0 );
    if( rank>best_rank ) { best = (int)i; best_rank = rank; }
  }
  return best;
}

/* --- fetch ------------------------------------------------------------------------------------------------ */

static uint8_t proto_of( uint8_t what ) { return what==DMG_FETCH_HEADER ? DMG_CHAINNET_HEADERS : what==DMG_FETCH_BODY ? DMG_CHAINNET_BODIES : what==DMG_FETCH_RUNS ? DMG_CHAINNET_RUNS : DMG_CHAINNET_PROPOSAL; }

static fetch_t * fetch_of( net_t * n, uint8_t what, dmg_hash_t const * hash ) {
  for( int i = 0; i<DMG_CHAINNET_FETCH_MAX; i++ ) {
    fetch_t * f = &n->fetches[ i ];
    if( f->is_used && f->f.what==what && dmg_hash_eq( &f->f.hash, hash ) ) return f;
  }
  return NULL;
}

/* Done with the peer asked: its place in its protocol is free again. */
static void fetch_free( net_t * n, fetch_t * f ) {
  if( !f->is_asked ) return;
  conn_t * c = &n->conns[ f->conn ];
  DMG_ASSERT( c->out_cnt[ proto_of( f->f.what ) ] );
  c->out_cnt[ proto_of( f->f.what ) ]--;
  f->is_asked = false;
}

static void fetch_ask( net_t * n, fetch_t * f ) {
  if( f->is_asked || f->is_done ) return;
  if( n->now_us>=f->end_us ) { f->is_done = true; n->is_fetch_done = true; return; }
  net_wake( n, f->end_us );
  if( f->f.what==DMG_FETCH_BODY ) {
    if( kept_find( n, &f->f.body_hash ) ) { f->is_done = true; n->is_fetch_done = true; return; }
    uint64_t at = body_hold( n, &f->f, f->end_us-(uint64_t)DMG_CHAINNET_FETCH_MS*1000 );
    if( at>n->now_us ) { net_wake( n, at ); return; }   /* it is on its way by a push */
  }
  if( f->next_us>n->now_us ) { net_wake( n, f->next_us ); return; }
  uint8_t proto = proto_of( f->f.what );
  int i = pick_conn( n, proto, f->peers, f->tried, 0 );
  if( i<0 ) {
    memset( f->tried, 0, sizeof f->tried );        /* all were asked: another round */
    net_wake( n, f->next_us = n->now_us+ROUND_US );
    return;
  }
  uint8_t b[ DMG_WIRE_BODIES_REQ_SZ_MAX ];
  size_t sz;
  uint32_t ms;
  switch( f->f.what ) {
    case DMG_FETCH_HEADER: {
      dmg_wire_headers_req_t r = { .hash = f->f.hash, .count = 1 };
      dmg_wire_headers_req_encode( &r, b );
      sz = DMG_WIRE_HEADERS_REQ_SZ;
      ms = HEADER_MS;
      break;
    }
    case DMG_FETCH_BODY: {
      dmg_wire_bodies_req_t r = { .cnt = 1 };
      r.hashes[ 0 ] = f->f.hash;
      sz = dmg_wire_bodies_req_encode( &r, b );
      ms = BODY_MS;
      break;
    }
    case DMG_FETCH_RUNS: {
      dmg_wire_runs_req_t r = { .hash = f->f.hash, .first = (uint16_t)f->f.first, .count = (uint8_t)f->f.count };
      dmg_wire_runs_req_encode( &r, b );
      sz = DMG_WIRE_RUNS_REQ_SZ;
      ms = RUNS_MS;
      break;
    }
    default: {
      dmg_wire_proposal_req_t r = { .epoch = f->f.epoch, .view = f->f.view, .hash = f->f.hash };
      dmg_wire_proposal_req_encode( &r, b );
      sz = DMG_WIRE_PROPOSAL_REQ_SZ;
      ms = PROPOSAL_MS;
    }
  }
  bit_set( f->tried, (uint32_t)i );
  dmg_err_t err = dmg_net_request( n->port, n->conns[ i ].conn, proto, dmg_span( b, sz ), ms, &f->req_id );
  if( err ) { net_wake( n, f->next_us = n->now_us+SEC/10 ); return; }
  f->conn     = (int16_t)i;
  f->is_asked = true;
  n->conns[ i ].out_cnt[ proto ]++;
}

dmg_err_t dmg_chainnet_fetch( dmg_chainnet_t * n, dmg_fetch_t const * fetch, uint64_t const peers[ DMG_CHAINNET_PEER_MAX/64 ], uint64_t now_us ) {
  DMG_ASSERT( fetch->what<=DMG_FETCH_RUNS );
  if( now_us>n->now_us ) n->now_us = now_us;
  if( fetch->what==DMG_FETCH_BODY && ( !fetch->body_len || fetch->body_len>DMG_WIRE_BODY_SZ_MAX ) ) return DMG_ERR_LIMIT;
  if( fetch->what==DMG_FETCH_RUNS && ( !fetch->count || fetch->count>DMG_LEAVES_MAX || fetch->first>=DMG_MERKLE_LEAF_MAX ) ) return DMG_ERR_LIMIT;
  if( fetch_of( n, fetch->what, &fetch->hash ) ) return DMG_ERR_EXISTS;
  fetch_t * f = NULL;
  for( int i = 0; i<DMG_CHAINNET_FETCH_MAX && !f; i++ ) if( !n->fetches[ i ].is_used ) f = &n->fetches[ i ];
  if( !f ) return DMG_ERR_FULL;
  *f = (fetch_t){ .is_used = true, .f = *fetch, .end_us = n->now_us+(uint64_t)DMG_CHAINNET_FETCH_MS*1000 };
  if( peers ) memcpy( f->peers, peers, sizeof f->peers );
  fetch_ask( n, f );
  return DMG_OK;
}

void fetch_kept( net_t * n, dmg_hash_t const * body_hash ) {
  for( int i = 0; i<DMG_CHAINNET_FETCH_MAX; i++ ) {
    fetch_t * f = &n->fetches[ i ];
    if( !f->is_used || f->is_done || f->f.what!=DMG_FETCH_BODY || !dmg_hash_eq( &f->f.body_hash, body_hash ) ) continue;
    if( f->is_asked ) (void)!dmg_net_cancel( n->port, f->req_id );
    fetch_free( n, f );
    f->is_done = n->is_fetch_done = true;
  }
}

static fetch_t * fetch_of_req( net_t * n, int conn, uint64_t id ) {
  for( int i = 0; i<DMG_CHAINNET_FETCH_MAX; i++ ) {
    fetch_t * f = &n->fetches[ i ];
    if( f->is_used && f->is_asked && f->conn==conn && f->req_id==id ) return f;
  }
  return NULL;
}

/* Is it what was asked for?  *out_bytes: what the node gets; p NULL: not there. */
static dmg_verdict_t fetch_judge( net_t * n, fetch_t const * f, dmg_span_t data, dmg_span_t * out_bytes ) {
  switch( f->f.what ) {
    case DMG_FETCH_HEADER: {
      uint32_t cnt;
      dmg_verdict_t v = dmg_wire_headers_decode( data, out_bytes, &cnt );
      if( v.kind ) return v;
      dmg_hash_t h = dmg_header_bytes_hash( dmg_span( out_bytes->p, DMG_HEADER_SZ ) );
      return cnt==1 && dmg_hash_eq( &h, &f->f.hash ) ? v : dmg_verdict_bad( "header", "not the one asked for", 0 );
    }
    case DMG_FETCH_BODY: {
      bool is_found;
      dmg_verdict_t v = dmg_wire_body_decode( data, &is_found, &n->raw );
      if( v.kind || !is_found ) return v;
      *out_bytes = dmg_buf_span( &n->raw );
      return body_judge( n, *out_bytes, &f->f.body_hash );
    }
    case DMG_FETCH_RUNS: {
      dmg_leaves_t l;
      dmg_verdict_t v = dmg_leaves_decode( data, &l );
      if( v.kind ) return v;
      *out_bytes = data;
      return l.cnt<=f->f.count && dmg_leaves_verify( &l, f->f.first, &f->f.root ) ? v : dmg_verdict_bad( "runs", "not the leaves asked for", 0 );
    }
    default: {
      dmg_proposal_t p;
      dmg_verdict_t v = dmg_proposal_decode( data, &p );
      if( v.kind ) return v;
      *out_bytes = data;
      return dmg_hash_eq( &p.hash, &f->f.hash ) ? v : dmg_verdict_bad( "proposal", "not the one asked for", 0 );
    }
  }
}

bool fetch_chunk( net_t * n, int conn, dmg_net_ev_t const * ev, dmg_chainnet_out_t * out, bool * out_is_mine ) {
  conn_t * c = &n->conns[ conn ];
  if( c->is_asking_status && ev->id==c->status_id ) {
    *out_is_mine = true;
    dmg_wire_status_t s;
    if( ev->code!=DMG_WIRE_DATA ) return false;
    /* One chunk (N9.1): else one question would bring as many certificates to verify as the peer likes. */
    if( c->is_status_told || dmg_wire_status_decode( ev->data, &s ).kind ) { conn_false( n, c ); return false; }
    c->is_status_told = true;
    status_theirs( n, conn, &s );
    return false;
  }
  fetch_t * f = fetch_of_req( n, conn, ev->id );
  if( !f ) return false;
  *out_is_mine = true;
  if( ev->code!=DMG_WIRE_DATA ) {
    if( ev->code==DMG_WIRE_SLOW_DOWN ) c->rest_us = n->now_us+SEC;
    return false;                                  /* REQ_END asks the next */
  }
  dmg_span_t bytes = { 0 };
  dmg_verdict_t v = fetch_judge( n, f, ev->data, &bytes );
  if( v.kind==DMG_VERDICT_BAD ) {
    /* A validator's line stays (C2.6): what else it answers is not looked at, as a mebibyte to unpack and hash costs it sixty bytes. */
    conn_false( n, c );
    (void)!dmg_net_cancel( n->port, f->req_id );
    fetch_free( n, f );
    fetch_ask( n, f );
    return false;
  }
  if( v.kind || !bytes.p ) return false;
  out->kind  = DMG_CHAINNET_GOT;
  out->what  = f->f.what;
  out->hash  = f->f.hash;
  out->first = f->f.first;
  out->bytes = bytes;
  fetch_free( n, f );
  f->is_used = false;
  return true;
}

bool fetch_end( net_t * n, int conn, dmg_net_ev_t const * ev ) {
  conn_t * c = &n->conns[ conn ];
  if( c->is_asking_status && ev->id==c->status_id ) {
    c->is_asking_status = false;
    /* N4.1: who does not speak it under our name is of another chain or fork. */
    if( ev->code==DMG_NET_END_UNSUPPORTED ) conn_other_chain( n, c );
    else if( !c->has_status ) c->status_us = n->now_us+net_jitter( n, 3*SEC );
    net_wake( n, c->status_us );
    return true;
  }
  fetch_t * f = fetch_of_req( n, conn, ev->id );
  if( !f ) return false;
  fetch_free( n, f );
  fetch_ask( n, f );
  return true;
}

bool fetch_tell( net_t * n, dmg_chainnet_out_t * out ) {
  if( !n->is_fetch_done ) return false;
  for( int i = 0; i<DMG_CHAINNET_FETCH_MAX; i++ ) {
    fetch_t * f = &n->fetches[ i ];
    if( !f->is_used || !f->is_done ) continue;
    out->kind  = DMG_CHAINNET_GOT;
    out->what  = f->f.what;
    out->hash  = f->f.hash;
    kept_t const * k = f->f.what==DMG_FETCH_BODY ? kept_find( n, &f->f.body_hash ) : NULL;
    if( k ) out->bytes = dmg_buf_span( &k->body );
    out->first = f->f.first;
    f->is_used = false;
    return true;
  }
  n->is_fetch_done = false;
  return false;
}

void fetch_tick( net_t * n ) {
  for( int i = 0; i<DMG_CHAINNET_CONN_MAX; i++ ) {
    conn_t * c = &n->conns[ i ];
    if( !c->is_used || c->is_closing || c->is_asking_status ) continue;
    if( c->status_us<=n->now_us ) status_ask( n, c );
    if( !c->is_asking_status ) net_wake( n, c->status_us );
  }
  for( int i = 0; i<DMG_CHAINNET_FETCH_MAX; i++ ) if( n->fetches[ i ].is_used ) fetch_ask( n, &n->fetches[ i ] );
}

void fetch_conn_down( net_t * n, int conn ) {
  for( int i = 0; i<DMG_CHAINNET_FETCH_MAX; i++ ) {
    fetch_t * f = &n->fetches[ i ];
    if( !f->is_used ) continue;
    f->tried[ conn/64 ] &= ~( (uint64_t)1<<( conn%64 ) );   /* the place may be another peer's next */
    if( !f->is_asked || f->conn!=conn ) continue;
    fetch_free( n, f );
    net_wake( n, n->now_us );
  }
}
