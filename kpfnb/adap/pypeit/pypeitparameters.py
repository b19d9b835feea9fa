"""Parameters in PypeIt's notation: sections in brackets, one more for each level, `key = value`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from kpfnb.errors import BadInput

Tree = dict[str, Any]
"""Section or key to a tree or a value; values are texts as they are written."""

_SECTION = re.compile(r"(\[+)\s*([^\[\]]+?)\s*(\]+)")
_BEFORE_COMMENT = re.compile(r"""(?:[^#"']|"[^"]*"|'[^']*')*""")
INDENT = "  "


def parse(lines: Iterable[str], place: str = "the parameters") -> Tree:
    """The tree of those lines; comments and empty lines are left out.

    place : where they come from, for the `BadInput` of a line that is neither section nor value
    """
    tree: Tree = {}
    path = [tree]
    for line in lines:
        plain = _without_comment(line).strip()
        if not plain:
            continue
        if found := _SECTION.fullmatch(plain):
            level = len(found[1])
            if level != len(found[3]) or level > len(path):
                raise BadInput(f"{place}: the section {plain!r} has no section above it")
            path = [*path[:level], path[level - 1].setdefault(found[2], {})]
            continue
        key, equals, value = plain.partition("=")
        if not (equals and key.strip()):
            raise BadInput(f"{place}: {plain!r} is no parameter", "write key = value")
        path[-1][key.strip()] = value.strip()
    return tree


def merge(*trees: Mapping[str, Any]) -> Tree:
    """One tree of all; where several have a value, the last one counts."""
    merged: Tree = {}
    for tree in trees:
        for key, value in tree.items():
            old = merged.get(key)
            is_deeper = isinstance(value, Mapping)
            merged[key] = merge(old if isinstance(old, dict) else {}, value) if is_deeper else value
    return merged


def lines(tree: Mapping[str, Any], level: int = 1) -> list[str]:
    """The tree in PypeIt's notation: values first, then the sections."""
    told = [
        f"{INDENT * (level - 1)}{key} = {_value(value)}"
        for key, value in tree.items()
        if not isinstance(value, Mapping)
    ]
    for key, value in tree.items():
        if isinstance(value, Mapping):
            told.append(f"{INDENT * (level - 1)}{'[' * level}{key}{']' * level}")
            told += lines(value, level + 1)
    return told


def _without_comment(line: str) -> str:
    found = _BEFORE_COMMENT.match(line)
    end = found.end() if found else 0
    # Else it stopped at a quotation mark that stands alone
    return line[:end] if line[end:].startswith("#") else line


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
