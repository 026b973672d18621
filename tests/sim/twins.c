/* Twins (C13, arXiv 2004.10617): validators that run twice under one key, scripted partitions, then synchrony.

     view 1: leader 2, 0 1 3 | 2 4     a frame goes by the partition of the view that its sender is in, and only within its side
     view 2: leader 3, 0 3 | 1 2 4     nodes n-t..n-1 are validators with a twin, nodes n..n+t-1 the twins: one key, a state each, both propose and vote
     view 3: leader 0, all
     heal                              synchrony; the twins die (exactly q alive), or go on

   A sender that its view holds longer than its time-outs takes the next partition: no script can hang.  Frames across a cut are lost, links stay up.

   Enumerated n = 4, one twin, 1-3 views, windows of one view: 16 partitions into at most two sides x 4 leaders a view, twice for the two heals.
     Pruned   by the renaming of the honest validators 0, 1, 2.  Sound, as weights, work and delays are equal and no rule reads an index but the schedule, which the
              script gives, and bitmaps, whose order means nothing.  Microseconds keep frames apart that would arrive at one instant; `--images` runs all six names of a
              scenario, these microseconds renamed along, and fails unless the nodes of all six sign the same.  The twin and its original are not exchanged: a core
              sends what is meant for the leader alone to one link a key.
     Scenario N is the N-th smallest code; its leaders come from the first chain id whose schedule begins with them, so the core is the production one.
   Sampled n = 4 or 7, up to two twins, 1-8 views, windows of 1-4, two or three sides, uneven delays and weights, a script around a boundary, all honest nodes
   killed when heal begins: all from the seed. */
#include "sim.h"
#include "base/cpu.h"
#include "base/os.h"

#include <malloc.h>

#define VIEWS_MAX  8
#define ENUM_MAX   3
#define BEGIN_US   200000   /* all have met by then, and nobody proposes before T */
#define SLACK_US   100000   /* t_notar is over: NULLIFY is under way, the next resend meets the next partition */
#define TALK_US    6000000  /* what a fork leaves the honest to tell each other: links, standstill */
#define CODES      64       /* a view: 16 partitions x 4 leaders */
#define PERMS      6

typedef struct {
  uint64_t id, seed;                       /* seed: chain id, and so the leaders, and streams */
  uint8_t  n, twins, views, window;
  uint8_t  part[ VIEWS_MAX ][ NODE_MAX ];
  bool     is_liar_kept, is_uneven, is_restarted;   /* restarted: all honest nodes crash when heal begins */
  uint32_t epoch_len;
  uint64_t first;                          /* the first scripted view */
  uint8_t  mutant;
  uint8_t  role[ NODE_MAX ];               /* what a node is called in the history */
  FILE *   votes;                          /* votes.c */
  bool     is_fork, is_bare;               /* the twins weigh more than W/3; config_t's */
} scen_t;

typedef struct { uint64_t cur, since; uint32_t holds; } at_t;
struct twins { scen_t const * s; at_t at[ NODE_MAX ]; bool has_begun; uint64_t history; };

static uint64_t mix64( uint64_t z ) { rng_t r = { z }; return rng_next( &r ); }

/* --- the script --------------------------------------------------------------------------------------------- */

static uint64_t round_of( world_t * w, node_t const * n ) {
  at_t * a = &w->twins->at[ n->id ];
  dmg_cons_info_t info;
  dmg_cons_info( n->core, &info );
  if( info.epoch ) return VIEWS_MAX;
  uint64_t hold = raised( 650000, info.lag>2 ? info.lag-2 : 0, 30000000 )+SLACK_US;
  uint64_t was = a->cur+a->holds;
  if( info.cur!=a->cur ) { a->cur = info.cur; a->since = w->now; }
  else if( w->now>a->since+hold ) { a->holds++; a->since = w->now; }
  uint64_t r = a->cur<w->twins->s->first ? 0 : a->cur-w->twins->s->first+a->holds;
  if( was!=a->cur+a->holds && r<w->twins->s->views ) trace( w, "node %u is in view %lu, partition %lu, side %u", n->id, info.cur, r+1, w->twins->s->part[ r ][ n->id ] );
  return r;
}

