#include "rig.h"

dmg_hash_t rig_root( dmg_hash_t const * parent ) { return dmg_h( DMG_TAG_STATE_VALUE, dmg_hash_span( parent ) ); }

static void boot( rig_t * r ) {
  dmg_cons_record_t * recs = calloc( r->wal_cnt+1, sizeof *recs );
  for( uint32_t i = 0; i<r->wal_cnt; i++ ) recs[ i ] = (dmg_cons_record_t){ .kind = r->wal[ i ].kind, .epoch = r->wal[ i ].epoch, .payload = dmg_span( r->wal[ i ].bytes, r->wal[ i ].sz ), .block = r->wal[ i ].block };
  dmg_cons_restored_t restored = { .records = recs, .cnt = r->wal_cnt };
  r->arena = dmg_arena_new( (size_t)64<<20 );
  r->core  = dmg_cons_new( r->arena, &r->cfg, &restored );
  DMG_ASSERT( r->core );
  free( recs );
}

void rig_init( rig_t * r, uint32_t me, uint64_t last_height ) {
  memset( r, 0, sizeof *r );
  r->me  = me;
  r->wal = calloc( 1024, sizeof *r->wal );
  r->sends = calloc( RIG_SENDS, sizeof *r->sends );
  r->out = malloc( sizeof *r->out );
  for( uint32_t i = 0; i<RIG_N; i++ ) { sim_fake_key( i, r->set.members[ i ].key, &r->secrets[ i ] ); r->set.members[ i ].weight = 1; }
  r->set.cnt = RIG_N;
  r->cfg = (dmg_cons_cfg_t){ .crypto = &sim_fake, .chain_id = { { 1 } }, .set = &r->set, .runs_max = 64, .n_max = 8, .is_wait_off = true,
    .anchor = { .hash = { { 1 } }, .time_ms = 1000000, .root = { { 2 } } },
    .record = { .version = 1, .first_height = 1, .last_height = last_height, .seed = { { 3 } }, .weight = RIG_N, .n = RIG_N, .pace_ms = 250, .window = 4, .delta_ms = 200, .cap_ms = 30000,
                .empty_lag = 16, .body_max = 1u<<20, .body_soft = 131072, .skew_ms = 500 } };
  r->cfg.record.set_hash = dmg_set_hash( &r->set );
  memcpy( r->cfg.key, r->set.members[ me ].key, DMG_BLS_KEY_SZ );
  r->now_us  = 5000000;
  r->wall_ms = 1000000;
  r->timer_us = UINT64_MAX;
  boot( r );
}

void rig_fini( rig_t * r ) { dmg_arena_free( r->arena ); free( r->wal ); free( r->sends ); free( r->out ); }

void rig_restart( rig_t * r ) {
  dmg_arena_free( r->arena );
  r->send_cnt = 0;
  r->timer_us = UINT64_MAX;
  for( uint32_t i = 0; i<r->wal_cnt; i++ ) if( r->wal[ i ].kind==DMG_CONS_REC_VOTE && r->wal[ i ].bytes[ 0 ]<3 ) {
    uint64_t v = dmg_load_u64le( r->wal[ i ].bytes+1 );
    if( v>r->cfg.marks[ r->wal[ i ].bytes[ 0 ] ] ) r->cfg.marks[ r->wal[ i ].bytes[ 0 ] ] = v;
  }
  boot( r );
  dmg_cons_event_t tick = { .kind = DMG_CONS_TICK };
  rig_event( r, &tick );
}

static void sign( rig_t const * r, uint32_t who, dmg_bls_use_t use, dmg_span_t msg, uint8_t out[ DMG_BLS_SIG_RAW_SZ ] ) { sim_fake_sign( &r->secrets[ who ], use, msg, out ); }

