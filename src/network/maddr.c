#include "network/maddr.h"
#include "base/assert.h"

#include <stdio.h>

enum { IP4 = 4, TCP = 6, IP6 = 41, DNS = 53, DNS4 = 54, DNS6 = 55, UDP = 273, QUIC = 461, WS = 477, NAME_MAX_SZ = 63 };

/* --- numbers ---------------------------------------------------------------------------------------------- */

/* Decimal without leading zeros, up to max; past it, or NULL. */
static char const * number( char const * p, uint32_t max, uint32_t * out ) {
  uint32_t v = 0;
  char const * q = p;
  while( *q>='0' && *q<='9' && q-p<6 ) v = v*10+(uint32_t)( *q++-'0' );
  if( q==p || ( *p=='0' && q-p>1 ) || v>max ) return NULL;
  *out = v;
  return q;
}

static char const * ip4_parse( char const * p, uint8_t out[ 4 ] ) {
  for( unsigned i = 0; i<4; i++ ) {
    uint32_t v;
    if( i && *p++!='.' ) return NULL;
    p = number( p, 255, &v );
    if( !p ) return NULL;
    out[ i ] = (uint8_t)v;
  }
  return p;
}

static int hex_of( char c ) { return c>='0' && c<='9' ? c-'0' : c>='a' && c<='f' ? c-'a'+10 : c>='A' && c<='F' ? c-'A'+10 : -1; }

/* Eight groups of hex, zeros once cut to "::"; no IPv4 tail, no zone. */
static char const * ip6_parse( char const * p, uint8_t out[ 16 ] ) {
  uint16_t g[ 8 ] = { 0 };
  unsigned cnt = 0, gap = 8;
  bool has_gap = false;
  if( p[ 0 ]==':' && p[ 1 ]==':' ) { has_gap = true; gap = 0; p += 2; }
  while( hex_of( *p )>=0 ) {
    if( cnt==8 ) return NULL;
    uint32_t v = 0;
    unsigned n = 0;
    while( hex_of( *p )>=0 && n<5 ) { v = v*16+(uint32_t)hex_of( *p++ ); n++; }
    if( n>4 ) return NULL;
    g[ cnt++ ] = (uint16_t)v;
    if( *p!=':' ) break;
    p++;
    if( *p==':' ) { if( has_gap ) return NULL; has_gap = true; gap = cnt; p++; }
    else if( hex_of( *p )<0 ) return NULL;
  }
  if( has_gap ? cnt>7 : cnt!=8 ) return NULL;
  for( size_t i = 0; i<8; i++ ) {
    /* What stands behind the gap moves to the end. */
    size_t from = i<gap ? i : i>=8-( cnt-gap ) ? i-( 8-cnt ) : 8;
    uint16_t v = has_gap ? ( from<8 ? g[ from ] : 0 ) : g[ i ];
    out[ 2*i ]   = (uint8_t)( v>>8 );
    out[ 2*i+1 ] = (uint8_t)v;
  }
  return p;
}

static bool is_name_char( uint8_t c ) { return ( c>='a' && c<='z' ) || ( c>='A' && c<='Z' ) || ( c>='0' && c<='9' ) || c=='-' || c=='.'; }

/* --- bytes ------------------------------------------------------------------------------------------------ */

static bool put( dmg_maddr_t * a, void const * p, size_t sz ) {
  if( sz>(size_t)DMG_MADDR_SZ_MAX-a->sz ) return false;
  memcpy( a->b+a->sz, p, sz );
  a->sz = (uint8_t)( a->sz+sz );
  return true;
}

static bool put_code( dmg_maddr_t * a, uint32_t code ) {
  uint8_t b[ 2 ] = { (uint8_t)code, 0 };
  if( code>=128 ) { b[ 0 ] = (uint8_t)( code|128 ); b[ 1 ] = (uint8_t)( code>>7 ); }
  return put( a, b, code>=128 ? 2 : 1 );
}

typedef struct { uint8_t const * p, * end; } rd_t;

static bool get_code( rd_t * r, uint32_t * out ) {
  if( r->p==r->end ) return false;
  uint32_t v = *r->p++;
  if( v>=128 ) {
    if( r->p==r->end || !*r->p || *r->p>=128 ) return false;   /* shortest form, two bytes at most */
    v = ( v&127 )|(uint32_t)*r->p++<<7;
  }
  *out = v;
  return true;
}

static bool get( rd_t * r, size_t sz, uint8_t const ** out ) {
  if( sz>(size_t)( r->end-r->p ) ) return false;
  *out = r->p;
  r->p += sz;
  return true;
}

typedef struct { uint32_t host, transport, port; uint8_t const * value; size_t value_sz; bool has_tail; } parts_t;