bool twins_reach( world_t * w, node_t const * from, node_t const * to ) {
  struct twins const * t = w->twins;
  if( !t->has_begun || w->is_healing ) return true;
  uint64_t r = round_of( w, from );
  return r>=t->s->views || t->s->part[ r ][ from->id ]==t->s->part[ r ][ to->id ];
}

/* A sum: the order of events at one instant does not show. */
void twins_signed( world_t * w, node_t const * n, uint8_t kind, uint64_t view ) {
  if( !w->is_healing && view<w->twins->s->first+w->twins->s->views ) w->twins->history += mix64( ( (uint64_t)w->twins->s->role[ n->id ]<<56 )^( (uint64_t)kind<<48 )^view );
}

static bool is_begun( world_t const * w ) {
  bool is_there = false;
  for( uint8_t i = 0; i<w->node_cnt; i++ ) {
    if( !w->nodes[ i ].is_up ) return false;
    dmg_cons_info_t info;
    dmg_cons_info( w->nodes[ i ].core, &info );
    if( info.is_waiting ) return false;   /* C6.5: the cut must not decide how long a start waits; a hello that overtook its link comes again */
    is_there |= info.cur>=w->twins->s->first;
    is_there |= info.epoch>0;
  }
  return is_there;
}

static bool is_over( world_t * w ) {
  bool is = true;
  for( uint8_t i = 0; i<w->node_cnt; i++ ) is &= round_of( w, &w->nodes[ i ] )>=w->twins->s->views;
  return is;
}

/* True: no invariant broke, and all honest finalized again. */
static bool run( world_t * w, struct twins * t, scen_t const * s, FILE * trace_to ) {
  config_t c = { .n = s->n, .byz = (int8_t)( s->n-s->twins ), .twin_cnt = s->twins, .window = s->window, .is_liar_kept = s->is_liar_kept, .is_even = !s->is_uneven, .has_rests = s->n>4,
                 .epoch_len = s->epoch_len, .runs_max = 64, .mutant = s->mutant, .is_fork = s->is_fork, .is_bare = s->is_bare };
  rng_t r = { mix64( s->seed ) };
  for( uint8_t i = 0; i<c.n; i++ ) c.weights[ i ] = s->is_uneven && s->twins==1 && rng_is( &r, 500000 ) ? rng_in( &r, 85, 115 ) : 100;
  world_setup( w, s->seed, &c );
  memset( t, 0, sizeof *t );
  t->s = s;
  w->twins = t;
  w->trace = trace_to;
  w->votes = s->votes;
  votes_begin( w );
  for( uint8_t i = 0; i<w->node_cnt; i++ ) for( uint8_t j = 0; j<w->node_cnt; j++ ) {
    uint64_t base = s->is_uneven ? rng_in( &r, 500, 60000 ) : 20000+16u*s->role[ i ]+s->role[ j ];   /* nothing arrives at one instant: no index decides */
    w->links[ i ][ j ] = (link_t){ .base_us = base, .jitter_us = s->is_uneven ? base/4 : 0 };
  }
  for( uint8_t i = 0; i<w->node_cnt; i++ ) push( w, (ev_t){ .kind = EV_UP, .to = i } );
  ev_t ev;
  bool is_live = false;
  while( !w->why[ 0 ] && !is_live && pop( w, &ev ) ) {
    w->now = ev.at;
    w->events++;
    node_event( w, &w->nodes[ ev.to ], &ev );
    free( ev.data );
    if( !t->has_begun )         t->has_begun = w->now>=BEGIN_US && is_begun( w );
    else if( !w->is_healing ) {
      if( !is_over( w ) ) continue;
      for( uint8_t i = 0; i<w->node_cnt; i++ ) if( s->is_restarted && !w->nodes[ i ].is_byz ) node_kill( w, &w->nodes[ i ] );
      world_heal( w );
    }
    else if( s->is_fork ) { if( w->now>w->heal_at+TALK_US ) { fork_judge( w ); is_live = true; } }
    else if( world_is_live( w ) ) { is_live = true; w->stats[ ST_HEAL_US ] = w->now-w->heal_at; trace( w, "LIVE after %lu ms", ( w->now-w->heal_at )/1000 ); }
    else if( w->now>w->heal_at+20000000 && w->now>w->heal_at+20000000+world_heal_allowance( w ) ) fail( w, "I12: no new final block %lu ms after heal", ( w->now-w->heal_at )/1000 );
  }
  if( !is_live && !w->why[ 0 ] ) fail( w, "the world stands still" );
  world_digest( w );
  return !w->why[ 0 ];
}

