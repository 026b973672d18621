# shellcheck shell=bash disable=SC2154
# Helpers of the end-to-end tests: a dev chain of our own on a free port, checks that name what they saw.
set -euo pipefail

e2e_dir=$(mktemp -d "${TMPDIR:-/tmp}/dmg-e2e.XXXXXX")
node_pid=
# No configuration or key of the user's reaches a test; the cache of compiled modules does.
export XDG_CACHE_HOME=${E2E_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}}
export HOME=$e2e_dir DEMIURGE_KEYS=$e2e_dir/keys

cleanup() { [ -z "$node_pid" ] || { kill "$node_pid" 2>/dev/null || true; wait "$node_pid" 2>/dev/null || true; }; rm -rf "$e2e_dir"; }
trap cleanup EXIT

die() { printf 'FAILED: %s\n' "$*" >&2; [ ! -f "$e2e_dir/node.log" ] || tail -n 20 "$e2e_dir/node.log" >&2; exit 1; }

# start ARGS..: `demiurge dev` on a free port; sets node_pid and DEMIURGE_CLIENT_RPC.
start() {
  mkfifo "$e2e_dir/ready"
  "$demiurge" dev --port 0 --ready-fd 3 -o json "$@" 3>"$e2e_dir/ready" >"$e2e_dir/node.json" 2>"$e2e_dir/node.log" &
  node_pid=$!
  read -r -t 60 -n 1 <"$e2e_dir/ready" || die "no chain after 60 s"
  rm "$e2e_dir/ready"
  DEMIURGE_CLIENT_RPC=$(sed -n 's/.*"rpc":"\([^"]*\)".*/\1/p' "$e2e_dir/node.json")
  [ -n "$DEMIURGE_CLIENT_RPC" ] || die "the ready document names no rpc: $(cat "$e2e_dir/node.json")"
  export DEMIURGE_CLIENT_RPC
}
stop() { kill "$node_pid"; wait "$node_pid" 2>/dev/null || true; node_pid=; }

passed=0
# check NAME COMMAND..: the command succeeds.
check() { local name=$1; shift; "$@" >"$e2e_dir/out" 2>"$e2e_dir/err" || die "$name: $* gave $? $(cat "$e2e_dir/out" "$e2e_dir/err")"; passed=$((passed+1)); printf 'ok   %s\n' "$name"; }
# refuse NAME CODE TEXT COMMAND..: it fails with that exit code and says TEXT on stderr, nothing on stdout.
refuse() {
  local name=$1 code=$2 text=$3 got=0; shift 3
  "$@" >"$e2e_dir/out" 2>"$e2e_dir/err" || got=$?
  [ "$got" = "$code" ] || die "$name: exit code $got instead of $code: $(cat "$e2e_dir/out" "$e2e_dir/err")"
  grep -qF -- "$text" "$e2e_dir/err" || die "$name: stderr lacks '$text': $(cat "$e2e_dir/err")"
  passed=$((passed+1)); printf 'ok   %s\n' "$name"
}
out() { cat "$e2e_dir/out"; }

# tamper PART: bad.json is proof.json with the last digit of its value, or of a part of its proof, another one.
tamper() {
  python3 - "$1" "$e2e_dir" <<'PY'
import json, sys
part, folder = sys.argv[1:]
doc = json.load(open(f"{folder}/proof.json"))
at = doc if part == "value" else doc["proof"]
at[part] = at[part][:-1] + ("0" if at[part][-1] != "0" else "1")
json.dump(doc, open(f"{folder}/bad.json", "w"))
PY
}
