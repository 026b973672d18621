#include "rpc/abi_json.h"
#include "base/assert.h"
#include "crypto/bech32.h"
#include "types/asset.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct { dmg_abi_json_ref_t const * ref; dmg_bcs_wr_t * wr; dmg_abi_json_bad_t * bad; char path[ 200 ]; } reader_t;

static bool plain( void * ctx, dmg_span_t text, dmg_hash_t * out ) { return !dmg_address_parse( text, out, NULL ); }
dmg_abi_json_ref_t const dmg_abi_json_plain = { plain, NULL };

void dmg_abi_json_type_text( dmg_type_t const * t, char * out, size_t cap ) {
  size_t n;
  switch( t->kind ) {
  case DMG_TYPE_FIXED:  snprintf( out, cap, "bytes[%u]", t->n ); break;
  case DMG_TYPE_BYTES:  snprintf( out, cap, "bytes<%u>", t->n ); break;
  case DMG_TYPE_STR:    snprintf( out, cap, "str<%u>", t->n ); break;
  case DMG_TYPE_LIST:   snprintf( out, cap, "list<" ); n = strlen( out ); dmg_abi_json_type_text( t->elem, out+n, cap-n ); n = strlen( out ); snprintf( out+n, cap-n, ", %u>", t->n ); break;
  case DMG_TYPE_MAP:    snprintf( out, cap, "map<" ); n = strlen( out ); dmg_abi_json_type_text( t->elem, out+n, cap-n ); n = strlen( out ); snprintf( out+n, cap-n, ", " );
                        n = strlen( out ); dmg_abi_json_type_text( t->val, out+n, cap-n ); n = strlen( out ); snprintf( out+n, cap-n, ", %u>", t->n ); break;
  case DMG_TYPE_OPTION: dmg_abi_json_type_text( t->elem, out, cap ); n = strlen( out ); snprintf( out+n, cap-n, "?" ); break;
  case DMG_TYPE_STRUCT: case DMG_TYPE_ENUM: snprintf( out, cap, "%.*s", DMG_SPAN_F( t->name ) ); break;
  default:              snprintf( out, cap, "%s", dmg_type_kind_name( t->kind ) );
  }
}

/* ---- Reading ---- */

/* Bytes of a client's text that fit into max: whole characters, as half a one would make a message no text. */
static int whole( dmg_span_t text, size_t max ) {
  if( text.sz<=max ) return (int)text.sz;
  while( max && ( text.p[ max ]&0xc0 )==0x80 ) max--;
  return (int)max;
}

static void got_text( dmg_jv_t v, char out[ 96 ] ) {
  if( dmg_jv_is_absent( v ) ) { snprintf( out, 96, "nothing" ); return; }
  dmg_span_t t = dmg_jv_text( v );
  int n = whole( t, 60 );
  switch( dmg_jv_type( v ) ) {
  case DMG_JSON_NULL:   snprintf( out, 96, "null" ); break;
  case DMG_JSON_FALSE:  snprintf( out, 96, "false" ); break;
  case DMG_JSON_TRUE:   snprintf( out, 96, "true" ); break;
  case DMG_JSON_NUMBER: snprintf( out, 96, "%.*s", n, (char const *)t.p ); break;
  case DMG_JSON_STRING: snprintf( out, 96, "\"%.*s\"", n, (char const *)t.p ); break;
  case DMG_JSON_ARRAY:  snprintf( out, 96, "an array of %u", dmg_jv_cnt( v ) ); break;
  case DMG_JSON_OBJECT: snprintf( out, 96, "an object" ); break;
  }
}

__attribute__(( format( printf, 3, 4 ) ))
static bool bad( reader_t * r, dmg_jv_t v, char const * fmt, ... ) {
  va_list ap;
  va_start( ap, fmt );
  vsnprintf( r->bad->expected, sizeof r->bad->expected, fmt, ap );
  va_end( ap );
  snprintf( r->bad->path, sizeof r->bad->path, "%s", r->path );
  got_text( v, r->bad->got );
  return false;
}

/* Appends to the path; the length before, to go back to. */
static size_t step( reader_t * r, dmg_span_t name, int64_t index ) {
  size_t n = strlen( r->path );
  if( index>=0 ) snprintf( r->path+n, sizeof r->path-n, "[%ld]", (long)index );
  else if( n+1<sizeof r->path ) snprintf( r->path+n, sizeof r->path-n, "%s%.*s", n ? "." : "", whole( name, sizeof r->path-n-1-( n ? 1 : 0 ) ), (char const *)name.p );
  return n;
}

