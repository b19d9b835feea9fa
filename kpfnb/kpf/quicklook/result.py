"""The result of making quicklook products: what happened to each file."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import asdict, dataclass
from enum import StrEnum
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes
from kpfnb.core.text import format_count, html_table
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.quicklook.quality import QualityCheck, Verdict
from kpfnb.kpf.quicklook.record import QuicklookRecord
from kpfnb.kpf.quicklook.targets import MASTER

if TYPE_CHECKING:
    import pandas as pd

MAX_SHOWN = 50
"""Failures and notes shown; all are in the record."""


class QuicklookOutcome(StrEnum):
    """What happened to one file."""

    MADE = "made"
    """Its plots and checks are new, or only the checks if only the thresholds had changed."""
    CURRENT = "up to date"
    FAILED = "failed"
    NOT_REACHED = "not reached"
    """Ctrl-C came before its turn."""

    @property
    def is_good(self) -> bool:
        """True if its products exist."""
        return self in (QuicklookOutcome.MADE, QuicklookOutcome.CURRENT)

    @property
    def phrase(self) -> str:
        """How people read it: the stored value of MADE is `made`."""
        return "processed" if self is QuicklookOutcome.MADE else str(self)


@dataclass(frozen=True)
class QuicklookItem:
    """One file.

    Attributes
    ----------
    name : of the file
    target : what was observed
    verdict : PASS, WARN, FAIL or 'not judged': of its checks; '' if it could not be read
    remarks : the checks that did not pass
    reason : why it failed
    page : the page that shows it, relative to the products' directory
    """

    name: str
    level: str
    night: str
    outcome: QuicklookOutcome
    target: str = ""
    verdict: str = ""
    remarks: tuple[str, ...] = ()
    pictures: int = 0
    left_out: int = 0
    reason: str = ""
    page: str = ""

    @classmethod
    def from_record(
        cls, record: QuicklookRecord, outcome: QuicklookOutcome, page: str
    ) -> QuicklookItem:
        """The item of a file from its record."""
        broken = [f"{plot.title}: {plot.reason}" for plot in record.broken_plots]
        reason = record.error or "; ".join(broken)
        return cls(
            name=Path(record.file).name,
            level=record.level,
            night=record.night,
            outcome=QuicklookOutcome.FAILED if reason else outcome,
            target=record.heading.target,
            verdict="" if record.error else str(record.verdict),
            remarks=tuple(
                _describe_check(check) for check in record.checks if check.verdict.needs_attention
            ),
            pictures=len(record.pictures),
            left_out=len(record.left_out),
            reason=reason,
            page=page,
        )

    @property
    def observation(self) -> str:
        """The ObsID; the masters of a night count as one observation."""
        if self.level == MASTER:
            return f"{self.night} masters"
        match = KPF.filename_pattern.fullmatch(self.name)
        return match["obsid"] if match else self.name

    @property
    def explanation(self) -> str:
        """Why it failed, and the checks that did not pass."""
        return "; ".join(filter(None, [self.reason, *self.remarks]))

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        values = asdict(self)
        return {
            ("fate" if key == "outcome" else key): list(value) if key == "remarks" else value
            for key, value in values.items()
        }


@dataclass(frozen=True, repr=False)
class QuicklookResult(OneLineRepr):
    """A `kpfnb.core.result.Result`. A file whose checks fail does not make the result fail.

    no_files : why there was nothing to do, if there is no file
    outdated_nights : nights whose pages do not show everything yet: another process locked them
    """

    products: Path
    items: tuple[QuicklookItem, ...]
    outdated_nights: tuple[str, ...] = ()
    no_files: str = ""

    @property
    def outcome(self) -> Outcome:
        """Partial or failed if a file's products or a night's pages could not be made."""
        if not self.items:
            return Outcome.SKIPPED
        good = [
            *(item.outcome.is_good for item in self.items),
            *(False for _ in self.outdated_nights),
        ]
        return merge_outcomes(Outcome.SUCCEEDED if is_good else Outcome.FAILED for is_good in good)

    @property
    def reason(self) -> str:
        """Files by outcome, files by verdict, and the first that failed."""
        failed = next((item for item in self.items if not item.outcome.is_good), None)
        first = (
            f"; first failure: {failed.name}: {failed.reason or failed.outcome}" if failed else ""
        )
        nights = ", ".join(self.outdated_nights)
        late = (
            f"; pages of {nights} are locked by another process; run this again when it has ended"
            if nights
            else ""
        )
        return self._counts() + first + late

    def _counts(self) -> str:
        """`11 files processed: 11 PASS`, `11 files: 9 processed, 2 up to date; 11 PASS`."""
        files, outcomes = format_count(len(self.items), "file"), self.outcomes
        if not outcomes:
            return self.no_files or "no files"
        verdicts = ", ".join(
            f"{self.verdicts[verdict]} {verdict}" for verdict in Verdict if self.verdicts[verdict]
        )
        if len(outcomes) == 1:
            [outcome] = outcomes
            return ": ".join(filter(None, [f"{files} {outcome.phrase}", verdicts]))
        phrases = ", ".join(f"{count} {outcome.phrase}" for outcome, count in outcomes.items())
        return "; ".join(filter(None, [f"{files}: {phrases}", verdicts]))

    @property
    def outcomes(self) -> dict[QuicklookOutcome, int]:
        """Files by outcome, those without files left out."""
        counts = Counter(item.outcome for item in self.items)
        return {outcome: counts[outcome] for outcome in QuicklookOutcome if counts[outcome]}

    @property
    def verdicts(self) -> Counter[str]:
        """Files by verdict."""
        return Counter(item.verdict for item in self.items if item.verdict)

    def key_figures(self) -> dict[str, int | float | str]:
        """Files by outcome and verdict, and plots."""
        return {
            "files": len(self.items),
            **{str(outcome): count for outcome, count in self.outcomes.items()},
            **{str(verdict): self.verdicts[verdict] for verdict in Verdict},
            "pictures": sum(item.pictures for item in self.items),
        }

    def to_dict(self) -> dict[str, Any]:
        """The products' directory and every file."""
        return {
            "outcome": self.outcome,
            "products": str(self.products),
            **self.key_figures(),
            "pages_behind": list(self.outdated_nights),
            "items": [item.to_dict() for item in self.items],
            "failed_items": [item.name for item in self.items if not item.outcome.is_good],
        }

    def to_frame(self) -> pd.DataFrame:
        """One row per file; column `result` has its outcome."""
        import pandas as pd

        columns = list(QuicklookItem.__dataclass_fields__)
        rows = [
            asdict(item) | {"outcome": str(item.outcome), "remarks": "; ".join(item.remarks)}
            for item in self.items
        ]
        return pd.DataFrame(rows, columns=columns).rename(columns={"outcome": "result"})

    @property
    def notable_items(self) -> list[QuicklookItem]:
        """Items that failed or have checks that did not pass."""
        return [item for item in self.items if not item.outcome.is_good or item.remarks]

    def __str__(self) -> str:
        if not self.items:
            return self.reason
        lines = [
            f"{item.name}: {item.verdict or item.outcome}: {item.explanation}"
            for item in self.notable_items
        ]
        more = [f"and {len(lines) - MAX_SHOWN} more"] if len(lines) > MAX_SHOWN else []
        pages = f"pages: {self.products}/index.html"
        return "\n".join([*lines[:MAX_SHOWN], *more, pages, self.reason])

    def _repr_html_(self) -> str:
        items = self.notable_items
        rows = [
            (item.name, item.target, item.verdict or item.outcome, item.explanation)
            for item in items[:MAX_SHOWN]
        ]
        table = html_table(("file", "target", "verdict", "reason"), rows) if rows else ""
        more = len(items) - MAX_SHOWN
        return (
            f"<p><strong>{escape(self.reason)}</strong></p>"
            f'<div style="max-height: 30em; overflow: auto">{table}</div>'
            f"{f'<p>and {more} more</p>' if more > 0 else ''}"
        )


def _describe_check(check: QualityCheck) -> str:
    value = f"{check.value:.6g}" if isinstance(check.value, float) else str(check.value)
    text = f"{check.verdict}: {check.name}: {value} {check.unit}".strip()
    return f"{text} ({textwrap.shorten(check.detail, 80)})" if check.detail else text
