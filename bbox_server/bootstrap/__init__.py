# SPDX-License-Identifier: Apache-2.0
"""The composition root: it names the adapters and reads the environment; nothing else does."""
