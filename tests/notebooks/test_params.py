"""The sets of parameters are ones that their notebooks take, and the site's settings are valid."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kpfnb.cli.runs import parse_parameters
from kpfnb.core import settings
from kpfnb.notebook import parameters, runner

PROJECT = Path(__file__).parents[2]
SETS = sorted((PROJECT / "params").glob("*.yml"))
KPF_NOTEBOOKS = {
    *("progress", "reprocess", "quicklook", "ingest"),
    *("timeseries", "watch", "tonight"),
}


@pytest.mark.parametrize("file", SETS, ids=lambda file: file.stem)
def test_a_set_is_one_that_its_notebook_takes(file: Path) -> None:
    notebook = PROJECT / "notebooks" / f"{file.name.split('.')[0]}.ipynb"
    given = parse_parameters([file], [])
    assert given
    parameters.validate_parameters(runner.inspect_notebook(notebook), given)


def test_every_kpf_notebook_has_a_set_for_production() -> None:
    names = {file.name.split(".")[0] for file in SETS if ".production." in file.name}
    assert names >= KPF_NOTEBOOKS


def test_the_settings_of_a_site_are_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KPFNB_WORK_DIR", "KPFNB_DATA_ROOT"):
        monkeypatch.delenv(name)
    shutil.copyfile(PROJECT / "params/kpfnb.production.toml", tmp_path / "kpfnb.toml")
    values = settings.load_settings()
    assert values.kpf_root == Path("/data/kpf")
    assert "{night}" in values.masters_command
