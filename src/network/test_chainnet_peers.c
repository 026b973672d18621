/* Peer information and discovery (N9.1, N10): who finds whom from one address, what is not dialled, false records, the peer file. */
#include "network/addrman.h"
#include "network/chainnet_int.h"
#include "network/chainnet_wire_peers.h"
#include "network/test_chainnet_mem.h"

/* The i-th of a kind of address. */
typedef enum { PUBLIC, LOOPBACK, CROWD, TEN } where_t;   /* a public /16 each; one host; all in one /16; 10.i.0.1 */
static void listens( node_t * nd, where_t where, unsigned i ) {
  char addr[ 64 ];
  switch( where ) {
    case PUBLIC:   snprintf( addr, sizeof addr, "/ip4/20.%u.0.1/tcp/7370", i ); break;
    case LOOPBACK: snprintf( addr, sizeof addr, "/ip4/127.0.0.1/tcp/%u", i ); break;
    case CROWD:    snprintf( addr, sizeof addr, "/ip4/66.66.%u.1/tcp/7370", i ); break;
    default:       snprintf( addr, sizeof addr, "/ip4/10.%u.0.1/tcp/7370", i );
  }
  dmg_chainnet_listens( nd->net, addr, false );
}

static unsigned conns( node_t * nd, unsigned * out_outbound ) {
  static dmg_chainnet_peer_t p[ 64 ];
  size_t cnt = dmg_chainnet_peers( nd->net, p, 64 );
  *out_outbound = 0;
  for( size_t i = 0; i<cnt; i++ ) {
    *out_outbound += p[ i ].is_outbound;
    for( size_t k = 0; k<i; k++ ) if( dmg_net_peer_eq( &p[ i ].peer, &p[ k ].peer ) ) fail_msg( "two connections with one peer" );
  }
  return (unsigned)cnt;
}

static bool is_connected( node_t * a, node_t * b ) {
  static dmg_chainnet_peer_t p[ 64 ];
  size_t cnt = dmg_chainnet_peers( a->net, p, 64 );
  for( size_t i = 0; i<cnt; i++ ) if( dmg_net_peer_eq( &p[ i ].peer, &b->port->self ) ) return true;
  return false;
}

/* --- finding ---------------------------------------------------------------------------------------------- */

static void test_twenty_find_each_other_from_one( void ** state ) {
  for( unsigned round = 0; round<2; round++ ) {
    begin( 300+round, 0, 0 );
    is_private = round%2;
    for( unsigned i = 0; i<20; i++ ) listens( node_add( -1, true ), is_private ? LOOPBACK : PUBLIC, i+1 );
    for( unsigned i = 1; i<20; i++ ) know( &nodes[ i ], &nodes[ 0 ] );
    run( 40000 );
    for( unsigned i = 0; i<20; i++ ) {
      unsigned outbound, cnt = conns( &nodes[ i ], &outbound );
      dmg_chainnet_info_t info = info_of( &nodes[ i ] );
      if( outbound<8 && cnt<19 ) fail_msg( "node %u has %u connections, %u outbound, knows %u and %u", i, cnt, outbound, info.new_cnt, info.tried_cnt );
      if( info.new_cnt+info.tried_cnt<15 ) fail_msg( "node %u knows %u and %u", i, info.new_cnt, info.tried_cnt );
      assert_true( info.tried_cnt+2>=outbound );          /* two may have no place */
      assert_true( cnt<=19 );
      assert_int_equal( info.requests_bad, 0 );
    }
    end();
  }
  is_private = false;
}

static void test_validators_that_know_one_become_a_mesh( void ** state ) {
  begin( 310, 0, 0 );
  is_private = true;
  for( int i = 0; i<4; i++ ) listens( node_add( i, false ), TEN, (unsigned)i+1 );
  for( unsigned i = 1; i<4; i++ ) know( &nodes[ i ], &nodes[ 0 ] );
  RUN_UNTIL( is_mesh( 4 ), 20000 );
  /* And a follower that was told of one is connected with all. */
  node_t * follower = node_add( -1, true );
  know( follower, &nodes[ 2 ] );
  RUN_UNTIL( is_connected( follower, &nodes[ 0 ] ) && is_connected( follower, &nodes[ 1 ] ) && is_connected( follower, &nodes[ 2 ] ) && is_connected( follower, &nodes[ 3 ] ), 60000 );
  assert_true( is_mesh( 4 ) );
  /* One moves: its new record says where. */
  uint32_t ups = nodes[ 1 ].ups;
  dmg_mem_cut( nodes[ 1 ].port, nodes[ 3 ].port, true );
  run( 500 );
  dmg_mem_cut( nodes[ 1 ].port, nodes[ 3 ].port, false );
  RUN_UNTIL( is_mesh( 4 ), 20000 );
  assert_true( nodes[ 1 ].ups>ups );
  is_private = false;
  end();
}

