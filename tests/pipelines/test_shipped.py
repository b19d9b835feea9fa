"""The pipelines of the project fit their notebooks as these are now."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.pipelines import plan as planning
from kpfnb.pipelines import spec

PROJECT = Path(__file__).parents[2]
SHIPPED = sorted((PROJECT / "pipelines").glob("*.yml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_it_can_be_planned_as_it_stands(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    pipeline = spec.load_pipeline(str(path))
    plan = planning.make_plan(pipeline, {})
    assert set(plan.pipeline.steps) == set(pipeline.steps)
    assert all(step.title for step in pipeline.steps.values())
    assert all(one.help for one in pipeline.parameters.values())
