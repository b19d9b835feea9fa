"""The checks of a file: PASS, WARN or FAIL against thresholds that stand in a file of their own."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, model_validator

from kpfnb.core import strict_yaml
from kpfnb.core.strict_yaml import StrictModel, suggest_name
from kpfnb.kpf.quicklook.measures import MEASURES
from kpfnb.kpf.quicklook.plots.fits_content import FitsContent
from kpfnb.kpf.quicklook.targets import LEVELS

if TYPE_CHECKING:
    from kpfnb.core.fits.cards import HeaderValue

PACKAGED_THRESHOLDS = Path(__file__).with_name("thresholds.yml")
"""The package's own."""

logger = logging.getLogger(__name__)


class Verdict(StrEnum):
    """What a check says."""

    PASS = "PASS"  # noqa: S105
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True)
class QualityCheck:
    """One check of one file; `allowed` tells what would pass."""

    name: str
    verdict: Verdict
    value: float | str | None
    unit: str
    allowed: str
    source: str
    """The keyword or the measure."""


@dataclass(frozen=True)
class ValueLimits:
    """Lowest and highest; None is no limit."""

    low: float | None = None
    high: float | None = None

    def contains(self, value: float) -> bool:
        """True where the value is within."""
        return not (
            (self.low is not None and value < self.low)
            or (self.high is not None and value > self.high)
        )

    def __str__(self) -> str:
        if self.low is None and self.high is None:
            return "any"
        if self.low is None:
            return f"at most {self.high:g}"
        return f"at least {self.low:g}" if self.high is None else f"{self.low:g} to {self.high:g}"


Conditions = tuple[tuple[str, tuple[str, ...]], ...]
"""Keywords, and the values of which each must have one."""


@dataclass(frozen=True)
class RangeRule:
    """A number that has to lie within limits."""

    check: str
    warn: ValueLimits
    fail: ValueLimits
    keyword: str = ""
    measure: str = ""
    unit: str = ""
    when: Conditions = ()
    expected: Conditions = ()
    """Of exposures in which a measure must be possible."""

    def evaluate(self, content: FitsContent) -> QualityCheck | None:
        """The check; None where it is not for this exposure, or none is expected."""
        if not _conditions_met(self.when, content):
            return None
        if self.keyword:
            value = content.number(self.keyword)
            odd = content.text(self.keyword) or "not in the header"
            return self._check(value, odd if value is None else value)
        try:
            value = MEASURES[self.measure](content)
        except Exception as error:  # a table of another make must not take the pictures with it
            logger.exception("%s can't be measured", self.measure)
            return self._check(None, f"can't be measured: {type(error).__name__}: {error}")
        if value is None:
            # What the header says was taken and is not there is no pass
            is_missed = bool(self.expected) and _conditions_met(self.expected, content)
            return self._check(None, "not in the file") if is_missed else None
        return self._check(value, value)

    def _check(self, value: float | None, shown: float | str) -> QualityCheck:
        # JSON has no word for what is not finite
        is_number = isinstance(shown, float) and math.isfinite(shown)
        return QualityCheck(
            self.check, self._verdict(value), shown if is_number else str(shown),
            self.unit if is_number else "", str(self.warn), self.keyword or self.measure,
        )  # fmt: skip

    def _verdict(self, value: float | None) -> Verdict:
        # What is not a number fails every comparison
        if value is None:
            return Verdict.WARN
        if value != value or not self.fail.contains(value):
            return Verdict.FAIL
        return Verdict.PASS if self.warn.contains(value) else Verdict.WARN


@dataclass(frozen=True)
class FlagRule:
    """A keyword that is 1 for good and 0 for bad."""

    check: str
    keyword: str
    bad: Verdict

    def evaluate(self, content: FitsContent) -> QualityCheck:
        """The check; a keyword that is missing or odd is a WARN."""
        found: HeaderValue = content.header.get(self.keyword)
        good = found is not None and found in (0, 1)
        verdict = Verdict.WARN if not good else Verdict.PASS if found else self.bad
        value = int(bool(found)) if good else content.text(self.keyword) or "not in the header"
        return QualityCheck(self.check, verdict, value, "", "1", self.keyword)


