/* dmic: the compiler of the interface language .dmi (R2.1), inside.

     text --lex--> tokens --parse--> dmi_file_t (what was written) --check--> dmic_unit_t (what it means: dmg_abi_t)
                                          |                                    |--> emit_guest, emit_host, emit_ts, emit_json
                                          |                                    +--> BCS(Abi), hashes, section dm:abi
                                          +--service--> dmic_service_t --> emit_service: dispatch table, TypeScript, reference page
   A mistake is reported as file:line:column: what is wrong; what would be right.  The parser goes on at the
   next member, the checker to the end, so one run shows them all (at most DMIC_ERR_MAX).

   Memory   everything lives in one arena until the run ends
   Threads  one
   Failure  mistakes in the text: counted in dmic_t, the result is NULL; out of memory: is_nomem
   Bounds   files of DMIC_FILE_MAX bytes, imports 8 deep */
#ifndef DMIC_H
#define DMIC_H

#include "codec/abi.h"
#include "crypto/hash.h"

#include <stdio.h>

#define DMIC_ERR_MAX    50u
#define DMIC_FILE_MAX   ( 1u<<20 )
#define DMIC_NEST_MAX   32u          /* types inside types, as written */
#define DMIC_FAULT_OWN  32u          /* first number of a module's own faults (B) */

typedef struct { char const * file; uint32_t line, col; } dmi_at_t;

typedef struct dmic dmic_t;
struct dmic {
  dmg_arena_t * arena;
  uint32_t      err_cnt;
  bool          is_nomem;
  dmg_buf_t     out_err;     /* the messages, a line each */
  /* Reads an imported file: path as written, from the file at `from`.  False: cannot be read. */
  bool       (* read)( void * ctx, char const * from, dmg_span_t path, dmg_span_t * out_text, char const ** out_file );
  void        * read_ctx;
};

void dmic_error( dmic_t * d, dmi_at_t at, char const * fmt, ... ) __attribute__(( format( printf, 3, 4 ) ));
/* Zeroed bytes of the arena; NULL without memory, which also sets is_nomem. */
void * dmic_alloc( dmic_t * d, size_t sz );

/* A growing array in the arena. */
#define DMI_VEC( type ) struct { type * v; uint32_t n, cap; }
/* Appends a zeroed element and yields its address; NULL without memory. */
#define DMI_PUSH( d, vec ) ( dmi_vec_grow( ( d ), (void **)&( vec ).v, &( vec ).n, &( vec ).cap, sizeof *( vec ).v ) ? ( vec ).v+( ( vec ).n-1 ) : NULL )
bool dmi_vec_grow( dmic_t * d, void ** v, uint32_t * n, uint32_t * cap, size_t sz );

/* ---- Tokens ---- */

typedef enum { DMI_END, DMI_IDENT, DMI_NUM, DMI_STRING, DMI_PUNCT, DMI_ARROW, DMI_BAD } dmi_tok_kind_t;
typedef struct { dmi_tok_kind_t kind; dmi_at_t at; dmg_span_t text; uint64_t num; dmg_span_t doc; } dmi_tok_t;
typedef DMI_VEC( dmi_tok_t ) dmi_toks_t;
/* Splits text; the last token is DMI_END.  text of a string: without quotes, escapes \" \\ \n resolved. */
bool dmi_lex( dmic_t * d, char const * file, dmg_span_t text, dmi_toks_t * out );

/* ---- What was written ---- */

typedef struct { bool is_name; uint64_t v; dmg_span_t name; dmi_at_t at; } dmi_num_t;
typedef enum { DMI_T_PRIM, DMI_T_NAME, DMI_T_FIXED, DMI_T_BYTES, DMI_T_STR, DMI_T_LIST, DMI_T_MAP } dmi_form_t;
typedef struct dmi_type dmi_type_t;
struct dmi_type { dmi_form_t form; dmg_type_kind_t prim; dmg_span_t name; dmi_num_t num; dmi_type_t * a; dmi_type_t * b; bool is_opt; dmi_at_t at; };
typedef struct { dmg_span_t name; dmi_type_t * type; bool has_since; dmg_semver_t since; dmg_span_t doc; dmi_at_t at; } dmi_field_t;
typedef DMI_VEC( dmi_field_t ) dmi_fields_t;
typedef struct { dmg_span_t name; dmi_type_t * type; uint64_t tag; dmg_span_t doc; dmi_at_t at; } dmi_variant_t;
typedef struct { dmg_span_t text; dmi_at_t at; } dmi_name_t;
typedef DMI_VEC( dmi_name_t ) dmi_names_t;

