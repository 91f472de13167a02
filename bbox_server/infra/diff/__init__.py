# SPDX-License-Identifier: Apache-2.0
"""Hunks and three-way merges, by git and unidiff."""
