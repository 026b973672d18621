/* The second engine (R1.11): instrumented modules end alike in Wasmtime, a compiler, and in wasmi, an interpreter that shares
   no code with it: end, status, output, ticks, slots, every host call with its arguments and the memory it sees.

   random modules   the generator of test_wasm_gen.h
   real modules     every .wasm of the build, driven by random calls over a host that answers at random

   DMG_TEST_SEED repeats one module or call, DMG_TEST_CNT says how many. */
#include "runtime/test_abi_gen.h"
#include "runtime/vm.h"
#include "runtime/wasm_check.h"
#include "runtime/wasm_instr.h"
#include "base/os.h"

#include <dmg_wasmi.h>
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>

/* ---- One host for both ---- */

static char const * const dm1_params[ DMG_DM1_CNT ] = {
#define X( name_, text_, params_ ) [ DMG_DM1_##name_ ] = params_,
  DMG_DM1_TABLE( X )
#undef X
};
static char const * const dm1_name[ DMG_DM1_CNT ] = {
#define X( name_, text_, params_ ) [ DMG_DM1_##name_ ] = text_,
  DMG_DM1_TABLE( X )
#undef X
};
/* Where a function writes: parameter of the offset, of the room (-1: 32 bytes, -2: 8 bytes); -1: nowhere. */
static int8_t const dm1_out[ DMG_DM1_CNT ][ 2 ] = {
  [ DMG_DM1_GET ] = { 3, 4 }, [ DMG_DM1_PUT ] = { -1, 0 }, [ DMG_DM1_DEL ] = { -1, 0 }, [ DMG_DM1_SCAN ] = { 5, 6 }, [ DMG_DM1_CTR_GET ] = { 3, -2 }, [ DMG_DM1_CTR_ADD ] = { -1, 0 },
  [ DMG_DM1_EMIT ] = { -1, 0 }, [ DMG_DM1_CALL ] = { 6, 7 }, [ DMG_DM1_QUERY ] = { 6, 7 }, [ DMG_DM1_FAULT ] = { -1, 0 }, [ DMG_DM1_CALLEE_FAULT ] = { 0, 1 }, [ DMG_DM1_LOG ] = { -1, 0 },
  [ DMG_DM1_AUTH ] = { -1, 0 }, [ DMG_DM1_SUB_ACCOUNT ] = { 1, -1 }, [ DMG_DM1_VERIFY ] = { -1, 0 }, [ DMG_DM1_SHA256 ] = { 2, -1 }, [ DMG_DM1_KECCAK256 ] = { 2, -1 },
  [ DMG_DM1_BLAKE2B ] = { 2, -1 }, [ DMG_DM1_BEACON ] = { 1, -1 } };

typedef struct { uint64_t digest, state; uint32_t calls; bool sees_memory; dmg_vm_inst_t * inst; dmg_abi_t const * abi; } host_t;

static uint64_t mix( uint64_t * s ) { *s ^= *s<<13; *s ^= *s>>7; *s ^= *s<<17; return *s; }

