/* emit_ts: types and calls for the TypeScript SDK, in the form of its schema module (t.*, call, defineModule). */
#include "dmic.h"

#define WIDTH 120   /* of the SDK's formatter */

/* Exported names carry the module's: two modules may both have a Call. */
typedef struct { char s[ 80 ]; } prefix_t;
static prefix_t prefix_of( dmg_abi_t const * a ) {
  prefix_t p;
  size_t n = 0;
  bool is_start = true;
  for( size_t i = 0; i<a->name.sz && n+1<sizeof p.s; i++ ) {
    uint8_t c = a->name.p[ i ];
    if( c=='_' ) { is_start = true; continue; }
    p.s[ n++ ] = (char)( is_start && c>='a' && c<='z' ? c-32 : c );
    is_start = false;
  }
  p.s[ n ] = 0;
  return p;
}

/* The value's TypeScript type. */
static dmg_err_t type_name( dmg_buf_t * out, prefix_t const * pre, dmg_type_t const * t ) {
  switch( t->kind ) {
  case DMG_TYPE_BOOL:                                                       return dmg_buf_printf( out, "boolean" );
  case DMG_TYPE_U8: case DMG_TYPE_U16: case DMG_TYPE_U32: case DMG_TYPE_I8: case DMG_TYPE_I16: case DMG_TYPE_I32:
                                                                            return dmg_buf_printf( out, "number" );
  case DMG_TYPE_U64: case DMG_TYPE_U128: case DMG_TYPE_I64: case DMG_TYPE_I128: case DMG_TYPE_AMOUNT:
                                                                            return dmg_buf_printf( out, "bigint" );
  case DMG_TYPE_ADDRESS:                                                    return dmg_buf_printf( out, "Address" );
  case DMG_TYPE_HASH:                                                       return dmg_buf_printf( out, "Hash" );
  case DMG_TYPE_ASSET:                                                      return dmg_buf_printf( out, "Asset" );
  case DMG_TYPE_FIXED: case DMG_TYPE_BYTES:                                 return dmg_buf_printf( out, "Uint8Array" );
  case DMG_TYPE_STR:                                                        return dmg_buf_printf( out, "string" );
  case DMG_TYPE_LIST:
    DMG_TRY( dmg_buf_printf( out, t->elem->kind==DMG_TYPE_OPTION ? "readonly (" : "readonly " ) );
    DMG_TRY( type_name( out, pre, t->elem ) );
    return dmg_buf_printf( out, t->elem->kind==DMG_TYPE_OPTION ? ")[]" : "[]" );
  case DMG_TYPE_MAP:
    DMG_TRY( dmg_buf_printf( out, "ReadonlyMap<" ) );
    DMG_TRY( type_name( out, pre, t->elem ) );
    DMG_TRY( dmg_buf_printf( out, ", " ) );
    DMG_TRY( type_name( out, pre, t->val ) );
    return dmg_buf_printf( out, ">" );
  case DMG_TYPE_OPTION:
    DMG_TRY( type_name( out, pre, t->elem ) );
    return dmg_buf_printf( out, " | null" );
  default:                                                                  return dmg_buf_printf( out, "%s%.*s", pre->s, DMG_SPAN_F( t->name ) );
  }
}

