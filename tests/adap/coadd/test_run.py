"""What kpfnb does around PypeIt's calibrating and coadding, with fake commands."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from astropy.io import fits

from kpfnb.adap.coadd import products
from kpfnb.adap.coadd.products import NO_STANDARD, CoaddKind
from kpfnb.adap.coadd.result import CoaddResult
from kpfnb.adap.coadd.run import RECORD_FILE, CombinedCoaddResult, coadd_folder, coadd_item
from kpfnb.adap.coadd.task import CoaddConfig
from kpfnb.adap.pypeit import command
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.result import Outcome, Result
from kpfnb.demo import coadd_inputs
from kpfnb.demo.coadd_inputs import SimulatedReducedFrame
from kpfnb.notebook.display import figures
from tests.adap import fake_coadd
from tests.waiting import wait_for

NIGHT = "longslit/600_4310_d55/2015-05-20"
CONFIG = "simulated_coadd/1200G_8800_OG550"
KAST = "shane_kast_blue"
STAR = SimulatedReducedFrame(
    "b24.fits.gz", "Feige 66", "standard", "2015-05-20T04:12:00.000", {"DET01": (74,)}
)


def middle(axes: Any) -> SimpleNamespace:
    """The mouse in the middle of a panel."""
    return SimpleNamespace(xdata=sum(axes.get_xlim()) / 2, ydata=sum(axes.get_ylim()) / 2)


def kast(file: str, target: str = "A", hour: int = 5, **more: object) -> SimulatedReducedFrame:
    moment = f"2015-05-20T{hour:02d}:00:00.000"
    return SimulatedReducedFrame(file, target, "science", moment, {"DET01": (74,)}, **more)


SCIENCE = (kast("b27.fits.gz"), kast("b28.fits.gz", hour=6))


@pytest.fixture(autouse=True)
def commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """PypeIt's commands as functions of this process: quick."""
    monkeypatch.setattr(command, "run_command", fake_coadd.run)
    monkeypatch.delenv("KPFNB_KAST_PACK", raising=False)


