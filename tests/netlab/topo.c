#include "lab.h"

#include "dmgn_conf.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Names of hosts and links ---- */

static int find_city( lab_t const * lab, char const * name ) {
  for( uint32_t i = 0; i<lab->city_cnt; i++ ) if( !strcmp( lab->city[ i ], name ) ) return (int)i;
  return -1;
}

/* "a,b", "city:eu", "*" as a set of hosts. */
static bool read_hosts( lab_t const * lab, char const * text, size_t sz, uint64_t * out_set, dmg_buf_t * why ) {
  *out_set = 0;
  for( size_t at = 0; at<=sz; ) {
    char name[ NAME_MAX_+8 ];
    size_t n = 0;
    while( at<sz && text[ at ]!=',' && n+1<sizeof name ) name[ n++ ] = text[ at++ ];
    name[ n ] = 0;
    uint64_t got = 0;
    for( uint32_t i = 0; i<lab->host_cnt; i++ )
      if( !strcmp( name, "*" ) || !strcmp( name, lab->host[ i ].name ) || ( !strncmp( name, "city:", 5 ) && find_city( lab, name+5 )==(int)lab->host[ i ].city ) ) got |= (uint64_t)1<<i;
    if( !got ) { (void)!dmg_buf_printf( why, "no host \"%s\"; a name, city:NAME or * is one", name ); return false; }
    *out_set |= got;
    if( at++>=sz ) break;
  }
  return true;
}

/* "A|B" both ways, "A>B" one way. */
static bool read_sides( lab_t const * lab, char const * text, uint64_t * out_a, uint64_t * out_b, bool * out_is_both, dmg_buf_t * why ) {
  size_t n = strcspn( text, "|>" );
  if( !text[ n ] ) { (void)!dmg_buf_printf( why, "\"%s\" names no two sides; a|b is both ways, a>b one", text ); return false; }
  *out_is_both = text[ n ]=='|';
  return read_hosts( lab, text, n, out_a, why ) && read_hosts( lab, text+n+1, strlen( text+n+1 ), out_b, why );
}

/* ---- Settings of a link ---- */

typedef enum { FORM_MS, FORM_MBIT, FORM_PPM, FORM_BOOL, FORM_AQM } form_t;
#define LINK_TABLE( X ) \
  X( "delay_ms", delay_ns, FORM_MS ) X( "jitter_ms", jitter_ns, FORM_MS ) X( "rate_mbit", rate_bps, FORM_MBIT ) X( "queue_ms", queue_ns, FORM_MS ) X( "loss", loss_ppm, FORM_PPM ) \
  X( "duplicate", duplicate_ppm, FORM_PPM ) X( "reorder", reorder_ppm, FORM_PPM ) X( "aqm", is_codel, FORM_AQM ) X( "down", is_down, FORM_BOOL )

static bool number( char const * text, double lo, double hi, double * out ) {
  char * end;
  *out = strtod( text, &end );
  return ( isdigit( (unsigned char)*text ) || *text=='.' ) && !*end && isfinite( *out ) && *out>=lo && *out<=hi;
}

/* false: no such key, or not such a value. */
static bool link_set( link_cfg_t * c, char const * key, char const * text, dmg_buf_t * why ) {
  static char const * const wants[] = { "milliseconds from 0 to 60000", "megabits a second from 0 (no limit) to 100000", "a share from 0 to 1", "true or false", "tail or codel" };
  double v = 0;
#define SET( key_, field, form )                                                                                                                 \
  if( !strcmp( key, key_ ) ) {                                                                                                                   \
    bool is_ok = (form)==FORM_MS ? number( text, 0, 60000, &v ) : (form)==FORM_MBIT ? number( text, 0, 100000, &v ) : (form)==FORM_PPM ? number( text, 0, 1, &v ) \
               : (form)==FORM_BOOL ? !strcmp( text, "true" ) || !strcmp( text, "false" ) : !strcmp( text, "tail" ) || !strcmp( text, "codel" );       \
    if( !is_ok ) { (void)!dmg_buf_printf( why, "%s wants %s, got \"%s\"", key, wants[ form ], text ); return false; }                                \
    c->field = (form)>=FORM_BOOL ? (__typeof__( c->field ))( *text=='t' && text[ 1 ]=='r' ) || *text=='c' : (__typeof__( c->field ))llround( v*1e6 );        \
    return true;                                                                                                                                 \
  }
  LINK_TABLE( SET )
#undef SET
  (void)!dmg_buf_printf( why, "a link has no \"%s\"; it has", key );
#define NAME( key_, field, form ) (void)!dmg_buf_printf( why, " %s", key_ );
  LINK_TABLE( NAME )
#undef NAME
  return false;
}

/* ---- Commands ---- */

