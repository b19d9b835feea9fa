"""Runs one command in its place, and writes down how it ended and how much memory it took.

It is started as `python -m kpfnb.adap.pypeit.measure_main REPORT FOLDER NAME=VALUE... -- COMMAND...`,
since a process can learn the peak memory of its own children only. The report is JSON: `exit_code`
(minus the signal where one ended it), `peak_bytes`, that of the largest single process, and
`cpu_seconds`, the processor time of all of them.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

from kpfnb.core import atomic


def main() -> None:
    """Run the command after `--`, then leave with its exit code."""
    dash = sys.argv.index("--")
    report, folder, *variables = sys.argv[1:dash]
    added = dict(variable.split("=", 1) for variable in variables)
    with subprocess.Popen(sys.argv[dash + 1 :], cwd=folder, env={**os.environ, **added}) as child:
        # Whoever stops the command signals us too; we stay to tell of its end
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        exit_code = child.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    atomic.write_json(
        Path(report),
        {
            "exit_code": exit_code,
            "peak_bytes": _to_bytes(used.ru_maxrss),
            "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        },
    )
    sys.exit(exit_code if exit_code >= 0 else 128 - exit_code)


def _to_bytes(peak: int) -> int:
    # Linux counts in kB, macOS in bytes
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main()
