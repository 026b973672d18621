/* maddr and peer_record: forms, numbers, networks; an envelope that js-libp2p made, byte for byte, and what is false about others. */
#include "crypto/sig.h"
#include "network/chainnet_wire.h"
#include "network/peer_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* @libp2p/peer-record 9.0.16: RecordEnvelope.seal of seed 00..1f, seq 1790000000123, these addresses; and it opens ours (the bytes are the same). */
static char const js_envelope[] =
  "0a240801122003a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8120203011a710a2600240801122003a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664"
  "125531b810fbd8c1a28c341a0a0a0804c000024d061cca1a190a172920010db800000000000000000000000191021ccacd031a190a1736106e6f64652e6578616d706c652e6f72670601bbdd032a40c5"
  "f51d042e27a9255bfb5dc3c435dd61e220ef481aed3e91dfd0ba90231980bb2b87ec906f4eb01c153daa6458401aa37edc8371c798c820d76ef5bfab86c60e";
static char const * const js_addrs[] = { "/ip4/192.0.2.77/tcp/7370", "/ip6/2001:db8::1/udp/7370/quic-v1", "/dns4/node.example.org/tcp/443/ws" };

static dmg_maddr_t addr_of( char const * text ) {
  dmg_maddr_t a;
  if( !dmg_maddr_parse( text, &a ) ) fail_msg( "%s", text );
  return a;
}

static void test_addresses_as_text_and_bytes( void ** state ) {
  static struct { char const * in, * out; } const good[] = {
    { "/ip4/1.2.3.4/tcp/7370", NULL }, { "/ip4/255.255.255.255/udp/1/quic-v1", NULL }, { "/ip4/0.0.0.0/tcp/65535/ws", NULL }, { "/dns/a/tcp/1", NULL }, { "/dns6/x-y.example/udp/9/quic-v1", NULL },
    { "/ip6/::1/tcp/7370", "/ip6/0:0:0:0:0:0:0:1/tcp/7370" }, { "/ip6/::/tcp/1", "/ip6/0:0:0:0:0:0:0:0/tcp/1" }, { "/ip6/2001:DB8::a:0:1/tcp/1", "/ip6/2001:db8:0:0:0:a:0:1/tcp/1" },
    { "/ip6/1::/tcp/1", "/ip6/1:0:0:0:0:0:0:0/tcp/1" }, { "/ip6/1:2:3:4:5:6:7:8/tcp/1", NULL }, { "/ip6/::2:3:4:5:6:7:8/tcp/1", "/ip6/0:2:3:4:5:6:7:8/tcp/1" }, { "/ip6/1:2:3:4:5:6:7::/tcp/1", "/ip6/1:2:3:4:5:6:7:0/tcp/1" } };
  for( unsigned i = 0; i<sizeof good/sizeof *good; i++ ) {
    dmg_maddr_t a = addr_of( good[ i ].in ), b;
    char text[ DMG_MADDR_TEXT_SZ ];
    dmg_maddr_text( &a, text );
    assert_string_equal( text, good[ i ].out ? good[ i ].out : good[ i ].in );
    assert_true( dmg_maddr_decode( dmg_span( a.b, a.sz ), &b ) && dmg_maddr_eq( &a, &b ) );
    for( size_t n = 0; n<a.sz; n++ ) {
      uint8_t * cut = malloc( n ? n : 1 );
      memcpy( cut, a.b, n );
      bool is_prefix = dmg_maddr_decode( dmg_span( cut, n ), &b );
      /* "/ws" is the one tail that may be missing. */
      if( is_prefix && !( strstr( good[ i ].in, "/ws" ) && n+2==a.sz ) ) fail_msg( "%zu of %s", n, good[ i ].in );
      free( cut );
    }
    uint8_t more[ DMG_MADDR_SZ_MAX+1 ] = { 0 };
    memcpy( more, a.b, a.sz );
    assert_false( dmg_maddr_decode( dmg_span( more, a.sz+1u ), &b ) );
  }
  static char const * const bad[] = { "", "/", "/ip4/1.2.3/tcp/1", "/ip4/1.2.3.256/tcp/1", "/ip4/01.2.3.4/tcp/1", "/ip4/1.2.3.4", "/ip4/1.2.3.4/tcp/0", "/ip4/1.2.3.4/tcp/65536", "/ip4/1.2.3.4/tcp/1/", "/ip4/1.2.3.4/tcp/ 1",
    "/ip4/1.2.3.4/udp/1", "/ip4/1.2.3.4/udp/1/quic", "/ip4/1.2.3.4/tcp/1/wss", "/ip4/1.2.3.4/tcp/1/p2p/x", "/ip6/1:2:3:4:5:6:7/tcp/1", "/ip6/1:2:3:4:5:6:7:8:9/tcp/1", "/ip6/1::2::3/tcp/1", "/ip6/::12345/tcp/1", "/ip6/:1/tcp/1",
    "/ip6/1:/tcp/1", "/ip6/1:2:3:4:5:6:7:8::/tcp/1", "/ip6/::1.2.3.4/tcp/1", "/dns//tcp/1", "/dns/a_b/tcp/1", "/dns/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/tcp/1", "/dns/a\x01/tcp/1", "/mem/3", "ip4/1.2.3.4/tcp/1" };
  dmg_maddr_t a;
  for( unsigned i = 0; i<sizeof bad/sizeof *bad; i++ ) if( dmg_maddr_parse( bad[ i ], &a ) ) fail_msg( "%s", bad[ i ] );
  /* Codes in two bytes where one does, and past two. */
  assert_false( dmg_maddr_decode( DMG_SPAN_STR( "\x84\x00\x01\x02\x03\x04\x06\x00\x01" ), &a ) );
  assert_false( dmg_maddr_decode( DMG_SPAN_STR( "\x04\x01\x02\x03\x04\x86\x80\x00\x00\x01" ), &a ) );
}

