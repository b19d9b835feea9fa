"""PypeIt's logs, of version 2 and older: how a run ended, why it failed, what it is doing."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

LOG_TAIL_BYTES = 20_000
MAX_REASON_LENGTH = 300
COLOUR_CODE = re.compile(r"\x1b\[[0-9;]*m")

LINE_FORMATS = (
    # 2.x:   LEVEL | 2026-01-31 12:00:00 | file.py:function:12 | message
    re.compile(r"\s*(?P<level>[A-Z]+) \| [\d :-]+ \| (?P<place>\S+) \| (?P<text>.*)"),
    # 1.x: [LEVEL]   :: file.py 12 function() - message
    re.compile(r"\s*\[(?P<level>[A-Z]+)\]\s+:: (?P<place>\S+ \d+ \S+) - (?P<text>.*)"),
    # what 2.x prints: [LEVEL] - message, with the place between if it is more verbose
    re.compile(r"\s*\[(?P<level>[A-Z]+)\] - (?:(?P<place>\S+:\S+:\d+) - )?(?P<text>.*)"),
)

DURATION_PATTERN = re.compile(r"Execution time: (?:(?P<h>\d+)h )?(?:(?P<m>\d+)m )?(?P<s>[\d.]+)s")

EXCEPTION_PATTERN = re.compile(r"(?:\w+\.)*(?P<text>\w*(?:Error|Exception|Interrupt|Exit)\b.*)")

STEP_TAIL_BYTES = 100_000
"""One step of the work rarely writes more than that."""

STEP_LABELS = {
    "Compiling metadata": "reading the headers",
    "Preparing a Bias": "bias",
    "Preparing a Dark": "dark",
    "Creating edge tracing": "edges of the slits",
    "Preparing a Arc": "arc",
    "Preparing a Tiltimg": "arc",
    "Preparing a WaveCalib": "wavelengths",
    "Computing tilts": "tilts",
    "Creating pixel-flat": "flat field",
    "Creating slit-illumination": "flat field",
    "Image processing begins": "image",
    "Object finding begins": "finding objects",
    "Extraction begins": "extraction",
    "Execution time": "done",
}
"""The beginning of the line that starts a step, and the name of the step."""
TARGET_PREFIX = "Reducing target "
DETECTOR_PATTERN = re.compile(
    r"(?:Calibrating|Reducing) detector (?P<name>.+)|.*\bon det=(?P<det>.+)"
)


@dataclass(frozen=True)
class LogEntry:
    """One message; a line without a level belongs to the message before it.

    Attributes
    ----------
    place : file, function and line of PypeIt's source; '' if not logged
    line : number of its (first) line, from 1
    """

    level: str
    text: str
    place: str = ""
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class PypeItLog:
    """The messages of a log, and what they say about the run."""

    entries: tuple[LogEntry, ...]

    @property
    def errors(self) -> tuple[str, ...]:
        """The texts of its errors, in order."""
        return tuple(entry.text for entry in self.entries if entry.level in ("ERROR", "CRITICAL"))

    @property
    def last_step(self) -> str:
        """The last step that PypeIt announced, in one line."""
        lines = [
            entry.text.splitlines()[0].strip() for entry in self.entries if entry.level == "INFO"
        ]
        # The frames that it draws around its tables are not steps
        return next((line for line in reversed(lines) if any(map(str.isalnum, line))), "")

    @property
    def execution_seconds(self) -> float | None:
        """PypeIt's own run time; None if not logged, as after a failure."""
        for entry in reversed(self.entries):
            if match := DURATION_PATTERN.search(entry.text):
                hours, minutes = int(match["h"] or 0), int(match["m"] or 0)
                return (hours * 60 + minutes) * 60 + float(match["s"])
        return None

    @property
    def detectors(self) -> int:
        """The number of detectors (or mosaics) that PypeIt set out to reduce; 0 if not logged."""
        for entry in reversed(self.entries):
            _, marker, detectors = entry.text.partition("Detectors to work on: ")
            if marker:
                return _list_length(detectors)
        return 0


def read_log(path: Path) -> PypeItLog:
    """The log; an empty one if there is no such file."""
    try:
        return parse_log(path.read_text(encoding="utf-8", errors="replace").splitlines())
    except FileNotFoundError:
        return PypeItLog(())


