# SPDX-License-Identifier: Apache-2.0
"""The keys of `keys`: limits of what a session may ask of its providers."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from bbox_server.domain.bytesize import mib_of
from bbox_server.domain.error import BboxError
from bbox_server.domain.key_limits import MAX_DATA_MIB, MAX_REQUESTS
from bbox_server.infra.config.scalars import shown
from bbox_server.infra.config.tree import Plain


def _count(value: object) -> int | None:
    """0 is refused: it could mean none, or no limit."""
    if value is None:
        return None
    is_number = isinstance(value, Plain) and value.isascii() and value.isdigit()
    if is_number and len(str(value)) <= len(str(MAX_REQUESTS)):
        number = int(str(value))
        if 1 <= number <= MAX_REQUESTS:
            return number
    raise ValueError(f"it must be a whole number from 1 to {MAX_REQUESTS}, not {shown(value)}")


def _data(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"it must be a size such as 512m or 4g, not {shown(value)}")  # noqa: TRY004 (pydantic's)
    try:
        size = mib_of(str(value))
    except BboxError as error:
        raise ValueError(f"{error.cause.removesuffix('.')} ({error.remediation})") from error
    if not 1 <= size <= MAX_DATA_MIB:
        raise ValueError(f"it must be from 1m to {MAX_DATA_MIB}m, not {shown(value)}")
    return size


Count = Annotated[
    int | None,
    BeforeValidator(_count),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_REQUESTS}),
]
Data = Annotated[
    int | None,
    BeforeValidator(_data),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": "^ *[0-9]+ *([mMgG]([iI][bB]?)?)? *$"},
            ]
        }
    ),
]


class KeysModel(BaseModel):
    """Limits for a session's use of your keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests: Count = Field(
        default=None, description="Requests of a session in all.", examples=[2000]
    )
    requests_per_minute: Count = Field(
        default=None, description="Requests of a session in a minute.", examples=[60]
    )
    data: Data = Field(
        default=None, description="What a session sends and gets in all.", examples=["500m"]
    )
