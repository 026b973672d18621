#include "storage/tree_int.h"
#include "base/assert.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
  FLAT_MAX    = 31,            /* keys of a sorted array */
  FLAT_AGAIN  = 16,            /* a fan below this many keys is flat again */
  FAN_BITS    = 6,
  LOAD_MAX    = 5,             /* keys a bucket, mean, before a level is added */
  SPLIT_STEP  = 4096,
  CHUNK_ELEMS = 1024,
  BATCH       = 128            /* nodes hashed in one call */
};
#define IDX_BITS  27u
#define IDX_MAX   ( ( 1u<<IDX_BITS )-1u )
#define SPLIT     UINT32_MAX   /* name of a bucket whose halves stand one level below */

typedef struct { dmg_hash_t path, leaf; } entry_t;

/* A bucket's name: 5 bits n, 27 bits index.  n 1..31: array of n; n 0: index 0 empty, else a fan. */
typedef uint32_t name_t;

typedef struct {
  dmg_hash_t hash[ 2u<<FAN_BITS ];   /* heap, root at 1; the last 64 are the sub-buckets' */
  uint8_t    kind[ 2u<<FAN_BITS ];
  name_t     name[ 1u<<FAN_BITS ];
  uint32_t   cnt;                    /* keys below */
  uint8_t    bits;                   /* FAN_BITS, fewer at the very bottom */
  bool       is_new;                 /* not hashed at all yet */
} fan_t;

typedef struct { entry_t ** chunk; uint32_t chunk_cnt, used, free_head; } slab_t;   /* free_head: index+1 */

typedef struct { dmg_hash_t const * left; dmg_hash_t const * right; dmg_hash_t * out; uint32_t depth; } task_t;

typedef struct chunk { struct chunk * next; uint32_t used; dmg_hash_t hash[ 2000 ]; } chunk_t;

struct dmg_tree {
  uint64_t     sz, sz_max, key_cnt;
  unsigned     d, d_max;
  bool         is_fixed, is_growing, is_broken;
  uint32_t     split_next;           /* level-d buckets below are split already, while growing */
  dmg_hash_t * hash;                 /* heap-indexed, address space for 2^(d_max+1) */
  uint8_t *    kind;
  name_t *     name;
  size_t       map_sz[ 3 ];
  slab_t       slab[ FLAT_MAX+1 ];
  fan_t **     fan;
  uint32_t     fan_cnt, fan_cap;
  uint32_t *   fan_free;
  uint32_t     fan_free_cnt;
  /* scratch of an update */
  task_t *     task;
  size_t       task_cnt, task_cap;
  uint32_t *   task_order;
  size_t       order_cap;
  chunk_t *    temp;                 /* hashes between tasks */
  entry_t *    merge;
  size_t       merge_cap;
  uint32_t *   dirty;
  size_t       dirty_cap;
};

static dmg_hash_t const zero;

/* ---- Memory ---- */

static dmg_err_t broken( dmg_tree_t * t ) { t->is_broken = true; return DMG_ERR_FULL; }

static bool charge( dmg_tree_t * t, uint64_t sz ) {
  if( sz>t->sz_max || t->sz>t->sz_max-sz ) return false;
  t->sz += sz;
  return true;
}

static dmg_err_t scratch( dmg_tree_t * t, void ** p, size_t * cap, size_t cnt, size_t elem_sz ) {
  if( cnt<=*cap ) return DMG_OK;
  size_t want = *cap ? *cap : 256;
  while( want<cnt ) want *= 2;
  void * q = realloc( *p, want*elem_sz );
  if( !q ) return broken( t );
  *p   = q;
  *cap = want;
  return DMG_OK;
}

static entry_t * flat_at( dmg_tree_t const * t, name_t name ) {
  uint32_t n = name>>IDX_BITS, idx = name&IDX_MAX;
  return t->slab[ n ].chunk[ idx/CHUNK_ELEMS ]+(size_t)n*( idx%CHUNK_ELEMS );
}

static dmg_err_t flat_new( dmg_tree_t * t, uint32_t n, name_t * out_name ) {
  DMG_ASSERT( n && n<=FLAT_MAX );
  slab_t * s = t->slab+n;
  uint32_t idx;
  if( s->free_head ) {
    idx = s->free_head-1;
    memcpy( &s->free_head, flat_at( t, n<<IDX_BITS|idx ), 4 );
  } else {
    idx = s->used;
    if( idx==IDX_MAX ) return broken( t );
    if( idx==s->chunk_cnt*CHUNK_ELEMS ) {
      size_t sz = (size_t)CHUNK_ELEMS*n*sizeof( entry_t );
      if( !charge( t, sz ) ) return broken( t );
      if( !( s->chunk_cnt&( s->chunk_cnt-1 ) ) ) {      /* 0, 1, 2, 4 ..: room for twice as many */
        void * q = realloc( s->chunk, ( s->chunk_cnt ? 2*(size_t)s->chunk_cnt : 1 )*sizeof *s->chunk );
        if( !q ) return broken( t );
        s->chunk = q;
      }
      entry_t * c = mmap( NULL, sz, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0 );
      if( c==MAP_FAILED ) return broken( t );
      if( t->d>=16 ) (void)madvise( c, sz, MADV_HUGEPAGE );
      s->chunk[ s->chunk_cnt++ ] = c;
    }
    s->used++;
  }
  *out_name = n<<IDX_BITS|idx;
  return DMG_OK;
}

static void flat_free( dmg_tree_t * t, name_t name ) {
  slab_t * s = t->slab+( name>>IDX_BITS );
  memcpy( flat_at( t, name ), &s->free_head, 4 );
  s->free_head = ( name&IDX_MAX )+1;
}

static bool is_fan( name_t name ) { return name && !( name>>IDX_BITS ); }
static fan_t * fan_at( dmg_tree_t const * t, name_t name ) { return t->fan[ name ]; }

