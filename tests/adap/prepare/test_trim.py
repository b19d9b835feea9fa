from datetime import UTC, datetime, timedelta

import pytest

from kpfnb.adap.prepare.trim import find_custom_files, trim_dataset
from kpfnb.adap.profiles import spectrograph
from kpfnb.adap.pypeit import input_files
from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.demo import deimos_frames
from kpfnb.notebook.display import figures

DEIMOS = spectrograph.load_profile("keck_deimos")
NAME = "NGC1eh/1200G_8800_OG550/2011-01-28_2011-01-29"
STEM = NAME.replace("/", "_")
START = datetime(2011, 1, 28, 2, tzinfo=UTC)


@pytest.fixture
def raw(tmp_path):
    """Two arcs of the same lamps, five flats, two science frames (one gzipped), a bias."""
    kinds = ["arc", "arc", *["flat"] * 5, "science", "science", "bias"]
    for number, kind in enumerate(kinds):
        moment = START + timedelta(minutes=number)
        suffix = ".fits.gz" if number == 8 else ".fits"
        angle = 7499.6 if number % 2 else 7500.2
        head = deimos_frames.make_header(kind, moment, G3TLTWAV=angle)
        deimos_frames.write_frame(tmp_path / "raw" / f"{number}{suffix}", head)
    return tmp_path / "raw"


def trim(raw, **options):
    return trim_dataset(raw, raw.parent, DEIMOS, dataset=NAME, **options)


def used(path):
    return {frame.file for frame in input_files.read_pypeit_file(path).frames if frame.used}


def test_the_default_setup(raw):
    result = trim(raw)
    assert result.outcome is Outcome.SUCCEEDED
    (path,) = result.paths
    assert path == raw.parent / "reduce/keck_deimos_A/keck_deimos_A.pypeit"
    plan = input_files.read_pypeit_file(path)
    assert plan.raw_paths == (raw,)
    assert used(path) == {"1.fits", "4.fits", "5.fits", "6.fits", "7.fits", "8.fits.gz"}
    # The other frames are listed, commented out, and the reasons are reported
    assert {f.file for f in plan.frames if not f.used} == {f"{n}.fits" for n in (0, 2, 3, 9)}
    assert result.reasons["9.fits"] == "its type is bias"
    assert "# not used: 0.fits: not among the best arc frames" in path.read_text()
    assert plan.parameters == DEIMOS.parameter_lines


def test_one_setup_though_the_grating_moved_a_little(raw):
    plan = input_files.read_pypeit_file(trim(raw).paths[0])
    assert plan.setup == "A"
    assert plan.configuration["amp"] == "SINGLE:B"
    assert {frame.values["dispangle"] for frame in plan.frames} == {"7499.6", "7500.2"}


def test_run_twice_it_changes_nothing(raw):
    first = trim(raw).paths[0].stat().st_mtime_ns
    again = trim(raw)
    assert "nothing to do" in again.reason
    assert again.paths[0].stat().st_mtime_ns == first


def test_a_dry_run_writes_nothing(raw):
    result = trim(raw, dry_run=True)
    assert "would be written" in result.reason
    assert not result.paths[0].exists()


def test_excluded_files_are_commented_out(raw, tmp_path):
    atomic.write_text(tmp_path / "exclude.txt", "# moved\n7.fits  # shifted\n8.fits\n1.fits\n")
    result = trim(raw, exclude=tmp_path / "exclude.txt")
    assert "0.fits" in used(result.paths[0]) and "1.fits" not in used(result.paths[0])
    assert result.outcome is Outcome.FAILED
    assert "no science or standard frame" in result.reason


def test_a_set_without_arcs_is_reported(raw):
    for number in (0, 1):
        (raw / f"{number}.fits").unlink()
    assert trim(raw).problems == ("keck_deimos_A.pypeit: no arc frame",)


def test_a_frame_without_a_value_that_pypeit_needs_is_commented_out(raw):
    deimos_frames.write_frame(raw / "7.fits", deimos_frames.make_header("science", START, RA=None))
    result = trim(raw)
    assert result.reasons["7.fits"] == "its header has no ra (RA)"
    assert "7.fits" not in used(result.paths[0])


def test_a_cut_off_frame_is_no_frame(raw):
    content = (raw / "7.fits").read_bytes()
    (raw / "7.fits").write_bytes(content[:200])
    result = trim(raw)
    assert result.reasons["7.fits"].startswith("truncated")
    assert result.to_dict()["unreadable"] == {"7.fits": result.reasons["7.fits"]}


def test_text_from_a_header_can_not_break_the_table(raw):
    deimos_frames.write_frame(
        raw / "7.fits", deimos_frames.make_header("science", START, TARGNAME="a|b'c\"#d")
    )
    frames = {f.file: f for f in input_files.read_pypeit_file(trim(raw).paths[0]).frames}
    assert frames["7.fits"].target == "a_b_c__d"


