/* emit_guest: the C header a module is written against.

   How a type looks in C
     integers, bool, amount, enum without payload    the C integer, by value
     address, hash, asset, bytes[n]                  a struct of bytes
     bytes<n>, str<n>   n <= 256                     { n, b[n] } inside        above: dm_span_t, in place
     list, map          up to EMBED_MAX bytes        { n, v[max] } inside      above: dm_list_t, walked with <elem>_next
     option             { has, v }                   struct: its fields        enum with payloads: { tag, union u }
   "In place" points into the input or into the buffer the caller gave to _get. */
#include "dmic.h"
#include "base/assert.h"

#include <stdarg.h>
#include <stdlib.h>

#define EMBED_BYTES_MAX 256u
#define EMBED_MAX       2560u
#define STACK_MAX       1024u
#define VALUE_MAX       16384u   /* a module never handles larger values (M0.7) */
#define ID_MAX          200

typedef struct {
  dmic_unit_t const * u;
  dmg_buf_t         * out;
  dmg_err_t           err;
  char const        * prefix;                       /* before names of structs and enums: "" or "balances_" */
  DMI_VEC( char * )   done;                         /* ids of types already written */
} gen_t;

__attribute__(( format( printf, 2, 3 ) ))
static void put( gen_t * g, char const * fmt, ... ) {
  if( g->err ) return;
  char line[ 2048 ];
  va_list ap;
  va_start( ap, fmt );
  int n = vsnprintf( line, sizeof line, fmt, ap );
  va_end( ap );
  DMG_ASSERT( n>=0 && (size_t)n<sizeof line );   /* names are at most 64 bytes */
  g->err = dmg_buf_append( g->out, line, (size_t)n );
}

static void docs( gen_t * g, dmg_span_t doc, char const * indent ) {
  if( !doc.sz ) return;
  put( g, "%s/* ", indent );
  for( size_t i = 0; i<doc.sz; i++ ) {
    if( doc.p[ i ]=='\n' ) put( g, "\n%s   ", indent );
    else if( doc.p[ i ]=='*' && i+1<doc.sz && doc.p[ i+1 ]=='/' ) put( g, "* " );
    else if( !g->err ) g->err = dmg_buf_append( g->out, doc.p+i, 1 );
  }
  put( g, " */\n" );
}

/* A name as it may stand in C. */
typedef struct { char s[ 80 ]; } cname_t;
static void escape( cname_t * c ) { size_t n = strlen( c->s ); DMG_ASSERT( n+2<=sizeof c->s ); memcpy( c->s+n, "_", 2 ); }
static cname_t cname( dmg_span_t name ) {
  static char const * const word[] = { "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern", "float", "for",
    "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed", "sizeof", "static", "struct", "switch", "typedef", "union",
    "unsigned", "void", "volatile", "while", "bool", "true", "false", "asm", "typeof" };
  cname_t c;
  dmic_snake( name, c.s, sizeof c.s-1 );
  for( size_t i = 0; i<sizeof word/sizeof *word; i++ ) if( !strcmp( c.s, word[ i ] ) ) { escape( &c ); break; }
  return c;
}
/* As a parameter: beside the locals of the functions that take it. */
static cname_t pname( dmg_span_t name ) {
  static char const * const word[] = { "w", "r", "n", "in", "out", "raw", "args", "as", "out_ret" };
  cname_t c = cname( name );
  for( size_t i = 0; i<sizeof word/sizeof *word; i++ ) if( !strcmp( c.s, word[ i ] ) ) { escape( &c ); break; }
  return c;
}
static cname_t upper( dmg_span_t name ) { cname_t c; dmic_upper( name, c.s, sizeof c.s ); return c; }

/* ---- Types ---- */

static bool is_plain_enum( dmg_type_t const * t ) {
  if( t->kind!=DMG_TYPE_ENUM ) return false;
  for( uint32_t i = 0; i<t->variant_cnt; i++ ) if( t->variants[ i ].type ) return false;
  return true;
}
static bool is_scalar( dmg_type_t const * t ) { return t->kind<=DMG_TYPE_I128 || t->kind==DMG_TYPE_AMOUNT || is_plain_enum( t ); }
static bool is_view  ( dmg_type_t const * t ) {
  if( t->kind==DMG_TYPE_BYTES || t->kind==DMG_TYPE_STR ) return t->n>EMBED_BYTES_MAX;
  return ( t->kind==DMG_TYPE_LIST || t->kind==DMG_TYPE_MAP ) && t->sz_max>EMBED_MAX;
}
/* Does a value point into the bytes it was read from? */
static bool has_view( dmg_type_t const * t ) {
  if( is_view( t ) ) return true;
  if( t->elem && has_view( t->elem ) ) return true;
  if( t->val && has_view( t->val ) ) return true;
  for( uint32_t i = 0; i<t->field_cnt; i++ ) if( has_view( t->fields[ i ].type ) ) return true;
  for( uint32_t i = 0; i<t->variant_cnt; i++ ) if( t->variants[ i ].type && has_view( t->variants[ i ].type ) ) return true;
  return false;
}

typedef struct { char s[ ID_MAX ]; } word_t;

/* The word for a type in names: u64, hash, payment, hash_list_8, u32_opt. */
static word_t id_of( gen_t const * g, dmg_type_t const * t ) {
  static char const * const prim[] = { "bool", "u8", "u16", "u32", "u64", "u128", "i8", "i16", "i32", "i64", "i128", "hash", "hash", "u64", "asset" };
  word_t id, a, b;
  switch( t->kind ) {
  case DMG_TYPE_FIXED:  snprintf( id.s, sizeof id.s, "fixed_%u", t->n ); break;
  case DMG_TYPE_BYTES: case DMG_TYPE_STR:
    if( is_view( t ) ) snprintf( id.s, sizeof id.s, "span" );
    else snprintf( id.s, sizeof id.s, "bytes_%u", t->n );
    break;
  case DMG_TYPE_LIST:   a = id_of( g, t->elem ); snprintf( id.s, sizeof id.s, "%.150s_list_%u", a.s, t->n ); break;
  case DMG_TYPE_MAP:    a = id_of( g, t->elem ); b = id_of( g, t->val ); snprintf( id.s, sizeof id.s, "%.80s_%.80s_map_%u", a.s, b.s, t->n ); break;
  case DMG_TYPE_OPTION: a = id_of( g, t->elem ); snprintf( id.s, sizeof id.s, "%.150s_opt", a.s ); break;
  case DMG_TYPE_STRUCT: case DMG_TYPE_ENUM: {
    cname_t c;
    dmic_snake( t->name, c.s, sizeof c.s );
    snprintf( id.s, sizeof id.s, "%s%s", g->prefix, c.s );
    break;
  }
  default:
    DMG_ASSERT( t->kind<=DMG_TYPE_ASSET );
    snprintf( id.s, sizeof id.s, "%s", prim[ t->kind ] );
  }
  return id;
}

