/* proof: what a descendant's FINALIZATION proves, and what not (F0.5). */
#include "cli/proof.h"
#include "crypto/bls.h"
#include "types/block.h"
#include "types/state_proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

static uint8_t const KEY[ 4 ] = { 0, 9, 0, 1 }, VALUE[ 3 ] = { 1, 2, 3 };
enum { MEMBERS = 4 };
static uint8_t secret[ MEMBERS ][ 32 ];
static dmg_cli_trust_t one = { .chain = { { 5 } }, .has_chain = true }, four = { .chain = { { 5 } }, .has_chain = true }, any = { .has_chain = false };
static dmg_hash_t const here = { { 5 } }, elsewhere = { { 6 } };
static dmg_header_t header, child, tip;
static dmg_cli_t cli;

/* A proof and what is wrong with it: bend, 1 + the byte of the first link that is another; claims, bits of the certificate that nobody signed for; trust NULL: one; chain NULL: here. */
typedef struct {
  dmg_header_t const *    links[ 66 ], * by;
  uint32_t                link_cnt, bend, signers, claims;
  uint64_t                view;
  bool                    has_no_cert;
  dmg_cli_trust_t const * trust;
  dmg_hash_t const *      chain, * signed_chain;
} claim_t;

static void hex( dmg_buf_t * b, uint8_t const * p, size_t sz ) {
  assert_int_equal( dmg_buf_append( b, "\"0x", 3 ), DMG_OK );
  for( size_t i = 0; i<sz; i++ ) assert_int_equal( dmg_buf_printf( b, "%02x", p[ i ] ), DMG_OK );
  assert_int_equal( dmg_buf_append( b, "\"", 1 ), DMG_OK );
}

static char const * check( claim_t const * c ) {
  static char why[ 256 ];
  char parse_why[ 160 ];
  uint8_t raw[ DMG_HEADER_SZ ], cert_raw[ DMG_CERT_SZ ], msg[ DMG_VOTE_MSG_SZ ];
  uint8_t tree[ 4 ] = { 1, 0, 0, 0 };   /* present, at depth 0: the only key */
  dmg_bls_sig_t sigs[ MEMBERS ], sum;
  dmg_bls_sig_t const * parts[ MEMBERS ];
  uint32_t signers = c->signers ? c->signers : 1, cnt = 0;
  dmg_hash_t const * chain = c->chain ? c->chain : &here;
  dmg_cert_t cert = { .kind = DMG_VOTE_FINALIZE, .epoch = c->by->epoch, .view = c->view ? c->view : c->by->view, .hash = dmg_header_hash( c->by ), .bitmap = { (uint8_t)( signers|c->claims ) } };
  dmg_vote_msg( DMG_VOTE_FINALIZE, c->signed_chain ? c->signed_chain : chain, cert.epoch, cert.view, &cert.hash, msg );
  for( uint32_t i = 0; i<MEMBERS; i++ ) {
    if( !( signers>>i&1 ) ) continue;
    assert_true( dmg_bls_sign( secret[ i ], DMG_BLS_VOTE, DMG_SPAN( msg ), &sigs[ cnt ] ) );
    parts[ cnt ] = &sigs[ cnt ];
    cnt++;
  }
  assert_true( dmg_bls_sig_sum( parts, cnt, &sum ) );
  dmg_bls_sig_store( &sum, cert.sig );
  dmg_cert_encode( &cert, cert_raw );
  dmg_buf_t b = dmg_buf( 1<<20 );
  assert_int_equal( dmg_buf_printf( &b, "{\"key\":" ), DMG_OK );
  hex( &b, KEY, sizeof KEY );
  assert_int_equal( dmg_buf_printf( &b, ",\"value\":" ), DMG_OK );
  hex( &b, VALUE, sizeof VALUE );
  assert_int_equal( dmg_buf_printf( &b, ",\"proof\":{\"chain\":" ), DMG_OK );
  hex( &b, chain->b, sizeof chain->b );
  assert_int_equal( dmg_buf_printf( &b, ",\"height\":\"7\",\"header\":" ), DMG_OK );
  dmg_header_encode( &header, raw );
  hex( &b, raw, sizeof raw );
  assert_int_equal( dmg_buf_printf( &b, ",\"tree\":" ), DMG_OK );
  hex( &b, tree, sizeof tree );
  assert_int_equal( dmg_buf_printf( &b, ",\"finality\":" ), DMG_OK );
  if( c->has_no_cert ) assert_int_equal( dmg_buf_printf( &b, "null" ), DMG_OK );
  else                 hex( &b, cert_raw, sizeof cert_raw );
  for( uint32_t i = 0; i<c->link_cnt; i++ ) {
    assert_int_equal( dmg_buf_printf( &b, i ? "," : ",\"links\":[" ), DMG_OK );
    dmg_header_encode( c->links[ i ], raw );
    if( !i && c->bend ) raw[ c->bend-1 ] ^= 1;
    hex( &b, raw, sizeof raw );
  }
  assert_int_equal( dmg_buf_printf( &b, c->link_cnt ? "]}}" : "}}" ), DMG_OK );
  dmg_json_t * json = dmg_json_new_answer();
  dmg_jv_t root;
  uint64_t height;
  dmg_span_t value;
  dmg_hash_t told;
  assert_non_null( json );
  assert_true( dmg_json_parse( json, dmg_buf_span( &b ), &root, parse_why ) );
  bool is_good = dmg_cli_proof_check( &cli, root, c->trust ? c->trust : &one, &told, &height, &value, why );
  if( is_good ) { assert_int_equal( height, 7 ); assert_true( dmg_hash_eq( &told, chain ) ); }
  dmg_json_free( json );
  dmg_buf_fini( &b );
  dmg_arena_reset( cli.arena );
  return is_good ? "" : why;
}

