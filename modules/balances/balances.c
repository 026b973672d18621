/* balances: the ledger of CGT (M2.1-M2.8).  Interface: balances.dmi.

     Free --transfer--> Free      Free --hold--> Held --release--> Free      Held --seize--> another's Free
     Free --burn--> Burned        own account (seed 0): what has not vested --claim_vested--> Free
   Every path takes from one counter what it adds to another: Free + Held + Burned stays 13 B CGT.  A debit is a
   counter's bound, not a read, so payments to and from one account do not conflict (M2.1). */
#include "balances_abi.h"

#define ISSUED       1300000000000000000ull   /* 13 B CGT in sparks, never more */
#define BUCKETS      6u
#define BPS          10000u
#define CAUSE_BURN   1u                       /* 0: fees, native code's */
#define CAUSE_CNT    8u
#define VESTING_MAX  64u                      /* entries an account may have */
/* A Free entry: key 36 bytes, value 49 with schema byte and record (R5.8). */
#define FREE_ENTRY_SZ 85u

/* ---- Locks, debit, credit ---- */

/* Locks overlap: the largest live one counts (M2.1). */
static uint64_t locked_of( dm_address_t const * who ) {
  uint8_t buf[ 8*LOCK_SCAN_SZ ];
  dm_scan_t scan;
  lock_key_t key;
  lock_t lock;
  uint64_t most = 0;
  lock_scan1( &scan, buf, sizeof buf, 8, who );
  while( lock_next( &scan, &key, &lock ) ) if( dm_now()<lock.until_ms && lock.amount>most ) most = lock.amount;
  return most;
}

/* M2.2: Free - max( 0, largest live lock - bonded ); nothing is bonded before Staking. */
static uint64_t spendable_of( uint64_t have, uint64_t locked ) { return have>locked ? have-locked : 0; }

/* Takes amount out of what `who` can spend. */
static dm_fault_t debit( dm_address_t const * who, uint64_t amount ) {
  uint64_t locked = locked_of( who );
  if( !locked ) {
    if( free_try_add( who, -(int64_t)amount, DM_AMOUNT_MAX ) ) return 0;
    return fault_insufficient_balance( free_get( who ), amount );
  }
  uint64_t have = spendable_of( free_get( who ), locked );
  if( have<amount ) return fault_insufficient_balance( have, amount );
  return free_add( who, -(int64_t)amount );
}

/* Only coins that were taken elsewhere come in, so no sum passes what was issued. */
static void credit( dm_address_t const * who, uint64_t amount ) { if( !free_try_add( who, (int64_t)amount, ISSUED ) ) dm_trap(); }

/* ---- Payments ---- */

static dm_fault_t on_transfer( transfer_in_t const * in ) {
  dm_address_t const * from = dm_actor();
  if( !in->amount ) return fault_bad_argument( "amount" );
  if( dm_hash_eq( from, &in->to ) ) {   /* checked, succeeds, changes nothing (M2.2, M2.7) */
    uint64_t have = spendable_of( free_get( from ), locked_of( from ) );
    return have<in->amount ? fault_insufficient_balance( have, in->amount ) : 0;
  }
  DM_TRY( debit( from, in->amount ) );
  credit( &in->to, in->amount );
  emit_transferred( from, &in->to, in->amount, &in->memo );
  return 0;
}

static dm_fault_t on_transfer_all( transfer_all_in_t const * in, uint64_t * out ) {
  dm_address_t const * from = dm_actor();
  uint64_t have = spendable_of( free_get( from ), locked_of( from ) ), deposit = 0;
  bool is_self = dm_hash_eq( from, &in->to );
  /* The fee's reserve is out of Free already; who makes an entry pays its deposit after the calls (R5.8). */
  if( !is_self && !free_get( &in->to ) && !dm_mul( dm_env()->deposit_price, FREE_ENTRY_SZ, &deposit ) ) return fault_overflow();
  if( have<=deposit ) return fault_insufficient_balance( have, deposit<DM_AMOUNT_MAX ? deposit+1 : DM_AMOUNT_MAX );
  *out = have-deposit;
  if( is_self ) return 0;
  DM_TRY( free_add( from, -(int64_t)*out ) );
  credit( &in->to, *out );
  emit_transferred_all( from, &in->to, *out );
  return 0;
}

