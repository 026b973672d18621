/* tx_preview, tx_build: what a transaction would do, and its bytes from calls in JSON (F4.2, R6.1).

     calls in JSON --by the modules' interfaces--> dmg_tx_t --encode--> body bytes, signing hash
                                                      '--node's preview--> status, changes, events, gas, fee, bounds

   Interfaces, accounts and nonces are those of the head. */
#include "rpc/abi_json.h"
#include "rpc/method.h"
#include "rpc/put.h"
#include "types/asset.h"
#include "types/schema.h"

#include <stdio.h>

enum { LIFETIME_BLOCKS = 480, SAYS_SZ_MAX = 1<<20 };

dmg_abi_t const * dmg_rpc_abi_of( dmg_rpc_abis_t * a, uint16_t id ) {
  dmg_span_t raw;
  dmg_abi_t const * abi;
  for( uint32_t i = 0; i<a->abi_cnt; i++ ) if( a->abi[ i ].id==id ) return a->abi[ i ].abi;
  if( a->abi_cnt==DMG_RPC_ABI_MAX || a->call->query->module_abi( a->call->query->ctx, a->view, id, a->call->arena, &raw ) || dmg_abi_decode( raw, a->call->arena, &abi ).kind!=DMG_VERDICT_GOOD ) return NULL;
  a->abi[ a->abi_cnt ].id    = id;
  a->abi[ a->abi_cnt++ ].abi = abi;
  return abi;
}

/* The head, and the interfaces of its modules. */
typedef struct { dmg_rpc_call_t * call; dmg_query_view_t view; dmg_rpc_abis_t abis; } head_t;
static dmg_abi_t const * abi_of( head_t * h, uint16_t id ) { return dmg_rpc_abi_of( &h->abis, id ); }

/* ---- says ---- */

/* The field that path names in a value of t; false: an option on the way is absent, or there is no such field. */
static bool field_at( dmg_type_t const * t, dmg_bcs_rd_t rd, dmg_span_t path, dmg_type_t const ** out_type, dmg_bcs_rd_t * out_rd ) {
  while( path.sz ) {
    uint8_t const * dot = memchr( path.p, '.', path.sz );
    dmg_span_t step = dot ? dmg_span( path.p, (size_t)( dot-path.p ) ) : path;
    path = dot ? dmg_span( dot+1, path.sz-step.sz-1 ) : dmg_span( NULL, 0 );
    while( t->kind==DMG_TYPE_OPTION ) { if( !dmg_bcs_rd_option( &rd ) ) return false; t = t->elem; }
    if( t->kind!=DMG_TYPE_STRUCT ) return false;
    uint32_t i = 0;
    while( i<t->field_cnt && t->fields[ i ].name.sz && !dmg_span_eq( t->fields[ i ].name, step ) ) dmg_type_read( t->fields[ i++ ].type, &rd );
    if( i==t->field_cnt || !t->fields[ i ].name.sz || rd.bad ) return false;
    t = t->fields[ i ].type;
  }
  *out_type = t;
  *out_rd   = rd;
  return true;
}

/* A value as a reader sees it: text without quotes, everything else as JSON. */
static void put_plain( dmg_type_t const * t, dmg_bcs_rd_t rd, dmg_buf_t * out ) {
  dmg_buf_t json = dmg_buf( SAYS_SZ_MAX );
  dmg_jw_t  w    = dmg_jw( &json );
  while( t->kind==DMG_TYPE_OPTION && rd.p<rd.end && *rd.p ) { (void)dmg_bcs_rd_option( &rd ); t = t->elem; }
  if( t->kind==DMG_TYPE_STR ) { dmg_span_t s = dmg_bcs_rd_str( &rd, t->n ); (void)!dmg_buf_append( out, s.p, s.sz ); }
  else {
    dmg_abi_json_print( t, &rd, &w );
    bool is_text = json.sz>=2 && json.p[ 0 ]=='"';
    (void)!dmg_buf_append( out, json.p+is_text, json.sz-( is_text ? 2u : 0u ) );
  }
  dmg_buf_fini( &json );
}

/* The line a signer sees, with the call's arguments in the places of {path}. */
static void put_says( dmg_jw_t * w, dmg_abi_fn_t const * fn, dmg_span_t args ) {
  dmg_buf_t line = dmg_buf( SAYS_SZ_MAX );
  for( size_t i = 0; i<fn->says.sz; ) {
    uint8_t const * end = fn->says.p[ i ]=='{' ? memchr( fn->says.p+i, '}', fn->says.sz-i ) : NULL;
    dmg_type_t const * t;
    dmg_bcs_rd_t rd;
    if( !end ) { (void)!dmg_buf_append( &line, fn->says.p+i++, 1 ); continue; }
    dmg_span_t path = dmg_span( fn->says.p+i+1, (size_t)( end-fn->says.p )-i-1 );
    if( field_at( fn->args, dmg_bcs_rd( args ), path, &t, &rd ) ) put_plain( t, rd, &line );
    else (void)!dmg_buf_append( &line, "nothing", 7 );
    i = (size_t)( end-fn->says.p )+1;
  }
  dmg_jw_str( w, dmg_buf_span( &line ) );
  dmg_buf_fini( &line );
}

