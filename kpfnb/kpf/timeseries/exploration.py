"""Free exploration: a panel, or any keywords, over any range and any observations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb import cells, files
from kpfnb.errors import BadParameter
from kpfnb.kpf.timeseries import period
from kpfnb.kpf.tsdb import catalogue, database
from kpfnb.kpf.tsdb.conditions import OPERATORS
from kpfnb.kpf.tsdb.kinds import Kind
from kpfnb.kpf.tsdb.plots import curves, data, definitions, drawing, eras, reduction
from kpfnb.kpf.tsdb.plots.data import View
from kpfnb.kpf.tsdb.plots.panel import Panel
from kpfnb.kpf.tsdb.plots.span import Span
from kpfnb.outcomes import Outcome
from kpfnb.result import Brief

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.hovering import Hovered

FREE = "keywords"
"""The name of the panel that is made of keywords."""

_SIGNS = sorted((one for one in OPERATORS if not one.isalpha() and " " not in one), key=len)[::-1]
_CONDITION = re.compile(rf"\s*(\S+?)\s*({'|'.join(map(re.escape, _SIGNS))})\s*(.+?)\s*")


@dataclass(frozen=True, repr=False)
class Exploration(Brief):
    """Some observations, and how they are looked at."""

    view: View
    span: Span
    title: str

    @property
    def outcome(self) -> Outcome:
        """It could be looked at, also where nothing was found."""
        return Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """One line."""
        missing = self.view.missing
        lacks = f"; not in the database: {', '.join(missing)}" if missing else ""
        return (
            f"{self.view.panel.title}: {self.view.times.size:,} observations, {self.title}{lacks}"
        )

    def figures(self) -> dict[str, int | float | str]:
        """Key figures."""
        return {"panel": self.view.panel.name, "observations": int(self.view.times.size)}

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        summary = self.summary().reset_index().to_dict("records")
        missing = self.view.missing
        return {"outcome": self.outcome, **self.figures(), "missing": missing, "summary": summary}

    def to_frame(self) -> pd.DataFrame:
        """One row an observation: its time and the keywords of the panel."""
        found: pd.DataFrame = self.view.table.frame[self.view.mask]
        return found

    def summary(self) -> pd.DataFrame:
        """One row a keyword that is drawn: how many values, median, scatter, least, greatest.

        For counts, checks and states it is the table of the picture.
        """
        import pandas as pd

        if not self.view.panel.rows:
            table = drawing.draw(self.view, self.span).table
            return pd.DataFrame() if table is None else table
        rows = {}
        for row in self.view.panel.rows:
            for curve in curves.curves(self.view, row):
                values = curve.values + curve.offset
                found = reduction.statistics(values)
                known = pd.Series(values).dropna()
                ends = [known.min(), known.max()] if found.number else [None, None]
                rows[curve.line.column, row.label, curve.label] = [row.unit, *found, *ends]
        names = ["unit", "values", "median", "scatter", "least", "greatest"]
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=names)
        frame.index = pd.MultiIndex.from_tuples(rows, names=["keyword", "row", "label"])
        return frame

    def plot(self) -> Figure:
        """The picture."""
        return self._draw().figure

    def hovered(self) -> Hovered:
        """The picture with every value drawn, and ObsID and value at the mouse."""
        from kpfnb.hovering import Hovered
        from kpfnb.kpf.timeseries import values

        drawn = self._draw(whole=True)
        rows = map(partial(values.told, self.view), self.view.panel.rows)
        return Hovered(drawn.figure, dict(zip(drawn.axes, rows, strict=False)))

    def export(self, folder: Path) -> list[Path]:
        """Write the picture (PNG) and the values (CSV) into a folder."""
        picture, values = (folder / f"{self.view.panel.name}.{kind}" for kind in ("png", "csv"))
        with files.replacing(picture) as temporary:
            temporary.write_bytes(drawing.png(self._draw()))
        frame = self.to_frame().map(
            lambda one: cells.exported(one) if isinstance(one, str) else one
        )
        files.write_text(values, frame.to_csv(date_format="%Y-%m-%dT%H:%M:%S.%fZ"))
        return [picture, values]

    def _draw(self, *, whole: bool = False) -> drawing.Drawn:
        return drawing.draw(self.view, self.span, eras.load(), when=self.title, whole=whole)

    def __str__(self) -> str:
        return f"{self.reason}\n{self.summary().to_string()}"

    def _repr_html_(self) -> str:
        import html

        return f"<p>{html.escape(self.reason)}</p>{self.summary().to_html(border=0, na_rep='')}"


def explore(
    panel: str = "",
    keywords: Sequence[str] = (),
    start: str = "",
    end: str = "",
    *,
    source: Sequence[str] = (),
    object: Sequence[str] = (),
    where: Sequence[str] = (),
    qc: Sequence[str] = (),
    not_junk: bool = True,
) -> Exploration:
    """Look at a panel, or at any keywords.

    Parameters
    ----------
    panel : the name of one (`kpfnb timeseries --list`); '' for keywords
    start, end : nights, both included; no end: only the first
    source, object : kinds of source, and values of OBJECT, beside what the panel asks for
    where : conditions that all must hold, such as AIRMASS < 1.5
    qc : keywords of quality control that must be 1

    Raises
    ------
    BadParameter : a name, a date or a condition is unknown
    BadInput : there is no database yet
    """
    if bool(panel) == bool(keywords):
        raise BadParameter("give either a panel or keywords", "panels: kpfnb timeseries --list")
    chosen = definitions.choose([panel]).get(panel) if panel else free(keywords)
    if chosen is None:
        raise BadParameter(f"panel {panel!r} is a group", "give one: kpfnb timeseries --list")
    [asked] = period.asked(period.Interval.ALL, start, end, _nights(start))
    wanted = [*conditions(where), *([keyword, "==", 1] for keyword in qc)]
    wanted += [["SOURCE", "in", list(source)]] if source else []
    wanted += [["OBJECT", "in", list(object)]] if object else []
    _check([one[0] for one in wanted])
    select = chosen.select.model_copy(update={"where": [*chosen.select.where, *wanted]})
    chosen = chosen.model_copy(update={"select": select})
    not_junk &= select.not_junk
    table = data.fetch([chosen], asked.first, asked.last, not_junk=not_junk)
    # A condition of a wrong kind is refused here, not when the picture is drawn
    table.rows(chosen.select)
    title = asked.title if asked.first != asked.last else f"{period.moment(asked.first):%Y-%m-%d}"
    return Exploration(View(table, chosen), asked.span(datetime.now(UTC)), title)


def conditions(texts: Iterable[str]) -> list[list[Any]]:
    """Conditions as people write them: KEYWORD, sign and value.

    Raises
    ------
    BadParameter : it can't be read
    """
    found: list[list[Any]] = []
    for text in texts:
        match = _CONDITION.fullmatch(text)
        if not match:
            signs = " ".join(_SIGNS)
            raise BadParameter(f"condition {text!r}", f"write AIRMASS < 1.5; signs: {signs}")
        column, sign, value = match.groups()
        found.append([column, sign, _value(value)])
    return found


def free(keywords: Sequence[str]) -> Panel:
    """A panel of any keywords: one row a unit; texts as states."""
    _check(keywords)
    with database.reading() as connection:
        known = catalogue.resolve(connection, keywords)
    own: dict[str, Any] = {"name": FREE, "group": FREE, "title": ", ".join(keywords)[:200]}
    texts = [name for name, entry in known.items() if entry.kind is Kind.TEXT]
    if texts and len(texts) < len(known):
        hint = f"texts are {', '.join(texts)}"
        raise BadParameter(
            "texts and numbers can't be in one picture", f"ask for them apart; {hint}"
        )
    if texts:
        return Panel.model_validate(own | {"states": {name: name for name in texts}})
    units: dict[str, dict[str, str]] = {}
    for name, entry in known.items():
        units.setdefault(entry.unit, {})[name] = name
    rows = [
        {"label": next(iter(lines)) if len(lines) == 1 else "value", "unit": unit, "lines": lines}
        for unit, lines in units.items()
    ]
    return Panel.model_validate(own | {"rows": rows})


def _check(columns: Sequence[str]) -> None:
    with database.reading() as connection:
        catalogue.resolve(connection, columns)


def _nights(start: str) -> list[str]:
    from kpfnb.kpf.timeseries import freshness

    return [] if start else list(freshness.nights())


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text.strip("'\"")
