#include "dmic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static dmg_arena_t * arena;
static dmic_t d;

static int setup( void ** state ) { arena = dmg_arena_new( 256u<<20 ); return !arena; }
static int teardown( void ** state ) { dmg_buf_fini( &d.out_err ); d = (dmic_t){ 0 }; dmg_arena_free( arena ); return 0; }

/* An imported file by name. */
static char const * other_name, * other_text;
static bool read_other( void * ctx, char const * from, dmg_span_t path, dmg_span_t * out_text, char const ** out_file ) {
  if( !other_name || !dmg_span_eq( path, dmg_span_cstr( other_name ) ) ) return false;
  *out_text = dmg_span_cstr( other_text );
  *out_file = other_name;
  return true;
}

static dmic_unit_t * compile( char const * text ) {
  dmg_buf_fini( &d.out_err );
  d = (dmic_t){ .arena = arena, .out_err = dmg_buf( 1u<<20 ), .read = read_other };
  return dmic_compile( &d, "t.dmi", dmg_span_cstr( text ) );
}

static char const * messages( void ) {
  static char out[ 8192 ];
  size_t n = d.out_err.sz<sizeof out-1 ? d.out_err.sz : sizeof out-1;
  if( n ) memcpy( out, d.out_err.p, n );
  out[ n ] = 0;
  return out;
}

/* The members put into a module that is right otherwise; its first line is line 2. */
static dmic_unit_t * member( char const * members ) {
  static char text[ 65536 ];
  snprintf( text, sizeof text, "module m 1.0.0 { module_id 9; storage_version 1; host dm1;\n%s\n}\n", members );
  return compile( text );
}

static void good( char const * members ) { if( !member( members ) ) fail_msg( "%s\n%s", members, messages() ); }
static void wrong( char const * members, char const * place, char const * says ) {
  char want[ 64 ];
  if( member( members ) ) fail_msg( "accepted: %s", members );
  snprintf( want, sizeof want, "t.dmi:%s: error: ", place );
  if( strncmp( messages(), want, strlen( want ) ) || !strstr( messages(), says ) ) fail_msg( "%s\nwanted %s..%s, got\n%s", members, want, says, messages() );
}

