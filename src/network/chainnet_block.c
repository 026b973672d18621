/* Topic block (N7.1, N7.3): proposals for all who have no line to their leader.

     leader ------------+--block--> judged: leader's turn, head and header signed, body as its form says --> forwarded
     voter, 300 ms later'                    `--a follower: header into told, body into builds or kept --> chainnet_sync.c, when F comes

   A block is heard once, by the hash of its header (and once more with its body, if the header came alone), two a view.  What of a compact body nobody signed (nonce, ids) is not judged: false, it costs the
   follower a question. */
#include "network/chainnet_int.h"

enum { OTHERS_US = 300000, PAIRINGS_PER_10S = 100 };

static told_t * told_of( net_t * n, dmg_hash_t const * hash ) {
  for( unsigned i = 0; i<TOLD_MAX; i++ ) if( n->told[ i ].is_used && dmg_hash_eq( &n->told[ i ].hash, hash ) ) return &n->told[ i ];
  return NULL;
}

uint8_t const * block_told( net_t * n, dmg_hash_t const * hash ) {
  told_t const * t = told_of( n, hash );
  return t ? t->header : NULL;
}

static bool is_below( told_t const * t, uint32_t epoch, uint64_t view ) { return t->epoch<epoch || ( t->epoch==epoch && t->view<view ); }

/* A free place, or that of the lowest view; NULL: all are of this one or later.  So none is forgotten while it could be heard as new. */
static told_t * place_for( net_t * n, uint32_t epoch, uint64_t view ) {
  told_t * low = &n->told[ 0 ];
  for( unsigned i = 0; i<TOLD_MAX; i++ ) {
    told_t * t = &n->told[ i ];
    if( !t->is_used ) return t;
    if( is_below( t, low->epoch, low->view ) ) low = t;
  }
  return is_below( low, epoch, view ) ? low : NULL;
}

static void note( net_t * n, uint32_t epoch, uint64_t view, dmg_hash_t const * hash, uint8_t const * header, bool has_head ) {
  told_t * t = told_of( n, hash );
  if( !t ) t = place_for( n, epoch, view );
  if( !t ) return;
  *t = (told_t){ .is_used = true, .has_head = has_head, .epoch = epoch, .view = view, .hash = *hash };
  memcpy( t->header, header, sizeof t->header );
}

/* --- out -------------------------------------------------------------------------------------------------- */

void block_frame( net_t * n, dmg_hash_t const * body_hash, dmg_span_t frame ) {
  n->frame_hash = (dmg_hash_t){ { 0 } };
  dmg_buf_clear( &n->frame );
  if( !dmg_buf_append( &n->frame, frame.p, frame.sz ) ) n->frame_hash = *body_hash;   /* too large, or no memory: told without */
}

static void publish( net_t * n, telling_t * t ) {
  told_t const * was = told_of( n, &t->hash );
  bool has_head = t->msg.sz>DMG_SIGNED_HEADER_SZ;
  t->us = 0;
  if( ( was && ( was->has_head || !has_head ) ) || dmg_net_publish( n->port, n->topic_block, dmg_buf_span( &t->msg ) ) ) return;
  note( n, t->epoch, t->view, &t->hash, t->msg.p, has_head );
  n->stat.blocks_out++;
}

void dmg_chainnet_send_block( dmg_chainnet_t * n, dmg_span_t header, bool is_first, uint64_t now_us ) {
  if( now_us>n->now_us ) n->now_us = now_us;
  dmg_signed_header_t sh;
  if( !n->is_started || n->is_stopping || dmg_signed_header_decode( header, &sh ).kind ) return;
  telling_t * t = &n->telling[ 0 ];
  for( unsigned i = 1; i<TELLING_MAX; i++ ) if( n->telling[ i ].us<t->us ) t = &n->telling[ i ];
  t->epoch = sh.header.epoch;
  t->view  = sh.header.view;
  t->hash  = dmg_header_bytes_hash( dmg_span( header.p, DMG_HEADER_SZ ) );
  t->us    = 0;
  dmg_buf_clear( &t->msg );
  bool has_body = sh.header.body_len>DMG_BODY_EMPTY_SZ && dmg_hash_eq( &n->frame_hash, &sh.header.body_hash );
  if( dmg_buf_append( &t->msg, header.p, header.sz ) || ( has_body && dmg_buf_append( &t->msg, n->frame.p, n->frame.sz ) ) ) return;   /* no memory: others tell it */
  /* A body can be pushed for another view, or with a head that tells of another length. */
  dmg_wire_block_t b;
  if( has_body && dmg_wire_block_decode( dmg_buf_span( &t->msg ), &b ).kind ) t->msg.sz = header.sz;
  t->us = n->now_us+( is_first ? 0 : OTHERS_US );
  if( is_first ) publish( n, t );
  else net_wake( n, t->us );
}

