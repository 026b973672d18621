#include "types/agree.h"
#include "types/fields_int.h"
#include "base/assert.h"

/* --- votes ---------------------------------------------------------------------------------------------- */

static void write_vote_head( dmg_bcs_wr_t * wr, uint8_t kind, uint32_t epoch, uint64_t view, dmg_hash_t const * hash, uint16_t signer ) {
  dmg_bcs_wr_u8   ( wr, kind );
  dmg_bcs_wr_u32  ( wr, epoch );
  dmg_bcs_wr_u64  ( wr, view );
  dmg_bcs_wr_fixed( wr, hash->b, 32 );
  dmg_bcs_wr_u16  ( wr, signer );
}

static dmg_verdict_t vote_judge( uint8_t kind, uint8_t kind_max, uint64_t view, dmg_hash_t const * hash, uint16_t signer ) {
  if( kind>kind_max )                                        return dmg_verdict_bad( "kind", "an unknown kind", 0 );
  if( !view )                                                return dmg_verdict_bad( "view", "zero, which is the anchor", 5 );
  if( kind==DMG_VOTE_NULLIFY && !dmg_hash_is_zero( hash ) )  return dmg_verdict_bad( "hash", "not zero in a NULLIFY", 13 );
  if( signer>=DMG_SET_MAX )                                  return dmg_verdict_bad( "signer", "past the largest set", 45 );
  return dmg_verdict_good();
}

void dmg_vote_encode( dmg_vote_t const * vote, uint8_t out[ DMG_VOTE_WIRE_SZ ] ) {
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_VOTE_WIRE_SZ );
  write_vote_head( &wr, vote->kind, vote->epoch, vote->view, &vote->hash, vote->signer );
  dmg_bcs_wr_fixed( &wr, vote->sig, DMG_BLS_SIG_RAW_SZ );
  DMG_ASSERT( !wr.is_full && wr.p==wr.end );
}

void dmg_vote_stored_encode( dmg_vote_stored_t const * vote, uint8_t out[ DMG_VOTE_STORED_SZ ] ) {
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_VOTE_STORED_SZ );
  write_vote_head( &wr, vote->kind, vote->epoch, vote->view, &vote->hash, vote->signer );
  dmg_bcs_wr_fixed( &wr, vote->sig, DMG_BLS_SIG_SZ );
  DMG_ASSERT( !wr.is_full && wr.p==wr.end );
}

dmg_verdict_t dmg_vote_decode( dmg_span_t bytes, dmg_vote_t * out ) {
  dmg_bcs_rd_t r = dmg_bcs_rd( bytes ), * rd = &r;
  dmg_field_at_t f = { 0 }, * at = &f;
  dmg_vote_t v;
  F( "kind",   v.kind   = dmg_bcs_rd_u8( rd ) );
  F( "epoch",  v.epoch  = dmg_bcs_rd_u32( rd ) );
  F( "view",   v.view   = dmg_bcs_rd_u64( rd ) );
  F( "hash",   dmg_bcs_rd_copy( rd, v.hash.b, 32 ) );
  F( "signer", v.signer = dmg_bcs_rd_u16( rd ) );
  F( "sig",    dmg_bcs_rd_copy( rd, v.sig, sizeof v.sig ) );
  dmg_verdict_t verdict = dmg_fields_end( rd, at );
  if( !verdict.kind ) verdict = vote_judge( v.kind, DMG_VOTE_FINALIZE, v.view, &v.hash, v.signer );
  if( !verdict.kind ) *out = v;
  return verdict;
}

static void read_vote_stored( dmg_bcs_rd_t * rd, dmg_field_at_t * at, dmg_vote_stored_t * v ) {
  F( "kind",   v->kind   = dmg_bcs_rd_u8( rd ) );
  F( "epoch",  v->epoch  = dmg_bcs_rd_u32( rd ) );
  F( "view",   v->view   = dmg_bcs_rd_u64( rd ) );
  F( "hash",   dmg_bcs_rd_copy( rd, v->hash.b, 32 ) );
  F( "signer", v->signer = dmg_bcs_rd_u16( rd ) );
  F( "sig",    dmg_bcs_rd_copy( rd, v->sig, sizeof v->sig ) );
}

dmg_verdict_t dmg_vote_stored_decode( dmg_span_t bytes, dmg_vote_stored_t * out ) {
  dmg_bcs_rd_t r = dmg_bcs_rd( bytes ), * rd = &r;
  dmg_field_at_t f = { 0 }, * at = &f;
  dmg_vote_stored_t v;
  read_vote_stored( rd, at, &v );
  dmg_verdict_t verdict = dmg_fields_end( rd, at );
  if( !verdict.kind ) verdict = vote_judge( v.kind, DMG_VOTE_PROPOSE, v.view, &v.hash, v.signer );
  if( !verdict.kind ) *out = v;
  return verdict;
}

/* --- runs ----------------------------------------------------------------------------------------------- */

