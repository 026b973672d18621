#include "storage/state_int.h"
#include "base/assert.h"

#include <stdlib.h>

/* One allocation: overlay | entries | ops | entry_of | table | keys and values. */

static size_t slot_of( uint64_t secret, dmg_hash_t const * path, uint32_t mask ) {
  /* S6.2: keys can be ground to share path bits; without the secret nobody knows which collide here. */
  uint64_t x = dmg_load_u64le( path->b+8 )^secret;
  x = ( x^( x>>32 ) )*0xd6e8feb86659fd93u;
  x = ( x^( x>>32 ) )*0xd6e8feb86659fd93u;
  return (size_t)( x>>32 )&mask;
}

static void leaves( dmg_overlay_t * o, dmg_hash_t const * path, dmg_hash_t const * vh, uint32_t const * order ) {
  enum { BATCH = 64 };
  dmg_hash_t pair[ 2*BATCH ], out[ BATCH ];
  for( uint32_t i=0; i<o->cnt; i+=BATCH ) {
    uint32_t n = o->cnt-i<BATCH ? o->cnt-i : BATCH;
    for( size_t j=0; j<n; j++ ) { pair[ 2*j ] = path[ order[ i+j ] ]; pair[ 2*j+1 ] = vh[ order[ i+j ] ]; }
    dmg_h_nodes( DMG_TAG_STATE_LEAF, pair->b, n, out );
    for( size_t j=0; j<n; j++ ) {
      dmg_tree_op_t * op = o->op+i+j;
      dmg_entry_t const * e = o->entry+order[ i+j ];
      op->path      = pair[ 2*j ];
      op->is_delete = e->is_delete;
      op->was_there = false;
      if( !e->is_delete ) op->leaf = out[ j ];
    }
  }
}

uint32_t dmg_overlay_lower( dmg_overlay_t const * o, uint32_t from, dmg_span_t key ) {
  /* In growing steps first: who goes along the entries pays by the distance. */
  uint32_t a = from, step = 1;
  while( step<=o->cnt-a && dmg_span_cmp( o->entry[ a+step-1 ].key, key )<0 ) { a += step; step *= 2; }
  uint32_t b = step<=o->cnt-a ? a+step-1 : o->cnt;
  while( a<b ) {
    uint32_t m = a+( b-a )/2;
    if( dmg_span_cmp( o->entry[ m ].key, key )<0 ) a = m+1;
    else                                           b = m;
  }
  return a;
}

dmg_err_t dmg_overlay_new( dmg_state_t * state, dmg_write_t const * writes, size_t cnt, dmg_overlay_t ** out_overlay ) {
  DMG_ASSERT( cnt<=DMG_STATE_WRITES_MAX );
  size_t bytes = 0;
  for( size_t i=0; i<cnt; i++ ) {
    dmg_write_t const * w = writes+i;
    DMG_ASSERT( w->key.sz>=DMG_STATE_KEY_MIN && w->key.sz<=DMG_STATE_KEY_MAX );
    DMG_ASSERT( w->is_delete || ( w->value.sz && w->value.sz<=DMG_STATE_VALUE_MAX ) );
    DMG_ASSERT( !i || dmg_span_cmp( writes[ i-1 ].key, w->key )<0 );
    bytes += w->key.sz+( w->is_delete ? 0 : w->value.sz );
  }
  DMG_ASSERT( bytes<=DMG_STATE_WRITE_SZ_MAX );

  uint32_t slots = 4;
  while( slots<2*cnt ) slots *= 2;
  if( !cnt ) slots = 0;
  size_t sz = sizeof( dmg_overlay_t )+cnt*( sizeof( dmg_entry_t )+sizeof( dmg_tree_op_t )+sizeof( uint32_t ) )+slots*sizeof( uint32_t )+bytes+16;
  dmg_overlay_t * o = malloc( sz );
  dmg_hash_t * hash = calloc( 2*cnt+1, sizeof *hash );
  if( !o || !hash ) { free( o ); free( hash ); return DMG_ERR_NOMEM; }
  memset( o, 0, sizeof *o );
  o->ref        = 1;
  o->cnt        = (uint32_t)cnt;
  o->sz         = sz;
  o->entry      = (dmg_entry_t *)( o+1 );
  o->entry_of   = (uint32_t *)( o->entry+cnt );
  o->table      = o->entry_of+cnt;
  o->op         = (dmg_tree_op_t *)( o->table+slots );
  o->table_mask = slots ? slots-1 : 0;
  uint8_t * p   = (uint8_t *)( o->op+cnt );
  memset( o->table, 0, slots*sizeof *o->table );

  dmg_hash_t * path = hash, * vh = hash+cnt;
  for( size_t i=0; i<cnt; i++ ) {
    dmg_write_t const * w = writes+i;
    dmg_entry_t * e = o->entry+i;
    *e = (dmg_entry_t){ .key = dmg_span( p, w->key.sz ), .is_delete = w->is_delete };
    memcpy( p, w->key.p, w->key.sz );
    p += w->key.sz;
    path[ i ] = dmg_state_path( e->key );
    if( w->is_delete ) continue;
    e->value = dmg_span( p, w->value.sz );
    memcpy( p, w->value.p, w->value.sz );
    p += w->value.sz;
    vh[ i ] = dmg_state_value_hash( e->value );
  }
  dmg_err_t err = dmg_tree_sort( path, sizeof *path, (uint32_t)cnt, o->entry_of );
  if( err ) { free( o ); free( hash ); return err; }
  leaves( o, path, vh, o->entry_of );
  free( hash );
  for( uint32_t i=0; i<cnt; i++ ) {
    size_t s = slot_of( state->secret, &o->op[ i ].path, o->table_mask );
    while( o->table[ s ] ) s = ( s+1 )&o->table_mask;
    o->table[ s ] = i+1;
  }
  *out_overlay = o;
  return DMG_OK;
}

