#include "dmic.h"

#include <stdlib.h>

typedef struct { dmic_t * d; dmic_service_t * s; dmi_names_t seen; DMI_VEC( dmi_file_t * ) files; } svc_t;   /* files: imported ones before those that import them */

static bool is_predeclared( dmg_span_t name ) {
  static char const * const known[] = { "At", "NameOrId", "Json", "Object" };
  for( size_t i = 0; i<sizeof known/sizeof *known; i++ ) if( dmg_span_eq( name, dmg_span_cstr( known[ i ] ) ) ) return true;
  return false;
}

dmi_def_t const * dmic_service_def( dmic_service_t const * s, dmg_span_t name ) {
  for( uint32_t i = 0; i<s->all.n; i++ ) if( dmg_span_eq( s->all.v[ i ]->name, name ) ) return s->all.v[ i ];
  return NULL;
}

uint64_t dmic_service_num( dmic_service_t const * s, dmi_num_t const * n ) {
  for( unsigned nest = 0; n->is_name && nest<8; nest++ ) {
    dmi_def_t const * def = dmic_service_def( s, n->name );
    if( !def ) return 0;
    n = &def->num;
  }
  return n->is_name ? 0 : n->v;
}

bool dmic_service_is_word( dmi_def_t const * def ) {
  if( def->kind!=DMI_DEF_ENUM ) return false;
  for( uint32_t i = 0; i<def->variants.n; i++ ) if( def->variants.v[ i ].type ) return false;
  return true;
}

/* ---- Gathering ---- */

/* Each file once. */
static void gather( svc_t * g, char const * file, dmg_span_t text, unsigned nest ) {
  dmic_t * d = g->d;
  dmi_name_t * n = DMI_PUSH( d, g->seen );
  dmi_file_t * f = n ? dmi_parse( d, file, text ) : NULL;
  if( !f ) return;
  n->text = dmg_span_cstr( file );
  for( uint32_t i = 0; i<f->imports.n; i++ ) {
    dmg_span_t in;
    char const * in_file;
    if( nest>=8 ) { dmic_error( d, f->imports.v[ i ].at, "imports go 8 deep (a circle?)" ); break; }
    if( !d->read || !d->read( d->read_ctx, file, f->imports.v[ i ].text, &in, &in_file ) ) { dmic_error( d, f->imports.v[ i ].at, "cannot read \"%.*s\"", DMG_SPAN_F( f->imports.v[ i ].text ) ); continue; }
    bool is_known = false;
    for( uint32_t k = 0; k<g->seen.n; k++ ) is_known = is_known || dmg_span_eq( g->seen.v[ k ].text, dmg_span_cstr( in_file ) );
    if( !is_known ) gather( g, in_file, in, nest+1 );
  }
  dmi_file_t ** slot = DMI_PUSH( d, g->files );
  if( slot ) *slot = f;
}

static bool add( dmic_t * d, dmic_service_t * s, dmi_def_t const * def ) {
  dmi_def_t const * same = dmic_service_def( s, def->name );
  if( same ) { dmic_error( d, def->at, "a second '%.*s'; the first is in line %u", DMG_SPAN_F( def->name ), same->at.line ); return true; }
  if( is_predeclared( def->name ) ) { dmic_error( d, def->at, "'%.*s' is known in every service; take another name", DMG_SPAN_F( def->name ) ); return true; }
  dmi_def_t const ** slot = DMI_PUSH( d, s->all );
  if( slot ) *slot = def;
  return slot!=NULL;
}

