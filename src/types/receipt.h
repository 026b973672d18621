/* receipt: what became of a transaction, and its events (R4.8, R4.14, R4.15).

     BCS { id[32], status enum, call u8, module u16, code u32, gas_used u64, gas_billed u64, payer[32], energy u64, fee u64,
           tip u64, held u64, returned u64, results list<bytes<8192>, 32>, events list<Event, 256> }
     Event { module u16, event u16, data bytes<8192> }

     receipts_root: merkle.h over "dmg/receipt/v1", "dmg/receipt/node/v1", in block order, then, if system
                    work emitted events, one receipt with id zero
     topic leaf     H("dmg/event/v1", BCS { height u64, tx u32, idx u16, Event })
     receipts log   H("dmg/receipts/v1", height u64 | receipts_root), appended to System item 15 each block

   Memory    a decoded receipt lives in the arena with spans into the bytes
   Failure   verdicts; encoding: INVALID past a bound, else the buffer's failures
   Bounds    DMG_RECEIPT_BCS_MAX bytes */
#ifndef DMG_TYPES_RECEIPT_H
#define DMG_TYPES_RECEIPT_H

#include "base/arena.h"
#include "base/verdict.h"
#include "crypto/hash.h"

/* Number and name are the wire's (R4.8's order). */
#define DMG_STATUS_TABLE( X )                                                                      \
  X( OK,            "ok" )                                                                         \
  X( FAULT,         "the module refused the call" )                                                \
  X( TRAP,          "the module trapped" )                                                         \
  X( NO_GAS,        "out of gas" )                                                                 \
  X( NO_STACK,      "out of stack" )                                                               \
  X( HOST,          "the host stopped the module" )                                                \
  X( POSTCONDITION, "a post-condition failed" )                                                    \
  X( NO_CONSENT,    "assets would have moved without their owner's consent" )                      \
  X( DEPOSIT,       "too little to spend for the storage deposit" )                                \
  X( VOID,          "refused by the prologue: nothing charged, no nonce used" )

typedef enum {
#define DMG_STATUS_ENUM( name, text ) DMG_STATUS_##name,
  DMG_STATUS_TABLE( DMG_STATUS_ENUM )
#undef DMG_STATUS_ENUM
  DMG_STATUS_CNT
} dmg_status_t;

/* "OK" and "ok"; "UNKNOWN" outside the table. */
char const * dmg_status_name( unsigned status );
char const * dmg_status_text( unsigned status );

#define DMG_RECEIPT_CALL_NONE  255
#define DMG_RESULT_SZ_MAX      8192
#define DMG_RECEIPT_RESULT_MAX 32
#define DMG_EVENT_DATA_MAX     8192
#define DMG_RECEIPT_EVENT_MAX  256
#define DMG_RECEIPT_BCS_MAX    ( 32+1+1+2+4+8*7+32+1+DMG_RECEIPT_RESULT_MAX*( 2+DMG_RESULT_SZ_MAX )+2+DMG_RECEIPT_EVENT_MAX*( 2+2+2+DMG_EVENT_DATA_MAX ) )

typedef struct { uint16_t module, event; dmg_span_t data; } dmg_event_t;

typedef struct {
  dmg_hash_t    id;
  uint8_t       status;      /* dmg_status_t */
  uint8_t       call;        /* first failed call, or DMG_RECEIPT_CALL_NONE */
  uint16_t      module;      /* where it failed; 0 if it did not */
  uint32_t      code;        /* fault number or host code; 0 if none */
  uint64_t      gas_used, gas_billed;
  dmg_hash_t    payer;       /* zero: none */
  uint64_t      energy;
  uint64_t      fee, tip;    /* sparks; fee is the base part */
  uint64_t      held, returned;   /* deposits, sparks */
  dmg_span_t *  results;
  dmg_event_t * events;
  uint32_t      result_cnt, event_cnt;
} dmg_receipt_t;

dmg_verdict_t dmg_receipt_decode( dmg_span_t bytes, dmg_arena_t * arena, dmg_receipt_t ** out );
DMG_MUST_USE dmg_err_t dmg_receipt_encode( dmg_receipt_t const * receipt, dmg_buf_t * buf );

/* Root over the receipts' BCS, in block order; zero for none. */
dmg_hash_t dmg_receipts_root( dmg_span_t const * receipts, size_t cnt );
/* Leaf of one receipt, and of the receipts log (System item 15). */
dmg_hash_t dmg_receipt_leaf( dmg_span_t receipt );
dmg_hash_t dmg_receipts_log_leaf( uint64_t height, dmg_hash_t const * receipts_root );
/* Leaf of a topic: event idx of the receipt with index tx in block height. */
dmg_hash_t dmg_event_leaf( uint64_t height, uint32_t tx, uint16_t idx, dmg_event_t const * event );
/* H("dmg/result/v1", bytes), what post-condition 5 names. */
dmg_hash_t dmg_result_hash( dmg_span_t result );

#endif
