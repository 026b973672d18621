/* sub: a stream of the node on stdout (F5), over a WebSocket.

     connect --chain_info: still that chain?--> sub_open at the cursor --> rows
        ^---------- lost, sub_stop drain or slow: again, as long as --timeout ------'

   The place is the cursor of the last row that is out, before the first row that of sub_open's answer; a new connection goes on right behind it,
   on whichever node.  So `blocks` and `events` lose and repeat nothing.  `heads`, `tx` and `account` tell the newest; after a new connection what
   was told already is left away, so there seq may jump.

   What is missing, by sub_gap or by a seq that jumps in `blocks` or `events`, is a row of its own, or where rows are not whole JSON a line on stderr;
   the stream goes on, and exit code 9 says so in the end.  sub_stop denied ends with 7, limit, internal and what is unknown with 1.

   A node that says nothing for 20 s is asked for its head: a connection that is dead and does not know it is found so. */
#include "base/os.h"
#include "cli/draft.h"
#include "crypto/bech32.h"
#include "rpc/http_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { TAKES_IDS = 1, TAKES_BODY = 2, TAKES_MODULE = 4, TAKES_ACCOUNT = 8, MODULE_MAX = 64, SILENCE_MS = 20000, BROKEN_MAX = 10, ROW_SZ_MAX = 2*DMG_WS_MSG_MAX };
enum { ASK_CHAIN = 1, ASK_OPEN, ASK_HEAD };   /* ids of our requests */
#define BROKEN_NS  2000000000u                /* a connection that broke sooner and told nothing counts */

typedef struct {
  char const * name;
  uint32_t     takes;
  bool         is_needed;                     /* one of what it takes */
  bool         is_every;                      /* every item, so seq rises by 1 */
  void      (* text)( dmg_buf_t * out, dmg_jv_t params, dmg_jv_t item );
} topic_t;

/* An id of `tx`. */
typedef struct { char const * id; dmg_hash_t told; bool is_over; } watch_t;

typedef struct {
  dmg_cli_t *     cli;
  dmg_json_t *    json;                       /* reader of messages */
  topic_t const * topic;
  char const *    url;
  char const *    params;                     /* of sub_open, but the cursor */
  char            cursor[ 128 ];
  uint64_t        left;                       /* items to come; UINT64_MAX: no end */
  watch_t         watch[ DMG_CLI_ARG_MAX ];
  uint32_t        watch_cnt;
  dmg_hash_t      chain, told;                /* told: of `account`, hash of the last item */
  bool            is_first, has_gap;
  bool            knows_seq;
  bool            is_opened, has_opened;      /* this connection, any */
  uint64_t        next_seq;                   /* if knows_seq */
  char            gap[ 128 ];                 /* the last that was told */
  uint64_t        row_cnt;
  dmg_buf_t       list;                       /* -o json: the items so far */
} sub_t;

/* Absent of what is absent: a node's message may lack anything. */
static dmg_jv_t get( dmg_jv_t v, char const * key ) { return dmg_jv_is_absent( v ) || dmg_jv_type( v )!=DMG_JSON_OBJECT ? (dmg_jv_t){ 0 } : dmg_jv_get( v, key ); }
static dmg_span_t text_of( dmg_jv_t object, char const * key ) {
  dmg_jv_t v = get( object, key );
  return dmg_jv_is_absent( v ) ? dmg_span( NULL, 0 ) : dmg_jv_text( v );
}
static bool is_u64( dmg_jv_t object, char const * key, uint64_t * out ) { dmg_jv_t v = get( object, key ); return !dmg_jv_is_absent( v ) && dmg_jv_u64( v, out ); }

/* ---- Rows as text ---- */

static struct { uint32_t id; char name[ 64 ]; } module_name[ MODULE_MAX ];
static uint32_t module_cnt;

static void say( dmg_buf_t * out, char const * words ) { (void)!dmg_buf_append( out, words, strlen( words ) ); }
static void put( dmg_buf_t * out, char const * before, dmg_span_t text ) {
  say( out, before );
  if( text.sz ) (void)!dmg_buf_append( out, text.p, text.sz );
}

static void put_json( dmg_buf_t * out, char const * before, dmg_jv_t v ) {
  dmg_buf_t buf = dmg_buf( ROW_SZ_MAX );
  dmg_jw_t w = dmg_jw( &buf );
  dmg_jw_value( &w, v );
  put( out, before, dmg_buf_span( &buf ) );
  dmg_buf_fini( &buf );
}

static void put_height( dmg_buf_t * out, dmg_jv_t params ) {
  dmg_span_t height = text_of( get( params, "at" ), "height" );
  put( out, "height ", height );
  for( size_t n = height.sz; n<10; n++ ) say( out, " " );
}

