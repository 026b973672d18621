#include "cli/sync_bar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static char out[ DMG_SYNC_BAR_SZ+16 ];

static void test_text_says_height_goal_rate_and_time_left( void ** state ) {
  (void)state;
  char t[ DMG_SYNC_BAR_SZ ];
  dmg_sync_bar_text( &(dmg_sync_at_t){ .height = 1000, .goal = 4000, .rate = 100 }, 8, t );
  assert_string_equal( t, "syncing: [##......] height 1000 of 4000, 100 blocks/s, 30 s left" );
  dmg_sync_bar_text( &(dmg_sync_at_t){ .height = 1000, .goal = 4000, .rate = 1 }, 0, t );
  assert_string_equal( t, "syncing: height 1000 of 4000, 1 blocks/s, 50 min left" );
  dmg_sync_bar_text( &(dmg_sync_at_t){ .height = 0, .goal = 20000, .rate = 1 }, 0, t );
  assert_string_equal( t, "syncing: height 0 of 20000, 1 blocks/s, 5 h 33 min left" );
  dmg_sync_bar_text( &(dmg_sync_at_t){ .height = 7, .goal = 20000 }, 0, t );
  assert_string_equal( t, "syncing: height 7 of 20000, 0 blocks/s, time left unknown" );
  dmg_sync_bar_text( &(dmg_sync_at_t){ .height = 7, .rate = 5 }, 8, t );
  assert_string_equal( t, "syncing: height 7, asking peers for headers" );
  dmg_sync_bar_text( &(dmg_sync_at_t){ .height = 9, .goal = 8, .rate = 5 }, 4, t );   /* the goal moved below us */
  assert_string_equal( t, "syncing: [####] height 9 of 8, 5 blocks/s, time left unknown" );
  dmg_sync_bar_text( &(dmg_sync_at_t){ .height = UINT64_MAX-1, .goal = UINT64_MAX, .rate = 1e18 }, 30, t );   /* fits whatever comes */
  assert_true( strlen( t )<DMG_SYNC_BAR_SZ-1 );
}

static void test_it_shows_only_who_is_behind( void ** state ) {
  (void)state;
  dmg_sync_bar_t bar = { .how = DMG_SYNC_BAR_PLAIN };
  assert_false( dmg_sync_bar( &bar, true,  &(dmg_sync_at_t){ .height = 10, .goal = 18 }, 1000, out ) );   /* a follower's last blocks */
  assert_false( dmg_sync_bar( &bar, false, &(dmg_sync_at_t){ .height = 10, .goal = 99 }, 1000, out ) );
  assert_true ( dmg_sync_bar( &bar, true,  &(dmg_sync_at_t){ .height = 10, .goal = 19 }, 1000, out ) );
  assert_false( dmg_sync_bar( &bar, true,  &(dmg_sync_at_t){ .height = 12, .goal = 19 }, 5999, out ) );   /* 5 s a line */
  assert_true ( dmg_sync_bar( &bar, true,  &(dmg_sync_at_t){ .height = 12, .goal = 19, .rate = 2 }, 6000, out ) );
  assert_string_equal( out, "syncing: height 12 of 19, 2 blocks/s, 4 s left\n" );
  assert_true ( dmg_sync_bar( &bar, false, &(dmg_sync_at_t){ .height = 19 }, 6001, out ) );              /* the end at once, and once */
  assert_string_equal( out, "synced: height 19\n" );
  assert_false( dmg_sync_bar( &bar, false, &(dmg_sync_at_t){ .height = 19 }, 60000, out ) );
}

static void test_forms( void ** state ) {
  (void)state;
  dmg_sync_bar_t line = { .how = DMG_SYNC_BAR_LINE }, json = { .how = DMG_SYNC_BAR_JSON }, none = { .how = DMG_SYNC_BAR_NONE };
  dmg_sync_at_t at = { .height = 1, .goal = 101, .rate = 50 };
  assert_true( dmg_sync_bar( &line, true, &at, 1000, out ) );
  assert_true( out[ 0 ]=='\r' && out[ strlen( out )-1 ]=='\r' );
  assert_true( dmg_sync_bar( &line, true, &at, 1250, out ) );
  assert_true( dmg_sync_bar( &json, true, &at, 1000, out ) );
  assert_string_equal( out, "{\"progress\":{\"what\":\"sync\",\"state\":\"running\",\"height\":\"1\",\"target\":\"101\",\"rate\":50,\"leftMs\":\"2000\"}}\n" );
  at.rate = 0;
  assert_false( dmg_sync_bar( &json, true, &at, 1999, out ) );
  assert_true( dmg_sync_bar( &json, true, &at, 2000, out ) );
  assert_string_equal( out, "{\"progress\":{\"what\":\"sync\",\"state\":\"running\",\"height\":\"1\",\"target\":\"101\",\"rate\":0}}\n" );
  assert_false( dmg_sync_bar( &none, true, &at, 2000, out ) );
}

int main( void ) {
  struct CMUnitTest const tests[] = { cmocka_unit_test( test_text_says_height_goal_rate_and_time_left ), cmocka_unit_test( test_it_shows_only_who_is_behind ), cmocka_unit_test( test_forms ) };
  return cmocka_run_group_tests( tests, NULL, NULL );
}
