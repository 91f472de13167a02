# SPDX-License-Identifier: Apache-2.0
"""Anthropic's Messages API, as far as Claude Code 2.1.330 uses it."""

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


class Messages(Dialect):
    """The dialect."""

    @override
    def serves(self, path: str) -> bool:
        return path == "/v1/messages"

    @override
    def offers(self, request: Request) -> tuple[Offer, ...]:
        return tuple(
            Offer(name=str(tool.get("name")), parameters=properties(tool.get("input_schema")))
            for tool in objects(request.get("tools"))
        )

    @override
    def outputs(self, request: Request) -> tuple[str, ...]:
        return tuple(
            _text(block.get("content"))
            for message in objects(request.get("messages"))
            for block in objects(message.get("content"))
            if block.get("type") == "tool_result"
        )

    @override
    def stream(self, request: Request, script: Script) -> Iterator[Frame]:
        message = self._message(request, script)
        blocks = message["content"]
        start = {**message, "content": [], "stop_reason": None}
        yield _frame({"type": "message_start", "message": start}, starts=True)
        for index, block in enumerate(blocks):
            yield from _block(block, index)
        end = {"stop_reason": message["stop_reason"], "stop_sequence": None}
        usage = {"output_tokens": message["usage"]["output_tokens"]}
        yield _frame({"type": "message_delta", "delta": end, "usage": usage})
        yield _frame({"type": "message_stop"})

    @override
    def whole(self, request: Request, script: Script, path: str) -> dict[str, Any] | None:
        return None if request.get("stream") else self._message(request, script)

    def _message(self, request: Request, script: Script) -> dict[str, Any]:
        answer = next_answer(self, request, script)
        content: list[dict[str, Any]] = []
        if answer.text:
            content.append({"type": "text", "text": answer.text})
        if answer.call is not None:
            call = {"name": answer.call.name, "input": answer.call.arguments}
            content.append({"type": "tool_use", "id": f"toolu_{answer.number}", **call})
        return {
            "id": f"msg_{answer.number}",
            "type": "message",
            "role": "assistant",
            "model": str(request.get("model") or MODEL),
            "content": content,
            "stop_reason": "tool_use" if answer.call else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 1200, "output_tokens": 80},
        }


def _block(block: dict[str, Any], index: int) -> Iterator[Frame]:
    is_text = block["type"] == "text"
    opened = {**block, "text": ""} if is_text else {**block, "input": {}}
    yield _frame(
        {"type": "content_block_start", "index": index, "content_block": opened}, starts=True
    )
    for piece in pieces(block["text"] if is_text else json.dumps(block["input"])):
        delta = (
            {"type": "text_delta", "text": piece}
            if is_text
            else {"type": "input_json_delta", "partial_json": piece}
        )
        data = {"type": "content_block_delta", "index": index, "delta": delta}
        yield _frame(data, types=is_text)
    yield _frame({"type": "content_block_stop", "index": index})


def _frame(data: dict[str, Any], *, starts: bool = False, types: bool = False) -> Frame:
    return Frame(name=str(data["type"]), data=data, starts=starts, types=types)


def _text(content: object) -> str:
    parts = objects(content)
    return "".join(str(part.get("text", "")) for part in parts) if parts else str(content)
