/* Bodies of proposals: heads, the form that fits, compact ones and what they lack, those kept for who asks (N8.5-N8.7).  Shards: chainnet_shred.c.

     push_body --> full | compact | shreds          frame --> head_judge --> build --each_tx--> [ bodytx .. ] --> kept --> PUSHED
                                                                                         `--> failed: whoever fetches it asks for all of it */
#include "network/chainnet_int.h"
#include "base/num.h"
#include "codec/bcs.h"

enum { FULL_SZ_MAX = 16u<<10, MISSING_SZ_MAX = 64u<<10, FRESH_MS = 200, ASK_US = 150000, ASK_MS = 2000, PUSH_US = 150000, COMPACT_US = 700000, SHREDS_US = 500000 };

static slot_t * slots_of( dmg_buf_t const * buf ) { return (slot_t *)(void *)buf->p; }

/* --- kept bodies ------------------------------------------------------------------------------------------ */

kept_t * kept_find( net_t * n, dmg_hash_t const * hash ) {
  for( unsigned i = 0; i<KEPT_MAX; i++ ) if( n->kept[ i ].is_used && dmg_hash_eq( &n->kept[ i ].hash, hash ) ) return &n->kept[ i ];
  return NULL;
}

static dmg_err_t kept_fill( kept_t * k, dmg_body_t const * b, dmg_span_t body ) {
  uint8_t * p;
  dmg_buf_clear( &k->body );
  dmg_buf_clear( &k->places );
  DMG_TRY( dmg_buf_append( &k->body, body.p, body.sz ) );
  DMG_TRY( dmg_buf_grow( &k->places, b->tx_cnt*sizeof( place_t ), &p ) );
  for( uint32_t i = 0; i<b->tx_cnt; i++ ) {
    place_t at = { .off = b->txs[ i ].sz ? (uint32_t)( b->txs[ i ].p-body.p ) : 0, .sz = (uint32_t)b->txs[ i ].sz };
    memcpy( p+i*sizeof at, &at, sizeof at );
  }
  k->tx_cnt = b->tx_cnt;
  return DMG_OK;
}

dmg_verdict_t kept_put( net_t * n, dmg_hash_t const * hash, dmg_span_t body, bool is_own, kept_t ** out ) {
  dmg_body_t * b;
  kept_t * k = kept_find( n, hash );
  if( k ) { k->is_own = k->is_own || is_own; *out = k; return dmg_verdict_good(); }
  dmg_verdict_t v = dmg_body_decode( body, n->scratch, &b );
  if( !v.kind && !is_own ) {
    dmg_hash_t h = dmg_body_hash( b );
    if( !dmg_hash_eq( &h, hash ) ) v = dmg_verdict_bad( "body", "of another hash", 0 );
  }
  if( !v.kind ) {
    k = &n->kept[ 0 ];
    for( unsigned i = 1; i<KEPT_MAX; i++ ) if( !n->kept[ i ].is_used ? k->is_used : k->is_used && n->kept[ i ].stamp<k->stamp ) k = &n->kept[ i ];
    if( !k->body.max ) { k->body = dmg_buf( DMG_WIRE_BODY_SZ_MAX ); k->places = dmg_buf( DMG_BODY_TX_MAX*sizeof( place_t ) ); }
    k->is_used = false;
    dmg_err_t err = kept_fill( k, b, body );
    if( err ) v = dmg_verdict_local( err );
    else {
      k->is_used  = true;
      k->is_own   = is_own;
      k->hash     = *hash;
      k->stamp    = ++n->kept_stamp;
      k->asked_sz = 0;
      *out = k;
    }
  }
  dmg_arena_reset( n->scratch );
  return v;
}

bool body_out( net_t * n, dmg_wire_head_t const * head, int leader, kept_t const * kept, dmg_chainnet_out_t * out ) {
  n->stat.bodies_by_in[ head->form ]++;
  fetch_kept( n, &head->body_hash );
  if( n->cfg.is_follower ) { net_wake( n, n->now_us ); return false; }
  out->kind  = DMG_CHAINNET_PUSHED;
  out->peer  = (uint16_t)leader;
  out->head  = *head;
  out->hash  = head->body_hash;
  out->bytes = dmg_buf_span( &kept->body );
  return true;
}

/* --- heads ------------------------------------------------------------------------------------------------ */

