"""The rules of the checks: how a number or a flag is judged, and to which exposures that applies.

A check that does not apply to an exposure is not judged, and says why. So is one whose keyword the
file's DRP version does not write; a keyword that this version should have written is a WARN.
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kpfnb.kpf.files import exposure, keywords
from kpfnb.kpf.files.drp import parse_version
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.quicklook.instrument_plots.fits_content import FitsContent
from kpfnb.kpf.quicklook.measures import MEASURES, NOT_IN_FILE
from kpfnb.kpf.quicklook.quality import QualityCheck, Verdict, VerdictLimits

if TYPE_CHECKING:
    from kpfnb.core.fits.cards import HeaderValue

CAMERAS = ("GREEN", "RED", "CA_HK", "EXPMETER", "GUIDE")
"""Keywords of cameras; the names of their extensions begin with them."""

MASTER_IMTYPE = "Flat"
"""IMTYPE of master flats. The DRP's tests for a type of exposure only know that of raw flats."""

NOT_IN_HEADER = "not in the header"

logger = logging.getLogger(__name__)

Conditions = tuple[tuple[str, tuple[str, ...]], ...]
"""Keywords, each with the values of which it must have one."""


@dataclass(frozen=True)
class Scope:
    """The exposures to which a check applies.

    Attributes
    ----------
    kinds : types of source (`exposure.SOURCE_TYPES`); () is any
    camera : one of `CAMERAS` that the exposure must have used; '' is any
    when : further conditions
    since, until : the first and the last DRP version; '' is no limit
    """

    kinds: tuple[str, ...] = ()
    camera: str = ""
    when: Conditions = ()
    since: str = ""
    until: str = ""

    def find_obstacle(self, content: FitsContent) -> str:
        """Why a check does not apply to a file; '' if it does."""
        return (
            self._find_kind_obstacle(content)
            or self._find_camera_obstacle(content)
            or self._find_version_obstacle(content.text("DRPTAG"))
        )

    def _find_kind_obstacle(self, content: FitsContent) -> str:
        kind = exposure.source_type(content.header)
        if self.kinds and kind not in self.kinds:
            return f"only for {', '.join(self.kinds)}; this is {kind or 'of unknown type'}"
        for keyword, values in self.when:
            if content.text(keyword) not in values:
                condition = f"only where {keyword} is {' or '.join(values)}"
                return "; ".join(filter(None, [condition, keywords.describe_unknown(keyword)]))
        return ""

    def _find_camera_obstacle(self, content: FitsContent) -> str:
        names = (*content.images, *content.tables)
        if not self.camera or exposure.is_camera_used(content.header, self.camera, names):
            return ""
        if exposure.has_camera_keyword(content.header, self.camera):
            return f"{self.camera} was not used"
        return f"{self.camera} is {NOT_IN_HEADER}, and no extension belongs to it"

    def _find_version_obstacle(self, tag: str) -> str:
        if not self.since and not self.until:
            return ""
        version = parse_version(tag)
        if version is None:
            return f"the DRP version is not known: {tag or 'no DRPTAG'}"
        since, until = parse_version(self.since), parse_version(self.until)
        if (since and version < since) or (until and version > until):
            span = " ".join(
                part
                for part in (
                    self.since and f"from {self.since}",
                    self.until and f"to {self.until}",
                )
                if part
            )
            return f"only for DRP versions {span}; this is {tag}"
        return ""

    def describe(self) -> str:
        """The scope in words: `Star, Sun; GREEN was used; from v2.12.0`; '' if it is everything."""
        parts = [
            ", ".join(self.kinds),
            self.camera and f"{self.camera} was used",
            *(f"{keyword} is {' or '.join(values)}" for keyword, values in self.when),
            self.since and f"from {self.since}",
            self.until and f"to {self.until}",
        ]
        return "; ".join(filter(None, parts))


@dataclass(frozen=True, kw_only=True)
class Rule(ABC):
    """What rules have in common.

    Attributes
    ----------
    limit_source : where the limits come from
    optional : a missing keyword is never a WARN
    """

    check: str
    scope: Scope = Scope()
    limit_source: str = ""
    optional: bool = False

    @property
    @abstractmethod
    def source(self) -> str:
        """The keyword, telemetry keyword or measure that is judged."""

    @property
    @abstractmethod
    def allowed(self) -> str:
        """The values that pass, in words."""

    @abstractmethod
    def describe_limits(self) -> str:
        """What passes and what fails, in words."""

    @abstractmethod
    def _evaluate(self, content: FitsContent, level: str) -> QualityCheck:
        """The check of a file in the scope of the rule."""

    def evaluate(self, content: FitsContent, level: str) -> QualityCheck:
        """The check of a file of a level."""
        if obstacle := self.scope.find_obstacle(content):
            return self._not_judged(obstacle)
        check = self._evaluate(content, level)
        camera = self.scope.camera
        if not camera or exposure.has_camera_keyword(content.header, camera):
            return check
        note = f"{camera} is {NOT_IN_HEADER}: judged by the extensions"
        return replace(check, detail="; ".join(filter(None, [check.detail, note])))

    def _missing_keyword(self, content: FitsContent, level: str) -> QualityCheck:
        if self.optional:
            return self._not_judged(NOT_IN_HEADER)
        if level == KPF.raw:
            return self._make_check(Verdict.WARN, NOT_IN_HEADER)
        tag = content.text("DRPTAG")
        written = keywords.was_written(self.source, level, tag)
        if written is None:
            unknown = keywords.describe_unknown(self.source)
            version = f"DRP version {tag or 'not known'}"
            return self._not_judged(f"{NOT_IN_HEADER}; {unknown or version}")
        if not written:
            return self._not_judged(f"DRP {tag} does not write it")
        if self.scope.kinds and content.text("IMTYPE") == MASTER_IMTYPE:
            return self._not_judged("the DRP does not run this test on masters")
        return self._make_check(Verdict.WARN, f"{NOT_IN_HEADER}, but DRP {tag} writes it")

    def _not_judged(self, reason: str) -> QualityCheck:
        return self._make_check(Verdict.NOT_JUDGED, reason)

    def _make_check(
        self, verdict: Verdict, value: float | str, *, unit: str = "", detail: str = ""
    ) -> QualityCheck:
        # JSON has no numbers that are not finite
        is_number = isinstance(value, float | int) and math.isfinite(value)
        return QualityCheck(
            name=self.check,
            verdict=verdict,
            value=value if is_number else str(value),
            unit=unit if is_number else "",
            allowed=self.allowed,
            source=self.source,
            detail=detail,
            limit_source=self.limit_source,
        )


