"""What became of each file in a quicklook."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from enum import StrEnum
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.quicklook.quality import QualityCheck, Verdict
from kpfnb.kpf.quicklook.record import QuicklookRecord
from kpfnb.kpf.quicklook.targets import MASTER

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.kpf.quicklook.record_view import QuicklookGallery
    from kpfnb.notebook.display.figures import HoverFigure

MAX_SHOWN = 50
"""So many failures and remarks are shown; all are in the record."""


class QuicklookOutcome(StrEnum):
    """What became of one file."""

    MADE = "made"
    """The pictures, or where only the thresholds had changed the checks."""
    CURRENT = "up to date"
    FAILED = "failed"
    NOT_REACHED = "not reached"
    """Ctrl-C came before its turn."""

    @property
    def is_good(self) -> bool:
        """True where its products are there."""
        return self in (QuicklookOutcome.MADE, QuicklookOutcome.CURRENT)


@dataclass(frozen=True)
class QuicklookItem:
    """One file.

    Attributes
    ----------
    name : of the file
    target : what was observed
    verdict : PASS, WARN or FAIL of its checks; '' where it could not be looked at
    remarks : the checks that did not pass
    reason : why it failed
    page : where it is shown, relative to the products' directory
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
        cls, record: QuicklookRecord, fate: QuicklookOutcome, page: str
    ) -> QuicklookItem:
        """The item of a file from its record."""
        broken = [f"{one.title}: {one.reason}" for one in record.broken_plots]
        reason = record.error or "; ".join(broken)
        return cls(
            name=Path(record.file).name,
            level=record.level,
            night=record.night,
            outcome=QuicklookOutcome.FAILED if reason else fate,
            target=record.heading.target,
            verdict="" if record.error else str(record.verdict),
            remarks=tuple(
                _describe_check(check)
                for check in record.checks
                if check.verdict is not Verdict.PASS
            ),
            pictures=len(record.pictures),
            left_out=len(record.left_out),
            reason=reason,
            page=page,
        )

    @property
    def observation(self) -> str:
        """The ObsID; the masters of a night stand together."""
        if self.level == MASTER:
            return f"{self.night} masters"
        match = KPF.filename_pattern.fullmatch(self.name)
        return match["obsid"] if match else self.name


@dataclass(frozen=True, repr=False)
class QuicklookResult(OneLineRepr):
    """The result: a `kpfnb.core.result.Result`. A file whose checks fail is no failure of the work."""

    products: Path
    items: tuple[QuicklookItem, ...]
    outdated_nights: tuple[str, ...] = ()
    """Nights whose pages do not show it all yet: another process kept them."""

    @property
    def outcome(self) -> Outcome:
        """Partial or failed where a file's products or a night's pages could not be made."""
        good = [
            *(item.outcome.is_good for item in self.items),
            *(False for _ in self.outdated_nights),
        ]
        return merge_outcomes(Outcome.SUCCEEDED if one else Outcome.FAILED for one in good)

    @property
    def reason(self) -> str:
        """How many files have which fate and which verdict, and the first that failed."""
        fates = Counter(item.outcome for item in self.items)
        counts = [f"{fates[fate]} {fate}" for fate in QuicklookOutcome if fates[fate]]
        verdicts = self.verdicts
        judged = [f"{verdicts[one]} {one}" for one in Verdict if verdicts[one]]
        bad = next((item for item in self.items if not item.outcome.is_good), None)
        first = f"; first: {bad.name}: {bad.reason or bad.outcome}" if bad else ""
        busy = "kept by another process; run it again when that has ended"
        late = (
            f"; pages of {', '.join(self.outdated_nights)} {busy}" if self.outdated_nights else ""
        )
        return (", ".join(counts + judged) or "no files") + first + late

    @property
    def verdicts(self) -> Counter[str]:
        """Files by verdict."""
        return Counter(item.verdict for item in self.items if item.verdict)

    def key_figures(self) -> dict[str, int | float | str]:
        """Files by fate and verdict, and pictures."""
        fates = Counter(item.outcome for item in self.items)
        return {
            "files": len(self.items),
            **{str(fate): fates[fate] for fate in QuicklookOutcome if fates[fate]},
            **{str(one): self.verdicts[one] for one in Verdict},
            "pictures": sum(item.pictures for item in self.items),
        }

    def to_dict(self) -> dict[str, Any]:
        """The products' directory and every file."""
        return {
            "outcome": self.outcome,
            "products": str(self.products),
            **self.key_figures(),
            "pages_behind": list(self.outdated_nights),
            "items": [asdict(item) | {"remarks": list(item.remarks)} for item in self.items],
            "failed_items": [item.name for item in self.items if not item.outcome.is_good],
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a file."""
        import pandas as pd

        rows = [
            asdict(item) | {"fate": str(item.outcome), "remarks": "; ".join(item.remarks)}
            for item in self.items
        ]
        return pd.DataFrame(rows, columns=list(QuicklookItem.__dataclass_fields__))

    def plot(self) -> Figure:
        """The verdict of each file: observations and levels, or counts by night."""
        from kpfnb.kpf.quicklook import result_plots

        return result_plots.plot_verdicts(self)

    def hover_plot(self) -> HoverFigure:
        """The plot, and which file is at the mouse."""
        from kpfnb.kpf.quicklook import result_plots

        return result_plots.hover_verdicts(self)

    def gallery(self, observations: int = 3) -> QuicklookGallery:
        """The thumbnails of the first observations, for a notebook."""
        from kpfnb.kpf.quicklook.record_view import QuicklookGallery

        pages = dict.fromkeys(item.page for item in self.items if item.page)
        return QuicklookGallery(self.products, tuple(pages)[:observations])

    def __str__(self) -> str:
        lines = [
            _item_line(item) for item in self.items if not item.outcome.is_good or item.remarks
        ]
        more = [f"and {len(lines) - MAX_SHOWN} more"] if len(lines) > MAX_SHOWN else []
        return "\n".join(
            [*lines[:MAX_SHOWN], *more, f"pages: {self.products}/index.html", self.reason]
        )

    def _repr_html_(self) -> str:
        remarkable = [item for item in self.items if not item.outcome.is_good or item.remarks]
        rows = "".join(map(_item_row, remarkable[:MAX_SHOWN]))
        more = len(remarkable) - MAX_SHOWN
        head = "".join(f"<th>{name}</th>" for name in ("file", "target", "verdict", "why"))
        table = (
            f'<div style="max-height: 30em; overflow: auto"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div>"
        )
        rest = f"<p>and {more} more</p>" if more > 0 else ""
        return f"<p><strong>{escape(self.reason)}</strong></p>{table if rows else ''}{rest}"


def _describe_check(check: QualityCheck) -> str:
    value = f"{check.value:.6g}" if isinstance(check.value, float) else str(check.value)
    return f"{check.verdict}: {check.name}: {value} {check.unit}".strip()


def _item_line(item: QuicklookItem) -> str:
    return f"{item.name}: {item.verdict or item.outcome}: {_item_reason(item)}"


def _item_row(item: QuicklookItem) -> str:
    cells = (item.name, item.target, item.verdict or item.outcome, _item_reason(item))
    return f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in cells)}</tr>"


def _item_reason(item: QuicklookItem) -> str:
    return "; ".join(filter(None, [item.reason, *item.remarks]))
