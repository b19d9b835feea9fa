"""Commands in the settings: lists of arguments, or texts as in a terminal. No shell runs them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

STEP_SEPARATOR = "&&"
"""Between the steps of a setting that is one text."""


def split_command(value: Any) -> Any:
    """The arguments of a command that is written as in a terminal; another value unchanged."""
    return shlex.split(value) if isinstance(value, str) else value


def split_steps(value: Any) -> Any:
    """The steps of one command, or of commands with `STEP_SEPARATOR` between them.

    As in a terminal, each runs if the one before it succeeded. Another value is unchanged.
    """
    value = split_command(value)
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        return value
    steps: list[list[str]] = [[]] if value else []
    for argument in value:
        if argument == STEP_SEPARATOR:
            steps.append([])
        else:
            steps[-1].append(argument)
    return steps


Command = Annotated[list[str], NoDecode, BeforeValidator(split_command)]
"""A command as a list of arguments; {ncpus}, {target}, {config} and {recipe} are replaced."""

CommandSteps = Annotated[
    list[Annotated[list[str], Field(min_length=1)]], NoDecode, BeforeValidator(split_steps)
]
"""Commands that run in order; {night} and {root} are replaced as well."""


def format_command(arguments: Iterable[str]) -> str:
    """A command, or steps with `STEP_SEPARATOR` between them, as written in a terminal."""
    return " ".join(word if word == STEP_SEPARATOR else shlex.quote(word) for word in arguments)


def join_steps(steps: Iterable[Iterable[str]]) -> list[str]:
    """The arguments of all steps, with `STEP_SEPARATOR` between them."""
    words = [word for step in steps for word in (*step, STEP_SEPARATOR)]
    return words[:-1]
