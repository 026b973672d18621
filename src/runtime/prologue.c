#include "runtime/exec_int.h"

#include "base/assert.h"

/* What the prologue found; writes nothing until every check has passed, but the entries stay loaded. */
typedef struct {
  dmg_ov_entry_t * account;      /* System account[sender] */
  dmg_ov_entry_t * lane;         /* NULL for the unordered lane */
  dmg_ov_entry_t * seen;
  bool             is_new;       /* AccountInit creates the account */
  uint32_t         use, owner;   /* weights that signed */
  uint16_t         t_use, t_owner;
} prologue_t;

#define REFUSE( reason ) do { *out_reason = ( reason ); return DMG_OK; } while(0)

uint64_t
dmg_fee_of( uint64_t gas, uint64_t price ) {
  uint64_t fee;
  /* gas < 2^40 and price < 2^34: the bounds of params and R5.1 keep it far below 2^64. */
  return dmg_mul_div_ceil( gas, price, 1000000, &fee ) ? fee : UINT64_MAX;
}

dmg_err_t
dmg_call_check( dmg_exec_t * x, uint16_t module, uint16_t call, dmg_hash_t const * schema, dmg_span_t args, dmg_mod_t const ** out_mod,
                dmg_abi_fn_t const ** out_fn, dmg_void_t * out_reason ) {
  dmg_mod_t const * mod = dmg_reg_find( x->set, module );
  if( !mod ) REFUSE( DMG_VOID_MODULE );
  dmg_abi_fn_t const * fn = dmg_abi_call( mod->code->abi, call );
  if( !fn ) REFUSE( DMG_VOID_SCHEMA );
  /* M0.16: a paused module takes its ! calls alone. */
  if( mod->status==DMG_MODULE_MIGRATING || ( mod->status==DMG_MODULE_PAUSED && !( fn->flags&DMG_FN_SAFETY ) ) ) REFUSE( DMG_VOID_MODULE );
  uint8_t           key[ DMG_KEY_MAX ];
  dmg_span_t        bcs;
  dmg_item_schema_t accepted;
  DMG_TRY( dmg_nat_get( &x->bs, DMG_ITEM_SCHEMA, key, dmg_key_schema( module, call, key ), &bcs ) );
  if( !bcs.p ) REFUSE( DMG_VOID_SCHEMA );
  DMG_TRY( dmg_item_schema_get( bcs, &accepted ) );
  bool is_accepted = false;
  for( uint32_t i=0; i<accepted.cnt; i++ ) is_accepted |= dmg_hash_eq( &accepted.hashes[ i ], schema );
  if( !is_accepted ) REFUSE( DMG_VOID_SCHEMA );
  if( dmg_type_validate( fn->args, args, NULL )!=DMG_BCS_GOOD ) REFUSE( DMG_VOID_ARGS );
  *out_mod    = mod;
  *out_fn     = fn;
  *out_reason = DMG_VOID_NONE;
  return DMG_OK;
}

/* Calls that one authenticator alone may make (M1.3, table: msig_propose, msig_approve, msig_cancel).  It gives no tip: below the
   threshold a key must not be able to pay out what the others guard. */
static bool
is_msig_only( dmg_tx_t const * tx ) {
  if( tx->tip ) return false;
  for( uint32_t i=0; i<tx->call_cnt; i++ )
    if( tx->calls[ i ].module!=DMG_MODULE_SYSTEM || tx->calls[ i ].call<5 || tx->calls[ i ].call>7 ) return false;
  return true;
}

/* What later modules bring is refused by name. */
static dmg_void_t
refuse_by_name( dmg_tx_t const * tx ) {
  if( tx->auth==DMG_TX_AUTH_SESSION )          return DMG_VOID_SESSION;
  if( tx->auth==DMG_TX_AUTH_UNSIGNED )         return DMG_VOID_UNSIGNED;
  if( tx->has_sponsor )                        return DMG_VOID_SPONSOR;
  if( tx->fee_kind==DMG_FEE_ENERGY_ONLY )      return DMG_VOID_ENERGY;
  return DMG_VOID_NONE;
}

