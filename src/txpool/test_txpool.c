/* txpool: each refusal, each bound and its moment, replacement, gaps, expiry, blocks, retraction; then random use against invariants. */
#include "base/test_rnd.h"
#include "txpool/txpool_int.h"
#include "codec/abi.h"
#include "types/receipt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

/* --- a state of 40 accounts ---------------------------------------------------------------------------- */

#define ACCOUNTS 40
#define PRICE    1700000ull
#define RICH     ( 1000*DMG_SPARKS_PER_CGT )

static uint8_t            secret[ ACCOUNTS ][ 32 ], key[ ACCOUNTS ][ 32 ];
static dmg_account_init_t inits[ ACCOUNTS ];
static dmg_hash_t         addr[ ACCOUNTS ], chain;
static struct { bool is_known, is_module; uint64_t lane[ 4 ], spendable; uint16_t t_use, t_owner; uint8_t level; uint64_t active_from_ms; } acct[ ACCOUNTS ];
static dmg_hash_t         seen[ 64 ];
static unsigned           seen_cnt, state_calls;
static dmg_err_t          state_err;

static int who( dmg_hash_t const * a ) {
  for( int i = 0; i<ACCOUNTS; i++ ) if( dmg_hash_eq( a, &addr[ i ] ) ) return i;
  return -1;
}

static dmg_err_t st_account( void * ctx, dmg_hash_t const * a, dmg_txpool_account_t * out ) {
  state_calls++;
  if( state_err ) return state_err;
  int i = who( a );
  if( i<0 || !acct[ i ].is_known ) return DMG_ERR_NOT_FOUND;
  memset( out, 0, sizeof *out );
  *out = (dmg_txpool_account_t){ .is_user = !acct[ i ].is_module, .t_use = acct[ i ].t_use, .t_owner = acct[ i ].t_owner, .auth_cnt = 1 };
  out->auths[ 0 ] = (dmg_txpool_auth_t){ .scheme = DMG_SIG_ED25519, .level = acct[ i ].level, .weight = 1, .key_sz = 32, .active_from_ms = acct[ i ].active_from_ms };
  memcpy( out->auths[ 0 ].key, key[ i ], 32 );
  return DMG_OK;
}
/* Lanes of the tests: 0, 1, 2, and 1023 in place 3. */
static dmg_err_t st_lane( void * ctx, dmg_hash_t const * a, uint16_t lane, uint64_t * out ) { int i = who( a ); *out = i<0 ? 0 : acct[ i ].lane[ lane==1023 ? 3 : lane%3 ]; return state_err; }
static dmg_err_t st_seen( void * ctx, uint64_t expiry, dmg_hash_t const * id, bool * out ) {
  *out = false;
  for( unsigned i = 0; i<seen_cnt; i++ ) *out |= dmg_hash_eq( &seen[ i ], id );
  return state_err;
}
static dmg_err_t st_spendable( void * ctx, dmg_hash_t const * a, uint64_t * out ) { int i = who( a ); *out = i<0 ? 0 : acct[ i ].spendable; return state_err; }
static dmg_err_t st_call( void * ctx, dmg_tx_call_t const * c, dmg_txpool_call_t * out ) {
  *out = (dmg_txpool_call_t){ .gas_line = 45000, .auth = 1u<<DMG_ROLE_OWNER|1u<<DMG_ROLE_USE };
  if( c->module==9 ) out->reason = DMG_TXPOOL_MODULE;
  if( c->call==99 )  { out->reason = DMG_TXPOOL_SCHEMA; out->want_schema.b[ 0 ] = 7; }
  if( c->call==98 )  out->reason = DMG_TXPOOL_ARGS;
  if( c->call==2 )   out->auth = 1u<<DMG_ROLE_OWNER;
  if( c->call==3 )   out->auth = 1u<<DMG_ROLE_MODULE;
  return state_err;
}
static dmg_txpool_state_t const state = { .account = st_account, .lane = st_lane, .seen = st_seen, .spendable = st_spendable, .check_call = st_call };

static int state_new( void ** unused ) {
  memset( acct, 0, sizeof acct );
  seen_cnt  = 0;
  state_err = DMG_OK;
  chain.b[ 0 ] = 0xc;
  for( int i = 0; i<ACCOUNTS; i++ ) {
    if( dmg_hash_is_zero( &addr[ i ] ) ) {
      secret[ i ][ 0 ] = (uint8_t)( i+1 );
      dmg_ed25519_public( secret[ i ], key[ i ] );
      inits[ i ] = dmg_account_init_plain( DMG_SIG_ED25519, dmg_span( key[ i ], 32 ) );
      addr[ i ]  = dmg_address_of( &inits[ i ] );
    }
    acct[ i ].is_known = true; acct[ i ].spendable = RICH; acct[ i ].t_use = acct[ i ].t_owner = 1; acct[ i ].level = DMG_LEVEL_OWNER;
  }
  return 0;
}

/* --- transactions -------------------------------------------------------------------------------------- */

typedef struct { dmg_tx_t tx; dmg_tx_call_t calls[ 2 ]; dmg_tx_sig_t sigs[ 2 ]; uint8_t sig[ 64 ]; uint8_t args[ 60000 ]; } made_t;

static made_t * made( int from, uint16_t lane, uint64_t nonce ) {
  static made_t m;
  memset( &m, 0, offsetof( made_t, args ) );
  m.tx = (dmg_tx_t){ .version = 1, .chain = chain, .sender = addr[ from ], .lane = lane, .nonce = nonce, .expiry = 1400, .gas = 60000, .fee_kind = DMG_FEE_ENERGY_THEN_FEE,
                     .fee_max = 1000000, .calls = m.calls, .call_cnt = 1, .sigs = m.sigs, .sig_cnt = 1 };
  m.calls[ 0 ] = (dmg_tx_call_t){ .module = 2, .call = 1, .args = dmg_span( m.args, 40 ) };
  m.sigs[ 0 ]  = (dmg_tx_sig_t){ .scheme = DMG_SIG_ED25519, .key = dmg_span( key[ from ], 32 ), .sig = DMG_SPAN( m.sig ) };
  return &m;
}

/* The bytes live until the next call. */
static dmg_span_t bytes( made_t const * m ) {
  static dmg_buf_t buf = { .max = DMG_TX_SZ_MAX };
  dmg_buf_clear( &buf );
  assert_int_equal( dmg_tx_encode( &m->tx, &buf ), DMG_OK );
  return dmg_buf_span( &buf );
}

/* --- the pool under test -------------------------------------------------------------------------------- */

static dmg_txpool_t *    pool;
static dmg_txpool_head_t head;
static unsigned          told[ 8 ];
static uint64_t          now = 1000;

static void watch( void * ctx, dmg_hash_t const * id, dmg_txpool_status_t const * s ) { told[ s->kind ]++; }

static void pool_new( uint32_t cnt_max, uint32_t sender_cnt_max ) {
  dmg_txpool_cfg_t cfg = dmg_txpool_cfg_default( &chain );
  cfg.cnt_max = cnt_max; cfg.sender_cnt_max = sender_cnt_max; cfg.status_max = 4*cnt_max+16; cfg.watch = watch;
  pool = dmg_txpool_new( &cfg );
  assert_non_null( pool );
  memset( told, 0, sizeof told );
  head = (dmg_txpool_head_t){ .height = 1000, .time_ms = 5000, .price = PRICE };
  dmg_params_default( &head.params );
  assert_int_equal( dmg_txpool_set_head( pool, &state, &head, now ), DMG_OK );
}

