"""Small pieces of HTML that notebooks show: file links, error messages, a page that refreshes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import markupsafe
from markupsafe import Markup

from kpfnb.core import progress
from kpfnb.core.errors import KpfnbError
from kpfnb.core.result import Result

if TYPE_CHECKING:
    import asyncio

PARENT_VARIABLE = "JPY_PARENT_PID"
"""Environment variable in which JupyterLab gives its kernels the process id of its server."""

_refresh_task: asyncio.Task[None] | None = None


def error_html(error: object) -> str:
    """An error message as HTML that screen readers announce at once; '' for no error."""
    return f"<span role='alert'><b>✗ {escape(str(error))}</b></span>" if error else ""


def file_link(path: Path, text: str = "") -> Markup:
    """A file as HTML: a link if JupyterLab can open it, otherwise only the text."""
    target = jupyter_href(path)
    link = Markup('<a href="{}" target="_blank" rel="noopener">{}</a>')
    label = text or str(path)
    return link.format(target, label) if target else markupsafe.escape(label)


def jupyter_href(path: Path) -> str:
    """The URL of a file relative to the notebook; '' if JupyterLab can't reach the file.

    JupyterLab opens only files below its own root directory.
    """
    root = jupyter_root()
    if root is None or not path.absolute().is_relative_to(root):
        return ""
    return quote(os.path.relpath(path.absolute(), Path.cwd()))


@cache
def jupyter_root() -> Path | None:
    """The root directory of JupyterLab; None if the notebook does not run in JupyterLab."""
    parent = os.environ.get(PARENT_VARIABLE)
    if not parent or "JPY_SESSION_NAME" not in os.environ:
        return None
    from jupyter_core.paths import jupyter_runtime_dir

    server_file = Path(jupyter_runtime_dir(), f"jpserver-{parent}.json")
    try:
        return Path(json.loads(server_file.read_text(encoding="utf-8"))["root_dir"])
    except (OSError, ValueError, KeyError):
        return None


def display_refreshing(
    result: Result, page: str, render: Callable[[], str], *, every_seconds: float
) -> None:
    """Display a result; in JupyterLab as a page that refreshes until the next one is displayed.

    page : the result as HTML
    render : returns the current page; it is called in a separate thread
    """
    from IPython.display import display

    global _refresh_task
    if not progress.in_notebook():
        display(result)
        return
    import asyncio

    import ipywidgets

    view = ipywidgets.HTML(page)
    display(view)

    async def refresh() -> None:
        while True:
            await asyncio.sleep(every_seconds)
            try:
                view.value = await asyncio.to_thread(render)
            except KpfnbError as error:
                view.value = f"<p>{escape(str(error))}</p>"

    if _refresh_task:
        _refresh_task.cancel()
    _refresh_task = asyncio.get_running_loop().create_task(refresh())
