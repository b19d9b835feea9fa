from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kpfnb.cli.app import app
from kpfnb.demo import delivery_inputs

NAME = delivery_inputs.DATASETS[0]


@pytest.fixture(autouse=True)
def datasets(isolated: Path) -> None:
    delivery_inputs.make_datasets(isolated / "work/datasets", [NAME])


def kpfnb(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["archive", *arguments])
    assert done.exit_code == code, done.output
    return done.stdout


def run_json(*arguments: str, code: int = 0) -> Any:
    return json.loads(kpfnb(*arguments, "--json", code=code))


def test_from_delivery_to_check(tmp_path: Path) -> None:
    assert "1 would be delivered" in kpfnb("deliver", "--dry-run")
    assert not (tmp_path / "work/delivery").exists()
    assert run_json("status")["figures"]["delivered"] == 0
    result = run_json("deliver", NAME)
    assert result["outcome"] == "succeeded"
    assert [unit["state"] for unit in result["units"]] == ["delivered"]
    assert f"{NAME}: there already" in kpfnb("deliver")
    assert run_json("status")["figures"]["files"] == 17
    assert NAME in kpfnb("status")
    assert run_json("check")["figures"]["wrong"] == 0
    file = tmp_path / "work/delivery" / NAME / "keck_deimos_A/QA.tar.gz"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    assert list(run_json("check", "--quick", code=1)["wrong"]) == [
        f"{NAME}/keck_deimos_A/QA.tar.gz"
    ]


def test_what_waits_is_partial() -> None:
    assert "wait for the quota" in kpfnb("deliver", "--quota", "0.00006", code=3)
    assert run_json("status")["figures"]["on its way"] == 1


def test_what_fails_is_failed(tmp_path: Path) -> None:
    (tmp_path / "work/datasets" / NAME / "complete").rename(tmp_path / "gone")
    assert "failed: 1 failed" in kpfnb("deliver", code=1)
