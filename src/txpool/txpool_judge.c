#include "txpool/txpool_int.h"
#include "codec/abi.h"

#include <stddef.h>
#include <stdlib.h>

#define REFUSE( r )               do { why->reason = ( r ); return false; } while(0)
#define REFUSE_NUM( r, have_, want_ ) do { why->reason = ( r ); why->have = ( have_ ); why->want = ( want_ ); return false; } while(0)

uint64_t dmg_txpool_reserve( uint64_t gas, uint64_t price, uint64_t tip ) {
  uint64_t fee;
  return dmg_mul_div_ceil( gas, price, 1000000, &fee ) && dmg_add_u64( fee, tip, &fee ) ? fee : UINT64_MAX;
}

bool dmg_txpool_judge_early( dmg_txpool_t const * pool, dmg_tx_t const * tx, dmg_txpool_why_t * why ) {
  if( !dmg_hash_eq( &tx->chain, &pool->cfg.chain ) ) REFUSE( DMG_TXPOOL_CHAIN );
  uint64_t height = pool->head.height, window = pool->head.params.v[ DMG_PARAM_EXPIRY_WINDOW ];
  if( tx->expiry<=height )       REFUSE_NUM( DMG_TXPOOL_EXPIRED, tx->expiry, height+1 );
  if( tx->expiry-height>window ) REFUSE_NUM( DMG_TXPOOL_TOO_FAR, tx->expiry, height+window );
  return true;
}

static bool judge_gas( dmg_txpool_t const * pool, dmg_tx_t const * tx, dmg_txpool_why_t * why ) {
  uint64_t least = dmg_tx_frame_gas( tx ), most = pool->head.params.v[ DMG_PARAM_TX_GAS ];
  if( tx->gas<least ) REFUSE_NUM( DMG_TXPOOL_GAS, tx->gas, least );
  if( tx->gas>most )  REFUSE_NUM( DMG_TXPOOL_GAS, tx->gas, most );
  return true;
}

/* What all calls want: roles they have in common, sum of their gas lines. */
typedef struct { uint16_t auth[ DMG_TX_CALL_MAX ]; uint64_t gas_line; } wanted_t;

static dmg_err_t judge_calls( dmg_txpool_state_t const * state, dmg_tx_t const * tx, wanted_t * wanted, dmg_txpool_why_t * why ) {
  wanted->gas_line = 0;
  for( uint32_t i = 0; i<tx->call_cnt; i++ ) {
    dmg_txpool_call_t c = { 0 };
    DMG_TRY( state->check_call( state->ctx, &tx->calls[ i ], &c ) );
    if( c.reason ) {
      DMG_ASSERT( c.reason==DMG_TXPOOL_MODULE || c.reason==DMG_TXPOOL_SCHEMA || c.reason==DMG_TXPOOL_ARGS );
      *why = (dmg_txpool_why_t){ .reason = c.reason, .call = i, .want_schema = c.want_schema };
      return DMG_OK;
    }
    wanted->auth[ i ]  = c.auth;
    wanted->gas_line  += dmg_min_u64( c.gas_line, UINT32_MAX );
  }
  return DMG_OK;
}

/* --- account and keys --------------------------------------------------------------------------------- */

/* The account in state, kept with the sender for the time of one head; NULL: none.  *room is used if there is no sender. */
static dmg_err_t account_of( dmg_txpool_t * pool, dmg_txpool_state_t const * state, sender_t * s, dmg_hash_t const * address, dmg_txpool_account_t * room, dmg_txpool_account_t const ** out ) {
  if( s && s->account_at==pool->generation ) { *out = s->account; return DMG_OK; }
  dmg_err_t err = state->account( state->ctx, address, room );
  if( err && err!=DMG_ERR_NOT_FOUND ) return err;
  *out = err ? NULL : room;
  if( !s ) return DMG_OK;
  dmg_txpool_account_t * keep = NULL;
  if( !err ) {
    DMG_ASSERT( room->auth_cnt<=DMG_AUTH_SLOT_MAX );
    size_t sz = offsetof( dmg_txpool_account_t, auths )+room->auth_cnt*sizeof *room->auths;
    keep = malloc( sz );
    if( !keep ) return DMG_ERR_NOMEM;
    memcpy( keep, room, sz );
  }
  free( s->account );
  s->account    = keep;
  s->account_at = pool->generation;
  return DMG_OK;
}

