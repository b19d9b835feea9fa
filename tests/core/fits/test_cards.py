"""Cards of all kinds, against astropy."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.core.fits import cards
from kpfnb.core.fits.cards import RawHeader

PRINTABLE = st.characters(min_codepoint=32, max_codepoint=126)
KEYWORD = st.text("ABCDEF019_-", min_size=1, max_size=8)

# What decides how a value is read comes more often than in plain text
FIELD = st.text(st.one_of(st.sampled_from("'/ =.+-0123456789DEdeTF&:(),"), PRINTABLE), max_size=70)
LABEL = st.one_of(
    KEYWORD.map(lambda name: f"{name:8}= "),
    KEYWORD.map(lambda name: f"{name.lower():8}= "),
    KEYWORD.map(lambda name: f"{name}= "),
    KEYWORD.map(lambda name: f"{name:8}=  '"),
    KEYWORD.map(lambda name: f"{name:8}"),
    st.sampled_from(["COMMENT ", "HISTORY ", "CONTINUE  ", "CONTINUE  '", "        ", "hierarch "]),
    st.text("ABCabc .1", min_size=1, max_size=30).map(lambda name: f"HIERARCH {name} = "),
    st.text("ABCDEF019_-", min_size=1, max_size=20).map(lambda name: f"HIERARCH {name} = "),
    st.text(PRINTABLE, min_size=8, max_size=10),
)
WILD = st.builds(lambda label, field: f"{label}{field}"[:80].ljust(80), LABEL, FIELD)

NUMBER = st.floats(allow_nan=False, allow_infinity=False)
GOOD = st.builds(
    lambda keyword, value, comment: str(fits.Card(keyword, value, comment)),
    KEYWORD.filter(lambda name: name not in ("END", "CONTINUE")),
    st.one_of(
        st.text(PRINTABLE, max_size=200),
        st.integers(-(10**18), 10**18),
        NUMBER,
        st.booleans(),
        st.none(),
        st.builds(complex, NUMBER, NUMBER),
    ),
    st.text(PRINTABLE, max_size=30),
)
IMAGES = st.lists(st.one_of(GOOD, WILD), min_size=1, max_size=12).filter(
    lambda images: not any(image.startswith("END     ") for image in images)
)


def raw(*images: str) -> RawHeader:
    data = "".join(f"{image:80}" for image in images).encode("latin-1")
    return RawHeader(data, tuple(data[at : at + 8] for at in range(0, len(data), 80)))


def by_astropy(header: RawHeader) -> list[tuple[str, Any, str]]:
    """Keyword, value and comment as astropy has them; `...` where it refuses the value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = fits.util.decode_ascii(header.cards)
        return [_card_tuple(card) for card in fits.Header.fromstring(text).cards]


def _card_tuple(card: fits.Card) -> tuple[str, Any, str]:
    try:
        value = card.value if card.field_specifier is None else card.rawvalue
        return (
            card.rawkeyword,
            None if isinstance(value, fits.card.Undefined) else value,
            card.comment,
        )
    except (fits.VerifyError, ValueError):
        return card.rawkeyword, ..., ...


