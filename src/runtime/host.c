#include "runtime/exec_int.h"

#include "base/assert.h"
#include "base/log.h"
#include "crypto/sig.h"

/* Why a host function stopped the run: 1.. are dmg_host_trap_t; the rest is settled in run_end. */
enum { STOP_LOCAL = 1000, STOP_GAS, STOP_NESTED };

/* ---- Frames ---- */

bool
dmg_own_add( dmg_exec_t * x, dmg_hash_t const * account, uint16_t module ) {
  for( uint32_t i=0; i<x->tx.own_cnt; i++ )
    if( x->tx.own[ i ].module==module && dmg_hash_eq( &x->tx.own[ i ].account, account ) ) return true;
  if( x->tx.own_cnt==DMG_EXEC_OWN_MAX ) return false;
  x->tx.own[ x->tx.own_cnt   ].account = *account;
  x->tx.own[ x->tx.own_cnt++ ].module  = module;
  return true;
}

/* R1.12, byte by byte:
     0 height u64   8 time_ms u64   16 epoch u32   20 kind u8   21 role u8   22 calling module u16   24 signers u16
     26 call index u16   28 zero u32   32 deposit price u64   40 zero[24]   64 chain id   96 own address   128 actor
     160 principal   192 session grant   224 tx id */
static void
env_write( dmg_exec_t const * x, dmg_frame_spec_t const * spec, uint8_t * p ) {
  memset( p, 0, DMG_ABI_ENV_SZ );
  dmg_store_u64le( p,     x->ctx->height );
  dmg_store_u64le( p+8,   x->ctx->time_ms );
  dmg_store_u32le( p+16,  x->ctx->epoch );
  p[ 20 ] = spec->kind;
  p[ 21 ] = (uint8_t)spec->role;
  dmg_store_u16le( p+22,  spec->caller );
  dmg_store_u16le( p+24,  x->tx.slots );
  dmg_store_u16le( p+26,  x->tx.call_idx );
  dmg_store_u64le( p+32,  x->params.v[ DMG_PARAM_DEPOSIT_PRICE ] );
  memcpy( p+64,  x->ctx->chain_id.b, 32 );
  memcpy( p+96,  spec->mod->self.b, 32 );
  memcpy( p+128, spec->actor.b, 32 );
  memcpy( p+160, x->tx.sender.b, 32 );
  memcpy( p+224, x->tx.id.b, 32 );
}

static void
fail( dmg_exec_t * x, dmg_mod_t const * mod, dmg_status_t status, uint32_t code ) {
  x->tx.status = (uint8_t)status;
  x->tx.module = mod->id;
  x->tx.code   = code;
}

/* The result of dm_entry held against the interface; 0 or the trap. */
static uint32_t
judge_output( dmg_frame_t * f, dmg_vm_result_t const * r, dmg_span_t out, dmg_frame_res_t * res ) {
  dmg_abi_fn_t const * fn = f->spec.fn;
  if( !r->status ) {
    if( fn->ret ? dmg_type_validate( fn->ret, out, NULL )!=DMG_BCS_GOOD : out.sz!=0 ) return DMG_HOST_RESULT;
    *res = (dmg_frame_res_t){ .end = DMG_FRAME_OK, .out = out };
    return 0;
  }
  dmg_abi_fault_t const * fault = r->status<=UINT16_MAX ? dmg_abi_fault( f->spec.mod->code->abi, (uint16_t)r->status ) : NULL;
  if( !fault || out.sz || dmg_type_validate( fault->fields, f->fault, NULL )!=DMG_BCS_GOOD ) return DMG_HOST_RESULT;
  *res = (dmg_frame_res_t){ .end = DMG_FRAME_FAULT, .fault = r->status, .out = f->fault };
  return 0;
}

