# SPDX-License-Identifier: Apache-2.0
"""What of the user's machine goes into a guest, for the user to see: names and sizes, no values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bbox_server.domain.identity import GitIdentity
from bbox_server.domain.settings import CarriedSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What is carried beside the workspace.

    Attributes:
        variables: Names of the host's variables.
        secrets: Those of them that hold a credential.
        held_back: Names that a pattern matches and that stay here all the same, and why.
        identity: Who commits; empty where git knows nobody.
    """

    variables: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    held_back: Mapping[str, str] = field(default_factory=dict)
    settings: CarriedSettings = field(default_factory=CarriedSettings)
    identity: GitIdentity = field(default_factory=GitIdentity)
