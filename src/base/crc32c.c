#include "base/crc32c.h"

/* Reflected polynomial 0x1EDC6F41, four bits at a time: 64 bytes of table, made by this program:
   t[ i ] = i shifted right four times, each time xor 0x82f63b78 if a one falls out. */
static uint32_t const NIBBLE[ 16 ] = {
  0x00000000u, 0x105ec76fu, 0x20bd8edeu, 0x30e349b1u, 0x417b1dbcu, 0x5125dad3u, 0x61c69362u, 0x7198540du,
  0x82f63b78u, 0x92a8fc17u, 0xa24bb5a6u, 0xb21572c9u, 0xc38d26c4u, 0xd3d3e1abu, 0xe330a81au, 0xf36e6f75u };

uint32_t dmg_crc32c_portable( uint32_t crc, dmg_span_t bytes ) {
  crc = ~crc;
  for( size_t i=0; i<bytes.sz; i++ ) {
    crc ^= bytes.p[ i ];
    crc = crc>>4^NIBBLE[ crc&15u ];
    crc = crc>>4^NIBBLE[ crc&15u ];
  }
  return ~crc;
}

#if defined( __x86_64__ )
__attribute__(( target( "sse4.2" ) ))
static uint32_t crc_sse42( uint32_t crc, dmg_span_t bytes ) {
  uint64_t c = ~crc;
  size_t i = 0;
  for( ; i+8<=bytes.sz; i+=8 ) c = __builtin_ia32_crc32di( c, dmg_load_u64le( bytes.p+i ) );
  uint32_t d = (uint32_t)c;
  for( ; i<bytes.sz; i++ ) d = __builtin_ia32_crc32qi( d, bytes.p[ i ] );
  return ~d;
}

uint32_t dmg_crc32c( uint32_t crc, dmg_span_t bytes ) {
  return __builtin_cpu_supports( "sse4.2" ) ? crc_sse42( crc, bytes ) : dmg_crc32c_portable( crc, bytes );
}
#else
uint32_t dmg_crc32c( uint32_t crc, dmg_span_t bytes ) { return dmg_crc32c_portable( crc, bytes ); }
#endif
