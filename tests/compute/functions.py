"""What the tests do with an item; workers import it from here."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

COMMAND = ["sleep", "1234"]


def double(number: int) -> int:
    return 2 * number


def pid_of(item: Any) -> int:
    return os.getpid()


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def fail_odd(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number


def count_to(task: tuple[Path, int]) -> int:
    """Fail until it was called so often."""
    path, times = task
    with path.open("a") as file:
        file.write("x")
    if len(path.read_text()) < times:
        raise OSError("not yet")
    return times


def die(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_once(path: Path) -> str:
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return path.name


def hold_the_lock(number: int) -> int:
    """For 5, a regular expression that never lets go of Python's lock."""
    if number == 5:
        re.match(r"(a+)+$", "a" * 40 + "b")
    return number


def start_children(folder: Path) -> None:
    """Two children, one of which leaves the process group; then hang."""
    children = [subprocess.Popen(COMMAND), subprocess.Popen(COMMAND, start_new_session=True)]
    (folder / "pids").write_text(" ".join(str(child.pid) for child in children))
    time.sleep(600)


def take_memory(size: int) -> int:
    block = bytearray(size)
    time.sleep(3 if size > 1_000_000 else 0)
    return len(block)


def niceness(item: Any) -> int:
    return os.nice(0)


def where(item: Any) -> tuple[str, str | None]:
    return str(Path.cwd()), os.environ.get("KPFNB_TEST_VALUE")


def nest(number: int) -> list[int]:
    from kpfnb.compute.item_map import map_items

    pids = map_items(pid_of, range(number), isolate=True, progress=False).values()
    return [os.getpid(), *pids]


def unpicklable(number: int) -> Any:
    return (lambda: number) if number % 2 == 0 else (i for i in range(number))


def leave(item: Any) -> None:
    raise SystemExit(3)
