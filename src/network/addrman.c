#include "network/addrman.h"
#include "base/assert.h"
#include "base/num.h"
#include "codec/bcs.h"
#include "crypto/hash.h"
#include "network/chainnet_wire.h"

enum { NEW_SLOTS = DMG_ADDRMAN_NEW*DMG_ADDRMAN_DEPTH, TRIED_SLOTS = DMG_ADDRMAN_TRIED*DMG_ADDRMAN_DEPTH, HEADS = 8192, NONE = 0xffff, FAILS_MAX = 8, PICK_MAX = 256, VERSION = 1 };
#define FORGET_S   ( (uint64_t)30*24*3600 )
#define STALE_S    ( (uint64_t)4*3600 )

typedef struct {
  dmg_net_peer_t    peer;
  uint8_t           addr_cnt, fails;
  bool              is_tried;
  uint16_t          slot, next;             /* in its table; in its chain, or among the free */
  dmg_maddr_group_t source;
  uint64_t          seq, seen_s, good_s, dialled_s;
  dmg_maddr_t       addrs[ DMG_ADDRMAN_ADDRS ];
} entry_t;

struct dmg_addrman {
  uint8_t  key[ 16 ];
  entry_t  e[ DMG_ADDRMAN_MAX ];
  uint16_t new_slots[ NEW_SLOTS ], tried_slots[ TRIED_SLOTS ], heads[ HEADS ], free;
  uint32_t new_cnt, tried_cnt;
};

dmg_addrman_t * dmg_addrman_new( dmg_arena_t * arena, uint8_t const key[ 16 ] ) {
  dmg_addrman_t * am = DMG_ARENA_NEW( arena, dmg_addrman_t, 1 );
  if( !am ) return NULL;
  memcpy( am->key, key, 16 );
  memset( am->new_slots, 0xff, sizeof am->new_slots );
  memset( am->tried_slots, 0xff, sizeof am->tried_slots );
  memset( am->heads, 0xff, sizeof am->heads );
  for( uint32_t i = 0; i<DMG_ADDRMAN_MAX; i++ ) am->e[ i ].next = (uint16_t)( i+1<DMG_ADDRMAN_MAX ? i+1 : NONE );
  return am;
}

/* --- places ----------------------------------------------------------------------------------------------- */

/* what | a | b under the key. */
static uint64_t sip( dmg_addrman_t const * am, uint8_t what, void const * a, size_t a_sz, void const * b, size_t b_sz ) {
  uint8_t m[ 3+DMG_NET_PEER_SZ+16 ] = { what, (uint8_t)a_sz, (uint8_t)b_sz };
  DMG_ASSERT( a_sz<=DMG_NET_PEER_SZ && b_sz<=16 );
  memcpy( m+3, a, a_sz );
  memcpy( m+3+a_sz, b, b_sz );
  return dmg_siphash24( am->key, dmg_span( m, 3+a_sz+b_sz ) );
}

static uint16_t slot_of( dmg_addrman_t const * am, entry_t const * e, bool is_tried ) {
  dmg_maddr_group_t g = dmg_maddr_group( &e->addrs[ 0 ] );
  uint8_t one;
  uint8_t bucket[ 2 ];
  uint64_t b;
  if( is_tried ) {
    one = (uint8_t)( sip( am, 1, e->peer.b, e->peer.sz, "", 0 )%8 );
    b   = sip( am, 2, g.b, g.sz, &one, 1 )%DMG_ADDRMAN_TRIED;
  } else {
    one = (uint8_t)( sip( am, 3, g.b, g.sz, e->source.b, e->source.sz )%64 );
    b   = sip( am, 4, e->source.b, e->source.sz, &one, 1 )%DMG_ADDRMAN_NEW;
  }
  bucket[ 0 ] = (uint8_t)b;
  bucket[ 1 ] = is_tried;
  return (uint16_t)( b*DMG_ADDRMAN_DEPTH+sip( am, 5, e->peer.b, e->peer.sz, bucket, 2 )%DMG_ADDRMAN_DEPTH );
}