static void test_messages_name_place_mistake_and_remedy( void ** state ) {
  wrong( "struct a { }", "2:8", "starts with a capital" );
  wrong( "struct A { x: Q; }", "2:15", "there is no type 'Q'" );
  wrong( "struct A { x: u8; x: u8; }", "2:19", "a second 'x'" );
  wrong( "struct A { x: A; }", "2:15", "contains itself" );
  wrong( "struct A { x: B; } struct B { y: list<A, 2>; }", "2:39", "contains itself" );
  wrong( "type A = B; type B = A;", "2:22", "contains itself" );
  wrong( "struct A { x: u8 since 1.1.0; }", "2:12", "extensible" );
  wrong( "extensible struct A { x: u8 since 1.1.0; y: u8; }", "2:42", "stand last" );
  wrong( "struct A { x: str<0>; }", "2:19", "1..65535" );
  wrong( "struct A { x: bytes[70000]; }", "2:21", "1..65535" );
  wrong( "struct A { x: str<N>; }", "2:19", "constant" );
  wrong( "const N: u32 = M; const M: u32 = N; struct A { x: str<N>; }", "2:34", "refers to itself" );
  wrong( "enum E { A = 0; B = 2; }", "2:17", "numbered 0, 1, 2" );
  wrong( "open enum E { A(u8) = 0; }", "2:15", "carries nothing" );
  wrong( "enum E { A = 0; A = 1; }", "2:17", "a second 'A'" );
  wrong( "enum E { }", "2:1", "1..256 variants" );
  wrong( "storage a #1 : map[bytes<4>] -> u8 deposit payer;", "2:20", "a key takes" );
  wrong( "storage a #1 : map[str<64>, str<64>] -> u8 deposit payer;", "2:1", "at most 124" );
  wrong( "storage a #1 : map[u8] -> u8;", "2:1", "deposit" );
  wrong( "storage a #1 : map[u8] -> u8 deposit me;", "2:38", "payer or module" );
  wrong( "storage a #1 : map[u8] -> bytes<20000> deposit payer;", "2:1", "at most 16384" );
  wrong( "storage a #1 : map[u8] -> u64 max 9 deposit payer;", "2:35", "8..8 bytes" );
  wrong( "storage a #1 : counter[u8] max 8 deposit payer;", "2:32", "no max" );
  wrong( "storage a #1 : counter[u8] deposit payer holds(1, cgt);", "2:42", "names nothing" );
  wrong( "storage a #1 : counter[u8] deposit payer holds(0, cgt) holds(0, cgt);", "2:56", "twice" );
  wrong( "storage a #1 : value u8 deposit payer; storage b #1 : value u8 deposit payer;", "2:40", "has number 1" );
  wrong( "storage a #1 : value u8 deposit payer; storage a #2 : value u8 deposit payer;", "2:40", "a second item 'a'" );
  wrong( "fault Mine #31;", "2:1", "numbered from 32" );
  wrong( "fault NotFound #40;", "2:1", "common fault" );
  wrong( "event E #1 topic(x) { y: u8; }", "2:18", "no field" );
  wrong( "event E #1 topic(y, y) { y: u8; }", "2:21", "twice" );
  wrong( "event E #1 { y: bytes<8192>; }", "2:1", "at most 8192" );
  wrong( "event E #70000 { }", "2:10", "up to 65535" );
  wrong( "call a #1 () { gas 1; says \"A\"; }", "2:1", "auth" );
  wrong( "call a #1 () { auth use; says \"A\"; }", "2:1", "gas" );
  wrong( "call a #1 () { auth use; gas 1; }", "2:1", "says" );
  wrong( "call a #1 () { auth me; gas 1; }", "2:21", "there is no role 'me'" );
  wrong( "call a #0 () { auth module; gas 1; }", "2:1", "start at 1" );
  wrong( "call a #1 (x: u8) { auth use; gas 1; says \"A {y}\"; }", "2:43", "{y}" );
  wrong( "call a #1 (x: u8) { auth use; gas 1; says \"A {x\"; }", "2:43", "without its '}'" );
  wrong( "call a #1 (x: u8) { auth use; gas 1; says \"A x}\"; }", "2:43", "without its '{'" );
  wrong( "call a #1 () { auth module; gas 1; faults Nope; }", "2:43", "no fault 'Nope'" );
  wrong( "call a #1 () { auth module; gas 1; emits Nope; }", "2:42", "no event 'Nope'" );
  wrong( "call a #1 () { auth module; gas 1; touch read nope; }", "2:47", "no item 'nope'" );
  wrong( "call a #1 (x: u8) { auth module; gas 1; about (y, game); }", "2:41", "no argument" );
  wrong( "call a #1 (x: u8) { auth module; gas 1; about (x, moon); }", "2:41", "'moon'" );
  wrong( "call a #1 (x: bytes<48896>) { auth module; gas 1; }", "2:1", "at most 48896" );
  wrong( "query a #1 () { auth use; gas 1; }", "2:22", "only calls have auth" );
  wrong( "query a #1 () -> bytes<49152> { gas 1; }", "2:1", "at most 49152" );
  wrong( "call a #1 () { auth module; gas 1; } query a #1 () { gas 1; }", "2:38", "call and a query named 'a'" );
  wrong( "hook birth ();", "2:1", "there is no hook 'birth'" );
  wrong( "use other ^1.0.0 { }", "2:5", "import its .dmi" );
  wrong( "struct A { x: option<u8>; }", "2:21", "expected" );
  wrong( "struct A { x u8; }", "2:14", "expected ':'" );
  wrong( "wibble;", "2:1", "expected a member" );
  wrong( "struct A { x: list<list<list<list<list<list<list<list<u8,2>,2>,2>,2>,2>,2>,2>,2>; }", "2:15", "8 levels" );
  wrong( "call a #1 () { auth use; gas 1; says \"A; }", "2:38", "not closed" );
  wrong( "const A: u8 = 12x;", "2:15", "letter" );
  wrong( "const A: u64 = 99999999999999999999;", "2:16", "64 bits" );
  wrong( "struct A { x: u8; } \x01", "2:21", "unexpected character" );
}

