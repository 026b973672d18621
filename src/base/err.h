/* err: the one table of local failures.

   Three kinds of failure are kept apart everywhere:
     bug              DMG_ASSERT (assert.h): stays on in release, ends the process
     local failure    dmg_err_t, this file: disk, memory, a limit, a bad argument of a local user
     outside input    a verdict: an ordinary value of the decoder or judge that found it

   A function that can fail returns dmg_err_t and leaves its out_ pointers untouched on failure.
   Forward with DMG_TRY( call ).  Log once, where the failure happened. */
#ifndef DMG_BASE_ERR_H
#define DMG_BASE_ERR_H

#define DMG_ERR_TABLE( X )                                                   \
  X( OK,          "ok" )                                                     \
  X( NOMEM,       "out of memory" )                                          \
  X( FULL,        "no room left, on disk or in a bounded table or queue" )   \
  X( LIMIT,       "a limit was passed" )                                     \
  X( INVALID,     "invalid argument or malformed input" )                    \
  X( NOT_FOUND,   "not found" )                                              \
  X( EXISTS,      "exists already" )                                         \
  X( AGAIN,       "not ready yet, ask again" )                               \
  X( PRUNED,      "below the oldest height kept" )                           \
  X( CORRUPT,     "stored data is corrupt" )                                 \
  X( CHAIN,       "data of another chain" )                                  \
  X( VERSION,     "format or version not supported" )                        \
  X( LOCKED,      "in use by another process" )                              \
  X( PERM,        "permission denied" )                                      \
  X( IO,          "input or output failed" )                                 \
  X( TIMEOUT,     "timed out" )                                              \
  X( UNAVAILABLE, "peer or service unavailable" )                            \
  X( UNSUPPORTED, "not supported here" )                                     \
  X( STOPPED,     "stopping" )

typedef enum {
#define DMG_ERR_ENUM( name, text ) DMG_ERR_##name,
  DMG_ERR_TABLE( DMG_ERR_ENUM )
#undef DMG_ERR_ENUM
  DMG_ERR_CNT
} dmg_err_t;

#define DMG_OK        DMG_ERR_OK
#define DMG_MUST_USE  __attribute__(( warn_unused_result ))

/* Forwards a failure to the caller. */
#define DMG_TRY( call ) do { dmg_err_t dmg_try_err_ = ( call ); if( dmg_try_err_ ) return dmg_try_err_; } while(0)

/* "NOT_FOUND" and "not found"; never NULL, also for values outside the table. */
char const * dmg_err_name( dmg_err_t err );
char const * dmg_err_text( dmg_err_t err );

#endif
