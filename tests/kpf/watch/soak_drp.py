"""A quick DRP that keeps a journal of what it was given, and fails now and then.

    python soak_drp.py JOURNAL LIST

The journal's lines: `start|made|exit PID NANOSECONDS [OBSID CHECKSUM]`. Products hold the checksum
of the L0 that they were made from.
"""

from __future__ import annotations

import os
import random
import sys
import time
import zlib
from pathlib import Path

from tests.kpf.fake_drp import LEVELS, fits, product

FAULTS = 0.04


def journal(file: str, word: str, *more: str) -> None:
    line = " ".join([word, str(os.getpid()), str(time.time_ns()), *more])
    with open(file, "a") as stream:
        stream.write(line + "\n")


def checksum(l0: Path) -> str:
    return f"{zlib.crc32(l0.read_bytes()):08x}"


def make(file: str, l0: Path) -> None:
    l0_sum = checksum(l0)
    journal(file, "start", l0.stem, l0_sum)
    fault = random.random() < FAULTS
    for level in LEVELS:
        time.sleep(random.uniform(0, 0.03))
        written = 1 if fault and level == "L1" else 2
        fits(product(l0, level), {"DRPTAG": "v2.9.1", "L0SUM": l0_sum}, blocks=2, written=written)
    if fault:
        random.choice((lambda: None, lambda: os.abort(), lambda: time.sleep(60)))()
    else:
        journal(file, "made", l0.stem, l0_sum)


def main(file: str, listed: str) -> None:
    for line in Path(listed).read_text().splitlines():
        try:
            make(file, Path(line))
        except OSError as error:
            print(f"OSError: {error}", flush=True)
    journal(file, "exit")


if __name__ == "__main__":
    main(*sys.argv[1:])
