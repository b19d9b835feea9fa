"""The pages of the datasets of this work directory: how each was reduced and scored.

Part of the site of the runs (`runs/datasets/`). Made from what is on disk, so it is never wrong
about what is there; it needs no script. The page of a dataset stays when its local copy has gone.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kpfnb import files, settings
from kpfnb.adap import dataset, datasetpage, datasetruns
from kpfnb.adap.reducing import workplace
from kpfnb.adap.scoring import badslits, scorecard
from kpfnb.errors import BadInput
from kpfnb.runs import Record, report, view
from kpfnb.settings import Settings

PAGE = "index.html"
KEPT = ".json"
"""Beside the page of a dataset: how the dataset stood."""
REDUCE = f"{dataset.COMPLETE}/reduce"
UNKNOWN = "not reduced"
SIMULATED = "SIMULATED: its record tells no frames"
GONE = "its local copy has gone"
LINKED = {scorecard.FILE: "scorecard", badslits.FILE: "bad slits", workplace.RECORD: "record"}


@dataclass(frozen=True)
class Standing:
    """One dataset: its outcome, frames reduced of all, and the statuses of its scorecard."""

    name: str
    folder: Path
    outcome: str = UNKNOWN
    note: str = ""
    reduced: int = 0
    frames: int = 0
    statuses: tuple[tuple[str, int], ...] = ()


def write() -> Path:
    """Write the page of all datasets, and the pages that are behind of single ones.

    Returns the path of the first.
    """
    here = settings.load()
    path = here.runs_dir / dataset.FOLDER / PAGE
    standings = find(here)
    latest = datasetruns.latest(here.runs_dir)
    for one in standings:
        _write_own(one, path.parent, datasetruns.of(one.name, latest))
    names = {one.name for one in standings}
    gone = [one for one in _kept(path.parent) if one.name not in names]
    every = sorted([*standings, *gone], key=lambda one: one.name)
    files.write_text(path, page(every, path.parent))
    return path


def _own(name: str, top: Path) -> Path:
    """The page of one dataset."""
    return top / f"{name}.html"


def _write_own(one: Standing, top: Path, made_by: list[Record]) -> None:
    """Write the page of a dataset, unless nothing has changed since."""
    folder, path = one.folder / REDUCE, _own(one.name, top)
    looked_at = [folder / name for name in LINKED]
    changed = max((file.stat().st_mtime for file in looked_at if file.exists()), default=0.0)
    if not changed or (path.exists() and path.stat().st_mtime > changed):
        return
    badge = _badge(one.outcome)
    files.write_text(path, datasetpage.page(folder, one.name, badge, path.parent, made_by))
    files.write_json(path.with_suffix(KEPT), {**asdict(one), "folder": str(one.folder)})


def _kept(top: Path) -> list[Standing]:
    """How the datasets stood that have a page."""
    found = []
    for path in sorted(top.glob(f"*/*/*{KEPT}")):
        name = path.relative_to(top).as_posix().removesuffix(KEPT)
        try:
            kept = files.read_json(path)
            statuses = tuple((status, number) for status, number in kept["statuses"])
            folder = Path(kept["folder"])
            one = Standing(**{**kept, "statuses": statuses, "folder": folder})
        except (BadInput, KeyError, TypeError, ValueError):
            # Of another version, or damaged: its page tells all the same
            one = Standing(name, Path())
        found.append(replace(one, note=GONE))
    return found


def find(here: Settings) -> list[Standing]:
    """The datasets in the work directory, by name."""
    top = here.work_dir / dataset.FOLDER
    names = dataset.names_of(
        str(path.relative_to(top)) for path in top.glob("*/*/*") if path.is_dir()
    )
    return [look(top / name, name) for name in names]


def look(folder: Path, name: str) -> Standing:
    """How a dataset stands; a damaged record is told, not raised."""
    reduce = folder / REDUCE
    try:
        record = workplace.finished(reduce)
        statuses = _statuses(reduce / scorecard.FILE)
        if not record:
            return Standing(name, folder, statuses=statuses)
        if record.get("simulated"):
            return Standing(name, folder, record["outcome"], SIMULATED, statuses=statuses)
        science = record["science"]
        good = sum(not one["reason"] for one in science)
        return Standing(name, folder, record["outcome"], "", good, len(science), statuses)
    except (BadInput, OSError, KeyError, TypeError, csv.Error, UnicodeDecodeError) as error:
        return Standing(name, folder, note=f"its record is damaged: {error}")


def page(standings: list[Standing], place: Path) -> str:
    """The page as HTML; all text escaped."""
    from markupsafe import Markup

    style = view.style()
    counts = Counter(one.outcome for one in standings)
    return str(
        view.environment()
        .get_template("datasets.html")
        .render(
            title="Datasets",
            counts=[_badge(word) | {"number": number} for word, number in counts.items()],
            datasets=[_shown(one, place) for one in standings],
            # The package's own style sheet
            style=Markup(style),  # noqa: S704
            policy=report.policy(style),
        )
    )


def _shown(one: Standing, place: Path) -> dict[str, Any]:
    reduce = one.folder / REDUCE
    own = _own(one.name, place)
    return {
        "name": one.name,
        "target": quote(os.path.relpath(own, place)) if own.exists() else "",
        "badge": _badge(one.outcome),
        "note": one.note,
        "reduced": f"{one.reduced} of {one.frames}" if one.frames else "",
        "statuses": ", ".join(f"{number} {status}" for status, number in one.statuses),
        "links": [
            {"text": text, "target": quote(os.path.relpath(reduce / name, place))}
            for name, text in LINKED.items()
            if (reduce / name).exists()
        ],
    }


def _badge(word: str) -> dict[str, str]:
    return {
        "word": word,
        "sign": view.SIGNS.get(word, "·"),
        "style": word if word in view.SIGNS else "skipped",
    }


def _statuses(path: Path) -> tuple[tuple[str, int], ...]:
    """The statuses of the frames in a scorecard."""
    if not path.exists():
        return ()
    with path.open(encoding="utf-8", newline="") as file:
        found = Counter(
            row.get("status") or row.get("Status") or "?" for row in csv.DictReader(file)
        )
    return tuple(found.items())