dmg_err_t
dmg_frame_run( dmg_exec_t * x, dmg_frame_t * up, dmg_frame_spec_t const * spec, dmg_frame_res_t * out ) {
  dmg_frame_t f = { .x = x, .up = up, .spec = *spec, .depth = up ? up->depth+1 : 1, .is_read_only = spec->kind==1 || ( up && up->is_read_only ) };
  DMG_ASSERT( f.depth<=DMG_EXEC_DEPTH_MAX );
  f.inst = dmg_reg_inst( x->w, spec->mod->code, spec->kind==1 );
  DMG_ASSERT( !dmg_vm_is_busy( f.inst ) );
  if( !f.is_read_only ) {
    size_t i = (size_t)( spec->mod-x->set->mods );
    x->tx.ran[ i/8 ] |= (uint8_t)( 1u<<( i%8 ) );
  }

  size_t   mark       = dmg_ov_mark( x->ov );
  uint32_t event_mark = x->tx.event_cnt, event_sz_mark = x->tx.event_sz;

  /* in_sz of the ABI lies inside memory (registry.c) and checked arguments fit it. */
  dmg_vm_mem_t mem = dmg_vm_mem( f.inst );
  uint8_t *    in  = mem.base+dmg_vm_in_off( f.inst );
  DMG_ASSERT( DMG_ABI_ENV_SZ+spec->args.sz<=spec->mod->code->abi->in_sz );
  env_write( x, spec, in );
  if( spec->args.sz ) memcpy( in+DMG_ABI_ENV_SZ, spec->args.p, spec->args.sz );

  dmg_vm_entry_t  entry = { .kind = spec->kind, .id = spec->fn->id, .in_sz = (uint32_t)( DMG_ABI_ENV_SZ+spec->args.sz ),
                            .ticks = x->tx.ticks, .slots = x->tx.stack, .frame = &f };
  dmg_vm_result_t r     = dmg_vm_run( f.inst, &entry );
  x->tx.ticks = r.ticks_left;
  if( x->err ) return x->err;

  uint32_t trap = 0;
  switch( r.end ) {
  case DMG_VM_DONE:
    trap = judge_output( &f, &r, dmg_vm_out( f.inst ), out );
    if( trap ) fail( x, spec->mod, DMG_STATUS_HOST, trap );
    break;
  case DMG_VM_NO_GAS:   trap = 1; fail( x, spec->mod, DMG_STATUS_NO_GAS, 0 );   break;
  case DMG_VM_NO_STACK: trap = 1; fail( x, spec->mod, DMG_STATUS_NO_STACK, 0 ); break;
  case DMG_VM_TRAP:     trap = 1; fail( x, spec->mod, DMG_STATUS_TRAP, 0 );     break;
  case DMG_VM_HOST_STOP:
    trap = 1;
    if( r.host_code==STOP_GAS ) fail( x, spec->mod, DMG_STATUS_NO_GAS, 0 );
    else if( r.host_code!=STOP_NESTED ) fail( x, spec->mod, DMG_STATUS_HOST, r.host_code );   /* NESTED: the callee said why */
    break;
  }
  if( trap ) *out = (dmg_frame_res_t){ .end = DMG_FRAME_FAIL };
  if( out->end!=DMG_FRAME_OK ) {
    dmg_ov_rollback( x->ov, mark );
    x->tx.event_cnt = event_mark;
    x->tx.event_sz  = event_sz_mark;
  }
  return DMG_OK;
}

/* ---- Helpers of the host functions ---- */

#define FRAME dmg_frame_t * f = frame; dmg_exec_t * x = f->x; (void)x
/* Each + 60, charged first (R1.9). */
#define CHARGE( gas ) do { if( !dmg_vm_charge( f->inst, (int64_t)( ( gas )+DMG_GAS_HOST )*DMG_GAS_TICKS ) ) return STOP_GAS; } while(0)
#define MORE( gas )   do { if( !dmg_vm_charge( f->inst, (int64_t)( gas )*DMG_GAS_TICKS ) ) return STOP_GAS; } while(0)
#define LOCAL( call ) do { dmg_err_t local_err_ = ( call ); if( local_err_ ) { x->err = local_err_; return STOP_LOCAL; } } while(0)
#define RET( value )  do { *out_ret = (uint64_t)(uint32_t)(int32_t)( value ); return 0; } while(0)

static inline bool mem_ok( dmg_vm_mem_t mem, uint64_t p, uint64_t n ) { return (uint32_t)p+(uint64_t)(uint32_t)n<=mem.sz; }
#define NEED( p, n )  do { if( !mem_ok( mem, ( p ), ( n ) ) ) return DMG_HOST_POINTER; } while(0)
static inline dmg_span_t mem_span( dmg_vm_mem_t mem, uint64_t p, uint64_t n ) { return dmg_span( mem.base+(uint32_t)p, (uint32_t)n ); }

static inline bool
read_counts( dmg_exec_t * x, uint32_t n ) {
  x->tx.read_cnt += n;
  return x->tx.is_unlimited || x->tx.read_cnt<=DMG_EXEC_READ_MAX;
}

static inline bool
write_counts( dmg_exec_t * x, uint32_t n, size_t sz ) {
  x->tx.write_cnt += n;
  x->tx.write_sz  += (uint32_t)sz;
  return x->tx.is_unlimited || ( x->tx.write_cnt<=DMG_EXEC_WRITE_MAX && x->tx.write_sz<=DMG_EXEC_WRITE_SZ_MAX );
}

/* A storage key that a host function was handed: the declared item and the full key. */
typedef struct { dmg_ov_item_t const * item; size_t sz; uint8_t full[ DMG_KEY_MAX ]; } place_t;