bool lab_do( lab_t * lab, char const * text, dmg_buf_t * out ) {
  char line[ COMMAND_MAX ], * save = NULL;
  if( strlen( text )>=sizeof line ) { (void)!dmg_buf_printf( out, "a command has at most %d bytes", COMMAND_MAX-1 ); return false; }
  snprintf( line, sizeof line, "%s", text );
  char * verb = strtok_r( line, " \n", &save ), * sides = strtok_r( NULL, " \n", &save );
  if( !verb ) { (void)!dmg_buf_printf( out, "no command; there are cut, join, link, heal, stat" ); return false; }
  if( !strcmp( verb, "heal" ) ) {
    for( uint32_t i = 0; i<lab->host_cnt; i++ ) for( uint32_t k = 0; k<lab->host_cnt; k++ ) lab->link[ i ][ k ].cfg.is_down = false;
    return true;
  }
  if( !strcmp( verb, "stat" ) ) {
    for( uint32_t i = 0; i<lab->host_cnt; i++ ) for( uint32_t k = 0; k<lab->host_cnt; k++ ) {
      link_stat_t const * s = &lab->link[ i ][ k ].stat;
      if( i!=k && s->sent ) (void)!dmg_buf_printf( out, "{\"from\":\"%s\",\"to\":\"%s\",\"packets\":%lu,\"bytes\":%lu,\"lost\":%lu,\"queue\":%lu,\"cut\":%lu}\n", lab->host[ i ].name, lab->host[ k ].name,
                                                   (unsigned long)s->sent, (unsigned long)s->sent_sz, (unsigned long)s->lost, (unsigned long)s->queued_out, (unsigned long)s->cut );
    }
    (void)!dmg_buf_printf( out, "{\"inFlight\":%u,\"overflow\":%lu,\"stray\":%lu}\n", lab->flight_cnt, (unsigned long)lab->overflow_cnt, (unsigned long)lab->stray_cnt );
    return true;
  }
  bool is_cut = !strcmp( verb, "cut" ), is_join = !strcmp( verb, "join" ), is_both;
  if( !is_cut && !is_join && strcmp( verb, "link" ) ) { (void)!dmg_buf_printf( out, "no command \"%s\"; there are cut, join, link, heal, stat", verb ); return false; }
  uint64_t a, b;
  if( !sides ) { (void)!dmg_buf_printf( out, "%s whom? a|b is both ways, a>b one", verb ); return false; }
  if( !read_sides( lab, sides, &a, &b, &is_both, out ) ) return false;
  char * setting[ 16 ];
  uint32_t n = 0;
  while( n<16 && ( setting[ n ] = strtok_r( NULL, " \n", &save ) ) ) n++;
  link_cfg_t tried = { 0 };
  for( uint32_t s = 0; s<n; s++ ) {
    char * eq = strchr( setting[ s ], '=' );
    if( is_cut || is_join || !eq ) { (void)!dmg_buf_printf( out, "\"%s\": only link takes settings, as key=value", setting[ s ] ); return false; }
    *eq = 0;
    if( !link_set( &tried, setting[ s ], eq+1, out ) ) return false;
  }
  for( uint32_t i = 0; i<lab->host_cnt; i++ ) for( uint32_t k = 0; k<lab->host_cnt; k++ ) {
    bool there = a>>i&1 && b>>k&1, back = is_both && b>>i&1 && a>>k&1;
    if( i==k || ( !there && !back ) ) continue;
    link_cfg_t * c = &lab->link[ i ][ k ].cfg;
    if( is_cut || is_join ) c->is_down = is_cut;
    for( uint32_t s = 0; s<n; s++ ) (void)link_set( c, setting[ s ], setting[ s ]+strlen( setting[ s ] )+1, out );
  }
  return true;
}

/* ---- The file ---- */

typedef struct { lab_t * lab; char const * path; dmg_buf_t * why; dmgn_conf_item_t const * item; size_t cnt; } reader_t;

static bool bad( reader_t * r, dmgn_conf_item_t const * it, char const * text ) {
  dmg_buf_clear( r->why );
  (void)!dmg_buf_printf( r->why, "%s:%u:%u: %s: %s", r->path, it->line, it->col, it->path, text );
  return false;
}
static bool bad_why( reader_t * r, dmgn_conf_item_t const * it ) {
  char text[ 300 ];
  snprintf( text, sizeof text, "%.*s", (int)r->why->sz, (char const *)r->why->p );
  return bad( r, it, text );
}

/* "host[3].name" -> the list, its index, the rest of the path. */
static bool in_list( dmgn_conf_item_t const * it, char const * list, uint32_t * out_idx, char const ** out_key ) {
  size_t n = strlen( list );
  char * end;
  if( strncmp( it->path, list, n ) || it->path[ n ]!='[' ) return false;
  *out_idx = (uint32_t)strtoul( it->path+n+1, &end, 10 );
  *out_key = !strncmp( end, "].", 2 ) ? end+2 : "";
  return true;
}

