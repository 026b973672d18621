#include "codec/abi.h"
#include "base/assert.h"

/* ---- Types ---- */

char const * dmg_type_kind_name( dmg_type_kind_t kind ) {
  static char const * const name[ DMG_TYPE_CNT ] = {
    "bool", "u8", "u16", "u32", "u64", "u128", "i8", "i16", "i32", "i64", "i128", "address", "hash", "amount", "asset",
    "bytes[]", "bytes<>", "str<>", "list", "map", "option", "struct", "enum" };
  return (unsigned)kind<DMG_TYPE_CNT ? name[ kind ] : "?";
}

/* BCS bytes of the kinds that always have the same number. */
static uint64_t fixed_sz( dmg_type_t const * t ) {
  switch( t->kind ) {
  case DMG_TYPE_BOOL: case DMG_TYPE_U8: case DMG_TYPE_I8:                          return 1;
  case DMG_TYPE_U16:  case DMG_TYPE_I16:                                           return 2;
  case DMG_TYPE_U32:  case DMG_TYPE_I32:                                           return 4;
  case DMG_TYPE_U64:  case DMG_TYPE_I64: case DMG_TYPE_AMOUNT:                     return 8;
  case DMG_TYPE_U128: case DMG_TYPE_I128:                                          return 16;
  case DMG_TYPE_ADDRESS: case DMG_TYPE_HASH:                                       return 32;
  case DMG_TYPE_FIXED:                                                             return t->n;
  default:                                                                         return 0;
  }
}

static uint64_t sat_add( uint64_t a, uint64_t b ) { uint64_t r; return dmg_add_u64( a, b, &r ) ? r : UINT64_MAX; }
static uint64_t sat_mul( uint64_t a, uint64_t b ) { uint64_t r; return dmg_mul_u64( a, b, &r ) ? r : UINT64_MAX; }

bool dmg_type_measure( dmg_type_t * t ) {
  uint32_t inner = 0;
  uint64_t lo = fixed_sz( t ), hi = lo;
  switch( t->kind ) {
  case DMG_TYPE_ASSET:
    lo = 1; hi = 33;
    break;
  case DMG_TYPE_BYTES: case DMG_TYPE_STR:
    lo = 1; hi = sat_add( dmg_bcs_uleb_sz( t->n ), t->n );
    break;
  case DMG_TYPE_LIST:
    inner = t->elem->depth;
    lo = 1; hi = sat_add( dmg_bcs_uleb_sz( t->n ), sat_mul( t->n, t->elem->sz_max ) );
    break;
  case DMG_TYPE_MAP:
    inner = t->elem->depth>t->val->depth ? t->elem->depth : t->val->depth;
    lo = 1; hi = sat_add( dmg_bcs_uleb_sz( t->n ), sat_mul( t->n, sat_add( t->elem->sz_max, t->val->sz_max ) ) );
    break;
  case DMG_TYPE_OPTION:
    inner = t->elem->depth;
    lo = 1; hi = sat_add( 1, t->elem->sz_max );
    break;
  case DMG_TYPE_STRUCT:
    for( uint32_t i = 0; i<t->field_cnt; i++ ) {
      dmg_type_t const * f = t->fields[ i ].type;
      if( f->depth>inner ) inner = f->depth;
      if( t->is_open && !t->fields[ i ].name.sz ) continue;   /* the later fields: in the tail */
      lo = sat_add( lo, f->sz_min );
      hi = sat_add( hi, f->sz_max );
    }
    if( t->is_open ) { lo = sat_add( lo, 1 ); hi = sat_add( hi, dmg_bcs_uleb_sz( DMG_TAIL_MAX )+DMG_TAIL_MAX ); }
    break;
  case DMG_TYPE_ENUM:
    lo = UINT64_MAX; hi = 0;
    for( uint32_t i = 0; i<t->variant_cnt; i++ ) {
      dmg_type_t const * v = t->variants[ i ].type;
      uint64_t tag = dmg_bcs_uleb_sz( i ), vlo = sat_add( tag, v ? v->sz_min : 0 ), vhi = sat_add( tag, v ? v->sz_max : 0 );
      if( v && v->depth>inner ) inner = v->depth;
      if( vlo<lo ) lo = vlo;
      if( vhi>hi ) hi = vhi;
    }
    if( t->is_open ) { lo = 1; hi = 5; }
    if( !t->variant_cnt && !t->is_open ) lo = 0;
    break;
  default:
    break;
  }
  t->sz_min = lo;
  t->sz_max = hi;
  if( inner+1>DMG_ABI_DEPTH_MAX ) return false;
  t->depth = (uint8_t)( inner+1 );
  return true;
}

