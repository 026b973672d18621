#include "codec/abi.h"
#include "base/assert.h"

/* ---- Lookups: lists ascend by id ---- */

#define FIND( list, cnt, want )                                                   \
  do {                                                                            \
    uint32_t lo_ = 0, hi_ = ( cnt );                                              \
    while( lo_<hi_ ) {                                                            \
      uint32_t mid_ = lo_+( hi_-lo_ )/2;                                          \
      if( ( list )[ mid_ ].id==( want ) ) return ( list )+mid_;                   \
      if( ( list )[ mid_ ].id<( want ) ) lo_ = mid_+1; else hi_ = mid_;           \
    }                                                                             \
    return NULL;                                                                  \
  } while(0)

dmg_abi_fn_t    const * dmg_abi_call ( dmg_abi_t const * abi, uint16_t id ) { FIND( abi->calls,   abi->call_cnt,  id ); }
dmg_abi_fn_t    const * dmg_abi_query( dmg_abi_t const * abi, uint16_t id ) { FIND( abi->queries, abi->query_cnt, id ); }
dmg_abi_fn_t    const * dmg_abi_hook ( dmg_abi_t const * abi, uint16_t id ) { FIND( abi->hooks,   abi->hook_cnt,  id ); }
dmg_abi_event_t const * dmg_abi_event( dmg_abi_t const * abi, uint16_t id ) { FIND( abi->events,  abi->event_cnt, id ); }
dmg_abi_fault_t const * dmg_abi_fault( dmg_abi_t const * abi, uint16_t id ) { FIND( abi->faults,  abi->fault_cnt, id ); }
dmg_abi_item_t  const * dmg_abi_item ( dmg_abi_t const * abi, uint16_t id ) { FIND( abi->items,   abi->item_cnt,  id ); }

#define FIND_NAMED( list, cnt, want )                                                                    \
  do {                                                                                                   \
    for( uint32_t i_ = 0; i_<( cnt ); i_++ ) if( dmg_span_eq( ( list )[ i_ ].name, want ) ) return ( list )+i_; \
    return NULL;                                                                                         \
  } while(0)

dmg_abi_fn_t   const * dmg_abi_call_named ( dmg_abi_t const * abi, dmg_span_t name ) { FIND_NAMED( abi->calls,   abi->call_cnt,  name ); }
dmg_abi_fn_t   const * dmg_abi_query_named( dmg_abi_t const * abi, dmg_span_t name ) { FIND_NAMED( abi->queries, abi->query_cnt, name ); }
dmg_abi_item_t const * dmg_abi_item_named ( dmg_abi_t const * abi, dmg_span_t name ) { FIND_NAMED( abi->items,   abi->item_cnt,  name ); }

dmg_abi_mark_t const * dmg_abi_mark( dmg_abi_item_t const * item, dmg_mark_kind_t kind ) {
  for( uint32_t i = 0; i<item->mark_cnt; i++ ) if( item->marks[ i ].kind==kind ) return item->marks+i;
  return NULL;
}

void dmg_abi_io_sz( dmg_abi_t const * abi, uint64_t * out_in_sz, uint64_t * out_out_sz ) {
  uint64_t in = 0, out = 1;
  struct { dmg_abi_fn_t const * p; uint32_t cnt; } list[ 3 ] = {
    { abi->calls, abi->call_cnt }, { abi->queries, abi->query_cnt }, { abi->hooks, abi->hook_cnt } };
  for( size_t k = 0; k<3; k++ )
    for( uint32_t i = 0; i<list[ k ].cnt; i++ ) {
      dmg_abi_fn_t const * fn = list[ k ].p+i;
      in = dmg_max_u64( in, fn->args->sz_max );
      if( fn->ret ) out = dmg_max_u64( out, fn->ret->sz_max );
    }
  *out_in_sz  = in>UINT64_MAX-DMG_ABI_ENV_SZ ? UINT64_MAX : in+DMG_ABI_ENV_SZ;
  *out_out_sz = out;
}

/* ---- Decoding ---- */

