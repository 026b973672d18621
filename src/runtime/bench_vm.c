/* vm: what entering, leaving and calling back cost; one line a figure.

     vm/enter pages=n            enter and leave a module with nothing to do, memory restored
     vm/reset pages=n            the restore alone
     vm/host charges=n           one call of a host function that charges n times, from a loop in the module
     vm/compile, vm/load ..      of a module of about 128 KiB, and its artifact
     vm/metered, vm/plain        the same work with and without our counting: transfer of balances over a host that answers
                                 at once, a tight loop, recursion

   Median of 7 rounds.  For instruction counts, the difference of two counts of runs under callgrind with and without:

     valgrind --tool=callgrind bench_vm transfer|loop|recursion metered|plain RUNS

   bench_vm [MODULES]: the folder of balances.wasm; the build's own when left out. */
#include "runtime/test_wasm.h"
#include "runtime/vm.h"
#include "runtime/wasm_instr.h"
#include "runtime/wasm_int.h"
#include "base/cpu.h"
#include "base/os.h"

#include <stdio.h>
#include <unistd.h>

#define ROUND_CNT 7

static dmg_vm_t * vm;
static dmg_vm_inst_t * current;
static dmg_vm_host_fn table[ DMG_DM1_CNT ];
static uint32_t charge_cnt = 1;

static int host_charge( void * frame, dmg_vm_mem_t mem, uint64_t const * args, uint64_t * out_ret ) {
  for( uint32_t i = 0; i<charge_cnt; i++ ) if( !dmg_vm_charge( current, 1 ) ) return 1;
  return 0;
}

static int cmp( void const * a, void const * b ) { double x = *(double const *)a, y = *(double const *)b; return ( x>y )-( x<y ); }

static double spread[ 2 ];
static double median( double * v, int n ) {
  qsort( v, (size_t)n, sizeof *v, cmp );
  spread[ 0 ] = v[ 0 ];
  spread[ 1 ] = v[ n-1 ];
  return v[ n/2 ];
}
static void show( char const * what, double * v, char const * unit ) {
  double m = median( v, ROUND_CNT );
  printf( "%-28s %10.2f %s   (%.2f .. %.2f)\n", what, m, unit, spread[ 0 ], spread[ 1 ] );
}

static void check( dmg_err_t err ) { DMG_ASSERT( !err ); }

static bool is_plain;

static void instrument( dmg_span_t wasm, dmg_buf_t * out ) {
  dmg_wasm_report_t report;
  *out = dmg_buf( DMG_WASM_INSTR_SZ_MAX );
  check( is_plain ? dmg_wasm_rewrite_plain( wasm, &report, out ) : dmg_wasm_instrument( wasm, 1, &report, out ) );
  if( !report.is_ok ) { fprintf( stderr, "%s (function %u, offset %u)\n", report.text, report.func_idx, report.off ); exit( 1 ); }
}

static dmg_vm_code_t * code_of( dmg_span_t wasm ) {
  dmg_buf_t bytes, artifact = dmg_buf( DMG_VM_ARTIFACT_SZ_MAX );
  instrument( wasm, &bytes );
  check( dmg_vm_compile( vm, dmg_buf_span( &bytes ), &artifact ) );
  dmg_vm_code_t * code;
  check( dmg_vm_load_bytes( vm, dmg_buf_span( &artifact ), &code ) );
  dmg_buf_fini( &bytes );
  dmg_buf_fini( &artifact );
  return code;
}

static dmg_span_t module_make( t_mod_t * m, uint32_t pages, void const * body, size_t sz ) {
  t_init( m );
  m->pages = m->pages_max = pages;
  t_import( m, "dm1", "log", t_type( m, "ii", 'i' ) );
  t_entry( m, t_func( m, t_type( m, "iii", 'I' ), body, sz ) );
  t_data( m, 40000, "some data", 9 );
  return t_done( m );
}

