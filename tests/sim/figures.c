/* Figures (C17): worlds behind the delays of AWS regions (wan.h), without faults but those that a row names; every figure is the median of the seeds' own,
   beside the least and the largest.

   finality  PROPOSE signed -> FINALIZATION held, every block at every live node       gap   the longest time without a new FINALIZATION at any live node
   interval  PROPOSE signed -> the next final block's                                   lost  views with at least one NULLIFY, of all views */
#include "wan.h"
#include "base/cpu.h"
#include "base/os.h"

typedef enum { P_GLOBAL, P_US, P_EU, P_ATLANTIC } place_t;
static char const * const place_names[] = { "global", "US", "EU", "EU and US East" };

typedef struct {
  char const * row;
  place_t  place;
  uint8_t  n;
  uint16_t pace_ms, delta_ms;
  uint32_t loss_ppm;
  bool     is_unordered;
  bool     is_crashed;      /* exactly q alive, from the start */
  uint64_t crash_us;        /* f crash at once */
  uint64_t cut_us;          /* two halves for so long */
  uint64_t from_us, to_us;
  uint32_t seeds;
  bool     is_real;
} row_t;

typedef enum { M_FIN50, M_FIN90, M_FIN99, M_INT50, M_INT99, M_INT_MEAN, M_LOST, M_GAP, M_SENT, M_GOT, M_FRAMES, M_CPU, M_CNT } metric_t;
static char const * const metric_names[ M_CNT ] = { "finality p50 ms", "finality p90 ms", "finality p99 ms", "interval p50 ms", "interval p99 ms", "interval mean ms", "views nullified %", "longest gap ms",
  "sent bytes a validator and block", "received bytes a validator and block", "frames sent a validator and block", "CPU in the core, ms a validator and block" };

static int cmp_u64( void const * a, void const * b ) { uint64_t x = *(uint64_t const *)a, y = *(uint64_t const *)b; return ( x>y )-( x<y ); }
static int cmp_d  ( void const * a, void const * b ) { double x = *(double const *)a, y = *(double const *)b; return ( x>y )-( x<y ); }
static double at_ms( uint64_t const * v, uint32_t cnt, uint32_t permille ) { return cnt ? (double)v[ (uint64_t)( cnt-1 )*permille/1000 ]/1e3 : -1; }

/* Where validators stand.  The last: where stake of today's large networks is, as shares of a hundred (our choice: 66 of Europe, 24 of US East, 10 elsewhere). */
static uint8_t region_of( place_t place, uint32_t i ) {
  static uint8_t const us[] = { R_US_EAST_1, R_US_WEST_2, R_US_EAST_2, R_US_WEST_1 }, eu[] = { R_EU_CENTRAL_1, R_EU_WEST_1, R_EU_WEST_2, R_EU_WEST_3, R_EU_NORTH_1 };
  static struct { uint8_t region, share; } const atlantic[] = { { R_EU_CENTRAL_1, 30 }, { R_EU_WEST_2, 14 }, { R_EU_WEST_3, 10 }, { R_EU_WEST_1, 8 }, { R_EU_NORTH_1, 4 }, { R_US_EAST_1, 18 }, { R_US_EAST_2, 6 },
    { R_AP_NORTHEAST_1, 4 }, { R_US_WEST_2, 3 }, { R_AP_SOUTHEAST_2, 2 }, { R_SA_EAST_1, 1 } };
  switch( place ) {
    case P_US: return us[ i%4 ];
    case P_EU: return eu[ i%5 ];
    case P_ATLANTIC: {
      uint32_t at = i*37%100, k = 0;
      while( at>=atlantic[ k ].share ) at -= atlantic[ k++ ].share;
      return atlantic[ k ].region;
    }
    default: return (uint8_t)( i%10 );
  }
}