static void take_file( dmic_t * d, dmic_service_t * s, dmi_file_t const * f ) {
  for( uint32_t i = 0; i<f->defs.n; i++ ) if( !add( d, s, f->defs.v+i ) ) return;
  for( uint32_t i = 0; i<f->boxes.n; i++ ) {
    dmi_box_t const * b = f->boxes.v+i;
    if( b->kind!=DMI_SERVICE ) continue;
    for( uint32_t k = 0; k<b->defs.n; k++ ) if( !add( d, s, b->defs.v+k ) ) return;
    for( uint32_t k = 0; k<b->faults.n; k++ ) {
      dmi_fault_t const ** slot = DMI_PUSH( d, s->faults );
      if( slot ) *slot = b->faults.v+k;
    }
    for( uint32_t k = 0; k<b->fns.n; k++ ) {
      dmi_fn_t const * fn = b->fns.v+k;
      if( fn->kind!=DMI_FN_METHOD && fn->kind!=DMI_FN_STREAM ) { dmic_error( d, fn->at, "a service has methods and streams; calls and queries belong to a module" ); continue; }
      dmi_fn_t const ** slot = fn->kind==DMI_FN_METHOD ? DMI_PUSH( d, s->methods ) : DMI_PUSH( d, s->streams );
      if( slot ) *slot = fn;
    }
  }
}

/* ---- Checking ---- */

static void check_type( svc_t * g, dmi_type_t const * t, bool is_opt_ok );

static void check_num( svc_t * g, dmi_num_t const * n ) {
  dmi_def_t const * def = n->is_name ? dmic_service_def( g->s, n->name ) : NULL;
  if( n->is_name && ( !def || def->kind!=DMI_DEF_CONST || def->is_string ) ) dmic_error( g->d, n->at, "'%.*s' is no constant number", DMG_SPAN_F( n->name ) );
  else if( !dmic_service_num( g->s, n ) ) dmic_error( g->d, n->at, "a bound is at least 1" );
}

static void check_fields( svc_t * g, dmi_fields_t const * f, bool is_payload ) {
  for( uint32_t i = 0; i<f->n; i++ ) {
    for( uint32_t k = 0; k<i; k++ )
      if( dmg_span_eq( f->v[ k ].name, f->v[ i ].name ) ) dmic_error( g->d, f->v[ i ].at, "a second '%.*s'", DMG_SPAN_F( f->v[ i ].name ) );
    if( is_payload && dmg_span_eq( f->v[ i ].name, DMG_SPAN_STR( "kind" ) ) ) dmic_error( g->d, f->v[ i ].at, "this struct stands beside a variant's \"kind\"; name the field otherwise" );
    check_type( g, f->v[ i ].type, true );
  }
}

/* Afterwards def stands in s->defs, behind what it needs. */
static void check_def( svc_t * g, dmi_def_t * def, dmi_at_t use ) {
  if( def->state==2 ) return;
  if( def->state==1 ) { dmic_error( g->d, use, "'%.*s' contains itself; no type may", DMG_SPAN_F( def->name ) ); return; }
  def->state = 1;
  switch( def->kind ) {
  case DMI_DEF_CONST:
    if( !def->is_string && def->num.is_name ) check_num( g, &def->num );
    break;
  case DMI_DEF_ALIAS: check_type( g, def->type, false ); break;
  case DMI_DEF_STRUCT: check_fields( g, &def->fields, false ); break;
  case DMI_DEF_ENUM:
    if( !def->variants.n ) dmic_error( g->d, def->at, "an enum has variants" );
    for( uint32_t i = 0; i<def->variants.n; i++ ) {
      dmi_variant_t const * v = def->variants.v+i;
      if( v->tag!=i ) dmic_error( g->d, v->at, "variants are numbered 0, 1, 2 .. in order; this one is %llu", (unsigned long long)v->tag );
      for( uint32_t k = 0; k<i; k++ ) if( dmg_span_eq( def->variants.v[ k ].name, v->name ) ) dmic_error( g->d, v->at, "a second '%.*s'", DMG_SPAN_F( v->name ) );
      if( !v->type ) continue;
      check_type( g, v->type, false );
      dmi_def_t const * p = v->type->form==DMI_T_NAME ? dmic_service_def( g->s, v->type->name ) : NULL;
      if( !p || p->kind!=DMI_DEF_STRUCT ) dmic_error( g->d, v->at, "a variant carries a struct: its fields stand beside \"kind\"" );
      else check_fields( g, &p->fields, true );
    }
    break;
  }
  def->state = 2;
  if( def->kind==DMI_DEF_CONST ) return;
  dmi_def_t const ** slot = DMI_PUSH( g->d, g->s->defs );
  if( slot ) *slot = def;
}

