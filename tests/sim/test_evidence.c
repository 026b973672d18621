/* The judge of C9.1: E1-E5 convict whom they should, every lie about them nobody. */
#include "rig.h"
#include "consensus/evidence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static rig_t r;
static dmg_keys_t keys;
static dmg_schedule_t schedule;
static dmg_evidence_epoch_t ep;
static dmg_evidence_t e;
static dmg_hash_t const A = { { 1 } }, B = { { 2 } };

static int setup( void ** state ) {
  rig_init( &r, 0, 1000 );
  assert_true( dmg_keys_init( &keys, &sim_fake, &r.cfg.chain_id, 0, &r.set ) );
  dmg_schedule_init( &schedule, &r.cfg.record.seed, &r.set );
  ep = (dmg_evidence_epoch_t){ .keys = &keys, .schedule = &schedule, .record = &r.cfg.record, .anchor = r.cfg.anchor };
  return 0;
}
static int teardown( void ** state ) { rig_fini( &r ); return 0; }

static dmg_side_t vote( uint32_t who, uint8_t kind, uint64_t view, dmg_hash_t const * hash ) {
  dmg_hash_t zero = { 0 };
  dmg_side_t s = { .kind = DMG_SIDE_VOTE, .vote = { .kind = kind, .view = view, .hash = hash ? *hash : zero, .signer = (uint16_t)who } };
  uint8_t msg[ DMG_VOTE_MSG_SZ ], raw[ DMG_BLS_SIG_RAW_SZ ];
  dmg_vote_msg( (dmg_vote_kind_t)kind, &r.cfg.chain_id, 0, view, &s.vote.hash, msg );
  sim_fake_sign( &r.secrets[ who ], DMG_BLS_VOTE, DMG_SPAN( msg ), raw );
  memcpy( s.vote.sig, raw, DMG_BLS_SIG_SZ );
  return s;
}
static dmg_side_t cert( uint8_t kind, uint64_t view, dmg_hash_t const * hash, uint32_t who ) { return (dmg_side_t){ .kind = DMG_SIDE_CERT, .cert = rig_cert( &r, kind, view, hash, who ) }; }
static dmg_side_t run( uint64_t first, uint32_t cnt, uint32_t who, uint64_t view ) { return (dmg_side_t){ .kind = DMG_SIDE_RUN, .run = rig_run( &r, first, cnt, who ), .run_view = view }; }

/* The accused as a mask; 0: not proven. */
static uint32_t judge( void ) {
  uint8_t bytes[ DMG_EVIDENCE_SZ_MAX ], accused[ DMG_BITMAP_SZ ] = { 0 };
  size_t sz = dmg_evidence_encode( &e, bytes, sizeof bytes );
  assert_true( sz );
  return dmg_evidence_judge( dmg_span( bytes, sz ), &ep, accused ).kind ? 0 : accused[ 0 ];
}
static uint32_t pair( dmg_side_t a, dmg_side_t b ) {
  e = (dmg_evidence_t){ .a = a, .b = b };
  uint32_t got = judge();
  e = (dmg_evidence_t){ .a = b, .b = a };
  assert_int_equal( judge(), got );   /* no order */
  return got;
}

