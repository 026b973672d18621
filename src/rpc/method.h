/* method: one table that dispatches, documents and discovers the JSON-RPC methods (F0.1).

     idl/rpc.dmi --dmic--> dmg_rpc_method_tab: name, summary, parameters, result, example, class, cost, handler
                               |                      |
                           dispatch <- bind params <--+--> rpc.discover (OpenRPC 1.3)

   A method is added by its entry in idl/rpc.dmi and a function dmg_rpc_do_<name in snake case>: without
   the function nothing links, without the entry the function has no prototype and does not compile.

   Parameters come by name or by position in the IDL's order (F4.1); an unknown one, a missing one
   or one of another form is -32602 with its path, what was expected and what came.

   A handler reads call->arg[i] (i: the order in the IDL), writes one JSON value to call->out and
   returns true; or fails by dmg_rpc_fail and returns false (what it wrote is dropped).

   Memory   a call's arena lives until the answer is sent
   Threads  handlers run on HTTP workers, several at once */
#ifndef DMG_RPC_METHOD_H
#define DMG_RPC_METHOD_H

#include "codec/abi.h"
#include "rpc/cost.h"
#include "rpc/json.h"
#include "rpc/query.h"
#include "rpc/rpc_gen.h"
#include "types/items.h"
#include "types/receipt.h"

/* 1 gas is 1 ns on the reference machine, a unit 10 us. */
enum { DMG_RPC_PARAM_MAX = 8, DMG_RPC_ITEMS_MAX = 1000, DMG_RPC_UNIT_GAS = 10000 };

typedef struct { int code; char const * name; int http; bool is_retry; } dmg_rpc_code_t;
/* "InvalidParams", ..; "Internal" for a code outside the table. */
char const * dmg_rpc_code_name( int code );

/* Forms of a parameter: how it is written in JSON, and which member of dmg_rpc_arg_t holds it. */
#define DMG_RPC_FORM_TABLE( X )                                                            \
  X( U64,     "decimal string" )                                                           \
  X( U32,     "number" )                                                                   \
  X( BOOL,    "true or false" )                                                            \
  X( HEX,     "0x hex bytes" )                                                             \
  X( HASH,    "0x hex of 32 bytes" )                                                       \
  X( ACCOUNT, "account: dmg1.. or demiurge:<chain>:dmg1.." )                               \
  X( AT,      "\"head\", \"final\", {\"height\":\"7\"} or {\"hash\":\"0x..\"}" )           \
  X( STRING,  "string" )                                                                   \
  X( WORD,    "one of its words" )                                                         \
  X( NAME_ID, "name or number" )                                                           \
  X( LIST,    "array" )                                                                    \
  X( OBJECT,  "object" )                                                                   \
  X( ANY,     "any value" )

typedef enum {
#define DMG_RPC_FORM_ENUM( name, text ) DMG_RPC_FORM_##name,
  DMG_RPC_FORM_TABLE( DMG_RPC_FORM_ENUM )
#undef DMG_RPC_FORM_ENUM
  DMG_RPC_FORM_CNT
} dmg_rpc_form_t;

/* schema: JSON Schema; words of WORD end with NULL, else NULL. */
typedef struct { char const * name; dmg_rpc_form_t form; bool is_needed; char const * text; char const * schema; char const * const * words; } dmg_rpc_param_t;

typedef struct {
  bool       is_set;
  dmg_jv_t   json;     /* the value itself; LIST, OBJECT, NAME_ID, ANY */
  uint64_t   u64;      /* U64, U32; BOOL 0, 1; WORD: DMG_RPC_<TYPE>__<WORD> */
  dmg_hash_t hash;     /* HASH, ACCOUNT */
  dmg_span_t bytes;    /* HEX decoded, STRING text */
  dmg_at_t   at;       /* AT */
} dmg_rpc_arg_t;

typedef struct dmg_rpc dmg_rpc_t;

typedef struct {
  char const *    name;
  char const *    summary;
  char const *    result;             /* JSON Schema; "#/components/schemas/.." are in dmg_rpc_schemas */
  char const *    example;            /* params by name as JSON, well formed: nothing but the chain may object to them */
  bool (*handler)( dmg_rpc_call_t * call );
  bool            is_dev;
  char            class;              /* 'A', 'B', 'C' (F3.2) */
  uint32_t        cost;               /* units of 10 us for the least it does (F3.3) */
  dmg_rpc_param_t param[ DMG_RPC_PARAM_MAX+1 ];   /* ends at name NULL */
} dmg_method_t;

/* Made from idl/: DMG_RPC_METHOD_CNT methods, ascending by name; members of components.schemas. */
extern dmg_method_t const   dmg_rpc_method_tab[];
extern char const           dmg_rpc_schemas[];
extern dmg_rpc_code_t const dmg_rpc_code_tab[];
extern uint32_t const       dmg_rpc_code_cnt;

struct dmg_rpc_call {
  dmg_rpc_t *          rpc;
  dmg_query_t const *  query;
  dmg_method_t const * method;
  dmg_arena_t *        arena;
  dmg_rpc_arg_t        arg[ DMG_RPC_PARAM_MAX ];
  dmg_jw_t *           out;
  uint64_t             ws;             /* 0: not on a WebSocket */
  dmg_cost_who_t       who;
  uint64_t             deadline_ns;
  uint32_t             extra;          /* units beyond the method's cost */
  dmg_query_submit_t const * submitted;   /* tx_submit: what became of it in a batch; NULL: not submitted yet */
  struct { int code; char name[ 160 ]; char text[ 320 ]; char data[ 1024 ]; } fail;   /* data: members of the error's data, "" or "\"a\":1,.." */
};

