"""The page of one dataset: what became of its frames, its scorecard, warnings, spectra and QA.

It carries its pictures itself, has no script, and stays when the local copy of the dataset goes.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kpfnb.adap.pages import reduction_details
from kpfnb.adap.products import qa_gallery
from kpfnb.adap.products.qa_gallery import QaGallery
from kpfnb.adap.pypeit import log
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.adap.score import scorecard, scored_slits
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.runs import RunRecord, formatting, report

if TYPE_CHECKING:
    import pandas as pd

TEMPLATE, STYLE = "dataset.html", "scorecard.css"
QA_BYTES = 1_200_000
"""Of all pictures, as base64: hundreds of these pages lie side by side."""
MAX_WARNINGS = 100
LOG_LINES = 40


def render_dataset_page(
    folder: Path,
    name: str,
    badge: Mapping[str, str],
    page_folder: Path,
    runs: Iterable[RunRecord] = (),
) -> str:
    """The page as HTML; all text escaped.

    Parameters
    ----------
    folder : `complete/reduce` of the dataset
    badge : the word, sign and style of its outcome
    place : the folder of the page
    made_by : the runs that had to do with it, newest first
    """
    from markupsafe import Markup

    style = formatting.stylesheet() + formatting.template_source(STYLE)
    made, told = reduction_details.load_reduction(folder)
    shown, left_out = QaGallery(
        reduction_details.list_pictures(folder), QA_BYTES
    ).choose_thumbnails()
    return str(
        formatting.template_environment()
        .get_template(TEMPLATE)
        .render(
            title=name,
            badge=badge,
            told=told,
            up=os.path.relpath(page_folder.parents[2], page_folder),
            figures=made.key_figures() if made else {},
            tables=[*_reduction_tables(made), *_scorecard_tables(folder)],
            spectra=_spectra_image(made) if made else "",
            pictures=[_picture_context(path, encoded, page_folder) for path, encoded in shown],
            runs=[_run_link(one, page_folder) for one in runs],
            left_out=left_out,
            logs=_log_ends(folder) if not made or made.outcome is not Outcome.SUCCEEDED else [],
            links=[
                {"text": path.name, "target": _relative_link(path, page_folder)}
                for path in reduction_details.list_files(folder)
            ],
            # The package's own style sheets
            style=Markup(style),  # noqa: S704
            policy=report.content_policy(style),
        )
    )


def _reduction_tables(made: ReductionResult | None) -> Iterable[dict[str, Any]]:
    """The tables of what was done."""
    if not made:
        return
    yield _table_context("Science and standard frames", made.to_frame())
    yield _table_context("Time and memory", made.timing())
    warned = made.warnings()
    more = len(warned) - MAX_WARNINGS
    yield _table_context(
        "Useful warnings",
        warned.head(MAX_WARNINGS),
        note=f"and {more} more, in the logs" if more > 0 else "",
    )


def _scorecard_tables(folder: Path) -> Iterable[dict[str, Any]]:
    """The scorecard, one column a frame, and the bad slits; why there is none, where there is."""
    try:
        rows = scorecard.read_scorecard(folder).to_frame()
        slits = scored_slits.read_bad_slits(folder)
    except InvalidInputError as error:
        yield {"title": "Scorecard", "names": [], "rows": [], "note": error.what}
        return
    told = [name for name in rows.columns if any(rows[name].astype(str) != "0")]
    turned = rows[told].set_index("science_file").T.reset_index(names="measure")
    yield _table_context("Scorecard", turned, note="What is 0 in every frame is left out.")
    frame = _bad_slits_table(slits)
    yield _table_context("Bad slits", frame, note="" if len(frame) else "none")


def _bad_slits_table(slits: Iterable[scored_slits.BadSlit]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        [(one.slit_id, one.spec2d) for one in slits], columns=scored_slits.BAD_SLIT_COLUMNS
    )


def _table_context(title: str, frame: pd.DataFrame, *, note: str = "") -> dict[str, Any]:
    """A table as the template shows it: texts, nothing for what is missing, no empty column."""
    frame = frame[[name for name in frame.columns if any(frame[name].dropna() != "")]]
    rows = [
        ["" if gone else str(value) for value, gone in zip(row, missing, strict=True)]
        for row, missing in zip(frame.to_numpy(object), frame.isna().to_numpy(), strict=True)
    ]
    return {"title": title, "names": list(map(str, frame.columns)), "rows": rows, "note": note}


def _spectra_image(made: ReductionResult) -> str:
    """The spectra of best signal as base64 of a PNG; '' where there are none to be read."""
    from kpfnb.adap.products import spectra

    try:
        found = made.spectra()
    except OSError:
        # What is wrong with a product is in the table of frames
        return ""
    if not found:
        return ""
    image = io.BytesIO()
    figure = spectra.plot_spectra(found, reduction_details.MAX_SPECTRA)
    figure.savefig(
        image, format="png", dpi=reduction_details.PICTURE_DPI, metadata={"Software": None}
    )
    return base64.b64encode(image.getvalue()).decode("ascii")


def _relative_link(path: Path, place: Path) -> str:
    return quote(os.path.relpath(path, place))


def _run_link(one: RunRecord, place: Path) -> dict[str, str]:
    """A run by when it began; how it ended stands in its report, which comes after this page."""
    return {
        "text": f"{one.notebook} {one.started[:16].replace('T', ' ')} UTC",
        "target": _relative_link(one.directory / "report.html", place),
    }


def _picture_context(path: Path, encoded: str, place: Path) -> dict[str, str]:
    """One picture; it leads to the whole of it where that is a file of its own."""
    return {
        "target": _relative_link(path, place) if path.is_file() else "",
        "title": qa_gallery.PICTURE_TITLES.get(qa_gallery.picture_kind(path), ""),
        "name": path.stem,
        "data": encoded,
    }


def _log_ends(folder: Path) -> list[dict[str, str]]:
    """The end of each log, where something went wrong."""
    return [
        {"name": path.name, "text": "\n".join(log.read_log_tail(path)[-LOG_LINES:])}
        for path in reduction_details.list_log_files(folder)
    ]
