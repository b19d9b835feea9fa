"""Messages of widgets in a busy kernel: handled in order, and answered after a page reload.

Order: JupyterLab lets another thread of the kernel (a subshell) handle some messages of widgets. A
button press may then be handled before the text that was typed first, twice at once, or during a
cell. Here the main thread handles them all, between cells, in their order.

Reload: a kernel handles one message at a time, so a page that is reloaded while a cell runs would
show no widgets until the cell ends. Long work therefore checks now and then if a page asks for
the state of its widgets, and answers; all other messages wait for their turn.

Both rely on how ipykernel 7 passes messages to threads; with another version the page waits.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
from typing import Any, NamedTuple

from kpfnb.core import progress, signals

STATE_REQUESTS = ("kernel_info_request", "comm_info_request")
WIDGET_CONTROL = "jupyter.widget.control"
WIDGET_STATE_METHODS = ("request_state", "request_states")

_waiting: set[asyncio.Future[Any]] = set()


class MainThreadChannel(NamedTuple):
    """The channel on which the main thread receives messages."""

    kernel: Any
    socket: Any
    handle_later: Any
    """Called with a message, lets ipykernel handle it in its turn."""
    replies: Any


def install_widget_handling() -> None:
    """Install the ordered handling and the answers after a reload in this kernel."""
    from ipykernel.comm.comm import BaseComm

    progress.set_idle_callback(answer_state_requests)
    BaseComm._reply_subshell_for = _main_subshell


def _main_subshell(_: Any, data: Any, default: str | None) -> None:
    """The subshell that handles a message: None, the main one."""


def answer_state_requests() -> None:
    """Answer pages that ask for the state of widgets; call it in a cell, in the main thread."""
    channel = _find_channel()
    if channel is None or threading.current_thread() is not threading.main_thread():
        return
    # A message that is only partly read would block the socket
    with signals.defer_interrupts():
        _handle_waiting_messages(channel)


def _handle_waiting_messages(channel: MainThreadChannel) -> None:
    import zmq

    while True:
        try:
            frames = channel.socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return
        if is_state_request(*_read_head(channel.kernel, frames)):
            _answer_message(channel, frames)
        else:
            # A task, not a callback: a callback would run one turn of the loop later, after
            # ipykernel has stopped cancelling cells, so that a cancelled cell would run
            _keep_task(asyncio.ensure_future(channel.handle_later(frames)))


def is_state_request(kind: str, content: dict[str, Any]) -> bool:
    """True for a message that asks for state and changes nothing."""
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
        handle_later = pair.to_stream._recv_callback
        replies = manager.get_subshell_to_shell_channel_socket(None)
    except AttributeError:
        return None
    return MainThreadChannel(kernel, pair.to_socket, handle_later, replies)


def _keep_task(task: asyncio.Future[Any]) -> None:
    # The event loop holds only weak references to tasks
    _waiting.add(task)
    task.add_done_callback(_waiting.discard)


def _read_head(kernel: Any, frames: list[Any]) -> tuple[str, dict[str, Any]]:
    if len(frames) == 1:
        # An internal message of ipykernel
        return "", {}
    _, rest = kernel.session.feed_identities(frames, copy=False)
    message = kernel.session.deserialize(rest, content=False, copy=False)
    return message["header"]["msg_type"], kernel.session.unpack(message["content"])


def _answer_message(channel: MainThreadChannel, frames: list[Any]) -> None:
    kernel = channel.kernel
    idents, rest = kernel.session.feed_identities(frames, copy=False)
    message = kernel.session.deserialize(rest, content=True, copy=False)
    # For the page an answer is complete when the kernel is idle again
    kernel._publish_status("busy", "shell", parent=message)
    handler = kernel.shell_handlers[message["header"]["msg_type"]]
    pending = handler(channel.replies, idents, message)
    if inspect.iscoroutine(pending):
        _run_to_end(pending)
    kernel._publish_status("idle", "shell", parent=message)
    kernel._publish_status("busy", "shell")


def _run_to_end(coroutine: Any) -> None:
    """Run a coroutine that never waits."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration:
        return
