/* abi: the interface of a module as data: decoded from its section dm:abi, written by the compiler dmic.

     system.dmi --dmic--> BCS(Abi) in the .wasm --dmg_abi_decode--> dmg_abi_t
                                                                      calls, queries, hooks: argument and result types
     raw arguments, results, values, keys --dmg_type_read, dmg_key_*--> good, or what is wrong and where
                                                                      items: keys, value, marks, deposit
   The host builds its tables from it, so nothing crosses between modules, chain and clients
   unchecked: every argument, result, event, fault, key and value is held against its Type.

     Abi (R2.2a), all BCS:
       format u8 = 1, module u16, name str, version 3 x u16, storage_version u8, reads_to u8, pages u8, host str
       uses      list { name str, version 3 x u16, calls list str, queries list str }
       provides  list { name str, version 3 x u16 }
       storage   list { item u16, name str, kind u8, keys list Type, value option Type, max u32, deposit u8, marks list { kind u8, list str } }
       faults    list { id u16, name str, fields list { name str, Type } }
       calls, queries  list { id u16, name str, args list { name str, Type }, ret option Type, auth u16, gas u64, says str,
                              abouts list { path str, kind u8 }, flags u8 }
       events    list { id u16, name str, fields list { name str, Type }, topics list u8 }
       hooks     list { id u8, args list { name str, Type }, ret option Type }
     Type (R2.3a): variant index dmg_type_kind_t and its parameters.
     Key fields (R2.2b): fixed width, big-endian: byte order is key order.

   Memory    a decoded Abi lives in the caller's arena and points into the bytes it was decoded from
   Threads   a decoded Abi is read-only and may be shared
   Failure   verdicts for foreign bytes; LOCAL when the arena was full
   Bounds    64 KiB, types 8 deep, the DMG_ABI_*_MAX below; values as their types say
   Not here  hashes (types/schema.h), text and JSON forms
   Spec      docs/spec/runtime.md R1.12, R2.2-R2.3a, R5.8 */
#ifndef DMG_CODEC_ABI_H
#define DMG_CODEC_ABI_H

#include "base/arena.h"
#include "base/verdict.h"
#include "codec/bcs.h"

#define DMG_ABI_SZ_MAX       65536u     /* bytes of BCS(Abi) */
#define DMG_ABI_DEPTH_MAX    8u         /* a leaf is 1 deep, a list of leaves 2 */
#define DMG_ABI_NAME_MAX     64u        /* bytes of any name: a letter, then letters, digits, _ */
#define DMG_ABI_SAYS_MAX     256u
#define DMG_ABI_ITEM_MAX     256u       /* entries of each list */
#define DMG_ABI_FN_MAX       512u       /* calls; queries; events; faults */
#define DMG_ABI_USE_MAX      32u
#define DMG_ABI_FIELD_MAX    64u        /* fields of a struct, arguments of a call */
#define DMG_ABI_VARIANT_MAX  256u
#define DMG_ABI_KEY_MAX      8u         /* key fields of an item */
#define DMG_ABI_MARK_MAX     8u
#define DMG_ABI_TYPE_MAX     8192u      /* Type nodes of one Abi: bounds the work of decoding */
#define DMG_ABI_IO_MAX       49152u     /* dm_in, dm_out: 48 KiB each (R1.12) */
#define DMG_ABI_ENV_SZ       256u       /* the environment at the start of dm_in */
#define DMG_KEY_MAX       128u       /* a storage key with its module and item */
#define DMG_KEY_STR_MAX      64u        /* str<n> as a key field */
#define DMG_TAIL_MAX         256u       /* later fields of an extensible struct, in bytes */
#define DMG_AMOUNT_MAX       INT64_MAX  /* amount: 0..2^63-1 */

/* ---- Types ------------------------------------------------------------------------------- */

typedef enum {   /* the variant indexes of R2.3a */
  DMG_TYPE_BOOL, DMG_TYPE_U8, DMG_TYPE_U16, DMG_TYPE_U32, DMG_TYPE_U64, DMG_TYPE_U128,
  DMG_TYPE_I8, DMG_TYPE_I16, DMG_TYPE_I32, DMG_TYPE_I64, DMG_TYPE_I128,
  DMG_TYPE_ADDRESS, DMG_TYPE_HASH, DMG_TYPE_AMOUNT, DMG_TYPE_ASSET,
  DMG_TYPE_FIXED,     /* bytes[n] */
  DMG_TYPE_BYTES,     /* bytes<n> */
  DMG_TYPE_STR,       /* str<n>, n in bytes of UTF-8 */
  DMG_TYPE_LIST, DMG_TYPE_MAP, DMG_TYPE_OPTION, DMG_TYPE_STRUCT, DMG_TYPE_ENUM,
  DMG_TYPE_CNT
} dmg_type_kind_t;