head_judge_t head_judge( net_t * n, int from, dmg_span_t bytes, dmg_wire_head_t const * head, int * out_leader, uint64_t * out_id ) {
  *out_leader = -1;
  if( !is_epoch_near( n, head->epoch ) || head->epoch<n->epoch || head->view>view_max( n, head->epoch ) || ( head->epoch==n->epoch && head->view<n->final_view ) ) return HEAD_STALE;
  int idx = n->chain->leader( n->chain->ctx, head->epoch, head->view );
  set_t const * s = set_of( n, head->epoch );
  if( !s || idx<0 || (uint32_t)idx>=s->cnt ) return HEAD_STALE;
  int leader = *out_leader = s->members[ idx ];
  member_t * m = &n->members[ leader ];
  if( from>=0 && from!=leader ) return HEAD_BAD;
  dmg_hash_t h = dmg_sha256( bytes );
  *out_id = dmg_load_u64le( h.b );
  pushed_t * p = &m->pushed[ 0 ];
  for( unsigned i = 0; i<sizeof m->pushed/sizeof m->pushed[ 0 ]; i++ ) {
    pushed_t * q = &m->pushed[ i ];
    if( q->view==head->view && q->epoch==head->epoch ) { p = q; break; }
    if( q->epoch<p->epoch || ( q->epoch==p->epoch && q->view<p->view ) ) p = q;
  }
  bool is_here = p->view==head->view && p->epoch==head->epoch;
  for( unsigned i = 0; is_here && i<p->cnt; i++ ) if( p->ids[ i ]==*out_id ) return HEAD_AGAIN;
  if( is_here && p->cnt==2 ) return HEAD_STALE;
  if( leader==n->self || !dmg_wire_head_verify( head, &n->cfg.genesis, &m->peer ) ) return HEAD_BAD;   /* ours we know */
  if( !is_here ) *p = (pushed_t){ .epoch = head->epoch, .view = head->view };
  p->ids[ p->cnt++ ] = *out_id;
  return HEAD_NEW;
}

/* --- bodies in the making --------------------------------------------------------------------------------- */

static bool is_later( dmg_wire_head_t const * a, dmg_wire_head_t const * b ) { return a->epoch>b->epoch || ( a->epoch==b->epoch && a->view>b->view ); }

build_t * build_find( net_t * n, uint64_t id ) {
  for( unsigned i = 0; i<BUILDS_MAX; i++ ) if( n->builds[ i ].state && n->builds[ i ].id==id ) return &n->builds[ i ];
  return NULL;
}

static void ask_free( net_t * n, ask_t * a, bool is_cancel ) {
  if( !a->is_used ) return;
  if( is_cancel ) (void)!dmg_net_cancel( n->port, a->id );
  DMG_ASSERT( n->conns[ a->conn ].out_cnt[ DMG_CHAINNET_BODYTX ] );
  n->conns[ a->conn ].out_cnt[ DMG_CHAINNET_BODYTX ]--;
  dmg_buf_fini( &a->list );
  a->is_used = false;
}

void build_close( net_t * n, build_t * b, build_state_t state ) {
  for( unsigned i = 0; i<ASKS_MAX; i++ ) ask_free( n, &b->asks[ i ], true );
  dmg_buf_fini( &b->bytes );
  dmg_buf_fini( &b->slots );
  b->state = (uint8_t)state;
  if( state==BUILD_FAILED ) net_wake( n, n->now_us );   /* a fetch may wait for it */
}

/* When fetches stop waiting for it. */
static uint64_t build_end_us( build_t const * b ) { return b->born_us+( b->head.form==DMG_WIRE_SHREDS ? SHREDS_US : COMPACT_US ); }

build_t * build_new( net_t * n, dmg_wire_head_t const * head, uint64_t id, int leader ) {
  build_t * spare = NULL, * far = NULL, * late = NULL, * old = NULL;
  unsigned open_cnt = 0;
  for( unsigned i = 0; i<BUILDS_MAX; i++ ) {
    build_t * b = &n->builds[ i ];
    if( !b->state ) { spare = b; continue; }
    if( b->state==BUILD_OPEN ) {
      open_cnt++;
      if( !far || is_later( &b->head, &far->head ) ) far = b;
      if( build_end_us( b )<=n->now_us && ( !late || is_later( &late->head, &b->head ) ) ) late = b;
    }
    else if( !old || is_later( &old->head, &b->head ) ) old = b;
  }
  /* The nearest views first: whoever leads far ones shall not take their room.  But what is past its time is fetched anyway: whoever sent a shard each of eight bodies, and no
     more, would have all that come behind them fetched, too. */
  if( open_cnt==OPEN_MAX || ( !spare && !old ) ) {
    if( !late && !is_later( &far->head, head ) ) return NULL;
    if( late ) far = late;
    build_close( n, far, BUILD_NONE );
    spare = far;
  }
  if( !spare ) spare = old;
  *spare = (build_t){ .state = BUILD_OPEN, .head = *head, .id = id, .leader = (int16_t)leader, .born_us = n->now_us };
  spare->bytes = dmg_buf( (size_t)2*DMG_WIRE_BODY_SZ_MAX );
  spare->slots = dmg_buf( DMG_BODY_TX_MAX*sizeof( slot_t ) );
  for( unsigned i = 0; i<ASKS_MAX; i++ ) spare->asks[ i ].list = dmg_buf( 2*DMG_WIRE_BODYTX_MAX );
  return spare;
}

