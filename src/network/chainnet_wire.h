/* chainnet_wire: what the chain's protocols say to each other, byte by byte (N4, N8, N9).

     ids and topics  /dmg/<net8>/<name>/1       net8 = hex of the first 4 bytes of H("dmg/net/id/v1", genesis | fork u32)

     cons/1     notify, opened by each side        hello 36 { genesis[32], epoch u32 }, then frames of types/agree.h
     body/1     notify                             hello as above, then  head 147 | the body's bytes, or a compact one
     shred/1    notify                             hello as above, then  head 147 | index u16 | path list<=16 of { is_left u8, sibling[32] } | shard
     txfwd/1    notify                             hello as above, then  what topic tx carries
     head 147   0 epoch u32   4 view u64   12 body_hash[32]   44 body_len u32   48 form u8 {0 full 1 compact 2 shreds}
                49 k u16, 0 but of shreds   51 shard_root[32], zero but of shreds
                83 sig[64] of the leader's node identity over H("dmg/net/body/v1", genesis | the 83 bytes before)
     relayed    of cons/1, after its kind: 0 epoch u32   4 origin u16   6 target u16 (places in that epoch's set)   8 seq u64
                16 sig[64] of the origin's node identity over H("dmg/net/relay/v1", genesis | the 16 bytes before | inner)   80 inner: a frame, not relayed
     compact    nonce u64 | lists bytes<17,408>: the body's bytes before its transactions | list<0..10,000> of short id[6]
                | list<0..10,000> of { index u16, bytes<65536> }, ascending by index: together all transactions, 1 to 10,000
     short id   low 48 bits of SipHash-2-4 of the leaf H("dmg/body/tx/v1", transaction) under the first 16 bytes of H("dmg/net/short/v1", body_hash | nonce)
     shard      ceil( body_len / k ) rounded up to 64 bytes: of the body followed by zeros, or of its parity (rs.h);
                leaf H("dmg/net/shred/leaf/v1", shard), nodes "dmg/net/shred/node/v1", as merkle.h
     status/1   request and answer 215  0 genesis[32]  32 fork u32  36 epoch u32  40 final_view u64  48 height u64  56 hash[32]  88 FINALIZATION[109]
                                      197 roles u16  199 first_body u64  207 first_state u64
     headers/1  { hash[32], count u16 1..512 }     chunks list<1..64> of signed header[410]: that block, its parent, ..
     bodies/1   list<1..64> of block hash          a chunk a block, in order: found: u8 1, raw_len u32, zstd frame; not here: u8 0
     proposal/1 { epoch u32, view u64, hash[32] }  one chunk: a proposal as types/agree.h draws it
     runs/1     { hash[32], first leaf u16, count u8 1..64 }   one chunk: leaves as types/agree.h draws them, from first on, as many of count as fit
     epochs/1   { from u32, count u8 1..64 }       a chunk an epoch: handover bytes of C2.2: the one that ends epoch from, from+1, ..
     bodytx/1   { body_hash[32], list<1..4096> of index u16, ascending }   a chunk an index: that transaction
     txs/1      list<1..256> of id[32]             a chunk an id: found: u8 1, transaction; not here: u8 0
     topic tx     list<1..512> of bytes<65536>, 32 KiB together or one transaction
     topic final  header[362] | FINALIZATION[109]
     topic evidence  evidence of types/agree.h

   An answer's chunk has a code: 0 data, 1 bad request, 2 server error, 3 not here, 4 slow down (u32 ms), 5 pruned (u64 first height).

   Memory    plain values and spans into the input; encoders write into caller memory
   Failure   verdicts
   Bounds    below
   Spec      docs/spec/network.md N4, N8, N9 */
#ifndef DMG_NETWORK_CHAINNET_WIRE_H
#define DMG_NETWORK_CHAINNET_WIRE_H

#include "network/net_port.h"
#include "types/agree.h"
#include "types/block.h"
#include "types/merkle.h"

/* --- names ------------------------------------------------------------------------------------------------ */

#define DMG_WIRE_NAME_SZ 40   /* with the final zero */

/* "/dmg/1f2e3d4c/cons/1". */
void dmg_wire_name( dmg_hash_t const * genesis, uint32_t fork, char const * name, char out[ DMG_WIRE_NAME_SZ ] );
/* The 32 bytes of the Ed25519 key inside a peer id of 38 bytes; false: it is not such an id. */
bool dmg_wire_peer_key( dmg_net_peer_t const * peer, uint8_t out_key[ 32 ] );
void dmg_wire_peer_of_key( uint8_t const key[ 32 ], dmg_net_peer_t * out );
static inline bool dmg_net_peer_eq( dmg_net_peer_t const * a, dmg_net_peer_t const * b ) { return a->sz==b->sz && !memcmp( a->b, b->b, a->sz ); }
int dmg_net_peer_cmp( dmg_net_peer_t const * a, dmg_net_peer_t const * b );   /* by bytes: the order of N8.1 */

