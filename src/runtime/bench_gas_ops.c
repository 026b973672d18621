/* gas: nanoseconds a gas of instructions, by class (R5.7): each kernel is the worst that was found for its class, a chain
   of dependent operations, misses of the nearest cache or of the branch predictor; one line a kernel:

     gas/op <class>  <ns a repetition>  <gas it is charged>  <ratio>     above 1: charged less than it takes

   1 gas is 1 ns of the reference machine; a kernel is its body 32 times inside a loop, metered as on a chain.  Fastest of 7 (others may use the machine).

   bench_gas_ops [CLASS]: those whose names begin so */
#include "runtime/test_wasm.h"
#include "runtime/vm.h"
#include "runtime/wasm_instr.h"
#include "base/cpu.h"
#include "base/os.h"

#include <stdio.h>

enum { ROUND_CNT = 7, REPEAT = 32 };

static dmg_vm_t *     vm;
static dmg_vm_host_fn table[ DMG_DM1_CNT ];
static int host_nothing( void * frame, dmg_vm_mem_t mem, uint64_t const * args, uint64_t * out_ret ) { return 0; }

/* Parameters: 1 the number of iterations.  Locals: 3, 4 i32; 5, 6 i64.  Function 1 takes and gives an i32; 2..9 too, in the table. */
typedef struct { char const * name; uint32_t pages; uint32_t iterations; uint8_t body[ 64 ]; } kernel_t;

#define GET( n )   0x20, n
#define SET( n )   0x21, n
#define I32( n )   0x41, n
#define LCG        0x20, 3, 0x41, 0x8d, 0xcc, 0xe5, 0x00, 0x6c, 0x41, 0x97, 0xb5, 0x3b, 0x6a, 0x21, 3             /* x = x * 1664525 + .. */
#define SHIFT      0x20, 3, 0x41, 16, 0x76                                                                        /* high bits of x */
#define MASK_1     0x41, 0xf8, 0xff, 0x03, 0x71                                                                   /* & 0xfff8 */
#define MASK_16    0x41, 0xf8, 0xff, 0x3f, 0x71                                                                   /* & 0xffff8 */
#define END        0xe7                                                                                           /* of the body; no opcode of DM-1 */

