#include "types/tx.h"
#include "types/fields_int.h"
#include "base/assert.h"

/* R5.1. */
#define GAS_TX        6000u
#define GAS_TX_BYTE      8u
#define GAS_FRAME     8000u
#define GAS_FRAME_MORE 4000u

/* --- decoding ----------------------------------------------------------------------------------------- */

static void read_fee( dmg_bcs_rd_t * rd, dmg_field_at_t * at, dmg_tx_t * tx ) {
  F( "fee", tx->fee_kind = (uint8_t)dmg_bcs_rd_variant( rd, 2 ) );
  if( tx->fee_kind!=DMG_FEE_ENERGY_THEN_FEE ) return;
  F( "fee.max", tx->fee_max = dmg_bcs_rd_u64( rd ) );
  F( "fee.tip", tx->tip     = dmg_bcs_rd_u64( rd ) );
}

static void read_call( dmg_bcs_rd_t * rd, dmg_field_at_t * at, uint32_t i, dmg_tx_call_t * c ) {
  F_AT( "calls.module", i, c->module = dmg_bcs_rd_u16( rd ) );
  F_AT( "calls.call",   i, c->call   = dmg_bcs_rd_u16( rd ) );
  F_AT( "calls.schema", i, dmg_bcs_rd_copy( rd, c->schema.b, 32 ) );
  F_AT( "calls.args",   i, c->args   = dmg_bcs_rd_bytes( rd, DMG_TX_SZ_MAX ) );
}

static void read_post( dmg_bcs_rd_t * rd, dmg_field_at_t * at, uint32_t i, dmg_tx_post_t * p ) {
  F_AT( "post", i, p->kind = (uint8_t)dmg_bcs_rd_variant( rd, DMG_POST_KIND_CNT ) );
  switch( (dmg_post_kind_t)p->kind ) {
    case DMG_POST_SPENDS_MAX: case DMG_POST_RECEIVES_MIN: case DMG_POST_OWNS: case DMG_POST_OWNS_NOT:
      F_AT( "post.account", i, dmg_bcs_rd_copy( rd, p->account.b, 32 ) );
      F_AT( "post.asset",   i, dmg_asset_read( rd, &p->asset ) );
      if( p->kind<=DMG_POST_RECEIVES_MIN ) F_AT( "post.amount", i, p->amount = dmg_bcs_rd_u64( rd ) );
      return;
    case DMG_POST_VALUE:
      F_AT( "post.key",  i, p->key = dmg_bcs_rd_bytes( rd, DMG_KEY_MAX ) );
      F_AT( "post.hash", i, dmg_bcs_rd_copy( rd, p->hash.b, 32 ) );
      return;
    case DMG_POST_RESULT:
      F_AT( "post.call", i, p->call = dmg_bcs_rd_u8( rd ) );
      F_AT( "post.hash", i, dmg_bcs_rd_copy( rd, p->hash.b, 32 ) );
      return;
    case DMG_POST_ENERGY_MAX: case DMG_POST_FEE_MAX:
      F_AT( "post.amount", i, p->amount = dmg_bcs_rd_u64( rd ) );
      return;
    case DMG_POST_OUTCOME:
      F_AT( "post.hash", i, dmg_bcs_rd_copy( rd, p->hash.b, 32 ) );
      return;
    case DMG_POST_KIND_CNT: break;
  }
  DMG_ASSERT( rd->bad );
}

static void read_sig( dmg_bcs_rd_t * rd, dmg_field_at_t * at, uint32_t i, dmg_tx_sig_t * s ) {
  F_AT( "sigs.scheme", i, s->scheme = (uint8_t)dmg_bcs_rd_variant( rd, DMG_SIG_SCHEME_CNT ) );
  F_AT( "sigs.key",    i, s->key    = dmg_bcs_rd_fixed( rd, dmg_sig_key_sz( s->scheme ) ) );
  if( s->scheme==DMG_SIG_WEBAUTHN ) {
    F_AT( "sigs.auth_data",   i, s->auth_data   = dmg_bcs_rd_bytes( rd, DMG_SIG_AUTH_DATA_MAX ) );
    F_AT( "sigs.client_data", i, s->client_data = dmg_bcs_rd_bytes( rd, DMG_SIG_CLIENT_DATA_MAX ) );
  }
  F_AT( "sigs.sig", i, s->sig = dmg_bcs_rd_fixed( rd, dmg_sig_sz( s->scheme ) ) );
}

