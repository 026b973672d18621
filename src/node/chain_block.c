/* Blocks: from the pool or from others, executed on a tree of overlays above the committed head, committed once final.

     pool --build--> block without a header --attach--> tree --commit--> block log, state, head, pool
     body from elsewhere --check--------------^  `-- branches that lost: drop */
#include "node/chain_int.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/os.h"

#include <stdlib.h>

/* ---- The tree ---- */

dmg_chain_block_t * dmg_chain_block_find( dmg_chain_t * chain, dmg_hash_t const * hash ) {
  dmg_chain_block_t * b = chain->blocks;
  while( b && !dmg_hash_eq( &b->hash, hash ) ) b = b->next;
  return b;
}

dmg_err_t dmg_chain_parent( dmg_chain_t * chain, dmg_hash_t const * hash, dmg_chain_parent_t * out ) {
  dmg_chain_head_t const * h = &chain->head;   /* written by us alone, under `writing` */
  if( dmg_hash_eq( hash, &h->block.hash ) ) {
    *out = (dmg_chain_parent_t){ .height = h->block.height, .time_ms = h->block.time_ms, .price = h->price, .root = h->root, .supply_off = h->supply_off, .attended = h->attended };
    return DMG_OK;
  }
  dmg_chain_block_t const * b = dmg_chain_block_find( chain, hash );
  if( !b ) return DMG_ERR_NOT_FOUND;
  *out = (dmg_chain_parent_t){ .height = b->sh.header.height, .time_ms = b->sh.header.time_ms, .price = b->exec.price_next, .root = b->root, .supply_off = b->supply_off, .attended = b->attended };
  return DMG_OK;
}

static dmg_err_t block_new( dmg_chain_t * chain, dmg_chain_block_t ** out ) {
  dmg_arena_t * arena = chain->spare;
  chain->spare = NULL;
  if( !arena ) arena = dmg_arena_new( DMG_CHAIN_ARENA_MAX );
  if( !arena ) return DMG_ERR_NOMEM;
  dmg_chain_block_t * b = DMG_ARENA_NEW( arena, dmg_chain_block_t, 1 );
  if( !b ) { dmg_arena_free( arena ); return DMG_ERR_NOMEM; }
  b->arena = arena;
  *out = b;
  return DMG_OK;
}

/* What it has outside its arena; then the arena, which the next block may have. */
static void block_free( dmg_chain_t * chain, dmg_chain_block_t * b ) {
  dmg_arena_t * arena = b->arena;
  dmg_view_close( b->view );
  if( b->ref_cnt ) {
    pthread_mutex_lock( &chain->lock );
    dmg_txpool_release( chain->pool, b->refs, b->ref_cnt );
    pthread_mutex_unlock( &chain->lock );
  }
  if( chain->spare ) { dmg_arena_free( arena ); return; }
  dmg_arena_reset( arena );
  chain->spare = arena;
}

static void unlink_block( dmg_chain_t * chain, dmg_chain_block_t * b ) {
  dmg_chain_block_t ** at = &chain->blocks;
  pthread_mutex_lock( &chain->lock );
  while( *at!=b ) at = &( *at )->next;
  *at = b->next;
  if( dmg_hash_eq( &chain->tip, &b->hash ) ) chain->tip = chain->head.block.hash;
  pthread_mutex_unlock( &chain->lock );
}

/* ---- What readers see of it ---- */

void dmg_chain_set_tip( dmg_chain_t * chain, dmg_hash_t const * hash, uint8_t const sig[ DMG_BLS_SIG_SZ ] ) {
  pthread_mutex_lock( &chain->lock );
  dmg_chain_block_t * b = dmg_chain_block_find( chain, hash );
  if( b && sig ) memcpy( b->sh.sig, sig, sizeof b->sh.sig );
  chain->tip = b ? *hash : chain->head.block.hash;
  pthread_mutex_unlock( &chain->lock );
}

dmg_chain_block_t const * dmg_chain_tip_block( dmg_chain_t * chain ) { return dmg_hash_eq( &chain->tip, &chain->head.block.hash ) ? NULL : dmg_chain_block_find( chain, &chain->tip ); }

/* A parent stands behind its children, so a walk down a branch is one walk along the list, however long nothing became final. */
static dmg_chain_block_t const * below( dmg_chain_block_t const * b ) {
  dmg_chain_block_t const * p = b->next;
  while( p && !dmg_hash_eq( &p->hash, &b->sh.header.parent_hash ) ) p = p->next;
  return p;
}

dmg_chain_block_t const * dmg_chain_tip_height( dmg_chain_t * chain, uint64_t height ) {
  dmg_chain_block_t const * b = height>chain->head.block.height ? dmg_chain_tip_block( chain ) : NULL;
  while( b && b->sh.header.height>height ) b = below( b );
  return b && b->sh.header.height==height ? b : NULL;
}

