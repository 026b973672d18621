#include "dmic.h"
#include "base/assert.h"

#include <stdlib.h>

typedef struct { dmic_t * d; dmi_file_t * file; dmi_box_t * box; dmic_unit_t * unit; } check_t;

/* ---- Names and numbers ---- */

static dmi_def_t * find_in( dmi_def_t * v, uint32_t n, dmg_span_t name ) {
  for( uint32_t i = 0; i<n; i++ ) if( dmg_span_eq( v[ i ].name, name ) ) return v+i;
  return NULL;
}

/* The module's own, then the file's, then those of imported files. */
static dmi_def_t * find_def( check_t * c, dmg_span_t name ) {
  dmi_def_t * def = c->box ? find_in( c->box->defs.v, c->box->defs.n, name ) : NULL;
  if( !def ) def = find_in( c->file->defs.v, c->file->defs.n, name );
  for( uint32_t i = 0; i<c->file->imported.n && !def; i++ ) def = find_in( c->file->imported.v[ i ]->defs.v, c->file->imported.v[ i ]->defs.n, name );
  return def;
}

static uint64_t number( check_t * c, dmi_num_t const * n, unsigned nest ) {
  if( !n->is_name ) return n->v;
  dmi_def_t * def = find_def( c, n->name );
  if( !def || def->kind!=DMI_DEF_CONST || def->is_string ) {
    dmic_error( c->d, n->at, "'%.*s' is no constant number; write a number or declare const %.*s: u32 = ..;", DMG_SPAN_F( n->name ), DMG_SPAN_F( n->name ) );
    return 1;
  }
  if( nest>8 ) { dmic_error( c->d, n->at, "constant '%.*s' refers to itself", DMG_SPAN_F( n->name ) ); return 1; }
  return number( c, &def->num, nest+1 );
}

static uint32_t bound( check_t * c, dmi_num_t const * n, uint32_t max, char const * what ) {
  uint64_t v = number( c, n, 0 );
  if( v<1 || v>max ) { dmic_error( c->d, n->at, "%s is 1..%u, not %llu", what, max, (unsigned long long)v ); return 1; }
  return (uint32_t)v;
}

/* ---- Types ---- */

static dmg_type_t const * resolve( check_t * c, dmi_type_t const * t );

static dmg_type_t * new_type( check_t * c, dmg_type_kind_t kind ) {
  dmg_type_t * t = dmic_alloc( c->d, sizeof *t );
  if( t ) t->kind = kind;
  return t;
}

static bool measure( check_t * c, dmg_type_t * t, dmi_at_t at ) {
  if( dmg_type_measure( t ) ) return true;
  dmic_error( c->d, at, "this type is more than %u levels deep; flatten it", DMG_ABI_DEPTH_MAX );
  t->depth = 1;
  return false;
}

/* Fields with `since` are the later ones (R2.2): they go into a last field without a name. */
static void resolve_fields( check_t * c, dmi_fields_t const * in, bool is_open, dmg_type_t * out ) {
  if( in->n>DMG_ABI_FIELD_MAX ) { dmic_error( c->d, in->v[ DMG_ABI_FIELD_MAX ].at, "more than %u fields", DMG_ABI_FIELD_MAX ); return; }
  dmg_field_t * f = dmic_alloc( c->d, ( in->n+1 )*sizeof *f );
  dmg_field_t * l = dmic_alloc( c->d, ( in->n+1 )*sizeof *l );
  uint32_t fn = 0, ln = 0;
  if( !f || !l ) return;
  for( uint32_t i = 0; i<in->n; i++ ) {
    dmi_field_t const * a = in->v+i;
    for( uint32_t k = 0; k<i; k++ )
      if( dmg_span_eq( in->v[ k ].name, a->name ) ) dmic_error( c->d, a->at, "a second '%.*s'; the first is in line %u", DMG_SPAN_F( a->name ), in->v[ k ].at.line );
    if( a->name.p[ 0 ]<'a' || a->name.p[ 0 ]>'z' ) dmic_error( c->d, a->at, "field names start with a small letter: %.*s", DMG_SPAN_F( a->name ) );
    dmg_type_t const * ty = resolve( c, a->type );
    if( !ty ) continue;
    if( a->has_since && !is_open ) dmic_error( c->d, a->at, "only an extensible struct takes later fields; write extensible struct, or drop since" );
    if( !a->has_since && ln ) dmic_error( c->d, a->at, "fields with since stand last: '%.*s' was there before them", DMG_SPAN_F( a->name ) );
    if( a->has_since && is_open ) l[ ln++ ] = (dmg_field_t){ .name = a->name, .type = ty };
    else f[ fn++ ] = (dmg_field_t){ .name = a->name, .type = ty };
  }
  if( ln ) {
    dmg_type_t * later = new_type( c, DMG_TYPE_STRUCT );
    if( !later ) return;
    later->fields    = l;
    later->field_cnt = ln;
    measure( c, later, in->v[ 0 ].at );
    if( later->sz_max>DMG_TAIL_MAX ) dmic_error( c->d, in->v[ 0 ].at, "the later fields can take %llu bytes, at most %u", (unsigned long long)later->sz_max, DMG_TAIL_MAX );
    f[ fn++ ] = (dmg_field_t){ .type = later };
  }
  out->fields    = f;
  out->field_cnt = fn;
}

