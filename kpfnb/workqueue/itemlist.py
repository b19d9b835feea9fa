"""Lists of items: arguments, standard input, files."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from kpfnb.errors import BadInput

STANDARD_INPUT = "-"


def read(arguments: Iterable[str], file: Path | None = None) -> list[str]:
    """The items that arguments name, `-` standing for standard input, then those in a file."""
    found: list[str] = []
    for argument in arguments:
        found += lines(sys.stdin) if argument == STANDARD_INPUT else [argument]
    if file:
        try:
            found += lines(file.read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"can't read the items in {file}: {error}", "one item a line") from None
    return found


def lines(text: Iterable[str]) -> Iterator[str]:
    """One item a line; empty lines and those that begin with # are left out."""
    for line in text:
        item = line.strip()
        if item and not item.startswith("#"):
            yield item
