# SPDX-License-Identifier: Apache-2.0
"""What all messages have in common."""

import base64
import binascii
import json
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


def _checked(text: str) -> str:
    try:
        from_base64(text)
    except (binascii.Error, ValueError) as error:
        message = "no base64"
        raise ValueError(message) from error
    return text


Base64 = Annotated[str, AfterValidator(_checked)]
"""Bytes on the wire."""


def to_base64(content: bytes) -> str:
    """Bytes for the wire."""
    return base64.b64encode(content).decode()


def from_base64(text: str) -> bytes:
    """Bytes from the wire. Raises: ValueError."""
    return base64.b64decode(text, validate=True)


class Message(BaseModel):
    """A message or a part of one: camelCase on the wire, closed, unchangeable.

    Servers refuse fields that they don't know; clients ignore them (protocol.md).
    """

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, populate_by_name=True
    )

    def to_json(self, *, indent: int | None = None) -> str:
        """The message as JSON text; what is None stays out.

        Names that are no UTF-8 are surrogate-escaped, which JSON can write and pydantic's own
        writer refuses.
        """
        return json.dumps(self.to_object(), indent=indent)

    def to_object(self) -> dict[str, object]:
        """The message as JSON's own values; what is None stays out."""
        return self.model_dump(by_alias=True, exclude_none=True)
