/* builtin: the on-chain modules this binary carries, for genesis; made by the build from modules/ (no .wasm is in git). */
#ifndef DMG_CLI_BUILTIN_H
#define DMG_CLI_BUILTIN_H

#include "node/dev_genesis.h"

extern dmg_dev_module_t const dmg_builtin_modules[];   /* ascending by id */
extern uint32_t const         dmg_builtin_module_cnt;

#endif
