"""`kpfnb-demo-drp`: a stand-in for KPF's pipeline, with the command line of `kpf`.

It is a simulation: it reduces simulated nights, and nothing else. The environment variable
`KPFNB_DEMO_DRPTAG` sets the version that it claims to have (v2.9.1 if not).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from kpfnb.demo.batch import Done, Job, run
from kpfnb.demo.faults import VARIABLE, Fault
from kpfnb.demo.products import Provenance
from kpfnb.kpf.obsid import KPF, NIGHT

TAG_VARIABLE = "KPFNB_DEMO_DRPTAG"
USUAL_TAG = "v2.9.1"
POLL_SECONDS = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 if all is well, 1 if a file failed, 2 if the command is wrong."""
    # One thread a process: as many processes were asked for as may be busy
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        fault = Fault.wanted()
    except ValueError:
        parser.error(f"{VARIABLE} is none of: {', '.join(filter(None, Fault))}")
    target = options.reprocess or options.watch or options.masters or options.directory
    if target is None:
        parser.error("say what to reduce: --reprocess, --watch, --masters or a directory")
    if not target.exists():
        parser.error(f"{target} does not exist")
    provenance = Provenance(
        os.environ.get(TAG_VARIABLE, USUAL_TAG), str(options.config), str(options.recipe)
    )
    if options.masters:
        return make_masters(target)
    watched = options.watch is not None
    log(f"SIMULATION: kpfnb's stand-in for the KPF pipeline, {provenance.tag}")
    log(f"{'watching' if watched else 'reducing'} {target} with {options.ncpus} processes")
    if watched:
        return watch(target, provenance, processes=options.ncpus)
    failures = reprocess(targets(target), provenance, processes=options.ncpus, fault=fault)
    log("exiting pipeline")
    return fault.at_exit(failures)


def reprocess(
    paths: Sequence[Path], provenance: Provenance, *, processes: int, fault: Fault = Fault.NONE
) -> int:
    """Reduce L0 files, calibrations first; returns how many failed."""
    jobs = [Job(path, provenance, fault.levels(number)) for number, path in enumerate(paths)]
    failures = 0
    for number, done in enumerate(run(jobs, processes=processes), start=1):
        log(f"[{number}/{len(jobs)}] {_told(done)}")
        failures += bool(done.error)
        fault.after_file()
    log(f"{len(jobs) - failures} of {len(jobs)} files reduced, {failures} failed")
    return failures


def watch(folder: Path, provenance: Provenance, *, processes: int) -> int:
    """Reduce L0 files that come or change, until SIGTERM or Ctrl-C."""
    stopped: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    known = _states(folder)
    before = known
    while not stopped:
        now = _states(folder)
        # A file is taken up once it has not changed from one look to the next
        ready = [p for p, state in now.items() if known.get(p) != state == before.get(p)]
        if ready:
            reprocess(ready, provenance, processes=processes)
            known = {**known, **{path: now[path] for path in ready}}
        before = now
        time.sleep(POLL_SECONDS)
    log("exiting pipeline")
    return 0


def make_masters(folder: Path) -> int:
    """Make the masters of a night's L0 directory anew."""
    from kpfnb.demo import masters
    from kpfnb.demo.calibrations import junk_list

    root, night = folder.absolute().parents[1], folder.name
    log(f"SIMULATION: masters of {night}")
    made = masters.renew(root, night, junk_list(root))
    log(f"{night}: masters from {len(made.inputs)} calibrations")
    log("exiting pipeline")
    return 0


def targets(target: Path) -> list[Path]:
    """The L0 files of a directory (a night's, or that of all nights), a list, or a file."""
    if target.is_dir():
        folders = sorted(f for f in target.iterdir() if f.is_dir() and NIGHT.fullmatch(f.name))
        return [path for folder in folders or [target] for path in _l0_files(folder)]
    if target.suffix == ".fits":
        return [target.absolute()]
    lines = (line.strip() for line in target.read_text(encoding="utf-8").splitlines())
    return [Path(line).absolute() for line in lines if line and not line.startswith("#")]


def log(text: str) -> None:
    """A line on stdout, with the time, seen at once."""
    print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} [kpfnb-demo-drp] {text}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kpfnb-demo-drp",
        description="SIMULATION: a stand-in for KPF's pipeline; it reduces simulated nights.",
        epilog="example: kpfnb-demo-drp --ncpus 2 --reprocess work/kpf/L0/20240115",
    )
    parser.add_argument("directory", nargs="?", type=Path, help="a directory of L0 files")
    parser.add_argument(
        "--ncpus", "--ncpu", type=_positive, default=1, metavar="N", help="processes at once"
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


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _l0_files(folder: Path) -> list[Path]:
    return sorted(
        path.absolute() for path in folder.glob("*.fits") if KPF.obsid.fullmatch(path.stem)
    )


def _states(folder: Path) -> dict[Path, tuple[int, int]]:
    states = {}
    for path in targets(folder):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        states[path] = (status.st_size, status.st_mtime_ns)
    return states


def _told(done: Done) -> str:
    levels = " ".join(name.rpartition("_")[2].removesuffix(".fits") for name in done.products)
    text = f"{done.path.stem}: {levels or 'nothing'} in {done.seconds:.1f} s"
    return f"{text}; FAILED: {done.error}" if done.error else text


if __name__ == "__main__":
    sys.exit(main())
