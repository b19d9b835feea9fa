from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kpfnb.cli.app import app
from kpfnb.compute.services import valkey

runner = CliRunner()


@pytest.fixture(autouse=True)
def stopped(isolated: Path) -> Iterator[None]:
    yield
    valkey.stop_server()


def kpfnb(*arguments: str, code: int = 0, stdin: str | None = None) -> str:
    done = runner.invoke(app, list(arguments), input=stdin)
    if done.exception and not isinstance(done.exception, SystemExit):
        assert code == 2, done.exception
        return str(done.exception)
    assert done.exit_code == code, done.output
    return done.stdout


def run_json(*arguments: str, code: int = 0) -> Any:
    return json.loads(kpfnb(*arguments, "--json", code=code))


def test_from_load_to_done(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("# nights\nd\n")
    assert kpfnb("queue", "load", "trial", "a", "b", "--dry-run").startswith(
        "queue trial: 2 of 2 new (dry run"
    )
    assert kpfnb("queue", "load", "trial", "a", "b") == "queue trial: 2 of 2 new\n"
    assert kpfnb("queue", "load", "trial", "-", "-f", "more.txt", stdin="b\nc\n") == (
        "queue trial: 2 of 3 new; already known: 1 waiting\n"
    )
    assert run_json("queue", "load", "trial", "e", "--priority", "high")["new"] == ["e"]
    assert kpfnb("queue", "list") == "trial\n"
    assert kpfnb("queue", "status", "trial") == "queue trial: 5 waiting\n"
    assert kpfnb("queue", "status", "trial", "--require-done", code=3)
    summary = run_json("worker", "test", "--queue", "trial", "--sleep", "0", "--idle", "0")
    assert summary["attempts"]["done"] == 5
    status = run_json("queue", "status", "trial", "--require-done")
    assert status["counts"]["done"] == 5
    shown = run_json("queue", "show", "trial", "e")
    assert (shown["state"], shown["priority"]) == ("done", "high")
    assert shown["result"] == {"slept_seconds": 0.0, "file": "e.json"}
    assert kpfnb("queue", "show", "trial").splitlines() == [f"done      {name}" for name in "abcde"]
    assert [item["name"] for item in run_json("queue", "show", "trial")] == list("abcde")


def test_failures_are_shown_and_repaired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_QUEUE_BACKOFF_SECONDS", "0.01")
    kpfnb("queue", "load", "trial", "bad", "good")
    work = ["worker", "test", "--queue=trial", "--sleep=0", "--idle=0"]
    assert kpfnb(*work, "-p", "fail=bad", code=3) == "partial: 1 done, 3 failed\n"
    assert "parked   bad" in kpfnb("queue", "status", "trial", code=3)
    shown = kpfnb("queue", "show", "trial", "bad")
    assert "error: RuntimeError: bad failed on request" in shown
    assert "  Traceback (most recent call last):" in shown
    assert "1 parked → waiting (dry run" in kpfnb(
        "queue", "requeue", "trial", "--state", "parked", "--dry-run"
    )
    assert kpfnb("queue", "requeue", "trial", "--state", "parked").endswith("parked → waiting\n")
    assert kpfnb(*work) == "succeeded: 1 done\n"


def test_park_cancel_and_drain() -> None:
    kpfnb("queue", "load", "trial", "a", "b", "c")
    result = run_json("queue", "park", "trial", "a", "nope", code=3)
    assert result["items"] == {
        "a": {"from": "waiting", "to": "parked"},
        "nope": {"from": None, "to": None},
    }
    assert "2 waiting → cancelled" in kpfnb("queue", "cancel", "trial", "--state", "waiting")
    assert "no more items" in kpfnb("queue", "drain", "trial")
    kpfnb("queue", "requeue", "trial", "b")
    assert kpfnb("worker", "test", "--queue=trial", "--idle=0") == "succeeded: no work\n"
    kpfnb("queue", "drain", "trial", "--off")
    assert kpfnb("worker", "test", "--queue=trial", "--idle=0", "--sleep=0").endswith("1 done\n")


def test_rebuilt_after_the_server_lost_its_data(tmp_path: Path) -> None:
    kpfnb("queue", "load", "trial", "a/1", "b", "c")
    kpfnb("queue", "park", "trial", "c")
    kpfnb("worker", "test", "--queue=trial", "--sleep=0", "--idle=0")
    kpfnb("services", "stop", "valkey")
    for path in (valkey.data_folder() / "appendonlydir").iterdir():
        path.unlink()
    (tmp_path / "all.txt").write_text("a/1\nb\nc\n")
    rebuild = ["queue", "rebuild", "trial", "--items", "all.txt", "--task", "test"]
    assert "1 new → waiting" in kpfnb(*rebuild, "--dry-run")
    assert kpfnb(*rebuild) == "queue trial: 2 new → done; 1 new → waiting\n"
    assert run_json("queue", "status", "trial")["counts"]["done"] == 2
    (tmp_path / "done.txt").write_text("c\n")
    assert "1 waiting → done" in kpfnb("queue", "rebuild", "trial", "--done", "done.txt")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["load", "trial"], "no item is named"),
        (["load", "a b", "x"], "is not a valid name"),
        (["load", "trial", "x", "--priority", "top"], "no such priority"),
        (["load", "trial", "-f", "nope.txt"], "can't read the items in nope.txt"),
        (["park", "trial", "--state", "tired"], "no such state"),
        (["show", "trial", "x"], "has no item 'x'"),
        (["status", "trial", "--watch", "1", "--json"], "--watch is for people"),
        (["rebuild", "trial"], "no source for what is on disk"),
    ],
)
def test_a_mistake_is_one_clear_message(arguments: list[str], message: str) -> None:
    assert message in kpfnb("queue", *arguments, code=2)


def test_services() -> None:
    assert "valkey: not running" in kpfnb("services", "status", "valkey")
    assert "valkey: running" in kpfnb("services", "start", "valkey")
    [service] = json.loads(kpfnb("services", "status", "valkey", "--json"))
    assert service["running"] and service["address"].startswith("unix://")
    assert "not running" in kpfnb("services", "stop", "valkey")
