/* A world: genesis, time, transfers, chaos and heal (C12.2). */
#include "full.h"
#include "node/validator_int.h"
#include "base/os.h"
#include "crypto/sig.h"
#include "types/items.h"
#include "types/schema.h"

#include <stdarg.h>
#include <unistd.h>

dmg_dev_account_t full_accounts[ DMG_DEV_KEY_CNT ];
dmg_dev_module_t  full_modules[ 2 ];
char              full_cache[ 64 ];

void full_fail( char const * fmt, ... ) {
  if( full_w->why[ 0 ] ) return;
  va_list ap;
  va_start( ap, fmt );
  vsnprintf( full_w->why, sizeof full_w->why, fmt, ap );
  va_end( ap );
  full_trace( "VIOLATION %s", full_w->why );
}

void full_trace( char const * fmt, ... ) {
  if( !full_w->trace ) return;
  va_list ap;
  va_start( ap, fmt );
  fprintf( full_w->trace, "%10.3f ms  ", (double)full_w->now/1000 );
  vfprintf( full_w->trace, fmt, ap );
  fputc( '\n', full_w->trace );
  va_end( ap );
}

bool full_setup( void ) {
  static char const * const file[ 2 ] = { "system", "balances" };
  static dmg_buf_t wasm[ 2 ];
  for( unsigned m = 0; m<2; m++ ) {
    char path[ 1024 ];
    snprintf( path, sizeof path, "%s/%s.wasm", DMG_TEST_MODULES, file[ m ] );
    if( dmg_os_file_read( path, 1<<20, &wasm[ m ] ) ) { fprintf( stderr, "no %s: build the target modules\n", path ); return false; }
    full_modules[ m ] = (dmg_dev_module_t){ .id = (uint16_t)( m+1 ), .code = dmg_buf_span( &wasm[ m ] ) };
  }
  snprintf( full_cache, sizeof full_cache, "/tmp/dmg-test-cache-%u", (unsigned)getuid() );
  return !dmg_dev_accounts( full_accounts );
}

/* ---- Transfers ---- */

/* What each call of transfer names: asked of the first chain that is open. */
static bool learn_transfer( full_world_t * w ) {
  dmg_query_t const * q = dmg_chain_query( w->model );
  dmg_query_view_t view;
  dmg_span_t raw;
  dmg_abi_t const * abi;
  if( q->view_open( q->ctx, &(dmg_at_t){ .kind = DMG_AT_HEAD }, &view ) ) return false;
  dmg_err_t err = q->module_abi( q->ctx, &view, DMG_MODULE_BALANCES, w->arena, &raw );
  q->view_close( q->ctx, &view );
  if( err || dmg_abi_decode( raw, w->arena, &abi ).kind ) return false;
  dmg_abi_fn_t const * fn = dmg_abi_call_named( abi, DMG_SPAN_STR( "transfer" ) );
  w->transfer_fn = (uint8_t)fn->id;
  return !dmg_schema_hash( DMG_MODULE_BALANCES, fn, &w->transfer_schema );
}

static void transfer( full_world_t * w, uint32_t from, dmg_hash_t const * to, uint64_t amount ) {
  full_account_t * a = &w->accounts[ from ];
  dmg_dev_account_t const * key = &full_accounts[ from ];
  uint8_t args[ 64 ], sig[ 64 ] = { 0 };
  dmg_bcs_wr_t wr = dmg_bcs_wr( args, sizeof args );
  dmg_bcs_wr_fixed( &wr, to->b, 32 );
  dmg_bcs_wr_u64( &wr, amount );
  dmg_bcs_wr_uleb( &wr, 0 );
  a->expiry = w->finals_top+400;
  dmg_tx_call_t call = { .module = DMG_MODULE_BALANCES, .call = w->transfer_fn, .schema = w->transfer_schema, .args = dmg_bcs_wr_span( &wr ) };
  dmg_tx_sig_t  s    = { .scheme = DMG_SIG_ED25519, .key = dmg_span( key->key, 32 ), .sig = dmg_span( sig, 64 ) };
  dmg_tx_t tx = { .version = 1, .chain = w->chain_id, .sender = key->address, .nonce = a->nonce, .expiry = a->expiry, .gas = 300000, .fee_kind = DMG_FEE_ENERGY_THEN_FEE,
                  .fee_max = DMG_SPARKS_PER_CGT, .calls = &call, .call_cnt = 1, .auth = DMG_TX_AUTH_KEYS, .sigs = &s, .sig_cnt = 1 };
  dmg_buf_t buf = dmg_buf( DMG_TX_SZ_MAX );
  dmg_err_t err = dmg_tx_body_encode( &tx, &buf );
  a->id = dmg_tx_id( dmg_buf_span( &buf ) );
  dmg_ed25519_sign( key->secret, dmg_hash_span( &a->id ), sig );
  buf.sz = 0;
  if( !err ) err = dmg_tx_encode( &tx, &buf );
  DMG_ASSERT( !err && buf.sz<=1024 );
  if( !a->raw.p ) a->raw.p = dmg_arena_alloc( w->arena, 1024 );
  memcpy( (uint8_t *)(uintptr_t)a->raw.p, buf.p, buf.sz );
  a->raw.sz = buf.sz;
  dmg_buf_fini( &buf );
}

