/* vm: running instrumented modules: ends, charges, memory, nested runs. */
#include "runtime/test_wasm.h"
#include "runtime/vm.h"
#include "runtime/wasm_instr.h"
#include "base/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { I32 = 0x7f, I64 = 0x7e };

typedef struct {
  dmg_vm_inst_t * inst;     /* the running instance */
  uint32_t        calls;
  int64_t         charge;   /* taken by each host call */
  int             stop;     /* returned by each host call */
  dmg_vm_inst_t * nested;   /* run by host call when set */
  dmg_vm_result_t nested_result;
  uint64_t        args[ 8 ];
} frame_t;

static int host_any( void * f, dmg_vm_mem_t mem, uint64_t const * args, uint64_t * out_ret ) {
  frame_t * frame = f;
  frame->calls++;
  memcpy( frame->args, args, 3*sizeof( uint64_t ) );
  if( frame->charge && !dmg_vm_charge( frame->inst, frame->charge ) ) return 1;
  if( frame->stop ) return frame->stop;
  if( frame->nested ) {
    dmg_vm_entry_t e = { .ticks = dmg_vm_ticks( frame->inst ), .slots = dmg_vm_slots( frame->inst ), .frame = &(frame_t){ .inst = frame->nested } };
    frame->nested_result = dmg_vm_run( frame->nested, &e );
    int64_t used = e.ticks-frame->nested_result.ticks_left;
    if( !dmg_vm_charge( frame->inst, used ) ) return 1;
  }
  *out_ret = 40+frame->calls;
  return 0;
}
static int host_ctr_add( void * f, dmg_vm_mem_t mem, uint64_t const * args, uint64_t * out_ret ) {
  frame_t * frame = f;
  memcpy( frame->args, args, 5*sizeof( uint64_t ) );
  *out_ret = (uint64_t)(int64_t)-2;
  return 0;
}

static dmg_vm_host_fn table[ DMG_DM1_CNT ];
static dmg_vm_t * vm;

static int setup( void ** state ) {
  for( int i = 0; i<DMG_DM1_CNT; i++ ) table[ i ] = host_any;
  table[ DMG_DM1_CTR_ADD ] = host_ctr_add;
  return dmg_vm_open( NULL, &vm );
}
static int teardown( void ** state ) { dmg_vm_close( vm ); return 0; }

typedef struct { dmg_vm_code_t * code; dmg_vm_inst_t * inst; } made_t;

static made_t make( dmg_span_t wasm ) {
  dmg_vm_signals_restore();   /* cmocka put its own in place */
  dmg_wasm_report_t report;
  dmg_buf_t bytes = dmg_buf( DMG_WASM_INSTR_SZ_MAX ), artifact = dmg_buf( DMG_VM_ARTIFACT_SZ_MAX );
  assert_int_equal( dmg_wasm_instrument( wasm, 1, &report, &bytes ), DMG_OK );
  if( !report.is_ok ) fail_msg( "%s (function %u, offset %u)", report.text, report.func_idx, report.off );
  made_t made;
  assert_int_equal( dmg_vm_compile( vm, dmg_buf_span( &bytes ), &artifact ), DMG_OK );
  assert_int_equal( dmg_vm_load_bytes( vm, dmg_buf_span( &artifact ), &made.code ), DMG_OK );
  assert_int_equal( dmg_vm_inst_new( made.code, table, &made.inst ), DMG_OK );
  dmg_buf_fini( &bytes );
  dmg_buf_fini( &artifact );
  return made;
}
static void drop( made_t * made ) { dmg_vm_inst_free( made->inst ); dmg_vm_code_free( made->code ); }

/* dm_entry with this body; ctr_add and log are functions 0 and 1. */
#define BODY( ... ) make_body( (uint8_t const[]){ __VA_ARGS__ }, sizeof( (uint8_t const[]){ __VA_ARGS__ } ) )
static made_t make_body( uint8_t const * body, size_t sz ) {
  t_mod_t m;
  t_init( &m );
  t_import( &m, "dm1", "ctr_add", t_type( &m, "iiiII", 'i' ) );
  t_import( &m, "dm1", "log", t_type( &m, "ii", 'i' ) );
  t_entry( &m, t_func( &m, t_type( &m, "iii", 'I' ), body, sz ) );
  t_global( &m, I32, true, 7 );   /* global 2 */
  t_data( &m, 100, "hello", 5 );
  made_t made = make( t_done( &m ) );
  t_fini( &m );
  return made;
}