static dm_fault_t on_transfer_many( transfer_many_in_t const * in ) {
  dm_address_t const * from = dm_actor();
  uint64_t need = 0, own = 0;
  payment_t pay;
  dm_list_t list = in->payments;
  if( !list.cnt ) return fault_bad_argument( "payments" );
  while( payment_next( &list, &pay ) ) {
    if( !pay.amount ) return fault_bad_argument( "amount" );
    if( !dm_add_amount( need, pay.amount, &need ) ) return fault_overflow();
    if( dm_hash_eq( from, &pay.to ) ) own += pay.amount;   /* part of need, so it cannot overflow */
  }
  if( own ) {   /* what goes to oneself must be there, too */
    uint64_t have = spendable_of( free_get( from ), locked_of( from ) );
    if( have<need ) return fault_insufficient_balance( have, need );
  }
  if( need>own ) DM_TRY( debit( from, need-own ) );
  list = in->payments;
  while( payment_next( &list, &pay ) ) {
    if( dm_hash_eq( from, &pay.to ) ) continue;
    credit( &pay.to, pay.amount );
    emit_transferred_many( from, &pay.to, pay.amount );
  }
  return 0;
}

static dm_fault_t on_burn( burn_in_t const * in ) {
  if( !in->amount ) return fault_bad_argument( "amount" );
  DM_TRY( debit( dm_actor(), in->amount ) );
  if( !burned_try_add( CAUSE_BURN, (int64_t)in->amount, ISSUED ) ) dm_trap();
  emit_burned( dm_actor(), in->amount );
  return 0;
}

/* ---- Vesting ---- */

/* floor of what the schedule released by now; steps give cumulative shares. */
static uint64_t vested( vesting_t const * v, uint64_t now ) {
  uint32_t i = 0;
  while( i<v->steps.n && v->steps.v[ i ].at_ms<=now ) i++;
  if( i==v->steps.n ) return v->total;   /* the last step is 10,000 */
  if( !i ) return 0;
  step_t const * a = &v->steps.v[ i-1 ], * b = &v->steps.v[ i ];
  if( !v->linear ) return (uint64_t)( (dm_u128_t)v->total*a->bps/BPS );
  /* total x ( a.bps dt + ( b.bps - a.bps )( now - a ) ) / ( 10,000 dt ): below 2^63 x 2^14 x 2^64 is too wide for times, so
     init keeps dt below 2^48. */
  uint64_t dt = b->at_ms-a->at_ms, part = (uint64_t)a->bps*dt+(uint64_t)( b->bps-a->bps )*( now-a->at_ms );
  return (uint64_t)( (dm_u128_t)v->total*part/( (dm_u128_t)BPS*dt ) );
}

static dm_fault_t on_claim_vested( uint64_t * out ) {
  dm_address_t const * who = dm_actor();
  vesting_t v;
  uint64_t sum = 0, next_ms = 0, now = dm_now();
  uint32_t n = 0;
  for( ; n<VESTING_MAX && vesting_get( who, n, &v ); n++ ) {
    uint64_t due = vested( &v, now )-v.claimed;
    for( uint32_t i = 0; i<v.steps.n; i++ )
      if( v.steps.v[ i ].at_ms>now && ( !next_ms || v.steps.v[ i ].at_ms<next_ms ) ) next_ms = v.steps.v[ i ].at_ms;
    if( !due ) continue;
    sum       += due;   /* below what was issued */
    v.claimed += due;
    vesting_put( who, n, &v );
  }
  if( !sum ) return n && next_ms ? fault_too_early( next_ms ) : fault_not_found();
  if( !free_try_add( dm_self(), -(int64_t)sum, DM_AMOUNT_MAX ) ) return fault_pool_short();
  credit( who, sum );
  emit_vested_claimed( who, sum );
  *out = sum;
  return 0;
}

/* ---- Calls of modules ---- */

/* Whose reason it is; 0: native code's (storage). */
static uint16_t const reason_owner[] = { 0, 6, 8, 3, 12, 6, 14, 1 };   /* storage activation bid name proposal sponsor dispute bundle */

/* A module touches only holds of its own reasons (M2.2). */
static dm_fault_t check_reason( uint8_t reason, uint64_t amount ) {
  if( reason>=sizeof reason_owner/sizeof *reason_owner ) return fault_bad_argument( "reason" );
  if( !dm_caller() || reason_owner[ reason ]!=dm_caller() ) return fault_not_authorized();
  return amount ? 0 : fault_bad_argument( "amount" );
}

static dm_fault_t on_hold( hold_in_t const * in ) {
  dm_address_t const * who = dm_actor();
  DM_TRY( check_reason( in->reason, in->amount ) );
  DM_TRY( debit( who, in->amount ) );
  if( !held_try_add( who, (int64_t)in->amount, ISSUED ) || !hold_try_add( who, in->reason, &in->id, (int64_t)in->amount, ISSUED ) ) dm_trap();
  emit_held( who, in->reason, &in->id, in->amount );
  return 0;
}

