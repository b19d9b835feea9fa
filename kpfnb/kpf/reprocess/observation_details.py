"""What is known of one observation: its header, its quicklook page, what the DRP said about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from kpfnb import fitsheader, runs, settings
from kpfnb.errors import BadInput
from kpfnb.kpf.obsid import KPF, ObsID
from kpfnb.links import link
from kpfnb.settings import Settings

RUNS_LOOKED_AT = 50
"""So many reprocessings, newest first, are searched for what the DRP said."""
NAMES = ("obsid", "name", "observation")


def of(row: Mapping[str, Any]) -> str:
    """The evidence about the observation that a row names, as HTML; all text escaped.

    `BadInput` for a row that names none.
    """
    name = next((str(row[one]) for one in NAMES if one in row), "")
    obsid = ObsID.parse(name)
    here = settings.load()
    raw = obsid.path(here.kpf_root, KPF.raw)
    page = _page(obsid, here)
    looks = link(page, "quicklook page") if page.exists() else "no quicklook page yet"
    return (
        f"<h4>{escape(str(obsid))}</h4><p>{looks} · {escape(str(raw))}</p>"
        f"{''.join(_said(str(obsid)))}{_header(raw)}"
    )


def quicklook(name: str) -> str:
    """A name as HTML; that of an observation leads to its quicklook page, where there is one."""
    try:
        page = _page(ObsID.parse(name), settings.load())
    except BadInput:
        return escape(name)
    return link(page, name) if page.exists() else escape(name)


def _page(obsid: ObsID, here: Settings) -> Path:
    return here.qlp_path / obsid.night / str(obsid) / "index.html"


def _header(raw: Path) -> str:
    try:
        cards = fitsheader.cards(raw)
    except fitsheader.BadHeader as error:
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


def _said(obsid: str) -> Iterator[str]:
    """What the DRP's log says, in the newest reprocessing that failed on it."""
    for directory in runs.directories(settings.load().runs_dir, "reprocess")[:RUNS_LOOKED_AT]:
        for item in _failed(directory):
            if item.get("name", "").startswith(obsid):
                log = Path(item.get("log") or directory / runs.LOG_NAME)
                text = escape(item.get("excerpt") or item.get("reason") or "")
                yield f"<p>the DRP: {link(log, 'its log')}</p><pre>{text}</pre>"
                return


def _failed(directory: Path) -> list[dict[str, Any]]:
    try:
        result = runs.look(directory).result() or {}
    except (BadInput, OSError):
        return []
    failed: list[dict[str, Any]] = result.get("values", {}).get("failed", [])
    return failed
