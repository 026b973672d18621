/* The five schemes: published vectors, edge cases, garbage, batches. */
#include "crypto/sig.h"

#include "base/cpu.h"
#include "crypto/bls.h"
#include "crypto/test_vectors.h"

static vec_t v;

static dmg_sig_t plain( dmg_span_t sig ) { return (dmg_sig_t){ .sig = sig }; }

static void test_ed25519_rfc8032( void ** state ) {
  for( vec_open( &v, "ed25519_rfc8032" ); vec_next( &v, 4 ); ) {
    uint8_t key[32], sig[64];
    uint8_t const * secret = vec_fixed( &v, 0, 32 );
    dmg_ed25519_public( secret, key );
    assert_memory_equal( key, vec_fixed( &v, 1, 32 ), 32 );
    dmg_ed25519_sign( secret, vec_span( &v, 3 ), sig );
    assert_memory_equal( sig, vec_fixed( &v, 2, 64 ), 64 );
    assert_true( dmg_ed25519_verify( key, vec_span( &v, 3 ), sig ) );
  }
}

/* Where ZIP 215 and Wycheproof's strict reading differ (one vector), ours is ZIP 215. */
static void test_ed25519_wycheproof( void ** state ) {
  size_t differ = 0;
  for( vec_open( &v, "ed25519_wycheproof" ); vec_next( &v, 5 ); ) {
    dmg_sig_t sig = plain( vec_span( &v, 2 ) );
    bool is_ok = dmg_sig_verify( DMG_SIG_ED25519, vec_span( &v, 0 ), vec_span( &v, 1 ), &sig );
    if( is_ok!=(bool)vec_num( &v, 4 ) ) fail_msg( "vector %zu", v.line_cnt );
    differ += vec_num( &v, 3 )!=vec_num( &v, 4 );
  }
  assert_int_equal( differ, 1 );
}

/* Singles, and the whole table in batches of every size. */
static void test_ed25519_zip215_single_equals_batch( void ** state ) {
  enum { MAX = 512 };
  static uint8_t    key[MAX][32], sig[MAX][64], msg[MAX][8], want[MAX];
  static dmg_ed25519_item_t item[MAX];
  size_t cnt = 0;
  for( vec_open( &v, "ed25519_zip215" ); vec_next( &v, 4 ); cnt++ ) {
    assert_true( cnt<MAX );
    dmg_span_t m = vec_span( &v, 1 );
    assert_true( m.sz<=8 );
    memcpy( key[cnt], vec_fixed( &v, 0, 32 ), 32 );
    memcpy( sig[cnt], vec_fixed( &v, 2, 64 ), 64 );
    memcpy( msg[cnt], m.p, m.sz );
    want[cnt] = (uint8_t)vec_num( &v, 3 );
    item[cnt] = (dmg_ed25519_item_t){ .key = key[cnt], .sig = sig[cnt], .msg = dmg_span( msg[cnt], m.sz ) };
    if( dmg_ed25519_verify( key[cnt], item[cnt].msg, sig[cnt] )!=(bool)want[cnt] ) fail_msg( "vector %zu", v.line_cnt );
  }
  uint8_t const seed[32] = { 1 };
  for( size_t n=1; n<=cnt; n = n<8 ? n+1 : n*2 ) {
    for( size_t at=0; at<cnt; at+=n ) {
      uint8_t ok[MAX/8];
      size_t  take = cnt-at<n ? cnt-at : n, good = 0;
      size_t  got = dmg_ed25519_verify_batch( item+at, take, seed, ok );
      for( size_t i=0; i<take; i++ ) {
        if( ( ok[i/8]>>i%8&1 )!=want[at+i] ) fail_msg( "vector %zu in a batch of %zu", at+i+1, take );
        good += want[at+i];
      }
      assert_int_equal( got, good );
    }
  }
}

static void ecdsa_wycheproof( char const * name, dmg_sig_scheme_t scheme ) {
  for( vec_open( &v, name ); vec_next( &v, 4 ); ) {
    dmg_sig_t sig = plain( vec_span( &v, 2 ) );
    bool is_ok = dmg_sig_verify( scheme, vec_span( &v, 0 ), vec_span( &v, 1 ), &sig );
    if( is_ok!=(bool)vec_num( &v, 3 ) ) fail_msg( "%s: vector %zu", name, v.line_cnt );
  }
}

