# SPDX-License-Identifier: Apache-2.0
from bbox_server.domain.agent import agent_name, derive_name, vm_name
from bbox_server.domain.error import BboxError
from bbox_server.domain.image import names_registry
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.sessions.store import SESSION_ID
from tests.vectors.case import Case, UnknownKindError


def answer(case: Case) -> object:
    match case.kind:
        case "derive":
            return derive_name(case.input)
        case "validate":
            return is_agent_name(case.input)
        case "vmname":
            session = SessionId(case.input["session"])
            return vm_name(case.input["agent"], HostPath(case.input["workspace"]), session)
        case "session_id":
            return SESSION_ID.fullmatch(case.input) is not None
        case "is_image_ref_if_no_such_file":
            return names_registry(case.input)
        case _:
            raise UnknownKindError


def is_agent_name(text: str) -> bool:
    try:
        agent_name(text)
    except BboxError:
        return False
    return True
