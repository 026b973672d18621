/* test_wasm: a small writer of WebAssembly modules for tests, fuzz targets and benchmarks; writes also what is wrong.

     t_mod_t m;  t_init( &m );
     uint32_t f = t_func( &m, t_type( &m, "iii", 'I' ), body bytes );
     t_entry( &m, f );  dmg_span_t wasm = t_done( &m );

   Every part may be replaced before t_done (the fields are open).  Memory is static to the struct, sizes are asserted. */
#ifndef DMG_RUNTIME_TEST_WASM_H
#define DMG_RUNTIME_TEST_WASM_H

#include "base/assert.h"
#include "base/bytes.h"

#include <stdlib.h>

typedef struct { uint8_t * p; size_t sz, cap; uint32_t cnt; } t_vec_t;

static inline void t_put( t_vec_t * v, void const * p, size_t sz ) {
  if( v->sz+sz>v->cap ) {
    v->cap = ( v->sz+sz )*2+64;
    v->p   = realloc( v->p, v->cap );
    DMG_ASSERT( v->p );
  }
  if( sz ) memcpy( v->p+v->sz, p, sz );
  v->sz += sz;
}
static inline void t_u8( t_vec_t * v, unsigned b ) { uint8_t x = (uint8_t)b; t_put( v, &x, 1 ); }
static inline void t_u32( t_vec_t * v, uint32_t n ) { do { t_u8( v, ( n&0x7f )|( n>0x7f ? 0x80 : 0 ) ); n >>= 7; } while( n ); }
static inline void t_s64( t_vec_t * v, int64_t n ) {
  for(;;) {
    unsigned b = (unsigned)n&0x7f;
    n >>= 7;
    if( ( !n && !( b&0x40 ) ) || ( n==-1 && ( b&0x40 ) ) ) { t_u8( v, b ); return; }
    t_u8( v, b|0x80 );
  }
}
static inline void t_name( t_vec_t * v, char const * s ) { t_u32( v, (uint32_t)strlen( s ) ); t_put( v, s, strlen( s ) ); }
static inline void t_vec( t_vec_t * v, t_vec_t const * from ) { t_u32( v, (uint32_t)from->sz ); t_put( v, from->p, from->sz ); }

typedef struct {
  t_vec_t  types, imports, funcs, globals, exports, elems, codes, datas, out;
  uint32_t table, table_max, pages, pages_max;   /* table 0: none; pages 0: no memory section */
  bool     has_start, has_no_abi, has_no_exports;
  uint32_t start;
  dmg_span_t custom;                             /* one more custom section, name included, when p */
} t_mod_t;

static inline uint32_t t_type( t_mod_t * m, char const * params, char result ) {   /* i, I, f, F; result 0: none */
  static char const names[] = "iIfF";
  static uint8_t const codes[] = { 0x7f, 0x7e, 0x7d, 0x7c };
  t_u8( &m->types, 0x60 );
  t_u32( &m->types, (uint32_t)strlen( params ) );
  for( char const * p = params; *p; p++ ) t_u8( &m->types, codes[ strchr( names, *p )-names ] );
  t_u8( &m->types, result!=0 );
  if( result ) t_u8( &m->types, codes[ strchr( names, result )-names ] );
  return m->types.cnt++;
}
/* Before the first t_func. */
static inline uint32_t t_import( t_mod_t * m, char const * module, char const * name, uint32_t type ) {
  t_name( &m->imports, module );
  t_name( &m->imports, name );
  t_u8( &m->imports, 0 );
  t_u32( &m->imports, type );
  return m->imports.cnt++;
}
/* body: locals and code with the last end. */
static inline uint32_t t_func( t_mod_t * m, uint32_t type, void const * body, size_t sz ) {
  t_u32( &m->funcs, type );
  m->codes.cnt++;
  t_u32( &m->codes, (uint32_t)sz );
  t_put( &m->codes, body, sz );
  return m->imports.cnt+m->funcs.cnt++;
}
static inline uint32_t t_global( t_mod_t * m, uint8_t type, bool is_mut, int64_t init ) {
  t_u8( &m->globals, type );
  t_u8( &m->globals, is_mut );
  t_u8( &m->globals, type==0x7f ? 0x41 : 0x42 );
  t_s64( &m->globals, init );
  t_u8( &m->globals, 0x0b );
  return m->globals.cnt++;
}
static inline void t_export( t_mod_t * m, char const * name, uint8_t kind, uint32_t idx ) {
  t_name( &m->exports, name );
  t_u8( &m->exports, kind );
  t_u32( &m->exports, idx );
  m->exports.cnt++;
}
static inline void t_data( t_mod_t * m, uint32_t at, void const * p, uint32_t sz ) {
  t_u8( &m->datas, 0 );
  t_u8( &m->datas, 0x41 );
  t_s64( &m->datas, (int32_t)at );
  t_u8( &m->datas, 0x0b );
  t_u32( &m->datas, sz );
  t_put( &m->datas, p, sz );
  m->datas.cnt++;
}
static inline void t_elem( t_mod_t * m, uint32_t at, uint32_t const * funcs, uint32_t cnt ) {
  t_u8( &m->elems, 0 );
  t_u8( &m->elems, 0x41 );
  t_s64( &m->elems, (int32_t)at );
  t_u8( &m->elems, 0x0b );
  t_u32( &m->elems, cnt );
  for( uint32_t i = 0; i<cnt; i++ ) t_u32( &m->elems, funcs[ i ] );
  m->elems.cnt++;
}