dmg_chain_block_t const * dmg_chain_tip_hash( dmg_chain_t * chain, dmg_hash_t const * hash ) {
  dmg_chain_block_t const * b = dmg_chain_tip_block( chain );
  while( b && !dmg_hash_eq( &b->hash, hash ) ) b = below( b );
  return b;
}

dmg_chain_block_t const * dmg_chain_tip_tx( dmg_chain_t * chain, dmg_hash_t const * id, uint32_t * out_index ) {
  for( dmg_chain_block_t const * b = dmg_chain_tip_block( chain ); b; b = below( b ) )
    for( uint32_t lo = 0, hi = b->by_id ? b->tx_cnt : 0; lo<hi; ) {
      uint32_t mid = lo+( hi-lo )/2;
      int c = memcmp( b->tx_ids[ b->by_id[ mid ] ].b, id->b, 32 );
      if( !c ) { *out_index = b->by_id[ mid ]; return b; }
      if( c<0 ) lo = mid+1;
      else      hi = mid;
    }
  return NULL;
}

static int by_id_cmp( void const * a, void const * b, void * ids ) { return memcmp( ( (dmg_hash_t const *)ids )[ *(uint32_t const *)a ].b, ( (dmg_hash_t const *)ids )[ *(uint32_t const *)b ].b, 32 ); }

static dmg_err_t index_txs( dmg_chain_block_t * b ) {
  b->by_id = DMG_ARENA_NEW( b->arena, uint32_t, b->tx_cnt+1 );
  if( !b->by_id ) return DMG_ERR_LIMIT;
  for( uint32_t i = 0; i<b->tx_cnt; i++ ) b->by_id[ i ] = i;
  qsort_r( b->by_id, b->tx_cnt, sizeof *b->by_id, by_id_cmp, b->tx_ids );
  return DMG_OK;
}

/* Those whose parent is neither the head nor in the tree.  There are none unless a branch lost, whose lowest block stands beside the head,
   or a block went whose children are there: looked for first, as the tree may be long. */
static void drop_orphans( dmg_chain_t * chain, dmg_hash_t const * gone ) {
  bool is_again = false;
  for( dmg_chain_block_t const * b = chain->blocks; b && !is_again; b = b->next ) is_again = gone ? dmg_hash_eq( &b->sh.header.parent_hash, gone ) : b->sh.header.height<=chain->head.block.height;
  while( is_again ) {
    is_again = false;
    for( dmg_chain_block_t * b = chain->blocks; b; b = b->next ) {
      if( dmg_hash_eq( &b->sh.header.parent_hash, &chain->head.block.hash ) || dmg_chain_block_find( chain, &b->sh.header.parent_hash ) ) continue;
      unlink_block( chain, b );
      block_free( chain, b );
      is_again = true;
      break;
    }
  }
}

void dmg_chain_block_drop( dmg_chain_t * chain, dmg_chain_block_t * b ) {
  if( !b ) return;
  if( b->is_attached ) {
    dmg_err_t err = dmg_state_drop( chain->state, &b->hash );
    DMG_ASSERT( !err );
    unlink_block( chain, b );
  }
  dmg_hash_t gone = b->hash;
  bool was_attached = b->is_attached;
  block_free( chain, b );
  if( was_attached ) drop_orphans( chain, &gone );
}

/* ---- Execution ---- */

/* C5.4.  The beacon takes the reveal of the first block of its leader's window. */
static dmg_block_ctx_t block_ctx( dmg_chain_t const * chain, dmg_chain_block_t const * b, dmg_header_t const * h ) {
  dmg_block_ctx_t c = { .height = h->height, .time_ms = h->time_ms, .epoch = h->epoch, .chain_id = chain->chain_id, .leader = chain->leaders[ h->leader ], .leader_index = h->leader, .view = h->view,
                        .atts = b->atts, .att_cnt = b->att_cnt };
  c.has_reveal = !h->parent_view || ( h->view-1 )/chain->window_views!=( h->parent_view-1 )/chain->window_views;
  memcpy( c.reveal, h->reveal, sizeof c.reveal );
  return c;
}

static dmg_err_t execute( dmg_chain_t * chain, dmg_chain_block_t * b, dmg_header_t const * h, dmg_tx_t * const * txs, size_t cnt, uint32_t flags ) {
  dmg_block_ctx_t ctx = block_ctx( chain, b, h );
  uint64_t began = dmg_os_mono_ns();
  DMG_TRY( dmg_state_view( chain->state, &h->parent_hash, &b->view ) );
  DMG_TRY( dmg_runtime_exec_block( chain->runtime, b->view, &ctx, txs, cnt, flags, b->arena, &b->exec ) );
  b->exec_ns = dmg_os_mono_ns()-began;
  return DMG_OK;
}

/* dev_setBalance: the write set with some accounts' Free overridden; both stay ascending.  Adds what that puts into the
   supply to supply_off (F2.5). */
