/* ./dev sim --full: seeds, each of them twice if asked, shrinking. */
#include "full.h"
#include "base/cpu.h"
#include "base/log.h"
#include "base/os.h"
#include "runtime/compile_child.h"
#include "runtime/vm.h"

#include <fcntl.h>
#include <getopt.h>
#include <unistd.h>

uint64_t __real_dmg_os_mono_ns( void );

typedef struct {
  uint64_t first, seeds, seconds, chaos_ms, heal_ms, epoch_blocks;
  uint32_t n, followers, kinds, kinds_off, fault_us;
  bool     is_calm, is_twice, is_real, is_violation_expected, is_trace, has_followers;
  uint8_t  mutant;
  int      log;
  char const * expected;
} opt_t;

static full_cfg_t derive( uint64_t seed, opt_t const * o ) {
  uint64_t s = seed^0x66756c6c6d6f6465u;
  full_cfg_t c = { 0 };
  c.n            = o->n ? o->n : dmg_rnd_u64( &s )%10==0 ? 7 : 4;
  c.followers    = o->has_followers ? o->followers : dmg_rnd_u64( &s )%3==0;
  c.chaos_us     = ( 10+dmg_rnd_u64( &s )%50 )*1000000;
  c.heal_us      = 20000000;
  c.epoch_blocks = dmg_rnd_u64( &s )%3==0 ? 240 : 0;
  c.tx_us        = (uint32_t)( 20000+dmg_rnd_u64( &s )%400000 );
  c.fault_us     = (uint32_t)( 300000+dmg_rnd_u64( &s )%3000000 );
  c.kinds        = (uint32_t)dmg_rnd_u64( &s )&( ( 1u<<FF_CNT )-1 );
  if( dmg_rnd_u64( &s )%5==0 ) c.kinds = ( 1u<<FF_CNT )-1;
  /* What makes a node a liar or an observer stands in one seed of four, or it would stand in all. */
  if( dmg_rnd_u64( &s )%4 ) c.kinds &= ~( 1u<<FF_FLIP|1u<<FF_LOST|1u<<FF_GARBLE|1u<<FF_WRONG_ROOT|1u<<FF_WITHHOLD|1u<<FF_MISDIRECT|1u<<FF_BACKUP|1u<<FF_EQUIVOCATE|1u<<FF_THIEF );
  c.delay_us     = (uint32_t)( 500+dmg_rnd_u64( &s )%60000 );
  c.jitter_us    = (uint32_t)( dmg_rnd_u64( &s )%20000 );
  c.is_real      = dmg_rnd_u64( &s )%50==0 || o->is_real;
  c.mutant       = o->mutant;
  if( c.epoch_blocks )  c.chaos_us += 40000000+dmg_rnd_u64( &s )%80000000;   /* some reach the boundary, the others have the seed's height behind them */
  if( o->is_calm )      c.kinds = 0;
  if( o->kinds )        c.kinds = o->kinds;
  c.kinds &= ~o->kinds_off;
  if( o->chaos_ms )     c.chaos_us = o->chaos_ms*1000;
  if( o->heal_ms )      c.heal_us = o->heal_ms*1000;
  if( o->epoch_blocks ) c.epoch_blocks = o->epoch_blocks==1 ? 0 : o->epoch_blocks;
  if( o->fault_us )     c.fault_us = o->fault_us;
  return c;
}

static void print_cfg( FILE * to, uint64_t seed, full_cfg_t const * c ) {
  fprintf( to, "seed %lu: n=%u, %u to follow, chaos %lu ms, epoch %lu blocks, a transfer each %u us, delay %u+%u us, %s", (unsigned long)seed, c->n, c->followers, (unsigned long)( c->chaos_us/1000 ), (unsigned long)c->epoch_blocks,
           c->tx_us, c->delay_us, c->jitter_us,
           c->is_real ? "BLS" : "fake BLS" );
  if( c->kinds ) fprintf( to, ", a fault each %u us of", c->fault_us );
  for( unsigned k = 0; k<FF_CNT; k++ ) if( c->kinds>>k&1 ) fprintf( to, " %s", full_fault_names[ k ] );
  fputc( '\n', to );
}

