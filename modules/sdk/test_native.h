/* test_native: what the modules' native tests share: arguments as BCS, one line per expectation. */
#ifndef TEST_NATIVE_H
#define TEST_NATIVE_H

#include "base/test_rnd.h"
#include "host_native.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static uint8_t      t_args[ 65536 ];
static dmg_bcs_wr_t t_w;

/* args(); then dmg_bcs_wr_*( &t_w, .. ); then call(..). */
static inline void args( void ) { t_w = dmg_bcs_wr( t_args, sizeof t_args ); }
static inline dmn_result_t const * run( uint32_t kind, uint32_t id ) {
  assert_false( t_w.is_full );
  dmg_span_t s = dmg_bcs_wr_span( &t_w );
  return dmn_run( kind, id, s.p, (uint32_t)s.sz );
}
static inline dmn_result_t const * call ( uint32_t id ) { return run( DM_KIND_CALL, id ); }
static inline dmn_result_t const * query( uint32_t id ) { return run( DM_KIND_QUERY, id ); }
static inline dmn_result_t const * hook ( uint32_t id ) { return run( DM_KIND_HOOK, id ); }

/* An account known by a letter. */
static inline dm_address_t who( char c ) { dm_address_t a; memset( &a, c, 32 ); return a; }
static inline void as( char c, uint8_t role ) { dmn_env.actor = dmn_env.principal = who( c ); dmn_env.role = role; dmn_env.caller = 0; }
static inline void wr_who( char c ) { dm_address_t a = who( c ); dmg_bcs_wr_fixed( &t_w, &a, 32 ); }

static inline void expect_ok( dmn_result_t const * r, char const * file, int line ) {
  if( r->end!=DMN_OK ) { print_error( "end %d, fault %u %s\n", r->end, r->fault, r->why ); _fail( file, line ); }
}
static inline dmn_result_t const * expect_fault( dmn_result_t const * r, uint32_t number, char const * file, int line ) {
  if( r->end!=DMN_FAULT || r->fault!=number ) { print_error( "wanted fault %u, got end %d, fault %u %s\n", number, r->end, r->fault, r->why ); _fail( file, line ); }
  return r;
}
static inline void expect_bad_arg( dmn_result_t const * r, char const * name, char const * file, int line ) {
  (void)expect_fault( r, 6, file, line );
  dmg_bcs_rd_t rd = dmg_bcs_rd( dmg_span( r->data, r->data_n ) );
  dmg_span_t f = dmg_bcs_rd_str( &rd, 32 );
  if( !dmg_span_eq( f, dmg_span_cstr( name ) ) ) { print_error( "BadArgument{%.*s}, wanted %s\n", (int)f.sz, (char const *)f.p, name ); _fail( file, line ); }
}
#define OK( r )            expect_ok( ( r ), __FILE__, __LINE__ )
#define FAULT( r, number ) ( (void)expect_fault( ( r ), ( number ), __FILE__, __LINE__ ) )
/* BadArgument names the argument. */
#define BAD_ARG( r, name ) expect_bad_arg( ( r ), ( name ), __FILE__, __LINE__ )
/* A fault whose payload is u64s. */
#define FAULT_U64( r, number, i, value ) assert_int_equal( dmg_load_u64le( expect_fault( ( r ), ( number ), __FILE__, __LINE__ )->data+8*( i ) ), ( value ) )

#endif
