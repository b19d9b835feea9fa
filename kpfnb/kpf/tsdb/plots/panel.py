"""A panel: which keywords are drawn, how, and of which observations; and the files of panels.

group: Chamber
panels:
  hallway:
    title: The hallway and the chamber's outside
    rows:
      - {label: temperature, unit: °C, lines: {hallway: kpfmet.TEMP}, upper: 21}
    select: {source: [Star]}

A panel has one of: `rows` (curves over time that share the time axis), `count` (observations, or a
sum over them, by category), `flags` (keywords of 0 and 1, by share) or `states` (texts over time).

The package's panels are in `panels/`. A user adds YAML files in the directory of the setting
`panels` (`<work_dir>/panels`); a panel of the same name replaces the package's. An invalid file is
an error that names the line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from kpfnb.core import settings, strict_yaml
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.strict_yaml import StrictModel
from kpfnb.core.text import suggest_name
from kpfnb.kpf.tsdb.batch import SOURCE_KEYWORD
from kpfnb.kpf.tsdb.columns import Condition, parse_conditions

PANEL_GROUPS = (
    *("CCDs", "Cal", "Chamber", "DRP", "Nobs", "Observing"),
    *("QC", "RV", "SoCal", "Subsystems", "WLS"),
)
"""The order of groups; other groups follow."""

# The name becomes a file name
PanelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)]

LabelText = Annotated[str, Field(min_length=1, max_length=200)]
KeywordName = Annotated[str, Field(min_length=1, max_length=80)]

PANEL_KINDS = ("rows", "count", "flags", "states")

PANEL_SUFFIX = ".yml"
PACKAGE_PANELS = Path(__file__).with_name("panels")

MAX_SUGGESTIONS = 4

_FILE_KEYS = ("group", "panels")
_FIX_HINT = "fix the file, or move it out of the directory"


class LineStyle(StrEnum):
    """How the values of a line are drawn."""

    POINTS = "points"
    LINE = "line"
    """Points joined by a line, except over gaps."""


class PanelLine(StrictModel):
    """One curve: (column - minus) * scale. In YAML a bare keyword is a curve with only a column."""

    column: KeywordName
    minus: str = ""
    error: str = ""
    """The keyword of its uncertainty, in the unit of `column`."""
    scale: float = 1.0
    style: LineStyle = LineStyle.POINTS

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, data: Any) -> Any:
        return {"column": data} if isinstance(data, str) else data

    def keywords(self) -> Iterator[str]:
        """The keywords that the curve needs."""
        yield from filter(None, (self.column, self.minus, self.error))


class PanelRow(StrictModel):
    """Curves on one pair of axes, by label."""

    label: LabelText
    unit: str = ""
    lines: dict[LabelText, PanelLine] = Field(min_length=1, max_length=24)
    log: bool = False
    relative: bool = False
    """Subtract the median of each line over the range."""
    by: str = ""
    """A keyword of texts: each of its values has a curve of its own."""
    lower: float | None = None
    """Thresholds, which are drawn; values beyond them are counted."""
    upper: float | None = None

    @model_validator(mode="after")
    def _in_order(self) -> PanelRow:
        if self.lower is not None and self.upper is not None and self.lower >= self.upper:
            raise ValueError(f"lower ({self.lower:g}) is not below upper ({self.upper:g})")
        if self.by and len(self.lines) > 1:
            raise ValueError("a row with by has one line")
        return self


class CountSpec(StrictModel):
    """Counts of observations: `by` the values of a keyword, or where keywords are `known`."""

    by: str = ""
    known: dict[LabelText, KeywordName] = {}
    sum: str = ""
    """Add up the values of this keyword instead of counting."""
    scale: float = 1.0
    label: LabelText = "observations"
    unit: str = ""
    most: int = Field(8, ge=1, le=20)
    """The number of categories shown; the others are combined."""

    @model_validator(mode="after")
    def _one_way(self) -> CountSpec:
        if bool(self.by) == bool(self.known):
            raise ValueError("give either by (a keyword) or known (label: keyword)")
        return self


class PanelSelection(StrictModel):
    """The observations of a panel, selected as in `kpfnb.kpf.tsdb.query`."""

    source: list[str] = []
    object: list[str] = []
    where: list[list[Any]] = []
    not_junk: bool = True

    @model_validator(mode="after")
    def _conditions(self) -> PanelSelection:
        try:
            self.conditions()
        except InvalidParameterError as error:
            raise ValueError(f"{error.what}; {error.hint}") from None
        return self

    def conditions(self) -> list[Condition]:
        """The whole selection as conditions."""
        conditions = parse_conditions(self.where)
        for column, values in ((SOURCE_KEYWORD.name, self.source), ("OBJECT", self.object)):
            if values:
                conditions.append(Condition(column, "in", values))
        return conditions


class TimeSeriesPanel(StrictModel):
    """One plot of the time series."""

    name: PanelName
    group: LabelText
    title: LabelText
    note: str = ""
    """What a reader of the plot should know."""
    rows: list[PanelRow] = []
    count: CountSpec | None = None
    flags: dict[LabelText, KeywordName] = {}
    states: dict[LabelText, KeywordName] = {}
    select: PanelSelection = PanelSelection()
    qc: list[KeywordName] = []
    """Observations for which one of these keywords is 0 are marked."""

    @model_validator(mode="after")
    def _one_kind(self) -> TimeSeriesPanel:
        kinds = [name for name in PANEL_KINDS if getattr(self, name)]
        if len(kinds) != 1:
            names = " and ".join(kinds) or "none"
            raise ValueError(f"a panel has one of {', '.join(PANEL_KINDS)}, not {names}")
        return self

    def drawn_keywords(self) -> list[str]:
        """The keywords that the panel draws."""
        keywords = [c for row in self.rows for line in row.lines.values() for c in line.keywords()]
        keywords += [row.by for row in self.rows]
        keywords += [*self.flags.values(), *self.states.values()]
        if self.count:
            keywords += [*self.count.known.values(), self.count.by, self.count.sum]
        return list(dict.fromkeys(filter(None, keywords)))

    def keywords(self) -> list[str]:
        """All keywords that the panel needs."""
        conditions = [condition.column for condition in self.select.conditions()]
        return list(dict.fromkeys([*self.drawn_keywords(), *conditions, *self.qc]))


def user_panels_folder() -> Path:
    """The directory of a user's panels."""
    loaded_settings = settings.load_settings()
    return loaded_settings.panels or loaded_settings.work_dir / "panels"


