/* arena: memory for one block, request or message, freed all at once.

     new --> alloc alloc alloc --> reset --> alloc ... --> free
   Memory comes from the heap in chunks of 64 KiB (larger for larger requests) up to sz_max bytes.

   Memory   pointers live until reset or free
   Threads  one at a time
   Failure  alloc returns NULL past sz_max or when the heap is out; earlier memory stays good */
#ifndef DMG_BASE_ARENA_H
#define DMG_BASE_ARENA_H

#include "base/bytes.h"

typedef struct dmg_arena dmg_arena_t;

/* NULL if the heap is out. */
dmg_arena_t * dmg_arena_new  ( size_t sz_max );
void          dmg_arena_free ( dmg_arena_t * arena );   /* NULL: nothing */
/* Forgets all; keeps up to 1 MiB of chunks for the next use. */
void          dmg_arena_reset( dmg_arena_t * arena );
/* sz bytes aligned to 16, not cleared. */
void *        dmg_arena_alloc( dmg_arena_t * arena, size_t sz );
/* cnt zeroed elements; NULL also when cnt x elem_sz overflows. */
void *        dmg_arena_calloc( dmg_arena_t * arena, size_t cnt, size_t elem_sz );
/* A copy of the bytes; p NULL on failure (also for an empty span p is not NULL on success). */
dmg_span_t    dmg_arena_dup  ( dmg_arena_t * arena, dmg_span_t bytes );
/* Bytes handed out since new or reset, padding included. */
size_t        dmg_arena_used ( dmg_arena_t const * arena );

#define DMG_ARENA_NEW( arena, type, cnt ) ( (type *)dmg_arena_calloc( ( arena ), ( cnt ), sizeof( type ) ) )

#endif
