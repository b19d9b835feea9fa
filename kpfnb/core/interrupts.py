"""Ctrl-C, and JupyterLab's Stop, put off to the end of what can't be left half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def defer_interrupts() -> Iterator[list[int]]:
    """Heed an interrupt after the block only.

    Gives a list that is empty until one comes; whoever heeds it in the block clears the list. In
    other threads, which none reaches, nothing is done.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        signal.raise_signal(signal.SIGINT)
