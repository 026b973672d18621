#include "storage/kv.h"
#include "base/assert.h"

#include <pthread.h>
#include <stdlib.h>

/* A copy-on-write B-tree a column (S5.1).

     kv.cur --> roots { root[ cf ] } --> node --> node --> item { key, value }
     snapshot -> older roots ------------^  shared: nodes and items are counted

   The writer clones `roots`, changes the clone and swaps it in; a node is changed in place only
   when its count is 1, else it is cloned, which raises its children's counts, so everything an older
   version reaches stays as it was.  A failed write drops the clone.

   Items stand in leaves; an inner node's sep[ i ] is a lower bound of child i (sep[ 0 ] none).  A
   delete frees a node only when it is empty: thin leaves cost memory, never correctness. */

enum { FANOUT = 32, HEIGHT_MAX = 24 };

typedef struct mem mem_t;

typedef struct { mem_t * mem; uint32_t ref, key_sz, value_sz; uint8_t bytes[]; } item_t;
typedef struct node { uint32_t ref; uint16_t cnt; bool is_leaf; item_t * item[ FANOUT ]; struct node * child[]; } node_t;
typedef struct { uint32_t ref; node_t * root[ DMG_KV_CF_CNT ]; uint64_t key_cnt[ DMG_KV_CF_CNT ]; } roots_t;

struct mem {
  dmg_kv_t        kv;
  pthread_mutex_t lock;       /* guards cur */
  roots_t *       cur;
  uint64_t        sz_max;
  uint64_t        sz;         /* atomic: bytes of items and nodes, of snapshots too */
};

struct dmg_kv_snap { roots_t * roots; };

typedef struct {
  dmg_kv_iter_t it;
  roots_t *     roots;
  dmg_kv_cf_t   cf;
  bool          is_reverse, is_done;
  unsigned      depth;                      /* of the stack; the last frame is a leaf */
  struct { node_t * node; int idx; } at[ HEIGHT_MAX ];
  uint8_t       bound[ DMG_KV_KEY_MAX+1 ];  /* hi, or lo when reversed */
  size_t        bound_sz;
} mem_iter_t;

/* ---- Counted objects ---- */

static void * mem_alloc( mem_t * mem, size_t sz ) {
  if( __atomic_add_fetch( &mem->sz, sz, __ATOMIC_RELAXED )<=mem->sz_max ) {
    void * p = malloc( sz );
    if( p ) return p;
  }
  __atomic_sub_fetch( &mem->sz, sz, __ATOMIC_RELAXED );
  return NULL;
}
static void mem_free( mem_t * mem, void * p, size_t sz ) { free( p ); __atomic_sub_fetch( &mem->sz, sz, __ATOMIC_RELAXED ); }

static void ref_inc( uint32_t * ref ) { __atomic_add_fetch( ref, 1, __ATOMIC_RELAXED ); }
static bool ref_dec( uint32_t * ref ) { return __atomic_sub_fetch( ref, 1, __ATOMIC_ACQ_REL )==0; }

static dmg_span_t item_key  ( item_t const * i ) { return dmg_span( i->bytes, i->key_sz ); }
static dmg_span_t item_value( item_t const * i ) { return dmg_span( i->bytes+i->key_sz, i->value_sz ); }

static item_t * item_new( mem_t * mem, dmg_span_t key, dmg_span_t value ) {
  item_t * i = mem_alloc( mem, sizeof *i+key.sz+value.sz );
  if( !i ) return NULL;
  *i = (item_t){ .mem = mem, .ref = 1, .key_sz = (uint32_t)key.sz, .value_sz = (uint32_t)value.sz };
  if( key.sz )   memcpy( i->bytes, key.p, key.sz );
  if( value.sz ) memcpy( i->bytes+key.sz, value.p, value.sz );
  return i;
}
static void item_release( item_t * i ) {
  if( i && ref_dec( &i->ref ) ) mem_free( i->mem, i, sizeof *i+i->key_sz+i->value_sz );
}
static void item_unpin( void * pin ) { item_release( pin ); }