/* Out of a hold and of Held, which is the holds' sum (M2.6). */
static dm_fault_t unhold( dm_address_t const * who, uint8_t reason, dm_hash_t const * id, uint64_t amount ) {
  DM_TRY( check_reason( reason, amount ) );
  if( !hold_try_add( who, reason, id, -(int64_t)amount, DM_AMOUNT_MAX ) ) return fault_insufficient_balance( hold_get( who, reason, id ), amount );
  if( !held_try_add( who, -(int64_t)amount, DM_AMOUNT_MAX ) ) dm_trap();
  return 0;
}

static dm_fault_t on_release( release_in_t const * in ) {
  DM_TRY( unhold( &in->account, in->reason, &in->id, in->amount ) );
  credit( &in->account, in->amount );
  emit_released( &in->account, in->reason, &in->id, in->amount );
  return 0;
}

static dm_fault_t on_seize( seize_in_t const * in ) {
  DM_TRY( unhold( &in->account, in->reason, &in->id, in->amount ) );
  credit( &in->to, in->amount );
  emit_seized( &in->account, in->reason, &in->id, &in->to, in->amount );
  return 0;
}

/* The actor is the caller's pool (AS_SELF); were it a user, consent judges it as any payment (R4.10). */
static dm_fault_t on_pool_pay( pool_pay_in_t const * in ) {
  dm_address_t const * from = dm_actor();
  if( !dm_caller() ) return fault_not_authorized();
  if( !in->amount ) return fault_bad_argument( "amount" );
  if( dm_hash_eq( from, &in->to ) ) return fault_bad_argument( "to" );
  uint64_t have = spendable_of( free_get( from ), locked_of( from ) );
  if( have<in->amount ) return fault_pool_short();
  DM_TRY( free_add( from, -(int64_t)in->amount ) );
  credit( &in->to, in->amount );
  emit_pool_paid( from, &in->to, in->amount );
  return 0;
}

static dm_fault_t on_burn_from( burn_from_in_t const * in ) {
  if( !dm_caller() ) return fault_not_authorized();
  if( in->cause<=CAUSE_BURN || in->cause>=CAUSE_CNT ) return fault_bad_argument( "cause" );
  if( !in->amount ) return fault_bad_argument( "amount" );
  DM_TRY( debit( dm_actor(), in->amount ) );
  if( !burned_try_add( in->cause, (int64_t)in->amount, ISSUED ) ) dm_trap();
  emit_burned_from( dm_actor(), in->cause, in->amount );
  return 0;
}

/* ---- Queries ---- */

static dm_fault_t on_get( get_in_t const * in, balance_t * out ) {
  out->free      = free_get( &in->account );
  out->held      = held_get( &in->account );
  out->locked    = locked_of( &in->account );
  out->spendable = spendable_of( out->free, out->locked );
  return 0;
}

static uint64_t burned_sum( void ) {
  uint64_t sum = 0;
  for( uint8_t c = 0; c<CAUSE_CNT; c++ ) sum += burned_get( c );   /* together below what was issued */
  return sum;
}

static dm_fault_t on_supply( supply_t * out ) {
  bucket_t b;
  uint64_t kept = free_get( dm_self() );   /* what has not vested */
  for( uint8_t i = 0; i<BUCKETS; i++ ) if( bucket_get( i, &b ) ) kept += free_get( &b.pool );
  out->issued      = ISSUED;
  out->burned      = burned_sum();
  out->circulating = ISSUED-out->burned>kept ? ISSUED-out->burned-kept : 0;
  return 0;
}

static dm_fault_t on_vesting( vesting_in_t const * in, vesting_opt_t * out ) {
  out->has = vesting_get( &in->account, in->n, &out->v );
  return 0;
}

/* Released in all by now (M2.8): each entry's total from its moment on, never early. */
static uint64_t released( bucket_t const * b, uint64_t now ) {
  uint64_t total = 0;
  for( uint32_t i = 0; i<b->schedule.n && b->schedule.v[ i ].at_ms<=now; i++ ) total = b->schedule.v[ i ].total;
  return total;
}

static dm_fault_t on_bucket( bucket_in_t const * in, bucket_view_opt_t * out ) {
  bucket_t b;
  out->has = bucket_get( in->id, &b );
  if( !out->has ) return 0;
  out->v.pool     = b.pool;
  out->v.have     = free_get( &b.pool );
  out->v.paid     = b.paid;
  out->v.released = released( &b, dm_now() );
  return 0;
}

/* ---- Genesis ---- */

#define SPAN_MS_MAX ( 1ull<<48 )   /* between two steps: keeps vested() inside 128 bits */