void block_tick( net_t * n ) {
  for( unsigned i = 0; i<TELLING_MAX; i++ ) {
    telling_t * t = &n->telling[ i ];
    if( !t->us ) continue;
    if( t->epoch<n->epoch || ( t->epoch==n->epoch && t->view<=n->final_view ) ) t->us = 0;
    else if( t->us>n->now_us ) net_wake( n, t->us );
    else publish( n, t );
  }
}

/* --- in --------------------------------------------------------------------------------------------------- */

static dmg_verdict_t late( void ) { return dmg_verdict_local( DMG_ERR_EXISTS ); }

/* PROPOSE: false ones cost a pairing each, so 10 a second are looked at, whoever sent them; true ones take none of that. */
static dmg_verdict_t judge_header( net_t * n, dmg_wire_block_t const * b ) {
  if( !bucket_take( &n->pairings, n->now_us, 1, PAIRINGS_PER_10S, PAIRINGS_PER_10S ) ) return dmg_verdict_local( DMG_ERR_LIMIT );
  dmg_verdict_t v = n->chain->judge_header( n->chain->ctx, &b->sh, &b->hash );
  if( v.kind!=DMG_VERDICT_BAD ) n->pairings.level += SEC;
  return v;
}

/* GOOD: to be forwarded; BAD: whoever sent it is at fault (N1.4); LOCAL: neither.  Cheap checks first. */
static dmg_verdict_t judge( net_t * n, dmg_wire_block_t const * b, dmg_span_t data ) {
  dmg_header_t const * h = &b->sh.header;
  unsigned of_view = 0;
  told_t const * was = told_of( n, &b->hash );
  if( was && ( was->has_head || !b->has_head || memcmp( was->header, data.p, sizeof was->header ) ) ) return late();
  for( unsigned i = 0; i<TOLD_MAX && !was; i++ ) of_view += n->told[ i ].is_used && n->told[ i ].epoch==h->epoch && n->told[ i ].view==h->view;
  if( of_view>=2 || !is_epoch_near( n, h->epoch ) || h->epoch<n->epoch || h->view>view_max( n, h->epoch ) || ( h->epoch==n->epoch && h->view<n->final_view ) ) return late();
  if( !was && !place_for( n, h->epoch, h->view ) ) return late();
  int idx = n->chain->leader( n->chain->ctx, h->epoch, h->view );
  set_t const * s = set_of( n, h->epoch );
  if( !s || idx<0 || (uint32_t)idx>=s->cnt || h->body_len>n->cfg.body_max ) return late();
  if( h->leader!=idx ) return dmg_verdict_bad( "block.leader", "not its view's", 3 );
  int leader = s->members[ idx ];
  if( b->has_head ) {
    if( !n->members[ leader ].peer.sz ) return late();
    if( !dmg_wire_head_verify( &b->head, &n->cfg.genesis, &n->members[ leader ].peer ) ) return dmg_verdict_bad( "block.head", "not signed by its leader", DMG_SIGNED_HEADER_SZ );
  }
  dmg_verdict_t v = was ? dmg_verdict_good() : judge_header( n, b );
  return v.kind || !b->has_head ? v : body_told( n, leader, &b->head, dmg_span( data.p+DMG_SIGNED_HEADER_SZ, DMG_WIRE_HEAD_SZ ), b->rest );
}

dmg_net_verdict_t block_heard( net_t * n, dmg_span_t data ) {
  dmg_wire_block_t b;
  dmg_verdict_t v = dmg_wire_block_decode( data, &b );
  if( !v.kind ) v = judge( n, &b, data );
  if( v.kind==DMG_VERDICT_BAD ) { n->stat.blocks_bad++; return DMG_NET_REJECT; }
  if( v.kind )                  { n->stat.blocks_late++; return DMG_NET_IGNORE; }
  note( n, b.sh.header.epoch, b.sh.header.view, &b.hash, data.p, b.has_head );
  n->stat.blocks_in++;
  return DMG_NET_ACCEPT;
}

void block_fini( net_t * n ) {
  dmg_buf_fini( &n->frame );
  for( unsigned i = 0; i<TELLING_MAX; i++ ) dmg_buf_fini( &n->telling[ i ].msg );
}

size_t block_heap( net_t const * n ) {
  size_t sz = n->frame.cap;
  for( unsigned i = 0; i<TELLING_MAX; i++ ) sz += n->telling[ i ].msg.cap;
  return sz;
}
