from __future__ import annotations

from pathlib import Path

from kpfnb.adap.pypeit.memory import GB, Reservation
from kpfnb.adap.reducing import board

LOG = "\n".join(f"    INFO | 2026-01-31 12:00:0{n} | a.py:f:{n} | step <{n}>" for n in range(6))


def test_it_tells_step_memory_and_the_end_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    (tmp_path / "A/A.log").write_text(LOG)
    (tmp_path / "A/A_useful_warns.log").write_text("3 -- of an earlier run")
    page = board.page((Reservation(2 * GB, GB // 2, "a <dataset>", str(tmp_path)),))
    for text in ("a &lt;dataset&gt;", "step &lt;5&gt;", "step &lt;3&gt;", "0.50", "2.00"):
        assert text in page
    assert "step &lt;2&gt;" not in page


def test_without_a_log_or_a_run(tmp_path: Path) -> None:
    assert "starting" in board.page((Reservation(GB, 0, "a", str(tmp_path)),))
    assert board.page(()) == "<p>no PypeIt at work</p>"


def test_it_shows_nothing_where_nobody_looks() -> None:
    with board.shown():
        pass
