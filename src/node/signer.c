#include "node/signer.h"
#include "base/assert.h"
#include "base/os.h"
#include "crypto/bls.h"
#include "crypto/kdf.h"

#include <stdio.h>
#include <stdlib.h>

enum { FILE_SZ = 2*DMG_SAFETY_SLOT_SZ, PATH_SZ = 4096 };

struct dmg_signer {
  dmg_signer_cfg_t   cfg;
  dmg_file_t *       file;        /* NULL: none */
  uint8_t            key[ DMG_BLS_KEY_SZ ];
  uint32_t           valid_slots;
  dmg_safety_merge_t merge;       /* until begin */
  dmg_safety_t       safety;      /* from then on */
  bool               is_begun, is_foreign;
  dmg_err_t          broken;
  uint64_t           sync_cnt;
};

static void key_of( uint8_t const secret[ DMG_BLS_SECRET_SZ ], uint8_t out[ DMG_BLS_KEY_SZ ] ) {
  dmg_bls_key_t key;
  bool is_good = dmg_bls_public( secret, &key );
  DMG_ASSERT( is_good );
  dmg_bls_key_store( &key, out );
}

void dmg_signer_host( uint8_t out[ DMG_SAFETY_HOST_SZ ] ) {
  dmg_buf_t id = { 0 };
  memset( out, 0, DMG_SAFETY_HOST_SZ );
  if( !dmg_os_file_read( "/etc/machine-id", 256, &id ) && id.sz ) {
    dmg_hash_t h = dmg_sha256( dmg_buf_span( &id ) );
    memcpy( out, h.b, DMG_SAFETY_HOST_SZ );
  }
  dmg_buf_fini( &id );
}

/* ---- The file ---- */

dmg_err_t dmg_signer_init( dmg_signer_cfg_t const * cfg, uint64_t from_ms ) {
  char beside[ PATH_SZ ], dir[ PATH_SZ ];
  uint8_t both[ FILE_SZ ], key[ DMG_BLS_KEY_SZ ];
  dmg_safety_t s;
  dmg_file_t * file;
  DMG_ASSERT( cfg->vfs && strlen( cfg->path )<PATH_SZ-8 );
  /* Only a file that is not there is replaced: one that does not open says what was signed all the same. */
  dmg_err_t err = dmg_vfs_open( cfg->vfs, cfg->path, false, &file );
  if( !err ) { dmg_file_close( file ); return DMG_ERR_EXISTS; }
  if( err!=DMG_ERR_NOT_FOUND ) return err;
  key_of( cfg->secret, key );
  dmg_safety_init( &s, &cfg->chain_id, key, cfg->host, from_ms );
  for( uint32_t i = 0; i<2; i++ ) { s.seq = i; dmg_safety_encode( &s, both+(size_t)i*DMG_SAFETY_SLOT_SZ ); }
  snprintf( beside, sizeof beside, "%s.new", cfg->path );
  snprintf( dir, sizeof dir, "%s", cfg->path );
  char * slash = strrchr( dir, '/' );
  DMG_ASSERT( slash );
  *slash = 0;
  /* A stale one is of a start that was cut off before anything was signed. */
  DMG_TRY( dmg_vfs_unlink( cfg->vfs, beside ) );
  DMG_TRY( dmg_vfs_open( cfg->vfs, beside, true, &file ) );
  err = dmg_file_pwrite( file, both, sizeof both, 0 );
  if( !err ) err = dmg_file_sync( file );
  dmg_file_close( file );
  if( !err ) err = dmg_vfs_rename( cfg->vfs, beside, cfg->path );
  if( !err ) err = dmg_vfs_dir_sync( cfg->vfs, dir );
  return err;
}

