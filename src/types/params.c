#include "types/params.h"

dmg_param_desc_t const dmg_param_desc[ DMG_PARAM_CNT ] = {
#define DESC( name_, module_, key_, text_, def_, lo_, hi_, hi_dev_ ) \
  [ DMG_PARAM_##name_ ] = { .module = module_, .key = key_, .name = text_, .def = def_, .lo = lo_, .hi = hi_, .hi_dev = hi_dev_ },
  DMG_PARAM_TABLE( DESC )
#undef DESC
};

void dmg_params_default( dmg_params_t * out ) {
  for( unsigned i = 0; i<DMG_PARAM_CNT; i++ ) out->v[ i ] = dmg_param_desc[ i ].def;
}

bool dmg_param_find( uint16_t module, uint16_t key, dmg_param_t * out ) {
  for( unsigned i = 0; i<DMG_PARAM_CNT; i++ )
    if( dmg_param_desc[ i ].module==module && dmg_param_desc[ i ].key==key ) { *out = (dmg_param_t)i; return true; }
  return false;
}

bool dmg_param_parse( dmg_param_t param, dmg_span_t value, bool is_dev, uint64_t * out ) {
  dmg_param_desc_t const * d = &dmg_param_desc[ param ];
  if( value.sz!=8 ) return false;
  uint64_t v = dmg_load_u64le( value.p );
  if( v<d->lo || v>( is_dev ? d->hi_dev : d->hi ) ) return false;
  *out = v;
  return true;
}
