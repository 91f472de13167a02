# SPDX-License-Identifier: Apache-2.0
"""The built-in agents."""

from typing import Final

IMAGE_REGISTRY: Final = "ghcr.io/stacklok/brood-box"
"""The one place that says where the agents' images are pulled from."""
