"""Links that open a notebook with its form filled in."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.lab import opening
from kpfnb.notebook import filled_in, runner
from kpfnb.notebook.parameters import parse_declarations
from tests.lab.running import RunningLab

PARAMETERS = parse_declarations(
    'targets: "list[str]" = []  #\nncpus: "int[0, 9]" = 0  # how many\nstart: "night" = "last"'
)


def test_values_have_the_types_of_the_parameters() -> None:
    given = {"targets": ["20240115", "KP.1"], "ncpus": ["1", "2"]}
    expected = {"targets": ["20240115", "KP.1"], "ncpus": 2}
    assert opening.check_values(PARAMETERS, given) == expected
    assert opening.check_values(PARAMETERS, {"targets": [""]}) == {"targets": []}
    assert opening.check_values(PARAMETERS, {}) == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [({"ncpu": ["2"]}, "did you mean ncpus"), ({"ncpus": ["20"]}, "parameter ncpus")],
)
def test_wrong_ones_are_named(given: dict[str, list[str]], message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        opening.check_values(PARAMETERS, given)


def test_only_notebooks_of_the_person_are_opened(tmp_path: Path) -> None:
    (tmp_path / "progress.ipynb").touch()
    assert opening.find_copy(tmp_path, "progress") == tmp_path / "progress.ipynb"
    for name in ("progres", "../progress", "progress.ipynb", ""):
        with pytest.raises(InvalidInputError, match="no notebook"):
            opening.find_copy(tmp_path, name)


@pytest.mark.slow
def test_a_link_stores_the_values_and_leads_to_the_copy(lab: RunningLab) -> None:
    answer = lab.get(f"{lab.home}open/reprocess?targets=20240115&ncpus=2")
    assert (answer.status, answer.headers["Location"]) == (
        302, lab.home.removesuffix("kpfnb/") + "lab/tree/reprocess.ipynb",
    )  # fmt: skip
    assert lab.get(f"{lab.home}waiting/reprocess").text == '{"waiting": true}'
    copy = lab.folder / "reprocess.ipynb"
    values = filled_in.take_values(copy, runner.inspect_notebook(copy))
    assert (values["targets"], values["ncpus"]) == (["20240115"], 2)
    assert lab.get(f"{lab.home}waiting/reprocess").text == '{"waiting": false}'
    assert lab.get(f"{lab.home}waiting/nothing").text == '{"waiting": false}'


@pytest.mark.slow
def test_jupyterlab_itself_gets_json(lab: RunningLab) -> None:
    path = f"{lab.home}open/reprocess?1796092052876"
    answer = lab.get(path, Accept="application/json")
    assert (answer.status, answer.text) == (200, '{"path": "reprocess.ipynb"}')
    wrong = lab.get(f"{lab.home}open/reproces", Accept="application/json")
    assert wrong.status == 400 and "did you mean reprocess?" in wrong.text


@pytest.mark.slow
def test_what_is_wrong_is_one_clear_page(lab: RunningLab) -> None:
    answer = lab.get(f"{lab.home}open/reprocess?ncpu=%3Cscript%3E")
    assert answer.status == 400 and "did you mean ncpus" in answer.text
    assert "script-src 'none'" in answer.policy
    for name in ("..%2Freprocess", "%00", "%3Cscript%3E"):
        refused = lab.get(f"{lab.home}open/{name}")
        assert refused.status == 400 and "<script>" not in refused.text


@pytest.mark.slow
def test_without_a_login_nothing_is_stored(lab: RunningLab) -> None:
    answer = lab.get(f"{lab.home}open/reprocess?ncpus=2", login=False)
    assert answer.status in (302, 403)
    assert not filled_in.are_waiting(lab.folder / "reprocess.ipynb")