typedef struct {
  dmg_bcs_rd_t  rd;
  dmg_arena_t * arena;
  uint32_t      type_cnt;
  bool          is_local;   /* the arena is full */
  char const *  why;        /* of a refusal that is not the bytes' form */
  char const *  field;      /* the list being read */
  uint32_t      idx;        /* and its entry */
} dec_t;

/* The first reason stays. */
static void refuse( dec_t * d, char const * why ) {
  if( d->rd.bad ) return;
  d->why = why;
  dmg_bcs_rd_fail( &d->rd, DMG_BCS_VALUE );
}

/* cnt zeroed elements; NULL once the input is bad. */
static void * make( dec_t * d, size_t cnt, size_t sz ) {
  if( d->rd.bad ) return NULL;
  void * p = dmg_arena_calloc( d->arena, cnt ? cnt : 1, sz );
  if( !p ) { d->is_local = true; dmg_bcs_rd_fail( &d->rd, DMG_BCS_VALUE ); }
  return p;
}
#define MAKE( d, type, cnt ) ( (type *)make( d, cnt, sizeof( type ) ) )

static bool is_letter( uint8_t c ) { return ( c>='a' && c<='z' ) || ( c>='A' && c<='Z' ) || c=='_'; }

static dmg_span_t rd_name( dec_t * d ) {
  dmg_span_t s = dmg_bcs_rd_bytes( &d->rd, DMG_ABI_NAME_MAX );
  bool is_ok = s.sz && is_letter( s.p[ 0 ] );
  for( size_t i = 0; i<s.sz; i++ ) is_ok = is_ok && ( is_letter( s.p[ i ] ) || ( s.p[ i ]>='0' && s.p[ i ]<='9' ) );
  if( !is_ok ) refuse( d, "a name that is not a letter followed by letters, digits or _" );
  return s;
}

static uint8_t rd_kind( dec_t * d, uint32_t cnt, char const * why ) {
  uint8_t v = dmg_bcs_rd_u8( &d->rd );
  if( v>=cnt ) { refuse( d, why ); return 0; }
  return v;
}

static dmg_semver_t rd_version( dec_t * d ) {
  dmg_semver_t v;
  v.major = dmg_bcs_rd_u16( &d->rd ); v.minor = dmg_bcs_rd_u16( &d->rd ); v.patch = dmg_bcs_rd_u16( &d->rd );
  return v;
}

static dmg_type_t const * rd_type( dec_t * d, uint32_t depth );

static dmg_field_t const * rd_fields( dec_t * d, uint32_t depth, bool may_have_later, uint32_t * out_cnt ) {
  uint32_t cnt = dmg_bcs_rd_len( &d->rd, 0, DMG_ABI_FIELD_MAX );
  dmg_field_t * f = MAKE( d, dmg_field_t, cnt );
  *out_cnt = 0;
  for( uint32_t i = 0; i<cnt && !d->rd.bad; i++ ) {
    /* The later fields of an extensible struct: last, without a name. */
    bool is_later = may_have_later && i+1==cnt && d->rd.p<d->rd.end && !*d->rd.p;
    if( is_later ) (void)dmg_bcs_rd_u8( &d->rd );
    else {
      f[ i ].name = rd_name( d );
      for( uint32_t k = 0; k<i && !d->rd.bad; k++ ) if( dmg_span_eq( f[ k ].name, f[ i ].name ) ) refuse( d, "two fields of one name" );
    }
    f[ i ].type = rd_type( d, depth );
    if( is_later && f[ i ].type && ( f[ i ].type->kind!=DMG_TYPE_STRUCT || f[ i ].type->name.sz || f[ i ].type->is_open || !f[ i ].type->field_cnt ) )
      refuse( d, "later fields that are not a struct without a name" );
    *out_cnt = i+1;
  }
  return f;
}

