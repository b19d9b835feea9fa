"""PypeIt's commands: each one runs supervised, within time limits, and its memory is measured."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.adap.pypeit import installation
from kpfnb.adap.pypeit.log import current_step, failure_reason
from kpfnb.compute import programs
from kpfnb.compute.programs import ExitReason, ProductSnapshot, SupervisionLimits
from kpfnb.core import atomic
from kpfnb.core.progress import show_progress

if TYPE_CHECKING:
    import pandas as pd

POLL_SECONDS = 1.0
"""How often the log is checked; the end of the command is noticed at once."""

NEVER = float("inf")

COMMAND_COLUMNS = ("step", "seconds", "peak memory (MB)", "failure")


@dataclass(frozen=True)
class CommandLimits:
    """How long a command may run, and how long its log may stay unchanged; 0 means no limit."""

    silence_minutes: float = 30
    timeout_minutes: float = 0

    def to_seconds(self, minutes: float) -> float:
        """The limit in seconds."""
        return minutes * 60 or NEVER


@dataclass(frozen=True)
class CommandResult:
    """How one command ended.

    Attributes
    ----------
    name : the command and its input, for example "run_pypeit shane_kast_blue_A"
    peak_bytes : peak memory of its largest process; None if unknown
    exit_code : None if the command was stopped; negative if a signal ended it
    failure : why it failed; '' if it succeeded
    cpu_seconds : processor time of all its processes; None if unknown
    """

    name: str
    seconds: float
    peak_bytes: int | None
    exit_code: int | None
    failure: str = ""
    cpu_seconds: float | None = None

    @property
    def is_transient(self) -> bool:
        """True if it failed for a reason outside the frames: it was killed or stopped."""
        return bool(self.failure) and (self.exit_code is None or self.exit_code < 0)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class RunningCommand:
    """A command that this process runs now.

    Attributes
    ----------
    name : the command and its input
    folder : the directory of its log
    since : start of the command, in seconds since 1970
    """

    name: str
    folder: str
    since: float


_running: list[RunningCommand] = []


def running_commands() -> list[RunningCommand]:
    """The commands that this process runs now."""
    return list(_running)


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
    """Run a PypeIt command in `folder`; the result says how it ended, nothing is raised.

    However this call ends, by Ctrl-C too, the command and its children have ended with it.

    Parameters
    ----------
    log : the log that PypeIt writes; the command's output goes to the `.out` file beside it
    label : the command's input, for the name of the result
    variables : added to the environment
    lock : a file that stays locked as long as one of the processes lives
    on_status : called from time to time with PypeIt's current step
    expect_time : whether PypeIt must log its execution time at the end, as run_pypeit does
    """
    program = installation.find_command(name)
    output = log.with_suffix(".out")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kpfnb-") as temporary:
        report = Path(temporary) / "report.json"
        environment = {**installation.PYPEIT_ENVIRONMENT, **variables}
        command = [sys.executable, "-m", "kpfnb.adap.pypeit.measure_main", str(report), str(folder)]
        command += [f"{key}={value}" for key, value in environment.items()]
        command += ["--", str(program), *arguments]
        running = RunningCommand(f"{name} {label}".strip(), str(folder), time.time())
        _running.append(running)
        try:
            exit_code, stopped = _supervise_command(command, log, output, limits, lock, on_status)
        finally:
            _running.remove(running)
        usage = atomic.read_json(report) if report.is_file() else {}
    seconds = time.monotonic() - started
    code = usage.get("exit_code", exit_code)
    failure = failure_reason(log, output, exit_code=code, stopped=stopped, expect_time=expect_time)
    peak, cpu = usage.get("peak_bytes"), usage.get("cpu_seconds")
    return CommandResult(f"{name} {label}".strip(), seconds, peak, code, failure, cpu)


def _supervise_command(
    command: Sequence[str],
    log: Path,
    output: Path,
    limits: CommandLimits,
    lock: Path | None,
    on_status: Callable[[str], None],
) -> tuple[int | None, str]:
    """The exit code, and why the command was stopped ('' if it ended by itself)."""
    silence = limits.to_seconds(limits.silence_minutes)
    deadline = time.monotonic() + limits.to_seconds(limits.timeout_minutes)

    last_size = -1

    def take_snapshot() -> ProductSnapshot:
        nonlocal last_size
        if time.monotonic() > deadline:
            raise _TimeLimitReached
        size = _file_size(log)
        if size != last_size:
            last_size = size
            on_status(current_step(log))
        return ProductSnapshot(0, size + _file_size(output))

    # No product is counted as complete: PypeIt ends by itself
    supervision = SupervisionLimits(
        silence_seconds=silence, grace_seconds=NEVER, poll_seconds=POLL_SECONDS
    )
    try:
        program_exit = programs.supervise_program(
            command,
            log=output,
            take_snapshot=take_snapshot,
            expected=1,
            limits=supervision,
            lock=lock,
        )
    except _TimeLimitReached:
        return None, f"stopped: still running after {limits.timeout_minutes:g} min"
    if program_exit.reason is ExitReason.SILENT:
        return None, f"stopped: nothing new in its log for {limits.silence_minutes:g} min"
    return program_exit.exit_code, ""


def _file_size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


@dataclass(frozen=True)
class CommandRunner:
    """Runs the commands of one job, all in the same way, and keeps their results.

    Attributes
    ----------
    variables : added to the environment of each command
    lock : a file that stays locked as long as one of the processes lives
    progress : whether to show a progress bar for each command
    on_status : called from time to time with the command and its current step
    completed : the results, in the order of the commands
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
        """Run a command in the folder of its log; the result says how it ended.

        Parameters
        ----------
        label : the command's input
        expect_time : whether PypeIt must log its execution time at the end, as run_pypeit does
        """
        title = f"{name} {label}".strip()

        def report_status(text: str) -> None:
            bar.update(note=text)
            self.on_status(f"{title}: {text}")

        log.parent.mkdir(parents=True, exist_ok=True)
        with show_progress(1, title, shown=self.progress) as bar:
            result = run_command(
                name,
                [*arguments, "--log_file", str(log)],
                folder=log.parent,
                log=log,
                label=label,
                limits=self.limits,
                variables=self.variables,
                lock=self.lock,
                on_status=report_status,
                expect_time=expect_time,
            )
            bar.update(done=1, failed=int(bool(result.failure)))
        self.completed.append(result)
        return result


def command_row(result: CommandResult) -> tuple[str, float, int, str]:
    """The values of `COMMAND_COLUMNS` for one command."""
    megabytes = round((result.peak_bytes or 0) / 1e6)
    return result.name, round(result.seconds, 1), megabytes, result.failure


def command_table(results: Iterable[CommandResult]) -> pd.DataFrame:
    """One row for each command: how long it took, and how much memory."""
    import pandas as pd

    return pd.DataFrame(map(command_row, results), columns=list(COMMAND_COLUMNS))


def peak_memory_bytes(results: Iterable[CommandResult]) -> int:
    """Peak memory of the largest process of all commands; 0 if unknown."""
    return max((result.peak_bytes or 0 for result in results), default=0)


def command_figures(results: Sequence[CommandResult]) -> dict[str, float]:
    """Key figures for the list of runs; empty if no command ran."""
    if not results:
        return {}
    return {
        "minutes": round(sum(result.seconds for result in results) / 60, 1),
        "peak memory (GB)": round(peak_memory_bytes(results) / 1e9, 2),
    }
