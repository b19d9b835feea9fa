"""One PypeIt command, run to its end: supervised, bounded, measured, its log kept."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.adap.products import reduction
from kpfnb.adap.pypeit import installation
from kpfnb.adap.pypeit import log as phases
from kpfnb.compute import programs
from kpfnb.compute.programs import ExitReason, ProductSnapshot, SupervisionLimits
from kpfnb.core import atomic
from kpfnb.core import progress as live

if TYPE_CHECKING:
    import pandas as pd

POLL_SECONDS = 1.0
"""Between two looks at its log; its end is seen at once."""

NEVER = float("inf")


@dataclass(frozen=True)
class CommandLimits:
    """How long a command may take, and be silent in its log. Zero minutes are no limit."""

    silence_minutes: float = 30
    timeout_minutes: float = 0

    def to_seconds(self, minutes: float) -> float:
        """The limit in seconds."""
        return minutes * 60 or NEVER


@dataclass(frozen=True)
class CommandResult:
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
    def is_transient(self) -> bool:
        """True where it failed for a reason that is not in the frames: it was killed or stopped."""
        return bool(self.failure) and (self.exit_code is None or self.exit_code < 0)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


class _TimeLimitReached(Exception):
    """The command is still running at its time limit."""


def run_command(
    name: str,
    arguments: Sequence[str],
    *,
    folder: Path,
    log: Path,
    label: str = "",
    limits: CommandLimits,
    variables: Mapping[str, str],
    lock: Path | None = None,
    on_status: Callable[[str], None] = lambda text: None,
    expect_time: bool = False,
) -> CommandResult:
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
    program = installation.find_command(name)
    printed = log.with_suffix(".out")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kpfnb-") as temporary:
        report = Path(temporary) / "report.json"
        added = {**installation.PYPEIT_ENVIRONMENT, **variables}
        command = [sys.executable, "-m", "kpfnb.adap.pypeit.measure_main", str(report), str(folder)]
        command += [f"{key}={value}" for key, value in added.items()]
        command += ["--", str(program), *arguments]
        exit_code, stopped = _supervise_command(command, log, printed, limits, lock, on_status)
        measured = atomic.read_json(report) if report.is_file() else {}
    seconds = time.monotonic() - started
    code = measured.get("exit_code", exit_code)
    failure = reduction.failure_reason(
        log, printed, exit_code=code, stopped=stopped, timed=expect_time
    )
    peak, cpu = measured.get("peak_bytes"), measured.get("cpu_seconds")
    return CommandResult(f"{name} {label}".strip(), seconds, peak, code, failure, cpu)


def _supervise_command(
    command: Sequence[str],
    log: Path,
    printed: Path,
    limits: CommandLimits,
    lock: Path | None,
    tell: Callable[[str], None],
) -> tuple[int | None, str]:
    """The exit code, and why it was stopped ('' where it ended by itself)."""
    silence = limits.to_seconds(limits.silence_minutes)
    deadline = time.monotonic() + limits.to_seconds(limits.timeout_minutes)

    seen = -1

    def look() -> ProductSnapshot:
        nonlocal seen
        if time.monotonic() > deadline:
            raise _TimeLimitReached
        size = _file_size(log)
        if size != seen:
            seen = size
            tell(phases.current_step(log))
        return ProductSnapshot(0, size + _file_size(printed))

    # Nothing is counted as made: PypeIt is left to end by itself
    patience = SupervisionLimits(
        silence_seconds=silence, grace_seconds=NEVER, poll_seconds=POLL_SECONDS
    )
    try:
        ended = programs.supervise_program(
            command, log=printed, take_snapshot=look, expected=1, limits=patience, lock=lock
        )
    except _TimeLimitReached:
        return None, f"stopped: not at its end after {limits.timeout_minutes:g} min"
    if ended.reason is ExitReason.SILENT:
        return None, f"stopped: nothing new in its log for {limits.silence_minutes:g} min"
    return ended.exit_code, ""


def _file_size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


# The PypeIt commands of one piece of work, each run the same way.


@dataclass(frozen=True)
class CommandRunner:
    """Runs commands and keeps how each went.

    Attributes
    ----------
    lock : a file that is locked for as long as one of the processes lives
    progress : False shows nothing
    tell : called now and then with which command is doing what
    taken : the commands that ran, in order
    """

    limits: CommandLimits
    variables: Mapping[str, str]
    lock: Path
    progress: bool = True
    on_status: Callable[[str], None] = lambda text: None
    completed: list[CommandResult] = field(default_factory=list)

    def run(
        self,
        name: str,
        arguments: Sequence[str],
        log: Path,
        *,
        label: str = "",
        expect_time: bool = False,
    ) -> CommandResult:
        """Run a command in the folder of its log; how it ended is in the step, never raised.

        Parameters
        ----------
        label : what it works on
        timed : whether PypeIt has to tell its execution time at the end, as run_pypeit does
        """
        title = f"{name} {label}".strip()

        def tell(text: str) -> None:
            bar.update(note=text)
            self.on_status(f"{title}: {text}")

        log.parent.mkdir(parents=True, exist_ok=True)
        with live.show_progress(1, title, shown=self.progress) as bar:
            step = run_command(
                name,
                [*arguments, "--log_file", str(log)],
                folder=log.parent,
                log=log,
                label=label,
                limits=self.limits,
                variables=self.variables,
                lock=self.lock,
                on_status=tell,
                expect_time=expect_time,
            )
            bar.update(done=1, failed=int(bool(step.failure)))
        self.completed.append(step)
        return step


# The commands that ran, for people: how long each took, and how much memory.

COMMAND_COLUMNS = ("step", "seconds", "peak memory (MB)", "failure")


def command_row(step: CommandResult) -> tuple[str, float, int, str]:
    """The values of the columns."""
    return step.name, round(step.seconds, 1), round((step.peak_bytes or 0) / 1e6), step.failure


def command_table(steps: Iterable[CommandResult]) -> pd.DataFrame:
    """One row a command."""
    import pandas as pd

    return pd.DataFrame(map(command_row, steps), columns=list(COMMAND_COLUMNS))


def peak_memory_bytes(steps: Iterable[CommandResult]) -> int:
    """The memory of the largest process at its largest; 0 where it is not known."""
    return max((step.peak_bytes or 0 for step in steps), default=0)


def command_figures(steps: Sequence[CommandResult]) -> dict[str, float]:
    """Key figures for the run list; none where nothing ran."""
    if not steps:
        return {}
    return {
        "minutes": round(sum(step.seconds for step in steps) / 60, 1),
        "peak memory (GB)": round(peak_memory_bytes(steps) / 1e9, 2),
    }
