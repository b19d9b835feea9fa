"""What a form asks of JupyterLab itself: run the cells below, keep the notebook, stop.

A kernel answers no button while a cell runs, so the Stop button is JupyterLab's own: it names the
command that JupyterLab does when it is pressed.
"""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import Any

INTERRUPT = "notebook:interrupt-kernel"
RUN_BELOW = ("notebook:move-cursor-down", "notebook:run-all-below")
SAVE = "docmanager:save"
BACK_MILLISECONDS = 700


class FrontEnd:
    """The JupyterLab that shows the notebook."""

    def __init__(self) -> None:
        from ipylab import JupyterFrontEnd

        # Made before the click: its list of commands comes from the browser a moment later
        self._commands = JupyterFrontEnd().commands

    def run_below(self, button: Any, notebook: Path) -> None:
        """Run the cells below that of a button.

        It takes the focus first, which makes its cell the active one whatever else was. The
        notebook is saved, so that a browser that is reloaded finds the form again.
        """
        button.focus()
        for command in RUN_BELOW:
            self._commands.execute(command)
        if os.access(notebook, os.W_OK):
            self._commands.execute(SAVE)


def in_sight(page: str, *, soon: bool) -> str:
    """HTML that tells a state; `soon`: it comes in sight, and takes the focus, a moment later.

    JupyterLab goes to the last cell when many are run, and the button that was pressed can have
    no focus while they run.
    """
    focus = f"setTimeout(() => this.parentElement.focus(), {BACK_MILLISECONDS})"
    onload = f'<style onload="{escape(focus, quote=True)}"></style>' if soon else ""
    return f'<div role="status" tabindex="-1">{page}{onload}</div>'


def stop_button(*, enabled: bool) -> str:
    """The Stop button as HTML."""
    classes = "lm-Widget jupyter-widgets jupyter-button mod-danger"
    state = "" if enabled else " disabled"
    return (
        f'<button type="button" class="{classes}" data-commandlinker-command="{INTERRUPT}" '
        f'data-commandlinker-args="{{}}" title="Stop the work; what is done stays done"{state}>'
        "■ Stop</button>"
    )


def copyable(label: str, text: str) -> str:
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
