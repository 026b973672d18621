/* bench_load: writes signed transactions for a chain, as frames, to stdout.

     bench_load addresses                                          of the 500 accounts
     bench_load addresses FIRST CNT                                of the crowd
     bench_load fund CHAIN EXPIRY SCHEMA_TRANSFER SCHEMA_MANY GAS FEE_MAX NONCE SPARKS_EACH [FIRST CNT]
     bench_load open CHAIN EXPIRY SCHEMA_TRANSFER SCHEMA_MANY GAS FEE_MAX
     bench_load uniform|hot20|hot100 CHAIN EXPIRY SCHEMA_TRANSFER SCHEMA_MANY GAS FEE_MAX [CNT [SZ SCHEMA_NOTE]]

   Hashes are hex with or without 0x.  A mix prints its digest on stderr.  SZ, 400 to 3,000: bytes of each transfer of a mix, made up by notes.
   Alice is the dev chain's, or of the words in the file $DMG_BENCH_WORDS (`mnemonic` of a testnet). */
#include "workload.h"
#include "base/cpu.h"
#include "base/os.h"
#include "crypto/bech32.h"
#include "node/dev_genesis.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static _Noreturn void usage( char const * what ) {
  fprintf( stderr, "bench_load: %s; see the head of bench/node/bench_load.c\n", what );
  exit( 2 );
}

static dmg_hash_t hash_arg( char const * text ) {
  dmg_hash_t h;
  if( !strncmp( text, "0x", 2 ) ) text += 2;
  if( dmg_hex_decode( text, strlen( text ), h.b, 32 ) ) usage( "a hash is 64 hex digits" );
  return h;
}

static uint64_t u64_arg( char const * text ) {
  char * end;
  uint64_t v = strtoull( text, &end, 10 );
  if( *end || !*text ) usage( "a number is decimal" );
  return v;
}

static uint32_t u32_arg( char const * text ) {
  uint64_t v = u64_arg( text );
  if( v>1000000000 ) usage( "a crowd has at most 1,000,000,000" );
  return (uint32_t)v;
}

int main( int argc, char ** argv ) {
  static dmg_workload_t load;
  dmg_crypto_init( dmg_cpu_flags() );
  if( argc<2 ) usage( "what to write is missing" );
  char const * what = argv[ 1 ];
  dmg_workload_init( &load );
  if( !strcmp( what, "addresses" ) ) {
    bool     is_crowd = argc==4;
    uint32_t first = is_crowd ? u32_arg( argv[ 2 ] ) : 0, cnt = is_crowd ? u32_arg( argv[ 3 ] ) : DMG_WORKLOAD_ACCOUNT_CNT;
    for( uint32_t i = first; i<first+cnt; i++ ) {
      char text[ DMG_ADDRESS_TEXT_SZ+1 ];
      dmg_hash_t a = is_crowd ? dmg_workload_crowd( i ) : load.accounts[ i ].address;
      dmg_address_text( &a, text );
      puts( text );
    }
    return 0;
  }
  if( argc<8 ) usage( "arguments are missing" );
  load.chain           = hash_arg( argv[ 2 ] );
  load.expiry          = u64_arg( argv[ 3 ] );
  load.schema_transfer = hash_arg( argv[ 4 ] );
  load.schema_many     = hash_arg( argv[ 5 ] );
  load.gas             = u64_arg( argv[ 6 ] );
  load.fee_max         = u64_arg( argv[ 7 ] );

  dmg_buf_t out = dmg_buf( (size_t)1<<30 );
  dmg_err_t err;
  if( !strcmp( what, "fund" ) ) {
    dmg_dev_account_t dev[ DMG_DEV_KEY_CNT ];
    dmg_workload_account_t alice;
    if( argc!=10 && argc!=12 ) usage( "fund wants a nonce and an amount, and which of the crowd" );
    char const * words_file = getenv( "DMG_BENCH_WORDS" );
    dmg_buf_t words = dmg_buf( 1024 );
    err = words_file ? dmg_os_file_read( words_file, 1024, &words ) : DMG_OK;
    while( words.sz && words.p[ words.sz-1 ]=='\n' ) words.sz--;
    if( !err ) err = words_file ? dmg_dev_accounts_of( dmg_buf_span( &words ), DMG_DEV_KEY_CNT, dev ) : dmg_dev_accounts( dev );
    dmg_buf_fini( &words );
    memcpy( alice.secret, dev[ 0 ].secret, 32 );
    memcpy( alice.key, dev[ 0 ].key, 32 );
    alice.address = dev[ 0 ].address;
    if( !err && argc==10 ) err = dmg_workload_fund( &load, &alice, u64_arg( argv[ 8 ] ), u64_arg( argv[ 9 ] ), &out );
    else if( !err )        err = dmg_workload_fund_crowd( &load, &alice, u64_arg( argv[ 8 ] ), u64_arg( argv[ 9 ] ), u32_arg( argv[ 10 ] ), u32_arg( argv[ 11 ] ), &out );
  } else if( !strcmp( what, "open" ) ) err = dmg_workload_open( &load, &out );
  else {
    uint32_t mix = 0;
    uint64_t digest, cnt = argc>8 ? u64_arg( argv[ 8 ] ) : DMG_WORKLOAD_CNT;
    while( mix<DMG_WORKLOAD_MIX_CNT && strcmp( what, dmg_workload_mix_name[ mix ] ) ) mix++;
    if( mix==DMG_WORKLOAD_MIX_CNT ) usage( "the mixes are uniform, hot20, hot100" );
    if( cnt<1 || cnt>1000000 ) usage( "1 to 1,000,000 transfers" );
    if( argc>9 ) {
      load.pad_sz = u32_arg( argv[ 9 ] );
      if( argc!=11 || load.pad_sz<400 || load.pad_sz>3000 ) usage( "a size, 400 to 3,000, comes with the schema of system.note" );
      load.schema_note = hash_arg( argv[ 10 ] );
    }
    err = dmg_workload_mix( &load, (dmg_workload_mix_t)mix, (uint32_t)cnt, &digest, &out );
    if( !err ) fprintf( stderr, "%016" PRIx64 "\n", digest );
  }
  if( err ) { fprintf( stderr, "bench_load: %s\n", dmg_err_text( err ) ); return 1; }
  bool is_out = fwrite( out.p, 1, out.sz, stdout )==out.sz && !fflush( stdout );
  dmg_buf_fini( &out );
  return is_out ? 0 : 1;
}
