"""`kpfnb queue load --sheet` and `kpfnb queue mirror`, with a real queue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from kpfnb.cli.app import app
from kpfnb.compute.services import valkey
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.queue import sheet_mirror
from kpfnb.storage import sheets
from tests.storage.sheets.conftest import Local, Remote

Behind = Local | Remote
runner = CliRunner()


@pytest.fixture(autouse=True)
def stopped(behind: Behind) -> Iterator[None]:
    yield
    valkey.stop_server()


def kpfnb(*arguments: str, code: int = 0) -> Any:
    done = runner.invoke(app, [*arguments, "--json"])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def test_from_the_sheet_to_the_queue_and_back(behind: Behind) -> None:
    rows = [["first", "", ""], ["done", "COMPLETE", "w9"], ["bad", "", ""], ["second", "", ""]]
    behind.put("WorkQueue", rows)
    assert kpfnb("queue", "load", "trial", "--sheet")["new"] == ["first", "bad", "second"]
    result = kpfnb("queue", "mirror", "trial")
    assert (result["cells"], result["missing"]) == (3, [])
    assert [row[1] for row in behind.raw("WorkQueue")] == [
        *("IN QUEUE", "COMPLETE", "IN QUEUE", "IN QUEUE")
    ]
    assert kpfnb("queue", "load", "trial", "more", "--sheet")["new"] == ["more"]
    options = ["--idle", "0", "--sleep", "0"]
    kpfnb("queue", "park", "trial", "bad")
    kpfnb("worker", "test", "--queue", "trial", *options)
    assert kpfnb("queue", "mirror", "trial")["missing"] == ["more"]
    rows = behind.raw("WorkQueue")
    assert [row[:2] for row in rows] == [
        ["first", "COMPLETE"],
        ["done", "COMPLETE"],
        ["bad", "FAILED"],
        ["second", "COMPLETE"],
    ]
    assert rows[1][2] == "w9"
    assert rows[0][2] == rows[3][2] != ""
    assert kpfnb("queue", "mirror", "trial")["cells"] == 0


def test_another_tab(behind: Behind) -> None:
    behind.put("coadd status", [["dataset", "Coadd 2D", "pod"], ["A", "", ""], ["B", "", ""]])
    tab = ["--tab", "coadd status@Coadd 2D"]
    assert kpfnb("queue", "load", "coadd2d", *tab, "--dry-run")["new"] == ["A", "B"]
    assert kpfnb("queue", "load", "coadd2d", *tab)["new"] == ["A", "B"]
    kpfnb("queue", "mirror", "coadd2d", *tab)
    assert behind.raw("coadd status")[1] == ["A", "IN QUEUE", ""]


def test_a_sheet_that_does_not_exist(behind: Behind) -> None:
    with pytest.raises(InvalidInputError, match="no tab 'WorkQueue'"):
        kpfnb("queue", "load", "trial", "--sheet")
    with pytest.raises(InvalidParameterError, match="no item is named"):
        kpfnb("queue", "load", "trial")
    assert kpfnb("queue", "load", "trial", "a")["new"] == ["a"]
    result = kpfnb("queue", "mirror", "trial", code=1)
    assert (result["outcome"], result["owed"]) == ("failed", 1)
    assert kpfnb("queue", "mirror", "trial", "--add")["added"] == 1
    assert sheets.open_workbook().read("WorkQueue").rows[1] == ("a", "IN QUEUE", "")


def test_watching_goes_on_until_it_is_stopped(
    behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind.put("WorkQueue", [["a", "", ""]])
    kpfnb("queue", "load", "trial", "--sheet")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise KeyboardInterrupt

    run_mirror = sheet_mirror.run_mirror
    monkeypatch.setattr(
        sheet_mirror, "run_mirror", lambda *arguments: run_mirror(*arguments, sleep)
    )
    done = runner.invoke(app, ["queue", "mirror", "trial", "--watch", "15"])
    assert (done.exit_code, slept) == (0, [15, 15])
    changed, unchanged = done.stdout.splitlines()
    assert changed.endswith("/WorkQueue@B: 1 row changed")
    assert unchanged.endswith("/WorkQueue@B: nothing changed")