/* A slot that says something else than "torn": another chain's, another key's, a newer program's. */
static dmg_err_t slot_judge( dmg_signer_t const * s, uint8_t const * slot, dmg_open_why_t * out_why ) {
  dmg_safety_t other;
  dmg_verdict_t v = dmg_safety_decode( dmg_span( slot, DMG_SAFETY_SLOT_SZ ), &other );
  char const * path = s->cfg.path;
  if( v.kind==DMG_VERDICT_BAD && !strcmp( v.field, "format" ) )
    return dmg_open_why( out_why, DMG_ERR_VERSION, "%.300s has format %u, this program reads %u; use a newer demiurge", path, dmg_load_u16le( slot+8 ), DMG_SAFETY_FORMAT );
  if( v.kind ) return DMG_OK;
  if( !dmg_hash_eq( &other.chain_id, &s->cfg.chain_id ) ) return dmg_open_why( out_why, DMG_ERR_CHAIN, "%.300s is the safety file of another chain; each chain and key has its own", path );
  if( memcmp( other.key, s->key, DMG_BLS_KEY_SZ ) )       return dmg_open_why( out_why, DMG_ERR_CHAIN, "%.300s is the safety file of another key; each chain and key has its own", path );
  return DMG_OK;
}

/* The file, open, and its two slots; what is missing of them is zeros.  The caller closes the file, after a failure too. */
static dmg_err_t slots_read( dmg_vfs_t * vfs, char const * path, dmg_file_t ** out_file, uint8_t both[ FILE_SZ ], dmg_open_why_t * out_why ) {
  size_t got;
  dmg_err_t err = dmg_vfs_open( vfs, path, false, out_file );
  if( err ) return dmg_open_why( out_why, err, "%.300s: %s", path, dmg_err_text( err ) );
  DMG_TRY( dmg_file_pread( *out_file, both, FILE_SZ, 0, &got ) );
  memset( both+got, 0, FILE_SZ-got );
  return DMG_OK;
}

static dmg_err_t file_read( dmg_signer_t * s, dmg_open_why_t * out_why ) {
  uint8_t both[ FILE_SZ ];
  DMG_TRY( slots_read( s->cfg.vfs, s->cfg.path, &s->file, both, out_why ) );
  dmg_span_t slots[ 2 ] = { dmg_span( both, DMG_SAFETY_SLOT_SZ ), dmg_span( both+DMG_SAFETY_SLOT_SZ, DMG_SAFETY_SLOT_SZ ) };
  for( uint32_t i = 0; i<2; i++ ) DMG_TRY( slot_judge( s, slots[ i ].p, out_why ) );
  dmg_safety_t file;
  s->valid_slots = dmg_safety_choose( slots, &s->cfg.chain_id, s->key, &file );
  if( !s->valid_slots ) dmg_safety_init( &file, &s->cfg.chain_id, s->key, s->cfg.host, 0 );   /* begin makes an observer of it */
  s->is_foreign = memcmp( file.host, s->cfg.host, DMG_SAFETY_HOST_SZ )!=0;
  dmg_safety_merge_init( &s->merge, &file );
  return DMG_OK;
}

dmg_err_t dmg_signer_open( dmg_signer_cfg_t const * cfg, dmg_signer_t ** out_signer, dmg_open_why_t * out_why ) {
  if( out_why ) out_why->text[0] = 0;
  dmg_signer_t * s = calloc( 1, sizeof *s );
  if( !s ) return DMG_ERR_NOMEM;
  s->cfg = *cfg;
  key_of( cfg->secret, s->key );
  dmg_err_t err = DMG_OK;
  if( cfg->vfs ) {
    s->cfg.path = strdup( cfg->path );
    err = s->cfg.path ? file_read( s, out_why ) : DMG_ERR_NOMEM;
  } else {
    dmg_safety_init( &s->safety, &cfg->chain_id, s->key, cfg->host, 0 );
    s->cfg.path = NULL;
    s->is_begun = true;
  }
  if( err ) { dmg_signer_close( s ); return err; }
  *out_signer = s;
  return DMG_OK;
}

void dmg_signer_close( dmg_signer_t * s ) {
  if( !s ) return;
  dmg_file_close( s->file );
  free( (void *)(uintptr_t)s->cfg.path );
  dmg_wipe( s, sizeof *s );
  free( s );
}

static dmg_err_t slot_write( dmg_file_t * file, dmg_safety_t * s, bool is_durable ) {
  uint8_t slot[ DMG_SAFETY_SLOT_SZ ];
  s->seq++;
  dmg_safety_encode( s, slot );
  DMG_TRY( dmg_file_pwrite( file, slot, sizeof slot, s->seq%2*DMG_SAFETY_SLOT_SZ ) );
  return is_durable ? dmg_file_sync( file ) : DMG_OK;
}

