# SPDX-License-Identifier: Apache-2.0
from itertools import pairwise

import pytest

from bbox_server.domain.vm import Accelerator, VmResources
from bbox_server.infra.qemu.machine import (
    Descriptors,
    Kernel,
    MachineType,
    Processor,
    device_argv,
    machine_argv,
)

RESOURCES = VmResources(cpus=3, memory_mib=2048, tmp_size_mib=0)
KERNEL = Kernel(image="/proc/self/fd/30", initramfs="/proc/self/fd/31", append="more words")
DESCRIPTORS = Descriptors(  # noqa: S604 - `shell` is a descriptor
    root=10,
    scratch=11,
    shell=12,
    control=13,
    monitor=14,
    network=15,
    lower=16,
    upper=17,
)
TCG = Processor(accelerator=Accelerator.TCG, tsc_khz=2_600_000)
KVM = Processor(accelerator=Accelerator.KVM, tsc_khz=0)


def after(argv: tuple[str, ...], option: str) -> list[str]:
    return [value for word, value in pairwise(argv) if word == option]


def bare(machine: MachineType, processor: Processor) -> tuple[str, ...]:
    return machine_argv("/usr/bin/qemu", machine, processor, RESOURCES, KERNEL)


def test_the_guest_gets_exactly_the_processors_and_memory_asked_for() -> None:
    argv = bare(MachineType.MICROVM, TCG)
    assert after(argv, "-smp") == ["3"]
    assert after(argv, "-m") == ["2048"]
    assert (
        "size=2048M"
        in after(device_argv(MachineType.MICROVM, RESOURCES, DESCRIPTORS), "-object")[0]
    )


def test_an_emulated_kernel_is_told_the_clock_rate() -> None:
    append = after(bare(MachineType.MICROVM, TCG), "-append")[0].split()
    assert {"tsc_early_khz=2600000", "tsc=reliable", "more", "words"} <= set(append)


def test_an_unknown_clock_rate_is_left_to_the_kernel() -> None:
    unknown = Processor(accelerator=Accelerator.TCG, tsc_khz=0)
    assert "tsc_early_khz" not in after(bare(MachineType.MICROVM, unknown), "-append")[0]


def test_a_kernel_with_kvm_finds_its_clock_itself() -> None:
    argv = bare(MachineType.MICROVM, KVM)
    assert after(argv, "-accel") == ["kvm"]
    assert after(argv, "-cpu") == ["host"]
    assert "tsc" not in after(argv, "-append")[0]


@pytest.mark.parametrize("machine", MachineType)
def test_qemu_is_confined_and_has_no_display_and_no_default_device(machine: MachineType) -> None:
    argv = bare(machine, TCG)
    assert {"-nodefaults", "-no-user-config", "-no-reboot"} <= set(argv)
    assert after(argv, "-sandbox")[0].startswith("on,")
    assert "spawn=deny" in after(argv, "-sandbox")[0]


@pytest.mark.parametrize("machine", MachineType)
def test_every_device_is_on_a_descriptor(machine: MachineType) -> None:
    argv = device_argv(machine, RESOURCES, DESCRIPTORS)
    words = " ".join(argv)
    assert [
        fd for fd in DESCRIPTORS.all() if f"fd={fd}" not in words and f"str={fd}" not in words
    ] == []
    assert "path=" not in words


def test_the_root_is_the_first_disk_and_read_only() -> None:
    argv = device_argv(MachineType.MICROVM, RESOURCES, DESCRIPTORS)
    disks = [word for word in after(argv, "-device") if word.startswith("virtio-blk")]
    assert disks == ["virtio-blk-device,drive=root", "virtio-blk-device,drive=scratch"]
    assert "readonly=on" in after(argv, "-drive")[0]


def test_a_full_host_disk_does_not_stop_the_guest_silently() -> None:
    argv = device_argv(MachineType.MICROVM, RESOURCES, DESCRIPTORS)
    assert "werror=report" in after(argv, "-drive")[1]


@pytest.mark.parametrize(
    ("machine", "suffix"), [(MachineType.MICROVM, "-device"), (MachineType.Q35, "-pci")]
)
def test_devices_are_named_for_their_bus(machine: MachineType, suffix: str) -> None:
    argv = device_argv(machine, RESOURCES, DESCRIPTORS)
    virtio = [word.split(",")[0] for word in after(argv, "-device") if "virtserialport" not in word]
    assert all(name.endswith(suffix) for name in virtio)
    assert len(virtio) == 8