static void test_every_mistake_is_shown_at_once( void ** state ) {
  assert_null( member( "struct A { x: Q; }\nfault B #3;\nevent E #1 topic(z) { y: u8; }\nstruct D { broken; z: u8; }\ncall ok #1 (x: W) { auth module; gas 1; }" ) );
  char const * m = messages();
  char const * const want[] = { "t.dmi:2:15:", "t.dmi:3:1:", "t.dmi:4:18:", "t.dmi:5:18:", "t.dmi:6:16:" };
  for( size_t i = 0; i<sizeof want/sizeof *want; i++ ) if( !strstr( m, want[ i ] ) ) fail_msg( "no %s in\n%s", want[ i ], m );
  assert_int_equal( d.err_cnt, 5 );
  /* A flood is cut. */
  static char flood[ 8000 ];
  size_t n = 0;
  for( int i = 0; i<200; i++ ) n += (size_t)snprintf( flood+n, sizeof flood-n, "fault B%d #3;\n", i );
  assert_null( member( flood ) );
  assert_non_null( strstr( messages(), "the rest is not shown" ) );
}

static void test_module_needs_its_settings( void ** state ) {
  assert_null( compile( "module m 1.0.0 { }" ) );
  assert_non_null( strstr( messages(), "module_id" ) );
  assert_non_null( strstr( messages(), "storage_version" ) );
  assert_non_null( strstr( messages(), "host dm1" ) );
  assert_null( compile( "module m 1.0.0 { module_id 1; storage_version 1; host dm1; memory_pages 17; }" ) );
  assert_null( compile( "module m 1.0.0 { module_id 0; storage_version 1; host dm1; }" ) );
  assert_null( compile( "module m 1.0 { module_id 1; storage_version 1; host dm1; }" ) );
  assert_null( compile( "struct A { }" ) );
  assert_non_null( strstr( messages(), "no module" ) );
  assert_null( compile( "module m 1.0.0 { module_id 1; storage_version 1; host dm1; } module n 1.0.0 { module_id 2; storage_version 1; host dm1; }" ) );
  assert_non_null( strstr( messages(), "second module" ) );
  assert_null( compile( "module m 1.0.0 { module_id 1;" ) );
  assert_null( compile( "}}}" ) );
  assert_null( compile( "" ) );
}

static void test_what_is_written_is_what_the_abi_says( void ** state ) {
  good( "const N: u32 = 0x20; type Name = str<N>; struct A { n: Name; k: list<Name?, 3>; }\n"
        "storage s #7 : ordered map[address, u32] -> A deposit module encumbers(n, cgt) authority(0) lazy from 1 native;\n"
        "fault Mine #32 { why: Name; }\n"
        "event Done #5 topic(b) { a: u8; b: address; }\n"
        "call go #2 (a: A, n: Name) -> u64 { auth session | use; gas 90_000; says \"Go {n} {a.n}\"; safety; deprecated 1.0.0; about (a, item); }\n"
        "hook timer (x: u8);" );
  dmic_unit_t * u = member( "const N: u32 = 0x20; type Name = str<N>; struct A { n: Name; k: list<Name?, 3>; }\n"
        "storage s #7 : ordered map[address, u32] -> A deposit module encumbers(n, cgt) authority(0) lazy from 1 native;\n"
        "fault Mine #32 { why: Name; }\n"
        "event Done #5 topic(b) { a: u8; b: address; }\n"
        "call go #2 (a: A, n: Name) -> u64 { auth session | use; gas 90_000; says \"Go {n} {a.n}\"; safety; deprecated 1.0.0; about (a, item); }\n"
        "hook timer (x: u8);" );
  dmg_abi_t const * abi;
  assert_int_equal( dmg_abi_decode( u->raw, arena, &abi ).kind, DMG_VERDICT_GOOD );
  dmg_abi_item_t const * it = dmg_abi_item( abi, 7 );
  assert_non_null( it );
  assert_int_equal( it->kind, DMG_ITEM_ORDERED );
  assert_int_equal( it->deposit, DMG_DEPOSIT_MODULE );
  assert_int_equal( it->mark_cnt, 4 );
  assert_int_equal( it->max, 33+1+3*34 );
  assert_true( dmg_span_eq( dmg_abi_mark( it, DMG_MARK_LAZY )->paths[ 0 ], DMG_SPAN_STR( "1" ) ) );
  dmg_abi_fn_t const * fn = dmg_abi_call( abi, 2 );
  assert_int_equal( fn->auth, 1<<DMG_ROLE_SESSION | 1<<DMG_ROLE_USE | 1<<DMG_ROLE_OWNER );
  assert_int_equal( fn->flags, DMG_FN_SAFETY|DMG_FN_DEPRECATED );
  assert_int_equal( fn->gas, 90000 );
  assert_int_equal( fn->about_cnt, 1 );
  assert_int_equal( fn->args->fields[ 1 ].type->n, 32 );
  assert_int_equal( abi->fault_cnt, 17 );
  assert_true( dmg_span_eq( dmg_abi_fault( abi, 7 )->name, DMG_SPAN_STR( "InsufficientBalance" ) ) );
  assert_int_equal( dmg_abi_event( abi, 5 )->topics[ 0 ], 1 );
  assert_non_null( dmg_abi_hook( abi, DMG_HOOK_TIMER ) );
}

