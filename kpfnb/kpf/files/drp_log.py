"""Logs of the DRP: what they say about an observation, the error first.

The pipeline writes a log for each observation, `<night>/<ObsID>.log` in the directory that its
configuration calls `log_directory`, with lines `[<ObsID>.log][ERROR]:message`.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kpfnb.kpf.files.obsid import KPF, ObsID

if TYPE_CHECKING:
    from kpfnb.core.settings import Settings

MAX_LINE_BYTES = 2000
"""A longer line of a log is read in parts; logs with a line of 100 MB exist."""

EXCERPT_LINES = 3
MAX_READ_BYTES = 300_000
"""What is read of the end of the DRP's own log of an observation; real ones have 20 kB."""

MAX_ERROR_LENGTH = 160

_ERROR_WORDS = re.compile(
    r"error|exception|traceback|critical|fatal|failed|no space left", re.IGNORECASE
)
_PYTHON_ERROR = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Warning)\b")
"""The last line of a traceback, which names the exception."""
_PREFIX = re.compile(
    r"(?:\d{4}-\d\d-\d\d[T ][\d:.,]+Z?\s+)?(?:\[[^\]]*\]:?\s*)*"
    rf"(?:{KPF.obsid_pattern.pattern}(?:\.fits)?:\s*)?"
)
"""What loggers write before a message: time, name, level, counter, observation."""


def log_excerpts(log: Path, obsids: Iterable[str]) -> dict[str, str]:
    """What a log says about each observation: the last error lines that name it.

    If there are none: the last error lines that name no observation, else the last lines that name
    it, else the last lines that name none. At most `EXCERPT_LINES` lines for each observation.
    """
    lines: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=EXCERPT_LINES))
    for line in _read_lines(log):
        kind = "error" if _ERROR_WORDS.search(line) else "plain"
        names = {match[0] for match in KPF.obsid_pattern.finditer(line)}
        for key in [f"{kind} {name}" for name in names] or [kind]:
            lines[key].append(line)
    return {obsid: _best_lines(lines, obsid) for obsid in obsids}


def _best_lines(lines: Mapping[str, Iterable[str]], obsid: str) -> str:
    """The first kind of lines that a log has about an observation."""
    kinds = (f"error {obsid}", "error", f"plain {obsid}", "plain")
    return next(("\n".join(lines[kind]) for kind in kinds if lines.get(kind)), "")


def observation_log(obsid: str, settings: Settings) -> Path | None:
    """The DRP's own log of an observation; None if the setting `drp_log_dir` is empty."""
    if not settings.drp_log_dir:
        return None
    return settings.drp_log_dir / ObsID(obsid).night / f"{obsid}.log"


def modified(log: Path | None) -> datetime | None:
    """When a log was last written, UTC; None if there is none."""
    try:
        return datetime.fromtimestamp(log.stat().st_mtime, UTC) if log else None
    except OSError:
        return None


def read_excerpt(log: Path) -> str:
    """The last error lines of a log, or its last lines, the error first; '' if unreadable."""
    errors: deque[str] = deque(maxlen=EXCERPT_LINES)
    last: deque[str] = deque(maxlen=EXCERPT_LINES)
    try:
        for line in _read_lines(log, MAX_READ_BYTES):
            (errors if _ERROR_WORDS.search(line) else last).append(line)
    except OSError:
        return ""
    return error_first("\n".join(errors or last))


def error_line(excerpt: str) -> str:
    """The line of an excerpt that names the error, without the logger's prefix; '' if none does."""
    found = [line.strip() for line in excerpt.splitlines() if _ERROR_WORDS.search(line)]
    errors = [_PREFIX.sub("", line, count=1) for line in found]
    named = [line for line in errors if _PYTHON_ERROR.search(line)]
    text = next(iter([*reversed(named), *reversed(errors)]), "")
    return text if len(text) <= MAX_ERROR_LENGTH else f"{text[: MAX_ERROR_LENGTH - 1]}…"


def error_first(excerpt: str) -> str:
    """The lines of an excerpt, that which names the error before the others."""
    error = error_line(excerpt).removesuffix("…")
    lines = excerpt.splitlines()
    first = [line for line in lines if error and error in line][-1:]
    return "\n".join([*first, *(line for line in lines if line not in first)])


def _read_lines(log: Path, last_bytes: int = 0) -> Iterator[str]:
    """The lines that are not blank; only those in the last bytes if a number is given."""
    if not log.exists():
        return
    with log.open("rb") as stream:
        if last_bytes and log.stat().st_size > last_bytes:
            stream.seek(-last_bytes, 2)
        while raw := stream.readline(MAX_LINE_BYTES):
            if line := raw.decode(errors="replace").strip():
                yield line