/* Not 0: the run stops.  Both engines get the same answers as long as they ask the same. */
static int host_answer( host_t * h, uint32_t fn, uint8_t * mem, size_t mem_sz, uint64_t const * args, uint32_t * out_ret, int64_t * out_ticks ) {
  size_t n = strlen( dm1_params[ fn ] );
  for( size_t k = 0; k<n; k++ ) h->digest = ( h->digest^args[ k ] )*0x100000001b3u+fn;
  if( h->sees_memory ) for( size_t i = 0; i+8<=mem_sz; i += 8 ) h->digest = ( h->digest^dmg_load_u64le( mem+i ) )*0x9e3779b97f4a7c15u;
  h->calls++;
  *out_ticks = 40+(int64_t)( mix( &h->state )%400 );
  uint64_t r = mix( &h->state );
  if( r%200==0 ) return 2+(int)( r>>60 );
  int8_t const * out = dm1_out[ fn ];
  if( out[ 0 ]>=0 && h->sees_memory ) {
    uint64_t at = (uint32_t)args[ out[ 0 ] ], room = out[ 1 ]==-1 ? 32 : out[ 1 ]==-2 ? 8 : (uint32_t)args[ out[ 1 ] ];
    if( at+room>mem_sz ) return 1;
    if( room>200 ) room = 200;
    for( uint64_t i = 0; i<room; i++ ) mem[ at+i ] = r>>62 ? (uint8_t)mix( &h->state ) : (uint8_t)( i==0 );   /* a schema byte of 1, then zeros */
  }
  /* A value that the module itself could have stored. */
  dmg_abi_item_t const * item = fn==DMG_DM1_GET && h->abi ? dmg_abi_item( h->abi, (uint16_t)args[ 0 ] ) : NULL;
  if( item && item->value && r>>61 ) {
    static uint8_t value[ 65536 ];
    t_choice_t     c  = { .state = r|1 };
    dmg_bcs_wr_t   wr = dmg_bcs_wr( value, sizeof value );
    dmg_bcs_wr_u8( &wr, h->abi->storage_version );
    t_gen_value( &c, item->value, &wr );
    dmg_span_t v  = dmg_bcs_wr_span( &wr );
    uint64_t   at = (uint32_t)args[ 3 ], room = dmg_min_u64( (uint32_t)args[ 4 ], v.sz );
    if( at+room>mem_sz ) return 1;
    memcpy( mem+at, value, room );
    *out_ret = (uint32_t)v.sz;
    return 0;
  }
  if( fn==DMG_DM1_CTR_GET && r>>62 ) { *out_ret = 8; return 0; }
  if( fn==DMG_DM1_VERIFY || fn==DMG_DM1_AUTH ) { *out_ret = r>>62!=0; return 0; }
  static int32_t const usual[ 8 ] = { -1, 0, 1, 8, 32, 40, -2, -256-7 };
  *out_ret = (uint32_t)( r>>8&3 ? usual[ r>>10&7 ] : (int32_t)( r>>32 ) );
  return 0;
}

static int vm_host( void * frame, uint32_t fn, dmg_vm_mem_t mem, uint64_t const * args, uint64_t * out_ret ) {
  host_t * h = frame;
  uint32_t ret = 0;
  int64_t ticks;
  int rc = host_answer( h, fn, mem.base, mem.sz, args, &ret, &ticks );
  *out_ret = ret;
  return dmg_vm_charge( h->inst, ticks ) ? rc : 1;
}
#define X( name_, text_, params_ ) \
  static int vm_host_##name_( void * f, dmg_vm_mem_t m, uint64_t const * a, uint64_t * r ) { return vm_host( f, DMG_DM1_##name_, m, a, r ); }
DMG_DM1_TABLE( X )
#undef X
static dmg_vm_host_fn const table[ DMG_DM1_CNT ] = {
#define X( name_, text_, params_ ) [ DMG_DM1_##name_ ] = vm_host_##name_,
  DMG_DM1_TABLE( X )
#undef X
};

/* ---- A module on both ---- */

typedef struct {
  dmg_vm_code_t * code;
  dmg_vm_inst_t * inst;
  dmg_wasmi_t *   oracle;
  uint8_t *       image;              /* of the oracle's memory, put back after each run */
  size_t          mem_sz;
  uint32_t        fn[ 64 ];           /* dmg_dm1_t of its imports */
  dmg_abi_t const * abi;              /* of real modules */
} pair_t;

static dmg_vm_t * vm;
static pair_t *   running;

static int oracle_host( void * ctx, dmg_wasmi_call_t * c ) {
  host_t * h = ctx;
  int64_t ticks;
  int rc = host_answer( h, running->fn[ c->import ], c->mem, c->mem_sz, c->args, &c->ret, &ticks );
  c->g -= ticks;
  return c->g<0 ? 1 : rc;
}