/* Always false, for `return dmg_rpc_fail( .. )`.  name NULL or empty: the code's.  The text is cut to 319 bytes of whole characters. */
__attribute__(( format( printf, 4, 5 ) ))
bool dmg_rpc_fail( dmg_rpc_call_t * call, int code, char const * name, char const * fmt, ... );
/* Appends members to the error's data, as JSON: "\"a\":1".  What does not fit is left out whole. */
__attribute__(( format( printf, 2, 3 ) ))
void dmg_rpc_fail_data( dmg_rpc_call_t * call, char const * fmt, ... );
/* The failure a query function's error stands for; what says which thing ("block", "transaction"). */
bool dmg_rpc_fail_err( dmg_rpc_call_t * call, dmg_err_t err, char const * what );
/* The same of a state asked for `at` a block (view_open, holding): no such block yet, the block pruned, or only its state. */
bool dmg_rpc_fail_at( dmg_rpc_call_t * call, dmg_err_t err, dmg_at_t const * at );
/* -32602 for what the table cannot describe of a parameter; path begins with its name: "filter.ids". */
bool dmg_rpc_fail_param( dmg_rpc_call_t * call, char const * path, char const * expected );
/* The same of a place inside a parameter: what came is got, or got_text where that says it better (NULL: got). */
bool dmg_rpc_fail_value( dmg_rpc_call_t * call, char const * path, char const * expected, dmg_jv_t got, char const * got_text );
#ifdef __clang_analyzer__   /* it does not see across files that these are false */
#define dmg_rpc_fail( ... )        ( (void)dmg_rpc_fail( __VA_ARGS__ ), false )
#define dmg_rpc_fail_err( ... )    ( (void)dmg_rpc_fail_err( __VA_ARGS__ ), false )
#define dmg_rpc_fail_at( ... )     ( (void)dmg_rpc_fail_at( __VA_ARGS__ ), false )
#define dmg_rpc_fail_param( ... )  ( (void)dmg_rpc_fail_param( __VA_ARGS__ ), false )
#define dmg_rpc_fail_value( ... )  ( (void)dmg_rpc_fail_value( __VA_ARGS__ ), false )
#endif
/* Members of an object by name, absent ones absent.  False: not an object, or a member that names lacks. */
bool dmg_rpc_members( dmg_rpc_call_t * call, char const * path, dmg_jv_t object, char const * const * names, uint32_t name_cnt, dmg_jv_t * out );

/* Work beyond the method's cost, in units of 10 us (F3.3). */
void dmg_rpc_charge( dmg_rpc_call_t * call, uint64_t units );
/* false: the call has taken too long and fails with Timeout (F3.5); for loops that read. */
bool dmg_rpc_in_time( dmg_rpc_call_t * call );

/* A member {height, hash, isFinal}; put_at calls it "at". */
void dmg_rpc_put_block( dmg_jw_t * out, char const * key, dmg_at_block_t const * block );
void dmg_rpc_put_at   ( dmg_jw_t * out, dmg_at_block_t const * at );
/* AccountRef: dmg1.., or CAIP-10 of this chain. */
bool dmg_rpc_account_parse( dmg_rpc_call_t * call, dmg_span_t text, dmg_hash_t * out );

/* The BCS of a native item's value at a view, in the call's arena; p NULL if it is absent. */
DMG_MUST_USE dmg_err_t dmg_rpc_item( dmg_rpc_call_t * call, dmg_query_view_t const * view, dmg_item_t item, dmg_span_t key, dmg_span_t * out_bcs );

/* BCS of a function's arguments in the call's arena, from an object, an array or 0x hex; path: where they stand. */
bool dmg_rpc_args( dmg_rpc_call_t * call, dmg_abi_fn_t const * fn, dmg_jv_t json, char const * path, dmg_span_t * out );

/* A module by name or number at a view, with its decoded interface in the call's arena. */
bool dmg_rpc_module_id( dmg_rpc_call_t * call, dmg_query_view_t const * view, dmg_jv_t ref, uint16_t * out_id, dmg_abi_t const ** out_abi );

/* ---- What methods and streams tell alike ---- */

/* Interfaces met in one request, of the modules at view. */
enum { DMG_RPC_ABI_MAX = 64 };
typedef struct { dmg_rpc_call_t * call; dmg_query_view_t const * view; struct { uint16_t id; dmg_abi_t const * abi; } abi[ DMG_RPC_ABI_MAX ]; uint32_t abi_cnt; } dmg_rpc_abis_t;
/* NULL: no such module, or it cannot be read. */
dmg_abi_t const * dmg_rpc_abi_of( dmg_rpc_abis_t * abis, uint16_t id );

typedef struct { uint32_t tx, idx; } dmg_rpc_event_at_t;
/* An event with its fields by the module's interface; at NULL: without its place in a block. */
void dmg_rpc_put_event( dmg_rpc_abis_t * abis, dmg_event_t const * event, dmg_rpc_event_at_t const * at );
/* What chain_block answers; false: call failed. */
bool dmg_rpc_put_block_answer( dmg_rpc_call_t * call, dmg_query_block_t const * block, uint64_t body_level );
/* The members of what account_get answers, without at. */
dmg_err_t dmg_rpc_put_account( dmg_rpc_call_t * call, dmg_query_view_t const * view, dmg_hash_t const * account );

#endif
