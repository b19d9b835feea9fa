"""Starts kernels in milliseconds: forks them from a process that has loaded the heavy libraries.

jupyter_client asks `ForkProvisioner` for a kernel. The process that forks them
(`kpfnb.notebook.kernels.fork_server_main`) is started with the first kernel, serves all threads of
this process, and ends with it.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import KernelProvisionerBase

START_SECONDS = 60
POLL_SECONDS = 0.02
ENV_READ_AT_IMPORT = (
    "PYTHON",
    "LD_",
    "OMP_",
    "OPENBLAS_",
    "MKL_",
    "MPL",
    "MATPLOTLIB",
    "XDG_",
    "HOME",
)
"""Variables that libraries read at import: another value needs another fork server."""
_STREAMS = {"stdout": 1, "stderr": 2}


class ForkFailed(Exception):
    """No kernel was started."""


class ForkedKernel:
    """A kernel that was forked for this process; similar to `subprocess.Popen`."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._exit_code: int | None = None
        link.settimeout(START_SECONDS)
        first = self._read_number()
        if first is None:
            link.close()
            raise ForkFailed("the kernel server could not fork a kernel, or died")
        self.pid = first
        link.setblocking(False)

    def poll(self) -> int | None:
        """The exit code (negative: killed by that signal); None while it runs."""
        if self._exit_code is None:
            try:
                code = self._read_number()
            except BlockingIOError:
                return None
            # A server that died has killed its kernels
            self._exit_code = -signal.SIGKILL if code is None else code
            self._link.close()
        return self._exit_code

    def send_signal(self, number: int) -> None:
        """Send a signal to the kernel and its child processes."""
        if self.poll() is None:
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                # It does not have its own process group yet
                with suppress(ProcessLookupError):
                    os.kill(self.pid, number)

    def _read_number(self) -> int | None:
        # Each number is one line of a few bytes
        line = b""
        while not line.endswith(b"\n"):
            byte = self._link.recv(1)
            if not byte:
                return None
            line += byte
        return int(line)


class ForkServerClient:
    """One fork server process, and the socket for requests to it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair()
        self._lock = threading.Lock()
        with theirs:
            command = [
                sys.executable,
                "-P",
                "-m",
                "kpfnb.notebook.kernels.fork_server_main",
                str(theirs.fileno()),
            ]
            self._process = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def fork(self, request: Mapping[str, Any], streams: list[int]) -> ForkedKernel:
        """A new kernel; `streams` become its stdin, stdout and stderr."""
        ours, theirs = socket.socketpair()
        try:
            with theirs, self._lock:
                socket.send_fds(self._control, [b"\n"], [theirs.fileno(), *streams])
            ours.sendall(json.dumps(request).encode())
            ours.shutdown(socket.SHUT_WR)
            return ForkedKernel(ours)
        except OSError as error:
            ours.close()
            raise ForkFailed(f"the kernel server does not answer: {error}") from error

    @property
    def is_alive(self) -> bool:
        """False once the process has died."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process and its kernels."""
        self._control.close()
        self._process.wait()


_servers: dict[tuple[tuple[str, str], ...], ForkServerClient] = {}
_servers_lock = threading.Lock()


def get_server(environment: Mapping[str, str] | None = None) -> ForkServerClient:
    """The fork server for an environment (default: this process's); starts it if necessary."""
    values = environment or os.environ
    key = tuple(sorted((n, v) for n, v in values.items() if n.startswith(ENV_READ_AT_IMPORT)))
    with _servers_lock:
        if key in _servers and not _servers[key].is_alive:
            _servers.pop(key).close()
        if key not in _servers:
            _servers[key] = ForkServerClient(values)
        return _servers[key]


def close_servers() -> None:
    """End all servers of this process."""
    with _servers_lock:
        while _servers:
            _servers.popitem()[1].close()


atexit.register(close_servers)


class ForkProvisioner(KernelProvisionerBase):
    """Starts IPython kernels of this Python by forking."""

    process: ForkedKernel | None = None

    @property
    def has_process(self) -> bool:
        """True from the launch of the kernel until `wait` has returned."""
        return self.process is not None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Choose the sockets and write the connection file."""
        manager = self.parent
        manager.write_connection_file()
        self.connection_info = manager.get_connection_info()
        arguments = kwargs.pop("extra_arguments", [])
        kwargs = await super().pre_launch(**kwargs)
        return {**kwargs, "cmd": manager.format_kernel_cmd(extra_arguments=arguments)}

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork the kernel; `cmd` is `python -m ipykernel_launcher ARGUMENTS`."""
        request = {
            "arguments": cmd[cmd.index("ipykernel_launcher") + 1 :],
            "environment": kwargs["env"],
            "directory": str(kwargs.get("cwd") or Path.cwd()),
        }
        output, errors = (_file_descriptor(kwargs.get(name), n) for name, n in _STREAMS.items())
        with open(os.devnull, "rb") as nothing:
            streams = [nothing.fileno(), output, errors]
            self.process = await asyncio.to_thread(get_server(kwargs["env"]).fork, request, streams)
        return self.connection_info

    async def poll(self) -> int | None:
        """The exit code; None while it runs."""
        return self.process.poll() if self.process else 0

    async def wait(self) -> int | None:
        """Wait for the end of the kernel."""
        while (code := await self.poll()) is None:
            await asyncio.sleep(POLL_SECONDS)
        self.process = None
        return code

    async def send_signal(self, signum: int) -> None:
        """Send a signal to the kernel and its child processes."""
        if self.process:
            self.process.send_signal(signum)

    async def kill(self, restart: bool = False) -> None:
        """Kill the kernel and its child processes."""
        await self.send_signal(signal.SIGKILL)

    async def terminate(self, restart: bool = False) -> None:
        """Ask the kernel to end."""
        await self.send_signal(signal.SIGTERM)

    async def cleanup(self, restart: bool = False) -> None:
        """Nothing to do: the sockets belong to the kernel manager."""


def _file_descriptor(stream: Any, default: int) -> int:
    return default if stream is None else stream.fileno()
