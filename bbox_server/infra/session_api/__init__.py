# SPDX-License-Identifier: Apache-2.0
"""The session API's client: connections to session hosts, and how hosts are started."""