@pytest.fixture(autouse=True)
def quiet_astropy() -> Any:
    """astropy warns about the odd cards that it makes or cuts for the comparison."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=fits.verify.VerifyWarning)
        yield


@given(IMAGES)
def test_every_card_is_as_astropy_has_it(images: list[str]) -> None:
    header = raw(*images)
    for ours, theirs in zip(cards.parse_cards(header), by_astropy(header), strict=True):
        assert ours.keyword == theirs[0]
        if theirs[1] is not ...:
            assert (type(ours.value), ours[1:]) == (type(theirs[1]), theirs[1:])


@given(IMAGES, st.data())
def test_picking_gives_what_all_cards_give(images: list[str], data: st.DataObject) -> None:
    header = raw(*images)
    everything = cards.values_by_keyword(
        card._replace(keyword=card.keyword.upper()) for card in cards.parse_cards(header)
    )
    asked = data.draw(st.lists(st.sampled_from(sorted(everything)), unique=True))
    expected = {name: everything[name] for name in asked}
    assert cards.select_values(header, [*asked, "NOT-HERE"]) == expected
    assert cards.select_values(header, [name.lower() for name in asked]) == {
        name.lower(): value for name, value in expected.items()
    }


@pytest.mark.parametrize(
    ("image", "value"),
    [
        ("KEY     = 'it''s'", "it's"),
        ("KEY     = 'trailing   '", "trailing"),
        ("KEY     = '  leading'", "  leading"),
        ("KEY     = ''", ""),
        ("KEY     = 'a / b' / c", "a / b"),
        ("KEY     = '' / its'", "' / its"),
        ("KEY     =                    T", True),
        ("KEY     = F", False),
        ("KEY     = 007", 7),
        ("KEY     = 1.5D-3", 0.0015),
        ("KEY     = 1.5e3", 1500.0),
        ("KEY     = +.5", 0.5),
        ("KEY     = (1, -2.5)", 1 - 2.5j),
        ("KEY     =", None),
        ("KEY     =  / undefined", None),
        ("KEY     = 1_000", "1_000"),
        ("KEY     = nan", "nan"),
        ("KEY     = 2024-01-01 / unquoted", "2024-01-01"),
        ("KEY     = 'no end", "'no end"),
        ("KEY     = 'AXIS.1: 2'", "AXIS.1: 2"),
        ("KEY       no indicator", "  no indicator"),
        ("KEY= 3", 3),
        ("key     = 3", 3),
        ("HIERARCH KEY = 3", 3),
    ],
)
def test_kinds_of_cards(image: str, value: Any) -> None:
    values = cards.select_values(raw("OTHER   = 1", image, "KEY     = 'second'"), ["KEY"])
    assert values == {"KEY": value}
    assert type(values["KEY"]) is type(value)


def test_a_continue_that_continues_no_text_is_left_out() -> None:
    header = raw("KEY     = 5 / five", "CONTINUE  nothing", "LAST    = 1")
    assert cards.parse_cards(header) == [("KEY", 5, "five"), ("LAST", 1, "")]


def test_long_text_continues_in_continue_cards() -> None:
    card = fits.Card("KEY", "word " * 50, "a comment as long as the value " * 3)
    header = raw(str(card), "LAST    = 1")
    assert cards.parse_cards(header)[0] == (
        "KEY",
        ("word " * 50).rstrip(),
        card.comment.rstrip(),
    )
    assert cards.select_values(header, ["last", "key"]) == {
        "last": 1,
        "key": ("word " * 50).rstrip(),
    }


def test_commentary_is_joined_and_the_first_of_a_keyword_counts() -> None:
    header = raw("COMMENT one", "A       = 1", "COMMENT two", "A       = 2")
    assert cards.select_values(header, ["COMMENT", "A"]) == {"COMMENT": "one\ntwo", "A": 1}
    assert cards.values_by_keyword(cards.parse_cards(header)) == {
        "COMMENT": "one\ntwo",
        "A": 1,
    }


def test_what_is_not_ascii_becomes_a_question_mark() -> None:
    assert cards.select_values(raw("KEY     = 'caf\xe9'"), ["KEY"]) == {"KEY": "caf?"}


@pytest.mark.parametrize(
    ("images", "size"),
    [
        (["BITPIX  = 8", "NAXIS   = 0"], 0),
        (["BITPIX  = -32", "NAXIS   = 2", "NAXIS1  = 10", "NAXIS2  = 3"], 120),
        (["BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 10", "NAXIS2  = 3", "PCOUNT  = 7"], 37),
        (["BITPIX  = 16", "NAXIS   = 2", "NAXIS1  = 0", "NAXIS2  = 3"], 0),
        (
            [
                "BITPIX  = 16",
                "NAXIS   = 2",
                "NAXIS1  = 0",
                "NAXIS2  = 3",
                "GROUPS  = T",
                "PCOUNT  = 4",
                "GCOUNT  = 5",
            ],
            2 * 5 * (4 + 3),
        ),
    ],
)
def test_data_size(images: list[str], size: int) -> None:
    assert cards.data_size(raw(*images)) == size


@pytest.mark.parametrize(
    "images",
    [
        ["NAXIS   = -1"],
        ["NAXIS   = 100000000"],
        ["NAXIS   = 'two'"],
        ["BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 10"],
        ["BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = -10"],
        ["BITPIX  = 7", "NAXIS   = 1", "NAXIS1  = 10"],
        ["NAXIS   = 1", "NAXIS1  = 10"],
        ["BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 1.5"],
    ],
)
def test_a_header_without_its_data_size(images: list[str]) -> None:
    with pytest.raises(ValueError, match="is"):
        cards.data_size(raw(*images))