def test_custom_parameters_replace_the_default(raw, tmp_path):
    folder = tmp_path / "custom"
    custom = "[rdx]\n  detnum = 6 # the best\n  spectrograph = keck_deimos\n"
    atomic.write_text(folder / "params" / f"{STEM}_reduce-det6.ini", custom)
    (path,) = trim(raw, custom=folder).paths
    assert path.parent.parent.name == "reduce-det6"
    assert input_files.read_pypeit_file(path).parameters == tuple(custom.splitlines())


def test_custom_parameters_need_not_name_the_spectrograph(raw, tmp_path):
    atomic.write_text(tmp_path / "custom" / f"{STEM}_reduce.ini", "[rdx]\n  detnum = 6\n")
    (path,) = trim(raw, custom=tmp_path / "custom").paths
    messages = input_files.parse_parameters(input_files.read_pypeit_file(path).parameters)
    assert messages == {"rdx": {"spectrograph": "keck_deimos", "detnum": "6"}}


def test_a_mistake_in_custom_parameters_names_the_file(raw, tmp_path):
    atomic.write_text(tmp_path / "custom" / f"{STEM}_reduce.ini", "[rdx\n")
    with pytest.raises(InvalidInputError, match=rf"{STEM}_reduce\.ini: '\[rdx' is not a parameter"):
        trim(raw, custom=tmp_path / "custom")


def test_a_custom_reduction_file_is_used_as_it_is_with_these_raw_files(raw, tmp_path):
    custom = trim(raw).paths[0].read_text().replace(f" path {raw}", " path /elsewhere")
    custom = custom.replace("  6.fits |", " #6.fits |")
    atomic.write_text(tmp_path / "custom" / f"{STEM}_reduce.pypeit", custom)
    result = trim(raw, custom=tmp_path / "custom")
    assert input_files.read_pypeit_file(result.paths[0]).raw_paths == (raw,)
    assert "6.fits" not in used(result.paths[0])
    assert result.outcome is Outcome.SUCCEEDED
    (raw / "7.fits").unlink()
    assert f"7.fits not in {raw}" in trim(raw, custom=tmp_path / "custom").reason


@pytest.mark.parametrize(
    "name",
    [
        "NGC1eh_1200G_8800_OG550_2011-01-28_reduce.ini",
        "NGC1eh_1200G_8800_OG550_2011-01-29_reduce.ini",
        f"x{STEM}_reduce.ini",
        f"{STEM}_coadd.ini",
        f"{STEM}_reduce_old.ini",
        f"{STEM}_reduce.txt",
    ],
)
def test_the_files_of_other_dates_and_masks_are_not_taken(tmp_path, name):
    atomic.write_text(tmp_path / "custom" / name, "[rdx]\n")
    assert find_custom_files(tmp_path / "custom", NAME) == []


def test_a_single_date_does_not_take_the_file_of_joined_nights(tmp_path):
    atomic.write_text(tmp_path / f"{STEM}_reduce.ini", "[rdx]\n")
    assert find_custom_files(tmp_path, NAME.rpartition("_")[0]) == []
    assert [item.reduction for item in find_custom_files(tmp_path, NAME)] == ["reduce"]


def test_custom_files_that_can_not_be_used(raw, tmp_path):
    with pytest.raises(InvalidInputError, match="does not exist"):
        trim(raw, custom=tmp_path / "gone")
    atomic.write_text(tmp_path / "c" / f"{STEM}_reduce.pypeit", "no data")
    with pytest.raises(InvalidInputError, match="no data block"):
        trim(raw, custom=tmp_path / "c")
    atomic.write_text(tmp_path / "c" / f"{STEM}_reduce.ini", "[rdx]")
    with pytest.raises(InvalidInputError, match="same reduction"):
        trim(raw, custom=tmp_path / "c")


def test_it_shows_itself(raw):
    result = trim(raw)
    assert list(result.to_frame().columns)[-1] == "why not"
    assert "&lt;" not in result._repr_html_() and "keck_deimos" in str(result)
    assert figures.plot(result).axes[0].get_xlabel() == "frames"


def test_what_was_reduced_elsewhere_from_the_same_frames_is_done(raw):
    done = trim(raw)
    path = done.paths[0]
    atomic.write_json(raw.parent / "reduce/reduction.json", {"outcome": "succeeded"})
    path.write_text(path.read_text().replace(str(raw), "/another/machine/raw"))
    assert trim(raw).outcome is Outcome.SUCCEEDED
    assert "/another/machine/raw" in path.read_text()


def test_the_file_of_a_finished_reduction_is_left_as_it_is(raw):
    (path,) = trim(raw).paths
    atomic.write_json(raw.parent / "reduce/reduction.json", {"outcome": "succeeded"})
    before = path.read_bytes()
    assert trim(raw).outcome is Outcome.SUCCEEDED
    result = trim(raw, exclude=["8.fits"])
    assert "already reduced" in result.reason and result.outcome is Outcome.FAILED
    assert path.read_bytes() == before
