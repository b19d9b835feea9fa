"""Details of one observation: its header, its quicklook page, and the DRP's messages about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from kpfnb import runs
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.fits import headers
from kpfnb.core.settings import Settings, load_settings
from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.notebook.display.html import file_link

MAX_RUNS_SEARCHED = 50
"""The newest reprocessings are searched for messages of the DRP."""
NAME_COLUMNS = ("obsid", "name", "observation")


def details_html(row: Mapping[str, Any]) -> str:
    """Details of the observation in a row of a table, as HTML; all text is escaped.

    A row without the name of an observation is an `InvalidInputError`.
    """
    name = next((str(row[column]) for column in NAME_COLUMNS if column in row), "")
    obsid = ObsID.parse(name)
    settings = load_settings()
    raw = obsid.path(settings.kpf_root, KPF.raw)
    page = _quicklook_page(obsid, settings)
    quicklook = file_link(page, "quicklook page") if page.exists() else "no quicklook page yet"
    return (
        f"<h4>{escape(str(obsid))}</h4><p>{quicklook} · {escape(str(raw))}</p>"
        f"{''.join(_drp_messages_html(str(obsid)))}{_header_html(raw)}"
    )


def quicklook_link(name: str) -> str:
    """A name as HTML; for an observation it links to its quicklook page, if that exists."""
    try:
        page = _quicklook_page(ObsID.parse(name), load_settings())
    except InvalidInputError:
        return escape(name)
    return file_link(page, name) if page.exists() else escape(name)


def _quicklook_page(obsid: ObsID, settings: Settings) -> Path:
    return settings.qlp_path / obsid.night / str(obsid) / "index.html"


def _header_html(raw: Path) -> str:
    try:
        cards = headers.read_cards(raw)
    except headers.InvalidHeaderError as error:
        return f"<p>no header: {escape(error.what)}</p>"
    rows = "".join(
        f"<tr><th scope='row'>{escape(card.keyword)}</th><td>{escape(str(card.value))}</td>"
        f"<td>{escape(card.comment)}</td></tr>"
        for card in cards
    )
    return (
        "<details open><summary>L0 header</summary>"
        f"<div tabindex='0' style='max-height: 20em; overflow: auto'><table>{rows}</table></div>"
        "</details>"
    )


def _drp_messages_html(obsid: str) -> Iterator[str]:
    """The messages of the DRP in the newest reprocessing that failed on it."""
    directories = runs.list_directories(load_settings().runs_dir, "reprocess")
    for directory in directories[:MAX_RUNS_SEARCHED]:
        for item in _failed_items(directory):
            if item.get("name", "").startswith(obsid):
                log = Path(item.get("log") or directory / runs.LOG_NAME)
                text = escape(item.get("excerpt") or item.get("reason") or "")
                yield f"<p>{file_link(log, 'log of the DRP')}</p><pre>{text}</pre>"
                return


def _failed_items(directory: Path) -> list[dict[str, Any]]:
    try:
        result = runs.current_record(directory).read_result() or {}
    except (InvalidInputError, OSError):
        return []
    failed: list[dict[str, Any]] = result.get("values", {}).get("failed", [])
    return failed
