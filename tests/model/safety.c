/* C14.1, C14.2: every history of a few views, breadth first.

   A certificate exists once enough votes do, those of the Byzantine always counted: that is any delay, loss and order, as a validator may act on it now, later or never.
   So a state is what the honest have signed: 5 bits a view and validator (rules.h), validators of equal weight in ascending order (they have no names).
   What the candidates of a view stand on is chosen before the search: a configuration; all are searched.

     configuration: parent of (v, A), (v, B)  -->  search over votes  -->  S1 S2 S3, finalized chains, pairs, in each state */
#include "model.h"
#include "base/assert.h"
#include "base/os.h"

#include <stdio.h>
#include <string.h>

/* Parents as numbers: 0 the anchor, 1+2(u-1)+p candidate p of view u. */
typedef struct { uint8_t parent[ VIEWS_MAX+1 ][ 2 ]; } config_t;
static uint32_t cand_bit( uint32_t v, uint32_t c ) { return 1u<<( 2*( v-1 )+c ); }

typedef struct {
  safety_t m;
  config_t k;
  uint32_t bits;                          /* a validator's share of a state */
  uint64_t spread[ 1u<<OWN_BITS ];        /* votes to five counters of 8 bits */
  uint64_t add;                           /* 128-need in each: its top bit says "reached" */
  uint8_t  perm[ 1u<<OWN_BITS ][ 64 ];    /* votes that the rules allow, by own votes and what the view offers */
  uint32_t chain[ VIEWS_MAX+1 ][ 2 ];     /* a candidate and its ancestors */
  store_t  store;
} search_t;

/* What certificates exist in a state: bit own_t a view, as "reached". */
typedef struct { uint8_t reached[ VIEWS_MAX+1 ], ctx[ VIEWS_MAX+1 ]; } facts_t;

static uint64_t key_of( search_t const * s, uint32_t const words[ HONEST_MAX ] ) {
  uint64_t key = 0;
  for( uint32_t i = 0; i<s->m.honest; i++ ) key |= (uint64_t)words[ i ]<<i*s->bits;
  return key;
}

static void words_of( search_t const * s, uint64_t key, uint32_t out[ HONEST_MAX ] ) {
  for( uint32_t i = 0; i<s->m.honest; i++ ) out[ i ] = (uint32_t)( key>>i*s->bits )&( ( 1u<<s->bits )-1 );
}

static bool is_twin( search_t const * s, uint32_t i ) { return i && !s->m.is_apart && s->m.weights[ i-1 ]==s->m.weights[ i ]; }

static uint64_t canon( search_t const * s, uint32_t const words[ HONEST_MAX ] ) {
  uint32_t w[ HONEST_MAX ];
  for( uint32_t i = 0; i<s->m.honest; i++ ) {
    uint32_t k = i;
    for( ; is_twin( s, k ) && w[ k-1 ]>words[ i ]; k-- ) w[ k ] = w[ k-1 ];
    w[ k ] = words[ i ];
  }
  return key_of( s, w );
}

static own_t own_at( uint32_t word, uint32_t v ) { return (own_t)( word>>( v-1 )*OWN_BITS&31 ); }

static void facts( search_t const * s, uint32_t const words[ HONEST_MAX ], facts_t * out ) {
  uint32_t low = 0;            /* Z for every view above it and below v */
  bool     is_cur = true;      /* C4.1: v can be cur: a base, then Zs */
  bool     skips = s->m.rules.mutant==RULES_SKIP_WITHOUT_Z;
  for( uint32_t v = 1; v<=s->m.views; v++ ) {
    uint64_t sum = s->add;
    for( uint32_t i = 0; i<s->m.honest; i++ ) sum += s->spread[ own_at( words[ i ], v ) ]*s->m.weights[ i ];
    sum = sum>>7&0x0101010101u;
    uint8_t r = (uint8_t)( ( sum|sum>>7|sum>>14|sum>>21|sum>>28 )&31 );
    out->reached[ v ] = r;
    uint8_t ctx = r&OWN_N;
    for( uint32_t c = 0; c<2; c++ ) {
      uint32_t p = s->k.parent[ v ][ c ], u = ( p+1 )/2, pc = ( p-1 )&1;
      bool has_cert = !p || out->reached[ u ]&( vote_n( pc )|vote_f( pc ) );
      if( has_cert && ( u>=low || skips ) ) ctx |= (uint8_t)( 4u<<c );
    }
    if( is_cur || skips ) ctx |= 16;
    bool is_first = ( v-1 )%s->m.window==0;
    if( ctx&16 || ( !is_first && out->ctx[ v-1 ]&32 ) ) ctx |= 32;
    out->ctx[ v ] = ctx;
    if( !( r&OWN_Z ) ) low = v;
    is_cur = r&( OWN_N|OWN_F ) || ( r&OWN_Z && is_cur );
  }
}

