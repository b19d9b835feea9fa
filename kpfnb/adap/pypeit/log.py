"""PypeIt's logs, of version 2 and older: how a run ended, and where."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

LOG_TAIL_BYTES = 20_000
COLOUR_CODE = re.compile(r"\x1b\[[0-9;]*m")

LINE_FORMATS = (
    # 2.x:   LEVEL | 2026-01-31 12:00:00 | file.py:function:12 | message
    re.compile(r"\s*(?P<level>[A-Z]+) \| [\d :-]+ \| (?P<place>\S+) \| (?P<text>.*)"),
    # 1.x: [LEVEL]   :: file.py 12 function() - message
    re.compile(r"\s*\[(?P<level>[A-Z]+)\]\s+:: (?P<place>\S+ \d+ \S+) - (?P<text>.*)"),
    # what 2.x prints: [LEVEL] - message, with the place between where it tells more
    re.compile(r"\s*\[(?P<level>[A-Z]+)\] - (?:(?P<place>\S+:\S+:\d+) - )?(?P<text>.*)"),
)

DURATION_PATTERN = re.compile(r"Execution time: (?:(?P<h>\d+)h )?(?:(?P<m>\d+)m )?(?P<s>[\d.]+)s")

EXCEPTION_PATTERN = re.compile(r"(?:\w+\.)*(?P<text>\w*(?:Error|Exception|Interrupt|Exit)\b.*)")


@dataclass(frozen=True)
class LogEntry:
    """One message; lines that have no level of their own belong to the message before.

    Attributes
    ----------
    line : number of its (first) line, from 1
    """

    level: str
    text: str
    place: str = ""
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class PypeItLog:
    """What a log tells about the run."""

    entries: tuple[LogEntry, ...]

    @property
    def errors(self) -> tuple[str, ...]:
        """The texts of its errors, in order."""
        return tuple(e.text for e in self.entries if e.level in ("ERROR", "CRITICAL"))

    @property
    def last_step(self) -> str:
        """The last thing that PypeIt said it was doing, in one line."""
        said = (e.text.splitlines()[0].strip() for e in self.entries if e.level == "INFO")
        # The frames that it draws about its tables say nothing
        return next((text for text in [*said][::-1] if any(map(str.isalnum, text))), "")

    @property
    def execution_seconds(self) -> float | None:
        """PypeIt's own run time; None where the log has none, as that of a run that failed."""
        for entry in reversed(self.entries):
            if found := DURATION_PATTERN.search(entry.text):
                hours, minutes = int(found["h"] or 0), int(found["m"] or 0)
                return (hours * 60 + minutes) * 60 + float(found["s"])
        return None

    @property
    def detectors(self) -> int:
        """How many detectors (or mosaics) PypeIt set out to reduce; 0 where it did not say."""
        for entry in reversed(self.entries):
            _, said, listed = entry.text.partition("Detectors to work on: ")
            if said:
                return _list_length(listed)
        return 0


def read_log(path: Path) -> PypeItLog:
    """The log; an empty one where there is no such file."""
    try:
        return parse_log(path.read_text(encoding="utf-8", errors="replace").splitlines())
    except FileNotFoundError:
        return PypeItLog(())


def parse_log(lines: Iterable[str]) -> PypeItLog:
    """The messages in those lines, colours left out."""
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
    """The last lines of a log, without colours and empty lines; a long one is not read whole.

    FileNotFoundError where there is none.
    """
    size = path.stat().st_size
    with path.open("rb") as content:
        content.seek(-min(max_bytes, size), 2)
        text = content.read().decode("utf-8", errors="replace")
    # The first line of a part is a part of a line
    lines = text.splitlines()[1 if size > max_bytes else 0 :]
    return [COLOUR_CODE.sub("", line) for line in lines if line.strip()]


def find_last_exception(printed: str) -> str:
    """The last exception in what a program printed, without its traceback; '' where none is."""
    for line in reversed(printed.splitlines()):
        if found := EXCEPTION_PATTERN.fullmatch(COLOUR_CODE.sub("", line)):
            return found["text"]
    return ""


def _parse_line(line: str, number: int) -> LogEntry | None:
    for form in LINE_FORMATS:
        if found := form.fullmatch(line):
            return LogEntry(found["level"], found["text"], found["place"] or "", number)
    return None


def _list_length(listed: str) -> int:
    """The length of a list of numbers and of tuples of numbers, as `[1, (2, 6)]`."""
    plain = re.sub(r"np\.\w+\((\d+)\)", r"\1", listed)
    return len(re.findall(r"\([^()]*\)|\d+", plain))


# Where PypeIt is with its work, in the words of an observer: target, detector and what is done.
#
# Its log tells what it does line by line, iterations of a fit among them; what part of the work that
# is, only the line with which the part begins.

STEP_TAIL_BYTES = 100_000
"""A part of the work seldom writes more."""

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
"""How the line begins with which a part begins, and what it is."""
TARGET_PREFIX = "Reducing target "
DETECTOR_PATTERN = re.compile(
    r"(?:Calibrating|Reducing) detector (?P<name>.+)|.*\bon det=(?P<det>.+)"
)


def current_step(log: Path) -> str:
    """What PypeIt is doing, as `Feige 66, detector 1: extraction`; "starting" without a log."""
    return describe_tail(read_log_tail(log, STEP_TAIL_BYTES)) if log.is_file() else "starting"


def describe_tail(lines: list[str]) -> str:
    """What it was doing at the end of those lines; its last word where they do not tell."""
    log = parse_log(lines)
    target = detector = part = ""
    for entry in log.entries:
        text = entry.text.splitlines()[0].strip() if entry.text else ""
        if text.startswith(TARGET_PREFIX):
            target, detector = text.removeprefix(TARGET_PREFIX), ""
        if found := DETECTOR_PATTERN.fullmatch(text):
            detector = found["name"] or found["det"]
        part = next((word for start, word in STEP_LABELS.items() if text.startswith(start)), part)
    where = ", ".join(filter(None, [target, detector and f"detector {detector}"]))
    return f"{where}: {part}" if where and part else part or log.last_step or "starting"