static kernel_t const kernels[] = {
  { "alu i32 rotate, add, chained",          1, 20000, { GET( 3 ), GET( 3 ), I32( 7 ), 0x77, 0x6a, SET( 3 ), END } },
  { "alu i64 xor, shift, chained",           1, 20000, { GET( 5 ), GET( 5 ), 0x42, 7, 0x88, 0x85, 0x42, 1, 0x7c, SET( 5 ), END } },
  { "alu i64 popcnt, chained",               1, 20000, { GET( 5 ), 0x7b, GET( 5 ), 0x7c, SET( 5 ), END } },
  { "alu i32 ctz, clz, chained",             1, 20000, { GET( 3 ), 0x68, GET( 3 ), 0x67, 0x6a, SET( 3 ), END } },
  { "alu i64 extend32_s, chained",           1, 20000, { GET( 5 ), 0xc4, GET( 5 ), 0x7c, SET( 5 ), END } },
  { "alu i32 lt, select, chained",           1, 20000, { GET( 3 ), I32( 3 ), GET( 3 ), I32( 9 ), 0x49, 0x1b, I32( 1 ), 0x6a, SET( 3 ), END } },
  { "mul i32, chained",                      1, 20000, { GET( 3 ), GET( 3 ), 0x6c, SET( 3 ), END } },
  { "mul i64, chained",                      1, 20000, { GET( 5 ), GET( 5 ), 0x7e, SET( 5 ), END } },
  { "div i32 div_u, chained",                1, 10000, { I32( 0x7f ), GET( 3 ), I32( 3 ), 0x72, 0x6e, SET( 3 ), END } },
  { "div i32 rem_s, chained",                1, 10000, { I32( 0x7e ), GET( 3 ), I32( 5 ), 0x72, 0x6f, SET( 3 ), END } },
  { "div i64 div_s, chained",                1, 10000, { 0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f, GET( 5 ), 0x42, 3, 0x84, 0x7f, SET( 5 ), END } },
  { "div i64 rem_u, chained",                1, 10000, { 0x42, 0x7e, GET( 5 ), 0x42, 3, 0x84, 0x82, SET( 5 ), END } },
  { "load i32, chained",                     1, 20000, { GET( 3 ), 0x28, 2, 0, SET( 3 ), END } },
  { "load i64, any place of 64 KiB",         1, 20000, { LCG, SHIFT, MASK_1, 0x29, 3, 0, 0xa7, GET( 3 ), 0x6a, SET( 3 ), END } },
  { "load i64, any place of 1 MiB",          16, 10000, { LCG, GET( 3 ), I32( 12 ), 0x76, MASK_16, 0x29, 3, 0, 0xa7, GET( 3 ), 0x6a, SET( 3 ), END } },
  { "load i64, unaligned over lines",        1, 20000, { GET( 3 ), 0x29, 0, 60, 0xa7, SET( 3 ), END } },
  { "store i64, any place of 64 KiB",        1, 20000, { LCG, SHIFT, MASK_1, 0x42, 1, 0x37, 3, 0, END } },
  { "store i64, any place of 1 MiB",         16, 10000, { LCG, GET( 3 ), I32( 12 ), 0x76, MASK_16, 0x42, 1, 0x37, 3, 0, END } },
  { "store i32.store8, then i32.load of it", 1, 20000, { I32( 0 ), GET( 3 ), 0x3a, 0, 0, I32( 0 ), 0x28, 2, 0, SET( 3 ), END } },
  { "branch br_if, not predictable",         1, 5000,  { LCG, 0x02, 0x40, SHIFT, I32( 1 ), 0x71, 0x0d, 0, GET( 4 ), GET( 3 ), 0x73, SET( 4 ), 0x0b, END } },
  { "branch if, else, not predictable",      1, 5000,  { LCG, SHIFT, I32( 1 ), 0x71, 0x04, 0x40, GET( 4 ), I32( 3 ), 0x77, SET( 4 ), 0x05, GET( 4 ), I32( 5 ), 0x6c, SET( 4 ), 0x0b, END } },
  { "branch br_table, not predictable",      1, 5000,  { LCG, 0x02, 0x40, 0x02, 0x40, 0x02, 0x40, 0x02, 0x40, SHIFT, I32( 3 ), 0x71, 0x0e, 3, 0, 1, 2, 3, 0x0b, GET( 4 ), I32( 3 ), 0x77, SET( 4 ), 0x0b,
                                                         GET( 4 ), I32( 5 ), 0x6c, SET( 4 ), 0x0b, GET( 4 ), I32( 1 ), 0x6a, SET( 4 ), 0x0b, END } },
  { "branch loop that counts to 4",          1, 5000,  { I32( 4 ), SET( 4 ), 0x03, 0x40, GET( 4 ), I32( 1 ), 0x6b, 0x22, 4, 0x0d, 0, 0x0b, END } },
  { "call of a small function, chained",     1, 20000, { GET( 3 ), 0x10, 2, SET( 3 ), END } },
  { "call_indirect, one target",             1, 20000, { GET( 3 ), I32( 1 ), 0x11, 2, 0, SET( 3 ), END } },
  { "call_indirect, not predictable",        1, 5000,  { LCG, GET( 4 ), SHIFT, I32( 7 ), 0x71, 0x11, 2, 0, SET( 4 ), END } },
  { "call of an import that does nothing",   1, 5000,  { I32( 0 ), I32( 0 ), 0x10, 0, 0x1a, END } },
  { "global get, set, chained",              1, 20000, { 0x23, 2, I32( 1 ), 0x6a, 0x24, 2, END } },
  { "memory.copy 0 bytes",                   1, 10000, { I32( 0 ), I32( 8 ), I32( 0 ), 0xfc, 10, 0, 0, END } },
  { "memory.copy 48 bytes, overlapping",     1, 10000, { I32( 0 ), I32( 1 ), I32( 48 ), 0xfc, 10, 0, 0, END } },
  { "memory.copy 32 KiB",                    1, 30,    { I32( 0 ), I32( 0x80 ), 0x80, 0x02, 0x41, 0x80, 0x80, 0x02, 0xfc, 10, 0, 0, END } },
  { "memory.copy 512 KiB",                   16, 2,    { I32( 0 ), I32( 0x80 ), 0x80, 0x20, 0x41, 0x80, 0x80, 0x20, 0xfc, 10, 0, 0, END } },
  { "memory.fill 0 bytes",                   1, 10000, { I32( 0 ), I32( 8 ), I32( 0 ), 0xfc, 11, 0, END } },
  { "memory.fill 64 KiB",                    1, 30,    { I32( 0 ), I32( 8 ), I32( 0x80 ), 0x80, 0x04, 0xfc, 11, 0, END } },
  { "memory.fill 1 MiB",                     16, 2,    { I32( 0 ), I32( 8 ), I32( 0x80 ), 0x80, 0xc0, 0x00, 0xfc, 11, 0, END } },
};
#define KERNEL_CNT ( sizeof kernels/sizeof *kernels )

