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

/* Treap: the hash is the priority, so its form depends on the set of keys alone. */
static dmg_bs_entry_t *
treap_insert( dmg_bs_entry_t * root, dmg_bs_entry_t * entry ) {
  if( !root ) return entry;
  if( dmg_span_cmp( entry->key, root->key )<0 ) {
    root->left = treap_insert( root->left, entry );
    if( root->left->hash>root->hash ) {
      dmg_bs_entry_t * up = root->left;
      root->left = up->right;
      up->right  = root;
      return up;
    }
  } else {
    root->right = treap_insert( root->right, entry );
    if( root->right->hash>root->hash ) {
      dmg_bs_entry_t * up = root->right;
      root->right = up->left;
      up->left    = root;
      return up;
    }
  }
  return root;
}

/* Least key above `key` (from and including it if is_from). */
static dmg_bs_entry_t *
treap_above( dmg_bs_entry_t * root, dmg_span_t key, bool is_from ) {
  dmg_bs_entry_t * best = NULL;
  while( root ) {
    int c = dmg_span_cmp( root->key, key );
    if( c>0 || ( c==0 && is_from ) ) { best = root; root = root->left; }
    else root = root->right;
  }
  return best;
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
  if( is_ordered && !entry->is_indexed ) {
    entry->is_ordered = entry->is_indexed = true;
    bs->root = treap_insert( bs->root, entry );
  }
  return DMG_OK;
}

static int
write_cmp( void const * a, void const * b ) {
  return dmg_span_cmp( ( (dmg_write_t const *)a )->key, ( (dmg_write_t const *)b )->key );
}

