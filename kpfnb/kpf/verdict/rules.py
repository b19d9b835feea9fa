"""The criteria of a night's verdict: levels, rules, kinds of frames, and overrides by people."""

from __future__ import annotations

import getpass
import secrets
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

from kpfnb.core import atomic
from kpfnb.core.clock import utc_now
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.kpf.files.keywords import describe_since, find_keyword
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.quicklook.quality import JUDGED_VERDICTS, Verdict, VerdictLimits, worst_verdict

MAX_NIGHTS = 60
"""The longest look-back of a rule."""

VERSION_KEYWORD = "DRPTAG"
"""The keyword with the version of the DRP that wrote a product."""

SOURCE_KEYWORDS = ("IMTYPE", "OBJECT", "OCTAGON", "FFFB", "TARGNAME", "SCI-OBJ")
"""What `kpfnb.kpf.files.exposure.source_type` needs: some flags are for kinds of exposures only."""

OVERRIDES_DIR = "overrides"
MEASURED = "measured"
OVERRIDE_CHOICES = (*JUDGED_VERDICTS, MEASURED)


class VerdictLevel(StrEnum):
    """What a night must be good enough for."""

    CALIBRATIONS = "calibrations"
    MASTERS = "masters"
    SCIENCE = "science"

    @property
    def question(self) -> str:
        """The question that the rules of this level answer."""
        return _QUESTIONS[self]


_QUESTIONS = {
    VerdictLevel.CALIBRATIONS: "Are the calibrations good enough to make masters?",
    VerdictLevel.MASTERS: "Are the masters good enough to reduce science?",
    VerdictLevel.SCIENCE: "Is the science reduced?",
}


class RuleMeasure(StrEnum):
    """What a rule measures; also its key in the file of criteria."""

    COUNT = "count"
    KEYWORD = "keyword"
    TELEMETRY = "telemetry"
    VALID = "valid"
    FLAGS = "flags"
    PRODUCTS = "products"
    MASTERS = "masters"
    QUICKLOOK = "quicklook"

    @property
    def is_count(self) -> bool:
        """True if the value is a number of files."""
        return self in (RuleMeasure.COUNT, RuleMeasure.MASTERS)


@dataclass(frozen=True)
class VerdictRule:
    """One criterion.

    Attributes
    ----------
    names : keywords, sensors of TELEMETRY, product levels, or types of masters
    kinds : kinds of the frames that are measured
    limits_source : where the limits come from
    data_level : the level of the files whose headers have the keywords
    across : the statistic of several keywords of a frame
    target : the value from which the distance is measured; None: the value itself counts
    ignore : what the DRP writes where it has no value
    statistic : the statistic of the frames
    nights : look-back: the number of nights, this one included
    empty_verdict : the verdict if there is nothing to measure
    """

    name: str
    level: VerdictLevel
    title: str
    reason: str
    measure: RuleMeasure
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    limits: VerdictLimits
    limits_source: str
    data_level: str = ""
    across: str = "median"
    target: float | None = None
    ignore: float | None = None
    statistic: str = "median"
    scale: float = 1.0
    nights: int = 1
    empty_verdict: Verdict = Verdict.NOT_JUDGED
    unit: str = ""

    def evaluate(self, value: float | None, *, is_incomplete: bool = False) -> Verdict:
        """The verdict of a value.

        Parameters
        ----------
        value : None if there is nothing to measure
        is_incomplete : a frame lacks what its DRP version writes: at least WARN
        """
        verdict = self.empty_verdict if value is None else self.limits.evaluate(value)
        return worst_verdict([verdict, Verdict.WARN]) if is_incomplete else verdict

    def keywords_since(self) -> dict[str, str]:
        """Keyword (or sensor) to the first DRP version that writes it, in words; '' is any."""
        if self.measure is RuleMeasure.TELEMETRY:
            return dict.fromkeys(self.names, "")
        if not self.data_level:
            return {}
        lines = {name: find_keyword(name, self.data_level) for name in self.names}
        nowhere = f"not in {self.data_level} files"
        return {name: describe_since(line) if line else nowhere for name, line in lines.items()}

    def to_dict(self) -> dict[str, Any]:
        """JSON values of the rule: what it measures, its limits and their source."""
        limits = {
            name: [pair.low, pair.high]
            for name, pair in (("warn", self.limits.warn), ("fail", self.limits.fail))
        }
        return {
            "rule": self.name,
            "level": str(self.level),
            "title": self.title,
            "reason": self.reason,
            "measure": str(self.measure),
            "names": list(self.names),
            "kinds": list(self.kinds),
            "from": self.data_level,
            **limits,
            "unit": self.unit,
            "nights": self.nights,
            "threshold": self.limits.describe(self.unit),
            "since": self.keywords_since(),
            "source": self.limits_source,
        }


