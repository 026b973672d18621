/* conf: TOML 1.1 by the crate toml, as a flat list with positions.

     [rpc]                    "rpc"            TABLE    ""          line 1 column 2
     port = 7369              "rpc.port"       INTEGER  "7369"      line 2 column 8
     hosts = [ "a", "b" ]     "rpc.hosts"      ARRAY    ""          line 3 column 9
                              "rpc.hosts[0]"   STRING   "a"         line 3 column 11
                              "rpc.hosts[1]"   STRING   "b"         line 3 column 16
     [[peer]]                 "peer"           ARRAY    ""
     id = 1                   "peer[0]"        TABLE    ""
                              "peer[0].id"     INTEGER  "1"

   A table is followed by its keys, these in the order of the file.  A key that is
   not bare ([A-Za-z0-9_-]+) stands in double quotes with TOML's basic
   escapes: a."b.c".

   Memory    The result owns everything it hands out, until free.
   Threads   A result is read-only after parse: any number of threads.
   Failure   One error (the first) with line and column; out_conf untouched.
             Lack of memory aborts.
   Bounds    text of at most 16 MiB, nesting of at most 80 levels.
   Not here  Which keys exist, their types and ranges: the caller's. */
#ifndef DMGN_CONF_H
#define DMGN_CONF_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dmgn_conf dmgn_conf_t;

enum {
  DMGN_CONF_STRING = 1, DMGN_CONF_INTEGER = 2, DMGN_CONF_FLOAT = 3, DMGN_CONF_BOOL = 4,
  DMGN_CONF_DATETIME = 5, DMGN_CONF_ARRAY = 6, DMGN_CONF_TABLE = 7
};

typedef struct {
  char const * path;      /* terminated; path_sz without the terminator */
  size_t       path_sz;
  char const * text;      /* terminated: STRING unescaped (may hold NUL bytes: use text_sz); INTEGER in decimal, fits int64;
                             FLOAT as written without '_', so inf, -inf and nan too; BOOL "true" or "false"; DATETIME RFC 3339; else "" */
  size_t       text_sz;
  uint32_t     type;      /* DMGN_CONF_* */
  uint32_t     cnt;       /* ARRAY: elements; TABLE: keys; else 0 */
  uint32_t     line;      /* of the value, from 1; of the (first) header or dotted key for a TABLE or ARRAY without brackets */
  uint32_t     col;       /* in characters, from 1 */
} dmgn_conf_item_t;

typedef struct {
  uint32_t line, col;     /* from 1; 0 where there is none (size) */
  char     text[ 256 ];   /* terminated, one line */
} dmgn_conf_err_t;

/* dmgn_conf_parse: 0 and a result the caller frees, or -1 and out_err. */
int  dmgn_conf_parse( uint8_t const * text, size_t text_sz, dmgn_conf_t ** out_conf, dmgn_conf_err_t * out_err );
void dmgn_conf_free( dmgn_conf_t * conf );   /* NULL is fine */

/* dmgn_conf_items: all entries, the root table itself not among them. */
dmgn_conf_item_t const * dmgn_conf_items( dmgn_conf_t const * conf, size_t * out_cnt );

#ifdef __cplusplus
}
#endif
#endif
