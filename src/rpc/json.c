#include "rpc/json.h"
#include "base/assert.h"
#include "codec/bcs.h"

#include "dmgn_json.h"

#include <stdio.h>
#include <stdlib.h>

struct dmg_json {
  dmgn_json_t *            reader;
  dmgn_json_node_t const * nodes;
  uint8_t const *          text;
  size_t                   node_cnt;
  int                      err;
  uint32_t                 nodes_max;
};

_Static_assert( DMG_JSON_NULL==(int)DMGN_JSON_NULL && DMG_JSON_NUMBER==(int)DMGN_JSON_NUMBER && DMG_JSON_OBJECT==(int)DMGN_JSON_OBJECT, "one numbering of types" );

static dmg_json_t * new_of( uint32_t nodes_max ) {
  dmg_json_t * json = calloc( 1, sizeof *json );
  if( !json ) return NULL;
  json->reader    = dmgn_json_new();
  json->nodes_max = nodes_max;
  return json;
}
dmg_json_t * dmg_json_new( void )        { return new_of( DMG_JSON_NODES_MAX ); }
dmg_json_t * dmg_json_new_answer( void ) { return new_of( DMG_JSON_ANSWER_NODES_MAX ); }

void dmg_json_free( dmg_json_t * json ) {
  if( !json ) return;
  dmgn_json_free( json->reader );
  free( json );
}

bool dmg_json_parse( dmg_json_t * json, dmg_span_t text, dmg_jv_t * out_root, char out_why[160] ) {
  dmgn_json_err_t err;
  json->node_cnt = 0;
  json->err = dmgn_json_parse( json->reader, text.p, text.sz, DMG_JSON_DEPTH_MAX, json->nodes_max, &err );
  if( json->err ) {
    snprintf( out_why, 160, "%s at byte %zu", err.text, err.at );
    return false;
  }
  size_t text_sz;
  json->nodes = dmgn_json_nodes( json->reader, &json->node_cnt );
  json->text  = dmgn_json_text( json->reader, &text_sz );
  *out_root = (dmg_jv_t){ .doc = json, .idx = 0 };
  return true;
}

bool dmg_json_is_past_limit( dmg_json_t const * json ) {
  return json->err==DMGN_JSON_ERR_DEPTH || json->err==DMGN_JSON_ERR_NODES || json->err==DMGN_JSON_ERR_SIZE;
}

static dmgn_json_node_t const * node( dmg_jv_t v ) { DMG_ASSERT( v.doc && v.idx<v.doc->node_cnt ); return &v.doc->nodes[ v.idx ]; }
static dmg_jv_t const absent = { NULL, 0 };

dmg_json_type_t dmg_jv_type( dmg_jv_t v ) { return (dmg_json_type_t)node( v )->type; }
uint32_t        dmg_jv_cnt ( dmg_jv_t v ) { return node( v )->cnt; }

dmg_span_t dmg_jv_text( dmg_jv_t v ) {
  dmgn_json_node_t const * n = node( v );
  return n->type==DMGN_JSON_STRING || n->type==DMGN_JSON_NUMBER ? dmg_span( v.doc->text+n->off, n->sz ) : dmg_span( NULL, 0 );
}

dmg_jv_t dmg_jv_first( dmg_jv_t c ) {
  return node( c )->cnt ? (dmg_jv_t){ c.doc, c.idx+1 } : absent;
}

dmg_jv_t dmg_jv_member( dmg_jv_t key ) { return (dmg_jv_t){ key.doc, key.idx+1 }; }

dmg_jv_t dmg_jv_next( dmg_jv_t c, dmg_jv_t at ) {
  uint32_t next = node( at )->next;
  /* A member is its key and its value: step over both. */
  if( node( c )->type==DMGN_JSON_OBJECT ) next = node( dmg_jv_member( at ) )->next;
  return next<node( c )->next ? (dmg_jv_t){ c.doc, next } : absent;
}

bool dmg_jv_eq_str( dmg_jv_t v, char const * s ) {
  return node( v )->type==DMGN_JSON_STRING && dmg_span_eq( dmg_jv_text( v ), dmg_span_cstr( s ) );
}

uint32_t dmg_jv_members( dmg_jv_t object, char const * const * names, uint32_t name_cnt, dmg_jv_t * out ) {
  dmgn_json_node_t const * o = node( object ), * nodes = object.doc->nodes;
  DMG_ASSERT( o->type==DMGN_JSON_OBJECT );
  uint32_t other_cnt = 0;
  for( uint32_t i = 0; i<name_cnt; i++ ) out[ i ] = absent;
  for( uint32_t k = object.idx+1; k<o->next; k = nodes[ k+1 ].next ) {
    dmg_span_t key = dmg_span( object.doc->text+nodes[ k ].off, nodes[ k ].sz );
    uint32_t i = 0;
    while( i<name_cnt && !dmg_span_eq( key, dmg_span_cstr( names[ i ] ) ) ) i++;
    if( i<name_cnt ) out[ i ] = (dmg_jv_t){ object.doc, k+1 };
    else             other_cnt++;
  }
  return other_cnt;
}

