/* demiurge signer export, import: the marks of a safety file as text, so that a validator moves without signing twice (C6.5). */
#include "base/os.h"
#include "cli/cli.h"
#include "node/safety_json.h"
#include "node/signer.h"
#include "storage/data_dir.h"

#include <stdio.h>

/* The safety file of a data folder that no node has open. */
typedef struct { dmg_data_dir_t * dir; char path[ 2048 ]; dmg_safety_t safety; } folder_t;

static int folder_open( dmg_cli_t * cli, folder_t * f ) {
  char const * data = dmg_cli_opt( cli, "--data" );
  dmg_open_why_t why = { "" };
  f->dir = NULL;
  if( !data ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, "Usage", "--data DIR names the data folder of the validator" );
  snprintf( f->path, sizeof f->path, "%.1900s/safety.bin", data );
  dmg_err_t err = dmg_signer_file_read( dmg_vfs_os(), f->path, &f->safety, &why );
  if( err==DMG_ERR_NOT_FOUND ) return dmg_cli_fail( cli, DMG_EXIT_NOT_FOUND, "NotFound", "%s has no safety.bin: it is not the data folder of a validator", data );
  /* Its lock: what a running node signs meanwhile would be missing. */
  if( !err ) err = dmg_data_dir_open( data, "rocksdb", &f->safety.chain_id, &f->dir, &why );
  /* Read again under the lock. */
  if( !err ) err = dmg_signer_file_read( dmg_vfs_os(), f->path, &f->safety, &why );
  if( !err ) return 0;
  dmg_data_dir_close( f->dir );
  return dmg_cli_fail( cli, err==DMG_ERR_LOCKED || err==DMG_ERR_PERM ? DMG_EXIT_USAGE : DMG_EXIT_INTERNAL, dmg_err_name( err ), "%s", why.text );
}

static int print( dmg_cli_t * cli, dmg_safety_t const * safety ) {
  dmg_safety_export_t x;
  dmg_buf_t buf = dmg_buf( 16384 );
  dmg_safety_export( safety, &x );
  dmg_err_t err = dmg_safety_json_print( &x, &buf );
  if( !err ) printf( "%.*s\n", DMG_SPAN_F( buf ) );
  dmg_buf_fini( &buf );
  return err ? dmg_cli_fail( cli, DMG_EXIT_INTERNAL, dmg_err_name( err ), "%s", dmg_err_text( err ) ) : 0;
}

static int export( dmg_cli_t * cli ) {
  folder_t f;
  int code = folder_open( cli, &f );
  if( code ) return code;
  code = print( cli, &f.safety );
  dmg_data_dir_close( f.dir );
  return code;
}

static int import( dmg_cli_t * cli ) {
  folder_t f;
  dmg_safety_export_t all[ DMG_SAFETY_JSON_MAX ];
  dmg_open_why_t why = { "" };
  dmg_buf_t text = { 0 };
  char bad[ 200 ];
  uint32_t cnt;
  dmg_err_t err = dmg_os_file_read( cli->arg[ 0 ], 1<<20, &text );
  if( err ) return dmg_cli_fail( cli, err==DMG_ERR_NOT_FOUND ? DMG_EXIT_NOT_FOUND : DMG_EXIT_USAGE, dmg_err_name( err ), "%s: %s", cli->arg[ 0 ], dmg_err_text( err ) );
  err = dmg_safety_json_parse( dmg_buf_span( &text ), all, &cnt, bad );
  dmg_buf_fini( &text );
  if( err ) return dmg_cli_fail( cli, DMG_EXIT_USAGE, dmg_err_name( err ), "%s: %s", cli->arg[ 0 ], bad );
  int code = folder_open( cli, &f );
  if( code ) return code;
  err = dmg_signer_file_import( dmg_vfs_os(), f.path, all, cnt, dmg_os_wall_ms(), &f.safety, &why );
  code = err ? dmg_cli_fail( cli, err==DMG_ERR_CHAIN ? DMG_EXIT_REFUSED : DMG_EXIT_INTERNAL, dmg_err_name( err ), "%s", why.text ) : print( cli, &f.safety );
  dmg_data_dir_close( f.dir );
  return code;
}

dmg_cli_cmd_t const dmg_cmds_signer[] = {
  { "signer export", "", 0, 0, "what a validator's key has signed up to, as JSON",
    "  For a move to another machine: stop the node for good, export, import there. Two nodes with one key are slashed.", export, 0, { { "--data", "DIR", "data folder of the validator" } } },
  { "signer import", "FILE", 1, 1, "raise the marks of a validator's safety file to those of an export",
    "  Nothing at or below the highest mark is signed any more. Marks never fall.", import, 0, { { "--data", "DIR", "data folder of the validator" } } },
  { 0 }
};