/* 0 or the trap; a counter and other values are not asked for by the same functions. */
static int
find_place( dmg_frame_t const * f, uint64_t item, dmg_span_t key, bool is_counter, place_t * out ) {
  dmg_mod_code_t const * code = f->spec.mod->code;
  dmg_abi_item_t const * abi  = (uint32_t)item<=UINT16_MAX ? dmg_abi_item( code->abi, (uint16_t)item ) : NULL;
  if( !abi ) return DMG_HOST_ITEM;
  if( !dmg_key_split( abi, key, NULL ) ) return DMG_HOST_KEY;
  out->sz = dmg_key_full( f->spec.mod->id, abi->id, key, out->full );
  if( !out->sz ) return DMG_HOST_KEY;
  out->item = &code->items[ abi-code->abi->items ];
  return out->item->is_counter==is_counter ? 0 : DMG_HOST_ITEM;
}

/* PLACE declares p; ENTRY declares e, its entry in the overlay. */
#define PLACE( is_counter )                                                                               \
  place_t p;                                                                                              \
  do { int trap_ = find_place( f, a[ 0 ], mem_span( mem, a[ 1 ], a[ 2 ] ), ( is_counter ), &p ); if( trap_ ) return trap_; } while(0)
#define ENTRY                                                                                             \
  dmg_ov_entry_t * e;                                                                                     \
  LOCAL( dmg_ov_entry( x->ov, dmg_span( p.full, p.sz ), p.item, &e ) )

/* ---- State ---- */

static int
host_get( void * frame, dmg_vm_mem_t mem, uint64_t const * a, uint64_t * out_ret ) {
  FRAME;
  CHARGE( DMG_GAS_GET );
  NEED( a[ 1 ], a[ 2 ] );
  NEED( a[ 3 ], a[ 4 ] );
  PLACE( false );
  if( !read_counts( x, 1 ) ) RET( DMG_DM_LIMIT );
  ENTRY;
  e->seen |= DMG_OV_READ;
  if( !e->cur.is_present ) RET( DMG_DM_ABSENT );
  MORE( DMG_GAS_GET_B*dmg_ov_value_sz( p.item, &e->cur ) );
  /* The module sees schema byte and body; the record between them is the host's (R5.1). */
  uint32_t  n   = (uint32_t)a[ 4 ];
  uint8_t * out = mem.base+(uint32_t)a[ 3 ];
  if( n ) {
    out[ 0 ] = e->cur.schema;
    size_t sz = dmg_min_u64( n-1, e->cur.body.sz );
    if( sz ) memcpy( out+1, e->cur.body.p, sz );
  }
  RET( (int64_t)( 1+e->cur.body.sz ) );
}

static int
host_put( void * frame, dmg_vm_mem_t mem, uint64_t const * a, uint64_t * out_ret ) {
  FRAME;
  CHARGE( DMG_GAS_PUT );
  NEED( a[ 1 ], a[ 2 ] );
  NEED( a[ 3 ], a[ 4 ] );
  if( f->is_read_only ) return DMG_HOST_READ_ONLY;
  PLACE( false );
  dmg_abi_item_t const * abi   = p.item->abi;
  dmg_span_t             value = mem_span( mem, a[ 3 ], a[ 4 ] );
  /* R2.2: the schema byte is the version the module writes; the body is exactly one value of the type. */
  if( value.sz<1 || value.sz-1>abi->max || value.p[ 0 ]!=f->spec.mod->code->abi->storage_version ) return DMG_HOST_VALUE;
  dmg_span_t body = dmg_span( value.p+1, value.sz-1 );
  MORE( DMG_GAS_PUT_B*( value.sz+( p.item->has_record ? DMG_DEPOSIT_SZ : 0 ) ) );
  if( dmg_type_validate( abi->value, body, NULL )!=DMG_BCS_GOOD ) return DMG_HOST_VALUE;
  if( !write_counts( x, 1, p.sz+value.sz ) ) RET( DMG_DM_LIMIT );
  ENTRY;
  e->seen |= DMG_OV_LEN;
  if( p.item->module==DMG_MODULE_BALANCES && p.item->item==dmg_native_item[ DMG_ITEM_LOCK ].item ) x->is_lockless = false;
  LOCAL( dmg_ov_set( x->ov, e, value.p[ 0 ], body ) );
  RET( 0 );
}

static int
host_del( void * frame, dmg_vm_mem_t mem, uint64_t const * a, uint64_t * out_ret ) {
  FRAME;
  CHARGE( DMG_GAS_DEL );
  NEED( a[ 1 ], a[ 2 ] );
  if( f->is_read_only ) return DMG_HOST_READ_ONLY;
  PLACE( false );
  if( !write_counts( x, 1, p.sz ) ) RET( DMG_DM_LIMIT );
  ENTRY;
  e->seen |= DMG_OV_LEN;
  if( !e->cur.is_present ) RET( DMG_DM_ABSENT );
  LOCAL( dmg_ov_delete( x->ov, e ) );
  RET( 0 );
}