static void override_writes( dmg_chain_t * chain, dmg_chain_block_t * b ) {
  struct { dmg_hash_t account; uint64_t sparks; } todo[ DMG_CHAIN_OVERRIDE_MAX ];
  pthread_mutex_lock( &chain->lock );
  uint32_t cnt = chain->override_cnt;
  memcpy( todo, chain->overrides, sizeof todo );
  chain->override_cnt   = 0;
  chain->override_taken = chain->override_seq;
  pthread_mutex_unlock( &chain->lock );
  if( !cnt ) return;
  dmg_write_t * writes = dmg_arena_calloc( b->arena, b->exec.write_cnt+cnt, sizeof *writes );
  if( !writes ) dmg_chain_fatal( "dev_setBalance", DMG_ERR_LIMIT );
  if( b->exec.write_cnt ) memcpy( writes, b->exec.writes, b->exec.write_cnt*sizeof *writes );
  size_t n = b->exec.write_cnt;
  for( uint32_t i = 0; i<cnt; i++ ) {
    uint8_t key[ DMG_KEY_MAX ], value[ DMG_COUNTER_V_MAX ];
    dmg_write_t w = { .is_delete = !todo[ i ].sparks };
    w.key = dmg_arena_dup( b->arena, dmg_span( key, dmg_key_free( &todo[ i ].account, key ) ) );
    if( !w.key.p ) dmg_chain_fatal( "dev_setBalance", DMG_ERR_LIMIT );
    size_t at = 0;
    while( at<n && dmg_span_cmp( writes[ at ].key, w.key )<0 ) at++;
    /* What stands there after this block's transactions; its deposit stays whose it is. */
    dmg_deposit_rec_t deposit = { 0 };
    dmg_span_t old = { 0 };
    uint64_t old_sparks = 0;
    bool is_written = at<n && dmg_span_eq( writes[ at ].key, w.key );
    dmg_err_t err = DMG_OK;
    if( !is_written )                    err = dmg_view_get( b->view, w.key, b->arena, &old );
    else if( writes[ at ].is_delete )    err = DMG_ERR_NOT_FOUND;
    else                                 old = writes[ at ].value;
    if( !err ) err = dmg_counter_parse( old, true, &deposit, &old_sparks );
    if( err && err!=DMG_ERR_NOT_FOUND ) dmg_chain_fatal( "dev_setBalance", err );
    b->supply_off += (dmg_i128_t)todo[ i ].sparks-(dmg_i128_t)old_sparks;
    w.value = dmg_arena_dup( b->arena, dmg_span( value, dmg_counter_build( true, 1, &deposit, todo[ i ].sparks, value ) ) );
    if( !w.value.p ) dmg_chain_fatal( "dev_setBalance", DMG_ERR_LIMIT );
    if( !is_written ) { memmove( writes+at+1, writes+at, ( n-at )*sizeof *writes ); n++; }
    writes[ at ] = w;
  }
  b->exec.writes    = writes;
  b->exec.write_cnt = n;
}

/* ---- Building ---- */

static bool is_full( dmg_txpool_limits_t const * limits, dmg_txpool_ref_t const * refs, size_t cnt ) {
  uint64_t gas = 0, intrinsic = 0, bytes = 0;
  for( size_t i = 0; i<cnt; i++ ) {
    gas       += refs[ i ].tx->gas;
    intrinsic += dmg_tx_intrinsic_gas( refs[ i ].tx, refs[ i ].tx->raw.sz );
    bytes     += refs[ i ].tx->raw.sz;
  }
  return gas>limits->gas_max/2 || intrinsic>limits->intrinsic_max/2 || bytes>limits->body_max/2 || cnt>limits->tx_max/2;
}

static int id_cmp( void const * a, void const * b ) { return memcmp( a, b, sizeof( dmg_hash_t ) ); }

/* What the blocks from tip down to the head hold, sorted. */
static dmg_err_t branch_ids( dmg_chain_t * chain, dmg_chain_block_t const * tip, dmg_arena_t * arena, dmg_hash_t ** out_ids, size_t * out_cnt ) {
  size_t cnt = 0;
  for( dmg_chain_block_t const * a = tip; a; a = dmg_chain_block_find( chain, &a->sh.header.parent_hash ) ) cnt += a->tx_cnt;
  dmg_hash_t * ids = DMG_ARENA_NEW( arena, dmg_hash_t, cnt+1 );
  if( !ids ) return DMG_ERR_LIMIT;
  cnt = 0;
  for( dmg_chain_block_t const * a = tip; a; a = dmg_chain_block_find( chain, &a->sh.header.parent_hash ) )
    for( uint32_t i = 0; i<a->tx_cnt; i++ ) ids[ cnt++ ] = a->tx_ids[ i ];
  qsort( ids, cnt, sizeof *ids, id_cmp );
  *out_ids = ids;
  *out_cnt = cnt;
  return DMG_OK;
}