static void test_numbers_decide_order_not_the_text( void ** state ) {
  dmic_unit_t * a = member( "call x #2 () { auth module; gas 1; } call y #1 () { auth module; gas 1; }" );
  assert_non_null( a );
  assert_int_equal( a->abi.calls[ 0 ].id, 1 );
  dmg_span_t raw = a->raw;
  dmic_unit_t * b = member( "/// Words.\ncall y #1 () { auth module; gas 1; } // and comments\ncall x #2 () { auth module; gas 1; }" );
  assert_non_null( b );
  assert_true( dmg_span_eq( raw, b->raw ) );
}

/* The vector with every type, from the second implementation. */
static void test_every_type_agrees_with_the_vector( void ** state ) {
  dmic_unit_t * u = compile( "module vector 1.0.0 { module_id 0x0201; storage_version 1; host dm1;\n"
    "struct Pair { x: u8; y: list<bool?, 2>; } enum Choice { None = 0; Some(u64) = 1; } enum Role { Member = 0; Officer = 1; }\n"
    "call every_type #7 (a: bool, b: u8, c: u16, d: u32, e: u64, f: u128, g: i8, h: i16, i: i32, j: i64, k: i128, l: address, m: hash, n: amount, o: asset,\n"
    "  p: bytes[5], q: bytes<6>, r: str<70>, s: list<u16, 3>, t: map<u16, str<4>, 5>, u: u32?, v: Pair, w: Choice, x: Role) { auth module; gas 1; } }" );
  if( !u ) fail_msg( "%s", messages() );
  /* The vector numbers its variants 3 and 9; dmic does not (page modules-items B), the hash takes any. */
  dmg_variant_t * role = (dmg_variant_t *)(uintptr_t)u->abi.calls->args->fields[ 22 ].type->variants;
  role[ 0 ].tag = 3;
  role[ 1 ].tag = 9;
  static char line[ 1u<<20 ];
  static uint8_t want[ 4096 ], have[ DMG_SCHEMA_SZ_MAX ];
  uint32_t seen = 0;
  FILE * f = fopen( "tests/conformance/vectors/calls.json", "r" );
  if( !f ) fail_msg( "run the tests from the root of the tree" );
  while( fgets( line, sizeof line, f ) ) {
    if( !strstr( line, "\"module\":513" ) ) continue;
    char const * hex = strstr( line, "\"bcs\":\"0x" );
    assert_non_null( hex );
    hex += 9;
    size_t n = strcspn( hex, "\"" )/2;
    assert_true( n<=sizeof want );
    assert_int_equal( dmg_hex_decode( hex, 2*n, want, n ), DMG_OK );
    if( strstr( line, "\"kind\":\"schema\"" ) ) {
      dmg_bcs_wr_t w = dmg_bcs_wr( have, sizeof have );
      dmg_schema_write( 513, u->abi.calls, &w );
      assert_int_equal( dmg_bcs_wr_span( &w ).sz, n );
      assert_memory_equal( have, want, n );
      seen |= 1;
    } else {
      assert_int_equal( dmg_type_validate( u->abi.calls->args, dmg_span( want, n ), NULL ), DMG_BCS_GOOD );
      seen |= 2;
    }
  }
  fclose( f );
  assert_int_equal( seen, 3 );
}

