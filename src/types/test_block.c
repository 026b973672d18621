/* block, receipt, genesis: offsets as drawn, bounds, names of what is wrong. */
#include "types/block.h"
#include "types/genesis.h"
#include "types/params.h"
#include "types/receipt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static void fill( void * p, size_t sz, uint8_t v ) { memset( p, v, sz ); }

/* Each field at the offset that C2.2 draws: a byte of its own value stands there. */
static void test_header_fields_stand_where_drawn( void ** state ) {
  dmg_header_t h;
  memset( &h, 0, sizeof h );
  h.version = 1; h.kind = 2; h.leader = 0x0303; h.epoch = 0x04040404; h.view = 0x0505050505050505; h.height = 0x0606060606060606;
  fill( &h.parent_hash, 32, 7 ); h.parent_view = 0x0808080808080808;
  h.parent_cert.kind = 2; h.parent_cert.epoch = 0x0a0a0a0a; h.parent_cert.view = 0x0b0b0b0b0b0b0b0b; fill( &h.parent_cert.hash, 32, 12 );
  fill( h.parent_cert.bitmap, 16, 13 ); fill( h.parent_cert.sig, 48, 14 );
  fill( &h.just_root, 32, 15 ); fill( &h.body_hash, 32, 16 ); h.body_len = 0x11111111; fill( &h.parent_state_root, 32, 18 );
  fill( &h.next_epoch_root, 32, 19 ); h.time_ms = 0x1414141414141414; fill( h.reveal, 48, 21 );
  uint8_t b[ DMG_HEADER_SZ ];
  dmg_header_encode( &h, b );
  static struct { uint16_t from, to; uint8_t v; } const part[] = {
    { 0, 1, 1 }, { 1, 2, 0 }, { 2, 3, 2 }, { 3, 5, 3 }, { 5, 9, 4 }, { 9, 17, 5 }, { 17, 25, 6 }, { 25, 57, 7 }, { 57, 65, 8 }, { 65, 66, 2 }, { 66, 70, 10 },
    { 70, 78, 11 }, { 78, 110, 12 }, { 110, 126, 13 }, { 126, 174, 14 }, { 174, 206, 15 }, { 206, 238, 16 }, { 238, 242, 17 }, { 242, 274, 18 },
    { 274, 306, 19 }, { 306, 314, 20 }, { 314, 362, 21 } };
  for( size_t i = 0; i<sizeof part/sizeof *part; i++ ) for( unsigned o = part[ i ].from; o<part[ i ].to; o++ ) assert_int_equal( b[ o ], part[ i ].v );
  dmg_header_t back;
  assert_int_equal( dmg_header_decode( DMG_SPAN( b ), &back ).kind, DMG_VERDICT_GOOD );
  uint8_t again[ DMG_HEADER_SZ ];
  dmg_header_encode( &back, again );
  assert_memory_equal( again, b, sizeof b );
}

static void test_header_decode_refuses_form( void ** state ) {
  uint8_t b[ DMG_HEADER_SZ+1 ] = { 1 };
  dmg_header_t h;
  assert_int_equal( dmg_header_decode( dmg_span( b, DMG_HEADER_SZ ), &h ).kind, DMG_VERDICT_GOOD );
  assert_true( dmg_cert_is_zero( &h.parent_cert ) );
  for( size_t sz = 0; sz<DMG_HEADER_SZ; sz++ ) assert_int_equal( dmg_header_decode( dmg_span( b, sz ), &h ).kind, DMG_VERDICT_BAD );
  assert_string_equal( dmg_header_decode( DMG_SPAN( b ), &h ).text, "trailing bytes" );
  static struct { size_t at; uint8_t v; char const * field; } const bad[] = { { 0, 0, "version" }, { 0, 2, "version" }, { 1, 1, "version" }, { 2, 3, "kind" }, { 65, 1, "cert.kind" }, { 65, 3, "cert.kind" } };
  for( size_t i = 0; i<sizeof bad/sizeof *bad; i++ ) {
    uint8_t was = b[ bad[ i ].at ];
    b[ bad[ i ].at ] = bad[ i ].v;
    assert_string_equal( dmg_header_decode( dmg_span( b, DMG_HEADER_SZ ), &h ).field, bad[ i ].field );
    b[ bad[ i ].at ] = was;
  }
}

