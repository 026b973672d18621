/* signer: holds the validator's BLS key and its safety file; the only place where a vote becomes a signature.

     votes of a turn --> the rules of consensus/safety.h --> one slot written, synced --> signatures out
     open --> the vote log's votes and floor --> decide --> begin (both slots written) --> sign, sign, ..

   The file has two slots of 4,096 bytes, written in turn (C6.4): a torn write leaves the other.  What a refused vote
   would have been is in its answer; the votes beside it are signed.  `demiurge signer` (F12.1) will serve these calls from
   a process of its own.

   Memory   the handle; the key is wiped by close
   Threads  one at a time
   Failure  a refusal is an answer, not an error.  A failed write or sync is final (S8.6): nothing is signed, and every later
            sign returns the failure.  open: NOT_FOUND, VERSION, CHAIN with a text
   Safety   a signature never exists before the slot that allows it is synced
   Not here the reasons of a vote, which are synced before it is asked for: storage/wal.h, C6.1 */
#ifndef DMG_NODE_SIGNER_H
#define DMG_NODE_SIGNER_H

#include "consensus/safety.h"
#include "storage/kv.h"
#include "storage/vfs.h"

typedef struct dmg_signer dmg_signer_t;

typedef struct {
  dmg_vfs_t *  vfs;          /* borrowed until close.  NULL: no file, what was signed is forgotten with the process */
  char const * path;         /* of the file; vfs only */
  dmg_hash_t   chain_id;
  uint8_t      secret[ DMG_BLS_SECRET_SZ ];
  uint8_t      host[ DMG_SAFETY_HOST_SZ ];
  bool         is_durable;   /* sync before a signature leaves */
} dmg_signer_cfg_t;

/* This machine's id, hashed (/etc/machine-id); zeros if it has none. */
void dmg_signer_host( uint8_t out[ DMG_SAFETY_HOST_SZ ] );
/* Makes a file that has signed nothing, whole or not at all.  from_ms: dmg_safety_init.  EXISTS. */
DMG_MUST_USE dmg_err_t dmg_signer_init( dmg_signer_cfg_t const * cfg, uint64_t from_ms );
/* Reads the file; nothing is written.  Without a file (vfs NULL) it is ready to sign. */
DMG_MUST_USE dmg_err_t dmg_signer_open( dmg_signer_cfg_t const * cfg, dmg_signer_t ** out_signer, dmg_open_why_t * out_why );
void dmg_signer_close( dmg_signer_t * signer );   /* NULL: nothing */

/* ---- A start (C6.4) ---- */

/* What the vote log holds, in its order. */
void dmg_signer_log_vote ( dmg_signer_t * signer, dmg_safety_vote_t const * vote );
void dmg_signer_log_floor( dmg_signer_t * signer, uint32_t epoch, uint64_t view );
/* The row of the table; nothing is written. */
dmg_safety_start_t dmg_signer_decide( dmg_signer_t const * signer, bool is_log_good );
/* Starts so: both slots say the same afterwards, synced.  wall_ms: from_ms of a fall to observe. */
DMG_MUST_USE dmg_err_t dmg_signer_begin( dmg_signer_t * signer, dmg_safety_start_t start, uint64_t wall_ms );
/* What the file says; before begin with the log's votes taken down. */
dmg_safety_t const * dmg_signer_safety( dmg_signer_t const * signer );
/* Was the file written by another host, so that its start must listen first (C6.5)? */
bool dmg_signer_is_foreign( dmg_signer_t const * signer );

/* ---- Signing; after begin ---- */

typedef struct { dmg_safety_answer_t answer; uint8_t sig[ DMG_BLS_SIG_SZ ]; } dmg_signer_answer_t;
/* All votes of a turn, of one epoch, with one sync; none if all were signed before.  out_answers[ cnt ]. */
DMG_MUST_USE dmg_err_t dmg_signer_sign( dmg_signer_t * signer, dmg_safety_vote_t const * votes, uint32_t cnt, dmg_safety_epoch_t const * epoch, dmg_signer_answer_t * out_answers );
/* C3.1: the same for everyone who asks, so nothing to take down. */
void dmg_signer_reveal( dmg_signer_t const * signer, uint32_t epoch, uint64_t window, uint8_t out[ DMG_BLS_SIG_SZ ] );
DMG_MUST_USE dmg_err_t dmg_signer_observe( dmg_signer_t * signer, uint64_t wall_ms );
DMG_MUST_USE dmg_err_t dmg_signer_raise_from( dmg_signer_t * signer, uint64_t header_ms );
/* A chain in memory goes back and writes its history anew (dev_revert): without a file only (asserted). */
void dmg_signer_forget( dmg_signer_t * signer );

/* ---- Without the key, the process that holds it stopped: export and import of a file (C6.5) ---- */

/* CORRUPT unless both slots are good: a start of its owner mends that, from its vote log. */
DMG_MUST_USE dmg_err_t dmg_signer_file_read  ( dmg_vfs_t * vfs, char const * path, dmg_safety_t * out_safety, dmg_open_why_t * out_why );
/* Raises its marks, both slots synced.  CHAIN: none of the cnt exports is of its chain and key. */
DMG_MUST_USE dmg_err_t dmg_signer_file_import( dmg_vfs_t * vfs, char const * path, dmg_safety_export_t const * in, uint32_t cnt, uint64_t wall_ms, dmg_safety_t * out_safety, dmg_open_why_t * out_why );

uint64_t dmg_signer_syncs( dmg_signer_t const * signer );

#endif
