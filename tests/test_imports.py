"""The packages of kpfnb lie in layers, and no import runs in a circle.

All imports count: those inside of functions and those for type checking, too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import kpfnb

TOP = Path(kpfnb.__file__).parent

LAYERS = {
    "kpfnb": (
        "core", "compute", "runs", "notebook", "storage", "queue", "pipelines", "kpf", "adap",
        "home", "lab", "demo", "cli",
    ),
    "kpfnb.kpf": (
        "files", "progress", "reprocess", "masters", "quicklook", "tsdb", "timeseries", "watch",
        "verdict", "nightreport",
    ),
    "kpfnb.adap": (
        "pypeit", "profiles", "products", "prepare", "score", "reduce", "coadd", "archive", "pages",
    ),
}  # fmt: skip
"""A package imports only from those before it. `docs/` draws this."""

APART = {("kpf", "adap"), ("adap", "kpf")}
"""Applications that know nothing of each other."""


@cache
def modules() -> dict[str, Path]:
    """Dotted name to file; a package's name means its `__init__`."""
    paths = {}
    for path in TOP.rglob("*.py"):
        parts = path.relative_to(TOP.parent).with_suffix("").parts
        paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return paths


def targets(node: ast.AST) -> Iterator[str]:
    """The modules that an import statement names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        for alias in node.names:
            submodule = f"{node.module}.{alias.name}"
            yield submodule if submodule in modules() else node.module


@cache
def imports() -> frozenset[tuple[str, str]]:
    """(importer, imported) within the package."""
    return frozenset(
        (name, target)
        for name, path in modules().items()
        for node in ast.walk(ast.parse(path.read_bytes()))
        for target in targets(node)
        if target in modules() and target not in (name, "kpfnb")
    )


def child(folder: str, module: str) -> str:
    """The part of a folder to which a module belongs; a package's own code is its `__init__`."""
    return module.removeprefix(folder).removeprefix(".").partition(".")[0] or "__init__"


def edges_in(folder: str) -> set[tuple[str, str]]:
    """(importer, imported) between the parts of a folder."""
    inside = [
        (child(folder, importer), child(folder, imported))
        for importer, imported in imports()
        if f"{importer}.".startswith(f"{folder}.") and f"{imported}.".startswith(f"{folder}.")
    ]
    return {(importer, imported) for importer, imported in inside if importer != imported}


def circle(edges: Iterable[tuple[str, str]]) -> list[str]:
    graph: dict[str, set[str]] = {}
    for importer, imported in edges:
        graph.setdefault(importer, set()).add(imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def folders() -> list[str]:
    return sorted(name for name, path in modules().items() if path.name == "__init__.py")


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circle(imports()) == []


@pytest.mark.parametrize("folder", folders())
def test_the_parts_of_a_folder_import_each_other_in_one_direction(folder: str) -> None:
    assert circle(edges_in(folder)) == []


@pytest.mark.parametrize("folder", LAYERS)
def test_no_import_points_up(folder: str) -> None:
    order = LAYERS[folder]
    upward = [
        (importer, imported)
        for importer, imported in sorted(imports())
        if importer.startswith(f"{folder}.") and imported.startswith(f"{folder}.")
        and child(folder, importer) in order
        and order.index(child(folder, importer)) < order.index(child(folder, imported))
    ]  # fmt: skip
    assert upward == []


def test_kpf_and_adap_do_not_import_each_other() -> None:
    assert not edges_in("kpfnb") & APART


@pytest.mark.parametrize("folder", LAYERS)
def test_every_package_has_its_layer_and_no_module_lies_beside_them(folder: str) -> None:
    parts = {child(folder, name) for name in modules() if f"{name}.".startswith(f"{folder}.")}
    assert parts - {"__init__"} == set(LAYERS[folder])


def test_a_circle_is_found() -> None:
    """The check itself can fail."""
    assert circle([("a", "b"), ("b", "c"), ("c", "a")])
    assert not circle([("a", "b"), ("b", "c"), ("a", "c")])


def test_the_drawings_in_the_docs_show_this_order() -> None:
    text = (TOP.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    for folder, order in LAYERS.items():
        name = folder.removeprefix("kpfnb").removeprefix(".")
        assert (f"{name}: " if name else "") + " → ".join(order) in text.splitlines()