static void text_head( dmg_buf_t * out, dmg_jv_t params, dmg_jv_t item ) {
  put_height( out, params );
  put( out, " ", text_of( item, "hash" ) );
  put( out, "  ", text_of( item, "txCount" ) );
  say( out, " transactions" );
  if( text_of( params, "skipped" ).sz ) put( out, ", skipped ", text_of( params, "skipped" ) );
}

static void text_tx( dmg_buf_t * out, dmg_jv_t params, dmg_jv_t item ) {
  dmg_jv_t status = get( item, "status" );
  put( out, "", text_of( item, "id" ) );
  put( out, " ", text_of( status, "kind" ) );
  if( text_of( status, "height" ).sz ) put( out, " at height ", text_of( status, "height" ) );
  if( text_of( status, "error" ).sz )  put( out, ", ended as ", text_of( status, "error" ) );
  if( text_of( status, "reason" ).sz ) put( out, ": ", text_of( status, "reason" ) );
  if( text_of( status, "by" ).sz )     put( out, " by ", text_of( status, "by" ) );
}

static void text_block( dmg_buf_t * out, dmg_jv_t params, dmg_jv_t item ) {
  dmg_jv_t ids = get( item, "ids" );
  put_height( out, params );
  put( out, " ", text_of( get( params, "at" ), "hash" ) );
  put( out, "  ", text_of( item, "txCount" ) );
  say( out, " transactions" );
  if( !dmg_jv_is_absent( ids ) && dmg_jv_type( ids )==DMG_JSON_ARRAY )
    for( dmg_jv_t e = dmg_jv_first( ids ); !dmg_jv_is_absent( e ); e = dmg_jv_next( ids, e ) ) put( out, " ", dmg_jv_text( e ) );
  if( text_of( item, "body" ).sz ) put( out, " body ", text_of( item, "body" ) );
}

static void text_event( dmg_buf_t * out, dmg_jv_t params, dmg_jv_t item ) {
  dmg_span_t module = text_of( item, "module" ), name = text_of( item, "name" );
  dmg_jv_t fields = get( item, "fields" );
  uint32_t id;
  for( uint32_t i = 0; i<module_cnt && !dmg_jv_is_absent( get( item, "module" ) ) && dmg_jv_u32( get( item, "module" ), &id ); i++ ) if( module_name[ i ].id==id ) module = dmg_span_cstr( module_name[ i ].name );
  put_height( out, params );
  put( out, " tx ", text_of( item, "tx" ) );
  put( out, "  ", module );
  put( out, ".", name.sz ? name : text_of( item, "event" ) );
  if( name.sz && !dmg_jv_is_absent( fields ) ) put_json( out, " ", fields );
  else                                         put( out, " ", text_of( item, "data" ) );
}

static void text_account( dmg_buf_t * out, dmg_jv_t params, dmg_jv_t item ) {
  static char const * const name[] = { "free", "held", "locked" };
  char amount[ DMG_CLI_AMOUNT_SZ ];
  uint64_t v;
  dmg_jv_t exists = get( item, "exists" );
  put_height( out, params );
  put( out, " ", text_of( item, "address" ) );
  for( int i = 0; i<3; i++ ) {
    if( !is_u64( get( item, "balances" ), name[ i ], &v ) || ( i && !v ) ) continue;
    dmg_cli_amount_text( v, amount );
    (void)!dmg_buf_printf( out, "  %s %s", name[ i ], amount );
  }
  put( out, "  nonce ", text_of( item, "nonce" ) );
  if( !dmg_jv_is_absent( exists ) && dmg_jv_type( exists )==DMG_JSON_FALSE ) say( out, "  (not on chain yet)" );
}

static topic_t const topics[] = {
  { "heads",   0, false, false, text_head },
  { "tx",      TAKES_IDS, true, false, text_tx },
  { "blocks",  TAKES_BODY, false, true, text_block },
  { "events",  TAKES_MODULE|TAKES_ACCOUNT, true, true, text_event },
  { "account", TAKES_ACCOUNT, true, false, text_account } };
enum { TOPIC_CNT = sizeof topics/sizeof *topics };

/* ---- Rows ---- */

static int out_of_memory( dmg_cli_t * cli ) { return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "out of memory" ); }

/* What was printed is out, or the command ends. */
static int flush( dmg_cli_t * cli ) {
  if( !fflush( stdout ) ) return DMG_EXIT_OK;
  if( errno==EPIPE ) exit( DMG_EXIT_OK );   /* `| head`: the reader has what it wanted */
  return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "cannot write to standard output: %s", strerror( errno ) );
}

