/* sig: the five signature schemes of authenticators, judged as consensus judges them.

     Sig of a transaction (R4.13)         what the scheme signs, msg = 32-byte id        (M1.2b)
     0 Ed25519    key 32  sig 64          msg, rule ZIP 215
     1 secp256k1  key 33  sig 64 (r||s)   e = SHA-256( msg ), low and high s
     2 P-256      key 33  sig 64 (r||s)   e = SHA-256( msg ), low and high s
     3 WebAuthn   key 33  sig 64 (r||s)   e = SHA-256( auth_data || SHA-256( client_data ) ) over P-256, where
                                          client_data names base64url( msg ) as its challenge
     4 BLS        key 96  sig 48          msg, DST "DMG-V1-TX-BLS12381G1_XMD:SHA-256_SSWU_RO_"

   Memory    Ed25519, secp256k1 allocate nothing in a single verification; P-256 and batches do
             inside their library, and free it before they return
   Threads   every function is pure; any thread
   Failure   verification gives a verdict, true or false: keys and signatures are foreign bytes of any length and
             content.  A lack of memory inside a library ends the process (it must never turn into "invalid")
   Safety    a secret goes in as 32 bytes; copies made inside are wiped
   Spec      docs/spec/modules.md M1.2b, docs/spec/runtime.md R4.2, R4.13; native.md V4
   Not here  who may sign (types, runtime), consensus votes (bls.h) */
#ifndef DMG_CRYPTO_SIG_H
#define DMG_CRYPTO_SIG_H

#include "crypto/hash.h"

/* X( name, number of R4.13, text, key bytes, signature bytes ) */
#define DMG_SIG_SCHEME_TABLE( X )                \
  X( ED25519,   0, "ed25519",   32, 64 )         \
  X( SECP256K1, 1, "secp256k1", 33, 64 )         \
  X( P256,      2, "p256",      33, 64 )         \
  X( WEBAUTHN,  3, "webauthn",  33, 64 )         \
  X( BLS,       4, "bls",       96, 48 )

typedef enum {
#define DMG_SIG_ENUM( name, num, text, key_sz, sig_sz ) DMG_SIG_##name = num,
  DMG_SIG_SCHEME_TABLE( DMG_SIG_ENUM )
#undef DMG_SIG_ENUM
  DMG_SIG_SCHEME_CNT
} dmg_sig_scheme_t;

#define DMG_SIG_KEY_MAX  (96)
#define DMG_SIG_SZ_MAX   (64)
/* Limits of the WebAuthn envelope in R4.13; kept by the decoder of a transaction. */
#define DMG_SIG_AUTH_DATA_MAX    (256)
#define DMG_SIG_CLIENT_DATA_MAX  (1024)

/* "ed25519", ..; NULL for a number that is no scheme. */
char const * dmg_sig_scheme_text( unsigned scheme );
/* Bytes of a key and of a signature; 0 for a number that is no scheme. */
size_t       dmg_sig_key_sz( unsigned scheme );
size_t       dmg_sig_sz( unsigned scheme );

/* A signature in borrowed memory.  auth_data and client_data: WebAuthn only, ignored elsewhere. */
typedef struct { dmg_span_t sig, auth_data, client_data; } dmg_sig_t;

/* True iff sig is valid by scheme, key over msg.  Wrong lengths, malformed points, values out of
   range and unknown schemes are false. */
bool dmg_sig_verify( dmg_sig_scheme_t scheme, dmg_span_t key, dmg_span_t msg, dmg_sig_t const * sig );

typedef struct { dmg_sig_scheme_t scheme; dmg_span_t key, msg; dmg_sig_t sig; } dmg_sig_job_t;

/* R4.2: bit i (byte i/8, bit i%8) of out_ok is what dmg_sig_verify says of job i; spare bits are
   zero, out_ok has (job_cnt+7)/8 bytes.  Ed25519 jobs go in batches of up to 128, the rest singly; a batch
   that fails goes singly too, so that a job costs at most its share of one equation and one single check, whatever
   stands beside it.  seed
   feeds the batch coefficients: random in the node, fixed in the simulator; the verdicts do not
   depend on it.  Returns the number of valid jobs. */
size_t dmg_sig_verify_many( dmg_sig_job_t const * jobs, size_t job_cnt, uint8_t const seed[32], uint8_t * out_ok );

/* ---- Ed25519 (RFC 8032 to sign, ZIP 215 to verify), by native/ ---- */

void dmg_ed25519_public( uint8_t const secret[32], uint8_t out_key[32] );
void dmg_ed25519_sign  ( uint8_t const secret[32], dmg_span_t msg, uint8_t out_sig[64] );
bool dmg_ed25519_verify( uint8_t const key[32], dmg_span_t msg, uint8_t const sig[64] );

typedef struct {
  uint8_t const * key;   /* 32 bytes */
  uint8_t const * sig;   /* 64 bytes */
  dmg_span_t      msg;
} dmg_ed25519_item_t;

/* Any number of items, one equation a batch of up to 128, singles where it fails; accepts exactly what single
   verification accepts.  out_ok and the result as in dmg_sig_verify_many. */
size_t dmg_ed25519_verify_batch( dmg_ed25519_item_t const * items, size_t item_cnt, uint8_t const seed[32], uint8_t * out_ok );

/* ---- secp256k1, by libsecp256k1 ---- */

/* Compressed key of a secret.  False: the secret is 0 or not below the order. */
bool dmg_secp256k1_public( uint8_t const secret[32], uint8_t out_key[33] );
/* ECDSA over SHA-256( msg ), nonce of RFC 6979, low s.  False: bad secret. */
bool dmg_secp256k1_sign  ( uint8_t const secret[32], dmg_span_t msg, uint8_t out_sig[64] );
bool dmg_secp256k1_verify( dmg_span_t key, dmg_span_t msg, dmg_span_t sig );

/* ---- P-256 and WebAuthn, by OpenSSL ---- */

/* As for secp256k1; sign gives the s that comes out, low or high (both are valid). */
bool dmg_p256_public( uint8_t const secret[32], uint8_t out_key[33] );
bool dmg_p256_sign  ( uint8_t const secret[32], dmg_span_t msg, uint8_t out_sig[64] );
bool dmg_p256_verify( dmg_span_t key, dmg_span_t msg, dmg_span_t sig );
/* The same with e given. */
bool dmg_p256_verify_digest( dmg_span_t key, dmg_hash_t const * e, dmg_span_t sig );

/* The envelope alone: client_data begins exactly

     {"type":"webauthn.get","challenge":"<base64url of challenge, no padding>"   then , or }

   as every client must serialise it (W3C Web Authentication level 2, section 5.8.1.1; this is its
   "limited verification algorithm", 5.8.1.2, without the origin), auth_data has its 37 fixed bytes
   and the flag UP (user present).  Other keys, UV and the counter are not judged: the signature
   covers all bytes. */
bool dmg_webauthn_envelope_ok( dmg_span_t auth_data, dmg_span_t client_data, dmg_span_t challenge );
/* Envelope and signature. */
bool dmg_webauthn_verify( dmg_span_t key, dmg_span_t challenge, dmg_sig_t const * sig );

#endif
