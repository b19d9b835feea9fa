"""The text of a PypeIt reduction file: parameters, one setup, and a table of frames."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from kpfnb.adap.preparing.exposure import Exposure
from kpfnb.adap.profile import Profile
from kpfnb.adap.pypeit import pypeitfile

SETUP = "A"
"""All frames are of one setup: the reorganising has put together what belongs together, though
PypeIt would take grating angles of 7499.6 and 7500.2 for two."""

_UNSAFE = re.compile(r"[^ -~]|[|\"'#]")
"""What would break a row of the table."""


def text(
    raw: Path,
    profile: Profile,
    frames: Sequence[Exposure],
    reasons: Mapping[str, str],
    parameters: Sequence[str],
) -> str:
    """The file for frames in the folder `raw`; those that have a reason are commented out.

    Parameters
    ----------
    reasons : by the file's name, why a frame is not used
    parameters : lines in PypeIt's notation
    """
    ordered = sorted(frames, key=lambda frame: (frame.types, frame.mjd, frame.file))
    notes = [f"# not used: {file}: {reason}" for file, reason in sorted(reasons.items())]
    used = [frame for frame in ordered if frame.file not in reasons]
    lines = ["# Trimmed by kpfnb", *map(_printable, notes), "", *parameters, ""]
    lines += ["setup read", f"Setup {SETUP}:", *_setup(used or ordered, profile), "setup end", ""]
    lines += ["data read", f" path {raw}", *_table(ordered, reasons, profile), "data end", ""]
    return "\n".join(lines)


def with_raw_path(content: str, raw: Path, source: Path) -> str:
    """A reduction file whose frames are in the folder `raw`; `BadInput` where it is none."""
    pypeitfile.parse(content, source)
    lines: list[str] = []
    inside = False
    for line in content.splitlines():
        word = line.strip()
        if inside and word.startswith("path ") and "|" not in word:
            continue
        lines.append(line)
        if word == "data read":
            inside = True
            lines.append(f" path {raw}")
        elif word == "data end":
            inside = False
    return "\n".join(lines) + "\n"


def _setup(frames: Sequence[Exposure], profile: Profile) -> list[str]:
    targets = [frame for frame in frames if "science" in frame.types] or list(frames)
    if not targets:
        return []
    values = {name: targets[0].values[name] for name in sorted(profile.setup)}
    return [f"  {line}" for line in yaml.safe_dump(values, width=1000).splitlines()]


def _table(frames: Sequence[Exposure], reasons: Mapping[str, str], profile: Profile) -> list[str]:
    names = [name for name, source in profile.header.items() if source.in_table]
    rows = [["filename", "frametype", *names]]
    for frame in frames:
        mark = "#" if frame.file in reasons else ""
        cells = [_cell(frame.values[name]) for name in names]
        rows.append([mark + frame.file, ",".join(frame.types), *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [" | ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in rows]


def _cell(value: str | float | None) -> str:
    return _UNSAFE.sub("_", "None" if value is None else str(value))


def _printable(line: str) -> str:
    """One line, that a reader of tables does not take for a row."""
    return "".join(c if c.isprintable() and c != "|" else "_" for c in line)
