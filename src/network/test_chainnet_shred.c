/* Bodies of proposals in shards: who relays how many, what leaders and relays that lie or are silent can do. */
#include "network/test_chainnet_body.h"

static void test_shares_follow_the_stake( void ** state ) {
  static set_t s;
  /* Four equal: 16 shards, four each; any third has four. */
  s = (set_t){ .cnt = 4, .weights = { 5, 5, 5, 5 } };
  shred_shares( &s );
  assert_true( s.k==8 && s.n==16 );
  for( unsigned i = 0; i<4; i++ ) assert_int_equal( s.share[ i ], 4 );
  /* 10/17 x 16 = 9.41, 6/17 x 16 = 5.65, 1/17 x 16 = 0.94: 9 5 0, then the largest rests: 2 and 1. */
  s = (set_t){ .cnt = 3, .weights = { 10, 6, 1 } };
  shred_shares( &s );
  assert_true( s.share[ 0 ]==9 && s.share[ 1 ]==6 && s.share[ 2 ]==1 && s.k==8 );
  for( unsigned i = 0; i<DMG_SET_MAX; i++ ) s.weights[ i ] = 1;
  s.cnt = DMG_SET_MAX;
  shred_shares( &s );
  assert_true( s.k==64 && s.n==128 && s.share[ 0 ]==1 && s.share[ 127 ]==1 );
  s.cnt = 100;
  shred_shares( &s );                                    /* 28 have two; 33 of them hold 28 x 2 + 5 = 61 */
  assert_true( s.k==64 && s.share[ 0 ]==2 && s.share[ 27 ]==2 && s.share[ 28 ]==1 );
  s.cnt = 65;                                            /* 63 have two: a third, 21, holds 42 */
  shred_shares( &s );
  assert_true( s.k==64 && s.n==128 );
  s = (set_t){ .cnt = 2, .weights = { UINT64_MAX, 1 } };
  shred_shares( &s );
  assert_true( s.total==0 && s.k==0 );
  /* Against all subsets, on random stakes: k is the largest that a third's silence leaves. */
  uint64_t seed = 99;
  printf( "seed %llu\n", (unsigned long long)seed );
  for( unsigned round = 0; round<300; round++ ) {
    uint32_t cnt = 1+(uint32_t)( dmg_rnd_u64( &seed )%12 ), most = 0;
    s = (set_t){ .cnt = cnt };
    for( uint32_t i = 0; i<cnt; i++ ) s.weights[ i ] = 1+( round%3 ? dmg_rnd_u64( &seed )%100 : i%4==0 ? 1000 : dmg_rnd_u64( &seed )%200 );
    shred_shares( &s );
    uint32_t full = s.n/2, sum = 0;
    for( uint32_t i = 0; i<cnt; i++ ) sum += s.share[ i ];
    assert_true( sum==s.n && full>=8 );
    for( uint32_t m = 0; m<1u<<cnt; m++ ) {
      uint64_t w = 0;
      uint32_t v = 0;
      for( uint32_t i = 0; i<cnt; i++ ) if( m>>i&1 ) { w += s.weights[ i ]; v += s.share[ i ]; }
      if( 3*w<s.total && v>most ) most = v;
    }
    assert_int_equal( shred_third( &s ), most );
    assert_int_equal( s.k, full );                       /* up to 64 members none needs less */
  }
  /* 100 of half a shard, of whom 50 get one, and 26 of three: 49 and six of the others are less than a third and hold 67 of 128. */
  s = (set_t){ .cnt = 126 };
  for( uint32_t i = 0; i<126; i++ ) s.weights[ i ] = i<100 ? 1 : 6;
  shred_shares( &s );
  assert_true( s.share[ 49 ]==1 && s.share[ 50 ]==0 && s.share[ 125 ]==3 );
  assert_int_equal( shred_third( &s ), 67 );
  assert_true( s.n==128 && s.k==61 );
}

/* A leader's own shards, as it likes them: edit 1 parity of nothing, 2 a body of another hash. */
typedef struct { dmg_wire_head_t head; uint8_t mem[ 16*131072 ]; dmg_hash_t leaves[ 16 ]; size_t sz; } shards_t;

