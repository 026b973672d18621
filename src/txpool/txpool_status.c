#include "txpool/txpool_int.h"
#include "types/asset.h"

#include <stdio.h>

char const * dmg_txpool_reason_name( unsigned reason ) {
  static char const * const t[] = {
#define NAME( name, word, text ) #name,
    DMG_TXPOOL_REASON_TABLE( NAME )
#undef NAME
  };
  return reason<DMG_TXPOOL_REASON_CNT ? t[ reason ] : "UNKNOWN";
}

char const * dmg_txpool_reason_word( unsigned reason ) {
  static char const * const t[] = {
#define WORD( name, word, text ) word,
    DMG_TXPOOL_REASON_TABLE( WORD )
#undef WORD
  };
  return reason<DMG_TXPOOL_REASON_CNT ? t[ reason ] : "unknown";
}

char const * dmg_txpool_reason_text( unsigned reason ) {
  static char const * const t[] = {
#define TEXT( name, word, text ) text,
    DMG_TXPOOL_REASON_TABLE( TEXT )
#undef TEXT
  };
  return reason<DMG_TXPOOL_REASON_CNT ? t[ reason ] : "unknown";
}

void dmg_txpool_why_print( dmg_txpool_why_t const * why, char * out, size_t cap ) {
  char const *       text = dmg_txpool_reason_text( why->reason );
  unsigned long long have = why->have, want = why->want;
  char form[ DMG_VERDICT_TEXT_MAX ], has[ DMG_AMOUNT_TEXT_SZ ], needs[ DMG_AMOUNT_TEXT_SZ ];
  switch( why->reason ) {
    case DMG_TXPOOL_SIZE: case DMG_TXPOOL_FORM:
      dmg_verdict_print( &why->form, form, sizeof form );
      snprintf( out, cap, "%s: %s", text, form );
      return;
    case DMG_TXPOOL_EXPIRED:     snprintf( out, cap, "%s: %llu, the next block is %llu", text, have, want ); return;
    case DMG_TXPOOL_TOO_FAR:     snprintf( out, cap, "%s: %llu, at most %llu", text, have, want ); return;
    case DMG_TXPOOL_GAS:         snprintf( out, cap, "%s: %llu, the limit is %llu", text, have, want ); return;
    case DMG_TXPOOL_NONCE:       snprintf( out, cap, "%s: %llu, the next one is %llu, at most %u ahead", text, have, want, DMG_TXPOOL_WINDOW ); return;
    case DMG_TXPOOL_FEE:
    case DMG_TXPOOL_BALANCE:
    case DMG_TXPOOL_UNDERPRICED:
      dmg_amount_text( have, has );
      dmg_amount_text( want, needs );
      snprintf( out, cap, "%s: %s, at least %s is needed", text, has, needs );
      return;
    case DMG_TXPOOL_GAS_LINE:    snprintf( out, cap, "%s: %llu, at least %llu is needed", text, have, want ); return;
    case DMG_TXPOOL_SENDER_FULL:
    case DMG_TXPOOL_FULL:        snprintf( out, cap, "%s: %llu of %llu", text, have, want ); return;
    case DMG_TXPOOL_MODULE: case DMG_TXPOOL_SCHEMA: case DMG_TXPOOL_ARGS: case DMG_TXPOOL_ROLE:
      snprintf( out, cap, "%s: call %u", text, why->call );
      return;
    default: snprintf( out, cap, "%s", text );
  }
}

/* --- records ------------------------------------------------------------------------------------------ */

static uint32_t * head_of( dmg_txpool_t const * pool, dmg_hash_t const * id ) {
  return &pool->id_heads[ dmg_txpool_mix( dmg_load_u64le( id->b )^pool->cfg.hash_seed )&pool->id_mask ];
}

uint32_t dmg_txpool_record_find( dmg_txpool_t const * pool, dmg_hash_t const * id ) {
  uint32_t i = *head_of( pool, id );
  while( i!=NONE && !dmg_hash_eq( &pool->records[ i ].id, id ) ) i = pool->records[ i ].hash_next;
  return i;
}

