"""Every card of every extension of the real files reads as astropy reads it."""

from __future__ import annotations

import pytest

from kpfnb.core.fits import cards, headers

pytestmark = pytest.mark.real


def test_all_cards_of_all_extensions_are_those_of_astropy(real_l1):
    from astropy.io import fits
    from astropy.io.fits.card import Undefined

    number = 0
    for path in real_l1.values():
        with fits.open(path) as hdus:
            expected = [
                [
                    (c.keyword, None if isinstance(c.value, Undefined) else c.value, c.comment)
                    for c in hdu.header.cards
                ]
                for hdu in hdus
            ]
        found = [headers.read_cards(path, ext=extension) for extension in range(len(expected))]
        assert found == expected
        number += sum(map(len, found))
        assert len(expected) == 43
    # 807, 854 and 868 cards
    assert number > 800 * len(real_l1)


def test_extensions_are_found_by_the_name_that_astropy_gives_them(real_l1):
    from astropy.io import fits

    for path in real_l1.values():
        with fits.open(path) as hdus:
            names = [hdu.name for hdu in hdus]
        for number, name in enumerate(names):
            by_name = headers.read_cards(path, ext=name if number else 0)
            assert by_name == headers.read_cards(path, ext=number)


def test_types_of_values_are_those_of_astropy(real_l1):
    """1 == 1.0 == True, so equal values can differ in type."""
    from astropy.io import fits

    for path in real_l1.values():
        with fits.open(path) as hdus:
            expected = [type(c.value) for c in hdus[0].header.cards]
        assert [type(card.value) for card in headers.read_cards(path)] == [
            type(None) if kind.__name__ == "Undefined" else kind for kind in expected
        ]


def test_the_real_files_are_complete(real_l1):
    for path in real_l1.values():
        assert headers.find_defect(path) == ""


def test_card_counts_are_those_of_a_reader_that_splits_at_80_bytes(real_l1):
    for path in real_l1.values():
        raw = path.read_bytes()[: 28_800 * 2]
        lines = [raw[start : start + cards.CARD_SIZE] for start in range(0, len(raw), 80)]
        end = next(i for i, line in enumerate(lines) if line.rstrip() == b"END")
        continued = sum(line.startswith(b"CONTINUE") for line in lines[:end])
        assert len(headers.read_cards(path)) == end - continued
