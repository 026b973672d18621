/* What the linker puts between nodes and the system (--wrap): clocks and randomness of the world, BLS's algebra without its cost, and where votes and commits are seen. */
#include "full.h"
#include "sim.h"
#include "base/os.h"

full_world_t * full_w;
bool full_is_lazy;

/* ---- The system ---- */

uint64_t __real_dmg_os_wall_ms( void );
uint64_t __real_dmg_os_mono_ns( void );
void     __real_dmg_os_random( void * out, size_t sz );
uint64_t __wrap_dmg_os_wall_ms( void );
uint64_t __wrap_dmg_os_mono_ns( void );
void     __wrap_dmg_os_random( void * out, size_t sz );

uint64_t __wrap_dmg_os_wall_ms( void ) { return full_w ? full_wall_ms( full_w->cur ) : __real_dmg_os_wall_ms(); }
/* The compiler's time-out counts real time; nothing else in a world waits by this clock. */
uint64_t __wrap_dmg_os_mono_ns( void ) { return full_w && full_w->cur ? full_local_us( full_w->cur )*1000 : __real_dmg_os_mono_ns(); }
void __wrap_dmg_os_random( void * out, size_t sz ) {
  if( !full_w ) { __real_dmg_os_random( out, sz ); return; }
  uint64_t * s = full_w->cur ? &full_w->cur->rng : &full_w->chance;
  for( size_t i = 0; i<sz; i++ ) ( (uint8_t *)out )[ i ] = (uint8_t)dmg_rnd_u64( s );
}

/* ---- BLS ---- */

#define WRAP( ret, name, args ) ret __real_dmg_bls_##name args; ret __wrap_dmg_bls_##name args; ret __wrap_dmg_bls_##name args
static bool is_real( void ) { return !full_w || full_w->cfg.is_real; }

static void lanes( dmg_bls_key_t const * k, uint8_t out[ 96 ] ) {
  for( unsigned i = 0; i<48; i++ ) { out[ i ] = ( (uint8_t const *)k->opaque )[ i ]; out[ 48+i ] = (uint8_t)~out[ i ]; }
}
WRAP( bool, public, ( uint8_t const secret[32], dmg_bls_key_t * out_key ) ) {
  if( is_real() ) return __real_dmg_bls_public( secret, out_key );
  uint8_t bytes[ DMG_BLS_KEY_SZ ] = { 0 };
  memcpy( bytes, secret, 32 );
  return sim_fake.key_load( bytes, out_key );
}
WRAP( bool, sign, ( uint8_t const secret[32], dmg_bls_use_t use, dmg_span_t msg, dmg_bls_sig_t * out_sig ) ) {
  if( is_real() ) return __real_dmg_bls_sign( secret, use, msg, out_sig );
  dmg_bls_key_t key;
  uint8_t raw[ DMG_BLS_SIG_RAW_SZ ];
  if( !__wrap_dmg_bls_public( secret, &key ) ) return false;
  sim_fake_sign( &key, use, msg, raw );
  return sim_fake.sig_load( raw, out_sig );
}
WRAP( bool, key_load, ( uint8_t const bytes[96], dmg_bls_key_t * out_key ) ) {
  if( is_real() ) return __real_dmg_bls_key_load( bytes, out_key );
  for( unsigned i = 0; i<48; i++ ) if( ( bytes[ i ]^bytes[ 48+i ] )!=0xff ) return false;
  memset( out_key, 0, sizeof *out_key );
  memcpy( out_key->opaque, bytes, 48 );
  return true;
}
WRAP( void, key_store, ( dmg_bls_key_t const * key, uint8_t out[96] ) ) { if( is_real() ) __real_dmg_bls_key_store( key, out ); else lanes( key, out ); }
WRAP( bool, sig_load, ( uint8_t const bytes[48], dmg_bls_sig_t * out_sig ) ) { return is_real() ? __real_dmg_bls_sig_load( bytes, out_sig ) : sim_fake.sig_load( bytes, out_sig ); }
WRAP( bool, sig_load_raw, ( uint8_t const bytes[96], dmg_bls_sig_t * out_sig ) ) { return is_real() ? __real_dmg_bls_sig_load_raw( bytes, out_sig ) : sim_fake.sig_load_raw( bytes, out_sig ); }
WRAP( void, sig_store, ( dmg_bls_sig_t const * sig, uint8_t out[48] ) ) { if( is_real() ) __real_dmg_bls_sig_store( sig, out ); else sim_fake.sig_store( sig, out ); }
WRAP( void, sig_store_raw, ( dmg_bls_sig_t const * sig, uint8_t out[96] ) ) {
  if( is_real() ) { __real_dmg_bls_sig_store_raw( sig, out ); return; }
  sim_fake.sig_store( sig, out );
  for( unsigned i = 0; i<48; i++ ) out[ 48+i ] = (uint8_t)~out[ i ];
}
WRAP( bool, key_sum, ( dmg_bls_key_t const * const * keys, size_t cnt, dmg_bls_key_t * out ) ) { return is_real() ? __real_dmg_bls_key_sum( keys, cnt, out ) : sim_fake.key_sum( keys, cnt, out ); }
WRAP( bool, sig_sum, ( dmg_bls_sig_t const * const * sigs, size_t cnt, dmg_bls_sig_t * out ) ) { return is_real() ? __real_dmg_bls_sig_sum( sigs, cnt, out ) : sim_fake.sig_sum( sigs, cnt, out ); }
WRAP( bool, verify_same, ( dmg_bls_key_t const * const * keys, size_t cnt, dmg_bls_use_t use, dmg_span_t msg, dmg_bls_sig_t const * sig ) ) {
  return is_real() ? __real_dmg_bls_verify_same( keys, cnt, use, msg, sig ) : sim_fake.verify_same( keys, cnt, use, msg, sig );
}
WRAP( bool, verify, ( dmg_bls_key_t const * key, dmg_bls_use_t use, dmg_span_t msg, dmg_bls_sig_t const * sig ) ) {
  return is_real() ? __real_dmg_bls_verify( key, use, msg, sig ) : sim_fake.verify_same( &key, 1, use, msg, sig );
}
WRAP( bool, verify_distinct, ( dmg_bls_item_t const * items, size_t cnt, dmg_bls_use_t use, dmg_bls_sig_t const * sig ) ) {
  return is_real() ? __real_dmg_bls_verify_distinct( items, cnt, use, sig ) : sim_fake.verify_distinct( items, cnt, use, sig );
}
WRAP( bool, verify_bytes, ( dmg_span_t key, dmg_bls_use_t use, dmg_span_t msg, dmg_span_t sig ) ) {
  if( is_real() ) return __real_dmg_bls_verify_bytes( key, use, msg, sig );
  dmg_bls_key_t k;
  dmg_bls_sig_t s;
  return key.sz==DMG_BLS_KEY_SZ && sig.sz==DMG_BLS_SIG_SZ && __wrap_dmg_bls_sig_load( sig.p, &s ) && __wrap_dmg_bls_key_load( key.p, &k ) && __wrap_dmg_bls_verify( &k, use, msg, &s );
}

