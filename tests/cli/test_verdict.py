"""`kpfnb verdict`: exit codes, one line, overrides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kpfnb.cli.app import app
from kpfnb.demo.header_only_night import DEFAULT_COUNTS, NightFault, write_night

NIGHT = "20240110"


@pytest.mark.parametrize(
    ("fault", "code"), [((), 0), ((NightFault.FAINT_STARS,), 3), ((NightFault.NO_MASTER_BIAS,), 1)]
)
def test_the_exit_code_is_the_verdicts(
    isolated: Path, fault: tuple[NightFault, ...], code: int
) -> None:
    write_night(isolated / "data", NIGHT, DEFAULT_COUNTS, *fault)
    done = CliRunner().invoke(app, ["verdict", NIGHT, "--line"])
    assert done.exit_code == code
    assert done.output.count("\n") == 1
    assert (isolated / f"work/runs/nights/{NIGHT}/verdict.html").exists()
    listed = CliRunner().invoke(app, ["verdict"])
    assert listed.output == done.output


def test_an_override_changes_it(isolated: Path) -> None:
    write_night(isolated / "data", NIGHT, DEFAULT_COUNTS, NightFault.NO_MASTER_BIAS)
    arguments = ["verdict", NIGHT, "--override", "master-bias", "--to", "PASS", "--why", "no need"]
    dry = CliRunner().invoke(app, [*arguments, "--dry-run"])
    assert dry.exit_code == 0
    assert json.loads(dry.output)["would_record"]["instead_of"] == "FAIL"
    assert not (isolated / "work/nights").exists()
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0
    assert json.loads(done.output)["verdict"] == "PASS"


def test_accept_and_what_is_wrong(isolated: Path) -> None:
    write_night(isolated / "data", NIGHT, DEFAULT_COUNTS, NightFault.FAINT_STARS)
    assert CliRunner().invoke(app, ["verdict", NIGHT, "--accept", "WARN"]).exit_code == 0
    assert CliRunner().invoke(app, ["verdict", NIGHT, "--accept", "x"]).exception
    assert CliRunner().invoke(app, ["verdict", NIGHT, "--why", "x"]).exception


def test_all_limits_are_listed_with_their_source(isolated: Path) -> None:
    shown = CliRunner().invoke(app, ["verdict", "--limits"])
    assert shown.exit_code == 0
    assert "ccd-temperature-green: Distance of the Green CCD" in shown.output
    assert "PASS ≤ 0.01 K, FAIL > 1, otherwise WARN" in shown.output
    assert "the pipeline's QC of v2.12: green_ccd_10mK" in shown.output
    assert "since: v2.9.0" in shown.output
    assert "kpfgreen.STA_CCD_T" in shown.output
    listed = json.loads(CliRunner().invoke(app, ["verdict", "--limits", "--json"]).output)
    assert all(rule["source"] for rule in (*listed["verdict"], *listed["quicklook"]))
    [rule] = [rule for rule in listed["verdict"] if rule["rule"] == "wavelength-flags"]
    assert (rule["since"]["MONOTWLS"], rule["since"]["LFCSAT"]) == ("", "v2.9.0")
    assert (rule["warn"], rule["fail"], rule["from"]) == ([None, 0], [None, 20], "L1")
