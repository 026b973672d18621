/* ./dev sim: seeds, phases, shrinking. */
#include "sim.h"
#include "base/cpu.h"
#include "base/os.h"

#include <stdlib.h>

static char const * const mutant_names[] = { "none", "finalize_after_nullify", "nullify_after_finalize", "skip_without_z", "two_notarize", "quorum_short", "enter_on_lone_z", "finalize_without_n", "inactive_self", "resend_all" };

uint8_t mutant_of( char const * name ) {
  uint8_t m = 1;
  while( m<DMG_MUTANT_CNT && strcmp( name, mutant_names[ m ] ) ) m++;
  return m;
}

/* --- one run ------------------------------------------------------------------------------------------------ */

typedef struct { uint64_t chaos_ms, heal_ms; uint32_t faults, byz_modes, faults_off, byz_off; int byz; uint8_t mutant; bool is_calm, has_trace, is_real, is_stalled; uint32_t n, epoch_len; FILE * votes; } opt_t;

static config_t derive( uint64_t seed, opt_t const * o ) {
  rng_t r = { .s = seed^0x64656d6975726765u };
  config_t c = { 0 };
  rng_t r2 = { .s = seed^0x6e6e6e6e73697a65u };   /* a stream of its own: a seed that stays at 4 or 5 stays what it was */
  uint64_t at = rng_below( &r2, 10000 );
  uint8_t  other = at<200 ? 1 : at<800 ? 7 : at<1000 ? 16 : at<1004 ? (uint8_t)rng_in( &r2, 64, DMG_SET_MAX ) : 0;
  c.n         = o->n ? (uint8_t)o->n : rng_is( &r, 150000 ) ? 5 : 4;
  if( !o->n && other ) c.n = other;
  c.byz       = -1;
  if( rng_is( &r, 600000 ) ) c.byz = (int8_t)rng_below( &r, c.n );
  c.twin_cnt  = c.byz>=0 && rng_is( &r, 400000 );
  for( uint8_t i = 0; i<c.n; i++ ) c.weights[ i ] = 100;
  /* Uneven stake, nobody at a third or above. */
  if( rng_is( &r, 300000 ) ) for( uint8_t i = 0; i<c.n; i++ ) c.weights[ i ] = rng_in( &r, 85, 115 );
  c.chaos_us  = rng_in( &r, 5, 60 )*1000000;
  c.heal_us   = 60000000;
  c.epoch_len = rng_is( &r, 500000 ) ? (uint32_t)rng_in( &r, 60, 120 ) : 1u<<30;
  c.faults    = (uint32_t)rng_next( &r )&(uint32_t)rng_next( &r )&F_ALL;
  if( rng_is( &r, 200000 ) ) c.faults = F_ALL;
  c.byz_modes = (uint32_t)rng_next( &r )&1023;
  c.runs_max  = rng_is( &r, 200000 ) ? 8 : 256;
  c.has_rests = c.n==5;
  if( c.n==1 ) { c.byz = -1; c.twin_cnt = 0; }
  if( c.n>5 ) {
    c.has_rests = rng_is( &r2, 300000 );
    /* As many liars as a third of all weight leaves room for, a member that rests counted in. */
    uint8_t most = (uint8_t)( ( c.n-1-c.has_rests )/3 );
    if( c.byz>=0 ) c.byz_cnt = (uint8_t)rng_in( &r2, 1, most );
    if( c.byz_cnt>1 ) for( uint8_t i = 0; i<c.n; i++ ) c.weights[ i ] = 100;
    if( c.byz>c.n-c.byz_cnt ) c.byz = (int8_t)( c.n-c.byz_cnt );
    if( c.n>=64 ) c.chaos_us = dmg_min_u64( c.chaos_us, 6000000 );
  }
  if( o->is_calm )  { c.faults = 0; c.byz = -1; c.twin_cnt = 0; }
  if( o->byz==0 )   { c.byz = -1; c.twin_cnt = 0; }
  if( o->faults )   c.faults = o->faults;
  if( o->chaos_ms ) c.chaos_us = o->chaos_ms*1000;
  if( o->epoch_len ) c.epoch_len = o->epoch_len;
  c.faults    &= ~o->faults_off;
  c.byz_modes &= ~o->byz_off;
  c.mutant     = o->mutant;
  c.is_real    = o->is_real;
  c.is_stalled = o->is_stalled;
  if( c.is_stalled ) c.runs_max = 256;   /* 8 hold no stall of that length (C11.1) */
  /* Lists that do not fit into a proposal without the 3,300 views that make one of 56 KiB. */
  rng_t r3 = { .s = seed^0x6c65617665730000u };
  if( rng_is( &r3, 300000 ) ) c.prefix_sz = (uint32_t)rng_in( &r3, 1, 1500 );
  return c;
}