@pytest.fixture
def programs(fake_pypeit: None, tmp_path: Path) -> None:
    """PypeIt's commands as programs, for other processes."""
    fake_coadd.install_commands(tmp_path / "bin")


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """A night of Kast: two exposures of A, one of B, and a standard star."""
    folder = tmp_path / NIGHT
    coadd_inputs.write_setup(
        folder / "complete/reduce", [STAR, *SCIENCE, kast("b29.fits.gz", "B")], KAST
    )
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Two nights of a DEIMOS mask; MSC02 has one slit, and it is bad in one exposure."""
    coadd_inputs.simulate_coadd_inputs(tmp_path)
    return tmp_path / CONFIG


def run(
    root: Path,
    kind: str,
    behaviour: str = "",
    *,
    output: str | Path = "",
    dry_run: bool = False,
    **options: Any,
) -> CoaddResult:
    config = CoaddConfig(**options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAKE_COADD", behaviour)
        return coadd_folder(root, output, CoaddKind(kind), config, dry_run=dry_run, progress=False)


def test_spectra_are_calibrated_with_the_standard_star_and_collated(night: Path) -> None:
    before = {path: path.read_bytes() for path in night.rglob("*.fits")}
    result = run(night, "1d")
    assert isinstance(result, Result)
    assert (result.outcome, result.output) == (Outcome.SUCCEEDED, night / "complete/1D_Coadd")
    assert result.reason == "1 of 1 objects coadded"
    (coadd,) = result.coadds
    assert coadd.frames == ("2015-05-20/b27.fits.gz", "2015-05-20/b28.fits.gz")
    assert (coadd.fluxed, coadd.snr, coadd.target) == (True, pytest.approx(20.0), "A")
    assert products.read_spectrum(result.output / coadd.products[0]).flux.shape == (49,)
    assert {frame.flux for frame in result.science} == {"b24.fits.gz"}
    assert [step.name.partition(" ")[0] for step in result.steps] == [
        *("pypeit_sensfunc", "pypeit_flux_calib"),
        *("pypeit_collate_1d", "pypeit_collate_1d"),
    ]
    assert result.singles[0].startswith("SPAT0075-SLIT0074-DET01 in spec1d_b29-B")
    assert not [path for path in result.output.rglob("*") if path.is_symlink()]
    assert {path: path.read_bytes() for path in before} == before


def test_images_of_a_target_are_stacked(night: Path) -> None:
    result = run(night, "2d")
    assert (result.outcome, result.reason) == (Outcome.SUCCEEDED, "1 of 1 targets coadded")
    (coadd,) = result.coadds
    assert coadd.products == (
        "Science_coadd/spec2d_b27-b28-A.fits",
        "Science_coadd/spec1d_b27-b28-A.fits",
    )
    assert (coadd.snr, result.singles) == (12.0, ("B",))
    text = (result.output / f"{KAST}_A.coadd2d").read_text()
    assert "spat_toler" in text and "offsets = auto" in text
    assert not (result.output / "setup").exists()


def test_a_configuration_of_masks(config: Path) -> None:
    """Coordinates match, PypeIt's archive calibrates; bad slits and their detector are left out."""
    both = coadd_item(CONFIG, config.parents[1], CoaddConfig(), progress=False)
    assert isinstance(both, Result)
    assert both.outcome is Outcome.SUCCEEDED, both.reason
    spectra, images = both.parts
    assert spectra.output == config / "1D_Coadd"
    assert {frame.flux for frame in spectra.science} == {"PypeIt's archive"}
    assert [len(coadd.frames) for coadd in spectra.coadds] == [4, 4, 2]
    (result,) = images.coadds
    assert (result.excluded, result.skipped, len(result.frames)) == (("MSC02:80",), ("MSC02",), 4)
    text = (config / "2D_Coadd/keck_deimos_simulated.coadd2d").read_text()
    assert "exclude_slits = MSC02:80" in text and 'detnum = "1,5"' in text
    assert len(re.findall(r"^ path ", text, re.MULTILINE)) == 2
    assert list(both.to_frame()["of"]) == ["1D", "1D", "1D", "2D"]
    assert len(both.frames()) == 8
    shown = figures.hover_plot(both)
    assert len(shown.figure.axes) >= 4
    texts = [tooltip(middle(axes)) for axes, tooltip in shown.tooltips.items()]
    assert any("Å: " in text for text in texts)
    assert any("spatial pixel" in text for text in texts)
    assert json.loads(json.dumps(both.to_dict()))["1d"]["outcome"] == "succeeded"


def test_an_object_in_a_bad_slit_is_not_in_the_copy(config: Path) -> None:
    result = run(config, "1d")
    without = next(result.output.glob("spec1d/spec1d_DE.20151016.00000*"))
    with fits.open(without) as hdus:
        assert [hdu.name[-5:] for hdu in hdus[1:]] == ["MSC01", "MSC01"]
        assert (hdus[0].header["NSPEC"], hdus[0].header["EXT0001"][-5:]) == (2, "MSC01")
        assert "EXT0002" not in hdus[0].header


def test_the_record_gives_the_same_result(night: Path) -> None:
    for kind in CoaddKind:
        result = run(night, kind)
        record = json.loads((result.output / RECORD_FILE).read_text())
        assert record == result.to_dict()
        assert CoaddResult.from_dict(record, result.output) == result


def test_a_second_run_has_nothing_to_do(night: Path) -> None:
    for kind in CoaddKind:
        first = run(night, kind)
        again = run(night, kind, "no sens, 2d crash")
        assert again.reason.startswith("nothing to do: 1 of 1")
        assert again.coadds == first.coadds


