# SPDX-License-Identifier: Apache-2.0
"""Builds the images of the project (docs: images/README.md)."""