static void test_pairs( void ** state ) {
  enum { N = DMG_VOTE_NOTARIZE, Z = DMG_VOTE_NULLIFY, F = DMG_VOTE_FINALIZE, P = DMG_VOTE_PROPOSE };
  assert_int_equal( pair( vote( 2, N, 5, &A ), vote( 2, N, 5, &B ) ), 4 );      /* E1 */
  assert_int_equal( pair( vote( 2, Z, 5, NULL ), vote( 2, F, 5, &A ) ), 4 );    /* E2 */
  assert_int_equal( pair( vote( 2, F, 5, &A ), vote( 2, F, 5, &B ) ), 4 );      /* E3 */
  assert_int_equal( pair( vote( 2, F, 5, &A ), vote( 2, N, 5, &B ) ), 4 );      /* E3 */
  assert_int_equal( pair( vote( 2, P, 5, &A ), vote( 2, P, 5, &B ) ), 4 );      /* E4 */
  /* What an honest validator may do. */
  assert_int_equal( pair( vote( 2, N, 5, &A ), vote( 2, N, 5, &A ) ), 0 );
  assert_int_equal( pair( vote( 2, N, 5, &A ), vote( 2, F, 5, &A ) ), 0 );
  assert_int_equal( pair( vote( 2, N, 5, &A ), vote( 2, Z, 5, NULL ) ), 0 );
  assert_int_equal( pair( vote( 2, P, 5, &A ), vote( 2, N, 5, &B ) ), 0 );
  assert_int_equal( pair( vote( 2, N, 5, &A ), vote( 2, N, 6, &B ) ), 0 );      /* another view */
  assert_int_equal( pair( vote( 2, N, 5, &A ), vote( 3, N, 5, &B ) ), 0 );      /* another signer */
  /* Certificates and runs speak for each signer; quorum or not. */
  assert_int_equal( pair( cert( N, 5, &A, 7 ), cert( N, 5, &B, 14 ) ), 6 );
  assert_int_equal( pair( cert( F, 5, &A, 14 ), run( 4, 3, 7, 5 ) ), 6 );
  assert_int_equal( pair( cert( F, 5, &A, 8 ), run( 4, 3, 7, 5 ) ), 0 );        /* nobody in common */
  assert_int_equal( pair( vote( 1, F, 6, &A ), run( 4, 3, 7, 6 ) ), 2 );
  assert_int_equal( pair( vote( 1, N, 6, &A ), run( 4, 3, 7, 6 ) ), 0 );
  /* A signature that does not hold convicts nobody. */
  dmg_side_t bad = vote( 2, N, 5, &B );
  bad.vote.sig[ 7 ] ^= 1;
  assert_int_equal( pair( vote( 2, N, 5, &A ), bad ), 0 );
  dmg_side_t cut = cert( N, 5, &B, 14 );
  cut.cert.bitmap[ 0 ] = 15;   /* a signer who did not sign */
  assert_int_equal( pair( cert( N, 5, &A, 7 ), cut ), 0 );
  dmg_side_t other_epoch = vote( 2, N, 5, &B );
  other_epoch.vote.epoch = 1;
  assert_int_equal( pair( vote( 2, N, 5, &A ), other_epoch ), 0 );
}

/* --- E5 --------------------------------------------------------------------------------------------------- */

static dmg_header_t good( uint64_t view, dmg_cert_t const * parent, uint64_t height, dmg_run_t const * runs, uint32_t cnt, rig_edit_t edit ) {
  static uint8_t frame[ 16384 ];
  dmg_hash_t hash;
  dmg_proposal_t p;
  size_t sz = rig_proposal( &r, view, parent, height, 2000000, runs, cnt, edit, frame, &hash );
  assert_false( dmg_proposal_decode( dmg_span( frame, sz ), &p ).kind );
  return p.header.header;
}
static uint32_t header( dmg_header_t const * h, dmg_header_t const * parent ) {
  dmg_hash_t hash = dmg_header_hash( h );
  e.kind = 1;
  e.a = vote( 3, DMG_VOTE_NOTARIZE, h->view, &hash );
  e.header = *h;
  e.has_parent = parent!=NULL;
  if( parent ) e.parent = *parent;
  return judge();
}
static uint32_t plain( dmg_header_t const * h, dmg_header_t const * parent ) { memset( &e, 0, sizeof e ); return header( h, parent ); }

static void edit_height( dmg_header_t * h ) { h->height++; }
static void edit_len( dmg_header_t * h ) { h->body_len = 1u<<21; }
static void edit_leader( dmg_header_t * h ) { h->leader ^= 1; }
static void edit_reveal( dmg_header_t * h ) { h->reveal[ 3 ] ^= 1; }
static void edit_time( dmg_header_t * h ) { h->time_ms = 1000000; }
static void edit_cert( dmg_header_t * h ) { h->parent_cert.sig[ 3 ] ^= 1; }
static void edit_root( dmg_header_t * h ) { h->parent_state_root.b[ 0 ] ^= 1; }
static void edit_kind( dmg_header_t * h ) { h->kind = DMG_BLOCK_BOUNDARY; }
static void edit_just( dmg_header_t * h ) { h->just_root.b[ 0 ] = 9; }

