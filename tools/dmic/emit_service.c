/* emit_service: one source of the JSON-RPC methods (F0.1) as the C table that dispatches and discovers, as types of the
   TypeScript client, as the reference page. */
#include "dmic.h"

static bool is_named( dmi_type_t const * t, char const * name ) { return t->form==DMI_T_NAME && dmg_span_eq( t->name, dmg_span_cstr( name ) ); }

/* What an alias stands for. */
static dmi_type_t const * plain( dmic_service_t const * s, dmi_type_t const * t, dmi_def_t const ** out_def ) {
  *out_def = NULL;
  while( t->form==DMI_T_NAME ) {
    dmi_def_t const * def = dmic_service_def( s, t->name );
    *out_def = def;
    if( !def || def->kind!=DMI_DEF_ALIAS ) break;
    t = def->type;
  }
  return t;
}

/* doc as one line. */
static dmg_err_t line( dmg_buf_t * out, dmg_span_t doc ) {
  for( size_t i = 0; i<doc.sz; i++ ) DMG_TRY( dmg_buf_append( out, doc.p[ i ]=='\n' ? (uint8_t const *)" " : doc.p+i, 1 ) );
  return DMG_OK;
}

/* A C or JSON string, quotes included; a doc's lines become one. */
static dmg_err_t quoted( dmg_buf_t * out, dmg_span_t s ) {
  DMG_TRY( dmg_buf_append( out, "\"", 1 ) );
  for( size_t i = 0; i<s.sz; i++ ) {
    if( s.p[ i ]=='"' || s.p[ i ]=='\\' ) DMG_TRY( dmg_buf_append( out, "\\", 1 ) );
    DMG_TRY( dmg_buf_append( out, s.p[ i ]=='\n' ? (uint8_t const *)" " : s.p+i, 1 ) );
  }
  return dmg_buf_append( out, "\"", 1 );
}

/* ---- JSON Schema ---- */

static dmg_err_t schema( dmic_service_t const * s, dmg_buf_t * out, dmi_type_t const * t, bool is_param );

static dmg_err_t members( dmic_service_t const * s, dmg_buf_t * out, dmi_fields_t const * f, dmg_span_t kind ) {
  uint32_t cnt = 0;
  DMG_TRY( dmg_buf_printf( out, "{\"type\":\"object\",\"properties\":{" ) );
  if( kind.sz ) { DMG_TRY( dmg_buf_printf( out, "\"kind\":{\"const\":\"%.*s\"}", DMG_SPAN_F( kind ) ) ); cnt++; }
  for( uint32_t i = 0; i<f->n; i++ ) {
    DMG_TRY( dmg_buf_printf( out, "%s\"%.*s\":", cnt++ ? "," : "", DMG_SPAN_F( f->v[ i ].name ) ) );
    /* What is absent may also be written as null. */
    if( f->v[ i ].type->is_opt ) DMG_TRY( dmg_buf_printf( out, "{\"anyOf\":[{\"type\":\"null\"}," ) );
    DMG_TRY( schema( s, out, f->v[ i ].type, false ) );
    if( f->v[ i ].type->is_opt ) DMG_TRY( dmg_buf_printf( out, "]}" ) );
  }
  DMG_TRY( dmg_buf_printf( out, "},\"required\":[" ) );
  cnt = 0;
  if( kind.sz ) { DMG_TRY( dmg_buf_printf( out, "\"kind\"" ) ); cnt++; }
  for( uint32_t i = 0; i<f->n; i++ ) if( !f->v[ i ].type->is_opt ) DMG_TRY( dmg_buf_printf( out, "%s\"%.*s\"", cnt++ ? "," : "", DMG_SPAN_F( f->v[ i ].name ) ) );
  return dmg_buf_printf( out, "]}" );
}

