/* C6: the vote log and the safety file of a data folder, and what they say at a start; what a chain of one saves. */
#include "node/chain_int.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/os.h"
#include "crypto/kdf.h"

#include <stdio.h>

/* C2.2: signed header, FINALIZATION (none), no runs; the body follows. */
enum { PROPOSAL_SZ = DMG_WAL_PROPOSAL_MIN };

static dmg_err_t stop( char out_why[512], dmg_err_t err, char const * dir, char const * what ) {
  snprintf( out_why, 512, "%.200s: %s; no vote was cast and nothing was changed", dir, what );
  return err;
}

static dmg_err_t each_vote( void * ctx, dmg_wal_rec_t const * rec ) {
  dmg_signer_t * signer = ctx;
  if( rec->type==DMG_WAL_FLOOR ) dmg_signer_log_floor( signer, rec->epoch, dmg_wal_floor( rec ).view );
  if( rec->type!=DMG_WAL_VOTE ) return DMG_OK;
  dmg_wal_vote_t v = dmg_wal_vote( rec );
  dmg_signer_log_vote( signer, &(dmg_safety_vote_t){ .kind = v.kind, .epoch = rec->epoch, .view = v.view, .hash = v.hash } );
  return DMG_OK;
}

typedef struct { dmg_hash_t hash; dmg_buf_t * out; } find_t;

/* The proposal of a block, as signed header (its signature is not there yet) and body. */
static dmg_err_t each_proposal( void * ctx, dmg_wal_rec_t const * rec ) {
  find_t * f = ctx;
  if( rec->type!=DMG_WAL_PROPOSAL || f->out->sz ) return DMG_OK;
  dmg_hash_t hash = dmg_header_bytes_hash( dmg_span( rec->payload.p, DMG_HEADER_SZ ) );
  if( !dmg_hash_eq( &hash, &f->hash ) ) return DMG_OK;
  DMG_TRY( dmg_buf_append( f->out, rec->payload.p, DMG_SIGNED_HEADER_SZ ) );
  return dmg_buf_append( f->out, rec->payload.p+PROPOSAL_SZ, rec->payload.sz-PROPOSAL_SZ );
}

/* The block that this view's votes are for; false: none were cast. */
static bool voted_for( dmg_safety_t const * s, uint64_t view, dmg_hash_t * out ) {
  for( uint32_t i = 0; i<s->open_cnt; i++ ) {
    dmg_safety_open_t const * e = s->open+i;
    if( e->view!=view ) continue;
    *out = e->flags&( 1u<<DMG_VOTE_NOTARIZE|1u<<DMG_VOTE_FINALIZE ) ? e->hash : s->marks[ DMG_VOTE_PROPOSE ].hash;
    return true;
  }
  return false;
}

typedef struct { uint64_t height; dmg_hash_t const * hash; bool is_foreign; } live_t;

static void each_live( void * ctx, uint64_t height, dmg_hash_t const * hash ) {
  live_t * l = ctx;
  if( height!=l->height || !l->hash || !dmg_hash_eq( hash, l->hash ) ) l->is_foreign = true;
}

/* The blocks on disk against the votes: what was voted for above the tip is finished; blocks that the votes do not know
   come from another past of this key (C6.5). */
static dmg_err_t judge_blocks( dmg_chain_t * chain, uint64_t tip, char out_why[512] ) {
  dmg_safety_t const * s = dmg_signer_safety( chain->signer );
  char const * dir = chain->cfg.data_dir;
  dmg_hash_t hash;
  if( tip>s->floor && tip>s->marks[ DMG_VOTE_FINALIZE ].view )
    return stop( out_why, DMG_ERR_CORRUPT, dir, "safety.bin and wal/ are older than the blocks: they come from a backup; restore the whole folder from one moment" );
  if( s->floor>tip )
    return stop( out_why, DMG_ERR_CORRUPT, dir, "safety.bin says that blocks above the last one here were signed: the blocks come from a backup; restore the whole folder from one moment" );
  bool has_vote = voted_for( s, tip+1, &hash );
  for( uint32_t k = 0; k<DMG_SAFETY_KIND_CNT; k++ )
    if( s->marks[ k ].view>tip+1 ) return stop( out_why, DMG_ERR_CORRUPT, dir, "safety.bin and wal/ know of later blocks than blocks/ has: the blocks come from a backup; restore the whole folder from one moment" );
  live_t live = { .height = tip+1, .hash = has_vote ? &hash : NULL };
  dmg_block_log_each_live( chain->log, each_live, &live );
  if( live.is_foreign ) return stop( out_why, DMG_ERR_CORRUPT, dir, "blocks/ holds a block that safety.bin and wal/ know no vote for; restore the whole folder from one moment" );
  if( !has_vote ) return DMG_OK;
  find_t f = { .hash = hash, .out = &chain->unfinished };
  DMG_TRY( dmg_wal_replay( chain->wal, each_proposal, &f ) );
  if( !chain->unfinished.sz ) {
    dmg_err_t err = dmg_block_log_block( chain->log, &hash, &chain->unfinished, NULL );
    if( err==DMG_ERR_NOT_FOUND ) return stop( out_why, DMG_ERR_CORRUPT, dir, "the block that was voted for last is lost, and no other may be signed at its height" );
    DMG_TRY( err );
  }
  chain->unfinished_hash = hash;
  return DMG_OK;
}

