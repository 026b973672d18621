/* dm: what every module includes, through its generated header <module>_abi.h.

     transaction -> host checks arguments -> dm_in: environment (256 bytes), arguments
                 -> dm_entry -> DM_MODULE's dispatcher -> on_<call>( in, out ) -> 0 and a result in dm_out, or a fault
   The generated header gives structs, accessors <item>_get _put _del _add _scan, emit_<event>, fault_<fault> and
   stubs <module>_<call> of used modules; this file what they stand on: environment, BCS, key form, checked
   arithmetic.

   Memory    64 KiB a page, whole again after every run: statics are scratch, nothing outlives a call
   Failure   a handler returns a fault (an ordinary answer, the call's writes are dropped); dm_trap ends the
             run: for bugs only
   Bounds    16 KiB of stack; generated code keeps values above 1 KiB in statics
   Safety    arithmetic on amounts goes through dm_add, dm_sub, dm_mul_div_*: nothing wraps (M0.5)
   Spec      docs/spec/runtime.md R1.9-R1.12, R2.2 */
#ifndef DM_H
#define DM_H

#include "dm_host.h"

#ifdef __wasm__
/* A plain call would stay an undefined symbol (R1.5). */
#define memcpy( d, s, n )  __builtin_memcpy( ( d ), ( s ), ( n ) )
#define memmove( d, s, n ) __builtin_memmove( ( d ), ( s ), ( n ) )
#define memset( d, c, n )  __builtin_memset( ( d ), ( c ), ( n ) )
#define dm_trap()          __builtin_trap()
#define DM_EXPORT( name )  __attribute__(( export_name( name ) ))
#else
#include <string.h>
#define DM_EXPORT( name )
_Noreturn void dm_trap( void );   /* host_native.c: ends the run as the engine would */
#endif

#define DM_GEN __attribute__(( unused )) static

typedef unsigned __int128 dm_u128_t;
typedef __int128          dm_i128_t;
typedef struct { uint8_t b[ 32 ]; } dm_hash_t;
typedef dm_hash_t dm_address_t;
typedef struct { uint8_t kind; dm_hash_t id; } dm_asset_t;           /* id zero for DM_CGT */
enum { DM_CGT, DM_CURRENCY, DM_ITEM, DM_SHARE, DM_LP };
typedef struct { uint8_t const * p; uint32_t n; } dm_span_t;         /* bytes in place: of the input or of a caller's buffer */
typedef struct { uint8_t const * p; uint32_t n, cnt; } dm_list_t;    /* BCS of the elements in place: walk with <elem>_next */

/* 0 is success, n is fault n of the own interface; DM_CALLEE_FAULT | n: fault n >= 17 of a callee, not of ours. */
typedef uint32_t dm_fault_t;
#define DM_CALLEE_FAULT 0x80000000u
#define DM_TRY( call ) do { dm_fault_t dm_try_ = ( call ); if( dm_try_ ) return dm_try_; } while(0)

#define DM_AMOUNT_MAX ( (uint64_t)INT64_MAX )
#define DM_DAY_MS     86400000ull

/* ---- Environment (R1.12) ---- */

enum { DM_KIND_CALL, DM_KIND_QUERY, DM_KIND_HOOK };
enum { DM_ROLE_OWNER, DM_ROLE_USE, DM_ROLE_SESSION, DM_ROLE_MODULE, DM_ROLE_GOV, DM_ROLE_UNSIGNED, DM_ROLE_HOOK };

typedef struct {
  uint64_t     height, time_ms;
  uint32_t     epoch;
  uint8_t      kind, role;
  uint16_t     caller;         /* calling module, 0: the transaction itself */
  uint16_t     signers;        /* authenticator slots of the sender that signed, a bit each */
  uint16_t     call_idx;
  uint32_t     zero;
  uint64_t     deposit_price;  /* sparks per byte */
  uint8_t      zeros[ 24 ];
  dm_hash_t    chain;
  dm_address_t self, actor, principal;
  dm_hash_t    grant;
  dm_hash_t    tx_id;
} dm_env_t;
_Static_assert( sizeof( dm_env_t )==256, "R1.12" );
#define DM_ENV_SZ 256u

