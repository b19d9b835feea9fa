"""One start of the DRP over a list of L0 files, and what came of it.

Old products go into safekeeping before, if that is asked for; afterwards each observation is judged
by its new products, and its old ones are removed, or put back where the new ones are not good. So
an observation's products are always of one run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kpfnb import files, supervision
from kpfnb.errors import BadInput
from kpfnb.kpf import drp, newproducts, survey
from kpfnb.kpf.index import Index
from kpfnb.kpf.newproducts import Watch
from kpfnb.kpf.obsid import KPF, ObsID
from kpfnb.kpf.options import Options
from kpfnb.kpf.reprocessing import Batch, Fate, Item
from kpfnb.kpf.safekeeping import Safekeeping
from kpfnb.kpf.standing import Rules, Standing, State
from kpfnb.settings import Settings
from kpfnb.supervision import Ended

NOT_RENEWED = "not made anew"
PUT_BACK = "the old products were put back"
NO_SPACE = "no space left on device"


@dataclass(frozen=True)
class Job:
    """What all batches of a reprocessing have in common.

    Attributes
    ----------
    folder : where lists and logs go
    old : where the old products are kept meanwhile; None: the DRP writes over them
    lock : locked for as long as a process of the DRP lives
    started : POSIX time of the start, s
    """

    settings: Settings
    rules: Rules
    options: Options
    index: Index
    folder: Path
    old: Safekeeping | None
    lock: Path
    started: float


def process(
    job: Job, number: int, standings: Sequence[Standing], *, report: Callable[[int], None]
) -> tuple[Batch, list[Item]]:
    """Run the DRP on these observations; `report` is told the number of products made so far.

    Nothing is raised for what goes wrong with the DRP or the disk, nor for Ctrl-C: each item tells
    what became of it, and `Batch.stop` why to go no further.
    """
    begun = time.time()
    watch = Watch.over(standings, job.rules.root)
    log = job.folder / f"batch-{number:04d}.log"
    command = drp.command(job.settings, log.with_suffix(".txt"), job.options.ncpus)
    ending, stop = "not started", ""
    try:
        ended = _run(job, command, standings, watch, log, report)
        ending = str(ended)
    except KeyboardInterrupt:
        ending = stop = "interrupted"
    except (OSError, BadInput) as error:
        stop = error.what if isinstance(error, BadInput) else f"{error.strerror}: {error.filename}"
    flaws = _judge(job, standings, watch)
    excerpts = drp.excerpts(log, [o.text for o, flaw in flaws.items() if flaw])
    _settle(job, flaws)
    items = [_item(obsid, flaw, stop, log, excerpts) for obsid, flaw in flaws.items()]
    if any(NO_SPACE in excerpt.lower() for excerpt in excerpts.values()):
        stop = stop or "the disk is full"
    batch = Batch(
        command=tuple(command),
        log=str(log),
        observations=len(standings),
        ending=ending,
        started_seconds=round(begun - job.started, 3),
        seconds=round(time.time() - begun, 3),
        made=_times(watch, job),
        stop=stop,
    )
    return batch, items


def _run(
    job: Job,
    command: Sequence[str],
    standings: Sequence[Standing],
    watch: Watch,
    log: Path,
    report: Callable[[int], None],
) -> Ended:
    obsids = [standing.obsid for standing in standings]
    lines = [f"{obsid.path(job.rules.root, KPF.raw)}\n" for obsid in obsids]
    files.write_text(log.with_suffix(".txt"), "".join(lines))
    if job.old:
        job.old.take(obsids)

    def look() -> supervision.Sight:
        sight = watch.look()
        report(sight.made)
        return sight

    return supervision.run(
        command,
        log=log,
        look=look,
        expected=len(watch.paths),
        patience=job.options.patience,
        nice=job.options.nice,
        lock=job.lock,
    )


def _judge(job: Job, before: Sequence[Standing], watch: Watch) -> dict[ObsID, str]:
    """What is wrong with each observation now, '' where nothing is, in the order of the work."""
    made = watch.made()
    after = job.rules.look([standing.obsid for standing in before], job.index)
    flaws = {}
    for standing in (after[one.obsid] for one in before):
        found = dict(standing.flaws)
        for level in standing.expected:
            if (standing.obsid, level) in made:
                path = standing.obsid.path(job.rules.root, level)
                found[level] = found.get(level) or newproducts.flaw(path)
            elif job.options.force:
                found.setdefault(level, NOT_RENEWED)
        worded = "; ".join(f"{level} {flaw}" for level, flaw in found.items() if flaw)
        vanished = standing.state in (State.NO_L0, State.JUNK)
        flaws[standing.obsid] = standing.reason if vanished else worded
    return flaws


def _settle(job: Job, flaws: dict[ObsID, str]) -> None:
    """Remove or put back the old products; tell the index what was written in place."""
    if job.old:
        for obsid, flaw in flaws.items():
            flaws[obsid] = _settled(job.old, obsid, flaw)
        job.old.close()
    for night in {obsid.night for obsid in flaws}:
        survey.touched(job.index, job.rules.root, night)


def _settled(old: Safekeeping, obsid: ObsID, flaw: str) -> str:
    """The flaw, with what became of the old products."""
    try:
        if not flaw:
            old.remove(obsid)
        elif old.put_back(obsid):
            return f"{flaw}; {PUT_BACK}"
    except OSError as error:
        held = f"the old products are still held ({error.strerror}: {error.filename})"
        return f"{flaw}; {held}" if flaw else held
    return flaw


def _item(obsid: ObsID, flaw: str, stop: str, log: Path, excerpts: Mapping[str, str]) -> Item:
    if not flaw:
        return Item(obsid.text, obsid.night, Fate.DONE)
    if stop:
        return Item(obsid.text, obsid.night, Fate.UNREACHED, f"{stop}: {flaw}")
    return Item(obsid.text, obsid.night, Fate.FAILED, flaw, str(log), excerpts[obsid.text])


def _times(watch: Watch, job: Job) -> dict[str, tuple[float, ...]]:
    """Level to the times at which its products were made, seconds since the start."""
    made = watch.made()
    return {
        level: tuple(
            sorted(round(time - job.started, 3) for (_, lvl), time in made.items() if lvl == level)
        )
        for level in job.rules.levels
    }
