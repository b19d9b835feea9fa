"""IPAC tables: the same rows always give the same bytes, and no value is truncated."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.core.errors import InvalidInputError

if TYPE_CHECKING:
    from astropy.table import Table

FORMAT = "ascii.ipac"
NULL = "null"


def format_table(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], digits: Mapping[str, int]
) -> str:
    """A table, sorted by its columns from left to right.

    Parameters
    ----------
    rows : values (text, numbers, None) by column
    digits : digits after the point to which the numbers of a column are rounded
    """
    table = _make_table(list(rows), columns, digits)
    out = io.StringIO()
    table.write(out, format=FORMAT)
    # Without the trailing blanks, which mean nothing
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def read_table(path: Path) -> list[dict[str, Any]]:
    """The rows of an IPAC table, None for its nulls; `InvalidInputError` if it is not one."""
    from astropy.table import Table

    try:
        with warnings.catch_warnings():
            # About columns of numbers that hold nulls only
            warnings.simplefilter("ignore")
            table = Table.read(path.read_text(encoding="utf-8"), format=FORMAT)
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise InvalidInputError(
            f"{path.name} is not an IPAC table: {error}", "make it again"
        ) from error
    return [
        {name: _plain_value(value) for name, value in zip(table.colnames, row, strict=True)}
        for row in table
    ]


def _make_table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], digits: Mapping[str, int]
) -> Table:
    from astropy.table import MaskedColumn, Table

    lists = {
        name: [_clean_value(row.get(name), digits.get(name)) for row in rows] for name in columns
    }
    order = sorted(range(len(rows)), key=lambda i: [_sort_key(lists[name][i]) for name in columns])
    table = Table(masked=True)
    for name, values in lists.items():
        values = [values[i] for i in order]
        blank, values = _fill_nulls(values)
        table[name] = MaskedColumn(values, mask=blank, dtype=None if values else "U1")
    return table


def _clean_value(value: Any, digits: int | None) -> str | int | float | None:
    """A value that the table can hold; control characters would end a line or a column."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, bool) or (isinstance(value, int) and value.bit_length() > 63):
        return str(value)
    if isinstance(value, (int, float)):
        return round(value, digits) if digits is not None else value
    text = re.sub(r"\s+", " ", str(value)).strip()
    return "".join(c if c.isprintable() else "?" for c in text) or None


def _fill_nulls(values: list[Any]) -> tuple[list[bool], list[Any]]:
    """Which values are null, and all values with one type."""
    blank = [value is None for value in values]
    types = {type(value) for value in values if value is not None}
    if types and types <= {int, float}:
        kind: type = int if types == {int} else float
    else:
        kind = str
    return blank, [kind() if value is None else kind(value) for value in values]


def _sort_key(value: Any) -> tuple[int, float, str]:
    """Nulls first, then numbers, then texts."""
    if value is None:
        return 0, 0, ""
    return (1, value, "") if isinstance(value, (int, float)) else (2, 0, value)


def _plain_value(value: Any) -> Any:
    import numpy as np

    if value is np.ma.masked:
        return None
    return value.item() if hasattr(value, "item") else str(value)
