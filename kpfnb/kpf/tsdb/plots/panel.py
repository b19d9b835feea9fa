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

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from kpfnb.core import settings, strict_yaml
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.strict_yaml import StrictModel, suggest_name
from kpfnb.kpf.tsdb import columns
from kpfnb.kpf.tsdb.batch import SOURCE_KEYWORD

PANEL_GROUPS = (
    *("CCDs", "Cal", "Chamber", "DRP", "Nobs", "Observing"),
    *("QC", "RV", "SoCal", "Subsystems", "WLS"),
)
"""The order in which groups are shown; others come after them."""

# A name becomes that of a file
PanelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)]

LabelText = Annotated[str, Field(min_length=1, max_length=200)]
KeywordName = Annotated[str, Field(min_length=1, max_length=80)]


class LineStyle(StrEnum):
    """How the values of a line are drawn."""

    POINTS = "points"
    LINE = "line"
    """Points joined where no gap is between them."""


class PanelLine(StrictModel):
    """One curve: (column - minus) * scale. A bare keyword stands for one that is drawn as it is."""

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
        """The keywords that it needs."""
        yield from filter(None, (self.column, self.minus, self.error))


class PanelRow(StrictModel):
    """Curves on one pair of axes, by the label of each."""

    label: LabelText
    unit: str = ""
    lines: dict[LabelText, PanelLine] = Field(min_length=1, max_length=24)
    log: bool = False
    relative: bool = False
    """The median of each line over the range is taken off it."""
    lower: float | None = None
    """Thresholds: values below or above them are counted, and the limit is drawn."""
    upper: float | None = None

    @model_validator(mode="after")
    def _in_order(self) -> PanelRow:
        if self.lower is not None and self.upper is not None and self.lower >= self.upper:
            raise ValueError(f"lower ({self.lower:g}) is not below upper ({self.upper:g})")
        return self


class CountSpec(StrictModel):
    """Observations counted: `by` the values of a keyword, or where keywords are `known`."""

    by: str = ""
    known: dict[LabelText, KeywordName] = {}
    sum: str = ""
    """The values of this keyword are added up instead."""
    scale: float = 1.0
    label: LabelText = "observations"
    unit: str = ""
    most: int = Field(8, ge=1, le=20)
    """So many categories are shown, the rest together."""

    @model_validator(mode="after")
    def _one_way(self) -> CountSpec:
        if bool(self.by) == bool(self.known):
            raise ValueError("give either by (a keyword) or known (label: keyword)")
        return self


class PanelSelection(StrictModel):
    """Which observations: as in `kpfnb.kpf.tsdb.query`."""

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

    def conditions(self) -> list[columns.Condition]:
        """All of them, as conditions."""
        found = columns.parse_conditions(self.where)
        for column, values in ((SOURCE_KEYWORD.name, self.source), ("OBJECT", self.object)):
            if values:
                found.append(columns.Condition(column, "in", values))
        return found


class TimeSeriesPanel(StrictModel):
    """One picture."""

    name: PanelName
    group: LabelText
    title: LabelText
    note: str = ""
    """What one should know when looking at it."""
    rows: list[PanelRow] = []
    count: CountSpec | None = None
    flags: dict[LabelText, KeywordName] = {}
    states: dict[LabelText, KeywordName] = {}
    select: PanelSelection = PanelSelection()
    qc: list[KeywordName] = []
    """Observations for which one of these is 0 are marked."""

    @model_validator(mode="after")
    def _one_kind(self) -> TimeSeriesPanel:
        given = [name for name in PANEL_KINDS if getattr(self, name)]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(f"a panel has one of {', '.join(PANEL_KINDS)}, not {found}")
        return self

    def drawn_keywords(self) -> list[str]:
        """The keywords that are drawn."""
        found = [c for row in self.rows for line in row.lines.values() for c in line.keywords()]
        found += [*self.flags.values(), *self.states.values()]
        if self.count:
            found += [*self.count.known.values(), self.count.by, self.count.sum]
        return list(dict.fromkeys(filter(None, found)))

    def keywords(self) -> list[str]:
        """All keywords that it needs."""
        wanted = [one.column for one in self.select.conditions()]
        return list(dict.fromkeys([*self.drawn_keywords(), *wanted, *self.qc]))


PANEL_KINDS = ("rows", "count", "flags", "states")


# The panels that there are: the package's own, and those that a user has put beside them.
#
# A user's panel is a YAML file in the folder of the setting `panels` (`<work_dir>/panels`); one of
# the name of the package's takes its place. A wrong file is refused with its line.

PANEL_SUFFIX = ".yml"
PACKAGE_PANELS = Path(__file__).with_name("panels")

_FILE_KEYS = ("group", "panels")
_FIX_HINT = "mend the file, or take it out of its folder"


def user_panels_folder() -> Path:
    """Where a user's panels are."""
    here = settings.load_settings()
    return here.panels or here.work_dir / "panels"


def load_panels() -> dict[str, TimeSeriesPanel]:
    """All panels by name, in the order in which they are shown.

    Raises
    ------
    InvalidInputError : a file is wrong; names it and the line
    """
    found: dict[str, TimeSeriesPanel] = {}
    for place in (PACKAGE_PANELS, user_panels_folder()):
        here: dict[str, Path] = {}
        for path in sorted(place.glob(f"*{PANEL_SUFFIX}")):
            for panel in read_panel_file(path):
                if panel.name in here:
                    raise InvalidInputError(
                        f"{path}: panel {panel.name} is in {here[panel.name]} too", _FIX_HINT
                    )
                here[panel.name] = path
                found[panel.name] = panel
    rank = {group: number for number, group in enumerate(PANEL_GROUPS)}
    ordered = sorted(found.values(), key=lambda one: (rank.get(one.group, len(rank)), one.group))
    return {panel.name: panel for panel in ordered}


def choose_panels(names: Sequence[str]) -> dict[str, TimeSeriesPanel]:
    """The panels of those names, or of those groups; all where none is named."""
    panels = load_panels()
    if not names:
        return panels
    chosen: dict[str, TimeSeriesPanel] = {}
    for name in names:
        some = {k: one for k, one in panels.items() if name == k or name == one.group}
        if not some:
            groups = {one.group for one in panels.values()}
            hint = (
                suggest_name(name, [*panels, *groups]) if len(name) > 1 else "see kpfnb timeseries"
            )
            raise InvalidParameterError(
                f"no panel {name!r}", f"{hint}; list: kpfnb timeseries --list"
            )
        chosen |= some
    return chosen


def read_panel_file(path: Path) -> list[TimeSeriesPanel]:
    """The panels of one file; an `InvalidInputError` names the file and the line."""
    document = strict_yaml.read_yaml(path, hint=_FIX_HINT)
    data = document.require_mapping("a file of panels")
    for key in data:
        if key not in _FILE_KEYS:
            raise document.error_at(f"unknown key {key!r}; {suggest_name(key, _FILE_KEYS)}", key)
    panels = data.get("panels")
    if not isinstance(panels, dict) or not isinstance(data.get("group"), str):
        raise document.error_at("a file of panels has group and panels")
    found = []
    for name, given in panels.items():
        if not isinstance(given, dict):
            raise document.error_at("a panel is a mapping with title and rows", "panels", name)
        own = {"name": str(name), "group": data["group"]}
        for key in own.keys() & given.keys():
            raise document.error_at(f"unknown key {key!r} of a panel", "panels", name, key)
        found.append(document.parse(TimeSeriesPanel, own | given, ("panels", name)))
    return found