static void put_all_says( head_t * h, dmg_tx_t const * tx ) {
  dmg_jw_t * w = h->call->out;
  dmg_jw_key( w, "says" );
  dmg_jw_open( w, '[' );
  for( uint32_t i = 0; i<tx->call_cnt; i++ ) {
    dmg_abi_t const * abi = abi_of( h, tx->calls[ i ].module );
    dmg_abi_fn_t const * fn = abi ? dmg_abi_call( abi, tx->calls[ i ].call ) : NULL;
    if( fn && !dmg_type_validate( fn->args, tx->calls[ i ].args, NULL ) ) put_says( w, fn, tx->calls[ i ].args );
    else dmg_jw_cstr( w, "" );   /* such a call does not run */
  }
  dmg_jw_close( w, ']' );
}

/* ---- Calls and options from JSON ---- */

static bool fail_at( dmg_rpc_call_t * call, char const * path, char const * member, char const * expected, dmg_jv_t got ) {
  char at[ 160 ];
  snprintf( at, sizeof at, "%s.%s", path, member );
  return dmg_rpc_fail_value( call, at, expected, got, NULL );
}

static bool read_call( head_t * h, dmg_jv_t json, uint32_t idx, dmg_tx_call_t * out ) {
  static char const * const names[] = { "module", "call", "args" };
  dmg_jv_t m[ 3 ];
  char path[ 32 ], at[ 48 ];
  uint16_t id;
  uint32_t number;
  dmg_abi_t const * abi;
  snprintf( path, sizeof path, "calls[%u]", idx );
  if( !dmg_rpc_members( h->call, path, json, names, 3, m ) ) return false;
  for( int i = 0; i<2; i++ )
    if( dmg_jv_is_absent( m[ i ] ) || ( dmg_jv_type( m[ i ] )!=DMG_JSON_STRING && !dmg_jv_u32( m[ i ], &number ) ) ) return fail_at( h->call, path, names[ i ], "name or number", m[ i ] );
  if( !dmg_rpc_module_id( h->call, &h->view, m[ 0 ], &id, &abi ) ) return false;
  dmg_abi_fn_t const * fn = dmg_jv_u32( m[ 1 ], &number ) ? ( number<=UINT16_MAX ? dmg_abi_call( abi, (uint16_t)number ) : NULL ) : dmg_abi_call_named( abi, dmg_jv_text( m[ 1 ] ) );
  if( !fn ) return dmg_rpc_fail( h->call, DMG_RPC_NOT_FOUND, NULL, "%s: module %.*s has no such call", path, DMG_SPAN_F( abi->name ) );
  snprintf( at, sizeof at, "%s.args", path );
  *out = (dmg_tx_call_t){ .module = id, .call = fn->id };
  dmg_err_t err = dmg_schema_hash( id, fn, &out->schema );
  return err ? dmg_rpc_fail_err( h->call, err, "schema" ) : dmg_rpc_args( h->call, fn, m[ 2 ], at, &out->args );
}

static bool read_calls( head_t * h, dmg_jv_t list, dmg_tx_t * tx ) {
  uint32_t i = 0;
  tx->call_cnt = dmg_jv_cnt( list );
  if( !tx->call_cnt || tx->call_cnt>DMG_TX_CALL_MAX ) return dmg_rpc_fail_value( h->call, "calls", "1 to 32 calls", list, NULL );
  tx->calls = DMG_ARENA_NEW( h->call->arena, dmg_tx_call_t, tx->call_cnt );
  if( !tx->calls ) return dmg_rpc_fail_err( h->call, DMG_ERR_LIMIT, "calls" );
  for( dmg_jv_t e = dmg_jv_first( list ); !dmg_jv_is_absent( e ); e = dmg_jv_next( list, e ), i++ ) if( !read_call( h, e, i, &tx->calls[ i ] ) ) return false;
  return true;
}