static full_world_t world;

/* Halves, then quarters, .. of the faults are left out as long as the run still fails. */
static void shrink( uint64_t seed, full_cfg_t const * c ) {
  static full_fault_t faults[ FULL_FAULTS_MAX ], tried[ FULL_FAULTS_MAX ];
  uint32_t cnt = world.fault_cnt;
  char why[ sizeof world.why ];
  memcpy( faults, world.faults, sizeof faults );
  memcpy( why, world.why, sizeof why );
  uint64_t end = __real_dmg_os_mono_ns()+(uint64_t)120*1000000000u;
  for( uint32_t part = ( cnt+1 )/2; part && cnt; part = part==1 ? 0 : ( part+1 )/2 )
    for( uint32_t at = 0; at<cnt && __real_dmg_os_mono_ns()<end; ) {
      uint32_t left = 0;
      for( uint32_t i = 0; i<cnt; i++ ) if( i<at || i>=at+part ) tried[ left++ ] = faults[ i ];
      if( full_run( &world, seed, c, tried, left, NULL ) ) { at += part; continue; }
      memcpy( faults, tried, left*sizeof *tried );
      memcpy( why, world.why, sizeof why );
      cnt = left;
    }
  fprintf( stderr, "shrunk to %u faults: %s\n", cnt, why );
  for( uint32_t i = 0; i<cnt; i++ ) full_fault_print( stderr, &faults[ i ] );
  char path[ 64 ];
  snprintf( path, sizeof path, "/tmp/dmg-sim-full-%lu.trace", (unsigned long)seed );
  FILE * f = fopen( path, "w" );
  if( !f ) return;
  print_cfg( f, seed, c );
  (void)full_run( &world, seed, c, faults, cnt, f );
  fclose( f );
  fprintf( stderr, "trace: %s\n", path );
}

static int run_all( opt_t const * o ) {
  uint64_t began = __real_dmg_os_mono_ns(), sim_us = 0, done = 0;
  full_stats_t sum = { 0 };
  for( uint64_t seed = o->first; done<o->seeds; seed++, done++ ) {
    if( o->seconds && __real_dmg_os_mono_ns()-began>o->seconds*1000000000u ) break;
    full_cfg_t c = derive( seed, o );
    if( o->is_trace || o->seeds<=4 ) print_cfg( stdout, seed, &c );
    uint64_t t = __real_dmg_os_mono_ns();
    bool is_good = full_run( &world, seed, &c, NULL, 0, o->is_trace ? stdout : NULL );
    t = __real_dmg_os_mono_ns()-t;
    sim_us += world.now;
    for( size_t i = 0; i<sizeof sum/8; i++ ) ( (uint64_t *)&sum )[ i ] += ( (uint64_t *)&world.stats )[ i ];
    if( o->seeds<=50 ) {
      printf( "seed %lu: %lu blocks, %lu transfers, %lu faults, %lu kills, epoch %u, healed in %lu ms, %lu turns, %.0f s in %.2f s, digest %016lx%s%s\n", (unsigned long)seed, (unsigned long)world.finals_top, (unsigned long)world.stats.txs_final,
              (unsigned long)world.stats.faults, (unsigned long)world.stats.kills, world.light.record.epoch,
              (unsigned long)( world.stats.heal_us/1000 ), (unsigned long)world.stats.turns, (double)world.now/1e6, (double)t/1e9, (unsigned long)world.digest, is_good ? "" : ": ", world.why );
      fflush( stdout );
    }
    if( !is_good && o->is_violation_expected && strncmp( world.why, o->expected, strlen( o->expected ) ) ) continue;
    if( !is_good && o->is_violation_expected ) { printf( "found at seed %lu after %.1f s: %s\n", (unsigned long)seed, (double)( __real_dmg_os_mono_ns()-began )/1e9, world.why ); return 0; }
    if( !is_good ) {
      fprintf( stderr, "VIOLATION at %.3f ms: %s\n", (double)world.now/1000, world.why );
      print_cfg( stderr, seed, &c );
      if( !o->is_trace ) shrink( seed, &c );
      fprintf( stderr, "again: ./dev sim --full --seed %lu\n", (unsigned long)seed );
      return 1;
    }
    if( o->is_twice ) {
      uint64_t digest = world.digest;
      (void)full_run( &world, seed, &c, NULL, 0, NULL );
      sim_us += world.now;
      if( world.digest!=digest ) { fprintf( stderr, "seed %lu runs differently a second time: something in it is not the seed's\n", (unsigned long)seed ); return 1; }
    }
  }
  double wall = (double)( __real_dmg_os_mono_ns()-began )/1e9;
  printf( "%lu seeds, %.0f s simulated in %.1f s: %.0f x; %lu blocks committed, %lu votes, %lu of %lu transfers, %lu faults, %lu kills, "
          "%lu starts, %lu as observers, %lu refused, %lu handovers, %lu light certificates, %lu lies, %lu lines stolen, %lu backups put back, %lu evidence, %lu runs judged, %lu turns\n", (unsigned long)done, (double)sim_us/1e6, wall,
          (double)sim_us/1e6/wall, (unsigned long)sum.commits, (unsigned long)sum.signs, (unsigned long)sum.txs_final, (unsigned long)sum.txs, (unsigned long)sum.faults, (unsigned long)sum.kills, (unsigned long)sum.starts, (unsigned long)sum.observers,
          (unsigned long)sum.refused, (unsigned long)sum.handovers, (unsigned long)sum.certs, (unsigned long)sum.lies, (unsigned long)sum.thefts, (unsigned long)sum.backups, (unsigned long)sum.evidence,
          (unsigned long)sum.justs, (unsigned long)sum.turns );
  if( o->is_violation_expected ) { fprintf( stderr, "no violation was found\n" ); return 1; }
  return 0;
}