size_t dmg_run_encode( dmg_run_t const * run, uint8_t out[ DMG_RUN_SZ_MAX ] ) {
  DMG_ASSERT( run->cnt>=1 && run->cnt<=DMG_RUN_VIEWS_MAX );
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_RUN_SZ_MAX );
  dmg_bcs_wr_u32  ( &wr, run->epoch );
  dmg_bcs_wr_u64  ( &wr, run->first );
  dmg_bcs_wr_uleb ( &wr, run->cnt );
  dmg_bcs_wr_fixed( &wr, run->bitmaps, (size_t)DMG_BITMAP_SZ*run->cnt );
  dmg_bcs_wr_fixed( &wr, run->sig, DMG_BLS_SIG_SZ );
  DMG_ASSERT( !wr.is_full );
  return dmg_bcs_wr_span( &wr ).sz;
}

void dmg_run_read( dmg_bcs_rd_t * rd, dmg_run_t * run ) {
  run->epoch = dmg_bcs_rd_u32( rd );
  run->first = dmg_bcs_rd_u64( rd );
  run->cnt   = dmg_bcs_rd_len( rd, 1, DMG_RUN_VIEWS_MAX );
  /* View 0 is the anchor; the last view stays a u64 with room for +1. */
  if( !rd->bad && ( !run->first || run->first>UINT64_MAX-DMG_RUN_VIEWS_MAX-1 ) ) dmg_bcs_rd_fail( rd, DMG_BCS_VALUE );
  if( rd->bad ) run->cnt = 0;
  dmg_bcs_rd_copy( rd, run->bitmaps, (size_t)DMG_BITMAP_SZ*run->cnt );
  dmg_bcs_rd_copy( rd, run->sig, DMG_BLS_SIG_SZ );
}

dmg_verdict_t dmg_run_decode( dmg_span_t bytes, dmg_run_t * out ) {
  dmg_bcs_rd_t r = dmg_bcs_rd( bytes ), * rd = &r;
  dmg_field_at_t f = { 0 }, * at = &f;
  F( "run", dmg_run_read( rd, out ) );
  return dmg_fields_end( rd, at );
}

dmg_hash_t dmg_run_leaf( dmg_span_t run ) { return dmg_h( DMG_TAG_JUST_LEAF, run ); }

/* A list of runs, walked once: what it says is bounded by what is there. */
static dmg_runs_t read_runs( dmg_bcs_rd_t * rd ) {
  dmg_runs_t out = { 0 };
  out.cnt = dmg_bcs_rd_len( rd, 0, DMG_RUNS_SZ_MAX/DMG_RUN_SZ( 1 ) );
  uint8_t const * from = rd->p;
  for( uint32_t i = 0; i<out.cnt && !rd->bad; i++ ) {
    dmg_run_t run;
    dmg_run_read( rd, &run );
  }
  if( rd->bad ) { out.cnt = 0; return out; }
  out.bytes = dmg_span( from, (size_t)( rd->p-from ) );
  if( out.bytes.sz>DMG_RUNS_SZ_MAX ) dmg_bcs_rd_fail( rd, DMG_BCS_LENGTH );
  return out;
}

bool dmg_runs_next( dmg_runs_t * runs, dmg_run_t * out, dmg_span_t * out_raw ) {
  if( !runs->cnt ) return false;
  dmg_bcs_rd_t rd = dmg_bcs_rd( runs->bytes );
  dmg_run_read( &rd, out );
  DMG_ASSERT( !rd.bad );
  size_t sz = dmg_bcs_rd_off( &rd );
  if( out_raw ) *out_raw = dmg_span( runs->bytes.p, sz );
  runs->bytes = dmg_span( runs->bytes.p+sz, runs->bytes.sz-sz );
  runs->cnt--;
  return true;
}

static void read_leaf( dmg_bcs_rd_t * rd, dmg_run_t * run, dmg_span_t * raw, dmg_merkle_path_t * path ) {
  uint8_t const * from = rd->p;
  dmg_run_read( rd, run );
  if( raw ) *raw = dmg_span( from, (size_t)( rd->p-from ) );
  dmg_merkle_path_t skip;
  dmg_merkle_path_read( rd, path ? path : &skip );
}

dmg_verdict_t dmg_leaves_decode( dmg_span_t bytes, dmg_leaves_t * out ) {
  dmg_bcs_rd_t r = dmg_bcs_rd( bytes ), * rd = &r;
  dmg_field_at_t f = { 0 }, * at = &f;
  dmg_leaves_t l;
  dmg_run_t run;
  F( "leaf_cnt", l.leaf_cnt = dmg_bcs_rd_u32( rd ) );
  if( !rd->bad && ( !l.leaf_cnt || l.leaf_cnt>DMG_MERKLE_LEAF_MAX || bytes.sz>DMG_LEAVES_SZ_MAX ) ) F( "leaf_cnt", dmg_bcs_rd_fail( rd, DMG_BCS_VALUE ) );
  F( "leaves", l.cnt = dmg_bcs_rd_len( rd, 1, DMG_LEAVES_MAX ) );
  l.bytes = dmg_span( rd->p, dmg_bcs_rd_left( rd ) );
  for( uint32_t i = 0; i<l.cnt && !rd->bad; i++ ) F( "leaves", read_leaf( rd, &run, NULL, NULL ) );
  dmg_verdict_t v = dmg_fields_end( rd, at );
  if( !v.kind ) *out = l;
  return v;
}

