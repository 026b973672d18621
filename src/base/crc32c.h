/* crc32c: the Castagnoli checksum of our own files (block log, write-ahead logs).

   Finds what a disk or a torn write changed; says nothing against someone who wants to deceive.
   Uses the processor's instruction where it has one; the portable form gives the same.

   Threads  any */
#ifndef DMG_BASE_CRC32C_H
#define DMG_BASE_CRC32C_H

#include "base/bytes.h"

/* The checksum of what crc covers followed by bytes; start with 0. */
uint32_t dmg_crc32c( uint32_t crc, dmg_span_t bytes );
/* The same without the instruction: for tests. */
uint32_t dmg_crc32c_portable( uint32_t crc, dmg_span_t bytes );

#endif
