/* validator, crashes: one of four dies at each of its file calls (S16.3, C12.3). */
#include "node/test_validator_util.h"

enum { KILLS = 60 };

/* C6, S8.1: the machine of one of four goes off, or a call fails, at each file call of a start and the blocks behind it, jobs seen
   at once or late.  Unsynced writes are kept, lost or torn.  It starts again, its final height never falls, it votes again, and
   nobody ever holds two votes of it that convict. */
static void test_a_kill_at_each_file_call( void ** state ) {
  make_world( 4, 13, 0 );
  peer_t * p = &w.p[ 2 ];
  lend_disk( p );
  w.lag_us = 7000;
  start_all();
  run_to( 2, 20 );
  uint64_t height = 0;
  uint32_t starts = 0;
  for( uint32_t k = 0; k<KILLS; k++ ) {
    dmg_hash_t id, to = { { 49 } };
    if( k%4==0 ) send( w.p[ k/4%2 ].chain, &accounts[ 1+k/4%9 ], &to, 1, k/36, &id );
    w.lag_us = k%3 ? 0 : 7000;
    uint64_t at = dmg_vfs_mem_steps( p->vfs )+( p->is_up ? k%2 : k );
    if( k%5==4 ) dmg_vfs_mem_fail_at( p->vfs, at, k%2 ? DMG_ERR_IO : DMG_ERR_FULL );
    else         dmg_vfs_mem_off_at( p->vfs, at );
    if( p->is_up || try_start( p ) ) {
      starts++;
      if( height_of( p )<height ) fail_msg( "I8: kill %u: height %lu, was %lu", k, (unsigned long)height_of( p ), (unsigned long)height );
      for( uint64_t end = w.now+60000000; p->is_up && w.now<end; ) { height = height_of( p ); moment(); }
      assert_false( p->is_up );
    }
    dmg_vfs_mem_crash( p->vfs, rnd( UINT32_MAX ) );
    dmg_vfs_mem_off_at( p->vfs, UINT64_MAX-1 );
  }
  assert_true( starts>KILLS/2 );
  start_node( p );
  assert_true( height_of( p )>=height );
  run_to( height_of( &w.p[ 0 ] )+4, 60 );
  stop_node( &w.p[ 0 ] );   /* it is needed now */
  run_to( lowest()+6, 60 );
  all_agree();
  for( uint32_t i = 1; i<4; i++ ) {
    dmg_validator_info_t v;
    dmg_validator_info( w.p[ i ].v, &v );
    assert_int_equal( v.alarms+v.evidence, 0 );
    assert_false( v.cons.is_observer );
  }
  end_world();
}

static void * in_thread( void * arg ) {
  struct CMUnitTest const tests[] = {
    cmocka_unit_test( test_a_kill_at_each_file_call ),
  };
  return (void *)(intptr_t)cmocka_run_group_tests( tests, setup, teardown );
}

int main( int argc, char ** argv ) { return in_deep_thread( in_thread, argc, argv ); }
