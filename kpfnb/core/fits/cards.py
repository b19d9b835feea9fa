"""The 80-byte cards of a FITS header: keyword, value and comment, as `astropy.io.fits` has them.

Cards of the usual kinds are read here, all others by astropy. An undefined value is None, as in
`header[keyword]`. A value that astropy rejects becomes its text, as in `Card.verify("fix")`; a
CONTINUE card that continues no text is left out. A record-valued card (`DP1 = 'AXIS.1: 2'`) is a
plain card with a text.

Source: FITS Standard 4.0, section 4; astropy.io.fits.card.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

CARD_SIZE = 80

HeaderValue = str | int | float | bool | complex | None

COMMENTARY = {"COMMENT", "HISTORY", ""}

BITPIX = (8, 16, 32, 64, -32, -64)
MAX_AXES = 999
USUAL_AXES = 4
_SIZE_KEYWORDS = (
    *("BITPIX", "GROUPS", "GCOUNT", "PCOUNT", "NAXIS"),
    *(f"NAXIS{axis}" for axis in range(1, USUAL_AXES + 1)),
)

CACHE_SIZE = 10_000

KEYWORD_SIZE = 8
"""A card begins with its keyword in eight bytes."""

_COMMENTARY_LABELS = {name.ljust(KEYWORD_SIZE).encode() for name in COMMENTARY}

_USUAL = re.compile(
    r"(?:(?=.{8}= )|(?=HIERARCH [A-Z0-9_-]+ *= )HIERARCH )([A-Z0-9_-]+) *= +"
    r"(?:'([ -&(-~]*)'|([TF])|([+-]?\d+)|([+-]?(?:\d+\.?\d*|\.\d+)(?:[deDE][+-]?\d+)?)|)"
    r" *(?:/ *(.*))?\Z"
)
"""keyword, then one of text, logical, integer and real, then the comment.

