"""The form of a notebook that runs headless: a table."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kpfnb.core.errors import InvalidInputError
from kpfnb.notebook import form
from kpfnb.notebook.parameters import parse_declarations


def test_help_and_values_are_text_and_nothing_else() -> None:
    [parameter] = parse_declarations('target: "str" = "<script>"  # <b>what</b>')
    table = form.parameter_table_html([parameter], {"target": "<script>"})
    assert "<script>" not in table
    assert "&lt;script&gt;" in table
    assert "<b>" not in table


def test_the_table_cuts_a_long_list() -> None:
    [parameter] = parse_declarations('names: "list[str]" = []  # names')
    table = form.parameter_table_html([parameter], {"names": [f"n{i}" for i in range(40)]})
    assert "n4 and 35 more" in table


@pytest.mark.parametrize("error", [InvalidInputError("no such night"), OSError("no such night")])
def test_an_error_is_shown_beside_its_button(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails() -> None:
        raise error

    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    session: Any = SimpleNamespace(interactive=True)
    form.show_confirm_button(session, "Touch them", fails)
    button, message, _ = shown[0].children
    button.click()
    assert "role='alert'" in message.value and "no such night" in message.value
    assert not button.disabled
