"""Many reductions scored: where they are found, what becomes of those that can't be, the page."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from kpfnb.adap.products import qa_archive
from kpfnb.adap.products.qa_gallery import QaGallery
from kpfnb.adap.score import scorecard
from kpfnb.adap.score.page import write_page
from kpfnb.adap.score.result import ScoreResult, find_entry_pictures
from kpfnb.adap.score.run import find_reductions, score_reductions
from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome, Result
from kpfnb.demo import reduced_datasets
from kpfnb.demo.coadd_inputs import SimulatedSlit
from kpfnb.notebook.display import figures

GOOD, BAD = SimulatedSlit(100), SimulatedSlit(420, rms=0.9, coverage=30.0)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three simulated datasets; the last has a frame without products."""
    return reduced_datasets.simulate_datasets(tmp_path_factory.mktemp("simulated"), count=3)


@pytest.fixture(scope="module")
def scores(simulated: Path) -> ScoreResult:
    return score_reductions(simulated, progress=False)


def write(
    dataset: Path, *slits: SimulatedSlit, name: str = "reduce", file: str = "DE.1.fits"
) -> Path:
    folder = dataset / "complete" / name
    reduced_datasets.write_reduction(folder, {file: {"DET01": list(slits)}})
    return folder


def run(*roots: Path, **options: object) -> ScoreResult:
    return score_reductions(roots, progress=False, **options)


def test_reductions_are_found_from_each_folder_above(tmp_path: Path) -> None:
    first = write(tmp_path / "m/c/2015-10-16", GOOD)
    second = write(tmp_path / "m/c/2015-10-16", GOOD, name="reduce_2")
    write(tmp_path / "m/c/2015-10-16", GOOD, name="reduce_old")
    other = write(tmp_path / "m/d/2015-10-16_2015-10-17", GOOD)
    (tmp_path / "m/c/2015-10-16/complete/raw").mkdir()
    assert [item.folder for item in find_reductions(tmp_path)] == [first, second, other]
    assert [item.folder for item in find_reductions(tmp_path / "m/d")] == [other]
    for root in (first.parent.parent, first.parent.parent.parent):
        assert [item.folder for item in find_reductions(root)] == [first, second]
    (alone,) = find_reductions(other)
    assert (alone.folder, alone.dataset) == (other, "m/d/2015-10-16_2015-10-17")


def test_a_reduction_that_is_of_no_dataset_has_the_name_of_its_folder(tmp_path: Path) -> None:
    reduced_datasets.write_reduction(tmp_path / "night1", {"DE.1.fits": {"DET01": [GOOD]}})
    assert [row.dataset for row in run(tmp_path / "night1").rows] == ["night1"]


def test_a_relative_folder_may_be_in_the_work_directory(isolated: Path) -> None:
    folder = write(isolated / "work/datasets/m/c/2015-10-16", GOOD)
    for name in ("datasets", "m/c", "m/c/2015-10-16"):
        assert [item.folder for item in find_reductions(Path(name))] == [folder]


