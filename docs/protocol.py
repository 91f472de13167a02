# SPDX-License-Identifier: Apache-2.0
"""docs/protocol.md, from the wire's table of methods."""

import json

from bbox_server.wire import command as commands
from bbox_server.wire import example
from bbox_server.wire.command import COMMANDS
from bbox_server.wire.lifecycle import PROTOCOL_VERSION
from bbox_server.wire.method import METHODS, NOTIFICATIONS
from bbox_server.wire.model import Message

HEAD = """\
# The protocol

Generated from `bbox_server/wire` by `make docs`.
`bbox-server --stdio` is a language server that also speaks the methods below; a session's host
speaks the same ones on the session's socket, with the same framing (`Content-Length`, JSON-RPC
2.0). Params are always an object. Servers refuse fields that they do not know, clients ignore
them. Bytes are base64.

The version is {version}. Over LSP a client says so in `initializationOptions.bbox`
(`{{"protocolVersion": {version}}}`), and the server in `capabilities.experimental.bbox`; on a
session's socket the first request is `initialize` with the same object.

A failure is JSON-RPC's RequestFailed (-32803) with this as `data`; InvalidParams (-32602) names
every bad field.

{failure}
## Methods
"""

COMMANDS_HEAD = f"""\
## Commands

{" ".join((commands.__doc__ or "").split())}
Undecided hunks are diagnostics of the workspace's files; code actions accept and reject them. A
failure's message has its cause and what to do about it, as well as the data of above.
"""


def protocol_page() -> str:
    """The page."""
    parts = [HEAD.format(version=PROTOCOL_VERSION, failure=_block("failure", example.FAILURE))]
    for method in METHODS:
        parts += [
            f"### `{method.name}`\n",
            f"`{method.params.__name__}`: {_about(method.params)}\n",
            _block("params", method.sent),
            f"`{method.result.__name__}`: {_about(method.result)}\n",
            _block("result", method.answered),
        ]
    parts.append("## Notifications\n")
    for notification in NOTIFICATIONS:
        parts += [
            f"### `{notification.name}`\n",
            f"`{notification.params.__name__}`: {_about(notification.params)}\n",
            _block("params", notification.sent),
        ]
    parts.append(COMMANDS_HEAD)
    for command in COMMANDS:
        parts += [
            f"### `{command.name}`\n",
            f"`{command.params.__name__}`: {_about(command.params)}\n",
            _block("arguments", [command.sent]),
            f"`{command.result.__name__}`: {_about(command.result)}\n",
            _block("result", command.answered),
        ]
    return "\n".join(parts)


def _about(kind: type[Message]) -> str:
    return " ".join((kind.__doc__ or "").split())


def _block(name: str, value: object) -> str:
    return f"```json\n{json.dumps({name: value}, indent=2)}\n```\n"
