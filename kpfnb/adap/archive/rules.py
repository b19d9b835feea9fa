"""Which files are delivered and which keywords the tables hold: data, in a YAML file."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import Field

from kpfnb import yamlfile
from kpfnb.adap import dataset
from kpfnb.yamlfile import Strict

DEFAULT = Path(__file__).with_name("koa.yml")
BELOW = "**"


class Rules(Strict):
    """The content of a file of rules; `koa.yml` tells what each part is."""

    deliver: Annotated[tuple[str, ...], Field(min_length=1)]
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
    document = yamlfile.read(file, hint=f"compare it with {DEFAULT.name}")
    return document.parse(Rules, document.mapping("a file of rules"))


def _any(path: str, patterns: tuple[str, ...]) -> bool:
    ways = [path.split("/"), path.removeprefix(f"{dataset.COMPLETE}/").split("/")]
    return any(_matches(parts, pattern.split("/")) for pattern in patterns for parts in ways)


def _matches(parts: list[str], pattern: list[str]) -> bool:
    if pattern[-1] == BELOW:
        pattern = pattern[:-1]
        if len(parts) <= len(pattern):
            return False
        parts = parts[: len(pattern)]
    return len(parts) == len(pattern) and all(map(fnmatchcase, parts, pattern))
