/* Shards of large bodies: who relays which, taking, relaying, decoding (N8.8).

     leader --shard i--> its relay --once--> every validator;   any k of n: decode, encode again, compare the root

   A relay's shards are known from stake, view and the epoch's seed, so a shard from anyone but the leader to its relay, or its relay to the others, is false. */
#include "network/chainnet_int.h"
#include "base/num.h"

/* --- shares ----------------------------------------------------------------------------------------------- */

/* Exact, by the least stake that holds v shards. */
uint32_t shred_third( set_t const * s ) {
  uint64_t least[ DMG_WIRE_SHARD_CNT_MAX+1 ], third = ( s->total-1 )/3;
  uint32_t most = 0;
  for( uint32_t v = 1; v<=s->n; v++ ) least[ v ] = UINT64_MAX;
  least[ 0 ] = 0;
  for( uint32_t i = 0; i<s->cnt; i++ ) for( uint32_t v = s->n; s->share[ i ] && v>=s->share[ i ]; v-- ) {
    uint64_t w = least[ v-s->share[ i ] ];
    if( w<UINT64_MAX-s->weights[ i ] && w+s->weights[ i ]<least[ v ] ) least[ v ] = w+s->weights[ i ];
  }
  for( uint32_t v = 1; v<=s->n; v++ ) if( least[ v ]<=third ) most = v;
  return most;
}

void shred_shares( set_t * s ) {
  s->total = 0;
  s->k = s->n = 0;
  memset( s->share, 0, sizeof s->share );
  for( uint32_t i = 0; i<s->cnt; i++ ) {
    if( s->weights[ i ]>UINT64_MAX-s->total ) { s->total = 0; return; }
    s->total += s->weights[ i ];
  }
  if( !s->total ) return;
  uint32_t   k = s->cnt<8 ? 8 : s->cnt>DMG_RS_K_MAX ? DMG_RS_K_MAX : s->cnt, left = 2*k;
  dmg_u128_t rest[ DMG_SET_MAX ];
  s->n = 2*k;
  for( uint32_t i = 0; i<s->cnt; i++ ) {
    dmg_u128_t p = (dmg_u128_t)s->n*s->weights[ i ];
    s->share[ i ] = (uint8_t)( p/s->total );
    rest[ i ] = p%s->total;
    left -= s->share[ i ];
  }
  /* Fewer are left than members; the largest remainders get them, ties to the lower index. */
  for( ; left; left-- ) {
    uint32_t best = 0;
    for( uint32_t i = 1; i<s->cnt; i++ ) if( rest[ i ]>rest[ best ] ) best = i;
    s->share[ best ]++;
    rest[ best ] = 0;
  }
  /* k is lowered, n stays, until whoever holds the rest suffices.  Below n/4 all would send four times the body: then there are none. */
  uint32_t lost = shred_third( s );
  if( lost>s->n-k ) k = s->n-lost;
  s->k = 4*k>=s->n ? k : 0;
}

/* The u32s of H("dmg/net/shred/v1", epoch u32 | view u64 | seed | block u32), block 0, 1, .. */
typedef struct { uint8_t m[ 48 ]; dmg_hash_t h; uint32_t block, used; } stream_u32_t;

static uint32_t next_u32( stream_u32_t * st ) {
  if( st->used==8 ) {
    dmg_store_u32le( st->m+44, st->block++ );
    st->h    = dmg_h( DMG_TAG_NET_SHRED, DMG_SPAN( st->m ) );
    st->used = 0;
  }
  return dmg_load_u32le( st->h.b+(size_t)4*st->used++ );
}

bool shred_relays( net_t * n, set_t const * s, uint64_t view, uint8_t out[ DMG_WIRE_SHARD_CNT_MAX ] ) {
  dmg_hash_t seed;
  if( !s->k || !n->chain->seed( n->chain->ctx, s->epoch, &seed ) ) return false;
  uint32_t at = 0;
  for( uint32_t i = 0; i<s->cnt; i++ ) for( uint32_t c = 0; c<s->share[ i ]; c++ ) out[ at++ ] = (uint8_t)i;
  DMG_ASSERT( s->n && at==s->n );
  stream_u32_t st = { .used = 8 };
  dmg_store_u32le( st.m, s->epoch );
  dmg_store_u64le( st.m+4, view );
  memcpy( st.m+12, seed.b, 32 );
  for( uint32_t j = s->n-1; j; j-- ) {
    uint64_t limit = ( (uint64_t)1<<32 )/( j+1 )*( j+1 );   /* 2^32 - 2^32 mod (j+1) */
    uint32_t x;
    do x = next_u32( &st ); while( x>=limit );
    uint32_t r = x%( j+1 );
    uint8_t  t = out[ j ];
    out[ j ] = out[ r ];
    out[ r ] = t;
  }
  return true;
}