static void test_uses_are_met_by_imports( void ** state ) {
  other_name = "bank.dmi";
  other_text = "module bank 1.2.3 { module_id 2; storage_version 1; host dm1; struct P { a: u8; } call pay #4 (p: P) -> P { auth use; says \"Pay\"; gas 1; } query see #1 () -> u8 { gas 1; } }";
  char const * ok = "import \"bank.dmi\"; module m 1.0.0 { module_id 9; storage_version 1; host dm1; use bank ^1.1.0 { call pay; query see; } }";
  dmic_unit_t * u = compile( ok );
  if( !u ) fail_msg( "%s", messages() );
  assert_int_equal( u->abi.use_cnt, 1 );
  dmg_buf_t out = dmg_buf( 1u<<20 );
  assert_int_equal( dmic_emit_guest( u, &out ), DMG_OK );
  assert_int_equal( dmg_buf_append( &out, "", 1 ), DMG_OK );
  assert_non_null( strstr( (char *)out.p, "dm_fault_t bank_pay( dm_as_t as, bank_p_t const * p, bank_p_t * out_ret )" ) );
  assert_non_null( strstr( (char *)out.p, "dm_fault_t bank_see( uint8_t * out_ret )" ) );
  dmg_buf_fini( &out );
  assert_null( compile( "import \"bank.dmi\"; module m 1.0.0 { module_id 9; storage_version 1; host dm1; use bank ^1.3.0 { } }" ) );
  assert_non_null( strstr( messages(), "does not meet ^1.3.0" ) );
  assert_null( compile( "import \"bank.dmi\"; module m 1.0.0 { module_id 9; storage_version 1; host dm1; use bank ^2.0.0 { } }" ) );
  assert_null( compile( "import \"bank.dmi\"; module m 1.0.0 { module_id 9; storage_version 1; host dm1; use bank ^1.0.0 { call rob; query sea; } }" ) );
  assert_non_null( strstr( messages(), "no call 'rob'" ) );
  assert_non_null( strstr( messages(), "no query 'sea'" ) );
  assert_null( compile( "import \"none.dmi\"; module m 1.0.0 { module_id 9; storage_version 1; host dm1; }" ) );
  assert_non_null( strstr( messages(), "t.dmi:1:8: error: cannot read \"none.dmi\"" ) );
  other_text = "import \"bank.dmi\"; module bank 1.0.0 { module_id 2; storage_version 1; host dm1; }";   /* a circle */
  assert_null( compile( ok ) );
  assert_non_null( strstr( messages(), "8 deep" ) );
  other_text = "struct Shared { a: u64; }";   /* types only */
  if( !compile( "import \"bank.dmi\"; module m 1.0.0 { module_id 9; storage_version 1; host dm1; struct B { s: Shared; } }" ) ) fail_msg( "%s", messages() );
  other_name = NULL;
}

static void test_interfaces_are_checked( void ** state ) {
  char const * head = "module m 1.0.0 { module_id 9; storage_version 1; host dm1; provides Vault ^1.0.0; }\n";
  char text[ 1024 ];
  snprintf( text, sizeof text, "%sinterface Vault 1.0.0 { call put #1 (x: u8); }", head );
  if( !compile( text ) ) fail_msg( "%s", messages() );
  snprintf( text, sizeof text, "%sinterface Vault 1.0.0 { call put #1 (x: Nope); }", head );
  assert_null( compile( text ) );
  snprintf( text, sizeof text, "%sinterface Vault 1.0.0 { storage s #1 : value u8; }", head );
  assert_null( compile( text ) );
  snprintf( text, sizeof text, "%sservice rpc 1.0.0 { }", head );
  assert_null( compile( text ) );
  assert_non_null( strstr( messages(), "a file of its own" ) );
}

/* ---- Services ---- */

static dmic_service_t * service( char const * text ) {
  dmg_buf_fini( &d.out_err );
  d = (dmic_t){ .arena = arena, .out_err = dmg_buf( 1u<<20 ), .read = read_other };
  return dmic_service( &d, "idl/t.dmi", dmg_span_cstr( text ) );
}

