"""The kinds of parameters: what values they accept, and the types to which these are converted."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kpfnb.core import nights
from kpfnb.core.clock import check_night

_TIME_OF_DAY = re.compile(r"\d{1,5}|\d{5}\.\d{1,2}", re.ASCII)
"""The beginning of the seconds in the name of a file."""


@dataclass(frozen=True)
class ParameterKind:
    """The type of a parameter; `options` are its choices, or its lower and upper limit."""

    name: str
    options: tuple[str, ...] = ()

    def check(self, value: Any) -> Any:
        """The value in its proper type; ValueError says what was expected."""
        if self.name in ("int", "float"):
            return _check_number(value, int if self.name == "int" else float, self.options)
        if self.name in ("choice", "subset"):
            return _VALUE_CHECKS[self.name](value, self.options)
        return _VALUE_CHECKS[self.name](value)

    def resolve_nights(self, value: Any, resolve: Callable[[str], str]) -> Any:
        """A checked value in which `last` is replaced by the night that it means."""
        if self.name in ("night", "moment"):
            return resolve(value)
        return [*map(resolve, value)] if self.name == "targets" else value

    def __str__(self) -> str:
        return f"{self.name}[{', '.join(self.options)}]" if self.options else self.name


def parse_kind(text: str) -> ParameterKind:
    """The kind that an annotation names.

    `str`, `int`, `float`, `bool`, `path`; `int[1, 64]` and `float[0, 1]` with limits; `list[str]`,
    `list[path]`; `choice[a, b]`; `subset[a, b]`; `night` (YYYYMMDD, UT; '' for none), `moment`
    (a night, or the beginning of a time in it: YYYYMMDD.SSSSS), `targets` (a list of nights,
    ranges START:END, observations, files); `version` (2.9 or v2.9.1; '' for none). In the kinds
    with nights `last` is the newest night with raw files.
    """
    name, _, rest = text.replace(" ", "").partition("[")
    options = tuple(filter(None, rest.rstrip("]").split(",")))
    if name == "list" and options in (("str",), ("path",)):
        return ParameterKind(f"list[{options[0]}]")
    if name not in {*_VALUE_CHECKS, "int", "float"}:
        known = ", ".join(sorted({*_VALUE_CHECKS, "int", "float"}))
        raise ValueError(f"unknown kind {text!r}; known are {known}")
    if not _OPTION_CHECKS.get(name, _has_no_options)(options):
        raise ValueError(f"kind {text!r} is not complete; see kpfnb.notebook.parameters.parse_kind")
    return ParameterKind(name, options)


def _check_text(value: Any) -> str:
    # papermill turns `-p name 20240131` into a number
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)
    raise ValueError("must be a text")


def _check_flag(value: Any) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if isinstance(value, bool):
        return value
    if str(value).lower() in words:
        return words[str(value).lower()]
    raise ValueError("must be true or false")


def _check_number(value: Any, convert: type, limits: tuple[str, ...]) -> Any:
    what = "a whole number" if convert is int else "a number"
    try:
        number = convert(value if isinstance(value, str) or convert is float else repr(value))
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"must be {what}") from None
    if isinstance(value, bool) or number in (math.inf, -math.inf) or number != number:
        raise ValueError(f"must be {what}")
    if limits and not float(limits[0]) <= number <= float(limits[1]):
        raise ValueError(f"must be {what} from {limits[0]} to {limits[1]}")
    return number


def _check_list(value: Any) -> list[str]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, (list, tuple)):
        return [_check_text(part) for part in value]
    raise ValueError("must be a list of texts")


def _check_choice(value: Any, options: tuple[str, ...]) -> str:
    if str(value) not in options:
        raise ValueError(f"must be one of {', '.join(options)}")
    return str(value)


def _check_subset(value: Any, options: tuple[str, ...]) -> list[str]:
    return [_check_choice(part, options) for part in _check_list(value)]


def _check_night(value: Any) -> str:
    text = _check_text(value).strip()
    if nights.is_last(text):
        return nights.LAST
    try:
        return check_night(text)
    except ValueError:
        raise ValueError("must be a valid date, as YYYYMMDD, or last") from None


def _check_moment(value: Any) -> str:
    text = _check_text(value).strip()
    night, _, time = text.removeprefix("KP.").partition(".")
    if time and (nights.is_last(night) or not _TIME_OF_DAY.fullmatch(time)):
        raise ValueError("must be YYYYMMDD, YYYYMMDD.SSSSS or YYYYMMDD.SSSSS.ss, or last")
    checked = _check_night(night)
    return checked if checked == nights.LAST else text


def _check_version(value: Any) -> str:
    text = _check_text(value)
    parts = text.removeprefix("v").partition("-")[0].split(".")
    if text and not all(part.isdecimal() for part in parts):
        raise ValueError("must be a version such as 2.9 or v2.9.1")
    return text


_VALUE_CHECKS: dict[str, Callable[..., Any]] = {
    "str": _check_text,
    "path": _check_text,
    "bool": _check_flag,
    "list[str]": _check_list,
    "list[path]": _check_list,
    "targets": _check_list,
    "choice": _check_choice,
    "subset": _check_subset,
    "night": _check_night,
    "moment": _check_moment,
    "version": _check_version,
}


def _has_no_options(options: tuple[str, ...]) -> bool:
    return not options


def _has_options(options: tuple[str, ...]) -> bool:
    return bool(options)


def _are_limits(options: tuple[str, ...]) -> bool:
    try:
        lower_and_upper = [float(option) for option in options]
    except ValueError:
        return False
    return len(options) in (0, 2) and lower_and_upper == sorted(lower_and_upper)


_OPTION_CHECKS: dict[str, Callable[[tuple[str, ...]], bool]] = {
    "int": _are_limits,
    "float": _are_limits,
    "choice": _has_options,
    "subset": _has_options,
}
"""Checks what is in the brackets of a kind; other kinds have no brackets."""