static word_t ctype( gen_t const * g, dmg_type_t const * t ) {
  static char const * const prim[] = { "bool", "uint8_t", "uint16_t", "uint32_t", "uint64_t", "dm_u128_t", "int8_t", "int16_t", "int32_t", "int64_t", "dm_i128_t",
    "dm_address_t", "dm_hash_t", "uint64_t", "dm_asset_t" };
  word_t id, out;
  if( t->kind<=DMG_TYPE_ASSET ) { snprintf( out.s, sizeof out.s, "%s", prim[ t->kind ] ); return out; }
  if( is_view( t ) ) { snprintf( out.s, sizeof out.s, t->kind==DMG_TYPE_BYTES || t->kind==DMG_TYPE_STR ? "dm_span_t" : "dm_list_t" ); return out; }
  id = id_of( g, t );
  bool is_lib = t->kind==DMG_TYPE_FIXED || t->kind==DMG_TYPE_BYTES || t->kind==DMG_TYPE_STR;
  snprintf( out.s, sizeof out.s, "%s%.190s_t", is_lib ? "dm_" : "", id.s );
  return out;
}

/* As a parameter: by value, or a pointer to const. */
static void param( gen_t * g, dmg_type_t const * t, char const * name ) {
  word_t c = ctype( g, t );
  put( g, is_scalar( t ) ? "%s %s" : "%s const * %s", c.s, name );
}

static void gen_type( gen_t * g, dmg_type_t const * t );

/* Statement that reads into lvalue v from *r. */
static void read_stmt( gen_t * g, dmg_type_t const * t, char const * v, char const * indent ) {
  word_t id = id_of( g, t );
  if( is_plain_enum( t ) )                                               put( g, "%s%s = dm_rd_enum( r );\n", indent, v );
  else if( is_scalar( t ) )                                              put( g, "%s%s = dm_rd_%s( r );\n", indent, v, id.s );
  else if( t->kind<=DMG_TYPE_ASSET )                                     put( g, "%sdm_rd_%s( r, &%s );\n", indent, id.s, v );
  else if( t->kind==DMG_TYPE_FIXED )                                     put( g, "%sdm_rd_raw( r, %s.b, %u );\n", indent, v, t->n );
  else if( is_view( t ) && ( t->kind==DMG_TYPE_BYTES || t->kind==DMG_TYPE_STR ) ) put( g, "%sdm_rd_span( r, &%s );\n", indent, v );
  else if( t->kind==DMG_TYPE_BYTES || t->kind==DMG_TYPE_STR )            put( g, "%s%s.n = dm_rd_bytes( r, %s.b, %u );\n", indent, v, v, t->n );
  else                                                                   put( g, "%srd_%s( r, &%s );\n", indent, id.s, v );
}

/* Statement that writes v; is_ptr: v is a pointer to it. */
static void write_stmt( gen_t * g, dmg_type_t const * t, char const * v, bool is_ptr, char const * indent ) {
  word_t id = id_of( g, t );
  char const * amp = is_ptr ? "" : "&", * dot = is_ptr ? "->" : ".";
  if( is_plain_enum( t ) )                                               put( g, "%sdm_wr_enum( w, %s%s );\n", indent, is_ptr ? "*" : "", v );
  else if( is_scalar( t ) )                                              put( g, "%sdm_wr_%s( w, %s%s );\n", indent, id.s, is_ptr ? "*" : "", v );
  else if( t->kind<=DMG_TYPE_ASSET )                                     put( g, "%sdm_wr_%s( w, %s%s );\n", indent, id.s, amp, v );
  else if( t->kind==DMG_TYPE_FIXED )                                     put( g, "%sdm_wr_raw( w, %s%sb, %u );\n", indent, v, dot, t->n );
  else if( is_view( t ) )                                                put( g, "%sdm_wr_%s( w, %s%s );\n", indent, t->kind==DMG_TYPE_BYTES || t->kind==DMG_TYPE_STR ? "span" : "list", amp, v );
  else if( t->kind==DMG_TYPE_BYTES || t->kind==DMG_TYPE_STR )            put( g, "%sdm_wr_bytes( w, %s%sb, %s%sn, %u );\n", indent, v, dot, v, dot, t->n );
  else                                                                   put( g, "%swr_%s( w, %s%s );\n", indent, id.s, amp, v );
}

/* True the first time an id is asked for. */
static bool first( gen_t * g, char const * id ) {
  for( uint32_t i = 0; i<g->done.n; i++ ) if( !strcmp( g->done.v[ i ], id ) ) return false;
  if( g->done.n==g->done.cap ) {
    uint32_t cap = g->done.cap ? g->done.cap*2 : 64;
    char ** v = realloc( g->done.v, cap*sizeof *v );
    if( !v ) { g->err = DMG_ERR_NOMEM; return false; }
    g->done.v = v;
    g->done.cap = cap;
  }
  char * s = strdup( id );
  if( !s ) { g->err = DMG_ERR_NOMEM; return false; }
  g->done.v[ g->done.n++ ] = s;
  return true;
}

