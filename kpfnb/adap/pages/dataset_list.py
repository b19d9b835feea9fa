"""The page of all datasets of this work directory: how each was reduced and scored.

It is a part of the site of the runs (`runs/datasets/`), has no script, and is made from the files
on disk. The page of a dataset stays when its local copy is removed.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kpfnb.adap.pages import dataset_actions
from kpfnb.adap.pages.dataset import render_dataset_page
from kpfnb.adap.products.dataset import COMPLETE, DATASETS_FOLDER, select_dataset_names
from kpfnb.adap.products.reduction import RECORD_NAME, read_finished_record
from kpfnb.adap.score.scorecard import SCORECARD_FILE
from kpfnb.adap.score.scored_slits import BAD_SLITS_FILE
from kpfnb.core import atomic, settings
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.runs import RunRecord, current_records, formatting, list_directories, report
from kpfnb.runs.actions import PageAction

INDEX_NAME = "index.html"
SUMMARY_SUFFIX = ".json"
"""The file beside the page of a dataset that keeps its summary."""
REDUCTION_FOLDER = f"{COMPLETE}/reduce"
NOT_REDUCED = "not reduced"
NO_RECORD = "no record"
"""A dataset that has a scorecard, but no record of its reduction."""
SIMULATED_NOTE = "SIMULATED: its record has no frames"
GONE_NOTE = "its local copy was removed"
LINKED_FILES = {SCORECARD_FILE: "scorecard", BAD_SLITS_FILE: "bad slits", RECORD_NAME: "record"}

NOTEBOOKS = ("prepare", "reduce", "coadd", "scorecard", "archive")
"""The notebooks whose runs a dataset's page links to."""
MAX_RUNS_READ = 500
"""The latest runs; a record is read in a tenth of a millisecond."""
MAX_RUNS_SHOWN = 20


@dataclass(frozen=True)
class DatasetSummary:
    """One dataset: its outcome, its number of reduced frames, and the statuses of its scorecard."""

    name: str
    folder: Path
    outcome: str = NOT_REDUCED
    note: str = ""
    reduced: int = 0
    frames: int = 0
    statuses: tuple[tuple[str, int], ...] = ()
    spectrograph: str = ""

    @property
    def reduce_again(self) -> PageAction | None:
        """What to do if not everything is reduced; None also if the record is not a real one."""
        if self.outcome == Outcome.SUCCEEDED or not self.spectrograph:
            return None
        return dataset_actions.reduce_again(self.name, self.spectrograph)


def write_dataset_pages() -> Path:
    """Write the page of all datasets, and those pages of single datasets that are outdated.

    Returns the path of the first.
    """
    config = settings.load_settings()
    path = config.runs_dir / DATASETS_FOLDER / INDEX_NAME
    summaries = find_summaries(config.work_dir)
    records = latest_runs(config.runs_dir)
    for summary in summaries:
        _write_page(summary, path.parent, runs_of_dataset(summary.name, records))
    names = {summary.name for summary in summaries}
    removed = [summary for summary in _read_summaries(path.parent) if summary.name not in names]
    # What needs attention comes first
    every_dataset = sorted(
        [*summaries, *removed],
        key=lambda summary: (summary.outcome == Outcome.SUCCEEDED, summary.name),
    )
    atomic.write_text(path, render_list_page(every_dataset, path.parent))
    return path


def _page_path(name: str, top: Path) -> Path:
    """The page of one dataset."""
    return top / f"{name}.html"


def _write_page(summary: DatasetSummary, top: Path, runs: Sequence[RunRecord]) -> None:
    """Write the page of a dataset, unless nothing has changed since."""
    folder, path = summary.folder / REDUCTION_FOLDER, _page_path(summary.name, top)
    sources = [folder / name for name in LINKED_FILES]
    changed = max((file.stat().st_mtime for file in sources if file.exists()), default=0.0)
    if not changed or (path.exists() and path.stat().st_mtime > changed):
        return
    badge = _outcome_badge(summary.outcome)
    atomic.write_text(path, render_dataset_page(folder, summary.name, badge, path.parent, runs))
    content = {**asdict(summary), "folder": str(summary.folder)}
    atomic.write_json(path.with_suffix(SUMMARY_SUFFIX), content)


def _read_summaries(top: Path) -> list[DatasetSummary]:
    """The stored summaries of the datasets that have a page."""
    summaries = []
    for path in sorted(top.glob(f"*/*/*{SUMMARY_SUFFIX}")):
        name = path.relative_to(top).as_posix().removesuffix(SUMMARY_SUFFIX)
        try:
            content = atomic.read_json(path)
            statuses = tuple((status, number) for status, number in content["statuses"])
            folder = Path(content["folder"])
            summary = DatasetSummary(**{**content, "statuses": statuses, "folder": folder})
        except (InvalidInputError, KeyError, TypeError, ValueError):
            # Of another version, or damaged: the page has the details
            summary = DatasetSummary(name, Path())
        summaries.append(replace(summary, note=GONE_NOTE))
    return summaries


