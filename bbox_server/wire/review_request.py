# SPDX-License-Identifier: Apache-2.0
"""What clients ask of a review and a flush (protocol.md)."""

from enum import StrEnum

from pydantic import Field

from bbox_server.domain.change import Side
from bbox_server.domain.review import Verdict
from bbox_server.wire.commit import BranchMessage
from bbox_server.wire.model import Base64, Message
from bbox_server.wire.review import ChangeMessage, SideMessage

PAGE_LIMIT = 1000
READ_LIMIT_BYTES = 16 << 20


class ChangesListParams(Message):
    """Changes in the order of their paths. `cursor` is the last page's; hunks only if wanted."""

    session: str
    cursor: str | None = None
    limit: int = Field(default=PAGE_LIMIT, ge=1, le=PAGE_LIMIT)
    with_hunks: bool = False


class ChangesPage(Message):
    """A page of changes; the last one has no `nextCursor`, the first one all `branches`."""

    session: str
    revision: int
    changes: tuple[ChangeMessage, ...]
    branches: tuple[BranchMessage, ...] = ()
    next_cursor: str | None = None


class ChangeParams(Message):
    """One change."""

    session: str
    change: str


class ChangeDetail(Message):
    """One change with its hunks."""

    session: str
    revision: int
    change: ChangeMessage


class RangeMessage(Message):
    """A part of a content, in bytes; what is beyond its end is left out."""

    start: int = Field(ge=0)
    length: int = Field(ge=1, le=READ_LIMIT_BYTES)


class FileReadParams(Message):
    """A changed path's content on one side, or a part; of the workspace read the file itself."""

    session: str
    side: Side
    path: str
    range: RangeMessage | None = None


class FileContent(Message):
    """A content in base64, empty where there is no file on that side.

    `size` is that of the whole content, also where `data` is the part that was asked for.
    `tooLarge` takes the place of a content of more than 16 MiB.
    """

    session: str
    side: Side
    path: str
    data: Base64
    size: int
    entry: SideMessage | None = None
    too_large: bool = False


class DecidableVerdict(StrEnum):
    """The verdicts that can be set."""

    UNDECIDED = Verdict.UNDECIDED.value
    ACCEPTED = Verdict.ACCEPTED.value
    REJECTED = Verdict.REJECTED.value


class DecisionMessage(Message):
    """A verdict on a change, or on one of its hunks."""

    change: str
    verdict: DecidableVerdict
    hunk: str | None = None


class DecideParams(Message):
    """All decisions are made, or none.

    `revision` is that of the list which they were made on; `confirmed` names the build files that
    the user was shown before several changes are accepted at once.
    """

    session: str
    revision: int
    decisions: tuple[DecisionMessage, ...] = Field(max_length=PAGE_LIMIT * 10)
    confirmed: tuple[str, ...] = ()


class EditParams(Message):
    """The user's own text (base64) as a change's result; `baseHash` is what was edited."""

    session: str
    change: str
    base_hash: str
    data: Base64


class DraftMessage(Message):
    """The text (base64) that an edit of a change begins with: all that is not rejected of it.

    Where the user has changed the file too it is merged with that, and `conflicts` counts the
    places that are marked as git marks them. `baseHash` goes with the edit.
    """

    session: str
    change: str
    base_hash: str
    data: Base64
    conflicts: int


class SessionParams(Message):
    """One session."""

    session: str


class Reviewed(Message):
    """The changes whose verdicts are other ones now."""

    session: str
    revision: int
    changes: tuple[ChangeMessage, ...]


class FlushPlanParams(Message):
    """What a flush would do. `unsaved` are paths whose newest text is in an editor only."""

    session: str
    unsaved: tuple[str, ...] = Field(default=(), max_length=PAGE_LIMIT)


class FlushApplyParams(Message):
    """Apply the plan that was shown, and that was made with these unsaved paths."""

    session: str
    plan_hash: str
    unsaved: tuple[str, ...] = Field(default=(), max_length=PAGE_LIMIT)


class FlushUndoParams(Message):
    """Take a flush back; the last one if none is named."""

    session: str
    flush: int | None = Field(default=None, ge=1)