static void tables( search_t * s ) {
  rules_t r = s->m.rules;
  for( uint32_t own = 0; own<32; own++ ) {
    for( uint32_t b = 0; b<OWN_BITS; b++ ) if( own>>b&1 ) s->spread[ own ] |= (uint64_t)1<<8*b;
    for( uint32_t ctx = 0; ctx<64; ctx++ ) {
      uint8_t p = 0;
      for( uint32_t c = 0; c<2; c++ ) {
        if( may_notarize( r, (own_t)own, c, ctx>>4&1, ctx>>c&1, ctx>>( 2+c )&1 ) ) p |= vote_n( c );
        if( may_finalize( r, (own_t)own, c, ctx>>c&1 ) ) p |= vote_f( c );
      }
      if( may_nullify( r, (own_t)own, ctx>>5 ) ) p |= OWN_Z;
      s->perm[ own ][ ctx ] = p;
    }
  }
  uint32_t total = s->m.byz, least = 127;
  for( uint32_t i = 0; i<s->m.honest; i++ ) { total += s->m.weights[ i ]; if( s->m.weights[ i ]<least ) least = s->m.weights[ i ]; }
  uint64_t q = quorum_of( total );
  DMG_ASSERT( total<128 && s->bits*s->m.honest<64 );
  if( r.mutant==RULES_QUORUM_SHORT ) q -= least;
  DMG_ASSERT( q>s->m.byz );
  for( uint32_t b = 0; b<OWN_BITS; b++ ) s->add |= ( 128-( q-s->m.byz ) )<<8*b;
}

/* --- properties --------------------------------------------------------------------------------------------- */

/* C9.3, C9.4: with fewer than q liars a fork needs honest votes, so the certificates that its two chains stand on exist; two of them meet in one view and convict who is in
   both, 2q-W > W/3 of weight.  That none of these is honest is slashable()'s to find. */
static bool is_convicted( search_t const * s, facts_t const * f ) {
  for( uint32_t v = 1; v<=s->m.views; v++ ) {
    uint8_t r = f->reached[ v ];
    for( uint32_t c = 0; c<2; c++ ) if( r&vote_f( c ) && r&( OWN_Z|vote_n( !c )|vote_f( !c ) ) ) return true;
  }
  return false;
}

static char const * check( search_t const * s, uint32_t const words[ HONEST_MAX ], facts_t const * f ) {
  uint32_t fins = 0;   /* finalized candidates of the views below */
  for( uint32_t v = 1; v<=s->m.views; v++ ) {
    uint8_t r = f->reached[ v ];
    if( s->m.props&PROP_S ) {
      if( r&OWN_F && r&OWN_Z ) return "S1: a view is finalized and nullified";
      if( own_n( r )==3 || own_f( r )==3 ) return "S2: two blocks of a view are notarized or finalized";
      if( own_f( r )&~own_n( r ) ) return "S3: a block is finalized and not notarized";
      for( uint32_t c = 0; c<2; c++ ) {
        if( !( r&vote_n( c ) ) ) continue;
        uint32_t p = s->k.parent[ v ][ c ], u = ( p+1 )/2;
        if( p && !( f->reached[ u ]&vote_n( ( p-1 )&1 ) ) ) return "S3: a notarized block stands on one that is not";
        for( uint32_t x = u+1; x<v; x++ ) if( !( f->reached[ x ]&OWN_Z ) ) return "S3: a notarized block skips a view that is not nullified";
        if( fins&~s->chain[ v ][ c ] ) return "a chain is notarized above a finalized block that is not on it";
      }
    }
    for( uint32_t c = 0; c<2; c++ ) {
      if( !( r&vote_f( c ) ) || ( !( fins&~s->chain[ v ][ c ] ) && own_f( r )!=3 ) ) continue;
      if( s->m.props&PROP_FORK ) return "fork: two finalized blocks that no chain joins";
      if( s->m.props&PROP_E && !is_convicted( s, f ) ) return "a fork without two certificates that convict";
    }
    for( uint32_t c = 0; c<2; c++ ) if( r&vote_f( c ) ) fins |= cand_bit( v, c );
    if( !( s->m.props&PROP_E ) ) continue;
    for( uint32_t i = 0; i<s->m.honest; i++ ) {
      switch( slashable( own_at( words[ i ], v ) ) ) {
        case 1: return "E1: an honest validator signs two NOTARIZE of a view";
        case 2: return "E2: an honest validator signs NULLIFY and FINALIZE of a view";
        case 3: return "E3: an honest validator signs FINALIZE beside another block's vote";
        default: break;
      }
    }
  }
  return NULL;
}

