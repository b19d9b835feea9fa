"""What a form asks of JupyterLab itself: run the cells below, keep the notebook, stop.

A kernel answers no button while a cell runs, so the Stop button is JupyterLab's own: it names the
command that JupyterLab does when it is pressed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import anywidget
import traitlets

INTERRUPT = "notebook:interrupt-kernel"
RUN_BELOW = "notebook:run-all-below"
SAVE = "docmanager:save"
FOCUS_DELAY_MILLISECONDS = 700


class FrontEnd(anywidget.AnyWidget):
    """The JupyterLab that shows the notebook. It is displayed, unseen, in the cell of the form."""

    _esm = Path(__file__).with_name("frontend.js")
    lab = traitlets.Unicode().tag(sync=True)
    """The model of ipylab that takes commands."""

    def __init__(self) -> None:
        from ipylab import JupyterFrontEnd

        super().__init__(lab=JupyterFrontEnd().commands.model_id, layout={"display": "none"})
        self._parts: dict[str, Any] = {}
        self._then: Callable[[], object] | None = None
        self.on_msg(self._on_message)

    def pull_widget_state(self, parts: Sequence[Any], then: Callable[[], object]) -> None:
        """Let widgets have what stands in the browser, and call `then`.

        A press of a button may overtake what was typed before it.
        """
        self._parts, self._then = {part.model_id: part for part in parts}, then
        self.send({"read": [(part.model_id, _value_trait(part)) for part in parts]})

    def run_cells_below(self) -> None:
        """Run the cells below that of this widget, whichever cell or tab is the active one."""
        self.send({"run": RUN_BELOW})

    def save_notebook(self, notebook: Path) -> None:
        """Save the notebook, so that a browser that is reloaded finds what it shows."""
        if os.access(notebook, os.W_OK):
            self.send({"save": SAVE})

    def _on_message(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        then, self._then = self._then, None
        if then is None:
            # The second of a double click
            return
        for model_id, state in content["states"].items():
            self._parts[model_id].set_state(state)
        then()


def _value_trait(part: Any) -> str:
    """The name by which a widget tells what was chosen in it."""
    return "value" if "value" in part.keys else "index"


def scroll_into_view_html(page: str, *, soon: bool) -> str:
    """HTML that tells a state; `soon`: it comes in sight, and takes the focus, a moment later.

    JupyterLab goes to the last cell when many are run, and the button that was pressed can have
    no focus while they run.
    """
    focus = f"setTimeout(() => this.parentElement.focus(), {FOCUS_DELAY_MILLISECONDS})"
    onload = f'<style onload="{escape(focus, quote=True)}"></style>' if soon else ""
    return f'<div role="status" tabindex="-1">{page}{onload}</div>'


def stop_button_html(*, enabled: bool) -> str:
    """The Stop button as HTML."""
    classes = "lm-Widget jupyter-widgets jupyter-button mod-danger"
    state = "" if enabled else " disabled"
    return (
        f'<button type="button" class="{classes}" data-commandlinker-command="{INTERRUPT}" '
        f'data-commandlinker-args="{{}}" title="Stop the work; what is done stays done"{state}>'
        "■ Stop</button>"
    )


def copy_field_html(label: str, text: str) -> str:
    """A text that is selected and copied by one press, as HTML."""
    copy = "const t = this.previousElementSibling; t.select(); document.execCommand('copy')"
    shown = escape(text, quote=True)
    return (
        '<div style="display: flex; gap: 4px">'
        f'<input readonly aria-label="{escape(label, quote=True)}" value="{shown}" '
        'style="flex: 1; font-family: var(--jp-code-font-family); color: inherit; '
        'background: transparent; border: 1px solid var(--jp-border-color1)">'
        '<button type="button" class="lm-Widget jupyter-widgets jupyter-button" '
        f'onclick="{escape(copy, quote=True)}">Copy</button></div>'
    )
