# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2154,SC3045 # init sets root; busybox has these ulimits
# What is neither a file system nor the agent: limits, clock, names, sysctls, network.

set_limits() {
  ulimit -c 0
  ulimit -Hn 524288
  ulimit -Sn 65536
  # Whatever else the guest's memory runs out for: not init, control and sshd.
  echo -1000 >/proc/self/oom_score_adj
  echo "$BBOX_HOSTNAME" >/proc/sys/kernel/hostname
}

# The configuration's time is the host's when it was written, so it is late by the boot so far.
set_clock() {
  read -r up _ </proc/uptime
  date -s "@$((BBOX_TIME + ${up%.*}))" >/dev/null || warn "clock"
}

# Image files are read line by line: a last line without its end must not swallow ours.
has_id() {
  while IFS=: read -r _ _ id _ || [ -n "$id" ]; do
    [ "$id" = "$2" ] && return
  done <"$1"
  return 1
}

add_line() {
  [ -e "$1" ] && [ -n "$(tail -c 1 "$1")" ] && echo >>"$1"
  echo "$2" >>"$1"
}

name_users() {
  for table in passwd group; do
    # A link of the image would be resolved in the initramfs: replace it by what it leads to.
    if [ -L "$root/etc/$table" ]; then
      content=$(chroot "$root" /run/bbox/busybox cat "/etc/$table" 2>/dev/null)
      rm "$root/etc/$table"
      echo "$content" >"$root/etc/$table"
    fi
    [ -e "$root/etc/$table" ] || : >"$root/etc/$table"
  done
  has_id "$root/etc/passwd" 0 || add_line "$root/etc/passwd" 'root:x:0:0:root:/root:/bin/sh'
  has_id "$root/etc/group" 0 || add_line "$root/etc/group" 'root:x:0:'
  has_id "$root/etc/passwd" 1000 ||
    add_line "$root/etc/passwd" 'sandbox:x:1000:1000::/home/sandbox:/bin/sh'
  has_id "$root/etc/group" 1000 || add_line "$root/etc/group" 'sandbox:x:1000:'
}

write_sysctls() {
  while read -r key value; do
    [ -e "/proc/sys/$key" ] || continue
    echo "$value" >"/proc/sys/$key" || warn "sysctl $key"
  done </etc/sysctl
}

configure_network() {
  ifconfig lo up || warn "network lo"
  [ -e /sys/class/net/eth0 ] || { warn "no network device"; return; }
  ifconfig eth0 192.168.127.2 netmask 255.255.255.0 up || fail "network eth0"
  route add default gw 192.168.127.1 || fail "network route"
}
