/* emit_json: JSON Schema (2020-12) of the arguments, results, events and faults as the JSON interfaces show them (F0.2):
   up to 32 bits numbers, wider integers decimal strings, bytes 0x-hex, enums { "kind": .. }. */
#include "dmic.h"

static dmg_err_t string( dmg_buf_t * out, dmg_span_t s ) {
  DMG_TRY( dmg_buf_append( out, "\"", 1 ) );
  for( size_t i = 0; i<s.sz; i++ ) {
    uint8_t c = s.p[ i ];
    if( c=='"' || c=='\\' ) DMG_TRY( dmg_buf_printf( out, "\\%c", c ) );
    else if( c<32 ) DMG_TRY( dmg_buf_printf( out, "\\u%04x", c ) );
    else DMG_TRY( dmg_buf_append( out, &c, 1 ) );
  }
  return dmg_buf_append( out, "\"", 1 );
}

static dmg_err_t schema( dmg_buf_t * out, dmg_type_t const * t, bool is_ref_ok );

static dmg_err_t object( dmg_buf_t * out, dmg_type_t const * t ) {
  DMG_TRY( dmg_buf_printf( out, "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{" ) );
  uint32_t cnt = 0;
  dmg_type_t const * part[ 2 ] = { t, NULL };
  if( t->is_open && t->field_cnt && !t->fields[ t->field_cnt-1 ].name.sz ) part[ 1 ] = t->fields[ t->field_cnt-1 ].type;
  for( int p = 0; p<2 && part[ p ]; p++ )
    for( uint32_t i = 0; i<part[ p ]->field_cnt; i++ ) {
      if( !part[ p ]->fields[ i ].name.sz ) continue;
      if( cnt++ ) DMG_TRY( dmg_buf_append( out, ",", 1 ) );
      DMG_TRY( string( out, part[ p ]->fields[ i ].name ) );
      DMG_TRY( dmg_buf_append( out, ":", 1 ) );
      DMG_TRY( schema( out, part[ p ]->fields[ i ].type, true ) );
    }
  DMG_TRY( dmg_buf_printf( out, "},\"required\":[" ) );
  cnt = 0;
  for( uint32_t i = 0; i<t->field_cnt; i++ ) {
    if( !t->fields[ i ].name.sz || t->fields[ i ].type->kind==DMG_TYPE_OPTION ) continue;
    if( cnt++ ) DMG_TRY( dmg_buf_append( out, ",", 1 ) );
    DMG_TRY( string( out, t->fields[ i ].name ) );
  }
  return dmg_buf_printf( out, "]}" );
}