/* Writes entries { key_n u8, key, value_n u16, value } while they fit. */
static int
scan_run( dmg_frame_t * f, dmg_ov_scan_t * scan, uint8_t * out, uint32_t out_n, uint32_t max, int32_t * out_res ) {
  dmg_exec_t * x  = f->x;
  uint32_t     at = 0;
  for( uint32_t cnt=0; cnt<max; cnt++ ) {
    dmg_ov_entry_t * e;
    dmg_err_t err = dmg_ov_scan_next( scan, &e );
    if( err==DMG_ERR_NOT_FOUND ) break;
    if( err ) { x->err = err; return STOP_LOCAL; }
    e->seen |= DMG_OV_READ;
    size_t key_sz = e->key.sz-4, value_sz = 1+e->cur.body.sz, sz = 1+key_sz+2+value_sz;
    if( !read_counts( x, 1 ) ) { *out_res = DMG_DM_LIMIT; return 0; }
    MORE( DMG_GAS_SCAN_ENTRY );
    if( sz>out_n-at ) {
      if( !cnt ) { *out_res = DMG_DM_SMALL_BUFFER; return 0; }
      break;
    }
    MORE( DMG_GAS_SCAN_B*sz );
    uint8_t * p = out+at;
    *p++ = (uint8_t)key_sz;
    memcpy( p, e->key.p+4, key_sz );
    p += key_sz;
    dmg_store_u16le( p, (uint16_t)value_sz );
    p[ 2 ] = e->cur.schema;
    if( e->cur.body.sz ) memcpy( p+3, e->cur.body.p, e->cur.body.sz );
    at += (uint32_t)sz;
  }
  *out_res = (int32_t)at;
  return 0;
}

static int
host_scan( void * frame, dmg_vm_mem_t mem, uint64_t const * a, uint64_t * out_ret ) {
  FRAME;
  CHARGE( DMG_GAS_SCAN );
  NEED( a[ 1 ], a[ 2 ] );
  NEED( a[ 3 ], a[ 4 ] );
  NEED( a[ 5 ], a[ 6 ] );
  dmg_mod_code_t const * code = f->spec.mod->code;
  dmg_abi_item_t const * abi  = (uint32_t)a[ 0 ]<=UINT16_MAX ? dmg_abi_item( code->abi, (uint16_t)a[ 0 ] ) : NULL;
  if( !abi || abi->kind!=DMG_ITEM_ORDERED ) return DMG_HOST_ITEM;
  dmg_span_t prefix = mem_span( mem, a[ 1 ], a[ 2 ] ), after = mem_span( mem, a[ 3 ], a[ 4 ] );
  if( !dmg_key_is_prefix( abi, prefix ) ) return DMG_HOST_KEY;
  if( after.sz && !dmg_key_split( abi, after, NULL ) ) return DMG_HOST_KEY;
  uint8_t  full_prefix[ DMG_KEY_MAX ], full_after[ DMG_KEY_MAX ];
  size_t   prefix_sz = dmg_key_full( f->spec.mod->id, abi->id, prefix, full_prefix );
  size_t   after_sz  = after.sz ? dmg_key_full( f->spec.mod->id, abi->id, after, full_after ) : 0;
  uint32_t max       = (uint32_t)dmg_min_u64( (uint32_t)a[ 7 ], DMG_EXEC_SCAN_MAX );
  uint32_t out_n     = (uint32_t)dmg_min_u64( (uint32_t)a[ 6 ], DMG_EXEC_SCAN_SZ_MAX );
  if( !read_counts( x, 1 ) ) RET( DMG_DM_LIMIT );
  dmg_ov_scan_t scan;
  LOCAL( dmg_ov_scan_open( x->ov, &code->items[ abi-code->abi->items ], dmg_span( full_prefix, prefix_sz ), dmg_span( full_after, after_sz ), &scan ) );
  int32_t res  = 0;
  int     stop = scan_run( f, &scan, mem.base+(uint32_t)a[ 5 ], out_n, max, &res );
  dmg_ov_scan_close( &scan );
  if( stop ) return stop;
  RET( res );
}

static int
host_ctr_get( void * frame, dmg_vm_mem_t mem, uint64_t const * a, uint64_t * out_ret ) {
  FRAME;
  CHARGE( DMG_GAS_CTR_GET );
  NEED( a[ 1 ], a[ 2 ] );
  NEED( a[ 3 ], 8 );
  PLACE( true );
  if( !read_counts( x, 1 ) ) RET( DMG_DM_LIMIT );
  ENTRY;
  e->seen |= DMG_OV_SUM;
  dmg_store_u64le( mem.base+(uint32_t)a[ 3 ], e->cur.ctr );
  RET( 8 );
}

