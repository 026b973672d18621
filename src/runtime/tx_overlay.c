#include "runtime/tx_overlay.h"

#include "base/assert.h"

#include <stdlib.h>

#define REC_SZ 40u   /* payer[32], amount u64 */

/* Keyed: whoever chooses keys cannot choose collisions. */
static uint64_t
key_hash( uint64_t seed, dmg_span_t key ) {
  uint64_t h = seed^( key.sz*0x9e3779b97f4a7c15ull );
  size_t i = 0;
  for( ; i+8<=key.sz; i += 8 ) {
    unsigned __int128 m = (unsigned __int128)( h^dmg_load_u64le( key.p+i ) )*0xd6e8feb86659fd93ull;
    h = (uint64_t)m^(uint64_t)( m>>64 )^seed;
  }
  uint64_t tail = 0;
  if( i<key.sz ) memcpy( &tail, key.p+i, key.sz-i );
  unsigned __int128 m = (unsigned __int128)( h^tail )*0xa0761d6478bd642full;
  return (uint64_t)m^(uint64_t)( m>>64 );
}

/* ---- Treap of ordered keys ---- */

static bool is_stop( dmg_ord_t const * n ) { return n->is_present || ( n->is_below && !n->is_next_known ); }
static void ord_sum( dmg_ord_t * n ) { n->has_stop = is_stop( n ) || ( n->left && n->left->has_stop ) || ( n->right && n->right->has_stop ); }

static dmg_ord_t *
ord_insert( dmg_ord_t * root, dmg_ord_t * n ) {
  if( !root ) { ord_sum( n ); return n; }
  dmg_ord_t * up;
  if( dmg_span_cmp( n->key, root->key )<0 ) {
    root->left = up = ord_insert( root->left, n );
    if( up->hash<=root->hash ) up = NULL;
    else { root->left = up->right; up->right = root; }
  } else {
    root->right = up = ord_insert( root->right, n );
    if( up->hash<=root->hash ) up = NULL;
    else { root->right = up->left; up->left = root; }
  }
  ord_sum( root );
  if( up ) ord_sum( up );
  return up ? up : root;
}

/* Sums on the way to n, after its facts changed. */
static void
ord_changed( dmg_ord_t * root, dmg_ord_t * n ) {
  if( root!=n ) ord_changed( dmg_span_cmp( n->key, root->key )<0 ? root->left : root->right, n );
  ord_sum( root );
}

static dmg_ord_t *
ord_find( dmg_ord_t * root, dmg_span_t key ) {
  while( root ) {
    int c = dmg_span_cmp( key, root->key );
    if( !c ) return root;
    root = c<0 ? root->left : root->right;
  }
  return NULL;
}

/* Least stop above key (from and including it if is_from). */
static dmg_ord_t *
ord_stop( dmg_ord_t * root, dmg_span_t key, bool is_from ) {
  if( !root || !root->has_stop ) return NULL;
  int c = dmg_span_cmp( root->key, key );
  if( c<0 || ( c==0 && !is_from ) ) return ord_stop( root->right, key, is_from );
  dmg_ord_t * n = ord_stop( root->left, key, is_from );
  return n || is_stop( root ) ? ( n ? n : root ) : ord_stop( root->right, key, is_from );
}

/* The node of a key that is written for the first time, or its facts brought up to date. */
static dmg_err_t
ord_note( dmg_ord_t ** root, dmg_arena_t * arena, dmg_ord_t ** node, dmg_span_t key, uint64_t hash, void * entry, bool is_below, bool is_present ) {
  if( !*node ) {
    dmg_ord_t * n = DMG_ARENA_NEW( arena, dmg_ord_t, 1 );
    if( !n ) return DMG_ERR_NOMEM;
    *n    = (dmg_ord_t){ .key = key, .hash = hash, .entry = entry, .is_below = is_below, .is_present = is_present };
    *node = n;
    *root = ord_insert( *root, n );
  } else if( ( *node )->is_present!=is_present ) {
    ( *node )->is_present = is_present;
    ord_changed( *root, *node );
  }
  return DMG_OK;
}

/* ---- A scan over a treap and the level below it ---- */

#define STEPS_BEFORE_SEEK 8   /* a new iterator below costs about as much as so many steps of the open one */

