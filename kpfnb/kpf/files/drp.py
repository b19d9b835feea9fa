"""The data reduction pipeline (DRP), an external program: its versions and commands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from kpfnb.core.errors import InvalidParameterError, InvalidSettingsError

if TYPE_CHECKING:
    from kpfnb.core.settings import Settings

COMMAND_HINT = "set {name} in kpfnb.toml or {variable}; {{ncpus}} and {{target}} are filled in"

_COMMITS_AFTER_TAG = re.compile(r"(?P<tag>.+?)(?:-(?P<commits>\d+)-g[0-9a-f]+)?(?:-dirty)?")
"""A tag with what `git describe` may add: v2.9.1-12-gabc123, v2.9.1-dirty."""


@lru_cache(maxsize=1024)
def parse_version(tag: str) -> Version | None:
    """The version in a DRPTAG, ordered as PEP 440; None if it is none.

    A tag of git with N later commits (v2.9.1-12-gabc123) is later than its release and earlier than
    the next one. The pipeline also writes texts such as 'No tags found', which are no version.
    """
    parts = _COMMITS_AFTER_TAG.fullmatch(tag.strip())
    if not parts:
        return None
    text = parts["tag"]
    if parts["commits"]:
        text += f"{'.' if '+' in text else '+'}{parts['commits']}"
    try:
        return Version(text)
    # Numbers of thousands of digits are a plain ValueError
    except ValueError:
        return None


def validate_version(version: str) -> str:
    """The version that a user asks for, stripped; an invalid one is an `InvalidParameterError`."""
    if parse_version(version) is None:
        raise InvalidParameterError(
            f"version: {version!r} is not a DRP version", "write it as 2.9, v2.9.1 or v2.12.0rc1"
        )
    return version.strip()


def satisfies_version(tag: str, version: str) -> bool:
    """Whether the tag is the required version or a later one."""
    actual, required = parse_version(tag), parse_version(version)
    return actual is not None and required is not None and actual >= required


def is_earlier_version(tag: str, other: str) -> bool:
    """Whether both tags are versions, and the first is the earlier one."""
    first, second = parse_version(tag), parse_version(other)
    return first is not None and second is not None and first < second


def newest_version(tags: Iterable[str]) -> str:
    """The latest valid version among the tags; '' if there is none."""
    versions = {tag: version for tag in tags if (version := parse_version(tag))}
    return max(versions, key=versions.__getitem__, default="")


def build_command(
    settings: Settings,
    target: Path | str,
    ncpus: int | None = None,
    *,
    setting: str = "drp_command",
) -> list[str]:
    """The DRP's command with a target: a directory, a FITS file, or a text file that lists them.

    A template (the value of `setting`) without {target}, and a program or a `drp_directory` that
    does not exist, are an `InvalidSettingsError`.

    ncpus : the setting `workers` if None
    """
    [command] = build_steps(settings, [getattr(settings, setting)], target, ncpus, setting=setting)
    return command


def build_steps(
    settings: Settings,
    templates: Sequence[Sequence[str]],
    target: Path | str,
    ncpus: int | None = None,
    *,
    setting: str,
    night: str = "",
) -> list[list[str]]:
    """The commands of several steps; parameters and errors as for `build_command`.

    If `night` is given, {night} may take the place of {target}. One of the steps has to have it.
    """
    from kpfnb.compute import programs

    if settings.drp_directory and not settings.drp_directory.is_dir():
        raise InvalidSettingsError(
            f"setting drp_directory: no directory {settings.drp_directory}",
            "it is the directory of the pipeline, with configs and recipes",
        )
    hint = COMMAND_HINT.format(name=setting, variable=f"KPFNB_{setting.upper()}")
    placeholders = ("{target}", "{night}") if night else ("{target}",)
    arguments = [argument for template in templates for argument in template]
    if not any(mark in argument for argument in arguments for mark in placeholders):
        raise InvalidSettingsError(
            f"setting {setting} has no {{target}}: {' '.join(arguments)!r}", hint
        )
    values = {
        "{ncpus}": str(settings.workers if ncpus is None else ncpus),
        "{target}": str(target),
        "{root}": str(settings.kpf_root),
        **({"{night}": night} if night else {}),
        "{config}": settings.drp_config,
        "{recipe}": settings.drp_recipe,
    }
    commands = []
    for template in templates:
        program = programs.find_executable(template[0])
        if not program:
            raise InvalidSettingsError(
                f"setting {setting}: the program {template[0]!r} does not exist", hint
            )
        filled = (_fill_placeholders(argument, values) for argument in template[1:])
        commands.append([str(program), *filled])
    return commands


def named_files(arguments: Iterable[str]) -> list[str]:
    """The configurations and recipes that a command names, each once."""
    names = (name for name in arguments if name.endswith((".cfg", ".config", ".recipe")))
    return list(dict.fromkeys(names))


def _fill_placeholders(argument: str, values: dict[str, str]) -> str:
    # Not str.format, which fails on other braces in a user's command. All in one pass, so that
    # braces in a file's name are kept.
    placeholders = re.compile("|".join(map(re.escape, values)))
    return placeholders.sub(lambda match: values[match[0]], argument)