bool dmg_leaves_next( dmg_leaves_t * l, dmg_run_t * run, dmg_span_t * raw, dmg_merkle_path_t * path ) {
  if( !l->cnt ) return false;
  dmg_bcs_rd_t rd = dmg_bcs_rd( l->bytes );
  read_leaf( &rd, run, raw, path );
  DMG_ASSERT( !rd.bad );
  size_t sz = dmg_bcs_rd_off( &rd );
  l->bytes = dmg_span( l->bytes.p+sz, l->bytes.sz-sz );
  l->cnt--;
  return true;
}

bool dmg_leaves_verify( dmg_leaves_t const * leaves, uint32_t first, dmg_hash_t const * root ) {
  dmg_leaves_t at = *leaves;
  dmg_run_t run;
  dmg_span_t raw;
  dmg_merkle_path_t path;
  if( at.leaf_cnt<at.cnt || first>at.leaf_cnt-at.cnt ) return false;
  for( ; dmg_leaves_next( &at, &run, &raw, &path ); first++ ) {
    dmg_hash_t leaf = dmg_run_leaf( raw );
    if( !dmg_merkle_verify( DMG_TAG_JUST_NODE, root, &leaf, first, at.leaf_cnt, &path ) ) return false;
  }
  return true;
}

void dmg_leaves_head( uint32_t leaf_cnt, uint32_t cnt, dmg_bcs_wr_t * wr ) {
  dmg_bcs_wr_u32 ( wr, leaf_cnt );
  dmg_bcs_wr_uleb( wr, cnt );
}

/* --- sets and epochs ------------------------------------------------------------------------------------- */

size_t dmg_set_encode( dmg_set_t const * set, uint8_t out[ DMG_SET_SZ_MAX ] ) {
  DMG_ASSERT( set->cnt>=1 && set->cnt<=DMG_SET_MAX );
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_SET_SZ_MAX );
  dmg_bcs_wr_uleb( &wr, set->cnt );
  for( uint32_t i = 0; i<set->cnt; i++ ) {
    dmg_bcs_wr_fixed( &wr, set->members[ i ].key, DMG_BLS_KEY_SZ );
    dmg_bcs_wr_u64  ( &wr, set->members[ i ].weight );
  }
  DMG_ASSERT( !wr.is_full );
  return dmg_bcs_wr_span( &wr ).sz;
}

static void read_set( dmg_bcs_rd_t * rd, dmg_field_at_t * at, dmg_set_t * s ) {
  uint64_t sum = 0;
  F( "set", s->cnt = dmg_bcs_rd_len( rd, 1, DMG_SET_MAX ) );
  for( uint32_t i = 0; i<s->cnt && !rd->bad; i++ ) {
    F_AT( "set.key", i, dmg_bcs_rd_copy( rd, s->members[ i ].key, DMG_BLS_KEY_SZ ) );
    if( !rd->bad && i && memcmp( s->members[ i-1 ].key, s->members[ i ].key, DMG_BLS_KEY_SZ )>=0 ) F_AT( "set.key", i, dmg_bcs_rd_fail( rd, DMG_BCS_ORDER ) );
    F_AT( "set.weight", i, s->members[ i ].weight = dmg_bcs_rd_u64( rd ) );
    if( !rd->bad && ( !s->members[ i ].weight || !dmg_add_u64( sum, s->members[ i ].weight, &sum ) ) ) F_AT( "set.weight", i, dmg_bcs_rd_fail( rd, DMG_BCS_VALUE ) );
  }
}

dmg_verdict_t dmg_set_decode( dmg_span_t bytes, dmg_set_t * out ) {
  dmg_bcs_rd_t r = dmg_bcs_rd( bytes ), * rd = &r;
  dmg_field_at_t f = { 0 };
  read_set( rd, &f, out );
  return dmg_fields_end( rd, &f );
}

dmg_hash_t dmg_set_hash( dmg_set_t const * set ) {
  uint8_t bytes[ DMG_SET_SZ_MAX ];
  return dmg_h( DMG_TAG_SET, dmg_span( bytes, dmg_set_encode( set, bytes ) ) );
}

uint64_t dmg_set_weight( dmg_set_t const * set ) {
  uint64_t sum = 0;
  for( uint32_t i = 0; i<set->cnt; i++ ) sum += set->members[ i ].weight;
  return sum;
}

uint64_t dmg_set_quorum( uint64_t total ) { return (uint64_t)( (dmg_u128_t)total*2/3 )+1; }

int dmg_set_find( dmg_set_t const * set, uint8_t const key[ DMG_BLS_KEY_SZ ] ) {
  for( uint32_t lo = 0, hi = set->cnt; lo<hi; ) {
    uint32_t mid = ( lo+hi )/2;
    int c = memcmp( key, set->members[ mid ].key, DMG_BLS_KEY_SZ );
    if( !c ) return (int)mid;
    if( c<0 ) hi = mid; else lo = mid+1;
  }
  return -1;
}

