#include "storage/gaps_int.h"
#include "base/assert.h"

#include <stdlib.h>

/* ---- Open and close ---- */

/* The shared snapshot of the committed store as it is; under lock. */
static dmg_err_t snap_take( dmg_state_t * s, bool is_asking, dmg_snap_ref_t ** out ) {
  if( !s->snap ) {
    if( is_asking && __atomic_load_n( &s->kv->snap_cnt, __ATOMIC_RELAXED )>=DMG_KV_SNAPS_MAX-DMG_STATE_SNAPS_KEPT ) return DMG_ERR_FULL;
    dmg_snap_ref_t * r = malloc( sizeof *r );
    if( !r ) return DMG_ERR_NOMEM;
    dmg_err_t err = dmg_kv_snap_open( s->kv, &r->snap );
    if( err ) { free( r ); return err==DMG_ERR_LIMIT ? DMG_ERR_FULL : err; }
    r->ref  = 1;                               /* the state's own, until the next commit */
    s->snap = r;
  }
  s->snap->ref++;
  *out = s->snap;
  return DMG_OK;
}

static void snap_give( dmg_state_t * s, dmg_snap_ref_t * r ) {
  if( !r || --r->ref ) return;
  dmg_kv_snap_close( s->kv, r->snap );
  free( r );
}

/* What is known of the gaps of a block: shared with its other views, or carried from an ancestor near by.  Under lock. */
static dmg_gaps_t * gaps_take( dmg_state_t * s, dmg_hash_t const * block, uint64_t height ) {
  enum { WAY_MAX = 32 };
  dmg_gaps_t * g = s->gaps;
  if( g && dmg_hash_eq( &g->block, block ) ) { g->ref++; return g; }
  dmg_overlay_t * way[ WAY_MAX ];
  uint32_t n = 0;
  bool is_below = false;
  if( g && __atomic_load_n( &g->cnt, __ATOMIC_RELAXED ) )
    for( dmg_overlay_t * o=dmg_state_find( s, block ); o && o->height>g->height && n<WAY_MAX && !is_below; o=dmg_state_find( s, &o->parent_block ) ) {
      way[ n++ ] = o;
      is_below = dmg_hash_eq( &o->parent_block, &g->block );
    }
  dmg_gaps_t * own = NULL;
  while( is_below && n ) {
    dmg_gaps_t * child = dmg_gaps_carry( own ? own : g, way[ --n ] );
    dmg_gaps_release( own );
    own = child;
    if( !own ) break;
  }
  if( !own ) own = dmg_gaps_new( block, height );
  /* An older block's stays its view's: the next blocks come on top of the highest. */
  if( own && ( !g || height>=g->height ) ) {
    dmg_gaps_release( g );
    s->gaps = own;
    own->ref++;
  }
  return own;
}

/* Layers of a block: a live one, then its ancestors; or, for a final one, the undo of what came
   after it, oldest first.  layer NULL counts.  Under lock. */
static dmg_err_t layers_of( dmg_state_t * s, dmg_hash_t const * block, dmg_layer_t * layer, uint32_t * out_cnt, uint64_t * out_height ) {
  uint32_t n = 0;
  if( !s->has_head ) return DMG_ERR_NOT_FOUND;
  dmg_overlay_t * o = dmg_state_find( s, block );
  if( o && !o->is_final ) {
    *out_height = o->height;
    for( ; o; o=o->parent ) {
      if( !o->cnt ) continue;
      if( layer ) layer[ n ] = (dmg_layer_t){ o, false };
      n++;
    }
    *out_cnt = n;
    return DMG_OK;
  }
  uint32_t first;                              /* the first ring index above the block */
  if( dmg_hash_eq( block, &s->block ) ) first = s->ring_cnt;
  else if( o ) first = (uint32_t)( o->height-s->ring[0]->height )+1;
  else if( s->ring_cnt && dmg_hash_eq( block, &s->base_block ) ) first = 0;
  else return DMG_ERR_NOT_FOUND;
  *out_height = s->height-( s->ring_cnt-first );
  for( uint32_t i=first; i<s->ring_cnt; i++ ) {
    if( !s->ring[ i ]->cnt ) continue;
    if( layer ) layer[ n ] = (dmg_layer_t){ s->ring[ i ], true };
    n++;
  }
  *out_cnt = n;
  return DMG_OK;
}

