"""Where each raw frame belongs: decided from headers alone, before anything is changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kpfnb.adap.prepare import frames as nights
from kpfnb.adap.prepare import trimmed_setup
from kpfnb.adap.prepare.frames import DatasetGroup, RawExposure
from kpfnb.adap.prepare.placement import PlacementJob, PlaceMode
from kpfnb.adap.products import dataset
from kpfnb.adap.profiles.spectrograph import UNKNOWN_TYPE, Profile

FrameIdentity = tuple[str, nights.GroupKey, float]
"""Tells that a new frame and one below the root are the same: name, configuration, time (MJD)."""

BAD_HEADER, DROPPED, NAME_CLASH, IN_PLACE = "bad header", "dropped", "name clash", "in place"


@dataclass(frozen=True)
class FramePlacement:
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
class PlacementPlan:
    """The rows of all frames, the jobs of those that have a place (by the row's number), and notes.

    Attributes
    ----------
    lacking : by the name of a dataset, what it has not to be complete
    notes : what a person should know of datasets
    """

    rows: tuple[FramePlacement, ...]
    jobs: dict[int, PlacementJob]
    missing_types: dict[str, tuple[str, ...]]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class FrameInventory:
    """What there is: new frames, those below the root, and those of reduced datasets.

    `settled` are never moved, because reductions name their paths.
    """

    new: Sequence[RawExposure]
    placed: Sequence[RawExposure]
    settled: Sequence[RawExposure]


def plan_placement(
    frames: FrameInventory, root: Path, profile: Profile, *, how: PlaceMode, window_days: float
) -> PlacementPlan:
    """The place of every frame; pure."""
    work = _PlacementPlanner(frames, root, profile, how)
    groups = nights.group_frames(work.movable_frames(), profile, window_days)
    clashes = _find_clashes(groups, profile)
    for group in groups:
        work.add_group(group, clashes)
    work.add_settled()
    lacking = {str(g.dataset): g.missing_types for g in groups if str(g.dataset) not in work.fixed}
    notes = _reduced_notes(groups, work.at_rest.values(), root, profile, window_days)
    return PlacementPlan(tuple(work.rows), work.jobs, lacking, tuple(notes))


class _PlacementPlanner:
    """The rows and jobs as they come."""

    def __init__(
        self, frames: FrameInventory, root: Path, profile: Profile, how: PlaceMode
    ) -> None:
        self.root, self.profile, self.how = root, profile, how
        self.jobs: dict[int, PlacementJob] = {}
        there = (*frames.placed, *frames.settled)
        self.rows = [
            _make_placement(frame, BAD_HEADER, note=frame.defect) for frame in there if frame.defect
        ]
        refused = {frame.path: _refused_placement(frame, profile) for frame in frames.new}
        self.rows += [row for row in refused.values() if row]
        self.good = [frame for frame in frames.new if not refused[frame.path]]
        self.placed = self._by_identity(frames.placed)
        self.at_rest = self._by_identity(frames.settled)
        self.fixed = {_dataset_of(frame.path, root) for frame in self.at_rest.values()}

    def _identity(self, frame: RawExposure) -> FrameIdentity:
        return nights.sanitize_name(frame.file), nights.group_key(frame, self.profile), frame.mjd

    def _by_identity(self, frames: Iterable[RawExposure]) -> dict[FrameIdentity, RawExposure]:
        return {self._identity(frame): frame for frame in frames if not frame.defect}

    def movable_frames(self) -> list[RawExposure]:
        """The frames whose places are open: new ones, and those below the root without new ones."""
        new = {self._identity(f): f for f in self.good}
        fresh = [f for f in self.good if self._identity(f) not in self.at_rest]
        return fresh + [f for key, f in self.placed.items() if key not in new]

    def add_group(self, group: DatasetGroup, clashes: Mapping[nights.GroupKey, str]) -> None:
        """The frames of one dataset, each to its folder, unless its name is taken."""
        name = str(group.dataset)
        # A reduced dataset is complete already
        folder = f"{name}/{dataset.COMPLETE}/raw" if name in self.fixed else group.folder
        taken: dict[str, Path] = {}
        if name in self.fixed:
            at_rest = (f for f in self.at_rest.values() if _dataset_of(f.path, self.root) == name)
            taken = {_plain_name(frame.file): frame.path for frame in at_rest}
        for frame in group.frames:
            target = self.root / folder / nights.sanitize_name(frame.file)
            other = taken.setdefault(_plain_name(target.name), frame.path)
            problem = clashes.get(nights.group_key(frame, self.profile), "")
            if not problem and other != frame.path:
                problem = f"has the name of {other}"
            row = _make_placement(
                frame, IN_PLACE, dataset=name, folder=folder, note=problem or _missing_note(frame)
            )
            if problem:
                self.rows.append(replace(row, state=NAME_CLASH))
                continue
            placed = self.placed.get(self._identity(frame))
            source = None if placed is frame else frame.path
            self._add(row, PlacementJob(source, target, self.how, placed.path if placed else None))

    def add_settled(self) -> None:
        """New frames that are in a reduced dataset already."""
        for frame in self.good:
            rest = self.at_rest.get(self._identity(frame))
            if rest:
                name = _dataset_of(rest.path, self.root)
                folder = str(rest.path.parent.relative_to(self.root))
                row = _make_placement(
                    frame, IN_PLACE, dataset=name, folder=folder, note=_missing_note(frame)
                )
                self._add(row, PlacementJob(frame.path, rest.path, self.how))

    def _add(self, row: FramePlacement, job: PlacementJob) -> None:
        self.jobs[len(self.rows)] = job
        self.rows.append(row)


def _refused_placement(frame: RawExposure, profile: Profile) -> FramePlacement | None:
    if frame.defect:
        return _make_placement(frame, BAD_HEADER, note=frame.defect)
    if kind := trimmed_setup.dropped_type(frame, profile):
        why = "no frame type fits its header" if kind == UNKNOWN_TYPE else f"{kind} is not used"
        return _make_placement(frame, DROPPED, note=why)
    return None


def _make_placement(frame: RawExposure, state: str, **told: str) -> FramePlacement:
    night = "" if frame.defect else frame.night.isoformat()
    target = str(frame.values.get("target") or "")
    return FramePlacement(
        frame.file,
        str(frame.path),
        state,
        night=night,
        types=frame.types or (UNKNOWN_TYPE,),
        target=target,
        **told,  # type: ignore[arg-type]
    )


def _missing_note(frame: RawExposure) -> str:
    return f"its header has no {', '.join(frame.missing)}" if frame.missing else ""


def _plain_name(file: str) -> str:
    return file.removesuffix(".gz")


def _dataset_of(path: Path, root: Path) -> str:
    return "/".join(path.relative_to(root).parts[:3])


def _find_clashes(groups: Iterable[DatasetGroup], profile: Profile) -> dict[nights.GroupKey, str]:
    """Different masks or configurations whose names become the same: the first one keeps it."""
    keys: dict[tuple[str, str], set[nights.GroupKey]] = defaultdict(set)
    for group in groups:
        keys[group.dataset.mask, group.dataset.config].add(
            nights.group_key(group.frames[0], profile)
        )
    return {
        key: f"{', '.join(key)} has the folder of {', '.join(first)}: {'/'.join(name)}"
        for name, some in keys.items()
        for first in [min(some)]
        for key in some - {first}
    }


def _reduced_notes(
    groups: Sequence[DatasetGroup],
    settled: Iterable[RawExposure],
    root: Path,
    profile: Profile,
    window_days: float,
) -> Iterable[str]:
    """New frames that would join a dataset which is reduced already."""
    at_rest = [(nights.group_key(f, profile), f) for f in settled]
    for group in groups:
        key, name = nights.group_key(group.frames[0], profile), str(group.dataset)
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