void dmg_overlay_release( dmg_overlay_t * o ) {
  if( !o || __atomic_sub_fetch( &o->ref, 1, __ATOMIC_ACQ_REL ) ) return;
  dmg_tree_undo_fini( &o->undo );
  free( o->old_mem );
  free( o->read );
  free( o );
}

dmg_entry_t const * dmg_overlay_find( dmg_overlay_t const * o, uint64_t secret, dmg_hash_t const * path ) {
  if( !o->cnt ) return NULL;
  for( size_t s = slot_of( secret, path, o->table_mask ); o->table[ s ]; s = ( s+1 )&o->table_mask ) {
    uint32_t i = o->table[ s ]-1;
    if( dmg_hash_eq( &o->op[ i ].path, path ) ) return o->entry+o->entry_of[ i ];
  }
  return NULL;
}

/* ---- Stored values ---- */

size_t dmg_stored_sz( size_t key_sz, size_t value_sz ) {
  return 1+( key_sz<128 ? 1u : 2u )+key_sz+( value_sz>=DMG_STORED_VH_MIN ? 32u : 0u )+value_sz;
}

size_t dmg_stored_write( dmg_span_t key, dmg_span_t value, uint8_t * out ) {
  bool has_vh = value.sz>=DMG_STORED_VH_MIN;
  uint8_t * p = out;
  *p++ = has_vh;
  if( key.sz<128 ) *p++ = (uint8_t)key.sz;
  else { *p++ = (uint8_t)( key.sz|0x80u ); *p++ = (uint8_t)( key.sz>>7 ); }
  memcpy( p, key.p, key.sz );
  p += key.sz;
  if( has_vh ) {
    dmg_hash_t vh = dmg_state_value_hash( value );
    memcpy( p, vh.b, 32 );
    p += 32;
  }
  memcpy( p, value.p, value.sz );
  return (size_t)( p-out )+value.sz;
}

dmg_err_t dmg_stored_parse( dmg_span_t in, dmg_stored_t * out ) {
  if( in.sz<2 || in.p[0]>1 ) return DMG_ERR_CORRUPT;
  bool has_vh = in.p[0];
  size_t off = 2, key_sz = in.p[1];
  if( key_sz&0x80u ) {
    if( in.sz<3 || in.p[2]!=1 ) return DMG_ERR_CORRUPT;    /* 128..255 in two bytes; keys end at 128 */
    key_sz = ( key_sz&0x7fu )|128u;
    off    = 3;
  }
  if( key_sz<DMG_STATE_KEY_MIN || key_sz>DMG_STATE_KEY_MAX || in.sz-off<key_sz ) return DMG_ERR_CORRUPT;
  dmg_stored_t s = { .key = dmg_span( in.p+off, key_sz ) };
  off += key_sz;
  if( has_vh ) {
    if( in.sz-off<32 ) return DMG_ERR_CORRUPT;
    s.vh = in.p+off;
    off += 32;
  }
  s.value = dmg_span( in.p+off, in.sz-off );
  if( !s.value.sz || s.value.sz>DMG_STATE_VALUE_MAX || has_vh!=( s.value.sz>=DMG_STORED_VH_MIN ) ) return DMG_ERR_CORRUPT;
  *out = s;
  return DMG_OK;
}
