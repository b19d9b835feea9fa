"""Named sets of parameter values (presets), stored as `params/<notebook>.<name>.yml`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kpfnb.core import atomic, logs, project
from kpfnb.core.errors import InvalidInputError
from kpfnb.notebook.parameters import Parameter, validate_parameters

SETS_FOLDER = "params"
_SET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def list_sets(notebook: str) -> dict[str, Path]:
    """The sets of a notebook, by name."""
    prefix = f"{notebook}."
    files = project.project_files(SETS_FOLDER, ".yml")
    return {
        stem.removeprefix(prefix): path for stem, path in files.items() if stem.startswith(prefix)
    }


def load_parameter_file(file: Path) -> dict[str, Any]:
    """The parameter values in a YAML file of `name: value` lines."""
    import yaml

    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInputError(f"can't read the parameters in {file}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            f"{file} is not YAML: {error}", "write it as   name: value"
        ) from None
    if not isinstance(values or {}, dict):
        raise InvalidInputError(f"{file} is not a set of parameters", "write it as   name: value")
    return {str(name): value for name, value in (values or {}).items()}


def load_set(file: Path, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """The values of all parameters: those in the set, and the defaults of the others.

    Raises
    ------
    InvalidInputError : the file is not a set of parameters
    InvalidParameterError : a value is invalid
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
    """Save a set: the values that differ from the defaults. Returns its file.

    Raises
    ------
    InvalidParameterError : a value is invalid
    InvalidInputError : the name is invalid, or exists and `replace` is False, or a value is a
        secret of the settings
    """
    import yaml

    if not _SET_NAME.fullmatch(name):
        raise InvalidInputError(
            f"{name!r} is not a valid name for a set of parameters",
            "use letters, digits, - and _, no spaces",
        )
    checked = validate_parameters(parameters, values)
    changed = {
        parameter.name: checked[parameter.name]
        for parameter in parameters
        if checked[parameter.name] != parameter.default
    }
    text = f"# Parameters of {notebook}; those not named here have their defaults.\n"
    text += yaml.safe_dump(changed, sort_keys=False, allow_unicode=True)
    if logs.redact_secrets(text) != text:
        raise InvalidInputError("a value is a secret of the settings", "keep it in the settings")
    file = project.project_dirs(SETS_FOLDER)[0] / f"{notebook}.{name}.yml"
    if file.exists() and not replace:
        raise InvalidInputError(f"{name} exists already", "save again to replace it")
    try:
        atomic.write_text(file, text)
    except OSError as error:
        raise InvalidInputError(f"can't write {file}: {error.strerror}") from None
    return file
