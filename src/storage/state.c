#include "storage/gaps_int.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/os.h"

#include <stdio.h>
#include <stdlib.h>

enum { FORMAT_MAJOR = 1, FORMAT_MINOR = 0, LOAD_BATCH = 65536, SMALL_SZ = 64*1024, RESERVE_SZ = 64*1024*1024 };

/* ---- Overlays: map and list; all under lock ---- */

static dmg_overlay_t ** map_slot( dmg_state_t * s, dmg_hash_t const * block ) {
  uint64_t x = ( dmg_load_u64le( block->b )^s->secret )*0xd6e8feb86659fd93u;
  return s->map+( x>>40 )%STATE_MAP_SIZE;
}

dmg_overlay_t * dmg_state_find( dmg_state_t * s, dmg_hash_t const * block ) {
  for( dmg_overlay_t * o = *map_slot( s, block ); o; o=o->map_next ) if( dmg_hash_eq( &o->block, block ) ) return o;
  return NULL;
}

static void map_add( dmg_state_t * s, dmg_overlay_t * o ) {
  dmg_overlay_t ** slot = map_slot( s, &o->block );
  o->map_next = *slot;
  *slot = o;
}
static void map_remove( dmg_state_t * s, dmg_overlay_t * o ) {
  dmg_overlay_t ** p = map_slot( s, &o->block );
  while( *p!=o ) { DMG_ASSERT( *p ); p = &( *p )->map_next; }
  *p = o->map_next;
}

static void list_add( dmg_state_t * s, dmg_overlay_t * o ) {
  o->prev = s->last;
  o->next = NULL;
  if( s->last ) s->last->next = o;
  else          s->first = o;
  s->last = o;
  s->overlay_cnt++;
  s->overlay_sz += o->sz;
}
static void list_remove( dmg_state_t * s, dmg_overlay_t * o ) {
  if( o->prev ) o->prev->next = o->next;
  else          s->first = o->next;
  if( o->next ) o->next->prev = o->prev;
  else          s->last = o->prev;
  o->prev = o->next = NULL;
  s->overlay_cnt--;
  s->overlay_sz -= o->sz;
}

static void gaps_drop( dmg_state_t * s ) { dmg_gaps_release( s->gaps ); s->gaps = NULL; }

static void live_drop( dmg_state_t * s, dmg_overlay_t * o ) {
  if( s->gaps && dmg_hash_eq( &s->gaps->block, &o->block ) ) gaps_drop( s );   /* who applies that block again may bring other writes */
  list_remove( s, o );
  map_remove( s, o );
  dmg_overlay_release( o );
}

static void ring_drop_oldest( dmg_state_t * s ) {
  dmg_overlay_t * o = s->ring[0];
  s->base_block = o->block;
  s->base_root  = o->root;
  s->ring_sz   -= o->sz;
  memmove( s->ring, s->ring+1, ( --s->ring_cnt )*sizeof *s->ring );
  map_remove( s, o );
  dmg_overlay_release( o );
}

/* ---- The tree stage ---- */

static bool descends( dmg_overlay_t const * o, dmg_overlay_t const * from ) {
  while( o && o!=from ) o = o->parent;
  return o==from;                              /* from NULL: the committed head, of which all descend */
}

static dmg_err_t read_check( dmg_state_t * s, dmg_overlay_t * o ) {
  enum { BATCH = 64 };
  dmg_hash_t pair[ 2*BATCH ], want[ BATCH ], leaf;
  for( size_t i=0; i<o->read_cnt; i+=BATCH ) {
    size_t n = o->read_cnt-i<BATCH ? o->read_cnt-i : BATCH;
    for( size_t j=0; j<n; j++ ) { pair[ 2*j ] = o->read[ i+j ].path; pair[ 2*j+1 ] = o->read[ i+j ].vh; }
    dmg_h_nodes( DMG_TAG_STATE_LEAF, pair->b, n, want );
    for( size_t j=0; j<n; j++ ) {
      bool has = dmg_tree_get( s->tree, &o->read[ i+j ].path, &leaf );
      if( has!=o->read[ i+j ].is_absent && ( !has || dmg_hash_eq( &leaf, want+j ) ) ) continue;
      char path[ 65 ];
      dmg_hex_encode( o->read[ i+j ].path.b, 32, path );
      s->read_check_failures++;
      /* S6.5: the disk gave something else than what the root commits to.  The node stops, it never votes. */
      DMG_LOG_ERROR( "read_check_failed", "height=%lu path=%s the store gave %s; " DMG_STORE_REPAIR, (unsigned long)o->height, path,
                     !has ? "a value that the state does not hold" : o->read[ i+j ].is_absent ? "nothing for a key that the state holds" : "another value than the state holds" );
      return DMG_ERR_CORRUPT;
    }
  }
  return DMG_OK;
}

