# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC3045 # busybox reads with a timeout
# Commands of the host on the control port, and the one sshd on the shell port.
. /lib/bbox/console.sh
. /lib/bbox/shellport.sh

find_port() {
  while :; do
    for port in /sys/class/virtio-ports/*; do
      read -r name 2>/dev/null <"$port/name" || continue
      [ "$name" = "$1" ] && port=/dev/${port##*/} && return
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

# Out of memory, the agent may need a page of its program back to get on. squashfs reads it with
# GFP_NOIO, which tries for ever and never calls the out-of-memory killer (mm/page_alloc.c). A fork
# does, so there is one now and then.
poke_memory() {
  while sleep 3; do :; done
}

# What the first command need not wait for.
settle() {
  patience=
  report_oom &
  poke_memory &
  while read -r module condition; do
    [ "$condition" != late ] || modprobe "$module" || warn "module $module"
  done </lib/modules/order
}

has_processes() {
  for process in /proc/[0-9]*; do
    # Kernel threads have no executable; 1 and this shell stay.
    [ -e "$process/exe" ] || continue
    case "${process#/proc/}" in 1 | "$$") ;; *) return 0 ;; esac
  done
  return 1
}

# End everything and write all to the disks and the share: then the host may end the VM at once.
end_all() {
  step off
  kill -TERM -1
  tries=0
  while has_processes && [ "$tries" -lt 10 ]; do
    tries=$((tries + 1))
    sleep 0.02
  done
  kill -KILL -1
  sync
}

obey() {
  case "$1" in
    RESET) reset_shell_port "$shell_port" "$2" ;;
    CLOCK) date -s "@$3" >/dev/null || { echo "FAILED $2 clock" >&3; return; } ;;
    PING) ;;
    OFF) end_all ;;
    '') return ;;
    *) echo "FAILED ${2:--} unknown" >&3; return ;;
  esac
  echo "DONE $2" >&3
  [ "$1" != OFF ] || poweroff -f
}

find_port bbox.ssh
shell_port=$port
find_port bbox.ctl
exec 3<>"$port"
patience='-t 2'
while :; do
  # shellcheck disable=SC2086,SC2229 # an option and its value, or nothing
  if read -r $patience verb nonce argument <&3; then
    obey "$verb" "$nonce" "$argument"
  elif [ -n "$patience" ]; then
    settle
  else
    sleep 0.2 # no host on the other end: the port says end-of-file at once
  fi
done