void dmg_record_encode( dmg_record_t const * r, uint8_t out[ DMG_RECORD_SZ ] ) {
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_RECORD_SZ );
  dmg_bcs_wr_u16  ( &wr, r->version );
  dmg_bcs_wr_u32  ( &wr, r->epoch );
  dmg_bcs_wr_u64  ( &wr, r->first_height );
  dmg_bcs_wr_u64  ( &wr, r->last_height );
  dmg_bcs_wr_fixed( &wr, r->set_hash.b, 32 );
  dmg_bcs_wr_fixed( &wr, r->seed.b, 32 );
  dmg_bcs_wr_u64  ( &wr, r->weight );
  dmg_bcs_wr_u16  ( &wr, r->n );
  dmg_bcs_wr_u16  ( &wr, r->pace_ms );
  dmg_bcs_wr_u8   ( &wr, r->window );
  dmg_bcs_wr_u16  ( &wr, r->delta_ms );
  dmg_bcs_wr_u32  ( &wr, r->cap_ms );
  dmg_bcs_wr_u8   ( &wr, r->empty_lag );
  dmg_bcs_wr_u32  ( &wr, r->body_max );
  dmg_bcs_wr_u32  ( &wr, r->body_soft );
  dmg_bcs_wr_u16  ( &wr, r->skew_ms );
  DMG_ASSERT( !wr.is_full && wr.p==wr.end );
}

static void read_record( dmg_bcs_rd_t * rd, dmg_field_at_t * at, dmg_record_t * r ) {
  F( "record.version",      r->version      = dmg_bcs_rd_u16( rd ) );
  F( "record.epoch",        r->epoch        = dmg_bcs_rd_u32( rd ) );
  F( "record.first_height", r->first_height = dmg_bcs_rd_u64( rd ) );
  F( "record.last_height",  r->last_height  = dmg_bcs_rd_u64( rd ) );
  F( "record.set_hash",     dmg_bcs_rd_copy( rd, r->set_hash.b, 32 ) );
  F( "record.seed",         dmg_bcs_rd_copy( rd, r->seed.b, 32 ) );
  F( "record.weight",       r->weight       = dmg_bcs_rd_u64( rd ) );
  F( "record.n",            r->n            = dmg_bcs_rd_u16( rd ) );
  F( "record.pace",         r->pace_ms      = dmg_bcs_rd_u16( rd ) );
  F( "record.window",       r->window       = dmg_bcs_rd_u8( rd ) );
  F( "record.delta",        r->delta_ms     = dmg_bcs_rd_u16( rd ) );
  F( "record.cap",          r->cap_ms       = dmg_bcs_rd_u32( rd ) );
  F( "record.empty_lag",    r->empty_lag    = dmg_bcs_rd_u8( rd ) );
  F( "record.body_max",     r->body_max     = dmg_bcs_rd_u32( rd ) );
  F( "record.body_soft",    r->body_soft    = dmg_bcs_rd_u32( rd ) );
  F( "record.skew",         r->skew_ms      = dmg_bcs_rd_u16( rd ) );
}

static dmg_verdict_t record_judge( dmg_record_t const * r ) {
  static struct { char const * field; char const * text; } const bad[] = {
    { "record.version", "not 1" }, { "record.last_height", "below first_height" }, { "record.n", "not 1..128" }, { "record.weight", "zero" }, { "record.pace", "not 100..2000 ms" },
    { "record.window", "not 1..4 views" }, { "record.delta", "not 50..2000 ms" }, { "record.cap", "not 5..120 s, or below 4 (T + 2 Delta)" }, { "record.empty_lag", "not 8..16 views" },
    { "record.body_max", "not 128 KiB..1 MiB" }, { "record.body_soft", "above body_max" }, { "record.skew", "not 100..2000 ms" } };
  bool const fact[] = {
    r->version!=DMG_RECORD_VERSION, !r->first_height || r->last_height<r->first_height, !r->n || r->n>DMG_SET_MAX, !r->weight, r->pace_ms<100 || r->pace_ms>2000,
    !r->window || r->window>4, r->delta_ms<50 || r->delta_ms>2000,
    r->cap_ms<5000 || r->cap_ms>120000 || r->cap_ms<4u*( (uint32_t)r->pace_ms+2u*r->delta_ms ), r->empty_lag<8 || r->empty_lag>16,
    r->body_max<( 128u<<10 ) || r->body_max>( 1u<<20 ), r->body_soft>r->body_max, r->skew_ms<100 || r->skew_ms>2000 };
  _Static_assert( sizeof fact/sizeof *fact==sizeof bad/sizeof *bad, "one text a fact" );
  for( unsigned i = 0; i<sizeof fact/sizeof *fact; i++ ) if( fact[ i ] ) return dmg_verdict_bad( bad[ i ].field, bad[ i ].text, 0 );
  return dmg_verdict_good();
}

dmg_verdict_t dmg_record_decode( dmg_span_t bytes, dmg_record_t * out ) {
  dmg_bcs_rd_t r = dmg_bcs_rd( bytes ), * rd = &r;
  dmg_field_at_t f = { 0 };
  dmg_record_t rec;
  read_record( rd, &f, &rec );
  dmg_verdict_t v = dmg_fields_end( rd, &f );
  if( !v.kind ) v = record_judge( &rec );
  if( !v.kind ) *out = rec;
  return v;
}

dmg_hash_t dmg_record_hash( dmg_record_t const * record ) {
  uint8_t bytes[ DMG_RECORD_SZ ];
  dmg_record_encode( record, bytes );
  return dmg_h( DMG_TAG_EPOCH, DMG_SPAN( bytes ) );
}