static dm_fault_t init_buckets( bucket_init_list_6_t const * list ) {
  uint64_t sum = 0;
  if( list->n!=BUCKETS ) return fault_bad_argument( "buckets" );
  for( uint8_t i = 0; i<BUCKETS; i++ ) {
    bucket_init_t const * c = &list->v[ i ];
    if( c->id!=i ) return fault_bad_argument( "id" );
    if( !dm_add_amount( sum, c->total, &sum ) ) return fault_overflow();
    for( uint32_t k = 0; k<c->schedule.n; k++ ) {
      release_t const * r = &c->schedule.v[ k ];
      if( r->total>c->total || ( k && ( r[ -1 ].at_ms>=r->at_ms || r[ -1 ].total>r->total ) ) ) return fault_bad_argument( "schedule" );
    }
  }
  /* M16.1, M16.2: 13 B CGT to the spark, nothing on top. */
  if( sum!=ISSUED ) return fault_insufficient_balance( sum, ISSUED );
  for( uint8_t i = 0; i<BUCKETS; i++ ) {
    bucket_t b = { .pool = dm_sub_account( 1u+i ), .schedule = list->v[ i ].schedule };
    bucket_put( i, &b );
    if( list->v[ i ].total ) credit( &b.pool, list->v[ i ].total );
  }
  return 0;
}

/* Out of a bucket's pool, by id. */
static dm_fault_t draw( uint8_t id, uint64_t amount ) {
  bucket_t b;
  if( !amount ) return fault_bad_argument( "amount" );
  if( !bucket_get( id, &b ) ) return fault_bad_argument( "bucket" );
  if( free_try_add( &b.pool, -(int64_t)amount, DM_AMOUNT_MAX ) ) return 0;
  return fault_insufficient_balance( free_get( &b.pool ), amount );
}

static dm_fault_t init_vesting( vesting_init_t const * c ) {
  vesting_t v = { .total = c->total, .claimed = 0, .linear = c->linear };
  uint32_t n = 0;
  if( !c->steps.n || c->steps.v[ c->steps.n-1 ].bps!=BPS ) return fault_bad_argument( "steps" );
  for( uint32_t k = 0; k<c->steps.n; k++ ) {
    step_t const * s = &c->steps.v[ k ];
    if( k && ( s[ -1 ].at_ms>=s->at_ms || s->at_ms-s[ -1 ].at_ms>SPAN_MS_MAX || s[ -1 ].bps>=s->bps ) ) return fault_bad_argument( "steps" );
  }
  v.steps = c->steps;
  DM_TRY( draw( c->bucket, c->total ) );
  credit( dm_self(), c->total );
  while( n<VESTING_MAX && vesting_has( &c->to, n ) ) n++;
  if( n==VESTING_MAX ) return fault_limit_reached( VESTING_MAX );
  vesting_put( &c->to, n, &v );
  return 0;
}

static dm_fault_t on_init( init_in_t const * in ) {
  allocation_t a;
  vesting_init_t v;
  dm_list_t list;
  if( bucket_has( 0 ) ) { if( in->config.buckets.n ) return fault_bad_argument( "buckets" ); }
  else DM_TRY( init_buckets( &in->config.buckets ) );
  for( list = in->config.allocations; allocation_next( &list, &a ); ) {
    DM_TRY( draw( a.bucket, a.amount ) );
    credit( &a.to, a.amount );
  }
  for( list = in->config.vesting; vesting_init_next( &list, &v ); ) DM_TRY( init_vesting( &v ) );
  return 0;
}

/* What can be seen without walking over all accounts. */
static dm_fault_t on_check( void ) {
  bucket_t b;
  uint64_t burned = burned_sum(), kept = free_get( dm_self() );
  for( uint8_t i = 0; i<BUCKETS; i++ ) {
    if( !bucket_get( i, &b ) ) return fault_broken( "a bucket is missing" );
    dm_address_t pool = dm_sub_account( 1u+i );
    if( !dm_hash_eq( &pool, &b.pool ) ) return fault_broken( "a bucket's pool is not its own" );
    if( b.paid>released( &b, dm_now() ) ) return fault_broken( "a bucket paid more than released" );
    if( !dm_add_amount( kept, free_get( &b.pool ), &kept ) ) return fault_broken( "pools above the supply" );
  }
  if( burned>ISSUED || kept>ISSUED-burned ) return fault_broken( "pools above the supply" );
  return 0;
}

DM_MODULE( balances, .transfer = on_transfer, .transfer_all = on_transfer_all, .transfer_many = on_transfer_many, .burn = on_burn, .claim_vested = on_claim_vested,
           .hold = on_hold, .release = on_release, .seize = on_seize, .pool_pay = on_pool_pay, .burn_from = on_burn_from,
           .get = on_get, .supply = on_supply, .vesting = on_vesting, .bucket = on_bucket, .init = on_init, .check = on_check )
