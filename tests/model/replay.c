/* C14.4: what validators of the simulator did, held against the model's rules, event by event (the trace: tests/sim/votes.c).

   Projection   of a validator: its log, as far as it stands.  C6.2 makes that enough: the reasons of a vote are in front of it, so base, cur and v_fin of the moment of
                the decision are those of the certificates logged so far (heal.c's "held and saved")
                of all: what the honest asked their signers for, the liars' weight counted everywhere: which certificates can exist (safety.c's "reached")
   A step       a vote in the log must be one that the rules allow in that state; a certificate in it must be able to exist; a signature must be of a vote that is
                on the disk; a crash leaves no less than what was synced
   A core that breaks a rule, or a rule here that the core does not keep, ends the replay at that line. */
#include "model.h"
#include "base/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODES = 128, CANDS = 16, EPOCHS = 64, VIEW_TOP = 1<<20, RUN_TOP = 1<<16, KINDS = 4, NOTARIZE = 0, NULLIFY, FINALIZE, PROPOSE };

typedef struct { uint64_t w[ NODES/64 ]; } who_t;   /* a bit a node */
typedef struct { uint64_t hash, parent_view, parent_hash; who_t n, f; bool has_parent; } block_t;   /* n, f: who signed */
typedef struct { block_t block[ CANDS ]; who_t null; uint32_t cnt; } ballot_t;

typedef struct { uint64_t hash[ KINDS ], locked; uint32_t at[ KINDS ]; bool has[ KINDS ], is_n, is_null; } place_t;   /* at: index in the log; locked: hash of the N held */
typedef struct { place_t * v; uint64_t cap, base, cur, fin; } proj_t;

typedef enum { REC_CERT, REC_NULL, REC_VOTE, REC_OTHER } rec_kind_t;
typedef struct { rec_kind_t type; uint32_t epoch, kind; uint64_t view, hash, cnt; } rec_t;

typedef struct { proj_t e[ EPOCHS ]; rec_t * log; uint32_t cnt, cap, synced, epoch; rec_t final; bool has_final; } node_t;
typedef struct { ballot_t * v; uint64_t cap, window, weights[ NODES ], q, liars; bool is_known; } epoch_t;

typedef struct {
  node_t   node[ NODES ];
  epoch_t  epoch[ EPOCHS ];
  uint32_t n;
  uint64_t seed, line;
  char const * text;
  replay_t out;
  bool     is_quiet, is_bad;
} world_t;

static void * zeroed( void * p, uint64_t old, uint64_t cnt, size_t sz ) {
  char * q = realloc( p, cnt*sz );
  DMG_ASSERT( q );
  memset( q+old*sz, 0, ( cnt-old )*sz );
  return q;
}

static bool bad( world_t * w, char const * why ) {
  if( !w->is_bad && !w->is_quiet ) printf( "  seed %" PRIu64 ", line %" PRIu64 ": %s  %s\n", w->seed, w->line, w->text, why );
  w->is_bad = true;
  return false;
}

/* --- what exists ---------------------------------------------------------------------------------------------- */

static ballot_t * ballot( epoch_t * e, uint64_t view ) {
  if( view>=e->cap ) { uint64_t cap = 2*view+64; e->v = zeroed( e->v, e->cap, cap, sizeof *e->v ); e->cap = cap; }
  return &e->v[ view ];
}

static block_t * block( epoch_t * e, uint64_t view, uint64_t hash ) {
  ballot_t * b = ballot( e, view );
  for( uint32_t i = 0; i<b->cnt; i++ ) if( b->block[ i ].hash==hash ) return &b->block[ i ];
  if( b->cnt==CANDS ) return NULL;
  b->block[ b->cnt ].hash = hash;
  return &b->block[ b->cnt++ ];
}

static void put( who_t * who, uint32_t i ) { who->w[ i/64 ] |= (uint64_t)1<<i%64; }

static bool is_reached( epoch_t const * e, who_t const * who ) {
  uint64_t sum = e->liars;
  for( uint32_t k = 0; k<NODES/64; k++ ) for( uint64_t b = who->w[ k ]; b; b &= b-1 ) sum += e->weights[ 64*k+(uint32_t)__builtin_ctzll( b ) ];
  return sum>=e->q;
}

static bool has_cert( epoch_t * e, uint64_t view, uint64_t hash, bool is_final ) {
  block_t * b = block( e, view, hash );
  return b && is_reached( e, is_final ? &b->f : &b->n );
}