static dmg_err_t type_expr( dmg_buf_t * out, dmg_type_t const * t ) {
  switch( t->kind ) {
  case DMG_TYPE_FIXED: return dmg_buf_printf( out, "t.fixed(%u)", t->n );
  case DMG_TYPE_BYTES: return dmg_buf_printf( out, "t.bytes(%u)", t->n );
  case DMG_TYPE_STR:   return dmg_buf_printf( out, "t.str(%u)", t->n );
  case DMG_TYPE_LIST:
    DMG_TRY( dmg_buf_printf( out, "t.list(" ) );
    DMG_TRY( type_expr( out, t->elem ) );
    return dmg_buf_printf( out, ", %u)", t->n );
  case DMG_TYPE_MAP:
    DMG_TRY( dmg_buf_printf( out, "t.map(" ) );
    DMG_TRY( type_expr( out, t->elem ) );
    DMG_TRY( dmg_buf_printf( out, ", " ) );
    DMG_TRY( type_expr( out, t->val ) );
    return dmg_buf_printf( out, ", %u)", t->n );
  case DMG_TYPE_OPTION:
    DMG_TRY( dmg_buf_printf( out, "t.option(" ) );
    DMG_TRY( type_expr( out, t->elem ) );
    return dmg_buf_printf( out, ")" );
  case DMG_TYPE_STRUCT: case DMG_TYPE_ENUM: return dmg_buf_printf( out, "%.*s", DMG_SPAN_F( t->name ) );
  default:             return dmg_buf_printf( out, "t.%s", dmg_type_kind_name( t->kind ) );
  }
}

static dmg_err_t doc( dmg_buf_t * out, dmg_span_t text, char const * indent ) {
  if( !text.sz ) return DMG_OK;
  DMG_TRY( dmg_buf_printf( out, "%s/** ", indent ) );
  for( size_t i = 0; i<text.sz; i++ ) {
    if( text.p[ i ]=='\n' ) DMG_TRY( dmg_buf_printf( out, "\n%s * ", indent ) );
    else if( text.p[ i ]=='/' && i && text.p[ i-1 ]=='*' ) DMG_TRY( dmg_buf_printf( out, " /" ) );
    else DMG_TRY( dmg_buf_append( out, text.p+i, 1 ) );
  }
  return dmg_buf_printf( out, " */\n" );
}

static dmg_err_t string( dmg_buf_t * out, dmg_span_t s ) {
  DMG_TRY( dmg_buf_append( out, "\"", 1 ) );
  for( size_t i = 0; i<s.sz; i++ ) {
    if( s.p[ i ]=='"' || s.p[ i ]=='\\' ) DMG_TRY( dmg_buf_append( out, "\\", 1 ) );
    if( s.p[ i ]=='\n' ) DMG_TRY( dmg_buf_append( out, "\\n", 2 ) );
    else DMG_TRY( dmg_buf_append( out, s.p+i, 1 ) );
  }
  return dmg_buf_append( out, "\"", 1 );
}

/* head { fields } tail, on one line or, where it does not fit, a line a field; indent: of the line it ends. */
static dmg_err_t fields_of( dmg_buf_t * out, size_t line_start, dmg_type_t const * t, char const * indent, char const * tail ) {
  size_t from = out->sz;
  uint32_t cnt = 0;
  for( uint32_t i = 0; i<t->field_cnt; i++ ) cnt += t->fields[ i ].name.sz!=0;   /* the later fields of an extensible struct have none */
  if( !cnt ) return dmg_buf_printf( out, "{}%s", tail );
  for( int is_long = 0; is_long<2; is_long++ ) {
    out->sz = from;
    DMG_TRY( dmg_buf_printf( out, is_long ? "{\n" : "{ " ) );
    uint32_t n = 0;
    for( uint32_t i = 0; i<t->field_cnt; i++ ) {
      if( !t->fields[ i ].name.sz ) continue;
      if( is_long ) DMG_TRY( dmg_buf_printf( out, "%s  ", indent ) );
      DMG_TRY( dmg_buf_printf( out, "%s%.*s: ", !is_long && n ? ", " : "", DMG_SPAN_F( t->fields[ i ].name ) ) );
      DMG_TRY( type_expr( out, t->fields[ i ].type ) );
      if( is_long ) DMG_TRY( dmg_buf_printf( out, ",\n" ) );
      n++;
    }
    DMG_TRY( is_long ? dmg_buf_printf( out, "%s}%s", indent, tail ) : dmg_buf_printf( out, " }%s", tail ) );
    if( out->sz-line_start-strlen( strchrnul( tail, '\n' ) )<=WIDTH ) return DMG_OK;
  }
  return DMG_OK;
}

