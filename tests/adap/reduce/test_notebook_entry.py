"""A queue and a dataset from the notebook's one call, with a stand-in for PypeIt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kpfnb.adap.reducing import reducer, reducetask
from kpfnb.adap.scoring import scoresheet
from kpfnb.errors import BadInput, BadParameter, ServiceUnavailable
from kpfnb.outcomes import Outcome
from kpfnb.services import valkey
from kpfnb.workqueue.lease import Lease
from kpfnb.workqueue.queue import Queue
from kpfnb.workqueue.records import State
from tests.adap import datasets
from tests.adap.datasets import NAME, OTHER


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_pypeit: None) -> Iterator[Path]:
    root = datasets.remotes(tmp_path, monkeypatch)
    datasets.write(root, NAME)
    datasets.write(root, OTHER, ("flat", "science"))
    yield root
    valkey.stop()


def test_a_queue(data: Path) -> None:
    with pytest.raises(BadInput, match="queue nights has no items"):
        reducer.run(queue="nights", spectrograph="keck_deimos")
    with Queue("nights") as queue:
        queue.load([NAME, OTHER])
        made = reducer.run(queue="nights", spectrograph="keck_deimos", workers=1)
        assert queue.counts()[State.PARKED] == 1
    good, bad = made.parts
    assert (good.name, good.outcome, good.reason[:6]) == (NAME, Outcome.SUCCEEDED, "2 of 2")
    assert bad.outcome is Outcome.FAILED
    assert "no arc frame in setup A" in bad.reason
    # The local copies are kept, to be looked at
    assert len(made.spectra()) == 2
    assert "Arc_1dfit" in str(made.qa().paths)
    assert len(made.warnings()) == 1
    again = reducer.run(queue="nights", spectrograph="keck_deimos", workers=1)
    assert again.to_frame().equals(made.to_frame())


def test_one_dataset(data: Path) -> None:
    made = reducer.run(dataset=NAME, spectrograph="keck_deimos")
    assert made.outcome is Outcome.SUCCEEDED
    assert len(made.spectra()) == 2
    assert list(made.timing()["step"])[:3] == ["download", "trim", "reduce"]


def test_one_thing_at_a_time() -> None:
    with pytest.raises(BadParameter, match="raw and queue exclude each other"):
        reducer.run(raw="here", queue="nights")


def test_a_sheet_that_hangs_keeps_nobody_from_the_queue(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []
    with Queue("nights") as queue:
        queue.load([NAME, OTHER])
        (claim,) = queue.turn("one", "1").claims

        def hang(cards: object) -> None:
            taken.extend(other.item for other in queue.turn("two", "2").claims)
            raise ServiceUnavailable("the sheet does not answer")

        monkeypatch.setattr(scoresheet, "publish", hang)
        lease = Lease("nights", claim.item, claim.token, 1, lambda: queue.beat("one", claim))
        made = reducetask.run(claim.item, lease, spectrograph="keck_deimos")
    assert taken == [OTHER]
    assert (made.outcome, made.is_final) == (Outcome.PARTIAL, True)
    assert "sheet: the sheet does not answer" in made.reason
