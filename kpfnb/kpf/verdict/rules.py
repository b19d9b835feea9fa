"""The criteria of a verdict: levels, rules, and how exposures are told apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

from kpfnb.kpf.obsid import KPF
from kpfnb.kpf.quicklook.quality import Limits, Verdict

MAX_NIGHTS = 60


class Level(StrEnum):
    """What a night has to be good enough for."""

    CALIBRATIONS = "calibrations"
    MASTERS = "masters"
    SCIENCE = "science"

    @property
    def question(self) -> str:
        """What it asks."""
        return _QUESTIONS[self]


_QUESTIONS = {
    Level.CALIBRATIONS: "Are the calibrations good enough to make masters?",
    Level.MASTERS: "Are the masters good enough to reduce science?",
    Level.SCIENCE: "Is the science reduced?",
}


class Measure(StrEnum):
    """What a rule looks at; also the key that says so."""

    COUNT = "count"
    KEYWORD = "keyword"
    FLAGS = "flags"
    PRODUCTS = "products"
    MASTERS = "masters"
    QUICKLOOK = "quicklook"


@dataclass(frozen=True)
class Rule:
    """One criterion.

    Attributes
    ----------
    names : keywords, product levels, or the pattern of masters
    kinds : of the frames that are looked at
    source : the data level whose header holds the keywords
    nights : this night and those before it, so many in all
    none : the verdict where there is nothing to look at
    """

    name: str
    level: Level
    title: str
    reason: str
    measure: Measure
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    warn: Limits
    fail: Limits
    source: str = ""
    across: str = "median"
    statistic: str = "median"
    scale: float = 1.0
    nights: int = 1
    none: Verdict = Verdict.WARN
    unit: str = ""

    def judge(self, value: float | None) -> Verdict:
        """PASS within `warn`, WARN within `fail`, else FAIL; not a number is a FAIL."""
        if value is None:
            return self.none
        if value != value or not self.fail.hold(value):
            return Verdict.FAIL
        return Verdict.PASS if self.warn.hold(value) else Verdict.WARN


@dataclass(frozen=True)
class Criteria:
    """All rules of a file, and how exposures are told apart."""

    path: Path
    kinds: Mapping[str, Mapping[str, str]]
    rules: tuple[Rule, ...]

    def kinds_of(self, header: Mapping[str, Any]) -> tuple[str, ...]:
        """The kinds that an L0 header belongs to."""
        return tuple(
            name
            for name, asked in self.kinds.items()
            if all(fnmatchcase(str(header.get(k, "")).strip(), p) for k, p in asked.items())
        )

    @cached_property
    def keywords(self) -> dict[str, tuple[str, ...]]:
        """The keywords to read of each level; of L0 those that tell kinds are among them."""
        found: dict[str, dict[str, None]] = {level: {} for level in KPF.levels}
        for asked in self.kinds.values():
            found[KPF.raw].update(dict.fromkeys(asked))
        for rule in self.rules:
            if rule.source:
                found[rule.source].update(dict.fromkeys(rule.names))
        return {level: tuple(names) for level, names in found.items()}

    def kinds_read(self, level: str) -> frozenset[str]:
        """The kinds of frames whose header of that level some rule asks for."""
        return frozenset(k for rule in self.rules if rule.source == level for k in rule.kinds)

    def rule(self, name: str) -> Rule:
        """The rule of that name; KeyError where there is none."""
        return {rule.name: rule for rule in self.rules}[name]