void rig_event( rig_t * r, dmg_cons_event_t * ev ) {
  dmg_cons_event_t todo[ 600 ];
  uint32_t todo_cnt = 0;
  ev->now_us  = r->now_us;
  ev->wall_ms = r->wall_ms;
  dmg_cons_step( r->core, ev, r->out );
  for( uint32_t i = 0; i<r->out->cnt; i++ ) {
    dmg_cons_action_t const * a = &r->out->actions[ i ];
    dmg_cons_event_t * t = &todo[ todo_cnt ];
    memset( t, 0, sizeof *t );
    switch( a->kind ) {
      case DMG_CONS_SAVE:
        if( r->no_save ) break;
        for( uint32_t k = 0; k<a->save.cnt; k++ ) {
          rig_rec_t * x = &r->wal[ r->wal_cnt++ ];
          DMG_ASSERT( r->wal_cnt<1024 && a->save.records[ k ].payload.sz<=sizeof x->bytes );
          x->kind = a->save.records[ k ].kind; x->epoch = a->save.records[ k ].epoch; x->sz = a->save.records[ k ].payload.sz; x->block = a->save.records[ k ].block; x->seq = a->save.seq;
          memcpy( x->bytes, a->save.records[ k ].payload.p, x->sz );
        }
        t->kind = DMG_CONS_SAVED; t->saved = a->save.seq; todo_cnt++;
        break;
      case DMG_CONS_SIGN: {
        if( r->no_sign ) break;
        uint8_t msg[ DMG_VOTE_MSG_SZ ], rv[ DMG_REVEAL_MSG_SZ ];
        t->kind = DMG_CONS_SIGNED; t->sig.id = a->sign.id; t->sig.is_refused = r->is_refusing; todo_cnt++;
        if( a->sign.kind==DMG_CONS_SIGN_REVEAL ) { dmg_reveal_msg( &r->cfg.chain_id, a->sign.epoch, a->sign.view, rv ); sign( r, r->me, DMG_BLS_REVEAL, DMG_SPAN( rv ), t->sig.sig ); break; }
        dmg_vote_msg( (dmg_vote_kind_t)a->sign.kind, &r->cfg.chain_id, a->sign.epoch, a->sign.view, &a->sign.hash, msg );
        sign( r, r->me, DMG_BLS_VOTE, DMG_SPAN( msg ), t->sig.sig );
        break;
      }
      case DMG_CONS_SEND: {
        for( uint32_t k = 0; k<RIG_N; k++ ) if( dmg_peers_has( &a->send.peers, k ) ) r->sent_bytes[ k ] += a->send.frame.sz;
        rig_send_t * s = &r->sends[ r->send_cnt++%RIG_SENDS ];
        s->peers = a->send.peers;
        s->sz    = a->send.frame.sz<sizeof s->bytes ? a->send.frame.sz : sizeof s->bytes;
        memcpy( s->bytes, a->send.frame.p, s->sz );
        break;
      }
      case DMG_CONS_CHECK:
        r->checks++;
        r->last_header = a->check.hash;
        if( r->no_check ) break;
        t->kind = DMG_CONS_VERDICT; t->verdict.view = a->check.header.view; t->verdict.hash = a->check.hash; t->verdict.has_root = true;
        t->verdict.root = a->check.header.kind==DMG_BLOCK_CLOSING ? a->check.header.parent_state_root : rig_root( &a->check.header.parent_state_root );
        todo_cnt++;
        break;
      case DMG_CONS_BUILD:
        r->builds++;
        r->build_id     = a->build.id;
        r->build_parent = a->build.parent;
        if( r->no_build ) break;
        t->kind = DMG_CONS_BUILT; t->built.id = a->build.id; t->built.is_ok = true; t->built.body_hash = (dmg_hash_t){ { 9 } }; t->built.body_len = 3; todo_cnt++;
        break;
      case DMG_CONS_FETCH: if( a->fetch.what==DMG_CONS_FETCH_RUNS ) { r->leaf_fetches++; r->leaf_first = a->fetch.first; r->leaf_hash = a->fetch.hash; break; } r->fetches++; r->fetch_peers = a->fetch.peers; r->fetch_hash = a->fetch.hash; break;
      case DMG_CONS_TIMER: r->timer_us = a->timer.at_us; break;
      case DMG_CONS_COMMIT: r->commits++; r->commit_hash = a->commit.cert.hash; break;
      case DMG_CONS_EVIDENCE: r->evidences++; r->evidence_sz = a->evidence.bytes.sz; memcpy( r->evidence, a->evidence.bytes.p, a->evidence.bytes.sz ); break;
      case DMG_CONS_ALARM: r->alarms++; break;
      case DMG_CONS_OBSERVE: r->observes++; break;
      case DMG_CONS_CLOSE: r->closes++; break;
      case DMG_CONS_RAISE: r->raised_ms = a->raise.from_ms; break;
      case DMG_CONS_DONE: r->dones++; break;
      default: DMG_ASSERT( !"an unknown action" );
    }
  }
  for( uint32_t i = 0; i<todo_cnt; i++ ) rig_event( r, &todo[ i ] );
}

void rig_link( rig_t * r, uint32_t peer, bool is_up ) {
  dmg_cons_event_t ev = { .kind = DMG_CONS_LINK, .link = { .peer = (uint16_t)peer, .is_up = is_up, .key = r->set.members[ peer ].key } };
  rig_event( r, &ev );
}

