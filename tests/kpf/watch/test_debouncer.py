"""Files settle when nothing has changed them for long enough."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kpfnb.kpf.watch.arrivals import Debouncer
from kpfnb.kpf.watch.handler import FileStamp

FIRST, SECOND = FileStamp(1, 1), FileStamp(2, 2)


def test_a_file_is_due_once_at_its_moment() -> None:
    settling = Debouncer()
    settling.set_due("a", FIRST, 3.0)
    assert settling.pop_due(2.9) == []
    assert settling.next_due() == 3.0
    assert settling.pop_due(3.0) == [("a", FIRST, 3.0)]
    assert settling.pop_due(99) == []
    assert len(settling) == 0


def test_a_change_puts_it_off() -> None:
    settling = Debouncer()
    settling.set_due("a", FIRST, 3.0)
    settling.set_due("a", SECOND, 5.0)
    assert settling.pop_due(4.0) == []
    assert settling.pop_due(5.0) == [("a", SECOND, 5.0)]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 20)), max_size=30),
    st.integers(0, 20),
)
def test_each_is_due_by_its_last_note(notes: list[tuple[str, int]], now: int) -> None:
    settling = Debouncer()
    for path, due in notes:
        settling.set_due(path, FIRST, due)
    last = dict(notes)
    due_now = {path for path, _, _ in settling.pop_due(now)}
    assert due_now == {path for path, due in last.items() if due <= now}
    assert len(settling) == len(last) - len(due_now)
