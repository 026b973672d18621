#include "runtime/wasm_int.h"
#include "base/assert.h"

#include <stdarg.h>
#include <stdlib.h>

static struct { char const * name; char const * params; } const dm1_fn[ DMG_DM1_CNT ] = {
#define X( name_, text_, params_ ) [ DMG_DM1_##name_ ] = { text_, params_ },
  DMG_DM1_TABLE( X )
#undef X
};
_Static_assert( DMG_DM1_CNT<=64, "report.imports is a set in 64 bits" );

/* ---- Verdict ---- */

static size_t put_u32( char * out, uint32_t v ) {
  char digits[ 10 ];
  size_t n = 0;
  do { digits[ n++ ] = (char)( '0'+v%10 ); v /= 10; } while( v );
  for( size_t i = 0; i<n; i++ ) out[ i ] = digits[ n-1-i ];
  return n;
}

/* Own formatting: the browser build has no stdio. */
void dmg_wasm_refuse( dmg_wasm_report_t * report, uint32_t func_idx, uint32_t off, char const * fmt, ... ) {
  if( report->text[ 0 ] ) return;   /* the first finding stands */
  va_list args;
  va_start( args, fmt );
  size_t n = 0, max = sizeof report->text-1;
  for( char const * f = fmt; *f && n<max; f++ ) {
    if( f[ 0 ]=='%' && f[ 1 ]=='u' ) {
      uint32_t v = va_arg( args, uint32_t );
      if( max-n<10 ) break;
      n += put_u32( report->text+n, v );
      f++;
    } else if( f[ 0 ]=='%' && f[ 1 ]=='s' ) {
      for( char const * s = va_arg( args, char const * ); *s && n<max; s++ ) report->text[ n++ ] = *s;
      f++;
    } else report->text[ n++ ] = *f;
  }
  va_end( args );
  report->text[ n ] = 0;
  report->is_ok    = false;
  report->func_idx = func_idx;
  report->off      = off;
}

/* Foreign bytes as printable text for a message, cut at 32. */
static char const * printable( dmg_span_t s, char out[ 36 ] ) {
  size_t n = s.sz<32 ? s.sz : 32;
  for( size_t i = 0; i<n; i++ ) out[ i ] = (char)( s.p[ i ]>=0x20 && s.p[ i ]<0x7f ? s.p[ i ] : '?' );
  memcpy( out+n, s.sz>n ? ".." : "", s.sz>n ? 3 : 1 );
  return out;
}

/* ---- Sections ---- */

typedef struct { dmg_wasm_mod_t * m; dmg_wasm_report_t * report; dmg_wasm_rd_t rd; } ctx_t;

#define REFUSE( c, off_, ... ) ( dmg_wasm_refuse( ( c )->report, DMG_WASM_NO_FUNC, ( off_ ), __VA_ARGS__ ), false )
#define WANT( c, call )        do { if( !( call ) ) return REFUSE( ( c ), ( c )->rd.off, "the section ends early, or a number is malformed" ); } while(0)

static bool span_read( ctx_t * c, dmg_span_t * out ) {
  uint32_t n;
  WANT( c, dmg_wasm_u32( &c->rd, &n ) );
  if( n>c->rd.sz-c->rd.off ) return REFUSE( c, c->rd.off, "a name of %u bytes reaches past its section", n );
  *out = dmg_span( c->rd.p+c->rd.off, n );
  c->rd.off += n;
  return true;
}

/* The element count of a vector section, within max. */
static bool count_read( ctx_t * c, char const * what, uint32_t max, uint32_t * out ) {
  uint32_t off = c->rd.off;
  WANT( c, dmg_wasm_u32( &c->rd, out ) );
  if( *out>max ) return REFUSE( c, off, "%u %s, at most %u are allowed", *out, what, max );
  return true;
}

static bool value_type_read( ctx_t * c, uint8_t * out ) {
  uint32_t off = c->rd.off;
  WANT( c, dmg_wasm_u8( &c->rd, out ) );
  if( *out==DMG_W_I32 || *out==DMG_W_I64 ) return true;
  if( *out==0x7d || *out==0x7c ) return REFUSE( c, off, "floating point types are refused: results must be the same on every machine" );
  return REFUSE( c, off, "value type %u: only i32 and i64 are allowed", (uint32_t)*out );
}

static bool types_read( ctx_t * c ) {
  dmg_wasm_mod_t * m = c->m;
  if( !count_read( c, "types", DMG_WASM_TYPE_MAX, &m->type_cnt ) ) return false;
  for( uint32_t i = 0; i<m->type_cnt; i++ ) {
    dmg_wasm_type_t * t = &m->types[ i ];
    uint32_t off = c->rd.off, n;
    uint8_t form;
    WANT( c, dmg_wasm_u8( &c->rd, &form ) );
    if( form!=0x60 ) return REFUSE( c, off, "type %u is not a function type", i );
    if( !count_read( c, "parameters", DMG_WASM_PARAM_MAX, &n ) ) return false;
    t->param_cnt = (uint8_t)n;
    for( uint32_t k = 0; k<n; k++ ) if( !value_type_read( c, &t->param[ k ] ) ) return false;
    off = c->rd.off;
    WANT( c, dmg_wasm_u32( &c->rd, &n ) );
    if( n>1 ) return REFUSE( c, off, "type %u has %u results, at most one is allowed", i, n );
    t->result = DMG_W_NONE;
    if( n && !value_type_read( c, &t->result ) ) return false;
  }
  return true;
}