/* Requests take either case of hex and every form of an account (F0.3); answers have one. */
static dmg_err_t schema( dmic_service_t const * s, dmg_buf_t * out, dmi_type_t const * t, bool is_param ) {
  char const * hex = is_param ? "[0-9a-fA-F]" : "[0-9a-f]";
  switch( t->form ) {
  case DMI_T_FIXED: return dmg_buf_printf( out, "{\"type\":\"string\",\"pattern\":\"^0x(%s{2}){%llu}$\"}", hex, (unsigned long long)dmic_service_num( s, &t->num ) );
  case DMI_T_BYTES: return dmg_buf_printf( out, "{\"type\":\"string\",\"pattern\":\"^0x(%s{2})*$\",\"maxLength\":%llu}", hex, 2+2*(unsigned long long)dmic_service_num( s, &t->num ) );
  case DMI_T_STR:   return dmg_buf_printf( out, "{\"type\":\"string\",\"maxLength\":%llu}", (unsigned long long)dmic_service_num( s, &t->num ) );
  case DMI_T_LIST:
    DMG_TRY( dmg_buf_printf( out, "{\"type\":\"array\",\"maxItems\":%llu,\"items\":", (unsigned long long)dmic_service_num( s, &t->num ) ) );
    DMG_TRY( schema( s, out, t->a, is_param ) );
    return dmg_buf_printf( out, "}" );
  case DMI_T_NAME:
    if( is_named( t, "Json" ) )     return dmg_buf_printf( out, "true" );
    if( is_named( t, "Object" ) )   return dmg_buf_printf( out, "{\"type\":\"object\"}" );
    if( is_named( t, "NameOrId" ) ) return dmg_buf_printf( out, "{\"type\":[\"string\",\"integer\"]}" );
    return dmg_buf_printf( out, "{\"$ref\":\"#/components/schemas/%.*s\"}", DMG_SPAN_F( t->name ) );
  default: break;
  }
  switch( t->prim ) {
  case DMG_TYPE_BOOL: return dmg_buf_printf( out, "{\"type\":\"boolean\"}" );
  case DMG_TYPE_U8:   return dmg_buf_printf( out, "{\"type\":\"integer\",\"minimum\":0,\"maximum\":255}" );
  case DMG_TYPE_U16:  return dmg_buf_printf( out, "{\"type\":\"integer\",\"minimum\":0,\"maximum\":65535}" );
  case DMG_TYPE_U32:  return dmg_buf_printf( out, "{\"type\":\"integer\",\"minimum\":0,\"maximum\":4294967295}" );
  case DMG_TYPE_I8: case DMG_TYPE_I16: case DMG_TYPE_I32: return dmg_buf_printf( out, "{\"type\":\"integer\"}" );
  case DMG_TYPE_I64: case DMG_TYPE_I128: return dmg_buf_printf( out, "{\"type\":\"string\",\"pattern\":\"^(0|-?[1-9][0-9]*)$\"}" );
  case DMG_TYPE_HASH: return dmg_buf_printf( out, "{\"type\":\"string\",\"pattern\":\"^0x%s{64}$\"}", hex );
  case DMG_TYPE_ADDRESS:
    if( is_param ) return dmg_buf_printf( out, "{\"type\":\"string\",\"pattern\":\"^(demiurge:[0-9a-f]{32}:)?dmg1[02-9ac-hj-np-z]+$\"}" );
    return dmg_buf_printf( out, "{\"type\":\"string\",\"pattern\":\"^dmg1[02-9ac-hj-np-z]{58}$\"}" );
  default: return dmg_buf_printf( out, "{\"type\":\"string\",\"pattern\":\"^(0|[1-9][0-9]*)$\"}" );
  }
}

static dmg_err_t def_schema( dmic_service_t const * s, dmg_buf_t * out, dmi_def_t const * def ) {
  if( def->kind==DMI_DEF_ALIAS )  return schema( s, out, def->type, false );
  if( def->kind==DMI_DEF_STRUCT ) return members( s, out, &def->fields, dmg_span( NULL, 0 ) );
  bool is_word = dmic_service_is_word( def );
  DMG_TRY( dmg_buf_printf( out, is_word ? "{\"enum\":[" : "{\"oneOf\":[" ) );
  for( uint32_t i = 0; i<def->variants.n; i++ ) {
    dmi_variant_t const * v = def->variants.v+i;
    static dmi_fields_t const none = { 0 };
    if( i ) DMG_TRY( dmg_buf_append( out, ",", 1 ) );
    if( is_word ) DMG_TRY( quoted( out, v->name ) );
    else          DMG_TRY( members( s, out, v->type ? &dmic_service_def( s, v->type->name )->fields : &none, v->name ) );
  }
  return dmg_buf_printf( out, "]}" );
}

