/* Faults: a list by the seed, so that a part of it can be left out when a failure is shrunk. */
#include "full.h"
#include "liar.h"

#define FULL_FAULT_NAME( name ) #name,
char const * const full_fault_names[ FF_CNT ] = { FULL_FAULT_TABLE( FULL_FAULT_NAME ) };
#define FULL_MUTANT_NAME( name ) #name,
char const * const full_mutant_names[ FM_CNT ] = { FULL_MUTANT_TABLE( FULL_MUTANT_NAME ) };

static uint64_t in( full_world_t * w, uint64_t lo, uint64_t hi ) { return lo+dmg_rnd_u64( &w->chance )%( hi-lo+1 ); }

/* At most f nodes lie or lose what their disk knew: beyond that nothing is promised. */
static uint8_t victim( full_world_t * w, uint32_t * mask ) {
  uint8_t a = (uint8_t)( dmg_rnd_u64( &w->chance )%w->cfg.n );
  uint32_t f = ( w->cfg.n-1 )/3;
  for( uint8_t i = 0; i<w->cfg.n && (uint32_t)__builtin_popcount( *mask )>=f; i++ ) if( *mask>>i&1 ) a = i;
  *mask |= 1u<<a;
  return a;
}

void full_faults_make( full_world_t * w ) {
  full_cfg_t const * c = &w->cfg;
  uint32_t victims = 0;
  if( !c->fault_us || !c->kinds ) return;
  for( uint64_t at = w->now+1000000; w->fault_cnt<FULL_FAULTS_MAX; ) {
    at += 1+in( w, 0, 2*(uint64_t)c->fault_us );
    if( at>=c->chaos_us ) break;
    full_fault_t f = { .at_us = at, .a = (uint8_t)in( w, 0, w->node_cnt-1 ), .b = (uint8_t)in( w, 0, w->node_cnt-1 ) };
    do f.kind = (uint8_t)in( w, 0, FF_CNT-1 ); while( !( c->kinds>>f.kind&1 ) );
    if( f.b==f.a ) f.b = (uint8_t)( ( f.a+1 )%w->node_cnt );
    f.until_us = at+in( w, 100000, 3000000 );
    switch( f.kind ) {
    case FF_KILL:        f.x = in( w, 0, 2 ); f.y = in( w, 1, f.x==1 ? 60 : 40 ); if( !in( w, 0, 3 ) ) f.until_us += in( w, 0, 30000000 ); break;
    case FF_RESTART_ALL: break;
    case FF_PAUSE:       if( !in( w, 0, 5 ) ) f.until_us += in( w, 0, 60000000 ); break;
    case FF_SLOW:        f.x = in( w, 1000, 30000 ); f.until_us += in( w, 0, 10000000 ); break;
    case FF_HOLD:        if( !in( w, 0, 3 ) ) f.until_us += in( w, 0, 60000000 ); break;
    case FF_PART:        f.x = in( w, 1, ( 1u<<w->node_cnt )-2 ); if( !in( w, 0, 3 ) ) f.until_us += in( w, 0, 60000000 ); break;
    case FF_CUT:         break;
    case FF_RESET: case FF_TWICE: f.until_us = 0; break;
    case FF_LATE:        f.x = in( w, 1, 100 ); f.y = in( w, 50000, 400000 ); f.until_us += in( w, 0, 10000000 ); break;
    case FF_FAR:         f.x = in( w, 500, 250000 ); f.until_us = 0; break;
    case FF_RATE:        f.x = in( w, 2000, 200000 ); f.until_us += in( w, 0, 10000000 ); break;
    case FF_SKEW:        f.x = in( w, 0, 10000 ); f.until_us = 0; break;
    case FF_DRIFT:       f.x = in( w, 0, 100000 ); f.until_us = 0; break;
    case FF_SYNC_ERROR: case FF_NO_SPACE: f.y = in( w, 0, 40 ); f.until_us = 0; break;
    case FF_FLIP:        f.a = victim( w, &victims ); f.x = in( w, 0, 2 ); break;
    case FF_LOST:        f.a = victim( w, &victims ); break;
    case FF_GARBLE:      f.a = victim( w, &victims ); f.x = in( w, 1, 50 ); f.until_us = 0; break;
    case FF_WRONG_ROOT:  f.a = victim( w, &victims ); f.until_us = 0; break;
    case FF_WITHHOLD:    f.a = victim( w, &victims ); f.until_us += in( w, 0, 20000000 ); break;
    case FF_MISDIRECT:   f.a = victim( w, &victims ); f.x = in( w, 0, 5 ); f.y = in( w, 1, f.x%3==1 ? 20 : 60 ); f.until_us += in( w, 0, 10000000 ); break;
    case FF_BACKUP:      f.a = victim( w, &victims ); f.x = in( w, 0, FULL_BACK_CNT-1 ); f.until_us += in( w, 0, 20000000 ); break;
    case FF_EQUIVOCATE:  f.a = victim( w, &victims ); f.x = ( dmg_rnd_u64( &w->chance )&2047 )|B_DOUBLE; f.until_us = 0; break;
    case FF_THIEF:       f.a = victim( w, &victims ); f.x = in( w, 0, 1 ); f.until_us += in( w, 0, 20000000 ); break;
    default: break;
    }
    if( f.until_us>=c->chaos_us ) f.until_us = 0;   /* heal ends it */
    w->faults[ w->fault_cnt++ ] = f;
  }
}