void rig_tick( rig_t * r, uint64_t us ) {
  uint64_t end = r->now_us+us;
  for( uint32_t guard = 0; guard<1000000; guard++ ) {
    uint64_t at = r->timer_us>r->now_us ? r->timer_us : r->now_us+1000;
    if( at>end ) break;
    r->wall_ms += ( at-r->now_us )/1000;
    r->now_us   = at;
    dmg_cons_event_t ev = { .kind = DMG_CONS_TICK };
    rig_event( r, &ev );
  }
  r->wall_ms += ( end-r->now_us )/1000;
  r->now_us = end;
}

void rig_frame( rig_t * r, uint32_t peer, uint8_t kind, void const * p, size_t sz ) {
  uint8_t * f = malloc( sz+1 );
  f[ 0 ] = kind;
  if( sz ) memcpy( f+1, p, sz );
  dmg_cons_event_t ev = { .kind = DMG_CONS_MSG, .msg = { .peer = (uint16_t)peer, .frame = dmg_span( f, sz+1 ) } };
  rig_event( r, &ev );
  free( f );
}

void rig_vote( rig_t * r, uint32_t peer, uint8_t kind, uint64_t view, dmg_hash_t const * hash ) {
  dmg_hash_t zero = { 0 };
  dmg_vote_t v = { .kind = kind, .epoch = 0, .view = view, .hash = hash ? *hash : zero, .signer = (uint16_t)peer };
  uint8_t msg[ DMG_VOTE_MSG_SZ ], b[ DMG_VOTE_WIRE_SZ ];
  dmg_vote_msg( (dmg_vote_kind_t)kind, &r->cfg.chain_id, 0, view, &v.hash, msg );
  sign( r, peer, DMG_BLS_VOTE, DMG_SPAN( msg ), v.sig );
  dmg_vote_encode( &v, b );
  rig_frame( r, peer, DMG_FRAME_VOTE, b, sizeof b );
}

static void sum_into( uint8_t sig[ DMG_BLS_SIG_SZ ], uint8_t const raw[ DMG_BLS_SIG_RAW_SZ ] ) {
  for( unsigned k = 0; k<DMG_BLS_SIG_SZ; k += 8 ) dmg_store_u64le( sig+k, dmg_load_u64le( sig+k )+dmg_load_u64le( raw+k ) );
}

dmg_cert_t rig_cert( rig_t const * r, uint8_t kind, uint64_t view, dmg_hash_t const * hash, uint32_t who ) {
  dmg_cert_t c = { .kind = kind, .view = view, .hash = *hash };
  uint8_t msg[ DMG_VOTE_MSG_SZ ], raw[ DMG_BLS_SIG_RAW_SZ ];
  dmg_vote_msg( (dmg_vote_kind_t)kind, &r->cfg.chain_id, 0, view, hash, msg );
  for( uint32_t i = 0; i<RIG_N; i++ ) if( who>>i&1 ) { sign( r, i, DMG_BLS_VOTE, DMG_SPAN( msg ), raw ); sum_into( c.sig, raw ); c.bitmap[ 0 ] |= (uint8_t)( 1u<<i ); }
  return c;
}

dmg_run_t rig_run( rig_t const * r, uint64_t first, uint32_t cnt, uint32_t who ) {
  dmg_run_t run = { .first = first, .cnt = cnt };
  uint8_t msg[ DMG_VOTE_MSG_SZ ], raw[ DMG_BLS_SIG_RAW_SZ ];
  dmg_hash_t zero = { 0 };
  for( uint32_t e = 0; e<cnt; e++ ) {
    dmg_vote_msg( DMG_VOTE_NULLIFY, &r->cfg.chain_id, 0, first+e, &zero, msg );
    for( uint32_t i = 0; i<RIG_N; i++ ) if( who>>i&1 ) { sign( r, i, DMG_BLS_VOTE, DMG_SPAN( msg ), raw ); sum_into( run.sig, raw ); run.bitmaps[ e ][ 0 ] |= (uint8_t)( 1u<<i ); }
  }
  return run;
}

void rig_send_cert( rig_t * r, uint32_t peer, dmg_cert_t const * cert ) { uint8_t b[ DMG_CERT_SZ ]; dmg_cert_encode( cert, b ); rig_frame( r, peer, DMG_FRAME_CERT, b, sizeof b ); }

void rig_send_run( rig_t * r, uint32_t peer, dmg_run_t const * run ) {
  uint8_t b[ DMG_BUNDLE_HEAD_MAX+DMG_RUN_SZ_MAX ];
  dmg_cert_t none = { 0 };
  size_t head = dmg_bundle_head( &none, 1, b );
  rig_frame( r, peer, DMG_FRAME_BUNDLE, b, head+dmg_run_encode( run, b+head ) );
}