/* To some node that is up, as a client does that asks again after a while. */
static void submit( full_world_t * w, uint32_t from ) {
  full_account_t * a = &w->accounts[ from ];
  full_node_t * n = &w->nodes[ dmg_rnd_u64( &w->tx_chance )%w->node_cnt ];
  a->sent_us = w->now;
  if( !n->is_up || n->paused_us>w->now ) return;
  dmg_query_t const * q = dmg_chain_query( n->chain );
  dmg_query_submit_t it = { .raw = a->raw, .why = { .name = "" } };
  w->cur = n;
  q->tx_submit( q->ctx, &it, 1 );
  w->cur = NULL;
  /* A node that is behind may know less of the nonce; one that has it says so; a liar says what it likes. */
  if( it.err && it.is_false ) full_fail( "node %u calls a good transfer false: %s", n->id, it.why.text );
}

static void tx_tick( full_world_t * w ) {
  w->tx_us = w->now+1+dmg_rnd_u64( &w->tx_chance )%( 2*w->cfg.tx_us );
  uint32_t i = (uint32_t)( dmg_rnd_u64( &w->tx_chance )%FULL_ACCOUNTS );
  full_account_t * a = &w->accounts[ i ];
  if( a->is_open && full_is_final( w, &a->id ) ) { a->is_open = false; a->nonce++; w->stats.txs_final++; }
  if( a->is_open && w->now<a->sent_us+3000000 ) return;
  if( !a->is_open || w->finals_top>=a->expiry ) {
    if( w->is_healing && w->live_us ) { if( !a->is_open ) return; }   /* the last ones are waited for */
    transfer( w, i, &full_accounts[ dmg_rnd_u64( &w->tx_chance )%FULL_ACCOUNTS ].address, 1+dmg_rnd_u64( &w->tx_chance )%1000000 );
    if( !a->is_open ) w->stats.txs++;
    a->is_open = true;
  }
  submit( w, i );
}

/* ---- Making and ending ---- */

static bool make( full_world_t * w ) {
  dmg_dev_member_t members[ FULL_VALIDATORS_MAX ];
  full_cfg_t const * c = &w->cfg;
  w->node_cnt = c->n+c->followers;
  for( uint32_t i = 0; i<w->node_cnt; i++ ) {
    full_node_t * n = &w->nodes[ i ];
    n->id = i;
    n->is_validator = i<c->n;
    if( !full_node_make( w, n ) ) return false;
    if( !n->is_validator ) continue;
    members[ i ] = (dmg_dev_member_t){ .account = full_accounts[ i ].address, .peer = dmg_span( n->peer.b, n->peer.sz ), .bond = 1000000ull*DMG_SPARKS_PER_CGT };
    memcpy( members[ i ].secret, n->secret, 32 );
  }
  /* Validators ascend by account. */
  for( uint32_t i = 1; i<c->n; i++ ) for( uint32_t k = i; k && memcmp( members[ k ].account.b, members[ k-1 ].account.b, 32 )<0; k-- ) { dmg_dev_member_t t = members[ k ]; members[ k ] = members[ k-1 ]; members[ k-1 ] = t; }
  dmg_dev_genesis_cfg_t g = { .time_ms = (uint64_t)FULL_GENESIS_S*1000, .name = "sim", .modules = full_modules, .module_cnt = 2, .members = members, .member_cnt = c->n, .epoch_blocks = c->epoch_blocks };
  if( dmg_dev_genesis( &g, full_accounts, w->arena, &w->genesis ) ) return false;
  w->chain_id = dmg_genesis_hash( w->genesis );
  for( uint32_t i = 0; i<w->node_cnt; i++ ) full_node_disk( w, &w->nodes[ i ], true );
  return full_check_open( w ) && learn_transfer( w );
}