static bool read_asset( dmg_rpc_call_t * call, char const * path, dmg_jv_t json, dmg_asset_t * out ) {
  static char const * const names[] = { "kind", "value" };
  dmg_jv_t m[ 2 ];
  char at[ 64 ];
  snprintf( at, sizeof at, "%s.asset", path );
  if( !dmg_rpc_members( call, at, json, names, 2, m ) ) return false;
  *out = (dmg_asset_t){ 0 };
  while( out->kind<DMG_ASSET_CNT && ( dmg_jv_is_absent( m[ 0 ] ) || !dmg_jv_eq_str( m[ 0 ], dmg_asset_kind_name( out->kind ) ) ) ) out->kind++;
  if( out->kind==DMG_ASSET_CNT ) return fail_at( call, at, "kind", "Cgt, Currency, Item, Share or Lp", m[ 0 ] );
  if( out->kind==DMG_ASSET_CGT ) return dmg_jv_is_absent( m[ 1 ] ) ? true : fail_at( call, at, "value", "nothing: Cgt has none", m[ 1 ] );
  return !dmg_jv_is_absent( m[ 1 ] ) && dmg_jv_hash( m[ 1 ], &out->id ) ? true : fail_at( call, at, "value", "0x hex of 32 bytes", m[ 1 ] );
}

static bool read_post( dmg_rpc_call_t * call, dmg_jv_t json, uint32_t idx, dmg_tx_post_t * out ) {
  enum { KIND, ACCOUNT, ASSET, AMOUNT, KEY, VALUE_HASH, CALL, HASH, CNT };
  static char const * const names[ CNT ] = { "kind", "account", "asset", "amount", "key", "valueHash", "call", "hash" };
  static struct { char const * name; unsigned has; } const kind[ DMG_POST_KIND_CNT ] = {
    { "SpendsMax", 1<<ACCOUNT|1<<ASSET|1<<AMOUNT }, { "ReceivesMin", 1<<ACCOUNT|1<<ASSET|1<<AMOUNT }, { "Owns", 1<<ACCOUNT|1<<ASSET }, { "OwnsNot", 1<<ACCOUNT|1<<ASSET },
    { "Value", 1<<KEY|1<<VALUE_HASH }, { "Result", 1<<CALL|1<<HASH }, { "EnergyMax", 1<<AMOUNT }, { "FeeMax", 1<<AMOUNT }, { "Outcome", 1<<HASH } };
  dmg_jv_t m[ CNT ];
  char path[ 40 ];
  uint32_t number = 0;
  snprintf( path, sizeof path, "options.post[%u]", idx );
  if( !dmg_rpc_members( call, path, json, names, CNT, m ) ) return false;
  *out = (dmg_tx_post_t){ 0 };
  while( out->kind<DMG_POST_KIND_CNT && ( dmg_jv_is_absent( m[ KIND ] ) || !dmg_jv_eq_str( m[ KIND ], kind[ out->kind ].name ) ) ) out->kind++;
  if( out->kind==DMG_POST_KIND_CNT ) return fail_at( call, path, "kind", "SpendsMax, ReceivesMin, Owns, OwnsNot, Value, Result, EnergyMax, FeeMax or Outcome", m[ KIND ] );
  for( unsigned i = 1; i<CNT; i++ ) {
    bool has = kind[ out->kind ].has>>i&1;
    if( !has && !dmg_jv_is_absent( m[ i ] ) ) return fail_at( call, path, names[ i ], "nothing: this kind has no such member", m[ i ] );
    if( has && dmg_jv_is_absent( m[ i ] ) )   return fail_at( call, path, names[ i ], "a value: this kind needs it", m[ i ] );
  }
  unsigned has = kind[ out->kind ].has;
  if( has>>ACCOUNT&1 && !( dmg_jv_type( m[ ACCOUNT ] )==DMG_JSON_STRING && dmg_rpc_account_parse( call, dmg_jv_text( m[ ACCOUNT ] ), &out->account ) ) ) return fail_at( call, path, "account", "account, dmg1..", m[ ACCOUNT ] );
  if( has>>ASSET&1 && !read_asset( call, path, m[ ASSET ], &out->asset ) ) return false;
  if( has>>AMOUNT&1 && !dmg_jv_u64( m[ AMOUNT ], &out->amount ) ) return fail_at( call, path, "amount", "decimal string", m[ AMOUNT ] );
  if( has>>VALUE_HASH&1 && !dmg_jv_hash( m[ VALUE_HASH ], &out->hash ) ) return fail_at( call, path, "valueHash", "0x hex of 32 bytes", m[ VALUE_HASH ] );
  if( has>>HASH&1 && !dmg_jv_hash( m[ HASH ], &out->hash ) ) return fail_at( call, path, "hash", "0x hex of 32 bytes", m[ HASH ] );
  if( has>>CALL&1 && ( !dmg_jv_u32( m[ CALL ], &number ) || number>=DMG_TX_CALL_MAX ) ) return fail_at( call, path, "call", "number of a call, 0 to 31", m[ CALL ] );
  out->call = (uint8_t)number;
  if( has>>KEY&1 ) {
    uint8_t * p = dmg_arena_alloc( call->arena, DMG_KEY_MAX );
    size_t sz = 0;
    if( !p ) return dmg_rpc_fail_err( call, DMG_ERR_LIMIT, "post-conditions" );
    if( !dmg_jv_hex( m[ KEY ], p, DMG_KEY_MAX, &sz ) ) return fail_at( call, path, "key", "0x hex of at most 128 bytes", m[ KEY ] );
    out->key = dmg_span( p, sz );
  }
  return true;
}