static dmg_err_t fan_new( dmg_tree_t * t, name_t * out_name ) {
  if( !t->fan_free_cnt ) {
    if( t->fan_cnt==t->fan_cap ) {
      uint32_t cap = t->fan_cap ? 2*t->fan_cap : 16;
      if( cap>IDX_MAX ) return broken( t );
      void * q = realloc( t->fan, cap*sizeof *t->fan );
      if( !q ) return broken( t );
      t->fan = q;
      q = realloc( t->fan_free, cap*sizeof *t->fan_free );
      if( !q ) return broken( t );
      t->fan_free = q;
      t->fan_cap  = cap;
    }
    if( !t->fan_cnt ) t->fan[ t->fan_cnt++ ] = NULL;   /* index 0 means empty */
    if( !charge( t, sizeof( fan_t ) ) ) return broken( t );
    fan_t * f = malloc( sizeof *f );
    if( !f ) return broken( t );
    t->fan[ t->fan_cnt ] = f;
    t->fan_free[ t->fan_free_cnt++ ] = t->fan_cnt++;
  }
  *out_name = t->fan_free[ --t->fan_free_cnt ];
  memset( fan_at( t, *out_name ), 0, sizeof( fan_t ) );
  return DMG_OK;
}

/* ---- Buckets: what is in them ---- */

/* Bits off .. off+n-1 of a path as a number, n <= 32. */
static uint32_t bits( dmg_hash_t const * path, unsigned off, unsigned n ) {
  if( !n ) return 0;
  uint64_t v = 0;
  unsigned at = off/8;
  for( unsigned i=0; i<5; i++ ) v = v<<8|( at+i<32 ? path->b[ at+i ] : 0u );
  return (uint32_t)( ( v>>( 40u-off%8u-n ) )&( ( (uint64_t)1<<n )-1u ) );
}

static uint32_t bucket_cnt( dmg_tree_t const * t, name_t name ) { return is_fan( name ) ? fan_at( t, name )->cnt : name>>IDX_BITS; }

/* All entries in path order to out. */
static entry_t * bucket_copy( dmg_tree_t const * t, name_t name, entry_t * out ) {
  if( !is_fan( name ) ) {
    uint32_t n = name>>IDX_BITS;
    if( n ) memcpy( out, flat_at( t, name ), n*sizeof *out );
    return out+n;
  }
  fan_t const * f = fan_at( t, name );
  for( unsigned i=0; i<1u<<f->bits; i++ ) out = bucket_copy( t, f->name[ i ], out );
  return out;
}

static void bucket_free( dmg_tree_t * t, name_t name ) {
  if( !is_fan( name ) ) {
    if( name ) flat_free( t, name );
    return;
  }
  fan_t * f = fan_at( t, name );
  for( unsigned i=0; i<1u<<f->bits; i++ ) bucket_free( t, f->name[ i ] );
  t->fan_free[ t->fan_free_cnt++ ] = name;
}

/* A new bucket at depth from sorted entries. */
static dmg_err_t bucket_build( dmg_tree_t * t, entry_t const * e, size_t cnt, unsigned depth, name_t * out_name ) {
  if( !cnt ) { *out_name = 0; return DMG_OK; }
  if( cnt<=FLAT_MAX ) {
    DMG_TRY( flat_new( t, (uint32_t)cnt, out_name ) );
    memcpy( flat_at( t, *out_name ), e, cnt*sizeof *e );
    return DMG_OK;
  }
  DMG_ASSERT( depth<256 );
  name_t name = 0;
  DMG_TRY( fan_new( t, &name ) );
  fan_t * f = fan_at( t, name );
  f->bits   = (uint8_t)( 256-depth<FAN_BITS ? 256-depth : FAN_BITS );
  f->cnt    = (uint32_t)cnt;
  f->is_new = true;
  for( size_t i=0; i<cnt; ) {
    uint32_t c = bits( &e[ i ].path, depth, f->bits );
    size_t j = i+1;
    while( j<cnt && bits( &e[ j ].path, depth, f->bits )==c ) j++;
    DMG_TRY( bucket_build( t, e+i, j-i, depth+f->bits, f->name+c ) );
    i = j;
  }
  *out_name = name;
  return DMG_OK;
}

typedef struct { dmg_tree_op_t * op; dmg_tree_op_t const * inverse; } ops_t;   /* one of the two: forward notes the old leaf */

static dmg_tree_op_t const * op_at( ops_t const * o, size_t i ) { return o->op ? o->op+i : o->inverse+i; }
static bool op_is_delete( ops_t const * o, size_t i ) { return o->op ? o->op[ i ].is_delete : !o->inverse[ i ].was_there; }
static dmg_hash_t const * op_leaf( ops_t const * o, size_t i ) { return o->op ? &o->op[ i ].leaf : &o->inverse[ i ].old_leaf; }
static void op_note( ops_t * o, size_t i, dmg_hash_t const * old ) {
  if( !o->op ) return;
  o->op[ i ].was_there = old!=NULL;
  if( old ) o->op[ i ].old_leaf = *old;
}

