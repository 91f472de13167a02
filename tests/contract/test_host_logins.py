# SPDX-License-Identifier: Apache-2.0
"""What every view of the user's own logins does."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from bbox_server.domain.login import CredentialFile, HostLogins
from bbox_server.infra.credential.logins import HomeLogins
from tests.fakes.login import MemoryHostLogins

AUTH, ABSENT = PurePosixPath(".codex/auth.json"), PurePosixPath(".codex/absent")


def make_fake(_: Path) -> HostLogins:
    return MemoryHostLogins(files={AUTH: b"{}"})


def make_home(home: Path) -> HostLogins:
    (home / AUTH).parent.mkdir()
    (home / AUTH).write_bytes(b"{}")
    return HomeLogins(home=home)


@pytest.mark.parametrize("make", [make_fake, make_home])
def test_a_file_is_there_or_not(make: Callable[[Path], HostLogins], tmp_path: Path) -> None:
    logins = make(tmp_path)
    assert logins.read(AUTH) == CredentialFile(path=AUTH, content=b"{}")
    assert logins.read(ABSENT) is None