/* The pool stands at the head: what blocks above it hold is named to it (R4.4). */
static dmg_err_t pick( dmg_chain_t * chain, dmg_header_t const * draft, dmg_chain_block_t * b ) {
  dmg_hash_t * taken;
  size_t taken_cnt;
  DMG_TRY( branch_ids( chain, dmg_chain_block_find( chain, &draft->parent_hash ), b->arena, &taken, &taken_cnt ) );
  pthread_mutex_lock( &chain->lock );
  dmg_txpool_head_t   before = dmg_chain_pool_head( chain );
  dmg_txpool_limits_t limits = dmg_txpool_limits( &before );
  /* A dev genesis may set body_max to 4 MiB, and the block log takes 4 MiB with the header: a block that can be
     built but not stored would end the node. */
  if( limits.body_max>DMG_DEV_BODY_MAX ) limits.body_max = DMG_DEV_BODY_MAX;
  limits.body_max -= (size_t)b->att_cnt*DMG_ATTENDANCE_SZ;
  limits.taken     = taken;
  limits.taken_cnt = taken_cnt;
  /* From here on a new transaction asks for a block of its own. */
  chain->has_work = false;
  b->refs = DMG_ARENA_NEW( b->arena, dmg_txpool_ref_t, limits.tx_max );
  b->left = DMG_ARENA_NEW( b->arena, dmg_txpool_ref_t, limits.tx_max+1 );
  b->ref_cnt = b->refs && b->left ? dmg_txpool_build( chain->pool, &limits, b->refs, limits.tx_max ) : 0;
  b->is_full = is_full( &limits, b->refs, b->ref_cnt );
  pthread_mutex_unlock( &chain->lock );
  return b->refs && b->left ? DMG_OK : DMG_ERR_LIMIT;
}

/* The body is what the executor took, in its order. */
static dmg_err_t body_of( dmg_chain_block_t * b, dmg_tx_t * const * txs ) {
  dmg_body_t body = { .atts = b->atts, .att_cnt = b->att_cnt, .tx_cnt = (uint32_t)b->exec.tx_cnt };
  b->tx_cnt   = body.tx_cnt;
  b->tx_ids   = DMG_ARENA_NEW( b->arena, dmg_hash_t, b->exec.tx_cnt+1 );
  b->included = DMG_ARENA_NEW( b->arena, dmg_txpool_included_t, b->exec.tx_cnt+1 );
  body.txs    = DMG_ARENA_NEW( b->arena, dmg_span_t, b->exec.tx_cnt+1 );
  if( !b->tx_ids || !b->included || !body.txs ) return DMG_ERR_LIMIT;
  size_t next = 0;
  for( size_t i = 0; i<b->exec.tx_cnt; i++ ) {
    dmg_exec_tx_t const * e = &b->exec.txs[ i ];
    dmg_tx_t const * tx = txs[ e->index ];
    for( ; next<e->index; next++ ) b->left[ b->left_cnt++ ] = b->refs[ next ];
    next = e->index+1;
    body.txs[ i ]   = tx->raw;
    b->tx_ids[ i ]  = tx->id;
    b->included[ i ] = (dmg_txpool_included_t){ .id = tx->id, .sender = tx->sender, .lane = tx->lane, .nonce = tx->nonce, .receipt_status = e->status };
  }
  for( ; next<b->ref_cnt; next++ ) b->left[ b->left_cnt++ ] = b->refs[ next ];
  dmg_buf_t buf = dmg_buf( DMG_BODY_SZ_MAX );
  dmg_err_t err = dmg_body_encode( &body, &buf );
  if( !err && !( b->body = dmg_arena_dup( b->arena, dmg_buf_span( &buf ) ) ).p ) err = DMG_ERR_LIMIT;
  dmg_buf_fini( &buf );
  b->sh.header.body_hash = dmg_body_hash( &body );
  b->sh.header.body_len  = (uint32_t)b->body.sz;
  return err;
}

