"""What the templates of the gallery show: words, signs, links, in plain values."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.quicklook import record
from kpfnb.kpf.quicklook.quality import QualityCheck, Verdict
from kpfnb.kpf.quicklook.record import REPORTS_DIR, Picture, QuicklookRecord, report_path
from kpfnb.kpf.quicklook.targets import LEVELS

# Thumbnails in a notebook: the pages of some observations, small, carried in the output itself.

GALLERY_BYTES = 1_500_000


@dataclass(frozen=True)
class QuicklookGallery:
    """Some pages, relative to the directory of the products."""

    products: Path
    pages: tuple[str, ...]

    def _repr_html_(self) -> str:
        """Heading, verdicts and pictures of each; what is over the budget is only counted."""
        parts, left = [], GALLERY_BYTES
        for page in self.pages:
            for folder, one in _page_records((self.products / page).parent):
                text, used = _record_html(folder, one, left)
                parts.append(text)
                left -= used
        return "".join(parts) or "<p>no pictures</p>"


def _page_records(top: Path) -> list[tuple[Path, QuicklookRecord]]:
    """The records of a page, each with the directory of its products: by level, or by master."""
    places = sorted(top.glob(f"{REPORTS_DIR}/*.json")) or sorted(
        top.glob(f"*/{REPORTS_DIR}/*.json")
    )
    found = [(place.parent.parent, one) for place in places if (one := record.read_record(place))]
    return sorted(found, key=lambda pair: LEVELS.index(pair[1].level))


def _record_html(folder: Path, one: QuicklookRecord, left: int) -> tuple[str, int]:
    figures, used, over = [], 0, 0
    for picture in one.pictures:
        try:
            data = base64.b64encode((folder / picture.thumbnail).read_bytes()).decode("ascii")
        except OSError:
            continue
        if used + len(data) > left:
            over += 1
            continue
        used += len(data)
        figures.append(
            '<figure style="margin:0;width:230px">'
            '<img style="width:100%;height:190px;object-fit:contain" '
            f'alt="{escape(picture.title)}" src="data:image/jpeg;base64,{data}">'
            f"<figcaption><small>{escape(picture.title)}</small></figcaption></figure>"
        )
    head = f"<p><b>{escape(one.heading.one_line(one.name))}</b> · {one.level}: {one.verdict}</p>"
    rest = f"<p>and {over} more pictures</p>" if over else ""
    row = f'<div style="display:flex;flex-wrap:wrap;gap:10px">{"".join(figures)}</div>'
    return f"{head}{row}{rest}", used


VERDICT_SIGNS = {Verdict.PASS: "✔", Verdict.WARN: "!", Verdict.FAIL: "✖"}
VERDICT_STYLES = {Verdict.PASS: "succeeded", Verdict.WARN: "partial", Verdict.FAIL: "failed"}
"""Verdicts are told by word, sign and colour, never by colour alone."""

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
"""Which picture stands for an observation on the page of its night: the first that there is."""

MAX_REMARKS = 2
"""So many checks are named in a row of a night."""


def page_policy(style: str) -> str:
    """The content security policy of a page: this style sheet, pictures beside it, no more."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src 'self'; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def find_neighbours(names: Sequence[str], name: str) -> tuple[str, str]:
    """The names before and after; '' where there is none."""
    return (
        max((one for one in names if one < name), default=""),
        min((one for one in names if one > name), default=""),
    )


def verdict_badge(verdict: Verdict | None) -> dict[str, str]:
    """A verdict's word, sign and style; None: nothing was looked at."""
    if verdict is None:
        return {"word": "–", "sign": "", "style": "skipped"}
    return {"word": str(verdict), "sign": VERDICT_SIGNS[verdict], "style": VERDICT_STYLES[verdict]}


def level_context(one: QuicklookRecord, *, place: str = "", label: str = "") -> dict[str, Any]:
    """A level of an observation, or a master whose products are in `place`."""
    passed = [check for check in one.checks if check.verdict is Verdict.PASS]
    return {
        "id": one.level,
        "label": label or one.level,
        "badge": verdict_badge(one.verdict),
        "error": one.error,
        "made": one.made.replace("T", " ").replace("Z", " UTC"),
        "report": quote(place + str(relative_report_path(one))),
        "remarkable": [_check_context(check) for check in one.checks if check not in passed],
        "passed": [_check_context(check) for check in passed],
        "groups": [
            (KIND_TITLES.get(kind, kind), [_picture_context(picture, place) for picture in group])
            for kind, group in groupby(one.pictures, key=lambda picture: picture.kind)
        ],
        "left_out": [asdict(left) for left in one.left_out],
    }


def relative_report_path(one: QuicklookRecord) -> str:
    """The report of the checks, relative to the directory of the products."""
    from pathlib import Path

    return str(report_path(Path(), one.name, one.level))


def night_row_context(
    records: Sequence[QuicklookRecord], best: QuicklookRecord, page: str
) -> dict[str, Any]:
    """An observation in the table of its night."""
    by_level = {one.level: one for one in records}
    name = best.name
    face = _representative_picture(records)
    return {
        "name": name,
        "target": f"{name}/{page}",
        "face": face and quote(f"{name}/{face.thumbnail}"),
        "heading": best.heading,
        "time": best.heading.time[11:19],
        "badges": [
            verdict_badge(by_level[level].verdict if level in by_level else None)
            | {"target": f"{name}/{page}#{level}" if level in by_level else ""}
            for level in KPF.levels
        ],
        "remarks": _summarise_problems(records),
    }


def count_verdicts(records: Iterable[QuicklookRecord]) -> list[dict[str, Any]]:
    """How many files have which verdict."""
    numbers = Counter(one.verdict for one in records)
    return [verdict_badge(one) | {"number": numbers[one]} for one in Verdict if numbers[one]]


def _representative_picture(records: Sequence[QuicklookRecord]) -> Picture | None:
    pictures = [picture for one in reversed(records) for picture in one.pictures]
    ranked = (p for face in REPRESENTATIVE_PLOTS for p in pictures if face in p.path)
    return next(ranked, pictures[0] if pictures else None)


def _summarise_problems(records: Sequence[QuicklookRecord]) -> str:
    """The worst of an observation in words, each once, level by level."""
    found: dict[str, None] = {}
    for one in records:
        if one.error:
            found[f"{one.level}: {one.error}"] = None
        bad = [check for check in one.checks if check.verdict is not Verdict.PASS]
        found.update({f"{check.verdict}: {check.name}": None for check in bad})
    names = sorted(found, key=lambda text: text.startswith(str(Verdict.WARN)))
    more = f" and {len(names) - MAX_REMARKS} more" if len(names) > MAX_REMARKS else ""
    return "; ".join(names[:MAX_REMARKS]) + more


def _check_context(check: QualityCheck) -> dict[str, Any]:
    value = f"{check.value:.6g}" if isinstance(check.value, (int, float)) else check.value
    return {
        "name": check.name,
        "badge": verdict_badge(check.verdict),
        "value": f"{value} {check.unit}".strip(),
        "allowed": check.allowed,
        "source": check.source,
    }


def _picture_context(picture: Picture, place: str) -> dict[str, str]:
    return {
        "title": picture.title,
        "target": quote(place + picture.path),
        "thumbnail": quote(place + picture.thumbnail),
    }
