"""Drop files in every awkward way while watcher and DRP are killed at random; then compare.

    python -m tests.kpf.watch.soak FOLDER SECONDS [SEED]

Prints a report as JSON. Where it may mount a file system it also fills the disk; run it
as `unshare --user --map-root-user --mount python -m tests.kpf.watch.soak ...` for that.

What must hold at the end:

- every complete L0 has products, complete and made from its last content
- nothing but complete L0 files was given to the DRP
- no L0 was given to the DRP again after its products were good, unless it was touched or replaced
  in between, or the watcher or that DRP was killed before the end of the DRP's run was recorded
- no process is left
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from kpfnb.core.fits import headers
from tests.kpf.fake_drp import LEVELS, product
from tests.kpf.watch.soak_drp import checksum

PROJECT = Path(__file__).parents[3]
FLOOD = 150
PATIENCE_SECONDS = 90
TAKEN_DOWN_NS = 3_000_000_000


class Soak:
    def __init__(self, folder: Path, seconds: float, seed: int) -> None:
        self.random = random.Random(seed)
        self.folder = folder
        self.seconds = seconds
        self.disk = self._mount()
        self.raw = folder / "disk/data/L0"
        self.raw.mkdir(parents=True)
        self.journal = folder / "journal"
        self.touched: dict[str, list[int]] = defaultdict(list)
        self.kills: list[int] = []
        self.counts: dict[str, int] = defaultdict(int)
        self.never: set[str] = set()
        self.number = 0
        self.later: list[threading.Thread] = []
        self.watcher: subprocess.Popen[bytes] | None = None

    def _mount(self) -> str:
        """Why the disk can't be filled; '' where it can."""
        disk = self.folder / "disk"
        disk.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", "size=128m", "none", str(disk)]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except OSError as error:
            return str(error)
        return done.stderr.strip()

    def run(self) -> dict[str, object]:
        end = time.monotonic() + self.seconds
        next_chaos = time.monotonic() + 5
        while time.monotonic() < end:
            self.keep_alive()
            self.drop()
            if time.monotonic() >= next_chaos:
                self.chaos()
                next_chaos = time.monotonic() + self.random.uniform(2, 6)
            time.sleep(self.random.uniform(0.05, 0.4))
        for thread in self.later:
            thread.join()
        missing = self.wait_for_all()
        status = self.stop()
        return {
            "disk": self.disk or "filled",
            "counts": self.counts,
            "l0": len(list(self.raw.glob("*/KP*.fits"))),
            "missing": missing,
            "given_wrongly": sorted(self.never & {obsid for _, _, _, obsid, _ in self.lines()}),
            **self.repeats(),
            "left": [process.pid for process in self.ours()],
            "exit_code": status,
        }

    # The watcher

    def keep_alive(self) -> None:
        if self.watcher and self.watcher.poll() is None:
            return
        environment = {
            **os.environ,
            "KPFNB_WORK_DIR": str(self.folder / "disk/work"),
            "KPFNB_DATA_ROOT": str(self.folder / "disk/data"),
            "KPFNB_WATCH_QUIET_SECONDS": "0.5",
            "KPFNB_WATCH_RETRY_SECONDS": "0.5",
            "KPFNB_WATCH_RESCAN_SECONDS": "8",
            "KPFNB_WATCH_ATTEMPTS": "30",
            "KPFNB_WATCH_OVERDUE_SECONDS": "4",
            "KPFNB_DRP_COMMAND": (
                f"{sys.executable} -m tests.kpf.watch.soak_drp {self.journal} {{target}}"
            ),
            "PYTHONPATH": str(PROJECT),
        }
        script = "from kpfnb.cli.app import main; main()"
        command = [sys.executable, "-c", script, "watch", "process", "--ncpus", "2"]
        with (self.folder / "console").open("ab") as output:
            self.watcher = subprocess.Popen(
                command, env=environment, stdout=output, stderr=output, cwd=self.folder
            )
        self.counts["starts"] += 1

    def stop(self) -> int:
        assert self.watcher
        self.watcher.send_signal(signal.SIGTERM)
        try:
            return self.watcher.wait(30)
        finally:
            self.watcher.kill()

    def ours(self) -> list[psutil.Process]:
        """Guards and DRPs; the watcher is not among them."""
        processes = []
        for process in psutil.process_iter(["cmdline"]):
            line = " ".join(process.info["cmdline"] or [])
            if str(self.folder) in line and process.pid != os.getpid() and "soak_drp" in line:
                processes.append(process)
        return processes

    # Chaos

    def chaos(self) -> None:
        acts = [self.kill_watcher, self.kill_drp, self.kill_drp, self.term_watcher, self.flood]
        if not self.disk:
            acts.append(self.fill_disk)
        act = self.random.choice(acts)
        self.counts[act.__name__] += 1
        act()

    def kill_watcher(self) -> None:
        assert self.watcher
        self.kills.append(time.time_ns())
        self.watcher.kill()
        self.watcher.wait()

    def term_watcher(self) -> None:
        assert self.watcher
        self.watcher.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.watcher.wait(15)

    def kill_drp(self) -> None:
        for process in self.ours()[: self.random.randint(1, 3)]:
            self.kills.append(time.time_ns())
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def fill_disk(self) -> None:
        ballast = self.folder / "disk/ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as stream:
            while True:
                stream.write(bytes(1 << 16))
        time.sleep(self.random.uniform(1, 4))
        ballast.unlink()

    # Files

    def drop(self) -> None:
        ways: list[Callable[[Path], None]] = [
            self.at_once,
            self.slowly,
            self.by_rsync,
            self.touched_again,
            self.replaced_by_rsync,
            self.vanishing,
            self.coming_back,
            self.stalled,
            self.cut_for_ever,
            self.in_new_folder,
            self.with_its_folder,
            self.nonsense,
        ]
        way = self.random.choice(ways)
        path = self.new_path()
        try:
            way(path)
        except OSError:
            # The disk is full: the telescope would send it again
            self.counts["not written"] += 1
            path.unlink(missing_ok=True)
            self.counts[way.__name__] -= 1
        self.counts[way.__name__] += 1

    def new_path(self, night: str = "20240115") -> Path:
        self.number += 1
        (self.raw / night).mkdir(exist_ok=True)
        return self.raw / night / f"KP.{night}.{self.number:05d}.00.fits"

    def content(self, blocks: int = 3) -> bytes:
        cards = {"SIMPLE": "T", "BITPIX": "8", "NAXIS": "1", "NAXIS1": str(2880 * blocks)}
        lines = [f"{name:<8}= {value:>20}" for name, value in cards.items()]
        lines += ["IMTYPE  = 'Object  '", "GREEN   = 'YES     '", "END"]
        header = "".join(f"{line:<80}" for line in lines).ljust(2880)
        return header.encode() + self.random.randbytes(2880 * blocks)

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        def later() -> None:
            time.sleep(seconds)
            while True:
                try:
                    act()
                    return
                except OSError:
                    time.sleep(1)

        thread = threading.Thread(target=later)
        self.later.append(thread)
        thread.start()

    def changes(self, path: Path) -> None:
        self.touched[path.stem].append(time.time_ns())

    def at_once(self, path: Path) -> None:
        path.write_bytes(self.content())

    def slowly(self, path: Path) -> None:
        content = self.content()
        with path.open("wb", buffering=0) as stream:
            for start in range(0, len(content), 2880):
                stream.write(content[start : start + 2880])
                time.sleep(self.random.uniform(0, 0.2))

    def by_rsync(self, path: Path, age_seconds: float = 5000) -> None:
        temporary = path.with_name(f".{path.name}.Ab12Cd")
        try:
            temporary.write_bytes(self.content())
        except OSError:
            temporary.unlink()
            raise
        moment = time.time() - age_seconds
        os.utime(temporary, (moment, moment))
        temporary.replace(path)

    def touched_again(self, path: Path) -> None:
        self.at_once(path)

        def touch() -> None:
            self.changes(path)
            os.utime(path)

        self.after(self.random.uniform(0.3, 6), touch)

    def replaced_by_rsync(self, path: Path) -> None:
        self.at_once(path)

        def replace() -> None:
            self.by_rsync(path, age_seconds=3000)
            self.changes(path)

        self.after(self.random.uniform(0.3, 6), replace)

    def vanishing(self, path: Path) -> None:
        self.at_once(path)
        self.after(self.random.uniform(0, 2), path.unlink)

    def coming_back(self, path: Path) -> None:
        self.at_once(path)
        aside = self.folder / "disk" / path.name
        self.after(0.3, lambda: path.replace(aside))

        def back() -> None:
            self.changes(path)
            aside.replace(path)

        self.after(3, back)

    def stalled(self, path: Path) -> None:
        content = self.content()
        path.write_bytes(content[:4000])
        self.after(self.random.uniform(2, 5), lambda: self._complete(path, content))

    def _complete(self, path: Path, content: bytes) -> None:
        with path.open("r+b") as stream:
            stream.write(content)

    def cut_for_ever(self, path: Path) -> None:
        path.write_bytes(self.content()[: self.random.choice((0, 100, 2880, 5000))])
        self.never.add(path.stem)

    def in_new_folder(self, path: Path) -> None:
        self.at_once(
            self.new_path(f"2024{self.random.randint(2, 9):02d}{self.number % 28 + 1:02d}")
        )

    def with_its_folder(self, path: Path) -> None:
        night = f"2023{self.number % 12 + 1:02d}{self.number % 28 + 1:02d}"
        if (self.raw / night).exists():
            return
        aside = self.folder / "disk" / night
        aside.mkdir()
        for number in range(3):
            (aside / f"KP.{night}.{number:05d}.00.fits").write_bytes(self.content())
        aside.replace(self.raw / night)

    def nonsense(self, path: Path) -> None:
        path.with_name("KP.20240115.00000.00-1.fits").write_bytes(b"nonsense")
        path.with_name(f"notes {self.number}.txt").write_bytes(b"nonsense")

    def flood(self) -> None:
        for _ in range(FLOOD):
            path = self.new_path("20240220")
            try:
                path.write_bytes(self.content(1))
            except OSError:
                path.unlink(missing_ok=True)

    # What came of it

    def missing(self) -> list[str]:
        names = []
        for path in self.raw.glob("*/KP.????????.?????.??.fits"):
            if path.stem not in self.never and not self.is_done(path):
                names.append(path.stem)
        return sorted(names)

    def is_done(self, path: Path) -> bool:
        l0_sum = checksum(path)
        products = [product(path, level) for level in LEVELS]
        try:
            # A product may be replaced between two reads
            return not any(map(headers.find_defect, products)) and all(
                headers.read_header(file, ["L0SUM"])["L0SUM"] == l0_sum for file in products
            )
        except headers.InvalidHeaderError:
            return False

    def wait_for_all(self) -> list[str]:
        end = time.monotonic() + PATIENCE_SECONDS
        while (missing := self.missing()) and time.monotonic() < end:
            self.keep_alive()
            time.sleep(0.5)
        # Unneeded work after that would be seen
        time.sleep(10)
        return missing

    def lines(self) -> list[tuple[str, int, int, str, str]]:
        entries = []
        for line in self.journal.read_text().splitlines():
            word, pid, moment, *more = line.split()
            obsid, l0_sum = more or ("", "")
            entries.append((word, int(pid), int(moment), obsid, l0_sum))
        return entries

    def repeats(self) -> dict[str, object]:
        """L0 files given again after their products were good, with and without a reason."""
        exits = {pid: moment for word, pid, moment, _, _ in self.lines() if word == "exit"}
        started: dict[tuple[str, int], int] = {}
        good: dict[tuple[str, str], tuple[int, int]] = {}
        excused, wrong = 0, []
        for word, pid, moment, obsid, l0_sum in self.lines():
            if word == "made":
                good[obsid, l0_sum] = (started[obsid, pid], exits.get(pid, 0))
            if word != "start":
                continue
            started[obsid, pid] = moment
            if (obsid, l0_sum) not in good:
                continue
            start, end = good[obsid, l0_sum]
            is_killed = not end or any(start <= kill <= end + TAKEN_DOWN_NS for kill in self.kills)
            is_touched = any(touch >= start - TAKEN_DOWN_NS for touch in self.touched[obsid])
            if is_killed or is_touched:
                excused += 1
            else:
                wrong.append(obsid)
        return {"given": len(started), "again_with_reason": excused, "again_without_reason": wrong}


def main() -> None:
    folder, seconds, *seed = sys.argv[1:]
    shutil.rmtree(folder, ignore_errors=True)
    soak = Soak(Path(folder), float(seconds), int(seed[0]) if seed else 1)
    try:
        print(json.dumps(soak.run()))
    finally:
        if soak.watcher:
            soak.watcher.kill()


if __name__ == "__main__":
    main()
