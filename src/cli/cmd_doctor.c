/* doctor: what may keep a node from running well, each line with what mends it (F13.8). */
#include "base/cpu.h"
#include "base/os.h"
#include "cli/cli.h"
#include "cli/cmd_config.h"
#include "rpc/http_client.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

typedef enum { GOOD, WARN, FAIL } grade_t;
typedef struct { dmg_cli_t * cli; uint32_t cnt[ 3 ]; dmg_jw_t w; } report_t;

__attribute__(( format( printf, 4, 5 ) ))
static void line( report_t * r, grade_t grade, char const * what, char const * fmt, ... ) {
  static char const * const word[] = { "ok", "warn", "fail" };
  char text[ 400 ];
  va_list ap;
  va_start( ap, fmt );
  vsnprintf( text, sizeof text, fmt, ap );
  va_end( ap );
  if( !dmg_cli_is_data( r->cli ) ) printf( "%-5s %-10s %s\n", word[ grade ], what, text );
  dmg_jw_open( &r->w, '{' );
  dmg_jw_kcstr( &r->w, "check", what );
  dmg_jw_kcstr( &r->w, "grade", word[ grade ] );
  dmg_jw_kcstr( &r->w, "text", text );
  dmg_jw_close( &r->w, '}' );
  r->cnt[ grade ]++;
}

/* Median and largest of 32 synced writes of 4 KiB in the folder; false: none could be made. */
static bool fsync_us( char const * dir, uint64_t * out_mid, uint64_t * out_max ) {
  char path[ 2048 ];
  uint64_t us[ 32 ];
  uint8_t page[ 4096 ] = { 0 };
  snprintf( path, sizeof path, "%.1900s/.doctor-%d", dir, (int)getpid() );
  int fd = open( path, O_CREAT|O_EXCL|O_RDWR|O_CLOEXEC, 0600 );
  if( fd<0 ) return false;
  bool is_good = true;
  for( size_t i = 0; i<32 && is_good; i++ ) {
    uint64_t began = dmg_os_mono_ns();
    is_good = !dmg_os_pwrite_all( fd, page, sizeof page, 4096*i ) && !fdatasync( fd );
    us[ i ] = ( dmg_os_mono_ns()-began )/1000;
    for( size_t k = i; k && us[ k ]<us[ k-1 ]; k-- ) { uint64_t t = us[ k ]; us[ k ] = us[ k-1 ]; us[ k-1 ] = t; }
  }
  close( fd );
  unlink( path );
  if( !is_good ) return false;
  *out_mid = us[ 16 ];
  *out_max = us[ 31 ];
  return true;
}

