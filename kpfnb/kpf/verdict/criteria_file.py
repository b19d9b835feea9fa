"""The YAML file of criteria: strict reading (a mistake is refused with its line), its version."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictFloat, StrictInt, model_validator

from kpfnb.core import strict_yaml
from kpfnb.core.settings import Settings
from kpfnb.core.strict_yaml import StrictModel
from kpfnb.core.text import suggest_name
from kpfnb.kpf.files.keywords import describe_unknown, find_keyword
from kpfnb.kpf.files.masters import MasterSelection
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.quicklook.quality import ValueLimits, Verdict, VerdictLimits
from kpfnb.kpf.verdict.rules import (
    MAX_NIGHTS,
    RuleMeasure,
    VerdictCriteria,
    VerdictLevel,
    VerdictRule,
)

PACKAGED_CRITERIA = Path(__file__).with_name("criteria.yml")
CRITERIA_HINT = f"correct the file; {PACKAGED_CRITERIA.name} of kpfnb.kpf.verdict explains the keys"

GIT_SECONDS = 5
DIGEST_DIGITS = 12

_KEYWORD_PATTERN = re.compile(r"(?P<stem>[A-Z0-9_-]+)(\[(?P<low>\d+)-(?P<high>\d+)\])?")

Number = StrictInt | StrictFloat

Text = Annotated[str, Field(min_length=1)]
Across = Literal["median", "max", "min", "mean"]
Statistic = Literal["median", "max", "min", "mean", "scatter", "range", "step"]

_OPTIONAL_KEYS = ("data_level", "of", "across", "statistic", "scale", "target", "ignore")
_MEASURE_KEYS: dict[RuleMeasure, tuple[tuple[str, ...], tuple[str, ...]]] = {
    RuleMeasure.COUNT: ((), ()),
    RuleMeasure.KEYWORD: (
        ("data_level", "of"),
        ("across", "statistic", "scale", "target", "ignore"),
    ),
    RuleMeasure.TELEMETRY: (("of",), ("across", "statistic", "scale", "target", "ignore")),
    RuleMeasure.VALID: (("data_level", "of"), ()),
    RuleMeasure.FLAGS: (("data_level", "of"), ()),
    RuleMeasure.PRODUCTS: (("of",), ()),
    RuleMeasure.MASTERS: ((), ()),
    RuleMeasure.QUICKLOOK: (("of",), ()),
}
"""The keys that each measure requires, and those that are optional."""


def criteria_version(file: Path) -> str:
    """The git commit that last changed the criteria, and their digest if they differ from it.

    Such as `84c8de9 of 2024-01-15`, `... and changed since, sha256 1f2e`,
    `not in git, sha256 1f2e`.
    """
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
    process = subprocess.run(
        ["git", "-C", str(file.parent), *arguments],
        capture_output=True,
        text=True,
        timeout=GIT_SECONDS,
        check=True,
    )
    return process.stdout.strip()


def _as_list(value: Any) -> Any:
    """A single name as a list."""
    return [value] if isinstance(value, str) else value


def _check_order(value: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
    low, high = value
    if low is not None and high is not None and low > high:
        raise ValueError(f"{low:g} is above {high:g}")
    return value


def _check_level(name: str) -> str:
    if name not in KPF.levels:
        raise ValueError(f"{name!r} is not one of {', '.join(KPF.levels)}")
    return name


def _check_levels(names: list[str]) -> list[str]:
    if not names:
        raise ValueError("name at least one level")
    return [_check_level(name) for name in names]


def _check_products(names: list[str]) -> list[str]:
    if KPF.raw in names:
        raise ValueError(f"{KPF.raw!r} is not a product; those are {', '.join(KPF.products)}")
    return _check_levels(names)


def _check_masters(names: list[str]) -> list[str]:
    """Types of masters, each with a pattern of its object or none."""
    for name in names:
        MasterSelection.parse(name)
    return names


def _expand_keywords(names: list[str]) -> list[str]:
    return [keyword for name in names for keyword in _expand_keyword(name)]


def _expand_keyword(text: str) -> list[str]:
    """The keywords of a pattern: `STDWGS[00-34]` means 35."""
    match = _KEYWORD_PATTERN.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a keyword")
    if match["low"] is None:
        return [text]
    numbers = range(int(match["low"]), int(match["high"]) + 1)
    if not numbers:
        raise ValueError(f"{text!r} is empty")
    return [f"{match['stem']}{number:0{len(match['low'])}d}" for number in numbers]


LimitPair = Annotated[tuple[Number | None, Number | None], AfterValidator(_check_order)]
Names = Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)]
Keywords = Annotated[Names, AfterValidator(_expand_keywords)]


class RuleSpec(StrictModel):
    """A rule as written in the file; `kpfnb/kpf/verdict/criteria.yml` explains the keys."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    level: VerdictLevel
    title: Text
    reason: Text
    warn: LimitPair
    fail: LimitPair
    source: Text
    nights: Annotated[StrictInt, Field(ge=1, le=MAX_NIGHTS)] = 1
    none: Verdict = Verdict.NOT_JUDGED
    unit: str = ""
    count: Names | None = None
    keyword: Keywords | None = None
    telemetry: Names | None = None
    valid: Keywords | None = None
    flags: Keywords | None = None
    products: Annotated[list[str], AfterValidator(_check_products)] | None = None
    masters: Annotated[Names, AfterValidator(_check_masters)] | None = None
    quicklook: Annotated[list[str], AfterValidator(_check_levels)] | None = None
    data_level: Annotated[str, AfterValidator(_check_level)] | None = Field(None, alias="from")
    of: Names | None = None
    across: Across | None = None
    statistic: Statistic | None = None
    scale: Number | None = None
    target: Number | None = None
    ignore: Number | None = None

    @property
    def measure(self) -> RuleMeasure:
        """What it measures."""
        return self._measures()[0]

    def _measures(self) -> list[RuleMeasure]:
        return [measure for measure in RuleMeasure if getattr(self, measure) is not None]

    @model_validator(mode="after")
    def _check_limits(self) -> RuleSpec:
        warn, fail = ValueLimits(*self.warn), ValueLimits(*self.fail)
        if not fail.includes(warn):
            raise ValueError(f"warn ({warn}) allows values that fail ({fail}) does not")
        return self

    @model_validator(mode="after")
    def _check_combination(self) -> RuleSpec:
        measures = self._measures()
        if len(measures) != 1:
            raise ValueError(f"give one of {', '.join(RuleMeasure)}, not {len(measures)} of them")
        required, optional = _MEASURE_KEYS[self.measure]
        for name in _OPTIONAL_KEYS:
            is_given = getattr(self, name) is not None
            key = "from" if name == "data_level" else name
            if is_given and name not in (*required, *optional):
                raise ValueError(f"{key} can't be combined with {self.measure}")
            if not is_given and name in required:
                raise ValueError(f"{self.measure} requires {key}")
        return self