static dmg_err_t view_open( dmg_state_t * s, dmg_hash_t const * block, bool is_asking, dmg_view_t ** out_view ) {
  dmg_view_t * v = calloc( 1, sizeof *v );
  if( !v ) return DMG_ERR_NOMEM;
  pthread_mutex_lock( &s->lock );
  dmg_err_t err = s->view_cnt<DMG_STATE_VIEWS_MAX ? DMG_OK : DMG_ERR_FULL;
  if( !err ) err = layers_of( s, block, NULL, &v->layer_cnt, &v->height );
  if( !err && !( v->layer = malloc( ( v->layer_cnt+1 )*sizeof *v->layer ) ) ) err = DMG_ERR_NOMEM;
  if( !err ) err = snap_take( s, is_asking, &v->snap );
  if( !err ) {
    DMG_ASSERT( !layers_of( s, block, v->layer, &v->layer_cnt, &v->height ) );
    for( uint32_t i=0; i<v->layer_cnt; i++ ) dmg_overlay_take( v->layer[ i ].overlay );
    v->state = s;
    v->block = *block;
    v->gaps  = gaps_take( s, block, v->height );
    s->view_cnt++;
  }
  pthread_mutex_unlock( &s->lock );
  if( err ) { free( v->layer ); free( v ); return err; }
  *out_view = v;
  return DMG_OK;
}

dmg_err_t dmg_state_view     ( dmg_state_t * s, dmg_hash_t const * block, dmg_view_t ** out_view ) { return view_open( s, block, false, out_view ); }
dmg_err_t dmg_state_view_read( dmg_state_t * s, dmg_hash_t const * block, dmg_view_t ** out_view ) { return view_open( s, block, true, out_view ); }

void dmg_view_close( dmg_view_t * v ) {
  if( !v ) return;
  DMG_ASSERT( !v->iter_cnt );
  dmg_state_t * s = v->state;
  for( uint32_t i=0; i<v->layer_cnt; i++ ) dmg_overlay_release( v->layer[ i ].overlay );
  pthread_mutex_lock( &s->lock );
  snap_give( s, v->snap );
  dmg_gaps_release( v->gaps );
  DMG_ASSERT( s->view_cnt );
  s->view_cnt--;
  pthread_mutex_unlock( &s->lock );
  free( v->layer );
  free( v->read );
  free( v->read_table );
  free( v );
}

/* ---- Reads that execution took from the store ---- */

static dmg_err_t read_note( dmg_view_t * v, dmg_hash_t const * path, dmg_span_t const * value ) {
  if( !v->state->cfg.has_read_check ) return DMG_OK;
  if( 2*( v->read_cnt+1 )>v->read_cap ) {
    size_t cap = v->read_cap ? 2*v->read_cap : 64;
    dmg_read_t * r = realloc( v->read, cap/2*sizeof *r );
    if( !r ) return DMG_ERR_NOMEM;
    v->read = r;
    uint32_t * t = calloc( cap, sizeof *t );
    if( !t ) return DMG_ERR_NOMEM;
    free( v->read_table );
    v->read_table = t;
    v->read_cap   = cap;
    for( size_t i=0; i<v->read_cnt; i++ ) {
      size_t s = (size_t)( dmg_load_u64le( r[ i ].path.b )*( v->state->secret|1u )>>20 )&( cap-1 );
      while( t[ s ] ) s = ( s+1 )&( cap-1 );
      t[ s ] = (uint32_t)i+1;
    }
  }
  size_t s = (size_t)( dmg_load_u64le( path->b )*( v->state->secret|1u )>>20 )&( v->read_cap-1 );
  for( ; v->read_table[ s ]; s = ( s+1 )&( v->read_cap-1 ) ) if( dmg_hash_eq( &v->read[ v->read_table[ s ]-1 ].path, path ) ) return DMG_OK;
  dmg_read_t * r = v->read+v->read_cnt;
  *r = (dmg_read_t){ .path = *path, .is_absent = !value };
  /* Of the bytes that were handed out, not the stored hash: those are what the disk may have changed. */
  if( value ) r->vh = dmg_state_value_hash( *value );
  v->read_table[ s ] = (uint32_t)++v->read_cnt;
  return DMG_OK;
}

