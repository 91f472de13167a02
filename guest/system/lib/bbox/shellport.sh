# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
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
  exec <>"$1" || exit 1
  [ -n "$3" ] && timeout -s KILL 0.1 cat >/dev/null 2>&1
  printf '\nBBOX-READY %s\n' "$2" >&0
  while read -r word nonce; do
    [ "$word $nonce" = "BBOX-GO $2" ] && exec /usr/sbin/sshd -i -e -f /etc/ssh/sshd_config \
      >&0 2>/dev/console
  done
  exit 1
}
