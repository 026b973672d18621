/* wasm_check: what profile DM-1 refuses, and the edges of what it takes. */
#include "runtime/test_wasm.h"
#include "runtime/wasm_instr.h"
#include "runtime/wasm_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>

enum { I32 = 0x7f, I64 = 0x7e };

static dmg_wasm_report_t report_of( dmg_span_t wasm ) {
  /* An exact copy, so that a sanitizer sees a read past the end. */
  uint8_t * copy = malloc( wasm.sz+!wasm.sz );
  if( wasm.sz ) memcpy( copy, wasm.p, wasm.sz );
  dmg_wasm_report_t r;
  assert_int_equal( dmg_wasm_check( dmg_span( copy, wasm.sz ), &r ), DMG_OK );
  free( copy );
  return r;
}
static void accept( dmg_span_t wasm ) {
  dmg_wasm_report_t r = report_of( wasm );
  if( !r.is_ok ) fail_msg( "refused: %s (function %d, offset %u)", r.text, (int)r.func_idx, r.off );
  assert_int_equal( r.text[ 0 ], 0 );
}
static void refuse( dmg_span_t wasm, char const * part ) {
  dmg_wasm_report_t r = report_of( wasm );
  if( r.is_ok ) fail_msg( "accepted, expected '%s'", part );
  if( !strstr( r.text, part ) ) fail_msg( "refused by '%s', expected '%s'", r.text, part );
  assert_true( r.off<=wasm.sz );
}

/* A module whose dm_entry has this body (locals and code). */
static dmg_span_t entry( t_mod_t * m, void const * body, size_t sz ) {
  t_init( m );
  t_entry( m, t_func( m, t_type( m, "iii", 'I' ), body, sz ) );
  return t_done( m );
}
static void body_refused( void const * body, size_t sz, char const * part ) {
  t_mod_t m;
  refuse( entry( &m, body, sz ), part );
  t_fini( &m );
}
static void body_accepted( void const * body, size_t sz ) {
  t_mod_t m;
  accept( entry( &m, body, sz ) );
  t_fini( &m );
}
#define REFUSED( part, ... )  body_refused ( (uint8_t const[]){ __VA_ARGS__ }, sizeof( (uint8_t const[]){ __VA_ARGS__ } ), part )
#define ACCEPTED( ... )       body_accepted( (uint8_t const[]){ __VA_ARGS__ }, sizeof( (uint8_t const[]){ __VA_ARGS__ } ) )

static uint8_t const plain[] = { 0, 0x42, 0, 0x0b };
static void plain_init( t_mod_t * m ) { t_init( m ); t_entry( m, t_func( m, t_type( m, "iii", 'I' ), plain, sizeof plain ) ); }

static void test_every_prefix_of_a_module_is_refused( void ** state ) {
  t_mod_t m;
  t_init( &m );
  t_import( &m, "dm1", "get", t_type( &m, "iiiii", 'i' ) );
  uint32_t type = t_type( &m, "iii", 'I' );
  uint8_t const body[] = { 2, 1, I32, 2, I64, 0x03, 0x40, 0x20, 0, 0x0d, 0, 0x0b, 0x20, 0, 0x20, 0, 0x20, 3, 0xfc, 0x8b, 0x00, 0, 0x42, 0x80, 0x7f, 0x0b };
  uint32_t f = t_func( &m, type, body, sizeof body );
  t_entry( &m, f );
  t_data( &m, 0, "abc", 3 );
  m.table = 2;
  t_elem( &m, 0, &f, 1 );
  dmg_span_t wasm = t_done( &m );
  accept( wasm );
  for( size_t sz = 0; sz<wasm.sz; sz++ ) assert_false( report_of( dmg_span( wasm.p, sz ) ).is_ok );
  /* Every byte changed to every of some values: no crash, and nothing read outside (ASan). */
  uint8_t * copy = malloc( wasm.sz );
  for( size_t at = 0; at<wasm.sz; at++ ) for( unsigned x = 1; x<256; x = x*2+( x==1 ) ) {
    memcpy( copy, wasm.p, wasm.sz );
    copy[ at ] ^= (uint8_t)x;
    report_of( dmg_span( copy, wasm.sz ) );
  }
  free( copy );
  t_fini( &m );
}

static void test_report_tells_what_the_host_needs( void ** state ) {
  t_mod_t m;
  t_init( &m );
  uint32_t get = t_type( &m, "iiiii", 'i' ), beacon = t_type( &m, "Ii", 'i' );
  t_import( &m, "dm1", "beacon", beacon );
  t_import( &m, "dm1", "get", get );
  t_entry( &m, t_func( &m, t_type( &m, "iii", 'I' ), plain, sizeof plain ) );
  m.pages = m.pages_max = 3;
  dmg_wasm_report_t r;
  assert_int_equal( dmg_wasm_check( t_done( &m ), &r ), DMG_OK );
  assert_true( r.is_ok );
  assert_int_equal( r.memory_pages, 3 );
  assert_int_equal( r.dm_in, 1024 );
  assert_int_equal( r.dm_out, 32768 );
  assert_int_equal( r.func_cnt, 1 );
  assert_true( r.imports==( (uint64_t)1<<DMG_DM1_GET | (uint64_t)1<<DMG_DM1_BEACON ) );
  assert_true( dmg_span_eq( r.abi, DMG_SPAN_STR( "abi" ) ) );
  assert_null( r.doc.p );
  t_fini( &m );
}

