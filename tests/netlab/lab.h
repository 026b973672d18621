/* lab: a topology and the router over it.

   Each host is a network namespace with one TUN device "lab" and the addresses 10.<city>.<host>.1/8 and fd77::<city>:<host>:1/16, so that all
   hosts are neighbours on one wire; the router reads each device, looks at the destination, and writes the packet to that host's
   device when link.h says.  All namespaces lie in one user namespace of the router's: root here is nobody outside.

   Bounds   HOSTS_MAX hosts, FLIGHT_MAX packets between them; one more is dropped and counted */
#ifndef NETLAB_LAB_H
#define NETLAB_LAB_H

#include "base/bytes.h"
#include "link.h"

#include <stdio.h>
#include <sys/types.h>

enum { HOSTS_MAX = 64, CITIES_MAX = 32, NAME_MAX_ = 24, ARGS_MAX = 32, AT_MAX = 256, FLIGHT_MAX = 1<<16, PACKET_MAX = 1500, COMMAND_MAX = 512 };

typedef struct {
  char     name[ NAME_MAX_ ];
  uint32_t city, idx;                    /* idx: its number in the city, from 1 */
  uint64_t rate_bps;                     /* of its way out, shared by all links */
  char *   run[ ARGS_MAX+1 ];            /* its program, or none */
  int      tun_fd, ns_fd;
  pid_t    pid;
  link_t   up;
} host_t;

typedef struct { uint64_t at_ns; char text[ COMMAND_MAX ]; } timed_t;
typedef struct packet packet_t;

typedef struct {
  uint64_t   seed;
  char       city[ CITIES_MAX ][ NAME_MAX_ ];
  uint32_t   city_cnt, host_cnt, at_cnt, at_next;
  host_t     host[ HOSTS_MAX ];
  link_t     link[ HOSTS_MAX ][ HOSTS_MAX ];   /* [ from ][ to ] */
  timed_t    at[ AT_MAX ];                     /* by time */
  packet_t * heap[ FLIGHT_MAX ], * free_list;
  uint32_t   flight_cnt;
  uint64_t   seq, overflow_cnt, stray_cnt, start_ns;
  FILE *     pcap;
} lab_t;

/* Reads a topology; on failure 1 line to out_why (who, where, what would be right) and false. */
bool topo_read( lab_t * lab, char const * path, dmg_span_t text, dmg_buf_t * out_why );
/* One command: see usage in netlab.c.  Answers, or says what is wrong, into out_text. */
bool lab_do( lab_t * lab, char const * text, dmg_buf_t * out_text );
/* Namespaces, devices, addresses.  The process is then root of its own user namespace, in the namespace it began in. */
bool lab_open( lab_t * lab, dmg_buf_t * out_why );
void lab_close( lab_t * lab );
/* Starts argv in a host (or where the router stands: NULL), its output into log_fd (-1: as ours). */
pid_t lab_run( lab_t const * lab, host_t const * host, char * const argv[], int log_fd );
/* What is due at now and what the devices hold; returns the time of the next arrival or command, UINT64_MAX if none. */
uint64_t lab_turn( lab_t * lab, uint64_t now );
/* Waits until due, a device, a signal or extra_fd (-1: none) is ready. */
void lab_wait( lab_t * lab, uint64_t due, int extra_fd );
/* The address of a host as text, IPv4. */
void lab_address( host_t const * host, char out[ 16 ] );

/* Measures the laboratory itself; 0: what N13.3 asks is met. */
int prove( lab_t * lab );

#endif