static uint16_t * head_of( dmg_addrman_t * am, dmg_net_peer_t const * peer ) { return &am->heads[ sip( am, 6, peer->b, peer->sz, "", 0 )%HEADS ]; }

static entry_t * find( dmg_addrman_t * am, dmg_net_peer_t const * peer ) {
  for( uint16_t i = *head_of( am, peer ); i!=NONE; i = am->e[ i ].next ) if( dmg_net_peer_eq( &am->e[ i ].peer, peer ) ) return &am->e[ i ];
  return NULL;
}

static uint16_t * place( dmg_addrman_t * am, bool is_tried, uint16_t slot ) { return is_tried ? &am->tried_slots[ slot ] : &am->new_slots[ slot ]; }

static void drop( dmg_addrman_t * am, entry_t * e ) {
  uint16_t i = (uint16_t)( e-am->e ), * p = head_of( am, &e->peer );
  while( *p!=i ) p = &am->e[ *p ].next;
  *p = e->next;
  *place( am, e->is_tried, e->slot ) = NONE;
  if( e->is_tried ) am->tried_cnt--; else am->new_cnt--;
  *e = (entry_t){ .next = am->free };
  am->free = i;
}

static void settle( dmg_addrman_t * am, entry_t * e, bool is_tried, uint16_t slot ) {
  DMG_ASSERT( *place( am, is_tried, slot )==NONE );
  *place( am, is_tried, slot ) = (uint16_t)( e-am->e );
  e->is_tried = is_tried;
  e->slot     = slot;
  if( is_tried ) am->tried_cnt++; else am->new_cnt++;
}

/* A place in new: free, or held by one that is not worth it. */
static bool make_room( dmg_addrman_t * am, uint16_t slot, uint64_t now_s ) {
  uint16_t i = am->new_slots[ slot ];
  if( i==NONE ) return true;
  entry_t * e = &am->e[ i ];
  if( e->fails<3 && now_s<e->seen_s+FORGET_S ) return false;
  drop( am, e );
  return true;
}

/* --- what happens ----------------------------------------------------------------------------------------- */

static void addrs_set( entry_t * e, dmg_maddr_t const * addrs, uint32_t cnt ) {
  e->addr_cnt = (uint8_t)dmg_min_u64( cnt, DMG_ADDRMAN_ADDRS );
  memcpy( e->addrs, addrs, e->addr_cnt*sizeof *addrs );
}

/* Its group may be another now, and with it its place; one that has none there goes. */
static void move( dmg_addrman_t * am, entry_t * e, uint64_t now_s ) {
  uint16_t slot = slot_of( am, e, e->is_tried );
  if( slot==e->slot ) return;
  bool is_tried = e->is_tried;
  if( is_tried ? am->tried_slots[ slot ]!=NONE : !make_room( am, slot, now_s ) ) { drop( am, e ); return; }
  *place( am, is_tried, e->slot ) = NONE;
  if( is_tried ) am->tried_cnt--; else am->new_cnt--;
  settle( am, e, is_tried, slot );
}

bool dmg_addrman_add( dmg_addrman_t * am, dmg_net_peer_t const * peer, uint64_t seq, dmg_maddr_t const * addrs, uint32_t addr_cnt, dmg_maddr_group_t const * source, uint64_t now_s ) {
  if( !addr_cnt || !peer->sz ) return false;
  entry_t * e = find( am, peer );
  if( e ) {
    e->seen_s = dmg_max_u64( e->seen_s, now_s );
    if( seq<=e->seq ) return false;
    e->seq = seq;
    addrs_set( e, addrs, addr_cnt );
    move( am, e, now_s );
    return true;
  }
  entry_t made = { .peer = *peer, .seq = seq, .seen_s = now_s, .source = *source };
  addrs_set( &made, addrs, addr_cnt );
  uint16_t slot = slot_of( am, &made, false );
  if( !make_room( am, slot, now_s ) || am->free==NONE ) return false;
  uint16_t i = am->free, * head = head_of( am, peer );
  e = &am->e[ i ];
  am->free  = e->next;
  *e        = made;
  e->next   = *head;
  *head     = i;
  settle( am, e, false, slot );
  return true;
}