/* Ops lo..hi-1 into the bucket at depth: structure only, no hash. */
static dmg_err_t bucket_merge( dmg_tree_t * t, name_t * name, unsigned depth, ops_t * o, size_t lo, size_t hi ) {
  if( is_fan( *name ) ) {
    fan_t * f = fan_at( t, *name );
    for( size_t i=lo; i<hi; ) {
      uint32_t c = bits( &op_at( o, i )->path, depth, f->bits );
      size_t j = i+1;
      while( j<hi && bits( &op_at( o, j )->path, depth, f->bits )==c ) j++;
      f->cnt -= bucket_cnt( t, f->name[ c ] );
      DMG_TRY( bucket_merge( t, f->name+c, depth+f->bits, o, i, j ) );
      f->cnt += bucket_cnt( t, f->name[ c ] );
      i = j;
    }
    if( f->cnt>=FLAT_AGAIN ) return DMG_OK;
    entry_t few[ FLAT_AGAIN ];
    uint32_t cnt = f->cnt;
    DMG_ASSERT( bucket_copy( t, *name, few )==few+cnt );
    bucket_free( t, *name );
    return bucket_build( t, few, cnt, depth, name );
  }

  uint32_t n = *name>>IDX_BITS;
  entry_t small[ 2*FLAT_MAX ];
  entry_t * out = small;
  if( n+( hi-lo )>(size_t)2*FLAT_MAX ) {
    DMG_TRY( scratch( t, (void **)&t->merge, &t->merge_cap, n+( hi-lo ), sizeof *t->merge ) );
    out = t->merge;
  }
  entry_t const * old = n ? flat_at( t, *name ) : NULL;
  size_t cnt = 0, a = 0;
  for( size_t i=lo; i<hi; i++ ) {
    dmg_hash_t const * path = &op_at( o, i )->path;
    int c = 1;
    while( a<n && ( c = dmg_hash_cmp( &old[ a ].path, path ) )<0 ) out[ cnt++ ] = old[ a++ ];
    bool is_there = a<n && !c;
    op_note( o, i, is_there ? &old[ a ].leaf : NULL );
    if( !op_is_delete( o, i ) ) out[ cnt++ ] = (entry_t){ *path, *op_leaf( o, i ) };
    a += is_there;
  }
  while( a<n ) out[ cnt++ ] = old[ a++ ];

  if( cnt==n && n ) { memcpy( flat_at( t, *name ), out, n*sizeof *out ); return DMG_OK; }
  if( n ) flat_free( t, *name );
  *name = 0;
  return bucket_build( t, out, cnt, depth, name );
}

/* ---- Hashing ---- */

static dmg_err_t task_add( dmg_tree_t * t, unsigned depth, dmg_hash_t const * left, dmg_hash_t const * right, dmg_hash_t * out ) {
  DMG_TRY( scratch( t, (void **)&t->task, &t->task_cap, t->task_cnt+1, sizeof *t->task ) );
  t->task[ t->task_cnt++ ] = (task_t){ left, right, out, depth };
  return DMG_OK;
}

static dmg_hash_t * temp_new( dmg_tree_t * t ) {
  if( !t->temp || t->temp->used==sizeof t->temp->hash/sizeof *t->temp->hash ) {
    chunk_t * c = malloc( sizeof *c );
    if( !c ) { t->is_broken = true; return NULL; }
    c->next = t->temp;
    c->used = 0;
    t->temp = c;
  }
  return t->temp->hash+t->temp->used++;
}

/* Queues the nodes over entries e[ 0 .. n ), n >= 2, all under one prefix of depth bits. */
static dmg_err_t flat_tasks( dmg_tree_t * t, entry_t const * e, size_t n, unsigned depth, dmg_hash_t * out ) {
  size_t k = 0;
  while( k<n && !dmg_state_bit( &e[ k ].path, depth ) ) k++;
  dmg_hash_t const * half[ 2 ];
  for( int side=0; side<2; side++ ) {
    entry_t const * h = side ? e+k : e;
    size_t m = side ? n-k : k;
    if( !m )        half[ side ] = &zero;
    else if( m==1 ) half[ side ] = &h->leaf;
    else {
      dmg_hash_t * temp = temp_new( t );
      if( !temp ) return DMG_ERR_FULL;
      DMG_TRY( flat_tasks( t, h, m, depth+1, temp ) );
      half[ side ] = temp;
    }
  }
  return task_add( t, depth, half[0], half[1], out );
}

/* S1.3: what two halves make.  The hash of an empty or lone node is known at once; a branch is the caller's. */
static dmg_tree_kind_t combine( uint8_t const * kind, dmg_hash_t const * pair, dmg_hash_t * out ) {
  unsigned keys = kind[0]+kind[1];                     /* 0, 1, or at least 2 */
  if( keys>1 ) return DMG_TREE_BRANCH;
  *out = !keys ? zero : kind[0] ? pair[0] : pair[1];
  return keys ? DMG_TREE_LEAF : DMG_TREE_EMPTY;
}
_Static_assert( DMG_TREE_EMPTY==0 && DMG_TREE_LEAF==1 && DMG_TREE_BRANCH==2, "combine adds kinds" );

/* Queues what the bucket needs after ops lo..hi-1 (all of it if o is NULL or a fan is new); sets
   kind at once, hash at the latest when the tasks have run. */
static dmg_err_t bucket_tasks( dmg_tree_t * t, name_t name, unsigned depth, ops_t const * o, size_t lo, size_t hi, uint8_t * out_kind, dmg_hash_t * out ) {
  if( !is_fan( name ) ) {
    uint32_t n = name>>IDX_BITS;
    *out_kind = !n ? DMG_TREE_EMPTY : n==1 ? DMG_TREE_LEAF : DMG_TREE_BRANCH;
    if( n>1 ) return flat_tasks( t, flat_at( t, name ), n, depth, out );
    *out = n ? flat_at( t, name )->leaf : zero;
    return DMG_OK;
  }
  fan_t * f = fan_at( t, name );
  unsigned half = 1u<<f->bits;
  uint64_t dirty[ 2 ] = { 0 };                         /* of 128 heap nodes */
  if( !o || f->is_new ) {
    for( unsigned c=0; c<half; c++ ) {
      DMG_TRY( bucket_tasks( t, f->name[ c ], depth+f->bits, NULL, 0, 0, f->kind+half+c, f->hash+half+c ) );
      dirty[ ( half+c )/64 ] |= (uint64_t)1<<( ( half+c )%64 );
    }
    f->is_new = false;
  } else {
    for( size_t i=lo; i<hi; ) {
      uint32_t c = bits( &op_at( o, i )->path, depth, f->bits );
      size_t j = i+1;
      while( j<hi && bits( &op_at( o, j )->path, depth, f->bits )==c ) j++;
      DMG_TRY( bucket_tasks( t, f->name[ c ], depth+f->bits, o, i, j, f->kind+half+c, f->hash+half+c ) );
      dirty[ ( half+c )/64 ] |= (uint64_t)1<<( ( half+c )%64 );
      i = j;
    }
  }
  unsigned level = f->bits;
  for( unsigned i=2*half-1; i>1; i-- ) {
    if( i<1u<<level ) level--;
    if( !( dirty[ i/64 ]>>( i%64 )&1u ) ) continue;
    size_t p = i/2;
    if( dirty[ p/64 ]>>( p%64 )&1u ) continue;         /* its other child came first */
    dirty[ p/64 ] |= (uint64_t)1<<( p%64 );
    f->kind[ p ] = (uint8_t)combine( f->kind+2*p, f->hash+2*p, f->hash+p );
    if( f->kind[ p ]==DMG_TREE_BRANCH ) DMG_TRY( task_add( t, depth+level-1, f->hash+2*p, f->hash+2*p+1, f->hash+p ) );
  }
  /* A fan holds two keys at least, so its root is a branch: one more copy task, not hashed. */
  DMG_ASSERT( f->kind[1]==DMG_TREE_BRANCH );
  *out_kind = DMG_TREE_BRANCH;
  t->task[ t->task_cnt-1 ].out = out;
  return DMG_OK;
}