static void test_secp256k1_wycheproof( void ** state ) { ecdsa_wycheproof( "ecdsa_secp256k1", DMG_SIG_SECP256K1 ); }
static void test_p256_wycheproof     ( void ** state ) { ecdsa_wycheproof( "ecdsa_secp256r1", DMG_SIG_P256 ); }

static void test_p256_rfc6979( void ** state ) {
  for( vec_open( &v, "p256_rfc6979" ); vec_next( &v, 3 ); ) {
    uint8_t sig[64];
    assert_true( dmg_p256_sign( vec_fixed( &v, 0, 32 ), vec_span( &v, 1 ), sig ) );
    assert_memory_equal( sig, vec_fixed( &v, 2, 64 ), 64 );
  }
}

static void test_ecdsa_signing_equals_a_peer( void ** state ) {
  for( vec_open( &v, "peer_ecdsa" ); vec_next( &v, 5 ); ) {
    bool is_k1 = !strcmp( v.text[0], "secp256k1" );
    uint8_t key[33], sig[64];
    uint8_t const * secret = vec_fixed( &v, 1, 32 );
    assert_true( is_k1 ? dmg_secp256k1_public( secret, key ) : dmg_p256_public( secret, key ) );
    assert_memory_equal( key, vec_fixed( &v, 2, 33 ), 33 );
    assert_true( is_k1 ? dmg_secp256k1_sign( secret, vec_span( &v, 3 ), sig ) : dmg_p256_sign( secret, vec_span( &v, 3 ), sig ) );
    assert_memory_equal( sig, vec_fixed( &v, 4, 64 ), 64 );
    dmg_sig_t s = plain( DMG_SPAN( sig ) );
    assert_true( dmg_sig_verify( is_k1 ? DMG_SIG_SECP256K1 : DMG_SIG_P256, DMG_SPAN( key ), vec_span( &v, 3 ), &s ) );
    /* The other curve's judge refuses it, or the key. */
    assert_false( dmg_sig_verify( is_k1 ? DMG_SIG_P256 : DMG_SIG_SECP256K1, DMG_SPAN( key ), vec_span( &v, 3 ), &s ) );
  }
}

static uint8_t const order_k1[32] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
                                      0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41 };
static uint8_t const order_r1[32] = { 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };

/* out = n - s, big-endian. */
static void negate( uint8_t const n[32], uint8_t const s[32], uint8_t out[32] ) {
  unsigned borrow = 0;
  for( int i=31; i>=0; i-- ) {
    unsigned d = n[i]-s[i]-borrow;
    out[i] = (uint8_t)d;
    borrow = d>>8&1;
  }
}

static void test_ecdsa_takes_either_s_and_no_bad_secret( void ** state ) {
  uint8_t const zero[32] = { 0 };
  uint8_t key[33], sig[64], other[64], secret[32] = { 7 };
  for( int is_k1=0; is_k1<2; is_k1++ ) {
    uint8_t const *  n      = is_k1 ? order_k1 : order_r1;
    dmg_sig_scheme_t scheme = is_k1 ? DMG_SIG_SECP256K1 : DMG_SIG_P256;
    bool (*public)( uint8_t const *, uint8_t * ) = is_k1 ? dmg_secp256k1_public : dmg_p256_public;
    bool (*sign)( uint8_t const *, dmg_span_t, uint8_t * ) = is_k1 ? dmg_secp256k1_sign : dmg_p256_sign;
    assert_false( public( zero, key ) );
    assert_false( public( n, key ) );
    assert_false( sign( zero, DMG_SPAN_STR( "x" ), sig ) );
    assert_false( sign( n, DMG_SPAN_STR( "x" ), sig ) );
    uint8_t last[32], one[32] = { 0 };
    one[31] = 1;
    negate( n, one, last );   /* n - 1: the largest secret */
    assert_true( public( last, key ) );

    assert_true( public( secret, key ) );
    assert_true( sign( secret, DMG_SPAN_STR( "x" ), sig ) );
    memcpy( other, sig, 32 );
    negate( n, sig+32, other+32 );
    dmg_sig_t a = plain( DMG_SPAN( sig ) ), b = plain( DMG_SPAN( other ) );
    assert_true( dmg_sig_verify( scheme, DMG_SPAN( key ), DMG_SPAN_STR( "x" ), &a ) );
    assert_true( dmg_sig_verify( scheme, DMG_SPAN( key ), DMG_SPAN_STR( "x" ), &b ) );
    assert_false( dmg_sig_verify( scheme, DMG_SPAN( key ), DMG_SPAN_STR( "y" ), &a ) );
    /* r or s zero, n, all ones. */
    for( int part=0; part<64; part+=32 ) {
      uint8_t bad[64];
      dmg_sig_t c = plain( DMG_SPAN( bad ) );
      memcpy( bad, sig, 64 ); memset( bad+part, 0, 32 );
      assert_false( dmg_sig_verify( scheme, DMG_SPAN( key ), DMG_SPAN_STR( "x" ), &c ) );
      memcpy( bad, sig, 64 ); memcpy( bad+part, n, 32 );
      assert_false( dmg_sig_verify( scheme, DMG_SPAN( key ), DMG_SPAN_STR( "x" ), &c ) );
      memcpy( bad, sig, 64 ); memset( bad+part, 0xff, 32 );
      assert_false( dmg_sig_verify( scheme, DMG_SPAN( key ), DMG_SPAN_STR( "x" ), &c ) );
    }
    /* Only the two compressed forms name a key. */
    for( int form=0; form<256; form++ ) {
      uint8_t k[33];
      memcpy( k, key, 33 );
      k[0] = (uint8_t)form;
      assert_int_equal( dmg_sig_verify( scheme, DMG_SPAN( k ), DMG_SPAN_STR( "x" ), &a ), form==key[0] );
    }
  }
}

