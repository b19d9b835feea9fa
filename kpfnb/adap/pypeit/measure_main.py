"""A wrapper process that runs one command and writes its exit code and its use of memory and CPU.

Started as `python -m kpfnb.adap.pypeit.measure_main REPORT FOLDER NAME=VALUE... -- COMMAND...`,
because a process can learn the peak memory of its own children only. The report is JSON:
`exit_code` (minus the signal if one ended the command), `peak_bytes` of the largest single process,
and `cpu_seconds`, the processor time of all processes.
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
    """Run the command after `--`, then exit with its code."""
    dash = sys.argv.index("--")
    report, folder, *variables = sys.argv[1:dash]
    environment = os.environ | dict(variable.split("=", 1) for variable in variables)
    with subprocess.Popen(sys.argv[dash + 1 :], cwd=folder, env=environment) as child:
        # A signal that stops the command reaches this process too: it must live to write the report
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        exit_code = child.wait()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    atomic.write_json(
        Path(report),
        {
            "exit_code": exit_code,
            "peak_bytes": _to_bytes(usage.ru_maxrss),
            "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        },
    )
    sys.exit(exit_code if exit_code >= 0 else 128 - exit_code)


def _to_bytes(peak: int) -> int:
    # Linux counts in kB, macOS in bytes
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main()
