/* dmic: the command.

     dmic abi FILE.dmi -o OUT                               BCS(Abi)
     dmic gen --c-guest|--c-host|--ts|--json-schema FILE.dmi -o DIR
     dmic gen --rpc-h|--rpc-c|--rpc-ts|--rpc-md FILE.dmi -o DIR   the services of a file
     dmic embed ABI WASM -o OUT                             adds section dm:abi
     dmic hash FILE.dmi                                     abi hash and the schema hash of each call
     dmic check FILE.dmi                                    only the messages
   Exit codes: 0 done, 1 mistakes in the input, 2 wrong use, 3 a file cannot be read or written. */
#include "dmic.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#define ARENA_MAX ( (size_t)256<<20 )

static int usage( void ) {
  fputs( "usage: dmic abi FILE.dmi -o OUT\n"
         "       dmic gen --c-guest|--c-host|--ts|--json-schema FILE.dmi -o DIR\n"
         "       dmic gen --rpc-h|--rpc-c|--rpc-ts|--rpc-md FILE.dmi -o DIR\n"
         "       dmic embed ABI WASM -o OUT\n"
         "       dmic hash FILE.dmi\n"
         "       dmic check FILE.dmi\n", stderr );
  return 2;
}

/* The whole file on the heap; false with a message. */
static bool slurp( char const * path, size_t max, dmg_buf_t * out ) {
  FILE * f = fopen( path, "rb" );
  if( !f ) { fprintf( stderr, "dmic: %s: %s\n", path, strerror( errno ) ); return false; }
  uint8_t chunk[ 65536 ];
  size_t n = sizeof chunk;
  bool is_ok = true;
  while( is_ok && n==sizeof chunk ) {   /* less: the end, or an error */
    n     = fread( chunk, 1, sizeof chunk, f );
    is_ok = out->sz+n<=max && !dmg_buf_append( out, chunk, n );
  }
  if( !is_ok ) fprintf( stderr, "dmic: %s: more than %zu bytes\n", path, max );
  else if( ferror( f ) ) { fprintf( stderr, "dmic: %s: %s\n", path, strerror( errno ) ); is_ok = false; }
  fclose( f );
  return is_ok;
}

/* Into a new file beside it, then renamed: never a half-written product. */
static int spill( char const * path, dmg_span_t bytes ) {
  char tmp[ 4096 ];
  if( (size_t)snprintf( tmp, sizeof tmp, "%s.tmp", path )>=sizeof tmp ) { fprintf( stderr, "dmic: %s: path too long\n", path ); return 3; }
  FILE * f = fopen( tmp, "wb" );
  bool is_ok = f && ( !bytes.sz || fwrite( bytes.p, 1, bytes.sz, f )==bytes.sz );
  if( f && fclose( f ) ) is_ok = false;
  if( is_ok && rename( tmp, path ) ) is_ok = false;
  if( !is_ok ) { fprintf( stderr, "dmic: %s: %s\n", path, strerror( errno ) ); if( f ) remove( tmp ); return 3; }
  return 0;
}

/* Imports are relative to the importing file. */
static bool read_import( void * ctx, char const * from, dmg_span_t path, dmg_span_t * out_text, char const ** out_file ) {
  dmg_arena_t * arena = ctx;
  char const * slash = strrchr( from, '/' );
  size_t dir = slash && path.sz && path.p[ 0 ]!='/' ? (size_t)( slash-from )+1 : 0;
  char * file = dmg_arena_alloc( arena, dir+path.sz+1 );
  if( !file ) return false;
  memcpy( file, from, dir );
  if( path.sz ) memcpy( file+dir, path.p, path.sz );
  file[ dir+path.sz ] = 0;
  dmg_buf_t buf = dmg_buf( DMIC_FILE_MAX );
  bool is_ok = slurp( file, DMIC_FILE_MAX, &buf );
  if( is_ok ) { *out_text = dmg_arena_dup( arena, dmg_buf_span( &buf ) ); is_ok = out_text->p!=NULL; }
  dmg_buf_fini( &buf );
  *out_file = file;
  return is_ok;
}

static void print_hash( char const * what, dmg_span_t name, dmg_hash_t h ) {
  char hex[ 65 ];
  dmg_hex_encode( h.b, 32, hex );
  printf( "%s%.*s 0x%s\n", what, DMG_SPAN_F( name ), hex );
}

/* What emit makes of it, as DIR/NAME. */
typedef dmg_err_t (* emit_fn_t)( void const * of, dmg_buf_t * out );

static int write_file( emit_fn_t emit, void const * of, char const * dir, dmg_span_t name, char const * suffix ) {
  char path[ 4096 ];
  if( (size_t)snprintf( path, sizeof path, "%s/%.*s%s", dir, DMG_SPAN_F( name ), suffix )>=sizeof path ) { fprintf( stderr, "dmic: %s: path too long\n", dir ); return 3; }
  if( mkdir( dir, 0777 ) && errno!=EEXIST ) { fprintf( stderr, "dmic: %s: %s\n", dir, strerror( errno ) ); return 3; }
  dmg_buf_t out = dmg_buf( 16u<<20 );
  dmg_err_t err = emit( of, &out );
  int rc = 3;
  if( err ) fprintf( stderr, "dmic: %s: %s\n", path, dmg_err_text( err ) );
  else rc = spill( path, dmg_buf_span( &out ) );
  dmg_buf_fini( &out );
  return rc;
}

