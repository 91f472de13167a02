# SPDX-License-Identifier: Apache-2.0
"""A session's host: the one process that runs, reviews and flushes it."""