/* host | tcp port [ws]   or   host | udp port | quic-v1 */
static bool parts_of( dmg_span_t bytes, parts_t * out ) {
  rd_t r = { bytes.p, bytes.p+bytes.sz };
  uint8_t const * port, * len;
  uint32_t tail;
  *out = (parts_t){ 0 };
  if( !bytes.sz || bytes.sz>DMG_MADDR_SZ_MAX || !get_code( &r, &out->host ) ) return false;
  switch( out->host ) {
    case IP4: out->value_sz = 4;  break;
    case IP6: out->value_sz = 16; break;
    case DNS: case DNS4: case DNS6:
      if( !get( &r, 1, &len ) || !*len || *len>NAME_MAX_SZ ) return false;
      out->value_sz = *len;
      break;
    default: return false;
  }
  if( !get( &r, out->value_sz, &out->value ) ) return false;
  if( out->host!=IP4 && out->host!=IP6 ) for( size_t i = 0; i<out->value_sz; i++ ) if( !is_name_char( out->value[ i ] ) ) return false;
  if( !get_code( &r, &out->transport ) || ( out->transport!=TCP && out->transport!=UDP ) || !get( &r, 2, &port ) ) return false;
  out->port = (uint32_t)port[ 0 ]<<8 | port[ 1 ];
  if( !out->port ) return false;
  out->has_tail = r.p<r.end;
  if( out->has_tail && ( !get_code( &r, &tail ) || tail!=( out->transport==TCP ? WS : QUIC ) ) ) return false;
  return r.p==r.end && ( out->transport==TCP || out->has_tail );
}

bool dmg_maddr_decode( dmg_span_t bytes, dmg_maddr_t * out ) {
  parts_t parts;
  if( !parts_of( bytes, &parts ) ) return false;
  *out = (dmg_maddr_t){ .sz = (uint8_t)bytes.sz };
  memcpy( out->b, bytes.p, bytes.sz );
  return true;
}

/* --- text ------------------------------------------------------------------------------------------------- */

static bool starts( char const ** p, char const * word ) {
  size_t n = strlen( word );
  if( strncmp( *p, word, n ) ) return false;
  *p += n;
  return true;
}

bool dmg_maddr_parse( char const * text, dmg_maddr_t * out ) {
  static struct { char const * word; uint32_t code; } const names[] = { { "/dns/", DNS }, { "/dns4/", DNS4 }, { "/dns6/", DNS6 } };
  dmg_maddr_t a = { 0 };
  uint8_t ip[ 16 ];
  uint32_t port;
  char const * p = text;
  bool is_good = false;
  if( starts( &p, "/ip4/" ) )      { p = ip4_parse( p, ip ); is_good = p && put_code( &a, IP4 ) && put( &a, ip, 4 ); }
  else if( starts( &p, "/ip6/" ) ) { p = ip6_parse( p, ip ); is_good = p && put_code( &a, IP6 ) && put( &a, ip, 16 ); }
  else for( unsigned i = 0; i<3 && !is_good; i++ ) if( starts( &p, names[ i ].word ) ) {
    size_t n = strcspn( p, "/" );
    if( !n || n>NAME_MAX_SZ ) return false;
    uint8_t len = (uint8_t)n;
    is_good = put_code( &a, names[ i ].code ) && put( &a, &len, 1 ) && put( &a, p, n );
    p += n;
  }
  if( !is_good ) return false;
  bool is_tcp = starts( &p, "/tcp/" );
  if( !is_tcp && !starts( &p, "/udp/" ) ) return false;
  p = number( p, 65535, &port );
  if( !p ) return false;
  uint8_t be[ 2 ] = { (uint8_t)( port>>8 ), (uint8_t)port };
  if( !put_code( &a, is_tcp ? TCP : UDP ) || !put( &a, be, 2 ) ) return false;
  if( is_tcp ? starts( &p, "/ws" ) : starts( &p, "/quic-v1" ) ) is_good = put_code( &a, is_tcp ? WS : QUIC );
  else is_good = is_tcp;
  return is_good && !*p && dmg_maddr_decode( dmg_span( a.b, a.sz ), out );
}

void dmg_maddr_text( dmg_maddr_t const * a, char out[ DMG_MADDR_TEXT_SZ ] ) {
  parts_t x;
  char host[ 96 ];
  bool is_good = parts_of( dmg_span( a->b, a->sz ), &x );
  DMG_ASSERT( is_good );
  uint8_t const * v = x.value;
  switch( x.host ) {
    case IP4: snprintf( host, sizeof host, "/ip4/%u.%u.%u.%u", v[ 0 ], v[ 1 ], v[ 2 ], v[ 3 ] ); break;
    case IP6:
      snprintf( host, sizeof host, "/ip6/%x:%x:%x:%x:%x:%x:%x:%x", v[ 0 ]<<8|v[ 1 ], v[ 2 ]<<8|v[ 3 ], v[ 4 ]<<8|v[ 5 ], v[ 6 ]<<8|v[ 7 ], v[ 8 ]<<8|v[ 9 ], v[ 10 ]<<8|v[ 11 ], v[ 12 ]<<8|v[ 13 ],
                v[ 14 ]<<8|v[ 15 ] );
      break;
    default: snprintf( host, sizeof host, "/dns%s/%.*s", x.host==DNS ? "" : x.host==DNS4 ? "4" : "6", (int)x.value_sz, (char const *)v );
  }
  snprintf( out, DMG_MADDR_TEXT_SZ, "%s/%s/%u%s", host, x.transport==TCP ? "tcp" : "udp", x.port, !x.has_tail ? "" : x.transport==TCP ? "/ws" : "/quic-v1" );
}