@pytest.mark.parametrize(
    "change", ["spectrum", "parameters", "product", "cut product", "bad slit", "force"]
)
def test_it_is_done_again_when_something_changed(night: Path, change: str) -> None:
    first = run(night, "2d")
    if change == "spectrum":
        path = next(night.glob("complete/reduce/*/Science/spec1d_b27*"))
        fits.setval(path, "TEST", value=1)
    if change == "product":
        (first.output / first.coadds[0].products[0]).write_bytes(b"")
    if change == "cut product":
        path = first.output / first.coadds[0].products[1]
        with fits.open(path) as hdus:
            fits.HDUList(hdus[:2]).writeto(path, overwrite=True)
    if change == "bad slit":
        name = next(night.rglob("spec2d_b29*")).name
        (night / "complete/reduce/bad_slits.csv").write_text(f"slit_id,spec2d\nDET01:9,{name}\n")
    config = "[coadd2d]\nweights = uniform" if change == "parameters" else ""
    again = run(night, "2d", parameters=config, force=change == "force")
    assert (again.outcome, again.note) == (Outcome.SUCCEEDED, "")
    assert sorted(path.name for path in (night / "complete").iterdir()) == ["2D_Coadd", "reduce"]
    if change == "parameters":
        assert "weights = uniform" in (again.output / f"{KAST}_A.coadd2d").read_text()


@pytest.mark.parametrize(
    ("kind", "behaviour", "outcome", "reason"),
    [
        ("1d", "no sens", Outcome.PARTIAL, "no sensitivity function of .* the star is too faint"),
        ("1d", "flux fails at b28", Outcome.PARTIAL, "b28.fits.gz: no calibrated flux"),
        ("1d", "collate crash", Outcome.FAILED, "nothing .*pypeit_collate_1d A: no coordinates"),
        ("1d", "coadd fails", Outcome.FAILED, "0 of 1 objects .*: ValueError: <all> masked"),
        ("1d", "coadd lost", Outcome.FAILED, "PypeIt wrote no coadd of it"),
        ("2d", "setup crash", Outcome.FAILED, "0 of 1 .* pypeit_setup_coadd2d A: No spec2d files"),
        ("2d", "2d crash", Outcome.FAILED, "A: Not all of your files have the same number"),
        ("2d", "2d no object", Outcome.FAILED, "no spec1d: PypeIt found no object"),
        ("2d", "detector lost", Outcome.FAILED, "DET01 not in its spec2d"),
        ("1d", "coadd empty", Outcome.FAILED, "the coadd is without a spectrum"),
        ("2d", "2d cut", Outcome.FAILED, "its spec2d is cut off: it has no DET01-DETECTOR"),
        ("2d", "2d all masked", Outcome.FAILED, "no good pixel in DET01 of its spec2d"),
        ("2d", "2d no number", Outcome.FAILED, "no good pixel in DET01 of its spec2d"),
        ("2d", "2d objects cut", Outcome.FAILED, "spec1d is cut off: it has 1 of 2 objects"),
        ("2d", "2d object masked", Outcome.FAILED, "its spec1d has no object with a good pixel"),
    ],
)
def test_a_failure_is_reported(
    night: Path, kind: str, behaviour: str, outcome: Outcome, reason: str
) -> None:
    result = run(night, kind, behaviour)
    assert result.outcome is outcome, result.reason
    assert re.search(reason, result.reason), result.reason
    assert "<all>" not in result._repr_html_()
    assert str(result).startswith(f"{outcome}: ")
    assert not result.is_complete
    assert run(night, kind).outcome is Outcome.SUCCEEDED


def test_a_spectrum_that_can_not_be_calibrated_does_not_affect_the_others(night: Path) -> None:
    result = run(night, "1d", "flux fails at b28")
    flux = {frame.file[-11:]: frame.flux for frame in result.science}
    assert flux == dict.fromkeys(["b24.fits.gz", "b27.fits.gz", "b29.fits.gz"], "b24.fits.gz") | {
        "b28.fits.gz": ""
    }