static void test_networks( void ** state ) {
  static struct { char const * host; dmg_maddr_class_t is; } const row[] = {
    { "/ip4/8.8.8.8", DMG_MADDR_PUBLIC }, { "/ip4/9.255.255.255", DMG_MADDR_PUBLIC }, { "/ip4/10.0.0.1", DMG_MADDR_PRIVATE }, { "/ip4/11.0.0.0", DMG_MADDR_PUBLIC }, { "/ip4/127.0.0.1", DMG_MADDR_PRIVATE },
    { "/ip4/172.15.255.255", DMG_MADDR_PUBLIC }, { "/ip4/172.16.0.0", DMG_MADDR_PRIVATE }, { "/ip4/172.31.255.255", DMG_MADDR_PRIVATE }, { "/ip4/172.32.0.0", DMG_MADDR_PUBLIC }, { "/ip4/192.168.1.1", DMG_MADDR_PRIVATE },
    { "/ip4/192.169.0.0", DMG_MADDR_PUBLIC }, { "/ip4/169.254.169.254", DMG_MADDR_PRIVATE }, { "/ip4/100.63.255.255", DMG_MADDR_PUBLIC }, { "/ip4/100.64.0.0", DMG_MADDR_PRIVATE }, { "/ip4/100.127.255.255", DMG_MADDR_PRIVATE },
    { "/ip4/100.128.0.0", DMG_MADDR_PUBLIC }, { "/ip4/0.0.0.0", DMG_MADDR_NOBODY }, { "/ip4/224.0.0.1", DMG_MADDR_NOBODY }, { "/ip4/255.255.255.255", DMG_MADDR_NOBODY }, { "/ip4/198.19.0.1", DMG_MADDR_PRIVATE }, { "/ip4/203.0.113.9", DMG_MADDR_NOBODY },
    { "/ip6/::1", DMG_MADDR_PRIVATE }, { "/ip6/::", DMG_MADDR_NOBODY }, { "/ip6/::2", DMG_MADDR_NOBODY }, { "/ip6/fe80::1", DMG_MADDR_PRIVATE }, { "/ip6/fd77::1", DMG_MADDR_PRIVATE }, { "/ip6/ff02::1", DMG_MADDR_NOBODY },
    { "/ip6/2600::1", DMG_MADDR_PUBLIC }, { "/ip6/2001:db8::1", DMG_MADDR_NOBODY }, { "/ip6/::ffff:7f00:1", DMG_MADDR_PRIVATE }, { "/ip6/::ffff:808:808", DMG_MADDR_PUBLIC }, { "/ip6/64:ff9b::a00:1", DMG_MADDR_PRIVATE },
    { "/ip6/2002:7f00:1::", DMG_MADDR_PRIVATE }, { "/dns4/localhost", DMG_MADDR_NAME } };
  for( unsigned i = 0; i<sizeof row/sizeof *row; i++ ) {
    char text[ 96 ];
    snprintf( text, sizeof text, "%s/tcp/7370", row[ i ].host );
    dmg_maddr_t a = addr_of( text );
    if( dmg_maddr_class( &a )!=row[ i ].is ) fail_msg( "%s is %d", text, (int)dmg_maddr_class( &a ) );
  }
  static struct { char const * a, * b; bool is_same; } const pairs[] = {
    { "/ip4/1.2.3.4/tcp/1", "/ip4/1.2.200.4/udp/9/quic-v1", true }, { "/ip4/1.2.3.4/tcp/1", "/ip4/1.3.3.4/tcp/1", false }, { "/ip6/2600:1:2::/tcp/1", "/ip6/2600:1:3::/tcp/1", true }, { "/ip6/2600:1::/tcp/1", "/ip6/2600:2::/tcp/1", false },
    { "/ip6/::ffff:102:304/tcp/1", "/ip4/1.2.9.9/tcp/1", true }, { "/ip6/2002:102::/tcp/1", "/ip4/1.2.9.9/tcp/1", true }, { "/dns/a.example/tcp/1", "/dns4/b.example/tcp/1", true }, { "/dns/a.example/tcp/1", "/dns/a.else/tcp/1", false } };
  for( unsigned i = 0; i<sizeof pairs/sizeof *pairs; i++ ) {
    dmg_maddr_t a = addr_of( pairs[ i ].a ), b = addr_of( pairs[ i ].b );
    dmg_maddr_group_t x = dmg_maddr_group( &a ), y = dmg_maddr_group( &b );
    if( dmg_maddr_group_eq( &x, &y )!=pairs[ i ].is_same ) fail_msg( "%s, %s", pairs[ i ].a, pairs[ i ].b );
  }
}

