/* test_wasm_pair: one module on the engine and in the counting interpreter, with the same host; do they agree? */
#ifndef DMG_RUNTIME_TEST_WASM_PAIR_H
#define DMG_RUNTIME_TEST_WASM_PAIR_H

#include "runtime/test_wasm_interp.h"

#include <stdio.h>

/* What host functions of both machines do: log the call, charge, sometimes stop.  The digest is what an observer sees. */
typedef struct { dmg_vm_inst_t * inst; uint64_t digest; uint32_t calls; int32_t slots; uintptr_t sp; } t_frame_t;   /* slots, sp: at the entry of the run */

static inline uint32_t t_observe( t_frame_t * f, uint8_t dm1, uint64_t const * args ) {
  uint32_t n = dm1==DMG_DM1_LOG ? 2 : 5;
  for( uint32_t k = 0; k<n; k++ ) f->digest = ( f->digest^args[ k ] )*0x100000001b3u+dm1;
  f->calls++;
  return (uint32_t)( f->digest>>40 );
}
/* R1.6: no more than 128 bytes of the engine's stack a slot, and 16 KiB for entering it and the host. */
static inline void t_stack_check( t_frame_t const * f ) {
  uintptr_t used = f->sp-(uintptr_t)__builtin_frame_address( 0 );
  DMG_ASSERT( used<=128u*(uint32_t)( f->slots-dmg_vm_slots( f->inst ) )+16384u );
}

static int t_host_log( void * frame, dmg_vm_mem_t mem, uint64_t const * args, uint64_t * out_ret ) {
  t_frame_t * f = frame;
  t_stack_check( f );
  uint32_t r = t_observe( f, DMG_DM1_LOG, args );
  if( !dmg_vm_charge( f->inst, 240 ) ) return 1;
  if( r%64==0 ) return 9;
  *out_ret = r;
  return 0;
}
static int t_host_ctr_add( void * frame, dmg_vm_mem_t mem, uint64_t const * args, uint64_t * out_ret ) {
  t_frame_t * f = frame;
  *out_ret = (uint64_t)-(int64_t)t_observe( f, DMG_DM1_CTR_ADD, args );
  return dmg_vm_charge( f->inst, 12 ) ? 0 : 1;
}
static int t_host_interp( t_interp_t * it, void * frame, uint8_t dm1, uint64_t const * args, uint64_t * out_ret ) {
  t_frame_t * f = frame;
  uint32_t r = t_observe( f, dm1, args );
  it->g -= dm1==DMG_DM1_LOG ? 240 : 12;
  if( it->g<0 ) return 1;
  if( dm1==DMG_DM1_LOG && r%64==0 ) return 9;
  *out_ret = dm1==DMG_DM1_LOG ? r : (uint64_t)-(int64_t)r;
  return 0;
}
static inline void t_host_fill( dmg_vm_host_fn table[ DMG_DM1_CNT ] ) {
  for( int i = 0; i<DMG_DM1_CNT; i++ ) table[ i ] = t_host_log;
  table[ DMG_DM1_CTR_ADD ] = t_host_ctr_add;
}

/* Runs both; false and a line in text when anything visible differs. */
static inline bool t_pair_agrees( t_interp_t * it, dmg_vm_inst_t * inst, dmg_vm_entry_t e, dmg_vm_result_t * out, char text[ 400 ] ) {
  t_frame_t a = { 0 }, b = { .inst = inst, .slots = e.slots, .sp = (uintptr_t)__builtin_frame_address( 0 ) };
  e.frame = &a;
  dmg_vm_result_t x = t_run( it, &e );
  e.frame = &b;
  dmg_vm_result_t y = dmg_vm_run( inst, &e );
  *out = x;
  bool is_same = x.end==y.end && x.ticks_left==y.ticks_left && x.slots_left==y.slots_left && x.status==y.status && x.out_sz==y.out_sz && x.host_code==y.host_code &&
                 a.digest==b.digest && a.calls==b.calls;
  if( is_same && x.out_sz ) is_same = !memcmp( it->mem+dmg_vm_out_off( inst ), dmg_vm_out( inst ).p, x.out_sz );
  if( !is_same ) snprintf( text, 400, "ticks %lld: interpreter end %d ticks %lld slots %d status %u out %u calls %u; engine end %d ticks %lld slots %d status %u out %u calls %u",
                           (long long)e.ticks, x.end, (long long)x.ticks_left, x.slots_left, x.status, x.out_sz, a.calls, y.end, (long long)y.ticks_left, y.slots_left, y.status, y.out_sz, b.calls );
  return is_same;
}

#endif
