import json
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.result import Outcome, Result
from kpfnb.core.text import format_count
from kpfnb.demo import tree
from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.kpf.progress import evaluation, result, touch
from kpfnb.kpf.progress.completeness import IncompleteReason, LevelCount
from tests.kpf import fake_drp
from tests.kpf.l2_files import write_l2
from tests.real_files import link_real_files

CARDS = dict.fromkeys(KPF.levels, 60)
NIGHTS = ["20240101", "20240102"]


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def names(root):
    return tree.write_tree(root, NIGHTS, 8, cards=CARDS)


def test_all_done(names):
    assessment = result.assess_progress(*NIGHTS)
    assert isinstance(assessment, Result)
    assert assessment.complete
    assert assessment.outcome is Outcome.SUCCEEDED
    assert assessment.totals == {
        "2D": LevelCount(16, 16),
        "L1": LevelCount(14, 14),
        "L2": LevelCount(10, 10),
    }
    assert assessment.reason == "2 nights, 2D 100 %, L1 100 %, L2 100 %, complete"


def test_each_reason_is_named_and_the_record_says_what_to_process(root, names):
    ObsID(names[0]).path(root, "L2").unlink()
    os.utime(ObsID(names[2]).path(root, "L0"))
    ObsID(names[4]).path(root, "L1").write_bytes(b"")
    ObsID(names[8]).path(root, "L0").write_bytes(b"")
    assessment = result.assess_progress(*NIGHTS)
    assert [(item.obsid, item.level, item.reason) for item in assessment.missing] == [
        (names[0], "L2", IncompleteReason.MISSING),
        *((names[2], level, IncompleteReason.OLDER) for level in KPF.products),
        (names[4], "L1", IncompleteReason.UNREADABLE),
        (names[8], "2D", IncompleteReason.L0_UNREADABLE),
    ]
    record = json.loads(json.dumps(assessment.to_dict(), allow_nan=False))
    assert record["complete"] is False
    assert record["missing_obsids"] == [names[0], names[2], names[4]]
    assert record["missing_l0"] == [
        str(ObsID(names[number]).path(root, "L0")) for number in (0, 2, 4)
    ]
    assert record["unreadable_l0"] == [str(ObsID(names[8]).path(root, "L0"))]
    assert assessment.key_figures() == {
        "nights": 2,
        "observations": 16,
        "2D": "87 %",
        "L1": "84 %",
        "L2": "77 %",
        "missing": 6,
    }


def test_one_date_selects_that_night_and_no_date_selects_all(names):
    assert [night.night for night in result.assess_progress("20240102").nights] == ["20240102"]
    assert [night.night for night in result.assess_progress().nights] == NIGHTS
    assert [night.night for night in result.assess_progress("", "20240101").nights] == ["20240101"]


def test_start_later_than_end_is_newest_first(names):
    assert [night.night for night in result.assess_progress(*NIGHTS[::-1]).nights] == NIGHTS[::-1]


@pytest.mark.parametrize("dates", [("20240230",), ("20240101", "2024010"), ("abcdefgh",)])
def test_an_impossible_date_is_refused(names, dates):
    with pytest.raises(InvalidParameterError, match=dates[-1]):
        result.assess_progress(*dates)


@pytest.mark.parametrize("levels", [["L4"], []])
def test_unknown_levels_are_refused(names, levels):
    with pytest.raises(InvalidParameterError, match="levels"):
        result.assess_progress(*NIGHTS, levels=levels)


def test_chosen_levels_are_those_of_the_table(names):
    assessment = result.assess_progress(*NIGHTS, levels=["L2", "2D"])
    assert list(assessment.totals) == ["2D", "L2"]


def test_a_missing_data_root_is_named(root):
    with pytest.raises(InvalidInputError, match=str(root)):
        result.assess_progress("20240101")


def test_no_nights_in_the_range_is_a_clear_result(names):
    assessment = result.assess_progress("20230101", "20230131")
    assert assessment.reason == (
        "Nights 20230101 to 20230131 have no L0 files (nights present: 20240101 to 20240102)"
    )
    assert not assessment.complete
    assert assessment.outcome is Outcome.SKIPPED
    strict = result.assess_progress("20230101", require_complete=True)
    assert strict.outcome is Outcome.PARTIAL
    assert strict.reason.startswith("Night 20230101 has no L0 files (")