typedef struct dmg_type dmg_type_t;
typedef struct { dmg_span_t name; dmg_type_t const * type; } dmg_field_t;
typedef struct { dmg_span_t name; uint32_t tag; dmg_type_t const * type; } dmg_variant_t;   /* type NULL: no payload */

/* elem: of a list, option; key type of a map.  A struct with is_open is `extensible`: its first
   fields, then one byte vector with the later ones; their types stand as a last field without a
   name, a struct of them, if there are any.  A value of an enum is the index of
   its variant, never the tag beside it; with is_open it takes any index, without payload. */
struct dmg_type {
  dmg_type_kind_t       kind;
  uint32_t              n;            /* bytes, str, list, map: the bound */
  dmg_type_t const    * elem;
  dmg_type_t const    * val;          /* map */
  dmg_span_t            name;         /* struct, enum */
  bool                  is_open;
  dmg_field_t const   * fields;
  uint32_t              field_cnt;
  dmg_variant_t const * variants;
  uint32_t              variant_cnt;
  uint8_t               depth;        /* 1..DMG_ABI_DEPTH_MAX */
  uint64_t              sz_min;       /* BCS bytes; saturates at UINT64_MAX */
  uint64_t              sz_max;
};

/* Fills depth, sz_min and sz_max from kind, parameters and already filled inner types.  False: deeper
   than DMG_ABI_DEPTH_MAX. */
bool dmg_type_measure( dmg_type_t * type );
/* Same wire form, names included. */
bool dmg_type_eq( dmg_type_t const * a, dmg_type_t const * b );
/* "u64", "list", ..: the word of .dmi. */
char const * dmg_type_kind_name( dmg_type_kind_t kind );

/* Reads over one value, strictly: bounds, UTF-8, amounts <= 2^63-1, ascending map keys, known tags,
   the shortest tail.  What is wrong marks rd bad at its place (bcs.h). */
void dmg_type_read( dmg_type_t const * type, dmg_bcs_rd_t * rd );
/* value is exactly one value of type.  On another verdict than GOOD *out_off (may be NULL) is where. */
dmg_bcs_bad_t dmg_type_validate( dmg_type_t const * type, dmg_span_t value, size_t * out_off );

/* BCS(Type), as in the Abi and under the schema hash. */
void dmg_type_write( dmg_type_t const * type, dmg_bcs_wr_t * wr );

/* Asset (R2.2b): enum {0 Cgt, 1 Currency [32], 2 Item [32], 3 Share [32], 4 Lp [32]}. */
#define DMG_ASSET_CNT 5u

/* ---- The interface ----------------------------------------------------------------------- */

typedef enum { DMG_ITEM_VALUE, DMG_ITEM_COUNTER, DMG_ITEM_MAP, DMG_ITEM_ORDERED, DMG_ITEM_KIND_CNT } dmg_item_kind_t;
typedef enum { DMG_DEPOSIT_NONE, DMG_DEPOSIT_PAYER, DMG_DEPOSIT_MODULE, DMG_DEPOSIT_CNT } dmg_deposit_t;
typedef enum { DMG_MARK_NATIVE, DMG_MARK_HOLDS, DMG_MARK_ENCUMBERS, DMG_MARK_AUTHORITY, DMG_MARK_LAZY, DMG_MARK_CNT } dmg_mark_kind_t;
typedef enum { DMG_ROLE_OWNER, DMG_ROLE_USE, DMG_ROLE_SESSION, DMG_ROLE_MODULE, DMG_ROLE_GOV, DMG_ROLE_UNSIGNED, DMG_ROLE_HOOK, DMG_ROLE_CNT } dmg_role_t;   /* R1.12 */
typedef enum { DMG_HOOK_INIT = 1, DMG_HOOK_BEGIN_BLOCK, DMG_HOOK_END_BLOCK, DMG_HOOK_DRAW, DMG_HOOK_TIMER, DMG_HOOK_MIGRATE, DMG_HOOK_CHECK, DMG_HOOK_CNT } dmg_hook_t;
typedef enum { DMG_ABOUT_ITEM, DMG_ABOUT_COLLECTION, DMG_ABOUT_CURRENCY, DMG_ABOUT_GAME, DMG_ABOUT_TABLE, DMG_ABOUT_CNT } dmg_about_kind_t;

#define DMG_FN_SAFETY      0x01u   /* dmg_abi_fn_t.flags */
#define DMG_FN_DEPRECATED  0x02u
#define DMG_FN_FLAGS       0x03u