static bool import_resolve( ctx_t * c, uint32_t off, dmg_span_t name, dmg_wasm_type_t const * type, uint8_t * out_dm1 ) {
  char text[ 36 ];
  for( uint32_t k = 0; k<DMG_DM1_CNT; k++ ) {
    if( !dmg_span_eq( name, dmg_span_cstr( dm1_fn[ k ].name ) ) ) continue;
    char const * params = dm1_fn[ k ].params;
    bool is_same = type->result==DMG_W_I32 && type->param_cnt==strlen( params );
    for( uint32_t p = 0; is_same && p<type->param_cnt; p++ ) is_same = type->param[ p ]==( params[ p ]=='i' ? DMG_W_I32 : DMG_W_I64 );
    if( !is_same ) return REFUSE( c, off, "import dm1.%s has another type; right is (%s) -> i, where i is i32 and I is i64", dm1_fn[ k ].name, params );
    *out_dm1 = (uint8_t)k;
    return true;
  }
#define X( later ) if( dmg_span_eq( name, dmg_span_cstr( later ) ) ) return REFUSE( c, off, "import dm1.%s: not available in this host API yet", later );
  DMG_DM1_LATER_TABLE( X )
#undef X
  return REFUSE( c, off, "import dm1.%s: there is no such host function", printable( name, text ) );
}

static bool imports_read( ctx_t * c ) {
  dmg_wasm_mod_t * m = c->m;
  uint32_t cnt;
  if( !count_read( c, "imports", DMG_WASM_IMPORT_MAX, &cnt ) ) return false;
  for( uint32_t i = 0; i<cnt; i++ ) {
    uint32_t off = c->rd.off, type_off, type;
    dmg_span_t module, name;
    uint8_t kind;
    char text[ 36 ];
    if( !span_read( c, &module ) || !span_read( c, &name ) ) return false;
    if( !dmg_span_eq( module, DMG_SPAN_STR( DMG_DM1_MODULE ) ) ) return REFUSE( c, off, "import from '%s': only functions of dm1 may be imported", printable( module, text ) );
    WANT( c, dmg_wasm_u8( &c->rd, &kind ) );
    if( kind ) return REFUSE( c, off, "import dm1.%s is not a function", printable( name, text ) );
    type_off = c->rd.off;
    WANT( c, dmg_wasm_u32( &c->rd, &type ) );
    if( type>=m->type_cnt ) return REFUSE( c, type_off, "type %u does not exist", type );
    if( !import_resolve( c, off, name, &m->types[ type ], &m->import_dm1[ i ] ) ) return false;
    m->import_type[ i ] = (uint16_t)type;
    c->report->imports |= (uint64_t)1<<m->import_dm1[ i ];
  }
  m->import_cnt = cnt;
  return true;
}

static bool funcs_read( ctx_t * c ) {
  dmg_wasm_mod_t * m = c->m;
  if( !count_read( c, "functions", DMG_WASM_FUNC_MAX, &m->func_cnt ) ) return false;
  for( uint32_t i = 0; i<m->func_cnt; i++ ) {
    uint32_t off = c->rd.off, type;
    WANT( c, dmg_wasm_u32( &c->rd, &type ) );
    if( type>=m->type_cnt ) return REFUSE( c, off, "type %u does not exist", type );
    m->funcs[ i ].type = (uint16_t)type;
  }
  return true;
}

static bool table_read( ctx_t * c ) {
  dmg_wasm_mod_t * m = c->m;
  uint32_t off = c->rd.off, cnt;
  uint8_t b;
  WANT( c, dmg_wasm_u32( &c->rd, &cnt ) );
  if( cnt>1 ) return REFUSE( c, off, "%u tables, at most one is allowed", cnt );
  if( !cnt ) return true;
  off = c->rd.off;
  WANT( c, dmg_wasm_u8( &c->rd, &b ) );
  if( b!=0x70 ) return REFUSE( c, off, "the table must hold functions (reference types are refused)" );
  off = c->rd.off;
  WANT( c, dmg_wasm_u8( &c->rd, &b ) );
  if( b>1 ) return REFUSE( c, off, "the table's limits must have flag 0 or 1" );
  WANT( c, dmg_wasm_u32( &c->rd, &m->table_min ) );
  m->table_max = m->table_min;
  m->has_table_max = b==1;
  if( b ) WANT( c, dmg_wasm_u32( &c->rd, &m->table_max ) );
  if( m->table_max<m->table_min ) return REFUSE( c, off, "the table's maximum is below its size" );
  if( m->table_max>DMG_WASM_TABLE_MAX ) return REFUSE( c, off, "a table of %u, at most %u is allowed", m->table_max, DMG_WASM_TABLE_MAX );
  m->has_table = true;
  return true;
}

