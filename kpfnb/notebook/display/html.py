"""Small pieces of HTML that notebooks show: file links, error messages, a page that refreshes."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from kpfnb.core import progress
from kpfnb.core.errors import KpfnbError
from kpfnb.core.result import Result
from kpfnb.notebook import links

if TYPE_CHECKING:
    import asyncio

_refresh_task: asyncio.Task[None] | None = None


def error_html(error: object) -> str:
    """An error message as HTML that screen readers announce at once; '' for no error."""
    return f"<span role='alert'><b>✗ {escape(str(error))}</b></span>" if error else ""


def file_link(path: Path, text: str = "") -> Markup:
    """A file as HTML: in JupyterLab a link to it, elsewhere only the text."""
    return links.link_html(links.page_url(path), text or str(path))


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
