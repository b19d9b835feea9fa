import os

import pytest

from kpfnb.adap.prepare import placement
from kpfnb.adap.prepare.placement import PlacementJob, PlaceMode
from kpfnb.core.errors import InvalidInputError


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "raw" / "a.fits"
    path.parent.mkdir()
    path.write_bytes(b"frame" * 1000)
    os.utime(path, ns=(1_600_000_000_000_000_000, 1_600_000_000_123_000_000))
    return path


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data" / "m" / "c" / "2015-10-16" / "complete" / "raw" / "a.fits"


@pytest.mark.parametrize("how", PlaceMode)
def test_a_frame_gets_to_its_place_once(source, target, how):
    content, stamp = source.read_bytes(), source.stat().st_mtime_ns
    job = PlacementJob(source, target, how)
    assert placement.is_needed(job)
    assert placement.place_frame(job)
    assert target.read_bytes() == content
    assert target.stat().st_mtime_ns == stamp
    assert target.is_symlink() == (how is PlaceMode.SYMLINK)
    assert source.exists() == (how is not PlaceMode.MOVE)
    if how is not PlaceMode.MOVE:
        assert not placement.is_needed(job)
        assert not placement.place_frame(job)


@pytest.mark.parametrize("how", PlaceMode)
def test_another_file_in_the_place_is_never_touched(source, target, how):
    target.parent.mkdir(parents=True)
    target.write_bytes(b"other")
    with pytest.raises(InvalidInputError, match="another file has this name"):
        placement.place_frame(PlacementJob(source, target, how))
    assert target.read_bytes() == b"other" and source.exists()


def test_a_move_killed_before_the_deletion_goes_on(source, target):
    target.parent.mkdir(parents=True)
    os.link(source, target)
    assert placement.place_frame(PlacementJob(source, target, PlaceMode.MOVE))
    assert target.stat().st_size == 5000 and not source.exists()


def test_a_move_to_another_file_system_is_verified_before_the_deletion(source, target, monkeypatch):
    def refuse(*_):
        raise OSError(18, "cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    real = placement.file_sha256
    monkeypatch.setattr(placement, "file_sha256", lambda path: "wrong")
    with pytest.raises(OSError, match="differs"):
        placement.place_frame(PlacementJob(source, target, PlaceMode.MOVE))
    assert source.exists() and not target.exists()
    assert list(target.parent.iterdir()) == []
    monkeypatch.setattr(placement, "file_sha256", real)
    assert placement.place_frame(PlacementJob(source, target, PlaceMode.MOVE))
    assert target.stat().st_size == 5000 and not source.exists()


def test_a_move_compares_bytes_though_size_and_time_are_the_same(source, target):
    target.parent.mkdir(parents=True)
    target.write_bytes(b"x" * 5000)
    stamp = source.stat()
    os.utime(target, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    with pytest.raises(OSError, match="which is kept"):
        placement.place_frame(PlacementJob(source, target, PlaceMode.MOVE))
    assert source.exists()


def test_a_link_gives_way_to_the_file_it_leads_to(source, target):
    placement.place_frame(PlacementJob(source, target, PlaceMode.SYMLINK))
    assert placement.place_frame(PlacementJob(source, target, PlaceMode.MOVE))
    assert not target.is_symlink() and target.stat().st_size == 5000 and not source.exists()


def test_a_frame_below_the_root_moves_to_its_new_place(source, target, tmp_path):
    placement.place_frame(PlacementJob(source, target, PlaceMode.MOVE))
    new = tmp_path / "data/m/c/2015-10-16_2015-10-18/complete/raw/a.fits"
    assert placement.place_frame(PlacementJob(None, new, PlaceMode.COPY, placed=target))
    assert new.is_file()
    assert not (tmp_path / "data/m/c/2015-10-16").exists()


def test_a_source_that_changes_while_it_is_copied_is_not_placed(source, target, monkeypatch):
    class Growing:
        """A checksum; while it is made, somebody writes to the source."""

        def __init__(self):
            self.fed = 0

        def update(self, chunk):
            if not self.fed:
                source.write_bytes(source.read_bytes() + b"more")
            self.fed += len(chunk)

    monkeypatch.setattr(placement.hashlib, "sha256", Growing)
    with pytest.raises(OSError, match="changed while it was copied"):
        placement.copy_verified(source, target)
    assert list(target.parent.iterdir()) == []
