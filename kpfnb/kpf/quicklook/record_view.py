"""How a quicklook record is shown: plain values for page templates."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.kpf.quicklook.check_view import check_context, verdict_badge
from kpfnb.kpf.quicklook.last_good import GoodRecord, find_last_good
from kpfnb.kpf.quicklook.quality import QualityCheck, Verdict, worst_verdict
from kpfnb.kpf.quicklook.record import (
    ExposureSummary,
    Picture,
    QuicklookRecord,
    report_path,
)
from kpfnb.kpf.quicklook.targets import MASTER

__all__ = ["verdict_badge"]

KIND_TITLES = {
    "L0": "CCDs, raw",
    "EM": "Exposure meter",
    "Guider": "Guide camera",
    "HK": "Ca H&K",
    "2D": "CCDs",
    "L1": "Spectra",
    "WLS": "Wavelengths",
    "L2": "Velocities",
    "": "CCDs",
}

REPRESENTATIVE_PLOTS = (
    "GREEN_CCD_image",
    "RED_CCD_image",
    "_stitched",
    "SCI2_spectrum",
    "CCF_grid",
)
"""The first of these plots that an observation has represents it on the page of its night."""

MAX_NOTES = 2
"""Checks named in a row of a night."""


def find_neighbours(names: Sequence[str], name: str) -> tuple[str, str]:
    """The names before and after a name; '' if there is none."""
    return (
        max((other for other in names if other < name), default=""),
        min((other for other in names if other > name), default=""),
    )


def level_context(
    record: QuicklookRecord, products: Path, product_dir: Path, page_dir: Path
) -> dict[str, Any]:
    """A level of an observation, or a master, on a page in `page_dir`."""
    checks = record.checks
    good = find_last_good(products, product_dir, record)
    passed = [check for check in checks if check.verdict is Verdict.PASS]
    return {
        "id": record.name if record.level == MASTER else record.level,
        "label": record.name if record.level == MASTER else record.level,
        "badge": verdict_badge(record.verdict),
        "is_master": record.level == MASTER,
        "error": record.error,
        "made": record.made.replace("T", " ").replace("Z", " UTC"),
        "report": _relative_url(report_path(product_dir, record.name, record.level), page_dir),
        "checks": [
            *(check_context(c) for c in checks if c.verdict.needs_attention),
            *(check_context(c) for c in checks if c.is_finding),
            *(check_context(c) for c in passed if c.warn is not None),
        ],
        "flags": [check_context(c) for c in passed if c.warn is None],
        "not_judged": [
            check_context(c) for c in checks if c.verdict is Verdict.NOT_JUDGED and not c.is_finding
        ],
        "groups": [
            (
                KIND_TITLES.get(kind, kind),
                [_picture_context(picture, product_dir, page_dir, good) for picture in pictures],
            )
            for kind, pictures in groupby(record.pictures, key=lambda picture: picture.kind)
        ],
        "skipped": [asdict(plot) for plot in record.left_out],
        "good": good and _good_context(good, page_dir),
    }


def _good_context(good: GoodRecord, page_dir: Path) -> dict[str, str]:
    """The exposure with which a level is compared."""
    is_master = good.record.level == MASTER
    page = (good.product_dir.parent if is_master else good.product_dir) / "index.html"
    anchor = good.record.name if is_master else good.record.level
    start = "" if is_master else start_text(good.record.heading, good.record.name)
    return {
        "name": good.record.name,
        "start": start,
        "target": f"{_relative_url(page, page_dir)}#{quote(anchor)}",
    }


def start_text(heading: ExposureSummary, obsid: str) -> str:
    """The start of an exposure, `2024-01-15 05:00:26`, from the header or else the ObsID."""
    if heading.start:
        return heading.start[:19].replace("T", " ")
    name = ObsID.try_parse(obsid)
    return f"{name.time:%Y-%m-%d %H:%M:%S}" if name else ""


def middle_text(heading: ExposureSummary) -> str:
    """The middle of an exposure; '' if it is not known."""
    return heading.time[:19].replace("T", " ")


def night_row_context(
    records: Sequence[QuicklookRecord], best: QuicklookRecord, page: str
) -> dict[str, Any]:
    """An observation in the table of its night."""
    by_level = {record.level: record for record in records}
    name = best.name
    picture = _representative_picture(records)
    verdict = worst_verdict(record.verdict for record in records)
    return {
        "name": name,
        "target": f"{name}/{page}",
        "thumbnail": picture and quote(f"{name}/{picture.thumbnail}"),
        "heading": best.heading,
        "kind": best.heading.source or best.heading.kind,
        "time": start_text(best.heading, name)[11:],
        "verdict": str(verdict),
        "rank": -1 if verdict is Verdict.NOT_JUDGED else verdict.severity,
        "badges": [
            verdict_badge(by_level[level].verdict if level in by_level else None)
            | {"target": f"{name}/{page}#{level}" if level in by_level else ""}
            for level in KPF.levels
        ],
        "notes": summarise_notes(records),
    }


def count_verdicts(records: Iterable[QuicklookRecord]) -> list[dict[str, Any]]:
    """How many files have which verdict."""
    counts = Counter(record.verdict for record in records)
    return [
        verdict_badge(verdict) | {"number": counts[verdict]}
        for verdict in Verdict
        if counts[verdict]
    ]


def _representative_picture(records: Sequence[QuicklookRecord]) -> Picture | None:
    pictures = [picture for record in reversed(records) for picture in record.pictures]
    ranked = (
        picture for name in REPRESENTATIVE_PLOTS for picture in pictures if name in picture.path
    )
    return next(ranked, pictures[0] if pictures else None)


def summarise_notes(records: Sequence[QuicklookRecord]) -> str:
    """Errors, checks that did not pass and findings, each once, FAIL first, findings last."""
    notes: dict[str, int] = {}
    for record in records:
        if record.error:
            notes.setdefault(f"{record.level}: {record.error}", 0)
        for check in record.checks:
            if check.verdict.needs_attention:
                rank = 2 - check.verdict.severity
                notes.setdefault(f"{check.verdict}: {check.name}", rank)
            elif check.is_finding:
                notes.setdefault(_describe_finding(record.level, check), 3)
        for plot in record.broken_plots:
            notes.setdefault(f"{record.level}: {plot.title} could not be drawn", 2)
    texts = sorted(notes, key=lambda text: notes[text])
    more = f" and {len(texts) - MAX_NOTES} more" if len(texts) > MAX_NOTES else ""
    return "; ".join(texts[:MAX_NOTES]) + more


def _describe_finding(level: str, check: QualityCheck) -> str:
    value = f"{check.value:g} {check.unit}".strip()
    return f"{level}: {check.name}: {value} (not judged)"


def _picture_context(
    picture: Picture, product_dir: Path, page_dir: Path, good: GoodRecord | None
) -> dict[str, str]:
    context = {
        "title": picture.title,
        "target": _relative_url(product_dir / picture.path, page_dir),
        "thumbnail": _relative_url(product_dir / picture.thumbnail, page_dir),
        "good": "",
    }
    if good and (same := good.find_picture(picture)):
        context["good"] = _relative_url(good.product_dir / same.path, page_dir)
        context["good_thumbnail"] = _relative_url(good.product_dir / same.thumbnail, page_dir)
    return context


def _relative_url(path: Path, page_dir: Path) -> str:
    return quote(os.path.relpath(path, page_dir))
