"""What pypeit_collate_1d says it has matched, and what it could not coadd."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from kpfnb.adap.pypeit import pypeitlog

_CREATING = re.compile(r"Creating (.+\.fits) from the following sources:")
_SOURCE = re.compile(r"\s*(\S.*/)?([^/]+\.fits): (\S+) \((.*)\)")
_FAILED = re.compile(r"Failed to coadd (.+\.fits), skipping")
_DROPPED = re.compile(r"(?:Failed to flux calibrate|Failed to read) (.+\.fits), skipping it\.")
_NO_SENS = re.compile(r"Could not find archived sensfunc to flux (.+\.fits), skipping it\.")


@dataclass(frozen=True)
class Match:
    """Spectra that PypeIt takes for those of one object.

    Attributes
    ----------
    file : the name of the coadd that is to be made of them
    members : name of the spec1d file, and of the object in it
    mask_name : of the object in the mask's design; '' where there is none
    """

    file: str
    members: tuple[tuple[str, str], ...]
    mask_name: str = ""


@dataclass(frozen=True)
class Collated:
    """What one log tells.

    Attributes
    ----------
    failures : why a coadd was not made, by its name
    dropped : why a spec1d file was not used, by its name
    """

    matches: tuple[Match, ...] = ()
    failures: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)


def read(log: Path) -> Collated:
    """What a log tells; nothing where there is none."""
    return parse(pypeitlog.read(log).entries)


def parse(entries: Iterable[pypeitlog.Entry]) -> Collated:
    """What those messages tell. An exception is told in the message before the one that names."""
    sources: dict[str, list[tuple[str, str, str]]] = {}
    failures: dict[str, str] = {}
    dropped: dict[str, str] = {}
    current: list[tuple[str, str, str]] = []
    before = ""
    for entry in entries:
        if found := _CREATING.match(entry.text):
            current = sources.setdefault(_name(found[1]), [])
        elif found := _SOURCE.fullmatch(entry.text):
            current.append((found[2], found[3], found[4]))
        elif found := _FAILED.match(entry.text):
            failures[_name(found[1])] = pypeitlog.last_exception(before) or "PypeIt gave no reason"
        elif found := _DROPPED.match(entry.text) or _NO_SENS.match(entry.text):
            dropped[_name(found[1])] = pypeitlog.last_exception(before) or entry.text
        before = entry.text
    matches = [
        Match(file, tuple((spec1d, name) for spec1d, name, _ in members), _mask_name(members))
        for file, members in sources.items()
    ]
    return Collated(tuple(matches), failures, dropped)


def _mask_name(members: list[tuple[str, str, str]]) -> str:
    names = [name for _, _, name in members if name not in ("", "None")]
    return names[0] if names else ""


def _name(path: str) -> str:
    return path.rpartition("/")[2]