/* S6.4: the tree to target (NULL: the committed head): back to the common ancestor, then down.
   Under tree_lock for writing. */
static dmg_err_t move_to( dmg_state_t * s, dmg_overlay_t * target ) {
  while( !descends( target, s->cursor ) ) {
    DMG_TRY( dmg_tree_revert( s->tree, s->cursor->op, s->cursor->cnt ) );
    s->cursor = s->cursor->parent;
  }
  while( s->cursor!=target ) {
    dmg_overlay_t * o = target;
    while( o->parent!=s->cursor ) o = o->parent;
    DMG_TRY( read_check( s, o ) );
    if( o->undo.node_cnt ) o->undo = (dmg_tree_undo_t){ .node = o->undo.node, .node_cap = o->undo.node_cap };
    DMG_TRY( dmg_tree_update( s->tree, o->op, o->cnt, &o->undo ) );
    s->cursor   = o;
    dmg_hash_t root = dmg_tree_root( s->tree );
    DMG_ASSERT( !o->has_root || dmg_hash_eq( &root, &o->root ) );   /* a block's root is one, whatever way the tree took */
    pthread_mutex_lock( &s->lock );
    o->root     = root;
    o->has_root = true;
    pthread_mutex_unlock( &s->lock );
  }
  return DMG_OK;
}

static dmg_err_t move_locked( dmg_state_t * s, dmg_overlay_t * target ) {
  if( s->cursor==target ) return DMG_OK;       /* only the writer moves it */
  pthread_rwlock_wrlock( &s->tree_lock );
  dmg_err_t err = move_to( s, target );
  pthread_rwlock_unlock( &s->tree_lock );
  return err;
}

/* ---- Apply and root ---- */

dmg_err_t dmg_state_apply( dmg_state_t * s, dmg_hash_t const * parent, dmg_hash_t const * block, uint64_t height,
                           dmg_write_t const * writes, size_t cnt, dmg_read_t const * reads, size_t read_cnt ) {
  if( !s->has_head ) return DMG_ERR_NOT_FOUND;
  /* The writer alone changes map and head, so it reads them without the lock. */
  if( dmg_state_find( s, block ) || dmg_hash_eq( block, &s->block ) ) return DMG_OK;
  dmg_overlay_t * up = NULL;
  if( !dmg_hash_eq( parent, &s->block ) ) {
    up = dmg_state_find( s, parent );
    if( ( up && up->is_final ) || ( !up && s->ring_cnt && dmg_hash_eq( parent, &s->base_block ) ) ) return DMG_ERR_PRUNED;
    if( !up ) return DMG_ERR_NOT_FOUND;
  }
  DMG_ASSERT( height==( up ? up->height : s->height )+1 );
  if( s->overlay_cnt>=DMG_STATE_OVERLAYS_MAX ) return DMG_ERR_FULL;
  dmg_overlay_t * o;
  DMG_TRY( dmg_overlay_new( s, writes, cnt, &o ) );
  if( read_cnt ) {
    o->read = malloc( read_cnt*sizeof *reads );
    if( !o->read ) { dmg_overlay_release( o ); return DMG_ERR_NOMEM; }
    memcpy( o->read, reads, read_cnt*sizeof *reads );
    o->read_cnt = read_cnt;
    o->sz += read_cnt*sizeof *reads;
  }
  /* S7.4: what holds little may pass the bound a bit, so that empty blocks go on in a stall. */
  uint64_t max = s->cfg.overlay_sz_max+( o->sz<=SMALL_SZ ? RESERVE_SZ : 0 );
  if( o->sz>max || s->overlay_sz>max-o->sz ) { dmg_overlay_release( o ); return DMG_ERR_FULL; }
  o->block        = *block;
  o->parent_block = *parent;
  o->height       = height;
  o->parent       = up;
  pthread_mutex_lock( &s->lock );
  map_add( s, o );
  list_add( s, o );
  pthread_mutex_unlock( &s->lock );
  return DMG_OK;
}

