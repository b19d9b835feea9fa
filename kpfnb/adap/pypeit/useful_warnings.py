"""The warnings in PypeIt's logs that a person should see, in a file of their own.

Which these are is data: `usefulwarnings.yml`, or the file that the setting `useful_warnings` names.
Warnings are told by their text, since files and functions change from version to version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kpfnb import files, settings, yamlfile
from kpfnb.adap.pypeit import pypeitlog
from kpfnb.errors import BadInput

LIST = Path(__file__).with_name("usefulwarnings.yml")
SUFFIX = "_useful_warns.log"
HINT = "give sections, each with a list of texts; * stands for any text"


@dataclass(frozen=True)
class Warned:
    """One warning of a log.

    Attributes
    ----------
    line : number of its line in the log, from 1
    section : that of the list, as `sky`
    text : the message
    """

    line: int
    section: str
    text: str


def find(log: Path) -> list[Warned]:
    """The useful warnings of a log of PypeIt 1.x or 2.x, in its order; none if there is no log."""
    sections = _sections(settings.load().useful_warnings)
    entries = [one for one in pypeitlog.read(log).entries if one.level == "WARNING"]
    pairs = [(entry, " ".join(entry.text.split())) for entry in entries]
    return [
        Warned(entry.line, section, text)
        for entry, text in pairs
        if (section := _section(text, sections))
    ]


def write(log: Path) -> Path:
    """Write `<log>_useful_warns.log` beside a log: a line `N -- line` for each, N from 1.

    The file is there, empty, where a log has none; so one that is missing tells that nobody looked.
    Returns its path. `BadInput` where there is no log, or the list can't be used.
    """
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise BadInput(f"can't read the log {log}: {error.strerror}") from error
    found = [f"{one.line} -- {_plain(lines[one.line - 1])}\n" for one in find(log)]
    path = log.with_name(log.stem + SUFFIX)
    files.write_text(path, "".join(found))
    return path


def _plain(line: str) -> str:
    return pypeitlog.COLOUR.sub("", line).strip()


def _section(text: str, sections: dict[str, re.Pattern[str]]) -> str:
    """The section of the list that has a text like this; '' where none has."""
    return next((name for name, texts in sections.items() if texts.search(text)), "")


@cache
def _sections(path: Path | None) -> dict[str, re.Pattern[str]]:
    """One expression for each section of the list."""
    document = yamlfile.read(path or LIST, hint=HINT)
    sections = document.mapping("a list of warnings")
    for name, texts in sections.items():
        if not isinstance(texts, list):
            raise document.wrong("a section is a list of texts", name)
        for number, text in enumerate(texts):
            if not isinstance(text, str) or not text.strip(" *"):
                raise document.wrong(f"{text!r} is no text of a warning", name, number)
    return {str(name): _any_of(texts) for name, texts in sections.items()}


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    plain = [" ".join(text.split()) for text in texts]
    return re.compile("|".join(re.escape(t).replace(r"\*", ".*") for t in plain), re.IGNORECASE)