void dmg_addrman_good( dmg_addrman_t * am, dmg_net_peer_t const * peer, uint64_t now_s ) {
  entry_t * e = find( am, peer );
  if( !e ) return;
  e->good_s = e->seen_s = now_s;
  e->fails  = 0;
  if( e->is_tried ) return;
  uint16_t slot = slot_of( am, e, true ), old = am->tried_slots[ slot ];
  if( old!=NONE ) {
    entry_t * o = &am->e[ old ];
    if( !o->fails && now_s<o->good_s+STALE_S ) return;          /* it stays, the other in new */
    uint16_t back = slot_of( am, o, false );
    if( !make_room( am, back, now_s ) ) drop( am, o );
    else {
      am->tried_slots[ slot ] = NONE;
      am->tried_cnt--;
      settle( am, o, false, back );
    }
    e = find( am, peer );                                       /* making room may have taken it itself */
    if( !e ) return;
  }
  am->new_slots[ e->slot ] = NONE;
  am->new_cnt--;
  settle( am, e, true, slot );
}

void dmg_addrman_failed( dmg_addrman_t * am, dmg_net_peer_t const * peer, bool is_other, uint64_t now_s ) {
  entry_t * e = find( am, peer );
  if( !e ) return;
  e->dialled_s = now_s;
  if( e->fails<FAILS_MAX ) e->fails++;
  if( is_other || ( e->fails==FAILS_MAX && now_s>=e->good_s+FORGET_S/30 ) ) drop( am, e );   /* a day in vain */
}

static void show( entry_t const * e, dmg_addrman_peer_t * out ) {
  *out = (dmg_addrman_peer_t){ .peer = e->peer, .addr_cnt = e->addr_cnt, .is_tried = e->is_tried };
  memcpy( out->addrs, e->addrs, e->addr_cnt*sizeof *out->addrs );
}

static bool pick_from( dmg_addrman_t * am, bool is_tried, uint64_t random, uint64_t now_s, dmg_addrman_fit_t is_fit, void * ctx, dmg_addrman_peer_t * out ) {
  uint32_t asked = 0, slots = is_tried ? TRIED_SLOTS : NEW_SLOTS, left = is_tried ? am->tried_cnt : am->new_cnt;
  for( uint32_t k = 0, at = (uint32_t)( random%slots ); k<slots && left; k++, at = at+1<slots ? at+1 : 0 ) {
    uint16_t i = *place( am, is_tried, (uint16_t)at );
    if( i==NONE ) continue;
    left--;
    entry_t * e = &am->e[ i ];
    if( e->dialled_s && now_s<e->dialled_s+dmg_min_u64( 300, (uint64_t)5<<e->fails ) ) continue;   /* N6.1 */
    show( e, out );
    if( !is_fit( ctx, out ) ) { if( ++asked==PICK_MAX ) return false; continue; }
    e->dialled_s = now_s;
    return true;
  }
  return false;
}

bool dmg_addrman_pick( dmg_addrman_t * am, bool is_new_only, uint64_t random, uint64_t now_s, dmg_addrman_fit_t is_fit, void * ctx, dmg_addrman_peer_t * out ) {
  bool is_tried = !is_new_only && random>>63;
  return pick_from( am, is_tried, random, now_s, is_fit, ctx, out ) || ( !is_new_only && pick_from( am, !is_tried, random, now_s, is_fit, ctx, out ) );
}

bool dmg_addrman_find( dmg_addrman_t const * am, dmg_net_peer_t const * peer, dmg_addrman_peer_t * out ) {
  entry_t const * e = find( (dmg_addrman_t *)am, peer );   /* which changes nothing */
  if( e ) show( e, out );
  return e!=NULL;
}

void dmg_addrman_counts( dmg_addrman_t const * am, uint32_t * out_new, uint32_t * out_tried ) {
  *out_new   = am->new_cnt;
  *out_tried = am->tried_cnt;
}

/* --- the file --------------------------------------------------------------------------------------------- */

