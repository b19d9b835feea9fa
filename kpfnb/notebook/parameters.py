"""Parameters of notebooks: declared in the parameters cell, checked before any work.

A declaration is `name: "kind" = default  # help`. The kinds are those of
`kpfnb.notebook.parameter_kinds`. Those below the line `# More` are rarely changed: the form folds
them away.
"""

from __future__ import annotations

import ast
import difflib
import io
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from kpfnb.core import nights
from kpfnb.core.errors import InvalidParameterError
from kpfnb.notebook.parameter_kinds import ParameterKind, parse_kind

MORE_LINE = "# More"
"""The line below which parameters are rarely changed."""
_DECLARATION_HINT = 'declare it as   name: "kind" = literal  # what it is and its unit'


@dataclass(frozen=True)
class Parameter:
    """One declared parameter of a notebook."""

    name: str
    kind: ParameterKind
    default: Any
    help: str = ""
    is_rare: bool = False
    """Rarely changed: declared below the line `# More`."""

    def check(self, value: Any) -> Any:
        """The value in its proper type; `InvalidParameterError` names the parameter."""
        try:
            return self.kind.check(value)
        except ValueError as error:
            raise InvalidParameterError(
                f"parameter {self.name}: {error}, not {value!r}",
                f"{self.name} is {self.help or self.kind}; its default is {self.default!r}",
            ) from None


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
    lines = source.splitlines()
    more = lines.index(MORE_LINE) if MORE_LINE in lines else len(lines)
    parameters: dict[str, Parameter] = {}
    for statement in statements:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue
        parameter = _parse_declaration(statement, comments.get(statement.end_lineno or 0, ""))
        if parameter.name in parameters:
            raise InvalidParameterError(f"parameters cell: {parameter.name} is declared twice")
        parameter.check(parameter.default)
        parameters[parameter.name] = replace(parameter, is_rare=statement.lineno > more)
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


def resolve_parameters(
    parameters: Iterable[Parameter], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Checked values with the newest night in place of `last`.

    Raises as `kpfnb.core.nights.find_last_night`, if a value says `last`.
    """
    # All that say `last` mean the same night, even if the next one begins meanwhile
    resolve = cache(nights.resolve_target)
    return {
        parameter.name: parameter.kind.resolve_nights(values[parameter.name], resolve)
        for parameter in parameters
    }
