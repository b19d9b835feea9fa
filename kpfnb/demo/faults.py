"""Defects of the real DRP, on request, for tests of those who have to live with them.

The environment variable `KPFNB_DEMO_DRP_FAULT` names one:

- `fail-exit-0`: every file fails, nothing is written, and the exit code is 0
- `partial`: every second file gets no further than its 2D, and the exit code is 0
- `hang`: all the work is done, 'exiting pipeline' is said, and the process never ends
- `orphan`: all is well, but a child that holds stdout open stays behind for ten minutes
- `crash`: the process is killed by SIGKILL after its first file
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from enum import StrEnum

VARIABLE = "KPFNB_DEMO_DRP_FAULT"
CHILD = "import time; time.sleep(600)"


class Fault(StrEnum):
    """What goes wrong."""

    NONE = ""
    FAIL_EXIT_0 = "fail-exit-0"
    PARTIAL = "partial"
    HANG = "hang"
    ORPHAN = "orphan"
    CRASH = "crash"

    @classmethod
    def wanted(cls) -> Fault:
        """The one that the environment asks for; ValueError if there is no such fault."""
        return cls(os.environ.get(VARIABLE, ""))

    def levels(self, number: int) -> int:
        """How many levels the file of this number (from 0) gets."""
        if self is Fault.FAIL_EXIT_0:
            return 0
        return 1 if self is Fault.PARTIAL and number % 2 else 3

    def after_file(self) -> None:
        """What happens after a file."""
        if self is Fault.CRASH:
            os.kill(os.getpid(), signal.SIGKILL)

    def at_exit(self, failures: int) -> int:
        """What happens at the end; the exit code."""
        if self is Fault.ORPHAN:
            subprocess.Popen([sys.executable, "-c", CHILD])
        if self is Fault.HANG:
            time.sleep(3600)
        return 1 if failures and self not in (Fault.FAIL_EXIT_0, Fault.PARTIAL) else 0
