/* port_mem: ports without sockets, in one process, by one seed and a virtual clock (N13): for tests and the simulator.

     dmg_mem_net_new --> dmg_mem_port_open x n --> dial, send, ask, publish .. --> dmg_mem_net_advance --> poll

   A connection is two directed links with a delay, a jitter and a rate.  Streams keep N2.1's queues where a rate makes frames wait: rank, key, class, FULL and ROOM as
   the adapter has them.  Gossip floods: each message goes once over each connection whose other side joined the topic, onward only by ACCEPT.  Frames of notify streams
   can be lost, doubled or broken by dials, which sockets do not do: what is above must live with it.

   Memory    the heap; bytes of an event live until release
   Threads   one
   Failure   as net_port.h says; no memory ends the program (DMG_ASSERT): tests only
   Bounds    DMG_MEM_PORTS_MAX ports
   Not here  yamux, handshakes, limits by address, frames_per_s, scores (counted: dmg_mem_rejects) */
#ifndef DMG_NETWORK_PORT_MEM_H
#define DMG_NETWORK_PORT_MEM_H

#include "network/net_port.h"

#define DMG_MEM_PORTS_MAX 64

typedef struct dmg_mem_net dmg_mem_net_t;

/* What all links do; may be changed at any time. */
typedef struct {
  uint32_t delay_us, jitter_us;
  uint64_t rate;                            /* bytes a second each way of a connection; 0: no limit, no queue */
  uint16_t drop, twice, garbage;            /* of 1,000 notify frames: lost, doubled, with a byte changed */
  uint16_t late;                            /* of 1,000 of all that is sent .. */
  uint32_t late_us;                         /* .. so much later, and what is behind it on its connection, too: loss as a stream shows it */
} dmg_mem_faults_t;

dmg_mem_net_t * dmg_mem_net_new ( uint64_t seed );
void            dmg_mem_net_free( dmg_mem_net_t * net );     /* after all ports */
void            dmg_mem_net_faults( dmg_mem_net_t * net, dmg_mem_faults_t const * faults );
uint64_t        dmg_mem_net_now ( dmg_mem_net_t const * net );
/* When the next event is due; UINT64_MAX: never. */
uint64_t        dmg_mem_net_due ( dmg_mem_net_t const * net );
/* The same of what is the net's own and of what a port can poll: for who lets some of them wait. */
uint64_t        dmg_mem_net_own_due( dmg_mem_net_t const * net );
uint64_t        dmg_mem_port_due( dmg_net_port_t const * port );
/* Time goes on; events due by then can be polled. */
void            dmg_mem_net_advance( dmg_mem_net_t * net, uint64_t now_us );

/* A port whose peer id holds this key; listening at once, at the address "/mem/<index>".  protos are copied, ids compared by text.  One of a freed port's key takes
   its place; of two that live, dials reach the later. */
dmg_net_port_t * dmg_mem_port_open( dmg_mem_net_t * net, uint8_t const key[ 32 ], dmg_net_proto_t const * protos, size_t proto_cnt );
/* No link between a and b carries or is dialled while cut; open ones break. */
void             dmg_mem_cut( dmg_net_port_t * a, dmg_net_port_t * b, bool is_cut );
/* Their open connections break. */
void             dmg_mem_reset( dmg_net_port_t * a, dmg_net_port_t * b );
/* Nothing goes from one to the other while held, and nobody hears of it: frames wait in their queues, dials run into the handshake's time-out, after 45 s pings end
   what is open.  Let go: what waited comes at once. */
void             dmg_mem_hold( dmg_net_port_t * from, dmg_net_port_t * to, bool is_on );
/* No direction is held, no pair cut, no port slow or mute, no delay a pair's own. */
void             dmg_mem_net_calm( dmg_mem_net_t * net );
/* Delay of this direction; 0: the net's. */
void             dmg_mem_far( dmg_net_port_t * from, dmg_net_port_t * to, uint32_t delay_us );
/* Of 1,000 notify frames of this port so many come with a bit changed, a tenth of them too large. */
void             dmg_mem_garble( dmg_net_port_t * port, uint16_t per_1000 );
/* Frames and answers of these protocols (bit i: the i-th) leave it no more, and it believes they do. */
void             dmg_mem_mute( dmg_net_port_t * port, uint32_t protos );
/* Dials to this port's peer id do not find it: somebody who has the id's key and not its address. */
void             dmg_mem_hide( dmg_net_port_t * port, bool is_on );
/* A process that dies in the middle of what it does: asked before each command; once true, none is carried out. */
void             dmg_mem_die( dmg_net_port_t * port, bool (* ask)( void * ctx ), void * ctx );
/* Bytes a second into this port over each connection; 0: the net's. */
void             dmg_mem_slow( dmg_net_port_t * port, uint64_t rate );
/* Who dials it while this is on gets no validator's share: as if its peers were not tagged yet (DMG_NET_CONN_UP). */
void             dmg_mem_early( dmg_net_port_t * port, bool is_on );
/* Bytes that wait in queues toward others; times it called a peer's gossip false. */
size_t           dmg_mem_queued ( dmg_net_port_t const * port );
uint32_t         dmg_mem_rejects( dmg_net_port_t const * port );

#endif
