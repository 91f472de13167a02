# SPDX-License-Identifier: Apache-2.0
"""Use cases: one module a verb, ports only."""