/* ---- C ---- */

static dmg_err_t c_schema( dmic_service_t const * s, dmg_buf_t * out, dmi_type_t const * t, bool is_param ) {
  dmg_buf_t json = dmg_buf( 1u<<20 );
  dmg_err_t err = schema( s, &json, t, is_param );
  if( !err ) err = quoted( out, dmg_buf_span( &json ) );
  dmg_buf_fini( &json );
  return err;
}

static dmg_err_t c_name( dmg_buf_t * out, dmg_span_t method ) {
  char name[ 2*DMIC_METHOD_NAME_MAX+2 ];
  dmic_snake( method, name, sizeof name );
  for( char * c = name; *c; c++ ) if( *c=='.' ) *c = '_';
  return dmg_buf_printf( out, "dmg_rpc_do_%s", name );
}

dmg_err_t dmic_emit_rpc_h( dmic_service_t const * s, dmg_buf_t * out ) {
  char a[ 140 ], b[ 140 ];
  DMG_TRY( dmg_buf_printf( out, "/* Made by `dmic gen --rpc-h` from %.*s.dmi, do not edit. */\n#ifndef DMG_RPC_GEN_H\n#define DMG_RPC_GEN_H\n\n#include <stdbool.h>\n\n", DMG_SPAN_F( s->name ) ) );
  DMG_TRY( dmg_buf_printf( out, "/* JSON-RPC and our own codes (F4.1). */\nenum {\n" ) );
  for( uint32_t i = 0; i<s->faults.n; i++ ) {
    dmic_upper( s->faults.v[ i ]->name, a, sizeof a );
    DMG_TRY( dmg_buf_printf( out, "  DMG_RPC_%s = -%llu,\n", a, (unsigned long long)s->faults.v[ i ]->id ) );
  }
  DMG_TRY( dmg_buf_printf( out, "};\n\nenum { DMG_RPC_METHOD_CNT = %u };\n\n", s->methods.n ) );
  for( uint32_t i = 0; i<s->defs.n; i++ ) {
    dmi_def_t const * def = s->defs.v[ i ];
    if( !dmic_service_is_word( def ) ) continue;
    dmic_upper( def->name, a, sizeof a );
    DMG_TRY( dmg_buf_printf( out, "enum {" ) );
    for( uint32_t k = 0; k<def->variants.n; k++ ) {
      dmic_upper( def->variants.v[ k ].name, b, sizeof b );
      DMG_TRY( dmg_buf_printf( out, "%s DMG_RPC_%s__%s", k ? "," : "", a, b ) );
    }
    DMG_TRY( dmg_buf_printf( out, " };\n" ) );
  }
  DMG_TRY( dmg_buf_printf( out, "\ntypedef struct dmg_rpc_call dmg_rpc_call_t;\n/* One handler a method: without it nothing links, and without its method it has no prototype. */\n" ) );
  for( uint32_t i = 0; i<s->methods.n; i++ ) {
    DMG_TRY( dmg_buf_printf( out, "bool " ) );
    DMG_TRY( c_name( out, s->methods.v[ i ]->name ) );
    DMG_TRY( dmg_buf_printf( out, "( dmg_rpc_call_t * call );\n" ) );
  }
  return dmg_buf_printf( out, "\n#endif\n" );
}

/* How a parameter is written, by the names of DMG_RPC_FORM_TABLE (method.h). */
static char const * form_of( dmi_type_t const * t, dmi_def_t const * def ) {
  switch( t->form ) {
  case DMI_T_FIXED: case DMI_T_BYTES: return "HEX";
  case DMI_T_STR:                     return "STRING";
  case DMI_T_LIST:                    return "LIST";
  case DMI_T_NAME:
    if( is_named( t, "At" ) )       return "AT";
    if( is_named( t, "NameOrId" ) ) return "NAME_ID";
    if( is_named( t, "Json" ) )     return "ANY";
    return def && dmic_service_is_word( def ) ? "WORD" : "OBJECT";
  default: break;
  }
  switch( t->prim ) {
  case DMG_TYPE_BOOL:                                    return "BOOL";
  case DMG_TYPE_HASH:                                    return "HASH";
  case DMG_TYPE_ADDRESS:                                 return "ACCOUNT";
  case DMG_TYPE_U8: case DMG_TYPE_U16: case DMG_TYPE_U32: return "U32";
  case DMG_TYPE_U64: case DMG_TYPE_AMOUNT:               return "U64";
  default:                                               return "ANY";   /* the handler's to read */
  }
}

