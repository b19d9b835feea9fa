"""Tables as HTML."""

from __future__ import annotations

import pandas as pd
from markupsafe import Markup

from kpfnb.core.text import frame_html, html_table


def test_text_is_escaped_and_markup_is_not() -> None:
    table = html_table(["<name>", "link"], [["a&b", Markup("<a href='x'>x</a>")]])
    assert "&lt;name&gt;" in table
    assert "<td>a&amp;b</td><td><a href='x'>x</a></td>" in table


def test_a_frame_is_escaped_and_its_missing_values_are_empty() -> None:
    table = frame_html(pd.DataFrame({"<b>": ["<i>", None]}))
    assert "<b>" not in table
    assert "<i>" not in table
    assert "<td></td>" in table