static int print_text( sub_t * s, dmg_jv_t params ) {
  dmg_buf_t line = dmg_buf( ROW_SZ_MAX );
  dmg_span_t state = text_of( params, "state" );
  s->topic->text( &line, params, get( params, "item" ) );
  if( dmg_span_eq( state, DMG_SPAN_STR( "included" ) ) && s->topic->takes!=TAKES_IDS ) say( &line, "  (not final yet)" );
  for( size_t i = 0; i<line.sz; i++ ) if( line.p[ i ]<0x20 || line.p[ i ]==0x7f ) line.p[ i ] = '?';
  int code = dmg_buf_append( &line, "\n", 1 ) ? out_of_memory( s->cli ) : DMG_EXIT_OK;
  if( !code ) fwrite( line.p, 1, line.sz, stdout );
  dmg_buf_fini( &line );
  return code;
}

/* Are rows whole JSON, so that others than items can stand among them? */
static bool is_whole( dmg_cli_t const * cli ) { return ( cli->out==DMG_CLI_JSON || cli->out==DMG_CLI_JSONL ) && !cli->flag[ DMG_CLI_FLAG_FIELDS ]; }

static int print_json( sub_t * s, dmg_span_t row ) {
  dmg_cli_t * cli = s->cli;
  char why[ 160 ];
  dmg_jv_t v;
  if( cli->out==DMG_CLI_JSON ) {
    if( dmg_buf_printf( &s->list, "%s%.*s", s->list.sz ? "," : "", DMG_SPAN_F( row ) ) ) return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "more than %zu bytes of items: -o jsonl has no bound", s->list.max );
    return DMG_EXIT_OK;
  }
  if( !dmg_json_parse( cli->own, row, &v, why ) ) return dmg_cli_fail( cli, DMG_EXIT_INTERNAL, "Internal", "a row of our own is no JSON: %s", why );
  int code = dmg_cli_print_row( cli, v, s->is_first );
  s->is_first = false;
  return code;
}

/* {event: item, seq, cursor, at, state, skipped?, item} */
static int print_item( sub_t * s, dmg_jv_t params ) {
  static char const * const key[] = { "seq", "cursor", "at", "state", "skipped", "item" };
  if( !dmg_cli_is_data( s->cli ) ) return print_text( s, params );
  dmg_buf_t buf = dmg_buf( ROW_SZ_MAX );
  dmg_jw_t w = dmg_jw( &buf );
  dmg_jw_open( &w, '{' );
  dmg_jw_kcstr( &w, "event", "item" );
  for( size_t i = 0; i<sizeof key/sizeof *key; i++ ) {
    dmg_jv_t v = get( params, key[ i ] );
    if( dmg_jv_is_absent( v ) ) continue;
    dmg_jw_key( &w, key[ i ] );
    dmg_jw_value( &w, v );
  }
  dmg_jw_close( &w, '}' );
  int code = w.is_full ? out_of_memory( s->cli ) : print_json( s, dmg_buf_span( &buf ) );
  dmg_buf_fini( &buf );
  return code;
}

/* {event: gap, from, to, reason}, of heights fromHeight, toHeight.  Never in silence, -q or not. */
static int print_gap( sub_t * s, bool is_height, dmg_span_t from, dmg_span_t to, dmg_span_t reason ) {
  dmg_cli_t * cli = s->cli;
  char gap[ sizeof s->gap ];
  snprintf( gap, sizeof gap, "%d %.*s %.*s", is_height, DMG_SPAN_F( from ), DMG_SPAN_F( to ) );
  if( !strcmp( gap, s->gap ) ) return DMG_EXIT_OK;   /* the connection was lost before anything followed it */
  snprintf( s->gap, sizeof s->gap, "%s", gap );
  s->has_gap = true;
  if( !is_whole( cli ) ) {
    char text[ 512 ];
    snprintf( text, sizeof text, "gap: %s %.*s to %.*s are missing (%.*s); going on after them", is_height ? "the events of heights" : "items", DMG_SPAN_F( from ), DMG_SPAN_F( to ),
              DMG_SPAN_F( reason ) );
    dmg_cli_plain( text );
    fprintf( stderr, "demiurge: %s\n", text );
    return DMG_EXIT_OK;
  }
  dmg_buf_t buf = dmg_buf( 4096 );
  dmg_jw_t w = dmg_jw( &buf );
  dmg_jw_open( &w, '{' );
  dmg_jw_kcstr( &w, "event", "gap" );
  dmg_jw_key( &w, is_height ? "fromHeight" : "from" ); dmg_jw_str( &w, from );
  dmg_jw_key( &w, is_height ? "toHeight" : "to" );     dmg_jw_str( &w, to );
  dmg_jw_key( &w, "reason" );                          dmg_jw_str( &w, reason );
  dmg_jw_close( &w, '}' );
  int code = w.is_full ? out_of_memory( cli ) : print_json( s, dmg_buf_span( &buf ) );
  dmg_buf_fini( &buf );
  return code;
}

