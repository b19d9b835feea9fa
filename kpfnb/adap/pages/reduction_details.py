"""The details of a reduction as HTML: frames, QA pictures, spectra, warnings, scorecard and logs.

JupyterLab shows them below a table after a row was chosen. The HTML includes its pictures; all text
is escaped.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from kpfnb.adap.products import qa_gallery
from kpfnb.adap.products.qa_gallery import QaGallery
from kpfnb.adap.products.reduction import RECORD_NAME, read_finished_record
from kpfnb.adap.products.spectra import plot_spectra
from kpfnb.adap.pypeit.log import read_log_tail
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.adap.score.scorecard import SCORECARD_FILE, read_scorecard
from kpfnb.adap.score.scored_slits import BAD_SLITS_FILE
from kpfnb.core import settings
from kpfnb.core.errors import InvalidInputError
from kpfnb.notebook.display import tables
from kpfnb.notebook.display.html import file_link

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

LINKED_FILES = {RECORD_NAME: "record", SCORECARD_FILE: "scorecard", BAD_SLITS_FILE: "bad slits"}
LOG_LINES = 40
MAX_SPECTRA = 4
PICTURE_DPI = 70


def details_html(folder: Path, title: str, *, file: str = "") -> str:
    """All that is known of a reduction.

    Parameters
    ----------
    folder : `complete/reduce` of a dataset, or the output of a reduction
    title : the name of the dataset
    file : a raw frame: only its own spectra and QA pictures; '' for all
    """
    head = f"<h4>{escape(' · '.join(filter(None, [title, file])))}</h4>"
    if not folder.is_dir():
        return f"{head}<p>not reduced: {escape(str(folder))} does not exist</p>"
    result, summary = load_reduction(folder)
    parts = [
        *_table_parts(folder, result),
        *_picture_parts(folder, result, file),
        *_log_parts(folder),
    ]
    return f"{head}<p>{escape(summary)}</p>{_links_html(folder)}{''.join(parts)}"


def figure_html(figure: Figure, alt: str) -> str:
    """A figure as an embedded image."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=PICTURE_DPI)
    data = base64.b64encode(image.getvalue()).decode("ascii")
    return f"<img alt='{escape(alt, quote=True)}' src='data:image/png;base64,{data}'>"


def table_html(title: str, frame: pd.DataFrame, *, is_open: bool = False) -> str:
    """A collapsible table with its length in the title; all text escaped."""
    content = tables.table_html(frame) if len(frame) else "<p>none</p>"
    return html_details(f"{title} ({len(frame)})", content, is_open=is_open)


def html_details(title: str, content: str, *, is_open: bool = False) -> str:
    """A collapsible section.

    content : HTML
    """
    state = " open" if is_open else ""
    return (
        f"<details{state}><summary>{escape(title)}</summary>"
        f"<div tabindex='0' style='max-height: 34em; overflow: auto'>{content}</div></details>"
    )


def load_reduction(folder: Path) -> tuple[ReductionResult | None, str]:
    """The reduction from its record, and one line about it; None without a usable record."""
    try:
        record = read_finished_record(folder)
        if not record:
            return None, "no record of a finished reduction"
        if record.get("simulated"):
            return None, f"{record['outcome']}, SIMULATED"
        result = ReductionResult.from_dict(record, folder)
    except (InvalidInputError, KeyError, TypeError) as error:
        return None, f"its record is damaged: {error!s}"
    return result, f"{result.outcome}: {result.reason}"


def _links_html(folder: Path) -> str:
    """Links to the files of the reduction, and its directory."""
    links = [file_link(path, LINKED_FILES.get(path.name, path.name)) for path in list_files(folder)]
    return f"<p>{' · '.join([*links, escape(_display_path(folder))])}</p>"


def list_files(folder: Path) -> list[Path]:
    """The existing records of the reduction, and PypeIt's logs."""
    paths = [*(folder / name for name in LINKED_FILES), *list_log_files(folder)]
    return [path for path in paths if path.is_file()]


def _display_path(folder: Path) -> str:
    """A directory relative to the work directory, if it is inside."""
    work_dir = settings.load_settings().work_dir
    return str(folder.relative_to(work_dir) if folder.is_relative_to(work_dir) else folder)


def _table_parts(folder: Path, result: ReductionResult | None) -> Iterator[str]:
    if result:
        yield table_html("science and standard frames", result.to_frame(), is_open=True)
        yield table_html("warnings of PypeIt", result.warnings())
    if not (folder / SCORECARD_FILE).is_file():
        yield "<p>not scored yet</p>"
        return
    try:
        rows = read_scorecard(folder).to_frame()
        # Of the 28 columns those with a value
        columns = [name for name in rows.columns if any(rows[name].astype(str) != "0")]
        yield table_html("scorecard", rows[columns], is_open=True)
    except InvalidInputError as error:
        yield f"<p>{escape(str(error))}</p>"


def _picture_parts(folder: Path, result: ReductionResult | None, file: str) -> Iterator[str]:
    stem = file.removesuffix(".gz").removesuffix(".fits")
    pictures = list_pictures(folder)
    pictures_of_file = [path for path in pictures if stem and path.name.startswith(f"{stem}-")]
    # A calibration has no pictures of its own: all are shown
    shown = pictures_of_file or pictures
    yield html_details(f"QA pictures ({len(shown)})", QaGallery(shown)._repr_html_(), is_open=True)
    if result:
        yield html_details("spectra", _spectra_html(result, file))


def list_pictures(folder: Path) -> list[Path]:
    """PypeIt's QA pictures of all setups, as `qa_gallery.list_pictures` returns them."""
    return [path for setup in _setup_folders(folder) for path in qa_gallery.list_pictures(setup)]


def _spectra_html(result: ReductionResult, file: str) -> str:
    try:
        spectra = [spectrum for spectrum in result.spectra() if file in ("", spectrum.file)]
    except OSError as error:
        return f"<p>can't be read: {escape(str(error))}</p>"
    if not spectra:
        return "<p>none</p>"
    return figure_html(plot_spectra(spectra, MAX_SPECTRA), "extracted spectra")


def _log_parts(folder: Path) -> Iterator[str]:
    for path in list_log_files(folder):
        text = escape("\n".join(read_log_tail(path)[-LOG_LINES:]))
        yield html_details(f"the end of {path.name}", f"<pre>{text}</pre>")


def list_log_files(folder: Path) -> list[Path]:
    """PypeIt's logs of all setups."""
    return [path for setup in _setup_folders(folder) for path in sorted(setup.glob("*.log"))]


def _setup_folders(folder: Path) -> list[Path]:
    return sorted({path.parent for path in folder.glob("*/*.pypeit")})
