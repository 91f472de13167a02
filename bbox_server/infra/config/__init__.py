# SPDX-License-Identifier: Apache-2.0
"""Config files on the disk: read, decoded strictly, written."""