static void bench_run( char const * what, uint32_t pages, void const * body, size_t sz, uint32_t id, uint32_t runs, double per ) {
  t_mod_t m;
  dmg_vm_code_t * code = code_of( module_make( &m, pages, body, sz ) );
  check( dmg_vm_inst_new( code, table, &current ) );
  double v[ ROUND_CNT ];
  for( int r = 0; r<ROUND_CNT; r++ ) {
    uint64_t t = dmg_os_mono_ns();
    for( uint32_t i = 0; i<runs; i++ ) {
      dmg_vm_result_t res = dmg_vm_run( current, &(dmg_vm_entry_t){ .id = id, .ticks = INT64_MAX, .slots = DMG_VM_SLOTS_MAX } );
      DMG_ASSERT( res.end==DMG_VM_DONE );
    }
    v[ r ] = (double)( dmg_os_mono_ns()-t )/runs/per;
  }
  show( what, v, "ns" );
  dmg_vm_inst_free( current );
  dmg_vm_code_free( code );
  t_fini( &m );
}

static void bench_reset( uint32_t pages ) {
  t_mod_t m;
  uint8_t const body[] = { 0, 0x42, 0, 0x0b };
  dmg_vm_code_t * code = code_of( module_make( &m, pages, body, sizeof body ) );
  check( dmg_vm_inst_new( code, table, &current ) );
  double v[ ROUND_CNT ];
  for( int r = 0; r<ROUND_CNT; r++ ) {
    uint64_t t = dmg_os_mono_ns();
    for( uint32_t i = 0; i<200000; i++ ) dmg_vm_reset( current );
    v[ r ] = (double)( dmg_os_mono_ns()-t )/200000;
  }
  char what[ 64 ];
  snprintf( what, sizeof what, "vm/reset pages=%u", pages );
  show( what, v, "ns" );
  dmg_vm_inst_free( current );
  dmg_vm_code_free( code );
  t_fini( &m );
}

/* Many functions of ALU and memory work up to about 128 KiB. */
static void bench_compile( void ) {
  t_mod_t m;
  t_init( &m );
  uint32_t type = t_type( &m, "iii", 'I' ), func = 0;
  t_vec_t body = { 0 };
  t_u8( &body, 0 );
  for( int i = 0; i<60; i++ ) {
    uint8_t const part[] = { 0x20, 0, 0x20, 1, 0x6a, 0x41, 10, 0x6c, 0x21, 0, 0x20, 0, 0x41, 0xff, 0xff, 1, 0x71, 0x28, 2, 0, 0x04, 0x40, 0x20, 1, 0x41, 1, 0x74, 0x21, 1, 0x0b };
    t_put( &body, part, sizeof part );
  }
  uint8_t const tail[] = { 0x20, 0, 0xad, 0x0b };
  t_put( &body, tail, sizeof tail );
  for( int i = 0; i<72; i++ ) func = t_func( &m, type, body.p, body.sz );
  t_entry( &m, func );
  dmg_span_t wasm = t_done( &m );
  double check_v[ ROUND_CNT ], instr_v[ ROUND_CNT ], compile_v[ ROUND_CNT ], load_v[ ROUND_CNT ], inst_v[ ROUND_CNT ];
  size_t out_sz = 0, artifact_sz = 0;
  for( int r = 0; r<ROUND_CNT; r++ ) {
    dmg_wasm_report_t report;
    uint64_t t = dmg_os_mono_ns();
    check( dmg_wasm_check( wasm, &report ) );
    check_v[ r ] = (double)( dmg_os_mono_ns()-t )/1e6;
    dmg_buf_t bytes, artifact = dmg_buf( DMG_VM_ARTIFACT_SZ_MAX );
    t = dmg_os_mono_ns();
    instrument( wasm, &bytes );
    instr_v[ r ] = (double)( dmg_os_mono_ns()-t )/1e6;
    t = dmg_os_mono_ns();
    check( dmg_vm_compile( vm, dmg_buf_span( &bytes ), &artifact ) );
    compile_v[ r ] = (double)( dmg_os_mono_ns()-t )/1e6;
    dmg_hash_t key = dmg_sha256( dmg_buf_span( &artifact ) );
    check( dmg_os_file_replace( "/tmp/dmg_bench_vm.artifact", dmg_buf_span( &artifact ), 0600 ) );
    dmg_vm_code_t * code;
    t = dmg_os_mono_ns();
    check( dmg_vm_load( vm, "/tmp/dmg_bench_vm.artifact", &key, &code ) );
    load_v[ r ] = (double)( dmg_os_mono_ns()-t )/1e6;
    dmg_vm_inst_t * inst;
    t = dmg_os_mono_ns();
    check( dmg_vm_inst_new( code, table, &inst ) );
    inst_v[ r ] = (double)( dmg_os_mono_ns()-t )/1e6;
    dmg_vm_inst_free( inst );
    dmg_vm_code_free( code );
    out_sz = bytes.sz;
    artifact_sz = artifact.sz;
    dmg_buf_fini( &bytes );
    dmg_buf_fini( &artifact );
  }
  unlink( "/tmp/dmg_bench_vm.artifact" );
  printf( "module of %zu bytes, instrumented %zu, artifact %zu\n", wasm.sz, out_sz, artifact_sz );
  show( "vm/check sz=128KiB", check_v, "ms" );
  show( "vm/instrument sz=128KiB", instr_v, "ms" );
  show( "vm/compile sz=128KiB", compile_v, "ms" );
  show( "vm/load sz=128KiB", load_v, "ms" );
  show( "vm/inst_new sz=128KiB", inst_v, "ms" );
  free( body.p );
  t_fini( &m );
}

