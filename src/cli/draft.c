#include "cli/draft.h"
#include "base/assert.h"
#include "base/num.h"
#include "base/os.h"
#include "cli/cache.h"
#include "crypto/bech32.h"
#include "rpc/abi_json.h"
#include "types/receipt.h"
#include "types/schema.h"

#include <stdio.h>
#include <stdlib.h>

enum { LIFETIME_BLOCKS = 480, ABI_MAX = 32 };

/* "dev", "test" or "main": the node's chain, once it was asked. */
static char chain_kind[ 16 ];

int dmg_cli_chain( dmg_cli_t * cli, dmg_cli_chain_t * out ) {
  dmg_jv_t r;
  int code = dmg_cli_call( cli, "chain_info", DMG_SPAN_STR( "{}" ), &r );
  if( code ) return code;
  dmg_span_t kind = dmg_cli_str( r, "kind" );
  snprintf( chain_kind, sizeof chain_kind, "%.*s", (int)( kind.sz<sizeof chain_kind ? kind.sz : sizeof chain_kind-1 ), (char const *)kind.p );
  dmg_cli_plain( chain_kind );
  out->id     = dmg_cli_hash( r, "chainId" );
  out->is_dev = !strcmp( chain_kind, "dev" );
  out->head   = dmg_cli_u64( dmg_cli_get( r, "head" ), "height" );
  return DMG_EXIT_OK;
}

/* ---- Names ---- */

int dmg_cli_find( dmg_cli_t * cli, char const * name, dmg_cli_named_t * out ) {
  dmg_cli_chain_t chain;
  if( !dmg_cli_named( cli, name, out ) ) return DMG_EXIT_NOT_FOUND;
  int code = out->is_dev && !*chain_kind ? dmg_cli_chain( cli, &chain ) : DMG_EXIT_OK;
  if( code || !out->is_dev || !strcmp( chain_kind, "dev" ) ) return code;
  return dmg_cli_fail( cli, DMG_EXIT_KEY, "KeyDenied", "%s is an account of the dev chain whose key everybody knows: a name only for a genesis of kind dev, and this node's chain is of kind %s; name an account here by dmg1.. or a key of yours",
                       name, chain_kind );
}

/* ---- Interfaces ---- */

/* Those this command asked for. */
static dmg_abi_t const * known[ ABI_MAX ];
static uint32_t known_cnt;

static int fetch_abi( dmg_cli_t * cli, char const * json_ref, char const * name, dmg_abi_t const ** out ) {
  dmg_jv_t r;
  int code = dmg_cli_call( cli, "state_dmi", dmg_cli_text( cli, "{\"module\":%s}", json_ref ), &r );
  if( code ) return code;
  dmg_span_t raw = dmg_cli_hex( cli, r, "abi" );
  if( dmg_abi_decode( raw, cli->arena, out ).kind!=DMG_VERDICT_GOOD ) return dmg_cli_fail( cli, DMG_EXIT_UNAVAILABLE, "Unavailable", "the node's interface of module %s does not decode", name );
  dmg_cli_cache_abi( *out );
  if( known_cnt<ABI_MAX ) known[ known_cnt++ ] = *out;
  return DMG_EXIT_OK;
}

int dmg_cli_abi( dmg_cli_t * cli, char const * module, dmg_abi_t const ** out ) {
  uint64_t number;
  bool is_number = dmg_cli_number( module, UINT16_MAX, &number );
  for( uint32_t i = 0; i<known_cnt; i++ ) if( is_number ? known[ i ]->module==number : dmg_span_eq( known[ i ]->name, dmg_span_cstr( module ) ) ) { *out = known[ i ]; return DMG_EXIT_OK; }
  return fetch_abi( cli, is_number ? module : dmg_cli_quote( cli, module ), module, out );
}

dmg_abi_t const * dmg_cli_abi_of( dmg_cli_t * cli, uint16_t module ) {
  dmg_cli_refusal_t refusal;
  dmg_abi_t const * abi;
  dmg_jv_t r;
  for( uint32_t i = 0; i<known_cnt; i++ ) if( known[ i ]->module==module ) return known[ i ];
  if( dmg_cli_try( cli, "state_dmi", dmg_cli_text( cli, "{\"module\":%u}", module ), &r, &refusal ) ) return NULL;
  if( dmg_abi_decode( dmg_cli_hex( cli, r, "abi" ), cli->arena, &abi ).kind!=DMG_VERDICT_GOOD ) return NULL;
  if( known_cnt<ABI_MAX ) known[ known_cnt++ ] = abi;
  return abi;
}

/* code: what a name was refused for, told already. */
typedef struct { dmg_cli_t * cli; int code; } names_t;

static bool account_ref( void * ctx, dmg_span_t text, dmg_hash_t * out ) {
  names_t * n = ctx;
  dmg_cli_named_t named;
  char name[ DMG_CLI_NAME_MAX+1 ];
  if( !dmg_address_parse( text, out, NULL ) ) return true;
  if( text.sz>DMG_CLI_NAME_MAX ) return false;
  snprintf( name, sizeof name, "%.*s", DMG_SPAN_F( text ) );
  int code = dmg_cli_find( n->cli, name, &named );
  if( code && code!=DMG_EXIT_NOT_FOUND ) n->code = code;
  if( !code ) *out = named.address;
  return !code;
}

/* "module balances has no call brn; it has transfer, .."; NOT_FOUND. */
static int no_fn( dmg_cli_t * cli, char const * module, char const * kind, char const * name, dmg_abi_fn_t const * fns, uint32_t cnt ) {
  char names[ 2048 ] = "";
  size_t n = 0;
  for( uint32_t i = 0; i<cnt && n<sizeof names-1; i++ ) n += (size_t)snprintf( names+n, sizeof names-n, "%s%.*s", i ? ", " : "", DMG_SPAN_F( fns[ i ].name ) );
  return dmg_cli_fail( cli, DMG_EXIT_NOT_FOUND, "NotFound", "module %s has no %s %.100s; it has %s", module, kind, name, cnt ? names : "none" );
}