static dmg_type_t const * resolve_def( check_t * c, dmi_def_t * def, dmi_at_t use ) {
  if( def->state==2 ) return def->done;
  if( def->state==1 ) { dmic_error( c->d, use, "'%.*s' contains itself; no type may", DMG_SPAN_F( def->name ) ); return NULL; }
  def->state = 1;
  dmg_type_t * t = NULL;
  switch( def->kind ) {
  case DMI_DEF_CONST:
    dmic_error( c->d, use, "'%.*s' is a constant, not a type", DMG_SPAN_F( def->name ) );
    break;
  case DMI_DEF_ALIAS:
    def->done  = (dmg_type_t *)(uintptr_t)resolve( c, def->type );   /* shared, never changed from here on */
    def->state = 2;
    return def->done;
  case DMI_DEF_STRUCT:
    if( !( t = new_type( c, DMG_TYPE_STRUCT ) ) ) break;
    t->name    = def->name;
    t->is_open = def->is_open;
    resolve_fields( c, &def->fields, def->is_open, t );
    measure( c, t, def->at );
    break;
  case DMI_DEF_ENUM: {
    if( !( t = new_type( c, DMG_TYPE_ENUM ) ) ) break;
    t->name    = def->name;
    t->is_open = def->is_open;
    uint32_t n = def->variants.n;
    if( !n || n>DMG_ABI_VARIANT_MAX ) { dmic_error( c->d, def->at, "an enum has 1..%u variants", DMG_ABI_VARIANT_MAX ); n = 0; }
    dmg_variant_t * v = dmic_alloc( c->d, ( n+1 )*sizeof *v );
    if( !v ) break;
    for( uint32_t i = 0; i<n; i++ ) {
      dmi_variant_t const * a = def->variants.v+i;
      if( a->tag!=i ) dmic_error( c->d, a->at, "variants are numbered 0, 1, 2 .. in order; this one is %u, not %llu", i, (unsigned long long)a->tag );
      if( a->type && def->is_open ) dmic_error( c->d, a->at, "a variant of an open enum carries nothing: who does not know it could not skip it" );
      for( uint32_t k = 0; k<i; k++ )
        if( dmg_span_eq( def->variants.v[ k ].name, a->name ) ) dmic_error( c->d, a->at, "a second '%.*s'", DMG_SPAN_F( a->name ) );
      v[ i ] = (dmg_variant_t){ .name = a->name, .tag = i, .type = a->type ? resolve( c, a->type ) : NULL };
    }
    t->variants    = v;
    t->variant_cnt = n;
    measure( c, t, def->at );
    break;
  }
  }
  def->state = 2;
  def->done  = t;
  if( t ) {
    dmg_type_t const ** slot = DMI_PUSH( c->d, c->unit->types );
    if( slot ) *slot = t;
  }
  return t;
}

static dmg_type_t const * resolve( check_t * c, dmi_type_t const * t ) {
  if( !t || c->d->is_nomem ) return NULL;
  dmg_type_t * out = NULL;
  dmg_type_t const * done = NULL;
  switch( t->form ) {
  case DMI_T_PRIM:  out = new_type( c, t->prim ); break;
  case DMI_T_FIXED: out = new_type( c, DMG_TYPE_FIXED ); if( out ) out->n = bound( c, &t->num, 65535, "the length of bytes[n]" ); break;
  case DMI_T_BYTES: out = new_type( c, DMG_TYPE_BYTES ); if( out ) out->n = bound( c, &t->num, 1u<<19, "the maximum of bytes<n>" ); break;
  case DMI_T_STR:   out = new_type( c, DMG_TYPE_STR );   if( out ) out->n = bound( c, &t->num, 65535, "the maximum of str<n>" ); break;
  case DMI_T_LIST: case DMI_T_MAP: {
    dmg_type_t const * a = resolve( c, t->a ), * b = t->form==DMI_T_MAP ? resolve( c, t->b ) : NULL;
    if( !a || ( t->form==DMI_T_MAP && !b ) || !( out = new_type( c, t->form==DMI_T_LIST ? DMG_TYPE_LIST : DMG_TYPE_MAP ) ) ) return NULL;
    out->elem = a;
    out->val  = b;
    out->n    = bound( c, &t->num, 65535, "the maximum of a list or map" );
    if( !a->sz_max ) dmic_error( c->d, t->at, "elements without a single byte; a list of them is a number" );
    break;
  }
  case DMI_T_NAME: {
    dmi_def_t * def = find_def( c, t->name );
    if( !def ) { dmic_error( c->d, t->at, "there is no type '%.*s'; declare it as struct, enum or type, or import its file", DMG_SPAN_F( t->name ) ); return NULL; }
    done = resolve_def( c, def, t->at );
    if( !done ) return NULL;
    break;
  }
  }
  if( out ) measure( c, out, t->at );
  if( !done ) done = out;
  if( !done || !t->is_opt ) return done;
  if( !( out = new_type( c, DMG_TYPE_OPTION ) ) ) return NULL;
  out->elem = done;
  measure( c, out, t->at );
  return out;
}

static dmg_type_t const * anonymous( check_t * c, dmi_fields_t const * f ) {
  dmg_type_t * t = new_type( c, DMG_TYPE_STRUCT );
  if( !t ) return NULL;
  resolve_fields( c, f, false, t );
  /* One level more than its fields: the struct around arguments is not on the wire. */
  if( !dmg_type_measure( t ) ) t->depth = DMG_ABI_DEPTH_MAX;
  return t;
}

/* ---- Lists by number ---- */

typedef struct { uint64_t id; uint32_t idx; dmg_span_t name; dmi_at_t at; } order_t;
static int by_id( void const * a, void const * b ) {
  order_t const * x = a, * y = b;
  return x->id!=y->id ? ( x->id>y->id )-( x->id<y->id ) : ( x->idx>y->idx )-( x->idx<y->idx );
}

static void sort_ids( check_t * c, order_t * o, uint32_t n, char const * what ) {
  if( n ) qsort( o, n, sizeof *o, by_id );
  for( uint32_t i = 1; i<n; i++ )
    if( o[ i ].id==o[ i-1 ].id ) dmic_error( c->d, o[ i ].at, "%s '%.*s' has number %llu, as '%.*s' in line %u; each has its own", what, DMG_SPAN_F( o[ i ].name ), (unsigned long long)o[ i ].id, DMG_SPAN_F( o[ i-1 ].name ), o[ i-1 ].at.line );
  for( uint32_t i = 0; i<n; i++ )
    for( uint32_t k = 0; k<i; k++ )
      if( dmg_span_eq( o[ i ].name, o[ k ].name ) ) dmic_error( c->d, o[ i ].idx>o[ k ].idx ? o[ i ].at : o[ k ].at, "a second %s '%.*s'", what, DMG_SPAN_F( o[ i ].name ) );
}

