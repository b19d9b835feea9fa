"""The plan of where each raw frame belongs, made from headers before any file is touched."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kpfnb.adap.prepare.dataset_groups import (
    DatasetGroup,
    GroupKey,
    group_frames,
    group_key,
    sanitize_name,
)
from kpfnb.adap.prepare.frames import RawExposure, dropped_type
from kpfnb.adap.prepare.placement import PlacementJob, PlaceMode
from kpfnb.adap.products import dataset
from kpfnb.adap.profiles.spectrograph import UNKNOWN_TYPE, Profile

FrameIdentity = tuple[str, GroupKey, float]
"""Identifies a frame among the new ones and below the root: name, configuration, MJD."""

BAD_HEADER, DROPPED, NAME_CLASH, IN_PLACE = "bad header", "dropped", "name clash", "in place"


@dataclass(frozen=True)
class FramePlacement:
    """One raw frame, and where it belongs.

    Attributes
    ----------
    state : "in place", "dropped", "bad header", "name clash", "failed" or "not reached"
    note : the reason, or a remark on the frame
    changed : True if this run put it there, or would
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
    """The placements of all frames, and what has to be done for them.

    Attributes
    ----------
    jobs : by the index of the row, for frames that have a place
    missing_types : frame types that a dataset needs to be complete, by its name
    notes : remarks on datasets
    """

    rows: tuple[FramePlacement, ...]
    jobs: dict[int, PlacementJob]
    missing_types: dict[str, tuple[str, ...]]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class FrameInventory:
    """All frames: new ones, those below the root, and those of reduced datasets.

    `settled` ones are never moved, because reductions contain their paths.
    """

    new: Sequence[RawExposure]
    placed: Sequence[RawExposure]
    settled: Sequence[RawExposure]


def plan_placement(
    inventory: FrameInventory, root: Path, profile: Profile, *, mode: PlaceMode, window_days: float
) -> PlacementPlan:
    """The place of every frame; touches no file."""
    planner = _PlacementPlanner(inventory, root, profile, mode)
    groups = group_frames(planner.movable_frames(), profile, window_days)
    clashes = _find_clashes(groups, profile)
    for group in groups:
        planner.add_group(group, clashes)
    planner.add_settled()
    missing_types = {
        str(group.dataset): group.missing_types
        for group in groups
        if str(group.dataset) not in planner.reduced_datasets
    }
    notes = _reduced_notes(groups, planner.settled.values(), root, profile, window_days)
    return PlacementPlan(tuple(planner.rows), planner.jobs, missing_types, tuple(notes))


class _PlacementPlanner:
    """Collects the rows and jobs."""

    def __init__(
        self, inventory: FrameInventory, root: Path, profile: Profile, mode: PlaceMode
    ) -> None:
        self.root, self.profile, self.mode = root, profile, mode
        self.jobs: dict[int, PlacementJob] = {}
        self.rows = [
            _make_placement(frame, BAD_HEADER, note=frame.defect)
            for frame in (*inventory.placed, *inventory.settled)
            if frame.defect
        ]
        rejected = {frame.path: _rejected_placement(frame, profile) for frame in inventory.new}
        self.rows += [row for row in rejected.values() if row]
        self.accepted = [frame for frame in inventory.new if not rejected[frame.path]]
        self.placed = self._by_identity(inventory.placed)
        self.settled = self._by_identity(inventory.settled)
        self.reduced_datasets = {_dataset_of(frame.path, root) for frame in self.settled.values()}

    def _identity(self, frame: RawExposure) -> FrameIdentity:
        return sanitize_name(frame.file), group_key(frame, self.profile), frame.mjd

    def _by_identity(self, frames: Iterable[RawExposure]) -> dict[FrameIdentity, RawExposure]:
        return {self._identity(frame): frame for frame in frames if not frame.defect}

    def movable_frames(self) -> list[RawExposure]:
        """The frames that may still go anywhere: new ones, and placed ones that are not new."""
        new = {self._identity(frame) for frame in self.accepted}
        unsettled = [frame for frame in self.accepted if self._identity(frame) not in self.settled]
        return unsettled + [frame for key, frame in self.placed.items() if key not in new]

    def add_group(self, group: DatasetGroup, clashes: Mapping[GroupKey, str]) -> None:
        """Put the frames of one dataset into its directory, unless their names are taken."""
        name = str(group.dataset)
        is_reduced = name in self.reduced_datasets
        # A reduced dataset is complete already
        folder = f"{name}/{dataset.COMPLETE}/raw" if is_reduced else group.folder
        taken: dict[str, Path] = {}
        if is_reduced:
            taken = {
                _plain_name(frame.file): frame.path
                for frame in self.settled.values()
                if _dataset_of(frame.path, self.root) == name
            }
        for frame in group.frames:
            target = self.root / folder / sanitize_name(frame.file)
            other = taken.setdefault(_plain_name(target.name), frame.path)
            problem = clashes.get(group_key(frame, self.profile), "")
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
            self._add(row, PlacementJob(source, target, self.mode, placed.path if placed else None))

    def add_settled(self) -> None:
        """Add the new frames that a reduced dataset already has."""
        for frame in self.accepted:
            settled = self.settled.get(self._identity(frame))
            if settled:
                name = _dataset_of(settled.path, self.root)
                folder = str(settled.path.parent.relative_to(self.root))
                row = _make_placement(
                    frame, IN_PLACE, dataset=name, folder=folder, note=_missing_note(frame)
                )
                self._add(row, PlacementJob(frame.path, settled.path, self.mode))

    def _add(self, row: FramePlacement, job: PlacementJob) -> None:
        self.jobs[len(self.rows)] = job
        self.rows.append(row)


