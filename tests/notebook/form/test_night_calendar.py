"""The calendar asks the kernel for one month; tests/browser presses its buttons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kpfnb.notebook.form import controls, night_calendar
from kpfnb.notebook.parameter_kinds import parse_kind
from kpfnb.notebook.parameters import Parameter


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KPFNB_DATA_ROOT", str(tmp_path))
    for night, count in {"20231231": 1, "20240114": 2, "20240115": 3, "20240116": 0}.items():
        directory = tmp_path / "L0" / night
        directory.mkdir(parents=True)
        for number in range(count):
            (directory / f"KP.{night}.{number:05d}.00.fits").touch()
    return tmp_path


def test_a_month_has_its_nights_with_files(root: Path) -> None:
    counts = {"20240114": 2, "20240115": 3}
    assert night_calendar.count_files("202401") == {
        "month": "202401", "last": "", "counts": counts, "error": ""
    }  # fmt: skip
    assert night_calendar.count_files("")["last"] == "20240115"
    assert night_calendar.count_files("")["counts"] == counts


def test_only_the_shown_month_is_listed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[str] = []
    scandir = night_calendar.nights.os.scandir

    def watch(path: Path) -> Any:
        listed.append(path.name)
        return scandir(path)

    monkeypatch.setattr(night_calendar.nights.os, "scandir", watch)
    night_calendar.count_files("202312")
    assert listed == ["20231231"]


def test_without_a_data_root_the_calendar_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_DATA_ROOT", str(tmp_path / "none"))
    answer = night_calendar.count_files("")
    assert "no night in" in answer["error"] and answer["counts"] == {}


@pytest.mark.parametrize(
    ("kind", "is_list"), [("night", False), ("moment", False), ("targets", True)]
)
def test_a_field_of_nights_has_a_calendar(kind: str, is_list: bool, root: Path) -> None:
    control = controls.make_control(Parameter("start", parse_kind(kind), "", "first night"))
    text, calendar = control.widget.children
    assert (calendar.name, calendar.field, calendar.is_list) == ("start", text.model_id, is_list)
    sent: list[dict[str, Any]] = []
    calendar.send = sent.append
    calendar._on_message(calendar, {"month": "202312"}, [])
    assert [message["counts"] for message in sent] == [{"20231231": 1}]
