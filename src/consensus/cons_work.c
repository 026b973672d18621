/* Runs on their way in: verified slice by slice (C11.2), and lists that do not fit into a proposal, got leaf by leaf (C2.4, N9.1).

     bundle     --.
     proposal   ---> work: each run by its pairings, as many as a step has room for --> take_run, has_just, is_cover_bad
     GOT_RUNS   --'        what is left waits for the next turn, one frame a peer
        ^ FETCH{ hash, first leaf } <-- a header of cur whose runs are a prefix */
#include "consensus/cons_int.h"

/* A run of k views: k+1 Miller loops and what every pairing ends with. */
static uint32_t cost_of( dmg_run_t const * run ) { return run->cnt+3; }

/* --- one piece ------------------------------------------------------------------------------------------- */

typedef enum { PIECE_LEFT, PIECE_GOOD, PIECE_BAD } piece_t;   /* LEFT: not all of it has been looked at */

static uint64_t * seen_of( cons_t * c, dmg_hash_t const * leaf ) { return &c->seen[ dmg_load_u16le( leaf->b+8 )%SEEN_CNT ]; }

bool run_was_seen( cons_t const * c, dmg_hash_t const * leaf ) { return c->seen[ dmg_load_u16le( leaf->b+8 )%SEEN_CNT ]==dmg_load_u64le( leaf->b ); }

static piece_t piece_run( cons_t * c, work_t * w ) {
  dmg_run_t  run;
  dmg_span_t raw;
  for( dmg_runs_t at = w->left; dmg_runs_next( &at, &run, &raw ); w->left = at ) {
    if( run.epoch!=c->rec.epoch ) return PIECE_BAD;
    /* C4.3: those of a header verify as committed, whatever else is held for their views. */
    if( w->kind==WORK_BUNDLE && !run_is_useful( c, &run ) && !run_has_own_above( c, &run ) ) continue;
    dmg_hash_t leaf = dmg_run_leaf( raw );
    uint64_t   tag  = dmg_load_u64le( leaf.b );
    if( *seen_of( c, &leaf )!=tag ) {
      if( c->units<cost_of( &run ) ) return PIECE_LEFT;
      c->units -= cost_of( &run );
      if( !dmg_run_verify( &c->keys, &run ) ) return PIECE_BAD;
      *seen_of( c, &leaf ) = tag;
    }
    take_run( c, &run, false );
  }
  return PIECE_GOOD;
}

/* --- lists by leaves --------------------------------------------------------------------------------------- */

static just_t * just_find( cons_t * c, dmg_hash_t const * hash ) {
  for( unsigned i = 0; i<JUST_CNT; i++ ) if( c->justs[ i ].view && dmg_hash_eq( &c->justs[ i ].hash, hash ) ) return &c->justs[ i ];
  return NULL;
}

static void just_clear( cons_t * c, just_t * j ) {
  for( unsigned i = 0; i<WORK_CNT; i++ ) if( c->works[ i ].kind==WORK_LEAVES && dmg_hash_eq( &c->works[ i ].hash, &j->hash ) ) c->works[ i ].kind = WORK_FREE;   /* it reads our bytes */
  j->leaf_cnt = j->got = j->tail = 0;
  j->sz = 0;
  j->is_whole = false;
  j->cover = dmg_cover( j->parent_view, j->view );
}

static just_t * just_new( cons_t * c, dmg_header_t const * h, dmg_hash_t const * hash ) {
  just_t * j = &c->justs[ 0 ];
  for( unsigned i = 1; i<JUST_CNT; i++ ) if( c->justs[ i ].view<j->view ) j = &c->justs[ i ];
  if( j->view>h->view ) return NULL;
  just_clear( c, j );
  j->view = h->view; j->parent_view = h->parent_view; j->hash = *hash; j->root = h->just_root;
  j->asked_us = 0;
  just_clear( c, j );
  return j;
}

/* Runs behind the last leaf; false: no room. */
static bool just_append( cons_t * c, just_t * j, dmg_run_t const * run, dmg_span_t raw ) {
  uint32_t at = j->got+j->tail;
  if( at==c->runs_max || !dmg_cover_add( &j->cover, run->first, dmg_run_last( run ) ) ) return false;
  memcpy( j->bytes+j->sz, raw.p, raw.sz );
  j->offs[ at ]   = (uint32_t)j->sz;
  j->levels[ at ] = dmg_run_leaf( raw );
  j->sz += raw.sz;
  j->tail++;
  return true;
}