static void test_a_group_gets_one_outbound_connection( void ** state ) {
  is_private = false;
  begin( 320, 0, 0 );
  for( unsigned i = 0; i<20; i++ ) listens( node_add( -1, true ), i<6 ? PUBLIC : CROWD, i+1 );   /* 14 in one /16 */
  for( unsigned i = 1; i<20; i++ ) know( &nodes[ i ], &nodes[ 0 ] );
  run( 40000 );
  for( unsigned i = 0; i<20; i++ ) {
    static dmg_chainnet_peer_t p[ 64 ];
    size_t cnt = dmg_chainnet_peers( nodes[ i ].net, p, 64 );
    unsigned of_group = 0;
    for( size_t k = 0; k<cnt; k++ ) for( unsigned m = 6; m<20; m++ ) of_group += p[ k ].is_outbound && dmg_net_peer_eq( &p[ k ].peer, &nodes[ m ].port->self );
    if( of_group>1 ) fail_msg( "node %u dialled %u of one group", i, of_group );
  }
  end();
}

static void test_the_file_is_enough_for_a_restart( void ** state ) {
  is_private = false;
  begin( 330, 0, 0 );
  for( unsigned i = 0; i<12; i++ ) listens( node_add( -1, true ), PUBLIC, i+1 );
  for( unsigned i = 1; i<12; i++ ) know( &nodes[ i ], &nodes[ 0 ] );
  run( 60000 );
  dmg_buf_t file = dmg_buf( 16u<<20 );
  assert_int_equal( dmg_chainnet_peers_save( nodes[ 11 ].net, &file ), DMG_OK );
  node_end( &nodes[ 0 ] );                               /* the bootstrapper is gone for good */
  node_end( &nodes[ 11 ] );
  run( 1000 );
  node_t * again = node_add( -1, true );
  assert_int_equal( dmg_chainnet_peers_load( again->net, dmg_buf_span( &file ) ).kind, DMG_VERDICT_GOOD );
  listens( again, PUBLIC, 99 );
  run( 20000 );
  unsigned outbound, cnt = conns( again, &outbound );
  assert_true( outbound>=8 || cnt==10 );
  dmg_buf_fini( &file );
  end();
}

static void test_dead_addresses_are_not_hammered( void ** state ) {
  begin( 340, 0, 0 );
  node_t * nd = node_add( -1, true );
  listens( nd, PUBLIC, 1 );
  dmg_arena_t * arena = dmg_arena_new( 16u<<20 );
  dmg_addrman_t * am = dmg_addrman_new( arena, (uint8_t const[ 16 ]){ 3 } );
  for( unsigned i = 0; i<300; i++ ) {
    uint8_t key[ 32 ] = { 9, (uint8_t)i, (uint8_t)( i>>8 ) };
    char text[ 64 ];
    dmg_net_peer_t p;
    dmg_maddr_t a;
    dmg_wire_peer_of_key( key, &p );
    snprintf( text, sizeof text, "/ip4/%u.%u.0.1/tcp/7370", 21+i/200, i%200 );
    assert_true( dmg_maddr_parse( text, &a ) );
    dmg_maddr_group_t g = dmg_maddr_group( &a );
    (void)!dmg_addrman_add( am, &p, 1, &a, 1, &g, 1790000000 );
  }
  dmg_buf_t file = dmg_buf( 16u<<20 );
  assert_int_equal( dmg_addrman_save( am, NULL, 0, &file ), DMG_OK );
  assert_int_equal( dmg_chainnet_peers_load( nd->net, dmg_buf_span( &file ) ).kind, DMG_VERDICT_GOOD );
  for( unsigned i = 0; i<30; i++ ) {
    run( 10000 );
    if( info_of( nd ).known_cnt>12 ) fail_msg( "%u are known", info_of( nd ).known_cnt );
  }
  assert_int_equal( info_of( nd ).conn_cnt, 0 );
  assert_int_equal( info_of( nd ).tried_cnt, 0 );
  dmg_buf_fini( &file );
  dmg_arena_free( arena );
  end();
}