static dmg_err_t build( dmg_chain_t * chain, dmg_header_t const * draft, bool is_empty, dmg_attendance_t const * atts, uint32_t att_cnt, dmg_chain_block_t * b ) {
  dmg_chain_parent_t parent;
  uint64_t began = dmg_os_mono_ns();
  DMG_TRY( dmg_chain_parent( chain, &draft->parent_hash, &parent ) );
  DMG_ASSERT( att_cnt<=DMG_BODY_ATT_MAX && !( is_empty && att_cnt ) );
  b->sh.header = *draft;
  b->attended  = (dmg_chain_attended_t){ .epoch = draft->epoch, .view = att_cnt ? atts[ att_cnt-1 ].view : dmg_chain_attended_view( &parent.attended, draft ) };
  b->att_cnt   = att_cnt;
  b->atts      = DMG_ARENA_NEW( b->arena, dmg_attendance_t, DMG_BODY_ATT_MAX );
  if( !b->atts ) return DMG_ERR_LIMIT;
  for( uint32_t i = 0; i<att_cnt; i++ ) b->atts[ i ] = atts[ i ];
  if( !is_empty ) DMG_TRY( pick( chain, draft, b ) );
  dmg_tx_t ** txs = DMG_ARENA_NEW( b->arena, dmg_tx_t *, b->ref_cnt+1 );
  if( !txs ) return DMG_ERR_LIMIT;
  for( size_t i = 0; i<b->ref_cnt; i++ ) txs[ i ] = b->refs[ i ].tx;
  b->build_ns   = dmg_os_mono_ns()-began;
  b->supply_off = parent.supply_off;
  DMG_TRY( execute( chain, b, draft, txs, b->ref_cnt, DMG_EXEC_BUILD ) );
  DMG_ASSERT( !b->exec.is_invalid );
  override_writes( chain, b );
  return body_of( b, txs );
}

dmg_err_t dmg_chain_block_build( dmg_chain_t * chain, dmg_header_t const * draft, bool is_empty, dmg_attendance_t const * atts, uint32_t att_cnt, dmg_chain_block_t ** out ) {
  dmg_chain_block_t * b;
  DMG_TRY( block_new( chain, &b ) );
  dmg_err_t err = build( chain, draft, is_empty, atts, att_cnt, b );
  if( err ) { block_free( chain, b ); return err; }
  *out = b;
  return DMG_OK;
}

/* ---- Checking ---- */

/* R4.2: the signatures that the pool has not seen. */
static dmg_verdict_t verify( dmg_chain_t * chain, dmg_chain_block_t * b, dmg_tx_t * const * txs, uint32_t cnt ) {
  size_t job_cnt = 0, n = 0;
  uint8_t seed[ 32 ];
  for( uint32_t i = 0; i<cnt; i++ ) job_cnt += txs[ i ]->sig_cnt;
  dmg_sig_job_t * jobs = DMG_ARENA_NEW( b->arena, dmg_sig_job_t, job_cnt+1 );
  uint8_t *       ok   = dmg_arena_alloc( b->arena, ( job_cnt+8 )/8 );
  if( !jobs || !ok ) return dmg_verdict_local( DMG_ERR_LIMIT );
  pthread_mutex_lock( &chain->lock );
  for( uint32_t i = 0; i<cnt; i++ ) if( !dmg_txpool_is_verified( chain->pool, &txs[ i ]->id, txs[ i ]->raw ) ) n += dmg_txpool_sig_jobs( txs[ i ], jobs+n );
  pthread_mutex_unlock( &chain->lock );
  dmg_os_random( seed, sizeof seed );
  return dmg_sig_verify_many( jobs, n, seed, ok )==n ? dmg_verdict_good() : dmg_verdict_bad( "body", "a transaction's signature is not valid", 0 );
}

static dmg_verdict_t check( dmg_chain_t * chain, dmg_span_t bytes, bool is_own, dmg_chain_block_t * b ) {
  dmg_header_t const * h = &b->sh.header;
  dmg_chain_parent_t parent;
  dmg_body_t * body;
  dmg_err_t err = dmg_chain_parent( chain, &h->parent_hash, &parent );
  if( err ) return dmg_verdict_local( err );
  if( h->leader>=chain->set.cnt || h->height!=parent.height+1 || h->time_ms<=parent.time_ms ) return dmg_verdict_bad( "header", "leader, height or time does not follow from the parent", 0 );
  b->body = dmg_arena_dup( b->arena, bytes );
  if( !b->body.p ) return dmg_verdict_local( DMG_ERR_LIMIT );
  dmg_verdict_t v = dmg_body_decode( b->body, b->arena, &body );
  if( v.kind ) return v;
  dmg_hash_t hash = dmg_body_hash( body );
  if( !dmg_hash_eq( &hash, &h->body_hash ) || h->body_len!=bytes.sz ) return dmg_verdict_bad( "body", "another body than the header's", 0 );
  v = dmg_chain_attend( chain, h, body, &parent.attended, &b->attended );
  if( v.kind ) return v;
  b->atts    = body->atts;
  b->att_cnt = body->att_cnt;
  dmg_tx_t ** txs = DMG_ARENA_NEW( b->arena, dmg_tx_t *, body->tx_cnt+1 );
  b->tx_cnt   = body->tx_cnt;
  b->tx_ids   = DMG_ARENA_NEW( b->arena, dmg_hash_t, body->tx_cnt+1 );
  b->included = DMG_ARENA_NEW( b->arena, dmg_txpool_included_t, body->tx_cnt+1 );
  if( !txs || !b->tx_ids || !b->included ) return dmg_verdict_local( DMG_ERR_LIMIT );
  for( uint32_t i = 0; i<body->tx_cnt; i++ ) {
    v = dmg_tx_decode( body->txs[ i ], b->arena, &txs[ i ] );
    if( v.kind ) return v;
    b->tx_ids[ i ] = txs[ i ]->id;
  }
  if( !is_own ) v = verify( chain, b, txs, body->tx_cnt );
  if( v.kind ) return v;
  b->supply_off = parent.supply_off;
  err = execute( chain, b, h, txs, body->tx_cnt, 0 );
  if( err ) return dmg_verdict_local( err );
  if( b->exec.is_invalid ) {
    DMG_LOG_WARN( "block_invalid", "height=%lu: %s", (unsigned long)h->height, b->exec.why.text );
    return dmg_verdict_bad( "body", "a transaction breaks a rule of blocks", 0 );
  }
  for( uint32_t i = 0; i<body->tx_cnt; i++ )
    b->included[ i ] = (dmg_txpool_included_t){ .id = txs[ i ]->id, .sender = txs[ i ]->sender, .lane = txs[ i ]->lane, .nonce = txs[ i ]->nonce, .receipt_status = b->exec.txs[ i ].status };
  return v;
}

