#include "workload.h"
#include "base/assert.h"
#include "base/num.h"
#include "codec/bcs.h"
#include "crypto/sig.h"
#include "types/asset.h"
#include "types/tx.h"

#include <stdio.h>

enum { SYSTEM = 1, BALANCES = 2, CALL_TRANSFER = 1, CALL_TRANSFER_MANY = 3, CALL_NOTE = 8, FUND_GAS = 40000000 };   /* below tx_gas_max */
enum { NOTE_DATA_MAX = 64, NOTE_FRAME_SZ = 38, NOTE_MAX = 31 };   /* a note in a transaction: module, call, schema, two lengths; then data */

char const * const dmg_workload_mix_name[ DMG_WORKLOAD_MIX_CNT ] = { "uniform", "hot20", "hot100" };

void dmg_workload_init( dmg_workload_t * wl ) {
  for( uint32_t i = 0; i<DMG_WORKLOAD_ACCOUNT_CNT; i++ ) {
    dmg_workload_account_t * a = &wl->accounts[ i ];
    char text[ 64 ];
    int n = snprintf( text, sizeof text, "demiurge bench account %u", i );
    dmg_hash_t secret = dmg_sha256( dmg_span( text, (size_t)n ) );
    memcpy( a->secret, secret.b, 32 );
    dmg_ed25519_public( a->secret, a->key );
    dmg_account_init_t init = dmg_account_init_plain( DMG_SIG_ED25519, dmg_span( a->key, 32 ) );
    a->address = dmg_address_of( &init );
  }
}

/* Notes behind the call in c[ 0 ] that make a transaction of sz bytes exactly wl->pad_sz long; how many. */
static uint32_t pad( dmg_workload_t const * wl, uint64_t seed, size_t sz, dmg_tx_call_t * c, uint8_t data[ NOTE_MAX ][ 1+NOTE_DATA_MAX ] ) {
  size_t rest = wl->pad_sz>sz ? wl->pad_sz-sz : 0, cnt = ( rest+NOTE_FRAME_SZ+NOTE_DATA_MAX-1 )/( NOTE_FRAME_SZ+NOTE_DATA_MAX );
  DMG_ASSERT( cnt<=NOTE_MAX && rest>=cnt*NOTE_FRAME_SZ );
  rest -= cnt*NOTE_FRAME_SZ;
  for( size_t i = 0; i<cnt; i++ ) {
    size_t n = rest/cnt+( i<rest%cnt );
    data[ i ][ 0 ] = (uint8_t)n;
    for( size_t k = 0; k<n; k++ ) data[ i ][ 1+k ] = (uint8_t)dmg_rnd_u64( &seed );
    c[ 1+i ] = (dmg_tx_call_t){ .module = SYSTEM, .call = CALL_NOTE, .schema = wl->schema_note, .args = dmg_span( data[ i ], 1+n ) };
  }
  return (uint32_t)cnt;
}

/* One signed transaction of one call of balances, as a frame. */
static dmg_err_t put( dmg_workload_t const * wl, dmg_workload_account_t const * from, bool has_init, uint64_t nonce, uint16_t call, dmg_span_t args, uint64_t gas,
                      uint64_t fee_max, bool is_padded, dmg_buf_t * out ) {
  uint8_t data[ NOTE_MAX ][ 1+NOTE_DATA_MAX ];
  dmg_tx_call_t c[ 1+NOTE_MAX ] = { { .module = BALANCES, .call = call, .schema = call==CALL_TRANSFER ? wl->schema_transfer : wl->schema_many, .args = args } };
  dmg_account_init_t init = dmg_account_init_plain( DMG_SIG_ED25519, dmg_span( from->key, 32 ) );
  uint8_t sig[ 64 ] = { 0 }, * p;
  dmg_tx_sig_t s = { .scheme = DMG_SIG_ED25519, .key = dmg_span( from->key, 32 ), .sig = DMG_SPAN( sig ) };
  dmg_tx_t tx = { .version = DMG_TX_VERSION, .chain = wl->chain, .sender = from->address, .nonce = nonce, .expiry = wl->expiry, .gas = gas,
                  .fee_kind = DMG_FEE_ENERGY_THEN_FEE, .fee_max = fee_max, .calls = c, .call_cnt = 1, .auth = DMG_TX_AUTH_KEYS, .init = has_init ? &init : NULL,
                  .sigs = &s, .sig_cnt = 1 };
  dmg_buf_t body = dmg_buf( DMG_TX_SZ_MAX ), raw = dmg_buf( DMG_TX_SZ_MAX );
  dmg_err_t err = is_padded && wl->pad_sz ? dmg_tx_encode( &tx, &raw ) : DMG_OK;
  if( err ) goto end;
  if( raw.sz ) tx.call_cnt += pad( wl, dmg_load_u64le( from->key )+nonce, raw.sz, c, data );
  dmg_buf_clear( &raw );
  err = dmg_tx_body_encode( &tx, &body );
  if( err ) goto end;
  dmg_hash_t id = dmg_tx_id( dmg_buf_span( &body ) );
  dmg_ed25519_sign( from->secret, dmg_hash_span( &id ), sig );
  err = dmg_tx_encode( &tx, &raw );
  if( err ) goto end;
  err = dmg_buf_grow( out, 4+raw.sz, &p );
  if( err ) goto end;
  dmg_store_u32le( p, (uint32_t)raw.sz );
  memcpy( p+4, raw.p, raw.sz );
end:
  dmg_buf_fini( &body );
  dmg_buf_fini( &raw );
  return err;
}

