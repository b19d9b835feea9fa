"""Tables in JupyterLab: searched, all text escaped, and each row leads on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter
from markupsafe import Markup

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
    table, panel = tables.interactive_table(FRAME, row_details=describe_row).children
    [bar, details] = panel.children
    assert "Click a row" in details.value and bar.layout.display == "none"
    table.selected_rows = [2]
    assert details.value == "<p>about KP.2</p>"
    table.selected_rows = []
    assert "Click a row" in details.value


def test_a_row_without_details_says_why() -> None:
    table, panel = tables.interactive_table(FRAME, row_details=describe_row).children
    table.selected_rows = [3]
    details = panel.children[1]
    assert "role='alert'" in details.value
    assert "&lt;b&gt; is no ObsID" in details.value


def test_details_are_made_only_for_rows_that_are_chosen() -> None:
    asked: list[Any] = []

    def details_of(row: Mapping[str, Any]) -> str:
        asked.append(row["n"])
        return ""

    frame = pd.DataFrame({"n": range(5000)})
    table, _ = tables.interactive_table(frame, row_details=details_of).children
    assert asked == []
    table.selected_rows = [4321]
    assert asked == [4321]


def test_a_button_acts_on_the_chosen_row() -> None:
    def retry(row: Mapping[str, Any]) -> str:
        if row["obsid"] == "KP.3":
            raise InvalidInputError("<b> can't be retried")
        return f"<{row['obsid']}> retried"

    table, panel = tables.interactive_table(FRAME, row_actions={"Retry": retry}).children
    bar = panel.children[0]
    button, message = bar.children
    assert bar.layout.display == "none", "no row is chosen"
    table.selected_rows = [1]
    assert bar.layout.display is None
    button.click()
    assert message.value == "&lt;KP.1&gt; retried"
    table.selected_rows = [3]
    assert message.value == ""
    button.click()
    assert "role='alert'" in message.value and "&lt;b&gt;" in message.value


def test_rows_that_passed_come_after_the_others() -> None:
    frame = pd.DataFrame(
        {"rule": ["a", "b", "c", "d"], "verdict": ["PASS", "FAIL", "PASS", "not judged"]}
    )
    assert tables.put_passed_last(frame)["rule"].tolist() == ["b", "d", "a", "c"]
    assert repr(tables.StaticTable(frame)).splitlines()[1].split() == ["b", "FAIL"]
    for other in (frame.assign(verdict="PASS"), frame.assign(verdict=["PASS", "x", "PASS", "y"])):
        assert tables.put_passed_last(other)["rule"].tolist() == ["a", "b", "c", "d"]


def test_the_details_are_of_the_row_as_it_is_shown() -> None:
    frame = pd.DataFrame({"obsid": ["KP.1", "KP.2"], "verdict": ["PASS", "FAIL"]})
    table, panel = tables.interactive_table(frame, row_details=describe_row).children
    table.selected_rows = [0]
    assert panel.children[1].value == "<p>about KP.2</p>"


def test_links_in_cells_are_links_and_all_other_text_is_text() -> None:
    link = Markup('<a href="/x">{}</a>').format("<KP.1>")
    frame = pd.DataFrame({"<file>": [link, "<i>"], "n": [1, 2], "text": ["<b>", None]})
    data = tables.interactive_table(frame).children[0]._dt_args
    for page in (tables.table_html(frame), data["data_json"].replace('\\"', '"')):
        assert '<a href="/x">&lt;KP.1&gt;</a>' in page and "&lt;b&gt;" in page
        assert "<b>" not in page and "<i>" not in page
    assert "<file>" not in data["table_html"]


def test_numbers_are_aligned_to_the_right() -> None:
    frame = pd.DataFrame(
        {"n": [1, 20], "snr": [1.5, None], "text": ["a", "b"], "flag": [True, False]}
    )
    page = tables.table_html(frame)
    assert page.count("<td class='number'>") == 4
    assert "<td class='number'>1.5</td><td>a</td><td>True</td>" in page


def test_large_numbers_keep_their_digits() -> None:
    assert "<td class='number'>1234567.5</td>" in tables.table_html(
        pd.DataFrame({"n": [1234567.5]})
    )


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
    nothing = tables.StaticTable(frame.head(0), "No <file> is missing.")
    assert repr(nothing) == "No <file> is missing."
    assert nothing._repr_html_() == "<p>No &lt;file&gt; is missing.</p>"


def test_of_a_long_plain_table_the_first_rows_are_shown() -> None:
    frame = pd.DataFrame({"n": range(tables.MAX_STATIC_ROWS + 5)})
    assert repr(tables.StaticTable(frame)).endswith("\nand 5 more")
    assert "<p>and 5 more</p>" in tables.StaticTable(frame)._repr_html_()
    assert tables.StaticTable(frame)._repr_html_().count("<td ") == tables.MAX_STATIC_ROWS


def test_a_table_without_rows_says_what_is_empty() -> None:
    for details in (None, describe_row):
        widget = tables.interactive_table(
            FRAME.head(0), row_details=details, nothing="No frame failed."
        )
        assert widget.value == "<p>No frame failed.</p>"
    assert tables.interactive_table(FRAME.head(0)).value == "<p>No rows.</p>"