dmg_jv_t dmg_jv_get( dmg_jv_t object, char const * key ) {
  if( node( object )->type!=DMGN_JSON_OBJECT ) return absent;
  for( dmg_jv_t k = dmg_jv_first( object ); !dmg_jv_is_absent( k ); k = dmg_jv_next( object, k ) )
    if( dmg_jv_eq_str( k, key ) ) return dmg_jv_member( k );
  return absent;
}

static bool decimal( dmg_span_t s, uint64_t max, uint64_t * out ) {
  if( !s.sz || s.sz>20 || ( s.sz>1 && s.p[ 0 ]=='0' ) ) return false;
  uint64_t v = 0;
  for( size_t i = 0; i<s.sz; i++ ) {
    if( s.p[ i ]<'0' || s.p[ i ]>'9' ) return false;
    uint64_t d = (uint64_t)( s.p[ i ]-'0' );
    if( v>( max-d )/10 ) return false;
    v = v*10+d;
  }
  *out = v;
  return true;
}

bool dmg_jv_u64( dmg_jv_t v, uint64_t * out ) { return node( v )->type==DMGN_JSON_STRING && decimal( dmg_jv_text( v ), UINT64_MAX, out ); }

bool dmg_jv_u32( dmg_jv_t v, uint32_t * out ) {
  uint64_t r;
  if( node( v )->type!=DMGN_JSON_NUMBER || !decimal( dmg_jv_text( v ), UINT32_MAX, &r ) ) return false;
  *out = (uint32_t)r;
  return true;
}

bool dmg_jv_hex( dmg_jv_t v, uint8_t * out, size_t max, size_t * out_sz ) {
  if( node( v )->type!=DMGN_JSON_STRING ) return false;
  dmg_span_t s = dmg_jv_text( v );
  if( s.sz<2 || s.sz%2 || s.p[ 0 ]!='0' || s.p[ 1 ]!='x' || ( s.sz-2 )/2>max ) return false;
  if( dmg_hex_decode( (char const *)s.p+2, s.sz-2, out, ( s.sz-2 )/2 ) ) return false;
  *out_sz = ( s.sz-2 )/2;
  return true;
}

bool dmg_jv_hash( dmg_jv_t v, dmg_hash_t * out ) {
  dmg_hash_t h;
  size_t sz;
  if( !dmg_jv_hex( v, h.b, 32, &sz ) || sz!=32 ) return false;
  *out = h;
  return true;
}

/* Room for sz bytes, one at least; NULL: full.  Most texts are a few bytes and find room: the buffer's own functions are called
   only to grow. */
static inline uint8_t * room( dmg_jw_t * w, size_t sz ) {
  dmg_buf_t * buf = w->buf;
  uint8_t * to = NULL;
  if( w->is_full ) return NULL;
  if( sz<=buf->cap-buf->sz && sz<=buf->max-buf->sz ) { to = buf->p+buf->sz; buf->sz += sz; }
  else if( dmg_buf_grow( buf, sz, &to ) ) w->is_full = true;
  return w->is_full ? NULL : to;
}
/* Room for a value, after the comma it may need. */
static inline uint8_t * room_value( dmg_jw_t * w, size_t sz ) {
  uint8_t * to = room( w, sz+w->needs_comma );
  if( to && w->needs_comma ) *to++ = ',';
  w->needs_comma = true;
  return to;
}
static inline void put( dmg_jw_t * w, void const * p, size_t sz ) {
  uint8_t * to = sz ? room( w, sz ) : NULL;
  if( to ) memcpy( to, p, sz );
}
static inline void put_value( dmg_jw_t * w, void const * p, size_t sz ) {
  uint8_t * to = room_value( w, sz );
  if( to && sz ) memcpy( to, p, sz );
}

void dmg_jw_open( dmg_jw_t * w, char bracket ) { put_value( w, &bracket, 1 ); w->needs_comma = false; }
void dmg_jw_close( dmg_jw_t * w, char bracket ) { put( w, &bracket, 1 ); w->needs_comma = true; }

static void put_quoted( uint8_t * to, void const * p, size_t sz ) {
  to[ 0 ] = '"';
  if( sz ) memcpy( to+1, p, sz );
  to[ sz+1 ] = '"';
}

void dmg_jw_key_sz( dmg_jw_t * w, char const * key, size_t key_sz ) {
  uint8_t * to = room_value( w, key_sz+3 );
  if( to ) { put_quoted( to, key, key_sz ); to[ key_sz+2 ] = ':'; }
  w->needs_comma = false;
}

