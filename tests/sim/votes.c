/* The trace of voting events that tests/model replays against its rules (C14.4): what each honest node logged, synced, signed and lost, one event a line.

     seed S nodes N                   a new world; node i < N is the validator of key i
     epoch E window L liars W weights w..     before its first event: what all liars weigh, what each honest node does
     rec N E cert KIND VIEW HASH      a record of the log: KIND 0 NOTARIZATION, 2 FINALIZATION
     rec N E null FIRST CNT           NULLIFICATIONs
     rec N E vote KIND VIEW HASH PARENT_VIEW PARENT_HASH      KIND 0 NOTARIZE 1 NULLIFY 2 FINALIZE 3 PROPOSE; a parent only for 0 and 3
     rec N E other                    anything else
     sync N CNT                       the log's first CNT records are on the disk
     sign N E KIND VIEW HASH          the signer is asked: from here on the vote may be anywhere
     final N E VIEW HASH              committed, and never lost
     kill N CNT                       of the log CNT records are left */
#include "sim.h"

#include <inttypes.h>

static void put_hash( FILE * f, dmg_hash_t const * h ) { fprintf( f, " %016" PRIx64, dmg_load_u64le( h->b ) ); }

FILE * votes_open( char const * path ) {
  FILE * f = fopen( path, "w" );
  if( f ) return f;
  fprintf( stderr, "sim: cannot write '%s'\n", path );
  exit( 2 );
}

void votes_begin( world_t * w ) {
  if( w->votes ) fprintf( w->votes, "seed %" PRIu64 " nodes %u\n", w->seed, w->cfg.n );
}

static void put_epoch( world_t * w, uint32_t e ) {
  if( e>=EPOCH_MAX || w->votes_epochs>>e&1 ) return;
  w->votes_epochs |= (uint64_t)1<<e;
  uint64_t weights[ NODE_MAX ] = { 0 }, liars = 0;
  for( uint32_t i = 0; i<w->cfg.n; i++ ) {
    uint32_t at = signer_of( w, &w->nodes[ i ], e );
    if( at!=UINT32_MAX ) *( w->nodes[ i ].is_byz ? &liars : &weights[ i ] ) += w->epochs[ e ].set.members[ at ].weight;
  }
  fprintf( w->votes, "epoch %u window %u liars %" PRIu64 " weights", e, w->epochs[ e ].record.window, liars );
  for( uint32_t i = 0; i<w->cfg.n; i++ ) fprintf( w->votes, " %" PRIu64, weights[ i ] );
  fputc( '\n', w->votes );
}

static void put_record( world_t * w, node_t const * n, dmg_cons_record_t const * r ) {
  FILE * f = w->votes;
  dmg_cert_t cert;
  dmg_run_t  run;
  dmg_span_t p = r->payload;
  put_epoch( w, r->epoch );
  fprintf( f, "rec %u %u", n->id, r->epoch );
  if( r->kind==DMG_CONS_REC_VOTE ) {
    dmg_hash_t hash = dmg_hash_load( p.p+9 );
    fprintf( f, " vote %u %" PRIu64, p.p[ 0 ], dmg_load_u64le( p.p+1 ) );
    put_hash( f, &hash );
    simblk_t const * b = p.p[ 0 ]==DMG_VOTE_NOTARIZE || p.p[ 0 ]==DMG_VOTE_PROPOSE ? blk_get( w, &hash ) : NULL;
    if( b && b->has_header ) { fprintf( f, " %" PRIu64, b->h.parent_view ); put_hash( f, &b->h.parent_hash ); }
  } else if( r->kind==DMG_CONS_REC_CERT || r->kind==DMG_CONS_REC_FLOOR ) {
    bool ok = !dmg_cert_decode( r->kind==DMG_CONS_REC_CERT ? p : dmg_span( p.p+48, p.sz-48 ), &cert ).kind;
    DMG_ASSERT( ok );
    fprintf( f, " cert %u %" PRIu64, cert.kind, cert.view );
    put_hash( f, &cert.hash );
  } else if( r->kind==DMG_CONS_REC_RUN && !dmg_run_decode( p, &run ).kind ) fprintf( f, " null %" PRIu64 " %u", run.first, run.cnt );
  else fputs( " other", f );
  fputc( '\n', f );
}

void votes_saved( world_t * w, node_t const * n, dmg_cons_action_t const * a ) {
  if( w->votes && !n->is_byz ) for( uint32_t i = 0; i<a->save.cnt; i++ ) put_record( w, n, &a->save.records[ i ] );
}

void votes_synced( world_t * w, node_t const * n ) { if( w->votes && !n->is_byz ) fprintf( w->votes, "sync %u %u\n", n->id, n->wal_durable ); }

void votes_killed( world_t * w, node_t const * n ) { if( w->votes && !n->is_byz ) fprintf( w->votes, "kill %u %u\n", n->id, n->wal_cnt ); }

void votes_signed( world_t * w, node_t const * n, uint8_t kind, uint32_t epoch, uint64_t view, dmg_hash_t const * hash ) {
  if( !w->votes || n->is_byz ) return;
  fprintf( w->votes, "sign %u %u %u %" PRIu64, n->id, epoch, kind, view );
  put_hash( w->votes, hash );
  fputc( '\n', w->votes );
}

void votes_final( world_t * w, node_t const * n ) {
  if( !w->votes || n->is_byz ) return;
  put_epoch( w, n->final_cert.epoch );
  fprintf( w->votes, "final %u %u %" PRIu64, n->id, n->final_cert.epoch, n->final_cert.view );
  put_hash( w->votes, &n->final_cert.hash );
  fputc( '\n', w->votes );
}
