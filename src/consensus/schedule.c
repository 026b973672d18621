#include "consensus/schedule.h"
#include "base/assert.h"

dmg_hash_t dmg_epoch_seed( dmg_hash_t const * genesis_or_beacon, uint32_t epoch ) {
  uint8_t e[ 4 ];
  dmg_store_u32le( e, epoch );
  return dmg_h2( DMG_TAG_EPOCH_SEED, dmg_hash_span( genesis_or_beacon ), DMG_SPAN( e ) );
}

void dmg_schedule_init( dmg_schedule_t * s, dmg_hash_t const * seed, dmg_set_t const * set ) {
  *s = (dmg_schedule_t){ .seed = *seed, .n = set->cnt, .total = dmg_set_weight( set ) };
  for( uint32_t i = 0; i<set->cnt; i++ ) s->weights[ i ] = set->members[ i ].weight;
}

/* C3.3: the u32s of H("dmg/shuffle/v1", seed | c u32 | block u32), block 0, 1, .. */
typedef struct { dmg_hash_t seed, h; uint32_t cycle, block, used; } stream_t;

static uint32_t next_u32( stream_t * st ) {
  if( st->used==8 ) {
    uint8_t m[ 40 ];
    memcpy( m, st->seed.b, 32 );
    dmg_store_u32le( m+32, st->cycle );
    dmg_store_u32le( m+36, st->block++ );
    st->h    = dmg_h( DMG_TAG_SHUFFLE, DMG_SPAN( m ) );
    st->used = 0;
  }
  return dmg_load_u32le( st->h.b+(size_t)4*st->used++ );
}

void dmg_schedule_cycle( dmg_schedule_t const * s, uint32_t cycle, uint8_t out[ DMG_CYCLE_WINDOWS ] ) {
  uint32_t   cnt[ DMG_SET_MAX ] = { 0 }, left = DMG_CYCLE_WINDOWS;
  dmg_u128_t rest[ DMG_SET_MAX ] = { 0 };
  for( uint32_t i = 0; i<s->n; i++ ) {
    dmg_u128_t p = (dmg_u128_t)DMG_CYCLE_WINDOWS*s->weights[ i ];
    cnt[ i ]  = (uint32_t)( p/s->total );
    rest[ i ] = p%s->total;
    left -= cnt[ i ];
  }
  /* Fewer windows are left than members; the largest remainders get them, ties to the lower index. */
  for( ; left; left-- ) {
    uint32_t best = 0;
    for( uint32_t i = 1; i<s->n; i++ ) if( rest[ i ]>rest[ best ] ) best = i;
    cnt[ best ]++;
    rest[ best ] = 0;
  }
  uint32_t at = 0;
  for( uint32_t i = 0; i<s->n; i++ ) for( uint32_t k = 0; k<cnt[ i ]; k++ ) out[ at++ ] = (uint8_t)i;
  DMG_ASSERT( at==DMG_CYCLE_WINDOWS );
  stream_t st = { .seed = s->seed, .cycle = cycle, .used = 8 };
  for( uint32_t j = DMG_CYCLE_WINDOWS-1; j>=1; j-- ) {
    uint64_t bound = ( (uint64_t)1<<32 )-( (uint64_t)1<<32 )%( j+1 );
    uint32_t x;
    do x = next_u32( &st ); while( x>=bound );
    uint32_t r = x%( j+1 );
    uint8_t  t = out[ j ]; out[ j ] = out[ r ]; out[ r ] = t;
  }
}

uint32_t dmg_schedule_leader( dmg_schedule_t * s, uint64_t window ) {
  uint64_t cycle = window/DMG_CYCLE_WINDOWS;
  unsigned i = cycle&1;
  if( s->cycle[ i ]!=cycle+1 ) {
    dmg_schedule_cycle( s, (uint32_t)cycle, s->leaders[ i ] );   /* cycle as u32: an epoch has far fewer */
    s->cycle[ i ] = cycle+1;
  }
  return s->leaders[ i ][ window%DMG_CYCLE_WINDOWS ];
}
