from __future__ import annotations

import os
from pathlib import Path

import pytest

from kpfnb.adap.products import dataset
from kpfnb.core.errors import InvalidInputError
from tests.adap.fake_pypeit import write_raw


def test_frames_are_found_by_name_and_inspected(tmp_path: Path) -> None:
    write_raw(tmp_path, {"b2.fits": "bias", "b1.fits": "bias"})
    (tmp_path / "b3.fits.gz").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("clouds")
    (tmp_path / "._b1.fits").write_text("left by a Mac")
    (tmp_path / "folder.fits").mkdir()
    result = [(frame.file, frame.defect) for frame in dataset.find_raw_frames(tmp_path)]
    assert result == [("b1.fits", ""), ("b2.fits", ""), ("b3.fits.gz", "empty")]


def test_a_broken_link_is_a_frame_that_can_not_be_used(tmp_path: Path) -> None:
    write_raw(tmp_path, {"b1.fits": "bias"})
    (tmp_path / "b2.fits").symlink_to(tmp_path / "taken away.fits")
    result = dataset.find_raw_frames(tmp_path)
    assert [(frame.file, frame.defect) for frame in result] == [
        ("b1.fits", ""),
        ("b2.fits", "missing"),
    ]
    assert set(dataset.frame_signatures(result)) == {"b1.fits", "b2.fits"}
    offered = dataset.link_usable(result, tmp_path / "links")
    assert [path.name for path in offered.iterdir()] == ["b1.fits"]


def test_no_folder_a_file_and_no_frames_have_different_messages(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for name, words in (("nope", "does not exist"), ("file", "is a file"), ("empty", "no raw")):
        with pytest.raises(InvalidInputError, match=words) as caught:
            dataset.find_raw_frames(tmp_path / name)
        assert str(tmp_path / name) in caught.value.what


def test_pypeit_gets_the_folder_itself_if_all_frames_can_be_used(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "raw", {"b1.fits": "bias"})
    assert dataset.link_usable(dataset.find_raw_frames(raw), tmp_path / "links") == raw
    assert not (tmp_path / "links").exists()


@pytest.mark.parametrize("stray", ["b2.fits", "._b1.fits", "b9.fits.part"])
def test_pypeit_never_sees_what_it_can_not_read(tmp_path: Path, stray: str) -> None:
    raw = write_raw(tmp_path / "raw", {"b1.fits": "bias"})
    (raw / stray).write_text("junk")
    offered = dataset.link_usable(dataset.find_raw_frames(raw), tmp_path / "links")
    assert [path.name for path in offered.iterdir()] == ["b1.fits"]
    assert (offered / "b1.fits").read_bytes() == (raw / "b1.fits").read_bytes()


def test_signatures_reveal_a_changed_file(tmp_path: Path) -> None:
    write_raw(tmp_path, {"b1.fits": "bias", "b2.fits": "bias"})
    before = dataset.frame_signatures(dataset.find_raw_frames(tmp_path))
    os.utime(tmp_path / "b1.fits", ns=(1, 1))
    after = dataset.frame_signatures(dataset.find_raw_frames(tmp_path))
    assert after["b1.fits"] != before["b1.fits"]
    assert after["b2.fits"] == before["b2.fits"]
