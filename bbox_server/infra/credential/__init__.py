# SPDX-License-Identifier: Apache-2.0
"""The proxy that keeps provider keys on the host."""
