"""The form: a widget for each kind of parameter, and a table where nobody sits before it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from kpfnb import form
from kpfnb.parameters import Parameter, declared, parse_kind


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("str", "x"),
        ("path", "/data"),
        ("bool", True),
        ("int", 7),
        ("int[1, 64]", 8),
        ("float", 0.5),
        ("float[0, 1]", 0.25),
        ("night", "20240229"),
        ("night", ""),
        ("version", "v2.9.1"),
        ("choice[newest, forward]", "forward"),
        ("subset[2D, L1, L2]", ["2D", "L2"]),
        ("list[str]", ["a", "b"]),
    ],
)
def test_a_field_gives_back_the_value_that_it_shows(kind: str, value: Any) -> None:
    parameter = Parameter("name", parse_kind(kind), value, "what it is")
    row, read = form.make_field(parameter, value)
    assert parameter.check(read()) == value
    assert row.children[0].description == "name"
    assert "what it is" in row.children[1].value


def test_a_date_that_is_picked_is_a_night() -> None:
    row, read = form.make_field(Parameter("start", parse_kind("night"), "", ""), "")
    row.children[0].value = date(2024, 1, 5)
    assert read() == "20240105"


def test_help_and_values_are_text_and_nothing_else() -> None:
    [parameter] = declared('target: "str" = "<script>"  # <b>what</b>')
    row, _ = form.make_field(parameter, "<script>")
    assert "<b>" not in row.children[1].value
    table = form.table([parameter], {"target": "<script>"})
    assert "<script>" not in table
    assert "&lt;script&gt;" in table
    assert "<b>" not in table


def test_the_table_cuts_a_long_list() -> None:
    [parameter] = declared('names: "list[str]" = []  # names')
    table = form.table([parameter], {"names": [f"n{i}" for i in range(40)]})
    assert "n4 and 35 more" in table