static bool value( reader_t * r, dmg_type_t const * t, dmg_jv_t v );

static bool member( reader_t * r, dmg_type_t const * t, dmg_jv_t v, dmg_span_t name, int64_t index ) {
  size_t n = step( r, name, index );
  if( !value( r, t, v ) ) return false;
  r->path[ n ] = 0;
  return true;
}

/* Decimal digits of at most max; no sign, no leading zero. */
static bool digits( dmg_span_t s, dmg_u128_t max, dmg_u128_t * out ) {
  dmg_u128_t v = 0;
  if( !s.sz || s.sz>39 || ( s.sz>1 && s.p[ 0 ]=='0' ) ) return false;
  for( size_t i = 0; i<s.sz; i++ ) {
    unsigned d = (unsigned)( s.p[ i ]-'0' );
    if( d>9 || v>( max-d )/10 ) return false;
    v = v*10+d;
  }
  *out = v;
  return true;
}

/* An integer of width bits, as a number up to 32 bits and as a string above (F0.2). */
static bool integer( reader_t * r, dmg_type_t const * t, dmg_jv_t v, unsigned width, bool is_signed ) {
  bool is_wide = width>32, is_negative = false;
  dmg_u128_t max = is_signed ? ( (dmg_u128_t)1<<( width-1 ) )-1 : width==128 ? ~(dmg_u128_t)0 : ( (dmg_u128_t)1<<width )-1, n = 0;
  if( t->kind==DMG_TYPE_AMOUNT ) max = (dmg_u128_t)DMG_AMOUNT_MAX;
  bool is_good = !dmg_jv_is_absent( v ) && dmg_jv_type( v )==( is_wide ? DMG_JSON_STRING : DMG_JSON_NUMBER );
  if( is_good ) {
    dmg_span_t s = dmg_jv_text( v );
    if( is_signed && s.sz && s.p[ 0 ]=='-' ) { is_negative = true; s.p++; s.sz--; }
    is_good = digits( s, max+( is_negative ? 1 : 0 ), &n ) && !( is_negative && !n );
  }
  dmg_u128_t above;
  if( !is_good && t->kind==DMG_TYPE_AMOUNT && !dmg_jv_is_absent( v ) && dmg_jv_type( v )==DMG_JSON_STRING && digits( dmg_jv_text( v ), ~(dmg_u128_t)0, &above ) )
    return bad( r, v, "amount in sparks, at most %ld", (long)DMG_AMOUNT_MAX );
  if( !is_good ) return bad( r, v, is_wide ? "%s%s, a decimal string like \"7\"" : "%s%s, a number", dmg_type_kind_name( t->kind ), t->kind==DMG_TYPE_AMOUNT ? " in sparks" : "" );
  if( is_negative ) n = ~n+1;
  for( unsigned i = 0; i<width/8; i++ ) dmg_bcs_wr_u8( r->wr, (uint8_t)( n>>( 8*i ) ) );
  return true;
}

/* 0x hex of exactly min..max bytes. */
static bool hex( reader_t * r, dmg_jv_t v, uint32_t min, uint32_t max, bool has_length ) {
  dmg_span_t s = dmg_jv_is_absent( v ) || dmg_jv_type( v )!=DMG_JSON_STRING ? dmg_span( NULL, 0 ) : dmg_jv_text( v );
  size_t n = s.sz>=2 ? ( s.sz-2 )/2 : 0;
  bool is_good = s.sz>=2 && s.sz%2==0 && s.p[ 0 ]=='0' && s.p[ 1 ]=='x' && n>=min && n<=max;
  if( is_good && has_length ) dmg_bcs_wr_uleb( r->wr, (uint32_t)n );
  for( size_t i = 0; is_good && i<n; i++ ) {
    uint8_t b;
    is_good = !dmg_hex_decode( (char const *)s.p+2+2*i, 2, &b, 1 );
    if( is_good ) dmg_bcs_wr_u8( r->wr, b );
  }
  if( is_good ) return true;
  return min==max ? bad( r, v, "0x hex of %u bytes", max ) : bad( r, v, "0x hex of at most %u bytes", max );
}

