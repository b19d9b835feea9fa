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

from kpfnb import runs
from kpfnb.adap.pages import dataset as datasetpage
from kpfnb.adap.products import dataset, reduction
from kpfnb.adap.score import scorecard, scored_slits
from kpfnb.core import atomic, settings
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.settings import Settings
from kpfnb.runs import RunRecord, formatting, report

# Which runs of notebooks had to do with a dataset.

NOTEBOOKS = ("prepare", "reduce", "coadd", "scorecard", "archive")
MAX_RUNS_READ = 500
"""The latest; a record is read in a tenth of a millisecond."""
MAX_RUNS_SHOWN = 20


def latest_runs(runs_dir: Path) -> list[RunRecord]:
    """The latest runs of the notebooks that are about datasets, newest first."""
    found = [one for one in runs.list_directories(runs_dir) if one.parent.name in NOTEBOOKS]
    return list(runs.current_records(found[:MAX_RUNS_READ]))


def runs_of_dataset(name: str, records: list[RunRecord]) -> list[RunRecord]:
    """Those that name a dataset in one of their parameters, newest first."""
    return [
        one for one in records if any(_mentions(value, name) for value in one.parameters.values())
    ][:MAX_RUNS_SHOWN]


def _mentions(value: Any, name: str) -> bool:
    """Whether a parameter is the dataset, its folder, or a list that has it."""
    if isinstance(value, list):
        return any(_mentions(one, name) for one in value)
    return isinstance(value, str) and f"/{value.rstrip('/')}".endswith(f"/{name}")


INDEX_NAME = "index.html"
SUMMARY_SUFFIX = ".json"
"""Beside the page of a dataset: how the dataset stood."""
REDUCTION_FOLDER = f"{dataset.COMPLETE}/reduce"
NOT_REDUCED = "not reduced"
SIMULATED_NOTE = "SIMULATED: its record tells no frames"
GONE_NOTE = "its local copy has gone"
LINKED_FILES = {
    scorecard.SCORECARD_FILE: "scorecard",
    scored_slits.BAD_SLITS_FILE: "bad slits",
    reduction.RECORD_NAME: "record",
}


@dataclass(frozen=True)
class DatasetSummary:
    """One dataset: its outcome, frames reduced of all, and the statuses of its scorecard."""

    name: str
    folder: Path
    outcome: str = NOT_REDUCED
    note: str = ""
    reduced: int = 0
    frames: int = 0
    statuses: tuple[tuple[str, int], ...] = ()


def write_dataset_pages() -> Path:
    """Write the page of all datasets, and the pages that are behind of single ones.

    Returns the path of the first.
    """
    here = settings.load_settings()
    path = here.runs_dir / dataset.DATASETS_FOLDER / INDEX_NAME
    standings = find_summaries(here)
    latest = latest_runs(here.runs_dir)
    for one in standings:
        _write_page(one, path.parent, runs_of_dataset(one.name, latest))
    names = {one.name for one in standings}
    gone = [one for one in _read_summaries(path.parent) if one.name not in names]
    every = sorted([*standings, *gone], key=lambda one: one.name)
    atomic.write_text(path, render_list_page(every, path.parent))
    return path


def _page_path(name: str, top: Path) -> Path:
    """The page of one dataset."""
    return top / f"{name}.html"


def _write_page(one: DatasetSummary, top: Path, made_by: list[RunRecord]) -> None:
    """Write the page of a dataset, unless nothing has changed since."""
    folder, path = one.folder / REDUCTION_FOLDER, _page_path(one.name, top)
    looked_at = [folder / name for name in LINKED_FILES]
    changed = max((file.stat().st_mtime for file in looked_at if file.exists()), default=0.0)
    if not changed or (path.exists() and path.stat().st_mtime > changed):
        return
    badge = _outcome_badge(one.outcome)
    atomic.write_text(
        path, datasetpage.render_dataset_page(folder, one.name, badge, path.parent, made_by)
    )
    atomic.write_json(path.with_suffix(SUMMARY_SUFFIX), {**asdict(one), "folder": str(one.folder)})


