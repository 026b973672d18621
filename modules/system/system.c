/* system: keys and thresholds of accounts, proposals on chain, the note (M1.1-M1.9).  Interface: system.dmi.

   First activation, nonces, signatures, beacon, topics and the block record are native code's (R4.5); it reads and writes the
   same items.  A closed account keeps its record, without keys: its kill epoch must never fall, and no signature from before may run
   again (M1.7). */
#include "system_abi.h"

#define SLOTS          16u
#define LEVEL_USE      1u
#define LEVEL_OWNER    2u
#define CALLS_SZ_MAX   4096u
#define MSIG_OPEN_MAX  32u
#define MSIG_LIFE_MS   ( 7*DM_DAY_MS )
#define NEVER          65535u           /* thresholds of a closed account */

/* Bytes of a public key by scheme (M1.2a): Ed25519, secp256k1, P-256, WebAuthn, BLS. */
static uint8_t const key_sz[] = { 32, 33, 33, 33, 96 };
#define SCHEME_CNT ( sizeof key_sz/sizeof *key_sz )

/* ---- Keys ---- */

static dm_fault_t load( account_t * out ) { return account_get( dm_actor(), out ) ? 0 : fault_not_found(); }

/* M1.4: each change of keys voids what was approved under the old ones. */
static dm_fault_t store( account_t * account ) {
  if( account->auth_epoch==UINT32_MAX ) return fault_overflow();
  account->auth_epoch++;
  account_put( dm_actor(), account );
  return 0;
}

/* Weights in all slots but one; a slot counts for use at either level. */
typedef struct { uint32_t use, owner; } weight_t;
static weight_t weigh( uint32_t but ) {
  weight_t w = { 0, 0 };
  auth_t a;
  for( uint8_t s = 0; s<SLOTS; s++ ) {
    if( s==but || !auth_get( dm_actor(), s, &a ) ) continue;
    w.use += a.weight;
    if( a.level==LEVEL_OWNER ) w.owner += a.weight;
  }
  return w;
}

static bool is_reachable( weight_t w, uint32_t t_use, uint32_t t_owner ) { return w.use>=t_use && w.owner>=t_owner; }

/* The proof signs H("dmg/auth/pop/v1", chain || account || BCS(key)): nobody adds a key he does not hold. */
static dm_fault_t check_key( key_t const * key, dm_span_t const * proof ) {
  static uint8_t msg[ 64+32+32+1+1+96 ];
  auth_t a;
  if( key->scheme>=SCHEME_CNT || key->key.n!=key_sz[ key->scheme ] ) return fault_bad_argument( "key" );
  for( uint8_t s = 0; s<SLOTS; s++ )
    if( auth_get( dm_actor(), s, &a ) && a.key.n==key->key.n && dm_eq( a.key.b, key->key.b, a.key.n ) ) return fault_key_in_use();
  dm_wr_t w = dm_wr( msg+64, sizeof msg-64 );
  dm_wr_hash( &w, &dm_env()->chain );
  dm_wr_hash( &w, dm_actor() );
  wr_key( &w, key );
  dm_hash_t h = DM_TAGGED( "dmg/auth/pop/v1", msg, dm_wr_sz( &w, msg+64 ) );
  return dm1_verify( key->scheme, key->key.b, key->key.n, &h, 32, proof->p, proof->n )==1 ? 0 : fault_bad_proof();
}

static dm_fault_t on_add_auth( add_auth_in_t const * in, uint8_t * out ) {
  account_t account;
  uint8_t slot = 0;
  DM_TRY( load( &account ) );
  if( in->level!=LEVEL_USE && in->level!=LEVEL_OWNER ) return fault_bad_argument( "level" );
  if( !in->weight ) return fault_bad_argument( "weight" );
  while( slot<SLOTS && auth_has( dm_actor(), slot ) ) slot++;
  if( slot==SLOTS ) return fault_limit_reached( SLOTS );
  DM_TRY( check_key( &in->key, &in->proof ) );
  auth_t a = { .scheme = in->key.scheme, .key = in->key.key, .level = in->level, .weight = in->weight, .label = in->label, .active_from_ms = dm_now() };
  auth_put( dm_actor(), slot, &a );
  DM_TRY( store( &account ) );
  emit_auth_added( dm_actor(), slot, a.scheme, a.level, a.weight, account.auth_epoch );
  *out = slot;
  return 0;
}

static dm_fault_t on_rotate( rotate_in_t const * in ) {
  account_t account;
  auth_t a;
  DM_TRY( load( &account ) );
  if( !auth_get( dm_actor(), in->slot, &a ) ) return fault_not_found();
  DM_TRY( check_key( &in->key, &in->proof ) );
  a.scheme         = in->key.scheme;
  a.key            = in->key.key;
  a.active_from_ms = dm_now();
  auth_put( dm_actor(), in->slot, &a );
  DM_TRY( store( &account ) );
  emit_rotated( dm_actor(), in->slot, a.scheme, account.auth_epoch );
  return 0;
}

