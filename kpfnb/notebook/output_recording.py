"""What the cells of a run in JupyterLab display, recorded in the kernel.

The browser may be closed in mid-run: what it would have shown is then in no file. The kernel sends
each output as a message to the browser; here it is kept as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from kpfnb.notebook.display import static_views

WIDGET = "application/vnd.jupyter.widget-view+json"
CELL_REQUEST = "execute_request"
PICTURES = ("image/png", "image/svg+xml")
OUTPUT_MESSAGES = ("stream", "display_data", "execute_result", "error")
_SHOWN_LATER = "transient"


@dataclass
class RecordedCell:
    """One executed cell.

    Attributes
    ----------
    id : the cell's id in the notebook; '' if the browser gave none
    count : its execution count
    run : the id of the run in which it was executed
    """

    id: str
    source: str
    count: int
    run: str
    outputs: list[Any] = field(default_factory=list)
    clear_first: bool = False
    """The next output replaces all others."""


class OutputRecorder:
    """Records the outputs of all cells of this kernel, the latest execution of each cell."""

    def __init__(self, kernel: Any) -> None:
        self.cells: dict[str, RecordedCell] = {}
        """By the id of the cell, or its source without one."""
        self._by_request: dict[str, RecordedCell] = {}
        self._running: dict[str, Any] = {}
        """The request whose cell runs; {} between cells."""
        self._kernel = kernel
        self._send = kernel.session.send
        kernel.session.send = self._record_and_send

    def start_cell(self, source: str, cell_id: str, count: int, run: str) -> None:
        """Record from now on the outputs of this cell, which the kernel executes now."""
        cell = RecordedCell(cell_id, source, count, run)
        self.cells[cell_id or source] = cell
        self._running = self._kernel.get_parent("shell")
        request = self._running.get("header", {}).get("msg_id", "")
        self._by_request = {
            key: known for key, known in self._by_request.items() if known in self.cells.values()
        }
        self._by_request[request] = cell

    def end_cell(self) -> None:
        """The kernel executes no cell any more."""
        self._running = {}

    def displayed(self) -> dict[str, Any]:
        """The outputs by the cell's id, as JupyterLab stores them, with the cell's count."""
        return {
            cell.id: {"count": cell.count, "outputs": cell.outputs}
            for cell in [*self.cells.values()]
            if cell.id
        }

    def _record_and_send(self, stream: Any, message: Any, *given: Any, **named: Any) -> Any:
        if isinstance(message, dict):
            kind, content = message["header"]["msg_type"], message["content"]
            parent = message.get("parent_header")
        else:
            kind = message
            content = given[0] if given else named.get("content")
            parent = given[1] if len(given) > 1 else named.get("parent")
            # The header itself, or the message that has it
            parent = (parent or {}).get("header", parent)
        cell = self._by_request.get((parent or {}).get("msg_id", ""))
        if cell and content:
            _record(cell, kind, content)
        sent = self._send(stream, message, *given, **named)
        is_idle = kind == "status" and (content or {}).get("execution_state") == "idle"
        if is_idle and self._running and (parent or {}).get("msg_type") != CELL_REQUEST:
            # Each answered request of the browser would make it believe that the kernel is idle
            self._kernel._publish_status("busy", "shell", parent=self._running)
        return sent


def _record(cell: RecordedCell, kind: str, content: dict[str, Any]) -> None:
    """Do with a cell's outputs what JupyterLab does on this message."""
    if kind == "clear_output":
        cell.clear_first = True
        if not content.get("wait"):
            cell.outputs.clear()
    elif kind == "update_display_data":
        _update(cell.outputs, content)
    elif kind in OUTPUT_MESSAGES:
        if cell.clear_first:
            cell.outputs.clear()
            cell.clear_first = False
        last = cell.outputs[-1] if cell.outputs else {}
        if kind == "stream" and last.get("name") == content["name"]:
            last["text"] += content["text"]
        else:
            cell.outputs.append({"output_type": kind, **content})


def _update(outputs: list[Any], content: dict[str, Any]) -> None:
    display = content[_SHOWN_LATER].get("display_id")
    for output in outputs:
        if display and output.get(_SHOWN_LATER, {}).get("display_id") == display:
            output.update(data=content["data"], metadata=content["metadata"])


def static_outputs(outputs: Iterable[dict[str, Any]], formatter: Any) -> list[Any]:
    """Outputs for a file that is read without JupyterLab, with views in place of widgets.

    formatter : IPython's display formatter
    """
    from nbformat.v4 import new_output

    static = []
    for output in outputs:
        values = {key: value for key, value in output.items() if key != _SHOWN_LATER}
        data = values.get("data", {})
        pictures = {kind: data[kind] for kind in PICTURES if kind in data}
        widget = data.get(WIDGET)
        if widget is None or pictures:
            kind = values.pop("output_type")
            # A figure comes with its picture
            values |= {"data": pictures} if widget else {}
            static.append(new_output(kind, **values))
            continue
        for view in static_views.static_views(widget["model_id"]):
            data, metadata = formatter.format(view)
            static.append(new_output("display_data", data, metadata=metadata))
    return static
