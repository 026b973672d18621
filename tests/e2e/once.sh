#!/usr/bin/env bash
# once.sh DEMIURGE: a fresh chain in memory, one transfer, its balance proven, the end. What `./dev run --once` shows.
demiurge=$(readlink -f "$1"); shift
. "$(dirname "$0")/lib.sh"
run() { printf '\n$ demiurge %s\n' "$*"; "$demiurge" "$@"; }

start "$@"
printf 'a chain is running at %s\n' "$DEMIURGE_CLIENT_RPC"
run status
run transfer bob 12.5 --from alice --yes
run balance bob --proof
printf '\nStart a chain of your own: ./dev run\n'