/* Everything the pool counts, counted anew. */
static void pool_check( void ) {
  uint32_t cnt = 0, queued = 0, senders = 0, in_wheel = 0, live = 0;
  size_t   sz  = 0;
  sender_t * s = pool->ring;
  if( s ) do {
    uint32_t s_cnt = 0;
    size_t   s_sz  = 0;
    uint64_t s_res = 0;
    assert_ptr_equal( dmg_txpool_sender_find( pool, &s->address ), s );
    assert_non_null( s->lanes );
    for( lane_t * l = s->lanes; l; l = l->next ) {
      assert_ptr_equal( dmg_txpool_lane_find( pool, s, l->no ), l );
      assert_non_null( l->first );
      uint64_t next = l->head;
      entry_t * before = NULL;
      for( entry_t * e = l->first; e; before = e, e = e->lane_next ) {
        assert_true( e->is_in && e->lane==l && e->sender==s && e->lane_prev==before && e->tx.lane==l->no );
        bool is_queued = l->no!=DMG_TX_LANE_UNORDERED && e->tx.nonce!=next;
        if( l->no!=DMG_TX_LANE_UNORDERED ) assert_true( e->tx.nonce>=l->head && ( !before || before->tx.nonce<e->tx.nonce ) );
        if( !is_queued ) next++;
        assert_int_equal( e->is_queued, is_queued );
        record_t const * r = &pool->records[ e->record ];
        assert_true( r->entry==e && dmg_hash_eq( &r->id, &e->tx.id ) && !r->is_aged );
        assert_int_equal( r->kind, is_queued ? DMG_TXPOOL_QUEUED : DMG_TXPOOL_POOLED );
        assert_true( e->tx.expiry>pool->head.height );
        assert_true( e->live<pool->cnt && pool->live[ e->live ].entry==e && dmg_hash_eq( &pool->live[ e->live ].leaf, &e->leaf ) );
        s_cnt++; s_sz += e->mem_sz; s_res += e->reserve; queued += is_queued;
      }
      assert_ptr_equal( l->last, before );
      sz += sizeof *l;
    }
    assert_true( s_cnt==s->cnt && s_sz==s->bytes && s_res==s->reserve && s->cnt<=pool->cfg.sender_cnt_max );
    cnt += s_cnt; sz += s_sz+sizeof *s; senders++;
    s = s->ring_next;
  } while( s!=pool->ring );
  assert_true( cnt==pool->cnt && cnt<=pool->cfg.cnt_max && queued==pool->stats.queued_cnt && senders==pool->stats.sender_cnt && sz==pool->stats.bytes && sz<=pool->cfg.bytes_max );
  for( unsigned i = 0; i<WHEEL_SZ; i++ ) for( entry_t * e = pool->wheel[ i ]; e; e = e->expiry_next ) in_wheel++;
  assert_int_equal( in_wheel, cnt );
  uint32_t in_queue = 0, most = 0, counted = 0;
  for( entry_t * e = pool->queued_first; e; e = e->queued_next ) in_queue++;
  assert_int_equal( in_queue, queued );
  for( uint32_t n = 0; n<=pool->cfg.sender_cnt_max && n<=pool->cfg.cnt_max; n++ ) for( sender_t * x = pool->by_cnt[ n ]; x; x = x->cnt_next ) { assert_int_equal( x->cnt, n ); most = n; counted++; }
  assert_true( most==pool->by_cnt_hi && counted==senders );
  for( uint32_t i = 0; i<pool->record_used; i++ ) if( pool->records[ i ].entry ) live++;
  assert_int_equal( live, cnt );
}

static void pool_end( void ) {
  pool_check();
  dmg_txpool_free( pool );
  pool = NULL;
}

/* The first phase; *t NULL: nothing to finish. */
static dmg_err_t check( dmg_span_t raw, dmg_txpool_ticket_t ** t, dmg_txpool_answer_t * a ) {
  assert_int_equal( dmg_txpool_ticket_new( raw, pool->scratch, t ), DMG_OK );
  dmg_err_t err = dmg_txpool_admit_check( pool, &state, *t, now, a );
  assert_true( ( *t )->is_out==( !err && a->kind==DMG_TXPOOL_ADMIT_VERIFY ) );
  if( ( *t )->is_out ) return err;
  dmg_txpool_ticket_free( pool, *t );
  *t = NULL;
  return err;
}

/* The second. */
static dmg_err_t finish( dmg_txpool_ticket_t * t, bool is_valid, dmg_txpool_answer_t * a ) {
  dmg_err_t err = dmg_txpool_admit_finish( pool, &state, t, is_valid, now, a );
  dmg_txpool_ticket_free( pool, t );
  return err;
}

/* Through both phases, the signatures taken as good. */
static dmg_txpool_answer_t put( made_t const * m ) {
  dmg_txpool_answer_t a;
  dmg_txpool_ticket_t * t;
  assert_int_equal( check( bytes( m ), &t, &a ), DMG_OK );
  if( t ) assert_int_equal( finish( t, true, &a ), DMG_OK );
  return a;
}

static dmg_hash_t put_ok( made_t const * m ) {
  dmg_txpool_answer_t a = put( m );
  if( a.kind!=DMG_TXPOOL_ADMIT_OK ) fail_msg( "%s", dmg_txpool_reason_name( a.why.reason ) );
  return a.id;
}

static void assert_refused( made_t const * m, dmg_txpool_reason_t reason ) {
  dmg_txpool_answer_t a = put( m );
  assert_int_equal( a.kind, DMG_TXPOOL_ADMIT_REJECTED );
  assert_string_equal( dmg_txpool_reason_name( a.why.reason ), dmg_txpool_reason_name( reason ) );
  char text[ DMG_TXPOOL_WHY_TEXT_MAX ];
  dmg_txpool_why_print( &a.why, text, sizeof text );
  assert_true( strlen( text )>8 );
  /* R4.1a: a refusal leaves no status. */
  dmg_txpool_status_t s;
  dmg_txpool_status( pool, &a.id, &s );
  assert_int_equal( s.kind, DMG_TXPOOL_UNKNOWN );
}

static dmg_txpool_kind_t kind_of( dmg_hash_t const * id ) { dmg_txpool_status_t s; dmg_txpool_status( pool, id, &s ); return s.kind; }
static dmg_txpool_reason_t reason_of( dmg_hash_t const * id ) { dmg_txpool_status_t s; dmg_txpool_status( pool, id, &s ); return s.reason; }

/* --- refusals ------------------------------------------------------------------------------------------- */

static void test_admission_refuses_each_step_by_its_reason( void ** unused ) {
  pool_new( 100, 50 );
  dmg_txpool_answer_t a;
  static uint8_t big[ DMG_TX_SZ_MAX+1 ];
  assert_int_equal( dmg_txpool_admit( pool, &state, DMG_SPAN( big ), now, &a ), DMG_OK );
  assert_int_equal( a.why.reason, DMG_TXPOOL_SIZE );
  assert_int_equal( dmg_txpool_admit( pool, &state, dmg_span( big, 100 ), now, &a ), DMG_OK );
  assert_int_equal( a.why.reason, DMG_TXPOOL_FORM );
  assert_string_equal( a.why.form.field, "version" );
  made_t * m;
#define R( reason, change ) do { m = made( 1, 0, 0 ); change; assert_refused( m, DMG_TXPOOL_##reason ); } while(0)
  R( CHAIN,    m->tx.chain.b[ 5 ] = 1 );
  R( EXPIRED,  m->tx.expiry = 1000 );
  R( TOO_FAR,  m->tx.expiry = 1000+14401 );
  R( GAS,      m->tx.gas = 7999 );
  R( GAS,      m->tx.gas = 50000001 );
  R( MODULE,   m->calls[ 0 ].module = 9 );
  R( SCHEMA,   m->calls[ 0 ].call = 99 );
  R( ARGS,     m->calls[ 0 ].call = 98 );
  R( SESSION,  m->tx.auth = DMG_TX_AUTH_SESSION );
  R( UNSIGNED, m->tx.auth = DMG_TX_AUTH_UNSIGNED; m->tx.sig_cnt = 0 );
  R( ACCOUNT,  acct[ 1 ].is_known = false );
  R( ACCOUNT,  m->tx.init = &inits[ 2 ] );
  acct[ 1 ].is_known = true;
  R( KEYS,     m->sigs[ 0 ].key = dmg_span( key[ 2 ], 32 ) );
  R( KEYS,     acct[ 1 ].is_module = true );
  acct[ 1 ].is_module = false;
  R( KEYS,     acct[ 1 ].active_from_ms = 5001 );
  acct[ 1 ].active_from_ms = 0;
  R( KEYS,     acct[ 1 ].t_use = acct[ 1 ].t_owner = 2 );
  R( KEYS,     m->tx.sig_cnt = 2; m->sigs[ 1 ] = m->sigs[ 0 ]; m->sigs[ 1 ].key = dmg_span( key[ 2 ], 32 ); acct[ 1 ].t_use = 1 );   /* a key too many */
  R( ROLE,     m->calls[ 0 ].call = 2 );   /* use reached, owner wanted */
  acct[ 1 ].t_owner = 1;
  R( ROLE,     m->calls[ 0 ].call = 2; acct[ 1 ].level = DMG_LEVEL_USE );   /* a use key weighs nothing for the owner threshold */
  acct[ 1 ].level = DMG_LEVEL_OWNER;
  R( ROLE,     m->calls[ 0 ].call = 3 );
  R( LANE,     m->tx.lane = 1024 );
  R( LANE,     m->tx.lane = 65534 );
  R( LANE,     m->tx.lane = DMG_TX_LANE_UNORDERED; m->tx.expiry = 1481 );
  R( NONCE,    acct[ 1 ].lane[ 0 ] = 5; m->tx.nonce = 4 );
  R( NONCE,    m->tx.nonce = 5+65 );
  R( NONCE,    m->tx.nonce = UINT64_MAX; acct[ 1 ].lane[ 0 ] = UINT64_MAX-3 );
  acct[ 1 ].lane[ 0 ] = 0;
  R( SEEN,     m->tx.lane = DMG_TX_LANE_UNORDERED; ( seen[ 0 ] = put( m ).id, seen_cnt = 1, dmg_txpool_free( pool ), pool_new( 100, 50 ) ) );
  R( ENERGY,   m->tx.fee_kind = DMG_FEE_ENERGY_ONLY; m->tx.fee_max = 0 );
  R( FEE,      m->tx.fee_max = 100 );
  R( FEE,      m->tx.tip = 999999 );
  R( BALANCE,  acct[ 1 ].spendable = 1000 );
  acct[ 1 ].spendable = RICH;
  R( SPONSOR,  m->tx.has_sponsor = true; m->tx.gas += 4000 );
  pool->cfg.is_gas_line_checked = true;
  R( GAS_LINE, m->tx.gas = 45000+8000-1 );
#undef R
  m = made( 1, 0, 0 );
  m->tx.gas = 45000+8000;
  put_ok( m );
  dmg_txpool_stats_t st;
  dmg_txpool_stats( pool, &st );
  assert_true( st.rejected==7 && st.admitted==1 && st.ticket_cnt==0 );   /* since the pool was made anew for SEEN */
  pool_end();
}