static dmg_err_t members( dmg_buf_t * out, prefix_t const * pre, dmg_type_t const * t ) {
  for( uint32_t i = 0; i<t->field_cnt; i++ ) {
    if( !t->fields[ i ].name.sz ) continue;
    DMG_TRY( dmg_buf_printf( out, "  readonly %.*s: ", DMG_SPAN_F( t->fields[ i ].name ) ) );
    DMG_TRY( type_name( out, pre, t->fields[ i ].type ) );
    DMG_TRY( dmg_buf_printf( out, ";\n" ) );
  }
  return DMG_OK;
}

static dmg_err_t named( dmg_buf_t * out, prefix_t const * pre, dmg_type_t const * t ) {
  if( t->kind==DMG_TYPE_STRUCT ) {
    dmg_type_t const * later = t->is_open && t->field_cnt && !t->fields[ t->field_cnt-1 ].name.sz ? t->fields[ t->field_cnt-1 ].type : NULL;
    DMG_TRY( dmg_buf_printf( out, "export interface %s%.*s {\n", pre->s, DMG_SPAN_F( t->name ) ) );
    DMG_TRY( members( out, pre, t ) );
    if( later ) DMG_TRY( members( out, pre, later ) );
    DMG_TRY( dmg_buf_printf( out, "}\n" ) );
    size_t start = out->sz;
    DMG_TRY( dmg_buf_printf( out, "const %.*s = t.%s<%s%.*s>(\"%.*s\", ", DMG_SPAN_F( t->name ), t->is_open ? "extensible" : "struct", pre->s, DMG_SPAN_F( t->name ), DMG_SPAN_F( t->name ) ) );
    if( !t->is_open ) return fields_of( out, start, t, "", ");\n\n" );
    static dmg_type_t const none = { .kind = DMG_TYPE_STRUCT };
    DMG_TRY( fields_of( out, start, t, "", ", " ) );
    return fields_of( out, start, later ? later : &none, "", ");\n\n" );
  }
  bool is_plain = true;
  for( uint32_t i = 0; i<t->variant_cnt; i++ ) is_plain = is_plain && !t->variants[ i ].type;
  DMG_TRY( dmg_buf_printf( out, "const %.*s = t.%s(\"%.*s\", %s", DMG_SPAN_F( t->name ), t->is_open ? "open" : is_plain ? "names" : "enum", DMG_SPAN_F( t->name ), is_plain ? "[" : "{" ) );
  for( uint32_t i = 0; i<t->variant_cnt; i++ ) {
    if( i ) DMG_TRY( dmg_buf_printf( out, ", " ) );
    if( is_plain ) { DMG_TRY( dmg_buf_printf( out, "\"%.*s\"", DMG_SPAN_F( t->variants[ i ].name ) ) ); continue; }
    DMG_TRY( dmg_buf_printf( out, "%.*s: { tag: %u, type: ", DMG_SPAN_F( t->variants[ i ].name ), t->variants[ i ].tag ) );
    if( t->variants[ i ].type ) DMG_TRY( type_expr( out, t->variants[ i ].type ) );
    else DMG_TRY( dmg_buf_printf( out, "null" ) );
    DMG_TRY( dmg_buf_printf( out, " }" ) );
  }
  return dmg_buf_printf( out, "%s);\nexport type %s%.*s = typeof %.*s extends Type<infer V> ? V : never;\n\n", is_plain ? "] as const" : "}", pre->s, DMG_SPAN_F( t->name ), DMG_SPAN_F( t->name ) );
}

/* Does some type below t use this kind? */
static bool uses( dmg_type_t const * t, dmg_type_kind_t kind ) {
  if( t->kind==kind ) return true;
  if( t->elem && uses( t->elem, kind ) ) return true;
  if( t->val && uses( t->val, kind ) ) return true;
  for( uint32_t i = 0; i<t->field_cnt; i++ ) if( uses( t->fields[ i ].type, kind ) ) return true;
  for( uint32_t i = 0; i<t->variant_cnt; i++ ) if( t->variants[ i ].type && uses( t->variants[ i ].type, kind ) ) return true;
  return false;
}