/* --- frames ---------------------------------------------------------------------------------------------- */

void dmg_hello_encode( dmg_hello_t const * hello, uint8_t out[ DMG_HELLO_SZ ] ) {
  dmg_store_u32le( out, hello->epoch );
  dmg_store_u64le( out+4, hello->cur );
  dmg_store_u64le( out+12, hello->final_view );
  dmg_store_u64le( out+20, hello->height );
}

dmg_verdict_t dmg_hello_decode( dmg_span_t bytes, dmg_hello_t * out ) {
  dmg_bcs_rd_t r = dmg_bcs_rd( bytes ), * rd = &r;
  dmg_field_at_t f = { 0 }, * at = &f;
  dmg_hello_t h;
  F( "epoch",      h.epoch      = dmg_bcs_rd_u32( rd ) );
  F( "cur",        h.cur        = dmg_bcs_rd_u64( rd ) );
  F( "final_view", h.final_view = dmg_bcs_rd_u64( rd ) );
  F( "height",     h.height     = dmg_bcs_rd_u64( rd ) );
  dmg_verdict_t v = dmg_fields_end( rd, at );
  if( !v.kind && h.cur<=h.final_view ) v = dmg_verdict_bad( "cur", "not above the final view", 4 );
  if( !v.kind ) *out = h;
  return v;
}

size_t dmg_want_encode( dmg_want_t const * want, uint8_t out[ DMG_WANT_SZ_MAX ] ) {
  DMG_ASSERT( want->cnt<=DMG_WANT_VIEWS_MAX );
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, DMG_WANT_SZ_MAX );
  dmg_bcs_wr_uleb( &wr, want->cnt );
  for( uint32_t i = 0; i<want->cnt; i++ ) dmg_bcs_wr_u64( &wr, want->views[ i ] );
  dmg_bcs_wr_u8( &wr, want->kinds );
  DMG_ASSERT( !wr.is_full );
  return dmg_bcs_wr_span( &wr ).sz;
}

dmg_verdict_t dmg_want_decode( dmg_span_t bytes, dmg_want_t * out ) {
  dmg_bcs_rd_t r = dmg_bcs_rd( bytes ), * rd = &r;
  dmg_field_at_t f = { 0 }, * at = &f;
  F( "views", out->cnt = dmg_bcs_rd_len( rd, 0, DMG_WANT_VIEWS_MAX ) );
  for( uint32_t i = 0; i<out->cnt && !rd->bad; i++ ) {
    F_AT( "views", i, out->views[ i ] = dmg_bcs_rd_u64( rd ) );
    if( !rd->bad && i && out->views[ i ]<=out->views[ i-1 ] ) F_AT( "views", i, dmg_bcs_rd_fail( rd, DMG_BCS_ORDER ) );
  }
  F( "kinds", out->kinds = dmg_bcs_rd_u8( rd ) );
  if( !rd->bad && ( !out->kinds || out->kinds>15 ) ) F( "kinds", dmg_bcs_rd_fail( rd, DMG_BCS_VALUE ) );
  return dmg_fields_end( rd, at );
}

dmg_verdict_t dmg_bundle_decode( dmg_span_t bytes, dmg_bundle_t * out ) {
  dmg_bcs_rd_t r = dmg_bcs_rd( bytes ), * rd = &r;
  dmg_field_at_t f = { 0 }, * at = &f;
  dmg_bundle_t b;
  dmg_span_t cert;
  F( "base", cert = dmg_bcs_rd_fixed( rd, DMG_CERT_SZ ) );
  F( "runs", b.runs = read_runs( rd ) );
  dmg_verdict_t v = dmg_fields_end( rd, at );
  if( !v.kind ) v = dmg_cert_decode( cert, &b.base );
  if( !v.kind ) *out = b;
  return v;
}

size_t dmg_bundle_head( dmg_cert_t const * base, uint32_t run_cnt, uint8_t out[ DMG_BUNDLE_HEAD_MAX ] ) {
  dmg_cert_encode( base, out );
  dmg_bcs_wr_t wr = dmg_bcs_wr( out+DMG_CERT_SZ, 2 );
  dmg_bcs_wr_uleb( &wr, run_cnt );
  DMG_ASSERT( !wr.is_full );
  return DMG_CERT_SZ+dmg_bcs_wr_span( &wr ).sz;
}

dmg_verdict_t dmg_proposal_decode( dmg_span_t bytes, dmg_proposal_t * out ) {
  dmg_bcs_rd_t r = dmg_bcs_rd( bytes ), * rd = &r;
  dmg_field_at_t f = { 0 }, * at = &f;
  dmg_proposal_t p;
  dmg_span_t header, cert;
  F( "header", header = dmg_bcs_rd_fixed( rd, DMG_SIGNED_HEADER_SZ ) );
  F( "final",  cert   = dmg_bcs_rd_fixed( rd, DMG_CERT_SZ ) );
  F( "runs",   p.runs = read_runs( rd ) );
  dmg_verdict_t v = dmg_fields_end( rd, at );
  if( !v.kind ) v = dmg_signed_header_decode( header, &p.header );
  if( !v.kind ) v = dmg_cert_decode( cert, &p.fin );
  if( !v.kind ) {
    p.hash = dmg_header_bytes_hash( dmg_span( header.p, DMG_HEADER_SZ ) );
    *out = p;
  }
  return v;
}

