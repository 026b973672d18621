#!/usr/bin/env bash
# sub.sh DEMIURGE: streams on the command line (F5): rows and filters, and that nothing is lost or told twice while the node is killed, drained,
# stopped and started again under them.
demiurge=$(readlink -f "$1")
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/e2e/lib.sh"
d() { "$demiurge" "$@"; }
get() { local field=$1; shift; "$@" --fields "$field"; }
is() { [ "$2" = "$3" ] || die "$1: '$3' instead of '$2'"; passed=$((passed+1)); printf 'ok   %s\n' "$1"; }
# until NAME COMMAND..: the command succeeds within 20 s.
until_ok() { local name=$1; shift; for _ in $(seq 400); do "$@" >/dev/null 2>&1 && return; sleep 0.05; done; die "$name: still not after 20 s"; }
rows() { wc -l <"$e2e_dir/$1.rows"; }
# heads may skip a height, but not stay behind one.
at_head() { [ "$(tail -n 1 "$e2e_dir/heads.rows" | sed 's/.*"seq":"\([0-9]*\)".*/\1/')" -ge "$1" ]; }
has_rows() { [ "$(rows "$1")" -ge "$2" ]; }
# ended NAME PID CODE
ended() { local code=0; wait "$2" || code=$?; is "$1" "$3" "$code"; }

# ---- which streams there are
refuse "no such topic"          2 "heads, tx, blocks, events or account" d sub nothing
refuse "events of what?"        2 "--module NAME, or --account" d sub events
refuse "not of both"            2 "--module NAME, or --account" d sub events --module balances --account bob
refuse "heads has no filter"    2 "heads has no filter" d sub heads --module balances
refuse "nor have blocks this"   2 "--body" d sub blocks --account bob
refuse "ids are of tx"          2 "whose account" d sub account 0x00
refuse "whose account?"         2 "--account" d sub account
refuse "which transactions?"    2 "which transactions" d sub tx
refuse "no transaction"         2 "a transaction id is" d sub tx 0x00
refuse "no such body"           2 "none|ids|full" d sub blocks --body some
refuse "no count"               2 "--count wants" d sub heads --count 0
refuse "no cursor"              2 "--cursor is" d sub heads --cursor 'a"b'
refuse "no such field"          2 "a row has no field height" d sub heads --fields height
refuse "a stream is no document" 2 "no document" d sub blocks -o json
refuse "no node"                4 "no node" d sub heads --rpc http://127.0.0.1:1/rpc

