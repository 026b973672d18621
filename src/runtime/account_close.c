#include "runtime/exec_int.h"

#include "base/assert.h"

/* The native half of System's close_account(to) (M1.3).  The module deletes the keys, raises kill_epoch and emits
   AccountClosed; the epilogue does the rest, so nothing can stay behind in an account nobody signs for:

     begin   proposals, their counter and lanes go, with what keys the other calls added; the account's own record is
             returned                                                           before the deposits of the calls
     end     Held must be 0, no coin locked or waiting to vest, the account not the block's leader, else the transaction
             fails with the fault Locked; all that is left in Free after the bill goes to `to`               after the bill

   The account's entry stays, with the record {zero, 0}: without it the same AccountInit would open the address again
   at nonce 0, and transactions signed before could run twice (M1.7). */

#define CALL_MSIG_APPROVE 6
#define CALL_CLOSE        9
#define EVENT_CLOSED      9
#define MSIG_OPEN_MAX     32
#define VESTING_MAX       64   /* entries of one account (M2.8) */

/* Fault 12, Locked { state u8, by u16 } (M0.13). */
enum { STATE_HELD = 0, STATE_LOCKED = 1 };

static dmg_err_t
entry_delete( dmg_exec_t * x, dmg_item_t item, uint8_t const * key, size_t key_sz, uint64_t * gas ) {
  dmg_ov_entry_t * e;
  DMG_TRY( dmg_nat_entry( x, item, key, key_sz, &e ) );
  if( !e->cur.is_present ) return DMG_OK;
  *gas += DMG_GAS_DEL+DMG_GAS_HOST;
  return e->item->is_counter ? dmg_ov_set_ctr( x->ov, e, 0 ) : dmg_ov_delete( x->ov, e );
}

/* The last 32 ids may stand; approvals are void already, as the epochs have moved. */
static dmg_err_t
proposals_delete( dmg_exec_t * x, uint64_t * gas ) {
  uint8_t          key[ DMG_KEY_MAX ];
  dmg_ov_entry_t * seq;
  DMG_TRY( dmg_nat_entry( x, DMG_ITEM_MSIG_SEQ, key, dmg_key_msig_seq( &x->tx.sender, key ), &seq ) );
  uint64_t next = seq->cur.ctr;
  for( uint64_t id = next>MSIG_OPEN_MAX ? next-MSIG_OPEN_MAX : 0; id<next; id++ ) {
    *gas += DMG_GAS_GET+DMG_GAS_HOST;
    DMG_TRY( entry_delete( x, DMG_ITEM_MSIG, key, dmg_key_msig( &x->tx.sender, (uint32_t)id, key ), gas ) );
  }
  return entry_delete( x, DMG_ITEM_MSIG_SEQ, key, dmg_key_msig_seq( &x->tx.sender, key ), gas );
}

/* Lanes of the parent's state, lane 0 and this transaction's own.  A further lane opened earlier in the same block is not
   found; its deposit keeps Held above 0, so the call fails by name and works in the next block. */
static dmg_err_t
lanes_delete( dmg_exec_t * x, uint64_t * gas ) {
  uint8_t      key[ DMG_KEY_MAX ], prefix[ DMG_KEY_MAX ];
  dmg_iter_t * it;
  dmg_span_t   k;
  size_t       sz = dmg_key_lane( &x->tx.sender, 0, prefix );
  DMG_TRY( entry_delete( x, DMG_ITEM_LANE, prefix, sz, gas ) );
  if( x->tx.tx->lane!=DMG_TX_LANE_UNORDERED ) DMG_TRY( entry_delete( x, DMG_ITEM_LANE, key, dmg_key_lane( &x->tx.sender, x->tx.tx->lane, key ), gas ) );
  DMG_TRY( dmg_view_iter( x->bs.view, dmg_span( prefix, sz-2 ), (dmg_span_t){ 0 }, false, &it ) );
  dmg_err_t err;
  while( !( err = dmg_iter_next( it, &k, NULL ) ) ) {
    if( k.sz!=sz ) { err = DMG_ERR_CORRUPT; break; }
    memcpy( key, k.p, sz );
    err = entry_delete( x, DMG_ITEM_LANE, key, sz, gas );
    if( err ) break;
  }
  dmg_iter_close( it );
  return err==DMG_ERR_NOT_FOUND ? DMG_OK : err;
}