bool dmg_type_eq( dmg_type_t const * a, dmg_type_t const * b ) {
  if( a==b ) return true;
  if( !a || !b || a->kind!=b->kind || a->n!=b->n || a->is_open!=b->is_open || !dmg_span_eq( a->name, b->name ) ) return false;
  if( a->field_cnt!=b->field_cnt || a->variant_cnt!=b->variant_cnt ) return false;
  if( !a->elem!=!b->elem || ( a->elem && !dmg_type_eq( a->elem, b->elem ) ) ) return false;
  if( !a->val!=!b->val || ( a->val && !dmg_type_eq( a->val, b->val ) ) ) return false;
  for( uint32_t i = 0; i<a->field_cnt; i++ )
    if( !dmg_span_eq( a->fields[ i ].name, b->fields[ i ].name ) || !dmg_type_eq( a->fields[ i ].type, b->fields[ i ].type ) ) return false;
  for( uint32_t i = 0; i<a->variant_cnt; i++ ) {
    dmg_variant_t const * v = a->variants+i, * w = b->variants+i;
    if( v->tag!=w->tag || !dmg_span_eq( v->name, w->name ) || !v->type!=!w->type || ( v->type && !dmg_type_eq( v->type, w->type ) ) ) return false;
  }
  return true;
}

/* R2.2: the later fields in order, whole ones, cut after the last that is not default.  A default's BCS
   is all zeros and nothing else is.  Fields this type does not know follow opaque. */
static void read_tail( dmg_type_t const * later, dmg_bcs_rd_t * rd ) {
  uint8_t const * at = rd->p;
  dmg_span_t tail = dmg_bcs_rd_bytes( rd, DMG_TAIL_MAX );
  if( rd->bad || !tail.sz ) return;
  dmg_bcs_rd_t in = dmg_bcs_rd( tail );
  size_t last_off = 0;
  for( uint32_t i = 0; later && i<later->field_cnt && dmg_bcs_rd_left( &in ) && !in.bad; i++ ) {
    last_off = dmg_bcs_rd_off( &in );
    dmg_type_read( later->fields[ i ].type, &in );
  }
  bool is_default = !in.bad && !dmg_bcs_rd_left( &in ) && dmg_is_zero( tail.p+last_off, tail.sz-last_off );
  if( in.bad || is_default ) { rd->p = at; dmg_bcs_rd_fail( rd, in.bad ? in.bad : DMG_BCS_VALUE ); }
}