static dmg_err_t schema( dmg_buf_t * out, dmg_type_t const * t, bool is_ref_ok ) {
  if( is_ref_ok && ( t->kind==DMG_TYPE_STRUCT || t->kind==DMG_TYPE_ENUM ) && t->name.sz ) return dmg_buf_printf( out, "{\"$ref\":\"#/$defs/%.*s\"}", DMG_SPAN_F( t->name ) );
  switch( t->kind ) {
  case DMG_TYPE_BOOL: return dmg_buf_printf( out, "{\"type\":\"boolean\"}" );
  case DMG_TYPE_U8:   return dmg_buf_printf( out, "{\"type\":\"integer\",\"minimum\":0,\"maximum\":255}" );
  case DMG_TYPE_U16:  return dmg_buf_printf( out, "{\"type\":\"integer\",\"minimum\":0,\"maximum\":65535}" );
  case DMG_TYPE_U32:  return dmg_buf_printf( out, "{\"type\":\"integer\",\"minimum\":0,\"maximum\":4294967295}" );
  case DMG_TYPE_I8:   return dmg_buf_printf( out, "{\"type\":\"integer\",\"minimum\":-128,\"maximum\":127}" );
  case DMG_TYPE_I16:  return dmg_buf_printf( out, "{\"type\":\"integer\",\"minimum\":-32768,\"maximum\":32767}" );
  case DMG_TYPE_I32:  return dmg_buf_printf( out, "{\"type\":\"integer\",\"minimum\":-2147483648,\"maximum\":2147483647}" );
  case DMG_TYPE_U64: case DMG_TYPE_U128: case DMG_TYPE_AMOUNT:
                      return dmg_buf_printf( out, "{\"type\":\"string\",\"format\":\"%s\",\"pattern\":\"^(0|[1-9][0-9]{0,38})$\"}", dmg_type_kind_name( t->kind ) );
  case DMG_TYPE_I64: case DMG_TYPE_I128:
                      return dmg_buf_printf( out, "{\"type\":\"string\",\"format\":\"%s\",\"pattern\":\"^(0|-?[1-9][0-9]{0,38})$\"}", dmg_type_kind_name( t->kind ) );
  case DMG_TYPE_ADDRESS: return dmg_buf_printf( out, "{\"type\":\"string\",\"format\":\"address\",\"pattern\":\"^dmg1[02-9ac-hj-np-z]{58}$\"}" );
  case DMG_TYPE_HASH:    return dmg_buf_printf( out, "{\"type\":\"string\",\"format\":\"hash\",\"pattern\":\"^0x[0-9a-f]{64}$\"}" );
  case DMG_TYPE_ASSET:
    return dmg_buf_printf( out, "{\"oneOf\":[{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"kind\":{\"const\":\"Cgt\"}},\"required\":[\"kind\"]},"
      "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"kind\":{\"enum\":[\"Currency\",\"Item\",\"Share\",\"Lp\"]},\"value\":{\"type\":\"string\",\"pattern\":\"^0x[0-9a-f]{64}$\"}},\"required\":[\"kind\",\"value\"]}]}" );
  case DMG_TYPE_FIXED:   return dmg_buf_printf( out, "{\"type\":\"string\",\"pattern\":\"^0x[0-9a-f]{%u}$\"}", 2*t->n );
  case DMG_TYPE_BYTES:   return dmg_buf_printf( out, "{\"type\":\"string\",\"pattern\":\"^0x([0-9a-f]{2})*$\",\"maxLength\":%u}", 2+2*t->n );
  case DMG_TYPE_STR:     return dmg_buf_printf( out, "{\"type\":\"string\",\"maxLength\":%u}", t->n );
  case DMG_TYPE_LIST:
    DMG_TRY( dmg_buf_printf( out, "{\"type\":\"array\",\"maxItems\":%u,\"items\":", t->n ) );
    DMG_TRY( schema( out, t->elem, true ) );
    return dmg_buf_printf( out, "}" );
  case DMG_TYPE_MAP:
    DMG_TRY( dmg_buf_printf( out, "{\"type\":\"array\",\"maxItems\":%u,\"items\":{\"type\":\"array\",\"minItems\":2,\"maxItems\":2,\"prefixItems\":[", t->n ) );
    DMG_TRY( schema( out, t->elem, true ) );
    DMG_TRY( dmg_buf_append( out, ",", 1 ) );
    DMG_TRY( schema( out, t->val, true ) );
    return dmg_buf_printf( out, "]}}" );
  case DMG_TYPE_OPTION:
    DMG_TRY( dmg_buf_printf( out, "{\"anyOf\":[{\"type\":\"null\"}," ) );
    DMG_TRY( schema( out, t->elem, true ) );
    return dmg_buf_printf( out, "]}" );
  case DMG_TYPE_STRUCT: return object( out, t );
  case DMG_TYPE_ENUM:
    DMG_TRY( dmg_buf_printf( out, "{\"oneOf\":[" ) );
    for( uint32_t i = 0; i<t->variant_cnt; i++ ) {
      DMG_TRY( dmg_buf_printf( out, "%s{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"kind\":{\"const\":\"%.*s\"}", i ? "," : "", DMG_SPAN_F( t->variants[ i ].name ) ) );
      if( t->variants[ i ].type ) { DMG_TRY( dmg_buf_printf( out, ",\"value\":" ) ); DMG_TRY( schema( out, t->variants[ i ].type, true ) ); }
      DMG_TRY( dmg_buf_printf( out, "},\"required\":[\"kind\"%s]}", t->variants[ i ].type ? ",\"value\"" : "" ) );
    }
    if( t->is_open ) DMG_TRY( dmg_buf_printf( out, ",{\"type\":\"object\",\"properties\":{\"kind\":{\"const\":\"Unknown\"},\"tag\":{\"type\":\"integer\"}},\"required\":[\"kind\",\"tag\"]}" ) );
    return dmg_buf_printf( out, "]}" );
  default: return dmg_buf_printf( out, "true" );
  }
}

