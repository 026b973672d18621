#!/usr/bin/env bash
# Build libdmg_native, or find it built, and print the folder that holds it:
#   <out>/lib/libdmg_native.so  <out>/lib/libdmg_native.a
#   <out>/include/dmgn_*.h  wasm.h  wasmtime.h  wasmtime/...
#
#   native/build.sh              build if needed, print <out>
#   native/build.sh --print-dir  print <out> without building (it may not exist yet)
#   native/build.sh --test       the crates' own tests
#   native/build.sh --library    build rust-libp2p alone, the yardstick of [B3] (p2p/examples/library.rs), print the program
#   native/build.sh --lint       rustfmt, clippy, headers against cbindgen and exports, licences, bans, advisories
#
# The cache is ${XDG_CACHE_HOME:-~/.cache}/demiurge/native-<hash of the foreign
# crates in Cargo.lock and of rustc>/: target/ for cargo, out-<hash of our
# sources>/ for the products.  A checkout with unchanged sources finds its <out>
# without a call of cargo; checkouts with the same foreign crates share them.
# Progress goes to stderr; DMG_NATIVE_JOBS limits cargo's jobs.
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# rustc >= 1.95: the one on the PATH, else Debian's rustc-web.  Never let rustup fetch a toolchain.
export RUSTUP_AUTO_INSTALL=0
rustc=
for c in rustc /usr/bin/rustc; do
  v=$("$c" --version 2>/dev/null) || continue
  minor=$(sed -nE 's/^rustc 1\.([0-9]+)\..*/\1/p' <<<"$v")
  if [ -n "$minor" ] && [ "$minor" -ge 95 ]; then rustc=$c; rustc_version=$v; break; fi
done
if [ -z "$rustc" ]; then
  echo "native/build.sh: no rustc 1.95 or newer, neither on the PATH nor in /usr/bin; on Debian 12: apt-get install rustc-web cargo-web" >&2
  exit 1
fi
if [ "$rustc" = rustc ]; then cargo=cargo; else cargo=/usr/bin/cargo; fi

# curve25519-dalek holds its AVX-512 code beside AVX2 and portable and picks at run time, but only where its build script
# is told so; a third less time a signature.
if [ "$(uname -m)" = x86_64 ]; then export CARGO_CFG_CURVE25519_DALEK_BACKEND=avx512; fi

# Settings that change the product are part of the key.
lock_key=$( { awk 'BEGIN { RS = ""; ORS = "\n\n" } /\nsource = /' "$here/Cargo.lock"; echo "$rustc_version ${RUSTFLAGS-} ${CARGO_CFG_CURVE25519_DALEK_BACKEND-} $(uname -m)"; } | sha256sum | cut -c1-16)
src_key=$(cd "$here" && find . \( -path ./target -o -path ./oracle -o -path ./p2p/examples \) -prune -o -type f \( -name '*.rs' -o -name '*.toml' -o -name Cargo.lock -o -name '*.h' -o -name build.sh \) -print0 |
  sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
caches=${XDG_CACHE_HOME:-$HOME/.cache}/demiurge
cache=$caches/native-$lock_key
out=$cache/out-$src_key

target=$cache/target
jobs=${DMG_NATIVE_JOBS:+-j$DMG_NATIVE_JOBS}

# Cargo trusts the times of sources, and checkouts share its target folder: files older than another checkout's build would pass for
# built.  So what another one (or another state) left there makes ours new.  mine SOURCES TARGET
mine() {
  local key=$here-$src_key
  [ "$(cat "$2/built-last" 2>/dev/null)" != "$key" ] || return 0
  find "$1" -name '*.rs' -exec touch {} +
  mkdir -p "$2"
  echo "$key" >"$2/built-last"
}
# lib/build.rs copies wasmtime's headers into DMGN_INCLUDE_OUT.  Set in every mode, as a change runs it again.
export RUSTC=$rustc DMGN_INCLUDE_OUT=$target/include-wasmtime
case "${1-}" in
  --print-dir) echo "$out"; exit 0 ;;
  --test)
    cd "$here"
    mine "$here" "$target"
    mine "$here/../tests/conformance/rust" "$caches/conformance"
    # shellcheck disable=SC2086
    "$cargo" test --release --locked --workspace --target-dir "$target" $jobs
    # The third witness of the golden vectors; its crates are few and have their own lock file.
    # shellcheck disable=SC2086
    exec "$cargo" test --locked --manifest-path "$here/../tests/conformance/rust/Cargo.toml" --target-dir "$caches/conformance" $jobs ;;
  --library)
    mine "$here" "$target"
    # With dmg_native, so that the crates' features, and with them what is built already, stay the same.
    # shellcheck disable=SC2086
    (cd "$here" && "$cargo" build --release --locked -p dmg_native -p dmgn_p2p --example library --target-dir "$target" $jobs) >&2
    echo "$target/release/examples/library"
    exit 0 ;;
  --lint)
    # A file of its own, so that a change of the lint does not build the library again.
    # shellcheck source=native/lint.sh
    . "$here/lint.sh"
    lint
    exit 0 ;;
  '') ;;
  *) echo "usage: native/build.sh [--print-dir | --test | --library | --lint]" >&2; exit 2 ;;
esac

if [ -e "$out/complete" ]; then touch -c "$out"; echo "$out"; exit 0; fi

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9                                    # another checkout may be at it
if [ -e "$out/complete" ]; then echo "$out"; exit 0; fi

tmp=$cache/tmp-$src_key-$$
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/lib" "$tmp/include"

mine "$here" "$target"
# shellcheck disable=SC2086
(cd "$here" && "$cargo" build --release --locked -p dmg_native --target-dir "$target" $jobs) >&2

cp "$target/release/libdmg_native.so" "$target/release/libdmg_native.a" "$tmp/lib/"
cp -r "$DMGN_INCLUDE_OUT/." "$tmp/include/"
cp "$here"/include/dmgn_*.h "$tmp/include/"
touch "$tmp/complete"
rm -rf "$out"
mv "$tmp" "$out"

# A build folder links to its product where it lies, and the product of an older checkout may be in use beside this one: what is
# removed lets those binaries no longer start.  So products used (built, or asked for, which touches them) in the last 7 days stay,
# and the 4 newest in any case; 12 of 110 MB are the bound.
find "$cache" -maxdepth 1 -name 'out-*' -printf '%T@ %p\n' | sort -rn |
  awk -v since=$(($(date +%s) - 7 * 86400)) 'NR > 12 || (NR > 4 && $1 < since) { sub(/^[^ ]* /, ""); print }' | xargs -d '\n' -r rm -rf
echo "$out"