/* R4.13: a key occurs once, whatever its scheme (P-256 and WebAuthn share keys, weights must not add up twice). */
static bool key_is_twice( dmg_tx_sig_t const * sigs, uint32_t i ) {
  for( uint32_t k = 0; k<i; k++ ) if( dmg_span_eq( sigs[ k ].key, sigs[ i ].key ) ) return true;
  return false;
}

static dmg_verdict_t read_body( dmg_bcs_rd_t * rd, dmg_field_at_t * at, dmg_arena_t * arena, dmg_tx_t * tx ) {
  F( "version", tx->version = dmg_bcs_rd_u8( rd ) );
  if( !rd->bad && tx->version!=DMG_TX_VERSION ) return dmg_verdict_bad( "version", "not 1", 0 );
  F( "chain",  dmg_bcs_rd_copy( rd, tx->chain.b, 32 ) );
  F( "sender", dmg_bcs_rd_copy( rd, tx->sender.b, 32 ) );
  F( "lane",   tx->lane   = dmg_bcs_rd_u16( rd ) );
  F( "nonce",  tx->nonce  = dmg_bcs_rd_u64( rd ) );
  F( "expiry", tx->expiry = dmg_bcs_rd_u64( rd ) );
  F( "gas",    tx->gas    = dmg_bcs_rd_u64( rd ) );
  read_fee( rd, at, tx );
  F( "sponsor", tx->has_sponsor = dmg_bcs_rd_option( rd ) );
  if( tx->has_sponsor ) F( "sponsor", dmg_bcs_rd_copy( rd, tx->sponsor.b, 32 ) );
  F( "calls", tx->call_cnt = dmg_bcs_rd_len( rd, 1, DMG_TX_CALL_MAX ) );
  tx->calls = DMG_ARENA_NEW( arena, dmg_tx_call_t, tx->call_cnt );
  if( !tx->calls ) return dmg_verdict_local( DMG_ERR_NOMEM );
  for( uint32_t i = 0; i<tx->call_cnt && !rd->bad; i++ ) read_call( rd, at, i, &tx->calls[ i ] );
  F( "post", tx->post_cnt = dmg_bcs_rd_len( rd, 0, DMG_TX_POST_MAX ) );
  tx->posts = DMG_ARENA_NEW( arena, dmg_tx_post_t, tx->post_cnt );
  if( !tx->posts ) return dmg_verdict_local( DMG_ERR_NOMEM );
  for( uint32_t i = 0; i<tx->post_cnt && !rd->bad; i++ ) read_post( rd, at, i, &tx->posts[ i ] );
  return dmg_verdict_good();
}

static dmg_verdict_t read_init( dmg_bcs_rd_t * rd, dmg_field_at_t * at, dmg_arena_t * arena, dmg_tx_t * tx ) {
  bool has_init;
  F( "auth.init", has_init = dmg_bcs_rd_option( rd ) );
  if( !has_init ) return dmg_verdict_good();
  size_t off = dmg_bcs_rd_off( rd );
  dmg_account_init_t * init = DMG_ARENA_NEW( arena, dmg_account_init_t, 1 );
  if( !init ) return dmg_verdict_local( DMG_ERR_NOMEM );
  F( "auth.init", dmg_account_init_read( rd, init ) );
  if( rd->bad ) return dmg_verdict_good();   /* judged at the end */
  tx->init = init;
  dmg_verdict_t v = dmg_account_init_check( init );
  v.off = off;
  return v;
}