static void aged_unlink( dmg_txpool_t * pool, uint32_t i ) {
  record_t * r = &pool->records[ i ];
  if( !r->is_aged ) return;
  if( r->age_prev!=NONE ) pool->records[ r->age_prev ].age_next = r->age_next; else pool->aged_first = r->age_next;
  if( r->age_next!=NONE ) pool->records[ r->age_next ].age_prev = r->age_prev; else pool->aged_last  = r->age_prev;
  r->is_aged = false;
}

static void aged_push( dmg_txpool_t * pool, uint32_t i ) {
  record_t * r = &pool->records[ i ];
  r->age_prev = pool->aged_last;
  r->age_next = NONE;
  if( pool->aged_last!=NONE ) pool->records[ pool->aged_last ].age_next = i; else pool->aged_first = i;
  pool->aged_last = i;
  r->is_aged = true;
}

static void record_forget( dmg_txpool_t * pool, uint32_t i ) {
  record_t * r = &pool->records[ i ];
  DMG_ASSERT( !r->entry );
  aged_unlink( pool, i );
  uint32_t * at = head_of( pool, &r->id );
  while( *at!=i ) at = &pool->records[ *at ].hash_next;
  *at = r->hash_next;
  r->age_next       = pool->record_free;
  pool->record_free = i;
  pool->stats.status_cnt--;
}

uint32_t dmg_txpool_record_make( dmg_txpool_t * pool, dmg_hash_t const * id ) {
  uint32_t i = dmg_txpool_record_find( pool, id );
  if( i!=NONE ) return i;
  if( pool->record_free==NONE && pool->record_used==pool->cfg.status_max ) record_forget( pool, pool->aged_first );
  if( pool->record_free!=NONE ) {
    i = pool->record_free;
    pool->record_free = pool->records[ i ].age_next;
  } else i = pool->record_used++;
  uint32_t * head = head_of( pool, id );
  pool->records[ i ] = (record_t){ .id = *id, .hash_next = *head, .age_prev = NONE, .age_next = NONE };
  *head = i;
  pool->stats.status_cnt++;
  return i;
}

void dmg_txpool_record_status( record_t const * r, dmg_txpool_status_t * out ) {
  *out = (dmg_txpool_status_t){ .kind = (dmg_txpool_kind_t)r->kind, .receipt_status = r->receipt_status, .reason = (dmg_txpool_reason_t)r->reason,
                                .index = r->index, .height = r->height, .by = r->by, .since_ms = r->since_ms };
}

void dmg_txpool_record_set( dmg_txpool_t * pool, uint32_t i, change_t change, uint64_t now_ms ) {
  record_t * r = &pool->records[ i ];
  r->kind           = (uint8_t)change.kind;
  r->reason         = (uint8_t)change.reason;
  r->receipt_status = change.receipt_status;
  r->index          = change.index;
  r->height         = change.height;
  r->by             = change.by ? *change.by : (dmg_hash_t){ 0 };
  r->since_ms       = now_ms;
  aged_unlink( pool, i );
  if( change.kind!=DMG_TXPOOL_QUEUED && change.kind!=DMG_TXPOOL_POOLED ) aged_push( pool, i );
  switch( change.kind ) {
    case DMG_TXPOOL_REPLACED:   pool->stats.replaced++; break;
    case DMG_TXPOOL_EXPIRED_AT: pool->stats.expired++;  break;
    case DMG_TXPOOL_DROPPED:    pool->stats.dropped++;  break;
    default: break;
  }
  if( !pool->cfg.watch ) return;
  dmg_txpool_status_t status;
  dmg_txpool_record_status( r, &status );
  pool->cfg.watch( pool->cfg.watch_ctx, &r->id, &status );
}

void dmg_txpool_forget_above( dmg_txpool_t * pool, uint64_t height ) {
  for( uint32_t i = pool->aged_first, next; i!=NONE; i = next ) {
    record_t const * r = &pool->records[ i ];
    next = r->age_next;
    if( ( r->kind==DMG_TXPOOL_INCLUDED || r->kind==DMG_TXPOOL_FINAL ) && r->height>height ) record_forget( pool, i );
  }
}

void dmg_txpool_age( dmg_txpool_t * pool, uint64_t now_ms ) {
  while( pool->aged_first!=NONE ) {
    record_t const * r = &pool->records[ pool->aged_first ];
    if( now_ms<r->since_ms || now_ms-r->since_ms<pool->cfg.status_age_ms ) return;
    record_forget( pool, pool->aged_first );
  }
}
