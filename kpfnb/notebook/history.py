"""The cells that a kernel has executed, and the parameters that they declare."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Mapping, Sequence
from typing import Any

from kpfnb.core.errors import InvalidParameterError, KpfnbError
from kpfnb.notebook.parameters import Parameter, parse_declarations, validate_parameters

INJECTED_MARK = "# Parameters"
"""The first line of the cell that papermill injects."""


def executed_sources(shell: Any) -> list[str]:
    """The sources of the executed cells, oldest first.

    Some runners (nbval) keep no history; there the sources come from the cache that the kernel
    keeps for its tracebacks.
    """
    history = shell.user_ns["In"]
    if len(history) > 1:
        return list(history)
    cell_files = shell.compile._filename_map
    return ["".join(linecache.getlines(name)) for name in [*linecache.cache] if name in cell_files]


def declared_parameters(history: Sequence[str]) -> tuple[list[Parameter], list[str]]:
    """The declared parameters, and the names of those that papermill injected.

    The last cell that declares parameters counts, and the cells injected after it.

    history : sources of the executed cells, oldest first; the last is the current cell
    """
    injected: list[str] = []
    for source in reversed(history[:-1]):
        if source.startswith(INJECTED_MARK):
            injected += [name for name, _ in _assignments(source) or []]
        elif any(annotated for _, annotated in _assignments(source) or []):
            return parse_declarations(source), injected
    if injected:
        raise InvalidParameterError(
            f"unknown parameter {injected[0]!r}", "the notebook has no cell that declares any"
        )
    return [], []


def cell_values(
    source: str, parameters: Sequence[Parameter], namespace: Mapping[str, Any]
) -> dict[str, Any]:
    """The values after the execution of a cell, if it declares just these parameters.

    {} if it does not, or if a value is invalid.
    """
    try:
        declared, _ = declared_parameters([source, ""])
        if [item.name for item in declared] != [item.name for item in parameters]:
            return {}
        return validate_parameters(declared, {item.name: namespace[item.name] for item in declared})
    except KpfnbError:
        # kpfnb.begin() reports it
        return {}


def _assignments(source: str) -> list[tuple[str, bool]] | None:
    """The names assigned in a cell, and if they are annotated; None if the cell does more."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        # A cell with magics
        return None
    assignments = []
    for statement in body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Constant()):
                assignments.append((name, True))
            case ast.Assign(targets=[ast.Name(id=name)]):
                assignments.append((name, False))
            case ast.Expr(value=ast.Constant()):
                continue
            case _:
                return None
    return assignments
