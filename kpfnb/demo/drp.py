"""The command `kpfnb-demo-drp`: a stand-in for KPF's pipeline, with the command line of `kpf`.

It is a simulation and reduces only simulated nights. The environment variable `KPFNB_DEMO_DRPTAG`
sets the version that it reports; without it that is SIMDRP of the L0, or v2.9.1.
`KPFNB_DEMO_DRP_FAULT` selects one defect of the real DRP, for tests of the code that has to handle
it:

- `fail-exit-0`: every file fails, nothing is written, and the exit code is 0
- `partial`: every second file stops after its 2D, and the exit code is 0
- `hang`: after all work and the message 'exiting pipeline' the process never ends
- `orphan`: all succeeds, but a child process holds stdout open for ten minutes
- `crash`: the process is killed by SIGKILL after its first file
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from types import FrameType

from kpfnb.core.clock import format_utc
from kpfnb.core.signals import handle_signals
from kpfnb.demo.pipeline import ReducedFile, ReductionJob, reduce_files
from kpfnb.demo.products import DEFAULT_TAG, ProductProvenance
from kpfnb.kpf.files.obsid import KPF, NIGHT_PATTERN

FAULT_VARIABLE = "KPFNB_DEMO_DRP_FAULT"
ORPHAN_CODE = "import time; time.sleep(600)"

TAG_VARIABLE = "KPFNB_DEMO_DRPTAG"
POLL_SECONDS = 0.5


class DrpFault(StrEnum):
    """A defect of the real DRP."""

    NONE = ""
    FAIL_EXIT_0 = "fail-exit-0"
    PARTIAL = "partial"
    HANG = "hang"
    ORPHAN = "orphan"
    CRASH = "crash"

    @classmethod
    def from_environment(cls) -> DrpFault:
        """The fault that the environment variable names; ValueError for an unknown name."""
        return cls(os.environ.get(FAULT_VARIABLE, ""))

    def levels(self, number: int) -> int:
        """The number of levels that the file with this number (from 0) gets."""
        if self is DrpFault.FAIL_EXIT_0:
            return 0
        return 1 if self is DrpFault.PARTIAL and number % 2 else 3

    def after_file(self) -> None:
        """Call after each file: a crash happens here."""
        if self is DrpFault.CRASH:
            os.kill(os.getpid(), signal.SIGKILL)

    def at_exit(self, failures: int) -> int:
        """Call at the end: an orphan or a hang happens here. Returns the exit code."""
        if self is DrpFault.ORPHAN:
            subprocess.Popen([sys.executable, "-c", ORPHAN_CODE])
        if self is DrpFault.HANG:
            time.sleep(3600)
        return 1 if failures and self not in (DrpFault.FAIL_EXIT_0, DrpFault.PARTIAL) else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line: 0 for success, 1 if a file failed, 2 for a wrong command."""
    # One thread per process: the user chooses the number of processes
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    parser = _make_parser()
    options = parser.parse_args(arguments)
    try:
        fault = DrpFault.from_environment()
    except ValueError:
        parser.error(f"{FAULT_VARIABLE} must be one of: {', '.join(filter(None, DrpFault))}")
    target = options.reprocess or options.watch or options.masters or options.directory
    if target is None:
        parser.error("give what to reduce: --reprocess, --watch, --masters or a directory")
    if not target.exists():
        parser.error(f"{target} does not exist")
    provenance = ProductProvenance(
        os.environ.get(TAG_VARIABLE, ""), str(options.config), str(options.recipe)
    )
    if options.masters:
        return make_night_masters(target, provenance.tag or DEFAULT_TAG)
    watched = options.watch is not None
    print_log(" ".join(["SIMULATION: kpfnb's stand-in for the KPF pipeline", provenance.tag]))
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
    """Reduce L0 files and return the number of failures."""
    jobs = [
        ReductionJob(path, provenance, fault.levels(number)) for number, path in enumerate(paths)
    ]
    failures = 0
    for number, result in enumerate(reduce_files(jobs, processes=processes), start=1):
        print_log(f"[{number}/{len(jobs)}] {_describe_result(result)}")
        failures += bool(result.error)
        fault.after_file()
    print_log(f"{len(jobs) - failures} of {len(jobs)} files reduced, {failures} failed")
    return failures


def watch_folder(folder: Path, provenance: ProductProvenance, *, processes: int) -> int:
    """Reduce new and changed L0 files until SIGTERM or Ctrl-C."""
    stopped: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.append(number)

    with handle_signals(stop, signal.SIGTERM, signal.SIGINT):
        reduced = previous = _file_states(folder)
        while not stopped:
            current = _file_states(folder)
            # A file is ready when it has not changed between two scans
            ready = [
                p for p, state in current.items() if reduced.get(p) != state == previous.get(p)
            ]
            if ready:
                reduce_paths(ready, provenance, processes=processes)
                reduced = {**reduced, **{path: current[path] for path in ready}}
            previous = current
            time.sleep(POLL_SECONDS)
    print_log("exiting pipeline")
    return 0


def make_night_masters(folder: Path, tag: str) -> int:
    """Make the masters of a night's L0 directory again, as version `tag`."""
    from kpfnb.demo.masters import list_junk
    from kpfnb.demo.night_masters import remake_masters

    root, night = folder.absolute().parents[1], folder.name
    print_log(f"SIMULATION: masters of {night}")
    made = remake_masters(root, night, list_junk(root, night), tag)
    print_log(f"{night}: {len(made.files)} files of masters")
    print_log("exiting pipeline")
    return 0


def list_l0_paths(target: Path) -> list[Path]:
    """The L0 files of a directory (of one night or of all), of a list, or a single file."""
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
    """Print a line with the time to stdout, and flush it."""
    print(f"{format_utc()} [kpfnb-demo-drp] {text}", flush=True)


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
    parser.add_argument("--watch", type=Path, metavar="DIR", help="reduce new files there")
    parser.add_argument("--masters", type=Path, metavar="DIR", help="make a night's masters again")
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


def _describe_result(result: ReducedFile) -> str:
    levels = " ".join(name.rpartition("_")[2].removesuffix(".fits") for name in result.products)
    text = f"{result.path.stem}: {levels or 'nothing'} in {result.seconds:.1f} s"
    return f"{text}; FAILED: {result.error}" if result.error else text


if __name__ == "__main__":
    sys.exit(main())
