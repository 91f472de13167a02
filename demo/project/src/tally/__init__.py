# SPDX-License-Identifier: Apache-2.0
"""Adds up what a household spends."""
