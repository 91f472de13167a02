# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2154 # init sets root
# Drivers and file systems: those of the kernel, the disks, the image's overlay, the workspace.

# One process mounts a whole table; which line failed is looked up only then.
mount_table() {
  busybox mount -a -T "/etc/fstab.$1" && return # by its path: applets need /proc
  while read -r what where kind _; do
    case "$what" in '#'* | '') continue ;; esac
    grep -q " $where " /proc/mounts || fail "mount $what on $where ($kind)"
  done <"/etc/fstab.$1"
  fail "mount table $1"
}

# /lib/modules/order has a module and its condition a line: `-`, a transport, a kind of share, or
# `late` for what no boot waits for.
load_modules() {
  transport=mmio
  for device in /sys/bus/pci/devices/*; do
    [ -e "$device" ] && transport=pci
  done
  modules=
  while read -r module condition; do
    case "$condition" in
      - | "$transport" | "$BBOX_SHARE") modules="$modules $module" ;;
    esac
  done </lib/modules/order
  # shellcheck disable=SC2086 # a list of names; one process for all of them
  modprobe -a $modules || warn "modules"
}

mount_root() {
  tries=0
  while [ ! -b /dev/vda ] || [ ! -b /dev/vdb ]; do
    tries=$((tries + 1))
    [ "$tries" -gt 100 ] && fail "no disk"
    sleep 0.02
  done
  mount_table "disks-$BBOX_SHARE"
  mkdir -p /dev/pts /m/scratch/u /m/scratch/w /m/run/bbox
  mount_table root
  seal proc/sys nosuid,nodev,noexec
  seal run/bbox nosuid,nodev
  # 0: /tmp stays on the scratch disk, as a directory of the root.
  [ "$BBOX_TMP_MIB" -gt 0 ] || return 0
  mount -t tmpfs -o "size=${BBOX_TMP_MIB}m,mode=1777,nosuid,nodev" tmp "$root/tmp" ||
    fail "mount tmp"
}

# A bind mount becomes read-only by a second step, which no table can have: mount -a skips what is
# mounted already.
seal() {
  mount -o "remount,bind,ro,$2" none "$root/$1" || fail "seal $1"
}

# overlayfs works with its mounter's credentials. Mounted by uid 1000 with all capabilities, all
# that the agent makes is uid 1000's on the share, the one id that virtiofsd maps. An agent that
# works in an empty directory would lose its work, so nothing here may fail.
mount_workspace() {
  if [ "$BBOX_SHARE" = 9p ]; then
    mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=mmap,nosuid,nodev \
      workspace "$root/workspace" || fail "mount workspace (9p)"
    return
  fi
  /bin/setpriv --reuid=1000 --regid=1000 --clear-groups --inh-caps=+all --ambient-caps=+all \
    /bin/busybox mount -t overlay \
    -o lowerdir=/m/lo,upperdir=/m/up/u,workdir=/m/up/w,userxattr,nosuid,nodev \
    workspace "$root/workspace" || fail "mount workspace"
}
