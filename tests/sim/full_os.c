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
WRAP( bool, sig_load_part, ( uint8_t const bytes[96], dmg_bls_sig_t * out_sig ) ) { return is_real() ? __real_dmg_bls_sig_load_part( bytes, out_sig ) : sim_fake.sig_load_part( bytes, out_sig ); }
WRAP( bool, sig_load_raw, ( uint8_t const bytes[96], dmg_bls_sig_t * out_sig ) ) { return is_real() ? __real_dmg_bls_sig_load_raw( bytes, out_sig ) : sim_fake.sig_load_raw( bytes, out_sig ); }
WRAP( void, sig_store, ( dmg_bls_sig_t const * sig, uint8_t out[48] ) ) { if( is_real() ) __real_dmg_bls_sig_store( sig, out ); else sim_fake.sig_store( sig, out ); }
WRAP( void, sig_store_raw, ( dmg_bls_sig_t const * sig, uint8_t out[96] ) ) {
  if( is_real() ) { __real_dmg_bls_sig_store_raw( sig, out ); return; }
  sim_fake.sig_store( sig, out );
  for( unsigned i = 0; i<48; i++ ) out[ 48+i ] = (uint8_t)~out[ i ];
}
WRAP( bool, key_sum, ( dmg_bls_key_t const * const * keys, size_t cnt, dmg_bls_key_t * out ) ) { return is_real() ? __real_dmg_bls_key_sum( keys, cnt, out ) : sim_fake.key_sum( keys, cnt, out ); }
WRAP( bool, sig_sum, ( dmg_bls_sig_t const * const * sigs, size_t cnt, dmg_bls_sig_t * out ) ) { return is_real() ? __real_dmg_bls_sig_sum( sigs, cnt, out ) : sim_fake.sig_sum( sigs, cnt, out ); }
static bool is_trusted( void ) { return full_w && full_w->cfg.mutant==FM_LINK_TRUSTED && full_w->cur; }
WRAP( bool, verify_same, ( dmg_bls_key_t const * const * keys, size_t cnt, dmg_bls_use_t use, dmg_span_t msg, dmg_bls_sig_t const * sig ) ) {
  return is_trusted() || ( is_real() ? __real_dmg_bls_verify_same( keys, cnt, use, msg, sig ) : sim_fake.verify_same( keys, cnt, use, msg, sig ) );
}
WRAP( bool, verify, ( dmg_bls_key_t const * key, dmg_bls_use_t use, dmg_span_t msg, dmg_bls_sig_t const * sig ) ) {
  return is_real() ? __real_dmg_bls_verify( key, use, msg, sig ) : sim_fake.verify_same( &key, 1, use, msg, sig );
}
WRAP( bool, verify_distinct, ( dmg_bls_item_t const * items, size_t cnt, dmg_bls_use_t use, dmg_bls_sig_t const * sig ) ) {
  return is_trusted() || ( is_real() ? __real_dmg_bls_verify_distinct( items, cnt, use, sig ) : sim_fake.verify_distinct( items, cnt, use, sig ) );
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

/* What is about to be committed, which the commit frees. */
typedef struct { dmg_signed_header_t sh; dmg_hash_t hash, root; dmg_buf_t body; bool has_cert; dmg_cert_t cert; } copy_t;

static void copy_of( dmg_chain_block_t const * b, dmg_cert_t const * cert, copy_t * out ) {
  *out = (copy_t){ .sh = b->sh, .hash = b->hash, .root = b->root, .body = dmg_buf( DMG_BLOCK_LOG_RAW_MAX ), .has_cert = cert!=NULL };
  dmg_err_t err = dmg_buf_append( &out->body, b->body.p, b->body.sz );
  DMG_ASSERT( !err );
  if( cert ) out->cert = *cert;
}
static void tell( full_node_t * n, copy_t * c, bool is_done ) {
  if( is_done ) full_check_commit( full_w, n, &c->sh, &c->hash, &c->root, dmg_buf_span( &c->body ), c->has_cert ? &c->cert : NULL );
  dmg_buf_fini( &c->body );
}

dmg_err_t __real_dmg_chain_block_commit( dmg_chain_t * chain, dmg_chain_block_t * b, dmg_cert_t const * cert, dmg_cert_t const * notarization, dmg_chain_made_t * out );
dmg_err_t __wrap_dmg_chain_block_commit( dmg_chain_t * chain, dmg_chain_block_t * b, dmg_cert_t const * cert, dmg_cert_t const * notarization, dmg_chain_made_t * out );
dmg_err_t __wrap_dmg_chain_block_commit( dmg_chain_t * chain, dmg_chain_block_t * b, dmg_cert_t const * cert, dmg_cert_t const * notarization, dmg_chain_made_t * out ) {
  full_node_t * n = full_w ? full_w->cur : NULL;
  copy_t copy;
  if( n ) copy_of( b, cert, &copy );
  dmg_err_t err = __real_dmg_chain_block_commit( chain, b, cert, notarization, out );
  if( n ) tell( n, &copy, !err );
  return err;
}

dmg_err_t __real_dmg_chain_commit( dmg_chain_t * chain, dmg_chain_final_t const * finals, uint32_t cnt, dmg_chain_made_t * out );
dmg_err_t __wrap_dmg_chain_commit( dmg_chain_t * chain, dmg_chain_final_t const * finals, uint32_t cnt, dmg_chain_made_t * out );
dmg_err_t __wrap_dmg_chain_commit( dmg_chain_t * chain, dmg_chain_final_t const * finals, uint32_t cnt, dmg_chain_made_t * out ) {
  full_node_t * n = full_w ? full_w->cur : NULL;
  copy_t * copies = n ? calloc( cnt+1, sizeof *copies ) : NULL;
  DMG_ASSERT( !n || copies );
  for( uint32_t i = 0; i<cnt && n; i++ ) copy_of( finals[ i ].block, finals[ i ].cert, &copies[ i ] );
  dmg_err_t err = __real_dmg_chain_commit( chain, finals, cnt, out );
  for( uint32_t i = 0; i<cnt && n; i++ ) tell( n, &copies[ i ], !err );
  free( copies );
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

/* ---- Frames, decisions ---- */

void __real_dmg_chainnet_send( dmg_chainnet_t * net, uint64_t const peers[ DMG_CHAINNET_PEER_MAX/64 ], dmg_span_t frame );
void __wrap_dmg_chainnet_send( dmg_chainnet_t * net, uint64_t const peers[ DMG_CHAINNET_PEER_MAX/64 ], dmg_span_t frame );
void full_send( dmg_chainnet_t * net, uint64_t const peers[ DMG_CHAINNET_PEER_MAX/64 ], dmg_span_t frame ) { __real_dmg_chainnet_send( net, peers, frame ); }
void __wrap_dmg_chainnet_send( dmg_chainnet_t * net, uint64_t const peers[ DMG_CHAINNET_PEER_MAX/64 ], dmg_span_t frame ) {
  full_node_t * n = full_w ? full_w->cur : NULL;
  if( !n ) { __real_dmg_chainnet_send( net, peers, frame ); return; }
  for( unsigned k = full_w->cfg.mutant==FM_CHATTY ? 2 : 1; k; k-- ) {
    for( unsigned i = 0; i<DMG_CHAINNET_PEER_MAX/64 && frame.p[ 0 ]!=DMG_FRAME_HANDOVER; i++ ) n->tx_calm += frame.sz*(uint64_t)__builtin_popcountll( peers[ i ] );
    if( n->lies ) full_lie( full_w, n, peers, frame );
    else          full_send( net, peers, frame );
  }
  if( n==full_w->thief.victim ) full_thief_hear( full_w, frame );
}

void __real_dmg_validator_frame( dmg_validator_t * v, uint16_t peer, dmg_span_t frame );
void __wrap_dmg_validator_frame( dmg_validator_t * v, uint16_t peer, dmg_span_t frame );
void __wrap_dmg_validator_frame( dmg_validator_t * v, uint16_t peer, dmg_span_t frame ) {
  full_node_t * n = full_w ? full_w->cur : NULL;
  if( n && n->lies ) full_lend( full_w, n, frame );
  __real_dmg_validator_frame( v, peer, frame );
}

dmg_verdict_t __real_dmg_cons_take_evidence( dmg_cons_t * c, dmg_span_t bytes );
dmg_verdict_t __wrap_dmg_cons_take_evidence( dmg_cons_t * c, dmg_span_t bytes );
dmg_verdict_t __wrap_dmg_cons_take_evidence( dmg_cons_t * c, dmg_span_t bytes ) {
  dmg_verdict_t v = __real_dmg_cons_take_evidence( c, bytes );
  if( !v.kind && full_w && full_w->cur ) full_check_evidence( full_w, full_w->cur, bytes );
  return v;
}

void __real_dmg_cons_step( dmg_cons_t * c, dmg_cons_event_t const * ev, dmg_cons_out_t * out );
void __wrap_dmg_cons_step( dmg_cons_t * c, dmg_cons_event_t const * ev, dmg_cons_out_t * out );
void __wrap_dmg_cons_step( dmg_cons_t * c, dmg_cons_event_t const * ev, dmg_cons_out_t * out ) {
  __real_dmg_cons_step( c, ev, out );
  for( uint32_t i = 0; full_w && full_w->cur && i<out->cnt; i++ ) if( out->actions[ i ].kind==DMG_CONS_EVIDENCE ) full_check_evidence( full_w, full_w->cur, out->actions[ i ].evidence.bytes );
}

void __real_dmg_signer_host( uint8_t out[ DMG_SAFETY_HOST_SZ ] );
void __wrap_dmg_signer_host( uint8_t out[ DMG_SAFETY_HOST_SZ ] );
void __wrap_dmg_signer_host( uint8_t out[ DMG_SAFETY_HOST_SZ ] ) {
  __real_dmg_signer_host( out );
  if( full_w && full_w->cur ) out[ 0 ] ^= (uint8_t)( 1+full_w->cur->host );
}

bool __real_dmg_cover_end( dmg_cover_t const * cover );
bool __wrap_dmg_cover_end( dmg_cover_t const * cover );
bool __wrap_dmg_cover_end( dmg_cover_t const * cover ) { return ( full_w && full_w->cfg.mutant==FM_NO_COVER ) || __real_dmg_cover_end( cover ); }

dmg_safety_answer_t __real_dmg_safety_vote( dmg_safety_t * safety, dmg_safety_vote_t const * vote, dmg_safety_epoch_t const * epoch, bool * out_is_new );
dmg_safety_answer_t __wrap_dmg_safety_vote( dmg_safety_t * safety, dmg_safety_vote_t const * vote, dmg_safety_epoch_t const * epoch, bool * out_is_new );
dmg_safety_answer_t __wrap_dmg_safety_vote( dmg_safety_t * safety, dmg_safety_vote_t const * vote, dmg_safety_epoch_t const * epoch, bool * out_is_new ) {
  dmg_safety_answer_t a = __real_dmg_safety_vote( safety, vote, epoch, out_is_new );
  return full_w && full_w->cfg.mutant==FM_NO_REFUSAL ? DMG_SAFETY_OK : a;
}

uint64_t __real_dmg_set_quorum( uint64_t total );
uint64_t __wrap_dmg_set_quorum( uint64_t total );
uint64_t __wrap_dmg_set_quorum( uint64_t total ) { return full_w && full_w->cfg.mutant==FM_QUORUM_SHORT ? total/2 : __real_dmg_set_quorum( total ); }

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
