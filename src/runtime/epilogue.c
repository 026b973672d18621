#include "runtime/exec_int.h"

#include "base/assert.h"

#include <stdlib.h>

/* ---- Deposits (R5.8) ---- */

typedef enum { CHANGE_DELETE, CHANGE_CREATE, CHANGE_GROW } change_kind_t;
typedef struct { dmg_ov_entry_t * e; change_kind_t kind; } change_t;

static int
change_cmp( void const * a, void const * b ) {
  return dmg_span_cmp( ( (change_t const *)a )->e->key, ( (change_t const *)b )->e->key );
}

/* Net effect of the calls on entries with a record, in key order. */
static dmg_err_t
changes_collect( dmg_exec_t * x, change_t ** out, size_t * out_cnt ) {
  dmg_ov_t * ov = x->ov;
  change_t * list = DMG_ARENA_NEW( x->tx_arena, change_t, ov->entry_cnt );
  if( !list ) return DMG_ERR_NOMEM;
  size_t n = 0;
  for( size_t i=0; i<ov->entry_cnt; i++ ) {
    dmg_ov_entry_t * e = ov->list[ i ];
    if( !e->item->has_record ) continue;
    if( e->mid.is_present && !e->cur.is_present )      list[ n++ ] = (change_t){ e, CHANGE_DELETE };
    else if( !e->mid.is_present && e->cur.is_present ) list[ n++ ] = (change_t){ e, CHANGE_CREATE };
    else if( e->mid.is_present && dmg_ov_value_sz( e->item, &e->cur )>dmg_ov_value_sz( e->item, &e->mid ) ) list[ n++ ] = (change_t){ e, CHANGE_GROW };
  }
  if( n>1 ) qsort( list, n, sizeof( *list ), change_cmp );
  *out     = list;
  *out_cnt = n;
  return DMG_OK;
}

dmg_err_t
dmg_deposit_return( dmg_exec_t * x, dmg_ov_entry_t * e ) {
  if( !e->has_rec ) return DMG_OK;
  dmg_hash_t payer  = dmg_hash_load( e->rec.payer );
  uint64_t   amount = e->rec.amount;
  e->has_rec    = false;
  e->is_rec_new = true;
  return dmg_nat_return( x, &payer, amount );
}

static dmg_err_t
record_pay( dmg_exec_t * x, dmg_ov_entry_t * e, bool * out_ok ) {
  dmg_hash_t payer = e->item->deposit==DMG_DEPOSIT_MODULE ? dmg_module_address( e->item->module, 0 ) : x->tx.payer;
  uint64_t   sz    = e->key.sz+dmg_ov_value_sz( e->item, &e->cur );
  uint64_t   price = x->params.v[ DMG_PARAM_DEPOSIT_PRICE ], amount;
  if( !dmg_mul_u64( price, sz, &amount ) ) return DMG_ERR_CORRUPT;   /* both are bounded far below */
  DMG_TRY( dmg_nat_pay( x, &payer, amount, out_ok ) );
  if( !*out_ok ) return DMG_OK;
  memcpy( e->rec.payer, payer.b, 32 );
  e->rec.amount = amount;
  e->has_rec    = true;
  e->is_rec_new = true;
  return DMG_OK;
}

/* Steps 1 and 2. */
static dmg_err_t
deposits( dmg_exec_t * x, bool * out_ok ) {
  change_t * list;
  size_t     cnt;
  *out_ok = true;
  DMG_TRY( changes_collect( x, &list, &cnt ) );
  for( size_t i=0; i<cnt; i++ )
    if( list[ i ].kind==CHANGE_DELETE ) DMG_TRY( dmg_deposit_return( x, list[ i ].e ) );
  for( size_t i=0; i<cnt && *out_ok; i++ ) {
    if( list[ i ].kind==CHANGE_DELETE ) continue;
    if( list[ i ].kind==CHANGE_GROW ) DMG_TRY( dmg_deposit_return( x, list[ i ].e ) );
    DMG_TRY( record_pay( x, list[ i ].e, out_ok ) );
  }
  return DMG_OK;
}

