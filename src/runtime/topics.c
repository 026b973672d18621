#include "runtime/exec_int.h"
#include "types/block.h"

#include "base/assert.h"

/* ---- Topics of an event (R4.15) ---- */

static void
topic_add( dmg_exec_event_t * event, dmg_hash_t const * account ) {
  for( uint32_t i=1; i<event->topic_cnt; i++ ) if( dmg_hash_eq( &event->topics[ i ], account ) ) return;   /* once a topic */
  if( event->topic_cnt<DMG_EXEC_TOPIC_MAX ) event->topics[ event->topic_cnt++ ] = *account;
}

void
dmg_event_topics( dmg_mod_t const * mod, dmg_abi_event_t const * abi, dmg_exec_event_t * event ) {
  event->topics[ 0 ] = dmg_topic_module_id( mod->id );
  event->topic_cnt   = 1;
  if( !abi || !abi->topic_cnt ) return;
  dmg_bcs_rd_t rd = dmg_bcs_rd( event->ev.data );
  for( uint32_t i=0; i<abi->fields->field_cnt; i++ ) {
    dmg_type_t const * type  = abi->fields->fields[ i ].type;
    uint8_t const *    begin = rd.p;
    dmg_type_read( type, &rd );
    if( rd.bad ) return;   /* validated by the caller; a tail of an extensible event ends here */
    if( type->kind!=DMG_TYPE_ADDRESS ) continue;
    for( uint32_t k=0; k<abi->topic_cnt; k++ ) {
      if( abi->topics[ k ]!=i ) continue;
      dmg_hash_t account = dmg_hash_load( begin );
      topic_add( event, &account );
    }
  }
}

dmg_err_t
dmg_event_native( dmg_exec_t * x, bool is_first, uint16_t module, uint16_t number, dmg_span_t data ) {
  dmg_mod_t const * mod = dmg_reg_find( x->set, module );
  DMG_ASSERT( mod );
  DMG_ASSERT( x->tx.event_cnt<DMG_RECEIPT_EVENT_MAX );
  dmg_exec_event_t event = { .ev = { .module = module, .event = number, .data = dmg_arena_dup( x->tx_arena, data ) }, .actor = x->tx.sender, .is_native = true };
  if( !event.ev.data.p ) return DMG_ERR_NOMEM;
  dmg_event_topics( mod, dmg_abi_event( mod->code->abi, number ), &event );
  uint32_t at = is_first ? 0 : x->tx.event_cnt;
  memmove( x->tx.events+at+1, x->tx.events+at, ( x->tx.event_cnt-at )*sizeof( *x->tx.events ) );
  x->tx.events[ at ] = event;
  x->tx.event_cnt++;
  return DMG_OK;
}

/* Kind 2 takes only the actor, signers and accounts with a Free or Account entry: no one fills state with
   topics of invented addresses. */
static dmg_err_t
is_known( dmg_exec_t * x, dmg_exec_event_t const * event, dmg_hash_t const * account, bool * out ) {
  *out = true;
  if( dmg_hash_eq( account, &event->actor ) || ( x->tx.tx && dmg_hash_eq( account, &x->tx.sender ) ) ) return DMG_OK;
  if( x->tx.is_closed && dmg_hash_eq( account, &x->tx.close_to ) ) return DMG_OK;   /* what is left goes there, after the bill */
  dmg_ov_entry_t * e;
  uint8_t          key[ DMG_KEY_MAX ];
  DMG_TRY( dmg_nat_free( x, account, &e ) );
  if( e->cur.is_present ) return DMG_OK;
  DMG_TRY( dmg_nat_entry( x, DMG_ITEM_ACCOUNT, key, dmg_key_account( account, key ), &e ) );
  *out = e->cur.is_present;
  return DMG_OK;
}

static size_t
topic_key( dmg_exec_event_t const * event, uint32_t i, uint8_t key[ DMG_KEY_MAX ] ) {
  return dmg_key_topic( i ? DMG_TOPIC_ACCOUNT : DMG_TOPIC_MODULE, &event->topics[ i ], key );
}

