# SPDX-License-Identifier: Apache-2.0
"""Ignore rules, by pathspec."""
