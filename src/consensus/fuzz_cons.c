/* A core that believes every signature, under frames, links, ticks and answers that the input chooses: any history of certificates can be reached, also
   those that need a Byzantine majority.  No assertion may fail, no bound be passed.

     input: { op u8, sz u8 x 8 | time, bytes }*   op: kind of event and peer */
#include "consensus/cons.h"
#include "base/assert.h"

static bool yes_key( uint8_t const b[ DMG_BLS_KEY_SZ ], dmg_bls_key_t * out ) { memset( out, 0, sizeof *out ); memcpy( out, b, 96 ); return true; }
static bool yes_key_sum( dmg_bls_key_t const * const * k, size_t n, dmg_bls_key_t * out ) { *out = *k[ 0 ]; return n>0; }
static bool yes_sig( uint8_t const b[ DMG_BLS_SIG_SZ ], dmg_bls_sig_t * out ) { memset( out, 0, sizeof *out ); memcpy( out, b, 48 ); return b[ 0 ]!=0xff; }
static bool yes_raw( uint8_t const b[ DMG_BLS_SIG_RAW_SZ ], dmg_bls_sig_t * out ) { return yes_sig( b, out ); }
static void put_sig( dmg_bls_sig_t const * s, uint8_t out[ DMG_BLS_SIG_SZ ] ) { memcpy( out, s, 48 ); }
static bool yes_sum( dmg_bls_sig_t const * const * s, size_t n, dmg_bls_sig_t * out ) { *out = *s[ 0 ]; return n>0; }
/* A first byte of 0xfe does not verify. */
static bool is_true( dmg_bls_sig_t const * s ) { uint8_t b; memcpy( &b, s, 1 ); return b!=0xfe; }
static bool yes_same( dmg_bls_key_t const * const * k, size_t n, dmg_bls_use_t use, dmg_span_t msg, dmg_bls_sig_t const * s ) { return is_true( s ); }
static bool yes_distinct( dmg_bls_item_t const * i, size_t n, dmg_bls_use_t use, dmg_bls_sig_t const * s ) { return is_true( s ); }

static dmg_cons_crypto_t const yes = { yes_key, yes_key_sum, yes_sig, yes_raw, yes_raw, put_sig, yes_sum, yes_same, yes_distinct };

static dmg_cons_out_t out;
static dmg_cons_event_t todo[ 64 ];
static uint32_t todo_cnt;

static void step( dmg_cons_t * c, dmg_cons_event_t * ev, uint64_t now, uint8_t mood ) {
  ev->now_us = now; ev->wall_ms = 1000+now/1000;
  dmg_cons_step( c, ev, &out );
  DMG_ASSERT( out.cnt<=DMG_CONS_ACTION_MAX );
  for( uint32_t i = 0; i<out.cnt; i++ ) {
    dmg_cons_action_t const * a = &out.actions[ i ];
    if( a->kind==DMG_CONS_SEND ) DMG_ASSERT( a->send.frame.sz>=1 && a->send.frame.sz<=DMG_FRAME_SZ_MAX );
    if( todo_cnt==64 ) continue;
    dmg_cons_event_t * t = &todo[ todo_cnt ];
    memset( t, 0, sizeof *t );
    if( a->kind==DMG_CONS_SAVE )       { t->kind = DMG_CONS_SAVED; t->saved = a->save.seq; todo_cnt++; }
    else if( a->kind==DMG_CONS_SIGN )  { t->kind = DMG_CONS_SIGNED; t->sig.id = a->sign.id; t->sig.is_refused = mood==7; todo_cnt++; }
    else if( a->kind==DMG_CONS_BUILD ) { t->kind = DMG_CONS_BUILT; t->built.id = a->build.id; t->built.is_ok = mood!=6; t->built.body_len = 3; todo_cnt++; }
    else if( a->kind==DMG_CONS_CHECK ) { t->kind = DMG_CONS_VERDICT; t->verdict.view = a->check.header.view; t->verdict.hash = a->check.hash; t->verdict.verdict = mood%5==4 ? DMG_CONS_INVALID : mood%5==3 ? DMG_CONS_WAIT : DMG_CONS_VALID;
                                         t->verdict.has_root = mood%5<3; todo_cnt++; }
  }
}

int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz );
int LLVMFuzzerTestOneInput( uint8_t const * data, size_t sz ) {
  static dmg_arena_t * arena;
  if( !arena ) arena = dmg_arena_new( (size_t)32<<20 );
  dmg_arena_reset( arena );
  static dmg_set_t set;
  set.cnt = 4;
  for( uint32_t i = 0; i<4; i++ ) { memset( set.members[ i ].key, (int)i+1, DMG_BLS_KEY_SZ ); set.members[ i ].weight = 1; }
  dmg_cons_cfg_t cfg = { .crypto = &yes, .set = &set, .runs_max = 8, .n_max = 8, .is_wait_off = true,
    .record = { .version = 1, .first_height = 1, .last_height = 3, .weight = 4, .n = 4, .pace_ms = 250, .window = 4, .delta_ms = 200, .cap_ms = 30000, .empty_lag = 16, .body_max = 1u<<20, .body_soft = 1u<<17, .skew_ms = 500 } };
  cfg.record.set_hash = dmg_set_hash( &set );
  memcpy( cfg.key, set.members[ 0 ].key, sizeof cfg.key );
  dmg_cons_t * c = dmg_cons_new( arena, &cfg, NULL );
  DMG_ASSERT( c );
  uint64_t now = 1;
  todo_cnt = 0;
  for( uint16_t p = 1; p<4; p++ ) { dmg_cons_event_t ev = { .kind = DMG_CONS_LINK, .link = { .peer = p, .is_up = true, .key = set.members[ p ].key } }; step( c, &ev, now, 0 ); }
  for( unsigned n = 0; sz>=2 && n<256; n++ ) {
    uint8_t op = data[ 0 ], arg = data[ 1 ];
    data += 2; sz -= 2;
    dmg_cons_event_t ev = { .kind = DMG_CONS_TICK };
    if( op%8==0 ) now += (uint64_t)arg*20000;
    else if( op%8==1 && todo_cnt ) { uint32_t i = arg%todo_cnt; ev = todo[ i ]; todo[ i ] = todo[ --todo_cnt ]; }
    else if( op%8==2 ) ev = (dmg_cons_event_t){ .kind = DMG_CONS_LINK, .link = { .peer = arg%4, .is_up = arg&4, .key = set.members[ arg%4 ].key } };
    else if( op%8==3 ) {
      static dmg_record_t next;
      next = cfg.record;
      next.epoch = 1+( arg&1 ); next.first_height = 4; next.last_height = 6;
      ev = (dmg_cons_event_t){ .kind = DMG_CONS_EPOCH, .epoch = { .record = &next, .set = &set } };
    } else {
      size_t take = (size_t)arg*8<sz ? (size_t)arg*8 : sz;
      ev = (dmg_cons_event_t){ .kind = op%8==4 ? DMG_CONS_GOT : DMG_CONS_MSG };
      if( op%8==4 ) ev.got.proposal = dmg_span( data, take );
      else          { ev.msg.peer = 1+op/8%3; ev.msg.frame = dmg_span( data, take ); }
      step( c, &ev, now, op/8 );
      data += take; sz -= take;
      continue;
    }
    step( c, &ev, now, op/8 );
  }
  dmg_cons_info_t info;
  dmg_cons_info( c, &info );
  DMG_ASSERT( info.cur>info.final_view && info.run_cnt<=8 );
  (void)dmg_cons_digest( c );
  return 0;
}
