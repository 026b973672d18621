/* Invariants of C12.4 over whole nodes: I1 to I8, I10, I11, I13, I14; I12 is full_world.c's heal. */
#include "full.h"
#include "judge.h"
#include "consensus/evidence.h"
#include "node/validator_int.h"
#include "types/items.h"

#include <inttypes.h>

#define HEAP_MAX   ( (size_t)24<<20 )    /* of chainnet beyond its arena: bodies while it syncs, an outgoing batch (chainnet.h) */
#define QUEUED_MAX ( (size_t)16<<20 )    /* what waits toward all peers, N2.1 */

/* ---- The model ---- */

bool full_check_open( full_world_t * w ) {
  char why[ 512 ];
  dmg_chain_cfg_t cfg = { .genesis = w->genesis, .modules = full_modules, .module_cnt = 2, .cache_dir = full_cache, .is_several = true, .tree_sz_max = 16<<20 };
  dmg_err_t err = dmg_chain_open( &cfg, &w->model, why );
  if( err ) { full_fail( "the model does not open: %s: %s", dmg_err_name( err ), why ); return false; }
  w->light.record = w->model->record;
  w->light.set    = w->model->set;
  w->light.keys   = malloc( sizeof *w->light.keys );
  w->keys         = malloc( sizeof *w->keys );
  return w->light.keys && w->keys && dmg_keys_init( w->keys, &dmg_cons_bls, &w->chain_id, 0, &w->light.set ) && dmg_keys_init( w->light.keys, &dmg_cons_bls, &w->chain_id, 0, &w->light.set );
}

void full_check_close( full_world_t * w ) {
  dmg_chain_close( w->model );
  free( w->light.keys );
  free( w->keys );
}

bool full_is_final( full_world_t * w, dmg_hash_t const * id ) {
  dmg_query_t const * q = dmg_chain_query( w->model );
  dmg_query_tx_status_t s = { 0 };
  q->tx_status( q->ctx, id, &s );
  return s.state==DMG_TX_FINAL;
}

/* Sum of the counters of a table whose keys end in tail bytes of an index. */
static bool sum_of( full_world_t * w, dmg_view_t * view, uint8_t const * key, size_t key_sz, size_t tail, bool has_deposit, uint64_t * io_sum ) {
  dmg_iter_t * it;
  dmg_span_t k, v;
  uint64_t one;
  if( dmg_view_iter( view, dmg_span( key, key_sz-tail ), dmg_span( NULL, 0 ), false, &it ) ) return false;
  dmg_err_t err;
  while( !( err = dmg_iter_next( it, &k, &v ) ) ) {
    if( dmg_counter_parse( v, has_deposit, NULL, &one ) || !dmg_add_u64( *io_sum, one, io_sum ) ) break;
  }
  dmg_iter_close( it );
  return err==DMG_ERR_NOT_FOUND;
}

/* I6: Free + Held + Burned is the supply, whatever happened. */
static void check_supply( full_world_t * w ) {
  static dmg_hash_t const zero;
  uint8_t key[ DMG_KEY_MAX ];
  dmg_view_t * view;
  uint64_t sum = 0;
  if( dmg_state_view( w->model->state, &w->model->head.block.hash, &view ) ) { full_fail( "I6: the model's state does not read" ); return; }
  bool is_good = sum_of( w, view, key, dmg_key_free( &zero, key ), 32, true, &sum );
  is_good = is_good && sum_of( w, view, key, dmg_key_held( &zero, key ), 32, false, &sum );
  is_good = is_good && sum_of( w, view, key, dmg_key_burned( 0, key ), 1, false, &sum );
  dmg_view_close( view );
  if( !is_good ) full_fail( "I6: the counters do not read" );
  else if( sum!=(uint64_t)13000000000u*DMG_SPARKS_PER_CGT ) full_fail( "I6: %" PRIu64 " sparks at height %lu", sum, (unsigned long)w->model->head.block.height );
}

