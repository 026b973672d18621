#include "storage/gaps_int.h"
#include "base/assert.h"

#include <stdlib.h>

/* Ascending, none touches the next.  Bounds lie in mem, those of gaps that grew or went away stay there until the next carry. */
typedef struct { uint32_t lo_at, hi_at; uint8_t lo_sz, hi_sz; } gap_t;
struct dmg_gaps_tab { gap_t gap[ DMG_GAPS_MAX ]; uint8_t mem[ DMG_GAPS_MEM_SZ ]; };

static dmg_span_t lo_of( dmg_gaps_t const * g, uint32_t i ) { return dmg_span( g->tab->mem+g->tab->gap[ i ].lo_at, g->tab->gap[ i ].lo_sz ); }
static dmg_span_t hi_of( dmg_gaps_t const * g, uint32_t i ) { return dmg_span( g->tab->mem+g->tab->gap[ i ].hi_at, g->tab->gap[ i ].hi_sz ); }

static void cnt_set( dmg_gaps_t * g, uint32_t cnt ) { __atomic_store_n( &g->cnt, cnt, __ATOMIC_RELAXED ); }

dmg_gaps_t * dmg_gaps_new( dmg_hash_t const * block, uint64_t height ) {
  dmg_gaps_t * g = calloc( 1, sizeof *g );
  if( !g ) return NULL;
  g->ref    = 1;
  g->block  = *block;
  g->height = g->born = height;
  pthread_mutex_init( &g->lock, NULL );
  return g;
}

void dmg_gaps_release( dmg_gaps_t * g ) {
  if( !g || --g->ref ) return;
  pthread_mutex_destroy( &g->lock );
  free( g->tab );
  free( g );
}

/* How many begin (is_end: end) below key, or at it if is_at. */
static uint32_t below( dmg_gaps_t const * g, dmg_span_t key, bool is_end, bool is_at ) {
  uint32_t a = 0, b = g->cnt;
  while( a<b ) {
    uint32_t m = a+( b-a )/2;
    if( dmg_span_cmp( is_end ? hi_of( g, m ) : lo_of( g, m ), key )<( is_at ? 1 : 0 ) ) a = m+1;
    else                                                                                b = m;
  }
  return a;
}

static bool has_room( dmg_gaps_t const * g ) { return g->cnt<DMG_GAPS_MAX && DMG_GAPS_MEM_SZ-g->mem_sz>=2*( DMG_KV_KEY_MAX+1 ); }

static uint32_t mem_add( dmg_gaps_t * g, dmg_span_t s ) {
  uint32_t at = g->mem_sz;
  if( s.sz ) memcpy( g->tab->mem+at, s.p, s.sz );
  g->mem_sz += (uint32_t)s.sz;
  return at;
}

/* [lo, hi) in the place of the gaps [from, to), which touch it. */
static void replace( dmg_gaps_t * g, uint32_t from, uint32_t to, dmg_span_t lo, dmg_span_t hi ) {
  gap_t n;
  if( from<to && dmg_span_cmp( lo_of( g, from ), lo )<=0 ) { n.lo_at = g->tab->gap[ from ].lo_at; n.lo_sz = g->tab->gap[ from ].lo_sz; }
  else                                                     { n.lo_at = mem_add( g, lo );          n.lo_sz = (uint8_t)lo.sz; }
  if( from<to && dmg_span_cmp( hi_of( g, to-1 ), hi )>=0 ) { n.hi_at = g->tab->gap[ to-1 ].hi_at; n.hi_sz = g->tab->gap[ to-1 ].hi_sz; }
  else                                                     { n.hi_at = mem_add( g, hi );          n.hi_sz = (uint8_t)hi.sz; }
  memmove( g->tab->gap+from+1, g->tab->gap+to, ( g->cnt-to )*sizeof n );
  g->tab->gap[ from ] = n;
  cnt_set( g, g->cnt+1-( to-from ) );
}

void dmg_gaps_add( dmg_gaps_t * g, dmg_span_t lo, dmg_span_t hi ) {
  DMG_ASSERT( lo.sz<=DMG_KV_KEY_MAX+1 && hi.sz<=DMG_KV_KEY_MAX+1 );
  DMG_ASSERT( dmg_span_cmp( lo, hi )<0 );
  pthread_mutex_lock( &g->lock );
  if( !g->tab ) g->tab = malloc( sizeof *g->tab );
  if( g->tab ) {
    if( !has_room( g ) ) { cnt_set( g, 0 ); g->mem_sz = 0; }
    replace( g, below( g, lo, true, false ), below( g, hi, false, true ), lo, hi );
  }
  pthread_mutex_unlock( &g->lock );
}