size_t dmg_proposal_head( dmg_signed_header_t const * header, dmg_cert_t const * fin, uint32_t run_cnt, uint8_t out[ DMG_PROPOSAL_HEAD_MAX ] ) {
  dmg_signed_header_encode( header, out );
  return DMG_SIGNED_HEADER_SZ+dmg_bundle_head( fin, run_cnt, out+DMG_SIGNED_HEADER_SZ );
}

/* --- handover -------------------------------------------------------------------------------------------- */

enum { SET_SAME, SET_CHANGE, SET_WHOLE, SET_KIND_CNT };

dmg_verdict_t dmg_handover_decode( dmg_span_t bytes, dmg_handover_t * out ) {
  dmg_bcs_rd_t r = dmg_bcs_rd( bytes ), * rd = &r;
  dmg_field_at_t f = { 0 }, * at = &f;
  dmg_handover_t h;
  dmg_span_t header, cert;
  F( "header", header = dmg_bcs_rd_fixed( rd, DMG_HEADER_SZ ) );
  F( "cert",   cert   = dmg_bcs_rd_fixed( rd, DMG_CERT_SZ ) );
  read_record( rd, at, &h.record );
  F( "set",    h.set_kind = (uint8_t)dmg_bcs_rd_variant( rd, SET_KIND_CNT ) );
  h.set = rd->bad ? dmg_span( NULL, 0 ) : dmg_bcs_rd_fixed( rd, h.set_kind==SET_SAME ? 0 : dmg_bcs_rd_left( rd ) );
  dmg_verdict_t v = dmg_fields_end( rd, at );
  if( !v.kind ) v = dmg_header_decode( header, &h.header );
  if( !v.kind ) v = dmg_cert_decode( cert, &h.fin );
  if( !v.kind ) v = record_judge( &h.record );
  if( !v.kind ) *out = h;
  return v;
}

/* The entries of next that differ from prev and, with weight 0, those of prev that are gone; ascending by key.  Returns how many. */
static uint32_t set_change( dmg_set_t const * prev, dmg_set_t const * next, dmg_member_t out[ DMG_SET_CHANGE_MAX ] ) {
  uint32_t n = 0, i = 0, j = 0;
  while( i<prev->cnt || j<next->cnt ) {
    int c = i==prev->cnt ? 1 : j==next->cnt ? -1 : memcmp( prev->members[ i ].key, next->members[ j ].key, DMG_BLS_KEY_SZ );
    if( c<0 )      { out[ n ] = prev->members[ i++ ]; out[ n++ ].weight = 0; }
    else if( c>0 ) out[ n++ ] = next->members[ j++ ];
    else           { if( prev->members[ i ].weight!=next->members[ j ].weight ) out[ n++ ] = next->members[ j ]; i++; j++; }
  }
  return n;
}

size_t dmg_handover_encode( dmg_header_t const * header, dmg_cert_t const * fin, dmg_record_t const * record, dmg_set_t const * prev, dmg_set_t const * next,
                            uint8_t out[ DMG_HANDOVER_SZ_MAX ] ) {
  dmg_header_encode( header, out );
  dmg_cert_encode  ( fin, out+DMG_HEADER_SZ );
  dmg_record_encode( record, out+DMG_HEADER_SZ+DMG_CERT_SZ );
  dmg_member_t change[ DMG_SET_CHANGE_MAX ];
  uint32_t n = set_change( prev, next, change );
  dmg_bcs_wr_t wr = dmg_bcs_wr( out+DMG_HANDOVER_HEAD_SZ, DMG_HANDOVER_SZ_MAX-DMG_HANDOVER_HEAD_SZ );
  if( !n ) dmg_bcs_wr_uleb( &wr, SET_SAME );
  else if( n<next->cnt ) {
    dmg_bcs_wr_uleb( &wr, SET_CHANGE );
    dmg_bcs_wr_uleb( &wr, n );
    for( uint32_t i = 0; i<n; i++ ) { dmg_bcs_wr_fixed( &wr, change[ i ].key, DMG_BLS_KEY_SZ ); dmg_bcs_wr_u64( &wr, change[ i ].weight ); }
  } else {
    uint8_t bytes[ DMG_SET_SZ_MAX ];
    dmg_bcs_wr_uleb ( &wr, SET_WHOLE );
    dmg_bcs_wr_fixed( &wr, bytes, dmg_set_encode( next, bytes ) );
  }
  DMG_ASSERT( !wr.is_full );
  return DMG_HANDOVER_HEAD_SZ+dmg_bcs_wr_span( &wr ).sz;
}