static bool is_justified( epoch_t * e, uint64_t view, block_t const * b ) {
  if( !b->has_parent || b->parent_view>=view ) return false;
  for( uint64_t v = b->parent_view+1; v<view; v++ ) if( !is_reached( e, &ballot( e, v )->null ) ) return false;
  return !b->parent_view || has_cert( e, b->parent_view, b->parent_hash, false ) || has_cert( e, b->parent_view, b->parent_hash, true );
}

/* --- what a log says ------------------------------------------------------------------------------------------ */

static place_t * place( proj_t * p, uint64_t view ) {
  if( view>=p->cap ) { uint64_t cap = 2*view+64; p->v = zeroed( p->v, p->cap, cap, sizeof *p->v ); p->cap = cap; }
  return &p->v[ view ];
}

/* C4.1 */
static void advance( proj_t * p ) {
  uint64_t r = p->base>p->cur-1 ? p->base : p->cur-1;
  while( place( p, r+1 )->is_null ) r++;
  p->cur = r+1;
}

static void take( node_t * n, rec_t const * r, uint32_t at ) {
  proj_t * p = &n->e[ r->epoch ];
  if( !p->cur ) p->cur = 1;
  place_t * x = place( p, r->view );
  switch( r->type ) {
    case REC_CERT:
      if( r->kind==FINALIZE ) { if( r->view>p->fin ) p->fin = r->view; }
      else { x->is_n = true; x->locked = r->hash; }
      if( r->view>p->base ) p->base = r->view;
      advance( p );
      break;
    case REC_NULL:
      for( uint64_t v = r->view; v<r->view+r->cnt; v++ ) place( p, v )->is_null = true;
      advance( p );
      break;
    case REC_VOTE:
      x->has[ r->kind ]  = true;
      x->hash[ r->kind ] = r->hash;
      x->at[ r->kind ]   = at;
      n->epoch = r->epoch;
      break;
    default: break;
  }
}

/* After a crash: what is left of the log, and the state's last final block. */
static void rebuild( node_t * n ) {
  for( uint32_t e = 0; e<EPOCHS; e++ ) {
    proj_t * p = &n->e[ e ];
    if( p->cap ) memset( p->v, 0, p->cap*sizeof *p->v );
    p->base = p->cur = p->fin = 0;
  }
  n->epoch = 0;
  if( n->has_final ) take( n, &n->final, 0 );
  for( uint32_t i = 0; i<n->cnt; i++ ) take( n, &n->log[ i ], i );
}

/* --- steps ---------------------------------------------------------------------------------------------------- */

/* Own votes of a view with h as candidate A and everything else as B. */
static own_t own_of( place_t const * x, uint64_t hash ) {
  own_t o = x->has[ NULLIFY ] ? OWN_Z : 0;
  if( x->has[ NOTARIZE ] ) o |= vote_n( x->hash[ NOTARIZE ]!=hash );
  if( x->has[ FINALIZE ] ) o |= vote_f( x->hash[ FINALIZE ]!=hash );
  return o;
}

static void see( replay_t * o, uint32_t kind, own_t own, uint64_t view, proj_t const * p ) {
  if( kind==NOTARIZE ) { o->seen[ view==p->cur ? SEEN_NOTARIZE : SEEN_NOTARIZE_LATE ]++; o->seen[ SEEN_NOTARIZE_AFTER_NULLIFY ] += !!( own&OWN_Z ); }
  if( kind==NULLIFY )  { o->seen[ view==p->cur ? SEEN_NULLIFY : SEEN_NULLIFY_WINDOW ]++; o->seen[ SEEN_NULLIFY_AFTER_NOTARIZE ] += !!own_n( own ); }
  if( kind==FINALIZE ) { o->seen[ own_n( own ) ? SEEN_FINALIZE : SEEN_FINALIZE_ALONE ]++; o->seen[ SEEN_FINALIZE_LATE ] += view<p->base; }
  if( kind==PROPOSE )  o->seen[ SEEN_PROPOSE ]++;
}

