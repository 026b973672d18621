# shellcheck shell=bash disable=SC2154
# native/build.sh --lint: rustfmt, clippy, headers against cbindgen and exports, licences, bans, advisories.  Read by build.sh, whose variables it uses.
#
# It installs cargo-deny (pinned below) into the cache; rustfmt, clippy and cbindgen must be there (./dev lint sees to it, as far as
# Debian has them).  A check that could not be made is a line "WARNING: .." on stderr and in the file $DMG_UNCHECKED, if that is set.
# Advisories: DMG_ADVISORY_DB is any git URL of RustSec's advisory-db, also a folder or a bundle; default https://github.com/rustsec/advisory-db.

# What no check has looked at is said, never passed over.
unchecked() {
  echo "WARNING: $*" >&2
  [ -z "${DMG_UNCHECKED-}" ] || echo "$*" >>"$DMG_UNCHECKED"
}

deny_version=0.20.2
need_deny() {
  local root=$caches/tools/cargo-deny-$deny_version
  if [ ! -x "$root/bin/cargo-deny" ]; then
    echo "native: cargo-deny $deny_version, built once (about 3 minutes on 2 cores)" >&2
    # shellcheck disable=SC2086
    "$cargo" install --quiet cargo-deny --locked --version "$deny_version" --root "$root" $jobs >&2
  fi
  deny=$root/bin/cargo-deny
}

# RustSec's data as it is now, or as it was fetched last; false if there never was any.
need_advisories() {
  local url=${DMG_ADVISORY_DB:-https://github.com/rustsec/advisory-db}
  advisories=$caches/advisories-$(sha256sum <<<"$url" | cut -c1-8)
  local db=$advisories/advisory-db-3157b0e258782691     # the name that cargo-deny gives the default URL
  if [ -d "$db" ]; then
    timeout 120 git -C "$db" pull --quiet --ff-only 2>/dev/null || unchecked "advisories of Rust crates: $url is out of reach, checked against the copy of $(git -C "$db" log -1 --format=%cs)"
    return 0
  fi
  mkdir -p "$advisories"
  timeout 120 git clone --quiet --depth 1 "$url" "$db" 2>/dev/null && return 0
  rm -rf "$db"
  unchecked "advisories of Rust crates: NOT CHECKED, $url is out of reach; DMG_ADVISORY_DB names another git URL, folder or bundle of RustSec's advisory-db"
  return 1
}

lint() {
  cd "$here" || exit
  local manifest conf manifests=(Cargo.toml oracle/Cargo.toml ../tests/conformance/rust/Cargo.toml)
  for manifest in "${manifests[@]}"; do
    "$cargo" fmt --all --check --manifest-path "$manifest"
  done
  if "$cargo" clippy --version >/dev/null 2>&1; then
    # shellcheck disable=SC2086
    "$cargo" clippy --release --locked --workspace --all-targets --target-dir "$target" $jobs -- -D warnings
    # shellcheck disable=SC2086
    "$cargo" clippy --release --locked --all-targets --manifest-path oracle/Cargo.toml --target-dir "$caches/oracle-target" $jobs -- -D warnings
    # shellcheck disable=SC2086
    "$cargo" clippy --locked --all-targets --manifest-path ../tests/conformance/rust/Cargo.toml --target-dir "$caches/conformance" $jobs -- -D warnings
  else
    unchecked "clippy: NOT CHECKED, $rustc_version comes without it (Debian 12 does not package it); a toolchain by rustup has it"
  fi
  "$here/build.sh" >/dev/null
  # A crate that lib/ forgets is linked away: what cbindgen finds in the sources must be exported, too.
  diff <(cat include/dmgn_*.h | sed -E 's,/\*([^*]|\*[^/])*\*/,,g' | grep -oE '\bdmgn_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u) \
       <(nm -D --defined-only "$out/lib/libdmg_native.so" | awk '$3 ~ /^dmgn_/ { print $3 }' | sort) \
    || { echo "native: headers (<) and exports (>) differ" >&2; exit 1; }
  CARGO=$cargo ./check_headers cbindgen "$out/include"
  need_deny
  export CARGO=$cargo
  for manifest in "${manifests[@]}"; do
    "$deny" --offline --locked --manifest-path "$manifest" --config deny.toml check --allow license-not-encountered bans licenses sources
  done
  if need_advisories; then
    conf=$advisories/deny.toml
    { cat deny.toml; printf '[advisories]\ndb-path = "%s"\ndb-urls = [ "https://github.com/rustsec/advisory-db" ]\n' "$advisories"; } >"$conf"
    for manifest in "${manifests[@]}"; do
      "$deny" --offline --locked --manifest-path "$manifest" --config "$conf" check advisories
    done
  fi
}
