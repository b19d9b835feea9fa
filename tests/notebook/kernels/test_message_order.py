"""What a browser's widgets say is handled in the main thread, whichever thread JupyterLab names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

FIELD = """
import threading, ipywidgets
from kpfnb.notebook.kernels import widget_messages
widget_messages.install_widget_handling()
field, threads = ipywidgets.IntText(), []
field.observe(lambda _: threads.append(threading.current_thread().name), "value")
print(field.model_id)
"""

PLACE = """
import inspect
from ipykernel.comm.comm import BaseComm
print(*inspect.signature(BaseComm._reply_subshell_for).parameters)
"""


@pytest.fixture
def client() -> Iterator[Any]:
    manager, client = start_new_kernel(kernel_name="python3")
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def printed(client: Any, code: str) -> str:
    texts: list[str] = []
    client.execute_interactive(
        code, timeout=60, output_hook=lambda m: texts.append(m["content"].get("text", ""))
    )
    return "".join(texts).strip()


def subshell(client: Any) -> str:
    """Begin another thread that handles messages, as JupyterLab does for widgets."""
    client.control_channel.send(client.session.msg("create_subshell_request"))
    return client.get_control_msg(timeout=60)["content"]["subshell_id"]


def threads(client: Any) -> str:
    """In which threads a field's changes are handled."""
    comm = printed(client, FIELD)
    other = subshell(client)
    for value in (1, 2):
        data = {"method": "update", "state": {"value": value}}
        message = client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        message["header"]["subshell_id"] = other
        client.shell_channel.send(message)
        while client.get_iopub_msg(timeout=60)["content"] != {"execution_state": "idle"}:
            pass
    return printed(client, "print(*threads)")


def test_all_of_it_is_handled_in_the_main_thread(client: Any) -> None:
    assert threads(client) == "MainThread MainThread"


def test_what_it_replaces_is_there(client: Any) -> None:
    """If this fails, check how ipykernel now chooses the thread, and whether it still has to."""
    # In a kernel of its own, since a test that ran in this process may have replaced it
    assert printed(client, PLACE) == "self data default"