dmg_err_t dmg_state_root( dmg_state_t * s, dmg_hash_t const * block, dmg_hash_t * out_root ) {
  if( !s->has_head ) return DMG_ERR_NOT_FOUND;
  if( dmg_hash_eq( block, &s->block ) )      { *out_root = s->root; return DMG_OK; }
  if( dmg_hash_eq( block, &s->base_block ) ) { *out_root = s->base_root; return DMG_OK; }
  dmg_overlay_t * o = dmg_state_find( s, block );
  if( !o ) return DMG_ERR_NOT_FOUND;
  if( !o->has_root ) DMG_TRY( move_locked( s, o ) );
  *out_root = o->root;
  return DMG_OK;
}

/* ---- Commit ---- */

typedef struct { dmg_kv_op_t * op; size_t cnt, cap; uint8_t * mem; } batch_t;

static void batch_fini( batch_t * b ) { free( b->op ); free( b->mem ); }

/* Room for the ops of an overlay, the head's record and extra ones. */
static dmg_err_t batch_init( batch_t * b, dmg_overlay_t const * o, size_t extra_cnt ) {
  size_t sz = 0;
  for( uint32_t i=0; i<o->cnt; i++ ) if( !o->entry[ i ].is_delete ) sz += dmg_stored_sz( o->entry[ i ].key.sz, o->entry[ i ].value.sz );
  *b = (batch_t){ .cap = 2*(size_t)o->cnt+8+extra_cnt };
  b->op  = malloc( b->cap*sizeof *b->op );
  b->mem = malloc( sz+64 );
  if( b->op && b->mem ) return DMG_OK;
  batch_fini( b );
  return DMG_ERR_NOMEM;
}

static void batch_add( batch_t * b, dmg_kv_op_t op ) {
  DMG_ASSERT( b->cnt<b->cap );
  b->op[ b->cnt++ ] = op;
}

/* State, ord and the head's record of one block whose ops went through the tree. */
static void batch_fill( batch_t * b, dmg_overlay_t const * o, uint64_t key_cnt ) {
  uint8_t * p = b->mem;
  dmg_store_u64be( p, o->height );
  dmg_store_u64be( p+8, key_cnt );
  batch_add( b, (dmg_kv_op_t){ .cf = DMG_KV_META, .key = DMG_SPAN_STR( "height" ), .value = dmg_span( p, 8 ) } );
  batch_add( b, (dmg_kv_op_t){ .cf = DMG_KV_META, .key = DMG_SPAN_STR( "keys" ),   .value = dmg_span( p+8, 8 ) } );
  batch_add( b, (dmg_kv_op_t){ .cf = DMG_KV_META, .key = DMG_SPAN_STR( "hash" ),   .value = dmg_hash_span( &o->block ) } );
  batch_add( b, (dmg_kv_op_t){ .cf = DMG_KV_META, .key = DMG_SPAN_STR( "root" ),   .value = dmg_hash_span( &o->root ) } );
  p += 16;
  for( uint32_t i=0; i<o->cnt; i++ ) {
    dmg_tree_op_t const * t = o->op+i;
    dmg_entry_t const * e = o->entry+o->entry_of[ i ];
    if( t->is_delete ) {
      if( !t->was_there ) continue;
      batch_add( b, (dmg_kv_op_t){ .cf = DMG_KV_STATE, .is_delete = true, .key = dmg_hash_span( &t->path ) } );
      batch_add( b, (dmg_kv_op_t){ .cf = DMG_KV_ORD,   .is_delete = true, .key = e->key } );
      continue;
    }
    if( t->was_there && dmg_hash_eq( &t->leaf, &t->old_leaf ) ) continue;   /* the same value again */
    size_t sz = dmg_stored_write( e->key, e->value, p );
    batch_add( b, (dmg_kv_op_t){ .cf = DMG_KV_STATE, .key = dmg_hash_span( &t->path ), .value = dmg_span( p, sz ) } );
    p += sz;
    if( !t->was_there ) batch_add( b, (dmg_kv_op_t){ .cf = DMG_KV_ORD, .key = e->key } );
  }
}

