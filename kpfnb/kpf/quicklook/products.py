"""Make the quicklook products of a range of files, or of files by name."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kpfnb import compute
from kpfnb.core import settings
from kpfnb.core.errors import InvalidInputError, InvalidSettingsError
from kpfnb.core.fits.headers import InvalidHeaderError
from kpfnb.core.result import Outcome
from kpfnb.core.settings import Settings
from kpfnb.kpf.quicklook import plot_registry, quality, record, site, targets
from kpfnb.kpf.quicklook.plot_registry import PlotSpec
from kpfnb.kpf.quicklook.plots import figures, fits_content
from kpfnb.kpf.quicklook.plots.fits_content import FitsContent
from kpfnb.kpf.quicklook.record import ExposureSummary, Picture, QuicklookRecord, SkippedPlot
from kpfnb.kpf.quicklook.result import QuicklookItem, QuicklookOutcome, QuicklookResult
from kpfnb.kpf.quicklook.selection import FileAge, select_targets
from kpfnb.kpf.quicklook.targets import MASTER, QuicklookTarget

if TYPE_CHECKING:
    from PIL.Image import Image


# The products of one file: pictures, checks, record, page.

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class QuicklookJob:
    """A file to be looked at.

    Attributes
    ----------
    products : the directory of all products
    kept : an earlier record; where its pictures are of the file as it is, only the checks are made
    """

    target: QuicklookTarget
    products: Path
    thresholds: Path | None = None
    previous: QuicklookRecord | None = None

    @property
    def product_dir(self) -> Path:
        """Where the products of this file go."""
        return self.products / self.target.product_dir

    @property
    def key(self) -> str:
        """The file's name, for people."""
        return self.target.key


