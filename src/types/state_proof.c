#include "types/state_proof.h"

enum { KIND_PRESENT, KIND_EMPTY_SLOT, KIND_OTHER_LEAF, KIND_STREAM = 16 };
enum { OP_EMPTY, OP_HASH, OP_LEAF, OP_BRANCH };

static dmg_hash_t const zero;

char const * dmg_state_proof_text( dmg_state_proof_bad_t bad ) {
  switch( bad ) {
  case DMG_STATE_PROOF_GOOD:    return "is good";
  case DMG_STATE_PROOF_LENGTH:  return "is cut or has trailing bytes";
  case DMG_STATE_PROOF_VERSION: return "has an unknown version or kind";
  case DMG_STATE_PROOF_DEPTH:   return "is deeper than 256";
  case DMG_STATE_PROOF_SPARE:   return "has spare bits set";
  case DMG_STATE_PROOF_FORM:    return "is not in canonical form";
  case DMG_STATE_PROOF_CLAIM:   return "proves something else";
  case DMG_STATE_PROOF_ROOT:    return "leads to another root";
  case DMG_STATE_PROOF_LIMIT:   return "is larger than allowed";
  case DMG_STATE_PROOF_CNT:     break;
  }
  return "is bad";
}

dmg_hash_t dmg_state_path      ( dmg_span_t key )   { return dmg_h( DMG_TAG_STATE_KEY, key ); }
dmg_hash_t dmg_state_value_hash( dmg_span_t value ) { return dmg_h( DMG_TAG_STATE_VALUE, value ); }
dmg_hash_t dmg_state_leaf( dmg_hash_t const * path, dmg_hash_t const * vh )    { return dmg_h_node( DMG_TAG_STATE_LEAF, path, vh ); }
dmg_hash_t dmg_state_node( dmg_hash_t const * left, dmg_hash_t const * right ) { return dmg_h_node( DMG_TAG_STATE_NODE, left, right ); }

unsigned dmg_state_shared_bits( dmg_hash_t const * a, dmg_hash_t const * b ) {
  for( unsigned i=0; i<32; i++ ) {
    unsigned x = a->b[ i ]^b->b[ i ];
    if( x ) return 8u*i+(unsigned)__builtin_clz( x )-24u;
  }
  return 256;
}

/* ---- Single ---- */

dmg_state_proof_bad_t dmg_state_proof_check_path( dmg_hash_t const * root, dmg_hash_t const * path, dmg_hash_t const * vh, dmg_span_t proof ) {
  if( proof.sz<4 ) return DMG_STATE_PROOF_LENGTH;
  if( proof.p[0]!=1 || proof.p[1]>KIND_OTHER_LEAF ) return DMG_STATE_PROOF_VERSION;
  unsigned kind = proof.p[1], depth = dmg_load_u16le( proof.p+2 );
  if( depth>DMG_STATE_DEPTH_MAX ) return DMG_STATE_PROOF_DEPTH;
  if( ( kind==KIND_PRESENT )!=( vh!=NULL ) ) return DMG_STATE_PROOF_CLAIM;

  size_t bitmap_sz = ( depth+7u )/8u, sibling_cnt = 0, off = 4+bitmap_sz;
  if( proof.sz<off ) return DMG_STATE_PROOF_LENGTH;
  uint8_t const * bitmap = proof.p+4;
  if( depth%8u && bitmap[ bitmap_sz-1 ]>>( depth%8u ) ) return DMG_STATE_PROOF_SPARE;
  for( size_t i=0; i<bitmap_sz; i++ ) sibling_cnt += (size_t)__builtin_popcount( bitmap[ i ] );
  if( proof.sz!=off+( kind==KIND_OTHER_LEAF ? 64u : 0u )+32u*sibling_cnt ) return DMG_STATE_PROOF_LENGTH;
  /* S12.1: by the shortcut of S1.3 a lone key rises until it has a sibling. */
  if( depth && !( bitmap[0]&1u ) ) return DMG_STATE_PROOF_FORM;

  dmg_hash_t at;
  if( kind==KIND_PRESENT ) {
    at = dmg_state_leaf( path, vh );
  } else if( kind==KIND_EMPTY_SLOT ) {
    at = zero;
  } else {
    dmg_hash_t other = dmg_hash_load( proof.p+off ), other_vh = dmg_hash_load( proof.p+off+32 );
    off += 64;
    unsigned shared = dmg_state_shared_bits( path, &other );
    if( shared==256 || shared<depth ) return DMG_STATE_PROOF_CLAIM;
    at = dmg_state_leaf( &other, &other_vh );
  }
  for( unsigned i=0; i<depth; i++ ) {
    dmg_hash_t sibling = zero;
    if( ( bitmap[ i/8 ]>>( i%8 ) )&1u ) {
      sibling = dmg_hash_load( proof.p+off );
      off += 32;
      if( dmg_hash_is_zero( &sibling ) ) return DMG_STATE_PROOF_FORM;
    }
    at = dmg_state_bit( path, depth-1u-i ) ? dmg_state_node( &sibling, &at ) : dmg_state_node( &at, &sibling );
  }
  return dmg_hash_eq( &at, root ) ? DMG_STATE_PROOF_GOOD : DMG_STATE_PROOF_ROOT;
}