/* A first transaction that waits already, with the authenticators of the account. */
static dmg_account_init_t const * init_in_pool( sender_t const * s ) {
  if( s ) for( lane_t const * l = s->lanes; l; l = l->next ) for( entry_t const * e = l->first; e; e = e->lane_next ) if( e->tx.init ) return e->tx.init;
  return NULL;
}

static void account_from_init( dmg_account_init_t const * init, dmg_txpool_account_t * out ) {
  *out = (dmg_txpool_account_t){ .is_user = true, .t_use = init->t_use, .t_owner = init->t_owner, .auth_cnt = init->auth_cnt };
  for( uint32_t i = 0; i<init->auth_cnt; i++ ) {
    dmg_auth_init_t const * a = &init->auths[ i ];
    out->auths[ i ] = (dmg_txpool_auth_t){ .scheme = a->scheme, .level = a->level, .weight = a->weight, .key_sz = (uint8_t)a->key.sz };
    memcpy( out->auths[ i ].key, a->key.p, a->key.sz );
  }
}

/* M1.3: proposals of several keys are made by one of them alone.  It gives no tip: below the
   threshold a key must not be able to pay out what the others guard. */
static bool is_msig_only( dmg_tx_t const * tx ) {
  if( tx->tip ) return false;
  for( uint32_t i = 0; i<tx->call_cnt; i++ )
    if( tx->calls[ i ].module!=DMG_MODULE_SYSTEM || tx->calls[ i ].call<5 || tx->calls[ i ].call>7 ) return false;
  return true;
}

/* The role that the signatures reach by these keys; false: KEYS.  Each signature must be by an active key. */
static bool role_of( dmg_tx_t const * tx, dmg_txpool_account_t const * account, uint64_t time_ms, dmg_role_t * out_role ) {
  uint32_t use = 0, owner = 0;
  for( uint32_t i = 0; i<tx->sig_cnt; i++ ) {
    dmg_txpool_auth_t const * a = NULL;
    for( uint32_t k = 0; k<account->auth_cnt && !a; k++ ) {
      dmg_txpool_auth_t const * b = &account->auths[ k ];
      if( b->scheme==tx->sigs[ i ].scheme && b->active_from_ms<=time_ms && dmg_span_eq( dmg_span( b->key, b->key_sz ), tx->sigs[ i ].key ) ) a = b;
    }
    if( !a ) return false;
    use += a->weight;
    if( a->level==DMG_LEVEL_OWNER ) owner += a->weight;
  }
  if( owner>=account->t_owner )                          *out_role = DMG_ROLE_OWNER;
  else if( use>=account->t_use || is_msig_only( tx ) )   *out_role = DMG_ROLE_USE;
  else return false;
  return true;
}

