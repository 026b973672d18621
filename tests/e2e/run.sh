#!/usr/bin/env bash
# run.sh DEMIURGE: what a user does, from the command line and from the TypeScript SDK, against a real chain.
demiurge=$(readlink -f "$1")
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/e2e/lib.sh"

start
d() { "$demiurge" "$@"; }

# ---- a chain that answers
check "status"                    d status
check "health"                    grep -q '"result"' <(d rpc chain_head; echo '"result"')

# ---- keys
export DEMIURGE_PASSPHRASE_FD=9
newkey() { d key new mine -o json 9<<<"correct horse"; }
check "key new"                   newkey
mine=$(sed -n 's/.*"address":"\([^"]*\)".*/\1/p' "$e2e_dir/out")
refuse "the same name again"      2 "already" newkey
wrongpass() { d transfer bob 1 --from mine --yes 9<<<"wrong"; }

# ---- fund, transfer, prove
check "transfer to a new account" d transfer "$mine" 100 --from alice --yes
check "balance, proven"           d balance "$mine" --proof
grep -q '^free       100 CGT' "$e2e_dir/out" || die "the balance is not 100 CGT: $(out)"
refuse "wrong passphrase"         7 "wrong passphrase" wrongpass
spend() { d transfer bob 1.5 --from mine --yes -o json 9<<<"correct horse"; }
check "first transaction of a new account" spend
id=$(sed -n 's/.*"id":"\(0x[0-9a-f]*\)".*/\1/p' "$e2e_dir/out")
check "receipt"                   d tx receipt "$id"
check "the account exists now"    grep -q '^exists   yes' <(d account show "$mine")
check "the block holds it"        grep -q "$id" <(d block show "$(d rpc tx_receipt "{\"id\":\"$id\"}" | sed -n 's/.*"at":{"height":"\([0-9]*\)".*/\1/p')")

# ---- a proof stands alone, a tampered one does not
d balance "$mine" --proof -o json >"$e2e_dir/proof.json"
verify() { d proof verify "$@" --rpc http://127.0.0.1:1/rpc; }
check "proof verify, of no node"   verify "$e2e_dir/proof.json" --validator-key dev
grep -q "^valid: $mine has 98.4[0-9]* CGT free in the final state .*everybody has its key" "$e2e_dir/out" || die "it tells something else: $(out)"
refuse "a proof that nobody is trusted for" 2 "say whom to trust" verify "$e2e_dir/proof.json"
refuse "nor for its chain alone"   2 "say whom to trust" verify "$e2e_dir/proof.json" --chain "0x$(printf '%064d' 7)"
refuse "a proof of another chain"  3 "it is of chain 0x" verify "$e2e_dir/proof.json" --validator-key dev --chain "0x$(printf '%064d' 7)"
sed 's/"free":"[0-9]*"/"free":"1"/' "$e2e_dir/proof.json" >"$e2e_dir/bad.json"
refuse "another amount beside it"  3 "something else than the balance it tells" verify "$e2e_dir/bad.json" --validator-key dev
sed "s/\"address\":\"dmg1[a-z0-9]*\"/\"address\":\"dmg1km557djcuchxft0q266vxqs8jzvkra9qnmd5kckld6h86jhuzyrqs6lff0\"/" "$e2e_dir/proof.json" >"$e2e_dir/bad.json"
refuse "another account beside it" 3 "something else than the balance it tells" verify "$e2e_dir/bad.json" --validator-key dev
refuse "a balance of a named chain" 2 "say whom to trust" d balance "$mine" --proof --chain "0x$(printf '%064d' 7)"
refuse "no key"                    2 "0x and 192 hex digits, or dev" verify "$e2e_dir/proof.json" --validator-key 0x12
for part in value tree header finality chain; do tamper "$part"; refuse "tampered $part" 3 "refused" verify "$e2e_dir/bad.json" --validator-key dev; done

# ---- bad input, each with its own exit code and reason
refuse "unknown command"          2 "did you mean" d transfr bob 1
refuse "unknown flag"             2 "has no flag --form; did you mean --from?" d transfer bob 1 --form alice
refuse "flag before the command"  2 "the command comes before its flags" d --rpc http://127.0.0.1:1/rpc status
refuse "bad amount"               2 "at most 8 decimals" d transfer bob 1.123456789 --from alice --yes
refuse "nothing to pay"           2 "0.00000001 CGT to 13000000000 CGT" d transfer bob 0 --from alice --yes
refuse "nothing to spend"         3 " CGT to spend, which does not cover 99999999 CGT and the fee; nothing was sent" d transfer bob 99999999 --from alice --yes
refuse "bad address"              2 "the address" d transfer dmg1qqqq 1 --from alice --yes
refuse "no confirmation"          8 "--yes" d transfer bob 1 --from alice
refuse "unknown key"              5 "there is no key" d transfer bob 1 --from nobody --yes
refuse "no node"                  4 "no node" d status --rpc http://127.0.0.1:1/rpc
refuse "unknown transaction"      5 "there is no such transaction" d tx receipt "0x$(printf '%064d' 7)"
printf '[rpc]\nprot = 1\n' >"$e2e_dir/bad.toml"
refuse "unknown configuration key" 2 "rpc.port" d config check "$e2e_dir/bad.toml"

# ---- the independent implementation
check "TypeScript SDK"            node "$root/sdk/typescript/e2e/transfer.mjs" "${DEMIURGE_CLIENT_RPC%/rpc}"

stop
printf '%d passed, 0 failed\n' "$passed"