static order_t * orders( check_t * c, uint32_t n ) { return dmic_alloc( c->d, ( n+1 )*sizeof( order_t ) ); }

/* ---- Faults ---- */

/* M0.13: numbers 1..16 of every module, in this order. */
static void common_faults( check_t * c, dmg_abi_fault_t * out ) {
  static struct { char const * name; struct { char const * name; dmg_type_kind_t kind; uint32_t n; } f[ 2 ]; } const tab[ 16 ] = {
    { "NotFound",            { { 0 } } },                                                                  { "NotAuthorized", { { 0 } } },
    { "Paused",              { { 0 } } },                                                                  { "LimitReached",  { { "limit", DMG_TYPE_U64, 0 } } },
    { "Overflow",            { { 0 } } },                                                                  { "BadArgument",   { { "field", DMG_TYPE_STR, 32 } } },
    { "InsufficientBalance", { { "have", DMG_TYPE_AMOUNT, 0 }, { "need", DMG_TYPE_AMOUNT, 0 } } },         { "PoolShort",     { { 0 } } },
    { "DepositShort",        { { 0 } } },                                                                  { "Expired",       { { 0 } } },
    { "TooEarly",            { { "at", DMG_TYPE_U64, 0 } } },                                              { "Locked",        { { "state", DMG_TYPE_U8, 0 }, { "by", DMG_TYPE_U16, 0 } } },
    { "StaleTree",           { { "want", DMG_TYPE_HASH, 0 }, { "have", DMG_TYPE_HASH, 0 } } },             { "PriceMoved",    { { "want", DMG_TYPE_AMOUNT, 0 }, { "have", DMG_TYPE_AMOUNT, 0 } } },
    { "NotAccepted",         { { 0 } } },                                                                  { "NoConsent",     { { 0 } } } };
  for( uint32_t i = 0; i<16; i++ ) {
    dmg_type_t * t = new_type( c, DMG_TYPE_STRUCT );
    dmg_field_t * f = dmic_alloc( c->d, 2*sizeof *f );
    if( !t || !f ) return;
    t->fields = f;
    for( ; t->field_cnt<2 && tab[ i ].f[ t->field_cnt ].name; t->field_cnt++ ) {
      dmg_type_t * ty = new_type( c, tab[ i ].f[ t->field_cnt ].kind );
      if( !ty ) return;
      ty->n = tab[ i ].f[ t->field_cnt ].n;
      (void)dmg_type_measure( ty );
      f[ t->field_cnt ] = (dmg_field_t){ .name = dmg_span_cstr( tab[ i ].f[ t->field_cnt ].name ), .type = ty };
    }
    (void)dmg_type_measure( t );
    out[ i ] = (dmg_abi_fault_t){ .id = (uint16_t)( i+1 ), .name = dmg_span_cstr( tab[ i ].name ), .fields = t };
  }
}

static void check_faults( check_t * c ) {
  dmi_box_t * b = c->box;
  dmg_abi_fault_t * out = dmic_alloc( c->d, ( b->faults.n+16 )*sizeof *out );
  c->unit->fault_docs = dmic_alloc( c->d, ( b->faults.n+16 )*sizeof( dmg_span_t ) );
  order_t * o = orders( c, b->faults.n );
  if( !out || !o || !c->unit->fault_docs ) return;
  common_faults( c, out );
  for( uint32_t i = 0; i<b->faults.n; i++ ) o[ i ] = (order_t){ b->faults.v[ i ].id, i, b->faults.v[ i ].name, b->faults.v[ i ].at };
  sort_ids( c, o, b->faults.n, "fault" );
  for( uint32_t i = 0; i<b->faults.n; i++ ) {
    dmi_fault_t const * f = b->faults.v+o[ i ].idx;
    if( f->id<DMIC_FAULT_OWN ) dmic_error( c->d, f->at, "a module's own faults are numbered from %u; 1..16 are the common ones, which every module has", DMIC_FAULT_OWN );
    for( uint32_t k = 0; k<16; k++ ) if( dmg_span_eq( out[ k ].name, f->name ) ) dmic_error( c->d, f->at, "'%.*s' is a common fault; every module has it as number %u", DMG_SPAN_F( f->name ), k+1 );
    out[ 16+i ] = (dmg_abi_fault_t){ .id = (uint16_t)f->id, .name = f->name, .fields = anonymous( c, &f->fields ) };
    c->unit->fault_docs[ 16+i ] = f->doc;
  }
  c->unit->abi.faults    = out;
  c->unit->abi.fault_cnt = b->faults.n+16;
}

static void check_events( check_t * c ) {
  dmi_box_t * b = c->box;
  dmg_abi_event_t * out = dmic_alloc( c->d, ( b->events.n+1 )*sizeof *out );
  c->unit->event_docs = dmic_alloc( c->d, ( b->events.n+1 )*sizeof( dmg_span_t ) );
  order_t * o = orders( c, b->events.n );
  if( !out || !o || !c->unit->event_docs ) return;
  for( uint32_t i = 0; i<b->events.n; i++ ) o[ i ] = (order_t){ b->events.v[ i ].id, i, b->events.v[ i ].name, b->events.v[ i ].at };
  sort_ids( c, o, b->events.n, "event" );
  for( uint32_t i = 0; i<b->events.n; i++ ) {
    dmi_event_t const * e = b->events.v+o[ i ].idx;
    dmg_type_t const * t = anonymous( c, &e->fields );
    uint8_t * topics = dmic_alloc( c->d, e->topics.n );
    if( !t || !topics ) return;
    if( e->topics.n>7 ) dmic_error( c->d, e->at, "an event has at most 4 accounts, 1 game, 1 item or collection as topics" );
    for( uint32_t k = 0; k<e->topics.n; k++ ) {
      uint32_t f = 0;
      while( f<t->field_cnt && !dmg_span_eq( t->fields[ f ].name, e->topics.v[ k ].text ) ) f++;
      if( f==t->field_cnt ) dmic_error( c->d, e->topics.v[ k ].at, "topic '%.*s' is no field of event %.*s", DMG_SPAN_F( e->topics.v[ k ].text ), DMG_SPAN_F( e->name ) );
      topics[ k ] = (uint8_t)f;
      for( uint32_t j = 0; j<k; j++ ) if( topics[ j ]==topics[ k ] ) dmic_error( c->d, e->topics.v[ k ].at, "topic '%.*s' stands here twice", DMG_SPAN_F( e->topics.v[ k ].text ) );
    }
    if( t->sz_max>8192 ) dmic_error( c->d, e->at, "event %.*s can take %llu bytes, at most 8192", DMG_SPAN_F( e->name ), (unsigned long long)t->sz_max );
    out[ i ] = (dmg_abi_event_t){ .id = (uint16_t)e->id, .name = e->name, .fields = t, .topics = topics, .topic_cnt = e->topics.n };
    c->unit->event_docs[ i ] = e->doc;
  }
  c->unit->abi.events    = out;
  c->unit->abi.event_cnt = b->events.n;
}

