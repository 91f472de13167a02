# SPDX-License-Identifier: Apache-2.0
"""bbox-server: a language server that also speaks bbox/*."""
