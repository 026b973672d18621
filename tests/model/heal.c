/* C14.3: from every state the honest alone clear the window.

   Four validators, one of them Byzantine, a window of two views, two candidates a view.  Unlike in safety.c a state says what each validator holds and what of it is
   saved, because here it matters who cannot act:

     10 bits a view, 20 a validator:   0-1 NOTARIZE: none, A, B   2 NULLIFY   3 FINALIZE, whose hash is that of the view's only NOTARIZATION
                                       4-5 NOTARIZATION   6-7 NULLIFICATION   8-9 FINALIZATION: not held, held, held and saved

   Chaos: any vote the rules allow; any certificate that votes with the Byzantine one make, taken by any one validator; crashes, which leave what C6.2 saves: own votes and, with
   a vote, the bundle of cur, with FINALIZE its N.
   Heal: the Byzantine one is silent for ever, nobody crashes, all three honest must act (q = 3).  What the rules make happen by itself, in any order: C4.9 and the bundle bring
   certificates, three equal votes make one, FINALIZE follows N, NULLIFY(cur) follows t_notar.  NOTARIZE is not counted on: the leader may be the one who is gone.
   Each of these steps adds something that nothing takes away, so every run of them ends; and each is a step of chaos, too.  Hence "from every state, in every order, the window
   is cleared" is a question to single states: is there one where none of them is possible and the window is not cleared?  Such a state is printed with the shortest way to it. */
#include "model.h"
#include "base/assert.h"
#include "base/os.h"

#include <stdio.h>
#include <string.h>

enum { HONEST = 3, VIEWS = 2, Q = 3, LENT = 1, VIEW_BITS = 10, NODE_BITS = VIEW_BITS*VIEWS };
enum { NO, HELD, SAVED };

typedef struct { uint8_t n, z, f; own_t own; } place_t;   /* certificates as NO, HELD, SAVED */
typedef struct { place_t v[ VIEWS+2 ]; } who_t;            /* by view; 0 is the anchor */
typedef struct { who_t w[ HONEST ]; } state_t;

/* --- packing ------------------------------------------------------------------------------------------------ */

static uint32_t pack_place( place_t const * p ) {
  uint32_t n = own_n( p->own );   /* 0, A, B: never both */
  return n|(uint32_t)( !!( p->own&OWN_Z ) )<<2|(uint32_t)( !!( p->own&OWN_F ) )<<3|(uint32_t)p->n<<4|(uint32_t)p->z<<6|(uint32_t)p->f<<8;
}

static uint64_t pack( state_t const * s, uint32_t swaps ) {
  uint32_t w[ HONEST ];
  for( uint32_t i = 0; i<HONEST; i++ ) {
    uint32_t x = 0;
    for( uint32_t v = 1; v<=VIEWS; v++ ) {
      uint32_t p = pack_place( &s->w[ i ].v[ v ] );
      if( swaps>>( v-1 )&1 && p&3 ) p ^= 3;
      x |= p<<( v-1 )*VIEW_BITS;
    }
    uint32_t k = i;
    for( ; k && w[ k-1 ]>x; k-- ) w[ k ] = w[ k-1 ];
    w[ k ] = x;
  }
  return (uint64_t)w[ 0 ]|(uint64_t)w[ 1 ]<<NODE_BITS|(uint64_t)w[ 2 ]<<2*NODE_BITS;
}

/* Neither validators nor the candidates of a view have names here: a proposal for cur may stand on any base, so A and B differ by nothing. */
static uint64_t canon( state_t const * s ) {
  uint64_t best = UINT64_MAX;
  for( uint32_t swaps = 0; swaps<1u<<VIEWS; swaps++ ) { uint64_t k = pack( s, swaps ); if( k<best ) best = k; }
  return best;
}

static uint32_t votes_for( state_t const * s, uint32_t v, own_t mask ) {
  uint32_t cnt = 0;
  for( uint32_t i = 0; i<HONEST; i++ ) cnt += !!( s->w[ i ].v[ v ].own&mask );
  return cnt;
}

