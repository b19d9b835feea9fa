"""How each item of a queue stands, as a result."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kpfnb import files
from kpfnb.adap.reducing import queuereduction, work
from kpfnb.adap.reducing.reduced import Reduction
from kpfnb.errors import BadInput
from kpfnb.outcomes import Outcome
from kpfnb.services import valkey
from kpfnb.workqueue.queue import Queue
from kpfnb.workqueue.records import Ending, Report
from tests.adap.datasets import NAME, OTHER

THIRD = "NGC1eh/1200G_8800_OG550/2012-01-01"


@pytest.fixture
def queue() -> Iterator[Queue]:
    with Queue("nights") as found:
        yield found
    valkey.stop()


def test_nothing_is_done_by_looking(queue: Queue) -> None:
    with pytest.raises(BadInput, match="queue nights has no items"):
        queuereduction.run("nights", workers=0, options={})
    queue.load([OTHER, NAME])
    made = queuereduction.run("nights", workers=0, options={"spectrograph": "keck_deimos"})
    assert [(part.name, part.outcome) for part in made.parts] == [
        (NAME, Outcome.SKIPPED),
        (OTHER, Outcome.SKIPPED),
    ]
    assert all(part.reason == "waiting" for part in made.parts)


def test_each_item_has_its_outcome_and_the_local_copies_that_are_kept(queue: Queue) -> None:
    queue.load([NAME, OTHER, THIRD])
    claims = {one.item: one for one in queue.turn("w", "1", want=3).claims}
    good = {"outcome": "partial", "reason": f"{NAME}: 1 of 1; backup: full"}
    reports = [
        Report(claims[NAME], Ending.DONE, good, seconds=1),
        Report(claims[OTHER], Ending.FAILED, error=f"{OTHER}: no arc", final=True, seconds=1),
    ]
    queue.turn("w", "2", reports, want=0)
    folder = work.local_folder(NAME) / "complete/reduce"
    kept = Reduction(folder, {"frames": {}}, problems=("told",))
    files.write_json(folder / "reduction.json", kept.to_dict())
    files.write_json(folder.with_name("reduce_2") / "reduction.json", {"outcome": None})
    found = {part.name: part for part in queuereduction.run("nights", workers=0, options={}).parts}
    assert (found[NAME].outcome, found[NAME].reason) == (Outcome.PARTIAL, "1 of 1; backup: full")
    assert [one.problems for one in found[NAME].reductions] == [("told",)]
    assert (found[OTHER].outcome, found[OTHER].reason) == (Outcome.FAILED, "no arc")
    assert found[THIRD].outcome is Outcome.SKIPPED


def test_an_item_that_is_no_dataset_costs_nobody_the_result(queue: Queue) -> None:
    queue.load(["no dataset", NAME])
    (claim,) = queue.turn("w", "1").claims
    queue.turn("w", "2", [Report(claim, Ending.FAILED, error="1 parts, not 3", final=True)], want=0)
    made = queuereduction.run("nights", workers=0, options={})
    told = [(part.name, part.outcome, part.reason) for part in made.parts]
    assert (claim.item, Outcome.FAILED, "1 parts, not 3") in told
    assert (NAME, Outcome.SKIPPED, "waiting") in told


def test_none_of_many_items_is_left_out(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"NGC1eh/1200G/20{number:02d}-01-01" for number in range(5)]
    queue.load(names)
    items = Queue.items
    # As of the queue itself, of thousands
    monkeypatch.setattr(
        Queue, "items", lambda self, state, *, limit=2: items(self, state, limit=limit)
    )
    made = queuereduction.run("nights", workers=0, options={})
    assert [part.name for part in made.parts] == names
