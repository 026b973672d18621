/* json: a strict reader and a writer.

     reader  dmg_json_parse( text ) --> a tree walked by index (native/include/dmgn_json.h says what is refused)
     writer  dmg_jw_* into a bounded buffer; sticky: after the first failure (is_full) nothing more is written

   Numbers up to 32 bits are JSON numbers; u64, u128, i64 decimal strings; bytes 0x lower-case hex (F0.2).

   Memory   a reader keeps its buffers from one text to the next; values live until the next parse
   Threads  one at a time each
   Bounds   DMG_JSON_DEPTH_MAX, DMG_JSON_NODES_MAX, or for a client's reader of answers DMG_JSON_ANSWER_NODES_MAX; the writer by its buffer's max */
#ifndef DMG_RPC_JSON_H
#define DMG_RPC_JSON_H

#include "base/bytes.h"
#include "crypto/hash.h"

enum { DMG_JSON_DEPTH_MAX = 32, DMG_JSON_NODES_MAX = 20000, DMG_JSON_ANSWER_NODES_MAX = 2000000 };

typedef struct dmg_json dmg_json_t;
typedef enum { DMG_JSON_NULL, DMG_JSON_FALSE, DMG_JSON_TRUE, DMG_JSON_NUMBER, DMG_JSON_STRING, DMG_JSON_ARRAY, DMG_JSON_OBJECT } dmg_json_type_t;

/* A value of the last parse; doc NULL: absent. */
typedef struct { dmg_json_t const * doc; uint32_t idx; } dmg_jv_t;

dmg_json_t * dmg_json_new( void );
/* A request may have DMG_JSON_NODES_MAX nodes; an answer of 8 MiB has more (65,535 ids, 2,048 changes). */
dmg_json_t * dmg_json_new_answer( void );
void         dmg_json_free( dmg_json_t * json );
/* false: out_why (terminated) says what and at which byte; no value of an earlier parse may be used any more. */
bool dmg_json_parse( dmg_json_t * json, dmg_span_t text, dmg_jv_t * out_root, char out_why[160] );
/* The last parse failed, but only because the text passes DMG_JSON_DEPTH_MAX or its maximum of nodes. */
bool dmg_json_is_past_limit( dmg_json_t const * json );

static inline bool dmg_jv_is_absent( dmg_jv_t v ) { return !v.doc; }
dmg_json_type_t dmg_jv_type( dmg_jv_t v );
uint32_t        dmg_jv_cnt ( dmg_jv_t v );                     /* elements or members */
dmg_span_t      dmg_jv_text( dmg_jv_t v );                     /* STRING unescaped, NUMBER as written; else empty */
dmg_jv_t        dmg_jv_get ( dmg_jv_t object, char const * key );   /* absent if not there */
/* The members of an object that have these names, absent ones absent; how many others there are. */
uint32_t        dmg_jv_members( dmg_jv_t object, char const * const * names, uint32_t name_cnt, dmg_jv_t * out );
/* Steps through an array or object: first the element (member's key and value), then the next.
   `for( dmg_jv_t e = dmg_jv_first( a ); !dmg_jv_is_absent( e ); e = dmg_jv_next( a, e ) )`; in an object e is the key, dmg_jv_member( e ) its value. */
dmg_jv_t        dmg_jv_first ( dmg_jv_t container );
dmg_jv_t        dmg_jv_next  ( dmg_jv_t container, dmg_jv_t at );
dmg_jv_t        dmg_jv_member( dmg_jv_t key );
bool            dmg_jv_eq_str( dmg_jv_t v, char const * s );   /* a STRING of exactly this text */

/* false: not of that form or out of range. */
bool dmg_jv_u64( dmg_jv_t v, uint64_t * out );                 /* decimal string without sign or leading zero */
bool dmg_jv_u32( dmg_jv_t v, uint32_t * out );                 /* number, integral */
/* "0x.." of at most max bytes into out (capacity max). */
bool dmg_jv_hex( dmg_jv_t v, uint8_t * out, size_t max, size_t * out_sz );
bool dmg_jv_hash( dmg_jv_t v, dmg_hash_t * out );

typedef struct { dmg_buf_t * buf; bool is_full; bool needs_comma; } dmg_jw_t;

static inline dmg_jw_t dmg_jw( dmg_buf_t * buf ) { return (dmg_jw_t){ .buf = buf }; }
void dmg_jw_open ( dmg_jw_t * w, char bracket );               /* '{' or '[' */
void dmg_jw_close( dmg_jw_t * w, char bracket );               /* '}' or ']' */
void dmg_jw_key_sz( dmg_jw_t * w, char const * key, size_t key_sz );
static inline void dmg_jw_key( dmg_jw_t * w, char const * key ) { dmg_jw_key_sz( w, key, strlen( key ) ); }   /* as it stands: plain ASCII of our own */
void dmg_jw_str  ( dmg_jw_t * w, dmg_span_t text );            /* escapes; invalid UTF-8 as U+FFFD */
void dmg_jw_cstr ( dmg_jw_t * w, char const * text );
void dmg_jw_u64  ( dmg_jw_t * w, uint64_t v );                 /* "123" */
void dmg_jw_num  ( dmg_jw_t * w, uint32_t v );                 /* 123 */
void dmg_jw_bool ( dmg_jw_t * w, bool v );
void dmg_jw_null ( dmg_jw_t * w );
void dmg_jw_hex  ( dmg_jw_t * w, dmg_span_t bytes );           /* "0x.." */
void dmg_jw_raw  ( dmg_jw_t * w, dmg_span_t json );            /* a value, or members, that are JSON already */
void dmg_jw_value( dmg_jw_t * w, dmg_jv_t v );                 /* a value that was read; numbers as they were written */

/* Key and value in one line. */
static inline void dmg_jw_kcstr( dmg_jw_t * w, char const * k, char const * v ) { dmg_jw_key( w, k ); dmg_jw_cstr( w, v ); }
static inline void dmg_jw_ku64 ( dmg_jw_t * w, char const * k, uint64_t v )     { dmg_jw_key( w, k ); dmg_jw_u64( w, v ); }
static inline void dmg_jw_knum ( dmg_jw_t * w, char const * k, uint32_t v )     { dmg_jw_key( w, k ); dmg_jw_num( w, v ); }
static inline void dmg_jw_kbool( dmg_jw_t * w, char const * k, bool v )         { dmg_jw_key( w, k ); dmg_jw_bool( w, v ); }
static inline void dmg_jw_khex ( dmg_jw_t * w, char const * k, dmg_span_t v )   { dmg_jw_key( w, k ); dmg_jw_hex( w, v ); }
static inline void dmg_jw_khash( dmg_jw_t * w, char const * k, dmg_hash_t const * v ) { dmg_jw_key( w, k ); dmg_jw_hex( w, dmg_hash_span( v ) ); }

#endif