/* ---- Messages ---- */

static void keep_cursor( sub_t * s, dmg_jv_t from ) {
  dmg_span_t c = text_of( from, "cursor" );
  if( !c.sz || c.sz>=sizeof s->cursor || memchr( c.p, '"', c.sz ) || memchr( c.p, '\\', c.sz ) ) return;
  snprintf( s->cursor, sizeof s->cursor, "%.*s", DMG_SPAN_F( c ) );
  dmg_cli_resumes( s->cli, s->cursor );
}

/* Of an account what is told, but at which block. */
static dmg_hash_t hash_of( dmg_jv_t v ) {
  dmg_buf_t buf = dmg_buf( ROW_SZ_MAX );
  dmg_jw_t w = dmg_jw( &buf );
  dmg_jw_open( &w, '[' );
  if( dmg_jv_type( v )!=DMG_JSON_OBJECT ) dmg_jw_value( &w, v );
  else for( dmg_jv_t k = dmg_jv_first( v ); !dmg_jv_is_absent( k ); k = dmg_jv_next( v, k ) ) {
    if( dmg_jv_eq_str( k, "at" ) ) continue;
    dmg_jw_str( &w, dmg_jv_text( k ) );
    dmg_jw_value( &w, dmg_jv_member( k ) );
  }
  dmg_jw_close( &w, ']' );
  dmg_hash_t h = dmg_sha256( dmg_buf_span( &buf ) );
  dmg_buf_fini( &buf );
  return h;
}

static watch_t * watch_of( sub_t * s, dmg_jv_t item ) {
  dmg_span_t id = text_of( item, "id" );
  for( uint32_t i = 0; i<s->watch_cnt; i++ ) if( dmg_span_eq( dmg_span_cstr( s->watch[ i ].id ), id ) ) return &s->watch[ i ];
  return NULL;
}

/* Is it what was told last of the same? */
static bool is_repeated( sub_t * s, dmg_jv_t item ) {
  dmg_hash_t * told = &s->told, h;
  if( s->topic->is_every || !s->topic->takes ) return false;   /* the cursor sees to it */
  if( s->topic->takes==TAKES_IDS ) {
    static char const * const over[] = { "final", "dropped", "expired", "replaced" };
    watch_t * w = watch_of( s, item );
    dmg_jv_t status = get( item, "status" );
    if( !w || dmg_jv_is_absent( status ) ) return false;
    w->is_over = false;
    for( size_t i = 0; i<4; i++ ) if( dmg_span_eq( text_of( status, "kind" ), dmg_span_cstr( over[ i ] ) ) ) w->is_over = true;
    told = &w->told;
    h    = hash_of( status );
  } else h = hash_of( item );
  if( dmg_hash_eq( told, &h ) ) return true;
  *told = h;
  return false;
}

/* DMG_OK: go on; NOT_FOUND: all that was asked for is here. */
static dmg_err_t take_item( sub_t * s, dmg_jv_t params, int * out_code ) {
  uint64_t seq;
  dmg_jv_t item = get( params, "item" );
  if( dmg_jv_is_absent( item ) || !is_u64( params, "seq", &seq ) ) { *out_code = dmg_cli_fail( s->cli, DMG_EXIT_UNAVAILABLE, "Unavailable", "the node's sub_item lacks seq or item: it may speak another version" ); return DMG_ERR_CORRUPT; }
  if( s->topic->is_every && s->knows_seq && seq>s->next_seq ) {
    char from[ 24 ], to[ 24 ];
    snprintf( from, sizeof from, "%lu", (unsigned long)s->next_seq );
    snprintf( to, sizeof to, "%lu", (unsigned long)seq-1 );
    *out_code = print_gap( s, false, dmg_span_cstr( from ), dmg_span_cstr( to ), DMG_SPAN_STR( "lost" ) );
  }
  bool is_new = !is_repeated( s, item );
  if( !*out_code && is_new ) *out_code = print_item( s, params );
  if( !*out_code ) *out_code = flush( s->cli );
  if( *out_code ) return DMG_ERR_STOPPED;
  keep_cursor( s, params );   /* only now that the row is out */
  s->next_seq  = seq+1;
  s->knows_seq = true;
  s->row_cnt++;
  if( is_new && s->left!=UINT64_MAX && !--s->left ) return DMG_ERR_NOT_FOUND;
  bool is_over = s->watch_cnt>0;
  for( uint32_t i = 0; i<s->watch_cnt; i++ ) is_over = is_over && s->watch[ i ].is_over;
  return is_over ? DMG_ERR_NOT_FOUND : DMG_OK;
}