/* --- networks --------------------------------------------------------------------------------------------- */

static dmg_maddr_class_t ip4_class( uint8_t const * v ) {
  if( v[ 0 ]==0 || v[ 0 ]>=224 ) return DMG_MADDR_NOBODY;                                                /* this network; multicast, reserved, broadcast */
  if( v[ 0 ]==10 || v[ 0 ]==127 || ( v[ 0 ]==172 && v[ 1 ]>>4==1 ) || ( v[ 0 ]==192 && v[ 1 ]==168 ) ) return DMG_MADDR_PRIVATE;
  if( ( v[ 0 ]==169 && v[ 1 ]==254 ) || ( v[ 0 ]==100 && v[ 1 ]>>6==1 ) ) return DMG_MADDR_PRIVATE;      /* link-local; shared by carriers */
  if( v[ 0 ]==198 && v[ 1 ]>>1==9 ) return DMG_MADDR_PRIVATE;                                            /* benchmarks */
  if( ( v[ 0 ]==192 && v[ 1 ]==0 && ( v[ 2 ]==2 || v[ 2 ]==0 ) ) || ( v[ 0 ]==198 && v[ 1 ]==51 && v[ 2 ]==100 ) || ( v[ 0 ]==203 && v[ 1 ]==0 && v[ 2 ]==113 ) ) return DMG_MADDR_NOBODY;   /* documentation */
  return DMG_MADDR_PUBLIC;
}

static dmg_maddr_class_t ip6_class( uint8_t const * v ) {
  static uint8_t const zero[ 12 ], mapped[ 12 ] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, nat64[ 12 ] = { 0, 0x64, 0xff, 0x9b };
  if( !memcmp( v, mapped, 12 ) || !memcmp( v, nat64, 12 ) ) return ip4_class( v+12 );
  if( !memcmp( v, zero, 12 ) ) return v[ 15 ]==1 && !v[ 12 ] && !v[ 13 ] && !v[ 14 ] ? DMG_MADDR_PRIVATE : DMG_MADDR_NOBODY;   /* loopback; unspecified */
  if( v[ 0 ]==0x20 && v[ 1 ]==2 ) return ip4_class( v+2 );                                               /* 6to4 */
  if( ( v[ 0 ]&0xfe )==0xfc || ( v[ 0 ]==0xfe && v[ 1 ]>>6==2 ) ) return DMG_MADDR_PRIVATE;
  if( v[ 0 ]==0x20 && v[ 1 ]==1 && v[ 2 ]==0x0d && v[ 3 ]==0xb8 ) return DMG_MADDR_NOBODY;                /* documentation */
  return v[ 0 ]>>5==1 ? DMG_MADDR_PUBLIC : DMG_MADDR_NOBODY;                                             /* 2000::/3 is all there is */
}

dmg_maddr_class_t dmg_maddr_class( dmg_maddr_t const * a ) {
  parts_t x;
  bool is_good = parts_of( dmg_span( a->b, a->sz ), &x );
  DMG_ASSERT( is_good );
  return x.host==IP4 ? ip4_class( x.value ) : x.host==IP6 ? ip6_class( x.value ) : DMG_MADDR_NAME;
}

dmg_maddr_group_t dmg_maddr_group( dmg_maddr_t const * a ) {
  static uint8_t const mapped[ 12 ] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
  parts_t x;
  bool is_good = parts_of( dmg_span( a->b, a->sz ), &x );
  DMG_ASSERT( is_good );
  dmg_maddr_group_t g = { .sz = 3, .b = { 4 } };
  if( x.host==IP4 )                                       memcpy( g.b+1, x.value, 2 );
  else if( x.host==IP6 && !memcmp( x.value, mapped, 12 ) ) memcpy( g.b+1, x.value+12, 2 );
  else if( x.host==IP6 && x.value[ 0 ]==0x20 && x.value[ 1 ]==2 ) memcpy( g.b+1, x.value+2, 2 );
  else if( x.host==IP6 ) { g = (dmg_maddr_group_t){ .sz = 5, .b = { 6 } }; memcpy( g.b+1, x.value, 4 ); }
  else {
    /* A name's last bytes, which are its domain. */
    g = (dmg_maddr_group_t){ .sz = 7, .b = { 53 } };
    for( size_t i = 0; i<6 && i<x.value_sz; i++ ) g.b[ 6-i ] = x.value[ x.value_sz-1-i ];
  }
  return g;
}