/* Was the topic named before in this transaction? */
static bool
is_repeat( dmg_exec_t const * x, uint32_t event_idx, uint32_t topic_idx ) {
  dmg_hash_t const * id = &x->tx.events[ event_idx ].topics[ topic_idx ];
  for( uint32_t e=0; e<event_idx; e++ ) {
    dmg_exec_event_t const * ev = &x->tx.events[ e ];
    if( !topic_idx ) { if( dmg_hash_eq( &ev->topics[ 0 ], id ) ) return true; continue; }
    for( uint32_t t=1; t<ev->topic_cnt; t++ ) if( dmg_hash_eq( &ev->topics[ t ], id ) ) return true;
  }
  return false;
}

dmg_err_t
dmg_events_judge( dmg_exec_t * x, uint32_t * out_new ) {
  uint32_t fresh = 0;
  for( uint32_t e=0; e<x->tx.event_cnt; e++ ) {
    dmg_exec_event_t * ev  = &x->tx.events[ e ];
    uint32_t           cnt = 1;
    for( uint32_t t=1; t<ev->topic_cnt; t++ ) {
      bool ok;
      DMG_TRY( is_known( x, ev, &ev->topics[ t ], &ok ) );
      if( ok ) ev->topics[ cnt++ ] = ev->topics[ t ];
    }
    ev->topic_cnt = cnt;
    for( uint32_t t=0; t<cnt; t++ ) {
      uint8_t    key[ DMG_KEY_MAX ];
      dmg_span_t v;
      DMG_TRY( dmg_bs_get( &x->bs, dmg_span( key, topic_key( ev, t, key ) ), &v ) );
      if( !v.p && !is_repeat( x, e, t ) ) fresh++;
    }
  }
  *out_new = fresh;
  return DMG_OK;
}

/* ---- Commit ---- */

static dmg_err_t
native_put( dmg_exec_t * x, dmg_item_t item, uint8_t const * key, size_t key_sz, dmg_span_t bcs ) {
  uint8_t v[ 1+DMG_MMR_BCS_MAX ];
  DMG_ASSERT( !dmg_native_item[ item ].has_record && bcs.sz<sizeof( v ) );
  size_t sz = dmg_value_build( false, dmg_native_item[ item ].schema, NULL, bcs, v );
  return dmg_bs_put( &x->bs, dmg_span( key, key_sz ), dmg_span( v, sz ), dmg_native_item[ item ].is_ordered );
}

/* Appends to the Mmr that stands at key; an absent one is empty. */
static dmg_err_t
mmr_append( dmg_exec_t * x, dmg_item_t item, uint8_t const * key, size_t key_sz, dmg_hash_t const * leaf ) {
  dmg_span_t bcs;
  dmg_mmr_t  mmr;
  uint8_t    buf[ DMG_MMR_BCS_MAX ];
  DMG_TRY( dmg_nat_get( &x->bs, item, key, key_sz, &bcs ) );
  if( bcs.p ) DMG_TRY( dmg_item_mmr_get( bcs, &mmr ) );
  else        dmg_mmr_init( &mmr );
  dmg_mmr_append( &mmr, leaf );
  return native_put( x, item, key, key_sz, dmg_span( buf, dmg_item_mmr_put( &mmr, buf ) ) );
}

dmg_err_t
dmg_exec_receipt( dmg_exec_t * x, dmg_span_t * out ) {
  dmg_exec_run_t * tx = &x->tx;
  dmg_event_t *    ev = DMG_ARENA_NEW( x->tx_arena, dmg_event_t, tx->event_cnt );
  if( !ev ) return DMG_ERR_NOMEM;
  for( uint32_t i=0; i<tx->event_cnt; i++ ) ev[ i ] = tx->events[ i ].ev;
  bool          is_void = tx->status==DMG_STATUS_VOID;
  dmg_receipt_t receipt = { .id = tx->id, .status = tx->status, .call = tx->call, .module = tx->module, .code = tx->code, .gas_used = tx->used,
                            .gas_billed = tx->billed, .fee = tx->fee, .tip = tx->tip, .held = tx->held, .returned = tx->returned,
                            .results = tx->results, .result_cnt = tx->result_cnt, .events = ev, .event_cnt = tx->event_cnt };
  if( tx->tx && !is_void ) receipt.payer = tx->sender;
  dmg_buf_clear( &x->w->buf );
  DMG_TRY( dmg_receipt_encode( &receipt, &x->w->buf ) );
  *out = dmg_arena_dup( x->arena, dmg_buf_span( &x->w->buf ) );
  return out->p ? DMG_OK : DMG_ERR_NOMEM;
}

