"""The cores, load and memory of this machine or container, and limits of work on it."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from kpfnb.core.errors import InvalidParameterError

PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")
WINDOW_SECONDS = 60.0
READ_EVERY_SECONDS = 1.0
WORKER_BYTES = 250_000_000
"""Memory of a worker without an item: Python with the usual libraries."""
MEMORY_TOLERANCE = 1.5
"""An item is stopped when it uses this many times its budget."""


class LoadMeter:
    """Measures the load in percent of the cores over the last minute; 100: all cores are busy.

    The highest of three values counts. The load average is the number of runnable tasks of the
    whole host, even in a container; some containers always show 0. The processor times show how
    busy the cores are. The quota of a container may be used up long before the host is busy.
    """

    def __init__(self, proc: Path = PROC, cgroup: Path = CGROUP) -> None:
        self._proc = proc
        self._cgroup = cgroup
        self._samples: deque[tuple[float, float, float]] = deque()
        self._sample()

    def percent(self) -> float:
        """The load now."""
        self._sample()
        return 100 * max(os.getloadavg()[0] / host_core_count(), *self._busy_shares())

    def _sample(self) -> None:
        now = time.monotonic()
        while self._samples and now - self._samples[0][0] > WINDOW_SECONDS:
            self._samples.popleft()
        used = container_cpu_seconds(self._proc, self._cgroup)
        self._samples.append((now, host_cpu_seconds(), used))

    def _busy_shares(self) -> tuple[float, float]:
        """Shares (0 to 1) of the host's cores and of this container's quota that were used."""
        (before, busy0, used0), (now, busy1, used1) = self._samples[0], self._samples[-1]
        elapsed = now - before
        # Processor time is counted in steps of 10 ms: too coarse for a short time
        if elapsed < READ_EVERY_SECONDS / 2:
            return 0.0, 0.0
        quota = cgroup_cpu_quota(self._proc, self._cgroup)
        host = (busy1 - busy0) / elapsed / host_core_count()
        return host, (used1 - used0) / elapsed / quota if quota else 0.0


@cache
def _shared_meter() -> LoadMeter:
    return LoadMeter()


def load_percent() -> float:
    """The load of this machine or container, in percent of its cores, over the last minute."""
    return _shared_meter().percent()


class LoadLimiter:
    """Open while the load is at or below `limit` percent; always open for None.

    Parameters
    ----------
    read : returns the load in percent; by default the load of this machine
    """

    def __init__(self, limit: float | None, read: Callable[[], float] | None = None) -> None:
        self.limit = limit
        self.load = 0.0
        self._read = read or load_percent
        self._next = 0.0

    def is_open(self) -> bool:
        """True if new work may start; the load is read at most once a second."""
        if self.limit is None:
            return True
        now = time.monotonic()
        if now >= self._next:
            self.load = self._read()
            self._next = now + READ_EVERY_SECONDS
        return self.load <= self.limit

    @property
    def reason(self) -> str:
        """Why it is closed."""
        return f"waiting: the load is {self.load:.0f} %, the limit {self.limit:.0f} %"


def host_core_count() -> int:
    """The number of cores of the host."""
    return psutil.cpu_count() or 1


def host_cpu_seconds() -> float:
    """Processor time [s] that all cores of the host have used since it started."""
    times = psutil.cpu_times()
    # Linux counts the time of guests within user and nice as well
    idle = times.idle + getattr(times, "iowait", 0.0) + getattr(times, "guest", 0.0)
    return sum(times) - idle - getattr(times, "guest_nice", 0.0)


def cgroup_cpu_quota(proc: Path = PROC, cgroup: Path = CGROUP) -> float | None:
    """The number of cores that this container may use; None if there is no quota."""
    for folder in _cgroup_folders("cpu", proc, cgroup):
        quota, period = (
            _read_words(folder / "cpu.max")
            or (
                *_read_words(folder / "cpu.cfs_quota_us"),
                *_read_words(folder / "cpu.cfs_period_us"),
            )
            or ("max", "1")
        )
        if quota not in ("max", "-1"):
            return int(quota) / int(period)
    return None


def container_cpu_seconds(proc: Path = PROC, cgroup: Path = CGROUP) -> float:
    """Processor time [s] that this container has used; 0 if it is not known."""
    for folder in _cgroup_folders("cpuacct", proc, cgroup):
        if nanoseconds := _read_words(folder / "cpuacct.usage"):
            return int(nanoseconds[0]) / 1e9
        if words := _read_words(folder / "cpu.stat"):
            return int(dict(zip(words[::2], words[1::2], strict=True))["usage_usec"]) / 1e6
    return 0.0


def available_bytes(proc: Path = PROC, cgroup: Path = CGROUP) -> int:
    """The free memory of this machine within the limits of this container."""
    machine = psutil.virtual_memory().available
    groups = (_cgroup_free_bytes(folder) for folder in _cgroup_folders("memory", proc, cgroup))
    return max(0, min([machine, *(free for free in groups if free is not None)]))


def _cgroup_free_bytes(folder: Path) -> int | None:
    """The free memory of one control group; cached files count as free."""
    limit = _read_words(folder / "memory.max") or _read_words(folder / "memory.limit_in_bytes")
    used = _read_words(folder / "memory.current") or _read_words(folder / "memory.usage_in_bytes")
    if not limit or not used or limit == ["max"]:
        return None
    words = _read_words(folder / "memory.stat")
    stat = dict(zip(words[::2], words[1::2], strict=True))
    cache = stat.get("total_inactive_file", stat.get("inactive_file", "0"))
    return int(limit[0]) - int(used[0]) + int(cache)


def _cgroup_folders(controller: str, proc: Path, cgroup: Path) -> Iterator[Path]:
    """The directories of the control group of this process and its parents, nearest first."""
    for line in _read_lines(proc / "self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = cgroup / controller if controllers else cgroup
        group = root / path.lstrip("/")
        # In a container the path may be the host's, which does not exist here
        yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(root))


def _read_words(path: Path) -> list[str]:
    return " ".join(_read_lines(path)).split()


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


@dataclass(frozen=True, kw_only=True)
class ItemLimits:
    """The limits of one `map_items` call; None or 0 is no limit."""

    workers: int | None = None
    timeout_seconds: float | None = None
    memory_bytes: int | None = None
    nice: int = 0
    max_load: float | None = None

    def __post_init__(self) -> None:
        for name in ("workers", "timeout_seconds", "memory_bytes", "max_load"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise InvalidParameterError(f"{name} must be above 0, not {value!r}")
        if not 0 <= self.nice < 20:
            raise InvalidParameterError(f"nice must be from 0 to 19, not {self.nice!r}")

    @property
    def stops_items(self) -> bool:
        """True if an item may have to be stopped."""
        return bool(self.timeout_seconds or self.memory_bytes)

    @property
    def needs_processes(self) -> bool:
        """True if items must not run in kpfnb's own process."""
        return self.stops_items or bool(self.nice)

    def max_concurrency(self) -> int:
        """How many items fit into memory; `InvalidParameterError` if not even one does."""
        available = available_bytes()
        if not self.memory_bytes:
            return sys.maxsize
        if self.memory_bytes > available:
            raise InvalidParameterError(
                f"one item may take {self.memory_bytes / 1e9:.1f} GB, and only "
                f"{available / 1e9:.1f} GB are free",
                "free memory, or lower memory_bytes",
            )
        return available // self.memory_bytes

    def load_limiter(self) -> LoadLimiter:
        """A limiter of the load of this machine."""
        return LoadLimiter(self.max_load)

    def reason_to_stop(self, seconds: float, taken_bytes: int) -> str:
        """Why to stop an item after `seconds`, when its worker uses `taken_bytes`; '' if not."""
        if self.timeout_seconds and seconds > self.timeout_seconds:
            return f"timed out after {self.timeout_seconds:g} s"
        if self.memory_bytes:
            taken = taken_bytes - WORKER_BYTES
            if taken > MEMORY_TOLERANCE * self.memory_bytes:
                return (
                    f"took {taken / 1e9:.2f} GB of memory, its budget is "
                    f"{self.memory_bytes / 1e9:.2f} GB"
                )
        return ""
