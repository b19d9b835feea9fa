"""What a person does with each notebook: which values are typed, and what it needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """The first run of a notebook in JupyterLab, and what is then changed.

    Attributes
    ----------
    first : values typed before the first run; the others are the notebook's own
    change : values typed before the second run, whose result has to differ
    needs : fixtures
    button : Run or Dry run
    """

    change: dict[str, Any]
    first: dict[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ("night",)
    button: str = "Run"


KPF = {
    # All files are read; then none has changed
    "ingest": Case(first={"force": True}, change={"force": False, "end": "20240116"}),
    "progress": Case(change={"require_complete": True}),
    "quicklook": Case(
        first={"levels: L0": True, "start": "20240115.17", "end": "20240115.18", "shown": 1},
        change={"start": "20240115.27", "end": "20240115.28"},
    ),
    "reprocess": Case(change={"force": True, "order": "forward"}, button="Dry run"),
    "timeseries": Case(change={"end": "20240116"}, needs=("ingested",)),
    "tonight": Case(change={"accept": "PASS"}),
}
OTHERS = {
    "archive": Case(
        change={"datasets": "SIM1/1200G_7500_OG550/2011-04-02"}, needs=(), button="Dry run"
    ),
    "coadd": Case(change={"flux": "none"}, needs=("coaddable",), button="Dry run"),
    "home": Case(change={"days": 30}),
    "prepare": Case(change={"date_window": 0}, needs=("deimos_frames",), button="Dry run"),
    "queue": Case(
        first={"queue": "browser", "watch_seconds": 0},
        change={"items": "a, b, broken"},
        needs=("queue_server",),
    ),
    "reduce": Case(
        first={"raw": "{kast_frames}"},
        change={"setup": "A"},
        needs=("kast_frames",),
        button="Dry run",
    ),
    "scorecard": Case(change={"root": "simulated/simulated_A"}, needs=(), button="Dry run"),
    "watch": Case(change={"expected": "process"}),
}
CASES = KPF | OTHERS
