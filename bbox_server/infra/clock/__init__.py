# SPDX-License-Identifier: Apache-2.0
"""Time, identifiers and randomness of the machine."""