/* f of them, drawn: exactly q stay. */
static void crash( world_t * w ) {
  uint32_t left = w->cfg.n, q = (uint32_t)dmg_set_quorum( (uint64_t)100*w->cfg.n );
  while( ( left-1 )*100>=q ) {
    node_t * n = &w->nodes[ rng_below( &w->proc, w->cfg.n ) ];
    if( n->paused_until==UINT64_MAX ) continue;
    n->paused_until = UINT64_MAX;   /* marks it; a start that comes yet is a kill's */
    if( n->is_up ) node_kill( w, n );
    n->paused_until = UINT64_MAX;
    left--;
  }
}

static bool run( world_t * w, row_t const * r, uint64_t seed, double out[ M_CNT ] ) {
  config_t c = { .n = r->n, .byz = -1, .epoch_len = 1u<<30, .runs_max = 256, .pace_ms = r->pace_ms, .delta_ms = r->delta_ms, .is_real = r->is_real, .is_timed = r->is_real };
  for( uint32_t i = 0; i<c.n; i++ ) c.weights[ i ] = 100;
  world_setup( w, seed, &c );
  wan_t * x = malloc( sizeof *x );
  DMG_ASSERT( x );
  wan_init( x );
  x->from_us  = r->from_us;
  x->loss_ppm = r->loss_ppm;
  x->is_unordered = r->is_unordered;
  for( uint32_t i = 0; i<c.n; i++ ) x->place[ i ] = region_of( r->place, i );
  w->wan = x;
  wan_links( w );
  if( r->is_crashed ) crash( w );
  for( uint8_t i = 0; i<c.n; i++ ) if( w->nodes[ i ].paused_until!=UINT64_MAX ) push( w, (ev_t){ .at = rng_below( &w->proc, 100000 ), .kind = EV_UP, .to = i } );
  if( !r->crash_us && !r->cut_us ) x->gap_from = r->from_us;
  uint64_t fault_at = r->crash_us ? r->crash_us : r->cut_us ? r->from_us : UINT64_MAX, cpu0 = 0, blocks0 = 0;
  bool is_from = false;
  ev_t ev;
  while( !w->why[ 0 ] && pop( w, &ev ) ) {
    if( ev.at>=r->to_us ) { free( ev.data ); break; }
    w->now = ev.at;
    w->events++;
    if( !is_from && w->now>=r->from_us ) {
      is_from = true;
      blocks0 = w->finals_top;
      for( uint8_t i = 0; i<c.n; i++ ) cpu0 += w->nodes[ i ].cpu_ns;
    }
    if( w->now>=fault_at ) {
      fault_at = UINT64_MAX;
      if( r->crash_us ) { crash( w ); x->gap_from = w->now; }
      else {
        x->gap_from = w->now+r->cut_us;
        for( uint8_t i = 0; i<c.n; i++ ) for( uint8_t j = 0; j<c.n; j++ ) if( i%2!=j%2 ) w->links[ i ][ j ].cut_until = x->gap_from;
      }
    }
    node_event( w, &w->nodes[ ev.to ], &ev );
    free( ev.data );
  }
  bool ok = !w->why[ 0 ];
  if( !ok ) printf( "FAILED %s, n=%u, seed %lu: %s\n", r->row, r->n, seed, w->why );

  uint32_t live = 0, blocks = (uint32_t)( w->finals_top-blocks0 );
  uint64_t gap = 0, cpu = 0;
  traffic_t sent = { 0 }, got = { 0 };
  for( uint8_t i = 0; i<c.n; i++ ) {
    cpu += w->nodes[ i ].cpu_ns;
    if( !w->nodes[ i ].is_up ) continue;
    live++;
    /* Who finalized nothing any more would hide its gap. */
    uint64_t last_at = dmg_max_u64( x->final_at[ i ], x->gap_from ), tail = last_at<r->to_us ? r->to_us-last_at : 0;
    gap = dmg_max_u64( gap, dmg_max_u64( x->gap[ i ], tail ) );
    sent.bytes += x->sent[ i ].bytes; sent.frames += x->sent[ i ].frames;
    got.bytes += x->got[ i ].bytes;
  }
  uint64_t * between = malloc( sizeof( uint64_t )*( blocks+1 ) ), last = 0, lost = 0, views = 0, sum = 0;
  uint32_t between_cnt = 0;
  for( uint64_t h = blocks0+1; h<=w->finals_top; h++ ) {
    simblk_t const * b = blk_get( w, &w->finals[ h ] );
    uint64_t at = b && b->h.view<VIEW_MAX ? x->proposed_at[ b->h.view ] : 0;
    if( at && last ) { between[ between_cnt++ ] = at-last; sum += at-last; }
    last = at;
  }
  for( uint64_t v = 1; v<=x->top; v++ ) { lost += x->is_nulled[ v ]; views += x->proposed_at[ v ] || x->is_nulled[ v ]; }
  qsort( between, between_cnt, sizeof *between, cmp_u64 );
  qsort( x->finality, x->finality_cnt, sizeof *x->finality, cmp_u64 );
  double per = (double)live*( blocks ? blocks : 1 );
  out[ M_FIN50 ]    = at_ms( x->finality, x->finality_cnt, 500 );
  out[ M_FIN90 ]    = at_ms( x->finality, x->finality_cnt, 900 );
  out[ M_FIN99 ]    = at_ms( x->finality, x->finality_cnt, 990 );
  out[ M_INT50 ]    = at_ms( between, between_cnt, 500 );
  out[ M_INT99 ]    = at_ms( between, between_cnt, 990 );
  out[ M_INT_MEAN ] = between_cnt ? (double)sum/1e3/between_cnt : -1;
  out[ M_LOST ]     = views ? 100.0*(double)lost/(double)views : 0;
  out[ M_GAP ]      = (double)gap/1e3;
  out[ M_SENT ]     = (double)sent.bytes/per;
  out[ M_GOT ]      = (double)got.bytes/per;
  out[ M_FRAMES ]   = (double)sent.frames/per;
  out[ M_CPU ]      = (double)( cpu-cpu0 )/1e6/per;
  free( between );
  wan_fini( x );
  free( x );
  w->wan = NULL;
  world_teardown( w );
  return ok;
}