static bool read_host( reader_t * r, dmgn_conf_item_t const * it, uint32_t idx, char const * key ) {
  lab_t * lab = r->lab;
  if( idx>=HOSTS_MAX ) return bad( r, it, "at most 64 hosts" );
  host_t * h = lab->host+idx;
  if( idx>=lab->host_cnt ) lab->host_cnt = idx+1;
  if( !*key ) return true;
  if( !strcmp( key, "name" ) ) {
    if( it->type!=DMGN_CONF_STRING || !it->text_sz || it->text_sz>=NAME_MAX_ || strspn( it->text, "abcdefghijklmnopqrstuvwxyz0123456789-_" )!=it->text_sz ) return bad( r, it, "a name has 1 to 23 of a-z 0-9 - _" );
    for( uint32_t i = 0; i<lab->host_cnt; i++ ) if( !strcmp( lab->host[ i ].name, it->text ) ) return bad( r, it, "two hosts of one name" );
    snprintf( h->name, sizeof h->name, "%s", it->text );
    return true;
  }
  if( !strcmp( key, "city" ) ) {
    if( it->type!=DMGN_CONF_STRING || !it->text_sz || it->text_sz>=NAME_MAX_ ) return bad( r, it, "a city has 1 to 23 characters" );
    int c = find_city( lab, it->text );
    if( c<0 && lab->city_cnt==CITIES_MAX ) return bad( r, it, "at most 32 cities" );
    if( c<0 ) { c = (int)lab->city_cnt++; snprintf( lab->city[ c ], sizeof lab->city[ c ], "%s", it->text ); }
    h->city = (uint32_t)c;
    return true;
  }
  if( !strcmp( key, "rate_mbit" ) ) {
    link_cfg_t c = { 0 };
    if( !link_set( &c, "rate_mbit", it->text, r->why ) ) return bad_why( r, it );
    h->rate_bps = c.rate_bps;
    return true;
  }
  if( !strcmp( key, "run" ) ) return it->type==DMGN_CONF_ARRAY && it->cnt && it->cnt<=ARGS_MAX ? true : bad( r, it, "a program and its arguments, [ \"node\", \"-x\" ], at most 32" );
  if( !strncmp( key, "run[", 4 ) ) {
    if( it->type!=DMGN_CONF_STRING ) return bad( r, it, "an argument is a string" );
    h->run[ strtoul( key+4, NULL, 10 )%ARGS_MAX ] = strdup( it->text );
    return true;
  }
  return bad( r, it, "a host has name, city, rate_mbit, run" );
}

static bool is_string( dmgn_conf_item_t const * it ) { return it->type==DMGN_CONF_STRING; }

/* Hosts first: all other tables speak of them, wherever they stand. */
static bool read_hosts_of_file( reader_t * r ) {
  uint32_t idx;
  char const * key;
  for( size_t i = 0; i<r->cnt; i++ ) if( in_list( r->item+i, "host", &idx, &key ) && !read_host( r, r->item+i, idx, key ) ) return false;
  lab_t * lab = r->lab;
  if( !lab->host_cnt ) { (void)!dmg_buf_printf( r->why, "%s: no [[host]]", r->path ); return false; }
  if( !lab->city_cnt ) snprintf( lab->city[ lab->city_cnt++ ], NAME_MAX_, "here" );
  for( uint32_t i = 0; i<lab->host_cnt; i++ ) {
    if( !*lab->host[ i ].name ) { (void)!dmg_buf_printf( r->why, "%s: host[%u] has no name", r->path, i ); return false; }
    lab->host[ i ].idx = 1;
    for( uint32_t k = 0; k<i; k++ ) if( lab->host[ k ].city==lab->host[ i ].city ) lab->host[ i ].idx++;
  }
  return true;
}

static bool read_between( reader_t * r, uint32_t idx ) {
  char path[ 40 ], line[ COMMAND_MAX ] = "";
  dmgn_conf_item_t const * sides = NULL, * first = NULL;
  size_t n = 0;
  uint32_t got;
  char const * key;
  snprintf( path, sizeof path, "between[%u].sides", idx );
  for( size_t i = 0; i<r->cnt; i++ ) if( !strcmp( r->item[ i ].path, path ) && is_string( r->item+i ) ) sides = r->item+i;
  for( size_t i = 0; i<r->cnt; i++ ) {
    dmgn_conf_item_t const * it = r->item+i;
    if( !in_list( it, "between", &got, &key ) || got!=idx ) continue;
    if( !first ) first = it;
    if( !sides ) return bad( r, it, "sides = \"a|b\" is missing" );
    if( !n ) n = (size_t)snprintf( line, sizeof line, "link %s", sides->text );
    if( *key && strcmp( key, "sides" ) && n<sizeof line ) n += (size_t)snprintf( line+n, sizeof line-n, " %s=%s", key, it->text );
  }
  if( n>=sizeof line ) return bad( r, first, "too long" );
  dmg_buf_clear( r->why );
  return lab_do( r->lab, line, r->why ) ? true : bad_why( r, first );
}

