# SPDX-License-Identifier: Apache-2.0
"""OCI images as root filesystems."""
