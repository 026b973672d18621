#include "crypto/sha256_int.h"

#include "base/assert.h"
#include "base/cpu.h"

/* Set by dmg_crypto_init, read by every hash.  Relaxed is enough: each kernel is constant data and
   all give the same results, so a thread that still sees the old pointer is merely slower. */
static dmg_sha256_kernel_t const * kernel_now = &dmg_sha256_portable;

static inline dmg_sha256_kernel_t const * kernel( void ) { return __atomic_load_n( &kernel_now, __ATOMIC_RELAXED ); }

dmg_sha256_kernel_t const * dmg_sha256_kernel( uint32_t cpu_flags, size_t idx ) {
  dmg_sha256_kernel_t const * have[4];
  size_t cnt = 0;
#if defined(__x86_64__)
  if( cpu_flags&DMG_CPU_SHA_NI ) have[cnt++] = &dmg_sha256_shani;
  if( cpu_flags&DMG_CPU_AVX2 ) have[cnt++] = &dmg_sha256_avx2;
#elif defined(__aarch64__)
  if( cpu_flags&DMG_CPU_ARM_SHA2 ) have[cnt++] = &dmg_sha256_armv8;
#endif
  have[cnt++] = &dmg_sha256_portable;
  return idx<cnt ? have[idx] : NULL;
}

static dmg_hash_t hash_by( dmg_sha256_kernel_t const * k, uint32_t const start[8], uint64_t done_sz, dmg_span_t msg ) {
  uint32_t h[8];
  uint8_t  last[128] = { 0 };
  size_t   full = msg.sz/64, rest = msg.sz%64;
  size_t   last_sz = rest<56 ? 64 : 128;
  memcpy( h, start, 32 );
  if( full ) k->blocks( h, msg.p, full );
  if( rest ) memcpy( last, msg.p+64*full, rest );
  last[rest] = 0x80;
  dmg_store_u64be( last+last_sz-8, ( done_sz+msg.sz )*8 );
  k->blocks( h, last, last_sz/64 );
  dmg_hash_t out;
  dmg_sha256_store( out.b, h );
  return out;
}

/* S2.2: the kernel agrees with the portable one on every path it has, before anyone relies on it. */
static void self_test( dmg_sha256_kernel_t const * k ) {
  enum { N = 21 };
  static uint8_t const abc[32] = {
    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
    0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad };
  uint8_t msgs[64*N], ours[32*N], want[32*N];
  for( size_t i=0; i<sizeof( msgs ); i++ ) msgs[i] = (uint8_t)( i*167+( i>>8 )*31+7 );
  DMG_ASSERT( !memcmp( hash_by( k, dmg_sha256_iv, 0, DMG_SPAN_STR( "abc" ) ).b, abc, 32 ) );
  for( size_t sz=0; sz<=200; sz++ ) {
    dmg_hash_t a = hash_by( k, dmg_sha256_iv, 0, dmg_span( msgs, sz ) );
    dmg_hash_t b = hash_by( &dmg_sha256_portable, dmg_sha256_iv, 0, dmg_span( msgs, sz ) );
    DMG_ASSERT( dmg_hash_eq( &a, &b ) );
  }
  uint32_t const * mid = dmg_tag_midstate[ DMG_TAG_STATE_NODE ];
  for( size_t n=0; n<=N; n++ ) {
    memset( ours, 0, sizeof( ours ) );
    memset( want, 0, sizeof( want ) );
    k->nodes( mid, msgs, n, ours );
    for( size_t i=0; i<n; i++ ) memcpy( want+32*i, hash_by( &dmg_sha256_portable, mid, 64, dmg_span( msgs+64*i, 64 ) ).b, 32 );
    DMG_ASSERT( !memcmp( ours, want, sizeof( ours ) ) );
  }
}

void dmg_crypto_init( uint32_t cpu_flags ) {
  dmg_sha256_kernel_t const * best = dmg_sha256_kernel( cpu_flags, 0 );
  self_test( best );
  __atomic_store_n( &kernel_now, best, __ATOMIC_RELAXED );
}

char const * dmg_sha256_kernel_name( void ) { return kernel()->name; }

char const * dmg_tag_text( dmg_tag_t tag ) {
  static char const * const text[ DMG_TAG_CNT ] = {
#define TEXT( name, text ) [ DMG_TAG_##name ] = text,
    DMG_TAG_TABLE( TEXT )
#undef TEXT
  };
  DMG_ASSERT( tag<DMG_TAG_CNT );
  return text[tag];
}

dmg_hash_t dmg_sha256( dmg_span_t msg ) { return hash_by( kernel(), dmg_sha256_iv, 0, msg ); }

void dmg_sha256_init( dmg_sha256_t * sha ) {
  memcpy( sha->h, dmg_sha256_iv, 32 );
  sha->sz = 0;
}

void dmg_h_init( dmg_sha256_t * sha, dmg_tag_t tag ) {
  DMG_ASSERT( tag<DMG_TAG_CNT );
  memcpy( sha->h, dmg_tag_midstate[tag], 32 );
  sha->sz = 64;
}

void dmg_sha256_update( dmg_sha256_t * sha, dmg_span_t bytes ) {
  if( !bytes.sz ) return;
  size_t have = sha->sz%64;
  sha->sz += bytes.sz;
  if( have ) {
    size_t take = 64-have<bytes.sz ? 64-have : bytes.sz;
    memcpy( sha->part+have, bytes.p, take );
    bytes = dmg_span( bytes.p+take, bytes.sz-take );
    if( have+take<64 ) return;
    kernel()->blocks( sha->h, sha->part, 1 );
  }
  size_t full = bytes.sz/64;
  if( full ) kernel()->blocks( sha->h, bytes.p, full );
  if( bytes.sz%64 ) memcpy( sha->part, bytes.p+64*full, bytes.sz%64 );
}

dmg_hash_t dmg_sha256_final( dmg_sha256_t * sha ) {
  return hash_by( kernel(), sha->h, sha->sz-sha->sz%64, dmg_span( sha->part, sha->sz%64 ) );
}

dmg_hash_t dmg_h( dmg_tag_t tag, dmg_span_t msg ) {
  DMG_ASSERT( tag<DMG_TAG_CNT );
  return hash_by( kernel(), dmg_tag_midstate[tag], 64, msg );
}

dmg_hash_t dmg_h2( dmg_tag_t tag, dmg_span_t a, dmg_span_t b ) {
  dmg_sha256_t sha;
  dmg_h_init( &sha, tag );
  dmg_sha256_update( &sha, a );
  dmg_sha256_update( &sha, b );
  return dmg_sha256_final( &sha );
}

dmg_hash_t dmg_h_node( dmg_tag_t tag, dmg_hash_t const * left, dmg_hash_t const * right ) {
  uint8_t    pair[64];
  dmg_hash_t out;
  DMG_ASSERT( tag<DMG_TAG_CNT );
  memcpy( pair,    left->b,  32 );
  memcpy( pair+32, right->b, 32 );
  kernel()->nodes( dmg_tag_midstate[tag], pair, 1, out.b );
  return out;
}

void dmg_h_nodes( dmg_tag_t tag, uint8_t const * pairs64, size_t n, dmg_hash_t * out ) {
  DMG_ASSERT( tag<DMG_TAG_CNT );
  if( n ) kernel()->nodes( dmg_tag_midstate[tag], pairs64, n, (uint8_t *)out );
}