/* The value whose BCS is all zeros (R2.2). */
static void write_default( dmg_type_t const * t, dmg_bcs_wr_t * wr ) {
  if( t->kind==DMG_TYPE_STRUCT ) {
    for( uint32_t i = 0; i<t->field_cnt; i++ ) if( t->fields[ i ].name.sz ) write_default( t->fields[ i ].type, wr );
    if( t->is_open ) dmg_bcs_wr_u8( wr, 0 );
    return;
  }
  if( t->kind==DMG_TYPE_ENUM ) {
    dmg_bcs_wr_u8( wr, 0 );
    if( !t->is_open && t->variant_cnt && t->variants[ 0 ].type ) write_default( t->variants[ 0 ].type, wr );
    return;
  }
  uint64_t n = t->kind==DMG_TYPE_ASSET ? 1 : t->sz_min;
  for( uint64_t i = 0; i<n; i++ ) dmg_bcs_wr_u8( wr, 0 );
}

static bool has_field( dmg_type_t const * t, dmg_span_t name ) {
  for( uint32_t i = 0; i<t->field_cnt; i++ ) {
    if( t->fields[ i ].name.sz && dmg_span_eq( t->fields[ i ].name, name ) ) return true;
    if( !t->fields[ i ].name.sz && has_field( t->fields[ i ].type, name ) ) return true;
  }
  return false;
}

static dmg_jv_t get( dmg_jv_t object, dmg_span_t name ) {
  for( dmg_jv_t k = dmg_jv_first( object ); !dmg_jv_is_absent( k ); k = dmg_jv_next( object, k ) ) if( dmg_span_eq( dmg_jv_text( k ), name ) ) return dmg_jv_member( k );
  return (dmg_jv_t){ 0 };
}

/* R2.2: later fields in a byte vector, cut after the last that is no default. */
static bool tail( reader_t * r, dmg_type_t const * later, dmg_jv_t v ) {
  uint8_t mem[ DMG_TAIL_MAX ];
  dmg_bcs_wr_t in = dmg_bcs_wr( mem, sizeof mem ), * outer = r->wr;
  size_t used = 0;
  for( uint32_t i = 0; later && i<later->field_cnt; i++ ) {
    dmg_field_t const * f = &later->fields[ i ];
    dmg_jv_t m = get( v, f->name );
    uint8_t * at = in.p;
    r->wr = &in;
    bool is_good = true;
    if( dmg_jv_is_absent( m ) ) write_default( f->type, &in );
    else is_good = member( r, f->type, m, f->name, -1 );
    r->wr = outer;
    if( !is_good ) return false;
    if( in.is_full ) return bad( r, v, "later fields of at most %u bytes in all", DMG_TAIL_MAX );
    if( !dmg_is_zero( at, (size_t)( in.p-at ) ) ) used = (size_t)( in.p-mem );
  }
  dmg_bcs_wr_bytes( r->wr, dmg_span( mem, used ) );
  return true;
}

static bool structure( reader_t * r, dmg_type_t const * t, dmg_jv_t v ) {
  if( dmg_jv_is_absent( v ) || dmg_jv_type( v )!=DMG_JSON_OBJECT ) return bad( r, v, "%.*s, an object", (int)( t->name.sz ? t->name.sz : 9 ), t->name.sz ? (char const *)t->name.p : "arguments" );
  for( dmg_jv_t k = dmg_jv_first( v ); !dmg_jv_is_absent( k ); k = dmg_jv_next( v, k ) ) {
    if( has_field( t, dmg_jv_text( k ) ) ) continue;
    char names[ 160 ] = "";
    for( uint32_t i = 0; i<t->field_cnt; i++ ) {
      size_t n = strlen( names );
      if( t->fields[ i ].name.sz ) snprintf( names+n, sizeof names-n, "%s%.*s", n ? ", " : "", DMG_SPAN_F( t->fields[ i ].name ) );
    }
    step( r, dmg_jv_text( k ), -1 );
    return bad( r, dmg_jv_member( k ), *names ? "one of %s" : "no member%s", names );
  }
  dmg_type_t const * later = NULL;
  for( uint32_t i = 0; i<t->field_cnt; i++ ) {
    dmg_field_t const * f = &t->fields[ i ];
    if( !f->name.sz ) { later = f->type; break; }
    if( !member( r, f->type, get( v, f->name ), f->name, -1 ) ) return false;
  }
  return !t->is_open || tail( r, later, v );
}

