# SPDX-License-Identifier: Apache-2.0
"""The built-in agents and those of the user."""
