/* Any text as arguments of a call with every kind of type: what is taken is valid BCS, and prints as JSON that gives the same bytes. */
#include "base/assert.h"
#include "rpc/abi_json.h"

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz );

#define ARG( n, t ) { .name = DMG_SPAN_STR( n ), .type = ( t ) }
#define KINDS 15
static dmg_type_t leaf[ KINDS ], fixed, bytes, str, list, map, option, later, open_struct, choice, args;

static void measure( dmg_type_t * t ) { bool is_good = dmg_type_measure( t ); DMG_ASSERT( is_good ); }

static void make( void ) {
  static dmg_field_t     later_f[] = { ARG( "x", &leaf[ DMG_TYPE_U16 ] ), ARG( "y", &option ) }, open_f[] = { ARG( "a", &leaf[ DMG_TYPE_U8 ] ), { .type = &later } };
  static dmg_variant_t   v[] = { { .name = DMG_SPAN_STR( "A" ) }, { .name = DMG_SPAN_STR( "B" ), .tag = 1, .type = &list } };
  static dmg_field_t     f[ KINDS+8 ];
  static char const * const name[ KINDS ] = { "bool", "u8", "u16", "u32", "u64", "u128", "i8", "i16", "i32", "i64", "i128", "address", "hash", "amount", "asset" };
  for( unsigned k = 0; k<KINDS; k++ ) { leaf[ k ] = (dmg_type_t){ .kind = (dmg_type_kind_t)k }; measure( &leaf[ k ] ); }
  fixed  = (dmg_type_t){ .kind = DMG_TYPE_FIXED, .n = 2 };                          measure( &fixed );
  bytes  = (dmg_type_t){ .kind = DMG_TYPE_BYTES, .n = 5 };                          measure( &bytes );
  str    = (dmg_type_t){ .kind = DMG_TYPE_STR, .n = 5 };                            measure( &str );
  list   = (dmg_type_t){ .kind = DMG_TYPE_LIST, .n = 3, .elem = &leaf[ DMG_TYPE_AMOUNT ] }; measure( &list );
  map    = (dmg_type_t){ .kind = DMG_TYPE_MAP, .n = 3, .elem = &str, .val = &leaf[ DMG_TYPE_U8 ] }; measure( &map );
  option = (dmg_type_t){ .kind = DMG_TYPE_OPTION, .elem = &bytes };                 measure( &option );
  later  = (dmg_type_t){ .kind = DMG_TYPE_STRUCT, .fields = later_f, .field_cnt = 2 }; measure( &later );
  open_struct = (dmg_type_t){ .kind = DMG_TYPE_STRUCT, .name = DMG_SPAN_STR( "S" ), .is_open = true, .fields = open_f, .field_cnt = 2 }; measure( &open_struct );
  choice = (dmg_type_t){ .kind = DMG_TYPE_ENUM, .name = DMG_SPAN_STR( "E" ), .variants = v, .variant_cnt = 2 }; measure( &choice );
  /* All optional: a text need not name 23 members to get anywhere. */
  static dmg_type_t opt[ KINDS+8 ];
  dmg_type_t const * further[] = { &fixed, &bytes, &str, &list, &map, &open_struct, &choice, &option };
  static char const * const more[] = { "fixed", "bytes", "str", "list", "map", "open", "choice", "option" };
  for( unsigned k = 0; k<KINDS+8; k++ ) {
    opt[ k ] = (dmg_type_t){ .kind = DMG_TYPE_OPTION, .elem = k<KINDS ? &leaf[ k ] : further[ k-KINDS ] };
    measure( &opt[ k ] );
    f[ k ] = (dmg_field_t){ .name = dmg_span_cstr( k<KINDS ? name[ k ] : more[ k-KINDS ] ), .type = &opt[ k ] };
  }
  args = (dmg_type_t){ .kind = DMG_TYPE_STRUCT, .fields = f, .field_cnt = KINDS+8 };
  measure( &args );
}

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz ) {
  static dmg_json_t * json;
  uint8_t mem[ 2048 ], again[ 2048 ];
  char why[ 160 ];
  dmg_abi_json_bad_t bad;
  dmg_jv_t root;
  if( !json ) { json = dmg_json_new(); make(); }
  if( !dmg_json_parse( json, dmg_span( data, sz ), &root, why ) ) return 0;
  dmg_bcs_wr_t w = dmg_bcs_wr( mem, sizeof mem ), v = dmg_bcs_wr( again, sizeof again );
  if( !dmg_abi_json_args( &args, root, &dmg_abi_json_plain, &w, &bad ) ) { DMG_ASSERT( *bad.expected && *bad.got ); return 0; }
  dmg_span_t bcs = dmg_bcs_wr_span( &w );
  DMG_ASSERT( dmg_type_validate( &args, bcs, NULL )==DMG_BCS_GOOD );
  dmg_buf_t text = dmg_buf( 1<<20 );
  dmg_jw_t out = dmg_jw( &text );
  dmg_bcs_rd_t rd = dmg_bcs_rd( bcs );
  dmg_abi_json_print( &args, &rd, &out );
  DMG_ASSERT( !out.is_full && dmg_bcs_rd_end( &rd )==DMG_BCS_GOOD );
  bool is_good = dmg_json_parse( json, dmg_buf_span( &text ), &root, why ) && dmg_abi_json_args( &args, root, &dmg_abi_json_plain, &v, &bad );
  DMG_ASSERT( is_good && dmg_span_eq( bcs, dmg_bcs_wr_span( &v ) ) );
  dmg_buf_fini( &text );
  return 0;
}