/* The candidate that has or can have a NOTARIZATION in the view, or -1; S2 says one at most. */
static int notarized( state_t const * s, uint32_t v ) { return votes_for( s, v, OWN_NA )+LENT>=Q ? 0 : votes_for( s, v, OWN_NB )+LENT>=Q ? 1 : -1; }

static void unpack( uint64_t key, state_t * out ) {
  memset( out, 0, sizeof *out );
  for( uint32_t i = 0; i<HONEST; i++ ) for( uint32_t v = 1; v<=VIEWS; v++ ) {
    uint32_t p = (uint32_t)( key>>( i*NODE_BITS+( v-1 )*VIEW_BITS ) );
    place_t * x = &out->w[ i ].v[ v ];
    x->own = (own_t)( ( p&3 )|( p>>2&1 ? OWN_Z : 0 )|( p>>3&1 ? OWN_FA : 0 ) );
    x->n = p>>4&3; x->z = p>>6&3; x->f = p>>8&3;
  }
  /* The hash of a FINALIZE is the notarized one. */
  for( uint32_t v = 1; v<=VIEWS; v++ ) if( notarized( out, v )==1 ) for( uint32_t i = 0; i<HONEST; i++ ) { own_t * o = &out->w[ i ].v[ v ].own; if( *o&OWN_FA ) *o = (own_t)( ( *o&~OWN_FA )|OWN_FB ); }
}

/* --- what a validator's certificates say --------------------------------------------------------------------- */

static uint32_t fin_of( who_t const * w ) { return w->v[ 2 ].f ? 2 : w->v[ 1 ].f ? 1 : 0; }
static bool     is_base( who_t const * w, uint32_t v ) { return !v || w->v[ v ].n || w->v[ v ].f; }
static uint32_t base_of( who_t const * w ) { return is_base( w, 2 ) ? 2 : is_base( w, 1 ) ? 1 : 0; }

/* C4.1 */
static uint32_t cur_of( who_t const * w, rules_t r ) {
  uint32_t at = base_of( w );
  while( at<VIEWS && w->v[ at+1 ].z ) at++;
  if( r.mutant==RULES_ENTER_ON_LONE_Z ) for( uint32_t v = at+1; v<=VIEWS; v++ ) if( w->v[ v ].z ) at = v;
  return at+1;
}

/* C6.2: before any vote the bundle of cur; the highest F is its base or below it. */
static void save_reasons( who_t * w, rules_t r ) {
  uint32_t base = base_of( w ), cur = cur_of( w, r ), fin = fin_of( w );
  if( base && w->v[ base ].f ) w->v[ base ].f = SAVED;
  if( base && w->v[ base ].n && !w->v[ base ].f ) w->v[ base ].n = SAVED;
  if( fin ) w->v[ fin ].f = SAVED;
  for( uint32_t v = base+1; v<cur; v++ ) if( w->v[ v ].z ) w->v[ v ].z = SAVED;
}

static bool can_vote( who_t const * w, uint32_t v ) { return v>fin_of( w ); }   /* C1.2: closed views have no votes */

/* --- steps --------------------------------------------------------------------------------------------------- */

typedef enum { STEP_NOTARIZE, STEP_NULLIFY, STEP_FINALIZE, STEP_TAKE_N, STEP_TAKE_Z, STEP_TAKE_F, STEP_CRASH, STEP_CNT } kind_t;
typedef struct { kind_t kind; uint32_t who, v, cand; } step_t;

static bool is_unlocked( state_t const * s, uint32_t i, uint32_t v, uint32_t cand ) { return s->w[ i ].v[ v ].n && notarized( s, v )==(int)cand; }