/* What is of the final view may be the body that is missing for it. */
void body_view( net_t * n ) {
  for( unsigned i = 0; i<BUILDS_MAX; i++ ) {
    build_t * b = &n->builds[ i ];
    if( b->state && ( b->head.epoch<n->epoch || ( b->head.epoch==n->epoch && b->head.view<n->final_view ) ) ) build_close( n, b, BUILD_NONE );
  }
}

static uint64_t pending( net_t const * n, dmg_hash_t const * body_hash, bool * out_is_known ) {
  uint64_t at = 0;
  *out_is_known = false;
  for( unsigned i = 0; i<BUILDS_MAX; i++ ) {
    build_t const * b = &n->builds[ i ];
    if( !b->state || !dmg_hash_eq( &b->head.body_hash, body_hash ) ) continue;
    *out_is_known = true;
    if( b->state==BUILD_OPEN ) at = dmg_max_u64( at, build_end_us( b ) );
  }
  return at;
}

uint64_t body_pending( net_t const * n, dmg_hash_t const * body_hash ) {
  bool is_known;
  return pending( n, body_hash, &is_known );
}

uint64_t body_hold( net_t * n, dmg_fetch_t const * f, uint64_t born_us ) {
  bool is_known;
  uint64_t at = pending( n, &f->body_hash, &is_known );
  if( is_known || n->self<0 || f->epoch!=n->epoch || f->view<n->cur ) return at;
  /* Headers travel before bodies (N2.1): who leads an open view is about to push. */
  set_t const * s = set_of( n, f->epoch );
  int idx = n->chain->leader( n->chain->ctx, f->epoch, f->view );
  if( !s || idx<0 || (uint32_t)idx>=s->cnt || s->members[ idx ]==n->self || !n->members[ s->members[ idx ] ].is_direct ) return 0;
  return born_us+PUSH_US;
}

/* --- short ids -------------------------------------------------------------------------------------------- */

static uint32_t place_of( net_t const * n, uint64_t id ) { return (uint32_t)( id*n->short_odd>>49 ); }   /* 15 bits */

static void table_fill( net_t * n, slot_t * slots, uint32_t cnt ) {
  _Static_assert( sizeof n->short_table/sizeof n->short_table[ 0 ]==1u<<15 && DMG_BODY_TX_MAX<( 1u<<15 ), "the table is never full" );
  memset( n->short_table, 0, sizeof n->short_table );
  for( uint32_t i = 0; i<cnt; i++ ) {
    if( slots[ i ].is_here ) continue;
    uint32_t at = place_of( n, slots[ i ].id );
    while( n->short_table[ at ] && slots[ n->short_table[ at ]-1 ].id!=slots[ i ].id ) at = ( at+1 )&0x7fff;
    if( n->short_table[ at ] ) slots[ i ].is_twice = slots[ n->short_table[ at ]-1 ].is_twice = true;   /* both are asked for */
    else n->short_table[ at ] = (uint16_t)( i+1 );
  }
}

static slot_t * table_find( net_t const * n, slot_t * slots, uint64_t id ) {
  for( uint32_t at = place_of( n, id ); n->short_table[ at ]; at = ( at+1 )&0x7fff ) if( slots[ n->short_table[ at ]-1 ].id==id ) return &slots[ n->short_table[ at ]-1 ];
  return NULL;
}

/* --- compact, received ------------------------------------------------------------------------------------ */

typedef struct { net_t * n; build_t * b; } look_t;

static void look( void * arg, dmg_hash_t const * leaf, dmg_span_t raw, uint64_t age_ms ) {
  look_t * l = arg;
  slot_t * s = table_find( l->n, slots_of( &l->b->slots ), dmg_wire_short_id( l->b->key, leaf ) );
  if( !s || s->is_twice ) return;
  /* N8.7: two matches count as missing. */
  if( ++s->hits>1 ) { s->hits = 2; s->is_here = false; return; }
  if( raw.sz>l->b->head.body_len || dmg_buf_append( &l->b->bytes, raw.p, raw.sz ) ) return;
  s->off = (uint32_t)( l->b->bytes.sz-raw.sz );
  s->sz  = (uint32_t)raw.sz;
  s->is_here = true;
}