/* --- making ----------------------------------------------------------------------------------------------- */

/* The body, zeros behind it, into shred_mem; and its parity.  leaves[ n ]. */
static dmg_err_t shards_make( net_t * n, uint32_t k, uint32_t cnt, dmg_span_t body, size_t * out_sz, dmg_hash_t * leaves ) {
  size_t sz = dmg_wire_shard_sz( (uint32_t)body.sz, k );
  uint8_t * p;
  dmg_buf_clear( &n->shred_mem );
  DMG_TRY( dmg_buf_grow( &n->shred_mem, sz*cnt, &p ) );
  memcpy( p, body.p, body.sz );
  memset( p+body.sz, 0, sz*k-body.sz );
  dmg_rs_init( &n->rs, k, cnt );
  dmg_rs_encode( &n->rs, sz, p, p+sz*k );
  for( uint32_t i = 0; i<cnt; i++ ) leaves[ i ] = dmg_h( DMG_TAG_NET_SHRED_LEAF, dmg_span( p+sz*i, sz ) );
  *out_sz = sz;
  return DMG_OK;
}

static dmg_hash_t root_of( dmg_hash_t const * leaves, uint32_t cnt ) {
  dmg_merkle_t tree;
  dmg_merkle_init( &tree );
  for( uint32_t i = 0; i<cnt; i++ ) dmg_merkle_add( &tree, DMG_TAG_NET_SHRED_NODE, &leaves[ i ] );
  return dmg_merkle_end( &tree, DMG_TAG_NET_SHRED_NODE );
}

static void shard_send( net_t * n, int member, uint64_t view, dmg_span_t frame ) {
  member_t * m = &n->members[ member ];
  stream_t * st = &m->side_out[ DMG_CHAINNET_SHRED-DMG_CHAINNET_BODY ];
  if( !m->is_used || m->line<0 || st->state==STREAM_NONE ) return;
  dmg_err_t err = dmg_net_notify_send( n->port, st->id, view, 0, frame );
  if( err ) n->stat.frames_dropped++;
  else n->stat.bodies_sz_out += frame.sz;
}

/* Once to every validator of the set but its leader and us; the farthest have no other way to be first, so all in the set's order from ourselves on. */
static void shard_spread( net_t * n, set_t const * s, int leader, uint64_t view, dmg_span_t frame ) {
  uint32_t from = n->self>=0 && n->members[ n->self ].idx[ s-n->sets ]>=0 ? (uint32_t)n->members[ n->self ].idx[ s-n->sets ] : 0;
  for( uint32_t i = 1; i<=s->cnt; i++ ) {
    int m = s->members[ ( from+i )%s->cnt ];
    if( m!=leader && m!=n->self ) shard_send( n, m, view, frame );
  }
}

dmg_err_t shred_push( net_t * n, set_t const * s, dmg_wire_head_t head, dmg_span_t body ) {
  dmg_hash_t leaves[ DMG_WIRE_SHARD_CNT_MAX ], work[ DMG_WIRE_SHARD_CNT_MAX ];
  uint8_t    relays[ DMG_WIRE_SHARD_CNT_MAX ];
  size_t     sz;
  bool       is_known = shred_relays( n, s, head.view, relays );
  DMG_ASSERT( is_known );
  DMG_TRY( shards_make( n, s->k, s->n, body, &sz, leaves ) );
  head.form       = DMG_WIRE_SHREDS;
  head.k          = (uint16_t)s->k;
  head.shard_root = root_of( leaves, s->n );
  dmg_wire_head_sign( &head, &n->cfg.genesis, n->cfg.seed );
  /* Those that others relay first: they have a second way to go. */
  for( unsigned turn = 0; turn<2; turn++ ) for( uint32_t i = 0; i<s->n; i++ ) {
    int relay = s->members[ relays[ i ] ];
    if( ( relay==n->self )!=( turn==1 ) ) continue;
    dmg_wire_shard_t shard = { .head = head, .index = (uint16_t)i, .bytes = dmg_span( n->shred_mem.p+sz*i, sz ) };
    memcpy( work, leaves, s->n*sizeof *work );
    dmg_merkle_path( DMG_TAG_NET_SHRED_NODE, work, s->n, i, &shard.path );
    dmg_buf_clear( &n->chunk );
    DMG_TRY( dmg_wire_shard_encode( &shard, &n->chunk ) );
    if( relay==n->self ) shard_spread( n, s, n->self, head.view, dmg_buf_span( &n->chunk ) );
    else shard_send( n, relay, head.view, dmg_buf_span( &n->chunk ) );
  }
  return DMG_OK;
}

/* --- taking ----------------------------------------------------------------------------------------------- */

