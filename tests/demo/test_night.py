from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.result import Result
from kpfnb.demo.detector import RAW_SCALE, AmplifierMargins, assemble_ccd, read_out_ccd
from kpfnb.demo.instrument import CAMERAS, FULL_SIDE, GREEN
from kpfnb.demo.night import simulate_headers, simulate_night
from kpfnb.demo.plan import USUAL_COUNTS
from kpfnb.kpf.files.keywords import is_known
from kpfnb.kpf.files.obsid import ObsID
from kpfnb.notebook.display import figures
from tests.demo.conftest import of_kind
from tests.nights import small_night

ONE = dict.fromkeys(("dark", "flat", "lfc", "etalon", "thar", "star", "sun"), 0) | {"bias": 1}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the raw files of a small night. Not to be changed."""
    root = tmp_path_factory.mktemp("raw")
    small_night(root)
    return root


def test_a_star_holds_what_kpf_writes(raw: Path) -> None:
    with fits.open(of_kind(raw, "star")[0]) as hdus:
        assert {hdu.name for hdu in hdus} == {
            "PRIMARY", "GREEN_AMP1", "GREEN_AMP2", "RED_AMP1", "RED_AMP2", "CA_HK", "GUIDER_AVG",
            "EXPMETER_SCI", "EXPMETER_SKY", "TELEMETRY", "GUIDER_CUBE_ORIGINS",
        }  # fmt: skip
        assert hdus["GREEN_AMP1"].data.dtype == np.dtype(">f4")
        assert hdus["GREEN_AMP1"].data.shape == (822, 422)
        assert hdus["EXPMETER_SCI"].columns.names[:5] == [
            "Date-Beg", "Date-End", "Date-Beg-Corr", "Date-End-Corr", "847.0000"
        ]  # fmt: skip
        assert hdus["CA_HK"].data.dtype == np.uint16
        assert hdus["RED_AMP2"].header["CCDGAIN"] == CAMERAS[1].gain
        assert np.median(hdus["GREEN_AMP1"].data) > 200 * RAW_SCALE


def test_the_header_is_like_a_real_one_and_says_that_it_is_simulated(raw: Path) -> None:
    header = fits.getheader(of_kind(raw, "star")[0])
    assert 330 <= len(header) <= 400
    assert header["SIMULATE"] is True
    assert "SIMULATED" in header.comments["SIMULATE"]
    assert (header["IMTYPE"], header["GREEN"], header["CA_HK"]) == ("Object", "YES", "YES")
    assert header["DATE-BEG"] < header["DATE-MID"] < header["DATE-END"]


@pytest.mark.parametrize(
    ("kind", "imtype", "name"),
    [
        ("bias", "Bias", "autocal-bias"),
        ("dark", "Dark", "autocal-dark"),
        ("flat", "Flatlamp", "autocal-flat-all"),
        ("lfc", "Arclamp", "autocal-lfc-all-eve"),
        ("etalon", "Arclamp", "autocal-etalon-all-eve"),
        ("thar", "Arclamp", "autocal-thar-all-eve"),
        ("sun", "Object", "SoCal"),
    ],
)
def test_each_kind_has_its_cards(raw: Path, kind: str, imtype: str, name: str) -> None:
    header = fits.getheader(of_kind(raw, kind)[0])
    assert (header["IMTYPE"], header["OBJECT"]) == (imtype, name)


def test_the_sun_is_read_fast_by_four_amplifiers(raw: Path) -> None:
    with fits.open(of_kind(raw, "sun")[0]) as hdus:
        assert hdus["GREEN_AMP4"].data.shape == (414, 422)
        assert len(hdus["SOLAR_IRRADIANCE"].data) >= 2
        assert "CA_HK" not in hdus
        assert hdus[0].header["CA_HK"] == "NO"


def test_telemetry_is_text_and_a_missing_reading_is_minus_nan(raw: Path) -> None:
    table = fits.getdata(of_kind(raw, "bias")[0], "TELEMETRY")
    assert list(table.columns.names) == [
        "keyword", "average", "stddev", "min", "max", "units", "description"
    ]  # fmt: skip
    assert all(column.format.endswith("A") for column in table.columns)
    assert "-nan" in table["average"]


def test_a_file_is_as_old_as_its_exposure(tmp_path: Path) -> None:
    night = simulate_night(tmp_path, counts=ONE)
    exposure = night.exposures[0]
    written = ObsID(exposure.obsid).path(tmp_path, "L0").stat().st_mtime
    assert written == (exposure.end + timedelta(minutes=1)).timestamp()


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    counts = ONE | {"star": 1}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulate_night(tmp_path / name, counts=counts, seed=seed)
    for path in (tmp_path / "a/L0/20240115").iterdir():
        others = [tmp_path / name / "L0/20240115" / path.name for name in ("b", "c")]
        assert path.read_bytes() == others[0].read_bytes()
        assert path.read_bytes() != others[1].read_bytes()


def test_existing_files_are_unchanged_and_a_missing_one_is_created(tmp_path: Path) -> None:
    counts = ONE | {"bias": 2}
    first = simulate_night(tmp_path, counts=counts)
    kept, lost = (ObsID(e.obsid).path(tmp_path, "L0") for e in first.exposures)
    before, bytes_lost = kept.stat(), lost.read_bytes()
    assert "already exists" in simulate_night(tmp_path, counts=counts).reason
    lost.unlink()
    second = simulate_night(tmp_path, counts=counts)
    assert second.created == {lost.stem}
    assert lost.read_bytes() == bytes_lost
    assert kept.stat().st_ino == before.st_ino


def test_it_never_mixes_with_observations(tmp_path: Path) -> None:
    real = tmp_path / "L0/20240115/KP.20240115.00001.00.fits"
    real.parent.mkdir(parents=True)
    fits.PrimaryHDU().writeto(real)
    with pytest.raises(InvalidInputError, match="not simulated"):
        simulate_night(tmp_path, counts=ONE)
    assert list(real.parent.iterdir()) == [real]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seed": 7}, "another seed"),
        ({"fast": True}, "another read mode"),
        ({"drp_version": "2.12"}, "another DRP version"),
        ({"seed": 7, "fast": True}, "another seed, read mode"),
    ],
)
def test_a_night_is_not_completed_with_other_options(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    simulate_night(tmp_path, counts=ONE)
    with pytest.raises(InvalidInputError, match=said):
        simulate_night(tmp_path, counts=ONE, **options)


def test_a_night_of_an_earlier_simulation_is_refused(tmp_path: Path) -> None:
    night = simulate_night(tmp_path, counts=ONE)
    path = ObsID(night.exposures[0].obsid).path(tmp_path, "L0")
    fits.delval(path, "SIMFAST")
    with pytest.raises(InvalidInputError, match="earlier kpfnb"):
        simulate_night(tmp_path, counts=ONE)


@pytest.mark.parametrize("night", ["2024011", "20240230", "", "tonight"])
def test_an_impossible_night_is_refused_before_any_work(tmp_path: Path, night: str) -> None:
    with pytest.raises(InvalidParameterError, match="night"):
        simulate_night(tmp_path / "root", night)
    assert not (tmp_path / "root").exists()


def test_the_junk_observation_is_listed_and_other_lines_stay(tmp_path: Path) -> None:
    path = tmp_path / "reference/Junk_Observations_for_KPF.csv"
    path.parent.mkdir()
    path.write_text("observation_id,comment\nobservation_id,comment\nKP.20230101.00001.00,clouds\n")
    night = simulate_night(tmp_path, counts=ONE | {"bias": 0, "star": 1})
    junk = next(e.obsid for e in night.exposures if e.is_junk)
    lines = path.read_text().splitlines()
    assert [line.partition(",")[0] for line in lines[2:]] == ["KP.20230101.00001.00", junk]


def test_the_result_has_text_html_and_plot(tmp_path: Path) -> None:
    night = simulate_night(tmp_path, counts=ONE)
    assert isinstance(night, Result)
    assert night.key_figures() == {"observations": 1, "new": 1}
    assert "<table" in night._repr_html_()
    assert figures.plot(night).axes[0].get_xlabel()


def test_full_size_amplifiers_are_those_of_kpf() -> None:
    dark = np.zeros((FULL_SIDE, FULL_SIDE), np.float32)
    amplifiers = read_out_ccd(GREEN, dark, np.random.default_rng(1), fast=False)
    assert [amplifier.shape for amplifier in amplifiers] == [(4110, 2094)] * 2
    assert AmplifierMargins.for_side(FULL_SIDE).width == 54


@pytest.mark.parametrize("fast", [False, True])
def test_assembly_undoes_the_readout(fast: bool) -> None:
    light = np.random.default_rng(3).uniform(0, 1e6, (816, 816)).astype(np.float32)
    for camera in CAMERAS:
        amplifiers = read_out_ccd(camera, light, np.random.default_rng(1), fast=fast)
        image, noises = assemble_ccd(camera, amplifiers)
        off = (image * camera.gain - light) / np.sqrt(light + 1e3)
        assert np.abs(np.median(off)) < 0.2
        assert np.std(off) < 1.5
        assert np.allclose(np.array(noises) * camera.gain, camera.read_noise, rtol=0.15)


def test_amplifiers_lie_in_the_file_as_in_real_ones() -> None:
    """As the pipeline's static orientation files and its quick look of L0 files stitch them."""
    side = 816
    slope = np.arange(side, dtype=np.float32) * np.float32(500)
    image = np.tile(slope, (side, 1)) + 1000 * slope[:, None] / slope.max()
    for camera in CAMERAS:
        two = read_out_ccd(camera, image, np.random.default_rng(1), fast=False)
        overscan = [np.median(two[0][:, -8:]), np.median(two[1][:, :8])]
        assert np.max(overscan) / RAW_SCALE < 1300
        stitched = np.concatenate(two, axis=1) / RAW_SCALE
        assert np.median(stitched[400, 4:100]) < np.median(stitched[400, -100:-4])
        rising = np.median(stitched[700, :]) > np.median(stitched[100, :])
        assert rising == (camera.name == "RED")
        four = read_out_ccd(camera, image, np.random.default_rng(1), fast=True)
        top = np.concatenate(four[2:], axis=1) / RAW_SCALE
        assert np.median(top[:5, 100:300]) < 1300 < np.median(top[10, 100:300])


