/* How long one step of the core may take, with real BLS: what a peer's frame of runs costs (C11.2), beside one vote's.

     bench_cons_step [validators 100]      consensus/step .. worst_ms  the longest step;  total_ms  until all of it is taken */
#include "consensus/just.h"
#include "base/assert.h"
#include "base/os.h"

#include <stdio.h>
#include <stdlib.h>

static dmg_set_t   set;
static uint8_t     secrets[ DMG_SET_MAX ][ 32 ];
static uint8_t     sum[ 32 ];      /* of the first q secrets: it signs as all of them */
static dmg_cons_t * core;
static dmg_cons_out_t out;
static uint64_t    timer_us, now_us = 1000000, worst_ns, total_ns, steps;

/* Big-endian a + b mod the order of G1. */
static void add( uint8_t a[32], uint8_t const b[32] ) {
  static uint8_t const r[ 32 ] = { 0x73, 0xed, 0xa7, 0x53, 0x29, 0x9d, 0x7d, 0x48, 0x33, 0x39, 0xd8, 0x08, 0x09, 0xa1, 0xd8, 0x05, 0x53, 0xbd, 0xa4, 0x02, 0xff, 0xfe, 0x5b, 0xfe, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01 };
  unsigned c = 0;
  for( int i = 31; i>=0; i-- ) { c += (unsigned)a[ i ]+b[ i ]; a[ i ] = (uint8_t)c; c >>= 8; }   /* both below 2^255: no carry is left */
  if( memcmp( a, r, 32 )<0 ) return;
  int d = 0;
  for( int i = 31; i>=0; i-- ) { d += a[ i ]-r[ i ]; a[ i ] = (uint8_t)d; d >>= 8; }
}

static void step( dmg_cons_event_t * ev ) {
  ev->now_us  = now_us;
  ev->wall_ms = 1000+now_us/1000;
  uint64_t began = dmg_os_mono_ns();
  dmg_cons_step( core, ev, &out );
  uint64_t took = dmg_os_mono_ns()-began;
  if( took>worst_ns ) worst_ns = took;
  total_ns += took;
  steps++;
  for( uint32_t i = 0; i<out.cnt; i++ ) if( out.actions[ i ].kind==DMG_CONS_TIMER ) timer_us = out.actions[ i ].timer.at_us;
}

static void show( char const * what ) {
  printf( "consensus/step %-34s n=%-3u worst_ms %8.2f  total_ms %8.1f  steps %lu\n", what, set.cnt, (double)worst_ns/1e6, (double)total_ns/1e6, (unsigned long)steps );
  worst_ns = total_ns = steps = 0;
}

static dmg_run_t make_run( dmg_hash_t const * chain, uint64_t first, uint32_t cnt, uint32_t q ) {
  dmg_run_t run = { .first = first, .cnt = cnt };
  dmg_bls_sig_t sigs[ DMG_RUN_VIEWS_MAX ], all;
  dmg_bls_sig_t const * p[ DMG_RUN_VIEWS_MAX ];
  dmg_hash_t zero = { 0 };
  for( uint32_t e = 0; e<cnt; e++ ) {
    uint8_t msg[ DMG_VOTE_MSG_SZ ];
    dmg_vote_msg( DMG_VOTE_NULLIFY, chain, 0, first+e, &zero, msg );
    bool ok = dmg_bls_sign( sum, DMG_BLS_VOTE, DMG_SPAN( msg ), &sigs[ e ] );
    DMG_ASSERT( ok );
    p[ e ] = &sigs[ e ];
    for( uint32_t i = 0; i<q; i++ ) run.bitmaps[ e ][ i/8 ] |= (uint8_t)( 1u<<i%8 );
  }
  bool ok = dmg_bls_sig_sum( p, cnt, &all );
  DMG_ASSERT( ok );
  dmg_bls_sig_store( &all, run.sig );
  return run;
}

static dmg_cons_info_t info( void ) { dmg_cons_info_t i; dmg_cons_info( core, &i ); return i; }