static void print_config( FILE * f, uint64_t seed, config_t const * c ) {
  fprintf( f, "seed %lu: n=%u weights", seed, c->n );
  for( uint8_t i = 0; i<c->n; i++ ) fprintf( f, " %lu", c->weights[ i ] );
  fprintf( f, ", liar %d", c->byz );
  if( c->byz_cnt>1 ) fprintf( f, " to %d", c->byz+c->byz_cnt-1 );
  fprintf( f, "%s modes 0x%x, faults 0x%x, chaos %lu ms, epoch %u blocks, runs %u of %u bytes\n", c->twin_cnt ? " (twin)" : "", c->byz>=0 ? c->byz_modes : 0, c->faults, c->chaos_us/1000, c->epoch_len, c->runs_max, c->prefix_sz );
}

/* Runs one seed; true: no invariant broke. */
static bool run( world_t * w, uint64_t seed, config_t const * c, FILE * trace_to, FILE * votes_to ) {
  world_setup( w, seed, c );
  w->trace = trace_to;
  w->votes = votes_to;
  votes_begin( w );
  faults_start( w );
  for( uint8_t i = 0; i<w->node_cnt; i++ ) push( w, (ev_t){ .at = rng_below( &w->proc, 300000 ), .kind = EV_UP, .to = i } );
  push( w, (ev_t){ .at = c->chaos_us, .kind = EV_HEAL } );
  uint64_t live_at = 0, live_height = 0, dead_us = 0;   /* dead_us: what windows of the dead may have taken since */
  ev_t ev;
  while( !w->why[ 0 ] && pop( w, &ev ) ) {
    w->now = ev.at;
    w->events++;
    if( w->events%1000==0 ) { world_digest( w ); check_calm( w ); }
    if( ev.kind==EV_FAULT ) fault_event( w );
    else if( ev.kind==EV_HEAL ) {
      if( !w->is_healing ) { check_calm_ends( w ); world_heal( w ); }
      else if( !live_at ) {
        if( world_is_live( w ) ) { live_at = w->now; live_height = w->finals_top; w->strict_at = w->now+10000000; w->stats[ ST_HEAL_US ] = w->now-w->heal_at; trace( w, "LIVE after %lu ms", ( w->now-w->heal_at )/1000 ); }
        else if( w->now>w->heal_at+20000000+world_heal_allowance( w ) ) fail( w, "I12: no new final block %lu ms after heal", ( w->now-w->heal_at )/1000 );
      } else if( w->now>=live_at+20000000+dead_us || ( w->now>=live_at+20000000 && w->finals_top>=live_height+20 ) ) {
        /* All agree, live leaders' windows finalize: with one of four or five dead well over half of the views. */
        if( w->finals_top<live_height+20 ) fail( w, "I12: only %lu blocks in 20 s after heal", w->finals_top-live_height );
        uint64_t lo = UINT64_MAX;
        for( uint8_t i = 0; i<c->n; i++ ) if( w->nodes[ i ].is_up && !w->nodes[ i ].is_byz && w->nodes[ i ].final_height<lo ) lo = w->nodes[ i ].final_height;
        if( lo+12<w->finals_top ) fail( w, "I12: a live node is %lu blocks behind", w->finals_top-lo );
        check_calm_ends( w );
        free( ev.data );
        break;
      }
      if( live_at ) { uint64_t us = world_heal_allowance( w ); if( us>dead_us ) dead_us = us; }   /* ten windows of one in a row are one time in two million */
      if( w->trace ) for( uint8_t i = 0; i<w->node_cnt; i++ ) {
        node_t * n = &w->nodes[ i ];
        dmg_cons_info_t f;
        if( !n->is_up ) continue;
        dmg_cons_info( n->core, &f );
        trace( w, "  node %u: epoch %u cur %lu base %lu%s%s final %lu height %lu runs %u pend %u%s%s bad %lu drops %lu", i, f.epoch, f.cur, f.base_view, f.has_base_header ? "" : " no header", f.has_base_root ? "" : " no root",
               f.final_view, n->final_height, f.run_cnt, n->pend_cnt, n->has_commit ? " commit waits" : "", f.is_waiting ? " waiting" : f.is_done ? " done" : "", f.bad_frames, f.drops );
      }
      push( w, (ev_t){ .at = w->now+100000, .kind = EV_HEAL } );
    } else node_event( w, &w->nodes[ ev.to ], &ev );
    free( ev.data );
  }
  world_digest( w );
  return !w->why[ 0 ];
}

