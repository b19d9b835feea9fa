"""The criteria of a verdict: levels, rules, and how exposures are told apart."""

from __future__ import annotations

import getpass
import secrets
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.quicklook.quality import ValueLimits, Verdict

# Overrides: a person says what a rule's verdict is, and why. They are only ever added.
#
# Each is a file of its own, written whole: nothing that was said is changed or lost. The latest that
# names a rule counts; `measured` takes an earlier one back.

OVERRIDES_DIR = "overrides"
MEASURED = "measured"
OVERRIDE_CHOICES = (*Verdict, MEASURED)


@dataclass(frozen=True)
class Override:
    """What was said of a rule.

    Attributes
    ----------
    to : PASS, WARN or FAIL; `measured`: what was measured counts again
    at : UTC, ISO 8601
    instead_of : the verdict that was measured when it was said
    criteria : the version of the rules at that time
    """

    night: str
    rule: str
    to: str
    why: str
    who: str
    at: str
    instead_of: str
    criteria: str

    @property
    def verdict(self) -> Verdict | None:
        """The verdict that it sets; None where what was measured counts again."""
        return None if self.to == MEASURED else Verdict(self.to)


def check_override(to: str, why: str) -> None:
    """Refuse an override without a reason, or to a word that is no verdict."""
    if to not in OVERRIDE_CHOICES:
        raise InvalidParameterError(f"--to {to!r}", f"it is one of {', '.join(OVERRIDE_CHOICES)}")
    if not why.strip():
        raise InvalidParameterError(
            "--why is empty", "say why: whoever reads the verdict wants to know"
        )


def new_override(
    night: str, rule: str, to: str, why: str, *, who: str = "", instead_of: str, criteria: str
) -> Override:
    """An override of this moment, by `who` (the user of this process if '')."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    name = who.strip() or f"{getpass.getuser()}@{socket.gethostname()}"
    return Override(night, rule, str(to), " ".join(why.split()), name, at, instead_of, criteria)


def save_override(folder: Path, override: Override) -> Path:
    """Record it below a night's folder; the file."""
    stamp = override.at.replace("-", "").replace(":", "")
    path = folder / OVERRIDES_DIR / f"{stamp}-{secrets.token_hex(4)}.json"
    atomic.write_json(path, asdict(override))
    return path


def read_overrides(folder: Path) -> list[Override]:
    """All overrides of a night, oldest first; a damaged one is a `InvalidInputError` that names it."""
    found = []
    for path in sorted((folder / OVERRIDES_DIR).glob("[0-9]*.json")):
        try:
            override = Override(**atomic.read_json(path))
            check_override(override.to, override.why)
        except (TypeError, InvalidParameterError) as error:
            raise InvalidInputError(
                f"{path} is no override: {error}", "mend it, or move it away"
            ) from None
        found.append(override)
    return found


def active_overrides(overrides: list[Override]) -> dict[str, Override]:
    """Rule to the override that counts."""
    latest = {one.rule: one for one in overrides}
    return {rule: one for rule, one in latest.items() if one.to != MEASURED}


MAX_NIGHTS = 60


class VerdictLevel(StrEnum):
    """What a night has to be good enough for."""

    CALIBRATIONS = "calibrations"
    MASTERS = "masters"
    SCIENCE = "science"

    @property
    def question(self) -> str:
        """What it asks."""
        return _QUESTIONS[self]


_QUESTIONS = {
    VerdictLevel.CALIBRATIONS: "Are the calibrations good enough to make masters?",
    VerdictLevel.MASTERS: "Are the masters good enough to reduce science?",
    VerdictLevel.SCIENCE: "Is the science reduced?",
}


class RuleMeasure(StrEnum):
    """What a rule looks at; also the key that says so."""

    COUNT = "count"
    KEYWORD = "keyword"
    FLAGS = "flags"
    PRODUCTS = "products"
    MASTERS = "masters"
    QUICKLOOK = "quicklook"


@dataclass(frozen=True)
class VerdictRule:
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
    level: VerdictLevel
    title: str
    reason: str
    measure: RuleMeasure
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    warn: ValueLimits
    fail: ValueLimits
    source: str = ""
    across: str = "median"
    statistic: str = "median"
    scale: float = 1.0
    nights: int = 1
    empty_verdict: Verdict = Verdict.WARN
    unit: str = ""

    def evaluate(self, value: float | None) -> Verdict:
        """PASS within `warn`, WARN within `fail`, else FAIL; not a number is a FAIL."""
        if value is None:
            return self.empty_verdict
        if value != value or not self.fail.contains(value):
            return Verdict.FAIL
        return Verdict.PASS if self.warn.contains(value) else Verdict.WARN


@dataclass(frozen=True)
class VerdictCriteria:
    """All rules of a file, and how exposures are told apart."""

    path: Path
    kinds: Mapping[str, Mapping[str, str]]
    rules: tuple[VerdictRule, ...]

    def frame_kinds(self, header: Mapping[str, Any]) -> tuple[str, ...]:
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

    def kinds_with_header(self, level: str) -> frozenset[str]:
        """The kinds of frames whose header of that level some rule asks for."""
        return frozenset(k for rule in self.rules if rule.source == level for k in rule.kinds)

    def get_rule(self, name: str) -> VerdictRule:
        """The rule of that name; KeyError where there is none."""
        return {rule.name: rule for rule in self.rules}[name]