/* The values that o replaces, from the committed store, into o: its undo (S10.1). */
static dmg_err_t old_values( dmg_state_t * s, dmg_overlay_t * o ) {
  enum { BATCH = 256 };
  dmg_kv_val_t val[ BATCH ];
  dmg_span_t   key[ BATCH ];
  bool         found[ BATCH ];
  dmg_stored_t st[ BATCH ];
  size_t sz = 0, cap = 0;
  size_t * off = calloc( (size_t)o->cnt+1, sizeof *off );
  uint8_t * mem = NULL;
  if( !off ) return DMG_ERR_NOMEM;
  dmg_err_t err = DMG_OK;
  for( uint32_t i=0; i<o->cnt && !err; ) {
    uint32_t n = 0, from = i;
    for( ; i<o->cnt && n<BATCH; i++ ) if( o->op[ i ].was_there ) key[ n++ ] = dmg_hash_span( &o->op[ i ].path );
    if(( err = dmg_kv_get_many( s->kv, DMG_KV_STATE, NULL, key, n, val, found ) )) break;
    size_t add = 0;
    for( uint32_t j=0; j<n; j++ ) {
      if( !found[ j ] || dmg_stored_parse( val[ j ].v, st+j ) ) { err = DMG_ERR_CORRUPT; continue; }
      add += st[ j ].value.sz;
    }
    if( !err && sz+add>cap ) {
      cap = 2*cap>sz+add ? 2*cap : sz+add;
      uint8_t * q = realloc( mem, cap );
      if( q ) mem = q;
      else    err = DMG_ERR_NOMEM;
    }
    for( uint32_t j=0, k=from; j<n; j++ ) {
      while( !o->op[ k ].was_there ) k++;
      if( !err ) {
        DMG_ASSERT( mem || !st[ j ].value.sz );
        if( mem ) memcpy( mem+sz, st[ j ].value.p, st[ j ].value.sz );
        off[ k ] = sz;
        o->entry[ o->entry_of[ k ] ].old_value.sz = st[ j ].value.sz;
        sz += st[ j ].value.sz;
      }
      k++;
      if( found[ j ] ) dmg_kv_val_release( val+j );
    }
  }
  if( !err ) {
    for( uint32_t i=0; i<o->cnt; i++ ) if( o->op[ i ].was_there ) o->entry[ o->entry_of[ i ] ].old_value.p = mem+off[ i ];
    o->old_mem = mem;
    mem = NULL;
  } else if( err==DMG_ERR_CORRUPT ) {
    DMG_LOG_ERROR( "state_corrupt", "height=%lu a key that the tree holds is missing or broken in the store; " DMG_STORE_REPAIR, (unsigned long)o->height );
  }
  free( off );
  free( mem );
  return err;
}

/* o, a child of the head with its ops in the tree, becomes the head. */
static dmg_err_t commit( dmg_state_t * s, dmg_overlay_t * o, dmg_kv_op_t const * extra_ops, size_t extra_cnt ) {
  DMG_ASSERT( o->has_root && o->height==s->height+1 && !o->parent );
  DMG_TRY( old_values( s, o ) );
  batch_t b;
  DMG_TRY( batch_init( &b, o, extra_cnt ) );
  batch_fill( &b, o, dmg_tree_key_cnt( s->tree ) );
  for( size_t i=0; i<extra_cnt; i++ ) batch_add( &b, extra_ops[ i ] );
  /* Views opened while the write runs must see the store as it was: freeze it before. */
  pthread_mutex_lock( &s->lock );
  dmg_err_t err = DMG_OK;
  dmg_snap_ref_t * old = s->snap;
  if( !old && ( old = malloc( sizeof *old ) ) ) {
    old->ref = 1;
    err = dmg_kv_snap_open( s->kv, &old->snap );
    if( err ) { free( old ); old = NULL; }
    else s->snap = old;
  }
  pthread_mutex_unlock( &s->lock );
  if( !old ) err = err==DMG_ERR_LIMIT ? DMG_ERR_FULL : DMG_ERR_NOMEM;
  if( !err ) err = dmg_kv_write( s->kv, b.op, b.cnt, s->cfg.is_durable && !s->is_grouped );
  batch_fini( &b );
  if( err ) return err;

  pthread_mutex_lock( &s->lock );
  if( !--old->ref ) { dmg_kv_snap_close( s->kv, old->snap ); free( old ); }
  s->snap = NULL;
  list_remove( s, o );
  for( dmg_overlay_t * c=s->first; c; c=c->next ) if( c->parent==o ) c->parent = NULL;
  if( s->cursor==o ) s->cursor = NULL;
  o->is_final = true;
  o->parent   = NULL;
  free( o->read );
  o->read     = NULL;
  o->read_cnt = 0;
  o->sz += dmg_tree_undo_sz( &o->undo );
  for( uint32_t i=0; i<o->cnt; i++ ) o->sz += o->entry[ i ].old_value.sz;
  if( s->ring_cnt==DMG_STATE_RING ) ring_drop_oldest( s );
  s->ring[ s->ring_cnt++ ] = o;
  s->ring_sz += o->sz;
  while( s->ring_cnt && s->ring_sz>s->cfg.ring_sz_max ) {
    /* The newest too, if it is that large: then only the head itself can be read. */
    ring_drop_oldest( s );
  }
  s->height = o->height;
  s->block  = o->block;
  s->root   = o->root;
  pthread_mutex_unlock( &s->lock );
  return DMG_OK;
}

