#include "judge.h"
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

/* --- I7 ----------------------------------------------------------------------------------------------------- */

typedef struct { dmg_keys_t const * keys; dmg_header_t const * h; uint64_t to; dmg_merkle_t tree; char * why; } cover_t;   /* to: all views up to it are nullified so far */

/* The next leaf; false: what it says is not so. */
static bool leaf( cover_t * c, dmg_run_t const * run, dmg_span_t raw ) {
  dmg_hash_t hash = dmg_run_leaf( raw );
  dmg_merkle_add( &c->tree, DMG_TAG_JUST_NODE, &hash );
  if( run->first>c->to+1 ) { snprintf( c->why, 128, "view %lu has no Z under just_root", (unsigned long)c->to+1 ); return false; }
  if( !dmg_run_verify( c->keys, run ) ) { snprintf( c->why, 128, "the run of views %lu to %lu does not hold", (unsigned long)run->first, (unsigned long)dmg_run_last( run ) ); return false; }
  if( dmg_run_last( run )>c->to ) c->to = dmg_run_last( run );
  return true;
}

static bool is_under( cover_t const * c ) { dmg_hash_t root = dmg_merkle_end( &c->tree, DMG_TAG_JUST_NODE ); return dmg_hash_eq( &root, &c->h->just_root ); }

static void begin( cover_t * c ) { c->to = c->h->parent_view; dmg_merkle_init( &c->tree ); }

just_verdict_t judge_just( dmg_keys_t const * keys, dmg_cons_t * core, dmg_header_t const * h, dmg_hash_t const * hash, char out_why[ 128 ] ) {
  static uint8_t bytes[ DMG_LEAVES_SZ_MAX ];
  cover_t c = { .keys = keys, .h = h, .why = out_why };
  dmg_run_t  run;
  dmg_span_t raw;
  dmg_span_t p = dmg_cons_proposal( core, hash );
  dmg_proposal_t d;
  if( !p.p ) return JUST_UNKNOWN;
  bool is_ok = !dmg_proposal_decode( p, &d ).kind;
  DMG_ASSERT( is_ok );
  begin( &c );
  for( dmg_runs_t at = d.runs; is_ok && dmg_runs_next( &at, &run, &raw ); ) is_ok = leaf( &c, &run, raw );
  if( is_ok && !is_under( &c ) ) {
    /* A prefix: the whole list by its leaves. */
    uint32_t at = 0, all = 1;
    begin( &c );
    for( dmg_leaves_t l; is_ok && at<all; ) {
      size_t sz = dmg_cons_runs( core, hash, at, DMG_LEAVES_MAX, bytes );
      if( !sz || dmg_leaves_decode( dmg_span( bytes, sz ), &l ).kind ) return JUST_UNKNOWN;
      all = l.leaf_cnt;
      for( ; is_ok && dmg_leaves_next( &l, &run, &raw, NULL ); at++ ) is_ok = leaf( &c, &run, raw );
    }
    if( is_ok && !is_under( &c ) ) { snprintf( out_why, 128, "its runs do not hash to just_root" ); is_ok = false; }
  }
  if( is_ok && c.to<h->view-1 ) { snprintf( out_why, 128, "view %lu has no Z under just_root", (unsigned long)c.to+1 ); is_ok = false; }
  return is_ok ? JUST_HOLDS : JUST_FALSE;
}

/* --- I14 ---------------------------------------------------------------------------------------------------- */

static uint64_t bytes_max( uint32_t n ) {
  static struct { uint32_t n, bytes; } const row[] = { { 4, 1434 }, { 16, 7168 }, { 64, 28672 }, { 100, 45056 } };   /* 1.4, 7, 28, 44 KB */
  if( n<=row[ 0 ].n ) return row[ 0 ].bytes;
  unsigned i = 1;
  while( i<3 && n>row[ i ].n ) i++;
  return row[ i-1 ].bytes+(uint64_t)( n-row[ i-1 ].n )*( row[ i ].bytes-row[ i-1 ].bytes )/( row[ i ].n-row[ i-1 ].n );
}

bool judge_calm( uint32_t n, judge_calm_t const * c, char out_why[ 128 ] ) {
  enum { BLOCKS_MIN = 20 };
  uint64_t most = bytes_max( n );
  if( c->may_have_dead ) most += most/2;
  if( !c->cnt || c->blocks<BLOCKS_MIN || c->sent<=most*( c->cnt*c->blocks+c->nulls ) ) return true;
  snprintf( out_why, 128, "I14: a validator sent %lu bytes a view in calm, of %lu allowed", (unsigned long)( c->sent/( c->cnt*c->blocks+c->nulls ) ), (unsigned long)most );
  return false;
}