/* Keys of a new account: the AccountInit itself lists them. */
static dmg_void_t
keys_of_init( dmg_tx_t const * tx, prologue_t * p, uint16_t * out_slots ) {
  for( uint32_t s=0; s<tx->sig_cnt; s++ ) {
    bool is_found = false;
    for( uint32_t slot=0; slot<tx->init->auth_cnt && !is_found; slot++ ) {
      dmg_auth_init_t const * a = &tx->init->auths[ slot ];
      if( a->scheme!=tx->sigs[ s ].scheme || !dmg_span_eq( a->key, tx->sigs[ s ].key ) ) continue;
      p->use += a->weight;
      if( a->level==DMG_LEVEL_OWNER ) p->owner += a->weight;
      *out_slots |= (uint16_t)( 1u<<slot );
      is_found = true;
    }
    if( !is_found ) return DMG_VOID_KEYS;
  }
  return DMG_VOID_NONE;
}

/* Keys in state.  Each signature must be by an active key: otherwise anyone could lengthen the
   transaction, whose bytes are billed but not all signed. */
static dmg_err_t
keys_of_state( dmg_exec_t * x, prologue_t * p, dmg_void_t * out_reason ) {
  dmg_tx_t const * tx = x->tx.tx;
  uint32_t found = 0;   /* bits of tx->sigs */
  for( unsigned slot=0; slot<DMG_AUTH_SLOT_MAX && found!=( 1u<<tx->sig_cnt )-1; slot++ ) {
    uint8_t          key[ DMG_KEY_MAX ];
    dmg_ov_entry_t * e;
    dmg_item_auth_t  auth;
    DMG_TRY( dmg_nat_entry( x, DMG_ITEM_AUTH, key, dmg_key_auth( &tx->sender, (uint8_t)slot, key ), &e ) );
    if( !e->cur.is_present ) continue;
    DMG_TRY( dmg_item_auth_get( e->cur.body, &auth ) );
    if( auth.active_from_ms>x->ctx->time_ms ) continue;
    for( uint32_t s=0; s<tx->sig_cnt; s++ ) {
      if( ( found>>s )&1 || tx->sigs[ s ].scheme!=auth.scheme || !dmg_span_eq( tx->sigs[ s ].key, auth.key ) ) continue;
      found     |= 1u<<s;
      p->use    += auth.weight;
      if( auth.level==DMG_LEVEL_OWNER ) p->owner += auth.weight;
      x->tx.slots |= (uint16_t)( 1u<<slot );
    }
  }
  *out_reason = found==( 1u<<tx->sig_cnt )-1 ? DMG_VOID_NONE : DMG_VOID_KEYS;
  return DMG_OK;
}

static dmg_err_t
authority( dmg_exec_t * x, prologue_t * p, dmg_void_t * out_reason ) {
  dmg_tx_t const * tx = x->tx.tx;
  uint8_t key[ DMG_KEY_MAX ];
  DMG_TRY( dmg_nat_entry( x, DMG_ITEM_ACCOUNT, key, dmg_key_account( &tx->sender, key ), &p->account ) );
  if( tx->init ) {
    dmg_hash_t address = dmg_address_of( tx->init );
    if( !dmg_hash_eq( &address, &tx->sender ) ) REFUSE( DMG_VOID_ACCOUNT );
  }
  dmg_void_t reason;
  if( p->account->cur.is_present ) {
    /* An AccountInit that is no longer needed does no harm: two first transactions may race (M1.3). */
    dmg_item_account_t account;
    DMG_TRY( dmg_item_account_get( p->account->cur.body, &account ) );
    if( account.kind!=DMG_ACCOUNT_USER ) REFUSE( DMG_VOID_KEYS );
    p->t_use   = account.t_use;
    p->t_owner = account.t_owner;
    /* A preview needs no key, but those it has approve: `msig_approve` runs other calls with them than without. */
    DMG_TRY( keys_of_state( x, p, &reason ) );
    if( x->opts && x->opts->is_owner ) reason = DMG_VOID_NONE;
  } else if( x->opts && x->opts->is_owner && !tx->init ) {
    x->tx.role = DMG_ROLE_OWNER;   /* a preview for an account that does not exist yet */
    REFUSE( DMG_VOID_NONE );
  } else {
    if( !tx->init ) REFUSE( DMG_VOID_ACCOUNT );
    p->is_new  = true;
    p->t_use   = tx->init->t_use;
    p->t_owner = tx->init->t_owner;
    reason = keys_of_init( tx, p, &x->tx.slots );
    if( x->opts && x->opts->is_owner ) reason = DMG_VOID_NONE;
  }
  if( reason ) REFUSE( reason );
  if( ( x->opts && x->opts->is_owner ) || p->owner>=p->t_owner ) x->tx.role = DMG_ROLE_OWNER;
  else if( p->use>=p->t_use || ( x->tx.slots && is_msig_only( tx ) ) ) x->tx.role = DMG_ROLE_USE;
  else REFUSE( DMG_VOID_KEYS );
  REFUSE( DMG_VOID_NONE );
}

