/* tags: every domain tag of the chain's hashes, one line each (S1.1).

   A new tag: add a line, run tools/gen_tags.py (it writes tags_tab.c); test_hash recomputes the
   table and fails if it was forgotten.  The order of the lines means nothing outside one build.
   Tags of the zk page come with its layer. */
#ifndef DMG_CRYPTO_TAGS_H
#define DMG_CRYPTO_TAGS_H

#include <stdint.h>

/* X( name, text ): DMG_TAG_<name> stands for the ASCII tag "text". */
#define DMG_TAG_TABLE( X ) \
  X( STATE_KEY,       "dmg/state/key/v1"       ) \
  X( STATE_VALUE,     "dmg/state/value/v1"     ) \
  X( STATE_LEAF,      "dmg/state/leaf/v1"      ) \
  X( STATE_NODE,      "dmg/state/node/v1"      ) \
  X( STATE_MANIFEST,  "dmg/state/manifest/v1"  ) \
  X( ARTIFACT,        "dmg/artifact/v1"        ) \
  X( SEED,            "dmg/seed/v1"            ) \
  X( ABI,             "dmg/abi/v1"             ) \
  X( SCHEMA,          "dmg/schema/v1"          ) \
  X( TX,              "dmg/tx/v1"              ) \
  X( RESULT,          "dmg/result/v1"          ) \
  X( RECEIPT,         "dmg/receipt/v1"         ) \
  X( RECEIPT_NODE,    "dmg/receipt/node/v1"    ) \
  X( MMR_NODE,        "dmg/mmr/node/v1"        ) \
  X( MMR_ROOT,        "dmg/mmr/root/v1"        ) \
  X( EVENT,           "dmg/event/v1"           ) \
  X( RECEIPTS,        "dmg/receipts/v1"        ) \
  X( OUTCOME,         "dmg/outcome/v1"         ) \
  X( MODULE,          "dmg/module/v1"          ) \
  X( ID,              "dmg/id/v1"              ) \
  X( ADDR,            "dmg/addr/v1"            ) \
  X( AUTH_POP,        "dmg/auth/pop/v1"        ) \
  X( RAND_BEACON,     "dmg/rand/beacon/v1"     ) \
  X( QORKEY,          "dmg/qorkey/v1"          ) \
  X( TREE,            "dmg/tree/v1"            ) \
  X( DRAW,            "dmg/draw/v1"            ) \
  X( OCW_ENTRY,       "dmg/ocw/entry/v1"       ) \
  X( STAKE_POP,       "dmg/stake/pop/v1"       ) \
  X( GENESIS,         "dmg/genesis/v1"         ) \
  X( CODE,            "dmg/code/v1"            ) \
  X( DEV_BLS,         "dmg/dev/bls/v1"         ) \
  X( NAME_COMMIT,     "dmg/name/commit/v1"     ) \
  X( NAME_RESERVED,   "dmg/name/reserved/v1"   ) \
  X( UPGRADE_REPORT,  "dmg/upgrade/report/v1"  ) \
  X( UPGRADE_BUNDLE,  "dmg/upgrade/bundle/v1"  ) \
  X( UPGRADE_WRITE,   "dmg/upgrade/write/v1"   ) \
  X( UPGRADE_RECEIPT, "dmg/upgrade/receipt/v1" ) \
  X( UPGRADE_CUM,     "dmg/upgrade/cum/v1"     ) \
  X( UPGRADE_RESULT,  "dmg/upgrade/result/v1"  ) \
  X( BLOCK,           "dmg/block/v1"           ) \
  X( JUST_LEAF,       "dmg/just/leaf/v1"       ) \
  X( JUST_NODE,       "dmg/just/node/v1"       ) \
  X( BODY,            "dmg/body/v1"            ) \
  X( BODY_ATT,        "dmg/body/att/v1"        ) \
  X( BODY_EV,         "dmg/body/ev/v1"         ) \
  X( BODY_TX,         "dmg/body/tx/v1"         ) \
  X( BODY_NODE,       "dmg/body/node/v1"       ) \
  X( SET,             "dmg/set/v1"             ) \
  X( EPOCH,           "dmg/epoch/v1"           ) \
  X( EPOCH_SEED,      "dmg/epoch/seed/v1"      ) \
  X( SHUFFLE,         "dmg/shuffle/v1"         ) \
  X( NET_ID,          "dmg/net/id/v1"          ) \
  X( NET_BINDING,     "dmg/net/binding/v1"     ) \
  X( NET_BODY,        "dmg/net/body/v1"        ) \
  X( NET_RELAY,       "dmg/net/relay/v1"       ) \
  X( NET_SENTRY,      "dmg/net/sentry/v1"      ) \
  X( NET_GOSSIP,      "dmg/net/gossip/v1"      ) \
  X( NET_SHORT,       "dmg/net/short/v1"       ) \
  X( NET_SHRED,       "dmg/net/shred/v1"       ) \
  X( NET_SHRED_LEAF,  "dmg/net/shred/leaf/v1"  ) \
  X( NET_SHRED_NODE,  "dmg/net/shred/node/v1"  ) \
  X( LOGIN,           "dmg/login/v1"           ) \
  X( MESSAGE,         "dmg/message/v1"         )

typedef enum {
#define DMG_TAG_ENUM( name, text ) DMG_TAG_##name,
  DMG_TAG_TABLE( DMG_TAG_ENUM )
#undef DMG_TAG_ENUM
  DMG_TAG_CNT
} dmg_tag_t;

/* The tag's text; never NULL for a tag of the table. */
char const * dmg_tag_text( dmg_tag_t tag );

#endif
