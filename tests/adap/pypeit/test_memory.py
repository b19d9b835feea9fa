"""Runs on one machine together never use more memory than it has."""

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
    "with memory.reserve_memory(int(sys.argv[1])):\n"
    "    print('held', flush=True)\n    time.sleep(60)\n"
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
        ([(2, 0)], 5, 0, False),  # what the other has reserved and not used yet
        ([(2, 1), (2, 3)], 5, 0, True),
        ([(2, 2)], 99, 6, True),
        ([(2, 2)], 99, 5, False),
    ],
)
def test_whether_one_of_four_more_fits(
    others: list[tuple[int, int]], free: int, budget: int, expected: bool
) -> None:
    assert has_room(4, [MemoryReservation(*values) for values in others], free, budget) is expected


def test_the_estimate_comes_from_the_last_run_or_the_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = [{"peak_bytes": None}, {"peak_bytes": 5}, {"peak_bytes": 3}]
    assert memory.estimate_bytes({"steps": steps}) == 5
    assert memory.estimate_bytes(None) == memory.estimate_bytes({"steps": []}) == 4 * GB
    monkeypatch.setenv("KPFNB_PYPEIT_MEMORY_GB", "1.5")
    assert memory.estimate_bytes(None) == 1_500_000_000


def test_it_waits_for_another_run_and_a_killed_run_holds_nothing(
    monkeypatch: pytest.MonkeyPatch, isolated: Path
) -> None:
    monkeypatch.setenv("KPFNB_PYPEIT_MEMORY_BUDGET_GB", "3")
    monkeypatch.setattr(memory, "POLL_SECONDS", 0.05)
    messages: list[str] = []
    with holder(2 * GB) as other:
        with memory.reserve_memory(GB, on_status=messages.append):
            assert messages == []

        def kill(text: str) -> None:
            messages.append(text)
            other.kill()

        began = time.monotonic()
        with memory.reserve_memory(2 * GB, on_status=kill):
            assert messages[0] == "waiting for 2.0 GB of memory"
            assert time.monotonic() - began < 50
    assert [path.name for path in (isolated / "work/memory").glob("*-*.lock")] == []


def test_a_run_without_a_note_still_counts(isolated: Path) -> None:
    """Its note is gone if it ends at this moment; other runs must not fail because of that."""
    with holder(2 * GB) as other:
        (note,) = (isolated / "work/memory").glob("*.note")
        note.unlink()
        assert [item.reserved for item in memory.list_reservations()] == [2 * GB]
        other.kill()
