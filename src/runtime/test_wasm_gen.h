/* test_wasm_gen: random valid modules of profile DM-1, from a stream of choices (a generator, or a fuzzer's bytes).

   Loops, recursion and branches are unbounded: gas ends them.  Dead code, host functions in the table, wild addresses,
   division by zero and bulk operations of all lengths occur. */
#ifndef DMG_RUNTIME_TEST_WASM_GEN_H
#define DMG_RUNTIME_TEST_WASM_GEN_H

#include "runtime/test_wasm.h"

typedef struct { uint64_t state; uint8_t const * bytes; size_t bytes_sz, bytes_off; } t_choice_t;   /* bytes NULL: xorshift by state */

static inline uint32_t t_pick( t_choice_t * c, uint32_t n ) {
  if( c->bytes ) return c->bytes_off<c->bytes_sz ? c->bytes[ c->bytes_off++ ]%n : 0;
  c->state ^= c->state<<13;
  c->state ^= c->state>>7;
  c->state ^= c->state<<17;
  return (uint32_t)( c->state>>32 )%n;
}

#define T_GEN_FUNC_MAX 6
enum { T_V = 0, T_I = 0x7f, T_L = 0x7e };

typedef struct {
  t_choice_t * c;
  t_vec_t *    b;
  char const * params;        /* of the function being written */
  uint8_t      result;        /* T_V, T_I, T_L */
  uint32_t     local_cnt;
  uint8_t      local[ 16 ];
  uint32_t     label_cnt;
  uint8_t      label[ 64 ];   /* what a branch takes along */
  int          budget;
  uint32_t     func_cnt, import_cnt, func_type[ T_GEN_FUNC_MAX ], type_of[ 16 ];
} t_gen_t;

static char const * const t_gen_params[ 4 ] = { "iii", "", "iI", "I" };
static char const         t_gen_result[ 4 ] = { 'I',   0,  'i',  'I' };
static inline uint8_t t_gen_type( char c ) { return c=='i' ? T_I : c=='I' ? T_L : T_V; }

static inline void t_gen_expr( t_gen_t * g, uint8_t type );
static inline void t_gen_stmt( t_gen_t * g );

static inline void t_gen_const( t_gen_t * g, uint8_t type ) {
  static int64_t const odd[] = { 0, 1, 2, 3, 5, 16, 64, 255, 1024, 4096, 65535, 65536, -1, -2, INT32_MAX, INT32_MIN };
  int64_t v = odd[ t_pick( g->c, 16 ) ];
  if( !t_pick( g->c, 3 ) ) {
    v   = t_pick( g->c, 256 );
    v <<= t_pick( g->c, type==T_L ? 55 : 23 );
  }
  t_u8( g->b, type==T_I ? 0x41 : 0x42 );
  t_s64( g->b, type==T_I ? (int32_t)v : v );
}
static inline bool t_gen_local( t_gen_t * g, uint8_t type, uint32_t * out ) {
  if( !g->local_cnt ) return false;
  uint32_t at = t_pick( g->c, g->local_cnt );
  for( uint32_t i = 0; i<g->local_cnt; i++, at = ( at+1 )%g->local_cnt ) if( g->local[ at ]==type ) { *out = at; return true; }
  return false;
}
static inline void t_gen_address( t_gen_t * g ) {
  t_gen_expr( g, T_I );
  if( !t_pick( g->c, 64 ) ) return;   /* wild */
  t_u8( g->b, 0x41 );
  t_s64( g->b, 0xfff );
  t_u8( g->b, 0x71 );
}
static inline void t_gen_memarg( t_gen_t * g, uint32_t width_log2 ) {
  t_u32( g->b, t_pick( g->c, width_log2+1 ) );
  t_u32( g->b, t_pick( g->c, 100 ) ? t_pick( g->c, 200 ) : 65530+t_pick( g->c, 10 ) );
}
/* Arguments and the call of a function of the module or of the host; the result type is known to the caller. */
static inline void t_gen_args( t_gen_t * g, char const * params ) { for( ; *params; params++ ) t_gen_expr( g, t_gen_type( *params ) ); }
static inline void t_gen_call( t_gen_t * g, uint32_t kind ) {   /* kind: index of t_gen_params */
  t_gen_args( g, t_gen_params[ kind ] );
  uint32_t f = t_pick( g->c, g->func_cnt );
  for( uint32_t i = 0; i<g->func_cnt; i++, f = ( f+1 )%g->func_cnt ) {
    if( g->func_type[ f ]!=kind ) continue;
    t_u8( g->b, 0x10 );
    t_u32( g->b, g->import_cnt+f );
    return;
  }
  t_gen_expr( g, T_I );   /* none: through the table, whatever is there */
  t_u8( g->b, 0x11 );
  t_u32( g->b, g->type_of[ kind ] );
  t_u8( g->b, 0 );
}
static inline void t_gen_host( t_gen_t * g ) {
  static char const * const params[ 2 ] = { "ii", "iiiII" };
  uint32_t k = t_pick( g->c, 2 );
  t_gen_args( g, params[ k ] );
  if( t_pick( g->c, 4 ) ) { t_u8( g->b, 0x10 ); t_u32( g->b, k ); return; }
  t_u8( g->b, 0x41 );
  t_s64( g->b, k );       /* table 0 and 1 hold the host functions */
  t_u8( g->b, 0x11 );
  t_u32( g->b, g->type_of[ 4+k ] );
  t_u8( g->b, 0 );
}
static inline void t_gen_open( t_gen_t * g, uint8_t op, uint8_t type, uint8_t branch ) {
  t_u8( g->b, op );
  t_u8( g->b, type==T_V ? 0x40 : type );
  g->label[ g->label_cnt++ ] = branch;
}
static inline void t_gen_close( t_gen_t * g ) { t_u8( g->b, 0x0b ); g->label_cnt--; }
static inline void t_gen_stmts( t_gen_t * g ) { for( uint32_t n = t_pick( g->c, 4 ); n--; ) t_gen_stmt( g ); }