/* --- enumeration -------------------------------------------------------------------------------------------- */

/* A view's code: leader in bits 4-5, in bits 0-3 who of nodes 1..4 is not on node 0's side. */
static uint8_t side_of( uint8_t code, uint8_t node ) { return node ? code>>( node-1 )&1 : 0; }

static uint8_t const perms[ PERMS ][ 3 ] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
static uint8_t perm( uint8_t p, uint8_t node ) { return node<3 ? perms[ p ][ node ] : node; }

static uint8_t renamed( uint8_t p, uint8_t code ) {
  uint8_t side[ 5 ], out = (uint8_t)( perm( p, code>>4 )<<4 );
  for( uint8_t i = 0; i<5; i++ ) side[ perm( p, i ) ] = side_of( code, i );
  for( uint8_t i = 1; i<5; i++ ) out |= (uint8_t)( ( side[ i ]^side[ 0 ] )<<( i-1 ) );
  return out;
}

/* The codes that no renaming makes smaller; their number is held against Burnside's. */
static uint32_t enumerate( uint8_t views, uint32_t ** out ) {
  uint8_t  map[ PERMS ][ CODES ];
  uint32_t total = 1, cnt = 0, orbits = 0;
  for( uint8_t v = 0; v<views; v++ ) total *= CODES;
  for( uint8_t p = 0; p<PERMS; p++ ) {
    uint32_t fixed = 0, power = 1;
    for( uint8_t c = 0; c<CODES; c++ ) { map[ p ][ c ] = renamed( p, c ); fixed += map[ p ][ c ]==c; }
    for( uint8_t v = 0; v<views; v++ ) power *= fixed;
    orbits += power;
  }
  uint32_t * codes = grow( NULL, total*sizeof *codes );
  for( uint32_t x = 0; x<total; x++ ) {
    bool is_least = true;
    for( uint8_t p = 1; p<PERMS && is_least; p++ ) {
      uint32_t y = 0;
      for( uint8_t v = 0; v<views; v++ ) y |= (uint32_t)map[ p ][ x>>( 6*v )&63 ]<<( 6*v );
      is_least = x<=y;
    }
    if( is_least ) codes[ cnt++ ] = x;
  }
  DMG_ASSERT( cnt*PERMS==orbits );
  *out = codes;
  return cnt;
}

/* The first chain ids whose schedules begin with each row of leaders, once more from the front behind the script: who runs ahead of it finds a renamed leader, too. */
static uint64_t chain_for( uint32_t code, uint8_t views ) {
  static uint64_t found[ 1u<<( 2*ENUM_MAX+2 ) ], tried;
  uint32_t want = 0;
  for( uint8_t v = 0; v<=ENUM_MAX; v++ ) want |= ( code>>( 6*( v%views )+4 )&3 )<<( 2*v );
  while( !found[ want ] ) {
    config_t c = { .n = 4, .byz = 3, .twin_cnt = 1, .window = 1, .epoch_len = 1u<<30, .weights = { 100, 100, 100, 100 } };
    dmg_schedule_t sch;
    uint8_t cycle[ DMG_CYCLE_WINDOWS ];
    world_t * w = grow( NULL, sizeof *w );
    world_setup( w, ++tried, &c );
    dmg_schedule_init( &sch, &w->epochs[ 0 ].record.seed, &w->epochs[ 0 ].set );
    dmg_schedule_cycle( &sch, 0, cycle );
    world_teardown( w );
    free( w );
    uint32_t got = 0;
    for( uint8_t v = 0; v<=ENUM_MAX; v++ ) got |= (uint32_t)cycle[ v ]<<( 2*v );
    if( !found[ got ] ) found[ got ] = tried;
  }
  return found[ want ];
}