static void test_bad_headers( void ** state ) {
  static struct { rig_edit_t edit; uint32_t want; char const * name; } const t[] = {
    { NULL, 0, "good" }, { edit_height, 8, "height" }, { edit_len, 8, "body_len" }, { edit_leader, 8, "leader" }, { edit_reveal, 8, "reveal" }, { edit_time, 8, "time" }, { edit_kind, 8, "kind" },
    { edit_just, 8, "runs where none belong" }, { edit_root, 0, "state root is never a clause" } };
  for( unsigned i = 0; i<sizeof t/sizeof *t; i++ ) {
    dmg_header_t h = good( 1, NULL, 1, NULL, 0, t[ i ].edit );
    if( plain( &h, NULL )!=t[ i ].want ) fail_msg( "%s", t[ i ].name );
  }
  dmg_header_t p = good( 1, NULL, 1, NULL, 0, NULL );
  dmg_hash_t ph = dmg_header_hash( &p );
  dmg_cert_t n = rig_cert( &r, DMG_VOTE_NOTARIZE, 1, &ph, 7 );
  dmg_header_t c = good( 2, &n, 2, NULL, 0, edit_height );
  assert_int_equal( plain( &c, NULL ), 0 );      /* not decidable without the parent */
  assert_int_equal( plain( &c, &p ), 8 );
  c = good( 2, &n, 2, NULL, 0, NULL );
  c.time_ms = p.time_ms+1;
  assert_int_equal( plain( &c, &p ), 0 );
  dmg_header_t wrong = good( 1, NULL, 1, NULL, 0, edit_root );
  dmg_header_t late = good( 2, &n, 2, NULL, 0, edit_height );
  assert_int_equal( plain( &late, &wrong ), 0 ); /* another block than the one named is no parent */
  c = good( 2, &n, 2, NULL, 0, edit_cert );
  assert_int_equal( plain( &c, NULL ), 8 );
  dmg_cert_t weak = rig_cert( &r, DMG_VOTE_NOTARIZE, 1, &ph, 3 );
  c = good( 2, &weak, 2, NULL, 0, NULL );
  assert_int_equal( plain( &c, NULL ), 8 );      /* below q */
  /* The vote must be for that header. */
  dmg_header_t h = good( 1, NULL, 1, NULL, 0, edit_height );
  plain( &h, NULL );
  e.a = vote( 3, DMG_VOTE_NOTARIZE, 1, &A );
  assert_int_equal( judge(), 0 );
  dmg_hash_t hh = dmg_header_hash( &h );
  e.a = vote( 3, DMG_VOTE_FINALIZE, 1, &hh );
  assert_int_equal( judge(), 0 );
  e.a = cert( DMG_VOTE_NOTARIZE, 1, &hh, 14 );
  assert_int_equal( judge(), 14 );               /* all of a certificate */
}

static void open_leaf( dmg_run_t const * runs, uint32_t cnt, uint32_t idx, dmg_opening_t * o ) {
  dmg_hash_t leaves[ 16 ];
  uint8_t b[ DMG_RUN_SZ_MAX ];
  for( uint32_t i = 0; i<cnt; i++ ) leaves[ i ] = dmg_run_leaf( dmg_span( b, dmg_run_encode( &runs[ i ], b ) ) );
  o->run  = runs[ idx ];
  o->leaf = leaves[ idx ];
  dmg_merkle_path( DMG_TAG_JUST_NODE, leaves, cnt, idx, &o->path );
}