static void check( dmg_err_t err ) { DMG_ASSERT( !err ); }
static int cmp( void const * a, void const * b ) { double x = *(double const *)a, y = *(double const *)b; return ( x>y )-( x<y ); }

static dmg_vm_inst_t * inst_new( t_mod_t * m, dmg_vm_code_t ** out_code ) {
  dmg_wasm_report_t report;
  dmg_vm_inst_t *   inst;
  dmg_buf_t         bytes = dmg_buf( DMG_WASM_INSTR_SZ_MAX ), artifact = dmg_buf( DMG_VM_ARTIFACT_SZ_MAX );
  check( dmg_wasm_instrument( t_done( m ), 1, &report, &bytes ) );
  if( !report.is_ok ) { fprintf( stderr, "%s (function %u, offset %u)\n", report.text, report.func_idx, report.off ); exit( 1 ); }
  check( dmg_vm_compile( vm, dmg_buf_span( &bytes ), &artifact ) );
  check( dmg_vm_load_bytes( vm, dmg_buf_span( &artifact ), out_code ) );
  check( dmg_vm_inst_new( *out_code, table, &inst ) );
  dmg_buf_fini( &bytes );
  dmg_buf_fini( &artifact );
  return inst;
}

/* repeat times the body in a loop; REPEAT less 0 gives the price of the body alone. */
static void module_make( t_mod_t * m, kernel_t const * k, unsigned repeat ) {
  t_vec_t b = { 0 };
  size_t  sz = 0;
  while( k->body[ sz ]!=END ) sz++;
  t_init( m );
  m->pages = m->pages_max = k->pages;
  uint32_t entry = t_type( m, "iii", 'I' ), log = t_type( m, "ii", 'i' ), small = t_type( m, "i", 'i' );
  t_import( m, "dm1", "log", log );
  t_put( &b, (uint8_t const[]){ 2, 2, 0x7f, 2, 0x7e, 0x42, 0x85, 0xd8, 0xb7, 0xe2, 0x9f, 0x8a, 0xd1, 0x02, 0x21, 5, 0x03, 0x40 }, 18 );   /* local 5: a number of many bits */
  for( unsigned i = 0; i<repeat; i++ ) t_put( &b, k->body, sz );
  /* if --n: again; the locals are used, so nothing is left out */
  t_put( &b, (uint8_t const[]){ 0x20, 1, 0x41, 1, 0x6b, 0x22, 1, 0x0d, 0, 0x0b, 0x20, 3, 0x20, 4, 0x6a, 0xad, 0x20, 5, 0x7c, 0x20, 6, 0x7c, 0x42, 0, 0x83, 0x0b }, 26 );
  t_entry( m, t_func( m, entry, b.p, b.sz ) );
  for( uint8_t f = 0; f<9; f++ ) t_func( m, small, (uint8_t const[]){ 0, 0x20, 0, 0x41, (uint8_t)( f+1 ), 0x73, 0x0b }, 7 );
  t_global( m, 0x7f, true, 0 );
  m->table = 8;
  t_elem( m, 0, (uint32_t const[]){ 3, 4, 5, 6, 7, 8, 9, 10 }, 8 );
  t_data( m, 40000, "x", 1 );
  free( b.p );
}

