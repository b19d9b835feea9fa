"""A queue of real datasets through real PypeIt: two workers, one of which is killed in the middle.

Six good datasets and four bad ones, each cut to 150 rows, one arc, flat, bias and science frame of
the Kast spectrograph; with a real Valkey, and remotes of rclone. About 220 CPU-s.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import psutil
import pytest
from astropy.io import fits

from kpfnb.adap.pypeit import installation
from kpfnb.adap.reduce import publication, queue_task
from kpfnb.adap.score import scorecard
from kpfnb.compute.services import valkey
from kpfnb.core.result import Outcome
from kpfnb.queue import sheet_status
from kpfnb.queue.client import Queue
from kpfnb.queue.records import AttemptOutcome, QueueItem, QueueItemStatus
from tests.adap.conftest import FAST
from tests.adap.small_datasets import below

pytestmark = [pytest.mark.pypeit, pytest.mark.timeout(1500)]

CONFIG = "longslit/600_4310_d55"
NIGHTS = [date(2015, 5, 20) + timedelta(days=10 * night) for night in range(7)]
NAMES = [f"{CONFIG}/{night}" for night in NIGHTS[:6]]
BAD = {
    f"{CONFIG}/2016-01-01": ("no arc", "no arc frame in setup A"),
    f"{CONFIG}/2016-02-02": ("truncated", "b27.fits.gz: truncated"),
    f"{CONFIG}/2016-03-03": ("noise", "run_pypeit shane_kast_blue_A: "),
    f"{CONFIG}/2016-04-04": ("corrupt header", "b27.fits.gz: not FITS: NAXIS1 is"),
}
"""The defect, and the reason that must be reported."""
SETUP = "shane_kast_blue_A"
NOT_USED = ("b12", "b13", "b22", "b23")


@dataclass
class Run:
    """The queue after the workers have left it."""

    data: Path
    backup: Path
    work: Path
    items: dict[str, QueueItem]
    done: dict[str, list[int]]
    """The tokens of the attempts that ended well."""
    killed: str
    """The item of the worker that was killed."""
    orphans: list[int]
    """Processes of the killed worker that were still there seconds later."""
    survey: dict[str, bool]


@pytest.fixture(scope="module")
def run(kast_frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    tmp_path = tmp_path_factory.mktemp("queue")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        for name, value in _environment(tmp_path).items():
            patch.setenv(name, value)
        _make_datasets(tmp_path)
        try:
            yield _work(tmp_path)
        finally:
            valkey.stop_server()


def _environment(tmp_path: Path) -> dict[str, str]:
    remote = tmp_path / "remote"
    for name in ("data", "backup"):
        (remote / name).mkdir(parents=True)
    return {
        "KPFNB_WORK_DIR": str(tmp_path / "work"),
        "KPFNB_REMOTES": json.dumps({"data": "disk:data", "backup": "disk:backup"}),
        "KPFNB_QUEUE_LEASE_SECONDS": "8",
        "KPFNB_QUEUE_HEARTBEAT_SECONDS": "2",
        "RCLONE_CONFIG": os.devnull,
        "RCLONE_CONFIG_DISK_TYPE": "alias",
        "RCLONE_CONFIG_DISK_REMOTE": str(remote),
    }


def _make_datasets(tmp_path: Path) -> None:
    result = installation.pack_folder()
    if not result:
        pytest.skip(
            f"only the pack that {installation.PACK_VARIABLE} names makes datasets of its frames"
        )
    options = ["--n", "7", "--crop", "100:250", "--no-standard"]
    nights_dir = tmp_path / "made"
    subprocess.run([sys.executable, result / "make_datasets.py", nights_dir, *options], check=True)
    data, custom = tmp_path / "remote/data", tmp_path / "custom"
    custom.mkdir()
    parameters = f"[rdx]\n  spectrograph = shane_kast_blue\n{FAST}"
    for number, name in enumerate([*NAMES, *BAD], start=1):
        raw = data / name / "complete/raw"
        shutil.copytree(nights_dir / f"night{min(number, 7):02d}", raw)
        for unused in NOT_USED:
            next(raw.glob(f"*_{unused}.fits.gz")).unlink()
        (custom / f"{name.replace('/', '_')}_reduce.ini").write_text(parameters)
    for name, (wrong, _) in BAD.items():
        _spoil(data / name / "complete/raw", wrong)


def _spoil(raw: Path, wrong: str) -> None:
    arc, science = (next(raw.glob(f"*_{name}.fits.gz")) for name in ("b1", "b27"))
    if wrong == "no arc":
        arc.unlink()
    elif wrong == "truncated":
        science.write_bytes(gzip.compress(gzip.decompress(science.read_bytes())[:-300_000]))
    elif wrong == "corrupt header":
        content = gzip.decompress(science.read_bytes())
        science.write_bytes(gzip.compress(content.replace(b"NAXIS1  = ", b"NAXIS1  =\xff", 1)))
    else:
        with fits.open(io.BytesIO(gzip.decompress(arc.read_bytes()))) as hdus:
            noise = np.random.default_rng(1).normal(1100, 8, hdus[0].data.shape)
            hdus[0].data = noise.clip(0, 65535).astype("u2")
            hdus.writeto(arc, overwrite=True)


def _work(tmp_path: Path) -> Run:
    with Queue("reduce") as queue:
        queue.load([*BAD, *NAMES])
        first, second = (_worker(tmp_path, number) for number in (1, 2))
        killed = _kill_in_the_middle(queue, first)
        _, alive = psutil.wait_procs(killed.children, timeout=30)
        orphans = [p.pid for p in alive if p.status() != psutil.STATUS_ZOMBIE]
        second.wait(timeout=1200)
        first.wait()
        items = {name: queue.item(name) for name in (*NAMES, *BAD)}
        done: dict[str, list[int]] = {name: [] for name in items}
        for event in queue.events():
            if event.ending is AttemptOutcome.DONE:
                done[event.item].append(event.token)
    remote = tmp_path / "remote"
    survey = queue_task.scan_items("reduce")
    return Run(
        remote / "data",
        remote / "backup",
        tmp_path / "work",
        items,
        done,
        killed.item,
        orphans,
        survey,
    )


def _worker(tmp_path: Path, number: int) -> subprocess.Popen[bytes]:
    options = {
        "spectrograph": "shane_kast_blue",
        "custom": str(tmp_path / "custom"),
    }
    command = [sys.executable, "-c", "from kpfnb.cli.app import main; main()", "worker", "reduce"]
    command += ["--idle=10", *(f"-p{name}={value}" for name, value in options.items())]
    with (tmp_path / f"worker{number}.log").open("wb") as output:
        return subprocess.Popen(command, stdout=output, stderr=output)


@dataclass
class Killed:
    item: str
    children: list[psutil.Process]


def _kill_in_the_middle(queue: Queue, worker: subprocess.Popen[bytes]) -> Killed:
    """SIGKILL the worker when something is done, and PypeIt is at work on its item."""
    deadline = time.monotonic() + 900
    while time.monotonic() < deadline:
        time.sleep(0.5)
        running = [i for i in queue.items(QueueItemStatus.RUNNING) if f"/{worker.pid}-" in i.worker]
        is_reducing = running and running[0].note.startswith("reduce: run_pypeit")
        if is_reducing and running[0].name in NAMES and queue.counts()[QueueItemStatus.DONE]:
            children = psutil.Process(worker.pid).children(recursive=True)
            os.kill(worker.pid, signal.SIGKILL)
            return Killed(running[0].name, children)
    raise AssertionError("the worker never came so far")


def test_all_six_are_complete_each_once(run: Run) -> None:
    for name in NAMES:
        item = run.items[name]
        assert item.state is QueueItemStatus.DONE, item.error
        assert item.result["outcome"] == Outcome.SUCCEEDED
        assert item.attempts == (2 if name == run.killed else 1)
        assert sheet_status.item_status(item).status == "COMPLETE"
        results = run.data / name / "complete/reduce"
        manifest = json.loads((results / publication.MANIFEST_FILE).read_text())
        # What is there was published by the attempt that is counted, and by no other
        assert [manifest["token"]] == run.done[name]


def test_the_killed_workers_item_was_done_again_and_nothing_of_it_lives(run: Run) -> None:
    assert run.orphans == []
    assert run.items[run.killed].attempts == 2


def test_the_results_are_present_and_complete(run: Run) -> None:
    for name in NAMES:
        results = run.data / name / "complete/reduce"
        result = below(results)
        assert (
            len([path for path in result if "/Science/spec" in path and path.endswith("fits")]) == 2
        )
        assert {f"{SETUP}/QA.tar.gz", f"{SETUP}/{SETUP}_useful_warns.log"} <= result
        (row,) = scorecard.read_scorecard(results, name).rows
        assert (row.status, row.dataset, row.det_count) == ("COMPLETE", name, 1)
        assert row.mem_usage > 3e8
        assert below(run.backup / name / "complete/reduce") == result
    assert run.survey == {**dict.fromkeys(NAMES, True), **dict.fromkeys(BAD, False)}


def test_nothing_is_left_locally(run: Run) -> None:
    assert not list((run.work / "datasets").rglob("*.fits*"))


@pytest.mark.parametrize("name", BAD, ids=[wrong for wrong, _ in BAD.values()])
def test_a_bad_one_is_failed_with_its_reason(run: Run, name: str) -> None:
    item = run.items[name]
    assert (item.state, item.attempts) == (QueueItemStatus.PARKED, 1)
    assert BAD[name][1] in item.error
    assert sheet_status.item_status(item).status == "FAILED"
    # Its logs and its raw frames are where they belong
    assert below(run.data / name / "complete/reduce") >= {"reduction.json", "publication.json"}
    assert below(run.data / name / "complete/raw")
