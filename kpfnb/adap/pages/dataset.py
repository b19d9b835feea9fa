"""The page of one dataset: its frames, scorecard, warnings, spectra and QA pictures.

The page includes its pictures and has no script. It stays when the local copy of the dataset is
removed.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kpfnb.adap.pages import dataset_actions, reduction_details
from kpfnb.adap.products import qa_gallery
from kpfnb.adap.products.qa_gallery import QaGallery
from kpfnb.adap.products.spectra import plot_spectra
from kpfnb.adap.pypeit.log import read_log_tail
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.adap.score.scorecard import read_scorecard
from kpfnb.adap.score.scored_slits import BAD_SLIT_COLUMNS, BadSlit, read_bad_slits
from kpfnb.core import settings
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.core.text import format_duration, format_size
from kpfnb.runs import RunRecord, formatting, report
from kpfnb.runs.actions import PageAction

if TYPE_CHECKING:
    import pandas as pd

TEMPLATE, STYLE = "dataset.html", "scorecard.css"
QA_BYTES = 1_200_000
"""The size limit of all pictures as base64: there may be hundreds of these pages."""
MAX_WARNINGS = 100
LOG_LINES = 40

MEASURE_LABELS = {
    "science_file": "Frame",
    "date": "Reduced (UT)",
    "status": "Status",
    "bad_slit_count": "Bad slits",
    "det_count": "Detectors",
    "slit_count": "Slits",
    "slit_std_chi_out_of_range": "Slits with bad residuals (chi)",
    "slit_wv_cov_under_thresh": "Slits with low coverage by arc lines",
    "slit_rms_over_thresh": "Slits with high RMS of the wavelengths",
    "slit_spec_flex_over_thresh": "Slits with large flexure",
    "total_bad_flags": "Slits with a flag of PypeIt",
    "bad_wv_count": "Slits without wavelengths",
    "bad_tilt_count": "Slits without tilts",
    "bad_flat_count": "Slits with a bad flat",
    "skip_flat_count": "Slits without a flat",
    "bad_skysub_count": "Slits with failed sky subtraction",
    "bad_extract_count": "Slits with failed extraction",
    "object_count": "Objects",
    "obj_rms_over_thresh": "Objects with high RMS of the wavelengths",
    "object_flex_shift_over_thresh": "Objects with large flexure",
    "object_without_opt_with_box": "Objects with box extraction only",
    "object_without_opt_wo_box": "Objects without extraction",
    "maskdef_extract_count": "Objects extracted from the mask design",
    "exec_time": "Run time",
    "mem_usage": "Peak memory",
    "git_commit": "PypeIt",
    "reduce_dir": "Directory",
}
"""The columns of a scorecard, with their names on the page."""


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
    page_folder : directory of the page
    runs : the runs of notebooks on this dataset, newest first
    """
    from markupsafe import Markup

    style = formatting.stylesheet() + formatting.template_source(STYLE)
    result, summary = reduction_details.load_reduction(folder)
    gallery = QaGallery(reduction_details.list_pictures(folder), QA_BYTES)
    shown, left_out = gallery.choose_thumbnails()
    has_succeeded = result and result.outcome is Outcome.SUCCEEDED
    return str(
        formatting.template_environment()
        .get_template(TEMPLATE)
        .render(
            title=name,
            badge=badge,
            summary=summary,
            action=_reduce_again(name, result),
            zone=settings.load_settings().zone.key,
            up=os.path.relpath(page_folder.parents[2], page_folder),
            figures=result.key_figures() if result else {},
            tables=[*_reduction_tables(result), *_scorecard_tables(folder)],
            spectra=_spectra_image(result) if result else "",
            pictures=[_picture_context(path, encoded, page_folder) for path, encoded in shown],
            runs=[_run_link(record, page_folder) for record in runs],
            left_out=left_out,
            logs=[] if has_succeeded else _log_ends(folder),
            links=[
                {"text": path.name, "target": _relative_link(path, page_folder)}
                for path in reduction_details.list_files(folder)
            ],
            # The package's own style sheets
            style=Markup(style),  # noqa: S704
            policy=report.content_policy(style),
        )
    )


def _reduce_again(name: str, result: ReductionResult | None) -> PageAction | None:
    """What to do if not everything is reduced; the record says of which spectrograph it is."""
    if not result or result.outcome is Outcome.SUCCEEDED:
        return None
    return dataset_actions.reduce_again(name, dataset_actions.spectrograph_of([result]))


