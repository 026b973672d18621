/* test_rnd: the random numbers of a test, which runs again from the seed it prints.

     seed( 7 )    always these numbers          DMG_TEST_SEED=N in the environment stands for any seed
     seed_any()   new ones at every run */
#ifndef DMG_BASE_TEST_RND_H
#define DMG_BASE_TEST_RND_H

#include "base/num.h"
#include "base/os.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t rnd_state;

static inline uint64_t seed( uint64_t s ) {
  char const * given = getenv( "DMG_TEST_SEED" );
  rnd_state = given ? strtoull( given, NULL, 0 ) : s;
  printf( "DMG_TEST_SEED=%llu\n", (unsigned long long)rnd_state );
  return rnd_state;
}
static inline uint64_t seed_any( void ) { return seed( dmg_os_wall_ms()*1000+1 ); }

static inline uint64_t rnd( void ) { return dmg_rnd_u64( &rnd_state ); }
static inline uint32_t rnd_below( uint32_t n ) { return (uint32_t)( rnd()%n ); }

#endif