extern uint8_t dm_in[], dm_out[];
static inline dm_env_t const *     dm_env( void )           { return (dm_env_t const *)(void const *)dm_in; }
static inline dm_address_t const * dm_actor( void )         { return &dm_env()->actor; }       /* acted for */
static inline dm_address_t const * dm_principal( void )     { return &dm_env()->principal; }   /* who signed */
static inline dm_address_t const * dm_self( void )          { return &dm_env()->self; }        /* the module's own account */
static inline uint16_t             dm_caller( void )        { return dm_env()->caller; }
static inline uint64_t             dm_now( void )           { return dm_env()->time_ms; }
static inline uint64_t             dm_height( void )        { return dm_env()->height; }

static inline bool dm_eq( void const * a, void const * b, uint32_t n ) {
  uint8_t const * x = a, * y = b;
  for( uint32_t i = 0; i<n; i++ ) if( x[ i ]!=y[ i ] ) return false;
  return true;
}
static inline bool dm_hash_eq( dm_hash_t const * a, dm_hash_t const * b ) { return dm_eq( a, b, 32 ); }

/* Address of the own pool with that seed (M0.9). */
static inline dm_address_t dm_sub_account( uint64_t seed ) { dm_address_t a; if( dm1_sub_account( seed, &a )<0 ) dm_trap(); return a; }
/* SHA-256 of plain bytes, and H(tag, x) = SHA256( SHA256(tag) || SHA256(tag) || x ): buf holds 64 free bytes, then x. */
static inline dm_hash_t dm_sha256( void const * p, uint32_t n ) { dm_hash_t h; if( dm1_sha256( p, n, &h )<0 ) dm_trap(); return h; }
DM_GEN dm_hash_t dm_tagged( char const * tag, uint32_t tag_n, uint8_t * buf, uint32_t n ) {
  dm_hash_t t = dm_sha256( tag, tag_n );
  memcpy( buf, &t, 32 );
  memcpy( buf+32, &t, 32 );
  return dm_sha256( buf, 64+n );
}
#define DM_TAGGED( tag, buf, n ) dm_tagged( ( tag ), sizeof( tag )-1, ( buf ), ( n ) )

/* ---- Checked arithmetic (M0.5): false, and *out untouched, if the result does not fit ---- */

static inline bool dm_add( uint64_t a, uint64_t b, uint64_t * out ) { uint64_t r; if( __builtin_add_overflow( a, b, &r ) ) return false; *out = r; return true; }
static inline bool dm_sub( uint64_t a, uint64_t b, uint64_t * out ) { if( b>a ) return false; *out = a-b; return true; }
static inline bool dm_mul( uint64_t a, uint64_t b, uint64_t * out ) { uint64_t r; if( __builtin_mul_overflow( a, b, &r ) ) return false; *out = r; return true; }
/* An amount's sum stays an amount. */
static inline bool dm_add_amount( uint64_t a, uint64_t b, uint64_t * out ) { uint64_t r; if( !dm_add( a, b, &r ) || r>DM_AMOUNT_MAX ) return false; *out = r; return true; }
/* floor and ceil of a b / d, d > 0. */
static inline bool dm_mul_div_floor( uint64_t a, uint64_t b, uint64_t d, uint64_t * out ) {
  dm_u128_t r = (dm_u128_t)a*b/d;
  if( r>UINT64_MAX ) return false;
  *out = (uint64_t)r;
  return true;
}
static inline bool dm_mul_div_ceil( uint64_t a, uint64_t b, uint64_t d, uint64_t * out ) {
  dm_u128_t p = (dm_u128_t)a*b, r = p/d;
  if( p!=r*d ) r++;
  if( r>UINT64_MAX ) return false;
  *out = (uint64_t)r;
  return true;
}