void dmg_state_group( dmg_state_t * s, bool is_on ) { s->is_grouped = is_on; }

dmg_err_t dmg_state_finalize( dmg_state_t * s, dmg_hash_t const * block, dmg_kv_op_t const * extra_ops, size_t extra_cnt ) {
  DMG_ASSERT( s->has_head );
  if( dmg_hash_eq( block, &s->block ) ) return DMG_OK;
  dmg_overlay_t * b = dmg_state_find( s, block );
  DMG_ASSERT( b && !b->is_final );             /* S7.3: finalizing off the committed chain */
  /* The tree must be able to say which keys its blocks replaced, and stay off the forks that go. */
  if( !descends( s->cursor, b ) ) DMG_TRY( move_locked( s, b ) );
  while( s->height<b->height ) {
    dmg_overlay_t * o = b;
    while( o->parent ) o = o->parent;
    DMG_TRY( commit( s, o, extra_ops, o==b ? extra_cnt : 0 ) );
    /* Whoever does not descend from o can never be final. */
    pthread_mutex_lock( &s->lock );
    for( dmg_overlay_t * c=s->first, * next; c; c=next ) {
      next = c->next;                          /* parents stand before children */
      c->is_kept = c->parent ? c->parent->is_kept : dmg_hash_eq( &c->parent_block, &s->block );
    }
    for( dmg_overlay_t * c=s->last, * prev; c; c=prev ) {
      prev = c->prev;
      if( !c->is_kept ) live_drop( s, c );
    }
    pthread_mutex_unlock( &s->lock );
  }
  return DMG_OK;
}

dmg_err_t dmg_state_drop( dmg_state_t * s, dmg_hash_t const * block ) {
  if( !s->has_head ) return DMG_ERR_NOT_FOUND;
  dmg_overlay_t * b = dmg_state_find( s, block );
  if( ( b && b->is_final ) || dmg_hash_eq( block, &s->block ) ) return DMG_ERR_PRUNED;
  if( !b ) return DMG_ERR_NOT_FOUND;
  if( s->cursor && descends( s->cursor, b ) ) DMG_TRY( move_locked( s, b->parent ) );
  pthread_mutex_lock( &s->lock );
  for( dmg_overlay_t * c=s->first; c; c=c->next ) c->is_kept = c!=b && ( !c->parent || c->parent->is_kept );
  for( dmg_overlay_t * c=s->last, * prev; c; c=prev ) {
    prev = c->prev;
    if( !c->is_kept ) live_drop( s, c );
  }
  pthread_mutex_unlock( &s->lock );
  return DMG_OK;
}

dmg_err_t dmg_state_genesis( dmg_state_t * s, dmg_hash_t const * block, dmg_write_t const * writes, size_t cnt, dmg_hash_t * out_root ) {
  if( s->has_head ) return DMG_ERR_EXISTS;
  dmg_overlay_t * o;
  DMG_TRY( dmg_overlay_new( s, writes, cnt, &o ) );
  for( uint32_t i=0; i<o->cnt; i++ ) DMG_ASSERT( !o->op[ i ].is_delete );
  o->block = *block;
  dmg_err_t err = dmg_tree_update( s->tree, o->op, o->cnt, NULL );
  batch_t b;
  if( !err ) err = batch_init( &b, o, 0 );
  if( !err ) {
    o->root = dmg_tree_root( s->tree );
    batch_fill( &b, o, dmg_tree_key_cnt( s->tree ) );
    err = dmg_kv_write( s->kv, b.op, b.cnt, true );
    batch_fini( &b );
  }
  if( !err ) {
    pthread_mutex_lock( &s->lock );
    s->has_head = true;
    s->height   = 0;
    s->block    = s->base_block = *block;
    s->root     = s->base_root  = o->root;
    pthread_mutex_unlock( &s->lock );
    *out_root   = o->root;
  }
  dmg_overlay_release( o );
  return err;
}

/* ---- Questions ---- */

dmg_err_t dmg_state_head( dmg_state_t * s, uint64_t * out_height, dmg_hash_t * out_block, dmg_hash_t * out_root ) {
  pthread_mutex_lock( &s->lock );
  bool has = s->has_head;
  if( has && out_height ) *out_height = s->height;
  if( has && out_block )  *out_block  = s->block;
  if( has && out_root )   *out_root   = s->root;
  pthread_mutex_unlock( &s->lock );
  return has ? DMG_OK : DMG_ERR_NOT_FOUND;
}