static void check_type( svc_t * g, dmi_type_t const * t, bool is_opt_ok ) {
  if( !t ) return;
  if( t->is_opt && !is_opt_ok ) dmic_error( g->d, t->at, "only fields and parameters may be absent" );
  switch( t->form ) {
  case DMI_T_PRIM:
    if( t->prim==DMG_TYPE_ASSET ) dmic_error( g->d, t->at, "asset has no one form in JSON; declare a struct" );
    break;
  case DMI_T_FIXED: case DMI_T_BYTES: case DMI_T_STR: check_num( g, &t->num ); break;
  case DMI_T_LIST: check_num( g, &t->num ); check_type( g, t->a, false ); break;
  case DMI_T_MAP: dmic_error( g->d, t->at, "JSON has no map of any key; write list<Entry, n> with a struct of key and value" ); break;
  case DMI_T_NAME: {
    dmi_def_t const * def = dmic_service_def( g->s, t->name );
    if( !def && !is_predeclared( t->name ) ) dmic_error( g->d, t->at, "there is no type '%.*s'", DMG_SPAN_F( t->name ) );
    else if( def && def->kind==DMI_DEF_CONST ) dmic_error( g->d, t->at, "'%.*s' is a constant, not a type", DMG_SPAN_F( t->name ) );
    else if( def ) check_def( g, (dmi_def_t *)(uintptr_t)def, t->at );
  }
  }
}

static void check_fn( svc_t * g, dmi_fn_t const * f ) {
  bool is_method = f->kind==DMI_FN_METHOD;
  if( f->name.sz>DMIC_METHOD_NAME_MAX ) dmic_error( g->d, f->at, "the name of a method has at most %u bytes", DMIC_METHOD_NAME_MAX );
  if( !f->doc.sz )                      dmic_error( g->d, f->at, "%.*s needs a line of /// that says what it does", DMG_SPAN_F( f->name ) );
  if( !f->ret )                         dmic_error( g->d, f->at, "%.*s needs a result: -> and a type", DMG_SPAN_F( f->name ) );
  check_fields( g, &f->params, false );
  check_type( g, f->ret, false );
  if( f->params.n>DMIC_PARAM_MAX ) dmic_error( g->d, f->at, "at most %u parameters", DMIC_PARAM_MAX );
  bool is_opt = false;
  for( uint32_t i = 0; i<f->params.n; i++ ) {
    dmi_field_t const * p = f->params.v+i;
    if( !p->type ) continue;
    if( is_opt && !p->type->is_opt ) dmic_error( g->d, p->at, "'%.*s' is needed, but stands after an optional parameter", DMG_SPAN_F( p->name ) );
    is_opt = is_opt || p->type->is_opt;
    if( is_method && !p->doc.sz ) dmic_error( g->d, p->at, "parameter '%.*s' needs a line of /// that says what it is", DMG_SPAN_F( p->name ) );
  }
  if( !is_method ) return;
  if( f->klass.sz!=1 || f->klass.p[ 0 ]<'A' || f->klass.p[ 0 ]>'C' ) dmic_error( g->d, f->klass.sz ? f->klass_at : f->at, "%.*s needs class A, B or C (F3.2)", DMG_SPAN_F( f->name ) );
  if( !f->has_gas ) dmic_error( g->d, f->at, "%.*s needs a cost in units of 10 us (F3.3)", DMG_SPAN_F( f->name ) );
  else if( !dmic_service_num( g->s, &f->gas ) || dmic_service_num( g->s, &f->gas )>3000 ) dmic_error( g->d, f->gas.at, "a cost is 1..3000 units: more is past what a client can save up (F3.4)" );
  if( !f->has_example ) dmic_error( g->d, f->at, "%.*s needs an example: params by name as JSON, that every chain can be asked (F4.1)", DMG_SPAN_F( f->name ) );
  for( uint32_t i = 0; i<f->auth.n; i++ ) if( !dmg_span_eq( f->auth.v[ i ].text, DMG_SPAN_STR( "dev" ) ) ) dmic_error( g->d, f->auth.v[ i ].at, "a method's auth is dev or nothing" );
}