/* Takes next as what the file says: the slot that is not the newest is written, and synced before anyone sees a signature. */
static dmg_err_t put( dmg_signer_t * s, dmg_safety_t const * next ) {
  if( s->broken ) return s->broken;
  dmg_safety_t n = *next;
  if( s->file ) {
    dmg_err_t err = slot_write( s->file, &n, s->cfg.is_durable );
    if( err ) return s->broken = err;   /* what is in the slot now is unknown: nothing is signed any more */
    s->sync_cnt += s->cfg.is_durable;
  }
  s->safety = n;
  return DMG_OK;
}

/* What is no vote stands in no log: both slots say it, so that a lost one takes nothing back. */
static dmg_err_t put_both( dmg_signer_t * s, dmg_safety_t const * next ) {
  DMG_TRY( put( s, next ) );
  return put( s, &s->safety );
}

/* ---- A start ---- */

void dmg_signer_log_vote( dmg_signer_t * s, dmg_safety_vote_t const * vote ) {
  DMG_ASSERT( !s->is_begun );
  dmg_safety_merge_vote( &s->merge, vote );
}
void dmg_signer_log_floor( dmg_signer_t * s, uint32_t epoch, uint64_t view ) {
  DMG_ASSERT( !s->is_begun );
  dmg_safety_merge_floor( &s->merge, epoch, view );
}

dmg_safety_start_t dmg_signer_decide( dmg_signer_t const * s, bool is_log_good ) {
  DMG_ASSERT( !s->is_begun );
  return dmg_safety_start( is_log_good && !s->merge.has_conflict, dmg_safety_merge_is_covered( &s->merge ), s->valid_slots );
}

dmg_err_t dmg_signer_begin( dmg_signer_t * s, dmg_safety_start_t start, uint64_t wall_ms ) {
  DMG_ASSERT( !s->is_begun );
  /* The log's votes may have been signed: whoever goes on with them must not sign against them. */
  dmg_safety_t next = start==DMG_SAFETY_START_FILE ? s->merge.file : s->merge.merged;
  if( start==DMG_SAFETY_START_OBSERVE ) dmg_safety_observe( &next, wall_ms );
  memcpy( next.host, s->cfg.host, DMG_SAFETY_HOST_SZ );
  DMG_TRY( put_both( s, &next ) );
  s->is_begun = true;
  return DMG_OK;
}

dmg_safety_t const * dmg_signer_safety( dmg_signer_t const * s ) { return s->is_begun ? &s->safety : &s->merge.merged; }
bool     dmg_signer_is_foreign( dmg_signer_t const * s ) { return s->is_foreign; }
uint64_t dmg_signer_syncs( dmg_signer_t const * s ) { return s->sync_cnt; }

/* ---- Signing ---- */

static void sign( dmg_signer_t const * s, dmg_bls_use_t use, dmg_span_t msg, uint8_t out[ DMG_BLS_SIG_SZ ] ) {
  dmg_bls_sig_t sig;
  bool is_good = dmg_bls_sign( s->cfg.secret, use, msg, &sig );
  DMG_ASSERT( is_good );
  dmg_bls_sig_store( &sig, out );
}

dmg_err_t dmg_signer_sign( dmg_signer_t * s, dmg_safety_vote_t const * votes, uint32_t cnt, dmg_safety_epoch_t const * epoch, dmg_signer_answer_t * out_answers ) {
  DMG_ASSERT( s->is_begun );
  if( s->broken ) return s->broken;
  dmg_safety_t next = s->safety;
  bool has_new = false;
  for( uint32_t i = 0; i<cnt; i++ ) {
    bool is_new = false;
    out_answers[ i ] = (dmg_signer_answer_t){ .answer = dmg_safety_vote( &next, &votes[ i ], epoch, &is_new ) };
    has_new |= is_new;
  }
  /* C6.1: the file is synced before a signature leaves; one sync serves all. */
  if( has_new ) DMG_TRY( put( s, &next ) );
  for( uint32_t i = 0; i<cnt; i++ ) {
    if( out_answers[ i ].answer ) continue;
    uint8_t msg[ DMG_VOTE_MSG_SZ ];
    dmg_vote_msg( votes[ i ].kind, &s->cfg.chain_id, votes[ i ].epoch, votes[ i ].view, &votes[ i ].hash, msg );
    sign( s, DMG_BLS_VOTE, DMG_SPAN( msg ), out_answers[ i ].sig );
  }
  return DMG_OK;
}