void dmg_type_read( dmg_type_t const * t, dmg_bcs_rd_t * rd ) {
  if( rd->bad ) return;
  switch( t->kind ) {
  case DMG_TYPE_BOOL:   (void)dmg_bcs_rd_bool( rd ); break;
  case DMG_TYPE_AMOUNT: {
    uint8_t const * at = rd->p;
    if( dmg_bcs_rd_u64( rd )>(uint64_t)DMG_AMOUNT_MAX ) { rd->p = at; dmg_bcs_rd_fail( rd, DMG_BCS_VALUE ); }
    break;
  }
  case DMG_TYPE_ASSET:
    if( dmg_bcs_rd_variant( rd, DMG_ASSET_CNT ) ) (void)dmg_bcs_rd_fixed( rd, 32 );
    break;
  case DMG_TYPE_BYTES:  (void)dmg_bcs_rd_bytes( rd, t->n ); break;
  case DMG_TYPE_STR:    (void)dmg_bcs_rd_str( rd, t->n ); break;
  case DMG_TYPE_LIST: {
    uint32_t cnt = dmg_bcs_rd_len( rd, 0, t->n );
    /* Elements without bytes are not walked: their count alone would buy unbounded work. */
    if( !t->elem->sz_max ) break;
    for( uint32_t i = 0; i<cnt && !rd->bad; i++ ) dmg_type_read( t->elem, rd );
    break;
  }
  case DMG_TYPE_MAP: {
    uint32_t cnt = dmg_bcs_rd_len( rd, 0, t->n );
    dmg_span_t prev = { 0 };
    for( uint32_t i = 0; i<cnt && !rd->bad; i++ ) {
      uint8_t const * at = rd->p;
      dmg_type_read( t->elem, rd );
      if( rd->bad ) break;
      dmg_span_t key = dmg_span( at, (size_t)( rd->p-at ) );
      if( i && dmg_span_cmp( prev, key )>=0 ) { rd->p = at; dmg_bcs_rd_fail( rd, DMG_BCS_ORDER ); break; }
      prev = key;
      dmg_type_read( t->val, rd );
    }
    break;
  }
  case DMG_TYPE_OPTION:
    if( dmg_bcs_rd_option( rd ) ) dmg_type_read( t->elem, rd );
    break;
  case DMG_TYPE_STRUCT: {
    dmg_type_t const * later = NULL;
    for( uint32_t i = 0; i<t->field_cnt && !rd->bad; i++ ) {
      if( t->is_open && !t->fields[ i ].name.sz ) { later = t->fields[ i ].type; break; }
      dmg_type_read( t->fields[ i ].type, rd );
    }
    if( t->is_open ) read_tail( later, rd );
    break;
  }
  case DMG_TYPE_ENUM:
    if( t->is_open ) { (void)dmg_bcs_rd_uleb( rd ); break; }
    {
      uint32_t v = dmg_bcs_rd_variant( rd, t->variant_cnt );
      if( !rd->bad && t->variants[ v ].type ) dmg_type_read( t->variants[ v ].type, rd );
    }
    break;
  default: {
    uint64_t sz = fixed_sz( t );
    DMG_ASSERT( t->kind<DMG_TYPE_CNT );
    (void)dmg_bcs_rd_fixed( rd, (size_t)sz );
  }
  }
}

dmg_bcs_bad_t dmg_type_validate( dmg_type_t const * type, dmg_span_t value, size_t * out_off ) {
  dmg_bcs_rd_t rd = dmg_bcs_rd( value );
  dmg_type_read( type, &rd );
  dmg_bcs_bad_t bad = dmg_bcs_rd_end( &rd );
  if( bad && out_off ) *out_off = rd.bad_off;
  return bad;
}

void dmg_type_write( dmg_type_t const * t, dmg_bcs_wr_t * wr ) {
  dmg_bcs_wr_uleb( wr, (uint32_t)t->kind );
  switch( t->kind ) {
  case DMG_TYPE_FIXED: case DMG_TYPE_BYTES: case DMG_TYPE_STR:
    dmg_bcs_wr_u32( wr, t->n );
    break;
  case DMG_TYPE_LIST:
    dmg_type_write( t->elem, wr );
    dmg_bcs_wr_u32( wr, t->n );
    break;
  case DMG_TYPE_MAP:
    dmg_type_write( t->elem, wr );
    dmg_type_write( t->val, wr );
    dmg_bcs_wr_u32( wr, t->n );
    break;
  case DMG_TYPE_OPTION:
    dmg_type_write( t->elem, wr );
    break;
  case DMG_TYPE_STRUCT:
    dmg_bcs_wr_bytes( wr, t->name );
    dmg_bcs_wr_bool( wr, t->is_open );
    dmg_bcs_wr_uleb( wr, t->field_cnt );
    for( uint32_t i = 0; i<t->field_cnt; i++ ) {
      dmg_bcs_wr_bytes( wr, t->fields[ i ].name );
      dmg_type_write( t->fields[ i ].type, wr );
    }
    break;
  case DMG_TYPE_ENUM:
    dmg_bcs_wr_bytes( wr, t->name );
    dmg_bcs_wr_bool( wr, t->is_open );
    dmg_bcs_wr_uleb( wr, t->variant_cnt );
    for( uint32_t i = 0; i<t->variant_cnt; i++ ) {
      dmg_bcs_wr_bytes( wr, t->variants[ i ].name );
      dmg_bcs_wr_u32( wr, t->variants[ i ].tag );
      dmg_bcs_wr_bool( wr, !!t->variants[ i ].type );
      if( t->variants[ i ].type ) dmg_type_write( t->variants[ i ].type, wr );
    }
    break;
  default:
    break;
  }
}