static void test_imports_outside_dm1_are_refused( void ** state ) {
  static struct { char const * module, * name, * params; char result; char const * part; } const cases[] = {
    { "dm1", "get",     "iiiii",    'i', NULL },
    { "dm1", "scan",    "iiiiiiii", 'i', NULL },
    { "dm1", "ctr_add", "iiiII",    'i', NULL },
    { "dm1", "call",    "iiiIiiii", 'i', NULL },
    { "dm1", "get",     "iiii",     'i', "another type" },
    { "dm1", "get",     "iiiiI",    'i', "another type" },
    { "dm1", "get",     "iiiii",    'I', "another type" },
    { "dm1", "get",     "iiiii",    0,   "another type" },
    { "dm1", "ctr_add", "iiiii",    'i', "another type" },
    { "dm1", "pledge",  "iiiII",    'i', "dm1.pledge: not available in this host API yet" },
    { "dm1", "groth16", "ii",       'i', "dm1.groth16: not available in this host API yet" },
    { "dm1", "time",    "",         'i', "dm1.time: there is no such host function" },
    { "dm1", "",        "",         'i', "there is no such host function" },
    { "env", "get",     "iiiii",    'i', "import from 'env'" },
    { "wasi_snapshot_preview1", "fd_write", "iiii", 'i', "import from 'wasi_snapshot_preview1'" },
    { "dm:x", "get",    "iiiii",    'i', "import from 'dm:x'" },
    { "\x01\xff", "get", "iiiii",   'i', "import from '?" "?'" },
  };
  for( size_t i = 0; i<sizeof cases/sizeof *cases; i++ ) {
    t_mod_t m;
    t_init( &m );
    t_import( &m, cases[ i ].module, cases[ i ].name, t_type( &m, cases[ i ].params, cases[ i ].result ) );
    t_entry( &m, t_func( &m, t_type( &m, "iii", 'I' ), plain, sizeof plain ) );
    if( cases[ i ].part ) refuse( t_done( &m ), cases[ i ].part );
    else                  accept( t_done( &m ) );
    t_fini( &m );
  }
  /* An imported memory, table, global. */
  for( uint8_t kind = 1; kind<4; kind++ ) {
    t_mod_t m;
    plain_init( &m );
    t_name( &m.imports, "dm1" ); t_name( &m.imports, "get" ); t_u8( &m.imports, kind ); t_u32( &m.imports, 0 ); t_u32( &m.imports, 1 ); m.imports.cnt = 1;
    refuse( t_done( &m ), "is not a function" );
    t_fini( &m );
  }
}

static void test_exports_are_exactly_four( void ** state ) {
  t_mod_t m;
  plain_init( &m ); t_export( &m, "more", 0, 0 );     refuse( t_done( &m ), "export 'more'" );             t_fini( &m );
  plain_init( &m ); t_export( &m, "dm:run", 0, 0 );   refuse( t_done( &m ), "export 'dm:run'" );           t_fini( &m );
  plain_init( &m ); t_export( &m, "memory", 2, 0 );   refuse( t_done( &m ), "memory is exported twice" );  t_fini( &m );
  plain_init( &m ); m.has_no_exports = true;          refuse( t_done( &m ), "not exported" );              t_fini( &m );
  for( int leave = 0; leave<4; leave++ ) {
    static char const * const names[] = { "memory", "dm_entry", "dm_in", "dm_out" };
    t_init( &m );
    uint32_t f = t_func( &m, t_type( &m, "iii", 'I' ), plain, sizeof plain );
    t_global( &m, I32, false, 5 );
    for( int k = 0; k<4; k++ ) if( k!=leave ) t_export( &m, names[ k ], k==0 ? 2 : k==1 ? 0 : 3, k==1 ? f : 0 );
    refuse( t_done( &m ), "is not exported" );
    t_fini( &m );
  }
  /* dm_in: mutable, of another type, past memory, at its last byte */
  for( int k = 0; k<4; k++ ) {
    t_init( &m );
    uint32_t f = t_func( &m, t_type( &m, "iii", 'I' ), plain, sizeof plain );
    uint32_t g = t_global( &m, k==1 ? I64 : I32, k==0, k==2 ? 65536 : 65535 );
    t_export( &m, "memory", 2, 0 ); t_export( &m, "dm_entry", 0, f ); t_export( &m, "dm_in", 3, g ); t_export( &m, "dm_out", 3, g );
    if( k==3 ) accept( t_done( &m ) );
    else       refuse( t_done( &m ), k==2 ? "lies outside memory" : "must be an immutable i32" );
    t_fini( &m );
  }
  /* dm_entry of other types, imported, missing */
  static struct { char const * params; char result; uint8_t body[ 4 ]; } const entries[] = { { "ii", 'I', { 0, 0x42, 0, 0x0b } }, { "iii", 'i', { 0, 0x41, 0, 0x0b } }, { "iiI", 'I', { 0, 0x42, 0, 0x0b } } };
  for( size_t k = 0; k<3; k++ ) {
    t_init( &m );
    t_entry( &m, t_func( &m, t_type( &m, entries[ k ].params, entries[ k ].result ), entries[ k ].body, 4 ) );
    refuse( t_done( &m ), "dm_entry must be" );
    t_fini( &m );
  }
  t_init( &m );
  t_import( &m, "dm1", "del", t_type( &m, "iii", 'i' ) );
  t_func( &m, t_type( &m, "iii", 'I' ), plain, sizeof plain );
  t_entry( &m, 0 );
  refuse( t_done( &m ), "does not exist or is imported" );
  t_fini( &m );
}

