"""Named sets of parameters are loaded and saved, never with a secret in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.notebook import parameter_sets
from kpfnb.notebook.form import fields
from kpfnb.notebook.form.panel import ParameterSetPicker
from kpfnb.notebook.parameter_sets import load_parameter_file
from kpfnb.notebook.parameters import parse_declarations

PARAMETERS = parse_declarations('n: "int[1, 9]" = 3  # how many\nlabel: "str" = "x"  # a text')


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "kpfnb.toml").write_text("")
    return tmp_path


def test_a_set_comes_back_as_it_was_saved(project: Path) -> None:
    file = parameter_sets.save_set("work", "mine", PARAMETERS, {"n": "7", "label": "a: b"})
    assert file == project / "params/work.mine.yml"
    assert parameter_sets.list_sets("work")["mine"] == file
    assert parameter_sets.load_set(file, PARAMETERS) == {"n": 7, "label": "a: b"}
    # The command line reads it too
    assert load_parameter_file(file) == {"n": 7, "label": "a: b"}


def test_what_is_at_its_default_is_not_written(project: Path) -> None:
    assert load_parameter_file(parameter_sets.save_set("work", "mine", PARAMETERS, {"n": 3})) == {}


def test_another_notebooks_sets_are_not_offered(project: Path) -> None:
    parameter_sets.save_set("other", "mine", PARAMETERS, {})
    assert "mine" not in parameter_sets.list_sets("work")


def test_a_set_is_replaced_only_after_confirmation(project: Path) -> None:
    file = parameter_sets.save_set("work", "mine", PARAMETERS, {"n": 4})
    with pytest.raises(InvalidInputError, match="mine exists already"):
        parameter_sets.save_set("work", "mine", PARAMETERS, {"n": 5})
    assert load_parameter_file(file) == {"n": 4}
    parameter_sets.save_set("work", "mine", PARAMETERS, {"n": 5}, replace=True)
    assert load_parameter_file(file) == {"n": 5}


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", ".x", "ä"])
def test_an_invalid_name(project: Path, name: str) -> None:
    with pytest.raises(InvalidInputError, match="is not a valid name"):
        parameter_sets.save_set("work", name, PARAMETERS, {})
    assert not (project / "params").exists()


def test_a_wrong_value_is_not_saved(project: Path) -> None:
    with pytest.raises(InvalidParameterError):
        parameter_sets.save_set("work", "mine", PARAMETERS, {"n": 99})
    assert not (project / "params").exists()


def test_a_secret_is_not_saved(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_REDIS_URL", "redis://:hush@server")
    with pytest.raises(InvalidInputError, match="secret"):
        parameter_sets.save_set("work", "mine", PARAMETERS, {"label": "redis://:hush@server"})
    assert not (project / "params").exists()


def test_the_form_fills_its_fields_from_a_set(project: Path) -> None:
    parameter_sets.save_set("work", "mine", PARAMETERS, {"n": 7})
    (project / "params/work.broken.yml").write_text("n: 99\n")
    mine = [fields.make_field(parameter, parameter.default) for parameter in PARAMETERS]
    keeping = ParameterSetPicker("work", mine)
    options = dict(keeping.choices.options)
    keeping.choices.value = options["mine"]
    assert [form_field.read() for form_field in mine] == [7, "x"]
    assert "loaded work.mine.yml" in keeping.message.value
    keeping.choices.value = options["broken"]
    assert "parameter n" in keeping.message.value
    assert [form_field.read() for form_field in mine] == [7, "x"]


def test_the_form_saves_and_asks_before_it_replaces(project: Path) -> None:
    mine = [fields.make_field(parameter, parameter.default) for parameter in PARAMETERS]
    keeping = ParameterSetPicker("work", mine)
    save = keeping.widget.children[2]
    mine[0].write(8)
    keeping.name.value = "night"
    save.click()
    assert "saved work.night.yml" in keeping.message.value
    mine[0].write(9)
    save.click()
    assert "exists already" in keeping.message.value
    save.click()
    assert load_parameter_file(project / "params/work.night.yml") == {"n": 9}