/* ---- BCS: the host checked what is read here, and checks what is written; a slip is a bug and traps ---- */

typedef struct { uint8_t const * p; uint8_t const * end; } dm_rd_t;
typedef struct { uint8_t * p; uint8_t * end; } dm_wr_t;

static inline dm_rd_t dm_rd( void const * p, uint32_t n ) { return (dm_rd_t){ p, (uint8_t const *)p+n }; }
static inline dm_wr_t dm_wr( void * p, uint32_t cap )     { return (dm_wr_t){ p, (uint8_t *)p+cap }; }
static inline uint32_t dm_wr_sz( dm_wr_t const * w, void const * start ) { return (uint32_t)( w->p-(uint8_t const *)start ); }
static inline uint8_t const * dm_rd_take( dm_rd_t * r, uint32_t n ) { uint8_t const * p = r->p; if( n>(uint32_t)( r->end-p ) ) dm_trap(); r->p = p+n; return p; }
static inline uint8_t *       dm_wr_take( dm_wr_t * w, uint32_t n ) { uint8_t * p = w->p;       if( n>(uint32_t)( w->end-p ) ) dm_trap(); w->p = p+n; return p; }
static inline void dm_rd_raw( dm_rd_t * r, void * out, uint32_t n )       { memcpy( out, dm_rd_take( r, n ), n ); }
static inline void dm_wr_raw( dm_wr_t * w, void const * p, uint32_t n )   { memcpy( dm_wr_take( w, n ), p, n ); }
static inline void dm_rd_end( dm_rd_t const * r ) { if( r->p!=r->end ) dm_trap(); }

#define DM_INT( name, type )                                                                                     \
  static inline type dm_rd_##name( dm_rd_t * r )         { type v; memcpy( &v, dm_rd_take( r, sizeof v ), sizeof v ); return v; } \
  static inline void dm_wr_##name( dm_wr_t * w, type v ) { memcpy( dm_wr_take( w, sizeof v ), &v, sizeof v ); }
DM_INT( u8, uint8_t ) DM_INT( u16, uint16_t ) DM_INT( u32, uint32_t ) DM_INT( u64, uint64_t ) DM_INT( u128, dm_u128_t )
DM_INT( i8, int8_t )  DM_INT( i16, int16_t )  DM_INT( i32, int32_t )  DM_INT( i64, int64_t )  DM_INT( i128, dm_i128_t )
#undef DM_INT
static inline bool dm_rd_bool( dm_rd_t * r )         { return dm_rd_u8( r )!=0; }
static inline void dm_wr_bool( dm_wr_t * w, bool v ) { dm_wr_u8( w, v ); }
DM_GEN uint32_t dm_rd_uleb( dm_rd_t * r ) {
  uint32_t v = 0;
  for( uint32_t shift = 0; shift<35; shift += 7 ) {
    uint8_t b = dm_rd_u8( r );
    v |= (uint32_t)( b&0x7f )<<shift;
    if( !( b&0x80 ) ) return v;
  }
  dm_trap();
}
DM_GEN void dm_wr_uleb( dm_wr_t * w, uint32_t v ) {
  for( ; v>=0x80; v >>= 7 ) dm_wr_u8( w, (uint8_t)( v|0x80 ) );
  dm_wr_u8( w, (uint8_t)v );
}
static inline void dm_rd_hash( dm_rd_t * r, dm_hash_t * v )       { dm_rd_raw( r, v, 32 ); }
static inline void dm_wr_hash( dm_wr_t * w, dm_hash_t const * v ) { dm_wr_raw( w, v, 32 ); }
DM_GEN void dm_rd_asset( dm_rd_t * r, dm_asset_t * v ) {
  memset( v, 0, sizeof *v );
  v->kind = dm_rd_u8( r );
  if( v->kind ) dm_rd_hash( r, &v->id );
}
DM_GEN void dm_wr_asset( dm_wr_t * w, dm_asset_t const * v ) {
  dm_wr_u8( w, v->kind );
  if( v->kind ) dm_wr_hash( w, &v->id );
}
DM_GEN void dm_rd_span( dm_rd_t * r, dm_span_t * v )       { v->n = dm_rd_uleb( r ); v->p = dm_rd_take( r, v->n ); }
DM_GEN void dm_wr_span( dm_wr_t * w, dm_span_t const * v ) { dm_wr_uleb( w, v->n ); dm_wr_raw( w, v->p, v->n ); }
DM_GEN void dm_wr_list( dm_wr_t * w, dm_list_t const * v ) { dm_wr_uleb( w, v->cnt ); dm_wr_raw( w, v->p, v->n ); }
/* Embedded bytes and texts: { n, b[max] }. */
DM_GEN uint32_t dm_rd_bytes( dm_rd_t * r, uint8_t * b, uint32_t max ) {
  uint32_t n = dm_rd_uleb( r );
  if( n>max ) dm_trap();
  dm_rd_raw( r, b, n );
  return n;
}
DM_GEN void dm_wr_bytes( dm_wr_t * w, uint8_t const * b, uint32_t n, uint32_t max ) {
  if( n>max ) dm_trap();
  dm_wr_uleb( w, n );
  dm_wr_raw( w, b, n );
}
/* Enums without payload: the ULEB of their number. */
#define dm_rd_enum dm_rd_uleb
#define dm_wr_enum dm_wr_uleb