def test_without_a_standard_star_counts_are_coadded_once(tmp_path: Path) -> None:
    folder = tmp_path / NIGHT
    coadd_inputs.write_setup(folder / "complete/reduce", SCIENCE, KAST)
    result = run(folder, "1d")
    assert (result.outcome, len(result.coadds)) == (Outcome.PARTIAL, 1)
    assert NO_STANDARD in result.reason
    assert run(folder, "1d", "collate crash").note.startswith("nothing to do")


def test_the_next_standard_star_is_taken_where_the_nearest_gives_nothing(tmp_path: Path) -> None:
    folder = tmp_path / NIGHT
    other = SimulatedReducedFrame(
        "b20.fits", "BD+33", "standard", "2015-05-20T02:00:00.000", {"DET01": (74,)}
    )
    coadd_inputs.write_setup(folder / "complete/reduce", [STAR, other, *SCIENCE], KAST)
    result = run(folder, "1d", "no sens of b24")
    assert result.outcome is Outcome.PARTIAL
    assert {frame.flux for frame in result.science} == {"b20.fits"}
    assert len(result.problems) == 1


def test_flux_none_coadds_counts(night: Path) -> None:
    result = run(night, "1d", flux="none")
    assert (result.outcome, result.coadds[0].fluxed) == (Outcome.SUCCEEDED, False)
    assert [step.name for step in result.steps] == ["pypeit_collate_1d A", "pypeit_collate_1d B"]


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [("no archive", Outcome.FAILED), ("no archive of 00001", Outcome.PARTIAL)],
)
def test_what_the_archive_can_not_calibrate_is_named(
    config: Path, behaviour: str, outcome: Outcome
) -> None:
    result = run(config, "1d", behaviour)
    assert result.outcome is outcome
    assert "There are no archived SensFuncFiles for grating X" in result.reason


def test_one_of_two_targets(tmp_path: Path) -> None:
    folder = tmp_path / NIGHT
    frames = [*SCIENCE, kast("c1.fits", "B"), kast("c2.fits", "B", 7)]
    coadd_inputs.write_setup(folder / "complete/reduce", frames, KAST)
    result = run(folder, "2d", "2d crash at B")
    assert result.outcome is Outcome.PARTIAL
    assert [frame.reason[:7] for frame in result.science] == ["", "Not all", "", "Not all"]


def test_a_good_result_is_not_lost_to_a_worse_one(night: Path) -> None:
    for kind, behaviour in (("1d", "coadd fails"), ("1d", "no sens"), ("2d", "2d crash")):
        good = run(night, kind)
        worse = run(night, kind, behaviour, force=True)
        assert worse.output == good.output.with_name(f"{good.output.name}.failed")
        assert "the earlier coadds are kept" in worse.problems[-1]
        assert run(night, kind, behaviour).coadds == good.coadds


def test_a_frame_that_is_not_reduced_is_named(night: Path) -> None:
    next(night.rglob("spec1d_b28*")).unlink()
    result = run(night, "2d")
    assert result.outcome is Outcome.PARTIAL
    assert result.reason.startswith(
        "nothing to coadd: 2 targets with a single exposure: 2015-05-20/"
    )
    assert "b28.fits.gz: not reduced: no spec1d" in result.reason
    assert run(night, "2d", "2d crash").note.startswith("nothing to do")


def test_nothing_to_coadd_is_skipped_with_the_reason_first(tmp_path: Path) -> None:
    folder = tmp_path / NIGHT
    frames = [kast("a.fits", "A"), kast("b.fits", "B", 6)]
    coadd_inputs.write_setup(folder / "complete/reduce", frames, KAST)
    reason = "nothing to coadd: 2 targets with a single exposure"
    for options in ({"dry_run": True}, {}, {}):
        result = run(folder, "2d", **options)
        assert (result.outcome, result.reason) == (Outcome.SKIPPED, reason)
    both = coadd_item(NIGHT, tmp_path, CoaddConfig(), kinds=["2d"], progress=False)
    assert (both.outcome, both.reason) == (Outcome.SKIPPED, f"2D: {reason}")