static int
host_ctr_add( void * frame, dmg_vm_mem_t mem, uint64_t const * a, uint64_t * out_ret ) {
  FRAME;
  CHARGE( DMG_GAS_CTR_ADD );
  NEED( a[ 1 ], a[ 2 ] );
  if( f->is_read_only ) return DMG_HOST_READ_ONLY;
  PLACE( true );
  int64_t  delta = (int64_t)a[ 3 ];
  uint64_t max   = a[ 4 ];
  if( max>DMG_AMOUNT_MAX ) return DMG_HOST_PARAM;
  if( !write_counts( x, 1, p.sz+8 ) ) RET( DMG_DM_LIMIT );
  ENTRY;
  dmg_i128_t sum = (dmg_i128_t)e->cur.ctr+delta;
  if( sum<0 || sum>max ) {
    e->seen |= DMG_OV_SUM;   /* R4.6: a refused add has seen the sum */
    RET( DMG_DM_BOUND );
  }
  dmg_ov_note_bound( e, delta );
  LOCAL( dmg_ov_set_ctr( x->ov, e, (uint64_t)sum ) );
  RET( 0 );
}

/* ---- Events, calls ---- */

static int
host_emit( void * frame, dmg_vm_mem_t mem, uint64_t const * a, uint64_t * out_ret ) {
  FRAME;
  CHARGE( DMG_GAS_EMIT );
  NEED( a[ 1 ], a[ 2 ] );
  if( f->is_read_only ) return DMG_HOST_READ_ONLY;
  dmg_mod_t const *       mod = f->spec.mod;
  dmg_abi_event_t const * abi = (uint32_t)a[ 0 ]<=UINT16_MAX ? dmg_abi_event( mod->code->abi, (uint16_t)a[ 0 ] ) : NULL;
  if( !abi ) return DMG_HOST_EVENT;
  dmg_span_t data = mem_span( mem, a[ 1 ], a[ 2 ] );
  if( data.sz>DMG_EVENT_DATA_MAX ) return DMG_HOST_EVENT;
  MORE( DMG_GAS_EMIT_B*data.sz );
  if( dmg_type_validate( abi->fields, data, NULL )!=DMG_BCS_GOOD ) return DMG_HOST_EVENT;
  dmg_exec_event_t event = { .ev = { .module = mod->id, .event = abi->id, .data = data }, .actor = f->spec.actor };
  dmg_event_topics( mod, abi, &event );
  MORE( (uint64_t)DMG_GAS_TOPIC*event.topic_cnt );
  if( x->tx.event_cnt==DMG_RECEIPT_EVENT_MAX-( x->tx.is_account_new ? 1u : 0u ) ) RET( DMG_DM_LIMIT );   /* room for the native one */
  if( !x->tx.is_unlimited && x->tx.event_sz+data.sz>DMG_EXEC_EVENT_SZ_MAX ) RET( DMG_DM_LIMIT );
  if( !write_counts( x, event.topic_cnt, 0 ) ) RET( DMG_DM_LIMIT );   /* R4.15: an append counts as a write */
  event.ev.data = dmg_arena_dup( x->tx_arena, data );
  if( !event.ev.data.p ) LOCAL( DMG_ERR_NOMEM );
  x->tx.events[ x->tx.event_cnt++ ] = event;
  x->tx.event_sz += (uint32_t)data.sz;
  RET( 0 );
}

/* Does the caller's interface name this function of the callee (R3.1)? */
static bool
may_use( dmg_abi_t const * own, dmg_abi_t const * callee, dmg_abi_fn_t const * fn, bool is_query ) {
  for( uint32_t i=0; i<own->use_cnt; i++ ) {
    dmg_abi_use_t const * use = &own->uses[ i ];
    if( !dmg_span_eq( use->name, callee->name ) ) continue;
    dmg_span_t const * names = is_query ? use->queries : use->calls;
    uint32_t           cnt   = is_query ? use->query_cnt : use->call_cnt;
    for( uint32_t k=0; k<cnt; k++ ) if( dmg_span_eq( names[ k ], fn->name ) ) return true;
  }
  return false;
}

