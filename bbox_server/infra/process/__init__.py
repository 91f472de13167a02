# SPDX-License-Identifier: Apache-2.0
"""The only home of child processes on the host."""
