/* The driver of one node: what node/ does with the core's actions, on a modelled disk, signer, store and clock. */
#include "wan.h"
#include "base/os.h"

#define GENESIS_MS 1700000000000u

enum { IN_BODY = 0x80, IN_HEADER_REQ, IN_HEADER, IN_BODY_REQ, IN_RUNS_REQ, IN_RUNS };

/* --- clocks ----------------------------------------------------------------------------------------------- */

uint64_t local_us( world_t const * w, node_t const * n ) { return n->mono_us+(uint64_t)( (int64_t)( w->now-n->mono_at )*( 1000000+n->drift_ppm )/1000000 ); }
uint64_t wall_ms ( world_t const * w, node_t const * n ) { return (uint64_t)( (int64_t)( GENESIS_MS+w->now/1000 )+( n ? n->skew_ms : 0 ) ); }

/* What disk, signer and execution take; without jitter equal nodes are equally fast. */
static uint64_t work_us( world_t * w, node_t const * n, work_t work, uint64_t lo, uint64_t hi ) { return w->wan ? wan_work( w, work ) : w->cfg.is_even ? lo : rng_in( &w->exec, lo, hi )*n->slow; }

static uint64_t world_at( world_t const * w, node_t const * n, uint64_t local ) {
  uint64_t here = local_us( w, n );
  if( local<=here ) return w->now;
  return w->now+(uint64_t)( (int64_t)( local-here )*1000000/( 1000000+n->drift_ppm ) )+1;
}

static void arm( world_t * w, node_t * n ) {
  if( n->has_timer ) push( w, (ev_t){ .at = world_at( w, n, n->timer_us ), .kind = EV_TICK, .to = n->id, .life = n->life, .a = n->timer_us } );
}

void clock_set( world_t * w, node_t * n, int64_t drift_ppm, int64_t skew_ms ) {
  n->mono_us   = local_us( w, n );
  n->mono_at   = w->now;
  n->drift_ppm = drift_ppm;
  n->skew_ms   = skew_ms;
  if( n->is_up ) arm( w, n );
}

/* --- tables ----------------------------------------------------------------------------------------------- */

static uint32_t bucket( dmg_hash_t const * h ) { return dmg_load_u32le( h->b )%4096; }

simblk_t * blk_new( world_t * w, dmg_hash_t const * hash ) {
  simblk_t ** at = &w->blocks[ bucket( hash ) ];
  for( simblk_t * b = *at; b; b = b->next ) if( dmg_hash_eq( &b->hash, hash ) ) return b;
  simblk_t * b = calloc( 1, sizeof *b+w->node_cnt*( sizeof b->asked_us[ 0 ]+sizeof b->st[ 0 ] ) );
  DMG_ASSERT( b );
  b->st   = (uint8_t *)&b->asked_us[ w->node_cnt ];
  b->hash = *hash;
  b->next = *at;
  return *at = b;
}

simblk_t * blk_get( world_t * w, dmg_hash_t const * hash ) {
  for( simblk_t * b = w->blocks[ bucket( hash ) ]; b; b = b->next ) if( dmg_hash_eq( &b->hash, hash ) ) return b;
  return NULL;
}

simbody_t * body_get( world_t * w, dmg_hash_t const * hash ) {
  for( simbody_t * b = w->bodies[ bucket( hash ) ]; b; b = b->next ) if( dmg_hash_eq( &b->hash, hash ) ) return b;
  return NULL;
}

static simbody_t * body_new( world_t * w, dmg_span_t bytes, dmg_hash_t const * hash ) {
  simbody_t * b = body_get( w, hash );
  if( b ) return b;
  b = calloc( 1, sizeof *b );
  b->hash     = *hash;
  b->len      = (uint32_t)bytes.sz;
  b->bytes    = malloc( bytes.sz );
  b->is_valid = true;
  memcpy( b->bytes, bytes.p, bytes.sz );
  b->next = w->bodies[ bucket( hash ) ];
  return w->bodies[ bucket( hash ) ] = b;
}

static simblk_t * header_seen( world_t * w, node_t * n, dmg_header_t const * h, dmg_hash_t const * hash, dmg_span_t proposal ) {
  simblk_t * b = blk_new( w, hash );
  b->h = *h;
  b->has_header = true;
  b->is_full    = h->kind!=DMG_BLOCK_CLOSING && h->body_len>DMG_BODY_EMPTY_SZ;
  if( proposal.sz && !b->proposal_sz ) {
    b->proposal    = malloc( proposal.sz );
    b->proposal_sz = (uint32_t)proposal.sz;
    memcpy( b->proposal, proposal.p, proposal.sz );
  }
  if( n ) b->st[ n->id ] |= HAS_HEADER;
  return b;
}

uint32_t signer_of( world_t const * w, node_t const * n, uint32_t epoch ) {
  int i = dmg_set_find( &w->epochs[ epoch ].set, n->key );
  return i<0 ? UINT32_MAX : (uint32_t)i;
}

/* --- execution (a stub) and commit -------------------------------------------------------------------------- */

static void poll_later( world_t * w, node_t * n ) {
  if( n->is_polling ) return;
  n->is_polling = true;
  push( w, (ev_t){ .at = w->now+100000, .kind = EV_POLL, .to = n->id, .life = n->life } );
}

static void ask( world_t * w, node_t * n, simblk_t * b, uint8_t what ) {
  poll_later( w, n );
  if( b->asked_us[ n->id ] && w->now<b->asked_us[ n->id ]+150000 ) return;
  b->asked_us[ n->id ] = w->now;
  uint8_t msg[ 33 ] = { what };
  memcpy( msg+1, b->hash.b, 32 );
  uint8_t first = (uint8_t)rng_below( &w->net, w->node_cnt );
  for( uint8_t k = 0, sent = 0; k<w->node_cnt && sent<( w->cfg.is_even ? w->node_cnt : 2 ); k++ ) {
    node_t * p = &w->nodes[ ( first+k )%w->node_cnt ];
    if( p==n || !p->is_up ) continue;
    net_send( w, n, p, DMG_SPAN( msg ), 0 );
    sent++;
  }
  w->stats[ ST_FETCH ]++;
}

dmg_keys_t const * sim_keys( world_t * w, uint32_t e ) {
  if( w->keys[ e ] ) return w->keys[ e ];
  w->keys[ e ] = calloc( 1, sizeof( dmg_keys_t ) );
  bool ok = dmg_keys_init( w->keys[ e ], w->crypto, &w->chain_id, e, &w->epochs[ e ].set );
  DMG_ASSERT( ok );
  return w->keys[ e ];
}

