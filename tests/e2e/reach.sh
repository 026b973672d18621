#!/usr/bin/env bash
# reach.sh DEMIURGE: a node that does not reach a peer says why, in its log and to who asks; a dial has one outcome; an address that can be none and a port in
# use are refused.
demiurge=$(readlink -f "$1"); shift
. "$(dirname "$0")/lib.sh"
base=$(( 10000+RANDOM%20000 ))   # below the ports that connections get
rpc() { printf 'http://127.0.0.1:%d/rpc' $(( base+$1 )); }
until_ok() { local end=$(( SECONDS+$1 )); shift; until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 0.1; done; }
pids=()
end_all() { for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done; for p in "${pids[@]}"; do wait "$p" 2>/dev/null || true; done; }
trap 'end_all; cleanup' EXIT
die() { printf 'FAILED: %s\n' "$*" >&2; tail -n 15 "$e2e_dir"/*.log >&2 2>/dev/null || true; exit 1; }
# in_log TEXT: the follower has told it.
in_log() { grep -qF -- "$1" "$e2e_dir/mine.log"; }
# says NAME TEXT COMMAND..: it succeeds, and its answer has that text.
says() { local name=$1 text=$2; shift 2; check "$name" "$@"; grep -qF -- "$text" "$e2e_dir/out" || die "$name: no '$text' in $(out)"; }

# Two chains of one validator each.
for k in 0 1; do
  mkfifo "$e2e_dir/ready"
  "$demiurge" testnet --validators 1 --dir "$e2e_dir/net-$k" --port $(( base+k )) --p2p-port $(( base+100+k )) --ready-fd 3 -q 3>"$e2e_dir/ready" >/dev/null 2>"$e2e_dir/net-$k.log" &
  pids+=($!)
  read -r -t 60 -n 1 <"$e2e_dir/ready" || die "no chain after 60 s"
  rm "$e2e_dir/ready"
done
id_of() { "$demiurge" rpc net_info --rpc "$(rpc "$1")" | sed 's/.*"peerId":"\([^"]*\)".*/\1/'; }
ours=$(id_of 0) theirs=$(id_of 1)
right=/ip4/127.0.0.1/tcp/$(( base+100 ))/p2p/$ours
wrong=/ip4/127.0.0.1/tcp/$(( base+101 ))/p2p/$ours       # the other chain's node stands there
other=/ip4/127.0.0.1/tcp/$(( base+101 ))/p2p/$theirs
nobody=/ip4/127.0.0.1/tcp/1/p2p/$ours

check "a follower's folder" "$demiurge" node init --data "$e2e_dir/mine" --genesis "$e2e_dir/net-0/genesis.bin" -q
node() { "$demiurge" node run --data "$e2e_dir/mine" --port $(( base+2 )) "$@"; }
refuse "an address that can be none" 2 "--peers: net.peers wants /ip4/ADDRESS/tcp/PORT/p2p/PEER_ID, got \"/ip4/999.0.0.1/tcp/1/p2p/$ours\": \"999.0.0.1\" is no IPv4 address" node --peers "/ip4/999.0.0.1/tcp/1/p2p/$ours"
refuse "a port that can be none" 2 '"99999" is no port from 1 to 65535' node --listen /ip4/127.0.0.1/tcp/99999
refuse "a peer without an id" 2 "the peer's id is missing" node --peers "${right%/p2p/*}"
refuse "a port in use" 2 "cannot listen on ${right%/p2p/*}: another process listens there already; --listen (net.listen) names another" node --listen "${right%/p2p/*}"
refuse "a node that is not there" 4 "no node: " "$demiurge" node status --rpc "$(rpc 2)"

# Told of three ways to nobody: each is in the log, and shown.
"$demiurge" node run --data "$e2e_dir/mine" --port $(( base+2 )) --listen /ip4/127.0.0.1/tcp/0 --peers "$other,$wrong" >"$e2e_dir/mine.out" 2>"$e2e_dir/mine.log" &
pids+=($!)
until_ok 20 in_log "another peer is there, $theirs" || die "it does not tell of another peer id"
until_ok 20 in_log "a node of another chain: its network is /dmg/" || die "it does not tell of another chain"
[ "$(grep -c '"peer_unreached"' "$e2e_dir/mine.log")" = 2 ] || die "the log is flooded"
printf 'ok   the log tells why\n'
says "status tells it, too" "another peer is there, $theirs" "$demiurge" node status --rpc "$(rpc 2)"
says "so does node peers" "no peer is connected" "$demiurge" node peers --rpc "$(rpc 2)"
grep -qF "a node of another chain" "$e2e_dir/out" || die "node peers tells no reason: $(out)"

dial() { "$demiurge" net dial "$1" --rpc "$(rpc 2)"; }
refuse "dialling another chain's node" 4 "not connected: ${other%/p2p/*}: a node of another chain" dial "$other"
refuse "dialling where nobody is" 4 "not connected: ${nobody%/p2p/*}: refused, nobody listens there" dial "$nobody"
refuse "dialling who is another" 4 "not connected: ${wrong%/p2p/*}: another peer is there, $theirs" dial "$wrong"
refuse "dialling what is no node" 4 "what listens there is no node" dial "/ip4/127.0.0.1/tcp/$base/p2p/$ours"
refuse "dialling what can be none" 2 '"99999" is no port' dial "/ip4/127.0.0.1/tcp/99999/p2p/$ours"
says "dialling who is there" "connected with $ours" dial "$right"
says "again, elsewhere" "connected already with $ours, at ${right%/p2p/*}, dialled by us" dial "$nobody"
until_ok 5 in_log '"peer_reached"' || die "it does not tell that it is connected"
says "status of one that is connected" "peers        1" "$demiurge" node status --rpc "$(rpc 2)"

# A chain of one.
start
refuse "a chain of one has no peers" 4 "runs a chain of one and has no network" "$demiurge" node peers
printf 'all good\n'
