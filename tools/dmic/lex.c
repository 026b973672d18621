#include "dmic.h"

#include <stdarg.h>

void dmic_error( dmic_t * d, dmi_at_t at, char const * fmt, ... ) {
  d->err_cnt++;
  if( d->err_cnt>DMIC_ERR_MAX ) return;
  if( d->err_cnt==DMIC_ERR_MAX ) { (void)!dmg_buf_printf( &d->out_err, "%s: error: more than %u mistakes, the rest is not shown\n", at.file, DMIC_ERR_MAX ); return; }
  char line[ 512 ];
  va_list ap;
  va_start( ap, fmt );
  vsnprintf( line, sizeof line, fmt, ap );
  va_end( ap );
  (void)!dmg_buf_printf( &d->out_err, "%s:%u:%u: error: %s\n", at.file, at.line, at.col, line );
}

void * dmic_alloc( dmic_t * d, size_t sz ) {
  void * p = dmg_arena_calloc( d->arena, 1, sz ? sz : 1 );
  if( !p ) d->is_nomem = true;
  return p;
}

bool dmi_vec_grow( dmic_t * d, void ** v, uint32_t * n, uint32_t * cap, size_t sz ) {
  if( *n==*cap ) {
    uint32_t more = *cap ? *cap*2 : 8;
    void * p = dmg_arena_calloc( d->arena, more, sz );
    if( !p ) { d->is_nomem = true; return false; }
    if( *n ) memcpy( p, *v, (size_t)*n*sz );
    *v   = p;
    *cap = more;
  }
  ++*n;
  return true;
}

static bool is_letter( uint8_t c ) { return ( c>='a' && c<='z' ) || ( c>='A' && c<='Z' ) || c=='_'; }
static bool is_digit ( uint8_t c ) { return c>='0' && c<='9'; }
static int  hex_digit( uint8_t c ) { return is_digit( c ) ? c-'0' : c>='a' && c<='f' ? c-'a'+10 : c>='A' && c<='F' ? c-'A'+10 : -1; }

typedef struct { dmic_t * d; char const * file; uint8_t const * p; uint8_t const * end; uint8_t const * line_start; uint32_t line; } lex_t;

static dmi_at_t here( lex_t const * l ) { return (dmi_at_t){ .file = l->file, .line = l->line, .col = (uint32_t)( l->p-l->line_start )+1 }; }

static void newline( lex_t * l ) { l->line++; l->line_start = l->p; }

/* Blanks, // comments; gathers the text of /// lines that directly precede a token. */
static bool skip( lex_t * l, dmg_buf_t * doc ) {
  for(;;) {
    if( l->p<l->end && ( *l->p==' ' || *l->p=='\t' || *l->p=='\r' ) ) { l->p++; continue; }
    if( l->p<l->end && *l->p=='\n' ) { l->p++; newline( l ); continue; }
    if( l->end-l->p>=2 && l->p[ 0 ]=='/' && l->p[ 1 ]=='/' ) {
      bool is_doc = l->end-l->p>=3 && l->p[ 2 ]=='/';
      uint8_t const * from = l->p+( is_doc ? 3 : 2 );
      while( l->p<l->end && *l->p!='\n' ) l->p++;
      if( from>l->p ) from = l->p;
      if( is_doc ) {
        while( from<l->p && *from==' ' ) from++;
        size_t sz = (size_t)( l->p-from );
        while( sz && ( from[ sz-1 ]==' ' || from[ sz-1 ]=='\r' ) ) sz--;
        if( doc->sz && dmg_buf_append( doc, "\n", 1 ) ) return false;
        if( dmg_buf_append( doc, from, sz ) ) return false;
      }
      continue;
    }
    return true;
  }
}

static void lex_num( lex_t * l, dmi_tok_t * t ) {
  bool is_hex = l->end-l->p>2 && l->p[ 0 ]=='0' && ( l->p[ 1 ]=='x' || l->p[ 1 ]=='X' ), is_over = false;
  uint64_t base = is_hex ? 16 : 10, v = 0;
  if( is_hex ) l->p += 2;
  uint8_t const * from = l->p;
  while( l->p<l->end && ( *l->p=='_' || ( hex_digit( *l->p )>=0 && hex_digit( *l->p )<(int)base ) ) ) {
    if( *l->p!='_' ) is_over = !dmg_mul_u64( v, base, &v ) || !dmg_add_u64( v, (uint64_t)hex_digit( *l->p ), &v ) || is_over;
    l->p++;
  }
  if( l->p==from || ( l->p<l->end && is_letter( *l->p ) ) ) dmic_error( l->d, t->at, "this number has a letter or no digit; write 123, 90_000 or 0x0201" );
  if( is_over ) dmic_error( l->d, t->at, "this number does not fit 64 bits" );
  while( l->p<l->end && ( is_letter( *l->p ) || is_digit( *l->p ) ) ) l->p++;
  t->kind = DMI_NUM;
  t->num  = v;
}