/* ---- Metered and plain ---- */

static int host_nothing( void * frame, dmg_vm_mem_t mem, uint64_t const * args, uint64_t * out_ret ) { return 0; }
static int host_absent( void * frame, dmg_vm_mem_t mem, uint64_t const * args, uint64_t * out_ret ) { *out_ret = (uint64_t)-1; return 0; }
static int host_rich( void * frame, dmg_vm_mem_t mem, uint64_t const * args, uint64_t * out_ret ) {
  if( args[ 3 ]+8<=mem.sz ) dmg_store_u64le( mem.base+args[ 3 ], (uint64_t)1<<40 );
  *out_ret = 8;
  return 0;
}

/* loop { x = x * 3 + id } id times */
static uint8_t const loop_body[] = { 1, 1, 0x7f, 0x03, 0x40, 0x20, 3, 0x41, 3, 0x6c, 0x20, 1, 0x6a, 0x21, 3, 0x20, 1, 0x41, 1, 0x6b, 0x22, 1, 0x0d, 0, 0x0b, 0x20, 3, 0xad, 0x42, 0, 0x83, 0x0b };
/* f( k, id, n ) = id < 2 ? 0 : f( k, id-1, n ) + f( k, id-2, n ) */
static uint8_t const recursion_body[] = { 0, 0x20, 1, 0x41, 2, 0x48, 0x04, 0x7e, 0x42, 0, 0x05, 0x20, 0, 0x20, 1, 0x41, 1, 0x6b, 0x20, 2, 0x10, 1, 0x20, 0, 0x20, 1, 0x41, 2, 0x6b, 0x20, 2,
                                          0x10, 1, 0x7c, 0x0b, 0x0b };

typedef enum { WORK_TRANSFER, WORK_LOOP, WORK_RECURSION, WORK_CNT } work_t;
static char const * const work_name[ WORK_CNT ] = { "transfer", "loop", "recursion" };

