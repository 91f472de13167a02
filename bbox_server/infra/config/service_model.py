# SPDX-License-Identifier: Apache-2.0
"""The keys of a service of this host's, and of the proxy before the network."""

from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from bbox_server.domain.egress.proxy import parse_proxy
from bbox_server.domain.error import BboxError
from bbox_server.domain.hostservice import HostService, check_services
from bbox_server.infra.config.scalars import Port, Text

_ANY_PORT: Final = 1
_ANY_NAME: Final = "x"


def _fault(error: BboxError) -> ValueError:
    return ValueError(f"{error.cause.removesuffix('.')} ({error.remediation})")


def _name(text: str) -> str:
    try:
        return HostService(name=text, port=_ANY_PORT).name
    except BboxError as error:
        raise _fault(error) from error


def _port(number: int) -> int:
    try:
        return HostService(name=_ANY_NAME, port=number).port
    except BboxError as error:
        raise _fault(error) from error


def _proxy(url: str) -> str:
    """An empty text is "none", whatever the environment says."""
    if url:
        try:
            proxy = parse_proxy(url)
        except BboxError as error:
            raise _fault(error) from error
        if proxy.authorization or urlsplit(url).username is not None:
            raise ValueError("a password has no place in this file; put the URL into HTTPS_PROXY")
    return url


class ServiceModel(BaseModel):
    """An HTTP service of this host."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[Text, AfterValidator(_name)] = Field(
        description="The guest finds it at http://NAME.bbox.internal:PORT."
    )
    port: Annotated[Port, AfterValidator(_port)] = Field(
        description="The port of 127.0.0.1 that it listens on.", examples=[8080]
    )

    @property
    def service(self) -> HostService:
        """The service."""
        return HostService(name=self.name, port=self.port)


def _distinct(found: tuple[ServiceModel, ...]) -> tuple[ServiceModel, ...]:
    try:
        check_services(one.service for one in found)
    except BboxError as error:
        raise _fault(error) from error
    return found


Services = Annotated[tuple[ServiceModel, ...], AfterValidator(_distinct)]
ProxyUrl = Annotated[Text, AfterValidator(_proxy), WithJsonSchema({"type": "string"})]
