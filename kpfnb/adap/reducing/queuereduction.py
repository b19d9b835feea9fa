"""A queue of datasets, worked on from here, and how each of its items stands then."""

from __future__ import annotations

from typing import Any

from kpfnb import files
from kpfnb.adap import dataset
from kpfnb.adap.reducing import work, workplace
from kpfnb.adap.reducing.reduced import Reduction
from kpfnb.adap.reducing.reductions import Part, Reductions
from kpfnb.errors import BadInput
from kpfnb.outcomes import Outcome
from kpfnb.workqueue import desk
from kpfnb.workqueue.queue import Queue
from kpfnb.workqueue.records import Item, State


def run(queue: str, *, workers: int = 1, options: dict[str, Any]) -> Reductions:
    """Let workers reduce what is on a queue until nothing is left; how each item stands then.

    Parameters
    ----------
    workers : so many at a time; 0 only looks how the queue stands
    options : of the task `reduce`; see `kpfnb.adap.reducing.run`

    Raises
    ------
    BadInput : the queue has no items
    BadParameter, ServiceUnavailable : an option is wrong; the queue's server does not answer
    """
    with Queue(queue) as found:
        if not any(found.counts().values()):
            raise BadInput(f"queue {queue} has no items", f"load it: kpfnb queue load {queue} ...")
    desk.work("reduce", queue, workers, parameters=options)
    with Queue(queue) as found:
        counts = found.counts()
        items = [i for s in State for i in found.items(s, limit=max(counts[s], 1))]
    return Reductions(tuple(map(_part, sorted(items, key=lambda item: item.name))))


def _part(item: Item) -> Part:
    result = item.result if isinstance(item.result, dict) else {}
    if item.state is State.DONE:
        outcome = Outcome(result.get("outcome", Outcome.SUCCEEDED))
        reason = str(result.get("reason", "")).removeprefix(f"{item.name}: ")
    else:
        outcome = Outcome.SKIPPED if item.state.is_open else Outcome.FAILED
        reason = item.error.removeprefix(f"{item.name}: ") or str(item.state)
    return Part(item.name, outcome, reason, tuple(_kept(item.name)))


def _kept(name: str) -> list[Reduction]:
    """The reductions of which a local copy was kept."""
    if not dataset.names_of([name]):
        # Its item tells what is wrong with it
        return []
    complete = work.local_folder(name) / dataset.COMPLETE
    folders = [
        path.parent
        for path in sorted(complete.glob(f"*/{workplace.RECORD}"))
        if dataset.is_reduction(path.parent.name)
    ]
    records = [(files.read_json(folder / workplace.RECORD), folder) for folder in folders]
    return [Reduction.from_dict(record, folder) for record, folder in records if record["outcome"]]
