"""The criteria read strictly from their YAML file: what is wrong is refused with its line."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictFloat, StrictInt, model_validator

from kpfnb.core import strict_yaml
from kpfnb.core.settings import Settings
from kpfnb.core.strict_yaml import StrictModel
from kpfnb.core.text import suggest_name
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.quicklook.quality import ValueLimits, Verdict
from kpfnb.kpf.verdict.rules import (
    MAX_NIGHTS,
    RuleMeasure,
    VerdictCriteria,
    VerdictLevel,
    VerdictRule,
)

# Which version of the criteria a verdict was made with: the git commit that last changed them.

GIT_SECONDS = 5
DIGEST_DIGITS = 12


def criteria_version(file: Path) -> str:
    """`84c8de9 of 2024-01-15`, `... and changed since, sha256 1f2e`, `not in git, sha256 1f2e`."""
    try:
        last = _run_git(file, "log", "-1", "--format=%h of %cs", "--", file.name)
        changed = _run_git(file, "status", "--porcelain", "--", file.name)
    except (OSError, subprocess.SubprocessError):
        last = changed = ""
    digest = f"sha256 {hashlib.sha256(file.read_bytes()).hexdigest()[:DIGEST_DIGITS]}"
    if not last:
        return f"not in git, {digest}"
    return f"{last} and changed since, {digest}" if changed else last


def _run_git(file: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(file.parent), *arguments],
        capture_output=True,
        text=True,
        timeout=GIT_SECONDS,
        check=True,
    )
    return done.stdout.strip()


PACKAGED_CRITERIA = Path(__file__).with_name("criteria.yml")
CRITERIA_HINT = f"mend the file; {PACKAGED_CRITERIA.name} of kpfnb.kpf.verdict tells how"

_KEYWORD_PATTERN = re.compile(r"(?P<stem>[A-Z0-9_-]+)(\[(?P<low>\d+)-(?P<high>\d+)\])?")


def _as_list(value: Any) -> Any:
    """One name is a list of one."""
    return [value] if isinstance(value, str) else value


def _check_order(value: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
    low, high = value
    if low is not None and high is not None and low > high:
        raise ValueError(f"{low:g} is above {high:g}")
    return value


def _check_level(name: str) -> str:
    if name not in KPF.levels:
        raise ValueError(f"{name!r} is not among {', '.join(KPF.levels)}")
    return name


def _check_levels(names: list[str]) -> list[str]:
    if not names:
        raise ValueError("no level is named")
    return [_check_level(name) for name in names]


def _check_products(names: list[str]) -> list[str]:
    if KPF.raw in names:
        raise ValueError(f"{KPF.raw!r} is no product; those are {', '.join(KPF.products)}")
    return _check_levels(names)


def _expand_keywords(names: list[str]) -> list[str]:
    return [keyword for name in names for keyword in _expand_keyword(name)]


def _expand_keyword(text: str) -> list[str]:
    """`STDWGS[00-34]` is 35 keywords."""
    match = _KEYWORD_PATTERN.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no keyword")
    if match["low"] is None:
        return [text]
    numbers = range(int(match["low"]), int(match["high"]) + 1)
    if not numbers:
        raise ValueError(f"{text!r} is empty")
    return [f"{match['stem']}{number:0{len(match['low'])}d}" for number in numbers]


Number = StrictInt | StrictFloat
LimitPair = Annotated[tuple[Number | None, Number | None], AfterValidator(_check_order)]
Names = Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)]
Keywords = Annotated[Names, AfterValidator(_expand_keywords)]
Text = Annotated[str, Field(min_length=1)]
Across = Literal["median", "max", "min", "mean"]
Statistic = Literal["median", "max", "min", "mean", "scatter", "range", "step"]


class RuleSpec(StrictModel):
    """A rule as it is written; `kpfnb/kpf/verdict/criteria.yml` tells what the keys mean."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    level: VerdictLevel
    title: Text
    reason: Text
    warn: LimitPair
    fail: LimitPair
    nights: Annotated[StrictInt, Field(ge=1, le=MAX_NIGHTS)] = 1
    none: Verdict = Verdict.WARN
    unit: str = ""
    count: Names | None = None
    keyword: Keywords | None = None
    flags: Keywords | None = None
    products: Annotated[list[str], AfterValidator(_check_products)] | None = None
    masters: Names | None = None
    quicklook: Annotated[list[str], AfterValidator(_check_levels)] | None = None
    source: Annotated[str, AfterValidator(_check_level)] | None = Field(None, alias="from")
    of: Names | None = None
    across: Across | None = None
    statistic: Statistic | None = None
    scale: Number | None = None

    @property
    def measure(self) -> RuleMeasure:
        """What it looks at."""
        return next(one for one in RuleMeasure if getattr(self, one) is not None)

    @model_validator(mode="after")
    def _check_combination(self) -> RuleSpec:
        measures = [str(one) for one in RuleMeasure if getattr(self, one) is not None]
        if len(measures) != 1:
            raise ValueError(
                f"one of {', '.join(RuleMeasure)} is wanted, not {len(measures)} of them"
            )
        needed, allowed = _MEASURE_KEYS[self.measure]
        for name in _OPTIONAL_KEYS:
            is_given = getattr(self, name) is not None
            shown = "from" if name == "source" else name
            if is_given and name not in (*needed, *allowed):
                raise ValueError(f"{shown} does not go with {measures[0]}")
            if not is_given and name in needed:
                raise ValueError(f"{shown} is needed with {measures[0]}")
        return self


