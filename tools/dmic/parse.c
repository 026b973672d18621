#include "dmic.h"

#include <stdarg.h>

/* depth: of open braces; is_lost: a mistake in this member, go to its end; is_wire: in a service, where names are those on the wire */
typedef struct { dmic_t * d; dmi_tok_t const * t; uint32_t nest; int depth; bool is_lost, is_wire; } parse_t;

static bool is_text( dmi_tok_t const * t, char const * s ) { return t->kind!=DMI_STRING && dmg_span_eq( t->text, dmg_span_cstr( s ) ); }
static bool at( parse_t const * p, char const * s ) { return is_text( p->t, s ); }
static dmi_tok_t const * next( parse_t * p ) {
  dmi_tok_t const * t = p->t;
  if( t->kind==DMI_PUNCT ) p->depth += ( t->text.p[ 0 ]=='{' )-( t->text.p[ 0 ]=='}' );
  if( t->kind!=DMI_END ) p->t++;
  return t;
}
static bool take( parse_t * p, char const * s ) { if( !at( p, s ) ) return false; next( p ); return true; }

static void mistake( parse_t * p, char const * want ) {
  if( !p->is_lost ) dmic_error( p->d, p->t->at, "found %s%.*s%s, expected %s", p->t->kind==DMI_STRING ? "\"" : "'", DMG_SPAN_F( p->t->text ), p->t->kind==DMI_STRING ? "\"" : "'", want );
  p->is_lost = true;
}

static bool expect( parse_t * p, char const * s ) {
  if( p->is_lost ) return false;
  if( take( p, s ) ) return true;
  char want[ 40 ];
  snprintf( want, sizeof want, "'%s'", s );
  mistake( p, want );
  return false;
}

/* After a mistake in a member that began at brace depth base: to behind the ';' or '}' that ends it, or before
   the '}' that ends its box. */
static void recover( parse_t * p, int base ) {
  p->is_lost = false;
  while( p->t->kind!=DMI_END && !( p->depth<=base && at( p, "}" ) ) ) {
    bool is_end = at( p, ";" ) || at( p, "}" );
    next( p );
    if( is_end && p->depth<=base ) break;
  }
}

static dmg_span_t ident( parse_t * p, char const * want ) {
  if( p->is_lost ) return dmg_span( NULL, 0 );
  if( p->t->kind!=DMI_IDENT ) { mistake( p, want ); return dmg_span( NULL, 0 ); }
  if( p->t->text.sz>DMG_ABI_NAME_MAX ) dmic_error( p->d, p->t->at, "a name of more than %u bytes", DMG_ABI_NAME_MAX );
  return next( p )->text;
}

/* name: lower case; Name: starts upper case (R2.1 tells them apart). */
static dmg_span_t name_of( parse_t * p, bool is_upper, char const * what ) {
  char want[ 80 ];
  snprintf( want, sizeof want, "the name of %s", what );
  dmi_tok_t const * t = p->t;
  dmg_span_t s = ident( p, want );
  if( !s.sz ) return s;
  uint8_t c = s.p[ 0 ];
  if( is_upper && !( c>='A' && c<='Z' ) ) dmic_error( p->d, t->at, "the name of %s starts with a capital: %.*s", what, DMG_SPAN_F( s ) );
  bool is_low = c>='a' && c<='z';
  for( size_t i = 0; i<s.sz; i++ ) is_low = is_low && !( s.p[ i ]>='A' && s.p[ i ]<='Z' );
  if( !is_upper && !is_low ) dmic_error( p->d, t->at, "the name of %s is written in lower case with _: %.*s", what, DMG_SPAN_F( s ) );
  return s;
}

static uint64_t integer( parse_t * p, char const * want ) {
  if( p->is_lost ) return 0;
  if( p->t->kind!=DMI_NUM ) { mistake( p, want ); return 0; }
  return next( p )->num;
}

