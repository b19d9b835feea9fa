"""The pages of verdicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from kpfnb.core import settings
from kpfnb.demo.header_only_night import HeaderOnlyNight, NightFault
from kpfnb.kpf.verdict import assessment, pages, plots
from kpfnb.kpf.verdict.rule_results import count_frames
from kpfnb.notebook.display import figures
from tests.kpf.verdict.conftest import NIGHT

MakeNight = Callable[..., HeaderOnlyNight]
HOSTILE = "<script>alert(1)</script>"


def test_a_page_shows_rule_value_threshold_night_and_offenders(make_night: MakeNight) -> None:
    night = make_night(NightFault.ONE_BAD_READOUT)
    site_settings = settings.load_settings()
    offender = night.obsids["flat"][1]
    quicklook_page = site_settings.qlp_path / NIGHT / offender / "index.html"
    quicklook_page.parent.mkdir(parents=True)
    quicklook_page.touch()
    night_verdict = assessment.assess_night(NIGHT)
    assessment.save_verdict(night_verdict)
    path = pages.write_verdict_page(night_verdict)
    text = path.read_text()
    assert f"QLP/{NIGHT}/{offender}/index.html#2D" in text
    assert (path.parent / f"../../../../data/QLP/{NIGHT}/{offender}/index.html").exists()
    assert "Calibrations with a failed check" in text
    assert "1.852 %" in text
    assert "PASS ≤ 0 %, FAIL &gt; 20, otherwise WARN" in text
    assert night_verdict.criteria in text
    calendar = (site_settings.runs_dir / "nights/index.html").read_text()
    assert f'href="{NIGHT}/verdict.html" aria-label="{NIGHT} WARN"' in calendar


def test_an_unchanged_page_is_not_written_again(make_night: MakeNight) -> None:
    make_night()
    night_verdict = assessment.assess_night(NIGHT)
    assessment.save_verdict(night_verdict)
    before = pages.write_verdict_page(night_verdict).stat().st_mtime_ns
    assert pages.write_verdict_page(assessment.assess_night(NIGHT)).stat().st_mtime_ns == before


def test_hostile_text_is_text(make_night: MakeNight) -> None:
    night = make_night(NightFault.FAINT_STARS)
    night.rewrite("bias", "L0", 0, OBJECT=HOSTILE)
    night.master("bias").with_name(f"kpf_{NIGHT}_master_bias_{HOSTILE[:8]}.fits").touch()
    assessment.override_rule(NIGHT, "master-bias", "WARN", HOSTILE, who=HOSTILE)
    night_verdict = assessment.assess_night(NIGHT)
    for text in (
        pages.render_verdict_page(night_verdict, settings.load_settings()),
        assessment.live_html(night_verdict),
        night_verdict._repr_html_(),
    ):
        assert "<script" not in text
        assert "Bias frames" in text


def test_plots_are_drawn_even_without_data(make_night: MakeNight, tmp_path: Path) -> None:
    make_night(NightFault.FEW_BIASES)
    night_verdict = assessment.assess_night(NIGHT)
    assessment.save_verdict(night_verdict)
    figures.plot(night_verdict).savefig(tmp_path / "frames.png")
    history = assessment.load_history(settings.load_settings())
    calendar = plots.plot_calendar(history)
    figure = calendar.figure
    assert [text.get_text() for text in figure.axes[0].texts] == ["✖"]
    cell = calendar.tooltips[figure.axes[0]]
    day = int(NIGHT[6:]) - 0.5
    assert cell(SimpleNamespace(xdata=day, ydata=0.5)).splitlines()[0] == f"{NIGHT}: FAIL"
    (settings.load_settings().kpf_root / "L2" / NIGHT).rename(tmp_path / "gone")
    assert "STALE: since" in cell(SimpleNamespace(xdata=day, ydata=0.5))
    assert cell(SimpleNamespace(xdata=day + 1, ydata=0.5)) == ""
    plots.plot_calendar({}).figure.savefig(tmp_path / "calendar.png")


def test_frame_counts_are_shown_against_their_minimum(make_night: MakeNight) -> None:
    make_night(NightFault.FEW_BIASES)
    night_verdict = assessment.assess_night(NIGHT)
    counts = {count.title: count for count in count_frames(night_verdict.results)}
    assert counts["Bias frames"].text == "1 (needs 10)"
    assert "value='1' max='10'" in assessment.live_html(night_verdict)


def test_a_night_without_any_judged_rule_does_not_pass(make_night: MakeNight) -> None:
    make_night()
    night_verdict = assessment.assess_night(NIGHT)
    assert pages.describe_problems(night_verdict) == "all judged rules pass"
    assert pages.describe_problems(replace(night_verdict, results=())) == "no rule could be judged"


def test_the_calendar_page_names_a_stale_verdict(make_night: MakeNight, tmp_path: Path) -> None:
    make_night()
    night_verdict = assessment.assess_night(NIGHT)
    assessment.save_verdict(night_verdict)
    site_settings = settings.load_settings()
    assert "Stale verdict" not in pages.write_calendar_page(site_settings).read_text()
    (site_settings.kpf_root / "L2" / NIGHT).rename(tmp_path / "gone")
    text = pages.write_calendar_page(site_settings).read_text()
    assert "Stale verdict</strong>, since 20" in text
    assert "L2 files removed" in text


def test_years_between_verdicts_are_left_out_of_the_calendar() -> None:
    history = {night: {"verdict": "PASS"} for night in ("20240115", "20240301", "20350201")}
    rows = plots.plot_calendar(history).figure.axes[0].get_yticklabels()
    assert [row.get_text() for row in rows] == ["2024-01", "2024-03", "2035-02"]
    del history["20350201"]
    rows = plots.plot_calendar(history).figure.axes[0].get_yticklabels()
    assert [row.get_text() for row in rows] == ["2024-01", "2024-02", "2024-03"]