/* All leaves are here: is it the list that was committed?  The levels above them then answer for paths. */
static bool just_close( just_t * j, dmg_hash_t const * root ) {
  dmg_hash_t * at = j->levels;
  for( uint32_t n = j->got; n>1; n = ( n+1 )/2 ) {
    dmg_hash_t * up = at+n;
    for( size_t i = 0; i<( n+1 )/2; i++ ) up[ i ] = 2*i+1<n ? dmg_h_node( DMG_TAG_JUST_NODE, &at[ 2*i ], &at[ 2*i+1 ] ) : at[ 2*i ];
    at = up;
  }
  j->is_whole = j->got && dmg_hash_eq( at, root ) && dmg_cover_end( &j->cover );
  return j->is_whole;
}

void just_own( cons_t * c, dmg_header_t const * h, dmg_hash_t const * hash ) {
  just_t * j = just_new( c, h, hash );
  if( !j ) return;
  for( uint64_t v = h->parent_view+1; v<h->view; ) {
    held_run_t * hr = run_at( c, v );
    uint8_t b[ DMG_RUN_SZ_MAX ];
    if( !hr || !just_append( c, j, &hr->run, dmg_span( b, dmg_run_encode( &hr->run, b ) ) ) ) break;
    v = dmg_run_last( &hr->run )+1;
  }
  j->got = j->tail; j->tail = 0;
  j->leaf_cnt = j->got;
  if( !just_close( j, &h->just_root ) ) j->view = 0;
}

/* C2.4: the rest of a prefix, by leaves; of the leader first, then of anybody. */
void just_want( cons_t * c, blk_t const * b ) {
  dmg_header_t const * h = &b->sh.header;
  just_t * j = just_find( c, &b->hash );
  if( !j ) {
    prop_t * p = prop_find( c, h->view, &b->hash );
    dmg_proposal_t d;
    if( !p || dmg_proposal_decode( dmg_span( p->bytes, p->sz ), &d ).kind || !( j = just_new( c, h, &b->hash ) ) ) return;
    dmg_run_t  run;
    dmg_span_t raw;
    for( dmg_runs_t at = d.runs; b->prefix==PREFIX_GOOD && dmg_runs_next( &at, &run, &raw ); ) if( !just_append( c, j, &run, raw ) ) { just_clear( c, j ); break; }
    j->got = j->tail; j->tail = 0;
  }
  if( j->is_whole || j->tail || ( j->asked_us && c->now_us<j->asked_us+RESEND_US ) ) return;
  dmg_peers_t peers = { 0 };
  int leader = c->peer_of[ h->leader ];
  if( !j->asked_us && leader>=0 && c->peers[ leader ].is_up ) peers.w[ leader/64 ] |= (uint64_t)1<<( leader%64 );
  else                                                        peers = peers_up( c );
  dmg_cons_action_t * a = action( c, DMG_CONS_FETCH );
  if( !a ) return;
  j->asked_us    = c->now_us;
  a->fetch.what  = DMG_CONS_FETCH_RUNS;
  a->fetch.view  = h->view;
  a->fetch.hash  = b->hash;
  a->fetch.root  = h->just_root;
  a->fetch.first = j->got;
  a->fetch.count = DMG_LEAVES_MAX;
  a->fetch.peers = peers;
}

void on_got_runs( cons_t * c, dmg_cons_event_t const * ev ) {
  just_t * j = just_find( c, &ev->got_runs.hash );
  dmg_leaves_t list;
  if( !j || j->is_whole || j->tail || ev->got_runs.first!=j->got ) return;
  if( dmg_leaves_decode( ev->got_runs.bytes, &list ).kind || !dmg_leaves_verify( &list, j->got, &j->root ) || list.leaf_cnt>c->runs_max || ( j->leaf_cnt && list.leaf_cnt!=j->leaf_cnt ) ) { c->drops++; return; }
  dmg_run_t  run;
  dmg_span_t raw;
  j->leaf_cnt = list.leaf_cnt;
  for( dmg_leaves_t at = list; dmg_leaves_next( &at, &run, &raw, NULL ); ) {
    /* Not one canonical list: the leaves' number was a lie, or the leader committed a false cover; the view passes by its time-out. */
    if( !just_append( c, j, &run, raw ) ) { just_clear( c, j ); return; }
  }
  work_t w = { .kind = WORK_LEAVES, .view = j->view, .hash = j->hash, .left = { .bytes = dmg_span( j->bytes+j->offs[ j->got ], j->sz-j->offs[ j->got ] ), .cnt = j->tail } };
  work_add( c, &w );
}

