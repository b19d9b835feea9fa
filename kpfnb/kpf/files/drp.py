"""The DRP as an external program: its command, and what its log says about an observation."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from kpfnb import programs
from kpfnb.errors import BadSettings
from kpfnb.kpf.obsid import KPF
from kpfnb.settings import Settings

HINT = "set {name} in kpfnb.toml or {variable}; {{ncpus}} and {{target}} are filled in"

LINE_BYTES = 2000
"""A longer line of a log is read in parts; logs with a line of 100 MB have been seen."""

EXCERPT_LINES = 3
_TROUBLE = re.compile(
    r"error|exception|traceback|critical|fatal|failed|no space left", re.IGNORECASE
)


def command(
    settings: Settings,
    target: Path | str,
    ncpus: int,
    *,
    setting: str = "drp_command",
    night: str = "",
) -> list[str]:
    """The DRP's command with a target: a directory, one FITS file or a text file that lists them.

    A template (the value of `setting`) without {target} and a program that is not there are a
    `BadSettings`. Where a `night` is given, {night} does as well.
    """
    template = getattr(settings, setting)
    hint = HINT.format(name=setting, variable=f"KPFNB_{setting.upper()}")
    marks = ("{target}", "{night}") if night else ("{target}",)
    if not any(mark in argument for argument in template for mark in marks):
        raise BadSettings(f"setting {setting} has no {{target}}: {' '.join(template)!r}", hint)
    program = programs.find(template[0])
    if not program:
        raise BadSettings(f"setting {setting}: the program {template[0]!r} is not there", hint)
    values = {
        "{ncpus}": str(ncpus),
        "{target}": str(target),
        **({"{night}": night} if night else {}),
        "{config}": settings.drp_config,
        "{recipe}": settings.drp_recipe,
    }
    return [str(program), *(_fill(argument, values) for argument in template[1:])]


def _fill(argument: str, values: dict[str, str]) -> str:
    # str.format would stumble over any other brace in a user's command; one pass, so that a
    # brace in a file's name stays what it is
    known = re.compile("|".join(map(re.escape, values)))
    return known.sub(lambda match: values[match[0]], argument)


def excerpts(log: Path, obsids: Iterable[str]) -> dict[str, str]:
    """What a log says about each observation: the last lines of trouble that name it.

    Where there are none: the last lines of trouble of all, else the last that name it, else the
    last of all. At most `EXCERPT_LINES` lines each.
    """
    lines: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=EXCERPT_LINES))
    for line in _lines(log):
        kind = "trouble" if _TROUBLE.search(line) else "plain"
        names = {match[0] for match in KPF.obsid.finditer(line)}
        for key in (kind, *(f"{kind} {name}" for name in names)):
            lines[key].append(line)
    kinds = ("trouble {}", "trouble", "plain {}", "plain")
    found = {o: (lines[key] for kind in kinds if lines[key := kind.format(o)]) for o in obsids}
    return {obsid: "\n".join(next(best, ())) for obsid, best in found.items()}


def _lines(log: Path) -> Iterator[str]:
    if not log.exists():
        return
    with log.open("rb") as stream:
        while raw := stream.readline(LINE_BYTES):
            if line := raw.decode(errors="replace").strip():
                yield line
