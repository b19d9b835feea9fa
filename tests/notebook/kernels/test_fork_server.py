import os
import signal
import time

import psutil
import pytest

from kpfnb.notebook.kernels import fork_server
from kpfnb.notebook.kernels.fork_server import ForkFailed, ForkServerClient


@pytest.fixture(scope="module")
def host():
    server = ForkServerClient(os.environ)
    yield server
    server.close()


def fork(server, tmp_path, **environment):
    request = {
        "arguments": ["-f", str(tmp_path / "kernel.json"), "--IPKernelApp.transport=ipc"],
        "environment": {**os.environ, **environment},
        "directory": str(tmp_path),
    }
    with open(tmp_path / "out", "ab") as out, open(os.devnull, "rb") as nothing:
        return server.fork(request, [nothing.fileno(), out.fileno(), out.fileno()])


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_kernel_has_the_place_and_environment_it_was_asked_for(host, tmp_path):
    kernel = fork(host, tmp_path, KPFNB_COLOUR="green")
    try:
        wait_for((tmp_path / "kernel.json").exists)
        process = psutil.Process(kernel.pid)
        assert process.cwd() == str(tmp_path)
        assert os.getsid(kernel.pid) == os.getpgid(kernel.pid) == kernel.pid
        assert kernel.poll() is None
        # Forking needs a server with a single thread
        assert process.parent().num_threads() == 1
    finally:
        kernel.send_signal(signal.SIGKILL)
    wait_for(lambda: kernel.poll() is not None)
    assert kernel.poll() == -signal.SIGKILL


def test_a_signal_to_a_dead_kernel_is_nothing(host, tmp_path):
    kernel = fork(host, tmp_path)
    kernel.send_signal(signal.SIGKILL)
    wait_for(lambda: kernel.poll() is not None)
    kernel.send_signal(signal.SIGKILL)


def test_a_server_takes_its_kernels_with_it(tmp_path):
    server = ForkServerClient(os.environ)
    kernel = fork(server, tmp_path)
    wait_for((tmp_path / "kernel.json").exists)
    server.close()
    wait_for(lambda: kernel.poll() is not None)
    wait_for(lambda: not psutil.pid_exists(kernel.pid))
    with pytest.raises((ForkFailed, OSError)):
        fork(server, tmp_path)


def test_a_fork_that_the_system_refuses_does_no_harm_to_other_kernels(tmp_path):
    refuse = tmp_path / "refuse"
    (tmp_path / "sitecustomize.py").write_text(
        f"""
import os
real = os.fork
def fork():
    if os.path.exists({str(refuse)!r}):
        raise BlockingIOError(11, "Resource temporarily unavailable")
    return real()
os.fork = fork
"""
    )
    server = ForkServerClient({**os.environ, "PYTHONPATH": str(tmp_path)})
    kernels = [fork(server, tmp_path)]
    try:
        refuse.touch()
        with pytest.raises(ForkFailed):
            fork(server, tmp_path)
        refuse.unlink()
        kernels.append(fork(server, tmp_path))
        assert [kernel.poll() for kernel in kernels] == [None, None]
    finally:
        server.close()
        wait_for(lambda: all(kernel.poll() is not None for kernel in kernels))


def test_one_server_serves_an_environment():
    try:
        first = fork_server.get_server()
        assert fork_server.get_server() is first
        other = fork_server.get_server({**os.environ, "OMP_NUM_THREADS": "3"})
        assert other is not first
        assert fork_server.get_server({**os.environ, "KPFNB_WORK_DIR": "/elsewhere"}) is first
    finally:
        fork_server.close_servers()
    assert not first.is_alive and not other.is_alive