/* depth: how many levels may still follow, this one included. */
static dmg_type_t const * rd_type( dec_t * d, uint32_t depth ) {
  uint32_t kind = dmg_bcs_rd_variant( &d->rd, DMG_TYPE_CNT );
  if( !depth ) refuse( d, "a type more than 8 deep" );
  if( ++d->type_cnt>DMG_ABI_TYPE_MAX ) refuse( d, "more types than an interface may have" );
  dmg_type_t * t = MAKE( d, dmg_type_t, 1 );
  if( d->rd.bad ) return NULL;
  t->kind = (dmg_type_kind_t)kind;
  switch( t->kind ) {
  case DMG_TYPE_FIXED: case DMG_TYPE_BYTES: case DMG_TYPE_STR:
    t->n = dmg_bcs_rd_u32( &d->rd );
    break;
  case DMG_TYPE_LIST:
    t->elem = rd_type( d, depth-1 );
    t->n = dmg_bcs_rd_u32( &d->rd );
    break;
  case DMG_TYPE_MAP:
    t->elem = rd_type( d, depth-1 );
    t->val  = rd_type( d, depth-1 );
    t->n = dmg_bcs_rd_u32( &d->rd );
    break;
  case DMG_TYPE_OPTION:
    t->elem = rd_type( d, depth-1 );
    break;
  case DMG_TYPE_STRUCT:
    /* Only the later fields of an extensible struct have no name; who reads that place checks it. */
    if( d->rd.p<d->rd.end && !*d->rd.p ) (void)dmg_bcs_rd_u8( &d->rd );
    else t->name = rd_name( d );
    t->is_open = dmg_bcs_rd_bool( &d->rd );
    t->fields  = rd_fields( d, depth-1, t->is_open, &t->field_cnt );
    break;
  case DMG_TYPE_ENUM: {
    t->name    = rd_name( d );
    t->is_open = dmg_bcs_rd_bool( &d->rd );
    uint32_t cnt = dmg_bcs_rd_len( &d->rd, 1, DMG_ABI_VARIANT_MAX );
    dmg_variant_t * v = MAKE( d, dmg_variant_t, cnt );
    for( uint32_t i = 0; i<cnt && !d->rd.bad; i++ ) {
      v[ i ].name = rd_name( d );
      for( uint32_t k = 0; k<i && !d->rd.bad; k++ ) if( dmg_span_eq( v[ k ].name, v[ i ].name ) ) refuse( d, "two variants of one name" );
      v[ i ].tag = dmg_bcs_rd_u32( &d->rd );
      if( i && v[ i ].tag<=v[ i-1 ].tag ) refuse( d, "variants whose numbers do not ascend" );
      if( dmg_bcs_rd_option( &d->rd ) ) v[ i ].type = rd_type( d, depth-1 );
      if( t->is_open && v[ i ].type ) refuse( d, "a variant of an open enum with a payload" );
    }
    t->variants = v;
    t->variant_cnt = cnt;
    break;
  }
  default:
    break;
  }
  if( d->rd.bad ) return NULL;
  if( !dmg_type_measure( t ) ) { refuse( d, "a type more than 8 deep" ); return NULL; }
  return t;
}

/* Arguments, fields of events and faults: a struct without a name around them. */
static dmg_type_t const * rd_struct( dec_t * d ) {
  dmg_type_t * t = MAKE( d, dmg_type_t, 1 );
  if( d->rd.bad ) return NULL;
  t->kind   = DMG_TYPE_STRUCT;
  t->fields = rd_fields( d, DMG_ABI_DEPTH_MAX, false, &t->field_cnt );
  if( d->rd.bad ) return NULL;
  (void)dmg_type_measure( t );   /* nine deep with this outer struct: it is not on the wire */
  return t;
}

static dmg_span_t const * rd_names( dec_t * d, uint32_t max, bool is_path, uint32_t * out_cnt ) {
  uint32_t cnt = dmg_bcs_rd_len( &d->rd, 0, max );
  dmg_span_t * s = MAKE( d, dmg_span_t, cnt );
  for( uint32_t i = 0; i<cnt && !d->rd.bad; i++ ) s[ i ] = is_path ? dmg_bcs_rd_str( &d->rd, DMG_ABI_NAME_MAX ) : rd_name( d );
  *out_cnt = d->rd.bad ? 0 : cnt;
  return s;
}

/* From here on a refusal is about entry i of that list. */
#define AT( d, what, i ) do { if( !( d )->rd.bad ) { ( d )->field = ( what ); ( d )->idx = ( i ); } } while(0)
#define ASCENDS( d, i, list ) do { if( ( i ) && !( d )->rd.bad && ( list )[ ( i )-1 ].id>=( list )[ i ].id ) refuse( d, "numbers that do not ascend" ); } while(0)