def test_one_kind_with_nothing_to_coadd_is_no_fault_of_the_other(night: Path) -> None:
    spectra = run(night, "1d")
    nothing = CoaddResult(night, CoaddKind.IMAGES, {}, singles=("A",))
    assert nothing.outcome is Outcome.SKIPPED
    assert CombinedCoaddResult((spectra, nothing)).outcome is spectra.outcome


def test_names_with_dashes_and_targets_in_one_another(tmp_path: Path) -> None:
    folder = tmp_path / NIGHT
    frames = [kast("n-1.fits", "J12"), kast("n-2.fits", "J12", 6)]
    frames += [kast("n-3.fits", "J1217"), kast("n-4.fits", "J1217", 6)]
    coadd_inputs.write_setup(folder / "complete/reduce", frames, KAST)
    result = run(folder, "2d")
    assert result.outcome is Outcome.SUCCEEDED, result.reason
    for name in ("J12", "J1217"):
        text = (result.output / f"{KAST}_{name}.coadd2d").read_text()
        assert len(re.findall(rf"^spec2d_n-\d-{name}_KASTb", text, re.MULTILINE)) == 2
        assert len(re.findall(r"^spec2d_", text, re.MULTILINE)) == 2


def test_no_detector_with_a_good_slit(tmp_path: Path) -> None:
    folder = tmp_path / NIGHT
    frames = [kast("a.fits", flags={"DET01:74": "BADWVCALIB"}), kast("b.fits", hour=6)]
    coadd_inputs.write_setup(folder / "complete/reduce", frames, KAST)
    result = run(folder, "2d")
    assert (result.outcome, result.steps) == (Outcome.FAILED, ())
    assert "no detector has a good slit" in result.reason


def test_dry_run_changes_nothing(config: Path) -> None:
    before = sorted(config.rglob("*"))
    result = run(config, "2d", dry_run=True)
    assert result.outcome is Outcome.SUCCEEDED
    assert "would coadd images, targets: 1, exposures: 4" in result.reason
    assert list(result.to_frame()["status"]) == ["planned"]
    assert len(figures.plot(result).axes) == 2  # the detector with good slits, and its scale
    assert sorted(config.rglob("*")) == before


CUSTOM_2D = """[coadd2d]
  weights = uniform
  exclude_slits = MSC01:40
[rdx]
  redux_path = /somewhere/else
  detnum = "1,5", "2,6"
spec2d read
 path /somewhere/else
 filename
 spec2d_DE.20151016.00000*
 spec2d_DE.20151018.00001*
spec2d end
"""


def test_a_file_of_exactly_the_name_is_taken(config: Path, tmp_path: Path) -> None:
    custom = tmp_path / "custom"
    custom.mkdir()
    (custom / "simulated_coadd_1200G_8800_OG550.coadd2d").write_text(CUSTOM_2D)
    (custom / "simulated_coadd_1200G_8800_OG550_2015-10-16.coadd2d").write_text(
        "[coadd2d]\nweights = auto\n"
    )
    result = run(config, "2d", custom=custom)
    assert [len(coadd.frames) for coadd in result.coadds] == [2]
    text = (result.output / "keck_deimos_simulated.coadd2d").read_text()
    assert "weights = uniform" in text and f"redux_path = {result.output}" in text
    assert "exclude_slits = MSC01:40, MSC02:80" in text
    assert 'detnum = "1,5"\n' in text
    one_night = run(config / "2015-10-16", "2d", custom=custom)
    assert one_night.output == config / "2015-10-16/complete/2D_Coadd"
    assert "weights = auto" in (one_night.output / "keck_deimos_simulated.coadd2d").read_text()


