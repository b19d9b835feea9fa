"""The scorecards of many reductions as a result: tables, pictures, the worst slits, a page."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kpfnb.adap.score.limits import BAD_FAULTS, ScoreCriteria, ScoreLimits
from kpfnb.adap.score.row import SCORECARD_COLUMNS, FrameStatus, ScorecardRow
from kpfnb.adap.score.scorecard import Scorecard
from kpfnb.adap.score.scored_slits import ScoredSlit
from kpfnb.core import atomic, settings
from kpfnb.core.result import OneLineRepr, Outcome

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.adap.products.qa_gallery import QaGallery
    from kpfnb.notebook.display.figures import HoverFigure

PAGE_NAME = "scorecard.html"
WORST_COUNT = 12
TERMINAL_COLUMNS = (
    "dataset",
    "science_file",
    "status",
    "slit_count",
    "bad_slit_count",
    "object_count",
)
"""The columns that a terminal has room for."""


class BadSlitEntry(NamedTuple):
    """A bad slit and where it is."""

    card: Scorecard
    scored: ScoredSlit


@dataclass(frozen=True, repr=False)
class ScoreResult(OneLineRepr):
    """What was scored; a `kpfnb.core.result.Result`.

    Attributes
    ----------
    criteria : the limits that were used
    failed : reductions that could not be scored, with the reason
    written : the files that are new or have changed
    """

    cards: tuple[Scorecard, ...]
    criteria: ScoreCriteria = field(default_factory=ScoreCriteria)
    failed: tuple[tuple[str, str], ...] = ()
    changed_files: tuple[Path, ...] = ()
    dry_run: bool = False

    @property
    def outcome(self) -> Outcome:
        """Of the scoring: a reduction that is bad, and was found to be, is no failure of it."""
        if not self.failed:
            return Outcome.SUCCEEDED
        return Outcome.PARTIAL if self.cards else Outcome.FAILED

    @property
    def reason(self) -> str:
        """One line."""
        rows = self.rows
        text = f"{len(self.cards)} reductions scored, {len(rows)} science frames"
        if lost := sum(row.status == FrameStatus.FAILED for row in rows):
            text += f", {lost} of them FAILED"
        slits = sum(row.slit_count for row in rows)
        text += f"; {sum(row.bad_slit_count for row in rows)} of {slits} slits are bad"
        if self.failed:
            text += f"; not scored: {len(self.failed)}: " + "; ".join(
                f"{name}: {error}" for name, error in self.failed[:3]
            )
        if self.dry_run:
            return f"dry run: {text}"
        return text + ("" if self.changed_files else "; nothing has changed")

    @property
    def rows(self) -> list[ScorecardRow]:
        """All rows: the failed first, then by dataset and file."""
        rows = [row for card in self.cards for row in card.rows]
        return sorted(
            rows, key=lambda row: (row.status != FrameStatus.FAILED, row.dataset, row.science_file)
        )

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures for the run list."""
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
        """One row a science frame, ADAP's 28 columns; the failed first."""
        import pandas as pd

        return pd.DataFrame([row.to_dict() for row in self.rows], columns=list(SCORECARD_COLUMNS))

    def summary(self) -> pd.DataFrame:
        """One row a science frame; columns that count nothing are left out."""
        table = self.to_frame()
        return table[[n for n in table.columns if n in SCORECARD_COLUMNS[:7] or any(table[n] != 0)]]

    def row_details(self, row: Mapping[str, Any]) -> str:
        """What a row of its tables leads to, as HTML: its slit's pictures, and its reduction."""
        from kpfnb.adap.pages import reduction_details
        from kpfnb.adap.products.qa_gallery import QaGallery

        spec2d, slit, file = (str(row.get(name, "")) for name in ("spec2d", "slit", "science_file"))
        cards = [card for card in self.cards if card.dataset == row.get("dataset")]
        # A dataset may be reduced twice
        own = [card for card in cards if _has_frame(card, file, spec2d)]
        found = [
            BadSlitEntry(c, o)
            for c in own
            for o in c.slits
            if (o.spec2d, o.slit.name) == (spec2d, slit)
        ]
        shown = QaGallery([path for paths in find_entry_pictures(found) for path in paths])
        head = f"<h4>{html.escape(f'{spec2d} · {slit}')}</h4>{shown._repr_html_()}" if slit else ""
        return head + "".join(
            reduction_details.details_html(one.folder, one.dataset, file=file) for one in own
        )

    def slits(self) -> pd.DataFrame:
        """One row a slit of an exposure: what was measured of it, and what is wrong with it."""
        import pandas as pd

        columns = ["dataset", "spec2d", "slit", "rms", "coverage", "std chi", "flexure", "faults"]
        return pd.DataFrame(
            [_slit_row(card, one) for card in self.cards for one in card.slits], columns=columns
        )

    def worst_slits(self, most: int = WORST_COUNT) -> list[BadSlitEntry]:
        """The bad slits, those with most faults first, then those furthest beyond their limits."""
        bad = [BadSlitEntry(card, one) for card in self.cards for one in card.slits if one.is_bad]
        return sorted(bad, key=lambda one: self._severity(one), reverse=True)[:most]

    def _severity(self, one: BadSlitEntry) -> tuple[float, float]:
        limits = self.criteria.for_dataset(one.card.dataset)
        return len(one.scored.faults & BAD_FAULTS), limit_ratio(one.scored, limits)

    def worst_frame(self, most: int = WORST_COUNT) -> pd.DataFrame:
        """The worst slits as a table."""
        import pandas as pd

        rows = [_slit_row(one.card, one.scored) for one in self.worst_slits(most)]
        # What a person reads: limits are given to two digits
        return pd.DataFrame(rows, columns=self.slits().columns).round(3)

    def plot(self) -> Figure:
        """Histograms of RMS, coverage and flexure with their limits, and the trend by date."""
        from kpfnb.adap.score import plots

        return plots.plot_scores(self)

    def hover_plot(self) -> HoverFigure:
        """The plot, and which slits or dataset are at the mouse."""
        from kpfnb.adap.score import plots

        return plots.hover_scores(self)

    def qa(self, most: int = WORST_COUNT) -> QaGallery:
        """The QA pictures of the worst slits, to be shown by a notebook."""
        from kpfnb.adap.products.qa_gallery import QaGallery

        found = [path for paths in find_entry_pictures(self.worst_slits(most)) for path in paths]
        return QaGallery(list(dict.fromkeys(found)))

    def write_page(self, path: str | Path = "") -> Path:
        """Write the page, by default scorecard.html in the work directory; where it is.

        One that would be the same is not touched; a dry run writes none.
        """
        from kpfnb.adap.score import page

        target = Path(path or settings.load_settings().work_dir / PAGE_NAME).expanduser().absolute()
        text = page.render_page(self)
        is_same = target.is_file() and target.read_text(encoding="utf-8") == text
        if not self.dry_run and not is_same:
            atomic.write_text(target, text)
        return target

    def __str__(self) -> str:
        table = self.to_frame()[list(TERMINAL_COLUMNS)].to_string(index=False)
        return f"{self.outcome}: {self.reason}\n\n{table}"

    def _repr_html_(self) -> str:
        """The table, all text escaped; columns that count nothing are left out."""
        shown = self.summary().to_html(index=False, escape=True, border=0, justify="left")
        return f"<p><b>{self.outcome}</b>: {html.escape(self.reason)}</p>{shown}"