static void rd_item( dec_t * d, dmg_abi_item_t * it ) {
  it->id   = dmg_bcs_rd_u16( &d->rd );
  it->name = rd_name( d );
  it->kind = (dmg_item_kind_t)rd_kind( d, DMG_ITEM_KIND_CNT, "an unknown kind of item" );
  uint32_t cnt = dmg_bcs_rd_len( &d->rd, 0, DMG_ABI_KEY_MAX );
  dmg_type_t const ** keys = MAKE( d, dmg_type_t const *, cnt );
  for( uint32_t i = 0; i<cnt && !d->rd.bad; i++ ) keys[ i ] = rd_type( d, DMG_ABI_DEPTH_MAX );
  it->keys    = keys;
  it->key_cnt = cnt;
  if( dmg_bcs_rd_option( &d->rd ) ) it->value = rd_type( d, DMG_ABI_DEPTH_MAX );
  it->max     = dmg_bcs_rd_u32( &d->rd );
  it->deposit = (dmg_deposit_t)rd_kind( d, DMG_DEPOSIT_CNT, "an unknown deposit" );
  cnt = dmg_bcs_rd_len( &d->rd, 0, DMG_ABI_MARK_MAX );
  dmg_abi_mark_t * m = MAKE( d, dmg_abi_mark_t, cnt );
  for( uint32_t i = 0; i<cnt && !d->rd.bad; i++ ) {
    m[ i ].kind  = (dmg_mark_kind_t)rd_kind( d, DMG_MARK_CNT, "an unknown mark" );
    if( i && m[ i-1 ].kind>=m[ i ].kind ) refuse( d, "marks that do not ascend" );
    m[ i ].paths = rd_names( d, 4, true, &m[ i ].path_cnt );
  }
  it->marks    = m;
  it->mark_cnt = cnt;
  if( d->rd.bad ) return;
  if( ( it->kind==DMG_ITEM_COUNTER )==!!it->value )         { refuse( d, "a counter with a value type, or another item without one" ); return; }
  if( ( it->kind==DMG_ITEM_VALUE ) && it->key_cnt )         { refuse( d, "a value item with keys" ); return; }
  if( it->kind>DMG_ITEM_COUNTER && !it->key_cnt )           { refuse( d, "a map without keys" ); return; }
  if( !dmg_abi_item_measure( it ) )                         { refuse( d, "a key field of a type that no key takes" ); return; }
  if( it->key_sz_max>DMG_KEY_MAX-4 )                     { refuse( d, "a key that can pass 128 bytes" ); return; }
  if( it->value && ( it->max>it->value->sz_max || it->max<it->value->sz_min ) ) { refuse( d, "a max that the value's type cannot have" ); return; }
  if( !it->value && it->max!=8 )                            { refuse( d, "a counter's max other than 8" ); return; }
  if( it->max>( it->is_native ? 262144u+4u : 16384u ) )     { refuse( d, "a value that can pass 16 KiB" ); return; }
  if( it->deposit==DMG_DEPOSIT_NONE && !it->is_native )     { refuse( d, "an item without deposit that is not native" ); return; }
  for( uint32_t i = 0; i<it->mark_cnt; i++ ) {
    uint32_t want = m[ i ].kind==DMG_MARK_HOLDS || m[ i ].kind==DMG_MARK_ENCUMBERS ? 2 : m[ i ].kind==DMG_MARK_NATIVE ? 0 : 1;
    if( m[ i ].path_cnt!=want ) { refuse( d, "a mark with too many or too few paths" ); return; }
    if( m[ i ].kind==DMG_MARK_LAZY ) continue;   /* a storage version, not a path */
    for( uint32_t k = 0; k<want; k++ ) if( !dmg_abi_path_is_ok( it, m[ i ].paths[ k ] ) ) { refuse( d, "a mark whose path names nothing" ); return; }
  }
}