/* --- a peer that tells what it wants ---------------------------------------------------------------------- */

typedef struct { dmg_net_port_t * port; uint8_t seed[ 32 ], key[ 32 ]; uint8_t answer[ DMG_WIRE_PEERINFO_SZ_MAX+64 ]; size_t answer_sz; unsigned asked, downs, chunks; /* more than one */ uint16_t why; uint32_t conn; bool is_mute; } evil_t;
static evil_t evil;

static void evil_begin( uint8_t id ) {
  evil = (evil_t){ .seed = { 0xee, id } };
  dmg_ed25519_public( evil.seed, evil.key );
  evil.port = dmg_mem_port_open( world, evil.key, setup.protos, DMG_CHAINNET_PROTO_CNT );
}

static void evil_pump( void ) {
  dmg_net_ev_t ev;
  for( unsigned u = 0; u<2; u++ ) while( dmg_net_poll( evil.port, !u, &ev, 1 ) ) {
    if( ev.kind==DMG_NET_CONN_UP )   evil.conn = ev.conn;
    if( ev.kind==DMG_NET_CONN_DOWN ) { evil.downs++; evil.why = ev.code; }
    if( ev.kind==DMG_NET_REQ && ev.proto==DMG_CHAINNET_STATUS && !evil.is_mute ) {
      uint8_t b[ DMG_WIRE_STATUS_SZ ];
      dmg_wire_status_t s = { .genesis = test_genesis, .hash = test_genesis };
      dmg_wire_status_encode( &s, b );
      (void)!dmg_net_reply( evil.port, ev.id, DMG_WIRE_DATA, DMG_SPAN( b ), true );
    } else if( ev.kind==DMG_NET_REQ && ev.proto==DMG_CHAINNET_PEERINFO ) {
      evil.asked++;
      for( unsigned i = 1; i<evil.chunks; i++ ) (void)!dmg_net_reply( evil.port, ev.id, DMG_WIRE_DATA, dmg_span( evil.answer, evil.answer_sz ), false );
      (void)!dmg_net_reply( evil.port, ev.id, DMG_WIRE_DATA, dmg_span( evil.answer, evil.answer_sz ), true );
    }
    dmg_net_release( evil.port, &ev );
  }
}
static void evil_run( unsigned ms ) { for( unsigned t = 0; t<ms; t += 20 ) { run( 20 ); evil_pump(); } }

static void evil_dial( node_t * nd ) {
  dmg_err_t err = dmg_net_dial( evil.port, &nd->port->self, (char const *[]){ "/mem" }, 1, false, &evil.conn );
  assert_int_equal( err, DMG_OK );
}

/* A record of somebody at an address. */
static dmg_span_t record( uint8_t id, char const * addr, uint64_t seq, uint8_t out[ DMG_PEER_RECORD_SZ_MAX ] ) {
  uint8_t seed[ 32 ] = { 0x77, id }, key[ 32 ];
  dmg_peer_record_t r = { .seq = seq, .addr_cnt = 1 };
  dmg_ed25519_public( seed, key );
  dmg_wire_peer_of_key( key, &r.peer );
  assert_true( dmg_maddr_parse( addr, &r.addrs[ 0 ] ) );
  return dmg_span( out, dmg_peer_record_sign( &r, seed, out ) );
}

static void evil_tells( dmg_span_t const * records, uint32_t cnt ) {
  dmg_wire_peerinfo_t p = { .agent = DMG_SPAN_STR( "evil" ), .record_cnt = cnt };
  memcpy( p.records, records, cnt*sizeof *records );
  evil.answer_sz = dmg_wire_peerinfo_encode( &p, evil.answer );
}