typedef struct { bool has_nonce, has_gas, has_fee; } given_t;

static bool read_options( dmg_rpc_call_t * call, dmg_rpc_arg_t const * arg, dmg_tx_t * tx, given_t * out ) {
  enum { LANE, NONCE, EXPIRY, GAS, MAX_FEE, TIP, POST, CNT };
  static char const * const names[ CNT ] = { "lane", "nonce", "expiry", "gas", "maxFee", "tip", "post" };
  dmg_jv_t m[ CNT ];
  uint32_t lane = 0, i = 0;
  *out = (given_t){ 0 };
  if( !arg->is_set ) return true;
  if( !dmg_rpc_members( call, "options", arg->json, names, CNT, m ) ) return false;
  if( !dmg_jv_is_absent( m[ LANE ] ) && ( !dmg_jv_u32( m[ LANE ], &lane ) || lane>UINT16_MAX || !dmg_tx_lane_is_valid( (uint16_t)lane ) ) ) return fail_at( call, "options", "lane", "0 to 1023, or 65535: unordered", m[ LANE ] );
  tx->lane = (uint16_t)lane;
  struct { int idx; uint64_t * to; bool * has; } const number[] = { { NONCE, &tx->nonce, &out->has_nonce }, { EXPIRY, &tx->expiry, NULL }, { GAS, &tx->gas, &out->has_gas }, { MAX_FEE, &tx->fee_max, &out->has_fee }, { TIP, &tx->tip, NULL } };
  for( size_t k = 0; k<sizeof number/sizeof *number; k++ ) {
    dmg_jv_t v = m[ number[ k ].idx ];
    if( dmg_jv_is_absent( v ) ) continue;
    if( !dmg_jv_u64( v, number[ k ].to ) ) return fail_at( call, "options", names[ number[ k ].idx ], "decimal string", v );
    if( number[ k ].has ) *number[ k ].has = true;
  }
  if( lane==DMG_TX_LANE_UNORDERED && !out->has_nonce ) return fail_at( call, "options", "nonce", "any number not used yet: lane 65535 has no next one", m[ NONCE ] );
  if( dmg_jv_is_absent( m[ POST ] ) ) return true;
  if( dmg_jv_type( m[ POST ] )!=DMG_JSON_ARRAY || dmg_jv_cnt( m[ POST ] )>DMG_TX_POST_MAX ) return fail_at( call, "options", "post", "an array of at most 32 post-conditions", m[ POST ] );
  tx->post_cnt = dmg_jv_cnt( m[ POST ] );
  tx->posts    = DMG_ARENA_NEW( call->arena, dmg_tx_post_t, tx->post_cnt );
  if( !tx->posts ) return dmg_rpc_fail_err( call, DMG_ERR_LIMIT, "post-conditions" );
  for( dmg_jv_t e = dmg_jv_first( m[ POST ] ); !dmg_jv_is_absent( e ); e = dmg_jv_next( m[ POST ], e ), i++ ) if( !read_post( call, e, i, &tx->posts[ i ] ) ) return false;
  return true;
}

/* ---- Drafts ---- */

/* As many of the account's keys, in slot order, as its use threshold needs, with signatures of the right sizes: what the bytes
   of a signed transaction will weigh.  An account that is not on chain yet: one Ed25519 key. */
