"""Raw frames into `mask/config/date[_date]/{complete,incomplete}/raw`, as their headers say."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from kpfnb import compute, locks
from kpfnb.adap import dataset
from kpfnb.adap import profile as profiles
from kpfnb.adap.preparing import arrangement, exposure, nights, placing
from kpfnb.adap.preparing.arrangement import Frames, Row
from kpfnb.adap.preparing.exposure import Exposure
from kpfnb.adap.preparing.headerfixes import ORIGINALS
from kpfnb.adap.preparing.placing import How, Job
from kpfnb.adap.preparing.reorganised import Reorganised
from kpfnb.adap.profile import Profile
from kpfnb.adap.reducing.frames import SUFFIXES
from kpfnb.errors import BadInput, BadParameter
from kpfnb.outcomes import Outcome

FAILED, LEFT = "failed", "not reached"


def run(
    sources: Iterable[str | Path],
    root: str | Path,
    *,
    spectrograph: str | Path,
    how: str = How.COPY,
    window_days: float = nights.WINDOW_DAYS,
    dry_run: bool = False,
    progress: bool = True,
) -> Reorganised:
    """Put raw frames where they belong; what can't be placed is told in the result, never raised.

    What is in its place already stays. A dataset that gets frames of another night, or what it
    lacked, gets its new name; one that is reduced is left alone. Stopped at any moment, the next
    run goes on.

    Parameters
    ----------
    sources : folders of raw frames (.fits, .fits.gz), at any depth
    root : the folder of the datasets
    spectrograph : name of a profile, or the path of one
    how : copy, move (deleted after the same bytes are in the place) or symlink
    window_days : nights that are so near belong together, and all that are joined to them
    dry_run : say what would be done, and change nothing

    Raises
    ------
    BadInput, BadParameter : an argument names nothing that can be used; before any work
    Busy : the same root is being filled by another run
    """
    profile = profiles.load(spectrograph)
    if how not in list(How):
        raise BadParameter(f"how: {how!r}", f"one of {', '.join(How)}")
    if not window_days >= 0:
        raise BadParameter(f"window_days: {window_days}", "a number of days, 0 or more")
    root = Path(root).expanduser().absolute()
    paths = find(sources, root)
    digest = hashlib.sha256(str(root).encode()).hexdigest()[:8]
    with locks.hold(f"reorganise-{digest}"):
        frames = _look(paths, root, profile, dry_run=dry_run, progress=progress)
        plan = arrangement.arrange(frames, root, profile, how=How(how), window_days=window_days)
        rows, interrupted = _work(plan.rows, plan.jobs, dry_run=dry_run, progress=progress)
        result = Reorganised(
            root=root,
            spectrograph=profile.spectrograph,
            how=how,
            rows=tuple(sorted(rows, key=lambda row: (row.dataset, row.file, row.source))),
            lacking=plan.lacking,
            notes=plan.notes,
            interrupted=interrupted,
            dry_run=dry_run,
        )
        if not dry_run:
            result.write()
    return result


def find(sources: Iterable[str | Path], root: Path) -> list[Path]:
    """All raw frames below the sources, sorted.

    Raises
    ------
    BadInput : no source, one that is no folder, or one that the root lies in or that lies in it
    """
    found: set[Path] = set()
    folders = [Path(source).expanduser().absolute() for source in sources]
    if not folders:
        raise BadInput("no folder of raw frames", "name one")
    for folder in folders:
        if not folder.is_dir():
            raise BadInput(
                f"the raw folder {folder} is no folder",
                "name one that is there; kpfnb demo frames makes simulated ones",
            )
        real, place = folder.resolve(), root.resolve()
        if real == place or real in place.parents or place in real.parents:
            raise BadInput(
                f"the raw folder {folder} and {root} lie in one another",
                "name a root outside of the raw frames",
            )
        for above, below, names in os.walk(folder):
            if ORIGINALS in below:
                below.remove(ORIGINALS)
            found.update(Path(above, name) for name in names if _is_frame(name))
    return sorted(found)


def _is_frame(name: str) -> bool:
    return name.endswith(SUFFIXES) and not name.startswith(".")


def _look(
    paths: Sequence[Path], root: Path, profile: Profile, *, dry_run: bool, progress: bool
) -> Frames:
    """The headers of the new frames, and of all that are below the root."""
    placed: list[Path] = []
    settled: list[Path] = []
    for raw in sorted(root.glob("*/*/*/*/raw")):
        name = "/".join(raw.relative_to(root).parts[:3])
        if not dataset.names_of([name]) or raw.parent.name not in _KINDS:
            continue
        if not dry_run:
            placing.clean(raw)
        here = sorted(path for path in raw.iterdir() if _is_frame(path.name))
        (settled if _is_reduced(raw.parent.parent) else placed).extend(here)
    read = partial(_read, profile=profile)
    outcomes = compute.run(
        read, [*paths, *placed, *settled], title="reading headers", progress=progress
    )
    if outcomes.interrupted:
        raise KeyboardInterrupt
    exposures = [one.value or Exposure(one.item, defect=one.error) for one in outcomes]
    rest = len(paths) + len(placed)
    return Frames(exposures[: len(paths)], exposures[len(paths) : rest], exposures[rest:])


_KINDS = (dataset.COMPLETE, dataset.INCOMPLETE)


def _read(path: Path, profile: Profile) -> Exposure:
    return exposure.read(path, profile)


def _is_reduced(folder: Path) -> bool:
    """Whether a dataset holds anything else than raw frames."""
    return any(path.name != dataset.RAW for kind in _KINDS for path in (folder / kind).glob("*"))


def _work(
    rows: Sequence[Row], jobs: dict[int, Job], *, dry_run: bool, progress: bool
) -> tuple[list[Row], bool]:
    """Do the jobs; each row as it is afterwards, and whether Ctrl-C came."""
    done = list(rows)
    # Relocations first: they free names, and the rest may be stopped
    order = sorted(jobs, key=lambda number: jobs[number].placed is None)
    outcomes = compute.run(
        placing.needed if dry_run else placing.place,
        [jobs[number] for number in order],
        key=lambda job: str(job.source or job.placed),
        title="placing frames",
        progress=progress,
    )
    for number, one in zip(order, outcomes, strict=True):
        row = done[number]
        if one.outcome is Outcome.SUCCEEDED:
            done[number] = replace(row, changed=bool(one.value))
        elif one.outcome is Outcome.SKIPPED:
            done[number] = replace(row, state=LEFT)
        else:
            done[number] = replace(row, state=FAILED, note=_plain(one.error))
    return done, outcomes.interrupted


def _plain(error: str) -> str:
    return error.splitlines()[0].removeprefix("BadInput: ") if error else "it ended without a word"