static void test_bitmap_bits_past_the_set_are_seen( void ** state ) {
  uint8_t map[ DMG_BITMAP_SZ ] = { 0 };
  for( uint32_t n = 0; n<=128; n++ ) {
    assert_true( dmg_bitmap_is_within( map, n ) );
    if( n==128 ) break;
    map[ n/8 ] |= (uint8_t)( 1u<<n%8 );
    assert_false( dmg_bitmap_is_within( map, n ) );
    map[ n/8 ] = (uint8_t)( map[ n/8 ]&~( 1u<<n%8 ) );
  }
}

static void test_body_empty_is_three_zero_bytes( void ** state ) {
  dmg_body_t body = { 0 };
  dmg_buf_t  buf  = dmg_buf( 100 );
  assert_int_equal( dmg_body_encode( &body, &buf ), DMG_OK );
  assert_int_equal( buf.sz, DMG_BODY_EMPTY_SZ );
  assert_true( dmg_is_zero( buf.p, 3 ) );
  dmg_buf_fini( &buf );
}

static dmg_verdict_t body_judge( dmg_span_t bytes, size_t arena_sz, dmg_buf_t * again ) {
  dmg_arena_t * arena = dmg_arena_new( arena_sz );
  dmg_body_t *  body  = NULL;
  dmg_verdict_t v = dmg_body_decode( bytes, arena, &body );
  if( !v.kind ) {
    dmg_buf_clear( again );
    assert_int_equal( dmg_body_encode( body, again ), DMG_OK );
    assert_true( dmg_span_eq( dmg_buf_span( again ), bytes ) );
  }
  dmg_arena_free( arena );
  return v;
}

static void test_body_decode_refuses_bounds_by_name( void ** state ) {
  dmg_buf_t again = dmg_buf( DMG_BODY_SZ_MAX );
  uint8_t evidence[] = { 0, 1, 0 };
  dmg_verdict_t v = body_judge( DMG_SPAN( evidence ), 1<<20, &again );
  assert_string_equal( v.field, "evidence" );
  assert_int_equal( v.off, 1 );
  uint8_t att9[] = { 9, 0, 0 };
  assert_string_equal( body_judge( DMG_SPAN( att9 ), 1<<20, &again ).field, "attendance" );
  uint8_t tx10001[] = { 0, 0, 0x91, 0x4e };
  assert_string_equal( body_judge( DMG_SPAN( tx10001 ), 1<<20, &again ).text, "a length out of bounds" );
  /* 10,000 claimed, no byte there: refused before memory is taken for them. */
  uint8_t tx10000[] = { 0, 0, 0x90, 0x4e };
  assert_int_equal( body_judge( DMG_SPAN( tx10000 ), 256, &again ).kind, DMG_VERDICT_BAD );
  dmg_buf_fini( &again );
}