static size_t node_sz( bool is_leaf ) { return sizeof( node_t )+( is_leaf ? 0 : FANOUT*sizeof( node_t * ) ); }
static node_t * node_new( mem_t * mem, bool is_leaf ) {
  node_t * n = mem_alloc( mem, node_sz( is_leaf ) );
  if( n ) { n->ref = 1; n->cnt = 0; n->is_leaf = is_leaf; }
  return n;
}
static void node_release( mem_t * mem, node_t * n ) {
  if( !n || !ref_dec( &n->ref ) ) return;
  for( unsigned i=0; i<n->cnt; i++ ) {
    item_release( n->item[ i ] );
    if( !n->is_leaf ) node_release( mem, n->child[ i ] );
  }
  mem_free( mem, n, node_sz( n->is_leaf ) );
}
/* Makes *slot a node that only this version reaches; NULL when memory is out. */
static node_t * node_own( mem_t * mem, node_t ** slot ) {
  node_t * n = *slot;
  if( __atomic_load_n( &n->ref, __ATOMIC_ACQUIRE )==1 ) return n;
  node_t * c = node_new( mem, n->is_leaf );
  if( !c ) return NULL;
  c->cnt = n->cnt;
  for( unsigned i=0; i<n->cnt; i++ ) {
    c->item[ i ] = n->item[ i ];
    if( c->item[ i ] ) ref_inc( &c->item[ i ]->ref );
    if( !n->is_leaf ) { c->child[ i ] = n->child[ i ]; ref_inc( &c->child[ i ]->ref ); }
  }
  node_release( mem, n );
  return *slot = c;
}

static void roots_release( mem_t * mem, roots_t * r ) {
  if( !r || !ref_dec( &r->ref ) ) return;
  for( unsigned cf=0; cf<DMG_KV_CF_CNT; cf++ ) node_release( mem, r->root[ cf ] );
  free( r );
}
static roots_t * roots_clone( roots_t const * r ) {
  roots_t * c = malloc( sizeof *c );
  if( !c ) return NULL;
  c->ref = 1;                                  /* not a copy of all: readers change r->ref meanwhile */
  memcpy( c->root, r->root, sizeof c->root );
  memcpy( c->key_cnt, r->key_cnt, sizeof c->key_cnt );
  for( unsigned cf=0; cf<DMG_KV_CF_CNT; cf++ ) if( c->root[ cf ] ) ref_inc( &c->root[ cf ]->ref );
  return c;
}
static roots_t * roots_take( mem_t * mem, dmg_kv_snap_t * snap ) {
  if( snap ) { ref_inc( &snap->roots->ref ); return snap->roots; }
  pthread_mutex_lock( &mem->lock );
  roots_t * r = mem->cur;
  ref_inc( &r->ref );
  pthread_mutex_unlock( &mem->lock );
  return r;
}

/* ---- The tree ---- */

/* The first index whose key is >= key; *out_is_eq if equal. */
static unsigned leaf_find( node_t const * n, dmg_span_t key, bool * out_is_eq ) {
  unsigned a = 0, b = n->cnt;
  *out_is_eq = false;
  while( a<b ) {
    unsigned m = ( a+b )/2;
    int c = dmg_span_cmp( item_key( n->item[ m ] ), key );
    if( !c ) { *out_is_eq = true; return m; }
    if( c<0 ) a = m+1;
    else      b = m;
  }
  return a;
}
/* The child that holds key if any does: the last whose separator is <= key. */
static unsigned inner_find( node_t const * n, dmg_span_t key ) {
  unsigned a = 1, b = n->cnt;
  while( a<b ) {
    unsigned m = ( a+b )/2;
    if( dmg_span_cmp( item_key( n->item[ m ] ), key )<=0 ) a = m+1;
    else                                                   b = m;
  }
  return a-1;
}

static item_t * tree_get( node_t const * n, dmg_span_t key ) {
  while( n && !n->is_leaf ) n = n->child[ inner_find( n, key ) ];
  if( !n ) return NULL;
  bool is_eq;
  unsigned i = leaf_find( n, key, &is_eq );
  return is_eq ? n->item[ i ] : NULL;
}