class CriteriaFile(StrictModel):
    """The file of criteria; each rule is checked on its own."""

    kinds: dict[str, Annotated[dict[str, str], Field(min_length=1)]]
    rules: Annotated[list[dict[str, Any]], Field(min_length=1)]


def criteria_path(settings: Settings) -> Path:
    """The file with the criteria: the one in the settings, otherwise the package's own."""
    return settings.verdict_criteria or PACKAGED_CRITERIA


def load_criteria(file: Path = PACKAGED_CRITERIA) -> VerdictCriteria:
    """Read the criteria; `InvalidInputError` names the file, the line and the mistake."""
    document = strict_yaml.read_yaml(file, hint=CRITERIA_HINT)
    content = document.parse(CriteriaFile, document.require_mapping("a file of criteria"))
    rules: dict[str, VerdictRule] = {}
    for number, values in enumerate(content.rules):
        position = ("rules", number)
        spec = document.parse(RuleSpec, values, position)
        if spec.name in rules:
            raise document.error_at(f"a second rule {spec.name!r}", *position)
        for kind in spec.of or spec.count or []:
            if kind not in content.kinds:
                hint = suggest_name(kind, content.kinds)
                raise document.error_at(f"no kind {kind!r}; {hint}", *position)
        rules[spec.name] = _make_rule(spec)
    return VerdictCriteria(file, content.kinds, tuple(rules.values()))


def find_keyword_mistakes(criteria: VerdictCriteria) -> Iterator[str]:
    """The keywords of kinds and rules that no KPF file has, or none of the rule's level."""
    for name in dict.fromkeys(name for patterns in criteria.kinds.values() for name in patterns):
        if problem := describe_unknown(name):
            yield f"kinds: {name}: {problem}"
    for rule in criteria.rules:
        for name in rule.keywords_since():
            problem = describe_unknown(name)
            if not problem and rule.data_level and not find_keyword(name, rule.data_level):
                problem = f"not in {rule.data_level} files"
            if problem:
                yield f"rule {rule.name}: {name}: {problem}"


def _make_rule(spec: RuleSpec) -> VerdictRule:
    measure = spec.measure
    names: list[str] = getattr(spec, measure)
    return VerdictRule(
        name=spec.name,
        level=spec.level,
        title=spec.title,
        reason=spec.reason,
        measure=measure,
        names=tuple(names),
        kinds=tuple(spec.of or spec.count or ()),
        limits=VerdictLimits(ValueLimits(*spec.warn), ValueLimits(*spec.fail)),
        limits_source=spec.source,
        data_level=spec.data_level or "",
        across=spec.across or "median",
        statistic=spec.statistic or "median",
        target=None if spec.target is None else float(spec.target),
        ignore=None if spec.ignore is None else float(spec.ignore),
        scale=float(spec.scale if spec.scale is not None else 1),
        nights=spec.nights,
        empty_verdict=spec.none,
        unit=spec.unit,
    )