/* The last good value of each bound above. */
static void test_admission_takes_each_boundary( void ** unused ) {
  pool_new( 100, 90 );
  made_t * m;
#define OK( change ) do { m = made( 1, 0, n++ ); change; put_ok( m ); } while(0)
  uint64_t n = 0;
  OK( m->tx.expiry = 1001 );
  OK( m->tx.expiry = 15400 );
  OK( m->tx.gas = 8000 );
  OK( m->tx.gas = 50000000; m->tx.fee_max = 100*DMG_SPARKS_PER_CGT );
  OK( m->tx.lane = 1023; m->tx.nonce = 64 );
  OK( m->tx.lane = DMG_TX_LANE_UNORDERED; m->tx.nonce = UINT64_MAX; m->tx.expiry = 1480 );
  OK( acct[ 1 ].active_from_ms = 5000 );
  OK( m->tx.init = &inits[ 1 ] );   /* no longer needed, does no harm */
#undef OK
  /* The fee maximum at exactly the reserve. */
  m = made( 2, 0, 0 );
  uint64_t intrinsic = 6000+8*bytes( m ).sz+32000, reserve = dmg_txpool_reserve( intrinsic+60000, PRICE, 7 );
  m->tx.tip     = 7;
  m->tx.fee_max = reserve-1;
  assert_refused( m, DMG_TXPOOL_FEE );
  m->tx.fee_max = reserve;
  acct[ 2 ].spendable = reserve-1;
  assert_refused( m, DMG_TXPOOL_BALANCE );
  acct[ 2 ].spendable = reserve;
  put_ok( m );
  char text[ DMG_TXPOOL_WHY_TEXT_MAX ];
  dmg_txpool_why_print( &(dmg_txpool_why_t){ .reason = DMG_TXPOOL_FEE, .have = 1, .want = 250000000 }, text, sizeof text );
  assert_string_equal( text, "the maximum fee is below the reserve at today's price: 0.00000001 CGT, at least 2.5 CGT is needed" );
  /* And now nothing is left for another one. */
  m = made( 2, 1, 0 );
  assert_refused( m, DMG_TXPOOL_BALANCE );
  pool_end();
}

static void test_signatures_are_judged_last_and_leave_no_trace( void ** unused ) {
  pool_new( 100, 50 );
  made_t * m = made( 3, 0, 0 );
  dmg_txpool_answer_t a;
  /* A copy with a bad signature does not shadow the good one (R4.1a). */
  assert_int_equal( dmg_txpool_admit( pool, &state, bytes( m ), now, &a ), DMG_OK );
  assert_int_equal( a.why.reason, DMG_TXPOOL_SIGNATURE );
  assert_int_equal( kind_of( &a.id ), DMG_TXPOOL_UNKNOWN );
  dmg_buf_t body = dmg_buf( DMG_TX_SZ_MAX );
  assert_int_equal( dmg_tx_body_encode( &m->tx, &body ), DMG_OK );
  dmg_hash_t id = dmg_tx_id( dmg_buf_span( &body ) );
  dmg_buf_fini( &body );
  assert_true( dmg_hash_eq( &id, &a.id ) );
  dmg_ed25519_sign( secret[ 3 ], dmg_hash_span( &id ), m->sig );
  assert_int_equal( dmg_txpool_admit( pool, &state, bytes( m ), now, &a ), DMG_OK );
  assert_int_equal( a.kind, DMG_TXPOOL_ADMIT_OK );
  assert_int_equal( a.status.kind, DMG_TXPOOL_POOLED );
  assert_true( dmg_txpool_is_verified( pool, &id, bytes( m ) ) );
  /* Now even a bad copy is answered with the good one's status, but its bytes are not verified. */
  m->sig[ 0 ] ^= 1;
  assert_int_equal( dmg_txpool_admit( pool, &state, bytes( m ), now, &a ), DMG_OK );
  assert_int_equal( a.kind, DMG_TXPOOL_ADMIT_KNOWN );
  assert_false( dmg_txpool_is_verified( pool, &id, bytes( m ) ) );
  pool_end();
}

static void test_local_failures_pass_through( void ** unused ) {
  pool_new( 100, 50 );
  made_t * m = made( 3, 0, 0 );
  dmg_txpool_answer_t a;
  dmg_txpool_ticket_t * ta, * tb;
  state_err = DMG_ERR_IO;
  assert_int_equal( check( bytes( m ), &ta, &a ), DMG_ERR_IO );
  state_err = DMG_OK;
  assert_int_equal( check( bytes( m ), &ta, &a ), DMG_OK );
  state_err = DMG_ERR_IO;
  head.height++;   /* under the same head finish would ask nothing */
  dmg_txpool_on_block( pool, &head, NULL, 0, now );
  assert_int_equal( finish( ta, true, &a ), DMG_ERR_IO );
  state_err = DMG_OK;
  put_ok( m );
  pool->cfg.ticket_max = 1;
  dmg_txpool_answer_t b;
  assert_int_equal( check( bytes( made( 4, 0, 0 ) ), &ta, &a ), DMG_OK );
  assert_int_equal( check( bytes( made( 5, 0, 0 ) ), &tb, &b ), DMG_ERR_FULL );
  dmg_txpool_ticket_free( pool, ta );
  put_ok( made( 5, 0, 0 ) );
  pool_end();
}