static inline void t_section( t_vec_t * out, uint8_t id, t_vec_t const * v ) {
  if( !v->cnt ) return;
  t_vec_t s = { 0 };
  t_u32( &s, v->cnt );
  t_put( &s, v->p, v->sz );
  t_u8( out, id );
  t_vec( out, &s );
  free( s.p );
}
static inline void t_custom( t_vec_t * out, char const * name, void const * p, size_t sz ) {
  t_vec_t s = { 0 };
  t_name( &s, name );
  t_put( &s, p, sz );
  t_u8( out, 0 );
  t_vec( out, &s );
  free( s.p );
}

static inline void t_init( t_mod_t * m ) { *m = (t_mod_t){ .pages = 1, .pages_max = 1 }; }
static inline void t_fini( t_mod_t * m ) {
  free( m->types.p ); free( m->imports.p ); free( m->funcs.p ); free( m->globals.p ); free( m->exports.p ); free( m->elems.p ); free( m->codes.p ); free( m->datas.p ); free( m->out.p );
  *m = (t_mod_t){ 0 };
}
/* The four exports: dm_in at 1,024, dm_out at 32,768. */
static inline void t_entry( t_mod_t * m, uint32_t func ) {
  t_export( m, "memory", 2, 0 );
  t_export( m, "dm_entry", 0, func );
  t_export( m, "dm_in", 3, t_global( m, 0x7f, false, 1024 ) );
  t_export( m, "dm_out", 3, t_global( m, 0x7f, false, 32768 ) );
}

static inline dmg_span_t t_done( t_mod_t * m ) {
  static uint8_t const head[ 8 ] = { 0, 'a', 's', 'm', 1, 0, 0, 0 };
  t_vec_t * o = &m->out, s = { 0 };
  o->sz = 0;
  t_put( o, head, 8 );
  t_section( o, 1, &m->types );
  t_section( o, 2, &m->imports );
  t_section( o, 3, &m->funcs );
  if( m->table ) {
    s = (t_vec_t){ .cnt = 1 };
    t_u8( &s, 0x70 );
    t_u8( &s, 1 );
    t_u32( &s, m->table );
    t_u32( &s, m->table_max ? m->table_max : m->table );
    t_section( o, 4, &s );
    free( s.p );
  }
  if( m->pages ) {
    s = (t_vec_t){ .cnt = 1 };
    t_u8( &s, 1 );
    t_u32( &s, m->pages );
    t_u32( &s, m->pages_max );
    t_section( o, 5, &s );
    free( s.p );
  }
  t_section( o, 6, &m->globals );
  if( !m->has_no_exports ) t_section( o, 7, &m->exports );
  if( m->has_start ) {
    t_u8( o, 8 );
    t_u8( o, 1 );
    t_u8( o, m->start );
  }
  t_section( o, 9, &m->elems );
  t_section( o, 10, &m->codes );
  t_section( o, 11, &m->datas );
  if( !m->has_no_abi ) t_custom( o, "dm:abi", "abi", 3 );
  if( m->custom.p ) { t_u8( o, 0 ); t_u32( o, (uint32_t)m->custom.sz ); t_put( o, m->custom.p, m->custom.sz ); }
  return dmg_span( o->p, o->sz );
}

#endif
