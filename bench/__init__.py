# SPDX-License-Identifier: Apache-2.0
"""Measures; each prints ratios taken in one run: `make bench`."""
