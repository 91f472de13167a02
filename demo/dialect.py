# SPDX-License-Identifier: Apache-2.0
"""What all providers' interfaces have in common for a model that plays a script."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from demo.script import Script, Turn

MODEL: Final = "mock-model"
DELTA_CHARACTERS: Final = 24

Request = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One server-sent event.

    Attributes:
        name: Its type, or empty where the interface has none.
        data: An object, or a bare word such as `[DONE]`.
        starts: Whether a model would think before it.
        types: Whether it is a piece of text.
    """

    data: dict[str, Any] | str
    name: str = ""
    starts: bool = False
    types: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A tool that the agent offers, with the names of its parameters."""

    name: str
    parameters: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of such a tool."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the script says next.

    Attributes:
        number: Of the turn, counted from 0.
    """

    number: int
    text: str
    call: Call | None = None


class Dialect(Protocol):
    """One provider's interface. It keeps no state: a request has all that was said before."""

    def serves(self, path: str) -> bool:
        """Whether requests for a model's answer go there; `path` has no query."""
        ...

    def offers(self, request: Request) -> tuple[Offer, ...]:
        """The agent's tools."""
        ...

    def outputs(self, request: Request) -> tuple[str, ...]:
        """What the agent's tools answered so far."""
        ...

    def stream(self, request: Request, script: Script) -> Iterator[Frame]:
        """The answer in pieces."""
        ...

    def whole(self, request: Request, script: Script, path: str) -> dict[str, Any] | None:
        """The answer at once, where the request wants that."""
        ...


def next_answer(dialect: Dialect, request: Request, script: Script) -> Answer:
    """The turn that the number of tool outputs chooses; words only where no tool is offered."""
    done = len(dialect.outputs(request))
    if done < len(script.turns):
        turn = script.turns[done]
        call = call_of(turn, dialect.offers(request))
        if call is not None:
            return Answer(number=done, text=turn.say, call=call)
    return Answer(number=done, text=script.final)


def call_of(turn: Turn, offers: tuple[Offer, ...]) -> Call | None:
    """How a turn is done with the tools that there are."""
    tools = {offer.name: offer for offer in offers}
    written = turn.write
    if written is not None:
        for name in _WRITERS & tools.keys():
            place = next(key for key in _PLACES if key in tools[name].parameters)
            return Call(name=name, arguments={place: written.path, "content": written.text})
    for name in _SHELLS & tools.keys():
        more = {key: "A step" for key in ("description",) if key in tools[name].parameters}
        return Call(name=name, arguments={"command": turn.command, **more})
    return None


def pieces(text: str) -> Iterator[str]:
    """A text as a model types it."""
    for start in range(0, len(text), DELTA_CHARACTERS):
        yield text[start : start + DELTA_CHARACTERS]


def objects(given: object) -> list[dict[str, Any]]:
    """The mappings of a list, of whatever was sent."""
    return [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []


def instance(schema: object) -> object:
    """A small value that a JSON schema admits: what a model says that is held to one."""
    if not isinstance(schema, dict):
        return ""
    if schema.get("enum"):
        return next(iter(schema["enum"]))
    if str(schema.get("type")).lower() == "object":
        return {key: instance(value) for key, value in (schema.get("properties") or {}).items()}
    return _VALUES.get(str(schema.get("type")).lower(), "As asked.")


def properties(schema: object) -> frozenset[str]:
    """The names in a JSON schema of an object."""
    found = schema.get("properties") if isinstance(schema, dict) else None
    return frozenset(found) if isinstance(found, dict) else frozenset()


# Claude Code, OpenCode, Gemini CLI and Hermes.
_WRITERS: Final = frozenset({"Write", "write", "write_file"})
_SHELLS: Final = frozenset({"Bash", "bash", "run_shell_command", "terminal"})
_VALUES: Final = {"array": [], "integer": 1, "number": 1, "boolean": False}
_PLACES: Final = ("file_path", "filePath", "path")