/* C2.4: a false cover shows in the first leaf, the last one, or two neighbours; a true one in none of them, for every number of leaves. */
static void test_false_covers( void ** state ) {
  for( uint32_t cnt = 1; cnt<=9; cnt++ ) {
    dmg_run_t runs[ 9 ];
    for( uint32_t i = 0; i<cnt; i++ ) runs[ i ] = rig_run( &r, i+1, 1, 7 );
    uint64_t view = cnt+1;
    dmg_header_t h = good( view, NULL, 1, runs, cnt, NULL );
    for( uint32_t i = 0; i<cnt; i++ ) for( uint32_t k = 0; k<cnt; k++ ) {
      memset( &e, 0, sizeof e );
      open_leaf( runs, cnt, i, &e.openings[ 0 ] );
      open_leaf( runs, cnt, k, &e.openings[ 1 ] );
      e.opening_cnt = i==k ? 1 : 2;
      if( header( &h, NULL ) ) fail_msg( "true cover of %u, leaves %u %u", cnt, i, k );
    }
    /* One run is gone: its neighbours show it, or it was the first or last. */
    for( uint32_t gone = 0; gone<cnt && cnt>1; gone++ ) {
      dmg_run_t some[ 9 ];
      uint32_t m = 0;
      for( uint32_t i = 0; i<cnt; i++ ) if( i!=gone ) some[ m++ ] = runs[ i ];
      h = good( view, NULL, 1, some, m, NULL );
      memset( &e, 0, sizeof e );
      if( gone==0 )         { open_leaf( some, m, 0, &e.openings[ 0 ] ); e.opening_cnt = 1; }
      else if( gone==cnt-1 ) { open_leaf( some, m, m-1, &e.openings[ 0 ] ); e.opening_cnt = 1; }
      else                  { open_leaf( some, m, gone-1, &e.openings[ 0 ] ); open_leaf( some, m, gone, &e.openings[ 1 ] ); e.opening_cnt = 2; }
      if( header( &h, NULL )!=8 ) fail_msg( "cover of %u without %u", cnt, gone );
      if( e.opening_cnt==2 ) {   /* not neighbours in that order: proves nothing */
        dmg_opening_t t = e.openings[ 0 ]; e.openings[ 0 ] = e.openings[ 1 ]; e.openings[ 1 ] = t;
        assert_int_equal( header( &h, NULL ), 0 );
      }
    }
  }
  /* A run that does not verify, opened; no runs where some belong. */
  dmg_run_t weak = rig_run( &r, 1, 1, 3 );
  dmg_header_t h = good( 2, NULL, 1, &weak, 1, NULL );
  memset( &e, 0, sizeof e );
  open_leaf( &weak, 1, 0, &e.openings[ 0 ] );
  e.opening_cnt = 1;
  assert_int_equal( header( &h, NULL ), 8 );
  h = good( 2, NULL, 1, NULL, 0, NULL );
  assert_int_equal( plain( &h, NULL ), 8 );
  /* An opening of another tree. */
  dmg_run_t z = rig_run( &r, 1, 1, 7 );
  h = good( 2, NULL, 1, &z, 1, NULL );
  memset( &e, 0, sizeof e );
  open_leaf( &weak, 1, 0, &e.openings[ 0 ] );
  e.opening_cnt = 1;
  assert_int_equal( header( &h, NULL ), 0 );
}

/* The clauses of the chain's shape: a boundary, what closes it, the record that it commits; and what a header says of its parent. */
static unsigned lie;
static dmg_hash_t b_hash, root;
static void edit_boundary( dmg_header_t * h ) { h->kind = DMG_BLOCK_BOUNDARY; h->next_epoch_root = root; }
static void edit_closing( dmg_header_t * h ) {
  h->kind = lie==1 ? DMG_BLOCK_NORMAL : DMG_BLOCK_CLOSING;
  h->height = lie==2 ? 2 : 1;
  h->body_len = lie==3 ? 3 : 0;
  h->body_hash = b_hash;
  h->body_hash.b[ 0 ] ^= lie==4;
  h->next_epoch_root = root;
  h->next_epoch_root.b[ 0 ] ^= lie==5;
}
static void edit_early( dmg_header_t * h ) { h->kind = DMG_BLOCK_CLOSING; }
static void edit_rooted( dmg_header_t * h ) { h->next_epoch_root.b[ 7 ] = 1; }
static void edit_epoch( dmg_header_t * h ) { h->epoch = 1; }
static void edit_nobody( dmg_header_t * h ) { h->leader = 9; }
static void edit_parent_view( dmg_header_t * h ) { h->parent_view = h->view; }
static void edit_with_cert( dmg_header_t * h ) { h->parent_cert.view = 1; h->parent_cert.bitmap[ 0 ] = 1; h->parent_cert.sig[ 0 ] = 1; }
static void edit_no_cert( dmg_header_t * h ) { h->parent_cert = (dmg_cert_t){ 0 }; }
static void edit_parent_hash( dmg_header_t * h ) { h->parent_hash.b[ 0 ] ^= 1; }
static void edit_cert_view( dmg_header_t * h ) { h->parent_cert.view = 3; }
static void edit_no_reveal( dmg_header_t * h ) { memset( h->reveal, 0, sizeof h->reveal ); }

