"""Signals: handled for the length of a block, or deferred to its end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], object]


@contextmanager
def handle_signals(handler: Handler, *numbers: signal.Signals) -> Iterator[None]:
    """Call `handler` for these signals within the block; the former handlers are restored after it.

    A signal that is ignored (nohup, a job in the background) stays ignored. In a thread other than
    the main one nothing is changed: Python calls handlers in the main thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {
        number: signal.signal(number, handler)
        for number in numbers
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, old_handler in former.items():
            signal.signal(number, old_handler)


@contextmanager
def defer_interrupts() -> Iterator[list[int]]:
    """Defer Ctrl-C, and JupyterLab's Stop, to the end of a block that can't be left half done.

    Gives a list that is empty until one comes. A block that handles it itself clears the list. In
    a thread other than the main one, which no interrupt reaches, nothing is changed.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    former = signal.signal(signal.SIGINT, lambda number, _: received.append(number))
    try:
        yield received
    finally:
        signal.signal(signal.SIGINT, former)
    if received:
        signal.raise_signal(signal.SIGINT)