/* Runs all queued tasks, deepest first, many lanes a call. */
static dmg_err_t tasks_run( dmg_tree_t * t ) {
  uint32_t cnt[ 258 ] = { 0 };
  if( t->task_cnt>UINT32_MAX ) return broken( t );
  DMG_TRY( scratch( t, (void **)&t->task_order, &t->order_cap, t->task_cnt, sizeof *t->task_order ) );
  for( size_t i=0; i<t->task_cnt; i++ ) cnt[ 256-t->task[ i ].depth ]++;
  for( unsigned d=0, sum=0; d<258; d++ ) { uint32_t c = cnt[ d ]; cnt[ d ] = sum; sum += c; }
  for( size_t i=0; i<t->task_cnt; i++ ) t->task_order[ cnt[ 256-t->task[ i ].depth ]++ ] = (uint32_t)i;

  static _Thread_local dmg_hash_t pair[ 2*BATCH ], out[ BATCH ];
  for( size_t i=0; i<t->task_cnt; ) {
    size_t n = 0;
    uint32_t depth = t->task[ t->task_order[ i ] ].depth;
    while( n<BATCH && i+n<t->task_cnt && t->task[ t->task_order[ i+n ] ].depth==depth ) {
      task_t const * k = t->task+t->task_order[ i+n ];
      pair[ 2*n ]   = *k->left;
      pair[ 2*n+1 ] = *k->right;
      n++;
    }
    dmg_h_nodes( DMG_TAG_STATE_NODE, pair->b, n, out );
    for( size_t j=0; j<n; j++ ) *t->task[ t->task_order[ i+j ] ].out = out[ j ];
    i += n;
  }
  t->task_cnt = 0;
  while( t->temp && t->temp->next ) { chunk_t * c = t->temp; t->temp = c->next; free( c ); }
  if( t->temp ) t->temp->used = 0;
  return DMG_OK;
}

/* ---- Growth ---- */

static uint64_t heap_sz( unsigned d ) { return ( (uint64_t)2<<d )*( sizeof( dmg_hash_t )+sizeof( name_t )+1 ); }

/* Moves the keys of heap node i, a bucket of level d, to its two halves; hashes them later. */
static dmg_err_t bucket_split( dmg_tree_t * t, uint32_t i ) {
  name_t name = t->name[ i ];
  uint32_t n = bucket_cnt( t, name );
  entry_t few[ FLAT_MAX ];
  entry_t * e = few;
  if( n>FLAT_MAX ) {
    DMG_TRY( scratch( t, (void **)&t->merge, &t->merge_cap, n, sizeof *t->merge ) );
    e = t->merge;
  }
  DMG_ASSERT( bucket_copy( t, name, e )==e+n );
  uint32_t k = 0;
  while( k<n && !dmg_state_bit( &e[ k ].path, t->d ) ) k++;
  bucket_free( t, name );
  DMG_TRY( bucket_build( t, e, k, t->d+1, t->name+2*(size_t)i ) );
  DMG_TRY( bucket_build( t, e+k, n-k, t->d+1, t->name+2*(size_t)i+1 ) );
  t->name[ i ] = SPLIT;
  return DMG_OK;
}

static dmg_err_t halves_tasks( dmg_tree_t * t, uint32_t i ) {
  for( size_t c=2*(size_t)i; c<=2*(size_t)i+1; c++ ) DMG_TRY( bucket_tasks( t, t->name[ c ], t->d+1, NULL, 0, 0, t->kind+c, t->hash+c ) );
  return DMG_OK;
}

static dmg_err_t grow_begin( dmg_tree_t * t ) {
  if( !charge( t, heap_sz( t->d+1 )-heap_sz( t->d ) ) ) return broken( t );
  t->is_growing = true;
  t->split_next = 0;
  return DMG_OK;
}

/* Splits up to cnt more buckets of the old level; the hashes above do not change by a split. */
static dmg_err_t grow_step( dmg_tree_t * t, uint32_t cnt ) {
  uint32_t buckets = 1u<<t->d, end = buckets-t->split_next<cnt ? buckets : t->split_next+cnt;
  for( ; t->split_next<end; t->split_next++ ) {
    uint32_t i = buckets+t->split_next;
    if( t->name[ i ]==SPLIT ) continue;
    DMG_TRY( bucket_split( t, i ) );
    DMG_TRY( halves_tasks( t, i ) );
    if( t->task_cnt>65536 ) DMG_TRY( tasks_run( t ) );
  }
  DMG_TRY( tasks_run( t ) );
  if( end==buckets ) { t->d++; t->is_growing = false; }
  return DMG_OK;
}