/* ---- Items ---- */

static void check_items( check_t * c ) {
  dmi_box_t * b = c->box;
  dmg_abi_item_t * out = dmic_alloc( c->d, ( b->items.n+1 )*sizeof *out );
  c->unit->item_docs = dmic_alloc( c->d, ( b->items.n+1 )*sizeof( dmg_span_t ) );
  order_t * o = orders( c, b->items.n );
  if( !out || !o || !c->unit->item_docs ) return;
  if( b->items.n>DMG_ABI_ITEM_MAX ) { dmic_error( c->d, b->at, "more than %u items", DMG_ABI_ITEM_MAX ); return; }
  for( uint32_t i = 0; i<b->items.n; i++ ) o[ i ] = (order_t){ b->items.v[ i ].id, i, b->items.v[ i ].name, b->items.v[ i ].at };
  sort_ids( c, o, b->items.n, "item" );
  for( uint32_t i = 0; i<b->items.n; i++ ) {
    dmi_item_t const * a = b->items.v+o[ i ].idx;
    dmg_abi_item_t * it = out+i;
    it->id   = (uint16_t)a->id;
    it->name = a->name;
    it->kind = a->kind;
    c->unit->item_docs[ i ] = a->doc;
    dmg_type_t const ** keys = dmic_alloc( c->d, ( a->keys.n+1 )*sizeof *keys );
    if( !keys ) return;
    if( a->keys.n>DMG_ABI_KEY_MAX ) { dmic_error( c->d, a->at, "at most %u key fields", DMG_ABI_KEY_MAX ); continue; }
    bool is_ok = true;
    for( uint32_t k = 0; k<a->keys.n; k++ ) {
      keys[ k ] = resolve( c, a->keys.v[ k ] );
      if( !keys[ k ] ) { is_ok = false; continue; }
      if( !dmg_key_type_is_ok( keys[ k ] ) ) {
        dmic_error( c->d, a->keys.v[ k ]->at, "a key takes bool, integers, amount, address, hash, asset, bytes[n], str<n> up to 64 and enums without payload" );
        is_ok = false;
      }
    }
    if( !is_ok ) continue;
    it->keys    = keys;
    it->key_cnt = a->keys.n;
    if( a->kind!=DMG_ITEM_COUNTER && !( it->value = resolve( c, a->value ) ) ) continue;

    dmg_abi_mark_t * m = dmic_alloc( c->d, DMG_MARK_CNT*sizeof *m );
    if( !m ) return;
    for( uint32_t k = 0; k<DMG_MARK_CNT; k++ ) {
      if( !a->marks[ k ].is_set ) continue;
      dmg_span_t * paths = dmic_alloc( c->d, 2*sizeof *paths );
      if( !paths ) return;
      memcpy( paths, a->marks[ k ].path, 2*sizeof *paths );
      m[ it->mark_cnt++ ] = (dmg_abi_mark_t){ .kind = (dmg_mark_kind_t)k, .paths = paths, .path_cnt = a->marks[ k ].path_cnt };
    }
    it->marks = m;
    (void)dmg_abi_item_measure( it );
    for( uint32_t k = 0; k<it->mark_cnt; k++ )
      for( uint32_t j = 0; j<m[ k ].path_cnt && m[ k ].kind!=DMG_MARK_LAZY; j++ )
        if( !dmg_abi_path_is_ok( it, m[ k ].paths[ j ] ) )
          dmic_error( c->d, a->marks[ m[ k ].kind ].at, "path '%.*s' names nothing in %.*s: write a key's number from 0, a field of the value, or cgt", DMG_SPAN_F( m[ k ].paths[ j ] ), DMG_SPAN_F( a->name ) );
    if( it->key_sz_max>DMG_KEY_MAX-4 ) dmic_error( c->d, a->at, "the key of %.*s can take %u bytes, at most %u", DMG_SPAN_F( a->name ), it->key_sz_max, DMG_KEY_MAX-4 );

    if( !a->deposit.sz ) {
      it->deposit = DMG_DEPOSIT_NONE;
      if( !it->is_native ) dmic_error( c->d, a->at, "%.*s needs deposit payer or deposit module; only native items go without", DMG_SPAN_F( a->name ) );
    } else if( dmg_span_eq( a->deposit, DMG_SPAN_STR( "payer" ) ) )  it->deposit = DMG_DEPOSIT_PAYER;
    else if( dmg_span_eq( a->deposit, DMG_SPAN_STR( "module" ) ) )   it->deposit = DMG_DEPOSIT_MODULE;
    else if( dmg_span_eq( a->deposit, DMG_SPAN_STR( "none" ) ) && it->is_native ) it->deposit = DMG_DEPOSIT_NONE;
    else dmic_error( c->d, a->deposit_at, "deposit is payer or module (none for native items), not '%.*s'", DMG_SPAN_F( a->deposit ) );

    uint32_t cap = it->is_native ? 262148u : 16384u;
    uint64_t sz  = it->value ? it->value->sz_max : 8;
    if( a->has_max ) {
      uint64_t v = number( c, &a->max, 0 );
      if( !it->value ) dmic_error( c->d, a->max.at, "a counter has no max: it is a u64" );
      else if( v>sz || v<it->value->sz_min ) dmic_error( c->d, a->max.at, "values of %.*s take %llu..%llu bytes; max is one of these", DMG_SPAN_F( a->name ), (unsigned long long)it->value->sz_min, (unsigned long long)sz );
      else sz = v;
    }
    if( sz>cap ) dmic_error( c->d, a->at, "values of %.*s can take %llu bytes, at most %u; write max ..", DMG_SPAN_F( a->name ), (unsigned long long)sz, cap );
    it->max = sz>cap ? cap : (uint32_t)sz;
  }
  c->unit->abi.items    = out;
  c->unit->abi.item_cnt = b->items.n;
}