static void help( void ) {
  puts( "sim --full: whole nodes under one seed\n"
        "  --seed S            this one, with its configuration     --seeds N   so many, from --first S (1)     --seconds S  at most so long\n"
        "  --trace             what happens, line by line           --log L     nodes' own lines: 1 warn 2 info 3 debug\n"
        "  --twice             each again, which must give the same digest\n"
        "  --calm              no faults                            --kinds A,B  these faults     --without A,B  not these\n"
        "  -n N  --follow N    validators, nodes that join          --epoch B   blocks (240 at least; 1: no end)\n"
        "  --chaos MS  --heal MS  --fault-us US                     --real      BLS in every seed\n"
        "  --mutant M --expect-violation, or --expect I7: that one\n" );
  printf( "faults:" );
  for( unsigned k = 0; k<FF_CNT; k++ ) printf( " %s", full_fault_names[ k ] );
  printf( "\nmutants:" );
  for( unsigned k = 1; k<FM_CNT; k++ ) printf( " %s", full_mutant_names[ k ] );
  putchar( '\n' );
}

static uint32_t kinds_of( char * text ) {
  uint32_t mask = 0;
  for( char * save, * t = strtok_r( text, ",", &save ); t; t = strtok_r( NULL, ",", &save ) ) {
    unsigned k = 0;
    while( k<FF_CNT && strcmp( t, full_fault_names[ k ] ) ) k++;
    if( k==FF_CNT ) { fprintf( stderr, "no fault %s\n", t ); exit( 2 ); }
    mask |= 1u<<k;
  }
  return mask;
}

static int result;
static void * in_thread( void * arg ) { result = run_all( arg ); return NULL; }