/* The members put into a service that is right otherwise. */
static void wrong_service( char const * members, char const * place, char const * says ) {
  static char text[ 65536 ];
  char want[ 64 ];
  snprintf( text, sizeof text, "service t 1.0.0 {\n%s\n/// Does.\nmethod ok () -> bool { class A; cost 1; example \"{}\"; } }", members );
  if( service( text ) ) fail_msg( "accepted: %s", members );
  snprintf( want, sizeof want, "t.dmi:%s: error: ", place );
  if( !strstr( messages(), want ) || !strstr( messages(), says ) ) fail_msg( "%s\nwanted %s..%s, got\n%s", members, want, says, messages() );
}

#define BODY " { class A; cost 1; example \"{}\"; }"
#define DOC  "/// Says.\n"

static void test_mistakes_in_services_are_named( void ** state ) {
  wrong_service( DOC "method a () -> Nope" BODY, "3:16", "no type 'Nope'" );
  wrong_service( "method a () -> bool" BODY, "2:1", "says what it does" );
  wrong_service( DOC "method a ()" BODY, "3:1", "needs a result" );
  wrong_service( DOC "method A () -> bool" BODY, "3:8", "small letter" );
  wrong_service( DOC "method ok () -> bool" BODY, "5:1", "second method 'ok'" );
  wrong_service( DOC "method a () -> bool { class D; cost 1; example \"{}\"; }", "3:29", "class A, B or C" );
  wrong_service( DOC "method a () -> bool { cost 1; example \"{}\"; }", "3:1", "class A, B or C" );
  wrong_service( DOC "method a () -> bool { class A; example \"{}\"; }", "3:1", "needs a cost" );
  wrong_service( DOC "method a () -> bool { class A; cost 3001; example \"{}\"; }", "3:37", "1..3000" );
  wrong_service( DOC "method a () -> bool { class A; cost 1; }", "3:1", "needs an example" );
  wrong_service( DOC "method a () -> bool { class A; cost 1; example \"{}\"; auth me; }", "3:59", "dev or nothing" );
  wrong_service( DOC "method a (x: u8) -> bool" BODY, "3:11", "parameter 'x' needs" );
  wrong_service( DOC "method a (\n/// One.\nx: u8?,\n/// Two.\ny: u8) -> bool" BODY, "7:1", "after an optional" );
  wrong_service( DOC "method a (\n/// One.\nx: u8,\n/// Two.\nx: u8) -> bool" BODY, "7:1", "a second 'x'" );
  wrong_service( DOC "method a () -> bool?" BODY, "3:16", "may be absent" );
  wrong_service( DOC "method a () -> list<u8?, 3>" BODY, "3:21", "may be absent" );
  wrong_service( DOC "method a () -> map<u8, u8, 3>" BODY, "3:16", "no map" );
  wrong_service( DOC "method a () -> asset" BODY, "3:16", "no one form" );
  wrong_service( DOC "method a () -> str<0>" BODY, "3:20", "at least 1" );
  wrong_service( DOC "method a () -> str<N>" BODY, "3:20", "no constant number" );
  wrong_service( "struct At { x: u8; }", "2:1", "known in every service" );
  wrong_service( "struct Q { x: R; } struct R { y: Q; }", "2:34", "contains itself" );
  wrong_service( "struct Q { x: u8; } struct Q { y: u8; }", "2:21", "a second 'Q'" );
  wrong_service( "enum E { a(u8) = 0; }", "2:10", "carries a struct" );
  wrong_service( "struct P { kind: u8; } enum E { a(P) = 0; }", "2:12", "beside a variant's" );
  wrong_service( "enum E { a = 1; }", "2:10", "in order" );
  wrong_service( "call a #1 () { gas 1; }", "2:1", "belong to a module" );
  wrong_service( "fault A #1 http 404;", "2:1", "says what it means" );
  wrong_service( DOC "fault A #1;", "3:1", "http 400..599" );
  wrong_service( DOC "fault A #1 http 404;\n" DOC "fault B #1 http 404;", "5:1", "number 1 too" );
  wrong_service( "storage s #1 : value u8;", "2:1", "a member: method" );
  assert_null( service( "service t 1.0.0 { }" ) );
  assert_non_null( strstr( messages(), "no method" ) );
}