static void check_faults( svc_t * g ) {
  dmic_service_t const * s = g->s;
  for( uint32_t i = 0; i<s->faults.n; i++ ) {
    dmi_fault_t const * f = s->faults.v[ i ];
    for( uint32_t k = 0; k<i; k++ ) {
      if( s->faults.v[ k ]->id==f->id )                    dmic_error( g->d, f->at, "%.*s has number %llu too", DMG_SPAN_F( s->faults.v[ k ]->name ), (unsigned long long)f->id );
      if( dmg_span_eq( s->faults.v[ k ]->name, f->name ) ) dmic_error( g->d, f->at, "a second fault '%.*s'", DMG_SPAN_F( f->name ) );
    }
    if( !f->doc.sz )                 dmic_error( g->d, f->at, "%.*s needs a line of /// that says what it means", DMG_SPAN_F( f->name ) );
    if( f->http<400 || f->http>599 ) dmic_error( g->d, f->at, "%.*s needs http 400..599", DMG_SPAN_F( f->name ) );
    check_fields( g, &f->fields, false );
  }
}

bool dmic_is_service( dmg_arena_t * arena, char const * file, dmg_span_t text ) {
  dmic_t quiet = { .arena = arena, .out_err = dmg_buf( 1u<<20 ) };
  dmi_file_t * f = dmi_parse( &quiet, file, text );
  bool is_service = false, is_module = false;
  for( uint32_t i = 0; f && i<f->boxes.n; i++ ) {
    is_service = is_service || f->boxes.v[ i ].kind==DMI_SERVICE;
    is_module  = is_module  || f->boxes.v[ i ].kind==DMI_MODULE;
  }
  dmg_buf_fini( &quiet.out_err );
  return is_service && !is_module;
}

static int by_name( void const * a, void const * b ) { return dmg_span_cmp( ( *(dmi_fn_t const * const *)a )->name, ( *(dmi_fn_t const * const *)b )->name ); }

dmic_service_t * dmic_service( dmic_t * d, char const * file, dmg_span_t text ) {
  dmi_at_t top = { .file = file, .line = 1, .col = 1 };
  if( text.sz>DMIC_FILE_MAX ) { dmic_error( d, top, "a file of more than %u bytes", DMIC_FILE_MAX ); return NULL; }
  dmic_service_t * s = dmic_alloc( d, sizeof *s );
  if( !s ) return NULL;
  svc_t g = { .d = d, .s = s };
  gather( &g, file, text, 0 );
  if( d->is_nomem ) return NULL;
  char const * slash = strrchr( file, '/' ), * base = slash ? slash+1 : file, * dot = strrchr( base, '.' );
  s->name = dmg_span( base, dot ? (size_t)( dot-base ) : strlen( base ) );
  for( uint32_t i = 0; i<g.files.n; i++ ) take_file( d, s, g.files.v[ i ] );
  for( uint32_t i = 0; i<s->all.n; i++ ) check_def( &g, (dmi_def_t *)(uintptr_t)s->all.v[ i ], s->all.v[ i ]->at );
  check_faults( &g );
  if( s->methods.n ) qsort( s->methods.v, s->methods.n, sizeof *s->methods.v, by_name );
  for( uint32_t i = 0; i<s->methods.n; i++ ) {
    check_fn( &g, s->methods.v[ i ] );
    if( i && dmg_span_eq( s->methods.v[ i ]->name, s->methods.v[ i-1 ]->name ) ) dmic_error( d, s->methods.v[ i ]->at, "a second method '%.*s'", DMG_SPAN_F( s->methods.v[ i ]->name ) );
  }
  for( uint32_t i = 0; i<s->streams.n; i++ ) check_fn( &g, s->streams.v[ i ] );
  if( !s->methods.n && !d->err_cnt ) dmic_error( d, top, "there is no method in this file" );
  return d->err_cnt || d->is_nomem ? NULL : s;
}
