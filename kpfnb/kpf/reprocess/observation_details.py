"""What is known of one observation: its header, its quicklook page, what the DRP said about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from kpfnb import runs
from kpfnb.core import settings
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.fits import headers
from kpfnb.core.settings import Settings
from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.notebook.display.html import file_link

MAX_RUNS_SEARCHED = 50
"""So many reprocessings, newest first, are searched for what the DRP said."""
NAME_COLUMNS = ("obsid", "name", "observation")


def details_html(row: Mapping[str, Any]) -> str:
    """The evidence about the observation that a row names, as HTML; all text escaped.

    `InvalidInputError` for a row that names none.
    """
    name = next((str(row[one]) for one in NAME_COLUMNS if one in row), "")
    obsid = ObsID.parse(name)
    here = settings.load_settings()
    raw = obsid.path(here.kpf_root, KPF.raw)
    page = _quicklook_page(obsid, here)
    looks = file_link(page, "quicklook page") if page.exists() else "no quicklook page yet"
    return (
        f"<h4>{escape(str(obsid))}</h4><p>{looks} · {escape(str(raw))}</p>"
        f"{''.join(_drp_messages_html(str(obsid)))}{_header_html(raw)}"
    )


def quicklook_link(name: str) -> str:
    """A name as HTML; that of an observation leads to its quicklook page, where there is one."""
    try:
        page = _quicklook_page(ObsID.parse(name), settings.load_settings())
    except InvalidInputError:
        return escape(name)
    return file_link(page, name) if page.exists() else escape(name)


def _quicklook_page(obsid: ObsID, here: Settings) -> Path:
    return here.qlp_path / obsid.night / str(obsid) / "index.html"


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
        "<details open><summary>header of the L0</summary>"
        f"<div tabindex='0' style='max-height: 20em; overflow: auto'><table>{rows}</table></div>"
        "</details>"
    )


def _drp_messages_html(obsid: str) -> Iterator[str]:
    """What the DRP's log says, in the newest reprocessing that failed on it."""
    for directory in runs.list_directories(settings.load_settings().runs_dir, "reprocess")[
        :MAX_RUNS_SEARCHED
    ]:
        for item in _failed_items(directory):
            if item.get("name", "").startswith(obsid):
                log = Path(item.get("log") or directory / runs.LOG_NAME)
                text = escape(item.get("excerpt") or item.get("reason") or "")
                yield f"<p>the DRP: {file_link(log, 'its log')}</p><pre>{text}</pre>"
                return


def _failed_items(directory: Path) -> list[dict[str, Any]]:
    try:
        result = runs.current_record(directory).read_result() or {}
    except (InvalidInputError, OSError):
        return []
    failed: list[dict[str, Any]] = result.get("values", {}).get("failed", [])
    return failed