dmg_verdict_t dmg_chain_block_check( dmg_chain_t * chain, dmg_signed_header_t const * sh, dmg_hash_t const * hash, dmg_span_t body, bool is_own, dmg_chain_block_t ** out ) {
  dmg_chain_block_t * b;
  dmg_err_t err = block_new( chain, &b );
  if( err ) return dmg_verdict_local( err );
  b->sh = *sh;
  dmg_verdict_t v = check( chain, body, is_own, b );
  if( !v.kind && ( err = dmg_chain_block_attach( chain, b, sh, hash ) ) ) v = dmg_verdict_local( err );
  if( v.kind ) block_free( chain, b );
  else         *out = b;
  return v;
}

dmg_err_t dmg_chain_block_attach( dmg_chain_t * chain, dmg_chain_block_t * b, dmg_signed_header_t const * sh, dmg_hash_t const * hash ) {
  dmg_read_t const * reads;
  size_t read_cnt;
  DMG_ASSERT( !b->is_attached && b->view && !dmg_chain_block_find( chain, hash ) );
  DMG_ASSERT( dmg_hash_eq( &sh->header.parent_hash, &b->sh.header.parent_hash ) && dmg_hash_eq( &sh->header.body_hash, &b->sh.header.body_hash ) && sh->header.time_ms==b->sh.header.time_ms );
  b->sh   = *sh;
  b->hash = *hash;
  if( chain->cfg.is_several ) DMG_TRY( index_txs( b ) );
  dmg_view_reads( b->view, &reads, &read_cnt );
  DMG_TRY( dmg_state_apply( chain->state, &sh->header.parent_hash, hash, sh->header.height, b->exec.writes, b->exec.write_cnt, reads, read_cnt ) );
  dmg_err_t err;
  while( ( err = dmg_state_root( chain->state, hash, &b->root ) )==DMG_ERR_AGAIN ) dmg_os_sleep_ns( 100000 );
  DMG_TRY( err );
  dmg_view_close( b->view );
  b->view        = NULL;
  b->is_attached = true;
  pthread_mutex_lock( &chain->lock );
  b->next        = chain->blocks;
  chain->blocks  = b;
  pthread_mutex_unlock( &chain->lock );
  return DMG_OK;
}

/* ---- Committing ---- */

/* Repeated: no effect. */
static dmg_err_t append_receipts( dmg_chain_t * chain, dmg_chain_block_t const * b ) {
  dmg_span_t * receipts = DMG_ARENA_NEW( b->arena, dmg_span_t, b->exec.tx_cnt+1 );
  if( !receipts ) return DMG_ERR_LIMIT;
  uint32_t cnt = 0;
  for( size_t i = 0; i<b->exec.tx_cnt; i++ ) receipts[ cnt++ ] = b->exec.txs[ i ].receipt;
  if( b->exec.system_receipt.sz ) receipts[ cnt++ ] = b->exec.system_receipt;
  return dmg_block_log_append_receipts( chain->log, &b->hash, receipts, cnt );
}

/* S8.1: block, receipts and certificate, on disk with the sync that follows: after that the block is final for good.  After a crash the
   log may have it already, but for the receipts. */