void dmg_state_stats( dmg_state_t * s, dmg_state_stats_t * out ) {
  dmg_kv_stats_t kv;
  dmg_kv_stats( s->kv, &kv );
  pthread_rwlock_rdlock( &s->tree_lock );
  pthread_mutex_lock( &s->lock );
  *out = (dmg_state_stats_t){ .key_cnt = dmg_tree_key_cnt( s->tree ), .store_sz = kv.bytes, .store_mem_sz = kv.mem_sz, .tree_sz = dmg_tree_sz( s->tree ), .overlay_cnt = s->overlay_cnt, .overlay_sz = s->overlay_sz,
    .ring_cnt = s->ring_cnt, .ring_sz = s->ring_sz, .view_cnt = s->view_cnt, .read_check_failures = s->read_check_failures };
  pthread_mutex_unlock( &s->lock );
  pthread_rwlock_unlock( &s->tree_lock );
}

/* ---- Open ---- */

/* A meta value of exactly sz bytes; NOT_FOUND, CORRUPT. */
static dmg_err_t meta_get( dmg_kv_t * kv, char const * name, void * out, size_t sz ) {
  dmg_kv_val_t v;
  DMG_TRY( dmg_kv_get( kv, DMG_KV_META, NULL, dmg_span_cstr( name ), &v ) );
  bool fits = v.v.sz==sz;
  if( fits ) memcpy( out, v.v.p, sz );
  dmg_kv_val_release( &v );
  return fits ? DMG_OK : DMG_ERR_CORRUPT;
}

/* Fills the empty tree from column state, in path order. */
static dmg_err_t load( dmg_state_t * s, dmg_open_why_t * out_why ) {
  dmg_tree_op_t * op = calloc( LOAD_BATCH, sizeof *op );
  dmg_hash_t * pair = malloc( (size_t)2*LOAD_BATCH*sizeof *pair ), * leaf = malloc( LOAD_BATCH*sizeof *leaf );
  dmg_kv_iter_t * it = NULL;
  dmg_err_t err = op && pair && leaf ? dmg_kv_iter_open( s->kv, DMG_KV_STATE, NULL, dmg_span( NULL, 0 ), dmg_span( NULL, 0 ), false, &it ) : DMG_ERR_NOMEM;
  bool is_end = false;
  while( !err && !is_end ) {
    size_t n = 0;
    while( n<LOAD_BATCH ) {
      dmg_span_t key, value;
      dmg_stored_t st;
      err = dmg_kv_iter_next( it, &key, &value );
      if( err==DMG_ERR_NOT_FOUND ) { is_end = true; err = DMG_OK; break; }
      if( err ) break;
      if( key.sz!=32 || dmg_stored_parse( value, &st ) ) { err = DMG_ERR_CORRUPT; break; }
      pair[ 2*n ]   = dmg_hash_load( key.p );
      pair[ 2*n+1 ] = st.vh ? dmg_hash_load( st.vh ) : dmg_state_value_hash( st.value );
      n++;
    }
    if( err ) break;
    dmg_h_nodes( DMG_TAG_STATE_LEAF, pair->b, n, leaf );
    for( size_t i=0; i<n; i++ ) op[ i ] = (dmg_tree_op_t){ .path = pair[ 2*i ], .leaf = leaf[ i ] };
    err = dmg_tree_update( s->tree, op, n, NULL );
  }
  dmg_kv_iter_close( it );
  free( op ); free( pair ); free( leaf );
  if( err==DMG_ERR_CORRUPT ) return dmg_open_why( out_why, err, "an entry of column state does not parse; " DMG_STORE_REPAIR );
  if( err==DMG_ERR_FULL ) return dmg_open_why( out_why, err, "the state tree does not fit into storage.tree_bytes = %lu; raise it", (unsigned long)s->cfg.tree_sz_max );
  if( err ) return err;
  dmg_hash_t root = dmg_tree_root( s->tree );
  if( dmg_hash_eq( &root, &s->root ) ) return DMG_OK;
  char got[ 65 ], want[ 65 ];
  dmg_hex_encode( root.b, 32, got );
  dmg_hex_encode( s->root.b, 32, want );
  return dmg_open_why( out_why, DMG_ERR_CORRUPT, "the state at height %lu gives root %s, should be %s; " DMG_STORE_REPAIR, (unsigned long)s->height, got, want );
}

