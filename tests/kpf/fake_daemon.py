"""A tiny DRP that watches: python fake_daemon.py L0_DIRECTORY [FAULT]

Like the real one it processes files that arrive or are touched after its start, none from before.
Faults: `dies` after the first file, half-way; `deaf` makes nothing.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from tests.kpf.fake_drp import make


def modified_times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.glob("*/KP*.fits")}


def main(folder: str, fault: str = "") -> None:
    known = modified_times(Path(folder))
    print("watching", flush=True)
    while True:
        for path, moment in modified_times(Path(folder)).items():
            if known.get(path) == moment or fault == "deaf":
                continue
            if fault == "dies" and not Path("died").exists():
                Path("died").write_text("")
                os.abort()
            make(path, "")
            known[path] = moment
        time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
