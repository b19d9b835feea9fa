from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kpfnb.core import locks
from kpfnb.core.errors import AlreadyRunningError, InvalidSettingsError

HOLDER = """
import sys, time
from kpfnb.core import locks
with locks.acquire_lock("night"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_holder_learns_who_the_first_is() -> None:
    with (
        locks.acquire_lock("night"),
        pytest.raises(
            AlreadyRunningError,
            match=rf"night is already running: pid {os.getpid()} on \S+ since 20",
        ),
        locks.acquire_lock("night"),
    ):
        pytest.fail("held twice")


def test_it_is_free_after_its_holder_and_other_names_always_are() -> None:
    with locks.acquire_lock("night"), locks.acquire_lock("other"):
        pass
    with locks.acquire_lock("night") as lock_file:
        assert lock_file.parent == Path(os.environ["KPFNB_WORK_DIR"]) / "locks"


def test_an_error_inside_frees_it() -> None:
    with pytest.raises(ZeroDivisionError), locks.acquire_lock("night"):
        raise ZeroDivisionError
    with locks.acquire_lock("night"):
        pass


def test_a_killed_holder_holds_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(AlreadyRunningError, match=f"pid {holder.pid} on"),
            locks.acquire_lock("night"),
        ):
            pass
        holder.send_signal(signal.SIGKILL)
        # Its note is still there and names a dead process; the lock is free all the same
        with locks.acquire_lock("night", wait_seconds=30):
            pass


def test_a_name_of_any_characters_stays_in_the_folder(tmp_path: Path) -> None:
    with locks.acquire_lock("../a b/ü", folder=tmp_path / "here") as lock_file:
        assert lock_file.parent == tmp_path / "here"


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InvalidSettingsError, match=r"can't create the lock .*file/locks"),
        locks.acquire_lock("night", folder=tmp_path / "file/locks"),
    ):
        pass


def test_a_damaged_note_does_not_matter(tmp_path: Path) -> None:
    with locks.acquire_lock("night", folder=tmp_path) as lock_file:
        lock_file.with_suffix(".json").write_text("[")
        with (
            pytest.raises(AlreadyRunningError, match="another process"),
            locks.acquire_lock("night", folder=tmp_path),
        ):
            pass
