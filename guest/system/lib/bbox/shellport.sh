# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC3045 # busybox reads with a timeout
# sshd on a serial port. The port knows no connections, so each client begins with RESET: the old
# sshd goes, what its client left is drained, READY and GO mark where the new client's bytes begin.
sshd=

# reset_shell_port PORT NONCE
reset_shell_port() {
  drain=
  if [ -n "$sshd" ]; then
    drain=yes
    # The monitor and its unprivileged half; what it ran gets SIGHUP with its terminal.
    children=
    read -r children 2>/dev/null <"/proc/$sshd/task/$sshd/children"
    # shellcheck disable=SC2086 # a list of pids
    kill -KILL $sshd $children 2>/dev/null
    wait "$sshd" 2>/dev/null
  fi
  serve_shell_port "$1" "$2" "$drain" 3>&- &
  sshd=$!
}

# serve_shell_port PORT NONCE DRAIN
serve_shell_port() {
  tries=0
  # The port opens once at a time: the old half may not be gone yet.
  until { : <>"$1"; } 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -gt 100 ] && exit 1
    sleep 0.05
  done
  exec 4<>"$1" || exit 1
  [ -z "$3" ] || drain_port
  # Said until it is answered: an old client whose end the VMM had not noticed yet may have taken it.
  # One too many does no harm, a client skips what comes before the version (RFC 4253, 4.2).
  while :; do
    printf '\nBBOX-READY %s\n' "$2" >&4
    while read -r -t 1 word nonce <&4; do
      [ "$word $nonce" = "BBOX-GO $2" ] || continue
      # shellcheck disable=SC2093 # nothing here goes on after GO
      exec /usr/sbin/sshd -i -e -f /etc/ssh/sshd_config <&4 >&4 4>&- 2>/dev/console
    done
    sleep 0.05 # with no host on the other end, reads end at once
  done
}

# What the old client sent last: the shell would read it byte by byte. (timeout(1) counts seconds.)
drain_port() {
  cat <&4 >/dev/null 2>&1 &
  sleep 0.1
  kill -KILL $!
  wait $! 2>/dev/null
}
