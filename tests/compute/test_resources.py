from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from kpfnb.compute import resources


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "proc/self").mkdir(parents=True)
    return tmp_path / "proc"


@pytest.fixture
def cgroup(tmp_path: Path) -> Path:
    (tmp_path / "cgroup").mkdir()
    return tmp_path / "cgroup"


def write(folder: Path, **texts: str) -> None:
    """Files of a control group; `__` in a name means a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


def test_without_a_container_the_host_counts(
    proc: Path, cgroup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=5_000))
    assert resources.cgroup_cpu_quota(proc, cgroup) is None
    assert resources.available_bytes(proc, cgroup) == 5_000


def test_container_of_version_2(proc: Path, cgroup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=5_000))
    (proc / "self/cgroup").write_text("0::/\n")
    write(cgroup, cpu__max="150000 100000", cpu__stat="usage_usec 2500000\nuser_usec 1")
    write(cgroup, memory__max="4000", memory__current="3500", memory__stat="inactive_file 300")
    assert resources.cgroup_cpu_quota(proc, cgroup) == 1.5
    assert resources.container_cpu_seconds(proc, cgroup) == 2.5
    assert resources.available_bytes(proc, cgroup) == 800


def test_the_tightest_group_above_us_counts(
    proc: Path, cgroup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=5_000))
    (proc / "self/cgroup").write_text("0::/slurm/job_7/step_0\n")
    write(cgroup / "slurm/job_7/step_0", memory__max="max", memory__current="900")
    write(cgroup / "slurm/job_7", memory__max="2000", memory__current="900", cpu__max="max 100000")
    write(cgroup / "slurm", cpu__max="400000 100000")
    assert resources.available_bytes(proc, cgroup) == 1_100
    assert resources.cgroup_cpu_quota(proc, cgroup) == 4


def test_container_of_version_1(proc: Path, cgroup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1 << 40))
    # The path is the host's: it is not there in the container
    (proc / "self/cgroup").write_text("4:memory:/docker/12\n2:cpu,cpuacct:/docker/12\n")
    write(cgroup / "cpu", cpu__cfs_quota_us="200000", cpu__cfs_period_us="100000")
    write(cgroup / "cpuacct", cpuacct__usage="7000000000")
    write(
        cgroup / "memory",
        memory__limit_in_bytes="1000",
        memory__usage_in_bytes="900",
        memory__stat="total_inactive_file 50",
    )
    assert resources.cgroup_cpu_quota(proc, cgroup) == 2
    assert resources.container_cpu_seconds(proc, cgroup) == 7
    assert resources.available_bytes(proc, cgroup) == 150


def test_a_full_quota_is_a_full_load(
    proc: Path, cgroup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The case where the host is idle and its load average says nothing."""
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    monkeypatch.setattr(resources, "host_cpu_seconds", lambda: 0.0)
    clock = iter([0.0, 10.0, 100.0, 110.0])
    monkeypatch.setattr(resources.time, "monotonic", lambda: next(clock))
    (proc / "self/cgroup").write_text("0::/\n")
    write(cgroup, cpu__max="200000 100000", cpu__stat="usage_usec 0")
    meter = resources.LoadMeter(proc, cgroup)
    write(cgroup, cpu__stat="usage_usec 19000000")
    assert meter.percent() == pytest.approx(95)
    # A minute later the busy time is forgotten
    meter.percent()
    assert meter.percent() == 0


def test_the_load_average_of_the_host_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (12.0, 0.0, 0.0))
    monkeypatch.setattr(resources, "host_core_count", lambda: 8)
    monkeypatch.setattr(resources, "host_cpu_seconds", lambda: 0.0)
    assert resources.LoadMeter().percent() == 150


def test_a_limiter_reads_the_load_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(resources.time, "monotonic", lambda: now)
    loads = iter([90.0, 70.0])
    limiter = resources.LoadLimiter(80, lambda: next(loads))
    assert not limiter.is_open()
    now += 0.9
    assert not limiter.is_open()
    assert limiter.reason == "waiting: the load is 90 %, the limit 80 %"
    now += 0.2
    assert limiter.is_open()


def test_no_ceiling_reads_nothing() -> None:
    assert resources.LoadLimiter(None, lambda: pytest.fail("read")).is_open()


def test_a_busy_machine_closes_the_limiter() -> None:
    """With real processes that keep every core busy."""
    limiter = resources.LoadLimiter(60)
    spin = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(spin) for _ in range(resources.host_core_count())]
    try:
        end = time.monotonic() + 120
        while limiter.is_open():
            assert time.monotonic() < end, "the load was not seen"
            time.sleep(0.1)
        assert limiter.load > 60
    finally:
        for process in busy:
            process.kill()
            process.wait()