def test_an_empty_night_and_stray_directories(root, names):
    (root / "L0/20240103").mkdir()
    (root / "L0/abcdefgh").mkdir()
    (root / "L0/20240104").write_text("a file")
    assessment = result.assess_progress("20240103", "20240105")
    assert [(night.night, night.last_l0) for night in assessment.nights] == [("20240103", None)]
    assert assessment.reason.startswith("Nights 20240103 to 20240105 have no L0 files (")
    assert assessment.outcome is Outcome.SKIPPED
    assert not assessment.complete


def test_junk_is_neither_expected_nor_missed(root, names):
    ObsID(names[0]).path(root, "L2").unlink()
    (root / "reference").mkdir()
    (root / "reference/Junk_Observations_for_KPF.csv").write_text(f"a\nb\n{names[0]},why\n")
    assessment = result.assess_progress(*NIGHTS)
    assert assessment.complete
    assert assessment.totals["2D"] == LevelCount(15, 15)
    assert assessment.notes == ()


def test_a_missing_junk_list_is_reported(names):
    assert "nothing counts as junk" in result.assess_progress(*NIGHTS).notes[0]


def test_a_version_is_checked_whenever_it_is_given(root, names):
    tree.write_tree(root, ["20240102"], 8, cards=CARDS, version="v2.10.1-12-gabc123")
    assert result.assess_progress(*NIGHTS, version="v2.9").complete
    assessment = result.assess_progress(*NIGHTS, version="2.10")
    assert {item.reason for item in assessment.missing} == {IncompleteReason.OLD_VERSION}
    assert {item.detail for item in assessment.missing} == {tree.DEFAULT_VERSION}
    assert assessment.nights[1].counts["2D"].percent == 100


def test_check_version_alone_asks_for_the_newest_in_the_range(root, names):
    tree.write_tree(root, ["20240102"], 1, cards=CARDS, version="v2.10")
    assessment = result.assess_progress(*NIGHTS, check_version=True)
    assert assessment.version == "v2.10"
    assert len(assessment.missing) == 40 - 3
    assert any("v2.10" in note for note in assessment.notes)


def test_an_impossible_version_is_refused(names):
    with pytest.raises(InvalidParameterError, match="new"):
        result.assess_progress(*NIGHTS, version="new")


def test_a_work_directory_that_cannot_be_written(tmp_path, names, monkeypatch):
    (tmp_path / "blocked").touch()
    monkeypatch.setenv("KPFNB_WORK_DIR", str(tmp_path / "blocked/work"))
    assessment = result.assess_progress(*NIGHTS)
    assert assessment.complete
    assert any("without the index" in note for note in assessment.notes)


def test_a_damaged_index_is_replaced_and_reported(tmp_path, names):
    result.assess_progress(*NIGHTS)
    (tmp_path / "work" / evaluation.INDEX_NAME).write_bytes(b"damage" * 1000)
    assessment = result.assess_progress(*NIGHTS)
    assert assessment.complete
    assert any("damaged" in note for note in assessment.notes)


def test_the_index_changes_nothing_but_the_time(names):
    first, second = result.assess_progress(*NIGHTS), result.assess_progress(*NIGHTS)
    without = result.assess_progress(*NIGHTS, index=False)
    assert str(first) == str(second) == str(without)


def _assess(version: str) -> str:
    return str(result.assess_progress(*NIGHTS, version=version))


def test_two_processes_at_once(names):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        first, second = pool.map(_assess, ["2.9", "2.9"])
    assert first == second
    assert "index" not in first


def test_a_long_range_says_which_nights_are_from_the_index(root):
    from datetime import UTC, datetime

    nights = tree.consecutive_nights("20230101", result.ALWAYS_FRESH_NIGHTS + 1)
    tree.write_tree(root, nights, 1, cards=CARDS)
    tree.set_mtimes(root, datetime(2023, 3, 1, tzinfo=UTC))
    first = result.assess_progress()
    assert first.remarks == first.notes
    second = result.assess_progress()
    assert second.nights == first.nights
    assert second.remarks[-1].startswith("32 of 32 nights were last scanned in full")
    assert result.assess_progress(fresh=True).remarks == first.notes