static void test_finish_judges_anew_what_changed( void ** unused ) {
  pool_new( 100, 50 );
  dmg_txpool_answer_t a, b;
  dmg_txpool_ticket_t * ta, * tb;
  /* Two copies at once: the second is known. */
  assert_int_equal( check( bytes( made( 1, 0, 0 ) ), &ta, &a ), DMG_OK );
  assert_int_equal( check( bytes( made( 1, 0, 0 ) ), &tb, &b ), DMG_OK );
  assert_int_equal( finish( ta, true, &a ), DMG_OK );
  assert_int_equal( finish( tb, true, &b ), DMG_OK );
  assert_int_equal( b.kind, DMG_TXPOOL_ADMIT_KNOWN );
  /* Two that the balance covers singly: the second finds it spoken for, without a new question to the state. */
  acct[ 4 ].spendable = 300000;
  assert_int_equal( check( bytes( made( 4, 0, 0 ) ), &ta, &a ), DMG_OK );
  assert_int_equal( check( bytes( made( 4, 0, 1 ) ), &tb, &b ), DMG_OK );
  unsigned calls = state_calls;
  assert_int_equal( finish( ta, true, &a ), DMG_OK );
  assert_int_equal( a.kind, DMG_TXPOOL_ADMIT_OK );
  assert_int_equal( finish( tb, true, &b ), DMG_OK );
  assert_int_equal( b.why.reason, DMG_TXPOOL_BALANCE );
  assert_int_equal( state_calls, calls );
  /* R4.1: signatures come last, so a bad one does not hide what is wrong besides, nor that a good copy is there. */
  assert_int_equal( check( bytes( made( 4, 0, 2 ) ), &ta, &a ), DMG_OK );
  assert_null( ta );
  assert_int_equal( a.why.reason, DMG_TXPOOL_BALANCE );
  acct[ 5 ].spendable = 300000;
  assert_int_equal( check( bytes( made( 5, 0, 0 ) ), &ta, &a ), DMG_OK );
  assert_int_equal( check( bytes( made( 5, 0, 1 ) ), &tb, &b ), DMG_OK );
  dmg_txpool_ticket_t * tc;
  dmg_txpool_answer_t c;
  assert_int_equal( check( bytes( made( 5, 0, 0 ) ), &tc, &c ), DMG_OK );
  assert_int_equal( finish( ta, true, &a ), DMG_OK );
  assert_int_equal( finish( tb, false, &b ), DMG_OK );
  assert_int_equal( b.why.reason, DMG_TXPOOL_BALANCE );
  assert_int_equal( finish( tc, false, &c ), DMG_OK );
  assert_int_equal( c.kind, DMG_TXPOOL_ADMIT_KNOWN );
  /* A ticket that was refused may be checked again. */
  acct[ 6 ].spendable = 0;
  made_t * poor = made( 6, 0, 0 );
  assert_int_equal( dmg_txpool_ticket_new( bytes( poor ), pool->scratch, &tc ), DMG_OK );
  assert_int_equal( dmg_txpool_admit_check( pool, &state, tc, now, &c ), DMG_OK );
  assert_int_equal( c.why.reason, DMG_TXPOOL_BALANCE );
  acct[ 6 ].spendable = RICH;
  assert_int_equal( dmg_txpool_admit_check( pool, &state, tc, now, &c ), DMG_OK );
  assert_int_equal( c.kind, DMG_TXPOOL_ADMIT_VERIFY );
  assert_int_equal( finish( tc, false, &c ), DMG_OK );
  assert_int_equal( c.why.reason, DMG_TXPOOL_SIGNATURE );
  /* A block used the nonce, and then the height passed the expiry. */
  made_t * m = made( 2, 0, 0 );
  assert_int_equal( check( bytes( m ), &ta, &a ), DMG_OK );
  m = made( 3, 0, 0 );
  m->tx.expiry = 1001;
  assert_int_equal( check( bytes( m ), &tb, &b ), DMG_OK );
  acct[ 2 ].lane[ 0 ] = 1;
  head.height = 1001;
  dmg_txpool_on_block( pool, &head, NULL, 0, now );
  assert_int_equal( finish( ta, true, &a ), DMG_OK );
  assert_int_equal( a.why.reason, DMG_TXPOOL_NONCE );
  assert_int_equal( finish( tb, true, &b ), DMG_OK );
  assert_int_equal( b.why.reason, DMG_TXPOOL_EXPIRED );
  pool_end();
}

static void test_new_account_sends_several_before_its_first_block( void ** unused ) {
  pool_new( 100, 50 );
  acct[ 6 ].is_known = false;
  assert_refused( made( 6, 0, 1 ), DMG_TXPOOL_ACCOUNT );
  made_t * m = made( 6, 0, 0 );
  m->tx.init = &inits[ 6 ];
  put_ok( m );
  put_ok( made( 6, 0, 1 ) );   /* by the keys that wait in the pool */
  m = made( 6, 0, 2 );
  m->sigs[ 0 ].key = dmg_span( key[ 7 ], 32 );
  assert_refused( m, DMG_TXPOOL_KEYS );
  pool_end();
}

/* --- lanes, replacement ----------------------------------------------------------------------------------- */

static void test_gap_is_queued_until_it_closes( void ** unused ) {
  pool_new( 100, 50 );
  dmg_hash_t two = put_ok( made( 1, 0, 2 ) ), one = put_ok( made( 1, 0, 1 ) );
  assert_int_equal( kind_of( &two ), DMG_TXPOOL_QUEUED );
  assert_int_equal( kind_of( &one ), DMG_TXPOOL_QUEUED );
  assert_int_equal( dmg_txpool_next_nonce( pool, &addr[ 1 ], 0, 0 ), 0 );
  dmg_txpool_limits_t lim = dmg_txpool_limits( &head );
  dmg_txpool_ref_t refs[ 8 ];
  assert_int_equal( dmg_txpool_build( pool, &lim, refs, 8 ), 0 );
  dmg_hash_t zero = put_ok( made( 1, 0, 0 ) );
  assert_int_equal( kind_of( &zero ), DMG_TXPOOL_POOLED );
  assert_int_equal( kind_of( &one ), DMG_TXPOOL_POOLED );
  assert_int_equal( kind_of( &two ), DMG_TXPOOL_POOLED );
  assert_int_equal( dmg_txpool_next_nonce( pool, &addr[ 1 ], 0, 0 ), 3 );
  assert_int_equal( told[ DMG_TXPOOL_QUEUED ], 2 );
  assert_int_equal( told[ DMG_TXPOOL_POOLED ], 3 );
  assert_int_equal( dmg_txpool_build( pool, &lim, refs, 8 ), 3 );
  for( int i = 0; i<3; i++ ) assert_int_equal( refs[ i ].tx->nonce, i );
  dmg_txpool_release( pool, refs, 3 );
  dmg_hash_t ids[ 8 ];
  assert_int_equal( dmg_txpool_of_sender( pool, &addr[ 1 ], ids, 8 ), 3 );
  assert_int_equal( dmg_txpool_of_sender( pool, &addr[ 2 ], ids, 8 ), 0 );
  pool_end();
}

static void test_replacement_needs_10_percent( void ** unused ) {
  pool_new( 100, 2 );
  made_t * m = made( 1, 0, 0 );
  dmg_hash_t old = put_ok( m ), next = put_ok( made( 1, 0, 1 ) );
  m = made( 1, 0, 0 );
  m->tx.fee_max = 1099999;
  assert_refused( m, DMG_TXPOOL_UNDERPRICED );
  memset( told, 0, sizeof told );
  m->tx.fee_max = 1100000;
  dmg_hash_t by = put_ok( m );   /* also with the sender full */
  dmg_txpool_status_t s;
  dmg_txpool_status( pool, &old, &s );
  assert_int_equal( s.kind, DMG_TXPOOL_REPLACED );
  assert_true( dmg_hash_eq( &s.by, &by ) );
  assert_int_equal( kind_of( &next ), DMG_TXPOOL_POOLED );
  assert_int_equal( told[ DMG_TXPOOL_QUEUED ], 0 );   /* nobody was told of a gap */
  assert_int_equal( told[ DMG_TXPOOL_POOLED ], 1 );
  m = made( 1, 0, 1 );
  m->tx.fee_max = 1100000;
  put_ok( m );   /* not at the head of its lane either */
  assert_int_equal( told[ DMG_TXPOOL_QUEUED ], 0 );
  assert_int_equal( told[ DMG_TXPOOL_POOLED ], 2 );
  /* The price counts, not the sum: a cheap note cancels a dear call. */
  m = made( 1, 0, 0 );
  m->tx.gas     = 8000;
  m->tx.fee_max = 650000;
  put_ok( m );
  /* The replaced one may not come back at its old price. */
  m = made( 1, 0, 0 );
  dmg_txpool_answer_t a = put( m );
  assert_int_equal( a.why.reason, DMG_TXPOOL_UNDERPRICED );
  /* Unordered ones share nonces freely. */
  put_ok( made( 2, DMG_TX_LANE_UNORDERED, 5 ) );
  m = made( 2, DMG_TX_LANE_UNORDERED, 5 );
  m->tx.expiry = 1300;
  put_ok( m );
  pool_end();
}