static dmg_vm_result_t run( made_t const * made, int64_t ticks, frame_t * frame ) {
  static frame_t none;
  if( !frame ) { none = (frame_t){ 0 }; frame = &none; }
  frame->inst = made->inst;
  dmg_vm_entry_t e = { .kind = 1, .id = 2, .in_sz = 3, .ticks = ticks, .slots = DMG_VM_SLOTS_MAX, .frame = frame };
  return dmg_vm_run( made->inst, &e );
}

static void test_run_returns_both_halves_and_the_output( void ** state ) {
  made_t made = BODY( 0,
    0x41, 0x80, 0x80, 0x02, 0x41, 0xe4, 0x00, 0x41, 0x05, 0xfc, 0x0a, 0, 0,           /* memory.copy( 32768, 100, 5 ) */
    0x20, 0x00, 0xad, 0x42, 0x20, 0x86, 0x42, 0x05, 0x84, 0x0b );                     /* kind << 32 | 5 */
  dmg_vm_result_t r = run( &made, 1000, NULL );
  assert_int_equal( r.end, DMG_VM_DONE );
  assert_int_equal( r.status, 1 );
  assert_int_equal( r.out_sz, 5 );
  assert_memory_equal( dmg_vm_out( made.inst ).p, "hello", 5 );
  /* 3 consts, 40 + 0, get, extend, const, shl, const, or */
  assert_int_equal( r.ticks_left, 1000-3-40-6 );
  assert_int_equal( r.slots_left, DMG_VM_SLOTS_MAX );
  /* R1.8: nothing of it is left. */
  assert_int_equal( dmg_vm_mem( made.inst ).base[ 32768 ], 0 );
  assert_memory_equal( dmg_vm_mem( made.inst ).base+100, "hello", 5 );
  drop( &made );
}

static void test_exhaustion_at_every_tick_leaves_no_later_host_call( void ** state ) {
  /* loop { log( 0, 0 ); if( ++i < 5 ) continue }, then a division; the host charges 7 each */
  made_t made = BODY( 1, 1, I32,
    0x03, 0x40, 0x41, 0, 0x41, 0, 0x10, 1, 0x1a, 0x20, 3, 0x41, 1, 0x6a, 0x22, 3, 0x41, 5, 0x48, 0x0d, 0, 0x0b,
    0x20, 3, 0x41, 3, 0x6d, 0xad, 0x0b );
  frame_t all = { .charge = 7 };
  dmg_vm_result_t full = run( &made, 100000, &all );
  assert_int_equal( full.end, DMG_VM_DONE );
  assert_int_equal( full.out_sz, 1 );
  int64_t need = 100000-full.ticks_left;
  uint32_t last = 0;
  for( int64_t t = 0; t<need; t++ ) {
    frame_t f = { .charge = 7 };
    dmg_vm_result_t r = run( &made, t, &f );
    assert_int_equal( r.end, DMG_VM_NO_GAS );
    assert_true( r.ticks_left<0 );
    assert_int_equal( r.status, 0 );
    assert_int_equal( dmg_vm_out( made.inst ).sz, 0 );
    /* Calls come one by one as gas allows; a call happens only when all before it was paid: 20 ticks of code + 7 each, the call's own charge may fail. */
    assert_true( f.calls>=last && f.calls<=last+1 );
    last = f.calls;
    assert_true( (int64_t)f.calls*16<=t );
  }
  frame_t f = { .charge = 7 };
  assert_int_equal( run( &made, need, &f ).end, DMG_VM_DONE );
  assert_int_equal( f.calls, 5 );
  drop( &made );
}