/* ---- Keys (R2.2b) ---- */

/* Widths of a field's key form; false: no key takes the type. */
static bool key_width( dmg_type_t const * t, uint32_t * out_min, uint32_t * out_max ) {
  switch( t->kind ) {
  case DMG_TYPE_BOOL: case DMG_TYPE_U8: case DMG_TYPE_U16: case DMG_TYPE_U32: case DMG_TYPE_U64: case DMG_TYPE_U128:
  case DMG_TYPE_I8: case DMG_TYPE_I16: case DMG_TYPE_I32: case DMG_TYPE_I64: case DMG_TYPE_I128:
  case DMG_TYPE_AMOUNT: case DMG_TYPE_ADDRESS: case DMG_TYPE_HASH:
    *out_min = *out_max = (uint32_t)fixed_sz( t );
    return true;
  case DMG_TYPE_FIXED:
    if( t->n>DMG_KEY_MAX ) return false;
    *out_min = *out_max = t->n;
    return true;
  case DMG_TYPE_STR:
    if( t->n>DMG_KEY_STR_MAX ) return false;
    *out_min = 1; *out_max = 1+t->n;
    return true;
  case DMG_TYPE_ASSET:
    *out_min = *out_max = 33;
    return true;
  case DMG_TYPE_ENUM:
    for( uint32_t i = 0; i<t->variant_cnt; i++ ) if( t->variants[ i ].type ) return false;
    *out_min = *out_max = 4;
    return true;
  default:
    return false;
  }
}

bool dmg_key_type_is_ok( dmg_type_t const * type ) { uint32_t a, b; return key_width( type, &a, &b ); }

bool dmg_abi_item_measure( dmg_abi_item_t * item ) {
  uint32_t lo = 0, hi = 0, a, b;
  for( uint32_t i = 0; i<item->key_cnt; i++ ) {
    if( !key_width( item->keys[ i ], &a, &b ) ) return false;
    lo += a; hi += b;
  }
  item->key_sz_min = lo;
  item->key_sz_max = hi;
  item->is_native  = false;
  for( uint32_t i = 0; i<item->mark_cnt; i++ ) if( item->marks[ i ].kind==DMG_MARK_NATIVE ) item->is_native = true;
  return true;
}

/* Takes one field off the front of key. */
static bool key_field( dmg_type_t const * t, dmg_span_t * key, dmg_span_t * out_raw ) {
  uint32_t lo, hi;
  if( !key_width( t, &lo, &hi ) || key->sz<lo ) return false;
  dmg_span_t raw = dmg_span( key->p, lo );
  size_t used = lo;
  switch( t->kind ) {
  case DMG_TYPE_STR:
    raw = dmg_span( key->p+1, key->p[ 0 ] );
    used = 1+raw.sz;
    if( raw.sz>t->n || used>key->sz || !dmg_utf8_is_valid( raw ) ) return false;
    break;
  case DMG_TYPE_BOOL:
    if( key->p[ 0 ]>1 ) return false;
    break;
  case DMG_TYPE_AMOUNT:
    if( key->p[ 0 ]&0x80 ) return false;
    break;
  case DMG_TYPE_ASSET:   /* Cgt has no id: zeros, one form */
    if( key->p[ 0 ]>=DMG_ASSET_CNT || ( !key->p[ 0 ] && !dmg_is_zero( key->p+1, 32 ) ) ) return false;
    break;
  case DMG_TYPE_ENUM:
    if( !t->is_open && dmg_load_u32be( key->p )>=t->variant_cnt ) return false;
    break;
  default:
    break;
  }
  *out_raw = raw;
  key->p  += used;
  key->sz -= used;
  return true;
}

bool dmg_key_split( dmg_abi_item_t const * item, dmg_span_t key, dmg_key_field_t * out_fields ) {
  dmg_span_t raw;
  for( uint32_t i = 0; i<item->key_cnt; i++ ) {
    if( !key_field( item->keys[ i ], &key, &raw ) ) return false;
    if( out_fields ) out_fields[ i ] = (dmg_key_field_t){ .type = item->keys[ i ], .raw = raw };
  }
  return !key.sz;
}