static void shards_make( shards_t * s, uint64_t view, int edit ) {
  static dmg_rs_t rs;
  s->sz = dmg_wire_shard_sz( (uint32_t)body.sz, 8 );
  memset( s->mem, 0, sizeof s->mem );
  memcpy( s->mem, body.p, body.sz );
  dmg_rs_init( &rs, 8, 16 );
  dmg_rs_encode( &rs, s->sz, s->mem, s->mem+8*s->sz );
  if( edit==1 ) memset( s->mem+12*s->sz, 0x55, 4*s->sz );
  if( edit==2 ) { s->mem[ 100 ] ^= 1; dmg_rs_encode( &rs, s->sz, s->mem, s->mem+8*s->sz ); }
  dmg_merkle_t t;
  dmg_merkle_init( &t );
  for( unsigned i = 0; i<16; i++ ) { s->leaves[ i ] = dmg_h( DMG_TAG_NET_SHRED_LEAF, dmg_span( s->mem+i*s->sz, s->sz ) ); dmg_merkle_add( &t, DMG_TAG_NET_SHRED_NODE, &s->leaves[ i ] ); }
  s->head = (dmg_wire_head_t){ .view = view, .body_hash = body_hash, .body_len = (uint32_t)body.sz, .form = DMG_WIRE_SHREDS, .k = 8, .shard_root = dmg_merkle_end( &t, DMG_TAG_NET_SHRED_NODE ) };
  dmg_wire_head_sign( &s->head, &test_genesis, seeds[ 0 ] );
}

static dmg_buf_t shard_frame( shards_t * s, unsigned i ) {
  dmg_hash_t work[ 16 ];
  dmg_wire_shard_t w = { .head = s->head, .index = (uint16_t)i, .bytes = dmg_span( s->mem+i*s->sz, s->sz ) };
  memcpy( work, s->leaves, sizeof work );
  dmg_merkle_path( DMG_TAG_NET_SHRED_NODE, work, 16, i, &w.path );
  dmg_buf_t f = dmg_buf( 1u<<20 );
  assert_int_equal( dmg_wire_shard_encode( &w, &f ), DMG_OK );
  return f;
}

/* By Python's hashlib and a field by shift and xor: who relays; the root over the shards of 300 bytes. */
static void test_relays_and_roots_are_these( void ** state ) {
  begin( 19, 0, 0 );
  member_cnt = 4;
  validators( 2 );
  assert_int_equal( dmg_chainnet_set_members( nodes[ 1 ].net, 3, members, 4, dmg_mem_net_now( world ) ), DMG_OK );
  uint8_t relays[ DMG_WIRE_SHARD_CNT_MAX ];
  uint8_t const want[ 16 ] = { 1, 0, 0, 0, 0, 3, 2, 3, 3, 1, 1, 3, 2, 1, 2, 2 };
  assert_true( shred_relays( nodes[ 1 ].net, set_of( nodes[ 1 ].net, 3 ), 9, relays ) );
  assert_memory_equal( relays, want, 16 );
  uint8_t bytes[ 300 ];
  for( unsigned i = 0; i<300; i++ ) bytes[ i ] = (uint8_t)( i*7+3 );
  body = dmg_buf( 1u<<20 );
  assert_int_equal( dmg_buf_append( &body, bytes, sizeof bytes ), DMG_OK );
  static shards_t s;
  shards_make( &s, 1, 0 );
  char hex[ 65 ];
  dmg_hex_encode( s.head.shard_root.b, 32, hex );
  assert_string_equal( hex, "b7f5153ffb79ea746980e2104dadfa812ec29ff86142de16d5b8f2aee037f9d5" );
  end();
}

static void test_shards_bring_a_large_body( void ** state ) {
  for( unsigned n = 4; n<=16; n += 12 ) {
    mesh( 20+n, n );
    body_make( 1000, 1020 );
    push( 0, 1 );
    run( 100 );
    assert_int_equal( pushed_cnt(), n-1 );
    uint64_t relayed = 0, in = 0;
    uint32_t k = n<8 ? 8 : n;
    for( unsigned i = 1; i<n; i++ ) {
      relayed += info_of( &nodes[ i ] ).shards_relayed;
      in      += info_of( &nodes[ i ] ).shards_in;
      assert_int_equal( info_of( &nodes[ i ] ).bodies_by_in[ DMG_WIRE_SHREDS ], 1 );
      assert_int_equal( info_of( &nodes[ i ] ).shards_bad, 0 );
    }
    uint32_t own = 2*k/n;
    assert_int_equal( relayed, 2*k-own );
    assert_int_equal( in, (uint64_t)( 2*k )*( n-1 ) );   /* each shard once to everybody */
    uint64_t sz = DMG_WIRE_HEAD_SZ+2+1+33*( k==8 ? 4 : 5 )+dmg_wire_shard_sz( (uint32_t)body.sz, k );
    assert_int_equal( info_of( &nodes[ 0 ] ).bodies_sz_out, sz*( 2*k-own+own*( n-1 ) ) );
    push( 0, 1 );                                        /* again: late or twice, dropped, nothing relayed */
    run( 100 );
    for( unsigned i = 1; i<n; i++ ) relayed -= info_of( &nodes[ i ] ).shards_relayed;
    assert_int_equal( relayed, 0 );
    end();
  }
}