static int by_time( void const * a, void const * b ) {
  uint64_t x = ( (timed_t const *)a )->at_ns, y = ( (timed_t const *)b )->at_ns;
  return x<y ? -1 : x>y;
}

/* Tried on a copy, so that a mistake shows before the run and not in its middle. */
static bool read_at( reader_t * r ) {
  lab_t * lab = r->lab;
  uint32_t idx;
  char const * key;
  double s;
  for( size_t i = 0; i<r->cnt; i++ ) {
    dmgn_conf_item_t const * it = r->item+i;
    if( !in_list( it, "at", &idx, &key ) || !*key ) continue;
    if( idx>=AT_MAX ) return bad( r, it, "at most 256 commands" );
    if( idx>=lab->at_cnt ) lab->at_cnt = idx+1;
    timed_t * t = lab->at+idx;
    if( !strcmp( key, "s" ) ) {
      if( !number( it->text, 0, 1e6, &s ) ) return bad( r, it, "seconds since the start" );
      t->at_ns = (uint64_t)( s*1e9 );
    } else if( !strcmp( key, "do" ) ) {
      lab_t * copy = malloc( sizeof *copy );
      bool is_ok = copy && is_string( it ) && it->text_sz<COMMAND_MAX;
      if( is_ok ) { *copy = *lab; dmg_buf_clear( r->why ); is_ok = lab_do( copy, it->text, r->why ); }
      free( copy );
      if( !is_ok ) return bad_why( r, it );
      snprintf( t->text, sizeof t->text, "%s", it->text );
    } else return bad( r, it, "a command has s and do" );
  }
  for( uint32_t i = 0; i<lab->at_cnt; i++ ) if( !*lab->at[ i ].text ) { (void)!dmg_buf_printf( r->why, "%s: at[%u] has no do", r->path, i ); return false; }
  qsort( lab->at, lab->at_cnt, sizeof *lab->at, by_time );
  return true;
}

bool topo_read( lab_t * lab, char const * path, dmg_span_t text, dmg_buf_t * why ) {
  dmgn_conf_t * conf;
  dmgn_conf_err_t err;
  if( dmgn_conf_parse( text.p, text.sz, &conf, &err ) ) { (void)!dmg_buf_printf( why, "%s:%u:%u: %s", path, err.line, err.col, err.text ); return false; }
  reader_t r = { .lab = lab, .path = path, .why = why };
  r.item = dmgn_conf_items( conf, &r.cnt );
  bool is_ok = true;
  link_cfg_t all = { .queue_ns = 100000000 };
  uint32_t idx, between_cnt = 0;
  char const * key;
  for( size_t i = 0; i<r.cnt && is_ok; i++ ) {
    dmgn_conf_item_t const * it = r.item+i;
    if( !strcmp( it->path, "seed" ) ) {
      is_ok = it->type==DMGN_CONF_INTEGER && *it->text!='-' ? true : bad( &r, it, "a number" );
      if( !lab->seed ) lab->seed = strtoull( it->text, NULL, 10 );   /* the command line's comes first */
    } else if( !strncmp( it->path, "link.", 5 ) ) {
      dmg_buf_clear( why );
      if( !link_set( &all, it->path+5, it->text, why ) ) is_ok = bad_why( &r, it );
    } else if( in_list( it, "between", &idx, &key ) ) between_cnt = idx+1;
    else if( !in_list( it, "host", &idx, &key ) && !in_list( it, "at", &idx, &key ) && strcmp( it->path, "host" ) && strcmp( it->path, "at" ) && strcmp( it->path, "between" ) && strcmp( it->path, "link" ) )
      is_ok = bad( &r, it, "no such table; there are seed, link, host, between, at" );
  }
  is_ok = is_ok && read_hosts_of_file( &r );
  if( is_ok ) {
    for( uint32_t i = 0; i<lab->host_cnt; i++ ) {
      link_init( &lab->host[ i ].up, &(link_cfg_t){ .rate_bps = lab->host[ i ].rate_bps, .queue_ns = all.queue_ns, .is_codel = all.is_codel }, lab->seed*1000003u+i );
      for( uint32_t k = 0; k<lab->host_cnt; k++ ) link_init( &lab->link[ i ][ k ], &all, lab->seed*1000003u+1000+i*HOSTS_MAX+k );
    }
    for( uint32_t i = 0; i<between_cnt && is_ok; i++ ) is_ok = read_between( &r, i );
    is_ok = is_ok && read_at( &r );
  }
  dmgn_conf_free( conf );
  return is_ok;
}