static void uleb_append( uint8_t ** p, uint32_t v ) {
  for( ; v>=0x80; v >>= 7 ) *( *p )++ = (uint8_t)( v|0x80 );
  *( *p )++ = (uint8_t)v;
}

/* All is here: does it hash to the head's word? */
static bool build_finish( net_t * n, build_t * b, dmg_chainnet_out_t * out ) {
  slot_t const * s = slots_of( &b->slots );
  size_t sz = b->lists_sz+dmg_bcs_uleb_sz( b->tx_cnt );
  for( uint32_t i = 0; i<b->tx_cnt; i++ ) sz += dmg_wire_tx_sz( s[ i ].sz );
  dmg_verdict_t v = dmg_verdict_bad( "body", "of another length", 0 );
  kept_t * kept = NULL;
  if( sz==b->head.body_len ) {
    uint8_t * p;
    dmg_buf_clear( &n->raw );
    dmg_err_t err = dmg_buf_grow( &n->raw, sz, &p );
    if( !err ) {
      memcpy( p, b->bytes.p, b->lists_sz );
      p += b->lists_sz;
      uleb_append( &p, b->tx_cnt );
      for( uint32_t i = 0; i<b->tx_cnt; i++ ) {
        uleb_append( &p, s[ i ].sz );
        memcpy( p, b->bytes.p+s[ i ].off, s[ i ].sz );
        p += s[ i ].sz;
      }
      v = kept_put( n, &b->head.body_hash, dmg_buf_span( &n->raw ), false, &kept );
    } else v = dmg_verdict_local( err );
  }
  /* N8.7: a collision, unpunished: of ours or of theirs, who knows. */
  if( v.kind==DMG_VERDICT_BAD ) n->stat.body_collisions++;
  if( v.kind ) { build_close( n, b, BUILD_FAILED ); return false; }
  if( !b->ask_cnt ) n->stat.bodies_rebuilt++;
  build_close( n, b, BUILD_DONE );
  return body_out( n, &b->head, b->leader, kept, out );
}

/* The rest of it: of the leader, then of another each 150 ms or as soon as one has given up. */
static void build_ask( net_t * n, build_t * b ) {
  if( b->next_us>n->now_us ) { net_wake( n, b->next_us ); return; }
  ask_t * a = NULL;
  for( unsigned i = 0; i<ASKS_MAX; i++ ) if( !b->asks[ i ].is_used ) a = &b->asks[ i ];
  if( b->ask_cnt==ASKS_MAX || !a || b->missing>DMG_WIRE_BODYTX_MAX ) { build_close( n, b, BUILD_FAILED ); return; }
  member_t const * m = &n->members[ b->leader ];
  int i = !b->ask_cnt && m->is_direct && n->conns[ m->line ].out_cnt[ DMG_CHAINNET_BODYTX ]<OUT_PER_PROTO ? m->line : pick_conn( n, DMG_CHAINNET_BODYTX, NULL, b->tried, 0 );
  b->ask_cnt++;
  net_wake( n, b->next_us = n->now_us+ASK_US );
  if( i<0 ) return;
  bit_set( b->tried, (uint32_t)i );
  dmg_wire_bodytx_req_t * r = &n->ask_req;
  slot_t const * s = slots_of( &b->slots );
  r->body_hash = b->head.body_hash;
  r->cnt = 0;
  for( uint32_t k = 0; k<b->tx_cnt; k++ ) if( !s[ k ].is_here ) r->idx[ r->cnt++ ] = (uint16_t)k;
  DMG_ASSERT( r->cnt==b->missing );
  size_t sz = dmg_wire_bodytx_req_encode( r, n->ask_bytes );
  a->list = dmg_buf( 2*DMG_WIRE_BODYTX_MAX );
  if( dmg_buf_append( &a->list, r->idx, 2*(size_t)r->cnt ) || dmg_net_request( n->port, n->conns[ i ].conn, DMG_CHAINNET_BODYTX, dmg_span( n->ask_bytes, sz ), ASK_MS, &a->id ) ) { dmg_buf_fini( &a->list ); return; }
  a->is_used = true;
  a->conn    = (int16_t)i;
  a->pos     = 0;
  n->conns[ i ].out_cnt[ DMG_CHAINNET_BODYTX ]++;
}