static void gen_fields_rw( gen_t * g, char const * id, dmg_type_t const * t ) {
  dmg_type_t const * later = NULL;
  uint32_t n = t->field_cnt;
  if( n && t->is_open && !t->fields[ n-1 ].name.sz ) later = t->fields[ --n ].type;

  put( g, "DM_GEN void rd_%s( dm_rd_t * r, %s_t * v ) {\n", id, id );
  for( uint32_t i = 0; i<n; i++ ) { char v[ 96 ]; snprintf( v, sizeof v, "v->%s", cname( t->fields[ i ].name ).s ); read_stmt( g, t->fields[ i ].type, v, "  " ); }
  if( t->is_open ) {
    put( g, "  dm_span_t tail;\n  dm_rd_span( r, &tail );\n  dm_rd_t in = dm_rd( tail.p, tail.n ), * const outer = r;\n  r = &in;\n" );
    for( uint32_t i = 0; later && i<later->field_cnt; i++ ) {
      char v[ 96 ];
      snprintf( v, sizeof v, "v->%s", cname( later->fields[ i ].name ).s );
      put( g, "  if( in.p==in.end ) memset( &%s, 0, sizeof %s ); else {\n", v, v );
      read_stmt( g, later->fields[ i ].type, v, "    " );
      put( g, "  }\n" );
    }
    put( g, "  v->tail_n = (uint32_t)( in.end-in.p );\n  if( v->tail_n>sizeof v->tail ) dm_trap();\n  dm_rd_raw( r, v->tail, v->tail_n );\n  r = outer;\n  (void)r;\n" );
  }
  if( !n && !t->is_open ) put( g, "  (void)r; (void)v;\n" );
  put( g, "}\nDM_GEN void wr_%s( dm_wr_t * w, %s_t const * v ) {\n", id, id );
  for( uint32_t i = 0; i<n; i++ ) { char v[ 96 ]; snprintf( v, sizeof v, "v->%s", cname( t->fields[ i ].name ).s ); write_stmt( g, t->fields[ i ].type, v, false, "  " ); }
  if( t->is_open ) {
    /* The tail ends after the last field that is not default: whose bytes are not all zero (R2.2). */
    put( g, "  uint8_t tail[ %u ];\n  uint32_t keep = 0;\n  dm_wr_t in = dm_wr( tail, sizeof tail ), * const outer = w;\n  w = &in;\n  (void)outer;\n", DMG_TAIL_MAX );
    for( uint32_t i = 0; later && i<later->field_cnt; i++ ) {
      char v[ 96 ];
      snprintf( v, sizeof v, "v->%s", cname( later->fields[ i ].name ).s );
      put( g, "  { uint32_t from = dm_wr_sz( &in, tail );\n" );
      write_stmt( g, later->fields[ i ].type, v, false, "    " );
      put( g, "    for( uint32_t k = from; k<dm_wr_sz( &in, tail ); k++ ) if( tail[ k ] ) keep = dm_wr_sz( &in, tail ); }\n" );
    }
    put( g, "  dm_wr_raw( w, v->tail, v->tail_n );\n  if( v->tail_n ) keep = dm_wr_sz( &in, tail );\n  dm_span_t s = { tail, keep };\n  dm_wr_span( outer, &s );\n" );
  }
  if( !n && !t->is_open ) put( g, "  (void)w; (void)v;\n" );
  put( g, "}\n" );
}

/* Struct of that id with these fields, its reader and writer. */
static void gen_struct( gen_t * g, char const * id, dmg_type_t const * t ) {
  for( uint32_t i = 0; i<t->field_cnt; i++ ) {
    if( t->fields[ i ].name.sz ) { gen_type( g, t->fields[ i ].type ); continue; }
    for( uint32_t k = 0; k<t->fields[ i ].type->field_cnt; k++ ) gen_type( g, t->fields[ i ].type->fields[ k ].type );
  }
  put( g, "typedef struct {" );
  for( uint32_t i = 0; i<t->field_cnt; i++ ) {
    dmg_type_t const * f = t->fields[ i ].type;
    if( t->fields[ i ].name.sz ) { put( g, " %s %s;", ctype( g, f ).s, cname( t->fields[ i ].name ).s ); continue; }
    for( uint32_t k = 0; k<f->field_cnt; k++ ) put( g, " %s %s;", ctype( g, f->fields[ k ].type ).s, cname( f->fields[ k ].name ).s );
  }
  /* What a newer version appended is carried along byte for byte (D11). */
  if( t->is_open ) put( g, " uint32_t tail_n; uint8_t tail[ %u ];", DMG_TAIL_MAX );
  put( g, " } %s_t;\n", id );
  gen_fields_rw( g, id, t );
}