#define S 1000000u
static row_t const rows[] = {
  { .row = "idle",          .place = P_GLOBAL,   .n = 4,   .from_us = 5*S, .to_us = 65*S, .seeds = 9 },
  { .row = "idle",          .place = P_GLOBAL,   .n = 16,  .from_us = 5*S, .to_us = 65*S, .seeds = 9 },
  { .row = "idle",          .place = P_GLOBAL,   .n = 64,  .from_us = 5*S, .to_us = 45*S, .seeds = 7 },
  { .row = "idle",          .place = P_GLOBAL,   .n = 100, .from_us = 5*S, .to_us = 35*S, .seeds = 7 },
  { .row = "idle",          .place = P_GLOBAL,   .n = 128, .from_us = 5*S, .to_us = 25*S, .seeds = 5 },
  { .row = "idle",          .place = P_EU,       .n = 16,  .from_us = 5*S, .to_us = 65*S, .seeds = 9 },
  { .row = "idle",          .place = P_US,       .n = 4,   .from_us = 5*S, .to_us = 65*S, .seeds = 9 },
  { .row = "idle",          .place = P_ATLANTIC, .n = 100, .from_us = 5*S, .to_us = 35*S, .seeds = 7 },
  { .row = "network speed", .place = P_GLOBAL,   .n = 16,  .pace_ms = 1, .delta_ms = 400, .from_us = 5*S, .to_us = 65*S, .seeds = 9 },
  { .row = "network speed", .place = P_US,       .n = 4,   .pace_ms = 1, .delta_ms = 400, .from_us = 5*S, .to_us = 65*S, .seeds = 9 },
  { .row = "network speed", .place = P_EU,       .n = 16,  .pace_ms = 1, .delta_ms = 400, .from_us = 5*S, .to_us = 65*S, .seeds = 9 },
  { .row = "T = 100 ms",    .place = P_EU,       .n = 16,  .pace_ms = 100, .from_us = 5*S, .to_us = 65*S, .seeds = 9 },
  { .row = "f crashed",     .place = P_GLOBAL,   .n = 4,   .is_crashed = true, .from_us = 10*S, .to_us = 130*S, .seeds = 9 },
  { .row = "f crashed",     .place = P_GLOBAL,   .n = 16,  .is_crashed = true, .from_us = 10*S, .to_us = 130*S, .seeds = 9 },
  { .row = "f crashed",     .place = P_GLOBAL,   .n = 64,  .is_crashed = true, .from_us = 10*S, .to_us = 70*S, .seeds = 7 },
  { .row = "f crashed",     .place = P_GLOBAL,   .n = 100, .is_crashed = true, .from_us = 10*S, .to_us = 50*S, .seeds = 7 },
  { .row = "f crash at once", .place = P_GLOBAL, .n = 4,   .crash_us = 20*S, .from_us = 5*S, .to_us = 80*S, .seeds = 20 },
  { .row = "f crash at once", .place = P_GLOBAL, .n = 16,  .crash_us = 20*S, .from_us = 5*S, .to_us = 80*S, .seeds = 20 },
  { .row = "f crash at once", .place = P_GLOBAL, .n = 64,  .crash_us = 10*S, .from_us = 5*S, .to_us = 40*S, .seeds = 20 },
  { .row = "f crash at once", .place = P_GLOBAL, .n = 100, .crash_us = 10*S, .from_us = 5*S, .to_us = 30*S, .seeds = 20 },
  { .row = "10 % loss",     .place = P_GLOBAL,   .n = 16,  .loss_ppm = 100000, .from_us = 5*S, .to_us = 65*S, .seeds = 9 },
  { .row = "2 % loss, f crashed", .place = P_GLOBAL, .n = 16, .loss_ppm = 20000, .is_crashed = true, .from_us = 10*S, .to_us = 130*S, .seeds = 9 },
  { .row = "10 % loss, a stream a frame", .place = P_GLOBAL, .n = 16, .loss_ppm = 100000, .is_unordered = true, .from_us = 5*S, .to_us = 65*S, .seeds = 9 },
  { .row = "2 % loss, f crashed, a stream a frame", .place = P_GLOBAL, .n = 16, .loss_ppm = 20000, .is_crashed = true, .is_unordered = true, .from_us = 10*S, .to_us = 130*S, .seeds = 9 },
  { .row = "cut for 5 s",   .place = P_GLOBAL,   .n = 16,  .cut_us = 5*S,  .from_us = 10*S, .to_us = 50*S, .seeds = 20 },
  { .row = "cut for 20 s",  .place = P_GLOBAL,   .n = 16,  .cut_us = 20*S, .from_us = 10*S, .to_us = 80*S, .seeds = 20 },
  { .row = "BLS",           .place = P_GLOBAL,   .n = 100, .from_us = 5*S, .to_us = 15*S, .seeds = 1, .is_real = true },
};

