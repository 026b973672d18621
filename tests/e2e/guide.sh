#!/usr/bin/env bash
# guide.sh DEMIURGE [PAGE..]: runs every ```sh run block of docs/guide, in order, each page in one shell against a fresh chain.
demiurge=$(readlink -f "$1"); shift
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/e2e/lib.sh"
command -v curl >/dev/null || die "curl is needed to run docs/guide: apt-get install curl"

[ $# -gt 0 ] || set -- "$root"/docs/guide/*.md
# The guide says `demiurge`; nothing of the caller's environment reaches it.
mkdir "$e2e_dir/bin"
ln -s "$demiurge" "$e2e_dir/bin/demiurge"
export PATH="$e2e_dir/bin:$PATH"
unset DEMIURGE_PASSPHRASE_FD DEMIURGE_FROM DEMIURGE_CONFIG

# A block that says sh and not run would be a command that nobody tried.
for page in "$@"; do
  ! grep -nE '^```sh *$' "$page" || die "$page: a \`\`\`sh block that is not marked run (show output and what cannot run as \`\`\`console)"
done

# The guide's ports, 17000 to 17999, are moved, so that two runs on one machine do not meet.
ports=$(( 10+RANDOM%20 ))
for page in "$@"; do
  name=${page##*/}
  awk -v name="$name" '
    BEGIN           { print "trap \"kill \\$(jobs -p) 2>/dev/null || true; wait\" EXIT" }
    /^```sh run *$/ { on = 1; n++; printf "echo \"%s:%d\" >&3\n", name, FNR+1; next }
    /^```/          { on = 0; next }
    on              { print }' "$page" | sed -E "s/\b17([0-9]{3})\b/$ports\1/g" >"$e2e_dir/page.sh"
  [ "$(wc -l <"$e2e_dir/page.sh")" -gt 1 ] || continue
  rm -rf "$e2e_dir/keys" "$e2e_dir/work"; mkdir "$e2e_dir/work"
  start
  code=0
  (cd "$e2e_dir/work" && exec timeout 120 bash -euo pipefail "$e2e_dir/page.sh") 3>"$e2e_dir/at" >"$e2e_dir/out" 2>&1 </dev/null || code=$?
  [ "$code" = 0 ] || die "docs/guide/$(tail -n 1 "$e2e_dir/at"): the block that begins there gave $code: $(tail -n 12 "$e2e_dir/out")"
  blocks=$(wc -l <"$e2e_dir/at")
  passed=$((passed+blocks))
  printf 'ok   %s: %d blocks\n' "$name" "$blocks"
  stop
done
printf '%d passed, 0 failed\n' "$passed"
