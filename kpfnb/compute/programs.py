"""A program under supervision: it can hang, lie about its end or leave children without harm.

What it makes is watched. It is stopped, with every process it started, when all is made and it does
not end by itself, or when nothing new was made for too long. It never outlives this process:
between the two stands `kpfnb.compute.subreaper`.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

# Where a program is that kpfnb starts.


def find_executable(name: str) -> Path | None:
    """The program of that name on PATH or beside this Python, else None; a path stands for itself.

    cron starts kpfnb with a bare PATH, on which programs of the same environment are not found.
    """
    beside = str(Path(sys.executable).parent)
    places = os.pathsep.join(filter(None, [os.environ.get("PATH", os.defpath), beside]))
    found = shutil.which(name, path=places)
    return Path(found).absolute() if found else None


# The guard needs this long at most to stop a program that ignores SIGTERM
TERM_SECONDS = 5.0


class ExitReason(StrEnum):
    """Why a supervised program is not running any more."""

    EXITED = "exited"
    """By itself."""
    LINGERED = "stopped: all was made, it did not exit"
    """Everything expected was there and it did not end within the grace time."""
    SILENT = "stopped: nothing new for too long"
    """Nothing new appeared for the time of silence."""


class ProductSnapshot(NamedTuple):
    """What a look at the products shows.

    Attributes
    ----------
    made : how many of the expected products are there
    stamp : differs when anything was written since
    """

    product_count: int
    stamp: int


@dataclass(frozen=True)
class SupervisionLimits:
    """How long to wait for a program that does not do what it should."""

    silence_seconds: float = 1800
    """Without anything new."""
    grace_seconds: float = 10
    """From the last product until all processes are gone; half of it from the program's own end."""
    poll_seconds: float = 1
    """Between two looks at the products."""

    def reason_to_stop(self, made: int, expected: int, quiet_seconds: float) -> ExitReason | None:
        """Whether to stop a program that has made so much, and nothing for so long."""
        if made >= expected and quiet_seconds >= self.grace_seconds:
            return ExitReason.LINGERED
        return ExitReason.SILENT if quiet_seconds >= self.silence_seconds else None


@dataclass(frozen=True)
class SupervisedExit:
    """How a supervised program ended. Its exit code is told, not judged.

    Attributes
    ----------
    exit_code : None where it was stopped, negative where a signal killed it
    left_behind : processes it left, stopped after its own end
    """

    reason: ExitReason
    exit_code: int | None
    left_behind: int
    seconds: float

    @property
    def was_killed(self) -> bool:
        """True where somebody else ended it, in the middle of whatever it did."""
        return self.reason is ExitReason.EXITED and (self.exit_code is None or self.exit_code < 0)

    def __str__(self) -> str:
        text = str(self.reason)
        if self.reason is ExitReason.EXITED:
            text += " (killed)" if self.was_killed else f" with code {self.exit_code}"
        return text + (f", left {self.left_behind} processes" if self.left_behind else "")


def supervise_program(
    command: Sequence[str],
    *,
    log: Path,
    take_snapshot: Callable[[], ProductSnapshot],
    expected: int,
    limits: SupervisionLimits = SupervisionLimits(),
    nice: int = 0,
    lock: Path | None = None,
) -> SupervisedExit:
    """Run the command (no shell), its output in the file `log`, until it ends or has to be stopped.

    Whatever ends this call, the program and all processes it started are gone afterwards.

    Parameters
    ----------
    look : called every `patience.poll_seconds`
    expected : the number of products at which all is made
    nice : added to the niceness of this process
    lock : a file that is locked for as long as one of the processes lives
    """
    started = time.monotonic()
    with (
        log.open("ab") as output,
        _start_subreaper(command, output.fileno(), limits, nice, lock) as guard,
    ):
        try:
            ending = _watch_products(guard, take_snapshot, expected, limits)
        finally:
            report = _stop_subreaper(guard)
    return SupervisedExit(
        ending, report["exit_code"], report["left_behind"] or 0, time.monotonic() - started
    )


def _start_subreaper(
    command: Sequence[str], log: int, patience: SupervisionLimits, nice: int, lock: Path | None
) -> subprocess.Popen[bytes]:
    # Half: what a program that has ended left behind is told before our own patience is at its end
    options = [f"--nice={nice}", f"--grace-seconds={patience.grace_seconds / 2}"]
    options += [f"--term-seconds={TERM_SECONDS}"] + ([f"--lock={lock}"] if lock else [])
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "kpfnb.compute.subreaper", *options, "--", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        # A session of its own: Ctrl-C in the terminal is for us, and we stop the guard
        start_new_session=True,
    )


def _watch_products(
    guard: subprocess.Popen[bytes],
    look: Callable[[], ProductSnapshot],
    expected: int,
    patience: SupervisionLimits,
) -> ExitReason:
    last, changed = look(), time.monotonic()
    assert guard.stdout
    report = guard.stdout
    while True:
        # Its report is the last that it does; `wait` with a timeout would look 20 times a second
        if select.select([report], [], [], patience.poll_seconds)[0]:
            guard.wait()
            return ExitReason.EXITED
        sight, now = look(), time.monotonic()
        if sight != last:
            last, changed = sight, now
        if ending := patience.reason_to_stop(sight.product_count, expected, now - changed):
            return ending


def _stop_subreaper(guard: subprocess.Popen[bytes]) -> dict[str, int | None]:
    """Ask the guard to stop everything, and take its report."""
    if guard.stdin:
        guard.stdin.close()
        guard.stdin = None
    try:
        report, _ = guard.communicate()
        return json.loads(report)
    except ValueError:
        # The guard itself was killed: the program went with it, its children are in the session
        with suppress(ProcessLookupError):
            os.killpg(guard.pid, signal.SIGKILL)
        return {"exit_code": None, "left_behind": None}
