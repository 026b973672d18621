#include "sim.h"

#include <stdarg.h>

/* splitmix64: streams from one seed never meet in a run's length. */
uint64_t rng_next( rng_t * r ) {
  uint64_t z = ( r->s += 0x9e3779b97f4a7c15u );
  z = ( z^( z>>30 ) )*0xbf58476d1ce4e5b9u;
  z = ( z^( z>>27 ) )*0x94d049bb133111ebu;
  return z^( z>>31 );
}

static bool is_before( ev_t const * a, ev_t const * b ) { return a->at!=b->at ? a->at<b->at : a->seq<b->seq; }

void push( world_t * w, ev_t ev ) {
  if( w->heap_cnt==w->heap_cap ) {
    w->heap_cap = w->heap_cap ? 2*w->heap_cap : 1024;
    w->heap = realloc( w->heap, w->heap_cap*sizeof *w->heap );
    DMG_ASSERT( w->heap );
  }
  DMG_ASSERT( ev.at>=w->now );
  ev.seq = ++w->seq;
  uint32_t i = w->heap_cnt++;
  for( ; i && is_before( &ev, &w->heap[ ( i-1 )/2 ] ); i = ( i-1 )/2 ) w->heap[ i ] = w->heap[ ( i-1 )/2 ];
  w->heap[ i ] = ev;
}

bool pop( world_t * w, ev_t * out ) {
  if( !w->heap_cnt ) return false;
  *out = w->heap[ 0 ];
  ev_t last = w->heap[ --w->heap_cnt ];
  uint32_t i = 0;
  for( ;; ) {
    uint32_t k = 2*i+1;
    if( k>=w->heap_cnt ) break;
    if( k+1<w->heap_cnt && is_before( &w->heap[ k+1 ], &w->heap[ k ] ) ) k++;
    if( !is_before( &w->heap[ k ], &last ) ) break;
    w->heap[ i ] = w->heap[ k ];
    i = k;
  }
  w->heap[ i ] = last;
  return true;
}

void fail( world_t * w, char const * fmt, ... ) {
  if( w->why[ 0 ] ) return;
  va_list ap;
  va_start( ap, fmt );
  vsnprintf( w->why, sizeof w->why, fmt, ap );
  va_end( ap );
  if( w->trace ) fprintf( w->trace, "%12.6f  VIOLATION  %s\n", (double)w->now/1e6, w->why );
}

void trace( world_t * w, char const * fmt, ... ) {
  if( !w->trace ) return;
  va_list ap;
  fprintf( w->trace, "%12.6f  ", (double)w->now/1e6 );
  va_start( ap, fmt );
  vfprintf( w->trace, fmt, ap );
  va_end( ap );
  fputc( '\n', w->trace );
}