typedef struct { double ns, gas; } cost_t;

static cost_t cost_of( kernel_t const * k, unsigned repeat ) {
  t_mod_t         m;
  dmg_vm_code_t * code;
  double          v[ ROUND_CNT ], gas = 0;
  module_make( &m, k, repeat );
  dmg_vm_inst_t * inst = inst_new( &m, &code );
  dmg_vm_entry_t  e    = { .id = k->iterations, .ticks = INT64_MAX, .slots = DMG_VM_SLOTS_MAX };
  for( int r = -1; r<ROUND_CNT; r++ ) {
    uint64_t        t   = dmg_os_mono_ns();
    dmg_vm_result_t res = dmg_vm_run( inst, &e );
    if( r>=0 ) v[ r ] = (double)( dmg_os_mono_ns()-t );
    DMG_ASSERT( res.end==DMG_VM_DONE );
    gas = (double)( INT64_MAX-res.ticks_left )/4;
  }
  qsort( v, ROUND_CNT, sizeof *v, cmp );
  dmg_vm_inst_free( inst );
  dmg_vm_code_free( code );
  t_fini( &m );
  return (cost_t){ v[ 0 ], gas };
}

static void show( char const * what, double ns, double gas ) { printf( "gas/op %-40s %10.2f ns %10.2f gas  %6.2f\n", what, ns, gas, ns/gas ); }

/* Entering and leaving a module with nothing to do: what a nested call or query is charged for it is 1,260 gas. */
static void enter( uint32_t pages ) {
  kernel_t        k = { "", pages, 1, { 0x01, END } };
  t_mod_t         m;
  dmg_vm_code_t * code;
  double          v[ ROUND_CNT ];
  char            what[ 64 ];
  module_make( &m, &k, 1 );
  dmg_vm_inst_t * inst = inst_new( &m, &code );
  unsigned        runs = 200000/( pages*pages );
  for( int r = 0; r<ROUND_CNT; r++ ) {
    uint64_t t = dmg_os_mono_ns();
    for( unsigned i = 0; i<runs; i++ ) DMG_ASSERT( dmg_vm_run( inst, &(dmg_vm_entry_t){ .id = 1, .ticks = INT64_MAX, .slots = DMG_VM_SLOTS_MAX } ).end==DMG_VM_DONE );
    v[ r ] = (double)( dmg_os_mono_ns()-t )/runs;
  }
  qsort( v, ROUND_CNT, sizeof *v, cmp );
  snprintf( what, sizeof what, "enter and leave, %u pages", pages );
  show( what, v[ 0 ], 1260 );
  dmg_vm_inst_free( inst );
  dmg_vm_code_free( code );
  t_fini( &m );
}

int main( int argc, char ** argv ) {
  char const * only = argc>1 ? argv[ 1 ] : "";
  for( int i = 0; i<DMG_DM1_CNT; i++ ) table[ i ] = host_nothing;
  dmg_crypto_init( dmg_cpu_flags() );
  check( dmg_vm_open( NULL, &vm ) );
  double worst = 0;
  for( size_t i = 0; i<KERNEL_CNT; i++ ) {
    if( strncmp( kernels[ i ].name, only, strlen( only ) ) ) continue;
    cost_t full = cost_of( &kernels[ i ], REPEAT ), none = cost_of( &kernels[ i ], 0 );
    double n = (double)kernels[ i ].iterations*REPEAT, ns = ( full.ns-none.ns )/n, gas = ( full.gas-none.gas )/n;
    show( kernels[ i ].name, ns, gas );
    if( ns/gas>worst ) worst = ns/gas;
  }
  if( !strncmp( "enter", only, strlen( only ) ) ) { enter( 1 ); enter( 4 ); enter( 16 ); }
  printf( "gas/op worst of the instructions: %.2f\n", worst );
  dmg_vm_close( vm );
  return 0;
}