static int
entry_cmp( void const * a, void const * b ) {
  return dmg_span_cmp( ( *(dmg_ov_entry_t * const *)a )->key, ( *(dmg_ov_entry_t * const *)b )->key );
}

static bool
is_swept( dmg_ov_entry_t const * e ) {
  return e->item->module==DMG_MODULE_BALANCES && e->item->item==dmg_native_item[ DMG_ITEM_FREE ].item && !e->cur.is_present && e->has_rec;
}

/* Step 4: Free entries at 0 give their record back, the least key first, until none is left.  A return only credits Free
   entries, so it can take one from the list but never adds one, and one pass in key order is the whole.  Step 5 needs no
   work: what stands without a record is written with {zero, 0}. */
static dmg_err_t
free_sweep( dmg_exec_t * x ) {
  size_t n = 0;
  for( size_t i=0; i<x->ov->entry_cnt; i++ ) n += is_swept( x->ov->list[ i ] );
  if( !n ) return DMG_OK;
  dmg_ov_entry_t ** list = DMG_ARENA_NEW( x->tx_arena, dmg_ov_entry_t *, n );
  if( !list ) return DMG_ERR_NOMEM;
  n = 0;
  for( size_t i=0; i<x->ov->entry_cnt; i++ ) if( is_swept( x->ov->list[ i ] ) ) list[ n++ ] = x->ov->list[ i ];
  qsort( list, n, sizeof( *list ), entry_cmp );
  for( size_t i=0; i<n; i++ ) if( is_swept( list[ i ] ) ) DMG_TRY( dmg_deposit_return( x, list[ i ] ) );
  return DMG_OK;
}

/* ---- Flow ledger and consent (R4.10 with D22, over holds(0, cgt)) ---- */

/* What all entries of one account did together; counters of a module may add up to more than a flow can say. */
static uint64_t flow_cap( dmg_i128_t n ) { return n<=0 ? 0 : n>(dmg_i128_t)UINT64_MAX ? UINT64_MAX : (uint64_t)n; }

typedef struct { dmg_hash_t owner; uint64_t was, is; } holding_t;

static int
holding_cmp( void const * a, void const * b ) {
  return dmg_hash_cmp( &( (holding_t const *)a )->owner, &( (holding_t const *)b )->owner );
}

/* Net flow per account from before the prologue to now, summed over every counter that holds CGT (R4.10), without the bill. */
static dmg_err_t
flows_collect( dmg_exec_t * x, uint64_t bill ) {
  static uint8_t const cgt[ 1 ] = { DMG_ASSET_CGT };
  dmg_ov_t *   ov    = x->ov;
  holding_t *  list  = DMG_ARENA_NEW( x->tx_arena, holding_t, ov->entry_cnt );
  dmg_flow_t * flows = DMG_ARENA_NEW( x->tx_arena, dmg_flow_t, ov->entry_cnt );
  if( !list || !flows ) return DMG_ERR_NOMEM;
  size_t cnt = 0, n = 0;
  for( size_t i=0; i<ov->entry_cnt; i++ ) {
    dmg_ov_entry_t * e = ov->list[ i ];
    if( !e->item->holds_cgt ) continue;
    holding_t h = { .owner = dmg_hash_load( e->key.p+4 ), .was = e->base.ctr, .is = e->cur.ctr };
    if( x->tx.tx && e->item->module==DMG_MODULE_BALANCES && dmg_hash_eq( &h.owner, &x->tx.sender ) ) h.is += bill;   /* it left the sender's Free */
    if( h.was!=h.is ) list[ cnt++ ] = h;
  }
  if( cnt>1 ) qsort( list, cnt, sizeof( *list ), holding_cmp );
  for( size_t i=0; i<cnt; ) {
    dmg_hash_t owner = list[ i ].owner;
    dmg_i128_t net   = 0;
    for( ; i<cnt && dmg_hash_eq( &list[ i ].owner, &owner ); i++ ) net += (dmg_i128_t)list[ i ].is-list[ i ].was;
    if( net ) flows[ n++ ] = (dmg_flow_t){ .account = owner, .asset = DMG_SPAN( cgt ), .out = flow_cap( -net ), .in = flow_cap( net ) };
  }
  x->tx.flows    = flows;
  x->tx.flow_cnt = n;
  return DMG_OK;
}

