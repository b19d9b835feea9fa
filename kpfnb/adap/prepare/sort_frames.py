"""Sorting of raw frames into datasets, `mask/config/date[_date]/{complete,incomplete}/raw`."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import groupby
from pathlib import Path

from markupsafe import Markup

from kpfnb.adap.prepare import placement
from kpfnb.adap.prepare.dataset_groups import WINDOW_DAYS
from kpfnb.adap.prepare.frames import RawExposure, read_exposure
from kpfnb.adap.prepare.header_fixes import ORIGINALS
from kpfnb.adap.prepare.placement import PlacementJob, PlaceMode
from kpfnb.adap.prepare.placement_plan import (
    IN_PLACE,
    FrameInventory,
    FramePlacement,
    plan_placement,
)
from kpfnb.adap.prepare.sort_result import REPORT_NAME, SortResult
from kpfnb.adap.products import dataset
from kpfnb.adap.profiles.spectrograph import Profile, load_profile
from kpfnb.compute.item_map import map_items
from kpfnb.core import atomic, locks, spreadsheet_cells
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.result import Outcome
from kpfnb.runs import formatting, report

PLACEMENT_FAILED, NOT_REACHED = "failed", "not reached"
_COMPLETENESS_FOLDERS = (dataset.COMPLETE, dataset.INCOMPLETE)


def sort_frames(
    sources: Iterable[str | Path],
    root: str | Path,
    *,
    spectrograph: str | Path,
    how: str = PlaceMode.COPY,
    window_days: float = WINDOW_DAYS,
    dry_run: bool = False,
    progress: bool = True,
) -> SortResult:
    """Put raw frames where they belong; the result names those that can't be placed.

    Frames that are in place stay. A dataset that gets frames of another night, or becomes
    complete, gets its new name; a reduced dataset is not changed. After an interruption the next
    run continues.

    Parameters
    ----------
    sources : directories of raw frames (.fits, .fits.gz), at any depth
    root : the directory of the datasets
    spectrograph : name of a profile, or the path of one
    how : copy, move (deleted after the same bytes are in place) or symlink
    window_days : nights with a gap up to this belong together
    dry_run : show what would be done; change nothing

    Raises
    ------
    InvalidInputError, InvalidParameterError : an argument can't be used; before any work
    AlreadyRunningError : another run is sorting into the same root
    """
    profile = load_profile(spectrograph)
    if how not in list(PlaceMode):
        raise InvalidParameterError(f"how: {how!r}", f"one of {', '.join(PlaceMode)}")
    if not window_days >= 0:
        raise InvalidParameterError(f"window_days: {window_days}", "a number of days, 0 or more")
    root = Path(root).expanduser().absolute()
    sources = list(sources)
    paths = find_raw_files(sources, root)
    digest = hashlib.sha256(str(root).encode()).hexdigest()[:8]
    with locks.acquire_lock(f"reorganise-{digest}"):
        inventory = _read_inventory(paths, root, profile, dry_run=dry_run, progress=progress)
        plan = plan_placement(
            inventory, root, profile, mode=PlaceMode(how), window_days=window_days
        )
        rows, interrupted = _run_jobs(plan.rows, plan.jobs, dry_run=dry_run, progress=progress)
        result = SortResult(
            root=root,
            spectrograph=profile.spectrograph,
            mode=how,
            rows=tuple(sorted(rows, key=lambda row: (row.dataset, row.file, row.source))),
            missing_types=plan.missing_types,
            notes=plan.notes,
            sources=tuple(map(str, sources)),
            interrupted=interrupted,
            dry_run=dry_run,
        )
        if not dry_run:
            write_report(result)
    return result


def find_raw_files(sources: Iterable[str | Path], root: Path) -> list[Path]:
    """All raw frames below the sources, sorted.

    Raises
    ------
    InvalidInputError : there is no source, a source is not a directory, or it contains the root or
        is inside of it
    """
    files: set[Path] = set()
    folders = [Path(source).expanduser().absolute() for source in sources]
    if not folders:
        raise InvalidInputError("no directory of raw frames", "name one")
    for folder in folders:
        if not folder.is_dir():
            raise InvalidInputError(
                f"the raw directory {folder} does not exist",
                "name an existing one; kpfnb demo frames creates simulated frames",
            )
        real_folder, real_root = folder.resolve(), root.resolve()
        if (
            real_folder == real_root
            or real_folder in real_root.parents
            or real_root in real_folder.parents
        ):
            raise InvalidInputError(
                f"the raw directory {folder} and {root} contain one another",
                "name a root outside of the raw frames",
            )
        for parent, subfolders, names in os.walk(folder):
            if ORIGINALS in subfolders:
                subfolders.remove(ORIGINALS)
            files.update(Path(parent, name) for name in names if _is_frame_name(name))
    return sorted(files)


def _is_frame_name(name: str) -> bool:
    return name.endswith(dataset.FITS_SUFFIXES) and not name.startswith(".")


def _read_inventory(
    paths: Sequence[Path], root: Path, profile: Profile, *, dry_run: bool, progress: bool
) -> FrameInventory:
    """The headers of the new frames, and of all frames below the root."""
    placed: list[Path] = []
    settled: list[Path] = []
    for raw in sorted(root.glob("*/*/*/*/raw")):
        name = "/".join(raw.relative_to(root).parts[:3])
        if not dataset.select_dataset_names([name]) or raw.parent.name not in _COMPLETENESS_FOLDERS:
            continue
        if not dry_run:
            placement.remove_partial_files(raw)
        files = sorted(path for path in raw.iterdir() if _is_frame_name(path.name))
        (settled if _is_reduced(raw.parent.parent) else placed).extend(files)
    outcomes = map_items(
        partial(read_exposure, profile=profile),
        [*paths, *placed, *settled],
        title="reading headers",
        progress=progress,
    )
    if outcomes.interrupted:
        raise KeyboardInterrupt
    exposures = [item.value or RawExposure(item.item, defect=item.error) for item in outcomes]
    start = len(paths) + len(placed)
    return FrameInventory(exposures[: len(paths)], exposures[len(paths) : start], exposures[start:])


def _is_reduced(folder: Path) -> bool:
    """Whether a dataset contains anything but raw frames."""
    return any(
        path.name != dataset.RAW
        for name in _COMPLETENESS_FOLDERS
        for path in (folder / name).glob("*")
    )


def _run_jobs(
    rows: Sequence[FramePlacement], jobs: dict[int, PlacementJob], *, dry_run: bool, progress: bool
) -> tuple[list[FramePlacement], bool]:
    """Do the jobs; returns the rows with their new states, and whether Ctrl-C came."""
    updated = list(rows)
    # Relocations first: they free names, and the rest may be interrupted
    order = sorted(jobs, key=lambda index: jobs[index].placed is None)
    outcomes = map_items(
        placement.is_needed if dry_run else placement.place_frame,
        [jobs[index] for index in order],
        key=lambda job: str(job.source or job.placed),
        title="placing frames",
        progress=progress,
    )
    for index, item in zip(order, outcomes, strict=True):
        row = updated[index]
        if item.outcome is Outcome.SUCCEEDED:
            updated[index] = replace(row, changed=bool(item.value))
        elif item.outcome is Outcome.SKIPPED:
            updated[index] = replace(row, state=NOT_REACHED)
        else:
            updated[index] = replace(row, state=PLACEMENT_FAILED, note=_first_line(item.error))
    return updated, outcomes.interrupted


def _first_line(error: str) -> str:
    if not error:
        return "no error message"
    return error.splitlines()[0].removeprefix(f"{InvalidInputError.__name__}: ")


def write_report(result: SortResult) -> None:
    """Write a page, a table and JSON to the root; the same result gives the same files."""
    atomic.write_text(result.root / f"{REPORT_NAME}.html", render_report(result))
    atomic.write_text(result.root / f"{REPORT_NAME}.csv", _to_csv(result))
    atomic.write_json(result.root / f"{REPORT_NAME}.json", result.to_dict())


def render_report(result: SortResult) -> str:
    """The report as one HTML file; all text from headers and file names is escaped."""
    placed = [row for row in result.rows if row.state == IN_PLACE]
    by_dataset = {name: list(rows) for name, rows in groupby(placed, lambda row: row.dataset)}
    style = formatting.stylesheet()
    return str(
        formatting.template_environment()
        .get_template("frame_sorting.html")
        .render(
            policy=report.content_policy(style),
            # The package's own style sheet
            style=Markup(style),  # noqa: S704
            title=f"Raw frames of {result.spectrograph}",
            result=result,
            sign=formatting.OUTCOME_SIGNS[result.outcome],
            figures=[pair for pair in result.key_figures().items() if pair[0] != "new"],
            table=result.to_frame().to_dict("records"),
            by_dataset=by_dataset,
            problems=result.problems().to_dict("records"),
        )
    )


def _to_csv(result: SortResult) -> str:
    text = io.StringIO()
    names = [name for name in FramePlacement.__dataclass_fields__ if name != "changed"]
    table = csv.writer(text, lineterminator="\n")
    table.writerow(names)
    for row in result.rows:
        values = asdict(row) | {"types": ",".join(row.types)}
        table.writerow([spreadsheet_cells.escape_csv_text(str(values[name])) for name in names])
    return text.getvalue()