static scen_t from_code( uint32_t code, uint8_t views, bool is_liar_kept ) {
  scen_t s = { .seed = chain_for( code, views ), .n = 4, .twins = 1, .views = views, .window = 1, .is_liar_kept = is_liar_kept, .epoch_len = 1u<<30, .first = 1 };
  for( uint8_t v = 0; v<views; v++ ) for( uint8_t i = 0; i<5; i++ ) s.part[ v ][ i ] = side_of( (uint8_t)( code>>( 6*v )&63 ), i );
  for( uint8_t i = 0; i<NODE_MAX; i++ ) s.role[ i ] = i;
  return s;
}

/* --- samples ------------------------------------------------------------------------------------------------ */

static scen_t from_seed( uint64_t seed ) {
  rng_t r = { seed^0x7477696e73u };
  scen_t s = { .id = seed, .seed = seed, .n = rng_is( &r, 600000 ) ? 4 : 7, .twins = 1, .views = (uint8_t)rng_in( &r, 1, VIEWS_MAX ), .window = 1 };
  if( s.n==7 && rng_is( &r, 600000 ) ) s.twins = 2;
  if( rng_is( &r, 500000 ) ) s.window = (uint8_t)rng_in( &r, 2, 4 );
  s.is_uneven    = rng_is( &r, 500000 );
  s.is_liar_kept = rng_is( &r, 500000 );
  s.is_restarted = rng_is( &r, 250000 );
  s.epoch_len    = 1u<<30;
  s.first        = 1;
  /* Around a boundary: the record of the next epoch is known by then (C7.1). */
  if( s.twins==1 && rng_is( &r, 250000 ) ) { s.epoch_len = (uint32_t)rng_in( &r, 10, 14 ); s.first = s.epoch_len-rng_below( &r, 5 ); }
  uint32_t sides = rng_is( &r, 300000 ) ? 3 : 2;
  for( uint8_t v = 0; v<s.views; v++ ) for( uint8_t i = 0; i<s.n+s.twins; i++ ) s.part[ v ][ i ] = (uint8_t)rng_below( &r, sides );
  for( uint8_t i = 0; i<NODE_MAX; i++ ) s.role[ i ] = i;
  return s;
}

/* I9: so many run twice that either half of the honest is a quorum with one half of the copies. */
static scen_t fork_from_seed( uint64_t seed ) {
  scen_t s = from_seed( seed );
  rng_t r = { seed^0x666f726bu };
  s.is_fork = true;
  s.twins   = s.n==4 ? 2 : 3;
  if( s.views<2 ) s.views = 2;
  s.is_restarted = rng_is( &r, 150000 );
  s.epoch_len    = 1u<<30;
  s.first        = 1;
  for( uint8_t v = 0; v<s.views; v++ ) {
    bool is_split = rng_is( &r, 700000 );
    for( uint8_t i = 0; i<s.n+s.twins; i++ ) s.part[ v ][ i ] = is_split ? i<s.n-s.twins ? i%2 : i>=s.n : (uint8_t)rng_below( &r, 2 );
  }
  return s;
}

/* --- reports ------------------------------------------------------------------------------------------------ */

static void print_scen( scen_t const * s ) {
  world_t * w = grow( NULL, sizeof *w );
  config_t c = { .n = s->n, .byz = (int8_t)( s->n-s->twins ), .twin_cnt = s->twins, .window = s->window, .epoch_len = s->epoch_len };
  for( uint8_t i = 0; i<c.n; i++ ) c.weights[ i ] = 100;
  world_setup( w, s->seed, &c );
  dmg_schedule_t sch;
  static uint8_t cycle[ DMG_CYCLE_WINDOWS ];
  dmg_schedule_init( &sch, &w->epochs[ 0 ].record.seed, &w->epochs[ 0 ].set );
  dmg_schedule_cycle( &sch, 0, cycle );
  printf( "n=%u, %u twin%s (node %u.. of validator %u..), window %u, %s, then the twins %s%s\n", s->n, s->twins, s->twins>1 ? "s" : "", s->n, s->n-s->twins, s->window, s->is_uneven ? "uneven delays" : "equal delays",
          s->is_liar_kept ? "go on" : "die", s->is_restarted ? ", the honest restart" : "" );
  for( uint8_t v = 0; v<s->views; v++ ) {
    printf( "  view %lu: ", s->first+v );
    if( !s->is_uneven || s->twins!=1 ) printf( "leader %u, ", cycle[ ( s->first+v-1 )/s->window ] );   /* uneven weights have a schedule of their own */
    for( uint8_t p = 0, first = 1; p<3; p++ ) {
      bool is_any = false;
      for( uint8_t i = 0; i<w->node_cnt; i++ ) if( s->part[ v ][ i ]==p ) { printf( "%s%u", is_any ? " " : first ? "" : " | ", i ); is_any = true; first = 0; }
    }
    putchar( '\n' );
  }
  world_teardown( w );
  free( w );
}