def make_file_products(job: QuicklookJob) -> QuicklookRecord:
    """Make all products of a file; one that can't be read has a record that says why.

    Raises
    ------
    InvalidInputError : the file has vanished
    OSError : the products can't be written
    """
    target = job.target
    try:
        status = target.path.stat()
    except FileNotFoundError:
        raise InvalidInputError(f"{target.path} has vanished") from None
    empty = QuicklookRecord(
        name=target.name,
        level=target.level,
        night=target.night,
        file=str(target.path),
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        made=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    made = _fill_record(job, empty)
    record.write_record(job.product_dir, made)
    site.update_pages(job.products, target)
    return made


def summarise_exposure(found: FitsContent) -> ExposureSummary:
    """What a header says of the exposure."""
    seconds = found.number("ELAPSED")
    return ExposureSummary(
        target=found.text("TARGNAME") or found.text("OBJECT"),
        kind=found.text("IMTYPE"),
        seconds=found.number("EXPTIME") if seconds is None else seconds,
        time=found.text("DATE-MID"),
        version=found.text("DRPTAG"),
        program=found.text("PROGNAME"),
        simulated=found.header.get("SIMULATE") is True,
    )


def _fill_record(job: QuicklookJob, empty: QuicklookRecord) -> QuicklookRecord:
    """The record with what could be made."""
    level = job.target.level
    try:
        found = fits_content.read_content(job.target.path, plot_registry.required_extensions(level))
    except InvalidHeaderError as error:
        _, reason, detail = error.args
        return replace(empty, error=f"{reason} ({detail})" if detail else str(reason))
    with np.errstate(all="ignore"):
        checks = tuple(quality.evaluate_checks(level, found, job.thresholds))
    judged = replace(empty, checks=checks, judged_by=quality.rules_digest(level, job.thresholds))
    if job.previous and job.previous.is_current(job.product_dir, job.target.path):
        kept = job.previous
        return replace(judged, heading=kept.heading, pictures=kept.pictures, left_out=kept.left_out)
    known = summarise_exposure(found)
    # A master holds one kind of data or the other: what it has not is not missed
    plots = [(plot, plot.missing_reason(found)) for plot in plot_registry.PLOTS[level]]
    missed = [SkippedPlot(plot.title, why) for plot, why in plots if why and level != MASTER]
    drawn = [_draw_picture(job, plot, found, known) for plot, why in plots if not why]
    return replace(
        judged,
        heading=known,
        pictures=tuple(one for one in drawn if isinstance(one, Picture)),
        left_out=(*(one for one in drawn if isinstance(one, SkippedPlot)), *missed),
    )


def _draw_picture(
    job: QuicklookJob, plot: PlotSpec, found: FitsContent, known: ExposureSummary
) -> Picture | SkippedPlot:
    """Draw and write one picture; where the data make that impossible, say why."""
    try:
        image = _render_plot(plot, found, known.one_line(job.target.name))
    except Exception as error:  # a picture that breaks must not take the others with it
        logger.exception("%s: %s", job.key, plot.title)
        return SkippedPlot(plot.title, f"{type(error).__name__}: {error}", broken=True)
    stem = f"{job.target.name}_{plot.name}"
    # The kind of a master is in the place of its products
    place = "" if job.target.level == MASTER else f"{plot.kind}/"
    picture = Picture(
        plot.kind, plot.title, f"{place}{stem}_zoomable.png", f"{place}{stem}_small.jpg"
    )
    figures.save_image(image, job.product_dir / picture.path, job.product_dir / picture.thumbnail)
    return picture


def _render_plot(plot: PlotSpec, found: FitsContent, line: str) -> Image:
    figure = figures.new_figure(*plot.size)
    with np.errstate(all="ignore"):
        plot.draw(figure, found)
    figures.draw_heading(figure, plot.title, line)
    return figures.render_image(figure)


def process_range(
    start: str,
    end: str = "",
    *,
    levels: Sequence[str] = (),
    age: str = FileAge.ANY,
    root: Path | str | None = None,
    workers: int | None = None,
    max_load: float | None = None,
    nice: int = 0,
    force: bool = False,
    progress: bool = True,
) -> QuicklookResult:
    """Make what is not up to date for all files of a range; parameters as for `find` and `make`."""
    here = _load_settings(root)
    found = select_targets(start, end, levels=levels, age=age, root=root)
    return _process_targets(
        here, found, [], workers=workers, max_load=max_load, nice=nice, force=force,
        progress=progress,
    )  # fmt: skip


def process_files(
    paths: Iterable[Path | str],
    *,
    root: Path | str | None = None,
    workers: int | None = None,
    max_load: float | None = None,
    nice: int = 0,
    force: bool = False,
    progress: bool = True,
) -> QuicklookResult:
    """Make the products of some files, as far as they are not up to date.

    It can be stopped or killed at any moment and called again; two calls at once do no harm. A file
    that is damaged, has vanished or has no name of KPF's is a failed item of the result.

    Parameters
    ----------
    root : the KPF data root, below which the products go unless the settings say where
    workers : work on so many files at once; as the settings say if None
    max_load : start no file while the load is above so many percent of the cores
    nice : niceness of the work, 0 to 19
    force : make what is up to date too
    progress : show how it goes

    Raises
    ------
    InvalidSettingsError : the products' directory is not writable
    InvalidInputError : the thresholds are wrong
    InvalidParameterError : a limit is impossible
    """
    known: dict[QuicklookTarget, None] = {}
    strange = []
    for path in map(Path, paths):
        try:
            known[targets.parse_target(path)] = None
        except InvalidInputError as error:
            strange.append(
                QuicklookItem(path.name, "", "", QuicklookOutcome.FAILED, reason=error.what)
            )
    return _process_targets(
        _load_settings(root), list(known), strange, workers=workers, max_load=max_load, nice=nice,
        force=force, progress=progress,
    )  # fmt: skip


def _process_targets(
    here: Settings,
    found: Sequence[QuicklookTarget],
    strange: Sequence[QuicklookItem],
    *,
    workers: int | None,
    max_load: float | None,
    nice: int,
    force: bool,
    progress: bool,
) -> QuicklookResult:
    products = here.qlp_path
    _check_writable(products)
    thresholds = here.qlp_thresholds
    marks = {level: quality.rules_digest(level, thresholds) for level in targets.LEVELS}
    kept = (
        {}
        if force
        else {one: old for one in found if (old := _load_reusable_record(products, one))}
    )
    current = {one: old for one, old in kept.items() if old.judged_by == marks[one.level]}
    jobs = [
        QuicklookJob(one, products, thresholds, kept.get(one))
        for one in found
        if one not in current
    ]
    outcomes = compute.map_items(
        make_file_products,
        jobs,
        key=lambda job: job.key,
        workers=workers,
        nice=nice,
        max_load=max_load or None,
        title="quicklook",
        progress=progress and bool(jobs),
    )
    behind = site.update_all_pages(products, {one.night for one in found})
    done = {part.item.target: _item_from_outcome(part) for part in outcomes}
    items = [
        done[one]
        if one in done
        else QuicklookItem.from_record(current[one], QuicklookOutcome.CURRENT, _page_path(one))
        for one in found
    ]
    return QuicklookResult(products, (*items, *strange), tuple(behind))


def _load_reusable_record(products: Path, one: QuicklookTarget) -> record.QuicklookRecord | None:
    """The record of a file whose pictures need not be made anew."""
    folder = products / one.product_dir
    found = record.read_target_record(folder, one)
    return found if found and found.is_current(folder, one.path) else None


def _item_from_outcome(part: compute.ItemOutcome) -> QuicklookItem:
    target: QuicklookTarget = part.item.target
    if part.value is not None:
        return QuicklookItem.from_record(part.value, QuicklookOutcome.MADE, _page_path(target))
    fate = (
        QuicklookOutcome.NOT_REACHED if part.outcome is Outcome.SKIPPED else QuicklookOutcome.FAILED
    )
    return QuicklookItem(target.key, target.level, target.night, fate, reason=part.error)


def _page_path(one: QuicklookTarget) -> str:
    place = Path(one.product_dir)
    folder = place.parent if one.level == targets.MASTER else place
    return str(folder / site.PAGE)


def _load_settings(root: Path | str | None) -> Settings:
    return settings.load_settings(**({"data_root": root} if root else {}))


def _check_writable(products: Path) -> None:
    try:
        products.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=products).close()
    except OSError as error:
        raise InvalidSettingsError(
            f"can't write quicklook products in {products}: {error.strerror}",
            "make it writable, with room on its disk, or set KPFNB_QLP_DIR",
        ) from error
