"""The trimmed setup of a dataset: which frames PypeIt uses, and the `.pypeit` file with them.

Of the calibrations only the latest of the best are used, by the rules of the profile. More than
needed confuse PypeIt: it adds up arcs with different lamps, and flats of different nights.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import yaml

from kpfnb.adap.prepare.frames import RawExposure, dropped_type
from kpfnb.adap.profiles.spectrograph import CalibrationChoice, ChoiceCriterion, Profile
from kpfnb.adap.pypeit import input_files

SETUP_LETTER = "A"
"""All frames are of one setup, because they were sorted by configuration before. PypeIt would make
two setups of grating angles such as 7499.6 and 7500.2."""

_UNSAFE_CHARACTERS = re.compile(r"[^ -~]|[|\"'#]")
"""Characters that would break a row of the table."""


def rejected_frames(
    frames: Sequence[RawExposure], profile: Profile, excluded: Collection[str] = ()
) -> dict[str, str]:
    """The files that are not used, each with the reason.

    Parameters
    ----------
    excluded : names of files that a person has excluded, gzipped or not
    """
    excluded_names = {_plain_name(name) for name in excluded}
    reasons = {frame.file: _unusable_reason(frame, profile, excluded_names) for frame in frames}
    usable = [frame for frame in frames if not reasons[frame.file]]
    for choice in profile.trimming:
        candidates = [frame for frame in usable if not set(choice.types).isdisjoint(frame.types)]
        chosen = {frame.file for frame in choose_frames(candidates, choice)}
        for frame in candidates:
            if frame.file not in chosen:
                reasons[frame.file] = f"not among the best {' or '.join(choice.types)} frames"
    return {file: reason for file, reason in reasons.items() if reason}


def choose_frames(frames: Sequence[RawExposure], choice: CalibrationChoice) -> list[RawExposure]:
    """The frames that a choice selects, in order of time."""
    if not choice.per_lamp_set:
        return _latest_good(frames, choice)
    chosen: list[RawExposure] = []
    covered: set[str] = set()
    lamp_sets = {frame.lamps for frame in frames}
    for lamps in sorted(lamp_sets, key=lambda names: (-len(names), names)):
        if covered.issuperset(lamps):
            continue
        chosen += _latest_good([frame for frame in frames if frame.lamps == lamps], choice)
        covered.update(lamps)
    return sorted(chosen, key=_time_key)


def _latest_good(frames: Sequence[RawExposure], choice: CalibrationChoice) -> list[RawExposure]:
    """The latest frames that meet all criteria; too few: the last criteria are dropped in turn."""
    for count in range(len(choice.criteria), -1, -1):
        criteria = choice.criteria[:count]
        good = [
            frame
            for frame in frames
            if all(_meets_criterion(frame, criterion) for criterion in criteria)
        ]
        if len(good) >= choice.most or count == 0:
            break
    return sorted(good, key=_time_key)[-choice.most :]


def _meets_criterion(frame: RawExposure, criterion: ChoiceCriterion) -> bool:
    value = frame.values[criterion.value]
    return isinstance(value, float) and criterion.least <= value <= criterion.greatest


def _time_key(frame: RawExposure) -> tuple[float, str]:
    return frame.mjd, frame.file


def _unusable_reason(frame: RawExposure, profile: Profile, excluded: set[str]) -> str:
    if frame.defect:
        return frame.defect
    if _plain_name(frame.file) in excluded:
        return "excluded by name"
    if dropped := dropped_type(frame, profile):
        return f"its type is {dropped}"
    return f"its header has no {', '.join(frame.missing)}" if frame.missing else ""


def _plain_name(file: str) -> str:
    return file.strip().removesuffix(".gz")


def format_setup_file(
    raw: Path,
    profile: Profile,
    frames: Sequence[RawExposure],
    reasons: Mapping[str, str],
    parameters: Sequence[str],
) -> str:
    """The text of the `.pypeit` file; frames that are not used are commented out.

    Parameters
    ----------
    raw : directory of the frames
    reasons : why a frame is not used, by the name of its file
    parameters : lines in PypeIt's notation
    """
    ordered = sorted(frames, key=lambda frame: (frame.types, frame.mjd, frame.file))
    notes = [f"# not used: {file}: {reason}" for file, reason in sorted(reasons.items())]
    used = [frame for frame in ordered if frame.file not in reasons]
    lines = ["# Trimmed by kpfnb", *map(_printable_line, notes), "", *parameters, ""]
    setup = [f"Setup {SETUP_LETTER}:", *_setup_lines(used or ordered, profile)]
    lines += ["setup read", *setup, "setup end", ""]
    lines += ["data read", f" path {raw}", *_table_lines(ordered, reasons, profile), "data end", ""]
    return "\n".join(lines)


def replace_raw_path(content: str, raw: Path, source: Path) -> str:
    """A `.pypeit` file with the directory of its frames replaced.

    source : path of the file, for the message of the `InvalidInputError` if it is not valid
    """
    input_files.parse_pypeit_file(content, source)
    lines: list[str] = []
    is_in_table = False
    for line in content.splitlines():
        text = line.strip()
        if is_in_table and text.startswith("path ") and "|" not in text:
            continue
        lines.append(line)
        if text == "data read":
            is_in_table = True
            lines.append(f" path {raw}")
        elif text == "data end":
            is_in_table = False
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
        comment = "#" if frame.file in reasons else ""
        cells = [_format_cell(frame.values[name]) for name in names]
        rows.append([comment + frame.file, ",".join(frame.types), *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        " | ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]


def _format_cell(value: str | float | None) -> str:
    return _UNSAFE_CHARACTERS.sub("_", "None" if value is None else str(value))


def _printable_line(line: str) -> str:
    """The text in one line that no reader takes for a row of the table."""
    return "".join(char if char.isprintable() and char != "|" else "_" for char in line)
