from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.adap.pypeit import log

NEW = """\
    INFO | 2026-01-31 12:00:00 | exposure.py:reduce_exposure:417 | Detectors to work on: [1, (2, 6)]
 WARNING | 2026-01-31 12:00:01 | calibrations.py:get_dark:606 | No raw dark frames | none at all
    INFO | 2026-01-31 12:00:02 | calibrations.py:get_arc:387 | Preparing an arc.
it is a good one
   ERROR | 2026-01-31 12:00:03 | calibrations.py:check:1833 | PypeItError: No arc!
"""

OLD = """\
[INFO]    :: exposure.py 417 reduce_exposure() - Detectors to work on: [1]
\x1b[1;31m[WARNING] ::\x1b[0m edgetrace.py 2727 remove_traces() - No trace to remove.
[INFO]    :: pypeit.py 243 print_end_time() - Execution time: 1h 2m 3.50s
"""

PRINTED = """\
\x1b[1;38;2;49m    [INFO]\x1b[0m - \x1b[38;2;116mfile.py:function:12\x1b[0m - Typing files
    [INFO] - Building QA
"""


def test_the_new_format() -> None:
    parsed = log.parse_log(NEW.splitlines())
    assert [entry.level for entry in parsed.entries] == ["INFO", "WARNING", "INFO", "ERROR"]
    assert parsed.entries[1].text == "No raw dark frames | none at all"
    assert parsed.entries[1].place == "calibrations.py:get_dark:606"
    assert parsed.errors == ("PypeItError: No arc!",)
    assert parsed.last_step == "Preparing an arc."
    assert parsed.detectors == 2
    assert parsed.execution_seconds is None


def test_the_old_format() -> None:
    parsed = log.parse_log(OLD.splitlines())
    assert [entry.level for entry in parsed.entries] == ["INFO", "WARNING", "INFO"]
    assert parsed.entries[1].text == "No trace to remove."
    assert parsed.execution_seconds == 3723.5
    assert parsed.detectors == 1


def test_what_is_printed_has_no_times_and_colours() -> None:
    parsed = log.parse_log(PRINTED.splitlines())
    assert [entry.text for entry in parsed.entries] == ["Typing files", "Building QA"]
    assert [entry.place for entry in parsed.entries] == ["file.py:function:12", ""]


@pytest.mark.parametrize(
    ("text", "seconds"), [("13.70s", 13.7), ("1m 3.86s", 63.86), ("2h 0m 1.00s", 7201.0)]
)
def test_execution_times(text: str, seconds: float) -> None:
    parsed = log.parse_log([f"    INFO | 2026-01-31 12:00:00 | a.py:b:1 | Execution time: {text}"])
    assert parsed.execution_seconds == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("listed", "number"),
    [("[]", 0), ("[1]", 1), ("[1, 2, 3]", 3), ("[(1, 5), (2, 6)]", 2), ("[np.int64(3)]", 1)],
)
def test_detectors_are_counted(listed: str, number: int) -> None:
    parsed = log.parse_log([f"[INFO] - Detectors to work on: {listed}"])
    assert parsed.detectors == number


def test_no_log_says_nothing(tmp_path: Path) -> None:
    parsed = log.read_log(tmp_path / "a.log")
    assert (parsed.errors, parsed.last_step, parsed.execution_seconds, parsed.detectors) == (
        (),
        "",
        None,
        0,
    )


def test_the_last_exception_is_found_in_what_was_printed() -> None:
    printed = (
        "Traceback (most recent call last):\n  File x\nValueError: first\n"
        "Traceback (most recent call last):\n  File y\npypeit.exceptions.PypeItError: bad arc\n"
        "goodbye\n"
    )
    assert log.find_last_exception(printed) == "PypeItError: bad arc"
    assert log.find_last_exception("all is well") == ""


LOG = "    INFO | 2026-01-31 12:00:00 | a.py:b:1 | Fitting tilts\n"
ERROR = "   ERROR | 2026-01-31 12:00:00 | a.py:b:1 | PypeItError: no arc\nadd one\n"
TIME = "    INFO | 2026-01-31 12:00:00 | a.py:b:1 | Execution time: 3.00s\n"


@pytest.mark.parametrize(
    ("content", "printed", "exit_code", "stopped", "reason"),
    [
        (LOG + TIME, "", 0, "", ""),
        (LOG, "", 0, "", "PypeIt ended without an execution time in its log (last step: Fitting"),
        (LOG + ERROR, "", 1, "", "no arc (last step: Fitting tilts)"),
        ("", "Traceback\nValueError: odd\n", 1, "", "ValueError: odd"),
        (LOG, "", -9, "", "PypeIt was killed and gave no reason (last step: Fitting tilts)"),
        (LOG, "", 3, "", "PypeIt exited with code 3 and gave no reason"),
        (LOG, "", None, "stopped: too slow", "stopped: too slow (last step: Fitting tilts)"),
        (ERROR.replace("no arc", "no arc " * 100), "", 1, "", "no arc no arc"),
    ],
)
def test_why_a_command_failed(
    tmp_path: Path, content: str, printed: str, exit_code: int | None, stopped: str, reason: str
) -> None:
    (tmp_path / "a.log").write_text(content)
    (tmp_path / "a.out").write_text(printed)
    message = log.failure_reason(
        tmp_path / "a.log",
        tmp_path / "a.out",
        exit_code=exit_code,
        stopped=stopped,
        expect_time=True,
    )
    assert message.startswith(reason)
    assert bool(message) == bool(reason)
    assert len(message) < 350
