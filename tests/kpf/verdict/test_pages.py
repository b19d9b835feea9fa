"""The pages of verdicts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kpfnb.core import settings
from kpfnb.demo.header_only_night import HeaderOnlyNight, NightFault
from kpfnb.kpf.verdict import (
    assessment,
    pages,
    plots,
)
from tests.kpf.verdict.conftest import NIGHT

Plant = Callable[..., HeaderOnlyNight]
HOSTILE = "<script>alert(1)</script>"


def test_a_page_names_rule_value_threshold_night_and_blame(planted: Plant) -> None:
    night = planted(NightFault.ONE_BAD_READOUT)
    here = settings.load_settings()
    to_blame = night.obsids["flat"][1]
    shown = here.qlp_path / NIGHT / to_blame / "index.html"
    shown.parent.mkdir(parents=True)
    shown.touch()
    judged = assessment.assess_night(NIGHT)
    assessment.save_verdict(judged)
    path = pages.write_verdict_page(judged)
    text = path.read_text()
    assert f"QLP/{NIGHT}/{to_blame}/index.html#2D" in text
    assert (path.parent / f"../../../../data/QLP/{NIGHT}/{to_blame}/index.html").exists()
    assert "Calibrations with a failed check" in text
    assert "2.632 %" in text
    assert "at most 0 %; FAIL unless at most 20" in text
    assert judged.criteria in text
    calendar = (here.runs_dir / "nights/index.html").read_text()
    assert f'href="{NIGHT}/verdict.html" aria-label="{NIGHT} WARN"' in calendar


def test_written_again_nothing_changes(planted: Plant) -> None:
    planted()
    judged = assessment.assess_night(NIGHT)
    assessment.save_verdict(judged)
    before = pages.write_verdict_page(judged).stat().st_mtime_ns
    assert pages.write_verdict_page(assessment.assess_night(NIGHT)).stat().st_mtime_ns == before


def test_hostile_text_is_text(planted: Plant) -> None:
    night = planted(NightFault.FAINT_STARS)
    night.rewrite("bias", "L0", 0, OBJECT=HOSTILE)
    night.master("bias").with_name(f"kpf_{NIGHT}_master_bias_{HOSTILE[:8]}.fits").touch()
    assessment.override_rule(NIGHT, "master-bias", "WARN", HOSTILE, who=HOSTILE)
    judged = assessment.assess_night(NIGHT)
    for text in (
        pages.render_verdict_page(judged, settings.load_settings()),
        assessment.frame_counts_html(judged),
        judged._repr_html_(),
    ):
        assert "<script" not in text
        assert "Bias frames" in text


def test_pictures_are_drawn_also_of_nothing(planted: Plant, tmp_path: Path) -> None:
    planted(NightFault.FEW_BIASES)
    judged = assessment.assess_night(NIGHT)
    assessment.save_verdict(judged)
    judged.plot().savefig(tmp_path / "filling.png")
    history = assessment.load_history(settings.load_settings())
    drawn = plots.plot_calendar(history)
    assert [text.get_text() for text in drawn.axes[0].texts] == ["✖"]
    plots.plot_calendar({}).savefig(tmp_path / "calendar.png")


def test_counts_fill_towards_their_minimum(planted: Plant) -> None:
    planted(NightFault.FEW_BIASES)
    bars = {
        one.title: one for one in assessment.count_frames(assessment.assess_night(NIGHT).results)
    }
    assert bars["Bias frames"].text == "1 of at least 4"
    assert "value='1' max='4'" in assessment.frame_counts_html(assessment.assess_night(NIGHT))