static void test_addresses_of_no_use_are_not_kept( void ** state ) {
  static char const * const bad[] = { "/ip4/127.0.0.1/tcp/1", "/ip4/10.1.2.3/tcp/1", "/ip4/169.254.169.254/tcp/80", "/ip4/224.0.0.1/tcp/1", "/ip6/::1/tcp/1", "/ip6/fe80::1/tcp/1", "/ip6/::ffff:7f00:1/tcp/1", "/dns4/localhost/tcp/1",
                                      "/ip4/0.0.0.0/tcp/1", "/ip4/192.168.0.1/tcp/1" };
  for( unsigned round = 0; round<2; round++ ) {
    begin( 350, 0, 0 );
    is_private = round;
    node_t * nd = node_add( -1, true );
    evil_begin( 1 );
    static uint8_t b[ 16 ][ DMG_PEER_RECORD_SZ_MAX ];
    dmg_span_t r[ 16 ];
    for( unsigned i = 0; i<10; i++ ) r[ i ] = record( (uint8_t)i, bad[ i ], 1, b[ i ] );
    r[ 10 ] = record( 10, "/ip4/20.1.1.1/tcp/7370", 1, b[ 10 ] );
    evil_tells( r, 11 );
    evil_dial( nd );
    evil_run( 3000 );
    assert_true( evil.asked>=1 );
    dmg_chainnet_info_t i = info_of( nd );
    assert_int_equal( i.new_cnt, round ? 9 : 1 );          /* a private net takes all but nobody's */
    assert_int_equal( i.requests_bad, 0 );
    dmg_net_free( evil.port );
    end();
  }
  is_private = false;
}

static void test_false_records_are_who_told_thems_fault( void ** state ) {
  for( unsigned kind = 0; kind<6; kind++ ) {
    begin( 360+kind, 0, 0 );
    node_t * nd = node_add( -1, true );
    evil_begin( (uint8_t)kind );
    static uint8_t b[ 16 ][ DMG_PEER_RECORD_SZ_MAX ];
    dmg_span_t r[ 16 ];
    for( unsigned i = 0; i<16; i++ ) {
      char text[ 64 ];
      snprintf( text, sizeof text, "/ip4/20.%u.1.1/tcp/7370", i );
      r[ i ] = record( (uint8_t)i, text, 1, b[ i ] );
    }
    if( kind==1 ) b[ 3 ][ r[ 3 ].sz-1 ] ^= 1;                              /* a signature */
    evil_tells( r, 16 );
    if( kind==2 ) evil.answer_sz--;                                        /* cut */
    if( kind==3 ) evil.answer[ evil.answer_sz++ ] = 0;                     /* more */
    if( kind==4 ) evil.answer[ 1+4+2+1+1 ] = 17;                           /* says 17 records */
    if( kind==5 ) evil.chunks = 3;                                         /* the same again and again: each would be verified */
    evil_dial( nd );
    evil_run( 3000 );
    if( kind ) assert_int_equal( evil.asked, 1 );
    else assert_true( evil.asked>=1 );
    assert_int_equal( evil.downs, kind>0 );
    assert_int_equal( info_of( nd ).new_cnt+info_of( nd ).tried_cnt, kind==0 || kind==5 ? 16 : kind==1 ? 3 : 0 );
    dmg_net_free( evil.port );
    end();
  }
}

/* Others' records are told on only once they were verified from the peer itself; an older one replaces nothing. */
static void test_what_a_node_tells( void ** state ) {
  begin( 370, 0, 0 );
  node_t * a = node_add( -1, true ), * b = node_add( -1, true );
  listens( a, PUBLIC, 1 );
  listens( b, PUBLIC, 2 );
  listens( b, TEN, 2 );               /* not fit to be told */
  know( b, a );
  run( 3000 );
  evil_begin( 1 );
  uint8_t rec[ DMG_PEER_RECORD_SZ_MAX ];
  dmg_span_t r = record( 1, "/ip4/20.7.7.7/tcp/7370", 9, rec );
  evil_tells( &r, 1 );
  evil_dial( a );
  evil_run( 3000 );
  /* What a tells evil: itself and b, not the stranger that evil told of. */
  uint64_t id;
  uint8_t got[ 8192 ];
  size_t got_sz = 0;
  dmg_err_t err = dmg_net_request( evil.port, evil.conn, DMG_CHAINNET_PEERINFO, dmg_span( NULL, 0 ), 2000, &id );
  assert_int_equal( err, DMG_OK );
  for( unsigned t = 0; t<50 && !got_sz; t++ ) {
    run( 20 );
    dmg_net_ev_t ev;
    while( dmg_net_poll( evil.port, false, &ev, 1 ) ) {
      if( ev.kind==DMG_NET_CHUNK && ev.id==id ) { got_sz = ev.data.sz; assert_true( got_sz<=sizeof got ); memcpy( got, ev.data.p, got_sz ); }
      dmg_net_release( evil.port, &ev );
    }
  }
  dmg_wire_peerinfo_t p;
  assert_int_equal( dmg_wire_peerinfo_decode( dmg_span( got, got_sz ), &p ).kind, DMG_VERDICT_GOOD );
  assert_true( dmg_span_eq( p.agent, DMG_SPAN_STR( "test" ) ) );
  assert_int_equal( p.record_cnt, 2 );
  dmg_peer_record_t x, y;
  assert_int_equal( dmg_peer_record_decode( p.records[ 0 ], &x ).kind, DMG_VERDICT_GOOD );
  assert_int_equal( dmg_peer_record_decode( p.records[ 1 ], &y ).kind, DMG_VERDICT_GOOD );
  assert_true( dmg_net_peer_eq( &x.peer, &a->port->self ) && dmg_net_peer_eq( &y.peer, &b->port->self ) );
  assert_int_equal( y.addr_cnt, 1 );
  /* Asked on and on: 4, then one in ten seconds. */
  uint64_t slow = info_of( a ).requests_slow;
  for( unsigned i = 0; i<10; i++ ) { err = dmg_net_request( evil.port, evil.conn, DMG_CHAINNET_PEERINFO, dmg_span( NULL, 0 ), 2000, &id ); assert_int_equal( err, DMG_OK ); evil_run( 100 ); }
  assert_true( info_of( a ).requests_slow-slow>=6 );
  err = dmg_net_request( evil.port, evil.conn, DMG_CHAINNET_PEERINFO, DMG_SPAN_STR( "x" ), 2000, &id );
  evil_run( 100 );
  assert_int_equal( info_of( a ).requests_bad, 1 );
  dmg_net_free( evil.port );
  end();
}