static dmg_err_t take_gap( sub_t * s, dmg_jv_t params, int * out_code ) {
  bool is_height = text_of( params, "fromHeight" ).sz;
  uint64_t to;
  *out_code = print_gap( s, is_height, text_of( params, is_height ? "fromHeight" : "from" ), text_of( params, is_height ? "toHeight" : "to" ), text_of( params, "reason" ) );
  if( !*out_code ) *out_code = flush( s->cli );
  s->knows_seq = is_u64( params, "to", &to );   /* of events that are gone nobody knows how many they were */
  if( s->knows_seq ) s->next_seq = to+1;
  return *out_code ? DMG_ERR_STOPPED : DMG_OK;
}

/* F5.6.  UNAVAILABLE: open again; else *out_code. */
static dmg_err_t take_stop( sub_t * s, dmg_jv_t params, int * out_code ) {
  static char const * const passing[] = { "drain", "slow", "closed" };
  dmg_span_t reason = text_of( params, "reason" );
  for( size_t i = 0; i<sizeof passing/sizeof *passing; i++ ) if( dmg_span_eq( reason, dmg_span_cstr( passing[ i ] ) ) ) { dmg_cli_say( s->cli, "the node ends the stream: %s", passing[ i ] ); return DMG_ERR_UNAVAILABLE; }
  bool is_denied = dmg_span_eq( reason, DMG_SPAN_STR( "denied" ) ), is_limit = dmg_span_eq( reason, DMG_SPAN_STR( "limit" ) );
  *out_code = dmg_cli_fail( s->cli, is_denied ? DMG_EXIT_KEY : DMG_EXIT_INTERNAL, is_denied ? "Unauthorized" : is_limit ? "LimitExceeded" : "Internal",
                            "the node ended the stream: %.*s%s; --cursor %s goes on there", DMG_SPAN_F( reason ), is_limit ? ", its next item is more than it can tell" : "", s->cursor );
  return DMG_ERR_STOPPED;
}

static dmg_err_t refused( sub_t * s, dmg_jv_t error, int * out_code ) {
  long number = 0;
  dmg_span_t message = text_of( error, "message" ), name = text_of( get( error, "data" ), "name" ), digits = text_of( error, "code" );
  char text[ 16 ];
  snprintf( text, sizeof text, "%.*s", DMG_SPAN_F( digits ) );
  number = strtol( text, NULL, 10 );
  /* Unavailable, Timeout, LimitExceeded pass; but who asks for the first time is told. */
  if( s->has_opened && ( number==-32002 || number==-32015 || number==-32005 ) ) return DMG_ERR_UNAVAILABLE;
  *out_code = dmg_cli_fail( s->cli, dmg_cli_exit_of( number ), name.sz ? dmg_cli_dup( s->cli, name ) : "Internal", "%.*s", DMG_SPAN_F( message ) );
  return DMG_ERR_INVALID;
}

static dmg_err_t ask( dmg_ws_client_t * ws, sub_t * s, uint32_t id, char const * method, char const * params, char const * cursor ) {
  return dmg_ws_send( ws, dmg_cli_text( s->cli, "{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":\"%s\",\"params\":{%s%s%s%s}}", id, method, params, *cursor ? ",\"cursor\":\"" : "", cursor, *cursor ? "\"" : "" ), s->cli->timeout_ms );
}

static dmg_err_t take_answer( sub_t * s, dmg_ws_client_t * ws, uint32_t id, dmg_jv_t result, int * out_code ) {
  dmg_hash_t chain;
  if( id==ASK_CHAIN ) {
    dmg_jv_t is = get( result, "chainId" );
    if( dmg_jv_is_absent( is ) || !dmg_jv_hash( is, &chain ) || !dmg_hash_eq( &chain, &s->chain ) ) {
      /* A cursor of one chain says nothing on another. */
      *out_code = dmg_cli_fail( s->cli, DMG_EXIT_REFUSED, "WrongNetwork", "%s is now a node of another chain; nothing of it was told", s->url );
      return DMG_ERR_INVALID;
    }
    return ask( ws, s, ASK_OPEN, "sub_open", s->params, s->cursor );
  }
  if( id!=ASK_OPEN ) return DMG_OK;
  s->is_opened = s->has_opened = true;
  keep_cursor( s, result );
  if( s->knows_seq ) return DMG_OK;
  dmg_jv_t seq = get( result, "seq" );
  s->next_seq  = 0;                                               /* null: the first has 0 */
  s->knows_seq = !dmg_jv_is_absent( seq );
  if( is_u64( result, "seq", &s->next_seq ) ) s->next_seq++;
  return DMG_OK;
}

