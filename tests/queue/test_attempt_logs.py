"""The file with the log of a failed attempt."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.queue import attempt_logs


def test_any_name_of_an_item_gives_one_file_in_the_folder_of_its_queue(isolated: Path) -> None:
    names = ["M31/G600/20240115", "../../etc/passwd", "x" * 1000, "x" * 999 + "y"]
    paths = [attempt_logs.log_path("trial", name) for name in names]
    assert len(set(paths)) == len(names)
    [folder] = {path.parent for path in paths}
    assert folder.parts[-3:] == ("queues", "trial", "logs")
    for name in names:
        attempt_logs.store_log("trial", name, "words")
    assert all(path.read_text() == "words" for path in paths)


def test_a_log_that_can_not_be_written_does_not_stop_the_worker(
    isolated: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = attempt_logs.log_path("trial", "a")
    path.parent.parent.mkdir(parents=True)
    path.parent.write_text("a file in the way")
    attempt_logs.store_log("trial", "a", "words")
    assert "a: its log is not kept" in caplog.text
