/* store: the states that a search has seen, in the order it met them.

     push( key, parent ) --> ring of 64, its slot on the way to the cache --> set by open addressing --> order[], parent[]

   A state is 63 bits or fewer, its own hash key; the ring only hides the memory's latency, the order is that of the pushes, so the search stays breadth first and a
   path by parents is a shortest one.
   Memory    28 bytes a state at worst half full; above STORE_SZ_MAX the program ends (a search that outgrows it is configured wrong)
   Not here  what a state means: safety.c, heal.c */
#ifndef DMG_MODEL_STORE_H
#define DMG_MODEL_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_SZ_MAX   ( (size_t)5<<30 )
#define STORE_RING     64
#define STORE_EMPTY    UINT64_MAX
#define STORE_NO_PATH  UINT32_MAX

typedef struct {
  uint64_t * slots;
  uint64_t   mask;
  uint64_t * order;
  uint32_t * parent;
  uint32_t   cnt, cap;
  uint64_t   ring_key[ STORE_RING ];
  uint32_t   ring_parent[ STORE_RING ], ring_at, ring_cnt;
} store_t;

void     store_init ( store_t * s );
void     store_fini ( store_t * s );
void     store_reset( store_t * s );   /* empty, memory kept */
void     store_add  ( store_t * s, uint64_t key, uint32_t parent );
void     store_flush( store_t * s );
uint32_t store_path ( store_t const * s, uint32_t at, uint32_t * out, uint32_t max );   /* indexes from the first state to `at`; how many */

static inline uint64_t store_hash( uint64_t k ) { k *= 0x9e3779b97f4a7c15u; k ^= k>>32; k *= 0xd6e8feb86659fd93u; return k^k>>29; }

static inline void store_push( store_t * s, uint64_t key, uint32_t parent ) {
  uint32_t i = s->ring_at;
  if( s->ring_cnt==STORE_RING ) store_add( s, s->ring_key[ i ], s->ring_parent[ i ] ); else s->ring_cnt++;
  __builtin_prefetch( &s->slots[ store_hash( key )&s->mask ] );
  s->ring_key[ i ]    = key;
  s->ring_parent[ i ] = parent;
  s->ring_at = ( i+1 )%STORE_RING;
}

#endif