/* A bulk load: levels for what is about to come, at once, so that it need not go through crowded buckets. */
static dmg_err_t grow_for( dmg_tree_t * t, uint64_t key_cnt ) {
  while( !t->is_fixed && t->d<t->d_max && key_cnt>(uint64_t)LOAD_MAX<<( t->d+1 ) ) {
    if( !t->is_growing ) DMG_TRY( grow_begin( t ) );
    DMG_TRY( grow_step( t, UINT32_MAX ) );
  }
  return DMG_OK;
}

/* ---- Update ---- */

static dmg_err_t note_old( dmg_tree_t * t, dmg_tree_undo_t * undo, unsigned level, size_t idx ) {
  if( !undo || level%4 || level>undo->d ) return DMG_OK;
  if( undo->node_cnt==undo->node_cap ) {
    uint32_t cap = undo->node_cap ? 2*undo->node_cap : 64;
    void * q = realloc( undo->node, cap*sizeof *undo->node );
    if( !q ) return broken( t );
    undo->node     = q;
    undo->node_cap = cap;
  }
  if( !undo->run_cnt[ level/4 ] ) undo->run_lo[ level/4 ] = undo->node_cnt;
  undo->run_cnt[ level/4 ]++;
  undo->node[ undo->node_cnt++ ] = (dmg_tree_old_t){ .hash = t->hash[ idx ], .idx = (uint32_t)idx, .kind = t->kind[ idx ] };
  return DMG_OK;
}

/* The dirty heap nodes of one level are given in ascending order; up to the root. */
static dmg_err_t climb( dmg_tree_t * t, size_t cnt, unsigned level, dmg_tree_undo_t * undo ) {
  static _Thread_local dmg_hash_t pair[ 2*BATCH ], out[ BATCH ];
  uint32_t at[ BATCH ];
  for( ; level; level-- ) {
    size_t up = 0, n = 0;
    for( size_t i=0; i<cnt; i++ ) {
      uint32_t p = t->dirty[ i ]/2;
      if( up && t->dirty[ up-1 ]==p ) continue;
      t->dirty[ up++ ] = p;
      DMG_TRY( note_old( t, undo, level-1, p ) );
      t->kind[ p ] = (uint8_t)combine( t->kind+2*(size_t)p, t->hash+2*(size_t)p, t->hash+p );
      if( t->kind[ p ]!=DMG_TREE_BRANCH ) continue;
      memcpy( pair+2*n, t->hash+2*(size_t)p, 64 );
      at[ n++ ] = p;
      if( n<BATCH ) continue;
      dmg_h_nodes( DMG_TAG_STATE_NODE, pair->b, n, out );
      for( size_t j=0; j<n; j++ ) t->hash[ at[ j ] ] = out[ j ];
      n = 0;
    }
    dmg_h_nodes( DMG_TAG_STATE_NODE, pair->b, n, out );
    for( size_t j=0; j<n; j++ ) t->hash[ at[ j ] ] = out[ j ];
    cnt = up;
  }
  return DMG_OK;
}

static dmg_err_t update( dmg_tree_t * t, ops_t * o, size_t cnt, dmg_tree_undo_t * undo ) {
  if( t->is_broken ) return DMG_ERR_FULL;
  if( undo ) undo->d = t->d;
  if( !cnt ) return DMG_OK;
  if( !o->inverse ) DMG_TRY( grow_for( t, t->key_cnt+cnt ) );
  if( undo ) undo->d = t->d;
  size_t dirty_cnt = 0;
  unsigned level = t->d;
  for( size_t i=0; i<cnt; ) {
    size_t j = i+1;
    uint32_t b = ( 1u<<level )+bits( &op_at( o, i )->path, 0, level );
    while( j<cnt && ( 1u<<level )+bits( &op_at( o, j )->path, 0, level )==b ) {
      DMG_DASSERT( dmg_hash_cmp( &op_at( o, j-1 )->path, &op_at( o, j )->path )<0 );
      j++;
    }
    DMG_ASSERT( i==0 || dmg_hash_cmp( &op_at( o, i-1 )->path, &op_at( o, i )->path )<0 );
    DMG_TRY( scratch( t, (void **)&t->dirty, &t->dirty_cap, dirty_cnt+2, sizeof *t->dirty ) );
    if( !t->is_growing ) {
      t->key_cnt -= bucket_cnt( t, t->name[ b ] );
      DMG_TRY( bucket_merge( t, t->name+b, level, o, i, j ) );
      t->key_cnt += bucket_cnt( t, t->name[ b ] );
      DMG_TRY( note_old( t, undo, level, b ) );
      DMG_TRY( bucket_tasks( t, t->name[ b ], level, o, i, j, t->kind+b, t->hash+b ) );
      t->dirty[ dirty_cnt++ ] = b;
    } else {
      bool is_split = t->name[ b ]==SPLIT;
      if( !is_split ) DMG_TRY( bucket_split( t, b ) );
      size_t m = i;
      while( m<j && !dmg_state_bit( &op_at( o, m )->path, level ) ) m++;
      for( unsigned side=0; side<2; side++ ) {
        size_t lo = side ? m : i, hi = side ? j : m, c = 2*(size_t)b+side;
        if( lo==hi && is_split ) continue;
        t->key_cnt -= bucket_cnt( t, t->name[ c ] );
        if( lo<hi ) DMG_TRY( bucket_merge( t, t->name+c, level+1, o, lo, hi ) );
        t->key_cnt += bucket_cnt( t, t->name[ c ] );
        DMG_TRY( bucket_tasks( t, t->name[ c ], level+1, is_split ? o : NULL, lo, hi, t->kind+c, t->hash+c ) );
        t->dirty[ dirty_cnt++ ] = (uint32_t)c;
      }
    }
    i = j;
    if( t->task_cnt>65536 ) DMG_TRY( tasks_run( t ) );   /* buckets do not depend on each other */
  }
  DMG_TRY( tasks_run( t ) );
  DMG_TRY( climb( t, dirty_cnt, t->is_growing ? level+1 : level, undo ) );
  if( !t->is_growing && !t->is_fixed && t->d<t->d_max && t->key_cnt>(uint64_t)LOAD_MAX<<t->d ) DMG_TRY( grow_begin( t ) );
  return t->is_growing ? grow_step( t, SPLIT_STEP ) : DMG_OK;
}

