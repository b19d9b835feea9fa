"""What the templates of the gallery show: words, signs, links, in plain values."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any
from urllib.parse import quote

from kpfnb.kpf.obsid import KPF
from kpfnb.kpf.quicklook.quality import Check, Verdict
from kpfnb.kpf.quicklook.record import Picture, Record, report_path

SIGNS = {Verdict.PASS: "✔", Verdict.WARN: "!", Verdict.FAIL: "✖"}
STYLES = {Verdict.PASS: "succeeded", Verdict.WARN: "partial", Verdict.FAIL: "failed"}
"""Verdicts are told by word, sign and colour, never by colour alone."""

KINDS = {
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

FACES = ("GREEN_CCD_image", "RED_CCD_image", "_stitched", "SCI2_spectrum", "CCF_grid")
"""Which picture stands for an observation on the page of its night: the first that there is."""

REMARKS = 2
"""So many checks are named in a row of a night."""


def page_policy(style: str) -> str:
    """The content security policy of a page: this style sheet, pictures beside it, no more."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src 'self'; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def neighbours(names: Sequence[str], name: str) -> tuple[str, str]:
    """The names before and after; '' where there is none."""
    return (
        max((one for one in names if one < name), default=""),
        min((one for one in names if one > name), default=""),
    )


def badge(verdict: Verdict | None) -> dict[str, str]:
    """A verdict's word, sign and style; None: nothing was looked at."""
    if verdict is None:
        return {"word": "–", "sign": "", "style": "skipped"}
    return {"word": str(verdict), "sign": SIGNS[verdict], "style": STYLES[verdict]}


def level_view(one: Record, *, place: str = "", label: str = "") -> dict[str, Any]:
    """A level of an observation, or a master whose products are in `place`."""
    passed = [check for check in one.checks if check.verdict is Verdict.PASS]
    return {
        "id": one.level,
        "label": label or one.level,
        "badge": badge(one.verdict),
        "error": one.error,
        "made": one.made.replace("T", " ").replace("Z", " UTC"),
        "report": quote(place + str(report_path_of(one))),
        "remarkable": [_check(check) for check in one.checks if check not in passed],
        "passed": [_check(check) for check in passed],
        "groups": [
            (KINDS.get(kind, kind), [_picture(picture, place) for picture in group])
            for kind, group in groupby(one.pictures, key=lambda picture: picture.kind)
        ],
        "left_out": [asdict(left) for left in one.left_out],
    }


def report_path_of(one: Record) -> str:
    """The report of the checks, relative to the directory of the products."""
    from pathlib import Path

    return str(report_path(Path(), one.name, one.level))


def night_row(records: Sequence[Record], best: Record, page: str) -> dict[str, Any]:
    """An observation in the table of its night."""
    by_level = {one.level: one for one in records}
    name = best.name
    face = _face(records)
    return {
        "name": name,
        "target": f"{name}/{page}",
        "face": face and quote(f"{name}/{face.thumbnail}"),
        "heading": best.heading,
        "time": best.heading.time[11:19],
        "badges": [
            badge(by_level[level].verdict if level in by_level else None)
            | {"target": f"{name}/{page}#{level}" if level in by_level else ""}
            for level in KPF.levels
        ],
        "remarks": _remarks(records),
    }


def check_counts(records: Iterable[Record]) -> list[dict[str, Any]]:
    """How many files have which verdict."""
    numbers = Counter(one.verdict for one in records)
    return [badge(one) | {"number": numbers[one]} for one in Verdict if numbers[one]]


def _face(records: Sequence[Record]) -> Picture | None:
    pictures = [picture for one in reversed(records) for picture in one.pictures]
    ranked = (p for face in FACES for p in pictures if face in p.path)
    return next(ranked, pictures[0] if pictures else None)


def _remarks(records: Sequence[Record]) -> str:
    """The worst of an observation in words, each once, level by level."""
    found: dict[str, None] = {}
    for one in records:
        if one.error:
            found[f"{one.level}: {one.error}"] = None
        bad = [check for check in one.checks if check.verdict is not Verdict.PASS]
        found.update({f"{check.verdict}: {check.name}": None for check in bad})
    names = sorted(found, key=lambda text: text.startswith(str(Verdict.WARN)))
    more = f" and {len(names) - REMARKS} more" if len(names) > REMARKS else ""
    return "; ".join(names[:REMARKS]) + more


def _check(check: Check) -> dict[str, Any]:
    value = f"{check.value:.6g}" if isinstance(check.value, (int, float)) else check.value
    return {
        "name": check.name,
        "badge": badge(check.verdict),
        "value": f"{value} {check.unit}".strip(),
        "allowed": check.allowed,
        "source": check.source,
    }


def _picture(picture: Picture, place: str) -> dict[str, str]:
    return {
        "title": picture.title,
        "target": quote(place + picture.path),
        "thumbnail": quote(place + picture.thumbnail),
    }