static dmg_err_t judge_authority( dmg_txpool_t * pool, dmg_txpool_state_t const * state, dmg_tx_t const * tx, wanted_t const * wanted, learnt_t * learnt, dmg_txpool_why_t * why ) {
#define STOP( r ) do { why->reason = ( r ); return DMG_OK; } while(0)
  if( tx->auth==DMG_TX_AUTH_SESSION )  STOP( DMG_TXPOOL_SESSION );
  if( tx->auth==DMG_TX_AUTH_UNSIGNED ) STOP( DMG_TXPOOL_UNSIGNED );
  if( tx->init ) {
    dmg_hash_t address = dmg_address_of( tx->init );
    if( !dmg_hash_eq( &address, &tx->sender ) ) STOP( DMG_TXPOOL_ACCOUNT );
  }
  sender_t * s = dmg_txpool_sender_find( pool, &tx->sender );
  learnt->is_by_init = false;
  dmg_txpool_account_t room;
  dmg_txpool_account_t const * account;
  DMG_TRY( account_of( pool, state, s, &tx->sender, &room, &account ) );
  if( !account ) {
    dmg_account_init_t const * init = tx->init ? tx->init : init_in_pool( s );
    if( !init ) STOP( DMG_TXPOOL_ACCOUNT );
    learnt->is_by_init = !tx->init;
    account_from_init( init, &room );
    account = &room;
  }
  dmg_role_t role;
  if( !account->is_user || !role_of( tx, account, pool->head.time_ms, &role ) ) STOP( DMG_TXPOOL_KEYS );
  for( uint32_t i = 0; i<tx->call_cnt; i++ )
    if( !( wanted->auth[ i ]>>role&1 ) ) { why->call = i; STOP( DMG_TXPOOL_ROLE ); }
  return DMG_OK;
#undef STOP
}

/* --- nonce -------------------------------------------------------------------------------------------- */

static dmg_err_t judge_nonce( dmg_txpool_t * pool, dmg_txpool_state_t const * state, dmg_tx_t const * tx, learnt_t * learnt, dmg_txpool_why_t * why ) {
  learnt->lane_head = 0;
  if( !dmg_tx_lane_is_valid( tx->lane ) ) { why->reason = DMG_TXPOOL_LANE; return DMG_OK; }
  if( tx->lane==DMG_TX_LANE_UNORDERED ) {
    if( tx->expiry-pool->head.height>pool->head.params.v[ DMG_PARAM_UNORDERED_WINDOW ] ) { why->reason = DMG_TXPOOL_LANE; return DMG_OK; }
    bool is_seen = false;
    DMG_TRY( state->seen( state->ctx, tx->expiry, &tx->id, &is_seen ) );
    if( is_seen ) why->reason = DMG_TXPOOL_SEEN;
    return DMG_OK;
  }
  lane_t const * lane = dmg_txpool_lane_find( pool, dmg_txpool_sender_find( pool, &tx->sender ), tx->lane );
  if( lane ) learnt->lane_head = lane->head;
  else DMG_TRY( state->lane( state->ctx, &tx->sender, tx->lane, &learnt->lane_head ) );
  if( tx->nonce<learnt->lane_head || tx->nonce-learnt->lane_head>DMG_TXPOOL_WINDOW || tx->nonce==UINT64_MAX )
    *why = (dmg_txpool_why_t){ .reason = DMG_TXPOOL_NONCE, .have = tx->nonce, .want = learnt->lane_head };
  return DMG_OK;
}

/* --- fee ---------------------------------------------------------------------------------------------- */

static entry_t * same_place( dmg_txpool_t const * pool, dmg_tx_t const * tx ) {
  return dmg_txpool_lane_at( dmg_txpool_lane_find( pool, dmg_txpool_sender_find( pool, &tx->sender ), tx->lane ), tx->nonce );
}

/* What waits already is paid first; what this one replaces, or was itself, is not. */
static void judge_balance( dmg_txpool_t const * pool, entry_t const * e, uint64_t spendable, uint64_t reserve, dmg_txpool_why_t * why ) {
  sender_t const * s = dmg_txpool_sender_find( pool, &e->tx.sender );
  uint64_t waiting = s ? s->reserve : 0, need;
  if( e->is_in ) waiting -= e->reserve;
  else {
    entry_t const * old = same_place( pool, &e->tx );
    if( old ) waiting -= old->reserve;
  }
  if( !dmg_add_u64( waiting, reserve, &need ) ) need = UINT64_MAX;
  if( need>spendable ) *why = (dmg_txpool_why_t){ .reason = DMG_TXPOOL_BALANCE, .have = spendable, .want = need };
}