dmg_err_t dmg_tree_update( dmg_tree_t * tree, dmg_tree_op_t * ops, size_t cnt, dmg_tree_undo_t * undo ) {
  ops_t o = { .op = ops };
  return update( tree, &o, cnt, undo );
}

dmg_err_t dmg_tree_revert( dmg_tree_t * tree, dmg_tree_op_t const * ops, size_t cnt ) {
  ops_t o = { .inverse = ops };
  return update( tree, &o, cnt, NULL );
}

/* ---- Life ---- */

static void * reserve( size_t sz ) {
  void * p = mmap( NULL, sz, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0 );
  return p==MAP_FAILED ? NULL : p;
}

dmg_err_t dmg_tree_new( dmg_tree_cfg_t const * cfg, dmg_tree_t ** out_tree ) {
  dmg_tree_t * t = calloc( 1, sizeof *t );
  if( !t ) return DMG_ERR_NOMEM;
  t->sz_max = cfg->sz_max;
  unsigned d = 4;
  if( cfg->depth_fixed>=0 ) { d = (unsigned)cfg->depth_fixed; t->is_fixed = true; }
  else while( d<DMG_TREE_LEVELS_MAX-4 && cfg->key_hint>(uint64_t)LOAD_MAX<<d ) d++;
  DMG_ASSERT( d<=DMG_TREE_LEVELS_MAX-4 );
  t->d = d;
  /* Address space only; pages come when touched.  Half of the budget is for the heap at most. */
  t->d_max = t->is_fixed ? d : 26;
  while( t->d_max>d && heap_sz( t->d_max )>t->sz_max/2 ) t->d_max--;
  for(; ; t->d_max-- ) {
    size_t nodes = (size_t)2<<t->d_max;
    t->map_sz[0] = nodes*sizeof *t->hash;
    t->map_sz[1] = nodes*sizeof *t->name;
    t->map_sz[2] = nodes;
    t->hash = reserve( t->map_sz[0] );
    t->name = reserve( t->map_sz[1] );
    t->kind = reserve( t->map_sz[2] );
    if( t->hash && t->name && t->kind ) break;
    if( t->hash ) munmap( t->hash, t->map_sz[0] );
    if( t->name ) munmap( t->name, t->map_sz[1] );
    if( t->kind ) munmap( t->kind, t->map_sz[2] );
    if( t->d_max==d ) { free( t ); return DMG_ERR_NOMEM; }
  }
  if( d>=16 ) (void)madvise( t->hash, t->map_sz[0], MADV_HUGEPAGE );
  if( !charge( t, heap_sz( d ) ) ) { dmg_tree_free( t ); return DMG_ERR_FULL; }
  *out_tree = t;
  return DMG_OK;
}

void dmg_tree_free( dmg_tree_t * t ) {
  if( !t ) return;
  munmap( t->hash, t->map_sz[0] );
  munmap( t->name, t->map_sz[1] );
  munmap( t->kind, t->map_sz[2] );
  for( uint32_t n=1; n<=FLAT_MAX; n++ ) {
    for( uint32_t i=0; i<t->slab[ n ].chunk_cnt; i++ ) munmap( t->slab[ n ].chunk[ i ], (size_t)CHUNK_ELEMS*n*sizeof( entry_t ) );
    free( t->slab[ n ].chunk );
  }
  for( uint32_t i=1; i<t->fan_cnt; i++ ) free( t->fan[ i ] );
  free( t->fan );
  free( t->fan_free );
  free( t->task );
  free( t->task_order );
  while( t->temp ) { chunk_t * c = t->temp; t->temp = c->next; free( c ); }
  free( t->merge );
  free( t->dirty );
  free( t );
}

void dmg_tree_undo_fini( dmg_tree_undo_t * undo ) {
  free( undo->node );
  *undo = (dmg_tree_undo_t){ 0 };
}
size_t dmg_tree_undo_sz( dmg_tree_undo_t const * undo ) { return undo->node_cap*sizeof *undo->node; }

dmg_hash_t dmg_tree_root   ( dmg_tree_t const * t ) { return t->hash[1]; }
uint64_t   dmg_tree_key_cnt( dmg_tree_t const * t ) { return t->key_cnt; }
uint64_t   dmg_tree_sz     ( dmg_tree_t const * t ) { return t->sz; }

/* ---- Reading ---- */

/* The bucket of a path and the depth it stands at. */
static name_t bucket_of( dmg_tree_t const * t, dmg_hash_t const * path, unsigned * out_depth ) {
  unsigned depth = t->d;
  name_t name = t->name[ ( 1u<<depth )+bits( path, 0, depth ) ];
  if( name==SPLIT ) { depth++; name = t->name[ ( 1u<<depth )+bits( path, 0, depth ) ]; }
  while( is_fan( name ) ) {
    fan_t const * f = fan_at( t, name );
    name   = f->name[ bits( path, depth, f->bits ) ];
    depth += f->bits;
  }
  *out_depth = depth;
  return name;
}

bool dmg_tree_get( dmg_tree_t const * t, dmg_hash_t const * path, dmg_hash_t * out_leaf ) {
  unsigned depth;
  name_t name = bucket_of( t, path, &depth );
  uint32_t n = name>>IDX_BITS;
  entry_t const * e = n ? flat_at( t, name ) : NULL;
  for( uint32_t i=0; i<n; i++ ) {
    if( !dmg_hash_eq( &e[ i ].path, path ) ) continue;
    *out_leaf = e[ i ].leaf;
    return true;
  }
  return false;
}

/* ---- Proofs, now and before recent updates (S6.6) ---- */