/* A leaving operation and some dead code; any type fits behind it. */
static inline void t_gen_leave( t_gen_t * g ) {
  switch( t_pick( g->c, 8 ) ) {
  case 0:
    t_u8( g->b, 0x00 );
    break;
  case 1:
    if( g->result ) t_gen_expr( g, g->result );
    t_u8( g->b, 0x0f );
    break;
  case 2: case 3: {
    /* br_table over labels that take what a first one does */
    uint32_t first = t_pick( g->c, g->label_cnt ), n = t_pick( g->c, 4 );
    uint8_t  type = g->label[ first ];
    if( type ) t_gen_expr( g, type );
    t_gen_expr( g, T_I );
    t_u8( g->b, 0x0e );
    t_u32( g->b, n );
    for( uint32_t i = 0; i<=n; i++ ) {
      uint32_t at = t_pick( g->c, g->label_cnt );
      t_u32( g->b, g->label_cnt-1-( g->label[ at ]==type ? at : first ) );
    }
    break;
  }
  default: {
    uint32_t at = t_pick( g->c, g->label_cnt );
    if( g->label[ at ] ) t_gen_expr( g, g->label[ at ] );
    t_u8( g->b, 0x0c );
    t_u32( g->b, g->label_cnt-1-at );
  }
  }
  switch( t_pick( g->c, 4 ) ) {
  case 0: t_put( g->b, (uint8_t const[]){ 0x1a, 0x6a, 0x1a }, 3 ); break;
  case 1: t_put( g->b, (uint8_t const[]){ 0x02, 0x40, 0x03, 0x7f, 0x0c, 1, 0x0b, 0x1a, 0x0b }, 9 ); break;
  case 2: t_put( g->b, (uint8_t const[]){ 0x04, 0x40, 0x05, 0x01, 0x0b }, 5 ); break;
  default: break;
  }
}

