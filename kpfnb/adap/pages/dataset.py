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

from kpfnb.adap import evidence
from kpfnb.adap.pypeit import pypeitlog
from kpfnb.adap.reducing import gallery
from kpfnb.adap.reducing.gallery import Gallery
from kpfnb.adap.reducing.reduced import Reduction
from kpfnb.adap.scoring import badslits, scorecard
from kpfnb.errors import BadInput
from kpfnb.outcomes import Outcome
from kpfnb.runs import Record, report, view

if TYPE_CHECKING:
    import pandas as pd

TEMPLATE, STYLE = "dataset.html", "scorecard.css"
QA_BYTES = 1_200_000
"""Of all pictures, as base64: hundreds of these pages lie side by side."""
MOST_WARNINGS = 100
LOG_LINES = 40


def page(
    folder: Path, name: str, badge: Mapping[str, str], place: Path, made_by: Iterable[Record] = ()
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

    style = view.style() + view.source(STYLE)
    made, told = evidence.record(folder)
    shown, left_out = Gallery(evidence.pictures(folder), QA_BYTES).chosen()
    return str(
        view.environment()
        .get_template(TEMPLATE)
        .render(
            title=name,
            badge=badge,
            told=told,
            up=os.path.relpath(place.parents[2], place),
            figures=made.figures() if made else {},
            tables=[*_reduced(made), *_scored(folder)],
            spectra=_spectra(made) if made else "",
            pictures=[_picture(path, encoded, place) for path, encoded in shown],
            runs=[_run(one, place) for one in made_by],
            left_out=left_out,
            logs=_logs(folder) if not made or made.outcome is not Outcome.SUCCEEDED else [],
            links=[
                {"text": path.name, "target": _target(path, place)}
                for path in evidence.files(folder)
            ],
            # The package's own style sheets
            style=Markup(style),  # noqa: S704
            policy=report.policy(style),
        )
    )


def _reduced(made: Reduction | None) -> Iterable[dict[str, Any]]:
    """The tables of what was done."""
    if not made:
        return
    yield _table("Science and standard frames", made.to_frame())
    yield _table("Time and memory", made.timing())
    warned = made.warnings()
    more = len(warned) - MOST_WARNINGS
    yield _table(
        "Useful warnings",
        warned.head(MOST_WARNINGS),
        note=f"and {more} more, in the logs" if more > 0 else "",
    )


def _scored(folder: Path) -> Iterable[dict[str, Any]]:
    """The scorecard, one column a frame, and the bad slits; why there is none, where there is."""
    try:
        rows = scorecard.read(folder).to_frame()
        slits = badslits.read(folder)
    except BadInput as error:
        yield {"title": "Scorecard", "names": [], "rows": [], "note": error.what}
        return
    told = [name for name in rows.columns if any(rows[name].astype(str) != "0")]
    turned = rows[told].set_index("science_file").T.reset_index(names="measure")
    yield _table("Scorecard", turned, note="What is 0 in every frame is left out.")
    frame = _frame(slits)
    yield _table("Bad slits", frame, note="" if len(frame) else "none")


def _frame(slits: Iterable[badslits.BadSlit]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([(one.slit_id, one.spec2d) for one in slits], columns=badslits.COLUMNS)


def _table(title: str, frame: pd.DataFrame, *, note: str = "") -> dict[str, Any]:
    """A table as the template shows it: texts, nothing for what is missing, no empty column."""
    frame = frame[[name for name in frame.columns if any(frame[name].dropna() != "")]]
    rows = [
        ["" if gone else str(value) for value, gone in zip(row, missing, strict=True)]
        for row, missing in zip(frame.to_numpy(object), frame.isna().to_numpy(), strict=True)
    ]
    return {"title": title, "names": list(map(str, frame.columns)), "rows": rows, "note": note}


def _spectra(made: Reduction) -> str:
    """The spectra of best signal as base64 of a PNG; '' where there are none to be read."""
    from kpfnb.adap.reducing import spectra

    try:
        found = made.spectra()
    except OSError:
        # What is wrong with a product is in the table of frames
        return ""
    if not found:
        return ""
    image = io.BytesIO()
    figure = spectra.figure(found, evidence.MOST_SPECTRA)
    figure.savefig(image, format="png", dpi=evidence.PICTURE_DPI, metadata={"Software": None})
    return base64.b64encode(image.getvalue()).decode("ascii")


def _target(path: Path, place: Path) -> str:
    return quote(os.path.relpath(path, place))


def _run(one: Record, place: Path) -> dict[str, str]:
    """A run by when it began; how it ended stands in its report, which comes after this page."""
    return {
        "text": f"{one.notebook} {one.started[:16].replace('T', ' ')} UTC",
        "target": _target(one.directory / "report.html", place),
    }


def _picture(path: Path, encoded: str, place: Path) -> dict[str, str]:
    """One picture; it leads to the whole of it where that is a file of its own."""
    return {
        "target": _target(path, place) if path.is_file() else "",
        "title": gallery.TITLES.get(gallery.kind_of(path), ""),
        "name": path.stem,
        "data": encoded,
    }


def _logs(folder: Path) -> list[dict[str, str]]:
    """The end of each log, where something went wrong."""
    return [
        {"name": path.name, "text": "\n".join(pypeitlog.tail(path)[-LOG_LINES:])}
        for path in evidence.log_files(folder)
    ]