/* --- many runs ---------------------------------------------------------------------------------------------- */

static bool still_fails( uint64_t seed, config_t const * c ) {
  world_t * w = malloc( sizeof *w );
  bool ok = run( w, seed, c, NULL, NULL );
  world_teardown( w );
  free( w );
  return !ok;
}

/* Greedy: every fault, lie and second that the failure does not need goes. */
static config_t shrink( uint64_t seed, config_t c ) {
  for( unsigned i = 0; i<15; i++ ) { config_t t = c; t.faults &= ~( 1u<<i ); if( t.faults!=c.faults && still_fails( seed, &t ) ) c = t; }
  for( unsigned i = 0; i<10; i++ ) { config_t t = c; t.byz_modes &= ~( 1u<<i ); if( t.byz_modes!=c.byz_modes && still_fails( seed, &t ) ) c = t; }
  if( c.twin_cnt ) { config_t t = c; t.twin_cnt = 0; if( still_fails( seed, &t ) ) c = t; }
  for( config_t t = c; t.chaos_us>2000000; c = t ) { t.chaos_us /= 2; if( !still_fails( seed, &t ) ) break; }
  return c;
}

/* The last lines of the shrunk run. */
static void print_trace( uint64_t seed, config_t const * c, unsigned lines ) {
  char * text = NULL;
  size_t sz = 0;
  FILE * f = open_memstream( &text, &sz );
  world_t * w = malloc( sizeof *w );
  run( w, seed, c, f, NULL );
  fclose( f );
  char * at = text+sz;
  for( unsigned i = 0; at>text && i<=lines; i++ ) for( --at; at>text && at[ -1 ]!='\n'; at-- );
  fputs( at, stdout );
  printf( "  %s\n", w->why );
  free( text );
  world_teardown( w );
  free( w );
}

static void usage( void ) {
  puts( "usage: sim [--seeds N] [--first S] [--seconds WALL] [--seed S] [--trace] [--calm] [--stall] [--real] [--twice] [--chaos MS] [--faults MASK] [--no-liar] [--epoch BLOCKS] [-n N] [--votes FILE] [--mutant NAME] [--expect-violation] [--expect TEXT]\n"
        "Runs seeds S, S+1, .. of the deterministic simulator: chaos, then heal with exactly q alive, invariants after every event.\n"
         "--seed S one seed; --trace its readable trace; --twice each seed twice, state hashes compared; --calm no faults; "
         "--stall the same, and no proposal arrives before heal; --real BLS instead of keyed tags; --expect-violation exit 0 only if one breaks, --expect I7 only if that one does;\n"
         "--votes FILE what each node logged and signed, for `model replay` (C14.4)\n"
         "sim --twins [--help]: scripted partitions of validators that run twice, enumerated (C13)\n"
         "sim --figures [--help]: latencies, bytes and losses behind the delays of AWS regions (C17)" );
}