/* I5: what is final, executed again from genesis by a chain that knows nothing else. */
static void feed_model( full_world_t * w, dmg_signed_header_t const * sh, dmg_hash_t const * hash, dmg_span_t body, full_final_t * f ) {
  dmg_chain_t * m = w->model;
  dmg_chain_block_t * x;
  dmg_chain_made_t made;
  if( !dmg_hash_eq( &sh->header.parent_state_root, &m->head.root ) ) full_fail( "I5: the header of height %lu has another root of its parent's state than execution gives", (unsigned long)sh->header.height );
  pthread_mutex_lock( &m->writing );
  dmg_verdict_t v = dmg_chain_block_check( m, sh, hash, body, false, &x );
  uint32_t txs = v.kind ? 0 : x->tx_cnt;
  if( !v.kind ) f->root = x->root;
  dmg_err_t err = v.kind ? v.err : dmg_chain_block_commit( m, x, NULL, NULL, &made );
  pthread_mutex_unlock( &m->writing );
  if( v.kind || err ) {
    char text[ DMG_VERDICT_TEXT_MAX ];
    dmg_verdict_print( &v, text, sizeof text );
    full_fail( "I5: the model refuses the final block of height %lu: %s", (unsigned long)sh->header.height, v.kind ? text : dmg_err_name( err ) );
    return;
  }
  f->has_root = true;
  if( txs ) check_supply( w );
}

/* ---- The light client (C10.3) ---- */

/* C7.4, from whoever has it: its own checks, on what it holds. */
static bool light_adopt( full_world_t * w, full_node_t * n ) {
  dmg_buf_t buf = dmg_buf( 1<<20 );
  dmg_handover_t h;
  dmg_set_t next;
  bool is_new = false;
  if( !dmg_validator_handover( dmg_joint_validator( n->joint ), w->light.record.epoch, &buf ) ) {
    dmg_hash_t hash, root;
    bool is_good = !dmg_handover_decode( dmg_buf_span( &buf ), &h ).kind && !dmg_handover_set( &h, &w->light.set, &next ).kind;
    if( is_good ) {
      hash = dmg_header_hash( &h.header );
      root = dmg_record_hash( &h.record );
      dmg_hash_t set = dmg_set_hash( &next );
      is_good = h.header.kind!=DMG_BLOCK_NORMAL && h.header.epoch==w->light.record.epoch && h.header.height==w->light.record.last_height && h.record.epoch==w->light.record.epoch+1 &&
                dmg_hash_eq( &h.header.next_epoch_root, &root ) && dmg_hash_eq( &h.fin.hash, &hash ) && dmg_hash_eq( &h.record.set_hash, &set ) && dmg_cert_verify( w->light.keys, &h.fin );
    }
    if( !is_good ) full_fail( "I11: node %u's handover of epoch %u does not hold", n->id, w->light.record.epoch );
    else {
      w->light.record = h.record;
      w->light.set    = next;
      w->stats.handovers++;
      is_new = dmg_keys_init( w->light.keys, &dmg_cons_bls, &w->chain_id, h.record.epoch, &next );
    }
  }
  dmg_buf_fini( &buf );
  return is_new;
}

/* I11: its FINALIZATION verifies by the epoch's set, and what verifies is canonical. */
static void light_take( full_world_t * w, full_node_t * n, dmg_signed_header_t const * sh, dmg_hash_t const * hash, dmg_cert_t const * cert ) {
  if( !cert || cert->kind!=DMG_VOTE_FINALIZE || sh->header.height<=w->light.tip ) return;
  while( n->joint && cert->epoch>w->light.record.epoch && light_adopt( w, n ) ) {}
  if( cert->epoch!=w->light.record.epoch ) return;   /* this node is just starting; the next one tells */
  dmg_cert_t bad = *cert;
  bad.hash.b[ 7 ] ^= 1;
  if( !dmg_hash_eq( &cert->hash, hash ) || !dmg_cert_verify( w->light.keys, cert ) ) full_fail( "I11: node %u's FINALIZATION of height %lu does not verify", n->id, (unsigned long)sh->header.height );
  else if( dmg_cert_verify( w->light.keys, &bad ) ) full_fail( "I11: a FINALIZATION of another hash verifies" );
  w->light.tip = sh->header.height;
  w->stats.certs++;
}