def evaluate_checks(
    level: str, content: FitsContent, thresholds: Path | None = None
) -> list[QualityCheck]:
    """All checks of a level, the worst first."""
    checks = [rule.evaluate(content) for rule in load_rules(thresholds)[level]]
    found = [check for check in checks if check]
    return sorted(found, key=lambda check: -list(Verdict).index(check.verdict))


def worst_verdict(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of several; PASS where there is none."""
    return max(verdicts, key=list(Verdict).index, default=Verdict.PASS)


def rules_digest(level: str, thresholds: Path | None = None) -> str:
    """What the rules of a level are: it changes when one of them does."""
    return hashlib.sha256(repr(load_rules(thresholds)[level]).encode()).hexdigest()[:16]


def load_rules(thresholds: Path | None = None) -> dict[str, list[FlagRule | RangeRule]]:
    """The rules of each level; `InvalidInputError` names what is wrong in the file, and its line."""
    path = thresholds or PACKAGED_THRESHOLDS
    try:
        status = path.stat()
    except OSError:
        # Reading it says what is wrong
        return _read_rules(path, (0, 0))
    return _read_rules(path, (status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=4)
def _read_rules(path: Path, stamp: tuple[int, int]) -> dict[str, list[FlagRule | RangeRule]]:
    """The rules in a file, read again when its `stamp` (time and size) is another."""
    document = strict_yaml.read_yaml(path, hint=f"compare it with {PACKAGED_THRESHOLDS}")
    found: dict[str, list[FlagRule | RangeRule]] = {level: [] for level in LEVELS}
    for level, given in document.require_mapping("a file of thresholds").items():
        if level not in LEVELS:
            raise document.error_at(f"no level; {suggest_name(level, LEVELS)}", level)
        section = document.parse(_LevelSection, {} if given is None else given, (level,))
        found[level] = list(_section_rules(section))
    return found


def _conditions_met(conditions: Conditions, content: FitsContent) -> bool:
    return all(content.text(keyword) in values for keyword, values in conditions)


def _conditions(given: dict[str, Any]) -> Conditions:
    return tuple(
        (keyword, tuple(map(str, values if isinstance(values, list) else [values])))
        for keyword, values in given.items()
    )


def _check_measure(measure: str) -> str:
    if measure and measure not in MEASURES:
        raise ValueError(f"no measure {measure!r}; {suggest_name(measure, MEASURES)}")
    return measure


class _RangeEntry(StrictModel):
    """A range as it is written."""

    check: str
    warn: tuple[float | None, float | None]
    fail: tuple[float | None, float | None]
    keyword: str = ""
    measure: Annotated[str, AfterValidator(_check_measure)] = ""
    unit: str = ""
    when: dict[str, Any] = {}
    expected: dict[str, Any] = {}

    @model_validator(mode="after")
    def _one_source(self) -> _RangeEntry:
        if bool(self.keyword) == bool(self.measure):
            raise ValueError("name a keyword or a measure")
        if self.expected and not self.measure:
            raise ValueError("expected is for measures: a keyword always is")
        return self

    def to_rule(self) -> RangeRule:
        """As it is looked at."""
        limits = ValueLimits(*self.warn), ValueLimits(*self.fail)
        when, expected = _conditions(self.when), _conditions(self.expected)
        return RangeRule(self.check, *limits, self.keyword, self.measure, self.unit, when, expected)


class _LevelSection(StrictModel):
    """What is written of one level."""

    flags: dict[Literal["fail", "warn"], dict[str, str] | None] | None = None
    ranges: tuple[_RangeEntry, ...] | None = None


def _section_rules(section: _LevelSection) -> Iterator[FlagRule | RangeRule]:
    flags = section.flags or {}
    for keyword, what in (flags.get("fail") or {}).items():
        yield FlagRule(what, keyword, Verdict.FAIL)
    for keyword, what in (flags.get("warn") or {}).items():
        yield FlagRule(what, keyword, Verdict.WARN)
    for one in section.ranges or ():
        yield one.to_rule()