static void test_replacement_frees_the_reserve_of_the_old( void ** unused ) {
  pool_new( 100, 50 );
  made_t * m = made( 1, 0, 0 );
  uint64_t reserve = dmg_txpool_reserve( 6000+8*bytes( m ).sz+32000+60000, PRICE, 0 );
  acct[ 1 ].spendable = reserve+10;
  put_ok( m );
  m->tx.fee_max = 1200000;
  put_ok( m );
  m->tx.fee_max = 2000000;
  m->tx.tip     = 11;
  assert_refused( m, DMG_TXPOOL_BALANCE );
  pool_end();
}

/* --- bounds ----------------------------------------------------------------------------------------------- */

static void test_sender_bounds_hold( void ** unused ) {
  pool_new( 100, 3 );
  for( uint64_t n = 0; n<3; n++ ) put_ok( made( 1, 0, n ) );
  assert_refused( made( 1, 0, 3 ), DMG_TXPOOL_SENDER_FULL );
  assert_refused( made( 1, 1, 0 ), DMG_TXPOOL_SENDER_FULL );
  put_ok( made( 2, 0, 0 ) );
  pool->cfg.sender_bytes_max = 3000;
  made_t * m = made( 3, 0, 0 );
  m->calls[ 0 ].args.sz = 3000;
  assert_refused( m, DMG_TXPOOL_SENDER_FULL );
  put_ok( made( 3, 0, 0 ) );
  m = made( 3, 0, 0 );
  m->calls[ 0 ].args.sz = 3000;
  m->tx.fee_max = 3000000;
  assert_refused( m, DMG_TXPOOL_SENDER_FULL );   /* a replacement is no way around */
  pool_end();
}

static void test_full_pool_pushes_out_queued_then_the_greedy( void ** unused ) {
  pool_new( 4, 4 );
  dmg_hash_t gap = put_ok( made( 1, 0, 5 ) );
  put_ok( made( 2, 0, 0 ) );
  put_ok( made( 2, 0, 1 ) );
  dmg_hash_t last = put_ok( made( 2, 0, 2 ) );
  /* A queued newcomer pushes out no queued one, but takes from who has most. */
  dmg_hash_t gap2 = put_ok( made( 3, 0, 9 ) );
  assert_int_equal( kind_of( &last ), DMG_TXPOOL_DROPPED );
  assert_int_equal( reason_of( &last ), DMG_TXPOOL_FULL );
  put_ok( made( 4, 0, 9 ) );                              /* sender 2 had two, now one */
  assert_refused( made( 5, 0, 9 ), DMG_TXPOOL_FULL );   /* nobody has more than one */
  assert_refused( made( 3, 0, 10 ), DMG_TXPOOL_FULL );   /* behind a queued one it is queued itself */
  /* A ready one takes the oldest queued, but only once its signatures are good. */
  dmg_txpool_answer_t a;
  dmg_txpool_ticket_t * ta;
  assert_int_equal( check( bytes( made( 4, 0, 0 ) ), &ta, &a ), DMG_OK );
  assert_int_equal( kind_of( &gap ), DMG_TXPOOL_QUEUED );
  assert_int_equal( finish( ta, false, &a ), DMG_OK );
  assert_int_equal( kind_of( &gap ), DMG_TXPOOL_QUEUED );
  put_ok( made( 4, 0, 0 ) );
  assert_int_equal( kind_of( &gap ), DMG_TXPOOL_DROPPED );
  assert_int_equal( kind_of( &gap2 ), DMG_TXPOOL_QUEUED );
  put_ok( made( 5, 0, 0 ) );
  assert_int_equal( kind_of( &gap2 ), DMG_TXPOOL_DROPPED );
  put_ok( made( 6, 0, 0 ) );
  /* One each and none queued: nobody is pushed out for a fifth, or for a second. */
  assert_refused( made( 8, 0, 0 ), DMG_TXPOOL_FULL );
  assert_refused( made( 2, 1, 0 ), DMG_TXPOOL_FULL );
  /* A replacement needs no place. */
  made_t * m = made( 5, 0, 0 );
  m->tx.fee_max = 2000000;
  put_ok( m );
  pool_end();
}

static void test_full_by_bytes( void ** unused ) {
  pool_new( 100, 50 );
  pool->cfg.bytes_max = 20000;
  unsigned n = 0;
  for( ; n<40; n++ ) {
    made_t * m = made( (int)n%ACCOUNTS, 0, 0 );
    m->calls[ 0 ].args.sz = 2000;
    if( put( m ).kind!=DMG_TXPOOL_ADMIT_OK ) break;
  }
  assert_true( n>4 && n<9 );
  /* A small one may still find room, one as large as those does not. */
  made_t * big = made( 30, 0, 0 );
  big->calls[ 0 ].args.sz = 2000;
  assert_refused( big, DMG_TXPOOL_FULL );
  pool_end();
}

/* --- expiry, statuses ------------------------------------------------------------------------------------- */

static void test_expiry_ends_at_its_height( void ** unused ) {
  pool_new( 100, 50 );
  made_t * m = made( 1, 0, 0 );
  m->tx.expiry = 1005;
  dmg_hash_t a = put_ok( m );
  dmg_hash_t b = put_ok( made( 1, 0, 1 ) );
  head.height = 1004;   /* the next block is 1005, the last that may hold it */
  dmg_txpool_on_block( pool, &head, NULL, 0, now );
  assert_int_equal( kind_of( &a ), DMG_TXPOOL_POOLED );
  head.height = 1005;
  dmg_txpool_on_block( pool, &head, NULL, 0, now );
  dmg_txpool_status_t s;
  dmg_txpool_status( pool, &a, &s );
  assert_int_equal( s.kind, DMG_TXPOOL_EXPIRED_AT );
  assert_int_equal( s.height, 1005 );
  assert_int_equal( kind_of( &b ), DMG_TXPOOL_QUEUED );   /* its predecessor is gone */
  /* After a step back two heights may share a place in the wheel. */
  head.height = 20000;
  dmg_txpool_on_block( pool, &head, NULL, 0, now );
  m = made( 3, 0, 0 );
  m->tx.expiry = 34000;
  dmg_hash_t far = put_ok( m );
  head.height = 17000;
  assert_int_equal( dmg_txpool_set_head( pool, &state, &head, now ), DMG_OK );
  m = made( 3, 0, 1 );
  m->tx.expiry = 34000-WHEEL_SZ;
  dmg_hash_t near = put_ok( m );
  head.height = 34000-WHEEL_SZ;
  dmg_txpool_on_block( pool, &head, NULL, 0, now );
  assert_int_equal( kind_of( &near ), DMG_TXPOOL_EXPIRED_AT );
  assert_int_equal( kind_of( &far ), DMG_TXPOOL_POOLED );
  pool_check();
  m = made( 1, 0, 1 );
  m->tx.expiry = 18000;
  b = put_ok( m );
  /* A leap past the whole wheel. */
  head.height = 100000;
  dmg_txpool_on_block( pool, &head, NULL, 0, now );
  assert_int_equal( kind_of( &b ), DMG_TXPOOL_EXPIRED_AT );
  assert_int_equal( pool->cnt, 0 );
  pool_end();
}

static void test_statuses_age_out_and_make_room( void ** unused ) {
  pool_new( 4, 4 );   /* 32 statuses */
  dmg_txpool_included_t in[ 40 ];
  for( unsigned i = 0; i<40; i++ ) { in[ i ] = (dmg_txpool_included_t){ .sender = addr[ 0 ], .lane = DMG_TX_LANE_UNORDERED }; in[ i ].id.b[ 0 ] = (uint8_t)( i+1 ); }
  dmg_hash_t live = put_ok( made( 1, 0, 0 ) );
  head.height++;
  dmg_txpool_on_block( pool, &head, in, 40, now );
  assert_int_equal( pool->stats.status_cnt, 32 );
  assert_int_equal( kind_of( &in[ 0 ].id ), DMG_TXPOOL_UNKNOWN );   /* the oldest went */
  assert_int_equal( kind_of( &in[ 39 ].id ), DMG_TXPOOL_INCLUDED );
  assert_int_equal( kind_of( &live ), DMG_TXPOOL_POOLED );          /* who waits is never forgotten */
  head.height++;
  dmg_txpool_on_block( pool, &head, NULL, 0, now+(uint64_t)7*86400000-1 );
  assert_int_equal( pool->stats.status_cnt, 32 );
  head.height++;
  dmg_txpool_on_block( pool, &head, NULL, 0, now+(uint64_t)7*86400000 );
  assert_int_equal( pool->stats.status_cnt, 1 );
  pool_end();
}