static void test_headers_at_an_epoch_s_end( void ** state ) {
  dmg_record_t rec = r.cfg.record;
  rec.last_height = 1;
  ep.record = &rec;
  root = (dmg_hash_t){ { 0x44 } };
  dmg_header_t b = good( 1, NULL, 1, NULL, 0, edit_boundary );
  assert_int_equal( plain( &b, NULL ), 0 );           /* record e+1 is not known: its clause is not decidable */
  ep.next_root = &root;
  assert_int_equal( plain( &b, NULL ), 0 );
  ep.next_root = &A;
  assert_int_equal( plain( &b, NULL ), 8 );
  ep.next_root = NULL;
  dmg_header_t n = good( 1, NULL, 1, NULL, 0, NULL );
  assert_int_equal( plain( &n, NULL ), 8 );           /* the last height without a boundary */
  b_hash = dmg_header_hash( &b );
  dmg_header_t at = b;
  for( uint64_t v = 2; v<=3; v++ ) {                  /* on the boundary, then on a closing one */
    dmg_hash_t h = dmg_header_hash( &at );
    dmg_cert_t c = rig_cert( &r, DMG_VOTE_NOTARIZE, v-1, &h, 7 );
    for( lie = 6; lie--; ) {
      dmg_header_t x = good( v, &c, 2, NULL, 0, edit_closing );
      x.time_ms = at.time_ms+1;
      if( plain( &x, &at )!=( lie ? 8 : 0 ) ) fail_msg( "lie %u of view %u", lie, (unsigned)v );
      if( !lie ) n = x;
    }
    at = n;
  }
  rec.last_height = 9;
  n = good( 1, NULL, 1, NULL, 0, edit_early );
  assert_int_equal( plain( &n, NULL ), 8 );
  n = good( 1, NULL, 1, NULL, 0, edit_rooted );
  assert_int_equal( plain( &n, NULL ), 8 );
}

static void test_what_a_header_says_of_its_parent( void ** state ) {
  static rig_edit_t const first[] = { edit_epoch, edit_nobody, edit_parent_view, edit_with_cert, edit_parent_hash, edit_no_reveal }, second[] = { edit_no_cert, edit_parent_hash, edit_cert_view };
  dmg_header_t p = good( 1, NULL, 1, NULL, 0, NULL ), h;
  dmg_hash_t ph = dmg_header_hash( &p );
  dmg_cert_t n = rig_cert( &r, DMG_VOTE_NOTARIZE, 1, &ph, 7 );
  for( unsigned i = 0; i<6; i++ ) { h = good( 1, NULL, 1, NULL, 0, first[ i ] );  if( plain( &h, NULL )!=8 ) fail_msg( "word %u", i ); }
  for( unsigned i = 0; i<3; i++ ) { h = good( 2, &n, 2, NULL, 0, second[ i ] );   if( plain( &h, NULL )!=8 ) fail_msg( "word %u of a parent", i ); }
  /* A lie about the vote convicts nobody: its view, its signature; nor do bytes that are none. */
  h = good( 1, NULL, 1, NULL, 0, edit_nobody );
  plain( &h, NULL );
  dmg_side_t a = e.a;
  e.a.vote.sig[ 5 ] ^= 1;
  assert_int_equal( judge(), 0 );
  e.a = a;
  e.a.vote.view = 2;
  assert_int_equal( judge(), 0 );
  uint8_t bytes[ 40 ] = { 7 }, accused[ DMG_BITMAP_SZ ];
  assert_int_equal( dmg_evidence_judge( DMG_SPAN( bytes ), &ep, accused ).kind, DMG_VERDICT_BAD );
  /* A run of another's signature on either side. */
  dmg_side_t z = run( 4, 3, 7, 5 );
  z.run.sig[ 0 ] ^= 1;
  assert_int_equal( pair( cert( DMG_VOTE_FINALIZE, 5, &A, 14 ), z ), 0 );
  /* Runs that end at or below the parent, or reach the view itself. */
  dmg_run_t low = rig_run( &r, 1, 1, 7 ), far = rig_run( &r, 2, 2, 7 );
  h = good( 3, &n, 2, &low, 1, NULL );
  memset( &e, 0, sizeof e );
  open_leaf( &low, 1, 0, &e.openings[ 0 ] );
  e.opening_cnt = 1;
  assert_int_equal( header( &h, NULL ), 8 );
  h = good( 3, &n, 2, &far, 1, NULL );
  memset( &e, 0, sizeof e );
  open_leaf( &far, 1, 0, &e.openings[ 0 ] );
  e.opening_cnt = 1;
  assert_int_equal( header( &h, NULL ), 8 );
  /* In the middle, where neither place shows it. */
  for( unsigned k = 0; k<2; k++ ) {
    dmg_run_t three[ 3 ] = { rig_run( &r, 2, 1, 7 ), k ? rig_run( &r, 3, 9, 7 ) : rig_run( &r, 1, 1, 7 ), rig_run( &r, 4, 1, 7 ) };
    h = good( 5, &n, 2, three, 3, NULL );
    memset( &e, 0, sizeof e );
    open_leaf( three, 3, 1, &e.openings[ 0 ] );
    e.opening_cnt = 1;
    assert_int_equal( header( &h, NULL ), 8 );
  }
}