/* ---- Calls, queries, hooks ---- */

static char const * const role_name[ DMG_ROLE_CNT ] = { "owner", "use", "session", "module", "gov", "unsigned", "hook" };
static char const * const hook_name[ DMG_HOOK_CNT ] = { "", "init", "begin_block", "end_block", "draw", "timer", "migrate", "check" };
static char const * const about_name[ DMG_ABOUT_CNT ] = { "item", "collection", "currency", "game", "table" };

/* A path of argument names: a, or a.b inside structs. */
static bool arg_path( dmg_type_t const * t, dmg_span_t path ) {
  while( path.sz ) {
    uint8_t const * dot = memchr( path.p, '.', path.sz );
    dmg_span_t step = dot ? dmg_span( path.p, (size_t)( dot-path.p ) ) : path;
    path = dot ? dmg_span( dot+1, path.sz-step.sz-1 ) : dmg_span( NULL, 0 );
    while( t->kind==DMG_TYPE_OPTION ) t = t->elem;
    if( t->kind!=DMG_TYPE_STRUCT ) return false;
    dmg_type_t const * found = NULL;
    for( uint32_t i = 0; i<t->field_cnt; i++ ) if( t->fields[ i ].name.sz && dmg_span_eq( t->fields[ i ].name, step ) ) found = t->fields[ i ].type;
    if( !found ) return false;
    t = found;
  }
  return true;
}

static void check_says( check_t * c, dmi_fn_t const * f, dmg_type_t const * args ) {
  if( f->says.sz>DMG_ABI_SAYS_MAX ) dmic_error( c->d, f->says_at, "says is at most %u bytes", DMG_ABI_SAYS_MAX );
  for( size_t i = 0; i<f->says.sz; i++ ) {
    if( f->says.p[ i ]<32 ) { dmic_error( c->d, f->says_at, "says is one line without control characters" ); return; }
    if( f->says.p[ i ]=='}' ) { dmic_error( c->d, f->says_at, "a '}' without its '{' in says" ); return; }
    if( f->says.p[ i ]!='{' ) continue;
    size_t from = ++i;
    while( i<f->says.sz && f->says.p[ i ]!='}' && f->says.p[ i ]!='{' ) i++;
    if( i>=f->says.sz || f->says.p[ i ]!='}' ) { dmic_error( c->d, f->says_at, "a '{' without its '}' in says" ); return; }
    dmg_span_t p = dmg_span( f->says.p+from, i-from );
    if( !p.sz || !arg_path( args, p ) ) dmic_error( c->d, f->says_at, "says shows {%.*s}, which is no argument of %.*s", DMG_SPAN_F( p ), DMG_SPAN_F( f->name ) );
  }
}

static void check_names( check_t * c, dmi_fn_t const * f ) {
  dmic_unit_t const * u = c->unit;
  for( uint32_t i = 0; i<f->faults.n; i++ ) {
    uint32_t k = 0;
    while( k<u->abi.fault_cnt && !dmg_span_eq( u->abi.faults[ k ].name, f->faults.v[ i ].text ) ) k++;
    if( k==u->abi.fault_cnt ) dmic_error( c->d, f->faults.v[ i ].at, "there is no fault '%.*s'; declare fault %.*s #..;", DMG_SPAN_F( f->faults.v[ i ].text ), DMG_SPAN_F( f->faults.v[ i ].text ) );
  }
  for( uint32_t i = 0; i<f->emits.n; i++ ) {
    uint32_t k = 0;
    while( k<u->abi.event_cnt && !dmg_span_eq( u->abi.events[ k ].name, f->emits.v[ i ].text ) ) k++;
    if( k==u->abi.event_cnt ) dmic_error( c->d, f->emits.v[ i ].at, "there is no event '%.*s'; declare event %.*s #.. { .. }", DMG_SPAN_F( f->emits.v[ i ].text ), DMG_SPAN_F( f->emits.v[ i ].text ) );
  }
  for( uint32_t i = 0; i<f->touches.n; i++ )
    if( !dmg_abi_item_named( &u->abi, f->touches.v[ i ].text ) ) dmic_error( c->d, f->touches.v[ i ].at, "there is no item '%.*s' to touch", DMG_SPAN_F( f->touches.v[ i ].text ) );
}