/* --- blocks ----------------------------------------------------------------------------------------------- */

static dmg_txpool_included_t included( dmg_txpool_ref_t const * r, uint8_t status ) {
  return (dmg_txpool_included_t){ .id = r->tx->id, .sender = r->tx->sender, .lane = r->tx->lane, .nonce = r->tx->nonce, .receipt_status = status };
}

static void test_build_goes_round_payers_by_tip_in_nonce_order( void ** unused ) {
  pool_new( 100, 50 );
  made_t * m;
  for( uint64_t n = 0; n<3; n++ ) put_ok( made( 1, 0, n ) );
  m = made( 1, 1, 0 ); m->tx.tip = 50; put_ok( m );
  m = made( 1, 0, 3 ); m->tx.tip = 90; put_ok( m );   /* dear, but behind three others */
  m = made( 1, DMG_TX_LANE_UNORDERED, 0 ); m->tx.tip = 20; put_ok( m );
  put_ok( made( 2, 0, 0 ) );
  put_ok( made( 3, 0, 0 ) );
  put_ok( made( 3, 0, 1 ) );
  dmg_txpool_limits_t lim = dmg_txpool_limits( &head );
  dmg_txpool_ref_t r[ 16 ];
  assert_int_equal( dmg_txpool_build( pool, &lim, r, 16 ), 9 );
  static struct { int from; uint16_t lane; uint64_t nonce; } const want[] = { { 1, 1, 0 }, { 2, 0, 0 }, { 3, 0, 0 }, { 1, DMG_TX_LANE_UNORDERED, 0 }, { 3, 0, 1 }, { 1, 0, 0 }, { 1, 0, 1 }, { 1, 0, 2 }, { 1, 0, 3 } };
  for( int i = 0; i<9; i++ ) assert_true( who( &r[ i ].tx->sender )==want[ i ].from && r[ i ].tx->lane==want[ i ].lane && r[ i ].tx->nonce==want[ i ].nonce );
  dmg_txpool_release( pool, r, 9 );
  /* Each payer in turn begins when blocks are short. */
  unsigned begun[ 4 ] = { 0 };
  for( int i = 0; i<6; i++ ) {
    assert_int_equal( dmg_txpool_build( pool, &lim, r, 1 ), 1 );
    begun[ who( &r[ 0 ].tx->sender ) ]++;
    dmg_txpool_release( pool, r, 1 );
  }
  assert_true( begun[ 1 ]==2 && begun[ 2 ]==2 && begun[ 3 ]==2 );
  pool_end();
}

static void test_build_keeps_each_limit( void ** unused ) {
  pool_new( 100, 50 );
  for( int i = 0; i<10; i++ ) put_ok( made( i, 0, 0 ) );
  for( int i = 0; i<5; i++ ) put_ok( made( i, DMG_TX_LANE_UNORDERED, 0 ) );
  size_t   sz        = bytes( made( 0, 0, 0 ) ).sz;
  uint64_t intrinsic = 6000+8*sz+32000;
  dmg_txpool_limits_t all = dmg_txpool_limits( &head ), lim;
  dmg_txpool_ref_t r[ 16 ];
#define BUILT( change, n ) do { lim = all; change; size_t got = dmg_txpool_build( pool, &lim, r, 16 ); assert_int_equal( got, n ); dmg_txpool_release( pool, r, got ); } while(0)
  BUILT( (void)0, 15 );
  BUILT( lim.gas_max = 3*60000, 3 );
  BUILT( lim.gas_max = 3*60000-1, 2 );
  BUILT( lim.intrinsic_max = 4*intrinsic, 4 );
  BUILT( lim.intrinsic_max = 4*intrinsic-1, 3 );
  BUILT( lim.tx_max = 7, 7 );
  BUILT( lim.tx_max = 0, 0 );
  BUILT( lim.unordered_max = 2, 12 );
  BUILT( lim.body_max = 3+5*( sz+2 ), 5 );
  BUILT( lim.body_max = 3+5*( sz+2 )-1, 4 );
#undef BUILT
  /* A small one still fits behind a large one that does not. */
  made_t * m = made( 20, 0, 0 );
  m->tx.gas     = 40000000;
  m->tx.fee_max = DMG_SPARKS_PER_CGT;
  put_ok( m );
  lim = all;
  lim.gas_max = 15*60000;
  size_t got = dmg_txpool_build( pool, &lim, r, 16 );
  assert_int_equal( got, 15 );
  dmg_txpool_release( pool, r, got );
  /* What follows a large one in its lane waits with it. */
  put_ok( made( 20, 0, 1 ) );
  lim.gas_max = 17*60000;
  got = dmg_txpool_build( pool, &lim, r, 16 );
  assert_int_equal( got, 15 );
  dmg_txpool_release( pool, r, got );
  /* A dearer price makes them wait, it does not drop them. */
  head.price = 10*PRICE;
  head.height++;
  dmg_txpool_on_block( pool, &head, NULL, 0, now );
  assert_int_equal( dmg_txpool_build( pool, &all, r, 16 ), 0 );
  assert_int_equal( pool->cnt, 17 );
  pool_end();
}

static int by_id( void const * a, void const * b ) { return memcmp( a, b, 32 ); }

/* R4.4: what blocks above the head hold is neither given again nor counted, and what follows it is next. */
static void test_build_leaves_out_what_ancestors_hold( void ** unused ) {
  dmg_hash_t id[ 3 ][ 6 ], taken[ 16 ];
  dmg_txpool_ref_t r[ 32 ];
  size_t cnt = 0;
  pool_new( 100, 50 );
  for( int i = 0; i<3; i++ ) for( uint64_t n = 0; n<6; n++ ) id[ i ][ n ] = put_ok( made( i, 0, n ) );
  dmg_hash_t loose = put_ok( made( 0, DMG_TX_LANE_UNORDERED, 0 ) );
  for( uint64_t n = 0; n<6; n++ ) taken[ cnt++ ] = id[ 0 ][ n ];
  for( uint64_t n = 0; n<3; n++ ) taken[ cnt++ ] = id[ 1 ][ n ];
  taken[ cnt++ ] = loose;
  qsort( taken, cnt, sizeof *taken, by_id );
  dmg_txpool_limits_t lim = dmg_txpool_limits( &head );
  lim.taken     = taken;
  lim.taken_cnt = cnt;
  lim.tx_max    = 4;           /* fewer than are left out */
  lim.gas_max   = 4*60000;
  for( int round = 0; round<3; round++ ) {
    size_t n = dmg_txpool_build( pool, &lim, r, 32 );
    uint64_t next[ 3 ] = { 6, 3, 0 };
    assert_int_equal( n, 4 );
    for( size_t i = 0; i<n; i++ ) {
      uint32_t from = 0;
      while( from<3 && !dmg_hash_eq( &addr[ from ], &r[ i ].tx->sender ) ) from++;
      assert_true( from<3 && r[ i ].tx->nonce==next[ from ] );
      next[ from ]++;
    }
    dmg_txpool_release( pool, r, n );
  }
  lim.tx_max  = 32;
  lim.gas_max = 32*60000;
  assert_int_equal( dmg_txpool_build( pool, &lim, r, 32 ), 19-10 );
  dmg_txpool_release( pool, r, 9 );
  pool_end();
}

