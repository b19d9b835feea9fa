"""Parameters of notebooks: declared in the parameters cell, checked before any work.

A declaration is `name: "kind" = default  # help`. The kinds are those of `parse_kind`.
"""

from __future__ import annotations

import ast
import difflib
import io
import math
import tokenize
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kpfnb.core.clock import check_night
from kpfnb.core.errors import InvalidParameterError

_DECLARATION_HINT = 'declare it as   name: "kind" = literal  # what it is and its unit'


@dataclass(frozen=True)
class ParameterKind:
    """The type of a parameter; `options` are its choices, or its lower and upper limit."""

    name: str
    options: tuple[str, ...] = ()

    def check(self, value: Any) -> Any:
        """The value in its proper type; ValueError says what was expected."""
        if self.name in ("int", "float"):
            return _check_number(value, int if self.name == "int" else float, self.options)
        if self.name in ("choice", "subset"):
            return _VALUE_CHECKS[self.name](value, self.options)
        return _VALUE_CHECKS[self.name](value)

    def __str__(self) -> str:
        return f"{self.name}[{', '.join(self.options)}]" if self.options else self.name


@dataclass(frozen=True)
class Parameter:
    """One declared parameter of a notebook."""

    name: str
    kind: ParameterKind
    default: Any
    help: str = ""

    def check(self, value: Any) -> Any:
        """The value in its proper type; `InvalidParameterError` names the parameter."""
        try:
            return self.kind.check(value)
        except ValueError as error:
            raise InvalidParameterError(
                f"parameter {self.name}: {error}, not {value!r}",
                f"{self.name} is {self.help or self.kind}; its default is {self.default!r}",
            ) from None


def parse_kind(text: str) -> ParameterKind:
    """The kind that an annotation names.

    `str`, `int`, `float`, `bool`, `path`; `int[1, 64]` and `float[0, 1]` with limits; `list[str]`;
    `choice[a, b]`; `subset[a, b]`; `night` (YYYYMMDD, UT; '' for none), `version` (2.9 or v2.9.1;
    '' for none).
    """
    name, _, rest = text.replace(" ", "").partition("[")
    options = tuple(filter(None, rest.rstrip("]").split(",")))
    if name == "list" and options == ("str",):
        return ParameterKind("list[str]")
    if name not in {*_VALUE_CHECKS, "int", "float"}:
        known = ", ".join(sorted({*_VALUE_CHECKS, "int", "float"}))
        raise ValueError(f"unknown kind {text!r}; known are {known}")
    if not _OPTION_CHECKS.get(name, _has_no_options)(options):
        raise ValueError(f"kind {text!r} is not complete; see kpfnb.notebook.parameters.parse_kind")
    return ParameterKind(name, options)


def parse_declarations(source: str) -> list[Parameter]:
    """The parameters that the source of a cell declares, with checked defaults.

    Anything but declarations, comments and a docstring raises `InvalidParameterError`. The help is
    the comment in the last line of a declaration. (papermill's own parser silently skips lines
    with a second `=`, or with a sign or point in the kind.)
    """
    try:
        statements = ast.parse(source, "parameters cell").body
    except (SyntaxError, ValueError) as error:
        raise InvalidParameterError(
            f"the parameters can't be read: {error}", _DECLARATION_HINT
        ) from None
    comments = _comments_by_line(source)
    parameters: dict[str, Parameter] = {}
    for statement in statements:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue
        parameter = _parse_declaration(statement, comments.get(statement.end_lineno or 0, ""))
        if parameter.name in parameters:
            raise InvalidParameterError(f"parameters cell: {parameter.name} is declared twice")
        parameter.check(parameter.default)
        parameters[parameter.name] = parameter
    return list(parameters.values())


