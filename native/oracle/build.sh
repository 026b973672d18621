#!/usr/bin/env bash
# Build libdmg_wasmi.so, the tests' second engine, or find it built, and print the folder that holds it.
#   native/oracle/build.sh [--print-dir]
# Cached like the product library: ${XDG_CACHE_HOME:-~/.cache}/demiurge/oracle-<hash of sources, lock file and rustc>/.
set -euo pipefail
export LC_ALL=C RUSTUP_AUTO_INSTALL=0
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rustc=rustc cargo=cargo
minor=$({ rustc --version 2>/dev/null || true; } | sed -nE 's/^rustc 1\.([0-9]+)\..*/\1/p')
if [ "${minor:-0}" -lt 95 ]; then rustc=/usr/bin/rustc cargo=/usr/bin/cargo; fi
export RUSTC=$rustc
key=$( { cd "$here"; cat build.sh Cargo.toml Cargo.lock dmg_wasmi.h src/*.rs; "$rustc" --version; uname -m; } | sha256sum | cut -c1-16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/demiurge
out=$cache/oracle-$key
cd "$here"
case "${1-}" in
  --print-dir) echo "$out"; exit 0 ;;
  '') ;;
  *) echo "usage: native/oracle/build.sh [--print-dir]" >&2; exit 2 ;;
esac
if [ ! -e "$out/libdmg_wasmi.so" ]; then
  mkdir -p "$cache"
  exec 9>"$cache/oracle-lock"
  flock 9
  "$cargo" build --release --locked --target-dir "$cache/oracle-target" >&2
  mkdir -p "$out"
  cp "$cache/oracle-target/release/libdmg_wasmi.so" "$out/.new"
  mv "$out/.new" "$out/libdmg_wasmi.so"
  find "$cache" -maxdepth 1 -name 'oracle-????????????????' -printf '%T@ %p\n' | sort -rn | tail -n +5 | cut -d' ' -f2- | xargs -r rm -rf
fi
echo "$out"