/* E5 by runs: who notarizes a header with a false cover is told with the openings that show it, and the judge convicts that one only. */
static void test_false_covers_are_told( void ** state ) {
  static uint8_t frame[ 16384 ];
  static rig_t x;
  for( uint32_t bad = 0; bad<7; bad++ ) for( uint32_t late = 0; late<2; late++ ) {
    rig_init( &x, 0, 1000 );
    uint32_t lead = rig_leader( &x, 21 ), me = ( lead+1 )%RIG_N, who = ( lead+2 )%RIG_N;
    rig_fini( &x );
    rig_init( &x, me, 1000 );
    for( uint32_t i = 0; i<RIG_N; i++ ) if( i!=me ) rig_link( &x, i, true );
    x.no_sign = true;
    dmg_run_t z[ 4 ], whole = rig_run( &x, 1, 20, 15 );
    for( uint32_t i = 0; i<4; i++ ) z[ i ] = rig_run( &x, 5*i+1, 5, 15 );
    rig_send_run( &x, who, &whole );
    switch( bad ) {
    case 0: z[ 0 ] = rig_run( &x, 2, 4, 15 ); break;    /* begins too high */
    case 1: z[ 3 ] = rig_run( &x, 16, 4, 15 ); break;   /* ends too low */
    case 2: z[ 1 ] = rig_run( &x, 7, 4, 15 ); break;    /* view 6 is left out */
    case 3: z[ 2 ] = rig_run( &x, 7, 3, 15 ); break;    /* inside the one before */
    case 4: z[ 2 ].sig[ 0 ] ^= 1; break;                /* does not verify */
    case 5: z[ 3 ] = rig_run( &x, 16, 6, 15 ); break;   /* past the view before */
    default: break;                                     /* none where some belong */
    }
    dmg_hash_t h;
    size_t sz = rig_proposal( &x, 21, NULL, 1, x.wall_ms+1, z, bad==6 ? 0 : 4, NULL, frame, &h );
    if( !late ) rig_vote( &x, who, DMG_VOTE_NOTARIZE, 21, &h );
    rig_frame( &x, lead, DMG_FRAME_PROPOSAL, frame, sz );
    if( late ) rig_vote( &x, who, DMG_VOTE_NOTARIZE, 21, &h );
    if( x.evidences!=1 ) fail_msg( "lie %u: told %u times", bad, x.evidences );
    uint8_t accused[ DMG_BITMAP_SZ ] = { 0 };
    dmg_verdict_t v = dmg_evidence_judge( dmg_span( x.evidence, x.evidence_sz ), &ep, accused );
    if( v.kind || accused[ 0 ]!=1u<<who ) fail_msg( "lie %u: %s %s, accused %x of %x", bad, v.field, v.text, accused[ 0 ], 1u<<who );
    rig_vote( &x, who, DMG_VOTE_NOTARIZE, 21, &h );
    assert_int_equal( x.evidences, 1 );
    rig_fini( &x );
  }
}

int main( void ) {
#define T( f ) cmocka_unit_test_setup_teardown( f, setup, teardown )
  struct CMUnitTest const tests[] = { T( test_pairs ), T( test_bad_headers ), T( test_false_covers ), T( test_false_covers_are_told ), T( test_headers_at_an_epoch_s_end ), T( test_what_a_header_says_of_its_parent ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
