#include "storage/state_int.h"
#include "base/assert.h"
#include "base/log.h"

#include <stdlib.h>

/* The blocks between the tree's cursor and block, oldest first, each with a reference; the root
   after block.  Under tree_lock for reading. */
static dmg_err_t past_of( dmg_state_t * s, dmg_hash_t const * block, dmg_overlay_t *** out_past, size_t * out_cnt, dmg_hash_t * out_root ) {
  pthread_mutex_lock( &s->lock );
  dmg_err_t err = DMG_OK;
  uint32_t first = 0;
  dmg_overlay_t * o = s->has_head ? dmg_state_find( s, block ) : NULL;
  if( !s->has_head ) err = DMG_ERR_NOT_FOUND;
  else if( dmg_hash_eq( block, &s->block ) )      { first = s->ring_cnt; *out_root = s->root; }
  else if( o && o->is_final )                     { first = (uint32_t)( o->height-s->ring[0]->height )+1; *out_root = o->root; }
  else if( dmg_hash_eq( block, &s->base_block ) ) { first = 0; *out_root = s->base_root; }
  else err = DMG_ERR_NOT_FOUND;
  dmg_overlay_t ** past = NULL;
  size_t cnt = 0;
  if( !err ) {
    size_t live = 0;
    for( o=s->cursor; o; o=o->parent ) live++;
    past = malloc( ( s->ring_cnt-first+live+1 )*sizeof *past );
    if( !past ) err = DMG_ERR_NOMEM;
    else {
      for( uint32_t i=first; i<s->ring_cnt; i++ ) past[ cnt++ ] = dmg_overlay_take( s->ring[ i ] );
      cnt += live;
      size_t at = cnt;
      for( o=s->cursor; o; o=o->parent ) past[ --at ] = dmg_overlay_take( o );
      DMG_ASSERT( at+live==cnt );
    }
  }
  pthread_mutex_unlock( &s->lock );
  if( err ) return err;
  *out_past = past;
  *out_cnt  = cnt;
  return DMG_OK;
}

/* S12's single form; other_vh for a terminal of another leaf. */
static dmg_err_t write_single( dmg_tree_proof_t const * p, unsigned kind, dmg_hash_t const * other_vh, dmg_buf_t * out ) {
  uint8_t head[ 4+32 ] = { 1, (uint8_t)kind };
  dmg_store_u16le( head+2, (uint16_t)p->depth );
  for( unsigned i=0; i<p->depth; i++ ) if( !dmg_hash_is_zero( p->sibling+p->depth-1-i ) ) head[ 4+i/8 ] |= (uint8_t)( 1u<<( i%8 ) );
  DMG_TRY( dmg_buf_append( out, head, 4+( p->depth+7u )/8u ) );
  if( kind==2 ) {
    DMG_TRY( dmg_buf_append( out, p->leaf_path.b, 32 ) );
    DMG_TRY( dmg_buf_append( out, other_vh->b, 32 ) );
  }
  for( unsigned i=0; i<p->depth; i++ ) {
    dmg_hash_t const * sibling = p->sibling+p->depth-1-i;
    if( !dmg_hash_is_zero( sibling ) ) DMG_TRY( dmg_buf_append( out, sibling->b, 32 ) );
  }
  return DMG_OK;
}

static dmg_err_t vh_at( dmg_view_t * v, dmg_hash_t const * path, dmg_hash_t * out_vh ) {
  dmg_kv_val_t val;
  dmg_stored_t st;
  bool is_stored;
  dmg_err_t err = dmg_view_find( v, path, &val, &st, &is_stored );
  if( err ) return err==DMG_ERR_NOT_FOUND ? DMG_ERR_CORRUPT : err;   /* the tree has it */
  *out_vh = dmg_state_value_hash( st.value );
  dmg_kv_val_release( &val );
  return DMG_OK;
}

static dmg_err_t prove( dmg_state_t * s, dmg_view_t * v, dmg_hash_t const * root, dmg_tree_past_t const * past, size_t past_cnt, dmg_span_t key,
                        dmg_arena_t * arena, dmg_buf_t * out_proof, bool * out_is_present, dmg_span_t * out_value ) {
  dmg_hash_t path = dmg_state_path( key ), other_vh;
  dmg_tree_proof_t p;
  DMG_TRY( dmg_tree_prove( s->tree, past, past_cnt, &path, &p ) );
  unsigned kind = !p.has_leaf ? 1 : dmg_hash_eq( &p.leaf_path, &path ) ? 0 : 2;
  dmg_span_t value = { 0 };
  if( kind==0 ) {
    dmg_err_t err = dmg_view_get( v, key, arena, &value );
    if( err ) return err==DMG_ERR_NOT_FOUND ? DMG_ERR_CORRUPT : err;
    /* A borrowed value would end with the view. */
    value = dmg_arena_dup( arena, value );
    if( !value.p ) return DMG_ERR_NOMEM;
  } else if( kind==2 ) {
    DMG_TRY( vh_at( v, &p.leaf_path, &other_vh ) );
  }
  size_t before = out_proof->sz;
  dmg_err_t err = write_single( &p, kind, &other_vh, out_proof );
  /* Judge it as the asker will: a broken disk shows here, not at his place. */
  if( !err && dmg_state_proof_check( root, key, kind ? NULL : &value, dmg_span( out_proof->p+before, out_proof->sz-before ) ) ) {
    DMG_LOG_ERROR( "proof_failed", "height=%lu the stored value does not match the tree; " DMG_STORE_REPAIR, (unsigned long)v->height );
    err = DMG_ERR_CORRUPT;
  }
  if( err ) { out_proof->sz = before; return err; }
  *out_is_present = kind==0;
  *out_value      = value;
  return DMG_OK;
}

dmg_err_t dmg_state_prove( dmg_state_t * s, dmg_hash_t const * block, dmg_span_t key, dmg_arena_t * arena, dmg_buf_t * out_proof, bool * out_is_present, dmg_span_t * out_value ) {
  if( key.sz<DMG_STATE_KEY_MIN || key.sz>DMG_STATE_KEY_MAX ) return DMG_ERR_LIMIT;
  dmg_overlay_t ** overlay = NULL;
  size_t cnt = 0;
  dmg_hash_t root;
  pthread_rwlock_rdlock( &s->tree_lock );
  dmg_err_t err = past_of( s, block, &overlay, &cnt, &root );
  if( !err ) {
    dmg_tree_past_t * past = malloc( ( cnt+1 )*sizeof *past );
    dmg_view_t * v = NULL;
    err = past ? dmg_state_view_read( s, block, &v ) : DMG_ERR_NOMEM;
    if( !err ) {
      for( size_t i=0; i<cnt; i++ ) past[ i ] = (dmg_tree_past_t){ overlay[ i ]->op, overlay[ i ]->cnt, &overlay[ i ]->undo };
      err = prove( s, v, &root, past, cnt, key, arena, out_proof, out_is_present, out_value );
      dmg_view_close( v );
    }
    free( past );
    for( size_t i=0; i<cnt; i++ ) dmg_overlay_release( overlay[ i ] );
    free( overlay );
  }
  pthread_rwlock_unlock( &s->tree_lock );
  return err;
}