/* The state's rules of a body: attendance as C8.2 says, over the chain it stands on. */
static bool body_judge( world_t * w, simblk_t * b, simbody_t * body, uint64_t * out_last ) {
  static dmg_arena_t * arena;
  if( !arena ) arena = dmg_arena_new( 1<<20 );
  dmg_arena_reset( arena );
  dmg_body_t * d;
  if( !body->is_valid || dmg_body_decode( dmg_span( body->bytes, body->len ), arena, &d ).kind ) return false;
  for( uint32_t i = 0; i<d->att_cnt; i++ ) {
    dmg_attendance_t const * a = &d->atts[ i ];
    if( !dmg_attendance_is_due( a, *out_last, b->h.view ) ) return false;
    dmg_hash_t at = { 0 };
    simblk_t * p = b;
    while( p && p->has_header && p->h.epoch==b->h.epoch && p->h.view>a->view ) p = p->h.parent_view ? blk_get( w, &p->h.parent_hash ) : NULL;
    if( p && p->h.view==a->view ) at = p->hash;
    if( !dmg_attendance_verify( sim_keys( w, b->h.epoch ), a, &at ) ) return false;
    *out_last = a->view;
  }
  return true;
}

static void to_core( world_t * w, node_t * n, dmg_cons_event_t * ev );

static void run_block( world_t * w, node_t * n, simblk_t * b ) {
  b->st[ n->id ] |= IS_RUNNING;
  push( w, (ev_t){ .at = w->now+work_us( w, n, WORK_EXECUTE, 300, 4000 ), .kind = EV_VERDICT, .to = n->id, .life = n->life, .hash = b->hash } );
}

/* Wants b executed: goes down to the lowest ancestor that is not, and gets what that one lacks. */
static void pursue( world_t * w, node_t * n, simblk_t * b ) {
  for( uint32_t depth = 0; depth<100000; depth++ ) {
    uint8_t st = b->st[ n->id ];
    if( st&( HAS_EXEC|IS_RUNNING ) ) return;
    if( !( st&HAS_HEADER ) ) { ask( w, n, b, IN_HEADER_REQ ); return; }
    simblk_t * p = blk_new( w, &b->h.parent_hash );
    if( !( p->st[ n->id ]&HAS_EXEC ) ) { b = p; continue; }
    if( b->h.kind!=DMG_BLOCK_CLOSING ) {
      simbody_t * body = body_get( w, &b->h.body_hash );
      if( !body || !who_has( &body->has, n->id ) ) { ask( w, n, b, IN_BODY_REQ ); return; }
    }
    run_block( w, n, b );
    return;
  }
}

static void learn_epoch( world_t * w, node_t * n, uint64_t height ) {
  epoch_t * e = &w->epochs[ n->epoch ];
  uint64_t at = e->record.first_height+( e->record.last_height-e->record.first_height+1 )/8;
  if( height>=at && n->epoch+1<EPOCH_MAX ) push( w, (ev_t){ .at = w->now, .kind = EV_EPOCH, .to = n->id, .life = n->life, .a = n->epoch+1 } );
}

/* The state after the seed's block fixes record and set of e+1 (C7.1, C3.2). */
static void make_epoch( world_t * w, uint32_t e, dmg_hash_t const * beacon ) {
  epoch_t * prev = &w->epochs[ e-1 ], * x = &w->epochs[ e ];
  dmg_record_t r = prev->record;
  uint64_t len = prev->record.last_height-prev->record.first_height+1;
  r.epoch        = e;
  r.first_height = prev->record.last_height+1;
  r.last_height  = prev->record.last_height+len;
  r.seed         = dmg_epoch_seed( beacon, e );
  dmg_set_t set = prev->set;
  /* Weights move by a sixth at most; where they change, one validator rests in turn. */
  if( w->cfg.has_rests ) {
    set.cnt = 0;
    for( uint8_t i = 0; i<w->cfg.n; i++ ) {
      if( i==e%w->cfg.n && !w->nodes[ i ].is_byz ) continue;
      memcpy( set.members[ set.cnt ].key, w->nodes[ i ].key, DMG_BLS_KEY_SZ );
      set.members[ set.cnt++ ].weight = w->cfg.weights[ i ];
    }
  }
  r.n        = (uint16_t)set.cnt;
  r.weight   = dmg_set_weight( &set );
  r.set_hash = dmg_set_hash( &set );
  if( x->is_known ) {
    dmg_hash_t a = dmg_record_hash( &x->record ), b = dmg_record_hash( &r );
    if( !dmg_hash_eq( &a, &b ) ) fail( w, "two records of epoch %u", e );
    return;
  }
  x->record = r;
  x->set    = set;
  x->is_known = true;
}

static void try_commit( world_t * w, node_t * n ) {
  if( !n->has_commit ) return;
  simblk_t * t = blk_new( w, &n->pend_commit.hash );
  if( !( t->st[ n->id ]&HAS_EXEC ) ) { poll_later( w, n ); pursue( w, n, t ); return; }
  static simblk_t * path[ 65536 ];
  uint32_t cnt = 0;
  for( simblk_t * b = t; b && !( b->st[ n->id ]&HAS_COMMIT ); b = blk_get( w, &b->h.parent_hash ) ) { DMG_ASSERT( cnt<65536 ); path[ cnt++ ] = b; }
  /* C9.5: what does not stand on our own chain is no block for us: both chains are kept, no rule picks a side. */
  if( w->cfg.is_fork && cnt && path[ cnt-1 ]->h.height<=n->final_height ) { w->is_forked |= !n->is_byz; n->has_commit = false; return; }
  while( cnt ) {
    simblk_t * b = path[ --cnt ];
    b->st[ n->id ] |= HAS_COMMIT;
    if( b->h.height<n->final_height ) fail( w, "I8: node %u: final height falls from %lu to %lu", n->id, n->final_height, b->h.height );
    if( b->h.kind!=DMG_BLOCK_CLOSING ) check_commit( w, n, b );
    n->final_height = b->h.height;
    epoch_t * e = &w->epochs[ b->h.epoch ];
    if( b->h.kind!=DMG_BLOCK_CLOSING && b->h.height==e->record.first_height+( e->record.last_height-e->record.first_height+1 )/8 && b->h.epoch+1<EPOCH_MAX ) make_epoch( w, b->h.epoch+1, &b->beacon );
    if( b->h.epoch==n->epoch ) learn_epoch( w, n, b->h.height );
  }
  n->final_cert = n->pend_commit;
  votes_final( w, n );
  n->has_commit = false;
}