static void gen_type( gen_t * g, dmg_type_t const * t ) {
  if( t->kind<=DMG_TYPE_ASSET ) return;
  word_t id = id_of( g, t );
  if( t->kind==DMG_TYPE_FIXED ) { if( first( g, id.s ) ) put( g, "#ifndef DM_FIXED_%u\n#define DM_FIXED_%u\ntypedef struct { uint8_t b[ %u ]; } dm_fixed_%u_t;\n#endif\n", t->n, t->n, t->n, t->n ); return; }
  if( t->kind==DMG_TYPE_BYTES || t->kind==DMG_TYPE_STR ) {
    if( !is_view( t ) && first( g, id.s ) ) put( g, "#ifndef DM_BYTES_%u\n#define DM_BYTES_%u\ntypedef struct { uint32_t n; uint8_t b[ %u ]; } dm_bytes_%u_t;\n#endif\n", t->n, t->n, t->n, t->n );
    return;
  }
  if( t->elem ) gen_type( g, t->elem );
  if( t->val )  gen_type( g, t->val );
  for( uint32_t i = 0; i<t->variant_cnt; i++ ) if( t->variants[ i ].type ) gen_type( g, t->variants[ i ].type );
  if( !first( g, id.s ) ) return;
  switch( t->kind ) {
  case DMG_TYPE_OPTION:
    put( g, "typedef struct { bool has; %s v; } %s_t;\n", ctype( g, t->elem ).s, id.s );
    put( g, "DM_GEN void rd_%s( dm_rd_t * r, %s_t * v ) {\n  v->has = dm_rd_bool( r );\n  if( !v->has ) { memset( &v->v, 0, sizeof v->v ); return; }\n", id.s, id.s );
    read_stmt( g, t->elem, "v->v", "  " );
    put( g, "}\nDM_GEN void wr_%s( dm_wr_t * w, %s_t const * v ) {\n  dm_wr_bool( w, v->has );\n  if( !v->has ) return;\n", id.s, id.s );
    write_stmt( g, t->elem, "v->v", false, "  " );
    put( g, "}\n" );
    break;
  case DMG_TYPE_LIST: case DMG_TYPE_MAP: {
    bool is_map = t->kind==DMG_TYPE_MAP;
    word_t elem = id_of( g, t->elem ), ec = ctype( g, t->elem );
    if( is_map ) {
      snprintf( elem.s, sizeof elem.s, "%.190s_entry", id.s );
      snprintf( ec.s, sizeof ec.s, "%.190s_t", elem.s );
      put( g, "typedef struct { %s k; %s v; } %s;\n", ctype( g, t->elem ).s, ctype( g, t->val ).s, ec.s );
      put( g, "DM_GEN void rd_%s( dm_rd_t * r, %s * v ) {\n", elem.s, ec.s );
      read_stmt( g, t->elem, "v->k", "  " ); read_stmt( g, t->val, "v->v", "  " );
      put( g, "}\nDM_GEN void wr_%s( dm_wr_t * w, %s const * v ) {\n", elem.s, ec.s );
      write_stmt( g, t->elem, "v->k", false, "  " ); write_stmt( g, t->val, "v->v", false, "  " );
      put( g, "}\n" );
    }
    if( !is_view( t ) ) {
      put( g, "typedef struct { uint32_t n; %s v[ %u ]; } %s_t;\n", ec.s, t->n, id.s );
      put( g, "DM_GEN void rd_%s( dm_rd_t * r, %s_t * v ) {\n  v->n = dm_rd_uleb( r );\n  if( v->n>%u ) dm_trap();\n  for( uint32_t i = 0; i<v->n; i++ ) {\n", id.s, id.s, t->n );
      if( is_map ) put( g, "    rd_%s( r, &v->v[ i ] );\n", elem.s ); else read_stmt( g, t->elem, "v->v[ i ]", "    " );
      put( g, "  }\n}\nDM_GEN void wr_%s( dm_wr_t * w, %s_t const * v ) {\n  if( v->n>%u ) dm_trap();\n  dm_wr_uleb( w, v->n );\n  for( uint32_t i = 0; i<v->n; i++ ) {\n", id.s, id.s, t->n );
      if( is_map ) put( g, "    wr_%s( w, &v->v[ i ] );\n", elem.s ); else write_stmt( g, t->elem, "v->v[ i ]", false, "    " );
      put( g, "  }\n}\n" );
      break;
    }
    /* A view: reading it means walking over the elements once. */
    word_t next;
    snprintf( next.s, sizeof next.s, "%.190s_next", elem.s );
    if( first( g, next.s ) ) {
      put( g, "DM_GEN bool %s( dm_list_t * l, %s * v ) {   /* false at the end */\n  if( !l->cnt ) return false;\n  dm_rd_t in = dm_rd( l->p, l->n ), * r = &in;\n", next.s, ec.s );
      if( is_map ) put( g, "  rd_%s( r, v );\n", elem.s ); else read_stmt( g, t->elem, "( *v )", "  " );
      put( g, "  l->cnt--;\n  l->n = (uint32_t)( in.end-in.p );\n  l->p = in.p;\n  return true;\n}\n" );
      /* Appends to a list that is being built in buf. */
      put( g, "DM_GEN void %s_push( dm_list_t * l, uint8_t * buf, uint32_t cap, %s const * v ) {\n  if( !l->cnt ) *l = (dm_list_t){ buf, 0, 0 };\n  dm_wr_t out = dm_wr( buf+l->n, cap-l->n ), * w = &out;\n", elem.s, ec.s );
      if( is_map ) put( g, "  wr_%s( w, v );\n", elem.s ); else write_stmt( g, t->elem, "v", true, "  " );
      put( g, "  l->n = (uint32_t)( out.p-buf );\n  l->cnt++;\n}\n" );
    }
    put( g, "DM_GEN void rd_%s( dm_rd_t * r, dm_list_t * v ) {\n  v->cnt = dm_rd_uleb( r );\n  if( v->cnt>%u ) dm_trap();\n  v->p = r->p;\n", id.s, t->n );
    dmg_type_t const * e = t->elem;
    DMG_ASSERT( e );
    bool is_fixed = !is_map && e->sz_min==e->sz_max;
    if( is_fixed ) put( g, "  (void)dm_rd_take( r, v->cnt*%lluu );\n", (unsigned long long)e->sz_max );
    else {
      put( g, "  for( uint32_t i = 0; i<v->cnt; i++ ) {\n    %s skip;\n", ec.s );
      if( is_map ) put( g, "    rd_%s( r, &skip );\n", elem.s ); else read_stmt( g, t->elem, "skip", "    " );
      put( g, "  }\n" );
    }
    put( g, "  v->n = (uint32_t)( r->p-v->p );\n}\n" );
    break;
  }
  case DMG_TYPE_STRUCT:
    gen_struct( g, id.s, t );
    break;
  case DMG_TYPE_ENUM: {
    cname_t up;
    char full[ 160 ];
    snprintf( full, sizeof full, "%.150s", id.s );
    dmic_upper( dmg_span_cstr( full ), up.s, sizeof up.s );
    put( g, "enum {" );
    for( uint32_t i = 0; i<t->variant_cnt; i++ ) put( g, " %s_%s = %u%s", up.s, upper( t->variants[ i ].name ).s, t->variants[ i ].tag, i+1<t->variant_cnt ? "," : "" );
    put( g, " };\n" );
    if( is_plain_enum( t ) ) { put( g, "typedef uint32_t %s_t;\n", id.s ); break; }
    put( g, "typedef struct { uint32_t tag; union {" );
    for( uint32_t i = 0; i<t->variant_cnt; i++ ) if( t->variants[ i ].type ) put( g, " %s %s;", ctype( g, t->variants[ i ].type ).s, cname( t->variants[ i ].name ).s );
    put( g, " } u; } %s_t;\n", id.s );
    for( int is_wr = 0; is_wr<2; is_wr++ ) {
      if( is_wr ) put( g, "DM_GEN void wr_%s( dm_wr_t * w, %s_t const * v ) {\n  dm_wr_uleb( w, v->tag );\n  switch( v->tag ) {\n", id.s, id.s );
      else        put( g, "DM_GEN void rd_%s( dm_rd_t * r, %s_t * v ) {\n  memset( v, 0, sizeof *v );\n  v->tag = dm_rd_uleb( r );\n  switch( v->tag ) {\n", id.s, id.s );
      for( uint32_t i = 0; i<t->variant_cnt; i++ ) {
        char v[ 96 ];
        snprintf( v, sizeof v, "v->u.%s", cname( t->variants[ i ].name ).s );
        put( g, "  case %u:\n", i );
        if( t->variants[ i ].type ) { if( is_wr ) write_stmt( g, t->variants[ i ].type, v, false, "    " ); else read_stmt( g, t->variants[ i ].type, v, "    " ); }
        put( g, "    break;\n" );
      }
      put( g, "  default: dm_trap();\n  }\n}\n" );
    }
    break;
  }
  default:
    DMG_ASSERT( 0 );
  }
}

