"""The parameters of a notebook: declared once, in its parameters cell, and checked before any work.

A declaration is `name: "kind" = default  # help`. The kinds are those of `parse_kind`.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from kpfnb.errors import BadParameter

Check = Callable[[Any], Any]
"""Takes a raw value, returns the checked one or raises ValueError with what was expected."""


@dataclass(frozen=True)
class Kind:
    """What values a parameter may have; `options` are its choices or its lower and upper limit."""

    name: str
    options: tuple[str, ...] = ()

    def check(self, value: Any) -> Any:
        """The value in its proper type; ValueError says what was expected."""
        if self.name in ("int", "float"):
            return _number(value, int if self.name == "int" else float, self.options)
        if self.name in ("choice", "subset"):
            return _CHECKS[self.name](value, self.options)
        return _CHECKS[self.name](value)

    def __str__(self) -> str:
        return f"{self.name}[{', '.join(self.options)}]" if self.options else self.name


@dataclass(frozen=True)
class Parameter:
    """One declared parameter of a notebook."""

    name: str
    kind: Kind
    default: Any
    help: str = ""

    def check(self, value: Any) -> Any:
        """The value in its proper type; `BadParameter` names the parameter."""
        try:
            return self.kind.check(value)
        except ValueError as error:
            raise BadParameter(
                f"parameter {self.name}: {error}, not {value!r}",
                f"{self.name} is {self.help or self.kind}; its default is {self.default!r}",
            ) from None


def parse_kind(text: str) -> Kind:
    """The kind that an annotation names.

    `str`, `int`, `float`, `bool`, `path`; `int[1, 64]` and `float[0, 1]` with limits; `list[str]`;
    `choice[a, b]`; `subset[a, b]`; `night` (YYYYMMDD, UT; '' for none), `version` (2.9 or v2.9.1;
    '' for none).
    """
    name, _, rest = text.replace(" ", "").partition("[")
    options = tuple(filter(None, rest.rstrip("]").split(",")))
    if name == "list" and options == ("str",):
        return Kind("list[str]")
    if name not in {*_CHECKS, "int", "float"}:
        known = ", ".join(sorted({*_CHECKS, "int", "float"}))
        raise ValueError(f"unknown kind {text!r}; known are {known}")
    return Kind(name, options)


def declared(source: str) -> list[Parameter]:
    """The parameters that a cell's source declares, each default checked; [] for any other cell.

    papermill's own reading of the cell gives names, annotations and help.
    """
    import nbformat.v4
    from papermill.translators import PythonTranslator

    parameters = []
    for found in PythonTranslator.inspect(nbformat.v4.new_code_cell(source)):
        try:
            kind = parse_kind(found.inferred_type_name)
            parameter = Parameter(found.name, kind, ast.literal_eval(found.default), found.help)
        except (ValueError, SyntaxError) as error:
            raise BadParameter(
                f"parameters cell: {found.name}: {error}",
                'declare it as   name: "kind" = literal  # what it is and its unit',
            ) from None
        parameters.append(parameter)
        parameter.check(parameter.default)
    return parameters


def validate(parameters: Iterable[Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters by name, those given checked and converted, the others at their defaults."""
    by_name = {parameter.name: parameter for parameter in parameters}
    for name in given:
        if name not in by_name:
            near = difflib.get_close_matches(name, by_name, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise BadParameter(
                f"unknown parameter {name!r}", f"{hint}the parameters are: {', '.join(by_name)}"
            )
    return {
        name: parameter.check(given.get(name, parameter.default))
        for name, parameter in by_name.items()
    }


def check_night(value: Any) -> str:
    """A night as YYYYMMDD (UT date); '' stands for none."""
    text = str(value)
    if text and not (len(text) == 8 and text.isdecimal() and text.isascii() and _is_date(text)):
        raise ValueError("must be a date that exists, as YYYYMMDD")
    return text


def _is_date(text: str) -> bool:
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return True


def _text(value: Any) -> str:
    # papermill turns `-p name 20240131` into a number
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)
    raise ValueError("must be a text")


def _flag(value: Any) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if isinstance(value, bool):
        return value
    if str(value).lower() in words:
        return words[str(value).lower()]
    raise ValueError("must be true or false")


def _number(value: Any, convert: type, limits: tuple[str, ...]) -> Any:
    what = "a whole number" if convert is int else "a number"
    try:
        number = convert(value if isinstance(value, str) or convert is float else repr(value))
    except (TypeError, ValueError):
        raise ValueError(f"must be {what}") from None
    if isinstance(value, bool) or number != number:
        raise ValueError(f"must be {what}")
    if limits and not float(limits[0]) <= number <= float(limits[1]):
        raise ValueError(f"must be {what} from {limits[0]} to {limits[1]}")
    return number


def _names(value: Any) -> list[str]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, (list, tuple)):
        return [_text(part) for part in value]
    raise ValueError("must be a list of texts")


def _choice(value: Any, options: tuple[str, ...]) -> str:
    if str(value) not in options:
        raise ValueError(f"must be one of {', '.join(options)}")
    return str(value)


def _subset(value: Any, options: tuple[str, ...]) -> list[str]:
    return [_choice(part, options) for part in _names(value)]


def _version(value: Any) -> str:
    text = _text(value)
    parts = text.removeprefix("v").partition("-")[0].split(".")
    if text and not all(part.isdecimal() for part in parts):
        raise ValueError("must be a version such as 2.9 or v2.9.1")
    return text


_CHECKS: dict[str, Callable[..., Any]] = {
    "str": _text,
    "path": _text,
    "bool": _flag,
    "list[str]": _names,
    "choice": _choice,
    "subset": _subset,
    "night": check_night,
    "version": _version,
}