/* ---- Key form (R2.2b): fixed width, big-endian ---- */

DM_GEN void dm_key_be( dm_wr_t * w, void const * v, uint32_t n, uint8_t flip ) {
  uint8_t const * s = v;
  uint8_t * p = dm_wr_take( w, n );
  for( uint32_t i = 0; i<n; i++ ) p[ i ] = s[ n-1-i ];
  p[ 0 ] ^= flip;
}
DM_GEN void dm_unkey_be( dm_rd_t * r, void * v, uint32_t n, uint8_t flip ) {
  uint8_t * d = v;
  uint8_t const * p = dm_rd_take( r, n );
  for( uint32_t i = 0; i<n; i++ ) d[ i ] = p[ n-1-i ];
  d[ n-1 ] ^= flip;
}
#define DM_KEY_INT( name, type, flip )                                                              \
  static inline void dm_key_##name( dm_wr_t * w, type v ) { dm_key_be( w, &v, sizeof v, flip ); }   \
  static inline type dm_unkey_##name( dm_rd_t * r )       { type v; dm_unkey_be( r, &v, sizeof v, flip ); return v; }
DM_KEY_INT( u8, uint8_t, 0 )     DM_KEY_INT( u16, uint16_t, 0 )    DM_KEY_INT( u32, uint32_t, 0 )    DM_KEY_INT( u64, uint64_t, 0 )
DM_KEY_INT( u128, dm_u128_t, 0 ) DM_KEY_INT( i8, int8_t, 0x80 )    DM_KEY_INT( i16, int16_t, 0x80 )  DM_KEY_INT( i32, int32_t, 0x80 )
DM_KEY_INT( i64, int64_t, 0x80 ) DM_KEY_INT( i128, dm_i128_t, 0x80 )
#undef DM_KEY_INT
static inline void dm_key_bool( dm_wr_t * w, bool v ) { dm_wr_u8( w, v ); }
static inline bool dm_unkey_bool( dm_rd_t * r )       { return dm_rd_u8( r )!=0; }
static inline void dm_key_enum( dm_wr_t * w, uint32_t v ) { dm_key_u32( w, v ); }
static inline uint32_t dm_unkey_enum( dm_rd_t * r )       { return dm_unkey_u32( r ); }
static inline void dm_key_hash( dm_wr_t * w, dm_hash_t const * v ) { dm_wr_hash( w, v ); }
static inline void dm_unkey_hash( dm_rd_t * r, dm_hash_t * v )     { dm_rd_hash( r, v ); }
static inline void dm_key_asset( dm_wr_t * w, dm_asset_t const * v ) { dm_wr_u8( w, v->kind ); dm_wr_hash( w, &v->id ); }
static inline void dm_unkey_asset( dm_rd_t * r, dm_asset_t * v )     { v->kind = dm_rd_u8( r ); dm_rd_hash( r, &v->id ); }

