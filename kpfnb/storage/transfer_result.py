"""The result of a transfer: the outcome of each file."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes
from kpfnb.core.text import format_duration, format_size, html_table
from kpfnb.storage.errors import StorageError, StorageErrorKind

if TYPE_CHECKING:
    import pandas as pd

MAX_FAILURES_SHOWN = 20


class FileOutcome(StrEnum):
    """How the transfer of one file ended."""

    COPIED = "copied"
    """And verified at the destination."""
    UNCHANGED = "there already"
    """The same at the destination, verified too."""
    MOVED = "moved"
    """Verified at the destination, then deleted at the source."""
    DELETED = "deleted"
    """At the destination, because the source does not have it."""
    WOULD_COPY = "would be copied"
    WOULD_DELETE = "would be deleted"
    FAILED = "failed"
    NOT_REACHED = "not reached"
    """The transfer was stopped before."""

    @property
    def outcome(self) -> Outcome:
        """What it means for the whole transfer."""
        is_failure = self in (FileOutcome.FAILED, FileOutcome.NOT_REACHED)
        return Outcome.FAILED if is_failure else Outcome.SUCCEEDED


@dataclass(frozen=True)
class FileTransfer:
    """One file of a transfer.

    Attributes
    ----------
    path : below source and destination
    size : bytes; 0 if it is not known
    error_kind, detail : why it failed
    """

    path: str
    state: FileOutcome
    size: int = 0
    error_kind: StorageErrorKind | None = None
    detail: str = ""


@dataclass(frozen=True, repr=False)
class TransferResult(OneLineRepr):
    """The result of one transfer; a `kpfnb.core.result.Result`."""

    source: str
    destination: str
    items: tuple[FileTransfer, ...] = ()
    seconds: float = 0.0
    dry_run: bool = False

    @property
    def outcome(self) -> Outcome:
        """Succeeded only if every file is at the destination, and verified there."""
        return merge_outcomes(item.state.outcome for item in self.items)

    @property
    def failed(self) -> list[FileTransfer]:
        """The files that failed or were not reached."""
        return [item for item in self.items if not item.state.outcome.is_good]

    @property
    def interrupted(self) -> bool:
        """True if the transfer was stopped."""
        return any(item.state is FileOutcome.NOT_REACHED for item in self.items)

    def require_complete(self) -> TransferResult:
        """This result, if every file is at the destination.

        Raises `StorageError` with the kind of the first failure, or `KeyboardInterrupt` if the
        transfer was stopped.
        """
        if self.interrupted:
            raise KeyboardInterrupt
        if self.failed:
            kind = self.failed[0].error_kind or StorageErrorKind.OTHER
            raise StorageError(kind, f"{self.source} to {self.destination}: {self.reason}")
        return self

    def total_bytes(self, outcome: FileOutcome) -> int:
        """The total size of all files with that outcome."""
        return sum(item.size for item in self.items if item.state is outcome)

    @property
    def reason(self) -> str:
        """The number of files by outcome, and the most frequent error."""
        counts = Counter(item.state for item in self.items)
        parts = [f"{counts[outcome]} {outcome}" for outcome in FileOutcome if counts[outcome]]
        size = format_size(sum(item.size for item in self.items))
        text = f"{', '.join(parts) or 'no file'} ({size})"
        kinds = Counter(item.error_kind for item in self.failed if item.error_kind)
        if kinds:
            kind, _ = kinds.most_common(1)[0]
            first = next(item for item in self.failed if item.error_kind is kind)
            text += f"; {kind}: {first.path}: {first.detail}; {kind.advice}"
        return text

    def key_figures(self) -> dict[str, int | float | str]:
        """Number of files by outcome, volume (MB) and duration (s)."""
        counts = Counter(item.state for item in self.items)
        figures: dict[str, int | float | str] = {
            str(outcome): counts[outcome] for outcome in FileOutcome if counts[outcome]
        }
        copied = self.total_bytes(FileOutcome.COPIED) + self.total_bytes(FileOutcome.MOVED)
        figures["MB transferred"] = round(copied / 1e6, 3)
        figures["seconds"] = round(self.seconds, 1)
        return figures

    def to_dict(self) -> dict[str, Any]:
        """JSON values; each file that failed or was deleted is named."""
        deleted = (FileOutcome.DELETED, FileOutcome.WOULD_DELETE)
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
            "deleted": [item.path for item in self.items if item.state in deleted],
            "dry_run": self.dry_run,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row per file: path, state, size (MB), error, detail."""
        import pandas as pd

        rows = [
            (item.path, str(item.state), item.size / 1e6, str(item.error_kind or ""), item.detail)
            for item in self.items
        ]
        return pd.DataFrame(rows, columns=["path", "state", "size (MB)", "error", "detail"])

    def __str__(self) -> str:
        lines = [f"{self.source} → {self.destination}"]
        lines += [
            f"  {item.path}: {item.detail or item.state}"
            for item in self.failed[:MAX_FAILURES_SHOWN]
        ]
        if len(self.failed) > MAX_FAILURES_SHOWN:
            lines.append(f"  and {len(self.failed) - MAX_FAILURES_SHOWN} more")
        lines.append(f"{self.outcome}: {self.reason}, {format_duration(self.seconds)}")
        # Names are shown unchanged, without characters that would control the terminal
        return "\n".join(re.sub(r"[^\x20-\x7e\u00a0-\U0010ffff]", "\ufffd", line) for line in lines)

    def _repr_html_(self) -> str:
        head = f"{self.source} → {self.destination}: {self.outcome}, {self.reason}"
        rows = [
            [item.path, str(item.state), item.detail] for item in self.failed[:MAX_FAILURES_SHOWN]
        ]
        table = html_table(["file", "result", "detail"], rows) if rows else ""
        return f"<p>{html.escape(head)}</p>{table}"


def merge_results(
    source: str, destination: str, parts: Iterable[tuple[str, TransferResult]]
) -> TransferResult:
    """Merge several results into one.

    parts : each result with its directory below the common source
    """
    results = list(parts)
    items = [
        replace(item, path=f"{directory}/{item.path}" if item.path else directory)
        for directory, result in results
        for item in result.items
    ]
    return TransferResult(
        source,
        destination,
        tuple(items),
        sum(result.seconds for _, result in results),
        any(result.dry_run for _, result in results),
    )