static dmi_num_t number( parse_t * p, char const * want ) {
  dmi_num_t n = { .at = p->t->at };
  if( p->is_lost ) return n;
  if( p->t->kind==DMI_IDENT ) { n.is_name = true; n.name = next( p )->text; }
  else n.v = integer( p, want );
  return n;
}

static dmg_span_t string( parse_t * p, char const * want ) {
  if( p->is_lost ) return dmg_span( NULL, 0 );
  if( p->t->kind!=DMI_STRING ) { mistake( p, want ); return dmg_span( NULL, 0 ); }
  return next( p )->text;
}

static dmg_semver_t semver( parse_t * p ) {
  dmg_semver_t v = { 0 };
  uint16_t * part[ 3 ] = { &v.major, &v.minor, &v.patch };
  for( int i = 0; i<3; i++ ) {
    if( i ) expect( p, "." );
    dmi_at_t where = p->t->at;
    uint64_t n = integer( p, "a version, like 1.0.0" );
    if( n>65535 ) dmic_error( p->d, where, "a part of a version is at most 65535" );
    *part[ i ] = (uint16_t)n;
  }
  return v;
}

/* path = int | name { "." name }, as one text. */
static dmg_span_t path( parse_t * p ) {
  if( p->is_lost ) return dmg_span( NULL, 0 );
  uint8_t const * from = p->t->text.p;
  if( p->t->kind==DMI_NUM ) return next( p )->text;
  dmg_span_t last = ident( p, "a path: a key's number, or a field like owner or a.b" );
  while( !p->is_lost && take( p, "." ) ) last = ident( p, "the next field of the path" );
  if( p->is_lost ) return dmg_span( NULL, 0 );
  dmg_span_t whole = dmg_span( from, (size_t)( last.p+last.sz-from ) );
  if( whole.sz>DMG_ABI_NAME_MAX ) dmic_error( p->d, p->t->at, "a path of more than %u bytes", DMG_ABI_NAME_MAX );
  return whole;
}

static dmi_type_t * type( parse_t * p ) {
  if( p->is_lost ) return NULL;
  dmi_type_t * t = dmic_alloc( p->d, sizeof *t );
  if( !t ) { p->is_lost = true; return NULL; }
  t->at = p->t->at;
  if( ++p->nest>DMIC_NEST_MAX ) { dmic_error( p->d, t->at, "types nest too deep here; at most %u levels count", DMG_ABI_DEPTH_MAX ); p->is_lost = true; p->nest--; return NULL; }
  static char const * const prim[] = { "bool", "u8", "u16", "u32", "u64", "u128", "i8", "i16", "i32", "i64", "i128", "address", "hash", "amount", "asset" };
  dmg_span_t s = ident( p, "a type, like u64, address, str<32>, list<hash, 8> or a Name" );
  bool is_prim = false;
  for( size_t i = 0; i<sizeof prim/sizeof *prim && !p->is_lost; i++ )
    if( dmg_span_eq( s, dmg_span_cstr( prim[ i ] ) ) ) { t->form = DMI_T_PRIM; t->prim = (dmg_type_kind_t)i; is_prim = true; }
  if( p->is_lost || is_prim ) ;
  else if( dmg_span_eq( s, DMG_SPAN_STR( "bytes" ) ) && take( p, "[" ) ) {
    t->form = DMI_T_FIXED; t->num = number( p, "a length" ); expect( p, "]" );
  } else if( dmg_span_eq( s, DMG_SPAN_STR( "bytes" ) ) || dmg_span_eq( s, DMG_SPAN_STR( "str" ) ) ) {
    t->form = s.sz==5 ? DMI_T_BYTES : DMI_T_STR;
    if( expect( p, "<" ) ) { t->num = number( p, "a maximum of bytes" ); expect( p, ">" ); }
  } else if( dmg_span_eq( s, DMG_SPAN_STR( "list" ) ) ) {
    t->form = DMI_T_LIST;
    if( expect( p, "<" ) ) { t->a = type( p ); expect( p, "," ); t->num = number( p, "a maximum of elements" ); expect( p, ">" ); }
  } else if( dmg_span_eq( s, DMG_SPAN_STR( "map" ) ) ) {
    t->form = DMI_T_MAP;
    if( expect( p, "<" ) ) { t->a = type( p ); expect( p, "," ); t->b = type( p ); expect( p, "," ); t->num = number( p, "a maximum of entries" ); expect( p, ">" ); }
  } else { t->form = DMI_T_NAME; t->name = s; }
  if( take( p, "?" ) ) t->is_opt = true;
  p->nest--;
  return p->is_lost ? NULL : t;
}