dmg_state_proof_bad_t dmg_state_proof_check( dmg_hash_t const * root, dmg_span_t key, dmg_span_t const * value, dmg_span_t proof ) {
  dmg_hash_t path = dmg_state_path( key ), vh;
  if( value ) vh = dmg_state_value_hash( *value );
  return dmg_state_proof_check_path( root, &path, value ? &vh : NULL, proof );
}

/* ---- Stream ---- */

typedef struct {
  dmg_state_range_t const *  ranges;
  size_t                     range_cnt;
  dmg_state_answer_t const * answers;
  size_t                     answer_cnt, answer_idx;
  uint8_t const *            ops;
  size_t                     op_cnt, op_idx;
  uint8_t const *            hashes;
  size_t                     hash_cnt, hash_idx;
  uint8_t const *            others;
  size_t                     other_cnt, other_idx;
} walk_t;

/* Does a range meet the interval lo..hi? */
static bool reaches( walk_t const * w, dmg_hash_t const * lo, dmg_hash_t const * hi ) {
  size_t a = 0, b = w->range_cnt;
  while( a<b ) {                               /* the first range that ends at or after lo */
    size_t m = a+( b-a )/2;
    if( dmg_hash_cmp( &w->ranges[ m ].hi, lo )<0 ) a = m+1;
    else                                           b = m;
  }
  return a<w->range_cnt && dmg_hash_cmp( &w->ranges[ a ].lo, hi )<=0;
}

static bool is_under( dmg_hash_t const * path, dmg_hash_t const * lo, dmg_hash_t const * hi ) {
  return dmg_hash_cmp( lo, path )<=0 && dmg_hash_cmp( path, hi )<=0;
}

/* The subtree of paths lo..hi, a prefix of depth bits: takes its ops, gives its hash and whether it
   is empty, one leaf, or more or unknown. */
static dmg_state_proof_bad_t walk( walk_t * w, unsigned depth, dmg_hash_t * lo, dmg_hash_t * hi, unsigned * out_op, dmg_hash_t * out ) {
  if( w->op_idx==w->op_cnt ) return DMG_STATE_PROOF_FORM;
  unsigned op = ( w->ops[ w->op_idx/4 ]>>( 2u*( w->op_idx%4 ) ) )&3u;
  w->op_idx++;
  *out_op = op;
  switch( op ) {
  case OP_EMPTY:
    *out = zero;
    return DMG_STATE_PROOF_GOOD;
  case OP_HASH:
    /* S12.2: inside Q a hash could hide an answer. */
    if( reaches( w, lo, hi ) ) return DMG_STATE_PROOF_CLAIM;
    if( w->hash_idx==w->hash_cnt ) return DMG_STATE_PROOF_FORM;
    *out = dmg_hash_load( w->hashes+32*w->hash_idx++ );
    return dmg_hash_is_zero( out ) ? DMG_STATE_PROOF_FORM : DMG_STATE_PROOF_GOOD;
  case OP_LEAF: {
    if( !reaches( w, lo, hi ) ) return DMG_STATE_PROOF_FORM;
    if( w->answer_idx<w->answer_cnt && is_under( &w->answers[ w->answer_idx ].path, lo, hi ) ) {
      dmg_state_answer_t const * a = w->answers+w->answer_idx++;
      *out = dmg_state_leaf( &a->path, &a->vh );
      return DMG_STATE_PROOF_GOOD;
    }
    if( w->other_idx==w->other_cnt ) return DMG_STATE_PROOF_FORM;
    dmg_hash_t path = dmg_hash_load( w->others+64*w->other_idx ), vh = dmg_hash_load( w->others+64*w->other_idx+32 );
    w->other_idx++;
    if( !is_under( &path, lo, hi ) || reaches( w, &path, &path ) ) return DMG_STATE_PROOF_CLAIM;
    *out = dmg_state_leaf( &path, &vh );
    return DMG_STATE_PROOF_GOOD;
  }
  default: break;
  }
  if( !reaches( w, lo, hi ) || depth==DMG_STATE_DEPTH_MAX ) return DMG_STATE_PROOF_FORM;
  /* The halves differ from lo..hi in one bit of one bound: set, descend, set back. */
  uint8_t const bit = (uint8_t)( 0x80u>>( depth%8u ) );
  unsigned left_op, right_op;
  dmg_hash_t left, right;
  hi->b[ depth/8 ] ^= bit;
  dmg_state_proof_bad_t bad = walk( w, depth+1, lo, hi, &left_op, &left );
  hi->b[ depth/8 ] ^= bit;
  if( bad ) return bad;
  lo->b[ depth/8 ] ^= bit;
  bad = walk( w, depth+1, lo, hi, &right_op, &right );
  lo->b[ depth/8 ] ^= bit;
  if( bad ) return bad;
  /* S1.3: these would not be branches. */
  if( ( left_op==OP_EMPTY && ( right_op==OP_EMPTY || right_op==OP_LEAF ) ) || ( left_op==OP_LEAF && right_op==OP_EMPTY ) ) return DMG_STATE_PROOF_FORM;
  *out = dmg_state_node( &left, &right );
  return DMG_STATE_PROOF_GOOD;
}

