from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from astropy.io import fits
from PIL import Image

from kpfnb.core.errors import InvalidSettingsError
from kpfnb.core.result import Outcome, Result
from kpfnb.kpf import quicklook
from kpfnb.kpf.quicklook import plot_registry, record
from kpfnb.kpf.quicklook.file_products import summarise_exposure
from kpfnb.kpf.quicklook.gallery import QuicklookGallery
from kpfnb.kpf.quicklook.instrument_plots import fits_content
from kpfnb.kpf.quicklook.products import QuicklookOptions
from kpfnb.kpf.quicklook.result import QuicklookOutcome, QuicklookResult
from kpfnb.notebook.display import figures
from tests.kpf.quicklook.conftest import BIAS, STAR
from tests.mounts import read_only

Take = Callable[..., Path]
NIGHT = "20240115"


def make_options(root: Path, *, force: bool = False) -> QuicklookOptions:
    return QuicklookOptions(root=root, workers=1, force=force, progress=False)


def process_night(root: Path, *, force: bool = False) -> QuicklookResult:
    return quicklook.process_range(NIGHT, options=make_options(root, force=force))


def process_file(root: Path, path: str) -> QuicklookResult:
    return quicklook.process_files([root / path], make_options(root))


def pictures(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*_zoomable.png")}


def report(root: Path, level: str, name: str = STAR) -> dict:
    file = root / f"QLP/{NIGHT}/{name}/QC/{name}_{level}_QC.yml"
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert isinstance(values, dict)
    return values


def edit(path: Path, change: Callable[[fits.HDUList], None]) -> None:
    with fits.open(path, memmap=False) as hdus:
        change(hdus)
        hdus.writeto(path, overwrite=True)


@pytest.fixture(scope="session")
def processed(
    reduced: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, QuicklookResult]:
    """The products of a star, a bias and the masters. Not to be changed."""
    root = tmp_path_factory.mktemp("processed")
    for path in reduced.rglob("*.fits"):
        if path.name.startswith((STAR, BIAS, "kpf_")):
            copy = root / path.relative_to(reduced)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
    return root, process_night(root)


def test_all_products_are_in_their_directories(processed: tuple[Path, QuicklookResult]) -> None:
    root, result = processed
    assert isinstance(result, Result)
    assert result.outcome is Outcome.SUCCEEDED
    expected = {
        f"{plot.kind}/{STAR}_{plot.name}_zoomable.png"
        for level in ("L0", "2D", "L1", "L2")
        for plot in plot_registry.PLOTS[level]
    }
    assert pictures(root / f"QLP/{NIGHT}/{STAR}") == expected
    assert {name.split("/")[0] for name in expected} == {
        "EM", "Guider", "L0", "HK", "2D", "WLS", "L1", "L2",
    }  # fmt: skip
    masters = pictures(root / f"QLP/{NIGHT}/Masters")
    assert {name.split("/")[0] for name in masters} == {"Bias", "Flat", "LFC"}


def test_the_pictures_are_pictures(processed: tuple[Path, QuicklookResult]) -> None:
    root, result = processed
    files = sorted((root / "QLP").rglob("*_zoomable.png"))
    assert len(files) == sum(item.pictures for item in result.items)
    for file in files:
        with Image.open(file) as picture:
            values = np.asarray(picture.convert("L"))
        assert values.shape[0] > 400
        # Something is drawn below the heading
        assert values[100:].std() > 5
        small = Path(str(file).replace("_zoomable.png", "_small.jpg"))
        assert small.stat().st_size < 60_000


def test_a_bias_has_no_plots_that_need_light(processed: tuple[Path, QuicklookResult]) -> None:
    root, _ = processed
    assert not [name for name in pictures(root / f"QLP/{NIGHT}/{BIAS}") if "order_trace" in name]
    reasons = [plot["reason"] for plot in report(root, "2D", BIAS)["left_out"]]
    assert reasons == ["a bias has no light"] * 2


def test_the_report_of_the_checks(processed: tuple[Path, QuicklookResult]) -> None:
    root, _ = processed
    values = report(root, "L2")
    assert (values["verdict"], values["target"], values["type"]) == ("PASS", "KPFSIM-1", "Object")
    assert (values["exposure_seconds"], values["drp_version"]) == (300, "v2.9.1")
    assert {check["verdict"] for check in values["checks"]} == {"PASS", "not judged"}
    velocity = next(c for c in values["checks"] if c["source"] == "velocity_error_green")
    assert velocity["limit_source"].startswith("ours, to be confirmed by KPF")
    assert f"L2/{STAR}_CCF_grid_zoomable.png" in values["pictures"]


def test_products_that_are_up_to_date_are_unchanged(take: Take) -> None:
    root = take(f"L2/*/{STAR}*")
    first = process_night(root)
    assert [item.outcome for item in first.items] == [QuicklookOutcome.MADE]
    picture = root / f"QLP/{NIGHT}/{STAR}/L2/{STAR}_CCF_grid_zoomable.png"
    before = picture.stat().st_mtime_ns
    again = process_night(root)
    assert [item.outcome for item in again.items] == [QuicklookOutcome.CURRENT]
    assert picture.stat().st_mtime_ns == before
    assert again.items[0].pictures == first.items[0].pictures
    assert process_night(root, force=True).items[0].outcome is QuicklookOutcome.MADE
    os.utime(root / f"L2/{NIGHT}/{STAR}_L2.fits")
    assert process_night(root).items[0].outcome is QuicklookOutcome.MADE
    picture.unlink()
    assert process_night(root).items[0].outcome is QuicklookOutcome.MADE
    assert picture.exists()


def test_new_thresholds_repeat_the_checks_and_leave_the_plots(
    take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, file = take(f"L2/*/{STAR}*"), tmp_path / "mine.yml"
    monkeypatch.setenv("KPFNB_QLP_THRESHOLDS", str(file))
    entry = "{check: mine, keyword: EXPTIME, warn: [%s], fail: [0, 9e9], source: mine}"
    rule = f"L2: {{ranges: [{entry}]}}\n"
    file.write_text(rule % "0, 1000")
    assert process_night(root).items[0].verdict == "PASS"
    picture = root / f"QLP/{NIGHT}/{STAR}/L2/{STAR}_CCF_grid_zoomable.png"
    before, pictures_before = picture.stat().st_mtime_ns, report(root, "L2")["pictures"]
    file.write_text(rule % "0, 100")
    [item] = process_night(root).items
    assert (item.outcome, item.verdict, item.pictures) == (
        QuicklookOutcome.MADE,
        "WARN",
        len(plot_registry.L2),
    )
    assert picture.stat().st_mtime_ns == before
    assert report(root, "L2")["verdict"] == "WARN"
    assert report(root, "L2")["pictures"] == pictures_before
    page = root / f"QLP/{NIGHT}/{STAR}/index.html"
    assert "mine" in page.read_text(encoding="utf-8")
    assert process_night(root).items[0].outcome is QuicklookOutcome.CURRENT


def test_a_file_of_the_same_name_elsewhere_is_another_file(take: Take, tmp_path: Path) -> None:
    root = take(f"L2/*/{STAR}*")
    process_night(root)
    other = tmp_path / f"{STAR}_L2.fits"
    shutil.copy2(root / f"L2/{NIGHT}/{STAR}_L2.fits", other)
    os.utime(other, (1, 1))
    assert process_file(root, str(other)).items[0].outcome is QuicklookOutcome.MADE


def test_a_table_that_cannot_be_measured_does_not_stop_the_rest(take: Take) -> None:
    root = take(f"L0/*/{STAR}*")

    def rename(hdus: fits.HDUList) -> None:
        hdus["GUIDER_CUBE_ORIGINS"].columns.change_name("object1_x", "star_x")

    edit(root / f"L0/{NIGHT}/{STAR}.fits", rename)
    [item] = process_night(root).items
    assert item.pictures > 4
    assert any("Guiding error (RMS in x or y): can't be" in remark for remark in item.remarks)


def test_plots_of_a_missing_extension_are_skipped_with_a_reason(take: Take) -> None:
    root = take(f"L0/*/{STAR}*")
    process_night(root)
    stale = root / f"QLP/{NIGHT}/{STAR}/Guider/{STAR}_guider_image_zoomable.png"
    assert stale.exists()

    def lose(hdus: fits.HDUList) -> None:
        for name in ("GUIDER_AVG", "RED_AMP1", "RED_AMP2", "TELEMETRY", "EXPMETER_SKY"):
            del hdus[name]

    edit(root / f"L0/{NIGHT}/{STAR}.fits", lose)
    item = process_night(root).items[0]
    assert (item.outcome, item.left_out) == (QuicklookOutcome.MADE, 4)
    assert not stale.exists()
    left = {plot["picture"]: plot["reason"] for plot in report(root, "L0")["left_out"]}
    assert left["Guide camera"] == "no GUIDER_AVG in the file"
    assert left["Raw image, Red CCD"].startswith("no RED_AMP1 or RED_AMP2 ")
    checks = {check["source"]: check for check in report(root, "L0")["checks"]}
    for name in ("missing_amplifiers_red", "saturated_red"):
        assert (checks[name]["verdict"], checks[name]["value"]) == ("FAIL", "not in the file")
    assert checks["meter_readings"]["verdict"] == "WARN"
    assert checks["kpfgreen.STA_CCD_T"]["verdict"] == "not judged"


def test_a_missing_amplifier_is_a_failure_and_the_picture_says_so(take: Take) -> None:
    root = take(f"L0/*/{STAR}*")

    def lose(hdus: fits.HDUList) -> None:
        del hdus["GREEN_AMP2"]

    edit(root / f"L0/{NIGHT}/{STAR}.fits", lose)
    [item] = process_night(root).items
    assert item.verdict == "FAIL"
    assert "FAIL: Missing amplifiers, Green: 1 (no GREEN_AMP2)" in item.remarks
    with Image.open(root / f"QLP/{NIGHT}/{STAR}/L0/{STAR}_GREEN_stitched_zoomable.png") as picture:
        colours = np.asarray(picture.convert("RGB"))[:, 200:-200]
    # The right half is grey
    half = colours.shape[1] // 2
    is_grey = (colours == 150).all(axis=2)
    assert is_grey[200:-100, half + 50 :].mean() > 0.8
    assert is_grey[200:-100, : half - 50].mean() < 0.01


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"not a FITS file" * 99, "not FITS"), (None, "truncated")],
)
def test_a_damaged_file_is_an_outcome_with_a_reason(
    take: Take, content: bytes | None, reason: str
) -> None:
    root = take(f"L2/*/{STAR}*")
    path = root / f"L2/{NIGHT}/{STAR}_L2.fits"
    path.write_bytes(path.read_bytes()[:-5000] if content is None else content)
    result = process_file(root, f"L2/{NIGHT}/{STAR}_L2.fits")
    assert result.outcome is Outcome.FAILED
    assert reason in result.reason
    assert report(root, "L2")["verdict"] == "FAIL"
    page = (root / f"QLP/{NIGHT}/{STAR}/index.html").read_text(encoding="utf-8")
    assert f"can&#39;t be read: {reason}" in page or f"can't be read: {reason}" in page
    assert process_night(root).items[0].outcome is not QuicklookOutcome.CURRENT