/* Does the step if chaos allows it. */
static bool step( state_t * s, step_t t, rules_t r ) {
  who_t *   w = &s->w[ t.who ];
  place_t * p = &w->v[ t.v ];
  uint32_t  cur = cur_of( w, r );
  int       h   = notarized( s, t.v );
  switch( t.kind ) {
    case STEP_NOTARIZE:
      if( !can_vote( w, t.v ) || !may_notarize( r, p->own, t.cand, cur==t.v, is_unlocked( s, t.who, t.v, t.cand ), true ) ) return false;
      p->own |= vote_n( t.cand );
      save_reasons( w, r );
      return true;
    case STEP_NULLIFY:
      if( !can_vote( w, t.v ) || !may_nullify( r, p->own, is_nullifiable( cur, t.v, VIEWS, w->v[ t.v-1 ].own ) ) ) return false;
      p->own |= OWN_Z;
      save_reasons( w, r );
      return true;
    case STEP_FINALIZE:
      if( h<0 || p->f || !can_vote( w, t.v ) || !may_finalize( r, p->own, (unsigned)h, p->n ) ) return false;
      p->own |= vote_f( (unsigned)h );
      if( r.mutant!=RULES_FINALIZE_WITHOUT_N ) { save_reasons( w, r ); p->n = SAVED; }
      return true;
    case STEP_TAKE_N: if( p->n || !can_vote( w, t.v ) || h<0 ) return false; p->n = HELD; return true;
    case STEP_TAKE_Z: if( p->z || !can_vote( w, t.v ) || votes_for( s, t.v, OWN_Z )+LENT<Q ) return false; p->z = HELD; return true;
    case STEP_TAKE_F: if( p->f || !can_vote( w, t.v ) || votes_for( s, t.v, OWN_F )+LENT<Q ) return false; p->f = HELD; return true;
    case STEP_CRASH: {
      bool is_any = false;
      for( uint32_t v = 1; v<=VIEWS; v++ ) {
        place_t * x = &w->v[ v ];
        is_any |= x->n==HELD || x->z==HELD || x->f==HELD;
        if( x->n==HELD ) x->n = NO;
        if( x->z==HELD ) x->z = NO;
        if( x->f==HELD ) x->f = NO;
      }
      return is_any;
    }
    default: DMG_ASSERT( !"an unknown step" ); return false;
  }
}

static bool step_next( step_t * t ) {
  bool has_cand = t->kind==STEP_NOTARIZE, has_view = t->kind!=STEP_CRASH;
  if( has_cand && ++t->cand<2 ) return true;
  t->cand = 0;
  if( has_view && ++t->v<=VIEWS ) return true;
  t->v = 1;
  if( ++t->who<HONEST ) return true;
  t->who = 0;
  return ++t->kind<STEP_CNT;
}
#define STEP_FIRST ( (step_t){ .v = 1 } )

/* --- heal ---------------------------------------------------------------------------------------------------- */

/* Something that the rules make happen by itself among the honest. */
static bool is_moving( state_t const * s, rules_t r ) {
  for( uint32_t i = 0; i<HONEST; i++ ) {
    who_t const * w = &s->w[ i ];
    uint32_t cur = cur_of( w, r );
    for( uint32_t v = fin_of( w )+1; v<=VIEWS; v++ ) {
      place_t const * p = &w->v[ v ];
      int h = notarized( s, v );
      /* Own votes are sent again while a view is open (C4.9): three of a kind make the certificate anywhere. */
      if( !p->n && ( votes_for( s, v, OWN_NA )>=Q || votes_for( s, v, OWN_NB )>=Q ) ) return true;
      if( !p->z && votes_for( s, v, OWN_Z )>=Q ) return true;
      if( !p->f && votes_for( s, v, OWN_F )>=Q ) return true;
      if( h>=0 && !p->f && may_finalize( r, p->own, (unsigned)h, p->n ) ) return true;
      if( cur==v && may_nullify( r, p->own, true ) ) return true;
      for( uint32_t j = 0; j<HONEST; j++ ) {
        /* C4.9: the highest F, every N above it, the bundle: base and the Zs from it to cur.  A lone Z beyond travels with nobody. */
        who_t const * o = &s->w[ j ];
        if( !p->f && o->v[ v ].f && v==fin_of( o ) ) return true;
        if( !p->n && o->v[ v ].n && v>fin_of( o ) ) return true;
        if( !p->z && o->v[ v ].z && v>base_of( o ) && v<cur_of( o, r ) ) return true;
      }
    }
  }
  return false;
}