static dmg_err_t c_method( dmic_service_t const * s, dmg_buf_t * out, dmi_fn_t const * f ) {
  DMG_TRY( dmg_buf_printf( out, "  { .name = \"%.*s\", .summary = ", DMG_SPAN_F( f->name ) ) );
  DMG_TRY( quoted( out, f->doc ) );
  DMG_TRY( dmg_buf_printf( out, ",\n    .class = '%.*s', .cost = %llu, .is_dev = %s, .handler = ", DMG_SPAN_F( f->klass ), (unsigned long long)dmic_service_num( s, &f->gas ), f->auth.n ? "true" : "false" ) );
  DMG_TRY( c_name( out, f->name ) );
  DMG_TRY( dmg_buf_printf( out, ",\n    .example = " ) );
  DMG_TRY( quoted( out, f->example ) );
  DMG_TRY( dmg_buf_printf( out, ",\n    .result = " ) );
  DMG_TRY( c_schema( s, out, f->ret, false ) );
  DMG_TRY( dmg_buf_printf( out, ",\n    .param = {" ) );
  for( uint32_t i = 0; i<f->params.n; i++ ) {
    dmi_field_t const * p = f->params.v+i;
    dmi_def_t const * def;
    dmi_type_t const * t = plain( s, p->type, &def );
    char const * form = form_of( t, def );
    DMG_TRY( dmg_buf_printf( out, "\n      { \"%.*s\", DMG_RPC_FORM_%s, %s, ", DMG_SPAN_F( p->name ), form, p->type->is_opt ? "false" : "true" ) );
    DMG_TRY( quoted( out, p->doc ) );
    DMG_TRY( dmg_buf_printf( out, ", " ) );
    DMG_TRY( c_schema( s, out, p->type, true ) );
    if( strcmp( form, "WORD" ) ) DMG_TRY( dmg_buf_printf( out, ", NULL }," ) );
    else                         DMG_TRY( dmg_buf_printf( out, ", words_%.*s },", DMG_SPAN_F( def->name ) ) );
  }
  return dmg_buf_printf( out, f->params.n ? " } },\n" : " { .name = NULL } } },\n" );
}