/* A step at the same instant may be running: verdicts go by the queue. */
static void on_executed( world_t * w, node_t * n, dmg_hash_t const * hash ) {
  simblk_t * b = blk_get( w, hash );
  if( !b || !( b->st[ n->id ]&IS_RUNNING ) ) return;
  b->st[ n->id ] &= (uint8_t)~IS_RUNNING;
  simblk_t * p = blk_get( w, &b->h.parent_hash );
  DMG_ASSERT( p && p->has_root );
  bool is_closing = b->h.kind==DMG_BLOCK_CLOSING;
  simbody_t * body = is_closing ? NULL : body_get( w, &b->h.body_hash );
  uint64_t last = p->h.epoch==b->h.epoch ? p->last_att : 0;
  bool is_wait  = !w->is_healing && w->cfg.faults&F_BAD_EXEC && rng_is( &w->exec, 20000 );
  bool is_valid = is_wait || is_closing || body_judge( w, b, body, &last );
  if( is_valid && !is_wait ) {
    b->st[ n->id ] |= HAS_EXEC;
    if( !b->has_root ) {
      b->last_att = last;
      b->root     = is_closing ? p->root : dmg_h_node( DMG_TAG_STATE_NODE, &p->root, &b->hash );
      bool is_first = !is_closing && ( !b->h.parent_view || ( b->h.view-1 )/w->epochs[ b->h.epoch ].record.window!=( p->h.view-1 )/w->epochs[ b->h.epoch ].record.window );
      b->beacon   = is_first ? dmg_beacon_next( &p->beacon, b->h.reveal ) : p->beacon;
      b->has_root = true;
    }
    check_exec( w, n );
  }
  for( uint32_t i = 0; i<n->pend_cnt; i++ ) {
    if( n->pend[ i ]!=b ) continue;
    n->pend[ i ] = n->pend[ --n->pend_cnt ];
    dmg_cons_event_t ev = { .kind = DMG_CONS_VERDICT };
    ev.verdict.view     = b->h.view;
    ev.verdict.hash     = b->hash;
    ev.verdict.verdict  = is_wait ? DMG_CONS_WAIT : is_valid ? DMG_CONS_VALID : DMG_CONS_INVALID;
    ev.verdict.has_root = b->has_root && is_valid && !is_wait;
    ev.verdict.root     = b->root;
    to_core( w, n, &ev );
    break;
  }
  if( !n->is_up ) return;
  for( uint32_t i = 0; i<n->pend_cnt; i++ ) pursue( w, n, n->pend[ i ] );
  try_commit( w, n );
}

static void on_poll( world_t * w, node_t * n ) {
  n->is_polling = false;
  for( uint32_t i = 0; i<n->pend_cnt; i++ ) pursue( w, n, n->pend[ i ] );
  try_commit( w, n );
  if( n->pend_cnt || n->has_commit ) poll_later( w, n );
}

/* --- actions ------------------------------------------------------------------------------------------------ */

static void do_save( world_t * w, node_t * n, dmg_cons_action_t const * a ) {
  for( uint32_t i = 0; i<a->save.cnt; i++ ) {
    dmg_cons_record_t const * r = &a->save.records[ i ];
    if( n->wal_cnt==n->wal_cap ) { n->wal_cap = n->wal_cap ? 2*n->wal_cap : 256; n->wal = grow( n->wal, n->wal_cap*sizeof *n->wal ); }
    rec_t * x = &n->wal[ n->wal_cnt++ ];
    *x = (rec_t){ .kind = r->kind, .epoch = r->epoch, .p = malloc( r->payload.sz ), .sz = (uint32_t)r->payload.sz, .block = r->block };
    memcpy( x->p, r->payload.p, r->payload.sz );
    if( r->kind==DMG_CONS_REC_PROPOSAL ) {
      dmg_proposal_t p;
      /* An own one is logged before it is signed: its bytes are of no use to others. */
      if( !dmg_proposal_decode( r->payload, &p ).kind ) header_seen( w, n, &p.header.header, &p.hash, dmg_span( NULL, 0 ) );
    }
  }
  votes_saved( w, n, a );
  w->stats[ ST_SAVES ]++;
  push( w, (ev_t){ .at = w->now+work_us( w, n, WORK_SAVE, 300, 3000 ), .kind = EV_SAVED, .to = n->id, .life = n->life, .a = a->save.seq, .b = n->wal_cnt } );
}

static void on_saved( world_t * w, node_t * n, ev_t const * ev ) {
  for( uint32_t i = n->wal_durable; i<ev->b; i++ ) {
    if( n->wal[ i ].kind!=DMG_CONS_REC_PROPOSAL ) continue;
    simblk_t * b = blk_get( w, &n->wal[ i ].block );
    if( b ) b->st[ n->id ] |= HAS_SYNC;   /* header, runs and body (S8.1) */
  }
  if( ev->b>n->wal_durable ) n->wal_durable = (uint32_t)ev->b;
  votes_synced( w, n );
  if( ev->a>n->saved_seq ) n->saved_seq = ev->a;   /* a later sync covers an earlier one */
  dmg_cons_event_t e = { .kind = DMG_CONS_SAVED, .saved = ev->a };
  to_core( w, n, &e );
}

