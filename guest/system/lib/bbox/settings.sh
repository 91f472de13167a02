# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2154,SC3028,SC3045 # init sets root; busybox has the others
# What is neither a file system nor the agent: limits, clock, names, sysctls, network.

set_limits() {
  ulimit -c 0
  ulimit -Hn 524288
  ulimit -Sn 65536
  # When memory runs out it is not init, control or sshd that goes: the login shell resets this.
  echo -1000 >/proc/self/oom_score_adj
  echo "$BBOX_HOSTNAME" >/proc/sys/kernel/hostname
}

# The machine's own clock where it is plausible; else the host's time when it wrote the settings,
# which is late by the boot so far.
set_clock() {
  late=$((EPOCHSECONDS - BBOX_TIME))
  [ "$late" -ge 0 ] && [ "$late" -lt 60 ] && return
  read -r up _ </proc/uptime
  date -s "@$((BBOX_TIME + ${up%.*}))" >/dev/null || warn "clock"
}

# Give uid 1000 a name in the image's tables, unless it has one.
name_users() {
  for table in passwd group; do
    # A link of the image would be resolved in the initramfs: what it leads to takes its place.
    [ -L "$root/etc/$table" ] && replace_link "$root/etc/$table" "/etc/$table"
  done
  [ -e "$root/etc/passwd" ] || echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
  [ -e "$root/etc/group" ] || echo 'root:x:0:' >"$root/etc/group"
  named=$(grep -l '^[^:]*:[^:]*:1000:' "$root/etc/passwd" "$root/etc/group")
  case "$named" in
    */passwd*) ;;
    *) add_line "$root/etc/passwd" 'sandbox:x:1000:1000::/home/sandbox:/bin/sh' ;;
  esac
  case "$named" in
    */group*) ;;
    *) add_line "$root/etc/group" 'sandbox:x:1000:' ;;
  esac
}

# The skeleton made the home the agent's; what the image put there may be root's.
own_home() {
  for entry in /m/image/home/sandbox/* /m/image/home/sandbox/.[!.]*; do
    [ -e "$entry" ] || [ -L "$entry" ] || continue
    find "$root/home/sandbox" -xdev ! -user 1000 -exec chown -h 1000:1000 {} + || warn "home"
    return
  done
}

# What the image calls its working directory is there, as other runtimes see to it: empty, and the
# agent's. The path is resolved in the image: its links must not lead into the initramfs.
make_directory() {
  [ -z "$BBOX_WORKDIR" ] || [ -d "$root$BBOX_WORKDIR" ] && return
  chroot "$root" /run/bbox/busybox mkdir -p -- "$BBOX_WORKDIR" || warn "directory"
  chroot "$root" /run/bbox/busybox chown 1000:1000 -- "$BBOX_WORKDIR" || warn "directory"
}

replace_link() {
  content=$(chroot "$root" /run/bbox/busybox cat "$2" 2>/dev/null)
  rm "$1"
  [ -z "$content" ] || echo "$content" >"$1"
}

# The last line of a file may lack its end.
add_line() {
  [ -n "$(tail -c 1 "$1")" ] && echo >>"$1"
  echo "$2" >>"$1"
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
  ifconfig eth0 192.168.127.2 netmask 255.255.255.0 up || fail "network address"
  route add default gw 192.168.127.1 || fail "network route"
}
