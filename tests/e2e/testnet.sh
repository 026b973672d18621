#!/usr/bin/env bash
# testnet.sh DEMIURGE: four processes on loopback agree; a transfer given to one is final on all; one is killed and comes back;
# a follower catches up.
demiurge=$(readlink -f "$1"); shift
. "$(dirname "$0")/lib.sh"
base=$(( 10000+RANDOM%20000 ))   # below the ports that connections get
net=$e2e_dir/net
rpc() { printf 'http://127.0.0.1:%d/rpc' $(( base+$1-1 )); }
# status N FIELD: of node N; nothing if it does not answer.
status() { "$demiurge" node status --rpc "$(rpc "$1")" --fields "$2" 2>/dev/null || true; }
# until SECONDS COMMAND..: again and again until it succeeds.
until_ok() { local end=$(( SECONDS+$1 )); shift; until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 0.2; done; }
height() { local h; h=$(status "$1" height); echo "${h:-0}"; }
is_at() { [ "$(height "$1")" -ge "$2" ]; }
has() { [ "$("$demiurge" balance "$2" --rpc "$(rpc "$1")" --fields free)" = "$3" ]; }
hash_at() { "$demiurge" block show "$2" --rpc "$(rpc "$1")" --fields at.hash; }
pids=()
end_all() { for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done; for p in "${pids[@]}"; do wait "$p" 2>/dev/null || true; done; }
trap 'end_all; cleanup' EXIT
die() { printf 'FAILED: %s\n' "$*" >&2; tail -n 15 "$net"/node-*/log "$e2e_dir"/follower.log >&2 2>/dev/null || true; exit 1; }

refuse "a folder of nothing is refused" 5 "holds no node" "$demiurge" node run --data "$e2e_dir/none"
for n in 1 11 12 16; do
  "$demiurge" testnet --validators $n --dir "$e2e_dir/net-$n" --init-only -q >/dev/null
  check "a genesis of $n validators is one that nodes take" "$demiurge" node init --data "$e2e_dir/joins-$n" --genesis "$e2e_dir/net-$n/genesis.bin"
done
mkdir "$e2e_dir/others"; echo mine >"$e2e_dir/others/file"
refuse "a network takes no folder of somebody's" 2 "holds no network but other files (file)" "$demiurge" testnet --dir "$e2e_dir/others"
refuse "nor does a node" 2 "holds no node but other files (file)" "$demiurge" node init --data "$e2e_dir/others" --genesis "$e2e_dir/net-1/genesis.bin"
refuse "nor a dev chain" 2 "holds no chain but other files (file)" "$demiurge" dev --data "$e2e_dir/others"
[ "$(ls -A "$e2e_dir/others")" = file ] || die "$(ls -A "$e2e_dir/others") where only a file was"
refuse "a node's folder is no dev chain's" 2 "demiurge node run --data" "$demiurge" dev --data "$e2e_dir/net-1/node-1"
refuse "a network is what it was made as" 2 "made with --validators 11, not 4" "$demiurge" testnet --validators 4 --dir "$e2e_dir/net-11"
mkfifo "$e2e_dir/ready"
"$demiurge" testnet --validators 4 --dir "$net" --port $base --p2p-port $(( base+100 )) --ready-fd 3 -o json 3>"$e2e_dir/ready" >"$e2e_dir/net.json" 2>"$e2e_dir/net.log" &
pids+=($!)
read -r -t 60 -n 1 <"$e2e_dir/ready" || die "no network after 60 s"
check "status tells where a node stands" "$demiurge" node status --rpc "$(rpc 2)"
refuse "a port in use is told" 2 "port $(( base+1 )), JSON-RPC of node-1, is in use; --port names" "$demiurge" testnet --dir "$e2e_dir/second" --port $(( base+1 )) --p2p-port $(( base+120 ))
refuse "a peers' port, too" 2 "port $(( base+103 )), for peers of node-1, is in use; --p2p-port names" "$demiurge" testnet --dir "$e2e_dir/second" --port $(( base+20 )) --p2p-port $(( base+103 ))
[ ! -e "$e2e_dir/second" ] || die "a folder was made for a network that could not run"
refuse "one network runs once" 2 "is this network running already?" "$demiurge" testnet --dir "$net"
links() { [ "$(status "$1" validatorLinks)" = 3 ] && [ "$(status "$1" isVoting)" = true ]; }
for n in 1 2 3 4; do until_ok 20 links $n || die "node $n has not three links, or does not vote"; done
printf 'ok   each is linked with the three others\n'

