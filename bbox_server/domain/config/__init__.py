# SPDX-License-Identifier: Apache-2.0
"""What users and workspaces configure: the values, and how they are put together."""