void full_fault_print( FILE * to, full_fault_t const * f ) {
  fprintf( to, "%10.3f ms  %s a=%u b=%u x=%lu y=%lu", (double)f->at_us/1000, full_fault_names[ f->kind ], f->a, f->b, (unsigned long)f->x, (unsigned long)f->y );
  if( f->until_us ) fprintf( to, " until %.3f", (double)f->until_us/1000 );
  fputc( '\n', to );
}

/* Links outlive the process at their end. */
static void hold( full_world_t * w, uint32_t a, uint32_t b, bool is_on ) { if( w->nodes[ a ].slot && w->nodes[ b ].slot ) dmg_mem_hold( w->nodes[ a ].slot, w->nodes[ b ].slot, is_on ); }

static void part( full_world_t * w, uint64_t mask, bool is_on ) {
  for( uint32_t i = 0; i<w->node_cnt; i++ ) for( uint32_t j = 0; j<w->node_cnt; j++ ) if( i!=j && ( mask>>i&1 )!=( mask>>j&1 ) ) hold( w, i, j, is_on );
}

static void kill_at( full_world_t * w, full_node_t * n, uint64_t how, uint64_t later, uint64_t until_us ) {
  n->start_us = until_us;
  if( how==0 ) full_node_kill( w, n, "killed" );
  else if( how==1 ) dmg_vfs_mem_off_at( n->vfs, dmg_vfs_mem_steps( n->vfs )+later );
  else { n->has_frames = true; n->frames_left = later; }
}

static void late( full_world_t * w, uint64_t per_1000, uint64_t us ) {
  dmg_mem_net_faults( w->net, &(dmg_mem_faults_t){ .delay_us = w->cfg.delay_us, .jitter_us = w->cfg.jitter_us, .late = (uint16_t)per_1000, .late_us = (uint32_t)us } );
}