static void test_memory_has_its_final_size( void ** state ) {
  static struct { uint32_t min, max; char const * part; } const cases[] = {
    { 1, 1, NULL }, { 16, 16, NULL }, { 17, 17, "memory of 17 pages" }, { 1, 2, "must be equal" }, { 2, 1, "must be equal" }, { 65536, 65536, "memory of 65536 pages" } };
  t_mod_t m;
  for( size_t i = 0; i<sizeof cases/sizeof *cases; i++ ) {
    plain_init( &m );
    m.pages = cases[ i ].min;
    m.pages_max = cases[ i ].max;
    if( cases[ i ].part ) refuse( t_done( &m ), cases[ i ].part ); else accept( t_done( &m ) );
    t_fini( &m );
  }
  plain_init( &m ); m.pages = 0; refuse( t_done( &m ), "memory 0 does not exist" ); t_fini( &m );
  REFUSED( "memory.grow", 0, 0x41, 1, 0x40, 0, 0x1a, 0x42, 0, 0x0b );
}

static void test_foreign_proposals_are_refused_by_name( void ** state ) {
  REFUSED( "floating point", 0, 0x43, 0, 0, 0, 0, 0x1a, 0x42, 0, 0x0b );                /* f32.const */
  REFUSED( "floating point", 0, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x1a, 0x42, 0, 0x0b );    /* f64.const */
  REFUSED( "floating point", 1, 1, 0x7d, 0x42, 0, 0x0b );                               /* local f32 */
  REFUSED( "floating point", 1, 1, 0x7c, 0x42, 0, 0x0b );
  REFUSED( "floating point", 0, 0x41, 0, 0x2a, 0, 0, 0x1a, 0x42, 0, 0x0b );             /* f32.load */
  REFUSED( "floating point", 0, 0x41, 0, 0xb2, 0x1a, 0x42, 0, 0x0b );                   /* f32.convert_i32_s */
  REFUSED( "floating point", 0, 0x42, 0, 0xbf, 0x1a, 0x42, 0, 0x0b );                   /* f64.reinterpret_i64 */
  REFUSED( "floating point", 0, 0xfc, 0, 0x0b );                                        /* i32.trunc_sat_f32_s */
  REFUSED( "floating point", 0, 0x00, 0x92, 0x0b );                                     /* also in dead code */
  REFUSED( "floating point", 0, 0x02, 0x7d, 0x0b );                                     /* block (result f32) */
  REFUSED( "SIMD",            0, 0xfd, 12, 0x0b );
  REFUSED( "threads",         0, 0xfe, 3, 0, 0x0b );
  REFUSED( "GC",              0, 0xfb, 0, 0x0b );
  REFUSED( "reference types", 0, 0xd0, 0x70, 0x1a, 0x42, 0, 0x0b );
  REFUSED( "reference types", 0, 0x42, 0, 0x42, 0, 0x41, 0, 0x1c, 1, 0x7e, 0x0b );      /* typed select */
  REFUSED( "tail calls",      0, 0x12, 0, 0x0b );
  REFUSED( "tail calls",      0, 0x13, 0, 0, 0x0b );
  REFUSED( "exceptions",      0, 0x06, 0x40, 0x0b, 0x0b );
  REFUSED( "multi-value",     0, 0x02, 0, 0x0b, 0x42, 0, 0x0b );                        /* block of type 0 */
  REFUSED( "only memory.copy and memory.fill", 0, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 8, 0, 0, 0x0b );   /* memory.init */
  REFUSED( "only memory.copy and memory.fill", 0, 0xfc, 9, 0, 0x0b );                   /* data.drop */
  REFUSED( "only memory.copy and memory.fill", 0, 0xfc, 12, 0, 0, 0x0b );               /* table.init */
  REFUSED( "there is one memory", 0, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 10, 1, 0, 0x0b );
  REFUSED( "alignment",       0, 0x41, 0, 0x28, 0x42, 0, 0, 0x1a, 0x42, 0, 0x0b );      /* a memory index in the alignment */
  REFUSED( "alignment",       0, 0x41, 0, 0x28, 3, 0, 0x1a, 0x42, 0, 0x0b );
  REFUSED( "unknown opcode",  0, 0xff, 0x0b );
  REFUSED( "unknown opcode",  0, 0x27, 0x0b );
  ACCEPTED( 0, 0x41, 0, 0xc0, 0xc1, 0x1a, 0x42, 0, 0xc2, 0xc3, 0xc4, 0x0b );
  t_mod_t m;
  t_init( &m ); t_entry( &m, t_func( &m, t_type( &m, "iii", 'I' ), plain, sizeof plain ) ); t_type( &m, "F", 0 ); refuse( t_done( &m ), "floating point" ); t_fini( &m );
  t_init( &m ); t_entry( &m, t_func( &m, t_type( &m, "iii", 'I' ), plain, sizeof plain ) ); t_type( &m, "", 'f' ); refuse( t_done( &m ), "floating point" ); t_fini( &m );
  plain_init( &m ); t_put( &m.types, (uint8_t[]){ 0x60, 0, 2, I32, I32 }, 5 ); m.types.cnt++; refuse( t_done( &m ), "2 results" ); t_fini( &m );
  plain_init( &m ); t_put( &m.types, (uint8_t[]){ 0x5f, 0 }, 2 ); m.types.cnt++; refuse( t_done( &m ), "not a function type" ); t_fini( &m );
}