static void pair_open( dmg_span_t wasm, pair_t * p ) {
  dmg_wasm_report_t report;
  dmg_buf_t bytes = dmg_buf( DMG_WASM_INSTR_SZ_MAX ), artifact = dmg_buf( DMG_VM_ARTIFACT_SZ_MAX );
  char text[ 300 ];
  *p = (pair_t){ 0 };
  assert_int_equal( dmg_wasm_instrument( wasm, 1, &report, &bytes ), DMG_OK );
  if( !report.is_ok ) fail_msg( "%s (function %u, offset %u)", report.text, report.func_idx, report.off );
  assert_int_equal( dmg_vm_compile( vm, dmg_buf_span( &bytes ), &artifact ), DMG_OK );
  assert_int_equal( dmg_vm_load_bytes( vm, dmg_buf_span( &artifact ), &p->code ), DMG_OK );
  assert_int_equal( dmg_vm_inst_new( p->code, table, &p->inst ), DMG_OK );
  p->oracle = dmg_wasmi_new( bytes.p, bytes.sz, oracle_host, text, sizeof text );
  if( !p->oracle ) fail_msg( "the second engine refuses what the first takes: %s", text );
  for( uint32_t i = 0; i<64 && dmg_wasmi_import( p->oracle, i, text, sizeof text ); i++ )
    for( p->fn[ i ] = 0; strcmp( dm1_name[ p->fn[ i ] ], text ); p->fn[ i ]++ ) assert_true( p->fn[ i ]+1<DMG_DM1_CNT );
  uint8_t * mem = dmg_wasmi_mem( p->oracle, &p->mem_sz );
  assert_int_equal( p->mem_sz, dmg_vm_mem( p->inst ).sz );
  assert_memory_equal( mem, dmg_vm_mem( p->inst ).base, p->mem_sz );   /* the same first image */
  assert_int_equal( dmg_wasmi_global( p->oracle, "dm_in" ), dmg_vm_in_off( p->inst ) );
  assert_int_equal( dmg_wasmi_global( p->oracle, "dm_out" ), dmg_vm_out_off( p->inst ) );
  p->image = malloc( p->mem_sz );
  memcpy( p->image, mem, p->mem_sz );
  dmg_buf_fini( &bytes );
  dmg_buf_fini( &artifact );
}
static void pair_close( pair_t * p ) {
  dmg_vm_inst_free( p->inst );
  dmg_vm_code_free( p->code );
  dmg_wasmi_free( p->oracle );
  free( p->image );
}

/* vm.h's judgement over what the oracle's globals say. */
static dmg_vm_result_t oracle_run( pair_t * p, host_t * h, dmg_vm_entry_t const * e, dmg_span_t in, uint8_t const ** out ) {
  uint8_t * mem = dmg_wasmi_mem( p->oracle, &p->mem_sz );
  dmg_wasmi_result_t w;
  uint32_t out_off = dmg_vm_out_off( p->inst );
  memcpy( mem, p->image, p->mem_sz );
  if( in.sz ) memcpy( mem+dmg_vm_in_off( p->inst ), in.p, in.sz );
  running = p;
  dmg_wasmi_run( p->oracle, h, e->kind, e->id, e->in_sz, e->ticks, e->slots, &w );
  if( w.end==DMG_WASMI_BROKEN ) fail_msg( "the second engine breaks" );
  dmg_vm_result_t r = { .ticks_left = w.g, .slots_left = w.s };
  r.end = w.g<0 ? DMG_VM_NO_GAS : w.end==DMG_WASMI_RETURNED ? DMG_VM_DONE : w.end==DMG_WASMI_STOPPED ? DMG_VM_HOST_STOP : w.s<0 ? DMG_VM_NO_STACK : DMG_VM_TRAP;
  if( r.end==DMG_VM_HOST_STOP ) r.host_code = w.host_code;
  if( r.end!=DMG_VM_DONE ) return r;
  r.status = (uint32_t)( (uint64_t)w.ret>>32 );
  r.out_sz = (uint32_t)(uint64_t)w.ret;
  if( r.out_sz>p->mem_sz-out_off ) { r.end = DMG_VM_TRAP; r.status = r.out_sz = 0; }
  *out = mem+out_off;
  return r;
}