/* ASCII that stands in a string as it is; a look at eight bytes at a time. */
static bool is_plain( dmg_span_t text ) {
  uint64_t const ones = 0x0101010101010101u, high = 0x8080808080808080u;
  uint64_t bad = 0;
  size_t i = 0;
  /* Lowest first, the first byte that borrows in x-ones is a zero of x, in v-0x20 below 0x20: its high bit is set then.  It may be
     set too where v has it, which is bad anyway. */
  for( ; i+8<=text.sz; i += 8 ) {
    uint64_t v = dmg_load_u64le( text.p+i ), quote = v^'"'*ones, slash = v^'\\'*ones;
    bad |= v | ( quote-ones ) | ( slash-ones ) | ( v-0x20*ones );
  }
  for( ; i<text.sz; i++ ) if( text.p[ i ]<0x20 || text.p[ i ]>=0x80 || text.p[ i ]=='"' || text.p[ i ]=='\\' ) return false;
  return !( bad&high );
}

void dmg_jw_str( dmg_jw_t * w, dmg_span_t text ) {
  if( is_plain( text ) ) {
    uint8_t * to = room_value( w, text.sz+2 );
    if( to ) put_quoted( to, text.p, text.sz );
    return;
  }
  put_value( w, "\"", 1 );
  if( !dmg_utf8_is_valid( text ) ) { put( w, "\xef\xbf\xbd", 3 ); text.sz = 0; }
  size_t from = 0;
  for( size_t i = 0; i<text.sz; i++ ) {
    uint8_t c = text.p[ i ];
    if( c>=0x20 && c!='"' && c!='\\' ) continue;
    put( w, text.p+from, i-from );
    char esc[ 8 ];
    int n = c=='"' || c=='\\' ? snprintf( esc, sizeof esc, "\\%c", c ) : snprintf( esc, sizeof esc, "\\u%04x", c );
    put( w, esc, (size_t)n );
    from = i+1;
  }
  put( w, text.p+from, text.sz-from );
  put( w, "\"", 1 );
}

void dmg_jw_cstr( dmg_jw_t * w, char const * text ) { dmg_jw_str( w, dmg_span_cstr( text ) ); }

void dmg_jw_u64( dmg_jw_t * w, uint64_t v ) {
  char s[ 22 ], * p = dmg_digits( v, s+21 );
  s[ 21 ] = '"';
  *--p    = '"';
  put_value( w, p, (size_t)( s+22-p ) );
}
void dmg_jw_num( dmg_jw_t * w, uint32_t v ) {
  char s[ 10 ], * p = dmg_digits( v, s+10 );
  put_value( w, p, (size_t)( s+10-p ) );
}
void dmg_jw_bool( dmg_jw_t * w, bool v ) { put_value( w, v ? "true" : "false", v ? 4 : 5 ); }
void dmg_jw_null( dmg_jw_t * w ) { put_value( w, "null", 4 ); }

void dmg_jw_hex( dmg_jw_t * w, dmg_span_t bytes ) {
  uint8_t * to = room_value( w, 2*bytes.sz+4 );
  if( !to ) return;
  memcpy( to, "\"0x", 3 );
  dmg_hex_encode( bytes.p, bytes.sz, (char *)to+3 );
  to[ 2*bytes.sz+3 ] = '"';   /* over the final zero */
}
void dmg_jw_raw( dmg_jw_t * w, dmg_span_t json ) { put_value( w, json.p, json.sz ); }

void dmg_jw_value( dmg_jw_t * w, dmg_jv_t v ) {
  /* The reader's depth limit bounds the recursion. */
  switch( dmg_jv_type( v ) ) {
  case DMG_JSON_NULL:   dmg_jw_null( w ); break;
  case DMG_JSON_FALSE:  dmg_jw_bool( w, false ); break;
  case DMG_JSON_TRUE:   dmg_jw_bool( w, true ); break;
  case DMG_JSON_NUMBER: dmg_jw_raw( w, dmg_jv_text( v ) ); break;
  case DMG_JSON_STRING: dmg_jw_str( w, dmg_jv_text( v ) ); break;
  case DMG_JSON_ARRAY:
    dmg_jw_open( w, '[' );
    for( dmg_jv_t e = dmg_jv_first( v ); !dmg_jv_is_absent( e ); e = dmg_jv_next( v, e ) ) dmg_jw_value( w, e );
    dmg_jw_close( w, ']' );
    break;
  case DMG_JSON_OBJECT:
    dmg_jw_open( w, '{' );
    for( dmg_jv_t k = dmg_jv_first( v ); !dmg_jv_is_absent( k ); k = dmg_jv_next( v, k ) ) {
      dmg_jw_str( w, dmg_jv_text( k ) );
      put( w, ":", 1 );
      w->needs_comma = false;
      dmg_jw_value( w, dmg_jv_member( k ) );
    }
    dmg_jw_close( w, '}' );
  }
}