static dmg_err_t log_final( dmg_chain_t * chain, dmg_chain_block_t const * b, dmg_cert_t const * cert, bool * io_is_new ) {
  uint64_t height = b->sh.header.height, tip = 0;
  uint8_t header_bytes[ DMG_SIGNED_HEADER_SZ ], cert_bytes[ DMG_CERT_SZ ];
  dmg_err_t err = dmg_block_log_tip( chain->log, &tip, &(dmg_hash_t){ 0 } );
  if( err && err!=DMG_ERR_NOT_FOUND ) return err;
  if( tip>=height ) return append_receipts( chain, b );
  *io_is_new = true;
  dmg_signed_header_encode( &b->sh, header_bytes );
  if( cert ) dmg_cert_encode( cert, cert_bytes );
  DMG_TRY( dmg_block_log_append_block( chain->log, height, &b->hash, DMG_SPAN( header_bytes ), b->body ) );
  dmg_chain_step( DMG_CHAIN_STEP_BODY, height, &b->hash );
  DMG_TRY( append_receipts( chain, b ) );
  dmg_chain_step( DMG_CHAIN_STEP_RECEIPTS, height, &b->hash );
  DMG_TRY( dmg_block_log_append_final( chain->log, &b->hash, &b->sh.header.parent_hash, cert ? DMG_SPAN( cert_bytes ) : dmg_span( NULL, 0 ) ) );
  dmg_chain_step( DMG_CHAIN_STEP_FINAL, height, &b->hash );
  return DMG_OK;
}

/* C7.1: the beacon after an eighth of an epoch seeds the next one; its last block ends it.  Kept with the state they follow from. */
static dmg_err_t to_epochs( dmg_chain_t * chain, dmg_chain_block_t * b, dmg_kv_op_t ** io_ops, size_t * io_cnt ) {
  uint64_t height = b->sh.header.height;
  bool is_seed = height==dmg_epoch_seed_height( &chain->record ), is_last = height==chain->record.last_height;
  if( !is_seed && !is_last ) return DMG_OK;
  uint8_t * bytes = dmg_arena_alloc( b->arena, DMG_RECORD_SZ );
  dmg_kv_op_t * ops = DMG_ARENA_NEW( b->arena, dmg_kv_op_t, *io_cnt+2 );
  if( !bytes || !ops ) return DMG_ERR_LIMIT;
  memcpy( ops, *io_ops, *io_cnt*sizeof *ops );
  pthread_mutex_lock( &chain->lock );   /* readers look at them */
  if( is_seed ) {
    chain->next_record     = dmg_epoch_next( &chain->record, &chain->set, &b->exec.beacon );
    chain->has_next_record = true;
    ops[ ( *io_cnt )++ ] = (dmg_kv_op_t){ .cf = DMG_KV_META, .key = DMG_SPAN_STR( DMG_CHAIN_META_NEXT ), .value = dmg_span( bytes, DMG_RECORD_SZ ) };
  } else {
    DMG_ASSERT( chain->has_next_record );
    chain->record          = chain->next_record;
    chain->has_next_record = false;
    ops[ ( *io_cnt )++ ] = (dmg_kv_op_t){ .cf = DMG_KV_META, .key = DMG_SPAN_STR( DMG_CHAIN_META_EPOCH ), .value = dmg_span( bytes, DMG_RECORD_SZ ) };
    ops[ ( *io_cnt )++ ] = (dmg_kv_op_t){ .cf = DMG_KV_META, .key = DMG_SPAN_STR( DMG_CHAIN_META_NEXT ), .is_delete = true };
  }
  dmg_record_encode( is_seed ? &chain->next_record : &chain->record, bytes );
  pthread_mutex_unlock( &chain->lock );
  *io_ops = ops;
  return DMG_OK;
}

static dmg_err_t to_attended( dmg_chain_block_t * b, dmg_kv_op_t ** io_ops, size_t * io_cnt ) {
  dmg_kv_op_t * ops = DMG_ARENA_NEW( b->arena, dmg_kv_op_t, *io_cnt+1 );
  if( !ops ) return DMG_ERR_LIMIT;
  memcpy( ops, *io_ops, *io_cnt*sizeof *ops );
  *io_ops = ops;
  return dmg_chain_attended_put( b, b->arena, &ops[ ( *io_cnt )++ ] );
}

static dmg_err_t to_state( dmg_chain_t * chain, dmg_chain_block_t * b ) {
  dmg_kv_op_t * ops;
  size_t op_cnt;
  DMG_TRY( dmg_block_log_index( chain->log, &b->hash, b->tx_ids, b->tx_cnt, b->arena, &ops, &op_cnt ) );
  if( chain->cfg.is_several ) DMG_TRY( to_epochs( chain, b, &ops, &op_cnt ) );
  if( b->att_cnt ) DMG_TRY( to_attended( b, &ops, &op_cnt ) );
  DMG_TRY( dmg_state_finalize( chain->state, &b->hash, ops, op_cnt ) );
  dmg_chain_step( DMG_CHAIN_STEP_STATE, b->sh.header.height, &b->hash );
  dmg_block_log_forget( chain->log, b->sh.header.height );
  return DMG_OK;
}

