#include "crypto/sig.h"

#include "crypto/bls.h"

char const * dmg_sig_scheme_text( unsigned scheme ) {
  switch( scheme ) {
#define ROW( name, num, text, key_sz, sig_sz ) case num: return text;
    DMG_SIG_SCHEME_TABLE( ROW )
#undef ROW
    default: return NULL;
  }
}

size_t dmg_sig_key_sz( unsigned scheme ) {
  switch( scheme ) {
#define ROW( name, num, text, key_sz, sig_sz ) case num: return key_sz;
    DMG_SIG_SCHEME_TABLE( ROW )
#undef ROW
    default: return 0;
  }
}

size_t dmg_sig_sz( unsigned scheme ) {
  switch( scheme ) {
#define ROW( name, num, text, key_sz, sig_sz ) case num: return sig_sz;
    DMG_SIG_SCHEME_TABLE( ROW )
#undef ROW
    default: return 0;
  }
}

static bool sizes_ok( unsigned scheme, dmg_span_t key, dmg_sig_t const * sig ) {
  return scheme<DMG_SIG_SCHEME_CNT && key.sz==dmg_sig_key_sz( scheme ) && sig->sig.sz==dmg_sig_sz( scheme );
}

/* M1.2b, one line a scheme. */
bool dmg_sig_verify( dmg_sig_scheme_t scheme, dmg_span_t key, dmg_span_t msg, dmg_sig_t const * sig ) {
  if( !sizes_ok( scheme, key, sig ) ) return false;
  switch( scheme ) {
    case DMG_SIG_ED25519:   return dmg_ed25519_verify( key.p, msg, sig->sig.p );
    case DMG_SIG_SECP256K1: return dmg_secp256k1_verify( key, msg, sig->sig );
    case DMG_SIG_P256:      return dmg_p256_verify( key, msg, sig->sig );
    case DMG_SIG_WEBAUTHN:  return dmg_webauthn_verify( key, msg, sig );
    case DMG_SIG_BLS:       return dmg_bls_verify_bytes( key, DMG_BLS_TX, msg, sig->sig );
    default:                return false;
  }
}

/* R4.2 names 64; a signature of 128 costs a quarter less (Pippenger), one bad among them makes twice as many be verified singly. */
enum { BATCH = 128 };

typedef struct { dmg_ed25519_item_t item[BATCH]; size_t at[BATCH]; size_t cnt; } batch_t;

static size_t batch_flush( batch_t * b, uint8_t const seed[32], uint8_t * out_ok ) {
  uint8_t ok[BATCH/8];
  if( !b->cnt ) return 0;
  size_t good = dmg_ed25519_verify_batch( b->item, b->cnt, seed, ok );
  for( size_t i=0; i<b->cnt; i++ ) if( ok[i/8]>>( i%8 )&1 ) out_ok[ b->at[i]/8 ] |= (uint8_t)( 1u<<b->at[i]%8 );
  b->cnt = 0;
  return good;
}

size_t dmg_sig_verify_many( dmg_sig_job_t const * jobs, size_t job_cnt, uint8_t const seed[32], uint8_t * out_ok ) {
  batch_t b;
  size_t  good = 0, ed_cnt = 0;
  b.cnt = 0;
  memset( out_ok, 0, ( job_cnt+7 )/8 );
  for( size_t i=0; i<job_cnt; i++ ) ed_cnt += jobs[i].scheme==DMG_SIG_ED25519;
  /* Batches of one size: a small rest would cost twice as much a signature. */
  size_t batch_cnt = ( ed_cnt+BATCH-1 )/BATCH, full = batch_cnt ? ( ed_cnt+batch_cnt-1 )/batch_cnt : 1;
  for( size_t i=0; i<job_cnt; i++ ) {
    dmg_sig_job_t const * j = &jobs[i];
    if( j->scheme!=DMG_SIG_ED25519 ) {
      if( !dmg_sig_verify( j->scheme, j->key, j->msg, &j->sig ) ) continue;
      out_ok[i/8] |= (uint8_t)( 1u<<i%8 );
      good++;
    } else if( sizes_ok( j->scheme, j->key, &j->sig ) ) {
      b.at[b.cnt]     = i;
      b.item[b.cnt++] = (dmg_ed25519_item_t){ .key = j->key.p, .sig = j->sig.sig.p, .msg = j->msg };
      if( b.cnt==full ) good += batch_flush( &b, seed, out_ok );
    }
  }
  return good+batch_flush( &b, seed, out_ok );
}