/* "balances.transfer takes to: address, amount: amount, memo: bytes<64>" */
static char const * signature( dmg_cli_t * cli, dmg_abi_t const * abi, dmg_abi_fn_t const * fn ) {
  char text[ 2048 ];
  size_t n = (size_t)snprintf( text, sizeof text, "%.*s.%.*s takes", DMG_SPAN_F( abi->name ), DMG_SPAN_F( fn->name ) );
  if( !fn->args->field_cnt ) snprintf( text+n, sizeof text-n, " no arguments" );
  for( uint32_t i = 0; i<fn->args->field_cnt && n<sizeof text-1; i++ ) {
    char type[ 128 ];
    dmg_abi_json_type_text( fn->args->fields[ i ].type, type, sizeof type );
    n += (size_t)snprintf( text+n, sizeof text-n, "%s %.*s: %s", i ? "," : "", DMG_SPAN_F( fn->args->fields[ i ].name ), type );
  }
  return dmg_cli_dup( cli, dmg_span_cstr( text ) );
}

int dmg_cli_args( dmg_cli_t * cli, dmg_abi_t const * abi, dmg_abi_fn_t const * fn, char const * text, dmg_span_t * out ) {
  dmg_span_t in = text ? dmg_span_cstr( text ) : DMG_SPAN_STR( "{}" );
  int code = text ? dmg_cli_slurp( cli, text, &in ) : DMG_EXIT_OK;
  if( code ) return code;
  while( in.sz && ( in.p[ in.sz-1 ]=='\n' || in.p[ in.sz-1 ]==' ' ) ) in.sz--;
  if( in.sz>=2 && in.p[ 0 ]=='0' && in.p[ 1 ]=='x' ) {
    size_t off = 0;
    if( !dmg_cli_unhex( cli, dmg_cli_dup( cli, in ), out ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "arguments are JSON, or 0x hex of their BCS" );
    dmg_bcs_bad_t bad = dmg_type_validate( fn->args, *out, &off );
    return bad ? dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "the arguments do not decode: %s at byte %zu; %s", dmg_bcs_bad_text( bad ), off, signature( cli, abi, fn ) ) : DMG_EXIT_OK;
  }
  char why[ 160 ];
  dmg_jv_t json;
  if( !dmg_json_parse( cli->own, in, &json, why ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "the arguments are no JSON: %s; %s", why, signature( cli, abi, fn ) );
  names_t names = { .cli = cli };
  dmg_abi_json_ref_t ref = { account_ref, &names };
  dmg_abi_json_bad_t bad;
  uint8_t * mem = dmg_arena_alloc( cli->arena, DMG_ABI_IO_MAX );
  if( !mem ) return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "out of memory" );
  dmg_bcs_wr_t w = dmg_bcs_wr( mem, DMG_ABI_IO_MAX );
  bool is_good = dmg_abi_json_args( fn->args, json, &ref, &w, &bad );
  if( names.code ) return names.code;
  if( !is_good )
    return *bad.path ? dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "argument %s wants %s, got %s; %s", bad.path, bad.expected, bad.got, signature( cli, abi, fn ) )
                     : dmg_cli_fail( cli, DMG_EXIT_USAGE, "InvalidInput", "the arguments: wanted %s, got %s; %s", bad.expected, bad.got, signature( cli, abi, fn ) );
  *out = dmg_bcs_wr_span( &w );
  return DMG_EXIT_OK;
}

int dmg_cli_make_call( dmg_cli_t * cli, char const * module, char const * name, char const * args, dmg_tx_call_t * out, char const ** out_says ) {
  dmg_abi_t const * abi;
  dmg_span_t bcs;
  int code = dmg_cli_abi( cli, module, &abi );
  if( code ) return code;
  dmg_abi_fn_t const * fn = dmg_abi_call_named( abi, dmg_span_cstr( name ) );
  if( !fn ) return no_fn( cli, module, "call", name, abi->calls, abi->call_cnt );
  if(( code = dmg_cli_args( cli, abi, fn, args, &bcs ) )) return code;
  *out = (dmg_tx_call_t){ .module = abi->module, .call = fn->id, .args = bcs };
  if( dmg_schema_hash( abi->module, fn, &out->schema ) ) return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "out of memory" );
  if( out_says ) *out_says = dmg_cli_says( cli, out );
  return DMG_EXIT_OK;
}

int dmg_cli_query( dmg_cli_t * cli, char const * module, char const * name, char const * args, dmg_span_t * out_result, dmg_span_t * out_at ) {
  dmg_abi_t const * abi;
  dmg_span_t bcs, at;
  dmg_jv_t r;
  int code = dmg_cli_abi( cli, module, &abi );
  if( !code ) code = dmg_cli_at_flag( cli, &at );
  if( code ) return code;
  dmg_abi_fn_t const * fn = dmg_abi_query_named( abi, dmg_span_cstr( name ) );
  if( !fn ) return no_fn( cli, module, "query", name, abi->queries, abi->query_cnt );
  if(( code = dmg_cli_args( cli, abi, fn, args, &bcs ) )) return code;
  if(( code = dmg_cli_call( cli, "state_query", dmg_cli_text( cli, "{\"module\":%u,\"query\":%u,\"args\":\"0x%s\"%.*s}", abi->module, fn->id, dmg_cli_hex_of( cli, bcs ), DMG_SPAN_F( at ) ), &r ) )) return code;
  dmg_buf_t buf = dmg_buf( 4096 );
  dmg_jw_t w = dmg_jw( &buf );
  dmg_jw_value( &w, dmg_cli_get( r, "at" ) );
  *out_at = dmg_arena_dup( cli->arena, dmg_buf_span( &buf ) );
  dmg_buf_fini( &buf );
  dmg_span_t result = dmg_cli_hex( cli, r, "result" );
  *out_result = fn->ret ? dmg_cli_value_json( cli, fn->ret, result ) : DMG_SPAN_STR( "null" );
  return DMG_EXIT_OK;
}

