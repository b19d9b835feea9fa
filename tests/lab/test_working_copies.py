"""A person's copies of the notebooks: followed, kept, private; the notebooks stay as they are."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.sign import NotebookNotary

from kpfnb.core.errors import InvalidSettingsError
from kpfnb.lab import working_copies
from kpfnb.lab.working_copies import has_changes, prepare_directory, update_copies


@pytest.fixture(autouse=True)
def own_jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signatures are kept in a directory of the test."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))


@pytest.fixture
def original(tmp_path: Path) -> Path:
    path = tmp_path / "notebooks/task.ipynb"
    path.parent.mkdir()
    write_version(path, "version 1")
    return path


@pytest.fixture
def copies(tmp_path: Path, original: Path) -> Path:
    directory = prepare_directory(tmp_path / "work")
    assert update_copies(directory, [original]) == []
    return directory


def write_version(path: Path, source: str, **metadata: Any) -> None:
    cell = nbformat.v4.new_code_cell(
        source,
        id="cell",
        execution_count=3,
        metadata={"jupyter": {"source_hidden": True}} | metadata,
        outputs=[nbformat.v4.new_output("stream", text="old output")],
    )
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def change(path: Path, source: str | None = None) -> None:
    """Save a copy as JupyterLab does after a person has run, and perhaps edited, it."""
    notebook = read(path)
    cell = notebook.cells[0]
    cell.source = source or cell.source
    cell.execution_count = 7
    cell.outputs = [nbformat.v4.new_output("stream", text="my output")]
    cell.metadata["collapsed"] = True
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, path)


def test_a_copy_has_the_cells_without_outputs(copies: Path) -> None:
    cell = read(copies / "task.ipynb").cells[0]
    assert cell.source == "version 1"
    assert (cell.outputs, cell.execution_count) == ([], None)
    assert cell.metadata["jupyter"] == {"source_hidden": True}


def test_the_notebook_itself_is_never_written(copies: Path, original: Path) -> None:
    original.chmod(0o444)
    original.parent.chmod(0o555)
    before = original.read_bytes(), original.stat().st_mtime_ns
    change(copies / "task.ipynb", "mine")
    update_copies(copies, [original])
    assert (original.read_bytes(), original.stat().st_mtime_ns) == before
    original.parent.chmod(0o755)


def test_a_copy_is_trusted(copies: Path) -> None:
    assert NotebookNotary().check_signature(read(copies / "task.ipynb"))


def test_an_unchanged_copy_follows_the_notebook(copies: Path, original: Path) -> None:
    change(copies / "task.ipynb")
    write_version(original, "version 2")
    assert update_copies(copies, [original]) == []
    cell = read(copies / "task.ipynb").cells[0]
    assert (cell.source, cell.outputs) == ("version 2", [])
    assert "collapsed" not in cell.metadata
    assert [path.name for path in copies.glob("*.ipynb")] == ["task.ipynb"]


def test_new_metadata_of_the_notebook_are_followed_too(copies: Path, original: Path) -> None:
    write_version(original, "version 1", tags=["new"])
    update_copies(copies, [original])
    assert read(copies / "task.ipynb").cells[0].metadata["tags"] == ["new"]


def test_outputs_stay_while_the_notebook_stays(copies: Path, original: Path) -> None:
    change(copies / "task.ipynb")
    before = (copies / "task.ipynb").read_bytes()
    update_copies(copies, [original])
    assert (copies / "task.ipynb").read_bytes() == before


def test_a_changed_copy_is_kept_and_the_new_version_laid_beside(
    copies: Path, original: Path
) -> None:
    change(copies / "task.ipynb", "mine")
    assert update_copies(copies, [original]) == []
    write_version(original, "version 2")
    (line,) = update_copies(copies, [original])
    assert line == (
        "task.ipynb: your changed copy is kept; kpfnb's new version is task.new-version.ipynb"
    )
    assert read(copies / "task.ipynb").cells[0].source == "mine"
    assert read(copies / "task.new-version.ipynb").cells[0].source == "version 2"


def test_the_version_beside_follows_too_unless_it_is_changed(copies: Path, original: Path) -> None:
    change(copies / "task.ipynb", "mine")
    beside = copies / "task.new-version.ipynb"
    for version in ("version 2", "version 3"):
        write_version(original, version)
        update_copies(copies, [original])
        assert read(beside).cells[0].source == version
    change(beside, "mine too")
    write_version(original, "version 4")
    update_copies(copies, [original])
    assert read(beside).cells[0].source == "mine too"


@pytest.mark.parametrize("undone", ["version 1", "version 2"])
def test_a_copy_that_is_changed_back_follows_again(
    copies: Path, original: Path, undone: str
) -> None:
    change(copies / "task.ipynb", "mine")
    write_version(original, "version 2")
    update_copies(copies, [original])
    change(copies / "task.ipynb", undone)
    assert update_copies(copies, [original]) == []
    assert read(copies / "task.ipynb").cells[0].source == "version 2"
    assert [path.name for path in copies.glob("*.ipynb")] == ["task.ipynb"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 3}', '{"metadata": []}'])
def test_a_damaged_or_foreign_file_is_kept_as_a_changed_copy(
    copies: Path, original: Path, text: str
) -> None:
    (copies / "task.ipynb").write_text(text)
    (line,) = update_copies(copies, [original])
    assert "task.new-version.ipynb" in line
    assert (copies / "task.ipynb").read_text() == text


def test_a_deleted_copy_is_made_again(copies: Path, original: Path) -> None:
    (copies / "task.ipynb").unlink()
    update_copies(copies, [original])
    assert read(copies / "task.ipynb").cells[0].source == "version 1"


def test_only_sources_and_kinds_of_cells_count_as_changes() -> None:
    notebook = {"cells": [{"cell_type": "code", "source": ["a\n", "b"]}]}
    origin = {"sources": working_copies.hash_sources(notebook)}
    same = {
        "cells": [{"cell_type": "code", "source": "a\nb", "outputs": [1], "metadata": {"x": 1}}],
        "metadata": {"kpfnb": origin},
    }
    assert not has_changes(same)
    same["cells"].append({"cell_type": "markdown", "source": ""})  # type: ignore[union-attr]
    assert has_changes(same)


def test_the_directory_is_private_and_those_of_others_can_be_made(tmp_path: Path) -> None:
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    work_dir.chmod(0o2775)
    directory = prepare_directory(work_dir)
    assert stat.S_IMODE(directory.stat().st_mode) & 0o777 == 0o700
    assert stat.S_IMODE(directory.parent.stat().st_mode) == 0o3775


def test_a_directory_that_was_readable_becomes_private(tmp_path: Path) -> None:
    directory = prepare_directory(tmp_path)
    directory.chmod(0o755)
    assert stat.S_IMODE(prepare_directory(tmp_path).stat().st_mode) == 0o700


def test_two_persons_have_two_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directories = set()
    for name in ("ann", "bob", r"KECK\ann", "../ann"):
        monkeypatch.setenv("LOGNAME", name)
        directories.add(prepare_directory(tmp_path))
    assert {path.parent for path in directories} == {tmp_path / "lab"}
    assert {path.name for path in directories} == {"ann", "bob", "KECK_ann", "___ann"}


def test_the_directory_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = prepare_directory(tmp_path)
    monkeypatch.setattr(working_copies.os, "getuid", lambda: 4242)
    with pytest.raises(InvalidSettingsError, match="belongs to another user"):
        prepare_directory(tmp_path)
    assert directory.is_dir()


def test_a_work_directory_that_cant_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidSettingsError) as caught:
        prepare_directory(tmp_path / "file")
    assert "choose a work directory that you can write" in str(caught.value)


def test_copies_of_the_real_notebooks_are_valid(tmp_path: Path) -> None:
    notebooks = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
    directory = prepare_directory(tmp_path)
    assert update_copies(directory, notebooks) == []
    for notebook in notebooks:
        copy = json.loads((directory / notebook.name).read_text())
        nbformat.validate(copy)
        assert not has_changes(copy)
        assert copy["metadata"]["kpfnb"]["notebook"] == notebook.stem