static int doctor( dmg_cli_t * cli ) {
  static dmg_config_t config;
  report_t r = { .cli = cli };
  char why[ 256 ];
  int status;
  dmg_buf_t doc = dmg_buf( 1<<20 );
  r.w = dmg_jw( &doc );
  dmg_jw_open( &r.w, '{' );
  dmg_jw_key( &r.w, "items" );
  dmg_jw_open( &r.w, '[' );
  line( &r, GOOD, "version", "demiurge %s", DMG_VERSION );

  dmg_buf_t bad = dmg_buf( 65536 );
  if( dmg_config_load( cli->flag[ DMG_CLI_FLAG_CONFIG ], &config, &bad ) ) line( &r, FAIL, "config", "%.*s", (int)( bad.sz ? bad.sz-1 : 0 ), (char const *)bad.p );
  else line( &r, GOOD, "config", "%s", *config.file ? config.file : "no file, defaults" );
  dmg_buf_fini( &bad );

  uint32_t cpu = dmg_cpu_flags();
  line( &r, cpu&( DMG_CPU_SHA_NI|DMG_CPU_ARM_SHA2 ) ? GOOD : WARN, "cpu", "SHA-256 kernel %s%s", dmg_sha256_kernel_name(), cpu&( DMG_CPU_SHA_NI|DMG_CPU_ARM_SHA2 ) ? "" : ": this processor has no SHA instructions, the state tree is 2 to 8 times slower" );

  struct rlimit files;
  if( !getrlimit( RLIMIT_NOFILE, &files ) )
    line( &r, files.rlim_cur>=4096 ? GOOD : WARN, "files", "%lu open files allowed%s", (unsigned long)files.rlim_cur, files.rlim_cur>=4096 ? "" : "; `ulimit -n 8192` before a node with many connections" );

  long pages = sysconf( _SC_PHYS_PAGES ), page = sysconf( _SC_PAGESIZE );
  uint64_t memory = pages>0 && page>0 ? (uint64_t)pages*(uint64_t)page : 0;
  line( &r, memory>=(uint64_t)2<<30 ? GOOD : WARN, "memory", "%lu MiB", (unsigned long)( memory>>20 ) );

  char const * data = dmg_config_text( &config, DMG_CONFIG_STORAGE_PATH );
  char const * dir  = *data ? data : ".";
  struct statvfs fs;
  uint64_t mid, most;
  if( !statvfs( dir, &fs ) ) {
    uint64_t free_sz = (uint64_t)fs.f_bavail*fs.f_frsize;
    line( &r, free_sz>=(uint64_t)10<<30 ? GOOD : free_sz>=(uint64_t)1<<30 ? WARN : FAIL, "disk", "%lu MiB free at %s%s", (unsigned long)( free_sz>>20 ), dir, free_sz>=(uint64_t)1<<30 ? "" : "; a node that finds its disk full stops" );
  } else line( &r, *data ? WARN : GOOD, "disk", "%s is not there yet", dir );
  if( fsync_us( dir, &mid, &most ) ) line( &r, most<50000 ? GOOD : WARN, "fsync", "median %lu us, largest of 32 %lu us%s", (unsigned long)mid, (unsigned long)most, most<50000 ? "" : "; above 50 ms blocks wait for the disk" );
  else line( &r, WARN, "fsync", "%s cannot be written", dir );

  dmg_buf_t body = dmg_buf( 65536 );
  char url[ 1100 ];
  snprintf( url, sizeof url, "%.1000s", cli->flag[ DMG_CLI_FLAG_RPC ] ? cli->flag[ DMG_CLI_FLAG_RPC ] : dmg_config_text( &config, DMG_CONFIG_CLIENT_RPC ) );
  char * tail = strstr( url, "/rpc" );
  if( tail ) snprintf( tail, sizeof url-(size_t)( tail-url ), "/ready" );
  dmg_err_t err = dmg_http_get( url, 2000, &status, &body, why );
  if( err )               line( &r, WARN, "node", "none answers: %s; `demiurge dev` starts one", why );
  else if( status==200 )  line( &r, GOOD, "node", "ready at %s", url );
  else                    line( &r, WARN, "node", "not ready (HTTP %d): %.*s", status, (int)( body.sz<200 ? body.sz : 200 ), (char const *)body.p );
  dmg_buf_fini( &body );
  dmg_jw_close( &r.w, ']' );
  dmg_jw_knum( &r.w, "ok", r.cnt[ GOOD ] );
  dmg_jw_knum( &r.w, "warn", r.cnt[ WARN ] );
  dmg_jw_knum( &r.w, "fail", r.cnt[ FAIL ] );
  dmg_jw_close( &r.w, '}' );
  int code = DMG_EXIT_OK;
  if( dmg_cli_is_data( cli ) ) code = dmg_cli_print_json( cli, dmg_buf_span( &doc ) );
  else printf( "%u ok, %u to look at, %u to mend\n", r.cnt[ GOOD ], r.cnt[ WARN ], r.cnt[ FAIL ] );
  dmg_buf_fini( &doc );
  return code ? code : r.cnt[ FAIL ] ? DMG_EXIT_INTERNAL : DMG_EXIT_OK;
}

dmg_cli_cmd_t const dmg_cmds_doctor[] = {
  { "doctor", "", 0, 0, "what may keep a node from running well", NULL, doctor, 0, {{ 0 }} },
  { 0 }
};