/* c: decoded into n->compact_txs. */
static bool on_compact( net_t * n, int member, dmg_wire_head_t const * head, uint64_t id, dmg_wire_compact_t const * c, dmg_chainnet_out_t * out ) {
  kept_t * kept = kept_find( n, &head->body_hash );
  if( kept ) return body_out( n, head, member, kept, out );   /* by its other head */
  build_t * b = build_new( n, head, id, member );
  uint8_t * p;
  if( !b ) { n->stat.frames_dropped++; return false; }
  if( dmg_buf_append( &b->bytes, c->lists.p, c->lists.sz ) || dmg_buf_grow( &b->slots, c->tx_cnt*sizeof( slot_t ), &p ) ) { build_close( n, b, BUILD_FAILED ); return false; }
  b->lists_sz = (uint32_t)c->lists.sz;
  b->tx_cnt   = c->tx_cnt;
  memset( p, 0, c->tx_cnt*sizeof( slot_t ) );
  slot_t * s = slots_of( &b->slots );
  for( uint32_t i = 0, k = 0; i<c->tx_cnt; i++ ) {
    if( !n->compact_txs[ i ].p ) { uint8_t w[ 8 ] = { 0 }; memcpy( w, c->ids.p+(size_t)DMG_WIRE_SHORT_SZ*k++, DMG_WIRE_SHORT_SZ ); s[ i ].id = dmg_load_u64le( w ); continue; }
    s[ i ].off = (uint32_t)b->bytes.sz;
    s[ i ].sz  = (uint32_t)n->compact_txs[ i ].sz;
    s[ i ].is_here = true;
    if( dmg_buf_append( &b->bytes, n->compact_txs[ i ].p, s[ i ].sz ) ) { build_close( n, b, BUILD_FAILED ); return false; }
  }
  dmg_wire_short_key( &head->body_hash, c->nonce, b->key );
  table_fill( n, s, c->tx_cnt );
  look_t l = { n, b };
  if( c->ids.sz ) n->chain->each_tx( n->chain->ctx, look, &l );   /* once for a head */
  for( uint32_t i = 0; i<c->tx_cnt; i++ ) b->missing += !s[ i ].is_here;
  n->stat.txs_missing += b->missing;
  if( !b->missing ) return build_finish( n, b, out );
  build_ask( n, b );
  return false;
}

bool body_frame( net_t * n, int member, dmg_span_t f, dmg_chainnet_out_t * out ) {
  member_t * m = &n->members[ member ];
  dmg_wire_head_t head;
  int leader;
  uint64_t id;
  dmg_span_t raw = dmg_span( f.p, f.sz<DMG_WIRE_HEAD_SZ ? f.sz : DMG_WIRE_HEAD_SZ ), rest = dmg_span( f.p+raw.sz, f.sz-raw.sz );
  if( dmg_wire_head_decode( raw, &head ).kind || head.form==DMG_WIRE_SHREDS ) { frame_bad( n, m ); return false; }
  head_judge_t j = head_judge( n, member, raw, &head, &leader, &id );
  if( j==HEAD_NEW && ( head.body_len>n->cfg.body_max || ( head.form==DMG_WIRE_FULL && rest.sz!=head.body_len ) ) ) j = HEAD_BAD;
  if( j==HEAD_STALE || j==HEAD_AGAIN ) { n->stat.frames_dropped++; return false; }
  kept_t * kept = NULL;
  dmg_wire_compact_t c;
  bool is_compact = head.form==DMG_WIRE_COMPACT;
  dmg_verdict_t v = j!=HEAD_NEW ? dmg_verdict_bad( "head", "false", 0 ) : is_compact ? dmg_wire_compact_decode( rest, &c, n->compact_txs ) : kept_put( n, &head.body_hash, rest, false, &kept );
  if( v.kind==DMG_VERDICT_BAD ) { n->stat.bodies_bad++; frame_bad( n, m ); return false; }
  if( v.kind ) { n->stat.frames_dropped++; return false; }   /* no memory: it can be fetched */
  block_frame( n, &head.body_hash, f );
  return is_compact ? on_compact( n, member, &head, id, &c, out ) : body_out( n, &head, member, kept, out );
}

dmg_verdict_t body_told( net_t * n, int leader, dmg_wire_head_t const * head, dmg_span_t raw, dmg_span_t rest ) {
  dmg_wire_compact_t c;
  kept_t * kept;
  dmg_chainnet_out_t none;                         /* a follower's bodies are not told */
  if( head->form==DMG_WIRE_FULL ) {
    kept = kept_find( n, &head->body_hash );
    if( kept && !dmg_span_eq( rest, dmg_buf_span( &kept->body ) ) ) return dmg_verdict_bad( "body", "of another hash", 0 );
    if( !n->cfg.is_follower ) return kept ? dmg_verdict_good() : body_judge( n, rest, &head->body_hash );
    dmg_verdict_t v = kept_put( n, &head->body_hash, rest, false, &kept );
    if( !v.kind ) (void)body_out( n, head, leader, kept, &none );
    return v;
  }
  dmg_verdict_t v = dmg_wire_compact_decode( rest, &c, n->compact_txs );
  if( v.kind || !n->cfg.is_follower ) return v;
  dmg_hash_t id = dmg_sha256( raw );
  (void)on_compact( n, leader, head, dmg_load_u64le( id.b ), &c, &none );
  return v;
}

