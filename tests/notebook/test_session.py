import json
import logging
import sys
from types import SimpleNamespace

import pytest
from IPython.core.formatters import DisplayFormatter
from matplotlib.figure import Figure

import kpfnb
from kpfnb import runs
from kpfnb.core import settings
from kpfnb.core.errors import InvalidInputError, InvalidParameterError, KpfnbError
from kpfnb.core.result import Outcome
from kpfnb.notebook import filled_in, session
from kpfnb.notebook.display.figures import HoverFigure, register_plot
from kpfnb.notebook.form import waiting
from kpfnb.notebook.history import declared_parameters
from kpfnb.runs.record import RUN_VARIABLE
from tests import samples


class Shell:
    """As much of IPython's shell as a session uses."""

    def __init__(self, *cells: str) -> None:
        self.user_ns: dict = {"In": [""]}
        self.events = self
        self.display_formatter = DisplayFormatter()
        self.callbacks: list = []
        for cell in cells:
            self.run(cell)

    def register(self, event: str, callback) -> None:
        assert event in ("pre_run_cell", "post_run_cell", "post_execute")
        if event == "post_run_cell":
            self.callbacks.append(callback)

    def set_custom_exc(self, errors: tuple, show) -> None:
        self.silent, self.show = errors, show

    def run(self, cell: str) -> None:
        self.user_ns["In"].append(cell)
        exec(cell, self.user_ns)

    def end(self, cell: str) -> None:
        info = SimpleNamespace(raw_cell=cell)
        for callback in self.callbacks:
            callback(SimpleNamespace(error_in_exec=None, error_before_exec=None, info=info))

    def fail(self, error: Exception) -> None:
        self.user_ns["In"].append("work()")
        for callback in self.callbacks:
            callback(SimpleNamespace(error_in_exec=error, error_before_exec=None))


class Result:
    outcome = Outcome.PARTIAL
    reason = "1 of 2 failed"

    def key_figures(self):
        return {"done": 1}

    def to_dict(self):
        return {"failed": ["b"]}


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """A session leaves nothing behind in this process."""
    monkeypatch.delenv(session.LAB_VARIABLE, raising=False)
    monkeypatch.setattr(session.atexit, "register", lambda _: None)
    monkeypatch.setattr(session.logs, "log_to_console", lambda: None)
    monkeypatch.setattr(session, "_current_session", None)
    monkeypatch.setattr(session, "_lab_kernel", None)
    root = logging.getLogger()
    level = root.level
    yield
    if session._current_session:
        session._current_session.close()
    root.setLevel(level)


def begin(monkeypatch, shell: Shell):
    shell.user_ns["In"].append(samples.BEGIN)
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    return kpfnb.begin()


def record():
    (run,) = runs.list_runs(settings.load_settings().runs_dir)
    return run


@pytest.fixture
def lab(monkeypatch):
    monkeypatch.setenv(session.LAB_VARIABLE, "/somewhere/progress.ipynb")


def test_parameters_are_found_checked_and_converted(monkeypatch, capsys):
    shell = Shell(samples.PARAMETERS, '# Parameters\nn = "4"\n')
    run = begin(monkeypatch, shell)
    assert [parameter.name for parameter in run.parameters] == ["n", "label"]
    assert run.values == {"n": 4, "label": "x"} and shell.user_ns["n"] == 4
    assert (run.origin, run.interactive, run.notebook) == ("papermill", False, "notebook")
    assert record().parameters == run.values
    printed = capsys.readouterr().out
    assert run.id in printed and kpfnb.__version__ in printed


@pytest.mark.parametrize(
    ("injected", "message"),
    [("m = 4", "unknown parameter 'm'"), ("n = 40", "parameter n: .* from 1 to 9")],
)
def test_a_wrong_parameter_is_rejected_and_recorded(monkeypatch, injected, message):
    shell = Shell(samples.PARAMETERS, f"# Parameters\n{injected}\n")
    with pytest.raises(InvalidParameterError, match=message) as caught:
        begin(monkeypatch, shell)
    assert record().outcome is Outcome.REJECTED
    assert record().reason == " ".join(str(caught.value).split())
    assert caught.value._render_traceback_() == [f"InvalidParameterError: {caught.value}"]


def test_the_result_is_written_and_the_outcome_recorded(monkeypatch):
    run = begin(monkeypatch, Shell(samples.PARAMETERS))
    assert run.finish(Result()) is None
    assert (record().outcome, record().reason) == (Outcome.PARTIAL, "1 of 2 failed")
    assert record().figures == {"done": 1}
    result = json.loads((run.directory / "result.json").read_text())
    assert result["values"] == {"failed": ["b"]} and result["run"] == run.id
    assert (run.directory.parent.parent / "index.html").exists()