dmg_span_t dmg_cli_value_json( dmg_cli_t * cli, dmg_type_t const * type, dmg_span_t bcs ) {
  dmg_buf_t buf = dmg_buf( 4<<20 );
  dmg_jw_t w = dmg_jw( &buf );
  dmg_bcs_rd_t rd = dmg_bcs_rd( bcs );
  if( dmg_type_validate( type, bcs, NULL ) ) dmg_jw_hex( &w, bcs );   /* what does not decode is told as it is */
  else                                       dmg_abi_json_print( type, &rd, &w );
  dmg_span_t text = w.is_full ? DMG_SPAN_STR( "null" ) : dmg_arena_dup( cli->arena, dmg_buf_span( &buf ) );
  dmg_buf_fini( &buf );
  return text;
}

static void put_fields( dmg_cli_t * cli, dmg_buf_t * out, dmg_type_t const * type, dmg_bcs_rd_t * rd );

/* A good value in a sentence: amounts of CGT as such, texts without quotes. */
static void put_word( dmg_cli_t * cli, dmg_buf_t * out, dmg_type_t const * type, dmg_bcs_rd_t * rd ) {
  char amount[ DMG_CLI_AMOUNT_SZ ];
  if( type->kind==DMG_TYPE_AMOUNT ) {
    dmg_cli_amount_text( dmg_bcs_rd_u64( rd ), amount );
    (void)!dmg_buf_printf( out, "%s", amount );
  } else if( type->kind==DMG_TYPE_OPTION ) {
    if( dmg_bcs_rd_option( rd ) ) put_word( cli, out, type->elem, rd );
    else                          (void)!dmg_buf_printf( out, "none" );
  } else if( type->kind==DMG_TYPE_LIST ) {
    uint32_t cnt = dmg_bcs_rd_len( rd, 0, type->n );
    (void)!dmg_buf_printf( out, "[" );
    for( uint32_t i = 0; i<cnt && !rd->bad; i++ ) { if( i ) (void)!dmg_buf_printf( out, ", " ); put_word( cli, out, type->elem, rd ); }
    (void)!dmg_buf_printf( out, "]" );
  } else if( type->kind==DMG_TYPE_STRUCT && !type->is_open ) {
    (void)!dmg_buf_printf( out, "{" );
    put_fields( cli, out, type, rd );
    (void)!dmg_buf_printf( out, "}" );
  } else {
    uint8_t const * at = rd->p;
    dmg_type_read( type, rd );
    dmg_span_t json = dmg_cli_value_json( cli, type, dmg_span( at, (size_t)( rd->p-at ) ) );
    if( json.sz>=2 && json.p[ 0 ]=='"' ) json = dmg_span( json.p+1, json.sz-2 );
    (void)!dmg_buf_append( out, json.p, json.sz );
  }
}

/* "to dmg1.., amount 12.5 CGT, memo 0x" */
static void put_fields( dmg_cli_t * cli, dmg_buf_t * out, dmg_type_t const * type, dmg_bcs_rd_t * rd ) {
  for( uint32_t i = 0; i<type->field_cnt; i++ ) {
    (void)!dmg_buf_printf( out, "%s%.*s ", i ? ", " : "", DMG_SPAN_F( type->fields[ i ].name ) );
    put_word( cli, out, type->fields[ i ].type, rd );
  }
}

/* "balances.transfer to dmg1.., amount 12.5 CGT, memo 0x": a call or event with what it carries; without an interface that fits, its numbers and bytes. */
static void put_deed( dmg_cli_t * cli, dmg_buf_t * out, dmg_abi_t const * abi, dmg_span_t name, dmg_type_t const * fields, uint16_t module, uint16_t id, dmg_span_t bcs ) {
  if( !fields || dmg_type_validate( fields, bcs, NULL ) ) { (void)!dmg_buf_printf( out, "module %u number %u 0x%s", module, id, dmg_cli_hex_of( cli, bcs ) ); return; }
  dmg_bcs_rd_t rd = dmg_bcs_rd( bcs );
  (void)!dmg_buf_printf( out, "%.*s.%.*s%s", DMG_SPAN_F( abi->name ), DMG_SPAN_F( name ), fields->field_cnt ? " " : "" );
  put_fields( cli, out, fields, &rd );
}

void dmg_cli_call_text( dmg_cli_t * cli, dmg_tx_call_t const * call, dmg_buf_t * out ) {
  dmg_abi_t const * abi = dmg_cli_abi_of( cli, call->module );
  dmg_abi_fn_t const * fn = abi ? dmg_abi_call( abi, call->call ) : NULL;
  put_deed( cli, out, abi, fn ? fn->name : dmg_span( NULL, 0 ), fn ? fn->args : NULL, call->module, call->call, call->args );
}

void dmg_cli_event_text( dmg_cli_t * cli, dmg_event_t const * event, dmg_buf_t * out ) {
  dmg_abi_t const * abi = dmg_cli_abi_of( cli, event->module );
  dmg_abi_event_t const * e = abi ? dmg_abi_event( abi, event->event ) : NULL;
  put_deed( cli, out, abi, e ? e->name : dmg_span( NULL, 0 ), e ? e->fields : NULL, event->module, event->event, event->data );
}