static dmg_verdict_t apply_change( dmg_span_t bytes, dmg_set_t const * prev, dmg_set_t * out ) {
  dmg_bcs_rd_t r = dmg_bcs_rd( bytes ), * rd = &r;
  dmg_field_at_t f = { 0 }, * at = &f;
  dmg_member_t m, last = { 0 };
  uint32_t cnt, i = 0;
  uint64_t sum = 0;
  out->cnt = 0;
  F( "change", cnt = dmg_bcs_rd_len( rd, 1, DMG_SET_CHANGE_MAX ) );
  for( uint32_t c = 0; c<=cnt && !rd->bad; c++ ) {
    bool is_end = c==cnt;
    if( !is_end ) {
      F_AT( "change.key", c, dmg_bcs_rd_copy( rd, m.key, DMG_BLS_KEY_SZ ) );
      F_AT( "change.weight", c, m.weight = dmg_bcs_rd_u64( rd ) );
      if( !rd->bad && c && memcmp( last.key, m.key, DMG_BLS_KEY_SZ )>=0 ) F_AT( "change.key", c, dmg_bcs_rd_fail( rd, DMG_BCS_ORDER ) );
      if( rd->bad ) break;
      last = m;
    }
    for( ; i<prev->cnt && ( is_end || memcmp( prev->members[ i ].key, m.key, DMG_BLS_KEY_SZ )<0 ) && out->cnt<DMG_SET_MAX; i++ ) out->members[ out->cnt++ ] = prev->members[ i ];
    if( is_end ) { if( i<prev->cnt ) F( "change", dmg_bcs_rd_fail( rd, DMG_BCS_LENGTH ) ); break; }
    bool is_member = i<prev->cnt && !memcmp( prev->members[ i ].key, m.key, DMG_BLS_KEY_SZ );
    /* One form a change: an entry that changes nothing is refused. */
    if( is_member ? prev->members[ i ].weight==m.weight : !m.weight ) { F_AT( "change.weight", c, dmg_bcs_rd_fail( rd, DMG_BCS_VALUE ) ); break; }
    i += is_member;
    if( !m.weight ) continue;
    if( out->cnt==DMG_SET_MAX ) { F( "change", dmg_bcs_rd_fail( rd, DMG_BCS_LENGTH ) ); break; }
    out->members[ out->cnt++ ] = m;
  }
  dmg_verdict_t v = dmg_fields_end( rd, at );
  if( v.kind ) return v;
  if( !out->cnt ) return dmg_verdict_bad( "change", "leaves no member", 0 );
  for( i = 0; i<out->cnt; i++ ) if( !dmg_add_u64( sum, out->members[ i ].weight, &sum ) ) return dmg_verdict_bad( "change.weight", "a sum past 64 bits", 0 );
  return v;
}

dmg_verdict_t dmg_handover_set( dmg_handover_t const * h, dmg_set_t const * prev, dmg_set_t * out ) {
  dmg_verdict_t v = dmg_verdict_good();
  if( h->set_kind==SET_SAME )        *out = *prev;
  else if( h->set_kind==SET_CHANGE ) v = apply_change( h->set, prev, out );
  else                               v = dmg_set_decode( h->set, out );
  if( v.kind ) return v;
  dmg_hash_t hash = dmg_set_hash( out );
  if( !dmg_hash_eq( &hash, &h->record.set_hash ) )                                    return dmg_verdict_bad( "record.set_hash", "of another set", 0 );
  if( out->cnt!=h->record.n || dmg_set_weight( out )!=h->record.weight )              return dmg_verdict_bad( "record.n", "of another set", 0 );
  return v;
}

/* --- evidence -------------------------------------------------------------------------------------------- */

uint32_t   dmg_side_epoch( dmg_side_t const * s ) { return s->kind==DMG_SIDE_VOTE ? s->vote.epoch : s->kind==DMG_SIDE_CERT ? s->cert.epoch : s->run.epoch; }
uint64_t   dmg_side_view ( dmg_side_t const * s ) { return s->kind==DMG_SIDE_VOTE ? s->vote.view  : s->kind==DMG_SIDE_CERT ? s->cert.view  : s->run_view; }
uint8_t    dmg_side_vote_kind( dmg_side_t const * s ) { return s->kind==DMG_SIDE_VOTE ? s->vote.kind : s->kind==DMG_SIDE_CERT ? s->cert.kind : (uint8_t)DMG_VOTE_NULLIFY; }
dmg_hash_t dmg_side_hash ( dmg_side_t const * s ) { return s->kind==DMG_SIDE_VOTE ? s->vote.hash : s->kind==DMG_SIDE_CERT ? s->cert.hash : (dmg_hash_t){ 0 }; }

static void read_side( dmg_bcs_rd_t * rd, dmg_field_at_t * at, dmg_side_t * s ) {
  F( "side", s->kind = (uint8_t)dmg_bcs_rd_variant( rd, DMG_SIDE_CNT ) );
  if( rd->bad ) return;
  if( s->kind==DMG_SIDE_VOTE ) {
    read_vote_stored( rd, at, &s->vote );
    if( !rd->bad && vote_judge( s->vote.kind, DMG_VOTE_PROPOSE, s->vote.view, &s->vote.hash, s->vote.signer ).kind ) F( "side.vote", dmg_bcs_rd_fail( rd, DMG_BCS_VALUE ) );
  } else if( s->kind==DMG_SIDE_CERT ) {
    dmg_span_t cert;
    F( "side.cert", cert = dmg_bcs_rd_fixed( rd, DMG_CERT_SZ ) );
    if( !rd->bad && ( dmg_cert_decode( cert, &s->cert ).kind || !s->cert.view ) ) F( "side.cert", dmg_bcs_rd_fail( rd, DMG_BCS_VALUE ) );
  } else {
    F( "side.run", dmg_run_read( rd, &s->run ) );
    F( "side.view", s->run_view = dmg_bcs_rd_u64( rd ) );
    if( !rd->bad && ( s->run_view<s->run.first || s->run_view>dmg_run_last( &s->run ) ) ) F( "side.view", dmg_bcs_rd_fail( rd, DMG_BCS_VALUE ) );
  }
}