static void end( full_world_t * w ) {
  if( w->thief.port ) full_thief_end( w );
  for( uint32_t i = 0; i<w->node_cnt; i++ ) full_node_fini( w, &w->nodes[ i ] );
  full_check_close( w );
  dmg_mem_net_free( w->net );
  dmg_arena_free( w->arena );
  dmg_arena_free( w->scratch );
  free( w->finals );
}

/* ---- Heal ---- */

static uint64_t raised( uint64_t base, uint64_t steps, uint64_t cap ) { for( ; steps && base<cap; steps-- ) base += base/2; return base<cap ? base : cap; }

static full_node_t * by_signer( full_world_t * w, int signer ) {
  for( uint32_t i = 0; i<w->cfg.n && signer>=0; i++ ) if( dmg_set_find( &w->light.set, w->nodes[ i ].key )==signer ) return &w->nodes[ i ];
  return NULL;
}

/* Of each window met whose leader is dead or which may have been nullified when heal began: its time-outs and T' (C4.8). */
static uint64_t allowance( full_world_t * w ) {
  uint64_t most = 0;
  for( uint32_t i = 0; i<w->cfg.n; i++ ) {
    full_node_t * n = &w->nodes[ i ];
    if( !n->is_up ) continue;
    dmg_validator_info_t v;
    dmg_validator_info( dmg_joint_validator( n->joint ), &v );
    dmg_record_t const * r = &n->chain->record;
    uint64_t L = r->window, sum = 0, k_fin = v.cons.final_view ? ( v.cons.final_view-1 )/L : 0;
    for( uint64_t k = k_fin; k<=( v.cons.cur-1 )/L; k++ ) {
      uint64_t lag = k-k_fin;
      sum += raised( 650000, lag>2 ? lag-2 : 0, 30000000 )+raised( 250000, lag>8 ? lag-8 : 0, 10000000 );
    }
    /* The next leaders, until one is alive. */
    for( uint64_t k = ( v.cons.cur-1 )/L+1; k<=( v.cons.cur-1 )/L+2*w->cfg.n; k++ ) {
      full_node_t * l = by_signer( w, dmg_validator_leader( dmg_joint_validator( n->joint ), v.cons.epoch, k*L+1 ) );
      uint64_t lag = k-k_fin;
      sum += raised( 650000, lag>2 ? lag-2 : 0, 30000000 )+raised( 250000, lag>8 ? lag-8 : 0, 10000000 );
      if( l && l->is_up ) break;
    }
    if( sum>most ) most = sum;
  }
  return most;
}

/* C12.2: faults end; exactly q of weight alive, chosen anew: who cannot vote any more is among the dead, if it is one. */
static void heal( full_world_t * w ) {
  full_trace( "HEAL" );
  full_check_calm( w, true );
  w->is_healing = true;
  w->heal_us    = w->now;
  full_faults_end( w );
  for( uint32_t i = 0; i<w->node_cnt && !w->why[ 0 ]; i++ ) if( !w->nodes[ i ].is_up ) full_node_start( w, &w->nodes[ i ] );
  if( w->why[ 0 ] ) return;
  uint32_t q = 2*w->cfg.n/3+1, dead = 0, f = w->cfg.n-q;
  /* Liars first, then those who may only observe, now or once they have read their disk. */
  for( unsigned round = 0; round<4; round++ )
    for( uint32_t k = 0, at = (uint32_t)( dmg_rnd_u64( &w->chance )%w->cfg.n ); k<w->cfg.n && dead<f; k++, at = ( at+1 )%w->cfg.n ) {
      full_node_t * n = &w->nodes[ at ];
      if( !n->is_up || ( round==0 && !n->is_liar && !n->is_stolen ) || ( round==1 && full_node_votes( w, n ) ) || ( round==2 && !n->is_unread ) ) continue;
      full_node_kill( w, n, "it stays dead" );
      n->start_us = 0;
      dead++;
    }
  uint32_t voters = 0;
  for( uint32_t i = 0; i<w->cfg.n; i++ ) voters += !w->nodes[ i ].is_liar && !w->nodes[ i ].is_stolen && full_node_votes( w, &w->nodes[ i ] );
  w->heal_height  = w->finals_top;
  /* Lines that failed are dialled again after 5 s at most and their hellos answered; a start waits for peers up to 2 s (C6.5). */
  w->allowance_us = 20000000+10000000+allowance( w );
  if( voters<q ) { full_trace( "only %u may vote: nothing can become final", voters ); w->live_us = w->now; w->allowance_us = 0; }
}

