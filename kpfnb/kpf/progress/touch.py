"""Touch files slowly, so that a watching DRP processes them again without being flooded.

Names may be of any level: an L0 starts the processing from the beginning, a 2D or L1 at a later
stage. No file is ever created; names of files that do not exist are listed.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kpfnb.core import settings
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes
from kpfnb.kpf.files.data_root import check_data_root
from kpfnb.kpf.files.obsid import KPF, clean_name, level_dir, read_first_column
from kpfnb.kpf.progress import evaluation
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.kpf.progress.result import ProgressResult

if TYPE_CHECKING:
    import pandas as pd

INTERVAL_SECONDS = 0.2

LIST_HEADER = "observation_id"
"""The title of the first column in lists from Jump."""


class TouchOutcome(StrEnum):
    """What happened to one name."""

    TOUCHED = "touched"
    WOULD_TOUCH = "would be touched"
    NOT_FOUND = "not there"
    NO_OBSERVATION = "not the name of an observation"
    FAILED = "failed"
    NOT_REACHED = "not reached"
    """The work was interrupted before it."""

    @property
    def outcome(self) -> Outcome:
        """The outcome for the record of the run."""
        good = self in (TouchOutcome.TOUCHED, TouchOutcome.WOULD_TOUCH)
        return Outcome.SUCCEEDED if good else Outcome.FAILED


class TouchItem(NamedTuple):
    """One name and its outcome; `path` is the name itself if it is not an observation."""

    path: str
    state: TouchOutcome
    detail: str = ""


@dataclass(frozen=True, repr=False)
class TouchResult(OneLineRepr):
    """Files that were touched, or not: a `kpfnb.core.result.Result`."""

    items: tuple[TouchItem, ...]
    dry_run: bool = False
    notes: tuple[str, ...] = ()

    def with_outcome(self, *outcomes: TouchOutcome) -> list[TouchItem]:
        """The items with one of these outcomes."""
        return [item for item in self.items if item.state in outcomes]

    @property
    def outcome(self) -> Outcome:
        """Succeeded if each name was touched (or would be); partial if some were."""
        return merge_outcomes(item.state.outcome for item in self.items)

    @property
    def reason(self) -> str:
        """The number of names by outcome."""
        counts = [(len(self.with_outcome(outcome)), outcome) for outcome in TouchOutcome]
        return ", ".join(f"{n} {outcome}" for n, outcome in counts if n) or "no files to touch"

    def key_figures(self) -> dict[str, int | float | str]:
        """Names, and the number not touched."""
        bad = sum(not item.state.outcome.is_good for item in self.items)
        return {"files": len(self.items), "touched": len(self.items) - bad, "not touched": bad}

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": self.outcome,
            "dry_run": self.dry_run,
            "items": [item._asdict() for item in self.items],
            "notes": list(self.notes),
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a name: path, state, detail."""
        import pandas as pd

        rows = [(item.path, str(item.state), item.detail) for item in self.items]
        return pd.DataFrame(rows, columns=list(TouchItem._fields))

    def __str__(self) -> str:
        lines = [f"{i.state}: {i.path}{i.detail and f' ({i.detail})'}" for i in self.items]
        return "\n".join([*lines, *(f"* {note}" for note in self.notes), self.reason])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(Path(item.path).name)}</td><td>{item.state}</td>"
            f"<td>{escape(item.detail)}</td></tr>"
            for item in self.items
        )
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        table = f"<table>{rows}</table><ul>{notes}</ul>"
        return f"<details><summary>{self.reason}</summary>{table}</details>"


def touch_files(
    names: Iterable[str] = (),
    *,
    files: Iterable[Path | str] = (),
    directories: Iterable[Path | str] = (),
    root: Path | str | None = None,
    path: Path | str | None = None,
    interval_seconds: float = INTERVAL_SECONDS,
    dry_run: bool = False,
) -> TouchResult:
    """Touch each named file once, in the given order.

    Parameters
    ----------
    names : observations of any level, with or without `.fits`; only the name of a path counts
    files : CSV lists, names in the first column
    directories : every observation file in them
    root : the KPF data root; each file is in the directory of its level and night
    path : the directory of all files instead, below it by night; usually the L0 directory
    interval_seconds : the pause between two files
    dry_run : only report what would be touched

    Raises
    ------
    InvalidParameterError : a negative interval
    InvalidInputError : a list or directory that can't be read
    """
    if not interval_seconds >= 0:
        raise InvalidParameterError(f"interval: {interval_seconds} s", "give seconds, 0 or more")
    config = settings.load_settings(**({"data_root": root} if root else {}))
    list_names = [name for file in files for name in read_first_column(file)]
    directory_names = [
        name for directory in directories for name in _list_observations(Path(directory))
    ]
    targets = _find_targets(
        [*names, *list_names, *directory_names], config.kpf_root, Path(path) if path else None
    )
    if targets and not path:
        check_data_root(config.kpf_root)
    if dry_run:
        return TouchResult(tuple(_inspect_target(target) for target in targets), dry_run=True)
    index_file = evaluation.index_path(config)
    with HeaderIndex(index_file if index_file.exists() else None) as index:
        items = _touch_all(targets, index, interval_seconds)
        return TouchResult(tuple(items), notes=tuple(index.notes))