static bool still_fails( scen_t const * s ) {
  world_t * w = grow( NULL, sizeof *w );
  struct twins t;
  bool ok = run( w, &t, s, NULL );
  world_teardown( w );
  free( w );
  return !ok;
}

/* Greedy: every view and cut that the failure does not need goes. */
static scen_t shrink( scen_t s ) {
  for( ; s.views>1; s.views-- ) { scen_t t = s; t.views--; if( !still_fails( &t ) ) break; }
  for( uint8_t v = 0; v<s.views; v++ ) { scen_t t = s; memset( t.part[ v ], 0, sizeof t.part[ v ] ); if( still_fails( &t ) ) s = t; }
  if( s.is_uneven ) { scen_t t = s; t.is_uneven = false; if( still_fails( &t ) ) s = t; }
  return s;
}

static void report( scen_t const * s, char const * why, char const * again ) {
  printf( "FAILED: %s\n", why );
  print_scen( s );
  scen_t small = shrink( *s );
  printf( "shrunk: " );
  print_scen( &small );
  world_t * w = grow( NULL, sizeof *w );
  struct twins t;
  run( w, &t, &small, stdout );
  world_teardown( w );
  free( w );
  printf( "again: %s %lu --trace\n", again, s->id );
}

/* --- many runs ---------------------------------------------------------------------------------------------- */

typedef struct { uint64_t runs, forks, told, sim_us, steps, nullifies, blocks, evidence, slowest_us, t0, said_ns; uint64_t * histories; uint64_t cap; } sum_t;

static int by_value( void const * a, void const * b ) { uint64_t x = *(uint64_t const *)a, y = *(uint64_t const *)b; return x<y ? -1 : x>y; }

static void add( sum_t * m, world_t const * w, uint64_t of ) {
  if( m->runs==m->cap ) { m->cap = m->cap ? 2*m->cap : 4096; m->histories = grow( m->histories, m->cap*sizeof *m->histories ); }
  m->histories[ m->runs++ ] = w->twins->history;
  m->sim_us += w->now; m->steps += w->stats[ ST_STEPS ]; m->nullifies += w->stats[ ST_NULLIFIES ]; m->blocks += w->stats[ ST_BLOCKS ]; m->evidence += w->stats[ ST_EVIDENCE ]; m->forks += w->stats[ ST_FORKS ]; m->told += w->stats[ ST_TOLD ];
  if( w->stats[ ST_HEAL_US ]>m->slowest_us ) m->slowest_us = w->stats[ ST_HEAL_US ];
  uint64_t now = dmg_os_mono_ns();
  if( now>m->said_ns+10000000000u ) { m->said_ns = now; fprintf( stderr, "%lu of %lu scenarios, %.0f s\n", m->runs, of, (double)( now-m->t0 )/1e9 ); }
}

static void print_sum( sum_t * m ) {
  uint64_t distinct = 0;
  qsort( m->histories, m->runs, sizeof *m->histories, by_value );
  for( uint64_t i = 0; i<m->runs; i++ ) distinct += !i || m->histories[ i ]!=m->histories[ i-1 ];
  double wall = (double)( dmg_os_mono_ns()-m->t0 )/1e9;
  printf( "%lu scenarios, %lu histories before heal, %.0f s simulated in %.1f s (%.0f a second), %lu steps, %lu blocks final, %lu NULLIFY, %lu evidence, slowest heal %.1f s\n", m->runs, distinct, (double)m->sim_us/1e6, wall,
          (double)m->runs/wall, m->steps, m->blocks, m->nullifies, m->evidence, (double)m->slowest_us/1e6 );
  if( m->forks ) printf( "%lu forks: what is stored convicts more than W/3 in all of them, what the cores told by themselves in %lu\n", m->forks, m->told );
}

