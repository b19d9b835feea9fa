"""Where each raw frame belongs: decided from headers alone, before anything is changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kpfnb.adap import dataset
from kpfnb.adap.preparing import nights, selection
from kpfnb.adap.preparing.exposure import Exposure
from kpfnb.adap.preparing.nights import Group
from kpfnb.adap.preparing.placing import How, Job
from kpfnb.adap.profile import UNKNOWN, Profile

Identity = tuple[str, nights.Key, float]
"""Tells that a new frame and one below the root are the same: name, configuration, time (MJD)."""

BAD, DROPPED, CLASH, PLACED = "bad header", "dropped", "name clash", "in place"


@dataclass(frozen=True)
class Row:
    """One raw frame and what becomes of it.

    Attributes
    ----------
    state : "in place", "dropped", "bad header", "name clash", "failed" or "not reached"
    note : why, or what else is to be known of it
    changed : True where this run put it there, or would
    """

    file: str
    source: str
    state: str
    dataset: str = ""
    folder: str = ""
    night: str = ""
    types: tuple[str, ...] = ()
    target: str = ""
    note: str = ""
    changed: bool = False


@dataclass(frozen=True)
class Arrangement:
    """The rows of all frames, the jobs of those that have a place (by the row's number), and notes.

    Attributes
    ----------
    lacking : by the name of a dataset, what it has not to be complete
    notes : what a person should know of datasets
    """

    rows: tuple[Row, ...]
    jobs: dict[int, Job]
    lacking: dict[str, tuple[str, ...]]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Frames:
    """What there is: new frames, those below the root, and those of reduced datasets.

    `settled` are never moved, because reductions name their paths.
    """

    new: Sequence[Exposure]
    placed: Sequence[Exposure]
    settled: Sequence[Exposure]


def arrange(
    frames: Frames, root: Path, profile: Profile, *, how: How, window_days: float
) -> Arrangement:
    """The place of every frame; pure."""
    work = _Arranging(frames, root, profile, how)
    groups = nights.group(work.moving(), profile, window_days)
    clashes = _clashing(groups, profile)
    for group in groups:
        work.add_group(group, clashes)
    work.add_settled()
    lacking = {str(g.dataset): g.lacking for g in groups if str(g.dataset) not in work.fixed}
    notes = _notes(groups, work.at_rest.values(), root, profile, window_days)
    return Arrangement(tuple(work.rows), work.jobs, lacking, tuple(notes))


class _Arranging:
    """The rows and jobs as they come."""

    def __init__(self, frames: Frames, root: Path, profile: Profile, how: How) -> None:
        self.root, self.profile, self.how = root, profile, how
        self.jobs: dict[int, Job] = {}
        there = (*frames.placed, *frames.settled)
        self.rows = [_row(frame, BAD, note=frame.defect) for frame in there if frame.defect]
        refused = {frame.path: _refused(frame, profile) for frame in frames.new}
        self.rows += [row for row in refused.values() if row]
        self.good = [frame for frame in frames.new if not refused[frame.path]]
        self.placed = self._by_identity(frames.placed)
        self.at_rest = self._by_identity(frames.settled)
        self.fixed = {_dataset_of(frame.path, root) for frame in self.at_rest.values()}

    def _identity(self, frame: Exposure) -> Identity:
        return nights.sanitised(frame.file), nights.key_of(frame, self.profile), frame.mjd

    def _by_identity(self, frames: Iterable[Exposure]) -> dict[Identity, Exposure]:
        return {self._identity(frame): frame for frame in frames if not frame.defect}

    def moving(self) -> list[Exposure]:
        """The frames whose places are open: new ones, and those below the root without new ones."""
        new = {self._identity(f): f for f in self.good}
        fresh = [f for f in self.good if self._identity(f) not in self.at_rest]
        return fresh + [f for key, f in self.placed.items() if key not in new]

    def add_group(self, group: Group, clashes: Mapping[nights.Key, str]) -> None:
        """The frames of one dataset, each to its folder, unless its name is taken."""
        name = str(group.dataset)
        # A reduced dataset is complete already
        folder = f"{name}/{dataset.COMPLETE}/raw" if name in self.fixed else group.folder
        taken: dict[str, Path] = {}
        if name in self.fixed:
            at_rest = (f for f in self.at_rest.values() if _dataset_of(f.path, self.root) == name)
            taken = {_stem(frame.file): frame.path for frame in at_rest}
        for frame in group.frames:
            target = self.root / folder / nights.sanitised(frame.file)
            other = taken.setdefault(_stem(target.name), frame.path)
            problem = clashes.get(nights.key_of(frame, self.profile), "")
            if not problem and other != frame.path:
                problem = f"has the name of {other}"
            row = _row(frame, PLACED, dataset=name, folder=folder, note=problem or _lacks(frame))
            if problem:
                self.rows.append(replace(row, state=CLASH))
                continue
            placed = self.placed.get(self._identity(frame))
            source = None if placed is frame else frame.path
            self._add(row, Job(source, target, self.how, placed.path if placed else None))

    def add_settled(self) -> None:
        """New frames that are in a reduced dataset already."""
        for frame in self.good:
            rest = self.at_rest.get(self._identity(frame))
            if rest:
                name = _dataset_of(rest.path, self.root)
                folder = str(rest.path.parent.relative_to(self.root))
                row = _row(frame, PLACED, dataset=name, folder=folder, note=_lacks(frame))
                self._add(row, Job(frame.path, rest.path, self.how))

    def _add(self, row: Row, job: Job) -> None:
        self.jobs[len(self.rows)] = job
        self.rows.append(row)


def _refused(frame: Exposure, profile: Profile) -> Row | None:
    if frame.defect:
        return _row(frame, BAD, note=frame.defect)
    if kind := selection.is_dropped(frame, profile):
        why = "no frame type fits its header" if kind == UNKNOWN else f"{kind} is not used"
        return _row(frame, DROPPED, note=why)
    return None


def _row(frame: Exposure, state: str, **told: str) -> Row:
    night = "" if frame.defect else frame.night.isoformat()
    target = str(frame.values.get("target") or "")
    return Row(
        frame.file,
        str(frame.path),
        state,
        night=night,
        types=frame.types or (UNKNOWN,),
        target=target,
        **told,  # type: ignore[arg-type]
    )


def _lacks(frame: Exposure) -> str:
    return f"its header has no {', '.join(frame.missing)}" if frame.missing else ""


def _stem(file: str) -> str:
    return file.removesuffix(".gz")


def _dataset_of(path: Path, root: Path) -> str:
    return "/".join(path.relative_to(root).parts[:3])


def _clashing(groups: Iterable[Group], profile: Profile) -> dict[nights.Key, str]:
    """Different masks or configurations whose names become the same: the first one keeps it."""
    keys: dict[tuple[str, str], set[nights.Key]] = defaultdict(set)
    for group in groups:
        keys[group.dataset.mask, group.dataset.config].add(nights.key_of(group.frames[0], profile))
    return {
        key: f"{', '.join(key)} has the folder of {', '.join(first)}: {'/'.join(name)}"
        for name, some in keys.items()
        for first in [min(some)]
        for key in some - {first}
    }


def _notes(
    groups: Sequence[Group],
    settled: Iterable[Exposure],
    root: Path,
    profile: Profile,
    window_days: float,
) -> Iterable[str]:
    """New frames that would join a dataset which is reduced already."""
    at_rest = [(nights.key_of(f, profile), f) for f in settled]
    for group in groups:
        key, name = nights.key_of(group.frames[0], profile), str(group.dataset)
        begin, end = group.frames[0].mjd - window_days, group.frames[-1].mjd + window_days
        near = {
            _dataset_of(frame.path, root)
            for own, frame in at_rest
            if own == key and begin <= frame.mjd <= end
        }
        for other in sorted(near):
            if other == name:
                yield f"{name} is reduced already and gets new frames: reduce it again"
            else:
                yield f"{name} belongs to {other} in time, which is reduced and was left alone"