static bool is_live( full_world_t * w ) {
  for( uint32_t i = 0; i<w->node_cnt; i++ ) {
    full_node_t const * n = &w->nodes[ i ];
    if( n->is_up && n->chain->head.block.height<=w->heal_height ) return false;
  }
  return true;
}

static bool all_txs_final( full_world_t * w ) {
  for( uint32_t i = 0; i<FULL_ACCOUNTS; i++ ) {
    full_account_t * a = &w->accounts[ i ];
    if( a->is_open && full_is_final( w, &a->id ) ) { a->is_open = false; a->nonce++; w->stats.txs_final++; }
    if( a->is_open ) return false;
  }
  return true;
}

/* True: the world is over. */
static bool heal_tick( full_world_t * w ) {
  if( !w->live_us ) {
    if( is_live( w ) ) {
      w->live_us     = w->now;
      w->live_height = w->finals_top;
      w->stats.heal_us = w->now-w->heal_us;
      full_trace( "LIVE %lu ms after heal", (unsigned long)( w->stats.heal_us/1000 ) );
    } else if( w->now>w->heal_us+w->allowance_us ) full_fail( "I12: no new final block on every live node %lu ms after heal (height %lu)", (unsigned long)( ( w->now-w->heal_us )/1000 ), (unsigned long)w->heal_height );
    return false;
  }
  if( !w->allowance_us ) return w->now>w->live_us+5000000;
  uint64_t dead_us = allowance( w );   /* windows of the dead, in a row now and then */
  if( dead_us>w->dead_us ) w->dead_us = dead_us;
  if( w->now<w->live_us+w->cfg.heal_us ) return false;
  if( w->finals_top<w->live_height+w->cfg.heal_us/1000000 && w->now<w->live_us+w->cfg.heal_us+w->dead_us ) return false;
  if( w->finals_top<w->live_height+w->cfg.heal_us/1000000 ) full_fail( "I12: only %lu blocks in %lu s after heal", (unsigned long)( w->finals_top-w->live_height ), (unsigned long)( w->cfg.heal_us/1000000 ) );
  for( uint32_t i = 0; i<w->node_cnt; i++ ) {
    full_node_t const * n = &w->nodes[ i ];
    if( n->is_up && n->chain->head.block.height+12<w->finals_top ) full_fail( "I12: node %u is at height %lu of %lu", n->id, (unsigned long)n->chain->head.block.height, (unsigned long)w->finals_top );
  }
  /* A client's transfer is in the pool of who leads next within its retries. */
  if( all_txs_final( w ) ) return true;
  if( w->now>w->live_us+w->cfg.heal_us+30000000 ) { full_fail( "a transfer is not final %lu s after heal", (unsigned long)( ( w->now-w->live_us )/1000000 ) ); return true; }
  return false;
}

/* ---- Time ---- */

static uint64_t node_due( full_world_t * w, full_node_t * n ) {
  if( !n->is_up ) return n->start_us ? n->start_us : UINT64_MAX;
  uint64_t at = dmg_min_u64( n->wake_us, dmg_mem_port_due( n->port ) );
  return dmg_max_u64( dmg_max_u64( at, n->busy_us ), n->paused_us );
}

static void mix( full_world_t * w, uint64_t x ) { w->digest = ( w->digest^x )*0x9e3779b97f4a7c15u; w->digest ^= w->digest>>29; }

static void digest_node( full_world_t * w, full_node_t * n ) {
  mix( w, w->now*31+n->id );
  if( !n->is_up ) return;
  mix( w, dmg_load_u64le( n->chain->head.root.b ) );
  if( n->turns%256==0 ) {
    dmg_validator_info_t i;
    dmg_validator_info( dmg_joint_validator( n->joint ), &i );
    mix( w, dmg_cons_digest( ( (struct dmg_validator *)dmg_joint_validator( n->joint ) )->core ) );
    mix( w, i.cons.cur*7+i.signs );
  }
}