/* DMG_OK: go on; NOT_FOUND: all that was asked for is here; UNAVAILABLE: open again; else *out_code. */
static dmg_err_t take( sub_t * s, dmg_ws_client_t * ws, dmg_span_t message, int * out_code ) {
  dmg_jv_t root;
  char why[ 160 ];
  uint32_t id;
  if( !dmg_json_parse( s->json, message, &root, why ) || dmg_jv_type( root )!=DMG_JSON_OBJECT ) { *out_code = dmg_cli_fail( s->cli, DMG_EXIT_UNAVAILABLE, "Unavailable", "the node's message is no JSON that can be read: %s", why ); return DMG_ERR_CORRUPT; }
  dmg_jv_t method = get( root, "method" ), params = get( root, "params" ), error = get( root, "error" ), answers = get( root, "id" );
  if( !dmg_jv_is_absent( error ) && dmg_jv_type( error )==DMG_JSON_OBJECT ) return refused( s, error, out_code );
  if( dmg_jv_is_absent( method ) ) return !dmg_jv_is_absent( answers ) && dmg_jv_u32( answers, &id ) ? take_answer( s, ws, id, get( root, "result" ), out_code ) : DMG_OK;
  if( dmg_jv_eq_str( method, "sub_item" ) ) return take_item( s, params, out_code );
  if( dmg_jv_eq_str( method, "sub_gap" ) )  return take_gap( s, params, out_code );
  if( dmg_jv_eq_str( method, "sub_stop" ) ) return take_stop( s, params, out_code );
  return DMG_OK;
}

/* ---- Connections ---- */

/* Reads one connection to its end. */
static dmg_err_t follow( sub_t * s, char why[ 256 ], int * out_code ) {
  dmg_cli_t * cli = s->cli;
  dmg_ws_client_t * ws;
  dmg_span_t message;
  bool is_asked = false;
  uint32_t wait_ms = cli->timeout_ms<SILENCE_MS ? cli->timeout_ms : SILENCE_MS;
  s->is_opened = false;
  dmg_err_t err = dmg_ws_open( s->url, cli->timeout_ms, &ws, why );
  if( err ) return err;
  err = ask( ws, s, ASK_CHAIN, "chain_info", "", "" );
  while( !err ) {
    err = dmg_ws_recv( ws, wait_ms, &message );
    if( !err ) { is_asked = false; err = take( s, ws, message, out_code ); }
    else if( err==DMG_ERR_TIMEOUT && s->is_opened && !is_asked ) { is_asked = true; err = ask( ws, s, ASK_HEAD, "chain_head", "", "" ); }
  }
  if( err==DMG_ERR_TIMEOUT ) snprintf( why, 256, "%.200s says nothing", s->url );
  dmg_ws_close( ws );
  return err;
}

static int gone( sub_t * s, char const * why ) {
  return dmg_cli_fail( s->cli, DMG_EXIT_UNAVAILABLE, "Unavailable", "%s%s%s", why, *s->cursor ? "; go on later with --cursor " : "", s->cursor );
}

/* Connection after connection, until all is told or nothing can be. */
static int run( sub_t * s ) {
  dmg_cli_t * cli = s->cli;
  uint64_t lost_ns = 0, pause_ns = 20000000u;
  uint32_t broken_cnt = 0;
  for(;;) {
    char why[ 256 ] = "";
    int code = DMG_EXIT_OK;
    uint64_t rows = s->row_cnt, began_ns = dmg_os_mono_ns();
    dmg_err_t err = follow( s, why, &code );
    uint64_t now_ns = dmg_os_mono_ns();
    if( err==DMG_ERR_NOT_FOUND ) return s->has_gap ? DMG_EXIT_PARTIAL : DMG_EXIT_OK;
    if( code ) return code;
    if( !*why ) snprintf( why, sizeof why, "%.200s has gone", s->url );
    if( !s->has_opened ) return gone( s, why );
    /* Broken before it told anything, again and again: its next message is one that this client cannot take. */
    broken_cnt = err==DMG_ERR_IO && s->row_cnt==rows && now_ns-began_ns<BROKEN_NS ? broken_cnt+1 : 0;
    if( broken_cnt==BROKEN_MAX ) return dmg_cli_fail( cli, DMG_EXIT_UNAVAILABLE, "Unavailable", "%s sends what is no message, or one of more than %d bytes; --cursor %s is before it", s->url, DMG_WS_MSG_MAX, s->cursor );
    if( s->is_opened ) { lost_ns = now_ns; pause_ns = 20000000u; dmg_cli_say( cli, "the connection is lost (%s); trying again", why ); }
    if( now_ns-lost_ns>(uint64_t)cli->timeout_ms*1000000u ) return gone( s, dmg_cli_dup( cli, dmg_cli_text( cli, "%s, for %u s now", why, cli->timeout_ms/1000 ) ) );
    dmg_os_sleep_ns( pause_ns );
    if( pause_ns<1000000000u ) pause_ns *= 2;
  }
}