/* {"kind": name, "value": ..}: the member value, absent if there is none; false: another shape. */
static bool kinded( reader_t * r, dmg_jv_t v, dmg_span_t * out_kind, dmg_jv_t * out_value, char const * payload ) {
  bool is_good = !dmg_jv_is_absent( v ) && dmg_jv_type( v )==DMG_JSON_OBJECT;
  dmg_jv_t kind = is_good ? dmg_jv_get( v, "kind" ) : (dmg_jv_t){ 0 };
  is_good = is_good && !dmg_jv_is_absent( kind ) && dmg_jv_type( kind )==DMG_JSON_STRING;
  if( !is_good ) return bad( r, v, "{\"kind\": .., \"%s\": ..}", payload );
  *out_kind  = dmg_jv_text( kind );
  *out_value = dmg_jv_get( v, payload );
  if( dmg_jv_cnt( v )!=( dmg_jv_is_absent( *out_value ) ? 1u : 2u ) ) return bad( r, v, "{\"kind\": .., \"%s\": ..} and no other member", payload );
  return true;
}

static bool enumeration( reader_t * r, dmg_type_t const * t, dmg_jv_t v ) {
  dmg_span_t kind = { 0 };
  dmg_jv_t payload = { 0 };
  uint32_t number;
  bool is_unknown = t->is_open && !dmg_jv_is_absent( v ) && dmg_jv_type( v )==DMG_JSON_OBJECT && !dmg_jv_is_absent( dmg_jv_get( v, "tag" ) );
  if( !kinded( r, v, &kind, &payload, is_unknown ? "tag" : "value" ) ) return false;
  if( is_unknown ) {
    if( !dmg_span_eq( kind, DMG_SPAN_STR( "Unknown" ) ) || !dmg_jv_u32( payload, &number ) || number<t->variant_cnt ) return bad( r, v, "{\"kind\": \"Unknown\", \"tag\": n}, n from %u", t->variant_cnt );
    dmg_bcs_wr_uleb( r->wr, number );
    return true;
  }
  char names[ 160 ] = "";
  for( uint32_t i = 0; i<t->variant_cnt; i++ ) {
    dmg_variant_t const * x = &t->variants[ i ];
    if( dmg_span_eq( x->name, kind ) ) {
      dmg_bcs_wr_uleb( r->wr, i );
      if( x->type ) return member( r, x->type, payload, DMG_SPAN_STR( "value" ), -1 );
      return dmg_jv_is_absent( payload ) ? true : bad( r, payload, "no value: %.*s has none", DMG_SPAN_F( kind ) );
    }
    size_t n = strlen( names );
    snprintf( names+n, sizeof names-n, "%s%.*s", n ? ", " : "", DMG_SPAN_F( x->name ) );
  }
  step( r, DMG_SPAN_STR( "kind" ), -1 );
  return bad( r, dmg_jv_get( v, "kind" ), "one of %s", names );
}

static bool asset( reader_t * r, dmg_jv_t v ) {
  dmg_span_t kind = { 0 };
  dmg_jv_t payload = { 0 };
  if( !kinded( r, v, &kind, &payload, "value" ) ) return false;
  for( uint32_t i = 0; i<DMG_ASSET_CNT; i++ ) {
    if( !dmg_span_eq( kind, dmg_span_cstr( dmg_asset_kind_name( i ) ) ) ) continue;
    dmg_bcs_wr_uleb( r->wr, i );
    if( !i ) return dmg_jv_is_absent( payload ) ? true : bad( r, payload, "no value: Cgt has none" );
    step( r, DMG_SPAN_STR( "value" ), -1 );
    return hex( r, payload, 32, 32, false );
  }
  step( r, DMG_SPAN_STR( "kind" ), -1 );
  return bad( r, dmg_jv_get( v, "kind" ), "Cgt, Currency, Item, Share or Lp" );
}

