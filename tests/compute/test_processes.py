"""Processes that must not outlive another one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from kpfnb.compute import processes

CHILD = """
import os, signal, sys, time
from kpfnb.compute.processes import die_with_parent
if not os.fork():
    die_with_parent(signal.SIGKILL)
    print(os.getpid(), flush=True)
    time.sleep(600)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a signal at the parent's death is Linux's")
def test_a_process_dies_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    child.wait(60)


def test_a_group_that_has_ended_is_no_error() -> None:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        processes.kill_group(process.pid)
        assert process.wait(60) == -signal.SIGKILL
    processes.kill_group(process.pid)


def test_only_processes_with_the_tag_are_killed() -> None:
    tag = f"{os.getpid()}-test"
    sleep = [sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"]
    environment = {**os.environ, processes.PID_TAG: tag}
    with (
        subprocess.Popen(sleep, env=environment, stdout=subprocess.PIPE) as tagged,
        subprocess.Popen(sleep, stdout=subprocess.PIPE) as other,
    ):
        for process in (tagged, other):
            assert process.stdout
            process.stdout.readline()
        assert processes.kill_tagged_processes(tag) == 1
        assert tagged.wait(60) == -9
        assert other.poll() is None
        other.kill()
    assert processes.kill_tagged_processes(tag) == 0