/* --- what becomes of those it was told of ----------------------------------------------------------------- */

static void says( node_t * nd, char const * part ) { if( !strstr( nd->text, part ) ) fail_msg( "\"%s\" says nothing of %s", nd->text, part ); }

static bool is_up_before( node_t * nd, node_t * to, char const * addr ) {
  bool is_up;
  assert_int_equal( dmg_chainnet_dial( nd->net, &to->port->self, addr, dmg_mem_net_now( world ), &is_up ), DMG_OK );
  return is_up;
}

static void test_each_try_says_what_became_of_it( void ** state ) {
  begin( 360, 0, 0 );
  node_t * a = node_add( -1, true ), * b = node_add( -1, true );
  dmg_mem_cut( a->port, b->port, true );
  know( a, b );
  RUN_UNTIL( a->unreached==1, 1000 );
  says( a, "/mem: refused" );
  RUN_UNTIL( a->unreached==3, 60000 );                   /* each time */
  assert_int_equal( a->reached, 0 );
  dmg_mem_cut( a->port, b->port, false );
  RUN_UNTIL( a->reached==1, 60000 );
  run( 30000 );
  assert_int_equal( a->reached, 1 );                     /* once, however often it tells its status */
  assert_int_equal( a->unreached, 3 );
  assert_int_equal( b->reached+b->unreached, 0 );        /* it was told of nobody */
  assert_true( is_up_before( a, b, "/mem2" ) && is_up_before( b, a, "/mem" ) );
  dmg_mem_cut( a->port, b->port, true );
  RUN_UNTIL( a->unreached>=5, 30000 );
  says( a, "/mem: refused" );                            /* what it was connected for is not asked for again */
  assert_null( strstr( a->text, "/mem2" ) );
  RUN_UNTIL( b->unreached>=2, 30000 );
  says( b, "/mem: refused" );                            /* that one had come by itself, and is kept since it was asked for */
  assert_int_equal( b->reached, 0 );
  end();
}

static void test_a_lost_connection_says_why( void ** state ) {
  begin( 361, 0, 0 );
  node_t * a = node_add( -1, true ), * b = node_add( -1, true );
  know( a, b );
  RUN_UNTIL( a->reached==1, 2000 );
  assert_int_equal( dmg_chainnet_stop( b->net, 100 ), DMG_OK );
  RUN_UNTIL( a->unreached==1, 2000 );
  says( a, "the connection ended: it closed it" );
  end();
}

