#include "node/head_cache.h"
#include "base/assert.h"
#include "types/items.h"

#include <stddef.h>
#include <stdlib.h>

enum { WAYS = 8 };

typedef struct { dmg_hash_t address; uint64_t free, held, next; dmg_txpool_account_t * account; bool is_used, has_holding, has_lane; } slot_t;   /* account NULL: not known */

struct dmg_head_cache { uint32_t set_mask, turn; uint64_t seed; slot_t slots[]; };

dmg_head_cache_t * dmg_head_cache_new( uint32_t cnt_max, uint64_t hash_seed ) {
  DMG_ASSERT( cnt_max>=2*WAYS && !( cnt_max&( cnt_max-1 ) ) );
  dmg_head_cache_t * c = calloc( 1, sizeof *c+cnt_max*sizeof( slot_t ) );
  if( c ) { c->set_mask = cnt_max/WAYS-1; c->seed = hash_seed; }
  return c;
}

void dmg_head_cache_clear( dmg_head_cache_t * c ) {
  for( size_t i = 0; i<( (size_t)c->set_mask+1 )*WAYS; i++ ) {
    free( c->slots[ i ].account );
    c->slots[ i ] = (slot_t){ .is_used = false };
  }
}

void dmg_head_cache_free( dmg_head_cache_t * c ) {
  if( !c ) return;
  dmg_head_cache_clear( c );
  free( c );
}

static uint64_t mix( uint64_t x ) {   /* the finaliser of splitmix64 */
  x = ( x^x>>30 )*0xbf58476d1ce4e5b9u;
  x = ( x^x>>27 )*0x94d049bb133111ebu;
  return x^x>>31;
}

static slot_t * set_of( dmg_head_cache_t const * c, dmg_hash_t const * address ) {
  return (slot_t *)&c->slots[ ( mix( dmg_load_u64le( address->b )^c->seed )&c->set_mask )*WAYS ];
}

static slot_t * find( dmg_head_cache_t const * c, dmg_hash_t const * address ) {
  slot_t * s = set_of( c, address );
  for( uint32_t w = 0; w<WAYS; w++ ) if( s[ w ].is_used && dmg_hash_eq( &s[ w ].address, address ) ) return &s[ w ];
  return NULL;
}

/* Finds or makes, in the place of whose turn it is.  NULL: only an account whose keys are known could make room, and may not. */
static slot_t * make( dmg_head_cache_t * c, dmg_hash_t const * address, bool is_admission ) {
  slot_t * s = find( c, address );
  if( s ) return s;
  s = set_of( c, address );
  uint32_t w = 0;
  while( w<WAYS && s[ w ].is_used ) w++;
  for( uint32_t i = 0; i<WAYS && w==WAYS; i++ ) {
    uint32_t turn = c->turn++%WAYS;
    if( is_admission || !s[ turn ].account ) w = turn;
  }
  if( w==WAYS ) return NULL;
  free( s[ w ].account );
  s[ w ] = (slot_t){ .address = *address, .is_used = true };
  return &s[ w ];
}

bool dmg_head_cache_account( dmg_head_cache_t const * c, dmg_hash_t const * address, dmg_txpool_account_t * out ) {
  slot_t const * s = find( c, address );
  if( !s || !s->account ) return false;
  memcpy( out, s->account, offsetof( dmg_txpool_account_t, auths )+s->account->auth_cnt*sizeof *s->account->auths );
  return true;
}

bool dmg_head_cache_holding( dmg_head_cache_t const * c, dmg_hash_t const * address, uint64_t * out_free, uint64_t * out_held ) {
  slot_t const * s = find( c, address );
  if( !s || !s->has_holding ) return false;
  *out_free = s->free;
  *out_held = s->held;
  return true;
}

bool dmg_head_cache_lane( dmg_head_cache_t const * c, dmg_hash_t const * address, uint64_t * out_next ) {
  slot_t const * s = find( c, address );
  if( !s || !s->has_lane ) return false;
  *out_next = s->next;
  return true;
}

void dmg_head_cache_put_account( dmg_head_cache_t * c, dmg_hash_t const * address, dmg_txpool_account_t const * account ) {
  DMG_ASSERT( account->auth_cnt<=DMG_AUTH_SLOT_MAX );
  size_t sz = offsetof( dmg_txpool_account_t, auths )+account->auth_cnt*sizeof *account->auths;
  dmg_txpool_account_t * copy = malloc( sz );
  if( !copy ) return;
  memcpy( copy, account, sz );
  slot_t * s = make( c, address, true );
  free( s->account );
  s->account = copy;
}

void dmg_head_cache_put_holding( dmg_head_cache_t * c, dmg_hash_t const * address, uint64_t free, uint64_t held, bool is_admission ) {
  slot_t * s = make( c, address, is_admission );
  if( !s ) return;
  s->free        = free;
  s->held        = held;
  s->has_holding = true;
}

void dmg_head_cache_put_lane( dmg_head_cache_t * c, dmg_hash_t const * address, uint64_t next ) {
  slot_t * s = make( c, address, true );
  s->next     = next;
  s->has_lane = true;
}

static bool is_of( unsigned item, dmg_span_t key ) {
  return dmg_load_u16be( key.p )==dmg_item_desc[ item ].module && dmg_load_u16be( key.p+2 )==dmg_item_desc[ item ].item;
}

/* A counter that was written; deleted: 0.  false: it does not read. */
static bool read_counter( dmg_write_t const * w, bool has_deposit, uint64_t * out ) {
  *out = 0;
  return w->is_delete || !dmg_counter_parse( w->value, has_deposit, NULL, out );
}

static dmg_err_t read_lane( dmg_write_t const * w, uint64_t * out_next ) {
  dmg_span_t bcs;
  *out_next = 0;
  if( w->is_delete ) return DMG_OK;
  DMG_TRY( dmg_value_bcs( DMG_ITEM_LANE, w->value, &bcs ) );
  return dmg_item_u64_get( bcs, out_next );
}

void dmg_head_cache_on_block( dmg_head_cache_t * c, dmg_write_t const * writes, size_t cnt ) {
  for( size_t i = 0; i<cnt; i++ ) {
    dmg_write_t const * w = &writes[ i ];
    if( w->key.sz<4+32 ) continue;
    dmg_hash_t address;
    bool is_account = is_of( DMG_ITEM_ACCOUNT, w->key ) || is_of( DMG_ITEM_AUTH, w->key ), is_free = is_of( DMG_ITEM_FREE, w->key );
    bool is_held = is_of( DMG_ITEM_HELD, w->key ), is_lock = is_of( DMG_ITEM_LOCK, w->key );
    bool is_lane = w->key.sz==4+32+2 && is_of( DMG_ITEM_LANE, w->key ) && !dmg_load_u16be( w->key.p+36 );
    if( !is_account && !is_free && !is_held && !is_lock && !is_lane ) continue;
    memcpy( address.b, w->key.p+4, 32 );
    slot_t * s = find( c, &address );
    if( !s ) continue;
    if( is_account ) { free( s->account ); s->account = NULL; }
    if( is_lane ) s->has_lane = !read_lane( w, &s->next );
    if( is_lock || ( is_free && !read_counter( w, true, &s->free ) ) || ( is_held && !read_counter( w, false, &s->held ) ) ) s->has_holding = false;
  }
}