def test_a_cell_error_ends_the_run(monkeypatch):
    shell = Shell(samples.PARAMETERS)
    begin(monkeypatch, shell)
    shell.fail(ValueError("no such night"))
    assert record().outcome is Outcome.FAILED
    assert record().reason == "cell [3]: ValueError: no such night"


def test_an_error_after_the_result_changes_nothing(monkeypatch):
    shell = Shell(samples.PARAMETERS)
    run = begin(monkeypatch, shell)
    run.finish(Result())
    shell.fail(ValueError("no such night"))
    assert record().outcome is Outcome.PARTIAL


def test_starting_again_makes_another_run(monkeypatch):
    shell = Shell(samples.PARAMETERS)
    first = begin(monkeypatch, shell)
    second = begin(monkeypatch, shell)
    assert first.id != second.id
    newest, oldest = runs.list_runs(settings.load_settings().runs_dir)
    assert (newest.outcome, oldest.outcome) == (None, Outcome.FAILED)
    assert "without a result" in oldest.reason


def test_the_form_begins_a_run_with_its_values(monkeypatch, lab):
    shell = Shell(samples.PARAMETERS)
    run = begin(monkeypatch, shell)
    first = run.id
    run.restart({"n": 7, "label": "new"})
    assert run.interactive and run.notebook == "progress"
    assert shell.user_ns["n"] == 7 and run.id != first
    # A session that was started and left without a result is no run
    assert record().id == run.id and record().parameters == {"n": 7, "label": "new"}


def test_in_jupyterlab_the_form_waits_and_that_is_no_error(monkeypatch, lab):
    shell = Shell(samples.PARAMETERS)
    run = begin(monkeypatch, shell)
    monkeypatch.setattr("kpfnb.notebook.form.show_form", lambda _: None)
    with pytest.raises(waiting.WaitForRun) as stop:
        run.form()
    assert isinstance(stop.value, shell.silent)
    assert shell.show(shell, *sys.exc_info(), tb_offset=None) is None
    shell.fail(stop.value)
    # Nothing runs, and no list says that it does
    assert not runs.list_runs(settings.load_settings().runs_dir)
    run.restart(run.values)
    assert record().outcome is None
    # A notebook that only looks
    run.form(wait=False)
    assert record().outcome is None


def test_a_cell_run_by_hand_below_a_form_that_waits_begins_a_run(monkeypatch, lab):
    shell = Shell(samples.PARAMETERS)
    run = begin(monkeypatch, shell)
    monkeypatch.setattr("kpfnb.notebook.form.show_form", lambda _: None)
    with pytest.raises(waiting.WaitForRun):
        run.form()
    run.close()
    run._before_cell(SimpleNamespace(raw_cell="", cell_id="below"))
    assert record().parameters["n"] == run.values["n"]


NIGHT = 'night: "night" = "last"  # which'


def test_without_a_last_night_the_form_asks_for_another(monkeypatch, lab):
    run = begin(monkeypatch, Shell(NIGHT))
    assert run.values == {"night": "last"} and "no night" in run.problem
    monkeypatch.setattr("kpfnb.notebook.form.show_form", lambda _: None)
    with pytest.raises(waiting.WaitForRun):
        run.form(wait=False)
    with pytest.raises(KpfnbError):
        run.restart({"night": "last"})
    run.restart({"night": "20240115"})
    assert run.values == {"night": "20240115"}


def test_elsewhere_a_missing_last_night_is_rejected(monkeypatch):
    with pytest.raises(KpfnbError, match="no night"):
        begin(monkeypatch, Shell(NIGHT))
    assert record().outcome is Outcome.REJECTED


def test_values_of_a_link_are_filled_in_once(monkeypatch, tmp_path):
    file = tmp_path / "progress.ipynb"
    monkeypatch.setenv(session.LAB_VARIABLE, str(file))
    filled_in.store_values(file, {"n": 5})
    run = begin(monkeypatch, Shell(samples.PARAMETERS))
    assert (run.values["n"], run.cell_values["n"], run.filled_in) == (5, 3, ["n"])
    run = begin(monkeypatch, Shell(samples.PARAMETERS))
    assert (run.values["n"], run.filled_in) == (3, [])


def test_the_form_follows_the_parameters_cell(monkeypatch, lab):
    shell = Shell(samples.PARAMETERS)
    run = begin(monkeypatch, shell)
    shown: list = []
    run.panel = SimpleNamespace(show_values=shown.append, set_busy=lambda _: None)
    changed = samples.PARAMETERS.replace("= 3", "= 4")
    shell.run(changed)
    shell.end(changed)
    assert run.cell_values["n"] == 4 and shown == [run.cell_values]
    shell.end("print(1)")
    assert len(shown) == 1