static bool draft_sigs( head_t * h, dmg_tx_t * tx, bool * out_is_new ) {
  static uint8_t const zero[ 64 ];
  dmg_rpc_call_t * call = h->call;
  uint8_t key[ DMG_KEY_MAX ];
  dmg_span_t bcs;
  dmg_item_account_t a;
  uint32_t weight = 0;
  tx->sigs    = DMG_ARENA_NEW( call->arena, dmg_tx_sig_t, DMG_TX_SIG_MAX );
  tx->sig_cnt = 0;
  if( !tx->sigs ) return dmg_rpc_fail_err( call, DMG_ERR_LIMIT, "signatures" );
  dmg_err_t err = dmg_rpc_item( call, &h->view, DMG_ITEM_ACCOUNT, dmg_span( key, dmg_key_account( &tx->sender, key ) ), &bcs );
  *out_is_new = !err && !bcs.p;
  if( *out_is_new ) {
    tx->sigs[ tx->sig_cnt++ ] = (dmg_tx_sig_t){ .scheme = DMG_SIG_ED25519, .key = dmg_span( zero, 32 ), .sig = dmg_span( zero, 64 ) };
    return true;
  }
  if( !err ) err = dmg_item_account_get( bcs, &a );
  for( uint8_t slot = 0; slot<DMG_AUTH_SLOT_MAX && !err && weight<a.t_use; slot++ ) {
    dmg_item_auth_t auth;
    err = dmg_rpc_item( call, &h->view, DMG_ITEM_AUTH, dmg_span( key, dmg_key_auth( &tx->sender, slot, key ) ), &bcs );
    if( !err && !bcs.p ) continue;
    if( !err ) err = dmg_item_auth_get( bcs, &auth );
    if( err ) break;
    bool is_webauthn = auth.scheme==DMG_SIG_WEBAUTHN;
    static uint8_t const client[ 256 ];
    tx->sigs[ tx->sig_cnt++ ] = (dmg_tx_sig_t){ .scheme = auth.scheme, .key = auth.key, .sig = dmg_span( zero, dmg_sig_sz( auth.scheme ) ),
                                                .auth_data = dmg_span( client, is_webauthn ? 37 : 0 ), .client_data = dmg_span( client, is_webauthn ? 160 : 0 ) };
    weight += auth.weight;
  }
  if( err ) return dmg_rpc_fail_err( call, err, "account" );
  return tx->sig_cnt ? true : dmg_rpc_fail( call, DMG_RPC_INVALID_INPUT, NULL, "nobody can sign for this account: it belongs to a module" );
}

static bool encode( dmg_rpc_call_t * call, dmg_tx_t const * tx, bool is_body, dmg_span_t * out ) {
  dmg_buf_t buf = dmg_buf( DMG_TX_SZ_MAX );
  dmg_err_t err = is_body ? dmg_tx_body_encode( tx, &buf ) : dmg_tx_encode( tx, &buf );
  if( !err ) *out = dmg_arena_dup( call->arena, dmg_buf_span( &buf ) );
  if( !err && !out->p ) err = DMG_ERR_LIMIT;
  dmg_buf_fini( &buf );
  if( err==DMG_ERR_INVALID || err==DMG_ERR_FULL || err==DMG_ERR_LIMIT ) return dmg_rpc_fail( call, DMG_RPC_INVALID_INPUT, NULL, "the transaction would pass 65,536 bytes" );
  return err ? dmg_rpc_fail_err( call, err, "transaction" ) : true;
}

static bool preview( dmg_rpc_call_t * call, dmg_span_t const * raws, uint32_t cnt, bool is_billed, dmg_query_preview_t * out, dmg_at_block_t * out_at ) {
  dmg_query_why_t why = { .name = "" };
  dmg_err_t err = call->query->tx_preview( call->query->ctx, raws, cnt, is_billed, call->arena, out, out_at, &why );
  if( err==DMG_ERR_INVALID ) {
    dmg_rpc_fail( call, DMG_RPC_TX_REJECTED, NULL, "%s", why.text );
    dmg_rpc_fail_data( call, "\"reason\":\"%s\"", why.name );
    return false;
  }
  if( err ) return dmg_rpc_fail_err( call, err, "transaction" );
  for( uint32_t i = 0; i<cnt; i++ ) dmg_rpc_charge( call, out[ i ].gas_used/DMG_RPC_UNIT_GAS );
  return true;
}

/* "balances.InsufficientBalance" of a fault that the interface names, else the status. */
static void error_name( head_t * h, dmg_receipt_t const * r, char out[ 160 ] ) {
  dmg_abi_t const * abi = r->status==DMG_STATUS_FAULT ? abi_of( h, r->module ) : NULL;
  dmg_abi_fault_t const * fault = abi && r->code<=UINT16_MAX ? dmg_abi_fault( abi, (uint16_t)r->code ) : NULL;
  if( fault ) snprintf( out, 160, "%.*s.%.*s", DMG_SPAN_F( abi->name ), DMG_SPAN_F( fault->name ) );
  else        snprintf( out, 160, "%s", dmg_status_name( r->status ) );
}

static bool open_head( dmg_rpc_call_t * call, head_t * out ) {
  *out = (head_t){ .call = call, .abis = { .call = call, .view = &out->view } };
  dmg_err_t err = call->query->view_open( call->query->ctx, &(dmg_at_t){ .kind = DMG_AT_HEAD }, &out->view );
  return err ? dmg_rpc_fail_err( call, err, "head" ) : true;
}
static void close_head( head_t * h ) { h->call->query->view_close( h->call->query->ctx, &h->view ); }

