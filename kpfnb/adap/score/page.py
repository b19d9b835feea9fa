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

from kpfnb.adap.products import qa_gallery
from kpfnb.adap.score.limits import SlitFault
from kpfnb.adap.score.result import BadSlitEntry, ScoreResult, find_entry_pictures
from kpfnb.adap.score.row import FrameStatus, ScorecardRow
from kpfnb.adap.score.scorecard import Scorecard
from kpfnb.runs import formatting, report
from kpfnb.runs.formatting import OUTCOME_SIGNS

TEMPLATE, STYLE = "scorecard.html", "scorecard.css"
MEDIAN_MEASURES = ("rms", "coverage", "flexure")
PICTURE_DPI = 110
PICTURES_BYTES = 4_000_000
"""Of all QA pictures, as base64: a page must stay one that can be sent."""

STATUS_CLASSES = {
    FrameStatus.COMPLETE: "succeeded",
    FrameStatus.WARNING: "partial",
    FrameStatus.FAILED: "failed",
}
FAULT_LABELS = {
    SlitFault.COVERAGE: "lines cover too little",
    SlitFault.RMS: "RMS of the wavelengths",
    SlitFault.CHI: "residuals (chi)",
    SlitFault.FLEXURE: "flexure",
    SlitFault.WAVELENGTHS: "no wavelengths",
    SlitFault.TILTS: "no tilts",
    SlitFault.FLAT: "bad flat",
    SlitFault.NO_FLAT: "no flat",
    SlitFault.SKY: "sky subtraction",
    SlitFault.EXTRACTION: "extraction",
}


class ScoreLine(NamedTuple):
    """One line of the table: a row of a scorecard, and the medians of its slits."""

    row: ScorecardRow
    reason: str
    rms: float | None
    coverage: float | None
    flexure: float | None


class SortOrder(NamedTuple):
    """One way to sort the table."""

    name: str
    label: str
    key: Callable[[ScoreLine], Any]
    falling: bool = False


SORT_ORDERS = (
    SortOrder(
        "worst", "worst first", lambda line: (_has_failed(line), line.row.bad_slit_count), True
    ),
    SortOrder("dataset", "dataset", lambda line: (line.row.dataset.lower(), line.row.science_file)),
    SortOrder("reduced", "date of reduction", lambda line: line.row.date, True),
    SortOrder("rms", "RMS", lambda line: line.rms or 0, True),
    SortOrder("coverage", "coverage", lambda line: 101 if line.coverage is None else line.coverage),
    SortOrder("flexure", "flexure", lambda line: abs(line.flexure or 0), True),
    SortOrder("objects", "objects", lambda line: line.row.object_count, True),
    SortOrder("time", "time", lambda line: line.row.exec_time, True),
    SortOrder("memory", "memory", lambda line: line.row.mem_usage, True),
)


def render_page(scores: ScoreResult) -> str:
    """The page as HTML."""
    from markupsafe import Markup

    lines = [line for card in scores.cards for line in _score_lines(card)]
    # The order of the rows in the file is the first of the orders
    lines = _sort_lines(lines, SORT_ORDERS[0])
    environment = formatting.template_environment()
    source, _, _ = environment.loader.get_source(environment, STYLE)
    style = formatting.stylesheet() + source + _sort_rules(lines)
    return str(
        environment.get_template(TEMPLATE).render(
            policy=report.content_policy(style),
            # The package's own style sheet, and rules made of numbers
            style=Markup(style),  # noqa: S704
            title="Scorecard of the reductions",
            scores=scores,
            sign=OUTCOME_SIGNS[scores.outcome],
            lines=lines,
            orders=SORT_ORDERS,
            classes=STATUS_CLASSES,
            signs=OUTCOME_SIGNS,
            limits=scores.criteria.default,
            picture=_plot_image(scores) if any(card.slits for card in scores.cards) else "",
            worst=_worst_with_pictures(scores.worst_slits()),
            words=FAULT_LABELS,
        )
    )


def _score_lines(card: Scorecard) -> list[ScoreLine]:
    lines = []
    for row in card.rows:
        stem = row.science_file.removesuffix(".gz").removesuffix(".fits")
        own = [one.slit for one in card.slits if one.spec2d.startswith(f"spec2d_{stem}-")]
        measures = (
            _median([getattr(slit, name) for slit in own])
            for name in ("rms", "coverage", "flexure")
        )
        lines.append(ScoreLine(row, card.reasons.get(row.science_file, ""), *measures))
    return lines


def _median(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None and value == value]
    return median(there) if there else None


def _has_failed(line: ScoreLine) -> bool:
    return line.row.status == FrameStatus.FAILED


def _sort_lines(lines: Sequence[ScoreLine], order: SortOrder) -> list[ScoreLine]:
    return sorted(lines, key=order.key, reverse=order.falling)


def _sort_rules(lines: Sequence[ScoreLine]) -> str:
    """The place of each line in each order but the first, as rules of the style sheet."""
    numbers = {id(line): number for number, line in enumerate(lines)}
    return "".join(
        f"body:has(#by-{order.name}:checked) .r{numbers[id(line)]}{{order:{place}}}\n"
        for order in SORT_ORDERS[1:]
        for place, line in enumerate(_sort_lines(lines, order))
    )


def _plot_image(scores: ScoreResult) -> str:
    image = io.BytesIO()
    # Without a version of matplotlib in it the same scores make the same page
    scores.plot().savefig(image, format="png", dpi=PICTURE_DPI, metadata={"Software": None})
    return base64.b64encode(image.getvalue()).decode("ascii")


def _worst_with_pictures(worst: Sequence[BadSlitEntry]) -> list[dict[str, Any]]:
    """The worst slits, with the pictures for which there is room."""
    found = find_entry_pictures(worst)
    small = qa_gallery.make_thumbnails(
        list(dict.fromkeys(path for paths in found for path in paths))
    )
    shown, used = [], 0
    for one, paths in zip(worst, found, strict=True):
        own = []
        for path in paths:
            encoded = small[path]
            if encoded and used + len(encoded) <= PICTURES_BYTES:
                used += len(encoded)
                title = qa_gallery.PICTURE_TITLES.get(qa_gallery.picture_kind(path), "")
                own.append({"title": title, "name": path.stem, "data": encoded})
        unreadable = [path.name for path in paths if not small[path]]
        slit = {"one": one, "slit": one.scored.slit}
        shown.append(slit | {"pictures": own, "unreadable": unreadable})
    return shown