static bool memory_read( ctx_t * c ) {
  uint32_t off = c->rd.off, cnt, min, max;
  uint8_t flags;
  WANT( c, dmg_wasm_u32( &c->rd, &cnt ) );
  if( cnt!=1 ) return REFUSE( c, off, "%u memories, there must be exactly one", cnt );
  off = c->rd.off;
  WANT( c, dmg_wasm_u8( &c->rd, &flags ) );
  if( flags!=1 ) return REFUSE( c, off, "the memory's limits must have flag 1: a maximum, not shared, 32-bit" );
  WANT( c, dmg_wasm_u32( &c->rd, &min ) && dmg_wasm_u32( &c->rd, &max ) );
  if( min!=max ) return REFUSE( c, off, "memory of %u to %u pages: initial and maximum must be equal", min, max );
  if( !min || min>DMG_WASM_PAGES_MAX ) return REFUSE( c, off, "memory of %u pages, 1 to %u are allowed", min, DMG_WASM_PAGES_MAX );
  c->m->memory_pages = min;
  return true;
}

/* A constant expression: one const of the type and end. */
static bool const_read( ctx_t * c, uint8_t type, int64_t * out ) {
  uint32_t off = c->rd.off;
  uint8_t op, end;
  WANT( c, dmg_wasm_u8( &c->rd, &op ) );
  if( op!=( type==DMG_W_I32 ? DMG_W_I32_CONST : DMG_W_I64_CONST ) ) return REFUSE( c, off, "the value must be one %s.const", type==DMG_W_I32 ? "i32" : "i64" );
  int32_t v = 0;
  WANT( c, type==DMG_W_I32 ? dmg_wasm_s32( &c->rd, &v ) : dmg_wasm_s64( &c->rd, out ) );
  if( type==DMG_W_I32 ) *out = v;
  off = c->rd.off;
  WANT( c, dmg_wasm_u8( &c->rd, &end ) );
  if( end!=DMG_W_END ) return REFUSE( c, off, "the value must be a single constant" );
  return true;
}

static bool globals_read( ctx_t * c ) {
  dmg_wasm_mod_t * m = c->m;
  if( !count_read( c, "globals", DMG_WASM_GLOBAL_MAX, &m->global_cnt ) ) return false;
  for( uint32_t i = 0; i<m->global_cnt; i++ ) {
    dmg_wasm_global_t * g = &m->globals[ i ];
    if( !value_type_read( c, &g->type ) ) return false;
    uint32_t off = c->rd.off;
    WANT( c, dmg_wasm_u8( &c->rd, &g->is_mut ) );
    if( g->is_mut>1 ) return REFUSE( c, off, "a global is constant (0) or mutable (1)" );
    if( !const_read( c, g->type, &g->init ) ) return false;
  }
  return true;
}

static bool exports_read( ctx_t * c ) {
  static struct { char const * name; uint8_t kind; } const want[ 4 ] = { { "memory", 2 }, { "dm_entry", 0 }, { "dm_in", 3 }, { "dm_out", 3 } };
  dmg_wasm_mod_t * m = c->m;
  uint32_t idx[ 4 ], at[ 4 ], seen = 0, cnt, off0 = c->rd.off;
  char text[ 36 ];
  WANT( c, dmg_wasm_u32( &c->rd, &cnt ) );
  for( uint32_t i = 0; i<cnt; i++ ) {
    uint32_t off = c->rd.off, k = 0;
    dmg_span_t name;
    uint8_t kind;
    if( !span_read( c, &name ) ) return false;
    while( k<4 && !dmg_span_eq( name, dmg_span_cstr( want[ k ].name ) ) ) k++;
    if( k==4 ) return REFUSE( c, off, "export '%s': exactly memory, dm_entry, dm_in and dm_out must be exported", printable( name, text ) );
    if( seen>>k&1 ) return REFUSE( c, off, "%s is exported twice", want[ k ].name );
    seen |= 1u<<k;
    at[ k ] = off;
    WANT( c, dmg_wasm_u8( &c->rd, &kind ) && dmg_wasm_u32( &c->rd, &idx[ k ] ) );
    if( kind!=want[ k ].kind ) return REFUSE( c, off, "export %s is of another kind; memory is a memory, dm_entry a function, dm_in and dm_out are globals", want[ k ].name );
  }
  for( uint32_t k = 0; k<4; k++ ) if( !( seen>>k&1 ) ) return REFUSE( c, off0, "%s is not exported", want[ k ].name );

  if( idx[ 0 ] || !m->memory_pages ) return REFUSE( c, at[ 0 ], "memory %u does not exist", idx[ 0 ] );
  if( idx[ 1 ]<m->import_cnt || idx[ 1 ]-m->import_cnt>=m->func_cnt ) return REFUSE( c, at[ 1 ], "dm_entry: function %u does not exist or is imported", idx[ 1 ] );
  dmg_wasm_type_t const * t = &m->types[ m->funcs[ idx[ 1 ]-m->import_cnt ].type ];
  if( t->param_cnt!=3 || t->result!=DMG_W_I64 || t->param[ 0 ]!=DMG_W_I32 || t->param[ 1 ]!=DMG_W_I32 || t->param[ 2 ]!=DMG_W_I32 )
    return REFUSE( c, at[ 1 ], "dm_entry must be (i32 kind, i32 id, i32 in_sz) -> i64" );
  m->entry_func = idx[ 1 ];

  uint32_t value[ 2 ];
  for( uint32_t k = 0; k<2; k++ ) {
    uint32_t g = idx[ 2+k ];
    if( g>=m->global_cnt ) return REFUSE( c, at[ 2+k ], "%s: global %u does not exist", want[ 2+k ].name, g );
    if( m->globals[ g ].is_mut || m->globals[ g ].type!=DMG_W_I32 ) return REFUSE( c, at[ 2+k ], "%s must be an immutable i32", want[ 2+k ].name );
    value[ k ] = (uint32_t)m->globals[ g ].init;
    if( value[ k ]>=m->memory_pages*65536u ) return REFUSE( c, at[ 2+k ], "%s = %u lies outside memory", want[ 2+k ].name, value[ k ] );
  }
  m->in_global  = idx[ 2 ];
  m->out_global = idx[ 3 ];
  c->report->dm_in  = value[ 0 ];
  c->report->dm_out = value[ 1 ];
  return true;
}

