"""Touch files slowly, so that a watching DRP takes them up again without being flooded.

Names may be of any level: an L0 starts the processing from the beginning, a 2D or L1 at a later
stage. A file is never made: what is not there is listed.
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
from kpfnb.kpf.files import obsid_list
from kpfnb.kpf.files.obsid import KPF, level_dir
from kpfnb.kpf.progress import evaluation
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.notebook.display import figures

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

INTERVAL_SECONDS = 0.2

LIST_HEADER = "observation_id"
"""The title of the first column in lists from Jump."""


class TouchOutcome(StrEnum):
    """What became of one name."""

    TOUCHED = "touched"
    WOULD_TOUCH = "would be touched"
    NOT_FOUND = "not there"
    NO_OBSERVATION = "not the name of an observation"
    FAILED = "failed"
    NOT_REACHED = "not reached"
    """The work was interrupted before."""

    @property
    def outcome(self) -> Outcome:
        """What it means for the whole."""
        good = self in (TouchOutcome.TOUCHED, TouchOutcome.WOULD_TOUCH)
        return Outcome.SUCCEEDED if good else Outcome.FAILED


class TouchItem(NamedTuple):
    """One name with what became of it; `path` is the name itself where it is no observation's."""

    path: str
    state: TouchOutcome
    detail: str = ""


@dataclass(frozen=True, repr=False)
class TouchResult(OneLineRepr):
    """The result: a `kpfnb.core.result.Result`."""

    items: tuple[TouchItem, ...]
    dry_run: bool = False
    notes: tuple[str, ...] = ()

    def with_outcome(self, *states: TouchOutcome) -> list[TouchItem]:
        """The items in one of these states."""
        return [item for item in self.items if item.state in states]

    @property
    def outcome(self) -> Outcome:
        """Succeeded where each name was touched (or would be); partial where some were."""
        return merge_outcomes(item.state.outcome for item in self.items)

    @property
    def reason(self) -> str:
        """How many are in each state."""
        counts = [(len(self.with_outcome(state)), state) for state in TouchOutcome]
        return ", ".join(f"{n} {state}" for n, state in counts if n) or "nothing to touch"

    def key_figures(self) -> dict[str, int | float | str]:
        """Names, and how many were not touched."""
        bad = sum(not item.state.outcome.is_good for item in self.items)
        return {"files": len(self.items), "touched": len(self.items) - bad, "not touched": bad}

    def to_dict(self) -> dict[str, Any]:
        """Each path by its state."""
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

    def plot(self) -> Figure:
        """How many are in each state."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 2.4), layout="constrained")
        axes = figure.add_subplot()
        states = [state for state in TouchOutcome if self.with_outcome(state)]
        if not states:
            figures.draw_empty_message(axes, "no files")
            return figure
        bars = axes.barh([str(s) for s in states], [len(self.with_outcome(s)) for s in states])
        axes.bar_label(bars, padding=3)
        axes.set_xlabel("files")
        axes.margins(x=0.1)
        return figure

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
    """Touch each file that is named, once, in the order given.

    Parameters
    ----------
    names : observations of any level, with or without `.fits`; of a path only the name counts
    files : CSV lists, names in the first column
    directories : the name of every observation file in them
    root : the KPF data root; each file is in the directory of its level and night
    path : where all files are instead, below it by night; the L0 directory as a rule
    interval_seconds : the pause between two files
    dry_run : say what would be touched

    Raises
    ------
    InvalidParameterError : a negative interval
    InvalidInputError : a list or directory that can't be read
    """
    if not interval_seconds >= 0:
        raise InvalidParameterError(f"interval: {interval_seconds} s", "give seconds, 0 or more")
    here = settings.load_settings(**({"data_root": root} if root else {}))
    listed = [name for file in files for name in obsid_list.read_first_column(file)]
    found = [name for directory in directories for name in _list_observations(Path(directory))]
    targets = _find_targets([*names, *listed, *found], here.kpf_root, Path(path) if path else None)
    if dry_run:
        return TouchResult(tuple(_inspect_target(target) for target in targets), dry_run=True)
    memory = evaluation.index_path(here)
    with HeaderIndex(memory if memory.exists() else None) as index:
        items = _touch_all(targets, index, interval_seconds)
        return TouchResult(tuple(items), notes=tuple(index.notes))


class TouchTarget(NamedTuple):
    """A file to touch; without `path` the name is no observation's."""

    name: str
    path: Path | None = None
    root: Path = Path()
    """The data root that the file is below."""


def find_target(name: str, root: Path, path: Path | None) -> TouchTarget:
    """Where the file of that name is."""
    match = KPF.filename_pattern.fullmatch(Path(name).name.removesuffix(".fits") + ".fits")
    if not match:
        return TouchTarget(name)
    night, file = match["night"], match[0]
    if path:
        return TouchTarget(name, path / night / file, path.parent)
    level = next(level for level, suffix in KPF.levels.items() if suffix == match["suffix"])
    return TouchTarget(name, level_dir(root, level, night) / file, root)


def _find_targets(names: Iterable[str], root: Path, path: Path | None) -> list[TouchTarget]:
    cleaned = (obsid_list.clean_name(name) for name in names)
    wanted = (name for name in cleaned if name and not name.startswith(LIST_HEADER))
    return list(
        {t.path or t.name: t for t in (find_target(n, root, path) for n in wanted)}.values()
    )


def _list_observations(directory: Path) -> list[str]:
    """The names of the observation files in a directory, by time; others are passed over."""
    try:
        names = sorted(os.listdir(directory))
    except OSError as error:
        raise InvalidInputError(
            f"can't list the directory {directory}: {error.strerror}", "name one that is there"
        ) from None
    return [name for name in names if KPF.filename_pattern.fullmatch(name)]


def _touch_all(
    targets: list[TouchTarget], index: HeaderIndex, interval_seconds: float
) -> list[TouchItem]:
    from tqdm import tqdm

    items: list[TouchItem] = []
    try:
        for target_ in tqdm(targets, disable=None, delay=1, leave=False, unit="file"):
            # No pause before the first, none after the last
            time.sleep(interval_seconds if items else 0)
            items.append(_touch_file(target_, index))
    except KeyboardInterrupt:
        rest = targets[len(items) :]
        items += [TouchItem(str(t.path or t.name), TouchOutcome.NOT_REACHED) for t in rest]
    return items


def _touch_file(target_: TouchTarget, index: HeaderIndex) -> TouchItem:
    item = _inspect_target(target_)
    if target_.path is None or item.state is not TouchOutcome.WOULD_TOUCH:
        return item
    try:
        # Unlike touch(1) this can't make a file, not even one that vanished a moment ago
        os.utime(target_.path)
    except FileNotFoundError:
        return item._replace(state=TouchOutcome.NOT_FOUND)
    except OSError as error:
        return item._replace(state=TouchOutcome.FAILED, detail=str(error.strerror))
    evaluation.mark_touched(index, target_.root, target_.path.parent.name)
    return item._replace(state=TouchOutcome.TOUCHED)


def _inspect_target(target_: TouchTarget) -> TouchItem:
    """What a touch would meet."""
    if target_.path is None:
        return TouchItem(target_.name, TouchOutcome.NO_OBSERVATION)
    item = TouchItem(str(target_.path), TouchOutcome.WOULD_TOUCH)
    try:
        mode = target_.path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return item._replace(state=TouchOutcome.NOT_FOUND)
    except OSError as error:
        return item._replace(state=TouchOutcome.FAILED, detail=str(error.strerror))
    if not stat.S_ISREG(mode):
        return item._replace(state=TouchOutcome.FAILED, detail="not a file")
    return item