static dmg_err_t open_files( dmg_chain_t * chain, uint64_t tip, char out_why[512] ) {
  char wal_dir[ 2048 ], path[ 2048 ];
  char const * dir = chain->cfg.data_dir;
  dmg_open_why_t why = { "" };
  snprintf( wal_dir, sizeof wal_dir, "%.1900s/wal", dir );
  snprintf( path, sizeof path, "%.1900s/safety.bin", dir );
  dmg_wal_cfg_t wal = { .dir = wal_dir };
  dmg_signer_cfg_t cfg = { .vfs = chain->vfs, .path = path, .chain_id = chain->chain_id, .is_durable = chain->cfg.is_durable };
  memcpy( cfg.secret, chain->cfg.validator_secret, sizeof cfg.secret );
  dmg_signer_host( cfg.host );
  dmg_os_random( &wal.secret, sizeof wal.secret );

  snprintf( out_why, 512, "%.300s does not open", wal_dir );
  dmg_err_t err = dmg_wal_open( &wal, chain->vfs, &chain->wal, &why );
  bool is_log_good = err!=DMG_ERR_CORRUPT;
  if( is_log_good && err ) { snprintf( out_why, 512, "%s", why.text ); goto out; }

  /* C6.5.  A chain of one: nothing can have been signed, as there is no state, no block, no vote: from_ms 0.  Else this key may have
     signed elsewhere: what a new file may sign is of epochs that begin later. */
  dmg_wal_stats_t stats = { 0 };
  if( is_log_good ) dmg_wal_stats( chain->wal, &stats );
  if( is_log_good && !stats.rec_cnt && !tip && dmg_state_head( chain->state, NULL, NULL, NULL )==DMG_ERR_NOT_FOUND ) {
    snprintf( out_why, 512, "%.300s cannot be made", path );
    err = dmg_signer_init( &cfg, chain->cfg.is_several ? dmg_os_wall_ms() : 0 );
    if( err && err!=DMG_ERR_EXISTS ) goto out;
  }
  dmg_open_why_t why_file;
  err = dmg_signer_open( &cfg, &chain->signer, &why_file );
  if( err==DMG_ERR_NOT_FOUND && chain->cfg.is_several ) {
    DMG_LOG_ERROR( "safety_missing", "%s is missing: a new one is made, and this node listens until an epoch that begins later than now", path );
    err = dmg_signer_init( &cfg, dmg_os_wall_ms() );
    if( !err ) err = dmg_signer_open( &cfg, &chain->signer, &why_file );
  }
  if( err==DMG_ERR_NOT_FOUND ) { err = stop( out_why, DMG_ERR_CORRUPT, dir, "safety.bin is missing: it says what was signed, and a chain of one cannot wait for an epoch that is free of it; restore the file" ); goto out; }
  if( err ) { snprintf( out_why, 512, "%s", why_file.text ); goto out; }
  snprintf( out_why, 512, "%.300s does not read", wal_dir );
  if( is_log_good && ( err = dmg_wal_replay( chain->wal, each_vote, chain->signer ) ) ) goto out;

  dmg_safety_start_t start = dmg_signer_decide( chain->signer, is_log_good );
  /* C6.5: a chain of one never observes, it stops. */
  if( start==DMG_SAFETY_START_OBSERVE && !chain->cfg.is_several ) {
    snprintf( out_why, 512, "%.150s: safety.bin and wal/ together do not say any more what was signed (%.150s); a chain of one stops here: restore both files", dir, is_log_good ? "a slot of the file is lost and the log lacks votes" : why.text );
    err = DMG_ERR_CORRUPT;
    goto out;
  }
  if( start==DMG_SAFETY_START_OBSERVE )
    DMG_LOG_ERROR( "observing", "safety.bin and wal/ together do not say any more what was signed (%.150s): no vote until an epoch that begins later than now", is_log_good ? "a slot of the file is lost and the log lacks votes" : why.text );
  if( start==DMG_SAFETY_START_FILE )
    DMG_LOG_ERROR( "wal_distrusted", "%s; the safety file is whole and says what may be signed; look after the disk", is_log_good ? "the vote log lacks votes that were cast" : why.text );
  if( !is_log_good ) {
    snprintf( out_why, 512, "%.300s cannot be put aside", wal_dir );
    err = dmg_wal_set_aside( &wal, chain->vfs );
    if( !err ) err = dmg_wal_open( &wal, chain->vfs, &chain->wal, NULL );
    if( err ) goto out;
  }
  snprintf( out_why, 512, "%.300s cannot be written", path );
  err = dmg_signer_begin( chain->signer, start, dmg_os_wall_ms() );
out:
  dmg_wipe( cfg.secret, sizeof cfg.secret );
  return err;
}

