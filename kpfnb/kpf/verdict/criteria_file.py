"""The criteria read strictly from their YAML file: what is wrong is refused with its line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictFloat, StrictInt, model_validator

from kpfnb import yamlfile
from kpfnb.kpf.obsid import KPF
from kpfnb.kpf.quicklook.quality import Limits, Verdict
from kpfnb.kpf.verdict.rules import MAX_NIGHTS, Criteria, Level, Measure, Rule
from kpfnb.settings import Settings
from kpfnb.yamlfile import Strict, nearest

PACKAGED = Path(__file__).with_name("criteria.yml")
HINT = f"mend the file; {PACKAGED.name} of kpfnb.kpf.verdict tells how"

_KEYWORDS = re.compile(r"(?P<stem>[A-Z0-9_-]+)(\[(?P<low>\d+)-(?P<high>\d+)\])?")


def _listed(value: Any) -> Any:
    """One name is a list of one."""
    return [value] if isinstance(value, str) else value


def _ordered(value: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
    low, high = value
    if low is not None and high is not None and low > high:
        raise ValueError(f"{low:g} is above {high:g}")
    return value


def _level(name: str) -> str:
    if name not in KPF.levels:
        raise ValueError(f"{name!r} is not among {', '.join(KPF.levels)}")
    return name


def _levels(names: list[str]) -> list[str]:
    if not names:
        raise ValueError("no level is named")
    return [_level(name) for name in names]


def _products(names: list[str]) -> list[str]:
    if KPF.raw in names:
        raise ValueError(f"{KPF.raw!r} is no product; those are {', '.join(KPF.products)}")
    return _levels(names)


def _keywords(names: list[str]) -> list[str]:
    return [keyword for name in names for keyword in _spread(name)]


def _spread(text: str) -> list[str]:
    """`STDWGS[00-34]` is 35 keywords."""
    match = _KEYWORDS.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no keyword")
    if match["low"] is None:
        return [text]
    numbers = range(int(match["low"]), int(match["high"]) + 1)
    if not numbers:
        raise ValueError(f"{text!r} is empty")
    return [f"{match['stem']}{number:0{len(match['low'])}d}" for number in numbers]


Number = StrictInt | StrictFloat
Span = Annotated[tuple[Number | None, Number | None], AfterValidator(_ordered)]
Names = Annotated[list[str], BeforeValidator(_listed), Field(min_length=1)]
Keywords = Annotated[Names, AfterValidator(_keywords)]
Text = Annotated[str, Field(min_length=1)]
Across = Literal["median", "max", "min", "mean"]
Statistic = Literal["median", "max", "min", "mean", "scatter", "range", "step"]


class Entry(Strict):
    """A rule as it is written; `kpfnb/kpf/verdict/criteria.yml` tells what the keys mean."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    level: Level
    title: Text
    reason: Text
    warn: Span
    fail: Span
    nights: Annotated[StrictInt, Field(ge=1, le=MAX_NIGHTS)] = 1
    none: Verdict = Verdict.WARN
    unit: str = ""
    count: Names | None = None
    keyword: Keywords | None = None
    flags: Keywords | None = None
    products: Annotated[list[str], AfterValidator(_products)] | None = None
    masters: Names | None = None
    quicklook: Annotated[list[str], AfterValidator(_levels)] | None = None
    source: Annotated[str, AfterValidator(_level)] | None = Field(None, alias="from")
    of: Names | None = None
    across: Across | None = None
    statistic: Statistic | None = None
    scale: Number | None = None

    @property
    def measure(self) -> Measure:
        """What it looks at."""
        return next(one for one in Measure if getattr(self, one) is not None)

    @model_validator(mode="after")
    def _goes_together(self) -> Entry:
        measures = [str(one) for one in Measure if getattr(self, one) is not None]
        if len(measures) != 1:
            raise ValueError(f"one of {', '.join(Measure)} is wanted, not {len(measures)} of them")
        needed, allowed = _WITH[self.measure]
        for name in _EXTRA:
            is_given = getattr(self, name) is not None
            shown = "from" if name == "source" else name
            if is_given and name not in (*needed, *allowed):
                raise ValueError(f"{shown} does not go with {measures[0]}")
            if not is_given and name in needed:
                raise ValueError(f"{shown} is needed with {measures[0]}")
        return self


_EXTRA = ("source", "of", "across", "statistic", "scale")
_WITH: dict[Measure, tuple[tuple[str, ...], tuple[str, ...]]] = {
    Measure.COUNT: ((), ()),
    Measure.KEYWORD: (("source", "of"), ("across", "statistic", "scale")),
    Measure.FLAGS: (("source", "of"), ()),
    Measure.PRODUCTS: (("of",), ()),
    Measure.MASTERS: ((), ()),
    Measure.QUICKLOOK: (("of",), ()),
}
"""What is needed with each measure, and what may be given."""


class Whole(Strict):
    """The file."""

    kinds: dict[str, Annotated[dict[str, str], Field(min_length=1)]]
    rules: Annotated[list[dict[str, Any]], Field(min_length=1)]


def path(settings: Settings) -> Path:
    """The file with the criteria: that of the settings, else the package's own."""
    return settings.verdict_criteria or PACKAGED


def load(file: Path = PACKAGED) -> Criteria:
    """Read the criteria; `BadInput` names the file, the line and what is wrong there."""
    document = yamlfile.read(file, hint=HINT)
    whole = document.parse(Whole, document.mapping("a file of criteria"))
    rules: list[Rule] = []
    for number, given in enumerate(whole.rules):
        place = ("rules", number)
        entry = document.parse(Entry, given, place)
        if entry.name in {one.name for one in rules}:
            raise document.wrong(f"a second rule {entry.name!r}", *place)
        for kind in entry.of or entry.count or []:
            if kind not in whole.kinds:
                raise document.wrong(f"no kind {kind!r}; {nearest(kind, whole.kinds)}", *place)
        rules.append(_rule(entry))
    return Criteria(file, whole.kinds, tuple(rules))


def _rule(entry: Entry) -> Rule:
    measure = entry.measure
    names: list[str] = getattr(entry, measure)
    return Rule(
        name=entry.name,
        level=entry.level,
        title=entry.title,
        reason=entry.reason,
        measure=measure,
        names=tuple(names),
        kinds=tuple(entry.of or entry.count or ()),
        warn=Limits(*entry.warn),
        fail=Limits(*entry.fail),
        source=entry.source or "",
        across=entry.across or "median",
        statistic=entry.statistic or "median",
        scale=float(entry.scale if entry.scale is not None else 1),
        nights=entry.nights,
        none=entry.none,
        unit=entry.unit,
    )