static bool sequence( reader_t * r, dmg_type_t const * t, dmg_jv_t v ) {
  if( dmg_jv_is_absent( v ) || dmg_jv_type( v )!=DMG_JSON_ARRAY || dmg_jv_cnt( v )>t->n ) return bad( r, v, "an array of at most %u", t->n );
  dmg_bcs_wr_uleb( r->wr, dmg_jv_cnt( v ) );
  int64_t i = 0;
  dmg_span_t prev = { 0 };
  for( dmg_jv_t e = dmg_jv_first( v ); !dmg_jv_is_absent( e ); e = dmg_jv_next( v, e ), i++ ) {
    if( t->kind==DMG_TYPE_LIST ) { if( !member( r, t->elem, e, (dmg_span_t){ 0 }, i ) ) return false; continue; }
    size_t n = step( r, (dmg_span_t){ 0 }, i );
    if( dmg_jv_type( e )!=DMG_JSON_ARRAY || dmg_jv_cnt( e )!=2 ) return bad( r, e, "[key, value]" );
    uint8_t const * at = r->wr->p;
    if( !member( r, t->elem, dmg_jv_first( e ), (dmg_span_t){ 0 }, 0 ) ) return false;
    dmg_span_t key = dmg_span( at, (size_t)( r->wr->p-at ) );
    if( i && !r->wr->is_full && dmg_span_cmp( prev, key )>=0 ) return bad( r, dmg_jv_first( e ), "keys ascending by their bytes, each once" );
    prev = key;
    if( !member( r, t->val, dmg_jv_next( e, dmg_jv_first( e ) ), (dmg_span_t){ 0 }, 1 ) ) return false;
    r->path[ n ] = 0;
  }
  return true;
}

static bool value( reader_t * r, dmg_type_t const * t, dmg_jv_t v ) {
  dmg_hash_t h;
  switch( t->kind ) {
  case DMG_TYPE_BOOL:
    if( dmg_jv_is_absent( v ) || ( dmg_jv_type( v )!=DMG_JSON_TRUE && dmg_jv_type( v )!=DMG_JSON_FALSE ) ) return bad( r, v, "true or false" );
    dmg_bcs_wr_bool( r->wr, dmg_jv_type( v )==DMG_JSON_TRUE );
    return true;
  case DMG_TYPE_U8:   return integer( r, t, v, 8, false );
  case DMG_TYPE_U16:  return integer( r, t, v, 16, false );
  case DMG_TYPE_U32:  return integer( r, t, v, 32, false );
  case DMG_TYPE_U64: case DMG_TYPE_AMOUNT: return integer( r, t, v, 64, false );
  case DMG_TYPE_U128: return integer( r, t, v, 128, false );
  case DMG_TYPE_I8:   return integer( r, t, v, 8, true );
  case DMG_TYPE_I16:  return integer( r, t, v, 16, true );
  case DMG_TYPE_I32:  return integer( r, t, v, 32, true );
  case DMG_TYPE_I64:  return integer( r, t, v, 64, true );
  case DMG_TYPE_I128: return integer( r, t, v, 128, true );
  case DMG_TYPE_ADDRESS:
    if( dmg_jv_is_absent( v ) || dmg_jv_type( v )!=DMG_JSON_STRING || !r->ref->account( r->ref->ctx, dmg_jv_text( v ), &h ) ) return bad( r, v, "an account, dmg1.." );
    dmg_bcs_wr_fixed( r->wr, h.b, 32 );
    return true;
  case DMG_TYPE_HASH:   return hex( r, v, 32, 32, false );
  case DMG_TYPE_FIXED:  return hex( r, v, t->n, t->n, false );
  case DMG_TYPE_BYTES:  return hex( r, v, 0, t->n, true );
  case DMG_TYPE_STR: {
    dmg_span_t s = dmg_jv_is_absent( v ) || dmg_jv_type( v )!=DMG_JSON_STRING ? dmg_span( NULL, SIZE_MAX ) : dmg_jv_text( v );
    if( s.sz>t->n ) return bad( r, v, "a string of at most %u bytes", t->n );
    dmg_bcs_wr_bytes( r->wr, s );
    return true;
  }
  case DMG_TYPE_ASSET:  return asset( r, v );
  case DMG_TYPE_LIST: case DMG_TYPE_MAP: return sequence( r, t, v );
  case DMG_TYPE_OPTION: {
    bool is_there = !dmg_jv_is_absent( v ) && dmg_jv_type( v )!=DMG_JSON_NULL;
    dmg_bcs_wr_bool( r->wr, is_there );
    return !is_there || value( r, t->elem, v );
  }
  case DMG_TYPE_STRUCT: return structure( r, t, v );
  case DMG_TYPE_ENUM:   return enumeration( r, t, v );
  default:              break;
  }
  DMG_ASSERT( !"a type that dmg_abi_decode lets through and nobody reads" );
  return false;
}