bool dmg_key_is_prefix( dmg_abi_item_t const * item, dmg_span_t prefix ) {
  dmg_span_t raw;
  for( uint32_t i = 0; i<item->key_cnt && prefix.sz; i++ )
    if( !key_field( item->keys[ i ], &prefix, &raw ) ) return false;
  return !prefix.sz;
}

static void wr_reversed( dmg_bcs_wr_t * wr, uint8_t const * p, size_t sz, bool is_signed ) {
  uint8_t out[ 16 ];
  DMG_ASSERT( sz<=sizeof out );
  for( size_t i = 0; i<sz; i++ ) out[ i ] = p[ sz-1-i ];
  if( is_signed ) out[ 0 ] ^= 0x80;
  dmg_bcs_wr_fixed( wr, out, sz );
}

static bool is_signed( dmg_type_kind_t k ) { return k>=DMG_TYPE_I8 && k<=DMG_TYPE_I128; }
static bool is_number( dmg_type_kind_t k ) { return ( k>=DMG_TYPE_U8 && k<=DMG_TYPE_I128 ) || k==DMG_TYPE_AMOUNT; }

bool dmg_key_field_from_bcs( dmg_type_t const * t, dmg_bcs_rd_t * rd, dmg_bcs_wr_t * wr ) {
  uint32_t lo, hi;
  if( !key_width( t, &lo, &hi ) ) return false;
  uint8_t const * at = rd->p;
  dmg_type_read( t, rd );
  if( rd->bad ) return false;
  dmg_bcs_rd_t v = dmg_bcs_rd( dmg_span( at, (size_t)( rd->p-at ) ) );
  if( is_number( t->kind ) ) wr_reversed( wr, at, dmg_bcs_rd_left( &v ), is_signed( t->kind ) );
  else if( t->kind==DMG_TYPE_ENUM ) {
    uint8_t be[ 4 ];
    dmg_store_u32be( be, dmg_bcs_rd_uleb( &v ) );
    dmg_bcs_wr_fixed( wr, be, 4 );
  } else if( t->kind==DMG_TYPE_ASSET ) {
    uint8_t raw[ 33 ] = { 0 };
    memcpy( raw, at, dmg_bcs_rd_left( &v ) );   /* the tag is one byte, the id follows or is absent */
    dmg_bcs_wr_fixed( wr, raw, 33 );
  } else dmg_bcs_wr_fixed( wr, at, dmg_bcs_rd_left( &v ) );   /* bool, raw bytes; a str of up to 64 has its length in one byte, as BCS */
  return !wr->is_full;
}

bool dmg_key_from_bcs( dmg_abi_item_t const * item, dmg_bcs_rd_t * rd, dmg_bcs_wr_t * wr ) {
  for( uint32_t i = 0; i<item->key_cnt; i++ ) if( !dmg_key_field_from_bcs( item->keys[ i ], rd, wr ) ) return false;
  return true;
}

bool dmg_key_to_bcs( dmg_abi_item_t const * item, dmg_span_t key, dmg_bcs_wr_t * wr ) {
  dmg_key_field_t f[ DMG_ABI_KEY_MAX ];
  if( !dmg_key_split( item, key, f ) ) return false;
  for( uint32_t i = 0; i<item->key_cnt; i++ ) {
    dmg_type_kind_t k = f[ i ].type->kind;
    dmg_span_t raw = f[ i ].raw;
    if( is_number( k ) ) {
      uint8_t b[ 16 ];
      memcpy( b, raw.p, raw.sz );
      if( is_signed( k ) ) b[ 0 ] ^= 0x80;
      wr_reversed( wr, b, raw.sz, false );
    }
    else if( k==DMG_TYPE_ENUM )  dmg_bcs_wr_uleb( wr, dmg_load_u32be( raw.p ) );
    else if( k==DMG_TYPE_ASSET ) dmg_bcs_wr_fixed( wr, raw.p, raw.p[ 0 ] ? 33 : 1 );
    else if( k==DMG_TYPE_STR )   dmg_bcs_wr_bytes( wr, raw );
    else                         dmg_bcs_wr_fixed( wr, raw.p, raw.sz );
  }
  return !wr->is_full;
}

