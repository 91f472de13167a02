# SPDX-License-Identifier: Apache-2.0
"""Snapshots, overlays and the flush."""