/* --- readable ----------------------------------------------------------------------------------------------- */

static char const * name_of( uint32_t p, char out[ 8 ] ) {
  if( !p ) return "the anchor";
  snprintf( out, 8, "%u%c", ( p+1 )/2, "AB"[ ( p-1 )&1 ] );
  return out;
}

static void print_vote( uint32_t v, uint32_t b, bool is_cert ) {
  static char const * const votes[] = { "NOTARIZE", "NOTARIZE", "NULLIFY", "FINALIZE", "FINALIZE" }, * const certs[] = { "N", "N", "Z", "F", "F" };
  char const * name = ( is_cert ? certs : votes )[ b ];
  if( b==2 ) printf( "%s(%u)", name, v ); else printf( "%s(%u%c)", name, v, "AB"[ b==1 || b==4 ] );
}

/* States have no names of validators: each step is found again from a state that has. */
static void print_path( search_t const * s, uint32_t at, char const * why ) {
  static uint32_t path[ 256 ];
  uint32_t cnt = store_path( &s->store, at, path, 256 ), words[ HONEST_MAX ] = { 0 };
  printf( "  shortest path to a violation, %u votes;", cnt-1 );
  for( uint32_t v = 1; v<=s->m.views; v++ ) {
    char a[ 8 ], b[ 8 ];
    printf( " %uA on %s, %uB on %s%s", v, name_of( s->k.parent[ v ][ 0 ], a ), v, name_of( s->k.parent[ v ][ 1 ], b ), v<s->m.views ? ";" : "\n" );
  }
  for( uint32_t n = 1; n<cnt; n++ ) {
    facts_t f, g;
    facts( s, words, &f );
    bool is_found = false;
    for( uint32_t i = 0; i<s->m.honest && !is_found; i++ ) for( uint32_t v = 1; v<=s->m.views && !is_found; v++ ) for( uint32_t b = 0; b<OWN_BITS && !is_found; b++ ) {
      if( !( s->perm[ own_at( words[ i ], v ) ][ f.ctx[ v ] ]>>b&1 ) ) continue;
      uint32_t was = words[ i ];
      words[ i ] |= 1u<<( ( v-1 )*OWN_BITS+b );
      is_found = canon( s, words )==s->store.order[ path[ n ] ];
      if( !is_found ) { words[ i ] = was; continue; }
      printf( "  %3u  validator %u  ", n, i+1 );
      print_vote( v, b, false );
    }
    DMG_ASSERT( is_found );
    facts( s, words, &g );
    char const * sep = "  makes ";
    for( uint32_t v = 1; v<=s->m.views; v++ ) for( uint32_t b = 0; b<OWN_BITS; b++ ) if( ( g.reached[ v ]&~f.reached[ v ] )>>b&1 ) { fputs( sep, stdout ); print_vote( v, b, true ); sep = ", "; }
    putchar( '\n' );
  }
  printf( "  %s\n", why );
}

/* --- search ------------------------------------------------------------------------------------------------- */