/* With `lock`. */
static dmg_err_t to_pool( dmg_chain_t * chain, dmg_chain_block_t * b ) {
  if( !chain->pool ) return DMG_OK;   /* recovery: there is none yet */
  uint64_t now_ms = dmg_os_wall_ms();
  dmg_txpool_head_t after = dmg_chain_pool_head( chain );
  dmg_txpool_on_block( chain->pool, &after, b->included, b->tx_cnt, now_ms );
  dmg_err_t err = dmg_txpool_on_left_out( chain->pool, &chain->pool_state, b->left, b->left_cnt, now_ms );
  dmg_txpool_on_final( chain->pool, b->tx_ids, b->tx_cnt, now_ms );
  dmg_txpool_release( chain->pool, b->refs, b->ref_cnt );
  b->ref_cnt = 0;
  dmg_txpool_stats_t stats;
  dmg_txpool_stats( chain->pool, &stats );
  /* Nothing fitted though something waits: only a change of the pool or of time can help. */
  if( b->tx_cnt && stats.pooled_cnt ) chain->has_work = true;
  return err;
}

/* The block is in the log for good: its state, then the head and the pool. */
static dmg_err_t to_head( dmg_chain_t * chain, dmg_chain_block_t * b, dmg_cert_t const * notarization, uint64_t took, dmg_chain_made_t * out ) {
  dmg_header_t const * h = &b->sh.header;
  uint64_t began = dmg_os_mono_ns();
  DMG_TRY( to_state( chain, b ) );
  dmg_chain_head_t head = { .block = { .height = h->height, .time_ms = h->time_ms, .hash = b->hash }, .root = b->root, .is_empty = !b->tx_cnt, .supply_off = b->supply_off, .attended = b->attended };
  if( notarization ) head.block.notarization = *notarization;
  took += dmg_os_mono_ns()-began+b->vote_ns;

  pthread_mutex_lock( &chain->lock );
  dmg_err_t err = dmg_chain_adopt( chain, &head, &b->exec );
  if( !err ) err = to_pool( chain, b );
  chain->override_done = chain->override_taken;
  chain->tx_cnt    += b->tx_cnt;
  chain->block_cnt++;
  chain->build_ns  += b->build_ns;
  chain->exec_ns   += b->exec_ns;
  chain->commit_ns += took;
  pthread_mutex_unlock( &chain->lock );
  DMG_TRY( err );

  if( b->tx_cnt ) DMG_LOG_INFO( "block_final", "height=%lu txs=%u gas=%lu build_us=%lu exec_us=%lu commit_us=%lu", (unsigned long)h->height, b->tx_cnt, (unsigned long)b->exec.gas_used,
                                (unsigned long)( b->build_ns/1000 ), (unsigned long)( b->exec_ns/1000 ), (unsigned long)( took/1000 ) );
  else            DMG_LOG_DEBUG( "block_final", "height=%lu empty", (unsigned long)h->height );
  *out = (dmg_chain_made_t){ .at = { .height = h->height, .hash = b->hash, .is_final = true }, .time_ms = h->time_ms, .tx_cnt = b->tx_cnt, .is_full = b->is_full };
  dmg_chain_recent_put( chain, b );
  unlink_block( chain, b );
  block_free( chain, b );
  drop_orphans( chain, NULL );   /* their overlays went with the commit */
  return DMG_OK;
}

dmg_err_t dmg_chain_commit( dmg_chain_t * chain, dmg_chain_final_t const * finals, uint32_t cnt, dmg_chain_made_t * out_made ) {
  bool is_new = false;
  uint64_t began = dmg_os_mono_ns();
  for( uint32_t i = 0; i<cnt; i++ ) {
    dmg_chain_block_t const * b = finals[ i ].block;
    DMG_ASSERT( b->is_attached && dmg_hash_eq( &b->sh.header.parent_hash, i ? &finals[ i-1 ].block->hash : &chain->head.block.hash ) );
    DMG_TRY( log_final( chain, b, finals[ i ].cert, &is_new ) );
  }
  if( is_new && chain->cfg.is_durable ) DMG_TRY( dmg_block_log_sync( chain->log ) );
  for( uint32_t i = 0; i<cnt && is_new; i++ ) dmg_chain_step( DMG_CHAIN_STEP_SYNCED, finals[ i ].block->sh.header.height, &finals[ i ].block->hash );
  uint64_t took = ( dmg_os_mono_ns()-began )/( cnt ? cnt : 1 );
  /* S8.8: one sync of the state for all of them.  What a crash takes of it is executed again from the log. */
  for( uint32_t i = 0; i<cnt; i++ ) {
    dmg_state_group( chain->state, i+1<cnt );
    DMG_TRY( to_head( chain, finals[ i ].block, finals[ i ].notarization, took, &out_made[ i ] ) );
  }
  return DMG_OK;
}

dmg_err_t dmg_chain_block_commit( dmg_chain_t * chain, dmg_chain_block_t * b, dmg_cert_t const * cert, dmg_cert_t const * notarization, dmg_chain_made_t * out ) {
  dmg_chain_final_t one = { .block = b, .cert = cert, .notarization = notarization };
  return dmg_chain_commit( chain, &one, 1, out );
}