/* Have all six images of a scenario one history? */
static int images( uint32_t const * codes, uint32_t cnt, uint8_t views, uint64_t every ) {
  world_t * w = grow( NULL, sizeof *w );
  struct twins t;
  uint64_t all = 0, equal = 0;
  for( uint64_t i = 0; i<cnt; i += every ) {
    uint64_t first = 0;
    bool is_equal = true;
    for( uint8_t p = 0; p<PERMS; p++ ) {
      uint32_t y = 0;
      for( uint8_t v = 0; v<views; v++ ) y |= (uint32_t)renamed( p, (uint8_t)( codes[ i ]>>( 6*v )&63 ) )<<( 6*v );
      scen_t s = from_code( y, views, false );
      for( uint8_t k = 0; k<3; k++ ) s.role[ perm( p, k ) ] = k;
      bool ok = run( w, &t, &s, NULL );
      if( !p ) first = t.history;
      if( !ok || t.history!=first ) printf( "scenario %lu, image %u: %s\n", 2*i, p, ok ? "another history" : w->why );
      is_equal &= ok && t.history==first;
      world_teardown( w );
    }
    all++;
    equal += is_equal;
  }
  free( w );
  printf( "%lu scenarios, of %lu all six images have the same history\n", all, equal );
  return equal!=all;
}

static void usage( void ) {
  puts( "usage: sim --twins [--views K] [--every M] [--scenario N] [--sample N] [--first S] [--seconds WALL] [--seed S] [--fork] [--bare] [--trace] [--votes FILE] [--twice] [--images] [--mutant NAME] [--expect-violation] [--expect TEXT]\n"
        "Enumerates all scenarios of n = 4 with one twin over K scripted views (1-3, 3 unless told), or each M-th; --scenario N only that one.\n"
        "--sample N instead runs N sampled ones from seed S on: n = 4 and 7, 1-8 views; --seed S only that one.\n"
        "--fork as many twins as make more than W/3, 1,000 samples unless told: chains part, and what is stored must convict (I9); --bare with nothing but FINALIZATIONs stored;\n"
        "--trace a readable trace; --twice each twice, state hashes compared; --images runs each under all names of the honest and compares what is signed; --expect-violation exit 0 only if an invariant breaks, --expect I9 only if that one does" );
}