def touch_missing(
    progress: ProgressResult,
    *,
    dry_run: bool = False,
    interval_seconds: float = INTERVAL_SECONDS,
) -> TouchResult:
    """Touch the L0 files of incomplete observations, so that a watching DRP processes them."""
    return touch_files(
        progress.missing_obsids,
        root=progress.root,
        interval_seconds=interval_seconds,
        dry_run=dry_run,
    )


class TouchTarget(NamedTuple):
    """A file to touch; without `path` the name is not an observation."""

    name: str
    path: Path | None = None
    root: Path = Path()
    """The data root of the file."""


def find_target(name: str, root: Path, path: Path | None) -> TouchTarget:
    """The file of that name."""
    match = KPF.filename_pattern.fullmatch(Path(name).name.removesuffix(".fits") + ".fits")
    if not match:
        return TouchTarget(name)
    night, file = match["night"], match[0]
    if path:
        return TouchTarget(name, path / night / file, path.parent)
    level = next(level for level, suffix in KPF.levels.items() if suffix == match["suffix"])
    return TouchTarget(name, level_dir(root, level, night) / file, root)


def _find_targets(names: Iterable[str], root: Path, path: Path | None) -> list[TouchTarget]:
    cleaned = (clean_name(name) for name in names)
    wanted = (name for name in cleaned if name and not name.startswith(LIST_HEADER))
    return list(
        {t.path or t.name: t for t in (find_target(n, root, path) for n in wanted)}.values()
    )


def _list_observations(directory: Path) -> list[str]:
    """The names of the observation files in a directory, by time; others are skipped."""
    try:
        names = sorted(os.listdir(directory))
    except OSError as error:
        raise InvalidInputError(
            f"can't list the directory {directory}: {error.strerror}", "name an existing one"
        ) from None
    return [name for name in names if KPF.filename_pattern.fullmatch(name)]


def _touch_all(
    targets: list[TouchTarget], index: HeaderIndex, interval_seconds: float
) -> list[TouchItem]:
    from tqdm import tqdm

    items: list[TouchItem] = []
    try:
        for target in tqdm(targets, disable=None, delay=1, leave=False, unit="file"):
            # No pause before the first, none after the last
            time.sleep(interval_seconds if items else 0)
            items.append(_touch_file(target, index))
    except KeyboardInterrupt:
        unreached = targets[len(items) :]
        items += [TouchItem(str(t.path or t.name), TouchOutcome.NOT_REACHED) for t in unreached]
    return items


def _touch_file(target: TouchTarget, index: HeaderIndex) -> TouchItem:
    item = _inspect_target(target)
    if target.path is None or item.state is not TouchOutcome.WOULD_TOUCH:
        return item
    try:
        # Unlike touch(1) this never creates a file, not even one that has just been removed
        os.utime(target.path)
    except FileNotFoundError:
        return item._replace(state=TouchOutcome.NOT_FOUND)
    except OSError as error:
        return item._replace(state=TouchOutcome.FAILED, detail=str(error.strerror))
    evaluation.mark_touched(index, target.root, target.path.parent.name)
    return item._replace(state=TouchOutcome.TOUCHED)


def _inspect_target(target: TouchTarget) -> TouchItem:
    """What would happen if it were touched."""
    if target.path is None:
        return TouchItem(target.name, TouchOutcome.NO_OBSERVATION)
    item = TouchItem(str(target.path), TouchOutcome.WOULD_TOUCH)
    try:
        mode = target.path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return item._replace(state=TouchOutcome.NOT_FOUND)
    except OSError as error:
        return item._replace(state=TouchOutcome.FAILED, detail=str(error.strerror))
    if not stat.S_ISREG(mode):
        return item._replace(state=TouchOutcome.FAILED, detail="not a file")
    return item
