#!/bin/sh
# Boots a systemd of its own in namespaces of its own, on a copy of this machine's root that ends with it, and has it run the
# units and then a script there.
#
#   unshare --mount boot.sh SHARE SYSTEMD
#
# SHARE has `units/`, `etc/`, `sidegate` and `inside.sh`; it is at /share in there.
set -eu

share=$1
systemd=$2

# First outside: a group of processes of its own, which is removed at the end.
if [ "${3:-}" != inside ]; then
    mount --make-rprivate /
    mkdir "$share/groups"
    mount -t cgroup2 groups "$share/groups"
    group=$share/groups/sidegate-test-$$
    mkdir "$group"
    trap 'find "$group" -depth -type d -exec rmdir {} +' EXIT
    (
        echo 0 >"$group/cgroup.procs"
        exec setpriv --pdeathsig KILL \
            unshare --mount --pid --net --ipc --uts --cgroup --fork --kill-child "$0" "$share" "$systemd" inside
    ) || true
    exit
fi

stage=$share/stage
mkdir "$stage"
mount -t tmpfs stage "$stage"
mount --make-private "$stage"
mkdir "$stage/upper" "$stage/work" "$stage/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$stage/upper,workdir=$stage/work" "$stage/root"
cd "$stage/root"

# Nothing of the machine's own: no devices but those without which nothing runs, and a /sys that cannot be written, without which
# systemd looks after no devices.
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs run run
mount -t tmpfs tmp tmp
mount -t tmpfs dev dev
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir -p share dev/pts dev/shm oldroot
mount --bind "$share" share
mount -t tmpfs shm dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ip link set lo up

rm -rf etc/systemd/system
mkdir -p etc/systemd/system
cp "$share"/units/* etc/systemd/system/
cp -r "$share/etc/." etc/
cp "$share/sidegate" usr/local/bin/sidegate
echo 0123456789abcdef0123456789abcdef >etc/machine-id
cat >etc/systemd/system/inside.service <<'UNIT'
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'exec sh -x /share/inside.sh >/share/told 2>/share/trace'
UNIT
cat >etc/systemd/system/inside.target <<'UNIT'
[Unit]
Wants=inside.service
UNIT

# A service gets its credentials by a mount, which has to arrive in its own namespace.
pivot_root . oldroot
cd /
umount -l /oldroot
mount --make-rshared /
exec env -i container=sidegate-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    "$systemd" --system --unit=inside.target --log-level=warning --log-target=console --show-status=no
