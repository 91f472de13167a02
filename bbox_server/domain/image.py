# SPDX-License-Identifier: Apache-2.0
"""OCI images, and the read-only root filesystems made of them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final, Protocol

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.workspace import Digest, HostPath

# Docker's reference grammar (distribution/reference, reference.go).
_LABEL: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_REGISTRY: Final = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
_COMPONENT: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_SHA256: Final = re.compile(r"sha256:[0-9a-f]{64}")
_NAME_LIMIT: Final = 255

_DEFAULT_REGISTRY: Final = "docker.io"
_DEFAULT_TAG: Final = "latest"
_ROOT: Final = HostPath("/")


class ImageSource(StrEnum):
    """Where an image is looked for; a directory's or file's value is the reference's prefix."""

    REGISTRY = "registry"
    OCI_LAYOUT = "oci"
    DOCKER_ARCHIVE = "docker-archive"


class PullPolicy(StrEnum):
    """When a registry is asked although a local image could do."""

    ALWAYS = "always"
    BACKGROUND = "background"
    IF_NOT_PRESENT = "if-not-present"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReference:
    """A reference in its full form.

    Attributes:
        name: Registry and repository, or the absolute path of a directory or an archive.
        tag: Empty beside a digest and for paths.
        digest: Without `sha256:`.
    """

    source: ImageSource
    name: str
    tag: str = ""
    digest: Digest | None = None

    @property
    def repository(self) -> str:
        """The last part of the name."""
        return PurePosixPath(self.name).name

    @property
    def path(self) -> HostPath:
        """The directory or the archive; the reference must not be a registry's."""
        if self.source is ImageSource.REGISTRY:
            raise AssertionError(self.name)
        return HostPath(self.name)

    @override
    def __str__(self) -> str:
        if self.source is not ImageSource.REGISTRY:
            return f"{self.source}:{self.name}"
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@sha256:{self.digest}" if self.digest else ""
        return self.name + tag + digest


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """What an image says about the commands that run in it (OCI image-spec, config.md).

    Attributes:
        user: As written: name or number, perhaps with a group; empty is root.
        workdir: Absolute, or empty.
    """

    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str = ""
    user: str = ""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def command(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """The argv for the user's words: they take the place of CMD, not of ENTRYPOINT."""
        return (*self.entrypoint, *(words or self.cmd))


@dataclass(frozen=True, slots=True, kw_only=True)
class RootFilesystem:
    """An image as a squashfs file that all sessions share and none can write.

    Attributes:
        path: Readable by the sandbox uid.
        digest: Of the image's manifest; the same bytes give the same file.
    """

    path: HostPath
    digest: Digest
    config: ImageConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """One image of the store.

    Attributes:
        references: The tags that name it, in order; empty for one known by its digest alone.
        size_bytes: Of the root filesystem on the disk.
        used_ns: When it was last resolved, since the epoch.
        is_built: One of the names was given on this machine: no registry can replace it.
    """

    root: RootFilesystem
    references: tuple[ImageReference, ...]
    size_bytes: int
    used_ns: int
    is_built: bool = False


def stale_images(
    images: Iterable[StoredImage], *, unused_since_ns: int, nameless_since_ns: int
) -> tuple[StoredImage, ...]:
    """What can go: what was pulled and not used since, and what no name names any more.

    What was built here stays, for nothing brings it back.
    """
    return tuple(
        image
        for image in images
        if not image.is_built
        and image.used_ns < (unused_since_ns if image.references else nameless_since_ns)
    )


class ImageStore(Protocol):
    """Root filesystems, each made once and then only read."""

    async def resolve(
        self, reference: ImageReference, policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    ) -> RootFilesystem:
        """The root filesystem of a reference; pulled and made first when the policy says so.

        What was built here has its name before any registry, except with `always`.

        Raises: image.not-found, image.corrupt, image.unsupported, image.registry-*,
            image.login-failed, disk.full, dependency.missing.
        """
        ...

    async def refetch(self, reference: ImageReference) -> RootFilesystem:
        """The same, with nothing taken from what is here; it takes the place of that.

        Raises: as above.
        """
        ...

    async def import_layout(
        self, layout: HostPath, tag: ImageReference | None = None
    ) -> RootFilesystem:
        """Take in an OCI layout directory, and let `tag` name it from now on. Raises: as above."""
        ...

    async def list(self) -> tuple[StoredImage, ...]:
        """All images, ordered by digest."""
        ...

    async def collect(self, images: tuple[StoredImage, ...]) -> tuple[Digest, ...]:
        """Remove images, with their names; returns those.

        One that was resolved, or named anew, since it was listed stays. A guest that runs on one
        keeps it until it ends.
        """
        ...


class LayerCache(Protocol):
    """Layers as they were downloaded, for images that share some."""

    def size_bytes(self) -> int:
        """Of all of them, parts included."""
        ...

    def remove(self, unused_since_ns: int) -> int:
        """Remove what nobody used since and nobody downloads; returns how many bytes."""
        ...


def parse_reference(text: str, *, directory: HostPath = _ROOT) -> ImageReference:
    """Read a docker-style name, `oci:DIR` or `docker-archive:FILE`.

    Args:
        text: As the user wrote it.
        directory: Where relative paths start.

    Raises:
        BboxError: image.invalid-reference, naming the part that is wrong.
    """
    if not text or not text.isprintable() or text != text.strip():
        raise _invalid(text, "it is empty or has white space around it or characters of no name")
    for source in (ImageSource.OCI_LAYOUT, ImageSource.DOCKER_ARCHIVE):
        prefix = f"{source}:"
        if text.startswith(prefix):
            return _path_reference(source, text.removeprefix(prefix), directory)
    return _registry_reference(text)


def names_registry(text: str) -> bool:
    """Whether this is a valid name that spells its registry out (so it can't mean a file)."""
    first, slash, _ = text.partition("/")
    if not slash or not _is_registry(first):
        return False
    try:
        return parse_reference(text).source is ImageSource.REGISTRY
    except BboxError:
        return False


def _path_reference(source: ImageSource, path: str, directory: HostPath) -> ImageReference:
    if not path:
        raise _invalid(f"{source}:", f"a path must follow `{source}:`")
    return ImageReference(source=source, name=str(PurePosixPath(directory) / path))


def _registry_reference(text: str) -> ImageReference:
    rest, at, digest = text.partition("@")
    if at and not _SHA256.fullmatch(digest):
        raise _invalid(text, "after @ stands `sha256:` and 64 lower-case hexadecimal digits")
    name, tag = _split_tag(rest)
    if tag is not None and not _TAG.fullmatch(tag):
        raise _invalid(text, f"{tag!r} is no tag (letters, digits, `_`, `.` and `-`, up to 128)")
    if tag is None:
        tag = "" if digest else _DEFAULT_TAG
    return ImageReference(
        source=ImageSource.REGISTRY,
        name=_full_name(text, name),
        tag=tag,
        digest=Digest(digest.removeprefix("sha256:")) if digest else None,
    )


def _split_tag(rest: str) -> tuple[str, str | None]:
    # A colon before the last slash belongs to a registry's port.
    head, slash, last = rest.rpartition("/")
    component, colon, tag = last.partition(":")
    return head + slash + component, (tag if colon else None)


def _full_name(text: str, name: str) -> str:
    first, slash, rest = name.partition("/")
    if slash and _is_registry(first):
        registry, repository = first, rest
    else:
        registry, repository = _DEFAULT_REGISTRY, name
    if registry == _DEFAULT_REGISTRY and "/" not in repository:
        repository = f"library/{repository}"
    if not _REGISTRY.fullmatch(registry):
        raise _invalid(text, f"{registry!r} is no registry's host name")
    for component in repository.split("/"):
        _check_component(text, component)
    full = f"{registry}/{repository}"
    if len(full) > _NAME_LIMIT:
        raise _invalid(text, f"the name is longer than {_NAME_LIMIT} characters")
    return full


def _is_registry(first: str) -> bool:
    return first == "localhost" or "." in first or ":" in first or first != first.lower()


def _check_component(text: str, component: str) -> None:
    if _COMPONENT.fullmatch(component):
        return
    if component and _COMPONENT.fullmatch(component.lower()):
        raise _invalid(text, f"{component!r} has capital letters; repositories are lower-case")
    raise _invalid(text, f"{component!r} is no part of a repository's name")


def _invalid(text: str, reason: str) -> BboxError:
    return BboxError(
        ErrorCode.IMAGE_INVALID_REFERENCE,
        cause=f"{text[:_NAME_LIMIT]!r} is no image reference: {reason}.",
        remediation="Write it as NAME[:TAG], REGISTRY/NAME[:TAG][@sha256:DIGEST], oci:DIRECTORY "
        "or docker-archive:FILE.",
    )
