"""What became of each file that was to be carried; a `kpfnb.core.result.Result`."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes
from kpfnb.core.text import format_duration
from kpfnb.notebook.display import figures
from kpfnb.storage.errors import StorageErrorKind

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

MAX_FAILURES_SHOWN = 20
MAX_FOLDERS_SHOWN = 20


class FileOutcome(StrEnum):
    """What became of one file."""

    COPIED = "copied"
    """And verified at the destination."""
    UNCHANGED = "there already"
    """The same at the destination, verified too."""
    MOVED = "moved"
    """Verified at the destination, then deleted at the source."""
    DELETED = "deleted"
    """At the destination: the source has it no more."""
    WOULD_COPY = "would be copied"
    WOULD_DELETE = "would be deleted"
    FAILED = "failed"
    NOT_REACHED = "not reached"
    """The work was stopped before."""

    @property
    def outcome(self) -> Outcome:
        """What it means for the whole."""
        return (
            Outcome.FAILED
            if self in (FileOutcome.FAILED, FileOutcome.NOT_REACHED)
            else Outcome.SUCCEEDED
        )


_COLOURS = {
    FileOutcome.COPIED: "#0072B2",
    FileOutcome.UNCHANGED: "#56B4E9",
    FileOutcome.MOVED: "#009E73",
    FileOutcome.DELETED: "#999999",
    FileOutcome.WOULD_COPY: "#F0E442",
    FileOutcome.WOULD_DELETE: "#CCCCCC",
    FileOutcome.FAILED: "#D55E00",
    FileOutcome.NOT_REACHED: "#E69F00",
}


@dataclass(frozen=True)
class FileTransfer:
    """One file.

    Attributes
    ----------
    path : below source and destination
    size : bytes; 0 where it is not known
    trouble, detail : why it failed
    """

    path: str
    state: FileOutcome
    size: int = 0
    error_kind: StorageErrorKind | None = None
    detail: str = ""


@dataclass(frozen=True, repr=False)
class TransferResult(OneLineRepr):
    """What was carried from one place to another."""

    source: str
    destination: str
    items: tuple[FileTransfer, ...] = ()
    seconds: float = 0.0
    dry_run: bool = False

    @property
    def outcome(self) -> Outcome:
        """Succeeded only where every file is at the destination, and verified there."""
        return merge_outcomes(item.state.outcome for item in self.items)

    @property
    def failed(self) -> list[FileTransfer]:
        """The files that are not as they should be."""
        return [item for item in self.items if not item.state.outcome.is_good]

    @property
    def interrupted(self) -> bool:
        """True where it was stopped."""
        return any(item.state is FileOutcome.NOT_REACHED for item in self.items)

    def total_bytes(self, state: FileOutcome) -> int:
        """The size of all files in that state."""
        return sum(item.size for item in self.items if item.state is state)

    @property
    def reason(self) -> str:
        """How many files in each state, and the commonest trouble."""
        counts = Counter(item.state for item in self.items)
        parts = [f"{counts[state]} {state}" for state in FileOutcome if counts[state]]
        text = f"{', '.join(parts) or 'no file'} ({format_bytes(sum(i.size for i in self.items))})"
        troubles = Counter(item.error_kind for item in self.failed if item.error_kind)
        if troubles:
            worst, _ = troubles.most_common(1)[0]
            first = next(item for item in self.failed if item.error_kind is worst)
            text += f"; {worst}: {first.path}: {first.detail}; {worst.advice}"
        return text

    def key_figures(self) -> dict[str, int | float | str]:
        """Files and volume by state, and the time it took."""
        counts = Counter(item.state for item in self.items)
        found: dict[str, int | float | str] = {
            str(state): counts[state] for state in FileOutcome if counts[state]
        }
        found["MB carried"] = round(
            (self.total_bytes(FileOutcome.COPIED) + self.total_bytes(FileOutcome.MOVED)) / 1e6, 3
        )
        found["seconds"] = round(self.seconds, 1)
        return found

    def to_dict(self) -> dict[str, Any]:
        """JSON values; each file that failed or was deleted is named."""
        told = (FileOutcome.DELETED, FileOutcome.WOULD_DELETE)
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "source": self.source,
            "destination": self.destination,
            "figures": self.key_figures(),
            "failed": [
                {
                    "path": item.path,
                    "state": str(item.state),
                    "trouble": item.error_kind.name.lower() if item.error_kind else "",
                    "detail": item.detail,
                }
                for item in self.failed
            ],
            "deleted": [item.path for item in self.items if item.state in told],
            "dry_run": self.dry_run,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a file: path, state, size (MB), trouble, detail."""
        import pandas as pd

        rows = [
            (i.path, str(i.state), i.size / 1e6, str(i.error_kind or ""), i.detail)
            for i in self.items
        ]
        return pd.DataFrame(rows, columns=["path", "state", "size (MB)", "trouble", "detail"])

    def plot(self) -> Figure:
        """How many files of each folder are in which state."""
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator

        folders = Counter(_folder(item.path) for item in self.items).most_common(MAX_FOLDERS_SHOWN)
        names = sorted((name for name, _ in folders), reverse=True)
        figure = Figure(figsize=(8, 1.4 + 0.3 * len(names)), layout="constrained")
        axes = figure.subplots()
        title = figures.escape_mathtext(f"{self.source} → {self.destination}")
        axes.set_title(title, fontsize="medium")
        if not self.items:
            figures.draw_empty_message(axes, "no files")
            return figure
        counts = Counter((_folder(item.path), item.state) for item in self.items)
        begun = [0] * len(names)
        for state in FileOutcome:
            widths = [counts[name, state] for name in names]
            if any(widths):
                axes.barh(
                    list(map(figures.escape_mathtext, names)),
                    widths,
                    left=begun,
                    color=_COLOURS[state],
                    label=str(state),
                )
                begun = [a + b for a, b in zip(begun, widths, strict=True)]
        axes.set_xlabel("files")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
        return figure

    def __str__(self) -> str:
        lines = [f"{self.source} → {self.destination}"]
        lines += [
            f"  {item.path}: {item.detail or item.state}"
            for item in self.failed[:MAX_FAILURES_SHOWN]
        ]
        if len(self.failed) > MAX_FAILURES_SHOWN:
            lines.append(f"  and {len(self.failed) - MAX_FAILURES_SHOWN} more")
        lines.append(f"{self.outcome}: {self.reason}, {format_duration(self.seconds)}")
        # Names are shown as they are, but nothing that would steer the terminal
        return "\n".join(re.sub(r"[^\x20-\x7e\u00a0-\U0010ffff]", "\ufffd", line) for line in lines)

    def _repr_html_(self) -> str:
        head = f"{self.source} → {self.destination}: {self.outcome}, {self.reason}"
        rows = "".join(
            f"<tr><td>{html.escape(item.path)}</td><td>{item.state}</td>"
            f"<td>{html.escape(item.detail)}</td></tr>"
            for item in self.failed[:MAX_FAILURES_SHOWN]
        )
        return f"<p>{html.escape(head)}</p>" + (f"<table>{rows}</table>" if rows else "")


def merge_results(
    source: str, destination: str, parts: Iterable[tuple[str, TransferResult]]
) -> TransferResult:
    """One result of several; each comes with its folder below the common source."""
    listed = list(parts)
    items = [
        replace(item, path=f"{folder}/{item.path}" if item.path else folder)
        for folder, part in listed
        for item in part.items
    ]
    return TransferResult(
        source,
        destination,
        tuple(items),
        sum(part.seconds for _, part in listed),
        any(part.dry_run for _, part in listed),
    )


def _folder(path: str) -> str:
    return path.rpartition("/")[0] or "."


def format_bytes(size: float) -> str:
    """A number of bytes for people: `1.2 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}" if unit != "bytes" else f"{size:.0f} bytes"
        size /= 1000
    return f"{size:.3g} TB"