static void check_fn( check_t * c, dmi_fn_t const * f, dmg_abi_fn_t * out ) {
  out->id   = (uint16_t)f->id;
  out->name = f->name;
  out->args = anonymous( c, &f->params );
  if( !out->args ) return;
  if( f->ret ) out->ret = resolve( c, f->ret );
  for( uint32_t i = 0; i<f->auth.n; i++ ) {
    uint32_t r = 0;
    while( r<DMG_ROLE_CNT && !dmg_span_eq( f->auth.v[ i ].text, dmg_span_cstr( role_name[ r ] ) ) ) r++;
    if( r==DMG_ROLE_CNT ) { dmic_error( c->d, f->auth.v[ i ].at, "there is no role '%.*s'; roles are owner, use, session, module, gov, unsigned, hook", DMG_SPAN_F( f->auth.v[ i ].text ) ); continue; }
    out->auth |= (uint16_t)( 1u<<r );
    /* An owner's key counts for use too (M1.2a). */
    if( r==DMG_ROLE_USE ) out->auth |= 1u<<DMG_ROLE_OWNER;
  }
  if( f->kind==DMI_FN_CALL && !out->auth )   dmic_error( c->d, f->at, "call %.*s says nobody may make it; add auth use, or another role", DMG_SPAN_F( f->name ) );
  if( f->kind!=DMI_FN_CALL && f->auth.n )    dmic_error( c->d, f->auth.v[ 0 ].at, "only calls have auth" );
  if( f->kind!=DMI_FN_HOOK && !f->has_gas )  dmic_error( c->d, f->at, "%.*s needs a gas line: an upper bound in gas, like gas 90_000", DMG_SPAN_F( f->name ) );
  if( f->has_gas ) out->gas = number( c, &f->gas, 0 );
  if( f->kind!=DMI_FN_CALL && f->has_says )  dmic_error( c->d, f->says_at, "only calls have says: it is what a signer sees" );
  if( f->kind==DMI_FN_CALL && !f->has_says && ( out->auth&( 1u<<DMG_ROLE_USE | 1u<<DMG_ROLE_OWNER | 1u<<DMG_ROLE_SESSION ) ) )
    dmic_error( c->d, f->at, "call %.*s is signed by people; add says \"..\", the line that wallets show", DMG_SPAN_F( f->name ) );
  if( f->has_says ) { check_says( c, f, out->args ); out->says = f->says; }
  if( f->abouts.n>8 ) dmic_error( c->d, f->at, "at most 8 about clauses" );
  dmg_abi_about_t * ab = dmic_alloc( c->d, ( f->abouts.n+1 )*sizeof *ab );
  if( !ab ) return;
  for( uint32_t i = 0; i<f->abouts.n && i<8; i++ ) {
    uint32_t k = 0;
    while( k<DMG_ABOUT_CNT && !dmg_span_eq( f->abouts.v[ i ].kind, dmg_span_cstr( about_name[ k ] ) ) ) k++;
    if( k==DMG_ABOUT_CNT ) { dmic_error( c->d, f->abouts.v[ i ].at, "about says item, collection, currency, game or table, not '%.*s'", DMG_SPAN_F( f->abouts.v[ i ].kind ) ); continue; }
    if( !arg_path( out->args, f->abouts.v[ i ].path ) ) dmic_error( c->d, f->abouts.v[ i ].at, "about names '%.*s', which is no argument", DMG_SPAN_F( f->abouts.v[ i ].path ) );
    ab[ out->about_cnt++ ] = (dmg_abi_about_t){ .path = f->abouts.v[ i ].path, .kind = (dmg_about_kind_t)k };
  }
  out->abouts = ab;
  out->flags  = (uint8_t)( ( f->is_safety ? DMG_FN_SAFETY : 0u )|( f->is_deprecated ? DMG_FN_DEPRECATED : 0u ) );
  if( out->args->sz_max>DMG_ABI_IO_MAX-DMG_ABI_ENV_SZ ) dmic_error( c->d, f->at, "the arguments of %.*s can take %llu bytes, at most %u", DMG_SPAN_F( f->name ), (unsigned long long)out->args->sz_max, DMG_ABI_IO_MAX-DMG_ABI_ENV_SZ );
  if( out->ret && out->ret->sz_max>DMG_ABI_IO_MAX ) dmic_error( c->d, f->at, "the result of %.*s can take %llu bytes, at most %u", DMG_SPAN_F( f->name ), (unsigned long long)out->ret->sz_max, DMG_ABI_IO_MAX );
  check_names( c, f );
}

static void check_fns( check_t * c, dmi_fn_kind_t kind, char const * what, dmg_abi_fn_t const ** out_fns, uint32_t * out_cnt, dmg_span_t ** out_docs ) {
  dmi_box_t * b = c->box;
  uint32_t n = 0;
  order_t * o = orders( c, b->fns.n );
  dmg_abi_fn_t * fns = dmic_alloc( c->d, ( b->fns.n+1 )*sizeof *fns );
  dmg_span_t * docs = dmic_alloc( c->d, ( b->fns.n+1 )*sizeof *docs );
  if( !o || !fns || !docs ) return;
  for( uint32_t i = 0; i<b->fns.n; i++ ) {
    dmi_fn_t * f = b->fns.v+i;
    if( f->kind!=kind ) continue;
    if( kind==DMI_FN_HOOK ) {
      uint32_t h = 1;
      while( h<DMG_HOOK_CNT && !dmg_span_eq( f->name, dmg_span_cstr( hook_name[ h ] ) ) ) h++;
      if( h==DMG_HOOK_CNT ) { dmic_error( c->d, f->at, "there is no hook '%.*s'; hooks are init, begin_block, end_block, draw, timer, migrate, check", DMG_SPAN_F( f->name ) ); continue; }
      f->id = h;
    } else if( !f->id ) dmic_error( c->d, f->at, "numbers start at 1" );
    o[ n++ ] = (order_t){ f->id, i, f->name, f->at };
  }
  sort_ids( c, o, n, what );
  for( uint32_t i = 0; i<n; i++ ) {
    check_fn( c, b->fns.v+o[ i ].idx, fns+i );
    docs[ i ] = b->fns.v[ o[ i ].idx ].doc;
    if( kind==DMI_FN_HOOK ) fns[ i ].auth = 1u<<DMG_ROLE_HOOK;
  }
  *out_fns  = fns;
  *out_cnt  = n;
  *out_docs = docs;
}

/* ---- The module ---- */

static dmic_unit_t * compile( dmic_t * d, char const * file, dmg_span_t text, unsigned nest );

