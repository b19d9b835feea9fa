"""The quicklook products of one file: its checks, plots, record and pages."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kpfnb.core.clock import format_utc
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.fits.headers import InvalidHeaderError
from kpfnb.kpf.files import exposure
from kpfnb.kpf.quicklook import check_rules, last_good, plot_registry, record, site
from kpfnb.kpf.quicklook.instrument_plots import figures, fits_content
from kpfnb.kpf.quicklook.instrument_plots.fits_content import FitsContent
from kpfnb.kpf.quicklook.plot_registry import PlotSpec
from kpfnb.kpf.quicklook.record import ExposureSummary, Picture, QuicklookRecord, SkippedPlot
from kpfnb.kpf.quicklook.targets import MASTER, QuicklookTarget

if TYPE_CHECKING:
    from PIL.Image import Image

ON_SKY = ("Star", "Sun", "Sky")
"""Types of exposures that have a target."""

WAVEFORMS = ("GRACFFLN", "RDACFFLN")
"""The files that say how the CCDs are read. The DRP calls the read mode READSPED."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class QuicklookJob:
    """A file to be processed.

    Attributes
    ----------
    products : the directory of all products
    previous : an earlier record; if its plots are of the unchanged file, only the checks are made
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
    """Make all products of a file; the record of an unreadable file gives the reason.

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
        made=format_utc(),
    )
    filled = _fill_record(job, empty)
    last_good.register(job.products, job.target.product_dir, filled)
    record.write_record(job.product_dir, filled)
    site.update_pages(job.products, target)
    return filled


def summarise_exposure(content: FitsContent) -> ExposureSummary:
    """What the primary header says about the exposure."""
    seconds = content.number("ELAPSED")
    # The target of calibrations is that of an earlier exposure: TARGNAME = Sun in a real flat
    is_on_sky = exposure.source_type(content.header) in ON_SKY
    target = content.text("TARGNAME") if is_on_sky else ""
    return ExposureSummary(
        target=target or content.text("OBJECT"),
        kind=content.text("IMTYPE"),
        seconds=content.number("EXPTIME") if seconds is None else seconds,
        time=content.text("DATE-MID"),
        version=content.text("DRPTAG"),
        program=content.text("PROGNAME"),
        simulated=content.header.get("SIMULATE") is True,
        start=content.text("DATE-BEG"),
        source=exposure.source_type(content.header),
        mode=" ".join(filter(None, map(content.text, WAVEFORMS))) or content.text("READSPED"),
    )


def _fill_record(job: QuicklookJob, empty: QuicklookRecord) -> QuicklookRecord:
    """Check the file, draw its plots, and enter both in its record."""
    level = job.target.level
    extensions = plot_registry.required_extensions(level)
    try:
        content = fits_content.read_content(job.target.path, extensions)
    except InvalidHeaderError as error:
        _, reason, detail = error.args
        return replace(empty, error=f"{reason} ({detail})" if detail else str(reason))
    with np.errstate(all="ignore"):
        checks = tuple(check_rules.evaluate_checks(level, content, job.thresholds))
    checked = replace(
        empty, checks=checks, judged_by=check_rules.rules_digest(level, job.thresholds)
    )
    old = job.previous
    if old and old.is_current(job.product_dir, job.target.path):
        return replace(checked, heading=old.heading, pictures=old.pictures, left_out=old.left_out)
    heading = summarise_exposure(content)
    reasons = [(plot, plot.missing_reason(content)) for plot in plot_registry.PLOTS[level]]
    # A master holds one kind of data or another: plots of the other kinds are not reported
    skipped = [SkippedPlot(plot.title, why) for plot, why in reasons if why and level != MASTER]
    drawn = [_draw_picture(job, plot, content, heading) for plot, why in reasons if not why]
    return replace(
        checked,
        heading=heading,
        pictures=tuple(picture for picture in drawn if isinstance(picture, Picture)),
        left_out=(*(plot for plot in drawn if isinstance(plot, SkippedPlot)), *skipped),
    )


def _draw_picture(
    job: QuicklookJob, plot: PlotSpec, content: FitsContent, heading: ExposureSummary
) -> Picture | SkippedPlot:
    """Draw and write one plot; if the data make that impossible, the reason."""
    try:
        image, small = _render_plot(plot, content, heading.one_line(job.target.name))
    except Exception as error:  # a plot that fails must not stop the others
        logger.exception("%s: %s", job.key, plot.title)
        return SkippedPlot(plot.title, f"{type(error).__name__}: {error}", broken=True)
    stem = f"{job.target.name}_{plot.name}"
    # The product directory of a master already names its kind
    prefix = "" if job.target.level == MASTER else f"{plot.kind}/"
    picture = Picture(
        plot.kind, plot.title, f"{prefix}{stem}_zoomable.png", f"{prefix}{stem}_small.jpg"
    )
    path, thumbnail = job.product_dir / picture.path, job.product_dir / picture.thumbnail
    figures.save_image(image, path, small, thumbnail)
    return picture


def _render_plot(plot: PlotSpec, content: FitsContent, subtitle: str) -> tuple[Image, Image]:
    figure = figures.new_figure(*plot.size)
    with np.errstate(all="ignore"):
        plot.draw(figure, content)
    figures.draw_heading(figure, plot.title, subtitle)
    return figures.render_image(figure)
