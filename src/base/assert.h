/* assert: checks that only a bug can fail.  They stay on in release.

   DMG_ASSERT   one fact each: arguments, states, results
   DMG_DASSERT  costly checks, only in builds with DMG_DEBUG

   Never on bytes from a peer, a client or the disk: those get a verdict or DMG_ERR_CORRUPT. */
#ifndef DMG_BASE_ASSERT_H
#define DMG_BASE_ASSERT_H

/* Writes "file:line: function: bug: text" to stderr and aborts. */
_Noreturn void dmg_assert_fail( char const * file, int line, char const * func, char const * text );

#define DMG_ASSERT( fact ) ( __builtin_expect( !!( fact ), 1 ) ? (void)0 : dmg_assert_fail( __FILE__, __LINE__, __func__, #fact ) )

#ifdef DMG_DEBUG
#define DMG_DASSERT( fact ) DMG_ASSERT( fact )
#else
#define DMG_DASSERT( fact ) ( (void)sizeof( !( fact ) ) )
#endif

#endif