static dmg_err_t put_transfer( dmg_workload_t const * wl, uint32_t from, uint32_t to, uint64_t amount, bool has_init, uint64_t nonce, dmg_buf_t * out ) {
  uint8_t args[ 64 ];
  dmg_bcs_wr_t w = dmg_bcs_wr( args, sizeof args );
  dmg_bcs_wr_fixed( &w, wl->accounts[ to ].address.b, 32 );
  dmg_bcs_wr_u64( &w, amount );
  dmg_bcs_wr_bytes( &w, dmg_span( NULL, 0 ) );
  return put( wl, &wl->accounts[ from ], has_init, nonce, CALL_TRANSFER, dmg_bcs_wr_span( &w ), wl->gas, wl->fee_max, !has_init, out );
}

dmg_hash_t dmg_workload_crowd( uint32_t i ) {
  char text[ 64 ];
  int n = snprintf( text, sizeof text, "demiurge bench crowd %u", i );
  return dmg_sha256( dmg_span( text, (size_t)n ) );
}

static dmg_err_t put_fund( dmg_workload_t const * wl, dmg_workload_account_t const * payer, uint64_t nonce, uint64_t sparks_each, bool is_crowd, uint32_t first_idx, uint32_t cnt, dmg_buf_t * out ) {
  uint8_t args[ 4+40*DMG_WORKLOAD_PAYMENT_MAX ];
  for( uint32_t i = 0; i<cnt; i += DMG_WORKLOAD_PAYMENT_MAX ) {
    uint32_t n = cnt-i<DMG_WORKLOAD_PAYMENT_MAX ? cnt-i : DMG_WORKLOAD_PAYMENT_MAX;
    dmg_bcs_wr_t w = dmg_bcs_wr( args, sizeof args );
    dmg_bcs_wr_uleb( &w, n );
    for( uint32_t k = first_idx+i; k<first_idx+i+n; k++ ) {
      dmg_hash_t to = is_crowd ? dmg_workload_crowd( k ) : wl->accounts[ k ].address;
      dmg_bcs_wr_fixed( &w, to.b, 32 );
      dmg_bcs_wr_u64( &w, sparks_each );
    }
    DMG_ASSERT( !w.is_full );
    DMG_TRY( put( wl, payer, false, nonce++, CALL_TRANSFER_MANY, dmg_bcs_wr_span( &w ), FUND_GAS, 200*wl->fee_max, false, out ) );
  }
  return DMG_OK;
}

dmg_err_t dmg_workload_fund( dmg_workload_t const * wl, dmg_workload_account_t const * payer, uint64_t nonce, uint64_t sparks_each, dmg_buf_t * out ) {
  return put_fund( wl, payer, nonce, sparks_each, false, 0, DMG_WORKLOAD_ACCOUNT_CNT, out );
}
dmg_err_t dmg_workload_fund_crowd( dmg_workload_t const * wl, dmg_workload_account_t const * payer, uint64_t nonce, uint64_t sparks_each, uint32_t first_idx, uint32_t cnt, dmg_buf_t * out ) {
  return put_fund( wl, payer, nonce, sparks_each, true, first_idx, cnt, out );
}

dmg_err_t dmg_workload_open( dmg_workload_t const * wl, dmg_buf_t * out ) {
  for( uint32_t i = 0; i<DMG_WORKLOAD_ACCOUNT_CNT; i++ ) DMG_TRY( put_transfer( wl, i, ( i+1 )%DMG_WORKLOAD_ACCOUNT_CNT, 1, true, 0, out ) );
  return DMG_OK;
}

dmg_err_t dmg_workload_mix( dmg_workload_t const * wl, dmg_workload_mix_t mix, uint32_t cnt, uint64_t * out_digest, dmg_buf_t * out ) {
  uint64_t state = DMG_WORKLOAD_SEED+(uint64_t)mix, digest = 0xcbf29ce484222325ull, nonce[ DMG_WORKLOAD_ACCOUNT_CNT ];
  for( uint32_t i = 0; i<DMG_WORKLOAD_ACCOUNT_CNT; i++ ) nonce[ i ] = 1;
  for( uint32_t i = 0; i<cnt; i++ ) {
    bool is_hot = mix==DMG_WORKLOAD_HOT100 || ( mix==DMG_WORKLOAD_HOT20 && dmg_rnd_u64( &state )%5==0 );
    uint32_t from, to = 0;
    if( is_hot ) from = 1+(uint32_t)( dmg_rnd_u64( &state )%( DMG_WORKLOAD_ACCOUNT_CNT-1 ) );
    else {
      from = (uint32_t)( dmg_rnd_u64( &state )%DMG_WORKLOAD_ACCOUNT_CNT );
      to   = (uint32_t)( dmg_rnd_u64( &state )%( DMG_WORKLOAD_ACCOUNT_CNT-1 ) );
      if( to>=from ) to++;
    }
    uint8_t pair[ 8 ];
    dmg_store_u32le( pair, from );
    dmg_store_u32le( pair+4, to );
    for( uint32_t b = 0; b<8; b++ ) digest = ( digest^pair[ b ] )*0x100000001b3ull;
    DMG_TRY( put_transfer( wl, from, to, i+1, false, nonce[ from ]++, out ) );
  }
  if( out_digest ) *out_digest = digest;
  return DMG_OK;
}

bool dmg_workload_next( dmg_buf_t const * frames, size_t * at, dmg_span_t * out_tx ) {
  if( *at==frames->sz ) return false;
  DMG_ASSERT( frames->sz-*at>=4 );
  uint32_t sz = dmg_load_u32le( frames->p+*at );
  DMG_ASSERT( sz<=frames->sz-*at-4 );
  *out_tx = dmg_span( frames->p+*at+4, sz );
  *at    += 4+(size_t)sz;
  return true;
}
