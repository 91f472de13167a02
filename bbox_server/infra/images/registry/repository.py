# SPDX-License-Identifier: Apache-2.0
"""One repository at one endpoint: documents and blobs (distribution-spec 1.1, Pull)."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp

from bbox_server.domain.workspace import Digest
from bbox_server.infra.images.faults import corrupt, unsupported
from bbox_server.infra.images.json_value import JsonObject
from bbox_server.infra.images.manifest import DOCUMENT_LIMIT_BYTES, INDEX_TYPES, MANIFEST_TYPES
from bbox_server.infra.images.registry.endpoints import Endpoint
from bbox_server.infra.images.registry.logins import Logins
from bbox_server.infra.images.registry.tokens import Authorization
from bbox_server.infra.images.registry.transport import (
    Patience,
    Request,
    Transport,
    check,
    connect,
    read_document,
)

_ACCEPT: Final = ", ".join((*INDEX_TYPES, *MANIFEST_TYPES))
_UNAUTHORIZED: Final = 401
_DIGEST_HEADER: Final = "Docker-Content-Digest"
_SCHEMA: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A manifest or an index, verified as far as its digest is known."""

    digest: Digest
    content: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """What of a registry one pull uses."""

    transport: Transport
    authorization: Authorization

    @property
    def endpoint(self) -> Endpoint:
        """Where it is."""
        return self.transport.endpoint

    async def manifest(self, *, tag: str = "", digest: Digest | None = None) -> Document:
        """A manifest or an index; one of both names it.

        Raises:
            BboxError: image.not-found, image.corrupt, image.unsupported, image.registry-*,
                image.login-failed.
        """
        wanted = f"sha256:{digest}" if digest else tag
        name = f"{self.endpoint.repository}{'@' if digest else ':'}{wanted}"
        body, said = await self._document(f"manifests/{wanted}", name)
        actual = Digest(hashlib.sha256(body).hexdigest())
        if actual != (digest or actual) or (said.startswith("sha256:") and said[7:] != actual):
            expected = digest or said.removeprefix("sha256:")
            raise corrupt(f"The manifest of {name} should have the digest {expected[:64]}.")
        document = JsonObject.parse(body, where="the manifest")
        if document.members.get("schemaVersion") != _SCHEMA:
            raise unsupported(
                f"{name} has a manifest of an old form.",
                "Push it again with a builder of the last ten years.",
            )
        return Document(digest=actual, content=document)

    async def blob_document(self, digest: Digest) -> JsonObject:
        """A small blob that is JSON, verified. Raises: as `manifest`."""
        body, _ = await self._document(f"blobs/sha256:{digest}", f"its blob {digest[:12]}")
        actual = hashlib.sha256(body).hexdigest()
        if actual != digest:
            raise corrupt(f"A document should have the digest {digest} and has {actual}.")
        return JsonObject.parse(body, where="the image's configuration")

    async def _document(self, path: str, name: str) -> tuple[bytes, str]:
        async def attempt() -> tuple[bytes, str]:
            async with self._ask(path, name, {"Accept": _ACCEPT}) as response:
                body = await read_document(response, DOCUMENT_LIMIT_BYTES)
                return body, response.headers.get(_DIGEST_HEADER, "")

        return await self.transport.patience.keep_trying(attempt)

    @asynccontextmanager
    async def blob(self, digest: Digest, begin: int) -> AsyncIterator[aiohttp.ClientResponse]:
        """A blob from a byte on: the answer's status says whether it begins there.

        Raises:
            BboxError: as `manifest`.
            TryAgainError: also while its bytes are read.
        """
        headers = {"Range": f"bytes={begin}-"} if begin else {}
        path = f"blobs/sha256:{digest}"
        async with self._ask(path, f"its blob {digest[:12]}", headers) as response:
            yield response

    @asynccontextmanager
    async def _ask(
        self, path: str, name: str, headers: dict[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        url = self.transport.base.joinpath(*self.endpoint.repository.split("/"), *path.split("/"))
        refused = self.authorization.header
        request = Request(url=url, headers=_with(headers, refused))
        async with self.transport.ask(request) as response:
            if response.status != _UNAUTHORIZED:
                check(response, self.endpoint.name, name)
                yield response
                return
            offers = response.headers.getall("WWW-Authenticate", [])
            if not await self.authorization.renew(refused, offers):
                check(response, self.endpoint.name, name)
        request = Request(url=url, headers=_with(headers, self.authorization.header))
        async with self.transport.ask(request) as response:
            check(response, self.endpoint.name, name)
            yield response


@asynccontextmanager
async def open_repository(
    endpoint: Endpoint, logins: Logins, patience: Patience
) -> AsyncIterator[Repository]:
    """A repository for as long as the context lasts. Raises: image.registry-failed."""
    async with connect(endpoint, patience) as transport:
        authorization = Authorization(transport=transport, logins=logins)
        yield Repository(transport=transport, authorization=authorization)


def _with(headers: dict[str, str], authorization: str) -> dict[str, str]:
    return {**headers, "Authorization": authorization} if authorization else headers
