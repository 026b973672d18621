/* solo: what the lone validator signs is what a light client checks (C2.7), and nothing else passes for it. */
#include "node/solo.h"
#include "node/dev_genesis.h"
#include "base/log.h"
#include "crypto/bls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static uint8_t secret[ 32 ], key[ 96 ];
static dmg_hash_t const chain = { { 1, 2, 3 } };

static bool holds( dmg_bls_use_t use, dmg_span_t msg, uint8_t const sig[ 48 ] ) { return dmg_bls_verify_bytes( dmg_span( key, 96 ), use, msg, dmg_span( sig, 48 ) ); }

static bool vote_holds( dmg_vote_kind_t kind, uint64_t view, dmg_hash_t const * hash, uint8_t const sig[ 48 ] ) {
  uint8_t msg[ DMG_VOTE_MSG_SZ ];
  dmg_vote_msg( kind, &chain, 0, view, hash, msg );
  return holds( DMG_BLS_VOTE, dmg_span( msg, sizeof msg ), sig );
}

static dmg_solo_t new_solo( void ) {
  dmg_signer_cfg_t cfg = { .chain_id = chain };
  dmg_signer_t * signer;
  dmg_solo_t solo;
  memcpy( cfg.secret, secret, 32 );
  assert_int_equal( dmg_signer_open( &cfg, &signer, NULL ), DMG_OK );
  dmg_solo_init( &solo, signer, 4, (dmg_safety_epoch_t){ .anchor_ms = 1000 } );
  return solo;
}

static void test_header_follows_its_parent( void ** state ) {
  dmg_solo_t solo = new_solo();
  dmg_solo_parent_t anchor = { .time_ms = 1000, .hash = chain };
  dmg_hash_t root = { { 6 } };
  dmg_header_t h1, h2;
  dmg_solo_votes_t votes, votes2;
  dmg_solo_header( &solo, &anchor, 1001, &root, &h1 );
  dmg_hash_t hash = dmg_header_hash( &h1 );
  static dmg_cert_t const none;
  assert_int_equal( h1.height, 1 );
  assert_int_equal( h1.view, 1 );
  assert_int_equal( h1.parent_view, 0 );
  assert_memory_equal( &h1.parent_cert, &none, sizeof none );
  assert_memory_equal( h1.parent_state_root.b, root.b, 32 );
  assert_int_equal( dmg_solo_cast( &solo, 1, &hash, &votes ), DMG_OK );
  assert_true( vote_holds( DMG_VOTE_PROPOSE, 1, &hash, votes.propose ) );
  assert_false( vote_holds( DMG_VOTE_NOTARIZE, 1, &hash, votes.propose ) );   /* a proposal is no vote */
  assert_false( vote_holds( DMG_VOTE_PROPOSE, 2, &hash, votes.propose ) );

  dmg_solo_parent_t parent = { .height = 1, .time_ms = 1001, .hash = hash, .notarization = votes.notarization };
  dmg_solo_header( &solo, &parent, 1002, &root, &h2 );
  dmg_hash_t hash2 = dmg_header_hash( &h2 );
  assert_int_equal( h2.height, 2 );
  assert_int_equal( h2.parent_view, 1 );
  assert_memory_equal( h2.parent_hash.b, hash.b, 32 );
  assert_int_equal( h2.parent_cert.kind, DMG_VOTE_NOTARIZE );
  assert_true( vote_holds( DMG_VOTE_NOTARIZE, 1, &hash, h2.parent_cert.sig ) );
  /* One block a height: another would convict it (C9.1). */
  assert_int_equal( dmg_solo_cast( &solo, 1, &hash2, &votes2 ), DMG_ERR_PERM );
  assert_int_equal( dmg_solo_cast( &solo, 1, &hash, &votes2 ), DMG_OK );
  assert_memory_equal( &votes2, &votes, sizeof votes );
  dmg_signer_close( solo.signer );
}

static void test_certificate_is_of_its_kind_only( void ** state ) {
  dmg_solo_t solo = new_solo();
  dmg_solo_votes_t votes;
  dmg_cert_t again;
  dmg_hash_t hash = { { 9 } };
  assert_int_equal( dmg_solo_cast( &solo, 7, &hash, &votes ), DMG_OK );
  assert_int_equal( votes.finalization.kind, DMG_VOTE_FINALIZE );
  assert_int_equal( votes.finalization.bitmap[ 0 ], 1 );
  assert_true( vote_holds( DMG_VOTE_FINALIZE, 7, &hash, votes.finalization.sig ) );
  assert_false( vote_holds( DMG_VOTE_NOTARIZE, 7, &hash, votes.finalization.sig ) );
  assert_int_equal( dmg_solo_notarization( &solo, 7, &hash, &again ), DMG_OK );
  assert_memory_equal( &again, &votes.notarization, sizeof again );
  hash.b[ 0 ] ^= 1;
  assert_false( vote_holds( DMG_VOTE_FINALIZE, 7, &hash, votes.finalization.sig ) );
  assert_int_equal( dmg_solo_notarization( &solo, 7, &hash, &again ), DMG_ERR_PERM );
  dmg_signer_close( solo.signer );
}

static void test_reveal_is_one_a_window( void ** state ) {
  dmg_solo_t solo = new_solo();
  uint8_t a[ 48 ], b[ 48 ], msg[ DMG_REVEAL_MSG_SZ ];
  dmg_solo_reveal( &solo, 1, a );
  dmg_solo_reveal( &solo, 4, b );
  assert_memory_equal( a, b, 48 );
  dmg_reveal_msg( &chain, 0, 0, msg );
  assert_true( holds( DMG_BLS_REVEAL, dmg_span( msg, sizeof msg ), a ) );
  dmg_solo_reveal( &solo, 5, b );
  assert_memory_not_equal( a, b, 48 );
  dmg_reveal_msg( &chain, 0, 1, msg );
  assert_true( holds( DMG_BLS_REVEAL, dmg_span( msg, sizeof msg ), b ) );
  /* Back to an earlier window, as dev_revert does. */
  dmg_solo_reveal( &solo, 2, b );
  assert_memory_equal( a, b, 48 );
  dmg_signer_close( solo.signer );
}

static int setup( void ** state ) {
  dmg_log_setup( -1, DMG_LOG_LEVEL_ERROR, DMG_LOG_FORMAT_TEXT );
  dmg_dev_validator( secret, key );
  return 0;
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_header_follows_its_parent ),
    cmocka_unit_test( test_certificate_is_of_its_kind_only ),
    cmocka_unit_test( test_reveal_is_one_a_window ),
  };
  return cmocka_run_group_tests( tests, setup, NULL );
}
