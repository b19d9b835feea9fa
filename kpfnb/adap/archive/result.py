"""What became of each unit that was to be delivered; a `kpfnb.core.result.Result`."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes
from kpfnb.storage.transfer_result import format_bytes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.notebook.display.figures import HoverFigure

MAX_SHOWN = 20


class UnitStatus(StrEnum):
    """What became of a unit."""

    DELIVERED = "delivered"
    """Verified at the destination, and marked so."""
    ALREADY_DELIVERED = "there already"
    """Delivered before, unchanged, verified once more."""
    WOULD_DELIVER = "would be delivered"
    WAITING = "waits for the quota"
    """Some of its files come another day."""
    FAILED = "failed"
    NOT_REACHED = "not reached"

    @property
    def is_good(self) -> bool:
        """True where nothing has to be done."""
        return self in (
            UnitStatus.DELIVERED,
            UnitStatus.ALREADY_DELIVERED,
            UnitStatus.WOULD_DELIVER,
        )


@dataclass(frozen=True)
class UnitResult:
    """One unit.

    Attributes
    ----------
    files, size : how many files it has, and their bytes
    uploaded : bytes that were copied now
    waiting : how many files wait for the quota
    reason : why it is not delivered; '' where it is
    problems : why files were left out, by path at the source
    missing : what belongs to a file and is not there, in words
    unrecognised : paths at the source that no rule knows
    leftover : places of an earlier delivery that are not of this one
    deleted : files that were deleted at the source after that
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
        """Partial where something was left out or is missing; what is unrecognised is no fault."""
        if not self.state.is_good:
            return Outcome.PARTIAL if self.state is UnitStatus.WAITING else Outcome.FAILED
        return Outcome.PARTIAL if self.problems or self.missing else Outcome.SUCCEEDED

    def findings(self) -> list[tuple[str, str]]:
        """All that a person should look at: what kind of thing, and which."""
        found = [("left out", f"{path}: {why}") for path, why in self.problems.items()]
        found += [("missing", text) for text in self.missing]
        found += [("unrecognised", path) for path in self.unrecognised]
        return found + [("of an earlier delivery", path) for path in self.leftover]


@dataclass(frozen=True, repr=False)
class DeliveryResult(OneLineRepr):
    """A delivery.

    Attributes
    ----------
    days : uploads by day, as `kpfnb.adap.archive.quota` keeps them
    quota : bytes a day; 0 for none
    total : how many units are delivered at the destination now, and their bytes
    is_final : True where doing it again could not make it better
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
        """Succeeded only where all units are delivered, with all that belongs to them."""
        parts = [parcel.outcome for parcel in self.units]
        whole = merge_outcomes(parts)
        # Some of it is there
        return Outcome.PARTIAL if whole is Outcome.FAILED and Outcome.PARTIAL in parts else whole

    @property
    def reason(self) -> str:
        """How many in which state, and the first that is wrong."""
        counts = Counter(parcel.state for parcel in self.units)
        told = ", ".join(f"{counts[state]} {state}" for state in UnitStatus if counts[state])
        text = f"{told or 'nothing to deliver'} ({format_bytes(sum(p.size for p in self.units))})"
        wrong = [parcel for parcel in self.units if not parcel.outcome.is_good]
        if wrong:
            first = wrong[0].reason or ": ".join(next(iter(wrong[0].findings())))
            text += f"; {wrong[0].unit}: {first}"
        return text

    def key_figures(self) -> dict[str, int | float | str]:
        """Units by state, and volumes."""
        counts = Counter(parcel.state for parcel in self.units)
        found: dict[str, int | float | str] = {str(s): counts[s] for s in UnitStatus if counts[s]}
        found["files"] = sum(parcel.files for parcel in self.units)
        found["MB uploaded"] = round(sum(parcel.uploaded for parcel in self.units) / 1e6, 3)
        for kind, count in Counter(k for p in self.units for k, _ in p.findings()).items():
            found[kind] = count
        found["units delivered in all"] = self.total[0]
        return found

    def to_dict(self) -> dict[str, Any]:
        """JSON values; each unit with all that was found."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "source": self.source,
            "destination": self.destination,
            "figures": self.key_figures(),
            "units": [
                {
                    "unit": one.unit,
                    "state": str(one.state),
                    "files": one.files,
                    "bytes": one.size,
                    "uploaded": one.uploaded,
                    "waiting": one.waiting,
                    "reason": one.reason,
                    "findings": [list(finding) for finding in one.findings()],
                    "deleted": one.deleted,
                }
                for one in self.units
            ],
            "dry_run": self.dry_run,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a unit."""
        import pandas as pd

        names = ["unit", "state", "files", "size (MB)", "uploaded (MB)", "waiting", "reason"]
        rows = [
            (p.unit, str(p.state), p.files, p.size / 1e6, p.uploaded / 1e6, p.waiting, p.reason)
            for p in self.units
        ]
        return pd.DataFrame(rows, columns=names).round(2)

    def findings(self) -> pd.DataFrame:
        """One row for each thing that is left out, missing, unrecognised or left over."""
        import pandas as pd

        rows = [(one.unit, *finding) for one in self.units for finding in one.findings()]
        return pd.DataFrame(rows, columns=["unit", "what", "which"])

    def row_details(self, row: Mapping[str, Any]) -> str:
        """What a row about a unit leads to, as HTML: its findings, and its reductions if here."""
        from kpfnb import storage
        from kpfnb.adap.pages import reduction_details
        from kpfnb.adap.products import dataset

        unit = str(row["unit"])
        findings = self.findings()
        told = reduction_details.table_html(
            "findings", findings[findings["unit"] == unit], is_open=True
        )
        origin = storage.resolve_location(self.source)
        if not origin.is_local:
            return f"<h4>{html.escape(unit)}</h4>{told}"
        folder = Path(origin.argument) / unit / dataset.COMPLETE
        made = [one for one in sorted(folder.glob(dataset.REDUCTION_PATTERN)) if one.is_dir()]
        return told + "".join(reduction_details.details_html(one, unit) for one in made)

    def plot(self) -> Figure:
        """Uploaded a day, with the quota."""
        return self.hover_plot().figure

    def hover_plot(self) -> HoverFigure:
        """The plot, and what each day had."""
        from kpfnb.adap.archive import plots

        return plots.plot_uploads(self.days, self.quota, self.destination)

    def __str__(self) -> str:
        lines = [f"{self.source} → {self.destination}"]
        for one in self.units[:MAX_SHOWN]:
            lines.append(f"  {one.unit}: {one.state}, {one.files} files ({format_bytes(one.size)})")
            lines[-1] += f"; {one.reason}" if one.reason else ""
            lines += [f"    {kind}: {which}" for kind, which in one.findings()[:MAX_SHOWN]]
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
        shown = (frame.to_html(index=False, escape=True, border=0) for frame in tables)
        return f"<p>{html.escape(head)}</p>" + "".join(shown)