static bool finish( reader_t * r, bool is_good, dmg_jv_t v ) {
  if( !is_good || !r->wr->is_full ) return is_good;
  r->path[ 0 ] = 0;
  return bad( r, v, "a value that fits here" );
}

bool dmg_abi_json_read( dmg_type_t const * type, dmg_jv_t json, char const * name, dmg_abi_json_ref_t const * ref, dmg_bcs_wr_t * wr, dmg_abi_json_bad_t * out_bad ) {
  reader_t r = { .ref = ref, .wr = wr, .bad = out_bad };
  snprintf( r.path, sizeof r.path, "%s", name );
  return finish( &r, value( &r, type, json ), json );
}

bool dmg_abi_json_args( dmg_type_t const * args, dmg_jv_t json, dmg_abi_json_ref_t const * ref, dmg_bcs_wr_t * wr, dmg_abi_json_bad_t * out_bad ) {
  reader_t r = { .ref = ref, .wr = wr, .bad = out_bad };
  if( dmg_jv_is_absent( json ) || dmg_jv_type( json )!=DMG_JSON_ARRAY ) return finish( &r, structure( &r, args, json ), json );
  dmg_jv_t e = dmg_jv_first( json );
  for( uint32_t i = 0; i<args->field_cnt; i++ ) {
    if( !member( &r, args->fields[ i ].type, e, args->fields[ i ].name, -1 ) ) return false;
    if( !dmg_jv_is_absent( e ) ) e = dmg_jv_next( json, e );
  }
  if( !dmg_jv_is_absent( e ) ) { step( &r, (dmg_span_t){ 0 }, args->field_cnt ); return bad( &r, e, "%u arguments", args->field_cnt ); }
  return finish( &r, true, json );
}

/* ---- Printing ---- */

static void put_decimal( dmg_jw_t * w, dmg_u128_t n, bool is_negative ) {
  char text[ 48 ];
  size_t at = sizeof text;
  if( is_negative ) n = ~n+1;
  do { text[ --at ] = (char)( '0'+(unsigned)( n%10 ) ); n /= 10; } while( n );
  if( is_negative ) text[ --at ] = '-';
  dmg_jw_str( w, dmg_span( text+at, sizeof text-at ) );
}

static void print_integer( dmg_bcs_rd_t * rd, dmg_jw_t * w, unsigned width, bool is_signed ) {
  dmg_u128_t n = 0;
  for( unsigned i = 0; i<width/8; i++ ) n |= (dmg_u128_t)dmg_bcs_rd_u8( rd )<<( 8*i );
  bool is_negative = is_signed && n>>( width-1 )&1;
  if( is_negative && width<128 ) n |= ~(dmg_u128_t)0<<width;
  if( width>32 ) { put_decimal( w, n, is_negative ); return; }
  char text[ 16 ];
  int sz = snprintf( text, sizeof text, "%ld", (long)(int64_t)n );
  dmg_jw_raw( w, dmg_span( text, (size_t)sz ) );
}

static void put_name( dmg_jw_t * w, dmg_span_t name ) {
  char text[ DMG_ABI_NAME_MAX+1 ];
  snprintf( text, sizeof text, "%.*s", DMG_SPAN_F( name ) );
  dmg_jw_key( w, text );
}

static void put_fields( dmg_type_t const * t, dmg_bcs_rd_t * rd, dmg_jw_t * w ) {
  for( uint32_t i = 0; i<t->field_cnt && !rd->bad; i++ ) {
    if( !t->fields[ i ].name.sz ) break;
    put_name( w, t->fields[ i ].name );
    dmg_abi_json_print( t->fields[ i ].type, rd, w );
  }
  if( !t->is_open ) return;
  dmg_bcs_rd_t in = dmg_bcs_rd( dmg_bcs_rd_bytes( rd, DMG_TAIL_MAX ) );
  dmg_type_t const * later = t->field_cnt && !t->fields[ t->field_cnt-1 ].name.sz ? t->fields[ t->field_cnt-1 ].type : NULL;
  for( uint32_t i = 0; later && i<later->field_cnt && dmg_bcs_rd_left( &in ) && !in.bad; i++ ) {
    put_name( w, later->fields[ i ].name );
    dmg_abi_json_print( later->fields[ i ].type, &in, w );
  }
}