static void usage( void ) {
  puts( "usage: sim --figures [--rows TEXT] [-n N] [--seeds K] [--check]\n"
        "Prints a line a figure: row, place, n, figure, median, least, largest, seeds, by tabs.  --rows only those whose name begins so; --seeds K at most so many;\n"
        "--check instead holds finality and losses of the small rows against the page's targets (virtual time: the same on every machine)" );
}

/* The targets that virtual time can be held to, C17.1. */
static int check( void ) {
  static struct { row_t row; double fin50, fin99, int50, lost; } const want[] = {
    { { .row = "idle",      .place = P_GLOBAL, .n = 4,  .from_us = 5*S, .to_us = 35*S }, 230, 290, 262, 0.5 },
    { { .row = "idle",      .place = P_GLOBAL, .n = 16, .from_us = 5*S, .to_us = 35*S }, 340, 440, 262, 0.5 },
    { { .row = "idle",      .place = P_EU,     .n = 16, .from_us = 5*S, .to_us = 35*S }, 70, 90, 262, 0.5 },
    { { .row = "idle",      .place = P_US,     .n = 4,  .from_us = 5*S, .to_us = 35*S }, 110, 140, 262, 0.5 },
    { { .row = "f crashed", .place = P_GLOBAL, .n = 16, .is_crashed = true, .from_us = 10*S, .to_us = 70*S }, 430, 550, 400, 100 },
  };
  world_t * w = grow( NULL, sizeof *w );
  int rc = 0;
  for( unsigned i = 0; i<sizeof want/sizeof want[ 0 ]; i++ ) {
    double m[ M_CNT ];
    bool ok = run( w, &want[ i ].row, 1, m ) && m[ M_FIN50 ]>0 && m[ M_FIN50 ]<=want[ i ].fin50 && m[ M_FIN99 ]<=want[ i ].fin99 && m[ M_INT50 ]<=want[ i ].int50 && m[ M_LOST ]<=want[ i ].lost;
    printf( "%s  %s, %s, n=%u: finality p50 %.1f of %.0f, p99 %.1f of %.0f, interval %.1f of %.0f ms, nullified %.2f %%\n", ok ? "ok    " : "MISSED", want[ i ].row.row, place_names[ want[ i ].row.place ], want[ i ].row.n, m[ M_FIN50 ],
            want[ i ].fin50, m[ M_FIN99 ], want[ i ].fin99, m[ M_INT50 ], want[ i ].int50, m[ M_LOST ] );
    rc |= !ok;
  }
  free( w );
  return rc;
}