static dmg_err_t judge_fee( dmg_txpool_t * pool, dmg_txpool_state_t const * state, entry_t * e, learnt_t * learnt, dmg_txpool_why_t * why ) {
  dmg_tx_t const * tx = &e->tx;
  if( tx->fee_kind==DMG_FEE_ENERGY_ONLY ) { why->reason = DMG_TXPOOL_ENERGY; return DMG_OK; }
  uint64_t reserve = dmg_txpool_reserve( e->intrinsic+tx->gas, pool->head.price, tx->tip );
  if( reserve>tx->fee_max ) { *why = (dmg_txpool_why_t){ .reason = DMG_TXPOOL_FEE, .have = tx->fee_max, .want = reserve }; return DMG_OK; }
  sender_t * s = dmg_txpool_sender_find( pool, &tx->sender );
  if( s && s->spendable_at==pool->generation ) learnt->spendable = s->spendable;
  else {
    DMG_TRY( state->spendable( state->ctx, &tx->sender, &learnt->spendable ) );
    if( s ) { s->spendable = learnt->spendable; s->spendable_at = pool->generation; }
  }
  judge_balance( pool, e, learnt->spendable, reserve, why );
  if( why->reason ) return DMG_OK;
  if( tx->has_sponsor ) { why->reason = DMG_TXPOOL_SPONSOR; return DMG_OK; }
  if( !e->is_in ) e->reserve = reserve;
  return DMG_OK;
}

void dmg_txpool_judge_again( dmg_txpool_t const * pool, entry_t const * e, learnt_t const * learnt, dmg_txpool_why_t * why ) {
  DMG_ASSERT( learnt->generation==pool->generation );
  /* What brought the keys may have been replaced. */
  if( learnt->is_by_init && !init_in_pool( dmg_txpool_sender_find( pool, &e->tx.sender ) ) ) { why->reason = DMG_TXPOOL_ACCOUNT; return; }
  judge_balance( pool, e, learnt->spendable, e->reserve, why );
}

dmg_err_t dmg_txpool_judge( dmg_txpool_t * pool, dmg_txpool_state_t const * state, entry_t * e, learnt_t * learnt, dmg_txpool_why_t * why ) {
  wanted_t wanted = { .gas_line = 0 };
  if( !judge_gas( pool, &e->tx, why ) ) return DMG_OK;
  DMG_TRY( judge_calls( state, &e->tx, &wanted, why ) );
  if( !why->reason ) DMG_TRY( judge_authority( pool, state, &e->tx, &wanted, learnt, why ) );
  if( !why->reason ) DMG_TRY( judge_nonce( pool, state, &e->tx, learnt, why ) );
  if( !why->reason ) DMG_TRY( judge_fee( pool, state, e, learnt, why ) );
  if( !why->reason && pool->cfg.is_gas_line_checked ) {
    uint64_t least = wanted.gas_line+dmg_tx_frame_gas( &e->tx );
    if( e->tx.gas<least ) *why = (dmg_txpool_why_t){ .reason = DMG_TXPOOL_GAS_LINE, .have = e->tx.gas, .want = least };
  }
  learnt->generation = pool->generation;
  return DMG_OK;
}

/* --- room --------------------------------------------------------------------------------------------- */

