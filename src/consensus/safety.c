#include "consensus/safety.h"
#include "base/assert.h"
#include "base/crc32c.h"

enum { AT_CHAIN = 16, AT_KEY = 48, AT_SEQ = 144, AT_EPOCH = 152, AT_MARKS = 160, AT_FLOOR = 320, AT_HOST = 328, AT_OPEN = 344, OPEN_SZ = 49, AT_FROM = 3480, AT_REST = 3488, AT_CRC = 4092 };
_Static_assert( AT_OPEN+DMG_SAFETY_OPEN_MAX*OPEN_SZ==AT_FROM, "C6.4" );
_Static_assert( AT_MARKS+DMG_SAFETY_KIND_CNT*40==AT_FLOOR, "C6.4" );

static uint8_t flag( dmg_vote_kind_t kind ) { return (uint8_t)( 1u<<kind ); }
static bool has( dmg_safety_open_t const * e, dmg_vote_kind_t kind ) { return e->flags>>kind&1; }

void dmg_safety_init( dmg_safety_t * safety, dmg_hash_t const * chain_id, uint8_t const key[ DMG_BLS_KEY_SZ ], uint8_t const host[ DMG_SAFETY_HOST_SZ ], uint64_t from_ms ) {
  *safety = (dmg_safety_t){ .chain_id = *chain_id, .from_ms = from_ms };
  memcpy( safety->key, key, DMG_BLS_KEY_SZ );
  memcpy( safety->host, host, DMG_SAFETY_HOST_SZ );
}

/* ---- Bytes ---- */

void dmg_safety_encode( dmg_safety_t const * s, uint8_t out[ DMG_SAFETY_SLOT_SZ ] ) {
  memset( out, 0, DMG_SAFETY_SLOT_SZ );
  memcpy( out, "DMGSAFE1", 8 );
  dmg_store_u16le( out+8, DMG_SAFETY_FORMAT );
  out[ 10 ] = s->is_observer;
  memcpy( out+AT_CHAIN, s->chain_id.b, 32 );
  memcpy( out+AT_KEY, s->key, DMG_BLS_KEY_SZ );
  dmg_store_u64le( out+AT_SEQ, s->seq );
  dmg_store_u32le( out+AT_EPOCH, s->epoch );
  for( uint32_t k = 0; k<DMG_SAFETY_KIND_CNT; k++ ) {
    dmg_store_u64le( out+AT_MARKS+(size_t)40*k, s->marks[ k ].view );
    memcpy( out+AT_MARKS+(size_t)40*k+8, s->marks[ k ].hash.b, 32 );
  }
  dmg_store_u64le( out+AT_FLOOR, s->floor );
  memcpy( out+AT_HOST, s->host, DMG_SAFETY_HOST_SZ );
  for( uint32_t i = 0; i<s->open_cnt; i++ ) {
    uint8_t * p = out+AT_OPEN+(size_t)OPEN_SZ*i;
    dmg_store_u64le( p, s->open[ i ].view );
    p[ 8 ] = s->open[ i ].flags;
    memcpy( p+9, s->open[ i ].hash.b, 32 );
    memcpy( p+41, s->open[ i ].propose_hash, 8 );
  }
  dmg_store_u64le( out+AT_FROM, s->from_ms );
  dmg_store_u32le( out+AT_CRC, dmg_crc32c( 0, dmg_span( out, AT_CRC ) ) );
}