dmg_err_t dmic_emit_rpc_c( dmic_service_t const * s, dmg_buf_t * out ) {
  DMG_TRY( dmg_buf_printf( out, "/* Made by `dmic gen --rpc-c` from %.*s.dmi, do not edit. */\n#include \"rpc/method.h\"\n\n_Static_assert( DMG_RPC_PARAM_MAX>=%u, \"parameters\" );\n\n", DMG_SPAN_F( s->name ), DMIC_PARAM_MAX ) );
  DMG_TRY( dmg_buf_printf( out, "dmg_rpc_code_t const dmg_rpc_code_tab[] = {\n" ) );
  for( uint32_t i = 0; i<s->faults.n; i++ )
    DMG_TRY( dmg_buf_printf( out, "  { -%llu, \"%.*s\", %llu, %s },\n", (unsigned long long)s->faults.v[ i ]->id, DMG_SPAN_F( s->faults.v[ i ]->name ), (unsigned long long)s->faults.v[ i ]->http, s->faults.v[ i ]->is_retry ? "true" : "false" ) );
  DMG_TRY( dmg_buf_printf( out, "};\nuint32_t const dmg_rpc_code_cnt = %u;\n\n", s->faults.n ) );
  for( uint32_t i = 0; i<s->defs.n; i++ ) {
    dmi_def_t const * def = s->defs.v[ i ];
    bool is_used = false;
    for( uint32_t m = 0; m<s->methods.n; m++ )
      for( uint32_t p = 0; p<s->methods.v[ m ]->params.n; p++ ) {
        dmi_def_t const * of;
        (void)plain( s, s->methods.v[ m ]->params.v[ p ].type, &of );
        is_used = is_used || ( of && of==def );
      }
    if( !is_used || !dmic_service_is_word( def ) ) continue;
    DMG_TRY( dmg_buf_printf( out, "static char const * const words_%.*s[] = {", DMG_SPAN_F( def->name ) ) );
    for( uint32_t k = 0; k<def->variants.n; k++ ) DMG_TRY( dmg_buf_printf( out, " \"%.*s\",", DMG_SPAN_F( def->variants.v[ k ].name ) ) );
    DMG_TRY( dmg_buf_printf( out, " NULL };\n" ) );
  }
  DMG_TRY( dmg_buf_printf( out, "\ndmg_method_t const dmg_rpc_method_tab[] = {\n" ) );
  for( uint32_t i = 0; i<s->methods.n; i++ ) DMG_TRY( c_method( s, out, s->methods.v[ i ] ) );
  DMG_TRY( dmg_buf_printf( out, "};\n\nchar const dmg_rpc_schemas[] =\n  \"\\\"At\\\":{\\\"oneOf\\\":[{\\\"enum\\\":[\\\"head\\\",\\\"final\\\"]},"
    "{\\\"type\\\":\\\"object\\\",\\\"properties\\\":{\\\"height\\\":{\\\"type\\\":\\\"string\\\",\\\"pattern\\\":\\\"^(0|[1-9][0-9]*)$\\\"}},\\\"required\\\":[\\\"height\\\"],\\\"additionalProperties\\\":false},"
    "{\\\"type\\\":\\\"object\\\",\\\"properties\\\":{\\\"hash\\\":{\\\"type\\\":\\\"string\\\",\\\"pattern\\\":\\\"^0x[0-9a-fA-F]{64}$\\\"}},\\\"required\\\":[\\\"hash\\\"],\\\"additionalProperties\\\":false}]}\"\n" ) );
  for( uint32_t i = 0; i<s->defs.n; i++ ) {
    dmg_buf_t json = dmg_buf( 1u<<20 );
    dmg_err_t err = dmg_buf_printf( &json, ",\"%.*s\":", DMG_SPAN_F( s->defs.v[ i ]->name ) );
    if( !err ) err = def_schema( s, &json, s->defs.v[ i ] );
    if( !err ) err = dmg_buf_printf( out, "  " );
    if( !err ) err = quoted( out, dmg_buf_span( &json ) );
    dmg_buf_fini( &json );
    DMG_TRY( err );
    DMG_TRY( dmg_buf_printf( out, "\n" ) );
  }
  return dmg_buf_printf( out, "  ;\n" );
}

/* ---- TypeScript: the shapes on the wire ---- */

static dmg_err_t ts_type( dmic_service_t const * s, dmg_buf_t * out, dmi_type_t const * t ) {
  switch( t->form ) {
  case DMI_T_FIXED: case DMI_T_BYTES: return dmg_buf_printf( out, "Hex" );
  case DMI_T_STR:                     return dmg_buf_printf( out, "string" );
  case DMI_T_LIST:
    DMG_TRY( dmg_buf_printf( out, "readonly " ) );
    DMG_TRY( ts_type( s, out, t->a ) );
    return dmg_buf_printf( out, "[]" );
  case DMI_T_NAME:
    if( is_named( t, "Object" ) ) return dmg_buf_printf( out, "JsonObject" );
    return dmg_buf_printf( out, "%.*s", DMG_SPAN_F( t->name ) );
  default: break;
  }
  switch( t->prim ) {
  case DMG_TYPE_BOOL:                          return dmg_buf_printf( out, "boolean" );
  case DMG_TYPE_HASH:                          return dmg_buf_printf( out, "Hex" );
  case DMG_TYPE_ADDRESS:                       return dmg_buf_printf( out, "string" );
  case DMG_TYPE_U64: case DMG_TYPE_U128: case DMG_TYPE_I64: case DMG_TYPE_I128: case DMG_TYPE_AMOUNT: return dmg_buf_printf( out, "Decimal" );
  default:                                     return dmg_buf_printf( out, "number" );
  }
}

static dmg_err_t ts_doc( dmg_buf_t * out, dmg_span_t doc, char const * indent ) {
  if( !doc.sz ) return DMG_OK;
  DMG_TRY( dmg_buf_printf( out, "%s/** ", indent ) );
  DMG_TRY( line( out, doc ) );
  return dmg_buf_printf( out, " */\n" );
}

