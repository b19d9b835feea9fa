"""Lists of observations: the first column of a CSV file, as Jump and spreadsheets write it."""

from __future__ import annotations

from pathlib import Path

from kpfnb.errors import BadInput


def first_column(path: Path | str) -> list[str]:
    """The first cell of each line without quotes and spaces, '' for a blank one.

    Lines are split by hand: one row with an unbalanced quote must not swallow those below it.
    CRLF, a byte order mark and odd bytes do no harm. A file that can't be read is a `BadInput`.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise BadInput(
            f"can't read the list {path}: {error.strerror}", "name a CSV file that is there"
        ) from None
    return [clean(line.split(",", 1)[0]) for line in text.splitlines()]


def clean(cell: str) -> str:
    """A name without the quotes and spaces around it."""
    return cell.strip().strip("\"'").strip()