int main( int argc, char ** argv ) {
  if( argc>1 && !strcmp( argv[ 1 ], DMG_COMPILE_CHILD_VERB ) ) return dmg_compile_child_main( argc, argv );
  enum { O_SEED = 256, O_SEEDS, O_FIRST, O_SECONDS, O_TRACE, O_LOG, O_TWICE, O_CALM, O_KINDS, O_WITHOUT, O_FOLLOW, O_EPOCH, O_CHAOS, O_HEAL, O_FAULT, O_REAL, O_MUTANT, O_EXPECT, O_EXPECTED, O_FULL, O_HELP };
  static struct option const longs[] = {
    { "seed", 1, NULL, O_SEED }, { "seeds", 1, NULL, O_SEEDS }, { "first", 1, NULL, O_FIRST }, { "seconds", 1, NULL, O_SECONDS }, { "trace", 0, NULL, O_TRACE }, { "log", 1, NULL, O_LOG }, { "twice", 0, NULL, O_TWICE }, { "calm", 0, NULL, O_CALM },
    { "kinds", 1, NULL, O_KINDS }, { "without", 1, NULL, O_WITHOUT }, { "follow", 1, NULL, O_FOLLOW }, { "epoch", 1, NULL, O_EPOCH }, { "chaos", 1, NULL, O_CHAOS }, { "heal", 1, NULL, O_HEAL }, { "fault-us", 1, NULL, O_FAULT },
    { "real", 0, NULL, O_REAL }, { "mutant", 1, NULL, O_MUTANT }, { "expect-violation", 0, NULL, O_EXPECT }, { "expect", 1, NULL, O_EXPECTED }, { "full", 0, NULL, O_FULL }, { "help", 0, NULL, O_HELP }, { 0 } };
  opt_t o = { .first = 1, .seeds = 10, .log = -1, .expected = "" };
  for( int c; ( c = getopt_long( argc, argv, "n:", longs, NULL ) )!=-1; ) {
    switch( c ) {
    case 'n':       o.n = (uint32_t)strtoul( optarg, NULL, 0 ); if( o.n<1 || o.n>FULL_VALIDATORS_MAX ) { fprintf( stderr, "1 to %d validators\n", FULL_VALIDATORS_MAX ); return 2; } break;
    case O_SEED:    o.first = strtoull( optarg, NULL, 0 ); o.seeds = 1; break;
    case O_SEEDS:   o.seeds = strtoull( optarg, NULL, 0 ); break;
    case O_FIRST:   o.first = strtoull( optarg, NULL, 0 ); break;
    case O_SECONDS: o.seconds = strtoull( optarg, NULL, 0 ); o.seeds = UINT64_MAX; break;
    case O_TRACE:   o.is_trace = true; break;
    case O_LOG:     o.log = (int)strtol( optarg, NULL, 0 ); break;
    case O_TWICE:   o.is_twice = true; break;
    case O_CALM:    o.is_calm = true; break;
    case O_KINDS:   o.kinds = kinds_of( optarg ); break;
    case O_WITHOUT: o.kinds_off = kinds_of( optarg ); break;
    case O_FOLLOW:  o.followers = (uint32_t)strtoul( optarg, NULL, 0 ); o.has_followers = true; if( o.followers>FULL_NODES_MAX-FULL_VALIDATORS_MAX ) return 2; break;
    case O_EPOCH:   o.epoch_blocks = strtoull( optarg, NULL, 0 ); break;
    case O_CHAOS:   o.chaos_ms = strtoull( optarg, NULL, 0 ); break;
    case O_HEAL:    o.heal_ms = strtoull( optarg, NULL, 0 ); break;
    case O_FAULT:   o.fault_us = (uint32_t)strtoul( optarg, NULL, 0 ); break;
    case O_REAL:    o.is_real = true; break;
    case O_MUTANT:
      while( o.mutant<FM_CNT && strcmp( optarg, full_mutant_names[ o.mutant ] ) ) o.mutant++;
      if( o.mutant==FM_CNT ) { fprintf( stderr, "no mutant %s\n", optarg ); return 2; }
      break;
    case O_EXPECT:  o.is_violation_expected = true; break;
    case O_EXPECTED: o.is_violation_expected = true; o.expected = optarg; break;
    case O_FULL:    break;
    case O_HELP:    help(); return 0;
    default:        help(); return 2;
    }
  }
  dmg_log_setup( o.log<0 ? open( "/dev/null", O_WRONLY ) : 2, o.log<0 ? DMG_LOG_LEVEL_ERROR : (dmg_log_level_t)o.log, DMG_LOG_FORMAT_TEXT );
  if( !full_setup() ) return 1;
  pthread_attr_t attr;
  pthread_t t;
  pthread_attr_init( &attr );
  pthread_attr_setstacksize( &attr, DMG_VM_THREAD_STACK_SZ+( 4u<<20 ) );
  if( pthread_create( &t, &attr, in_thread, &o ) ) return 1;
  pthread_join( t, NULL );
  return result;
}