static dmg_err_t ts_fields( dmic_service_t const * s, dmg_buf_t * out, dmi_fields_t const * f, char const * indent, bool has_null ) {
  for( uint32_t i = 0; i<f->n; i++ ) {
    DMG_TRY( ts_doc( out, f->v[ i ].doc, indent ) );
    DMG_TRY( dmg_buf_printf( out, "%sreadonly %.*s%s: ", indent, DMG_SPAN_F( f->v[ i ].name ), f->v[ i ].type->is_opt ? "?" : "" ) );
    DMG_TRY( ts_type( s, out, f->v[ i ].type ) );
    DMG_TRY( dmg_buf_printf( out, has_null && f->v[ i ].type->is_opt ? " | null;\n" : ";\n" ) );
  }
  return DMG_OK;
}

static dmg_err_t ts_def( dmic_service_t const * s, dmg_buf_t * out, dmi_def_t const * def ) {
  DMG_TRY( ts_doc( out, def->doc, "" ) );
  if( def->kind==DMI_DEF_STRUCT ) {
    DMG_TRY( dmg_buf_printf( out, "export interface %.*s {\n", DMG_SPAN_F( def->name ) ) );
    DMG_TRY( ts_fields( s, out, &def->fields, "  ", true ) );
    return dmg_buf_printf( out, "}\n\n" );
  }
  size_t start = out->sz;
  DMG_TRY( dmg_buf_printf( out, "export type %.*s =", DMG_SPAN_F( def->name ) ) );
  if( def->kind==DMI_DEF_ALIAS ) {
    DMG_TRY( dmg_buf_append( out, " ", 1 ) );
    DMG_TRY( ts_type( s, out, def->type ) );
    return dmg_buf_printf( out, ";\n\n" );
  }
  /* On one line where the formatter of the SDK would put it there. */
  size_t head = out->sz;
  for( int is_long = 0; is_long<2; is_long++ ) {
    out->sz = head;
    for( uint32_t i = 0; i<def->variants.n; i++ ) {
      dmi_variant_t const * v = def->variants.v+i;
      DMG_TRY( dmg_buf_printf( out, is_long ? "\n  | " : i ? " | " : " " ) );
      if( dmic_service_is_word( def ) ) DMG_TRY( dmg_buf_printf( out, "\"%.*s\"", DMG_SPAN_F( v->name ) ) );
      else if( !v->type )               DMG_TRY( dmg_buf_printf( out, "{ readonly kind: \"%.*s\" }", DMG_SPAN_F( v->name ) ) );
      else                              DMG_TRY( dmg_buf_printf( out, "({ readonly kind: \"%.*s\" } & %.*s)", DMG_SPAN_F( v->name ), DMG_SPAN_F( v->type->name ) ) );
    }
    if( out->sz-start+1<=120 ) break;
  }
  return dmg_buf_printf( out, ";\n\n" );
}

static dmg_err_t ts_fn( dmic_service_t const * s, dmg_buf_t * out, dmi_fn_t const * f, char const * what, char const * result ) {
  bool is_dotted = memchr( f->name.p, '.', f->name.sz )!=NULL;
  DMG_TRY( ts_doc( out, f->doc, "  " ) );
  DMG_TRY( dmg_buf_printf( out, "  readonly %s%.*s%s: {\n", is_dotted ? "\"" : "", DMG_SPAN_F( f->name ), is_dotted ? "\"" : "" ) );
  if( f->params.n ) {
    DMG_TRY( dmg_buf_printf( out, "    readonly %s: {\n", what ) );
    DMG_TRY( ts_fields( s, out, &f->params, "      ", false ) );
    DMG_TRY( dmg_buf_printf( out, "    };\n" ) );
  } else DMG_TRY( dmg_buf_printf( out, "    readonly %s: Record<string, never>;\n", what ) );
  DMG_TRY( dmg_buf_printf( out, "    readonly %s: ", result ) );
  DMG_TRY( ts_type( s, out, f->ret ) );
  return dmg_buf_printf( out, ";\n  };\n" );
}

