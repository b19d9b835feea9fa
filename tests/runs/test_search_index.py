"""The catalogue that the pages search in."""

from __future__ import annotations

import json

import pytest

from kpfnb import runs
from kpfnb.core import settings
from kpfnb.runs import site, store
from kpfnb.runs.classification import RunEndFacts


def ended(day: str, reason: str = "done") -> runs.RunRecord:
    run = runs.start_run("progress", parameters={"start": "20240115", "end": "", "touch": False})
    place = run.directory.with_name(day + run.directory.name[8:])
    run.directory.rename(place)
    result = {"outcome": "succeeded", "reason": reason, "figures": {"nights": 3}}
    return runs.finish_run(runs.read_record(place), RunEndFacts(result=result))


def test_a_run_is_there_once_as_it_ended() -> None:
    runs_dir = settings.load_settings().runs_dir
    run = ended("20240131", "x" * 500)
    site.update_site(run)
    site.update_site(run)
    site.update_site(ended("20240201"))
    assert store.list_months(runs_dir) == ["2024-02", "2024-01"]
    [row] = store.read_month(runs_dir, "2024-01") or []
    assert (row.id, row.word, row.figures) == (run.id, "succeeded", "nights 3")
    assert row.parameters == "start=20240115"
    assert len(row.reason) == store.MAX_TEXT_LENGTH


def test_what_breaks_out_of_a_script_is_escaped() -> None:
    site.update_site(ended("20240131", '");alert(1)//\u2028</script>'))
    text = (settings.load_settings().runs_dir / "data/2024-01.js").read_text()
    assert "\u2028" not in text
    assert json.loads(text[text.index("[") : text.rindex("]") + 1])[0][6].startswith('");alert')


@pytest.mark.parametrize("damage", ["", "kpfnbRuns(", 'kpfnbRuns("2024-01", [[1]]);\n'])
def test_a_damaged_month_is_made_again(damage: str) -> None:
    runs_dir = settings.load_settings().runs_dir
    first = ended("20240110")
    site.update_site(first)
    (runs_dir / "data/2024-01.js").write_text(damage)
    second = ended("20240120")
    site.update_site(second)
    rows = store.read_month(runs_dir, "2024-01") or []
    assert [row.id for row in rows] == [second.id, first.id]


def test_runs_from_before_there_was_a_catalogue_are_found() -> None:
    first = ended("20230110")
    site.update_site(ended("20240120"))
    rows = store.read_month(settings.load_settings().runs_dir, "2023-01") or []
    assert [row.id for row in rows] == [first.id]


def test_a_rebuild_corrects_changes_made_by_hand() -> None:
    runs_dir = settings.load_settings().runs_dir
    first = ended("20240110")
    site.update_site(first)
    ended("20240111")
    assert site.rebuild_stale(runs_dir) == {"2024-01-11"}
    assert site.rebuild_stale(runs_dir) == set()
