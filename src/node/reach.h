/* reach: the peers that a node was told to be connected with, how that stands, and when the log has it.

     told of --> ASKED --> DIALLING <--> UP | DOWN, why        down: to the log at once, then a minute later, then each ten

   Threads  one at a time
   Memory   flat
   Bounds   DMG_REACH_MAX peers
   Not here clocks: time is an argument */
#ifndef DMG_NODE_REACH_H
#define DMG_NODE_REACH_H

#include "network/chainnet.h"

enum { DMG_REACH_MAX = 128, DMG_REACH_ADDR_SZ = 160 };

typedef enum {
  DMG_REACH_ASKED,      /* by somebody who waits for what becomes of it: what comes before the network has taken it is of an earlier try */
  DMG_REACH_DIALLING,
  DMG_REACH_UP,
  DMG_REACH_WAS_UP,     /* when it was asked for */
  DMG_REACH_DOWN        /* it is dialled again */
} dmg_reach_state_t;

typedef struct {
  dmg_net_peer_t    peer;
  dmg_reach_state_t state;
  char              addr[ DMG_REACH_ADDR_SZ ];      /* the last one that we were told, with the id */
  char              why[ DMG_CHAINNET_WHY_SZ ];     /* of the last failure; "": none since it was up */
  uint32_t          fail_cnt;                       /* since it was up */
  uint32_t          told_cnt;
  uint64_t          told_us;                        /* 0: never */
} dmg_reach_peer_t;

typedef struct { dmg_reach_peer_t peers[ DMG_REACH_MAX ]; uint32_t cnt; } dmg_reach_t;

dmg_reach_peer_t * dmg_reach_find( dmg_reach_t * reach, dmg_net_peer_t const * peer );   /* NULL: none */
/* Adds it, or has its new address; in state ASKED.  NULL: full. */
dmg_reach_peer_t * dmg_reach_ask ( dmg_reach_t * reach, dmg_net_peer_t const * peer, char const * addr );
/* The network has it: dialled, or connected before. */
void dmg_reach_taken( dmg_reach_peer_t * peer, bool is_up );
/* true: for the log. */
bool dmg_reach_up   ( dmg_reach_peer_t * peer );
bool dmg_reach_down ( dmg_reach_peer_t * peer, char const * why, uint64_t now_us );

#endif