static dmg_err_t
nonce( dmg_exec_t * x, prologue_t * p, dmg_void_t * out_reason ) {
  dmg_tx_t const * tx = x->tx.tx;
  uint8_t key[ DMG_KEY_MAX ];
  if( !dmg_tx_lane_is_valid( tx->lane ) ) REFUSE( DMG_VOID_LANE );
  if( tx->lane==DMG_TX_LANE_UNORDERED ) {
    if( tx->expiry>x->ctx->height && tx->expiry-x->ctx->height>x->params.v[ DMG_PARAM_UNORDERED_WINDOW ] ) REFUSE( DMG_VOID_LANE );
    DMG_TRY( dmg_nat_entry( x, DMG_ITEM_SEEN, key, dmg_key_seen( tx->expiry/DMG_SEEN_BUCKET_BLOCKS, &tx->id, key ), &p->seen ) );
    if( p->seen->cur.is_present ) REFUSE( DMG_VOID_SEEN );
    if( x->unordered_cnt>=x->params.v[ DMG_PARAM_UNORDERED_BLOCK ] ) REFUSE( DMG_VOID_UNORDERED );
    REFUSE( DMG_VOID_NONE );
  }
  DMG_TRY( dmg_nat_entry( x, DMG_ITEM_LANE, key, dmg_key_lane( &tx->sender, tx->lane, key ), &p->lane ) );
  uint64_t next = 0;
  if( p->lane->cur.is_present ) DMG_TRY( dmg_item_u64_get( p->lane->cur.body, &next ) );
  if( tx->nonce!=next && !( x->opts && x->opts->is_any_nonce ) ) REFUSE( DMG_VOID_NONCE );
  if( tx->nonce==UINT64_MAX ) REFUSE( DMG_VOID_NONCE );
  REFUSE( DMG_VOID_NONE );
}

/* Writes a created entry with a record paid by the sender; its size is added to *out_sz.  is_free: record {zero, 0}. */
static dmg_err_t
create( dmg_exec_t * x, dmg_ov_entry_t * e, dmg_span_t body, bool is_free, uint64_t * sum ) {
  DMG_TRY( dmg_ov_set( x->ov, e, e->item->schema, body ) );
  e->has_rec    = true;
  e->is_rec_new = true;
  e->rec        = (dmg_ov_rec_t){ 0 };
  if( is_free ) return DMG_OK;
  memcpy( e->rec.payer, x->tx.sender.b, 32 );
  e->rec.amount = x->params.v[ DMG_PARAM_DEPOSIT_PRICE ]*( e->key.sz+dmg_ov_value_sz( e->item, &e->cur ) );
  *sum         += e->rec.amount;
  return DMG_OK;
}

static dmg_err_t
write_account( dmg_exec_t * x, prologue_t * p, uint64_t * sum ) {
  dmg_account_init_t const * init = x->tx.tx->init;
  uint8_t            buf[ DMG_ITEM_AUTH_MAX ], key[ DMG_KEY_MAX ];
  dmg_item_account_t account = { .kind = DMG_ACCOUNT_USER, .t_use = init->t_use, .t_owner = init->t_owner, .created_ms = x->ctx->time_ms };
  DMG_TRY( create( x, p->account, dmg_span( buf, dmg_item_account_put( &account, buf ) ), false, sum ) );
  for( uint32_t slot=0; slot<init->auth_cnt; slot++ ) {
    dmg_auth_init_t const * a    = &init->auths[ slot ];
    dmg_item_auth_t         auth = { .scheme = a->scheme, .key = a->key, .level = a->level, .weight = a->weight };
    dmg_ov_entry_t *        e;
    DMG_TRY( dmg_nat_entry( x, DMG_ITEM_AUTH, key, dmg_key_auth( &x->tx.sender, (uint8_t)slot, key ), &e ) );
    DMG_TRY( create( x, e, dmg_span( buf, dmg_item_auth_put( &auth, buf ) ), false, sum ) );
  }
  x->tx.is_account_new = true;
  return DMG_OK;
}