static void test_block_takes_its_own_and_moves_lanes( void ** unused ) {
  pool_new( 100, 50 );
  dmg_hash_t id[ 4 ];
  for( uint64_t n = 0; n<4; n++ ) id[ n ] = put_ok( made( 1, 0, n ) );
  dmg_hash_t mine = put_ok( made( 2, 0, 0 ) ), after = put_ok( made( 2, 0, 1 ) );
  dmg_txpool_limits_t lim = dmg_txpool_limits( &head );
  dmg_txpool_ref_t r[ 8 ];
  size_t n = dmg_txpool_build( pool, &lim, r, 8 );
  assert_int_equal( n, 6 );
  memset( told, 0, sizeof told );
  /* Nonces 0, 1 of sender 1 are in, the second failed; of sender 2 a foreign one with nonce 0; a VOID one. */
  dmg_txpool_included_t in[ 4 ] = { { .id = id[ 0 ], .sender = addr[ 1 ], .nonce = 0, .receipt_status = DMG_STATUS_OK },
                                    { .id = id[ 1 ], .sender = addr[ 1 ], .nonce = 1, .receipt_status = DMG_STATUS_FAULT },
                                    { .id = { { 9 } }, .sender = addr[ 2 ], .nonce = 0, .receipt_status = DMG_STATUS_OK },
                                    { .id = id[ 3 ], .sender = addr[ 1 ], .nonce = 3, .receipt_status = DMG_STATUS_VOID } };
  acct[ 1 ].lane[ 0 ] = 2;
  acct[ 2 ].lane[ 0 ] = 1;
  head.height++;
  dmg_txpool_on_block( pool, &head, in, 4, now );
  dmg_txpool_status_t s;
  dmg_txpool_status( pool, &id[ 1 ], &s );
  assert_true( s.kind==DMG_TXPOOL_INCLUDED && s.height==1001 && s.index==1 && s.receipt_status==DMG_STATUS_FAULT );
  assert_int_equal( kind_of( &id[ 2 ] ), DMG_TXPOOL_POOLED );
  assert_true( kind_of( &id[ 3 ] )==DMG_TXPOOL_DROPPED && reason_of( &id[ 3 ] )==DMG_TXPOOL_VOID );
  assert_int_equal( kind_of( &mine ), DMG_TXPOOL_REPLACED );
  assert_int_equal( kind_of( &after ), DMG_TXPOOL_POOLED );
  assert_int_equal( told[ DMG_TXPOOL_QUEUED ]+told[ DMG_TXPOOL_POOLED ], 0 );   /* who stays is not told of nothing */
  /* The built block still holds what left the pool. */
  for( size_t i = 0; i<n; i++ ) assert_true( r[ i ].tx->raw.sz>100 );
  dmg_txpool_release( pool, r, n );
  dmg_hash_t ids[ 3 ] = { id[ 0 ], id[ 3 ], { { 9 } } };
  dmg_txpool_on_final( pool, ids, 3, now );
  assert_int_equal( kind_of( &id[ 0 ] ), DMG_TXPOOL_FINAL );
  assert_int_equal( kind_of( &id[ 3 ] ), DMG_TXPOOL_DROPPED );
  assert_int_equal( kind_of( &ids[ 2 ] ), DMG_TXPOOL_FINAL );
  assert_int_equal( put( made( 1, 0, 0 ) ).kind, DMG_TXPOOL_ADMIT_KNOWN );
  put_ok( made( 1, 0, 3 ) );   /* VOID may be sent again */
  pool_end();
}

static void test_left_out_is_judged_anew( void ** unused ) {
  pool_new( 100, 50 );
  dmg_hash_t a = put_ok( made( 1, 0, 0 ) ), b = put_ok( made( 2, 0, 0 ) ), c = put_ok( made( 3, 0, 0 ) );
  dmg_txpool_limits_t lim = dmg_txpool_limits( &head );
  dmg_txpool_ref_t r[ 8 ];
  for( int round = 0; round<3; round++ ) {
    size_t n = dmg_txpool_build( pool, &lim, r, 8 );
    head.height++;
    dmg_txpool_on_block( pool, &head, NULL, 0, now );
    acct[ 1 ].spendable = 5;                    /* spent since */
    memset( key[ 2 ], 0x55, 32 );               /* the key was rotated away in state */
    assert_int_equal( dmg_txpool_on_left_out( pool, &state, r, n, now ), DMG_OK );
    dmg_txpool_release( pool, r, n );
    assert_int_equal( kind_of( &c ), round<2 ? DMG_TXPOOL_POOLED : DMG_TXPOOL_DROPPED );
  }
  dmg_ed25519_public( secret[ 2 ], key[ 2 ] );
  assert_int_equal( reason_of( &a ), DMG_TXPOOL_BALANCE );
  assert_int_equal( reason_of( &b ), DMG_TXPOOL_KEYS );
  assert_int_equal( reason_of( &c ), DMG_TXPOOL_VOID );
  pool_end();
}

static void test_retracted_blocks_give_back( void ** unused ) {
  pool_new( 100, 50 );
  static uint8_t raw[ 4 ][ 600 ];
  dmg_span_t raws[ 4 ];
  dmg_hash_t id[ 4 ];
  dmg_txpool_included_t in[ 4 ];
  for( unsigned i = 0; i<4; i++ ) {
    made_t * m = made( 1, 0, i );
    if( i==3 ) { m = made( 2, 0, 0 ); m->tx.expiry = 1001; }
    dmg_span_t b = bytes( m );
    memcpy( raw[ i ], b.p, b.sz );
    raws[ i ] = dmg_span( raw[ i ], b.sz );
    id[ i ]   = put_ok( m );
    in[ i ]   = (dmg_txpool_included_t){ .id = id[ i ], .sender = m->tx.sender, .nonce = m->tx.nonce };
  }
  dmg_hash_t later = put_ok( made( 1, 0, 3 ) );
  acct[ 1 ].lane[ 0 ] = 3;
  head.height = 1001;
  dmg_txpool_on_block( pool, &head, in, 4, now );
  assert_int_equal( kind_of( &later ), DMG_TXPOOL_POOLED );
  /* Back to 1000, but on a branch where nonce 0 of sender 1 is used by another and 1001 is the head. */
  acct[ 1 ].lane[ 0 ] = 1;
  assert_int_equal( dmg_txpool_on_retract( pool, &state, &head, raws, 4, now ), DMG_OK );
  assert_true( kind_of( &id[ 0 ] )==DMG_TXPOOL_DROPPED && reason_of( &id[ 0 ] )==DMG_TXPOOL_NONCE );
  assert_int_equal( kind_of( &id[ 1 ] ), DMG_TXPOOL_POOLED );
  assert_int_equal( kind_of( &id[ 2 ] ), DMG_TXPOOL_POOLED );
  assert_int_equal( kind_of( &id[ 3 ] ), DMG_TXPOOL_EXPIRED_AT );
  assert_int_equal( kind_of( &later ), DMG_TXPOOL_POOLED );
  assert_int_equal( pool->cnt, 3 );
  pool_end();
}

static void test_set_head_back_forgets_inclusions( void ** unused ) {
  pool_new( 100, 50 );
  dmg_hash_t id = put_ok( made( 1, 0, 0 ) );
  dmg_txpool_included_t in = { .id = id, .sender = addr[ 1 ] };
  head.height = 1001;
  dmg_txpool_on_block( pool, &head, &in, 1, now );
  assert_int_equal( put( made( 1, 0, 0 ) ).kind, DMG_TXPOOL_ADMIT_KNOWN );
  head.height = 1000;
  assert_int_equal( dmg_txpool_set_head( pool, &state, &head, now ), DMG_OK );
  assert_int_equal( kind_of( &id ), DMG_TXPOOL_UNKNOWN );
  put_ok( made( 1, 0, 0 ) );
  /* Forward over nonces that others used: two go, the third stays pooled, and nobody is told of a gap. */
  put_ok( made( 1, 0, 1 ) );
  dmg_hash_t two = put_ok( made( 1, 0, 2 ) );
  memset( told, 0, sizeof told );
  acct[ 1 ].lane[ 0 ] = 2;
  assert_int_equal( dmg_txpool_set_head( pool, &state, &head, now ), DMG_OK );
  assert_int_equal( kind_of( &two ), DMG_TXPOOL_POOLED );
  assert_true( told[ DMG_TXPOOL_DROPPED ]==2 && !told[ DMG_TXPOOL_QUEUED ] );
  acct[ 1 ].lane[ 0 ] = 4;
  dmg_hash_t five = put_ok( made( 2, 1, 0 ) );
  head.height = 1002;
  assert_int_equal( dmg_txpool_set_head( pool, &state, &head, now ), DMG_OK );
  assert_int_equal( reason_of( &id ), DMG_TXPOOL_NONCE );
  assert_int_equal( kind_of( &five ), DMG_TXPOOL_POOLED );
  pool_end();
}