/* The window is behind all, by what can be shown to others: a base and every Z above it, whatever a mutant takes for cur. */
static bool is_cleared( state_t const * s ) {
  for( uint32_t i = 0; i<HONEST; i++ ) if( cur_of( &s->w[ i ], (rules_t){ 0 } )<=VIEWS ) return false;
  return true;
}

/* --- readable ------------------------------------------------------------------------------------------------ */

static void print_step( uint32_t n, step_t t, state_t const * s ) {
  static char const * const names[] = { "NOTARIZE", "NULLIFY", "FINALIZE", "takes N", "takes Z", "takes F" };
  printf( "  %3u  validator %u  ", n, t.who+1 );
  if( t.kind==STEP_CRASH ) puts( "crashes, has what is saved" );
  else if( t.kind==STEP_NOTARIZE ) printf( "NOTARIZE(%u%c)\n", t.v, "AB"[ t.cand ] );
  else if( t.kind==STEP_NULLIFY || t.kind==STEP_TAKE_Z ) printf( "%s(%u)\n", names[ t.kind ], t.v );
  else printf( "%s(%u%c)\n", names[ t.kind ], t.v, "AB"[ notarized( s, t.v )==1 ] );
}

static void print_path( store_t const * st, uint32_t at, rules_t r ) {
  static uint32_t path[ 256 ];
  uint32_t cnt = store_path( st, at, path, 256 );
  state_t  s = { 0 };
  printf( "  shortest path to a window that the honest cannot clear, %u steps; all are honest\n", cnt-1 );
  for( uint32_t n = 1; n<cnt; n++ ) {
    step_t  t = STEP_FIRST;
    bool is_found = false;
    do {
      state_t x = s;
      if( !step( &x, t, r ) || canon( &x )!=st->order[ path[ n ] ] ) continue;
      print_step( n, t, &x );
      s = x;
      is_found = true;
      break;
    } while( step_next( &t ) );
    DMG_ASSERT( is_found );
  }
  for( uint32_t i = 0; i<HONEST; i++ ) {
    who_t const * w = &s.w[ i ];
    printf( "  validator %u: base %u, cur %u; signed", i+1, base_of( w ), cur_of( w, r ) );
    for( uint32_t v = 1; v<=VIEWS; v++ ) printf( " %u:%s%s%s", v, own_n( w->v[ v ].own ) ? "N" : "", w->v[ v ].own&OWN_Z ? "Z" : "", w->v[ v ].own&OWN_F ? "F" : "" );
    putchar( '\n' );
  }
  puts( "  dead: nothing that the rules make happen is left to happen" );
}

outcome_t heal_run( rules_t r, bool is_quiet ) {
  store_t st;
  store_init( &st );
  outcome_t o = { .configs = 1 };
  uint64_t t0 = dmg_os_mono_ns();
  state_t first = { 0 };
  store_add( &st, canon( &first ), STORE_NO_PATH );
  for( uint32_t at = 0; ; at++ ) {
    if( at==st.cnt ) { store_flush( &st ); if( at==st.cnt ) break; }
    state_t s;
    unpack( st.order[ at ], &s );
    if( !is_cleared( &s ) && !is_moving( &s, r ) ) {
      static uint32_t path[ 256 ];
      o.is_violated = true;
      o.steps = store_path( &st, at, path, 256 )-1;
      if( !is_quiet ) print_path( &st, at, r );
      break;
    }
    step_t t = STEP_FIRST;
    do {
      state_t x = s;
      if( step( &x, t, r ) ) store_push( &st, canon( &x ), at );
    } while( step_next( &t ) );
  }
  o.states  = st.cnt;
  o.seconds = (double)( dmg_os_mono_ns()-t0 )/1e9;
  store_fini( &st );
  return o;
}