dmg_err_t
dmg_bs_writes( dmg_block_set_t * bs, dmg_arena_t * arena, dmg_write_t ** out_writes, size_t * out_cnt ) {
  size_t cnt = 0;
  for( size_t i=0; i<bs->slot_cnt; i++ ) {
    dmg_bs_entry_t * e = bs->slots[ i ];
    if( e && ( !e->base.p!=!e->cur.p || !dmg_span_eq( e->base, e->cur ) ) ) cnt++;
  }
  dmg_write_t * writes = DMG_ARENA_NEW( arena, dmg_write_t, cnt );
  if( !writes ) return DMG_ERR_NOMEM;
  size_t n = 0;
  for( size_t i=0; i<bs->slot_cnt; i++ ) {
    dmg_bs_entry_t * e = bs->slots[ i ];
    if( e && ( !e->base.p!=!e->cur.p || !dmg_span_eq( e->base, e->cur ) ) )
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
  DMG_ASSERT( prefix.sz>=1 && prefix.sz<=DMG_STATE_KEY_MAX && after.sz<=DMG_STATE_KEY_MAX );
  *out = (dmg_bs_scan_t){ .bs = bs };
  memcpy( out->prefix_buf, prefix.p, prefix.sz );
  out->prefix = dmg_span( NULL, prefix.sz );   /* points at prefix_buf, set at each use: the struct may be copied */
  if( after.sz ) {
    memcpy( out->last, after.p, after.sz );
    out->last_sz    = after.sz;
    out->is_started = true;
  }
  if( bs->view ) return dmg_view_iter( bs->view, dmg_span( out->prefix_buf, prefix.sz ), after, false, &out->it );
  out->is_view_end = true;
  return DMG_OK;
}

dmg_err_t
dmg_bs_scan_next( dmg_bs_scan_t * scan, dmg_span_t * out_key ) {
  dmg_span_t prefix = dmg_span( scan->prefix_buf, scan->prefix.sz );
  for(;;) {
    if( !scan->has_peek && !scan->is_view_end ) {
      dmg_span_t key;
      dmg_err_t  err = dmg_iter_next( scan->it, &key, NULL );
      if( err==DMG_ERR_NOT_FOUND ) scan->is_view_end = true;
      else if( err ) return err;
      else {
        memcpy( scan->peek, key.p, key.sz );
        scan->peek_sz  = key.sz;
        scan->has_peek = true;
      }
    }
    dmg_bs_entry_t * own = scan->is_started ? treap_above( scan->bs->root, dmg_span( scan->last, scan->last_sz ), false )
                                            : treap_above( scan->bs->root, prefix, true );
    if( own && ( own->key.sz<prefix.sz || memcmp( own->key.p, prefix.p, prefix.sz ) ) ) own = NULL;
    if( !own && !scan->has_peek ) return DMG_ERR_NOT_FOUND;
    int  c = !own ? 1 : !scan->has_peek ? -1 : dmg_span_cmp( own->key, dmg_span( scan->peek, scan->peek_sz ) );
    bool is_present = true;
    if( c<=0 ) {
      memcpy( scan->last, own->key.p, own->key.sz );
      scan->last_sz = own->key.sz;
      is_present    = own->cur.p!=NULL;
    } else {
      memcpy( scan->last, scan->peek, scan->peek_sz );
      scan->last_sz = scan->peek_sz;
    }
    if( c>=0 ) scan->has_peek = false;
    scan->is_started = true;
    if( !is_present ) continue;
    *out_key = dmg_span( scan->last, scan->last_sz );
    return DMG_OK;
  }
}

void
dmg_bs_scan_close( dmg_bs_scan_t * scan ) {
  dmg_iter_close( scan->it );
  scan->it = NULL;
}

/* ---- Transaction overlay ---- */

dmg_err_t
dmg_ov_init( dmg_ov_t * ov ) {
  *ov = (dmg_ov_t){ .slot_cnt = 128, .list_cap = 64, .undo_cap = 64, .ord_cap = 16 };
  ov->slots = calloc( ov->slot_cnt, sizeof( *ov->slots ) );
  ov->list  = calloc( ov->list_cap, sizeof( *ov->list ) );
  ov->undo  = calloc( ov->undo_cap, sizeof( *ov->undo ) );
  ov->ord   = calloc( ov->ord_cap, sizeof( *ov->ord ) );
  if( !ov->slots || !ov->list || !ov->undo || !ov->ord ) { dmg_ov_fini( ov ); return DMG_ERR_NOMEM; }
  return DMG_OK;
}

void
dmg_ov_fini( dmg_ov_t * ov ) {
  free( ov->slots );
  free( ov->list );
  free( ov->undo );
  free( ov->ord );
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
  ov->entry_cnt = ov->undo_cnt = ov->ord_cnt = 0;
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

/* Place of the first ordered entry at or above key. */
static size_t
ord_lower( dmg_ov_t const * ov, dmg_span_t key ) {
  size_t lo = 0, hi = ov->ord_cnt;
  while( lo<hi ) {
    size_t mid = ( lo+hi )/2;
    if( dmg_span_cmp( ov->ord[ mid ]->key, key )<0 ) lo = mid+1;
    else hi = mid;
  }
  return lo;
}

static dmg_err_t
change( dmg_ov_t * ov, dmg_ov_entry_t * e, dmg_ov_val_t val ) {
  if( ov->undo_cnt==ov->undo_cap ) DMG_TRY( grow( (void **)&ov->undo, &ov->undo_cap, sizeof( *ov->undo ) ) );
  if( e->item->is_ordered && !e->is_ordered_listed ) {
    if( ov->ord_cnt==ov->ord_cap ) DMG_TRY( grow( (void **)&ov->ord, &ov->ord_cap, sizeof( *ov->ord ) ) );
    size_t at = ord_lower( ov, e->key );
    memmove( ov->ord+at+1, ov->ord+at, ( ov->ord_cnt-at )*sizeof( *ov->ord ) );
    ov->ord[ at ] = e;
    ov->ord_cnt++;
    e->is_ordered_listed = true;
  }
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
  DMG_TRY( dmg_bs_scan_open( ov->bs, prefix, after, &out->bs ) );
  if( after.sz ) {
    memcpy( out->last, after.p, after.sz );
    out->last_sz    = after.sz;
    out->is_started = true;
  }
  return DMG_OK;
}

dmg_err_t
dmg_ov_scan_next( dmg_ov_scan_t * scan, dmg_ov_entry_t ** out_entry ) {
  dmg_ov_t * ov     = scan->ov;
  dmg_span_t prefix = dmg_span( scan->bs.prefix_buf, scan->bs.prefix.sz );
  for(;;) {
    if( !scan->has_bs && !scan->is_bs_end ) {
      dmg_span_t key;
      dmg_err_t  err = dmg_bs_scan_next( &scan->bs, &key );
      if( err==DMG_ERR_NOT_FOUND ) scan->is_bs_end = true;
      else if( err ) return err;
      else {
        memcpy( scan->bs_key, key.p, key.sz );
        scan->bs_key_sz = key.sz;
        scan->has_bs    = true;
      }
    }
    dmg_span_t from = scan->is_started ? dmg_span( scan->last, scan->last_sz ) : prefix;
    size_t at = ord_lower( ov, from );
    if( scan->is_started && at<ov->ord_cnt && dmg_span_eq( ov->ord[ at ]->key, from ) ) at++;
    dmg_ov_entry_t * own = at<ov->ord_cnt ? ov->ord[ at ] : NULL;
    if( own && ( own->key.sz<prefix.sz || memcmp( own->key.p, prefix.p, prefix.sz ) ) ) own = NULL;
    if( !own && !scan->has_bs ) return DMG_ERR_NOT_FOUND;
    int c = !own ? 1 : !scan->has_bs ? -1 : dmg_span_cmp( own->key, dmg_span( scan->bs_key, scan->bs_key_sz ) );
    dmg_ov_entry_t * e = own;
    if( c>0 ) DMG_TRY( dmg_ov_entry( ov, dmg_span( scan->bs_key, scan->bs_key_sz ), scan->item, &e ) );
    if( c>=0 ) scan->has_bs = false;
    memcpy( scan->last, e->key.p, e->key.sz );
    scan->last_sz    = e->key.sz;
    scan->is_started = true;
    if( !e->cur.is_present ) continue;
    *out_entry = e;
    return DMG_OK;
  }
}

void
dmg_ov_scan_close( dmg_ov_scan_t * scan ) {
  dmg_bs_scan_close( &scan->bs );
}
