"""Addresses of sheets."""

from __future__ import annotations

import pytest

from kpfnb.core.errors import InvalidParameterError
from kpfnb.storage.sheets.workbook import SheetAddress, parse_address, split_tab


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Scores", SheetAddress("Scores")),
        ("ADAP Scores/coadd status@AB", SheetAddress("ADAP Scores", tab="coadd status@AB")),
        ("key=1a-B_c/WorkQueue@B", SheetAddress(key="1a-B_c", tab="WorkQueue@B")),
        ("key=1a-B_c", SheetAddress(key="1a-B_c")),
        (
            "https://docs.google.com/spreadsheets/d/1a-B_c/edit?gid=0#gid=0",
            SheetAddress(key="1a-B_c"),
        ),
        ("https://docs.google.com/spreadsheets/d/1a-B_c", SheetAddress(key="1a-B_c")),
    ],
)
def test_addresses(text: str, expected: SheetAddress) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize("text", ["", "/tab", "key=", "key=a b", 'a" or name != "', "a\\"])
def test_texts_that_are_not_addresses(text: str) -> None:
    with pytest.raises(InvalidParameterError, match="not the address of a spreadsheet"):
        parse_address(text)


def test_a_tab_and_its_column() -> None:
    assert split_tab("coadd status@AB") == ("coadd status", "AB")
    assert split_tab("@AB") == ("", "AB")
    assert split_tab("") == ("", "")