void dmg_view_reads( dmg_view_t * v, dmg_read_t const ** out_reads, size_t * out_cnt ) {
  *out_reads = v->read;
  *out_cnt   = v->read_cnt;
}

/* ---- Look-ups ---- */

dmg_err_t dmg_view_find( dmg_view_t * v, dmg_hash_t const * path, dmg_kv_val_t * out_val, dmg_stored_t * out, bool * out_is_stored ) {
  for( uint32_t i=0; i<v->layer_cnt; i++ ) {
    dmg_entry_t const * e = dmg_overlay_find( v->layer[ i ].overlay, v->state->secret, path );
    if( !e ) continue;
    *out_is_stored = false;
    dmg_span_t value = v->layer[ i ].is_undo ? e->old_value : e->value;
    if( v->layer[ i ].is_undo ? !e->old_value.p : e->is_delete ) return DMG_ERR_NOT_FOUND;
    *out_val = (dmg_kv_val_t){ 0 };
    *out     = (dmg_stored_t){ .key = e->key, .value = value };
    return DMG_OK;
  }
  *out_is_stored = true;
  dmg_kv_val_t val;
  DMG_TRY( dmg_kv_get( v->state->kv, DMG_KV_STATE, v->snap->snap, dmg_hash_span( path ), &val ) );
  dmg_err_t err = dmg_stored_parse( val.v, out );
  if( err ) dmg_kv_val_release( &val );
  else      *out_val = val;
  return err;
}

static dmg_err_t find_key( dmg_view_t * v, dmg_span_t key, dmg_kv_val_t * out_val, dmg_stored_t * out, bool * out_is_stored ) {
  dmg_hash_t path = dmg_state_path( key );
  dmg_err_t err = dmg_view_find( v, &path, out_val, out, out_is_stored );
  if( err && err!=DMG_ERR_NOT_FOUND ) return err;
  if( !err && !dmg_span_eq( out->key, key ) ) err = DMG_ERR_CORRUPT;
  if( err!=DMG_ERR_CORRUPT && *out_is_stored ) {
    dmg_err_t noted = read_note( v, &path, err ? NULL : &out->value );
    if( noted ) { if( !err ) dmg_kv_val_release( out_val ); return noted; }
  }
  if( err==DMG_ERR_CORRUPT ) dmg_kv_val_release( out_val );
  return err;
}

dmg_err_t dmg_view_get( dmg_view_t * v, dmg_span_t key, dmg_arena_t * arena, dmg_span_t * out_value ) {
  if( key.sz<DMG_STATE_KEY_MIN || key.sz>DMG_STATE_KEY_MAX ) return DMG_ERR_LIMIT;
  dmg_kv_val_t val;
  dmg_stored_t st;
  bool is_stored;
  DMG_TRY( find_key( v, key, &val, &st, &is_stored ) );
  if( !is_stored ) { *out_value = st.value; return DMG_OK; }
  dmg_span_t copy = dmg_arena_dup( arena, st.value );
  dmg_kv_val_release( &val );
  if( !copy.p ) return DMG_ERR_NOMEM;
  *out_value = copy;
  return DMG_OK;
}

/* ---- Iteration: layers and column ord, merged ---- */