static void leaves_done( cons_t * c, work_t const * w, bool is_good ) {
  just_t * j = just_find( c, &w->hash );
  blk_t  * b = blk_find( c, w->view, &w->hash );
  if( !j ) return;
  j->got += j->tail;
  j->tail = 0;
  if( !is_good ) { just_clear( c, j ); if( b ) { b->is_cover_bad = true; b->stat = STAT_BAD; } return; }   /* a path leads to it: it is committed, and false */
  if( j->got<j->leaf_cnt )              j->asked_us = 0;
  else if( !just_close( j, &j->root ) ) just_clear( c, j );
  else if( b )                          b->has_just = true;
}

/* --- the queue --------------------------------------------------------------------------------------------- */

static void work_done( cons_t * c, work_t const * w, bool is_good ) {
  if( w->kind==WORK_BUNDLE ) { if( !is_good ) peer_lied( c, w->peer ); return; }
  if( w->kind==WORK_LEAVES ) { leaves_done( c, w, is_good ); return; }
  blk_t * b = blk_find( c, w->view, &w->hash );
  if( !b ) return;
  b->is_working = false;
  if( !w->is_committed )  b->prefix = is_good ? PREFIX_GOOD : PREFIX_FALSE;   /* the rest comes by leaves, or never, and t_notar decides */
  else if( is_good )      b->has_just = true;
  else                    { b->is_cover_bad = true; b->stat = STAT_BAD; }
}

static bool work_eq( work_t const * a, work_t const * b ) { return a->kind==b->kind && ( a->kind==WORK_BUNDLE ? a->peer==b->peer : dmg_hash_eq( &a->hash, &b->hash ) ); }

static void work_drop( cons_t * c, work_t * w ) {
  just_t * j = w->kind==WORK_LEAVES ? just_find( c, &w->hash ) : NULL;
  blk_t  * b = w->kind==WORK_PROPOSAL ? blk_find( c, w->view, &w->hash ) : NULL;
  c->drops++;
  w->kind = WORK_FREE;
  if( j ) just_clear( c, j );          /* asked for again */
  if( b ) b->is_working = false;       /* looked at again when its view is at hand */
}

/* A header nearer to cur takes the place of one whose view was left, or of the farthest: whoever leads far views shall not keep us from this one. */
static work_t * work_place( cons_t * c, work_t const * w ) {
  work_t * at = NULL, * out = NULL;
  uint32_t bundles = 0;
  for( unsigned i = 0; i<WORK_CNT; i++ ) {
    work_t * x = &c->works[ i ];
    if( !x->kind ) { if( !at ) at = x; continue; }
    if( x->kind==WORK_BUNDLE ) { bundles++; continue; }
    if( !out || ( x->view<c->cur ? out->view>=c->cur || x->view<out->view : out->view>=c->cur && x->view>out->view ) ) out = x;
  }
  if( w->kind==WORK_BUNDLE ) return bundles<WORK_CNT/2 ? at : NULL;
  if( at || !out || ( out->view>=c->cur && out->view<=w->view ) ) return at;
  work_drop( c, out );
  return out;
}

/* Does what this step has room for; the rest waits, one frame of bundles a peer, C4.4's senders begin no other meanwhile. */
void work_add( cons_t * c, work_t * w ) {
  for( unsigned i = 0; i<WORK_CNT; i++ ) if( c->works[ i ].kind && work_eq( &c->works[ i ], w ) ) { c->drops++; return; }
  piece_t p = piece_run( c, w );
  if( p!=PIECE_LEFT ) { work_done( c, w, p==PIECE_GOOD ); return; }
  work_t * at = work_place( c, w );
  if( !at ) { work_drop( c, w ); return; }
  uint8_t * bytes = at->bytes;
  *at = *w;
  at->bytes = bytes;
  at->order = c->work_order++;
  if( w->kind==WORK_LEAVES ) return;
  DMG_ASSERT( w->left.bytes.sz<=DMG_RUNS_SZ_MAX );
  memcpy( bytes, w->left.bytes.p, w->left.bytes.sz );
  at->left.bytes.p = bytes;
  if( w->kind==WORK_PROPOSAL ) { blk_t * b = blk_find( c, w->view, &w->hash ); if( b ) b->is_working = true; }
}

