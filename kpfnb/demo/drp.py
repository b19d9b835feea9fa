"""`kpfnb-demo-drp`: a stand-in for KPF's pipeline, with the command line of `kpf`.

It is a simulation: it reduces simulated nights, and nothing else. The environment variable
`KPFNB_DEMO_DRPTAG` sets the version that it claims to have (v2.9.1 if not).
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import FrameType

from kpfnb.demo.pipeline import ReducedFile, ReductionJob, reduce_files
from kpfnb.demo.products import ProductProvenance
from kpfnb.kpf.files.obsid import KPF, NIGHT_PATTERN

# Defects of the real DRP, on request, for tests of those who have to live with them.
#
# The environment variable `KPFNB_DEMO_DRP_FAULT` names one:
#
# - `fail-exit-0`: every file fails, nothing is written, and the exit code is 0
# - `partial`: every second file gets no further than its 2D, and the exit code is 0
# - `hang`: all the work is done, 'exiting pipeline' is said, and the process never ends
# - `orphan`: all is well, but a child that holds stdout open stays behind for ten minutes
# - `crash`: the process is killed by SIGKILL after its first file

FAULT_VARIABLE = "KPFNB_DEMO_DRP_FAULT"
ORPHAN_CODE = "import time; time.sleep(600)"


class DrpFault(StrEnum):
    """What goes wrong."""

    NONE = ""
    FAIL_EXIT_0 = "fail-exit-0"
    PARTIAL = "partial"
    HANG = "hang"
    ORPHAN = "orphan"
    CRASH = "crash"

    @classmethod
    def from_environment(cls) -> DrpFault:
        """The one that the environment asks for; ValueError if there is no such fault."""
        return cls(os.environ.get(FAULT_VARIABLE, ""))

    def levels(self, number: int) -> int:
        """How many levels the file of this number (from 0) gets."""
        if self is DrpFault.FAIL_EXIT_0:
            return 0
        return 1 if self is DrpFault.PARTIAL and number % 2 else 3

    def after_file(self) -> None:
        """What happens after a file."""
        if self is DrpFault.CRASH:
            os.kill(os.getpid(), signal.SIGKILL)

    def at_exit(self, failures: int) -> int:
        """What happens at the end; the exit code."""
        if self is DrpFault.ORPHAN:
            subprocess.Popen([sys.executable, "-c", ORPHAN_CODE])
        if self is DrpFault.HANG:
            time.sleep(3600)
        return 1 if failures and self not in (DrpFault.FAIL_EXIT_0, DrpFault.PARTIAL) else 0


TAG_VARIABLE = "KPFNB_DEMO_DRPTAG"
DEFAULT_TAG = "v2.9.1"
POLL_SECONDS = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 if all is well, 1 if a file failed, 2 if the command is wrong."""
    # One thread a process: as many processes were asked for as may be busy
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    parser = _make_parser()
    options = parser.parse_args(arguments)
    try:
        fault = DrpFault.from_environment()
    except ValueError:
        parser.error(f"{FAULT_VARIABLE} is none of: {', '.join(filter(None, DrpFault))}")
    target = options.reprocess or options.watch or options.masters or options.directory
    if target is None:
        parser.error("say what to reduce: --reprocess, --watch, --masters or a directory")
    if not target.exists():
        parser.error(f"{target} does not exist")
    provenance = ProductProvenance(
        os.environ.get(TAG_VARIABLE, DEFAULT_TAG), str(options.config), str(options.recipe)
    )
    if options.masters:
        return make_night_masters(target)
    watched = options.watch is not None
    print_log(f"SIMULATION: kpfnb's stand-in for the KPF pipeline, {provenance.tag}")
    print_log(f"{'watching' if watched else 'reducing'} {target} with {options.ncpus} processes")
    if watched:
        return watch_folder(target, provenance, processes=options.ncpus)
    failures = reduce_paths(list_l0_paths(target), provenance, processes=options.ncpus, fault=fault)
    print_log("exiting pipeline")
    return fault.at_exit(failures)