/* ---- WebAuthn ---- */

/* base64url of the 32 bytes 0, 1, .. 31. */
#define CHALLENGE "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
static uint8_t id[32], auth_data[37];

static bool envelope( char const * client ) { return dmg_webauthn_envelope_ok( DMG_SPAN( auth_data ), dmg_span_cstr( client ), DMG_SPAN( id ) ); }

static void test_webauthn_envelope_is_strict( void ** state ) {
  char const good[] = "{\"type\":\"webauthn.get\",\"challenge\":\"" CHALLENGE "\",\"origin\":\"https://demiurge.example\",\"crossOrigin\":false}";
  for( size_t i=0; i<32; i++ ) id[i] = (uint8_t)i;
  auth_data[32] = 1;
  assert_true( envelope( good ) );
  assert_true( envelope( "{\"type\":\"webauthn.get\",\"challenge\":\"" CHALLENGE "\"}" ) );
  assert_false( envelope( "{\"type\":\"webauthn.create\",\"challenge\":\"" CHALLENGE "\",\"origin\":\"a\"}" ) );
  assert_false( envelope( "{\"type\":\"webauthn.get\", \"challenge\":\"" CHALLENGE "\",\"origin\":\"a\"}" ) );
  assert_false( envelope( "{\"challenge\":\"" CHALLENGE "\",\"type\":\"webauthn.get\",\"origin\":\"a\"}" ) );
  assert_false( envelope( " {\"type\":\"webauthn.get\",\"challenge\":\"" CHALLENGE "\",\"origin\":\"a\"}" ) );
  assert_false( envelope( "{\"type\":\"webauthn.get\",\"challenge\":\"" CHALLENGE "=\",\"origin\":\"a\"}" ) );
  assert_false( envelope( "{\"type\":\"webauthn.get\",\"challenge\":\"" CHALLENGE ) );
  assert_false( envelope( "{\"type\":\"webauthn.get\",\"challenge\":\"" CHALLENGE "\"" ) );
  assert_false( envelope( "{\"type\":\"webauthn.get\",\"challenge\":\"" CHALLENGE "\" }" ) );
  assert_false( envelope( "{\"type\":\"webauthn.get\",\"challenge\":\"\",\"challenge\":\"" CHALLENGE "\"}" ) );
  assert_false( envelope( "{\"type\":\"webauthn.get\",\"challenge\":\"\"}" ) );
  /* A last character with spare bits set says the same bytes: refused, one text a challenge. */
  assert_false( envelope( "{\"type\":\"webauthn.get\",\"challenge\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9\"}" ) );
  /* base64, not base64url, where they differ. */
  memset( id, 0xff, 32 );
  assert_true ( envelope( "{\"type\":\"webauthn.get\",\"challenge\":\"__________________________________________8\"}" ) );
  assert_false( envelope( "{\"type\":\"webauthn.get\",\"challenge\":\"//////////////////////////////////////////8\"}" ) );
  for( size_t i=0; i<32; i++ ) id[i] = (uint8_t)i;
  /* Every prefix, and every single changed byte up to the challenge's end. */
  char text[ sizeof( good ) ];
  size_t head = sizeof( "{\"type\":\"webauthn.get\",\"challenge\":\"" CHALLENGE "\"" )-1;
  for( size_t sz=0; sz<sizeof( good ); sz++ ) {
    uint8_t * part = malloc( sz+!sz );   /* of its own size, for the sanitizer */
    memcpy( part, good, sz );
    assert_int_equal( dmg_webauthn_envelope_ok( DMG_SPAN( auth_data ), dmg_span( part, sz ), DMG_SPAN( id ) ), sz>head );
    free( part );
  }
  for( size_t i=0; i<=head; i++ ) {
    memcpy( text, good, sizeof( good ) );
    text[i] ^= 1;
    assert_false( envelope( text ) );
  }
  auth_data[32] = 0xfe;   /* everything but UP */
  assert_false( envelope( good ) );
  auth_data[32] = 1;
  assert_false( dmg_webauthn_envelope_ok( dmg_span( auth_data, 36 ), DMG_SPAN_STR( good ), DMG_SPAN( id ) ) );
  assert_false( dmg_webauthn_envelope_ok( dmg_span( NULL, 0 ), DMG_SPAN_STR( good ), DMG_SPAN( id ) ) );
}