static bool shard_bad( net_t * n, int member ) {
  n->stat.shards_bad++;
  frame_bad( n, &n->members[ member ] );
  return false;
}

/* k are here.  N8.8: what the shards give is encoded again and held against the root: else two halves could give two bodies, or one of us a body and another none. */
static bool shred_finish( net_t * n, build_t * b, set_t const * s, dmg_chainnet_out_t * out ) {
  size_t sz = dmg_wire_shard_sz( b->head.body_len, s->k );
  dmg_hash_t leaves[ DMG_WIRE_SHARD_CNT_MAX ];
  uint8_t * p;
  kept_t * kept = NULL;
  dmg_buf_clear( &n->raw );
  dmg_err_t err = dmg_buf_grow( &n->raw, sz*s->k, &p );
  if( !err ) {
    dmg_rs_init( &n->rs, s->k, s->n );
    dmg_rs_decode( &n->rs, sz, b->order, b->bytes.p, p );
    err = shards_make( n, s->k, s->n, dmg_span( p, b->head.body_len ), &sz, leaves );
  }
  dmg_verdict_t v = dmg_verdict_local( err );
  if( !err ) {
    dmg_hash_t root = root_of( leaves, s->n );
    v = dmg_hash_eq( &root, &b->head.shard_root ) ? kept_put( n, &b->head.body_hash, dmg_span( p, b->head.body_len ), false, &kept ) : dmg_verdict_bad( "shard_root", "not of its shards", 51 );
  }
  if( v.kind==DMG_VERDICT_BAD ) { n->stat.bodies_bad++; frame_bad( n, &n->members[ b->leader ] ); }   /* its signature stands on the root */
  build_close( n, b, v.kind ? BUILD_FAILED : BUILD_DONE );
  return !v.kind && body_out( n, &b->head, b->leader, kept, out );
}

bool shred_frame( net_t * n, int member, dmg_span_t f, dmg_chainnet_out_t * out ) {
  dmg_wire_shard_t shard;
  int leader;
  uint64_t id;
  if( dmg_wire_shard_decode( f, &shard ).kind ) return shard_bad( n, member );
  n->stat.shards_in++;
  head_judge_t j = head_judge( n, -1, dmg_span( f.p, DMG_WIRE_HEAD_SZ ), &shard.head, &leader, &id );
  if( j==HEAD_BAD ) return shard_bad( n, member );
  set_t const * s = set_of( n, shard.head.epoch );
  if( j==HEAD_STALE || !s || n->self<0 ) { n->stat.frames_dropped++; return false; }
  build_t * b = j==HEAD_AGAIN ? build_find( n, id ) : NULL;
  if( j==HEAD_NEW ) {
    uint8_t relays[ DMG_WIRE_SHARD_CNT_MAX ];
    if( !shred_relays( n, s, shard.head.view, relays ) ) { n->stat.frames_dropped++; return false; }
    if( shard.head.k!=s->k || shard.head.body_len>n->cfg.body_max ) return shard_bad( n, member );   /* a relay has looked, too */
    b = build_new( n, &shard.head, id, leader );
    if( b ) memcpy( b->relays, relays, sizeof relays );
    if( b && kept_find( n, &shard.head.body_hash ) ) build_close( n, b, BUILD_DONE );
  }
  if( !b || b->head.form!=DMG_WIRE_SHREDS ) { n->stat.frames_dropped++; return false; }
  if( shard.index>=s->n ) return shard_bad( n, member );
  int relay = s->members[ b->relays[ shard.index ] ];
  bool is_mine = relay==n->self && member==leader;
  if( !is_mine && member!=relay ) return shard_bad( n, member );
  is_mine = is_mine && !bit_get( b->relayed, shard.index );
  bool is_new = b->state==BUILD_OPEN && !bit_get( b->have, shard.index );
  if( !is_mine && !is_new ) { n->stat.frames_dropped++; return false; }   /* late, or twice */
  dmg_hash_t leaf = dmg_h( DMG_TAG_NET_SHRED_LEAF, shard.bytes );
  if( !dmg_merkle_verify( DMG_TAG_NET_SHRED_NODE, &b->head.shard_root, &leaf, shard.index, s->n, &shard.path ) ) return shard_bad( n, member );
  if( is_mine ) {
    bit_set( b->relayed, shard.index );
    n->stat.shards_relayed++;
    shard_spread( n, s, leader, shard.head.view, f );
  }
  if( !is_new ) return false;
  if( dmg_buf_append( &b->bytes, shard.bytes.p, shard.bytes.sz ) ) { build_close( n, b, BUILD_FAILED ); return false; }
  bit_set( b->have, shard.index );
  b->order[ b->have_cnt++ ] = (uint8_t)shard.index;
  return b->have_cnt==s->k && shred_finish( n, b, s, out );
}