static void test_traps_are_told_apart( void ** state ) {
  made_t unreachable = BODY( 0, 0x00, 0x0b );
  made_t div0 = BODY( 0, 0x42, 1, 0x42, 0, 0x7f, 0x0b );
  made_t oob  = BODY( 0, 0x41, 0x7f, 0x28, 2, 0, 0xad, 0x0b );                    /* load at 2^32 - 1 */
  made_t edge = BODY( 0, 0x41, 0xfd, 0xff, 0x03, 0x28, 0, 0, 0xad, 0x0b );        /* load at 65,533 */
  made_t far  = BODY( 0, 0x41, 0, 0x28, 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0xad, 0x0b );
  made_t out  = BODY( 0, 0x42, 0x81, 0x80, 0x02, 0x0b );                          /* out_sz 32,769 from 32,768 */
  made_t fits = BODY( 0, 0x42, 0x80, 0x80, 0x02, 0x0b );
  made_t ovf  = BODY( 0, 0x41, 0x80, 0x80, 0x80, 0x80, 0x78, 0x41, 0x7f, 0x6d, 0xad, 0x0b );
  made_t * all[] = { &unreachable, &div0, &oob, &edge, &far, &out, &ovf };
  for( size_t i = 0; i<sizeof all/sizeof *all; i++ ) {
    dmg_vm_result_t r = run( all[ i ], 1000, NULL );
    if( r.end!=DMG_VM_TRAP ) fail_msg( "case %zu ended %d", i, r.end );
    assert_int_equal( r.status, 0 );
    assert_int_equal( r.out_sz, 0 );
    /* The same code without the gas to get there. */
    assert_int_equal( run( all[ i ], 0, NULL ).end, i ? DMG_VM_NO_GAS : DMG_VM_TRAP );
    drop( all[ i ] );
  }
  assert_int_equal( run( &fits, 1000, NULL ).end, DMG_VM_DONE );
  assert_int_equal( dmg_vm_out( fits.inst ).sz, 32768 );
  drop( &fits );
}

static void test_deep_recursion_ends_without_stack( void ** state ) {
  /* f( a, b, c ) = f( a, b, c ): 8 + 3 + 0 + 3 slots a frame */
  made_t made = BODY( 0, 0x20, 0, 0x20, 1, 0x20, 2, 0x10, 2, 0x0b );
  dmg_vm_result_t r = run( &made, 1000000, NULL );
  assert_int_equal( r.end, DMG_VM_NO_STACK );
  assert_int_equal( r.slots_left, DMG_VM_SLOTS_MAX-14*( DMG_VM_SLOTS_MAX/14+1 ) );
  assert_int_equal( r.ticks_left, 1000000-19*( DMG_VM_SLOTS_MAX/14+1 ) );
  r = run( &made, 1000, NULL );
  assert_int_equal( r.end, DMG_VM_NO_GAS );
  drop( &made );
}

/* ---- R8.4: the fattest frames we know of ---- */

typedef enum { FAT_PRODUCTS, FAT_LONG_PRODUCTS, FAT_LOCALS, FAT_OPERANDS, FAT_ADDRESSES, FAT_SELECTS, FAT_CNT } fat_t;

/* Half of a recursive function: what stands before the call, or (is_after) behind it.  Values that are computed on both
   sides from the same parameter need not be operands or locals to stay alive: the compiler sees that they are equal. */