/* Challenges of any length, for the host function verify: text made by the textbook's encoder. */
static void test_webauthn_challenge_of_every_length( void ** state ) {
  static char const set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  uint32_t seed = vec_seed();
  auth_data[32] = 1;
  for( size_t sz=0; sz<=100; sz++ ) {
    uint8_t bytes[100];
    char    text[512];
    vec_fill( &seed, bytes, sizeof( bytes ) );
    int at = snprintf( text, sizeof( text ), "{\"type\":\"webauthn.get\",\"challenge\":\"" );
    for( size_t i=0; i<sz; i+=3 ) {
      uint32_t n = (uint32_t)bytes[i]<<16 | ( i+1<sz ? (uint32_t)bytes[i+1]<<8 : 0 ) | ( i+2<sz ? bytes[i+2] : 0u );
      for( size_t c=0; c<( i+3<=sz ? 4u : sz-i+1 ); c++ ) text[at++] = set[ n>>( 18-6*c )&63 ];
    }
    memcpy( text+at, "\"}", 3 );
    assert_true( dmg_webauthn_envelope_ok( DMG_SPAN( auth_data ), dmg_span_cstr( text ), dmg_span( bytes, sz ) ) );
    if( sz ) {
      assert_false( dmg_webauthn_envelope_ok( DMG_SPAN( auth_data ), dmg_span_cstr( text ), dmg_span( bytes, sz-1 ) ) );
      bytes[ vec_rnd( &seed )%sz ] ^= (uint8_t)( 1u<<vec_rnd( &seed )%8 );
      assert_false( dmg_webauthn_envelope_ok( DMG_SPAN( auth_data ), dmg_span_cstr( text ), dmg_span( bytes, sz ) ) );
    }
  }
}

static void test_webauthn_signature( void ** state ) {
  char    client[] = "{\"type\":\"webauthn.get\",\"challenge\":\"" CHALLENGE "\",\"origin\":\"https://demiurge.example\",\"crossOrigin\":false}";
  uint8_t secret[32] = { 9 }, key[33], sig[64], msg[37+32];
  for( size_t i=0; i<32; i++ ) id[i] = (uint8_t)i;
  auth_data[32] = 5;   /* UP, UV */
  dmg_hash_t h = dmg_sha256( DMG_SPAN_STR( client ) );
  memcpy( msg, auth_data, 37 );
  memcpy( msg+37, h.b, 32 );
  assert_true( dmg_p256_public( secret, key ) );
  assert_true( dmg_p256_sign( secret, DMG_SPAN( msg ), sig ) );
  dmg_sig_t s = { .sig = DMG_SPAN( sig ), .auth_data = DMG_SPAN( auth_data ), .client_data = DMG_SPAN_STR( client ) };
  assert_true( dmg_sig_verify( DMG_SIG_WEBAUTHN, DMG_SPAN( key ), DMG_SPAN( id ), &s ) );
  assert_false( dmg_sig_verify( DMG_SIG_P256, DMG_SPAN( key ), DMG_SPAN( id ), &s ) );
  id[3]++;
  assert_false( dmg_sig_verify( DMG_SIG_WEBAUTHN, DMG_SPAN( key ), DMG_SPAN( id ), &s ) );
  id[3]--;
  client[ sizeof( client )-3 ] ^= 1;   /* behind the prefix: the signature tells */
  assert_false( dmg_sig_verify( DMG_SIG_WEBAUTHN, DMG_SPAN( key ), DMG_SPAN( id ), &s ) );
  client[ sizeof( client )-3 ] ^= 1;
  auth_data[36]++;
  assert_false( dmg_sig_verify( DMG_SIG_WEBAUTHN, DMG_SPAN( key ), DMG_SPAN( id ), &s ) );
  auth_data[36]--;
  assert_true( dmg_sig_verify( DMG_SIG_WEBAUTHN, DMG_SPAN( key ), DMG_SPAN( id ), &s ) );
}