/* --- validators ------------------------------------------------------------------------------------------- */

#define DMG_WIRE_HELLO_SZ 36
typedef struct { dmg_hash_t genesis; uint32_t epoch; } dmg_wire_hello_t;
void          dmg_wire_hello_encode( dmg_wire_hello_t const * hello, uint8_t out[ DMG_WIRE_HELLO_SZ ] );
dmg_verdict_t dmg_wire_hello_decode( dmg_span_t bytes, dmg_wire_hello_t * out );

/* N4.2: what a hello is answered with; what is not 0 ends the stream. */
typedef enum { DMG_WIRE_OK = 0, DMG_WIRE_MALFORMED = 1, DMG_WIRE_OTHER_CHAIN = 2, DMG_WIRE_NO_VALIDATOR = 3, DMG_WIRE_TWICE = 4 } dmg_wire_answer_t;

#define DMG_WIRE_BODY_SZ_MAX ( 1u<<20 )

typedef enum { DMG_WIRE_FULL, DMG_WIRE_COMPACT, DMG_WIRE_SHREDS, DMG_WIRE_FORM_CNT } dmg_wire_form_t;

#define DMG_WIRE_HEAD_SZ 147
#define DMG_WIRE_HEAD_SIGNED_SZ 83
typedef struct {
  uint32_t epoch; uint64_t view; dmg_hash_t body_hash; uint32_t body_len; uint8_t form; uint16_t k; dmg_hash_t shard_root; uint8_t sig[ 64 ];
} dmg_wire_head_t;
void          dmg_wire_head_encode( dmg_wire_head_t const * head, uint8_t out[ DMG_WIRE_HEAD_SZ ] );
dmg_verdict_t dmg_wire_head_decode( dmg_span_t bytes, dmg_wire_head_t * out );
void dmg_wire_head_sign  ( dmg_wire_head_t * head, dmg_hash_t const * genesis, uint8_t const seed[ 32 ] );
bool dmg_wire_head_verify( dmg_wire_head_t const * head, dmg_hash_t const * genesis, dmg_net_peer_t const * leader );

/* N8.4; inner points into the bytes. */
#define DMG_WIRE_RELAYED_SZ     80
#define DMG_WIRE_RELAY_INNER_MAX ( 63u<<10 )
typedef struct { uint32_t epoch; uint16_t origin, target; uint64_t seq; uint8_t sig[ 64 ]; dmg_span_t inner; } dmg_wire_relayed_t;
/* The 80 bytes before inner. */
void          dmg_wire_relayed_encode( dmg_wire_relayed_t const * relayed, uint8_t out[ DMG_WIRE_RELAYED_SZ ] );
/* Of what follows the kind of the frame; also: inner is there, not too long, not relayed itself. */
dmg_verdict_t dmg_wire_relayed_decode( dmg_span_t bytes, dmg_wire_relayed_t * out );
void dmg_wire_relayed_sign  ( dmg_wire_relayed_t * relayed, dmg_hash_t const * genesis, uint8_t const seed[ 32 ] );
bool dmg_wire_relayed_verify( dmg_wire_relayed_t const * relayed, dmg_hash_t const * genesis, dmg_net_peer_t const * origin );

#define DMG_WIRE_LISTS_SZ_MAX    17408   /* attendance and evidence (C2.5) */
#define DMG_WIRE_SHORT_SZ        6
#define DMG_WIRE_PREFILLED_TX_MAX 65536
/* ids: those of the transactions that are not prefilled, in the body's order. */
typedef struct { uint64_t nonce; dmg_span_t lists, ids; uint32_t tx_cnt; } dmg_wire_compact_t;
/* txs[ DMG_BODY_TX_MAX ], the first tx_cnt: prefilled ones, p NULL the others.  Appends; LIMIT, NOMEM. */
DMG_MUST_USE dmg_err_t dmg_wire_compact_encode( dmg_wire_compact_t const * compact, dmg_span_t const * txs, dmg_buf_t * out );
dmg_verdict_t dmg_wire_compact_decode( dmg_span_t bytes, dmg_wire_compact_t * out, dmg_span_t * out_txs );

void     dmg_wire_short_key( dmg_hash_t const * body_hash, uint64_t nonce, uint8_t out_key[ 16 ] );
static inline uint64_t dmg_wire_short_id( uint8_t const key[ 16 ], dmg_hash_t const * leaf ) { return dmg_siphash24( key, dmg_hash_span( leaf ) ) & 0xffffffffffffull; }

