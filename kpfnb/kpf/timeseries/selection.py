"""The observations of an exploration as people type them: conditions, sources and objects."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from kpfnb.core.errors import InvalidParameterError
from kpfnb.core.text import suggest_name
from kpfnb.kpf.files.exposure import SOURCE_TYPES
from kpfnb.kpf.timeseries.star_names import MAX_SUGGESTIONS, name_key
from kpfnb.kpf.tsdb.columns import OPERATORS

_OPERATOR_SIGNS = sorted(
    (sign for sign in OPERATORS if not sign.isalpha() and " " not in sign), key=len
)[::-1]
_CONDITION = re.compile(rf"\s*(\S+?)\s*({'|'.join(map(re.escape, _OPERATOR_SIGNS))})\s*(.+?)\s*")


def resolve_sources(names: Sequence[str]) -> list[str]:
    """Kinds of source, whatever their case; `InvalidParameterError` for an unknown one."""
    known = {source.casefold(): source for source in SOURCE_TYPES}
    for name in names:
        if name.casefold() not in known:
            raise InvalidParameterError(f"no source {name!r}", suggest_name(name, SOURCE_TYPES))
    return [known[name.casefold()] for name in names]


def resolve_objects(names: Sequence[str], values: Iterable[str | None]) -> list[str]:
    """The values of OBJECT that are meant by names as people type them.

    Raises
    ------
    InvalidParameterError : no observation has a name; the message suggests others
    """
    spellings: dict[str, list[str]] = {}
    for value in sorted({value for value in values if value}):
        spellings.setdefault(name_key(value), []).append(value)
    resolved = []
    for name in names:
        key = name_key(name)
        if key not in spellings:
            near = difflib.get_close_matches(key, spellings, n=MAX_SUGGESTIONS)
            similar = ", ".join(spellings[other][0] for other in near)
            raise InvalidParameterError(
                f"no observation of this range has OBJECT {name!r}",
                f"did you mean {similar}?" if similar else "list of the stars: kpfnb star --list",
            )
        resolved += [name] if name in spellings[key] else spellings[key]
    return resolved


def parse_condition_texts(texts: Iterable[str]) -> list[list[Any]]:
    """Parse conditions written as text: KEYWORD, operator and value.

    Raises
    ------
    InvalidParameterError : a text is not a condition
    """
    conditions: list[list[Any]] = []
    for text in texts:
        match = _CONDITION.fullmatch(text)
        if not match:
            signs = " ".join(_OPERATOR_SIGNS)
            raise InvalidParameterError(
                f"condition {text!r}", f"write AIRMASS < 1.5; operators: {signs}"
            )
        column, sign, value = match.groups()
        conditions.append([column, sign, _parse_value(value)])
    return conditions


def _parse_value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text.strip("'\"")