static dmg_verdict_t open_judge( dmg_safety_t const * s, uint32_t i ) {
  dmg_safety_open_t const * e = s->open+i;
  size_t off = AT_OPEN+OPEN_SZ*(size_t)i;
  if( e->view<=( i ? s->open[ i-1 ].view : s->floor ) )                                              return dmg_verdict_bad_at( "open.view", i, "not above the one before and the floor", off );
  if( !e->flags || e->flags>15 )                                                                     return dmg_verdict_bad_at( "open.flags", i, "not a set of votes", off+8 );
  if( has( e, DMG_VOTE_NULLIFY ) && has( e, DMG_VOTE_FINALIZE ) )                                    return dmg_verdict_bad_at( "open.flags", i, "NULLIFY and FINALIZE", off+8 );
  if( !has( e, DMG_VOTE_NOTARIZE ) && !has( e, DMG_VOTE_FINALIZE ) && !dmg_is_zero( e->hash.b, 32 ) ) return dmg_verdict_bad_at( "open.hash", i, "not zero", off+9 );
  if( !has( e, DMG_VOTE_PROPOSE ) && !dmg_is_zero( e->propose_hash, 8 ) )                            return dmg_verdict_bad_at( "open.propose_hash", i, "not zero", off+41 );
  for( uint32_t k = 0; k<DMG_SAFETY_KIND_CNT; k++ )
    if( has( e, (dmg_vote_kind_t)k ) && s->marks[ k ].view<e->view )                                 return dmg_verdict_bad_at( "open.view", i, "above the mark of its kind", off );
  return dmg_verdict_good();
}

dmg_verdict_t dmg_safety_decode( dmg_span_t slot, dmg_safety_t * out ) {
  uint8_t const * p = slot.p;
  if( slot.sz!=DMG_SAFETY_SLOT_SZ )       return dmg_verdict_bad( "slot", "not 4096 bytes", slot.sz );
  if( memcmp( p, "DMGSAFE1", 8 ) )        return dmg_verdict_bad( "slot", "not a safety file", 0 );
  if( dmg_crc32c( 0, dmg_span( p, AT_CRC ) )!=dmg_load_u32le( p+AT_CRC ) ) return dmg_verdict_bad( "crc", "does not match", AT_CRC );
  if( dmg_load_u16le( p+8 )!=DMG_SAFETY_FORMAT ) return dmg_verdict_bad( "format", "not known to this version", 8 );
  if( p[ 10 ]>1 )                         return dmg_verdict_bad( "mode", "neither vote nor observe", 10 );
  if( !dmg_is_zero( p+11, 5 ) || !dmg_is_zero( p+156, 4 ) || !dmg_is_zero( p+AT_REST, AT_CRC-AT_REST ) ) return dmg_verdict_bad( "zero", "not zero", 11 );
  dmg_safety_t s = { .is_observer = p[ 10 ], .chain_id = dmg_hash_load( p+AT_CHAIN ), .seq = dmg_load_u64le( p+AT_SEQ ), .epoch = dmg_load_u32le( p+AT_EPOCH ),
                     .floor = dmg_load_u64le( p+AT_FLOOR ), .from_ms = dmg_load_u64le( p+AT_FROM ) };
  memcpy( s.key, p+AT_KEY, DMG_BLS_KEY_SZ );
  memcpy( s.host, p+AT_HOST, DMG_SAFETY_HOST_SZ );
  for( uint32_t k = 0; k<DMG_SAFETY_KIND_CNT; k++ ) {
    s.marks[ k ] = (dmg_safety_mark_t){ .view = dmg_load_u64le( p+AT_MARKS+(size_t)40*k ), .hash = dmg_hash_load( p+AT_MARKS+(size_t)40*k+8 ) };
    if( ( !s.marks[ k ].view || k==DMG_VOTE_NULLIFY ) && !dmg_is_zero( s.marks[ k ].hash.b, 32 ) ) return dmg_verdict_bad_at( "marks.hash", k, "not zero", AT_MARKS+(size_t)40*k+8 );
  }
  for( uint32_t i = 0; i<DMG_SAFETY_OPEN_MAX; i++ ) {
    uint8_t const * q = p+AT_OPEN+(size_t)OPEN_SZ*i;
    if( dmg_is_zero( q, (size_t)( AT_FROM-AT_OPEN )-(size_t)OPEN_SZ*i ) ) break;
    dmg_safety_open_t * e = s.open+s.open_cnt;
    *e = (dmg_safety_open_t){ .view = dmg_load_u64le( q ), .flags = q[ 8 ], .hash = dmg_hash_load( q+9 ) };
    memcpy( e->propose_hash, q+41, 8 );
    dmg_verdict_t v = open_judge( &s, i );
    if( v.kind ) return v;
    s.open_cnt++;
  }
  *out = s;
  return dmg_verdict_good();
}