char const * dmg_cli_says( dmg_cli_t * cli, dmg_tx_call_t const * call ) {
  char module[ 8 ];
  dmg_abi_t const * abi;
  dmg_hash_t schema;
  snprintf( module, sizeof module, "%u", call->module );
  if( dmg_cli_abi( cli, module, &abi ) ) return NULL;
  dmg_abi_fn_t const * fn = dmg_abi_call( abi, call->call );
  /* Another schema is another call: this interface's words are not its. */
  if( !fn || dmg_schema_hash( abi->module, fn, &schema ) || !dmg_hash_eq( &schema, &call->schema ) || dmg_type_validate( fn->args, call->args, NULL ) ) return NULL;
  dmg_span_t value[ DMG_ABI_FIELD_MAX ];
  dmg_bcs_rd_t rd = dmg_bcs_rd( call->args );
  for( uint32_t i = 0; i<fn->args->field_cnt; i++ ) {
    uint8_t const * at = rd.p;
    dmg_type_read( fn->args->fields[ i ].type, &rd );
    value[ i ] = dmg_span( at, (size_t)( rd.p-at ) );
  }
  dmg_buf_t out = dmg_buf( 65536 );
  (void)!dmg_buf_printf( &out, "%.*s.%.*s: ", DMG_SPAN_F( abi->name ), DMG_SPAN_F( fn->name ) );
  if( !fn->says.sz ) { dmg_span_t json = dmg_cli_value_json( cli, fn->args, call->args ); (void)!dmg_buf_append( &out, json.p, json.sz ); }
  for( size_t i = 0; i<fn->says.sz; i++ ) {
    uint8_t const * close = fn->says.p[ i ]=='{' ? memchr( fn->says.p+i, '}', fn->says.sz-i ) : NULL;
    uint32_t f = fn->args->field_cnt;
    if( close ) {
      dmg_span_t name = dmg_span( fn->says.p+i+1, (size_t)( close-fn->says.p )-i-1 );
      for( f = 0; f<fn->args->field_cnt && !dmg_span_eq( fn->args->fields[ f ].name, name ); f++ ) {}
    }
    if( f==fn->args->field_cnt ) { (void)!dmg_buf_append( &out, fn->says.p+i, 1 ); continue; }
    rd = dmg_bcs_rd( value[ f ] );
    put_word( cli, &out, fn->args->fields[ f ].type, &rd );
    i = (size_t)( close-fn->says.p );
  }
  char const * text = dmg_cli_dup( cli, dmg_buf_span( &out ) );
  dmg_buf_fini( &out );
  return text;
}

dmg_span_t dmg_cli_events_json( dmg_cli_t * cli, dmg_span_t raw ) {
  dmg_receipt_t * r;
  if( dmg_receipt_decode( raw, cli->arena, &r ).kind!=DMG_VERDICT_GOOD ) return DMG_SPAN_STR( "[]" );
  dmg_buf_t buf = dmg_buf( 4<<20 );
  dmg_jw_t w = dmg_jw( &buf );
  dmg_jw_open( &w, '[' );
  for( uint32_t i = 0; i<r->event_cnt; i++ ) {
    char module[ 8 ];
    dmg_abi_t const * abi = NULL;
    snprintf( module, sizeof module, "%u", r->events[ i ].module );
    dmg_abi_event_t const * e = dmg_cli_abi( cli, module, &abi ) ? NULL : dmg_abi_event( abi, r->events[ i ].event );
    dmg_jw_open( &w, '{' );
    dmg_jw_key( &w, "module" );
    if( abi ) dmg_jw_str( &w, abi->name ); else dmg_jw_num( &w, r->events[ i ].module );
    dmg_jw_key( &w, "event" );
    if( e ) dmg_jw_str( &w, e->name ); else dmg_jw_num( &w, r->events[ i ].event );
    dmg_jw_key( &w, "fields" );
    if( e ) dmg_jw_raw( &w, dmg_cli_value_json( cli, e->fields, r->events[ i ].data ) ); else dmg_jw_hex( &w, r->events[ i ].data );
    dmg_jw_close( &w, '}' );
  }
  dmg_jw_close( &w, ']' );
  dmg_span_t text = dmg_arena_dup( cli->arena, dmg_buf_span( &buf ) );
  dmg_buf_fini( &buf );
  return text;
}

/* ---- Who ---- */

/* --from, else DEMIURGE_FROM; --key, else the key of that name. */
static int who( dmg_cli_t * cli, bool is_dev, dmg_cli_draft_t * d ) {
  char const * from = cli->flag[ DMG_CLI_FLAG_FROM ], * key = cli->flag[ DMG_CLI_FLAG_KEY ];
  dmg_cli_named_t named = { 0 };
  if( !from ) from = getenv( "DEMIURGE_FROM" );
  if( !from || !*from ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "who signs? --from NAME, a key of `demiurge key list`, or alice .. judy on a dev chain" );
  d->from = from;
  dmg_cli_key_t none;
  int code = dmg_cli_find( cli, from, &named );
  if( code==DMG_EXIT_NOT_FOUND ) code = strncmp( from, "dmg1", 4 ) ? dmg_cli_key_find( cli, from, is_dev, &none ) : dmg_cli_account( cli, from, &named.address );   /* the one says what is wrong with the name */
  if( code ) return code;
  if( !key && !named.has_key ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "whose keys sign for %s? --key NAME, or several with commas between", from );
  d->tx.sender = named.address;
  if( named.has_init ) { d->init = named.init; d->tx.init = &d->init; }
  for( char const * p = key ? key : from; *p && !code; ) {
    size_t n = strcspn( p, "," );
    if( d->tx.sig_cnt==DMG_TX_SIG_MAX ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "at most %d keys sign", DMG_TX_SIG_MAX );
    code = dmg_cli_key_find( cli, dmg_cli_dup( cli, dmg_span( p, n ) ), is_dev, &d->keys[ d->tx.sig_cnt++ ] );
    p += n+( p[ n ]==',' );
  }
  for( uint32_t i = 0; i<d->tx.sig_cnt && !code; i++ ) {
    dmg_cli_key_t const * k = &d->keys[ i ];
    d->sigs[ i ] = (dmg_tx_sig_t){ .scheme = k->scheme, .key = dmg_cli_key_span( k ), .sig = dmg_span( d->sig_mem[ i ], 64 ) };
    for( uint32_t j = 0; j<i; j++ ) if( dmg_span_eq( d->sigs[ j ].key, d->sigs[ i ].key ) ) code = dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s signs twice", k->name );
  }
  d->tx.sigs = d->sigs;
  return code;
}

