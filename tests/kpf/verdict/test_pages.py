"""The pages of verdicts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kpfnb import settings
from kpfnb.demo.headernight import Fault, HeaderNight
from kpfnb.kpf.verdict import assessing, filling, pages, picture
from tests.kpf.verdict.conftest import NIGHT

Plant = Callable[..., HeaderNight]
HOSTILE = "<script>alert(1)</script>"


def test_a_page_names_rule_value_threshold_night_and_blame(planted: Plant) -> None:
    night = planted(Fault.ONE_BAD_READOUT)
    here = settings.load()
    to_blame = night.obsids["flat"][1]
    shown = here.qlp_path / NIGHT / to_blame / "index.html"
    shown.parent.mkdir(parents=True)
    shown.touch()
    judged = assessing.assess(NIGHT)
    assessing.keep(judged)
    path = pages.write(judged)
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
    judged = assessing.assess(NIGHT)
    assessing.keep(judged)
    before = pages.write(judged).stat().st_mtime_ns
    assert pages.write(assessing.assess(NIGHT)).stat().st_mtime_ns == before


def test_hostile_text_is_text(planted: Plant) -> None:
    night = planted(Fault.FAINT_STARS)
    night.rewrite("bias", "L0", 0, OBJECT=HOSTILE)
    night.master("bias").with_name(f"kpf_{NIGHT}_master_bias_{HOSTILE[:8]}.fits").touch()
    assessing.override(NIGHT, "master-bias", "WARN", HOSTILE, who=HOSTILE)
    judged = assessing.assess(NIGHT)
    for text in (pages.page(judged, settings.load()), filling.html(judged), judged._repr_html_()):
        assert "<script" not in text
        assert "Bias frames" in text


def test_pictures_are_drawn_also_of_nothing(planted: Plant, tmp_path: Path) -> None:
    planted(Fault.FEW_BIASES)
    judged = assessing.assess(NIGHT)
    assessing.keep(judged)
    judged.plot().savefig(tmp_path / "filling.png")
    history = assessing.history(settings.load())
    drawn = picture.calendar(history)
    assert [text.get_text() for text in drawn.axes[0].texts] == ["✖"]
    picture.calendar({}).savefig(tmp_path / "calendar.png")


def test_counts_fill_towards_their_minimum(planted: Plant) -> None:
    planted(Fault.FEW_BIASES)
    bars = {one.title: one for one in filling.fillings(assessing.assess(NIGHT).findings)}
    assert bars["Bias frames"].told == "1 of at least 4"
    assert "value='1' max='4'" in filling.html(assessing.assess(NIGHT))
