/* model: the checkers of C14 as a program; tests/model/run.sh knows what of it a suite runs. */
#include "model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char const * const mutants[] = RULES_MUTANTS;

static int usage( int code ) {
  puts( "usage: model safety [--n 4|7] [--weights A,B,..] [--byz W] [--views V] [--window L] [--loose] [--named | --apart] [--only s|e|fork] [--mutant NAME] [--expect-violation] [--quiet]\n"
        "       model heal [--mutant NAME] [--expect-violation] [--quiet]\n"
        "       model replay FILE [--complete] [--expect-violation] [--quiet]\n"
        "safety: every history of V views; agreement and no slashable pair (C14.1).  --weights: of the honest, --byz: of the liar; --loose: without the clauses on own votes;\n"
        "  --named: configurations that differ by names are searched, too, --apart: and states; --only s: S1-S3, e: pairs (liars may be many), fork: two finalized chains\n"
        "heal: from every state of a window of two the honest alone leave it (C14.3).  replay: a trace of `sim --votes FILE` against the rules (C14.4); --complete: each rule must be seen in it\n"
        "mutants: finalize_after_nullify nullify_after_finalize skip_without_z two_notarize quorum_short; of heal enter_on_lone_z finalize_without_n" );
  return code;
}

/* Weights, descending or ascending: equal ones adjacent. */
static bool weights_of( char const * v, safety_t * m ) {
  m->honest = 0;
  for( char * end; *v; v = *end ? end+1 : end ) {
    unsigned long x = strtoul( v, &end, 10 );
    if( end==v || !x || x>100 || m->honest==HONEST_MAX || ( *end && *end!=',' ) ) return false;
    m->weights[ m->honest++ ] = (uint8_t)x;
  }
  return m->honest>1;
}

static int verdict( bool is_violated, bool is_expected ) {
  if( is_violated==is_expected ) return 0;
  puts( is_expected ? "FAILED: a violation was due, none found" : "FAILED: a violation" );
  return 1;
}

int main( int argc, char ** argv ) {
  if( argc<2 || !strcmp( argv[ 1 ], "--help" ) ) return usage( argc<2 ? 2 : 0 );
  safety_t m = { .honest = 3, .views = 2, .window = 1, .weights = { 1, 1, 1, 1, 1 }, .byz = 1, .props = PROP_S|PROP_E };
  bool is_expected = false, is_weighted = false, is_complete = false;
  int first = 2;
  char const * what = argv[ 1 ], * file = NULL;
  if( !strcmp( what, "replay" ) ) { if( argc<3 ) return usage( 2 ); file = argv[ 2 ]; first = 3; }
  for( int i = first; i<argc; i++ ) {
    char const * a = argv[ i ], * v = i+1<argc ? argv[ i+1 ] : "";
    if( !strcmp( a, "--expect-violation" ) ) { is_expected = true; continue; }
    if( !strcmp( a, "--complete" ) )         { is_complete = true; continue; }
    if( !strcmp( a, "--quiet" ) )            { m.is_quiet = true; continue; }
    if( !strcmp( a, "--loose" ) )            { m.rules.is_loose = true; continue; }
    if( !strcmp( a, "--named" ) )            { m.is_named = true; continue; }
    if( !strcmp( a, "--apart" ) )            { m.is_named = m.is_apart = true; continue; }
    i++;
    if( !strcmp( a, "--n" ) ) {
      if( strcmp( v, "4" ) && strcmp( v, "7" ) ) return usage( 2 );
      m.honest = *v=='4' ? 3 : 5;
      m.byz    = *v=='4' ? 1 : 2;
    } else if( !strcmp( a, "--weights" ) ) { if( !weights_of( v, &m ) ) return usage( 2 ); is_weighted = true; }
    else if( !strcmp( a, "--byz" ) )    m.byz    = (uint32_t)strtoul( v, NULL, 10 );
    else if( !strcmp( a, "--views" ) )  m.views  = (uint32_t)strtoul( v, NULL, 10 );
    else if( !strcmp( a, "--window" ) ) m.window = (uint32_t)strtoul( v, NULL, 10 );
    else if( !strcmp( a, "--only" ) )   m.props  = !strcmp( v, "s" ) ? PROP_S : !strcmp( v, "e" ) ? PROP_E : !strcmp( v, "fork" ) ? PROP_FORK : 0;
    else if( !strcmp( a, "--mutant" ) ) {
      uint32_t k = 1;
      while( k<RULES_MUTANT_CNT && strcmp( v, mutants[ k ] ) ) k++;
      if( k==RULES_MUTANT_CNT ) { fprintf( stderr, "model: unknown mutant '%s'\n", v ); return 2; }
      m.rules.mutant = (mutant_t)k;
    } else return usage( 2 );
  }
  if( !strcmp( what, "safety" ) ) {
    uint32_t total = m.byz;
    for( uint32_t i = 0; i<m.honest; i++ ) total += m.weights[ i ];
    if( !m.props || !m.window || m.views<1 || m.views>VIEWS_MAX || m.views*OWN_BITS*m.honest>=64 || total>127 || m.byz>=quorum_of( total ) || ( 3*m.byz>=total && m.props&PROP_S ) ) return usage( 2 );
    outcome_t o = safety_run( &m );
    printf( "safety %s%u validators, liar %u of %u, %u views, window %u, %s, %s, for %s: %u configurations, %" PRIu64 " states, %.2f s: ", is_weighted ? "by weight, " : "", is_weighted ? m.honest+1 : m.honest+m.byz, m.byz, total,
            m.views, m.window, m.rules.is_loose ? "loose" : "all clauses", m.rules.mutant ? mutants[ m.rules.mutant ] : "no mutant",
            m.props==PROP_S ? "agreement" : m.props==PROP_E ? "pairs" : m.props==PROP_FORK ? "forks" : "agreement, pairs", o.configs, o.states, o.seconds );
    if( o.is_violated ) printf( "violated in %u votes\n", o.steps ); else puts( "holds" );
    return verdict( o.is_violated, is_expected );
  }
  if( !strcmp( what, "heal" ) ) {
    outcome_t o = heal_run( m.rules, m.is_quiet );
    printf( "heal 4 validators, window of 2, %s: %" PRIu64 " states, %.2f s: ", m.rules.mutant ? mutants[ m.rules.mutant ] : "no mutant", o.states, o.seconds );
    if( o.is_violated ) printf( "dead in %u steps\n", o.steps ); else puts( "all heal" );
    return verdict( o.is_violated, is_expected );
  }
  if( !strcmp( what, "replay" ) ) {
    replay_t o = replay_run( file, m.is_quiet );
    static char const * const names[] = SEEN_NAMES;
    bool is_all = true;
    for( uint32_t i = 0; i<SEEN_CNT && !m.is_quiet; i++ ) printf( "%s%s %" PRIu64, i ? ", " : "  ", names[ i ], o.seen[ i ] );
    if( !m.is_quiet ) putchar( '\n' );
    printf( "replay %" PRIu64 " seeds, %" PRIu64 " records, %" PRIu64 " votes, %" PRIu64 " certificates, %" PRIu64 " commits, %" PRIu64 " crashes: %s\n", o.seeds, o.records, o.votes, o.certs, o.blocks, o.kills,
            o.is_violated ? "not by the rules" : "by the rules" );
    for( uint32_t i = 0; i<SEEN_CNT; i++ ) is_all &= o.seen[ i ]>0;
    if( is_complete && !is_all && !o.is_violated ) { puts( "FAILED: the trace shows some rule not once" ); return 1; }
    return verdict( o.is_violated, is_expected );
  }
  return usage( 2 );
}