struct dmg_iter {
  dmg_view_t *    view;
  bool            is_reverse;
  dmg_bound_t     lo, hi;                 /* [lo, hi): still to come */
  dmg_bound_t     stop;                   /* up to here in a run: behind it lies a known gap, or nothing */
  dmg_kv_iter_t * kv_it;
  bool            kv_is_due;              /* the store's next key was not asked for yet: it may lie behind many deleted ones */
  bool            kv_has;                 /* kv_key is the next of the store */
  uint64_t        walked;                 /* what is gone and was passed since the last key */
  dmg_span_t      kv_key;
  uint8_t         kv_buf[ DMG_STATE_KEY_MAX ], key_buf[ DMG_STATE_KEY_MAX ];
  dmg_kv_val_t    val;                    /* lent to the caller */
  struct { uint32_t at, end; } pos[];     /* a layer's entries still to come: [at, end), taken from either side */
};

/* All sources to the stretch from where the iterator stands to the next known gap. */
static dmg_err_t place( dmg_iter_t * it ) {
  dmg_view_t * v = it->view;
  it->stop = it->is_reverse ? it->lo : it->hi;
  if( v->gaps ) dmg_gaps_next( v->gaps, it->is_reverse, &it->lo, &it->hi, &it->stop );
  dmg_span_t lo = dmg_bound_span( it->is_reverse ? &it->stop : &it->lo ), hi = dmg_bound_span( it->is_reverse ? &it->hi : &it->stop );
  for( uint32_t i=0; i<v->layer_cnt; i++ ) {
    it->pos[ i ].at  = dmg_overlay_lower( v->layer[ i ].overlay, 0, lo );
    it->pos[ i ].end = dmg_overlay_lower( v->layer[ i ].overlay, it->pos[ i ].at, hi );
  }
  it->kv_has    = false;
  it->kv_is_due = dmg_span_cmp( lo, hi )<0;
  if( !it->kv_it )    return dmg_kv_iter_open( v->state->kv, DMG_KV_ORD, v->snap->snap, lo, hi, it->is_reverse, &it->kv_it );
  if( it->kv_is_due ) dmg_kv_iter_move( it->kv_it, lo, hi );
  return DMG_OK;
}

static dmg_err_t kv_step( dmg_iter_t * it ) {
  dmg_span_t key;
  dmg_err_t err = dmg_kv_iter_next( it->kv_it, &key, NULL );
  it->walked   += it->kv_it->walked;
  it->kv_is_due = false;
  it->kv_has    = !err;
  if( err ) return err==DMG_ERR_NOT_FOUND ? DMG_OK : err;
  if( key.sz<DMG_STATE_KEY_MIN || key.sz>DMG_STATE_KEY_MAX ) return DMG_ERR_CORRUPT;
  memcpy( it->kv_buf, key.p, key.sz );
  it->kv_key = dmg_span( it->kv_buf, key.sz );
  return DMG_OK;
}

dmg_err_t dmg_view_iter( dmg_view_t * v, dmg_span_t prefix, dmg_span_t after, bool is_reverse, dmg_iter_t ** out_it ) {
  if( prefix.sz>DMG_STATE_KEY_MAX || after.sz>DMG_STATE_KEY_MAX ) return DMG_ERR_LIMIT;
  dmg_iter_t * it = calloc( 1, sizeof *it+v->layer_cnt*sizeof *it->pos );
  if( !it ) return DMG_ERR_NOMEM;
  it->view       = v;
  it->is_reverse = is_reverse;
  it->lo = it->hi = dmg_bound_of( prefix );
  while( it->hi.sz && it->hi.b[ it->hi.sz-1 ]==0xff ) it->hi.sz--;
  if( it->hi.sz ) it->hi.b[ it->hi.sz-1 ]++;
  else { it->hi.sz = sizeof it->hi.b; memset( it->hi.b, 0xff, sizeof it->hi.b ); }
  if( after.sz && !is_reverse && dmg_span_cmp( after, prefix )>=0 )               it->lo = dmg_bound_after( after );
  if( after.sz && is_reverse && dmg_span_cmp( after, dmg_bound_span( &it->hi ) )<0 ) it->hi = dmg_bound_of( after );
  dmg_err_t err = place( it );
  if( err ) { free( it ); return err==DMG_ERR_LIMIT ? DMG_ERR_FULL : err; }
  v->iter_cnt++;
  *out_it = it;
  return DMG_OK;
}

