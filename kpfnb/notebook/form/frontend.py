"""Commands to JupyterLab itself: run the cells below, save the notebook, interrupt the kernel.

A kernel handles no button while a cell runs, so the Stop button is plain HTML that names the
JupyterLab command to run when it is pressed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import anywidget

INTERRUPT = "notebook:interrupt-kernel"
FOCUS_DELAY_MILLISECONDS = 700
LINKS = """.jp-Notebook .widget-html a[href] {
  color: var(--jp-content-link-color); text-decoration: underline;
}"""
"""JupyterLab shows the links of widgets as plain text."""


class FrontEnd(anywidget.AnyWidget):
    """The JupyterLab that shows the notebook, as a widget in the form.

    kpfnb's extension of JupyterLab (`kpfnb.lab`) does what is asked; without it JupyterLab's own
    commands do, which only know the current tab.
    """

    _esm = Path(__file__).with_name("frontend.js")
    _css = LINKS

    def __init__(self, on_enter: Callable[[], object]) -> None:
        super().__init__()
        self._on_enter = on_enter
        self._parts: dict[str, Any] = {}
        self._callback: Callable[[], object] | None = None
        self.on_msg(self._on_message)

    def pull_widget_state(self, parts: Sequence[Any], callback: Callable[[], object]) -> None:
        """Copy the values in the browser into the widgets, then call `callback`.

        Without it a button press can arrive before the text that was typed first.
        """
        self._parts, self._callback = {part.model_id: part for part in parts}, callback
        self.send({"read": [(part.model_id, _value_trait(part)) for part in parts]})

    def run_cells_below(self) -> None:
        """Run the cells below this widget's cell, whichever cell or tab is active."""
        self.send({"run": True})

    def save_notebook(self, notebook: Path) -> None:
        """Save the notebook, so that a reloaded browser page shows the same outputs."""
        if os.access(notebook, os.W_OK):
            self.send({"save": True})

    def notify(self, title: str, text: str) -> None:
        """Show a notification of the browser, if it may and nobody looks at the page."""
        self.send({"notify": {"title": title, "body": text}})

    def _on_message(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        if content.get("enter"):
            self._on_enter()
            return
        callback, self._callback = self._callback, None
        if callback is None:
            # The second click of a double click
            return
        for model_id, state in content["states"].items():
            self._parts[model_id].set_state(state)
        callback()


def _value_trait(part: Any) -> str:
    """The name of the trait that has the value of a widget."""
    return "value" if "value" in part.keys else "index"


def scroll_into_view_html(page: str, *, soon: bool) -> str:
    """HTML of a status message; with `soon` it scrolls into view and takes the focus.

    JupyterLab scrolls to the last cell when several are run, and the disabled Run button loses
    the focus. The delay lets JupyterLab finish first.
    """
    focus = f"setTimeout(() => this.parentElement.focus(), {FOCUS_DELAY_MILLISECONDS})"
    onload = f'<style onload="{escape(focus, quote=True)}"></style>' if soon else ""
    return f'<div role="status" tabindex="-1" style="line-height: 1.4">{page}{onload}</div>'


def stop_button_html(*, enabled: bool) -> str:
    """The Stop button as HTML."""
    classes = "lm-Widget jupyter-widgets jupyter-button mod-danger"
    state = "" if enabled else " disabled"
    return (
        f'<button type="button" class="{classes}" data-commandlinker-command="{INTERRUPT}" '
        f'data-commandlinker-args="{{}}" title="Stop the run; finished items stay finished"{state}>'
        "■ Stop</button>"
    )


def copy_field_html(label: str, text: str) -> str:
    """A read-only text field with a Copy button, as HTML."""
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