static void do_sign( world_t * w, node_t * n, dmg_cons_action_t const * a ) {
  ev_t ev = { .at = w->now+work_us( w, n, WORK_SIGN, 200, 2000 ), .kind = EV_SIGNED, .to = n->id, .life = n->life, .a = a->sign.id, .data = malloc( DMG_BLS_SIG_RAW_SZ ), .sz = DMG_BLS_SIG_RAW_SZ };
  if( a->sign.kind==DMG_CONS_SIGN_REVEAL ) {
    uint8_t msg[ DMG_REVEAL_MSG_SZ ];
    dmg_reveal_msg( &w->chain_id, a->sign.epoch, a->sign.view, msg );
    sim_sign( w, n, DMG_BLS_REVEAL, DMG_SPAN( msg ), ev.data );
    push( w, ev );
    return;
  }
  if( a->sign.seq>n->saved_seq && !n->is_twin ) fail( w, "I8: node %u asked to sign before its reasons were saved", n->id );
  if( a->sign.view<VIEW_MAX && a->sign.epoch<EPOCH_MAX ) {
    if( !n->votes[ a->sign.epoch ] ) n->votes[ a->sign.epoch ] = calloc( VIEW_MAX, sizeof( signed_t ) );
    signed_t * s = &n->votes[ a->sign.epoch ][ a->sign.view ];
    uint8_t bit = (uint8_t)( 1u<<a->sign.kind );
    bool is_same = s->flags&bit && dmg_hash_eq( &s->hash[ a->sign.kind ], &a->sign.hash );
    bool is_bad  = ( s->flags&bit && !is_same )
                || ( a->sign.kind==DMG_VOTE_NULLIFY  && s->flags&1u<<DMG_VOTE_FINALIZE ) || ( a->sign.kind==DMG_VOTE_FINALIZE && s->flags&1u<<DMG_VOTE_NULLIFY )
                || ( a->sign.kind==DMG_VOTE_FINALIZE && s->flags&1u<<DMG_VOTE_NOTARIZE && !dmg_hash_eq( &s->hash[ DMG_VOTE_NOTARIZE ], &a->sign.hash ) )
                || ( a->sign.kind==DMG_VOTE_NOTARIZE && s->flags&1u<<DMG_VOTE_FINALIZE && !dmg_hash_eq( &s->hash[ DMG_VOTE_FINALIZE ], &a->sign.hash ) );
    if( is_bad && !n->is_byz ) fail( w, "I4: node %u signs a slashable pair: kind %u in view %lu", n->id, a->sign.kind, a->sign.view );
    s->flags |= bit;
    s->hash[ a->sign.kind ] = a->sign.hash;
    if( a->sign.kind<3 && a->sign.view>n->marks[ a->sign.epoch ][ a->sign.kind ] ) n->marks[ a->sign.epoch ][ a->sign.kind ] = a->sign.view;
  }
  /* C6.4: asked for what it would refuse, an honest core has gone wrong; mutants sign without a file, liars have none. */
  if( !n->is_byz && !w->cfg.mutant ) {
    dmg_safety_vote_t  v  = { .kind = (dmg_vote_kind_t)a->sign.kind, .epoch = a->sign.epoch, .view = a->sign.view, .hash = a->sign.hash };
    dmg_safety_epoch_t ep = { .anchor_ms = w->epochs[ a->sign.epoch ].anchor.time_ms, .skew_ms = 500 };
    bool is_new;
    dmg_safety_answer_t answer = dmg_safety_vote( &n->safety, &v, &ep, &is_new );
    if( answer ) fail( w, "node %u: the safety file refuses kind %u of view %lu: %s", n->id, a->sign.kind, a->sign.view, dmg_safety_answer_text( answer ) );
  }
  check_signed( w, n, a->sign.kind, a->sign.epoch, a->sign.view, &a->sign.hash );
  votes_signed( w, n, a->sign.kind, a->sign.epoch, a->sign.view, &a->sign.hash );
  uint8_t msg[ DMG_VOTE_MSG_SZ ];
  dmg_vote_msg( (dmg_vote_kind_t)a->sign.kind, &w->chain_id, a->sign.epoch, a->sign.view, &a->sign.hash, msg );
  sim_sign( w, n, DMG_BLS_VOTE, DMG_SPAN( msg ), ev.data );
  if( a->sign.kind==DMG_VOTE_PROPOSE ) ev.b = a->sign.view;
  push( w, ev );
}

static void do_send( world_t * w, node_t * n, dmg_cons_action_t const * a ) {
  if( a->send.seq>n->saved_seq ) fail( w, "I8: node %u sends what is not saved", n->id );
  /* I10: what one node sends in a second, bodies and sync apart. */
  if( w->now>=n->tx_at_us+1000000 ) { n->tx_at_us = w->now; n->tx_bytes = 0; }
  uint64_t sz = 0;
  for( unsigned i = 0; i<DMG_CONS_PEER_MAX/64; i++ ) sz += a->send.frame.sz*(uint64_t)__builtin_popcountll( a->send.peers.w[ i ] );
  n->tx_bytes += sz;
  if( a->send.frame.p[ 0 ]!=DMG_FRAME_HANDOVER ) n->tx_calm += sz;   /* a test's epochs are a thousandth of a chain's */
  if( n->tx_bytes>n->tx_peak ) n->tx_peak = n->tx_bytes;
  if( n->tx_bytes>(uint64_t)w->node_cnt*( 256u<<10 ) ) fail( w, "I10: node %u sent %lu bytes in a second", n->id, n->tx_bytes );
  simblk_t * b = NULL;
  if( a->send.frame.p[ 0 ]==DMG_FRAME_PROPOSAL ) {
    dmg_proposal_t p;
    if( !dmg_proposal_decode( dmg_span( a->send.frame.p+1, a->send.frame.sz-1 ), &p ).kind ) b = header_seen( w, n, &p.header.header, &p.hash, dmg_span( a->send.frame.p+1, a->send.frame.sz-1 ) );
  }
  for( uint8_t i = 0; i<w->node_cnt; i++ ) {
    if( !dmg_peers_has( &a->send.peers, i ) || i==n->id ) continue;
    node_t * to = &w->nodes[ i ];
    if( n->is_byz ) byz_send( w, n, to, a->send.frame );
    else            net_send( w, n, to, a->send.frame, 0 );
    if( !b || b->h.kind==DMG_BLOCK_CLOSING || ( n->is_byz && w->cfg.byz_modes&B_NO_BODY && !w->is_healing ) ) continue;
    uint8_t msg[ 33 ] = { IN_BODY };
    memcpy( msg+1, b->h.body_hash.b, 32 );
    net_send( w, n, to, DMG_SPAN( msg ), 0 );
  }
}

static void do_build( world_t * w, node_t * n, dmg_cons_action_t const * a ) {
  static dmg_buf_t buf = { .max = DMG_BODY_SZ_MAX };
  dmg_attendance_t atts[ DMG_BODY_ATT_MAX ];
  dmg_body_t body = { .atts = atts };
  uint8_t tx[ 200 ];
  dmg_span_t txs[ 1 ] = { dmg_span( tx, rng_in( &w->exec, 8, sizeof tx ) ) };
  if( !a->build.is_empty ) {
    simblk_t * p = blk_get( w, &a->build.parent );
    uint64_t last = p && p->h.epoch==n->epoch && a->build.parent_view ? p->last_att : 0;
    body.att_cnt = dmg_cons_attendance( n->core, a->build.view, &a->build.parent, a->build.parent_view, last, atts );
    for( size_t i = 0; i<txs[ 0 ].sz; i++ ) tx[ i ] = (uint8_t)rng_next( &w->exec );
    if( rng_below( &w->exec, 4 ) || w->cfg.is_even ) { body.txs = txs; body.tx_cnt = 1; }
  }
  dmg_buf_clear( &buf );
  dmg_err_t err = dmg_body_encode( &body, &buf );
  DMG_ASSERT( !err );
  dmg_hash_t hash = dmg_body_hash( &body );
  simbody_t * b = body_new( w, dmg_buf_span( &buf ), &hash );
  who_add( &b->has, n->id );
  push( w, (ev_t){ .at = w->now+work_us( w, n, WORK_BUILD, 500, 5000 ), .kind = EV_BUILT, .to = n->id, .life = n->life, .a = a->build.id, .b = b->len, .hash = hash } );
}