static void test_body_of_10000_transactions_round_trips( void ** state ) {
  dmg_span_t * txs = calloc( DMG_BODY_TX_MAX+1, sizeof *txs );
  static uint8_t bytes[ 200 ];
  size_t sum = 0;
  for( uint32_t i = 0; i<=DMG_BODY_TX_MAX; i++ ) { txs[ i ] = dmg_span( bytes, i%200 ); if( i<DMG_BODY_TX_MAX ) sum += dmg_body_tx_sz( i%200 ); }
  dmg_attendance_t att[ 8 ];
  memset( att, 7, sizeof att );
  for( int i = 0; i<8; i++ ) att[ i ].kind = (uint8_t)( i&1 );
  dmg_body_t body = { .txs = txs, .tx_cnt = DMG_BODY_TX_MAX };
  dmg_buf_t  buf  = dmg_buf( DMG_BODY_SZ_MAX ), again = dmg_buf( DMG_BODY_SZ_MAX );
  assert_int_equal( dmg_body_encode( &body, &buf ), DMG_OK );
  assert_int_equal( buf.sz, dmg_body_sz( DMG_BODY_TX_MAX, sum ) );
  assert_int_equal( body_judge( dmg_buf_span( &buf ), 1<<20, &again ).kind, DMG_VERDICT_GOOD );
  assert_int_equal( body_judge( dmg_buf_span( &buf ), 4096, &again ).kind, DMG_VERDICT_LOCAL );
  body.tx_cnt++;
  assert_int_equal( dmg_body_encode( &body, &again ), DMG_ERR_INVALID );
  body = (dmg_body_t){ .txs = txs, .tx_cnt = 3, .atts = att, .att_cnt = 8 };
  dmg_buf_clear( &buf );
  assert_int_equal( dmg_body_encode( &body, &buf ), DMG_OK );
  assert_int_equal( body_judge( dmg_buf_span( &buf ), 1<<20, &again ).kind, DMG_VERDICT_GOOD );
  buf.p[ 1+8 ] = 2;   /* kind of the first attendance */
  assert_string_equal( body_judge( dmg_buf_span( &buf ), 1<<20, &again ).field, "attendance.kind" );
  dmg_buf_fini( &buf );
  dmg_buf_fini( &again );
  free( txs );
}

static void test_receipt_bounds_and_names( void ** state ) {
  static uint8_t data[ DMG_RESULT_SZ_MAX+1 ];
  dmg_span_t  results[ 33 ];
  dmg_event_t events[ 257 ];
  for( int i = 0; i<33; i++ )  results[ i ] = dmg_span( data, DMG_RESULT_SZ_MAX );
  for( int i = 0; i<257; i++ ) events[ i ]  = (dmg_event_t){ .module = 1, .event = (uint16_t)i, .data = dmg_span( data, DMG_EVENT_DATA_MAX ) };
  dmg_receipt_t r = { .status = DMG_STATUS_VOID, .call = DMG_RECEIPT_CALL_NONE, .results = results, .result_cnt = 32, .events = events, .event_cnt = 256 };
  dmg_buf_t b = dmg_buf( DMG_RECEIPT_BCS_MAX );
  assert_int_equal( dmg_receipt_encode( &r, &b ), DMG_OK );
  assert_int_equal( b.sz, DMG_RECEIPT_BCS_MAX );
  dmg_arena_t * arena = dmg_arena_new( 1<<20 );
  dmg_receipt_t * back = NULL;
  assert_int_equal( dmg_receipt_decode( dmg_buf_span( &b ), arena, &back ).kind, DMG_VERDICT_GOOD );
  assert_int_equal( back->events[ 255 ].event, 255 );
  for( size_t sz = 0; sz<140; sz++ ) assert_int_equal( dmg_receipt_decode( dmg_span( b.p, sz ), arena, &back ).kind, DMG_VERDICT_BAD );
  dmg_arena_free( arena );
  arena = dmg_arena_new( 1000 );
  assert_int_equal( dmg_receipt_decode( dmg_buf_span( &b ), arena, &back ).kind, DMG_VERDICT_LOCAL );
  dmg_arena_free( arena );
  dmg_buf_clear( &b );
  r.result_cnt = 33;                    assert_int_equal( dmg_receipt_encode( &r, &b ), DMG_ERR_INVALID );
  r.result_cnt = 1; r.event_cnt = 257;  assert_int_equal( dmg_receipt_encode( &r, &b ), DMG_ERR_INVALID );
  r.event_cnt = 1; results[ 0 ].sz++;   assert_int_equal( dmg_receipt_encode( &r, &b ), DMG_ERR_INVALID );
  results[ 0 ].sz--; events[ 0 ].data.sz++; assert_int_equal( dmg_receipt_encode( &r, &b ), DMG_ERR_INVALID );
  events[ 0 ].data.sz--; r.status = DMG_STATUS_CNT; assert_int_equal( dmg_receipt_encode( &r, &b ), DMG_ERR_INVALID );
  assert_string_equal( dmg_status_name( DMG_STATUS_NO_CONSENT ), "NO_CONSENT" );
  assert_string_equal( dmg_status_name( 10 ), "UNKNOWN" );
  assert_int_equal( DMG_STATUS_VOID, 9 );
  dmg_buf_fini( &b );
}

