#include "node/safety_json.h"
#include "rpc/json.h"

#include <stdio.h>

static char const * const kind_name[ DMG_SAFETY_KIND_CNT ] = { "notarize", "nullify", "finalize", "propose" };

dmg_err_t dmg_safety_json_print( dmg_safety_export_t const * in, dmg_buf_t * out ) {
  dmg_jw_t w = dmg_jw( out );
  dmg_jw_open( &w, '{' );
  dmg_jw_key( &w, "metadata" );
  dmg_jw_open( &w, '{' );
  dmg_jw_kcstr( &w, "interchange_format", "demiurge-safety" );
  dmg_jw_kcstr( &w, "interchange_format_version", "1" );
  dmg_jw_khash( &w, "chain_id", &in->chain_id );
  dmg_jw_close( &w, '}' );
  dmg_jw_key( &w, "data" );
  dmg_jw_open( &w, '[' );
  dmg_jw_open( &w, '{' );
  dmg_jw_khex( &w, "key", dmg_span( in->key, DMG_BLS_KEY_SZ ) );
  dmg_jw_knum( &w, "epoch", in->epoch );
  dmg_jw_kcstr( &w, "mode", in->is_observer ? "observe" : "vote" );
  dmg_jw_ku64( &w, "from_ms", in->from_ms );
  dmg_jw_ku64( &w, "floor", in->floor );
  dmg_jw_key( &w, "marks" );
  dmg_jw_open( &w, '{' );
  for( uint32_t k = 0; k<DMG_SAFETY_KIND_CNT; k++ ) {
    dmg_jw_key( &w, kind_name[ k ] );
    dmg_jw_open( &w, '{' );
    dmg_jw_ku64( &w, "view", in->marks[ k ].view );
    dmg_jw_khash( &w, "hash", &in->marks[ k ].hash );
    dmg_jw_close( &w, '}' );
  }
  dmg_jw_close( &w, '}' );
  dmg_jw_close( &w, '}' );
  dmg_jw_close( &w, ']' );
  dmg_jw_close( &w, '}' );
  return w.is_full ? DMG_ERR_LIMIT : DMG_OK;
}

/* An object of exactly cnt members; those asked for are there, so none is unknown. */
static bool is_object( dmg_jv_t v, uint32_t cnt ) { return !dmg_jv_is_absent( v ) && dmg_jv_type( v )==DMG_JSON_OBJECT && dmg_jv_cnt( v )==cnt; }

static char const * read_entry( dmg_jv_t v, dmg_safety_export_t * e ) {
  size_t key_sz;
  if( !is_object( v, 6 ) )                                                                       return "an entry of data is not {key, epoch, mode, from_ms, floor, marks}";
  if( !dmg_jv_hex( dmg_jv_get( v, "key" ), e->key, DMG_BLS_KEY_SZ, &key_sz ) || key_sz!=DMG_BLS_KEY_SZ ) return "key is not 0x and 96 bytes in hex";
  if( !dmg_jv_u32( dmg_jv_get( v, "epoch" ), &e->epoch ) )                                       return "epoch is not a number";
  dmg_jv_t mode = dmg_jv_get( v, "mode" );
  e->is_observer = !dmg_jv_is_absent( mode ) && dmg_jv_eq_str( mode, "observe" );
  if( !e->is_observer && ( dmg_jv_is_absent( mode ) || !dmg_jv_eq_str( mode, "vote" ) ) )        return "mode is neither vote nor observe";
  if( !dmg_jv_u64( dmg_jv_get( v, "from_ms" ), &e->from_ms ) )                                   return "from_ms is not a decimal string";
  if( !dmg_jv_u64( dmg_jv_get( v, "floor" ), &e->floor ) )                                       return "floor is not a decimal string";
  dmg_jv_t marks = dmg_jv_get( v, "marks" );
  if( !is_object( marks, DMG_SAFETY_KIND_CNT ) )                                                 return "marks is not {notarize, nullify, finalize, propose}";
  for( uint32_t k = 0; k<DMG_SAFETY_KIND_CNT; k++ ) {
    dmg_jv_t m = dmg_jv_get( marks, kind_name[ k ] );
    if( !is_object( m, 2 ) || !dmg_jv_u64( dmg_jv_get( m, "view" ), &e->marks[ k ].view ) || !dmg_jv_hash( dmg_jv_get( m, "hash" ), &e->marks[ k ].hash ) ) return "a mark is not {view, hash}";
    if( ( !e->marks[ k ].view || k==DMG_VOTE_NULLIFY ) && !dmg_is_zero( e->marks[ k ].hash.b, 32 ) ) return "the hash of a mark of nothing, or of nullify, is not zero";
  }
  return NULL;
}

static char const * read_all( dmg_jv_t root, dmg_safety_export_t out[ DMG_SAFETY_JSON_MAX ], uint32_t * out_cnt ) {
  dmg_hash_t chain_id;
  if( !is_object( root, 2 ) ) return "not {metadata, data}";
  dmg_jv_t meta = dmg_jv_get( root, "metadata" ), data = dmg_jv_get( root, "data" );
  if( !is_object( meta, 3 ) ) return "metadata is not {interchange_format, interchange_format_version, chain_id}";
  dmg_jv_t format = dmg_jv_get( meta, "interchange_format" ), version = dmg_jv_get( meta, "interchange_format_version" );
  if( dmg_jv_is_absent( format ) || !dmg_jv_eq_str( format, "demiurge-safety" ) )  return "interchange_format is not demiurge-safety";
  if( dmg_jv_is_absent( version ) || !dmg_jv_eq_str( version, "1" ) )              return "interchange_format_version is not 1";
  if( !dmg_jv_hash( dmg_jv_get( meta, "chain_id" ), &chain_id ) )                  return "chain_id is not 0x and 32 bytes in hex";
  if( dmg_jv_is_absent( data ) || dmg_jv_type( data )!=DMG_JSON_ARRAY || !dmg_jv_cnt( data ) || dmg_jv_cnt( data )>DMG_SAFETY_JSON_MAX ) return "data is not a list of 1 to 16 entries";
  uint32_t cnt = 0;
  for( dmg_jv_t v = dmg_jv_first( data ); !dmg_jv_is_absent( v ); v = dmg_jv_next( data, v ) ) {
    out[ cnt ] = (dmg_safety_export_t){ .chain_id = chain_id };
    char const * what = read_entry( v, out+cnt++ );
    if( what ) return what;
  }
  *out_cnt = cnt;
  return NULL;
}

dmg_err_t dmg_safety_json_parse( dmg_span_t text, dmg_safety_export_t out[ DMG_SAFETY_JSON_MAX ], uint32_t * out_cnt, char out_why[ 200 ] ) {
  dmg_safety_export_t all[ DMG_SAFETY_JSON_MAX ];
  dmg_jv_t root;
  char why[ 160 ];
  uint32_t cnt = 0;
  dmg_json_t * json = dmg_json_new();
  snprintf( out_why, 200, "out of memory" );
  if( !json ) return DMG_ERR_NOMEM;
  char const * what = dmg_json_parse( json, text, &root, why ) ? read_all( root, all, &cnt ) : why;
  dmg_json_free( json );
  if( what ) { snprintf( out_why, 200, "%s", what ); return DMG_ERR_INVALID; }
  memcpy( out, all, cnt*sizeof *all );
  *out_cnt = cnt;
  return DMG_OK;
}