/* Next key of the level below, from the start or after a key; NOT_FOUND at its end.  `after` with p NULL: the next one. */
typedef dmg_err_t (*below_fn_t)( void * scan, dmg_span_t after, dmg_span_t * out_key );

static dmg_span_t scan_prefix( dmg_ord_scan_t const * s ) { return dmg_span( s->prefix, s->prefix_sz ); }
static dmg_span_t scan_last  ( dmg_ord_scan_t const * s ) { return dmg_span( s->last, s->last_sz ); }
static dmg_span_t scan_peek  ( dmg_ord_scan_t const * s ) { return dmg_span( s->peek, s->peek_sz ); }

static void
scan_init( dmg_ord_scan_t * s, dmg_span_t prefix, dmg_span_t after ) {
  DMG_ASSERT( prefix.sz>=1 && prefix.sz<=DMG_STATE_KEY_MAX && after.sz<=DMG_STATE_KEY_MAX );
  *s = (dmg_ord_scan_t){ .prefix_sz = prefix.sz };
  memcpy( s->prefix, prefix.p, prefix.sz );
  if( !after.sz || dmg_span_cmp( after, prefix )<0 ) return;   /* before the first key: from the start */
  memcpy( s->last, after.p, after.sz );
  s->last_sz    = after.sz;
  s->is_started = true;
}

static void
scan_reach( dmg_ord_scan_t * s, dmg_span_t key ) {
  memcpy( s->last, key.p, key.sz );
  s->last_sz    = key.sz;
  s->is_started = true;
}

static dmg_err_t
scan_load( dmg_ord_scan_t * s, below_fn_t below, void * scan ) {
  if( s->has_peek || s->is_below_end ) return DMG_OK;
  dmg_span_t key;
  dmg_err_t  err = below( scan, s->is_stale ? scan_last( s ) : (dmg_span_t){ 0 }, &key );
  s->is_stale = false;
  if( err==DMG_ERR_NOT_FOUND ) { s->is_below_end = true; return DMG_OK; }
  if( err ) return err;
  memcpy( s->peek, key.p, key.sz );
  s->peek_sz  = key.sz;
  s->has_peek = true;
  return DMG_OK;
}

/* The next present key is in s->last; *out_node is its node, NULL if it was not written on this level. */
static dmg_err_t
scan_step( dmg_ord_scan_t * s, dmg_ord_t * root, below_fn_t below, void * scan, dmg_ord_t ** out_node ) {
  dmg_span_t prefix = scan_prefix( s );
  for(;;) {
    DMG_TRY( scan_load( s, below, scan ) );
    dmg_ord_t * own = ord_stop( root, s->is_started ? scan_last( s ) : prefix, !s->is_started );
    if( own && ( own->key.sz<prefix.sz || memcmp( own->key.p, prefix.p, prefix.sz ) ) ) own = NULL;
    if( !own && !s->has_peek ) return DMG_ERR_NOT_FOUND;
    int c = !own ? 1 : !s->has_peek ? -1 : dmg_span_cmp( own->key, scan_peek( s ) );
    if( c<0 ) {
      if( !own->is_present ) return DMG_ERR_CORRUPT;   /* a deleted stop stands below: the store gives it, but lists it not */
    } else if( c>0 ) {
      if( !ord_find( root, scan_peek( s ) ) ) {
        scan_reach( s, scan_peek( s ) );
        s->has_peek = false;
        *out_node   = NULL;
        return DMG_OK;
      }
      /* Deleted, and so is all that is below from here to the next stop. */
      if( !own ) return DMG_ERR_NOT_FOUND;
      for( unsigned i=0; i<STEPS_BEFORE_SEEK && s->has_peek && dmg_span_cmp( scan_peek( s ), own->key )<0; i++ ) {
        s->has_peek = false;
        DMG_TRY( scan_load( s, below, scan ) );
      }
      if( s->has_peek && dmg_span_cmp( scan_peek( s ), own->key )<0 ) {
        s->has_peek = false;
        s->is_stale = true;
      } else if( s->has_peek && dmg_span_eq( scan_peek( s ), own->key ) ) s->has_peek = false;
    } else s->has_peek = false;
    scan_reach( s, own->key );
    if( own->is_present ) { *out_node = own; return DMG_OK; }
    DMG_TRY( scan_load( s, below, scan ) );
    if( s->has_peek && ord_find( root, scan_peek( s ) ) ) {
      own->is_next_known = true;
      ord_changed( root, own );
    }
  }
}

