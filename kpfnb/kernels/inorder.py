"""What a browser's widgets say is handled in the main thread, between cells, in its order.

JupyterLab would have some of it handled by another thread of the kernel (a subshell): a button is
then pressed before the text that was typed first has come, or twice at once, or beside a cell.

It relies on how ipykernel 7 hands messages of widgets to threads.
"""

from __future__ import annotations

from typing import Any


def keep() -> None:
    """From now on, in this kernel."""
    from ipykernel.comm.comm import BaseComm

    BaseComm._reply_subshell_for = _main


def _main(_: Any, data: Any, default: str | None) -> None:
    """The subshell for a message: the main one."""
