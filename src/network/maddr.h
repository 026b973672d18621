/* maddr: multiaddresses of the kinds that a node can dial, as text and as bytes, and what network they are of.

     text    /ip4/192.0.2.1/tcp/7370     /ip6/2001:db8:0:0:0:0:0:1/udp/7370/quic-v1     /dns4/example.org/tcp/443/ws
     bytes   (uv code | value)*          codes: ip4 4, tcp 6, ip6 41, dns 53, dns4 54, dns6 55, udp 273, quic-v1 461, ws 477

   Memory    flat values
   Failure   false: not of these kinds, a number out of range, port 0, more bytes than fit
   Spec      docs/spec/network.md N10; github.com/multiformats/multiaddr */
#ifndef DMG_NETWORK_MADDR_H
#define DMG_NETWORK_MADDR_H

#include "base/bytes.h"

enum { DMG_MADDR_SZ_MAX = 80, DMG_MADDR_TEXT_SZ = 128 };

typedef struct { uint8_t sz, b[ DMG_MADDR_SZ_MAX ]; } dmg_maddr_t;   /* the bytes; sz 0: none */

bool dmg_maddr_parse ( char const * text, dmg_maddr_t * out );
bool dmg_maddr_decode( dmg_span_t bytes, dmg_maddr_t * out );
void dmg_maddr_text  ( dmg_maddr_t const * addr, char out[ DMG_MADDR_TEXT_SZ ] );
static inline bool dmg_maddr_eq( dmg_maddr_t const * a, dmg_maddr_t const * b ) { return a->sz==b->sz && !memcmp( a->b, b->b, a->sz ); }

/* N10.1: of the world; of a network of one's own: private, loopback, link-local, shared; nobody's: unspecified, multicast, reserved; a name, which may stand for any. */
typedef enum { DMG_MADDR_PUBLIC, DMG_MADDR_PRIVATE, DMG_MADDR_NOBODY, DMG_MADDR_NAME } dmg_maddr_class_t;
dmg_maddr_class_t dmg_maddr_class( dmg_maddr_t const * addr );
/* N10.3: who lives close to each other: an IPv4 /16, an IPv6 /32, a name by itself. */
typedef struct { uint8_t sz, b[ 7 ]; } dmg_maddr_group_t;
dmg_maddr_group_t dmg_maddr_group( dmg_maddr_t const * addr );
static inline bool dmg_maddr_group_eq( dmg_maddr_group_t const * a, dmg_maddr_group_t const * b ) { return a->sz==b->sz && !memcmp( a->b, b->b, a->sz ); }

#endif