static void check_uses( check_t * c, unsigned nest, dmic_unit_t ** units, uint32_t unit_cnt ) {
  dmi_box_t * b = c->box;
  dmg_abi_use_t * out = dmic_alloc( c->d, ( b->uses.n+1 )*sizeof *out );
  if( !out ) return;
  if( b->uses.n>DMG_ABI_USE_MAX ) { dmic_error( c->d, b->at, "at most %u used modules", DMG_ABI_USE_MAX ); return; }
  for( uint32_t i = 0; i<b->uses.n; i++ ) {
    dmi_use_t const * a = b->uses.v+i;
    dmic_unit_t const * u = NULL;
    for( uint32_t k = 0; k<unit_cnt; k++ ) if( units[ k ] && dmg_span_eq( units[ k ]->abi.name, a->name ) ) u = units[ k ];
    for( uint32_t k = 0; k<i; k++ ) if( dmg_span_eq( b->uses.v[ k ].name, a->name ) ) dmic_error( c->d, a->at, "module %.*s is used twice", DMG_SPAN_F( a->name ) );
    if( !u ) { dmic_error( c->d, a->at, "nothing is known of module %.*s; import its .dmi", DMG_SPAN_F( a->name ) ); continue; }
    dmg_semver_t have = u->abi.version, want = a->version;
    bool is_ok = have.major==want.major && ( have.minor>want.minor || ( have.minor==want.minor && have.patch>=want.patch ) ) && ( want.major || have.minor==want.minor );
    if( !is_ok ) dmic_error( c->d, a->at, "module %.*s is %u.%u.%u, which does not meet ^%u.%u.%u", DMG_SPAN_F( a->name ), have.major, have.minor, have.patch, want.major, want.minor, want.patch );
    dmg_span_t * calls = dmic_alloc( c->d, ( a->calls.n+1 )*sizeof *calls ), * queries = dmic_alloc( c->d, ( a->queries.n+1 )*sizeof *queries );
    if( !calls || !queries ) return;
    for( uint32_t k = 0; k<a->calls.n; k++ ) {
      calls[ k ] = a->calls.v[ k ].text;
      if( !dmg_abi_call_named( &u->abi, calls[ k ] ) ) dmic_error( c->d, a->calls.v[ k ].at, "module %.*s has no call '%.*s'", DMG_SPAN_F( a->name ), DMG_SPAN_F( calls[ k ] ) );
    }
    for( uint32_t k = 0; k<a->queries.n; k++ ) {
      queries[ k ] = a->queries.v[ k ].text;
      if( !dmg_abi_query_named( &u->abi, queries[ k ] ) ) dmic_error( c->d, a->queries.v[ k ].at, "module %.*s has no query '%.*s'", DMG_SPAN_F( a->name ), DMG_SPAN_F( queries[ k ] ) );
    }
    out[ i ] = (dmg_abi_use_t){ .name = a->name, .version = want, .calls = calls, .call_cnt = a->calls.n, .queries = queries, .query_cnt = a->queries.n };
    c->unit->used[ i ] = u;
  }
  c->unit->abi.uses    = out;
  c->unit->abi.use_cnt = b->uses.n;
}

static void check_defs( check_t * c, dmi_def_t * v, uint32_t n, bool is_own ) {
  for( uint32_t i = 0; i<n; i++ ) {
    for( uint32_t k = 0; k<i; k++ ) if( dmg_span_eq( v[ k ].name, v[ i ].name ) ) dmic_error( c->d, v[ i ].at, "a second '%.*s'; the first is in line %u", DMG_SPAN_F( v[ i ].name ), v[ k ].at.line );
    if( v[ i ].kind!=DMI_DEF_CONST ) { if( is_own ) (void)resolve_def( c, v+i, v[ i ].at ); continue; }
    if( !is_own ) continue;
    dmg_type_t const * t = resolve( c, v[ i ].type );
    if( !t ) continue;
    bool is_num = ( t->kind>=DMG_TYPE_U8 && t->kind<=DMG_TYPE_I128 ) || t->kind==DMG_TYPE_AMOUNT;
    if( v[ i ].is_string ? t->kind!=DMG_TYPE_STR : !is_num ) dmic_error( c->d, v[ i ].at, "constant %.*s: a text is a str<n>, a number an integer or amount", DMG_SPAN_F( v[ i ].name ) );
    if( !v[ i ].is_string ) (void)number( c, &v[ i ].num, 0 );
    dmi_def_t const ** slot = DMI_PUSH( c->d, c->unit->consts );
    if( slot ) *slot = v+i;
  }
}

static void check_module( check_t * c, unsigned nest, dmic_unit_t ** units, uint32_t unit_cnt ) {
  dmi_box_t * b = c->box;
  dmg_abi_t * abi = &c->unit->abi;
  if( !b->has_id || !b->id || b->id>65535 ) dmic_error( c->d, b->at, "module %.*s needs module_id 1..65535;", DMG_SPAN_F( b->name ) );
  if( !b->has_storage_version || !b->storage_version || b->storage_version>255 ) dmic_error( c->d, b->at, "module %.*s needs storage_version 1..255;", DMG_SPAN_F( b->name ) );
  if( b->has_pages && ( !b->pages || b->pages>16 ) ) dmic_error( c->d, b->at, "memory_pages is 1..16" );
  if( !b->has_host || !dmg_span_eq( b->host, DMG_SPAN_STR( "dm1" ) ) ) dmic_error( c->d, b->at, "module %.*s needs host dm1;", DMG_SPAN_F( b->name ) );
  abi->module          = (uint16_t)b->id;
  abi->name            = b->name;
  abi->version         = b->version;
  abi->storage_version = (uint8_t)b->storage_version;
  abi->reads_to        = (uint8_t)b->storage_version;
  abi->pages           = b->has_pages ? (uint8_t)b->pages : 1;
  abi->host            = b->host;
  dmg_abi_provide_t * pr = dmic_alloc( c->d, ( b->provides.n+1 )*sizeof *pr );
  if( !pr ) return;
  for( uint32_t i = 0; i<b->provides.n; i++ ) pr[ i ] = (dmg_abi_provide_t){ .name = b->provides.v[ i ].name, .version = b->provides.v[ i ].version };
  abi->provides    = pr;
  abi->provide_cnt = b->provides.n;

  check_defs( c, c->file->defs.v, c->file->defs.n, true );
  check_defs( c, b->defs.v, b->defs.n, true );
  check_uses( c, nest, units, unit_cnt );
  check_items( c );
  check_faults( c );
  check_events( c );
  dmg_span_t * hook_docs = NULL;
  check_fns( c, DMI_FN_CALL,  "call",  &abi->calls,   &abi->call_cnt,  &c->unit->call_docs );
  check_fns( c, DMI_FN_QUERY, "query", &abi->queries, &abi->query_cnt, &c->unit->query_docs );
  check_fns( c, DMI_FN_HOOK,  "hook",  &abi->hooks,   &abi->hook_cnt,  &hook_docs );
  for( uint32_t i = 0; i<b->fns.n; i++ )
    for( uint32_t k = 0; k<i; k++ )
      if( b->fns.v[ i ].kind!=b->fns.v[ k ].kind && b->fns.v[ i ].kind!=DMI_FN_HOOK && b->fns.v[ k ].kind!=DMI_FN_HOOK && dmg_span_eq( b->fns.v[ i ].name, b->fns.v[ k ].name ) )
        dmic_error( c->d, b->fns.v[ i ].at, "a call and a query named '%.*s'; clients could not tell them apart", DMG_SPAN_F( b->fns.v[ i ].name ) );
}

