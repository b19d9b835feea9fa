"""What became of each unit that was to be delivered; a `kpfnb.result.Result`."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.outcomes import Outcome, combine
from kpfnb.result import Brief
from kpfnb.storage.carried import readable

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.hovering import Hovered

SHOWN = 20


class State(StrEnum):
    """What became of a unit."""

    DELIVERED = "delivered"
    """Verified at the destination, and marked so."""
    THERE = "there already"
    """Delivered before, unchanged, verified once more."""
    WOULD = "would be delivered"
    WAITING = "waits for the quota"
    """Some of its files come another day."""
    FAILED = "failed"
    LEFT = "not reached"

    @property
    def is_good(self) -> bool:
        """True where nothing has to be done."""
        return self in (State.DELIVERED, State.THERE, State.WOULD)


@dataclass(frozen=True)
class Parcel:
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
    state: State
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
            return Outcome.PARTIAL if self.state is State.WAITING else Outcome.FAILED
        return Outcome.PARTIAL if self.problems or self.missing else Outcome.SUCCEEDED

    def findings(self) -> list[tuple[str, str]]:
        """All that a person should look at: what kind of thing, and which."""
        found = [("left out", f"{path}: {why}") for path, why in self.problems.items()]
        found += [("missing", text) for text in self.missing]
        found += [("unrecognised", path) for path in self.unrecognised]
        return found + [("of an earlier delivery", path) for path in self.leftover]


@dataclass(frozen=True, repr=False)
class Delivered(Brief):
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
    parcels: tuple[Parcel, ...] = ()
    days: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    quota: int = 0
    total: tuple[int, int] = (0, 0)
    dry_run: bool = False
    is_final: bool = False

    @property
    def outcome(self) -> Outcome:
        """Succeeded only where all units are delivered, with all that belongs to them."""
        parts = [parcel.outcome for parcel in self.parcels]
        whole = combine(parts)
        # Some of it is there
        return Outcome.PARTIAL if whole is Outcome.FAILED and Outcome.PARTIAL in parts else whole

    @property
    def reason(self) -> str:
        """How many in which state, and the first that is wrong."""
        counts = Counter(parcel.state for parcel in self.parcels)
        told = ", ".join(f"{counts[state]} {state}" for state in State if counts[state])
        text = f"{told or 'nothing to deliver'} ({readable(sum(p.size for p in self.parcels))})"
        wrong = [parcel for parcel in self.parcels if not parcel.outcome.is_good]
        if wrong:
            first = wrong[0].reason or ": ".join(next(iter(wrong[0].findings())))
            text += f"; {wrong[0].unit}: {first}"
        return text

    def figures(self) -> dict[str, int | float | str]:
        """Units by state, and volumes."""
        counts = Counter(parcel.state for parcel in self.parcels)
        found: dict[str, int | float | str] = {str(s): counts[s] for s in State if counts[s]}
        found["files"] = sum(parcel.files for parcel in self.parcels)
        found["MB uploaded"] = round(sum(parcel.uploaded for parcel in self.parcels) / 1e6, 3)
        for kind, count in Counter(k for p in self.parcels for k, _ in p.findings()).items():
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
            "figures": self.figures(),
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
                for one in self.parcels
            ],
            "dry_run": self.dry_run,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a unit."""
        import pandas as pd

        names = ["unit", "state", "files", "size (MB)", "uploaded (MB)", "waiting", "reason"]
        rows = [
            (p.unit, str(p.state), p.files, p.size / 1e6, p.uploaded / 1e6, p.waiting, p.reason)
            for p in self.parcels
        ]
        return pd.DataFrame(rows, columns=names).round(2)

    def findings(self) -> pd.DataFrame:
        """One row for each thing that is left out, missing, unrecognised or left over."""
        import pandas as pd

        rows = [(one.unit, *finding) for one in self.parcels for finding in one.findings()]
        return pd.DataFrame(rows, columns=["unit", "what", "which"])

    def lead(self, row: Mapping[str, Any]) -> str:
        """What a row about a unit leads to, as HTML: its findings, and its reductions if here."""
        from kpfnb import storage
        from kpfnb.adap import dataset, evidence

        unit = str(row["unit"])
        findings = self.findings()
        told = evidence.table("findings", findings[findings["unit"] == unit], is_open=True)
        origin = storage.at(self.source)
        if not origin.is_local:
            return f"<h4>{html.escape(unit)}</h4>{told}"
        folder = Path(origin.argument) / unit / dataset.COMPLETE
        made = [one for one in sorted(folder.glob(dataset.REDUCTIONS)) if one.is_dir()]
        return told + "".join(evidence.of(one, unit) for one in made)

    def plot(self) -> Figure:
        """Uploaded a day, with the quota."""
        return self.hovered().figure

    def hovered(self) -> Hovered:
        """The plot, and what each day had."""
        from kpfnb.adap.archive import picture

        return picture.days(self.days, self.quota, self.destination)

    def __str__(self) -> str:
        lines = [f"{self.source} → {self.destination}"]
        for one in self.parcels[:SHOWN]:
            lines.append(f"  {one.unit}: {one.state}, {one.files} files ({readable(one.size)})")
            lines[-1] += f"; {one.reason}" if one.reason else ""
            lines += [f"    {kind}: {which}" for kind, which in one.findings()[:SHOWN]]
        if len(self.parcels) > SHOWN:
            lines.append(f"  and {len(self.parcels) - SHOWN} more")
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