static dmg_verdict_t read_auth( dmg_bcs_rd_t * rd, dmg_field_at_t * at, dmg_arena_t * arena, dmg_tx_t * tx ) {
  F( "auth", tx->auth = (uint8_t)dmg_bcs_rd_variant( rd, 3 ) );
  if( rd->bad ) return dmg_verdict_good();
  if( tx->auth==DMG_TX_AUTH_KEYS ) {
    dmg_verdict_t v = read_init( rd, at, arena, tx );
    if( v.kind ) return v;
    F( "sigs", tx->sig_cnt = dmg_bcs_rd_len( rd, 1, DMG_TX_SIG_MAX ) );
  }
  if( tx->auth==DMG_TX_AUTH_SESSION ) {
    F( "auth.grant", tx->grant = dmg_bcs_rd_u32( rd ) );
    tx->sig_cnt = 1;
  }
  tx->sigs = DMG_ARENA_NEW( arena, dmg_tx_sig_t, tx->sig_cnt );
  if( !tx->sigs ) return dmg_verdict_local( DMG_ERR_NOMEM );
  for( uint32_t i = 0; i<tx->sig_cnt && !rd->bad; i++ ) {
    size_t off = dmg_bcs_rd_off( rd );
    read_sig( rd, at, i, &tx->sigs[ i ] );
    if( !rd->bad && key_is_twice( tx->sigs, i ) ) return dmg_verdict_bad_at( "sigs.key", i, "a key that occurs twice", off );
  }
  return dmg_verdict_good();
}

dmg_verdict_t dmg_tx_decode( dmg_span_t raw, dmg_arena_t * arena, dmg_tx_t ** out ) {
  if( raw.sz>DMG_TX_SZ_MAX ) return dmg_verdict_bad( "size", "more than 65536 bytes", DMG_TX_SZ_MAX );
  dmg_tx_t * tx = DMG_ARENA_NEW( arena, dmg_tx_t, 1 );
  if( !tx ) return dmg_verdict_local( DMG_ERR_NOMEM );
  dmg_bcs_rd_t r = dmg_bcs_rd( raw ), * rd = &r;
  dmg_field_at_t  f = { 0 };
  dmg_verdict_t v = read_body( rd, &f, arena, tx );
  if( v.kind ) return v;
  tx->raw  = raw;
  tx->body = dmg_span( raw.p, dmg_bcs_rd_off( rd ) );
  if( !rd->bad ) {
    v = read_auth( rd, &f, arena, tx );
    if( v.kind ) return v;
  }
  v = dmg_fields_end( rd, &f );
  if( v.kind ) return v;
  tx->id = dmg_tx_id( tx->body );
  *out   = tx;
  return v;
}

dmg_hash_t dmg_tx_id( dmg_span_t body ) { return dmg_h( DMG_TAG_TX, body ); }

/* --- encoding ----------------------------------------------------------------------------------------- */

static void write_post( dmg_bcs_wr_t * wr, dmg_tx_post_t const * p ) {
  dmg_bcs_wr_uleb( wr, p->kind );
  switch( (dmg_post_kind_t)p->kind ) {
    case DMG_POST_SPENDS_MAX: case DMG_POST_RECEIVES_MIN: case DMG_POST_OWNS: case DMG_POST_OWNS_NOT:
      dmg_bcs_wr_fixed( wr, p->account.b, 32 );
      dmg_asset_write( wr, &p->asset );
      if( p->kind<=DMG_POST_RECEIVES_MIN ) dmg_bcs_wr_u64( wr, p->amount );
      return;
    case DMG_POST_VALUE:  dmg_bcs_wr_bytes( wr, p->key ); dmg_bcs_wr_fixed( wr, p->hash.b, 32 ); return;
    case DMG_POST_RESULT: dmg_bcs_wr_u8( wr, p->call );   dmg_bcs_wr_fixed( wr, p->hash.b, 32 ); return;
    case DMG_POST_ENERGY_MAX: case DMG_POST_FEE_MAX: dmg_bcs_wr_u64( wr, p->amount ); return;
    case DMG_POST_OUTCOME: dmg_bcs_wr_fixed( wr, p->hash.b, 32 ); return;
    case DMG_POST_KIND_CNT: return;
  }
}