static dmg_abi_fn_t const * rd_fns( dec_t * d, char const * what, uint32_t * out_cnt ) {
  uint32_t cnt = dmg_bcs_rd_len( &d->rd, 0, DMG_ABI_FN_MAX );
  dmg_abi_fn_t * fn = MAKE( d, dmg_abi_fn_t, cnt );
  for( uint32_t i = 0; i<cnt && !d->rd.bad; i++ ) {
    dmg_abi_fn_t * f = fn+i;
    AT( d, what, i );
    f->id   = dmg_bcs_rd_u16( &d->rd );
    ASCENDS( d, i, fn );
    f->name = rd_name( d );
    for( uint32_t k = 0; k<i && !d->rd.bad; k++ ) if( dmg_span_eq( fn[ k ].name, f->name ) ) refuse( d, "two calls or queries of one name" );
    f->args = rd_struct( d );
    if( dmg_bcs_rd_option( &d->rd ) ) f->ret = rd_type( d, DMG_ABI_DEPTH_MAX );
    f->auth = dmg_bcs_rd_u16( &d->rd );
    if( f->auth>>DMG_ROLE_CNT ) refuse( d, "an unknown role" );
    f->gas  = dmg_bcs_rd_u64( &d->rd );
    f->says = dmg_bcs_rd_str( &d->rd, DMG_ABI_SAYS_MAX );
    uint32_t ab = dmg_bcs_rd_len( &d->rd, 0, 8 );
    dmg_abi_about_t * a = MAKE( d, dmg_abi_about_t, ab );
    for( uint32_t k = 0; k<ab && !d->rd.bad; k++ ) {
      a[ k ].path = dmg_bcs_rd_str( &d->rd, DMG_ABI_NAME_MAX );
      a[ k ].kind = (dmg_about_kind_t)rd_kind( d, DMG_ABOUT_CNT, "an unknown kind in about" );
    }
    f->abouts    = a;
    f->about_cnt = ab;
    f->flags     = dmg_bcs_rd_u8( &d->rd );
    if( f->flags&~DMG_FN_FLAGS ) refuse( d, "an unknown flag of a call" );
  }
  *out_cnt = cnt;
  return fn;
}