static bool on_vote( world_t * w, node_t * n, rec_t const * r, bool has_parent, uint64_t parent_view, uint64_t parent_hash ) {
  static rules_t const rules = { RULES_ALL, false };
  epoch_t * e = &w->epoch[ r->epoch ];
  proj_t *  p = &n->e[ r->epoch ];
  if( !p->cur ) p->cur = 1;
  if( r->epoch<n->epoch ) return bad( w, "C7.4: a vote in an epoch that was left" );
  if( r->view<=p->fin )   return bad( w, "C1.2: a vote in a closed view" );
  own_t before = r->view>1 ? own_of( place( p, r->view-1 ), 0 ) : 0;
  place_t * x  = place( p, r->view );
  own_t own = own_of( x, r->hash );
  block_t * b = r->kind==NULLIFY ? NULL : block( e, r->view, r->hash );
  if( r->kind!=NULLIFY && !b ) return bad( w, "too many blocks in a view" );
  if( has_parent ) {
    if( b->has_parent && ( b->parent_view!=parent_view || b->parent_hash!=parent_hash ) ) return bad( w, "a block with two parents" );
    b->has_parent  = true;
    b->parent_view = parent_view;
    b->parent_hash = parent_hash;
  }
  switch( r->kind ) {
    case NOTARIZE:
      if( !may_notarize( rules, own, 0, p->cur==r->view, has_cert( e, r->view, r->hash, false ), is_justified( e, r->view, b ) ) ) return bad( w, "C4.3 does not allow this NOTARIZE" );
      break;
    case NULLIFY:
      if( !may_nullify( rules, own, is_nullifiable( p->cur, r->view, e->window, before ) ) ) return bad( w, "C4.4 does not allow this NULLIFY" );
      break;
    case FINALIZE:
      if( !may_finalize( rules, own, 0, x->is_n && x->locked==r->hash ) ) return bad( w, "C4.5 and C6.2 do not allow this FINALIZE" );
      break;
    default:
      if( p->cur!=r->view || x->has[ PROPOSE ] || !is_justified( e, r->view, b ) ) return bad( w, "C4.2 does not allow this PROPOSE" );
      break;
  }
  see( &w->out, r->kind, own, r->view, p );
  w->out.votes++;
  return true;
}

static bool on_record( world_t * w, node_t * n, rec_t const * r, bool has_parent, uint64_t parent_view, uint64_t parent_hash ) {
  epoch_t * e = &w->epoch[ r->epoch ];
  w->out.records++;
  if( r->type==REC_CERT ) {
    w->out.certs++;
    if( !has_cert( e, r->view, r->hash, r->kind==FINALIZE ) ) return bad( w, "a certificate without the votes that make it" );
  }
  if( r->type==REC_NULL ) for( uint64_t v = r->view; v<r->view+r->cnt; v++ ) {
    w->out.certs++;
    if( !is_reached( e, &ballot( e, v )->null ) ) return bad( w, "a NULLIFICATION without the votes that make it" );
  }
  if( r->type==REC_VOTE && !on_vote( w, n, r, has_parent, parent_view, parent_hash ) ) return false;
  if( n->cnt==n->cap ) { uint32_t cap = 2*n->cap+256; n->log = zeroed( n->log, n->cap, cap, sizeof *n->log ); n->cap = cap; }
  n->log[ n->cnt ] = *r;
  take( n, r, n->cnt++ );
  return true;
}

static bool on_sign( world_t * w, uint32_t who, uint32_t epoch, uint32_t kind, uint64_t view, uint64_t hash ) {
  node_t *  n = &w->node[ who ];
  place_t * x = place( &n->e[ epoch ], view );
  if( !x->has[ kind ] || x->hash[ kind ]!=hash || x->at[ kind ]>=n->synced ) return bad( w, "C6.1: a signature of a vote that is not on the disk" );
  if( kind==NULLIFY ) { put( &ballot( &w->epoch[ epoch ], view )->null, who ); return true; }
  block_t * b = block( &w->epoch[ epoch ], view, hash );
  if( kind==NOTARIZE ) put( &b->n, who );
  if( kind==FINALIZE ) put( &b->f, who );
  return true;
}

/* --- lines ---------------------------------------------------------------------------------------------------- */

static void world_reset( world_t * w ) {
  for( uint32_t i = 0; i<NODES; i++ ) { for( uint32_t e = 0; e<EPOCHS; e++ ) free( w->node[ i ].e[ e ].v ); free( w->node[ i ].log ); }
  for( uint32_t e = 0; e<EPOCHS; e++ ) free( w->epoch[ e ].v );
  memset( w->node, 0, sizeof w->node );
  memset( w->epoch, 0, sizeof w->epoch );
}

static bool on_epoch( world_t * w, char const * text ) {
  unsigned id;
  int at = 0;
  uint64_t window, liars, total;
  if( sscanf( text, "epoch %u window %" SCNu64 " liars %" SCNu64 " weights%n", &id, &window, &liars, &at )<3 || !at || id>=EPOCHS || !window ) return bad( w, "not a line of a trace" );
  epoch_t * e = &w->epoch[ id ];
  e->window = window;
  e->liars  = total = liars;
  for( uint32_t i = 0; i<w->n; i++ ) {
    int used = 0;
    if( sscanf( text+at, " %" SCNu64 "%n", &e->weights[ i ], &used )!=1 ) return bad( w, "not a line of a trace" );
    at    += used;
    total += e->weights[ i ];
  }
  e->q = quorum_of( total );
  e->is_known = true;
  return 3*e->liars<total || bad( w, "liars hold a third: nothing is promised" );
}