size_t rig_proposal( rig_t const * r, uint64_t view, dmg_cert_t const * parent, uint64_t height, uint64_t time_ms, dmg_run_t const * runs, uint32_t run_cnt, rig_edit_t edit, uint8_t * out, dmg_hash_t * out_hash ) {
  dmg_signed_header_t sh = { .header = { .version = 1, .leader = (uint16_t)rig_leader( r, view ), .view = view, .height = height, .parent_hash = parent ? parent->hash : r->cfg.anchor.hash,
    .parent_view = parent ? parent->view : 0, .body_hash = { { 9 } }, .body_len = 3, .parent_state_root = r->cfg.anchor.root, .time_ms = time_ms } };
  dmg_header_t * h = &sh.header;
  if( parent ) h->parent_cert = *parent;
  for( uint64_t i = 1; i<height; i++ ) h->parent_state_root = rig_root( &h->parent_state_root );
  uint8_t msg[ DMG_VOTE_MSG_SZ ], rv[ DMG_REVEAL_MSG_SZ ], raw[ DMG_BLS_SIG_RAW_SZ ];
  dmg_reveal_msg( &r->cfg.chain_id, 0, ( view-1 )/4, rv );
  sign( r, h->leader, DMG_BLS_REVEAL, DMG_SPAN( rv ), raw );
  memcpy( h->reveal, raw, DMG_BLS_SIG_SZ );
  dmg_merkle_t tree;
  dmg_merkle_init( &tree );
  static uint8_t bytes[ 128*DMG_RUN_SZ_MAX ];
  size_t sz = 0, sent = 0;
  uint32_t sent_cnt = r->sent_runs ? r->sent_runs : run_cnt;
  for( uint32_t i = 0; i<run_cnt; i++ ) {
    size_t k = dmg_run_encode( &runs[ i ], bytes+sz );
    dmg_hash_t leaf = dmg_run_leaf( dmg_span( bytes+sz, k ) );
    dmg_merkle_add( &tree, DMG_TAG_JUST_NODE, &leaf );
    sz += k;
    if( i<sent_cnt ) sent = sz;
  }
  h->just_root = dmg_merkle_end( &tree, DMG_TAG_JUST_NODE );
  if( edit ) edit( h );
  *out_hash = dmg_header_hash( h );
  dmg_vote_msg( DMG_VOTE_PROPOSE, &r->cfg.chain_id, h->epoch, h->view, out_hash, msg );
  sign( r, rig_leader( r, view ), DMG_BLS_VOTE, DMG_SPAN( msg ), raw );
  memcpy( sh.sig, raw, DMG_BLS_SIG_SZ );
  dmg_cert_t none = { 0 };
  size_t head = dmg_proposal_head( &sh, &none, sent_cnt, out );
  memcpy( out+head, bytes, sent );
  return head+sent;
}

uint32_t rig_sent_votes( rig_t const * r, uint8_t kind, uint64_t view, dmg_hash_t * out_hash ) {
  uint32_t cnt = 0;
  dmg_vote_t v;
  for( uint32_t i = 0; i<r->send_cnt && i<RIG_SENDS; i++ ) {
    rig_send_t const * s = &r->sends[ i ];
    if( s->bytes[ 0 ]!=DMG_FRAME_VOTE || dmg_vote_decode( dmg_span( s->bytes+1, s->sz-1 ), &v ).kind || v.kind!=kind || v.view!=view ) continue;
    if( out_hash ) *out_hash = v.hash;
    cnt++;
  }
  return cnt;
}

uint32_t rig_sent( rig_t const * r, uint8_t kind ) { uint32_t n = 0; for( uint32_t i = 0; i<r->send_cnt && i<RIG_SENDS; i++ ) n += r->sends[ i ].bytes[ 0 ]==kind; return n; }

bool rig_saved( rig_t const * r, uint8_t rec_kind, uint8_t vote_kind, uint64_t view ) {
  for( uint32_t i = 0; i<r->wal_cnt; i++ ) {
    rig_rec_t const * x = &r->wal[ i ];
    if( x->kind!=rec_kind ) continue;
    if( rec_kind==DMG_CONS_REC_VOTE && ( x->bytes[ 0 ]!=vote_kind || dmg_load_u64le( x->bytes+1 )!=view ) ) continue;
    if( rec_kind==DMG_CONS_REC_CERT && ( x->bytes[ 0 ]!=vote_kind || dmg_load_u64le( x->bytes+5 )!=view ) ) continue;
    return true;
  }
  return false;
}

dmg_cons_info_t rig_info( rig_t const * r ) { dmg_cons_info_t i; dmg_cons_info( r->core, &i ); return i; }
uint32_t rig_leader( rig_t const * r, uint64_t view ) { return dmg_cons_leader( r->core, view ); }