static void moment( full_world_t * w ) {
  uint64_t next = dmg_min_u64( w->tx_us, dmg_mem_net_own_due( w->net ) );
  for( uint32_t i = 0; i<w->node_cnt; i++ ) next = dmg_min_u64( next, node_due( w, &w->nodes[ i ] ) );
  next = dmg_min_u64( next, full_thief_due( w ) );
  if( !w->is_healing ) next = dmg_min_u64( next, dmg_max_u64( w->cfg.chaos_us, w->now ) );
  else                 next = dmg_min_u64( next, w->now+1000000 );
  for( uint32_t i = 0; i<w->fault_cnt && !w->is_healing; i++ ) {
    full_fault_t const * f = &w->faults[ i ];
    if( f->at_us>w->now ) next = dmg_min_u64( next, f->at_us );
    if( f->until_us>w->now ) next = dmg_min_u64( next, f->until_us );
  }
  uint64_t was = w->now;
  if( next>w->now ) w->now = next;
  dmg_mem_net_advance( w->net, w->now );
  for( uint32_t i = 0; i<w->fault_cnt && !w->is_healing; i++ ) {
    full_fault_t * f = &w->faults[ i ];
    if( f->is_off ) continue;
    if( f->at_us>was && f->at_us<=w->now ) full_fault_apply( w, f, true );
    if( f->until_us>was && f->until_us<=w->now ) full_fault_apply( w, f, false );
  }
  if( !w->is_healing && w->now>=w->cfg.chaos_us ) heal( w );
  if( w->tx_us<=w->now ) tx_tick( w );
  full_thief_turn( w );
  full_check_calm( w, false );
  for( uint32_t k = 0, at = (uint32_t)( dmg_rnd_u64( &w->order )%w->node_cnt ); k<w->node_cnt && !w->why[ 0 ]; k++, at = ( at+1 )%w->node_cnt ) {
    full_node_t * n = &w->nodes[ at ];
    if( node_due( w, n )>w->now ) continue;
    if( n->is_up ) full_node_turn( w, n );
    else           full_node_start( w, n );
    digest_node( w, n );
  }
}

bool full_run( full_world_t * w, uint64_t seed, full_cfg_t const * cfg, full_fault_t const * faults, uint32_t fault_cnt, FILE * trace ) {
  enum { SAME_MAX = 20000 };   /* moments at one time: more is a node that never rests */
  memset( w, 0, sizeof *w );
  full_w       = w;
  w->cfg       = *cfg;
  w->seed      = seed;
  w->trace     = trace;
  w->chance    = seed*6+1;
  w->tx_chance = seed*6+2;
  w->order     = seed*6+3;
  w->lies      = seed*6+5;
  w->net       = dmg_mem_net_new( seed*6+4 );
  w->now       = dmg_mem_net_now( w->net );
  w->tx_us     = w->now+3000000;
  w->arena     = dmg_arena_new( 64<<20 );
  w->scratch   = dmg_arena_new( 16<<20 );
  DMG_ASSERT( w->arena && w->scratch );
  dmg_mem_net_faults( w->net, &(dmg_mem_faults_t){ .delay_us = cfg->delay_us, .jitter_us = cfg->jitter_us } );
  if( !make( w ) ) full_fail( "the world does not begin" );
  if( faults ) { memcpy( w->faults, faults, fault_cnt*sizeof *faults ); w->fault_cnt = fault_cnt; }
  else         full_faults_make( w );
  for( uint32_t i = 0; i<w->node_cnt; i++ ) {
    full_node_t * n = &w->nodes[ i ];
    n->start_us = w->now+dmg_rnd_u64( &w->chance )%300000;
    if( !n->is_validator ) n->start_us += dmg_rnd_u64( &w->chance )%( cfg->chaos_us/2 );
  }
  uint64_t same = 0, was = 0;
  while( !w->why[ 0 ] ) {
    moment( w );
    same = w->now==was ? same+1 : 0;
    was  = w->now;
    if( same>SAME_MAX ) full_fail( "nothing rests at %lu us", (unsigned long)w->now );
    if( w->is_healing && !w->why[ 0 ] && heal_tick( w ) ) break;
  }
  if( !w->why[ 0 ] ) { full_check_calm( w, true ); full_check_end( w ); }
  mix( w, w->finals_top );
  end( w );
  full_w = NULL;
  return !w->why[ 0 ];
}