typedef struct {
  dmg_tree_t const *      t;
  dmg_tree_past_t const * past;
  size_t                  past_cnt;
  unsigned                d;       /* level at which leaves are gathered: known in all of past */
  entry_t *               e;       /* the last gathered leaves */
  size_t                  e_cnt, e_cap;
} then_t;

static dmg_err_t then_room( then_t * h, size_t cnt ) {
  if( cnt<=h->e_cap ) return DMG_OK;
  size_t cap = h->e_cap ? h->e_cap : 64;
  while( cap<cnt ) cap *= 2;
  void * q = realloc( h->e, cap*sizeof *h->e );
  if( !q ) return DMG_ERR_NOMEM;
  h->e     = q;
  h->e_cap = cap;
  return DMG_OK;
}

static dmg_err_t then_copy( then_t * h, size_t idx ) {
  dmg_tree_t const * t = h->t;
  if( idx<(size_t)1<<t->d || t->name[ idx ]==SPLIT ) {
    DMG_TRY( then_copy( h, 2*idx ) );
    return then_copy( h, 2*idx+1 );
  }
  size_t n = bucket_cnt( t, t->name[ idx ] );
  DMG_TRY( then_room( h, h->e_cnt+n ) );
  if( n ) bucket_copy( t, t->name[ idx ], h->e+h->e_cnt );
  h->e_cnt += n;
  return DMG_OK;
}

/* The first op whose path is at or above path. */
static size_t past_find( dmg_tree_past_t const * p, dmg_hash_t const * path ) {
  size_t a = 0, b = p->cnt;
  while( a<b ) {
    size_t m = a+( b-a )/2;
    if( dmg_hash_cmp( &p->ops[ m ].path, path )<0 ) a = m+1;
    else                                            b = m;
  }
  return a;
}

/* The leaves below heap node idx of level h->d, as they were. */
static dmg_err_t then_gather( then_t * h, size_t idx ) {
  h->e_cnt = 0;
  DMG_TRY( then_copy( h, idx ) );
  uint32_t const prefix = (uint32_t)( idx-( (size_t)1<<h->d ) );
  dmg_hash_t low = zero;
  for( unsigned i=0; i<h->d; i++ ) low.b[ i/8 ] |= (uint8_t)( ( prefix>>( h->d-1-i )&1u )<<( 7-i%8 ) );
  for( size_t k=h->past_cnt; k--; ) {
    dmg_tree_past_t const * p = h->past+k;
    for( size_t i=past_find( p, &low ); i<p->cnt && bits( &p->ops[ i ].path, 0, h->d )==prefix; i++ ) {
      dmg_tree_op_t const * op = p->ops+i;
      size_t a = 0;
      while( a<h->e_cnt && dmg_hash_cmp( &h->e[ a ].path, &op->path )<0 ) a++;
      bool is_there = a<h->e_cnt && dmg_hash_eq( &h->e[ a ].path, &op->path );
      if( op->was_there && is_there ) h->e[ a ].leaf = op->old_leaf;
      else if( op->was_there ) {
        DMG_TRY( then_room( h, h->e_cnt+1 ) );
        memmove( h->e+a+1, h->e+a, ( h->e_cnt-a )*sizeof *h->e );
        h->e[ a ] = (entry_t){ op->path, op->old_leaf };
        h->e_cnt++;
      } else if( is_there ) {
        h->e_cnt--;
        memmove( h->e+a, h->e+a+1, ( h->e_cnt-a )*sizeof *h->e );
      }
    }
  }
  return DMG_OK;
}

static dmg_hash_t hash_of( entry_t const * e, size_t n, unsigned depth ) {
  if( !n ) return zero;
  if( n==1 ) return e->leaf;
  size_t k = 0;
  while( k<n && !dmg_state_bit( &e[ k ].path, depth ) ) k++;
  dmg_hash_t left = hash_of( e, k, depth+1 ), right = hash_of( e+k, n-k, depth+1 );
  return dmg_state_node( &left, &right );
}

static dmg_tree_old_t const * undo_find( dmg_tree_undo_t const * u, unsigned level, size_t idx ) {
  dmg_tree_old_t const * run = u->node+u->run_lo[ level/4 ];
  uint32_t a = 0, b = u->run_cnt[ level/4 ];
  while( a<b ) {
    uint32_t m = a+( b-a )/2;
    if( run[ m ].idx==idx ) return run+m;
    if( run[ m ].idx<idx ) a = m+1;
    else                   b = m;
  }
  return NULL;
}

/* Heap node idx of a level <= h->d as it was. */
static dmg_err_t then_node( then_t * h, unsigned level, size_t idx, uint8_t * out_kind, dmg_hash_t * out ) {
  dmg_tree_t const * t = h->t;
  if( !h->past_cnt || level%4==0 ) {
    for( size_t k=0; k<h->past_cnt; k++ ) {
      dmg_tree_old_t const * old = undo_find( h->past[ k ].undo, level, idx );
      if( !old ) continue;
      *out_kind = old->kind;
      *out      = old->hash;
      return DMG_OK;
    }
    *out_kind = t->kind[ idx ];
    *out      = t->hash[ idx ];
    return DMG_OK;
  }
  if( level==h->d ) {
    DMG_TRY( then_gather( h, idx ) );
    *out_kind = !h->e_cnt ? DMG_TREE_EMPTY : h->e_cnt==1 ? DMG_TREE_LEAF : DMG_TREE_BRANCH;
    *out      = hash_of( h->e, h->e_cnt, level );
    return DMG_OK;
  }
  uint8_t kind[ 2 ];
  dmg_hash_t pair[ 2 ];
  for( unsigned side=0; side<2; side++ ) DMG_TRY( then_node( h, level+1, 2*idx+side, kind+side, pair+side ) );
  *out_kind = (uint8_t)combine( kind, pair, out );
  if( *out_kind==DMG_TREE_BRANCH ) *out = dmg_state_node( pair, pair+1 );
  return DMG_OK;
}

