#include "rpc/cost.h"
#include "base/assert.h"
#include "base/num.h"

#include <pthread.h>
#include <stdlib.h>

enum { LOCK_CNT = 64, MICRO = 1000000 };

/* level: micro-units, negative in debt; last_ns: when it was right. */
typedef struct { uint64_t last_ns; int64_t level; } bucket_t;
typedef struct { bucket_t b; uint8_t key[ 16 ]; bool is_used; } client_t;
/* way[ DMG_COST_WAY_CNT ] is shared by those who found no room. */
typedef struct { client_t way[ DMG_COST_WAY_CNT+1 ]; } set_t;

struct dmg_cost {
  dmg_cost_cfg_t  cfg;
  uint64_t        seed;
  pthread_mutex_t lock[ LOCK_CNT ];   /* set i: lock i%LOCK_CNT */
  pthread_mutex_t all_lock;           /* taken under one of these */
  bucket_t        all;
  set_t *         sets;
};

dmg_cost_who_t dmg_cost_who( uint8_t const addr[ 16 ], bool is_unix, bool is_behind_proxy ) {
  static uint8_t const v4[ 12 ] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, v6_loopback[ 16 ] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
  dmg_cost_who_t who = { .is_free = is_unix };
  bool is_v4 = !memcmp( addr, v4, 12 );
  memcpy( who.key, addr, is_v4 ? 16 : 8 );
  bool is_loopback = is_v4 ? addr[ 12 ]==127 : !memcmp( addr, v6_loopback, 16 );
  if( is_loopback && !is_behind_proxy ) who.is_free = true;
  return who;
}

dmg_cost_t * dmg_cost_new( dmg_cost_cfg_t const * cfg, uint64_t seed ) {
  dmg_cost_t * c = calloc( 1, sizeof *c );
  if( !c ) return NULL;
  c->cfg  = *cfg;
  c->seed = seed;
  c->sets = calloc( DMG_COST_SET_CNT, sizeof *c->sets );
  for( int i = 0; i<LOCK_CNT; i++ ) pthread_mutex_init( &c->lock[ i ], NULL );
  pthread_mutex_init( &c->all_lock, NULL );
  if( !c->sets ) { dmg_cost_free( c ); return NULL; }
  for( size_t s = 0; s<DMG_COST_SET_CNT; s++ ) c->sets[ s ].way[ DMG_COST_WAY_CNT ].b.level = (int64_t)cfg->burst*MICRO;
  c->all.level = (int64_t)( cfg->all_rate/10 )*MICRO;
  return c;
}

void dmg_cost_free( dmg_cost_t * c ) {
  if( !c ) return;
  for( int i = 0; i<LOCK_CNT; i++ ) pthread_mutex_destroy( &c->lock[ i ] );
  pthread_mutex_destroy( &c->all_lock );
  free( c->sets );
  free( c );
}

/* rate units a second are rate/1000 micro-units a nanosecond. */
static void refill( bucket_t * b, uint64_t now_ns, uint64_t rate, int64_t max ) {
  if( now_ns<=b->last_ns ) return;
  dmg_u128_t more = (dmg_u128_t)( now_ns-b->last_ns )*rate/1000;
  if( !more ) return;                            /* keeps last_ns: what is less than a micro-unit adds up */
  b->level   = more>(dmg_u128_t)( max-b->level ) ? max : b->level+(int64_t)more;
  b->last_ns = now_ns;
}

