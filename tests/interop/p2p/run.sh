#!/usr/bin/env bash
# run.sh INTEROP_PEER: foreign libp2p peers against our port (N12.1). A missing toolchain prints SKIP, which is counted and not a failure.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
peer=$(realpath "${1:?usage: run.sh INTEROP_PEER}")
skipped=0

skip() { echo "SKIP $1"; skipped=$((skipped+1)); }

node_major=$(node --version 2>/dev/null | sed -E 's/^v([0-9]+).*/\1/' || true)
if [ "${node_major:-0}" -ge 22 ]; then
  npm ci --ignore-scripts --silent --no-audit --no-fund --prefix "$here/js"
  node "$here/js/check.mjs" "$peer"
else
  skip "js-libp2p: it wants Node 22"
fi

if command -v go >/dev/null 2>&1; then
  out=$(mktemp -d)
  trap 'rm -rf "$out"' EXIT
  (cd "$here/go" && go build -o "$out/interop-go" .)
  "$out/interop-go" "$peer"
else
  skip "go-libp2p: no go on the PATH"
fi
echo "interop p2p: $skipped skipped"