dmg_err_t dmic_emit_rpc_ts( dmic_service_t const * s, dmg_buf_t * out ) {
  DMG_TRY( dmg_buf_printf( out, "/* The node's JSON-RPC interface as it is on the wire. Made by `dmic gen --rpc-ts` from %.*s.dmi, do not edit. */\n"
    "import type { Hex } from \"@demiurge/codec\";\nimport type { Json, JsonObject } from \"../json.js\";\n\n"
    "/** u64, u128 and i64 as decimal text (F0.2). */\nexport type Decimal = string;\n\n"
    "/** Which state or block (F0.4). */\nexport type At = \"head\" | \"final\" | { readonly height: Decimal } | { readonly hash: Hex };\n\n"
    "/** A name, or the number it stands for. */\nexport type NameOrId = string | number;\n\n", DMG_SPAN_F( s->name ) ) );
  for( uint32_t i = 0; i<s->defs.n; i++ ) DMG_TRY( ts_def( s, out, s->defs.v[ i ] ) );
  DMG_TRY( dmg_buf_printf( out, "/** Every method: its parameters by name, and its result. */\nexport interface Methods {\n" ) );
  for( uint32_t i = 0; i<s->methods.n; i++ ) DMG_TRY( ts_fn( s, out, s->methods.v[ i ], "params", "result" ) );
  DMG_TRY( dmg_buf_printf( out, "}\n\n/** Every topic of sub_open: its filter, and its items. */\nexport interface Streams {\n" ) );
  for( uint32_t i = 0; i<s->streams.n; i++ ) DMG_TRY( ts_fn( s, out, s->streams.v[ i ], "filter", "item" ) );
  DMG_TRY( dmg_buf_printf( out, "}\n\n/** Code, name, and whether the same request may succeed later. */\nexport const ERRORS = [\n" ) );
  for( uint32_t i = 0; i<s->faults.n; i++ )
    DMG_TRY( dmg_buf_printf( out, "  [-%llu, \"%.*s\", %s],\n", (unsigned long long)s->faults.v[ i ]->id, DMG_SPAN_F( s->faults.v[ i ]->name ), s->faults.v[ i ]->is_retry ? "true" : "false" ) );
  return dmg_buf_printf( out, "] as const;\n" );
}

/* ---- The reference page ---- */

/* "|" would end a cell of a table. */
static dmg_err_t md_type( dmic_service_t const * s, dmg_buf_t * out, dmi_type_t const * t ) {
  switch( t->form ) {
  case DMI_T_FIXED: return dmg_buf_printf( out, "hex of %llu bytes", (unsigned long long)dmic_service_num( s, &t->num ) );
  case DMI_T_BYTES: return dmg_buf_printf( out, "hex" );
  case DMI_T_STR:   return dmg_buf_printf( out, "text" );
  case DMI_T_LIST:
    DMG_TRY( dmg_buf_printf( out, "list of up to %llu ", (unsigned long long)dmic_service_num( s, &t->num ) ) );
    return md_type( s, out, t->a );
  case DMI_T_NAME:  return dmg_buf_printf( out, "%.*s", DMG_SPAN_F( t->name ) );
  default:          return dmg_buf_printf( out, "%s", dmg_type_kind_name( t->prim ) );
  }
}

static dmg_err_t md_fields( dmic_service_t const * s, dmg_buf_t * out, dmi_fields_t const * f ) {
  for( uint32_t i = 0; i<f->n; i++ ) {
    DMG_TRY( dmg_buf_printf( out, "%s%.*s%s: ", i ? ", " : "", DMG_SPAN_F( f->v[ i ].name ), f->v[ i ].type->is_opt ? "?" : "" ) );
    DMG_TRY( md_type( s, out, f->v[ i ].type ) );
    if( !f->v[ i ].doc.sz ) continue;
    DMG_TRY( dmg_buf_printf( out, " (" ) );
    DMG_TRY( line( out, f->v[ i ].doc ) );
    DMG_TRY( dmg_buf_printf( out, ")" ) );
  }
  return DMG_OK;
}

