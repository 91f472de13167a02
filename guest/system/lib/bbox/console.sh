# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# The lines that the host reads (guest/README.md).

step() {
  read -r up _ </proc/uptime
  echo "BBOX $1 $up"
}

warn() {
  echo "BBOX-WARN $*"
}

fail() {
  echo "BBOX-FAIL $*"
  sleep 0.2 # the serial port is slower than the power switch
  poweroff -f
  sleep 60
}
