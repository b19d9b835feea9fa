from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from kpfnb.kpf.quicklook import plots
from kpfnb.kpf.quicklook.result import QuicklookItem, QuicklookOutcome, QuicklookResult
from kpfnb.notebook.display import figures
from tests.kpf.quicklook.conftest import STAR

NIGHT = "20240115"


def test_the_masters_of_a_night_share_a_cell_that_shows_the_worst() -> None:
    words = ("PASS", "FAIL", "PASS")
    items = tuple(
        QuicklookItem(
            f"kpf_{NIGHT}_master_bias{n}.fits", "master", NIGHT, QuicklookOutcome.MADE, verdict=word
        )
        for n, word in enumerate(words)
    )
    failed = QuicklookItem(f"{STAR}_L2.fits", "L2", NIGHT, QuicklookOutcome.FAILED, reason="broken")
    result = QuicklookResult(Path("/d"), (*items, failed))
    assert [item.observation for item in result.items] == [*[f"{NIGHT} masters"] * 3, STAR]
    assert "✖" in {text.get_text() for text in figures.plot(result).axes[0].texts}
    assert plots.cell_tooltip(result, f"{NIGHT} masters", "master").count("FAIL") == 1


def test_many_observations_are_bars_by_night() -> None:
    items = tuple(
        QuicklookItem(
            f"KP.{n}.fits", "L0", NIGHT, QuicklookOutcome.MADE, verdict="FAIL" if n == 9 else "PASS"
        )
        for n in range(90)
    )
    result = QuicklookResult(Path("/d"), items)
    [tooltip] = figures.hover_plot(result).tooltips.values()
    text = tooltip(SimpleNamespace(xdata=0, ydata=1))
    assert text == f"{NIGHT}: 89 PASS, 1 FAIL\nKP.9.fits L0: FAIL"