dmg_state_proof_bad_t dmg_state_proof_check_stream( dmg_hash_t const * root, dmg_state_range_t const * ranges, size_t range_cnt,
                                                    dmg_state_answer_t const * answers, size_t answer_cnt, dmg_span_t proof ) {
  if( range_cnt>DMG_STATE_STREAM_RANGES_MAX || answer_cnt>DMG_STATE_STREAM_ANSWERS_MAX || proof.sz>DMG_STATE_STREAM_SZ_MAX ) return DMG_STATE_PROOF_LIMIT;
  if( proof.sz<14 ) return DMG_STATE_PROOF_LENGTH;
  if( proof.p[0]!=1 || proof.p[1]!=KIND_STREAM ) return DMG_STATE_PROOF_VERSION;
  walk_t w = { .ranges = ranges, .range_cnt = range_cnt, .answers = answers, .answer_cnt = answer_cnt,
               .op_cnt = dmg_load_u32le( proof.p+2 ), .hash_cnt = dmg_load_u32le( proof.p+6 ), .other_cnt = dmg_load_u32le( proof.p+10 ) };
  size_t ops_sz = w.op_cnt/4+( w.op_cnt%4!=0 );
  /* In 64 bits: size_t has 32 in the browser. */
  if( proof.sz!=14+( (uint64_t)w.op_cnt+3 )/4+32*(uint64_t)w.hash_cnt+64*(uint64_t)w.other_cnt ) return DMG_STATE_PROOF_LENGTH;
  w.ops    = proof.p+14;
  w.hashes = w.ops+ops_sz;
  w.others = w.hashes+32*w.hash_cnt;
  if( w.op_cnt%4 && w.ops[ ops_sz-1 ]>>( 2u*( w.op_cnt%4 ) ) ) return DMG_STATE_PROOF_SPARE;

  for( size_t i=0; i<range_cnt; i++ ) {
    if( dmg_hash_cmp( &ranges[ i ].lo, &ranges[ i ].hi )>0 || ( i && dmg_hash_cmp( &ranges[ i-1 ].hi, &ranges[ i ].lo )>=0 ) ) return DMG_STATE_PROOF_CLAIM;
  }
  for( size_t i=0; i<answer_cnt; i++ ) {
    if( ( i && dmg_hash_cmp( &answers[ i-1 ].path, &answers[ i ].path )>=0 ) || !reaches( &w, &answers[ i ].path, &answers[ i ].path ) ) return DMG_STATE_PROOF_CLAIM;
  }

  dmg_hash_t lo = zero, hi, got;
  memset( hi.b, 0xff, sizeof hi.b );
  unsigned op;
  dmg_state_proof_bad_t bad = walk( &w, 0, &lo, &hi, &op, &got );
  if( bad ) return bad;
  if( w.answer_idx!=answer_cnt ) return DMG_STATE_PROOF_CLAIM;
  if( w.op_idx!=w.op_cnt || w.hash_idx!=w.hash_cnt || w.other_idx!=w.other_cnt ) return DMG_STATE_PROOF_FORM;
  return dmg_hash_eq( &got, root ) ? DMG_STATE_PROOF_GOOD : DMG_STATE_PROOF_ROOT;
}
