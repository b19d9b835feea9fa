"""Hostile text in names and headers is nothing but text in what a notebook shows of any result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from kpfnb.adap import evidence
from kpfnb.adap.archive.checking import Checked
from kpfnb.adap.archive.delivered import Delivered, Parcel
from kpfnb.adap.archive.delivered import State as Delivery
from kpfnb.adap.coadding.coadded import Coadd, Coadded, Frame
from kpfnb.adap.coadding.coadds import Coadds
from kpfnb.adap.coadding.coaddtask import Kind
from kpfnb.adap.preparing.arrangement import PLACED
from kpfnb.adap.preparing.arrangement import Row as Placed
from kpfnb.adap.preparing.prepared import Prepared
from kpfnb.adap.preparing.reorganised import Reorganised
from kpfnb.adap.preparing.trimmedsets import TrimmedSets
from kpfnb.adap.reducing.reduced import FrameType, Reduction
from kpfnb.adap.reducing.reductions import Part, Reductions
from kpfnb.adap.scoring.scorecard import Scorecard
from kpfnb.adap.scoring.scorerow import Row as Scored
from kpfnb.adap.scoring.scores import Scores
from kpfnb.home.overview import Home
from kpfnb.home.tasks import Task
from kpfnb.kpf import evidence as observations
from kpfnb.kpf.quicklook.result import Fate, Item, Quicklook
from kpfnb.kpf.reprocessing import Fate as Processed
from kpfnb.kpf.reprocessing import Item as Observation
from kpfnb.kpf.reprocessing import Reprocessing
from kpfnb.outcomes import Outcome
from kpfnb.storage import Carried, State
from kpfnb.storage import Item as File
from kpfnb.tables import Plain
from kpfnb.watching.overview import Overview

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
    found = Reader()
    found.feed(html)
    found.close()
    return found


def coadds() -> Coadds:
    one = Coadd(EVIL, EVIL, (EVIL,), (), excluded=(EVIL,), reason=EVIL)
    part = Coadded(HERE, Kind.SPECTRA, {}, (Frame(EVIL, "science", EVIL, EVIL, EVIL),), (one,))
    return Coadds((part,), HERE)


def reorganised() -> Reorganised:
    rows = (Placed(EVIL, EVIL, PLACED, EVIL, EVIL, EVIL, (EVIL,), EVIL, EVIL),)
    return Reorganised(HERE, EVIL, "copy", rows, {EVIL: (EVIL,)}, (EVIL,))


def scores() -> Scores:
    card = Scorecard(HERE, EVIL, (Scored(EVIL, EVIL, EVIL, EVIL),), reasons={EVIL: EVIL})
    return Scores((card,), failed=((EVIL, EVIL),))


REDUCTION = Reduction(
    HERE / EVIL.replace("/", ""),
    {"frames": []},
    types=(FrameType(EVIL, EVIL, EVIL, 1.0, EVIL),),
    unusable=((EVIL, EVIL),),
    problems=(EVIL,),
)
REDUCTIONS = Reductions((Part(EVIL, Outcome.FAILED, EVIL, (REDUCTION,)),))
PARCEL = Parcel(EVIL, Delivery.FAILED, reason=EVIL, problems={EVIL: EVIL}, missing=(EVIL,))
DELIVERED = Delivered(str(HERE), EVIL, (PARCEL,))
PREPARED = Prepared(reorganised(), TrimmedSets((), {EVIL: EVIL}))
PROCESSED = Observation(EVIL, EVIL, Processed.FAILED, EVIL, EVIL, EVIL)
TASK = Task(EVIL, EVIL, EVIL, HERE / "x.ipynb")

SHOWN: dict[str, Callable[[], str]] = {
    "a plain table": lambda: Plain(REDUCTION.frames())._repr_html_(),
    "reduction": REDUCTION._repr_html_,
    "reduction's row": lambda: REDUCTION.lead({"file": EVIL}),
    "reductions": REDUCTIONS._repr_html_,
    "reductions' row": lambda: REDUCTIONS.lead({"name": EVIL, "file": EVIL}),
    "scores": lambda: scores()._repr_html_(),
    "scores' row": lambda: scores().lead({"dataset": EVIL, "science_file": EVIL}),
    "coadds": lambda: coadds()._repr_html_(),
    "coadds' row": lambda: coadds().lead({"of": "1D", "coadd": EVIL}),
    "delivery": DELIVERED._repr_html_,
    "delivery's row": lambda: DELIVERED.lead({"unit": EVIL}),
    "check": lambda: Checked(EVIL, {EVIL: 1}, 1, {EVIL: EVIL}, (EVIL,), (EVIL,))._repr_html_(),
    "preparation": PREPARED._repr_html_,
    "preparation's row": lambda: PREPARED.lead({"dataset": EVIL}),
    "a folder": lambda: evidence.of(HERE / "x", EVIL, file=EVIL),
    "quicklook": lambda: Quicklook(
        HERE, (Item(EVIL, "L0", EVIL, Fate.FAILED, EVIL, "FAIL", (EVIL,), reason=EVIL),)
    )._repr_html_(),
    "reprocessing": lambda: Reprocessing(
        HERE, "", ("2D",), (EVIL,), "", 0, (PROCESSED,), notes=(EVIL,)
    )._repr_html_(),
    "a name": lambda: observations.quicklook(EVIL),
    "carried": lambda: Carried(
        EVIL, EVIL, (File(EVIL, State.FAILED, 1, None, EVIL),)
    )._repr_html_(),
    "home": lambda: Home(
        7, ZONE, Counter(), (), (), (), Overview((), (), ZONE), None, None, (TASK,), (EVIL,)
    )._repr_html_(),
}


@pytest.mark.parametrize("what", SHOWN)
def test_hostile_text_is_shown_as_text(what: str) -> None:
    found = reading(SHOWN[what]())
    assert found.odd == []
    assert "<script>" in found.text