static dm_fault_t on_remove_auth( remove_auth_in_t const * in ) {
  account_t account;
  DM_TRY( load( &account ) );
  if( in->slot>=SLOTS || !auth_has( dm_actor(), in->slot ) ) return fault_not_found();
  if( !is_reachable( weigh( in->slot ), account.t_use, account.t_owner ) ) return fault_threshold_unreachable();
  auth_del( dm_actor(), in->slot );
  DM_TRY( store( &account ) );
  emit_auth_removed( dm_actor(), in->slot, account.auth_epoch );
  return 0;
}

static dm_fault_t on_set_thresholds( set_thresholds_in_t const * in ) {
  account_t account;
  DM_TRY( load( &account ) );
  if( !in->use )   return fault_bad_argument( "use" );
  if( !in->owner ) return fault_bad_argument( "owner" );
  if( !is_reachable( weigh( SLOTS ), in->use, in->owner ) ) return fault_threshold_unreachable();
  account.t_use   = in->use;
  account.t_owner = in->owner;
  DM_TRY( store( &account ) );
  emit_thresholds_set( dm_actor(), in->use, in->owner, account.auth_epoch );
  return 0;
}

/* ---- Proposals on chain ---- */

/* M0.11, M1.3: void after a change of keys or a kill, and when its time is over. */
static bool is_live( msig_t const * m, account_t const * account ) {
  return dm_now()<m->until_ms && m->auth_epoch==account->auth_epoch && m->kill_epoch==account->kill_epoch;
}

static uint8_t msig_raw[ MSIG_RAW_SZ ];

static dm_fault_t on_msig_propose( msig_propose_in_t const * in, uint32_t * out ) {
  account_t account;
  msig_t old;
  DM_TRY( load( &account ) );
  if( !in->calls.cnt || 1+in->calls.n>CALLS_SZ_MAX ) return fault_bad_argument( "calls" );
  if( in->level!=LEVEL_USE && in->level!=LEVEL_OWNER ) return fault_bad_argument( "level" );
  uint64_t id = msig_seq_get( dm_actor() );
  if( id>=UINT32_MAX ) return fault_limit_reached( UINT32_MAX );
  /* At most 32 open: the one 32 before must be gone, or void and goes now. */
  if( id>=MSIG_OPEN_MAX && msig_get( dm_actor(), (uint32_t)( id-MSIG_OPEN_MAX ), msig_raw, &old ) ) {
    if( is_live( &old, &account ) ) return fault_limit_reached( MSIG_OPEN_MAX );
    msig_del( dm_actor(), (uint32_t)( id-MSIG_OPEN_MAX ) );
  }
  DM_TRY( msig_seq_add( dm_actor(), 1 ) );
  msig_t m = { .calls = in->calls, .approvals = dm_env()->signers, .level = in->level, .auth_epoch = account.auth_epoch, .kill_epoch = account.kill_epoch,
               .until_ms = dm_now()+MSIG_LIFE_MS };
  msig_put( dm_actor(), (uint32_t)id, &m );
  emit_msig_proposed( dm_actor(), (uint32_t)id, m.level, m.until_ms );
  *out = (uint32_t)id;
  return 0;
}

static dm_fault_t on_msig_approve( msig_approve_in_t const * in, bool * out ) {
  account_t account;
  msig_t m;
  auth_t a;
  uint32_t sum = 0;
  DM_TRY( load( &account ) );
  if( !msig_get( dm_actor(), in->id, msig_raw, &m ) ) return fault_not_found();
  if( !is_live( &m, &account ) ) return fault_expired();
  m.approvals |= dm_env()->signers;
  for( uint8_t s = 0; s<SLOTS; s++ ) {
    if( !( m.approvals>>s&1 ) || !auth_get( dm_actor(), s, &a ) || a.active_from_ms>dm_now() ) continue;
    if( m.level==LEVEL_USE || a.level==LEVEL_OWNER ) sum += a.weight;
  }
  *out = sum>=( m.level==LEVEL_OWNER ? account.t_owner : account.t_use );
  msig_put( dm_actor(), in->id, &m );
  emit_msig_approved( dm_actor(), in->id, m.approvals, *out );
  return 0;
}

static dm_fault_t on_msig_cancel( msig_cancel_in_t const * in ) {
  if( !msig_has( dm_actor(), in->id ) ) return fault_not_found();
  msig_del( dm_actor(), in->id );
  emit_msig_cancelled( dm_actor(), in->id );
  return 0;
}

/* ---- Note, closing ---- */

static dm_fault_t on_note( note_in_t const * in ) { (void)in; return 0; }

