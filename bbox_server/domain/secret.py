# SPDX-License-Identifier: Apache-2.0
"""What nobody is to see."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A value that no representation shows."""

    value: str = field(repr=False)