def _parse_declaration(statement: ast.stmt, help: str) -> Parameter:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=kind, value=ast.expr() as default):
            text = kind.value if isinstance(kind, ast.Constant) else ast.unparse(kind)
        case _:
            line = ast.unparse(statement).partition("\n")[0]
            raise InvalidParameterError(
                f"parameters cell: {line!r} is not a declaration", _DECLARATION_HINT
            )
    try:
        parsed = parse_kind(str(text))
    except ValueError as error:
        raise InvalidParameterError(
            f"parameters cell: {name}: {error}", _DECLARATION_HINT
        ) from None
    try:
        return Parameter(name, parsed, ast.literal_eval(default), help)
    except (ValueError, TypeError):
        what = f"the default {ast.unparse(default)} is not a literal"
        raise InvalidParameterError(f"parameters cell: {name}: {what}", _DECLARATION_HINT) from None


def _comments_by_line(source: str) -> dict[int, str]:
    """Line number to comment."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: token.string.lstrip("#").strip()
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def validate_parameters(
    parameters: Iterable[Parameter], given: Mapping[str, Any]
) -> dict[str, Any]:
    """The values of all parameters: given values checked and converted, otherwise defaults."""
    by_name = {parameter.name: parameter for parameter in parameters}
    for name in given:
        if name not in by_name:
            near = difflib.get_close_matches(name, by_name, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise InvalidParameterError(
                f"unknown parameter {name!r}", f"{hint}the parameters are: {', '.join(by_name)}"
            )
    return {
        name: parameter.check(given.get(name, parameter.default))
        for name, parameter in by_name.items()
    }


def _check_text(value: Any) -> str:
    # papermill turns `-p name 20240131` into a number
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)
    raise ValueError("must be a text")


def _check_flag(value: Any) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if isinstance(value, bool):
        return value
    if str(value).lower() in words:
        return words[str(value).lower()]
    raise ValueError("must be true or false")


def _check_number(value: Any, convert: type, limits: tuple[str, ...]) -> Any:
    what = "a whole number" if convert is int else "a number"
    try:
        number = convert(value if isinstance(value, str) or convert is float else repr(value))
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"must be {what}") from None
    if isinstance(value, bool) or number in (math.inf, -math.inf) or number != number:
        raise ValueError(f"must be {what}")
    if limits and not float(limits[0]) <= number <= float(limits[1]):
        raise ValueError(f"must be {what} from {limits[0]} to {limits[1]}")
    return number


def _check_list(value: Any) -> list[str]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, (list, tuple)):
        return [_check_text(part) for part in value]
    raise ValueError("must be a list of texts")


def _check_choice(value: Any, options: tuple[str, ...]) -> str:
    if str(value) not in options:
        raise ValueError(f"must be one of {', '.join(options)}")
    return str(value)


def _check_subset(value: Any, options: tuple[str, ...]) -> list[str]:
    return [_check_choice(part, options) for part in _check_list(value)]


def _check_version(value: Any) -> str:
    text = _check_text(value)
    parts = text.removeprefix("v").partition("-")[0].split(".")
    if text and not all(part.isdecimal() for part in parts):
        raise ValueError("must be a version such as 2.9 or v2.9.1")
    return text


_VALUE_CHECKS: dict[str, Callable[..., Any]] = {
    "str": _check_text,
    "path": _check_text,
    "bool": _check_flag,
    "list[str]": _check_list,
    "choice": _check_choice,
    "subset": _check_subset,
    "night": check_night,
    "version": _check_version,
}


def _has_no_options(options: tuple[str, ...]) -> bool:
    return not options


def _has_options(options: tuple[str, ...]) -> bool:
    return bool(options)


def _are_limits(options: tuple[str, ...]) -> bool:
    try:
        lower_and_upper = [float(option) for option in options]
    except ValueError:
        return False
    return len(options) in (0, 2) and lower_and_upper == sorted(lower_and_upper)


_OPTION_CHECKS: dict[str, Callable[[tuple[str, ...]], bool]] = {
    "int": _are_limits,
    "float": _are_limits,
    "choice": _has_options,
    "subset": _has_options,
}
"""Checks what is in the brackets of a kind; other kinds have no brackets."""