static dmg_vm_result_t compare( pair_t * p, uint64_t seed, dmg_vm_entry_t e, dmg_span_t in, bool sees_memory ) {
  host_t a = { .state = seed|1, .sees_memory = sees_memory, .inst = p->inst, .abi = p->abi }, b = a;
  uint8_t const * out = NULL;
  e.frame = &a;
  if( in.sz ) memcpy( dmg_vm_mem( p->inst ).base+dmg_vm_in_off( p->inst ), in.p, in.sz );
  dmg_vm_result_t x = dmg_vm_run( p->inst, &e ), y = oracle_run( p, &b, &e, in, &out );
  bool is_same = x.end==y.end && x.ticks_left==y.ticks_left && x.slots_left==y.slots_left && x.status==y.status && x.out_sz==y.out_sz && x.host_code==y.host_code &&
                 a.digest==b.digest && a.calls==b.calls;
  if( is_same && x.out_sz ) is_same = !memcmp( dmg_vm_out( p->inst ).p, out, x.out_sz );
  if( !is_same )
    fail_msg( "seed %llu kind %u id %u ticks %lld: wasmtime end %d ticks %lld slots %d status %u out %u calls %u; wasmi end %d ticks %lld slots %d status %u out %u calls %u",
              (unsigned long long)seed, e.kind, e.id, (long long)e.ticks, x.end, (long long)x.ticks_left, x.slots_left, x.status, x.out_sz, a.calls, y.end, (long long)y.ticks_left, y.slots_left,
              y.status, y.out_sz, b.calls );
  return x;
}

/* ---- Tests ---- */

static uint64_t seed_first( uint32_t * cnt, uint32_t usual, uint32_t sanitized ) {
  char const * given = getenv( "DMG_TEST_SEED" ), * n = getenv( "DMG_TEST_CNT" );
  uint64_t seed = given ? strtoull( given, NULL, 10 ) : dmg_os_wall_ms()*1000+1;
  *cnt = n ? (uint32_t)strtoul( n, NULL, 10 ) : given ? 1 : DMG_SANITIZED ? sanitized : usual;
  print_message( "seed %llu\n", (unsigned long long)seed );
  return seed;
}

static void test_random_modules_end_alike( void ** state ) {
  uint32_t cnt;
  uint64_t seed0 = seed_first( &cnt, 150, 60 ), ends[ 5 ] = { 0 };
  dmg_vm_signals_restore();
  for( uint32_t i = 0; i<cnt; i++ ) {
    uint64_t seed = seed0+i;
    t_choice_t c = { .state = seed*0x9e3779b97f4a7c15u|1 };
    t_mod_t m;
    pair_t p;
    pair_open( t_gen_module( &m, &c ), &p );
    for( unsigned k = 0; k<12; k++ ) {
      dmg_vm_entry_t e = { .kind = t_pick( &c, 3 ), .id = t_pick( &c, 11 ), .in_sz = 5, .ticks = k%3 ? 200000 : t_pick( &c, 5000 ), .slots = k%4==3 ? (int32_t)t_pick( &c, 400 ) : DMG_VM_SLOTS_MAX };
      ends[ compare( &p, seed*16+k, e, (dmg_span_t){ 0 }, k%2 ).end ]++;
    }
    pair_close( &p );
    t_fini( &m );
  }
  print_message( "done %lu trap %lu no gas %lu no stack %lu host stop %lu\n", ends[ DMG_VM_DONE ], ends[ DMG_VM_TRAP ], ends[ DMG_VM_NO_GAS ], ends[ DMG_VM_NO_STACK ], ends[ DMG_VM_HOST_STOP ] );
  if( cnt>=50 ) for( int k = 0; k<5; k++ ) assert_true( ends[ k ]>0 );   /* the generator reaches them all */
}