/* ---- Block set ---- */

dmg_err_t
dmg_bs_init( dmg_block_set_t * bs, dmg_view_t * view, dmg_arena_t * arena, uint64_t seed ) {
  *bs = (dmg_block_set_t){ .view = view, .arena = arena, .seed = seed|1, .slot_cnt = 1024 };
  bs->slots = DMG_ARENA_NEW( arena, dmg_bs_entry_t *, bs->slot_cnt );
  return bs->slots ? DMG_OK : DMG_ERR_NOMEM;
}

static size_t
bs_slot( dmg_bs_entry_t * const * slots, size_t slot_cnt, uint64_t hash, dmg_span_t key ) {
  size_t i = hash&( slot_cnt-1 );
  while( slots[ i ] && !( slots[ i ]->hash==hash && dmg_span_eq( slots[ i ]->key, key ) ) ) i = ( i+1 )&( slot_cnt-1 );
  return i;
}

static dmg_err_t
bs_grow( dmg_block_set_t * bs ) {
  size_t cnt = bs->slot_cnt*2;
  dmg_bs_entry_t ** slots = DMG_ARENA_NEW( bs->arena, dmg_bs_entry_t *, cnt );
  if( !slots ) return DMG_ERR_NOMEM;
  for( size_t i=0; i<bs->slot_cnt; i++ )
    if( bs->slots[ i ] ) slots[ bs_slot( slots, cnt, bs->slots[ i ]->hash, bs->slots[ i ]->key ) ] = bs->slots[ i ];
  bs->slots    = slots;
  bs->slot_cnt = cnt;
  return DMG_OK;
}

static dmg_err_t
bs_entry( dmg_block_set_t * bs, dmg_span_t key, dmg_bs_entry_t ** out ) {
  DMG_ASSERT( key.sz>=DMG_STATE_KEY_MIN && key.sz<=DMG_STATE_KEY_MAX );
  uint64_t hash = key_hash( bs->seed, key );
  size_t   slot = bs_slot( bs->slots, bs->slot_cnt, hash, key );
  if( bs->slots[ slot ] ) { *out = bs->slots[ slot ]; return DMG_OK; }

  dmg_span_t value = { 0 };
  if( bs->view ) {
    dmg_err_t err = dmg_view_get( bs->view, key, bs->arena, &value );
    if( err==DMG_ERR_NOT_FOUND ) value = (dmg_span_t){ 0 };
    else if( err ) return err;
  }
  dmg_bs_entry_t * entry = DMG_ARENA_NEW( bs->arena, dmg_bs_entry_t, 1 );
  if( !entry ) return DMG_ERR_NOMEM;
  entry->key = dmg_arena_dup( bs->arena, key );
  if( !entry->key.p ) return DMG_ERR_NOMEM;
  entry->hash = hash;
  entry->base = entry->cur = value;
  if( 4*( bs->entry_cnt+1 )>3*bs->slot_cnt ) {
    DMG_TRY( bs_grow( bs ) );
    slot = bs_slot( bs->slots, bs->slot_cnt, hash, key );
  }
  bs->slots[ slot ] = entry;
  bs->entry_cnt++;
  *out = entry;
  return DMG_OK;
}

dmg_err_t
dmg_bs_get( dmg_block_set_t * bs, dmg_span_t key, dmg_span_t * out_value ) {
  dmg_bs_entry_t * entry;
  DMG_TRY( bs_entry( bs, key, &entry ) );
  *out_value = entry->cur;
  return DMG_OK;
}

dmg_err_t
dmg_bs_put( dmg_block_set_t * bs, dmg_span_t key, dmg_span_t value, bool is_ordered ) {
  DMG_ASSERT( value.sz<=DMG_STATE_VALUE_MAX );
  DMG_ASSERT( !value.p || value.sz );   /* S3.2: there is no empty V */
  dmg_bs_entry_t * entry;
  DMG_TRY( bs_entry( bs, key, &entry ) );
  if( !value.p ) {
    entry->cur     = (dmg_span_t){ 0 };
    entry->cur_cap = 0;
  } else if( entry->cur_cap>=value.sz && entry->cur.p ) {
    memmove( (uint8_t *)entry->cur.p, value.p, value.sz );
    entry->cur.sz = value.sz;
  } else {
    uint8_t * p = dmg_arena_alloc( bs->arena, value.sz );
    if( !p ) return DMG_ERR_NOMEM;
    memcpy( p, value.p, value.sz );
    entry->cur     = dmg_span( p, value.sz );
    entry->cur_cap = value.sz;
  }
  return is_ordered ? ord_note( &bs->ord, bs->arena, &entry->ord, entry->key, entry->hash, entry, entry->base.p!=NULL, value.p!=NULL ) : DMG_OK;
}