/* flag 0 and an offset of type i32: an active segment of table or memory 0. */
static bool segment_head_read( ctx_t * c, char const * what, uint32_t * out_at ) {
  uint32_t off = c->rd.off, flags;
  int64_t  at;
  WANT( c, dmg_wasm_u32( &c->rd, &flags ) );
  if( flags ) return REFUSE( c, off, "a %s segment with flags %u: only active segments (0) are allowed", what, flags );
  if( !const_read( c, DMG_W_I32, &at ) ) return false;
  *out_at = (uint32_t)at;
  return true;
}

static bool elems_read( ctx_t * c ) {
  dmg_wasm_mod_t * m = c->m;
  if( !count_read( c, "element segments", DMG_WASM_SEGMENT_MAX, &m->elem_cnt ) ) return false;
  for( uint32_t i = 0; i<m->elem_cnt; i++ ) {
    uint32_t off = c->rd.off, at, n, f;
    if( !segment_head_read( c, "element", &at ) ) return false;
    WANT( c, dmg_wasm_u32( &c->rd, &n ) );
    if( !m->has_table || (uint64_t)at+n>m->table_min ) return REFUSE( c, off, "element segment %u reaches past the table of %u", i, m->table_min );
    for( uint32_t k = 0; k<n; k++ ) {
      uint32_t foff = c->rd.off;
      WANT( c, dmg_wasm_u32( &c->rd, &f ) );
      if( f>=m->import_cnt+m->func_cnt ) return REFUSE( c, foff, "function %u does not exist", f );
    }
  }
  return true;
}

static bool data_read( ctx_t * c ) {
  dmg_wasm_mod_t * m = c->m;
  if( !count_read( c, "data segments", DMG_WASM_SEGMENT_MAX, &m->data_cnt ) ) return false;
  for( uint32_t i = 0; i<m->data_cnt; i++ ) {
    uint32_t off = c->rd.off, at, n;
    if( !segment_head_read( c, "data", &at ) ) return false;
    WANT( c, dmg_wasm_u32( &c->rd, &n ) );
    if( n>c->rd.sz-c->rd.off ) return REFUSE( c, off, "data segment %u reaches past its section", i );
    if( (uint64_t)at+n>(uint64_t)m->memory_pages*65536u ) return REFUSE( c, off, "data segment %u reaches past memory", i );
    c->rd.off += n;
  }
  return true;
}

/* ---- Function bodies: the specification's validation algorithm, for one value type lattice {i32, i64, any} ---- */

typedef struct { uint8_t op, result; bool is_unreachable, is_dead; uint32_t height; } frame_t;

typedef struct {
  ctx_t * c;
  uint32_t func_idx, local_cnt, height, height_max, op_cnt, frame_cnt, block_cnt, block_all_cnt;
  bool    has_bulk;
  uint8_t result;
  uint8_t local[ DMG_WASM_PARAM_MAX+DMG_WASM_LOCAL_MAX ];
  frame_t frame[ DMG_WASM_NESTING_MAX+1 ];
  uint8_t stack[ DMG_WASM_BODY_SZ_MAX+8 ];   /* an operation takes a byte at least and pushes one value at most */
} body_t;

#define BAD( b, off_, ... ) ( dmg_wasm_refuse( ( b )->c->report, ( b )->func_idx, ( off_ ), __VA_ARGS__ ), false )

static char const * type_name( uint8_t type ) { return type==DMG_W_I32 ? "i32" : type==DMG_W_I64 ? "i64" : "any"; }
static frame_t *    top( body_t * b )         { return &b->frame[ b->frame_cnt-1 ]; }

