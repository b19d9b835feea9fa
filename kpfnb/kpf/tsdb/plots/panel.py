"""A panel as it is written: which keywords are drawn, how, and of which observations.

group: Chamber
panels:
  hallway:
    title: The hallway and the chamber's outside
    rows:
      - {label: temperature, unit: °C, lines: {hallway: kpfmet.TEMP}, upper: 21}
    select: {source: [Star]}

A panel has one of: `rows` (curves over time that share the time axis), `count` (observations, or a
sum over them, by category), `flags` (keywords of 0 and 1, by share) or `states` (texts over time).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, model_validator

from kpfnb.errors import BadParameter
from kpfnb.kpf.tsdb import conditions
from kpfnb.kpf.tsdb.batch import SOURCE
from kpfnb.yamlfile import Strict

GROUPS = (
    *("CCDs", "Cal", "Chamber", "DRP", "Nobs", "Observing"),
    *("QC", "RV", "SoCal", "Subsystems", "WLS"),
)
"""The order in which groups are shown; others come after them."""

# A name becomes that of a file
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)]

Text = Annotated[str, Field(min_length=1, max_length=200)]
Keyword = Annotated[str, Field(min_length=1, max_length=80)]


class Style(StrEnum):
    """How the values of a line are drawn."""

    POINTS = "points"
    LINE = "line"
    """Points joined where no gap is between them."""


class Line(Strict):
    """One curve: (column - minus) * scale. A bare keyword stands for one that is drawn as it is."""

    column: Keyword
    minus: str = ""
    error: str = ""
    """The keyword of its uncertainty, in the unit of `column`."""
    scale: float = 1.0
    style: Style = Style.POINTS

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, data: Any) -> Any:
        return {"column": data} if isinstance(data, str) else data

    def columns(self) -> Iterator[str]:
        """The keywords that it needs."""
        yield from filter(None, (self.column, self.minus, self.error))


class Row(Strict):
    """Curves on one pair of axes, by the label of each."""

    label: Text
    unit: str = ""
    lines: dict[Text, Line] = Field(min_length=1, max_length=24)
    log: bool = False
    relative: bool = False
    """The median of each line over the range is taken off it."""
    lower: float | None = None
    """Thresholds: values below or above them are counted, and the limit is drawn."""
    upper: float | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Row:
        if self.lower is not None and self.upper is not None and self.lower >= self.upper:
            raise ValueError(f"lower ({self.lower:g}) is not below upper ({self.upper:g})")
        return self


class Count(Strict):
    """Observations counted: `by` the values of a keyword, or where keywords are `known`."""

    by: str = ""
    known: dict[Text, Keyword] = {}
    sum: str = ""
    """The values of this keyword are added up instead."""
    scale: float = 1.0
    label: Text = "observations"
    unit: str = ""
    most: int = Field(8, ge=1, le=20)
    """So many categories are shown, the rest together."""

    @model_validator(mode="after")
    def _one_way(self) -> Count:
        if bool(self.by) == bool(self.known):
            raise ValueError("give either by (a keyword) or known (label: keyword)")
        return self


class Select(Strict):
    """Which observations: as in `kpfnb.kpf.tsdb.query`."""

    source: list[str] = []
    object: list[str] = []
    where: list[list[Any]] = []
    not_junk: bool = True

    @model_validator(mode="after")
    def _conditions(self) -> Select:
        try:
            self.conditions()
        except BadParameter as error:
            raise ValueError(f"{error.what}; {error.hint}") from None
        return self

    def conditions(self) -> list[conditions.Condition]:
        """All of them, as conditions."""
        found = conditions.parse(self.where)
        for column, values in ((SOURCE.name, self.source), ("OBJECT", self.object)):
            if values:
                found.append(conditions.Condition(column, "in", values))
        return found


class Panel(Strict):
    """One picture."""

    name: Name
    group: Text
    title: Text
    note: str = ""
    """What one should know when looking at it."""
    rows: list[Row] = []
    count: Count | None = None
    flags: dict[Text, Keyword] = {}
    states: dict[Text, Keyword] = {}
    select: Select = Select()
    qc: list[Keyword] = []
    """Observations for which one of these is 0 are marked."""

    @model_validator(mode="after")
    def _one_kind(self) -> Panel:
        given = [name for name in KINDS if getattr(self, name)]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(f"a panel has one of {', '.join(KINDS)}, not {found}")
        return self

    def drawn(self) -> list[str]:
        """The keywords that are drawn."""
        found = [c for row in self.rows for line in row.lines.values() for c in line.columns()]
        found += [*self.flags.values(), *self.states.values()]
        if self.count:
            found += [*self.count.known.values(), self.count.by, self.count.sum]
        return list(dict.fromkeys(filter(None, found)))

    def columns(self) -> list[str]:
        """All keywords that it needs."""
        wanted = [one.column for one in self.select.conditions()]
        return list(dict.fromkeys([*self.drawn(), *wanted, *self.qc]))


KINDS = ("rows", "count", "flags", "states")