static char const magic[ 8 ] = { 'd', 'm', 'g', 'p', 'e', 'e', 'r', 's' };

/* peer sz u8, bytes; flags u8 {1 tried}; fails u8; seq u64; seen_s u64; good_s u64; source sz u8, bytes; addresses u8, each sz u8, bytes */
static dmg_err_t entry_put( entry_t const * e, dmg_buf_t * out ) {
  uint8_t b[ 64+DMG_NET_PEER_SZ+DMG_ADDRMAN_ADDRS*( 1+DMG_MADDR_SZ_MAX ) ];
  dmg_bcs_wr_t w = dmg_bcs_wr( b, sizeof b );
  dmg_bcs_wr_u8( &w, e->peer.sz );
  dmg_bcs_wr_fixed( &w, e->peer.b, e->peer.sz );
  dmg_bcs_wr_u8( &w, e->is_tried );
  dmg_bcs_wr_u8( &w, e->fails );
  dmg_bcs_wr_u64( &w, e->seq );
  dmg_bcs_wr_u64( &w, e->seen_s );
  dmg_bcs_wr_u64( &w, e->good_s );
  dmg_bcs_wr_u8( &w, e->source.sz );
  dmg_bcs_wr_fixed( &w, e->source.b, e->source.sz );
  dmg_bcs_wr_u8( &w, e->addr_cnt );
  for( uint32_t i = 0; i<e->addr_cnt; i++ ) { dmg_bcs_wr_u8( &w, e->addrs[ i ].sz ); dmg_bcs_wr_fixed( &w, e->addrs[ i ].b, e->addrs[ i ].sz ); }
  DMG_ASSERT( !w.is_full );
  return dmg_buf_append( out, b, (size_t)( w.p-b ) );
}

dmg_err_t dmg_addrman_save( dmg_addrman_t const * am, dmg_net_peer_t const * anchors, uint32_t anchor_cnt, dmg_buf_t * out ) {
  DMG_ASSERT( anchor_cnt<=DMG_ADDRMAN_ANCHORS );
  uint8_t b[ 4 ], version = VERSION, anchors_u8 = (uint8_t)anchor_cnt;
  dmg_buf_clear( out );
  DMG_TRY( dmg_buf_append( out, magic, sizeof magic ) );
  DMG_TRY( dmg_buf_append( out, &version, 1 ) );
  DMG_TRY( dmg_buf_append( out, am->key, sizeof am->key ) );
  DMG_TRY( dmg_buf_append( out, &anchors_u8, 1 ) );
  for( uint32_t i = 0; i<anchor_cnt; i++ ) {
    DMG_TRY( dmg_buf_append( out, &anchors[ i ].sz, 1 ) );
    DMG_TRY( dmg_buf_append( out, anchors[ i ].b, anchors[ i ].sz ) );
  }
  dmg_store_u32le( b, am->new_cnt+am->tried_cnt );
  DMG_TRY( dmg_buf_append( out, b, sizeof b ) );
  for( uint32_t s = 0; s<TRIED_SLOTS; s++ ) if( am->tried_slots[ s ]!=NONE ) DMG_TRY( entry_put( &am->e[ am->tried_slots[ s ] ], out ) );
  for( uint32_t s = 0; s<NEW_SLOTS; s++ )   if( am->new_slots[ s ]!=NONE )   DMG_TRY( entry_put( &am->e[ am->new_slots[ s ] ], out ) );
  dmg_hash_t sum = dmg_sha256( dmg_buf_span( out ) );
  return dmg_buf_append( out, sum.b, sizeof sum.b );
}

static void peer_get( dmg_bcs_rd_t * rd, dmg_net_peer_t * out ) {
  *out = (dmg_net_peer_t){ .sz = dmg_bcs_rd_u8( rd ) };
  if( !out->sz || out->sz>DMG_NET_PEER_SZ ) dmg_bcs_rd_fail( rd, DMG_BCS_VALUE );
  else dmg_bcs_rd_copy( rd, out->b, out->sz );
}

