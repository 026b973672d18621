#include "cli/cache.h"
#include "base/os.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { NAMES_SZ_MAX = 256<<10 };

void dmg_cli_cache_dir( char const * sub, char out[ 2048 ] ) {
  char const * xdg = getenv( "XDG_CACHE_HOME" ), * home = getenv( "HOME" );
  if( xdg && *xdg )        snprintf( out, 2048, "%.1900s/demiurge/%s", xdg, sub );
  else if( home && *home ) snprintf( out, 2048, "%.1900s/.cache/demiurge/%s", home, sub );
  else                     snprintf( out, 2048, "/tmp/demiurge-%u/%s", (unsigned)getuid(), sub );
}

/* Names of a node become names of files. */
static bool is_plain( char const * name, size_t n ) {
  for( size_t i = 0; i<n; i++ ) if( !( ( name[ i ]>='a' && name[ i ]<='z' ) || ( name[ i ]>='A' && name[ i ]<='Z' ) || ( name[ i ]>='0' && name[ i ]<='9' ) || name[ i ]=='_' ) ) return false;
  return n && n<=DMG_ABI_NAME_MAX;
}

void dmg_cli_cache_abi( dmg_abi_t const * abi ) {
  char dir[ 2048 ], path[ 2200 ];
  dmg_buf_t text = dmg_buf( NAMES_SZ_MAX ), old = { 0 };
  if( !is_plain( (char const *)abi->name.p, abi->name.sz ) ) return;
  dmg_cli_cache_dir( "names", dir );
  snprintf( path, sizeof path, "%s/%.*s", dir, DMG_SPAN_F( abi->name ) );
  dmg_err_t err = DMG_OK;
  for( uint32_t i = 0; i<abi->call_cnt && !err; i++ )  err = dmg_buf_printf( &text, "call %.*s\n", DMG_SPAN_F( abi->calls[ i ].name ) );
  for( uint32_t i = 0; i<abi->query_cnt && !err; i++ ) err = dmg_buf_printf( &text, "query %.*s\n", DMG_SPAN_F( abi->queries[ i ].name ) );
  bool is_known = !err && !dmg_os_file_read( path, NAMES_SZ_MAX, &old ) && dmg_span_eq( dmg_buf_span( &old ), dmg_buf_span( &text ) );
  /* Nothing depends on it: no sync, no complaint. */
  FILE * to = err || is_known || dmg_os_mkdirs( dir ) ? NULL : fopen( path, "w" );
  if( to ) { fwrite( text.p, 1, text.sz, to ); fclose( to ); }
  dmg_buf_fini( &old );
  dmg_buf_fini( &text );
}

void dmg_cli_cache_modules( void (* offer)( char const * word ) ) {
  char dir[ 2048 ];
  dmg_cli_cache_dir( "names", dir );
  DIR * d = opendir( dir );
  for( struct dirent * e; d && ( e = readdir( d ) ); ) if( is_plain( e->d_name, strlen( e->d_name ) ) ) offer( e->d_name );
  if( d ) closedir( d );
}

void dmg_cli_cache_names( char const * module, char const * kind, void (* offer)( char const * word ) ) {
  char dir[ 2048 ], path[ 2200 ];
  dmg_buf_t text = { 0 };
  size_t kind_sz = strlen( kind );
  if( !is_plain( module, strlen( module ) ) ) return;
  dmg_cli_cache_dir( "names", dir );
  snprintf( path, sizeof path, "%s/%s", dir, module );
  if( dmg_os_file_read( path, NAMES_SZ_MAX, &text ) ) return;
  for( uint8_t const * p = text.p, * end = text.p+text.sz; p<end; ) {
    uint8_t const * nl = memchr( p, '\n', (size_t)( end-p ) );
    size_t n = (size_t)( ( nl ? nl : end )-p );
    if( n>kind_sz+1 && !memcmp( p, kind, kind_sz ) && p[ kind_sz ]==' ' && is_plain( (char const *)p+kind_sz+1, n-kind_sz-1 ) ) {
      char word[ DMG_ABI_NAME_MAX+1 ];
      snprintf( word, sizeof word, "%.*s", (int)( n-kind_sz-1 ), (char const *)p+kind_sz+1 );
      offer( word );
    }
    p += n+1;
  }
  dmg_buf_fini( &text );
}
