"""What an interrupted DRP left is finished, even if another command had started it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.core import locks
from kpfnb.core.errors import AlreadyRunningError
from kpfnb.kpf.reprocess import new_products, recovery


@pytest.mark.parametrize("watcher", ["", "watch-3"])
def test_possibly_unfinished_products_are_quarantined(tmp_path: Path, watcher: str) -> None:
    product = tmp_path / "a_2D.fits"
    new_products.write_marker(recovery.marker_path(tmp_path, watcher), [product])
    product.write_text("")
    assert recovery.quarantine_partial_products(tmp_path) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["a_2D.fits.unfinished"]


def test_without_leftover_files_nothing_is_done(tmp_path: Path) -> None:
    assert recovery.quarantine_partial_products(tmp_path / "none") == 0


def test_a_drp_that_does_not_stop_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "STOPPING_SECONDS", 0.1)
    lock = recovery.drp_lock(tmp_path, "watch-3")
    with (
        locks.acquire_lock(lock.stem, folder=tmp_path),
        pytest.raises(AlreadyRunningError, match="drp-watch-3"),
    ):
        recovery.quarantine_partial_products(tmp_path)
