"""A public class name is used once in the package, so that a traceback names one thing."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import kpfnb

TOP = Path(kpfnb.__file__).parent


def test_public_class_names_are_unique() -> None:
    modules = defaultdict(list)
    for path in sorted(TOP.rglob("*.py")):
        for node in ast.parse(path.read_bytes()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules[node.name].append(str(path.relative_to(TOP)))
    assert len(modules) > 100
    assert {name: files for name, files in modules.items() if len(files) > 1} == {}