static inline void t_gen_expr( t_gen_t * g, uint8_t type ) {
  uint32_t at;
  bool is_i = type==T_I;
  if( --g->budget<0 || g->label_cnt>60 ) { t_gen_const( g, type ); return; }
  switch( t_pick( g->c, 20 ) ) {
  case 0: case 1:
    if( t_gen_local( g, type, &at ) ) { t_u8( g->b, 0x20 ); t_u32( g->b, at ); } else t_gen_const( g, type );
    return;
  case 2: case 3: case 4:
    t_gen_expr( g, type );
    t_gen_expr( g, type );
    at = t_pick( g->c, 15 );
    if( at>=3 && at<=6 && t_pick( g->c, 16 ) ) {   /* a divisor of 0 would end most programs early */
      t_u8( g->b, is_i ? 0x41 : 0x42 );
      t_u8( g->b, 1 );
      t_u8( g->b, is_i ? 0x72 : 0x84 );
    }
    t_u8( g->b, ( is_i ? 0x6a : 0x7c )+at );
    return;
  case 5: {
    static uint8_t const un_i[] = { 0x45, 0x67, 0x68, 0x69, 0xc0, 0xc1 }, un_l[] = { 0x79, 0x7a, 0x7b, 0xc2, 0xc3, 0xc4 };
    t_gen_expr( g, type );
    t_u8( g->b, ( is_i ? un_i : un_l )[ t_pick( g->c, 6 ) ] );
    return;
  }
  case 6:
    t_gen_expr( g, is_i ? T_L : T_I );
    t_u8( g->b, is_i ? ( t_pick( g->c, 2 ) ? 0xa7 : 0x50 ) : 0xac+t_pick( g->c, 2 ) );
    return;
  case 7:
    if( !is_i ) { t_gen_const( g, type ); return; }
    at = t_pick( g->c, 2 );
    t_gen_expr( g, at ? T_I : T_L );
    t_gen_expr( g, at ? T_I : T_L );
    t_u8( g->b, ( at ? 0x46 : 0x51 )+t_pick( g->c, 10 ) );
    return;
  case 8: case 9: {
    static uint8_t const ld_i[] = { 0x28, 0x2c, 0x2d, 0x2e, 0x2f }, ld_l[] = { 0x29, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35 };
    static uint8_t const w_i[] = { 2, 0, 0, 1, 1 }, w_l[] = { 3, 0, 0, 1, 1, 2, 2 };
    at = t_pick( g->c, is_i ? 5 : 7 );
    t_gen_address( g );
    t_u8( g->b, ( is_i ? ld_i : ld_l )[ at ] );
    t_gen_memarg( g, ( is_i ? w_i : w_l )[ at ] );
    return;
  }
  case 10:
    t_gen_open( g, 0x02, type, type );
    t_gen_stmts( g );
    t_gen_expr( g, type );
    if( t_pick( g->c, 2 ) ) { t_gen_expr( g, T_I ); t_u8( g->b, 0x0d ); t_u32( g->b, 0 ); }
    t_gen_close( g );
    return;
  case 11:
    t_gen_open( g, 0x03, type, T_V );
    t_gen_stmts( g );
    t_gen_expr( g, type );
    t_gen_close( g );
    return;
  case 12:
    t_gen_expr( g, T_I );
    t_gen_open( g, 0x04, type, type );
    if( t_pick( g->c, 4 ) ) t_gen_expr( g, type ); else t_gen_leave( g );
    t_u8( g->b, 0x05 );
    t_gen_expr( g, type );
    t_gen_close( g );
    return;
  case 13: t_gen_call( g, is_i ? 2 : t_pick( g->c, 2 )*3 ); return;
  case 14:
    t_gen_host( g );
    if( !is_i ) t_u8( g->b, 0xac );
    return;
  case 15:
    t_gen_expr( g, type );
    t_gen_expr( g, type );
    t_gen_expr( g, T_I );
    t_u8( g->b, 0x1b );
    return;
  case 16:
    t_gen_expr( g, type );
    if( t_gen_local( g, type, &at ) ) { t_u8( g->b, 0x22 ); t_u32( g->b, at ); }
    return;
  case 17:
    t_u8( g->b, 0x23 );
    t_u32( g->b, is_i ? 2 : 3 );
    return;
  case 18:
    if( is_i ) { t_u8( g->b, 0x3f ); t_u8( g->b, 0 ); } else t_gen_const( g, type );
    return;
  default: t_gen_const( g, type ); return;
  }
}

