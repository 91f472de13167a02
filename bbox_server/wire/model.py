# SPDX-License-Identifier: Apache-2.0
"""What all messages have in common."""

import json

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


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
        return json.dumps(self.model_dump(by_alias=True, exclude_none=True), indent=indent)