static void do_evidence( world_t * w, node_t * n, dmg_cons_action_t const * a ) {
  dmg_evidence_t ev;
  w->stats[ ST_EVIDENCE ]++;
  if( dmg_evidence_decode( a->evidence.bytes, &ev ).kind ) { fail( w, "node %u: evidence that does not decode", n->id ); return; }
  uint32_t e = dmg_side_epoch( &ev.a );
  if( e>=EPOCH_MAX || !w->epochs[ e ].is_known ) return;
  static dmg_schedule_t sch;
  dmg_schedule_init( &sch, &w->epochs[ e ].record.seed, &w->epochs[ e ].set );
  dmg_hash_t next = w->epochs[ e+1 ].is_known ? dmg_record_hash( &w->epochs[ e+1 ].record ) : (dmg_hash_t){ 0 };
  dmg_evidence_epoch_t ep = { .keys = sim_keys( w, e ), .schedule = &sch, .record = &w->epochs[ e ].record, .next_root = w->epochs[ e+1 ].is_known ? &next : NULL, .anchor = w->epochs[ e ].anchor };
  uint8_t accused[ DMG_BITMAP_SZ ];
  dmg_verdict_t v = dmg_evidence_judge( a->evidence.bytes, &ep, accused );
  trace( w, "node %u evidence kind %u view %lu: %s %02x", n->id, ev.kind, dmg_side_view( &ev.a ), v.kind ? v.text : "proven", v.kind ? 0 : accused[ 0 ] );
  if( v.kind ) { fail( w, "node %u: evidence that proves nothing: %s %s", n->id, v.field, v.text ); return; }
  for( unsigned i = 0; i<DMG_BITMAP_SZ && !n->is_byz; i++ ) w->told[ i ] |= accused[ i ];
  for( uint32_t i = 0; i<w->epochs[ e ].set.cnt; i++ ) {
    if( !( accused[ i/8 ]>>( i%8 )&1 ) ) continue;
    bool is_byz = false;
    for( uint8_t k = 0; k<w->node_cnt; k++ ) is_byz |= w->nodes[ k ].is_byz && !memcmp( w->nodes[ k ].key, w->epochs[ e ].set.members[ i ].key, DMG_BLS_KEY_SZ );
    if( !is_byz ) fail( w, "I4: evidence against an honest validator, signer %u", i );
  }
}

static void on_done( world_t * w, node_t * n, dmg_span_t handover ) {
  epoch_t * e = &w->epochs[ n->epoch ];
  trace( w, "node %u DONE epoch %u", n->id, n->epoch );
  if( e->handover || n->is_byz ) return;
  e->handover    = malloc( handover.sz );
  e->handover_sz = (uint32_t)handover.sz;
  memcpy( e->handover, handover.p, handover.sz );
}

static void do_action( world_t * w, node_t * n, dmg_cons_action_t const * a ) {
  switch( a->kind ) {
    case DMG_CONS_SAVE:  do_save( w, n, a ); break;
    case DMG_CONS_SIGN:  do_sign( w, n, a ); break;
    case DMG_CONS_SEND:  do_send( w, n, a ); break;
    case DMG_CONS_BUILD: do_build( w, n, a ); break;
    case DMG_CONS_CHECK: {
      simblk_t * b = header_seen( w, n, &a->check.header, &a->check.hash, dmg_span( NULL, 0 ) );
      if( n->pend_cnt==64 ) {
        push( w, (ev_t){ .at = w->now, .kind = EV_FORGOTTEN, .to = n->id, .life = n->life, .hash = n->pend[ 0 ]->hash } );
        n->pend_cnt--;
        memmove( n->pend, n->pend+1, 63*sizeof *n->pend );
      }
      n->pend[ n->pend_cnt++ ] = b;
      if( b->st[ n->id ]&HAS_EXEC ) { b->st[ n->id ] |= IS_RUNNING; push( w, (ev_t){ .at = w->now, .kind = EV_VERDICT, .to = n->id, .life = n->life, .hash = b->hash } ); }
      else pursue( w, n, b );
      break;
    }
    case DMG_CONS_FETCH: {
      if( a->fetch.what==DMG_CONS_FETCH_RUNS ) {
        uint8_t msg[ 41 ] = { IN_RUNS_REQ };
        memcpy( msg+1, a->fetch.hash.b, 32 );
        dmg_store_u32le( msg+33, a->fetch.first );
        dmg_store_u32le( msg+37, a->fetch.count );
        for( uint8_t i = 0; i<w->node_cnt; i++ ) if( i!=n->id && dmg_peers_has( &a->fetch.peers, i ) ) net_send( w, n, &w->nodes[ i ], DMG_SPAN( msg ), 0 );
        w->stats[ ST_LEAVES ]++;
        break;
      }
      simblk_t * b = blk_new( w, &a->fetch.hash );
      if( b->st[ n->id ]&HAS_HEADER && b->proposal_sz ) {
        ev_t ev = { .at = w->now, .kind = EV_GOT, .to = n->id, .life = n->life, .data = malloc( b->proposal_sz ), .sz = b->proposal_sz };
        memcpy( ev.data, b->proposal, b->proposal_sz );
        push( w, ev );
      } else { b->asked_us[ n->id ] = 0; ask( w, n, b, IN_HEADER_REQ ); }
      break;
    }
    case DMG_CONS_TIMER:    n->has_timer = a->timer.at_us!=UINT64_MAX; n->timer_us = a->timer.at_us; arm( w, n ); break;
    case DMG_CONS_COMMIT:
      if( w->wan ) wan_final( w, n, &a->commit.cert );
      n->pend_commit = a->commit.cert;
      n->has_commit  = true;
      trace( w, "node %u F view %lu %02x%02x", n->id, a->commit.cert.view, a->commit.cert.hash.b[ 0 ], a->commit.cert.hash.b[ 1 ] );
      try_commit( w, n );
      break;
    case DMG_CONS_EVIDENCE: do_evidence( w, n, a ); break;
    case DMG_CONS_ALARM:
      w->stats[ ST_ALARMS ]++;
      trace( w, "node %u ALARM %s, view %lu", n->id, a->alarm.text, a->alarm.view );
      break;
    case DMG_CONS_CLOSE:    trace( w, "node %u closes the link to %u", n->id, a->close.peer ); break;
    case DMG_CONS_OBSERVE:
      w->stats[ ST_OBSERVE ]++;
      n->is_observer = true;
      trace( w, "node %u OBSERVE %s", n->id, a->observe.reason );
      if( !n->is_byz ) fail( w, "node %u falls to observe: %s", n->id, a->observe.reason );
      break;
    case DMG_CONS_RAISE:    dmg_safety_raise_from( &n->safety, a->raise.from_ms ); break;
    case DMG_CONS_DONE:     on_done( w, n, a->done.handover ); break;
    default: DMG_ASSERT( !"an unknown action" );
  }
}