def find_summaries(work_dir: Path) -> list[DatasetSummary]:
    """The datasets in a work directory, by name."""
    top = work_dir / DATASETS_FOLDER
    names = select_dataset_names(
        str(path.relative_to(top)) for path in top.glob("*/*/*") if path.is_dir()
    )
    return [summarize_dataset(top / name, name) for name in names]


def summarize_dataset(folder: Path, name: str) -> DatasetSummary:
    """The summary of a dataset; a damaged record becomes its note."""
    reduction = folder / REDUCTION_FOLDER
    try:
        record = read_finished_record(reduction)
        statuses = _count_statuses(reduction / SCORECARD_FILE)
        if not record:
            outcome = NO_RECORD if statuses else NOT_REDUCED
            return DatasetSummary(name, folder, outcome, statuses=statuses)
        outcome = record["outcome"]
        if record.get("simulated"):
            return DatasetSummary(name, folder, outcome, SIMULATED_NOTE, statuses=statuses)
        frames = record["science"]
        reduced = sum(not frame["reason"] for frame in frames)
        spectrograph = str(record["inputs"].get("spectrograph", ""))
        return DatasetSummary(
            name, folder, outcome, "", reduced, len(frames), statuses, spectrograph
        )
    except (
        InvalidInputError,
        OSError,
        KeyError,
        TypeError,
        csv.Error,
        UnicodeDecodeError,
    ) as error:
        return DatasetSummary(name, folder, note=f"its record is damaged: {error}")


def render_list_page(summaries: Sequence[DatasetSummary], page_folder: Path) -> str:
    """The page as HTML; all text escaped."""
    from markupsafe import Markup

    style = formatting.stylesheet()
    counts = Counter(summary.outcome for summary in summaries)
    return str(
        formatting.template_environment()
        .get_template("dataset_list.html")
        .render(
            title="Datasets",
            counts=[_outcome_badge(word) | {"number": number} for word, number in counts.items()],
            datasets=[_row_context(summary, page_folder) for summary in summaries],
            # The package's own style sheet
            style=Markup(style),  # noqa: S704
            policy=report.content_policy(style),
        )
    )


def _row_context(summary: DatasetSummary, page_folder: Path) -> dict[str, Any]:
    reduction = summary.folder / REDUCTION_FOLDER
    page = _page_path(summary.name, page_folder)
    return {
        "name": summary.name,
        "target": quote(os.path.relpath(page, page_folder)) if page.exists() else "",
        "badge": _outcome_badge(summary.outcome),
        "note": summary.note,
        "action": summary.reduce_again,
        "reduced": f"{summary.reduced} of {summary.frames}" if summary.frames else "",
        "statuses": ", ".join(f"{number} {status}" for status, number in summary.statuses),
        "links": [
            {"text": text, "target": quote(os.path.relpath(reduction / name, page_folder))}
            for name, text in LINKED_FILES.items()
            if (reduction / name).exists()
        ],
    }


def _outcome_badge(word: str) -> dict[str, str]:
    return {
        "word": word,
        "sign": formatting.OUTCOME_SIGNS.get(word, "·"),
        "style": word if word in formatting.OUTCOME_SIGNS else "skipped",
    }


def _count_statuses(path: Path) -> tuple[tuple[str, int], ...]:
    """The number of frames with each status in a scorecard."""
    if not path.exists():
        return ()
    with path.open(encoding="utf-8", newline="") as file:
        statuses = Counter(
            row.get("status") or row.get("Status") or "?" for row in csv.DictReader(file)
        )
    return tuple(statuses.items())


def latest_runs(runs_dir: Path) -> list[RunRecord]:
    """The latest runs of the notebooks for datasets, newest first."""
    directories = [
        directory for directory in list_directories(runs_dir) if directory.parent.name in NOTEBOOKS
    ]
    return list(current_records(directories[:MAX_RUNS_READ]))


def runs_of_dataset(name: str, records: Sequence[RunRecord]) -> list[RunRecord]:
    """The runs with a dataset in one of their parameters, newest first."""
    return [
        record
        for record in records
        if any(_mentions_dataset(value, name) for value in record.parameters.values())
    ][:MAX_RUNS_SHOWN]


def _mentions_dataset(value: Any, name: str) -> bool:
    """Whether a parameter is the dataset or its directory, or a list that contains it."""
    if isinstance(value, list):
        return any(_mentions_dataset(item, name) for item in value)
    return isinstance(value, str) and f"/{value.rstrip('/')}".endswith(f"/{name}")