static void fields( parse_t * p, dmi_fields_t * out ) {
  if( !expect( p, "{" ) ) return;
  while( !p->is_lost && !at( p, "}" ) ) {
    dmi_tok_t const * t = p->t;
    dmg_span_t n = ident( p, "a field, or '}'" );
    expect( p, ":" );
    dmi_type_t * ty = type( p );
    dmi_field_t * f = p->is_lost ? NULL : DMI_PUSH( p->d, *out );
    if( !f ) { p->is_lost = true; return; }
    *f = (dmi_field_t){ .name = n, .type = ty, .doc = t->doc, .at = t->at };
    if( take( p, "since" ) ) { f->has_since = true; f->since = semver( p ); }
    expect( p, ";" );
  }
  expect( p, "}" );
}

static void params( parse_t * p, dmi_fields_t * out ) {
  if( !expect( p, "(" ) ) return;
  while( !p->is_lost && !at( p, ")" ) ) {
    if( out->n ) expect( p, "," );
    dmi_tok_t const * t = p->t;
    dmg_span_t n = ident( p, "an argument, or ')'" );
    expect( p, ":" );
    dmi_type_t * ty = type( p );
    dmi_field_t * f = p->is_lost ? NULL : DMI_PUSH( p->d, *out );
    if( !f ) { p->is_lost = true; return; }
    *f = (dmi_field_t){ .name = n, .type = ty, .doc = t->doc, .at = t->at };
  }
  expect( p, ")" );
}

static void name_list( parse_t * p, char const * sep, char const * want, dmi_names_t * out ) {
  do {
    dmi_at_t where = p->t->at;
    dmg_span_t s = ident( p, want );
    dmi_name_t * n = p->is_lost ? NULL : DMI_PUSH( p->d, *out );
    if( !n ) { p->is_lost = true; return; }
    *n = (dmi_name_t){ .text = s, .at = where };
  } while( take( p, sep ) );
}

/* Of a method: as on the wire, like state_getMany or rpc.discover. */
static dmg_span_t method_name( parse_t * p ) {
  dmi_at_t where = p->t->at;
  dmg_span_t s = path( p );
  if( s.sz && !( s.p[ 0 ]>='a' && s.p[ 0 ]<='z' ) ) dmic_error( p->d, where, "the name of a method starts with a small letter: %.*s", DMG_SPAN_F( s ) );
  return s;
}

static uint64_t hash_id( parse_t * p ) {
  expect( p, "#" );
  dmi_at_t where = p->t->at;
  uint64_t n = integer( p, "its number" );
  if( n>65535 ) dmic_error( p->d, where, "numbers go up to 65535" );
  return n;
}

