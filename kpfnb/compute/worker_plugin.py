"""The set-up of a Dask worker. It imports distributed: import it inside functions only."""

from __future__ import annotations

import os
import sys

from distributed import Worker, WorkerPlugin

from kpfnb.compute import processes


class ReaperPlugin(WorkerPlugin):
    """Gives a worker its own process group, and a process that kills its children after its end."""

    name = "kpfnb"
    idempotent = True

    def __init__(self, directory: str | None) -> None:
        self.directory = directory
        """The working directory of the worker; None leaves it unchanged."""

    def setup(self, worker: Worker) -> None:
        """Called in the worker before it gets work."""
        # Ctrl-C in the terminal is for kpfnb alone, which then stops its workers
        os.setpgid(0, 0)
        os.environ[processes.PID_TAG] = str(os.getpid())
        if self.directory:
            os.chdir(self.directory)
        # The worker's web pages ask for no key
        worker.http_server.stop()
        self._start_reaper()

    @staticmethod
    def _start_reaper() -> None:
        command = [sys.executable, "-P", processes.__file__, str(os.getpid())]
        silence = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0) for stream in range(3)]
        # Not in the worker's group, which it kills. No Popen: nothing waits for it
        os.posix_spawn(sys.executable, command, os.environ, file_actions=silence, setpgroup=0)