A text with a doubled quote does not match: astropy finds its end.
"""

_NOT_EQUALS, _NOT_BLANK, _BLANK = re.compile(b"[^=]"), re.compile(b"[^ ]"), re.compile(b" ")
_IN_NAMES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_- "
_NOT_IN_NAMES = re.compile(b"[^A-Z0-9_ -]")


class Card(NamedTuple):
    """One card, its CONTINUE cards included; COMMENT and HISTORY have their text as value."""

    keyword: str
    value: HeaderValue
    comment: str


class RawHeader(NamedTuple):
    """A header as the file has it, up to END."""

    cards: bytes
    names: Sequence[bytes]
    """The first eight bytes of each card."""


def parse_cards(header: RawHeader) -> list[Card]:
    """All cards in the order of the file."""
    raw = header.cards
    if b"CONTINUE" not in header.names:
        return [
            _read_card(raw[start : start + CARD_SIZE]) for start in range(0, len(raw), CARD_SIZE)
        ]
    starts = [i * CARD_SIZE for i, name in enumerate(header.names) if not i or name != b"CONTINUE"]
    return [
        _read_card(raw[start:end])
        for start, end in zip(starts, [*starts[1:], len(raw)], strict=True)
    ]


def select_values(header: RawHeader, keywords: Iterable[str]) -> dict[str, HeaderValue]:
    """The values of the keywords that are in the header, by the names given.

    Only cards that may have one of them are read.
    """
    names_by_keyword, labels = _keyword_labels(tuple(keywords))
    names = header.names
    hits = _card_numbers(names, labels)
    unusual = _unusual_card_numbers(header)
    if unusual:
        hits = sorted(i for i in unusual.union(hits) if i == 0 or names[i] != b"CONTINUE")
    values = values_by_keyword(_read_card(_card_image(header, i)) for i in hits)
    if unusual:
        values = {name.upper(): value for name, value in reversed(values.items())}
    return {keyword: values[name] for keyword, name in names_by_keyword if name in values}


@lru_cache
def _keyword_labels(keywords: tuple[str, ...]) -> tuple[list[tuple[str, str]], frozenset[bytes]]:
    """Each keyword with the name by which astropy looks it up; the first bytes of their cards."""
    names = [(keyword, _normalise_keyword(keyword)) for keyword in keywords]
    return names, frozenset(
        name.ljust(KEYWORD_SIZE).encode("ascii", "replace") for _, name in names
    )


def _card_numbers(names: Sequence[bytes], labels: frozenset[bytes]) -> list[int]:
    """The numbers of the cards that begin with one of the labels: the first, or all comments."""
    # Few of many cards are needed: sets and tuples are several times faster than a loop
    present = labels.intersection(names)
    if present.isdisjoint(_COMMENTARY_LABELS):
        return sorted(map(names.index, present))
    return [i for i, name in enumerate(names) if name in present]


def values_by_keyword(cards: Iterable[Card]) -> dict[str, HeaderValue]:
    """Keyword to value; the first card of a keyword counts, comments are joined by newlines."""
    values: dict[str, HeaderValue] = {}
    for keyword, value, _ in cards:
        if keyword in COMMENTARY and keyword in values:
            values[keyword] = f"{values[keyword]}\n{value}"
        else:
            values.setdefault(keyword, value)
    return values


def data_size(header: RawHeader) -> int:
    """Bytes of the data after a header, without padding; ValueError if the header is invalid.

    Source: FITS Standard 4.0, equations 1, 2 and 4.
    """
    values = select_values(header, _SIZE_KEYWORDS)
    axes = _natural_number(values, "NAXIS", 0, MAX_AXES)
    names = [f"NAXIS{axis}" for axis in range(1, axes + 1)]
    if axes > USUAL_AXES:
        values |= select_values(header, names)
    lengths = [_natural_number(values, name) for name in names]
    if not lengths:
        return 0
    if values.get("GROUPS") is True and lengths[:1] == [0]:
        lengths = lengths[1:]
    elements = _natural_number(values, "PCOUNT", 0) + math.prod(lengths)
    bits = values.get("BITPIX")
    if not isinstance(bits, int) or bits not in BITPIX:
        raise ValueError(f"BITPIX is {bits!r}")
    return abs(bits) // 8 * _natural_number(values, "GCOUNT", 1) * elements


def _natural_number(
    values: dict[str, HeaderValue], name: str, default: int | None = None, largest: int = 2**40
) -> int:
    value = values.get(name, default)
    if isinstance(value, int) and 0 <= value <= largest:
        return value
    raise ValueError(f"{name} is {value!r}")


def _normalise_keyword(keyword: str) -> str:
    return keyword.strip().upper().removeprefix("HIERARCH ").strip()


def _unusual_card_numbers(header: RawHeader) -> set[int]:
    """The numbers of the cards whose keyword is not their first eight bytes."""
    raw, names = header.cards, b"".join(header.names)
    count = len(header.names)
    numbers: set[int] = set()
    for byte, other, column in (
        (b"=", _NOT_EQUALS, KEYWORD_SIZE),
        (b" ", _NOT_BLANK, KEYWORD_SIZE + 1),
    ):
        column_bytes = raw[column::CARD_SIZE]
        if column_bytes.count(byte) < count:
            numbers.update(_match_starts(other, column_bytes))
    if names.translate(None, _IN_NAMES):
        numbers.update(start // KEYWORD_SIZE for start in _match_starts(_NOT_IN_NAMES, names))
    if b" " in raw[::CARD_SIZE]:
        numbers.update(_match_starts(_BLANK, raw[::CARD_SIZE]))
    return numbers


def _match_starts(pattern: re.Pattern[bytes], raw: bytes) -> Iterator[int]:
    return (match.start() for match in pattern.finditer(raw))


def _card_image(header: RawHeader, first: int) -> bytes:
    last = first + 1
    while last < len(header.names) and header.names[last] == b"CONTINUE":
        last += 1
    return header.cards[first * CARD_SIZE : last * CARD_SIZE]


# Most cards of a night's headers are the same in all files
@lru_cache(maxsize=CACHE_SIZE)
def _read_card(raw: bytes) -> Card:
    # As astropy replaces bytes that are not ASCII
    return _parse_card(raw.decode("ascii", "replace").replace("\ufffd", "?"))


def _parse_card(image: str) -> Card:
    usual = _USUAL.match(image) if len(image) == CARD_SIZE else None
    if not usual:
        return _parse_unusual_card(image)
    keyword, text, logical, integer, real, comment = usual.groups()
    if keyword in COMMENTARY or keyword == "CONTINUE" or (text and ": " in text):
        return _parse_unusual_card(image)
    if text == "" and comment and "'" in comment:
        # astropy takes the quote in the comment as the end of the text
        return _parse_unusual_card(image)
    value: HeaderValue = None
    if text is not None:
        value = text.rstrip()
    elif integer:
        value = int(integer)
    elif real:
        value = float(real.upper().replace("D", "E"))
    elif logical:
        value = logical == "T"
    return Card(keyword, value, comment.rstrip() if comment else "")


def _parse_unusual_card(image: str) -> Card:
    keyword = image[:KEYWORD_SIZE].strip()
    if keyword.upper() in COMMENTARY or not _has_value(image):
        name = keyword.upper() if keyword.upper() in COMMENTARY else keyword
        return Card(name, image[KEYWORD_SIZE:].rstrip(), "")
    from astropy.io import fits

    card = fits.Card.fromstring(image)
    try:
        value = card.value if card.field_specifier is None else card.rawvalue
        undefined = isinstance(value, fits.card.Undefined)
        return Card(card.rawkeyword, None if undefined else value, card.comment)
    except (fits.VerifyError, ValueError):
        if len(image) > CARD_SIZE:
            return _parse_card(image[:CARD_SIZE])
        value, _, comment = image.partition("=")[2].partition("/")
        return Card(card.rawkeyword, value.strip(), comment.strip())


def _has_value(image: str) -> bool:
    """False if astropy takes everything after the keyword as text, with a warning."""
    keyword = image[:KEYWORD_SIZE].strip().upper()
    hierarch = keyword == "HIERARCH" and image[KEYWORD_SIZE] == " " and "=" in image
    return hierarch or keyword == "CONTINUE" or 0 <= image.find("= ") <= KEYWORD_SIZE
