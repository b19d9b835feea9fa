"""Versions of the DRP as `DRPTAG` writes them: 2.9, v2.9.1, v2.9.1-12-gabc123."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from kpfnb.errors import BadParameter

_TAG = re.compile(r"v?(\d+(?:\.\d+)*)(?:[-+].*)?")


@lru_cache(maxsize=1024)
def parse(tag: str) -> tuple[int, ...] | None:
    """The numbers of a tag, without trailing zeros so that 2.9 and 2.9.0 are equal; None if none.

    What follows the numbers in a development tag is left out: v2.9.1-12-gabc123 counts as 2.9.1.
    """
    match = _TAG.fullmatch(tag.strip())
    if not match:
        return None
    numbers = [int(number) for number in match[1].split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def check(version: str) -> str:
    """The version as asked for, if it is one; else a `BadParameter`."""
    if parse(version) is None:
        raise BadParameter(
            f"version: {version!r} is not a DRP version", "write it as 2.9 or v2.9.1"
        )
    return version.strip()


def is_current(tag: str, version: str) -> bool:
    """True where the tag is the version asked for or a later one, compared part by part."""
    found, wanted = parse(tag), parse(version)
    return found is not None and wanted is not None and found >= wanted


def newest(tags: Iterable[str]) -> str:
    """The latest of the tags that are versions; '' where none is."""
    return max(filter(parse, tags), key=lambda tag: parse(tag) or (), default="")