/* The only leaf below heap node idx. */
static dmg_err_t then_lone( then_t * h, unsigned level, size_t idx, entry_t * out ) {
  while( level<h->d ) {
    uint8_t kind;
    dmg_hash_t hash;
    DMG_TRY( then_node( h, level+1, 2*idx, &kind, &hash ) );
    idx = 2*idx+( kind==DMG_TREE_EMPTY );
    level++;
  }
  DMG_TRY( then_gather( h, idx ) );
  DMG_ASSERT( h->e_cnt==1 );
  *out = h->e[0];
  return DMG_OK;
}

static void then_init( then_t * h, dmg_tree_t const * t, dmg_tree_past_t const * past, size_t past_cnt ) {
  *h = (then_t){ .t = t, .past = past, .past_cnt = past_cnt, .d = t->d };
  for( size_t i=0; i<past_cnt; i++ ) if( past[ i ].undo->d<h->d ) h->d = past[ i ].undo->d;
}

static dmg_err_t prove( then_t * h, dmg_hash_t const * path, dmg_tree_proof_t * out ) {
  size_t idx = ( (size_t)1<<h->d )+bits( path, 0, h->d );
  DMG_TRY( then_gather( h, idx ) );
  unsigned depth = h->d;
  entry_t lone;
  size_t n = h->e_cnt;
  entry_t const * e = h->e;
  /* Down inside the bucket while two keys share the way. */
  while( n>1 ) {
    size_t k = 0;
    while( k<n && !dmg_state_bit( &e[ k ].path, depth ) ) k++;
    if( dmg_state_bit( path, depth ) ) { out->sibling[ depth ] = hash_of( e, k, depth+1 ); e += k; n -= k; }
    else                               { out->sibling[ depth ] = hash_of( e+k, n-k, depth+1 ); n = k; }
    depth++;
  }
  if( n ) lone = *e;
  /* Up while the subtree on the way holds at most one key (S1.3). */
  unsigned level = h->d;
  if( depth==h->d ) {
    for( ; level; level--, idx/=2 ) {
      uint8_t kind;
      dmg_hash_t hash;
      DMG_TRY( then_node( h, level, idx^1, &kind, &hash ) );
      if( kind==DMG_TREE_BRANCH || ( kind==DMG_TREE_LEAF && n ) ) break;
      if( kind==DMG_TREE_LEAF ) { DMG_TRY( then_lone( h, level, idx^1, &lone ) ); n = 1; }
    }
    depth = level;
  }
  for( ; level; level--, idx/=2 ) {
    uint8_t kind;
    DMG_TRY( then_node( h, level, idx^1, &kind, out->sibling+level-1 ) );
  }
  out->depth    = depth;
  out->has_leaf = n;
  if( n ) { out->leaf_path = lone.path; out->leaf = lone.leaf; }
  return DMG_OK;
}

dmg_err_t dmg_tree_prove( dmg_tree_t const * t, dmg_tree_past_t const * past, size_t past_cnt, dmg_hash_t const * path, dmg_tree_proof_t * out ) {
  if( t->is_broken ) return DMG_ERR_FULL;
  then_t h;
  then_init( &h, t, past, past_cnt );
  dmg_err_t err = prove( &h, path, out );
  free( h.e );
  return err;
}

dmg_err_t dmg_tree_root_before( dmg_tree_t const * t, dmg_tree_past_t const * past, size_t past_cnt, dmg_hash_t * out_root ) {
  if( t->is_broken ) return DMG_ERR_FULL;
  then_t h;
  then_init( &h, t, past, past_cnt );
  uint8_t kind;
  dmg_err_t err = then_node( &h, 0, 1, &kind, out_root );
  free( h.e );
  return err;
}

/* ---- Sorting ---- */

typedef struct { uint64_t head; uint32_t idx; } sort_t;
typedef struct { uint8_t const * paths; size_t stride; } sort_ctx_t;

static int sort_cmp( void const * a, void const * b, void * ctx ) {
  sort_ctx_t const * c = ctx;
  return memcmp( c->paths+c->stride*( (sort_t const *)a )->idx, c->paths+c->stride*( (sort_t const *)b )->idx, 32 );
}

dmg_err_t dmg_tree_sort( void const * paths, size_t stride, uint32_t cnt, uint32_t * out_order ) {
  if( !cnt ) return DMG_OK;
  sort_t * a = malloc( 2*(size_t)cnt*sizeof *a );
  if( !a ) return DMG_ERR_NOMEM;
  sort_t * const mem = a;
  sort_t * b = a+cnt;
  sort_ctx_t ctx = { paths, stride };
  for( uint32_t i=0; i<cnt; i++ ) a[ i ] = (sort_t){ dmg_load_u64be( ctx.paths+stride*i ), i };
  if( cnt<256 ) {
    qsort_r( a, cnt, sizeof *a, sort_cmp, &ctx );
  } else {
    for( unsigned shift=0; shift<64; shift+=8 ) {
      uint32_t at[ 256 ] = { 0 };
      for( uint32_t i=0; i<cnt; i++ ) at[ ( a[ i ].head>>shift )&255u ]++;
      for( uint32_t i=0, sum=0; i<256; i++ ) { uint32_t c = at[ i ]; at[ i ] = sum; sum += c; }
      for( uint32_t i=0; i<cnt; i++ ) b[ at[ ( a[ i ].head>>shift )&255u ]++ ] = a[ i ];
      sort_t * s = a; a = b; b = s;
    }
    /* Paths that share 64 bits: someone ground them; n log n whatever he did. */
    for( uint32_t i=0; i<cnt; ) {
      uint32_t j = i+1;
      while( j<cnt && a[ j ].head==a[ i ].head ) j++;
      if( j-i>1 ) qsort_r( a+i, j-i, sizeof *a, sort_cmp, &ctx );
      i = j;
    }
  }
  for( uint32_t i=0; i<cnt; i++ ) out_order[ i ] = a[ i ].idx;
  free( mem );
  return DMG_OK;
}