void full_fault_apply( full_world_t * w, full_fault_t const * f, bool is_begin ) {
  full_node_t * a = &w->nodes[ f->a ], * b = &w->nodes[ f->b ];
  bool both = a->is_up && b->is_up;
  if( is_begin ) {
    w->stats.faults++;
    full_trace( "fault %s a=%u b=%u x=%lu y=%lu", full_fault_names[ f->kind ], f->a, f->b, (unsigned long)f->x, (unsigned long)f->y );
  }
  switch( f->kind ) {
  case FF_KILL:        if( is_begin && a->is_up ) kill_at( w, a, f->x, f->y, f->until_us ); break;
  case FF_RESTART_ALL:
    for( uint32_t i = 0; i<w->node_cnt && is_begin; i++ ) { full_node_kill( w, &w->nodes[ i ], "all" ); w->nodes[ i ].start_us = f->until_us ? f->until_us+dmg_rnd_u64( &w->chance )%500000 : 0; }
    break;
  case FF_PAUSE:       a->paused_us = is_begin ? ( f->until_us ? f->until_us : UINT64_MAX ) : 0; break;
  case FF_SLOW:        a->slow_us = is_begin ? (uint32_t)f->x : 0; break;
  case FF_HOLD:        hold( w, f->a, f->b, is_begin ); break;
  case FF_PART:        part( w, f->x, is_begin ); break;
  case FF_CUT:         if( a->slot && b->slot ) dmg_mem_cut( a->slot, b->slot, is_begin ); break;
  case FF_RESET:       if( both && is_begin ) dmg_mem_reset( a->port, b->port ); break;
  case FF_TWICE: {
    uint32_t conn;
    char const * addr[ 1 ] = { "/mem" };
    if( both && is_begin ) (void)!dmg_net_dial( a->port, &b->peer, addr, 1, false, &conn );
    break;
  }
  case FF_LATE:        late( w, is_begin ? f->x : 0, f->y ); break;
  case FF_FAR:         if( both && is_begin ) dmg_mem_far( a->port, b->port, (uint32_t)f->x ); break;
  case FF_RATE:        if( a->slot ) dmg_mem_slow( a->slot, is_begin ? f->x : 0 ); break;
  case FF_SKEW:        if( is_begin ) full_clock_set( a, a->drift_ppm, (int64_t)f->x-5000 ); break;
  case FF_DRIFT:       if( is_begin ) full_clock_set( a, (int64_t)f->x-50000, a->skew_ms ); break;
  case FF_SYNC_ERROR: case FF_NO_SPACE:
    if( !is_begin || !a->is_up ) break;
    dmg_vfs_mem_fail_at( a->vfs, dmg_vfs_mem_steps( a->vfs )+f->y, f->kind==FF_NO_SPACE ? DMG_ERR_FULL : DMG_ERR_IO );
    dmg_vfs_mem_off_at( a->vfs, dmg_vfs_mem_steps( a->vfs )+f->y+1 );
    break;
  case FF_FLIP: case FF_LOST:
    if( !is_begin || !a->is_up ) break;
    full_node_kill( w, a, full_fault_names[ f->kind ] );
    a->start_us = f->until_us;
    a->is_lost  = f->kind==FF_LOST;
    a->flip     = f->kind==FF_FLIP ? (uint8_t)( 1+f->x ) : 0;
    break;
  case FF_GARBLE:
    if( !is_begin ) break;
    a->is_liar = true;
    a->garble  = (uint16_t)f->x;
    if( a->is_up ) dmg_mem_garble( a->port, a->garble );
    break;
  case FF_WRONG_ROOT:  if( is_begin ) a->is_liar = a->has_wrong_root = true; break;
  case FF_WITHHOLD:    if( a->slot ) dmg_mem_mute( a->slot, is_begin ? 1u<<DMG_CHAINNET_BODY|1u<<DMG_CHAINNET_BODIES : 0 ); break;
  case FF_MISDIRECT:
    if( is_begin && a->is_up && !a->has_strayed ) { a->stray_kind = (int)( f->x%3 ); a->is_stray_lost = f->x/3==0; a->stray_left = f->y; }
    if( !is_begin && a->has_strayed && a->is_up ) { full_node_kill( w, a, "a write of its went astray" ); a->start_us = w->now+100000; }
    break;
  case FF_BACKUP:
    full_node_kill( w, a, is_begin ? "to be copied" : "to go back" );
    if( is_begin ) full_disk_copy( a );
    else if( !a->has_strayed ) full_disk_restore( w, a, (full_back_t)f->x );
    if( !a->start_us ) a->start_us = w->now+100000+dmg_rnd_u64( &w->chance )%500000;
    break;
  case FF_EQUIVOCATE:  if( is_begin ) { a->is_liar = a->is_equivocator = true; a->lies = (uint32_t)f->x; } break;
  case FF_THIEF:
    if( is_begin && a->is_up ) { a->is_stolen = true; full_thief_begin( w, a, f->x ); }
    if( !is_begin && w->thief.victim==a ) full_thief_end( w );
    break;
  default: break;
  }
}

void full_faults_end( full_world_t * w ) {
  if( w->thief.port ) full_thief_end( w );
  for( uint32_t i = 0; i<w->node_cnt; i++ ) {
    full_node_t * n = &w->nodes[ i ];
    n->paused_us = n->busy_us = n->stray_left = 0;
    n->lies      = 0;
    n->slow_us   = 0;
    n->start_us  = 0;
    if( n->is_up ) { dmg_vfs_mem_off_at( n->vfs, UINT64_MAX-1 ); dmg_vfs_mem_fail_at( n->vfs, UINT64_MAX, DMG_OK ); }
    if( n->is_up ) n->has_frames = false;
    /* The wall clock is set right again; the monotonic one keeps what its drift made of it. */
    full_clock_set( n, 0, (int64_t)( dmg_rnd_u64( &w->chance )%201 )-100+( (int64_t)w->now-(int64_t)full_local_us( n ) )/1000 );
  }
  late( w, 0, 0 );
  dmg_mem_net_calm( w->net );
  for( uint32_t i = 0; i<w->node_cnt; i++ ) for( uint32_t j = 0; j<w->node_cnt; j++ )
    if( i!=j && w->nodes[ i ].slot && w->nodes[ j ].slot ) dmg_mem_far( w->nodes[ i ].slot, w->nodes[ j ].slot, (uint32_t)in( w, 500, 60000 ) );
}
