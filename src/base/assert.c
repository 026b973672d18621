#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void dmg_assert_fail( char const * file, int line, char const * func, char const * text ) {
  fprintf( stderr, "%s:%d: %s: bug: %s\n", file, line, func, text );
  fflush( stderr );
  abort();
}
