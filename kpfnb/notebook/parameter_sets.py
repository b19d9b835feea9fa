"""Named sets of parameters, `params/<notebook>.<name>.yml`: found, loaded and saved."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kpfnb.core import atomic, logs, project
from kpfnb.core.errors import InvalidInputError
from kpfnb.notebook.parameters import Parameter, validate_parameters
from kpfnb.notebook.runner import load_parameter_file

SETS_FOLDER = "params"
_SET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def list_sets(notebook: str) -> dict[str, Path]:
    """The sets of a notebook, by name."""
    start = f"{notebook}."
    found = project.project_files(SETS_FOLDER, ".yml")
    return {
        stem.removeprefix(start): path for stem, path in found.items() if stem.startswith(start)
    }


def load_set(file: Path, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """The values of all parameters: those of the set, the others at their defaults.

    `InvalidInputError` for a file that is no set, `InvalidParameterError` for a value that is none.
    """
    return validate_parameters(parameters, load_parameter_file(file))


def save_set(
    notebook: str,
    name: str,
    parameters: Sequence[Parameter],
    values: Mapping[str, Any],
    *,
    replace: bool = False,
) -> Path:
    """Write a set: the values that are not the defaults. Returns its file.

    Raises
    ------
    InvalidParameterError : a value is wrong
    InvalidInputError : the name is none, or is taken and `replace` was not said, or a value is a secret
    """
    import yaml

    if not _SET_NAME.fullmatch(name):
        raise InvalidInputError(
            f"{name!r} is no name for a set of parameters", "letters, digits, - and _, no spaces"
        )
    checked = validate_parameters(parameters, values)
    changed = {
        one.name: checked[one.name] for one in parameters if checked[one.name] != one.default
    }
    text = f"# Parameters of {notebook}; those not named here are at their defaults.\n"
    text += yaml.safe_dump(changed, sort_keys=False, allow_unicode=True)
    if logs.redact_secrets(text) != text:
        raise InvalidInputError("a value is a secret of the settings", "leave it to the settings")
    file = project.project_dirs(SETS_FOLDER)[0] / f"{notebook}.{name}.yml"
    if file.exists() and not replace:
        raise InvalidInputError(f"{name} is there already", "save again to replace it")
    try:
        atomic.write_text(file, text)
    except OSError as error:
        raise InvalidInputError(f"can't write {file}: {error.strerror}") from None
    return file