static void fat_half( t_vec_t * b, fat_t fat, uint32_t n, bool is_after ) {
  for( uint32_t i = 0; i<n; i++ ) {
    int32_t k = (int32_t)( 1000003+i*7919 );
    if( fat==FAT_LOCALS && i==256 ) return;
    if( fat==FAT_LOCALS && is_after )   { t_u8( b, 0x20 ); t_u32( b, 3+i ); t_put( b, (uint8_t const[]){ 0x23, 3, 0x85, 0x24, 3 }, 5 ); continue; }
    if( fat==FAT_OPERANDS && is_after ) { t_put( b, (uint8_t const[]){ 0x23, 2, 0x6a, 0x24, 2 }, 5 ); continue; }
    if( fat==FAT_PRODUCTS || fat==FAT_ADDRESSES || fat==FAT_SELECTS ) t_put( b, (uint8_t const[]){ 0x23, 2 }, 2 );
    if( fat==FAT_LONG_PRODUCTS ) t_put( b, (uint8_t const[]){ 0x23, 3 }, 2 );
    if( fat==FAT_SELECTS ) t_put( b, (uint8_t const[]){ 0x20, 1, 0x20, 2 }, 4 );
    t_put( b, (uint8_t const[]){ 0x20, 1 }, 2 );
    if( fat==FAT_LONG_PRODUCTS || fat==FAT_LOCALS ) t_u8( b, 0xad );
    t_u8( b, fat==FAT_LONG_PRODUCTS || fat==FAT_LOCALS ? 0x42 : 0x41 );
    t_s64( b, k );
    switch( fat ) {
    case FAT_PRODUCTS:      t_put( b, (uint8_t const[]){ 0x6c, 0x6a, 0x24, 2 }, 4 ); break;
    case FAT_LONG_PRODUCTS: t_put( b, (uint8_t const[]){ 0x7e, 0x85, 0x24, 3 }, 4 ); break;
    case FAT_LOCALS:        t_put( b, (uint8_t const[]){ 0x7e, 0x21 }, 2 ); t_u32( b, 3+i ); break;
    case FAT_OPERANDS:      t_u8( b, 0x6c ); break;
    case FAT_ADDRESSES:     t_put( b, (uint8_t const[]){ 0x6c, 0x41, 0xff, 0x07, 0x71, 0x28, 2, 0, 0x6a, 0x24, 2 }, 11 ); break;
    default:                t_put( b, (uint8_t const[]){ 0x49, 0x1b, 0x6a, 0x24, 2 }, 5 ); break;
    }
  }
}

typedef struct { dmg_vm_inst_t * inst; uint32_t levels; uintptr_t sp_first, sp_last; int32_t slots_first, slots_last; } fat_frame_t;
static int host_fat( void * f, dmg_vm_mem_t mem, uint64_t const * args, uint64_t * out_ret ) {
  fat_frame_t * frame = f;
  frame->sp_last    = (uintptr_t)__builtin_frame_address( 0 );
  frame->slots_last = dmg_vm_slots( frame->inst );
  if( !frame->levels++ ) { frame->sp_first = frame->sp_last; frame->slots_first = frame->slots_last; }
  return 0;
}

static void fat_run( fat_t fat, uint32_t n ) {
  t_mod_t m;
  t_vec_t b = { 0 };
  t_init( &m );
  t_import( &m, "dm1", "log", t_type( &m, "ii", 'i' ) );
  t_u8( &b, fat==FAT_LOCALS );
  if( fat==FAT_LOCALS ) { t_u32( &b, 256 ); t_u8( &b, I64 ); }
  t_put( &b, (uint8_t const[]){ 0x41, 0, 0x41, 0, 0x10, 0, 0x1a }, 7 );
  fat_half( &b, fat, n, false );
  t_put( &b, (uint8_t const[]){ 0x20, 0, 0x20, 1, 0x20, 2, 0x10, 1, 0x1a }, 9 );
  fat_half( &b, fat, n, true );
  t_put( &b, (uint8_t const[]){ 0x23, 2, 0xad, 0x0b }, 4 );
  t_entry( &m, t_func( &m, t_type( &m, "iii", 'I' ), b.p, b.sz ) );
  t_global( &m, I32, true, 1 );
  t_global( &m, I64, true, 1 );
  dmg_vm_host_fn log = table[ DMG_DM1_LOG ];
  table[ DMG_DM1_LOG ] = host_fat;
  made_t made = make( t_done( &m ) );
  table[ DMG_DM1_LOG ] = log;
  fat_frame_t frame = { .inst = made.inst };
  dmg_vm_entry_t e = { .id = 5, .in_sz = 9, .ticks = INT64_MAX, .slots = DMG_VM_SLOTS_MAX, .frame = &frame };
  dmg_vm_result_t r = dmg_vm_run( made.inst, &e );
  assert_int_equal( r.end, DMG_VM_NO_STACK );
  assert_true( frame.levels>1 );
  double a_slot = (double)( frame.sp_first-frame.sp_last )/( frame.slots_first-frame.slots_last );
  /* Half of what R1.6 allows, as the next release of the engine may be worse. */
  if( a_slot>64 ) fail_msg( "kind %d of %u: %.1f bytes of stack a slot", (int)fat, n, a_slot );
  drop( &made );
  free( b.p );
  t_fini( &m );
}
static void * fat_thread( void * arg ) {
  for( fat_t fat = 0; fat<FAT_CNT; fat++ ) for( uint32_t n = 10; n<=1000; n *= 10 ) if( n<1000 || !DMG_SANITIZED ) fat_run( fat, n );
  return NULL;
}
static void test_slots_bound_the_stack_of_the_fattest_frames( void ** state ) {
  pthread_attr_t attr;
  pthread_t thread;
  pthread_attr_init( &attr );
  assert_int_equal( pthread_attr_setstacksize( &attr, DMG_VM_THREAD_STACK_SZ ), 0 );
  dmg_vm_signals_restore();
  assert_int_equal( pthread_create( &thread, &attr, fat_thread, NULL ), 0 );
  pthread_join( thread, NULL );
  pthread_attr_destroy( &attr );
}

