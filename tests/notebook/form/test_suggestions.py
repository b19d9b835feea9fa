"""Fields with suggestions complete what is typed, explain it, and accept other values too."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import ipywidgets
import pytest

from kpfnb.core.errors import KpfnbError
from kpfnb.notebook.form import fields, suggestions
from kpfnb.notebook.form.suggestions import complete_text, explain_text
from kpfnb.notebook.parameter_kinds import parse_kind
from kpfnb.notebook.parameters import Parameter, parse_declarations

KNOWN = {"AIRMASS": "Airmass", "CCFRV": "[km/s] Velocity", "MASSES": "", "RV <x>": "odd"}


def make_field(kind: str, value: Any) -> fields.FormField:
    field = fields.make_field(Parameter("name", parse_kind(kind), value, "what it is"), value)
    field.suggest(KNOWN)
    return field


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
    assert "<small>CCFRV: [km/s] Velocity · what it is</small>" in form_field.note.value
    form_field.write(["AIRMASS", "anything"])
    assert form_field.parameter.check(form_field.read()) == ["AIRMASS", "anything"]


def test_explanations_are_text_and_nothing_else() -> None:
    form_field = make_field("str", "RV <x>")
    assert "RV &lt;x&gt;: odd" in form_field.note.value


@pytest.mark.parametrize(
    ("kind", "value"),
    [("bool", True), ("choice[a, b]", "a"), ("int", 1), ("subset[a, b]", [])],
)
def test_other_kinds_take_no_suggestions(kind: str, value: Any) -> None:
    parameter = Parameter("name", parse_kind(kind), value, "what it is")
    assert not fields.make_field(parameter, value).takes_suggestions


def declared_fields(source: str) -> list[fields.FormField]:
    return [fields.make_field(each, each.default) for each in parse_declarations(source)]


def test_a_source_belongs_to_the_name_of_a_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggestions, "_sources", {})
    calls = []

    @suggestions.register_suggestions("source", "sources")
    def suggest() -> dict[str, str]:
        calls.append(threading.current_thread() is threading.main_thread())
        return KNOWN

    source, sources, other = declared_fields(
        'source: "str" = "CCFRV"\nsources: "list[str]" = []\nother: "str" = "CCFRV"'
    )
    asyncio.run(suggestions.load_suggestions([source, sources, other]))
    # Once for all, and not where the cells run
    assert calls == [False]
    assert source.control.text.options == ("CCFRV",)
    assert "[km/s] Velocity" in source.note.value
    assert sources.control.text.options == tuple(KNOWN)
    assert other.control.text.options == () and "Velocity" not in other.note.value


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (RuntimeError("no <database>"), "no suggestions: RuntimeError: no &lt;database&gt;"),
        (KpfnbError("the server does not answer", "start it"), "the server does not answer"),
    ],
)
def test_a_source_that_fails_is_a_note_and_the_field_works(
    error: Exception, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> dict[str, str]:
        raise error

    monkeypatch.setattr(suggestions, "_sources", {"name": fail})
    [field] = declared_fields('name: "str" = ""  # what it is')
    asyncio.run(suggestions.load_suggestions([field]))
    field.control.text.value = "typed"
    assert note in field.note.value and "what it is" in field.note.value
    assert field.check() and field.read() == "typed"


def test_a_form_does_not_wait_for_its_suggestions(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def wait() -> dict[str, str]:
        assert go_on.wait(10)
        return KNOWN

    monkeypatch.setattr(suggestions, "_sources", {"name": wait})

    async def show() -> None:
        [field] = declared_fields('name: "str" = ""')
        suggestions.start_suggestions([field])
        await asyncio.sleep(0)
        assert field.control.text.options == ()
        go_on.set()
        await asyncio.gather(*suggestions._tasks)
        assert field.control.text.options == tuple(KNOWN)

    asyncio.run(show())


@pytest.mark.parametrize("kind", ["night", "moment", "targets"])
def test_a_field_says_which_night_is_the_last(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_DATA_ROOT", str(tmp_path))
    default = ["last"] if kind == "targets" else "last"
    [field] = declared_fields(f'start: "{kind}" = {default!r}')
    asyncio.run(suggestions.load_suggestions([field]))
    assert f"no suggestions: no night in {tmp_path}/L0" in field.note.value
    (tmp_path / "L0" / "20240115").mkdir(parents=True)
    (tmp_path / "L0" / "20240115" / "KP.20240115.00001.00.fits").touch()
    asyncio.run(suggestions.load_suggestions([field]))
    assert "last: 20240115, 1 L0 file" in field.note.value
    field.write(["20240101"] if kind == "targets" else "20240101")
    assert "last:" not in field.note.value
