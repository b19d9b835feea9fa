"""Hostile text in names and headers is nothing but text wherever a notebook shows a result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from kpfnb.adap.archive.result import DeliveryResult, UnitResult, UnitStatus
from kpfnb.adap.archive.verification import VerificationResult
from kpfnb.adap.coadd.products import CoaddKind, CoaddProduct, ExposureResult
from kpfnb.adap.coadd.result import CoaddResult
from kpfnb.adap.coadd.run import CombinedCoaddResult
from kpfnb.adap.pages import reduction_details
from kpfnb.adap.pages.row_details import row_details
from kpfnb.adap.prepare.placement_plan import IN_PLACE, FramePlacement
from kpfnb.adap.prepare.preparation import PreparationResult
from kpfnb.adap.prepare.sort_result import SortResult
from kpfnb.adap.prepare.trim_many import TrimManyResult
from kpfnb.adap.reduce.batch_result import DatasetResult, ReductionBatchResult
from kpfnb.adap.reduce.result import FrameType, ReductionResult
from kpfnb.adap.score.result import ScoreResult
from kpfnb.adap.score.row import ScorecardRow
from kpfnb.adap.score.scorecard import Scorecard
from kpfnb.core.result import Outcome
from kpfnb.home.dashboard import Dashboard, TaskNotebook
from kpfnb.kpf.quicklook.result import QuicklookItem, QuicklookOutcome, QuicklookResult
from kpfnb.kpf.reprocess import observation_details
from kpfnb.kpf.reprocess.result import ObservationOutcome, ReprocessItem, ReprocessResult
from kpfnb.kpf.watch.overview import WatcherOverview
from kpfnb.notebook.display.tables import StaticTable
from kpfnb.storage import FileOutcome, FileTransfer, TransferResult

EVIL = "<script>x()</script><img src=x onerror='x()'>\"'</td></pre>=HYPERLINK(\"//x\") ../../etc"
HERE = Path("/d")
ZONE = ZoneInfo("UTC")
NOW = datetime(2024, 1, 15, tzinfo=UTC)


class Reader(HTMLParser):
    """What a browser would see that is more than text."""

    def __init__(self) -> None:
        super().__init__()
        self.odd: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "iframe", "object", "svg", "link", "meta"):
            self.odd.append(tag)
        for name, value in attrs:
            is_foreign = name in ("src", "href") and not (value or "").startswith(("data:", "../"))
            if name.startswith("on") or is_foreign:
                self.odd.append(f"{tag} {name}={value}")

    def handle_data(self, data: str) -> None:
        self.text += data


def reading(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


def coadds() -> CombinedCoaddResult:
    product = CoaddProduct(EVIL, EVIL, (EVIL,), (), excluded=(EVIL,), reason=EVIL)
    part = CoaddResult(
        HERE,
        CoaddKind.SPECTRA,
        {},
        (ExposureResult(EVIL, "science", EVIL, EVIL, EVIL),),
        (product,),
    )
    return CombinedCoaddResult((part,), HERE)


def reorganised() -> SortResult:
    rows = (FramePlacement(EVIL, EVIL, IN_PLACE, EVIL, EVIL, EVIL, (EVIL,), EVIL, EVIL),)
    return SortResult(HERE, EVIL, "copy", rows, {EVIL: (EVIL,)}, (EVIL,))


def scores() -> ScoreResult:
    card = Scorecard(HERE, EVIL, (ScorecardRow(EVIL, EVIL, EVIL, EVIL),), reasons={EVIL: EVIL})
    return ScoreResult((card,), failed=((EVIL, EVIL),))


REDUCTION = ReductionResult(
    HERE / EVIL.replace("/", ""),
    {"frames": []},
    types=(FrameType(EVIL, EVIL, EVIL, 1.0, EVIL),),
    unusable=((EVIL, EVIL),),
    problems=(EVIL,),
)
REDUCTIONS = ReductionBatchResult((DatasetResult(EVIL, Outcome.FAILED, EVIL, (REDUCTION,)),))
PARCEL = UnitResult(EVIL, UnitStatus.FAILED, reason=EVIL, problems={EVIL: EVIL}, missing=(EVIL,))
DELIVERED = DeliveryResult(str(HERE), EVIL, (PARCEL,))
PREPARED = PreparationResult(reorganised(), TrimManyResult((), {EVIL: EVIL}))
PROCESSED = ReprocessItem(EVIL, EVIL, ObservationOutcome.FAILED, EVIL, EVIL, EVIL)
TASK = TaskNotebook(EVIL, EVIL, EVIL, HERE / "x.ipynb")

SHOWN: dict[str, Callable[[], str]] = {
    "a plain table": lambda: StaticTable(REDUCTION.frames())._repr_html_(),
    "reduction": REDUCTION._repr_html_,
    "reduction's row": lambda: row_details(REDUCTION, {"file": EVIL}),
    "reductions": REDUCTIONS._repr_html_,
    "reductions' row": lambda: row_details(REDUCTIONS, {"name": EVIL, "file": EVIL}),
    "scores": lambda: scores()._repr_html_(),
    "scores' row": lambda: row_details(scores(), {"dataset": EVIL, "science_file": EVIL}),
    "coadds": lambda: coadds()._repr_html_(),
    "coadds' row": lambda: row_details(coadds(), {"of": "1D", "coadd": EVIL}),
    "delivery": DELIVERED._repr_html_,
    "delivery's row": lambda: row_details(DELIVERED, {"unit": EVIL}),
    "check": lambda: VerificationResult(
        EVIL, {EVIL: 1}, 1, {EVIL: EVIL}, (EVIL,), (EVIL,)
    )._repr_html_(),
    "preparation": PREPARED._repr_html_,
    "preparation's row": lambda: row_details(PREPARED, {"dataset": EVIL}),
    "a folder": lambda: reduction_details.details_html(HERE / "x", EVIL, file=EVIL),
    "quicklook": lambda: QuicklookResult(
        HERE,
        (
            QuicklookItem(
                EVIL, "L0", EVIL, QuicklookOutcome.FAILED, EVIL, "FAIL", (EVIL,), reason=EVIL
            ),
        ),
    )._repr_html_(),
    "reprocessing": lambda: ReprocessResult(
        HERE, "", ("2D",), (EVIL,), "", 0, (PROCESSED,), notes=(EVIL,)
    )._repr_html_(),
    "a name": lambda: observation_details.quicklook_link(EVIL),
    "carried": lambda: TransferResult(
        EVIL, EVIL, (FileTransfer(EVIL, FileOutcome.FAILED, 1, None, EVIL),)
    )._repr_html_(),
    "home": lambda: Dashboard(
        7, ZONE, Counter(), (), (), (), WatcherOverview((), (), ZONE), None, (TASK,), EVIL, (EVIL,)
    )._repr_html_(),
}


@pytest.mark.parametrize("what", SHOWN)
def test_hostile_text_is_shown_as_text(what: str) -> None:
    reader = reading(SHOWN[what]())
    assert reader.odd == []
    assert "<script>" in reader.text