static dmg_err_t tree_renew( dmg_state_t * s, uint64_t key_hint ) {
  dmg_tree_free( s->tree );
  s->tree = NULL;
  dmg_tree_cfg_t cfg = { .sz_max = s->cfg.tree_sz_max, .key_hint = key_hint, .depth_fixed = -1 };
  return dmg_tree_new( &cfg, &s->tree );
}

static dmg_err_t open_meta( dmg_state_t * s, dmg_open_why_t * out_why ) {
  uint8_t format[ 4 ], number[ 8 ];
  dmg_hash_t genesis;
  dmg_err_t err = meta_get( s->kv, "format", format, sizeof format );
  if( err==DMG_ERR_NOT_FOUND ) {
    dmg_kv_iter_t * it;
    dmg_span_t key;
    DMG_TRY( dmg_kv_iter_open( s->kv, DMG_KV_META, NULL, dmg_span( NULL, 0 ), dmg_span( NULL, 0 ), false, &it ) );
    err = dmg_kv_iter_next( it, &key, NULL );
    dmg_kv_iter_close( it );
    if( err!=DMG_ERR_NOT_FOUND ) return dmg_open_why( out_why, err ? err : DMG_ERR_CORRUPT, "the store has records but no format; " DMG_STORE_REPAIR );
    dmg_store_u16le( format, FORMAT_MAJOR );
    dmg_store_u16le( format+2, FORMAT_MINOR );
    dmg_kv_op_t ops[] = {
      { .cf = DMG_KV_META, .key = DMG_SPAN_STR( "format" ),  .value = DMG_SPAN( format ) },
      { .cf = DMG_KV_META, .key = DMG_SPAN_STR( "genesis" ), .value = dmg_hash_span( &s->cfg.genesis_hash ) },
      { .cf = DMG_KV_META, .key = DMG_SPAN_STR( "mode" ),    .value = DMG_SPAN_STR( "kv" ) } };
    return dmg_kv_write( s->kv, ops, sizeof ops/sizeof *ops, true );
  }
  if( err ) return dmg_open_why( out_why, err, "the store's format record is broken; " DMG_STORE_REPAIR );
  unsigned major = dmg_load_u16le( format ), minor = dmg_load_u16le( format+2 );
  if( major!=FORMAT_MAJOR )
    return dmg_open_why( out_why, DMG_ERR_VERSION, "the data has format %u.%u, this program reads %u.%u; %s", major, minor, FORMAT_MAJOR, FORMAT_MINOR,
                major>FORMAT_MAJOR ? "use a newer demiurge or another storage.path" : "use the demiurge that wrote it or another storage.path" );
  if( meta_get( s->kv, "genesis", &genesis, sizeof genesis ) ) return dmg_open_why( out_why, DMG_ERR_CORRUPT, "the store's genesis record is missing or broken; " DMG_STORE_REPAIR );
  if( !dmg_hash_eq( &genesis, &s->cfg.genesis_hash ) ) {
    char has[ 65 ], runs[ 65 ];
    dmg_hex_encode( genesis.b, 32, has );
    dmg_hex_encode( s->cfg.genesis_hash.b, 32, runs );
    return dmg_open_why( out_why, DMG_ERR_CHAIN, "the data belongs to genesis %s, this node runs %s; set storage.path", has, runs );
  }
  uint8_t mode[ 2 ];
  if( meta_get( s->kv, "mode", mode, sizeof mode ) || memcmp( mode, "kv", 2 ) )
    return dmg_open_why( out_why, DMG_ERR_VERSION, "the data was written in another storage.mode than kv, the only one this program has; use a newer demiurge" );
  err = meta_get( s->kv, "height", number, sizeof number );
  if( err==DMG_ERR_NOT_FOUND ) return DMG_OK;   /* stopped before genesis was committed */
  if( !err ) { s->height = dmg_load_u64be( number ); err = meta_get( s->kv, "hash", &s->block, sizeof s->block ); }
  if( !err ) err = meta_get( s->kv, "root", &s->root, sizeof s->root );
  if( !err ) err = meta_get( s->kv, "keys", number, sizeof number );
  if( err ) return dmg_open_why( out_why, DMG_ERR_CORRUPT, "the store's record of its head is missing or broken; " DMG_STORE_REPAIR );
  s->has_head   = true;
  s->base_block = s->block;
  s->base_root  = s->root;
  dmg_err_t fits = tree_renew( s, dmg_load_u64be( number ) );
  if( fits ) return dmg_open_why( out_why, fits, "no memory for the state tree of %lu keys; see storage.tree_bytes", (unsigned long)dmg_load_u64be( number ) );
  return load( s, out_why );
}

