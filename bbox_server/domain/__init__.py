# SPDX-License-Identifier: Apache-2.0
"""Values, rules and ports: no I/O, no clock, no environment."""