static void test_sections_outside_the_profile_are_refused( void ** state ) {
  t_mod_t m;
  plain_init( &m ); m.has_start = true;   refuse( t_done( &m ), "start function" );     t_fini( &m );
  plain_init( &m ); m.has_no_abi = true;  refuse( t_done( &m ), "dm:abi is missing" );  t_fini( &m );
  plain_init( &m ); m.custom = DMG_SPAN_STR( "\x04name\x00" ); refuse( t_done( &m ), "custom section 'name'" ); t_fini( &m );
  plain_init( &m ); m.custom = DMG_SPAN_STR( "\x06""dm:run" ); refuse( t_done( &m ), "custom section 'dm:run'" ); t_fini( &m );
  plain_init( &m ); m.custom = DMG_SPAN_STR( "\x06""dm:abiX" ); refuse( t_done( &m ), "occurs twice" ); t_fini( &m );
  plain_init( &m ); m.custom = DMG_SPAN_STR( "\x06""dm:docX" ); accept( t_done( &m ) ); t_fini( &m );
  plain_init( &m ); m.custom = DMG_SPAN_STR( "\x06""dm:src" ); accept( t_done( &m ) ); t_fini( &m );
  plain_init( &m ); m.custom = DMG_SPAN_STR( "\x09""dm:src" ); refuse( t_done( &m ), "reaches past its section" ); t_fini( &m );
  /* Passive, with another memory index, out of range. */
  plain_init( &m ); t_put( &m.datas, (uint8_t[]){ 1, 0 }, 2 ); m.datas.cnt = 1; refuse( t_done( &m ), "data segment with flags 1" ); t_fini( &m );
  plain_init( &m ); t_put( &m.datas, (uint8_t[]){ 2, 0, 0x41, 0, 0x0b, 0 }, 6 ); m.datas.cnt = 1; refuse( t_done( &m ), "data segment with flags 2" ); t_fini( &m );
  plain_init( &m ); t_data( &m, 65534, "ab", 2 ); accept( t_done( &m ) ); t_fini( &m );
  plain_init( &m ); t_data( &m, 65535, "ab", 2 ); refuse( t_done( &m ), "reaches past memory" ); t_fini( &m );
  plain_init( &m ); t_data( &m, 0xffffffff, "ab", 2 ); refuse( t_done( &m ), "reaches past memory" ); t_fini( &m );
  plain_init( &m ); t_data( &m, 65536, "", 0 ); accept( t_done( &m ) ); t_fini( &m );
  plain_init( &m ); t_put( &m.datas, (uint8_t[]){ 0, 0x23, 0, 0x0b, 0 }, 5 ); m.datas.cnt = 1; refuse( t_done( &m ), "must be one i32.const" ); t_fini( &m );
  plain_init( &m ); t_put( &m.datas, (uint8_t[]){ 0, 0x41, 0, 0x41, 0, 0x6a, 0x0b, 0 }, 8 ); m.datas.cnt = 1; refuse( t_done( &m ), "single constant" ); t_fini( &m );
  uint32_t f = 0, none = 9;
  plain_init( &m ); t_elem( &m, 0, &f, 1 ); refuse( t_done( &m ), "reaches past the table" ); t_fini( &m );
  plain_init( &m ); m.table = 1; t_elem( &m, 0, &f, 1 ); accept( t_done( &m ) ); t_fini( &m );
  plain_init( &m ); m.table = 1; t_elem( &m, 1, &f, 1 ); refuse( t_done( &m ), "reaches past the table" ); t_fini( &m );
  plain_init( &m ); m.table = 1; t_elem( &m, 0, &none, 1 ); refuse( t_done( &m ), "function 9 does not exist" ); t_fini( &m );
  plain_init( &m ); m.table = 1; t_put( &m.elems, (uint8_t[]){ 1, 0, 0 }, 3 ); m.elems.cnt = 1; refuse( t_done( &m ), "element segment with flags 1" ); t_fini( &m );
  plain_init( &m ); m.table = 1024; accept( t_done( &m ) ); t_fini( &m );
  plain_init( &m ); m.table = 1025; refuse( t_done( &m ), "a table of 1025" ); t_fini( &m );
  plain_init( &m ); m.table = 1; m.table_max = 1025; refuse( t_done( &m ), "a table of 1025" ); t_fini( &m );
  /* Out of order, twice, unknown, data count, larger than the file. */
  static struct { uint8_t id; char const * part; } const tails[] = { { 1, "out of order" }, { 11, "out of order" }, { 12, "data count" }, { 13, "not known" }, { 200, "not known" } };
  for( size_t i = 0; i<sizeof tails/sizeof *tails; i++ ) {
    plain_init( &m );
    t_data( &m, 0, "a", 1 );
    t_done( &m );
    t_u8( &m.out, tails[ i ].id );
    t_u8( &m.out, 1 );
    t_u8( &m.out, 0 );
    refuse( dmg_span( m.out.p, m.out.sz ), tails[ i ].part );
    m.out.p[ m.out.sz-2 ] = 2;
    refuse( dmg_span( m.out.p, m.out.sz ), "reaches past the end of the file" );
    t_fini( &m );
  }
  refuse( DMG_SPAN_STR( "" ), "not a WebAssembly module" );
  refuse( DMG_SPAN_STR( "\0asm\2\0\0\0" ), "not a WebAssembly module" );
  refuse( DMG_SPAN_STR( "\0asm\1\0\0\0" ), "not exported" );
}