dmg_err_t
dmg_exec_commit( dmg_exec_t * x, dmg_span_t * out_receipt ) {
  DMG_TRY( dmg_exec_receipt( x, out_receipt ) );
  DMG_TRY( dmg_ov_commit( x->ov ) );
  for( uint32_t e=0; e<x->tx.event_cnt; e++ ) {
    dmg_exec_event_t const * ev   = &x->tx.events[ e ];
    dmg_hash_t               leaf = dmg_event_leaf( x->ctx->height, x->tx.index, (uint16_t)e, &ev->ev );
    for( uint32_t t=0; t<ev->topic_cnt; t++ ) {
      uint8_t key[ DMG_KEY_MAX ];
      DMG_TRY( mmr_append( x, DMG_ITEM_TOPIC, key, topic_key( ev, t, key ), &leaf ) );
    }
  }
  dmg_exec_out_t * out = x->out;
  if( !x->tx.tx || x->tx.status==DMG_STATUS_VOID ) return DMG_OK;
  uint64_t treasury = x->tx.fee/5;   /* R5.9 */
  out->fee_treasury += treasury;
  out->fee_burned   += x->tx.fee-treasury;
  out->tips         += x->tx.tip;
  out->gas_used     += x->tx.used;
  out->gas_billed   += x->tx.billed;
  x->fee_gas        += x->tx.exec_billed;
  return DMG_OK;
}

/* ---- Block end ---- */

/* Burned, treasury and leader get the block's sums, with one FeeTaken (R5.9). */
static dmg_err_t
fees_settle( dmg_exec_t * x, uint32_t index ) {
  dmg_exec_out_t * out = x->out;
  dmg_exec_begin( x, NULL, index );
  uint8_t          key[ DMG_KEY_MAX ];
  dmg_ov_entry_t * e;
  dmg_hash_t       treasury = dmg_module_address( DMG_MODULE_BALANCES, 1+DMG_BUCKET_TREASURY );
  DMG_TRY( dmg_nat_entry( x, DMG_ITEM_BURNED, key, dmg_key_burned( DMG_BURN_FEES, key ), &e ) );
  DMG_TRY( dmg_nat_credit( x, e, out->fee_burned ) );
  DMG_TRY( dmg_nat_free( x, &treasury, &e ) );
  DMG_TRY( dmg_nat_credit( x, e, out->fee_treasury ) );
  DMG_TRY( dmg_nat_free( x, &x->ctx->leader, &e ) );
  DMG_TRY( dmg_nat_credit( x, e, out->tips ) );
  uint8_t data[ 24 ];
  dmg_store_u64le( data,    out->fee_burned );
  dmg_store_u64le( data+8,  out->fee_treasury );
  dmg_store_u64le( data+16, out->tips );
  DMG_TRY( dmg_event_native( x, false, DMG_MODULE_BALANCES, 256, DMG_SPAN( data ) ) );
  return dmg_exec_commit( x, &out->system_receipt );
}

/* M1.3: passed buckets of Seen, oldest first. */
static dmg_err_t
seen_sweep( dmg_exec_t * x ) {
  uint8_t       prefix[ DMG_KEY_MAX ];
  dmg_bs_scan_t scan;
  dmg_span_t    key;
  DMG_TRY( dmg_bs_scan_open( &x->bs, dmg_span( prefix, dmg_key_prefix( DMG_MODULE_SYSTEM, dmg_native_item[ DMG_ITEM_SEEN ].item, prefix ) ), (dmg_span_t){ 0 }, &scan ) );
  dmg_err_t err = DMG_OK;
  for( unsigned n=0; n<2048 && !err; n++ ) {
    err = dmg_bs_scan_next( &scan, &key );
    if( err ) break;
    uint64_t bucket = dmg_load_u64be( key.p+4 );
    if( bucket>=x->ctx->height/DMG_SEEN_BUCKET_BLOCKS ) break;   /* 40 x (bucket + 1) > height */
    err = dmg_bs_put( &x->bs, key, (dmg_span_t){ 0 }, true );
  }
  dmg_bs_scan_close( &scan );
  return err==DMG_ERR_NOT_FOUND ? DMG_OK : err;
}

