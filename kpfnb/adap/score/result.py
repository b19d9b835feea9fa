"""The result of scoring: the scorecards of many reductions, as tables and a list of bad slits."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kpfnb.adap.products.qa_gallery import QaGallery
from kpfnb.adap.score.limits import BAD_FAULTS, ScoreCriteria, ScoreLimits
from kpfnb.adap.score.row import SCORECARD_COLUMNS, FrameStatus, ScorecardRow
from kpfnb.adap.score.scorecard import Scorecard
from kpfnb.adap.score.scored_slits import ScoredSlit, find_slit_pictures
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.core.text import format_count, frame_html

if TYPE_CHECKING:
    import pandas as pd

WORST_COUNT = 12
TERMINAL_COLUMNS = (
    *("dataset", "science_file", "status", "slit_count", "bad_slit_count", "object_count"),
)
"""The columns that fit on a terminal."""


class BadSlitEntry(NamedTuple):
    """A bad slit, with the scorecard that has it."""

    card: Scorecard
    scored: ScoredSlit


@dataclass(frozen=True, repr=False)
class ScoreResult(OneLineRepr):
    """The scorecards of many reductions; a `kpfnb.core.result.Result`.

    Attributes
    ----------
    criteria : the limits that were used
    failed : reductions that could not be scored, with the error
    changed_files : the new or changed files
    """

    cards: tuple[Scorecard, ...]
    criteria: ScoreCriteria = field(default_factory=ScoreCriteria)
    failed: tuple[tuple[str, str], ...] = ()
    changed_files: tuple[Path, ...] = ()
    dry_run: bool = False

    @property
    def outcome(self) -> Outcome:
        """The outcome of the scoring: a bad reduction is a valid score."""
        if not self.failed:
            return Outcome.SUCCEEDED
        return Outcome.PARTIAL if self.cards else Outcome.FAILED

    @property
    def reason(self) -> str:
        """One line."""
        rows = self.rows
        text = f"{format_count(len(self.cards), 'reduction')} scored"
        text += f", {format_count(len(rows), 'science frame')}"
        if failed_count := sum(row.status == FrameStatus.FAILED for row in rows):
            text += f", {failed_count} of them FAILED"
        bad = sum(row.bad_slit_count for row in rows)
        text += f"; {bad} of {format_count(sum(row.slit_count for row in rows), 'slit')} bad"
        if self.failed:
            text += f"; not scored: {len(self.failed)}: " + "; ".join(
                f"{name}: {error}" for name, error in self.failed[:3]
            )
        if self.dry_run:
            return f"dry run: {text}"
        return text + ("" if self.changed_files else "; nothing changed")

    @property
    def rows(self) -> list[ScorecardRow]:
        """All rows: failed frames first, then by dataset and file."""
        rows = [row for card in self.cards for row in card.rows]
        return sorted(
            rows, key=lambda row: (row.status != FrameStatus.FAILED, row.dataset, row.science_file)
        )

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures for the list of runs."""
        rows = self.rows
        return {
            "datasets": len({card.dataset for card in self.cards}),
            "science frames": len(rows),
            "FAILED": sum(row.status == FrameStatus.FAILED for row in rows),
            "slits": sum(row.slit_count for row in rows),
            "bad slits": sum(row.bad_slit_count for row in rows),
            "not scored": len(self.failed),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "figures": self.key_figures(),
            "rows": [row.to_dict() for row in self.rows],
            "reasons": {card.dataset: dict(card.reasons) for card in self.cards if card.reasons},
            "failed": dict(self.failed),
            "written": [str(path) for path in self.changed_files],
            "dry_run": self.dry_run,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row for each science frame, with the 28 columns of ADAP; failed frames first."""
        import pandas as pd

        return pd.DataFrame([row.to_dict() for row in self.rows], columns=list(SCORECARD_COLUMNS))

    def summary(self) -> pd.DataFrame:
        """One row for each science frame; without columns of counts that are all 0."""
        table = self.to_frame()
        first = SCORECARD_COLUMNS[:7]
        return table[[name for name in table.columns if name in first or any(table[name] != 0)]]

    def slits(self) -> pd.DataFrame:
        """One row for each slit of an exposure, with its measures and faults."""
        import pandas as pd

        columns = ["dataset", "spec2d", "slit", "rms", "coverage", "std chi", "flexure", "faults"]
        rows = [_slit_row(card, scored) for card in self.cards for scored in card.slits]
        return pd.DataFrame(rows, columns=columns)

    def worst_slits(self, max_count: int = WORST_COUNT) -> list[BadSlitEntry]:
        """The bad slits, sorted by their number of faults, then by how far they exceed limits."""
        bad = [
            BadSlitEntry(card, scored)
            for card in self.cards
            for scored in card.slits
            if scored.is_bad
        ]
        return sorted(bad, key=self._severity, reverse=True)[:max_count]

    def _severity(self, entry: BadSlitEntry) -> tuple[float, float]:
        limits = self.criteria.for_dataset(entry.card.dataset)
        return len(entry.scored.faults & BAD_FAULTS), limit_ratio(entry.scored, limits)

    def worst_frame(self, max_count: int = WORST_COUNT) -> pd.DataFrame:
        """The worst slits as a table, rounded for people."""
        import pandas as pd

        rows = [_slit_row(card, scored) for card, scored in self.worst_slits(max_count)]
        return pd.DataFrame(rows, columns=self.slits().columns).round(3)

    def qa(self, max_count: int = WORST_COUNT) -> QaGallery:
        """The QA pictures of the worst slits, for a notebook."""
        pictures = find_entry_pictures(self.worst_slits(max_count))
        return QaGallery(list(dict.fromkeys(path for paths in pictures for path in paths)))

    def __str__(self) -> str:
        table = self.to_frame()[list(TERMINAL_COLUMNS)].to_string(index=False)
        return f"{self.outcome}: {self.reason}\n\n{table}"

    def _repr_html_(self) -> str:
        """The summary table; all text escaped."""
        head = f"<p><b>{self.outcome}</b>: {html.escape(self.reason)}</p>"
        return head + frame_html(self.summary())


def find_entry_pictures(entries: Iterable[BadSlitEntry]) -> list[list[Path]]:
    """The QA pictures of each slit: of its calibration, and of its exposure."""
    return find_slit_pictures((entry.card.folder, entry.scored) for entry in entries)


def limit_ratio(scored: ScoredSlit, limits: ScoreLimits) -> float:
    """How far a slit exceeds its limits: the largest ratio of a measure to its limit."""
    slit = scored.slit
    return max(
        _ratio_to_limit(slit.rms, limits.rms_thresh),
        _ratio_to_limit(slit.std_chi, limits.upper_std_chi),
        _ratio_to_limit(limits.wave_cov_thresh, slit.coverage),
        _ratio_to_limit(limits.lower_std_chi, slit.std_chi),
    )


def _ratio_to_limit(value: float | None, limit: float | None) -> float:
    return value / limit if value is not None and limit else 0.0


def _slit_row(card: Scorecard, scored: ScoredSlit) -> Sequence[Any]:
    slit = scored.slit
    measures = (slit.rms, slit.coverage, slit.std_chi, slit.flexure)
    faults = ", ".join(sorted(scored.faults))
    return card.dataset, scored.spec2d, slit.name, *measures, faults