_OPTIONAL_KEYS = ("source", "of", "across", "statistic", "scale")
_MEASURE_KEYS: dict[RuleMeasure, tuple[tuple[str, ...], tuple[str, ...]]] = {
    RuleMeasure.COUNT: ((), ()),
    RuleMeasure.KEYWORD: (("source", "of"), ("across", "statistic", "scale")),
    RuleMeasure.FLAGS: (("source", "of"), ()),
    RuleMeasure.PRODUCTS: (("of",), ()),
    RuleMeasure.MASTERS: ((), ()),
    RuleMeasure.QUICKLOOK: (("of",), ()),
}
"""What is needed with each measure, and what may be given."""


class CriteriaFile(StrictModel):
    """The file."""

    kinds: dict[str, Annotated[dict[str, str], Field(min_length=1)]]
    rules: Annotated[list[dict[str, Any]], Field(min_length=1)]


def criteria_path(settings: Settings) -> Path:
    """The file with the criteria: that of the settings, else the package's own."""
    return settings.verdict_criteria or PACKAGED_CRITERIA


def load_criteria(file: Path = PACKAGED_CRITERIA) -> VerdictCriteria:
    """Read the criteria; `InvalidInputError` names the file, the line and what is wrong there."""
    document = strict_yaml.read_yaml(file, hint=CRITERIA_HINT)
    whole = document.parse(CriteriaFile, document.require_mapping("a file of criteria"))
    rules: list[VerdictRule] = []
    for number, given in enumerate(whole.rules):
        place = ("rules", number)
        entry = document.parse(RuleSpec, given, place)
        if entry.name in {one.name for one in rules}:
            raise document.error_at(f"a second rule {entry.name!r}", *place)
        for kind in entry.of or entry.count or []:
            if kind not in whole.kinds:
                raise document.error_at(
                    f"no kind {kind!r}; {suggest_name(kind, whole.kinds)}", *place
                )
        rules.append(_make_rule(entry))
    return VerdictCriteria(file, whole.kinds, tuple(rules))


def _make_rule(entry: RuleSpec) -> VerdictRule:
    measure = entry.measure
    names: list[str] = getattr(entry, measure)
    return VerdictRule(
        name=entry.name,
        level=entry.level,
        title=entry.title,
        reason=entry.reason,
        measure=measure,
        names=tuple(names),
        kinds=tuple(entry.of or entry.count or ()),
        warn=ValueLimits(*entry.warn),
        fail=ValueLimits(*entry.fail),
        source=entry.source or "",
        across=entry.across or "median",
        statistic=entry.statistic or "median",
        scale=float(entry.scale if entry.scale is not None else 1),
        nights=entry.nights,
        empty_verdict=entry.none,
        unit=entry.unit,
    )