/* Every net outflow is covered by A's own signature or a frame of the module whose account A is. */
static bool
has_consent( dmg_exec_t const * x ) {
  for( size_t i=0; i<x->tx.flow_cnt; i++ ) {
    dmg_flow_t const * f = &x->tx.flows[ i ];
    if( !f->out ) continue;
    bool is_covered = x->tx.tx && x->tx.role<=DMG_ROLE_USE && dmg_hash_eq( &f->account, &x->tx.sender );
    for( uint32_t k=0; k<x->tx.own_cnt && !is_covered; k++ ) is_covered = dmg_hash_eq( &x->tx.own[ k ].account, &f->account );
    for( uint32_t k=0; k<x->set->cnt && !is_covered; k++ )
      is_covered = ( x->tx.ran[ k/8 ]>>( k%8 )&1 ) && dmg_hash_eq( &x->set->mods[ k ].self, &f->account );
    if( !is_covered ) return false;
  }
  return true;
}

/* ---- Post-conditions (R4.9) ---- */

static dmg_flow_t
flow_of( dmg_exec_t const * x, dmg_hash_t const * account, dmg_asset_t const * asset ) {
  if( asset->kind==DMG_ASSET_CGT )
    for( size_t i=0; i<x->tx.flow_cnt; i++ )
      if( dmg_hash_eq( &x->tx.flows[ i ].account, account ) ) return x->tx.flows[ i ];
  return (dmg_flow_t){ 0 };
}

/* Does account hold some of asset now?  Only CGT has holders until the modules of the others exist. */
static dmg_err_t
owns( dmg_exec_t * x, dmg_hash_t const * account, dmg_asset_t const * asset, bool * out ) {
  *out = false;
  if( asset->kind!=DMG_ASSET_CGT ) return DMG_OK;
  dmg_ov_entry_t * e;
  DMG_TRY( dmg_nat_free( x, account, &e ) );
  *out = e->cur.ctr>0;
  return DMG_OK;
}

static dmg_err_t
value_is( dmg_exec_t * x, dmg_span_t key, dmg_hash_t const * want, bool * out ) {
  dmg_span_t v = { 0 };
  if( key.sz>=DMG_STATE_KEY_MIN ) {
    dmg_ov_entry_t * e = dmg_ov_find( x->ov, key );
    if( e ) DMG_TRY( dmg_ov_raw( e, x->tx_arena, &v ) );
    else DMG_TRY( dmg_bs_get( &x->bs, key, &v ) );
  }
  dmg_hash_t is = { 0 };
  if( v.p ) is = dmg_h( DMG_TAG_STATE_VALUE, v );
  *out = dmg_hash_eq( &is, want );
  return DMG_OK;
}

dmg_err_t
dmg_outcome_hash( dmg_exec_t * x, dmg_hash_t * out ) {
  dmg_sha256_t sha;
  uint8_t      buf[ 128 ];
  dmg_h_init( &sha, DMG_TAG_OUTCOME );
  dmg_bcs_wr_t wr = dmg_bcs_wr( buf, sizeof( buf ) );
  dmg_bcs_wr_uleb( &wr, x->tx.status );
  dmg_bcs_wr_uleb( &wr, (uint32_t)x->tx.flow_cnt );
  dmg_sha256_update( &sha, dmg_bcs_wr_span( &wr ) );
  for( size_t i=0; i<x->tx.flow_cnt; i++ ) {
    dmg_flow_t const * f = &x->tx.flows[ i ];
    wr = dmg_bcs_wr( buf, sizeof( buf ) );
    dmg_bcs_wr_fixed( &wr, f->account.b, 32 );
    dmg_bcs_wr_fixed( &wr, f->asset.p, f->asset.sz );
    dmg_bcs_wr_u64( &wr, f->out );
    dmg_bcs_wr_u64( &wr, f->in );
    dmg_sha256_update( &sha, dmg_bcs_wr_span( &wr ) );
  }
  wr = dmg_bcs_wr( buf, sizeof( buf ) );
  dmg_bcs_wr_uleb( &wr, x->tx.result_cnt );
  dmg_sha256_update( &sha, dmg_bcs_wr_span( &wr ) );
  for( uint32_t i=0; i<x->tx.result_cnt; i++ ) {
    wr = dmg_bcs_wr( buf, sizeof( buf ) );
    dmg_bcs_wr_uleb( &wr, (uint32_t)x->tx.results[ i ].sz );
    dmg_sha256_update( &sha, dmg_bcs_wr_span( &wr ) );
    dmg_sha256_update( &sha, x->tx.results[ i ] );
  }
  *out = dmg_sha256_final( &sha );
  return DMG_OK;
}

