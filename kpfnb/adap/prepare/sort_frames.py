"""Raw frames into `mask/config/date[_date]/{complete,incomplete}/raw`, as their headers say."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path

from markupsafe import Markup

from kpfnb.adap.prepare import (
    frames as exposure,
)
from kpfnb.adap.prepare import (
    frames as nights,
)
from kpfnb.adap.prepare import (
    placement,
    placement_plan,
)
from kpfnb.adap.prepare.frames import RawExposure
from kpfnb.adap.prepare.header_fixes import ORIGINALS
from kpfnb.adap.prepare.placement import PlacementJob, PlaceMode
from kpfnb.adap.prepare.placement_plan import IN_PLACE, FrameInventory, FramePlacement
from kpfnb.adap.prepare.sort_result import SortResult
from kpfnb.adap.products import dataset
from kpfnb.adap.products.dataset import FITS_SUFFIXES
from kpfnb.adap.profiles import spectrograph as profiles
from kpfnb.adap.profiles.spectrograph import Profile
from kpfnb.compute.item_map import map_items
from kpfnb.core import locks
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.result import Outcome
from kpfnb.runs import formatting, report
from kpfnb.runs.formatting import OUTCOME_SIGNS

# The report page of a reorganising: one file, readable anywhere.


def render_report(result: SortResult) -> str:
    """The page as HTML; all text that comes from headers and file names is escaped."""
    placed = [row for row in result.rows if row.state == IN_PLACE]
    by_dataset = {name: list(rows) for name, rows in groupby(placed, lambda row: row.dataset)}
    style = formatting.stylesheet()
    return str(
        formatting.template_environment()
        .get_template("reorganised.html")
        .render(
            policy=report.content_policy(style),
            # The package's own style sheet
            style=Markup(style),  # noqa: S704
            title=f"Raw frames of {result.spectrograph}",
            result=result,
            sign=OUTCOME_SIGNS[result.outcome],
            figures=[pair for pair in result.key_figures().items() if pair[0] != "new"],
            table=result.to_frame().to_dict("records"),
            by_dataset=by_dataset,
            told=result.problems().to_dict("records"),
        )
    )


PLACEMENT_FAILED, NOT_REACHED = "failed", "not reached"


def sort_frames(
    sources: Iterable[str | Path],
    root: str | Path,
    *,
    spectrograph: str | Path,
    how: str = PlaceMode.COPY,
    window_days: float = nights.WINDOW_DAYS,
    dry_run: bool = False,
    progress: bool = True,
) -> SortResult:
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
    InvalidInputError, InvalidParameterError : an argument names nothing that can be used; before any work
    AlreadyRunningError : the same root is being filled by another run
    """
    profile = profiles.load_profile(spectrograph)
    if how not in list(PlaceMode):
        raise InvalidParameterError(f"how: {how!r}", f"one of {', '.join(PlaceMode)}")
    if not window_days >= 0:
        raise InvalidParameterError(f"window_days: {window_days}", "a number of days, 0 or more")
    root = Path(root).expanduser().absolute()
    paths = find_raw_files(sources, root)
    digest = hashlib.sha256(str(root).encode()).hexdigest()[:8]
    with locks.acquire_lock(f"reorganise-{digest}"):
        frames = _read_inventory(paths, root, profile, dry_run=dry_run, progress=progress)
        plan = placement_plan.plan_placement(
            frames, root, profile, how=PlaceMode(how), window_days=window_days
        )
        rows, interrupted = _run_jobs(plan.rows, plan.jobs, dry_run=dry_run, progress=progress)
        result = SortResult(
            root=root,
            spectrograph=profile.spectrograph,
            mode=how,
            rows=tuple(sorted(rows, key=lambda row: (row.dataset, row.file, row.source))),
            missing_types=plan.missing_types,
            notes=plan.notes,
            interrupted=interrupted,
            dry_run=dry_run,
        )
        if not dry_run:
            result.write_report()
    return result


def find_raw_files(sources: Iterable[str | Path], root: Path) -> list[Path]:
    """All raw frames below the sources, sorted.

    Raises
    ------
    InvalidInputError : no source, one that is no folder, or one that the root lies in or that lies in it
    """
    found: set[Path] = set()
    folders = [Path(source).expanduser().absolute() for source in sources]
    if not folders:
        raise InvalidInputError("no folder of raw frames", "name one")
    for folder in folders:
        if not folder.is_dir():
            raise InvalidInputError(
                f"the raw folder {folder} is no folder",
                "name one that is there; kpfnb demo frames makes simulated ones",
            )
        real, place = folder.resolve(), root.resolve()
        if real == place or real in place.parents or place in real.parents:
            raise InvalidInputError(
                f"the raw folder {folder} and {root} lie in one another",
                "name a root outside of the raw frames",
            )
        for above, below, names in os.walk(folder):
            if ORIGINALS in below:
                below.remove(ORIGINALS)
            found.update(Path(above, name) for name in names if _is_frame_name(name))
    return sorted(found)


def _is_frame_name(name: str) -> bool:
    return name.endswith(FITS_SUFFIXES) and not name.startswith(".")


def _read_inventory(
    paths: Sequence[Path], root: Path, profile: Profile, *, dry_run: bool, progress: bool
) -> FrameInventory:
    """The headers of the new frames, and of all that are below the root."""
    placed: list[Path] = []
    settled: list[Path] = []
    for raw in sorted(root.glob("*/*/*/*/raw")):
        name = "/".join(raw.relative_to(root).parts[:3])
        if not dataset.select_dataset_names([name]) or raw.parent.name not in _COMPLETENESS_FOLDERS:
            continue
        if not dry_run:
            placement.remove_partial_files(raw)
        here = sorted(path for path in raw.iterdir() if _is_frame_name(path.name))
        (settled if _is_reduced(raw.parent.parent) else placed).extend(here)
    read = partial(_read_exposure, profile=profile)
    outcomes = map_items(
        read, [*paths, *placed, *settled], title="reading headers", progress=progress
    )
    if outcomes.interrupted:
        raise KeyboardInterrupt
    exposures = [one.value or RawExposure(one.item, defect=one.error) for one in outcomes]
    rest = len(paths) + len(placed)
    return FrameInventory(exposures[: len(paths)], exposures[len(paths) : rest], exposures[rest:])


_COMPLETENESS_FOLDERS = (dataset.COMPLETE, dataset.INCOMPLETE)


def _read_exposure(path: Path, profile: Profile) -> RawExposure:
    return exposure.read_exposure(path, profile)


def _is_reduced(folder: Path) -> bool:
    """Whether a dataset holds anything else than raw frames."""
    return any(
        path.name != dataset.RAW
        for kind in _COMPLETENESS_FOLDERS
        for path in (folder / kind).glob("*")
    )


def _run_jobs(
    rows: Sequence[FramePlacement], jobs: dict[int, PlacementJob], *, dry_run: bool, progress: bool
) -> tuple[list[FramePlacement], bool]:
    """Do the jobs; each row as it is afterwards, and whether Ctrl-C came."""
    done = list(rows)
    # Relocations first: they free names, and the rest may be stopped
    order = sorted(jobs, key=lambda number: jobs[number].placed is None)
    outcomes = map_items(
        placement.is_needed if dry_run else placement.place_frame,
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
            done[number] = replace(row, state=NOT_REACHED)
        else:
            done[number] = replace(row, state=PLACEMENT_FAILED, note=_first_line(one.error))
    return done, outcomes.interrupted


def _first_line(error: str) -> str:
    return (
        error.splitlines()[0].removeprefix("InvalidInputError: ")
        if error
        else "it ended without a word"
    )