/* ---- Walking an ordered item ---- */

typedef struct {
  uint32_t        item, max, entry_max;   /* max entries a host call; entry_max: bytes of the largest entry */
  uint8_t       * buf;
  uint32_t        buf_n;
  uint8_t const * p, * end;
  uint32_t        prefix_n, after_n;
  bool            is_last;
  uint8_t         prefix[ 124 ], after[ 124 ];
} dm_scan_t;

/* The next entry: false at the end.  Spans are good until the call after. */
DM_GEN bool dm_scan_next( dm_scan_t * s, dm_span_t * out_key, dm_span_t * out_value ) {
  if( s->p==s->end ) {
    if( s->is_last ) return false;
    int32_t n = dm1_scan( s->item, s->prefix, s->prefix_n, s->after, s->after_n, s->buf, s->buf_n, s->max );
    if( n<0 || (uint32_t)n>s->buf_n ) dm_trap();
    if( !n ) { s->is_last = true; return false; }
    s->p   = s->buf;
    s->end = s->buf+n;
    /* Room for one more, and not stopped by max: there was none. */
    uint32_t cnt = 0;
    for( uint8_t const * q = s->p; q<s->end; cnt++ ) { q += 1+q[ 0 ]; q += 2+( q[ 0 ]|(uint32_t)q[ 1 ]<<8 ); }
    s->is_last = cnt<s->max && s->buf_n-(uint32_t)n>=s->entry_max;
  }
  dm_rd_t r = dm_rd( s->p, (uint32_t)( s->end-s->p ) );
  out_key->n   = dm_rd_u8( &r );
  out_key->p   = dm_rd_take( &r, out_key->n );
  out_value->n = dm_rd_u16( &r );
  out_value->p = dm_rd_take( &r, out_value->n );
  if( out_key->n>sizeof s->after ) dm_trap();
  memcpy( s->after, out_key->p, out_key->n );
  s->after_n = out_key->n;
  s->p = r.p;
  return true;
}

/* ---- Calls to other modules ---- */

/* For whom a call is made. */
typedef struct { uint32_t flags; uint64_t seed; } dm_as_t;
#define DM_AS_ACTOR        ( (dm_as_t){ DM1_AS_ACTOR, 0 } )
#define DM_AS_SELF( seed ) ( (dm_as_t){ DM1_AS_SELF, ( seed ) } )

/* The fault that a host code < 0 of call or query is for us: common faults (1..16) pass on with their payload. */
DM_GEN dm_fault_t dm_call_fault( int32_t code ) {
  uint8_t buf[ 256 ];
  if( code<=DM_E_FAULT ) {
    uint32_t n = (uint32_t)( DM_E_FAULT-code );
    if( n>16 ) return DM_CALLEE_FAULT|n;
    int32_t sz = dm1_callee_fault( buf, sizeof buf );
    if( sz>0 && (uint32_t)sz<=sizeof buf ) (void)dm1_fault( buf, (uint32_t)sz );
    return n;
  }
  switch( code ) {
  case DM_E_PAUSED: case DM_E_MIGRATING: return 3;    /* Paused */
  case DM_E_ROLE:                        return 2;    /* NotAuthorized */
  case DM_E_NO_PLEDGE:                   return 16;   /* NoConsent */
  default:                               return 15;   /* NotAccepted */
  }
}

/* What leaves the module: a callee's own fault means nothing to our caller. */
static inline int64_t dm_leave( dm_fault_t fault, uint32_t out_sz ) {
  if( fault&DM_CALLEE_FAULT ) fault = 15;
  return (int64_t)( (uint64_t)fault<<32 | ( fault ? 0 : out_sz ) );
}

#endif
