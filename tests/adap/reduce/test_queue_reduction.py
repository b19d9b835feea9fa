"""The state of each item of a queue, as a result."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kpfnb.adap.reduce import job, notebook_entry
from kpfnb.adap.reduce.job import ReductionConfig
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.compute.services import valkey
from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.queue.client import Queue
from kpfnb.queue.records import AttemptOutcome, AttemptReport
from tests.adap.small_datasets import NAME, OTHER

DEIMOS = ReductionConfig(spectrograph="keck_deimos")
THIRD = "NGC1eh/1200G_8800_OG550/2012-01-01"


@pytest.fixture
def queue() -> Iterator[Queue]:
    with Queue("nights") as result:
        yield result
    valkey.stop_server()


def test_loading_the_status_changes_nothing(queue: Queue) -> None:
    with pytest.raises(InvalidInputError, match="queue nights has no items"):
        notebook_entry.reduce_queue("nights", DEIMOS, workers=0)
    queue.load([OTHER, NAME])
    result = notebook_entry.reduce_queue("nights", DEIMOS, workers=0)
    assert [(part.name, part.outcome) for part in result.parts] == [
        (NAME, Outcome.SKIPPED),
        (OTHER, Outcome.SKIPPED),
    ]
    assert all(part.reason == "waiting" for part in result.parts)


def test_each_item_has_its_outcome_and_the_local_copies_that_are_kept(queue: Queue) -> None:
    queue.load([NAME, OTHER, THIRD])
    claims = {claim.item: claim for claim in queue.report_and_claim("w", "1", want=3).claims}
    good = {"outcome": "partial", "reason": f"{NAME}: 1 of 1; backup: full"}
    reports = [
        AttemptReport(claims[NAME], AttemptOutcome.DONE, good, seconds=1),
        AttemptReport(
            claims[OTHER], AttemptOutcome.FAILED, error=f"{OTHER}: no arc", final=True, seconds=1
        ),
    ]
    queue.report_and_claim("w", "2", reports, want=0)
    folder = job.local_folder(NAME) / "complete/reduce"
    kept = ReductionResult(folder, {"frames": {}}, problems=("told",))
    atomic.write_json(folder / "reduction.json", kept.to_dict())
    atomic.write_json(folder.with_name("reduce_2") / "reduction.json", {"outcome": None})
    result = {
        part.name: part for part in notebook_entry.reduce_queue("nights", DEIMOS, workers=0).parts
    }
    assert (result[NAME].outcome, result[NAME].reason) == (Outcome.PARTIAL, "1 of 1; backup: full")
    assert [part.problems for part in result[NAME].reductions] == [("told",)]
    assert (result[OTHER].outcome, result[OTHER].reason) == (Outcome.FAILED, "no arc")
    assert result[THIRD].outcome is Outcome.SKIPPED


def test_an_item_that_is_no_dataset_does_not_affect_the_other_results(queue: Queue) -> None:
    queue.load(["no dataset", NAME])
    (claim,) = queue.report_and_claim("w", "1").claims
    queue.report_and_claim(
        "w",
        "2",
        [AttemptReport(claim, AttemptOutcome.FAILED, error="1 parts, not 3", final=True)],
        want=0,
    )
    result = notebook_entry.reduce_queue("nights", DEIMOS, workers=0)
    text = [(part.name, part.outcome, part.reason) for part in result.parts]
    assert (claim.item, Outcome.FAILED, "1 parts, not 3") in text
    assert (NAME, Outcome.SKIPPED, "waiting") in text


def test_all_of_many_items_are_listed(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"NGC1eh/1200G/20{number:02d}-01-01" for number in range(5)]
    queue.load(names)
    items = Queue.items
    # As of the queue itself, of thousands
    monkeypatch.setattr(
        Queue, "items", lambda self, state, *, limit=2: items(self, state, limit=limit)
    )
    result = notebook_entry.reduce_queue("nights", DEIMOS, workers=0)
    assert [part.name for part in result.parts] == names