static void push( body_t * b, uint8_t type ) {
  if( type==DMG_W_NONE ) return;
  DMG_ASSERT( b->height<sizeof b->stack );
  b->stack[ b->height++ ] = type;
  frame_t const * f = top( b );
  if( !f->is_unreachable && !f->is_dead && b->height>b->height_max ) b->height_max = b->height;
}
/* As push, for a value of unknown type, which only dead code has. */
static void push_any( body_t * b ) {
  DMG_ASSERT( b->height<sizeof b->stack );
  b->stack[ b->height++ ] = DMG_W_NONE;
}

static bool pop_any( body_t * b, uint32_t off, uint8_t * out ) {
  frame_t const * f = top( b );
  if( b->height==f->height ) {
    if( !f->is_unreachable ) return BAD( b, off, "an operand is missing" );
    *out = DMG_W_NONE;
    return true;
  }
  *out = b->stack[ --b->height ];
  return true;
}
static bool pop( body_t * b, uint32_t off, uint8_t want ) {
  uint8_t got;
  if( want==DMG_W_NONE ) return true;
  if( !pop_any( b, off, &got ) ) return false;
  if( got!=want && got!=DMG_W_NONE ) return BAD( b, off, "an operand is %s, it must be %s", type_name( got ), type_name( want ) );
  return true;
}

static void unreachable( body_t * b ) {
  b->height = top( b )->height;
  top( b )->is_unreachable = true;
}

static bool frame_push( body_t * b, uint32_t off, uint8_t op, uint8_t result ) {
  /* The function's own frame comes on top of the nesting. */
  if( b->frame_cnt==DMG_WASM_NESTING_MAX+1 ) return BAD( b, off, "blocks are nested deeper than %u", DMG_WASM_NESTING_MAX );
  bool is_dead = b->frame_cnt && ( top( b )->is_unreachable || top( b )->is_dead );
  b->frame[ b->frame_cnt++ ] = (frame_t){ .op = op, .result = result, .is_dead = is_dead, .height = b->height };
  return true;
}
/* Takes the result and checks that nothing else is left. */
static bool frame_close( body_t * b, uint32_t off ) {
  frame_t const * f = top( b );
  if( !pop( b, off, f->result ) ) return false;
  if( b->height!=f->height ) return BAD( b, off, "%u values too many at the end of a block", b->height-f->height );
  return true;
}

/* What a branch to label takes along; a loop's label is its start. */
static bool label_type( body_t * b, uint32_t off, uint64_t label, uint8_t * out ) {
  if( label>=b->frame_cnt ) return BAD( b, off, "branch to label %u, there are %u", (uint32_t)label, b->frame_cnt );
  frame_t const * f = &b->frame[ b->frame_cnt-1-label ];
  *out = f->op==DMG_W_LOOP ? DMG_W_NONE : f->result;
  return true;
}

static bool br_table_check( body_t * b, dmg_wasm_op_t const * op ) {
  dmg_wasm_rd_t rd = b->c->rd;
  rd.off = op->table_off;
  if( !pop( b, op->off, DMG_W_I32 ) ) return false;
  uint8_t type = DMG_W_NONE, first = DMG_W_NONE;
  for( uint32_t i = 0; i<=op->imm; i++ ) {
    uint32_t label = 0;
    bool is_read = dmg_wasm_u32( &rd, &label );
    DMG_ASSERT( is_read );   /* op_read has been here */
    if( !label_type( b, op->off, label, &type ) ) return false;
    if( !i ) first = type;
    /* Labels must agree in arity; their types each against the operand, so in dead code they may differ. */
    if( ( type==DMG_W_NONE )!=( first==DMG_W_NONE ) ) return BAD( b, op->off, "targets of br_table take different results" );
    if( type!=DMG_W_NONE ) {
      uint8_t got;
      if( !pop_any( b, op->off, &got ) ) return false;
      if( got!=type && got!=DMG_W_NONE ) return BAD( b, op->off, "an operand is %s, it must be %s", type_name( got ), type_name( type ) );
      if( got==DMG_W_NONE ) push_any( b ); else push( b, got );
    }
  }
  if( !pop( b, op->off, type ) ) return false;
  unreachable( b );
  return true;
}

static bool call_check( body_t * b, uint32_t off, dmg_wasm_type_t const * t ) {
  for( uint32_t k = t->param_cnt; k--; ) if( !pop( b, off, t->param[ k ] ) ) return false;
  push( b, t->result );
  return true;
}

static bool select_check( body_t * b, uint32_t off ) {
  uint8_t x, y;
  if( !pop( b, off, DMG_W_I32 ) || !pop_any( b, off, &y ) || !pop_any( b, off, &x ) ) return false;
  if( x!=y && x!=DMG_W_NONE && y!=DMG_W_NONE ) return BAD( b, off, "select between %s and %s", type_name( x ), type_name( y ) );
  uint8_t type = x==DMG_W_NONE ? y : x;
  if( type==DMG_W_NONE ) push_any( b ); else push( b, type );
  return true;
}

