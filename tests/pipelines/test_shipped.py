"""The pipelines of the project match their current notebooks."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.pipelines.plan import make_plan
from kpfnb.pipelines.spec import load_pipeline

PROJECT = Path(__file__).parents[2]
SHIPPED = sorted((PROJECT / "pipelines").glob("*.yml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_each_pipeline_can_be_planned(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PROJECT)
    monkeypatch.setenv("KPFNB_DATA_ROOT", str(tmp_path))
    (tmp_path / "L0/20240115").mkdir(parents=True)
    (tmp_path / "L0/20240115/KP.20240115.00001.00.fits").touch()
    pipeline = load_pipeline(str(path))
    plan = make_plan(pipeline, {})
    # One night for all steps, even if the next one begins meanwhile
    assert "last" not in plan.parameters.values()
    assert set(plan.pipeline.steps) == set(pipeline.steps)
    assert all(step.title for step in pipeline.steps.values())
    assert all(parameter.help for parameter in pipeline.parameters.values())
