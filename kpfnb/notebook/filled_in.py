"""Values with which a notebook is opened: they wait beside its file for the form to take them.

A link on a page or in another notebook leads to a notebook with its form filled in
(`kpfnb.lab.opening`). The values are taken once, by the next `kpfnb.begin()` of that notebook.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kpfnb.core import atomic
from kpfnb.core.errors import InvalidParameterError
from kpfnb.notebook.parameters import Parameter, validate_parameters

MAX_AGE_SECONDS = 600
"""Older values are not taken: the person has gone another way since."""


def waiting_file(notebook: Path) -> Path:
    """The file of the values that wait for a notebook."""
    return notebook.with_name(f".{notebook.stem}.filled-in.json")


def store_values(notebook: Path, values: Mapping[str, Any]) -> None:
    """Let the next start of the notebook's form take these values."""
    atomic.write_json(waiting_file(notebook), dict(values))


def are_waiting(notebook: Path) -> bool:
    """True if values wait for the notebook."""
    try:
        return time.time() - waiting_file(notebook).stat().st_mtime < MAX_AGE_SECONDS
    except OSError:
        return False


def take_values(notebook: Path, parameters: list[Parameter]) -> dict[str, Any]:
    """The checked values that wait for the notebook, once; {} if there are none.

    Also if one no longer fits, since the parameters cell has changed meanwhile.
    """
    file = waiting_file(notebook)
    is_fresh = are_waiting(notebook)
    values: Any = None
    with suppress(OSError, ValueError):
        values = json.loads(file.read_text(encoding="utf-8"))
    with suppress(OSError):
        file.unlink()
    if not is_fresh or not isinstance(values, dict):
        return {}
    try:
        checked = validate_parameters(parameters, values)
    except InvalidParameterError:
        return {}
    return {name: checked[name] for name in values}