static dmg_err_t fns( dmg_buf_t * out, char const * what, dmg_abi_fn_t const * fn, uint32_t cnt, dmg_span_t const * doc ) {
  DMG_TRY( dmg_buf_printf( out, "\"%s\":{", what ) );
  for( uint32_t i = 0; i<cnt; i++ ) {
    DMG_TRY( dmg_buf_printf( out, "%s\n  \"%.*s\":{\"id\":%u,", i ? "," : "", DMG_SPAN_F( fn[ i ].name ), fn[ i ].id ) );
    if( doc[ i ].sz ) { DMG_TRY( dmg_buf_printf( out, "\"description\":" ) ); DMG_TRY( string( out, doc[ i ] ) ); DMG_TRY( dmg_buf_append( out, ",", 1 ) ); }
    if( fn[ i ].says.sz ) { DMG_TRY( dmg_buf_printf( out, "\"says\":" ) ); DMG_TRY( string( out, fn[ i ].says ) ); DMG_TRY( dmg_buf_append( out, ",", 1 ) ); }
    DMG_TRY( dmg_buf_printf( out, "\"args\":" ) );
    DMG_TRY( schema( out, fn[ i ].args, false ) );
    if( fn[ i ].ret ) { DMG_TRY( dmg_buf_printf( out, ",\"result\":" ) ); DMG_TRY( schema( out, fn[ i ].ret, true ) ); }
    DMG_TRY( dmg_buf_printf( out, "}" ) );
  }
  return dmg_buf_printf( out, "}" );
}

dmg_err_t dmic_emit_json( dmic_unit_t const * u, dmg_buf_t * out ) {
  dmg_abi_t const * a = &u->abi;
  DMG_TRY( dmg_buf_printf( out, "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"$comment\":\"Made from %.*s.dmi by dmic; do not edit.\",\n", DMG_SPAN_F( a->name ) ) );
  DMG_TRY( dmg_buf_printf( out, "\"title\":\"%.*s\",\"version\":\"%u.%u.%u\",\"moduleId\":%u,\n\"$defs\":{", DMG_SPAN_F( a->name ), a->version.major, a->version.minor, a->version.patch, a->module ) );
  for( uint32_t i = 0; i<u->types.n; i++ ) {
    DMG_TRY( dmg_buf_printf( out, "%s\n  \"%.*s\":", i ? "," : "", DMG_SPAN_F( u->types.v[ i ]->name ) ) );
    DMG_TRY( schema( out, u->types.v[ i ], false ) );
  }
  DMG_TRY( dmg_buf_printf( out, "},\n" ) );
  DMG_TRY( fns( out, "calls", a->calls, a->call_cnt, u->call_docs ) );
  DMG_TRY( dmg_buf_printf( out, ",\n" ) );
  DMG_TRY( fns( out, "queries", a->queries, a->query_cnt, u->query_docs ) );
  DMG_TRY( dmg_buf_printf( out, ",\n\"events\":{" ) );
  for( uint32_t i = 0; i<a->event_cnt; i++ ) {
    DMG_TRY( dmg_buf_printf( out, "%s\n  \"%.*s\":{\"id\":%u,\"fields\":", i ? "," : "", DMG_SPAN_F( a->events[ i ].name ), a->events[ i ].id ) );
    DMG_TRY( schema( out, a->events[ i ].fields, false ) );
    DMG_TRY( dmg_buf_printf( out, "}" ) );
  }
  DMG_TRY( dmg_buf_printf( out, "},\n\"faults\":{" ) );
  for( uint32_t i = 0; i<a->fault_cnt; i++ ) {
    DMG_TRY( dmg_buf_printf( out, "%s\n  \"%.*s\":{\"id\":%u,\"fields\":", i ? "," : "", DMG_SPAN_F( a->faults[ i ].name ), a->faults[ i ].id ) );
    DMG_TRY( schema( out, a->faults[ i ].fields, false ) );
    DMG_TRY( dmg_buf_printf( out, "}" ) );
  }
  return dmg_buf_printf( out, "}}\n" );
}
