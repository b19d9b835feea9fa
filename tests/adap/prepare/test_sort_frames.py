import csv
import html
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kpfnb.adap.prepare import sort_frames
from kpfnb.adap.prepare.placement_plan import BAD_HEADER, DROPPED, IN_PLACE, NAME_CLASH
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.result import Outcome
from kpfnb.demo import deimos_frames
from kpfnb.runs import report

START = datetime(2015, 10, 16, 3, tzinfo=UTC)
TOP = "NGC1eh/1200G_8800_OG550"
JOINED = f"{TOP}/2015-10-16_2015-10-18"


@pytest.fixture
def raw(tmp_path):
    deimos_frames.simulate_deimos_frames(tmp_path / "raw")
    return tmp_path / "raw"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


def sort(raw, root, **options):
    options = {"spectrograph": "keck_deimos", "progress": False, **options}
    return sort_frames.sort_frames([raw], root, **options)


def tree(folder):
    return {
        str(path.relative_to(folder)): (path.is_symlink(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("reorganised")
    }


def add(raw, kind, moment, name="", **changes):
    path = raw / (name or deimos_frames.frame_name(moment))
    return deimos_frames.write_frame(path, deimos_frames.make_header(kind, moment, **changes))


@pytest.mark.parametrize("how", ["copy", "move", "symlink"])
def test_frames_get_to_their_places_and_the_second_run_changes_nothing(raw, root, how):
    before = len(list(raw.iterdir()))
    result = sort(raw, root, how=how)
    assert result.outcome is Outcome.PARTIAL
    assert Counter(row.state for row in result.rows) == {IN_PLACE: 27, DROPPED: 3, BAD_HEADER: 2}
    assert result.datasets == ["41615_B-1/600ZD_6500_OG550/2015-10-16", JOINED, f"{TOP}/2015-11-15"]
    assert result.missing_types[f"{TOP}/2015-11-15"] == ("arc",)
    assert result.complete == result.datasets[:2]
    placed = tree(root)
    assert len(placed) == 27 and len([p for p in placed if "/incomplete/raw/" in p]) == 2
    assert len(list(raw.iterdir())) == (5 if how == "move" else before)
    pages = {path: path.read_bytes() for path in root.glob("reorganised.*")}
    again = sort(raw, root, how=how)
    assert "nothing to do: 27 frames in place" in again.reason
    assert tree(root) == placed
    if how != "move":
        assert {path: path.read_bytes() for path in root.glob("*.csv")} == {
            path: text for path, text in pages.items() if path.suffix == ".csv"
        }


def test_a_dry_run_changes_nothing(raw, root):
    result = sort(raw, root, dry_run=True, how="move")
    assert "27 of 27 frames would be moved" in result.reason
    assert not root.exists()


def test_bad_headers_are_reported_and_do_not_stop_it(raw, root):
    result = sort(raw, root)
    messages = {row.file: row.note for row in result.misplaced}
    assert messages["DE.20151016.55555.fits"] == "truncated: its header has no END"
    assert "no decker (SLMSKNAM)" in messages["DE.20151016.38160.fits"]
    # A frame that only PypeIt can't use is placed and reported
    incomplete = result.problems().set_index("file").loc["DE.20151016.34560.fits"]
    assert incomplete["note"] == "its header has no ra (RA), target (TARGNAME)"


def test_biases_and_unknown_frames_are_dropped_and_reported(raw, root):
    notes = [row.note for row in sort(raw, root).rows if row.state == DROPPED]
    assert sorted(notes) == ["bias is not used"] * 2 + ["its header matches no frame type"]


def test_a_gzipped_frame_counts(raw, root):
    sort(raw, root)
    assert (root / JOINED / "complete/raw/DE.20151018.45360.fits.gz").is_file()


def test_new_frames_join_and_complete_a_dataset_which_gets_its_new_name(raw, root):
    sort(raw, root)
    add(raw, "arc", START + timedelta(days=32))
    result = sort(raw, root)
    name = f"{TOP}/2015-11-15_2015-11-17"
    assert name in result.complete
    assert len(list((root / name / "complete/raw").iterdir())) == 3
    assert not (root / TOP / "2015-11-15").exists()


def test_a_reduced_dataset_is_not_changed(raw, root):
    sort(raw, root)
    (root / JOINED / "complete/reduce").mkdir()
    before = tree(root / JOINED)
    add(raw, "science", START + timedelta(days=4))
    result = sort(raw, root)
    assert result.notes == (
        f"{TOP}/2015-10-20 is close in time to {JOINED}, which is reduced and was not changed",
    )
    assert tree(root / JOINED) == before
    add(raw, "science", START + timedelta(hours=1))
    result = sort(raw, root)
    assert any("2015-10-16 is close in time to" in note for note in result.notes)


def test_new_frames_of_a_reduced_single_night_are_added_and_reported(tmp_path, root):
    raw = tmp_path / "raw"
    for number, kind in enumerate(("arc", "flat", "science")):
        add(raw, kind, START + timedelta(minutes=number))
    sort(raw, root)
    (root / TOP / "2015-10-16/complete/reduce").mkdir()
    add(raw, "science", START + timedelta(hours=1))
    result = sort(raw, root)
    assert result.notes == (
        f"{TOP}/2015-10-16 is already reduced and gets new frames: reduce it again",
    )
    assert result.complete == [f"{TOP}/2015-10-16"]
    assert len(list((root / TOP / "2015-10-16/complete/raw").iterdir())) == 4


def test_two_files_of_one_name_are_reported_and_neither_is_lost(raw, root):
    add(raw / "more", "science", START + timedelta(hours=2), name="DE.20151016.09360.fits")
    result = sort(raw, root, how="move")
    (clash,) = [row for row in result.rows if row.state == NAME_CLASH]
    assert "has the name of" in clash.note
    assert Path(clash.source).exists()


def test_masks_whose_names_become_the_same_are_not_mixed(tmp_path, root):
    raw = tmp_path / "raw"
    for number, mask in enumerate(("a/b", "a-b", "a/b")):
        add(raw, "science", START + timedelta(minutes=number), SLMSKNAM=mask)
    result = sort(raw, root)
    assert Counter(row.state for row in result.rows) == {IN_PLACE: 1, NAME_CLASH: 2}
    assert all("has the directory of a-b" in row.note for row in result.misplaced)


def test_text_from_headers_is_escaped_in_the_page(tmp_path, root):
    raw = tmp_path / "raw"
    add(raw, "science", START, TARGNAME="<script>alert(1)</script>")
    result = sort(raw, root)
    page = (root / "reorganised.html").read_text()
    assert "&lt;script&gt;alert(1)" in page and "<script>" not in page + result._repr_html_()
    # The browser applies the style only where its policy knows it
    assert report.content_policy(page.split("<style>")[1].split("</style>")[0]) in html.unescape(
        page
    )
    assert json.loads((root / "reorganised.json").read_text())["figures"]["frames"] == 1
    assert "http" not in page.split("</style>")[1]


def test_text_from_headers_is_no_formula_in_the_table(tmp_path, root):
    raw = tmp_path / "raw"
    add(raw, "science", START, TARGNAME="=HYPERLINK(1)")
    sort(raw, root)
    [row] = csv.DictReader((root / "reorganised.csv").read_text().splitlines())
    assert row["target"] == "'=HYPERLINK(1)"


def test_wrong_arguments_are_rejected_before_any_work(raw, root, tmp_path):
    with pytest.raises(InvalidInputError, match="does not exist"):
        sort(tmp_path / "gone", root)
    with pytest.raises(InvalidInputError, match="contain one another"):
        sort(raw, raw / "data")
    with pytest.raises(InvalidParameterError, match="how: 'steal'"):
        sort(raw, root, how="steal")
    with pytest.raises(InvalidParameterError, match="no profile"):
        sort(raw, root, spectrograph="hubble")
    assert not root.exists()


@pytest.mark.parametrize("how", ["move", "copy"])
def test_killed_in_the_middle_it_goes_on_and_ends_the_same(tmp_path, root, how):
    raw = tmp_path / "raw"
    for number in range(150):
        kind = ("arc", "flat", "science")[number % 3]
        add(raw, kind, START + timedelta(hours=number / 2))
    whole = sort(raw, tmp_path / "whole").to_dict()
    contents = {path.name: path.read_bytes() for path in raw.iterdir()}
    script = "from kpfnb.cli.app import main; main()"
    command = ["prepare", "frames", str(raw), str(root), "-s", "keck_deimos", "--how", how]
    kills = 0
    for wanted in (3, 60):
        process = subprocess.Popen(
            [sys.executable, "-c", script, *command], stdout=subprocess.DEVNULL
        )
        while process.poll() is None and len(list(root.glob("*/*/*/*/raw/*.fits"))) < wanted:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills
    result = sort(raw, root, how=how)
    assert result.outcome is Outcome.SUCCEEDED
    assert result.complete == whole["complete"] == [f"{TOP}/2015-10-16_2015-10-19"]
    placed = list(root.glob("*/*/*/*/raw/*"))
    assert {path.name: path.read_bytes() for path in placed} == contents
    assert len(list(raw.iterdir())) == (0 if how == "move" else 150)


def test_the_real_kast_frames(kast_frames, root):
    result = sort(kast_frames, root, spectrograph="shane_kast_blue", how="symlink")
    assert result.outcome is Outcome.SUCCEEDED
    assert result.complete == ["longslit/600-4310_d55/2015-05-20"]
    assert len(list((root / result.complete[0] / "complete/raw").iterdir())) == 9
