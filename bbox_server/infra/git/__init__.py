# SPDX-License-Identifier: Apache-2.0
"""Git directories of the workspace."""
