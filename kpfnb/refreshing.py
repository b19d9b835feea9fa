"""A view in JupyterLab that looks again by itself, for as long as the kernel lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from html import escape

from kpfnb import live
from kpfnb.errors import KpfnbError
from kpfnb.result import Result

_task: asyncio.Task[None] | None = None


def show(result: Result, page: str, look: Callable[[], str], *, every_seconds: float) -> None:
    """Show a result; in JupyterLab as a page that is made again and again, until the next one.

    page : the result as HTML
    look : gives the page as it is then; it is called in a thread of its own
    """
    from IPython.display import display

    global _task
    if not live.in_notebook():
        display(result)
        return
    import ipywidgets

    view = ipywidgets.HTML(page)
    display(view)

    async def refresh() -> None:
        while True:
            await asyncio.sleep(every_seconds)
            try:
                view.value = await asyncio.to_thread(look)
            except KpfnbError as error:
                view.value = f"<p>{escape(str(error))}</p>"

    if _task:
        _task.cancel()
    _task = asyncio.get_running_loop().create_task(refresh())
