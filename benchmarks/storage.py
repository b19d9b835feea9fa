"""How fast files are transferred and verified, against a plain `rclone copy` without verification.

    python benchmarks/storage.py [--files 1000] [--megabytes 200]

Local disk to local disk, in a directory that is removed afterwards: many small files, then one
large file.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from kpfnb import storage
from kpfnb.core.result import Outcome
from kpfnb.storage import rclone


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--files", type=int, default=1000, help="small ones, of 20 kB")
    options.add_argument("--megabytes", type=int, default=200, help="size of the large file")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["KPFNB_WORK_DIR"] = str(folder / "work")
        compare(folder / "small", chosen.files, 20_000)
        compare(folder / "large", 1, chosen.megabytes * 1_000_000)


def compare(folder: Path, files: int, size: int) -> None:
    """Time a bare copy, ours, and ours again where all is there."""
    source = folder / "source"
    source.mkdir(parents=True)
    for number in range(files):
        (source / f"{number}.fits").write_bytes(os.urandom(size))
    print(f"{files} files of {size / 1e6:g} MB")
    bare = [rclone.find_rclone(), "copy", "--", str(source), str(folder / "bare")]
    seconds("rclone copy", lambda: subprocess.run(bare, check=True))
    seconds("transferred and verified", lambda: transfer(source, folder / "ours"))
    seconds("again, all there", lambda: transfer(source, folder / "ours"))


def transfer(source: Path, target: Path) -> None:
    result = storage.transfer_files(source, target, progress=False)
    assert result.outcome is Outcome.SUCCEEDED, result


def seconds(label: str, work: Callable[[], object]) -> None:
    started = time.perf_counter()
    work()
    print(f"  {label}: {time.perf_counter() - started:.2f} s")


if __name__ == "__main__":
    main()
