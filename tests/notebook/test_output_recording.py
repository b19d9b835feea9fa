"""What the kernel records of a run, and the files that are made of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets
import nbformat
import pytest
from IPython.core.formatters import DisplayFormatter
from IPython.display import HTML

from kpfnb.core.result import Outcome
from kpfnb.notebook import run_files
from kpfnb.notebook.display import static_views
from kpfnb.notebook.output_recording import WIDGET, OutputRecorder, RecordedCell, static_outputs
from kpfnb.runs import RunRecord
from tests import samples


class Kernel:
    """As much of ipykernel as is used."""

    def __init__(self) -> None:
        self.session = self
        self.sent: list[tuple[Any, Any]] = []
        self.request = "r1"

    def get_parent(self, _: str) -> dict[str, Any]:
        return {"header": {"msg_id": self.request, "msg_type": "execute_request"}}

    def send(self, _: Any, message: Any, *given: Any, **named: Any) -> None:
        self.sent.append((message, given))

    def _publish_status(self, status: str, channel: str, parent: Any) -> None:
        self.session.send(None, "status", {"execution_state": status}, parent)


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def recorder(kernel: Kernel) -> OutputRecorder:
    recorder = OutputRecorder(kernel)
    recorder.start_cell("work()", "c1", 4, "1a2b")
    return recorder


def send(kernel: Kernel, kind: str, content: dict[str, Any], request: str = "r1") -> None:
    kernel.session.send(None, kind, content, {"msg_id": request, "msg_type": "execute_request"})


def outputs(recorder: OutputRecorder) -> list[Any]:
    return recorder.cells["c1"].outputs


def stream(text: str) -> dict[str, Any]:
    return {"name": "stdout", "text": text}


def test_it_records_what_jupyterlab_shows(kernel: Kernel, recorder: OutputRecorder) -> None:
    send(kernel, "stream", stream("a"))
    send(kernel, "stream", stream("b\n"))
    send(kernel, "stream", stream("of another cell"), request="r0")
    shown = {"data": {"text/plain": "1"}, "metadata": {}, "transient": {"display_id": "d"}}
    send(kernel, "display_data", shown)
    send(kernel, "update_display_data", {**shown, "data": {"text/plain": "2"}})
    first, second = outputs(recorder)
    assert first == {"output_type": "stream", "name": "stdout", "text": "ab\n"}
    assert second["data"] == {"text/plain": "2"}
    assert recorder.displayed()["c1"]["count"] == 4
    assert len(kernel.sent) == 5


def test_cleared_outputs_are_gone(kernel: Kernel, recorder: OutputRecorder) -> None:
    send(kernel, "stream", stream("a"))
    send(kernel, "clear_output", {"wait": True})
    assert len(outputs(recorder)) == 1
    send(kernel, "stream", stream("b"))
    assert [output["text"] for output in outputs(recorder)] == ["b"]


def test_messages_with_their_header_are_recorded_too(
    kernel: Kernel, recorder: OutputRecorder
) -> None:
    message = {
        "header": {"msg_type": "stream"},
        "parent_header": {"msg_id": "r1"},
        "content": stream("a"),
    }
    kernel.session.send(None, message)
    assert outputs(recorder)[0]["text"] == "a"


def test_a_busy_kernel_stays_busy(kernel: Kernel, recorder: OutputRecorder) -> None:
    idle = {"execution_state": "idle"}
    other = {"msg_id": "x", "msg_type": "debug_request"}
    kernel.session.send(None, "status", idle, other)
    assert kernel.sent[-1][1][0] == {"execution_state": "busy"}
    recorder.end_cell()
    kernel.session.send(None, "status", idle, other)
    assert kernel.sent[-1][1][0] == idle


def test_widgets_are_replaced_by_what_they_stand_for() -> None:
    table = ipywidgets.VBox([])
    static_views.register_view(table, HTML("<table></table>"))
    label, button = ipywidgets.HTML("<p>text</p>"), ipywidgets.Button(description="Press")
    box = ipywidgets.VBox([table, label, button])
    recorded = [_displayed(box), _displayed(button), _displayed(table, picture="aGk=")]
    static = static_outputs(recorded, DisplayFormatter())
    assert [output.data.get("text/html") for output in static] == [
        "<table></table>", "<p>text</p>", None,
    ]  # fmt: skip
    assert static[2].data == {"image/png": "aGk="}
    static_views.clear_views()


def _displayed(widget: Any, picture: str = "") -> dict[str, Any]:
    data = {"text/plain": "VBox()", WIDGET: {"model_id": widget.model_id}}
    data |= {"image/png": picture} if picture else {}
    return {"output_type": "display_data", "data": data, "metadata": {}, "transient": {}}


def test_the_files_of_a_run_are_as_those_of_a_headless_one(tmp_path: Path) -> None:
    file = samples.make(tmp_path, "work", "print(1)", "print(2)", "never()")
    record = replace(
        RunRecord("1a2b", "work", "2024-01-15T00:00:00Z", outcome=Outcome.SUCCEEDED),
        parameters={"n": 7, "label": "x"},
        directory=tmp_path,
    )
    text = {"output_type": "stream", "name": "stdout", "text": "1\n"}
    cells = {
        "a": RecordedCell("a", "print(1)", 4, "1a2b", [text]),
        "b": RecordedCell("b", "print(2)", 5, "of an earlier run", [text]),
        "new": RecordedCell("new", "print(3)", 6, "1a2b", [text]),
    }
    head = {"kpfnb.begin(": nbformat.v4.new_output("stream", text="run 1a2b\n")}
    run_files.write_run_files(record, file, cells, DisplayFormatter(), head)
    notebook = nbformat.read(tmp_path / "notebook.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code[1].source == "# Parameters\nn = 7\nlabel = 'x'"
    by_source = {cell.source: cell for cell in code}
    assert by_source["print(1)"].execution_count == 4
    assert by_source["print(2)"].outputs == [] == by_source["never()"].outputs
    assert by_source["print(3)"].outputs[0].text == "1\n"
    assert "run 1a2b" in (tmp_path / "report.html").read_text()


def test_a_notebook_that_is_gone_leaves_what_was_executed(tmp_path: Path) -> None:
    record = RunRecord("1a2b", "work", "2024-01-15T00:00:00Z", directory=tmp_path)
    cells = {"a": RecordedCell("a", "print(1)", 4, "1a2b")}
    notebook = run_files.build_notebook(record, tmp_path / "no.ipynb", cells, None, {})
    assert [cell.source for cell in notebook.cells] == ["print(1)"]