static ask_t * ask_of( net_t * n, int conn, uint64_t id, build_t ** out_build ) {
  for( unsigned i = 0; i<BUILDS_MAX; i++ ) for( unsigned k = 0; n->builds[ i ].state==BUILD_OPEN && k<ASKS_MAX; k++ ) {
    ask_t * a = &n->builds[ i ].asks[ k ];
    if( !a->is_used || a->conn!=conn || a->id!=id ) continue;
    *out_build = &n->builds[ i ];
    return a;
  }
  return NULL;
}

/* One asked gave up: another at once. */
static void ask_lost( net_t * n, build_t * b, ask_t * a, bool is_cancel ) {
  ask_free( n, a, is_cancel );
  b->next_us = n->now_us;
  net_wake( n, n->now_us );
}

bool body_chunk( net_t * n, int conn, dmg_net_ev_t const * ev, dmg_chainnet_out_t * out, bool * out_is_mine ) {
  build_t * b = NULL;
  ask_t * a = ask_of( n, conn, ev->id, &b );
  if( !a ) return false;
  *out_is_mine = true;
  if( ev->code!=DMG_WIRE_DATA ) return false;      /* REQ_END asks the next */
  uint16_t idx;
  if( ( a->pos+1 )*sizeof idx>a->list.sz ) { ask_lost( n, b, a, true ); return false; }
  memcpy( &idx, a->list.p+a->pos++*sizeof idx, sizeof idx );
  slot_t * s = &slots_of( &b->slots )[ idx ];
  if( s->is_here ) return false;                   /* another was faster */
  dmg_hash_t leaf = dmg_h( DMG_TAG_BODY_TX, ev->data );
  /* Not what the compact body names: its leader lied, or this one does.  Unpunished, as nothing says which. */
  if( dmg_wire_short_id( b->key, &leaf )!=s->id || dmg_buf_append( &b->bytes, ev->data.p, ev->data.sz ) ) { n->stat.bodies_bad++; ask_lost( n, b, a, true ); return false; }
  s->off = (uint32_t)( b->bytes.sz-ev->data.sz );
  s->sz  = (uint32_t)ev->data.sz;
  s->is_here = true;
  return !--b->missing && build_finish( n, b, out );
}

bool body_end( net_t * n, int conn, dmg_net_ev_t const * ev ) {
  build_t * b = NULL;
  ask_t * a = ask_of( n, conn, ev->id, &b );
  if( a ) ask_lost( n, b, a, false );
  return a!=NULL;
}

void body_conn_down( net_t * n, int conn ) {
  for( unsigned i = 0; i<BUILDS_MAX; i++ ) {
    build_t * b = &n->builds[ i ];
    b->tried[ conn/64 ] &= ~( (uint64_t)1<<( conn%64 ) );
    for( unsigned k = 0; b->state==BUILD_OPEN && k<ASKS_MAX; k++ ) if( b->asks[ k ].is_used && b->asks[ k ].conn==conn ) ask_lost( n, b, &b->asks[ k ], false );
  }
}

void body_tick( net_t * n ) {
  for( unsigned i = 0; i<BUILDS_MAX; i++ ) if( n->builds[ i ].state==BUILD_OPEN && n->builds[ i ].missing ) build_ask( n, &n->builds[ i ] );
}

void body_fini( net_t * n ) {
  for( unsigned i = 0; i<BUILDS_MAX; i++ ) {
    build_t * b = &n->builds[ i ];
    for( unsigned k = 0; k<ASKS_MAX; k++ ) dmg_buf_fini( &b->asks[ k ].list );
    dmg_buf_fini( &b->bytes );
    dmg_buf_fini( &b->slots );
  }
  for( unsigned i = 0; i<KEPT_MAX; i++ ) { dmg_buf_fini( &n->kept[ i ].body ); dmg_buf_fini( &n->kept[ i ].places ); }
  dmg_buf_fini( &n->own_slots );
  dmg_buf_fini( &n->shred_mem );
}

