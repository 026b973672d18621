#include "node/dev_genesis.h"
#include "base/assert.h"
#include "crypto/bls.h"
#include "crypto/kdf.h"
#include "crypto/sig.h"
#include "types/address.h"
#include "types/asset.h"
#include "types/items.h"
#include "types/params.h"

#include <stdio.h>

#define YEAR_MS        ( 365ull*86400000ull )
#define DEV_ALLOCATION ( 1000000ull*DMG_SPARKS_PER_CGT )

static char const * const account_name[ DMG_DEV_KEY_CNT ] = { "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "node1" };

dmg_err_t dmg_dev_accounts_of( dmg_span_t mnemonic, uint32_t key_cnt, dmg_dev_account_t * out ) {
  uint8_t seed[ DMG_BIP39_SEED_SZ ];
  DMG_ASSERT( key_cnt<=DMG_DEV_KEY_MAX );
  DMG_TRY( dmg_bip39_seed( mnemonic, dmg_span( NULL, 0 ), seed ) );
  for( uint32_t a = 0; a<key_cnt; a++ ) {
    dmg_dev_account_t * acc = &out[ a ];
    if( a<DMG_DEV_KEY_CNT ) snprintf( acc->name, sizeof acc->name, "%s", account_name[ a ] );
    else                    snprintf( acc->name, sizeof acc->name, "dev%u", a );
    DMG_TRY( dmg_key_derive_ed25519( dmg_span( seed, sizeof seed ), DMG_KEY_COIN_TEST, a, acc->secret ) );
    dmg_ed25519_public( acc->secret, acc->key );
    dmg_account_init_t init = dmg_account_init_plain( DMG_SIG_ED25519, dmg_span( acc->key, 32 ) );
    acc->address = dmg_address_of( &init );
  }
  return DMG_OK;
}
dmg_err_t dmg_dev_accounts_n( uint32_t key_cnt, dmg_dev_account_t * out ) { return dmg_dev_accounts_of( DMG_SPAN_STR( DMG_DEV_MNEMONIC ), key_cnt, out ); }
dmg_err_t dmg_dev_accounts( dmg_dev_account_t out[ DMG_DEV_KEY_CNT ] ) { return dmg_dev_accounts_n( DMG_DEV_KEY_CNT, out ); }

void dmg_dev_validator( uint8_t out_secret[ 32 ], uint8_t out_key[ 96 ] ) {
  dmg_hash_t ikm = dmg_h( DMG_TAG_DEV_BLS, DMG_SPAN_STR( "node1" ) );
  dmg_bls_key_t key;
  bool is_good = dmg_bls_keygen( dmg_hash_span( &ikm ), out_secret ) && dmg_bls_public( out_secret, &key );
  DMG_ASSERT( is_good );
  dmg_bls_key_store( &key, out_key );
}

/* M2.3, M2.4: a bucket's whole amount in CGT and when parts of it are released: years after genesis, CGT in all. */
typedef struct { uint64_t cgt; uint32_t step_cnt; struct { uint32_t year; uint64_t cgt; } step[ 10 ]; } bucket_plan_t;

static bucket_plan_t const bucket_plan[ DMG_BUCKET_CNT ] = {
  [ DMG_BUCKET_PLEROMA ]  = { 5200000000, 10, { { 1, 346666666 }, { 2, 693333333 }, { 3, 1040000000 }, { 4, 1560000000 }, { 5, 2080000000 }, { 6, 2600000000 },
                                                { 7, 2990000000 }, { 8, 3380000000 }, { 9, 3770000000 }, { 10, 4160000000 } } },
  [ DMG_BUCKET_ARCHON ]   = { 2600000000, 10, { { 1, 260000000 }, { 2, 520000000 }, { 3, 780000000 }, { 4, 1040000000 }, { 5, 1300000000 }, { 6, 1560000000 },
                                                { 7, 1820000000 }, { 8, 2080000000 }, { 9, 2340000000 }, { 10, 2600000000 } } },
  [ DMG_BUCKET_TREASURY ] = { 1300000000, 1, { { 0, 1300000000 } } },
  [ DMG_BUCKET_RESERVE ]  = {  650000000, 1, { { 0, 650000000 } } },
  [ DMG_BUCKET_TEAM ]     = { 1950000000, 4, { { 1, 487500000 }, { 2, 975000000 }, { 3, 1462500000 }, { 4, 1950000000 } } },
  [ DMG_BUCKET_OFFERING ] = { 1300000000, 1, { { 0, 1300000000 } } },
};

enum { CONFIG_SZ_MAX = 16384, SYSTEM_PART_ACCOUNTS = 8, SYSTEM_PART_SZ = 1024, SYSTEM_PART_MAX = ( DMG_DEV_KEY_MAX+SYSTEM_PART_ACCOUNTS-1 )/SYSTEM_PART_ACCOUNTS };

/* M15.7 with 32 zero bytes for the genesis hash, which cannot name itself, and seq 0. */
static void possession( uint8_t const secret[ 32 ], dmg_genesis_validator_t * v ) {
  dmg_sha256_t sha;
  uint8_t const zero[ 32 ] = { 0 }, seq[ 8 ] = { 0 };
  dmg_bls_sig_t sig;
  dmg_h_init( &sha, DMG_TAG_STAKE_POP );
  dmg_sha256_update( &sha, DMG_SPAN( zero ) );
  dmg_sha256_update( &sha, dmg_hash_span( &v->account ) );
  dmg_sha256_update( &sha, DMG_SPAN( seq ) );
  dmg_sha256_update( &sha, DMG_SPAN( v->key ) );
  dmg_sha256_update( &sha, v->peer );
  dmg_hash_t msg = dmg_sha256_final( &sha );
  bool is_good = dmg_bls_sign( secret, DMG_BLS_POP, dmg_hash_span( &msg ), &sig );
  DMG_ASSERT( is_good );
  dmg_bls_sig_store( &sig, v->pop );
}

/* system.dmi: Config { accounts list<AccountInit, 8> }, so eleven take two parts. */
static dmg_span_t system_config( dmg_dev_account_t const * const * accounts, uint32_t cnt, uint8_t * mem ) {
  dmg_bcs_wr_t w = dmg_bcs_wr( mem, SYSTEM_PART_SZ );
  dmg_bcs_wr_uleb( &w, cnt );
  for( uint32_t a = 0; a<cnt; a++ ) {
    dmg_account_init_t init = dmg_account_init_plain( DMG_SIG_ED25519, dmg_span( accounts[ a ]->key, 32 ) );
    dmg_account_init_write( &w, &init );
  }
  DMG_ASSERT( !w.is_full );
  return dmg_bcs_wr_span( &w );
}

/* balances.dmi: Config { buckets list<{id u8, total, schedule list<{at_ms, total}, 16>}, 6>, allocations list<{to, bucket u8, amount}, 400>, vesting list<.., 64> } */
static dmg_span_t balances_config( dmg_dev_account_t const * const * accounts, uint32_t cnt, uint64_t time_ms, uint8_t * mem ) {
  dmg_bcs_wr_t w = dmg_bcs_wr( mem, CONFIG_SZ_MAX );
  dmg_bcs_wr_uleb( &w, DMG_BUCKET_CNT );
  for( uint32_t b = 0; b<DMG_BUCKET_CNT; b++ ) {
    bucket_plan_t const * plan = &bucket_plan[ b ];
    dmg_bcs_wr_u8( &w, (uint8_t)b );
    dmg_bcs_wr_u64( &w, plan->cgt*DMG_SPARKS_PER_CGT );
    dmg_bcs_wr_uleb( &w, plan->step_cnt );
    for( uint32_t s = 0; s<plan->step_cnt; s++ ) {
      dmg_bcs_wr_u64( &w, time_ms+plan->step[ s ].year*YEAR_MS );
      dmg_bcs_wr_u64( &w, plan->step[ s ].cgt*DMG_SPARKS_PER_CGT );
    }
  }
  dmg_bcs_wr_uleb( &w, cnt );
  for( uint32_t a = 0; a<cnt; a++ ) {
    dmg_bcs_wr_fixed( &w, accounts[ a ]->address.b, 32 );
    dmg_bcs_wr_u8( &w, DMG_BUCKET_OFFERING );
    dmg_bcs_wr_u64( &w, DEV_ALLOCATION );
  }
  dmg_bcs_wr_uleb( &w, 0 );
  DMG_ASSERT( !w.is_full );
  return dmg_bcs_wr_span( &w );
}

dmg_err_t dmg_dev_genesis( dmg_dev_genesis_cfg_t const * cfg, dmg_dev_account_t const * accounts, dmg_arena_t * arena, dmg_span_t * out_bytes ) {
  enum { RAISE_CNT = 6 };
  uint8_t raised[ RAISE_CNT ][ 8 ];
  uint32_t member_cnt = cfg->members ? cfg->member_cnt : 1;
  if( member_cnt>DMG_GENESIS_VALIDATOR_MAX ) return DMG_ERR_INVALID;
  dmg_genesis_validator_t * validators = DMG_ARENA_NEW( arena, dmg_genesis_validator_t, member_cnt );
  if( !validators ) return DMG_ERR_LIMIT;
  for( uint32_t i = 0; i<member_cnt; i++ ) {
    dmg_dev_member_t m = cfg->members ? cfg->members[ i ] : (dmg_dev_member_t){ .account = accounts[ DMG_DEV_NODE1 ].address };
    dmg_bls_key_t key;
    uint8_t key_bytes[ 96 ];
    if( !cfg->members ) dmg_dev_validator( m.secret, key_bytes );
    if( !dmg_bls_public( m.secret, &key ) ) return DMG_ERR_INVALID;
    validators[ i ] = (dmg_genesis_validator_t){ .account = m.account, .peer = m.peer, .bond = m.bond };
    dmg_bls_key_store( &key, validators[ i ].key );
    possession( m.secret, &validators[ i ] );
    dmg_wipe( m.secret, sizeof m.secret );
  }

  /* Only what differs from the table's default is named; parameters ascend by (module, key). */
  struct { dmg_param_t param; uint64_t value; } const raise[ RAISE_CNT ] = {
    { DMG_PARAM_BLOCK_GAS, cfg->block_gas }, { DMG_PARAM_BLOCK_INTRINSIC, cfg->block_intrinsic }, { DMG_PARAM_BODY_MAX, cfg->body_max }, { DMG_PARAM_PACE_MS, cfg->pace_ms },
    { DMG_PARAM_PRICE_TARGET, cfg->price_target }, { DMG_PARAM_EPOCH_BLOCKS, cfg->epoch_blocks } };
  dmg_genesis_param_t params[ RAISE_CNT ];
  uint32_t param_cnt = 0;
  for( uint32_t i = 0; i<RAISE_CNT; i++ ) {
    if( !raise[ i ].value ) continue;
    dmg_param_desc_t const * d = &dmg_param_desc[ raise[ i ].param ];
    uint64_t parsed;
    dmg_store_u64le( raised[ i ], raise[ i ].value );
    if( !dmg_param_parse( raise[ i ].param, dmg_span( raised[ i ], 8 ), !cfg->members, &parsed ) || ( raise[ i ].param==DMG_PARAM_BODY_MAX && parsed>DMG_DEV_BODY_MAX ) ) return DMG_ERR_INVALID;
    params[ param_cnt++ ] = (dmg_genesis_param_t){ .module = d->module, .key = d->key, .value = dmg_span( raised[ i ], 8 ) };
  }

  dmg_dev_account_t const * there[ DMG_DEV_KEY_MAX ];
  uint32_t account_cnt = cfg->account_cnt ? cfg->account_cnt : DMG_DEV_ACCOUNT_CNT, cnt = 0, part_cnt = 0;
  if( account_cnt>DMG_DEV_ACCOUNT_MAX ) return DMG_ERR_INVALID;
  for( uint32_t a = 0; a<dmg_dev_key_cnt( account_cnt ); a++ ) if( dmg_dev_account_is_there( a, account_cnt ) ) there[ cnt++ ] = &accounts[ a ];

  dmg_genesis_module_t * modules = DMG_ARENA_NEW( arena, dmg_genesis_module_t, cfg->module_cnt );
  uint8_t * mem = dmg_arena_alloc( arena, CONFIG_SZ_MAX+(size_t)SYSTEM_PART_MAX*SYSTEM_PART_SZ );
  if( !modules || !mem ) return DMG_ERR_LIMIT;
  dmg_span_t system[ SYSTEM_PART_MAX ], balances = balances_config( there, cnt, cfg->time_ms, mem );
  for( uint32_t a = 0; a<cnt; a += SYSTEM_PART_ACCOUNTS, part_cnt++ )
    system[ part_cnt ] = system_config( there+a, cnt-a<SYSTEM_PART_ACCOUNTS ? cnt-a : SYSTEM_PART_ACCOUNTS, mem+CONFIG_SZ_MAX+(size_t)part_cnt*SYSTEM_PART_SZ );
  for( uint32_t m = 0; m<cfg->module_cnt; m++ ) {
    modules[ m ] = (dmg_genesis_module_t){ .id = cfg->modules[ m ].id, .code = dmg_code_hash( cfg->modules[ m ].code ) };
    if( modules[ m ].id==DMG_MODULE_SYSTEM )   { modules[ m ].config = system;    modules[ m ].config_cnt = part_cnt; }
    if( modules[ m ].id==DMG_MODULE_BALANCES ) { modules[ m ].config = &balances; modules[ m ].config_cnt = 1; }
  }
  dmg_genesis_t genesis = {
    .version = DMG_GENESIS_VERSION, .name = dmg_span_cstr( cfg->name ), .kind = cfg->members ? DMG_GENESIS_TEST : DMG_GENESIS_DEV, .time_ms = cfg->time_ms, .instr_version = 1, .host_api = 1,
    .params = params, .param_cnt = param_cnt, .modules = modules, .module_cnt = cfg->module_cnt, .validators = validators, .validator_cnt = member_cnt };
  dmg_buf_t buf = dmg_buf( DMG_GENESIS_SZ_MAX );
  dmg_err_t err = dmg_genesis_encode( &genesis, &buf );
  if( !err ) {
    *out_bytes = dmg_arena_dup( arena, dmg_buf_span( &buf ) );
    if( !out_bytes->p ) err = DMG_ERR_LIMIT;
  }
  dmg_buf_fini( &buf );
  return err;
}

uint32_t dmg_dev_genesis_account_cnt( dmg_genesis_t const * genesis ) {
  uint32_t cnt = 0;
  for( uint32_t m = 0; m<genesis->module_cnt && genesis->kind==DMG_GENESIS_DEV; m++ ) {
    if( genesis->modules[ m ].id!=DMG_MODULE_SYSTEM ) continue;
    /* Each part begins with its number of accounts, at most SYSTEM_PART_ACCOUNTS. */
    for( uint32_t p = 0; p<genesis->modules[ m ].config_cnt; p++ ) if( genesis->modules[ m ].config[ p ].sz ) cnt += genesis->modules[ m ].config[ p ].p[ 0 ];
  }
  return cnt && cnt<=DMG_DEV_KEY_MAX ? cnt-1 : 0;
}
