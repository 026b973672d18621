#include "base/arena.h"
#include "base/assert.h"

#include <stdlib.h>

#define CHUNK_SZ      ( (size_t)64<<10 )
#define CHUNK_KEEP_SZ ( (size_t)1<<20 )

typedef struct chunk {
  struct chunk * next;
  size_t         cap, used;
  _Alignas( 16 ) uint8_t mem[];
} chunk_t;

struct dmg_arena {
  chunk_t * full;    /* the newest first; the first one is being filled */
  chunk_t * spare;   /* kept by reset */
  size_t    used, sz_max;
};

dmg_arena_t * dmg_arena_new( size_t sz_max ) {
  dmg_arena_t * arena = calloc( 1, sizeof *arena );
  if( arena ) arena->sz_max = sz_max;
  return arena;
}

static void chunks_free( chunk_t * c ) {
  while( c ) { chunk_t * next = c->next; free( c ); c = next; }
}

void dmg_arena_free( dmg_arena_t * arena ) {
  if( !arena ) return;
  chunks_free( arena->full );
  chunks_free( arena->spare );
  free( arena );
}

void dmg_arena_reset( dmg_arena_t * arena ) {
  size_t kept = 0;
  for( chunk_t * c = arena->spare; c; c = c->next ) kept += c->cap;
  while( arena->full ) {
    chunk_t * c = arena->full;
    arena->full = c->next;
    if( c->cap==CHUNK_SZ && kept+c->cap<=CHUNK_KEEP_SZ ) {
      kept        += c->cap;
      c->used      = 0;
      c->next      = arena->spare;
      arena->spare = c;
    } else free( c );
  }
  arena->used = 0;
}

void * dmg_arena_alloc( dmg_arena_t * arena, size_t sz ) {
  if( sz>arena->sz_max ) return NULL;
  sz = sz ? ( sz+15 )&~(size_t)15 : 16;
  if( arena->used>arena->sz_max || sz>arena->sz_max-arena->used ) return NULL;
  chunk_t * c = arena->full;
  if( !c || sz>c->cap-c->used ) {
    if( sz<=CHUNK_SZ && arena->spare ) {
      c            = arena->spare;
      arena->spare = c->next;
    } else {
      size_t cap = sz>CHUNK_SZ ? sz : CHUNK_SZ;
      c = malloc( sizeof *c+cap );
      if( !c ) return NULL;
      c->cap  = cap;
      c->used = 0;
    }
    /* A chunk for one large piece goes behind the one being filled, so its room is not lost. */
    if( sz>CHUNK_SZ && arena->full ) { c->next = arena->full->next; arena->full->next = c; }
    else                             { c->next = arena->full;       arena->full       = c; }
  }
  void * p     = c->mem+c->used;
  c->used     += sz;
  arena->used += sz;
  return p;
}

void * dmg_arena_calloc( dmg_arena_t * arena, size_t cnt, size_t elem_sz ) {
  size_t sz;
  if( __builtin_mul_overflow( cnt, elem_sz, &sz ) ) return NULL;
  void * p = dmg_arena_alloc( arena, sz );
  if( p ) memset( p, 0, sz );
  return p;
}

dmg_span_t dmg_arena_dup( dmg_arena_t * arena, dmg_span_t bytes ) {
  uint8_t * p = dmg_arena_alloc( arena, bytes.sz );
  if( p && bytes.sz ) memcpy( p, bytes.p, bytes.sz );
  return dmg_span( p, p ? bytes.sz : 0 );
}

size_t dmg_arena_used( dmg_arena_t const * arena ) { return arena->used; }