void dmg_gaps_next( dmg_gaps_t * g, bool is_reverse, dmg_bound_t * lo, dmg_bound_t * hi, dmg_bound_t * out_stop ) {
  *out_stop = is_reverse ? *lo : *hi;
  if( !__atomic_load_n( &g->cnt, __ATOMIC_RELAXED ) ) return;
  dmg_span_t a = dmg_bound_span( lo ), b = dmg_bound_span( hi );
  if( dmg_span_cmp( a, b )>=0 ) return;
  pthread_mutex_lock( &g->lock );
  if( is_reverse ) {
    uint32_t i = below( g, b, false, false );
    if( i && dmg_span_cmp( b, hi_of( g, i-1 ) )<=0 ) {
      i--;
      *hi = dmg_span_cmp( lo_of( g, i ), a )>0 ? dmg_bound_of( lo_of( g, i ) ) : *lo;
    }
    if( i && dmg_span_cmp( hi_of( g, i-1 ), a )>0 ) *out_stop = dmg_bound_of( hi_of( g, i-1 ) );
  } else {
    uint32_t i = below( g, a, true, true );
    if( i<g->cnt && dmg_span_cmp( lo_of( g, i ), a )<=0 ) {
      *lo = dmg_span_cmp( hi_of( g, i ), b )<0 ? dmg_bound_of( hi_of( g, i ) ) : *hi;
      i++;
    }
    if( i<g->cnt && dmg_span_cmp( lo_of( g, i ), b )<0 ) *out_stop = dmg_bound_of( lo_of( g, i ) );
  }
  pthread_mutex_unlock( &g->lock );
}

/* [lo, hi), which begins at or after the last one's beginning.  No room: forgotten. */
static void append( dmg_gaps_t * g, dmg_span_t lo, dmg_span_t hi ) {
  if( dmg_span_cmp( lo, hi )>=0 || !has_room( g ) ) return;
  bool touches = g->cnt && dmg_span_cmp( hi_of( g, g->cnt-1 ), lo )>=0;
  replace( g, g->cnt-touches, g->cnt, lo, hi );
}

static bool is_after( dmg_span_t bound, dmg_span_t key ) { return bound.sz==key.sz+1 && !bound.p[ key.sz ] && !memcmp( bound.p, key.p, key.sz ); }

dmg_gaps_t * dmg_gaps_carry( dmg_gaps_t * parent, dmg_overlay_t const * o ) {
  dmg_gaps_t * g = dmg_gaps_new( &o->block, o->height );
  if( !g || g->height-parent->born>=DMG_GAPS_BLOCKS_MAX ) return g;
  g->born = parent->born;
  pthread_mutex_lock( &parent->lock );
  DMG_ASSERT( !g->cnt );                           /* of tab only what cnt says is read */
  if( parent->cnt ) g->tab = malloc( sizeof *g->tab );
  for( uint32_t i=0, e=0; g->tab && i<parent->cnt; i++ ) {
    dmg_bound_t lo_buf, hi_buf;
    dmg_span_t lo = lo_of( parent, i ), hi = hi_of( parent, i );
    e = dmg_overlay_lower( o, e, lo );
    /* A key at its edge that goes makes it wider: else one that came and went would part it for good. */
    if( e && o->entry[ e-1 ].is_delete && is_after( lo, o->entry[ e-1 ].key ) ) lo = o->entry[ e-1 ].key;
    for( ; e<o->cnt && dmg_span_cmp( o->entry[ e ].key, hi )<0; e++ ) {
      if( o->entry[ e ].is_delete ) continue;
      append( g, lo, o->entry[ e ].key );
      lo_buf = dmg_bound_after( o->entry[ e ].key );
      lo     = dmg_bound_span( &lo_buf );
    }
    if( e<o->cnt && o->entry[ e ].is_delete && dmg_span_eq( o->entry[ e ].key, hi ) ) { hi_buf = dmg_bound_after( hi ); hi = dmg_bound_span( &hi_buf ); }
    append( g, lo, hi );
  }
  pthread_mutex_unlock( &parent->lock );
  return g;
}