static void node_insert( node_t * n, unsigned at, item_t * item, node_t * child ) {
  DMG_ASSERT( n->cnt<FANOUT );
  memmove( n->item+at+1, n->item+at, ( n->cnt-at )*sizeof *n->item );
  n->item[ at ] = item;
  if( !n->is_leaf ) {
    memmove( n->child+at+1, n->child+at, ( n->cnt-at )*sizeof *n->child );
    n->child[ at ] = child;
  }
  n->cnt++;
}
static void node_remove( node_t * n, unsigned at ) {
  n->cnt--;
  memmove( n->item+at, n->item+at+1, ( n->cnt-at )*sizeof *n->item );
  if( !n->is_leaf ) memmove( n->child+at, n->child+at+1, ( n->cnt-at )*sizeof *n->child );
}

/* Inserts into an owned node; splits it if it is full: the right half in *out_right, its separator
   in *out_sep.  On failure nothing has changed. */
static dmg_err_t node_add( mem_t * mem, node_t * n, unsigned at, item_t * item, node_t * child, node_t ** out_right, item_t ** out_sep ) {
  if( n->cnt<FANOUT ) { node_insert( n, at, item, child ); return DMG_OK; }
  /* Ascending loads leave full nodes behind. */
  unsigned keep = at==FANOUT ? FANOUT : FANOUT/2;
  node_t * right = node_new( mem, n->is_leaf );
  item_t * sep   = keep==FANOUT ? item : n->item[ keep ];
  /* In a leaf a copy of the key alone, or a deleted value would live on in a separator. */
  if( right && n->is_leaf ) sep = item_new( mem, item_key( sep ), dmg_span( NULL, 0 ) );
  if( !right || !sep ) { node_release( mem, right ); return DMG_ERR_FULL; }

  right->cnt = (uint16_t)( FANOUT-keep );
  memcpy( right->item, n->item+keep, right->cnt*sizeof *n->item );
  if( !n->is_leaf ) memcpy( right->child, n->child+keep, right->cnt*sizeof *n->child );
  n->cnt = (uint16_t)keep;
  if( keep==FANOUT ) node_insert( right, 0, item, child );
  else if( at>keep ) node_insert( right, at-keep, item, child );
  else               node_insert( n, at, item, child );
  if( !n->is_leaf ) right->item[0] = NULL;      /* it moves up */
  *out_right = right;
  *out_sep   = sep;
  return DMG_OK;
}

/* Takes over item, also on failure. */
static dmg_err_t tree_put( mem_t * mem, node_t ** slot, item_t * item, bool * out_is_new, node_t ** out_right, item_t ** out_sep ) {
  node_t * n = node_own( mem, slot );
  if( !n ) { item_release( item ); return DMG_ERR_FULL; }
  if( n->is_leaf ) {
    bool is_eq;
    unsigned at = leaf_find( n, item_key( item ), &is_eq );
    *out_is_new = !is_eq;
    if( is_eq ) { item_release( n->item[ at ] ); n->item[ at ] = item; return DMG_OK; }
    dmg_err_t err = node_add( mem, n, at, item, NULL, out_right, out_sep );
    if( err ) item_release( item );
    return err;
  }
  unsigned at = inner_find( n, item_key( item ) );
  node_t * right = NULL;
  item_t * sep   = NULL;
  DMG_TRY( tree_put( mem, n->child+at, item, out_is_new, &right, &sep ) );
  if( !right ) return DMG_OK;
  dmg_err_t err = node_add( mem, n, at+1, sep, right, out_right, out_sep );
  if( err ) { item_release( sep ); node_release( mem, right ); }
  return err;
}

