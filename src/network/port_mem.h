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
} dmg_mem_faults_t;

dmg_mem_net_t * dmg_mem_net_new ( uint64_t seed );
void            dmg_mem_net_free( dmg_mem_net_t * net );     /* after all ports */
void            dmg_mem_net_faults( dmg_mem_net_t * net, dmg_mem_faults_t const * faults );
uint64_t        dmg_mem_net_now ( dmg_mem_net_t const * net );
/* When the next event is due; UINT64_MAX: never. */
uint64_t        dmg_mem_net_due ( dmg_mem_net_t const * net );
/* Time goes on; events due by then can be polled. */
void            dmg_mem_net_advance( dmg_mem_net_t * net, uint64_t now_us );

/* A port whose peer id holds this key; listening at once, at the address "/mem/<index>".  protos are copied, ids compared by text. */
dmg_net_port_t * dmg_mem_port_open( dmg_mem_net_t * net, uint8_t const key[ 32 ], dmg_net_proto_t const * protos, size_t proto_cnt );
/* No link between a and b carries or is dialled while cut; open ones break. */
void             dmg_mem_cut( dmg_net_port_t * a, dmg_net_port_t * b, bool is_cut );
/* Bytes a second into this port over each connection; 0: the net's. */
void             dmg_mem_slow( dmg_net_port_t * port, uint64_t rate );
/* Bytes that wait in queues toward others; times it called a peer's gossip false. */
size_t           dmg_mem_queued ( dmg_net_port_t const * port );
uint32_t         dmg_mem_rejects( dmg_net_port_t const * port );

#endif
