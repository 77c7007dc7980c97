"""The numbers of the interface that was posted in May 2025, which three specs share."""

from __future__ import annotations

import pytest

from luocheck.model.spec import load


@pytest.mark.parametrize("name", ["intent", "rfc_v2", "v1"])
def test_numbers_are_those_of_the_posted_interface(name: str) -> None:
    system = load(name).system
    assert {ioctl.event: ioctl.number for ioctl in system.abi.ioctls} == {
        "FD_PRESERVE": 0xC010BA00,
        "FD_UNPRESERVE": 0x4008BA01,
        "FD_RESTORE": 0xC010BA02,
        "GET_STATE": 0x8004BA03,
        "PREPARE": 0xBA04,
        "FREEZE": 0xBA05,
        "CANCEL": 0xBA06,
        "FINISH": 0xBA07,
    }
    assert next(e for e in system.enums if e.name == "Phase").numbers == (0, 1, 2, 3)