def parse_log(lines: Iterable[str]) -> PypeItLog:
    """The messages in those lines, without colour codes."""
    entries: list[LogEntry] = []
    for number, line in enumerate(lines, start=1):
        plain = COLOUR_CODE.sub("", line)
        if entry := _parse_line(plain, number):
            entries.append(entry)
        elif entries and plain.strip():
            last = entries[-1]
            entries[-1] = replace(last, text=f"{last.text}\n{plain.strip()}")
    return PypeItLog(tuple(entries))


def read_log_tail(path: Path, max_bytes: int = LOG_TAIL_BYTES) -> list[str]:
    """The last lines of a log without colour codes and empty lines; reads only its end.

    FileNotFoundError if there is none.
    """
    size = path.stat().st_size
    with path.open("rb") as content:
        content.seek(-min(max_bytes, size), 2)
        text = content.read().decode("utf-8", errors="replace")
    # The first line of a tail may be cut
    lines = text.splitlines()[1 if size > max_bytes else 0 :]
    return [COLOUR_CODE.sub("", line) for line in lines if line.strip()]


def find_last_exception(output: str) -> str:
    """The last exception in a program's output, without its traceback; '' if there is none."""
    for line in reversed(output.splitlines()):
        if match := EXCEPTION_PATTERN.fullmatch(COLOUR_CODE.sub("", line)):
            return match["text"]
    return ""


def failure_reason(
    log_file: Path, output: Path, *, exit_code: int | None, stopped: str, expect_time: bool
) -> str:
    """Why a PypeIt command failed, in one line; '' if it succeeded.

    Parameters
    ----------
    log_file : PypeIt's own log
    output : the file with everything the command printed
    stopped : why it was stopped; '' if it ended by itself
    expect_time : whether the command logs its execution time at its end, as run_pypeit does
    """
    log = read_log(log_file)
    step = f" (last step: {log.last_step})" if log.last_step else ""
    if stopped:
        return stopped + step
    if exit_code == 0:
        has_no_time = expect_time and log.execution_seconds is None
        return f"PypeIt ended without an execution time in its log{step}" if has_no_time else ""
    error = log.errors[-1].splitlines()[0] if log.errors else _printed_exception(output)
    how = "was killed" if exit_code is None or exit_code < 0 else f"exited with code {exit_code}"
    reason = textwrap.shorten(error.removeprefix("PypeItError: "), MAX_REASON_LENGTH)
    return (reason or f"PypeIt {how} and gave no reason") + step


def current_step(path: Path) -> str:
    """What PypeIt is doing, as `Feige 66, detector 1: extraction`; "starting" without a log."""
    return describe_tail(read_log_tail(path, STEP_TAIL_BYTES)) if path.is_file() else "starting"


def describe_tail(lines: list[str]) -> str:
    """Target, detector and step at the end of those lines; else PypeIt's last message.

    Most lines of a log are details, such as the iterations of a fit. Only the line with which a
    step begins says which step it is.
    """
    log = parse_log(lines)
    target = detector = step = ""
    for entry in log.entries:
        text = entry.text.splitlines()[0].strip() if entry.text else ""
        if text.startswith(TARGET_PREFIX):
            target, detector = text.removeprefix(TARGET_PREFIX), ""
        if match := DETECTOR_PATTERN.fullmatch(text):
            detector = match["name"] or match["det"]
        step = next((label for start, label in STEP_LABELS.items() if text.startswith(start)), step)
    place = ", ".join(filter(None, [target, detector and f"detector {detector}"]))
    return f"{place}: {step}" if place and step else step or log.last_step or "starting"


def _printed_exception(output: Path) -> str:
    if not output.is_file():
        return ""
    return find_last_exception(output.read_text(encoding="utf-8", errors="replace"))


def _parse_line(line: str, number: int) -> LogEntry | None:
    for line_format in LINE_FORMATS:
        if match := line_format.fullmatch(line):
            return LogEntry(match["level"], match["text"], match["place"] or "", number)
    return None


def _list_length(text: str) -> int:
    """The length of a list of numbers and of tuples of numbers, as `[1, (2, 6)]`."""
    plain = re.sub(r"np\.\w+\((\d+)\)", r"\1", text)
    return len(re.findall(r"\([^()]*\)|\d+", plain))
