"""The tests of Ctrl-C work however the test session was started."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.conftest import PROJECT


def test_ctrl_c_reaches_programs_of_the_tests() -> None:
    program = "import signal; print(signal.getsignal(signal.SIGINT).__name__)"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert output.stdout.strip() == signal.default_int_handler.__name__


def test_it_does_in_a_session_that_is_started_with_ctrl_c_ignored() -> None:
    name = f"tests/{test_ctrl_c_reaches_programs_of_the_tests.__module__.rpartition('.')[2]}.py"
    test = f"{name}::{test_ctrl_c_reaches_programs_of_the_tests.__name__}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    done = subprocess.run(
        ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *command],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