#define DMG_WIRE_SHARD_CNT_MAX 128
#define DMG_WIRE_SHARD_FRAME_MAX ( DMG_WIRE_HEAD_SZ+2+DMG_MERKLE_PATH_BCS_MAX+DMG_WIRE_BODY_SZ_MAX+64 )
typedef struct { dmg_wire_head_t head; uint16_t index; dmg_merkle_path_t path; dmg_span_t bytes; } dmg_wire_shard_t;
/* body_len, k > 0. */
static inline size_t dmg_wire_shard_sz( uint32_t body_len, uint32_t k ) { return ( (size_t)( body_len+k-1 )/k+63 )/64*64; }
DMG_MUST_USE dmg_err_t dmg_wire_shard_encode( dmg_wire_shard_t const * shard, dmg_buf_t * out );
/* Also: form, index, size of the shard; the path is the reader's to climb. */
dmg_verdict_t dmg_wire_shard_decode( dmg_span_t bytes, dmg_wire_shard_t * out );

/* --- requests --------------------------------------------------------------------------------------------- */

typedef enum { DMG_WIRE_DATA = 0, DMG_WIRE_BAD_REQUEST = 1, DMG_WIRE_SERVER = 2, DMG_WIRE_NOT_HERE = 3, DMG_WIRE_SLOW_DOWN = 4, DMG_WIRE_PRUNED = 5 } dmg_wire_code_t;

enum { DMG_ROLE_VALIDATOR = 1, DMG_ROLE_BODIES = 2 };   /* of a status; other bits are ignored */

#define DMG_WIRE_STATUS_SZ 215
typedef struct {
  dmg_hash_t genesis; uint32_t fork, epoch; uint64_t final_view, height; dmg_hash_t hash; dmg_cert_t fin;   /* zero: nothing is final */
  uint16_t roles; uint64_t first_body, first_state;
} dmg_wire_status_t;
void          dmg_wire_status_encode( dmg_wire_status_t const * status, uint8_t out[ DMG_WIRE_STATUS_SZ ] );
/* Also: a FINALIZATION is one, of this epoch, view and hash. */
dmg_verdict_t dmg_wire_status_decode( dmg_span_t bytes, dmg_wire_status_t * out );

#define DMG_WIRE_HEADERS_REQ_SZ 34
#define DMG_WIRE_HEADERS_MAX    512
#define DMG_WIRE_HEADERS_CHUNK  64
#define DMG_WIRE_HEADERS_CHUNK_SZ ( 1+DMG_WIRE_HEADERS_CHUNK*DMG_SIGNED_HEADER_SZ )
typedef struct { dmg_hash_t hash; uint16_t count; } dmg_wire_headers_req_t;
void          dmg_wire_headers_req_encode( dmg_wire_headers_req_t const * req, uint8_t out[ DMG_WIRE_HEADERS_REQ_SZ ] );
dmg_verdict_t dmg_wire_headers_req_decode( dmg_span_t bytes, dmg_wire_headers_req_t * out );
/* The headers' bytes, cnt x 410; each decodes. */
dmg_verdict_t dmg_wire_headers_decode( dmg_span_t chunk, dmg_span_t * out_raw, uint32_t * out_cnt );

#define DMG_WIRE_BODIES_MAX 64
#define DMG_WIRE_BODIES_REQ_SZ_MAX ( 1+32*DMG_WIRE_BODIES_MAX )
typedef struct { dmg_hash_t hashes[ DMG_WIRE_BODIES_MAX ]; uint32_t cnt; } dmg_wire_bodies_req_t;
size_t        dmg_wire_bodies_req_encode( dmg_wire_bodies_req_t const * req, uint8_t out[ DMG_WIRE_BODIES_REQ_SZ_MAX ] );
dmg_verdict_t dmg_wire_bodies_req_decode( dmg_span_t bytes, dmg_wire_bodies_req_t * out );
/* A chunk of an answer; raw_max: what a body may have.  decode: GOOD with *out_is_found; the raw body appended to out_raw (cleared first);
   LOCAL: no memory. */
#define DMG_WIRE_BODY_CHUNK_MAX ( DMG_WIRE_BODY_SZ_MAX+( 8u<<10 ) )
DMG_MUST_USE dmg_err_t dmg_wire_body_encode( dmg_span_t body, dmg_buf_t * out );   /* p NULL: not here */
dmg_verdict_t dmg_wire_body_decode( dmg_span_t chunk, bool * out_is_found, dmg_buf_t * out_raw );