static int setup( void ** state ) {
  for( uint32_t i = 0; i<MEMBERS; i++ ) {
    uint8_t ikm[ 32 ] = { (uint8_t)( 9+i ) };
    dmg_bls_key_t key;
    if( !dmg_bls_keygen( DMG_SPAN( ikm ), secret[ i ] ) || !dmg_bls_public( secret[ i ], &key ) ) return 1;
    dmg_bls_key_store( &key, four.set.members[ i ].key );
    four.set.members[ i ].weight = i==3 ? 3 : 2;   /* of 9, so that 7 are a quorum */
  }
  four.set.cnt       = MEMBERS;
  one.set.members[ 0 ] = any.set.members[ 0 ] = four.set.members[ 0 ];
  one.set.cnt        = any.set.cnt = 1;
  dmg_hash_t path = dmg_state_path( DMG_SPAN( KEY ) ), vh = dmg_state_value_hash( DMG_SPAN( VALUE ) );
  header = (dmg_header_t){ .version = DMG_BLOCK_VERSION, .view = 8, .height = 8, .parent_view = 7, .parent_hash = { { 3 } }, .body_len = 3, .parent_state_root = dmg_state_leaf( &path, &vh ), .time_ms = 1 };
  child  = header;
  child.view = child.height = 9;
  child.parent_view = 8;
  child.parent_hash = dmg_header_hash( &header );
  tip    = child;
  tip.view = 11;
  tip.height = 10;
  tip.parent_view = 9;
  tip.parent_hash = dmg_header_hash( &child );
  cli.arena = dmg_arena_new( 1<<20 );
  return cli.arena ? 0 : 1;
}
static int teardown( void ** state ) { dmg_arena_free( cli.arena ); return 0; }

static void test_links_lead_to_the_certificate( void ** state ) {
  assert_string_equal( check( &(claim_t){ .by = &header } ), "" );
  assert_string_equal( check( &(claim_t){ .by = &child, .links = { &child }, .link_cnt = 1 } ), "" );
  assert_string_equal( check( &(claim_t){ .by = &tip, .links = { &child, &tip }, .link_cnt = 2 } ), "" );
}