/* ---- After each commit, signature, start, turn ---- */

void full_check_commit( full_world_t * w, full_node_t * n, dmg_signed_header_t const * sh, dmg_hash_t const * hash, dmg_hash_t const * root, dmg_span_t body, dmg_cert_t const * cert ) {
  uint64_t h = sh->header.height;
  full_node_t * was = w->cur;
  w->cur = NULL;
  w->stats.commits++;
  if( h+1>w->finals_cap ) {
    uint64_t cap = 2*( h+1 )+1024;
    w->finals = realloc( w->finals, cap*sizeof *w->finals );
    DMG_ASSERT( w->finals );
    memset( w->finals+w->finals_cap, 0, ( cap-w->finals_cap )*sizeof *w->finals );
    w->finals_cap = cap;
  }
  full_final_t * f = &w->finals[ h ];
  if( dmg_hash_is_zero( &f->hash ) ) {
    f->hash   = *hash;
    f->header = sh->header;
    if( h!=w->finals_top+1 ) full_fail( "node %u commits height %lu and nobody %lu", n->id, (unsigned long)h, (unsigned long)h-1 );
    else feed_model( w, sh, hash, body, f );
    w->finals_top = h;
    full_trace( "node %u: height %lu is final, view %lu of epoch %u, %02x%02x%02x%02x, body %zu bytes", n->id, (unsigned long)h, (unsigned long)sh->header.view, sh->header.epoch, hash->b[ 0 ], hash->b[ 1 ], hash->b[ 2 ], hash->b[ 3 ], body.sz );
  } else if( !dmg_hash_eq( &f->hash, hash ) ) full_fail( "I1: node %u finalizes another block at height %lu", n->id, (unsigned long)h );
  if( f->has_root && !n->is_liar && !dmg_hash_eq( &f->root, root ) ) full_fail( "I5: node %u has another root after height %lu", n->id, (unsigned long)h );
  if( h>n->final_height ) n->final_height = h;
  light_take( w, n, sh, hash, cert );
  w->cur = was;
}

/* How many have signed this; hash NULL: any. */
static uint32_t count( full_world_t const * w, uint8_t kind, uint32_t epoch, uint64_t view, dmg_hash_t const * hash ) {
  uint32_t cnt = 0;
  for( uint32_t i = 0; i<w->cfg.n; i++ ) {
    full_signed_t const * s = w->nodes[ i ].votes[ epoch ] ? &w->nodes[ i ].votes[ epoch ][ view ] : NULL;
    bool is_free = w->nodes[ i ].is_equivocator || w->nodes[ i ].may_double;   /* it may have said so to somebody */
    cnt += is_free || ( s && s->flags>>kind&1 && ( !hash || dmg_hash_eq( &s->hash[ kind ], hash ) ) );
  }
  return cnt;
}

