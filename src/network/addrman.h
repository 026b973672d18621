/* addrman: who may be dialled, so kept that no neighbour can fill it with its own (N10.3).

     heard of  --add--> new    256 buckets x 64, by keyed SipHash of ( group, source group ): one source group reaches 64 buckets
     was there --good-> tried   64 buckets x 64, by keyed SipHash of ( group, peer mod 8 ): one group reaches 8 buckets

   A peer stands once, in one of the two.  A place that is taken stays so, unless who holds it failed often or was not heard of for 30 days (new), or was not there for
   4 hours (tried: it goes back to new).  The key is drawn once and kept in the file, so that nobody can choose places.

   Memory    dmg_addrman_new takes about 5 MiB from the arena
   Threads   one at a time
   Failure   load: a verdict; a file that is none changes nothing
   Bounds    DMG_ADDRMAN_MAX peers of two addresses; a pick looks at each place once at most, and asks is_fit of 256
   Spec      docs/spec/network.md N10.3
   Not here  clocks, random numbers (both arguments), which addresses are fit to dial */
#ifndef DMG_NETWORK_ADDRMAN_H
#define DMG_NETWORK_ADDRMAN_H

#include "base/arena.h"
#include "base/verdict.h"
#include "network/maddr.h"
#include "network/net_port.h"

enum { DMG_ADDRMAN_NEW = 256, DMG_ADDRMAN_TRIED = 64, DMG_ADDRMAN_DEPTH = 64, DMG_ADDRMAN_MAX = ( DMG_ADDRMAN_NEW+DMG_ADDRMAN_TRIED )*DMG_ADDRMAN_DEPTH, DMG_ADDRMAN_ADDRS = 2, DMG_ADDRMAN_ANCHORS = 2 };

typedef struct dmg_addrman dmg_addrman_t;

typedef struct { dmg_net_peer_t peer; uint32_t addr_cnt; dmg_maddr_t addrs[ DMG_ADDRMAN_ADDRS ]; bool is_tried; } dmg_addrman_peer_t;

/* NULL: the arena is full. */
dmg_addrman_t * dmg_addrman_new( dmg_arena_t * arena, uint8_t const key[ 16 ] );

/* Times are Unix seconds.  Heard of, with addresses of its own signing; a higher seq replaces them.  source: who said so.  false: no place, or nothing new. */
bool dmg_addrman_add   ( dmg_addrman_t * am, dmg_net_peer_t const * peer, uint64_t seq, dmg_maddr_t const * addrs, uint32_t addr_cnt, dmg_maddr_group_t const * source, uint64_t now_s );
/* It was connected with, and is of our chain. */
void dmg_addrman_good  ( dmg_addrman_t * am, dmg_net_peer_t const * peer, uint64_t now_s );
/* It was dialled in vain; or (is_ours_no_more) is of another chain: forgotten. */
void dmg_addrman_failed( dmg_addrman_t * am, dmg_net_peer_t const * peer, bool is_other, uint64_t now_s );

/* One to dial: by chance from tried or new (is_new_only: new), not one that was dialled lately (5 s to 5 min, by how often in vain), and that is_fit takes.  It counts as dialled. */
typedef bool (* dmg_addrman_fit_t)( void * ctx, dmg_addrman_peer_t const * peer );
bool dmg_addrman_pick( dmg_addrman_t * am, bool is_new_only, uint64_t random, uint64_t now_s, dmg_addrman_fit_t is_fit, void * ctx, dmg_addrman_peer_t * out );
bool dmg_addrman_find( dmg_addrman_t const * am, dmg_net_peer_t const * peer, dmg_addrman_peer_t * out );
void dmg_addrman_counts( dmg_addrman_t const * am, uint32_t * out_new, uint32_t * out_tried );

/* The peer file: "dmgpeers" | version u8 | key[16] | anchors u8, peer ids | count u32 | peers | SHA-256 of all before. */
DMG_MUST_USE dmg_err_t dmg_addrman_save( dmg_addrman_t const * am, dmg_net_peer_t const * anchors, uint32_t anchor_cnt, dmg_buf_t * out );
/* Into an empty one, whose key becomes the file's. */
dmg_verdict_t dmg_addrman_load( dmg_addrman_t * am, dmg_span_t file, dmg_net_peer_t out_anchors[ DMG_ADDRMAN_ANCHORS ], uint32_t * out_anchor_cnt );

#endif
