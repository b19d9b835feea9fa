"""The page of scorecards: one file that carries its pictures; no script, all text escaped.

Its table is sorted by the browser alone: a choice of order sets the place of each row, by rules in
the style sheet.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, NamedTuple

from kpfnb.adap.reducing import gallery
from kpfnb.adap.scoring.scorecard import Scorecard
from kpfnb.adap.scoring.scorefaults import Fault
from kpfnb.adap.scoring.scorerow import Row, Status
from kpfnb.adap.scoring.scores import BadOne, Scores, pictures
from kpfnb.runs import report, view
from kpfnb.runs.view import SIGNS

TEMPLATE, STYLE = "scorecard.html", "scorecard.css"
MEASURES = ("rms", "coverage", "flexure")
PICTURE_DPI = 110
PICTURES_BYTES = 4_000_000
"""Of all QA pictures, as base64: a page must stay one that can be sent."""

CLASSES = {Status.COMPLETE: "succeeded", Status.WARNING: "partial", Status.FAILED: "failed"}
WORDS = {
    Fault.COVERAGE: "lines cover too little",
    Fault.RMS: "RMS of the wavelengths",
    Fault.CHI: "residuals (chi)",
    Fault.FLEXURE: "flexure",
    Fault.WAVELENGTHS: "no wavelengths",
    Fault.TILTS: "no tilts",
    Fault.FLAT: "bad flat",
    Fault.NO_FLAT: "no flat",
    Fault.SKY: "sky subtraction",
    Fault.EXTRACTION: "extraction",
}


class Line(NamedTuple):
    """One line of the table: a row of a scorecard, and the medians of its slits."""

    row: Row
    reason: str
    rms: float | None
    coverage: float | None
    flexure: float | None


class Order(NamedTuple):
    """One way to sort the table."""

    name: str
    label: str
    key: Callable[[Line], Any]
    falling: bool = False


ORDERS = (
    Order("worst", "worst first", lambda line: (_is_lost(line), line.row.bad_slit_count), True),
    Order("dataset", "dataset", lambda line: (line.row.dataset.lower(), line.row.science_file)),
    Order("reduced", "date of reduction", lambda line: line.row.date, True),
    Order("rms", "RMS", lambda line: line.rms or 0, True),
    Order("coverage", "coverage", lambda line: 101 if line.coverage is None else line.coverage),
    Order("flexure", "flexure", lambda line: abs(line.flexure or 0), True),
    Order("objects", "objects", lambda line: line.row.object_count, True),
    Order("time", "time", lambda line: line.row.exec_time, True),
    Order("memory", "memory", lambda line: line.row.mem_usage, True),
)


def page(scores: Scores) -> str:
    """The page as HTML."""
    from markupsafe import Markup

    lines = [line for card in scores.cards for line in _lines(card)]
    # The order of the rows in the file is the first of the orders
    lines = _sorted(lines, ORDERS[0])
    environment = view.environment()
    source, _, _ = environment.loader.get_source(environment, STYLE)
    style = view.style() + source + _rules(lines)
    return str(
        environment.get_template(TEMPLATE).render(
            policy=report.policy(style),
            # The package's own style sheet, and rules made of numbers
            style=Markup(style),  # noqa: S704
            title="Scorecard of the reductions",
            scores=scores,
            sign=SIGNS[scores.outcome],
            lines=lines,
            orders=ORDERS,
            classes=CLASSES,
            signs=SIGNS,
            limits=scores.criteria.default,
            picture=_picture(scores) if any(card.slits for card in scores.cards) else "",
            worst=_with_pictures(scores.worst()),
            words=WORDS,
        )
    )


def _lines(card: Scorecard) -> list[Line]:
    lines = []
    for row in card.rows:
        stem = row.science_file.removesuffix(".gz").removesuffix(".fits")
        own = [one.slit for one in card.slits if one.spec2d.startswith(f"spec2d_{stem}-")]
        measures = (
            _median([getattr(slit, name) for slit in own])
            for name in ("rms", "coverage", "flexure")
        )
        lines.append(Line(row, card.reasons.get(row.science_file, ""), *measures))
    return lines


def _median(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None and value == value]
    return median(there) if there else None


def _is_lost(line: Line) -> bool:
    return line.row.status == Status.FAILED


def _sorted(lines: Sequence[Line], order: Order) -> list[Line]:
    return sorted(lines, key=order.key, reverse=order.falling)


def _rules(lines: Sequence[Line]) -> str:
    """The place of each line in each order but the first, as rules of the style sheet."""
    numbers = {id(line): number for number, line in enumerate(lines)}
    return "".join(
        f"body:has(#by-{order.name}:checked) .r{numbers[id(line)]}{{order:{place}}}\n"
        for order in ORDERS[1:]
        for place, line in enumerate(_sorted(lines, order))
    )


def _picture(scores: Scores) -> str:
    image = io.BytesIO()
    # Without a version of matplotlib in it the same scores make the same page
    scores.plot().savefig(image, format="png", dpi=PICTURE_DPI, metadata={"Software": None})
    return base64.b64encode(image.getvalue()).decode("ascii")


def _with_pictures(worst: Sequence[BadOne]) -> list[dict[str, Any]]:
    """The worst slits, with the pictures for which there is room."""
    found = pictures(worst)
    small = gallery.thumbnails(list(dict.fromkeys(path for paths in found for path in paths)))
    shown, used = [], 0
    for one, paths in zip(worst, found, strict=True):
        own = []
        for path in paths:
            encoded = small[path]
            if encoded and used + len(encoded) <= PICTURES_BYTES:
                used += len(encoded)
                title = gallery.TITLES.get(gallery.kind_of(path), "")
                own.append({"title": title, "name": path.stem, "data": encoded})
        unreadable = [path.name for path in paths if not small[path]]
        slit = {"one": one, "slit": one.scored.slit}
        shown.append(slit | {"pictures": own, "unreadable": unreadable})
    return shown