def _reduction_tables(result: ReductionResult | None) -> Iterable[dict[str, Any]]:
    """The tables of frames, commands and warnings."""
    if not result:
        return
    yield _table_context("Science and standard frames", result.to_frame())
    yield _table_context("Time and memory", result.timing())
    warnings = result.warnings()
    more = len(warnings) - MAX_WARNINGS
    yield _table_context(
        "Useful warnings",
        warnings.head(MAX_WARNINGS),
        note=f"and {more} more, in the logs" if more > 0 else "",
    )


def _scorecard_tables(folder: Path) -> Iterable[dict[str, Any]]:
    """The scorecard with a column for each frame, and the bad slits; or why there is none."""
    try:
        rows = read_scorecard(folder).to_frame()
        bad_slits = read_bad_slits(folder)
    except InvalidInputError as error:
        yield {"title": "Scorecard", "names": [], "rows": [], "note": error.what}
        return
    # The name of the dataset is the title of the page
    rows = rows.drop(columns="dataset")
    shown = [name for name in rows.columns if any(rows[name].astype(str) != "0")]
    rows = rows[shown].astype(object)
    shown_values: dict[str, Callable[[Any], str]] = {
        "exec_time": format_duration,
        "mem_usage": format_size,
        "date": _format_date,
    }
    for name, format_value in shown_values.items():
        if name in shown:
            rows[name] = rows[name].map(format_value)
    measures = rows.rename(columns=MEASURE_LABELS).set_index("Frame").T.reset_index(names="Measure")
    yield _table_context(
        "Scorecard", measures, note="Measures that are 0 in all frames are not shown."
    )
    frame = _bad_slits_table(bad_slits)
    yield _table_context("Bad slits", frame, note="" if len(frame) else "none")


def _format_date(text: Any) -> str:
    return str(text)[:16].replace("T", " ")


def _bad_slits_table(slits: Iterable[BadSlit]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([(slit.slit_id, slit.spec2d) for slit in slits], columns=BAD_SLIT_COLUMNS)


def _table_context(title: str, frame: pd.DataFrame, *, note: str = "") -> dict[str, Any]:
    """A table for the template: texts, '' for missing values, without empty columns."""
    frame = frame[[name for name in frame.columns if any(frame[name].dropna() != "")]]
    rows = [
        [
            "" if is_missing else str(value)
            for value, is_missing in zip(row, missing_values, strict=True)
        ]
        for row, missing_values in zip(frame.to_numpy(object), frame.isna().to_numpy(), strict=True)
    ]
    return {"title": title, "names": list(map(str, frame.columns)), "rows": rows, "note": note}


def _spectra_image(result: ReductionResult) -> str:
    """The spectra with the best signal as base64 of a PNG; '' if none can be read."""
    try:
        spectra = result.spectra()
    except OSError:
        # The table of frames says what is wrong with a product
        return ""
    if not spectra:
        return ""
    image = io.BytesIO()
    figure = plot_spectra(spectra, reduction_details.MAX_SPECTRA)
    dpi = reduction_details.PICTURE_DPI
    figure.savefig(image, format="png", dpi=dpi, metadata={"Software": None})
    return base64.b64encode(image.getvalue()).decode("ascii")


def _relative_link(path: Path, page_folder: Path) -> str:
    return quote(os.path.relpath(path, page_folder))


def _run_link(record: RunRecord, page_folder: Path) -> dict[str, str]:
    """A run by its start; its outcome is in its report, which is written after this page."""
    zone = settings.load_settings().zone
    started = datetime.fromisoformat(record.started).astimezone(zone)
    return {
        "text": f"{record.notebook} {started:%Y-%m-%d %H:%M}",
        "target": _relative_link(record.directory / "report.html", page_folder),
    }


def _picture_context(path: Path, encoded: str, page_folder: Path) -> dict[str, str]:
    """One picture; it links to the full-size one if that is a file and not in an archive."""
    return {
        "target": _relative_link(path, page_folder) if path.is_file() else "",
        "title": qa_gallery.PICTURE_TITLES.get(qa_gallery.picture_kind(path), ""),
        "name": path.stem,
        "data": encoded,
    }


def _log_ends(folder: Path) -> list[dict[str, str]]:
    """The end of each log."""
    return [
        {"name": path.name, "text": "\n".join(read_log_tail(path)[-LOG_LINES:])}
        for path in reduction_details.list_log_files(folder)
    ]