dmg_err_t
dmg_close_begin( dmg_exec_t * x, uint64_t * out_gas ) {
  uint8_t key[ DMG_KEY_MAX ];
  *out_gas        = 0;
  x->tx.is_closed = false;
  for( uint32_t i=0; i<x->tx.event_cnt; i++ ) {
    dmg_event_t const * ev = &x->tx.events[ i ].ev;
    if( ev->module!=DMG_MODULE_SYSTEM || ev->event!=EVENT_CLOSED || ev->data.sz!=64 ) continue;
    /* auth owner: the actor is the sender.  The first `to` stands; a second close in one transaction changes nothing. */
    if( x->tx.is_closed || memcmp( ev->data.p, x->tx.sender.b, 32 ) ) continue;
    x->tx.is_closed = true;
    x->tx.close_to  = dmg_hash_load( ev->data.p+32 );
  }
  if( !x->tx.is_closed ) return DMG_OK;
  for( unsigned slot=0; slot<DMG_AUTH_SLOT_MAX; slot++ ) DMG_TRY( entry_delete( x, DMG_ITEM_AUTH, key, dmg_key_auth( &x->tx.sender, (uint8_t)slot, key ), out_gas ) );
  DMG_TRY( proposals_delete( x, out_gas ) );
  DMG_TRY( lanes_delete( x, out_gas ) );
  dmg_ov_entry_t * account;
  DMG_TRY( dmg_nat_entry( x, DMG_ITEM_ACCOUNT, key, dmg_key_account( &x->tx.sender, key ), &account ) );
  if( !account->cur.is_present || !account->has_rec ) return DMG_ERR_CORRUPT;   /* the module has just written it */
  DMG_TRY( dmg_deposit_return( x, account ) );
  account->rec     = (dmg_ov_rec_t){ 0 };
  account->has_rec = true;
  return DMG_OK;
}

/* Coins that claim_vested would pay later: nobody could call it. */
static dmg_err_t
is_vesting( dmg_exec_t * x, bool * out ) {
  *out = false;
  for( uint32_t n=0; n<VESTING_MAX && !*out; n++ ) {
    uint8_t            key[ DMG_KEY_MAX ];
    dmg_ov_entry_t *   e;
    dmg_item_vesting_t v;
    DMG_TRY( dmg_nat_entry( x, DMG_ITEM_VESTING, key, dmg_key_vesting( &x->tx.sender, n, key ), &e ) );
    if( !e->cur.is_present ) break;
    DMG_TRY( dmg_item_vesting_get( e->cur.body, &v ) );
    *out = v.claimed<v.total;
  }
  return DMG_OK;
}

dmg_err_t
dmg_close_end( dmg_exec_t * x, bool * out_ok ) {
  uint8_t          key[ DMG_KEY_MAX ];
  dmg_ov_entry_t * own, * held, * to;
  uint64_t         spendable;
  bool             vests;
  DMG_TRY( dmg_nat_free( x, &x->tx.sender, &own ) );
  /* Its own Free entry ends here: if it paid the deposit of that itself, this is part of what is left. */
  if( own->has_rec && !memcmp( own->rec.payer, x->tx.sender.b, 32 ) ) DMG_TRY( dmg_deposit_return( x, own ) );
  DMG_TRY( dmg_nat_entry( x, DMG_ITEM_HELD, key, dmg_key_held( &x->tx.sender, key ), &held ) );
  DMG_TRY( dmg_nat_spendable( x, &x->tx.sender, &spendable ) );
  DMG_TRY( is_vesting( x, &vests ) );
  x->tx.close_state = held->cur.ctr ? STATE_HELD : STATE_LOCKED;
  /* The leader's account gets this block's tips at its end. */
  bool is_leader    = dmg_hash_eq( &x->tx.sender, &x->ctx->leader );
  *out_ok           = !held->cur.ctr && !vests && !is_leader && spendable==own->cur.ctr;
  if( !*out_ok ) return DMG_OK;
  uint64_t left = own->cur.ctr;
  DMG_TRY( dmg_nat_free( x, &x->tx.close_to, &to ) );
  DMG_ASSERT( to!=own );                       /* the module refuses it */
  DMG_TRY( dmg_nat_debit( x, own, left ) );
  /* Only a credit, like R5.8's steps 4 and 5: a Free entry that begins here gets {zero, 0}. */
  return dmg_nat_credit( x, to, left );
}

dmg_err_t
dmg_close_refuse( dmg_exec_t * x ) {
  uint8_t    payload[ 3 ] = { x->tx.close_state };
  dmg_span_t data;
  dmg_store_u16le( payload+1, DMG_MODULE_BALANCES );
  data = dmg_arena_dup( x->tx_arena, DMG_SPAN( payload ) );
  if( !data.p ) return DMG_ERR_NOMEM;
  x->tx.module       = DMG_MODULE_SYSTEM;
  x->tx.results[ 0 ] = data;
  x->tx.result_cnt   = 1;
  x->tx.call         = DMG_RECEIPT_CALL_NONE;
  for( uint32_t i=x->tx.tx->call_cnt; i-->0; ) {
    dmg_tx_call_t const * c = &x->tx.tx->calls[ i ];
    if( c->module==DMG_MODULE_SYSTEM && ( c->call==CALL_CLOSE || c->call==CALL_MSIG_APPROVE ) ) x->tx.call = (uint8_t)i;
  }
  return DMG_OK;
}
