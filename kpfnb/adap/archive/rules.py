"""Which files are delivered and which keywords the tables hold: data, in a YAML file."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kpfnb.errors import BadInput

DEFAULT = Path(__file__).with_name("koa.yml")
BELOW = "**"


class Rules(BaseModel):
    """The content of a file of rules; `koa.yml` tells what each part is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    deliver: tuple[str, ...] = Field(min_length=1)
    leave: tuple[str, ...] = ()
    reduced: dict[str, str]
    coadded_spectrum: dict[str, str]
    coadded_header: dict[str, str]
    digits: dict[str, int] = {}

    def is_delivered(self, path: str) -> bool:
        """True for a file that goes to the archive, by its path below the unit."""
        return not self.is_left(path) and _any(path, self.deliver)

    def is_left(self, path: str) -> bool:
        """True for a file that is known, and does not go there."""
        return _any(path, self.leave)


def load(path: str | Path = "") -> Rules:
    """The rules in a file; '' for those of KOA. `BadInput` names what is wrong in it."""
    file = Path(path).expanduser() if path else DEFAULT
    try:
        content: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        return Rules.model_validate(content)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(f"rules: can't read {file}: {error}", "give a YAML file") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise BadInput(f"rules {file}: {where}: {first['msg']}", f"see {DEFAULT.name}") from None


def _any(path: str, patterns: tuple[str, ...]) -> bool:
    parts = path.split("/")
    return any(_matches(parts, pattern.split("/")) for pattern in patterns)


def _matches(parts: list[str], pattern: list[str]) -> bool:
    if pattern[-1] == BELOW:
        pattern = pattern[:-1]
        if len(parts) <= len(pattern):
            return False
        parts = parts[: len(pattern)]
    return len(parts) == len(pattern) and all(map(fnmatchcase, parts, pattern))