typedef enum { DMI_DEF_CONST, DMI_DEF_ALIAS, DMI_DEF_STRUCT, DMI_DEF_ENUM } dmi_def_kind_t;
typedef struct {
  dmi_def_kind_t kind; dmg_span_t name, doc; dmi_at_t at;
  dmi_type_t * type;                                  /* const, alias */
  bool is_string; dmi_num_t num; dmg_span_t string;   /* const */
  bool is_open; dmi_fields_t fields; DMI_VEC( dmi_variant_t ) variants;
  uint8_t state; dmg_type_t * done;                   /* of the checker: 0 new, 1 being resolved, 2 done */
} dmi_def_t;

/* Of a service: id is minus the JSON-RPC code, http the status of other surfaces (F4.1). */
typedef struct { dmg_span_t name, doc; dmi_at_t at; uint64_t id, http; bool is_retry; dmi_fields_t fields; } dmi_fault_t;
typedef struct { dmg_span_t name, doc; dmi_at_t at; uint64_t id; dmi_fields_t fields; dmi_names_t topics; } dmi_event_t;
typedef struct { dmg_span_t path; dmg_span_t kind; dmi_at_t at; } dmi_about_t;
typedef enum { DMI_FN_CALL, DMI_FN_QUERY, DMI_FN_HOOK, DMI_FN_METHOD, DMI_FN_STREAM } dmi_fn_kind_t;
typedef struct {
  dmi_fn_kind_t kind; dmg_span_t name, doc; dmi_at_t at; uint64_t id; dmi_fields_t params; dmi_type_t * ret;
  dmi_names_t auth, faults, emits, touches; DMI_VEC( dmi_about_t ) abouts;
  bool has_gas, has_says, is_safety, is_deprecated; dmi_num_t gas; dmg_span_t says; dmi_at_t says_at; dmg_span_t alias;
  bool has_example; dmg_span_t example, klass; dmi_at_t klass_at;   /* of a method: params by name as JSON; A, B or C (F3.2); gas: its cost */
} dmi_fn_t;
typedef struct {
  dmg_span_t name, doc; dmi_at_t at; uint64_t id; dmg_item_kind_t kind; DMI_VEC( dmi_type_t * ) keys; dmi_type_t * value;
  bool has_max; dmi_num_t max; dmg_span_t deposit; dmi_at_t deposit_at;
  struct { bool is_set; dmi_at_t at; dmg_span_t path[ 2 ]; uint32_t path_cnt; } marks[ DMG_MARK_CNT ];
} dmi_item_t;
typedef struct { dmg_span_t name; dmi_at_t at; dmg_semver_t version; dmi_names_t calls, queries; } dmi_use_t;
typedef struct { dmg_span_t name; dmi_at_t at; dmg_semver_t version; } dmi_provide_t;

typedef enum { DMI_MODULE, DMI_INTERFACE, DMI_SERVICE } dmi_box_kind_t;
typedef struct {
  dmi_box_kind_t kind; dmg_span_t name, doc; dmi_at_t at; dmg_semver_t version;
  bool has_id, has_storage_version, has_pages, has_host; uint64_t id, storage_version, pages; dmg_span_t host;
  DMI_VEC( dmi_use_t ) uses; DMI_VEC( dmi_provide_t ) provides;
  DMI_VEC( dmi_def_t ) defs; DMI_VEC( dmi_fault_t ) faults; DMI_VEC( dmi_event_t ) events; DMI_VEC( dmi_fn_t ) fns; DMI_VEC( dmi_item_t ) items;
} dmi_box_t;

typedef struct dmi_file dmi_file_t;
struct dmi_file { char const * path; DMI_VEC( dmi_name_t ) imports; DMI_VEC( dmi_def_t ) defs; DMI_VEC( dmi_box_t ) boxes; DMI_VEC( dmi_file_t * ) imported; };

/* NULL without memory; otherwise what could be parsed, err_cnt says whether all of it was right. */
dmi_file_t * dmi_parse( dmic_t * d, char const * file, dmg_span_t text );