/* ---- Items ---- */

static void key_params( gen_t * g, dmg_abi_item_t const * it, uint32_t n ) {
  for( uint32_t i = 0; i<n; i++ ) { char name[ 16 ]; snprintf( name, sizeof name, "k%u", i ); if( i ) put( g, ", " ); param( g, it->keys[ i ], name ); }
}

static void key_write( gen_t * g, dmg_abi_item_t const * it, uint32_t n ) {
  for( uint32_t i = 0; i<n; i++ ) {
    dmg_type_t const * t = it->keys[ i ];
    if( t->kind==DMG_TYPE_STR )        put( g, "  dm_wr_bytes( &kw, k%u->b, k%u->n, %u );\n", i, i, t->n );
    else if( t->kind==DMG_TYPE_FIXED ) put( g, "  dm_wr_raw( &kw, k%u->b, %u );\n", i, t->n );
    else if( is_plain_enum( t ) )      put( g, "  dm_key_enum( &kw, k%u );\n", i );
    else                               put( g, "  dm_key_%s( &kw, k%u );\n", id_of( g, t ).s, i );
  }
}

static void key_begin( gen_t * g, dmg_abi_item_t const * it ) {
  if( !it->key_cnt ) { put( g, "  uint8_t const * key = 0;\n  uint32_t key_n = 0;\n" ); return; }
  put( g, "  uint8_t key[ %u ];\n  dm_wr_t kw = dm_wr( key, sizeof key );\n", it->key_sz_max );
  key_write( g, it, it->key_cnt );
  put( g, "  uint32_t key_n = dm_wr_sz( &kw, key );\n" );
}

static void raw_buf( gen_t * g, char const * name, uint32_t sz ) { put( g, sz>STACK_MAX ? "  static uint8_t %s[ %u ];\n" : "  uint8_t %s[ %u ];\n", name, sz ); }

static void gen_item( gen_t * g, dmg_abi_item_t const * it, dmg_span_t doc ) {
  cname_t n = cname( it->name );
  char const * sep = it->key_cnt ? ", " : "";
  for( uint32_t i = 0; i<it->key_cnt; i++ ) gen_type( g, it->keys[ i ] );
  put( g, "\n" );
  docs( g, doc, "" );
  put( g, "#define ITEM_%s %uu\n", upper( it->name ).s, it->id );
  if( it->kind==DMG_ITEM_COUNTER ) {
    put( g, "DM_GEN uint64_t %s_get( ", n.s ); key_params( g, it, it->key_cnt ); put( g, "%s) {\n", it->key_cnt ? " " : "void " );
    key_begin( g, it );
    put( g, "  uint64_t v = 0;\n  if( dm1_ctr_get( %u, key, key_n, &v )<0 ) dm_trap();\n  return v;\n}\n", it->id );
    put( g, "/* False: the sum would leave 0..max, nothing changed. */\nDM_GEN bool %s_try_add( ", n.s ); key_params( g, it, it->key_cnt ); put( g, "%sint64_t delta, uint64_t max ) {\n", sep );
    key_begin( g, it );
    put( g, "  int32_t e = dm1_ctr_add( %u, key, key_n, delta, max );\n  if( e==DM_E_BOUND ) return false;\n  if( e<0 ) dm_trap();\n  return true;\n}\n", it->id );
    put( g, "/* Fault Overflow outside 0..2^63-1. */\nDM_GEN dm_fault_t %s_add( ", n.s ); key_params( g, it, it->key_cnt ); put( g, "%sint64_t delta ) { return %s_try_add( ", sep, n.s );
    for( uint32_t i = 0; i<it->key_cnt; i++ ) put( g, "k%u, ", i );
    put( g, "delta, DM_AMOUNT_MAX ) ? 0 : FAULT_OVERFLOW; }\n" );
    return;
  }
  if( it->max>VALUE_MAX ) { put( g, "/* Values above 16 KiB: native code's, not for modules. */\n" ); return; }
  gen_type( g, it->value );
  word_t vc = ctype( g, it->value );
  bool view = has_view( it->value );
  uint32_t raw_sz = 1+it->max;

  put( g, "#define %s_RAW_SZ %uu\n", upper( it->name ).s, raw_sz );
  put( g, "/* False: absent.%s */\nDM_GEN bool %s_get( ", view ? "  *out points into raw, of _RAW_SZ bytes." : "", n.s );
  key_params( g, it, it->key_cnt );
  put( g, "%s%s%s * out ) {\n", sep, view ? "uint8_t * raw, " : "", vc.s );
  key_begin( g, it );
  if( !view ) raw_buf( g, "raw", raw_sz );
  put( g, "  int32_t n = dm1_get( %u, key, key_n, raw, %u );\n  if( n==DM_E_ABSENT ) return false;\n", it->id, raw_sz );
  put( g, "  if( n<1 || n>%u || raw[ 0 ]!=STORAGE_VERSION ) dm_trap();\n  dm_rd_t in = dm_rd( raw+1, (uint32_t)n-1 ), * r = &in;\n", raw_sz );
  read_stmt( g, it->value, "( *out )", "  " );
  put( g, "  dm_rd_end( r );\n  return true;\n}\n" );

  put( g, "DM_GEN bool %s_has( ", n.s ); key_params( g, it, it->key_cnt ); put( g, "%s) {\n", it->key_cnt ? " " : "void " );
  key_begin( g, it );
  put( g, "  uint8_t none;\n  return dm1_get( %u, key, key_n, &none, 0 )>=0;\n}\n", it->id );

  put( g, "DM_GEN void %s_put( ", n.s ); key_params( g, it, it->key_cnt ); put( g, "%s", sep ); param( g, it->value, "v" ); put( g, " ) {\n" );
  key_begin( g, it );
  raw_buf( g, "raw", raw_sz );
  put( g, "  dm_wr_t out = dm_wr( raw, %u ), * w = &out;\n  dm_wr_u8( w, STORAGE_VERSION );\n", raw_sz );
  write_stmt( g, it->value, "v", !is_scalar( it->value ), "  " );
  put( g, "  if( dm1_put( %u, key, key_n, raw, dm_wr_sz( w, raw ) )<0 ) dm_trap();\n}\n", it->id );

  put( g, "DM_GEN void %s_del( ", n.s ); key_params( g, it, it->key_cnt ); put( g, "%s) {\n", it->key_cnt ? " " : "void " );
  key_begin( g, it );
  put( g, "  int32_t e = dm1_del( %u, key, key_n );\n  if( e<0 && e!=DM_E_ABSENT ) dm_trap();\n}\n", it->id );

  if( it->kind!=DMG_ITEM_ORDERED ) return;
  put( g, "/* The largest entry of a scan. */\n#define %s_SCAN_SZ %uu\n", upper( it->name ).s, 1+it->key_sz_max+2+raw_sz );
  put( g, "typedef struct {" );
  for( uint32_t i = 0; i<it->key_cnt; i++ ) put( g, " %s k%u;", ctype( g, it->keys[ i ] ).s, i );
  put( g, " } %s_key_t;\n", n.s );
  for( uint32_t p = 0; p<it->key_cnt; p++ ) {
    put( g, "/* Starts a walk over the entries with these %u leading key fields, at most max a host call. */\n", p );
    put( g, "DM_GEN void %s_scan%u( dm_scan_t * s, uint8_t * buf, uint32_t buf_n, uint32_t max%s", n.s, p, p ? ", " : "" ); key_params( g, it, p ); put( g, " ) {\n" );
    put( g, "  s->item = %u; s->max = max; s->entry_max = %s_SCAN_SZ; s->buf = buf; s->buf_n = buf_n; s->p = s->end = buf; s->after_n = 0; s->is_last = false;\n", it->id, upper( it->name ).s );
    put( g, "  dm_wr_t kw = dm_wr( s->prefix, sizeof s->prefix );\n" );
    key_write( g, it, p );
    put( g, "  s->prefix_n = dm_wr_sz( &kw, s->prefix );\n}\n" );
  }
  put( g, "/* False at the end. */\nDM_GEN bool %s_next( dm_scan_t * s, %s_key_t * out_key, %s * out ) {\n  dm_span_t k, v;\n  if( !dm_scan_next( s, &k, &v ) ) return false;\n", n.s, n.s, vc.s );
  put( g, "  dm_rd_t kin = dm_rd( k.p, k.n ), * r = &kin;\n" );
  for( uint32_t i = 0; i<it->key_cnt; i++ ) {
    dmg_type_t const * t = it->keys[ i ];
    if( t->kind==DMG_TYPE_STR )        put( g, "  out_key->k%u.n = dm_rd_bytes( r, out_key->k%u.b, %u );\n", i, i, t->n );
    else if( t->kind==DMG_TYPE_FIXED ) put( g, "  dm_rd_raw( r, out_key->k%u.b, %u );\n", i, t->n );
    else if( is_plain_enum( t ) )      put( g, "  out_key->k%u = dm_unkey_enum( r );\n", i );
    else if( is_scalar( t ) )          put( g, "  out_key->k%u = dm_unkey_%s( r );\n", i, id_of( g, t ).s );
    else                               put( g, "  dm_unkey_%s( r, &out_key->k%u );\n", id_of( g, t ).s, i );
  }
  put( g, "  if( !v.n || v.p[ 0 ]!=STORAGE_VERSION ) dm_trap();\n  dm_rd_t vin = dm_rd( v.p+1, v.n-1 );\n  r = &vin;\n" );
  read_stmt( g, it->value, "( *out )", "  " );
  put( g, "  dm_rd_end( r );\n  return true;\n}\n" );
}

