/* json: one strict JSON reader.

     bytes --> parse --> flat array of nodes + one text, both of the reader

     {"a":[1,"x"]}   0 OBJECT cnt 1 next 5
                     1 STRING "a"   next 2     a member is its key, then its value
                     2 ARRAY  cnt 2 next 5
                     3 NUMBER "1"   next 4     numbers keep their text: 2^53+1 stays exact
                     4 STRING "x"   next 5

   Refused   duplicate keys (compared after unescaping), bytes after the
             value, invalid UTF-8, lone surrogates, raw control characters,
             a byte-order mark, NaN and Infinity, leading zeros, "+1", "1.",
             ".5", comments, trailing commas, nesting beyond depth_max, more
             than nodes_max nodes.  "-0" and any exponent are legal numbers
             and come as text.
   Memory    The reader keeps its buffers from one parse to the next (they
             grow to the largest input seen; free and renew it to give them
             back).  Nodes and text live until the next parse or free.
   Threads   One reader, one thread at a time.
   Bounds    4 GiB-1 of input; nodes_max and depth_max per parse.
   Failure   A parse that fails says why and where; the reader stays usable.
             Its nodes are then none.  Lack of memory aborts. */
#ifndef DMGN_JSON_H
#define DMGN_JSON_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dmgn_json dmgn_json_t;

enum {
  DMGN_JSON_NULL = 0, DMGN_JSON_FALSE = 1, DMGN_JSON_TRUE   = 2, DMGN_JSON_NUMBER = 3,
  DMGN_JSON_STRING = 4, DMGN_JSON_ARRAY = 5, DMGN_JSON_OBJECT = 6
};

typedef struct {
  uint32_t type;   /* DMGN_JSON_* */
  uint32_t off;    /* STRING, NUMBER: first byte in the text; else 0 */
  uint32_t sz;     /* STRING, NUMBER: bytes, unescaped, not terminated; else 0 */
  uint32_t cnt;    /* ARRAY: elements; OBJECT: members; else 0 */
  uint32_t next;   /* index of the node after this one and all it holds */
  uint32_t at;     /* byte offset of the value in the input, for messages */
} dmgn_json_node_t;

enum {
  DMGN_JSON_OK            = 0,
  DMGN_JSON_ERR_SYNTAX    = 1,
  DMGN_JSON_ERR_UTF8      = 2,   /* invalid UTF-8, lone surrogate */
  DMGN_JSON_ERR_DUPLICATE = 3,   /* a key twice in one object */
  DMGN_JSON_ERR_TRAILING  = 4,   /* bytes after the value */
  DMGN_JSON_ERR_DEPTH     = 5,
  DMGN_JSON_ERR_NODES     = 6,
  DMGN_JSON_ERR_SIZE      = 7,   /* input above 4 GiB-1 */
  DMGN_JSON_ERR_EOF       = 8    /* the input ends inside the value */
};

/* What was wrong and at which byte of the input. */
typedef struct {
  int    code;          /* DMGN_JSON_ERR_*, or DMGN_JSON_OK */
  size_t at;
  char   text[ 96 ];    /* terminated, lower case, no input bytes in it */
} dmgn_json_err_t;

dmgn_json_t * dmgn_json_new( void );
void          dmgn_json_free( dmgn_json_t * json );   /* NULL is fine */

/* dmgn_json_parse: read one value, of any type, with space around it.
   depth_max counts open arrays and objects (a scalar has depth 0), 1..1024
   (more is cut to 1024).  A key counts as a node.  Returns DMGN_JSON_OK or
   the code that is also in out_err (out_err may be NULL). */
int dmgn_json_parse( dmgn_json_t * json, uint8_t const * bytes, size_t bytes_sz, uint32_t depth_max, uint32_t nodes_max,
                     dmgn_json_err_t * out_err );

/* dmgn_json_nodes, dmgn_json_text: the result of the last parse; node 0 is
   the value itself.  Cnt 0 after a failed one. */
dmgn_json_node_t const * dmgn_json_nodes( dmgn_json_t const * json, size_t * out_cnt );
uint8_t const *          dmgn_json_text( dmgn_json_t const * json, size_t * out_sz );

#ifdef __cplusplus
}
#endif
#endif
