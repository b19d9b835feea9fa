"""The form in JupyterLab, as the kernel sees it; tests/browser presses its buttons."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import ipywidgets
import pytest

from kpfnb.core import progress
from kpfnb.core.errors import InvalidParameterError
from kpfnb.core.result import Outcome
from kpfnb.notebook.form import frontend, panel
from kpfnb.notebook.links import LAB_URL_VARIABLE
from kpfnb.notebook.parameters import parse_declarations
from kpfnb.runs import RunRecord

PARAMETERS = parse_declarations(
    'n: "int[1, 9]" = 3  # how many\ndry_run: "bool" = False  # only say'
)


class Session:
    notebook, file = "work", Path("work.ipynb")
    parameters = PARAMETERS
    values = {"n": 3, "dry_run": False}
    entered, cell_values = values, values

    problem = ""
    filled_in: ClassVar[list[str]] = []

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def restart(self, values: dict[str, Any]) -> None:
        for parameter in self.parameters:
            parameter.check(values[parameter.name])
        self.asked.append(values)

    def command(self, values: dict[str, Any]) -> list[str]:
        if values["n"] > 9:
            raise InvalidParameterError("parameter n")
        return ["kpfnb", "run", "work", f"-p n={values['n']}"]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What JupyterLab was asked to do."""
    asked: list[str] = []

    class FrontEnd(ipywidgets.HTML):
        def __init__(self, on_enter: Callable[[], None]) -> None:
            super().__init__()
            self.on_enter = on_enter

        def notify(self, title: str, text: str) -> None:
            asked.append(f"notify {title}")

        def pull_widget_state(self, parts: list[Any], callback: Callable[[], None]) -> None:
            asked.append(f"read {len(parts)}")
            callback()

        def run_cells_below(self) -> None:
            asked.append("run")

        def save_notebook(self, _: Path) -> None:
            asked.append("save")

    monkeypatch.setattr(panel, "FrontEnd", FrontEnd)
    yield asked
    progress.set_container(None)


def ready(session: Session | None = None) -> panel.FormPanel:
    form = panel.FormPanel(session or Session())
    form.set_busy(False)
    return form


def test_run_uses_the_values_of_the_fields(ran: list[str]) -> None:
    session = Session()
    form = ready(session)
    form.fields[0].write(5)
    form.run_button.click()
    assert session.asked == [{"n": 5, "dry_run": False}]
    assert ran == ["read 2", "run", "save"]


def test_a_second_click_is_ignored_before_the_first_has_run(ran: list[str]) -> None:
    session = Session()
    form = ready(session)
    form.run_button.click()
    form.run_button.click()
    form.dry_run_button.click()
    assert len(session.asked) == 1
    assert ran.count("run") == 1


def test_the_notebook_is_saved_when_it_has_run(ran: list[str]) -> None:
    form = ready()
    form.on_run_end(RunRecord("1a2b", "work", "2024-01-15T00:00:00Z", outcome=Outcome.SUCCEEDED))
    assert ran == ["save"]


def test_a_dry_run_ignores_the_check_box(ran: list[str]) -> None:
    session = Session()
    form = ready(session)
    form.dry_run_button.click()
    assert session.asked == [{"n": 3, "dry_run": True}]
    assert form.values()["dry_run"] is False


def test_an_invalid_value_is_reported_and_nothing_runs(ran: list[str]) -> None:
    form = ready()
    form.fields[0].write(10)
    form.run_button.click()
    assert "run" not in ran
    assert "role='alert'" in form._message.value
    assert form._command.value == ""


def test_only_one_of_run_and_stop_can_be_pressed(ran: list[str]) -> None:
    form = ready()
    form.set_busy(True)
    assert form.run_button.disabled
    assert form.dry_run_button.disabled
    assert "disabled" not in form._stop.value
    form.set_busy(False)
    assert not form.run_button.disabled
    assert "disabled" in form._stop.value


def test_stop_is_a_command_of_jupyterlab_itself() -> None:
    html = frontend.stop_button_html(enabled=True)
    assert 'data-commandlinker-command="notebook:interrupt-kernel"' in html


def test_the_end_is_shown_with_a_link_to_the_report(
    ran: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(LAB_URL_VARIABLE, "/kpfnb/")
    form = ready()
    record = RunRecord("1a2b", "work", "2024-01-15T00:00:00Z", outcome=Outcome.PARTIAL, seconds=61)
    form.on_run_end(replace(record, reason="<b> failed", directory=tmp_path))
    assert "<b>◐ partial</b>: &lt;b&gt; failed" in form._state.value
    assert f'href="/kpfnb/files{tmp_path}/report.html"' in form._state.value
    assert ran == ["notify work: partial", "save"]


def test_enter_is_a_press_of_run(ran: list[str]) -> None:
    session = Session()
    form = ready(session)
    form._front_end.on_enter()
    assert session.asked == [{"n": 3, "dry_run": False}]


def test_what_differs_from_the_parameters_cell_is_said_and_taken_back(ran: list[str]) -> None:
    form = ready()
    line, button = form._differences.widget.children
    assert form._differences.widget.layout.display == "none"
    form.fields[0].write(5)
    assert form._differences.widget.layout.display == ""
    assert "Not as in the parameters cell: n" in line.value
    button.click()
    assert form.values()["n"] == 3
    assert form._differences.widget.layout.display == "none"


def test_what_a_link_has_filled_in_is_said(ran: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session()
    monkeypatch.setattr(session, "entered", {"n": 5, "dry_run": False})
    monkeypatch.setattr(session, "filled_in", ["n"])
    form = ready(session)
    assert "Filled in by the link: n" in form._differences.widget.children[0].value


def test_progress_is_shown_in_the_form(ran: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    form = ready()
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    with progress.show_progress(3, "reading") as bar:
        bar.update(done=1)
    [shown] = form._progress_box.children
    assert "reading: 1 of 3" in shown.value


def test_the_copied_command_is_text() -> None:
    html = frontend.copy_field_html("it", "kpfnb run x -p 'a=\"><script>'")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_a_full_disk_is_reported_beside_the_button(
    ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: dict[str, Any]) -> None:
        raise OSError(28, "No space left on device")

    session = Session()
    monkeypatch.setattr(session, "restart", full)
    form = ready(session)
    form.run_button.click()
    assert "No space left" in form._message.value
    assert "run" not in ran
    assert not form.run_button.disabled