static char const * emitted( dmg_err_t (* emit)( dmic_service_t const *, dmg_buf_t * ), dmic_service_t const * s ) {
  static char out[ 65536 ];
  dmg_buf_t buf = dmg_buf( sizeof out-1 );
  assert_int_equal( emit( s, &buf ), DMG_OK );
  memcpy( out, buf.p, buf.sz );
  out[ buf.sz ] = 0;
  dmg_buf_fini( &buf );
  return out;
}

static void test_a_service_becomes_table_types_and_page( void ** state ) {
  other_name = "errors.dmi";
  other_text = "service e 1.0.0 {\n/// No.\nfault NoSuch #32001 http 404 retry { path: str<9>?; } }";
  dmic_service_t * s = service( "import \"errors.dmi\"; service t 1.0.0 { const N: u32 = 3; enum Word { red = 0; green = 1; } struct P { a: u64; }\n"
    "enum Either { plain = 0; rich(P) = 1; } struct R { e: Either; l: list<bytes<N>, N>?; }\n/// B \"b\"\n/// c.\nmethod z_twoWords (\n/// where\nat: At,\n/// which\nword: Word?) -> R { class C; cost 7; auth dev; example \"{\\\"at\\\":\\\"head\\\"}\"; }\n"
    "/// A.\nmethod rpc.a () -> bool { class A; cost 1; example \"{}\"; }\n/// S.\nstream s (x: hash) -> R; }" );
  if( !s ) fail_msg( "%s", messages() );
  other_name = NULL;
  char const * text = emitted( dmic_emit_rpc_h, s );
  char const * const h[] = { "DMG_RPC_NO_SUCH = -32001,", "DMG_RPC_METHOD_CNT = 2", "enum { DMG_RPC_WORD__RED, DMG_RPC_WORD__GREEN };", "bool dmg_rpc_do_rpc_a( dmg_rpc_call_t * call );\nbool dmg_rpc_do_z_two_words(" };
  for( size_t i = 0; i<sizeof h/sizeof *h; i++ ) if( !strstr( text, h[ i ] ) ) fail_msg( "no %s in\n%s", h[ i ], text );
  text = emitted( dmic_emit_rpc_c, s );
  char const * const c[] = { "{ -32001, \"NoSuch\", 404, true },", "words_Word[] = { \"red\", \"green\", NULL };", ".name = \"z_twoWords\", .summary = \"B \\\"b\\\" c.\",\n    .class = 'C', .cost = 7, .is_dev = true, .handler = dmg_rpc_do_z_two_words",
    ".example = \"{\\\"at\\\":\\\"head\\\"}\"", "{ \"at\", DMG_RPC_FORM_AT, true, \"where\", ", "{ \"word\", DMG_RPC_FORM_WORD, false, \"which\", \"{\\\"$ref\\\":\\\"#/components/schemas/Word\\\"}\", words_Word },",
    "{\\\"kind\\\":{\\\"const\\\":\\\"rich\\\"},\\\"a\\\":", "\\\"maxItems\\\":3,\\\"items\\\":{\\\"type\\\":\\\"string\\\",\\\"pattern\\\":\\\"^0x([0-9a-f]{2})*$\\\",\\\"maxLength\\\":8}", "\\\"required\\\":[\\\"e\\\"]" };
  for( size_t i = 0; i<sizeof c/sizeof *c; i++ ) if( !strstr( text, c[ i ] ) ) fail_msg( "no %s in\n%s", c[ i ], text );
  assert_true( strstr( text, "\"rpc.a\"" )<strstr( text, "\"z_twoWords\"" ) );
  text = emitted( dmic_emit_rpc_ts, s );
  char const * const t[] = { "export type Word = \"red\" | \"green\";", "export type Either = { readonly kind: \"plain\" } | ({ readonly kind: \"rich\" } & P);", "  readonly l?: readonly Hex[] | null;",
    "  /** B \"b\" c. */\n  readonly z_twoWords: {\n    readonly params: {\n      /** where */\n      readonly at: At;",
    "readonly \"rpc.a\": {\n    readonly params: Record<string, never>;", "  [-32001, \"NoSuch\", true],", "readonly filter: {\n      readonly x: Hex;" };
  for( size_t i = 0; i<sizeof t/sizeof *t; i++ ) if( !strstr( text, t[ i ] ) ) fail_msg( "no %s in\n%s", t[ i ], text );
  text = emitted( dmic_emit_rpc_md, s );
  char const * const m[] = { "| `z_twoWords`: B \"b\" c. | at: At (where), word?: Word (which) | R | C 7, dev |", "| -32001 | NoSuch | 404 | yes | No. | path?: text |", "| Either | plain, rich {P} |" };
  for( size_t i = 0; i<sizeof m/sizeof *m; i++ ) if( !strstr( text, m[ i ] ) ) fail_msg( "no %s in\n%s", m[ i ], text );
}

