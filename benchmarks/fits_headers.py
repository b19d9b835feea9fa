"""How fast headers are read, against astropy: ten keywords, one keyword, all cards.

    python benchmarks/fits_headers.py

Simulated headers of the sizes of KPF's levels; CPU time, the best of several rounds.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from astropy.io import fits

from kpfnb.core.fits import headers

LEVELS = {"L0": 250, "2D": 440, "L1": 970, "L2": 1000}
FILES = 20


def simulate(path: Path, cards: int) -> None:
    """A primary header with texts, numbers, times and flags, each with a comment."""
    header = fits.Header()
    for i in range(cards - 5):
        value = (f"text {i}", i, i * 1.7e-5, i % 2 == 0, f"2024-01-01T00:00:{i % 60:02d}")[i % 5]
        header[f"KEY{i}"] = (value, f"[unit] number {i}")
    fits.PrimaryHDU(header=header).writeto(path)


def by_astropy(path: Path, keywords: list[str]) -> dict[str, object]:
    header = fits.getheader(path)
    return {keyword: header[keyword] for keyword in keywords}


def seconds_per_file(work: Callable[[Path], object], paths: list[Path], rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        for path in paths:
            work(path)
        best = min(best, (time.process_time() - start) / len(paths))
    return best


def reads_of(path: Path, keywords: list[str]) -> int:
    """How often one call reads from the file, not counting the check of its first two bytes."""
    pread, sizes = os.pread, []

    def counted(descriptor: int, size: int, offset: int) -> bytes:
        sizes.append(size)
        return pread(descriptor, size, offset)

    os.pread = counted
    try:
        headers.read_header(path, keywords)
    finally:
        os.pread = pread
    return len([size for size in sizes if size == headers.READ_SIZE])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        print("microseconds per file    astropy   ten keywords    ratio   one   all (per card)")
        for level, cards in LEVELS.items():
            paths = [Path(folder) / f"{level}-{i}.fits" for i in range(FILES)]
            for path in paths:
                simulate(path, cards)
            measure(level, cards, paths)
        l0 = Path(folder) / "L0-0.fits"
        for count in (1, 10, 100):
            times = reads_of(l0, [f"KEY{i}" for i in range(count)])
            print(f"asked for {count:3} keywords: the header is read {times} time")


def measure(level: str, cards: int, paths: list[Path]) -> None:
    ten = [f"KEY{i}" for i in range(3, cards - 10, cards // 10)][:10]
    astropy = seconds_per_file(lambda p: by_astropy(p, ten), paths, 5)
    assert headers.read_header(paths[0], ten) == by_astropy(paths[0], ten)
    ours = seconds_per_file(lambda p: headers.read_header(p, ten), paths, 20)
    single = seconds_per_file(lambda p: headers.read_header(p, ten[:1]), paths, 20)
    every = seconds_per_file(headers.read_cards, paths, 5)
    print(
        f"{level}, {cards:4} cards  {astropy * 1e6:14.0f} {ours * 1e6:14.0f} "
        f"{astropy / ours:8.1f} {single * 1e6:5.0f} {every * 1e6:11.0f} ({every * 1e6 / cards:.2f})"
    )


if __name__ == "__main__":
    main()