uint32_t dmg_safety_choose( dmg_span_t const slots[ 2 ], dmg_hash_t const * chain_id, uint8_t const key[ DMG_BLS_KEY_SZ ], dmg_safety_t * out ) {
  dmg_safety_t s[ 2 ];
  bool is_good[ 2 ];
  for( uint32_t i = 0; i<2; i++ )
    is_good[ i ] = dmg_safety_decode( slots[ i ], &s[ i ] ).kind==DMG_VERDICT_GOOD && s[ i ].seq%2==i && dmg_hash_eq( &s[ i ].chain_id, chain_id ) && !memcmp( s[ i ].key, key, DMG_BLS_KEY_SZ );
  if( !is_good[ 0 ] && !is_good[ 1 ] ) return 0;
  uint32_t newer = is_good[ 0 ] && is_good[ 1 ] ? s[ 1 ].seq>s[ 0 ].seq : is_good[ 1 ];
  *out = s[ newer ];
  return is_good[ 0 ] && is_good[ 1 ] && s[ newer ].seq-s[ !newer ].seq==1 ? 2 : 1;
}

/* ---- Signing ---- */

char const * dmg_safety_answer_text( dmg_safety_answer_t answer ) {
  static char const * const text[] = { "allowed", "this key only observes", "an epoch that is over", "an epoch that began before this file can know all of it", "at or below the floor",
                                       "below all 64 open views", "it conflicts with an earlier vote of this view", "not a vote" };
  return (size_t)answer<sizeof text/sizeof *text ? text[ answer ] : "unknown";
}

/* The view's entry, made if it is missing; NULL: it would have to go at once. */
static dmg_safety_open_t * entry( dmg_safety_t * s, uint64_t view ) {
  uint32_t i = s->open_cnt;
  while( i && s->open[ i-1 ].view>view ) i--;
  if( i && s->open[ i-1 ].view==view ) return s->open+i-1;
  if( s->open_cnt==DMG_SAFETY_OPEN_MAX ) {
    if( !i ) return NULL;
    /* C6.4: the lowest goes; what was signed there is covered by the floor from now on. */
    s->floor = s->open[ 0 ].view;
    memmove( s->open, s->open+1, ( --i )*sizeof *s->open );
  } else {
    memmove( s->open+i+1, s->open+i, ( s->open_cnt-i )*sizeof *s->open );
    s->open_cnt++;
  }
  s->open[ i ] = (dmg_safety_open_t){ .view = view };
  return s->open+i;
}

/* C4.2-5 by the entry alone. */
static bool is_agreed( dmg_safety_open_t const * e, dmg_safety_vote_t const * v ) {
  switch( v->kind ) {
  case DMG_VOTE_PROPOSE:  return !has( e, DMG_VOTE_PROPOSE ) || !memcmp( e->propose_hash, v->hash.b, 8 );
  /* C4.3: once a view, never against an own FINALIZE; allowed after an own NULLIFY. */
  case DMG_VOTE_NOTARIZE: return !( has( e, DMG_VOTE_NOTARIZE ) || has( e, DMG_VOTE_FINALIZE ) ) || dmg_hash_eq( &e->hash, &v->hash );
  case DMG_VOTE_NULLIFY:  return !has( e, DMG_VOTE_FINALIZE );
  case DMG_VOTE_FINALIZE: return !has( e, DMG_VOTE_NULLIFY ) && ( !( has( e, DMG_VOTE_NOTARIZE ) || has( e, DMG_VOTE_FINALIZE ) ) || dmg_hash_eq( &e->hash, &v->hash ) );
  }
  return false;
}

