# SPDX-License-Identifier: Apache-2.0
"""The keys of a provider of the user's own."""

from collections.abc import Callable
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bbox_server.domain.config.provider_section import (
    env_fault,
    header_fault,
    id_fault,
    key_fault,
    prefix_fault,
)
from bbox_server.domain.credential import checked_upstream
from bbox_server.domain.error import BboxError
from bbox_server.infra.config.scalars import Text

_T = TypeVar("_T")


def _without(fault: Callable[[_T], str]) -> AfterValidator:
    """A rule of the domain, as pydantic wants to hear of it."""

    def check(value: _T) -> _T:
        text = fault(value)
        if text:
            raise ValueError(text)
        return value

    return AfterValidator(check)


def _url_fault(url: str) -> str:
    try:
        checked_upstream(url)
    except BboxError as error:
        return f"{error.cause.removesuffix('.')} ({error.remediation})"
    return ""


ProviderName = Annotated[str, Field(max_length=256), _without(id_fault)]


class ProviderModel(BaseModel):
    """A provider of your own: its key stays on the host, as those of the known ones do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: Annotated[Text, _without(_url_fault)] = Field(
        description="Where it is: https, or http on this host.",
        examples=["https://api.acme.dev/v1"],
    )
    key: Annotated[Text, _without(key_fault)] = Field(
        description="The host's variable that has the key.", examples=["ACME_API_KEY"]
    )
    header: Annotated[Text, _without(header_fault)] | None = Field(
        default=None,
        description="The header that carries the key; Authorization when left out.",
        examples=["X-Acme-Key"],
    )
    prefix: Annotated[Text, _without(prefix_fault)] | None = Field(
        default=None,
        description="What stands before the key; `Bearer ` in Authorization, else nothing.",
        examples=["Token "],
    )
    env: Annotated[dict[str, Text], _without(env_fault)] = Field(
        description="The agent's variables, with ${base_url} and ${placeholder}.",
        examples=[{"ACME_BASE_URL": "${base_url}", "ACME_API_KEY": "${placeholder}"}],
    )