static void rd_abi( dec_t * d, dmg_abi_t * abi ) {
  if( dmg_bcs_rd_u8( &d->rd )!=1 ) refuse( d, "a format of the interface other than 1" );
  abi->module          = dmg_bcs_rd_u16( &d->rd );
  if( !abi->module ) refuse( d, "module id 0" );
  abi->name            = rd_name( d );
  abi->version         = rd_version( d );
  abi->storage_version = dmg_bcs_rd_u8( &d->rd );
  abi->reads_to        = dmg_bcs_rd_u8( &d->rd );
  abi->pages           = dmg_bcs_rd_u8( &d->rd );
  if( !abi->storage_version || abi->reads_to<abi->storage_version ) refuse( d, "storage_version 0, or above reads_to" );
  if( abi->pages<1 || abi->pages>16 ) refuse( d, "memory_pages outside 1..16" );
  abi->host            = rd_name( d );

  uint32_t cnt = dmg_bcs_rd_len( &d->rd, 0, DMG_ABI_USE_MAX );
  dmg_abi_use_t * use = MAKE( d, dmg_abi_use_t, cnt );
  for( uint32_t i = 0; i<cnt && !d->rd.bad; i++ ) {
    AT( d, "uses", i );
    use[ i ].name    = rd_name( d );
    use[ i ].version = rd_version( d );
    use[ i ].calls   = rd_names( d, DMG_ABI_FN_MAX, false, &use[ i ].call_cnt );
    use[ i ].queries = rd_names( d, DMG_ABI_FN_MAX, false, &use[ i ].query_cnt );
  }
  abi->uses = use; abi->use_cnt = cnt;

  cnt = dmg_bcs_rd_len( &d->rd, 0, DMG_ABI_USE_MAX );
  dmg_abi_provide_t * pro = MAKE( d, dmg_abi_provide_t, cnt );
  for( uint32_t i = 0; i<cnt && !d->rd.bad; i++ ) { AT( d, "provides", i ); pro[ i ].name = rd_name( d ); pro[ i ].version = rd_version( d ); }
  abi->provides = pro; abi->provide_cnt = cnt;

  cnt = dmg_bcs_rd_len( &d->rd, 0, DMG_ABI_ITEM_MAX );
  dmg_abi_item_t * item = MAKE( d, dmg_abi_item_t, cnt );
  for( uint32_t i = 0; i<cnt && !d->rd.bad; i++ ) {
    AT( d, "storage", i );
    rd_item( d, item+i );
    ASCENDS( d, i, item );
    for( uint32_t k = 0; k<i && !d->rd.bad; k++ ) if( dmg_span_eq( item[ k ].name, item[ i ].name ) ) refuse( d, "two items of one name" );
  }
  abi->items = item; abi->item_cnt = cnt;

  cnt = dmg_bcs_rd_len( &d->rd, 0, DMG_ABI_FN_MAX );
  dmg_abi_fault_t * fault = MAKE( d, dmg_abi_fault_t, cnt );
  for( uint32_t i = 0; i<cnt && !d->rd.bad; i++ ) {
    AT( d, "faults", i );
    fault[ i ].id = dmg_bcs_rd_u16( &d->rd );
    if( !fault[ i ].id ) refuse( d, "fault 0" );
    ASCENDS( d, i, fault );
    fault[ i ].name   = rd_name( d );
    fault[ i ].fields = rd_struct( d );
    if( fault[ i ].fields && fault[ i ].fields->sz_max>8192 ) refuse( d, "a fault that can pass 8 KiB" );
  }
  abi->faults = fault; abi->fault_cnt = cnt;

  abi->calls   = rd_fns( d, "calls", &abi->call_cnt );
  abi->queries = rd_fns( d, "queries", &abi->query_cnt );

  cnt = dmg_bcs_rd_len( &d->rd, 0, DMG_ABI_FN_MAX );
  dmg_abi_event_t * ev = MAKE( d, dmg_abi_event_t, cnt );
  for( uint32_t i = 0; i<cnt && !d->rd.bad; i++ ) {
    AT( d, "events", i );
    ev[ i ].id = dmg_bcs_rd_u16( &d->rd );
    ASCENDS( d, i, ev );
    ev[ i ].name   = rd_name( d );
    ev[ i ].fields = rd_struct( d );
    uint32_t tc = dmg_bcs_rd_len( &d->rd, 0, 8 );
    dmg_span_t topics = dmg_bcs_rd_fixed( &d->rd, tc );
    if( d->rd.bad ) break;
    ev[ i ].topics    = topics.p;
    ev[ i ].topic_cnt = tc;
    for( uint32_t k = 0; k<tc; k++ ) {
      if( topics.p[ k ]>=ev[ i ].fields->field_cnt ) { refuse( d, "a topic that names no field" ); break; }
      for( uint32_t j = 0; j<k; j++ ) if( topics.p[ j ]==topics.p[ k ] ) refuse( d, "a field that is a topic twice" );
    }
    if( !d->rd.bad && ev[ i ].fields->sz_max>8192 ) refuse( d, "an event that can pass 8 KiB" );
  }
  abi->events = ev; abi->event_cnt = cnt;

  cnt = dmg_bcs_rd_len( &d->rd, 0, DMG_HOOK_CNT );
  dmg_abi_fn_t * hook = MAKE( d, dmg_abi_fn_t, cnt );
  static char const * const hook_name[ DMG_HOOK_CNT ] = { "", "init", "begin_block", "end_block", "draw", "timer", "migrate", "check" };
  for( uint32_t i = 0; i<cnt && !d->rd.bad; i++ ) {
    AT( d, "hooks", i );
    hook[ i ].id = dmg_bcs_rd_u8( &d->rd );
    if( !hook[ i ].id || hook[ i ].id>=DMG_HOOK_CNT ) { refuse( d, "an unknown hook" ); break; }
    ASCENDS( d, i, hook );
    hook[ i ].name = dmg_span_cstr( hook_name[ hook[ i ].id ] );
    hook[ i ].args = rd_struct( d );
    hook[ i ].auth = 1u<<DMG_ROLE_HOOK;
    if( dmg_bcs_rd_option( &d->rd ) ) hook[ i ].ret = rd_type( d, DMG_ABI_DEPTH_MAX );
  }
  abi->hooks = hook; abi->hook_cnt = cnt;

  if( d->rd.bad ) return;
  AT( d, "abi", DMG_VERDICT_NO_IDX );
  uint64_t in, out;
  dmg_abi_io_sz( abi, &in, &out );
  if( in>DMG_ABI_IO_MAX )  { refuse( d, "arguments that can pass 48 KiB" ); return; }
  if( out>DMG_ABI_IO_MAX ) { refuse( d, "a result that can pass 48 KiB" ); return; }
  abi->in_sz  = (uint32_t)in;
  abi->out_sz = (uint32_t)out;
}