def test_elsewhere_the_form_waits_for_nobody(monkeypatch):
    run = begin(monkeypatch, Shell(samples.PARAMETERS))
    run.form()


def test_a_wrong_value_in_the_form_leaves_all_as_it_was(monkeypatch, lab):
    run = begin(monkeypatch, Shell(samples.PARAMETERS))
    before = run.id
    with pytest.raises(InvalidParameterError):
        run.restart({"n": 70})
    assert run.id == before and run.values["n"] == 3


def test_finishing_twice_interactively_makes_two_runs(monkeypatch, lab):
    run = begin(monkeypatch, Shell(samples.PARAMETERS))
    run.finish(Result())
    run.finish(Result())
    records = runs.list_runs(settings.load_settings().runs_dir)
    assert [ended.outcome for ended in records] == [Outcome.PARTIAL] * 2


def test_under_kpfnb_run_the_end_is_left_to_it(monkeypatch):
    given = runs.start_run("progress", parameters={"n": 3, "label": "x"})
    monkeypatch.setenv(RUN_VARIABLE, str(given.directory))
    shell = Shell(samples.PARAMETERS)
    run = begin(monkeypatch, shell)
    assert (run.id, run.origin, run.directory) == (given.id, "kpfnb", given.directory)
    run.finish(Result())
    shell.fail(ValueError())
    assert record().outcome is None and record().read_result()["outcome"] == "partial"
    assert RUN_VARIABLE not in session.os.environ


def test_outside_a_notebook_it_says_so():
    with pytest.raises(InvalidInputError, match="outside a notebook"):
        kpfnb.begin()


@pytest.mark.parametrize(
    ("cells", "names", "injected"),
    [
        ([], [], []),
        (["x = 1", "print(x)"], [], []),
        (['a: "int" = 1'], ["a"], []),
        (['"""Doc."""\na: "int" = 1\n'], ["a"], []),
        (['a: "int" = 1', "# Parameters\na = 2\n"], ["a"], ["a"]),
        (['a: "int" = 1', "%matplotlib inline", "b = a + 1"], ["a"], []),
        (['a: "int" = 1', 'b: "str" = "x"'], ["b"], []),
        (["# Parameters\nz = 2\n", 'a: "int" = 1'], ["a"], []),
        (['a: "int" = 1', 'def f(x: "int" = 1):\n    pass'], ["a"], []),
    ],
)
def test_the_cell_that_declares_parameters_is_found(cells, names, injected):
    parameters, injections = declared_parameters(["", *cells, samples.BEGIN])
    assert [parameter.name for parameter in parameters] == names
    assert injections == injected


def test_a_line_without_a_kind_is_named():
    with pytest.raises(InvalidParameterError, match="parameters cell: 'b = 2'"):
        declared_parameters(['a: "int" = 1\nb = 2', samples.BEGIN])


def test_injected_into_a_notebook_without_parameters():
    with pytest.raises(InvalidParameterError, match="unknown parameter 'a'"):
        declared_parameters(["# Parameters\na = 2\n", samples.BEGIN])


def test_one_that_is_stopped_in_a_cell_says_so(monkeypatch):
    shell = Shell(samples.PARAMETERS)
    begin(monkeypatch, shell)
    shell.fail(KeyboardInterrupt())
    assert (record().outcome, record().reason) == (Outcome.FAILED, "stopped by the operator")


def test_the_record_has_the_command_that_repeats_the_run(monkeypatch):
    run = begin(monkeypatch, Shell(samples.PARAMETERS, '# Parameters\nn = "5"\n'))
    assert record().command == ["kpfnb", "run", "notebook", "-p", "n=5"]
    assert run.command({"label": "a b"})[3:] == ["-p", "label=a b"]
    with pytest.raises(InvalidParameterError):
        run.command({"n": 10})


class ResultWithPlot(Result):
    pass


@register_plot(ResultWithPlot)
def plot_result(result: ResultWithPlot) -> HoverFigure:
    figure = Figure(figsize=(4, 2))
    figure.add_subplot().plot([1, 2])
    return HoverFigure(figure)


def test_headless_a_plot_is_a_figure_and_nothing_of_the_widget_is_imported(monkeypatch):
    run = begin(monkeypatch, Shell(samples.PARAMETERS))
    monkeypatch.setitem(sys.modules, "ipympl", None)
    figure = run.plot(ResultWithPlot())
    assert type(figure).__name__ == "Figure"
    assert run.plot(figure) is figure


def test_in_jupyterlab_a_plot_is_a_widget_to_zoom_in(monkeypatch, lab):
    run = begin(monkeypatch, Shell(samples.PARAMETERS))
    for widget in (run.plot(ResultWithPlot()), run.plot(Figure())):
        assert widget.canvas.toolbar_visible == "visible"