static void test_what_is_no_chain_to_it_is_refused( void ** state ) {
  char const * other = "the certificate is of another block", * chain = "a link is not the child of the one before";
  assert_string_equal( check( &(claim_t){ .by = &tip } ), other );
  assert_string_equal( check( &(claim_t){ .by = &child, .links = { &child, &tip }, .link_cnt = 2 } ), other );
  assert_string_equal( check( &(claim_t){ .by = &header, .links = { &child }, .link_cnt = 1 } ), other );
  assert_string_equal( check( &(claim_t){ .by = &tip, .view = 12, .links = { &child, &tip }, .link_cnt = 2 } ), other );
  assert_string_equal( check( &(claim_t){ .by = &tip, .links = { &tip }, .link_cnt = 1 } ), chain );
  assert_string_equal( check( &(claim_t){ .by = &tip, .links = { &tip, &child }, .link_cnt = 2 } ), chain );
  assert_string_equal( check( &(claim_t){ .by = &tip, .links = { &child, &tip }, .link_cnt = 2, .has_no_cert = true } ), "there is no finality certificate" );
  for( uint32_t at = 1; at<=DMG_HEADER_SZ; at += 19 ) assert_string_not_equal( check( &(claim_t){ .by = &tip, .links = { &child, &tip }, .link_cnt = 2, .bend = at } ), "" );
  /* 64 and one more: each is the child of the one before. */
  static dmg_header_t many[ 65 ];
  claim_t c = { .link_cnt = 65, .by = &many[ 64 ] };
  for( uint32_t i = 0; i<65; i++ ) {
    many[ i ] = child;
    many[ i ].view        = many[ i ].height = 9+i;
    many[ i ].parent_hash = i ? dmg_header_hash( &many[ i-1 ] ) : dmg_header_hash( &header );
    c.links[ i ] = &many[ i ];
  }
  assert_string_equal( check( &c ), "it has too many links" );
  c.link_cnt = 64;
  c.by       = &many[ 63 ];
  assert_string_equal( check( &c ), "" );
}

static void test_a_quorum_by_weight_proves_it( void ** state ) {
  char const * sig = "the certificate's signature does not hold", * who = "the certificate is not signed by the trusted validators";
  assert_string_equal( check( &(claim_t){ .by = &header, .trust = &four, .signers = 0xf } ), "" );
  assert_string_equal( check( &(claim_t){ .by = &header, .trust = &four, .signers = 0xd } ), "" );                                  /* 2+2+3 */
  assert_string_equal( check( &(claim_t){ .by = &tip, .links = { &child, &tip }, .link_cnt = 2, .trust = &four, .signers = 0xe } ), "" );
  assert_string_equal( check( &(claim_t){ .by = &header, .trust = &four, .signers = 0x7 } ), "the certificate's signers weigh 6 of 9, a quorum is 7" );
  assert_string_equal( check( &(claim_t){ .by = &header, .trust = &four, .signers = 0x8 } ), "the certificate's signers weigh 3 of 9, a quorum is 7" );
  assert_string_equal( check( &(claim_t){ .by = &header, .trust = &four, .signers = 0x7, .claims = 0x8 } ), sig );                /* one that did not sign */
  assert_string_equal( check( &(claim_t){ .by = &header, .trust = &four, .signers = 0xf, .claims = 0x10 } ), who );               /* nobody has that place */
  assert_string_equal( check( &(claim_t){ .by = &header, .signers = 0x3 } ), who );
  assert_string_equal( check( &(claim_t){ .by = &header, .trust = &one, .signers = 0x2 } ), who );
}

static void test_of_which_chain_it_is( void ** state ) {
  assert_non_null( strstr( check( &(claim_t){ .by = &header, .chain = &elsewhere } ), "it is of chain 0x06" ) );
  assert_string_equal( check( &(claim_t){ .by = &header, .trust = &any, .chain = &elsewhere } ), "" );
  assert_string_equal( check( &(claim_t){ .by = &header, .trust = &any, .chain = &elsewhere, .signed_chain = &here } ), "the certificate's signature does not hold" );
  assert_string_equal( check( &(claim_t){ .by = &header, .signed_chain = &elsewhere } ), "the certificate's signature does not hold" );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_links_lead_to_the_certificate ),
    cmocka_unit_test( test_what_is_no_chain_to_it_is_refused ),
    cmocka_unit_test( test_a_quorum_by_weight_proves_it ),
    cmocka_unit_test( test_of_which_chain_it_is ),
  };
  return cmocka_run_group_tests( tests, setup, teardown );
}