static dm_fault_t on_close_account( close_account_in_t const * in ) {
  account_t account;
  DM_TRY( load( &account ) );
  if( dm_hash_eq( dm_actor(), &in->to ) ) return fault_bad_argument( "to" );
  if( account.kill_epoch==UINT64_MAX ) return fault_overflow();
  for( uint8_t s = 0; s<SLOTS; s++ ) if( auth_has( dm_actor(), s ) ) auth_del( dm_actor(), s );
  account.kill_epoch++;
  account.t_use = account.t_owner = NEVER;
  DM_TRY( store( &account ) );
  emit_account_closed( dm_actor(), &in->to );
  return 0;
}

/* ---- Queries ---- */

static dm_fault_t on_account( account_in_t const * in, account_view_opt_t * out ) {
  out->has = account_get( &in->account, &out->v.account );
  if( !out->has ) return 0;
  for( uint8_t s = 0; s<SLOTS; s++ ) {
    auth_view_t * v = &out->v.auths.v[ out->v.auths.n ];
    if( !auth_get( &in->account, s, &v->auth ) ) continue;
    v->slot = s;
    out->v.auths.n++;
  }
  return 0;
}

static dm_fault_t on_lane( lane_in_t const * in, uint64_t * out ) {
  if( !lane_get( &in->account, in->lane, out ) ) *out = 0;
  return 0;
}

static dm_fault_t on_msig( msig_in_t const * in, msig_opt_t * out ) {
  out->has = msig_get( &in->account, in->id, msig_raw, &out->v );
  return 0;
}

static dm_fault_t on_beacon( beacon_in_t const * in, hash_opt_t * out ) {
  out->has = dm1_beacon( in->height, &out->v )>=0;
  return 0;
}

/* ---- Genesis ---- */

/* M1.2a: no key twice, weights and levels in order, thresholds reachable. */
static dm_fault_t check_init( account_init_t const * c ) {
  weight_t w = { 0, 0 };
  if( !c->auths.n ) return fault_bad_argument( "auths" );
  for( uint32_t i = 0; i<c->auths.n; i++ ) {
    init_auth_t const * a = &c->auths.v[ i ];
    if( a->scheme>=SCHEME_CNT || a->key.n!=key_sz[ a->scheme ] ) return fault_bad_argument( "key" );
    if( a->level!=LEVEL_USE && a->level!=LEVEL_OWNER ) return fault_bad_argument( "level" );
    if( !a->weight ) return fault_bad_argument( "weight" );
    for( uint32_t k = 0; k<i; k++ )
      if( c->auths.v[ k ].key.n==a->key.n && dm_eq( c->auths.v[ k ].key.b, a->key.b, a->key.n ) ) return fault_key_in_use();
    w.use += a->weight;
    if( a->level==LEVEL_OWNER ) w.owner += a->weight;
  }
  return c->t_use && c->t_owner && is_reachable( w, c->t_use, c->t_owner ) ? 0 : fault_threshold_unreachable();
}

static dm_fault_t on_init( init_in_t const * in ) {
  static uint8_t buf[ 64+2048 ];
  static account_init_t c;
  dm_list_t list = in->config.accounts;
  for(;;) {
    uint8_t const * raw = list.p;
    if( !account_init_next( &list, &c ) ) return 0;
    DM_TRY( check_init( &c ) );
    uint32_t n = (uint32_t)( list.p-raw );
    memcpy( buf+64, raw, n );   /* at most 1,630 bytes */
    dm_address_t who = DM_TAGGED( "dmg/addr/v1", buf, n );
    if( account_has( &who ) ) return fault_bad_argument( "accounts" );
    account_t account = { .kind = 0, .t_use = c.t_use, .t_owner = c.t_owner, .created_ms = dm_now() };
    account_put( &who, &account );
    for( uint8_t s = 0; s<c.auths.n; s++ ) {   /* 16 at most: NOLINT(bugprone-too-small-loop-variable) */
      auth_t a = { .scheme = c.auths.v[ s ].scheme, .key = c.auths.v[ s ].key, .level = c.auths.v[ s ].level, .weight = c.auths.v[ s ].weight };
      auth_put( &who, s, &a );
    }
  }
}

/* The records that native code wrote before the modules' own. */
static dm_fault_t on_check( void ) {
  vm_t vm;
  module_t own;
  if( !vm_get( &vm ) || !vm.instr_version || !vm.host_api ) return fault_broken( "no record of the machine" );
  if( !module_get( MODULE_ID, &own ) ) return fault_broken( "System is not registered" );
  if( own.storage_version!=STORAGE_VERSION ) return fault_broken( "another storage version" );
  return 0;
}

DM_MODULE( system, .add_auth = on_add_auth, .rotate = on_rotate, .remove_auth = on_remove_auth, .set_thresholds = on_set_thresholds,
           .msig_propose = on_msig_propose, .msig_approve = on_msig_approve, .msig_cancel = on_msig_cancel, .note = on_note, .close_account = on_close_account,
           .account = on_account, .lane = on_lane, .msig = on_msig, .beacon = on_beacon, .init = on_init, .check = on_check )