static bool reaches( dmg_type_t const * from, dmg_type_t const * t ) {
  if( from==t ) return true;
  if( from->elem && reaches( from->elem, t ) ) return true;
  if( from->val && reaches( from->val, t ) ) return true;
  for( uint32_t i = 0; i<from->field_cnt; i++ ) if( reaches( from->fields[ i ].type, t ) ) return true;
  for( uint32_t i = 0; i<from->variant_cnt; i++ ) if( from->variants[ i ].type && reaches( from->variants[ i ].type, t ) ) return true;
  return false;
}

/* Calls need only the types of their arguments. */
static bool is_needed( dmic_unit_t const * u, dmg_type_t const * t ) {
  for( uint32_t i = 0; i<u->abi.call_cnt; i++ ) if( reaches( u->abi.calls[ i ].args, t ) ) return true;
  return false;
}

dmg_err_t dmic_emit_ts( dmic_unit_t const * u, dmg_buf_t * out ) {
  dmg_abi_t const * a = &u->abi;
  prefix_t const pre = prefix_of( a );
  bool has_address = false, has_hash = false, has_asset = false, has_enum = false;
  for( uint32_t i = 0; i<u->types.n; i++ ) {
    if( !is_needed( u, u->types.v[ i ] ) ) continue;
    has_enum = has_enum || u->types.v[ i ]->kind==DMG_TYPE_ENUM;
    if( u->types.v[ i ]->kind!=DMG_TYPE_STRUCT ) continue;
    has_address = has_address || uses( u->types.v[ i ], DMG_TYPE_ADDRESS );
    has_hash    = has_hash    || uses( u->types.v[ i ], DMG_TYPE_HASH );
    has_asset   = has_asset   || uses( u->types.v[ i ], DMG_TYPE_ASSET );
  }
  DMG_TRY( dmg_buf_printf( out, "/* Module %.*s %u.%u.%u: the calls that a transaction can make. Made by `dmic gen --ts`, do not edit. */\n", DMG_SPAN_F( a->name ), a->version.major, a->version.minor, a->version.patch ) );
  if( has_address || has_hash )
    DMG_TRY( dmg_buf_printf( out, "import type { %s%s%s } from \"../bytes.js\";\n", has_address ? "Address" : "", has_address && has_hash ? ", " : "", has_hash ? "Hash" : "" ) );
  if( has_asset ) DMG_TRY( dmg_buf_printf( out, "import type { Asset } from \"../transaction.js\";\n" ) );
  DMG_TRY( dmg_buf_printf( out, "import { call, defineModule, t%s } from \"../schema.js\";\n\n", has_enum ? ", type Type" : "" ) );
  for( uint32_t i = 0; i<u->types.n; i++ ) if( is_needed( u, u->types.v[ i ] ) ) DMG_TRY( named( out, &pre, u->types.v[ i ] ) );
  DMG_TRY( doc( out, u->box->doc, "" ) );
  DMG_TRY( dmg_buf_printf( out, "export const %.*s = defineModule(%u, \"%.*s\", {\n", DMG_SPAN_F( a->name ), a->module, DMG_SPAN_F( a->name ) ) );
  for( uint32_t i = 0; i<a->call_cnt; i++ ) {
    if( !( a->calls[ i ].auth&~( 1u<<DMG_ROLE_MODULE | 1u<<DMG_ROLE_HOOK ) ) ) continue;   /* nobody signs these */
    DMG_TRY( doc( out, u->call_docs[ i ], "  " ) );
    size_t start = out->sz;
    DMG_TRY( dmg_buf_printf( out, "  %.*s: call(%u, ", DMG_SPAN_F( a->calls[ i ].name ), a->calls[ i ].id ) );
    DMG_TRY( string( out, a->calls[ i ].says ) );
    DMG_TRY( dmg_buf_printf( out, ", " ) );
    DMG_TRY( fields_of( out, start, a->calls[ i ].args, "  ", "),\n" ) );
  }
  return dmg_buf_printf( out, "});\n" );
}
