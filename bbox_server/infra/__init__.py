# SPDX-License-Identifier: Apache-2.0
"""Adapters: one folder an outside system."""