/* A transaction of these calls by an account, without nonce, gas and fee. */
static bool draft( head_t * h, dmg_hash_t const * from, dmg_jv_t calls, dmg_tx_t * tx, bool * out_is_new ) {
  dmg_query_chain_t c;
  h->call->query->chain( h->call->query->ctx, &c );
  tx->version  = DMG_TX_VERSION;
  tx->fee_kind = DMG_FEE_ENERGY_THEN_FEE;
  tx->auth     = DMG_TX_AUTH_KEYS;
  tx->chain    = c.chain_id;
  tx->sender   = *from;
  if( !tx->expiry ) tx->expiry = c.head.height+LIFETIME_BLOCKS;
  return read_calls( h, calls, tx ) && draft_sigs( h, tx, out_is_new );
}

/* ---- tx_preview ---- */

static void put_change( dmg_jw_t * w, dmg_query_flow_t const * f, dmg_asset_t const * asset ) {
  dmg_jw_open( w, '{' );
  dmg_put_kaddress( w, "account", &f->account );
  dmg_jw_key( w, "asset" );
  dmg_put_asset( w, asset );
  dmg_jw_ku64( w, "out", f->out );
  dmg_jw_ku64( w, "in", f->in );
  dmg_jw_close( w, '}' );
}

void dmg_rpc_put_event( dmg_rpc_abis_t * a, dmg_event_t const * e, dmg_rpc_event_at_t const * at ) {
  dmg_jw_t * w = a->call->out;
  dmg_abi_t const * abi = dmg_rpc_abi_of( a, e->module );
  dmg_abi_event_t const * decl = abi ? dmg_abi_event( abi, e->event ) : NULL;
  dmg_jw_open( w, '{' );
  if( at ) {
    dmg_jw_knum( w, "tx", at->tx );
    dmg_jw_knum( w, "idx", at->idx );
  }
  dmg_jw_knum( w, "module", e->module );
  dmg_jw_knum( w, "event", e->event );
  if( abi ) { dmg_jw_key( w, "moduleName" ); dmg_jw_str( w, abi->name ); }
  if( decl && !dmg_type_validate( decl->fields, e->data, NULL ) ) {
    dmg_bcs_rd_t rd = dmg_bcs_rd( e->data );
    dmg_jw_key( w, "name" );
    dmg_jw_str( w, decl->name );
    dmg_jw_key( w, "fields" );
    dmg_abi_json_print( decl->fields, &rd, w );
  }
  dmg_jw_khex( w, "data", e->data );
  dmg_jw_close( w, '}' );
}

static void put_bound( dmg_jw_t * w, char const * kind, dmg_hash_t const * account, dmg_asset_t const * asset, uint64_t amount ) {
  dmg_jw_open( w, '{' );
  dmg_jw_kcstr( w, "kind", kind );
  dmg_put_kaddress( w, "account", account );
  dmg_jw_key( w, "asset" );
  dmg_put_asset( w, asset );
  dmg_jw_ku64( w, "amount", amount );
  dmg_jw_close( w, '}' );
}

/* R4.9: post-conditions under which nothing worse than this preview can happen to the sender; the fee has its maximum in the
   transaction already. */
static void put_bounds( dmg_jw_t * w, dmg_tx_t const * tx, dmg_query_preview_t const * p, dmg_asset_t const * assets ) {
  dmg_asset_t const cgt = { .kind = DMG_ASSET_CGT };
  bool has_cgt = false;
  uint32_t room = DMG_TX_POST_MAX-1;
  dmg_jw_key( w, "bounds" );
  dmg_jw_open( w, '[' );
  for( uint32_t i = 0; i<p->flow_cnt; i++ ) {
    dmg_query_flow_t const * f = &p->flows[ i ];
    if( !dmg_hash_eq( &f->account, &tx->sender ) || !room ) continue;
    if( f->out ) { put_bound( w, "SpendsMax", &f->account, &assets[ i ], f->out ); has_cgt = has_cgt || assets[ i ].kind==DMG_ASSET_CGT; room--; }
    else if( f->in ) { put_bound( w, "ReceivesMin", &f->account, &assets[ i ], f->in ); room--; }
  }
  if( !has_cgt ) put_bound( w, "SpendsMax", &tx->sender, &cgt, 0 );
  dmg_jw_close( w, ']' );
}