dmg_err_t dmic_emit_rpc_md( dmic_service_t const * s, dmg_buf_t * out ) {
  DMG_TRY( dmg_buf_printf( out, "# JSON-RPC reference\n\nMade by `dmic gen --rpc-md` from `idl/%.*s.dmi`, do not edit; `rpc.discover` of a node says the same as OpenRPC. Rules: [interfaces.md](interfaces.md). `?`: optional, in answers absent or null. "
    "u64, u128, i64 and amount are decimal strings, hex is `0x` and lower case, smaller numbers are numbers (F0.2). At: `\"head\"`, `\"final\"`, `{\"height\":\"7\"}` or `{\"hash\":\"0x..\"}`. NameOrId: text or number. "
    "Class and cost: F3.2, F3.3. A variant with fields has them beside `kind`.\n\n## Methods\n\n| method | parameters | result | class, cost |\n|---|---|---|---|\n", DMG_SPAN_F( s->name ) ) );
  for( uint32_t i = 0; i<s->methods.n; i++ ) {
    dmi_fn_t const * f = s->methods.v[ i ];
    DMG_TRY( dmg_buf_printf( out, "| `%.*s`: ", DMG_SPAN_F( f->name ) ) );
    DMG_TRY( line( out, f->doc ) );
    DMG_TRY( dmg_buf_printf( out, " | " ) );
    DMG_TRY( md_fields( s, out, &f->params ) );
    DMG_TRY( dmg_buf_printf( out, " | " ) );
    DMG_TRY( md_type( s, out, f->ret ) );
    DMG_TRY( dmg_buf_printf( out, " | %.*s %llu%s |\n", DMG_SPAN_F( f->klass ), (unsigned long long)dmic_service_num( s, &f->gas ), f->auth.n ? ", dev" : "" ) );
  }
  DMG_TRY( dmg_buf_printf( out, "\n## Streams\n\n| topic | filter | item |\n|---|---|---|\n" ) );
  for( uint32_t i = 0; i<s->streams.n; i++ ) {
    dmi_fn_t const * f = s->streams.v[ i ];
    DMG_TRY( dmg_buf_printf( out, "| `%.*s`: ", DMG_SPAN_F( f->name ) ) );
    DMG_TRY( line( out, f->doc ) );
    DMG_TRY( dmg_buf_printf( out, " | " ) );
    DMG_TRY( md_fields( s, out, &f->params ) );
    DMG_TRY( dmg_buf_printf( out, " | " ) );
    DMG_TRY( md_type( s, out, f->ret ) );
    DMG_TRY( dmg_buf_printf( out, " |\n" ) );
  }
  DMG_TRY( dmg_buf_printf( out, "\n## Types\n\n| type | |\n|---|---|\n" ) );
  for( uint32_t i = 0; i<s->defs.n; i++ ) {
    dmi_def_t const * def = s->defs.v[ i ];
    DMG_TRY( dmg_buf_printf( out, "| %.*s | ", DMG_SPAN_F( def->name ) ) );
    if( def->kind==DMI_DEF_STRUCT )     DMG_TRY( md_fields( s, out, &def->fields ) );
    else if( def->kind==DMI_DEF_ALIAS ) DMG_TRY( md_type( s, out, def->type ) );
    else for( uint32_t k = 0; k<def->variants.n; k++ ) {
      dmi_variant_t const * v = def->variants.v+k;
      DMG_TRY( dmg_buf_printf( out, "%s%.*s", k ? ", " : "", DMG_SPAN_F( v->name ) ) );
      if( v->type ) DMG_TRY( dmg_buf_printf( out, " {%.*s}", DMG_SPAN_F( v->type->name ) ) );
    }
    if( def->doc.sz ) { DMG_TRY( dmg_buf_printf( out, ". " ) ); DMG_TRY( line( out, def->doc ) ); }
    DMG_TRY( dmg_buf_printf( out, " |\n" ) );
  }
  DMG_TRY( dmg_buf_printf( out, "\n## Errors\n\n| code | name | HTTP | retry | meaning | more in data |\n|---|---|---|---|---|---|\n" ) );
  for( uint32_t i = 0; i<s->faults.n; i++ ) {
    dmi_fault_t const * f = s->faults.v[ i ];
    DMG_TRY( dmg_buf_printf( out, "| -%llu | %.*s | %llu | %s | ", (unsigned long long)f->id, DMG_SPAN_F( f->name ), (unsigned long long)f->http, f->is_retry ? "yes" : "no" ) );
    DMG_TRY( line( out, f->doc ) );
    DMG_TRY( dmg_buf_printf( out, " | " ) );
    DMG_TRY( md_fields( s, out, &f->fields ) );
    DMG_TRY( dmg_buf_printf( out, " |\n" ) );
  }
  return DMG_OK;
}