static int number_flag( dmg_cli_t * cli, dmg_cli_flag_t flag, uint64_t max, uint64_t * out ) {
  char const * v = cli->flag[ flag ];
  if( v && !dmg_cli_number( v, max, out ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s wants a number up to %lu, not %.60s", dmg_cli_flags[ flag ].name, (unsigned long)max, v );
  return DMG_EXIT_OK;
}
static int amount_flag( dmg_cli_t * cli, dmg_cli_flag_t flag, uint64_t least, uint64_t * out ) {
  char const * v = cli->flag[ flag ];
  return v ? dmg_cli_amount( cli, dmg_cli_flags[ flag ].name, v, least, out ) : DMG_EXIT_OK;
}

/* ---- Drafting ---- */

static void set_id( dmg_cli_draft_t * d ) {
  dmg_buf_t body = dmg_buf( DMG_TX_SZ_MAX );
  dmg_err_t err = dmg_tx_body_encode( &d->tx, &body );
  DMG_ASSERT( !err );   /* it was encoded before */
  d->tx.id = dmg_tx_id( dmg_buf_span( &body ) );
  dmg_buf_fini( &body );
}

/* Bytes, id, and what it would do as it will be signed. */
static int finish( dmg_cli_t * cli, dmg_cli_draft_t * d ) {
  dmg_cli_refusal_t refusal = { 0 };
  if( d->tx.tip>d->tx.fee_max ) {
    char tip[ DMG_CLI_AMOUNT_SZ ], most[ DMG_CLI_AMOUNT_SZ ];
    dmg_cli_amount_text( d->tx.tip, tip );
    dmg_cli_amount_text( d->tx.fee_max, most );
    return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--tip is a part of --fee-max, so not more than it: %s, and --fee-max is %s", tip, most );
  }
  int code = dmg_cli_tx_encode( cli, &d->tx, &d->raw );
  if( code ) return code;
  set_id( d );
  code = dmg_cli_tx_effects( cli, &d->tx, &d->effects, &refusal );
  return code && refusal.code ? dmg_cli_fail( cli, code, refusal.name, "%s; nothing was sent", refusal.message ) : code;
}

static int begin( dmg_cli_t * cli, dmg_cli_chain_t const * chain, dmg_tx_call_t const * calls, uint32_t call_cnt, char const * what, dmg_cli_draft_t * d ) {
  uint64_t lane = 0, lifetime = LIFETIME_BLOCKS;
  *d = (dmg_cli_draft_t){ .what = what, .tx = { .version = DMG_TX_VERSION, .chain = chain->id, .fee_kind = DMG_FEE_ENERGY_THEN_FEE, .auth = DMG_TX_AUTH_KEYS, .call_cnt = call_cnt } };
  if( !call_cnt || call_cnt>DMG_TX_CALL_MAX ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "a transaction has 1 to %d calls", DMG_TX_CALL_MAX );
  memcpy( d->calls, calls, call_cnt*sizeof *calls );
  d->tx.calls = d->calls;
  int code = number_flag( cli, DMG_CLI_FLAG_LANE, DMG_TX_LANE_CNT-1, &lane );
  if( !code ) code = number_flag( cli, DMG_CLI_FLAG_NONCE, UINT64_MAX, &d->tx.nonce );
  if( !code ) code = number_flag( cli, DMG_CLI_FLAG_GAS, UINT32_MAX, &d->tx.gas );
  if( !code && cli->flag[ DMG_CLI_FLAG_GAS ] && !d->tx.gas ) code = dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--gas wants a number from 1: nothing runs without gas" );
  if( !code ) code = number_flag( cli, DMG_CLI_FLAG_EXPIRES, 1000000, &lifetime );
  if( !code ) code = amount_flag( cli, DMG_CLI_FLAG_FEE_MAX, 1, &d->tx.fee_max );
  if( !code ) code = amount_flag( cli, DMG_CLI_FLAG_TIP, 0, &d->tx.tip );
  if( !code ) code = who( cli, chain->is_dev, d );
  d->is_dev    = chain->is_dev;
  d->tx.lane   = (uint16_t)lane;
  d->tx.expiry = chain->head+lifetime;
  return code;
}

/* The account's keys come with its first transaction (M1.3). */
static int check_exists( dmg_cli_t * cli, dmg_cli_draft_t * d, char const * sender ) {
  dmg_jv_t r;
  int code = dmg_cli_call( cli, "account_get", dmg_cli_text( cli, "{\"account\":\"%s\"}", sender ), &r );
  if( code ) return code;
  bool exists = dmg_jv_type( dmg_cli_get( r, "exists" ) )==DMG_JSON_TRUE;
  if( !exists && !d->tx.init ) return dmg_cli_fail( cli, DMG_EXIT_NOT_FOUND, "NotFound", "account %s does not exist yet, and its first transaction must bring its keys: name it by --from NAME of `demiurge key list`", sender );
  if( exists ) d->tx.init = NULL;
  return DMG_EXIT_OK;
}

int dmg_cli_draft( dmg_cli_t * cli, dmg_cli_chain_t const * chain, dmg_tx_call_t const * calls, uint32_t call_cnt, char const * what, dmg_cli_draft_t * d ) {
  dmg_jv_t r;
  char sender[ DMG_ADDRESS_TEXT_SZ+1 ];
  int code = begin( cli, chain, calls, call_cnt, what, d );
  if( code ) return code;
  dmg_address_text( &d->tx.sender, sender );
  if(( code = check_exists( cli, d, sender ) )) return code;
  if( !cli->flag[ DMG_CLI_FLAG_NONCE ] ) {
    if(( code = dmg_cli_call( cli, "tx_nonces", dmg_cli_text( cli, "{\"account\":\"%s\",\"lanes\":[%u]}", sender, d->tx.lane ), &r ) )) return code;
    d->tx.nonce = dmg_cli_u64( dmg_jv_first( dmg_cli_get( r, "lanes" ) ), "next" );
  }
  code = dmg_cli_tx_price( cli, &d->tx );
  return code ? code : finish( cli, d );
}

int dmg_cli_draft_replace( dmg_cli_t * cli, dmg_cli_chain_t const * chain, dmg_tx_t const * old, dmg_tx_call_t const * calls, uint32_t call_cnt, char const * what, dmg_cli_draft_t * d ) {
  char sender[ DMG_ADDRESS_TEXT_SZ+1 ];
  int code = begin( cli, chain, calls, call_cnt, what, d );
  if( code ) return code;
  if( !dmg_hash_eq( &d->tx.sender, &old->sender ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "the transaction is not of %s", d->from );
  dmg_address_text( &d->tx.sender, sender );
  if(( code = check_exists( cli, d, sender ) )) return code;
  d->tx.lane  = old->lane;
  d->tx.nonce = old->nonce;
  if( d->tx.expiry<old->expiry ) d->tx.expiry = old->expiry;
  if(( code = dmg_cli_tx_price( cli, &d->tx ) )) return code;
  if(( code = dmg_cli_tx_encode( cli, &d->tx, &d->raw ) )) return code;
  /* F4.4, R4.1: the price is the fee maximum per (intrinsic + gas); at least 10 % more of it. */
  dmg_u128_t old_gas = (dmg_u128_t)dmg_tx_intrinsic_gas( old, old->raw.sz )+old->gas, new_gas = (dmg_u128_t)dmg_tx_intrinsic_gas( &d->tx, d->raw.sz )+d->tx.gas;
  dmg_u128_t least = ( (dmg_u128_t)old->fee_max*new_gas*110+old_gas*100-1 )/( old_gas*100 );
  if( least>DMG_AMOUNT_MAX ) return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "ChainRefused", "a price 10 %% higher is more than there is" );
  if( d->tx.fee_max<(uint64_t)least ) {
    char amount[ DMG_CLI_AMOUNT_SZ ];
    dmg_cli_amount_text( (uint64_t)least, amount );
    if( cli->flag[ DMG_CLI_FLAG_FEE_MAX ] ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "to take its place it must offer at least %s", amount );
    d->tx.fee_max = (uint64_t)least;
  }
  return finish( cli, d );
}

/* ---- Showing ---- */

/* The draft in words: what, who, what it would do, what it costs (F1.5). */
static char const * summary( dmg_cli_t * cli, dmg_cli_draft_t const * d ) {
  char sender[ DMG_ADDRESS_TEXT_SZ+1 ], fee[ DMG_CLI_AMOUNT_SZ ], most[ DMG_CLI_AMOUNT_SZ ];
  dmg_address_text( &d->tx.sender, sender );
  dmg_cli_amount_text( d->effects.fee, fee );
  dmg_cli_amount_text( d->tx.fee_max, most );
  dmg_buf_t out = dmg_buf( 16<<20 );
  (void)!dmg_buf_printf( &out, "%s\n  from %s (%s)", d->what, d->from, sender );
  if( d->tx.sig_cnt>1 || strcmp( d->keys[ 0 ].name, d->from ) ) {
    (void)!dmg_buf_printf( &out, "\n  keys" );
    for( uint32_t i = 0; i<d->tx.sig_cnt; i++ ) (void)!dmg_buf_printf( &out, " %s", d->keys[ i ].name );
  }
  dmg_cli_effects_text( cli, &d->effects, &d->tx.sender, d->is_dev, &out );
  (void)!dmg_buf_printf( &out, "\n  fee  %s now, at most %s; expires at height %lu", fee, most, (unsigned long)d->tx.expiry );
  char * all = (char *)(uintptr_t)dmg_cli_dup( cli, dmg_buf_span( &out ) );
  dmg_cli_plain( all );
  dmg_buf_fini( &out );
  return all;
}

static dmg_span_t draft_json( dmg_cli_t * cli, dmg_cli_draft_t const * d ) {
  dmg_buf_t buf = dmg_buf( 8<<20 );
  dmg_jw_t w = dmg_jw( &buf );
  dmg_jw_open( &w, '{' );
  dmg_jw_khash( &w, "id", &d->tx.id );
  dmg_jw_khex ( &w, "tx", d->raw );
  dmg_jw_kcstr( &w, "says", d->what );
  dmg_jw_knum ( &w, "lane", d->tx.lane );
  dmg_jw_ku64 ( &w, "nonce", d->tx.nonce );
  dmg_jw_ku64 ( &w, "expiry", d->tx.expiry );
  dmg_jw_ku64 ( &w, "gas", d->tx.gas );
  dmg_jw_ku64 ( &w, "feeMax", d->tx.fee_max );
  dmg_cli_effects_json( cli, &d->effects, &w );
  dmg_jw_close( &w, '}' );
  dmg_span_t text = dmg_arena_dup( cli->arena, dmg_buf_span( &buf ) );
  dmg_buf_fini( &buf );
  return text;
}

int dmg_cli_draft_print( dmg_cli_t * cli, dmg_cli_draft_t const * d ) {
  if( dmg_cli_is_data( cli ) ) return dmg_cli_print_json( cli, draft_json( cli, d ) );
  dmg_cli_say( cli, "%s", summary( cli, d ) );
  printf( "0x%s\n", dmg_cli_hex_of( cli, d->raw ) );
  return DMG_EXIT_OK;
}

/* ---- Sending ---- */

int dmg_cli_wait( dmg_cli_t * cli, char const * id_hex, char const * until ) {
  uint64_t began = dmg_os_mono_ns(), pause_ns = 5000000u;
  bool takes_pooled = !strcmp( until, "pooled" ), takes_included = takes_pooled || !strcmp( until, "included" );
  for(;;) {
    dmg_jv_t r;
    char state[ 32 ];
    int code = dmg_cli_call( cli, "tx_status", dmg_cli_text( cli, "{\"ids\":[\"0x%s\"]}", id_hex ), &r );
    if( code ) return code;
    dmg_jv_t status = dmg_cli_get( dmg_jv_first( dmg_cli_get( r, "items" ) ), "status" );
    dmg_span_t kind = dmg_cli_str( status, "kind" );
    snprintf( state, sizeof state, "%.*s", DMG_SPAN_F( kind ) );
    dmg_cli_plain( state );
    uint64_t elapsed_ms = ( dmg_os_mono_ns()-began )/1000000u;
    dmg_cli_progress( cli, dmg_cli_dup( cli, dmg_cli_text( cli, "0x%.16s", id_hex ) ), state, elapsed_ms, cli->timeout_ms );
    if( !strcmp( state, "final" ) || ( takes_included && !strcmp( state, "included" ) ) || ( takes_pooled && !strcmp( state, "pooled" ) ) ) { dmg_cli_progress_end( cli ); return DMG_EXIT_OK; }
    if( !strcmp( state, "dropped" ) ) {
      dmg_span_t reason = dmg_cli_str( status, "reason" );
      return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "TxRejected", "0x%s was dropped: %.*s", id_hex, DMG_SPAN_F( reason ) );
    }
    if( !strcmp( state, "expired" ) )  return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "TxRejected", "0x%s expired before it got into a block", id_hex );
    if( !strcmp( state, "replaced" ) ) return dmg_cli_fail( cli, DMG_EXIT_REFUSED, "TxRejected", "0x%s was replaced by another with the same nonce", id_hex );
    if( elapsed_ms>cli->timeout_ms ) return dmg_cli_fail( cli, DMG_EXIT_TIMEOUT, "Timeout", "0x%s is %s after %u s; it may still become final: `demiurge tx watch 0x%s`", id_hex, state, cli->timeout_ms/1000, id_hex );
    dmg_os_sleep_ns( pause_ns );
    if( pause_ns<100000000u ) pause_ns += pause_ns/2;
  }
}