static bool put_preview( head_t * h, dmg_tx_t const * tx, dmg_query_preview_t const * p, uint32_t cnt, dmg_at_block_t const * at ) {
  dmg_jw_t * w = h->call->out;
  dmg_query_preview_t const * last = &p[ cnt-1 ];
  dmg_receipt_t * r;
  char name[ 160 ];
  dmg_asset_t * assets = DMG_ARENA_NEW( h->call->arena, dmg_asset_t, last->flow_cnt );
  if( !assets ) return dmg_rpc_fail_err( h->call, DMG_ERR_LIMIT, "changes" );
  if( dmg_receipt_decode( last->receipt, h->call->arena, &r ).kind!=DMG_VERDICT_GOOD ) return dmg_rpc_fail_err( h->call, DMG_ERR_CORRUPT, "receipt" );
  dmg_jw_open( w, '{' );
  dmg_rpc_put_at( w, at );
  dmg_jw_kcstr( w, "status", dmg_status_name( last->status ) );
  dmg_jw_key( w, "error" );
  if( last->status==DMG_STATUS_OK ) dmg_jw_null( w );
  else {
    error_name( h, r, name );
    dmg_jw_open( w, '{' );
    dmg_jw_kcstr( w, "name", name );
    dmg_jw_kcstr( w, "text", last->why.text );
    if( r->call!=DMG_RECEIPT_CALL_NONE ) dmg_jw_knum( w, "call", r->call );
    dmg_jw_close( w, '}' );
  }
  dmg_jw_key( w, "diff" );
  dmg_jw_open( w, '[' );
  for( uint32_t i = 0; i<last->flow_cnt; i++ ) {
    dmg_bcs_rd_t rd = dmg_bcs_rd( last->flows[ i ].asset );
    dmg_asset_read( &rd, &assets[ i ] );
    if( dmg_bcs_rd_end( &rd ) ) return dmg_rpc_fail_err( h->call, DMG_ERR_CORRUPT, "asset" );
    if( last->flows[ i ].out || last->flows[ i ].in ) put_change( w, &last->flows[ i ], &assets[ i ] );
  }
  dmg_jw_close( w, ']' );
  put_all_says( h, tx );
  dmg_jw_key( w, "events" );
  dmg_jw_open( w, '[' );
  for( uint32_t i = 0; i<r->event_cnt; i++ ) dmg_rpc_put_event( &h->abis, &r->events[ i ], NULL );
  dmg_jw_close( w, ']' );
  dmg_jw_ku64( w, "gas", last->gas_to_set );
  dmg_jw_ku64( w, "gasUsed", last->gas_used );
  dmg_jw_ku64( w, "energy", 0 );
  dmg_jw_ku64( w, "fee", last->fee_at_set );
  put_bounds( w, tx, last, assets );
  dmg_jw_khash( w, "outcomeHash", &last->outcome );
  dmg_jw_khex( w, "receipt", last->receipt );
  dmg_jw_key( w, "stack" );
  dmg_jw_open( w, '[' );
  for( uint32_t i = 0; i+1<cnt; i++ ) dmg_jw_cstr( w, dmg_status_name( p[ i ].status ) );
  dmg_jw_close( w, ']' );
  dmg_jw_close( w, '}' );
  return true;
}

static bool run_preview( head_t * h ) {
  dmg_rpc_call_t * call = h->call;
  dmg_rpc_arg_t const * tx_arg = &call->arg[ 0 ], * calls = &call->arg[ 1 ], * from = &call->arg[ 2 ], * stack = &call->arg[ 3 ];
  dmg_span_t raws[ DMG_QUERY_STACK_MAX ];
  dmg_query_preview_t out[ DMG_QUERY_STACK_MAX ];
  dmg_at_block_t at;
  uint32_t cnt = 0;
  dmg_tx_t drafted = { 0 }, * tx = &drafted;
  bool is_new;
  if( stack->is_set && dmg_jv_cnt( stack->json )>=DMG_QUERY_STACK_MAX ) return dmg_rpc_fail_param( call, "stack", "at most 15 transactions" );
  for( dmg_jv_t e = stack->is_set ? dmg_jv_first( stack->json ) : (dmg_jv_t){ 0 }; !dmg_jv_is_absent( e ); e = dmg_jv_next( stack->json, e ) ) {
    size_t max = dmg_jv_text( e ).sz/2, sz = 0;
    uint8_t * p = dmg_arena_alloc( call->arena, max );
    if( !p ) return dmg_rpc_fail_err( call, DMG_ERR_LIMIT, "stack" );
    if( !dmg_jv_hex( e, p, max, &sz ) ) return dmg_rpc_fail_value( call, "stack", "0x hex of a transaction each", e, NULL );
    raws[ cnt++ ] = dmg_span( p, sz );
  }
  if( tx_arg->is_set ) {
    dmg_verdict_t v = dmg_tx_decode( tx_arg->bytes, call->arena, &tx );
    char text[ DMG_VERDICT_TEXT_MAX ];
    if( v.kind!=DMG_VERDICT_GOOD ) { dmg_verdict_print( &v, text, sizeof text ); return dmg_rpc_fail( call, DMG_RPC_INVALID_INPUT, NULL, "not a transaction: %s", text ); }
    raws[ cnt++ ] = tx_arg->bytes;
  } else {
    if( !draft( h, &from->hash, calls->json, tx, &is_new ) || !encode( call, tx, false, &raws[ cnt ] ) ) return false;
    cnt++;
  }
  return preview( call, raws, cnt, tx_arg->is_set, out, &at ) && put_preview( h, tx, out, cnt, &at );
}

