"""A queue and a dataset from the notebook's one call, with a fake PypeIt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kpfnb.adap.reduce import notebook_entry, queue_task, stages
from kpfnb.adap.reduce.job import ReductionConfig
from kpfnb.compute.services import valkey
from kpfnb.core.errors import InvalidInputError, InvalidParameterError, ServiceUnavailableError
from kpfnb.core.result import Outcome
from kpfnb.queue.client import Queue
from kpfnb.queue.lease import Lease
from kpfnb.queue.records import QueueItemStatus
from tests.adap import small_datasets
from tests.adap.small_datasets import NAME, OTHER

DEIMOS = ReductionConfig(spectrograph="keck_deimos")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_pypeit: None) -> Iterator[Path]:
    root = small_datasets.remotes(tmp_path, monkeypatch)
    small_datasets.write(root, NAME)
    small_datasets.write(root, OTHER, ("flat", "science"))
    yield root
    valkey.stop_server()


def test_a_queue(data: Path) -> None:
    with pytest.raises(InvalidInputError, match="queue nights has no items"):
        notebook_entry.reduce_from_notebook(DEIMOS, queue="nights")
    with Queue("nights") as queue:
        queue.load([NAME, OTHER])
        result = notebook_entry.reduce_from_notebook(DEIMOS, queue="nights", workers=1)
        assert queue.counts()[QueueItemStatus.PARKED] == 1
    good, bad = result.parts
    assert (good.name, good.outcome, good.reason[:6]) == (NAME, Outcome.SUCCEEDED, "2 of 2")
    assert bad.outcome is Outcome.FAILED
    assert "no arc frame in setup A" in bad.reason
    # The local copies are kept for inspection
    assert len(result.spectra()) == 2
    assert "Arc_1dfit" in str(result.qa().paths)
    assert len(result.warnings()) == 1
    again = notebook_entry.reduce_from_notebook(DEIMOS, queue="nights", workers=1)
    assert again.to_frame().equals(result.to_frame())


def test_one_dataset(data: Path) -> None:
    result = notebook_entry.reduce_from_notebook(DEIMOS, dataset=NAME)
    assert result.outcome is Outcome.SUCCEEDED
    assert len(result.spectra()) == 2
    assert list(result.timing()["step"])[:3] == ["download", "trim", "reduce"]


def test_one_thing_at_a_time() -> None:
    with pytest.raises(InvalidParameterError, match="raw and queue exclude each other"):
        notebook_entry.reduce_from_notebook(DEIMOS, raw="here", queue="nights")


def test_a_hanging_sheet_does_not_block_the_queue(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []
    with Queue("nights") as queue:
        queue.load([NAME, OTHER])
        (claim,) = queue.report_and_claim("one", "1").claims

        def hang(cards: object) -> None:
            taken.extend(other.item for other in queue.report_and_claim("two", "2").claims)
            raise ServiceUnavailableError("the sheet does not answer")

        monkeypatch.setattr(stages, "publish_scorecards", hang)
        lease = Lease("nights", claim.item, claim.token, 1, lambda: queue.heartbeat("one", claim))
        result = queue_task.reduce_item(claim.item, lease, spectrograph="keck_deimos")
    assert taken == [OTHER]
    assert (result.outcome, result.is_final) == (Outcome.PARTIAL, True)
    assert "sheet: the sheet does not answer" in result.reason
