"""Fixtures for trace.dat."""

from __future__ import annotations

import pytest

from luocheck.model.abi import Abi
from luocheck.model.spec import load


@pytest.fixture(scope="session")
def abi() -> Abi:
    return load("linux_7_3").system.abi