/* ---- Votes, commits, mutants ---- */

dmg_err_t __real_dmg_signer_sign( dmg_signer_t * signer, dmg_safety_vote_t const * votes, uint32_t cnt, dmg_safety_epoch_t const * epoch, dmg_signer_answer_t * out );
dmg_err_t __wrap_dmg_signer_sign( dmg_signer_t * signer, dmg_safety_vote_t const * votes, uint32_t cnt, dmg_safety_epoch_t const * epoch, dmg_signer_answer_t * out );
dmg_err_t __wrap_dmg_signer_sign( dmg_signer_t * signer, dmg_safety_vote_t const * votes, uint32_t cnt, dmg_safety_epoch_t const * epoch, dmg_signer_answer_t * out ) {
  if( full_w && full_w->cfg.mutant==FM_NO_SAFETY_SYNC ) full_is_lazy = true;
  dmg_err_t err = __real_dmg_signer_sign( signer, votes, cnt, epoch, out );
  full_is_lazy = false;
  for( uint32_t i = 0; i<cnt && !err && full_w && full_w->cur; i++ ) if( !out[ i ].answer ) full_check_sign( full_w, full_w->cur, &votes[ i ] );
  return err;
}

dmg_err_t __real_dmg_chain_block_commit( dmg_chain_t * chain, dmg_chain_block_t * b, dmg_cert_t const * cert, dmg_cert_t const * notarization, dmg_chain_made_t * out );
dmg_err_t __wrap_dmg_chain_block_commit( dmg_chain_t * chain, dmg_chain_block_t * b, dmg_cert_t const * cert, dmg_cert_t const * notarization, dmg_chain_made_t * out );
dmg_err_t __wrap_dmg_chain_block_commit( dmg_chain_t * chain, dmg_chain_block_t * b, dmg_cert_t const * cert, dmg_cert_t const * notarization, dmg_chain_made_t * out ) {
  full_node_t * n = full_w ? full_w->cur : NULL;
  if( !n ) return __real_dmg_chain_block_commit( chain, b, cert, notarization, out );
  dmg_signed_header_t sh = b->sh;
  dmg_hash_t hash = b->hash, root = b->root;
  dmg_buf_t body = dmg_buf( DMG_BLOCK_LOG_RAW_MAX );
  dmg_err_t err = dmg_buf_append( &body, b->body.p, b->body.sz );
  DMG_ASSERT( !err );
  err = __real_dmg_chain_block_commit( chain, b, cert, notarization, out );
  if( !err ) full_check_commit( full_w, n, &sh, &hash, &root, dmg_buf_span( &body ), cert );
  dmg_buf_fini( &body );
  return err;
}