static void carry_out( world_t * w, node_t * n ) {
  uint32_t life = n->life;
  for( uint32_t i = 0; i<w->out->cnt; i++ ) {
    dmg_cons_action_t const * a = &w->out->actions[ i ];
    /* Kill at each SAVE, SIGN, SEND: before the action, so it is lost, or behind it. */
    bool is_point = a->kind==DMG_CONS_SAVE || a->kind==DMG_CONS_SIGN || a->kind==DMG_CONS_SEND;
    bool is_kill  = is_point && !w->is_healing && w->cfg.faults&F_KILL && rng_is( &w->proc, 150 );
    if( is_kill && rng_is( &w->proc, 500000 ) ) { node_kill( w, n ); push( w, (ev_t){ .at = w->now+rng_in( &w->proc, 10000, 4000000 ), .kind = EV_UP, .to = n->id } ); return; }
    do_action( w, n, a );
    if( is_kill ) { node_kill( w, n ); push( w, (ev_t){ .at = w->now+rng_in( &w->proc, 10000, 4000000 ), .kind = EV_UP, .to = n->id } ); return; }
  }
  if( n->life!=life || !n->is_up ) return;
  dmg_cons_info_t info;
  dmg_cons_info( n->core, &info );
  if( info.epoch!=n->epoch ) {
    trace( w, "node %u enters epoch %u", n->id, info.epoch );
    n->epoch = info.epoch;
    if( info.epoch>w->stats[ ST_EPOCHS ] ) w->stats[ ST_EPOCHS ] = info.epoch;
    epoch_t * e = &w->epochs[ info.epoch ];
    if( !e->has_anchor ) {
      simblk_t * b = blk_get( w, &info.anchor );
      DMG_ASSERT( b && b->st[ n->id ]&HAS_EXEC );
      e->anchor = (dmg_cons_anchor_t){ .hash = b->hash, .height = b->h.height, .time_ms = b->h.time_ms, .root = b->root };
      e->has_anchor = true;
    }
    learn_epoch( w, n, n->final_height );
  }
  check_core( w, n );
}

static void to_core( world_t * w, node_t * n, dmg_cons_event_t * ev ) {
  DMG_ASSERT( n->is_up );
  ev->now_us  = local_us( w, n );
  ev->wall_ms = wall_ms( w, n );
  uint64_t price = sim_price_ns, began = w->cfg.is_timed ? dmg_os_thread_cpu_ns() : 0;
  dmg_cons_step( n->core, ev, w->out );
  if( w->cfg.is_timed ) n->cpu_ns += dmg_os_thread_cpu_ns()-began;
  w->stats[ ST_STEPS ]++;
  uint64_t us = w->wan ? ( sim_price_ns-price )/1000 : 0;
  if( us ) {
    /* What was decided leaves once it is computed; meanwhile the node's events wait. */
    w->now += us;
    n->busy_until = w->now;
    carry_out( w, n );
    w->now -= us;
  } else carry_out( w, n );
}

/* --- life --------------------------------------------------------------------------------------------------- */

static uint32_t taken_at;   /* index of the event that node_wake is running: freed there */

static void node_drop( node_t * n ) {
  for( uint32_t i = taken_at; i<n->inbox_cnt; i++ ) if( n->inbox[ i ].sz ) free( n->inbox[ i ].data );
  n->inbox_cnt = 0;
}

void node_kill( world_t * w, node_t * n ) {
  if( !n->is_up ) return;
  trace( w, "node %u dies", n->id );
  n->is_up = false;
  n->life++;
  w->stats[ ST_KILLS ]++;
  dmg_arena_free( n->arena );
  n->core  = NULL;
  n->arena = NULL;
  n->has_timer = n->has_commit = n->is_polling = false;
  n->paused_until = n->busy_until = 0;
  node_drop( n );
  n->pend_cnt = 0;
  /* Of what was not synced some first records may have reached the disk. */
  uint32_t keep = n->wal_durable+(uint32_t)rng_below( &w->proc, n->wal_cnt-n->wal_durable+1 );
  while( n->wal_cnt>keep ) free( n->wal[ --n->wal_cnt ].p );
  for( uint32_t i = n->wal_durable; i<n->wal_cnt; i++ ) if( n->wal[ i ].kind==DMG_CONS_REC_PROPOSAL ) { simblk_t * b = blk_get( w, &n->wal[ i ].block ); if( b ) b->st[ n->id ] |= HAS_SYNC; }
  n->wal_durable = n->wal_cnt;
  votes_killed( w, n );
  for( uint32_t k = 0; k<4096; k++ ) for( simblk_t * b = w->blocks[ k ]; b; b = b->next ) {
    uint8_t * st = &b->st[ n->id ];
    b->asked_us[ n->id ] = 0;
    bool is_kept = *st&( HAS_SYNC|HAS_COMMIT );
    simbody_t * body = !is_kept && b->has_header ? body_get( w, &b->h.body_hash ) : NULL;
    if( body ) who_drop( &body->has, n->id );
    *st &= is_kept ? *st&HAS_COMMIT ? HAS_HEADER|HAS_SYNC|HAS_COMMIT|HAS_EXEC : HAS_HEADER|HAS_SYNC : 0;
  }
  /* A body that several blocks share is kept if one of them is. */
  for( uint32_t k = 0; k<4096; k++ ) for( simblk_t * b = w->blocks[ k ]; b; b = b->next ) {
    simbody_t * body = b->st[ n->id ]&( HAS_SYNC|HAS_COMMIT ) && b->has_header ? body_get( w, &b->h.body_hash ) : NULL;
    if( body ) who_add( &body->has, n->id );
  }
  for( uint8_t i = 0; i<w->node_cnt; i++ ) if( i!=n->id ) node_link( w, &w->nodes[ i ], n, false );
}

void node_link( world_t * w, node_t * n, node_t const * peer, bool is_up ) {
  if( n->is_up && ( !is_up || peer->is_up ) ) push( w, (ev_t){ .at = w->now+( w->cfg.is_even ? 1000 : rng_in( &w->net, 100, 2000 ) ), .kind = EV_LINK, .to = n->id, .from = peer->id, .life = n->life, .a = is_up, .b = peer->life } );
}