typedef struct { uint16_t major, minor, patch; } dmg_semver_t;

typedef struct { dmg_span_t name; dmg_semver_t version; dmg_span_t const * calls; uint32_t call_cnt; dmg_span_t const * queries; uint32_t query_cnt; } dmg_abi_use_t;
typedef struct { dmg_span_t name; dmg_semver_t version; } dmg_abi_provide_t;
/* Paths of a mark, as text: "0" is key field 0, "owner" a field of the value, "cgt" the constant. */
typedef struct { dmg_mark_kind_t kind; dmg_span_t const * paths; uint32_t path_cnt; } dmg_abi_mark_t;

typedef struct {
  uint16_t                id;
  dmg_span_t              name;
  dmg_item_kind_t         kind;
  dmg_type_t const * const * keys;    /* key_cnt of them */
  uint32_t                key_cnt;
  dmg_type_t const      * value;      /* NULL for a counter: u64, and only then */
  uint32_t                max;        /* largest BCS of a value in bytes, without schema byte and deposit record */
  dmg_deposit_t           deposit;
  dmg_abi_mark_t const  * marks;
  uint32_t                mark_cnt;
  bool                    is_native;
  uint32_t                key_sz_min; /* of the key fields, without the 4 bytes of module and item */
  uint32_t                key_sz_max;
} dmg_abi_item_t;

typedef struct { dmg_span_t path; dmg_about_kind_t kind; } dmg_abi_about_t;

/* A call, query or hook (a hook has only id, name, args and ret).  args is a struct without a name:
   raw arguments are one value of it. */
typedef struct {
  uint16_t                id;
  dmg_span_t              name;
  dmg_type_t const      * args;
  dmg_type_t const      * ret;        /* NULL: no result, and its bytes are empty */
  uint16_t                auth;       /* bit 1 << dmg_role_t; `use` sets owner's too */
  uint64_t                gas;
  dmg_span_t              says;
  dmg_abi_about_t const * abouts;
  uint32_t                about_cnt;
  uint8_t                 flags;      /* DMG_FN_* */
} dmg_abi_fn_t;

/* fields is a struct without a name: the payload is one value of it, empty if there are none. */
typedef struct { uint16_t id; dmg_span_t name; dmg_type_t const * fields; } dmg_abi_fault_t;
typedef struct { uint16_t id; dmg_span_t name; dmg_type_t const * fields; uint8_t const * topics; uint32_t topic_cnt; } dmg_abi_event_t;   /* topics: field indexes */

/* Lists ascend by id. */
typedef struct {
  uint16_t                  module;
  dmg_span_t                name;
  dmg_semver_t              version;
  uint8_t                   storage_version;   /* 1..255: the schema byte of what it writes */
  uint8_t                   reads_to;          /* reads storage versions up to this one (D11) */
  uint8_t                   pages;             /* of 64 KiB: 1..16 */
  dmg_span_t                host;              /* "dm1" */
  dmg_abi_use_t const     * uses;      uint32_t use_cnt;
  dmg_abi_provide_t const * provides;  uint32_t provide_cnt;
  dmg_abi_item_t const    * items;     uint32_t item_cnt;
  dmg_abi_fault_t const   * faults;    uint32_t fault_cnt;
  dmg_abi_fn_t const      * calls;     uint32_t call_cnt;
  dmg_abi_fn_t const      * queries;   uint32_t query_cnt;
  dmg_abi_event_t const   * events;    uint32_t event_cnt;
  dmg_abi_fn_t const      * hooks;     uint32_t hook_cnt;
  uint32_t                  in_sz;             /* of dm_in: 256 + largest arguments (R1.12) */
  uint32_t                  out_sz;            /* of dm_out: largest result, at least 1 */
} dmg_abi_t;

/* Decodes and checks BCS(Abi) into arena.  On a good verdict *out points into arena and raw.  Refused besides
   malformed bytes: unordered or equal ids, equal or bad names, types that no key takes, marks without
   object, keys over 124 bytes, dm_in or dm_out over 48 KiB, values over what a module may hold.
   LOCAL: the arena was full, nothing is said about the bytes. */
dmg_verdict_t dmg_abi_decode( dmg_span_t raw, dmg_arena_t * arena, dmg_abi_t const ** out );
/* BCS(Abi); the same bytes dmg_abi_decode took.  wr->is_full past its room (DMG_ABI_SZ_MAX is enough). */
void dmg_abi_write( dmg_abi_t const * abi, dmg_bcs_wr_t * wr );
/* dm_in and dm_out from calls, queries and hooks. */
void dmg_abi_io_sz( dmg_abi_t const * abi, uint64_t * out_in_sz, uint64_t * out_out_sz );
/* Fills key_sz_min, key_sz_max, is_native.  False: a type that no key field takes (R2.2b). */
bool dmg_abi_item_measure( dmg_abi_item_t * item );