/* A function of the module with arguments that decode, as the host gives them; now and then neither. */
static dmg_vm_entry_t entry_of( dmg_abi_t const * abi, t_choice_t * c, uint8_t * in, size_t in_sz ) {
  dmg_vm_entry_t       e  = { .kind = t_pick( c, 3 ), .id = t_pick( c, 14 ), .ticks = t_pick( c, 4 ) ? 4000000 : t_pick( c, 20000 ), .slots = t_pick( c, 8 ) ? DMG_VM_SLOTS_MAX : (int32_t)t_pick( c, 600 ) };
  dmg_abi_fn_t const * fn = NULL;
  dmg_bcs_wr_t         wr = dmg_bcs_wr( in+256, in_sz-256 );
  if( e.kind==0 && abi->call_cnt )  fn = &abi->calls[ t_pick( c, abi->call_cnt ) ];
  if( e.kind==1 && abi->query_cnt ) fn = &abi->queries[ t_pick( c, abi->query_cnt ) ];
  if( e.kind==2 && abi->hook_cnt )  fn = &abi->hooks[ t_pick( c, abi->hook_cnt ) ];
  for( unsigned k = 0; k<256; k++ ) in[ k ] = k<64 ? 0 : (uint8_t)( k/32 );
  dmg_store_u64le( in, t_pick( c, 1000 ) );
  dmg_store_u64le( in+8, 1764000000000u+t_pick( c, 100000 ) );
  memset( in+128, (int)t_pick( c, 4 ), 32 );
  in[ 20 ] = (uint8_t)e.kind;
  in[ 21 ] = (uint8_t)t_pick( c, 7 );
  if( fn && t_pick( c, 16 ) ) {
    e.id = fn->id;
    t_gen_value( c, fn->args, &wr );
    assert_false( wr.is_full );
    assert_int_equal( dmg_type_validate( fn->args, dmg_bcs_wr_span( &wr ), NULL ), DMG_BCS_GOOD );
  } else for( uint32_t n = t_pick( c, 300 ); n; n-- ) dmg_bcs_wr_u8( &wr, (uint8_t)t_pick( c, 256 ) );
  e.in_sz = 256+(uint32_t)dmg_bcs_wr_span( &wr ).sz;
  return e;
}

static void real_module( char const * path, uint64_t seed0, uint32_t cnt, uint64_t ends[ 5 ] ) {
  static uint8_t    in[ 49152 ];
  dmg_buf_t         file;
  dmg_wasm_report_t report;
  pair_t            p;
  dmg_arena_t *     arena = dmg_arena_new( 16u<<20 );
  assert_int_equal( dmg_os_file_read( path, 1<<20, &file ), DMG_OK );
  pair_open( dmg_buf_span( &file ), &p );
  assert_int_equal( dmg_wasm_check( dmg_buf_span( &file ), &report ), DMG_OK );
  assert_int_equal( dmg_abi_decode( report.abi, arena, &p.abi ).kind, DMG_VERDICT_GOOD );
  for( uint32_t i = 0; i<cnt; i++ ) {
    uint64_t seed = seed0+i;
    t_choice_t c = { .state = seed*0x9e3779b97f4a7c15u|1 };
    dmg_vm_entry_t e = entry_of( p.abi, &c, in, p.abi->in_sz<sizeof in ? p.abi->in_sz : sizeof in );
    ends[ compare( &p, seed, e, dmg_span( in, e.in_sz ), true ).end ]++;
  }
  pair_close( &p );
  dmg_buf_fini( &file );
  dmg_arena_free( arena );
}

static void test_real_modules_end_alike( void ** state ) {
  uint32_t cnt, modules = 0;
  uint64_t seed0 = seed_first( &cnt, 700, 100 ), ends[ 5 ] = { 0 };
  dmg_vm_signals_restore();
  DIR * d = opendir( DMG_TEST_MODULES );
  if( !d ) fail_msg( "no %s: build the target modules", DMG_TEST_MODULES );
  for( struct dirent * e; ( e = readdir( d ) ); ) {
    char path[ 1024 ];
    size_t n = strlen( e->d_name );
    if( n<6 || strcmp( e->d_name+n-5, ".wasm" ) || strstr( e->d_name, ".raw." ) ) continue;   /* raw: without its interface */
    snprintf( path, sizeof path, "%s/%s", DMG_TEST_MODULES, e->d_name );
    real_module( path, seed0, cnt, ends );
    modules++;
  }
  closedir( d );
  assert_true( modules>=2 );
  print_message( "%u modules: done %lu trap %lu no gas %lu no stack %lu host stop %lu\n", modules, ends[ DMG_VM_DONE ], ends[ DMG_VM_TRAP ], ends[ DMG_VM_NO_GAS ], ends[ DMG_VM_NO_STACK ],
                 ends[ DMG_VM_HOST_STOP ] );
}

static int setup( void ** state ) { return dmg_vm_open( NULL, &vm ); }
static int teardown( void ** state ) { dmg_vm_close( vm ); return 0; }

int main( void ) {
  struct CMUnitTest const tests[] = { cmocka_unit_test( test_random_modules_end_alike ), cmocka_unit_test( test_real_modules_end_alike ) };
  return cmocka_run_group_tests( tests, setup, teardown );
}