static void test_silent_relays_are_lived_with( void ** state ) {
  mesh( 40, 16 );
  body_make( 1000, 1020 );
  for( unsigned i = 11; i<16; i++ ) nodes[ i ].is_stalled = true;   /* 5 of 16: just below a third */
  push( 0, 1 );
  run( 100 );
  assert_int_equal( pushed_cnt(), 10 );
  /* And with frames lost and broken beside. */
  for( unsigned i = 11; i<16; i++ ) nodes[ i ].is_stalled = false;
  run( 3000 );
  dmg_mem_net_faults( world, &(dmg_mem_faults_t){ .delay_us = 5000, .jitter_us = 3000, .drop = 40, .garbage = 20 } );
  for( unsigned i = 12; i<16; i++ ) nodes[ i ].is_stalled = true;
  body_make( 1000, 1020 );
  pushed_reset();
  push( 0, 2 );
  run( 100 );
  assert_true( pushed_cnt()>=10 );
  end();
}

/* Who relays which shard of a view of the first epoch, as the nodes see it. */
static void relays_of( uint64_t view, uint8_t out[ DMG_WIRE_SHARD_CNT_MAX ] ) { assert_true( shred_relays( nodes[ 1 ].net, set_of( nodes[ 1 ].net, 0 ), view, out ) ); }

/* Each to its relay; the leader's own to all. */
static void shards_send( raw_t * r, shards_t * s ) {
  uint8_t relays[ DMG_WIRE_SHARD_CNT_MAX ];
  relays_of( s->head.view, relays );
  for( unsigned i = 0; i<16; i++ ) for( unsigned to = 1; to<4; to++ ) if( relays[ i ]==to || !relays[ i ] ) raw_give( r, to, 1, shard_frame( s, i ) );
}

static void test_false_shards_are_told_from_true_ones( void ** state ) {
  raw_t r;
  raw_mesh( &r, 50, 4, 0 );
  body_make( 900, 1000 );
  static shards_t s;
  uint8_t relays[ DMG_WIRE_SHARD_CNT_MAX ];
  uint64_t bad = 0;
  node_t * nd = &nodes[ 1 ];
  shards_make( &s, 1, 0 );
  relays_of( 1, relays );
  unsigned mine = 0, others = 0, leaders = 0;
  while( relays[ mine ]!=1 ) mine++;
  while( relays[ others ]!=2 ) others++;
  while( relays[ leaders ]!=0 ) leaders++;
#define SEND( frame_ ) do { raw_give( &r, 1, 1, frame_ ); raw_run( &r, 30 ); } while( 0 )
  /* Another relay's, from the leader; a byte wrong; another index; another's path; another k; signed by another. */
  SEND( shard_frame( &s, others ) );
  assert_int_equal( info_of( nd ).shards_bad, ++bad );
  dmg_buf_t f = shard_frame( &s, mine );
  f.p[ f.sz-1 ] ^= 1;
  SEND( f );
  assert_int_equal( info_of( nd ).shards_bad, ++bad );
  f = shard_frame( &s, mine );
  unsigned second = mine+1;
  while( second<16 && relays[ second ]!=1 ) second++;
  assert_true( second<16 );
  dmg_store_u16le( f.p+DMG_WIRE_HEAD_SZ, (uint16_t)second );
  SEND( f );
  assert_int_equal( info_of( nd ).shards_bad, ++bad );
  f = shard_frame( &s, mine );
  dmg_store_u16le( f.p+DMG_WIRE_HEAD_SZ, 16 );
  SEND( f );
  assert_int_equal( info_of( nd ).shards_bad, ++bad );
  f = shard_frame( &s, mine );
  SEND( ( f.sz--, f ) );                                  /* shorter than a shard of this body */
  assert_int_equal( info_of( nd ).shards_bad, ++bad );
  static shards_t t;
  shards_make( &t, 2, 0 );
  t.head.k = 4;
  dmg_wire_head_sign( &t.head, &test_genesis, seeds[ 0 ] );
  SEND( shard_frame( &t, mine ) );                        /* its shards would be twice as large */
  assert_int_equal( info_of( nd ).shards_bad, ++bad );
  shards_make( &t, 2, 0 );
  dmg_wire_head_sign( &t.head, &test_genesis, seeds[ 1 ] );
  SEND( shard_frame( &t, mine ) );
  assert_int_equal( info_of( nd ).shards_bad, ++bad );
  assert_int_equal( info_of( nd ).shards_relayed, 0 );
  /* The true ones: relayed once each, however often they come. */
  SEND( shard_frame( &s, mine ) );
  SEND( shard_frame( &s, mine ) );
  assert_int_equal( info_of( nd ).shards_relayed, 1 );
  assert_int_equal( info_of( &nodes[ 2 ] ).shards_in, 1 );
  SEND( shard_frame( &s, leaders ) );
  assert_int_equal( info_of( nd ).shards_relayed, 1 );
  assert_int_equal( info_of( nd ).shards_bad, bad );
  shards_send( &r, &s );
  raw_run( &r, 100 );
  assert_int_equal( pushed_cnt(), 3 );
  assert_int_equal( info_of( nd ).shards_bad, bad );
  raw_end( &r );
}

