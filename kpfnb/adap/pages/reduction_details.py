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

from kpfnb import settings, tables
from kpfnb.adap.pypeit import pypeitlog
from kpfnb.adap.reducing import gallery, workplace
from kpfnb.adap.reducing.gallery import Gallery
from kpfnb.adap.reducing.reduced import Reduction
from kpfnb.adap.scoring import badslits, scorecard
from kpfnb.errors import BadInput
from kpfnb.links import link

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FILES = {
    workplace.RECORD: "record",
    scorecard.FILE: "scorecard",
    badslits.FILE: "bad slits",
}
LOG_LINES = 40
MOST_SPECTRA = 4
PICTURE_DPI = 70


def of(folder: Path, title: str, *, file: str = "") -> str:
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
    made, told = record(folder)
    parts = [*_tables(folder, made), *_pictures(folder, made, file), *_logs(folder)]
    return f"{head}<p>{escape(told)}</p>{_links(folder)}{''.join(parts)}"


def picture(figure: Figure, alt: str) -> str:
    """A figure as an image that the page carries."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=PICTURE_DPI)
    data = base64.b64encode(image.getvalue()).decode("ascii")
    return f"<img alt='{escape(alt, quote=True)}' src='data:image/png;base64,{data}'>"


def table(title: str, frame: pd.DataFrame, *, is_open: bool = False) -> str:
    """A table to be opened, with its length in the title; all text escaped."""
    count = f"{title} ({len(frame)})"
    return fold(count, tables.html(frame) if len(frame) else "<p>none</p>", is_open=is_open)


def fold(title: str, content: str, *, is_open: bool = False) -> str:
    """Content, which is HTML already, to be opened."""
    state = " open" if is_open else ""
    return (
        f"<details{state}><summary>{escape(title)}</summary>"
        f"<div tabindex='0' style='max-height: 34em; overflow: auto'>{content}</div></details>"
    )


def record(folder: Path) -> tuple[Reduction | None, str]:
    """The reduction by its record, and a line about it; None where the record can't tell."""
    try:
        found = workplace.finished(folder)
        if not found:
            return None, "no record of its end"
        if found.get("simulated"):
            return None, f"{found['outcome']}, SIMULATED"
        made = Reduction.from_dict(found, folder)
    except (BadInput, KeyError, TypeError) as error:
        return None, f"its record is damaged: {error!s}"
    return made, f"{made.outcome}: {made.reason}"


def _links(folder: Path) -> str:
    """What is there as a file: the records of the reduction, and the logs of PypeIt."""
    found = [link(path, FILES.get(path.name, path.name)) for path in files(folder)]
    return f"<p>{' · '.join([*found, escape(_place(folder))])}</p>"


def files(folder: Path) -> list[Path]:
    """Those that there are: its records, and the logs of PypeIt."""
    places = [*(folder / name for name in FILES), *log_files(folder)]
    return [path for path in places if path.is_file()]


def _place(folder: Path) -> str:
    """A folder for people: below the work directory where it is there."""
    work_dir = settings.load().work_dir
    return str(folder.relative_to(work_dir) if folder.is_relative_to(work_dir) else folder)


def _tables(folder: Path, made: Reduction | None) -> Iterator[str]:
    if made:
        yield table("science and standard frames", made.to_frame(), is_open=True)
        yield table("warnings of PypeIt", made.warnings())
    if not (folder / scorecard.FILE).is_file():
        yield "<p>not scored yet</p>"
        return
    try:
        rows = scorecard.read(folder).to_frame()
        # Of 28 columns those that count something
        told = [name for name in rows.columns if any(rows[name].astype(str) != "0")]
        yield table("scorecard", rows[told], is_open=True)
    except BadInput as error:
        yield f"<p>{escape(str(error))}</p>"


def _pictures(folder: Path, made: Reduction | None, file: str) -> Iterator[str]:
    stem = file.removesuffix(".gz").removesuffix(".fits")
    found = pictures(folder)
    own = [path for path in found if path.name.startswith(f"{stem}-")] if stem else []
    # A frame without pictures of its own is an arc, a flat: those are told by all
    shown = own or found
    yield fold(f"QA pictures ({len(shown)})", Gallery(shown)._repr_html_(), is_open=True)
    if made:
        yield fold("spectra", _spectra(made, file))


def pictures(folder: Path) -> list[Path]:
    """PypeIt's QA pictures of all setups, as `gallery.pictures` gives them."""
    return [path for setup in _setups(folder) for path in gallery.pictures(setup)]


def _spectra(made: Reduction, file: str) -> str:
    from kpfnb.adap.reducing import spectra

    try:
        found = [one for one in made.spectra() if file in ("", one.file)]
    except OSError as error:
        return f"<p>can't be read: {escape(str(error))}</p>"
    if not found:
        return "<p>none</p>"
    return picture(spectra.figure(found, MOST_SPECTRA), "extracted spectra")


def _logs(folder: Path) -> Iterator[str]:
    for path in log_files(folder):
        text = escape("\n".join(pypeitlog.tail(path)[-LOG_LINES:]))
        yield fold(f"the end of {path.name}", f"<pre>{text}</pre>")


def log_files(folder: Path) -> list[Path]:
    """PypeIt's logs of all setups."""
    return [path for setup in _setups(folder) for path in sorted(setup.glob("*.log"))]


def _setups(folder: Path) -> list[Path]:
    return sorted({path.parent for path in folder.glob("*/*.pypeit")})
