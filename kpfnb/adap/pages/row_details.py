"""What a chosen row of a result's table leads to, as HTML: pictures, spectra, logs, findings.

A result class knows nothing of its pages: each one registers its function here.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial, singledispatch
from pathlib import Path
from typing import Any

from kpfnb import storage
from kpfnb.adap.archive.result import DeliveryResult
from kpfnb.adap.coadd import exposures
from kpfnb.adap.coadd.products import CoaddProduct
from kpfnb.adap.coadd.result import CoaddResult
from kpfnb.adap.coadd.run import CombinedCoaddResult
from kpfnb.adap.pages import dataset_actions, reduction_details
from kpfnb.adap.prepare.preparation import PreparationResult
from kpfnb.adap.products import dataset
from kpfnb.adap.products.qa_gallery import QaGallery
from kpfnb.adap.reduce.batch_result import DatasetResult, ReductionBatchResult
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.adap.score.result import BadSlitEntry, ScoreResult, find_entry_pictures
from kpfnb.adap.score.scorecard import Scorecard
from kpfnb.notebook import links
from kpfnb.notebook.display import figures
from kpfnb.notebook.display.html import file_link


@singledispatch
def row_details(result: object, row: Mapping[str, Any]) -> str:
    """The details of a row of one of a result's tables, all text escaped.

    row : values by column

    `TypeError` if no details are registered for such a result.
    """
    raise TypeError(f"no row details are registered for {type(result).__name__}")


def row_details_of(result: object) -> Callable[[Mapping[str, Any]], str]:
    """The function that gives the details of a result's rows, for `Session.table`."""
    return partial(row_details, result)


@row_details.register
def _preparation_row(result: PreparationResult, row: Mapping[str, Any]) -> str:
    """Details of a dataset: its frames, and its reduction if there is one."""
    name = str(row["dataset"])
    columns = ["file", "night", "types", "target", "state", "note"]
    frames = result.frames.frames()
    frames = frames.loc[frames["dataset"] == name, columns]
    text = f"<h4>{html.escape(name)}</h4>"
    text += reduction_details.table_html("frames", frames, is_open=True)
    calibrations = result.calibrations()
    if len(calibrations):
        calibrations = calibrations[calibrations["dataset"] == name].drop(columns="dataset")
        text += reduction_details.table_html("frames that PypeIt uses", calibrations)
    folder = result.frames.root / name / dataset.COMPLETE / "reduce"
    return text + (reduction_details.details_html(folder, name) if folder.is_dir() else "")


@row_details.register
def _score_row(result: ScoreResult, row: Mapping[str, Any]) -> str:
    """Details of a frame or a slit: the pictures of the slit, and the reduction."""
    spec2d, slit, file = (str(row.get(name, "")) for name in ("spec2d", "slit", "science_file"))
    # A dataset may be reduced twice
    cards = [
        card
        for card in result.cards
        if card.dataset == row.get("dataset") and _has_frame(card, file, spec2d)
    ]
    entries = [
        BadSlitEntry(card, scored)
        for card in cards
        for scored in card.slits
        if (scored.spec2d, scored.slit.name) == (spec2d, slit)
    ]
    text = ""
    if slit:
        pictures = [path for paths in find_entry_pictures(entries) for path in paths]
        text = f"<h4>{html.escape(f'{spec2d} · {slit}')}</h4>{QaGallery(pictures)._repr_html_()}"
    return text + "".join(
        reduction_details.details_html(card.folder, card.dataset, file=file) for card in cards
    )


def _has_frame(card: Scorecard, file: str, spec2d: str) -> bool:
    files = {row.science_file for row in card.rows}
    return file in files if file else spec2d in {scored.spec2d for scored in card.slits}


@row_details.register
def _reduction_row(result: ReductionResult, row: Mapping[str, Any]) -> str:
    """Details of a frame: its QA pictures, its spectra, and the reduction."""
    file = str(row.get("file", ""))
    return reduction_details.details_html(result.output, result.output.name, file=file)


@row_details.register
def _batch_row(result: ReductionBatchResult, row: Mapping[str, Any]) -> str:
    """Details of a dataset, or of one of its frames."""
    file = str(row.get("file", ""))
    parts = [part for part in result.parts if part.name == row.get("name")]
    summaries = [
        f"<p>{html.escape(f'{part.name}: {part.outcome}: {part.reason}')}</p>" for part in parts
    ]
    actions = [f"<p>{_reduce_again_html(part)}</p>" for part in parts if not part.outcome.is_good]
    return "".join([*summaries, *actions]) + "".join(
        reduction_details.details_html(reduction.output, part.name, file=file)
        for part in parts
        for reduction in part.reductions
    )


def _reduce_again_html(part: DatasetResult) -> str:
    """A link that fills in the notebook for a dataset; '' for a .pypeit file."""
    spectrograph = dataset_actions.spectrograph_of(part.reductions)
    action = dataset_actions.reduce_again(part.name, spectrograph)
    return str(links.action_html(action)) if action else ""


@row_details.register
def _coadd_row(result: CoaddResult, row: Mapping[str, Any]) -> str:
    """Details of a coadd: its plot, its exposures and its files."""
    chosen = (product for product in result.coadds if product.name == row["coadd"])
    return "".join(_product_html(result, product) for product in chosen)


def _product_html(result: CoaddResult, product: CoaddProduct) -> str:
    plot = figures.plot(replace(result, coadds=(product,)))
    paths = [result.output / name for name in product.products]
    logs = sorted(result.output.glob("*.log"))
    links = " · ".join(file_link(path, path.name) for path in [*paths, *logs])
    names = "".join(f"<li>{html.escape(name)}</li>" for name in product.frames)
    exposure_list = reduction_details.html_details(
        f"exposures ({len(product.frames)})", f"<ul>{names}</ul>"
    )
    return (
        f"<h4>{html.escape(f'{product.target}: {product.name}')}</h4>"
        f"<p>{html.escape(product.reason)}</p><p>{links}</p>"
        f"{reduction_details.figure_html(plot, product.name)}{exposure_list}"
    )


@row_details.register
def _combined_coadd_row(result: CombinedCoaddResult, row: Mapping[str, Any]) -> str:
    """Details of a coadd, or of the reduction of an exposure."""
    if "coadd" in row:
        parts = [part for part in result.parts if part.kind.upper() == row["of"]]
        return "".join(_coadd_row(part, row) for part in parts)
    night, _, file = str(row["file"]).rpartition("/")
    title = " · ".join(filter(None, [result.root.name, night]))
    return "".join(
        reduction_details.details_html(folder, title, file=file)
        for date, folder in exposures.find_reductions(result.root)
        if date == night
    )


@row_details.register
def _delivery_row(result: DeliveryResult, row: Mapping[str, Any]) -> str:
    """Details of a unit: its findings, and its reductions if the source is on this machine."""
    unit = str(row["unit"])
    findings = result.findings()
    table = reduction_details.table_html(
        "findings", findings[findings["unit"] == unit], is_open=True
    )
    source = storage.resolve_location(result.source)
    if not source.is_local:
        return f"<h4>{html.escape(unit)}</h4>{table}"
    complete = Path(source.argument) / unit / dataset.COMPLETE
    folders = [path for path in sorted(complete.glob(dataset.REDUCTION_PATTERN)) if path.is_dir()]
    return table + "".join(reduction_details.details_html(folder, unit) for folder in folders)