/* n functions, blocks, and so on: the last good number and the first bad one. */
static void test_limits_hold_to_the_last_unit( void ** state ) {
  t_mod_t m;
  uint8_t const tiny[] = { 0, 0x0b };
  for( uint32_t n = 1999; n<=10000; n = n==1999 ? 2000 : 10000 ) {
    t_init( &m );
    t_entry( &m, t_func( &m, t_type( &m, "iii", 'I' ), plain, sizeof plain ) );
    uint32_t v = t_type( &m, "", 0 );
    for( uint32_t i = 0; i<n; i++ ) t_func( &m, v, tiny, sizeof tiny );
    if( n==1999 ) accept( t_done( &m ) ); else refuse( t_done( &m ), n==2000 ? "2001 functions, at most 2000" : "10001 functions" );
    t_fini( &m );
    if( n==10000 ) break;
  }
  struct { uint32_t n; uint8_t open[ 2 ]; bool is_nested; char const * part; } const shapes[] = {
    { 128,  { 0x02, 0x40 }, true,  NULL }, { 129,  { 0x02, 0x40 }, true,  "nested deeper than 128" },
    { 128,  { 0x03, 0x40 }, true,  NULL }, { 129,  { 0x03, 0x40 }, true,  "nested deeper than 128" },
    { 2000, { 0x02, 0x40 }, false, NULL }, { 2001, { 0x02, 0x40 }, false, "more than 2000 blocks" } };
  for( size_t k = 0; k<sizeof shapes/sizeof *shapes; k++ ) {
    t_vec_t b = { 0 };
    t_u8( &b, 0 );
    for( uint32_t i = 0; i<shapes[ k ].n; i++ ) { t_put( &b, shapes[ k ].open, 2 ); if( !shapes[ k ].is_nested ) t_u8( &b, 0x0b ); }
    for( uint32_t i = 0; shapes[ k ].is_nested && i<shapes[ k ].n; i++ ) t_u8( &b, 0x0b );
    t_put( &b, plain+1, 3 );
    if( shapes[ k ].part ) body_refused( b.p, b.sz, shapes[ k ].part ); else body_accepted( b.p, b.sz );
    free( b.p );
  }
  /* 10 functions of 2,000 conditional branches, then one more */
  for( int extra = 0; extra<2; extra++ ) {
    t_vec_t b = { 0 };
    t_u8( &b, 0 );
    for( int i = 0; i<2000; i++ ) t_put( &b, (uint8_t[]){ 0x20, 0, 0x0d, 0 }, 4 );
    t_u8( &b, 0x0b );
    t_init( &m );
    uint32_t v = t_type( &m, "i", 0 );
    for( int i = 0; i<10; i++ ) t_func( &m, v, b.p, b.sz );
    t_entry( &m, t_func( &m, t_type( &m, "iii", 'I' ), extra ? (uint8_t[]){ 0, 0x02, 0x40, 0x0b, 0x42, 0, 0x0b } : (uint8_t[]){ 0, 0x01, 0x01, 0x01, 0x42, 0, 0x0b }, 7 ) );
    if( extra ) refuse( t_done( &m ), "more than 20000 blocks" ); else accept( t_done( &m ) );
    free( b.p );
    t_fini( &m );
  }
  /* br_table */
  for( uint32_t n = 512; n<=513; n++ ) {
    t_vec_t b = { 0 };
    t_put( &b, (uint8_t[]){ 0, 0x02, 0x40, 0x20, 0, 0x0e }, 6 );
    t_u32( &b, n );
    for( uint32_t i = 0; i<=n; i++ ) t_u8( &b, 0 );
    t_put( &b, (uint8_t[]){ 0x0b, 0x42, 0, 0x0b }, 4 );
    if( n==513 ) body_refused( b.p, b.sz, "at most 512 targets" ); else body_accepted( b.p, b.sz );
    free( b.p );
  }
  /* locals: in one run, in many, in a run whose count wraps */
  ACCEPTED( 1, 0x80, 0x02, I32, 0x42, 0, 0x0b );
  REFUSED( "more than 256 locals", 1, 0x81, 0x02, I32, 0x42, 0, 0x0b );
  ACCEPTED( 2, 0x80, 0x01, I32, 0x80, 0x01, I64, 0x42, 0, 0x0b );
  REFUSED( "more than 256 locals", 3, 0x80, 0x01, I32, 0x80, 0x01, I64, 1, I32, 0x42, 0, 0x0b );
  REFUSED( "more than 256 locals", 2, 1, I32, 0xff, 0xff, 0xff, 0xff, 0x0f, I64, 0x42, 0, 0x0b );
  /* body size: 65,536 with nops */
  for( uint32_t sz = 65536; sz<=65537; sz++ ) {
    uint8_t * b = malloc( sz );
    memset( b, 0x01, sz );
    b[ 0 ] = 0;
    memcpy( b+sz-3, plain+1, 3 );
    if( sz==65536 ) body_accepted( b, sz ); else body_refused( b, sz, "a body of 65537 bytes" );
    free( b );
  }
  /* params, types, globals, imports, segments */
  plain_init( &m ); t_type( &m, "iiiiiiiiiiiiiiii", 0 );  accept( t_done( &m ) );                   t_fini( &m );
  plain_init( &m ); t_type( &m, "iiiiiiiiiiiiiiiii", 0 ); refuse( t_done( &m ), "17 parameters" );  t_fini( &m );
  for( uint32_t n = 0; n<2; n++ ) {
    plain_init( &m ); while( m.types.cnt<256+n ) t_type( &m, "", 0 );            if( n ) refuse( t_done( &m ), "257 types" );    else accept( t_done( &m ) ); t_fini( &m );
    plain_init( &m ); while( m.globals.cnt<64+n ) t_global( &m, I64, true, -1 );  if( n ) refuse( t_done( &m ), "65 globals" );   else accept( t_done( &m ) ); t_fini( &m );
    plain_init( &m ); while( m.datas.cnt<256+n ) t_data( &m, 5, "x", 1 );         if( n ) refuse( t_done( &m ), "257 data" );     else accept( t_done( &m ) ); t_fini( &m );
    plain_init( &m ); while( m.elems.cnt<256+n ) t_elem( &m, 0, NULL, 0 );        m.table = 1; if( n ) refuse( t_done( &m ), "257 element" ); else accept( t_done( &m ) ); t_fini( &m );
    t_init( &m );
    uint32_t del = t_type( &m, "iii", 'i' );
    while( m.imports.cnt<64+n ) t_import( &m, "dm1", "del", del );
    t_entry( &m, t_func( &m, t_type( &m, "iii", 'I' ), plain, sizeof plain ) );
    if( n ) refuse( t_done( &m ), "65 imports" ); else accept( t_done( &m ) );
    t_fini( &m );
  }
  /* file size, by a doc section */
  for( uint32_t over = 0; over<2; over++ ) {
    plain_init( &m );
    t_done( &m );
    size_t n = 262144-m.out.sz-1-3-7+over;   /* id, 3 bytes of size, name */
    uint8_t * doc = calloc( 1, n );
    t_custom( &m.out, "dm:doc", doc, n );
    assert_int_equal( m.out.sz, 262144+over );
    if( over ) refuse( dmg_span( m.out.p, m.out.sz ), "a file of 262145 bytes" ); else accept( dmg_span( m.out.p, m.out.sz ) );
    free( doc );
    t_fini( &m );
  }
  plain_init( &m );
  m.has_no_abi = true;
  t_done( &m );
  uint8_t * abi = calloc( 1, 65537 );
  size_t keep = m.out.sz;
  t_custom( &m.out, "dm:abi", abi, 65536 );
  accept( dmg_span( m.out.p, m.out.sz ) );
  m.out.sz = keep;
  t_custom( &m.out, "dm:abi", abi, 65537 );
  refuse( dmg_span( m.out.p, m.out.sz ), "dm:abi has 65537 bytes" );
  free( abi );
  t_fini( &m );
}

