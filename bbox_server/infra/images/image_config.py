# SPDX-License-Identifier: Apache-2.0
"""The configuration of an image, and the record that the store keeps of it."""

import re
from typing import Final

from bbox_server.domain.image import ImageConfig
from bbox_server.infra.images.faults import corrupt
from bbox_server.infra.images.json_value import JsonObject

_NAME: Final = re.compile("[A-Za-z_][A-Za-z0-9_]*")

# What Linux takes for one exec is 2 MiB, environment and words together.
_LIMIT_BYTES: Final = 256 * 1024


def decode_config(document: JsonObject) -> ImageConfig:
    """The `config` of an image's configuration (image-spec, config.md). Raises: image.corrupt.

    Variables whose name no shell can hold are left out; NUL can't be in a word or a value.
    """
    config = document.optional_child("config")
    if config is None:
        return ImageConfig()
    decoded = ImageConfig(
        env=_environment(config.texts("Env")),
        workdir=_workdir(config.text("WorkingDir")),
        user=config.text("User"),
        entrypoint=config.texts("Entrypoint"),
        cmd=config.texts("Cmd"),
        labels=_labels(config),
    )
    _check(decoded)
    return decoded


def encode_config(config: ImageConfig) -> dict[str, object]:
    """As JSON that `decode_config` reads again, below `config`."""
    return {
        "Env": [f"{name}={value}" for name, value in sorted(config.env.items())],
        "WorkingDir": config.workdir,
        "User": config.user,
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.cmd),
        "Labels": dict(sorted(config.labels.items())),
    }


def _environment(settings: tuple[str, ...]) -> dict[str, str]:
    env = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if equals and _NAME.fullmatch(name):
            env[name] = value
    return env


def _workdir(directory: str) -> str:
    if not directory:
        return ""
    return directory if directory.startswith("/") else f"/{directory}"


def _labels(config: JsonObject) -> dict[str, str]:
    labels = config.optional_child("Labels")
    return {} if labels is None else {key: labels.text(key) for key in labels.members}


def _check(config: ImageConfig) -> None:
    words = (*config.entrypoint, *config.cmd)
    labels = (*config.labels, *config.labels.values())
    texts = (*config.env, *config.env.values(), config.workdir, config.user, *words, *labels)
    try:
        encoded = "".join(texts).encode()
    except UnicodeEncodeError as error:
        raise corrupt("The image's configuration has half a character.") from error
    if b"\0" in encoded:
        raise corrupt("The image's configuration has a NUL in a word.")
    if len(encoded) > _LIMIT_BYTES:
        raise corrupt(f"The image's configuration is larger than {_LIMIT_BYTES} bytes.")