static dmg_err_t
post_holds( dmg_exec_t * x, dmg_tx_post_t const * p, bool * out ) {
  bool       b;
  dmg_hash_t h;
  switch( (dmg_post_kind_t)p->kind ) {
  case DMG_POST_SPENDS_MAX:   *out = flow_of( x, &p->account, &p->asset ).out<=p->amount; return DMG_OK;
  case DMG_POST_RECEIVES_MIN: *out = flow_of( x, &p->account, &p->asset ).in>=p->amount;  return DMG_OK;
  case DMG_POST_OWNS:         return owns( x, &p->account, &p->asset, out );
  case DMG_POST_OWNS_NOT:     DMG_TRY( owns( x, &p->account, &p->asset, &b ) ); *out = !b; return DMG_OK;
  case DMG_POST_VALUE:        return value_is( x, p->key, &p->hash, out );
  case DMG_POST_RESULT:
    *out = false;
    if( p->call>=x->tx.result_cnt ) return DMG_OK;
    h    = dmg_result_hash( x->tx.results[ p->call ] );
    *out = dmg_hash_eq( &h, &p->hash );
    return DMG_OK;
  case DMG_POST_ENERGY_MAX:   *out = true; return DMG_OK;                                  /* no energy is taken yet */
  case DMG_POST_FEE_MAX:      *out = x->tx.fee+x->tx.tip<=p->amount; return DMG_OK;
  case DMG_POST_OUTCOME:      DMG_TRY( dmg_outcome_hash( x, &h ) ); *out = dmg_hash_eq( &h, &p->hash ); return DMG_OK;
  case DMG_POST_KIND_CNT:     break;
  }
  *out = false;
  return DMG_OK;
}

/* ---- Bill and the whole ---- */

/* R5.9 */
static void
bill_compute( dmg_exec_t * x, uint64_t extra ) {
  uint64_t limit = x->tx.tx->gas;
  if( x->tx.status==DMG_STATUS_NO_GAS ) x->tx.used = x->tx.exec_billed = limit;
  else {
    uint64_t ticks   = limit*DMG_GAS_TICKS-(uint64_t)x->tx.ticks;
    x->tx.used       = ( ticks+DMG_GAS_TICKS-1 )/DMG_GAS_TICKS+extra;
    x->tx.exec_billed = dmg_max_u64( x->tx.used, ( 3*limit+3 )/4 );
  }
  x->tx.billed = x->tx.intrinsic+x->tx.exec_billed;
  x->tx.fee    = dmg_fee_of( x->tx.billed, x->price );
  x->tx.tip    = x->tx.tx->tip;
}

/* The calls did not happen; what the prologue did stays, and the bill. */
static void
drop( dmg_exec_t * x, size_t mark, dmg_status_t status, uint32_t code ) {
  dmg_ov_rollback( x->ov, mark );
  dmg_ov_records_back( x->ov );
  x->tx.status    = (uint8_t)status;
  x->tx.call      = DMG_RECEIPT_CALL_NONE;
  x->tx.module    = 0;
  x->tx.code      = code;
  x->tx.event_cnt = x->tx.event_sz = x->tx.result_cnt = 0;
  x->tx.held      = x->tx.mid_held;
  x->tx.returned  = 0;
  x->tx.is_closed = false;
}

