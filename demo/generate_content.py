# SPDX-License-Identifier: Apache-2.0
"""Google's generateContent API, as far as Gemini CLI 0.61.0 uses it."""

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
    instance,
    next_answer,
    objects,
    pieces,
    properties,
)
from demo.script import Script


class GenerateContent(Dialect):
    """The dialect."""

    @override
    def serves(self, path: str) -> bool:
        return path.startswith("/v1beta/models/") and ":" in path

    @override
    def offers(self, request: Request) -> tuple[Offer, ...]:
        return tuple(
            Offer(
                name=str(one.get("name")),
                parameters=properties(one.get("parametersJsonSchema") or one.get("parameters")),
            )
            for tool in objects(request.get("tools"))
            for one in objects(tool.get("functionDeclarations"))
        )

    @override
    def outputs(self, request: Request) -> tuple[str, ...]:
        return tuple(
            str(part["functionResponse"].get("response"))
            for content in objects(request.get("contents"))
            for part in objects(content.get("parts"))
            if isinstance(part.get("functionResponse"), dict)
        )

    @override
    def stream(self, request: Request, script: Script) -> Iterator[Frame]:
        answer = next_answer(self, request, script)
        for number, piece in enumerate(pieces(answer.text)):
            yield Frame(data=_candidate([{"text": piece}]), starts=number == 0, types=True)
        parts: list[dict[str, Any]] = [{"text": ""}]
        if answer.call is not None:
            call = {"name": answer.call.name, "args": answer.call.arguments}
            parts = [{"functionCall": {"id": f"call_{answer.number}", **call}}]
        yield Frame(data=_candidate(parts, end="STOP"), starts=True)

    @override
    def whole(self, request: Request, script: Script, path: str) -> dict[str, Any] | None:
        method = path.rpartition(":")[2]
        if method == "countTokens":
            return {"totalTokens": 1200}
        if method != "generateContent":
            return None
        config = request.get("generationConfig")
        schema = config.get("responseJsonSchema") if isinstance(config, dict) else None
        text = json.dumps(instance(schema)) if schema else next_answer(self, request, script).text
        return _candidate([{"text": text}], end="STOP")


def _candidate(parts: list[dict[str, Any]], end: str = "") -> dict[str, Any]:
    reason = {"finishReason": end} if end else {}
    candidate = {"index": 0, "content": {"role": "model", "parts": parts}, **reason}
    usage = {"promptTokenCount": 1200, "candidatesTokenCount": 80, "totalTokenCount": 1280}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": MODEL}
