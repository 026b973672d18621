/* Certificates held, bases, cur, and the ring of open views. */
#include "consensus/cons_int.h"

/* --- ring ----------------------------------------------------------------------------------------------- */

view_t * view_get( cons_t const * c, uint64_t view ) {
  if( !view || view>c->ring_hi || view+DMG_CONS_RING<=c->ring_hi ) return NULL;
  view_t * s = &c->ring[ view%DMG_CONS_RING ];
  return s->view==view ? s : NULL;
}

blk_t * blk_keep( cons_t * c ) {
  /* The lowest view goes; what finality and proposals rest on is the newest. */
  uint32_t best = 0;
  for( uint32_t i = 0; i<EXTRA_CNT; i++ ) {
    if( !c->extra[ i ].is_used ) { best = i; break; }
    if( c->extra[ i ].sh.header.view<c->extra[ best ].sh.header.view ) best = i;
  }
  return &c->extra[ best ];
}

static void view_reset( cons_t * c, uint64_t view ) {
  view_t * s = &c->ring[ view%DMG_CONS_RING ];
  for( unsigned i = 0; i<2; i++ ) {
    blk_t * b = &s->blk[ i ];
    /* The base's and the final block outlive their views: proposals stand on them however long a stall lasts. */
    if( b->is_used && ( dmg_hash_eq( &b->hash, &c->base_hash ) || dmg_hash_eq( &b->hash, &c->fin.hash ) ) ) *blk_keep( c ) = *b;
  }
  slot_t * slots = s->slots;
  memset( s, 0, sizeof *s );
  s->view  = view;
  s->slots = slots;
  for( uint32_t i = 0; i<3*c->n_max; i++ ) slots[ i ].state = SLOT_EMPTY;
}

view_t * view_touch( cons_t * c, uint64_t view ) {
  DMG_ASSERT( view );
  if( view+DMG_CONS_RING<=c->ring_hi ) return NULL;
  uint64_t from = c->ring_hi+1;
  if( view>=DMG_CONS_RING && from+DMG_CONS_RING<=view ) from = view-DMG_CONS_RING+1;
  for( uint64_t v = from; v<=view; v++ ) view_reset( c, v );
  if( view>c->ring_hi ) c->ring_hi = view;
  return &c->ring[ view%DMG_CONS_RING ];
}

blk_t * blk_find( cons_t * c, uint64_t view, dmg_hash_t const * hash ) {
  view_t * s = view_get( c, view );
  for( unsigned i = 0; s && i<2; i++ ) if( s->blk[ i ].is_used && dmg_hash_eq( &s->blk[ i ].hash, hash ) ) return &s->blk[ i ];
  for( unsigned i = 0; i<EXTRA_CNT; i++ ) if( c->extra[ i ].is_used && dmg_hash_eq( &c->extra[ i ].hash, hash ) ) return &c->extra[ i ];
  return NULL;
}

/* --- runs: `order` has first and last strictly ascending ------------------------------------------------- */

/* Position of the first run with first > view. */
static uint32_t run_upper( cons_t const * c, uint64_t view ) {
  uint32_t lo = 0, hi = c->run_cnt;
  while( lo<hi ) {
    uint32_t mid = ( lo+hi )/2;
    if( c->runs[ c->order[ mid ] ].run.first<=view ) lo = mid+1; else hi = mid;
  }
  return lo;
}

held_run_t * run_at( cons_t const * c, uint64_t view ) {
  uint32_t at = run_upper( c, view );
  if( !at ) return NULL;
  held_run_t * h = &c->runs[ c->order[ at-1 ] ];
  return dmg_run_last( &h->run )>=view ? h : NULL;
}

bool has_null( cons_t const * c, uint64_t view ) { return run_at( c, view )!=NULL; }

static void run_remove( cons_t * c, uint32_t at ) {
  uint16_t idx = c->order[ at ];
  memmove( &c->order[ at ], &c->order[ at+1 ], ( c->run_cnt-at-1 )*sizeof *c->order );
  c->order[ --c->run_cnt ] = idx;
}

