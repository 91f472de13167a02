# SPDX-License-Identifier: Apache-2.0
"""Images of registries (OCI distribution-spec 1.1)."""
