"""A browser that is reloaded gets its widgets back although a cell runs.

A kernel answers one message after another, so a page that is opened while a cell runs would wait
for its end before it shows a widget. What lasts therefore looks, now and then, whether a page asks
what there is, and answers that; everything else waits for its turn as ever.

It relies on how ipykernel 7 hands messages to its main thread; with another the page waits.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
from typing import Any, NamedTuple

from kpfnb.core import progress, signals

# What a browser's widgets say is handled in the main thread, between cells, in its order.
#
# JupyterLab would have some of it handled by another thread of the kernel (a subshell): a button is
# then pressed before the text that was typed first has come, or twice at once, or beside a cell.
#
# It relies on how ipykernel 7 hands messages of widgets to threads.


def install_main_thread_comms() -> None:
    """From now on, in this kernel."""
    from ipykernel.comm.comm import BaseComm

    progress.set_idle_callback(answer_state_requests)
    BaseComm._reply_subshell_for = _main_subshell


def _main_subshell(_: Any, data: Any, default: str | None) -> None:
    """The subshell for a message: the main one."""


STATE_REQUESTS = ("kernel_info_request", "comm_info_request")
WIDGET_CONTROL = "jupyter.widget.control"
WIDGET_STATE_METHODS = ("request_state", "request_states")

_waiting: set[asyncio.Future[Any]] = set()


class MainThreadChannel(NamedTuple):
    """Where messages for the main thread come in."""

    kernel: Any
    socket: Any
    handle_later: Any
    """Called with a message, it is handled as ever."""
    replies: Any


def answer_state_requests() -> None:
    """Answer the pages that ask what there is. To be called in the main thread, in a cell."""
    channel = _find_channel()
    if channel is None or threading.current_thread() is not threading.main_thread():
        return
    # A socket that is left half read wakes nobody any more
    with signals.defer_interrupts():
        _drain(channel)


def _drain(channel: MainThreadChannel) -> None:
    import zmq

    while True:
        try:
            frames = channel.socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return
        if is_state_request(*_read_head(channel.kernel, frames)):
            _answer_message(channel, frames)
        else:
            # A task at once: as a callback it would be a turn of the loop later, behind the note
            # that ends the giving up of cells after a stop, and would be run
            _keep_task(asyncio.ensure_future(channel.handle_later(frames)))


def is_state_request(kind: str, content: dict[str, Any]) -> bool:
    """True for a message that asks what there is, and changes nothing."""
    if kind == "comm_open":
        return content.get("target_name") == WIDGET_CONTROL
    if kind == "comm_msg":
        return dict(content.get("data") or {}).get("method") in WIDGET_STATE_METHODS
    return kind in STATE_REQUESTS


def _find_channel() -> MainThreadChannel | None:
    ipython = sys.modules.get("IPython")
    kernel: Any = getattr(ipython.get_ipython() if ipython else None, "kernel", None)
    try:
        manager = kernel.shell_channel_thread.manager
        pair = manager._shell_channel_to_main
        later = pair.to_stream._recv_callback
        replies = manager.get_subshell_to_shell_channel_socket(None)
    except AttributeError:
        return None
    return MainThreadChannel(kernel, pair.to_socket, later, replies)


def _keep_task(task: asyncio.Future[Any]) -> None:
    # The loop itself holds tasks weakly
    _waiting.add(task)
    task.add_done_callback(_waiting.discard)


def _read_head(kernel: Any, frames: list[Any]) -> tuple[str, dict[str, Any]]:
    if len(frames) == 1:
        # ipykernel's own note to itself
        return "", {}
    _, rest = kernel.session.feed_identities(frames, copy=False)
    message = kernel.session.deserialize(rest, content=False, copy=False)
    return message["header"]["msg_type"], kernel.session.unpack(message["content"])


def _answer_message(channel: MainThreadChannel, frames: list[Any]) -> None:
    kernel = channel.kernel
    idents, rest = kernel.session.feed_identities(frames, copy=False)
    message = kernel.session.deserialize(rest, content=True, copy=False)
    # A page takes an answer for complete when the kernel is idle again
    kernel._publish_status("busy", "shell", parent=message)
    answered = kernel.shell_handlers[message["header"]["msg_type"]](
        channel.replies, idents, message
    )
    if inspect.iscoroutine(answered):
        _run_to_end(answered)
    kernel._publish_status("idle", "shell", parent=message)
    kernel._publish_status("busy", "shell")


def _run_to_end(coroutine: Any) -> None:
    """Run one that waits for nothing."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration:
        return