dmg_verdict_t dmg_abi_decode( dmg_span_t raw, dmg_arena_t * arena, dmg_abi_t const ** out ) {
  if( raw.sz>DMG_ABI_SZ_MAX ) return dmg_verdict_bad( "abi", "more than 64 KiB", DMG_ABI_SZ_MAX );
  dec_t d = { .rd = dmg_bcs_rd( raw ), .arena = arena, .field = "abi", .idx = DMG_VERDICT_NO_IDX };
  dmg_abi_t * abi = MAKE( &d, dmg_abi_t, 1 );
  if( abi ) rd_abi( &d, abi );
  if( !d.rd.bad && dmg_bcs_rd_left( &d.rd ) ) { d.field = "abi"; d.idx = DMG_VERDICT_NO_IDX; }
  dmg_bcs_bad_t bad = dmg_bcs_rd_end( &d.rd );
  if( d.is_local ) return dmg_verdict_local( DMG_ERR_NOMEM );
  if( bad ) return dmg_verdict_bad_at( d.field, d.idx, d.why ? d.why : dmg_bcs_bad_text( bad ), d.rd.bad_off );
  *out = abi;
  return dmg_verdict_good();
}

/* ---- Encoding ---- */

static void wr_version( dmg_bcs_wr_t * wr, dmg_semver_t v ) { dmg_bcs_wr_u16( wr, v.major ); dmg_bcs_wr_u16( wr, v.minor ); dmg_bcs_wr_u16( wr, v.patch ); }

static void wr_names( dmg_bcs_wr_t * wr, dmg_span_t const * s, uint32_t cnt ) {
  dmg_bcs_wr_uleb( wr, cnt );
  for( uint32_t i = 0; i<cnt; i++ ) dmg_bcs_wr_bytes( wr, s[ i ] );
}

static void wr_fields( dmg_bcs_wr_t * wr, dmg_type_t const * t ) {
  dmg_bcs_wr_uleb( wr, t->field_cnt );
  for( uint32_t i = 0; i<t->field_cnt; i++ ) {
    dmg_bcs_wr_bytes( wr, t->fields[ i ].name );
    dmg_type_write( t->fields[ i ].type, wr );
  }
}

static void wr_option_type( dmg_bcs_wr_t * wr, dmg_type_t const * t ) {
  dmg_bcs_wr_bool( wr, !!t );
  if( t ) dmg_type_write( t, wr );
}

static void wr_fns( dmg_bcs_wr_t * wr, dmg_abi_fn_t const * fn, uint32_t cnt ) {
  dmg_bcs_wr_uleb( wr, cnt );
  for( uint32_t i = 0; i<cnt; i++, fn++ ) {
    dmg_bcs_wr_u16( wr, fn->id );
    dmg_bcs_wr_bytes( wr, fn->name );
    wr_fields( wr, fn->args );
    wr_option_type( wr, fn->ret );
    dmg_bcs_wr_u16( wr, fn->auth );
    dmg_bcs_wr_u64( wr, fn->gas );
    dmg_bcs_wr_bytes( wr, fn->says );
    dmg_bcs_wr_uleb( wr, fn->about_cnt );
    for( uint32_t k = 0; k<fn->about_cnt; k++ ) { dmg_bcs_wr_bytes( wr, fn->abouts[ k ].path ); dmg_bcs_wr_u8( wr, (uint8_t)fn->abouts[ k ].kind ); }
    dmg_bcs_wr_u8( wr, fn->flags );
  }
}

void dmg_schema_write( uint16_t module, dmg_abi_fn_t const * call, dmg_bcs_wr_t * wr ) {
  dmg_bcs_wr_u16( wr, module );
  dmg_bcs_wr_u16( wr, call->id );
  dmg_bcs_wr_bytes( wr, call->name );
  wr_fields( wr, call->args );
  dmg_bcs_wr_bytes( wr, call->says );
}

