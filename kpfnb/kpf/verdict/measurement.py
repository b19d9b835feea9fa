"""A measurement of a rule in a night, and the frames that it is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kpfnb.core.text import format_count
from kpfnb.kpf.files.keywords import was_written
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.verdict.rules import VERSION_KEYWORD, VerdictRule


@dataclass(frozen=True)
class Offender:
    """An observation (or master) responsible for a verdict, and why; `level` is of its page."""

    name: str
    why: str
    level: str = ""


@dataclass(frozen=True)
class Measurement:
    """What a rule measures in a night.

    Attributes
    ----------
    value : None if there is nothing to measure
    frame_count : frames (or masters) that were measured
    offenders : the observations (or masters) responsible for a verdict that is not a PASS
    is_incomplete : a frame can't be read, or lacks a value that its DRP version writes
    note : why there is no value, or how many frames were not judged
    """

    value: float | None
    frame_count: int = 0
    offenders: tuple[Offender, ...] = ()
    is_incomplete: bool = False
    note: str = ""


@dataclass
class FrameSurvey:
    """The frames of a rule, sorted into those with values and those without."""

    rule: VerdictRule
    level: str
    values: list[tuple[str, float]] = field(default_factory=list)
    lacking: list[Offender] = field(default_factory=list)
    """Frames that can't be read, or lack what their DRP version writes."""
    unjudged: list[str] = field(default_factory=list)
    """The DRP versions of frames that lack what these versions do not write."""
    may_be_written: bool = False
    """It is not known whether these versions write it."""
    ignored_count: int = 0
    """Frames with the value that means none."""

    def add_value(self, obsid: str, value: float) -> None:
        """A frame with a value."""
        self.values.append((obsid, value))

    def add_unreadable(self, obsid: str, problem: str) -> None:
        """A frame whose file can't be read."""
        self.lacking.append(Offender(obsid, f"{self.level} {problem}", self.level))

    def add_absent(self, obsid: str, header: Mapping[str, Any]) -> None:
        """A frame without a number that counts in any of the rule's keywords."""
        names, ignore = self.rule.names, self.rule.ignore
        if ignore is not None and ignore in [to_number(header.get(name)) for name in names]:
            self.ignored_count += 1
            return
        present = [name for name in names if name in header]
        version = str(header.get(VERSION_KEYWORD) or "")
        written = [was_written(name, self.level, version) for name in names]
        if present:
            self.add_lacking(obsid, f"number in {present[0]}")
        elif self.level == KPF.raw or True in written:
            self.add_lacking(obsid, f"{names[0]}{' or similar' if len(names) > 1 else ''}")
        else:
            self.add_unjudged(header, is_certain=None not in written)

    def add_lacking(self, obsid: str, names: str) -> None:
        """A frame without what it should have."""
        self.lacking.append(Offender(obsid, f"{self.level} has no {names}", self.level))

    def add_unjudged(self, header: Mapping[str, Any], *, is_certain: bool) -> None:
        """A frame whose DRP version does not write what is measured; may not, if not certain."""
        self.unjudged.append(str(header.get(VERSION_KEYWORD) or "of unknown version"))
        self.may_be_written |= not is_certain

    @property
    def note(self) -> str:
        """Why frames have no value; '' if all have one."""
        parts = []
        if self.lacking:
            parts.append(f"{format_count(len(self.lacking), 'frame')} without a value")
        if self.unjudged:
            versions = ", ".join(sorted(set(self.unjudged)))
            frames = format_count(len(self.unjudged), "frame")
            does_not = "may not" if self.may_be_written else "does not"
            parts.append(f"{frames} not judged: DRP {versions} {does_not} write what is measured")
        if self.ignored_count:
            frames = format_count(self.ignored_count, "frame")
            parts.append(f"{frames} left out: {self.rule.names[0]} = {self.rule.ignore:g}")
        if not parts and not self.values:
            kinds = ", ".join(self.rule.kinds)
            return f"no {self.level} of {kinds}"
        return "; ".join(parts)

    def measurement(self, value: float | None, offenders: Sequence[Offender]) -> Measurement:
        """The measurement with this value."""
        return Measurement(
            value,
            len(self.values),
            (*offenders, *self.lacking),
            is_incomplete=bool(self.lacking),
            note=self.note,
        )


def to_number(value: Any) -> float | None:
    """A finite number; None for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None
