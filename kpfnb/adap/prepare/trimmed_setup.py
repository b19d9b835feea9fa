"""Which frames of a dataset are used: of the calibrations the latest of the best, no more.

More calibrations than needed confuse PypeIt: arcs with different lamps are added up, and flats of
different nights. The rules are the profile's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import yaml

from kpfnb.adap.prepare.frames import RawExposure
from kpfnb.adap.profiles.spectrograph import (
    UNKNOWN_TYPE,
    CalibrationChoice,
    ChoiceCriterion,
    Profile,
)
from kpfnb.adap.pypeit import input_files

# The text of a PypeIt reduction file: parameters, one setup, and a table of frames.

SETUP_LETTER = "A"
"""All frames are of one setup: the reorganising has put together what belongs together, though
PypeIt would take grating angles of 7499.6 and 7500.2 for two."""

_UNSAFE_CHARACTERS = re.compile(r"[^ -~]|[|\"'#]")
"""What would break a row of the table."""


def format_setup_file(
    raw: Path,
    profile: Profile,
    frames: Sequence[RawExposure],
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
    lines = ["# Trimmed by kpfnb", *map(_printable_line, notes), "", *parameters, ""]
    lines += [
        "setup read",
        f"Setup {SETUP_LETTER}:",
        *_setup_lines(used or ordered, profile),
        "setup end",
        "",
    ]
    lines += ["data read", f" path {raw}", *_table_lines(ordered, reasons, profile), "data end", ""]
    return "\n".join(lines)


def replace_raw_path(content: str, raw: Path, source: Path) -> str:
    """A reduction file whose frames are in the folder `raw`; `InvalidInputError` where it is none."""
    input_files.parse_pypeit_file(content, source)
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


def _setup_lines(frames: Sequence[RawExposure], profile: Profile) -> list[str]:
    targets = [frame for frame in frames if "science" in frame.types] or list(frames)
    if not targets:
        return []
    values = {name: targets[0].values[name] for name in sorted(profile.setup)}
    return [f"  {line}" for line in yaml.safe_dump(values, width=1000).splitlines()]


def _table_lines(
    frames: Sequence[RawExposure], reasons: Mapping[str, str], profile: Profile
) -> list[str]:
    names = [name for name, source in profile.header.items() if source.in_table]
    rows = [["filename", "frametype", *names]]
    for frame in frames:
        mark = "#" if frame.file in reasons else ""
        cells = [_format_cell(frame.values[name]) for name in names]
        rows.append([mark + frame.file, ",".join(frame.types), *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [" | ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in rows]


def _format_cell(value: str | float | None) -> str:
    return _UNSAFE_CHARACTERS.sub("_", "None" if value is None else str(value))


def _printable_line(line: str) -> str:
    """One line, that a reader of tables does not take for a row."""
    return "".join(c if c.isprintable() and c != "|" else "_" for c in line)


def rejected_frames(
    frames: Sequence[RawExposure], profile: Profile, excluded: Collection[str] = ()
) -> dict[str, str]:
    """The files that are not to be used, each with the reason.

    Parameters
    ----------
    excluded : names of files that a person has ruled out, gzipped or not
    """
    unwanted = {_plain_name(name) for name in excluded}
    reasons = {frame.file: _unusable_reason(frame, profile, unwanted) for frame in frames}
    usable = [frame for frame in frames if not reasons[frame.file]]
    for choice in profile.trimming:
        some = [frame for frame in usable if not set(choice.types).isdisjoint(frame.types)]
        chosen = {frame.file for frame in choose_frames(some, choice)}
        for frame in some:
            if frame.file not in chosen:
                reasons[frame.file] = f"not among the best {' or '.join(choice.types)} frames"
    return {file: reason for file, reason in reasons.items() if reason}


def choose_frames(frames: Sequence[RawExposure], choice: CalibrationChoice) -> list[RawExposure]:
    """The frames to use of those that a choice is about, in the order of time."""
    if not choice.per_lamp_set:
        return _latest_good(frames, choice)
    chosen: list[RawExposure] = []
    covered: set[str] = set()
    for lamps in sorted({frame.lamps for frame in frames}, key=lambda some: (-len(some), some)):
        if covered.issuperset(lamps):
            continue
        chosen += _latest_good([frame for frame in frames if frame.lamps == lamps], choice)
        covered.update(lamps)
    return sorted(chosen, key=_time_key)


def _latest_good(frames: Sequence[RawExposure], choice: CalibrationChoice) -> list[RawExposure]:
    """The latest that meet all criteria; while they are too few, the last criterion is given up."""
    for kept in range(len(choice.criteria), -1, -1):
        good = [
            f for f in frames if all(_meets_criterion(f, one) for one in choice.criteria[:kept])
        ]
        if len(good) >= choice.most or kept == 0:
            break
    return sorted(good, key=_time_key)[-choice.most :]


def _meets_criterion(frame: RawExposure, criterion: ChoiceCriterion) -> bool:
    value = frame.values[criterion.value]
    return isinstance(value, float) and criterion.least <= value <= criterion.greatest


def _time_key(frame: RawExposure) -> tuple[float, str]:
    return frame.mjd, frame.file


def _unusable_reason(frame: RawExposure, profile: Profile, unwanted: set[str]) -> str:
    if frame.defect:
        return frame.defect
    if _plain_name(frame.file) in unwanted:
        return "excluded by name"
    if dropped := dropped_type(frame, profile):
        return f"its type is {dropped}"
    return f"its header has no {', '.join(frame.missing)}" if frame.missing else ""


def dropped_type(frame: RawExposure, profile: Profile) -> str:
    """The type for which the profile drops a frame; '' where it keeps it."""
    kinds = frame.types or (UNKNOWN_TYPE,)
    return kinds[0] if all(kind in profile.dropped for kind in kinds) else ""


def _plain_name(file: str) -> str:
    return file.strip().removesuffix(".gz")