"$demiurge" node peers --rpc "$(rpc 2)" >"$e2e_dir/peers"
[ "$(grep -c ' line ' "$e2e_dir/peers")" = 3 ] || die "node peers tells $(cat "$e2e_dir/peers")"
[ "$("$demiurge" net scores --rpc "$(rpc 2)" | grep -c '^12D3Koo.* [0-9.-]*$')" = 3 ] || die "net scores tells $(out)"
# It tells how soon blocks become final once one has.
tells() { "$demiurge" rpc net_info --rpc "$(rpc "$1")" | grep -qE '"links":3,"relayed":0,"finalP50Ms":[1-9]'; }
until_ok 10 tells 3 || die "net_info tells $("$demiurge" rpc net_info --rpc "$(rpc 3)")"
refuse "an address that is none is not dialled" 2 "is no address of a peer" "$demiurge" net dial /ip4/127.0.0.1/tcp/1 --rpc "$(rpc 1)"
printf 'ok   peers, scores and finality are told\n'

# An account of the network's words, and one that nobody has seen.
DEMIURGE_PASSPHRASE_FD=4 "$demiurge" key import me --index 0 <"$net/mnemonic" 4< <(echo open) >/dev/null
DEMIURGE_PASSPHRASE_FD=4 "$demiurge" key new you 4< <(echo open) >/dev/null 2>&1
you=$("$demiurge" key list | sed -n 's/^you .* \(dmg1[a-z0-9]*\)$/\1/p')
send() { DEMIURGE_PASSPHRASE_FD=4 "$demiurge" transfer "$you" "$2" --from me --yes --rpc "$(rpc "$1")" 4< <(echo open); }
refuse "published keys sign for no test chain" 7 "only for a genesis of kind dev" "$demiurge" transfer "$you" 1 --from bob --yes --rpc "$(rpc 1)"
dev_key() { DEMIURGE_PASSPHRASE_FD=4 "$demiurge" key import public --index 1 4< <(echo open) <<<"test test test test test test test test test test test junk"; }
check "one of them under another name" dev_key
refuse "signs neither"           7 "bob's key of the dev chain" "$demiurge" transfer "$you" 1 --from public --yes --rpc "$(rpc 1)"
# Nor do the names stand for anybody: wherever one stands for an account.
nobody="alice is an account of the dev chain whose key everybody knows: a name only for a genesis of kind dev, and this node's chain is of kind test"
refuse "balance of a dev name"   7 "$nobody" "$demiurge" balance alice --rpc "$(rpc 1)"
refuse "account of a dev name"   7 "$nobody" "$demiurge" account show alice --rpc "$(rpc 1)"
refuse "payment to a dev name"   7 "$nobody" "$demiurge" transfer alice 1 --from me --yes --rpc "$(rpc 1)"
refuse "payment from a dev name" 7 "$nobody" "$demiurge" transfer "$you" 1 --from alice --key me --yes --rpc "$(rpc 1)"
refuse "a dev name in arguments" 7 "$nobody" "$demiurge" call balances transfer '{"to":"alice","amount":"1","memo":"0x"}' --from me --yes --rpc "$(rpc 1)"
refuse "a dev name as a key"     7 "name keys of yours, or others' as SCHEME:0x.." "$demiurge" multisig create us alice me --rpc "$(rpc 1)"
refuse "a dev name in a query"   7 "$nobody" "$demiurge" query balances get '{"account":"alice"}' --rpc "$(rpc 1)"
refuse "a dev name in a stream"  7 "$nobody" "$demiurge" sub events --account alice --rpc "$(rpc 1)"
check "a transfer given to node 1 is final" send 1 12.5
until_ok 5 has 4 "$you" 1250000000 || die "node 4 does not see it"
printf 'ok   node 4 has the final balance\n'