/* Reserve back, deposits, bill, closing, sweep, consent, posts: *out_why OK, or the status that drops the calls. */
static dmg_err_t
settle( dmg_exec_t * x, dmg_status_t * out_why, uint32_t * out_code ) {
  bool     is_free = x->opts && x->opts->is_free;
  uint64_t bill    = is_free ? 0 : x->tx.fee+x->tx.tip;
  *out_why  = DMG_STATUS_OK;
  *out_code = 0;

  dmg_ov_entry_t * own;
  DMG_TRY( dmg_nat_free( x, &x->tx.sender, &own ) );
  DMG_TRY( dmg_nat_credit( x, own, x->tx.reserve ) );
  bool     ok;
  uint64_t spendable;
  DMG_TRY( deposits( x, &ok ) );
  DMG_TRY( dmg_nat_spendable( x, &x->tx.sender, &spendable ) );
  if( !ok || spendable<bill ) { *out_why = DMG_STATUS_DEPOSIT; return DMG_OK; }
  DMG_TRY( dmg_nat_debit( x, own, bill ) );
  if( x->tx.is_closed ) {
    DMG_TRY( dmg_close_end( x, &ok ) );
    if( !ok ) { *out_why = DMG_STATUS_FAULT; *out_code = DMG_CLOSE_FAULT; return DMG_OK; }
  }
  DMG_TRY( free_sweep( x ) );
  DMG_TRY( flows_collect( x, bill ) );
  if( x->tx.status!=DMG_STATUS_OK ) return DMG_OK;
  if( !has_consent( x ) ) { *out_why = DMG_STATUS_NO_CONSENT; return DMG_OK; }
  for( uint32_t i=0; i<x->tx.tx->post_cnt; i++ ) {
    DMG_TRY( post_holds( x, &x->tx.tx->posts[ i ], &ok ) );
    if( !ok ) { *out_why = DMG_STATUS_POSTCONDITION; *out_code = i; return DMG_OK; }
  }
  return DMG_OK;
}

dmg_err_t
dmg_epilogue_arm( dmg_exec_t * x ) {
  dmg_ov_settle( x->ov );
  x->tx.mid_held = x->tx.held;
  if( !x->tx.reserve ) return DMG_OK;
  /* R5.8: the sender's reserve counts as Free, so taking it is no change of the entry. */
  dmg_ov_entry_t * own;
  DMG_TRY( dmg_nat_free( x, &x->tx.sender, &own ) );
  own->mid.is_present = true;
  return DMG_OK;
}

dmg_err_t
dmg_epilogue( dmg_exec_t * x, size_t calls_mark ) {
  uint32_t new_topics = 0;
  uint64_t close_gas  = 0;
  if( x->tx.status==DMG_STATUS_OK ) {
    DMG_TRY( dmg_close_begin( x, &close_gas ) );
    DMG_TRY( dmg_events_judge( x, &new_topics ) );
  }
  bill_compute( x, (uint64_t)new_topics*( DMG_GAS_TOPIC_NEW-DMG_GAS_TOPIC )+close_gas );
  if( x->tx.used>x->tx.tx->gas ) {
    drop( x, calls_mark, DMG_STATUS_NO_GAS, 0 );
    bill_compute( x, 0 );
  }
  dmg_status_t why;
  uint32_t     code;
  DMG_TRY( settle( x, &why, &code ) );
  if( why!=DMG_STATUS_OK ) {
    /* D22: the bill is kept as computed. */
    drop( x, calls_mark, why, code );
    if( why==DMG_STATUS_FAULT ) DMG_TRY( dmg_close_refuse( x ) );
    DMG_TRY( settle( x, &why, &code ) );
    if( why!=DMG_STATUS_OK ) return DMG_ERR_CORRUPT;   /* the reserve covers the bill, nothing else is left to fail */
  }
  if( x->tx.is_account_new ) DMG_TRY( dmg_event_native( x, true, DMG_MODULE_SYSTEM, 256, dmg_hash_span( &x->tx.sender ) ) );
  if( x->tx.status!=DMG_STATUS_OK ) DMG_TRY( dmg_event_native( x, false, DMG_MODULE_SYSTEM, 260, dmg_span( &x->tx.status, 1 ) ) );
  return DMG_OK;
}