static void test_leb128_may_be_padded_but_not_overlong( void ** state ) {
  ACCEPTED( 0x80, 0x80, 0x80, 0x80, 0x00, 0x42, 0, 0x0b );
  REFUSED( "locals", 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0x42, 0, 0x0b );
  ACCEPTED( 0, 0x41, 0x80, 0x80, 0x80, 0x80, 0x00, 0x1a, 0x42, 0, 0x0b );
  ACCEPTED( 0, 0x41, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x1a, 0x42, 0, 0x0b );          /* -1 */
  ACCEPTED( 0, 0x41, 0xff, 0xff, 0xff, 0xff, 0x07, 0x1a, 0x42, 0, 0x0b );          /* 2^31 - 1 */
  REFUSED( "malformed", 0, 0x41, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x1a, 0x42, 0, 0x0b );
  REFUSED( "malformed", 0, 0x41, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0x1a, 0x42, 0, 0x0b );
  REFUSED( "malformed", 0, 0x20, 0x80, 0x80, 0x80, 0x80, 0x10, 0x1a, 0x42, 0, 0x0b );
  ACCEPTED( 0, 0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f, 0x0b );     /* -2^63 */
  ACCEPTED( 0, 0x42, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x0b );     /* 2^63 - 1 */
  REFUSED( "malformed", 0, 0x42, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x0b );
  REFUSED( "malformed", 0, 0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0x0b );
  ACCEPTED( 0, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x8b, 0x00, 0x80, 0x00, 0x42, 0, 0x0b );     /* memory.fill, padded */
}

