# SPDX-License-Identifier: Apache-2.0
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.vm.booted import Booted, House, booted, make_house


@pytest.fixture
def house() -> Iterator[House]:
    """A session's directories and a backend, for a test that boots for itself."""
    with make_house({"hello": b"hello\n"}) as house:
        yield house


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[Booted]:
    """One booted sandbox for all tests of a module that leave it as they found it.

    They run on the module's loop: `pytestmark = pytest.mark.asyncio(loop_scope="module")`.
    """
    with make_house({"hello": b"hello\n"}) as house:
        async with booted(house) as sandbox:
            yield sandbox