static int
write_cmp( void const * a, void const * b ) {
  return dmg_span_cmp( ( (dmg_write_t const *)a )->key, ( (dmg_write_t const *)b )->key );
}

/* NULL: absent. */
static bool
has_changed( dmg_bs_entry_t const * e ) {
  return e->base.p && e->cur.p ? !dmg_span_eq( e->base, e->cur ) : e->base.p!=e->cur.p;
}

dmg_err_t
dmg_bs_writes( dmg_block_set_t * bs, dmg_arena_t * arena, dmg_write_t ** out_writes, size_t * out_cnt ) {
  size_t cnt = 0;
  for( size_t i=0; i<bs->slot_cnt; i++ ) {
    dmg_bs_entry_t * e = bs->slots[ i ];
    if( e && has_changed( e ) ) cnt++;
  }
  dmg_write_t * writes = DMG_ARENA_NEW( arena, dmg_write_t, cnt );
  if( !writes ) return DMG_ERR_NOMEM;
  size_t n = 0;
  for( size_t i=0; i<bs->slot_cnt; i++ ) {
    dmg_bs_entry_t * e = bs->slots[ i ];
    if( e && has_changed( e ) )
      writes[ n++ ] = (dmg_write_t){ .key = e->key, .value = e->cur, .is_delete = !e->cur.p };
  }
  DMG_ASSERT( n==cnt );
  if( n>1 ) qsort( writes, n, sizeof( *writes ), write_cmp );
  *out_writes = writes;
  *out_cnt    = cnt;
  return DMG_OK;
}

dmg_err_t
dmg_bs_scan_open( dmg_block_set_t * bs, dmg_span_t prefix, dmg_span_t after, dmg_bs_scan_t * out ) {
  *out = (dmg_bs_scan_t){ .bs = bs };
  scan_init( &out->at, prefix, after );
  out->at.is_below_end = !bs->view;
  return bs->view ? dmg_view_iter( bs->view, prefix, after, false, &out->it ) : DMG_OK;
}

static dmg_err_t
below_view( void * scan, dmg_span_t after, dmg_span_t * out_key ) {
  dmg_bs_scan_t * s = scan;
  if( after.p ) {
    dmg_iter_close( s->it );
    s->it = NULL;
    DMG_TRY( dmg_view_iter( s->bs->view, scan_prefix( &s->at ), after, false, &s->it ) );
  }
  return dmg_iter_next( s->it, out_key, NULL );
}

dmg_err_t
dmg_bs_scan_next( dmg_bs_scan_t * scan, dmg_span_t * out_key ) {
  dmg_ord_t * node;
  DMG_TRY( scan_step( &scan->at, scan->bs->ord, below_view, scan, &node ) );
  *out_key = scan_last( &scan->at );
  return DMG_OK;
}

void
dmg_bs_scan_close( dmg_bs_scan_t * scan ) {
  dmg_iter_close( scan->it );
  scan->it = NULL;
}

/* ---- Transaction overlay ---- */

dmg_err_t
dmg_ov_init( dmg_ov_t * ov ) {
  *ov = (dmg_ov_t){ .slot_cnt = 128, .list_cap = 64, .undo_cap = 64 };
  ov->slots = calloc( ov->slot_cnt, sizeof( *ov->slots ) );
  ov->list  = calloc( ov->list_cap, sizeof( *ov->list ) );
  ov->undo  = calloc( ov->undo_cap, sizeof( *ov->undo ) );
  if( !ov->slots || !ov->list || !ov->undo ) { dmg_ov_fini( ov ); return DMG_ERR_NOMEM; }
  return DMG_OK;
}

void
dmg_ov_fini( dmg_ov_t * ov ) {
  free( ov->slots );
  free( ov->list );
  free( ov->undo );
  *ov = (dmg_ov_t){ 0 };
}