dmg_err_t dmg_state_open( dmg_state_cfg_t const * cfg, dmg_kv_t * kv, dmg_state_t ** out_state, dmg_open_why_t * out_why ) {
  if( out_why ) out_why->text[0] = 0;
  dmg_state_t * s = calloc( 1, sizeof *s );
  if( !s ) return DMG_ERR_NOMEM;
  s->kv  = kv;
  s->cfg = *cfg;
  if( !s->cfg.tree_sz_max )    s->cfg.tree_sz_max    = (uint64_t)8<<30;
  if( !s->cfg.overlay_sz_max ) s->cfg.overlay_sz_max = (uint64_t)2<<30;
  if( !s->cfg.ring_sz_max )    s->cfg.ring_sz_max    = (uint64_t)256<<20;
  if( !s->cfg.gap_walk_min )   s->cfg.gap_walk_min   = 32;   /* about what a leap costs */
  s->secret = cfg->secret;
  if( !s->secret ) dmg_os_random( &s->secret, sizeof s->secret );
  pthread_rwlock_init( &s->tree_lock, NULL );
  pthread_mutex_init( &s->lock, NULL );
  dmg_err_t err = tree_renew( s, 0 );
  if( !err ) err = open_meta( s, out_why );
  if( err ) {
    if( out_why && !out_why->text[0] ) dmg_open_why( out_why, err, "opening the state: %s", dmg_err_text( err ) );
    dmg_state_close( s );
    return err;
  }
  *out_state = s;
  return DMG_OK;
}

static void forget( dmg_state_t * s ) {
  while( s->last ) live_drop( s, s->last );
  while( s->ring_cnt ) ring_drop_oldest( s );
  gaps_drop( s );
  if( s->snap ) {
    DMG_ASSERT( s->snap->ref==1 );
    dmg_kv_snap_close( s->kv, s->snap->snap );
    free( s->snap );
    s->snap = NULL;
  }
}

void dmg_state_close( dmg_state_t * s ) {
  if( !s ) return;
  DMG_ASSERT( !s->view_cnt );
  DMG_ASSERT( !s->snapshot_cnt );
  forget( s );
  dmg_tree_free( s->tree );
  pthread_rwlock_destroy( &s->tree_lock );
  pthread_mutex_destroy( &s->lock );
  free( s );
}

/* ---- Development chain ---- */

struct dmg_state_snap { dmg_kv_snap_t * snap; uint64_t height, key_cnt; dmg_hash_t block, root; };

dmg_err_t dmg_state_snapshot( dmg_state_t * s, dmg_state_snap_t ** out_snap ) {
  if( !s->has_head ) return DMG_ERR_NOT_FOUND;
  if( s->snapshot_cnt==DMG_STATE_SNAPSHOTS_MAX ) return DMG_ERR_LIMIT;
  /* Each holds one of the store's; without one for the next head's view a commit fails. */
  if( __atomic_load_n( &s->kv->snap_cnt, __ATOMIC_RELAXED )>=DMG_KV_SNAPS_MAX-DMG_STATE_SNAPS_KEPT ) return DMG_ERR_LIMIT;
  dmg_state_snap_t * p = malloc( sizeof *p );
  if( !p ) return DMG_ERR_NOMEM;
  dmg_err_t err = dmg_kv_snap_open( s->kv, &p->snap );
  if( err ) { free( p ); return err; }
  p->height  = s->height;
  p->key_cnt = dmg_tree_key_cnt( s->tree );
  p->block   = s->block;
  p->root    = s->root;
  s->snapshot_cnt++;
  *out_snap = p;
  return DMG_OK;
}

dmg_err_t dmg_state_restore( dmg_state_t * s, dmg_state_snap_t * p ) {
  DMG_ASSERT( !s->view_cnt );
  DMG_TRY( dmg_kv_restore( s->kv, p->snap ) );
  pthread_rwlock_wrlock( &s->tree_lock );
  pthread_mutex_lock( &s->lock );
  forget( s );
  s->cursor     = NULL;
  s->height     = p->height;
  s->block      = s->base_block = p->block;
  s->root       = s->base_root  = p->root;
  pthread_mutex_unlock( &s->lock );
  dmg_err_t err = tree_renew( s, p->key_cnt );
  if( !err ) err = load( s, NULL );
  pthread_rwlock_unlock( &s->tree_lock );
  return err;
}

void dmg_state_snapshot_free( dmg_state_t * s, dmg_state_snap_t * p ) {
  if( !p ) return;
  dmg_kv_snap_close( s->kv, p->snap );
  s->snapshot_cnt--;
  free( p );
}
