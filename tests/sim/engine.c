#include "sim.h"

#include <stdarg.h>

void * grow( void * p, size_t sz ) {
  void * q = realloc( p, sz );
  DMG_ASSERT( q );
  return q;
}

/* Streams from one seed never meet in a run's length. */
uint64_t rng_next( rng_t * r ) { return dmg_rnd_u64( &r->s ); }

static bool is_before( ev_t const * a, ev_t const * b ) { return a->at!=b->at ? a->at<b->at : a->seq<b->seq; }

void push( world_t * w, ev_t ev ) {
  if( w->heap_cnt==w->heap_cap ) {
    w->heap_cap = w->heap_cap ? 2*w->heap_cap : 1024;
    w->heap = grow( w->heap, w->heap_cap*sizeof *w->heap );
  }
  DMG_ASSERT( ev.at>=w->now );
  ev.seq = ++w->seq;
  uint32_t i = w->heap_cnt++;
  for( ; i && is_before( &ev, &w->heap[ ( i-1 )/2 ] ); i = ( i-1 )/2 ) w->heap[ i ] = w->heap[ ( i-1 )/2 ];
  w->heap[ i ] = ev;
}

bool pop( world_t * w, ev_t * out ) {
  if( !w->heap_cnt ) return false;
  *out = w->heap[ 0 ];
  ev_t last = w->heap[ --w->heap_cnt ];
  uint32_t i = 0;
  for( ;; ) {
    uint32_t k = 2*i+1;
    if( k>=w->heap_cnt ) break;
    if( k+1<w->heap_cnt && is_before( &w->heap[ k+1 ], &w->heap[ k ] ) ) k++;
    if( !is_before( &w->heap[ k ], &last ) ) break;
    w->heap[ i ] = w->heap[ k ];
    i = k;
  }
  w->heap[ i ] = last;
  return true;
}

void fail( world_t * w, char const * fmt, ... ) {
  if( w->why[ 0 ] ) return;
  va_list ap;
  va_start( ap, fmt );
  vsnprintf( w->why, sizeof w->why, fmt, ap );
  va_end( ap );
  if( w->trace ) fprintf( w->trace, "%12.6f  VIOLATION  %s\n", (double)w->now/1e6, w->why );
}

void trace( world_t * w, char const * fmt, ... ) {
  if( !w->trace ) return;
  va_list ap;
  fprintf( w->trace, "%12.6f  ", (double)w->now/1e6 );
  va_start( ap, fmt );
  vfprintf( w->trace, fmt, ap );
  va_end( ap );
  fputc( '\n', w->trace );
}

void sim_key( world_t const * w, uint32_t id, node_t * n ) {
  if( !w->cfg.is_real ) { sim_fake_key( id, n->key, &n->secret ); return; }
  /* Sets ascend by key: the id-th smallest of the first keys that hashing gives, ten for small worlds. */
  static uint8_t keys[ NODE_MAX ][ DMG_BLS_KEY_SZ ], secrets[ NODE_MAX ][ 32 ];
  static uint32_t made;
  uint32_t cnt = w->node_cnt>10 ? NODE_MAX : 10;
  for( uint32_t i = 0; i<cnt && made!=cnt; i++ ) {
    uint8_t ikm[ 32 ] = { 7, (uint8_t)i };
    dmg_bls_key_t pub;
    bool ok = dmg_bls_keygen( DMG_SPAN( ikm ), secrets[ i ] ) && dmg_bls_public( secrets[ i ], &pub );
    DMG_ASSERT( ok );
    dmg_bls_key_store( &pub, keys[ i ] );
    for( uint32_t k = i; k && memcmp( keys[ k-1 ], keys[ k ], DMG_BLS_KEY_SZ )>0; k-- ) {
      uint8_t t[ DMG_BLS_KEY_SZ ];
      memcpy( t, keys[ k ], DMG_BLS_KEY_SZ ); memcpy( keys[ k ], keys[ k-1 ], DMG_BLS_KEY_SZ ); memcpy( keys[ k-1 ], t, DMG_BLS_KEY_SZ );
      memcpy( t, secrets[ k ], 32 );          memcpy( secrets[ k ], secrets[ k-1 ], 32 );       memcpy( secrets[ k-1 ], t, 32 );
    }
  }
  made = cnt;
  memcpy( n->key, keys[ id ], DMG_BLS_KEY_SZ );
  memcpy( n->real_secret, secrets[ id ], 32 );
}

void sim_sign( world_t const * w, node_t const * n, dmg_bls_use_t use, dmg_span_t msg, uint8_t out_raw[ DMG_BLS_SIG_RAW_SZ ] ) {
  if( !w->cfg.is_real ) { sim_fake_sign( &n->secret, use, msg, out_raw ); return; }
  dmg_bls_sig_t sig;
  bool ok = dmg_bls_sign( n->real_secret, use, msg, &sig );
  DMG_ASSERT( ok );
  dmg_bls_sig_store_raw( &sig, out_raw );
}