static bool block_count( body_t * b, uint32_t off ) {
  if( ++b->block_cnt>DMG_WASM_BLOCK_MAX )         return BAD( b, off, "more than %u blocks and conditional branches in a function", DMG_WASM_BLOCK_MAX );
  if( ++b->block_all_cnt>DMG_WASM_BLOCK_ALL_MAX ) return BAD( b, off, "more than %u blocks and conditional branches in the module", DMG_WASM_BLOCK_ALL_MAX );
  return true;
}

static bool op_check( body_t * b, dmg_wasm_op_t const * op ) {
  dmg_wasm_mod_t const * m = b->c->m;
  uint32_t off = op->off;
  uint8_t  type;
  switch( op->code ) {
  case DMG_W_UNREACHABLE: unreachable( b ); return true;
  case DMG_W_NOP:         return true;
  case DMG_W_IF:
    if( !pop( b, off, DMG_W_I32 ) ) return false;
    __attribute__(( fallthrough ));
  case DMG_W_BLOCK: case DMG_W_LOOP:
    return block_count( b, off ) && frame_push( b, off, op->code, (uint8_t)op->imm );
  case DMG_W_ELSE: {
    frame_t * f = top( b );
    if( f->op!=DMG_W_IF ) return BAD( b, off, "else without if" );
    if( !frame_close( b, off ) ) return false;
    f->op = DMG_W_ELSE;
    f->is_unreachable = false;
    return true;
  }
  case DMG_W_END: {
    frame_t const * f = top( b );
    if( !frame_close( b, off ) ) return false;
    if( f->op==DMG_W_IF && f->result!=DMG_W_NONE ) return BAD( b, off, "an if with a result needs an else" );
    type = f->result;
    b->frame_cnt--;
    if( b->frame_cnt ) push( b, type );
    return true;
  }
  case DMG_W_BR:
    if( !label_type( b, off, op->imm, &type ) || !pop( b, off, type ) ) return false;
    unreachable( b );
    return true;
  case DMG_W_BR_IF:
    if( !block_count( b, off ) || !pop( b, off, DMG_W_I32 ) || !label_type( b, off, op->imm, &type ) || !pop( b, off, type ) ) return false;
    push( b, type );
    return true;
  case DMG_W_BR_TABLE:
    return block_count( b, off ) && br_table_check( b, op );
  case DMG_W_RETURN:
    if( !pop( b, off, b->result ) ) return false;
    unreachable( b );
    return true;
  case DMG_W_CALL: {
    if( op->imm>=m->import_cnt+m->func_cnt ) return BAD( b, off, "call of function %u, which does not exist", (uint32_t)op->imm );
    uint32_t f = (uint32_t)op->imm;
    return call_check( b, off, &m->types[ f<m->import_cnt ? m->import_type[ f ] : m->funcs[ f-m->import_cnt ].type ] );
  }
  case DMG_W_CALL_INDIRECT:
    if( !m->has_table ) return BAD( b, off, "call_indirect without a table" );
    if( op->imm>=m->type_cnt ) return BAD( b, off, "type %u does not exist", (uint32_t)op->imm );
    return pop( b, off, DMG_W_I32 ) && call_check( b, off, &m->types[ op->imm ] );
  case DMG_W_DROP:   return pop_any( b, off, &type );
  case DMG_W_SELECT: return select_check( b, off );
  case DMG_W_LOCAL_GET: case DMG_W_LOCAL_SET: case DMG_W_LOCAL_TEE:
    if( op->imm>=b->local_cnt ) return BAD( b, off, "local %u, there are %u", (uint32_t)op->imm, b->local_cnt );
    type = b->local[ op->imm ];
    if( op->code!=DMG_W_LOCAL_GET && !pop( b, off, type ) ) return false;
    if( op->code!=DMG_W_LOCAL_SET ) push( b, type );
    return true;
  case DMG_W_GLOBAL_GET: case DMG_W_GLOBAL_SET:
    if( op->imm>=m->global_cnt ) return BAD( b, off, "global %u, there are %u", (uint32_t)op->imm, m->global_cnt );
    if( op->code==DMG_W_GLOBAL_GET ) { push( b, m->globals[ op->imm ].type ); return true; }
    if( !m->globals[ op->imm ].is_mut ) return BAD( b, off, "global %u is constant", (uint32_t)op->imm );
    return pop( b, off, m->globals[ op->imm ].type );
  case DMG_W_PREFIX_BULK:
    b->has_bulk = true;
    return pop( b, off, DMG_W_I32 ) && pop( b, off, DMG_W_I32 ) && pop( b, off, DMG_W_I32 );
  default: {
    dmg_wasm_opinfo_t const * info = &dmg_wasm_opinfo[ op->code ];
    for( uint32_t k = info->pop_cnt; k--; ) if( !pop( b, off, info->pop[ k ] ) ) return false;
    if( info->push ) push( b, info->push );
    return true;
  }
  }
}