static size_t
ov_slot( dmg_ov_t const * ov, uint64_t hash, dmg_span_t key ) {
  size_t i = hash&( ov->slot_cnt-1 );
  while( ov->slots[ i ] && !( ov->slots[ i ]->hash==hash && dmg_span_eq( ov->slots[ i ]->key, key ) ) ) i = ( i+1 )&( ov->slot_cnt-1 );
  return i;
}

void
dmg_ov_reset( dmg_ov_t * ov, dmg_block_set_t * bs, dmg_arena_t * arena ) {
  /* Few entries: empty their places alone (each place is found before any is emptied, as probing needs its neighbours). */
  if( ov->entry_cnt*8<ov->slot_cnt ) {
    size_t at[ 64 ], n = 0;
    for( size_t i=0; i<ov->entry_cnt && n<64; i++ ) at[ n++ ] = ov_slot( ov, ov->list[ i ]->hash, ov->list[ i ]->key );
    if( n==ov->entry_cnt ) for( size_t i=0; i<n; i++ ) ov->slots[ at[ i ] ] = NULL;
    else memset( ov->slots, 0, ov->slot_cnt*sizeof( *ov->slots ) );
  } else memset( ov->slots, 0, ov->slot_cnt*sizeof( *ov->slots ) );
  ov->entry_cnt = ov->undo_cnt = 0;
  ov->ord   = NULL;
  ov->bs    = bs;
  ov->arena = arena;
}

static dmg_err_t
grow( void ** p, size_t * cap, size_t elem_sz ) {
  void * q = realloc( *p, 2**cap*elem_sz );
  if( !q ) return DMG_ERR_NOMEM;
  *p    = q;
  *cap *= 2;
  return DMG_OK;
}

static dmg_err_t
ov_grow( dmg_ov_t * ov ) {
  size_t cnt = ov->slot_cnt*2;
  dmg_ov_entry_t ** slots = calloc( cnt, sizeof( *slots ) );
  if( !slots ) return DMG_ERR_NOMEM;
  free( ov->slots );
  ov->slots    = slots;
  ov->slot_cnt = cnt;
  for( size_t i=0; i<ov->entry_cnt; i++ ) ov->slots[ ov_slot( ov, ov->list[ i ]->hash, ov->list[ i ]->key ) ] = ov->list[ i ];
  return DMG_OK;
}

/* V --> base, record.  CORRUPT: the state holds what no rule could have written. */
static dmg_err_t
parse( dmg_ov_entry_t * e, dmg_span_t v ) {
  size_t head = 1u+( e->item->has_record ? REC_SZ : 0u );
  if( v.sz<head ) return DMG_ERR_CORRUPT;
  e->base.is_present = true;
  e->base.schema     = v.p[ 0 ];
  if( e->item->has_record ) {
    memcpy( e->rec.payer, v.p+1, 32 );
    e->rec.amount = dmg_load_u64le( v.p+33 );
    e->has_rec    = true;
  }
  e->base.body = dmg_span( v.p+head, v.sz-head );
  if( e->item->is_counter ) {
    if( e->base.body.sz!=8 ) return DMG_ERR_CORRUPT;
    e->base.ctr  = dmg_load_u64le( e->base.body.p );
    e->base.body = (dmg_span_t){ 0 };
  }
  return DMG_OK;
}

dmg_err_t
dmg_ov_entry( dmg_ov_t * ov, dmg_span_t key, dmg_ov_item_t const * item, dmg_ov_entry_t ** out ) {
  uint64_t hash = key_hash( ov->bs->seed, key );
  size_t   slot = ov_slot( ov, hash, key );
  if( ov->slots[ slot ] ) { *out = ov->slots[ slot ]; return DMG_OK; }

  dmg_span_t v;
  DMG_TRY( dmg_bs_get( ov->bs, key, &v ) );
  dmg_ov_entry_t * e = DMG_ARENA_NEW( ov->arena, dmg_ov_entry_t, 1 );
  if( !e ) return DMG_ERR_NOMEM;
  e->key = dmg_arena_dup( ov->arena, key );
  if( !e->key.p ) return DMG_ERR_NOMEM;
  e->hash = hash;
  e->item = item;
  if( v.p ) DMG_TRY( parse( e, v ) );
  e->mid         = e->cur = e->base;
  e->mid_has_rec = e->has_rec;
  e->mid_rec     = e->rec;

  if( ov->entry_cnt==ov->list_cap ) DMG_TRY( grow( (void **)&ov->list, &ov->list_cap, sizeof( *ov->list ) ) );
  if( 2*( ov->entry_cnt+1 )>ov->slot_cnt ) {
    DMG_TRY( ov_grow( ov ) );
    slot = ov_slot( ov, hash, key );
  }
  ov->list[ ov->entry_cnt++ ] = e;
  ov->slots[ slot ] = e;
  *out = e;
  return DMG_OK;
}