/* F4.4: a price, fee maximum per gas, at least 10 % higher.  Products: 2^64 x 2^34 x 110 fits u128. */
static bool judge_bump( dmg_txpool_t const * pool, entry_t const * e, entry_t const * old, dmg_txpool_why_t * why ) {
  dmg_u128_t gas = e->intrinsic+e->tx.gas, old_gas = old->intrinsic+old->tx.gas;
  dmg_u128_t want = ( (dmg_u128_t)old->tx.fee_max*gas*( 100+DMG_TXPOOL_BUMP_PCT )+old_gas*100-1 )/( old_gas*100 );
  if( e->tx.fee_max<want ) REFUSE_NUM( DMG_TXPOOL_UNDERPRICED, e->tx.fee_max, want>UINT64_MAX ? UINT64_MAX : (uint64_t)want );
  size_t more = e->mem_sz>old->mem_sz ? e->mem_sz-old->mem_sz : 0;
  if( more && old->sender->bytes+more>pool->cfg.sender_bytes_max ) REFUSE_NUM( DMG_TXPOOL_SENDER_FULL, old->sender->bytes, pool->cfg.sender_bytes_max );
  if( more && pool->stats.bytes+more>pool->cfg.bytes_max )         REFUSE_NUM( DMG_TXPOOL_FULL, pool->stats.bytes, pool->cfg.bytes_max );
  return true;
}

/* Nothing below it is missing. */
static bool is_ready( dmg_txpool_t const * pool, sender_t const * own, entry_t const * e, uint64_t lane_head ) {
  if( e->tx.lane==DMG_TX_LANE_UNORDERED || e->tx.nonce==lane_head ) return true;
  entry_t const * below = dmg_txpool_lane_at( dmg_txpool_lane_find( pool, own, e->tx.lane ), e->tx.nonce-1 );
  return below && !below->is_queued;
}

/* Who goes for the newcomer; NULL: nobody, it is refused.  A queued one pushes out no other queued one, or they would churn. */
static entry_t * victim( dmg_txpool_t const * pool, entry_t const * e, uint64_t lane_head ) {
  sender_t const * own  = dmg_txpool_sender_find( pool, &e->tx.sender );
  if( pool->queued_first && is_ready( pool, own, e, lane_head ) ) return pool->queued_first;
  sender_t const * most = pool->by_cnt[ pool->by_cnt_hi ];
  if( !most || most==own || most->cnt<=( own ? own->cnt : 0 )+1 ) return NULL;
  return most->lanes->last;
}

bool dmg_txpool_judge_room( dmg_txpool_t * pool, entry_t const * e, learnt_t const * learnt, bool is_final, uint64_t now_ms, entry_t ** out_replaced, dmg_txpool_why_t * why ) {
  dmg_txpool_cfg_t const * cfg = &pool->cfg;
  *out_replaced = same_place( pool, &e->tx );
  if( *out_replaced ) return judge_bump( pool, e, *out_replaced, why );
  sender_t const * s = dmg_txpool_sender_find( pool, &e->tx.sender );
  if( s && s->cnt>=cfg->sender_cnt_max )                      REFUSE_NUM( DMG_TXPOOL_SENDER_FULL, s->cnt, cfg->sender_cnt_max );
  if( ( s ? s->bytes : 0 )+e->mem_sz>cfg->sender_bytes_max )  REFUSE_NUM( DMG_TXPOOL_SENDER_FULL, s ? s->bytes : 0, cfg->sender_bytes_max );
  size_t extra = e->mem_sz+sizeof( sender_t )+sizeof( lane_t );
  while( pool->cnt>=cfg->cnt_max || pool->stats.bytes+extra>cfg->bytes_max ) {
    entry_t * v = victim( pool, e, learnt->lane_head );
    if( !v && pool->cnt>=cfg->cnt_max ) REFUSE_NUM( DMG_TXPOOL_FULL, pool->cnt, cfg->cnt_max );
    if( !v )                            REFUSE_NUM( DMG_TXPOOL_FULL, pool->stats.bytes, cfg->bytes_max );
    if( !is_final ) return true;   /* there is somebody to push out, once the signatures are good */
    pool->stats.evicted++;
    dmg_txpool_entry_out( pool, v, (change_t){ .kind = DMG_TXPOOL_DROPPED, .reason = DMG_TXPOOL_FULL }, now_ms );
  }
  return true;
}