/* Those of the driver; above: those of a start. */
dmg_err_t __real_dmg_chain_commit( dmg_chain_t * chain, dmg_chain_final_t const * finals, uint32_t cnt, dmg_chain_made_t * out_made );
dmg_err_t __wrap_dmg_chain_commit( dmg_chain_t * chain, dmg_chain_final_t const * finals, uint32_t cnt, dmg_chain_made_t * out_made );
dmg_err_t __wrap_dmg_chain_commit( dmg_chain_t * chain, dmg_chain_final_t const * finals, uint32_t cnt, dmg_chain_made_t * out_made ) {
  struct { dmg_signed_header_t sh; dmg_hash_t hash, root; dmg_buf_t body; dmg_cert_t cert; bool has_cert; } * all;
  full_node_t * n = full_w ? full_w->cur : NULL;
  if( !n ) return __real_dmg_chain_commit( chain, finals, cnt, out_made );
  all = calloc( cnt, sizeof *all );
  DMG_ASSERT( all );
  for( uint32_t i = 0; i<cnt; i++ ) {
    dmg_chain_block_t const * b = finals[ i ].block;
    all[ i ].sh   = b->sh;
    all[ i ].hash = b->hash;
    all[ i ].root = b->root;
    all[ i ].body = dmg_buf( DMG_BLOCK_LOG_RAW_MAX );
    all[ i ].has_cert = finals[ i ].cert!=NULL;
    if( finals[ i ].cert ) all[ i ].cert = *finals[ i ].cert;
    dmg_err_t err = dmg_buf_append( &all[ i ].body, b->body.p, b->body.sz );
    DMG_ASSERT( !err );
  }
  dmg_err_t err = __real_dmg_chain_commit( chain, finals, cnt, out_made );
  for( uint32_t i = 0; i<cnt; i++ ) {
    if( !err ) full_check_commit( full_w, n, &all[ i ].sh, &all[ i ].hash, &all[ i ].root, dmg_buf_span( &all[ i ].body ), all[ i ].has_cert ? &all[ i ].cert : NULL );
    dmg_buf_fini( &all[ i ].body );
  }
  free( all );
  return err;
}

dmg_err_t __real_dmg_wal_sync( dmg_wal_t * wal );
dmg_err_t __wrap_dmg_wal_sync( dmg_wal_t * wal );
dmg_err_t __wrap_dmg_wal_sync( dmg_wal_t * wal ) {
  return full_w && ( full_w->cfg.mutant==FM_NO_WAL_SYNC || full_w->cfg.mutant==FM_NO_SAFETY_SYNC ) ? DMG_OK : __real_dmg_wal_sync( wal );
}
dmg_err_t __real_dmg_block_log_sync( dmg_block_log_t * log );
dmg_err_t __wrap_dmg_block_log_sync( dmg_block_log_t * log );
dmg_err_t __wrap_dmg_block_log_sync( dmg_block_log_t * log ) { return full_w && full_w->cfg.mutant==FM_NO_LOG_SYNC ? DMG_OK : __real_dmg_block_log_sync( log ); }

/* A state that is not the others': WRONG_ROOT's liar, and the mutant in which chance decides. */
dmg_err_t __real_dmg_state_root( dmg_state_t * state, dmg_hash_t const * block, dmg_hash_t * out );
dmg_err_t __wrap_dmg_state_root( dmg_state_t * state, dmg_hash_t const * block, dmg_hash_t * out );
dmg_err_t __wrap_dmg_state_root( dmg_state_t * state, dmg_hash_t const * block, dmg_hash_t * out ) {
  dmg_err_t err = __real_dmg_state_root( state, block, out );
  if( err || !full_w || !full_w->cur ) return err;
  if( full_w->cur->has_wrong_root && block->b[ 0 ]%4==0 ) out->b[ 5 ] ^= 1;
  if( full_w->cfg.mutant==FM_DRAWN && block->b[ 0 ]==full_w->cur->id ) out->b[ 5 ] ^= 1;
  return err;
}
