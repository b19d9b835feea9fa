"""The rules of the checks of each level, read from a file of thresholds; and their evaluation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from kpfnb.core import strict_yaml
from kpfnb.core.strict_yaml import StrictModel
from kpfnb.core.text import suggest_name
from kpfnb.kpf.files import keywords
from kpfnb.kpf.files.drp import parse_version
from kpfnb.kpf.files.exposure import SOURCE_TYPES
from kpfnb.kpf.quicklook.instrument_plots.fits_content import FitsContent
from kpfnb.kpf.quicklook.measures import MEASURES
from kpfnb.kpf.quicklook.quality import QualityCheck, ValueLimits, Verdict, VerdictLimits
from kpfnb.kpf.quicklook.rules import CAMERAS, FlagRule, RangeRule, Scope
from kpfnb.kpf.quicklook.targets import LEVELS

PACKAGED_THRESHOLDS = Path(__file__).with_name("thresholds.yml")


class LimitInfo(NamedTuple):
    """The limits of one check, for people.

    Attributes
    ----------
    name : the keyword, telemetry keyword or measure
    limits : in words
    scope : the exposures to which it applies; '' is all
    since : since when the DRP writes the keyword, in words; '' if always, or no keyword
    source : where the limits come from
    """

    level: str
    check: str
    name: str
    limits: str
    scope: str
    since: str
    source: str


def evaluate_checks(
    level: str, content: FitsContent, thresholds: Path | None = None
) -> list[QualityCheck]:
    """All checks of a level, the worst first."""
    checks = [rule.evaluate(content, level) for rule in load_rules(thresholds)[level]]
    return sorted(checks, key=lambda check: -check.verdict.severity)


def list_limits(thresholds: Path | None = None) -> list[LimitInfo]:
    """The limits of all checks, with their sources."""
    return [
        LimitInfo(
            level=level,
            check=rule.check,
            name=rule.source,
            limits=rule.describe_limits(),
            scope=rule.scope.describe(),
            since=_first_version(rule, level),
            source=rule.limit_source,
        )
        for level, rules in load_rules(thresholds).items()
        for rule in rules
    ]


def _first_version(rule: FlagRule | RangeRule, level: str) -> str:
    if isinstance(rule, RangeRule) and rule.measure:
        return ""
    keyword = keywords.find_keyword(rule.source, level)
    return keywords.describe_since(keyword) if keyword else keywords.describe_unknown(rule.source)


def rules_digest(level: str, thresholds: Path | None = None) -> str:
    """A digest of the rules of a level as written: it changes when one of them does."""
    return _load_file(thresholds).digests[level]


def load_rules(thresholds: Path | None = None) -> dict[str, list[FlagRule | RangeRule]]:
    """The rules of each level; `InvalidInputError` names the mistake in the file, and its line."""
    return _load_file(thresholds).rules


@dataclass(frozen=True)
class _ThresholdFile:
    """The rules of each level, and their digests."""

    rules: dict[str, list[FlagRule | RangeRule]]
    digests: dict[str, str]


def _load_file(thresholds: Path | None) -> _ThresholdFile:
    path = thresholds or PACKAGED_THRESHOLDS
    try:
        status = path.stat()
    except OSError:
        # Reading it raises the error that says why
        return _read_file(path, (0, 0))
    return _read_file(path, (status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=4)
def _read_file(path: Path, stamp: tuple[int, int]) -> _ThresholdFile:
    """Read a file of thresholds, again when its `stamp` (time and size) changes."""
    document = strict_yaml.read_yaml(path, hint=f"compare it with {PACKAGED_THRESHOLDS}")
    rules: dict[str, list[FlagRule | RangeRule]] = {level: [] for level in LEVELS}
    digests = dict.fromkeys(LEVELS, _values_digest(None))
    for level, values in document.require_mapping("a file of thresholds").items():
        if level not in LEVELS:
            raise document.error_at(f"not a level; {suggest_name(level, LEVELS)}", level)
        section = document.parse(_LevelSection, {} if values is None else values, (level,))
        rules[level], digests[level] = list(_section_rules(section)), _values_digest(values)
    return _ThresholdFile(rules, digests)


def _values_digest(values: object) -> str:
    # Of the text, not of the rules: products stay current when only the code changes its names
    return hashlib.sha256(json.dumps(values, default=str).encode()).hexdigest()[:16]


def _check_choice(value: str, known: tuple[str, ...], what: str) -> str:
    if value and value not in known:
        raise ValueError(f"no {what} {value!r}; {suggest_name(value, known)}")
    return value


def _check_measure(measure: str) -> str:
    return _check_choice(measure, tuple(MEASURES), "measure")


def _check_camera(camera: str) -> str:
    return _check_choice(camera, CAMERAS, "camera")


def _check_kind(kind: str) -> str:
    return _check_choice(kind, SOURCE_TYPES, "type of exposure")


def _check_version(version: str) -> str:
    if version and parse_version(version) is None:
        raise ValueError(f"{version!r} is not a DRP version: write it as v2.9.1 or v2.12.0rc1")
    return version


def _list_texts(values: object) -> list[object]:
    texts = values if isinstance(values, list) else [values]
    if not all(isinstance(text, str) and text for text in texts):
        raise ValueError('write each value as a text: "YES" (YES without quotes is a truth value)')
    return texts


def _check_order(limits: _Limits) -> _Limits:
    low, high = limits
    if low is not None and high is not None and low > high:
        raise ValueError(f"the lower limit {low:g} is above the upper one, {high:g}")
    return limits


_Version = Annotated[str, AfterValidator(_check_version)]
_Texts = Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_list_texts)]
_Limits = tuple[float | None, float | None]
_OrderedLimits = Annotated[_Limits, AfterValidator(_check_order)]


class _Entry(StrictModel):
    """What flags and ranges have in common in the file.

    `source` is required: a limit without a source can't be trusted.
    """

    check: str
    source: Annotated[str, Field(min_length=3)]
    kinds: tuple[Annotated[str, AfterValidator(_check_kind)], ...] = Field((), alias="for")
    camera: Annotated[str, AfterValidator(_check_camera)] = ""
    when: dict[str, _Texts] = {}
    since: _Version = ""
    until: _Version = ""
    optional: bool = False

    def common_values(self) -> dict[str, Any]:
        """The values that every rule has."""
        when = tuple(self.when.items())
        scope = Scope(self.kinds, self.camera, when, self.since, self.until)
        return {
            "check": self.check,
            "scope": scope,
            "limit_source": self.source,
            "optional": self.optional,
        }


class _FlagEntry(_Entry):
    """A flag as written in the file."""

    keyword: Annotated[str, Field(min_length=1)]
    bad: Literal[Verdict.FAIL, Verdict.WARN, Verdict.NOT_JUDGED]

    def to_rule(self) -> FlagRule:
        """The rule that it describes."""
        return FlagRule(keyword=self.keyword, bad=self.bad, **self.common_values())


class _RangeEntry(_Entry):
    """A range as written in the file."""

    warn: _OrderedLimits
    fail: _OrderedLimits
    keyword: str = ""
    telemetry: str = ""
    measure: Annotated[str, AfterValidator(_check_measure)] = ""
    unit: str = ""
    judged: bool = True

    @model_validator(mode="after")
    def _one_name(self) -> _RangeEntry:
        if sum(map(bool, (self.keyword, self.telemetry, self.measure))) != 1:
            raise ValueError("give one of keyword, telemetry and measure")
        return self

    @model_validator(mode="after")
    def _warn_before_fail(self) -> _RangeEntry:
        warn, fail = ValueLimits(*self.warn), ValueLimits(*self.fail)
        if not fail.includes(warn):
            raise ValueError(f"warn ({warn}) allows values that fail ({fail}) does not")
        return self

    def to_rule(self) -> RangeRule:
        """The rule that it describes."""
        return RangeRule(
            limits=VerdictLimits(ValueLimits(*self.warn), ValueLimits(*self.fail)),
            keyword=self.keyword,
            telemetry=self.telemetry,
            measure=self.measure,
            unit=self.unit,
            is_judged=self.judged,
            **self.common_values(),
        )


class _LevelSection(StrictModel):
    """The rules of one level as written in the file."""

    flags: tuple[_FlagEntry, ...] | None = None
    ranges: tuple[_RangeEntry, ...] | None = None


def _section_rules(section: _LevelSection) -> Iterator[FlagRule | RangeRule]:
    for flag in section.flags or ():
        yield flag.to_rule()
    for limits in section.ranges or ():
        yield limits.to_rule()
