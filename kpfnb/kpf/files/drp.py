"""The DRP as an external program: its command, and what its log says about an observation."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from kpfnb.compute import programs
from kpfnb.core.errors import InvalidParameterError, InvalidSettingsError
from kpfnb.core.settings import Settings
from kpfnb.kpf.files.obsid import KPF

# Versions of the DRP as `DRPTAG` writes them: 2.9, v2.9.1, v2.9.1-12-gabc123.

_VERSION_TAG = re.compile(r"v?(\d+(?:\.\d+)*)(?:[-+].*)?")


@lru_cache(maxsize=1024)
def parse_version(tag: str) -> tuple[int, ...] | None:
    """The numbers of a tag, without trailing zeros so that 2.9 and 2.9.0 are equal; None if none.

    What follows the numbers in a development tag is left out: v2.9.1-12-gabc123 counts as 2.9.1.
    """
    match = _VERSION_TAG.fullmatch(tag.strip())
    if not match:
        return None
    numbers = [int(number) for number in match[1].split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def validate_version(version: str) -> str:
    """The version as asked for, if it is one; else a `InvalidParameterError`."""
    if parse_version(version) is None:
        raise InvalidParameterError(
            f"version: {version!r} is not a DRP version", "write it as 2.9 or v2.9.1"
        )
    return version.strip()


def satisfies_version(tag: str, version: str) -> bool:
    """True where the tag is the version asked for or a later one, compared part by part."""
    found, wanted = parse_version(tag), parse_version(version)
    return found is not None and wanted is not None and found >= wanted


def newest_version(tags: Iterable[str]) -> str:
    """The latest of the tags that are versions; '' where none is."""
    return max(filter(parse_version, tags), key=lambda tag: parse_version(tag) or (), default="")


COMMAND_HINT = "set {name} in kpfnb.toml or {variable}; {{ncpus}} and {{target}} are filled in"

MAX_LINE_BYTES = 2000
"""A longer line of a log is read in parts; logs with a line of 100 MB have been seen."""

EXCERPT_LINES = 3
_ERROR_WORDS = re.compile(
    r"error|exception|traceback|critical|fatal|failed|no space left", re.IGNORECASE
)


def build_command(
    settings: Settings,
    target: Path | str,
    ncpus: int,
    *,
    setting: str = "drp_command",
    night: str = "",
) -> list[str]:
    """The DRP's command with a target: a directory, one FITS file or a text file that lists them.

    A template (the value of `setting`) without {target} and a program that is not there are a
    `InvalidSettingsError`. Where a `night` is given, {night} does as well.
    """
    template = getattr(settings, setting)
    hint = COMMAND_HINT.format(name=setting, variable=f"KPFNB_{setting.upper()}")
    marks = ("{target}", "{night}") if night else ("{target}",)
    if not any(mark in argument for argument in template for mark in marks):
        raise InvalidSettingsError(
            f"setting {setting} has no {{target}}: {' '.join(template)!r}", hint
        )
    program = programs.find_executable(template[0])
    if not program:
        raise InvalidSettingsError(
            f"setting {setting}: the program {template[0]!r} is not there", hint
        )
    values = {
        "{ncpus}": str(ncpus),
        "{target}": str(target),
        **({"{night}": night} if night else {}),
        "{config}": settings.drp_config,
        "{recipe}": settings.drp_recipe,
    }
    return [str(program), *(_fill_placeholders(argument, values) for argument in template[1:])]


def _fill_placeholders(argument: str, values: dict[str, str]) -> str:
    # str.format would stumble over any other brace in a user's command; one pass, so that a
    # brace in a file's name stays what it is
    known = re.compile("|".join(map(re.escape, values)))
    return known.sub(lambda match: values[match[0]], argument)


def log_excerpts(log: Path, obsids: Iterable[str]) -> dict[str, str]:
    """What a log says about each observation: the last lines of trouble that name it.

    Where there are none: the last lines of trouble of all, else the last that name it, else the
    last of all. At most `EXCERPT_LINES` lines each.
    """
    lines: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=EXCERPT_LINES))
    for line in _read_lines(log):
        kind = "trouble" if _ERROR_WORDS.search(line) else "plain"
        names = {match[0] for match in KPF.obsid_pattern.finditer(line)}
        for key in (kind, *(f"{kind} {name}" for name in names)):
            lines[key].append(line)
    kinds = ("trouble {}", "trouble", "plain {}", "plain")
    found = {o: (lines[key] for kind in kinds if lines[key := kind.format(o)]) for o in obsids}
    return {obsid: "\n".join(next(best, ())) for obsid, best in found.items()}


def _read_lines(log: Path) -> Iterator[str]:
    if not log.exists():
        return
    with log.open("rb") as stream:
        while raw := stream.readline(MAX_LINE_BYTES):
            if line := raw.decode(errors="replace").strip():
                yield line