/* A leader sends one shard each of eight bodies, and no more: those of the next leader come all the same once the eight are past their time. */
static void test_bodies_begun_and_left_make_room( void ** state ) {
  raw_t r;
  raw_mesh( &r, 52, 4, 0 );
  body_make( 900, 1000 );
  static shards_t s;
  uint8_t relays[ DMG_WIRE_SHARD_CNT_MAX ];
  for( uint64_t view = 1; view<=4; view++ ) for( unsigned k = 0; k<2; k++ ) {
    relays_of( view, relays );
    unsigned mine = 0;
    while( relays[ mine ]!=2 ) mine++;
    shards_make( &s, view, 0 );
    s.head.body_hash.b[ 7 ] ^= (uint8_t)k;
    dmg_wire_head_sign( &s.head, &test_genesis, seeds[ 0 ] );
    raw_give( &r, 2, 1, shard_frame( &s, mine ) );
    raw_run( &r, 30 );
  }
  assert_int_equal( info_of( &nodes[ 2 ] ).shards_bad, 0 );
  raw_run( &r, 600 );
  for( unsigned i = 1; i<4; i++ ) dmg_chainnet_set_view( nodes[ i ].net, 0, 5, 0, 4 );
  body_make( 800, 1000 );
  pushed_reset();
  push( 1, 5 );
  raw_run( &r, 1000 );
  assert_int_equal( nodes[ 3 ].pushed, 1 );
  assert_int_equal( nodes[ 2 ].pushed, 1 );
  raw_end( &r );
}

/* N8.8: the decoder encodes again: whichever k came, all find the same root false. */
static void test_a_root_over_no_code_word_is_found_by_all( void ** state ) {
  for( int edit = 1; edit<=2; edit++ ) {
    raw_t r;
    raw_mesh( &r, 60+(uint64_t)edit, 4, 0 );
    body_make( 900, 1000 );
    static shards_t s;
    shards_make( &s, 1, edit );
    shards_send( &r, &s );
    raw_run( &r, 200 );
    assert_int_equal( pushed_cnt(), 0 );
    for( unsigned i = 1; i<4; i++ ) {
      assert_int_equal( info_of( &nodes[ i ] ).bodies_bad, 1 );
      assert_int_equal( info_of( &nodes[ i ] ).frames_bad, 1 );   /* the leader's: its signature stands on it */
    }
    raw_end( &r );
  }
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_shares_follow_the_stake ),
    cmocka_unit_test( test_relays_and_roots_are_these ),
    cmocka_unit_test( test_shards_bring_a_large_body ),
    cmocka_unit_test( test_silent_relays_are_lived_with ),
    cmocka_unit_test( test_false_shards_are_told_from_true_ones ),
    cmocka_unit_test( test_bodies_begun_and_left_make_room ),
    cmocka_unit_test( test_a_root_over_no_code_word_is_found_by_all ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