def test_the_keywords_of_an_l0_are_those_of_real_files(raw: Path) -> None:
    for kind in ("bias", "flat", "star", "sun"):
        header = fits.getheader(of_kind(raw, kind)[0])
        names = {name for name in header if name and not name.startswith("SIM")}
        assert {name for name in names if not is_known(name)} == set()


def test_blocks_of_the_header_are_in_the_order_of_real_ones(raw: Path) -> None:
    header = fits.getheader(of_kind(raw, "star")[0])
    lines = [str(card).rstrip() for card in header.cards]
    order = [
        "FAVER", "COMMENT keyheader section [ExposureBegin]", "DATE-OBS", "PSOLT",
        "COMMENT keyheader section [heartbeats]", "COMMENT keyheader section [ExposureMiddle]",
        "SRCSHTTR", "TIMEERR", "COMMENT keyheader section [ExposureEnd]", "DATE-END", "OFNAME",
        "GRCAMD_V", "RDELAPS",
    ]  # fmt: skip
    places = [next(i for i, line in enumerate(lines) if line.startswith(name)) for name in order]
    assert places == sorted(places)
    assert header.count("OCTAGON") == 2


def test_times_of_lamps_are_text_in_hawaii_time(raw: Path) -> None:
    header = fits.getheader(of_kind(raw, "star")[0])
    assert header["THDAYON"].endswith(" HST")
    assert header["UAUON"] == "19691231T14:00:00 HST"
    assert header["KPFERA"] == 1.0


