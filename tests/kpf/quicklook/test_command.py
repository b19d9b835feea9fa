from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from astropy.io import fits
from typer.testing import CliRunner

from kpfnb.cli.app import app
from tests.kpf.quicklook.conftest import BIAS, STAR

Take = Callable[..., Path]
invoke = CliRunner().invoke
EVIL = "<img src=x onerror=alert(1)> $\\frac{"


def test_files_are_listed_in_processing_order(take: Take) -> None:
    take(f"L0/*/{STAR}*", f"L0/*/{BIAS}*", f"L1/*/{STAR}*")
    result = invoke(app, ["quicklook", "20240115.5", "20240115.0", "--l0", "--print_files"])
    assert [Path(line).name for line in result.stdout.split()] == [f"{STAR}.fits", f"{BIAS}.fits"]
    listed = invoke(app, ["quicklook", "20240115.1", "--print-files", "--json", "--l1"])
    assert [Path(path).name for path in json.loads(listed.stdout)] == [f"{STAR}_L1.fits"]
    nothing = invoke(app, ["quicklook", "20240115.9", "--print-files"])
    assert (nothing.stdout, nothing.stderr) == ("", "no files from 20240115.9 to 20240115.9\n")


def test_exit_codes_and_json(take: Take) -> None:
    root = take(f"L2/*/{STAR}*", f"L0/*/{BIAS}*")
    path = root / f"L2/20240115/{STAR}_L2.fits"
    with fits.open(path, memmap=False) as hdus:
        hdus[0].header["TARGNAME"] = EVIL
        hdus.writeto(path, overwrite=True)
    (root / f"L0/20240115/{BIAS}.fits").write_bytes(b"")
    result = invoke(app, ["quicklook", "20240115", "--json", "--ncpu", "1"])
    assert result.exit_code == 3
    values = json.loads(result.stdout)
    assert values["failed_items"] == [f"{BIAS}.fits"]
    assert (values["files"], values["made"], values["failed"]) == (2, 1, 1)
    page = (root / f"QLP/20240115/{STAR}/index.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["2024"], "start"),
        (["20240115", "--only-recent", "--not-recent"], "exclude"),
        (["20240115"], "none of the directories"),
    ],
)
def test_a_mistake_is_one_clear_error(arguments: list[str], message: str) -> None:
    result = invoke(app, ["quicklook", *arguments])
    assert message in str(result.exception)
