"""The execution of one notebook by papermill, in its own kernel, which can be stopped any time."""

from __future__ import annotations

import logging
import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal

import papermill
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import DeadKernelError
from nbconvert.filters import strip_ansi
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, NotebookExecutionManager, papermill_engines

from kpfnb.core import logs
from kpfnb.notebook.kernels.fork_server import ForkFailed
from kpfnb.runs import LOG_NAME, RunRecord
from kpfnb.runs.classification import CellError, RunEndFacts
from kpfnb.runs.record import RUN_VARIABLE

KernelKind = Literal["fork", "plain"]
PARTIAL_NAME = "notebook.partial.ipynb"
START_SECONDS = 120
END_POLL_SECONDS = 0.01
END_SECONDS = 2.0
GRACE_SECONDS = 10
"""Time for a kernel to clean up after an interrupt, before it is killed."""

_ENGINE = "kpfnb"
_log = logging.getLogger(__name__)


class NotebookExecution:
    """Runs one notebook from top to bottom. Call `run` once, `stop` from any thread."""

    def __init__(
        self,
        record: RunRecord,
        path: Path,
        given: Mapping[str, Any],
        *,
        kernel: KernelKind = "fork",
        on_cell: Callable[[int, int], None] | None = None,
    ) -> None:
        self.notebook: Any = None
        """The notebook with its outputs so far; None before it was read."""
        self._record = record
        self._path = path
        self._given = given
        self._kernel = kernel
        self._on_cell = on_cell
        self._stopped = ""
        self._facts = RunEndFacts()
        self._manager: _KernelManager | None = None
        self._timers: list[threading.Timer] = []

    def run(self, *, timeout_seconds: float | None = None) -> RunEndFacts:
        """Execute the notebook; returns what happened, and raises nothing."""
        if timeout_seconds:
            self._call_later(
                timeout_seconds, self.stop, f"stopped: took more than {timeout_seconds} s"
            )
        # In its own thread: separate from the caller's event loop, while the caller gets signals
        thread = threading.Thread(target=self._run_in_thread, name=f"run {self._record.id}")
        thread.start()
        thread.join()
        for timer in self._timers:
            timer.cancel()
        return self._facts

    def stop(self, reason: str) -> None:
        """Interrupt the running cell and stop; a second call kills the kernel."""
        if self._stopped:
            self._signal_kernel(signal.SIGKILL)
            return
        self._stopped = reason
        self._signal_kernel(signal.SIGINT)
        self._call_later(GRACE_SECONDS, self._signal_kernel, signal.SIGKILL)

    def _run_in_thread(self) -> None:
        # nbclient uses this loop in this thread, and leaves it open
        loop = ensure_event_loop()
        try:
            with logs.thread_log(self._record.directory / LOG_NAME):
                self._facts = self._run_and_classify()
        finally:
            loop.close()

    def _run_and_classify(self) -> RunEndFacts:
        cell_error, kernel_died, environment_error = None, False, ""
        try:
            self._run_papermill()
        except papermill.PapermillExecutionError as error:
            cell_error = CellError(error.exec_count or 0, error.ename, error.evalue)
            _log.info("%s", strip_ansi("\n".join([str(cell_error), *error.traceback])))
        except _Stopped:
            _log.info("%s", self._stopped)
        except DeadKernelError:
            kernel_died = True
        # The border of a run: any other error around the notebook is part of its outcome
        except Exception as error:
            kernel_died = "Kernel died" in str(error)
            environment_error = "" if kernel_died else f"{type(error).__name__}: {error}"
            _log.exception("the notebook could not be executed")
        return RunEndFacts(
            stop_reason=self._stopped,
            environment_error=logs.redact_secrets(environment_error),
            kernel_died=kernel_died,
            error=cell_error,
            result=self._record.read_result(),
        )

    def _run_papermill(self) -> None:
        # papermill replaces {name} in paths by parameters
        source, target = (
            str(path).replace("{", "{{").replace("}", "}}")
            for path in (self._path, self._record.directory / PARTIAL_NAME)
        )
        papermill.execute_notebook(
            source,
            target,
            parameters=dict(self._given),
            engine_name=_ENGINE,
            kernel_name="python3",
            progress_bar=False,
            execution=self,
        )

    def execute(self, notebook_manager: NotebookExecutionManager) -> None:
        """Called by papermill after it has injected the parameters."""
        self.notebook = notebook_manager.nb
        try:
            self._execute_in_kernel(notebook_manager, self._kernel)
        except ForkFailed as error:
            # No cell has run so far
            _log.warning("%s; going on with a plain kernel", error)
            self._execute_in_kernel(notebook_manager, "plain")

    def _execute_in_kernel(
        self, notebook_manager: NotebookExecutionManager, kernel: KernelKind
    ) -> None:
        # The path of a Unix socket is limited to about 100 characters: not in the run's directory
        folder = Path(tempfile.mkdtemp(prefix="kpfnb-", dir=_short_temp_dir()))
        try:
            with open(self._record.directory / LOG_NAME, "ab") as output:
                variables = {RUN_VARIABLE: str(self._record.directory)}
                self._manager = _KernelManager(folder, kernel, variables, output)
                client = PapermillNotebookClient(
                    notebook_manager,
                    km=self._manager,
                    kernel_name="python3",
                    startup_timeout=START_SECONDS,
                    on_cell_start=self._before_cell,
                )
                client.execute(cleanup_kc=True)
        finally:
            self._manager = None
            shutil.rmtree(folder, ignore_errors=True)

    def _before_cell(self, *, cell_index: int, **_: Any) -> None:
        if self._stopped:
            raise _Stopped
        if self._on_cell:
            self._on_cell(cell_index + 1, len(self.notebook.cells))

    def _signal_kernel(self, number: int) -> None:
        manager = self._manager
        process = manager and manager.provisioner and manager.provisioner.process
        if not process:
            return
        # Also child processes of the notebook, but not those with their own session: services
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)

    def _call_later(self, seconds: float, action: Callable[..., None], *arguments: Any) -> None:
        timer = threading.Timer(seconds, action, arguments)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()