void dmg_signer_reveal( dmg_signer_t const * s, uint32_t epoch, uint64_t window, uint8_t out[ DMG_BLS_SIG_SZ ] ) {
  uint8_t msg[ DMG_REVEAL_MSG_SZ ];
  dmg_reveal_msg( &s->cfg.chain_id, epoch, window, msg );
  sign( s, DMG_BLS_REVEAL, DMG_SPAN( msg ), out );
}

dmg_err_t dmg_signer_observe( dmg_signer_t * s, uint64_t wall_ms ) {
  DMG_ASSERT( s->is_begun );
  dmg_safety_t next = s->safety;
  dmg_safety_observe( &next, wall_ms );
  return put_both( s, &next );
}

dmg_err_t dmg_signer_raise_from( dmg_signer_t * s, uint64_t header_ms ) {
  DMG_ASSERT( s->is_begun );
  dmg_safety_t next = s->safety;
  dmg_safety_raise_from( &next, header_ms );
  return next.from_ms==s->safety.from_ms ? DMG_OK : put_both( s, &next );
}

void dmg_signer_forget( dmg_signer_t * s ) {
  DMG_ASSERT( !s->file && !s->cfg.vfs );
  dmg_safety_init( &s->safety, &s->cfg.chain_id, s->key, s->cfg.host, 0 );
}

/* ---- Without the key ---- */

static dmg_err_t file_open( dmg_vfs_t * vfs, char const * path, dmg_file_t ** out_file, dmg_safety_t * out, dmg_open_why_t * out_why ) {
  uint8_t both[ FILE_SZ ];
  dmg_safety_t first;
  DMG_TRY( slots_read( vfs, path, out_file, both, out_why ) );
  dmg_span_t slots[ 2 ] = { dmg_span( both, DMG_SAFETY_SLOT_SZ ), dmg_span( both+DMG_SAFETY_SLOT_SZ, DMG_SAFETY_SLOT_SZ ) };
  /* Whose file it is, it says itself. */
  if( dmg_safety_decode( slots[ 0 ], &first ).kind || dmg_safety_choose( slots, &first.chain_id, first.key, out )!=2 )
    return dmg_open_why( out_why, DMG_ERR_CORRUPT, "%.300s: a slot is damaged or this is no safety file; start its node once, it rebuilds the slot from its vote log", path );
  return DMG_OK;
}

dmg_err_t dmg_signer_file_read( dmg_vfs_t * vfs, char const * path, dmg_safety_t * out_safety, dmg_open_why_t * out_why ) {
  dmg_file_t * file = NULL;
  dmg_err_t err = file_open( vfs, path, &file, out_safety, out_why );
  dmg_file_close( file );
  return err;
}

dmg_err_t dmg_signer_file_import( dmg_vfs_t * vfs, char const * path, dmg_safety_export_t const * in, uint32_t cnt, uint64_t wall_ms, dmg_safety_t * out_safety, dmg_open_why_t * out_why ) {
  dmg_file_t * file = NULL;
  dmg_safety_t s;
  bool is_ours = false;
  dmg_err_t err = file_open( vfs, path, &file, &s, out_why );
  for( uint32_t i = 0; i<cnt && !err; i++ ) is_ours |= dmg_safety_import( &s, in+i, wall_ms );
  if( !err && !is_ours ) err = dmg_open_why( out_why, DMG_ERR_CHAIN, "nothing in the import is of the chain and key of %.300s", path );
  memset( s.host, 0, sizeof s.host );   /* no host's: its next start listens first (C6.5) */
  if( !err ) err = slot_write( file, &s, true );
  if( !err ) err = slot_write( file, &s, true );
  dmg_file_close( file );
  if( !err ) *out_safety = s;
  return err;
}