/* Epoch, floor and entry; what else may forbid it is the caller's. */
static dmg_safety_answer_t take( dmg_safety_t * s, dmg_safety_vote_t const * v, bool * out_is_new ) {
  if( (unsigned)v->kind>=DMG_SAFETY_KIND_CNT || !v->view || ( v->kind==DMG_VOTE_NULLIFY && !dmg_is_zero( v->hash.b, 32 ) ) ) return DMG_SAFETY_FORM;
  if( v->epoch<s->epoch ) return DMG_SAFETY_EPOCH;
  dmg_safety_t next = *s;
  if( v->epoch>next.epoch ) {
    next.epoch    = v->epoch;
    next.floor    = 0;
    next.open_cnt = 0;
    memset( next.open, 0, sizeof next.open );
    memset( next.marks, 0, sizeof next.marks );
  }
  if( v->view<=next.floor ) return DMG_SAFETY_FLOOR;
  dmg_safety_open_t * e = entry( &next, v->view );
  if( !e ) return DMG_SAFETY_FULL;
  if( !is_agreed( e, v ) ) return DMG_SAFETY_CONFLICT;
  dmg_safety_mark_t * mark = next.marks+v->kind;
  bool is_same_proposal = v->kind!=DMG_VOTE_PROPOSE || mark->view!=v->view || dmg_hash_eq( &mark->hash, &v->hash );
  if( !is_same_proposal ) return DMG_SAFETY_CONFLICT;   /* the entry has 8 bytes of it, the mark all */
  *out_is_new = v->epoch>s->epoch || !has( e, v->kind );
  e->flags |= flag( v->kind );
  if( v->kind==DMG_VOTE_PROPOSE )      memcpy( e->propose_hash, v->hash.b, 8 );
  else if( v->kind!=DMG_VOTE_NULLIFY ) e->hash = v->hash;
  if( v->view>=mark->view ) *mark = (dmg_safety_mark_t){ .view = v->view, .hash = v->hash };
  *s = next;
  return DMG_SAFETY_OK;
}

dmg_safety_answer_t dmg_safety_vote( dmg_safety_t * safety, dmg_safety_vote_t const * vote, dmg_safety_epoch_t const * epoch, bool * out_is_new ) {
  uint64_t sum;
  /* C6.5: what a lost past signed is older than from_ms, so only an epoch that began surely later is free of it. */
  bool is_after = !__builtin_add_overflow( safety->from_ms, 2*epoch->skew_ms, &sum ) && epoch->anchor_ms>sum;
  if( safety->from_ms && !is_after ) return safety->is_observer ? DMG_SAFETY_OBSERVER : DMG_SAFETY_FROM;
  /* Who fell to observe comes back with a later epoch, never in the one it fell in. */
  if( safety->is_observer && ( !safety->from_ms || vote->epoch<=safety->epoch ) ) return DMG_SAFETY_OBSERVER;
  dmg_safety_answer_t answer = take( safety, vote, out_is_new );
  if( !answer && safety->is_observer ) { safety->is_observer = false; *out_is_new = true; }
  return answer;
}

void dmg_safety_observe( dmg_safety_t * safety, uint64_t wall_ms ) {
  safety->is_observer = true;
  if( wall_ms>safety->from_ms ) safety->from_ms = wall_ms;
}

void dmg_safety_raise_from( dmg_safety_t * safety, uint64_t header_ms ) {
  if( safety->from_ms && header_ms>safety->from_ms ) safety->from_ms = header_ms;
}

void dmg_safety_export( dmg_safety_t const * s, dmg_safety_export_t * out ) {
  *out = (dmg_safety_export_t){ .chain_id = s->chain_id, .epoch = s->epoch, .floor = s->floor, .is_observer = s->is_observer, .from_ms = s->from_ms };
  memcpy( out->key, s->key, DMG_BLS_KEY_SZ );
  memcpy( out->marks, s->marks, sizeof out->marks );
}

static bool has_marks( dmg_safety_mark_t const marks[ DMG_SAFETY_KIND_CNT ], uint64_t floor ) {
  for( uint32_t k = 0; k<DMG_SAFETY_KIND_CNT; k++ ) if( marks[ k ].view ) return true;
  return floor>0;
}