/* C2.4: who formed NULLIFICATIONs one by one merges them: b right behind a, together at most 64 views. */
static bool run_merge( cons_t * c, held_run_t * a, held_run_t const * b ) {
  if( dmg_run_last( &a->run )+1!=b->run.first || a->run.cnt+b->run.cnt>DMG_RUN_VIEWS_MAX ) return false;
  dmg_bls_sig_t x, y, sum;
  dmg_bls_sig_t const * both[ 2 ] = { &x, &y };
  dmg_cons_crypto_t const * k = c->cfg.crypto;
  if( !k->sig_load( a->run.sig, &x ) || !k->sig_load( b->run.sig, &y ) || !k->sig_sum( both, 2, &sum ) ) return false;
  memcpy( a->run.bitmaps[ a->run.cnt ], b->run.bitmaps, (size_t)b->run.cnt*DMG_BITMAP_SZ );
  a->run.cnt  += b->run.cnt;
  a->is_logged = a->is_logged && b->is_logged;
  k->sig_store( &sum, a->run.sig );
  return true;
}

static void run_insert( cons_t * c, dmg_run_t const * run, bool is_logged ) {
  uint64_t last = dmg_run_last( run );
  uint32_t at = run_upper( c, run->first );
  if( at && dmg_run_last( &c->runs[ c->order[ at-1 ] ].run )>=last ) return;   /* nothing new */
  while( at && c->runs[ c->order[ at-1 ] ].run.first==run->first ) run_remove( c, --at );
  while( at<c->run_cnt && dmg_run_last( &c->runs[ c->order[ at ] ].run )<=last ) run_remove( c, at );
  if( c->run_cnt==c->runs_max ) {
    /* C11.1: full: drop, want.  Those nearest above the base justify the next proposal and stay. */
    if( at && dmg_run_last( &c->runs[ c->order[ 0 ] ].run )<=c->base_view ) { run_remove( c, 0 ); at--; }
    else {
      if( !c->has_run_alarm ) alarm_text( c, "more runs than are kept: the farthest are dropped and wanted again", run->first, NULL, NULL );
      c->has_run_alarm = c->is_run_dropped = true;
      c->drops++;
      if( at==c->run_cnt ) return;
      run_remove( c, c->run_cnt-1 );
    }
  }
  uint16_t idx = c->order[ c->run_cnt ];
  memmove( &c->order[ at+1 ], &c->order[ at ], ( c->run_cnt-at )*sizeof *c->order );
  c->order[ at ] = idx;
  c->run_cnt++;
  c->runs[ idx ].run       = *run;
  c->runs[ idx ].is_logged = is_logged;
  if( at+1<c->run_cnt && run_merge( c, &c->runs[ idx ], &c->runs[ c->order[ at+1 ] ] ) ) run_remove( c, at+1 );
  if( at && run_merge( c, &c->runs[ c->order[ at-1 ] ], &c->runs[ idx ] ) ) run_remove( c, at );
}

bool has_own_above( cons_t const * c, uint8_t kind, uint64_t view, uint8_t const bitmap[ DMG_BITMAP_SZ ] ) { return c->me>=0 && !c->is_observer && bit_get( bitmap, (uint32_t)c->me ) && view>c->marks[ kind ]; }
bool run_has_own_above( cons_t const * c, dmg_run_t const * run ) {
  for( uint32_t i = 0; i<run->cnt; i++ ) if( has_own_above( c, DMG_VOTE_NULLIFY, run->first+i, run->bitmaps[ i ] ) ) return true;
  return false;
}

/* A bit of ours in what others hold, above what we know to have signed: another life under our key, or a lost record. */
static void check_own_bit( cons_t * c, uint8_t kind, uint64_t view, uint8_t const bitmap[ DMG_BITMAP_SZ ] ) {
  if( !has_own_above( c, kind, view, bitmap ) ) return;
  alarm_text( c, "our signature above our marks", view, NULL, NULL );   /* C6.5 */
  observe( c, "a certificate carries a vote of ours that we do not know" );
}

