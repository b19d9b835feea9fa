"""What a Dask worker does when it joins (imports distributed: import it where it is used)."""

from __future__ import annotations

import os
import sys

from distributed import Worker, WorkerPlugin

from kpfnb.compute import processes


class ReaperPlugin(WorkerPlugin):
    """The worker gets a process group of its own, and a reaper for its children."""

    name = "kpfnb"
    idempotent = True

    def __init__(self, directory: str | None) -> None:
        self.directory = directory
        """Where relative paths start; None leaves the worker where it is."""

    def setup(self, worker: Worker) -> None:
        """Run in the worker when it joins, before it gets work."""
        # The terminal's Ctrl-C goes to kpfnb alone, which then stops its workers
        os.setpgid(0, 0)
        os.environ[processes.PID_TAG] = str(os.getpid())
        if self.directory:
            os.chdir(self.directory)
        self._start_reaper()

    @staticmethod
    def _start_reaper() -> None:
        command = [sys.executable, "-P", processes.__file__, str(os.getpid())]
        silence = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0) for stream in range(3)]
        # Not in the worker's group, or it would kill itself. No Popen: nobody waits for it
        os.posix_spawn(sys.executable, command, os.environ, file_actions=silence, setpgroup=0)
