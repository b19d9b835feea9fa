"""PypeIt's logs, of version 2 and older: how a run ended, and where."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

TAIL_BYTES = 20_000
COLOUR = re.compile(r"\x1b\[[0-9;]*m")

FORMATS = (
    # 2.x:   LEVEL | 2026-01-31 12:00:00 | file.py:function:12 | message
    re.compile(r"\s*(?P<level>[A-Z]+) \| [\d :-]+ \| (?P<place>\S+) \| (?P<text>.*)"),
    # 1.x: [LEVEL]   :: file.py 12 function() - message
    re.compile(r"\s*\[(?P<level>[A-Z]+)\]\s+:: (?P<place>\S+ \d+ \S+) - (?P<text>.*)"),
    # what 2.x prints: [LEVEL] - message, with the place between where it tells more
    re.compile(r"\s*\[(?P<level>[A-Z]+)\] - (?:(?P<place>\S+:\S+:\d+) - )?(?P<text>.*)"),
)

DURATION = re.compile(r"Execution time: (?:(?P<h>\d+)h )?(?:(?P<m>\d+)m )?(?P<s>[\d.]+)s")

EXCEPTION = re.compile(r"(?:\w+\.)*(?P<text>\w*(?:Error|Exception|Interrupt|Exit)\b.*)")


@dataclass(frozen=True)
class Entry:
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
class Log:
    """What a log tells about the run."""

    entries: tuple[Entry, ...]

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
            if found := DURATION.search(entry.text):
                hours, minutes = int(found["h"] or 0), int(found["m"] or 0)
                return (hours * 60 + minutes) * 60 + float(found["s"])
        return None

    @property
    def detectors(self) -> int:
        """How many detectors (or mosaics) PypeIt set out to reduce; 0 where it did not say."""
        for entry in reversed(self.entries):
            _, said, listed = entry.text.partition("Detectors to work on: ")
            if said:
                return _length(listed)
        return 0


def read(path: Path) -> Log:
    """The log; an empty one where there is no such file."""
    try:
        return parse(path.read_text(encoding="utf-8", errors="replace").splitlines())
    except FileNotFoundError:
        return Log(())


def parse(lines: Iterable[str]) -> Log:
    """The messages in those lines, colours left out."""
    entries: list[Entry] = []
    for number, line in enumerate(lines, start=1):
        plain = COLOUR.sub("", line)
        if entry := _entry(plain, number):
            entries.append(entry)
        elif entries and plain.strip():
            last = entries[-1]
            entries[-1] = replace(last, text=f"{last.text}\n{plain.strip()}")
    return Log(tuple(entries))


def tail(path: Path, most_bytes: int = TAIL_BYTES) -> list[str]:
    """The last lines of a log, without colours and empty lines; a long one is not read whole.

    FileNotFoundError where there is none.
    """
    size = path.stat().st_size
    with path.open("rb") as content:
        content.seek(-min(most_bytes, size), 2)
        text = content.read().decode("utf-8", errors="replace")
    # The first line of a part is a part of a line
    lines = text.splitlines()[1 if size > most_bytes else 0 :]
    return [COLOUR.sub("", line) for line in lines if line.strip()]


def last_exception(printed: str) -> str:
    """The last exception in what a program printed, without its traceback; '' where none is."""
    for line in reversed(printed.splitlines()):
        if found := EXCEPTION.fullmatch(COLOUR.sub("", line)):
            return found["text"]
    return ""


def _entry(line: str, number: int) -> Entry | None:
    for form in FORMATS:
        if found := form.fullmatch(line):
            return Entry(found["level"], found["text"], found["place"] or "", number)
    return None


def _length(listed: str) -> int:
    """The length of a list of numbers and of tuples of numbers, as `[1, (2, 6)]`."""
    plain = re.sub(r"np\.\w+\((\d+)\)", r"\1", listed)
    return len(re.findall(r"\([^()]*\)|\d+", plain))