size_t dmg_key_full( uint16_t module, uint16_t item, dmg_span_t key, uint8_t out[ DMG_KEY_MAX ] ) {
  if( key.sz>DMG_KEY_MAX-4 ) return 0;
  dmg_store_u16be( out, module );
  dmg_store_u16be( out+2, item );
  if( key.sz ) memcpy( out+4, key.p, key.sz );
  return 4+key.sz;
}

/* ---- Paths ---- */

static bool is_digits( dmg_span_t s ) {
  if( !s.sz || s.sz>3 ) return false;
  for( size_t i = 0; i<s.sz; i++ ) if( s.p[ i ]<'0' || s.p[ i ]>'9' ) return false;
  return s.sz==1 || s.p[ 0 ]!='0';
}
static uint32_t digits( dmg_span_t s ) { uint32_t v = 0; for( size_t i = 0; i<s.sz; i++ ) v = v*10+( s.p[ i ]-'0' ); return v; }

/* Cuts the part before the next dot off path. */
static dmg_span_t path_step( dmg_span_t * path ) {
  uint8_t const * dot = path->sz ? memchr( path->p, '.', path->sz ) : NULL;
  dmg_span_t step = dot ? dmg_span( path->p, (size_t)( dot-path->p ) ) : *path;
  *path = dot ? dmg_span( dot+1, path->sz-step.sz-1 ) : dmg_span( NULL, 0 );
  return step;
}

/* The path walked over types only (rd NULL) or over a value too. */
static bool path_walk( dmg_type_t const * t, dmg_span_t path, dmg_bcs_rd_t * rd, dmg_type_t const ** out_type ) {
  while( path.sz ) {
    dmg_span_t step = path_step( &path );
    while( t && t->kind==DMG_TYPE_OPTION ) {
      if( rd && !dmg_bcs_rd_option( rd ) ) return false;
      t = t->elem;
    }
    if( !t || t->kind!=DMG_TYPE_STRUCT ) return false;
    dmg_type_t const * next = NULL;
    for( uint32_t i = 0; i<t->field_cnt && !next; i++ ) {
      if( !t->fields[ i ].name.sz ) return false;   /* later fields carry no marks */
      if( dmg_span_eq( t->fields[ i ].name, step ) ) next = t->fields[ i ].type;
      else if( rd ) dmg_type_read( t->fields[ i ].type, rd );
    }
    if( !next || ( rd && rd->bad ) ) return false;
    t = next;
  }
  while( t->kind==DMG_TYPE_OPTION ) {
    if( rd && !dmg_bcs_rd_option( rd ) ) return false;
    t = t->elem;
  }
  *out_type = t;
  return true;
}

dmg_path_val_t dmg_abi_path( dmg_abi_item_t const * item, dmg_span_t path, dmg_span_t key, dmg_span_t value ) {
  dmg_path_val_t none = { 0 };
  if( dmg_span_eq( path, DMG_SPAN_STR( "cgt" ) ) ) return (dmg_path_val_t){ .kind = DMG_PATH_CGT };
  if( is_digits( path ) ) {
    dmg_key_field_t f[ DMG_ABI_KEY_MAX ];
    uint32_t i = digits( path );
    if( i>=item->key_cnt || !dmg_key_split( item, key, f ) ) return none;
    return (dmg_path_val_t){ .kind = DMG_PATH_KEY, .type = f[ i ].type, .raw = f[ i ].raw };
  }
  dmg_bcs_rd_t rd = dmg_bcs_rd( value );
  dmg_type_t const * t;
  if( !item->value || !path.sz || !path_walk( item->value, path, &rd, &t ) ) return none;
  uint8_t const * at = rd.p;
  dmg_type_read( t, &rd );
  if( rd.bad ) return none;
  return (dmg_path_val_t){ .kind = DMG_PATH_VALUE, .type = t, .raw = dmg_span( at, (size_t)( rd.p-at ) ) };
}

bool dmg_abi_path_is_ok( dmg_abi_item_t const * item, dmg_span_t path ) {
  dmg_type_t const * t;
  if( dmg_span_eq( path, DMG_SPAN_STR( "cgt" ) ) ) return true;
  if( is_digits( path ) ) return digits( path )<item->key_cnt;
  return item->value && path.sz && path_walk( item->value, path, NULL, &t );
}
