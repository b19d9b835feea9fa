"""The fork server: loads the heavy libraries once and forks a Jupyter kernel for each request.

`kpfnb.notebook.kernels.fork_server` runs it as
`python -P -m kpfnb.notebook.kernels.fork_server_main DESCRIPTOR`; DESCRIPTOR is one end of a socket
pair. A request is one byte with a socket and the kernel's stdin, stdout and stderr. On that socket
the server sends the kernel's process id and later its exit code, a line each; the forked child
reads its arguments, environment and directory from it.

The process has one thread only, as forking requires. It ends, and its kernels with it, when the
other end of its socket is closed, however the process there died.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

PRELOADED = (
    "numpy",
    "pandas",
    "astropy.io.fits",
    "astropy.table",
    "astropy.time",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_agg",
    "ipywidgets",
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "IPython.core.completerlib",
    "IPython.core.pylabtools",
    "IPython.extensions.storemagic",
    "pandas.io.formats.html",
    "tornado.platform.asyncio",
    "pydantic_settings",
    "psutil",
    "ipykernel.debugger",
)
"""Without kpfnb itself, which must be read again by each kernel, and without matplotlib's inline
backend, which connects to the shell that exists at its import: no plot would be shown."""

INLINE = "module://matplotlib_inline.backend_inline"
DESCRIPTORS = 4


def main() -> None:
    """Serve until the other end is gone; in a forked child, become the kernel."""
    control = socket.socket(fileno=int(sys.argv[1]))
    os.environ.setdefault("MPLBACKEND", INLINE)
    # Python's own modules are frozen; without this the debugger warns of it in every log
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    bytecode = sys.dont_write_bytecode
    for name in PRELOADED:
        with suppress(ModuleNotFoundError):
            importlib.import_module(name)
    # The debugger switches it off
    sys.dont_write_bytecode = bytecode
    # Memory is shared with the kernels as long as the garbage collector does not write to it
    gc.collect()
    gc.freeze()
    request = _ForkServer(control).serve()
    if request:
        _become_kernel(request)


class _ForkServer:
    """The loop that forks kernels and reports their exit codes."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.kernels: dict[int, socket.socket] = {}
        self.woken, waker = socket.socketpair()
        waker.setblocking(False)
        self.waker = waker
        signal.set_wakeup_fd(waker.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> dict[str, Any] | None:
        """Serve requests; returns None at the end, and in a forked child its request."""
        selector = selectors.DefaultSelector()
        selector.register(self.control, selectors.EVENT_READ)
        selector.register(self.woken, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if self.woken in ready:
                self.woken.recv(4096)
                self._reap()
            if self.control not in ready:
                continue
            message, descriptors, *_ = socket.recv_fds(self.control, 1, DESCRIPTORS)
            if not message:
                self._kill_all()
                return None
            request = self._fork(descriptors)
            if request:
                selector.close()
                return request

    def _fork(self, descriptors: list[int]) -> dict[str, Any] | None:
        link = socket.socket(fileno=descriptors[0])
        try:
            pid = os.fork()
        except OSError:
            # No resources for another kernel: the client sees the link close, the others continue
            link.close()
            _close_descriptors(descriptors[1:])
            return None
        if pid == 0:
            self._close_server_files()
            return _read_request(link, descriptors[1:])
        self.kernels[pid] = link
        _send_number(link, pid)
        _close_descriptors(descriptors[1:])
        return None

    def _close_server_files(self) -> None:
        # In the child: close the server's files and restore the signal handlers
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for link in (self.control, self.woken, self.waker, *self.kernels.values()):
            link.close()

    def _reap(self) -> None:
        while self.kernels:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            # Children that a killed kernel has left in its process group
            _kill_group(pid)
            link = self.kernels.pop(pid)
            _send_number(link, os.waitstatus_to_exitcode(status))
            link.close()

    def _kill_all(self) -> None:
        for pid in self.kernels:
            _kill_group(pid)


def _read_request(link: socket.socket, streams: list[int]) -> dict[str, Any]:
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    with link, link.makefile("rb") as stream:
        return json.load(stream)


def _become_kernel(request: dict[str, Any]) -> None:
    """Become like a kernel started by command line: own session, environment, random state."""
    os.setsid()
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    _reset_libraries()
    sys.argv = ["ipykernel_launcher.py", *request["arguments"]]
    sys.path.insert(0, "")
    from ipykernel.kernelapp import IPKernelApp

    # The kernel ends when this process's parent, the server, is gone
    parent = f"--IPKernelApp.parent_handle={os.getppid()}"
    IPKernelApp.launch_instance([*sys.argv[1:], parent])
    # Run the exit functions, but skip the slow teardown of the loaded libraries
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _reset_libraries() -> None:
    import matplotlib
    import numpy as np

    # Otherwise all forks of this process draw the same random numbers
    np.random.seed(None)
    matplotlib.rcParams["backend"] = os.environ.setdefault("MPLBACKEND", INLINE)


def _send_number(link: socket.socket, number: int) -> None:
    # The client may have closed the link already
    with suppress(BrokenPipeError, ConnectionResetError):
        link.send(f"{number}\n".encode())


def _close_descriptors(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