int main( int argc, char ** argv ) {
  if( argc>1 && !strcmp( argv[ 1 ], "--twins" ) ) return twins_main( argc-1, argv+1 );
  if( argc>1 && !strcmp( argv[ 1 ], "--figures" ) ) return figures_main( argc-1, argv+1 );
  uint64_t first = 1, seeds = 100, seconds = 0;
  bool is_twice = false, is_expected = false;
  char const * expected = "";
  opt_t o = { .byz = -1 };
  for( int i = 1; i<argc; i++ ) {
    char const * a = argv[ i ], * v = i+1<argc ? argv[ i+1 ] : "";
    if( !strcmp( a, "--seeds" ) )        { seeds = strtoull( v, NULL, 0 ); i++; }
    else if( !strcmp( a, "--first" ) )   { first = strtoull( v, NULL, 0 ); i++; }
    else if( !strcmp( a, "--seed" ) )    { first = strtoull( v, NULL, 0 ); seeds = 1; i++; }
    else if( !strcmp( a, "--seconds" ) ) { seconds = strtoull( v, NULL, 0 ); if( seeds==100 ) seeds = UINT64_MAX; i++; }
    else if( !strcmp( a, "--chaos" ) )   { o.chaos_ms = strtoull( v, NULL, 0 ); i++; }
    else if( !strcmp( a, "--faults" ) )  { o.faults = (uint32_t)strtoull( v, NULL, 0 ); i++; }
    else if( !strcmp( a, "--epoch" ) )   { o.epoch_len = (uint32_t)strtoull( v, NULL, 0 ); i++; }
    else if( !strcmp( a, "-n" ) )        { o.n = (uint32_t)strtoull( v, NULL, 0 ); i++; }
    else if( !strcmp( a, "--trace" ) )   o.has_trace = true;
    else if( !strcmp( a, "--votes" ) )   { o.votes = votes_open( v ); i++; }
    else if( !strcmp( a, "--calm" ) )    o.is_calm = true;
    else if( !strcmp( a, "--stall" ) )   o.is_stalled = o.is_calm = true;
    else if( !strcmp( a, "--real" ) )    o.is_real = true;
    else if( !strcmp( a, "--no-liar" ) ) o.byz = 0;
    else if( !strcmp( a, "--twice" ) )   is_twice = true;
    else if( !strcmp( a, "--expect-violation" ) ) is_expected = true;
    else if( !strcmp( a, "--expect" ) )  { is_expected = true; expected = v; i++; }
    else if( !strcmp( a, "--mutant" ) ) {
      o.mutant = mutant_of( v );
      if( o.mutant==DMG_MUTANT_CNT ) { fprintf( stderr, "sim: unknown mutant '%s'\n", v ); return 2; }
      i++;
    } else { usage(); return strcmp( a, "--help" ) ? 2 : 0; }
  }
  if( o.n>DMG_SET_MAX || o.n==2 || o.n==3 ) { fputs( "sim: -n 1 or 4..128\n", stderr ); return 2; }
  dmg_crypto_init( dmg_cpu_flags() );
  uint64_t t0 = dmg_os_mono_ns(), sim_us = 0, stats[ 16 ] = { 0 }, done = 0, events = 0, slowest = 0;
  world_t * w = malloc( sizeof *w );
  for( uint64_t s = first; done<seeds; s++, done++ ) {
    if( seconds && dmg_os_mono_ns()-t0>seconds*1000000000u ) break;
    config_t c = derive( s, &o );
    if( seeds==1 ) print_config( stdout, s, &c );
    bool ok = run( w, s, &c, o.has_trace ? stdout : NULL, o.votes );
    uint64_t digest = w->digest;
    for( unsigned i = 0; i<16; i++ ) if( i==ST_RUNS_MAX || i==ST_EPOCHS ) stats[ i ] = stats[ i ]>w->stats[ i ] ? stats[ i ] : w->stats[ i ]; else stats[ i ] += w->stats[ i ];
    if( w->stats[ ST_HEAL_US ]>slowest ) slowest = w->stats[ ST_HEAL_US ];
    sim_us += w->now;
    events += w->events;
    char why[ 256 ];
    memcpy( why, w->why, sizeof why );
    world_teardown( w );
    if( ok && is_twice ) {
      ok = run( w, s, &c, NULL, NULL ) && w->digest==digest;
      if( !ok && !w->why[ 0 ] ) snprintf( why, sizeof why, "two runs of one seed differ" );
      world_teardown( w );
    }
    if( ok ) continue;
    if( is_expected && strncmp( why, expected, strlen( expected ) ) ) continue;
    if( is_expected ) { printf( "violation after %.1f s, seed %lu: %s\n", (double)( dmg_os_mono_ns()-t0 )/1e9, s, why ); free( w ); return 0; }
    printf( "FAILED seed %lu: %s\n", s, why );
    print_config( stdout, s, &c );
    config_t small = shrink( s, c );
    printf( "shrunk: " );
    print_config( stdout, s, &small );
    print_trace( s, &small, 60 );
    printf( "again: sim --seed %lu --trace\n", s );
    free( w );
    return 1;
  }
  free( w );
  double wall = (double)( dmg_os_mono_ns()-t0 )/1e9;
  printf( "%lu seeds, %.0f s simulated in %.1f s (%.0fx), %lu events, %lu steps, %lu blocks final, last epoch %lu, %lu kills, %lu NULLIFY, %lu evidence, %lu alarms, %lu leaves asked, slowest heal %.1f s\n", done, (double)sim_us/1e6, wall,
          (double)sim_us/1e6/wall, events, stats[ ST_STEPS ], stats[ ST_BLOCKS ], stats[ ST_EPOCHS ], stats[ ST_KILLS ], stats[ ST_NULLIFIES ], stats[ ST_EVIDENCE ], stats[ ST_ALARMS ], stats[ ST_LEAVES ], (double)slowest/1e6 );
  return is_expected;
}
