"""External programs: find them, and supervise them, since they may hang or leave children.

The products of a supervised program are watched. The program is stopped, with every process it
started, when all products exist and it does not end, or when nothing new was written for too long.
It never outlives this process: `kpfnb.compute.subreaper` runs between the two.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from kpfnb.compute.processes import kill_group
from kpfnb.core import progress
from kpfnb.core.text import format_count

TERM_SECONDS = 5.0
"""From SIGTERM to SIGKILL, for a program that ignores SIGTERM."""


def find_executable(name: str) -> Path | None:
    """The path of a program on PATH or beside this Python; None if there is none.

    cron starts kpfnb with a short PATH, without the programs of the same environment.

    Parameters
    ----------
    name : the name of a program, or a path
    """
    own_directory = str(Path(sys.executable).parent)
    search_path = os.pathsep.join(filter(None, [os.environ.get("PATH", os.defpath), own_directory]))
    program = shutil.which(name, path=search_path)
    return Path(program).absolute() if program else None


class ExitReason(StrEnum):
    """Why a supervised program no longer runs."""

    EXITED = "exited"
    """It ended itself."""
    LINGERED = "stopped: all products exist, it did not exit"
    """All expected products existed and it did not end within the grace time."""
    SILENT = "stopped: nothing new for too long"
    """Nothing new was written for the time allowed."""


class ProductSnapshot(NamedTuple):
    """The products at one moment.

    Attributes
    ----------
    product_count : number of expected products that exist
    stamp : changes when anything was written
    """

    product_count: int
    stamp: int


@dataclass(frozen=True)
class SupervisionLimits:
    """How long to wait for a program before it is stopped."""

    silence_seconds: float = 1800
    """Time without anything new."""
    grace_seconds: float = 10
    """From the last product to the end of all processes, half of it after the program's own end."""
    poll_seconds: float = 1
    """Interval of the checks of the products."""

    def reason_to_stop(
        self, product_count: int, expected: int, quiet_seconds: float
    ) -> ExitReason | None:
        """Why to stop a program that has written nothing for `quiet_seconds`; None: continue."""
        if product_count >= expected and quiet_seconds >= self.grace_seconds:
            return ExitReason.LINGERED
        return ExitReason.SILENT if quiet_seconds >= self.silence_seconds else None


@dataclass(frozen=True)
class SupervisedExit:
    """How a supervised program ended; its exit code is reported, not interpreted.

    Attributes
    ----------
    exit_code : None if it was stopped, negative if a signal killed it
    left_behind : number of processes that it left and that were stopped after its end
    """

    reason: ExitReason
    exit_code: int | None
    left_behind: int
    seconds: float

    @property
    def was_killed(self) -> bool:
        """True if something else ended it in the middle of its work."""
        return self.reason is ExitReason.EXITED and (self.exit_code is None or self.exit_code < 0)

    def __str__(self) -> str:
        text = str(self.reason)
        if self.reason is ExitReason.EXITED:
            text += " (killed)" if self.was_killed else f" with code {self.exit_code}"
        if not self.left_behind:
            return text
        return f"{text}, left {format_count(self.left_behind, 'process', 'processes')} running"


def supervise_program(
    command: Sequence[str],
    *,
    log: Path,
    take_snapshot: Callable[[], ProductSnapshot],
    expected: int,
    limits: SupervisionLimits = SupervisionLimits(),
    nice: int = 0,
    lock: Path | None = None,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> SupervisedExit:
    """Run a command (no shell), its output in the file `log`, until it ends or has to be stopped.

    However this call ends, the program and all processes it started have ended as well.

    Parameters
    ----------
    take_snapshot : called every `limits.poll_seconds`
    expected : number of products after which the work is complete
    nice : added to the niceness of this process
    lock : a file that is locked while one of the processes lives
    directory : where the program runs; the current directory if None
    environment : variables that the program has in addition
    """
    place = {"cwd": directory, "env": {**os.environ, **(environment or {})}}
    started = time.monotonic()
    with (
        log.open("ab") as output,
        _start_subreaper(command, output.fileno(), limits, nice, lock, place) as subreaper,
    ):
        try:
            reason = _watch_products(subreaper, take_snapshot, expected, limits)
        finally:
            report = _stop_subreaper(subreaper)
    return SupervisedExit(
        reason, report["exit_code"], report["left_behind"] or 0, time.monotonic() - started
    )


def _start_subreaper(
    command: Sequence[str],
    log: int,
    limits: SupervisionLimits,
    nice: int,
    lock: Path | None,
    place: Mapping[str, Any],
) -> subprocess.Popen[bytes]:
    # Half: the subreaper reports what is left behind before the grace time ends here
    options = [f"--nice={nice}", f"--grace-seconds={limits.grace_seconds / 2}"]
    options += [f"--term-seconds={TERM_SECONDS}"] + ([f"--lock={lock.absolute()}"] if lock else [])
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "kpfnb.compute.subreaper", *options, "--", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        # A separate session: Ctrl-C in the terminal reaches only this process
        start_new_session=True,
        **place,
    )


def _watch_products(
    subreaper: subprocess.Popen[bytes],
    take_snapshot: Callable[[], ProductSnapshot],
    expected: int,
    limits: SupervisionLimits,
) -> ExitReason:
    last, changed = take_snapshot(), time.monotonic()
    assert subreaper.stdout
    report = subreaper.stdout
    while True:
        # The report comes last; `wait` with a timeout would poll 20 times a second
        if select.select([report], [], [], limits.poll_seconds)[0]:
            subreaper.wait()
            return ExitReason.EXITED
        # A program may be silent for minutes
        progress.sleep_responsive(0)
        snapshot, now = take_snapshot(), time.monotonic()
        if snapshot != last:
            last, changed = snapshot, now
        if reason := limits.reason_to_stop(snapshot.product_count, expected, now - changed):
            return reason


def _stop_subreaper(subreaper: subprocess.Popen[bytes]) -> dict[str, int | None]:
    """Tell the subreaper to stop everything; returns its report."""
    if subreaper.stdin:
        subreaper.stdin.close()
        subreaper.stdin = None
    try:
        report, _ = subreaper.communicate()
        return json.loads(report)
    except ValueError:
        # The subreaper was killed, the program with it; its children are in the session
        kill_group(subreaper.pid)
        return {"exit_code": None, "left_behind": None}
