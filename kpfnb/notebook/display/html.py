"""Links from a notebook to files, which JupyterLab opens when they are below its own directory."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from functools import cache
from html import escape
from pathlib import Path
from urllib.parse import quote

from kpfnb.core import progress
from kpfnb.core.errors import KpfnbError
from kpfnb.core.result import Result

# A view in JupyterLab that looks again by itself, for as long as the kernel lives.

_refresh_task: asyncio.Task[None] | None = None


def display_refreshing(
    result: Result, page: str, render: Callable[[], str], *, every_seconds: float
) -> None:
    """Show a result; in JupyterLab as a page that is made again and again, until the next one.

    page : the result as HTML
    look : gives the page as it is then; it is called in a thread of its own
    """
    from IPython.display import display

    global _refresh_task
    if not progress.in_notebook():
        display(result)
        return
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


PARENT_VARIABLE = "JPY_PARENT_PID"
"""JupyterLab tells its kernels the process of its server."""


def file_link(path: Path, text: str = "") -> str:
    """A file as HTML: a link where JupyterLab can follow it, else only the text."""
    shown = escape(text or str(path))
    target = jupyter_href(path)
    if not target:
        return shown
    return f'<a href="{escape(target, quote=True)}" target="_blank" rel="noopener">{shown}</a>'


def jupyter_href(path: Path) -> str:
    """The address of a file relative to the notebook; '' where JupyterLab can't reach it."""
    root = jupyter_root()
    if root is None or not path.absolute().is_relative_to(root):
        return ""
    return quote(os.path.relpath(path.absolute(), Path.cwd()))


@cache
def jupyter_root() -> Path | None:
    """The directory that JupyterLab shows; None where the notebook is not in JupyterLab."""
    parent = os.environ.get(PARENT_VARIABLE)
    if not parent or "JPY_SESSION_NAME" not in os.environ:
        return None
    from jupyter_core.paths import jupyter_runtime_dir

    try:
        told = Path(jupyter_runtime_dir(), f"jpserver-{parent}.json").read_text(encoding="utf-8")
        return Path(json.loads(told)["root_dir"])
    except (OSError, ValueError, KeyError):
        return None
