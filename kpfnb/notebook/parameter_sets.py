"""Named sets of parameters, `params/<notebook>.<name>.yml`: found, loaded and saved."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kpfnb import files, log, project
from kpfnb.errors import BadInput
from kpfnb.notebooks import load_parameters
from kpfnb.parameters import Parameter, validate

FOLDER = "params"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def names(notebook: str) -> dict[str, Path]:
    """The sets of a notebook, by name."""
    start = f"{notebook}."
    found = project.files(FOLDER, ".yml")
    return {
        stem.removeprefix(start): path for stem, path in found.items() if stem.startswith(start)
    }


def load(file: Path, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """The values of all parameters: those of the set, the others at their defaults.

    `BadInput` for a file that is no set, `BadParameter` for a value that is none.
    """
    return validate(parameters, load_parameters(file))


def save(
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
    BadParameter : a value is wrong
    BadInput : the name is none, or is taken and `replace` was not said, or a value is a secret
    """
    import yaml

    if not _NAME.fullmatch(name):
        raise BadInput(
            f"{name!r} is no name for a set of parameters", "letters, digits, - and _, no spaces"
        )
    checked = validate(parameters, values)
    changed = {
        one.name: checked[one.name] for one in parameters if checked[one.name] != one.default
    }
    text = f"# Parameters of {notebook}; those not named here are at their defaults.\n"
    text += yaml.safe_dump(changed, sort_keys=False, allow_unicode=True)
    if log.redact(text) != text:
        raise BadInput("a value is a secret of the settings", "leave it to the settings")
    file = project.folders(FOLDER)[0] / f"{notebook}.{name}.yml"
    if file.exists() and not replace:
        raise BadInput(f"{name} is there already", "save again to replace it")
    try:
        files.write_text(file, text)
    except OSError as error:
        raise BadInput(f"can't write {file}: {error.strerror}") from None
    return file
