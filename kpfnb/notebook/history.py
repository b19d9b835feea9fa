"""The cells that a kernel has executed so far, and the parameters that they declare."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Sequence
from typing import Any

from kpfnb.core.errors import InvalidParameterError
from kpfnb.notebook.parameters import Parameter, parse_declarations

INJECTED_MARK = "# Parameters"
"""papermill's own first line of the cell that it injects."""


def executed_sources(shell: Any) -> list[str]:
    """The sources of the cells executed so far, oldest first.

    Some runners (nbval) keep no history; what the kernel keeps for its tracebacks is there anyway.
    """
    history = shell.user_ns["In"]
    if len(history) > 1:
        return list(history)
    names = shell.compile._filename_map
    return ["".join(linecache.getlines(name)) for name in [*linecache.cache] if name in names]


def declared_parameters(history: Sequence[str]) -> tuple[list[Parameter], list[str]]:
    """The parameters that the cells executed so far declare, and the names papermill injected.

    history : sources of the executed cells, oldest first; the last is the one that runs now.
    The last cell that declares parameters counts, and what was injected after it.
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


def _assignments(source: str) -> list[tuple[str, bool]] | None:
    """Names assigned in a cell, and whether with an annotation; None where it does more."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        # A cell with magics
        return None
    found = []
    for statement in body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Constant()):
                found.append((name, True))
            case ast.Assign(targets=[ast.Name(id=name)]):
                found.append((name, False))
            case ast.Expr(value=ast.Constant()):
                continue
            case _:
                return None
    return found
