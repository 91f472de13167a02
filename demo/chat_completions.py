# SPDX-License-Identifier: Apache-2.0
"""OpenAI's Chat Completions API, as far as Hermes 0.19.0 uses it."""

import json
from collections.abc import Iterator
from typing import Any

from typing_extensions import override

from demo.dialect import (
    MODEL,
    Dialect,
    Frame,
    Offer,
    Request,
    next_answer,
    objects,
    pieces,
    properties,
)
from demo.script import Script


class ChatCompletions(Dialect):
    """The dialect."""

    @override
    def serves(self, path: str) -> bool:
        return path == "/v1/chat/completions"

    @override
    def offers(self, request: Request) -> tuple[Offer, ...]:
        functions = objects([tool.get("function") for tool in objects(request.get("tools"))])
        return tuple(
            Offer(name=str(one.get("name")), parameters=properties(one.get("parameters")))
            for one in functions
        )

    @override
    def outputs(self, request: Request) -> tuple[str, ...]:
        return tuple(
            str(message.get("content"))
            for message in objects(request.get("messages"))
            if message.get("role") == "tool"
        )

    @override
    def stream(self, request: Request, script: Script) -> Iterator[Frame]:
        whole = self._completion(request, script)
        message = whole["choices"][0]["message"]
        base = {**whole, "object": "chat.completion.chunk"}
        del base["usage"]
        yield _chunk(base, {"role": "assistant", "content": ""}, starts=True)
        for piece in pieces(message["content"]):
            yield _chunk(base, {"content": piece}, types=True)
        for index, call in enumerate(message.get("tool_calls", ())):
            yield _chunk(base, {"tool_calls": [{"index": index, **call}]}, starts=True)
        yield _chunk(base, {}, end=whole["choices"][0]["finish_reason"])
        yield Frame(data={**base, "choices": [], "usage": whole["usage"]})
        yield Frame(data="[DONE]")

    @override
    def whole(self, request: Request, script: Script, path: str) -> dict[str, Any] | None:
        return None if request.get("stream") else self._completion(request, script)

    def _completion(self, request: Request, script: Script) -> dict[str, Any]:
        answer = next_answer(self, request, script)
        message: dict[str, Any] = {"role": "assistant", "content": answer.text}
        if answer.call is not None:
            function = {"name": answer.call.name, "arguments": json.dumps(answer.call.arguments)}
            call = {"id": f"call_{answer.number}", "type": "function", "function": function}
            message["tool_calls"] = [call]
        reason = "tool_calls" if answer.call else "stop"
        return {
            "id": f"chatcmpl-{answer.number}",
            "object": "chat.completion",
            "created": 0,
            "model": str(request.get("model") or MODEL),
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
            "usage": {"prompt_tokens": 1200, "completion_tokens": 80, "total_tokens": 1280},
        }


def _chunk(
    base: dict[str, Any],
    delta: dict[str, Any],
    *,
    end: str | None = None,
    starts: bool = False,
    types: bool = False,
) -> Frame:
    choice = {"index": 0, "delta": delta, "finish_reason": end}
    return Frame(data={**base, "choices": [choice]}, starts=starts, types=types)