def test_nothing_to_score(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no directory"):
        run(tmp_path / "nowhere")
    with pytest.raises(InvalidInputError, match="no reduction in"):
        run(tmp_path)


def test_the_second_run_changes_nothing(tmp_path: Path) -> None:
    folder = write(tmp_path / "m/c/2015-10-16", GOOD, BAD)
    first = run(tmp_path)
    assert isinstance(first, Result)
    assert len(first.changed_files) == 3
    assert "1 of 2 slits bad" in first.reason
    stamps = {path: path.stat().st_mtime_ns for path in folder.glob("*.csv")}
    again = run(tmp_path)
    assert again.reason.endswith("; nothing changed")
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*.csv")} == stamps


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    folder = write(tmp_path / "m/c/2015-10-16", GOOD)
    result = run(tmp_path, dry_run=True)
    assert result.reason.startswith("dry run: 1 reduction scored")
    assert not write_page(result, tmp_path / "page.html").exists()
    assert list(folder.glob("*.csv")) == []


def test_one_that_cannot_be_scored_does_not_stop_the_others(tmp_path: Path) -> None:
    write(tmp_path / "a/c/2015-10-16", GOOD)
    broken = write(tmp_path / "b/c/2015-10-16", GOOD)
    (broken / "reduction.json").write_text("{")
    result = run(tmp_path)
    assert (result.outcome, len(result.cards)) == (Outcome.PARTIAL, 1)
    assert "not scored: 1: b/c/2015-10-16 (reduce): InvalidInputError" in result.reason
    assert list(result.to_dict()["failed"]) == ["b/c/2015-10-16 (reduce)"]
    (tmp_path / "a/c/2015-10-16/complete/reduce/reduction.json").write_text("{")
    assert run(tmp_path).outcome is Outcome.FAILED


def test_limits_of_a_file_count(tmp_path: Path) -> None:
    write(tmp_path / "m/c/2015-10-16", BAD)
    (tmp_path / "limits.yml").write_text("limits: {rms_thresh: 2, wave_cov_thresh: 10}")
    assert run(tmp_path).rows[0].bad_slit_count == 1
    assert run(tmp_path, limits=tmp_path / "limits.yml").rows[0].bad_slit_count == 0


def test_a_warning_stays_for_as_long_as_the_reduction(tmp_path: Path) -> None:
    folder = write(tmp_path / "m/c/2015-10-16", GOOD)
    scorecard.score_reduction(folder, "m/c/2015-10-16", status="WARNING").write()
    assert run(tmp_path).rows[0].status == "WARNING"
    record = atomic.read_json(folder / "reduction.json")
    atomic.write_json(folder / "reduction.json", {**record, "started": "2026-01-01T00:00:00Z"})
    assert run(tmp_path).rows[0].status == "COMPLETE"


def test_failed_frames_come_first(scores: ScoreResult) -> None:
    table = scores.to_frame()
    assert list(table["status"]) == ["FAILED", *["COMPLETE"] * 6]
    assert scores.outcome is Outcome.SUCCEEDED, "it was found to be bad: that was the task"
    assert "1 of them FAILED" in scores.reason
    assert scores.key_figures()["slits"] == 6 * 24
    assert len(scores.slits()) == 6 * 24
    assert scores.to_dict()["reasons"]


def test_the_worst_slits_come_first(tmp_path: Path) -> None:
    slits = [
        GOOD,
        SimulatedSlit(300, rms=0.5),
        BAD,
        SimulatedSlit(500, rms=0.8),
        SimulatedSlit(600, std_chi=9.0),
    ]
    write(tmp_path / "m/c/2015-10-16", *slits)
    worst = run(tmp_path).worst_slits()
    assert [item.scored.slit.name for item in worst] == [
        *("DET01:420", "DET01:600", "DET01:500", "DET01:300")
    ]
    assert list(run(tmp_path).worst_frame(1)["faults"]) == ["coverage, rms"]


def test_pictures_are_those_of_the_slit(tmp_path: Path) -> None:
    folder = write(tmp_path / "m/c/2015-10-16", GOOD, BAD)
    pictures_dir = folder / "keck_deimos_A/QA/PNGs"
    shown = {path.name for path in pictures_dir.glob("*S0420*")}
    for other in ("Arc_1dfit_A_0_DET02_S0420.png", "Arc_1dfit_A_0_DET01_S04201.png"):
        (pictures_dir / other).write_bytes(b"")
    (result,) = find_entry_pictures(run(tmp_path).worst_slits())
    assert {path.name for path in result} == shown
    assert len(shown) == 2
    assert isinstance(run(tmp_path).qa(), QaGallery)


def test_pictures_come_from_the_archive_where_only_that_is_left(tmp_path: Path) -> None:
    folder = write(tmp_path / "m/c/2015-10-16", GOOD, BAD, SimulatedSlit(600, rms=0.8))
    before = write_page(run(tmp_path), tmp_path / "before.html").read_text()
    archive = qa_archive.pack_qa(folder / "keck_deimos_A")
    # The full-size pictures are no files of their own any more
    without_links = re.sub(r'<a href="[^"]*">(<img[^>]*>)</a>', r"\1", before)
    assert without_links != before
    assert write_page(run(tmp_path), tmp_path / "after.html").read_text() == without_links
    assert before.count("data:image/jpeg") == 4
    assert "data:image/jpeg" in run(tmp_path).qa()._repr_html_()
    archive.write_bytes(archive.read_bytes()[:-20])
    broken = write_page(run(tmp_path), tmp_path / "broken.html").read_text()
    assert broken.count("Can't be read: QA.tar.gz") == len(run(tmp_path).worst_slits())
    assert "not shown (1): QA.tar.gz" in run(tmp_path).qa()._repr_html_()


def test_the_picture_has_histograms_and_the_trend(scores: ScoreResult, tmp_path: Path) -> None:
    picture = figures.plot(scores)
    picture.savefig(tmp_path / "scores.png")
    labels = [axes.get_xlabel() for axes in picture.axes]
    assert labels[:3] == [
        "RMS of the wavelengths (pixels)",
        "wavelength range covered by arc lines (%)",
        "spectral flexure (pixels)",
    ]
    rms, trend = picture.axes[0], picture.axes[4]
    drawn = sum(patch.get_height() for patch in rms.patches)
    assert drawn == scores.slits()["rms"].notna().sum()
    assert len(trend.lines[0].get_xdata()) == 3


def test_the_tooltip_shows_the_slits_of_a_bar_and_the_dataset_of_a_point(
    scores: ScoreResult,
) -> None:
    shown = figures.hover_plot(scores)
    FigureCanvasAgg(shown.figure).draw()
    rms, *_, upper, lower = shown.figure.axes
    counted = 0
    for edge in sorted({patch.get_x() for patch in rms.patches}):
        width = rms.patches[0].get_width()
        text = shown.tooltips[rms](SimpleNamespace(xdata=edge + width / 2, ydata=0))
        counted += int(text.splitlines()[0].rpartition(": ")[2].split()[0]) if text else 0
    assert counted == scores.slits()["rms"].notna().sum()
    (card, *_), place = scores.cards, lower.lines[0].get_xydata()[0]
    x, y = lower.transData.transform(place)
    messages = shown.tooltips[lower](SimpleNamespace(inaxes=lower, x=x, y=y))
    bad, every = (
        sum(getattr(row, n) for row in card.rows) for n in ("bad_slit_count", "slit_count")
    )
    assert messages.splitlines()[0] == card.dataset
    assert messages.endswith(f"{bad} of {every} slits bad")
    assert shown.tooltips[upper](SimpleNamespace(inaxes=upper, x=-50, y=-50)) == ""


def test_a_plot_without_data(tmp_path: Path) -> None:
    scorecard_of_nothing = ScoreResult(())
    figures.plot(scorecard_of_nothing).savefig(tmp_path / "nothing.png")
    assert "No slit is bad" in write_page(scorecard_of_nothing, tmp_path / "page.html").read_text()


def test_the_page_needs_only_the_script_beside_it(scores: ScoreResult, tmp_path: Path) -> None:
    page = write_page(scores, tmp_path / "page.html").read_text()
    assert re.findall(r"<script.*", page) == ['<script src="scorecard.js" defer></script>']
    assert "script-src &#39;self&#39;" in page
    assert "addEventListener" in (tmp_path / "scorecard.js").read_text()
    assert "style=" not in page
    assert re.findall(r'src="(?!data:)([^"]*)', page) == ["scorecard.js"]
    pictures = re.findall(r'<a href="([^"]*)"><img', page)
    assert pictures
    assert all((tmp_path / unquote(picture)).is_file() for picture in pictures)
    table = page[page.index('<table id="frames"') :]
    assert table.count("<tr") == 1 + 7
    assert page.count("data:image/png;base64,") == 1
    assert page.count("data:image/jpeg;base64,") >= 2
    assert "PypeIt wrote no spec2d for it" in page
    assert write_page(scores, tmp_path / "again.html").read_text() == page


def test_the_worst_come_first(scores: ScoreResult, tmp_path: Path) -> None:
    page = write_page(scores, tmp_path / "page.html").read_text()
    assert page.index("The worst slits") < page.index("Science frames") < page.index("trend")
    table = page[page.index("<tbody>") : page.index("</tbody>")]
    rows = re.findall(r'<tr class="(\w+)">', table)
    assert rows[0] == "failed" and "failed" not in rows[1:]
    numbers = re.findall(
        r'</span></td>\s*<td class="number">\d+</td><td class="number">(\d+)', table
    )
    assert len(numbers) == 7
    bad = [int(number) for number in numbers[1:]]
    assert bad == sorted(bad, reverse=True)


def test_a_name_is_no_formula_in_a_spreadsheet(tmp_path: Path) -> None:
    folder = write(tmp_path / "m/c/2015-10-16", GOOD, file="=1+1.fits")
    [row] = run(tmp_path).rows
    assert "'=1+1.fits" in (folder / "scorecard.csv").read_text()
    assert scorecard.read_scorecard(folder).rows == (row,)


def test_text_of_names_is_escaped(tmp_path: Path) -> None:
    write(tmp_path / "m/c/2015-10-16", BAD, file="<b>x&y.fits")
    result = run(tmp_path)
    page = write_page(result, tmp_path / "page.html").read_text()
    assert "&lt;b&gt;x&amp;y.fits" in page
    assert "<b>x" not in page + result._repr_html_()