static void clause( parse_t * p, dmi_fn_t * f ) {
  dmi_at_t where = p->t->at;
  if( take( p, "auth" ) ) name_list( p, "|", "a role: owner, use, session, module, gov, unsigned or hook", &f->auth );
  else if( take( p, "gas" ) || take( p, "cost" ) ) { f->has_gas = true; f->gas = number( p, "an amount of gas" ); }
  else if( take( p, "says" ) ) { f->has_says = true; f->says_at = p->t->at; f->says = string( p, "the line in quotes, like \"Pay {amount} to {to}\"" ); }
  else if( take( p, "faults" ) ) name_list( p, ",", "the name of a fault", &f->faults );
  else if( take( p, "emits" ) ) name_list( p, ",", "the name of an event", &f->emits );
  else if( take( p, "since" ) ) (void)semver( p );
  else if( take( p, "deprecated" ) ) { f->is_deprecated = true; (void)semver( p ); }
  else if( take( p, "safety" ) ) f->is_safety = true;
  else if( take( p, "alias" ) ) f->alias = path( p );
  else if( p->is_wire && take( p, "example" ) ) { f->has_example = true; f->example = string( p, "params by name as JSON, in quotes" ); }
  else if( p->is_wire && take( p, "class" ) ) { f->klass_at = p->t->at; f->klass = ident( p, "a class: A, B or C" ); }
  else if( take( p, "about" ) ) {
    dmi_about_t * a = DMI_PUSH( p->d, f->abouts );
    if( !a ) { p->is_lost = true; return; }
    a->at = where;
    expect( p, "(" ); a->path = path( p ); expect( p, "," ); a->kind = ident( p, "item, collection, currency, game or table" ); expect( p, ")" );
  }
  else if( take( p, "touch" ) ) {
    do {
      if( !take( p, "read" ) && !take( p, "write" ) && !take( p, "add" ) ) mistake( p, "read, write or add and an item" );
      dmi_at_t item_at = p->t->at;
      dmg_span_t s = ident( p, "the name of an item" );
      dmi_name_t * n = p->is_lost ? NULL : DMI_PUSH( p->d, f->touches );
      if( !n ) { p->is_lost = true; return; }
      *n = (dmi_name_t){ .text = s, .at = item_at };
      if( take( p, "[" ) ) { do (void)path( p ); while( take( p, "," ) ); expect( p, "]" ); }
    } while( !p->is_lost && take( p, "," ) );
  }
  else mistake( p, p->is_wire ? "a clause: class, cost, example, auth, faults, since or deprecated" : "a clause: auth, gas, says, faults, emits, since, deprecated, safety, alias, about or touch" );
}

static void fn_rest( parse_t * p, dmi_fn_t * f ) {
  params( p, &f->params );
  if( p->t->kind==DMI_ARROW ) { next( p ); f->ret = type( p ); }
  if( p->is_lost || take( p, ";" ) ) return;
  if( !at( p, "{" ) ) { mistake( p, "'->' and a result, ';' or '{'" ); return; }
  next( p );
  while( !p->is_lost && !at( p, "}" ) ) { clause( p, f ); expect( p, ";" ); }
  expect( p, "}" );
}

/* const, type, struct, enum.  False: none of them stands here. */
static bool typedef_( parse_t * p, dmi_def_t * out ) {
  dmi_tok_t const * t = p->t;
  out->doc = t->doc;
  out->at  = t->at;
  if( take( p, "const" ) ) {
    out->kind = DMI_DEF_CONST;
    out->name = name_of( p, true, "a constant" );
    expect( p, ":" );
    out->type = type( p );
    expect( p, "=" );
    if( p->t->kind==DMI_STRING ) { out->is_string = true; out->string = next( p )->text; }
    else out->num = number( p, "a number or a text" );
    expect( p, ";" );
    return true;
  }
  if( take( p, "type" ) ) {
    out->kind = DMI_DEF_ALIAS;
    out->name = name_of( p, true, "a type" );
    expect( p, "=" );
    out->type = type( p );
    expect( p, ";" );
    return true;
  }
  if( at( p, "extensible" ) || at( p, "struct" ) ) {
    out->is_open = take( p, "extensible" );
    expect( p, "struct" );
    out->kind = DMI_DEF_STRUCT;
    out->name = name_of( p, true, "a struct" );
    fields( p, &out->fields );
    return true;
  }
  if( at( p, "open" ) || at( p, "enum" ) ) {
    out->is_open = take( p, "open" );
    expect( p, "enum" );
    out->kind = DMI_DEF_ENUM;
    out->name = name_of( p, true, "an enum" );
    expect( p, "{" );
    while( !p->is_lost && !at( p, "}" ) ) {
      dmi_tok_t const * v = p->t;
      dmg_span_t n = p->is_wire ? ident( p, "the name of a variant" ) : name_of( p, true, "a variant" );
      dmi_variant_t var = { .name = n, .doc = v->doc, .at = v->at };
      if( take( p, "(" ) ) { var.type = type( p ); expect( p, ")" ); }
      expect( p, "=" );
      var.tag = integer( p, "the variant's number" );
      expect( p, ";" );
      dmi_variant_t * slot = p->is_lost ? NULL : DMI_PUSH( p->d, out->variants );
      if( !slot ) { p->is_lost = true; break; }
      *slot = var;
    }
    expect( p, "}" );
    return true;
  }
  return false;
}