def test_a_plot_that_fails_does_not_stop_the_others(take: Take) -> None:
    root = take(f"L2/*/{STAR}*")

    def spoil(hdus: fits.HDUList) -> None:
        del hdus["GREEN_CCF"].header["STARTV"]

    edit(root / f"L2/{NIGHT}/{STAR}_L2.fits", spoil)
    result = process_night(root)
    assert result.outcome is Outcome.FAILED
    assert "GREEN_CCF has no STARTV" in result.reason
    assert result.items[0].pictures == len(plot_registry.L2) - 1


def test_unknown_names_and_vanished_files_are_failed_items(take: Take) -> None:
    root = take(f"L2/*/{STAR}*")
    gone = root / f"L2/{NIGHT}/{BIAS}_L2.fits"
    paths = [root / f"L2/{NIGHT}/{STAR}_L2.fits", gone, root / "notes.txt"]
    result = quicklook.process_files([*paths, paths[0]], make_options(root))
    assert [item.outcome for item in result.items] == [
        QuicklookOutcome.MADE,
        QuicklookOutcome.FAILED,
        QuicklookOutcome.FAILED,
    ]
    assert result.outcome is Outcome.PARTIAL
    assert "vanished" in result.items[1].reason
    assert result.to_dict()["failed_items"] == [gone.name, "notes.txt"]