void node_start( world_t * w, node_t * n ) {
  if( n->is_up ) return;
  /* The epoch: the last whose handover is in the log and whose anchor is committed. */
  uint32_t e = 0;
  for( uint32_t i = 0; i<n->wal_cnt; i++ ) if( n->wal[ i ].kind==DMG_CONS_REC_EPOCH && n->wal[ i ].epoch+1>e && w->epochs[ n->wal[ i ].epoch+1 ].is_known && n->final_height>=w->epochs[ n->wal[ i ].epoch ].record.last_height ) e = n->wal[ i ].epoch+1;
  n->epoch = e;
  n->arena = dmg_arena_new( (size_t)64<<20 );
  dmg_cons_record_t * recs = malloc( ( n->wal_cnt+1 )*sizeof *recs );
  uint32_t cnt = 0;
  uint8_t  floor[ DMG_CONS_REC_FLOOR_SZ ];
  if( n->final_cert.view && n->final_cert.epoch==e ) {
    /* The final height of the state with the certificate of its FINAL record: the other floor of C6.3. */
    dmg_store_u64le( floor, n->final_cert.view );
    dmg_store_u64le( floor+8, n->final_height );
    memcpy( floor+16, n->final_cert.hash.b, 32 );
    dmg_cert_encode( &n->final_cert, floor+48 );
    recs[ cnt++ ] = (dmg_cons_record_t){ .kind = DMG_CONS_REC_FLOOR, .epoch = e, .payload = DMG_SPAN( floor ) };
  }
  for( uint32_t i = 0; i<n->wal_cnt; i++ ) recs[ cnt++ ] = (dmg_cons_record_t){ .kind = n->wal[ i ].kind, .epoch = n->wal[ i ].epoch, .payload = dmg_span( n->wal[ i ].p, n->wal[ i ].sz ), .block = n->wal[ i ].block };
  epoch_t * ep = &w->epochs[ e ];
  dmg_cons_cfg_t cfg = { .crypto = w->crypto, .chain_id = w->chain_id, .record = ep->record, .set = &ep->set, .anchor = ep->anchor, .runs_max = w->cfg.runs_max, .prefix_sz = w->cfg.prefix_sz, .n_max = w->cfg.n, .mutant = w->cfg.mutant };
  memcpy( cfg.key, n->key, sizeof cfg.key );
  /* What the safety file says, or for a liar's twin what it signed. */
  cfg.marks_epoch = n->is_byz ? e : n->safety.epoch>e ? n->safety.epoch : e;
  memcpy( cfg.marks, n->marks[ cfg.marks_epoch ], sizeof cfg.marks );
  if( n->is_byz ) cfg.mutant = 0;
  /* A twin would fall silent at the first certificate with a vote of its sibling (C6.5): its file claims to have signed as far ahead as its views go. */
  if( n->is_byz && w->twins ) for( unsigned k = 0; k<3; k++ ) cfg.marks[ k ] = DMG_SAFETY_OPEN_MAX-1;
  dmg_cons_restored_t restored = { .records = recs, .cnt = cnt };
  n->core = dmg_cons_new( n->arena, &cfg, &restored );
  DMG_ASSERT( n->core );
  free( recs );
  n->is_up = true;
  n->saved_seq = 0;
  trace( w, "node %u starts in epoch %u, %u records", n->id, e, n->wal_cnt );
  dmg_cons_event_t tick = { .kind = DMG_CONS_TICK };
  to_core( w, n, &tick );
  if( !n->is_up ) return;
  learn_epoch( w, n, n->final_height );
  for( uint8_t i = 0; i<w->node_cnt; i++ ) if( i!=n->id ) { node_link( w, n, &w->nodes[ i ], true ); node_link( w, &w->nodes[ i ], n, true ); }
}

/* --- events ------------------------------------------------------------------------------------------------- */

/* N9.1: a core keeps its last handover alone; who hears of an epoch beyond the next asks for that of its own, as the network machine of a node does. */
static void fill_epochs( world_t * w, node_t * n, uint16_t from, dmg_span_t handover ) {
  epoch_t const * e = &w->epochs[ n->epoch ];
  dmg_handover_t h;
  if( !e->handover || dmg_handover_decode( handover, &h ).kind || h.header.epoch<=n->epoch ) return;
  uint8_t frame[ 1+DMG_HANDOVER_SZ_MAX ] = { DMG_FRAME_HANDOVER };
  memcpy( frame+1, e->handover, e->handover_sz );
  dmg_cons_event_t ev = { .kind = DMG_CONS_MSG, .msg = { .peer = from, .frame = dmg_span( frame, 1+e->handover_sz ) } };
  to_core( w, n, &ev );
}

static void on_frame( world_t * w, node_t * n, ev_t const * ev ) {
  uint8_t kind = ev->sz ? ev->data[ 0 ] : 0;
  node_t * from = &w->nodes[ ev->from ];
  if( kind>=IN_BODY && ev->sz>=33 ) {
    dmg_hash_t hash = dmg_hash_load( ev->data+1 );
    if( kind==IN_BODY ) {
      simbody_t * body = body_get( w, &hash );
      if( !body ) return;
      who_add( &body->has, n->id );
      for( uint32_t i = 0; i<n->pend_cnt; i++ ) pursue( w, n, n->pend[ i ] );
      try_commit( w, n );
    } else if( kind==IN_HEADER_REQ ) {
      simblk_t * b = blk_get( w, &hash );
      if( !b || !( b->st[ n->id ]&HAS_HEADER ) || !b->proposal_sz ) return;
      uint8_t * msg = malloc( 33+b->proposal_sz );
      msg[ 0 ] = IN_HEADER;
      memcpy( msg+1, hash.b, 32 );
      memcpy( msg+33, b->proposal, b->proposal_sz );
      net_send( w, n, from, dmg_span( msg, 33+b->proposal_sz ), 0 );
      free( msg );
    } else if( kind==IN_HEADER ) {
      dmg_proposal_t p;
      dmg_span_t bytes = dmg_span( ev->data+33, ev->sz-33 );
      if( dmg_proposal_decode( bytes, &p ).kind || !dmg_hash_eq( &p.hash, &hash ) ) return;
      header_seen( w, n, &p.header.header, &hash, bytes );
      dmg_cons_event_t e = { .kind = DMG_CONS_GOT, .got = { .proposal = bytes } };
      to_core( w, n, &e );
      if( n->is_up ) on_poll( w, n );
    } else if( kind==IN_RUNS_REQ && ev->sz==41 ) {
      static uint8_t msg[ 37+DMG_LEAVES_SZ_MAX ];
      size_t sz = dmg_cons_runs( n->core, &hash, dmg_load_u32le( ev->data+33 ), dmg_load_u32le( ev->data+37 ), msg+37 );
      if( !sz ) return;
      /* A liar's leaves: another run in a place, another number of leaves. */
      if( n->is_byz && !w->is_healing && w->cfg.byz_modes&B_WRONG_ROOT && rng_is( &w->byz, 500000 ) ) msg[ 37+rng_below( &w->byz, rng_is( &w->byz, 500000 ) ? 4 : sz ) ] ^= 1;
      msg[ 0 ] = IN_RUNS;
      memcpy( msg+1, ev->data+1, 36 );
      net_send( w, n, from, dmg_span( msg, 37+sz ), 0 );
    } else if( kind==IN_RUNS && ev->sz>37 ) {
      dmg_cons_event_t e = { .kind = DMG_CONS_GOT_RUNS, .got_runs = { .hash = hash, .first = dmg_load_u32le( ev->data+33 ), .bytes = dmg_span( ev->data+37, ev->sz-37 ) } };
      to_core( w, n, &e );
    } else if( kind==IN_BODY_REQ ) {
      simblk_t * b = blk_get( w, &hash );
      simbody_t * body = b && b->has_header ? body_get( w, &b->h.body_hash ) : NULL;
      if( !body || !who_has( &body->has, n->id ) || ( n->is_byz && w->cfg.byz_modes&B_NO_BODY && !w->is_healing ) ) return;
      uint8_t msg[ 33 ] = { IN_BODY };
      memcpy( msg+1, b->h.body_hash.b, 32 );
      net_send( w, n, from, DMG_SPAN( msg ), 0 );
    }
    return;
  }
  dmg_span_t frame = dmg_span( ev->data, ev->sz );
  if( kind==DMG_FRAME_PROPOSAL && ev->sz ) {
    dmg_proposal_t p;
    if( !dmg_proposal_decode( dmg_span( frame.p+1, frame.sz-1 ), &p ).kind ) header_seen( w, n, &p.header.header, &p.hash, dmg_span( frame.p+1, frame.sz-1 ) );
  }
  w->stats[ ST_FRAMES ]++;
  if( n->is_byz && !n->is_twin ) byz_saw( w, n, from, frame );
  if( !n->is_up ) return;
  dmg_cons_event_t e = { .kind = DMG_CONS_MSG, .msg = { .peer = ev->from, .frame = frame } };
  to_core( w, n, &e );
  if( n->is_up && kind==DMG_FRAME_HANDOVER ) fill_epochs( w, n, ev->from, dmg_span( frame.p+1, frame.sz-1 ) );
}