/* ---- All of them ---- */

static void test_sizes_and_names( void ** state ) {
  assert_int_equal( DMG_SIG_SCHEME_CNT, 5 );
  assert_string_equal( dmg_sig_scheme_text( 3 ), "webauthn" );
  assert_null( dmg_sig_scheme_text( 5 ) );
  assert_int_equal( dmg_sig_key_sz( DMG_SIG_BLS ), 96 );
  assert_int_equal( dmg_sig_sz( DMG_SIG_BLS ), 48 );
  assert_int_equal( dmg_sig_key_sz( 5 ), 0 );
  assert_int_equal( dmg_sig_sz( ~0u ), 0 );
}

/* Keys and signatures of any length and content: false, no crash, no read past the end (each lies
   in memory of its own size). */
static void test_garbage_is_false( void ** state ) {
  uint32_t seed = vec_seed();
  for( size_t t=0; t<1500; t++ ) {
    unsigned scheme = vec_rnd( &seed )%7;
    bool     is_fit = vec_rnd( &seed )%2;
    size_t   key_sz = is_fit ? dmg_sig_key_sz( scheme ) : vec_rnd( &seed )%130, sig_sz = is_fit ? dmg_sig_sz( scheme ) : vec_rnd( &seed )%130;
    size_t   auth_sz = vec_rnd( &seed )%80, client_sz = vec_rnd( &seed )%200, msg_sz = vec_rnd( &seed )%70;
    uint8_t * key = malloc( key_sz+!key_sz ), * sig = malloc( sig_sz+!sig_sz ), * auth = malloc( auth_sz+!auth_sz ), * client = malloc( client_sz+!client_sz ), *msg = malloc( msg_sz+!msg_sz );
    vec_fill( &seed, key, key_sz );
    vec_fill( &seed, sig, sig_sz );
    vec_fill( &seed, auth, auth_sz );
    vec_fill( &seed, client, client_sz );
    vec_fill( &seed, msg, msg_sz );
    if( key_sz && vec_rnd( &seed )%2 ) key[0] = 2;
    if( vec_rnd( &seed )%8==0 ) memset( key, 0xff, key_sz );
    if( vec_rnd( &seed )%8==0 ) memset( sig, 0, sig_sz );
    dmg_sig_t s = { .sig = dmg_span( sig, sig_sz ), .auth_data = dmg_span( auth, auth_sz ), .client_data = dmg_span( client, client_sz ) };
    assert_false( dmg_sig_verify( (dmg_sig_scheme_t)scheme, dmg_span( key, key_sz ), dmg_span( msg, msg_sz ), &s ) );
    free( key ); free( sig ); free( auth ); free( client ); free( msg );
  }
}

