# SPDX-License-Identifier: Apache-2.0
"""What of the network the guest may reach, and what it tried."""
