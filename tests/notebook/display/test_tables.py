"""Tables in JupyterLab: searched, all text escaped, and each row leads on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter

from kpfnb.core.errors import InvalidInputError
from kpfnb.notebook.display import tables

FRAME = pd.DataFrame(
    {"obsid": [f"KP.{n}" for n in range(9)], "reason": ["<script>alert(1)</script>"] * 9}
)


class Shell:
    def __init__(self) -> None:
        self.display_formatter = DisplayFormatter()


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    objects: list[Any] = []
    monkeypatch.setattr("IPython.display.display", objects.append)
    return objects


def test_a_long_frame_is_searched_and_a_short_one_is_seen(shown: list[Any]) -> None:
    shell = Shell()
    tables.register_formatter(shell)
    for frame in (FRAME, FRAME.head(2)):
        shell.display_formatter.format(frame)
    long, short = shown
    assert type(long).__name__ == "ITable"
    assert "&lt;script&gt;" in short.data
    assert "<script>" not in short.data


def test_html_in_a_cell_is_text() -> None:
    assert tables.interactive_table(FRAME)._dt_args.get("allow_html", False) is False


def test_missing_values_are_not_shown() -> None:
    frame = pd.DataFrame(
        {"snr": [12.5, None], "spectra": pd.Series([3, None], dtype=object), "target": ["a", None]}
    )
    frame["<y>"] = [1, 2]
    assert "None" not in tables.table_html(frame)
    twice = pd.concat([frame, frame], axis=1)
    for table in (frame, twice):
        data = tables.interactive_table(table)._dt_args["data_json"]
        assert '["12.5", "3", "a", 1' in data
        assert '["", "", "", 2' in data


def describe_row(row: Mapping[str, Any]) -> str:
    if row["obsid"] == "KP.3":
        raise InvalidInputError("<b> is no ObsID")
    return f"<p>about {row['obsid']}</p>"


def test_the_details_of_the_chosen_row_are_shown() -> None:
    table, chooser, details = tables.interactive_table(FRAME, row_details=describe_row).children
    table.selected_rows = [2]
    assert details.value == "<p>about KP.2</p>"
    chooser.value = 4
    assert details.value == "<p>about KP.4</p>"
    chooser.value = -1
    assert details.value == ""


def test_a_row_without_details_says_why() -> None:
    _, chooser, details = tables.interactive_table(FRAME, row_details=describe_row).children
    chooser.value = 3
    assert "role='alert'" in details.value
    assert "&lt;b&gt; is no ObsID" in details.value


def test_nothing_of_the_table_is_stored_in_the_notebook() -> None:
    widget = tables.interactive_table(FRAME)
    bundle = widget._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert len(str(data)) < 2000


def test_a_static_table_has_no_row_numbers_and_no_text_for_missing_values() -> None:
    frame = pd.DataFrame({"a": [1.5, None], "b": ["<script>", None], "c": [None, None]})
    shown = tables.StaticTable(frame)
    assert "&lt;script&gt;" in shown._repr_html_()
    for text in (repr(shown), shown._repr_html_()):
        assert "None" not in text
        assert "NaN" not in text
        assert "1.5" in text
    assert "<th>0</th>" not in shown._repr_html_()
    assert repr(tables.StaticTable(frame.head(0))) == "nothing"
    assert tables.StaticTable(frame.head(0))._repr_html_() == "<p>nothing</p>"


def test_of_a_long_plain_table_the_first_rows_are_shown() -> None:
    frame = pd.DataFrame({"n": range(tables.MAX_STATIC_ROWS + 5)})
    assert repr(tables.StaticTable(frame)).endswith("\nand 5 more")
    assert "<p>and 5 more</p>" in tables.StaticTable(frame)._repr_html_()
    assert tables.StaticTable(frame)._repr_html_().count("<td>") == tables.MAX_STATIC_ROWS


def test_a_table_without_rows_is_a_word() -> None:
    for widget in (
        tables.interactive_table(FRAME.head(0)),
        tables.interactive_table(FRAME.head(0), row_details=describe_row),
    ):
        assert widget.value == "<p>nothing</p>"