/* One configuration; the index of the first bad state, or STORE_NO_PATH. */
static uint32_t search( search_t * s, char const ** out_why ) {
  store_t * st = &s->store;
  store_reset( st );
  for( uint32_t v = 1; v<=s->m.views; v++ ) for( uint32_t c = 0; c<2; c++ ) {
    uint32_t p = s->k.parent[ v ][ c ];
    s->chain[ v ][ c ] = cand_bit( v, c )|( p ? s->chain[ ( p+1 )/2 ][ ( p-1 )&1 ] : 0 );
  }
  store_add( st, 0, STORE_NO_PATH );
  for( uint32_t at = 0; ; at++ ) {
    if( at==st->cnt ) { store_flush( st ); if( at==st->cnt ) return STORE_NO_PATH; }
    uint64_t key = st->order[ at ];
    uint32_t words[ HONEST_MAX ];
    facts_t  f;
    words_of( s, key, words );
    facts( s, words, &f );
    if( ( *out_why = check( s, words, &f ) ) ) return at;
    for( uint32_t i = 0; i<s->m.honest; i++ ) {
      uint32_t was = words[ i ];
      if( is_twin( s, i ) && was==words[ i-1 ] ) continue;   /* its step would be the neighbour's */
      for( uint32_t v = 1; v<=s->m.views; v++ ) for( uint32_t p = s->perm[ own_at( was, v ) ][ f.ctx[ v ] ]; p; p &= p-1 ) {
        words[ i ] = was|( p&-p )<<( v-1 )*OWN_BITS;
        store_push( st, canon( s, words ), at );
      }
      words[ i ] = was;
    }
  }
}

/* A configuration as a number whose digits are the views' unordered pairs of parents, under a renaming of each view's candidates. */
static uint64_t config_code( config_t const * k, uint32_t views, uint32_t swaps ) {
  uint64_t code = 0;
  for( uint32_t v = 1; v<=views; v++ ) {
    uint32_t x[ 2 ];
    for( uint32_t c = 0; c<2; c++ ) {
      uint32_t p = k->parent[ v ][ c ];
      x[ c ] = p ? ( ( p-1 )^( swaps>>( p-1 )/2&1 ) )+1 : 0;
    }
    code = code*64+( x[ 0 ]<x[ 1 ] ? x[ 0 ]*8+x[ 1 ] : x[ 1 ]*8+x[ 0 ] );
  }
  return code;
}

/* The next configuration with parents in ascending order in each view; false: that was the last. */
static bool config_next( config_t * k, uint32_t views ) {
  for( uint32_t v = views; v>1; v-- ) {
    uint8_t * p = k->parent[ v ], top = (uint8_t)( 2*( v-1 ) );
    if( p[ 1 ]<top ) { p[ 1 ]++; return true; }
    if( p[ 0 ]<top ) { p[ 0 ]++; p[ 1 ] = p[ 0 ]; return true; }
    p[ 0 ] = p[ 1 ] = 0;
  }
  return false;
}

outcome_t safety_run( safety_t const * m ) {
  static search_t s;
  memset( &s, 0, sizeof s );
  s.m    = *m;
  s.bits = OWN_BITS*m->views;
  tables( &s );
  store_init( &s.store );
  outcome_t o = { .steps = UINT32_MAX };
  uint64_t t0 = dmg_os_mono_ns();
  config_t best = { 0 };
  do {
    uint64_t code = config_code( &s.k, m->views, 0 );
    bool is_least = true;
    for( uint32_t swaps = 1; swaps<1u<<m->views && !m->is_named; swaps++ ) is_least &= config_code( &s.k, m->views, swaps )>=code;
    if( !is_least ) continue;
    char const * why = NULL;
    uint32_t at = search( &s, &why );
    o.configs++;
    o.states += s.store.cnt;
    if( at==STORE_NO_PATH ) continue;
    static uint32_t path[ 256 ];
    uint32_t steps = store_path( &s.store, at, path, 256 )-1;
    o.is_violated = true;
    if( steps<o.steps ) { o.steps = steps; best = s.k; }
  } while( config_next( &s.k, m->views ) );
  o.seconds = (double)( dmg_os_mono_ns()-t0 )/1e9;
  if( o.is_violated && !m->is_quiet ) {
    char const * why = NULL;
    s.k = best;
    uint32_t at = search( &s, &why );
    print_path( &s, at, why );
  }
  store_fini( &s.store );
  return o;
}