size_t body_heap( net_t const * n ) {
  size_t sz = n->own_slots.cap+n->shred_mem.cap;
  for( unsigned i = 0; i<BUILDS_MAX; i++ ) {
    build_t const * b = &n->builds[ i ];
    sz += b->bytes.cap+b->slots.cap;
    for( unsigned k = 0; k<ASKS_MAX; k++ ) sz += b->asks[ k ].list.cap;
  }
  for( unsigned i = 0; i<KEPT_MAX; i++ ) sz += n->kept[ i ].body.cap+n->kept[ i ].places.cap;
  return sz;
}

/* --- own ones --------------------------------------------------------------------------------------------- */

/* N8.6: the nearest more than 2/3 of stake first, of these the farthest in front; then the rest.  Returns how many. */
static uint32_t push_order( net_t * n, set_t const * s, uint16_t out[ DMG_CHAINNET_PEER_MAX ] ) {
  uint32_t cnt = 0, near = 0;
  uint64_t far_us[ DMG_CHAINNET_PEER_MAX ], stake = 0, weight[ DMG_CHAINNET_PEER_MAX ];
  for( uint32_t i = 0; i<DMG_CHAINNET_PEER_MAX; i++ ) {
    member_t const * m = &n->members[ i ];
    int idx = s && m->is_used ? m->idx[ s-n->sets ] : -1;
    if( (int)i==n->self && idx>=0 ) stake = s->weights[ idx ];
    if( !m->is_used || m->line<0 || m->side_out[ 0 ].state==STREAM_NONE ) continue;
    uint64_t rtt = n->conns[ m->line ].rtt_us, w = idx>=0 ? s->weights[ idx ] : 0;
    if( idx<0 ) rtt |= (uint64_t)1<<62;            /* of another epoch's set: last */
    uint32_t at = cnt++;
    for( ; at && far_us[ at-1 ]>rtt; at-- ) { far_us[ at ] = far_us[ at-1 ]; out[ at ] = out[ at-1 ]; weight[ at ] = weight[ at-1 ]; }
    far_us[ at ] = rtt;
    out[ at ]    = (uint16_t)i;
    weight[ at ] = w;
  }
  while( s && near<cnt && stake/2<=s->total/3 ) stake += weight[ near++ ];
  for( uint32_t i = 0; i<near/2; i++ ) { uint16_t t = out[ i ]; out[ i ] = out[ near-1-i ]; out[ near-1-i ] = t; }
  return cnt;
}

static void push_frame( net_t * n, set_t const * s, uint64_t view, dmg_span_t frame ) {
  uint16_t order[ DMG_CHAINNET_PEER_MAX ];
  uint32_t cnt = push_order( n, s, order );
  for( uint32_t i = 0; i<cnt; i++ ) {
    dmg_err_t err = dmg_net_notify_send( n->port, n->members[ order[ i ] ].side_out[ 0 ].id, view, 0, frame );
    if( err ) n->stat.frames_dropped++;            /* they fetch it */
    else n->stat.bodies_sz_out += frame.sz;
  }
}

typedef struct { net_t * n; kept_t const * k; uint8_t key[ 16 ]; } own_t;

static dmg_span_t own_tx( kept_t const * k, uint32_t i ) {
  place_t at;
  memcpy( &at, k->places.p+i*sizeof at, sizeof at );
  return dmg_span( k->body.p+at.off, at.sz );
}

/* One that has been here for 200 ms has reached the others; what else is in the pool under its id makes it two matches. */
static void look_own( void * arg, dmg_hash_t const * leaf, dmg_span_t raw, uint64_t age_ms ) {
  own_t * o = arg;
  slot_t * all = slots_of( &o->n->own_slots ), * s = table_find( o->n, all, dmg_wire_short_id( o->key, leaf ) );
  if( !s || s->is_twice ) return;
  if( ++s->hits>1 ) s->hits = 2;
  if( age_ms>=FRESH_MS && dmg_span_eq( raw, own_tx( o->k, (uint32_t)( s-all ) ) ) ) s->is_here = true;
}

