"""Runs on one machine do not take more memory together than there is."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from kpfnb.adap.pypeit import memory
from kpfnb.adap.pypeit.memory import GB, MemoryReservation, has_room

HOLDER = (
    "import sys, time\nfrom kpfnb.adap.pypeit import memory\n"
    "with memory.reserve(int(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
)


def holder(wanted: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(wanted)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize(
    ("others", "free", "budget", "expected"),
    [
        ([], 0, 1, True),  # alone it never waits
        ([(2, 2)], 4, 0, True),
        ([(2, 2)], 3, 0, False),
        ([(2, 0)], 5, 0, False),  # what the other has yet to take
        ([(2, 1), (2, 3)], 5, 0, True),
        ([(2, 2)], 99, 6, True),
        ([(2, 2)], 99, 5, False),
    ],
)
def test_whether_one_of_four_more_fits(
    others: list[tuple[int, int]], free: int, budget: int, expected: bool
) -> None:
    assert has_room(4, [MemoryReservation(*one) for one in others], free, budget) is expected


def test_the_last_run_tells_else_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [{"peak_bytes": None}, {"peak_bytes": 5}, {"peak_bytes": 3}]
    assert memory.estimate_bytes({"steps": steps}) == 5
    assert memory.estimate_bytes(None) == memory.estimate_bytes({"steps": []}) == 4 * GB
    monkeypatch.setenv("KPFNB_PYPEIT_MEMORY_GB", "1.5")
    assert memory.estimate_bytes(None) == 1_500_000_000


def test_it_waits_for_another_and_a_killed_one_holds_nothing(
    monkeypatch: pytest.MonkeyPatch, isolated: Path
) -> None:
    monkeypatch.setenv("KPFNB_PYPEIT_MEMORY_BUDGET_GB", "3")
    monkeypatch.setattr(memory, "POLL_SECONDS", 0.05)
    told: list[str] = []
    with holder(2 * GB) as other:
        with memory.reserve_memory(GB, tell=told.append):
            assert told == []

        def kill(text: str) -> None:
            told.append(text)
            other.kill()

        began = time.monotonic()
        with memory.reserve_memory(2 * GB, tell=kill):
            assert told[0] == "waiting for 2.0 GB of memory"
            assert time.monotonic() - began < 50
    assert [path.name for path in (isolated / "work/memory").glob("*-*.lock")] == []


def test_a_run_without_a_note_counts_all_the_same(isolated: Path) -> None:
    """Its note is gone where it ends at this moment; others must not fail for that."""
    with holder(2 * GB) as other:
        (note,) = (isolated / "work/memory").glob("*.note")
        note.unlink()
        assert [one.reserved for one in memory.list_reservations()] == [2 * GB]
        other.kill()