static void test_endless_loop_runs_out_of_gas( void ** state ) {
  made_t made = BODY( 0, 0x03, 0x40, 0x0c, 0, 0x0b, 0x42, 0, 0x0b );
  dmg_vm_result_t r = run( &made, 2000001, NULL );
  assert_int_equal( r.end, DMG_VM_NO_GAS );
  assert_int_equal( r.ticks_left, -1 );
  drop( &made );
}

static void test_large_copy_is_charged_before_it_happens( void ** state ) {
  /* fill( 0, 1, 65,536 ) costs 3 + 40 + 4,096 */
  made_t made = BODY( 0, 0x41, 0, 0x41, 1, 0x41, 0x80, 0x80, 0x04, 0xfc, 0x0b, 0, 0x41, 0, 0x41, 0, 0x10, 1, 0xac, 0x0b );
  frame_t f = { 0 };
  dmg_vm_result_t r = run( &made, 100000, &f );
  assert_int_equal( r.end, DMG_VM_DONE );
  assert_int_equal( r.ticks_left, 100000-3-40-4096-2-16-1 );
  assert_int_equal( run( &made, 4000, NULL ).end, DMG_VM_NO_GAS );
  drop( &made );
  /* 4 GiB - 1 bytes: paid for, then out of bounds; not paid: no gas */
  made = BODY( 0, 0x41, 0, 0x41, 0, 0x41, 0x7f, 0xfc, 0x0a, 0, 0, 0x42, 0, 0x0b );
  r = run( &made, INT64_MAX, NULL );
  assert_int_equal( r.end, DMG_VM_TRAP );
  assert_int_equal( r.ticks_left, INT64_MAX-3-40-1-( UINT32_MAX>>4 ) );
  assert_int_equal( run( &made, 1000000, NULL ).end, DMG_VM_NO_GAS );
  drop( &made );
}

static void test_host_stop_hands_its_code_on( void ** state ) {
  made_t made = BODY( 0, 0x41, 0x7f, 0x41, 5, 0x10, 1, 0xac, 0x0b );
  frame_t f = { .stop = 77 };
  dmg_vm_result_t r = run( &made, 1000, &f );
  assert_int_equal( r.end, DMG_VM_HOST_STOP );
  assert_int_equal( r.host_code, 77 );
  assert_true( f.args[ 0 ]==0xffffffffu );   /* an i32 is zero-extended */
  assert_int_equal( f.args[ 1 ], 5 );
  /* A charge that cannot be paid is NO_GAS, whatever the function returned. */
  f = (frame_t){ .charge = 5000 };
  r = run( &made, 1000, &f );
  assert_int_equal( r.end, DMG_VM_NO_GAS );
  assert_int_equal( r.ticks_left, 1000-19-5000 );
  f = (frame_t){ .charge = INT64_MAX };
  assert_int_equal( run( &made, 1000, &f ).end, DMG_VM_NO_GAS );
  /* Good again afterwards. */
  f = (frame_t){ 0 };
  r = run( &made, 1000, &f );
  assert_int_equal( r.end, DMG_VM_DONE );
  assert_int_equal( r.out_sz, 41 );
  drop( &made );
}