/* *out_is_empty: the node has nothing left and its parent must drop it. */
static dmg_err_t tree_delete( mem_t * mem, node_t ** slot, dmg_span_t key, bool * out_is_empty ) {
  node_t * n = node_own( mem, slot );
  if( !n ) return DMG_ERR_FULL;
  if( n->is_leaf ) {
    bool is_eq;
    unsigned at = leaf_find( n, key, &is_eq );
    DMG_ASSERT( is_eq );                     /* the caller looked */
    item_release( n->item[ at ] );
    node_remove( n, at );
  } else {
    unsigned at = inner_find( n, key );
    bool is_empty = false;
    DMG_TRY( tree_delete( mem, n->child+at, key, &is_empty ) );
    if( is_empty ) {
      node_release( mem, n->child[ at ] );
      item_release( n->item[ at ] );
      node_remove( n, at );
      if( !at && n->cnt ) { item_release( n->item[0] ); n->item[0] = NULL; }
    }
  }
  *out_is_empty = !n->cnt;
  return DMG_OK;
}

static dmg_err_t apply_op( mem_t * mem, roots_t * r, dmg_kv_op_t const * op ) {
  node_t ** root = r->root+op->cf;
  if( op->is_delete ) {
    if( !tree_get( *root, op->key ) ) return DMG_OK;
    bool is_empty = false;
    DMG_TRY( tree_delete( mem, root, op->key, &is_empty ) );
    r->key_cnt[ op->cf ]--;
    if( is_empty ) { node_release( mem, *root ); *root = NULL; }
    while( *root && !( *root )->is_leaf && ( *root )->cnt==1 ) {
      node_t * old = *root;
      *root = old->child[0];
      ref_inc( &( *root )->ref );
      node_release( mem, old );
    }
    return DMG_OK;
  }
  item_t * item = item_new( mem, op->key, op->value );
  if( !item ) return DMG_ERR_FULL;
  if( !*root && !( *root = node_new( mem, true ) ) ) { item_release( item ); return DMG_ERR_FULL; }
  bool is_new = false;
  node_t * right = NULL;
  item_t * sep   = NULL;
  DMG_TRY( tree_put( mem, root, item, &is_new, &right, &sep ) );
  if( right ) {
    node_t * top = node_new( mem, false );
    if( !top ) { node_release( mem, right ); item_release( sep ); return DMG_ERR_FULL; }
    node_insert( top, 0, NULL, *root );
    node_insert( top, 1, sep, right );
    *root = top;
  }
  r->key_cnt[ op->cf ] += is_new;
  return DMG_OK;
}

/* ---- The trait ---- */

static mem_t * mem_of( dmg_kv_t * kv ) { return (mem_t *)kv; }

static void publish( mem_t * mem, roots_t * r ) {
  pthread_mutex_lock( &mem->lock );
  roots_t * old = mem->cur;
  mem->cur = r;
  pthread_mutex_unlock( &mem->lock );
  roots_release( mem, old );
}

static dmg_err_t mem_get_many( dmg_kv_t * kv, dmg_kv_cf_t cf, dmg_kv_snap_t * snap, dmg_span_t const * keys, size_t key_cnt, dmg_kv_val_t * out_vals, bool * out_found ) {
  mem_t * mem = mem_of( kv );
  roots_t * r = roots_take( mem, snap );
  for( size_t i=0; i<key_cnt; i++ ) {
    item_t * item = tree_get( r->root[ cf ], keys[ i ] );
    out_found[ i ] = item!=NULL;
    out_vals[ i ]  = (dmg_kv_val_t){ 0 };
    if( !item ) continue;
    ref_inc( &item->ref );
    out_vals[ i ] = (dmg_kv_val_t){ .v = item_value( item ), .pin = item, .unpin = item_unpin };
  }
  roots_release( mem, r );
  return DMG_OK;
}

static dmg_err_t mem_get( dmg_kv_t * kv, dmg_kv_cf_t cf, dmg_kv_snap_t * snap, dmg_span_t key, dmg_kv_val_t * out_val ) {
  bool found;
  dmg_kv_val_t val;
  DMG_TRY( mem_get_many( kv, cf, snap, &key, 1, &val, &found ) );
  if( !found ) return DMG_ERR_NOT_FOUND;
  *out_val = val;
  return DMG_OK;
}