/* ---- dm:abi in the binary ---- */

static void test_embed_puts_one_section_at_the_end( void ** state ) {
  uint8_t const head[ 8 ] = { 0, 'a', 's', 'm', 1, 0, 0, 0 }, type[] = { 1, 4, 1, 0x60, 0, 0 }, other[] = { 0, 4, 2, 'x', 'y', 9 };
  uint8_t wasm[ 64 ];
  size_t n = 0;
  memcpy( wasm, head, 8 ); n = 8;
  memcpy( wasm+n, other, sizeof other ); n += sizeof other;
  memcpy( wasm+n, type, sizeof type ); n += sizeof type;
  dmg_buf_t one = dmg_buf( 4096 ), two = dmg_buf( 4096 );
  assert_int_equal( dmic_embed( dmg_span( wasm, n ), DMG_SPAN_STR( "first" ), &one ), DMG_OK );
  assert_int_equal( one.sz, n+2+7+5 );
  assert_memory_equal( one.p, wasm, n );
  assert_memory_equal( one.p+n, "\0\x0c\6dm:abifirst", 14 );
  assert_int_equal( dmic_embed( dmg_buf_span( &one ), DMG_SPAN_STR( "2nd" ), &two ), DMG_OK );   /* takes the place of the old one */
  assert_int_equal( two.sz, n+2+7+3 );
  dmg_buf_clear( &two );
  assert_int_equal( dmic_embed( dmg_span( wasm, n-1 ), DMG_SPAN_STR( "x" ), &two ), DMG_ERR_INVALID );
  dmg_buf_clear( &two );
  assert_int_equal( dmic_embed( dmg_span( wasm, 7 ), DMG_SPAN_STR( "x" ), &two ), DMG_ERR_INVALID );
  wasm[ 4 ] = 2;
  dmg_buf_clear( &two );
  assert_int_equal( dmic_embed( dmg_span( wasm, n ), DMG_SPAN_STR( "x" ), &two ), DMG_ERR_INVALID );
  dmg_buf_fini( &one );
  dmg_buf_fini( &two );
}

static void test_names_become_c_names( void ** state ) {
  char s[ 80 ];
  struct { char const * in, * out; } const tab[] = { { "NotFound", "not_found" }, { "transfer_all", "transfer_all" }, { "CGT", "cgt" }, { "AuthV2Key", "auth_v2_key" }, { "A", "a" } };
  for( size_t i = 0; i<sizeof tab/sizeof *tab; i++ ) { dmic_snake( dmg_span_cstr( tab[ i ].in ), s, sizeof s ); assert_string_equal( s, tab[ i ].out ); }
  dmic_upper( DMG_SPAN_STR( "NotFound" ), s, sizeof s );
  assert_string_equal( s, "NOT_FOUND" );
}

int main( void ) {
#define T( name ) cmocka_unit_test_setup_teardown( name, setup, teardown )
  struct CMUnitTest const tests[] = {
    T( test_messages_name_place_mistake_and_remedy ), T( test_every_mistake_is_shown_at_once ), T( test_module_needs_its_settings ), T( test_what_is_written_is_what_the_abi_says ),
    T( test_numbers_decide_order_not_the_text ), T( test_every_type_agrees_with_the_vector ), T( test_uses_are_met_by_imports ), T( test_interfaces_are_checked ),
    T( test_mistakes_in_services_are_named ), T( test_a_service_becomes_table_types_and_page ),
    T( test_embed_puts_one_section_at_the_end ), T( test_names_become_c_names ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
