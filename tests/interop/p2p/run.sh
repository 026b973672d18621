#!/usr/bin/env bash
# run.sh INTEROP_PEER INTEROP_NODE: foreign libp2p peers against our port, and one mesh of 12 with them (N12.1). A missing toolchain prints SKIP, which is counted
# and not a failure.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
peer=$(realpath "${1:?usage: run.sh INTEROP_PEER INTEROP_NODE}")
node=$(realpath "${2:?usage: run.sh INTEROP_PEER INTEROP_NODE}")
skipped=0 has_js='' has_go=''

skip() { echo "SKIP $1"; skipped=$((skipped+1)); }

node_major=$(node --version 2>/dev/null | sed -E 's/^v([0-9]+).*/\1/' || true)
if [ "${node_major:-0}" -ge 22 ]; then
  npm ci --ignore-scripts --silent --no-audit --no-fund --prefix "$here/js"
  has_js=1
  node "$here/js/check.mjs" "$peer"
else
  skip "js-libp2p: it wants Node 22"
fi

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
if ! command -v go >/dev/null 2>&1; then
  skip "go-libp2p: no go on the PATH"
elif ! (cd "$here/go" && go mod download) >"$out/log" 2>&1; then
  skip "go-libp2p: this go cannot have its modules: $(tail -n 1 "$out/log")"
else
  (cd "$here/go" && go build -o "$out/interop-go" .)
  has_go=1
  "$out/interop-go" "$peer"
fi

if [ -n "$has_js" ] && [ -n "$has_go" ]; then
  node "$here/js/mesh.mjs" "$node" "$out/interop-go"
else
  skip "a mixed mesh of 12: it wants js and go"
fi
echo "interop p2p: $skipped skipped"