static void storage( parse_t * p, dmi_item_t * it ) {
  it->name = name_of( p, false, "an item" );
  it->id   = hash_id( p );
  expect( p, ":" );
  bool has_keys = false;
  if( take( p, "value" ) ) { it->kind = DMG_ITEM_VALUE; it->value = type( p ); }
  else if( take( p, "counter" ) ) { it->kind = DMG_ITEM_COUNTER; has_keys = at( p, "[" ); }
  else if( at( p, "ordered" ) || at( p, "map" ) ) {
    it->kind = take( p, "ordered" ) ? DMG_ITEM_ORDERED : DMG_ITEM_MAP;
    expect( p, "map" );
    has_keys = true;
  } else mistake( p, "value, counter, map or ordered map" );
  if( has_keys && expect( p, "[" ) ) {
    do {
      dmi_type_t * k = type( p );
      dmi_type_t ** slot = k ? DMI_PUSH( p->d, it->keys ) : NULL;
      if( !slot ) { p->is_lost = true; return; }
      *slot = k;
    } while( take( p, "," ) );
    expect( p, "]" );
  }
  if( !p->is_lost && it->kind>DMG_ITEM_COUNTER ) {
    if( p->t->kind!=DMI_ARROW ) { mistake( p, "'->' and the type of the value" ); return; }
    next( p );
    it->value = type( p );
  }
  while( !p->is_lost && !at( p, ";" ) ) {
    dmi_at_t where = p->t->at;
    dmg_mark_kind_t m = DMG_MARK_CNT;
    if( take( p, "max" ) ) { it->has_max = true; it->max = number( p, "a maximum of bytes" ); }
    else if( take( p, "deposit" ) ) { it->deposit_at = p->t->at; it->deposit = ident( p, "payer or module" ); }
    else if( take( p, "native" ) )    m = DMG_MARK_NATIVE;
    else if( take( p, "holds" ) )     m = DMG_MARK_HOLDS;
    else if( take( p, "encumbers" ) ) m = DMG_MARK_ENCUMBERS;
    else if( take( p, "authority" ) ) m = DMG_MARK_AUTHORITY;
    else if( take( p, "lazy" ) )      m = DMG_MARK_LAZY;
    else mistake( p, "max, deposit, holds, encumbers, authority, lazy, native or ';'" );
    if( m==DMG_MARK_CNT || p->is_lost ) continue;
    if( it->marks[ m ].is_set ) dmic_error( p->d, where, "this mark stands here twice" );
    it->marks[ m ].is_set = true;
    it->marks[ m ].at     = where;
    uint32_t want = m==DMG_MARK_HOLDS || m==DMG_MARK_ENCUMBERS ? 2 : m==DMG_MARK_AUTHORITY ? 1 : 0;
    if( want ) {
      expect( p, "(" );
      for( uint32_t i = 0; i<want; i++ ) { if( i ) expect( p, "," ); it->marks[ m ].path[ i ] = path( p ); }
      expect( p, ")" );
    }
    if( m==DMG_MARK_LAZY ) {
      expect( p, "from" );
      if( p->t->kind!=DMI_NUM ) mistake( p, "a storage version" );
      else it->marks[ m ].path[ 0 ] = next( p )->text;
      want = 1;
    }
    it->marks[ m ].path_cnt = want;
  }
  expect( p, ";" );
}