/* C5.4: System takes the reveal.  Staking will take view, leader_index and atts of the context, natively, before begin_block: here, and
   only here, they are dropped until it is there. */
static dmg_err_t
beacon_write( dmg_exec_t * x ) {
  uint8_t    key[ DMG_KEY_MAX ];
  dmg_span_t bcs;
  dmg_hash_t prev;
  DMG_TRY( dmg_nat_get( &x->bs, DMG_ITEM_BEACON, key, dmg_key_beacon( x->ctx->height-1, key ), &bcs ) );
  DMG_TRY( dmg_item_hash_get( bcs, &prev ) );
  x->out->beacon = x->ctx->has_reveal ? dmg_beacon_next( &prev, x->ctx->reveal ) : prev;
  return native_put( x, DMG_ITEM_BEACON, key, dmg_key_beacon( x->ctx->height, key ), dmg_hash_span( &x->out->beacon ) );
}

/* R5.9: p = max( floor, p + trunc( p (u - T) / (256 T) ) ). */
static uint64_t
price_next( dmg_exec_t const * x ) {
  dmg_i128_t t = (dmg_i128_t)x->params.v[ DMG_PARAM_PRICE_TARGET ], p = (dmg_i128_t)x->price;
  dmg_i128_t u = (dmg_i128_t)x->fee_gas<2*t ? (dmg_i128_t)x->fee_gas : 2*t;
  p += p*( u-t )/( 256*t );   /* C rounds toward zero, as the rule does */
  return p>(dmg_i128_t)x->params.v[ DMG_PARAM_PRICE_FLOOR ] ? (uint64_t)p : x->params.v[ DMG_PARAM_PRICE_FLOOR ];
}

dmg_err_t
dmg_block_end( dmg_exec_t * x, dmg_span_t const * receipts, size_t receipt_cnt ) {
  dmg_exec_out_t * out = x->out;
  if( out->fee_burned || out->fee_treasury || out->tips ) DMG_TRY( fees_settle( x, (uint32_t)receipt_cnt ) );

  dmg_merkle_t tree;
  dmg_merkle_init( &tree );
  for( size_t i=0; i<receipt_cnt; i++ ) {
    dmg_hash_t leaf = dmg_receipt_leaf( receipts[ i ] );
    dmg_merkle_add( &tree, DMG_TAG_RECEIPT_NODE, &leaf );
  }
  if( out->system_receipt.p ) {
    dmg_hash_t leaf = dmg_receipt_leaf( out->system_receipt );
    dmg_merkle_add( &tree, DMG_TAG_RECEIPT_NODE, &leaf );
  }
  out->receipts_root = dmg_merkle_end( &tree, DMG_TAG_RECEIPT_NODE );
  out->price_next    = price_next( x );

  DMG_TRY( seen_sweep( x ) );
  DMG_TRY( beacon_write( x ) );
  uint8_t          key[ DMG_KEY_MAX ], buf[ DMG_ITEM_BLOCK_MAX ];
  dmg_hash_t       leaf  = dmg_receipts_log_leaf( x->ctx->height, &out->receipts_root );
  dmg_item_block_t block = { .height = x->ctx->height, .time_ms = x->ctx->time_ms, .price = out->price_next, .receipts_root = out->receipts_root, .tx_cnt = (uint32_t)receipt_cnt };
  DMG_TRY( mmr_append( x, DMG_ITEM_RECEIPTS, key, dmg_key_receipts( key ), &leaf ) );
  return native_put( x, DMG_ITEM_BLOCK, key, dmg_key_block( key ), dmg_span( buf, dmg_item_block_put( &block, buf ) ) );
}