/* ---- Faults, events ---- */

static void field_params( gen_t * g, dmg_type_t const * t, bool str_is_c ) {
  for( uint32_t i = 0; i<t->field_cnt; i++ ) {
    if( i ) put( g, ", " );
    if( str_is_c && t->fields[ i ].type->kind==DMG_TYPE_STR ) put( g, "char const * %s", pname( t->fields[ i ].name ).s );
    else param( g, t->fields[ i ].type, pname( t->fields[ i ].name ).s );
  }
}

static void gen_fault( gen_t * g, dmg_abi_fault_t const * f, dmg_span_t doc ) {
  cname_t n;
  dmic_snake( f->name, n.s, sizeof n.s );
  for( uint32_t i = 0; i<f->fields->field_cnt; i++ ) gen_type( g, f->fields->fields[ i ].type );
  docs( g, doc, "" );
  put( g, "DM_GEN dm_fault_t fault_%s( ", n.s );
  if( !f->fields->field_cnt ) { put( g, "void ) { return FAULT_%s; }\n", upper( f->name ).s ); return; }
  field_params( g, f->fields, true );
  put( g, " ) {\n" );
  raw_buf( g, "raw", (uint32_t)f->fields->sz_max );
  put( g, "  dm_wr_t out = dm_wr( raw, sizeof raw ), * w = &out;\n" );
  for( uint32_t i = 0; i<f->fields->field_cnt; i++ ) {
    dmg_type_t const * t = f->fields->fields[ i ].type;
    cname_t c = pname( f->fields->fields[ i ].name );
    if( t->kind==DMG_TYPE_STR ) put( g, "  dm_wr_bytes( w, (uint8_t const *)%s, (uint32_t)__builtin_strlen( %s ), %u );\n", c.s, c.s, t->n );
    else write_stmt( g, t, c.s, !is_scalar( t ), "  " );
  }
  put( g, "  if( dm1_fault( raw, dm_wr_sz( w, raw ) )<0 ) dm_trap();\n  return FAULT_%s;\n}\n", upper( f->name ).s );
}

static void gen_event( gen_t * g, dmg_abi_event_t const * e, dmg_span_t doc ) {
  cname_t n;
  dmic_snake( e->name, n.s, sizeof n.s );
  for( uint32_t i = 0; i<e->fields->field_cnt; i++ ) gen_type( g, e->fields->fields[ i ].type );
  docs( g, doc, "" );
  put( g, "DM_GEN void emit_%s( ", n.s );
  if( e->fields->field_cnt ) field_params( g, e->fields, false ); else put( g, "void" );
  put( g, " ) {\n" );
  raw_buf( g, "raw", (uint32_t)e->fields->sz_max+!e->fields->sz_max );
  put( g, "  dm_wr_t out = dm_wr( raw, sizeof raw ), * w = &out;\n" );
  for( uint32_t i = 0; i<e->fields->field_cnt; i++ ) write_stmt( g, e->fields->fields[ i ].type, pname( e->fields->fields[ i ].name ).s, !is_scalar( e->fields->fields[ i ].type ), "  " );
  put( g, "  if( dm1_emit( %u, raw, dm_wr_sz( w, raw ) )<0 ) dm_trap();\n}\n", e->id );
}

