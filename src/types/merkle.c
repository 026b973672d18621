#include "types/merkle.h"
#include "base/assert.h"

void dmg_merkle_init( dmg_merkle_t * tree ) { tree->cnt = 0; }

/* Peaks as in a mountain range, tallest first.  Folding them from the right gives the level-by-level tree:
   what stands right of a full left subtree rises until it meets it. */
void dmg_merkle_add( dmg_merkle_t * tree, dmg_tag_t node_tag, dmg_hash_t const * leaf ) {
  DMG_ASSERT( tree->cnt<UINT32_MAX );
  size_t     n = (size_t)__builtin_popcountll( tree->cnt );
  dmg_hash_t h = *leaf;
  for( uint64_t c = tree->cnt; c&1; c >>= 1 ) h = dmg_h_node( node_tag, &tree->peaks[ --n ], &h );
  tree->peaks[ n ] = h;
  tree->cnt++;
}

dmg_hash_t dmg_merkle_end( dmg_merkle_t const * tree, dmg_tag_t node_tag ) {
  if( !tree->cnt ) return (dmg_hash_t){ 0 };
  size_t     n = (size_t)__builtin_popcountll( tree->cnt )-1;
  dmg_hash_t h = tree->peaks[ n ];
  while( n ) h = dmg_h_node( node_tag, &tree->peaks[ --n ], &h );
  return h;
}

dmg_hash_t dmg_merkle_root( dmg_tag_t leaf_tag, dmg_tag_t node_tag, dmg_span_t const * leaves, size_t cnt ) {
  dmg_merkle_t tree;
  dmg_merkle_init( &tree );
  for( size_t i = 0; i<cnt; i++ ) {
    dmg_hash_t leaf = dmg_h( leaf_tag, leaves[ i ] );
    dmg_merkle_add( &tree, node_tag, &leaf );
  }
  return dmg_merkle_end( &tree, node_tag );
}

void dmg_merkle_path( dmg_tag_t node_tag, dmg_hash_t * hashes, size_t cnt, size_t idx, dmg_merkle_path_t * out ) {
  DMG_ASSERT( idx<cnt && cnt<=DMG_MERKLE_LEAF_MAX );
  out->cnt = 0;
  while( cnt>1 ) {
    if( idx&1 )             out->steps[ out->cnt++ ] = (dmg_merkle_step_t){ .is_left = 1, .sibling = hashes[ idx-1 ] };
    else if( idx+1<cnt )    out->steps[ out->cnt++ ] = (dmg_merkle_step_t){ .is_left = 0, .sibling = hashes[ idx+1 ] };
    size_t pairs = cnt/2;
    bool   odd   = cnt&1;
    dmg_h_nodes( node_tag, hashes[ 0 ].b, pairs, hashes );
    if( odd ) hashes[ pairs ] = hashes[ cnt-1 ];   /* C2.4: an odd node rises unchanged */
    cnt  = pairs+odd;
    idx /= 2;
  }
}

dmg_hash_t dmg_merkle_climb( dmg_tag_t node_tag, dmg_hash_t const * leaf, dmg_merkle_path_t const * path ) {
  DMG_ASSERT( path->cnt<=DMG_MERKLE_PATH_MAX );
  dmg_hash_t h = *leaf;
  for( uint32_t i = 0; i<path->cnt; i++ ) {
    dmg_merkle_step_t const * s = &path->steps[ i ];
    h = s->is_left ? dmg_h_node( node_tag, &s->sibling, &h ) : dmg_h_node( node_tag, &h, &s->sibling );
  }
  return h;
}

bool dmg_merkle_verify( dmg_tag_t node_tag, dmg_hash_t const * root, dmg_hash_t const * leaf, size_t idx, size_t cnt, dmg_merkle_path_t const * path ) {
  if( idx>=cnt || cnt>DMG_MERKLE_LEAF_MAX || path->cnt>DMG_MERKLE_PATH_MAX ) return false;
  /* The sides follow from the place, so a path of another place is refused before any hash. */
  uint32_t n = 0;
  for( size_t i = idx, c = cnt; c>1; i /= 2, c = c/2+( c&1 ) ) {
    if( !( i&1 ) && i+1==c ) continue;   /* rises */
    if( n==path->cnt || path->steps[ n ].is_left!=( i&1 ) ) return false;
    n++;
  }
  if( n!=path->cnt ) return false;
  dmg_hash_t got = dmg_merkle_climb( node_tag, leaf, path );
  return dmg_hash_eq( &got, root );
}

void dmg_merkle_path_read( dmg_bcs_rd_t * rd, dmg_merkle_path_t * out ) {
  out->cnt = dmg_bcs_rd_len( rd, 0, DMG_MERKLE_PATH_MAX );
  for( uint32_t i = 0; i<out->cnt; i++ ) {
    out->steps[ i ].is_left = dmg_bcs_rd_bool( rd );
    dmg_bcs_rd_copy( rd, out->steps[ i ].sibling.b, 32 );
  }
  if( rd->bad ) out->cnt = 0;
}

void dmg_merkle_path_write( dmg_bcs_wr_t * wr, dmg_merkle_path_t const * path ) {
  DMG_ASSERT( path->cnt<=DMG_MERKLE_PATH_MAX );
  dmg_bcs_wr_uleb( wr, path->cnt );
  for( uint32_t i = 0; i<path->cnt; i++ ) {
    dmg_bcs_wr_bool ( wr, path->steps[ i ].is_left );
    dmg_bcs_wr_fixed( wr, path->steps[ i ].sibling.b, 32 );
  }
}
