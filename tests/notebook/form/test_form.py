"""The form where nobody sits before it: a table."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kpfnb import form
from kpfnb.errors import BadInput
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


@pytest.mark.parametrize("error", [BadInput("no such night"), OSError("no such night")])
def test_what_a_button_could_not_do_is_told_beside_it(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails() -> None:
        raise error

    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    session: Any = SimpleNamespace(interactive=True)
    form.confirm(session, "Touch them", fails)
    button, message, _ = shown[0].children
    button.click()
    assert "role='alert'" in message.value and "no such night" in message.value
    assert not button.disabled