static void read_ev_header( dmg_bcs_rd_t * rd, dmg_field_at_t * at, dmg_header_t * h, dmg_hash_t * hash ) {
  dmg_span_t s;
  F( "header", s = dmg_bcs_rd_fixed( rd, DMG_HEADER_SZ ) );
  if( rd->bad ) return;
  /* A version or kind that no decoder takes is a false clause of C5.1, yet no header of ours: left to the votes of those who know it. */
  if( dmg_header_decode( s, h ).kind ) F( "header", dmg_bcs_rd_fail( rd, DMG_BCS_VALUE ) );
  *hash = dmg_header_bytes_hash( s );
}

dmg_verdict_t dmg_evidence_decode( dmg_span_t bytes, dmg_evidence_t * e ) {
  if( bytes.sz>DMG_EVIDENCE_SZ_MAX ) return dmg_verdict_bad( "size", "more than 4096 bytes", DMG_EVIDENCE_SZ_MAX );
  dmg_bcs_rd_t r = dmg_bcs_rd( bytes ), * rd = &r;
  dmg_field_at_t f = { 0 }, * at = &f;
  e->has_parent = false;
  e->opening_cnt = 0;
  F( "kind", e->kind = (uint8_t)dmg_bcs_rd_variant( rd, 2 ) );
  read_side( rd, at, &e->a );
  if( !rd->bad && e->kind==0 ) read_side( rd, at, &e->b );
  if( !rd->bad && e->kind==1 ) {
    read_ev_header( rd, at, &e->header, &e->header_hash );
    F( "parent", e->has_parent = dmg_bcs_rd_option( rd ) );
    if( !rd->bad && e->has_parent ) read_ev_header( rd, at, &e->parent, &e->parent_hash );
    F( "openings", e->opening_cnt = dmg_bcs_rd_len( rd, 0, 2 ) );
    for( uint32_t i = 0; i<e->opening_cnt && !rd->bad; i++ ) {
      uint8_t const * from = rd->p;
      F_AT( "openings.run", i, dmg_run_read( rd, &e->openings[ i ].run ) );
      if( !rd->bad ) e->openings[ i ].leaf = dmg_run_leaf( dmg_span( from, (size_t)( rd->p-from ) ) );
      F_AT( "openings.path", i, dmg_merkle_path_read( rd, &e->openings[ i ].path ) );
    }
  }
  return dmg_fields_end( rd, at );
}

static void write_run( dmg_bcs_wr_t * wr, dmg_run_t const * run ) {
  uint8_t b[ DMG_RUN_SZ_MAX ];
  dmg_bcs_wr_fixed( wr, b, dmg_run_encode( run, b ) );
}

static void write_side( dmg_bcs_wr_t * wr, dmg_side_t const * s ) {
  uint8_t b[ DMG_CERT_SZ ];
  dmg_bcs_wr_uleb( wr, s->kind );
  if( s->kind==DMG_SIDE_VOTE )      { dmg_vote_stored_encode( &s->vote, b ); dmg_bcs_wr_fixed( wr, b, DMG_VOTE_STORED_SZ ); }
  else if( s->kind==DMG_SIDE_CERT ) { dmg_cert_encode( &s->cert, b ); dmg_bcs_wr_fixed( wr, b, DMG_CERT_SZ ); }
  else                              { write_run( wr, &s->run ); dmg_bcs_wr_u64( wr, s->run_view ); }
}

static void write_ev_header( dmg_bcs_wr_t * wr, dmg_header_t const * h ) {
  uint8_t b[ DMG_HEADER_SZ ];
  dmg_header_encode( h, b );
  dmg_bcs_wr_fixed( wr, b, sizeof b );
}

size_t dmg_evidence_encode( dmg_evidence_t const * e, uint8_t * out, size_t cap ) {
  dmg_bcs_wr_t wr = dmg_bcs_wr( out, cap<DMG_EVIDENCE_SZ_MAX ? cap : DMG_EVIDENCE_SZ_MAX );
  dmg_bcs_wr_uleb( &wr, e->kind );
  write_side( &wr, &e->a );
  if( e->kind==0 ) write_side( &wr, &e->b );
  else {
    write_ev_header( &wr, &e->header );
    dmg_bcs_wr_bool( &wr, e->has_parent );
    if( e->has_parent ) write_ev_header( &wr, &e->parent );
    dmg_bcs_wr_uleb( &wr, e->opening_cnt );
    for( uint32_t i = 0; i<e->opening_cnt; i++ ) { write_run( &wr, &e->openings[ i ].run ); dmg_merkle_path_write( &wr, &e->openings[ i ].path ); }
  }
  return wr.is_full ? 0 : dmg_bcs_wr_span( &wr ).sz;
}
