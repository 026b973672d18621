/* cpu: which instruction sets this processor has.  Read once at start, handed on as an argument (S2.1). */
#ifndef DMG_BASE_CPU_H
#define DMG_BASE_CPU_H

#include <stdint.h>

enum { DMG_CPU_SHA_NI = 1u<<0, DMG_CPU_AVX2 = 1u<<1, DMG_CPU_ARM_SHA2 = 1u<<2 };

/* A set of DMG_CPU_ flags; only what the operating system lets us use. */
uint32_t dmg_cpu_flags( void );

#endif