/* module, fn, flags, seed, args_p, args_n, out_p, out_n */
static int
nested( dmg_frame_t * f, dmg_vm_mem_t mem, uint64_t const * a, bool is_query, uint64_t * out_ret ) {
  dmg_exec_t * x = f->x;
  CHARGE( DMG_GAS_CALL );
  NEED( a[ 4 ], a[ 5 ] );
  NEED( a[ 6 ], a[ 7 ] );
  if( f->is_read_only && !is_query ) return DMG_HOST_READ_ONLY;
  if( (uint32_t)a[ 0 ]>UINT16_MAX || (uint32_t)a[ 1 ]>UINT16_MAX || (uint32_t)a[ 2 ]>1 ) return DMG_HOST_PARAM;
  f->callee_fault = (dmg_span_t){ 0 };

  dmg_mod_t const * self = f->spec.mod;
  dmg_mod_t const * mod  = dmg_reg_find( x->set, (uint16_t)a[ 0 ] );
  if( !mod ) RET( DMG_DM_NO_MODULE );
  dmg_abi_t const *    abi = mod->code->abi;
  dmg_abi_fn_t const * fn  = is_query ? dmg_abi_query( abi, (uint16_t)a[ 1 ] ) : dmg_abi_call( abi, (uint16_t)a[ 1 ] );
  if( !fn || !may_use( self->code->abi, abi, fn, is_query ) ) return DMG_HOST_USE;
  if( mod->status==DMG_MODULE_PAUSED && !is_query && !( fn->flags&DMG_FN_SAFETY ) ) RET( DMG_DM_PAUSED );
  if( mod->status==DMG_MODULE_MIGRATING ) RET( DMG_DM_MIGRATING );
  if( f->depth==DMG_EXEC_DEPTH_MAX ) RET( DMG_DM_DEPTH );

  dmg_frame_spec_t spec = { .mod = mod, .kind = is_query ? 1 : 0, .fn = fn, .caller = self->id };
  if( (uint32_t)a[ 2 ]==0 ) {             /* AS_ACTOR: with the role this frame has */
    spec.actor = f->spec.actor;
    spec.role  = f->spec.role;
  } else {                                /* AS_SELF: the own sub-account */
    spec.actor = dmg_module_address( self->id, a[ 3 ] );
    spec.role  = DMG_ROLE_MODULE;
    if( !is_query && !dmg_own_add( x, &spec.actor, self->id ) ) RET( DMG_DM_LIMIT );
  }
  if( !is_query && !dmg_abi_allows( fn, spec.role ) ) RET( DMG_DM_ROLE );
  if( dmg_vm_is_busy( dmg_reg_inst( x->w, mod->code, is_query ) ) ) RET( DMG_DM_REENTRANT );

  spec.args = mem_span( mem, a[ 4 ], a[ 5 ] );
  if( dmg_type_validate( fn->args, spec.args, NULL )!=DMG_BCS_GOOD ) return DMG_HOST_ARGS;

  int64_t  before        = dmg_vm_ticks( f->inst );
  int32_t  stack_before  = x->tx.stack;
  size_t   mark          = dmg_ov_mark( x->ov );
  uint32_t event_mark    = x->tx.event_cnt, event_sz_mark = x->tx.event_sz;
  x->tx.ticks = before;
  x->tx.stack = dmg_vm_slots( f->inst );
  dmg_frame_res_t res;
  LOCAL( dmg_frame_run( x, f, &spec, &res ) );
  int64_t used = before-x->tx.ticks;
  x->tx.stack  = stack_before;
  if( res.end==DMG_FRAME_FAIL ) {
    /* The callee's end is the transaction's; what it used is charged so that ticks left are right. */
    (void)!dmg_vm_charge( f->inst, used>before ? before : used );
    return STOP_NESTED;
  }
  if( !dmg_vm_charge( f->inst, used ) ) return STOP_GAS;
  if( res.end==DMG_FRAME_FAULT ) {
    f->callee_fault = res.out;
    RET( DMG_DM_FAULT-(int64_t)res.fault );
  }
  if( res.out.sz>(uint32_t)a[ 7 ] ) {
    /* A result that the caller cannot take did not happen. */
    dmg_ov_rollback( x->ov, mark );
    x->tx.event_cnt = event_mark;
    x->tx.event_sz  = event_sz_mark;
    RET( DMG_DM_SMALL_BUFFER );
  }
  if( res.out.sz ) memcpy( mem.base+(uint32_t)a[ 6 ], res.out.p, res.out.sz );
  RET( (int64_t)res.out.sz );
}

static int
host_call( void * frame, dmg_vm_mem_t mem, uint64_t const * a, uint64_t * out_ret ) {
  return nested( frame, mem, a, false, out_ret );
}

static int
host_query( void * frame, dmg_vm_mem_t mem, uint64_t const * a, uint64_t * out_ret ) {
  return nested( frame, mem, a, true, out_ret );
}

