"""A running JupyterLab with a few pages, for the tests of what it shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.running import RunningLab, run_lab

BASE_URL = "/user/ann/"


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """JupyterLab below a base URL, as a hub starts it."""
    project: Path = tmp_path_factory.mktemp("lab-project")
    with run_lab(project, f"--ServerApp.base_url={BASE_URL}") as running:
        yield running