/* The compact form into n->chunk; *out_fresh_sz: of it the transactions that are prefilled. */
static dmg_err_t compact_make( net_t * n, dmg_wire_head_t * head, kept_t const * k, size_t * out_fresh_sz ) {
  own_t o = { .n = n, .k = k };
  uint8_t * p;
  dmg_buf_clear( &n->own_slots );
  DMG_TRY( dmg_buf_grow( &n->own_slots, k->tx_cnt*sizeof( slot_t ), &p ) );
  memset( p, 0, k->tx_cnt*sizeof( slot_t ) );
  slot_t * s = slots_of( &n->own_slots );
  /* Not to be foretold: ids of the same transactions differ from body to body. */
  dmg_hash_t salt = dmg_h2( DMG_TAG_NET_SHORT, DMG_SPAN( n->cfg.secret ), dmg_hash_span( &head->body_hash ) );
  dmg_wire_compact_t c = { .nonce = dmg_load_u64le( salt.b ), .tx_cnt = k->tx_cnt };
  dmg_wire_short_key( &head->body_hash, c.nonce, o.key );
  size_t tx_sz = 0, fresh = 0;
  for( uint32_t i = 0; i<k->tx_cnt; i++ ) {
    dmg_span_t tx = own_tx( k, i );
    dmg_hash_t leaf = dmg_h( DMG_TAG_BODY_TX, tx );
    s[ i ].id = dmg_wire_short_id( o.key, &leaf );
    tx_sz += dmg_wire_tx_sz( tx.sz );
  }
  c.lists = dmg_span( k->body.p, k->body.sz-tx_sz-dmg_bcs_uleb_sz( k->tx_cnt ) );
  table_fill( n, s, k->tx_cnt );
  n->chain->each_tx( n->chain->ctx, look_own, &o );
  dmg_buf_clear( &n->raw );
  DMG_TRY( dmg_buf_grow( &n->raw, (size_t)k->tx_cnt*DMG_WIRE_SHORT_SZ, &p ) );
  for( uint32_t i = 0; i<k->tx_cnt; i++ ) {
    bool is_known = s[ i ].is_here && s[ i ].hits==1 && !s[ i ].is_twice;
    n->compact_txs[ i ] = is_known ? dmg_span( NULL, 0 ) : own_tx( k, i );
    if( !is_known ) { fresh += dmg_wire_tx_sz( n->compact_txs[ i ].sz ); continue; }
    uint8_t w[ 8 ];
    dmg_store_u64le( w, s[ i ].id );
    memcpy( p, w, DMG_WIRE_SHORT_SZ );
    p += DMG_WIRE_SHORT_SZ;
  }
  c.ids = dmg_span( n->raw.p, (size_t)( p-n->raw.p ) );
  *out_fresh_sz = fresh;
  head->form = DMG_WIRE_COMPACT;
  dmg_wire_head_sign( head, &n->cfg.genesis, n->cfg.seed );
  dmg_buf_clear( &n->chunk );
  DMG_TRY( dmg_buf_grow( &n->chunk, DMG_WIRE_HEAD_SZ, &p ) );
  dmg_wire_head_encode( head, p );
  return dmg_wire_compact_encode( &c, n->compact_txs, &n->chunk );
}

dmg_err_t dmg_chainnet_push_body( dmg_chainnet_t * n, uint32_t epoch, uint64_t view, dmg_hash_t const * body_hash, dmg_span_t body ) {
  if( body.sz>DMG_WIRE_BODY_SZ_MAX ) return DMG_ERR_LIMIT;
  kept_t * k;
  dmg_verdict_t v = kept_put( n, body_hash, body, true, &k );
  if( v.kind ) return v.kind==DMG_VERDICT_LOCAL ? v.err : DMG_ERR_INVALID;
  set_t const * s = set_of( n, epoch );
  dmg_wire_head_t head = { .epoch = epoch, .view = view, .body_hash = *body_hash, .body_len = (uint32_t)body.sz };
  if( body.sz>FULL_SZ_MAX ) {
    size_t fresh_sz;
    DMG_TRY( compact_make( n, &head, k, &fresh_sz ) );
    uint8_t relays[ DMG_WIRE_SHARD_CNT_MAX ];
    bool is_compact = fresh_sz+n->miss_sz<=MISSING_SZ_MAX || !s || !s->k || !shred_relays( n, s, view, relays );
    n->miss_sz /= 2;                               /* without news of it compact bodies are tried again */
    block_frame( n, body_hash, dmg_buf_span( &n->chunk ) );
    if( !is_compact ) {
      head.form = DMG_WIRE_SHREDS;
      n->stat.bodies_by_out[ DMG_WIRE_SHREDS ]++;
      return shred_push( n, s, head, body );
    }
  } else {
    uint8_t * p;
    dmg_wire_head_sign( &head, &n->cfg.genesis, n->cfg.seed );
    dmg_buf_clear( &n->chunk );
    DMG_TRY( dmg_buf_grow( &n->chunk, DMG_WIRE_HEAD_SZ, &p ) );
    dmg_wire_head_encode( &head, p );
    DMG_TRY( dmg_buf_append( &n->chunk, body.p, body.sz ) );
    block_frame( n, body_hash, dmg_buf_span( &n->chunk ) );
  }
  n->stat.bodies_by_out[ head.form ]++;
  push_frame( n, s, view, dmg_buf_span( &n->chunk ) );
  return DMG_OK;
}