static int
host_fault( void * frame, dmg_vm_mem_t mem, uint64_t const * a, uint64_t * out_ret ) {
  FRAME;
  CHARGE( DMG_GAS_FAULT );
  NEED( a[ 0 ], a[ 1 ] );
  MORE( DMG_GAS_FAULT_B*(uint64_t)(uint32_t)a[ 1 ] );
  if( (uint32_t)a[ 1 ]>DMG_RESULT_SZ_MAX ) return DMG_HOST_RESULT;   /* it may become the receipt's result */
  f->fault = dmg_arena_dup( x->tx_arena, mem_span( mem, a[ 0 ], a[ 1 ] ) );
  if( !f->fault.p ) LOCAL( DMG_ERR_NOMEM );
  RET( 0 );
}

static int
host_callee_fault( void * frame, dmg_vm_mem_t mem, uint64_t const * a, uint64_t * out_ret ) {
  FRAME;
  CHARGE( DMG_GAS_FAULT );
  NEED( a[ 0 ], a[ 1 ] );
  size_t n = dmg_min_u64( (uint32_t)a[ 1 ], f->callee_fault.sz );
  MORE( DMG_GAS_FAULT_B*n );
  if( n ) memcpy( mem.base+(uint32_t)a[ 0 ], f->callee_fault.p, n );
  RET( (int64_t)f->callee_fault.sz );
}

static int
host_log( void * frame, dmg_vm_mem_t mem, uint64_t const * a, uint64_t * out_ret ) {
  FRAME;
  CHARGE( DMG_GAS_FAULT );
  NEED( a[ 0 ], a[ 1 ] );
  MORE( DMG_GAS_FAULT_B*(uint64_t)(uint32_t)a[ 1 ] );
  dmg_span_t text = mem_span( mem, a[ 0 ], a[ 1 ] );
  if( x->rt->cfg.is_dev && dmg_utf8_is_valid( text ) )
    DMG_LOG_INFO( "module_log", "module=%u text=%.*s", f->spec.mod->id, (int)dmg_min_u64( text.sz, 1024 ), (char const *)text.p );
  RET( 0 );
}

/* ---- Who, randomness, cryptography ---- */

static int
host_auth( void * frame, dmg_vm_mem_t mem, uint64_t const * a, uint64_t * out_ret ) {
  FRAME;
  CHARGE( DMG_GAS_AUTH );
  NEED( a[ 0 ], 32 );
  uint32_t role = (uint32_t)a[ 1 ];
  if( role>=DMG_ROLE_CNT ) return DMG_HOST_PARAM;
  /* Owner is stronger than use; nobody else signs yet. */
  bool signed_so = x->tx.tx && role<=DMG_ROLE_USE && x->tx.role<=DMG_ROLE_USE && (uint32_t)x->tx.role<=role
                && !memcmp( mem.base+(uint32_t)a[ 0 ], x->tx.sender.b, 32 );
  RET( signed_so ? 1 : 0 );
}

static int
host_sub_account( void * frame, dmg_vm_mem_t mem, uint64_t const * a, uint64_t * out_ret ) {
  FRAME;
  CHARGE( DMG_GAS_AUTH );
  NEED( a[ 1 ], 32 );
  dmg_hash_t account = dmg_module_address( f->spec.mod->id, a[ 0 ] );
  /* R4.10: a frame of M covers what leaves M's accounts; this is how the host learns which those are. */
  if( !f->is_read_only && !dmg_own_add( x, &account, f->spec.mod->id ) ) RET( DMG_DM_LIMIT );
  memcpy( mem.base+(uint32_t)a[ 1 ], account.b, 32 );
  RET( 32 );
}

static int
host_beacon( void * frame, dmg_vm_mem_t mem, uint64_t const * a, uint64_t * out_ret ) {
  FRAME;
  CHARGE( DMG_GAS_BEACON );
  NEED( a[ 1 ], 32 );
  uint64_t h = a[ 0 ];
  if( h>=x->ctx->height || x->ctx->height-h>DMG_BEACON_RING ) RET( DMG_DM_ABSENT );
  if( !read_counts( x, 1 ) ) RET( DMG_DM_LIMIT );
  uint8_t key[ DMG_KEY_MAX ];
  dmg_ov_entry_t * e;
  LOCAL( dmg_nat_entry( x, DMG_ITEM_BEACON, key, dmg_key_beacon( h, key ), &e ) );
  if( !e->cur.is_present ) RET( DMG_DM_ABSENT );
  dmg_hash_t hash;
  LOCAL( dmg_item_hash_get( e->cur.body, &hash ) );
  memcpy( mem.base+(uint32_t)a[ 1 ], hash.b, 32 );
  RET( 32 );
}

static uint64_t
verify_gas( uint32_t alg ) {
  static uint32_t const gas[] = { 60000, 50000, 110000, 115000, 1100000 };
  return alg<DMG_SIG_SCHEME_CNT ? gas[ alg ] : 0;
}

