from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from kpfnb.kpf.progress import missing_groups, tables
from kpfnb.kpf.progress.completeness import (
    IncompleteReason,
    LevelCount,
    MissingLevel,
    NightProgress,
)
from kpfnb.kpf.progress.result import ProgressResult

LEVELS = ("2D", "L1", "L2")
STARTED = datetime(2024, 5, 1, tzinfo=UTC)


def night(name, last_l0, *counts, missing=()):
    by_level = {level: LevelCount(*count) for level, count in zip(LEVELS, counts, strict=True)}
    return NightProgress(name, 0, 0, last_l0, by_level, missing, STARTED)


def make_result(*nights, notes=()):
    root = Path("/data/kpf")
    zone = ZoneInfo("Pacific/Honolulu")
    return ProgressResult(root, "20231221", "20231216", "", LEVELS, nights, zone, STARTED, notes)


MISSING = (
    MissingLevel("KP.20231221.00001.00", "L1", IncompleteReason.MISSING),
    MissingLevel("KP.20231221.00002.00", "L1", IncompleteReason.OLDER),
    MissingLevel("KP.20231221.00003.00", "L1", IncompleteReason.OLD_VERSION, "<b>v2.1</b>"),
    MissingLevel("KP.20231221.00004.00", "L1", IncompleteReason.UNREADABLE, "empty"),
    MissingLevel("KP.20231221.00005.00", "2D", IncompleteReason.L0_UNREADABLE, "not FITS"),
)


def test_the_table_is_that_of_the_old_script():
    assessment = make_result(
        night(
            "20231221",
            datetime(2023, 12, 21, 20, 18, tzinfo=UTC),
            (256, 256),
            (254, 256),
            (229, 230),
        ),
        night(
            "20231220", datetime(2023, 12, 21, 2, 0, tzinfo=UTC), (342, 342), (342, 342), (315, 315)
        ),
    )
    assert str(assessment).split("\n") == [
        "DATECODE | LAST L0 MOD DATE | 2D PROCESSING  | L1 PROCESSING  | L2 PROCESSING ",
        "------------------------------------------------------------------------------",
        "20231221 | 2023-12-21 10:18 |  256/256  100% |  254/256   99% |  229/230   99%",
        "20231220 | 2023-12-20 16:00 |  342/342  100% |  342/342  100% |  315/315  100%",
    ]


def test_an_empty_night_keeps_the_columns():
    table = str(make_result(night("20231221", None, (0, 0), (0, 0), (0, 0)))).split("\n")
    assert (
        table[2] == "20231221 | -                |    0/0       - |    0/0       - |    0/0       -"
    )
    assert len({len(line) for line in table}) == 1


def test_missing_nights_and_remarks_are_reported_below():
    result = make_result(notes=("no junk list",))
    table = str(replace(result, empty_reason="Night 20231221 has no L0 files")).split("\n")
    assert table[2] == "Night 20231221 has no L0 files"
    assert table[-1] == "* no junk list"


def test_missing_files_are_listed_with_the_reason():
    assessment = make_result(night("20231221", None, (3, 4), (1, 5), (0, 0), missing=MISSING))
    folder = "/data/kpf/L1/20231221"
    assert tables.format_missing_lines(assessment.missing, "L1", assessment.root) == [
        f"Missing L1: {folder}/KP.20231221.00001.00_L1.fits",
        f"L1 with old modification time: {folder}/KP.20231221.00002.00_L1.fits",
        f"L1 with old DRP version (<b>v2.1</b>): {folder}/KP.20231221.00003.00_L1.fits",
        f"Unreadable L1 (empty): {folder}/KP.20231221.00004.00_L1.fits",
        "Unreadable L0 (not FITS): /data/kpf/L0/20231221/KP.20231221.00005.00.fits",
    ]


def test_frames_have_one_row_an_item():
    assessment = make_result(night("20231221", STARTED, (3, 4), (1, 5), (0, 0), missing=MISSING))
    nights = assessment.to_frame()
    assert nights.loc[0, "L1_done"] == 1
    assert nights.loc[0, "L1_expected"] == 5
    assert nights.loc[0, "last_l0"].to_pydatetime() == STARTED
    missing = assessment.missing_frame()
    assert list(missing.columns) == ["night", "obsid", "level", "reason", "L0"]
    assert list(missing["reason"])[1] == ("L1 exists but is older than its L0; no attempt known")


def test_frames_of_nothing_have_the_same_columns():
    result = make_result(night("20231221", None, (0, 0), (0, 0), (0, 0)))
    assert list(make_result().to_frame().columns) == list(result.to_frame().columns)
    assert len(make_result().missing_frame()) == 0


def test_html_is_escaped():
    assessment = make_result(
        night("20231221", None, (3, 4), (1, 5), (0, 0), missing=MISSING), notes=("<script>",)
    )
    html = assessment._repr_html_()
    assert "<b>" not in html
    assert "<script>" not in html
    assert "&lt;b&gt;v2.1" in html
    assert "1/5 · 20 %" in html


def test_html_lists_a_limited_number_and_counts_the_rest(monkeypatch):
    monkeypatch.setattr(missing_groups, "MAX_GROUPS", 2)
    html = make_result(
        night("20231221", None, (3, 4), (1, 5), (0, 0), missing=MISSING)
    )._repr_html_()
    assert "and 3 more causes" in html
    assert "v2.1" not in html
