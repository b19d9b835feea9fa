"""The pipelines of the project fit their notebooks as these are now."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.pipelines import definition, planning

PROJECT = Path(__file__).parents[2]
SHIPPED = sorted((PROJECT / "pipelines").glob("*.yml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_it_can_be_planned_as_it_stands(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    pipeline = definition.load(str(path))
    plan = planning.make(pipeline, {})
    assert set(plan.pipeline.steps) == set(pipeline.steps)
    assert all(step.title for step in pipeline.steps.values())
    assert all(one.help for one in pipeline.parameters.values())