/* Time of the runs in ns; the module is compiled and freed around them. */
static double work_run( work_t work, bool plain, char const * modules, uint32_t runs ) {
  t_mod_t m = { 0 };
  dmg_buf_t file = { 0 };
  dmg_vm_host_fn hosts[ DMG_DM1_CNT ];
  char path[ 1024 ];
  dmg_span_t wasm;
  for( int i = 0; i<DMG_DM1_CNT; i++ ) hosts[ i ] = host_nothing;
  hosts[ DMG_DM1_GET ]     = host_absent;
  hosts[ DMG_DM1_CTR_GET ] = host_rich;
  dmg_vm_entry_t e = { .id = work==WORK_TRANSFER ? 1 : work==WORK_LOOP ? 10000 : 15, .in_sz = 256+41, .ticks = INT64_MAX, .slots = DMG_VM_SLOTS_MAX };
  if( work==WORK_TRANSFER ) {
    snprintf( path, sizeof path, "%s/balances.wasm", modules );
    if( dmg_os_file_read( path, DMG_WASM_FILE_SZ_MAX, &file ) ) { fprintf( stderr, "no %s: build the target modules\n", path ); exit( 1 ); }
    wasm = dmg_buf_span( &file );
  } else wasm = work==WORK_LOOP ? module_make( &m, 1, loop_body, sizeof loop_body ) : module_make( &m, 1, recursion_body, sizeof recursion_body );
  is_plain = plain;
  dmg_vm_code_t * code = code_of( wasm );
  is_plain = false;
  dmg_vm_inst_t * inst;
  check( dmg_vm_inst_new( code, hosts, &inst ) );
  uint8_t * in = dmg_vm_mem( inst ).base+dmg_vm_in_off( inst );
  uint64_t t = dmg_os_mono_ns();
  for( uint32_t i = 0; i<runs; i++ ) {
    if( work==WORK_TRANSFER ) {   /* to 0101.., amount 7, no memo */
      memset( in+256, 1, 32 );
      in[ 288 ] = 7;
    }
    dmg_vm_result_t r = dmg_vm_run( inst, &e );
    DMG_ASSERT( r.end==DMG_VM_DONE && !r.status );
  }
  double ns = (double)( dmg_os_mono_ns()-t )/runs;
  dmg_vm_inst_free( inst );
  dmg_vm_code_free( code );
  dmg_buf_fini( &file );
  t_fini( &m );
  return ns;
}

static void bench_metering( char const * modules ) {
  for( work_t w = 0; w<WORK_CNT; w++ ) {
    double v[ 2 ][ ROUND_CNT ];
    /* By turns, so that both see the same machine. */
    for( int r = 0; r<ROUND_CNT; r++ ) for( int p = 0; p<2; p++ ) v[ p ][ r ] = work_run( w, p==1, modules, w==WORK_TRANSFER ? 50000 : 1000 );
    char what[ 64 ];
    for( int p = 0; p<2; p++ ) {
      snprintf( what, sizeof what, "vm/%s work=%s", p ? "plain" : "metered", work_name[ w ] );
      show( what, v[ p ], "ns" );
    }
  }
}

int main( int argc, char ** argv ) {
  for( int i = 0; i<DMG_DM1_CNT; i++ ) table[ i ] = host_charge;
  dmg_crypto_init( dmg_cpu_flags() );
  check( dmg_vm_open( NULL, &vm ) );
  for( work_t w = 0; argc==4 && w<WORK_CNT; w++ ) if( !strcmp( argv[ 1 ], work_name[ w ] ) ) {
    work_run( w, !strcmp( argv[ 2 ], "plain" ), DMG_TEST_MODULES, (uint32_t)strtoul( argv[ 3 ], NULL, 10 ) );
    dmg_vm_close( vm );
    return 0;
  }
  if( argc>2 ) { fprintf( stderr, "usage: bench_vm [MODULES] | bench_vm transfer|loop|recursion metered|plain RUNS\n" ); return 2; }
  uint8_t const nop[] = { 0, 0x42, 0, 0x0b };
  bench_run( "vm/enter pages=1", 1, nop, sizeof nop, 0, 200000, 1 );
  bench_run( "vm/enter pages=4", 4, nop, sizeof nop, 0, 100000, 1 );
  bench_reset( 1 );
  bench_reset( 4 );
  /* loop { log( 0, 0 ) } id times */
  uint8_t const host[] = { 0, 0x03, 0x40, 0x41, 0, 0x41, 0, 0x10, 0, 0x1a, 0x20, 1, 0x41, 1, 0x6b, 0x22, 1, 0x0d, 0, 0x0b, 0x42, 0, 0x0b };
  charge_cnt = 0;
  bench_run( "vm/host charges=0", 1, host, sizeof host, 100000, 20, 100000 );
  charge_cnt = 1;
  bench_run( "vm/host charges=1", 1, host, sizeof host, 100000, 20, 100000 );
  charge_cnt = 11;
  bench_run( "vm/host charges=11", 1, host, sizeof host, 100000, 20, 100000 );
  bench_compile();
  bench_metering( argc==2 ? argv[ 1 ] : DMG_TEST_MODULES );
  dmg_vm_close( vm );
  return 0;
}
