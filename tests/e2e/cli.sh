#!/usr/bin/env bash
# cli.sh DEMIURGE: the command line's promises: one document on stdout or an error on stderr, exit codes, keys, help, completion,
# a data folder that refuses what it must, a clean end by signal (F1.2 to F1.9, F2, point 10 of the node).
demiurge=$(readlink -f "$1")
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/e2e/lib.sh"
d() { "$demiurge" "$@"; }

# json NAME COMMAND..: succeeds and prints exactly one JSON document on stdout.
json() {
  local name=$1; shift
  "$@" >"$e2e_dir/out" 2>"$e2e_dir/err" || die "$name: $* gave $? $(cat "$e2e_dir/err")"
  python3 -c 'import json,sys; json.load(open(sys.argv[1]))' "$e2e_dir/out" || die "$name: no single document: $(out)"
  passed=$((passed+1)); printf 'ok   %s\n' "$name"
}
# json_error NAME CODE ERROR COMMAND..: fails with that code, an empty stdout and {"error": {"name": ERROR}} on stderr.
json_error() {
  local name=$1 code=$2 error=$3 got=0; shift 3
  "$@" >"$e2e_dir/out" 2>"$e2e_dir/err" || got=$?
  [ "$got" = "$code" ] || die "$name: exit code $got instead of $code: $(cat "$e2e_dir/out" "$e2e_dir/err")"
  [ ! -s "$e2e_dir/out" ] || die "$name: stdout is not empty: $(out)"
  python3 -c 'import json,sys; e=json.load(open(sys.argv[1]))["error"]; assert e["name"]==sys.argv[2] and e["exitCode"]==int(sys.argv[3]) and e["message"], e' "$e2e_dir/err" "$error" "$code" || die "$name: $(cat "$e2e_dir/err")"
  passed=$((passed+1)); printf 'ok   %s\n' "$name"
}

# ---- without a node
check "help"                    d help
check "help of a command"       grep -q -- --from <(d help transfer)
check "help of two words"       grep -q 'key new NAME' <(d help key new)
check "help of a noun"          grep -q 'key import' <(d help key)
check "--help behind"           grep -q -- --memo <(d transfer bob --help)
code=0; d >/dev/null || code=$?; [ "$code" = 2 ] || die "no command: exit code $code"
refuse "a noun alone"           2 "needs a verb: new import" d key
json_error "the error as JSON"  2 Usage d transfr -o json
json_error "JSON asked for last" 2 Usage d transfer bob 1 --form x -o json
json_error "no node"            4 Unavailable d status --rpc http://127.0.0.1:1/rpc -o json
json_error "no URL"             2 InvalidInput d status --rpc nonsense -o json
for shell in bash zsh; do
  d completion $shell >"$e2e_dir/completion.$shell"
  check "completion of $shell parses" bash -n "$e2e_dir/completion.$shell"
