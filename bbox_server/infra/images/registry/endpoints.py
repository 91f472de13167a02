# SPDX-License-Identifier: Apache-2.0
"""Where a reference is pulled from: mirrors first (containers-registries.conf(5), version 2)."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bbox_server.domain.image import ImageReference
from bbox_server.infra.images.registry.faults import failed

_LIMIT_BYTES: Final = 1024 * 1024
_SYSTEM: Final = Path("/etc/containers")
_NAME: Final = "registries.conf"

# The one registry whose name is not its host's.
_HOSTS: Final = {"docker.io": "registry-1.docker.io"}
_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One place that has a repository.

    Attributes:
        name: The registry's, as logins are kept for it, with the port.
        insecure: Plain HTTP will do, and any certificate.
    """

    name: str
    repository: str
    insecure: bool = False

    @property
    def host(self) -> str:
        """Whom to connect to, with the port if there is one."""
        return _HOSTS.get(self.name, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistriesConf:
    """The user's and the machine's settings for registries, as Podman and Buildah read them.

    Attributes:
        system: /etc/containers.
    """

    environ: Mapping[str, str] = field(repr=False)
    system: Path = _SYSTEM

    def endpoints(self, reference: ImageReference) -> tuple[Endpoint, ...]:
        """In the order in which they are asked; the last is the reference's own registry.

        Raises:
            BboxError: image.registry-failed for a file that can't be read or a blocked registry.
        """
        entry = self._entry(reference.name)
        if entry is None:
            return (_endpoint(reference.name, insecure=False),)
        if entry.get("blocked") is True:
            raise failed(reference.name, "registries.conf blocks it")
        rest = reference.name.removeprefix(_matched(entry, reference.name))
        location = entry.get("location")
        own = f"{location}{rest}" if isinstance(location, str) and location else reference.name
        mirrors = [
            _endpoint(f"{mirror['location']}{rest}", insecure=mirror.get("insecure") is True)
            for mirror in _tables(entry, "mirror")
            if isinstance(mirror.get("location"), str) and _serves(mirror, entry, reference)
        ]
        return (*mirrors, _endpoint(own, insecure=entry.get("insecure") is True))

    def _entry(self, name: str) -> dict[str, object] | None:
        """The most specific one; among equals the last, which is a drop-in's."""
        best: dict[str, object] | None = None
        for path in self._files():
            for entry in _tables(_read(path), "registry"):
                prefix = _prefix(entry)
                if _matches(prefix, name) and (best is None or len(prefix) >= len(_prefix(best))):
                    best = entry
        return best

    def _files(self) -> Iterator[Path]:
        if own := self.environ.get("CONTAINERS_REGISTRIES_CONF"):
            yield Path(own)
            return
        home = self.environ.get("HOME", "")
        user = self.environ.get("XDG_CONFIG_HOME") or (home and f"{home}/.config")
        places = [self.system, *([Path(user, "containers")] if user else [])]
        files = [place / _NAME for place in places if (place / _NAME).is_file()]
        yield from files[-1:]
        for place in places:
            yield from sorted((place / f"{_NAME}.d").glob("*.conf"))


def _read(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            content = file.read(_LIMIT_BYTES)
        return tomllib.loads(content.decode())
    except (OSError, ValueError) as error:
        raise failed(str(path), f"it can't be read: {error}") from error


def _tables(table: dict[str, object], key: str) -> list[dict[str, object]]:
    found = table.get(key)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _prefix(entry: dict[str, object]) -> str:
    value = entry.get("prefix") or entry.get("location")
    return value if isinstance(value, str) else ""


def _matches(prefix: str, name: str) -> bool:
    if prefix.startswith("*."):
        return name.partition("/")[0].endswith(prefix[1:])
    return bool(prefix) and (name == prefix or name.startswith(f"{prefix}/"))


def _matched(entry: dict[str, object], name: str) -> str:
    """What a mirror's location takes the place of."""
    prefix = _prefix(entry)
    return name.partition("/")[0] if prefix.startswith("*.") else prefix


def _serves(mirror: dict[str, object], entry: dict[str, object], reference: ImageReference) -> bool:
    wanted = mirror.get("pull-from-mirror") or (
        "digest-only" if entry.get("mirror-by-digest-only") is True else "all"
    )
    return wanted in {"all", "digest-only" if reference.digest else "tag-only"}


def _endpoint(name: str, *, insecure: bool) -> Endpoint:
    host, _, repository = name.partition("/")
    bare = host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host
    return Endpoint(name=host, repository=repository, insecure=insecure or bare in _LOOPBACK)