static dmg_err_t
write_nonce( dmg_exec_t * x, prologue_t * p, uint64_t * sum ) {
  if( p->seen ) {
    x->unordered_cnt++;
    return dmg_ov_set( x->ov, p->seen, p->seen->item->schema, (dmg_span_t){ 0 } );
  }
  uint8_t    buf[ DMG_ITEM_U64_MAX ];
  dmg_span_t body = dmg_span( buf, dmg_item_u64_put( x->tx.tx->nonce+1, buf ) );
  if( p->lane->cur.is_present ) return dmg_ov_set( x->ov, p->lane, p->lane->item->schema, body );
  return create( x, p->lane, body, x->tx.tx->lane==0, sum );   /* M1.9: lane 0 has record {zero, 0} */
}

/* Entries of the prologue and the reserve, or VOID (R5.8, R5.9). */
static dmg_err_t
pay( dmg_exec_t * x, prologue_t * p, dmg_void_t * out_reason ) {
  dmg_tx_t const * tx      = x->tx.tx;
  bool             is_free = x->opts && x->opts->is_free;
  uint64_t         need    = dmg_fee_of( x->tx.intrinsic+tx->gas, x->price );
  bool             is_sum  = dmg_add_u64( need, tx->tip, &need );
  x->tx.void_have = tx->fee_max;
  x->tx.void_want = is_sum ? need : UINT64_MAX;
  if( ( !is_sum || need>tx->fee_max ) && !is_free ) REFUSE( DMG_VOID_FEE );
  x->tx.reserve = is_free ? 0 : need;

  uint64_t spendable, deposits = 0;
  DMG_TRY( dmg_nat_spendable( x, &tx->sender, &spendable ) );
  x->tx.void_have = spendable;
  x->tx.void_want = x->tx.reserve;
  if( spendable<x->tx.reserve ) REFUSE( DMG_VOID_BALANCE );
  uint32_t unordered = x->unordered_cnt;
  if( p->is_new ) DMG_TRY( write_account( x, p, &deposits ) );
  DMG_TRY( write_nonce( x, p, &deposits ) );
  if( spendable-x->tx.reserve<deposits ) {
    x->unordered_cnt = unordered;   /* VOID: no effect on the block either */
    if( !dmg_add_u64( x->tx.reserve, deposits, &x->tx.void_want ) ) x->tx.void_want = UINT64_MAX;
    if( !is_free ) REFUSE( DMG_VOID_BALANCE );
    deposits = 0;
    /* Nobody pays for these entries, so whoever deletes them (close_account) gets nothing back. */
    for( size_t i=0; i<x->ov->entry_cnt; i++ ) if( x->ov->list[ i ]->is_rec_new ) x->ov->list[ i ]->rec = (dmg_ov_rec_t){ 0 };
  }
  dmg_ov_entry_t * own;
  bool             ok = true;
  DMG_TRY( dmg_nat_free( x, &tx->sender, &own ) );
  DMG_TRY( dmg_nat_debit( x, own, x->tx.reserve ) );
  DMG_TRY( dmg_nat_pay( x, &tx->sender, deposits, &ok ) );
  DMG_ASSERT( ok );
  REFUSE( DMG_VOID_NONE );
}

dmg_err_t
dmg_prologue( dmg_exec_t * x, dmg_void_t * out_reason ) {
  dmg_tx_t const * tx = x->tx.tx;
  prologue_t       p  = { 0 };
  dmg_void_t       r  = refuse_by_name( tx );
  if( r ) REFUSE( r );
  uint16_t auth = UINT16_MAX;
  for( uint32_t i=0; i<tx->call_cnt; i++ ) {
    dmg_mod_t const *    mod;
    dmg_abi_fn_t const * fn;
    DMG_TRY( dmg_call_check( x, tx->calls[ i ].module, tx->calls[ i ].call, &tx->calls[ i ].schema, tx->calls[ i ].args, &mod, &fn, &r ) );
    if( r ) REFUSE( r );
    auth &= fn->auth;
  }
  DMG_TRY( authority( x, &p, &r ) );
  if( r ) REFUSE( r );
  if( !( ( auth>>x->tx.role )&1 ) ) REFUSE( DMG_VOID_ROLE );
  DMG_TRY( nonce( x, &p, &r ) );
  if( r ) REFUSE( r );
  DMG_TRY( pay( x, &p, &r ) );
  *out_reason = r;
  return DMG_OK;
}
