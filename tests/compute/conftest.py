"""One cluster of two workers for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kpfnb.compute.clusters import shared_cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Within the module every `map_items` that distributes its items uses these workers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KPFNB_WORK_DIR", str(tmp_path_factory.mktemp("work")))
        patch.delenv("KPFNB_CLUSTER", raising=False)
        with shared_cluster(workers=2):
            yield
