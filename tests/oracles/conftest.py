"""The KPF pipeline of the environment, for the tests of this directory."""

from __future__ import annotations

import pytest

from tests.oracles.pipeline import OraclePipeline, find_pipeline


@pytest.fixture(scope="session")
def oracle_pipeline() -> OraclePipeline:
    """The real pipeline; the test is skipped, with the reason, if none is named."""
    return find_pipeline()