static dmg_err_t mem_write( dmg_kv_t * kv, dmg_kv_op_t const * ops, size_t op_cnt, bool is_durable ) {
  mem_t * mem = mem_of( kv );
  roots_t * r = roots_clone( mem->cur );
  if( !r ) return DMG_ERR_NOMEM;
  for( size_t i=0; i<op_cnt; i++ ) {
    dmg_err_t err = apply_op( mem, r, ops+i );
    if( err ) { roots_release( mem, r ); return err; }
  }
  publish( mem, r );
  return DMG_OK;
}

static dmg_err_t mem_bulk_apply( dmg_kv_t * kv, dmg_kv_cf_t cf, dmg_kv_next_fn_t next, void * ctx ) {
  mem_t * mem = mem_of( kv );
  roots_t * r = roots_clone( mem->cur );
  if( !r ) return DMG_ERR_NOMEM;
  dmg_err_t err;
  for( ;; ) {
    dmg_kv_op_t op;
    err = next( ctx, &op );
    if( err==DMG_ERR_NOT_FOUND ) { err = DMG_OK; break; }
    if( err ) break;
    op.cf = cf;
    if(( err = apply_op( mem, r, &op ) )) break;
  }
  if( err ) roots_release( mem, r );
  else      publish( mem, r );
  return err;
}

static void iter_push( mem_iter_t * it, node_t * n, int idx ) {
  DMG_ASSERT( it->depth<HEIGHT_MAX );
  it->at[ it->depth ].node  = n;
  it->at[ it->depth++ ].idx = idx;
}
/* From the top frame's child down to the nearest leaf edge. */
static void iter_sink( mem_iter_t * it ) {
  for(;;) {
    node_t * n = it->at[ it->depth-1 ].node;
    if( n->is_leaf ) return;
    node_t * c = n->child[ it->at[ it->depth-1 ].idx ];
    iter_push( it, c, it->is_reverse ? c->cnt-1 : 0 );
  }
}

static void mem_iter_move( dmg_kv_iter_t * base, dmg_span_t lo, dmg_span_t hi ) {
  mem_iter_t * it = (mem_iter_t *)base;
  dmg_span_t start = it->is_reverse ? hi : lo, bound = it->is_reverse ? lo : hi;
  if( bound.sz ) memcpy( it->bound, bound.p, bound.sz );
  it->bound_sz = bound.sz;
  it->depth    = 0;
  node_t * n = it->roots->root[ it->cf ];
  it->is_done = !n;
  /* Down to the place of start; the leaf's idx is the next item to give, maybe just outside the leaf. */
  while( n ) {
    if( n->is_leaf ) {
      bool is_eq;
      int at = start.sz ? (int)leaf_find( n, start, &is_eq ) : it->is_reverse ? n->cnt : 0;
      iter_push( it, n, it->is_reverse ? at-1 : at );
      break;
    }
    unsigned at = start.sz ? inner_find( n, start ) : it->is_reverse ? n->cnt-1u : 0;
    iter_push( it, n, (int)at );
    n = n->child[ at ];
  }
}

static dmg_err_t mem_iter_open( dmg_kv_t * kv, dmg_kv_cf_t cf, dmg_kv_snap_t * snap, dmg_span_t lo, dmg_span_t hi, bool is_reverse, dmg_kv_iter_t ** out_it ) {
  mem_iter_t * it = calloc( 1, sizeof *it );
  if( !it ) return DMG_ERR_NOMEM;
  it->roots      = roots_take( mem_of( kv ), snap );
  it->cf         = cf;
  it->is_reverse = is_reverse;
  mem_iter_move( &it->it, lo, hi );
  *out_it = &it->it;
  return DMG_OK;
}

