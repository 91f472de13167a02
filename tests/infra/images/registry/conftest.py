# SPDX-License-Identifier: Apache-2.0
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bbox_server.infra.images.layer_files import LayerFiles
from bbox_server.infra.images.registry.endpoints import RegistriesConf
from bbox_server.infra.images.registry.pull import Registries
from bbox_server.infra.images.registry.transport import Patience
from bbox_server.infra.images.store import SquashfsImageStore
from tests.infra.images.registry.faulty_proxy import FaultyProxy, faulty
from tests.infra.images.registry.ground import Ground
from tests.infra.images.registry.real_registry import RealRegistry, serve


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with serve(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.fixture
async def proxy(real: RealRegistry) -> AsyncIterator[FaultyProxy]:
    async with faulty(real.address) as faulty_proxy:
        yield faulty_proxy


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    home = tmp_path / "home"
    home.mkdir()
    environ = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    registries = Registries(
        layers=LayerFiles(root=tmp_path / "images" / "layers"),
        environ=environ,
        conf=RegistriesConf(environ=environ, system=tmp_path / "etc"),
        patience=Patience(connect_s=2.0, silence_s=0.5, tries=3, pause_s=0.01, wait_s=0.2),
    )
    refreshed: list[str] = []
    store = SquashfsImageStore(
        root=tmp_path / "images",
        architecture="amd64",
        registries=registries,
        refresh=lambda reference: refreshed.append(str(reference)),
    )
    return Ground(store=store, home=home, directory=tmp_path, refreshed=refreshed)
