#include "rpc/put.h"
#include "crypto/bech32.h"

#include <stdio.h>

void dmg_put_address( dmg_jw_t * out, dmg_hash_t const * address ) {
  char text[ DMG_ADDRESS_TEXT_SZ+1 ];
  dmg_address_text( address, text );
  dmg_jw_cstr( out, text );
}
void dmg_put_kaddress( dmg_jw_t * out, char const * key, dmg_hash_t const * address ) { dmg_jw_key( out, key ); dmg_put_address( out, address ); }

void dmg_put_header( dmg_jw_t * out, dmg_header_t const * h ) {
  static char const * const kind[] = { "normal", "boundary", "closing" };
  dmg_jw_open( out, '{' );
  dmg_jw_knum ( out, "version", h->version );
  dmg_jw_kcstr( out, "kind", h->kind<DMG_BLOCK_KIND_CNT ? kind[ h->kind ] : "unknown" );
  dmg_jw_knum ( out, "leader", h->leader );
  dmg_jw_knum ( out, "epoch", h->epoch );
  dmg_jw_ku64 ( out, "view", h->view );
  dmg_jw_ku64 ( out, "height", h->height );
  dmg_jw_khash( out, "parentHash", &h->parent_hash );
  dmg_jw_ku64 ( out, "parentView", h->parent_view );
  dmg_jw_khash( out, "justRoot", &h->just_root );
  dmg_jw_khash( out, "bodyHash", &h->body_hash );
  dmg_jw_knum ( out, "bodyLen", h->body_len );
  dmg_jw_khash( out, "parentStateRoot", &h->parent_state_root );
  dmg_jw_khash( out, "nextEpochRoot", &h->next_epoch_root );
  dmg_jw_ku64 ( out, "timeMs", h->time_ms );
  dmg_jw_khex ( out, "reveal", dmg_span( h->reveal, sizeof h->reveal ) );
  dmg_jw_close( out, '}' );
}

void dmg_put_receipt( dmg_jw_t * out, dmg_receipt_t const * r ) {
  dmg_jw_open( out, '{' );
  dmg_jw_khash( out, "id", &r->id );
  dmg_jw_kcstr( out, "status", dmg_status_name( r->status ) );
  dmg_jw_key( out, "call" );
  if( r->call==DMG_RECEIPT_CALL_NONE ) dmg_jw_null( out );
  else                                 dmg_jw_num( out, r->call );
  dmg_jw_knum( out, "module", r->module );
  dmg_jw_knum( out, "code", r->code );
  dmg_jw_ku64( out, "gasUsed", r->gas_used );
  dmg_jw_ku64( out, "gasBilled", r->gas_billed );
  dmg_jw_key( out, "payer" );
  if( dmg_hash_is_zero( &r->payer ) ) dmg_jw_null( out );
  else                                dmg_put_address( out, &r->payer );
  dmg_jw_ku64( out, "energy", r->energy );
  dmg_jw_ku64( out, "fee", r->fee );
  dmg_jw_ku64( out, "tip", r->tip );
  dmg_jw_ku64( out, "held", r->held );
  dmg_jw_ku64( out, "returned", r->returned );
  dmg_jw_key( out, "results" );
  dmg_jw_open( out, '[' );
  for( uint32_t i = 0; i<r->result_cnt; i++ ) dmg_jw_hex( out, r->results[ i ] );
  dmg_jw_close( out, ']' );
  dmg_jw_key( out, "events" );
  dmg_jw_open( out, '[' );
  for( uint32_t i = 0; i<r->event_cnt; i++ ) {
    dmg_jw_open( out, '{' );
    dmg_jw_knum( out, "module", r->events[ i ].module );
    dmg_jw_knum( out, "event", r->events[ i ].event );
    dmg_jw_khex( out, "data", r->events[ i ].data );
    dmg_jw_close( out, '}' );
  }
  dmg_jw_close( out, ']' );
  dmg_jw_close( out, '}' );
}

void dmg_put_asset( dmg_jw_t * out, dmg_asset_t const * a ) {
  dmg_jw_open( out, '{' );
  dmg_jw_kcstr( out, "kind", dmg_asset_kind_name( a->kind ) );
  if( a->kind!=DMG_ASSET_CGT ) dmg_jw_khash( out, "value", &a->id );
  dmg_jw_close( out, '}' );
}

static void put_post( dmg_jw_t * out, dmg_tx_post_t const * p ) {
  static char const * const kind[] = { "SpendsMax", "ReceivesMin", "Owns", "OwnsNot", "Value", "Result", "EnergyMax", "FeeMax", "Outcome" };
  dmg_jw_open( out, '{' );
  dmg_jw_kcstr( out, "kind", kind[ p->kind ] );
  switch( p->kind ) {
  case DMG_POST_SPENDS_MAX: case DMG_POST_RECEIVES_MIN: case DMG_POST_OWNS: case DMG_POST_OWNS_NOT:
    dmg_put_kaddress( out, "account", &p->account );
    dmg_jw_key( out, "asset" );
    dmg_put_asset( out, &p->asset );
    if( p->kind<=DMG_POST_RECEIVES_MIN ) dmg_jw_ku64( out, "amount", p->amount );
    break;
  case DMG_POST_VALUE:
    dmg_jw_khex( out, "key", p->key );
    dmg_jw_khash( out, "valueHash", &p->hash );
    break;
  case DMG_POST_RESULT:
    dmg_jw_knum( out, "call", p->call );
    dmg_jw_khash( out, "hash", &p->hash );
    break;
  case DMG_POST_ENERGY_MAX: case DMG_POST_FEE_MAX:
    dmg_jw_ku64( out, "amount", p->amount );
    break;
  default:
    dmg_jw_khash( out, "hash", &p->hash );
  }
  dmg_jw_close( out, '}' );
}