/* alg, key_p, key_n, msg_p, msg_n, sig_p, sig_n.  A WebAuthn signature is BCS { auth_data bytes<256>,
   client_data bytes<1024>, sig[64] }; what does not decode does not hold. */
static int
host_verify( void * frame, dmg_vm_mem_t mem, uint64_t const * a, uint64_t * out_ret ) {
  FRAME;
  uint32_t alg = (uint32_t)a[ 0 ];
  CHARGE( verify_gas( alg ) );
  if( alg>=DMG_SIG_SCHEME_CNT ) return DMG_HOST_PARAM;
  NEED( a[ 1 ], a[ 2 ] );
  NEED( a[ 3 ], a[ 4 ] );
  NEED( a[ 5 ], a[ 6 ] );
  MORE( DMG_GAS_VERIFY_B*( (uint64_t)(uint32_t)a[ 2 ]+(uint32_t)a[ 4 ]+(uint32_t)a[ 6 ] ) );
  dmg_sig_t sig = { .sig = mem_span( mem, a[ 5 ], a[ 6 ] ) };
  if( alg==DMG_SIG_WEBAUTHN ) {
    dmg_bcs_rd_t rd = dmg_bcs_rd( sig.sig );
    sig.auth_data   = dmg_bcs_rd_bytes( &rd, DMG_SIG_AUTH_DATA_MAX );
    sig.client_data = dmg_bcs_rd_bytes( &rd, DMG_SIG_CLIENT_DATA_MAX );
    sig.sig         = dmg_bcs_rd_fixed( &rd, 64 );
    if( dmg_bcs_rd_end( &rd )!=DMG_BCS_GOOD ) RET( 0 );
  }
  RET( dmg_sig_verify( (dmg_sig_scheme_t)alg, mem_span( mem, a[ 1 ], a[ 2 ] ), mem_span( mem, a[ 3 ], a[ 4 ] ), &sig ) ? 1 : 0 );
}

static int
hash_with( dmg_frame_t * f, dmg_vm_mem_t mem, uint64_t const * a, uint64_t base, uint64_t per_byte, dmg_hash_t (*fn)( dmg_span_t ), uint64_t * out_ret ) {
  CHARGE( base );
  NEED( a[ 0 ], a[ 1 ] );
  NEED( a[ 2 ], 32 );
  MORE( per_byte*(uint32_t)a[ 1 ] );
  dmg_hash_t h = fn( mem_span( mem, a[ 0 ], a[ 1 ] ) );
  memcpy( mem.base+(uint32_t)a[ 2 ], h.b, 32 );
  RET( 32 );
}

static int
host_sha256( void * frame, dmg_vm_mem_t mem, uint64_t const * a, uint64_t * out_ret ) {
  return hash_with( frame, mem, a, DMG_GAS_SHA256, DMG_GAS_SHA256_B, dmg_sha256, out_ret );
}

static int
host_keccak256( void * frame, dmg_vm_mem_t mem, uint64_t const * a, uint64_t * out_ret ) {
  return hash_with( frame, mem, a, DMG_GAS_KECCAK, DMG_GAS_KECCAK_B, dmg_keccak256, out_ret );
}

static int
host_blake2b( void * frame, dmg_vm_mem_t mem, uint64_t const * a, uint64_t * out_ret ) {
  return hash_with( frame, mem, a, DMG_GAS_BLAKE2B, DMG_GAS_BLAKE2B_B, dmg_blake2b256, out_ret );
}

dmg_vm_host_fn const dmg_host_table[ DMG_DM1_CNT ] = {
  [ DMG_DM1_GET ] = host_get, [ DMG_DM1_PUT ] = host_put, [ DMG_DM1_DEL ] = host_del, [ DMG_DM1_SCAN ] = host_scan,
  [ DMG_DM1_CTR_GET ] = host_ctr_get, [ DMG_DM1_CTR_ADD ] = host_ctr_add, [ DMG_DM1_EMIT ] = host_emit, [ DMG_DM1_CALL ] = host_call,
  [ DMG_DM1_QUERY ] = host_query, [ DMG_DM1_FAULT ] = host_fault, [ DMG_DM1_CALLEE_FAULT ] = host_callee_fault, [ DMG_DM1_LOG ] = host_log,
  [ DMG_DM1_AUTH ] = host_auth, [ DMG_DM1_SUB_ACCOUNT ] = host_sub_account, [ DMG_DM1_VERIFY ] = host_verify, [ DMG_DM1_SHA256 ] = host_sha256,
  [ DMG_DM1_KECCAK256 ] = host_keccak256, [ DMG_DM1_BLAKE2B ] = host_blake2b, [ DMG_DM1_BEACON ] = host_beacon
};