/* One frame of runs of k views each, as many as fit, from `first` on; then the slices that are left of it.  is_false: each a lie of the cheapest kind to make and the dearest to find. */
static uint64_t bundle( dmg_hash_t const * chain, uint64_t first, uint32_t k, uint32_t q, uint16_t peer, bool is_false ) {
  static uint8_t frame[ 1+DMG_BUNDLE_HEAD_MAX+DMG_RUNS_SZ_MAX ];
  dmg_cert_t none = { 0 };
  uint32_t cnt = DMG_RUNS_SZ_MAX/DMG_RUN_SZ( k );
  frame[ 0 ] = DMG_FRAME_BUNDLE;
  size_t sz = 1+dmg_bundle_head( &none, cnt, frame+1 );
  for( uint32_t i = 0; i<cnt; i++ ) {
    dmg_run_t run = make_run( chain, first+(uint64_t)i*k, k, q );
    if( is_false ) { dmg_bls_sig_t s; uint8_t msg[ 4 ] = { 1 }; (void)dmg_bls_sign( sum, DMG_BLS_VOTE, DMG_SPAN( msg ), &s ); dmg_bls_sig_store( &s, run.sig ); }
    sz += dmg_run_encode( &run, frame+sz );
  }
  dmg_cons_event_t ev = { .kind = DMG_CONS_MSG, .msg = { .peer = peer, .frame = dmg_span( frame, sz ) } };
  step( &ev );
  for( uint32_t guard = 0; guard<100000 && timer_us<=now_us+1000; guard++ ) { now_us++; dmg_cons_event_t tick = { .kind = DMG_CONS_TICK }; step( &tick ); }
  return first+(uint64_t)cnt*k;
}

int main( int argc, char ** argv ) {
  char * end = "";
  unsigned long want = argc>1 ? strtoul( argv[ 1 ], &end, 10 ) : 100;
  if( *end || want<4 || want>DMG_SET_MAX ) { fprintf( stderr, "bench_cons_step: %s is no number of validators, 4 to %d\n", argv[ 1 ], DMG_SET_MAX ); return 2; }
  uint32_t n = (uint32_t)want;
  dmg_hash_t chain = { { 9 } };
  set.cnt = n;
  for( uint32_t i = 0; i<n; i++ ) {
    uint8_t ikm[ 32 ] = { (uint8_t)( i+1 ), 3 };
    dmg_bls_key_t key;
    bool ok = dmg_bls_keygen( DMG_SPAN( ikm ), secrets[ i ] ) && dmg_bls_public( secrets[ i ], &key );
    DMG_ASSERT( ok );
    dmg_bls_key_store( &key, set.members[ i ].key );
    set.members[ i ].weight = 1;
  }
  for( uint32_t i = 1; i<n; i++ ) for( uint32_t j = i; j && memcmp( set.members[ j-1 ].key, set.members[ j ].key, DMG_BLS_KEY_SZ )>0; j-- ) {
    dmg_member_t m = set.members[ j ]; set.members[ j ] = set.members[ j-1 ]; set.members[ j-1 ] = m;
    uint8_t s[ 32 ];
    memcpy( s, secrets[ j ], 32 ); memcpy( secrets[ j ], secrets[ j-1 ], 32 ); memcpy( secrets[ j-1 ], s, 32 );
  }
  uint32_t q = (uint32_t)dmg_set_quorum( n );
  for( uint32_t i = 0; i<q; i++ ) add( sum, secrets[ i ] );
  dmg_cons_cfg_t cfg = { .crypto = &dmg_cons_bls, .chain_id = chain, .set = &set, .n_max = n, .is_wait_off = true, .is_observer = true, .anchor = { .hash = chain },
    .record = { .version = 1, .first_height = 1, .last_height = 1000000, .weight = n, .n = (uint16_t)n, .pace_ms = 250, .window = 4, .delta_ms = 200, .cap_ms = 30000, .empty_lag = 16, .body_max = 1u<<20, .body_soft = 1u<<17, .skew_ms = 500 } };
  cfg.record.set_hash = dmg_set_hash( &set );
  dmg_arena_t * arena = dmg_arena_new( (size_t)512<<20 );
  core = arena ? dmg_cons_new( arena, &cfg, NULL ) : NULL;
  DMG_ASSERT( core );
  for( uint32_t p = 0; p<n; p++ ) { dmg_cons_event_t ev = { .kind = DMG_CONS_LINK, .link = { .peer = (uint16_t)p, .is_up = true, .key = set.members[ p ].key } }; step( &ev ); }
  worst_ns = total_ns = steps = 0;
  uint64_t next = bundle( &chain, 1, 64, q, 1, false );
  DMG_ASSERT( info().cur==next );
  show( "bundle of runs of 64 views" );
  next = bundle( &chain, next, 1, q, 2, false );
  DMG_ASSERT( info().cur==next );
  show( "bundle of single views" );
  for( uint32_t i = 0; i<8; i++ ) (void)bundle( &chain, next, 64, q, 3, true );
  show( "eight false bundles of one peer" );
  dmg_arena_free( arena );
  return 0;
}