/* ---- Calls of used modules ---- */

static void gen_stub( gen_t * g, dmic_unit_t const * of, dmg_abi_fn_t const * fn, bool is_query ) {
  char name[ 160 ];
  snprintf( name, sizeof name, "%.*s_%.*s", DMG_SPAN_F( of->abi.name ), DMG_SPAN_F( fn->name ) );
  for( uint32_t i = 0; i<fn->args->field_cnt; i++ ) gen_type( g, fn->args->fields[ i ].type );
  if( fn->ret ) gen_type( g, fn->ret );
  bool has_args = fn->args->field_cnt, view = fn->ret && has_view( fn->ret );
  put( g, "%sDM_GEN dm_fault_t %s( %s%s", view ? "/* *out_ret points into raw, which holds the largest result. */\n" : "", name, is_query ? "" : "dm_as_t as", !is_query && has_args ? ", " : "" );
  field_params( g, fn->args, false );
  if( fn->ret ) put( g, "%s%s%s * out_ret", !is_query || has_args ? ", " : "", view ? "uint8_t * raw, " : "", ctype( g, fn->ret ).s );
  else if( is_query && !has_args ) put( g, "void" );
  put( g, " ) {\n" );
  raw_buf( g, "args", (uint32_t)fn->args->sz_max+!fn->args->sz_max );
  put( g, "  dm_wr_t out = dm_wr( args, sizeof args ), * w = &out;\n" );
  for( uint32_t i = 0; i<fn->args->field_cnt; i++ ) write_stmt( g, fn->args->fields[ i ].type, pname( fn->args->fields[ i ].name ).s, !is_scalar( fn->args->fields[ i ].type ), "  " );
  if( fn->ret ) { if( !view ) raw_buf( g, "raw", (uint32_t)fn->ret->sz_max ); }
  else put( g, "  uint8_t * raw = 0;\n" );
  put( g, "  int32_t n = dm1_%s( %u, %u, %s, args, dm_wr_sz( w, args ), raw, %u );\n", is_query ? "query" : "call", of->abi.module, fn->id,
       is_query ? "0, 0" : "as.flags, as.seed", fn->ret ? (uint32_t)fn->ret->sz_max : 0u );
  put( g, "  if( n<0 ) return dm_call_fault( n );\n" );
  if( fn->ret ) {
    put( g, "  dm_rd_t in = dm_rd( raw, (uint32_t)n ), * r = &in;\n" );
    read_stmt( g, fn->ret, "( *out_ret )", "  " );
  }
  put( g, "  return 0;\n}\n" );
}

/* ---- Dispatcher ---- */

static bool is_taken( dmic_unit_t const * u, dmg_span_t hook ) { return dmg_abi_call_named( &u->abi, hook ) || dmg_abi_query_named( &u->abi, hook ); }

static void handler_name( dmic_unit_t const * u, dmg_abi_fn_t const * fn, bool is_hook, char out[ 96 ] ) {
  snprintf( out, 96, "%s%s", is_hook && is_taken( u, fn->name ) ? "hook_" : "", cname( fn->name ).s );
}

static void gen_args( gen_t * g, dmg_abi_fn_t const * fn, bool is_hook ) {
  if( fn->ret ) gen_type( g, fn->ret );
  if( !fn->args->field_cnt ) return;
  char h[ 96 ], id[ 110 ];
  handler_name( g->u, fn, is_hook, h );
  snprintf( id, sizeof id, "%s_in", h );
  gen_struct( g, id, fn->args );
}

static void gen_case( gen_t * g, dmg_abi_fn_t const * fn, uint32_t kind ) {
  char h[ 96 ];
  handler_name( g->u, fn, kind==2, h );
  put( g, "  case %uu<<16|%u: {   /* %s */\n    if( !h->%s ) dm_trap();\n", kind, fn->id, h, h );
  if( fn->args->field_cnt ) put( g, "    %s_in_t in;\n    rd_%s_in( r, &in );\n", h, h );
  if( fn->ret ) put( g, "    %s ret;\n    memset( &ret, 0, sizeof ret );\n", ctype( g, fn->ret ).s );
  put( g, "    dm_fault_t f = h->%s(%s%s%s%s );\n", h, fn->args->field_cnt ? " &in" : "", fn->args->field_cnt && fn->ret ? "," : "", fn->ret ? " &ret" : "", fn->args->field_cnt || fn->ret ? "" : "" );
  put( g, "    if( f ) return dm_leave( f, 0 );\n" );
  if( fn->ret ) write_stmt( g, fn->ret, "ret", false, "    " );
  put( g, "    break;\n  }\n" );
}