# A proof of several: by the set of the chain's genesis, of no node.
proves() { "$demiurge" balance "$you" --proof --genesis "$net/genesis.bin" --rpc "$(rpc 2)" -o json >"$e2e_dir/proof.json" && grep -q '"free":"1250000000"' "$e2e_dir/proof.json"; }
until_ok 5 proves || die "no proof of several: $(cat "$e2e_dir/proof.json")"   # of the state before the last final block
check "a proof of several" "$demiurge" proof verify "$e2e_dir/proof.json" --genesis "$net/genesis.bin"
refuse "it names whom to trust" 2 "--genesis FILE" "$demiurge" balance "$you" --proof --rpc "$(rpc 2)"
refuse "it is of its chain" 3 "it is of chain 0x" "$demiurge" proof verify "$e2e_dir/proof.json" --genesis "$e2e_dir/net-11/genesis.bin"
refuse "one validator proves nothing" 3 "the certificate is not signed by the trusted validators" "$demiurge" proof verify "$e2e_dir/proof.json" --validator-key dev
for part in value tree header finality chain; do tamper "$part"; refuse "a tampered $part" 3 "refused" "$demiurge" proof verify "$e2e_dir/bad.json" --genesis "$net/genesis.bin"; done

# A body above 16 KiB goes as short ids (N8.6): 600 payments in three transactions.
metric() { curl -sS "http://127.0.0.1:$(( base+$1-1 ))/metrics" | awk -v name="$2" '$1==name { print $2 }'; }
compact() { local n sum=0; for n in 1 2 3 4; do sum=$(( sum+$(metric $n "demiurge_net_bodies_total{dir=\"$1\",form=\"compact\"}") )); done; [ $sum -ge "$2" ]; }
DEMIURGE_PASSPHRASE_FD=4 "$demiurge" key new crowd 4< <(echo open) >/dev/null 2>&1
pay='{"to":"'$("$demiurge" key list | sed -n 's/^crowd .* \(dmg1[a-z0-9]*\)$/\1/p')'","amount":"1000000"}'
call='{"module":"balances","call":"transfer_many","args":{"payments":['"$pay$(printf ",$pay%.0s" {1..199})"']}}'
large=()
for lane in 1 2 3; do
  tx=$("$demiurge" tx build --calls "[$call]" --from me --lane $lane --rpc "$(rpc 1)" -q)
  large+=("$(DEMIURGE_PASSPHRASE_FD=4 "$demiurge" tx sign "$tx" --from me --yes --rpc "$(rpc 1)" -q 4< <(echo open))")
done
check "600 payments in three transactions are final" "$demiurge" tx submit "${large[@]}" --wait final --rpc "$(rpc 1)"
until_ok 5 compact in 3 || die "no compact body reached three others: $(curl -sS "http://127.0.0.1:$base/metrics" | grep bodies)"
until_ok 5 compact out 1 || die "no leader sent a compact body"
printf 'ok   its body went as short ids\n'

# One dies; the others go on with exactly a quorum.
victim=$(sed -n 's/.*"pid":\([0-9]*\),"data":"[^"]*node-3".*/\1/p' "$e2e_dir/net.json")
kill -9 "$victim"
at=$(height 1)
check "a transfer given to node 2, without node 3" send 2 7.5
until_ok 30 is_at 1 $(( at+8 )) || die "three of four do not go on"
printf 'ok   three of four go on\n'
"$demiurge" node run --config "$net/node-3/config.toml" >>"$net/node-3/log" 2>&1 &
pids+=($!)
until_ok 30 is_at 3 "$(height 1)" || die "node 3 does not catch up"
until_ok 5 has 3 "$you" 2000000000 || die "node 3 has another balance"
until_ok 20 links 3 || die "node 3 does not vote again"
printf 'ok   node 3 is back: caught up, votes\n'

