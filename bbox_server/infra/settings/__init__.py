# SPDX-License-Identifier: Apache-2.0
"""Agents' settings in the user's home."""