/* The Abi must also stand before the judge that nodes use. */
static bool encode( check_t * c ) {
  dmic_unit_t * u = c->unit;
  uint8_t * raw = dmic_alloc( c->d, DMG_ABI_SZ_MAX );
  if( !raw ) return false;
  dmg_bcs_wr_t wr = dmg_bcs_wr( raw, DMG_ABI_SZ_MAX );
  dmg_abi_write( &u->abi, &wr );
  if( wr.is_full ) { dmic_error( c->d, c->box->at, "the interface of %.*s takes more than 64 KiB; split the module", DMG_SPAN_F( u->abi.name ) ); return false; }
  u->raw = dmg_bcs_wr_span( &wr );
  dmg_abi_t const * back = NULL;
  dmg_verdict_t v = dmg_abi_decode( u->raw, c->d->arena, &back );
  if( v.kind==DMG_VERDICT_LOCAL ) { c->d->is_nomem = true; return false; }
  if( v.kind==DMG_VERDICT_BAD ) {
    char text[ DMG_VERDICT_TEXT_MAX ];
    dmg_verdict_print( &v, text, sizeof text );
    dmic_error( c->d, c->box->at, "nodes would refuse this interface: %s", text );
    return false;
  }
  u->abi.in_sz  = back->in_sz;
  u->abi.out_sz = back->out_sz;
  return true;
}

static dmic_unit_t * compile( dmic_t * d, char const * file, dmg_span_t text, unsigned nest ) {
  dmi_file_t * f = dmi_parse( d, file, text );
  if( !f ) return NULL;
  dmic_unit_t * units[ 16 ] = { 0 };
  uint32_t unit_cnt = 0;
  for( uint32_t i = 0; i<f->imports.n; i++ ) {
    dmg_span_t in;
    char const * in_file;
    if( nest>=8 || unit_cnt==16 ) { dmic_error( d, f->imports.v[ i ].at, "too many imports: 16 a file, 8 deep (a circle?)" ); break; }
    if( !d->read || !d->read( d->read_ctx, file, f->imports.v[ i ].text, &in, &in_file ) ) { dmic_error( d, f->imports.v[ i ].at, "cannot read \"%.*s\"", DMG_SPAN_F( f->imports.v[ i ].text ) ); continue; }
    uint32_t before = d->err_cnt;
    dmic_unit_t * u = compile( d, in_file, in, nest+1 );
    if( u ) units[ unit_cnt++ ] = u;
    else if( d->err_cnt==before ) {   /* a file of types only */
      dmi_file_t * inf = dmi_parse( d, in_file, in );
      dmi_file_t ** slot = inf ? DMI_PUSH( d, f->imported ) : NULL;
      if( slot ) *slot = inf;
    }
  }
  dmi_box_t * box = NULL;
  for( uint32_t i = 0; i<f->boxes.n; i++ )
    if( f->boxes.v[ i ].kind==DMI_MODULE ) {
      if( box ) dmic_error( d, f->boxes.v[ i ].at, "a second module in one file; give it its own" );
      else box = f->boxes.v+i;
    }
  check_t c = { .d = d, .file = f, .box = box, .unit = dmic_alloc( d, sizeof( dmic_unit_t ) ) };
  if( !c.unit ) return NULL;
  c.unit->box = box;
  if( box ) check_module( &c, nest, units, unit_cnt );
  else check_defs( &c, f->defs.v, f->defs.n, true );
  for( uint32_t i = 0; i<f->boxes.n; i++ ) {   /* interfaces: their types and results; services by service.c */
    if( f->boxes.v[ i ].kind==DMI_SERVICE ) dmic_error( d, f->boxes.v[ i ].at, "a service stands in a file of its own, without a module" );
    if( f->boxes.v[ i ].kind!=DMI_INTERFACE ) continue;
    check_t s = { .d = d, .file = f, .box = f->boxes.v+i, .unit = dmic_alloc( d, sizeof( dmic_unit_t ) ) };
    if( !s.unit ) return NULL;
    check_defs( &s, s.box->defs.v, s.box->defs.n, true );
    for( uint32_t k = 0; k<s.box->fns.n; k++ ) { (void)anonymous( &s, &s.box->fns.v[ k ].params ); if( s.box->fns.v[ k ].ret ) (void)resolve( &s, s.box->fns.v[ k ].ret ); }
    for( uint32_t k = 0; k<s.box->faults.n; k++ ) (void)anonymous( &s, &s.box->faults.v[ k ].fields );
    for( uint32_t k = 0; k<s.box->events.n; k++ ) (void)anonymous( &s, &s.box->events.v[ k ].fields );
  }
  if( d->err_cnt || d->is_nomem || !box ) return NULL;
  return encode( &c ) ? c.unit : NULL;
}

dmic_unit_t * dmic_compile( dmic_t * d, char const * file, dmg_span_t text ) {
  if( text.sz>DMIC_FILE_MAX ) { dmic_error( d, (dmi_at_t){ .file = file, .line = 1, .col = 1 }, "a file of more than %u bytes", DMIC_FILE_MAX ); return NULL; }
  dmic_unit_t * u = compile( d, file, text, 0 );
  if( !u && !d->err_cnt && !d->is_nomem ) dmic_error( d, (dmi_at_t){ .file = file, .line = 1, .col = 1 }, "there is no module in this file" );
  return u;
}
