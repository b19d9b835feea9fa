"""Notebooks are thin, and all of one shape: what they do is in the package."""

from __future__ import annotations

import ast
from pathlib import Path

import nbformat
import pytest

from kpfnb.notebook import runner
from kpfnb.notebook.form.suggestions import NIGHT_KINDS
from tests.notebooks.outputs import NOTEBOOKS

FORMS = {
    **dict.fromkeys(("home", "timeseries", "tonight", "watch"), "run.form(wait=False)"),
    # With `touch` it changes files
    "progress": "run.form(wait=touch)",
}
"""The forms that do not wait for Run: those of notebooks that only look."""

FOLD = "<details><summary>What it reads, writes and changes</summary>"
LONGEST_PURPOSE = 500
MOST_USUAL = 6
"""So that the form and the beginning of the answer stand on one screen."""

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code(path: Path) -> list[str]:
    cells = nbformat.read(path, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


@each_notebook
def test_it_is_thin(path: Path) -> None:
    sources = code(path)
    assert len(sources) <= 12
    _parameters, *work = sources
    assert max(len(source.splitlines()) for source in work) <= 8
    for source in work:
        nodes = list(ast.walk(ast.parse(source)))
        assert not [
            n for n in nodes if isinstance(n, (ast.FunctionDef, ast.ClassDef, ast.For, ast.While))
        ]


@each_notebook
def test_it_states_its_purpose_then_its_parameters(path: Path) -> None:
    first, second, third, fourth, *_ = nbformat.read(path, as_version=4).cells
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert "**Reads**" in first.source
    assert second.metadata["tags"] == ["parameters"]
    assert "kpfnb.begin()" in third.source
    assert fourth.source == FORMS.get(path.stem, "run.form()")


@each_notebook
def test_code_and_long_text_are_folded(path: Path) -> None:
    first, *others = nbformat.read(path, as_version=4).cells
    hidden = [
        cell.metadata.get("jupyter", {}).get("source_hidden")
        for cell in others
        if cell.cell_type == "code"
    ]
    assert all(hidden), hidden
    title, purpose, fold, *_, end = first.source.split("\n\n")
    assert title.startswith("# ") and len(purpose) < LONGEST_PURPOSE
    assert fold == FOLD and end == "</details>"


@each_notebook
def test_few_parameters_stand_on_top_and_a_dry_run_has_its_button(path: Path) -> None:
    usual = [each.name for each in runner.inspect_notebook(path) if not each.is_rare]
    assert 1 <= len(usual) <= MOST_USUAL
    assert "dry_run" not in usual


@each_notebook
def test_the_default_night_is_the_last(path: Path) -> None:
    declared = runner.inspect_notebook(path)
    defaults = [each.default for each in declared if each.kind.name in NIGHT_KINDS]
    assert defaults[:1] in ([], ["last"], [["last"]])
    assert not any("2024" in str(default) for default in defaults)


@each_notebook
def test_each_parameter_says_what_it_is(path: Path) -> None:
    assert [
        parameter.name for parameter in runner.inspect_notebook(path) if not parameter.help
    ] == []


@each_notebook
def test_the_file_is_small_and_ends_with_its_result(path: Path) -> None:
    assert path.stat().st_size < 200_000
    assert code(path)[-1].startswith("run.finish(")


@each_notebook
def test_no_path_of_a_machine_is_stored(path: Path) -> None:
    text = path.read_text()
    assert str(Path.home()) + "/" not in text
    assert "/tmp/" not in text
