"""How well something is: what a check says of the one thing that it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """What a check found."""

    OK = "ok"
    WARNING = "warning"
    """All that does not need it works."""
    PROBLEM = "problem"
    """Something that was asked for can't work."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, what was found, and what to do."""

    name: str
    health: Health
    found: str
    advice: str = ""


def ok(name: str, found: str) -> Check:
    """It works."""
    return Check(name, Health.OK, found)


def warning(name: str, found: str, advice: str) -> Check:
    """Something is missing that not everybody needs."""
    return Check(name, Health.WARNING, found, advice)


def problem(name: str, found: str, advice: str) -> Check:
    """It can't work as it is."""
    return Check(name, Health.PROBLEM, found, advice)