static uint32_t ms_until( int64_t missing, uint64_t rate ) {
  if( missing<=0 ) return 0;
  dmg_u128_t ms = ( (dmg_u128_t)missing+(dmg_u128_t)rate*1000-1 )/( (dmg_u128_t)rate*1000 );
  return ms>UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

/* The client's bucket, refilled; under the set's lock. */
static bucket_t * bucket_of( dmg_cost_t * c, set_t * set, dmg_cost_who_t const * who, uint64_t now_ns ) {
  int64_t max = (int64_t)c->cfg.burst*MICRO;
  client_t * room = NULL;
  for( int i = 0; i<DMG_COST_WAY_CNT; i++ ) {
    client_t * w = &set->way[ i ];
    if( w->is_used && !memcmp( w->key, who->key, 16 ) ) { refill( &w->b, now_ns, c->cfg.rate, max ); return &w->b; }
  }
  for( int i = 0; i<DMG_COST_WAY_CNT && !room; i++ ) {
    client_t * w = &set->way[ i ];
    if( w->is_used ) refill( &w->b, now_ns, c->cfg.rate, max );
    if( !w->is_used || w->b.level==max ) room = w;
  }
  if( !room ) { bucket_t * shared = &set->way[ DMG_COST_WAY_CNT ].b; refill( shared, now_ns, c->cfg.rate, max ); return shared; }
  room->is_used = true;
  memcpy( room->key, who->key, 16 );
  room->b = (bucket_t){ now_ns, max };
  return &room->b;
}

static size_t set_of( dmg_cost_t const * c, dmg_cost_who_t const * who ) {
  uint64_t h = ( dmg_load_u64le( who->key )^c->seed )*0x9e3779b97f4a7c15u;
  h = ( ( h^h>>29 )+dmg_load_u64le( who->key+8 ) )*0xbf58476d1ce4e5b9u;
  h = ( h^h>>32^c->seed>>7 )*0x94d049bb133111ebu;
  return ( h>>40 )%DMG_COST_SET_CNT;
}

static void tell( dmg_cost_t const * c, bucket_t const * b, uint32_t retry_ms, dmg_cost_left_t * out ) {
  out->left     = b->level>0 ? (uint32_t)( b->level/MICRO ) : 0;
  out->full_s   = ( ms_until( (int64_t)c->cfg.burst*MICRO-b->level, c->cfg.rate )+999 )/1000;
  out->retry_ms = retry_ms;
  out->is_spent = b->level<=-(int64_t)c->cfg.burst*MICRO;
}

/* is_owed: taken whatever there is. */
static dmg_cost_verdict_t take( dmg_cost_t * c, dmg_cost_who_t const * who, uint64_t now_ns, uint32_t units, bool is_owed, dmg_cost_left_t * out ) {
  DMG_ASSERT( !who->is_free && c->cfg.rate );
  size_t at = set_of( c, who );
  int64_t want = (int64_t)units*MICRO, floor = -(int64_t)c->cfg.burst*MICRO, all_max = (int64_t)( c->cfg.all_rate/10 )*MICRO;
  dmg_cost_verdict_t verdict = DMG_COST_GRANTED;
  uint32_t retry_ms = 0;
  pthread_mutex_lock( &c->lock[ at%LOCK_CNT ] );
  bucket_t * b = bucket_of( c, &c->sets[ at ], who, now_ns );
  if( !is_owed && b->level<want ) { verdict = DMG_COST_OF_CLIENT; retry_ms = ms_until( want-b->level, c->cfg.rate ); }
  else if( c->cfg.all_rate ) {
    pthread_mutex_lock( &c->all_lock );
    refill( &c->all, now_ns, c->cfg.all_rate, all_max );
    /* A call dearer than all that can be saved up waits until nothing is owed. */
    int64_t all_want = want<all_max ? want : all_max;
    if( !is_owed && c->all.level<all_want ) { verdict = DMG_COST_OF_ALL; retry_ms = ms_until( all_want-c->all.level, c->cfg.all_rate ); }
    else c->all.level = c->all.level-want<-all_max ? -all_max : c->all.level-want;
    pthread_mutex_unlock( &c->all_lock );
  }
  if( verdict==DMG_COST_GRANTED ) b->level = b->level-want<floor ? floor : b->level-want;
  tell( c, b, retry_ms, out );
  pthread_mutex_unlock( &c->lock[ at%LOCK_CNT ] );
  return verdict;
}

dmg_cost_verdict_t dmg_cost_take( dmg_cost_t * c, dmg_cost_who_t const * who, uint64_t now_ns, uint32_t units, dmg_cost_left_t * out ) { return take( c, who, now_ns, units, false, out ); }
void dmg_cost_settle( dmg_cost_t * c, dmg_cost_who_t const * who, uint64_t now_ns, uint32_t units, dmg_cost_left_t * out ) { (void)take( c, who, now_ns, units, true, out ); }