bool dmg_rpc_do_tx_preview( dmg_rpc_call_t * call ) {
  head_t h;
  if( call->arg[ 0 ].is_set==call->arg[ 1 ].is_set ) return dmg_rpc_fail_param( call, "tx", "either tx, or calls and from" );
  if( call->arg[ 1 ].is_set!=call->arg[ 2 ].is_set ) return dmg_rpc_fail_param( call, "from", "whose calls: from belongs to calls" );
  if( !open_head( call, &h ) ) return false;
  bool is_good = run_preview( &h );
  close_head( &h );
  return is_good;
}

/* ---- tx_build ---- */

/* Gas and fee from a run, where they are not given. */
static bool price( head_t * h, dmg_tx_t * tx, given_t const * given ) {
  dmg_rpc_call_t * call = h->call;
  dmg_query_preview_t p;
  dmg_at_block_t at;
  dmg_span_t raw;
  dmg_receipt_t * r;
  char name[ 160 ];
  uint64_t gas = tx->gas;
  if( given->has_gas && given->has_fee ) return true;
  /* Run with all the gas there is, whose bill is not the one that FeeMax is about. */
  dmg_tx_t probe = *tx;
  probe.posts    = DMG_ARENA_NEW( call->arena, dmg_tx_post_t, tx->post_cnt );
  probe.post_cnt = 0;
  if( !probe.posts ) return dmg_rpc_fail_err( call, DMG_ERR_LIMIT, "post-conditions" );
  for( uint32_t i = 0; i<tx->post_cnt; i++ ) if( tx->posts[ i ].kind!=DMG_POST_FEE_MAX && tx->posts[ i ].kind!=DMG_POST_ENERGY_MAX ) probe.posts[ probe.post_cnt++ ] = tx->posts[ i ];
  if( !given->has_gas ) probe.gas = 0;
  if( !encode( call, &probe, false, &raw ) || !preview( call, &raw, 1, false, &p, &at ) ) return false;
  if( p.status!=DMG_STATUS_OK ) {
    if( dmg_receipt_decode( p.receipt, call->arena, &r ).kind!=DMG_VERDICT_GOOD ) return dmg_rpc_fail_err( call, DMG_ERR_CORRUPT, "receipt" );
    error_name( h, r, name );
    return dmg_rpc_fail( call, DMG_RPC_CHAIN_REFUSED, name, "the transaction would fail: %s", p.why.text );
  }
  tx->gas = given->has_gas ? gas : p.gas_to_set;
  if( given->has_fee ) return true;
  /* R5.9: reserve = ceil( (intrinsic + limit) p / 10^6 ) + tip; twice that, as the price may move until it is included. */
  dmg_u128_t need = ( ( (dmg_u128_t)p.intrinsic+tx->gas )*p.price+999999 )/1000000+tx->tip;
  tx->fee_max = need>UINT64_MAX/2 ? UINT64_MAX : 2*(uint64_t)need;
  return true;
}

static bool build( head_t * h ) {
  dmg_rpc_call_t * call = h->call;
  dmg_tx_t tx = { 0 };
  given_t given;
  bool is_new;
  dmg_span_t body;
  uint64_t next;
  if( !read_options( call, &call->arg[ 2 ], &tx, &given ) || !draft( h, &call->arg[ 0 ].hash, call->arg[ 1 ].json, &tx, &is_new ) ) return false;
  if( !given.has_nonce ) {
    dmg_err_t err = call->query->nonce( call->query->ctx, &tx.sender, tx.lane, &next, &tx.nonce );
    if( err ) return dmg_rpc_fail_err( call, err, "nonce" );
  }
  if( !price( h, &tx, &given ) || !encode( call, &tx, true, &body ) ) return false;
  dmg_hash_t id = dmg_tx_id( body );
  dmg_jw_t * w = call->out;
  dmg_jw_open( w, '{' );
  dmg_jw_khex ( w, "body", body );
  dmg_jw_khash( w, "signingHash", &id );
  dmg_jw_knum ( w, "lane", tx.lane );
  dmg_jw_ku64 ( w, "nonce", tx.nonce );
  dmg_jw_ku64 ( w, "expiry", tx.expiry );
  dmg_jw_ku64 ( w, "gas", tx.gas );
  dmg_jw_ku64 ( w, "maxFee", tx.fee_max );
  dmg_jw_kbool( w, "isNew", is_new );
  put_all_says( h, &tx );
  dmg_jw_close( w, '}' );
  return true;
}

bool dmg_rpc_do_tx_build( dmg_rpc_call_t * call ) {
  head_t h;
  if( !open_head( call, &h ) ) return false;
  bool is_good = build( &h );
  close_head( &h );
  return is_good;
}
