"""The sets of parameters are ones that their notebooks take, and the site's settings are valid."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from kpfnb.cli.runs import parse_parameters
from kpfnb.core import settings
from kpfnb.kpf.files import drp
from kpfnb.notebook import parameters, runner

PROJECT = Path(__file__).parents[2]
PIPELINE_DIRS = ("recipes/", "configs/", "scripts/", "cronjobs/")
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
    assert len(values.masters_command) == 11
    assert drp.build_steps(
        values,
        [["sh", *step[1:]] for step in values.masters_command],
        "/data/kpf/L0/20240115",
        2,
        setting="masters_command",
        night="20240115",
    )[5][-1] == (
        "mkdir -p /data/kpf/masters/20240115"
        " && cp -pf /data/kpf/masters/pool/kpf_20240115* /data/kpf/masters/20240115"
    )


def test_the_pipeline_has_the_files_that_the_settings_of_a_site_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = os.environ.get("KPFNB_KPF_PIPELINE")
    if not checkout:
        pytest.skip("KPFNB_KPF_PIPELINE names no checkout of the KPF pipeline")
    shutil.copyfile(PROJECT / "params/kpfnb.production.toml", tmp_path / "kpfnb.toml")
    values = settings.load_settings()
    words = [word for step in _steps(values) for word in step]
    words += [values.drp_config, values.drp_recipe]
    words += [_default("drp_config"), _default("drp_recipe")]
    files = {word for word in words if word.startswith(PIPELINE_DIRS)}
    text = (PROJECT / "params/kpfnb.production.toml").read_text()
    # Also in comments; the older version's configuration is named as that
    files |= set(re.findall(r'"((?:configs|recipes|cronjobs)/[^"]+)"', text))
    files.remove("configs/kpf_drp.config")
    assert len(files) > 12
    assert not [file for file in files if not (Path(checkout) / file).is_file()]


def _default(name: str) -> str:
    return str(settings.Settings.model_fields[name].default)


def _steps(values: settings.Settings) -> list[list[str]]:
    return [values.drp_command, values.drp_watch_command, *values.masters_command]