done
complete_key() { bash -c '. "$1"; COMP_WORDS=(demiurge key n); COMP_CWORD=2; _demiurge; printf "%s\n" "${COMPREPLY[@]}"' _ "$e2e_dir/completion.bash"; }
check "completion knows verbs"  grep -qx new <(complete_key)
check "fish quotes are even"    python3 -c 'import sys
for l in sys.stdin:
    s=l.replace("\\\\","").replace("\\'"'"'","")
    assert s.count("'"'"'")%2==0, l' < <(d completion fish)
refuse "no such shell"          2 "bash, zsh or fish" d completion tcsh

printf '[rpc]\nprot = 1\nthreads = 0\n' >"$e2e_dir/bad.toml"
refuse "nearest key"            2 "rpc.prot; the nearest known one is rpc.port" d config check "$e2e_dir/bad.toml"
grep -q 'rpc.threads wants' "$e2e_dir/err" || die "only the first mistake was told"
json_error "config errors as JSON" 2 InvalidConfig d config check "$e2e_dir/bad.toml" -o json
printf '[client]\nrpc = "http://h/\\"quoted\\""\n' >"$e2e_dir/good.toml"
json "config check"             d config check "$e2e_dir/good.toml" -o json
json "config show, odd values"  d config show "$e2e_dir/good.toml" -o json
check "--origin"                grep -q 'good.toml:2' <(d config show "$e2e_dir/good.toml" --origin)

# ---- keys
export DEMIURGE_PASSPHRASE_FD=9
newkey() { d key new "$1" -o json 9<<<"${2-pass}"; }
json "key new"                  newkey mine
[ "$(stat -c %a "$DEMIURGE_KEYS/mine.json")" = 600 ] || die "the key file is not 0600"
[ "$(stat -c %a "$DEMIURGE_KEYS")" = 700 ] || die "the key folder is not 0700"
words=$(grep -E '^ +([a-z]+ ){11}[a-z]+$' "$e2e_dir/err") || die "no words on stderr"
first=$(sed -n 's/.*"address":"\([^"]*\)".*/\1/p' "$e2e_dir/out")
import() { d key import again -o json 9<<<"other" <<<"$words"; }
json "key import"               import
[ "$first" = "$(sed -n 's/.*"address":"\([^"]*\)".*/\1/p' "$e2e_dir/out")" ] || die "the words give another address"
badwords() { d key import bad 9<<<"p" <<<"abandon abandon abandon"; }
refuse "bad words"              2 "mnemonic" badwords
refuse "an empty passphrase"    7 "empty" newkey empty ""
closed() { d key new closed 9<&-; }
refuse "a closed descriptor"    7 "gives no passphrase" closed
[ ! -e "$DEMIURGE_KEYS/closed.json" ] || die "a key was written without a passphrase"
refuse "a bad name"             2 "a key's name" newkey ../x
printf 'mine, but unreadable' >"$DEMIURGE_KEYS/junk.json"
refuse "a damaged file is not written over" 2 "already" newkey junk
json "key list"                 d key list -o json
sign() { d key sign mine hello -o json 9<<<"pass"; }
json "key sign"                 sign
nosign() { d key sign mine hello -o json 9<<<"wrong"; }
json_error "wrong passphrase"   7 KeyLocked nosign
noexport() { d key export mine 9<<<"pass" </dev/null; }
refuse "export asks"            8 "--yes" noexport

# ---- a node
start
json "status"                   d status -o json
json "balance"                  d balance alice -o json
json "account"                  d account show alice -o json
json "block"                    d block show -o json
json "transfer"                 d transfer bob 1 --from alice --yes -o json
json "transfer, not waiting"    d transfer bob 1 --from alice --yes --wait none -o json
before=$(d rpc tx_nonces "{\"account\":\"$(d account show alice | sed -n 's/^account *//p')\",\"lanes\":[0]}")
refuse "--wait is checked first" 2 "--wait is" d transfer bob 1 --from alice --yes --wait soon
[ "$before" = "$(d rpc tx_nonces "{\"account\":\"$(d account show alice | sed -n 's/^account *//p')\",\"lanes\":[0]}")" ] || die "a transaction was sent all the same"
json_error "refused by the chain" 3 ChainRefused d transfer bob 99999999 --from alice --yes -o json
json_error "confirmation"       8 ConfirmationNeeded d transfer bob 1 --from alice -o json
refuse "an odd module name"     5 "no module" d call 'bal"ances' transfer 0x00 --from alice --yes
refuse "PARAMS is no JSON"      2 "no JSON" d rpc chain_head '{"a":'
refuse "an unknown method"      2 "" d rpc no_such
refuse "odd hex"                2 "0x hex" d call balances transfer 0x123 --from alice --yes
json "doctor"                   d doctor -o json
kill -INT "$node_pid"; code=0; wait "$node_pid" || code=$?; node_pid=
[ "$code" = 0 ] || die "Ctrl-C: exit code $code"
grep -q 'stopping' "$e2e_dir/node.log" || die "it does not say that it stops"

# ---- a data folder
data=$e2e_dir/data
start --data "$data"
check "a transfer"              d transfer bob 3 --from alice --yes
refuse "a second process"       2 "in use by process $node_pid" d dev --port 0 --data "$data"
head=$(d status | sed -n 's/^final *//p')
kill -TERM "$node_pid"; code=0; wait "$node_pid" || code=$?; node_pid=
[ "$code" = 0 ] || die "SIGTERM: exit code $code"
start --data "$data"
[ "$(d status | sed -n 's/^final *//p')" -ge "$head" ] || die "the head went back"
check "the balance came back"   grep -q '^free       1000003 CGT' <(d balance bob)
refuse "export beside a node"   2 "in use by process" d signer export --data "$data"
stop
json "signer export"            d signer export --data "$data"
cp "$e2e_dir/out" "$e2e_dir/marks.json"
json "signer import"            d signer import "$e2e_dir/marks.json" --data "$data"
refuse "an import of another"   3 "chain and key" d signer import <(sed 's/"key":"0x../"key":"0x00/' "$e2e_dir/marks.json") --data "$data"
refuse "an import of no JSON"   2 "expected value" d signer import "$e2e_dir/bad.toml" --data "$data"
start --data "$data"
check "it goes on above them"   d transfer bob 1 --from alice --yes
stop
cp -r "$data" "$e2e_dir/unsafe"; rm "$e2e_dir/unsafe/safety.bin"
refuse "no record of votes"     1 "safety.bin is missing" d dev --port 0 --data "$e2e_dir/unsafe"
cp -r "$data" "$e2e_dir/other"; rm "$e2e_dir/other/genesis.bin"
refuse "another chain's folder" 2 "belongs to genesis" d dev --port 0 --data "$e2e_dir/other"
cp -r "$data" "$e2e_dir/newer"; sed -i 's/store 2\.0/store 9.0/' "$e2e_dir/newer/STORE"
refuse "a newer format"         2 "newer demiurge" d dev --port 0 --data "$e2e_dir/newer"
cp -r "$data" "$e2e_dir/torn"; : >"$e2e_dir/torn/genesis.bin"
refuse "a damaged genesis"      2 "genesis" d dev --port 0 --data "$e2e_dir/torn"
refuse "a file for a folder"    2 "--data" d dev --port 0 --data "$e2e_dir/bad.toml"
if [ "$(id -u)" != 0 ]; then
  mkdir "$e2e_dir/ro"; chmod 500 "$e2e_dir/ro"
  refuse "a read-only folder"   2 "--data" d dev --port 0 --data "$e2e_dir/ro"
fi
refuse "too large a body"       2 "--body-max is" d dev --port 0 --body-max 4194304
refuse "a bad pace"             2 "auto, manual or a pace" d dev --port 0 --blocks 5ms
refuse "a bad port"             2 "rpc.port wants" d dev --port 70000
refuse "a port in use"          2 "cannot listen" bash -c 'exec 3<>/dev/null; python3 - "$0" <<"PY"
import socket,subprocess,sys
s=socket.socket(); s.bind(("127.0.0.1",0)); s.listen(1)
r=subprocess.run([sys.argv[1],"dev","--port",str(s.getsockname()[1])])
sys.exit(r.returncode)
PY' "$demiurge"
printf '%d passed, 0 failed\n' "$passed"