@dataclass(frozen=True, kw_only=True)
class RangeRule(Rule):
    """A number that must be within limits: of a keyword, a telemetry keyword or a measure.

    A measure finds nothing in the file although its camera was used: that is a FAIL.

    Attributes
    ----------
    is_judged : False: a value outside the limits is shown, but is no WARN or FAIL
    """

    limits: VerdictLimits
    keyword: str = ""
    telemetry: str = ""
    measure: str = ""
    unit: str = ""
    is_judged: bool = True

    @property
    def source(self) -> str:
        """What the number is of."""
        return self.keyword or self.telemetry or self.measure

    @property
    def allowed(self) -> str:
        """The values that pass, in words."""
        return str(self.limits.warn)

    def describe_limits(self) -> str:
        """What passes and what fails, in words."""
        text = self.limits.describe(self.unit)
        return text if self.is_judged else f"PASS: {self.allowed}; other values are not judged"

    def _evaluate(self, content: FitsContent, level: str) -> QualityCheck:
        if self.keyword:
            return self._evaluate_keyword(content, level)
        return self._evaluate_telemetry(content) if self.telemetry else self._measure(content)

    def _evaluate_keyword(self, content: FitsContent, level: str) -> QualityCheck:
        if content.header.get(self.keyword) is None:
            return self._missing_keyword(content, level)
        value = content.number(self.keyword)
        if value is None:
            return self._make_check(Verdict.WARN, content.text(self.keyword) or "empty")
        return self._judge(value)

    def _evaluate_telemetry(self, content: FitsContent) -> QualityCheck:
        value = content.read_telemetry().get(self.telemetry)
        if value is not None:
            return self._judge(value)
        unknown = keywords.describe_unknown(self.telemetry)
        return self._not_judged("; ".join(filter(None, ["no reading in TELEMETRY", unknown])))

    def _measure(self, content: FitsContent) -> QualityCheck:
        try:
            measured = MEASURES[self.measure](content)
        except Exception as error:  # a table of another format must not stop the other checks
            logger.exception("%s can't be measured", self.measure)
            reason = f"can't be measured: {type(error).__name__}: {error}"
            return self._make_check(Verdict.WARN, reason)
        if measured.value is not None:
            return self._judge(measured.value, measured.note)
        # Data that were taken, as the header says, and are not in the file do not pass
        is_lost = measured is NOT_IN_FILE and bool(self.scope.camera)
        return self._make_check(Verdict.FAIL if is_lost else measured.verdict, measured.note)

    def _judge(self, value: float, detail: str = "") -> QualityCheck:
        verdict = self.limits.evaluate(value)
        if verdict.needs_attention and not self.is_judged:
            verdict = Verdict.NOT_JUDGED
        check = self._make_check(verdict, value, unit=self.unit, detail=detail)
        fail = self.limits.fail.bounds if self.is_judged else None
        return replace(check, warn=self.limits.warn.bounds, fail=fail)


@dataclass(frozen=True, kw_only=True)
class FlagRule(Rule):
    """A keyword of the DRP's quality control: 1 is good, 0 is bad; `bad` is the verdict of 0."""

    keyword: str
    bad: Verdict

    @property
    def source(self) -> str:
        """The keyword."""
        return self.keyword

    @property
    def allowed(self) -> str:
        """The value that passes."""
        return "1"

    def describe_limits(self) -> str:
        """What passes and what fails, in words."""
        return f"PASS 1, {self.bad} 0"

    def _evaluate(self, content: FitsContent, level: str) -> QualityCheck:
        flag: HeaderValue = content.header.get(self.keyword)
        if flag is None:
            return self._missing_keyword(content, level)
        if flag not in (0, 1):
            return self._make_check(Verdict.WARN, content.text(self.keyword) or "empty")
        return self._make_check(Verdict.PASS if flag else self.bad, int(bool(flag)))
