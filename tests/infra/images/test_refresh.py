# SPDX-License-Identifier: Apache-2.0
import time
from pathlib import Path

import pytest

from bbox_server.domain.image import parse_reference
from bbox_server.infra.images.refresh import alone, launch_refresh

REFERENCE = parse_reference("example.com/tool:1")
TELL = "import os, sys; print(sys.argv[1], os.getsid(0) == os.getpid(), os.environ['A'])"


def test_it_is_a_process_of_its_own_with_the_users_environment(tmp_path: Path) -> None:
    log = tmp_path / "refresh.log"
    log.write_text("of the last one")

    launch_refresh(REFERENCE, environ={"A": "b"}, log=log, program=TELL)

    end = time.monotonic() + 20
    while not log.read_text().endswith("\n") and time.monotonic() < end:
        time.sleep(0.02)
    assert log.read_text() == "example.com/tool:1 True b\n"


def test_a_second_one_ends_at_once_and_well(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(SystemExit) as caught, alone(tmp_path):
        pass
    with alone(tmp_path):
        pass

    assert caught.value.code == 0