/* Adds to vec what body fills in; on a mistake the entry goes again. */
#define MEMBER( vec, body )                                 \
  do {                                                      \
    if( !DMI_PUSH( p->d, vec ) ) { p->is_lost = true; break; } \
    __typeof__( *( vec ).v ) * m = ( vec ).v+( vec ).n-1;   \
    m->doc = t->doc; m->at = t->at;                         \
    body;                                                   \
    if( p->is_lost ) ( vec ).n--;                           \
  } while(0)

static void member( parse_t * p, dmi_box_t * b ) {
  dmi_tok_t const * t = p->t;
  dmi_def_t def = { 0 };
  if( typedef_( p, &def ) ) {
    dmi_def_t * slot = p->is_lost ? NULL : DMI_PUSH( p->d, b->defs );
    if( slot ) *slot = def;
    return;
  }
  if( take( p, "fault" ) ) {
    MEMBER( b->faults, {
      m->name = name_of( p, true, "a fault" );
      m->id   = hash_id( p );
      if( p->is_wire && take( p, "http" ) )  m->http     = integer( p, "an HTTP status" );
      if( p->is_wire && take( p, "retry" ) ) m->is_retry = true;
      if( !take( p, ";" ) ) fields( p, &m->fields );
    } );
    return;
  }
  if( take( p, "event" ) ) {
    MEMBER( b->events, {
      m->name = name_of( p, true, "an event" ); m->id = hash_id( p );
      if( take( p, "topic" ) ) { expect( p, "(" ); name_list( p, ",", "a field of the event", &m->topics ); expect( p, ")" ); }
      fields( p, &m->fields );
    } );
    return;
  }
  if( at( p, "call" ) || at( p, "query" ) ) {
    bool is_query = is_text( next( p ), "query" );
    MEMBER( b->fns, { m->kind = is_query ? DMI_FN_QUERY : DMI_FN_CALL; m->name = name_of( p, false, is_query ? "a query" : "a call" ); m->id = hash_id( p ); fn_rest( p, m ); } );
    return;
  }
  if( b->kind==DMI_SERVICE && ( at( p, "method" ) || at( p, "stream" ) ) ) {
    bool is_stream = is_text( next( p ), "stream" );
    MEMBER( b->fns, { m->kind = is_stream ? DMI_FN_STREAM : DMI_FN_METHOD; m->name = method_name( p ); fn_rest( p, m ); } );
    return;
  }
  if( b->kind==DMI_MODULE ) {
    if( take( p, "module_id" ) )       { if( b->has_id ) dmic_error( p->d, t->at, "module_id stands here twice" ); b->has_id = true; b->id = integer( p, "a number 1..65535" ); expect( p, ";" ); return; }
    if( take( p, "storage_version" ) ) { b->has_storage_version = true; b->storage_version = integer( p, "a number 1..255" ); expect( p, ";" ); return; }
    if( take( p, "memory_pages" ) )    { b->has_pages = true; b->pages = integer( p, "a number of 64 KiB pages, 1..16" ); expect( p, ";" ); return; }
    if( take( p, "host" ) )            { b->has_host = true; b->host = name_of( p, false, "the host API" ); expect( p, ";" ); return; }
    if( take( p, "provides" ) ) {
      dmi_provide_t * pr = DMI_PUSH( p->d, b->provides );
      if( !pr ) { p->is_lost = true; return; }
      pr->at = p->t->at; pr->name = name_of( p, true, "an interface" ); expect( p, "^" ); pr->version = semver( p ); expect( p, ";" );
      return;
    }
    if( take( p, "use" ) ) {
      dmi_use_t * u = DMI_PUSH( p->d, b->uses );
      if( !u ) { p->is_lost = true; return; }
      u->at = p->t->at; u->name = name_of( p, false, "a module" ); expect( p, "^" ); u->version = semver( p ); expect( p, "{" );
      while( !p->is_lost && !at( p, "}" ) ) {
        bool is_call = at( p, "call" );
        if( !take( p, "call" ) && !take( p, "query" ) ) { mistake( p, "call, query or '}'" ); break; }
        dmi_at_t where = p->t->at;
        dmg_span_t s = name_of( p, false, "a call or query" );
        expect( p, ";" );
        dmi_name_t * n = p->is_lost ? NULL : is_call ? DMI_PUSH( p->d, u->calls ) : DMI_PUSH( p->d, u->queries );
        if( n ) *n = (dmi_name_t){ .text = s, .at = where };
      }
      expect( p, "}" );
      return;
    }
    if( take( p, "storage" ) ) { MEMBER( b->items, storage( p, m ) ); return; }
    if( take( p, "hook" ) ) {
      MEMBER( b->fns, { m->kind = DMI_FN_HOOK; m->name = ident( p, "init, begin_block, end_block, draw, timer, migrate or check" ); fn_rest( p, m ); } );
      return;
    }
  }
  mistake( p, b->kind==DMI_MODULE ? "a member: storage, struct, enum, type, const, fault, event, call, query, hook, use or a setting of the module"
                                  : b->kind==DMI_SERVICE ? "a member: method, stream, struct, enum, type, const or fault" : "a member: struct, enum, type, const, fault, event, call or query" );
}