/* F2.5: until the block after it is final, so that what it wrote is provable. */
static int wait_provable( dmg_cli_t * cli, uint64_t height ) {
  uint64_t began = dmg_os_mono_ns();
  for(;;) {
    dmg_jv_t r;
    int code = dmg_cli_call( cli, "chain_head", DMG_SPAN_STR( "{}" ), &r );
    if( code || dmg_cli_u64( dmg_cli_get( r, "final" ), "height" )>height ) return code;
    if( ( dmg_os_mono_ns()-began )/1000000u>cli->timeout_ms ) return dmg_cli_fail( cli, DMG_EXIT_TIMEOUT, "Timeout", "block %lu has no final successor after %u s", (unsigned long)height, cli->timeout_ms/1000 );
    dmg_os_sleep_ns( 20000000u );
  }
}

static int receipt( dmg_cli_t * cli, char const * id_hex, dmg_jv_t * out ) {
  int code = dmg_cli_call( cli, "tx_receipt", dmg_cli_text( cli, "{\"id\":\"0x%s\"}", id_hex ), out );
  if( code || !cli->flag[ DMG_CLI_FLAG_PROOF ] || !dmg_cli_has( cli->cmd, DMG_CLI_FLAG_PROOF ) ) return code;
  if(( code = wait_provable( cli, dmg_cli_u64( dmg_cli_get( *out, "at" ), "height" ) ) )) return code;
  return dmg_cli_call( cli, "tx_receipt", dmg_cli_text( cli, "{\"id\":\"0x%s\"}", id_hex ), out );
}

