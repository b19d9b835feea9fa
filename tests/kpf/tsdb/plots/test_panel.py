from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.kpf.files import keywords
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.tsdb.plots.panel import PANEL_GROUPS, choose_panels, load_panels

PANEL = """group: Mine
panels:
  hallway:
    title: The hallway
    rows:
      - {label: temperature, unit: °C, lines: {hallway: kpfmet.TEMP}}
"""


@pytest.fixture
def mine(isolated: Path) -> Path:
    """The user's folder of panels."""
    folder = isolated / "work/panels"
    folder.mkdir(parents=True)
    return folder


def test_every_group_has_panels() -> None:
    groups = Counter(panel.group for panel in load_panels().values())
    assert list(groups) == list(PANEL_GROUPS)
    assert sum(groups.values()) >= 80


def test_every_keyword_of_a_panel_is_one_of_kpf() -> None:
    """`SOURCE` is what kpfnb derives itself."""
    unknown = {
        (panel.name, keyword)
        for panel in load_panels().values()
        for keyword in panel.keywords()
        if keyword != "SOURCE" and not _is_written(keyword)
    }
    assert unknown == set()


def test_a_velocity_of_0_is_not_drawn() -> None:
    """The DRP writes 0 where it has no velocity."""
    velocities = re.compile(r"CC(F|D[12])RV[123C]?")
    for panel in load_panels().values():
        drawn = list(filter(velocities.fullmatch, panel.drawn_keywords()))
        conditions = [tuple(condition) for condition in panel.select.conditions()]
        if drawn:
            assert any(
                sign == "!=" and value == 0 and velocities.fullmatch(column)
                for column, sign, value in conditions
            ), panel.name
    difference = load_panels()["camera-difference"]
    assert {column for column, *_ in difference.select.conditions()} >= {"CCD1RV", "CCD2RV"}


def _is_written(column: str) -> bool:
    """Whether a version of the DRP, or the instrument, writes the keyword at the column's level."""
    level = next((level for level in KPF.levels if column.startswith(f"{level}:")), "")
    name = column.removeprefix(f"{level}:")
    known = keywords.find_keyword(name, level, extension="")
    return known is not None and known.since != "none"


def test_a_users_panel_needs_no_code(mine: Path) -> None:
    (mine / "mine.yml").write_text(PANEL)
    panels = load_panels()
    assert list(panels)[-1] == "hallway"
    line = panels["hallway"].rows[0].lines["hallway"]
    assert (line.column, line.scale) == ("kpfmet.TEMP", 1.0)


def test_the_setting_names_another_directory(
    isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_PANELS", str(isolated))
    (isolated / "mine.yml").write_text(PANEL)
    assert "hallway" in load_panels()


def test_a_users_panel_replaces_the_packages(mine: Path) -> None:
    (mine / "mine.yml").write_text(PANEL.replace("hallway:\n", "seeing:\n"))
    panels = load_panels()
    assert panels["seeing"].title == "The hallway"
    assert sum(panel.title == "The hallway" for panel in panels.values()) == 1


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("title:", "titel:", 4, "unknown key 'titel'; did you mean title?"),
        ("    title: The hallway\n", "", 3, "title: Field required"),
        ("label: temperature, ", "", 6, "label: Field required"),
        ("kpfmet.TEMP}", "{column: A, scale: much}}", 6, "scale: Input should be a valid number"),
        ("unit: °C, ", "lower: 2, upper: 1, ", 6, "lower (2) is not below upper (1)"),
        ("kpfmet.TEMP}}", "kpfmet.TEMP}}\n    states: {a: B}", 3, "not rows and states"),
        ("    rows:", "    select: {where: [[A, like, 1]]}\n    rows:", 5, "operator 'like'"),
        ("  hallway:\n", "  The Hallway:\n", 3, "String should match pattern"),
        ("hallway: kpfmet.TEMP", "hallway: A, hallway: B", 6, "'hallway' is repeated"),
        ("group: Mine\n", "group: [\n", 3, "expected"),
        ("group: Mine\n", "groups: Mine\n", 1, "unknown key 'groups'; did you mean group?"),
        ("lines: {hallway: kpfmet.TEMP}", "lines: 3", 6, "Input should be a valid dictionary"),
        (PANEL, "group: Mine\npanels:\n  hallway: 3\n", 3, "a panel is a mapping"),
        (PANEL, "- 1\n", 1, "a file of panels is a mapping"),
    ],
)
def test_an_invalid_file_is_an_error_with_its_line(
    mine: Path, old: str, new: str, line: int, words: str
) -> None:
    path = mine / "mine.yml"
    path.write_text(PANEL.replace(old, new, 1))
    with pytest.raises(InvalidInputError) as caught:
        load_panels()
    assert f"{path}, line {line}: " in caught.value.what
    assert words in caught.value.what


def test_a_panel_that_is_in_two_files_is_refused(mine: Path) -> None:
    for name in ("a.yml", "b.yml"):
        (mine / name).write_text(PANEL)
    with pytest.raises(InvalidInputError, match=r"b\.yml: panel hallway is in .*a\.yml too"):
        load_panels()


def test_an_empty_file_is_refused(mine: Path) -> None:
    (mine / "mine.yml").touch()
    with pytest.raises(InvalidInputError, match="is empty"):
        load_panels()


def test_panels_are_chosen_by_name_and_by_group() -> None:
    chosen = choose_panels(["seeing", "WLS"])
    assert {panel.group for panel in chosen.values()} == {"Observing", "WLS"}
    with pytest.raises(InvalidParameterError, match="did you mean seeing"):
        choose_panels(["seing"])
