import json

import pytest

from kpfnb.adap.prepare import sort_frames, trim
from kpfnb.adap.pypeit import input_files
from kpfnb.core import locks
from kpfnb.core.errors import AlreadyRunningError, InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.demo import deimos_frames
from kpfnb.queue import tasks
from kpfnb.queue.lease import Lease, LeaseLostError

NAME = "NGC1eh/1200G_8800_OG550/2015-10-16_2015-10-18"
OPEN = "NGC1eh/1200G_8800_OG550/2015-11-15"
FILE = f"{NAME}/complete/reduce/keck_deimos_A/keck_deimos_A.pypeit"


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The datasets of the demo on the remote `data`."""
    deimos_frames.simulate_deimos_frames(tmp_path / "raw")
    sort_frames.sort_frames([tmp_path / "raw"], tmp_path / "data", spectrograph="keck_deimos")
    monkeypatch.setenv("KPFNB_REMOTES", json.dumps({"data": str(tmp_path / "data")}))
    return tmp_path / "data"


def lease(held=True, notes=None):
    report = notes.append if notes is not None else lambda text: None
    return Lease("q", NAME, 1, 1, lambda: held, report)


def test_the_reduction_file_is_on_the_remote_and_local_raw_frames_are_removed(data, tmp_path):
    notes = []
    result = tasks.find_task("trim").run(NAME, lease(notes=notes))
    assert result.outcome is Outcome.SUCCEEDED
    assert notes == ["download", "trim", "upload"]
    plan = input_files.read_pypeit_file(data / FILE)
    folder = tmp_path / "work/datasets" / NAME / "complete"
    assert plan.raw_paths == (folder / "raw",)
    assert not (folder / "raw").exists()
    assert trim.scan_items("q") == {NAME: True, "41615_B-1/600ZD_6500_OG550/2015-10-16": False}


def test_made_again_it_gives_the_same(data):
    trim.trim_item(NAME, lease())
    before = (data / FILE).read_bytes()
    trim.trim_item(NAME, lease())
    assert (data / FILE).read_bytes() == before


def test_raw_frames_that_were_here_stay(data, tmp_path):
    raw = tmp_path / "work/datasets" / NAME / "complete/raw"
    raw.mkdir(parents=True)
    trim.trim_item(NAME, lease())
    assert len(list(raw.iterdir())) == 21


def test_while_it_is_reduced_its_raw_frames_are_not_touched(data, monkeypatch):
    monkeypatch.setattr(trim, "LOCK_WAIT_SECONDS", 0.1)
    with locks.acquire_lock(f"dataset-{NAME}"), pytest.raises(AlreadyRunningError):
        trim.trim_item(NAME, lease())
    assert not (data / FILE).exists()


def test_without_its_lease_it_publishes_nothing(data):
    with pytest.raises(LeaseLostError):
        trim.trim_item(NAME, lease(held=False))
    assert not (data / FILE).exists()


def test_an_incomplete_dataset_is_rejected(data):
    with pytest.raises(InvalidInputError, match="is not a complete dataset"):
        trim.trim_item(OPEN, lease())