static bool locals_read( body_t * b, dmg_wasm_func_t * fn, dmg_wasm_type_t const * t ) {
  dmg_wasm_rd_t * rd = &b->c->rd;
  b->local_cnt = t->param_cnt;
  memcpy( b->local, t->param, t->param_cnt );
  uint32_t runs, total = 0;
  if( !dmg_wasm_u32( rd, &runs ) ) return BAD( b, rd->off, "the body ends inside its locals" );
  for( uint32_t i = 0; i<runs; i++ ) {
    uint32_t off = rd->off, n;
    uint8_t  type;
    if( !dmg_wasm_u32( rd, &n ) || !dmg_wasm_u8( rd, &type ) ) return BAD( b, off, "the body ends inside its locals" );
    if( type==0x7d || type==0x7c )              return BAD( b, off, "floating point types are refused: results must be the same on every machine" );
    if( type!=DMG_W_I32 && type!=DMG_W_I64 )    return BAD( b, off, "a local is i32 or i64" );
    if( n>DMG_WASM_LOCAL_MAX-total )            return BAD( b, off, "more than %u locals", DMG_WASM_LOCAL_MAX );
    memset( b->local+b->local_cnt, type, n );
    b->local_cnt += n;
    total        += n;
  }
  fn->local_cnt = (uint16_t)total;
  return true;
}

/* The reader stands behind the body's size and ends at the body's end. */
static bool body_check( body_t * b, dmg_wasm_func_t * fn ) {
  dmg_wasm_type_t const * t = &b->c->m->types[ fn->type ];
  dmg_wasm_rd_t * rd = &b->c->rd;
  b->height = b->height_max = b->op_cnt = b->frame_cnt = b->block_cnt = 0;
  b->has_bulk = false;
  b->result   = t->result;
  if( !locals_read( b, fn, t ) ) return false;
  fn->code_off = rd->off;
  if( !frame_push( b, rd->off, DMG_W_BLOCK, t->result ) ) return false;
  while( b->frame_cnt ) {
    dmg_wasm_op_t op;
    uint32_t off = rd->off;
    char const * why = dmg_wasm_op_read( rd, &op );
    if( why ) return BAD( b, off, "opcode %u: %s", (uint32_t)( off<rd->sz ? rd->p[ off ] : 0 ), why );
    b->op_cnt += !top( b )->is_unreachable && !top( b )->is_dead;
    if( !op_check( b, &op ) ) return false;
  }
  if( rd->off!=rd->sz ) return BAD( b, rd->off, "%u bytes follow the end of the body", rd->sz-rd->off );
  fn->height_max = b->height_max;
  fn->op_cnt     = b->op_cnt;
  fn->has_bulk   = b->has_bulk;
  return true;
}

static bool code_read( ctx_t * c, body_t * b ) {
  dmg_wasm_mod_t * m = c->m;
  dmg_wasm_rd_t sec = c->rd;
  uint32_t cnt;
  if( !dmg_wasm_u32( &sec, &cnt ) ) return REFUSE( c, sec.off, "the section ends early, or a number is malformed" );
  if( cnt!=m->func_cnt ) return REFUSE( c, c->rd.off, "%u bodies for %u functions", cnt, m->func_cnt );
  b->c = c;
  b->block_all_cnt = 0;
  for( uint32_t i = 0; i<cnt; i++ ) {
    uint32_t sz, off = sec.off;
    b->func_idx = m->import_cnt+i;
    if( !dmg_wasm_u32( &sec, &sz ) )   return BAD( b, off, "the section ends early, or a number is malformed" );
    if( sz>DMG_WASM_BODY_SZ_MAX )      return BAD( b, off, "a body of %u bytes, at most %u are allowed", sz, DMG_WASM_BODY_SZ_MAX );
    if( sz>sec.sz-sec.off )            return BAD( b, off, "the body reaches past its section" );
    m->funcs[ i ].body_off = sec.off;
    m->funcs[ i ].body_sz  = sz;
    c->rd = (dmg_wasm_rd_t){ .p = sec.p, .sz = sec.off+sz, .off = sec.off };
    if( !body_check( b, &m->funcs[ i ] ) ) return false;
    sec.off += sz;
  }
  c->rd = sec;
  return true;
}

/* ---- Module ---- */

static bool custom_read( ctx_t * c ) {
  dmg_wasm_mod_t * m = c->m;
  uint32_t off = c->rd.off;
  dmg_span_t name, body;
  char text[ 36 ];
  if( !span_read( c, &name ) ) return false;
  body = dmg_span( c->rd.p+c->rd.off, c->rd.sz-c->rd.off );
  c->rd.off = c->rd.sz;
  dmg_span_t * slot = dmg_span_eq( name, DMG_SPAN_STR( "dm:abi" ) ) ? &m->abi : dmg_span_eq( name, DMG_SPAN_STR( "dm:doc" ) ) ? &m->doc :
                      dmg_span_eq( name, DMG_SPAN_STR( "dm:src" ) ) ? &m->src : NULL;
  if( !slot )   return REFUSE( c, off, "custom section '%s': only dm:abi, dm:doc and dm:src are allowed (link with --strip-all)", printable( name, text ) );
  if( slot->p ) return REFUSE( c, off, "section %s occurs twice", printable( name, text ) );
  if( slot==&m->abi && body.sz>DMG_WASM_ABI_SZ_MAX ) return REFUSE( c, off, "dm:abi has %u bytes, at most %u are allowed", (uint32_t)body.sz, DMG_WASM_ABI_SZ_MAX );
  *slot = body;
  return true;
}