@dataclass(frozen=True)
class VerdictCriteria:
    """All rules of a file, and the kinds of frames: keyword patterns of L0 headers."""

    path: Path
    kinds: Mapping[str, Mapping[str, str]]
    rules: tuple[VerdictRule, ...]

    def frame_kinds(self, header: Mapping[str, Any]) -> tuple[str, ...]:
        """The kinds that an L0 header belongs to."""
        return tuple(
            name
            for name, patterns in self.kinds.items()
            if all(
                fnmatchcase(str(header.get(keyword, "")).strip(), pattern)
                for keyword, pattern in patterns.items()
            )
        )

    @cached_property
    def keywords(self) -> dict[str, tuple[str, ...]]:
        """The keywords to read at each level.

        Those of the kinds are read at all levels: products have them too, and the L0 may be gone.
        """
        names: dict[str, dict[str, None]] = {level: {} for level in KPF.levels}
        for level, keywords in names.items():
            extra = () if level == KPF.raw else (VERSION_KEYWORD, *SOURCE_KEYWORDS)
            keywords.update(dict.fromkeys(extra))
            for patterns in self.kinds.values():
                keywords.update(dict.fromkeys(patterns))
        for rule in self.rules:
            if rule.data_level:
                names[rule.data_level].update(dict.fromkeys(rule.names))
        return {level: tuple(keywords) for level, keywords in names.items()}

    @cached_property
    def sensors(self) -> tuple[str, ...]:
        """The sensors of TELEMETRY that any rule needs."""
        rules = (rule for rule in self.rules if rule.measure is RuleMeasure.TELEMETRY)
        return tuple(dict.fromkeys(name for rule in rules for name in rule.names))

    def kinds_with_header(self, level: str) -> frozenset[str]:
        """The kinds of frames whose header of that level any rule needs."""
        return frozenset(
            kind for rule in self.rules if rule.data_level == level for kind in rule.kinds
        )


@dataclass(frozen=True)
class Override:
    """A person's decision about the verdict of a rule, and the reason.

    Overrides are only ever added: each is a file of its own. The latest one of a rule counts;
    `measured` withdraws the earlier ones.

    Attributes
    ----------
    to : PASS, WARN or FAIL; `measured`: the measured verdict counts again
    at : UTC, ISO 8601
    instead_of : the verdict that was measured at that time
    criteria : the version of the criteria at that time
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
        """The verdict that it sets; None if the measured one counts again."""
        return None if self.to == MEASURED else Verdict(self.to)


def check_override(to: str, why: str) -> None:
    """Refuse an override without a reason, or to a word that is not a verdict."""
    if to not in OVERRIDE_CHOICES:
        raise InvalidParameterError(f"--to {to!r}", f"it is one of {', '.join(OVERRIDE_CHOICES)}")
    if not why.strip():
        raise InvalidParameterError("--why is empty", "give the reason; the report shows it")


def new_override(
    night: str, rule: str, to: str, why: str, *, who: str = "", instead_of: str, criteria: str
) -> Override:
    """An override of this moment, by `who` (the user of this process if '')."""
    # With microseconds: overrides are sorted by time
    at = utc_now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    name = who.strip() or f"{getpass.getuser()}@{socket.gethostname()}"
    return Override(night, rule, str(to), " ".join(why.split()), name, at, instead_of, criteria)


def save_override(night_dir: Path, override: Override) -> Path:
    """Store an override below a night's directory; returns its file."""
    stamp = override.at.replace("-", "").replace(":", "")
    path = night_dir / OVERRIDES_DIR / f"{stamp}-{secrets.token_hex(4)}.json"
    atomic.write_json(path, asdict(override))
    return path


def read_overrides(night_dir: Path) -> list[Override]:
    """All overrides of a night, oldest first; `InvalidInputError` names a damaged one."""
    overrides = []
    for path in sorted((night_dir / OVERRIDES_DIR).glob("[0-9]*.json")):
        try:
            override = Override(**atomic.read_json(path))
            check_override(override.to, override.why)
        except (TypeError, InvalidParameterError) as error:
            raise InvalidInputError(
                f"{path} is not a valid override: {error}", "fix the file, or move it away"
            ) from None
        overrides.append(override)
    return overrides


def active_overrides(overrides: list[Override]) -> dict[str, Override]:
    """Rule to the override that counts."""
    latest = {override.rule: override for override in overrides}
    return {rule: override for rule, override in latest.items() if override.to != MEASURED}
