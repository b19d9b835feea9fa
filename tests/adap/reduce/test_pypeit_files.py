"""Every .pypeit file below a folder, with a fake PypeIt."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kpfnb.adap.reduce import pypeit_files
from kpfnb.adap.reduce.batch_result import ReductionBatchResult
from kpfnb.adap.reduce.job import ReductionConfig
from kpfnb.cli.app import app
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome, Result
from tests.adap.fake_pypeit import CALIBRATIONS, write_raw

pytestmark = pytest.mark.usefixtures("fake_pypeit")

FRAMES = {f"{name}.fits": kinds for name, kinds in CALIBRATIONS.items()} | {"b27.fits": "science"}


def write_plan(root: Path, night: str, frames: dict[str, str] = FRAMES) -> Path:
    raw = write_raw(root / "raw" / night, frames)
    path = root / night / "reduce/kast_A/kast_A.pypeit"
    path.parent.mkdir(parents=True)
    rows = "\n".join(f"{file} | {kinds}" for file, kinds in frames.items())
    path.write_text(f"data read\n path {raw}\nfilename | frametype\n{rows}\ndata end\n")
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for night in ("n1", "n2"):
        write_plan(tmp_path / "root", night)
    return tmp_path / "root"


def run(root: Path, behaviour: str = "good", *, force: bool = False) -> ReductionBatchResult:
    config = ReductionConfig(force=force)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAKE_PYPEIT", behaviour)
        return pypeit_files.run_pypeit_files(root, config, workers=2, progress=False)


def test_all_of_them(root: Path) -> None:
    result = run(root)
    assert isinstance(result, Result)
    assert result.outcome is Outcome.SUCCEEDED, result.reason
    table = result.to_frame().set_index("name")
    assert list(table.index) == [f"{n}/reduce/kast_A" for n in ("n1", "n2")]
    assert list(table["exit code"]) == ["0", "0"]
    assert list(table["products"]) == [2, 2]
    assert (root / "n1/reduce/kast_A/kast_A_useful_warns.log").is_file()
    assert len(result.frames()) == 2 * len(FRAMES)
    assert list(result.warnings()["about"]) == ["slits", "slits"]
    assert len(result.timing()) == 2
    assert result.key_figures()["products"] == 4
    assert "2 of 2 reduced" in str(result)


@pytest.mark.slow
def test_a_second_run_processes_only_what_changed(root: Path) -> None:
    run(root)
    plan = root / "n2/reduce/kast_A/kast_A.pypeit"
    plan.write_text("[reduce]\n  trim = False\n" + plan.read_text())
    first, second = run(root, "crash").parts
    assert (first.outcome, first.reason[:13]) == (Outcome.SUCCEEDED, "nothing to do")
    assert (second.outcome, second.exit_codes) == (Outcome.PARTIAL, [1])
    assert "the <arc> is noise" in second.reason


def test_products_of_an_earlier_run_do_not_count(root: Path) -> None:
    run(root)
    for product in root.rglob("Science/spec*_b27*"):
        os.utime(product, (5, 5))
    result = run(root, "exit 0 at once", force=True)
    assert result.outcome is Outcome.FAILED
    assert "is of an earlier run" in result.reason


def test_one_that_can_not_be_run_does_not_stop_the_others(root: Path) -> None:
    write_plan(root, "n0", {"b1.fits": "arc,tilt", "b27.fits": "science"})
    (root / "raw/n1/b21.fits").unlink()
    bad = root / "bad/bad.pypeit"
    bad.parent.mkdir()
    bad.write_text("no table")
    result = run(root)
    assert result.outcome is Outcome.PARTIAL
    reasons = {part.name.split("/")[0]: part.reason for part in result.parts}
    assert reasons["n0"] == "no trace frame"
    assert reasons["n1"] == "missing: b21.fits"
    assert "has no data block" in reasons["bad"]
    assert reasons["n2"].startswith("1 of 1")


def test_nothing_to_run(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no folder"):
        pypeit_files.run_pypeit_files(tmp_path / "gone", ReductionConfig())
    with pytest.raises(InvalidInputError, match=r"no \.pypeit file below"):
        pypeit_files.run_pypeit_files(tmp_path, ReductionConfig())


def test_the_command(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = CliRunner()
    text = runner.invoke(app, ["run-pypeit", str(root), "--dry-run"])
    assert "would run PypeIt on 2 .pypeit files" in text.output
    assert not list(root.rglob("*.log"))
    (root / "n2/reduce/kast_A/kast_A.pypeit").unlink()
    monkeypatch.setenv("FAKE_PYPEIT", "crash")
    text = runner.invoke(app, ["run-pypeit", str(root), "--json"])
    assert text.exit_code == Outcome.PARTIAL.exit_code
    (part,) = json.loads(text.stdout)["parts"]
    assert part["exit_codes"] == [1]