dmg_err_t dmg_chain_votes_open( dmg_chain_t * chain, char out_why[512] ) {
  chain->unfinished = dmg_buf( DMG_BLOCK_LOG_RAW_MAX );
  if( dmg_is_zero( chain->cfg.validator_secret, sizeof chain->cfg.validator_secret ) ) return DMG_OK;   /* a follower */
  if( !chain->cfg.data_dir ) {
    dmg_signer_cfg_t cfg = { .chain_id = chain->chain_id };
    memcpy( cfg.secret, chain->cfg.validator_secret, sizeof cfg.secret );
    dmg_err_t err = dmg_signer_open( &cfg, &chain->signer, NULL );
    dmg_wipe( cfg.secret, sizeof cfg.secret );
    return err;
  }
  uint64_t tip = 0;
  dmg_hash_t hash;
  dmg_err_t err = dmg_block_log_tip( chain->log, &tip, &hash );
  if( err && err!=DMG_ERR_NOT_FOUND ) return err;
  DMG_TRY( open_files( chain, tip, out_why ) );
  return chain->cfg.is_several ? DMG_OK : judge_blocks( chain, tip, out_why );
}

dmg_err_t dmg_chain_votes_save( dmg_chain_t * chain, dmg_header_t const * header, dmg_hash_t const * hash, dmg_span_t body ) {
  if( !chain->wal ) return DMG_OK;
  uint8_t head[ PROPOSAL_SZ ] = { 0 };
  dmg_vote_kind_t const kinds[ 3 ] = { DMG_VOTE_PROPOSE, DMG_VOTE_NOTARIZE, DMG_VOTE_FINALIZE };
  dmg_header_encode( header, head );
  dmg_span_t parts[ 2 ] = { DMG_SPAN( head ), body };
  /* Reasons before votes: a log that is cut has no vote without its block. */
  DMG_TRY( dmg_wal_append( chain->wal, DMG_WAL_PROPOSAL, 0, parts, 2 ) );
  for( uint32_t k = 0; k<3; k++ ) DMG_TRY( dmg_wal_append_vote( chain->wal, 0, kinds[ k ], header->height, hash ) );
  return chain->cfg.is_durable ? dmg_wal_sync( chain->wal ) : DMG_OK;
}

dmg_err_t dmg_chain_votes_final( dmg_chain_t * chain, uint64_t height, dmg_hash_t const * hash, dmg_cert_t const * finalization ) {
  if( !chain->wal ) return DMG_OK;
  DMG_TRY( dmg_wal_append_floor( chain->wal, 0, height, height, hash, finalization ) );
  /* Not worth a sync: the next block's serves it. */
  if( !chain->cfg.is_durable ) DMG_TRY( dmg_wal_sync( chain->wal ) );
  return dmg_wal_prune( chain->wal );
}
