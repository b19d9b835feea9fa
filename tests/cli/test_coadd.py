from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from kpfnb.cli.app import app

CONFIG = "simulated_coadd/1200G_8800_OG550"


def kpfnb(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture(autouse=True)
def spectra() -> None:
    done = kpfnb("demo", "spectra")
    assert done.stdout.rstrip().endswith(f"work/datasets/{CONFIG}")


def test_dry_run_says_what_would_be_done() -> None:
    done = kpfnb("coadd", CONFIG, "--dry-run")
    assert done.exit_code == 0
    assert "1D succeeded: dry run: would coadd spectra, targets: 1, exposures: 4" in done.stdout
    assert "MSC02:80" in done.stdout


def test_json_and_one_kind() -> None:
    done = kpfnb("coadd", f"{CONFIG}/2015-10-16", "--only", "2d", "--dry-run", "--json")
    record = json.loads(done.stdout)
    assert list(record) == ["outcome", "reason", "2d"]
    assert record["2d"]["output"].endswith("2015-10-16/complete/2D_Coadd")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["other/config"], "is not a folder"),
        ([CONFIG, "--only", "3d"], "nothing is to be coadded"),
        ([CONFIG, "--flux", "moon"], "flux: 'moon' is not one of auto, archive"),
        ([CONFIG, "--config", "nope.cfg"], "config: can't read"),
    ],
)
def test_a_mistake_is_named(arguments: list[str], words: str) -> None:
    done = kpfnb("coadd", *arguments)
    assert words in str(done.exception)


def test_help_has_an_example() -> None:
    assert "Example: kpfnb coadd" in kpfnb("coadd", "--help").stdout
