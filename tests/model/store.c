#include "store.h"
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void * room( void * p, size_t sz ) {
  void * q = sz<=STORE_SZ_MAX ? realloc( p, sz ) : NULL;
  if( q ) return q;
  fprintf( stderr, "model: no room for %zu MiB of states\n", sz>>20 );
  exit( 3 );
}

void store_init( store_t * s ) {
  memset( s, 0, sizeof *s );
  s->mask   = ( (uint64_t)1<<16 )-1;
  s->cap    = 1u<<15;
  s->slots  = room( NULL, ( s->mask+1 )*sizeof *s->slots );
  s->order  = room( NULL, s->cap*sizeof *s->order );
  s->parent = room( NULL, s->cap*sizeof *s->parent );
  store_reset( s );
}

void store_fini( store_t * s ) { free( s->slots ); free( s->order ); free( s->parent ); }

void store_reset( store_t * s ) {
  memset( s->slots, 0xff, ( s->mask+1 )*sizeof *s->slots );
  s->cnt = s->ring_at = s->ring_cnt = 0;
}

static void store_double( store_t * s ) {
  DMG_ASSERT( s->cap<(uint32_t)1<<30 );
  s->mask   = 2*s->mask+1;
  s->cap   *= 2;
  free( s->slots );
  s->slots  = room( NULL, ( s->mask+1 )*sizeof *s->slots );
  s->order  = room( s->order, (size_t)s->cap*sizeof *s->order );
  s->parent = room( s->parent, (size_t)s->cap*sizeof *s->parent );
  memset( s->slots, 0xff, ( s->mask+1 )*sizeof *s->slots );
  for( uint32_t i = 0; i<s->cnt; i++ ) {
    uint64_t h = store_hash( s->order[ i ] )&s->mask;
    while( s->slots[ h ]!=STORE_EMPTY ) h = ( h+1 )&s->mask;
    s->slots[ h ] = s->order[ i ];
  }
}

void store_add( store_t * s, uint64_t key, uint32_t parent ) {
  uint64_t h = store_hash( key )&s->mask;
  for( ; s->slots[ h ]!=STORE_EMPTY; h = ( h+1 )&s->mask ) if( s->slots[ h ]==key ) return;
  s->slots[ h ]          = key;
  s->order[ s->cnt ]     = key;
  s->parent[ s->cnt++ ]  = parent;
  if( s->cnt==s->cap ) store_double( s );
}

void store_flush( store_t * s ) {
  uint32_t from = s->ring_cnt==STORE_RING ? s->ring_at : 0;
  for( uint32_t i = 0; i<s->ring_cnt; i++ ) store_add( s, s->ring_key[ ( from+i )%STORE_RING ], s->ring_parent[ ( from+i )%STORE_RING ] );
  s->ring_at = s->ring_cnt = 0;
}

uint32_t store_path( store_t const * s, uint32_t at, uint32_t * out, uint32_t max ) {
  uint32_t cnt = 0;
  for( uint32_t i = at; i!=STORE_NO_PATH; i = s->parent[ i ] ) { DMG_ASSERT( cnt<max ); out[ cnt++ ] = i; }
  for( uint32_t i = 0; i<cnt/2; i++ ) { uint32_t t = out[ i ]; out[ i ] = out[ cnt-1-i ]; out[ cnt-1-i ] = t; }
  return cnt;
}
