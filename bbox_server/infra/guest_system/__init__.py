# SPDX-License-Identifier: Apache-2.0
"""Kernel and initramfs of the guest."""