#define FORM( form, type, emit ) static dmg_err_t form( void const * of, dmg_buf_t * out ) { return emit( (type const *)of, out ); }
FORM( c_guest, dmic_unit_t, dmic_emit_guest )  FORM( c_host, dmic_unit_t, dmic_emit_host )  FORM( ts, dmic_unit_t, dmic_emit_ts )  FORM( json, dmic_unit_t, dmic_emit_json )
FORM( rpc_h, dmic_service_t, dmic_emit_rpc_h )  FORM( rpc_c, dmic_service_t, dmic_emit_rpc_c )  FORM( rpc_ts, dmic_service_t, dmic_emit_rpc_ts )  FORM( rpc_md, dmic_service_t, dmic_emit_rpc_md )

typedef struct { char const * form, * suffix; emit_fn_t emit; bool is_service; } form_t;
static form_t const * form_of( char const * word ) {
  static form_t const tab[] = { { "--c-guest", "_abi.h", c_guest, false }, { "--c-host", "_host.h", c_host, false }, { "--ts", ".ts", ts, false }, { "--json-schema", ".schema.json", json, false },
    { "--rpc-h", "_gen.h", rpc_h, true }, { "--rpc-c", "_gen.c", rpc_c, true }, { "--rpc-ts", ".ts", rpc_ts, true }, { "--rpc-md", ".md", rpc_md, true } };
  for( size_t i = 0; i<sizeof tab/sizeof *tab; i++ ) if( !strcmp( tab[ i ].form, word ) ) return tab+i;
  return NULL;
}

static int embed( char const * abi_path, char const * wasm_path, char const * out_path ) {
  dmg_buf_t abi = dmg_buf( DMG_ABI_SZ_MAX ), wasm = dmg_buf( 64u<<20 ), out = dmg_buf( 64u<<20 );
  int rc = 3;
  if( slurp( abi_path, DMG_ABI_SZ_MAX, &abi ) && slurp( wasm_path, 64u<<20, &wasm ) ) {
    dmg_err_t err = dmic_embed( dmg_buf_span( &wasm ), dmg_buf_span( &abi ), &out );
    if( err==DMG_ERR_INVALID ) { fprintf( stderr, "dmic: %s: not a WASM module of version 1\n", wasm_path ); rc = 1; }
    else if( err ) fprintf( stderr, "dmic: %s: %s\n", out_path, dmg_err_text( err ) );
    else rc = spill( out_path, dmg_buf_span( &out ) );
  }
  dmg_buf_fini( &abi );
  dmg_buf_fini( &wasm );
  dmg_buf_fini( &out );
  return rc;
}

int main( int argc, char ** argv ) {
  char const * word[ 4 ] = { 0 }, * out = NULL;
  int n = 0;
  for( int i = 1; i<argc; i++ ) {
    if( !strcmp( argv[ i ], "-o" ) ) { if( out || i+1==argc ) return usage(); out = argv[ ++i ]; }
    else if( n==4 ) return usage();
    else word[ n++ ] = argv[ i ];
  }
  char const * verb = n ? word[ 0 ] : "";
  if( !strcmp( verb, "embed" ) ) return n==3 && out ? embed( word[ 1 ], word[ 2 ], out ) : usage();
  bool is_gen = !strcmp( verb, "gen" ), is_abi = !strcmp( verb, "abi" ), is_hash = !strcmp( verb, "hash" ), is_check = !strcmp( verb, "check" );
  if( !is_gen && !is_abi && !is_hash && !is_check ) return usage();
  form_t const * form = is_gen && n==3 ? form_of( word[ 1 ] ) : NULL;
  if( is_gen && !form ) return usage();
  if( n!=( is_gen ? 3 : 2 ) || ( is_gen || is_abi )!=!!out ) return usage();
  char const * file = word[ n-1 ];

  dmg_arena_t * arena = dmg_arena_new( ARENA_MAX );
  dmg_buf_t text = dmg_buf( DMIC_FILE_MAX );
  int rc = 3;
  if( !arena ) { fputs( "dmic: out of memory\n", stderr ); return 3; }
  if( slurp( file, DMIC_FILE_MAX, &text ) ) {
    dmic_t d = { .arena = arena, .out_err = dmg_buf( 1u<<20 ), .read = read_import, .read_ctx = arena };
    /* What `check` is given says itself what it is. */
    bool is_service = form ? form->is_service : is_check && dmic_is_service( arena, file, dmg_buf_span( &text ) );
    dmic_service_t * service = is_service ? dmic_service( &d, file, dmg_buf_span( &text ) ) : NULL;
    dmic_unit_t * u = is_service ? NULL : dmic_compile( &d, file, dmg_buf_span( &text ) );
    if( d.out_err.sz ) fwrite( d.out_err.p, 1, d.out_err.sz, stderr );
    if( d.is_nomem ) fputs( "dmic: out of memory\n", stderr );
    else if( !u && !service ) rc = 1;
    else if( service && !is_gen ) rc = 0;
    else if( service ) rc = write_file( form->emit, service, out, service->name, form->suffix );
    else if( is_gen )  rc = write_file( form->emit, u, out, u->abi.name, form->suffix );
    else if( is_abi ) rc = spill( out, u->raw );
    else {
      rc = 0;
      if( is_hash ) {
        print_hash( "abi ", u->abi.name, dmg_h( DMG_TAG_ABI, u->raw ) );
        for( uint32_t i = 0; i<u->abi.call_cnt; i++ ) print_hash( "schema ", u->abi.calls[ i ].name, dmic_schema( u->abi.module, u->abi.calls+i ) );
      }
    }
    dmg_buf_fini( &d.out_err );
  }
  dmg_buf_fini( &text );
  dmg_arena_free( arena );
  return rc;
}
