"""The values of one keyword for the observations of a chunk, packed.

Numbers are big-endian doubles, NaN for null; texts a JSON array. Where all observations that have
the level have the same value, it is kept once: one double, or one JSON text. What is packed so can
be unpacked by plain SQL (`kpfnb.kpf.tsdb.views`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kpfnb.fitscards import Value
from kpfnb.kpf.tsdb.kinds import Kind, classify, is_nan, text_of, widest

DOUBLE = np.dtype(">f8")

Array = np.ndarray
"""float64 with NaN for null; or objects, text or None."""


class Series(NamedTuple):
    """The values of one keyword, one for each observation."""

    kind: Kind
    values: Array

    def as_text(self) -> Series:
        """The same values as texts."""
        if self.kind is Kind.TEXT:
            return self
        texts = np.empty(self.values.size, dtype=object)
        for row in np.flatnonzero(~np.isnan(self.values)):
            texts[row] = text_of(self.kind, self.values[row])
        return Series(Kind.TEXT, texts)

    def equals(self, other: Series, rows: Array) -> bool:
        """True where both have the same values in those rows (a mask)."""
        if self.kind is not other.kind:
            return False
        mine, others = self.values[rows], other.values[rows]
        return np.array_equal(mine, others, equal_nan=self.kind is not Kind.TEXT)


class Packed(NamedTuple):
    """A series as it is stored; one of `numbers` and `texts` is None."""

    kind: Kind
    numbers: bytes | None
    texts: str | None


def gather(rows: Sequence[int], values: Sequence[Value], size: int) -> Series | None:
    """The series of the values that a keyword has in some rows; None where all are blank."""
    types = set(map(type, values))
    if types == {float}:
        column = np.full(size, np.nan)
        column[list(rows)] = values
        return Series(Kind.FLOAT, column)
    found = [classify(value) for value in values]
    kind = widest(kind for kind, _ in found if kind is not None)
    if kind is None:
        # A number that has never been read is a number all the same
        return Series(Kind.FLOAT, np.full(size, np.nan)) if any(map(is_nan, values)) else None
    if kind is Kind.TEXT:
        texts = np.empty(size, dtype=object)
        for row, (own, value) in zip(rows, found, strict=True):
            texts[row] = text_of(own, value) if own and isinstance(value, float) else value
        return Series(kind, texts)
    column = np.full(size, np.nan)
    column[list(rows)] = [np.nan if value is None else value for _, value in found]
    return Series(kind, column)


def join(parts: Sequence[tuple[Series, Array]], size: int) -> Series:
    """One series of several, each with the rows its values come to; a later one wins."""
    kind = widest(series.kind for series, _ in parts)
    assert kind is not None
    if kind is Kind.TEXT:
        joined = Series(kind, np.empty(size, dtype=object))
        parts = [(series.as_text(), rows) for series, rows in parts]
    else:
        joined = Series(kind, np.full(size, np.nan))
    for series, rows in parts:
        joined.values[rows] = series.values
    return joined


def pack(series: Series, present: Array) -> Packed:
    """Pack a series; `present` is the mask of the observations that have its level."""
    kind, values = series
    own = values[present]
    if kind is Kind.TEXT:
        constant = len(own) > 0 and own[0] is not None and all(own == own[0])
        return Packed(kind, None, _json(own[0] if constant else values.tolist()))
    constant = len(own) > 0 and bool((own == own[0]).all() or np.isnan(own).all())
    kept = own[:1] if constant else values
    return Packed(kind, kept.astype(DOUBLE).tobytes(), None)


def unpack(packed: Packed, present: Array) -> Series:
    """The series that was packed; what is not present is null."""
    kind, numbers, texts = packed
    if numbers is not None:
        found = np.frombuffer(numbers, DOUBLE)
        if found.size == 1:
            return Series(kind, np.where(present, found[0], np.nan))
        return Series(kind, found.astype(np.float64))
    found_texts = json.loads(str(texts))
    column = np.empty(present.size, dtype=object)
    if isinstance(found_texts, str):
        column[present] = found_texts
    else:
        column[:] = found_texts
    return Series(kind, column)


def mask(present: str) -> Array:
    """'1101' as a mask."""
    return np.frombuffer(present.encode("ascii"), np.uint8) == ord("1")


def unmask(rows: Array) -> str:
    """A mask as '1101'."""
    return np.where(rows, b"1", b"0").tobytes().decode("ascii")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
