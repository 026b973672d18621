#!/usr/bin/env bash
# cli.sh DEMIURGE: the command line's promises: one document on stdout or an error on stderr, exit codes, keys, help, man pages, completion,
# transactions step by step, several keys, streams, a terminal, a data folder that refuses what it must, a clean end by signal
# (F1.2 to F1.9, F2, F4.4, point 10 of the node).
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

# get FIELD COMMAND..: one member of the answer.
get() { local field=$1; shift; "$@" --fields "$field"; }
# is NAME WANT GOT
is() { [ "$2" = "$3" ] || die "$1: '$3' instead of '$2'"; passed=$((passed+1)); printf 'ok   %s\n' "$1"; }

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
json_error "an unknown flag"    2 Usage d status --form x -o json
refuse "a flag's beginning"     2 "did you mean --threads?" d dev --thread 1
refuse "a flag's longer form"   2 "did you mean --data?" d dev --data-dir x
refuse "a flag of other tools"  2 "did you mean -o json?" d status --json
is "-V is --version"            "$(d --version)" "$(d -V)"
refuse "a flag of others"       2 "has no flag --lane" d status --lane 1
refuse "no such form"           2 "-o is one of text|json|jsonl|csv" d status -o xml
refuse "no such wait"           2 "--wait is one of" d transfer bob 1 --from alice --yes --wait soon
refuse "a switch has no value"  2 "takes no value" d transfer bob 1 --dry-run=1
refuse "not a timeout"          2 "--timeout wants" d status --timeout=0
refuse "a command, mistyped"    2 "did you mean transfer?" d help trasnfer
refuse "no such network"        2 "--network: there is no network nowhere" d status --network nowhere
refuse "no such network by environment" 2 "DEMIURGE_CLIENT_NETWORK: client.network wants dev, or a chain" env DEMIURGE_CLIENT_NETWORK=nowhere "$demiurge" status
refuse "a URL without scheme"   2 "--rpc: client.rpc wants a URL like http://127.0.0.1:7369/rpc, got \"127.0.0.1:7369\"" d status --rpc 127.0.0.1:7369
refuse "the same by environment" 2 "DEMIURGE_CLIENT_RPC: client.rpc wants a URL" env DEMIURGE_CLIENT_RPC=127.0.0.1:7369 "$demiurge" status
refuse "an address that is none" 2 "DEMIURGE_RPC_ADDRESS: rpc.address wants an IPv4 or IPv6 address" env DEMIURGE_RPC_ADDRESS=localhost "$demiurge" dev --port 0
refuse "a flag's bad value"     2 "--threads: rpc.threads wants a number from 0 to 64, got \"65\"" d dev --threads 65
json_error "no URL"             2 InvalidInput d status --rpc nonsense -o json
for shell in bash zsh; do
  d completion $shell >"$e2e_dir/completion.$shell"
  check "completion of $shell parses" bash -n "$e2e_dir/completion.$shell"
