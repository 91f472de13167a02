# SPDX-License-Identifier: Apache-2.0
"""The relay that is the guest's whole network."""