static bool lex_string( lex_t * l, dmi_tok_t * t ) {
  uint8_t const * from = ++l->p;
  while( l->p<l->end && *l->p!='"' && *l->p!='\n' ) l->p += l->p[ 0 ]=='\\' && l->end-l->p>1 && l->p[ 1 ]!='\n' ? 2 : 1;
  if( l->p>=l->end || *l->p!='"' ) {
    l->p = l->p<l->end ? l->p : l->end;
    dmic_error( l->d, t->at, "this text is not closed on its line; end it with \"" );
    t->kind = DMI_STRING;
    t->text = dmg_span( from, 0 );
    return true;
  }
  uint8_t * out = dmic_alloc( l->d, (size_t)( l->p-from )+1 );
  if( !out ) return false;
  size_t n = 0;
  for( uint8_t const * q = from; q<l->p; q++ ) {
    uint8_t c = *q;
    if( c=='\\' ) {
      c = *++q;
      if( c=='n' ) c = '\n';
      else if( c!='"' && c!='\\' ) dmic_error( l->d, t->at, "unknown escape \\%c; there are \\\" \\\\ \\n", c>=32 && c<127 ? c : '?' );
    }
    out[ n++ ] = c;
  }
  l->p++;
  t->kind = DMI_STRING;
  t->text = dmg_span( out, n );
  if( !dmg_utf8_is_valid( t->text ) ) dmic_error( l->d, t->at, "this text is not UTF-8" );
  return true;
}

bool dmi_lex( dmic_t * d, char const * file, dmg_span_t text, dmi_toks_t * out ) {
  lex_t l = { .d = d, .file = file, .p = text.p, .end = text.p+text.sz, .line_start = text.p, .line = 1 };
  dmg_buf_t doc = dmg_buf( DMIC_FILE_MAX );
  bool is_ok = false;
  for(;;) {
    dmg_buf_clear( &doc );
    if( !skip( &l, &doc ) ) { d->is_nomem = true; break; }
    dmi_tok_t * t = DMI_PUSH( d, *out );
    if( !t ) break;
    t->at = here( &l );
    if( doc.sz ) {
      t->doc = dmg_arena_dup( d->arena, dmg_buf_span( &doc ) );
      if( !t->doc.p ) { d->is_nomem = true; break; }
    }
    if( l.p>=l.end ) { t->kind = DMI_END; t->text = DMG_SPAN_STR( "the end of the file" ); is_ok = true; break; }
    uint8_t const * from = l.p;
    uint8_t c = *l.p;
    if( is_letter( c ) ) {
      while( l.p<l.end && ( is_letter( *l.p ) || is_digit( *l.p ) ) ) l.p++;
      t->kind = DMI_IDENT;
    } else if( is_digit( c ) ) lex_num( &l, t );
    else if( c=='"' ) { if( !lex_string( &l, t ) ) break; continue; }
    else if( c=='-' && l.end-l.p>1 && l.p[ 1 ]=='>' ) { l.p += 2; t->kind = DMI_ARROW; }
    else if( c && strchr( "{}()[]<>;:,=#?|.^", c ) ) { l.p++; t->kind = DMI_PUNCT; }
    else {
      l.p++;
      while( l.p<l.end && *l.p>=0x80 ) l.p++;
      dmic_error( d, t->at, "unexpected character '%.*s'", (int)( l.p-from ), c>=32 ? (char const *)from : "?" );
      t->kind = DMI_BAD;
    }
    t->text = dmg_span( from, (size_t)( l.p-from ) );
  }
  dmg_buf_fini( &doc );
  return is_ok;
}

void dmic_snake( dmg_span_t name, char * out, size_t cap ) {
  size_t n = 0;
  for( size_t i = 0; i<name.sz && n+2<cap; i++ ) {
    uint8_t c = name.p[ i ];
    bool is_up = c>='A' && c<='Z';
    if( is_up && i && name.p[ i-1 ]!='_' && ( name.p[ i-1 ]<'A' || name.p[ i-1 ]>'Z' ) ) out[ n++ ] = '_';
    out[ n++ ] = (char)( is_up ? c+32 : c );
  }
  out[ n ] = 0;
}

void dmic_upper( dmg_span_t name, char * out, size_t cap ) {
  dmic_snake( name, out, cap );
  for( ; *out; out++ ) if( *out>='a' && *out<='z' ) *out = (char)( *out-32 );
}