static bool on_line( world_t * w, char const * t ) {
  unsigned who, epoch, kind, cnt;
  uint64_t view, hash, pv, ph;
  int at = 0;
  if( sscanf( t, "seed %" SCNu64 " nodes %u", &view, &cnt )==2 ) {
    if( cnt>NODES ) return bad( w, "too many nodes" );
    world_reset( w );
    w->seed = view; w->n = cnt;
    w->out.seeds++;
    return true;
  }
  if( !strncmp( t, "epoch ", 6 ) ) return on_epoch( w, t );
  if( sscanf( t, "sync %u %u", &who, &cnt )==2 && who<w->n ) {
    if( cnt<w->node[ who ].synced || cnt>w->node[ who ].cnt ) return bad( w, "a log that was synced farther, or is shorter" );
    w->node[ who ].synced = cnt;
    return true;
  }
  if( sscanf( t, "kill %u %u", &who, &cnt )==2 && who<w->n ) {
    node_t * n = &w->node[ who ];
    if( cnt<n->synced || cnt>n->cnt ) return bad( w, "C6.1: a crash that takes what was synced" );
    n->cnt = n->synced = cnt;
    rebuild( n );
    w->out.kills++;
    return true;
  }
  if( sscanf( t, "sign %u %u %u %" SCNu64 " %" SCNx64, &who, &epoch, &kind, &view, &hash )==5 && who<w->n && epoch<EPOCHS && kind<KINDS && view<VIEW_TOP ) return on_sign( w, who, epoch, kind, view, hash );
  if( sscanf( t, "final %u %u %" SCNu64 " %" SCNx64, &who, &epoch, &view, &hash )==4 && who<w->n && epoch<EPOCHS && view<VIEW_TOP && w->epoch[ epoch ].is_known ) {
    node_t * n = &w->node[ who ];
    if( !has_cert( &w->epoch[ epoch ], view, hash, true ) ) return bad( w, "a final block without the votes that make it" );
    n->final = (rec_t){ .type = REC_CERT, .epoch = epoch, .kind = FINALIZE, .view = view, .hash = hash };
    n->has_final = true;
    w->out.blocks++;
    return true;
  }
  if( sscanf( t, "rec %u %u %n", &who, &epoch, &at )>=2 && at && who<w->n && epoch<EPOCHS && w->epoch[ epoch ].is_known ) {
    rec_t r = { .type = REC_OTHER, .epoch = epoch };
    t += at;
    if( sscanf( t, "cert %u %" SCNu64 " %" SCNx64, &r.kind, &r.view, &r.hash )==3 ) r.type = REC_CERT;
    else if( sscanf( t, "null %" SCNu64 " %" SCNu64, &r.view, &r.cnt )==2 ) r.type = REC_NULL;
    else if( !strncmp( t, "vote ", 5 ) ) {
      int got = sscanf( t, "vote %u %" SCNu64 " %" SCNx64 " %" SCNu64 " %" SCNx64, &r.kind, &r.view, &r.hash, &pv, &ph );
      if( got<3 || r.kind>=KINDS || !r.view || r.view>=VIEW_TOP || ( got==5 && pv>=r.view ) ) return bad( w, "not a line of a trace" );
      r.type = REC_VOTE;
      return on_record( w, &w->node[ who ], &r, got==5, pv, ph );
    } else if( strcmp( t, "other" ) ) return bad( w, "not a line of a trace" );
    if( r.view>=VIEW_TOP || r.cnt>RUN_TOP || ( r.type==REC_CERT && r.kind!=NOTARIZE && r.kind!=FINALIZE ) ) return bad( w, "not a line of a trace" );
    return on_record( w, &w->node[ who ], &r, false, 0, 0 );
  }
  return bad( w, "not a line of a trace" );
}

replay_t replay_run( char const * path, bool is_quiet ) {
  FILE * f = fopen( path, "r" );
  if( !f ) { fprintf( stderr, "model: cannot read '%s'\n", path ); exit( 2 ); }
  world_t * w = calloc( 1, sizeof *w );
  DMG_ASSERT( w );
  w->is_quiet = is_quiet;
  char line[ 4096 ];
  while( !w->is_bad && fgets( line, sizeof line, f ) ) {
    w->line++;
    size_t len = strlen( line );
    if( !len || line[ len-1 ]!='\n' ) break;   /* cut where the simulator stopped */
    line[ len-1 ] = 0;
    w->text = line;
    (void)on_line( w, line );
  }
  fclose( f );
  replay_t out = w->out;
  out.is_violated = w->is_bad;
  world_reset( w );
  free( w );
  return out;
}