def find_entry_pictures(slits: Iterable[BadSlitEntry]) -> list[list[Path]]:
    """The QA pictures of each slit: of its calibration, and of its exposure."""
    from kpfnb.adap.score import scored_slits

    return scored_slits.find_slit_pictures((one.card.folder, one.scored) for one in slits)


def _has_frame(card: Scorecard, file: str, spec2d: str) -> bool:
    files = {row.science_file for row in card.rows}
    return file in files if file else spec2d in {one.spec2d for one in card.slits}


def limit_ratio(scored: ScoredSlit, limits: ScoreLimits) -> float:
    """How far a slit is beyond its limits: the largest of its measures over their limits."""
    slit = scored.slit
    parts = [
        _ratio(slit.rms, limits.rms_thresh),
        _ratio(slit.std_chi, limits.upper_std_chi),
        _ratio(limits.wave_cov_thresh, slit.coverage),
        _ratio(limits.lower_std_chi, slit.std_chi),
    ]
    return max(parts)


def _ratio(value: float | None, limit: float | None) -> float:
    return value / limit if value is not None and limit else 0.0


def _slit_row(card: Scorecard, one: ScoredSlit) -> Sequence[Any]:
    slit = one.slit
    measures: Iterable[float | None] = (slit.rms, slit.coverage, slit.std_chi, slit.flexure)
    return (card.dataset, one.spec2d, slit.name, *measures, ", ".join(sorted(one.faults)))