static void test_bodies_of_wrong_types_are_refused( void ** state ) {
  REFUSED( "an operand is missing",   0, 0x0b );
  REFUSED( "must be i64",             0, 0x41, 0, 0x0b );
  REFUSED( "values too many",         0, 0x42, 0, 0x42, 0, 0x0b );
  REFUSED( "an operand is missing",   0, 0x6a, 0x0b );
  REFUSED( "must be i32",             0, 0x42, 0, 0x41, 0, 0x6a, 0x1a, 0x42, 0, 0x0b );
  REFUSED( "must be i64",             0, 0x41, 0, 0x42, 0, 0x7c, 0x0b );
  REFUSED( "must be i64",             0, 0x41, 0, 0x41, 0, 0x37, 3, 0, 0x42, 0, 0x0b );      /* i64.store of an i32 */
  REFUSED( "must be i32",             0, 0x42, 0, 0x41, 0, 0x36, 2, 0, 0x42, 0, 0x0b );      /* address of i64 */
  REFUSED( "select between",          0, 0x41, 0, 0x42, 0, 0x41, 0, 0x1b, 0x0b );
  REFUSED( "local 3, there are 3",    0, 0x20, 3, 0x1a, 0x42, 0, 0x0b );
  REFUSED( "global 2, there are 2",   0, 0x23, 2, 0x1a, 0x42, 0, 0x0b );
  REFUSED( "global 0 is constant",    0, 0x41, 0, 0x24, 0, 0x42, 0, 0x0b );
  REFUSED( "function 1, which does not exist", 0, 0x10, 1, 0x0b );
  REFUSED( "without a table",         0, 0x41, 0, 0x11, 0, 0, 0x0b );
  REFUSED( "label 1",                 0, 0x0c, 1, 0x0b );
  REFUSED( "label 4294967295",        0, 0x0c, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x0b );
  REFUSED( "needs an else",           0, 0x41, 0, 0x04, I64, 0x42, 0, 0x0b, 0x0b );
  REFUSED( "else without if",         0, 0x05, 0x0b );
  REFUSED( "else without if",         0, 0x02, 0x40, 0x05, 0x0b, 0x42, 0, 0x0b );
  REFUSED( "else without if",         0, 0x41, 0, 0x04, 0x40, 0x05, 0x05, 0x0b, 0x42, 0, 0x0b );
  REFUSED( "bytes follow the end",    0, 0x42, 0, 0x0b, 0x0b );
  REFUSED( "the bytes end",           0, 0x42, 0 );
  REFUSED( "an operand is missing",   0, 0x42, 0, 0x02, 0x40, 0x1a, 0x0b, 0x0b );            /* a block does not see below */
  REFUSED( "an operand is missing",   0, 0x02, I64, 0x0b, 0x0b );
  REFUSED( "an operand is missing",   0, 0x02, I64, 0x0c, 0, 0x0b, 0x0b );
  REFUSED( "values too many",         0, 0x03, 0x40, 0x42, 0, 0x0b, 0x42, 0, 0x0b );
  REFUSED( "different results",       0, 0x02, I64, 0x02, 0x40, 0x42, 0, 0x41, 0, 0x0e, 1, 0, 1, 0, 0x0b, 0x42, 0, 0x0b, 0x0b );
  /* dead code is checked too, with missing operands of any type */
  REFUSED( "must be i32",             0, 0x00, 0x42, 0, 0x6a, 0x0b );
  REFUSED( "must be i64",             0, 0x00, 0x6a, 0x0b );
  REFUSED( "values too many",         0, 0x00, 0x42, 0, 0x42, 0, 0x0b );
  ACCEPTED( 0, 0x00, 0x0b );
  ACCEPTED( 0, 0x00, 0x6a, 0x1a, 0x0b );
  ACCEPTED( 0, 0x00, 0x1b, 0x0b );                                                            /* select of nothing known */
  ACCEPTED( 0, 0x00, 0x02, I32, 0x00, 0x0b, 0x1a, 0x0b );
  ACCEPTED( 0, 0x42, 0, 0x0f, 0x1a, 0x1a, 0x0b );
  ACCEPTED( 0, 0x02, I64, 0x42, 1, 0x0c, 0, 0x0b, 0x0b );
  ACCEPTED( 0, 0x02, I64, 0x42, 1, 0x20, 0, 0x0d, 0, 0x0b, 0x0b );
  ACCEPTED( 0, 0x03, I64, 0x42, 1, 0x0b, 0x0b );
  ACCEPTED( 0, 0x20, 0, 0x04, I64, 0x42, 1, 0x05, 0x42, 2, 0x0b, 0x0b );
  ACCEPTED( 0, 0x20, 0, 0x04, I64, 0x00, 0x05, 0x42, 2, 0x0b, 0x0b );
  ACCEPTED( 0, 0x42, 5, 0x20, 0, 0x0e, 2, 0, 0, 0, 0x0b );
  ACCEPTED( 0, 0x02, I64, 0x02, I32, 0x00, 0x0e, 1, 0, 1, 0x0b, 0x1a, 0x42, 0, 0x0b, 0x0b );  /* br_table in dead code, types differ */
}

