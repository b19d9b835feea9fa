from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.core.errors import InvalidInputError
from kpfnb.pipelines import spec
from kpfnb.pipelines.spec import FromParameter

GOOD = """
title: A night
parameters:
  night: {default: "20240115", help: the night}
steps:
  work:
    notebook: reprocess
    parameters:
      start: {parameter: night}
      observations: {step: look, value: missing.L1}
      ncpus: 2
    retries: 1
  look:
    notebook: progress
    parameters: {start: {parameter: night}}
  after: {notebook: progress, needs: [work], timeout_seconds: 60}
"""


def load(text: str) -> spec.Pipeline:
    Path("p.yml").write_text(text)
    return spec.load_pipeline("p.yml")


def test_a_pipeline_is_read_and_ordered_by_what_it_needs() -> None:
    pipeline = load(GOOD)
    assert (pipeline.name, pipeline.title) == ("p", "A night")
    assert pipeline.order() == ["look", "work", "after"]
    work = pipeline.steps["work"]
    assert work.parameters["start"] == spec.FromParameter(parameter="night")
    assert work.parameters["observations"] == spec.FromStep(step="look", value="missing.L1")
    assert work.parameters["ncpus"] == 2


def test_a_value_from_a_step_implies_the_need() -> None:
    assert load(GOOD).steps["work"].required_steps() == ["look"]


def test_given_parameters_override_defaults_and_unknown_ones_are_refused() -> None:
    pipeline = load(GOOD)
    assert pipeline.complete_parameters({}) == {"night": "20240115"}
    assert pipeline.complete_parameters({"night": "20240116"}) == {"night": "20240116"}
    with pytest.raises(InvalidInputError, match=r"no parameter 'nigth'\n.*did you mean night"):
        pipeline.complete_parameters({"nigth": "20240116"})


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            changed("retries: 1", "retrys: 1"),
            "steps.work.retrys: unknown key 'retrys'; did you mean retri",
        ),
        (changed("title:", "titel:"), "line 2: titel: unknown key 'titel'; did you mean title?"),
        (
            changed("help:", "hlep:"),
            "parameters.night.hlep: unknown key 'hlep'; did you mean help?",
        ),
        (
            changed("retries: 1", "retries: many"),
            "line 12: steps.work.retries: Input should be a valid int",
        ),
        (changed("retries: 1", "retries: -1"), "steps.work.retries: Input should be greater"),
        (
            changed("[work]", "[wrok]"),
            "step after: needs the unknown step 'wrok'; did you mean work",
        ),
        (
            changed("step: look", "step: lok"),
            "step work: needs the unknown step 'lok'; did you mean",
        ),
        (
            changed("value: missing.L1", "path: x"),
            "steps.work.parameters.observations.path: unknown key",
        ),
        (
            changed(", value: missing.L1", ""),
            "line 10: steps.work.parameters.observations.value: Field requ",
        ),
        (
            changed("      start: {parameter: night}", "      start: {parameter: nite}"),
            "parameter 'nite'",
        ),
        (
            changed("ncpus: 2", "ncpus: {two: 2}"),
            "steps.work.parameters.ncpus.two: unknown key 'two'",
        ),
        (
            changed(
                "  look:\n    notebook: progress",
                "  look:\n    notebook: progress\n    needs: [after]",
            ),
            "the steps depend on each other in a circle: ",
        ),
        (changed("needs: [work]", "needs: [after]"), "in a circle: after → after"),
        (changed("needs: [work]", "after: [wrok]"), "unknown step 'wrok'; did you mean work"),
        (changed("  after:", "  look:"), "line 16: 'look' is repeated"),
        (changed("  after:", "  ../after:"), "steps.../after"),
        (changed("steps:", "steps: {}\nsteps2:"), "unknown key 'steps2'; did you mean steps"),
        ("steps: {}", "steps: Dictionary should have at least 1 item"),
        ("title: x", "steps: Field required"),
        ("- a\n- b", "a pipeline is a mapping"),
        ("", "p.yml is empty"),
        ("a: [", "line 2: "),
        ("{a: b}: c", "line 1: "),
        ("a: \x00", "can't be read"),
    ],
)
def test_a_mistake_is_named_with_its_position(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        load(text)
    assert caught.value.what.startswith("p.yml")
    assert message in caught.value.what


def test_a_circle_is_reported_with_its_path() -> None:
    text = changed(
        "notebook: progress\n    parameters",
        "notebook: progress\n    needs: [after]\n    parameters",
    )
    with pytest.raises(InvalidInputError) as caught:
        load(text)
    path = caught.value.what.partition("circle: ")[2].split(" → ")
    assert path[0] == path[-1]
    assert set(path) == {"look", "work", "after"}


def test_pipelines_are_found_by_name_beside_the_settings_file(isolated: Path) -> None:
    (isolated / "kpfnb.toml").touch()
    (isolated / "pipelines").mkdir()
    (isolated / "pipelines/night.yml").write_text(GOOD)
    assert spec.load_pipeline("night").name == "night"
    with pytest.raises(InvalidInputError, match=r"no pipeline 'nigth'\n.*night, nightly"):
        spec.load_pipeline("nigth")
    with pytest.raises(InvalidInputError, match=r"no pipeline file other\.yml"):
        spec.load_pipeline("other.yml")


def test_the_nightly_pipeline_assesses_every_night_of_its_range() -> None:
    pipeline = spec.load_pipeline("nightly")
    references = {name: pipeline.steps["tonight"].parameters[name] for name in ("night", "end")}
    assert references == {
        "night": FromParameter(parameter="start"),
        "end": FromParameter(parameter="end"),
    }