/* --- genesis ------------------------------------------------------------------------------------------ */

typedef struct { dmg_genesis_t g; dmg_genesis_param_t params[ 2 ]; dmg_genesis_module_t modules[ 2 ]; dmg_genesis_validator_t validators[ 2 ]; dmg_span_t config[ 1 ]; uint8_t value[ 8 ]; } gen_t;

static void gen_new( gen_t * t ) {
  memset( t, 0, sizeof *t );
  dmg_store_u64le( t->value, 20000 );
  t->params[ 0 ] = (dmg_genesis_param_t){ .module = 1, .key = 12, .value = dmg_span( t->value, 8 ) };
  t->params[ 1 ] = (dmg_genesis_param_t){ .module = 2, .key = 0, .value = dmg_span( t->value, 8 ) };
  t->config[ 0 ] = DMG_SPAN_STR( "config" );
  t->modules[ 0 ].id = 1;
  t->modules[ 1 ].id = 2;
  t->modules[ 1 ].config = t->config;
  t->modules[ 1 ].config_cnt = 1;
  t->validators[ 1 ].account.b[ 0 ] = 1;
  t->validators[ 1 ].key[ 0 ] = 1;
  t->g = (dmg_genesis_t){ .version = 1, .name = DMG_SPAN_STR( "dev" ), .kind = DMG_GENESIS_DEV, .time_ms = 1, .instr_version = 1, .host_api = 1, .params = t->params,
    .param_cnt = 1, .modules = t->modules, .module_cnt = 2, .validators = t->validators, .validator_cnt = 2, .has_root = true, .has_first = true };
}

static void test_genesis_check_refuses_each_rule( void ** state ) {
  gen_t t;
#define REFUSED( field_, change ) do { gen_new( &t ); change; dmg_verdict_t v = dmg_genesis_check( &t.g ); assert_int_equal( v.kind, DMG_VERDICT_BAD ); assert_string_equal( v.field, field_ ); } while(0)
  gen_new( &t );
  assert_int_equal( dmg_genesis_check( &t.g ).kind, DMG_VERDICT_GOOD );
  REFUSED( "genesis",        t.g.kind = 3 );
  REFUSED( "genesis",        t.modules[ 1 ].id = 1 );
  REFUSED( "name",           t.g.name.sz = 0 );
  REFUSED( "time_ms",        t.g.time_ms = 0 );
  REFUSED( "root",           t.g.kind = DMG_GENESIS_MAIN );
  REFUSED( "instr_version",  t.g.instr_version = 2 );
  REFUSED( "host_api",       t.g.host_api = 0 );
  REFUSED( "params.key",     t.params[ 0 ].key = 999 );
  REFUSED( "params.value",   dmg_store_u64le( t.value, 999 ) );
  REFUSED( "params.value",   t.params[ 0 ].value.sz = 7 );
  REFUSED( "modules",        t.modules[ 1 ].id = 3 );
  REFUSED( "modules",        t.modules[ 0 ].id = 0 );
  REFUSED( "validators",     t.g.validator_cnt = 0 );
  REFUSED( "validators.bucket", t.validators[ 1 ].bucket = 6 );
  REFUSED( "validators.account", t.validators[ 1 ].account.b[ 0 ] = 0 );
  REFUSED( "validators.key", t.validators[ 1 ].key[ 0 ] = 0 );
#undef REFUSED
}

