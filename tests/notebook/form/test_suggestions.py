"""Fields with suggestions complete what is typed, explain it, and accept other values too."""

from __future__ import annotations

from typing import Any

import ipywidgets
import pytest

from kpfnb.notebook.form import fields, suggestions
from kpfnb.notebook.form.suggestions import complete_text, explain_text
from kpfnb.notebook.parameter_kinds import parse_kind
from kpfnb.notebook.parameters import Parameter

KNOWN = {"AIRMASS": "Airmass", "CCFRV": "[km/s] Velocity", "MASSES": "", "RV <x>": "odd"}


def make_field(kind: str, value: Any) -> fields.FormField:
    return fields.make_field(Parameter("name", parse_kind(kind), value, "what it is"), value, KNOWN)


@pytest.mark.parametrize(
    ("typed", "completions"),
    [
        ("", ("AIRMASS", "CCFRV", "MASSES", "RV <x>")),
        ("ccf", ("CCFRV",)),
        ("mass", ("MASSES", "AIRMASS")),
        ("CCFRV, air", ("CCFRV, AIRMASS",)),
        ("CCFRV,air", ("CCFRV, AIRMASS",)),
        ("zzz", ()),
    ],
)
def test_the_last_item_is_completed(typed: str, completions: tuple[str, ...]) -> None:
    assert complete_text(typed, KNOWN) == completions


def test_a_long_list_is_cut() -> None:
    known = {f"KEY{number}": "" for number in range(1000)}
    assert len(complete_text("key", known)) == suggestions.MAX_COMPLETIONS


@pytest.mark.parametrize(
    ("typed", "explanation"),
    [
        ("AIRMASS", "AIRMASS: Airmass"),
        ("AIRMASS < 1.5, CCFRV", "AIRMASS: Airmass; CCFRV: [km/s] Velocity"),
        ("CCFRV>=1", "CCFRV: [km/s] Velocity"),
        ("CCFRV, CCFRV", "CCFRV: [km/s] Velocity"),
        ("MASSES, other", ""),
        ("", ""),
    ],
)
def test_known_values_are_explained(typed: str, explanation: str) -> None:
    assert explain_text(typed, KNOWN) == explanation


def test_a_field_suggests_while_a_person_types() -> None:
    form_field = make_field("list[str]", [])
    [box] = form_field.control.parts
    assert isinstance(box, ipywidgets.Combobox) and not box.ensure_option
    assert box.options == tuple(KNOWN)
    box.value = "CCFRV, air"
    assert box.options == ("CCFRV, AIRMASS",)
    assert form_field.check()
    note = form_field.row.children[1].children[0]
    assert note.value == "<small>what it is · CCFRV: [km/s] Velocity</small>"
    form_field.write(["AIRMASS", "anything"])
    assert form_field.parameter.check(form_field.read()) == ["AIRMASS", "anything"]


def test_explanations_are_text_and_nothing_else() -> None:
    form_field = make_field("str", "RV <x>")
    assert "RV &lt;x&gt;: odd" in form_field.row.children[1].children[0].value


@pytest.mark.parametrize("kind", ["bool", "choice[a, b]", "int"])
def test_other_kinds_have_no_suggestions(kind: str) -> None:
    value = {"bool": True, "choice[a, b]": "a", "int": 1}[kind]
    assert not isinstance(make_field(kind, value).control.widget, ipywidgets.Combobox)


def test_a_source_of_suggestions_is_registered_for_a_notebook(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(suggestions, "_sources", {})
    suggestions.register_suggestions("work")(lambda: {"name": KNOWN})
    assert suggestions.load_suggestions("work") == {"name": KNOWN}
    assert suggestions.load_suggestions("other") == {}


def test_a_source_that_fails_leaves_the_form_without_suggestions(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> dict[str, dict[str, str]]:
        raise RuntimeError("no database")

    monkeypatch.setattr(suggestions, "_sources", {"work": fail})
    assert suggestions.load_suggestions("work") == {}
    assert "no database" in caplog.text