void dmg_put_tx( dmg_jw_t * out, dmg_tx_t const * tx ) {
  static char const * const auth[] = { "Keys", "Session", "Unsigned" };
  dmg_jw_open( out, '{' );
  dmg_jw_khash( out, "id", &tx->id );
  dmg_jw_knum ( out, "version", tx->version );
  dmg_jw_khash( out, "chain", &tx->chain );
  dmg_put_kaddress( out, "sender", &tx->sender );
  dmg_jw_knum ( out, "lane", tx->lane );
  dmg_jw_ku64 ( out, "nonce", tx->nonce );
  dmg_jw_ku64 ( out, "expiry", tx->expiry );
  dmg_jw_ku64 ( out, "gas", tx->gas );
  dmg_jw_key( out, "fee" );
  dmg_jw_open( out, '{' );
  dmg_jw_kcstr( out, "kind", tx->fee_kind==DMG_FEE_ENERGY_ONLY ? "EnergyOnly" : "EnergyThenFee" );
  if( tx->fee_kind!=DMG_FEE_ENERGY_ONLY ) { dmg_jw_ku64( out, "max", tx->fee_max ); dmg_jw_ku64( out, "tip", tx->tip ); }
  dmg_jw_close( out, '}' );
  dmg_jw_key( out, "sponsor" );
  if( tx->has_sponsor ) dmg_put_address( out, &tx->sponsor );
  else                  dmg_jw_null( out );
  dmg_jw_key( out, "calls" );
  dmg_jw_open( out, '[' );
  for( uint32_t i = 0; i<tx->call_cnt; i++ ) {
    dmg_jw_open( out, '{' );
    dmg_jw_knum ( out, "module", tx->calls[ i ].module );
    dmg_jw_knum ( out, "call", tx->calls[ i ].call );
    dmg_jw_khash( out, "schema", &tx->calls[ i ].schema );
    dmg_jw_khex ( out, "args", tx->calls[ i ].args );
    dmg_jw_close( out, '}' );
  }
  dmg_jw_close( out, ']' );
  dmg_jw_key( out, "post" );
  dmg_jw_open( out, '[' );
  for( uint32_t i = 0; i<tx->post_cnt; i++ ) put_post( out, &tx->posts[ i ] );
  dmg_jw_close( out, ']' );
  dmg_jw_key( out, "auth" );
  dmg_jw_open( out, '{' );
  dmg_jw_kcstr( out, "kind", auth[ tx->auth ] );
  if( tx->auth==DMG_TX_AUTH_SESSION ) dmg_jw_knum( out, "grant", tx->grant );
  if( tx->auth==DMG_TX_AUTH_KEYS )    dmg_jw_kbool( out, "hasInit", tx->init!=NULL );
  dmg_jw_key( out, "sigs" );
  dmg_jw_open( out, '[' );
  for( uint32_t i = 0; i<tx->sig_cnt; i++ ) {
    dmg_jw_open( out, '{' );
    dmg_jw_kcstr( out, "kind", dmg_scheme_name( tx->sigs[ i ].scheme ) );
    dmg_jw_khex ( out, "key", tx->sigs[ i ].key );
    dmg_jw_khex ( out, "sig", tx->sigs[ i ].sig );
    dmg_jw_close( out, '}' );
  }
  dmg_jw_close( out, ']' );
  dmg_jw_close( out, '}' );
  dmg_jw_close( out, '}' );
}

void dmg_put_module( dmg_jw_t * out, uint16_t id, dmg_item_module_t const * m ) {
  static char const * const status[] = { "active", "paused", "migrating" };
  char version[ 24 ];
  snprintf( version, sizeof version, "%u.%u.%u", m->version.major, m->version.minor, m->version.patch );
  dmg_jw_knum ( out, "id", id );
  dmg_jw_key( out, "name" );
  dmg_jw_str  ( out, m->name );
  dmg_jw_kcstr( out, "version", version );
  dmg_jw_khash( out, "codeHash", &m->code );
  dmg_jw_khash( out, "abiHash", &m->abi );
  dmg_jw_knum ( out, "storageVersion", m->storage_version );
  dmg_jw_kcstr( out, "status", m->status<DMG_MODULE_STATUS_CNT ? status[ m->status ] : "unknown" );
}

char const * dmg_tx_state_name( dmg_tx_state_t state ) {
  static char const * const name[] = { "unknown", "queued", "pooled", "included", "final", "replaced", "expired", "dropped" };
  return name[ state ];
}

void dmg_put_status( dmg_jw_t * out, dmg_query_tx_status_t const * s ) {
  dmg_jw_open( out, '{' );
  dmg_jw_kcstr( out, "kind", dmg_tx_state_name( s->state ) );
  switch( s->state ) {
  case DMG_TX_INCLUDED: case DMG_TX_FINAL:
    dmg_jw_ku64 ( out, "height", s->height );
    dmg_jw_knum ( out, "index", s->index );
    dmg_jw_kbool( out, "ok", s->receipt_status==DMG_STATUS_OK );
    if( s->receipt_status!=DMG_STATUS_OK ) dmg_jw_kcstr( out, "error", dmg_status_name( s->receipt_status ) );
    break;
  case DMG_TX_REPLACED: dmg_jw_khash( out, "by", &s->by ); break;
  case DMG_TX_EXPIRED:  dmg_jw_ku64 ( out, "at", s->height ); break;
  case DMG_TX_DROPPED:  dmg_jw_kcstr( out, "reason", s->reason ); break;
  default: break;
  }
  dmg_jw_close( out, '}' );
}
