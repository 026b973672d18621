#include "base/err.h"

static char const * const err_name[ DMG_ERR_CNT ] = {
#define DMG_ERR_NAME( name, text ) #name,
  DMG_ERR_TABLE( DMG_ERR_NAME )
};
static char const * const err_text[ DMG_ERR_CNT ] = {
#define DMG_ERR_TEXT( name, text ) text,
  DMG_ERR_TABLE( DMG_ERR_TEXT )
};

char const * dmg_err_name( dmg_err_t err ) { return (unsigned)err<DMG_ERR_CNT ? err_name[ err ] : "UNKNOWN"; }
char const * dmg_err_text( dmg_err_t err ) { return (unsigned)err<DMG_ERR_CNT ? err_text[ err ] : "unknown error"; }