data=$e2e_dir/data
start --data "$data"
port=${DEMIURGE_CLIENT_RPC##*:}; port=${port%/rpc}
again() { start --data "$data" --port "$port"; }
killed() { kill -9 "$node_pid"; wait "$node_pid" 2>/dev/null || true; node_pid=; }
pay() { d transfer "$1" "$2" --from "${3:-alice}" --yes -q >/dev/null; }
refuse "no such account"        5 "no address" d sub account --account nobody
refuse "no such module"         5 "no module" d sub events --module nothing
refuse "a cursor of another topic" 2 "cursor" d sub blocks --cursor "$(d sub heads --count 1 --fields cursor & sleep 0.3; pay bob 1; wait)"

# ---- rows
"$demiurge" sub blocks --count 3 >"$e2e_dir/rows" & sub_pid=$!
sleep 0.3; pay bob 1; pay bob 1
ended "blocks"                  "$sub_pid" 0
python3 - "$e2e_dir/rows" <<'PY' || die "rows of blocks: $(cat "$e2e_dir/rows")"
import json, sys
rows = [json.loads(l) for l in open(sys.argv[1])]     # on a pipe a JSON line an item
assert [r["event"] for r in rows] == ["item"]*3 and all(r["seq"] == r["at"]["height"] and r["state"] == "final" for r in rows)
assert [int(r["seq"]) for r in rows] == list(range(int(rows[0]["seq"]), int(rows[0]["seq"])+3)) and sum(r["item"]["txCount"] for r in rows) >= 1 and "ids" in rows[0]["item"] and "body" not in rows[0]["item"]
PY
cursor=$(sed -n '1s/.*"cursor":"\([^"]*\)".*/\1/p' "$e2e_dir/rows")
is "from a cursor"              "$(sed -n 2p "$e2e_dir/rows")" "$(d sub blocks --cursor "$cursor" --count 1)"
is "--body none"                null "$(d sub blocks --cursor "$cursor" --count 1 --body none -o jsonl --fields item.ids | sed 's/.*:\(.*\)}/\1/')"
check "--body full"             grep -q '"body":"0x' <(d sub blocks --cursor "$cursor" --count 1 --body full)
is "as csv"                     "event,seq,cursor,at,state,item" "$(d sub blocks --cursor "$cursor" --count 2 -o csv | head -n 1)"
is "a document"                 2 "$(d sub blocks --cursor "$cursor" --count 2 -o json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)["items"]))')"
is "fields, tabs between"       "$(( $(sed -n '1s/.*"seq":"\([0-9]*\)".*/\1/p' "$e2e_dir/rows")+1 ))	final	" "$(d sub blocks --cursor "$cursor" --count 1 --fields seq,state,item.nothing)"

# A block of more transactions than a line of 512 bytes has room for.
d rpc dev_setBlocks '{"mode":"manual"}' >/dev/null
"$demiurge" sub blocks -o text --count 1 >"$e2e_dir/rows" & sub_pid=$!
for i in $(seq 20); do d transfer bob "$i" --from dave --yes -q --wait pooled; done >"$e2e_dir/ids"
sleep 0.2; d rpc dev_mine >/dev/null
ended "a long row"              "$sub_pid" 0
is "is one row"                 1 "$(wc -l <"$e2e_dir/rows")"
while read -r id; do grep -q "$id" "$e2e_dir/rows" || die "the row was cut: $id is not in it: $(cat "$e2e_dir/rows")"; done <"$e2e_dir/ids"
d rpc dev_setBlocks '{"mode":"auto"}' >/dev/null

"$demiurge" sub events --module balances -o text --count 1 >"$e2e_dir/rows" & sub_pid=$!
"$demiurge" sub account --account erin -o text --count 2 >"$e2e_dir/account" & account_pid=$!
sleep 0.3; pay erin 2.5 bob
ended "events in words"         "$sub_pid" 0
ended "an account in words"     "$account_pid" 0
grep -qE '^height [0-9]+ +tx 0  balances.Transferred \{.*"amount":"250000000"' "$e2e_dir/rows" || die "an event: $(cat "$e2e_dir/rows")"
grep -qE '^height [0-9]+ +dmg1[a-z0-9]+  free 1000002.5 CGT  nonce 0$' "$e2e_dir/account" || die "an account: $(cat "$e2e_dir/account")"
d rpc dev_setBlocks '{"mode":"50ms"}' >/dev/null
# shellcheck disable=SC2016
check "the reader may go first" bash -o pipefail -c '"$1" sub heads | head -n 1' _ "$demiurge"
d rpc dev_setBlocks '{"mode":"auto"}' >/dev/null

# ---- the node is killed under them
follow() { local name=$1; shift; "$demiurge" sub "$@" -o jsonl >"$e2e_dir/$name.rows" 2>"$e2e_dir/$name.err" & pids[$name]=$!; }
declare -A pids
one=$(d transfer bob 1 --from alice --yes -q --wait final | sed -n 's/^transaction *//p')
late=$(d tx sign "$(d tx build balances transfer '{"to":"bob","amount":"77","memo":"0x"}' --from ivan -q)" --from ivan --yes -q)
two=$(get id d tx preview "$late")
follow blocks blocks; follow module events --module balances; follow bob events --account bob; follow carol events --account carol; follow account account --account bob; follow heads heads; follow tx tx "$one" "$two"
until_ok "the account's first row" has_rows account 1
until_ok "a status" has_rows tx 1
sleep 0.3
first=$(get final.height d status)

# One that has seen nothing yet: it goes on where sub_open began, not where it is connected again.
kill -STOP "${pids[carol]}"
killed; again
pay carol 1; carol=1; bob=0; module=1
kill -CONT "${pids[carol]}"
until_ok "what was before its first row" has_rows carol 1
passed=$((passed+1)); echo "ok   before the first row too"
for round in 1 2 3 4 5 6; do
  pay bob 1; pay carol 2; bob=$((bob+1)); carol=$((carol+1)); module=$((module+2))
  [ $((round%3)) = 0 ] || kill -STOP "${pids[module]}" "${pids[blocks]}" "${pids[bob]}"
  if [ "$round" = 4 ]; then                                        # once it is told to go: sub_stop drain
    until_ok "the heads"     at_head "$(get final.height d status)"
    stop
  else killed; fi
  again
  pay bob 1; pay bob 1; bob=$((bob+2)); module=$((module+2))
  [ $((round%3)) = 0 ] || kill -CONT "${pids[module]}" "${pids[blocks]}" "${pids[bob]}"
done
is "a transaction that waits"   0 "$(kill -0 "${pids[tx]}" && echo 0)"
d tx submit "$late" --wait final >/dev/null; bob=$((bob+1)); module=$((module+1))
ended "tx ends when all are over" "${pids[tx]}" 0
last=$(get final.height d status)
moved() { [ "$(grep -c Transferred "$e2e_dir/module.rows")" -ge "$module" ]; }
until_ok "all of the module" moved
until_ok "all of bob"        has_rows bob "$bob"
until_ok "all of carol"      has_rows carol "$carol"
until_ok "all blocks"        grep -q "\"seq\":\"$last\"" "$e2e_dir/blocks.rows"
until_ok "the newest head"   at_head "$last"
until_ok "the account as it is" grep -q "\"free\":\"$(get free d balance bob)\"" "$e2e_dir/account.rows"
sleep 0.3   # nothing comes twice
grep -q 'the node ends the stream: drain' "$e2e_dir/heads.err" || die "drain is not told: $(cat "$e2e_dir/heads.err")"
# Ctrl-C says where it goes on.
kill -INT "${pids[heads]}"; ended "Ctrl-C" "${pids[heads]}" 130
python3 -c 'import json,sys; e=json.loads(open(sys.argv[1]).read().splitlines()[-1])["error"]; r=open(sys.argv[2]).read().splitlines()[-1]; assert e["name"]=="Interrupted" and e["cursor"]==json.loads(r)["cursor"], e' "$e2e_dir/heads.err" "$e2e_dir/heads.rows" || die "$(tail -n 1 "$e2e_dir/heads.err")"
for name in blocks module bob carol account; do kill -INT "${pids[$name]}"; wait "${pids[$name]}" || true; done
# The reference: the same from the first row's cursor on, of a node that nobody kills.
for name in "blocks" "module events --module balances" "bob events --account bob" "carol events --account carol"; do
  read -r file args <<<"$name"
  cursor=$(sed -n '1s/.*"cursor":"\([^"]*\)".*/\1/p' "$e2e_dir/$file.rows")
  # shellcheck disable=SC2086
  d sub ${args:-blocks} --cursor "$cursor" --count $(( $(rows "$file")-1 )) -o jsonl >"$e2e_dir/$file.again"
  check "$file: all, once, in order" cmp <(tail -n +2 "$e2e_dir/$file.rows") "$e2e_dir/$file.again"
done
python3 - "$e2e_dir" "$first" "$last" "$module" "$bob" "$carol" "$one" "$two" <<'PY' || die "the streams are not whole"
import json, sys
folder, first, last, module, bob, carol = sys.argv[1], *map(int, sys.argv[2:7])
one, two = sys.argv[7:]
read = lambda name: [json.loads(l) for l in open(f"{folder}/{name}.rows")]
seqs = lambda rows: [int(r["seq"]) for r in rows]
blocks = read("blocks")
assert seqs(blocks)[0] <= first+1 and seqs(blocks)[-1] >= last and seqs(blocks) == list(range(seqs(blocks)[0], seqs(blocks)[-1]+1)), (first, last, seqs(blocks))
for name, cnt in (("module", module), ("bob", bob), ("carol", carol)):   # the module tells the fees of each block too
    rows = read(name)
    assert [r["item"]["name"] for r in rows].count("Transferred") == cnt and seqs(rows) == list(range(seqs(rows)[0], seqs(rows)[0]+len(rows))), (name, cnt, seqs(rows))
heads = seqs(read("heads"))
assert heads == sorted(set(heads)) and heads[-1] >= last
account = [{k: v for k, v in r["item"].items() if k != "at"} for r in read("account")]
assert all(a != b for a, b in zip(account, account[1:])) and len(account) > 2, ("an account is told again only when it changed", account)
tx = [(r["item"]["id"], r["item"]["status"]["kind"]) for r in read("tx")]
assert tx.count((one, "final")) == 1 and tx[-1] == (two, "final"), tx
PY
passed=$((passed+1)); echo "ok   as many as there were, seq by seq"

# ---- what cannot be taken up again
"$demiurge" sub blocks --timeout 1 >"$e2e_dir/rows" 2>"$e2e_dir/err" & sub_pid=$!
sleep 0.5; killed
ended "the node stays away"     "$sub_pid" 4
grep -q -- '--cursor [A-Za-z0-9_-]\{71\}' "$e2e_dir/err" || die "where it would go on is not told: $(cat "$e2e_dir/err")"
again
"$demiurge" sub blocks --timeout 1 >"$e2e_dir/rows" 2>"$e2e_dir/err" & sub_pid=$!
sleep 0.5; kill -STOP "$node_pid"
ended "a node that hangs"       "$sub_pid" 4
kill -CONT "$node_pid"
"$demiurge" sub blocks -o json --count 5 >"$e2e_dir/rows" 2>"$e2e_dir/err" & sub_pid=$!
sleep 0.5; killed
data=$e2e_dir/other; again
ended "another chain in its place" "$sub_pid" 3
grep -q '"name":"WrongNetwork"' "$e2e_dir/err" || die "$(cat "$e2e_dir/err")"
[ ! -s "$e2e_dir/rows" ] || die "a document, and an error: $(cat "$e2e_dir/rows")"
stop
printf '%d passed, 0 failed\n' "$passed"
