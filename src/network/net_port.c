#include "network/net_port.h"

static char const * const kind_names[ DMG_NET_EV_CNT ] = {
#define DMG_NET_EV_NAME( name ) [ DMG_NET_##name ] = #name,
  DMG_NET_EV_TABLE( DMG_NET_EV_NAME )
#undef DMG_NET_EV_NAME
};

char const * dmg_net_kind_name( dmg_net_kind_t kind ) { return (unsigned)kind<DMG_NET_EV_CNT ? kind_names[ kind ] : "?"; }
