# SPDX-License-Identifier: Apache-2.0
"""Coding agents in a microVM, reviewed before anything reaches the workspace."""