/* NULL if there is none. */
dmg_abi_fn_t    const * dmg_abi_call ( dmg_abi_t const * abi, uint16_t id );
dmg_abi_fn_t    const * dmg_abi_query( dmg_abi_t const * abi, uint16_t id );
dmg_abi_fn_t    const * dmg_abi_hook ( dmg_abi_t const * abi, uint16_t id );
dmg_abi_event_t const * dmg_abi_event( dmg_abi_t const * abi, uint16_t id );
dmg_abi_fault_t const * dmg_abi_fault( dmg_abi_t const * abi, uint16_t id );
dmg_abi_item_t  const * dmg_abi_item ( dmg_abi_t const * abi, uint16_t id );
dmg_abi_fn_t    const * dmg_abi_call_named ( dmg_abi_t const * abi, dmg_span_t name );
dmg_abi_fn_t    const * dmg_abi_query_named( dmg_abi_t const * abi, dmg_span_t name );
dmg_abi_item_t  const * dmg_abi_item_named ( dmg_abi_t const * abi, dmg_span_t name );
/* The mark of that kind; NULL if the item has none. */
dmg_abi_mark_t  const * dmg_abi_mark( dmg_abi_item_t const * item, dmg_mark_kind_t kind );
/* May a sender or caller in that role make this call? */
static inline bool dmg_abi_allows( dmg_abi_fn_t const * fn, dmg_role_t role ) { return ( fn->auth>>role )&1; }

/* What the schema hash of a call covers (R2.3): BCS( module u16, call u16, name, arguments, says ). */
void dmg_schema_write( uint16_t module, dmg_abi_fn_t const * call, dmg_bcs_wr_t * wr );
#define DMG_SCHEMA_SZ_MAX DMG_ABI_SZ_MAX

/* ---- Keys (R2.2b) ------------------------------------------------------------------------ */

/* A field of a key: its place in the key fields; str without its length byte. */
typedef struct { dmg_type_t const * type; dmg_span_t raw; } dmg_key_field_t;

/* Is it a type that a key field takes? */
bool dmg_key_type_is_ok( dmg_type_t const * type );
/* key: the fields, without the 4 bytes of module and item.  True: exactly the item's key fields, each in its
   one form; out_fields (DMG_ABI_KEY_MAX places, may be NULL) gets them.  A value item has an empty key. */
bool dmg_key_split( dmg_abi_item_t const * item, dmg_span_t key, dmg_key_field_t * out_fields );
/* Whole leading fields only: what a scan takes as its prefix. */
bool dmg_key_is_prefix( dmg_abi_item_t const * item, dmg_span_t prefix );
/* Reads the key fields as BCS values in order and writes their key form.  False: bad BCS, or wr is full. */
bool dmg_key_from_bcs( dmg_abi_item_t const * item, dmg_bcs_rd_t * rd, dmg_bcs_wr_t * wr );
/* The inverse.  False: not a key of the item, or wr is full. */
bool dmg_key_to_bcs( dmg_abi_item_t const * item, dmg_span_t key, dmg_bcs_wr_t * wr );
/* One key field from the BCS of its value, and back. */
bool dmg_key_field_from_bcs( dmg_type_t const * type, dmg_bcs_rd_t * rd, dmg_bcs_wr_t * wr );
/* module u16, item u16, key fields: K (R2.2).  0 if it is longer than DMG_KEY_MAX. */
size_t dmg_key_full( uint16_t module, uint16_t item, dmg_span_t key, uint8_t out[ DMG_KEY_MAX ] );

/* ---- Marks: what an entry is about (R4.10) ------------------------------------------------ */

typedef enum { DMG_PATH_NONE, DMG_PATH_KEY, DMG_PATH_VALUE, DMG_PATH_CGT } dmg_path_kind_t;
typedef struct { dmg_path_kind_t kind; dmg_type_t const * type; dmg_span_t raw; } dmg_path_val_t;

/* What path names in the entry { key, value }: a key field (raw in key form), a field of the value (raw is
   BCS; value may hold options on the way: NONE if one is absent), or CGT.  NONE also when the
   path names nothing.  value without schema byte and record; not looked at for paths into the key. */
dmg_path_val_t dmg_abi_path( dmg_abi_item_t const * item, dmg_span_t path, dmg_span_t key, dmg_span_t value );
/* Could the path name something in entries of the item?  What dmic and dmg_abi_decode check. */
bool dmg_abi_path_is_ok( dmg_abi_item_t const * item, dmg_span_t path );

#endif