/* N8.7: leaf and age of each; a replacement is a newcomer, a change of status is not. */
static void count_each( void * ctx, dmg_hash_t const * leaf, dmg_span_t raw, uint64_t age_ms ) {
  uint64_t * ages = ctx;
  dmg_hash_t h = dmg_h( DMG_TAG_BODY_TX, raw );
  assert_true( dmg_hash_eq( &h, leaf ) );
  ages[ 0 ]++;
  ages[ 1 ] += age_ms;
}

static void each_is( uint64_t cnt, uint64_t ages ) {
  uint64_t sum[ 2 ] = { 0 };
  dmg_txpool_each( pool, now, count_each, sum );
  assert_int_equal( sum[ 0 ], cnt );
  assert_int_equal( sum[ 1 ], ages );
}

static void test_each_knows_leaf_and_age( void ** unused ) {
  pool_new( 100, 50 );
  each_is( 0, 0 );
  put_ok( made( 1, 0, 1 ) );                             /* queued */
  now += 100;
  put_ok( made( 1, 0, 0 ) );                             /* pooled, and so is the first now */
  each_is( 2, 100 );
  now += 50;
  each_is( 2, 200 );
  made_t * m = made( 1, 0, 1 );
  m->tx.fee_max *= 2;
  put_ok( m );
  each_is( 2, 50 );
  uint64_t was = now;
  now = 0;                                               /* the wall clock may step back */
  each_is( 2, 0 );
  now = was;
  pool_end();
}

/* --- random use ------------------------------------------------------------------------------------------- */

static void random_block( void ) {
  dmg_txpool_limits_t lim = dmg_txpool_limits( &head );
  lim.gas_max = 60000ull*( 1+rnd_below( 20 ) );
  dmg_txpool_ref_t r[ 64 ];
  dmg_txpool_included_t in[ 64 ];
  dmg_txpool_ref_t out[ 64 ];
  size_t n = dmg_txpool_build( pool, &lim, r, 64 ), in_cnt = 0, out_cnt = 0;
  uint64_t gas = 0, next[ ACCOUNTS ][ 4 ];
  for( int i = 0; i<ACCOUNTS; i++ ) memcpy( next[ i ], acct[ i ].lane, sizeof next[ i ] );
  for( size_t i = 0; i<n; i++ ) {
    int a = who( &r[ i ].tx->sender ), l = r[ i ].tx->lane;
    gas += r[ i ].tx->gas;
    if( l!=DMG_TX_LANE_UNORDERED ) assert_true( r[ i ].tx->nonce==next[ a ][ l ]++ );   /* in order, from the state's next */
    /* A block built in another's view may hold fewer. */
    if( rnd_below( 5 )==0 || ( l!=DMG_TX_LANE_UNORDERED && acct[ a ].lane[ l ]!=r[ i ].tx->nonce ) ) { out[ out_cnt++ ] = r[ i ]; continue; }
    uint8_t status = rnd_below( 9 )==0 ? DMG_STATUS_VOID : DMG_STATUS_OK;
    in[ in_cnt++ ] = included( &r[ i ], status );
    if( status!=DMG_STATUS_VOID && l!=DMG_TX_LANE_UNORDERED ) acct[ a ].lane[ l ]++;
  }
  assert_true( gas<=lim.gas_max );
  head.height += 1+rnd_below( 3 );
  head.price   = PRICE+rnd_below( 1000000 );
  dmg_txpool_on_block( pool, &head, in, in_cnt, now );
  assert_int_equal( dmg_txpool_on_left_out( pool, &state, out, out_cnt, now ), DMG_OK );
  dmg_txpool_release( pool, r, n );
  if( rnd_below( 20 )==0 ) {   /* step back: lanes fall, some by more than there is */
    for( int i = 0; i<ACCOUNTS; i++ ) for( int l = 0; l<3; l++ ) if( acct[ i ].lane[ l ] && rnd_below( 3 )==0 ) acct[ i ].lane[ l ] -= 1+rnd_below( (uint32_t)dmg_min_u64( acct[ i ].lane[ l ], 3 ) );
    head.height -= 1;
    assert_int_equal( dmg_txpool_set_head( pool, &state, &head, now ), DMG_OK );
  }
}

static void test_random_use_keeps_every_invariant( void ** unused ) {
  seed( 20260101 );
  pool_new( 24, 16 );
  pool->cfg.bytes_max = 120000;
  dmg_txpool_ticket_t * held[ 8 ] = { 0 };
  for( int step = 0; step<6000; step++ ) {
    now += rnd_below( 1000 );
    if( rnd_below( 12 )==0 ) { random_block(); }
    else {
      int      a    = (int)rnd_below( 8 );
      uint16_t lane = rnd_below( 6 )==0 ? DMG_TX_LANE_UNORDERED : (uint16_t)rnd_below( 3 );
      made_t * m    = made( a, lane, lane==DMG_TX_LANE_UNORDERED ? rnd_below( 1000 ) : acct[ a ].lane[ lane ]+rnd_below( 6 ) );
      m->tx.expiry  = head.height+rnd_below( 40 );
      m->tx.fee_max = 300000+rnd_below( 2000000 );
      m->tx.tip     = rnd_below( 3 )*100;
      m->calls[ 0 ].args.sz = rnd_below( 10 )==0 ? 5000 : rnd_below( 300 );
      if( rnd_below( 4 )==0 ) acct[ a ].spendable = rnd_below( 2 ) ? RICH : 500000;
      dmg_txpool_answer_t ans;
      dmg_txpool_ticket_t * fresh;
      assert_int_equal( check( bytes( m ), &fresh, &ans ), DMG_OK );
      if( fresh ) {
        /* Some finish much later, under another head. */
        unsigned h = rnd_below( 8 );
        dmg_txpool_ticket_t * t = rnd_below( 2 ) ? fresh : held[ h ];
        if( t!=fresh ) held[ h ] = fresh;
        if( t && rnd_below( 10 )==0 ) dmg_txpool_ticket_free( pool, t );
        else if( t ) assert_int_equal( finish( t, rnd_below( 10 )!=0, &ans ), DMG_OK );
      }
    }
    if( step%8==0 ) pool_check();
  }
  for( int i = 0; i<8; i++ ) dmg_txpool_ticket_free( pool, held[ i ] );
  dmg_txpool_stats_t st;
  dmg_txpool_stats( pool, &st );
  /* The run met what it is meant to meet. */
  print_message( "admitted %lu rejected %lu replaced %lu expired %lu dropped %lu evicted %lu\n", st.admitted, st.rejected, st.replaced, st.expired, st.dropped, st.evicted );
  assert_true( st.admitted>500 && st.rejected>200 && st.replaced>20 && st.expired>20 && st.dropped>50 && st.evicted>5 );
  pool_end();
}

int main( void ) {
  struct CMUnitTest const tests[] = {
#define T( name ) cmocka_unit_test_setup( name, state_new )
    T( test_admission_refuses_each_step_by_its_reason ),
    T( test_admission_takes_each_boundary ),
    T( test_signatures_are_judged_last_and_leave_no_trace ),
    T( test_local_failures_pass_through ),
    T( test_finish_judges_anew_what_changed ),
    T( test_new_account_sends_several_before_its_first_block ),
    T( test_gap_is_queued_until_it_closes ),
    T( test_replacement_needs_10_percent ),
    T( test_replacement_frees_the_reserve_of_the_old ),
    T( test_sender_bounds_hold ),
    T( test_full_pool_pushes_out_queued_then_the_greedy ),
    T( test_full_by_bytes ),
    T( test_expiry_ends_at_its_height ),
    T( test_statuses_age_out_and_make_room ),
    T( test_build_goes_round_payers_by_tip_in_nonce_order ),
    T( test_build_keeps_each_limit ),
    T( test_build_leaves_out_what_ancestors_hold ),
    T( test_block_takes_its_own_and_moves_lanes ),
    T( test_left_out_is_judged_anew ),
    T( test_retracted_blocks_give_back ),
    T( test_set_head_back_forgets_inclusions ),
    T( test_each_knows_leaf_and_age ),
    T( test_random_use_keeps_every_invariant ),
#undef T
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
