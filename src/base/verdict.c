#include "base/verdict.h"

#include <stdio.h>

void dmg_verdict_print( dmg_verdict_t const * v, char * out, size_t cap ) {
  if( v->kind==DMG_VERDICT_GOOD )  { snprintf( out, cap, "well formed" ); return; }
  if( v->kind==DMG_VERDICT_LOCAL ) { snprintf( out, cap, "%s", dmg_err_text( v->err ) ); return; }
  if( v->idx==DMG_VERDICT_NO_IDX ) { snprintf( out, cap, "%s: %s, at byte %zu", v->field, v->text, v->off ); return; }
  char const * dot   = strchr( v->field, '.' );
  int          first = dot ? (int)( dot-v->field ) : (int)strlen( v->field );
  snprintf( out, cap, "%.*s[%u]%s: %s, at byte %zu", first, v->field, v->idx, dot ? dot : "", v->text, v->off );
}
