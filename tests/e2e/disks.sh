#!/usr/bin/env bash
# disks.sh DEMIURGE: a data folder on a disk that is too small, full or read-only: what `demiurge dev` says, and that it goes on once there is room.
# In a user and mount namespace of its own, so that it needs no rights.  (A disk that fails while a node runs: disk.mjs.)
demiurge=$(readlink -f "$1")
root=$(cd "$(dirname "$0")/../.." && pwd)
if [ "${2-}" != inside ]; then
  unshare -rm true 2>/dev/null || { echo "SKIP disks: no mount namespace to be had here"; exit 0; }
  exec unshare -rm "$0" "$demiurge" inside
fi
. "$root/tests/e2e/lib.sh"
disk=$e2e_dir/disk
mkdir "$disk"
mount -t tmpfs -o size=64m none "$disk"
trap 'umount -l "$disk"; cleanup' EXIT
dev() { "$demiurge" dev --port 0 --data "$disk/$1" </dev/null; }

refuse "a disk too small for a new chain" 1 "the disk of $disk/d/db has 63 MiB left, and a new store needs 320 MiB; free some space there or name another folder" dev d
mount -o remount,size=1g "$disk"
start --data "$disk/d"
check "it begins once there is room" "$demiurge" transfer bob 1 --from alice --yes
stop

# All but 1 MiB, then all: RocksDB alone would abort, and a file would be cut short.
fallocate -l $(( $(stat -f -c '%a*%S' "$disk")-1048576 )) "$disk/filler"
refuse "a full disk"            1 "has 1 MiB left, and opening the store needs 16 MiB; free some space" dev d
head -c 2M /dev/zero >"$disk/more" 2>/dev/null || true
refuse "not a byte left"        1 "has 0 MiB left, and opening the store needs 16 MiB; free some space" dev d
refuse "not a byte left, a new folder" 1 "genesis.bin: no room left, on disk or in a bounded table or queue; --data names a folder that this user can write and whose disk has room" dev new
rm "$disk/filler" "$disk/more"
start --data "$disk/d"
check "it goes on once there is room" "$demiurge" transfer bob 1 --from alice --yes
check "with what it had"        grep -q '^free       1000002 CGT' <("$demiurge" balance bob)
stop

mount -o remount,ro "$disk"
refuse "a read-only disk"       2 "$disk/d is on a file system that is mounted read-only; mount it writable or name another folder" dev d
refuse "a new folder on it"     2 "--data names a folder that this user can write" dev other
grep -q "make directory $disk/other: Read-only file system" "$e2e_dir/err" || die "the cause is not told: $(cat "$e2e_dir/err")"
printf '%d passed, 0 failed\n' "$passed"
