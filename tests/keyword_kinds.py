"""The kinds of the catalogue of keywords, as values of headers."""

from __future__ import annotations

import re

from kpfnb.kpf.files.keywords import SWITCH_VALUES


def fits_kind(value: object, kind: str) -> bool:
    """Whether a value of a header is of a kind of the catalogue."""
    if kind == "flag":
        return value in (0, 1)
    if kind == "switch":
        return isinstance(value, bool) or str(value).lower() in SWITCH_VALUES
    if kind == "time":
        return isinstance(value, str) and bool(re.match(r"\d{4}-\d\d-\d\dT\d\d:", value))
    if kind == "hst-time":
        hst = r"\d{8}T\d\d:\d\d:\d\d HST|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+"
        return isinstance(value, str) and bool(re.fullmatch(hst, value))
    if kind == "float" and isinstance(value, str):
        return bool(re.fullmatch(r"-?\d+(\.\d+)?", value))  # GAIAMAG is text: '-26.9'
    wanted = {"int": int, "float": int | float, "text": str}[kind]
    return isinstance(value, wanted) and not isinstance(value, bool)
