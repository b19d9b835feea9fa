"""The book that an address, or the setting `sheet`, names."""

from __future__ import annotations

from pathlib import Path

from kpfnb import settings
from kpfnb.sheets import address
from kpfnb.sheets.google import PATIENCE_SECONDS, GoogleBook
from kpfnb.sheets.local import LocalBook
from kpfnb.sheets.table import Book


def open(spec: str | Path | None = None, *, patience_seconds: float = PATIENCE_SECONDS) -> Book:
    """A Google spreadsheet, or a local workbook; nothing is read yet.

    Parameters
    ----------
    spec : `spreadsheet/worksheet@COLUMN`, `key=...`, or a Path: the folder of a workbook; by
        default the setting `sheet`. Where that is empty, it is the workbook in the work directory.
    patience_seconds : how long a call is tried again while Google is busy or does not answer

    Raises
    ------
    BadParameter : the address can't be read
    """
    chosen = settings.load()
    wanted = spec or chosen.sheet or chosen.work_dir / "workbook"
    if isinstance(wanted, Path):
        return LocalBook(wanted)
    return GoogleBook(
        address.parse(wanted), chosen.sheet_credentials, patience_seconds=patience_seconds
    )
