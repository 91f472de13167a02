# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.workspace import HostPath
from bbox_server.wire.workspace_uri import file_path, file_uri


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_path_comes_back_from_its_uri(name: str) -> None:
    path = HostPath(f"/{name}")
    assert file_path(file_uri(path)) == path


def test_bytes_that_are_no_text_come_back_too() -> None:
    path = HostPath("/caf\udce9")
    assert file_uri(path) == "file:///caf%E9"
    assert file_path(file_uri(path)) == path


@pytest.mark.parametrize(
    "uri",
    ["", "/a", "http://host/a", "file://elsewhere/a", "file://[", "file:a", "file:///a%00b"],
)
def test_what_is_no_path_of_this_machine_is_told(uri: str) -> None:
    with pytest.raises(BboxError) as raised:
        file_path(uri)
    assert raised.value.code is ErrorCode.WORKSPACE_INVALID