def test_touch_missing_starts_the_processing_again(root, names):
    ObsID(names[0]).path(root, "L2").unlink()
    assessment = result.assess_progress(*NIGHTS)
    raw = ObsID(names[0]).path(root, "L0")
    before = raw.stat().st_mtime_ns
    tried = touch.touch_missing(assessment, dry_run=True)
    assert raw.stat().st_mtime_ns == before
    done = touch.touch_missing(assessment, interval_seconds=0)
    assert raw.stat().st_mtime_ns > before
    assert [item.path for item in tried.items] == [item.path for item in done.items] == [str(raw)]
    assert len(result.assess_progress(*NIGHTS).missing) == 3


@pytest.mark.real
def test_real_l1_files_without_their_l0_are_named(root):
    real = link_real_files(root)
    assessment = result.assess_progress()
    products = format_count(len(real), "product")
    assert assessment.reason == (f"The data root {root} has no L0 files, {products} without an L0")
    assert assessment.without_l0 == [f"{obsid}_L1.fits" for obsid in sorted(real)]
    assert assessment.key_figures()["products without an L0"] == len(real)
    assert assessment.to_frame()["without_l0"].sum() == len(real)
    for shown in (str(assessment), assessment._repr_html_()):
        assert f"{products} without an L0, not counted: {min(real)}_L1.fits" in shown
    assert not assessment.complete


def test_files_of_another_night_are_named_and_not_counted(root, names):
    stray = root / "L0" / NIGHTS[0] / "KP.20240116.00001.00.fits"
    stray.write_bytes(ObsID(names[0]).path(root, "L0").read_bytes())
    assessment = result.assess_progress(*NIGHTS)
    assert assessment.observations == 16
    assert assessment.misplaced == [f"L0/20240101/{stray.name}"]
    assert f"1 file in a wrong directory, not counted: L0/20240101/{stray.name}" in str(assessment)


def test_a_note_names_some_of_many_files(root, names):
    for name in names[:8]:
        ObsID(name).path(root, "L0").unlink()
    assessment = result.assess_progress(*NIGHTS)
    assert len(assessment.without_l0) == 20
    assert "20 products without an L0, not counted: " in str(assessment)
    assert " and 15 more" in str(assessment)


def test_a_tag_that_is_no_version_is_reported_as_that(root, names):
    tree.write_tree(root, ["20240103"], 1, cards=CARDS, version="No tags found")
    assessment = result.assess_progress("20240103", version="2.9")
    assert {(item.reason, item.detail) for item in assessment.missing} == {
        (IncompleteReason.UNKNOWN_VERSION, "DRPTAG 'No tags found' is not a version")
    }
    assert result.assess_progress("20240103").complete


@pytest.mark.parametrize("version", ["v2.12.0rc1", "v2.9.1-12-gabc123", "v2.10"])
def test_products_of_any_later_version_are_done(root, version):
    tree.write_tree(root, ["20240103"], 8, cards=CARDS, version=version)
    assert result.assess_progress("20240103", version="2.9.1").complete


def test_a_star_without_a_velocity_is_not_done(root):
    star = ObsID("KP.20240103.00001.00")
    fake_drp.fits(star.path(root, "L0"), {"GREEN": "YES", "IMTYPE": "Object", "SCI-OBJ": "Target"})
    for level in ("2D", "L1"):
        fake_drp.fits(star.path(root, level), {})
    write_l2(star.path(root, "L2"), {"CCFRV": 0.0})
    os.utime(star.path(root, "L0"), (1, 1))
    assessment = result.assess_progress("20240103")
    [missing] = assessment.missing
    assert (missing.level, missing.reason) == ("L2", IncompleteReason.NO_VELOCITY)
    assert assessment.reason == "1 night, 2D 100 %, L1 100 %, L2 0 %, 1 missing"
    write_l2(star.path(root, "L2"), {})
    assert result.assess_progress("20240103").complete