/* I2, I3, of all signatures that exist: they need not have arrived anywhere. */
static void check_view( full_world_t * w, dmg_safety_vote_t const * v ) {
  uint32_t q = 2*w->cfg.n/3+1, finals = 0, notars = 0;
  if( v->kind==DMG_VOTE_PROPOSE ) return;
  for( uint32_t i = 0; i<w->cfg.n; i++ ) {
    full_signed_t const * s = w->nodes[ i ].votes[ v->epoch ] ? &w->nodes[ i ].votes[ v->epoch ][ v->view ] : NULL;
    for( uint32_t k = 0; s && k<i; k++ ) if( w->nodes[ k ].votes[ v->epoch ] && dmg_hash_eq( &w->nodes[ k ].votes[ v->epoch ][ v->view ].hash[ DMG_VOTE_NOTARIZE ], &s->hash[ DMG_VOTE_NOTARIZE ] ) ) goto next;
    if( s && s->flags>>DMG_VOTE_NOTARIZE&1 ) notars += count( w, DMG_VOTE_NOTARIZE, v->epoch, v->view, &s->hash[ DMG_VOTE_NOTARIZE ] )>=q;
  next:
    if( s && s->flags>>DMG_VOTE_FINALIZE&1 ) finals |= count( w, DMG_VOTE_FINALIZE, v->epoch, v->view, &s->hash[ DMG_VOTE_FINALIZE ] )>=q;
  }
  if( finals && count( w, DMG_VOTE_NULLIFY, v->epoch, v->view, NULL )>=q ) full_fail( "I2: view %lu of epoch %u can be finalized and nullified", (unsigned long)v->view, v->epoch );
  if( notars>1 ) full_fail( "I3: two blocks of view %lu of epoch %u can be notarized", (unsigned long)v->view, v->epoch );
}

static dmg_cons_t * core_of( full_node_t * n ) { return ( (struct dmg_validator *)dmg_joint_validator( n->joint ) )->core; }
/* Sets do not change before Staking. */
static dmg_keys_t const * keys_of( full_world_t * w, uint32_t epoch ) { w->keys->epoch = epoch; return w->keys; }

/* I7: of what it signs a NOTARIZE for. */
static void check_just( full_world_t * w, full_node_t * n, dmg_safety_vote_t const * v ) {
  char why[ 128 ];
  dmg_proposal_t p;
  dmg_span_t bytes = dmg_cons_proposal( core_of( n ), &v->hash );
  if( !bytes.p ) return;   /* its own, not signed yet: the next voter shows it */
  if( dmg_proposal_decode( bytes, &p ).kind ) { full_fail( "I7: node %u votes for what does not decode", n->id ); return; }
  full_node_t * was = w->cur;
  w->cur = NULL;           /* what the checks find out is not the node's */
  just_verdict_t is = judge_just( keys_of( w, v->epoch ), core_of( n ), &p.header.header, &v->hash, why );
  w->cur = was;
  w->stats.justs += is==JUST_HOLDS;
  if( is==JUST_FALSE ) full_fail( "I7: node %u votes for view %lu on %lu: %s", n->id, (unsigned long)v->view, (unsigned long)p.header.header.parent_view, why );
}

/* Evidence that a core tells proves what it says, and never of who is honest. */
void full_check_evidence( full_world_t * w, full_node_t * n, dmg_span_t bytes ) {
  static dmg_schedule_t schedule;
  struct dmg_validator * v = (struct dmg_validator *)dmg_joint_validator( n->joint );
  dmg_evidence_t e;
  uint8_t accused[ DMG_BITMAP_SZ ];
  dmg_hash_t next;
  if( dmg_evidence_decode( bytes, &e ).kind ) { full_fail( "node %u: evidence that does not decode", n->id ); return; }
  uint32_t epoch = dmg_side_epoch( &e.a );
  val_head_t const * h = &v->head;
  dmg_record_t const * r = h->record.epoch==epoch ? &h->record : h->has_next_record && h->next_record.epoch==epoch ? &h->next_record : NULL;
  if( !r || ( epoch && r->first_height>w->finals_top+1 ) ) return;
  dmg_evidence_epoch_t ep = { .keys = keys_of( w, epoch ), .schedule = &schedule, .record = r, .anchor = { .hash = w->chain_id, .time_ms = (uint64_t)FULL_GENESIS_S*1000 } };
  if( epoch ) { ep.anchor.hash = w->finals[ r->first_height-1 ].hash; ep.anchor.time_ms = w->finals[ r->first_height-1 ].header.time_ms; }
  if( r==&h->record && h->has_next_record ) { next = dmg_record_hash( &h->next_record ); ep.next_root = &next; }
  dmg_schedule_init( &schedule, &r->seed, &w->light.set );
  full_node_t * was = w->cur;
  w->cur = NULL;
  dmg_verdict_t is = dmg_evidence_judge( bytes, &ep, accused );
  w->cur = was;
  w->stats.evidence++;
  full_trace( "node %u has evidence of view %lu: %s", n->id, (unsigned long)dmg_side_view( &e.a ), is.kind ? is.text : "proven" );
  if( is.kind ) { full_fail( "node %u: evidence that proves nothing: %s %s", n->id, is.field, is.text ); return; }
  for( uint32_t i = 0; i<w->cfg.n; i++ ) {
    int s = dmg_set_find( &w->light.set, w->nodes[ i ].key );
    bool is_free = w->nodes[ i ].is_equivocator || w->nodes[ i ].may_double;
    if( s>=0 && accused[ s/8 ]>>( s%8 )&1 && !is_free ) full_fail( "I4: node %u has evidence against node %u, which is honest", n->id, i );
  }
}