dmi_file_t * dmi_parse( dmic_t * d, char const * file, dmg_span_t text ) {
  dmi_file_t * f = dmic_alloc( d, sizeof *f );
  dmi_toks_t toks = { 0 };
  if( !f || !dmi_lex( d, file, text, &toks ) ) return NULL;
  f->path = file;
  parse_t ps = { .d = d, .t = toks.v }, * p = &ps;
  while( at( p, "import" ) ) {
    next( p );
    dmi_at_t where = p->t->at;
    dmg_span_t s = string( p, "a file in quotes" );
    expect( p, ";" );
    dmi_name_t * n = p->is_lost ? NULL : DMI_PUSH( d, f->imports );
    if( n ) *n = (dmi_name_t){ .text = s, .at = where };
    if( p->is_lost ) recover( p, 0 );
  }
  while( p->t->kind!=DMI_END && !d->is_nomem ) {
    dmi_tok_t const * t = p->t;
    dmi_def_t def = { 0 };
    if( typedef_( p, &def ) ) {
      dmi_def_t * slot = p->is_lost ? NULL : DMI_PUSH( d, f->defs );
      if( slot ) *slot = def;
    } else if( at( p, "module" ) || at( p, "interface" ) || at( p, "service" ) ) {
      dmi_box_t * b = DMI_PUSH( d, f->boxes );
      if( !b ) return NULL;
      b->doc  = t->doc;
      b->kind = at( p, "module" ) ? DMI_MODULE : at( p, "interface" ) ? DMI_INTERFACE : DMI_SERVICE;
      next( p );
      b->at      = p->t->at;
      b->name    = name_of( p, b->kind==DMI_INTERFACE, b->kind==DMI_MODULE ? "a module" : b->kind==DMI_INTERFACE ? "an interface" : "a service" );
      b->version = semver( p );
      expect( p, "{" );
      p->is_wire = b->kind==DMI_SERVICE;
      while( !p->is_lost && !at( p, "}" ) && p->t->kind!=DMI_END && !d->is_nomem ) {
        member( p, b );
        if( p->is_lost ) recover( p, 1 );
      }
      p->is_wire = false;
      expect( p, "}" );
    } else if( at( p, "import" ) ) mistake( p, "no import here: imports stand before everything else" );
    else mistake( p, "module, interface, service or a type" );
    if( p->is_lost ) {
      recover( p, 0 );
      if( p->t==t || at( p, "}" ) ) next( p );   /* always forward */
      if( p->depth<0 ) p->depth = 0;
    }
  }
  return d->is_nomem ? NULL : f;
}