static void test_arguments_of_64_bits_and_negative_results_pass( void ** state ) {
  made_t made = BODY( 0, 0x41, 1, 0x41, 2, 0x41, 3, 0x42, 0x7b, 0x42, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x10, 0, 0xac,
                      0x42, 0x7e, 0x51, 0xad, 0x0b );   /* ctr_add( 1, 2, 3, -5, 2^63 - 1 ) == -2 */
  frame_t f = { 0 };
  dmg_vm_result_t r = run( &made, 1000, &f );
  assert_int_equal( r.end, DMG_VM_DONE );
  assert_int_equal( r.out_sz, 1 );
  assert_true( f.args[ 0 ]==1 && f.args[ 1 ]==2 && f.args[ 2 ]==3 );
  assert_true( (int64_t)f.args[ 3 ]==-5 && f.args[ 4 ]==INT64_MAX );
  drop( &made );
}

static void test_globals_and_memory_start_anew_in_each_run( void ** state ) {
  /* global 2 (7 at first) and the byte at 50,000 go up by one; result: both */
  made_t made = BODY( 0, 0x23, 2, 0x41, 1, 0x6a, 0x24, 2,
    0x41, 0xd0, 0x86, 0x03, 0x41, 0xd0, 0x86, 0x03, 0x2d, 0, 0, 0x41, 1, 0x6a, 0x3a, 0, 0,
    0x23, 2, 0xad, 0x42, 0x20, 0x86, 0x41, 0xd0, 0x86, 0x03, 0x2d, 0, 0, 0xad, 0x84, 0x0b );
  for( int i = 0; i<3; i++ ) {
    dmg_vm_result_t r = run( &made, i==1 ? 20 : 1000, NULL );
    assert_int_equal( r.end, i==1 ? DMG_VM_NO_GAS : DMG_VM_DONE );
    if( i==1 ) continue;
    assert_int_equal( r.status, 8 );
    assert_int_equal( r.out_sz, 1 );
  }
  drop( &made );
}

static void test_nested_run_shares_gas_and_stack( void ** state ) {
  made_t outer = BODY( 0, 0x41, 0, 0x41, 0, 0x10, 1, 0xac, 0x0b );
  made_t inner = BODY( 0, 0x20, 0, 0x20, 1, 0x20, 2, 0x10, 2, 0x0b );   /* recursion without end */
  frame_t f = { .nested = inner.inst };
  dmg_vm_result_t r = run( &outer, 1000000, &f );
  assert_int_equal( r.end, DMG_VM_DONE );
  assert_int_equal( f.nested_result.end, DMG_VM_NO_STACK );
  int32_t left = DMG_VM_SLOTS_MAX-( 8+3+2 );
  assert_int_equal( f.nested_result.slots_left, left-14*( left/14+1 ) );
  f = (frame_t){ .nested = inner.inst };
  r = run( &outer, 5000, &f );
  assert_int_equal( f.nested_result.end, DMG_VM_NO_GAS );
  assert_int_equal( r.end, DMG_VM_NO_GAS );
  assert_int_equal( r.ticks_left, f.nested_result.ticks_left );
  drop( &inner );
  drop( &outer );
}

static void test_indirect_calls_check_their_type( void ** state ) {
  t_mod_t m;
  t_init( &m );
  uint32_t entry_t = t_type( &m, "iii", 'I' ), void_t = t_type( &m, "", 'I' ), other_t = t_type( &m, "", 'i' );
  uint32_t seven = t_func( &m, void_t, (uint8_t[]){ 0, 0x42, 7, 0x0b }, 4 );
  uint32_t other = t_func( &m, other_t, (uint8_t[]){ 0, 0x41, 7, 0x0b }, 4 );
  uint32_t f = t_func( &m, entry_t, (uint8_t[]){ 0, 0x20, 1, 0x11, (uint8_t)void_t, 0, 0x0b }, 7 );   /* table[ id ]() */
  t_entry( &m, f );
  m.table = 4;
  t_elem( &m, 1, (uint32_t[]){ seven, other }, 2 );
  made_t made = make( t_done( &m ) );
  for( uint32_t id = 0; id<6; id++ ) {
    dmg_vm_entry_t e = { .id = id, .ticks = 1000, .slots = DMG_VM_SLOTS_MAX };
    dmg_vm_result_t r = dmg_vm_run( made.inst, &e );
    assert_int_equal( r.end, id==1 ? DMG_VM_DONE : DMG_VM_TRAP );
    if( id==1 ) { assert_int_equal( r.out_sz, 7 ); assert_int_equal( r.ticks_left, 1000-1-32-1 ); }
  }
  drop( &made );
  t_fini( &m );
}