static dmg_err_t
change( dmg_ov_t * ov, dmg_ov_entry_t * e, dmg_ov_val_t val ) {
  if( ov->undo_cnt==ov->undo_cap ) DMG_TRY( grow( (void **)&ov->undo, &ov->undo_cap, sizeof( *ov->undo ) ) );
  if( e->item->is_ordered ) DMG_TRY( ord_note( &ov->ord, ov->arena, &e->ord, e->key, e->hash, e, e->base.is_present, val.is_present ) );
  ov->undo[ ov->undo_cnt++ ] = (dmg_ov_undo_t){ .entry = e, .old = e->cur };
  e->cur = val;
  return DMG_OK;
}

dmg_err_t
dmg_ov_set( dmg_ov_t * ov, dmg_ov_entry_t * e, uint8_t schema, dmg_span_t body ) {
  DMG_ASSERT( !e->item->is_counter );
  dmg_span_t copy = dmg_arena_dup( ov->arena, body );
  if( !copy.p ) return DMG_ERR_NOMEM;
  return change( ov, e, (dmg_ov_val_t){ .is_present = true, .schema = schema, .body = copy } );
}

dmg_err_t
dmg_ov_delete( dmg_ov_t * ov, dmg_ov_entry_t * e ) {
  return change( ov, e, (dmg_ov_val_t){ 0 } );
}

dmg_err_t
dmg_ov_set_ctr( dmg_ov_t * ov, dmg_ov_entry_t * e, uint64_t ctr ) {
  DMG_ASSERT( e->item->is_counter );
  if( !ctr ) return dmg_ov_delete( ov, e );
  return change( ov, e, (dmg_ov_val_t){ .is_present = true, .schema = e->cur.is_present ? e->cur.schema : e->item->schema, .ctr = ctr } );
}

void
dmg_ov_note_bound( dmg_ov_entry_t * e, int64_t delta ) {
  /* Running sum of own deltas before this one; cur and base are both below 2^63 (R1.9). */
  int64_t sum = (int64_t)( e->cur.ctr-e->base.ctr )+delta;
  if( !( e->seen&DMG_OV_BOUND ) ) e->lo = e->hi = 0;
  e->seen |= DMG_OV_BOUND;
  if( sum<e->lo ) e->lo = sum;
  if( sum>e->hi ) e->hi = sum;
}

void
dmg_ov_rollback( dmg_ov_t * ov, size_t mark ) {
  DMG_ASSERT( mark<=ov->undo_cnt );
  while( ov->undo_cnt>mark ) {
    dmg_ov_undo_t * u = &ov->undo[ --ov->undo_cnt ];
    u->entry->cur = u->old;
    if( !u->entry->ord || u->entry->ord->is_present==u->old.is_present ) continue;
    u->entry->ord->is_present = u->old.is_present;
    ord_changed( ov->ord, u->entry->ord );
  }
}

void
dmg_ov_settle( dmg_ov_t * ov ) {
  for( size_t i=0; i<ov->entry_cnt; i++ ) {
    dmg_ov_entry_t * e = ov->list[ i ];
    e->mid            = e->cur;
    e->mid_has_rec    = e->has_rec;
    e->mid_is_rec_new = e->is_rec_new;
    e->mid_rec        = e->rec;
  }
}

void
dmg_ov_records_back( dmg_ov_t * ov ) {
  for( size_t i=0; i<ov->entry_cnt; i++ ) {
    dmg_ov_entry_t * e = ov->list[ i ];
    e->has_rec    = e->mid_has_rec;
    e->is_rec_new = e->mid_is_rec_new;
    e->rec        = e->mid_rec;
  }
}

dmg_ov_entry_t *
dmg_ov_find( dmg_ov_t const * ov, dmg_span_t key ) {
  return ov->slots[ ov_slot( ov, key_hash( ov->bs->seed, key ), key ) ];
}

