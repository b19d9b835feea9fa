"""A field for each kind of parameter: it shows a value, gives it back and says what is wrong."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from kpfnb.notebook.form import fields
from kpfnb.notebook.parameter_kinds import parse_kind
from kpfnb.notebook.parameters import Parameter, parse_declarations


def field(kind: str, value: Any, help: str = "what it is") -> fields.FormField:
    return fields.make_field(Parameter("name", parse_kind(kind), value, help), value)


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
def test_it_gives_back_the_value_that_it_shows(kind: str, value: Any) -> None:
    form_field = field(kind, value)
    assert form_field.parameter.check(form_field.read()) == value
    assert form_field.check()
    assert "what it is" in form_field.row.children[1].children[0].value
    assert all(part.tooltip for part in form_field.control.parts)


def test_a_date_that_is_picked_is_a_night() -> None:
    form_field = field("night", "")
    [picker] = form_field.control.parts
    picker.value = date(2024, 1, 5)
    assert form_field.read() == "20240105"


def test_levels_are_check_boxes() -> None:
    form_field = field("subset[2D, L1, L2]", ["L1"])
    assert [box.description for box in form_field.control.parts] == ["2D", "L1", "L2"]
    assert [box.value for box in form_field.control.parts] == [False, True, False]


@pytest.mark.parametrize(
    ("kind", "good", "wrong"),
    [("int[1, 64]", 8, 65), ("version", "2.9", "two"), ("float[0, 1]", 0.5, -1.0)],
)
def test_an_error_is_shown_beside_the_field_while_typing(kind: str, good: Any, wrong: Any) -> None:
    form_field = field(kind, good)
    [part] = form_field.control.parts
    assert part.continuous_update
    part.value = wrong
    assert "role='alert'" in form_field.message.value
    assert "parameter name" in form_field.message.value
    assert form_field.message.layout.display == "block"
    part.value = good
    assert form_field.message.layout.display == "none"


def test_limits_are_shown() -> None:
    assert "1 to 64" in field("int[1, 64]", 8).row.children[1].children[0].value


def test_help_and_values_are_text_and_nothing_else() -> None:
    [parameter] = parse_declarations('target: "version" = ""  # <b>what</b>')
    form_field = fields.make_field(parameter, "")
    assert "<b>" not in form_field.row.children[1].children[0].value
    [part] = form_field.control.parts
    part.value = "<script>"
    assert "<script>" not in form_field.message.value
    assert "&lt;script&gt;" in form_field.message.value


def test_a_path_is_completed(tmp_path: Path) -> None:
    for name in ("night1", "night2", "other", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "notes.txt").touch()
    form_field = field("path", "")
    [box] = form_field.control.parts
    box.value = f"{tmp_path}/n"
    assert box.options == tuple(f"{tmp_path}/{n}" for n in ("night1/", "night2/", "notes.txt"))
    assert f"{tmp_path}/.hidden/" not in fields.complete_path(f"{tmp_path}/")
    assert fields.complete_path(f"{tmp_path}/.") == (f"{tmp_path}/.hidden/",)
    assert fields.complete_path(f"{tmp_path}/nothing/there") == ()