def test_unwritable_products_are_one_error_before_any_work(
    take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = take(f"L2/*/{STAR}*")
    (root / "QLP").write_text("in the way")
    with pytest.raises(InvalidSettingsError, match="QLP"):
        process_night(root)
    elsewhere = root.parent / "elsewhere"
    monkeypatch.setenv("KPFNB_QLP_DIR", str(elsewhere))
    assert process_night(root).outcome is Outcome.SUCCEEDED
    assert (elsewhere / NIGHT / STAR / "index.html").exists()


def test_a_products_directory_on_a_read_only_mount_is_named(take: Take) -> None:
    root = take(f"L2/*/{STAR}*")
    (root / "QLP").mkdir()
    with (
        read_only(root / "QLP"),
        pytest.raises(InvalidSettingsError, match=r"QLP: Read-only file system\n.*KPFNB_QLP_DIR"),
    ):
        process_night(root)


def test_markup_and_bytes_beyond_ascii_in_a_header_are_shown_as_text(take: Take) -> None:
    root = take(f"L2/*/{STAR}*")
    [path] = root.glob("L2/*/*.fits")
    data = path.read_bytes()
    card = data.index(b"TARGNAME= ")
    evil = b"TARGNAME= '<b>\xe9toile \xff</b><script>alert(1)'".ljust(80)
    path.write_bytes(data[:card] + evil + data[card + 80 :])
    result = process_night(root)
    assert (result.outcome, result.items[0].pictures) == (Outcome.SUCCEEDED, 3), result
    pages = [root / f"QLP/{NIGHT}/{STAR}/index.html", root / f"QLP/{NIGHT}/index.html"]
    for text in (*(page.read_text(encoding="utf-8") for page in pages), result._repr_html_()):
        assert "<b>" not in text and "<script>alert" not in text
    assert "&lt;b&gt;" in pages[0].read_text(encoding="utf-8")
    assert "toile" in report(root, "L2")["target"]


def test_what_a_killed_run_left_is_completed(take: Take) -> None:
    root = take(f"L2/*/{STAR}*")
    process_night(root)
    folder = root / f"QLP/{NIGHT}/{STAR}"
    # Killed between picture and record; between record and page
    record.record_path(folder, STAR, "L2").unlink()
    (folder / "index.html").unlink()
    assert process_night(root).items[0].outcome is QuicklookOutcome.MADE
    assert (folder / "index.html").exists()
    (folder / "index.html").unlink()
    assert process_night(root).items[0].outcome is QuicklookOutcome.CURRENT
    assert (folder / "index.html").exists()


def test_worker_processes_make_the_same_products(take: Take) -> None:
    root = take(f"L2/*/{STAR}*", f"L0/*/{BIAS}*")
    options = QuicklookOptions(root=root, workers=2, nice=5, max_load=10_000, progress=False)
    result = quicklook.process_range(NIGHT, options=options)
    assert [item.outcome for item in result.items] == [QuicklookOutcome.MADE] * 2


def test_the_heading_describes_the_exposure(reduced: Path) -> None:
    content = fits_content.read_content(reduced / f"L1/{NIGHT}/{STAR}_L1.fits", [])
    line = summarise_exposure(content).one_line(STAR)
    assert line == (
        f"{STAR} · KPFSIM-1 · Object · 300 s · start 2024-01-15 05:00:26 UT · v2.9.1 · SIMULATION"
    )


def test_a_result_shows_itself(processed: tuple[Path, QuicklookResult]) -> None:
    _, result = processed
    count = len(result.items)
    assert result.key_figures()["files"] == len(result.to_frame()) == count
    assert f"{count} files processed: " in str(result)
    assert figures.plot(result).axes
    [tooltip] = figures.hover_plot(result).tooltips.values()
    texts = {tooltip(SimpleNamespace(xdata=x, ydata=y)) for x in range(10) for y in range(5)}
    lines = {line for text in texts for line in text.splitlines()}
    for item in result.items:
        name = item.name if item.level == "master" else item.observation
        assert f"{name} {item.level}: {item.verdict}" in lines
    assert tooltip(SimpleNamespace(xdata=-1, ydata=0)) == ""
    first = [item for item in result.items if item.page == result.items[0].page]
    gallery = QuicklookGallery.from_result(result, 1)._repr_html_()
    assert gallery.count("data:image/jpeg") == sum(item.pictures for item in first)