static void test_a_users_dial_is_at_his_address_alone( void ** state ) {
  begin( 362, 0, 0 );
  node_t * a = node_add( -1, true ), * b = node_add( -1, true );
  dmg_mem_hold( a->port, b->port, true );                /* a try takes eight seconds */
  know( a, b );
  run( 1000 );
  assert_false( is_up_before( a, b, "/mem2" ) );         /* while one is under way, whose end says nothing */
  RUN_UNTIL( a->unreached==1, 17000 );
  says( a, "/mem2: no answer in time" );
  RUN_UNTIL( a->unreached==2, 30000 );
  says( a, "/mem: no answer in time" );                  /* then at all of them */
  /* A fifth takes the place of the last: of five wrong ones the right one is not refused. */
  for( unsigned i = 3; i<8; i++ ) {
    char addr[ 8 ];
    snprintf( addr, sizeof addr, "/mem%u", i );
    uint32_t before = a->unreached;
    assert_false( is_up_before( a, b, addr ) );
    RUN_UNTIL( a->unreached==before+1, 30000 );
    says( a, addr );
  }
  dmg_mem_hold( a->port, b->port, false );
  assert_false( is_up_before( a, b, "/mem" ) );
  RUN_UNTIL( a->reached==1, 1000 );
  end();
}

/* While it is dialled to see whether it is there, with all outbound places taken: it is not closed as one that was only looked at. */
static void test_a_feeler_that_is_asked_for_is_kept( void ** state ) {
  begin( 363, 0, 0 );
  for( unsigned i = 0; i<20; i++ ) listens( node_add( -1, true ), PUBLIC, i+1 );
  for( unsigned i = 1; i<20; i++ ) know( &nodes[ i ], &nodes[ 0 ] );
  run( 60000 );
  node_t * a = &nodes[ 5 ], * b = node_add( -1, true );
  dmg_mem_hold( a->port, b->port, true );
  dmg_maddr_t addr;
  assert_true( dmg_maddr_parse( "/ip4/99.1.0.1/tcp/7370", &addr ) );
  dmg_maddr_group_t g = dmg_maddr_group( &addr );
  assert_true( dmg_addrman_add( a->net->am, &b->port->self, 1, &addr, 1, &g, 1790000000 ) );
  int k = -1;
  for( unsigned ms = 0; k<0 || !a->net->known[ k ].is_dialling; ms += 20 ) {
    if( ms>600000 ) fail_msg( "no feeler" );
    a->net->stall_us = dmg_mem_net_now( world );         /* no blocks here: without this a stall, for which more are connected */
    run( 20 );
    k = known_find( a->net, &b->port->self );
  }
  assert_true( a->net->known[ k ].is_feeler );
  assert_false( is_up_before( a, b, "/mem" ) );
  dmg_mem_hold( a->port, b->port, false );
  run( 20000 );
  assert_int_equal( a->reached, 2 );                     /* node 0, and this one */
  uint64_t ups = info_of( a ).conns_up;
  run( 60000 );
  assert_true( is_connected( a, b ) );
  assert_true( info_of( a ).conns_up<ups+3 );
  assert_int_equal( a->unreached, 0 );
  end();
}

static void test_who_does_not_tell_its_chain_is_not_kept( void ** state ) {
  begin( 364, 0, 0 );
  node_t * a = node_add( -1, true );
  evil_begin( 1 );
  evil.is_mute = true;
  assert_int_equal( dmg_chainnet_add_peer( a->net, &evil.port->self, (char const *[]){ "/mem" }, 1 ), DMG_OK );
  evil_run( 25000 );
  assert_int_equal( info_of( a ).conn_cnt, 1 );
  evil_run( 7000 );
  assert_int_equal( info_of( a ).conn_cnt, 0 );
  assert_int_equal( a->unreached, 1 );
  says( a, "it did not tell its chain" );
  evil.is_mute = false;
  evil_run( 10000 );
  assert_int_equal( a->reached, 1 );
  dmg_net_free( evil.port );
  end();
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_twenty_find_each_other_from_one ), cmocka_unit_test( test_validators_that_know_one_become_a_mesh ), cmocka_unit_test( test_a_group_gets_one_outbound_connection ),
    cmocka_unit_test( test_the_file_is_enough_for_a_restart ), cmocka_unit_test( test_dead_addresses_are_not_hammered ), cmocka_unit_test( test_addresses_of_no_use_are_not_kept ),
    cmocka_unit_test( test_false_records_are_who_told_thems_fault ), cmocka_unit_test( test_what_a_node_tells ),
    cmocka_unit_test( test_each_try_says_what_became_of_it ), cmocka_unit_test( test_a_lost_connection_says_why ), cmocka_unit_test( test_a_users_dial_is_at_his_address_alone ),
    cmocka_unit_test( test_a_feeler_that_is_asked_for_is_kept ), cmocka_unit_test( test_who_does_not_tell_its_chain_is_not_kept ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