static void test_load_refuses_a_changed_file( void ** state ) {
  t_mod_t m;
  t_init( &m );
  t_entry( &m, t_func( &m, t_type( &m, "iii", 'I' ), (uint8_t[]){ 0, 0x42, 9, 0x0b }, 4 ) );
  dmg_wasm_report_t report;
  dmg_buf_t bytes = dmg_buf( DMG_WASM_INSTR_SZ_MAX ), artifact = dmg_buf( DMG_VM_ARTIFACT_SZ_MAX );
  assert_int_equal( dmg_wasm_instrument( t_done( &m ), 1, &report, &bytes ), DMG_OK );
  assert_true( report.is_ok );
  assert_int_equal( dmg_vm_compile( vm, dmg_buf_span( &bytes ), &artifact ), DMG_OK );
  dmg_hash_t key = dmg_sha256( dmg_buf_span( &artifact ) );
  char path[] = "/tmp/dmg_test_vm_XXXXXX";
  int fd = mkstemp( path );
  assert_true( fd>=0 );
  assert_int_equal( dmg_os_write_all( fd, artifact.p, artifact.sz ), DMG_OK );
  dmg_vm_code_t * code;
  assert_int_equal( dmg_vm_load( vm, path, &key, &code ), DMG_OK );
  dmg_vm_inst_t * inst;
  assert_int_equal( dmg_vm_inst_new( code, table, &inst ), DMG_OK );
  assert_int_equal( dmg_vm_run( inst, &(dmg_vm_entry_t){ .ticks = 100, .slots = 100 } ).out_sz, 9 );
  dmg_vm_inst_free( inst );
  dmg_vm_code_free( code );
  assert_int_equal( dmg_os_pwrite_all( fd, "x", 1, artifact.sz/2 ), DMG_OK );
  assert_int_equal( dmg_vm_load( vm, path, &key, &code ), DMG_ERR_CORRUPT );
  unlink( path );
  assert_int_equal( dmg_vm_load( vm, path, &key, &code ), DMG_ERR_NOT_FOUND );
  /* Our own hash of foreign bytes: the engine looks too. */
  assert_int_equal( dmg_vm_load_bytes( vm, DMG_SPAN_STR( "not an artifact" ), &code ), DMG_ERR_VERSION );
  assert_int_equal( dmg_vm_compile( vm, DMG_SPAN_STR( "not a module" ), &artifact ), DMG_ERR_INVALID );
  close( fd );
  dmg_buf_fini( &bytes );
  dmg_buf_fini( &artifact );
  t_fini( &m );
}

int main( void ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_run_returns_both_halves_and_the_output ),
    cmocka_unit_test( test_exhaustion_at_every_tick_leaves_no_later_host_call ),
    cmocka_unit_test( test_traps_are_told_apart ),
    cmocka_unit_test( test_deep_recursion_ends_without_stack ),
    cmocka_unit_test( test_slots_bound_the_stack_of_the_fattest_frames ),
    cmocka_unit_test( test_endless_loop_runs_out_of_gas ),
    cmocka_unit_test( test_large_copy_is_charged_before_it_happens ),
    cmocka_unit_test( test_host_stop_hands_its_code_on ),
    cmocka_unit_test( test_arguments_of_64_bits_and_negative_results_pass ),
    cmocka_unit_test( test_globals_and_memory_start_anew_in_each_run ),
    cmocka_unit_test( test_nested_run_shares_gas_and_stack ),
    cmocka_unit_test( test_indirect_calls_check_their_type ),
    cmocka_unit_test( test_load_refuses_a_changed_file ),
  };
  return cmocka_run_group_tests( tests, setup, teardown );
}
