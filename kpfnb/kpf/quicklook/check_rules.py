"""The rules of the checks: ranges of numbers and flags, read from a file of thresholds."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, model_validator

from kpfnb.core import strict_yaml
from kpfnb.core.strict_yaml import StrictModel
from kpfnb.core.text import suggest_name
from kpfnb.kpf.quicklook.instrument_plots.fits_content import FitsContent
from kpfnb.kpf.quicklook.measures import MEASURES
from kpfnb.kpf.quicklook.quality import QualityCheck, ValueLimits, Verdict, VerdictLimits
from kpfnb.kpf.quicklook.targets import LEVELS

if TYPE_CHECKING:
    from kpfnb.core.fits.cards import HeaderValue

PACKAGED_THRESHOLDS = Path(__file__).with_name("thresholds.yml")

logger = logging.getLogger(__name__)

Conditions = tuple[tuple[str, tuple[str, ...]], ...]
"""Keywords, each with the values of which it must have one."""


@dataclass(frozen=True)
class RangeRule:
    """A number that must be within limits: a keyword or a measure.

    Attributes
    ----------
    when : only for such exposures
    expected : exposures for which the measure must be possible
    """

    check: str
    limits: VerdictLimits
    keyword: str = ""
    measure: str = ""
    unit: str = ""
    when: Conditions = ()
    expected: Conditions = ()

    def evaluate(self, content: FitsContent) -> QualityCheck | None:
        """The check; None if it does not apply to this exposure, or no value is expected."""
        if not _conditions_met(self.when, content):
            return None
        if self.keyword:
            value = content.number(self.keyword)
            text = content.text(self.keyword) or "not in the header"
            return self._check(value, text if value is None else value)
        try:
            value = MEASURES[self.measure](content)
        except Exception as error:  # a table of another format must not stop the other checks
            logger.exception("%s can't be measured", self.measure)
            return self._check(None, f"can't be measured: {type(error).__name__}: {error}")
        if value is None:
            # Data that were taken, as the header says, and are not in the file do not pass
            is_missing = bool(self.expected) and _conditions_met(self.expected, content)
            return self._check(None, "not in the file") if is_missing else None
        return self._check(value, value)

    def _check(self, value: float | None, shown: float | str) -> QualityCheck:
        # JSON has no numbers that are not finite
        is_number = isinstance(shown, float) and math.isfinite(shown)
        return QualityCheck(
            name=self.check,
            verdict=Verdict.WARN if value is None else self.limits.evaluate(value),
            value=shown if is_number else str(shown),
            unit=self.unit if is_number else "",
            allowed=str(self.limits.warn),
            source=self.keyword or self.measure,
        )


@dataclass(frozen=True)
class FlagRule:
    """A keyword that is 1 for good and 0 for bad; `bad` is the verdict of 0."""

    check: str
    keyword: str
    bad: Verdict

    def evaluate(self, content: FitsContent) -> QualityCheck:
        """The check; WARN if the keyword is missing or neither 0 nor 1."""
        flag: HeaderValue = content.header.get(self.keyword)
        is_valid = flag is not None and flag in (0, 1)
        verdict = Verdict.WARN if not is_valid else Verdict.PASS if flag else self.bad
        value = int(bool(flag)) if is_valid else content.text(self.keyword) or "not in the header"
        return QualityCheck(self.check, verdict, value, "", "1", self.keyword)


def evaluate_checks(
    level: str, content: FitsContent, thresholds: Path | None = None
) -> list[QualityCheck]:
    """All checks of a level, the worst first."""
    checks = [rule.evaluate(content) for rule in load_rules(thresholds)[level]]
    return sorted(filter(None, checks), key=lambda check: -check.verdict.severity)


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


def _conditions_met(conditions: Conditions, content: FitsContent) -> bool:
    return all(content.text(keyword) in values for keyword, values in conditions)


def _make_conditions(entry: dict[str, Any]) -> Conditions:
    return tuple(
        (keyword, tuple(map(str, values if isinstance(values, list) else [values])))
        for keyword, values in entry.items()
    )


def _check_measure(measure: str) -> str:
    if measure and measure not in MEASURES:
        raise ValueError(f"no measure {measure!r}; {suggest_name(measure, MEASURES)}")
    return measure


class _RangeEntry(StrictModel):
    """A range as written in the file."""

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
            raise ValueError("expected is only for measures: keywords are always expected")
        return self

    def to_rule(self) -> RangeRule:
        """The rule that it describes."""
        return RangeRule(
            check=self.check,
            limits=VerdictLimits(ValueLimits(*self.warn), ValueLimits(*self.fail)),
            keyword=self.keyword,
            measure=self.measure,
            unit=self.unit,
            when=_make_conditions(self.when),
            expected=_make_conditions(self.expected),
        )


class _LevelSection(StrictModel):
    """The rules of one level as written in the file."""

    flags: dict[Literal["fail", "warn"], dict[str, str] | None] | None = None
    ranges: tuple[_RangeEntry, ...] | None = None


def _section_rules(section: _LevelSection) -> Iterator[FlagRule | RangeRule]:
    flags = section.flags or {}
    for keyword, name in (flags.get("fail") or {}).items():
        yield FlagRule(name, keyword, Verdict.FAIL)
    for keyword, name in (flags.get("warn") or {}).items():
        yield FlagRule(name, keyword, Verdict.WARN)
    for entry in section.ranges or ():
        yield entry.to_rule()