/* REFUSED unless the receipt is OK. */
static int judge( dmg_cli_t * cli, dmg_receipt_t const * r ) {
  if( r->status==DMG_STATUS_OK ) return DMG_EXIT_OK;
  return dmg_cli_fail( cli, DMG_EXIT_REFUSED, dmg_cli_fault_name( cli, r->status, r->module, r->code ), "the transaction ended as %s (module %u, code %u); its fee was charged, its effects were dropped",
                       dmg_status_name( r->status ), r->module, r->code );
}

/* The calls of tx_receipt's answer; false: they are none. */
static bool read_calls( dmg_cli_t * cli, dmg_jv_t list, dmg_tx_call_t out[ DMG_TX_CALL_MAX ], uint32_t * out_cnt ) {
  *out_cnt = 0;
  if( dmg_jv_type( list )!=DMG_JSON_ARRAY || dmg_jv_cnt( list )>DMG_TX_CALL_MAX ) return false;
  for( dmg_jv_t e = dmg_jv_first( list ); !dmg_jv_is_absent( e ); e = dmg_jv_next( list, e ) ) {
    uint32_t module, call;
    if( !dmg_jv_u32( dmg_cli_get( e, "module" ), &module ) || !dmg_jv_u32( dmg_cli_get( e, "call" ), &call ) || module>UINT16_MAX || call>UINT16_MAX ) return false;
    out[ ( *out_cnt )++ ] = (dmg_tx_call_t){ .module = (uint16_t)module, .call = (uint16_t)call, .args = dmg_cli_hex( cli, e, "data" ) };
  }
  return true;
}

/* What it did, then what it cost.  The interfaces that are asked for take the answer's place, so all is read before. */
static int print_receipt( dmg_cli_t * cli, char const * id_hex, dmg_jv_t answer, dmg_receipt_t const * r ) {
  dmg_tx_call_t calls[ DMG_TX_CALL_MAX ];
  uint32_t call_cnt;
  char amount[ DMG_CLI_AMOUNT_SZ ];
  uint64_t height = dmg_cli_u64( dmg_cli_get( answer, "at" ), "height" ), fee;
  char const * sender = dmg_cli_dup( cli, dmg_cli_str( answer, "sender" ) );
  if( !read_calls( cli, dmg_cli_get( answer, "calls" ), calls, &call_cnt ) || !dmg_add_u64( r->fee, r->tip, &fee ) ) return dmg_cli_fail( cli, DMG_EXIT_UNAVAILABLE, "Unavailable", "the node's receipt is none: it may speak another version" );
  dmg_buf_t out = dmg_buf( 16<<20 );
  (void)!dmg_buf_printf( &out, "transaction  0x%s\nstatus       %s", id_hex, dmg_status_name( r->status ) );
  if( r->status==DMG_STATUS_FAULT ) (void)!dmg_buf_printf( &out, " %s", dmg_cli_fault_name( cli, r->status, r->module, r->code ) );
  if( r->call!=DMG_RECEIPT_CALL_NONE ) (void)!dmg_buf_printf( &out, ", in call %u", r->call );
  (void)!dmg_buf_printf( &out, "\nblock        %lu\nfrom         %s", (unsigned long)height, sender );
  for( uint32_t i = 0; i<call_cnt; i++ ) {
    (void)!dmg_buf_printf( &out, "\ncall         " );
    dmg_cli_call_text( cli, &calls[ i ], &out );
  }
  for( uint32_t i = 0; i<r->event_cnt; i++ ) {
    (void)!dmg_buf_printf( &out, "\nevent        " );
    dmg_cli_event_text( cli, &r->events[ i ], &out );
  }
  dmg_cli_amount_text( fee, amount );
  (void)!dmg_buf_printf( &out, "\nfee          %s", amount );
  dmg_cli_amount_text( r->held, amount );
  if( r->held ) (void)!dmg_buf_printf( &out, "\ndeposit      %s held for storage", amount );
  dmg_cli_amount_text( r->returned, amount );
  if( r->returned ) (void)!dmg_buf_printf( &out, "\nreturned     %s of deposits", amount );
  char * text = (char *)(uintptr_t)dmg_cli_dup( cli, dmg_buf_span( &out ) );
  dmg_buf_fini( &out );
  dmg_cli_plain( text );
  printf( "%s\ngas          %lu used, %lu billed\n", text, (unsigned long)r->gas_used, (unsigned long)r->gas_billed );
  return DMG_EXIT_OK;
}

