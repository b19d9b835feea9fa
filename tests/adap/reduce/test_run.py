"""What kpfnb does around PypeIt, with fake commands."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from kpfnb.adap.products import reduction
from kpfnb.adap.reduce import run
from kpfnb.adap.reduce.job import ReductionConfig
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.core import locks
from kpfnb.core.errors import AlreadyRunningError, InvalidInputError
from kpfnb.core.result import Outcome, Result
from tests.adap.fake_pypeit import CALIBRATIONS, write_raw
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("fake_pypeit")

FRAMES = {f"{name}.fits": kinds for name, kinds in CALIBRATIONS.items()}
SCIENCE = {"b27.fits": "science", "b28.fits": "science"}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write_raw(tmp_path / "night" / "raw", FRAMES | SCIENCE)


def reduce(
    raw: Path,
    behaviour: str = "good",
    *,
    output: str | Path = "",
    dry_run: bool = False,
    **options: Any,
) -> ReductionResult:
    config = ReductionConfig(spectrograph="shane_kast_blue", **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAKE_PYPEIT", behaviour)
        return run.reduce_folder(raw, output, config, dry_run=dry_run, progress=False)


def output(tmp_path: Path) -> Path:
    return tmp_path / "work/reductions/night"


def test_a_good_dataset(raw: Path, tmp_path: Path) -> None:
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in raw.iterdir()}
    result = reduce(raw, parameters="[reduce]\n  trim = False")
    assert isinstance(result, Result)
    assert (result.outcome, result.output) == (Outcome.SUCCEEDED, output(tmp_path))
    assert result.reason == "2 of 2 science and standard frames reduced"
    assert list(result.to_frame()["status"]) == ["reduced", "reduced"]
    assert list(result.frames()["frame type"])[:2] == ["arc, tilt", "pixelflat, illumflat, trace"]
    assert [step.name for step in result.steps] == [
        "pypeit_setup",
        "run_pypeit shane_kast_blue_A",
    ]
    assert all(step.peak_bytes > 1e6 and step.seconds > 0 for step in result.steps)
    assert result.key_figures()["science reduced"] == "2 of 2"
    assert len(result.spectra()) == 2
    assert (
        "  trim = False"
        in (result.output / "shane_kast_blue_A/shane_kast_blue_A.pypeit").read_text()
    )
    after = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in raw.iterdir()}
    assert after == before


def test_the_record_gives_the_same_result(raw: Path) -> None:
    result = reduce(raw)
    record = json.loads((result.output / reduction.RECORD_NAME).read_text())
    assert record == result.to_dict()
    assert ReductionResult.from_dict(record, result.output) == result


def test_a_second_run_has_nothing_to_do(raw: Path) -> None:
    first = reduce(raw)
    again = reduce(raw, "crash")
    assert again.outcome is Outcome.SUCCEEDED
    assert again.reason.startswith("nothing to do: 2 of 2")
    assert again.science == first.science


@pytest.mark.parametrize("change", ["frame", "config", "product", "force"])
def test_it_is_done_again_when_something_changed(raw: Path, change: str) -> None:
    first = reduce(raw)
    if change == "frame":
        os.utime(raw / "b27.fits", ns=(5, 5))
    if change == "product":
        next(first.output.glob("*/Science/spec2d_b27*")).write_bytes(b"")
    parameters = "[reduce]\n" if change == "config" else ""
    again = reduce(raw, parameters=parameters, force=change == "force")
    assert (again.outcome, again.note) == (Outcome.SUCCEEDED, "")
    assert sorted(path.name for path in first.output.parent.iterdir()) == ["night"]


@pytest.mark.parametrize(
    ("behaviour", "outcome", "reason"),
    [
        ("crash", Outcome.PARTIAL, "1 of 2 .* the <arc> is noise"),
        ("exit 0 early", Outcome.PARTIAL, "b28.fits: PypeIt wrote no spec2d for it"),
        ("no time", Outcome.PARTIAL, "without an execution time"),
        ("one detector lost", Outcome.FAILED, "b27.fits: only 1 of 2 detectors"),
    ],
)
def test_a_failure_is_reported(raw: Path, behaviour: str, outcome: Outcome, reason: str) -> None:
    result = reduce(raw, behaviour)
    assert result.outcome is outcome
    assert re.search(reason, result.reason), result.reason
    assert "<arc>" not in result._repr_html_()
    assert str(result).startswith(f"{outcome}: ")


def test_a_good_result_is_not_lost_to_a_worse_one(raw: Path, tmp_path: Path) -> None:
    good = reduce(raw)
    worse = reduce(raw, "crash", force=True)
    assert worse.outcome is Outcome.PARTIAL
    assert worse.output == output(tmp_path).with_name("night.failed")
    assert "the earlier reduction is kept in night" in worse.reason
    assert reduce(raw, "crash").science == good.science


def test_a_better_result_takes_the_place_of_a_worse_one(raw: Path, tmp_path: Path) -> None:
    assert reduce(raw, "crash").outcome is Outcome.PARTIAL
    better = reduce(raw)
    assert (better.outcome, better.output) == (Outcome.SUCCEEDED, output(tmp_path))
    assert [path.name for path in output(tmp_path).parent.iterdir()] == ["night"]


@pytest.mark.slow
def test_silence_and_slowness_are_bounded(raw: Path) -> None:
    silent = reduce(raw, "silent", silence_minutes=0.2)
    assert silent.outcome is Outcome.FAILED
    assert "stopped: nothing new in its log for 0.2 min" in silent.reason
    slow = reduce(raw, "chatty", timeout_minutes=0.2)
    assert "stopped: still running after 0.2 min (last step: still fitting)" in slow.reason


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (FRAMES, "nothing reduced: no science or standard frame"),
        ({k: v for k, v in FRAMES.items() if "arc" not in v} | SCIENCE, "no arc frame in setup A"),
        ({"b27.fits": "science"}, "no arc and no trace frame in setup A"),
    ],
)
def test_an_incomplete_dataset_is_reported_without_running_pypeit(
    tmp_path: Path, frames: dict[str, str], reason: str
) -> None:
    result = reduce(write_raw(tmp_path / "raw", frames))
    assert result.outcome is Outcome.FAILED
    assert reason in result.reason
    assert [step.name for step in result.steps] == ["pypeit_setup"]


def test_a_frame_that_can_not_be_read_is_named_and_the_others_are_reduced(raw: Path) -> None:
    (raw / "b28.fits").write_bytes((raw / "b28.fits").read_bytes()[:6000])
    result = reduce(raw)
    assert result.outcome is Outcome.PARTIAL
    assert "b28.fits: truncated" in result.reason
    assert [verdict.file for verdict in result.science] == ["b27.fits"]
    assert reduce(raw, "crash").reason.startswith("nothing to do")


@pytest.mark.parametrize("names", [["b27.fits", "b28.fits"], None])
def test_unreadable_science_is_a_failure(raw: Path, names: list[str] | None) -> None:
    for path in raw.iterdir():
        if names is None or path.name in names:
            path.write_bytes(b"no FITS")
    result = reduce(raw)
    assert result.outcome is Outcome.FAILED
    assert "b27.fits: not FITS" in str(result.to_dict()["reason"]) or names is None
    assert "not FITS" in result._repr_html_()


def test_dry_run_changes_nothing(raw: Path, tmp_path: Path) -> None:
    result = reduce(raw, dry_run=True)
    assert result.outcome is Outcome.SUCCEEDED
    assert result.reason.startswith(f"dry run: would reduce 5 of 5 frames of {raw}")
    assert not (tmp_path / "work").exists()


def test_another_dataset_or_folder_in_the_output_is_not_touched(raw: Path, tmp_path: Path) -> None:
    other = write_raw(tmp_path / "other", FRAMES | SCIENCE)
    place = reduce(raw).output
    with pytest.raises(InvalidInputError, match="holds the reduction of"):
        reduce(other, output=place)
    (tmp_path / "home").mkdir()
    (tmp_path / "home/thesis.tex").write_text("years of work")
    with pytest.raises(InvalidInputError, match="not a reduction of kpfnb"):
        reduce(raw, output=tmp_path / "home", force=True)
    assert (tmp_path / "home/thesis.tex").read_text() == "years of work"


def test_one_output_is_made_by_one_run_at_a_time(raw: Path, tmp_path: Path) -> None:
    place = output(tmp_path)
    digest = hashlib.sha256(str(place).encode()).hexdigest()[:8]
    name = f"reduction-{place.name}-{digest}"
    with locks.acquire_lock(name), pytest.raises(AlreadyRunningError):
        reduce(raw)


def pypeit_processes(folder: Path) -> list[psutil.Process]:
    result = []
    for process in psutil.process_iter():
        try:
            if str(folder / "bin/run_pypeit") in process.cmdline():
                result.append(process)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return result


DRIVER = """
import sys
from kpfnb.adap.pypeit import installation
from kpfnb.adap.reduce.job import ReductionConfig
from kpfnb.adap.reduce.run import reduce_folder
installation.list_spectrographs = lambda: ["shane_kast_blue"]
reduce_folder(sys.argv[1], "", ReductionConfig(spectrograph="shane_kast_blue", force=True))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_leaves_no_process_and_loses_nothing(
    raw: Path, tmp_path: Path, number: signal.Signals
) -> None:
    good = reduce(raw)
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(raw)],
        env={**os.environ, "FAKE_PYPEIT": "silent"},
        stderr=subprocess.DEVNULL,
    ) as driver:
        wait_for(lambda: pypeit_processes(tmp_path))
        assert good.output.with_name("night.previous").is_dir()
        driver.send_signal(number)
        driver.wait()
    wait_for(lambda: not pypeit_processes(tmp_path))
    again = reduce(raw, "crash")
    assert again.reason.startswith("nothing to do: 2 of 2")
    assert [path.name for path in good.output.parent.iterdir()] == ["night"]
