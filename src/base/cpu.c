#include "base/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>

uint32_t dmg_cpu_flags( void ) {
  uint32_t flags = 0;
  unsigned a, b, c, d;
  __builtin_cpu_init();
  if( __builtin_cpu_supports( "avx2" ) ) flags |= DMG_CPU_AVX2;
  /* CPUID.7.0:EBX bit 29; the kernel needs also SSSE3 and SSE4.1. */
  if( __get_cpuid_count( 7, 0, &a, &b, &c, &d ) && ( b>>29&1 ) && __builtin_cpu_supports( "ssse3" ) && __builtin_cpu_supports( "sse4.1" ) )
    flags |= DMG_CPU_SHA_NI;
  return flags;
}

#elif defined(__aarch64__)
#include <sys/auxv.h>

uint32_t dmg_cpu_flags( void ) { return getauxval( AT_HWCAP )>>6&1 ? DMG_CPU_ARM_SHA2 : 0; }   /* bit 6: HWCAP_SHA2 */

#else

uint32_t dmg_cpu_flags( void ) { return 0; }

#endif
