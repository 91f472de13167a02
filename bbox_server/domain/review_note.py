# SPDX-License-Identifier: Apache-2.0
"""What a user should see beside a change, whatever its tier."""

from enum import StrEnum


class Note(StrEnum):
    """What a user should see beside a change, whatever its tier."""

    BECOMES_EXECUTABLE = "becomesExecutable"
    LINE_ENDINGS = "lineEndings"
    BYTE_ORDER_MARK = "byteOrderMark"
    FINAL_NEWLINE = "finalNewline"
    NOT_UTF8 = "notUtf8"