int twins_main( int argc, char ** argv ) {
  uint64_t every = 1, only = UINT64_MAX, samples = 0, first = 1, views = ENUM_MAX, seconds = 0;
  bool has_trace = false, is_twice = false, is_expected = false, is_images = false, is_fork = false, is_bare = false;
  char const * expected = "";
  uint8_t mutant = 0;
  FILE *  votes  = NULL;
  for( int i = 1; i<argc; i++ ) {
    char const * a = argv[ i ], * v = i+1<argc ? argv[ i+1 ] : "";
    uint64_t x = strtoull( v, NULL, 0 );
    if( !strcmp( a, "--views" ) )         { views = x; i++; }
    else if( !strcmp( a, "--every" ) )    { every = x; i++; }
    else if( !strcmp( a, "--scenario" ) ) { only = x; i++; }
    else if( !strcmp( a, "--sample" ) )   { samples = x; i++; }
    else if( !strcmp( a, "--first" ) )    { first = x; i++; }
    else if( !strcmp( a, "--seconds" ) )  { seconds = x; i++; }
    else if( !strcmp( a, "--seed" ) )     { first = x; samples = 1; i++; }
    else if( !strcmp( a, "--mutant" ) )   { mutant = mutant_of( v ); i++; if( mutant==DMG_MUTANT_CNT ) { fprintf( stderr, "sim: unknown mutant '%s'\n", v ); return 2; } }
    else if( !strcmp( a, "--trace" ) )    has_trace = true;
    else if( !strcmp( a, "--votes" ) )    { votes = votes_open( v ); i++; }
    else if( !strcmp( a, "--twice" ) )    is_twice = true;
    else if( !strcmp( a, "--images" ) )   is_images = true;
    else if( !strcmp( a, "--expect-violation" ) ) is_expected = true;
    else if( !strcmp( a, "--expect" ) )   { is_expected = true; expected = v; i++; }
    else if( !strcmp( a, "--fork" ) )     is_fork = true;
    else if( !strcmp( a, "--bare" ) )     is_fork = is_bare = true;
    else { usage(); return strcmp( a, "--help" ) ? 2 : 0; }
  }
  if( is_fork && !samples ) samples = 1000;
  if( views<1 || views>ENUM_MAX || !every ) { fputs( "sim: --views 1..3, --every from 1; more views are sampled\n", stderr ); return 2; }
  dmg_crypto_init( dmg_cpu_flags() );
  /* A world lives for milliseconds: its nodes' memory stays in the process, only the checkers' sparse tables are mapped anew. */
  mallopt( M_TRIM_THRESHOLD, 1<<30 );
  mallopt( M_MMAP_THRESHOLD, 2<<20 );
  uint32_t * codes = NULL;
  uint64_t cnt = samples;
  if( !samples ) {
    uint32_t orbits = enumerate( (uint8_t)views, &codes );
    printf( "n=4, one twin, %lu views: %lu scenarios, %u up to renaming of the honest, with two heals %u\n", views, 1ul<<( 6*views ), orbits, 2*orbits );
    if( is_images ) { int rc = images( codes, orbits, (uint8_t)views, every ); free( codes ); return rc; }
    cnt = 2*(uint64_t)orbits;
    if( only!=UINT64_MAX && only>=cnt ) { fprintf( stderr, "sim: --scenario 0..%lu\n", cnt-1 ); free( codes ); return 2; }
  }
  sum_t m = { .t0 = dmg_os_mono_ns() };
  m.said_ns = m.t0;
  world_t * w = grow( NULL, sizeof *w );
  struct twins t;
  int rc = is_expected;
  for( uint64_t i = only==UINT64_MAX || samples ? 0 : only; i<cnt; i += only==UINT64_MAX || samples ? samples ? 1 : every : cnt ) {
    if( seconds && dmg_os_mono_ns()-m.t0>seconds*1000000000u ) break;
    scen_t s = is_fork ? fork_from_seed( first+i ) : samples ? from_seed( first+i ) : from_code( codes[ i/2 ], (uint8_t)views, i&1 );
    if( !samples ) s.id = i;
    s.mutant  = mutant;
    s.is_bare = is_bare;
    s.votes   = votes;
    if( has_trace ) print_scen( &s );
    bool ok = run( w, &t, &s, has_trace ? stdout : NULL );
    uint64_t digest = w->digest;
    char why[ 256 ];
    memcpy( why, w->why, sizeof why );
    add( &m, w, samples ? cnt : ( cnt+every-1 )/every );
    world_teardown( w );
    s.votes = NULL;
    if( ok && is_twice ) {
      ok = run( w, &t, &s, NULL ) && w->digest==digest;
      if( !ok ) snprintf( why, sizeof why, "two runs of one scenario differ" );
      world_teardown( w );
    }
    if( ok || ( is_expected && strncmp( why, expected, strlen( expected ) ) ) ) continue;
    char again[ 64 ] = "sim --twins --seed";
    if( is_fork ) snprintf( again, sizeof again, "sim --twins --fork --seed" );
    if( !samples ) snprintf( again, sizeof again, "sim --twins --views %lu --scenario", views );
    rc = !is_expected;
    if( is_expected ) printf( "violation after %lu scenarios, %.1f s: %s\nagain: %s %lu\n", m.runs, (double)( dmg_os_mono_ns()-m.t0 )/1e9, why, again, s.id );
    else report( &s, why, again );
    break;
  }
  print_sum( &m );
  free( m.histories );
  free( codes );
  free( w );
  return rc;
}