def test_in_the_fast_mode_four_amplifiers_read_every_exposure(tmp_path: Path) -> None:
    night = simulate_night(tmp_path, counts=ONE, fast=True)
    with fits.open(ObsID(night.exposures[0].obsid).path(tmp_path, "L0")) as hdus:
        assert {f"{camera}_AMP{n}" for camera in ("GREEN", "RED") for n in range(1, 5)} <= {
            hdu.name for hdu in hdus
        }
        assert hdus[0].header["GRACFFLN"] == "fast-read-green.acf"


@pytest.mark.parametrize("version", ["2.7", "3.0", "newest"])
def test_versions_that_are_not_simulated_are_refused(tmp_path: Path, version: str) -> None:
    with pytest.raises(InvalidParameterError, match="DRP version"):
        simulate_night(tmp_path, counts=ONE, drp_version=version)


def test_a_version_for_the_stand_in_is_in_the_header(tmp_path: Path) -> None:
    night = simulate_night(tmp_path, counts=ONE, drp_version="2.12")
    path = ObsID(night.exposures[0].obsid).path(tmp_path, "L0")
    assert fits.getval(path, "SIMDRP") == "v2.12.0"


def test_a_night_of_470_stars_has_only_headers(tmp_path: Path) -> None:
    night = simulate_headers(tmp_path, "20240116", {"star": 470})
    assert [e.kind.name for e in night.exposures].count("star") == 470
    assert len(night.created) == len(night.exposures) == len(list(tmp_path.rglob("L0/*/*.fits")))
    assert all(ObsID(e.obsid).night == "20240116" for e in night.exposures)
    assert not simulate_headers(tmp_path, "20240116", {"star": 470}).created


def test_headers_are_not_mixed_with_another_night(tmp_path: Path) -> None:
    few = dict.fromkeys(USUAL_COUNTS, 0)
    simulate_headers(tmp_path, "20240116", few | {"star": 3})
    with pytest.raises(InvalidInputError, match="another simulation"):
        simulate_headers(tmp_path, "20240116", few | {"star": 4})
    simulate_night(tmp_path, counts=ONE)
    with pytest.raises(InvalidInputError, match="more than headers"):
        simulate_headers(tmp_path, "20240115", few | {"star": 1})