def _rejected_placement(frame: RawExposure, profile: Profile) -> FramePlacement | None:
    if frame.defect:
        return _make_placement(frame, BAD_HEADER, note=frame.defect)
    if kind := dropped_type(frame, profile):
        reason = (
            "its header matches no frame type" if kind == UNKNOWN_TYPE else f"{kind} is not used"
        )
        return _make_placement(frame, DROPPED, note=reason)
    return None


def _make_placement(
    frame: RawExposure, state: str, *, dataset: str = "", folder: str = "", note: str = ""
) -> FramePlacement:
    return FramePlacement(
        frame.file,
        str(frame.path),
        state,
        dataset=dataset,
        folder=folder,
        night="" if frame.defect else frame.night.isoformat(),
        types=frame.types or (UNKNOWN_TYPE,),
        target=str(frame.values.get("target") or ""),
        note=note,
    )


def _missing_note(frame: RawExposure) -> str:
    return f"its header has no {', '.join(frame.missing)}" if frame.missing else ""


def _plain_name(file: str) -> str:
    return file.removesuffix(".gz")


def _dataset_of(path: Path, root: Path) -> str:
    return "/".join(path.relative_to(root).parts[:3])


def _find_clashes(groups: Iterable[DatasetGroup], profile: Profile) -> dict[GroupKey, str]:
    """Masks or configurations whose safe names are equal, except for the first one, and why."""
    keys: dict[tuple[str, str], set[GroupKey]] = defaultdict(set)
    for group in groups:
        name = group.dataset.mask, group.dataset.config
        keys[name].add(group_key(group.frames[0], profile))
    return {
        key: f"{', '.join(key)} has the directory of {', '.join(min(same))}: {'/'.join(name)}"
        for name, same in keys.items()
        for key in same - {min(same)}
    }


def _reduced_notes(
    groups: Sequence[DatasetGroup],
    settled: Iterable[RawExposure],
    root: Path,
    profile: Profile,
    window_days: float,
) -> Iterable[str]:
    """Notes on new frames that belong to a dataset which is already reduced."""
    settled_keys = [(group_key(frame, profile), frame) for frame in settled]
    for group in groups:
        key, name = group_key(group.frames[0], profile), str(group.dataset)
        begin, end = group.frames[0].mjd - window_days, group.frames[-1].mjd + window_days
        close = {
            _dataset_of(frame.path, root)
            for settled_key, frame in settled_keys
            if settled_key == key and begin <= frame.mjd <= end
        }
        for other in sorted(close):
            if other == name:
                yield f"{name} is already reduced and gets new frames: reduce it again"
            else:
                yield f"{name} is close in time to {other}, which is reduced and was not changed"