void dmg_abi_json_print( dmg_type_t const * t, dmg_bcs_rd_t * rd, dmg_jw_t * w ) {
  char text[ DMG_ADDRESS_TEXT_SZ+1 ];
  dmg_span_t s;
  dmg_hash_t h;
  if( rd->bad ) { dmg_jw_null( w ); return; }
  switch( t->kind ) {
  case DMG_TYPE_BOOL: dmg_jw_bool( w, dmg_bcs_rd_bool( rd ) ); return;
  case DMG_TYPE_U8:   print_integer( rd, w, 8, false ); return;
  case DMG_TYPE_U16:  print_integer( rd, w, 16, false ); return;
  case DMG_TYPE_U32:  print_integer( rd, w, 32, false ); return;
  case DMG_TYPE_U64: case DMG_TYPE_AMOUNT: print_integer( rd, w, 64, false ); return;
  case DMG_TYPE_U128: print_integer( rd, w, 128, false ); return;
  case DMG_TYPE_I8:   print_integer( rd, w, 8, true ); return;
  case DMG_TYPE_I16:  print_integer( rd, w, 16, true ); return;
  case DMG_TYPE_I32:  print_integer( rd, w, 32, true ); return;
  case DMG_TYPE_I64:  print_integer( rd, w, 64, true ); return;
  case DMG_TYPE_I128: print_integer( rd, w, 128, true ); return;
  case DMG_TYPE_ADDRESS:
    dmg_bcs_rd_copy( rd, h.b, 32 );
    dmg_address_text( &h, text );
    dmg_jw_cstr( w, text );
    return;
  case DMG_TYPE_HASH:  s = dmg_bcs_rd_fixed( rd, 32 );   dmg_jw_hex( w, s ); return;
  case DMG_TYPE_FIXED: s = dmg_bcs_rd_fixed( rd, t->n ); dmg_jw_hex( w, s ); return;
  case DMG_TYPE_BYTES: s = dmg_bcs_rd_bytes( rd, t->n ); dmg_jw_hex( w, s ); return;
  case DMG_TYPE_STR:   s = dmg_bcs_rd_str( rd, t->n );   dmg_jw_str( w, s ); return;
  case DMG_TYPE_ASSET: {
    uint32_t k = dmg_bcs_rd_variant( rd, DMG_ASSET_CNT );
    dmg_jw_open( w, '{' );
    dmg_jw_kcstr( w, "kind", dmg_asset_kind_name( k ) );
    if( k ) dmg_jw_khex( w, "value", dmg_bcs_rd_fixed( rd, 32 ) );
    dmg_jw_close( w, '}' );
    return;
  }
  case DMG_TYPE_LIST: case DMG_TYPE_MAP: {
    uint32_t cnt = dmg_bcs_rd_len( rd, 0, t->n );
    dmg_jw_open( w, '[' );
    for( uint32_t i = 0; i<cnt && !rd->bad && !w->is_full; i++ ) {
      if( t->kind==DMG_TYPE_LIST ) { dmg_abi_json_print( t->elem, rd, w ); continue; }
      dmg_jw_open( w, '[' );
      dmg_abi_json_print( t->elem, rd, w );
      dmg_abi_json_print( t->val, rd, w );
      dmg_jw_close( w, ']' );
    }
    dmg_jw_close( w, ']' );
    return;
  }
  case DMG_TYPE_OPTION:
    if( dmg_bcs_rd_option( rd ) ) dmg_abi_json_print( t->elem, rd, w );
    else                          dmg_jw_null( w );
    return;
  case DMG_TYPE_STRUCT:
    dmg_jw_open( w, '{' );
    put_fields( t, rd, w );
    dmg_jw_close( w, '}' );
    return;
  case DMG_TYPE_ENUM: {
    uint32_t k = dmg_bcs_rd_uleb( rd );
    dmg_jw_open( w, '{' );
    dmg_jw_key( w, "kind" );
    if( k<t->variant_cnt ) {
      dmg_jw_str( w, t->variants[ k ].name );
      if( t->variants[ k ].type && !t->is_open ) { dmg_jw_key( w, "value" ); dmg_abi_json_print( t->variants[ k ].type, rd, w ); }
    } else {
      if( !t->is_open ) dmg_bcs_rd_fail( rd, DMG_BCS_VARIANT );
      dmg_jw_cstr( w, "Unknown" );
      dmg_jw_knum( w, "tag", k );
    }
    dmg_jw_close( w, '}' );
    return;
  }
  default: break;
  }
  DMG_ASSERT( !"a type that dmg_abi_decode lets through and nobody prints" );
}