void dmg_abi_write( dmg_abi_t const * abi, dmg_bcs_wr_t * wr ) {
  dmg_bcs_wr_u8( wr, 1 );
  dmg_bcs_wr_u16( wr, abi->module );
  dmg_bcs_wr_bytes( wr, abi->name );
  wr_version( wr, abi->version );
  dmg_bcs_wr_u8( wr, abi->storage_version );
  dmg_bcs_wr_u8( wr, abi->reads_to );
  dmg_bcs_wr_u8( wr, abi->pages );
  dmg_bcs_wr_bytes( wr, abi->host );
  dmg_bcs_wr_uleb( wr, abi->use_cnt );
  for( uint32_t i = 0; i<abi->use_cnt; i++ ) {
    dmg_bcs_wr_bytes( wr, abi->uses[ i ].name );
    wr_version( wr, abi->uses[ i ].version );
    wr_names( wr, abi->uses[ i ].calls, abi->uses[ i ].call_cnt );
    wr_names( wr, abi->uses[ i ].queries, abi->uses[ i ].query_cnt );
  }
  dmg_bcs_wr_uleb( wr, abi->provide_cnt );
  for( uint32_t i = 0; i<abi->provide_cnt; i++ ) { dmg_bcs_wr_bytes( wr, abi->provides[ i ].name ); wr_version( wr, abi->provides[ i ].version ); }
  dmg_bcs_wr_uleb( wr, abi->item_cnt );
  for( uint32_t i = 0; i<abi->item_cnt; i++ ) {
    dmg_abi_item_t const * it = abi->items+i;
    dmg_bcs_wr_u16( wr, it->id );
    dmg_bcs_wr_bytes( wr, it->name );
    dmg_bcs_wr_u8( wr, (uint8_t)it->kind );
    dmg_bcs_wr_uleb( wr, it->key_cnt );
    for( uint32_t k = 0; k<it->key_cnt; k++ ) dmg_type_write( it->keys[ k ], wr );
    wr_option_type( wr, it->value );
    dmg_bcs_wr_u32( wr, it->max );
    dmg_bcs_wr_u8( wr, (uint8_t)it->deposit );
    dmg_bcs_wr_uleb( wr, it->mark_cnt );
    for( uint32_t k = 0; k<it->mark_cnt; k++ ) { dmg_bcs_wr_u8( wr, (uint8_t)it->marks[ k ].kind ); wr_names( wr, it->marks[ k ].paths, it->marks[ k ].path_cnt ); }
  }
  dmg_bcs_wr_uleb( wr, abi->fault_cnt );
  for( uint32_t i = 0; i<abi->fault_cnt; i++ ) {
    dmg_bcs_wr_u16( wr, abi->faults[ i ].id );
    dmg_bcs_wr_bytes( wr, abi->faults[ i ].name );
    wr_fields( wr, abi->faults[ i ].fields );
  }
  wr_fns( wr, abi->calls, abi->call_cnt );
  wr_fns( wr, abi->queries, abi->query_cnt );
  dmg_bcs_wr_uleb( wr, abi->event_cnt );
  for( uint32_t i = 0; i<abi->event_cnt; i++ ) {
    dmg_bcs_wr_u16( wr, abi->events[ i ].id );
    dmg_bcs_wr_bytes( wr, abi->events[ i ].name );
    wr_fields( wr, abi->events[ i ].fields );
    dmg_bcs_wr_uleb( wr, abi->events[ i ].topic_cnt );
    dmg_bcs_wr_fixed( wr, abi->events[ i ].topics, abi->events[ i ].topic_cnt );
  }
  dmg_bcs_wr_uleb( wr, abi->hook_cnt );
  for( uint32_t i = 0; i<abi->hook_cnt; i++ ) {
    dmg_bcs_wr_u8( wr, (uint8_t)abi->hooks[ i ].id );
    wr_fields( wr, abi->hooks[ i ].args );
    wr_option_type( wr, abi->hooks[ i ].ret );
  }
}
