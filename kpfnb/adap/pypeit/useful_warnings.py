"""Useful warnings: those in PypeIt's logs that a person should see, in a file of their own.

The list of their texts is `useful_warnings.yml`, or the file named by the setting
`useful_warnings`. Warnings are recognized by their text, because PypeIt's files and functions
change from version to version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kpfnb.adap.pypeit.log import COLOUR_CODE, read_log
from kpfnb.core import atomic, settings, strict_yaml
from kpfnb.core.errors import InvalidInputError

LIST_FILE = Path(__file__).with_name("useful_warnings.yml")
SUFFIX = "_useful_warns.log"
LIST_HINT = "give sections, each with a list of texts; * stands for any text"


@dataclass(frozen=True)
class UsefulWarning:
    """One warning of a log.

    Attributes
    ----------
    line : number of its line in the log, from 1
    section : section of the list, for example `sky`
    text : the message
    """

    line: int
    section: str
    text: str


def find_warnings(log: Path) -> list[UsefulWarning]:
    """The useful warnings of a log of PypeIt 1.x or 2.x, in order; empty without a log."""
    sections = _load_sections(settings.load_settings().useful_warnings)
    warnings = [entry for entry in read_log(log).entries if entry.level == "WARNING"]
    pairs = [(entry, " ".join(entry.text.split())) for entry in warnings]
    return [
        UsefulWarning(entry.line, section, text)
        for entry, text in pairs
        if (section := _matching_section(text, sections))
    ]


def write_warnings(log: Path) -> Path:
    """Write `<log>_useful_warns.log` beside a log: a line `N -- line` for each warning, N from 1.

    A log without useful warnings gets an empty file, so a missing file means that the log was not
    searched. Returns the path. `InvalidInputError` if there is no log, or the list is not valid.
    """
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise InvalidInputError(f"can't read the log {log}: {error.strerror}") from error
    numbers = [warning.line for warning in find_warnings(log)]
    path = log.with_name(log.stem + SUFFIX)
    texts = [f"{number} -- {_plain_line(lines[number - 1])}\n" for number in numbers]
    atomic.write_text(path, "".join(texts))
    return path


def _plain_line(line: str) -> str:
    return COLOUR_CODE.sub("", line).strip()


def _matching_section(text: str, sections: dict[str, re.Pattern[str]]) -> str:
    """The section of the list with a text that matches; '' if none does."""
    return next((name for name, texts in sections.items() if texts.search(text)), "")


@cache
def _load_sections(path: Path | None) -> dict[str, re.Pattern[str]]:
    """The list as one expression for each section."""
    document = strict_yaml.read_yaml(path or LIST_FILE, hint=LIST_HINT)
    sections = document.require_mapping("a list of warnings")
    for name, texts in sections.items():
        if not isinstance(texts, list):
            raise document.error_at("a section is a list of texts", name)
        for number, text in enumerate(texts):
            if not isinstance(text, str) or not text.strip(" *"):
                raise document.error_at(f"{text!r} is not the text of a warning", name, number)
    return {str(name): _match_any(texts) for name, texts in sections.items()}


def _match_any(texts: Iterable[str]) -> re.Pattern[str]:
    plain = [" ".join(text.split()) for text in texts]
    return re.compile("|".join(re.escape(t).replace(r"\*", ".*") for t in plain), re.IGNORECASE)