static void test_genesis_decode_refuses_cuts_and_order( void ** state ) {
  gen_t t;
  gen_new( &t );
  t.g.param_cnt = 2;
  dmg_buf_t b = dmg_buf( DMG_GENESIS_SZ_MAX );
  assert_int_equal( dmg_genesis_encode( &t.g, &b ), DMG_OK );
  dmg_arena_t * arena = dmg_arena_new( 1<<20 );
  dmg_genesis_t * g = NULL;
  assert_int_equal( dmg_genesis_decode( dmg_buf_span( &b ), arena, &g ).kind, DMG_VERDICT_GOOD );
  assert_true( dmg_span_eq( g->modules[ 1 ].config[ 0 ], t.config[ 0 ] ) );
  for( size_t sz = 0; sz<b.sz; sz++ ) {
    dmg_verdict_t v = dmg_genesis_decode( dmg_span( b.p, sz ), arena, &g );
    assert_int_equal( v.kind, DMG_VERDICT_BAD );
    assert_true( v.off<=sz );
    dmg_arena_reset( arena );
  }
  /* version 2+ name 4 + kind 1 + time 8 + first 33 + root 33 + versions 4 + count 1: the first param's module. */
  b.p[ 86 ] = 3;
  dmg_verdict_t v = dmg_genesis_decode( dmg_buf_span( &b ), arena, &g );
  assert_string_equal( v.field, "params" );
  assert_int_equal( v.idx, 1 );
  b.p[ 86 ]  = 1;
  b.p[ 113 ] = 2;   /* the first module's id, after two params of 13 bytes and a count */
  v = dmg_genesis_decode( dmg_buf_span( &b ), arena, &g );
  assert_string_equal( v.field, "modules" );
  assert_int_equal( v.idx, 1 );
  t.params[ 0 ].module = 3;
  assert_int_equal( dmg_genesis_encode( &t.g, &b ), DMG_ERR_INVALID );
  dmg_arena_free( arena );
  dmg_buf_fini( &b );
}

static void test_params_defaults_lie_in_their_bounds( void ** state ) {
  dmg_params_t p;
  dmg_params_default( &p );
  unsigned next[ 3 ] = { 0 };
  for( unsigned i = 0; i<DMG_PARAM_CNT; i++ ) {
    dmg_param_desc_t const * d = &dmg_param_desc[ i ];
    assert_true( d->lo<=d->def && d->def<=d->hi && d->hi<=d->hi_dev && p.v[ i ]==d->def );
    assert_true( d->module<3 && d->key==next[ d->module ]++ );   /* numbered in table order */
    uint8_t  v[ 8 ];
    uint64_t got;
    dmg_store_u64le( v, d->hi );
    assert_true( dmg_param_parse( (dmg_param_t)i, DMG_SPAN( v ), false, &got ) && got==d->hi );
    dmg_store_u64le( v, d->hi_dev+1 );
    assert_false( dmg_param_parse( (dmg_param_t)i, DMG_SPAN( v ), true, &got ) );
    if( d->hi_dev>d->hi ) {
      dmg_store_u64le( v, d->hi+1 );
      assert_false( dmg_param_parse( (dmg_param_t)i, DMG_SPAN( v ), false, &got ) );
      assert_true( dmg_param_parse( (dmg_param_t)i, DMG_SPAN( v ), true, &got ) );
    }
    dmg_store_u64le( v, d->lo-1 );
    assert_false( dmg_param_parse( (dmg_param_t)i, DMG_SPAN( v ), true, &got ) );
  }
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_header_fields_stand_where_drawn ),
    cmocka_unit_test( test_header_decode_refuses_form ),
    cmocka_unit_test( test_bitmap_bits_past_the_set_are_seen ),
    cmocka_unit_test( test_body_empty_is_three_zero_bytes ),
    cmocka_unit_test( test_body_decode_refuses_bounds_by_name ),
    cmocka_unit_test( test_body_of_10000_transactions_round_trips ),
    cmocka_unit_test( test_receipt_bounds_and_names ),
    cmocka_unit_test( test_genesis_check_refuses_each_rule ),
    cmocka_unit_test( test_genesis_decode_refuses_cuts_and_order ),
    cmocka_unit_test( test_params_defaults_lie_in_their_bounds ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
