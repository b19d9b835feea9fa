"""A field for each kind of parameter: it shows a value, gives it back and says what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kpfnb.notebook.form import controls, fields
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
        ("night", "last"),
        ("moment", "20240115.17"),
        ("targets", ["last", "20240101:20240131"]),
        ("version", "v2.9.1"),
        ("choice[newest, forward]", "forward"),
        ("subset[2D, L1, L2]", ["2D", "L2"]),
        ("list[str]", ["a", "b"]),
        ("list[path]", ["/a", "/b"]),
    ],
)
def test_it_gives_back_the_value_that_it_shows(kind: str, value: Any) -> None:
    form_field = field(kind, value)
    assert form_field.parameter.check(form_field.read()) == value
    assert form_field.check()
    assert "what it is" in form_field.note.value
    assert all(part.tooltip for part in form_field.control.parts)


def test_the_text_beside_a_field_is_one_line_and_all_of_it_a_tooltip() -> None:
    note = field("str", "", "what 'it' is, " * 30).note.value
    assert "white-space: nowrap" in note
    assert f'title="{"what &#x27;it&#x27; is, " * 30}"' in note


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


@pytest.mark.parametrize("kind", ["night", "moment"])
def test_a_night_is_typed_and_wrong_ones_are_told(kind: str) -> None:
    form_field = field(kind, "last")
    [part] = form_field.control.parts
    part.value = "2024011"
    assert "must be a valid date, as YYYYMMDD, or last" in form_field.message.value
    part.value = "20240115"
    assert form_field.check() and not form_field.is_default()
    part.value = " last"
    assert form_field.is_default()


def test_limits_are_shown() -> None:
    assert "1 to 64" in field("int[1, 64]", 8).note.value


def test_help_and_values_are_text_and_nothing_else() -> None:
    [parameter] = parse_declarations('target: "version" = ""  # <b>what</b>')
    form_field = fields.make_field(parameter, "")
    assert "<b>" not in form_field.note.value
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
    assert f"{tmp_path}/.hidden/" not in controls.complete_path(f"{tmp_path}/")
    assert controls.complete_path(f"{tmp_path}/.") == (f"{tmp_path}/.hidden/",)
    assert controls.complete_path(f"{tmp_path}/nothing/there") == ()


def test_the_last_path_of_a_list_is_completed(tmp_path: Path) -> None:
    (tmp_path / "night1").mkdir()
    [box] = field("list[path]", []).control.parts
    box.value = f"/a,{tmp_path}/n"
    assert box.options == (f"/a, {tmp_path}/night1/",)