bool dmg_safety_import( dmg_safety_t * s, dmg_safety_export_t const * in, uint64_t wall_ms ) {
  if( !dmg_hash_eq( &s->chain_id, &in->chain_id ) || memcmp( s->key, in->key, DMG_BLS_KEY_SZ ) ) return false;
  if( !has_marks( in->marks, in->floor ) ) { if( wall_ms>s->from_ms ) s->from_ms = wall_ms; }
  /* An observer has lost what it signed, perhaps after this export was made: it goes on waiting for what began after the loss. */
  else if( ( !s->is_observer && !has_marks( s->marks, s->floor ) ) || in->from_ms>s->from_ms ) s->from_ms = in->from_ms;
  if( in->is_observer && in->epoch>=s->epoch ) s->is_observer = true;
  if( in->epoch<s->epoch ) return true;
  dmg_safety_t next = *s;
  if( in->epoch>next.epoch ) {
    next.epoch = in->epoch;
    next.floor = 0;
    memset( next.marks, 0, sizeof next.marks );
    next.open_cnt = 0;
  }
  /* The marks say how far, not what: all up to the highest of them is closed. */
  uint64_t floor = in->floor;
  for( uint32_t k = 0; k<DMG_SAFETY_KIND_CNT; k++ ) {
    if( in->marks[ k ].view>floor ) floor = in->marks[ k ].view;
    if( in->marks[ k ].view>next.marks[ k ].view ) next.marks[ k ] = in->marks[ k ];
  }
  if( floor>next.floor ) next.floor = floor;
  uint32_t kept = 0;
  for( uint32_t i = 0; i<next.open_cnt; i++ ) if( next.open[ i ].view>next.floor ) next.open[ kept++ ] = next.open[ i ];
  memset( next.open+kept, 0, ( DMG_SAFETY_OPEN_MAX-kept )*sizeof *next.open );
  next.open_cnt = kept;
  *s = next;
  return true;
}

/* ---- A start ---- */

dmg_safety_start_t dmg_safety_start( bool is_log_good, bool is_covered, uint32_t valid_slots ) {
  if( is_log_good && is_covered && valid_slots>=1 ) return DMG_SAFETY_START_VOTE;
  if( valid_slots==2 )                              return DMG_SAFETY_START_FILE;
  return DMG_SAFETY_START_OBSERVE;
}

void dmg_safety_merge_init( dmg_safety_merge_t * merge, dmg_safety_t const * file ) { *merge = (dmg_safety_merge_t){ .file = *file, .merged = *file }; }

void dmg_safety_merge_vote( dmg_safety_merge_t * merge, dmg_safety_vote_t const * v ) {
  dmg_safety_t const * f = &merge->file;
  if( v->epoch==f->epoch && (unsigned)v->kind<DMG_SAFETY_KIND_CNT ) {
    for( uint32_t i = 0; i<f->open_cnt; i++ ) if( f->open[ i ].view==v->view && is_agreed( f->open+i, v ) ) merge->seen[ i ] |= flag( v->kind );
    if( f->marks[ v->kind ].view==v->view && dmg_hash_eq( &f->marks[ v->kind ].hash, &v->hash ) ) merge->seen_marks |= flag( v->kind );
  }
  bool is_new;
  dmg_safety_answer_t answer = take( &merge->merged, v, &is_new );
  if( answer==DMG_SAFETY_CONFLICT || answer==DMG_SAFETY_FORM ) merge->has_conflict = true;
}

void dmg_safety_merge_floor( dmg_safety_merge_t * merge, uint32_t epoch, uint64_t view ) {
  if( epoch<merge->floor_epoch || ( epoch==merge->floor_epoch && view<=merge->floor_view ) ) return;
  merge->floor_epoch = epoch;
  merge->floor_view  = view;
}

bool dmg_safety_merge_is_covered( dmg_safety_merge_t const * merge ) {
  dmg_safety_t const * f = &merge->file;
  if( merge->floor_epoch>f->epoch ) return true;   /* the log is past all of it */
  uint64_t floor = merge->floor_epoch==f->epoch ? merge->floor_view : 0;
  for( uint32_t i = 0; i<f->open_cnt; i++ ) if( f->open[ i ].view>floor && ( f->open[ i ].flags&~merge->seen[ i ] ) ) return false;
  for( uint32_t k = 0; k<DMG_SAFETY_KIND_CNT; k++ ) if( f->marks[ k ].view>floor && !( merge->seen_marks>>k&1 ) ) return false;
  return true;
}
