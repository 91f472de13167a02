#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The report of each file in a directory.
set -eu
for file in "${1:-.}"/*.txt; do
  echo "== $file"
  PYTHONPATH=src python3 -m tally.cli "$file"
done
