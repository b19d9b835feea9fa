"""A page that is opened while a cell runs is answered; what changes something waits its turn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

from kpfnb.notebook.kernels import widget_messages

WORK = """
import time
from kpfnb.notebook.kernels import widget_messages
until = time.monotonic() + 60
print("begun", flush=True)
while time.monotonic() < until:
    widget_messages.answer_state_requests()
    time.sleep(0.05)
print("ended")
"""


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("kernel_info_request", {}, True),
        ("comm_info_request", {"target_name": "jupyter.widget"}, True),
        ("comm_open", {"target_name": "jupyter.widget.control"}, True),
        ("comm_open", {"target_name": "jupyter.widget"}, False),
        ("comm_msg", {"data": {"method": "request_states"}}, True),
        ("comm_msg", {"data": {"method": "request_state"}}, True),
        ("comm_msg", {"data": {"method": "update", "state": {}}}, False),
        ("comm_msg", {"data": {"method": "custom", "content": {"event": "click"}}}, False),
        ("comm_msg", {}, False),
        ("execute_request", {"code": "1"}, False),
        ("", {}, False),
    ],
)
def test_only_questions_are_answered_early(
    kind: str, content: dict[str, Any], expected: bool
) -> None:
    assert widget_messages.is_state_request(kind, content) is expected


def test_without_a_kernel_there_is_nothing_to_answer() -> None:
    widget_messages.answer_state_requests()


@pytest.fixture
def kernel() -> Iterator[Any]:
    manager, client = start_new_kernel(kernel_name="python3")
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_a_question_is_answered_while_a_cell_runs(kernel: Any) -> None:
    manager, client = kernel
    client.execute_interactive("import ipywidgets; w = ipywidgets.IntText(7)", timeout=60)
    work = client.execute(WORK)
    while client.get_iopub_msg(timeout=60)["content"].get("text") != "begun\n":
        pass
    later = [client.execute("order = [1]"), client.execute("order.append(2); print(order)")]
    # The answer comes first, that is in the middle of the work
    assert client.comm_info(reply=True, timeout=50)["content"]["comms"]
    manager.interrupt_kernel()
    replies: dict[str, Any] = {}
    while not {work, *later} <= replies.keys():
        message = client.get_shell_msg(timeout=60)
        replies[message["parent_header"]["msg_id"]] = message["content"]
    # An interrupt is an error, and what waited behind it is given up, as without us
    assert replies[work]["ename"] == "KeyboardInterrupt"
    assert [replies[message_id]["status"] for message_id in later] == ["aborted", "aborted"]


def test_all_that_waits_behind_a_stopped_cell_is_given_up(kernel: Any) -> None:
    manager, client = kernel
    for _ in range(5):
        work = client.execute(WORK)
        # Sent at once, as Run does: the kernel takes the first of them before the cell begins
        later = [client.execute("1") for _ in range(4)]
        while client.get_iopub_msg(timeout=60)["msg_type"] != "stream":
            pass
        assert client.comm_info(reply=True, timeout=50)["content"]["status"] == "ok"
        manager.interrupt_kernel()
        statuses: dict[str, str] = {}
        while not {work, *later} <= statuses.keys():
            message = client.get_shell_msg(timeout=60)
            statuses[message["parent_header"]["msg_id"]] = message["content"]["status"]
        assert [statuses[message_id] for message_id in (work, *later)] == [
            "error",
            *["aborted"] * 4,
        ]
        # Answered once the kernel takes cells again
        client.kernel_info(reply=True, timeout=60)


def test_what_waited_is_done_in_its_order(kernel: Any) -> None:
    _, client = kernel
    client.execute_interactive("order = []", timeout=60)
    client.execute(WORK.replace("60", "1", 1))
    last = [client.execute(f"order.append({n})") for n in range(3)][-1]
    while client.get_shell_msg(timeout=60)["parent_header"]["msg_id"] != last:
        pass
    texts: list[str] = []
    client.execute_interactive(
        "print(order)", timeout=60, output_hook=lambda m: texts.append(m["content"].get("text", ""))
    )
    assert "[0, 1, 2]\n" in texts
