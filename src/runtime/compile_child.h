/* compile_child: the compiler in a process of its own, so that hostile code can at worst end that process (R1.7).

     node --pipe: instrumented bytes--> same binary, re-executed with the verb below --memfd: artifact--> node

   The child: no new privileges, seccomp allow-list, 1 GiB of address space, 30 s of CPU, idle priority; the parent
   gives it 60 s of wall time and one runs at a time.  Under sanitizers no limits and no seccomp.

   Needs    SIGPIPE ignored: a child may end before it has read its input
   Failure  a child that fails, is killed or is late: UNAVAILABLE, a local failure, never a judgement on code */
#ifndef DMG_RUNTIME_COMPILE_CHILD_H
#define DMG_RUNTIME_COMPILE_CHILD_H

#include "base/bytes.h"

#define DMG_COMPILE_CHILD_VERB "__compile"

/* The child's whole life; a main() calls it when argv[1] is the verb, before anything else, and returns its result. */
int dmg_compile_child_main( int argc, char ** argv );

/* Runs the child over instrumented bytes (our checker took the module).  out_artifact is appended to; its max bounds
   the artifact.  UNAVAILABLE, LIMIT, NOMEM, IO; logged. */
DMG_MUST_USE dmg_err_t dmg_compile_in_child( dmg_span_t instrumented, dmg_buf_t * out_artifact );

#endif
