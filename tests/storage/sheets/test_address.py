"""Addresses of sheets."""

from __future__ import annotations

import pytest

from kpfnb.errors import BadParameter
from kpfnb.sheets.address import Address, parse, split_tab


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Scores", Address("Scores")),
        ("ADAP Scores/coadd status@AB", Address("ADAP Scores", tab="coadd status@AB")),
        ("key=1a-B_c/WorkQueue@B", Address(key="1a-B_c", tab="WorkQueue@B")),
        ("key=1a-B_c", Address(key="1a-B_c")),
        ("https://docs.google.com/spreadsheets/d/1a-B_c/edit?gid=0#gid=0", Address(key="1a-B_c")),
        ("https://docs.google.com/spreadsheets/d/1a-B_c", Address(key="1a-B_c")),
    ],
)
def test_addresses(text: str, expected: Address) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["", "/tab", "key=", "key=a b", 'a" or name != "', "a\\"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(BadParameter, match="no address of a spreadsheet"):
        parse(text)


def test_a_tab_and_its_column() -> None:
    assert split_tab("coadd status@AB") == ("coadd status", "AB")
    assert split_tab("@AB") == ("", "AB")
    assert split_tab("") == ("", "")