static inline void t_gen_stmt( t_gen_t * g ) {
  uint32_t at;
  uint8_t  type;
  if( --g->budget<0 || g->label_cnt>60 ) return;
  switch( t_pick( g->c, 16 ) ) {
  case 0: case 1:
    type = t_pick( g->c, 2 ) ? T_I : T_L;
    t_gen_expr( g, type );
    if( t_gen_local( g, type, &at ) ) { t_u8( g->b, 0x21 ); t_u32( g->b, at ); } else t_u8( g->b, 0x1a );
    return;
  case 2:
    at = t_pick( g->c, 2 );
    t_gen_expr( g, at ? T_L : T_I );
    t_u8( g->b, 0x24 );
    t_u32( g->b, 2+at );
    return;
  case 3: case 4: {
    static uint8_t const op[] = { 0x36, 0x3a, 0x3b, 0x37, 0x3c, 0x3d, 0x3e }, w[] = { 2, 0, 1, 3, 0, 1, 2 };
    at = t_pick( g->c, 7 );
    t_gen_address( g );
    t_gen_expr( g, at<3 ? T_I : T_L );
    t_u8( g->b, op[ at ] );
    t_gen_memarg( g, w[ at ] );
    return;
  }
  case 5:
    t_gen_open( g, 0x02, T_V, T_V );
    t_gen_stmts( g );
    t_gen_close( g );
    return;
  case 6: case 7:
    t_gen_open( g, 0x03, T_V, T_V );
    t_gen_stmts( g );
    if( t_pick( g->c, 3 ) ) { t_gen_expr( g, T_I ); t_u8( g->b, 0x0d ); t_u32( g->b, 0 ); } else if( !t_pick( g->c, 2 ) ) t_gen_leave( g );
    t_gen_close( g );
    return;
  case 8: case 9:
    t_gen_expr( g, T_I );
    t_gen_open( g, 0x04, T_V, T_V );
    t_gen_stmts( g );
    if( !t_pick( g->c, 4 ) ) t_gen_leave( g );
    if( t_pick( g->c, 2 ) ) { t_u8( g->b, 0x05 ); t_gen_stmts( g ); }
    t_gen_close( g );
    return;
  case 10:
    at = t_pick( g->c, g->label_cnt );
    if( g->label[ at ] ) t_gen_expr( g, g->label[ at ] );
    t_gen_expr( g, T_I );
    t_u8( g->b, 0x0d );
    t_u32( g->b, g->label_cnt-1-at );
    if( g->label[ at ] ) t_u8( g->b, 0x1a );
    return;
  case 11:
    t_gen_address( g );
    if( t_pick( g->c, 2 ) ) t_gen_address( g ); else t_gen_expr( g, T_I );
    if( t_pick( g->c, 8 ) ) t_gen_address( g ); else t_gen_expr( g, T_I );
    at = t_pick( g->c, 2 );
    t_put( g->b, at ? (uint8_t const[]){ 0xfc, 0x0a, 0, 0 } : (uint8_t const[]){ 0xfc, 0x0b, 0 }, at ? 4 : 3 );
    return;
  case 12: t_gen_host( g ); t_u8( g->b, 0x1a ); return;
  case 13: t_gen_call( g, 1 ); return;
  case 14: t_u8( g->b, 0x01 ); return;
  default:
    t_gen_expr( g, T_I );
    t_u8( g->b, 0x1a );
    return;
  }
}

/* Globals: 0 dm_in, 1 dm_out, 2 i32, 3 i64.  Imports: 0 log, 1 ctr_add.  Function 0 is dm_entry. */
static inline dmg_span_t t_gen_module( t_mod_t * m, t_choice_t * c ) {
  t_init( m );
  t_gen_t g = { .c = c, .import_cnt = 2 };
  for( uint32_t k = 0; k<4; k++ ) g.type_of[ k ] = t_type( m, t_gen_params[ k ], t_gen_result[ k ] );
  g.type_of[ 4 ] = t_type( m, "ii", 'i' );
  g.type_of[ 5 ] = t_type( m, "iiiII", 'i' );
  t_import( m, "dm1", "log", g.type_of[ 4 ] );
  t_import( m, "dm1", "ctr_add", g.type_of[ 5 ] );
  g.func_cnt = 1+t_pick( c, T_GEN_FUNC_MAX );
  for( uint32_t f = 1; f<g.func_cnt; f++ ) g.func_type[ f ] = t_pick( c, 4 );
  for( uint32_t f = 0; f<g.func_cnt; f++ ) {
    t_vec_t b = { 0 };
    uint32_t kind = g.func_type[ f ];
    g.b      = &b;
    g.params = t_gen_params[ kind ];
    g.result = t_gen_type( t_gen_result[ kind ] );
    g.local_cnt = 0;
    for( char const * p = g.params; *p; p++ ) g.local[ g.local_cnt++ ] = t_gen_type( *p );
    uint32_t ni = t_pick( c, 3 ), nl = t_pick( c, 3 );
    t_u8( &b, 2 ); t_u32( &b, ni ); t_u8( &b, T_I ); t_u32( &b, nl ); t_u8( &b, T_L );
    while( ni-- ) g.local[ g.local_cnt++ ] = T_I;
    while( nl-- ) g.local[ g.local_cnt++ ] = T_L;
    g.label_cnt  = 1;
    g.label[ 0 ] = g.result;
    g.budget     = 20+(int)t_pick( c, 100 );
    t_gen_stmts( &g );
    t_gen_stmts( &g );
    if( g.result ) t_gen_expr( &g, g.result );
    t_u8( &b, 0x0b );
    t_func( m, g.type_of[ kind ], b.p, b.sz );
    free( b.p );
  }
  t_entry( m, 2 );
  t_global( m, T_I, true, 11 );
  t_global( m, T_L, true, -3 );
  m->table = 10;
  t_elem( m, 0, (uint32_t const[]){ 0, 1 }, 2 );
  for( uint32_t f = 0; f<g.func_cnt; f++ ) t_elem( m, 2+f, (uint32_t const[]){ 2+f }, 1 );
  t_data( m, 0, "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20", 16 );
  t_data( m, 4090, "\377\376\375\374\373\372", 6 );
  return t_done( m );
}

#endif