static dmg_err_t mem_iter_next( dmg_kv_iter_t * base, dmg_span_t * out_key, dmg_span_t * out_value ) {
  mem_iter_t * it = (mem_iter_t *)base;
  int const step = it->is_reverse ? -1 : 1;
  if( it->is_done ) return DMG_ERR_NOT_FOUND;
  /* Out of the leaf: up to a node that has a next child, and down again. */
  while( it->at[ it->depth-1 ].idx<0 || it->at[ it->depth-1 ].idx>=it->at[ it->depth-1 ].node->cnt ) {
    if( !--it->depth ) { it->is_done = true; return DMG_ERR_NOT_FOUND; }
    it->at[ it->depth-1 ].idx += step;
    int idx = it->at[ it->depth-1 ].idx;
    if( idx>=0 && idx<it->at[ it->depth-1 ].node->cnt ) iter_sink( it );
  }
  item_t * item = it->at[ it->depth-1 ].node->item[ it->at[ it->depth-1 ].idx ];
  dmg_span_t key = item_key( item ), bound = dmg_span( it->bound, it->bound_sz );
  if( it->is_reverse ? dmg_span_cmp( key, bound )<0 : bound.sz && dmg_span_cmp( key, bound )>=0 ) { it->is_done = true; return DMG_ERR_NOT_FOUND; }
  it->at[ it->depth-1 ].idx += step;
  *out_key = key;
  if( out_value ) *out_value = item_value( item );
  return DMG_OK;
}

static void mem_iter_close( dmg_kv_iter_t * base ) {
  mem_iter_t * it = (mem_iter_t *)base;
  roots_release( mem_of( base->kv ), it->roots );
  free( it );
}

static dmg_err_t mem_snap_open( dmg_kv_t * kv, dmg_kv_snap_t ** out_snap ) {
  dmg_kv_snap_t * s = malloc( sizeof *s );
  if( !s ) return DMG_ERR_NOMEM;
  s->roots = roots_take( mem_of( kv ), NULL );
  *out_snap = s;
  return DMG_OK;
}
static void mem_snap_close( dmg_kv_t * kv, dmg_kv_snap_t * snap ) {
  roots_release( mem_of( kv ), snap->roots );
  free( snap );
}
static dmg_err_t mem_restore( dmg_kv_t * kv, dmg_kv_snap_t * snap ) {
  publish( mem_of( kv ), roots_take( mem_of( kv ), snap ) );
  return DMG_OK;
}

static void mem_stats( dmg_kv_t * kv, dmg_kv_stats_t * out ) {
  mem_t * mem = mem_of( kv );
  roots_t * r = roots_take( mem, NULL );
  out->bytes = out->mem_sz = __atomic_load_n( &mem->sz, __ATOMIC_RELAXED );
  memcpy( out->keys, r->key_cnt, sizeof out->keys );
  roots_release( mem, r );
}

static void mem_close( dmg_kv_t * kv ) {
  mem_t * mem = mem_of( kv );
  roots_release( mem, mem->cur );
  DMG_ASSERT( !mem->sz );                    /* a pinned value outlives the store, or a leak */
  pthread_mutex_destroy( &mem->lock );
  free( mem );
}

static dmg_kv_vt_t const mem_vt = {
  .name = "memory", .get = mem_get, .get_many = mem_get_many, .write = mem_write, .bulk_apply = mem_bulk_apply,
  .iter_open = mem_iter_open, .iter_move = mem_iter_move, .iter_next = mem_iter_next, .iter_close = mem_iter_close,
  .snap_open = mem_snap_open, .snap_close = mem_snap_close, .restore = mem_restore,
  .stats = mem_stats, .close = mem_close
};

dmg_err_t dmg_kv_mem_open( uint64_t bytes_max, dmg_kv_t ** out_kv ) {
  mem_t * mem = calloc( 1, sizeof *mem );
  roots_t * r = calloc( 1, sizeof *r );
  if( !mem || !r ) { free( mem ); free( r ); return DMG_ERR_NOMEM; }
  r->ref      = 1;
  mem->kv.vt  = &mem_vt;
  mem->cur    = r;
  mem->sz_max = bytes_max;
  pthread_mutex_init( &mem->lock, NULL );
  *out_kv = &mem->kv;
  return DMG_OK;
}