static uint64_t u64max( uint64_t a, uint64_t b ) { return a>b ? a : b; }

static void handle( world_t * w, node_t * n, ev_t const * ev ) {
  if( n->slow>1 ) n->busy_until = w->now+(uint64_t)20*n->slow;
  switch( ev->kind ) {
    case EV_FRAME:   on_frame( w, n, ev ); break;
    case EV_SAVED:   on_saved( w, n, ev ); break;
    case EV_VERDICT: on_executed( w, n, &ev->hash ); break;
    case EV_FORGOTTEN: {
      simblk_t const * b = blk_get( w, &ev->hash );
      dmg_cons_event_t wait = { .kind = DMG_CONS_VERDICT, .verdict = { .view = b->h.view, .hash = b->hash, .verdict = DMG_CONS_WAIT } };
      to_core( w, n, &wait );
      break;
    }
    case EV_POLL:    on_poll( w, n ); break;
    case EV_TICK: {
      if( !n->has_timer || ev->a!=n->timer_us ) break;
      if( local_us( w, n )<n->timer_us ) { arm( w, n ); break; }   /* the clock was slowed */
      n->has_timer = false;
      dmg_cons_event_t e = { .kind = DMG_CONS_TICK };
      to_core( w, n, &e );
      /* The core tells a deadline only when it changes. */
      if( n->is_up && !n->has_timer && n->timer_us!=UINT64_MAX ) { n->has_timer = true; push( w, (ev_t){ .at = w->now+1000, .kind = EV_TICK, .to = n->id, .life = n->life, .a = n->timer_us } ); }
      break;
    }
    case EV_SIGNED: {
      dmg_cons_event_t e = { .kind = DMG_CONS_SIGNED };
      e.sig.id = ev->a;
      if( w->wan && ev->b ) wan_proposed( w, ev->b );
      memcpy( e.sig.sig, ev->data, DMG_BLS_SIG_RAW_SZ );
      to_core( w, n, &e );
      break;
    }
    case EV_BUILT: {
      dmg_cons_event_t e = { .kind = DMG_CONS_BUILT };
      e.built.id = ev->a; e.built.is_ok = true; e.built.body_hash = ev->hash; e.built.body_len = (uint32_t)ev->b;
      to_core( w, n, &e );
      break;
    }
    case EV_GOT: {
      dmg_cons_event_t e = { .kind = DMG_CONS_GOT, .got = { .proposal = dmg_span( ev->data, ev->sz ) } };
      to_core( w, n, &e );
      break;
    }
    case EV_LINK: {
      dmg_cons_event_t e = { .kind = DMG_CONS_LINK };
      node_t * p = &w->nodes[ ev->from ];
      if( ev->a && ( !p->is_up || ev->b!=p->life ) ) break;
      e.link.peer = ev->from; e.link.is_up = ev->a; e.link.key = p->key;
      to_core( w, n, &e );
      break;
    }
    case EV_EPOCH: {
      epoch_t * x = &w->epochs[ ev->a ];
      if( !x->is_known || ev->a!=n->epoch+1 ) break;
      dmg_cons_event_t e = { .kind = DMG_CONS_EPOCH, .epoch = { .record = &x->record, .set = &x->set } };
      to_core( w, n, &e );
      break;
    }
    default: DMG_ASSERT( !"an unknown event" );
  }
}

void node_event( world_t * w, node_t * n, ev_t const * ev ) {
  if( ev->kind==EV_UP ) { if( !w->is_healing || ev->a ) node_start( w, n ); return; }
  if( !n->is_up || ( ev->life && ev->life!=n->life ) ) return;
  if( ev->kind==EV_WAKE ) { node_wake( w, n ); return; }
  if( n->inbox_cnt || n->paused_until>w->now || n->busy_until>w->now ) {
    /* A stopped process keeps what arrives, in order. */
    if( n->inbox_cnt==n->inbox_cap ) { n->inbox_cap = n->inbox_cap ? 2*n->inbox_cap : 64; n->inbox = grow( n->inbox, n->inbox_cap*sizeof *n->inbox ); }
    ev_t * in = &n->inbox[ n->inbox_cnt++ ];
    *in = *ev;
    if( ev->sz ) { in->data = malloc( ev->sz ); memcpy( in->data, ev->data, ev->sz ); }
    if( n->inbox_cnt==1 ) push( w, (ev_t){ .at = u64max( n->paused_until, u64max( n->busy_until, w->now ) ), .kind = EV_WAKE, .to = n->id, .life = n->life } );
    return;
  }
  handle( w, n, ev );
}

void node_wake( world_t * w, node_t * n ) {
  uint32_t life = n->life, at = 0;
  while( n->is_up && n->life==life && at<n->inbox_cnt && n->paused_until<=w->now && n->busy_until<=w->now ) {
    ev_t ev = n->inbox[ at++ ];
    taken_at = at;
    handle( w, n, &ev );
    taken_at = 0;
    if( ev.sz ) free( ev.data );
  }
  if( n->life!=life ) return;   /* the kill emptied the box: what was taken out is gone with it */
  memmove( n->inbox, n->inbox+at, ( n->inbox_cnt-at )*sizeof *n->inbox );
  n->inbox_cnt -= at;
  if( n->inbox_cnt ) push( w, (ev_t){ .at = u64max( n->paused_until, u64max( n->busy_until, w->now ) ), .kind = EV_WAKE, .to = n->id, .life = n->life } );
}