/* I14, as in check.c. */
void full_check_calm( full_world_t * w, bool is_over ) {
  enum { AFTER_US = 8000000 };
  bool is_calm = w->is_healing ? w->live_us && w->allowance_us && w->now>=w->live_us+3000000 : !w->cfg.kinds && w->now>=AFTER_US;
  if( !is_over && is_calm && !w->calm_us ) {
    w->calm_us     = w->now;
    w->calm_height = w->finals_top;
    w->calm_nulls  = w->stats.nulls;
    for( uint32_t i = 0; i<w->node_cnt; i++ ) w->nodes[ i ].tx_calm = 0;
  }
  if( !is_over ) return;
  judge_calm_t c = { .blocks = w->finals_top-w->calm_height, .nulls = w->stats.nulls-w->calm_nulls, .may_have_dead = w->is_healing };
  char why[ 128 ];
  for( uint32_t i = 0; i<w->cfg.n; i++ ) if( w->nodes[ i ].is_up && !w->nodes[ i ].is_liar ) { c.cnt++; c.sent += w->nodes[ i ].tx_calm; }
  if( w->calm_us && !judge_calm( w->cfg.n, &c, why ) ) full_fail( "%s", why );
  w->calm_us = 0;
}

/* I4: over all lives; a signature counts once it exists. */
void full_check_sign( full_world_t * w, full_node_t * n, dmg_safety_vote_t const * v ) {
  w->stats.signs++;
  w->stats.nulls += v->kind==DMG_VOTE_NULLIFY;
  if( v->epoch>=FULL_EPOCHS_MAX || v->view>=FULL_VIEWS_MAX ) return;
  if( !n->votes[ v->epoch ] ) { n->votes[ v->epoch ] = calloc( FULL_VIEWS_MAX, sizeof( full_signed_t ) ); DMG_ASSERT( n->votes[ v->epoch ] ); }
  full_signed_t * s = &n->votes[ v->epoch ][ v->view ];
  uint8_t bit = (uint8_t)( 1u<<v->kind );
  bool is_same = s->flags&bit && dmg_hash_eq( &s->hash[ v->kind ], &v->hash );
  bool is_bad  = ( s->flags&bit && !is_same )
              || ( v->kind==DMG_VOTE_NULLIFY  && s->flags&1u<<DMG_VOTE_FINALIZE ) || ( v->kind==DMG_VOTE_FINALIZE && s->flags&1u<<DMG_VOTE_NULLIFY )
              || ( v->kind==DMG_VOTE_FINALIZE && s->flags&1u<<DMG_VOTE_NOTARIZE && !dmg_hash_eq( &s->hash[ DMG_VOTE_NOTARIZE ], &v->hash ) )
              || ( v->kind==DMG_VOTE_NOTARIZE && s->flags&1u<<DMG_VOTE_FINALIZE && !dmg_hash_eq( &s->hash[ DMG_VOTE_FINALIZE ], &v->hash ) );
  full_trace( "node %u signs %s view %lu of epoch %u %02x%02x", n->id, v->kind==0 ? "NOTARIZE" : v->kind==1 ? "NULLIFY" : v->kind==2 ? "FINALIZE" : "PROPOSE", (unsigned long)v->view, v->epoch, v->hash.b[ 0 ], v->hash.b[ 1 ] );
  if( is_bad && !n->may_double ) full_fail( "I4: node %u signs a slashable pair: kind %u in view %lu of epoch %u", n->id, (unsigned)v->kind, (unsigned long)v->view, v->epoch );
  s->flags |= bit;
  s->hash[ v->kind ] = v->hash;
  check_view( w, v );
  if( v->kind==DMG_VOTE_NOTARIZE ) check_just( w, n, v );
}