def _read_summaries(top: Path) -> list[DatasetSummary]:
    """How the datasets stood that have a page."""
    found = []
    for path in sorted(top.glob(f"*/*/*{SUMMARY_SUFFIX}")):
        name = path.relative_to(top).as_posix().removesuffix(SUMMARY_SUFFIX)
        try:
            kept = atomic.read_json(path)
            statuses = tuple((status, number) for status, number in kept["statuses"])
            folder = Path(kept["folder"])
            one = DatasetSummary(**{**kept, "statuses": statuses, "folder": folder})
        except (InvalidInputError, KeyError, TypeError, ValueError):
            # Of another version, or damaged: its page tells all the same
            one = DatasetSummary(name, Path())
        found.append(replace(one, note=GONE_NOTE))
    return found


def find_summaries(here: Settings) -> list[DatasetSummary]:
    """The datasets in the work directory, by name."""
    top = here.work_dir / dataset.DATASETS_FOLDER
    names = dataset.select_dataset_names(
        str(path.relative_to(top)) for path in top.glob("*/*/*") if path.is_dir()
    )
    return [summarize_dataset(top / name, name) for name in names]


def summarize_dataset(folder: Path, name: str) -> DatasetSummary:
    """How a dataset stands; a damaged record is told, not raised."""
    reduce = folder / REDUCTION_FOLDER
    try:
        record = reduction.read_finished_record(reduce)
        statuses = _count_statuses(reduce / scorecard.SCORECARD_FILE)
        if not record:
            return DatasetSummary(name, folder, statuses=statuses)
        if record.get("simulated"):
            return DatasetSummary(
                name, folder, record["outcome"], SIMULATED_NOTE, statuses=statuses
            )
        science = record["science"]
        good = sum(not one["reason"] for one in science)
        return DatasetSummary(name, folder, record["outcome"], "", good, len(science), statuses)
    except (
        InvalidInputError,
        OSError,
        KeyError,
        TypeError,
        csv.Error,
        UnicodeDecodeError,
    ) as error:
        return DatasetSummary(name, folder, note=f"its record is damaged: {error}")


def render_list_page(standings: list[DatasetSummary], place: Path) -> str:
    """The page as HTML; all text escaped."""
    from markupsafe import Markup

    style = formatting.stylesheet()
    counts = Counter(one.outcome for one in standings)
    return str(
        formatting.template_environment()
        .get_template("datasets.html")
        .render(
            title="Datasets",
            counts=[_outcome_badge(word) | {"number": number} for word, number in counts.items()],
            datasets=[_row_context(one, place) for one in standings],
            # The package's own style sheet
            style=Markup(style),  # noqa: S704
            policy=report.content_policy(style),
        )
    )


def _row_context(one: DatasetSummary, place: Path) -> dict[str, Any]:
    reduce = one.folder / REDUCTION_FOLDER
    own = _page_path(one.name, place)
    return {
        "name": one.name,
        "target": quote(os.path.relpath(own, place)) if own.exists() else "",
        "badge": _outcome_badge(one.outcome),
        "note": one.note,
        "reduced": f"{one.reduced} of {one.frames}" if one.frames else "",
        "statuses": ", ".join(f"{number} {status}" for status, number in one.statuses),
        "links": [
            {"text": text, "target": quote(os.path.relpath(reduce / name, place))}
            for name, text in LINKED_FILES.items()
            if (reduce / name).exists()
        ],
    }


def _outcome_badge(word: str) -> dict[str, str]:
    return {
        "word": word,
        "sign": formatting.OUTCOME_SIGNS.get(word, "·"),
        "style": word if word in formatting.OUTCOME_SIGNS else "skipped",
    }


def _count_statuses(path: Path) -> tuple[tuple[str, int], ...]:
    """The statuses of the frames in a scorecard."""
    if not path.exists():
        return ()
    with path.open(encoding="utf-8", newline="") as file:
        found = Counter(
            row.get("status") or row.get("Status") or "?" for row in csv.DictReader(file)
        )
    return tuple(found.items())