static void test_function_and_body_counts_must_agree( void ** state ) {
  t_mod_t m;
  plain_init( &m ); t_u32( &m.funcs, 0 ); m.funcs.cnt++; refuse( t_done( &m ), "1 bodies for 2 functions" ); t_fini( &m );
  plain_init( &m ); m.codes.cnt = 0; refuse( t_done( &m ), "0 bodies for 1 functions" ); t_fini( &m );
  plain_init( &m ); t_u32( &m.funcs, 7 ); m.funcs.cnt++; refuse( t_done( &m ), "type 7 does not exist" ); t_fini( &m );
}

static void test_height_and_operations_count_live_code_only( void ** state ) {
  dmg_wasm_mod_t * mod = malloc( sizeof *mod );
  dmg_wasm_report_t r;
  static struct { uint8_t body[ 24 ]; uint32_t sz, height, ops; } const cases[] = {
    { { 0, 0x42, 0, 0x0b }, 4, 1, 2 },
    { { 0, 0x41, 0, 0x41, 0, 0x41, 0, 0x6a, 0x6a, 0xad, 0x0b }, 11, 3, 7 },
    { { 0, 0x00, 0x41, 0, 0x41, 0, 0x41, 0, 0x6a, 0x6a, 0xad, 0x0b }, 12, 0, 1 },
    { { 0, 0x42, 0, 0x0f, 0x02, 0x40, 0x41, 0, 0x41, 0, 0x41, 0, 0x1a, 0x1a, 0x1a, 0x0b, 0x0b }, 17, 1, 2 },
    { { 0, 0x42, 0, 0x02, 0x40, 0x41, 0, 0x41, 0, 0x1a, 0x1a, 0x0b, 0x0b }, 13, 3, 8 },   /* a block's values lie on those below */
  };
  for( size_t i = 0; i<sizeof cases/sizeof *cases; i++ ) {
    t_mod_t m;
    dmg_span_t wasm = entry( &m, cases[ i ].body, cases[ i ].sz );
    assert_int_equal( dmg_wasm_parse( wasm, mod, &r ), DMG_OK );
    assert_true( r.is_ok );
    assert_int_equal( mod->funcs[ 0 ].height_max, cases[ i ].height );
    assert_int_equal( mod->funcs[ 0 ].op_cnt, cases[ i ].ops );
    t_fini( &m );
  }
  free( mod );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_every_prefix_of_a_module_is_refused ),
    cmocka_unit_test( test_report_tells_what_the_host_needs ),
    cmocka_unit_test( test_imports_outside_dm1_are_refused ),
    cmocka_unit_test( test_exports_are_exactly_four ),
    cmocka_unit_test( test_memory_has_its_final_size ),
    cmocka_unit_test( test_foreign_proposals_are_refused_by_name ),
    cmocka_unit_test( test_sections_outside_the_profile_are_refused ),
    cmocka_unit_test( test_limits_hold_to_the_last_unit ),
    cmocka_unit_test( test_leb128_may_be_padded_but_not_overlong ),
    cmocka_unit_test( test_bodies_of_wrong_types_are_refused ),
    cmocka_unit_test( test_function_and_body_counts_must_agree ),
    cmocka_unit_test( test_height_and_operations_count_live_code_only ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