# A follower with a folder of its own.
check "a follower's folder" "$demiurge" node init --data "$e2e_dir/follower" --genesis "$net/genesis.bin" -o json
refuse "made once" 2 "holds a node already" "$demiurge" node init --data "$e2e_dir/follower" --genesis "$net/genesis.bin"
peer=$(sed -n 's/^peers = "\([^,]*\),.*/\1/p' "$net/node-2/config.toml")   # node 1's
"$demiurge" node run --data "$e2e_dir/follower" --port $(( base+4 )) --listen /ip4/127.0.0.1/tcp/0 >"$e2e_dir/follower.log" 2>&1 &
pids+=($!)
answers() { [ -n "$(status 5 height)" ]; }
until_ok 20 answers || die "the follower does not answer"
[ "$("$demiurge" rpc net_peers --rpc "$(rpc 5)")" = '{"inbound":0,"outbound":0,"items":[]}' ] || die "it has peers that nobody told it of"
check "it is told to dial node 1" "$demiurge" net dial "$peer" --rpc "$(rpc 5)"
knows_all() { [ "$("$demiurge" node peers --rpc "$(rpc 5)" | grep -c '^\.\.')" = 4 ]; }
until_ok 30 knows_all || die "it does not find the three others: $("$demiurge" node peers --rpc "$(rpc 5)")"
printf 'ok   it found the three others by itself\n'
until_ok 40 is_at 5 "$(height 1)" || die "the follower does not catch up"
until_ok 5 has 5 "$you" 2000000000 || die "the follower has another balance"
printf 'ok   a follower caught up\n'
# From now on it hears of blocks as they are proposed: header and body are there before they are final (N7.1).
used() { [ "$(metric 5 'demiurge_net_blocks_total{kind="used"}')" -gt 0 ]; }
pay_and_look() { DEMIURGE_PASSPHRASE_FD=4 "$demiurge" transfer crowd 1 --from me --yes -q --rpc "$(rpc 1)" 4< <(echo open) >/dev/null 2>&1; used; }
until_ok 20 pay_and_look || die "the follower asks for bodies that it was told: $(curl -sS "http://127.0.0.1:$(( base+4 ))/metrics" | grep blocks_total)"
printf 'ok   it has blocks by topic\n'

low=$(height 5)
for h in 1 $(( low/2 )) $(( low-1 )); do
  want=$(hash_at 1 "$h")
  for n in 2 3 4 5; do [ "$(hash_at $n "$h")" = "$want" ] || die "node $n has another block at $h"; done
done
printf 'ok   all have the same blocks\n'
end_all
pids=()
# A node that does not start ends them all, and says why.
mv "$net/node-2/node.key" "$e2e_dir/key"
refuse "a node that does not start is told" 1 "node-2/log: $net/node-2/node.key: not found" "$demiurge" testnet --dir "$net" -o text
mv "$e2e_dir/key" "$net/node-2/node.key"
# All again, from their folders.
rm "$e2e_dir/ready"; mkfifo "$e2e_dir/ready"
"$demiurge" testnet --dir "$net" --ready-fd 3 3>"$e2e_dir/ready" >"$e2e_dir/table" 2>"$e2e_dir/net.log" &
pids+=($!)
read -r -t 60 -n 1 <"$e2e_dir/ready" || die "no network after a restart of all"
until_ok 30 is_at 4 $(( low+4 )) || die "it does not go on after a restart of all"
until_ok 5 has 4 "$you" 2000000000 || die "another balance after a restart of all"
printf 'ok   a restart of all goes on\n'
# Two of four end: no quorum, which the table says, and the figures of those that are gone do not stay there.
pid() { sed -n "s/^node-$1 .*\/rpc *\([0-9][0-9]*\) .*/\1/p" "$e2e_dir/table" | tail -n 1; }
says() { grep -q "$1" "$e2e_dir/table"; }
until_ok 15 says '^node-4 .* votes$' || die "no table: $(cat "$e2e_dir/table" "$e2e_dir/net.log")"
kill "$(pid 3)" "$(pid 4)"
until_ok 25 says '^no quorum: 2 of 4 validators are there, 3 are needed' || die "the table tells $(cat "$e2e_dir/table")"
says '^node-4  *[^ ]* *- *- *- *- *- *-  ended with code 0' || die "the table tells $(cat "$e2e_dir/table")"
"$demiurge" node status --rpc "$(rpc 1)" | grep -q 'nothing since, for [0-9]* s' || die "status tells nothing of it: $("$demiurge" node status --rpc "$(rpc 1)")"
"$demiurge" node run --config "$net/node-3/config.toml" >>"$net/node-3/log" 2>&1 &
pids+=($!)
until_ok 25 says '^node-3  *[^ ]* *- *[0-9].* votes, started by hand$' || die "the table tells $(cat "$e2e_dir/table")"
printf 'ok   the table tells who ended, who is back, and that a quorum lacked\nall good\n'