size_t
dmg_ov_value_sz( dmg_ov_item_t const * item, dmg_ov_val_t const * val ) {
  if( !val->is_present ) return 0;
  return 1u+( item->has_record ? REC_SZ : 0u )+( item->is_counter ? 8u : val->body.sz );
}

static void
raw_write( dmg_ov_entry_t const * e, uint8_t * p ) {
  *p++ = e->cur.schema;
  if( e->item->has_record ) {
    /* A record that nobody paid is {zero, 0}: genesis, and Free credited by native code (R5.8 step 5). */
    static dmg_ov_rec_t const none = { 0 };
    dmg_ov_rec_t const * rec = e->has_rec ? &e->rec : &none;
    memcpy( p, rec->payer, 32 );
    dmg_store_u64le( p+32, rec->amount );
    p += REC_SZ;
  }
  if( e->item->is_counter ) dmg_store_u64le( p, e->cur.ctr );
  else if( e->cur.body.sz ) memcpy( p, e->cur.body.p, e->cur.body.sz );
}

dmg_err_t
dmg_ov_raw( dmg_ov_entry_t const * e, dmg_arena_t * arena, dmg_span_t * out_value ) {
  size_t sz = dmg_ov_value_sz( e->item, &e->cur );
  if( !sz ) { *out_value = (dmg_span_t){ 0 }; return DMG_OK; }
  uint8_t * p = dmg_arena_alloc( arena, sz );
  if( !p ) return DMG_ERR_NOMEM;
  raw_write( e, p );
  *out_value = dmg_span( p, sz );
  return DMG_OK;
}

static bool
val_eq( dmg_ov_item_t const * item, dmg_ov_val_t const * a, dmg_ov_val_t const * b ) {
  if( a->is_present!=b->is_present ) return false;
  if( !a->is_present ) return true;
  if( a->schema!=b->schema ) return false;
  return item->is_counter ? a->ctr==b->ctr : dmg_span_eq( a->body, b->body );
}

dmg_err_t
dmg_ov_commit( dmg_ov_t * ov ) {
  for( size_t i=0; i<ov->entry_cnt; i++ ) {
    dmg_ov_entry_t * e = ov->list[ i ];
    if( !e->is_rec_new && val_eq( e->item, &e->base, &e->cur ) ) continue;
    uint8_t  small[ 256 ];
    size_t   sz = dmg_ov_value_sz( e->item, &e->cur );
    if( !sz ) { DMG_TRY( dmg_bs_put( ov->bs, e->key, (dmg_span_t){ 0 }, e->item->is_ordered ) ); continue; }
    uint8_t * p = sz<=sizeof( small ) ? small : dmg_arena_alloc( ov->arena, sz );
    if( !p ) return DMG_ERR_NOMEM;
    raw_write( e, p );
    DMG_TRY( dmg_bs_put( ov->bs, e->key, dmg_span( p, sz ), e->item->is_ordered ) );
  }
  return DMG_OK;
}

dmg_err_t
dmg_ov_scan_open( dmg_ov_t * ov, dmg_ov_item_t const * item, dmg_span_t prefix, dmg_span_t after, dmg_ov_scan_t * out ) {
  DMG_ASSERT( item->is_ordered );
  *out = (dmg_ov_scan_t){ .ov = ov, .item = item };
  scan_init( &out->at, prefix, after );
  return dmg_bs_scan_open( ov->bs, prefix, after, &out->bs );
}

static dmg_err_t
below_set( void * scan, dmg_span_t after, dmg_span_t * out_key ) {
  dmg_ov_scan_t * s = scan;
  if( after.p ) {
    dmg_bs_scan_close( &s->bs );
    DMG_TRY( dmg_bs_scan_open( s->ov->bs, scan_prefix( &s->at ), after, &s->bs ) );
  }
  return dmg_bs_scan_next( &s->bs, out_key );
}

dmg_err_t
dmg_ov_scan_next( dmg_ov_scan_t * scan, dmg_ov_entry_t ** out_entry ) {
  dmg_ord_t * node;
  DMG_TRY( scan_step( &scan->at, scan->ov->ord, below_set, scan, &node ) );
  if( !node ) return dmg_ov_entry( scan->ov, scan_last( &scan->at ), scan->item, out_entry );
  *out_entry = node->entry;
  return DMG_OK;
}

void
dmg_ov_scan_close( dmg_ov_scan_t * scan ) {
  dmg_bs_scan_close( &scan->bs );
}