static void gen_dispatch( gen_t * g ) {
  dmg_abi_t const * a = &g->u->abi;
  struct { dmg_abi_fn_t const * v; uint32_t n; } list[ 3 ] = { { a->calls, a->call_cnt }, { a->queries, a->query_cnt }, { a->hooks, a->hook_cnt } };
  for( uint32_t k = 0; k<3; k++ ) for( uint32_t i = 0; i<list[ k ].n; i++ ) gen_args( g, list[ k ].v+i, k==2 );
  put( g, "\n/* What DM_MODULE joins: a handler each; a missing one traps. */\ntypedef struct {\n" );
  for( uint32_t k = 0; k<3; k++ )
    for( uint32_t i = 0; i<list[ k ].n; i++ ) {
      dmg_abi_fn_t const * fn = list[ k ].v+i;
      char h[ 96 ];
      handler_name( g->u, fn, k==2, h );
      if( k==0 ) docs( g, g->u->call_docs[ i ], "  " );
      if( k==1 ) docs( g, g->u->query_docs[ i ], "  " );
      put( g, "  dm_fault_t ( * %s )( ", h );
      if( fn->args->field_cnt ) put( g, "%s_in_t const * in%s", h, fn->ret ? ", " : "" );
      if( fn->ret ) put( g, "%s * out", ctype( g, fn->ret ).s );
      if( !fn->args->field_cnt && !fn->ret ) put( g, "void" );
      put( g, " );\n" );
    }
  put( g, "} %.*s_handlers_t;\n\n", DMG_SPAN_F( a->name ) );
  put( g, "static inline int64_t %.*s_dispatch( %.*s_handlers_t const * h, uint32_t kind, uint32_t id ) {\n", DMG_SPAN_F( a->name ), DMG_SPAN_F( a->name ) );
  put( g, "  dm_rd_t args = dm_rd( dm_in+DM_ENV_SZ, DM_IN_SZ-DM_ENV_SZ ), * r = &args;\n  dm_wr_t out = dm_wr( dm_out, DM_OUT_SZ ), * w = &out;\n  (void)r;\n" );
  put( g, "  switch( kind<<16|id ) {\n" );
  for( uint32_t k = 0; k<3; k++ ) for( uint32_t i = 0; i<list[ k ].n; i++ ) gen_case( g, list[ k ].v+i, k );
  put( g, "  default: dm_trap();\n  }\n  return dm_leave( 0, dm_wr_sz( w, dm_out ) );\n}\n\n" );
  put( g, "#define DM_MODULE( name, ... )                                                     \\\n"
          "  _Alignas( 16 ) uint8_t dm_in[ DM_IN_SZ ];                                        \\\n"
          "  _Alignas( 16 ) uint8_t dm_out[ DM_OUT_SZ ];                                      \\\n"
          "  static name##_handlers_t const name##_handlers = { __VA_ARGS__ };                \\\n"
          "  DM_EXPORT( \"dm_entry\" ) int64_t dm_entry( uint32_t kind, uint32_t id, uint32_t in_sz ); \\\n"
          "  int64_t dm_entry( uint32_t kind, uint32_t id, uint32_t in_sz ) { (void)in_sz; return name##_dispatch( &name##_handlers, kind, id ); }\n" );
}

dmg_err_t dmic_emit_guest( dmic_unit_t const * u, dmg_buf_t * out ) {
  gen_t gen = { .u = u, .out = out, .prefix = "" }, * g = &gen;
  dmg_abi_t const * a = &u->abi;
  cname_t up = upper( a->name );
  put( g, "/* %.*s_abi: what module %.*s %u.%u.%u is written against.  Made from %.*s.dmi by dmic; do not edit. */\n", DMG_SPAN_F( a->name ), DMG_SPAN_F( a->name ),
       a->version.major, a->version.minor, a->version.patch, DMG_SPAN_F( a->name ) );
  put( g, "#ifndef %s_ABI_H\n#define %s_ABI_H\n\n#include \"dm.h\"\n\n", up.s, up.s );
  put( g, "#define MODULE_ID       %uu\n#define STORAGE_VERSION %uu\n#define DM_IN_SZ        %uu\n#define DM_OUT_SZ       %uu\n\n", a->module, a->storage_version, a->in_sz, a->out_sz );
  for( uint32_t i = 0; i<u->consts.n; i++ ) {
    dmi_def_t const * d = u->consts.v[ i ];
    docs( g, d->doc, "" );
    if( d->is_string ) {
      put( g, "#define %.*s \"", DMG_SPAN_F( d->name ) );
      for( size_t k = 0; k<d->string.sz; k++ ) { uint8_t c = d->string.p[ k ]; if( c=='"' || c=='\\' ) put( g, "\\%c", c ); else if( c=='\n' ) put( g, "\\n" ); else put( g, "%c", c ); }
      put( g, "\"\n" );
    } else if( !d->num.is_name ) put( g, "#define %.*s %lluull\n", DMG_SPAN_F( d->name ), (unsigned long long)d->num.v );
    else put( g, "#define %.*s %.*s\n", DMG_SPAN_F( d->name ), DMG_SPAN_F( d->num.name ) );
  }
  put( g, "enum {" );
  for( uint32_t i = 0; i<a->fault_cnt; i++ ) put( g, " FAULT_%s = %u%s", upper( a->faults[ i ].name ).s, a->faults[ i ].id, i+1<a->fault_cnt ? "," : "" );
  put( g, " };\n" );
  if( a->event_cnt ) {
    put( g, "enum {" );
    for( uint32_t i = 0; i<a->event_cnt; i++ ) put( g, " EVENT_%s = %u%s", upper( a->events[ i ].name ).s, a->events[ i ].id, i+1<a->event_cnt ? "," : "" );
    put( g, " };\n" );
  }
  put( g, "\n/* ---- Types ---- */\n\n" );
  for( uint32_t i = 0; i<u->types.n; i++ ) gen_type( g, u->types.v[ i ] );
  put( g, "\n/* ---- Items ---- */\n" );
  for( uint32_t i = 0; i<a->item_cnt; i++ ) gen_item( g, a->items+i, u->item_docs[ i ] );
  put( g, "\n/* ---- Faults ---- */\n\n" );
  for( uint32_t i = 0; i<a->fault_cnt; i++ ) gen_fault( g, a->faults+i, u->fault_docs[ i ] );
  put( g, "\n/* ---- Events ---- */\n\n" );
  for( uint32_t i = 0; i<a->event_cnt; i++ ) gen_event( g, a->events+i, u->event_docs[ i ] );
  for( uint32_t i = 0; i<a->use_cnt; i++ ) {
    dmic_unit_t const * of = u->used[ i ];
    char prefix[ 80 ];
    snprintf( prefix, sizeof prefix, "%.*s_", DMG_SPAN_F( of->abi.name ) );
    put( g, "\n/* ---- Calls of module %.*s ---- */\n\n", DMG_SPAN_F( of->abi.name ) );
    g->prefix = prefix;
    for( uint32_t k = 0; k<a->uses[ i ].call_cnt; k++ )  gen_stub( g, of, dmg_abi_call_named ( &of->abi, a->uses[ i ].calls[ k ] ), false );
    for( uint32_t k = 0; k<a->uses[ i ].query_cnt; k++ ) gen_stub( g, of, dmg_abi_query_named( &of->abi, a->uses[ i ].queries[ k ] ), true );
    g->prefix = "";
  }
  put( g, "\n/* ---- Entry ---- */\n\n" );
  gen_dispatch( g );
  put( g, "\n#endif\n" );
  for( uint32_t i = 0; i<g->done.n; i++ ) free( g->done.v[ i ] );
  free( g->done.v );
  return g->err;
}
