from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.adap.pypeit import input_files
from kpfnb.core.errors import InvalidInputError

TEXT = """\
# Auto-generated PypeIt input file

# User-defined execution parameters
[rdx]
    spectrograph = keck_deimos
[reduce]
    [[findobj]]
        snr_thresh = 5  # a comment that stays

# Setup
setup read
Setup A:
  amp: '"SINGLE:B"'
  dispname: 600ZD
setup end

data read
 path /data/one
 path /data/two
 filename |      frametype |   target | exptime | comb_id | calib
 d1.fits.gz |     arc,tilt |      Arc |     1.0 |      -1 |     0
   d2.fits | pixelflat,trace |   Flat |     5.0 |      -1 |     0
 # d3.fits |     arc,tilt | old |     1.0 |      -1 |     0
   d4.fits |        science | M31 one |    None |       3 |     0
   d5.fits |        science | M31 one |   900.0 |       3 |     0
   d6.fits |       standard |  BD+28 |    30.0 |      -1 |     0
   d7.fits |           None |    None |    None |    None |     0
data end
"""


@pytest.fixture
def file(tmp_path: Path) -> input_files.PypeItFile:
    (tmp_path / "a.pypeit").write_text(TEXT)
    return input_files.read_pypeit_file(tmp_path / "a.pypeit")


def test_the_three_blocks_are_read(file: input_files.PypeItFile) -> None:
    assert file.parameters[:2] == ("[rdx]", "    spectrograph = keck_deimos")
    assert file.parameters[-1].strip() == "snr_thresh = 5  # a comment that stays"
    assert (file.setup, file.configuration["dispname"]) == ("A", "600ZD")
    assert file.configuration["amp"] == '"SINGLE:B"'
    assert file.raw_paths == (Path("/data/one"), Path("/data/two"))
    assert [frame.file for frame in file.frames][:2] == ["d1.fits.gz", "d2.fits"]


def test_rows_are_frames(file: input_files.PypeItFile) -> None:
    arc, flat, dropped, science, _, standard, unknown = file.frames
    assert (arc.types, arc.exposure_seconds, arc.used) == (("arc", "tilt"), 1.0, True)
    assert flat.target == "Flat"
    assert (dropped.file, dropped.used) == ("d3.fits", False)
    assert (science.exposure_seconds, science.is_target) == (None, True)
    assert (standard.is_target, unknown.types, unknown.is_target) == (True, (), False)


def test_targets_and_what_they_are_named_after(file: input_files.PypeItFile) -> None:
    assert [frame.file for frame in file.targets] == ["d4.fits", "d5.fits", "d6.fits"]
    assert [file.first_frame(frame).file for frame in file.targets] == [
        "d4.fits",
        "d4.fits",
        "d6.fits",
    ]


def test_missing_types_are_reported_and_commented_frames_do_not_count(tmp_path: Path) -> None:
    text = TEXT.replace(" d1.fits.gz", "#d1.fits.gz")
    (tmp_path / "a.pypeit").write_text(text)
    assert input_files.read_pypeit_file(tmp_path / "a.pypeit").missing_types == ("arc",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[rdx]\n", "no data block"),
        ("data read\n path /data\ndata end\n", "empty data block"),
        ("data read\nname | kind\n a | b\ndata end\n", "no column filename"),
        (TEXT.replace("M31 one", "M31 | one"), "a row has 7 of 6 columns"),
    ],
)
def test_a_file_that_is_not_valid_is_rejected(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.pypeit").write_text(text)
    with pytest.raises(InvalidInputError, match=words) as caught:
        input_files.read_pypeit_file(tmp_path / "a.pypeit")
    assert "a.pypeit" in caught.value.what


def test_a_missing_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="can't read"):
        input_files.read_pypeit_file(tmp_path / "a.pypeit")