int figures_main( int argc, char ** argv ) {
  char const * only = "";
  uint64_t seeds_max = 100, n = 0;
  bool is_check = false;
  for( int i = 1; i<argc; i++ ) {
    char const * a = argv[ i ], * v = i+1<argc ? argv[ i+1 ] : "";
    if( !strcmp( a, "--rows" ) )       { only = v; i++; }
    else if( !strcmp( a, "--seeds" ) ) { seeds_max = strtoull( v, NULL, 0 ); i++; }
    else if( !strcmp( a, "-n" ) )      { n = strtoull( v, NULL, 0 ); i++; }
    else if( !strcmp( a, "--check" ) ) is_check = true;
    else { usage(); return strcmp( a, "--help" ) ? 2 : 0; }
  }
  dmg_crypto_init( dmg_cpu_flags() );
  if( is_check ) return check();
  if( !seeds_max ) { usage(); return 2; }
  world_t * w = grow( NULL, sizeof *w );
  int rc = 0;
  for( unsigned i = 0; i<sizeof rows/sizeof rows[ 0 ] && !rc; i++ ) {
    row_t const * r = &rows[ i ];
    if( strncmp( r->row, only, strlen( only ) ) || ( n && n!=r->n ) ) continue;
    uint32_t seeds = r->seeds<seeds_max ? r->seeds : (uint32_t)seeds_max;
    double m[ 32 ][ M_CNT ], v[ 32 ];
    uint64_t t0 = dmg_os_mono_ns();
    for( uint32_t s = 0; s<seeds && !rc; s++ ) rc = !run( w, r, s+1, m[ s ] );
    if( rc ) break;
    fprintf( stderr, "%s, %s, n=%u: %u seeds of %lu s in %.1f s\n", r->row, place_names[ r->place ], r->n, seeds, r->to_us/S, (double)( dmg_os_mono_ns()-t0 )/1e9 );
    for( unsigned k = 0; k<M_CNT; k++ ) {
      if( k==M_CPU && !r->is_real ) continue;
      for( uint32_t s = 0; s<seeds; s++ ) v[ s ] = m[ s ][ k ];
      qsort( v, seeds, sizeof v[ 0 ], cmp_d );
      printf( "%s\t%s\t%u\t%s\t%.2f\t%.2f\t%.2f\t%u\n", r->row, place_names[ r->place ], r->n, metric_names[ k ], v[ seeds/2 ], v[ 0 ], v[ seeds-1 ], seeds );
    }
    fflush( stdout );
  }
  free( w );
  return rc;
}
