#!/usr/bin/env bash
# The models of C14, quick (a part of every `./dev test`) or long:  tests/model/run.sh BUILD_DIR [quick|long]
# Each line is a check that can fail; a mutant that passes is a failure. What could not be checked here is said and counted.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=$1/tests
mode=${2:-quick}
case $mode in quick|long) ;; *) echo "usage: run.sh BUILD_DIR [quick|long]" >&2; exit 2 ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ok=0 failed=0 skipped=0 label=
start=$(date +%s)

check() { # command..: its last line, FAILED if it says no
  if "$@" >"$work/out" 2>&1; then ok=$((ok+1)); echo "$label$(tail -n 1 "$work/out")"; else failed=$((failed+1)); echo "FAILED: $*"; sed 's/^/  /' "$work/out"; fi
}
mutants=(finalize_after_nullify nullify_after_finalize skip_without_z two_notarize quorum_short)

echo "-- safety: every history (C14.1)"
check "$bin/model" safety --named
check "$bin/model" safety --named --loose --only s
check "$bin/model" safety --loose --only e --expect-violation --quiet
check "$bin/model" safety --window 2
check "$bin/model" safety --n 7
check "$bin/model" safety --weights 3,3,2 --byz 2
check "$bin/model" safety --weights 31,20,17 --byz 32 --window 2
check "$bin/model" safety --views 3
if [ "$mode" = long ]; then
  check "$bin/model" safety --views 3 --named
  check "$bin/model" safety --views 3 --named --loose --only s
  check "$bin/model" safety --views 3 --window 3
  check "$bin/model" safety --views 3 --weights 31,20,17 --byz 32
  check "$bin/model" safety --n 7 --named
  check "$bin/model" safety --n 7 --named --loose --only s
  check "$bin/model" safety --n 7 --window 2
fi
echo "-- a third of liars and more: forks, but never a framed honest validator nor an unconvicted fork (C9.2, C9.3)"
for liars in "1,1 --byz 2" "1,1,1 --byz 4" "1,1,1,1 --byz 3"; do
  # shellcheck disable=SC2086
  check "$bin/model" safety --weights $liars --only fork --expect-violation --quiet
  # shellcheck disable=SC2086
  check "$bin/model" safety --weights $liars --only e
done
check "$bin/model" safety --weights 1,1 --byz 2 --views 3 --only e
echo "-- mutants: agreement breaks, and two chains are finalized (C14.2)"
for m in "${mutants[@]}"; do
  check "$bin/model" safety --mutant "$m" --only s --expect-violation --quiet
  check "$bin/model" safety --mutant "$m" --only fork --expect-violation --quiet
done
echo "-- heal: from every state (C14.3)"
check "$bin/model" heal
check "$bin/model" heal --mutant enter_on_lone_z --expect-violation --quiet
check "$bin/model" heal --mutant finalize_without_n --expect-violation --quiet

echo "-- replay: the core's own votes, and those of a broken core (C14.4)"
# trace OPTIONS..: a trace of the simulator, judged in full
trace() { rm -f "$work/votes"; check "$bin/sim" "$@" --votes "$work/votes"; check "$bin/model" replay "$work/votes" $complete; }
if [ "$mode" = quick ]; then seeds=40 samples=100 sizes=(7); else seeds=600 samples=3000 sizes=(7 16 128); fi
complete=--complete
trace --seeds "$seeds"
complete=
for n in "${sizes[@]}"; do trace --seeds 3 -n "$n" --chaos 8000; done
trace --twins --sample "$samples"
for m in "${mutants[@]}" enter_on_lone_z finalize_without_n; do
  rm -f "$work/votes"
  "$bin/sim_mutants" --mutant "$m" --seeds 60 --votes "$work/votes" --expect-violation >/dev/null 2>&1   # whether it sees the violation itself is not the question here
  label="$m: "
  check "$bin/model" replay "$work/votes" --expect-violation --quiet
done
label=

echo "-- Promela: a second opinion"
spin_run() { # expected errors, switches
  local want=$1 dir=$work/spin log=$work/spin.log; shift
  rm -rf "$dir"; mkdir -p "$dir"
  ( cd "$dir" && spin -a "$@" "$here/simplex.pml" && gcc -w -O2 -DSAFETY -DNOREDUCE -o pan pan.c && ./pan -m10000 -w24 -n ) >"$log" 2>&1 || { cat "$log"; return 1; }
  grep -q "errors: $want\$" "$log" || { cat "$log"; return 1; }
  if [ "$want" = 0 ] && grep -qiE 'depth too small|out of memory|not completed' "$log"; then cat "$log"; return 1; fi
  spin_states=$(sed -nE 's/^ *([0-9]+) states, stored.*/\1/p' "$log")
  echo "promela $*: $spin_states states, errors: $want"
}
# Two searches of two texts of the rules: the same states, one by one; spin counts one more, before it has chosen a configuration.
same_states() { # switches of spin, of ours
  local ours
  spin_run 0 "$1" || return 1
  # shellcheck disable=SC2086
  ours=$("$bin/model" safety --apart $2 | sed -nE 's/.* ([0-9]+) states.*/\1/p')
  if [ "$spin_states" = $((ours+1)) ]; then echo "promela $1: $spin_states states, the $ours of safety.c and spin's first, errors: 0"; else echo "spin $1 has $spin_states states, safety.c $ours"; return 1; fi
}
if command -v spin >/dev/null 2>&1; then
  check same_states -DPAIRS ""
  check same_states -DLOOSE "--loose --only s"
  check spin_run 1 -DLOOSE -DPAIRS
  for m in "${mutants[@]}"; do check spin_run 1 "-D${m^^}"; done
else
  echo "SKIP: spin is not there (apt-get install spin): 8 checks not made"; skipped=8
fi

echo "model, $mode: $ok checks passed, $failed failed, $skipped skipped, $(($(date +%s)-start)) s"
[ "$failed" = 0 ]
