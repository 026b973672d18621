/* peer_addr: an address as an operator writes it, taken apart, or why it is none.

     /ip4/192.0.2.1/tcp/7370/p2p/12D3Koo..   -->   /ip4/192.0.2.1/tcp/7370 | the peer id

   Memory   flat
   Failure  false, and why: the part that is wrong
   Spec     docs/spec/network.md N10.1 */
#ifndef DMG_NODE_PEER_ADDR_H
#define DMG_NODE_PEER_ADDR_H

#include "network/chainnet.h"

/* PEER: dialled, with a peer id.  LISTEN: port 0 is any, no names.  EXTERNAL: told to others.  The last two may have an id at their end, which is left off. */
typedef enum { DMG_PEER_ADDR_PEER, DMG_PEER_ADDR_LISTEN, DMG_PEER_ADDR_EXTERNAL } dmg_peer_addr_use_t;

enum { DMG_PEER_ADDR_WHY_SZ = 160 };

typedef struct { char plain[ DMG_CHAINNET_ADDR_SZ_MAX ]; dmg_net_peer_t peer; } dmg_peer_addr_t;

bool dmg_peer_addr_read( char const * text, dmg_peer_addr_use_t use, dmg_peer_addr_t * out, char out_why[ DMG_PEER_ADDR_WHY_SZ ] );

/* What would be right: "/ip4/ADDRESS/tcp/PORT/p2p/PEER_ID". */
char const * dmg_peer_addr_form( dmg_peer_addr_use_t use );

#endif
