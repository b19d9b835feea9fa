"""The page of scorecards: one HTML file with its pictures, all text escaped.

The worst frames come first. The script beside the page sorts the table by the column whose head is
clicked; without scripts the page can be read.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from urllib.parse import quote

from kpfnb.adap.products import qa_gallery
from kpfnb.adap.products.dataset import DATASETS_FOLDER
from kpfnb.adap.score.limits import SlitFault
from kpfnb.adap.score.result import BadSlitEntry, ScoreResult, find_entry_pictures
from kpfnb.adap.score.row import FrameStatus, ScorecardRow
from kpfnb.adap.score.scorecard import Scorecard
from kpfnb.core import atomic, settings
from kpfnb.notebook.display import figures
from kpfnb.runs import formatting, report

PAGE_NAME = "scorecard.html"
TEMPLATE, STYLE, SCRIPT = "scorecard.html", "scorecard.css", "scorecard.js"
MEDIAN_MEASURES = ("rms", "coverage", "flexure")
PICTURE_DPI = 110
PICTURES_BYTES = 4_000_000
"""The size limit of all QA pictures as base64: the page must stay small enough to be sent."""

STATUS_CLASSES = {
    FrameStatus.COMPLETE: "succeeded",
    FrameStatus.WARNING: "partial",
    FrameStatus.FAILED: "failed",
}
FAULT_LABELS = {
    SlitFault.COVERAGE: "arc lines cover too little",
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


def write_page(result: ScoreResult, path: str | Path = "") -> Path:
    """Write the page, by default scorecard.html in the work directory; returns its path.

    An unchanged page is not touched; a dry run writes none.
    """
    target = Path(path or settings.load_settings().work_dir / PAGE_NAME).expanduser().absolute()
    if not result.dry_run:
        script = formatting.template_source(SCRIPT)
        atomic.write_text_if_changed(target.with_name(SCRIPT), script)
        atomic.write_text_if_changed(target, render_page(result, target.parent))
    return target


def render_page(result: ScoreResult, page_folder: Path) -> str:
    """The page as HTML.

    page_folder : directory of the page
    """
    from markupsafe import Markup

    lines = [line for card in result.cards for line in _score_lines(card)]
    lines.sort(key=lambda line: (_has_failed(line), line.row.bad_slit_count), reverse=True)
    style = formatting.stylesheet() + formatting.template_source(STYLE)
    return str(
        formatting.template_environment()
        .get_template(TEMPLATE)
        .render(
            policy=f"{report.content_policy(style)}; script-src 'self'",
            # The package's own style sheet
            style=Markup(style),  # noqa: S704
            title="Scorecard of the reductions",
            scores=result,
            sign=formatting.OUTCOME_SIGNS[result.outcome],
            lines=lines,
            classes=STATUS_CLASSES,
            signs=formatting.OUTCOME_SIGNS,
            limits=result.criteria.default,
            picture=_plot_image(result) if any(card.slits for card in result.cards) else "",
            worst=_worst_with_pictures(result.worst_slits(), page_folder),
            targets=_dataset_targets(result, page_folder),
            fault_labels=FAULT_LABELS,
        )
    )


def _dataset_targets(result: ScoreResult, page_folder: Path) -> dict[str, str]:
    """The link to the page of each dataset that has one."""
    top = settings.load_settings().runs_dir / DATASETS_FOLDER
    pages = {card.dataset: top / f"{card.dataset}.html" for card in result.cards}
    return {
        name: quote(os.path.relpath(page, page_folder))
        for name, page in pages.items()
        if page.is_file()
    }


def _score_lines(card: Scorecard) -> list[ScoreLine]:
    lines = []
    for row in card.rows:
        stem = row.science_file.removesuffix(".gz").removesuffix(".fits")
        slits = [
            scored.slit for scored in card.slits if scored.spec2d.startswith(f"spec2d_{stem}-")
        ]
        medians = (
            _median_measured([getattr(slit, name) for slit in slits]) for name in MEDIAN_MEASURES
        )
        lines.append(ScoreLine(row, card.reasons.get(row.science_file, ""), *medians))
    return lines


def _median_measured(values: Sequence[float | None]) -> float | None:
    numbers = [value for value in values if value is not None and value == value]
    return median(numbers) if numbers else None


def _has_failed(line: ScoreLine) -> bool:
    return line.row.status == FrameStatus.FAILED


def _plot_image(result: ScoreResult) -> str:
    image = io.BytesIO()
    # Without the version of matplotlib, so that the same scores give the same page
    figures.plot(result).savefig(image, format="png", dpi=PICTURE_DPI, metadata={"Software": None})
    return base64.b64encode(image.getvalue()).decode("ascii")


def _worst_with_pictures(worst: Sequence[BadSlitEntry], page_folder: Path) -> list[dict[str, Any]]:
    """The worst slits, with as many pictures as fit on the page.

    Each picture links to the full-size one if that is a file and not in an archive.
    """
    pictures_by_slit = find_entry_pictures(worst)
    every_path = dict.fromkeys(path for paths in pictures_by_slit for path in paths)
    thumbnails = qa_gallery.make_thumbnails(list(every_path))
    items, used = [], 0
    for entry, paths in zip(worst, pictures_by_slit, strict=True):
        shown = []
        for path in paths:
            encoded = thumbnails[path]
            if encoded and used + len(encoded) <= PICTURES_BYTES:
                used += len(encoded)
                title = qa_gallery.PICTURE_TITLES.get(qa_gallery.picture_kind(path), "")
                target = quote(os.path.relpath(path, page_folder)) if path.is_file() else ""
                shown.append({"title": title, "name": path.stem, "data": encoded, "target": target})
        items.append(
            {
                "dataset": entry.card.dataset,
                "scored": entry.scored,
                "slit": entry.scored.slit,
                "pictures": shown,
                "unreadable": [path.name for path in paths if not thumbnails[path]],
            }
        )
    return items