static void write_body( dmg_bcs_wr_t * wr, dmg_tx_t const * tx ) {
  dmg_bcs_wr_u8   ( wr, tx->version );
  dmg_bcs_wr_fixed( wr, tx->chain.b, 32 );
  dmg_bcs_wr_fixed( wr, tx->sender.b, 32 );
  dmg_bcs_wr_u16  ( wr, tx->lane );
  dmg_bcs_wr_u64  ( wr, tx->nonce );
  dmg_bcs_wr_u64  ( wr, tx->expiry );
  dmg_bcs_wr_u64  ( wr, tx->gas );
  dmg_bcs_wr_uleb ( wr, tx->fee_kind );
  if( tx->fee_kind==DMG_FEE_ENERGY_THEN_FEE ) { dmg_bcs_wr_u64( wr, tx->fee_max ); dmg_bcs_wr_u64( wr, tx->tip ); }
  dmg_bcs_wr_bool ( wr, tx->has_sponsor );
  if( tx->has_sponsor ) dmg_bcs_wr_fixed( wr, tx->sponsor.b, 32 );
  dmg_bcs_wr_uleb ( wr, tx->call_cnt );
  for( uint32_t i = 0; i<tx->call_cnt; i++ ) {
    dmg_tx_call_t const * c = &tx->calls[ i ];
    dmg_bcs_wr_u16  ( wr, c->module );
    dmg_bcs_wr_u16  ( wr, c->call );
    dmg_bcs_wr_fixed( wr, c->schema.b, 32 );
    dmg_bcs_wr_bytes( wr, c->args );
  }
  dmg_bcs_wr_uleb( wr, tx->post_cnt );
  for( uint32_t i = 0; i<tx->post_cnt; i++ ) write_post( wr, &tx->posts[ i ] );
}

static void write_sig( dmg_bcs_wr_t * wr, dmg_tx_sig_t const * s ) {
  dmg_bcs_wr_uleb ( wr, s->scheme );
  dmg_bcs_wr_fixed( wr, s->key.p, s->key.sz );
  if( s->scheme==DMG_SIG_WEBAUTHN ) { dmg_bcs_wr_bytes( wr, s->auth_data ); dmg_bcs_wr_bytes( wr, s->client_data ); }
  dmg_bcs_wr_fixed( wr, s->sig.p, s->sig.sz );
}

static void write_auth( dmg_bcs_wr_t * wr, dmg_tx_t const * tx ) {
  dmg_bcs_wr_uleb( wr, tx->auth );
  if( tx->auth==DMG_TX_AUTH_KEYS ) {
    dmg_bcs_wr_bool( wr, tx->init!=NULL );
    if( tx->init ) dmg_account_init_write( wr, tx->init );
    dmg_bcs_wr_uleb( wr, tx->sig_cnt );
  }
  if( tx->auth==DMG_TX_AUTH_SESSION ) dmg_bcs_wr_u32( wr, tx->grant );
  for( uint32_t i = 0; i<tx->sig_cnt; i++ ) write_sig( wr, &tx->sigs[ i ] );
}

static bool body_is_sound( dmg_tx_t const * tx ) {
  if( tx->version!=DMG_TX_VERSION || tx->fee_kind>DMG_FEE_ENERGY_THEN_FEE ) return false;
  if( !tx->call_cnt || tx->call_cnt>DMG_TX_CALL_MAX || tx->post_cnt>DMG_TX_POST_MAX ) return false;
  for( uint32_t i = 0; i<tx->call_cnt; i++ ) if( tx->calls[ i ].args.sz>DMG_TX_SZ_MAX ) return false;
  for( uint32_t i = 0; i<tx->post_cnt; i++ ) {
    dmg_tx_post_t const * p = &tx->posts[ i ];
    if( p->kind>=DMG_POST_KIND_CNT || p->asset.kind>=DMG_ASSET_CNT || p->key.sz>DMG_KEY_MAX ) return false;
  }
  return true;
}