static dmg_peer_record_t record_of( uint8_t const seed[ 32 ] ) {
  uint8_t key[ 32 ];
  dmg_peer_record_t r = { .seq = 1790000000123u, .addr_cnt = 3 };
  dmg_ed25519_public( seed, key );
  dmg_wire_peer_of_key( key, &r.peer );
  for( unsigned i = 0; i<3; i++ ) r.addrs[ i ] = addr_of( js_addrs[ i ] );
  return r;
}

static void test_ours_is_js_libp2ps( void ** state ) {
  uint8_t seed[ 32 ], out[ DMG_PEER_RECORD_SZ_MAX ];
  for( unsigned i = 0; i<32; i++ ) seed[ i ] = (uint8_t)i;
  dmg_peer_record_t r = record_of( seed ), back;
  size_t sz = dmg_peer_record_sign( &r, seed, out );
  char hex[ 2*DMG_PEER_RECORD_SZ_MAX+1 ];
  dmg_hex_encode( out, sz, hex );
  assert_string_equal( hex, js_envelope );
  assert_int_equal( dmg_peer_record_decode( dmg_span( out, sz ), &back ).kind, DMG_VERDICT_GOOD );
  assert_int_equal( back.seq, r.seq );
  assert_int_equal( back.addr_cnt, 3 );
  assert_true( dmg_net_peer_eq( &back.peer, &r.peer ) );
  for( unsigned i = 0; i<3; i++ ) assert_true( dmg_maddr_eq( &back.addrs[ i ], &r.addrs[ i ] ) );
  /* Every bit counts, every length, no byte more. */
  for( size_t i = 0; i<8*sz; i++ ) {
    out[ i/8 ] ^= (uint8_t)( 1u<<( i%8 ) );
    if( dmg_peer_record_decode( dmg_span( out, sz ), &back ).kind==DMG_VERDICT_GOOD ) fail_msg( "bit %zu", i );
    out[ i/8 ] ^= (uint8_t)( 1u<<( i%8 ) );
  }
  for( size_t n = 0; n<sz; n++ ) {
    uint8_t * cut = malloc( n ? n : 1 );
    memcpy( cut, out, n );
    assert_int_equal( dmg_peer_record_decode( dmg_span( cut, n ), &back ).kind, DMG_VERDICT_BAD );
    free( cut );
  }
  out[ sz ] = 0;
  assert_int_equal( dmg_peer_record_decode( dmg_span( out, sz+1 ), &back ).kind, DMG_VERDICT_BAD );
  static uint8_t big[ DMG_PEER_RECORD_SZ_MAX+1 ];
  assert_int_equal( dmg_peer_record_decode( DMG_SPAN( big ), &back ).kind, DMG_VERDICT_BAD );
}

static void test_records_are_signed_by_whom_they_name( void ** state ) {
  uint8_t seed[ 32 ] = { 1 }, other[ 32 ] = { 2 }, out[ DMG_PEER_RECORD_SZ_MAX ];
  dmg_peer_record_t r = record_of( seed ), back;
  size_t sz = dmg_peer_record_sign( &r, other, out );
  dmg_verdict_t v = dmg_peer_record_decode( dmg_span( out, sz ), &back );
  assert_true( v.kind==DMG_VERDICT_BAD && !strcmp( v.field, "record.peer" ) );
  /* Without addresses, and with four of the longest. */
  r.addr_cnt = 0;
  sz = dmg_peer_record_sign( &r, seed, out );
  assert_int_equal( dmg_peer_record_decode( dmg_span( out, sz ), &back ).kind, DMG_VERDICT_GOOD );
  r.addr_cnt = 4;
  for( unsigned i = 0; i<4; i++ ) r.addrs[ i ] = addr_of( "/dns4/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/udp/65535/quic-v1" );
  r.seq = UINT64_MAX;
  sz = dmg_peer_record_sign( &r, seed, out );
  assert_int_equal( dmg_peer_record_decode( dmg_span( out, sz ), &back ).kind, DMG_VERDICT_GOOD );
  assert_true( back.addr_cnt==4 && back.seq==UINT64_MAX );
}

int main( void ) {
  struct CMUnitTest const tests[] = { cmocka_unit_test( test_addresses_as_text_and_bytes ), cmocka_unit_test( test_networks ), cmocka_unit_test( test_ours_is_js_libp2ps ), cmocka_unit_test( test_records_are_signed_by_whom_they_name ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