def test_parameters_of_the_user_are_over_those_of_the_profile(night: Path, tmp_path: Path) -> None:
    (tmp_path / "own.cfg").write_text("[collate1d]\n  tolerance = 9  # pixels\n")
    result = run(night, "1d", parameters=str(tmp_path / "own.cfg"))
    text = (result.output / "A/A.collate1d").read_text()
    assert "tolerance = 9\n" in text and "match_using = pixel" in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"parameters": "[collate1d]\nflux = True"}, "flux = True, but PypeIt's archive has no"),
        ({"flux": "archive"}, "archive has no sensitivity function of this spectrograph"),
        ({"parameters": "nope.cfg"}, "config: can't read"),
        ({"parameters": "[a]\nno value"}, "'no value' is not a parameter"),
        ({"custom": "nope"}, "custom: .* is not a folder"),
    ],
)
def test_a_mistake_is_one_clear_error(night: Path, options: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        run(night, "1d", **options)
    assert not (night / "complete/1D_Coadd").exists()


def test_more_mistakes(config: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="detnum: simulated has no detector 9"):
        run(config, "2d", parameters="[rdx]\ndetnum = 9")
    with pytest.raises(InvalidInputError, match="spat_toler = 'x' is not a number"):
        run(config, "2d", parameters="[coadd2d]\nspat_toler = x")
    (tmp_path / "simulated_coadd_1200G_8800_OG550.coadd2d").write_text(
        "spec2d read\nfilename\nspec2d_other.fits\nspec2d end\n"
    )
    with pytest.raises(InvalidInputError, match=r"lists spec2d_other\.fits, which does not exist"):
        run(config, "2d", custom=tmp_path)
    with pytest.raises(InvalidParameterError, match="nothing is to be coadded"):
        coadd_item(CONFIG, config.parents[1], CoaddConfig(), kinds=())
    (config / "2015-10-16/complete/reduce/bad_slits.csv").write_text("slit,file\na,b\n")
    with pytest.raises(InvalidInputError, match="is not a slit"):
        run(config, "2d")
    assert not list(config.glob("?D_Coadd*"))


def test_another_thing_in_the_output_is_not_touched(night: Path, tmp_path: Path) -> None:
    thesis = tmp_path / "home/1D_Coadd/thesis.tex"
    thesis.parent.mkdir(parents=True)
    thesis.write_text("years of work")
    with pytest.raises(InvalidInputError, match="holds something"):
        run(night, "1d", output=tmp_path / "home", force=True)
    assert thesis.read_text() == "years of work"


DRIVER = """
import sys
from kpfnb.adap.coadd.products import CoaddKind
from kpfnb.adap.coadd.run import RECORD_FILE, coadd_folder
from kpfnb.adap.coadd.task import CoaddConfig
coadd_folder(sys.argv[1], "", CoaddKind.SPECTRA, CoaddConfig(force=True))
"""


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_leaves_no_process_and_loses_nothing(
    night: Path, tmp_path: Path, number: signal.Signals
) -> None:
    good = run(night, "1d")
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(night)],
        env={**os.environ, "FAKE_COADD": "silent"},
        stderr=subprocess.DEVNULL,
    ) as driver:
        wait_for(lambda: processes(tmp_path))
        assert good.output.with_name("1D_Coadd.previous").is_dir()
        driver.send_signal(number)
        driver.wait()
    wait_for(lambda: not processes(tmp_path))
    again = run(night, "1d", "collate crash")
    assert again.reason.startswith("nothing to do: 1 of 1")
    assert sorted(path.name for path in (night / "complete").iterdir()) == ["1D_Coadd", "reduce"]


def processes(folder: Path) -> list[psutil.Process]:
    result = []
    for process in psutil.process_iter():
        try:
            if str(folder / "bin/pypeit_flux_calib") in process.cmdline():
                result.append(process)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return result
