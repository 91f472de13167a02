# SPDX-License-Identifier: Apache-2.0
import yaml

from bbox_server.domain.bytesize import format_mib, mib_of, parse_mib
from bbox_server.domain.error import BboxError
from tests.vectors.case import Case


def answer(case: Case) -> object:
    if isinstance(case.input, dict):
        if "yaml" in case.input:
            return {"mib": mib_of(yaml.safe_load(case.input["yaml"])["tmp_size"])}
        return {"string": format_mib(case.input["mib"])}
    try:
        mib = parse_mib(case.input)
    except BboxError as error:
        return {"error": error.cause}
    return {"mib": mib, "string": format_mib(mib)}


def accepts(case: Case, answer: object) -> bool:
    """An error is the expected one when its cause says the same."""
    if isinstance(answer, dict) and "error" in answer:
        return case.expect.get("error", "\0") in answer["error"]
    return bool(answer == case.expect)