#define DMG_WIRE_BODYTX_MAX 4096
#define DMG_WIRE_BODYTX_REQ_SZ_MAX ( 34+2*DMG_WIRE_BODYTX_MAX )
typedef struct { dmg_hash_t body_hash; uint32_t cnt; uint16_t idx[ DMG_WIRE_BODYTX_MAX ]; } dmg_wire_bodytx_req_t;
size_t        dmg_wire_bodytx_req_encode( dmg_wire_bodytx_req_t const * req, uint8_t out[ DMG_WIRE_BODYTX_REQ_SZ_MAX ] );
dmg_verdict_t dmg_wire_bodytx_req_decode( dmg_span_t bytes, dmg_wire_bodytx_req_t * out );

#define DMG_WIRE_IDS_MAX 256
#define DMG_WIRE_IDS_REQ_SZ_MAX ( 2+32*DMG_WIRE_IDS_MAX )
typedef struct { uint32_t cnt; dmg_hash_t ids[ DMG_WIRE_IDS_MAX ]; } dmg_wire_ids_req_t;
size_t        dmg_wire_ids_req_encode( dmg_wire_ids_req_t const * req, uint8_t out[ DMG_WIRE_IDS_REQ_SZ_MAX ] );
dmg_verdict_t dmg_wire_ids_req_decode( dmg_span_t bytes, dmg_wire_ids_req_t * out );

#define DMG_WIRE_PROPOSAL_REQ_SZ 44
typedef struct { uint32_t epoch; uint64_t view; dmg_hash_t hash; } dmg_wire_proposal_req_t;
void          dmg_wire_proposal_req_encode( dmg_wire_proposal_req_t const * req, uint8_t out[ DMG_WIRE_PROPOSAL_REQ_SZ ] );
dmg_verdict_t dmg_wire_proposal_req_decode( dmg_span_t bytes, dmg_wire_proposal_req_t * out );

#define DMG_WIRE_RUNS_REQ_SZ 35
typedef struct { dmg_hash_t hash; uint16_t first; uint8_t count; } dmg_wire_runs_req_t;
void          dmg_wire_runs_req_encode( dmg_wire_runs_req_t const * req, uint8_t out[ DMG_WIRE_RUNS_REQ_SZ ] );
dmg_verdict_t dmg_wire_runs_req_decode( dmg_span_t bytes, dmg_wire_runs_req_t * out );

#define DMG_WIRE_EPOCHS_REQ_SZ 5
#define DMG_WIRE_EPOCHS_MAX    64
typedef struct { uint32_t from; uint8_t count; } dmg_wire_epochs_req_t;
void          dmg_wire_epochs_req_encode( dmg_wire_epochs_req_t const * req, uint8_t out[ DMG_WIRE_EPOCHS_REQ_SZ ] );
dmg_verdict_t dmg_wire_epochs_req_decode( dmg_span_t bytes, dmg_wire_epochs_req_t * out );

/* --- topics ----------------------------------------------------------------------------------------------- */

#define DMG_WIRE_TX_BATCH_SZ  ( 32u<<10 )   /* of several */
#define DMG_WIRE_TX_BATCH_MAX 512
#define DMG_WIRE_TX_SZ_MAX    ( 65536u+4 )
/* out[ DMG_WIRE_TX_BATCH_MAX ]: spans into the data. */
dmg_verdict_t dmg_wire_txs_decode( dmg_span_t data, dmg_span_t * out, uint32_t * out_cnt );
/* Bytes a transaction takes in a batch. */
size_t        dmg_wire_tx_sz( size_t raw_sz );

/* Signed header [410]; then nothing (no body, an empty one, or one that does not fit), or head [147] and, by its form, the body or its compact form. */
#define DMG_WIRE_BLOCK_SZ_MAX ( 128u<<10 )
typedef struct { dmg_signed_header_t sh; dmg_hash_t hash; bool has_head; dmg_wire_head_t head; dmg_span_t rest; } dmg_wire_block_t;
/* Also: a head is this header's, not of shreds; a full body has its length.  What rest holds is the reader's to judge. */
dmg_verdict_t dmg_wire_block_decode( dmg_span_t data, dmg_wire_block_t * out );

#define DMG_WIRE_FINAL_SZ ( DMG_HEADER_SZ+DMG_CERT_SZ )
typedef struct { dmg_header_t header; dmg_hash_t hash; dmg_cert_t fin; } dmg_wire_final_t;
void          dmg_wire_final_encode( dmg_header_t const * header, dmg_cert_t const * fin, uint8_t out[ DMG_WIRE_FINAL_SZ ] );
/* Also: the certificate is a FINALIZATION of this header's epoch, view and hash. */
dmg_verdict_t dmg_wire_final_decode( dmg_span_t data, dmg_wire_final_t * out );

#endif