def load_panels() -> dict[str, TimeSeriesPanel]:
    """All panels by name, in the order of display.

    Raises
    ------
    InvalidInputError : a file is invalid; the message names it and the line
    """
    panels: dict[str, TimeSeriesPanel] = {}
    for folder in (PACKAGE_PANELS, user_panels_folder()):
        paths: dict[str, Path] = {}
        for path in sorted(folder.glob(f"*{PANEL_SUFFIX}")):
            for panel in read_panel_file(path):
                if panel.name in paths:
                    raise InvalidInputError(
                        f"{path}: panel {panel.name} is in {paths[panel.name]} too", _FIX_HINT
                    )
                paths[panel.name] = path
                panels[panel.name] = panel
    rank = {group: number for number, group in enumerate(PANEL_GROUPS)}
    ordered = sorted(
        panels.values(), key=lambda panel: (rank.get(panel.group, len(rank)), panel.group)
    )
    return {panel.name: panel for panel in ordered}


def choose_panels(names: Sequence[str]) -> dict[str, TimeSeriesPanel]:
    """The panels with the given names or groups; all panels if no name is given."""
    panels = load_panels()
    if not names:
        return panels
    chosen: dict[str, TimeSeriesPanel] = {}
    for name in names:
        wanted = name.strip().casefold()
        matching = {
            panel.name: panel
            for panel in panels.values()
            if wanted in (panel.name, panel.group.casefold())
        }
        if not matching:
            hint = _suggest_panels(wanted, panels)
            raise InvalidParameterError(f"no panel {name!r}", hint)
        chosen |= matching
    return chosen


def _suggest_panels(wanted: str, panels: Mapping[str, TimeSeriesPanel]) -> str:
    """The panels whose name is like a text, or whose name or title has it."""
    names = {panel.group.casefold(): panel.group for panel in panels.values()}
    names |= {name: name for name in panels}
    near = difflib.get_close_matches(wanted, names, n=MAX_SUGGESTIONS)
    near += [
        panel.name
        for panel in panels.values()
        if len(wanted) > 2 and wanted in f"{panel.name} {panel.title}".casefold()
    ]
    similar = list(dict.fromkeys(names[name] for name in near))[:MAX_SUGGESTIONS]
    question = f"did you mean {', '.join(similar)}? " if similar else ""
    return f"{question}list: kpfnb timeseries --list"


def read_panel_file(path: Path) -> list[TimeSeriesPanel]:
    """The panels of one file; an `InvalidInputError` names the file and the line."""
    document = strict_yaml.read_yaml(path, hint=_FIX_HINT)
    data = document.require_mapping("a file of panels")
    for key in data:
        if key not in _FILE_KEYS:
            raise document.error_at(f"unknown key {key!r}; {suggest_name(key, _FILE_KEYS)}", key)
    panels = data.get("panels")
    if not isinstance(panels, dict) or not isinstance(data.get("group"), str):
        raise document.error_at("a file of panels needs group and panels")
    checked = []
    for name, panel in panels.items():
        if not isinstance(panel, dict):
            raise document.error_at("a panel is a mapping with title and rows", "panels", name)
        common = {"name": str(name), "group": data["group"]}
        for key in common.keys() & panel.keys():
            raise document.error_at(f"unknown key {key!r} of a panel", "panels", name, key)
        checked.append(document.parse(TimeSeriesPanel, common | panel, ("panels", name)))
    return checked