void full_check_start( full_world_t * w, full_node_t * n ) {
  uint64_t h = n->chain->head.block.height;
  dmg_hash_t hash;
  /* I8; a disk that was replaced began anew. */
  if( h<n->final_height ) full_fail( "I8: node %u had height %lu final and starts at %lu", n->id, (unsigned long)n->final_height, (unsigned long)h );
  for( uint64_t k = 1; k<=h; k++ ) {
    if( k>w->finals_top ) break;
    if( dmg_block_log_hash( n->chain->log, k, &hash ) || !dmg_hash_eq( &hash, &w->finals[ k ].hash ) ) { full_fail( "I1: node %u starts with another block at height %lu", n->id, (unsigned long)k ); break; }
  }
  if( !full_node_votes( w, n ) && n->is_validator ) {
    w->stats.observers++;
    if( !n->is_impaired && !n->is_liar ) full_fail( "node %u observes though its disk lost nothing that was synced", n->id );
  }
}

void full_check_turn( full_world_t * w, full_node_t * n ) {
  if( n->turns%32 ) return;
  dmg_chainnet_info_t net;
  dmg_validator_info_t v;
  dmg_chainnet_info( dmg_joint_net( n->joint ), &net );
  dmg_validator_info( dmg_joint_validator( n->joint ), &v );
  if( net.heap_sz>HEAP_MAX ) full_fail( "I10: node %u's network holds %zu bytes", n->id, net.heap_sz );
  if( dmg_mem_queued( n->port )>QUEUED_MAX ) full_fail( "I10: %zu bytes wait toward node %u's peers", dmg_mem_queued( n->port ), n->id );
  if( v.block_cnt>4096 ) full_fail( "I10: node %u knows %u blocks above its head", n->id, v.block_cnt );
  if( v.cons.cur<=v.cons.final_view ) full_fail( "node %u: cur %lu is not above the final view %lu", n->id, (unsigned long)v.cons.cur, (unsigned long)v.cons.final_view );
  uint32_t full = 0;
  for( dmg_chain_block_t const * b = n->chain->blocks; b; b = b->next ) full += b->tx_cnt && b->sh.header.height>w->finals_top;   /* who syncs has more, and they are final */
  if( full>(uint32_t)n->chain->record.empty_lag+n->chain->record.window ) full_fail( "I13: node %u holds %u full blocks beyond finality", n->id, full );
}

void full_check_end( full_world_t * w ) {
  dmg_hash_t hash;
  for( uint32_t i = 0; i<w->node_cnt; i++ ) {
    full_node_t * n = &w->nodes[ i ];
    if( !n->is_up ) continue;
    uint64_t h = n->chain->head.block.height;
    for( uint64_t k = 1; k<=h; k++ )
      if( dmg_block_log_hash( n->chain->log, k, &hash ) || !dmg_hash_eq( &hash, &w->finals[ k ].hash ) ) { full_fail( "I1: node %u has another block at height %lu", n->id, (unsigned long)k ); break; }
    if( h && !dmg_hash_eq( &n->chain->head.root, &w->finals[ h ].root ) ) full_fail( "I5: node %u's head has another root", n->id );
  }
  check_supply( w );
}
