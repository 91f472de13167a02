# SPDX-License-Identifier: Apache-2.0
"""The file that `bbox config init` writes: every key, explained and commented out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml
from typing_extensions import override

from bbox_server.domain.config.source import ConfigWriter
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.escape import escape_text
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.config.replacing import replace_config
from bbox_server.infra.config.schema import Schema, config_schema, resolved

HEAD: Final = """\
# bbox's configuration. Every key is optional; take the `#` away from those that you want, and
# from the keys that they stand under. docs/guide/configuration.md explains them.
# A workspace may have a .broodbox.yaml with the same keys, which only tightens what is here.
"""
# An agent of the user's own that is complete: image, command and a host to talk to.
AGENT: Final = "acme"


class TemplateWriter(ConfigWriter):
    """Writes the template; owner only, whatever was there before."""

    @override
    def init(self, path: HostPath, *, force: bool) -> None:
        target = Path(path)
        if target.is_symlink() or target.exists():
            if not force:
                raise BboxError(
                    ErrorCode.CONFIG_EXISTS,
                    cause=f"{escape_text(path)} is there already.",
                    remediation="`bbox config init --force` replaces it; what is in it is lost.",
                )
            target = target.resolve()
        try:
            replace_config(target, template())
        except OSError as error:
            raise BboxError(
                ErrorCode.DIRECTORY_UNUSABLE,
                cause=f"{escape_text(path)} can't be written: {error.strerror}.",
                remediation="Choose another place with --config, or correct the directory's mode.",
            ) from error


def template() -> str:
    """The text."""
    lines = list(_section(config_schema(), 0))
    return HEAD + "\n".join(lines) + "\n"


def _section(schema: Schema, depth: int) -> Iterator[str]:
    for name, part in resolved(schema).get("properties", {}).items():
        known = resolved(part)
        if depth == 0:
            yield ""
        yield f"# {'  ' * depth}# {known['description']}"
        named = known.get("additionalProperties")
        if known.get("properties"):
            yield f"# {'  ' * depth}{name}:"
            yield from _section(known, depth + 1)
        elif isinstance(named, dict) and resolved(named).get("properties"):
            yield f"# {'  ' * depth}{name}:"
            yield f"# {'  ' * (depth + 1)}{AGENT}:"
            yield from _section(named, depth + 2)
        else:
            example = yaml.safe_dump(known["examples"][0], default_flow_style=True, width=1000)
            value = example.removesuffix("...\n").strip()
            yield f"# {'  ' * depth}{name}: {value}"
