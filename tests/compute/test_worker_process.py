from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from kpfnb.compute import batches


def test_an_attempt_keeps_value_or_error() -> None:
    good, bad = batches.call_item(int, "7"), batches.call_item(int, "x")
    assert (good.value, good.error, good.traceback) == (7, "", "")
    assert bad.value is None
    assert bad.error.startswith("ValueError: invalid literal")
    assert bad.traceback.startswith("Traceback")


def test_an_error_without_a_message_has_its_type() -> None:
    assert batches.format_exception(KeyError()) == "KeyError"


def test_ctrl_c_is_no_failure_of_an_item() -> None:
    def press(item: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batches.call_item(press, 1)


def test_a_nanny_sees_what_is_in_work(tmp_path: Path) -> None:
    (tmp_path / f"task-1{batches.IN_WORK_SUFFIX}").write_text(str(time.monotonic() - 100))
    (tmp_path / f"task-2{batches.IN_WORK_SUFFIX}").write_text("")  # just being written
    nanny = SimpleNamespace(pid=os.getpid(), worker_dir=str(tmp_path))
    sight = batches.worker_status(nanny, memory=True)
    assert sight
    assert list(sight.seconds) == ["task-1"]
    assert 100 <= sight.seconds["task-1"] < 200
    assert sight.memory_bytes > 10_000_000
    assert batches.worker_status(SimpleNamespace(pid=None, worker_dir=None)) is None
    assert batches.worker_status(SimpleNamespace(pid=os.getpid(), worker_dir=None)) is None
