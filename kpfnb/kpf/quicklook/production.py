"""The products of one file: pictures, checks, record, page."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kpfnb.errors import BadInput
from kpfnb.fitsheader import BadHeader
from kpfnb.kpf.quicklook import catalogue, content, pages, quality, record, sheet
from kpfnb.kpf.quicklook.catalogue import Plot
from kpfnb.kpf.quicklook.content import Content
from kpfnb.kpf.quicklook.record import Heading, LeftOut, Picture, Record
from kpfnb.kpf.quicklook.targets import MASTER, Target

if TYPE_CHECKING:
    from PIL.Image import Image

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A file to be looked at.

    Attributes
    ----------
    products : the directory of all products
    kept : an earlier record; where its pictures are of the file as it is, only the checks are made
    """

    target: Target
    products: Path
    thresholds: Path | None = None
    kept: Record | None = None

    @property
    def folder(self) -> Path:
        """Where the products of this file go."""
        return self.products / self.target.place

    @property
    def key(self) -> str:
        """The file's name, for people."""
        return self.target.key


def make(job: Job) -> Record:
    """Make all products of a file; one that can't be read has a record that says why.

    Raises
    ------
    BadInput : the file has vanished
    OSError : the products can't be written
    """
    target = job.target
    try:
        status = target.path.stat()
    except FileNotFoundError:
        raise BadInput(f"{target.path} has vanished") from None
    empty = Record(
        name=target.name,
        level=target.level,
        night=target.night,
        file=str(target.path),
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        made=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    made = _filled(job, empty)
    record.write(job.folder, made)
    pages.update(job.products, target)
    return made


def heading(found: Content) -> Heading:
    """What a header says of the exposure."""
    seconds = found.number("ELAPSED")
    return Heading(
        target=found.text("TARGNAME") or found.text("OBJECT"),
        kind=found.text("IMTYPE"),
        seconds=found.number("EXPTIME") if seconds is None else seconds,
        time=found.text("DATE-MID"),
        version=found.text("DRPTAG"),
        program=found.text("PROGNAME"),
        simulated=found.header.get("SIMULATE") is True,
    )


def _filled(job: Job, empty: Record) -> Record:
    """The record with what could be made."""
    level = job.target.level
    try:
        found = content.read(job.target.path, catalogue.wanted(level))
    except BadHeader as error:
        _, reason, detail = error.args
        return replace(empty, error=f"{reason} ({detail})" if detail else str(reason))
    with np.errstate(all="ignore"):
        checks = tuple(quality.judge(level, found, job.thresholds))
    judged = replace(empty, checks=checks, judged_by=quality.mark(level, job.thresholds))
    if job.kept and job.kept.is_current(job.folder, job.target.path):
        kept = job.kept
        return replace(judged, heading=kept.heading, pictures=kept.pictures, left_out=kept.left_out)
    known = heading(found)
    # A master holds one kind of data or the other: what it has not is not missed
    plots = [(plot, plot.missing(found)) for plot in catalogue.PLOTS[level]]
    missed = [LeftOut(plot.title, why) for plot, why in plots if why and level != MASTER]
    drawn = [_draw(job, plot, found, known) for plot, why in plots if not why]
    return replace(
        judged,
        heading=known,
        pictures=tuple(one for one in drawn if isinstance(one, Picture)),
        left_out=(*(one for one in drawn if isinstance(one, LeftOut)), *missed),
    )


def _draw(job: Job, plot: Plot, found: Content, known: Heading) -> Picture | LeftOut:
    """Draw and write one picture; where the data make that impossible, say why."""
    try:
        image = _image(plot, found, known.line(job.target.name))
    except Exception as error:  # a picture that breaks must not take the others with it
        logger.exception("%s: %s", job.key, plot.title)
        return LeftOut(plot.title, f"{type(error).__name__}: {error}", broken=True)
    stem = f"{job.target.name}_{plot.name}"
    # The kind of a master is in the place of its products
    place = "" if job.target.level == MASTER else f"{plot.kind}/"
    picture = Picture(
        plot.kind, plot.title, f"{place}{stem}_zoomable.png", f"{place}{stem}_small.jpg"
    )
    sheet.save(image, job.folder / picture.path, job.folder / picture.thumbnail)
    return picture


def _image(plot: Plot, found: Content, line: str) -> Image:
    figure = sheet.figure(*plot.size)
    with np.errstate(all="ignore"):
        plot.draw(figure, found)
    sheet.head(figure, plot.title, line)
    return sheet.image_of(figure)
