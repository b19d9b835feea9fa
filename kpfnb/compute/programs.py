"""A program under supervision: it can hang, lie about its end or leave children without harm.

What it makes is watched. It is stopped, with every process it started, when all is made and it does
not end by itself, or when nothing new was made for too long. It never outlives this process:
between the two stands `kpfnb.guard`.
"""

from __future__ import annotations

import json
import os
import select
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

# The guard needs this long at most to stop a program that ignores SIGTERM
TERM_SECONDS = 5.0


class Ending(StrEnum):
    """Why a supervised program is not running any more."""

    EXITED = "exited"
    """By itself."""
    LINGERED = "stopped: all was made, it did not exit"
    """Everything expected was there and it did not end within the grace time."""
    SILENT = "stopped: nothing new for too long"
    """Nothing new appeared for the time of silence."""


class Sight(NamedTuple):
    """What a look at the products shows.

    Attributes
    ----------
    made : how many of the expected products are there
    stamp : differs when anything was written since
    """

    made: int
    stamp: int


@dataclass(frozen=True)
class Patience:
    """How long to wait for a program that does not do what it should."""

    silence_seconds: float = 1800
    """Without anything new."""
    grace_seconds: float = 10
    """From the last product until all processes are gone; half of it from the program's own end."""
    poll_seconds: float = 1
    """Between two looks at the products."""

    def verdict(self, made: int, expected: int, quiet_seconds: float) -> Ending | None:
        """Whether to stop a program that has made so much, and nothing for so long."""
        if made >= expected and quiet_seconds >= self.grace_seconds:
            return Ending.LINGERED
        return Ending.SILENT if quiet_seconds >= self.silence_seconds else None


@dataclass(frozen=True)
class Ended:
    """How a supervised program ended. Its exit code is told, not judged.

    Attributes
    ----------
    exit_code : None where it was stopped, negative where a signal killed it
    left_behind : processes it left, stopped after its own end
    """

    ending: Ending
    exit_code: int | None
    left_behind: int
    seconds: float

    @property
    def was_killed(self) -> bool:
        """True where somebody else ended it, in the middle of whatever it did."""
        return self.ending is Ending.EXITED and (self.exit_code is None or self.exit_code < 0)

    def __str__(self) -> str:
        text = str(self.ending)
        if self.ending is Ending.EXITED:
            text += " (killed)" if self.was_killed else f" with code {self.exit_code}"
        return text + (f", left {self.left_behind} processes" if self.left_behind else "")


def run(
    command: Sequence[str],
    *,
    log: Path,
    look: Callable[[], Sight],
    expected: int,
    patience: Patience = Patience(),
    nice: int = 0,
    lock: Path | None = None,
) -> Ended:
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
    with log.open("ab") as output, _start(command, output.fileno(), patience, nice, lock) as guard:
        try:
            ending = _watch(guard, look, expected, patience)
        finally:
            report = _stop(guard)
    return Ended(
        ending, report["exit_code"], report["left_behind"] or 0, time.monotonic() - started
    )


def _start(
    command: Sequence[str], log: int, patience: Patience, nice: int, lock: Path | None
) -> subprocess.Popen[bytes]:
    # Half: what a program that has ended left behind is told before our own patience is at its end
    options = [f"--nice={nice}", f"--grace-seconds={patience.grace_seconds / 2}"]
    options += [f"--term-seconds={TERM_SECONDS}"] + ([f"--lock={lock}"] if lock else [])
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "kpfnb.guard", *options, "--", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        # A session of its own: Ctrl-C in the terminal is for us, and we stop the guard
        start_new_session=True,
    )


def _watch(
    guard: subprocess.Popen[bytes], look: Callable[[], Sight], expected: int, patience: Patience
) -> Ending:
    last, changed = look(), time.monotonic()
    assert guard.stdout
    report = guard.stdout
    while True:
        # Its report is the last that it does; `wait` with a timeout would look 20 times a second
        if select.select([report], [], [], patience.poll_seconds)[0]:
            guard.wait()
            return Ending.EXITED
        sight, now = look(), time.monotonic()
        if sight != last:
            last, changed = sight, now
        if ending := patience.verdict(sight.made, expected, now - changed):
            return ending


def _stop(guard: subprocess.Popen[bytes]) -> dict[str, int | None]:
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
