"""The keywords of real KPF files: their levels, kinds, units, and the versions that write them.

`keywords.csv` has one line per keyword, or per family such as `STDWGS[00-34]`.
"""

from __future__ import annotations

import csv
import difflib
import re
from functools import cache
from importlib import resources
from typing import NamedTuple

from kpfnb.kpf.files.drp import parse_version
from kpfnb.kpf.files.obsid import KPF

PRIMARY = "PRIMARY"
TELEMETRY = "TELEMETRY"

SWITCH_VALUES = {
    "open": 1,
    "closed": 0,
    "yes": 1,
    "no": 0,
    "true": 1,
    "false": 0,
    "on": 1,
    "off": 0,
}
"""Words of keywords of kind `switch` in lower case, and the number that KPF's own database stores
for them."""

NEVER = "none"
"""`since` of a documented keyword that no version up to `NEWEST_VERSION` writes."""

UNKNOWN = "?"
"""`since` of a keyword that some files of one version have and others have not; `?2.12.0` is one
that all files have since that version."""

NEWEST_VERSION = "2.12.1"
"""The newest version of the DRP whose code was read for the catalogue."""

_STRUCTURE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|GROUPS|BSCALE|BZERO|BLANK|BUNIT|"
    r"EXTNAME|EXTVER|EXTLEVEL|END|COMMENT|HISTORY|CONTINUE|CHECKSUM|DATASUM|ORIGIN|INHERIT|"
    r"TFIELDS|T(?:TYPE|FORM|UNIT|NULL|SCAL|ZERO|DISP|DIM|BCOL)\d+|THEAP|"
    r"ZIMAGE|ZCMPTYPE|ZBITPIX|ZNAXIS\d*|ZTILE\d+|ZNAME\d+|ZVAL\d+|ZPCOUNT|ZGCOUNT|ZSIMPLE|ZEXTEND|"
    r"ZTENSION|ZQUANTIZ|ZDITHER0|ZBLANK|ZHECKSUM|ZDATASUM"
)
"""Keywords of the FITS standard that say how a file is stored; each extension has its own."""

_FAMILY = re.compile(r"(?P<stem>.*)\[(?P<low>\d+)-(?P<high>\d+)\]")


class CatalogueKeyword(NamedTuple):
    """One line of the catalogue.

    Attributes
    ----------
    name : the keyword, or a family such as `STDWGS[00-34]`
    levels : those whose files have it, of L0, 2D, L1, L2 and master
    extension : PRIMARY, TELEMETRY (names are rows of the table), RV, ...
    kind : int, float, text, time, flag (0 or 1), switch (see `SWITCH_VALUES`) or hst-time
    since : first version of the DRP that writes it; '' is v2.7.3 or earlier; or `NEVER`, `UNKNOWN`
    until : last version that writes it; '' if that is the newest
    """

    name: str
    levels: tuple[str, ...]
    extension: str
    kind: str
    unit: str
    description: str
    since: str = ""
    until: str = ""

    def members(self) -> list[str]:
        """The keywords of the family; or the name alone."""
        return expand_family(self.name)


def expand_family(text: str) -> list[str]:
    """The keywords of a family: `STDWGS[00-34]` means 35; other text is one keyword."""
    match = _FAMILY.fullmatch(text)
    if not match:
        return [text]
    numbers = range(int(match["low"]), int(match["high"]) + 1)
    return [f"{match['stem']}{number:0{len(match['low'])}d}" for number in numbers]


@cache
def read_catalogue() -> tuple[CatalogueKeyword, ...]:
    """All lines of the catalogue, in the order of the cards of real files."""
    return tuple(
        CatalogueKeyword(row["name"], tuple(row["levels"].split()), *list(row.values())[2:])
        for row in read_package_table("keywords.csv")
    )


def read_package_table(name: str) -> list[dict[str, str]]:
    """The rows of a CSV file beside this module."""
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def _index_by_name() -> dict[str, list[CatalogueKeyword]]:
    index: dict[str, list[CatalogueKeyword]] = {}
    for keyword in read_catalogue():
        for name in keyword.members():
            index.setdefault(name, []).append(keyword)
    return index


def find_keyword(name: str, level: str = "", extension: str = PRIMARY) -> CatalogueKeyword | None:
    """The line of a keyword; '' means any level or any extension."""
    for keyword in _index_by_name().get(name, []):
        if level in ("", *keyword.levels) and extension in ("", keyword.extension):
            return keyword
    return None


def is_structural(name: str) -> bool:
    """Whether a keyword belongs to the FITS standard and says how the data are stored."""
    return bool(_STRUCTURE.fullmatch(name))


def is_known(name: str) -> bool:
    """Whether a keyword exists in real KPF files, at any level and in any extension."""
    return name in _index_by_name() or is_structural(name)


def list_keywords(level: str = "", extension: str = "") -> list[CatalogueKeyword]:
    """The lines of a level and extension; '' means any."""
    return [
        keyword
        for keyword in read_catalogue()
        if level in ("", *keyword.levels) and extension in ("", keyword.extension)
    ]


def suggest_keyword(name: str) -> str:
    """A hint for an unknown keyword: `did you mean AIRMASS?`, or '' if nothing is similar."""
    spelling = {known.upper(): known for known in _index_by_name()}
    similar = difflib.get_close_matches(name.upper(), spelling, n=1, cutoff=0.7)
    return f"did you mean {spelling[similar[0]]}?" if similar else ""


def describe_unknown(name: str) -> str:
    """What to say of a keyword that is not in the catalogue; '' if it is."""
    if is_known(name):
        return ""
    return "; ".join(filter(None, ["no known keyword of KPF", suggest_keyword(name)]))


def was_written(name: str, level: str, drptag: str, extension: str = PRIMARY) -> bool | None:
    """Whether a version of the DRP writes a keyword in files of a level.

    The header of a master may come from an observation that an earlier version reduced.

    Returns
    -------
    True also for what the instrument writes; None if it is not known: the tag is no version, or
    the keyword is not in the catalogue
    """
    if not is_known(name):
        return None
    keyword = find_keyword(name, level, extension)
    if keyword is None:
        return False
    first = keyword.since.removeprefix(UNKNOWN)
    in_some_earlier = keyword.since.startswith(UNKNOWN)
    if in_some_earlier and not first:
        return None
    if KPF.raw in keyword.levels:
        return True
    version = parse_version(drptag)
    newest = parse_version(NEWEST_VERSION)
    if version is None or newest is None:
        return None
    if first == NEVER:
        return None if version > newest else False
    since, until = parse_version(first), parse_version(keyword.until)
    if since is not None and version < since:
        return None if in_some_earlier else False
    return until is None or version <= until


def describe_since(keyword: CatalogueKeyword) -> str:
    """Since when the DRP writes a keyword, in words: `v2.9.0`; '' if it always does."""
    if keyword.since == NEVER:
        return f"no version up to v{NEWEST_VERSION}"
    if keyword.since == UNKNOWN:
        return "not in all files"
    if keyword.since.startswith(UNKNOWN):
        return f"v{keyword.since.removeprefix(UNKNOWN)}; some files of earlier versions"
    return f"v{keyword.since}" if keyword.since else ""