def reduce_paths(
    paths: Sequence[Path],
    provenance: ProductProvenance,
    *,
    processes: int,
    fault: DrpFault = DrpFault.NONE,
) -> int:
    """Reduce L0 files, calibrations first; returns how many failed."""
    jobs = [
        ReductionJob(path, provenance, fault.levels(number)) for number, path in enumerate(paths)
    ]
    failures = 0
    for number, done in enumerate(reduce_files(jobs, processes=processes), start=1):
        print_log(f"[{number}/{len(jobs)}] {_describe_result(done)}")
        failures += bool(done.error)
        fault.after_file()
    print_log(f"{len(jobs) - failures} of {len(jobs)} files reduced, {failures} failed")
    return failures


def watch_folder(folder: Path, provenance: ProductProvenance, *, processes: int) -> int:
    """Reduce L0 files that come or change, until SIGTERM or Ctrl-C."""
    stopped: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    known = _file_states(folder)
    before = known
    while not stopped:
        now = _file_states(folder)
        # A file is taken up once it has not changed from one look to the next
        ready = [p for p, state in now.items() if known.get(p) != state == before.get(p)]
        if ready:
            reduce_paths(ready, provenance, processes=processes)
            known = {**known, **{path: now[path] for path in ready}}
        before = now
        time.sleep(POLL_SECONDS)
    print_log("exiting pipeline")
    return 0


def make_night_masters(folder: Path) -> int:
    """Make the masters of a night's L0 directory anew."""
    from kpfnb.demo import masters
    from kpfnb.demo.masters import read_junk_list

    root, night = folder.absolute().parents[1], folder.name
    print_log(f"SIMULATION: masters of {night}")
    made = masters.remake_masters(root, night, read_junk_list(root))
    print_log(f"{night}: masters from {len(made.inputs)} calibrations")
    print_log("exiting pipeline")
    return 0


def list_l0_paths(target: Path) -> list[Path]:
    """The L0 files of a directory (a night's, or that of all nights), a list, or a file."""
    if target.is_dir():
        folders = sorted(
            f for f in target.iterdir() if f.is_dir() and NIGHT_PATTERN.fullmatch(f.name)
        )
        return [path for folder in folders or [target] for path in _l0_files(folder)]
    if target.suffix == ".fits":
        return [target.absolute()]
    lines = (line.strip() for line in target.read_text(encoding="utf-8").splitlines())
    return [Path(line).absolute() for line in lines if line and not line.startswith("#")]


def print_log(text: str) -> None:
    """A line on stdout, with the time, seen at once."""
    print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} [kpfnb-demo-drp] {text}", flush=True)


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kpfnb-demo-drp",
        description="SIMULATION: a stand-in for KPF's pipeline; it reduces simulated nights.",
        epilog="example: kpfnb-demo-drp --ncpus 2 --reprocess work/kpf/L0/20240115",
    )
    parser.add_argument("directory", nargs="?", type=Path, help="a directory of L0 files")
    parser.add_argument(
        "--ncpus", "--ncpu", type=_positive_int, default=1, metavar="N", help="processes at once"
    )
    parser.add_argument(
        "--reprocess", type=Path, metavar="TARGET", help="a directory, a FITS file or a list"
    )
    # The older form gives the directory after a bare --watch
    parser.add_argument("--watch", type=Path, metavar="DIR", help="reduce what comes there")
    parser.add_argument("--masters", type=Path, metavar="DIR", help="make a night's masters anew")
    parser.add_argument("-c", "--config", type=Path, default="none", help="recorded, not read")
    parser.add_argument("-r", "--recipe", type=Path, default="none", help="recorded, not read")
    return parser


def _positive_int(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _l0_files(folder: Path) -> list[Path]:
    return sorted(
        path.absolute() for path in folder.glob("*.fits") if KPF.obsid_pattern.fullmatch(path.stem)
    )


def _file_states(folder: Path) -> dict[Path, tuple[int, int]]:
    states = {}
    for path in list_l0_paths(folder):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        states[path] = (status.st_size, status.st_mtime_ns)
    return states


def _describe_result(done: ReducedFile) -> str:
    levels = " ".join(name.rpartition("_")[2].removesuffix(".fits") for name in done.products)
    text = f"{done.path.stem}: {levels or 'nothing'} in {done.seconds:.1f} s"
    return f"{text}; FAILED: {done.error}" if done.error else text


if __name__ == "__main__":
    sys.exit(main())
