"""The form where nobody sits before it: a table."""

from __future__ import annotations

from kpfnb import form
from kpfnb.parameters import declared


def test_help_and_values_are_text_and_nothing_else() -> None:
    [parameter] = declared('target: "str" = "<script>"  # <b>what</b>')
    table = form.table([parameter], {"target": "<script>"})
    assert "<script>" not in table
    assert "&lt;script&gt;" in table
    assert "<b>" not in table


def test_the_table_cuts_a_long_list() -> None:
    [parameter] = declared('names: "list[str]" = []  # names')
    table = form.table([parameter], {"names": [f"n{i}" for i in range(40)]})
    assert "n4 and 35 more" in table