/* ---- The command ---- */

/* The filter that is asked for, of a topic that has it; in JSON. */
static int filter( sub_t * s, char const ** out ) {
  dmg_cli_t * cli = s->cli;
  char const * body = dmg_cli_opt( cli, "--body" ), * module = dmg_cli_opt( cli, "--module" ), * account = dmg_cli_opt( cli, "--account" );
  uint32_t has = ( s->watch_cnt ? TAKES_IDS : 0u )|( body ? TAKES_BODY : 0u )|( module ? TAKES_MODULE : 0u )|( account ? TAKES_ACCOUNT : 0u );
  static char const * const want[ TOPIC_CNT ] = { "heads has no filter", "which transactions? demiurge sub tx ID..", "blocks takes --body none|ids|full", "events of what? --module NAME, or --account ACCOUNT", "whose account? --account ACCOUNT" };
  uint64_t number;
  if( has&~s->topic->takes || has&( has-1 ) || ( s->topic->is_needed && !has ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s", want[ s->topic-topics ] );
  *out = "";
  if( body )   *out = (char const *)dmg_cli_text( cli, ",\"filter\":{\"body\":\"%s\"}", body ).p;
  if( module ) *out = (char const *)dmg_cli_text( cli, ",\"filter\":{\"module\":%s}", dmg_cli_number( module, UINT16_MAX, &number ) ? module : dmg_cli_quote( cli, module ) ).p;
  if( account ) {
    dmg_hash_t address;
    char text[ DMG_ADDRESS_TEXT_SZ+1 ];
    int code = dmg_cli_account( cli, account, &address );
    if( code ) return code;
    dmg_address_text( &address, text );
    *out = (char const *)dmg_cli_text( cli, ",\"filter\":{\"account\":\"%s\"}", text ).p;
  }
  for( uint32_t i = 0; i<s->watch_cnt; i++ ) {
    dmg_hash_t id;
    char const * text = cli->arg[ i+1 ];
    if( !dmg_cli_hex_exact( text, id.b, 32 ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "a transaction id is 0x and 64 hex digits, not \"%.80s\"", text );
    s->watch[ i ] = (watch_t){ .id = (char const *)dmg_cli_text( cli, "0x%s", dmg_cli_hex_of( cli, dmg_hash_span( &id ) ) ).p };   /* in lower case, as the node says it */
    *out = (char const *)dmg_cli_text( cli, "%s%s\"%s\"%s", *out, i ? "," : ",\"filter\":{\"ids\":[", s->watch[ i ].id, i+1==s->watch_cnt ? "]}" : "" ).p;
  }
  return DMG_EXIT_OK;
}

/* A row may lack a member that another has; but one that no row has is a mistake. */
static int check_fields( dmg_cli_t * cli ) {
  static char const * const known[] = { "event", "seq", "cursor", "at", "state", "skipped", "item" };
  for( char const * p = cli->flag[ DMG_CLI_FLAG_FIELDS ]; p && *p; ) {
    size_t n = strcspn( p, "," ), head = strcspn( p, ".," );
    bool is_known = false;
    for( size_t i = 0; i<sizeof known/sizeof *known; i++ ) is_known = is_known || ( strlen( known[ i ] )==head && !strncmp( p, known[ i ], head ) );
    if( !is_known ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "a row has no field %.*s; it has event, seq, cursor, at, state, skipped, item", (int)n, p );
    p += n+( p[ n ]==',' );
  }
  return DMG_EXIT_OK;
}

static int begin( sub_t * s ) {
  dmg_cli_t * cli = s->cli;
  char const * topic = cli->arg[ 0 ], * count = dmg_cli_opt( cli, "--count" ), * cursor = dmg_cli_opt( cli, "--cursor" ), * finality = dmg_cli_opt( cli, "--finality" ), * only = "";
  for( size_t i = 0; i<TOPIC_CNT; i++ ) if( !strcmp( topics[ i ].name, topic ) ) s->topic = &topics[ i ];
  if( !s->topic ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "a topic is heads, tx, blocks, events or account, not %.40s", topic );
  s->watch_cnt = cli->arg_cnt-1;
  if( count && ( !dmg_cli_number( count, UINT64_MAX-1, &s->left ) || !s->left ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--count wants a number from 1, not %.40s", count );
  if( cli->out==DMG_CLI_JSON && !count && s->topic->takes!=TAKES_IDS ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "a stream has no end and so is no document: -o jsonl, or --count N" );
  if( cursor && ( strlen( cursor )>=sizeof s->cursor || strspn( cursor, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_" )!=strlen( cursor ) ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--cursor is the cursor of an item" );
  if( cursor ) snprintf( s->cursor, sizeof s->cursor, "%s", cursor );
  /* F1.3: data for a program, text for a reader; -o and --fields say otherwise. */
  if( !cli->flag[ DMG_CLI_FLAG_OUT ] && !cli->flag[ DMG_CLI_FLAG_FIELDS ] && !dmg_os_is_tty( 1 ) ) cli->out = DMG_CLI_JSONL;
  if( cli->out==DMG_CLI_CSV && !cli->flag[ DMG_CLI_FLAG_FIELDS ] ) cli->flag[ DMG_CLI_FLAG_FIELDS ] = "event,seq,cursor,at,state,item";   /* the same columns in each row */
  int code = check_fields( cli );
  if( !code ) code = filter( s, &only );
  if( code ) return code;
  s->params = (char const *)dmg_cli_text( cli, "\"topic\":\"%s\"%s%s%s%s", topic, only, finality ? ",\"finality\":\"" : "", finality ? finality : "", finality ? "\"" : "" ).p;

  /* Is there a node, on the network that was named? */
  dmg_jv_t r;
  if(( code = dmg_cli_call( cli, "chain_info", DMG_SPAN_STR( "{}" ), &r ) )) return code;
  s->chain = dmg_cli_hash( r, "chainId" );
  dmg_jv_t modules = dmg_cli_get( r, "modules" );
  module_cnt = 0;
  for( dmg_jv_t e = dmg_jv_first( modules ); !dmg_jv_is_absent( e ) && module_cnt<MODULE_MAX; e = dmg_jv_next( modules, e ) ) {
    dmg_span_t name = dmg_cli_str( e, "name" );
    if( !dmg_jv_u32( dmg_cli_get( e, "id" ), &module_name[ module_cnt ].id ) ) continue;
    snprintf( module_name[ module_cnt ].name, sizeof module_name->name, "%.*s", DMG_SPAN_F( name ) );
    module_cnt++;
  }
  size_t len = strlen( cli->rpc_url );
  if( strncmp( cli->rpc_url, "http", 4 ) || len<=8 || strcmp( cli->rpc_url+len-4, "/rpc" ) ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "%s does not end with /rpc, so it is unknown where its streams are", cli->rpc_url );
  s->url = (char const *)dmg_cli_text( cli, "ws%.*s/ws", (int)( len-8 ), cli->rpc_url+4 ).p;
  return DMG_EXIT_OK;
}

static int sub( dmg_cli_t * cli ) {
  static sub_t s;
  s = (sub_t){ .cli = cli, .left = UINT64_MAX, .is_first = true, .list = dmg_buf( 64<<20 ), .json = dmg_json_new_answer() };
  int code = s.json ? begin( &s ) : out_of_memory( cli );
  if( !code ) code = run( &s );
  bool is_told = !code || code==DMG_EXIT_PARTIAL;
  if( is_told && cli->out==DMG_CLI_JSON ) { int printed = dmg_cli_print_json( cli, dmg_cli_text( cli, "{\"items\":[%.*s]}", DMG_SPAN_F( s.list ) ) ); if( printed ) code = printed; }
  if( code==DMG_EXIT_PARTIAL ) dmg_cli_fail( cli, code, "PartFailed", "items are missing: see the gaps" );
  dmg_buf_fini( &s.list );
  dmg_json_free( s.json );
  return code;
}

dmg_cli_cmd_t const dmg_cmds_sub[] = {
  { "sub", "heads|tx|blocks|events|account [ID..]", 1, DMG_CLI_ARG_MAX, "follow a stream until Ctrl-C; on a pipe a JSON line an item",
    "  heads    each new block, the newest if you are slow\n"
    "  tx       the status of up to 99 transactions ID.., until all are over\n"
    "  blocks   every block; --body says how much of it\n"
    "  events   every event of a module (--module) or that names an account (--account)\n"
    "  account  balances and keys of --account, at once and whenever they change\n"
    "  A JSON row has event (item or gap), seq, cursor, at, state, item: --fields item.height,item.hash.\n"
    "  A lost connection is opened again, for as long as --timeout, and goes on where it broke: of blocks and events\n"
    "  nothing is lost or told twice.  --cursor goes on after a row of before.  Exit code 9: the node no longer had\n"
    "  some items; a row or line says which.",
    sub, 0, { { "--module", "MODULE", "events of this module, by name or number" }, { "--account", "ACCOUNT", "whose events, or whose account" }, { "--body", "none|ids|full", "of blocks: no transactions, their ids (default), or all bytes" },
              { "--count", "N", "end after so many items" }, { "--cursor", "CURSOR", "go on after the item that has this cursor" },
              { "--finality", "head|final", "final: each item once, when it is (default); head: as soon as it is in a block" } } },
  { 0 }
};