/* false: malformed. */
static bool entry_get( dmg_bcs_rd_t * rd, entry_t * e ) {
  *e = (entry_t){ 0 };
  peer_get( rd, &e->peer );
  e->is_tried  = dmg_bcs_rd_bool( rd );
  e->fails     = dmg_bcs_rd_u8( rd );
  e->seq       = dmg_bcs_rd_u64( rd );
  e->seen_s    = dmg_bcs_rd_u64( rd );
  e->good_s    = dmg_bcs_rd_u64( rd );
  e->source.sz = dmg_bcs_rd_u8( rd );
  if( rd->bad || e->source.sz>sizeof e->source.b || e->fails>FAILS_MAX ) return false;
  dmg_bcs_rd_copy( rd, e->source.b, e->source.sz );
  e->addr_cnt = dmg_bcs_rd_u8( rd );
  if( rd->bad || !e->addr_cnt || e->addr_cnt>DMG_ADDRMAN_ADDRS ) return false;
  for( uint32_t i = 0; i<e->addr_cnt; i++ ) {
    uint8_t b[ DMG_MADDR_SZ_MAX ], sz = dmg_bcs_rd_u8( rd );
    if( rd->bad || sz>sizeof b ) return false;
    dmg_bcs_rd_copy( rd, b, sz );
    if( rd->bad || !dmg_maddr_decode( dmg_span( b, sz ), &e->addrs[ i ] ) ) return false;
  }
  return true;
}

dmg_verdict_t dmg_addrman_load( dmg_addrman_t * am, dmg_span_t file, dmg_net_peer_t out_anchors[ DMG_ADDRMAN_ANCHORS ], uint32_t * out_anchor_cnt ) {
  DMG_ASSERT( !am->new_cnt && !am->tried_cnt );
  if( file.sz<8+1+16+1+4+32 || memcmp( file.p, magic, 8 ) || file.p[ 8 ]!=VERSION ) return dmg_verdict_bad( "peers", "no peer file of this version", 0 );
  dmg_hash_t sum = dmg_sha256( dmg_span( file.p, file.sz-32 ) );
  if( memcmp( sum.b, file.p+file.sz-32, 32 ) ) return dmg_verdict_bad( "peers", "the checksum is wrong", file.sz-32 );
  dmg_bcs_rd_t rd = dmg_bcs_rd( dmg_span( file.p+9, file.sz-9-32 ) );
  dmg_net_peer_t anchors[ DMG_ADDRMAN_ANCHORS ];
  dmg_bcs_rd_copy( &rd, am->key, sizeof am->key );
  uint32_t anchor_cnt = dmg_bcs_rd_u8( &rd );
  if( anchor_cnt>DMG_ADDRMAN_ANCHORS ) return dmg_verdict_bad( "peers.anchors", "more than two", 25 );
  for( uint32_t i = 0; i<anchor_cnt; i++ ) peer_get( &rd, &anchors[ i ] );
  uint32_t cnt = dmg_bcs_rd_u32( &rd );
  for( uint32_t i = 0; i<cnt && !rd.bad; i++ ) {
    entry_t e;
    if( !entry_get( &rd, &e ) ) return dmg_verdict_bad( "peers.peer", "malformed", 9+dmg_bcs_rd_off( &rd ) );   /* those before stay */
    uint16_t slot = slot_of( am, &e, e.is_tried );
    if( *place( am, e.is_tried, slot )!=NONE || find( am, &e.peer ) || am->free==NONE ) continue;
    uint16_t k = am->free, * head = head_of( am, &e.peer );
    am->free   = am->e[ k ].next;
    am->e[ k ] = e;
    am->e[ k ].next = *head;
    *head      = k;
    settle( am, &am->e[ k ], e.is_tried, slot );
  }
  if( rd.bad || dmg_bcs_rd_left( &rd ) ) return dmg_verdict_bad( "peers", "cut, or longer than it says", 9+dmg_bcs_rd_off( &rd ) );
  memcpy( out_anchors, anchors, anchor_cnt*sizeof *anchors );
  *out_anchor_cnt = anchor_cnt;
  return dmg_verdict_good();
}
