"""A person's working copies of the notebooks: JupyterLab never writes the notebooks themselves.

A copy says in its metadata of which version of which notebook it is one. A copy that the person has
not changed follows the notebook; a changed one is kept, and the notebook's new version is laid
beside it. Changed means that the sources of the cells differ: outputs and metadata do not count.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kpfnb.core import atomic
from kpfnb.core.errors import InvalidSettingsError

LAB_FOLDER = "lab"
ORIGIN = "kpfnb"
"""The key of a copy's metadata that says where it comes from."""
NEW_VERSION_SUFFIX = ".new-version.ipynb"
PRIVATE_MODE = 0o700


def user_name() -> str:
    """The name of the current user, fit for a directory; the number if there is no name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return re.sub(r"[^\w@-]", "_", name)


def prepare_directory(work_dir: Path) -> Path:
    """The current user's directory of working copies, which only that user can read.

    `InvalidSettingsError` if it can't be made, or belongs to somebody else.
    """
    directory = work_dir / LAB_FOLDER / user_name()
    hint = "choose a work directory that you can write, with --work-dir or KPFNB_WORK_DIR"
    try:
        _make_shared_folder(work_dir)
        directory.mkdir(mode=PRIVATE_MODE, exist_ok=True)
        if directory.stat().st_uid != os.getuid():
            raise InvalidSettingsError(f"{directory} belongs to another user", hint)
        directory.chmod(PRIVATE_MODE)
    except OSError as error:
        raise InvalidSettingsError(f"can't write in {directory}: {error.strerror}", hint) from None
    if not os.access(directory, os.W_OK):
        raise InvalidSettingsError(f"can't write in {directory}", hint)
    return directory


def update_copies(directory: Path, notebooks: Iterable[Path]) -> list[str]:
    """Make or update the working copies; returns a line for each that needs the person's notice."""
    return [line for notebook in notebooks if (line := _update_copy(directory, notebook))]


def has_changes(copy: dict[str, Any]) -> bool:
    """True if a person has changed the sources of a working copy's cells."""
    return bool(_origin(copy).get("sources") != hash_sources(copy))


def hash_sources(notebook: dict[str, Any]) -> str:
    """A hash of the kinds and sources of a notebook's cells."""
    cells = [(cell.get("cell_type"), _text(cell.get("source"))) for cell in _cells(notebook)]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def _make_shared_folder(work_dir: Path) -> None:
    """The directory of all users' directories: whoever can write in the work directory can."""
    work_dir.mkdir(parents=True, exist_ok=True)
    folder = work_dir / LAB_FOLDER
    if not folder.is_dir():
        folder.mkdir(exist_ok=True)
        # As in /tmp, nobody renames or removes what belongs to another
        folder.chmod(stat.S_IMODE(work_dir.stat().st_mode) | stat.S_ISVTX)


def _update_copy(directory: Path, notebook: Path) -> str:
    content = notebook.read_bytes()
    version = hashlib.sha256(content).hexdigest()
    copy = directory / notebook.name
    beside = directory / (notebook.stem + NEW_VERSION_SUFFIX)
    existing = _read_copy(copy)
    sources = hash_sources(json.loads(content))
    if existing is None or not has_changes(existing) or hash_sources(existing) == sources:
        _write_copy(copy, existing, content, version)
        _remove_unchanged(beside)
        return ""
    if _origin(existing).get("sources") == sources:
        return ""
    newer = _read_copy(beside)
    if newer is None or not has_changes(newer):
        _write_copy(beside, newer, content, version)
    return f"{copy.name}: your changed copy is kept; kpfnb's new version is {beside.name}"


def _write_copy(path: Path, existing: Any, content: bytes, version: str) -> None:
    """Write a copy of a notebook unless it is one of this version; outputs are left out."""
    if existing is not None and _origin(existing).get("version") == version:
        return
    notebook = json.loads(content)
    for cell in _cells(notebook):
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    notebook["metadata"].pop("widgets", None)
    origin = {"version": version, "sources": hash_sources(notebook)}
    notebook["metadata"][ORIGIN] = origin | {"notebook": path.name.partition(".")[0]}
    atomic.write_text(path, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    _trust(path)


def _trust(path: Path) -> None:
    """Sign a copy as JupyterLab does, which then shows its outputs without a question."""
    import nbformat
    from nbformat.sign import NotebookNotary

    NotebookNotary().sign(nbformat.read(path, as_version=4))


def _remove_unchanged(path: Path) -> None:
    existing = _read_copy(path)
    if existing is not None and not has_changes(existing):
        path.unlink()


def _read_copy(path: Path) -> dict[str, Any] | None:
    """The notebook in a file; {} if it is damaged, which counts as changed; None if it is gone."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _origin(notebook: dict[str, Any]) -> dict[str, Any]:
    metadata = notebook.get("metadata")
    origin = metadata.get(ORIGIN) if isinstance(metadata, dict) else None
    return origin if isinstance(origin, dict) else {}


def _cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    cells = notebook.get("cells")
    return [cell for cell in cells if isinstance(cell, dict)] if isinstance(cells, list) else []


def _text(source: Any) -> str:
    return "".join(map(str, source)) if isinstance(source, list) else str(source)