/* ---- What it means ---- */

/* A module with everything it refers to; lists of abi ascend by id, doc_* stand beside them. */
typedef struct dmic_unit dmic_unit_t;
struct dmic_unit {
  dmg_abi_t             abi;
  dmi_box_t const     * box;
  dmg_span_t          * call_docs, * query_docs, * event_docs, * fault_docs, * item_docs;
  DMI_VEC( dmg_type_t const * ) types;        /* named structs and enums, each after those it needs */
  DMI_VEC( dmi_def_t const * )  consts;
  dmic_unit_t const   * used[ DMG_ABI_USE_MAX ];   /* beside abi.uses */
  dmg_span_t            raw;                  /* BCS(Abi) */
};

/* Parses, checks and encodes the one module of a file.  NULL: d says why. */
dmic_unit_t * dmic_compile( dmic_t * d, char const * file, dmg_span_t text );

/* ---- Services (F0.1) ----
   Methods of JSON-RPC, streams and errors.  Types are JSON (F0.2), so there is no BCS, no schema hash and no bound
   of the ABI.  Names of methods, fields and words are those on the wire.  Known without declaration:
     At     "head", "final", {"height":"7"} or {"hash":"0x.."}      NameOrId  string or number
     Json   any value                                               Object    any object
   A struct as payload of a variant puts its fields beside "kind". */

typedef struct dmic_service dmic_service_t;
struct dmic_service {
  DMI_VEC( dmi_fn_t const * )    methods;   /* ascending by name */
  DMI_VEC( dmi_fn_t const * )    streams;   /* as written */
  DMI_VEC( dmi_fault_t const * ) faults;    /* as written */
  DMI_VEC( dmi_def_t const * )   defs;      /* structs, enums and aliases: each after those it needs */
  DMI_VEC( dmi_def_t const * )   all;       /* these and constants, to look up */
  dmg_span_t                     name;      /* of the file, without .dmi */
};

enum { DMIC_METHOD_NAME_MAX = 40, DMIC_PARAM_MAX = 8 };

/* Parses and checks the services of a file and of those it imports.  NULL: d says why. */
dmic_service_t *  dmic_service( dmic_t * d, char const * file, dmg_span_t text );
/* Does a service stand in this text, and no module? */
bool              dmic_is_service( dmg_arena_t * arena, char const * file, dmg_span_t text );
/* NULL: predeclared, or there is none. */
dmi_def_t const * dmic_service_def( dmic_service_t const * s, dmg_span_t name );
/* A bound; constants are followed. */
uint64_t          dmic_service_num( dmic_service_t const * s, dmi_num_t const * n );
/* Enum without any payload: a word. */
bool              dmic_service_is_word( dmi_def_t const * def );

dmg_err_t dmic_emit_rpc_h ( dmic_service_t const * s, dmg_buf_t * out );   /* codes, words, handlers */
dmg_err_t dmic_emit_rpc_c ( dmic_service_t const * s, dmg_buf_t * out );   /* the table that dispatches and discovers */
dmg_err_t dmic_emit_rpc_ts( dmic_service_t const * s, dmg_buf_t * out );
dmg_err_t dmic_emit_rpc_md( dmic_service_t const * s, dmg_buf_t * out );

/* ---- Emitters: text into out, which must be empty and have a max ---- */

dmg_err_t dmic_emit_guest( dmic_unit_t const * u, dmg_buf_t * out );
dmg_err_t dmic_emit_host ( dmic_unit_t const * u, dmg_buf_t * out );
dmg_err_t dmic_emit_ts   ( dmic_unit_t const * u, dmg_buf_t * out );
dmg_err_t dmic_emit_json ( dmic_unit_t const * u, dmg_buf_t * out );

/* wasm without any section dm:abi, then one with abi at its end.  INVALID: no WASM binary. */
dmg_err_t dmic_embed( dmg_span_t wasm, dmg_span_t abi, dmg_buf_t * out );

/* H("dmg/schema/v1", ..) of a call. */
dmg_hash_t dmic_schema( uint16_t module, dmg_abi_fn_t const * call );

/* "InsufficientBalance" -> "insufficient_balance", at most cap-1 bytes and a zero. */
void dmic_snake( dmg_span_t name, char * out, size_t cap );
void dmic_upper( dmg_span_t name, char * out, size_t cap );

#endif