static bool auth_is_sound( dmg_tx_t const * tx ) {
  switch( tx->auth ) {
    case DMG_TX_AUTH_KEYS:     if( !tx->sig_cnt || tx->sig_cnt>DMG_TX_SIG_MAX ) return false; break;
    case DMG_TX_AUTH_SESSION:  if( tx->sig_cnt!=1 ) return false; break;
    case DMG_TX_AUTH_UNSIGNED: if( tx->sig_cnt ) return false; break;
    default: return false;
  }
  if( tx->init && ( tx->auth!=DMG_TX_AUTH_KEYS || dmg_account_init_check( tx->init ).kind ) ) return false;
  for( uint32_t i = 0; i<tx->sig_cnt; i++ ) {
    dmg_tx_sig_t const * s = &tx->sigs[ i ];
    if( s->scheme>=DMG_SIG_SCHEME_CNT || s->key.sz!=dmg_sig_key_sz( s->scheme ) || s->sig.sz!=dmg_sig_sz( s->scheme ) ) return false;
    if( s->auth_data.sz>DMG_SIG_AUTH_DATA_MAX || s->client_data.sz>DMG_SIG_CLIENT_DATA_MAX || key_is_twice( tx->sigs, i ) ) return false;
  }
  return true;
}

static dmg_err_t encode( dmg_tx_t const * tx, bool with_auth, dmg_buf_t * buf ) {
  if( !body_is_sound( tx ) || ( with_auth && !auth_is_sound( tx ) ) ) return DMG_ERR_INVALID;
  /* Written once to measure would cost the same as writing: take the upper bound, give back the rest. */
  size_t cap = 256+(size_t)DMG_TX_POST_MAX*( 2+DMG_KEY_MAX+32 );
  for( uint32_t i = 0; i<tx->call_cnt; i++ ) cap += 48+tx->calls[ i ].args.sz;
  if( with_auth ) {
    cap += DMG_ACCOUNT_INIT_BCS_MAX+16;
    for( uint32_t i = 0; i<tx->sig_cnt; i++ ) cap += 8+tx->sigs[ i ].key.sz+tx->sigs[ i ].sig.sz+tx->sigs[ i ].auth_data.sz+tx->sigs[ i ].client_data.sz;
  }
  if( cap>DMG_TX_SZ_MAX ) cap = DMG_TX_SZ_MAX;
  size_t before = buf->sz, room = buf->max-buf->sz;
  if( cap>room ) cap = room;
  uint8_t * p;
  DMG_TRY( dmg_buf_grow( buf, cap, &p ) );
  dmg_bcs_wr_t wr = dmg_bcs_wr( p, cap );
  write_body( &wr, tx );
  if( with_auth ) write_auth( &wr, tx );
  buf->sz = before;
  if( wr.is_full ) return cap==DMG_TX_SZ_MAX ? DMG_ERR_INVALID : DMG_ERR_LIMIT;
  buf->sz = before+(size_t)( wr.p-wr.start );
  return DMG_OK;
}

dmg_err_t dmg_tx_encode     ( dmg_tx_t const * tx, dmg_buf_t * buf ) { return encode( tx, true,  buf ); }
dmg_err_t dmg_tx_body_encode( dmg_tx_t const * tx, dmg_buf_t * buf ) { return encode( tx, false, buf ); }

/* --- gas ---------------------------------------------------------------------------------------------- */

uint64_t dmg_tx_intrinsic_gas( dmg_tx_t const * tx, size_t raw_sz ) {
  uint64_t gas = GAS_TX+GAS_TX_BYTE*(uint64_t)raw_sz;
  for( uint32_t i = 0; i<tx->sig_cnt; i++ ) gas += dmg_scheme_gas( tx->sigs[ i ].scheme );
  return gas;
}

uint64_t dmg_tx_frame_gas( dmg_tx_t const * tx ) {
  uint64_t gas = GAS_FRAME;
  if( tx->auth==DMG_TX_AUTH_SESSION ) gas += GAS_FRAME_MORE;
  if( tx->has_sponsor )               gas += GAS_FRAME_MORE;
  if( tx->sig_cnt>1 )                 gas += GAS_FRAME_MORE;
  return gas;
}
