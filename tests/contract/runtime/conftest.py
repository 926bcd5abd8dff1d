"""Certificates of a caller, a stranger and a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.gateway.certificates import write_certificates

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    write_certificates(folder, ("gateway", "stranger", "routing"))
    return folder
