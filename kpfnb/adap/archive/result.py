"""The result of a delivery: the status of each unit, and what was found in it."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes
from kpfnb.core.text import format_size, frame_html

if TYPE_CHECKING:
    import pandas as pd

MAX_SHOWN = 20


class UnitStatus(StrEnum):
    """The status of a unit after a delivery."""

    DELIVERED = "delivered"
    """Verified at the destination, and marked as delivered."""
    ALREADY_DELIVERED = "there already"
    """Delivered before, unchanged, verified again."""
    WOULD_DELIVER = "would be delivered"
    WAITING = "waits for the quota"
    """Some of its files are delivered another day."""
    FAILED = "failed"
    NOT_REACHED = "not reached"

    @property
    def is_good(self) -> bool:
        """True if nothing more has to be done."""
        return self in (
            UnitStatus.DELIVERED,
            UnitStatus.ALREADY_DELIVERED,
            UnitStatus.WOULD_DELIVER,
        )


@dataclass(frozen=True)
class UnitResult:
    """The result of one unit.

    Attributes
    ----------
    files, size : the number of its files, and their bytes
    uploaded : bytes that were copied now
    waiting : the number of files that wait for the quota
    reason : why it is not delivered; '' if it is
    problems : why files were left out, by path at the source
    missing : what belongs to a file and does not exist, in words
    unrecognised : paths at the source that no rule knows
    leftover : places of an earlier delivery that this one does not have
    deleted : the number of files deleted at the source afterwards
    """

    unit: str
    state: UnitStatus
    files: int = 0
    size: int = 0
    uploaded: int = 0
    waiting: int = 0
    reason: str = ""
    problems: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    unrecognised: tuple[str, ...] = ()
    leftover: tuple[str, ...] = ()
    deleted: int = 0

    @property
    def outcome(self) -> Outcome:
        """Partial if something was left out or is missing; unrecognised files are no fault."""
        if not self.state.is_good:
            return Outcome.PARTIAL if self.state is UnitStatus.WAITING else Outcome.FAILED
        return Outcome.PARTIAL if self.problems or self.missing else Outcome.SUCCEEDED

    def findings(self) -> list[tuple[str, str]]:
        """All that a person should know: kind and text."""
        findings = [("left out", f"{path}: {why}") for path, why in self.problems.items()]
        findings += [("missing", text) for text in self.missing]
        findings += [("unrecognised", path) for path in self.unrecognised]
        return findings + [("of an earlier delivery", path) for path in self.leftover]


@dataclass(frozen=True, repr=False)
class DeliveryResult(OneLineRepr):
    """The result of a delivery; a `kpfnb.core.result.Result`.

    Attributes
    ----------
    days : uploads by day, as `kpfnb.adap.archive.quota` keeps them
    quota : bytes a day; 0 for none
    total : the number of units delivered at the destination by now, and their bytes
    is_final : True if another attempt could not end better
    """

    source: str
    destination: str
    units: tuple[UnitResult, ...] = ()
    days: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    quota: int = 0
    total: tuple[int, int] = (0, 0)
    dry_run: bool = False
    is_final: bool = False

    @property
    def outcome(self) -> Outcome:
        """Succeeded only if all units are delivered, with all that belongs to them."""
        outcomes = [unit.outcome for unit in self.units]
        merged = merge_outcomes(outcomes)
        # A partial unit means that something is delivered
        is_partial = merged is Outcome.FAILED and Outcome.PARTIAL in outcomes
        return Outcome.PARTIAL if is_partial else merged

    @property
    def reason(self) -> str:
        """The number of units by status, and the first problem."""
        counts = Counter(unit.state for unit in self.units)
        text = ", ".join(f"{counts[status]} {status}" for status in UnitStatus if counts[status])
        size = format_size(sum(unit.size for unit in self.units))
        text = f"{text or 'nothing to deliver'} ({size})"
        wrong = [unit for unit in self.units if not unit.outcome.is_good]
        if wrong:
            first = wrong[0].reason or ": ".join(next(iter(wrong[0].findings())))
            text += f"; {wrong[0].unit}: {first}"
        return text

    def key_figures(self) -> dict[str, int | float | str]:
        """Units by status, and volumes."""
        counts = Counter(unit.state for unit in self.units)
        figures: dict[str, int | float | str] = {str(s): counts[s] for s in UnitStatus if counts[s]}
        figures["files"] = sum(unit.files for unit in self.units)
        figures["MB uploaded"] = round(sum(unit.uploaded for unit in self.units) / 1e6, 3)
        for kind, count in Counter(k for p in self.units for k, _ in p.findings()).items():
            figures[kind] = count
        figures["units delivered in all"] = self.total[0]
        return figures

    def to_dict(self) -> dict[str, Any]:
        """JSON values; each unit with all its findings."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "source": self.source,
            "destination": self.destination,
            "figures": self.key_figures(),
            "units": [
                {
                    "unit": unit.unit,
                    "state": str(unit.state),
                    "files": unit.files,
                    "bytes": unit.size,
                    "uploaded": unit.uploaded,
                    "waiting": unit.waiting,
                    "reason": unit.reason,
                    "findings": [list(finding) for finding in unit.findings()],
                    "deleted": unit.deleted,
                }
                for unit in self.units
            ],
            "dry_run": self.dry_run,
        }

    def to_frame(self) -> pd.DataFrame:
        """A row for each unit."""
        import pandas as pd

        columns = ["unit", "state", "files", "size (MB)", "uploaded (MB)", "waiting", "reason"]
        rows = [
            (p.unit, str(p.state), p.files, p.size / 1e6, p.uploaded / 1e6, p.waiting, p.reason)
            for p in self.units
        ]
        return pd.DataFrame(rows, columns=columns).round(2)

    def findings(self) -> pd.DataFrame:
        """A row for each finding: left out, missing, unrecognised or of an earlier delivery."""
        import pandas as pd

        rows = [(unit.unit, *finding) for unit in self.units for finding in unit.findings()]
        return pd.DataFrame(rows, columns=["unit", "what", "which"])

    def __str__(self) -> str:
        lines = [f"{self.source} → {self.destination}"]
        for unit in self.units[:MAX_SHOWN]:
            size = format_size(unit.size)
            lines.append(f"  {unit.unit}: {unit.state}, {unit.files} files ({size})")
            lines[-1] += f"; {unit.reason}" if unit.reason else ""
            lines += [f"    {kind}: {text}" for kind, text in unit.findings()[:MAX_SHOWN]]
        if len(self.units) > MAX_SHOWN:
            lines.append(f"  and {len(self.units) - MAX_SHOWN} more")
        lines.append(f"{self.outcome}: {self.reason}")
        return "\n".join(
            "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
            for line in lines
        )

    def _repr_html_(self) -> str:
        """The tables; all text escaped."""
        head = f"{self.source} → {self.destination}: {self.outcome}, {self.reason}"
        tables = [frame for frame in (self.to_frame(), self.findings()) if len(frame)]
        return f"<p>{html.escape(head)}</p>" + "".join(map(frame_html, tables))
