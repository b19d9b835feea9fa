from __future__ import annotations

from kpfnb.compute.item_tracker import ItemOutcome, MapResult
from kpfnb.core.result import Outcome


def part(key: str, outcome: Outcome, error: str = "") -> ItemOutcome:
    value = None if error else key.upper()
    return ItemOutcome(key, key, outcome, value, error, seconds=1.5, attempts=1)


MIXED = [
    part("a", Outcome.SUCCEEDED),
    part("b", Outcome.FAILED, "OSError: disk"),
    part("c", Outcome.SKIPPED, "not done"),
]


def test_a_sequence_in_the_order_of_the_items() -> None:
    outcomes = MapResult(MIXED)
    assert len(outcomes) == 3
    assert outcomes[1].key == "b"
    assert [part.key for part in outcomes[1:]] == ["b", "c"]
    assert outcomes.values() == ["A", None, None]
    assert [part.key for part in outcomes.failed] == ["b", "c"]
    assert outcomes.outcome is Outcome.PARTIAL


def test_text_names_failures() -> None:
    assert str(MapResult(MIXED[:2])) == "1 of 2 done, 1 failed\n  b: OSError: disk"
    text = str(MapResult(MIXED, interrupted=True))
    assert text.startswith("stopped by Ctrl-C: 1 of 3 done, 1 failed, 1 not started")


def test_text_stays_short() -> None:
    many = MapResult([part(str(number), Outcome.FAILED, "no") for number in range(1000)])
    assert len(str(many).splitlines()) == 12
    assert str(many).endswith("and 990 more")


def test_frame_has_a_row_for_each() -> None:
    frame = MapResult(MIXED).to_frame()
    assert frame["outcome"].tolist() == ["succeeded", "failed", "skipped"]
    assert frame["error"].tolist() == ["", "OSError: disk", "not done"]
    assert list(MapResult([]).to_frame().columns) == list(frame.columns)
