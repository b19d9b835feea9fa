"""How a quicklook record is shown: plain values for page templates, thumbnails for notebooks."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.quicklook.quality import QualityCheck, Verdict
from kpfnb.kpf.quicklook.record import (
    REPORTS_DIR,
    Picture,
    QuicklookRecord,
    read_record,
    report_path,
)
from kpfnb.kpf.quicklook.result import QuicklookResult
from kpfnb.kpf.quicklook.targets import LEVELS

VERDICT_STYLES = {
    Verdict.PASS: "succeeded",
    Verdict.WARN: "partial",
    Verdict.FAIL: "failed",
    Verdict.NOT_JUDGED: "skipped",
}
"""Verdict to the class in the style sheet."""

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

GALLERY_BYTES = 1_500_000


def find_neighbours(names: Sequence[str], name: str) -> tuple[str, str]:
    """The names before and after a name; '' if there is none."""
    return (
        max((other for other in names if other < name), default=""),
        min((other for other in names if other > name), default=""),
    )


def verdict_badge(verdict: Verdict | None) -> dict[str, str]:
    """A verdict's word, sign and style; None: nothing was checked."""
    if verdict is None:
        return {"word": "–", "sign": "", "style": "skipped"}
    return {"word": str(verdict), "sign": verdict.sign, "style": VERDICT_STYLES[verdict]}


def level_context(record: QuicklookRecord, *, prefix: str = "", label: str = "") -> dict[str, Any]:
    """A level of an observation, or a master; `prefix` leads from the page to its products."""
    checks = record.checks
    report = report_path(Path(), record.name, record.level)
    return {
        "id": record.level,
        "label": label or record.level,
        "badge": verdict_badge(record.verdict),
        "error": record.error,
        "made": record.made.replace("T", " ").replace("Z", " UTC"),
        "report": quote(prefix + str(report)),
        "not_passed": [_check_context(c) for c in checks if c.verdict.needs_attention],
        "findings": [_check_context(c) for c in checks if c.is_finding],
        "passed": [_check_context(c) for c in checks if c.verdict is Verdict.PASS],
        "not_judged": [
            _check_context(c)
            for c in checks
            if c.verdict is Verdict.NOT_JUDGED and not c.is_finding
        ],
        "groups": [
            (
                KIND_TITLES.get(kind, kind),
                [_picture_context(picture, prefix) for picture in pictures],
            )
            for kind, pictures in groupby(record.pictures, key=lambda picture: picture.kind)
        ],
        "skipped": [asdict(plot) for plot in record.left_out],
    }


def night_row_context(
    records: Sequence[QuicklookRecord], best: QuicklookRecord, page: str
) -> dict[str, Any]:
    """An observation in the table of its night."""
    by_level = {record.level: record for record in records}
    name = best.name
    picture = _representative_picture(records)
    return {
        "name": name,
        "target": f"{name}/{page}",
        "thumbnail": picture and quote(f"{name}/{picture.thumbnail}"),
        "heading": best.heading,
        "time": best.heading.time[11:19],
        "badges": [
            verdict_badge(by_level[level].verdict if level in by_level else None)
            | {"target": f"{name}/{page}#{level}" if level in by_level else ""}
            for level in KPF.levels
        ],
        "notes": _summarise_problems(records),
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


def _summarise_problems(records: Sequence[QuicklookRecord]) -> str:
    """The errors and checks that did not pass in words, each once, FAIL before WARN."""
    problems: dict[str, None] = {}
    for record in records:
        if record.error:
            problems[f"{record.level}: {record.error}"] = None
        bad = [check for check in record.checks if check.verdict.needs_attention]
        problems.update({f"{check.verdict}: {check.name}": None for check in bad})
    texts = sorted(problems, key=lambda text: text.startswith(str(Verdict.WARN)))
    more = f" and {len(texts) - MAX_NOTES} more" if len(texts) > MAX_NOTES else ""
    return "; ".join(texts[:MAX_NOTES]) + more


def _check_context(check: QualityCheck) -> dict[str, Any]:
    value = f"{check.value:.6g}" if isinstance(check.value, (int, float)) else check.value
    return {
        "name": check.name,
        "badge": verdict_badge(check.verdict),
        "value": f"{value} {check.unit}".strip(),
        "detail": check.detail,
        "allowed": check.allowed,
        "source": check.source,
        "limit_source": check.limit_source,
    }


def _picture_context(picture: Picture, prefix: str) -> dict[str, str]:
    return {
        "title": picture.title,
        "target": quote(prefix + picture.path),
        "thumbnail": quote(prefix + picture.thumbnail),
    }


@dataclass(frozen=True)
class QuicklookGallery:
    """Thumbnails for a notebook, embedded in its output.

    pages : relative to the directory of the products
    """

    products: Path
    pages: tuple[str, ...]

    @classmethod
    def from_result(cls, result: QuicklookResult, observations: int = 3) -> QuicklookGallery:
        """The thumbnails of the first observations of a result."""
        pages = dict.fromkeys(item.page for item in result.items if item.page)
        return cls(result.products, tuple(pages)[:observations])

    def _repr_html_(self) -> str:
        """Heading, verdicts and thumbnails; thumbnails above the size limit are only counted."""
        parts, bytes_left = [], GALLERY_BYTES
        for page in self.pages:
            for product_dir, record in _page_records((self.products / page).parent):
                html, bytes_used = _record_html(product_dir, record, bytes_left)
                parts.append(html)
                bytes_left -= bytes_used
        return "".join(parts) or "<p>no plots</p>"


def _page_records(page_dir: Path) -> list[tuple[Path, QuicklookRecord]]:
    """The records of a page, each with the directory of its products: by level, or by master."""
    paths = sorted(page_dir.glob(f"{REPORTS_DIR}/*.json"))
    paths = paths or sorted(page_dir.glob(f"*/{REPORTS_DIR}/*.json"))
    records = [(path.parent.parent, record) for path in paths if (record := read_record(path))]
    return sorted(records, key=lambda pair: LEVELS.index(pair[1].level))


def _record_html(product_dir: Path, record: QuicklookRecord, bytes_left: int) -> tuple[str, int]:
    """The HTML of a record, and the size of its thumbnails."""
    thumbnails, bytes_used, omitted = [], 0, 0
    for picture in record.pictures:
        try:
            data = base64.b64encode((product_dir / picture.thumbnail).read_bytes()).decode("ascii")
        except OSError:
            continue
        if bytes_used + len(data) > bytes_left:
            omitted += 1
            continue
        bytes_used += len(data)
        thumbnails.append(
            '<figure style="margin:0;width:230px">'
            '<img style="width:100%;height:190px;object-fit:contain" '
            f'alt="{escape(picture.title)}" src="data:image/jpeg;base64,{data}">'
            f"<figcaption><small>{escape(picture.title)}</small></figcaption></figure>"
        )
    title = escape(record.heading.one_line(record.name))
    heading = f"<p><b>{title}</b> · {record.level}: {record.verdict}</p>"
    more = f"<p>and {omitted} more plots</p>" if omitted else ""
    row = f'<div style="display:flex;flex-wrap:wrap;gap:10px">{"".join(thumbnails)}</div>'
    return f"{heading}{row}{more}", bytes_used