done
# complete WORD..: what the bash script offers at the last word.
complete() { bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(( $#-1 )); _demiurge; printf "%s\n" "${COMPREPLY[@]}"' _ "$e2e_dir/completion.bash" "$demiurge" "$@"; }
check "completion: commands"    grep -qx transfer <(complete tr)
check "completion: verbs"       grep -qx new <(complete key n)
check "completion: flags"       grep -qx -- --dry-run <(complete transfer bob 1 --d)
check "completion: topics"      grep -qx events <(complete sub ev)
check "completion: of an option" grep -qx alice <(complete sub events --account al)
check "completion: choices"     grep -qx included <(complete transfer bob 1 --wait in)
check "completion: names"       grep -qx alice <(complete balance al)
! complete block show --la | grep -q lane || die "completion offers a flag that the command has not"
check "fish asks the binary"    grep -q __complete <(d completion fish)
refuse "no such shell"          2 "bash, zsh or fish" d completion tcsh

check "man pages"               d help --man-dir "$e2e_dir/man"
while read -r noun verb _; do
  [ -f "$e2e_dir/man/demiurge-$noun.1" ] || [ -f "$e2e_dir/man/demiurge-$noun-$verb.1" ] || [ "$noun" = help ] || [ "$noun" = completion ] || die "no man page of $noun $verb"
done < <(d help | sed -n '/^usage/,/^flags/p' | grep '^  [a-z]')
for flag in --from --dry-run --wait --memo --proof --network; do grep -qF -- "${flag//-/\\-}" "$e2e_dir/man/demiurge-transfer.1" || die "the man page of transfer lacks $flag"; done
if command -v groff >/dev/null; then
  for page in "$e2e_dir"/man/*.1; do groff -man -ww -z -Tutf8 "$page" >"$e2e_dir/groff" 2>&1; [ ! -s "$e2e_dir/groff" ] || die "$page: $(cat "$e2e_dir/groff")"; done
  passed=$((passed+1)); echo "ok   groff has nothing to say"
else echo "SKIP man pages by groff: it is not installed"; fi

printf '[rpc]\nprot = 1\nthreads = 65\n' >"$e2e_dir/bad.toml"
refuse "nearest key"            2 "rpc.prot; the nearest known one is rpc.port" d config check "$e2e_dir/bad.toml"
grep -q 'rpc.threads wants' "$e2e_dir/err" || die "only the first mistake was told"
json_error "config errors as JSON" 2 InvalidConfig d config check "$e2e_dir/bad.toml" -o json
printf '[client]\nrpc = "http://h/\\"quoted\\""\n' >"$e2e_dir/good.toml"
json "config check"             d config check "$e2e_dir/good.toml" -o json
json "config show, odd values"  d config show "$e2e_dir/good.toml" -o json
is "--fields"                   "http://h/\"quoted\"" "$(d config check "$e2e_dir/good.toml" --fields file >/dev/null && d config show "$e2e_dir/good.toml" -o jsonl | python3 -c 'import json,sys; print(json.load(sys.stdin)["client.rpc"]["value"])')"
refuse "no such field"          2 "has no field nope; it has file, valid" d config check "$e2e_dir/good.toml" --fields nope
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
# A key whose words were not shown would be lost with its file.
nofield() { d key new lost --fields nope 9<<<"p"; }
refuse "a field it has not"     2 "no field nope, only name, address, scheme, key; nothing" nofield
[ ! -e "$DEMIURGE_KEYS/lost.json" ] || die "a key was written whose words were not shown"
check "a dev account's name"    newkey judy
grep -q "judy is a dev chain's account, too" "$e2e_dir/err" || die "it does not say what judy means now: $(cat "$e2e_dir/err")"
rm "$DEMIURGE_KEYS/judy.json"
printf 'mine, but unreadable' >"$DEMIURGE_KEYS/junk.json"
refuse "a damaged file is not written over" 2 "already" newkey junk
json "key list"                 d key list -o json
sign() { d key sign mine hello -o json 9<<<"pass"; }
json "key sign"                 sign
nosign() { d key sign mine hello -o json 9<<<"wrong"; }
json_error "wrong passphrase"   7 KeyLocked nosign
newscheme() { d key new "k-$1" --scheme "$1" -o json 9<<<"p" 2>"$e2e_dir/words"; }
json "a secp256k1 key"          newscheme secp256k1
json "a P-256 key"              newscheme p256
export_p256() { d key export k-p256 --yes 9<<<"p" </dev/null; }
secret=$(export_p256)
import_p256() { d key import p2 --scheme p256 --secret -o json 9<<<"p" <<<"$secret"; }
json "a secret comes back"      import_p256
is "as the same account"        "$(d key list -o csv --fields name,address | sed -n 's/^k-p256,//p')" "$(d key list -o csv --fields name,address | sed -n 's/^p2,//p')"
nowords() { d key import p3 --scheme p256 9<<<"p" <<<"$words"; }
refuse "P-256 has no words"     2 "--secret" nowords
refuse "no such scheme"         2 "one of ed25519|secp256k1|p256" d key new x --scheme rsa
# F10.7 against the published accounts: index 1 of the dev mnemonic is bob.
bob_key() { d key import bob2 --index 1 -o json 9<<<"p" <<<"test test test test test test test test test test test junk"; }
json "another index"            bob_key
grep -q dmg1pmp33887tg9rkgwh4nf4yjk62q9e86kldcc24vq6r96negzlvfcsg0ghz2 "$e2e_dir/out" || die "index 1 is not bob: $(out)"
sed 's/"Secp256k1"/"P256"/' "$DEMIURGE_KEYS/k-secp256k1.json" >"$DEMIURGE_KEYS/swapped.json"
swapped() { d key sign swapped hello 9<<<"p"; }
refuse "another scheme's name"  7 "was altered" swapped
is "a list as csv"              "name,scheme" "$(d key list -o csv --fields name,scheme | head -n 1)"
noexport() { d key export mine 9<<<"pass" </dev/null; }
refuse "export asks"            8 "--yes" noexport
unattended() { d "$@" </dev/null; }
refuse "removing asks"          8 "add --yes" unattended key remove p2
grep -q "by whoever has" "$e2e_dir/err" || die "it does not say what is lost: $(cat "$e2e_dir/err")"
grep -q "key export p2" "$e2e_dir/err" || die "it does not say what brings it back: $(cat "$e2e_dir/err")"
[ -f "$DEMIURGE_KEYS/p2.json" ] || die "a key is gone that nobody confirmed"
json "key remove"               unattended key remove p2 --yes -o json
[ ! -e "$DEMIURGE_KEYS/p2.json" ] || die "the key is still there"
refuse "it is gone"             5 "there is no key or account p2" unattended key remove p2 --yes
refuse "a dev name has no file" 5 "alice is an account of the dev chain and has no file" unattended key remove alice --yes
check "a file that is no key"   unattended key remove junk --yes
check "completion: key remove"  grep -qx mine <(complete key remove mi)
# A folder that is there and is none, or is a link to what is gone, is not one without keys.
touch "$e2e_dir/nofolder"; ln -s "$e2e_dir/unmounted" "$e2e_dir/lostlink"
broken() { DEMIURGE_KEYS=$e2e_dir/$1 d "${@:2}" 9<<<"p" </dev/null; }
for at in nofolder nofolder/keys lostlink; do
  for command in "key list" "key sign mine x" "key export mine --yes" "key remove mine --yes" "account show mine" "multisig create m alice mine"; do
    # shellcheck disable=SC2086
    refuse "$at: $command"      7 "the folder of keys $e2e_dir/$at cannot be read: N" broken $at $command
  done
  refuse "$at: key new"         7 "the folder of keys $e2e_dir/$at cannot be written: N" broken $at key new x
done
if [ "$(id -u)" != 0 ]; then
  mkdir "$e2e_dir/shut"; chmod 000 "$e2e_dir/shut"
  refuse "a folder that is shut" 7 "Permission denied (it belongs to user $(id -u) with mode 000" broken shut key list
else echo "SKIP a folder of another user: root may read it"; fi
refuse "no threshold"           2 "--threshold is how many of the 3 keys named must sign to use the account: 1 to 3, not 0" d multisig create m alice bob carol --threshold 0
refuse "above its keys"         2 "1 to 3, not 4" d multisig create m alice bob carol --threshold 4
refuse "above its keys by far"  2 "1 to 3, not 17" d multisig create m alice bob carol --threshold 17
refuse "no owner"               2 "--owner is how many of the 3 keys named must sign to change its keys: 1 to 3, not 0" d multisig create m alice bob carol --owner 0
refuse "a key twice"            2 "alice is named twice" d multisig create m alice bob alice
refuse "too many keys"          2 "an account has 1 to 16 keys, these are 17" d multisig create m $(seq -f dev%g 11 27)
[ ! -e "$DEMIURGE_KEYS/m.json" ] || die "an account was written that is none"

# ---- a node
start
json "status"                   d status -o json
json "balance"                  d balance alice -o json
json "account"                  d account show alice -o json
json "block"                    d block show -o json
json "transfer"                 d transfer bob 1 --from alice --yes -o json
json "transfer, not waiting"    d transfer bob 1 --from alice --yes --wait none -o json
# What it did: calls and events by the modules' interfaces, amounts in CGT for people and in sparks for programs.
id=$(d call balances transfer_many '{"payments":[{"to":"bob","amount":"150000000"},{"to":"carol","amount":"5"}]}' --from alice --yes --fields fields.id)
alice=$(get address d account show alice); bob=$(get address d account show bob); carol=$(get address d account show carol)
check "tx receipt"              d tx receipt "$id"
for line in "from         $alice" "call         balances.transfer_many payments [{to $bob, amount 1.5 CGT}, {to $carol, amount 0.00000005 CGT}]" "event        balances.TransferredMany from $alice, to $bob, amount 1.5 CGT"; do
  grep -qxF -- "$line" "$e2e_dir/out" || die "tx receipt lacks '$line': $(out)"
done
json "tx receipt as JSON"       d tx receipt "$id" -o json
python3 - "$e2e_dir/out" "$alice" "$bob" "$carol" <<'PY' || die "$(out)"
import json, sys
a, (alice, bob, carol) = json.load(open(sys.argv[1])), sys.argv[2:]
(call,), events = a["calls"], a["events"]
assert a["sender"] == alice and (call["moduleName"], call["name"]) == ("balances", "transfer_many"), call
assert call["args"] == {"payments": [{"to": bob, "amount": "150000000"}, {"to": carol, "amount": "5"}]}, call
assert [(e["moduleName"], e["name"]) for e in events] == [("balances", "TransferredMany")]*2 and events[1]["fields"] == {"from": alice, "to": carol, "amount": "5"}, events
PY
before=$(d rpc tx_nonces "{\"account\":\"$(d account show alice | sed -n 's/^account *//p')\",\"lanes\":[0]}")
refuse "--wait is checked first" 2 "--wait is one of" d transfer bob 1 --from alice --yes --wait soon
# Exit code 2 says that nothing was done: who mistypes a field does not pay first.
refuse "and so is --fields"     2 "no field nope, only at, index, sender, calls, events, receipt, fields; nothing" d transfer bob 1 --from alice --yes --fields nope
refuse "with --wait too"        2 "no field at, only id" d transfer bob 1 --from alice --yes --wait pooled --fields at
[ "$before" = "$(d rpc tx_nonces "{\"account\":\"$(d account show alice | sed -n 's/^account *//p')\",\"lanes\":[0]}")" ] || die "a transaction was sent all the same"
json_error "refused by the chain" 3 balances.InsufficientBalance d transfer bob 99999999 --from alice --yes -o json
json_error "confirmation"       8 ConfirmationNeeded d transfer bob 1 --from alice -o json
refuse "an odd module name"     5 "no module" d call 'bal"ances' transfer 0x00 --from alice --yes
refuse "PARAMS is no JSON"      2 "no JSON" d rpc chain_head '{"a":'
refuse "an unknown method"      2 "" d rpc no_such
refuse "a path that is none"    4 "answered HTTP 404: there are /rpc " d status --rpc "${DEMIURGE_CLIENT_RPC%/rpc}/rcp"
refuse "a block to come"        5 "the head is at height" d balance alice --at 4294967296
refuse "odd hex"                2 "0x hex" d call balances transfer 0x123 --from alice --yes
json "doctor"                   d doctor -o json

# ---- what is asked, and in which form
json_error "arguments by type"  2 InvalidInput d call balances burn '{"amount":1}' --from dave --yes -o json
refuse "path, expected, got"    2 'argument payments[1].amount wants amount in sparks, a decimal string like "7", got 5' d call balances transfer_many '{"payments":[{"to":"bob","amount":"1"},{"to":"bob","amount":5}]}' --from dave --yes
refuse "a call it has not"      5 "balances has no call brn; it has transfer, " d call balances brn '["1"]' --from dave --yes
refuse "a query it has not"     5 "balances has no query suply; it has " d query balances suply
refuse "arguments of no form"   2 "the arguments: wanted " d call balances burn 7 --from dave --yes
refuse "an unknown argument"    2 "x wants one of amount" d call balances burn '{"amount":"1","x":1}' --from dave --yes
refuse "too many by place"      2 "[1] wants 1 arguments" d call balances burn '["1","2"]' --from dave --yes
check "a call in JSON"          d call balances transfer_many '{"payments":[{"to":"bob","amount":"1"},{"to":"carol","amount":"2"}]}' --from dave --yes
check "arguments by place"      d call balances burn '["100"]' --from dave --yes
printf '{"amount":"7"}\n' >"$e2e_dir/args"
check "arguments of a file"     d call balances burn "@$e2e_dir/args" --from dave --yes
json "a query in JSON"          d query balances get '{"account":"alice"}' -o json
python3 -c 'import json,sys; a=json.load(open(sys.argv[1])); assert set(a)=={"at","result"} and set(a["result"])=={"free","held","locked","spendable"}' "$e2e_dir/out" || die "the result: $(out)"
is "at a block"                 100000000000000 "$(get result.free d query balances get '["alice"]' --at 1)"
is "a balance at a block"       100000000000000 "$(get free d balance alice --at 1)"
refuse "no block"               2 "a block is head, final" d balance alice --at yesterday
is "jsonl is a line an item"    "$(d rpc dev_accounts | grep -o '"name"' | wc -l)" "$(d rpc dev_accounts -o jsonl | wc -l)"
d rpc dev_accounts -o csv >"$e2e_dir/csv"
is "csv"                        "name,address" "$(head -n 1 "$e2e_dir/csv")"
is "csv rows"                   11 "$(( $(wc -l <"$e2e_dir/csv")-1 ))"
is "csv quotes"                 '"{""kind"":""unknown""}"' "$(d tx status "0x$(printf '0%.0s' {1..64})" -o csv --fields status | tail -n 1)"
is "tabs between fields"        "dev	false" "$(d status --fields kind,isSupplyBroken)"
caip=$(get caip2 d status)
json "the network by id"        d status --network "$caip" -o json
json "the network by name"      d status --network dev -o json
json_error "another network"    3 WrongNetwork d balance alice --network "demiurge:$(printf '0%.0s' {1..32})" -o json
DEMIURGE_CLIENT_NETWORK=demiurge:$(printf '0%.0s' {1..32}) refuse "another network by setting" 3 "nothing was done" d transfer bob 1 --from alice --yes
alice=$(get address d account show alice)
is "CAIP-10"                    "$(get free d balance alice)" "$(get free d balance "$caip:$alice")"
refuse "CAIP-10 of another chain" 2 "another chain" d balance "demiurge:$(printf '0%.0s' {1..32}):$alice"
check "completion: modules"     grep -qx balances <(complete call b)
check "completion: calls"       grep -qx transfer_many <(complete call balances transfer_)
check "completion: queries"     grep -qx supply <(complete query balances s)

# ---- a transaction step by step
nonce() { d rpc tx_nonces "{\"account\":\"$alice\"}" -o json | sed 's/.*"next":"\([0-9]*\)".*/\1/'; }
before=$(nonce)
json "--dry-run"                d transfer bob 1 --from alice --dry-run -o json
python3 -c 'import json,sys; a=json.load(open(sys.argv[1])); assert a["events"][0]["event"]=="Transferred" and a["events"][0]["fields"]["amount"]=="100000000", a' "$e2e_dir/out" || die "$(out)"
is "which sends nothing"        "$before" "$(nonce)"
bob=$(get address d account show bob); judy=$(get address d account show judy); heidi=$(get address d account show heidi)
# F1.5: the assets that would move, as they then do; transfer_all leaves what the fee reserves.
moves() { python3 -c 'import json,sys; a=json.load(open(sys.argv[1])); print(a["status"], *sorted((int(c["in"])-int(c["out"]), c["asset"]["kind"], c["account"]) for c in a["diff"]))' "$e2e_dir/out"; }
is "the diff of a transfer"     "OK (-100000000, 'Cgt', '$alice') (100000000, 'Cgt', '$bob')" "$(moves)"
before=$(get free d balance heidi); had=$(get free d balance judy)
json "a whole balance"          d call balances transfer_all '["judy"]' --from heidi --dry-run -o json
cp "$e2e_dir/out" "$e2e_dir/all"
check "goes"                    d call balances transfer_all '["judy"]' --from heidi --yes
python3 - "$e2e_dir/all" "$heidi" "$judy" "$before" "$(get free d balance heidi)" "$had" "$(get free d balance judy)" <<'PY' || die "the preview was not what happened: $(cat "$e2e_dir/all")"
import json, sys
said, heidi, judy = json.load(open(sys.argv[1])), sys.argv[2], sys.argv[3]
before, after, had, has = map(int, sys.argv[4:])
diff = {c["account"]: int(c["in"])-int(c["out"]) for c in said["diff"]}
assert diff == {heidi: after+int(said["fee"])-before, judy: has-had} and int(said["fee"]) > 0 and 0 < after < 10**6, (diff, before, after, had, has)
PY
check "and comes back"          d call balances transfer '{"to":"heidi","amount":"50000000000000","memo":"0x"}' --from judy --yes
# The last spark cannot be sent and pay its fee too: known before it is signed.
refuse "all there is"           3 "the account has 1000000 CGT to spend, which does not cover 1000000 CGT and a fee of up to 0.0" d transfer bob "$(get free d balance ivan)sparks" --from ivan --yes
refuse "more than there is"     3 "the account has 1000000 CGT to spend, which does not cover 1000001 CGT and the fee" d call balances transfer_many '{"payments":[{"to":"bob","amount":"100000000000000"},{"to":"bob","amount":"100000000"}]}' --from ivan --yes
# What would do is said, and does.
refuse "too little gas"         3 "its gas limit is 100, and " d transfer bob 1 --from ivan --gas 100 --yes
check "what would do"           d transfer bob 1 --from ivan --gas "$(sed -n 's/.*, and \([0-9]*\) would do.*/\1/p' "$e2e_dir/err")" --yes
refuse "too little fee"         3 "below the reserve: 0.00000001 CGT, at least " d transfer bob 1 --from ivan --fee-max 1sparks --gas 60000 --yes
least=$(sed -n 's/.*at least \([0-9.]*\) CGT.*/\1/p' "$e2e_dir/err")
check "what would do, of fee"   d transfer bob 1 --from ivan --fee-max "$least" --gas 60000 --yes
refuse "one spark less"         3 "at least $least CGT is needed" d transfer bob 1 --from ivan --fee-max "$(python3 -c 'import sys; print(round(float(sys.argv[1])*10**8)-1)' "$least")sparks" --gas 60000 --yes
refuse "a tip above all"        2 "--tip is a part of --fee-max, so not more than it: 2 CGT, and --fee-max is 1 CGT" d transfer bob 1 --from ivan --tip 2 --fee-max 1 --yes
refuse "a fee that is not there" 3 "is below the reserve and the deposits of the account: " d transfer bob 1 --from ivan --tip 2000000 --fee-max 2000001 --yes
for amount in -1 0 0.000000001 13000000000.00000001 99999999999999999999999 1300000000000000001sparks one; do
  refuse "no amount: $amount"   2 "AMOUNT wants 0.00000001 CGT to 13000000000 CGT, all there is, with at most 8 decimals (12.5), or in sparks (1250000000sparks), not \"$amount\"" d transfer bob $amount --from ivan --yes
done
refuse "no tip"                 2 "--tip wants 0 CGT to 13000000000 CGT" d transfer bob 1 --from ivan --tip -1 --yes
refuse "no gas"                 2 "--gas wants a number from 1" d transfer bob 1 --from ivan --gas 0 --yes
refuse "no fee"                 2 "--fee-max wants" d transfer bob 1 --from ivan --fee-max 0 --yes
check "--yes shows it too"      d transfer carol 1.5 --from ivan --yes
grep -q '^  diff -1.5 CGT  ivan (dmg1' "$e2e_dir/err" || die "it is not shown: $(cat "$e2e_dir/err")"
grep -q '^  diff +1.5 CGT  carol (dmg1' "$e2e_dir/err" || die "it is not shown: $(cat "$e2e_dir/err")"
check "but not with -q"         d transfer bob 1 --from ivan --yes -q
[ ! -s "$e2e_dir/err" ] || die "-q, and talk: $(cat "$e2e_dir/err")"
check "nor with JSON"           d transfer bob 1 --from ivan --yes -o json
[ ! -s "$e2e_dir/err" ] || die "JSON, and talk: $(cat "$e2e_dir/err")"
refuse "nobody to ask, shown"   8 "  diff -1 CGT  ivan" d transfer bob 1 --from ivan
# The fee maximum is that of the gas limit that is signed, with the tip: twice what it reserves (R5.9).
member() { sed "s/.*\"$1\":\"\([0-9]*\)\".*/\1/" "$e2e_dir/out"; }
intrinsic=$(d rpc tx_estimate "[\"$(d tx build system note '["0x01"]' --from alice -q)\"]" | sed 's/.*"intrinsic":"\([0-9]*\)".*/\1/')
price=$(get price d status)
for gas in 100000 20000000; do
  d call system note '["0x01"]' --from alice --gas $gas --tip 7sparks --dry-run -o json >"$e2e_dir/out"
  is "fee maximum of $gas gas"  "$(( 2*( ( ( intrinsic+gas )*price+999999 )/1000000+7 ) ))" "$(member feeMax)"
done
check "a limit above the estimate" d call system note '["0x01"]' --from alice --gas 20000000 --yes
check "and one below"           d call system note '["0x01"]' --from alice --gas 100000 --yes
tx=$(d tx build balances transfer '{"to":"bob","amount":"5","memo":"0x"}' --from alice -q)
json "tx preview"               d tx preview "$tx" -o json
python3 - "$e2e_dir/out" "$alice" "$bob" <<'PY' || die "$(out)"
import json, sys
a = json.load(open(sys.argv[1]))
assert list(a) == ["id", "gas", "gasToSet", "feeMax", "status", "gasUsed", "energy", "fee", "held", "returned", "diff", "events"], list(a)
assert {c["account"]: int(c["in"])-int(c["out"]) for c in a["diff"]} == {sys.argv[2]: -5, sys.argv[3]: 5}
assert a["status"] == "OK" and a["gas"] == a["gasToSet"] and 0 < int(a["fee"]) < int(a["feeMax"]) and a["events"][0]["event"] == "Transferred"
PY
fee=$(get fee d tx preview "$tx"); d tx preview "$tx" -o json >"$e2e_dir/whole"
printf '%s\n' "$tx" >"$e2e_dir/tx"
check "of a file"               cmp "$e2e_dir/whole" <(d tx preview "@$e2e_dir/tx" -o json)
check "of standard input"       cmp "$e2e_dir/whole" <(d tx preview - -o json <"$e2e_dir/tx")
check "in words"                d tx preview "$tx"
for line in '  diff -0.00000005 CGT  alice (dmg1' '  does balances.Transferred from dmg1' '  ends OK' '  gas  ' '  cost 0.00'; do grep -qF -- "$line" "$e2e_dir/out" || die "tx preview lacks '$line': $(out)"; done
refuse "of no transaction"      2 "not a transaction" d tx preview 0x00
# Without gas and fee maximum (both at 0): with those that it would get; its id stays its own.
bare=$(python3 - "$tx" <<'PY'
import sys
b = bytearray.fromhex(sys.argv[1][2:]); at = 1+32+32+2+8+8   # version, chain, sender, lane, nonce, expiry; then gas u64, fee {tag u8, max u64, tip u64}
b[at:at+8] = bytes(8); b[at+9:at+17] = bytes(8)
print("0x"+b.hex())
PY
)
is "one without gas and fee"    "$(get gas,fee,feeMax d tx preview "$tx")" "$(get gas,fee,feeMax d tx preview "$bare")"
[ "$(get id d tx preview "$tx")" != "$(get id d tx preview "$bare")" ] || die "two transactions, one id"
check "it says so"              grep -q 'which it does not set' <(d tx preview "$bare")
json_error "one that would fail" 3 balances.InsufficientBalance d tx preview "$(d tx build balances transfer '{"to":"bob","amount":"1193046","memo":"0x"}' --from alice -q | sed 's/5634120000000000/56341200ffff0f00/')" -o json
refuse "unsigned"               3 "signature" d tx submit "$tx"
check "tx sign shows the diff"  d tx sign "$tx" --from alice --yes
grep -q '^  diff -0.00000005 CGT  alice (' "$e2e_dir/err" || die "it is not shown: $(cat "$e2e_dir/err")"
signed=$(out)
refuse "offline a dev key does not sign" 7 "everybody knows" d tx sign "$tx" --from alice --yes --offline
refuse "a key of somebody else" 2 "bob is no key of dmg1" d tx sign "$tx" --from bob --yes
check "tx submit"               d tx submit "$signed" --wait final
is "and the fee was foretold"   "$fee" "$(get fields.fee d rpc tx_receipt "{\"id\":\"$(get id d tx preview "$signed")\"}")"
check "again: the same id"      d tx submit "$signed"
# What would fail now may be signed, and says so; in a block its error has the module's name for it.
spent=$(d tx build balances transfer '{"to":"bob","amount":"40000000000000","memo":"0x"}' --from grace -q)
check "meanwhile it is gone"    d transfer bob 700000 --from grace --lane 1 --yes
check "it is signed"            d tx sign "$spent" --from grace --yes
grep -q '^  now  balances.InsufficientBalance: it would end as FAULT' "$e2e_dir/err" || die "it does not say so: $(cat "$e2e_dir/err")"
late=$(d tx submit "$(out)")
json_error "and fails"          3 balances.InsufficientBalance d tx watch "$late" -o json
check "its receipt names the fault" grep -qx 'status       FAULT balances.InsufficientBalance, in call 0' <(d tx receipt "$late")
check "two calls in one"        d tx build --calls '[{"module":"balances","call":"burn","args":{"amount":"1"}},{"module":"system","call":"note","args":{"data":"0x01"}}]' --from alice
refuse "a bad list of calls"    2 "call 0 wants" d tx build --calls '[{"module":"balances"}]' --from alice
refuse "bytes that are none"    2 "not a transaction" d tx sign 0x00 --from alice --yes
one=$(d tx sign "$(d tx build system note '["0x01"]' --from carol -q)" --from carol --yes)
two=$(d tx sign "$(d tx build system note '["0x02"]' --from erin -q)" --from erin --yes)
json "a batch"                  d tx submit "$one" "$two" -o json
code=0; printf '%s\n0x00\n%s\n' "$one" "$two" | d tx submit - -o json >"$e2e_dir/out" 2>"$e2e_dir/err" || code=$?
is "part of a batch failed"     9 "$code"
python3 -c 'import json,sys; a=json.load(open(sys.argv[1]))["items"]; assert [bool(i["id"]) for i in a]==[True,False,True] and a[1]["error"]["name"]=="TxRejected", a' "$e2e_dir/out" || die "$(out)"
json_error "a batch that failed whole" 3 TxRejected d tx submit 0x00 0x01 -o json

# ---- what waits can be replaced (F4.4)
d rpc dev_setBlocks '{"mode":"manual"}' >/dev/null
id=$(d transfer bob 3 --from frank --yes --wait pooled)
bumped=$(d tx bump "$id" --yes --wait pooled)
is "tx bump"                    replaced "$(get status.kind d tx status "$id")"
python3 - "$(d tx show "$id" 2>/dev/null || d tx show "$bumped")" "$(d tx show "$bumped")" <<'PY'
import json,sys
new=json.loads(sys.argv[2])["fields"]
assert new["lane"]==0 and new["nonce"]=="0", new
PY
is "a price 10 % higher"        True "$(python3 -c 'import sys; print(int(sys.argv[2])*10 >= int(sys.argv[1])*11)' "$(d tx bump "$bumped" --dry-run -o json | sed 's/.*"feeMax":"\([0-9]*\)".*/\1/' >"$e2e_dir/fee"; d tx show "$bumped" --fields fields.fee.max)" "$(cat "$e2e_dir/fee")")"
refuse "too low a price"        2 "must offer at least" d tx bump "$bumped" --fee-max 1sparks --yes
note=$(d tx cancel "$bumped" --yes --wait pooled)
is "tx cancel"                  replaced "$(get status.kind d tx status "$bumped")"
refuse "what is gone"           3 "is replaced" d tx bump "$id" --yes
refuse "what never was"         5 "knows no" d tx cancel "0x$(printf '1%.0s' {1..64})" --yes
before=$(get free d balance bob)
d rpc dev_mine >/dev/null
is "the note went through"      final "$(get status.kind d tx status "$note")"
is "the transfer did not"       "$before" "$(get free d balance bob)"
refuse "too late"               3 "is final" d tx cancel "$note" --yes
code=0; d transfer bob 1 --from grace --yes --timeout 1 --progress json >"$e2e_dir/out" 2>"$e2e_dir/err" || code=$?
is "time over"                  6 "$code"
grep -q '{"progress":{"what":"0x.*","state":"pooled","elapsedMs":"0"' "$e2e_dir/err" || die "--progress json: $(cat "$e2e_dir/err")"
"$demiurge" transfer bob 1 --from heidi --yes --progress plain -o json >"$e2e_dir/out" 2>"$e2e_dir/err" & waiting=$!
for _ in $(seq 200); do grep -q 'is pooled' "$e2e_dir/err" && break; sleep 0.02; done
# bash starts what runs in the background with SIGINT ignored; the command takes it back.
kill -INT "$waiting"; code=0; wait "$waiting" || code=$?
is "interrupted"                130 "$code"
[ ! -s "$e2e_dir/out" ] || die "interrupted, and there is a document: $(out)"
python3 -c 'import json,sys; e=json.loads(open(sys.argv[1]).read().splitlines()[-1])["error"]; assert e["name"]=="Interrupted" and e["exitCode"]==130 and len(e["submitted"])==1' "$e2e_dir/err" || die "$(cat "$e2e_dir/err")"
d rpc dev_setBlocks '{"mode":"auto"}' >/dev/null
json "a proof to wait for"      d transfer bob 1 --from alice --yes --proof -o json

# ---- accounts and their keys
check "for a key of each kind"  d call balances transfer_many '{"payments":[{"to":"k-secp256k1","amount":"1000000000"},{"to":"k-p256","amount":"1000000000"}]}' --from alice --yes
create() { d account create k-secp256k1 --yes 9<<<"p"; }
check "account create"          create
is "it exists"                  true "$(get exists d account show k-secp256k1)"
refuse "once"                   3 "exists already" create
pay_p256() { d transfer bob 1 --from k-p256 --yes 9<<<"p"; }
check "a P-256 key pays"        pay_p256
declined() { d account rotate k-secp256k1 9<<<"new" </dev/null; }
refuse "not confirmed"          8 "--yes" declined
[ ! -e "$DEMIURGE_KEYS/k-secp256k1-next.json" ] || die "a key that nobody needs was left behind"
cp "$DEMIURGE_KEYS/mine.json" "$DEMIURGE_KEYS/k-secp256k1-next.json"
refuse "the new key's name is taken" 2 "there is a key or account k-secp256k1-next already" declined
rm "$DEMIURGE_KEYS/k-secp256k1-next.json"
rotate() { d account rotate k-secp256k1 --yes -o json 9<<<"new
p"; }
json "account rotate"           rotate
pay() { d transfer bob 0.1 --from "$1" --yes 9<<<"$2"; }
check "the new key pays"        pay k-secp256k1 new
refuse "the old one does not"   3 "keys" pay k-secp256k1-old1 p
json "multisig create"          d multisig create team alice bob "Ed25519:$(d key list -o csv --fields name,key | sed -n 's/^mine,//p')" --threshold 2 -o json
refuse "not reachable"          2 "1 to 2, not 3" d multisig create team2 alice bob --threshold 3
refuse "twice the same"         2 "alice is named twice" d multisig create team2 alice alice
check "for the team"            d transfer team 50 --from alice --yes
refuse "one key is not enough"  3 "threshold" d transfer bob 1 --from team --key alice --yes
refuse "whose keys?"            2 "--key" d transfer bob 1 --from team --yes
json "multisig propose"         d multisig propose team balances transfer '{"to":"judy","amount":"100000000","memo":"0x"}' --key alice --yes -o json
grep -q '"proposal":0' "$e2e_dir/out" || die "$(out)"
check "multisig show"           grep -q 'Pay 1 CGT to dmg1g9cxnun3' <(d multisig show team 0)
check "who approved"            grep -qx "approved  1 of 2: alice ($alice)" <(d multisig show team 0)
check "who did not"             grep -qx "not yet   bob2 ($bob)" <(d multisig show team 0)
is "as JSON"                    "$alice true 1 2" "$(d multisig show team 0 -o json | python3 -c 'import json,sys; a=json.load(sys.stdin); print(a["keys"][0]["address"], str(a["keys"][0]["hasApproved"]).lower(), a["weight"], a["needed"])')"
check "the same key again"      grep -q "^approved by 1 of 2: alice ($alice); more keys" <(d multisig approve team 0 --key alice --yes)
before=$(get free d balance judy)
check "multisig approve"        grep -q 'its calls ran' <(d multisig approve team 0 --key bob --yes)
is "it paid"                    "$(( before+100000000 ))" "$(get free d balance judy)"
refuse "once"                   5 "no open proposal" d multisig approve team 0 --key bob --yes
d multisig propose team balances burn '["1"]' --key bob --yes >/dev/null
check "multisig cancel"         d multisig cancel team 1 --key alice --yes
d multisig propose team balances transfer '{"to":"judy","amount":"999999900000000","memo":"0x"}' --key alice --yes >/dev/null
refuse "calls that would fail"  3 "InsufficientBalance" d multisig approve team 2 --key bob --yes
grep -qF "with this approval the proposal's calls would run, and fail" "$e2e_dir/err" || die "it does not say why: $(cat "$e2e_dir/err")"
json_error "as JSON"            3 balances.InsufficientBalance d multisig approve team 2 --key bob --yes -o json
d multisig propose team balances transfer '{"to":"judy","amount":"999999900000000","memo":"0x"}' --level owner --key alice --yes >/dev/null
refuse "of its owners, too"     3 "would run, and fail" d multisig approve team 3 --key bob --yes
# A second machine signs with a key of the account that the transaction was not made for.
both=$(d tx sign "$(d tx build system note '["0x03"]' --from team --key alice --gas 50000 -q)" --key alice --yes)
both=$(d tx sign "$both" --key bob --yes)
check "signed one by one"       d tx submit "$both" --wait final
check "and nothing was sent"    grep -qx "approved  1 of 2: alice ($alice)" <(d multisig show team 2)
# Side by side: each gets its nonce, or is told what to do.
beside() { d transfer bob 0.01 --from heidi --yes >"$e2e_dir/side.$1" 2>&1 || grep -qF "once more, or --lane N" "$e2e_dir/side.$1" || cat "$e2e_dir/side.$1" >>"$e2e_dir/side"; }
side=()
for i in 1 2 3 4 5 6 7 8; do beside "$i" & side+=($!); done
wait "${side[@]}"
check "a nonce that is gone"    test ! -e "$e2e_dir/side"
d rpc dev_setBlocks '{"mode":"manual"}' >/dev/null
fill() { local i; for i in $(seq 70); do d transfer bob 0.01 --from ivan --yes --wait pooled || return; done; }
refuse "a lane that is full"    3 "the lane is full: wait for a block, or --lane N" fill
# A rotation whose end nobody saw: the new key is not thrown away, and taken once it is the account's.
d key new hers 9<<<"p" >/dev/null 2>&1
d rpc dev_setBlocks '{"mode":"auto"}' >/dev/null
check "money for her"           d transfer hers 10 --from alice --yes
unlocked() { local words=$1; shift; d "$@" 9<<<"$words"; }
check "she is there"            unlocked p account create hers --yes
d rpc dev_setBlocks '{"mode":"manual"}' >/dev/null
refuse "a rotation that waits"  6 "the new key is hers-next" unlocked "new
p" account rotate hers --yes --timeout 1
refuse "is not done twice"      8 "the account has not that key yet" unlocked "new
p" account rotate hers --yes
d rpc dev_setBlocks '{"mode":"auto"}' >/dev/null
taken() { local i; for i in $(seq 50); do unlocked "" account rotate hers --yes && return; sleep 0.1; done; return 1; }
check "it is taken"             taken
grep -q "^hers signs with the new key of the rotation before; the old one is hers-old" "$e2e_dir/out" || die "it says: $(out)"
check "and pays"                unlocked new transfer bob 1 --from hers --yes
check "two keys at once"        d transfer bob 1 --from team --key alice,bob --yes

# ---- streams
d rpc dev_setBlocks '{"mode":"50ms"}' >/dev/null
json "sub heads"                d sub heads --count 2 -o json
is "as rows"                    2 "$(d sub heads --count 2 -o csv --fields seq,item.height | tail -n +2 | wc -l)"
d sub heads --count 1 -o jsonl >"$e2e_dir/row"
cursor=$(sed 's/.*"cursor":"\([^"]*\)".*/\1/' "$e2e_dir/row"); seq=$(sed 's/.*"seq":"\([0-9]*\)".*/\1/' "$e2e_dir/row")
[ "$(d sub heads --count 1 --cursor "$cursor" --fields seq)" -gt "$seq" ] || die "the stream does not go on at its cursor"
id=$(d transfer bob 1 --from alice --yes --wait none)
is "sub tx ends by itself"      "$id final" "$(d sub tx "$id" -o text | tail -n 1 | cut -d' ' -f1,2)"
json_error "a stream is no document" 2 Usage d sub heads -o json
d rpc dev_setBlocks '{"mode":"auto"}' >/dev/null

# F0.4: states go long before blocks do.
d rpc dev_mine '{"blocks":130}' >/dev/null
refuse "a state of long ago"    4 "the state after that block is not held any more" d balance alice --at 1

# ---- a terminal
check "a pseudo-terminal"       python3 "$root/tests/e2e/terminal.py" "$demiurge"

kill -INT "$node_pid"; code=0; wait "$node_pid" || code=$?; node_pid=
[ "$code" = 0 ] || die "Ctrl-C: exit code $code"
grep -q 'stopping' "$e2e_dir/node.log" || die "it does not say that it stops"

# ---- a data folder
data=$e2e_dir/data
start --data "$data"
check "a transfer"              d transfer bob 3 --from alice --yes
refuse "a second process"       2 "in use by process $node_pid; stop that first, or name another folder: --data" d dev --port 0 --data "$data"
head=$(d status | sed -n 's/^final *//p')
kill -TERM "$node_pid"; code=0; wait "$node_pid" || code=$?; node_pid=
[ "$code" = 0 ] || die "SIGTERM: exit code $code"
start --data "$data"
check "what came back is proven" d balance bob --proof
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
refuse "a part of the path is a file" 2 "is not a folder; --data names" d dev --port 0 --data "$e2e_dir/bad.toml/x"
refuse "too large a body"       2 "--body-max is" d dev --port 0 --body-max 4194304
refuse "a bad pace"             2 "auto, manual or a pace" d dev --port 0 --blocks 5ms
refuse "a bad port"             2 "rpc.port wants" d dev --port 70000
refuse "too many accounts"      2 "--accounts is 1 to 200" d dev --port 0 --accounts 201
# F2.2: the same seed and calls, the same hashes.
for run in 1 2; do
  start --seed 7 --accounts 2 --blocks manual
  d rpc dev_faucet '{"account":"dmg1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0ssqdc3c"}' >/dev/null
  d transfer bob 1 --from alice --yes --wait pooled >/dev/null
  d rpc dev_mine '{"blocks":2,"stepMs":"250"}' >"$e2e_dir/seed$run"
  [ "$run" = 2 ] || is "--accounts"           "alice bob node1" "$(d rpc dev_accounts -o text --fields name | tr '\n' ' ' | sed 's/ $//')"
  stop
done
check "a seed repeats"          cmp "$e2e_dir/seed1" "$e2e_dir/seed2"
refuse "a port in use"          2 "cannot listen" bash -c 'exec 3<>/dev/null; python3 - "$0" <<"PY"
import socket,subprocess,sys
s=socket.socket(); s.bind(("127.0.0.1",0)); s.listen(1)
r=subprocess.run([sys.argv[1],"dev","--port",str(s.getsockname()[1])])
sys.exit(r.returncode)
PY' "$demiurge"
printf '%d passed, 0 failed\n' "$passed"