/* A mix of schemes, one in bad_in broken: the batch says what singles say, at every count around the batch size. */
static void many_equals_singles( uint32_t seed, uint32_t bad_in ) {
  enum { N = 300 };
  static uint8_t key[N][96], sig[N][64], msg[N][32];
  static dmg_sig_job_t job[N];
  uint8_t  want[N], coef[32] = { 3 }, ok[ ( N+7 )/8 ];
  for( size_t i=0; i<N; i++ ) {
    dmg_sig_scheme_t scheme = vec_rnd( &seed )%12 ? DMG_SIG_ED25519 : (dmg_sig_scheme_t)( vec_rnd( &seed )%2 ? DMG_SIG_SECP256K1 : DMG_SIG_P256 );
    uint8_t secret[32];
    vec_fill( &seed, secret, 32 );
    vec_fill( &seed, msg[i], 32 );
    secret[0] = 1;
    if( scheme==DMG_SIG_ED25519 )        { dmg_ed25519_public( secret, key[i] ); dmg_ed25519_sign( secret, DMG_SPAN( msg[i] ), sig[i] ); }
    else if( scheme==DMG_SIG_SECP256K1 ) { assert_true( dmg_secp256k1_public( secret, key[i] ) ); assert_true( dmg_secp256k1_sign( secret, DMG_SPAN( msg[i] ), sig[i] ) ); }
    else                                 { assert_true( dmg_p256_public( secret, key[i] ) ); assert_true( dmg_p256_sign( secret, DMG_SPAN( msg[i] ), sig[i] ) ); }
    job[i] = (dmg_sig_job_t){ .scheme = scheme, .key = dmg_span( key[i], dmg_sig_key_sz( scheme ) ), .msg = DMG_SPAN( msg[i] ), .sig = plain( DMG_SPAN( sig[i] ) ) };
    if( vec_rnd( &seed )%bad_in==0 ) msg[i][ vec_rnd( &seed )%32 ] ^= 1;
    if( vec_rnd( &seed )%( 2*bad_in )==0 ) job[i].sig.sig.sz = 63;
    want[i] = dmg_sig_verify( job[i].scheme, job[i].key, job[i].msg, &job[i].sig );
  }
  static size_t const cnts[] = { 0, 1, 2, 63, 64, 65, 127, 128, 129, 255, 256, 257, N };
  for( size_t c=0; c<sizeof( cnts )/sizeof( *cnts ); c++ ) {
    size_t good = 0;
    size_t got  = dmg_sig_verify_many( job, cnts[c], coef, ok );
    for( size_t i=0; i<cnts[c]; i++ ) {
      assert_int_equal( ok[i/8]>>i%8&1, want[i] );
      good += want[i];
    }
    for( size_t i=cnts[c]; i%8; i++ ) assert_int_equal( ok[i/8]>>i%8&1, 0 );
    assert_int_equal( got, good );
    coef[0]++;
  }
}

static void test_many_equals_singles( void ** state ) {
  uint32_t seed = vec_seed();
  many_equals_singles( seed, 9 );
  many_equals_singles( seed+1, 200 );          /* some batches hold one bad, others none */
  many_equals_singles( seed+2, 1u<<30 );
}

static void test_bls_scheme( void ** state ) {
  uint8_t secret[32] = { 1 }, key[96], sig[48], msg[32] = { 2 };
  dmg_bls_key_t k;
  dmg_bls_sig_t s;
  assert_true( dmg_bls_public( secret, &k ) );
  dmg_bls_key_store( &k, key );
  assert_true( dmg_bls_sign( secret, DMG_BLS_TX, DMG_SPAN( msg ), &s ) );
  dmg_bls_sig_store( &s, sig );
  dmg_sig_t in = plain( DMG_SPAN( sig ) );
  assert_true( dmg_sig_verify( DMG_SIG_BLS, DMG_SPAN( key ), DMG_SPAN( msg ), &in ) );
  assert_true( dmg_bls_sign( secret, DMG_BLS_VOTE, DMG_SPAN( msg ), &s ) );   /* a vote is no transaction */
  dmg_bls_sig_store( &s, sig );
  assert_false( dmg_sig_verify( DMG_SIG_BLS, DMG_SPAN( key ), DMG_SPAN( msg ), &in ) );
}

int main( void ) {
  dmg_crypto_init( dmg_cpu_flags() );
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_garbage_is_false ),
    cmocka_unit_test( test_ed25519_zip215_single_equals_batch ),
    cmocka_unit_test( test_ed25519_wycheproof ),
    cmocka_unit_test( test_ed25519_rfc8032 ),
    cmocka_unit_test( test_secp256k1_wycheproof ),
    cmocka_unit_test( test_p256_wycheproof ),
    cmocka_unit_test( test_p256_rfc6979 ),
    cmocka_unit_test( test_ecdsa_takes_either_s_and_no_bad_secret ),
    cmocka_unit_test( test_ecdsa_signing_equals_a_peer ),
    cmocka_unit_test( test_webauthn_envelope_is_strict ),
    cmocka_unit_test( test_webauthn_challenge_of_every_length ),
    cmocka_unit_test( test_webauthn_signature ),
    cmocka_unit_test( test_bls_scheme ),
    cmocka_unit_test( test_many_equals_singles ),
    cmocka_unit_test( test_sizes_and_names ),
  };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