bool work_waits( cons_t const * c ) {
  for( unsigned i = 0; i<WORK_CNT; i++ ) if( c->works[ i ].kind ) return true;
  return false;
}

/* A slice, between two looks at the links: what the view at hand waits for, then bundles in the order they came. */
void work_tick( cons_t * c ) {
  work_t * best = NULL;
  for( unsigned i = 0; i<WORK_CNT; i++ ) {
    work_t * w = &c->works[ i ];
    if( w->kind && w->kind!=WORK_BUNDLE && w->view<c->cur && !blk_find( c, w->view, &w->hash ) ) w->kind = WORK_FREE;
    if( !w->kind ) continue;
    bool is_first = w->kind!=WORK_BUNDLE && w->view==c->cur, is_best_first = best && best->kind!=WORK_BUNDLE && best->view==c->cur;
    if( !best || ( is_first && !is_best_first ) || ( is_first==is_best_first && w->order<best->order ) ) best = w;
  }
  if( !best ) return;
  uint32_t epoch = c->rec.epoch;
  piece_t p = piece_run( c, best );
  work_t w = *best;
  if( p==PIECE_LEFT ) best->order = c->work_order++;   /* the others' turn */
  else                { best->kind = WORK_FREE; work_done( c, &w, p==PIECE_GOOD ); }
  advance( c );
  if( c->rec.epoch==epoch && p!=PIECE_LEFT && w.kind!=WORK_BUNDLE ) judge_view( c, w.view );
}

/* --- for those who ask ------------------------------------------------------------------------------------- */

dmg_span_t dmg_cons_proposal( dmg_cons_t * c, dmg_hash_t const * block ) {
  for( unsigned k = 0; k<PROP_CNT; k++ ) {
    prop_t * p = &c->props[ k ];
    if( p->sz && dmg_hash_eq( &p->hash, block ) && !dmg_is_zero( p->bytes+DMG_HEADER_SZ, DMG_BLS_SIG_SZ ) ) return dmg_span( p->bytes, p->sz );
  }
  return dmg_span( NULL, 0 );
}

size_t dmg_cons_runs( dmg_cons_t * c, dmg_hash_t const * block, uint32_t first, uint32_t count, uint8_t out[ DMG_LEAVES_SZ_MAX ] ) {
  just_t * j = just_find( c, block );
  if( !j || !j->is_whole || first>=j->got ) return 0;
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_LEAVES_SZ_MAX );
  uint32_t cnt = (uint32_t)dmg_min_u64( dmg_min_u64( count, DMG_LEAVES_MAX ), j->got-first ), fits = 0;
  size_t sz = DMG_LEAVES_HEAD_SZ;
  uint32_t depth = 0;
  for( uint32_t n = j->got; n>1; n = ( n+1 )/2 ) depth++;
  for( ; fits<cnt; fits++ ) {
    uint32_t i = first+fits;
    size_t more = ( i+1<j->got ? j->offs[ i+1 ] : j->sz )-j->offs[ i ]+1+33*(size_t)depth;
    if( sz+more>DMG_LEAVES_SZ_MAX ) break;
    sz += more;
  }
  dmg_leaves_head( j->got, fits, &wr );
  for( uint32_t i = first; i<first+fits; i++ ) {
    dmg_merkle_path_t path = { .cnt = 0 };
    dmg_hash_t const * at = j->levels;
    uint32_t k = i;
    for( uint32_t n = j->got; n>1; k /= 2, at += n, n = ( n+1 )/2 ) {
      if( k==n-1 && n%2 ) continue;   /* rises unchanged */
      path.steps[ path.cnt ].is_left = k%2;
      path.steps[ path.cnt++ ].sibling = at[ k^1 ];
    }
    dmg_bcs_wr_fixed( &wr, j->bytes+j->offs[ i ], ( i+1<j->got ? j->offs[ i+1 ] : j->sz )-j->offs[ i ] );
    dmg_merkle_path_write( &wr, &path );
  }
  DMG_ASSERT( !wr.is_full );
  return (size_t)( wr.p-out );
}
