"""How fast the command line starts, and how many files of the package a command goes through.

    python benchmarks/startup.py

A module counts where one of its functions or classes is entered, in the process of the command
itself; HTML templates do not count. The commands work on a small simulated night.
"""

from __future__ import annotations

import atexit
import os
import resource
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType

import kpfnb

NIGHT = "20240115"
MOST_SECONDS = 0.25
"""CPU time of `kpfnb --help`, with Python's own start."""
REPEATS = 5
MOST_FILES = {
    ("progress", NIGHT): 18,
    ("reprocess", NIGHT): 30,
    ("run", "progress", "-p", f"start={NIGHT}"): 20,
}
TRACED = "KPFNB_TRACED_FILES"
COMMAND = "from kpfnb.cli import main; main()"


def main() -> None:
    """Measure, print the figures, and fail where one is too high."""
    seconds = min(start_seconds() for _ in range(REPEATS))
    print(f"kpfnb --help: {seconds:.2f} s of CPU time (at most {MOST_SECONDS} are asked for)")
    is_bad = seconds > MOST_SECONDS
    with tempfile.TemporaryDirectory(prefix="kpfnb-bench-") as name:
        environment = {
            **os.environ,
            "KPFNB_DATA_ROOT": f"{name}/data",
            "KPFNB_WORK_DIR": f"{name}/work",
        }
        demo = [sys.executable, "-c", COMMAND, "demo", "night", "--night", NIGHT]
        counts = [f"--count={kind}=1" for kind in ("bias", "star")]
        subprocess.run([*demo, *counts], env=environment, check=True, stdout=subprocess.DEVNULL)
        for arguments, most in MOST_FILES.items():
            files = traced_files(arguments, environment, Path(name, "files.txt"))
            print(f"kpfnb {' '.join(arguments)}: {len(files)} files (at most {most})")
            if "-v" in sys.argv:
                print(*(f"    {file}" for file in files), sep="\n")
            is_bad |= len(files) > most
    sys.exit(is_bad)


def start_seconds() -> float:
    """CPU time of `kpfnb --help` in a process of its own [s]."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", COMMAND, "--help"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def traced_files(arguments: tuple[str, ...], environment: dict[str, str], file: Path) -> list[str]:
    """The files of the package that a command enters."""
    command = [sys.executable, __file__, *arguments]
    subprocess.run(
        command, env={**environment, TRACED: str(file)}, stdout=subprocess.DEVNULL, check=False
    )
    return file.read_text().splitlines()


def trace() -> None:
    """Run the command line of this process, and write down which files it enters."""
    package = str(Path(kpfnb.__file__).parent) + os.sep
    file, process = Path(os.environ.pop(TRACED)), os.getpid()
    entered: set[str] = set()

    def on_event(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_name != "<module>" and code.co_filename.startswith(package):
            entered.add(code.co_filename.removeprefix(package))

    def write() -> None:
        sys.setprofile(None)
        if os.getpid() == process:
            file.write_text("\n".join(sorted(name for name in entered if name.endswith(".py"))))

    atexit.register(write)
    threading.setprofile(on_event)
    sys.setprofile(on_event)
    from kpfnb.cli import app

    app.main()


if __name__ == "__main__":
    trace() if TRACED in os.environ else main()
