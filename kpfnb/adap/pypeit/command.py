"""One PypeIt command, run to its end: supervised, bounded, measured, its log kept."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kpfnb import files, supervision
from kpfnb.adap.pypeit import installation, phases
from kpfnb.adap.reducing import products
from kpfnb.supervision import Ending, Patience, Sight

POLL_SECONDS = 1.0
"""Between two looks at its log; its end is seen at once."""

NEVER = float("inf")


@dataclass(frozen=True)
class Limits:
    """How long a command may take, and be silent in its log. Zero minutes are no limit."""

    silence_minutes: float = 30
    timeout_minutes: float = 0

    def seconds(self, minutes: float) -> float:
        """The limit in seconds."""
        return minutes * 60 or NEVER


@dataclass(frozen=True)
class Step:
    """One command that ran.

    Attributes
    ----------
    name : the command and what it worked on, as "run_pypeit shane_kast_blue_A"
    peak_bytes : memory of its largest process at its largest; None where it is not known
    failure : why it failed; '' where it ended well
    cpu_seconds : processor time of its processes; None where it is not known
    """

    name: str
    seconds: float
    peak_bytes: int | None
    exit_code: int | None
    failure: str = ""
    cpu_seconds: float | None = None

    @property
    def may_pass(self) -> bool:
        """True where it failed for a reason that is not in the frames: it was killed or stopped."""
        return bool(self.failure) and (self.exit_code is None or self.exit_code < 0)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


class _TookTooLong(Exception):
    """The command is still running at its time limit."""


def run(
    name: str,
    arguments: Sequence[str],
    *,
    folder: Path,
    log: Path,
    label: str = "",
    limits: Limits,
    variables: Mapping[str, str],
    lock: Path | None = None,
    tell: Callable[[str], None] = lambda text: None,
    timed: bool = False,
) -> Step:
    """Run a PypeIt command in `folder`; how it ended is in the step, never raised.

    Whatever ends this call, Ctrl-C too, the command and its children are gone afterwards.

    Parameters
    ----------
    log : the log that PypeIt writes; what the command prints goes beside it, as `.out`
    label : what it works on, for the step's name
    variables : added to the environment
    lock : a file that is locked for as long as one of its processes lives
    tell : called now and then with what PypeIt is doing
    timed : whether PypeIt has to tell its execution time at the end, as run_pypeit does
    """
    program = installation.command(name)
    printed = log.with_suffix(".out")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kpfnb-") as temporary:
        report = Path(temporary) / "report.json"
        added = {**installation.ENVIRONMENT, **variables}
        command = [sys.executable, "-m", "kpfnb.adap.pypeit.measured", str(report), str(folder)]
        command += [f"{key}={value}" for key, value in added.items()]
        command += ["--", str(program), *arguments]
        exit_code, stopped = _supervise(command, log, printed, limits, lock, tell)
        measured = files.read_json(report) if report.is_file() else {}
    seconds = time.monotonic() - started
    code = measured.get("exit_code", exit_code)
    failure = products.why_it_failed(log, printed, exit_code=code, stopped=stopped, timed=timed)
    peak, cpu = measured.get("peak_bytes"), measured.get("cpu_seconds")
    return Step(f"{name} {label}".strip(), seconds, peak, code, failure, cpu)


def _supervise(
    command: Sequence[str],
    log: Path,
    printed: Path,
    limits: Limits,
    lock: Path | None,
    tell: Callable[[str], None],
) -> tuple[int | None, str]:
    """The exit code, and why it was stopped ('' where it ended by itself)."""
    silence = limits.seconds(limits.silence_minutes)
    deadline = time.monotonic() + limits.seconds(limits.timeout_minutes)

    seen = -1

    def look() -> Sight:
        nonlocal seen
        if time.monotonic() > deadline:
            raise _TookTooLong
        size = _stamp(log)
        if size != seen:
            seen = size
            tell(phases.doing(log))
        return Sight(0, size + _stamp(printed))

    # Nothing is counted as made: PypeIt is left to end by itself
    patience = Patience(silence_seconds=silence, grace_seconds=NEVER, poll_seconds=POLL_SECONDS)
    try:
        ended = supervision.run(
            command, log=printed, look=look, expected=1, patience=patience, lock=lock
        )
    except _TookTooLong:
        return None, f"stopped: not at its end after {limits.timeout_minutes:g} min"
    if ended.ending is Ending.SILENT:
        return None, f"stopped: nothing new in its log for {limits.silence_minutes:g} min"
    return ended.exit_code, ""


def _stamp(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