class _Stopped(Exception):
    """The run was stopped between two cells."""


class _Engine(Engine):
    """papermill's engine interface: the execution starts its own kernel."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: NotebookExecutionManager,
        kernel_name: str,
        *,
        execution: NotebookExecution,
        **_: Any,
    ) -> None:
        """Execute the notebook."""
        execution.execute(nb_man)


papermill_engines.register(_ENGINE, _Engine)


class _KernelClient(AsyncKernelClient):
    """A client that starts at once; its parent class waits for 0.2 s of silence."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until the kernel has answered on both channels."""
        deadline = time.monotonic() + (timeout or START_SECONDS)
        while time.monotonic() < deadline:
            request = self.kernel_info()
            if await self._wait_for_reply(request) and await self._wait_for_idle(request):
                return
            if not await self._async_is_alive():
                raise RuntimeError("Kernel died before replying to kernel_info")
        raise RuntimeError(f"Kernel didn't respond in {timeout} seconds")

    async def _wait_for_reply(self, request: str) -> bool:
        try:
            # Late replies to earlier requests may come first
            while True:
                reply = await self.get_shell_msg(timeout=1)
                if reply["parent_header"].get("msg_id") == request:
                    self._handle_kernel_info_reply(reply)
                    return True
        except queue.Empty:
            return False

    async def _wait_for_idle(self, request: str) -> bool:
        """True when the request has ended: all earlier messages have been read."""
        try:
            while True:
                message = await self.get_iopub_msg(timeout=0.2)
                if message["parent_header"].get("msg_id") == request and (
                    message["content"].get("execution_state") == "idle"
                ):
                    return True
        except queue.Empty:
            return False


class _KernelManager(AsyncKernelManager):
    """A kernel of this Python over Unix sockets: another process can take a free TCP port."""

    def __init__(
        self, folder: Path, kind: KernelKind, variables: dict[str, str], output: BinaryIO
    ) -> None:
        super().__init__(
            kernel_name="python3",
            transport="ipc",
            connection_file=str(folder / "kernel.json"),
            client_factory=_KernelClient,
            # Sometimes ipykernel hangs at its end: after half of this time it is terminated
            shutdown_wait_time=END_SECONDS,
        )
        self._output = output
        provisioner = "kpfnb-fork" if kind == "fork" else "local-provisioner"
        self._spec = KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            language="python",
            # Values are templates, in which $ is special
            env={name: value.replace("$", "$$") for name, value in variables.items()},
            metadata={"kernel_provisioner": {"provisioner_name": provisioner}},
        )

    @property
    def kernel_spec(self) -> KernelSpec:
        """Always this Python, independent of the installed kernels."""
        return self._spec

    async def _async_wait(self, pollinterval: float = END_POLL_SECONDS) -> None:
        # A kernel ends faster than the default interval of 0.1 s
        await super()._async_wait(pollinterval=END_POLL_SECONDS)

    async def _async_launch_kernel(self, kernel_cmd: list[str], **kw: Any) -> None:
        # Output that bypasses IPython, such as errors of C libraries, goes to the log
        streams = {"stdout": self._output, "stderr": self._output}
        await super()._async_launch_kernel(kernel_cmd, **kw, **streams)


def _short_temp_dir() -> str | None:
    return "/tmp" if os.access("/tmp", os.W_OK) else None  # noqa: S108