bool run_is_useful( cons_t const * c, dmg_run_t const * run ) {
  uint64_t last = dmg_run_last( run );
  if( run->epoch!=c->rec.epoch || last<=c->v_fin || ( last<=c->base_view && !view_get( c, last ) ) ) return false;
  held_run_t const * h = run_at( c, run->first );
  return !h || dmg_run_last( &h->run )<last;
}

void take_run( cons_t * c, dmg_run_t const * run, bool is_trusted ) {
  if( !is_trusted ) for( uint32_t i = 0; i<run->cnt; i++ ) check_own_bit( c, DMG_VOTE_NULLIFY, run->first+i, run->bitmaps[ i ] );
  if( !run_is_useful( c, run ) ) return;
  if( !is_trusted ) detect_null( c, run );
  run_insert( c, run, false );
}

/* --- bases and finality ---------------------------------------------------------------------------------- */

void cert_peers( cons_t const * c, uint8_t const bitmap[ DMG_BITMAP_SZ ], dmg_peers_t * out ) {
  memset( out, 0, sizeof *out );
  bool is_any = false;
  for( uint32_t i = 0; i<c->keys.n; i++ ) {
    int p = c->peer_of[ i ];
    if( !bit_get( bitmap, i ) || p<0 || !c->peers[ p ].is_up ) continue;
    out->w[ p/64 ] |= (uint64_t)1<<( p%64 );
    is_any = true;
  }
  if( !is_any ) *out = peers_up( c );
}

void fetch( cons_t * c, uint64_t view, dmg_hash_t const * hash, uint8_t const bitmap[ DMG_BITMAP_SZ ] ) {
  for( unsigned i = 0; i<FETCH_CNT; i++ ) {
    if( !dmg_hash_eq( &c->fetches[ i ].hash, hash ) ) continue;
    if( c->now_us<c->fetches[ i ].at_us+RESEND_US/2 ) return;   /* asked lately */
    c->fetches[ i ].at_us = c->now_us;
    goto ask;
  }
  c->fetches[ c->fetch_at ].hash  = *hash;
  c->fetches[ c->fetch_at ].view  = view;
  c->fetches[ c->fetch_at ].at_us = c->now_us;
  c->fetch_at = ( c->fetch_at+1 )%FETCH_CNT;
ask:;
  dmg_peers_t peers;
  cert_peers( c, bitmap, &peers );
  dmg_cons_action_t * a = action( c, DMG_CONS_FETCH );
  if( !a ) return;
  a->fetch.what  = DMG_CONS_FETCH_HEADER;
  a->fetch.view  = view;
  a->fetch.hash  = *hash;
  a->fetch.peers = peers;
}

/* The base's block is what our next proposal and everybody's judgement stand on. */
void need_base( cons_t * c ) {
  if( !c->base_view ) return;
  blk_t * b = blk_find( c, c->base_view, &c->base_hash );
  if( !b ) fetch( c, c->base_view, &c->base_hash, c->base_cert.bitmap );
}

static void set_base( cons_t * c, dmg_cert_t const * cert, bool is_logged ) {
  if( cert->view<=c->base_view ) return;
  c->base_view      = cert->view;
  c->base_hash      = cert->hash;
  c->base_cert      = *cert;
  c->is_base_logged = is_logged;
  need_base( c );
}

static void set_final( cons_t * c, dmg_cert_t const * cert, bool is_logged ) {
  /* C4.6: raise v_fin, drop what is closed. */
  c->v_fin         = cert->view;
  c->fin           = *cert;
  c->fin_us        = c->now_us;
  c->is_fin_logged = is_logged;
  c->still_attempt = 0;
  if( c->cur>c->v_fin ) timers_deadlines( c );   /* else the view is about to be left */
  while( c->run_cnt && dmg_run_last( &c->runs[ c->order[ 0 ] ].run )<=c->v_fin ) run_remove( c, 0 );
  if( c->out ) {
    dmg_cons_action_t * a = action( c, DMG_CONS_COMMIT );
    if( a ) a->commit.cert = *cert;
  }
}

