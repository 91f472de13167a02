# SPDX-License-Identifier: Apache-2.0
"""One case of a vector file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any  # YAML: each area knows the shape of its cases


class UnknownKindError(Exception):
    """The area doesn't know what the case asks for."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A question and the reference's answer.

    Attributes:
        area: The file's name without its ending; the module of that name answers.
        fields: All of the case, as it is in the file.
    """

    area: str
    id: str
    kind: str
    input: Any
    expect: Any
    fields: Mapping[str, Any] = field(default_factory=dict)