/* The next key is `key`, or (p NULL) there is none up to stop: [lo, hi) becomes what lies behind it. */
static void reach( dmg_iter_t * it, dmg_span_t key ) {
  dmg_bound_t at = !key.p ? it->stop : it->is_reverse ? dmg_bound_after( key ) : dmg_bound_of( key );
  dmg_span_t lo = dmg_bound_span( it->is_reverse ? &at : &it->lo ), hi = dmg_bound_span( it->is_reverse ? &it->hi : &at );
  if( it->walked>=it->view->state->cfg.gap_walk_min && it->view->gaps && dmg_span_cmp( lo, hi )<0 ) dmg_gaps_add( it->view->gaps, lo, hi );
  it->walked = 0;
  if( it->is_reverse ) it->hi = key.p ? dmg_bound_of( key )    : at;
  else                 it->lo = key.p ? dmg_bound_after( key ) : at;
}

dmg_err_t dmg_iter_next( dmg_iter_t * it, dmg_span_t * out_key, dmg_span_t * out_value ) {
  enum { DELETED_COST = 4 };               /* passing an entry that a layer deletes, in walked ones of the store */
  dmg_view_t * v = it->view;
  dmg_kv_val_release( &it->val );
  for(;;) {
    if( it->kv_is_due ) DMG_TRY( kv_step( it ) );
    /* The nearest key of all sources; of equal ones the first layer's entry counts. */
    bool has = it->kv_has;
    dmg_span_t key = it->kv_key;
    dmg_layer_t const * from = NULL;
    dmg_entry_t const * entry = NULL;
    for( uint32_t i=0; i<v->layer_cnt; i++ ) {
      if( it->pos[ i ].at==it->pos[ i ].end ) continue;
      dmg_entry_t const * e = v->layer[ i ].overlay->entry+( it->is_reverse ? it->pos[ i ].end-1 : it->pos[ i ].at );
      int c = has ? dmg_span_cmp( e->key, key ) : 0;
      if( it->is_reverse ) c = -c;
      if( has && ( c>0 || ( c==0 && from ) ) ) continue;
      has = true; key = e->key; from = v->layer+i; entry = e;
    }
    if( !has ) {
      reach( it, (dmg_span_t){ 0 } );
      if( dmg_span_eq( dmg_bound_span( &it->lo ), dmg_bound_span( &it->hi ) ) ) return DMG_ERR_NOT_FOUND;
      DMG_TRY( place( it ) );
      continue;
    }
    memcpy( it->key_buf, key.p, key.sz );
    key = dmg_span( it->key_buf, key.sz );
    for( uint32_t i=0; i<v->layer_cnt; i++ ) {
      if( it->pos[ i ].at==it->pos[ i ].end ) continue;
      uint32_t at = it->is_reverse ? it->pos[ i ].end-1 : it->pos[ i ].at;
      if( !dmg_span_eq( v->layer[ i ].overlay->entry[ at ].key, key ) ) continue;
      if( it->is_reverse ) it->pos[ i ].end--;
      else                 it->pos[ i ].at++;
    }
    it->kv_is_due = it->kv_has && dmg_span_eq( it->kv_key, key );
    if( from && ( from->is_undo ? !entry->old_value.p : entry->is_delete ) ) { it->walked += DELETED_COST; continue; }

    reach( it, key );
    if( out_value ) {
      if( from ) *out_value = from->is_undo ? entry->old_value : entry->value;
      else {
        dmg_stored_t st;
        bool is_stored;
        dmg_err_t err = find_key( v, key, &it->val, &st, &is_stored );
        /* ord and state are written together: a key in one only is a broken disk. */
        if( err ) return err==DMG_ERR_NOT_FOUND ? DMG_ERR_CORRUPT : err;
        *out_value = st.value;
      }
    }
    *out_key = key;
    return DMG_OK;
  }
}

void dmg_iter_close( dmg_iter_t * it ) {
  if( !it ) return;
  dmg_kv_val_release( &it->val );
  dmg_kv_iter_close( it->kv_it );
  it->view->iter_cnt--;
  free( it );
}
