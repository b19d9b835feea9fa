"""What became of each file in a quicklook."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from enum import StrEnum
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.kpf.obsid import KPF
from kpfnb.kpf.quicklook.quality import Check, Verdict
from kpfnb.kpf.quicklook.record import Record
from kpfnb.kpf.quicklook.targets import MASTER
from kpfnb.outcomes import Outcome, combine
from kpfnb.result import Brief

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.hovering import Hovered
    from kpfnb.kpf.quicklook.gallery import Gallery

SHOWN = 50
"""So many failures and remarks are shown; all are in the record."""


class Fate(StrEnum):
    """What became of one file."""

    MADE = "made"
    """The pictures, or where only the thresholds had changed the checks."""
    CURRENT = "up to date"
    FAILED = "failed"
    UNREACHED = "not reached"
    """Ctrl-C came before its turn."""

    @property
    def is_good(self) -> bool:
        """True where its products are there."""
        return self in (Fate.MADE, Fate.CURRENT)


@dataclass(frozen=True)
class Item:
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
    fate: Fate
    target: str = ""
    verdict: str = ""
    remarks: tuple[str, ...] = ()
    pictures: int = 0
    left_out: int = 0
    reason: str = ""
    page: str = ""

    @classmethod
    def of(cls, record: Record, fate: Fate, page: str) -> Item:
        """The item of a file from its record."""
        broken = [f"{one.title}: {one.reason}" for one in record.broken]
        reason = record.error or "; ".join(broken)
        return cls(
            name=Path(record.file).name,
            level=record.level,
            night=record.night,
            fate=Fate.FAILED if reason else fate,
            target=record.heading.target,
            verdict="" if record.error else str(record.verdict),
            remarks=tuple(
                _told(check) for check in record.checks if check.verdict is not Verdict.PASS
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
        match = KPF.filename.fullmatch(self.name)
        return match["obsid"] if match else self.name


@dataclass(frozen=True, repr=False)
class Quicklook(Brief):
    """The result: a `kpfnb.result.Result`. A file whose checks fail is no failure of the work."""

    products: Path
    items: tuple[Item, ...]
    behind: tuple[str, ...] = ()
    """Nights whose pages do not show it all yet: another process kept them."""

    @property
    def outcome(self) -> Outcome:
        """Partial or failed where a file's products or a night's pages could not be made."""
        good = [*(item.fate.is_good for item in self.items), *(False for _ in self.behind)]
        return combine(Outcome.SUCCEEDED if one else Outcome.FAILED for one in good)

    @property
    def reason(self) -> str:
        """How many files have which fate and which verdict, and the first that failed."""
        fates = Counter(item.fate for item in self.items)
        counts = [f"{fates[fate]} {fate}" for fate in Fate if fates[fate]]
        verdicts = self.verdicts
        judged = [f"{verdicts[one]} {one}" for one in Verdict if verdicts[one]]
        bad = next((item for item in self.items if not item.fate.is_good), None)
        first = f"; first: {bad.name}: {bad.reason or bad.fate}" if bad else ""
        busy = "kept by another process; run it again when that has ended"
        late = f"; pages of {', '.join(self.behind)} {busy}" if self.behind else ""
        return (", ".join(counts + judged) or "no files") + first + late

    @property
    def verdicts(self) -> Counter[str]:
        """Files by verdict."""
        return Counter(item.verdict for item in self.items if item.verdict)

    def figures(self) -> dict[str, int | float | str]:
        """Files by fate and verdict, and pictures."""
        fates = Counter(item.fate for item in self.items)
        return {
            "files": len(self.items),
            **{str(fate): fates[fate] for fate in Fate if fates[fate]},
            **{str(one): self.verdicts[one] for one in Verdict},
            "pictures": sum(item.pictures for item in self.items),
        }

    def to_dict(self) -> dict[str, Any]:
        """The products' directory and every file."""
        return {
            "outcome": self.outcome,
            "products": str(self.products),
            **self.figures(),
            "pages_behind": list(self.behind),
            "items": [asdict(item) | {"remarks": list(item.remarks)} for item in self.items],
            "failed_items": [item.name for item in self.items if not item.fate.is_good],
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a file."""
        import pandas as pd

        rows = [
            asdict(item) | {"fate": str(item.fate), "remarks": "; ".join(item.remarks)}
            for item in self.items
        ]
        return pd.DataFrame(rows, columns=list(Item.__dataclass_fields__))

    def plot(self) -> Figure:
        """The verdict of each file: observations and levels, or counts by night."""
        from kpfnb.kpf.quicklook import overview

        return overview.draw(self)

    def hovered(self) -> Hovered:
        """The plot, and which file is at the mouse."""
        from kpfnb.kpf.quicklook import overview

        return overview.hovered(self)

    def gallery(self, observations: int = 3) -> Gallery:
        """The thumbnails of the first observations, for a notebook."""
        from kpfnb.kpf.quicklook.gallery import Gallery

        pages = dict.fromkeys(item.page for item in self.items if item.page)
        return Gallery(self.products, tuple(pages)[:observations])

    def __str__(self) -> str:
        lines = [_line(item) for item in self.items if not item.fate.is_good or item.remarks]
        more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
        return "\n".join([*lines[:SHOWN], *more, f"pages: {self.products}/index.html", self.reason])

    def _repr_html_(self) -> str:
        remarkable = [item for item in self.items if not item.fate.is_good or item.remarks]
        rows = "".join(map(_row, remarkable[:SHOWN]))
        more = len(remarkable) - SHOWN
        head = "".join(f"<th>{name}</th>" for name in ("file", "target", "verdict", "why"))
        table = (
            f'<div style="max-height: 30em; overflow: auto"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div>"
        )
        rest = f"<p>and {more} more</p>" if more > 0 else ""
        return f"<p><strong>{escape(self.reason)}</strong></p>{table if rows else ''}{rest}"


def _told(check: Check) -> str:
    value = f"{check.value:.6g}" if isinstance(check.value, float) else str(check.value)
    return f"{check.verdict}: {check.name}: {value} {check.unit}".strip()


def _line(item: Item) -> str:
    return f"{item.name}: {item.verdict or item.fate}: {_why(item)}"


def _row(item: Item) -> str:
    cells = (item.name, item.target, item.verdict or item.fate, _why(item))
    return f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in cells)}</tr>"


def _why(item: Item) -> str:
    return "; ".join(filter(None, [item.reason, *item.remarks]))