static bool section_read( ctx_t * c, uint8_t id, body_t * b ) {
  uint32_t off = c->rd.off;
  switch( id ) {
  case DMG_W_SEC_CUSTOM:   return custom_read( c );
  case DMG_W_SEC_TYPE:     return types_read( c );
  case DMG_W_SEC_IMPORT:   return imports_read( c );
  case DMG_W_SEC_FUNC:     return funcs_read( c );
  case DMG_W_SEC_TABLE:    return table_read( c );
  case DMG_W_SEC_MEMORY:   return memory_read( c );
  case DMG_W_SEC_GLOBAL:   return globals_read( c );
  case DMG_W_SEC_EXPORT:   return exports_read( c );
  case DMG_W_SEC_START:    return REFUSE( c, off, "a start function is refused: code runs only through dm_entry" );
  case DMG_W_SEC_ELEM:     return elems_read( c );
  case DMG_W_SEC_CODE:     return code_read( c, b );
  case DMG_W_SEC_DATA:     return data_read( c );
  case DMG_W_SEC_DATA_CNT: return REFUSE( c, off, "a data count section is refused: it serves passive segments only" );
  default:                 return REFUSE( c, off, "section %u is not known", (uint32_t)id );
  }
}

static bool module_read( ctx_t * c, dmg_span_t bytes, body_t * b ) {
  static uint8_t const head[ 8 ] = { 0, 'a', 's', 'm', 1, 0, 0, 0 };
  dmg_wasm_mod_t * m = c->m;
  if( bytes.sz>DMG_WASM_FILE_SZ_MAX ) return REFUSE( c, 0, "a file of %u bytes, at most %u are allowed", bytes.sz>UINT32_MAX ? UINT32_MAX : (uint32_t)bytes.sz, DMG_WASM_FILE_SZ_MAX );
  if( bytes.sz<8 || memcmp( bytes.p, head, 8 ) ) return REFUSE( c, 0, "not a WebAssembly module of version 1" );
  m->bytes = bytes;
  dmg_wasm_rd_t file = { .p = bytes.p, .sz = (uint32_t)bytes.sz, .off = 8 };
  uint8_t last = 0;
  while( file.off<file.sz ) {
    uint32_t off = file.off, sz;
    uint8_t  id = 0;
    if( !dmg_wasm_u8( &file, &id ) || !dmg_wasm_u32( &file, &sz ) ) return REFUSE( c, off, "the file ends inside a section's head" );
    if( sz>file.sz-file.off ) return REFUSE( c, off, "section %u of %u bytes reaches past the end of the file", (uint32_t)id, sz );
    if( id && id<=last )      return REFUSE( c, off, "section %u is out of order or occurs twice", (uint32_t)id );
    if( id ) last = id;
    if( id<DMG_W_SEC_CNT && id ) { m->sec_off[ id ] = file.off; m->sec_sz[ id ] = sz; }
    c->rd = (dmg_wasm_rd_t){ .p = file.p, .sz = file.off+sz, .off = file.off };
    if( !section_read( c, id, b ) ) return false;
    if( c->rd.off!=c->rd.sz ) return REFUSE( c, c->rd.off, "%u bytes follow the end of section %u", c->rd.sz-c->rd.off, (uint32_t)id );
    file.off += sz;
  }
  if( !m->sec_off[ DMG_W_SEC_EXPORT ] ) return REFUSE( c, file.off, "memory, dm_entry, dm_in and dm_out are not exported" );
  if( m->func_cnt && !m->sec_off[ DMG_W_SEC_CODE ] ) return REFUSE( c, file.off, "0 bodies for %u functions", m->func_cnt );
  if( !m->abi.p ) return REFUSE( c, file.off, "section dm:abi is missing (add it with dmic embed)" );
  return true;
}

dmg_err_t dmg_wasm_parse( dmg_span_t bytes, dmg_wasm_mod_t * mod, dmg_wasm_report_t * out_report ) {
  body_t * b = malloc( sizeof *b );
  if( !b ) return DMG_ERR_NOMEM;
  dmg_wasm_report_t report = { .func_idx = DMG_WASM_NO_FUNC };
  memset( mod, 0, sizeof *mod );
  ctx_t c = { .m = mod, .report = &report };
  if( module_read( &c, bytes, b ) ) {
    report.is_ok        = true;
    report.memory_pages = mod->memory_pages;
    report.func_cnt     = mod->func_cnt;
    report.abi          = mod->abi;
    report.doc          = mod->doc;
    report.src          = mod->src;
  }
  free( b );
  *out_report = report;
  return DMG_OK;
}

dmg_err_t dmg_wasm_check( dmg_span_t wasm, dmg_wasm_report_t * out_report ) {
  dmg_wasm_mod_t * mod = malloc( sizeof *mod );
  if( !mod ) return DMG_ERR_NOMEM;
  dmg_err_t err = dmg_wasm_parse( wasm, mod, out_report );
  free( mod );
  return err;
}
