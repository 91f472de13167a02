# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Commands of the host on the control port, and the one sshd on the shell port.
. /lib/bbox/console.sh
. /lib/bbox/shellport.sh

find_port() {
  while :; do
    for port in /sys/class/virtio-ports/*; do
      read -r name 2>/dev/null <"$port/name" || continue
      [ "$name" = "$1" ] && { echo "/dev/${port##*/}"; return; }
    done
    sleep 0.02
  done
}

# The kernel's record of an out-of-memory kill, as one line for the host. awk, because the shell
# reads its input byte by byte.
report_oom() {
  exec awk '/ut of memory: Killed process/ {
    sub(/.*Killed process /, "")
    line = $1 " " substr($0, index($0, "(") + 1, index($0, ")") - index($0, "(") - 1)
    print "BBOX-OOM " line >"/dev/console"
    fflush("/dev/console")
    print "OOM " line
    fflush()
  }' </dev/kmsg >&3
}

power_off() {
  step off
  kill -TERM -1
  sleep 0.2
  kill -KILL -1
  cd /..
  sync
  umount workspace 2>/dev/null
  poweroff -f
}

obey() {
  case "$1" in
    RESET) reset_shell_port "$2" ;;
    CLOCK) date -s "@$3" >/dev/null || { echo "FAILED $2 clock" >&3; return; } ;;
    PING) ;;
    OFF) ;;
    '') return ;;
    *) echo "FAILED ${2:--} unknown" >&3; return ;;
  esac
  echo "DONE $2" >&3
  [ "$1" = OFF ] && power_off
}

shell_port=$(find_port bbox.ssh)
exec 3<>"$(find_port bbox.ctl)"
report_oom &
while :; do
  while read -r verb nonce argument <&3; do
    obey "$verb" "$nonce" "$argument"
  done
  sleep 0.2 # no host on the other end: the port says end-of-file at once
done