static int show_receipt( dmg_cli_t * cli, char const * id_hex, dmg_jv_t answer, bool is_result ) {
  dmg_receipt_t * r;
  if( dmg_receipt_decode( dmg_cli_hex( cli, answer, "receipt" ), cli->arena, &r ).kind!=DMG_VERDICT_GOOD ) return dmg_cli_fail( cli, DMG_EXIT_UNAVAILABLE, "Unavailable", "the node's receipt does not decode" );
  int code = dmg_cli_is_data( cli ) ? DMG_EXIT_OK : print_receipt( cli, id_hex, answer, r );
  if( !code && is_result ) code = judge( cli, r );
  return code || !dmg_cli_is_data( cli ) ? code : dmg_cli_print( cli, answer );
}

int dmg_cli_receipt( dmg_cli_t * cli, char const * id_hex, bool is_result ) {
  dmg_jv_t r;
  int code = receipt( cli, id_hex, &r );
  return code ? code : show_receipt( cli, id_hex, r, is_result );
}

static int sign( dmg_cli_t * cli, dmg_cli_draft_t * d ) {
  for( uint32_t i = 0; i<d->tx.sig_cnt; i++ ) {
    dmg_cli_signer_t signer;
    int code = dmg_cli_unlock( cli, &d->keys[ i ], &signer );
    if( code ) return code;
    dmg_cli_sign( &signer, &d->tx.id, d->sig_mem[ i ] );
    dmg_cli_signer_wipe( &signer );
  }
  return dmg_cli_tx_encode( cli, &d->tx, &d->raw );
}

int dmg_cli_draft_run( dmg_cli_t * cli, dmg_cli_draft_t * d, char const ** out_id, dmg_jv_t * out_receipt ) {
  char const * until = cli->flag[ DMG_CLI_FLAG_WAIT ] ? cli->flag[ DMG_CLI_FLAG_WAIT ] : "final";
  dmg_jv_t r;
  *out_receipt = (dmg_jv_t){ 0 };
  *out_id      = dmg_cli_hex_of( cli, dmg_hash_span( &d->tx.id ) );
  int code = dmg_cli_confirm( cli, summary( cli, d ), "Sign and send?" );
  if( !code ) code = sign( cli, d );
  if( code ) return code;
  dmg_cli_submitted( cli, *out_id );
  dmg_cli_refusal_t refusal = { 0 };
  code = dmg_cli_try( cli, "tx_submit", dmg_cli_text( cli, "{\"tx\":\"0x%s\"}", dmg_cli_hex_of( cli, d->raw ) ), &r, &refusal );
  /* The nonce was free when we asked. */
  bool is_ours = cli->cmd->takes&DMG_CLI_PLACES && !cli->flag[ DMG_CLI_FLAG_NONCE ] && refusal.code, is_full = strstr( refusal.message, " ahead" );
  bool is_nonce = is_ours && ( strstr( refusal.message, "the lane's window" ) || strstr( refusal.message, "has this lane and nonce" ) );
  char const * hint = !is_nonce ? "" : is_full ? "; the lane is full: wait for a block, or --lane N" : "; another one of this account was quicker: once more, or --lane N for those that go side by side";
  if( code && refusal.code ) return dmg_cli_fail( cli, code, refusal.name, "%s%s", refusal.message, hint );
  if( code ) return code;
  if( strcmp( until, "none" ) ) code = dmg_cli_wait( cli, *out_id, until );
  if( code || !strcmp( until, "none" ) || !strcmp( until, "pooled" ) ) return code;
  return receipt( cli, *out_id, out_receipt );
}

int dmg_cli_draft_send( dmg_cli_t * cli, dmg_cli_draft_t * d ) {
  char const * id;
  dmg_jv_t r;
  if( cli->flag[ DMG_CLI_FLAG_DRY_RUN ] ) return dmg_cli_draft_print( cli, d );
  /* Before it is sent: who took a mistyped field for a refusal would send it twice. */
  static char const * const of_receipt[] = { "at", "index", "sender", "calls", "events", "receipt", "fields", NULL }, * const of_id[] = { "id", NULL };
  char const * until = cli->flag[ DMG_CLI_FLAG_WAIT ];
  int code = dmg_cli_check_fields( cli, until && ( !strcmp( until, "none" ) || !strcmp( until, "pooled" ) ) ? of_id : of_receipt );
  if( !code ) code = dmg_cli_draft_run( cli, d, &id, &r );
  if( code ) return code;
  if( !dmg_jv_is_absent( r ) ) return show_receipt( cli, id, r, true );
  if( dmg_cli_is_data( cli ) ) return dmg_cli_print_json( cli, dmg_cli_text( cli, "{\"id\":\"0x%s\"}", id ) );
  printf( "0x%s\n", id );
  return DMG_EXIT_OK;
}
