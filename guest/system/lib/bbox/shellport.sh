# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC3045 # busybox reads with a timeout
# sshd on a serial port. The port knows no connections, so each client begins with RESET: the old
# sshd goes, what its client left is drained, READY and GO mark where the new client's bytes begin.
pid_file=/run/shell-port.pid

# reset_shell_port PORT NONCE
reset_shell_port() {
  drain=
  if read -r sshd 2>/dev/null <"$pid_file"; then
    drain=yes
    end_sshd "$sshd"
  fi
  # No child of the caller's: a child's end interrupts `read`, which then forgets the part of a
  # command that it has read. PID 1 reaps this one.
  (
    serve_shell_port "$1" "$2" "$drain" 3>&- &
    echo $! >"$pid_file"
  )
}

# The monitor and its unprivileged half; what it ran gets SIGHUP with its terminal.
end_sshd() {
  [ -O "/proc/$1" ] || return # gone, and its number may be the agent's by now
  children=
  read -r children 2>/dev/null <"/proc/$1/task/$1/children"
  # shellcheck disable=SC2086 # a list of pids
  kill -KILL "$1" $children 2>/dev/null
}

# serve_shell_port PORT NONCE DRAIN
serve_shell_port() {
  tries=0
  # The port opens once at a time: the old half may not be gone yet. (Not `:`, a special builtin,
  # which ends the shell when its redirection fails.)
  until { true <>"$1"; } 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -gt 200 ] && exit 1
    sleep 0.02
  done
  exec 4<>"$1" || exit 1
  [ -z "$3" ] || drain_port
  # Said until it is answered: an old client whose end the VMM had not noticed yet may have taken it.
  # One too many does no harm, a client skips what comes before the version (RFC 4253, 4.2).
  say_ready "$2"
  while :; do
    # A timeout forgets what it has read of a line, so it waits for the first byte only.
    if read -r -t 1 -n 1 first <&4; then
      read -r rest <&4 || continue
      [ "$first$rest" = "BBOX-GO $2" ] || continue
      # shellcheck disable=SC2093 # nothing here goes on after GO
      exec /usr/sbin/sshd -i -e -f /etc/ssh/sshd_config <&4 >&4 4>&- 2>/dev/console
    fi
    sleep 0.05 # with no host on the other end, reads end at once
    say_ready "$2"
  done
}

say_ready() {
  printf '\nBBOX-READY %s\n' "$1" >&4
}

# What the old client sent last: the shell would read it byte by byte. (timeout(1) counts seconds.)
drain_port() {
  cat <&4 >/dev/null 2>&1 &
  sleep 0.1
  kill -KILL $!
  wait $! 2>/dev/null
}
