"""What is known of a reduction: frames, QA pictures, spectra, warnings, scorecard and logs.

It is what a row about a dataset leads to in JupyterLab: HTML that carries its pictures, all text
escaped.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from kpfnb.adap.products import qa_gallery, reduction
from kpfnb.adap.products.qa_gallery import QaGallery
from kpfnb.adap.pypeit import log
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.adap.score import scorecard, scored_slits
from kpfnb.core import settings
from kpfnb.core.errors import InvalidInputError
from kpfnb.notebook.display import tables
from kpfnb.notebook.display.html import file_link

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

LINKED_FILES = {
    reduction.RECORD_NAME: "record",
    scorecard.SCORECARD_FILE: "scorecard",
    scored_slits.BAD_SLITS_FILE: "bad slits",
}
LOG_LINES = 40
MAX_SPECTRA = 4
PICTURE_DPI = 70


def details_html(folder: Path, title: str, *, file: str = "") -> str:
    """The evidence about a reduction, as HTML.

    Parameters
    ----------
    folder : `complete/reduce` of a dataset, or the output of a reduction
    title : the name of the dataset
    file : a raw frame: its spectra and its own QA pictures alone; '' for all
    """
    head = f"<h4>{escape(' · '.join(filter(None, [title, file])))}</h4>"
    if not folder.is_dir():
        return f"{head}<p>not reduced: there is no {escape(str(folder))}</p>"
    made, told = load_reduction(folder)
    parts = [*_table_parts(folder, made), *_picture_parts(folder, made, file), *_log_parts(folder)]
    return f"{head}<p>{escape(told)}</p>{_links_html(folder)}{''.join(parts)}"


def figure_html(figure: Figure, alt: str) -> str:
    """A figure as an image that the page carries."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=PICTURE_DPI)
    data = base64.b64encode(image.getvalue()).decode("ascii")
    return f"<img alt='{escape(alt, quote=True)}' src='data:image/png;base64,{data}'>"


def table_html(title: str, frame: pd.DataFrame, *, is_open: bool = False) -> str:
    """A table to be opened, with its length in the title; all text escaped."""
    count = f"{title} ({len(frame)})"
    return html_details(
        count, tables.table_html(frame) if len(frame) else "<p>none</p>", is_open=is_open
    )


def html_details(title: str, content: str, *, is_open: bool = False) -> str:
    """Content, which is HTML already, to be opened."""
    state = " open" if is_open else ""
    return (
        f"<details{state}><summary>{escape(title)}</summary>"
        f"<div tabindex='0' style='max-height: 34em; overflow: auto'>{content}</div></details>"
    )


def load_reduction(folder: Path) -> tuple[ReductionResult | None, str]:
    """The reduction by its record, and a line about it; None where the record can't tell."""
    try:
        found = reduction.read_finished_record(folder)
        if not found:
            return None, "no record of its end"
        if found.get("simulated"):
            return None, f"{found['outcome']}, SIMULATED"
        made = ReductionResult.from_dict(found, folder)
    except (InvalidInputError, KeyError, TypeError) as error:
        return None, f"its record is damaged: {error!s}"
    return made, f"{made.outcome}: {made.reason}"


def _links_html(folder: Path) -> str:
    """What is there as a file: the records of the reduction, and the logs of PypeIt."""
    found = [file_link(path, LINKED_FILES.get(path.name, path.name)) for path in list_files(folder)]
    return f"<p>{' · '.join([*found, escape(_display_path(folder))])}</p>"


def list_files(folder: Path) -> list[Path]:
    """Those that there are: its records, and the logs of PypeIt."""
    places = [*(folder / name for name in LINKED_FILES), *list_log_files(folder)]
    return [path for path in places if path.is_file()]


def _display_path(folder: Path) -> str:
    """A folder for people: below the work directory where it is there."""
    work_dir = settings.load_settings().work_dir
    return str(folder.relative_to(work_dir) if folder.is_relative_to(work_dir) else folder)


def _table_parts(folder: Path, made: ReductionResult | None) -> Iterator[str]:
    if made:
        yield table_html("science and standard frames", made.to_frame(), is_open=True)
        yield table_html("warnings of PypeIt", made.warnings())
    if not (folder / scorecard.SCORECARD_FILE).is_file():
        yield "<p>not scored yet</p>"
        return
    try:
        rows = scorecard.read_scorecard(folder).to_frame()
        # Of 28 columns those that count something
        told = [name for name in rows.columns if any(rows[name].astype(str) != "0")]
        yield table_html("scorecard", rows[told], is_open=True)
    except InvalidInputError as error:
        yield f"<p>{escape(str(error))}</p>"


def _picture_parts(folder: Path, made: ReductionResult | None, file: str) -> Iterator[str]:
    stem = file.removesuffix(".gz").removesuffix(".fits")
    found = list_pictures(folder)
    own = [path for path in found if path.name.startswith(f"{stem}-")] if stem else []
    # A frame without pictures of its own is an arc, a flat: those are told by all
    shown = own or found
    yield html_details(f"QA pictures ({len(shown)})", QaGallery(shown)._repr_html_(), is_open=True)
    if made:
        yield html_details("spectra", _spectra_html(made, file))


def list_pictures(folder: Path) -> list[Path]:
    """PypeIt's QA pictures of all setups, as `gallery.pictures` gives them."""
    return [path for setup in _setup_folders(folder) for path in qa_gallery.list_pictures(setup)]


def _spectra_html(made: ReductionResult, file: str) -> str:
    from kpfnb.adap.products import spectra

    try:
        found = [one for one in made.spectra() if file in ("", one.file)]
    except OSError as error:
        return f"<p>can't be read: {escape(str(error))}</p>"
    if not found:
        return "<p>none</p>"
    return figure_html(spectra.plot_spectra(found, MAX_SPECTRA), "extracted spectra")


def _log_parts(folder: Path) -> Iterator[str]:
    for path in list_log_files(folder):
        text = escape("\n".join(log.read_log_tail(path)[-LOG_LINES:]))
        yield html_details(f"the end of {path.name}", f"<pre>{text}</pre>")


def list_log_files(folder: Path) -> list[Path]:
    """PypeIt's logs of all setups."""
    return [path for setup in _setup_folders(folder) for path in sorted(setup.glob("*.log"))]


def _setup_folders(folder: Path) -> list[Path]:
    return sorted({path.parent for path in folder.glob("*/*.pypeit")})
