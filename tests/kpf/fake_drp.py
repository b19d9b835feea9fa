"""A tiny DRP: it reads a list of L0 files and writes products of two FITS blocks, or fails to.

    python fake_drp.py LIST [FAULT [OBSID]]

Faults, where OBSID is given only for that observation:
nothing   make nothing, exit 0          error     complain and make no L2, exit 0
silent    make nothing, never exit      linger    make all, never exit
child     make all, leave a child       cut       an L1 that stops at a block's end
empty     an L2 of no bytes             full      as a full disk leaves it
killed    make all, then be killed
paused    make a 2D, note this process in the file `paused` and wait forever; what was made
          before looks as if made a minute ago

The environment variable FAKE_DRP_TAG is the DRPTAG of the products.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

LEVELS = ("2D", "L1", "L2")
TAG = os.environ.get("FAKE_DRP_TAG", "v2.9.1")
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def fits(path: Path, keywords: dict[str, str], blocks: int = 1, written: int = 1) -> None:
    """A FITS file with this number of data blocks, of which `written` exist."""
    fixed = {"SIMPLE": "T", "BITPIX": "8", "NAXIS": "1", "NAXIS1": str(2880 * blocks)}
    cards = [f"{name:<8}= {value:>20}" for name, value in fixed.items()]
    cards += [f"{name:<8}= '{value:<8}'" for name, value in keywords.items()]
    header = "".join(f"{card:<80}" for card in [*cards, "END"]).ljust(2880)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header.encode() + bytes(2880 * written))


def product(l0: Path, level: str) -> Path:
    """Where the product of an L0 belongs."""
    root, night = l0.parents[2], l0.parent.name
    return root / level / night / f"{l0.stem}_{level}.fits"


def make(l0: Path, fault: str) -> None:
    """The products of one L0."""
    if fault == "paused":
        fits(product(l0, "2D"), {"DRPTAG": TAG})
        Path("paused").write_text(str(os.getpid()))
        time.sleep(60)
    for level in LEVELS:
        if fault == "nothing" or (fault in ("error", "full") and level == "L2"):
            continue
        written = 1 if fault in ("cut", "full") and level == "L1" else 2
        fits(product(l0, level), {"DRPTAG": TAG}, blocks=2, written=written)
        if fault == "empty" and level == "L2":
            product(l0, level).write_bytes(b"")
    if fault == "error":
        print(f"ERROR {l0.stem}: <b>the fit failed</b>", flush=True)
    if fault == "full":
        print("OSError: [Errno 28] No space left on device", flush=True)


def main(listed: str, fault: str = "", only: str = "") -> None:
    """Process the list."""
    files = [Path(line) for line in Path(listed).read_text().splitlines()]
    print(f"processing {len(files)} files", *(f.stem for f in files), flush=True)
    if fault == "silent":
        time.sleep(60)
    for l0 in files:
        make(l0, fault if only in l0.name else "")
        if fault == "paused":
            for level in LEVELS:
                os.utime(product(l0, level), (time.time() - 60,) * 2)
    if fault == "child":
        child = subprocess.Popen(SLEEP, start_new_session=True)
        Path("child").write_text(str(child.pid))
        os._exit(0)
    if fault == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "linger":
        time.sleep(60)
    print("exiting pipeline", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