/* A certificate that holds. */
static void hold_cert( cons_t * c, dmg_cert_t const * held, bool is_logged ) {
  dmg_cert_t const copy = *held, * cert = &copy;   /* what it came in may move */
  uint32_t epoch = c->rec.epoch;
  bool is_final = cert->kind==DMG_VOTE_FINALIZE;
  view_t * s = view_touch( c, cert->view );
  if( s ) {
    detect_cert( c, s, cert );
    if( is_final ) { s->has_f = true; s->f = *cert; }
    else           { s->has_n = true; s->n = *cert; s->is_n_logged = is_logged; }
  }
  if( MUTANT( c, RESEND_ALL ) ) { dmg_peers_t up = peers_up( c ); send_cert( c, &up, cert ); }   /* C4.7's price */
  set_base( c, cert, is_logged );
  if( is_final ) set_final( c, cert, is_logged );
  advance( c );
  if( !s || s->view!=cert->view ) return;
  if( is_final ) on_final_block( c );
  else           try_finalize( c, s );
  if( c->rec.epoch!=epoch ) return;
  judge_view( c, cert->view );   /* C4.3: N(v,h) held admits a late NOTARIZE; another body than the first may be the one to run */
}

bool take_cert( cons_t * c, dmg_cert_t const * cert, bool is_trusted ) {
  if( cert->epoch!=c->rec.epoch || !cert->view ) return false;
  bool is_final = cert->kind==DMG_VOTE_FINALIZE;
  /* C6.5: ever, also where the certificate is of no other use. */
  bool is_ours = !is_trusted && has_own_above( c, cert->kind, cert->view, cert->bitmap );
  if( is_ours && dmg_cert_verify( &c->keys, cert ) ) check_own_bit( c, cert->kind, cert->view, cert->bitmap );
  if( cert->view<=c->v_fin ) {
    /* Another block certified in a view that is final: more than a third is Byzantine, and no rule picks a side (C9.5); the proof convicts them (C9.3). */
    view_t * s = view_get( c, cert->view );
    dmg_cert_t const * held = s && s->has_f ? &s->f : cert->view==c->v_fin ? &c->fin : NULL;
    if( held && !dmg_hash_eq( &cert->hash, &held->hash ) ) {
      if( !dmg_cert_verify( &c->keys, cert ) ) return false;
      alarm_text( c, is_final ? "two finalized blocks in one view" : "another block notarized in a final view", cert->view, &held->hash, &cert->hash );
      if( s ) detect_cert( c, s, cert );
    }
    return true;
  }
  view_t * s = view_get( c, cert->view );
  if( s ? ( is_final ? s->has_f : s->has_n ) : ( !is_final && cert->view<=c->base_view ) ) {
    if( s && !is_final && s->has_n && !dmg_hash_eq( &cert->hash, &s->n.hash ) ) {
      if( !dmg_cert_verify( &c->keys, cert ) ) return false;
      detect_cert( c, s, cert );
      alarm_text( c, "two notarized blocks in one view", cert->view, &s->n.hash, &cert->hash );
    }
    return true;
  }
  if( !is_trusted ) {
    bool is_short = MUTANT( c, QUORUM_SHORT ) && dmg_keys_weigh( &c->keys, cert->bitmap )>=quorum( c ) && dmg_aggregate_verify( &c->keys, cert->kind, cert->view, &cert->hash, cert->bitmap, cert->sig );
    if( !is_short && !dmg_cert_verify( &c->keys, cert ) ) return false;
  }
  hold_cert( c, cert, is_trusted && !c->out );
  return true;
}

/* C4.1: cur = 1 + r; r the end of the unbroken Zs above the highest base.  A lower base cannot reach farther: its Zs would cover this one's. */
void advance( cons_t * c ) {
  uint64_t r = dmg_max_u64( c->base_view, c->cur-1 );
  for( held_run_t * h; ( h = run_at( c, r+1 ) ); ) r = dmg_run_last( &h->run );
  /* C14.3's mutant: a lone later Z moves us. */
  if( MUTANT( c, ENTER_ON_LONE_Z ) && c->run_cnt ) r = dmg_max_u64( r, dmg_run_last( &c->runs[ c->order[ c->run_cnt-1 ] ].run ) );
  if( r+1<=c->cur ) return;
  c->cur = r+1;
  if( c->out ) timers_enter( c );
}
