# SPDX-License-Identifier: Apache-2.0
"""What parses input and renders output."""
