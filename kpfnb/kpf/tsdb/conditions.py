"""Conditions on columns: [column, operator, value], decided on arrays; never part of any SQL."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from kpfnb.errors import BadParameter
from kpfnb.kpf.tsdb.kinds import Kind, microseconds
from kpfnb.kpf.tsdb.packing import Array, Series

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_OF_MANY = ("in", "not in")
_MANY = (list, tuple, set, frozenset, np.ndarray)
OPERATORS = (*_COMPARE, "!=", *_OF_MANY)

_HINT = "write conditions as [column, operator, value], such as ['AIRMASS', '<', 1.5]"


class Condition(NamedTuple):
    """One condition; a null never fulfils it."""

    column: str
    operator: str
    value: Any

    def test(self, series: Series) -> Array:
        """The mask of the values that fulfil it.

        Raises
        ------
        BadParameter : the value is not of the column's kind
        """
        if self.operator in _OF_MANY:
            wanted = [self._converted(one, series.kind) for one in self.value]
            found = np.isin(series.values, wanted) if wanted else np.zeros(len(series.values), bool)
            return _known(series) & (found if self.operator == "in" else ~found)
        value = self._converted(self.value, series.kind)
        known = _known(series)
        mask = np.zeros(known.size, dtype=bool)
        compare = _COMPARE.get(self.operator, operator.ne)
        mask[known] = compare(series.values[known], value)
        return mask

    def _converted(self, value: Any, kind: Kind) -> Any:
        converted = _convert(value, kind)
        if converted is None:
            raise BadParameter(f"condition on {self.column}: {value!r} is no {kind}", _HINT)
        return converted


def parse(given: Sequence[Sequence[Any]] | None) -> list[Condition]:
    """Conditions as they are written; all of them must hold."""
    parsed = []
    for one in given or ():
        if isinstance(one, str) or len(one) != len(Condition._fields):
            raise BadParameter(f"condition {one!r}", _HINT)
        condition = Condition(*one)
        if condition.operator not in OPERATORS:
            known = ", ".join(OPERATORS)
            raise BadParameter(f"operator {condition.operator!r} of a condition", f"known: {known}")
        if condition.operator in _OF_MANY and not isinstance(condition.value, _MANY):
            told = f"condition on {condition.column}: {condition.value!r} is no list"
            raise BadParameter(told, "write ['IMTYPE', 'in', ['Bias', 'Dark']]")
        parsed.append(condition)
    return parsed


def _known(series: Series) -> Array:
    if series.kind is Kind.TEXT:
        return np.array([value is not None for value in series.values], dtype=bool)
    return ~np.isnan(series.values)


def _convert(value: Any, kind: Kind) -> float | str | None:
    """A value as a column of that kind holds it; None where it can't."""
    if kind is Kind.TEXT:
        return value if isinstance(value, str) else None
    if kind is Kind.TIME:
        text = value.isoformat() if hasattr(value, "isoformat") else str(value)
        return microseconds(text.removesuffix("+00:00"))
    return float(value) if isinstance(value, int | float | np.number) else None
