/* data_dir: the node's data folder: whose it is, and that one process uses it.

     data/LOCK    held while the folder is open; holds the pid of the holder
     data/STORE   one line: "demiurge-store 2.0 rocksdb <genesis hash, 64 hex>"
     data/db      the key-value store       data/blocks   the block log
     data/wal     the vote log              data/safety.bin   what was signed

   Format 1 had neither vote log nor safety file: it is refused, as nobody can say what its validator signed.

   It is checked before anything in the folder is touched, so that data of another chain, another
   backend or a newer program stays as it was.

   Memory   the handle; freed by close
   Failure  LOCKED, CHAIN, VERSION, PERM, FULL, CORRUPT, IO, each with a text that says what would be right
   Spec     docs/spec/storage.md S15.1 */
#ifndef DMG_STORAGE_DATA_DIR_H
#define DMG_STORAGE_DATA_DIR_H

#include "crypto/hash.h"
#include "storage/kv.h"

typedef struct dmg_data_dir dmg_data_dir_t;

/* Makes path if it is missing, takes the lock, checks STORE or writes it into a new folder.  backend: "rocksdb". */
DMG_MUST_USE dmg_err_t dmg_data_dir_open( char const * path, char const * backend, dmg_hash_t const * genesis_hash, dmg_data_dir_t ** out_dir, dmg_open_why_t * out_why );
void dmg_data_dir_close( dmg_data_dir_t * dir );   /* gives the lock back; NULL: nothing */

#endif
